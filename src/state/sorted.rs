//! What was moved in mailboxes, so that it can be taken back; and the right
//! to move in a Maildir alone.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Instant;

use super::claim::Claim;
use super::{StateDir, key};

/// Where the claims lie.
const CLAIMS: &str = "sorting";

/// Waits for the right to move messages in a Maildir alone. None if another
/// process of this user still has it at `deadline`. A long-lived process gives
/// it back whenever it has nothing to do.
///
/// # Errors
/// The Maildir is not there, or the state directory cannot be written.
pub fn claim(state: &StateDir, maildir: &Path, deadline: Instant) -> io::Result<Option<Claim>> {
    let about = fs::metadata(maildir)?;
    let name = key(&[&about.dev().to_le_bytes(), &about.ino().to_le_bytes()]);
    Claim::wait(state, CLAIMS, &name, deadline)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_maildir_is_claimed_under_all_its_names() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("state"));
        for name in ["A", "B"] {
            fs::create_dir(home.path().join(name)).unwrap();
        }
        symlink("A", home.path().join("link")).unwrap();
        let claim = |name| claim(&state, &home.path().join(name), Instant::now());
        let first = claim("A").unwrap();
        assert!(first.is_some() && claim("link").unwrap().is_none());
        assert!(claim("B").unwrap().is_some() && claim("C").is_err());
        drop(first);
        assert!(claim("link").unwrap().is_some());
    }
}
