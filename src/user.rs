//! The user for whom a message is delivered: where the home is, and what is kept below
//! it; and for a confined user, who shares a uid with others, what the site allows.
//!
//! The system's list of users is read directly as a file, never through NSS, which a
//! statically linked program does not have.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::DirBuilder;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::file::{ANYWHERE, Bounds};
use crate::source::read_bytes;

/// Where mail servers deliver to a file of the user's name, which stays there until a mail
/// reader fetches it.
pub const SPOOL_DIRECTORIES: [&str; 3] = ["/var/mail", "/var/spool/mail", "/usr/spool/mail"];

const USERS: &str = "/etc/passwd";
/// How much of the list of users is read, bytes.
const USERS_LIMIT: u64 = 16 << 20;

/// One user; the default has no home, and nothing is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    home: Option<PathBuf>,
    state: Option<PathBuf>,
    cache: Option<PathBuf>,
    config: Option<PathBuf>,
    confined: Option<ConfinedUser>,
}

/// What a confined user has that the process does not provide.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ConfinedUser {
    login: String,
    bounds: Bounds,
    maildir: PathBuf,
    site: Arc<Confinement>,
}

/// What a site allows the rules of users who share a uid. Their rules read and write only
/// below their home; this says what else they may reach.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub struct Confinement {
    /// Whether folders are nested directories (`set layout fs`); otherwise they are next
    /// to each other.
    pub fs_layout: bool,
    /// Where the log of deliveries goes.
    pub log: DeliveryLog,
    /// `set sendmail`; none for the usual one.
    pub sendmail: Option<String>,
    /// `set program-timeout`, seconds.
    pub program_timeout: Option<u64>,
    /// The programs that rules may run, by the names used in rules.
    pub programs: BTreeMap<String, PathBuf>,
    /// To how many addresses the rules of one user may forward per hour.
    pub forwards_per_hour: u32,
}

/// Where confined users' logs are written.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DeliveryLog {
    /// A file in the user's state directory, which `mfilter why` reads.
    #[default]
    State,
    /// The system's log.
    Syslog,
    /// Nowhere.
    Off,
}

/// To how many addresses the rules of a confined user may forward per hour, if the site
/// sets nothing.
const FORWARDS_PER_HOUR: u32 = 100;

impl Default for Confinement {
    fn default() -> Confinement {
        Confinement {
            fs_layout: false,
            log: DeliveryLog::State,
            sendmail: None,
            program_timeout: None,
            programs: BTreeMap::new(),
            forwards_per_hour: FORWARDS_PER_HOUR,
        }
    }
}

impl User {
    /// The user of this process. The home is `HOME`, or if that is not an absolute path
    /// (sendmail's `local_procmail` does not set it), the one in `/etc/passwd` for the
    /// real user.
    pub fn of_process() -> User {
        let home = absolute("HOME").or_else(|| {
            let users = read_bytes(&ANYWHERE, Path::new(USERS), USERS_LIMIT).ok()?;
            home_of(&users, rustix::process::getuid().as_raw())
        });
        let below = |variable, else_in_home| {
            let directory =
                absolute(variable).or_else(|| Some(home.as_deref()?.join(else_in_home)));
            Some(directory?.join("mfilter"))
        };
        User {
            state: below("XDG_STATE_HOME", ".local/state"),
            cache: below("XDG_CACHE_HOME", ".cache"),
            config: below("XDG_CONFIG_HOME", ".config"),
            home,
            confined: None,
        }
    }

    /// A user with this home, whatever the environment says.
    pub fn at(home: &Path) -> User {
        let below = |path| Some(home.join(path).join("mfilter"));
        User {
            home: Some(home.to_owned()),
            state: below(".local/state"),
            cache: below(".cache"),
            config: below(".config"),
            confined: None,
        }
    }

    /// A user who shares a uid with others. What is kept is in `data`, to which users
    /// have no other access, so that no link there can mislead us and what is counted
    /// there stays counted.
    pub fn confined(
        login: &str,
        home: &Path,
        maildir: &Path,
        data: &Path,
        site: Arc<Confinement>,
    ) -> User {
        let below = |name: &str| Some(data.join(name));
        let bounds = Bounds::below(home);
        let (login, maildir) = (login.to_owned(), maildir.to_owned());
        User {
            home: Some(home.to_owned()),
            state: below("state"),
            cache: below("cache"),
            config: below("config"),
            confined: Some(ConfinedUser { login, bounds, maildir, site }),
        }
    }

    /// What the site allows, if the user is confined.
    pub fn confinement(&self) -> Option<&Arc<Confinement>> {
        Some(&self.confined.as_ref()?.site)
    }

    /// The directory below which the paths in the user's rules have to stay.
    pub fn bounds(&self) -> &Bounds {
        self.confined.as_ref().map_or(&ANYWHERE, |confined| &confined.bounds)
    }

    /// The Maildir, if the site sets it, and the directory in which it has to be: the
    /// home, or itself if it is elsewhere.
    pub fn maildir(&self) -> Option<(&Path, Bounds)> {
        let ConfinedUser { maildir, bounds, .. } = self.confined.as_ref()?;
        let in_home = bounds.directory().is_some_and(|home| maildir.starts_with(home));
        Some((maildir, if in_home { bounds.clone() } else { Bounds::below(maildir) }))
    }

    /// The home.
    pub fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// What `~` means: an empty path if there is no home.
    pub fn home_or_nowhere(&self) -> &Path {
        self.home().unwrap_or(Path::new(""))
    }

    /// Text for people with the home as `~`, as they know it.
    pub fn with_tilde(&self, text: &str) -> String {
        match self.home().and_then(Path::to_str) {
            Some(home) if home.len() > 1 => tilde(text, home.trim_end_matches('/')),
            _ => text.to_owned(),
        }
    }

    /// `mfilter` in `$XDG_STATE_HOME`, or in `~/.local/state`.
    pub fn state_dir(&self) -> Option<&Path> {
        self.state.as_deref()
    }

    /// `mfilter` in `$XDG_CACHE_HOME`, or in `~/.cache`.
    pub fn cache_dir(&self) -> Option<&Path> {
        self.cache.as_deref()
    }

    /// `mfilter` in `$XDG_CONFIG_HOME`, or in `~/.config`.
    pub fn config_dir(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// Where a message is kept that is too large for memory.
    pub fn temp_dir(&self) -> PathBuf {
        std::env::temp_dir()
    }

    /// An environment variable; for a confined user only those that name the user, since
    /// the process belongs to all users.
    pub fn variable(&self, name: &str) -> Option<OsString> {
        let Some(confined) = &self.confined else { return std::env::var_os(name) };
        match name {
            "HOME" => self.home.as_ref().map(|home| home.clone().into()),
            "USER" | "LOGNAME" => Some(confined.login.clone().into()),
            _ => None,
        }
    }
}

/// Text with this home as `~` wherever a path begins with it.
fn tilde(text: &str, home: &str) -> String {
    let below = format!("{home}/");
    let mut out = String::with_capacity(text.len());
    for (number, part) in text.split(below.as_str()).enumerate() {
        if number > 0 {
            let within =
                out.ends_with(|before: char| before.is_alphanumeric() || "/._-~".contains(before));
            out.push_str(if within { &below } else { "~/" });
        }
        out.push_str(part);
    }
    out
}

/// Creates a directory with mode 0700, and what is missing above it; it may already
/// exist. A missing home is not created: it may not be mounted yet.
///
/// # Errors
/// The system's error; `NotFound` if the home is missing.
pub fn make_private(path: &Path, home: Option<&Path>) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let home = home.filter(|home| path.starts_with(home));
            if home.is_some_and(|home| !home.is_dir()) {
                return Err(error);
            }
            DirBuilder::new().recursive(true).mode(0o700).create(path)
        }
        result => result,
    }
}

/// According to the XDG Base Directory Specification a relative path in a variable is
/// ignored.
fn absolute(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// The home of a user in a file as passwd(5) describes it.
fn home_of(users: &[u8], uid: u32) -> Option<PathBuf> {
    let home = users.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = line.split(|byte| *byte == b':');
        let number = std::str::from_utf8(fields.nth(2)?).ok()?;
        (number.parse() == Ok(uid)).then(|| fields.nth(2)).flatten()
    })?;
    let home = PathBuf::from(OsStr::from_bytes(home));
    home.is_absolute().then_some(home)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn the_home_is_a_tilde_where_a_path_begins_with_it() {
        for (text, shown) in [
            ("/root/a: no, `/root/b` (/root/c)", "~/a: no, `~/b` (~/c)"),
            ("/root/root/a /var/root/b /roots/c /root", "~/root/a /var/root/b /roots/c /root"),
        ] {
            assert_eq!(tilde(text, "/root"), shown);
        }
    }

    #[test]
    fn a_home_is_read_off_the_list_of_users() {
        let users = b"root:x:0:0::/root:/bin/sh\n# a comment\n\n+nis\nhana:x:1000:1000:H,,,:/home/h\xffana:/bin/sh\nb:x:1001:1001:::/bin/sh\nc:x:1002:1002::relative:\nhana2:x:1000:1000::/other:";
        let home_bytes = |uid| home_of(users, uid).map(|home| home.into_os_string().into_vec());
        assert_eq!(home_bytes(0).as_deref(), Some(&b"/root"[..]));
        assert_eq!(
            home_bytes(1000).as_deref(),
            Some(&b"/home/h\xffana"[..]),
            "the first one counts"
        );
        for uid in [1001, 1002, 1003, 2] {
            assert_eq!(home_bytes(uid), None, "{uid}");
        }
        assert_eq!(home_of(b"", 0), None);
    }
}
