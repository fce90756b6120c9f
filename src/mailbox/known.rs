//! What identifies a message, wherever it is and whoever renamed it, and what deliveries
//! have logged about it, for [`crate::state::memory`].
//!
//! Nothing that a sender can write makes one message pass for another: the topmost
//! Received line, which our own border has written, is part of the identity. A message
//! with too few of these headers has no identity.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::log::Log;
use crate::log::reader::{LogLine, read_from};
use crate::maildir::Location;
use crate::maildir::folder::{Entry, MaildirFolder};
use crate::maildir::name;
use crate::message::Message;
use crate::plan::Folder;
use crate::state::memory::{DeliveryRecord, Memory, MessageIdentity, logged_key, message_key};
use crate::state::places::message_hash;

/// The headers that identify a message wherever it is.
const KNOWN_BY: [&str; 4] = ["Message-ID", "From", "Date", "Received"];
/// The same for a message without a Message-ID.
const KNOWN_BY_ELSE: [&str; 6] = ["From", "Date", "Subject", "To", "Cc", "Received"];

/// What identifies a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MessageMark {
    /// [`message_hash`] of what never changes.
    pub hash: u64,
    /// For the memory.
    pub identity: MessageIdentity,
}

/// What identifies a message in a folder.
pub fn known(message: &Message, shelf: &MaildirFolder, entry: &Entry) -> MessageMark {
    let head = message.head();
    let first = |name: &str| head.first(name).unwrap_or_default().trim_ascii();
    let id = first("Message-ID");
    let names: &[&str] = if id.is_empty() { &KNOWN_BY_ELSE } else { &KNOWN_BY };
    let hash = message_hash(names.iter().map(|name| first(name)));
    let says_enough = is_id(id) || !first("Received").is_empty();
    let text = message.texts("Message-ID");
    let text = text.first().map(|text| text.text()).unwrap_or_default();
    let size = name::size(&entry.name)
        .or_else(|| fs::symlink_metadata(shelf.path_of(entry)).ok().map(|about| about.len()));
    let identity = MessageIdentity {
        message: says_enough.then(|| message_key(hash)),
        logged: size.filter(|_| is_id(id)).and_then(|size| logged_key(text, size)),
    };
    MessageMark { hash, identity }
}

/// Whether a Message-ID has both sides, RFC 5322 §3.6.4.
fn is_id(id: &[u8]) -> bool {
    let inner = id.strip_prefix(b"<").and_then(|id| id.strip_suffix(b">")).unwrap_or(id);
    let at = inner.iter().rposition(|byte| *byte == b'@');
    at.is_some_and(|at| at > 0 && at + 1 < inner.len())
}

/// Reads what deliveries have logged since the last time; without `writes`, only for this
/// process. What cannot be read or kept stays unknown.
pub fn take_in(memory: &mut Memory<'_>, log: &Log, location: &Location, writes: bool) {
    let Ok([older, path]) = log.files() else { return };
    let (device, inode, bytes) = memory.taken_in();
    let about = |path: &Path| fs::metadata(path).ok().map(|m| (m.dev(), m.ino(), m.len()));
    let is = |file: Option<(u64, u64, u64)>| {
        file.is_some_and(|(dev, ino, length)| (dev, ino) == (device, inode) && length >= bytes)
    };
    let Some((dev, ino, length)) = about(&path) else { return };
    let same = is(Some((dev, ino, length)));
    if same && length == bytes {
        return;
    }
    let mut found = Vec::new();
    let mut each = |line: LogLine| found.extend(delivered(&line, location));
    if !same {
        // It was cut since then, or nothing has been read yet.
        let from = if is(about(&older)) { bytes } else { 0 };
        let _ = read_from(&older, from, &mut each);
    }
    let Ok(end) = read_from(&path, if same { bytes } else { 0 }, &mut each) else { return };
    if !writes {
        memory.suppose(&found);
    } else if memory.delivered(&found).is_ok() {
        let _ = memory.took_in((dev, ino, end));
    }
}

/// What a line of the log says about a delivery.
fn delivered(line: &LogLine, location: &Location) -> Option<DeliveryRecord> {
    if !matches!(line.word.as_str(), "delivered" | "copied") {
        return None;
    }
    let key = logged_key(line.get("id")?, name::size(line.get("file")?)?)?;
    let place = location.place(&Folder::named(line.get("folder")?));
    Some(DeliveryRecord {
        key,
        at: line.time.as_second(),
        directories: place.directories().to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use crate::rules::program::Layout;
    use crate::state::StateDir;
    use crate::state::memory::FiledBy;

    use super::*;

    #[test]
    fn an_id_has_two_sides() {
        for id in ["<1@x>", "1@x", "<a b@c>"] {
            assert!(is_id(id.as_bytes()), "{id}");
        }
        for id in ["", "<>", "<@>", "<@x>", "<1@>", "none", "\"\""] {
            assert!(!is_id(id.as_bytes()), "{id}");
        }
    }

    fn line(second: u32, id: &str, folder: &str) -> String {
        format!(
            "2026-01-02T03:04:{second:02}Z delivered folder=\"{folder}\" file=\"1.mx,S=81\" id=\"{id}\"\n"
        )
    }

    #[test]
    fn the_log_is_taken_in_once_also_when_it_is_cut() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("mfilter"));
        let location = Location::new(home.path().join("Maildir"), Layout::MaildirPlusPlus, None);
        let path = home.path().join("log");
        let log = Log::File(path.clone());
        let mut memory = Memory::at(&state, 1_800_000_000);
        let who = |memory: &Memory<'_>, id: &str, folder: &str| {
            let identity = MessageIdentity { message: None, logged: logged_key(id, 81) };
            memory.who(&identity, location.place(&Folder::named(folder)).directories())
        };
        take_in(&mut memory, &log, &location, true);
        fs::write(&path, line(1, "<1@x>", "INBOX") + "2026-01-02T03:04:06Z deliv").unwrap();
        let mut dry = memory.clone();
        take_in(&mut dry, &log, &location, false);
        assert_eq!(who(&dry, "<1@x>", "INBOX"), Some(FiledBy::Mfilter));
        assert_eq!(who(&memory, "<1@x>", "INBOX"), None);
        take_in(&mut memory, &log, &location, true);
        assert_eq!(who(&memory, "<1@x>", "INBOX"), Some(FiledBy::Mfilter));
        // The half line is finished, and another one follows; then the log is cut.
        let whole = line(1, "<1@x>", "INBOX") + &line(6, "<2@x>", "A/B");
        fs::write(&path, &whole).unwrap();
        take_in(&mut memory, &log, &location, true);
        assert_eq!(who(&memory, "<2@x>", "A/B"), Some(FiledBy::Mfilter));
        fs::write(&path, whole + &line(7, "<3@x>", "A")).unwrap();
        let older = PathBuf::from(format!("{}.1", path.display()));
        fs::rename(&path, older).unwrap();
        fs::write(&path, line(8, "<4@x>", "A")).unwrap();
        take_in(&mut memory, &log, &location, true);
        assert_eq!(who(&memory, "<3@x>", "A"), Some(FiledBy::Mfilter));
        assert_eq!(who(&memory, "<4@x>", "INBOX"), Some(FiledBy::User));
    }
}
