//! What to write in place of a number, size, duration, date or time that is not valid.

use super::words;

/// The hint.
pub(super) fn quantity_hint(found: &str) -> String {
    let digits = found.len() - found.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = found.split_at(digits);
    if let Some(hint) = date_hint(found).or_else(|| days(number, unit.trim_start())) {
        return hint;
    }
    match words::unit(unit.trim_start()) {
        Some(suggestion) if suggestion == unit => String::from("the number is too large"),
        Some(suggestion) => format!("write `{number}{suggestion}`"),
        None if found.contains('T') && found.matches('-').count() >= 2 => String::from(
            "an instant is written `2026-12-24T18:00`, with its zone `…+09:00` or `…Z`",
        ),
        None if found.contains(':') && found.contains('-') => {
            String::from("a range is written `22:00..07:00`")
        }
        None if found.contains(':') => {
            String::from("a time is written `22:00`, from `00:00` to `23:59`")
        }
        None if found.contains('/') || found.matches('-').count() >= 2 => {
            String::from("a date is written `2026-12-24`")
        }
        None if found.matches('.').count() >= 2 => {
            String::from("an IP address, or any other string, must be quoted: `\"…\"`")
        }
        None if unit.is_empty() => String::from("the number is too large"),
        None => String::from(
            "`5` and `-2.5` are numbers, `20K` `5M` `1G` sizes, `30s` `10m` `12h` `7d` `2w` \
             durations; a name begins with a letter, and strings must be quoted",
        ),
    }
}

/// `1.12.2026`, `12/1/2026`, `2026/12/1`, `1 December 2026`: a hint with the date that is
/// meant.
pub fn date_hint(found: &str) -> Option<String> {
    if let Some(date) = date_in_words(found) {
        return Some(format!("write `{date}`"));
    }
    let sign = found.chars().find(|c| !c.is_ascii_digit()).filter(|c| "./-".contains(*c))?;
    let parts: Vec<&str> = found.split(sign).collect();
    let [first, second, third] = parts.as_slice() else { return None };
    let number = |part: &str| part.parse::<i8>().ok().filter(|_| part.len() <= 2);
    let written = |year: &str, month: i8, day: i8| {
        let year = year.parse().ok().filter(|_| year.len() == 4)?;
        Some(jiff::civil::Date::new(year, month, day).ok()?.to_string())
    };
    if first.len() == 4 {
        let date = written(first, number(second)?, number(third)?)?;
        return Some(format!("write `{date}`"));
    }
    let (one, two) = (number(first)?, number(second)?);
    let day_first = written(third, two, one);
    // With dots nobody writes the month first.
    let month_first = written(third, one, two).filter(|_| sign != '.' && one != two);
    Some(match (day_first, month_first) {
        (Some(date), Some(other)) => {
            format!("a date is year-month-day: `{date}`, or `{other}` if the month came first")
        }
        (date, other) => {
            let date = date.or(other)?;
            format!("write `{date}`")
        }
    })
}

/// `1 December 2026`, `Dec 1, 2026`
fn date_in_words(found: &str) -> Option<jiff::civil::Date> {
    let parts: Vec<&str> = found.split([' ', ',']).filter(|part| !part.is_empty()).collect();
    let [first, second, year] = parts.as_slice() else { return None };
    let (month, day) = match words::month(first) {
        Some(month) => (month, second),
        None => (words::month(second)?, first),
    };
    let year = year.parse().ok().filter(|_| year.len() == 4)?;
    jiff::civil::Date::new(year, month, day.parse().ok()?).ok()
}

/// `1 month`, `2 years`: a hint with the duration in days.
fn days(number: &str, unit: &str) -> Option<String> {
    let days = number.parse::<u64>().ok()?.checked_mul(words::days_of(unit)?)?;
    Some(format!("write `{days}d`"))
}

/// `5M`, `5 MB` in quotes: a hint with the size that is meant.
pub fn size_hint(found: &str) -> Option<String> {
    let size = words::size(found.trim());
    let number = size.trim_end_matches(['K', 'M', 'G']);
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| format!("write `{size}`"))
}
