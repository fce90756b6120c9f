//! What mfilter knows about where mail is and who put it there, shared by deliveries,
//! `watch`, `sort` and `learn`: a [table](super::slots) of times.
//!
//! A message that mfilter has put into a folder, or has left there by the rules, is
//! recorded by itself and with that folder. So a message that is recorded, but not with
//! its current folder, was put there by the user, and what the user has done stays done.
//! Deliveries write nothing here: what they have logged is read later
//! ([`Memory::delivered`]).
//!
//! The table is optional: without it all mail counts as new.

use std::collections::HashMap;
use std::io;

use super::StateDir;
use super::identity::HeaderHash;
use super::slots::{Key, SlotTable};

/// How long things are remembered, seconds: five years.
const FORGET_AFTER: i64 = 5 * 366 * 24 * 3600;
/// The file that says how far the log was read.
const LOG_POSITION: &str = "memory.log";

/// What identifies a message, wherever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MessageIdentity {
    /// By what never changes in its header; none if it lacks too much.
    pub message: Option<Key>,
    /// The same for deliveries that were logged.
    pub logged: Option<Key>,
    /// By its file, if that still has the name that a delivery gave it. A message to two
    /// addresses is two files, whose headers are the same.
    pub file: Option<Key>,
}

impl MessageIdentity {
    /// The identity of a message by its header, and by the constant part of its file's
    /// name if mfilter has named it. Under another name only the header can say that a
    /// message is the one that was delivered, so it must have what no sender writes.
    pub fn of(header: HeaderHash, file: Option<&str>) -> MessageIdentity {
        let HeaderHash { hash, says_enough, is_received } = header;
        let can_be_logged = says_enough && (is_received || file.is_some());
        MessageIdentity {
            message: says_enough.then(|| message_key(hash)),
            logged: can_be_logged.then(|| logged_key(hash)),
            file: file.map(file_key),
        }
    }

    /// The key with which the folder of a logged delivery is recorded.
    fn delivery(&self) -> Option<Key> {
        self.logged.map(|logged| self.file.unwrap_or(logged))
    }
}

/// A delivery that was logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRecord {
    /// [`HeaderHash::hash`] of the copy.
    pub hash: u64,
    /// The constant part of its file's name.
    pub file: String,
    /// When it was delivered, seconds since 1970.
    pub at: i64,
    /// The folder's directories from the Maildir down.
    pub directories: Vec<String>,
}

impl DeliveryRecord {
    /// What is recorded about it, its folder first.
    fn keys(&self) -> [Key; 3] {
        let logged = logged_key(self.hash);
        let here = |key: Key| within(key, &self.directories);
        [here(file_key(&self.file)), here(logged), logged]
    }
}

/// Who has put a message where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FiledBy {
    /// A delivery, `watch` or `sort`.
    Mfilter,
    /// Somebody else, after mfilter had put it elsewhere.
    User,
}

/// The memory of one user.
#[derive(Debug, Clone)]
pub struct Memory<'s> {
    state: &'s StateDir,
    now: i64,
    /// Deliveries that only this process knows.
    supposed: HashMap<Key, u32>,
}

impl<'s> Memory<'s> {
    /// The memory at `now`, seconds since 1970.
    pub fn at(state: &'s StateDir, now: i64) -> Memory<'s> {
        Memory { state, now, supposed: HashMap::new() }
    }

    fn table(&self) -> SlotTable<'s> {
        SlotTable { state: self.state, name: "memory", magic: "mfilter memory, version 2\n" }
    }

    fn note(&self, key: Key) -> io::Result<bool> {
        self.note_at(key, self.now)
    }

    fn note_at(&self, key: Key, at: i64) -> io::Result<bool> {
        let is_over = |then: u32| at.saturating_sub(i64::from(then)).unsigned_abs() > MAX_DISTANCE;
        self.table().note(key, u32::try_from(at).unwrap_or(0), &is_over)
    }

    fn find(&self, key: Key) -> Option<u32> {
        self.supposed.get(&key).copied().or_else(|| self.table().find(key))
    }

    /// Who has put a message into the folder of these directories; none if it
    /// is not known.
    pub fn who(&self, message: &MessageIdentity, directories: &[String]) -> Option<FiledBy> {
        let is_recorded = |key: &Key| self.find(*key).is_some();
        // Later filing takes precedence over what was logged at the delivery.
        let known = match message.message.filter(is_recorded) {
            Some(message) => message,
            None => message.logged.filter(is_recorded).and_then(|_| message.delivery())?,
        };
        let here = is_recorded(&within(known, directories));
        Some(if here { FiledBy::Mfilter } else { FiledBy::User })
    }

    /// When a message was delivered into that folder according to the log, seconds since
    /// 1970.
    pub fn delivered_at(&self, message: &MessageIdentity, directories: &[String]) -> Option<i64> {
        self.find(within(message.delivery()?, directories)).map(i64::from)
    }

    /// Records that mfilter has put a message into a folder, or has left it there, and
    /// where it was before.
    ///
    /// # Errors
    /// The state directory cannot be written.
    pub fn put(
        &self,
        message: &MessageIdentity,
        from: &[String],
        directories: &[String],
    ) -> io::Result<()> {
        let Some(key) = message.message else { return Ok(()) };
        self.note(within(key, directories))?;
        self.note(key)?;
        if from != directories {
            self.table().forget(within(key, from))?;
        }
        Ok(())
    }

    /// Records that the user has put a message into a folder.
    ///
    /// # Errors
    /// As [`Memory::put`].
    pub fn put_by_user(&self, message: &MessageIdentity, directories: &[String]) -> io::Result<()> {
        let Some(key) = message.message else { return Ok(()) };
        self.note(key)?;
        self.table().forget(within(key, directories))
    }

    /// Records deliveries.
    ///
    /// # Errors
    /// As [`Memory::put`].
    pub fn delivered(&self, deliveries: &[DeliveryRecord]) -> io::Result<()> {
        for delivered in deliveries {
            for key in delivered.keys() {
                self.note_at(key, delivered.at)?;
            }
        }
        Ok(())
    }

    /// The same, but only for this process.
    pub fn suppose(&mut self, deliveries: &[DeliveryRecord]) {
        for delivered in deliveries {
            let at = u32::try_from(delivered.at).unwrap_or(0);
            self.supposed.extend(delivered.keys().map(|key| (key, at)));
        }
    }

    /// Claims the right and duty to edit lists and to write the log lines for a message,
    /// identified by the constant part of its file's name and its Message-ID. False if
    /// that was done before.
    ///
    /// # Errors
    /// As [`Memory::put`].
    pub fn claim(&self, name: &str, message_id: &str) -> io::Result<bool> {
        self.note(claim_key(name, message_id))
    }

    /// Whether that was claimed before.
    pub fn is_claimed(&self, name: &str, message_id: &str) -> bool {
        let then = self.table().find(claim_key(name, message_id)).map(i64::from);
        then.is_some_and(|then| self.now.saturating_sub(then).unsigned_abs() <= MAX_DISTANCE)
    }

    /// How far the log was read: which file it was (device and inode) and how much of it,
    /// bytes.
    pub fn log_position(&self) -> (u64, u64, u64) {
        let text = self.state.read(LOG_POSITION, 256).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let mut numbers = text.split(' ').filter_map(|word| word.trim().parse().ok());
        let mut next = || numbers.next().unwrap_or(0);
        (next(), next(), next())
    }

    /// Records how far the log was read.
    ///
    /// # Errors
    /// As [`Memory::put`].
    pub fn set_log_position(&self, (device, inode, bytes): (u64, u64, u64)) -> io::Result<()> {
        self.state.replace(LOG_POSITION, format!("{device} {inode} {bytes}\n").as_bytes())
    }
}

/// Times further away than this, back or ahead, are ignored.
const MAX_DISTANCE: u64 = FORGET_AFTER.unsigned_abs();

/// The key of a message, from its hash.
pub fn message_key(hash: u64) -> Key {
    Key::of(&[b"message", &hash.to_le_bytes()])
}

/// The key of a delivery that was logged, from the hash in its line.
fn logged_key(hash: u64) -> Key {
    Key::of(&[b"logged", &hash.to_le_bytes()])
}

/// The key of a file that a delivery has named.
fn file_key(name: &str) -> Key {
    Key::of(&[b"file", name.as_bytes()])
}

/// The key of the right to edit lists for a message.
fn claim_key(name: &str, message_id: &str) -> Key {
    Key::of(&[b"done", name.as_bytes(), message_id.as_bytes()])
}

/// The key of something in the folder of these directories.
fn within(key: Key, directories: &[String]) -> Key {
    let mut parts: Vec<&[u8]> = vec![b"in", &key.0];
    parts.extend(directories.iter().map(|name| name.as_bytes()));
    Key::of(&parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> Vec<String> {
        vec![name.to_owned()]
    }

    #[test]
    fn memory_knows_who_put_a_message_there() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("mfilter"));
        let memory = Memory::at(&state, 1_000_000_000);
        let header = |hash| HeaderHash { hash, says_enough: true, is_received: true };
        let message = MessageIdentity::of(header(1), None);
        let [a, b] = ["A", "B"].map(folder);
        let inbox: Vec<String> = Vec::new();
        assert_eq!(memory.who(&message, &a), None);
        let delivered = DeliveryRecord {
            hash: 1,
            file: "1.mx".into(),
            at: 999_999_000,
            directories: inbox.clone(),
        };
        let mut other = memory.clone();
        other.suppose(std::slice::from_ref(&delivered));
        assert_eq!(other.who(&message, &inbox), Some(FiledBy::Mfilter));
        assert_eq!(memory.who(&message, &inbox), None, "it was not written");
        memory.delivered(&[delivered]).unwrap();
        assert_eq!(memory.who(&message, &inbox), Some(FiledBy::Mfilter));
        assert_eq!(memory.who(&message, &a), Some(FiledBy::User));
        assert_eq!(memory.delivered_at(&message, &inbox), Some(999_999_000));
        assert_eq!(memory.delivered_at(&message, &a), None);
        memory.put(&message, &inbox, &a).unwrap();
        let who = |folder: &[String]| memory.who(&message, folder);
        assert_eq!((who(&a), who(&inbox)), (Some(FiledBy::Mfilter), Some(FiledBy::User)));
        memory.put(&message, &a, &b).unwrap();
        assert_eq!((who(&a), who(&b)), (Some(FiledBy::User), Some(FiledBy::Mfilter)));
        memory.put_by_user(&message, &b).unwrap();
        assert_eq!(who(&b), Some(FiledBy::User));
        let other = MessageIdentity::of(header(2), None);
        assert_eq!(memory.who(&other, &inbox), None, "another message");
        assert_eq!(memory.who(&MessageIdentity::default(), &inbox), None);
    }

    /// One message to two addresses, of which the log has only one line so far.
    #[test]
    fn a_copy_does_not_pass_for_another() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("mfilter"));
        let memory = Memory::at(&state, 1_000_000_000);
        let [inbox, junk] = [Vec::new(), folder("Junk")];
        let (at, file) = (999_999_000, "1.mx".to_owned());
        let delivered = DeliveryRecord { hash: 1, file, at, directories: inbox.clone() };
        memory.delivered(&[delivered]).unwrap();
        let header = HeaderHash { hash: 1, says_enough: true, is_received: true };
        let identity = |file| MessageIdentity::of(header, file);
        let when = |file| memory.delivered_at(&identity(file), &inbox);
        assert_eq!(
            (when(Some("1.mx")), when(Some("2.mx")), when(None)),
            (Some(at), None, Some(at))
        );
        assert_eq!(memory.who(&identity(Some("1.mx")), &junk), Some(FiledBy::User));
        // Without a Received line, all of it is the sender's.
        let unreceived = HeaderHash { is_received: false, ..header };
        let identity = |file| MessageIdentity::of(unreceived, file);
        assert_eq!(memory.who(&identity(Some("1.mx")), &inbox), Some(FiledBy::Mfilter));
        assert_eq!(memory.who(&identity(None), &junk), None);
    }

    #[test]
    fn a_message_is_new_once() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("mfilter"));
        let claim =
            |name: &str, id: &str, now: i64| Memory::at(&state, now).claim(name, id).unwrap();
        let is_claimed = |now: i64| Memory::at(&state, now).is_claimed("1.mx", "<1@x>");
        assert!(!is_claimed(1000));
        assert!(claim("1.mx", "<1@x>", 1000));
        assert!(is_claimed(1000 + FORGET_AFTER) && !is_claimed(1001 + FORGET_AFTER));
        assert!(!claim("1.mx", "<1@x>", 1000 + FORGET_AFTER));
        assert!(claim("1.mx", "<2@x>", 1000) && claim("2.mx", "<1@x>", 1000));
        assert!(claim("1.mx", "<1@x>", 1001 + FORGET_AFTER));
    }

    #[test]
    fn how_far_the_log_was_taken_in() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("mfilter"));
        let memory = Memory::at(&state, 1000);
        assert_eq!(memory.log_position(), (0, 0, 0));
        memory.set_log_position((1, 2, u64::MAX)).unwrap();
        assert_eq!(memory.log_position(), (1, 2, u64::MAX));
        std::fs::write(state.path().join(LOG_POSITION), "x").unwrap();
        assert_eq!(memory.log_position(), (0, 0, 0));
    }
}
