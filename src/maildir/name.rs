//! Unique names for messages in a Maildir.
//!
//! `SECONDS.M<microseconds>P<pid>Q<count>R<random>.HOST`, as
//! <https://cr.yp.to/proto/maildir.html> requires; `,S=<bytes>` (Maildir++, for quotas)
//! is appended by the rename, since only then is the size known.

use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};
use std::os::fd::OwnedFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::Dir;

/// A name that no other process, machine or call creates.
pub fn unique() -> String {
    unique_of(None, None)
}

/// The same for a message that arrived at another time, seconds since 1970, and for a
/// delivery whose files are identified by a random number.
pub(super) fn unique_of(moment: Option<u64>, delivery: Option<u64>) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    static HOST: OnceLock<String> = OnceLock::new();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let host =
        HOST.get_or_init(|| escape_host(&rustix::system::uname().nodename().to_string_lossy()));
    format!(
        "{}.M{:06}P{}Q{}R{:016x}.{host}",
        moment.unwrap_or(now.as_secs()),
        now.subsec_micros(),
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed),
        // Keyed with the kernel's random numbers, which distinguishes containers with the
        // same host name and process ids.
        delivery.unwrap_or_else(|| RandomState::new().hash_one(now)),
    )
}

/// The delimiter between a name and its flags, `DFPRST` and the letters of keywords.
pub const INFO: &str = ":2,";
/// What programs write instead if they are set to do without colons, which vfat, exFAT
/// and CIFS do not allow: isync (`InfoDelimiter`) and OfflineIMAP.
const OTHER_INFO: [&str; 2] = [";2,", "!2,"];

/// The delimiter that programs set to do without colons have used in a directory.
pub(super) fn delimiter_in_use(directory: &OwnedFd) -> Option<&'static str> {
    Dir::read_from(directory).ok()?.flatten().find_map(|entry| {
        let (_, info) = split_info(entry.file_name().to_str().ok()?)?;
        OTHER_INFO.into_iter().find(|delimiter| info.starts_with(delimiter))
    })
}

/// Splits a name into itself and, from its delimiter on, its flags; none if it has no
/// delimiter.
pub fn split_info(name: &str) -> Option<(&str, &str)> {
    let at = name.find(INFO).or_else(|| {
        let at = OTHER_INFO.iter().find_map(|delimiter| name.rfind(delimiter))?;
        let flags = name.get(at + INFO.len()..)?;
        flags.bytes().all(|byte| byte.is_ascii_alphabetic()).then_some(at)
    })?;
    Some(name.split_at(at))
}

/// The flags after the delimiter; none if there is no delimiter.
pub fn flags(name: &str) -> Option<&str> {
    split_info(name).and_then(|(_, info)| info.get(INFO.len()..))
}

/// The size in `,S=<bytes>` of a name (Maildir++).
pub fn size(name: &str) -> Option<u64> {
    let base = split_info(name).map_or(name, |(base, _)| base);
    base.split(',').find_map(|part| part.strip_prefix("S=")?.parse().ok())
}

/// Whether a file has a name of this form: mfilter delivered it, whoever has moved it
/// since.
pub fn is_ours(name: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = || {
        let (seconds, rest) = name.split_once(".M")?;
        let (micros, rest) = rest.split_once('P')?;
        let (pid, rest) = rest.split_once('Q')?;
        let (count, rest) = rest.split_once('R')?;
        let (random, _) = rest.split_once('.')?;
        let hex = random.len() == 16 && random.bytes().all(|byte| byte.is_ascii_hexdigit());
        Some(hex && [seconds, micros, pid, count].into_iter().all(digits))
    };
    parts().unwrap_or(false)
}

/// Whether a file belongs to a delivery, see [`super::Location::delivery`].
pub(super) fn is_of_delivery(name: &str, delivery: u64) -> bool {
    is_ours(name) && name.contains(&format!("R{delivery:016x}."))
}

/// A Message-ID without its brackets, RFC 5322 §3.6.4.
pub fn message_id() -> String {
    let name = unique();
    let (left, host) = name.split_once('R').unwrap_or((&name, "localhost"));
    let (random, host) = host.split_once('.').unwrap_or((host, "localhost"));
    let host: String =
        host.chars().filter(|c| c.is_ascii_alphanumeric() || ".-".contains(*c)).collect();
    format!("{left}.{random}@{host}")
}

/// `/` and `:` as `\057` and `\072`, as the Maildir page says, and everything else that
/// is not part of a host name in the same way: `,` would begin the size.
fn escape_host(host: &str) -> String {
    let mut escaped = String::new();
    for byte in host.bytes().take(64) {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => {
                escaped.push(char::from(byte));
            }
            _ => {
                let _ = write!(escaped, "\\{byte:03o}");
            }
        }
    }
    // With a host name of this length the file name fits on eCryptfs, which allows 143
    // bytes.
    escaped.truncate(64);
    if escaped.is_empty() {
        escaped.push_str("localhost");
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_differ_and_contain_nothing_a_maildir_forbids() {
        let names: HashSet<String> = (0..1000).map(|_| unique()).collect();
        assert_eq!(names.len(), 1000);
        for name in names {
            assert!(!name.contains(['/', ':', ',']) && !name.starts_with('.'), "{name}");
            assert!(name.contains(&format!("P{}Q", std::process::id())));
            assert!(super::is_ours(&format!("{name},S=3:2,S")));
        }
        for delivery in [0, 7, u64::MAX] {
            let name = unique_of(None, Some(delivery));
            assert!(is_of_delivery(&format!("{name},S=3"), delivery) && !is_of_delivery(&name, 1));
        }
    }

    #[test]
    fn flags_follow_a_delimiter() {
        for (name, expected) in [
            ("1.a:2,FS", Some(("1.a", "FS"))),
            ("1.a:2,", Some(("1.a", ""))),
            ("1.a;2,FS", Some(("1.a", "FS"))),
            ("1.a,U=7!2,S", Some(("1.a,U=7", "S"))),
            ("1.a;2,x:2,S", Some(("1.a;2,x", "S"))),
            ("1.a;2,S=3", None),
            ("1.a!2,é", None),
            ("1.a", None),
        ] {
            let found = split_info(name).map(|(base, _)| base).zip(flags(name));
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn a_size_is_before_the_flags() {
        for (name, expected) in [
            ("1.a,S=81:2,S", Some(81)),
            ("1.a,S=81;2,S", Some(81)),
            ("1.a,U=7,S=81!2,", Some(81)),
            ("1.a,S=81,W=83", Some(81)),
            ("1.a,S=-81", None),
            ("1.a:2,S=81", None),
            ("1.a;2,S", None),
            ("1.a", None),
        ] {
            assert_eq!(size(name), expected, "{name}");
        }
    }

    #[test]
    fn names_by_other_programs_are_not_ours() {
        for name in ["1767.M1P2.mx,S=3", "1767.2_1.mx", "1767.M1P2Q3Rabc.mx", "x", ""] {
            assert!(!super::is_ours(name), "{name}");
        }
        for start in [".M1P2Q3", "1.MxP2Q3", "1.M1PQ3", "1.M1P2Qx"] {
            let name = format!("{start}R0123456789abcdef.mx");
            assert!(!super::is_ours(&name), "{name}");
        }
    }

    #[test]
    fn an_answer_has_an_id_of_its_own() {
        let (id, other) = (message_id(), message_id());
        let (left, host) = id.split_once('@').unwrap();
        assert!(left.starts_with(|c: char| c.is_ascii_digit()) && id != other, "{id}");
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
        assert!(left.chars().all(is_plain), "{id}");
        assert!(!host.is_empty() && host.chars().all(is_plain), "{id}");
    }

    #[test]
    fn hosts_are_escaped() {
        assert_eq!(escape_host("mx1.example.jp"), "mx1.example.jp");
        assert_eq!(escape_host("a/b:c,d e"), "a\\057b\\072c\\054d\\040e");
        assert_eq!(escape_host(""), "localhost");
        assert!(escape_host(&"/".repeat(64)).len() <= 64);
    }
}
