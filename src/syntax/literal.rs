//! Strings, patterns and quantities: from the written form to the value, and back.

use std::ops::Range;

use super::ast::{Instant, ValueKind};
use super::scan::LONG_QUOTE;
use crate::text::is_invisible;

/// The value of a string `"…"`. An escape without a meaning stands for its own
/// characters; `wrong` is called with its place in `written`.
pub(super) fn unquote(written: &str, mut wrong: impl FnMut(Range<usize>)) -> String {
    if written.len() >= 2 * LONG_QUOTE.len() && written.starts_with(LONG_QUOTE) {
        return unquote_long(written, wrong);
    }
    let inner = written.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let inner = inner.unwrap_or_default();
    let mut text = String::with_capacity(inner.len());
    unescape(inner, &mut text, |at| wrong(at.start + 1..at.end + 1));
    text
}

/// The value of a string in three quotes, without a line break directly after the
/// opening quotes, and without the indentation that all its lines share. The line
/// of the closing quotes counts too if they are on a line of their own. Blank
/// lines do not count, and become empty.
fn unquote_long(written: &str, mut wrong: impl FnMut(Range<usize>)) -> String {
    let end = written.len() - LONG_QUOTE.len();
    let inner = written.get(LONG_QUOTE.len()..end).unwrap_or_default();
    let is_blank = |c: char| matches!(c, ' ' | '\t');
    let break_at = inner.find('\n');
    let opens = break_at.filter(|at| inner[..*at].trim_end_matches('\r').trim().is_empty());
    let start = opens.map_or(0, |at| at + 1);
    let mut lines: Vec<(usize, &str)> = Vec::new();
    let mut at = start;
    for line in inner[start..].split_inclusive('\n') {
        lines.push((at, line));
        at += line.len();
    }
    if inner[start..].ends_with('\n') || inner[start..].is_empty() {
        lines.push((at, ""));
    }
    let last = lines.len().saturating_sub(1);
    // Text directly after the opening quotes has no indentation.
    let counted = lines.iter().enumerate().filter(|(number, (_, line))| {
        !line.trim().is_empty() || (*number == last && *number > 0 && opens.is_some())
    });
    let margins: Vec<&str> = counted
        .map(|(_, (_, line))| &line[..line.len() - line.trim_start_matches(is_blank).len()])
        .collect();
    let first = margins.first().copied().unwrap_or_default();
    let margin = margins.iter().fold(first.len(), |most, one| {
        first.bytes().zip(one.bytes()).take(most).take_while(|(a, b)| a == b).count()
    });
    let margin = if opens.is_some() { margin } else { 0 };
    let mut text = String::with_capacity(inner.len());
    for (number, (at, line)) in lines.into_iter().enumerate() {
        let (line, ends) = match line.strip_suffix('\n') {
            Some(line) => (line.strip_suffix('\r').unwrap_or(line), true),
            None => (line, false),
        };
        if line.trim_matches(is_blank).is_empty() && (number > 0 || opens.is_some()) {
            text.push_str(if ends { "\n" } else { "" });
            continue;
        }
        let place = LONG_QUOTE.len() + at + margin;
        unescape(line.get(margin..).unwrap_or_default(), &mut text, |range| {
            wrong(range.start + place..range.end + place);
        });
        text.push_str(if ends { "\n" } else { "" });
    }
    text
}

/// Appends the value of a line, whose escapes are still as written.
fn unescape(line: &str, text: &mut String, mut wrong: impl FnMut(Range<usize>)) {
    let mut rest = line;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let (suggestion, length) = escape(rest);
        match suggestion {
            Some(c) => text.push(c),
            None => {
                let start = line.len() - rest.len();
                wrong(start..start + length);
                text.push_str(&rest[..length]);
            }
        }
        rest = &rest[length..];
    }
    text.push_str(rest);
}

/// A text of several lines as a string in three quotes, its lines indented by
/// `margin`.
pub(super) fn quote_long(text: &str, margin: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 64);
    quoted.push_str(LONG_QUOTE);
    let ends = text.ends_with('\n');
    let lines: Vec<&str> = text.strip_suffix('\n').unwrap_or(text).split('\n').collect();
    let last = lines.len().saturating_sub(1);
    for (number, line) in lines.into_iter().enumerate() {
        quoted.push('\n');
        if line.is_empty() {
            continue;
        }
        quoted.push_str(margin);
        let mut chars = line.chars().enumerate().peekable();
        while let Some((at, c)) = chars.next() {
            let is_last = chars.peek().is_none();
            match c {
                '\\' => quoted.push_str("\\\\"),
                '"' if quoted.ends_with("\"\"") || is_last && number == last => {
                    quoted.push_str("\\\"");
                }
                '\t' => quoted.push_str("\\t"),
                // Blanks that an editor would remove, or that would be taken for
                // indentation.
                ' ' if is_last || at == 0 && !ends => quoted.push_str("\\u{20}"),
                _ if is_invisible(c) => quoted.push_str(&format!("\\u{{{:x}}}", c as u32)),
                _ => quoted.push(c),
            }
        }
    }
    if ends {
        quoted.push('\n');
        quoted.push_str(margin);
    }
    quoted.push_str(LONG_QUOTE);
    quoted
}

/// The meaning of an escape at the start of `rest`, and its length.
fn escape(rest: &str) -> (Option<char>, usize) {
    let mut chars = rest.chars();
    chars.next();
    match chars.next() {
        Some('"') => (Some('"'), 2),
        Some('\\') => (Some('\\'), 2),
        Some('n') => (Some('\n'), 2),
        Some('t') => (Some('\t'), 2),
        Some('u') => {
            let Some(braced) = chars.as_str().strip_prefix('{') else { return (None, 2) };
            let digits = braced.bytes().take(7).take_while(u8::is_ascii_hexdigit).count();
            if !(1..=6).contains(&digits) || braced.as_bytes().get(digits) != Some(&b'}') {
                return (None, 2);
            }
            let suggestion =
                u32::from_str_radix(&braced[..digits], 16).ok().and_then(char::from_u32);
            (suggestion, 4 + digits)
        }
        Some(other) => (None, 1 + other.len_utf8()),
        None => (None, 1),
    }
}

/// A text as a string `"…"`.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            _ if is_invisible(c) => quoted.push_str(&format!("\\u{{{:x}}}", c as u32)),
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// The source of a pattern `/…/`, and the flags after it.
pub(super) fn pattern(written: &str) -> (String, &str) {
    let end = written.rfind('/').unwrap_or(0);
    let inner = written.get(1..end).unwrap_or_default();
    let mut source = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            source.push(c);
            continue;
        }
        match chars.next() {
            Some('/') => source.push('/'),
            Some(escaped) => source.extend(['\\', escaped]),
            None => source.push('\\'),
        }
    }
    (source, written.get(end + 1..).unwrap_or_default())
}

/// A pattern as `/…/`.
pub fn slashed(source: &str, case_sensitive: bool) -> String {
    let mut written = String::with_capacity(source.len() + 3);
    written.push('/');
    let mut chars = source.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                written.push('\\');
                written.extend(chars.next());
            }
            '/' => written.push_str("\\/"),
            _ => written.push(c),
        }
    }
    written.push_str(if case_sensitive { "/c" } else { "/" });
    written
}

/// The value of something that begins with a digit or with a sign and a digit;
/// `None` if it has no meaning.
pub(super) fn quantity(written: &str) -> Option<ValueKind> {
    let unsigned = written.trim_start_matches(['+', '-']);
    let plain = |c: char| c.is_ascii_digit();
    if unsigned.split('.').count() <= 2
        && unsigned.split('.').all(|part| !part.is_empty() && part.chars().all(plain))
    {
        return written
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite())
            .map(ValueKind::Number);
    }
    let digits = written.len() - written.trim_start_matches(plain).len();
    let (count, unit) = written.split_at(digits);
    let times = |factor: u64| count.parse::<u64>().ok()?.checked_mul(factor);
    match unit {
        "K" => times(1 << 10).map(ValueKind::Size),
        "M" => times(1 << 20).map(ValueKind::Size),
        "G" => times(1 << 30).map(ValueKind::Size),
        "s" => times(1).map(ValueKind::Duration),
        "m" => times(60).map(ValueKind::Duration),
        "h" => times(3_600).map(ValueKind::Duration),
        "d" => times(86_400).map(ValueKind::Duration),
        "w" => times(604_800).map(ValueKind::Duration),
        _ => date(written).or_else(|| time(written)).or_else(|| instant(written)),
    }
}

fn number(text: &str, digits: Range<usize>) -> Option<u16> {
    let fits = digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

fn date(written: &str) -> Option<ValueKind> {
    let mut parts = written.split('-');
    let year = i16::try_from(number(parts.next()?, 4..5)?).ok()?;
    let month = u8::try_from(number(parts.next()?, 2..3)?).ok()?;
    let day = u8::try_from(number(parts.next()?, 2..3)?).ok()?;
    parts.next().is_none().then_some(ValueKind::Date { year, month, day })
}

fn time(written: &str) -> Option<ValueKind> {
    let (hour, minute) = written.split_once(':')?;
    let hour = u8::try_from(number(hour, 1..3)?).ok().filter(|hour| *hour < 24)?;
    let minute = u8::try_from(number(minute, 2..3)?).ok().filter(|minute| *minute < 60)?;
    Some(ValueKind::Time { hour, minute })
}

/// `2026-12-24T18:00`, with or without seconds, optionally followed by `Z` or `+09:00`.
fn instant(written: &str) -> Option<ValueKind> {
    let (day, rest) = written.split_once('T')?;
    let Some(ValueKind::Date { year, month, day }) = date(day) else { return None };
    let (clock, offset) = match rest.find(['Z', '+', '-']) {
        Some(at) => (rest.get(..at)?, Some(offset(rest.get(at..)?)?)),
        None => (rest, None),
    };
    let mut parts = clock.splitn(3, ':');
    let (hour, minute) = (number(parts.next()?, 2..3)?, number(parts.next()?, 2..3)?);
    let second = parts.next().map_or(Some(0), |second| number(second, 2..3))?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (hour, minute, second) = (hour as u8, minute as u8, second as u8);
    Some(ValueKind::Instant(Instant { year, month, day, hour, minute, second, offset }))
}

/// Minutes ahead of UTC: `Z`, `+09:00`, `-03:30`.
fn offset(written: &str) -> Option<i16> {
    if written == "Z" {
        return Some(0);
    }
    let (sign, rest) = written.split_at_checked(1)?;
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes) = (number(hours, 2..3)?, number(minutes, 2..3)?);
    let all = (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)? as i16;
    Some(if sign == "-" { -all } else { all })
}

/// The written form of an instant.
pub(super) fn of_instant(of: &Instant) -> String {
    let Instant { year, month, day, hour, minute, second, offset } = of;
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}");
    if *second > 0 {
        text.push_str(&format!(":{second:02}"));
    }
    match offset {
        None => {}
        Some(0) => text.push('Z'),
        Some(offset) => {
            let sign = if *offset < 0 { '-' } else { '+' };
            let minutes = offset.unsigned_abs();
            text.push_str(&format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60));
        }
    }
    text
}

/// A size in the largest unit that yields a whole number.
pub(super) fn size(bytes: u64) -> String {
    let units = [(1 << 30, 'G'), (1 << 20, 'M')];
    let fitting = units.iter().find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit));
    let (unit, letter) = fitting.copied().unwrap_or((1 << 10, 'K'));
    format!("{}{letter}", bytes / unit)
}

/// A duration in the largest unit that yields a whole number, at most days.
pub(super) fn duration(seconds: u64) -> String {
    let units = [(86_400, 'd'), (3_600, 'h'), (60, 'm')];
    let fitting = units.iter().find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit));
    let (unit, letter) = fitting.copied().unwrap_or((1, 's'));
    format!("{}{letter}", seconds / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_say_what_their_escapes_mean() {
        let read = |written| unquote(written, |at| panic!("{written} has a mistake at {at:?}"));
        assert_eq!(read(r#""a\"b\\c\nd\te\u{5927}\u{1F600}""#), "a\"b\\c\nd\te大😀");
        assert_eq!(read("\"迷惑メール\""), "迷惑メール");
        assert_eq!(quote("a\"b\\c\nd\te大\u{1b}\u{feff}"), r#""a\"b\\c\nd\te大\u{1b}\u{feff}""#);
    }

    #[test]
    fn escapes_that_mean_nothing_are_reported_by_their_place() {
        let mut wrong = Vec::new();
        let written = r#""C:\dir \u{} \u{110000} \u{zz}""#;
        unquote(written, |at| wrong.push(&written[at]));
        assert_eq!(wrong, [r"\d", r"\u", r"\u{110000}", r"\u"]);
    }

    #[test]
    fn three_quotes_contain_lines_without_their_common_indentation() {
        let read = |written| unquote(written, |at| panic!("{written} has a mistake at {at:?}"));
        for (written, text) in [
            ("\"\"\"\n    Hello,\n\n      \\\"\"\"x\n    \"\"\"", "Hello,\n\n  \"\"\"x\n"),
            ("\"\"\"\r\n  a\r\n  b\"\"\"", "a\nb"),
            ("\"\"\"\n    a\n  \"\"\"", "  a\n"),
            ("\"\"\"a\n  b\"\"\"", "a\n  b"),
            ("\"\"\"\n  a\n   \n\tb\n\"\"\"", "  a\n\n\tb\n"),
            ("\"\"\"\"\"\"", ""),
            ("\"\"\" \"\"\"", " "),
            ("\"\"\"\n\"\"\"", ""),
            ("\"\"\"\n\n  \"\"\"", "\n"),
        ] {
            assert_eq!(read(written), text, "{written:?}");
        }
        for text in [
            "a\n",
            "a\nb",
            "  a\n b\n",
            " a\n b",
            "\n\n",
            "a\n\n",
            "x \n\ty\"\n",
            "\"\"\"\"\n\"",
            "\n \n",
        ] {
            for margin in ["", "        "] {
                let written = quote_long(text, margin);
                let unquoted = unquote(&written, |at| panic!("{written} has a mistake at {at:?}"));
                assert_eq!(unquoted, text, "{written}");
            }
        }
        let mut wrong = Vec::new();
        let written = "\"\"\"\n  C:\\dir\n  \"\"\"";
        unquote(written, |at| wrong.push(&written[at]));
        assert_eq!(wrong, [r"\d"]);
    }

    #[test]
    fn instants_have_a_zone_or_none() {
        for (written, offset) in [
            ("2026-12-24T18:00", None),
            ("2026-12-24T18:00:30", None),
            ("2026-12-24T18:00Z", Some(0)),
            ("2026-12-24T18:00+09:00", Some(540)),
            ("2026-12-24T18:00:30-03:30", Some(-210)),
        ] {
            let Some(ValueKind::Instant(instant)) = quantity(written) else { panic!("{written}") };
            assert_eq!(instant.offset, offset, "{written}");
            assert_eq!(of_instant(&instant), written);
        }
        for nothing in
            ["2026-12-24T18", "2026-12-24T18:00+9:00", "2026-12-24T24:00", "2026-12-24T18:00+24:00"]
        {
            assert_eq!(quantity(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn patterns_keep_all_escapes_but_that_of_the_slash() {
        assert_eq!(pattern(r"/a\/b\\\d[x]/c"), (String::from(r"a/b\\\d[x]"), "c"));
        assert_eq!(slashed(r"a/b\\\d[x]", true), r"/a\/b\\\d[x]/c");
    }

    #[test]
    fn quantities_are_distinguished_by_their_shape() {
        assert_eq!(quantity("-2.5"), Some(ValueKind::Number(-2.5)));
        assert_eq!(quantity("20K"), Some(ValueKind::Size(20 << 10)));
        assert_eq!(quantity("2w"), Some(ValueKind::Duration(1_209_600)));
        assert_eq!(quantity("10m"), Some(ValueKind::Duration(600)));
        assert_eq!(
            quantity("2026-12-24"),
            Some(ValueKind::Date { year: 2026, month: 12, day: 24 })
        );
        assert_eq!(quantity("7:05"), Some(ValueKind::Time { hour: 7, minute: 5 }));
        for nothing in
            ["20k", "20X", "24:00", "7:5", "2026-1-2", "1.2.3", "-20K", "99999999999999999999G"]
        {
            assert_eq!(quantity(nothing), None, "{nothing}");
        }
    }
}
