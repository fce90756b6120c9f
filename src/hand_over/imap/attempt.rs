//! What is noted before a message is appended, and how a retry finds out whether it exists
//! (the head of [`super`] says why).

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::super::HandOverError;
use super::super::content::WireContent;
use super::client::{FolderStatus, ImapClient};

/// Identifies a message whatever a server changes in it: Cyrus stores an `X` for each
/// byte of the header beyond ASCII, Dovecot another byte for NUL and one carriage return
/// for two before a line feed.
#[derive(Default)]
struct ContentHasher {
    hash: Sha256,
    returns: u64,
    lines: u64,
}

impl ContentHasher {
    fn push(&mut self, bytes: &[u8]) {
        let normalized = |byte: &u8| match byte {
            0 | 0x80.. => b'X',
            byte => *byte,
        };
        let normalized: Vec<u8> =
            bytes.iter().filter(|byte| **byte != b'\r').map(normalized).collect();
        self.hash.update(&normalized);
        self.lines += normalized.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.returns += (bytes.len() - normalized.len()) as u64;
    }

    fn digest(self) -> String {
        HEXLOWER.encode(self.hash.finalize().get(..16).unwrap_or_default())
    }
}

/// Where a message is being put, and what it is known by there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AppendAttempt {
    /// The UIDVALIDITY of the folder.
    validity: u64,
    /// The message gets this UID or a higher one.
    next: u64,
    /// Its size there, octets, at least and at most.
    least: u64,
    most: u64,
    digest: String,
    /// The folder as the server names it.
    name: String,
}

impl AppendAttempt {
    /// An attempt that is about to be made; surveys the content.
    pub(super) fn new(
        name: &str,
        content: &mut WireContent<'_>,
    ) -> Result<AppendAttempt, HandOverError> {
        let mut hasher = ContentHasher::default();
        content.survey(&mut |bytes| hasher.push(bytes))?;
        let most = content.size();
        let least = most.saturating_sub(hasher.returns.saturating_sub(hasher.lines));
        let digest = hasher.digest();
        Ok(AppendAttempt { validity: 0, next: 1, least, most, digest, name: name.to_owned() })
    }

    /// The same, in a folder as it is now.
    pub(super) fn at(&self, status: &FolderStatus) -> AppendAttempt {
        AppendAttempt { validity: status.validity, next: status.next, ..self.clone() }
    }

    /// Whether this attempt, which an earlier try has noted, also describes `now`, so that
    /// nothing new has to be noted.
    pub(super) fn covers(&self, now: &AppendAttempt) -> bool {
        *self == AppendAttempt { next: self.next, ..now.clone() } && self.next <= now.next
    }

    /// Whether the message is there.
    pub(super) fn has_come(&self, client: &mut ImapClient) -> Result<bool, HandOverError> {
        let sizes = self.least..=self.most;
        for uid in client.find(&self.name, self.validity, self.next, sizes)? {
            let mut hasher = ContentHasher::default();
            let is_given = client.fetch(uid, &mut |bytes| hasher.push(bytes))?;
            if is_given && hasher.digest() == self.digest {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl fmt::Display for AppendAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AppendAttempt { validity, next, least, most, digest, name } = self;
        write!(f, "{validity} {next} {least} {most} {digest} {name}")
    }
}

impl FromStr for AppendAttempt {
    type Err = ();

    fn from_str(text: &str) -> Result<AppendAttempt, ()> {
        let mut words = text.splitn(6, ' ');
        let mut number = || words.next().and_then(|word| word.parse().ok()).ok_or(());
        let (validity, next, least, most) = (number()?, number()?, number()?, number()?);
        let (digest, name) = (words.next().ok_or(())?, words.next().ok_or(())?);
        let (digest, name) = (digest.to_owned(), name.to_owned());
        Ok(AppendAttempt { validity, next, least, most, digest, name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    fn attempt(text: &[u8]) -> AppendAttempt {
        let message = Message::from_bytes(text.to_vec());
        AppendAttempt::new("A b", &mut WireContent::new(&message, &[])).unwrap()
    }

    #[test]
    fn what_servers_change_makes_no_other_message() {
        let one = attempt(b"A: \xe8\n\nb\0c\r\r\nd\n");
        assert_eq!((one.least, one.most), (16, 17));
        let seen = |bytes: &[u8]| {
            let mut hasher = ContentHasher::default();
            bytes.chunks(1).for_each(|byte| hasher.push(byte));
            hasher.digest()
        };
        for same in [
            &b"A: \xe8\r\n\r\nb\0c\r\r\nd\r\n"[..],
            b"A: X\r\n\r\nb\0c\r\r\nd\r\n",
            b"A: \xe8\r\n\r\nb\x80c\r\nd\r\n",
        ] {
            assert_eq!(seen(same), one.digest);
        }
        assert_ne!(seen(b"A: Y\r\n\r\nb\0c\r\r\nd\r\n"), one.digest);
    }

    #[test]
    fn a_note_is_read_as_it_was_written() {
        let status = FolderStatus { validity: 7, next: 9, keywords: None };
        let noted = attempt(b"A: b\n\nc\n").at(&status);
        let text = noted.to_string();
        assert!(text.starts_with("7 9 11 11 ") && text.ends_with(" A b"), "{text}");
        assert_eq!(text.parse(), Ok(noted.clone()));
        for wrong in ["", "7", "7 9 11 11", "7 9 11 11 x", "a 9 11 11 x y", "-1 9 11 11 x y"] {
            assert_eq!(wrong.parse::<AppendAttempt>(), Err(()), "{wrong}");
        }
        let later = |validity, next| noted.at(&FolderStatus { validity, next, keywords: None });
        assert!(noted.covers(&noted) && noted.covers(&later(7, 10)));
        assert!(!noted.covers(&later(7, 8)) && !noted.covers(&later(8, 10)));
        assert!(!noted.covers(&attempt(b"A: c\n\nc\n").at(&status)));
    }
}
