//! How a message in a folder is recognized, and what deliveries have logged, for
//! [`crate::state::memory`].
//!
//! A delivery logs the hash of what never changes in a header and the name that it gave
//! to the file ([`crate::state::identity`]). A file that still has such a name is
//! recognized by it, so a second copy of the same message, of which the log says nothing
//! yet, does not pass for the first. A server or a reader that moves a message may give
//! it another name: then the header is all there is, and it counts only with a Received
//! line, which no sender can repeat.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::log::Log;
use crate::log::reader::{LogLine, base, read_from};
use crate::maildir::Location;
use crate::maildir::entry::Entry;
use crate::maildir::name::is_ours;
use crate::message::Message;
use crate::plan::Folder;
use crate::state::identity::HeaderHash;
use crate::state::memory::{DeliveryRecord, Memory, MessageIdentity};

/// What identifies a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MessageFingerprint {
    /// [`HeaderHash::hash`]
    pub hash: u64,
    /// For the memory.
    pub identity: MessageIdentity,
}

/// What identifies the message in a file.
pub fn fingerprint(message: &Message, entry: &Entry) -> MessageFingerprint {
    let header = HeaderHash::of(message.head());
    let file = is_ours(&entry.name).then(|| entry.key());
    MessageFingerprint { hash: header.hash, identity: MessageIdentity::of(header, file.as_deref()) }
}

/// Reads what deliveries have logged since the last time; without `writes`, only for this
/// process. What cannot be read or kept stays unknown.
pub fn read_log(memory: &mut Memory<'_>, log: &Log, location: &Location, writes: bool) {
    let Ok([older, path]) = log.files() else { return };
    let (device, inode, bytes) = memory.log_position();
    let metadata = |path: &Path| fs::metadata(path).ok().map(|m| (m.dev(), m.ino(), m.len()));
    let continues = |file: Option<(u64, u64, u64)>| {
        file.is_some_and(|(dev, ino, length)| (dev, ino) == (device, inode) && length >= bytes)
    };
    let Some((dev, ino, length)) = metadata(&path) else { return };
    let same = continues(Some((dev, ino, length)));
    if same && length == bytes {
        return;
    }
    let mut found = Vec::new();
    let mut collect = |line: LogLine| found.extend(delivered(&line, location));
    if !same {
        // It was rotated since then, or nothing has been read yet.
        let from = if continues(metadata(&older)) { bytes } else { 0 };
        let _ = read_from(&older, from, &mut collect);
    }
    let Ok(end) = read_from(&path, if same { bytes } else { 0 }, &mut collect) else { return };
    if !writes {
        memory.suppose(&found);
    } else if memory.delivered(&found).is_ok() {
        let _ = memory.set_log_position((dev, ino, end));
    }
}

/// What a line of the log says about a delivery.
fn delivered(line: &LogLine, location: &Location) -> Option<DeliveryRecord> {
    if !matches!(line.word.as_str(), "delivered" | "copied") {
        return None;
    }
    let hash = u64::from_str_radix(line.get("hash")?, 16).ok()?;
    let file = base(line.get("file")?);
    let place = location.own_place(&Folder::named(line.get("folder")?))?;
    Some(DeliveryRecord {
        hash,
        file,
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

    fn line(second: u32, folder: &str) -> String {
        format!(
            "2026-01-02T03:04:{second:02}Z delivered folder=\"{folder}\" file=\"{second}.mx,S=81:2,S\" hash=\"000000000000000{second}\" id=\"<1@x>\"\n"
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
        let who = |memory: &Memory<'_>, hash: u64, folder: &str| {
            let header = HeaderHash { hash, says_enough: true, is_received: true };
            let identity = MessageIdentity::of(header, None);
            let named = MessageIdentity::of(header, Some(&format!("{hash}.mx")));
            let directories = location.place(&Folder::named(folder));
            assert_eq!(
                memory.who(&identity, directories.directories()),
                memory.who(&named, directories.directories())
            );
            memory.who(&identity, location.place(&Folder::named(folder)).directories())
        };
        read_log(&mut memory, &log, &location, true);
        fs::write(&path, line(1, "INBOX") + "2026-01-02T03:04:06Z deliv").unwrap();
        let mut dry = memory.clone();
        read_log(&mut dry, &log, &location, false);
        assert_eq!(who(&dry, 1, "INBOX"), Some(FiledBy::Mfilter));
        assert_eq!(who(&memory, 1, "INBOX"), None);
        read_log(&mut memory, &log, &location, true);
        assert_eq!(who(&memory, 1, "INBOX"), Some(FiledBy::Mfilter));
        // The half line is finished, and another one follows; then the log is cut.
        let whole = line(1, "INBOX") + &line(6, "A/B");
        fs::write(&path, &whole).unwrap();
        read_log(&mut memory, &log, &location, true);
        assert_eq!(who(&memory, 6, "A/B"), Some(FiledBy::Mfilter));
        fs::write(&path, whole + &line(7, "A")).unwrap();
        let older = PathBuf::from(format!("{}.1", path.display()));
        fs::rename(&path, older).unwrap();
        fs::write(&path, line(8, "A")).unwrap();
        read_log(&mut memory, &log, &location, true);
        assert_eq!(who(&memory, 7, "A"), Some(FiledBy::Mfilter));
        assert_eq!(who(&memory, 8, "INBOX"), Some(FiledBy::User));
    }
}
