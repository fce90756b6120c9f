//! Who the user is to this process: where the home lies, and what is kept below it.
//!
//! The system's list of users is read as the file that it commonly is, never
//! asked for by NSS, which a statically linked program has not.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::source::read_bytes;

const USERS: &str = "/etc/passwd";
/// Longer lists of users are not read, bytes.
const USERS_LIMIT: u64 = 16 << 20;

/// The user's home: `HOME`, or where that is no absolute path (sendmail's
/// `local_procmail` sets none), what `/etc/passwd` says of the real user.
pub fn home() -> Option<&'static Path> {
    static HOME: OnceLock<Option<PathBuf>> = OnceLock::new();
    HOME.get_or_init(|| {
        absolute("HOME").or_else(|| {
            let users = read_bytes(Path::new(USERS), USERS_LIMIT).ok()?;
            home_of(&users, rustix::process::getuid().as_raw())
        })
    })
    .as_deref()
}

/// `$XDG_STATE_HOME`, else `~/.local/state`.
pub fn state_dir() -> Option<PathBuf> {
    below("XDG_STATE_HOME", ".local/state")
}

/// `$XDG_CACHE_HOME`, else `~/.cache`.
pub fn cache_dir() -> Option<PathBuf> {
    below("XDG_CACHE_HOME", ".cache")
}

/// `$XDG_CONFIG_HOME`, else `~/.config`.
pub fn config_dir() -> Option<PathBuf> {
    below("XDG_CONFIG_HOME", ".config")
}

/// By the XDG Base Directory Specification a relative path in a variable does not count.
fn below(variable: &str, else_in_home: &str) -> Option<PathBuf> {
    absolute(variable).or_else(|| Some(home()?.join(else_in_home)))
}

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
