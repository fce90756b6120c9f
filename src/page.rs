//! Wrapping texts to the width of a page, measured as a terminal shows them.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The columns of a text, unless the terminal is narrower.
const WIDTH: usize = 78;
/// Begins a sequence that sets a colour; `m` ends it.
pub const ESCAPE: char = '\u{1b}';
/// Ends all colours.
pub const RESET: &str = "\u{1b}[0m";
/// Characters that must not begin a line (JIS X 4051).
const NOT_FIRST: &str =
    "、。，．・：；？！ー々）」』】〉》〕ぁぃぅぇぉっゃゅょァィゥェォッャュョ])\"";
/// Characters that must not end a line.
const NOT_LAST: &str = "（「『【〈《〔[(\"";

/// The columns of a text on a terminal of this width, or without a terminal.
pub fn width(terminal: Option<usize>) -> usize {
    terminal.unwrap_or(WIDTH).min(WIDTH)
}

/// The text in lines of at most `columns` columns, unless a word is longer.
pub fn wrapped(text: &str, columns: usize) -> String {
    filled(pieces(text).into_iter(), columns)
}

/// Pieces in lines of at most `columns` columns.
fn filled<'t>(pieces: impl Iterator<Item = &'t str>, columns: usize) -> String {
    let mut out = String::new();
    let mut column = 0;
    for piece in pieces {
        if column > 0 && column + shown_width(piece.trim_end()) > columns {
            out.truncate(out.trim_end().len());
            out.push('\n');
            column = 0;
        }
        if column == 0 && !out.is_empty() && piece == " " {
            continue;
        }
        out.push_str(piece);
        column += shown_width(piece);
    }
    out
}

/// A text after `before`, wrapped to the terminal; further lines begin where the text
/// does. Without a terminal it is one line.
pub fn hanging(before: &str, text: &str, terminal: Option<usize>) -> String {
    let indent = shown_width(before);
    let columns = terminal.map_or(usize::MAX, |columns| columns.saturating_sub(indent));
    indented(before, &wrapped(text, columns), indent)
}

/// Lines after `before`, of which all but the first are indented.
fn indented(before: &str, lines: &str, indent: usize) -> String {
    let below = format!("\n{}", " ".repeat(indent));
    format!("{before}{}\n", lines.replace('\n', &below))
}

/// A line of code for a terminal: broken between words, whatever the script, and below its
/// beginning.
pub fn fitted_code(line: &str, columns: usize) -> String {
    if shown_width(line.trim_end()) <= columns {
        return line.to_owned();
    }
    let code = line.trim();
    let blanks = line.len() - line.trim_start().len();
    let lines = filled(code.split_inclusive(' '), columns.saturating_sub(blanks + 2));
    indented(&" ".repeat(blanks), &lines, blanks + 2)
}

/// A report for a terminal: a line that does not fit is wrapped, and goes on below its
/// last column of text.
pub fn fitted(report: &str, columns: usize) -> String {
    report.split_inclusive('\n').map(|line| fitted_line(line, columns)).collect()
}

fn fitted_line(line: &str, columns: usize) -> String {
    if shown_width(line.trim_end()) <= columns {
        return line.to_owned();
    }
    let (before, text) = line.split_at(text_column(line, columns / 2));
    let indent = match shown_width(before) {
        // Nothing but the text.
        blanks if before.trim().is_empty() && blanks <= 4 => blanks + 2,
        indent => indent,
    };
    let columns = columns.saturating_sub(indent);
    indented(before, &wrapped(text.trim_end(), columns), indent)
}

/// Where the last text of a row begins: after two blanks, and after the mark of evidence
/// or a count.
fn text_column(line: &str, farthest: usize) -> usize {
    let (mut start, mut blanks, mut column) = (0, 2, 0);
    for (at, c) in visible(line) {
        if column > farthest {
            break;
        }
        if c != ' ' && blanks >= 2 {
            start = at;
        }
        blanks = if c == ' ' { blanks + 1 } else { 0 };
        column += c.width().unwrap_or(0);
    }
    let text = line.get(start..).unwrap_or_default();
    let mark = ["+ ", "- ", "? ", "=> ", "-> "].into_iter().find(|mark| text.starts_with(mark));
    let number = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let counted = (number > 0 && text[number..].starts_with(' ')).then_some(number + 1);
    start + mark.map_or(0, str::len).max(counted.unwrap_or_default())
}

/// The columns that a text takes on a terminal, colours aside.
pub fn shown_width(text: &str) -> usize {
    if !text.contains(ESCAPE) {
        return text.width();
    }
    visible(text).map(|(_, c)| c).collect::<String>().width()
}

/// The characters that a terminal shows, and where they are in the text.
pub fn visible(text: &str) -> impl Iterator<Item = (usize, char)> + '_ {
    let mut in_escape = false;
    text.char_indices().filter(move |(_, c)| {
        let is_shown = !in_escape && *c != ESCAPE;
        in_escape = *c == ESCAPE || in_escape && *c != 'm';
        is_shown
    })
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
    fn a_row_continues_below_its_last_column() {
        let row = "  no     4  when from in friends -> inbox as flagged\n";
        assert_eq!(
            fitted(row, 40),
            "  no     4  when from in friends ->\n            inbox as flagged\n"
        );
        let fits = "  \u{1b}[32myes\u{1b}[0m    4  when from in friends -> ok\n";
        assert_eq!(fitted(fits, 40), fits);
        let coloured = "  \u{1b}[32myes\u{1b}[0m    4  when from in friends -> inbox\n";
        assert_eq!(
            fitted(coloured, 36),
            "  \u{1b}[32myes\u{1b}[0m    4  when from in friends ->\n            inbox\n"
        );
        assert_eq!(
            fitted("      - no spam filter's header says so\n", 30),
            "      - no spam filter's\n        header says so\n"
        );
        assert_eq!(fitted("one line of a text\nb", 12), "one line\n  of a text\nb");
        assert_eq!(fitted("    one line of a text\n", 17), "    one line of\n      a text\n");
        assert_eq!(fitted("     12 INBOX -> a b\n", 16), "     12 INBOX ->\n        a b\n");
        assert_eq!(fitted("    -> line 4 of it\n", 16), "    -> line 4 of\n       it\n");
        assert_eq!(fitted("/a/path/that/cannot/be/broken\n", 9), "/a/path/that/cannot/be/broken\n");
        assert_eq!(
            fitted("  件名     明日の会議の資料です\n", 24),
            "  件名     明日の会議の\n           資料です\n"
        );
    }

    #[test]
    fn code_is_broken_between_words_alone() {
        let line = "    if subject \"長い件名の例です\" stop\n";
        let broken = "    if subject\n      \"長い件名の例です\"\n      stop\n";
        assert_eq!(fitted_code(line, 28), broken);
        // Then a report has nothing to break, unless a word is wider than the page.
        assert_eq!(fitted(broken, 28), broken);
        assert_eq!(fitted_code(line, 40), line);
        let ascii = "    if a or b then c\n";
        assert_eq!(fitted_code(ascii, 16), fitted(ascii, 16));
    }

    #[test]
    fn japanese_is_wrapped_between_characters_but_not_before_a_stop() {
        assert_eq!(wrapped("誤りの説明です", 6), "誤りの\n説明で\nす");
        assert_eq!(wrapped("誤りです。次", 8), "誤りで\nす。次");
        assert_eq!(wrapped("誤り（次）です", 6), "誤り\n（次）\nです");
        assert_eq!(wrapped("誤り「次」です", 10), "誤り「次」\nです");
        assert_eq!(wrapped("is: \"【次】です\"", 8), "is:\n\"【次】\nです\"");
        assert_eq!(wrapped("語は mfilter です", 7), "語は\nmfilter\nです");
        // In code, lines break only between words.
        assert_eq!(wrapped("`in 名前` は", 6), "`in\n名前`\nは");
        assert_eq!(wrapped("名は`長い長い`で", 6), "名は\n`長い長い`\nで");
    }
}
