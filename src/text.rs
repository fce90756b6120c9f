//! Text that people, terminals and other programs are shown: what cannot be
//! seen in it is written out or taken out. Nothing here fails.

use std::fmt::Write;

use serde::Serialize;

/// Format characters: nothing is shown of them, but they turn, join or break
/// what stands around them, so that a line looks like another one. The general
/// category Cf of Unicode without the signs of Arabic, Syriac and Kaithi that are
/// seen, and the two separators of lines and paragraphs.
pub fn is_format(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e007f}')
}

/// Whether a terminal shows nothing of a character, or shows others in
/// another way for it: controls (C0, DEL, C1) and format characters.
pub fn is_invisible(c: char) -> bool {
    c.is_control() || is_format(c)
}

/// Text with what is invisible written out, `\u{1b}`: harmless on a terminal.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if is_invisible(c) {
            let _ = write!(escaped, "{}", c.escape_unicode());
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// A character as JSON escapes it (RFC 8259 §7): two of them beyond U+FFFF.
pub fn push_json_escape(text: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        let _ = write!(text, "\\u{unit:04x}");
    }
}

/// A value as JSON on one line, what is invisible in its strings escaped: also
/// DEL, the C1 controls and format characters, which RFC 8259 lets stand.
pub fn json_line(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).unwrap_or_default();
    if !json.contains(is_invisible) {
        return json;
    }
    // Outside of strings there is no such character.
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if is_invisible(c) {
            push_json_escape(&mut escaped, c);
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// A text made fit for one line that people and programs read: controls and
/// line separators become blanks, runs of blanks one, format characters go, and
/// it is cut to `max` bytes.
pub fn one_line(text: &str, max: usize) -> String {
    let mut line = String::with_capacity(text.len().min(max));
    let mut blank = false;
    for character in text.chars() {
        if character.is_whitespace() || character.is_control() {
            blank = !line.is_empty();
            continue;
        }
        if is_format(character) {
            continue;
        }
        if line.len() + usize::from(blank) + character.len_utf8() > max {
            break;
        }
        if std::mem::take(&mut blank) {
            line.push(' ');
        }
        line.push(character);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_invisible_is_written_out() {
        assert_eq!(
            escape("a\u{1b}[m\u{9b}\u{202e}\u{200d}\u{e0041}é"),
            "a\\u{1b}[m\\u{9b}\\u{202e}\\u{200d}\\u{e0041}é"
        );
        assert_eq!(one_line(" a\r\n\t\u{2028}b\u{200b}c\u{7f}d ", 100), "a bc d");
        assert_eq!(one_line("äöü", 5), "äö");
    }

    #[test]
    fn json_holds_nothing_invisible_and_means_the_same() {
        for code in 0..=0x10_ffff {
            let Some(c) = char::from_u32(code).filter(|c| is_invisible(*c)) else { continue };
            let value = format!("a{c}\"\\b");
            let line = json_line(&value);
            assert!(!line.contains(is_invisible), "{line}");
            assert_eq!(serde_json::from_str::<String>(&line).unwrap(), value);
        }
    }
}
