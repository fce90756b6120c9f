//! What a message is marked with that is forwarded from here, so that it is
//! known when it comes back: an HMAC (RFC 2104) under a random key that the state
//! directory keeps. Nobody can foretell it, and two machines of one name have
//! two.
//!
//! Where no key can be kept the mark is the plain `user@host`. Then a sender can
//! foretell it, which gains nothing but that the message goes to the inbox and is
//! not forwarded, while a mark that changes with each run would let mail circle.

use std::io::{self, ErrorKind, Write};

use sha2::{Digest, Sha256};

use super::{StateDir, hex};

const FILE: &str = "loop-key";
/// Bytes of the key, and of a block of SHA-256.
const KEY: usize = 32;
const BLOCK: usize = 64;
/// Bytes of the mark, which are plenty to be foretold by nobody.
const MARK: usize = 16;

/// The mark of mail that `identity`, `user@host`, has forwarded before. Nothing is
/// written: where there is no key yet nothing was marked with one.
pub fn known(state: Option<&StateDir>, identity: &str) -> String {
    mark(state.and_then(key), identity)
}

/// The mark of mail that `identity` forwards now; the key is made where it is
/// missing.
pub fn make(state: Option<&StateDir>, identity: &str) -> String {
    let made = |state: &StateDir| {
        make_key(state).ok()?;
        key(state)
    };
    mark(state.and_then(|state| key(state).or_else(|| made(state))), identity)
}

fn mark(key: Option<[u8; KEY]>, identity: &str) -> String {
    match key {
        Some(key) => hex(hmac(&key, identity.to_lowercase().as_bytes()).get(..MARK).unwrap_or(&[])),
        None => identity.to_owned(),
    }
}

fn key(state: &StateDir) -> Option<[u8; KEY]> {
    state.read(FILE, KEY as u64)?.try_into().ok()
}

/// Makes the key, unless another process just did.
fn make_key(state: &StateDir) -> io::Result<()> {
    let mut key = [0; KEY];
    getrandom::fill(&mut key)?;
    state.make()?;
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(state.path())?;
    file.write_all(&key)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(state.path().join(FILE)) {
        Err(error) if error.error.kind() != ErrorKind::AlreadyExists => Err(error.error),
        // Damaged, or not ours alone: the next one makes another.
        Err(_) if self::key(state).is_none() => {
            state.set_aside(FILE);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// RFC 2104 with SHA-256, for a key no longer than a block.
fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let pad = |with: u8| {
        let mut block = [with; BLOCK];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn hmac_is_that_of_rfc_4231() {
        let code = hmac(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(hex(&code), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn a_mark_is_the_same_again_and_another_elsewhere() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (here, there) = (StateDir::at(here.path()), StateDir::at(there.path()));
        assert_eq!(known(Some(&here), "a@mx"), "a@mx", "nothing is written to know it");
        assert_eq!(fs::read_dir(here.path()).unwrap().count(), 0);
        let mark = make(Some(&here), "a@mx");
        assert_eq!(mark.len(), 2 * MARK);
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
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(marks.iter().all(|mark| *mark == marks[0] && mark.len() == 2 * MARK), "{marks:?}");
    }

    #[test]
    fn without_a_key_the_mark_is_plain_and_a_damaged_one_is_made_anew() {
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
