//! A table of things that happened and when, made for many processes that each live for
//! one message: looking up reads one block, recording writes one slot.
//!
//! ```text
//! head (64 bytes): magic of the file, zeros, salt (16), number of blocks (u32)
//! block (64 slots): slot (24 bytes): key (16), time (u32, seconds since 1970), check (u32)
//! ```
//!
//! Numbers are little-endian. A hash of salt and key chooses the block: senders choose
//! what becomes a key, and could otherwise fill one block with a few messages, and make
//! the table grow to its largest size. A slot whose check is wrong (zeros, or half written
//! when a machine stopped) is free, and so is one whose time has passed: old entries make
//! room without any cleaning up. A full block doubles the table, as a new file that
//! replaces the old one; beyond a million things the oldest of a block is overwritten.
//! Writers hold an exclusive lock on the file, readers need none. Only a new table is
//! synced: what a power cut loses will be recorded again.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags, flock};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::lock_file::lock;
use super::{StateDir, is_ours};
use crate::file::{self, READ_OWN, WRITE_OWN};
use crate::text::hex;

const HEAD: usize = 64;
const MAGIC: usize = 44;
const SALT: usize = 16;
const SLOT: usize = 24;
const SLOTS: usize = 64;
const BLOCK: usize = SLOT * SLOTS;
/// The most blocks, a power of two; this many slots are 25 MB.
const MOST_BLOCKS: u32 = 1 << 14;
/// How long a writer waits for the lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// The key of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(pub [u8; 16]);

impl Key {
    /// The key of something that is identified by these bytes.
    pub fn of(parts: &[&[u8]]) -> Key {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Key::from_hash(hash)
    }

    /// The key made from a hash.
    pub fn from_hash(hash: Sha256) -> Key {
        let mut key = [0; 16];
        key.copy_from_slice(&hash.finalize()[..16]);
        Key(key)
    }

    /// The key as a file name.
    pub fn name(&self) -> String {
        hex(&self.0)
    }
}

/// One table.
#[derive(Debug, Clone, Copy)]
pub struct SlotTable<'s> {
    /// Where it is kept.
    pub state: &'s StateDir,
    /// Name of its file.
    pub name: &'static str,
    /// The first bytes of its file, which include its version; at most 44.
    pub magic: &'static str,
}

/// One thing: its key, and when it happened.
type Slot = (Key, u32);

/// Where things are in a table.
#[derive(Debug, Clone, Copy)]
struct BlockMap {
    salt: [u8; SALT],
    /// A power of two.
    count: u32,
}

impl BlockMap {
    fn of(self, key: Key) -> u32 {
        let [a, b, c, d, ..] = Key::of(&[&self.salt, &key.0]).0;
        u32::from_le_bytes([a, b, c, d]) & (self.count - 1)
    }

    fn doubled(self) -> BlockMap {
        BlockMap { count: self.count * 2, ..self }
    }
}

impl SlotTable<'_> {
    /// When a thing happened according to the table; none if it is not known.
    pub fn find(&self, key: Key) -> Option<u32> {
        let (file, blocks) = self.open(READ_OWN).ok()??;
        let block = read_block(&file, blocks.of(key)).ok()?;
        slots(&block).flatten().find(|slot| slot.0 == key).map(|slot| slot.1)
    }

    /// Records that a thing happened, unless it is known. `over` says whether a time is
    /// so long ago that its slot is free. Returns true if the thing was recorded now.
    pub fn note(&self, key: Key, time: u32, over: &dyn Fn(u32) -> bool) -> io::Result<bool> {
        self.put(key, time, over, false)
    }

    /// Records that a thing happened, perhaps again: the last time counts.
    pub fn renew(&self, key: Key, time: u32, over: &dyn Fn(u32) -> bool) -> io::Result<()> {
        self.put(key, time, over, true).map(drop)
    }

    fn put(
        &self,
        key: Key,
        time: u32,
        over: &dyn Fn(u32) -> bool,
        renew: bool,
    ) -> io::Result<bool> {
        self.locked(|mut file, mut blocks| {
            loop {
                let number = blocks.of(key);
                let block = read_block(&file, number)?;
                let known = slots(&block).enumerate().find_map(|(at, slot)| {
                    slot.filter(|slot| slot.0 == key).map(|(_, then)| (at, then))
                });
                let place = match known {
                    Some((_, then)) if !renew && !over(then) => return Ok(false),
                    Some((at, _)) => Some(at),
                    None => slots(&block).position(|slot| slot.is_none_or(|slot| over(slot.1))),
                };
                let place = match place {
                    Some(place) => place,
                    None if blocks.count < MOST_BLOCKS => {
                        (file, blocks) = (self.grow(&file, blocks, over)?, blocks.doubled());
                        continue;
                    }
                    None => {
                        let oldest = slots(&block)
                            .enumerate()
                            .min_by_key(|(_, slot)| slot.map_or(0, |slot| slot.1));
                        oldest.map_or(0, |(at, _)| at)
                    }
                };
                file.write_all_at(&encode((key, time)), offset(number) + (place * SLOT) as u64)?;
                return Ok(true);
            }
        })
    }

    /// Removes a thing.
    ///
    /// # Errors
    /// The table cannot be written, or another process holds it for too long.
    pub fn forget(&self, key: Key) -> io::Result<()> {
        self.locked(|file, blocks| {
            let number = blocks.of(key);
            let block = read_block(&file, number)?;
            let at = slots(&block).position(|slot| slot.is_some_and(|slot| slot.0 == key));
            match at {
                Some(at) => file.write_all_at(&[0; SLOT], offset(number) + (at * SLOT) as u64),
                None => Ok(()),
            }
        })
    }

    /// The times of everything recorded, sorted; none if there is no table.
    pub fn times(&self) -> Option<Vec<u32>> {
        let (file, blocks) = self.open(READ_OWN).ok()??;
        let mut times = Vec::new();
        for number in 0..blocks.count {
            let block = read_block(&file, number).ok()?;
            times.extend(slots(&block).flatten().map(|slot| slot.1));
        }
        times.sort_unstable();
        Some(times)
    }

    /// Opens the table and reads its head. None if there is none; a damaged one is set
    /// aside when a writer finds it.
    fn open(&self, flags: OFlags) -> io::Result<Option<(File, BlockMap)>> {
        let file = match file::open(&self.state.path().join(self.name), flags) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if !is_ours(&file) {
            return Err(io::Error::other("writable by others, or not a regular file"));
        }
        let mut head = [0; HEAD];
        let blocks = match file.read_exact_at(&mut head, 0) {
            Ok(()) => self.blocks(&head, file.metadata()?.len()),
            Err(error) if file::is_stale(&error) => return Err(error),
            Err(_) => None,
        };
        match blocks {
            Some(blocks) => Ok(Some((file, blocks))),
            None => {
                if flags == WRITE_OWN {
                    self.state.set_aside(self.name);
                }
                Ok(None)
            }
        }
    }

    fn blocks(&self, head: &[u8; HEAD], size: u64) -> Option<BlockMap> {
        let (salt, count) = head.get(MAGIC..)?.split_at_checked(SALT)?;
        let blocks = BlockMap {
            salt: salt.try_into().ok()?,
            count: u32::from_le_bytes(count.try_into().ok()?),
        };
        let right = *head == self.head(blocks)
            && blocks.count.is_power_of_two()
            && blocks.count <= MOST_BLOCKS
            && size == offset(blocks.count);
        right.then_some(blocks)
    }

    fn head(&self, blocks: BlockMap) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        let magic = self.magic.bytes().chain(std::iter::repeat(0)).take(MAGIC);
        let rest = blocks.salt.into_iter().chain(blocks.count.to_le_bytes());
        for (to, from) in head.iter_mut().zip(magic.chain(rest)) {
            *to = from;
        }
        head
    }

    /// Does something with the table while nobody else writes; creates the table if there
    /// is none.
    fn locked<T>(&self, work: impl FnOnce(File, BlockMap) -> io::Result<T>) -> io::Result<T> {
        let deadline = Instant::now() + LOCK_TIMEOUT;
        let path = self.state.path().join(self.name);
        loop {
            if Instant::now() >= deadline {
                return Err(ErrorKind::TimedOut.into());
            }
            let (file, blocks) = match self.open(WRITE_OWN) {
                Ok(Some(table)) => table,
                Ok(None) => {
                    let mut salt = [0; SALT];
                    getrandom::fill(&mut salt)?;
                    let new = self.make(&|_, _| Ok(()), BlockMap { salt, count: 1 })?;
                    match new.persist_noclobber(&path).map_err(|error| error.error) {
                        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                            return Err(error);
                        }
                        _ => continue,
                    }
                }
                Err(error) if file::is_stale(&error) => continue,
                Err(error) => return Err(error),
            };
            // Another process may replace it with a larger table in the meantime.
            if lock(&file, &path, deadline)? {
                return work(file, blocks);
            }
        }
    }

    /// A table twice as large with everything that is not too old.
    fn grow(&self, old: &File, blocks: BlockMap, over: &dyn Fn(u32) -> bool) -> io::Result<File> {
        let fill = |new: &File, new_blocks: BlockMap| -> io::Result<()> {
            let mut filled = vec![0usize; new_blocks.count as usize];
            for number in 0..blocks.count {
                let block = read_block(old, number)?;
                for slot in slots(&block).flatten().filter(|slot| !over(slot.1)) {
                    let to = new_blocks.of(slot.0);
                    let Some(at) = filled.get_mut(to as usize) else { continue };
                    new.write_all_at(&encode(slot), offset(to) + (*at * SLOT) as u64)?;
                    *at += 1;
                }
            }
            Ok(())
        };
        let new = self.make(&fill, blocks.doubled())?;
        new.persist(self.state.path().join(self.name)).map_err(|error| error.error)
    }

    /// A new table, on disk, that is not in its place yet.
    fn make(
        &self,
        fill: &dyn Fn(&File, BlockMap) -> io::Result<()>,
        blocks: BlockMap,
    ) -> io::Result<NamedTempFile> {
        self.state.make()?;
        let mut new = tempfile::Builder::new().prefix(".new-").tempfile_in(self.state.path())?;
        new.write_all(&self.head(blocks))?;
        new.as_file().set_len(offset(blocks.count))?;
        fill(new.as_file(), blocks)?;
        // Locked before anybody can see it: whoever grows a table continues with it.
        flock(new.as_file(), FlockOperation::NonBlockingLockExclusive)?;
        new.as_file().sync_all()?;
        Ok(new)
    }
}

fn offset(block: u32) -> u64 {
    HEAD as u64 + u64::from(block) * BLOCK as u64
}

fn read_block(file: &File, number: u32) -> io::Result<Vec<u8>> {
    let mut block = vec![0; BLOCK];
    file.read_exact_at(&mut block, offset(number))?;
    Ok(block)
}

fn slots(block: &[u8]) -> impl Iterator<Item = Option<Slot>> + '_ {
    block.chunks_exact(SLOT).map(|slot| {
        let (body, check) = slot.split_last_chunk::<4>()?;
        if sum(body) != *check {
            return None;
        }
        let (key, time) = body.split_first_chunk::<16>()?;
        Some((Key(*key), u32::from_le_bytes(time.try_into().ok()?)))
    })
}

fn encode(slot: Slot) -> Vec<u8> {
    let mut bytes = slot.0.0.to_vec();
    bytes.extend(slot.1.to_le_bytes());
    let check = sum(&bytes);
    bytes.extend(check);
    bytes
}

/// A checksum that is never zero for zeros.
fn sum(body: &[u8]) -> [u8; 4] {
    (!crc32fast::hash(body) | 1).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn table(state: &StateDir) -> SlotTable<'_> {
        SlotTable { state, name: "table", magic: "mfilter test, version 1\n" }
    }

    fn key(number: u32) -> Key {
        Key::of(&[&number.to_le_bytes()])
    }

    #[test]
    fn what_is_noted_is_found_until_it_is_over() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("mfilter"));
        let table = table(&state);
        assert_eq!((table.find(key(1)), table.times()), (None, None));
        assert!(!state.path().exists());
        assert!(table.note(key(1), 100, &|_| false).unwrap());
        assert!(!table.note(key(1), 200, &|_| false).unwrap(), "the first time counts");
        assert_eq!(table.find(key(1)), Some(100));
        assert!(table.note(key(1), 200, &|time| time <= 100).unwrap());
        assert_eq!(table.find(key(1)), Some(200));
        table.forget(key(1)).unwrap();
        assert_eq!(table.find(key(1)), None);
        let metadata = std::fs::metadata(state.path().join("table")).unwrap();
        assert_eq!((metadata.mode() & 0o7777, metadata.len()), (0o600, 1600));
    }

    #[test]
    fn it_grows_with_what_is_in_it_and_not_with_what_is_over() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path());
        let table = table(&state);
        for number in 0..2000 {
            table.note(key(number), number, &|_| false).unwrap();
        }
        assert_eq!(table.times().unwrap(), (0..2000).collect::<Vec<_>>());
        assert!((0..2000).all(|number| table.find(key(number)) == Some(number)));
        let size = |table: &SlotTable<'_>| {
            std::fs::metadata(table.state.path().join(table.name)).unwrap().len()
        };
        let before = size(&table);
        for number in 2000..10_000 {
            table.note(key(number), number, &|time| time + 1000 < number).unwrap();
        }
        assert_eq!(size(&table), before);
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
    }

    /// A sender can look for things whose keys begin alike.
    #[test]
    fn chosen_keys_do_not_make_it_grow() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path());
        let table = table(&state);
        for number in 0..100_u32 {
            let mut chosen = [0; 16];
            chosen[12..].copy_from_slice(&number.to_le_bytes());
            table.note(Key(chosen), 1, &|_| false).unwrap();
        }
        let size = std::fs::metadata(home.path().join("table")).unwrap().len();
        assert!(size <= offset(8), "{size}");
        assert_eq!(table.times().unwrap().len(), 100);
    }

    #[test]
    fn many_writers_lose_nothing_and_one_of_them_is_first() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("mfilter"));
        let firsts = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for writer in 0..16 {
                let (state, firsts) = (&state, &firsts);
                scope.spawn(move || {
                    for number in 0..40 {
                        let own = key(1000 + writer * 40 + number);
                        assert!(table(state).note(own, 1, &|_| false).unwrap());
                        if table(state).note(key(number), 1, &|_| false).unwrap() {
                            firsts.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(firsts.into_inner(), 40);
        assert_eq!(table(&state).times().unwrap().len(), 40 + 16 * 40);
    }

    #[test]
    fn a_damaged_file_is_set_aside_and_a_damaged_slot_is_free() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path());
        let path = home.path().join("table");
        for damage in [&b""[..], b"nonsense", &[0; 1600]] {
            std::fs::write(&path, damage).unwrap();
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
                .unwrap();
            assert_eq!(table(&state).find(key(1)), None);
            assert!(table(&state).note(key(1), 7, &|_| false).unwrap());
            assert_eq!(std::fs::read(home.path().join("table.damaged")).unwrap(), damage);
        }
        let file = File::options().write(true).open(&path).unwrap();
        file.write_all_at(b"\xff\xff", HEAD as u64 + 3).unwrap();
        assert_eq!(table(&state).find(key(1)), None);
        assert!(table(&state).note(key(1), 7, &|_| false).unwrap());
    }

    #[test]
    fn what_cannot_be_written_is_an_error() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("file"), "").unwrap();
        let state = StateDir::at(home.path().join("file"));
        assert_eq!(table(&state).find(key(1)), None);
        assert!(table(&state).note(key(1), 7, &|_| false).is_err());
    }
}
