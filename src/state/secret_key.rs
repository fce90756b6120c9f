//! Random keys in the state directory, each in a file of its own and created once, and
//! codes under them: an HMAC (RFC 2104), which nobody can predict and which differs
//! between two machines with the same name.

use std::io::{self, ErrorKind, Write};

use sha2::{Digest, Sha256};

use super::StateDir;
use crate::text::hex;

/// The length of the key and of a block of SHA-256, bytes.
const KEY: usize = 32;
const BLOCK: usize = 64;
/// The length of a code, bytes: long enough that nobody can guess it.
const CODE: usize = 16;

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretKey([u8; KEY]);

impl SecretKey {
    /// The key in a file; none if there is none yet.
    pub fn known(state: &StateDir, file: &str) -> Option<SecretKey> {
        Some(SecretKey(state.read(file, KEY as u64)?.try_into().ok()?))
    }

    /// The same, created if it is missing; none if that is impossible.
    pub fn make(state: &StateDir, file: &str) -> Option<SecretKey> {
        SecretKey::known(state, file).or_else(|| {
            SecretKey::write(state, file).ok()?;
            SecretKey::known(state, file)
        })
    }

    /// A key that is never stored.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn temporary() -> io::Result<SecretKey> {
        let mut key = [0; KEY];
        getrandom::fill(&mut key)?;
        Ok(SecretKey(key))
    }

    /// Creates the file, unless another process just did.
    fn write(state: &StateDir, name: &str) -> io::Result<()> {
        let key = SecretKey::temporary()?;
        state.make()?;
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(state.path())?;
        file.write_all(&key.0)?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(state.path().join(name)) {
            Err(error) if error.error.kind() != ErrorKind::AlreadyExists => Err(error.error),
            // It is damaged, or others can access it: the next call creates another one.
            Err(_) if SecretKey::known(state, name).is_none() => {
                state.set_aside(name);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The code of a text, 32 hexadecimal digits.
    pub fn code(&self, text: &[u8]) -> String {
        hex(hmac(&self.0, text).get(..CODE).unwrap_or(&[]))
    }
}

/// The HMAC of RFC 2104 with SHA-256, for a key no longer than a block.
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
    use super::*;

    #[test]
    fn hmac_is_that_of_rfc_4231() {
        let code = hmac(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(hex(&code), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn each_file_has_a_key_of_its_own() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path());
        assert_eq!(SecretKey::known(&state, "a"), None);
        let a = SecretKey::make(&state, "a").unwrap();
        assert_eq!(SecretKey::make(&state, "a"), Some(a));
        let b = SecretKey::make(&state, "b").unwrap();
        assert!(a.code(b"x") != b.code(b"x") && a.code(b"x") != a.code(b"y"));
        assert_eq!(a.code(b"x").len(), 2 * CODE);
    }
}
