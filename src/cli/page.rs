//! Wrapping texts to the width of a page, measured as a terminal shows them.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The columns of a text, unless the terminal is narrower.
const WIDTH: usize = 78;
/// Characters that must not begin a line (JIS X 4051).
const NOT_FIRST: &str =
    "、。，．・：；？！ー々）」』】〉》〕ぁぃぅぇぉっゃゅょァィゥェォッャュョ])";
/// Characters that must not end a line.
const NOT_LAST: &str = "（「『【〈《〔[(";

/// The columns of a text on a terminal of this width, or without a terminal.
pub(super) fn width(terminal: Option<usize>) -> usize {
    terminal.unwrap_or(WIDTH).min(WIDTH)
}

/// The text in lines of at most `columns` columns, unless a word is longer.
pub(super) fn wrapped(text: &str, columns: usize) -> String {
    let mut out = String::new();
    let mut column = 0;
    for piece in pieces(text) {
        if column > 0 && column + piece.trim_end().width() > columns {
            out.truncate(out.trim_end().len());
            out.push('\n');
            column = 0;
        }
        out.push_str(piece);
        column += piece.width();
    }
    out
}

/// A text after `before`, wrapped to the terminal; further lines begin where the text
/// does. Without a terminal it is one line.
pub(super) fn hanging(before: &str, text: &str, terminal: Option<usize>) -> String {
    let indent = before.width();
    let text = match terminal {
        Some(columns) => wrapped(text, columns.saturating_sub(indent)),
        None => text.to_owned(),
    };
    format!("{before}{}\n", text.replace('\n', &format!("\n{}", " ".repeat(indent))))
}

/// A text split wherever a line may end.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut before, mut is_code) = (0, '\0', false);
    for (at, c) in text.char_indices() {
        let is_apart = (is_wide(before) || is_wide(c)) && !is_code && c != ' ';
        let is_apart = is_apart && !NOT_FIRST.contains(c) && !NOT_LAST.contains(before);
        if at > 0 && (is_apart || before == ' ') {
            pieces.push(&text[start..at]);
            start = at;
        }
        is_code ^= c == '`';
        before = c;
    }
    pieces.push(&text[start..]);
    pieces
}

fn is_wide(c: char) -> bool {
    c.width() == Some(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_wrapped_between_words() {
        assert_eq!(wrapped("a word or two", 6), "a word\nor two");
        assert_eq!(wrapped("a word or two", 5), "a\nword\nor\ntwo");
        assert_eq!(wrapped("unbreakable", 3), "unbreakable");
        assert_eq!(wrapped("", 3), "");
    }

    #[test]
    fn a_text_hangs_below_its_beginning() {
        assert_eq!(hanging("名: ", "a word or two", Some(10)), "名: a word\n    or two\n");
        assert_eq!(hanging("- ", "a word or two", None), "- a word or two\n");
        assert_eq!(hanging("long: ", "a word", Some(3)), "long: a\n      word\n");
    }

    #[test]
    fn japanese_is_wrapped_between_characters_but_not_before_a_stop() {
        assert_eq!(wrapped("誤りの説明です", 6), "誤りの\n説明で\nす");
        assert_eq!(wrapped("誤りです。次", 8), "誤りで\nす。次");
        assert_eq!(wrapped("誤り（次）です", 6), "誤り\n（次）\nです");
        assert_eq!(wrapped("誤り「次」です", 10), "誤り「次」\nです");
        assert_eq!(wrapped("語は mfilter です", 7), "語は\nmfilter\nです");
        // In code, lines break only between words.
        assert_eq!(wrapped("`in 名前` は", 6), "`in\n名前`\nは");
        assert_eq!(wrapped("名は`長い長い`で", 6), "名は\n`長い長い`\nで");
    }
}
