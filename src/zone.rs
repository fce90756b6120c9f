//! The time zone of dates and times.
//!
//! A zone is one file, and only that file is read. jiff would list all zones before it
//! returns one, which costs many times what a small delivery costs, and would open
//! whatever `TZ` names, even a FIFO on which it waits for ever. If nothing is found there
//! is no zone, and the caller uses UTC.

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};
use std::{fs, io};

use jiff::tz::TimeZone;

use crate::file;

/// Where systems have their zones, unless `TZDIR` names another place.
const ZONES: [&str; 3] = ["/usr/share/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo"];
/// The system's own zone.
const LOCAL: &str = "/etc/localtime";
/// The largest file that is read, bytes; a zone's file has a few KB.
const LARGEST: u64 = 1 << 20;

/// The zone with an IANA name, in upper or lower case, or the system's; UTC if there is
/// none.
pub fn zone(name: Option<&str>) -> TimeZone {
    zone_or(name, &mut |_, _| {})
}

/// The same. `unknown` is called with a name that no file describes: perhaps tzdata is
/// missing. The error says why its file cannot be read, if there is one.
pub fn zone_or(name: Option<&str>, unknown: &mut dyn FnMut(&str, Option<io::Error>)) -> TimeZone {
    let link = || Some(fs::read_link(LOCAL).ok()?.into_os_string());
    let tz = std::env::var_os("TZ");
    let mut unread = None;
    let found = match name {
        Some(name) => find(name, &mut unread),
        None => system(tz.clone(), &link, &mut unread),
    };
    found.unwrap_or_else(|| {
        let setting = name.map(OsString::from).or(tz).or_else(link);
        if let Some(setting) = setting {
            unknown(&setting.to_string_lossy(), unread);
        }
        TimeZone::UTC
    })
}

/// The zone with an IANA name, in upper or lower case.
pub fn named(name: &str) -> Option<TimeZone> {
    find(name, &mut None)
}

/// Why a file that is there cannot be read.
type UnreadFile = Option<io::Error>;

fn find(name: &str, unread: &mut UnreadFile) -> Option<TimeZone> {
    if name.eq_ignore_ascii_case("UTC") {
        return Some(TimeZone::UTC);
    }
    let set = std::env::var_os("TZDIR").filter(|path| !path.is_empty()).map(PathBuf::from);
    match set {
        Some(directory) => in_directory(&directory, name, unread),
        None => ZONES.iter().find_map(|directory| in_directory(Path::new(directory), name, unread)),
    }
}

/// The system's zone: by `TZ` (POSIX.1-2024 §8.3), which may be empty for UTC, a name, a
/// path or a rule such as `JST-9`; otherwise by the target of `/etc/localtime`, or by its
/// content.
fn system(
    tz: Option<OsString>,
    link: &dyn Fn() -> Option<OsString>,
    unread: &mut UnreadFile,
) -> Option<TimeZone> {
    let Some(tz) = tz else {
        let by_name = link().and_then(|to| find(name_in(to.to_str()?)?, unread));
        return by_name.or_else(|| in_file("Local", Path::new(LOCAL), unread));
    };
    let text = tz.to_str()?;
    let text = text.strip_prefix(':').unwrap_or(text);
    if text.is_empty() {
        return Some(TimeZone::UTC);
    }
    find(name_in(text).unwrap_or(text), unread)
        .or_else(|| text.starts_with('/').then(|| in_file("Local", Path::new(text), unread))?)
        .or_else(|| TimeZone::posix(text).ok())
}

/// The name of a zone in the path to its file.
fn name_in(path: &str) -> Option<&str> {
    path.rsplit_once("zoneinfo/").map(|(_, name)| name)
}

fn in_directory(directory: &Path, name: &str, unread: &mut UnreadFile) -> Option<TimeZone> {
    let is_name = |part| matches!(part, Component::Normal(_));
    if name.is_empty() || !Path::new(name).components().all(is_name) {
        return None;
    }
    in_file(name, &directory.join(name), unread).or_else(|| {
        let spelled = spelled(directory, name)?;
        in_file(&spelled, &directory.join(&spelled), unread)
    })
}

/// The name as it is spelled in the directory, where letters may differ in case.
fn spelled(directory: &Path, name: &str) -> Option<String> {
    let mut path = PathBuf::new();
    for part in Path::new(name).components() {
        let part: &OsStr = part.as_os_str();
        let mut entries = fs::read_dir(directory.join(&path)).ok()?.flatten();
        let found = entries.find(|entry| entry.file_name().eq_ignore_ascii_case(part))?;
        path.push(found.file_name());
    }
    path.into_os_string().into_string().ok()
}

fn in_file(name: &str, path: &Path, unread: &mut UnreadFile) -> Option<TimeZone> {
    match file::read(path, LARGEST) {
        Ok(bytes) => TimeZone::tzif(name, &bytes).ok(),
        Err(error) => {
            let is_missing = error.kind() == io::ErrorKind::NotFound;
            *unread = unread.take().or(Some(error).filter(|_| !is_missing));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn a_zone_out_of_its_file_is_the_one_of_that_name() {
        for name in jiff::tz::db().available().filter(|name| name.as_str() != "Etc/Unknown") {
            let Ok(known) = TimeZone::get(name.as_str()) else { continue };
            let found = named(name.as_str()).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(found.iana_name(), known.iana_name());
            for year in 0..200 {
                // Moments from 1900 on, each on a different day of the year.
                let at = Timestamp::from_second(-2_208_988_800 + year * 32_000_000).unwrap();
                let text = |zone: TimeZone| at.to_zoned(zone).strftime("%c %z %Z %Q").to_string();
                assert_eq!(text(found.clone()), text(known.clone()), "{name}");
            }
        }
        let tokyo = named("asia/TOKYO").unwrap();
        assert_eq!(tokyo.iana_name(), Some("Asia/Tokyo"));
        for no_name in ["", "JST-9", "../../../etc/localtime", "/etc/localtime", "Asia", "."] {
            assert!(named(no_name).is_none(), "{no_name}");
        }
    }

    #[test]
    fn the_systems_zone_is_by_the_environment_a_link_or_a_file() {
        let by = |tz: Option<&str>, link: Option<&str>| {
            let link = link.map(OsString::from);
            system(tz.map(Into::into), &|| link.clone(), &mut None)
        };
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        let offset = |zone: TimeZone| at.to_zoned(zone).strftime("%z").to_string();
        for (tz, link, hours) in [
            (Some(""), None, Some("+0000")),
            (Some("Asia/Tokyo"), Some("/usr/share/zoneinfo/Etc/UTC"), Some("+0900")),
            (Some(":Asia/Tokyo"), None, Some("+0900")),
            (Some("/usr/share/zoneinfo/Asia/Tokyo"), None, Some("+0900")),
            (Some(":/usr/share/zoneinfo/Asia/Tokyo"), None, Some("+0900")),
            (Some("JST-9"), None, Some("+0900")),
            (None, Some("../usr/share/zoneinfo/Asia/Kolkata"), Some("+0530")),
            (Some("no/such/zone"), None, None),
            (Some("/etc/passwd"), None, None),
        ] {
            assert_eq!(by(tz, link).map(offset).as_deref(), hours, "{tz:?} {link:?}");
        }
    }

    #[test]
    fn no_fifo_is_waited_at() {
        let home = tempfile::tempdir().unwrap();
        let fifo = home.path().join("fifo");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(system(Some(fifo.into_os_string()), &|| None, &mut None).is_none());
        assert!(system(Some("/dev/zero".into()), &|| None, &mut None).is_none());
    }
}
