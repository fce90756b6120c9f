//! Text for people, terminals and other programs: invisible characters in it are written
//! out or removed. Nothing here fails.

use std::fmt::Write;

use serde::Serialize;

/// Whether it is a format character: these are not shown, but reverse, join or break the
/// text around them, so that a line looks like another one. They are the general category
/// Cf of Unicode, without the visible signs of Arabic, Syriac and Kaithi, and the two
/// separators of lines and paragraphs.
pub fn is_format(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e007f}')
}

/// Whether a terminal does not show a character, or shows others differently because of
/// it: controls (C0, DEL, C1) and format characters.
pub fn is_invisible(c: char) -> bool {
    c.is_control() || is_format(c)
}

/// Text with invisible characters written out, `\u{1b}`: harmless on a terminal.
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

/// The same for text of several lines: their ends and tabs stay.
pub fn escape_lines(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let stays = matches!(c, '\n' | '\t') || c == '\r' && rest.peek() == Some(&'\n');
        if is_invisible(c) && !stays {
            escaped.extend(c.escape_unicode());
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// How much is shown of a value from a message, characters.
const LONGEST_VALUE: usize = 200;
/// How much is shown of a sentence that may contain several of them, characters.
const LONGEST_SENTENCE: usize = 600;

/// A value from a message for people: on one line, harmless on a terminal, and if it is
/// too long to read only its beginning, with `…`.
pub fn shown_value(value: &str) -> String {
    shown(value, LONGEST_VALUE)
}

/// The same for a sentence with values from a message.
pub fn shown_sentence(text: &str) -> String {
    shown(text, LONGEST_SENTENCE)
}

fn shown(text: &str, most: usize) -> String {
    let end = text.char_indices().nth(most).map(|(end, _)| end);
    let beginning = end.and_then(|end| text.get(..end)).unwrap_or(text);
    escape(&beginning.replace('\n', " ")) + if end.is_some() { "…" } else { "" }
}

/// The form of a noun after a number: `line` or `lines`.
pub fn plural(number: usize, thing: &str) -> String {
    if number == 1 {
        return thing.to_owned();
    }
    match thing.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ if thing.ends_with(['s', 'x']) || thing.ends_with("ch") => format!("{thing}es"),
        _ => format!("{thing}s"),
    }
}

/// A number of things in words: `1 line`, `2 lines`.
pub fn counted(number: usize, thing: &str) -> String {
    format!("{number} {}", plural(number, thing))
}

/// Bytes as hexadecimal digits, in lower case.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The byte that two hexadecimal digits stand for, in either case.
pub fn hex_byte(high: u8, low: u8) -> Option<u8> {
    let digit = |byte| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

/// Text with the escapes of RFC 3986 §2.1 decoded: `%` and two digits. What is no escape
/// stays.
pub fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        let escaped = match (byte, after) {
            (b'%', [high, low, ..]) => hex_byte(*high, *low),
            _ => None,
        };
        decoded.push(escaped.unwrap_or(*byte));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    decoded
}

/// Appends a character as JSON escapes it (RFC 8259 §7): two escapes beyond U+FFFF.
pub fn push_json_escape(text: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        let _ = write!(text, "\\u{unit:04x}");
    }
}

/// A value as JSON on one line, with invisible characters in its strings escaped: also
/// DEL, the C1 controls and format characters, which RFC 8259 allows.
pub fn json_line(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).unwrap_or_default();
    if !json.contains(is_invisible) {
        return json;
    }
    // Such characters occur only in strings.
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

/// A text adapted to one line that people and programs read: controls and line separators
/// become blanks, runs of blanks become one, format characters are removed, and it is cut
/// to `max` bytes.
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
    fn values_are_cut_and_things_counted() {
        let long = "ä".repeat(1 << 17);
        assert_eq!(shown_value(&long), "ä".repeat(200) + "…");
        assert_eq!(shown_value("a\nb\u{7}"), "a b\\u{7}");
        assert_eq!(shown_value(&"ä".repeat(200)), "ä".repeat(200));
        assert_eq!(shown_sentence(&long), "ä".repeat(600) + "…");
        for (number, thing, text) in [
            (0, "line", "0 lines"),
            (1, "line", "1 line"),
            (2, "address", "2 addresses"),
            (3, "category", "3 categories"),
            (1, "category", "1 category"),
            (4, "day", "4 days"),
        ] {
            assert_eq!(counted(number, thing), text);
        }
    }

    #[test]
    fn escapes_of_a_uri_are_decoded_and_the_rest_stays() {
        for (text, decoded) in
            [("a%2Fb%e3", &b"a/b\xe3"[..]), ("%", b"%"), ("%4", b"%4"), ("%+4%zz", b"%+4%zz")]
        {
            assert_eq!(percent_decoded(text.as_bytes()), decoded, "{text}");
        }
        for byte in 0..=u8::MAX {
            let digits = hex(&[byte]);
            assert_eq!(hex_byte(digits.as_bytes()[0], digits.as_bytes()[1]), Some(byte));
        }
    }

    #[test]
    fn json_contains_nothing_invisible_and_means_the_same() {
        for code in 0..=0x10_ffff {
            let Some(c) = char::from_u32(code).filter(|c| is_invisible(*c)) else { continue };
            let value = format!("a{c}\"\\b");
            let line = json_line(&value);
            assert!(!line.contains(is_invisible), "{line}");
            assert_eq!(serde_json::from_str::<String>(&line).unwrap(), value);
        }
    }
}
