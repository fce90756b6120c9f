//! Many records laid out in a row, each of which is read, and checked, on its
//! own when it is asked for: of ten thousand rules a message meets few.
//!
//! They lie outside of what rkyv lays out, where every byte would be checked
//! before the first is used.

use rkyv::api::high::{HighSerializer, HighValidator, to_bytes};
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor::{Error, Failure};
use rkyv::ser::allocator::ArenaHandle;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Portable, Serialize};

/// Where a row of records stands: the records, then where each of them ends
/// (u32 each, little-endian, from the row's start).
#[derive(Archive, Serialize, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Row {
    start: u32,
    ends: u32,
    end: u32,
}

impl Row {
    /// Lays records out behind what is there; none if that gets too large.
    pub(super) fn of<T>(records: &[T], bulk: &mut Vec<u8>) -> Option<Row>
    where
        T: for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, Error>>,
    {
        let start = bulk.len();
        let mut ends = Vec::with_capacity(records.len());
        for record in records {
            bulk.extend_from_slice(&to_bytes::<Error>(record).ok()?);
            ends.push(u32::try_from(bulk.len() - start).ok()?);
        }
        let ends = Numbers::of(&ends, bulk)?;
        Some(Row { start: start.try_into().ok()?, ends: ends.start, end: ends.end })
    }
}

impl ArchivedRow {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        (self.end.to_native().saturating_sub(self.ends.to_native()) / 4) as usize
    }

    /// One record; none if there is none of that number, or if its bytes are
    /// no record.
    pub(super) fn get<'b, T>(&self, bulk: &'b [u8], at: usize) -> Option<&'b T>
    where
        T: Portable + for<'a> CheckBytes<HighValidator<'a, Failure>>,
    {
        let ends = bulk.get(self.ends.to_native() as usize..self.end.to_native() as usize)?;
        let (ends, _) = ends.as_chunks::<4>();
        let place = |at: usize| ends.get(at).map(|end| u32::from_le_bytes(*end) as usize);
        let end = place(at)?;
        let start = at.checked_sub(1).map_or(Some(0), place)?;
        let row = bulk.get(self.start.to_native() as usize..)?;
        rkyv::access::<T, Failure>(row.get(start..end)?).ok()
    }
}

/// Where numbers stand: u32 each, little-endian.
#[derive(Archive, Serialize, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Numbers {
    start: u32,
    end: u32,
}

impl Numbers {
    /// Lays numbers out behind what is there; none if that gets too large.
    pub(super) fn of(numbers: &[u32], bulk: &mut Vec<u8>) -> Option<Numbers> {
        let start = bulk.len().try_into().ok()?;
        bulk.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        Some(Numbers { start, end: bulk.len().try_into().ok()? })
    }
}

impl ArchivedNumbers {
    /// The numbers, `N` bytes of them at a time; none if they are elsewhere.
    pub(super) fn get<'b, const N: usize>(&self, bulk: &'b [u8]) -> Option<&'b [[u8; N]]> {
        let bytes = bulk.get(self.start.to_native() as usize..self.end.to_native() as usize)?;
        Some(bytes.as_chunks().0)
    }
}
