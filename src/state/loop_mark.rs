//! The mark of a message that is forwarded from here, so that it is recognized when it
//! comes back: a code under a [`SecretKey`]. Nobody can predict it, and two machines with
//! the same name have different ones.
//!
//! If no key can be kept, the mark is the plain `user@host`. Then a sender can predict
//! it, but gains only that the message goes to the inbox and is not forwarded; a mark
//! that changes with each run would let mail loop.

use super::StateDir;
use super::secret_key::SecretKey;

const FILE: &str = "loop-key";

/// The mark of mail that `identity`, `user@host`, has forwarded before. Nothing is
/// written: if there is no key yet, nothing was marked with it.
pub fn known(state: Option<&StateDir>, identity: &str) -> String {
    mark(state.and_then(|state| SecretKey::known(state, FILE)), identity)
}

/// The mark of mail that `identity` forwards now; the key is created if it is missing.
pub fn make(state: Option<&StateDir>, identity: &str) -> String {
    mark(state.and_then(|state| SecretKey::make(state, FILE)), identity)
}

fn mark(key: Option<SecretKey>, identity: &str) -> String {
    match key {
        Some(key) => key.code(identity.to_lowercase().as_bytes()),
        None => identity.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_mark_is_the_same_again_and_another_elsewhere() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (here, there) = (StateDir::at(here.path()), StateDir::at(there.path()));
        assert_eq!(known(Some(&here), "a@mx"), "a@mx", "nothing is written to know it");
        assert_eq!(fs::read_dir(here.path()).unwrap().count(), 0);
        let mark = make(Some(&here), "a@mx");
        assert_eq!(mark.len(), 32);
        assert_eq!(make(Some(&here), "A@MX"), mark);
        assert_eq!(known(Some(&here), "a@mx"), mark);
        assert_ne!(make(Some(&here), "b@mx"), mark);
        assert_ne!(make(Some(&there), "a@mx"), mark, "two machines of one name");
        let mode = fs::metadata(here.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
    }

    #[test]
    fn twenty_at_once_have_one_key() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("mfilter"));
        let marks: Vec<String> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..20).map(|_| scope.spawn(|| make(Some(&state), "a@mx"))).collect();
            all.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(marks.iter().all(|mark| *mark == marks[0] && mark.len() == 32), "{marks:?}");
    }

    #[test]
    fn without_a_key_the_mark_is_plain_and_a_damaged_key_is_replaced() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("file"), "").unwrap();
        let none = StateDir::at(home.path().join("file"));
        assert_eq!((make(None, "a@mx"), make(Some(&none), "a@mx")), ("a@mx".into(), "a@mx".into()));
        let state = StateDir::at(home.path());
        fs::write(home.path().join(FILE), "short").unwrap();
        assert_eq!(make(Some(&state), "a@mx"), "a@mx", "set aside");
        assert_ne!(make(Some(&state), "a@mx"), "a@mx");
    }
}
