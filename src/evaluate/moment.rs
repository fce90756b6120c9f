//! Moments of a message (sent, arrived, now) as numbers and as text, in the zone of the rules.

use jiff::Timestamp;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use super::context::Context;
use super::field_value::FieldValue;
use crate::rules::program::Moment;
use crate::rules::template::MomentFormat;

/// Seconds as people say them, rounded down to a unit.
pub(super) fn duration(seconds: i64) -> String {
    let sign = if seconds < 0 { "-" } else { "" };
    let seconds = seconds.unsigned_abs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{seconds}s"),
        (0, 0, _) => format!("{sign}{minutes}m {}s", seconds % 60),
        (0, ..) => format!("{sign}{hours}h {minutes}m"),
        _ => format!("{sign}{days}d {hours}h"),
    }
}

/// Days since 1970-01-01.
pub(super) fn day<'m>(date: Date) -> FieldValue<'m> {
    let days = Date::constant(1970, 1, 1).until(date).map_or(0, |span| span.get_days());
    FieldValue::Number(f64::from(days), date.to_string())
}

pub(super) fn zone(context: &Context<'_>) -> TimeZone {
    context.world.zone(context.program.settings.timezone.as_deref())
}

/// Minutes of the day.
pub(super) fn time<'m>(at: &jiff::Zoned) -> FieldValue<'m> {
    let minutes = f64::from(at.hour()) * 60.0 + f64::from(at.minute());
    FieldValue::Number(minutes, format!("{:02}:{:02}", at.hour(), at.minute()))
}

/// A moment; `None` if the message does not have it.
pub(super) fn moment(which: Moment, context: &Context<'_>) -> Option<Timestamp> {
    match which {
        Moment::Sent => sent_at(context),
        Moment::Arrived => Some(arrived(context)),
        Moment::Now => Some(context.world.now()),
    }
}

/// The clock reading in a zone, as seconds since it read 1970-01-01 00:00. When
/// an hour is repeated, it stays at the hour's end the second time, so that a
/// later moment is never smaller.
pub(super) fn local_seconds(at: Timestamp, zone: &TimeZone) -> i64 {
    let shown = |at: Timestamp| at.as_second() + i64::from(zone.to_offset(at).seconds());
    let now = shown(at);
    // No clock was ever put back by more than a day.
    let day = at.checked_sub(jiff::SignedDuration::from_hours(24)).unwrap_or(at);
    let before = zone.following(day).take_while(|change| change.timestamp() <= at);
    let turned = before.filter_map(|change| {
        let last = change.timestamp().checked_sub(jiff::SignedDuration::from_secs(1)).ok()?;
        Some(shown(last) + 1)
    });
    turned.fold(now, i64::max)
}

pub(super) fn now(context: &Context<'_>) -> jiff::Zoned {
    context.world.now().to_zoned(zone(context))
}

/// The moment of the Date header.
pub(super) fn sent_at(context: &Context<'_>) -> Option<Timestamp> {
    Timestamp::from_second(context.message.date()?.unix_seconds).ok()
}

/// When the message arrived here: now, if it is being delivered.
pub(super) fn arrived(context: &Context<'_>) -> Timestamp {
    let now = context.world.now();
    let at = context.message.arrived(now.as_second());
    at.and_then(|at| Timestamp::from_second(at).ok()).unwrap_or(now)
}

/// `{date:FORMAT}`: the Date header, or now if there is none.
pub(super) fn formatted_date(context: &Context<'_>, format: &MomentFormat) -> String {
    formatted(context, sent_at(context).unwrap_or_else(|| context.world.now()), format)
}

/// `{now:FORMAT}`: the moment of delivery.
pub(super) fn formatted_now(context: &Context<'_>, format: &MomentFormat) -> String {
    formatted(context, context.world.now(), format)
}

/// A moment in the zone that the format names, otherwise in that of the rules.
fn formatted(context: &Context<'_>, at: Timestamp, how: &MomentFormat) -> String {
    let zone = how.offset.and_then(|seconds| jiff::tz::Offset::from_seconds(seconds).ok());
    let zone = zone.map_or_else(|| self::zone(context), TimeZone::fixed);
    jiff::fmt::strtime::format(&how.format, &at.to_zoned(zone)).unwrap_or_default()
}

pub(super) fn weekday(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "monday",
        Weekday::Tuesday => "tuesday",
        Weekday::Wednesday => "wednesday",
        Weekday::Thursday => "thursday",
        Weekday::Friday => "friday",
        Weekday::Saturday => "saturday",
        Weekday::Sunday => "sunday",
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::{FieldValue, duration, local_seconds, time};

    #[test]
    fn a_duration_has_its_two_largest_units() {
        for (seconds, shown) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m 0s"),
            (3599, "59m 59s"),
            (3600, "1h 0m"),
            (86_399, "23h 59m"),
            (86_400 + 7200, "1d 2h"),
            (-1, "-1s"),
            (-90, "-1m 30s"),
        ] {
            assert_eq!(duration(seconds), shown);
        }
    }

    #[test]
    fn a_time_of_day_has_hours_and_minutes() {
        let at: jiff::Zoned = "2026-12-24T16:35:09+05:30[+05:30]".parse().unwrap();
        assert!(matches!(time(&at), FieldValue::Number(995.0, shown) if shown == "16:35"));
    }

    /// In Berlin clocks go back from 03:00 to 02:00, and forward from 02:00 to 03:00.
    #[test]
    fn what_is_later_is_never_smaller() {
        let Ok(berlin) = TimeZone::get("Europe/Berlin") else { return };
        let at = |text: &str| {
            let at: Timestamp = text.parse().unwrap();
            let local = Timestamp::from_second(local_seconds(at, &berlin)).unwrap();
            local.to_string()
        };
        assert_eq!(at("2026-10-25T00:30:00Z"), "2026-10-25T02:30:00Z");
        assert_eq!(at("2026-10-25T01:00:00Z"), "2026-10-25T03:00:00Z");
        assert_eq!(at("2026-10-25T01:30:00Z"), "2026-10-25T03:00:00Z");
        assert_eq!(at("2026-10-25T02:30:00Z"), "2026-10-25T03:30:00Z");
        assert_eq!(at("2026-03-29T00:59:59Z"), "2026-03-29T01:59:59Z");
        assert_eq!(at("2026-03-29T01:00:00Z"), "2026-03-29T03:00:00Z");
        assert_eq!(at("2026-12-24T11:00:00Z"), "2026-12-24T12:00:00Z");
    }
}
