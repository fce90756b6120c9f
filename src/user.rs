//! The user for whom a message is delivered: where the home lies, and what is kept
//! below it.
//!
//! The system's list of users is read as the file that it commonly is, never
//! asked for by NSS, which a statically linked program has not.

use std::ffi::{OsStr, OsString};
use std::fs::DirBuilder;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::source::read_bytes;

const USERS: &str = "/etc/passwd";
/// Longer lists of users are not read, bytes.
const USERS_LIMIT: u64 = 16 << 20;

/// One user; the default has no home, and nothing is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    home: Option<PathBuf>,
    state: Option<PathBuf>,
    cache: Option<PathBuf>,
    config: Option<PathBuf>,
}

impl User {
    /// The user whose process this is. The home is `HOME`, or where that is no
    /// absolute path (sendmail's `local_procmail` sets none), what `/etc/passwd` says
    /// of the real user.
    pub fn of_process() -> User {
        let home = absolute("HOME").or_else(|| {
            let users = read_bytes(Path::new(USERS), USERS_LIMIT).ok()?;
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
        }
    }

    /// The home.
    pub fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// What `~` means: nothing where there is no home.
    pub fn home_or_nowhere(&self) -> &Path {
        self.home().unwrap_or(Path::new(""))
    }

    /// `mfilter` in `$XDG_STATE_HOME`, else in `~/.local/state`.
    pub fn state_dir(&self) -> Option<&Path> {
        self.state.as_deref()
    }

    /// `mfilter` in `$XDG_CACHE_HOME`, else in `~/.cache`.
    pub fn cache_dir(&self) -> Option<&Path> {
        self.cache.as_deref()
    }

    /// `mfilter` in `$XDG_CONFIG_HOME`, else in `~/.config`.
    pub fn config_dir(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// Where a message is kept that is too large for memory.
    pub fn temp_dir(&self) -> PathBuf {
        std::env::temp_dir()
    }

    /// An environment variable.
    pub fn variable(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }
}

/// Makes a directory of mode 0700, with what is missing above it; fine if it is
/// there. A home that is missing is not made: it may not be mounted yet.
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
        made => made,
    }
}

/// By the XDG Base Directory Specification a relative path in a variable does not count.
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
    fn a_home_is_read_off_the_list_of_users() {
        let users = b"root:x:0:0::/root:/bin/sh\n# a comment\n\n+nis\nhana:x:1000:1000:H,,,:/home/h\xffana:/bin/sh\nb:x:1001:1001:::/bin/sh\nc:x:1002:1002::relative:\nhana2:x:1000:1000::/other:";
        let of = |uid| home_of(users, uid).map(|home| home.into_os_string().into_vec());
        assert_eq!(of(0).as_deref(), Some(&b"/root"[..]));
        assert_eq!(of(1000).as_deref(), Some(&b"/home/h\xffana"[..]), "the first one counts");
        for uid in [1001, 1002, 1003, 2] {
            assert_eq!(of(uid), None, "{uid}");
        }
        assert_eq!(home_of(b"", 0), None);
    }
}
