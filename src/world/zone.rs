//! The time zone of dates and times.
//!
//! jiff lists all zones before it gives one, so that a name may be written in
//! any case: that costs many times what a small delivery does. So the file that
//! a name stands for is read first, and jiff is asked where there is none.

use std::ffi::OsString;
use std::path::{Component, Path};

use jiff::tz::TimeZone;

/// Where Linux has its zones; others, and `TZDIR`, are left to jiff.
const ZONES: &str = "/usr/share/zoneinfo";

/// The zone of an IANA name, else the system's; UTC if there is none.
pub fn zone(name: Option<&str>) -> TimeZone {
    zone_or(name, &mut |_| {})
}

/// The same. `unknown` is told the name that no file describes: there is no
/// tzdata, perhaps.
pub(super) fn zone_or(name: Option<&str>, unknown: &mut dyn FnMut(&str)) -> TimeZone {
    let known = match name {
        Some(name) => Some(name.to_owned()),
        None => system(std::env::var_os("TZ"), || {
            Some(std::fs::read_link("/etc/localtime").ok()?.into_os_string())
        }),
    };
    let wanted = known.clone();
    let found = known.filter(|_| std::env::var_os("TZDIR").is_none());
    let found = found.and_then(|name| in_file(&name));
    found.unwrap_or_else(|| {
        let asked = name.map_or_else(TimeZone::try_system, TimeZone::get);
        asked.unwrap_or_else(|_| {
            if let Some(name) = &wanted {
                unknown(name);
            }
            TimeZone::UTC
        })
    })
}

/// The name of the system's zone, where it has one: by `TZ`, which may be empty
/// for UTC, a name or a path, else by where `/etc/localtime` leads.
fn system(tz: Option<OsString>, link: impl FnOnce() -> Option<OsString>) -> Option<String> {
    let text = match tz {
        Some(tz) if tz.is_empty() => "UTC".into(),
        Some(tz) => tz,
        None => link().filter(|to| to.to_string_lossy().contains("zoneinfo/"))?,
    };
    let text = text.into_string().ok()?;
    let name = text.rsplit_once("zoneinfo/").map_or(text.as_str(), |(_, name)| name);
    Some(name.strip_prefix(':').unwrap_or(name).to_owned())
}

fn in_file(name: &str) -> Option<TimeZone> {
    if name == "UTC" {
        return Some(TimeZone::UTC);
    }
    let is_name = |part| matches!(part, Component::Normal(_));
    if !Path::new(name).components().all(is_name) {
        return None;
    }
    TimeZone::tzif(name, &std::fs::read(Path::new(ZONES).join(name)).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn a_zone_out_of_its_file_is_the_one_of_that_name() {
        for name in jiff::tz::db().available().filter(|name| name.as_str() != "Etc/Unknown") {
            let Ok(known) = TimeZone::get(name.as_str()) else { continue };
            let found = in_file(name.as_str()).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(found.iana_name(), known.iana_name());
            for year in 0..200 {
                // Days apart from each other in the year, from 1900 on.
                let at = Timestamp::from_second(-2_208_988_800 + year * 32_000_000).unwrap();
                let text = |zone: TimeZone| at.to_zoned(zone).strftime("%c %z %Z %Q").to_string();
                assert_eq!(text(found.clone()), text(known.clone()), "{name}");
            }
        }
    }

    #[test]
    fn the_systems_zone_has_its_name_from_the_environment_or_a_link() {
        let by = |tz: Option<&str>, link: Option<&str>| {
            system(tz.map(Into::into), || link.map(Into::into))
        };
        for (tz, link, name) in [
            (Some(""), None, Some("UTC")),
            (Some("Asia/Tokyo"), Some("/usr/share/zoneinfo/Etc/UTC"), Some("Asia/Tokyo")),
            (Some(":Asia/Tokyo"), None, Some("Asia/Tokyo")),
            (Some("/usr/share/zoneinfo/Asia/Tokyo"), None, Some("Asia/Tokyo")),
            (Some(":/usr/share/zoneinfo/Asia/Tokyo"), None, Some("Asia/Tokyo")),
            (Some("JST-9"), None, Some("JST-9")),
            (None, Some("../usr/share/zoneinfo/Europe/Berlin"), Some("Europe/Berlin")),
            (None, Some("/var/localtime"), None),
            (None, None, None),
        ] {
            assert_eq!(by(tz, link).as_deref(), name, "{tz:?} {link:?}");
        }
        for no_name in ["", "JST-9", "../../../etc/localtime", "/etc/localtime", "Asia", "."] {
            assert!(in_file(no_name).is_none(), "{no_name}");
        }
    }
}
