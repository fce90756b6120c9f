//! An index of the keys of a big list, so that a look-up among a million entries reads
//! only a few of them instead of the list.
//!
//! One file for each list, in the user's [`User::cache_dir`], created after a delivery
//! that had to read the whole list. It is valid only for the very file that it was made
//! from: device, inode, size and times of change must match those from before the list was
//! read, and the list must be older than the index by a while, so that the clock's
//! resolution cannot hide a change. It may be removed at any time.
//!
//! ```text
//! magic (16 bytes), what mfilter was built of, device, inode, size,
//! modified (s, ns), changed (s, ns), number of slots, length of the keys, checksum of the
//! globs and patterns (u64 each, little-endian); the slots: in the low 32 bits 0, or 1 +
//! the key's offset, above them 16 bits of its hash and 16 of a checksum; the keys:
//! length (u16) and text; globs and patterns, one per line
//! ```
//!
//! If the part that is read of it is damaged, the list itself is read.

use std::cell::OnceCell;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use twox_hash::XxHash3_64;

use super::program_cache::BUILT_OF;
use super::{is_ours, key, stable_hash};
use crate::file::{self, Bounds, FileIdentity};
use crate::rules::address_list::{AddressList, Keys};
use crate::source::read_text;
use crate::user::{User, make_private};

const MAGIC: &[u8; 16] = b"mfilter list 2\n\0";
/// How many numbers follow the magic.
const NUMBERS: usize = 11;
const HEAD: usize = MAGIC.len() + NUMBERS * 8;
/// The smallest list with an index, bytes; reading a smaller one is as fast.
const SMALLEST: u64 = 64 << 10;
/// How long ago the last change must be; a list that changed more recently may change
/// again unnoticed.
const SETTLE_TIME: Duration = Duration::from_secs(2);
/// How many slots are read at once: the key's own is usually among them.
const AT_ONCE: u64 = 8;

/// The list in a file, by its index, if there is a valid one; and what identifies the file,
/// if it is big enough for an index.
pub fn open(
    user: &User,
    bounds: &Bounds,
    list: &Path,
) -> (Option<AddressList>, Option<FileIdentity>) {
    let Some(directory) = user.cache_dir() else { return (None, None) };
    let metadata = bounds.metadata(list).ok().filter(|metadata| metadata.size() >= SMALLEST);
    let Some(seen) = metadata.as_ref().map(file::identity) else { return (None, None) };
    (open_in(directory, bounds, list, &seen), Some(seen))
}

/// Creates the index of a list that was read as a whole at `since` or later, when it was
/// still what [`open`] has `seen`, if it is big enough to need one and has not changed: a
/// rule may have edited it since. Times alone do not show that, as a file server has a
/// clock of its own. A failure here only costs time.
///
/// # Errors
/// The index cannot be written.
pub fn make(
    user: &User,
    list: &Path,
    read: &AddressList,
    seen: Option<FileIdentity>,
    since: SystemTime,
) -> io::Result<()> {
    let (Some(directory), Some(seen)) = (user.cache_dir(), seen) else { return Ok(()) };
    make_private(directory, user.home())?;
    make_in(directory, list, read, &seen, since)
}

fn file_name(list: &Path) -> String {
    format!("list-{}", key(&[list.as_os_str().as_bytes()]))
}

/// What must be the same for the index to be valid.
fn identity([a, b, c, d, e, f, g]: FileIdentity) -> [u64; 8] {
    [BUILT_OF, a, b, c, d, e, f, g]
}

fn open_in(
    directory: &Path,
    bounds: &Bounds,
    list: &Path,
    seen: &FileIdentity,
) -> Option<AddressList> {
    let path = directory.join(file_name(list));
    let file = file::open(&path, file::READ_OWN).ok().filter(is_ours)?;
    let mut head = [0; HEAD];
    file.read_exact_at(&mut head, 0).ok()?;
    let numbers: Vec<u64> = head
        .strip_prefix(MAGIC)?
        .chunks_exact(8)
        .filter_map(|bytes| bytes.try_into().ok().map(u64::from_le_bytes))
        .collect();
    let [identity_then @ .., slots, length, checksum] = numbers.as_slice() else { return None };
    if identity_then != identity(*seen) || !slots.is_power_of_two() {
        return None;
    }
    let keys = HEAD as u64 + slots.checked_mul(8)?;
    let end = keys.checked_add(*length)?;
    let size = file.metadata().ok()?.size();
    let mut loose = vec![0; usize::try_from(size.checked_sub(end)?).ok()?];
    file.read_exact_at(&mut loose, end).ok()?;
    if XxHash3_64::oneshot(&loose) != *checksum {
        return None;
    }
    let index = ListIndex {
        file,
        slots: *slots,
        keys,
        list: list.to_owned(),
        bounds: bounds.clone(),
        plain: OnceCell::new(),
        failure: OnceCell::new(),
    };
    Some(AddressList::with_keys(Box::new(index), std::str::from_utf8(&loose).ok()?))
}

fn make_in(
    directory: &Path,
    list: &Path,
    read: &AddressList,
    seen: &FileIdentity,
    since: SystemTime,
) -> io::Result<()> {
    let metadata = std::fs::metadata(list)?;
    if file::identity(&metadata) != *seen {
        return Ok(());
    }
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(metadata.ctime().max(0) as u64 + 1);
    let age = since.duration_since(changed).unwrap_or_default();
    if metadata.size() < SMALLEST || age < SETTLE_TIME {
        return Ok(());
    }
    let Some(all) = read.keys() else { return Ok(()) };
    let slots = (all.len() as u64 * 2).next_power_of_two().max(AT_ONCE);
    let mut table = vec![0_u64; slots as usize];
    let mut keys = Vec::new();
    for key in all {
        let Ok(length) = u16::try_from(key.len()) else { return Ok(()) };
        let Ok(offset) = u32::try_from(keys.len() + 1) else { return Ok(()) };
        let mut at = hash(key) & (slots - 1);
        while let Some(taken) = table.get_mut(at as usize) {
            if *taken == 0 {
                *taken = fingerprint(key) | u64::from(offset);
                break;
            }
            at = (at + 1) & (slots - 1);
        }
        keys.extend(length.to_le_bytes());
        keys.extend(key.as_bytes());
    }
    let mut new = tempfile::Builder::new().prefix(".new-").tempfile_in(directory)?;
    let mut out = BufWriter::new(new.as_file_mut());
    out.write_all(MAGIC)?;
    let loose = read.loose_entries();
    let numbers = [slots, keys.len() as u64, XxHash3_64::oneshot(loose.as_bytes())];
    let table = (0..).zip(table).map(|(at, content)| checked_slot(at, content));
    for number in identity(*seen).into_iter().chain(numbers).chain(table) {
        out.write_all(&number.to_le_bytes())?;
    }
    out.write_all(&keys)?;
    out.write_all(loose.as_bytes())?;
    out.flush()?;
    drop(out);
    file::put_in_place(new, &directory.join(file_name(list)))
}

/// An index that is read in place.
struct ListIndex {
    file: File,
    slots: u64,
    /// Where the keys begin.
    keys: u64,
    list: PathBuf,
    /// Where the list must be.
    bounds: Bounds,
    /// The list itself, in case the index becomes unreadable.
    plain: OnceCell<AddressList>,
    /// Why that cannot be read either.
    failure: OnceCell<String>,
}

impl Keys for ListIndex {
    fn has(&self, key: &str) -> bool {
        self.find(key).unwrap_or_else(|| {
            let read = || {
                let text = read_text(&self.bounds, &self.list);
                AddressList::parse(&text.unwrap_or_else(|error| {
                    let why = format!("list file {}: {error}", self.list.display());
                    let _ = self.failure.set(why);
                    String::new()
                }))
            };
            self.plain.get_or_init(read).has_key(key)
        })
    }

    fn failure(&self) -> Option<String> {
        self.failure.get().cloned()
    }
}

impl ListIndex {
    /// Whether the key is there; `None` if the file is damaged.
    fn find(&self, key: &str) -> Option<bool> {
        let mut at = hash(key) & (self.slots - 1);
        let mut looked = 0;
        while looked < self.slots {
            let some = AT_ONCE.min(self.slots - at);
            let mut slots = [0; AT_ONCE as usize * 8];
            let slots = slots.get_mut(..some as usize * 8)?;
            self.file.read_exact_at(slots, HEAD as u64 + at * 8).ok()?;
            for (at, slot) in (at..).zip(slots.chunks_exact(8)) {
                let slot = u64::from_le_bytes(slot.try_into().ok()?);
                let content = slot & CONTENT;
                if slot != checked_slot(at, content) {
                    return None;
                }
                match (content & OFFSET).checked_sub(1) {
                    None => return Some(false),
                    Some(_) if content & !OFFSET != fingerprint(key) => {}
                    // Another key with the same fingerprint is rare, a damaged one is not.
                    Some(place) => return self.has_key_at(key, place)?.then_some(true),
                }
            }
            looked += some;
            at = (at + some) & (self.slots - 1);
        }
        Some(false)
    }

    /// Whether the key at this place of the file is that one; `None` if it cannot be read.
    fn has_key_at(&self, key: &str, place: u64) -> Option<bool> {
        let mut found = vec![0; 2 + key.len()];
        let read = self.file.read_at(&mut found, self.keys.checked_add(place)?).ok()?;
        let (length, text) = found.get(..read)?.split_first_chunk()?;
        Some(usize::from(u16::from_le_bytes(*length)) == key.len() && text == key.as_bytes())
    }
}

/// The bits of a slot that its checksum is about, and those that say where the key is.
const CONTENT: u64 = (1 << 48) - 1;
const OFFSET: u64 = (1 << 32) - 1;

/// A part of a key's hash, where it is in a slot.
fn fingerprint(key: &str) -> u64 {
    (hash(key) >> 16) & CONTENT & !OFFSET
}

/// A slot with its checksum, which is never 0: damage often looks like zeros.
fn checked_slot(at: u64, content: u64) -> u64 {
    let bytes = [at.to_le_bytes(), content.to_le_bytes()].concat();
    content | (XxHash3_64::oneshot(&bytes) | 1) << 48
}

fn hash(key: &str) -> u64 {
    stable_hash(key.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::ANYWHERE;

    /// A list that is big enough, settled, and its folder.
    fn big(more: &str) -> (tempfile::TempDir, PathBuf, String) {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("list");
        let mut text: String = (0..5000).map(|n| format!("user{n}@host{n}.example\n")).collect();
        text.push_str(more);
        std::fs::write(&list, &text).unwrap();
        (folder, list, text)
    }

    fn seen(list: &Path) -> FileIdentity {
        file::identity(&std::fs::metadata(list).unwrap())
    }

    /// The index of a list as it is now.
    fn index(folder: &Path, list: &Path) -> Option<AddressList> {
        open_in(folder, &ANYWHERE, list, &seen(list))
    }

    /// Makes it of a list that was read a moment ago.
    fn make(folder: &Path, list: &Path, read: &AddressList, since: SystemTime) {
        make_in(folder, list, read, &seen(list), since).unwrap();
    }

    #[test]
    fn a_list_that_has_changed_since_it_was_read_has_no_index_whatever_the_clocks_say() {
        let (folder, list, text) = big("");
        let (plain, before) = (AddressList::parse(&text), seen(&list));
        std::fs::write(&list, text + "new@x.example\n").unwrap();
        // The clock of a file server is behind ours.
        let later = SystemTime::now() + Duration::from_secs(60);
        make_in(folder.path(), &list, &plain, &before, later).unwrap();
        assert!(index(folder.path(), &list).is_none());
        make(folder.path(), &list, &plain, later);
        assert!(index(folder.path(), &list).is_some());
    }

    #[test]
    fn the_index_answers_like_the_list() {
        // The key of the last one, a glob, looks like a pattern: found by fuzzing.
        let more = "@.deep.example\n*-bounces@list.example\n/^a\\d+@num\\.example$/\nlocal@\nödön@example.hu\n/@?/.\n";
        let (folder, list, text) = big(more);
        let plain = AddressList::parse(&text);
        // A list that was only just written does not count as settled.
        let read = SystemTime::now();
        make(folder.path(), &list, &plain, read);
        assert!(index(folder.path(), &list).is_none());
        std::thread::sleep(SETTLE_TIME + Duration::from_secs(1));
        // Nor one that may have changed since it was read.
        make(folder.path(), &list, &plain, read);
        assert!(index(folder.path(), &list).is_none());
        make(folder.path(), &list, &plain, SystemTime::now());
        let indexed = index(folder.path(), &list).expect("an index");
        assert!(indexed.keys().is_none());
        for address in [
            "user0@host0.example",
            "user4999@host4999.example",
            "user1@host2.example",
            "x@a.deep.example",
            "rust-bounces@list.example",
            "a7@num.example",
            "local@anywhere.example",
            "ödön@example.hu",
            "nobody@nowhere.example",
            "/@?/",
            "/@?/.",
            "",
            "@",
        ] {
            assert_eq!(indexed.matches(address), plain.matches(address), "{address}");
        }
        // After any change the list itself is read again.
        std::fs::write(&list, text.replace("user7@", "user8@")).unwrap();
        assert!(index(folder.path(), &list).is_none());
    }

    #[test]
    fn a_damaged_index_gives_no_wrong_answer() {
        let (folder, list, text) = big("*@loose.example\n");
        std::thread::sleep(SETTLE_TIME + Duration::from_secs(1));
        let plain = AddressList::parse(&text);
        make(folder.path(), &list, &plain, SystemTime::now());
        let place = folder.path().join(file_name(&list));
        let whole = std::fs::read(&place).unwrap();
        for length in [0, 10, HEAD, HEAD + 100] {
            std::fs::write(&place, &whole[..length]).unwrap();
            if let Some(cut) = index(folder.path(), &list) {
                assert!(cut.matches("user4999@host4999.example"), "{length}");
                assert!(!cut.matches("user1@host2.example"), "{length}");
            }
        }
        // Blocks of zeros, and single bits, anywhere.
        for start in (0..whole.len()).step_by(4096) {
            let end = whole.len().min(start + 4096);
            let (mut zeros, mut bits) = (whole.clone(), whole.clone());
            zeros[start..end].fill(0);
            bits[start..end].iter_mut().for_each(|byte| *byte ^= 4);
            for damaged in [zeros, bits] {
                std::fs::write(&place, damaged).unwrap();
                let Some(damaged) = index(folder.path(), &list) else { continue };
                for n in 0..5000 {
                    assert!(damaged.matches(&format!("user{n}@host{n}.example")), "{start} {n}");
                }
                assert!(damaged.matches("x@loose.example"), "{start}");
                assert!(!damaged.matches("user1@host2.example"), "{start}");
            }
        }
        // Where the list cannot be read either, nobody is told that it has no such entry.
        std::fs::write(&place, [&whole[..HEAD], &vec![0; whole.len() - HEAD]].concat()).unwrap();
        let lost = index(folder.path(), &list);
        assert!(lost.is_none(), "the globs are damaged, too");
        std::fs::write(&place, &whole).unwrap();
        let lost = index(folder.path(), &list).expect("an index");
        let zeros = std::fs::File::options().write(true).open(&place).unwrap();
        zeros.write_all_at(&vec![0; 1 << 17], HEAD as u64).unwrap();
        assert_eq!(lost.failure(), None);
        std::fs::remove_file(&list).unwrap();
        assert!(!lost.matches("user4999@host4999.example"));
        assert!(lost.failure().is_some_and(|why| why.contains("No such file")));
    }
}
