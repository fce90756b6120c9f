//! Dates of RFC 5322 §3.3, as real mail has them.
//!
//! mail-parser finds nothing if the zone is missing, and takes JST for UTC;
//! jiff's RFC 2822 parser refuses missing zones and other orders. So here the
//! form of each word decides what it is, wherever it is, and jiff does the
//! calendar.

use jiff::civil::{self, DateTime};
use jiff::tz::Offset;

use crate::message::charset;

/// Far longer than any date; the rest is ignored, bytes.
const LONGEST: usize = 1000;

/// The months as RFC 5322 §3.3 abbreviates them, in lower case.
pub(crate) const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// A point in time and the zone its writer was in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date {
    /// Seconds since 1970-01-01 00:00 UTC.
    pub unix_seconds: i64,
    /// How far the writer's clock was ahead of UTC, in seconds.
    pub offset_seconds: i32,
}

/// Reads a Date header's value: RFC 5322 §3.3 with the obsolete forms of §4.3,
/// and the orders of asctime(3) and ISO 8601. The weekday is ignored. A missing
/// or unknown zone means UTC. `None` without a valid day, month, year and time.
pub fn parse(raw: &[u8]) -> Option<Date> {
    let raw = raw.get(..LONGEST).unwrap_or(raw);
    let text = joined(&without_comments(&charset::guess(raw, None)));
    let mut found = DateMatch::default();
    for word in text.split(|c: char| c.is_whitespace() || c == ',') {
        found.word(word);
    }
    found.date()
}

/// What the words so far were.
#[derive(Debug, Default)]
struct DateMatch {
    day: Option<i8>,
    month: Option<i8>,
    year: Option<i16>,
    /// Hour, minute, second.
    time: Option<(i8, i8, i8)>,
    afternoon: Option<bool>,
    offset: Option<i32>,
}

impl DateMatch {
    fn word(&mut self, word: &str) {
        let lower = word.to_ascii_lowercase();
        let word = lower.trim_matches(|c: char| matches!(c, '"' | '\'' | ';' | '.'));
        if word.is_empty() {
            return;
        }
        if let Some((date, time)) = word.split_once('t')
            && self.day.is_none()
            && let Some((year, month, day)) = year_first(date)
        {
            (self.year, self.month, self.day) = (Some(year), Some(month), Some(day));
            return self.word(time);
        }
        if self.day.is_none()
            && let Some((year, month, day)) = year_first(word)
        {
            (self.year, self.month, self.day) = (Some(year), Some(month), Some(day));
        } else if self.time.is_none()
            && let Some((time, rest)) = time(word)
        {
            self.time = Some(time);
            if !rest.is_empty() {
                self.word(rest);
            }
        } else if matches!(word, "am" | "pm") && self.time.is_some() {
            self.afternoon = Some(word == "pm");
        } else if let Ok(number) = word.parse::<i16>()
            && !word.starts_with(['+', '-'])
        {
            self.number(number, word.len());
        } else if let Some(month) = month(word) {
            self.month.get_or_insert(month);
        } else if word.contains('年') && self.day.is_none() {
            // `2020年1月31日`
            self.word(&word.replace(['年', '月'], "-").replace('日', ""));
        } else if word.contains('-') && self.day.is_none() {
            // `1-Jan-2020`
            word.split('-').for_each(|part| self.part(part));
        } else if self.time.is_some()
            && let Some(offset) = zone(word)
        {
            // `+0900 JST` repeats it, `GMT +0900` is more precise.
            if self.offset.is_none_or(|offset| offset == 0) {
                self.offset = Some(offset);
            }
        }
    }

    fn part(&mut self, part: &str) {
        if let Ok(number) = part.parse::<i16>() {
            self.number(number, part.len());
        } else if let Some(month) = month(part) {
            self.month.get_or_insert(month);
        }
    }

    /// The first number is the day, the second the year (RFC 5322 §4.3: years of
    /// two or three digits count from 1900, those below 50 from 2000).
    fn number(&mut self, number: i16, digits: usize) {
        if self.day.is_none() && digits <= 2 {
            self.day = i8::try_from(number).ok();
        } else if self.year.is_none() && digits >= 2 {
            self.year = match number {
                0..50 if digits <= 2 => Some(2000 + number),
                0..1000 if digits <= 3 => Some(1900 + number),
                _ => Some(number),
            };
        }
    }

    fn date(self) -> Option<Date> {
        let (mut hour, minute, second) = self.time?;
        match self.afternoon {
            Some(true) if hour < 12 => hour += 12,
            Some(false) if hour == 12 => hour = 0,
            _ => {}
        }
        let day = civil::Date::new(self.year?, self.month?, self.day?).ok()?;
        let time = civil::Time::new(hour, minute, second.min(59), 0).ok()?;
        let offset = self.offset.unwrap_or(0);
        let utc = Offset::UTC.to_timestamp(DateTime::from_parts(day, time)).ok()?;
        Some(Date { unix_seconds: utc.as_second() - i64::from(offset), offset_seconds: offset })
    }
}

/// `2020-01-31`, `2020/1/31`
fn year_first(word: &str) -> Option<(i16, i8, i8)> {
    let mut parts = word.split(['-', '/']);
    let year = parts.next().filter(|year| year.len() == 4)?.parse().ok()?;
    let date = (year, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next().is_none().then_some(date)
}

/// `12:34`, `12:34:56.789`, `12.34.56`, and the rest of the word.
fn time(word: &str) -> Option<((i8, i8, i8), &str)> {
    let (hour, rest) = digits(word)?;
    let separator = rest.chars().next().filter(|c| matches!(c, ':' | '.'))?;
    let (minute, rest) = digits(rest.strip_prefix(separator)?)?;
    let (second, rest) = match rest.strip_prefix(separator).and_then(digits) {
        Some(second) => second,
        None if separator == ':' => (0, rest),
        None => return None,
    };
    let fraction =
        rest.strip_prefix('.').map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    Some(((hour, minute, second), fraction.unwrap_or(rest)))
}

/// One or two digits.
fn digits(text: &str) -> Option<(i8, &str)> {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(length);
    (1..=2).contains(&length).then_some(())?;
    Some((number.parse().ok()?, rest))
}

fn month(word: &str) -> Option<i8> {
    // Java in Japanese: `金, 27 11月 2026 09:30:00 +0900`
    if let Some(number) = word.strip_suffix('月') {
        return number.parse().ok().filter(|number| (1..=12).contains(number));
    }
    (1..).zip(MONTHS).find(|(_, month)| word.starts_with(month)).map(|(number, _)| number)
}

/// Seconds east of UTC. Military letters are UTC, since RFC 822 had their sign
/// wrong (RFC 5322 §4.3); an unknown name is not a zone.
fn zone(word: &str) -> Option<i32> {
    let hours = match word {
        "ut" | "utc" | "gmt" | "z" | "wet" => 0.0,
        "est" => -5.0,
        "edt" | "ast" => -4.0,
        "cst" => -6.0,
        "cdt" => -5.0,
        "mst" => -7.0,
        "mdt" => -6.0,
        "pst" => -8.0,
        "pdt" => -7.0,
        "akst" => -9.0,
        "akdt" => -8.0,
        "hst" => -10.0,
        "adt" | "brt" => -3.0,
        "nst" => -3.5,
        "ndt" => -2.5,
        "bst" | "cet" | "met" | "mez" | "west" => 1.0,
        "cest" | "mest" | "mesz" | "eet" | "sast" => 2.0,
        "eest" | "msk" => 3.0,
        "msd" => 4.0,
        "hkt" | "sgt" | "awst" => 8.0,
        "jst" | "kst" => 9.0,
        "acst" => 9.5,
        "acdt" => 10.5,
        "aest" => 10.0,
        "aedt" => 11.0,
        "nzst" => 12.0,
        "nzdt" => 13.0,
        _ if word.len() == 1 && word.bytes().all(|byte| byte.is_ascii_alphabetic()) => 0.0,
        _ => return numeric_zone(word),
    };
    Some((hours * 3600.0) as i32)
}

/// `+0900`, `-8:00`, `+09`, `gmt+0900`
fn numeric_zone(word: &str) -> Option<i32> {
    let number =
        ["utc", "gmt", "ut"].iter().find_map(|name| word.strip_prefix(name)).unwrap_or(word);
    let sign = match number.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = match number[1..].split_once(':') {
        Some((hours, minutes)) => (hours, minutes),
        None if number.len() > 3 => number[1..].split_at_checked(number.len() - 3)?,
        None => (&number[1..], "0"),
    };
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    if !(0..24).contains(&hours) || !(0..60).contains(&minutes) {
        return None;
    }
    Some(sign * (hours * 3600 + minutes * 60))
}

/// Removes the blanks that RFC 5322 §4.3 allows around the colons of a time.
fn joined(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    for (at, piece) in text.split(':').enumerate() {
        let piece = if at == 0 { piece } else { piece.trim_start() };
        if at > 0 {
            let ends = joined.trim_end();
            match ends.ends_with(|c: char| c.is_ascii_digit()) {
                true => joined.truncate(ends.len()),
                false => joined.push(' '),
            }
            joined.push(':');
        }
        joined.push_str(piece);
    }
    joined
}

/// Replaces comments (RFC 5322 §3.2.2) with blanks; an unclosed one extends to the end.
fn without_comments(text: &str) -> String {
    let mut depth = 0_usize;
    let mut escaped = false;
    let keep = |c: char| {
        let in_comment = depth > 0;
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if in_comment || depth > 0 || c == ')' { ' ' } else { c }
    };
    text.chars().map(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_forms_of_rfc_5322_and_of_the_wild() {
        // 2003-07-01 01:52:37 UTC
        let cases = [
            ("Tue, 1 Jul 2003 10:52:37 +0200", 2 * 3600),
            ("Tue, 1 Jul 2003 10:52:37 +0200 (CEST)", 2 * 3600),
            ("1 Jul 2003 08:52:37 GMT", 0),
            ("Fri, 1 Jul 03 08:52:37", 0),
            ("Tue, 1 Jul 103 08:52:37 -0000", 0),
            ("Tue, 1 Jul 2003 17:52:37 JST", 9 * 3600),
            ("Tue, 1 Jul 2003 17:52:37 +0900 (JST)", 9 * 3600),
            ("Tue, 1 Jul 2003 17:52:37 GMT+0900", 9 * 3600),
            ("Tue, 1 Jul 2003 17:52:37 GMT +09:00", 9 * 3600),
            ("Tue,1 July 2003 04:52:37 EDT", -4 * 3600),
            ("Tue, 1 Jul 2003 08:52:37 Q", 0),
            ("Tue, 1 Jul 2003 08:52:37 nowhere", 0),
            ("Tue(x(y)) , 1 (no 2) Jul\r\n 2003 (,) 14:22:37.123 +0530", 19_800),
            ("Tue, 1 Jul 2003 08 : 52 :37 GMT", 0),
            ("Tue,\u{a0}1\u{a0}Jul 2003\u{a0}17:52:37 +0900", 9 * 3600),
            ("Tue Jul  1 08:52:37 2003", 0),
            ("Tue Jul  1 17:52:37 JST 2003", 9 * 3600),
            ("2003-07-01T08:52:37Z", 0),
            ("2003-07-01 17:52:37.5 +0900", 9 * 3600),
            ("2003/07/01 17:52:37+09:00", 9 * 3600),
            ("1-Jul-2003 08.52.37", 0),
            ("Tue, 01 Jul 2003 05:52:37 PM +0900", 9 * 3600),
        ];
        for (text, offset_seconds) in cases {
            let expected = Date { unix_seconds: 1_057_049_557, offset_seconds };
            assert_eq!(parse(text.as_bytes()), Some(expected), "{text}");
        }
    }

    #[test]
    fn years_of_two_digits() {
        let year = |text: &str| parse(text.as_bytes()).map(|date| date.unix_seconds);
        assert_eq!(year("1 Jan 70 00:00:10"), Some(10));
        assert_eq!(year("1 Jan 49 00:00"), year("1 Jan 2049 00:00"));
        assert_eq!(year("1 Jan 2017 08:59:60 +0900"), year("31 Dec 2016 23:59:59 +0000"));
    }

    #[test]
    fn what_is_not_a_date() {
        for text in
            ["", "yesterday", "31 Feb 2020 00:00", "1 Jan 2020", "1 Jan 2020 25:00", "((((1"]
        {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in any::<Vec<u8>>(), deep in "([0-9:+., TZ()\\\\-]|Jan|GMT|日|pm){0,30}") {
            parse(&bytes);
            parse(deep.as_bytes());
        }

        #[test]
        fn what_jiff_prints_is_read(seconds in 0_i64..4_102_444_800) {
            let timestamp = jiff::Timestamp::from_second(seconds).unwrap();
            let text = jiff::fmt::rfc2822::to_string(&timestamp.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(-7)))).unwrap();
            let expected = Date { unix_seconds: seconds, offset_seconds: -7 * 3600 };
            prop_assert_eq!(parse(text.as_bytes()), Some(expected));
        }
    }
}
