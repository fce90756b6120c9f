//! The line that begins each message of an mbox.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::message::date;

/// Whether a line is a `From ` line: `From `, and somewhere after it a time of day.
pub(super) fn is_from_line(line: &[u8]) -> bool {
    let time = |at: &[u8]| match at {
        [a, b, b':', c, d] => [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()),
        _ => false,
    };
    line.starts_with(b"From ") && line.windows(5).any(time)
}

/// When the message arrived according to the line, seconds since 1970.
///
/// Most lines name no time zone. RFC 4155 says UTC, but programs wrote local time long
/// before. Whichever is nearer to when our own border `received` the message is used; if
/// that is not known, local time.
pub(super) fn moment(line: &[u8], received: Option<i64>, local: &TimeZone) -> Option<i64> {
    let text = String::from_utf8_lossy(line);
    let words: Vec<&str> = text.split_whitespace().skip(1).collect();
    let time = words.iter().rposition(|word| {
        let bytes = word.as_bytes();
        bytes.first().is_some_and(u8::is_ascii_digit)
            && bytes.get(1..3).is_some_and(|rest| rest.contains(&b':'))
    })?;
    // `Thu Jan 1 01:02:03 2026`; the sender before it may contain anything.
    let stated = words.get(time.saturating_sub(3)..)?.join(" ");
    let date = date::parse(stated.as_bytes())?;
    let has_zone = words.get(time + 1..)?.iter().any(|word| {
        word.starts_with(['+', '-']) || word.bytes().all(|byte| byte.is_ascii_alphabetic())
    });
    let utc = date.unix_seconds;
    if has_zone {
        return Some(utc);
    }
    let civil = Timestamp::from_second(utc).ok()?.to_zoned(TimeZone::UTC).datetime();
    let here = civil.to_zoned(local.clone()).ok()?.timestamp().as_second();
    let is_utc = received.is_some_and(|at| utc.abs_diff(at) < here.abs_diff(at));
    Some(if is_utc { utc } else { here })
}

#[cfg(test)]
mod tests {
    use jiff::tz::Offset;

    use super::*;

    #[test]
    fn the_moment_of_a_line() {
        let japan = TimeZone::fixed(Offset::from_hours(9).unwrap());
        let utc = 1_767_229_323; // 2026-01-01T01:02:03Z
        let here = utc - 9 * 3600;
        for (line, received, wanted) in [
            ("From a@b Thu Jan  1 01:02:03 2026\n", None, Some(here)),
            ("From a@b Thu Jan  1 01:02:03 2026", Some(utc - 5), Some(utc)),
            ("From a@b Thu Jan  1 01:02:03 2026", Some(here + 60), Some(here)),
            ("From - Thu Jan 01 01:02:03 2026", None, Some(here)),
            ("From 157@xxx Thu Jan 01 01:02:03 +0000 2026", None, Some(utc)),
            ("From a Thu Jan  1 01:02:03 GMT 2026", None, Some(utc)),
            ("From 12:34 Mar 1 1999 Thu Jan  1 01:02:03 2026 -0100", None, Some(utc + 3600)),
            ("From a Thu Jan  1 01:02 2026", None, Some(here - 3)),
            ("From a@b yesterday 12:34", None, None),
            ("From ", None, None),
        ] {
            assert_eq!(moment(line.as_bytes(), received, &japan), wanted, "{line}");
        }
    }
}
