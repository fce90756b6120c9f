//! What there may be thousands of, in blocks that are fetched when they are
//! first asked for: of ten thousand rules a message meets few.
//!
//! Records lie outside of what rkyv lays out, where every byte would be checked
//! before the first is used; each is checked, on its own, when it is met.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use rkyv::api::high::{HighSerializer, HighValidator, to_bytes};
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor::{Error, Failure};
use rkyv::ser::allocator::ArenaHandle;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Portable, Serialize};

/// Brings a block from where it is kept; none if it is not as it was.
pub type Fetch = Box<dyn Fn(usize) -> Option<Vec<u8>> + Send + Sync>;

/// Blocks by number, from 0.
#[derive(Default)]
pub struct Blocks {
    here: Vec<OnceLock<Vec<u8>>>,
    /// None if all are here.
    elsewhere: Option<Fetch>,
    damaged: AtomicBool,
}

impl Blocks {
    /// So many blocks; behind those that are here already, each is fetched
    /// when it is asked for.
    pub fn new(here: Vec<Vec<u8>>, count: usize, fetch: Fetch) -> Blocks {
        let mut blocks: Blocks = here.into_iter().collect();
        blocks.here.resize_with(count, OnceLock::new);
        blocks.elsewhere = Some(fetch);
        blocks
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = Option<&[u8]>> {
        (0..self.here.len()).map(|number| self.get(number))
    }

    /// Something that was asked for is not what was kept: what came of the
    /// rules since then is not to be believed.
    pub fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Notes that it is so.
    pub(super) fn damage(&self) {
        self.damaged.store(true, Ordering::Relaxed);
    }

    /// None is noted as damage.
    fn noted<T>(&self, found: Option<T>) -> Option<T> {
        if found.is_none() {
            self.damage();
        }
        found
    }

    /// A block; none if there is none of that number, or if it is damaged.
    fn get(&self, number: usize) -> Option<&[u8]> {
        let place = self.here.get(number)?;
        if place.get().is_none() {
            let block = self.elsewhere.as_ref()?(number)?;
            let _ = place.set(block);
        }
        place.get().map(Vec::as_slice)
    }

    /// Takes one in and gives its number.
    fn push(&mut self, block: Vec<u8>) -> Option<u32> {
        let number = self.here.len().try_into().ok()?;
        self.here.push(block.into());
        Some(number)
    }
}

impl FromIterator<Vec<u8>> for Blocks {
    fn from_iter<I: IntoIterator<Item = Vec<u8>>>(blocks: I) -> Blocks {
        Blocks { here: blocks.into_iter().map(OnceLock::from).collect(), ..Blocks::default() }
    }
}

/// So many records share a block.
const TOGETHER: usize = 64;

/// Many records of a kind. A block of them starts with where each of them ends
/// (u32 each, little-endian, from the first record on).
#[derive(Archive, Serialize, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Row {
    /// The first of its blocks, which follow each other.
    block: u32,
    /// How many records.
    length: u32,
}

impl Row {
    /// Lays records out; none if that gets too large.
    pub(super) fn of<T>(records: &[T], blocks: &mut Blocks) -> Option<Row>
    where
        T: for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, Error>>,
    {
        let row = Row {
            block: blocks.here.len().try_into().ok()?,
            length: records.len().try_into().ok()?,
        };
        for together in records.chunks(TOGETHER) {
            let (mut ends, mut bytes) = (Vec::new(), Vec::new());
            for record in together {
                bytes.extend_from_slice(&to_bytes::<Error>(record).ok()?);
                ends.extend(u32::try_from(bytes.len()).ok()?.to_le_bytes());
            }
            ends.append(&mut bytes);
            blocks.push(ends)?;
        }
        Some(row)
    }
}

impl ArchivedRow {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.length.to_native() as usize
    }

    /// Whether there can be as many records as it says: whoever makes room for
    /// them relies on that.
    pub(super) fn fits(&self, blocks: &Blocks) -> bool {
        let end = (self.block.to_native() as usize).checked_add(self.len().div_ceil(TOGETHER));
        end.is_some_and(|end| end <= blocks.here.len())
    }

    /// One record; none if there is none of that number, or if it is damaged.
    pub(super) fn get<'b, T>(&self, blocks: &'b Blocks, at: usize) -> Option<&'b T>
    where
        T: Portable + for<'a> CheckBytes<HighValidator<'a, Failure>>,
    {
        let behind = self.len().checked_sub(at).filter(|behind| *behind > 0)?;
        let (before, at) = (at / TOGETHER, at % TOGETHER);
        let together = TOGETHER.min(at + behind);
        let record = || {
            let block = blocks.get((self.block.to_native() as usize).checked_add(before)?)?;
            let (ends, records) = block.split_at_checked(together * 4)?;
            let (ends, _) = ends.as_chunks::<4>();
            let place = |at: usize| ends.get(at).map(|end| u32::from_le_bytes(*end) as usize);
            let start = at.checked_sub(1).map_or(Some(0), place)?;
            rkyv::access::<T, Failure>(records.get(start..place(at)?)?).ok()
        };
        blocks.noted(record())
    }
}

/// Numbers in a block of their own: u32 each, little-endian.
#[derive(Archive, Serialize, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Numbers {
    /// None if there are none.
    block: Option<u32>,
}

impl Numbers {
    /// Lays numbers out; none if that gets too large.
    pub(super) fn of(numbers: &[u32], blocks: &mut Blocks) -> Option<Numbers> {
        if numbers.is_empty() {
            return Some(Numbers::default());
        }
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        Some(Numbers { block: Some(blocks.push(bytes)?) })
    }
}

impl ArchivedNumbers {
    /// The numbers, `N` bytes of them at a time; none if they are damaged.
    pub(super) fn get<'b, const N: usize>(&self, blocks: &'b Blocks) -> Option<&'b [[u8; N]]> {
        match self.block.as_ref() {
            Some(block) => {
                Some(blocks.noted(blocks.get(block.to_native() as usize))?.as_chunks().0)
            }
            None => Some(&[]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_fetched_when_it_is_first_asked_for_and_once() {
        let asked = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let noted = asked.clone();
        let fetch = move |number: usize| {
            noted.lock().unwrap().push(number);
            (number != 2).then(|| vec![number as u8])
        };
        let blocks = Blocks::new(vec![vec![9]], 3, Box::new(fetch));
        assert!(asked.lock().unwrap().is_empty());
        assert_eq!(blocks.get(1), Some(&[1][..]));
        assert_eq!(blocks.get(1), Some(&[1][..]));
        assert_eq!((blocks.get(0), blocks.get(3)), (Some(&[9][..]), None));
        assert_eq!(*asked.lock().unwrap(), [1]);
        // One that could not be had may be there later.
        assert_eq!((blocks.get(2), blocks.get(2)), (None, None));
        assert_eq!(*asked.lock().unwrap(), [1, 2, 2]);
    }

    #[test]
    fn every_record_is_found_at_its_number() {
        for count in [0, 1, 63, 64, 65, 128, 200] {
            let records: Vec<String> = (0..count).map(|n| "x".repeat(n % 7) + "y").collect();
            let mut blocks: Blocks = [vec![7]].into_iter().collect();
            let row = Row::of(&records, &mut blocks).unwrap();
            assert_eq!(blocks.here.len(), 1 + count.div_ceil(64));
            let bytes = to_bytes::<Error>(&row).unwrap();
            let row = rkyv::access::<ArchivedRow, Failure>(&bytes).unwrap();
            for (at, record) in records.iter().enumerate() {
                let found = row.get::<rkyv::string::ArchivedString>(&blocks, at);
                assert_eq!(found.map(|found| found.as_str()), Some(record.as_str()), "{at}");
            }
            assert_eq!(row.get::<rkyv::string::ArchivedString>(&blocks, count), None);
            assert!(row.fits(&blocks));
            let longer = to_bytes::<Error>(&Row { length: u32::MAX, block: 1 }).unwrap();
            let longer = rkyv::access::<ArchivedRow, Failure>(&longer).unwrap();
            assert!(!longer.fits(&blocks));
            assert_eq!(row.get::<rkyv::string::ArchivedString>(&blocks, usize::MAX), None);
        }
    }
}
