//! Blocks of bytes that are fetched when they are first needed.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

/// Fetches a block from where it is stored; `None` if it has changed.
pub type Fetch = Box<dyn Fn(usize) -> Option<Vec<u8>> + Send + Sync>;

/// Blocks by number, from 0.
#[derive(Default)]
pub struct Blocks {
    here: Vec<OnceLock<Vec<u8>>>,
    /// `None` if all are here.
    elsewhere: Option<Fetch>,
    damaged: AtomicBool,
}

impl Blocks {
    /// `count` blocks; those after the ones that are already here are fetched
    /// when they are needed.
    pub fn new(here: Vec<Vec<u8>>, count: usize, fetch: Fetch) -> Blocks {
        let mut blocks: Blocks = here.into_iter().collect();
        blocks.here.resize_with(count, OnceLock::new);
        blocks.elsewhere = Some(fetch);
        blocks
    }

    /// All blocks, in order; `None` for a damaged one.
    pub fn iter(&self) -> impl Iterator<Item = Option<&[u8]>> {
        (0..self.here.len()).map(|number| self.get(number))
    }

    /// Whether a fetched block differed from what was stored: results of the
    /// rules since then must not be believed.
    pub fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Records that a fetched block differed from what was stored.
    pub(super) fn mark_damaged(&self) {
        self.damaged.store(true, Ordering::Relaxed);
    }

    /// Records `None` as damage.
    pub(super) fn or_mark_damaged<T>(&self, found: Option<T>) -> Option<T> {
        if found.is_none() {
            self.mark_damaged();
        }
        found
    }

    /// The number of blocks.
    pub(super) fn len(&self) -> usize {
        self.here.len()
    }

    /// A block; `None` if there is no block with that number, or if it is damaged.
    pub(super) fn get(&self, number: usize) -> Option<&[u8]> {
        let place = self.here.get(number)?;
        if place.get().is_none() {
            let block = self.elsewhere.as_ref()?(number)?;
            let _ = place.set(block);
        }
        place.get().map(Vec::as_slice)
    }

    /// Adds a block and returns its number.
    fn push(&mut self, block: Vec<u8>) -> usize {
        self.here.push(block.into());
        self.here.len() - 1
    }
}

impl FromIterator<Vec<u8>> for Blocks {
    fn from_iter<I: IntoIterator<Item = Vec<u8>>>(blocks: I) -> Blocks {
        Blocks { here: blocks.into_iter().map(OnceLock::from).collect(), ..Blocks::default() }
    }
}

/// Numbers in a block of their own, each a little-endian u32.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Numbers {
    /// `None` if there are none.
    block: Option<usize>,
}

impl Numbers {
    /// Puts numbers into a new block.
    pub(super) fn of(numbers: &[u32], blocks: &mut Blocks) -> Numbers {
        if numbers.is_empty() {
            return Numbers::default();
        }
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        Numbers { block: Some(blocks.push(bytes)) }
    }

    /// The bytes of the numbers, `N` at a time; `None` if they are damaged.
    pub(super) fn get<'b, const N: usize>(&self, blocks: &'b Blocks) -> Option<&'b [[u8; N]]> {
        match self.block {
            Some(block) => Some(blocks.or_mark_damaged(blocks.get(block))?.as_chunks().0),
            None => Some(&[]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_kept_in_a_block_of_their_own() {
        let mut blocks = Blocks::default();
        let (none, some) = (Numbers::of(&[], &mut blocks), Numbers::of(&[1, 513], &mut blocks));
        assert_eq!(none.get::<4>(&blocks), Some(&[][..]));
        assert_eq!(some.get(&blocks), Some(&[[1, 0, 0, 0], [1, 2, 0, 0]][..]));
    }

    #[test]
    fn a_block_is_fetched_when_it_is_needed_and_once() {
        let fetched = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let fetches = fetched.clone();
        let fetch = move |number: usize| {
            fetches.lock().unwrap().push(number);
            (number != 2).then(|| vec![number as u8])
        };
        let blocks = Blocks::new(vec![vec![9]], 3, Box::new(fetch));
        assert!(fetched.lock().unwrap().is_empty());
        assert_eq!(blocks.get(1), Some(&[1][..]));
        assert_eq!(blocks.get(1), Some(&[1][..]));
        assert_eq!((blocks.get(0), blocks.get(3)), (Some(&[9][..]), None));
        assert_eq!(*fetched.lock().unwrap(), [1]);
        // A block that could not be fetched may be available later.
        assert_eq!((blocks.get(2), blocks.get(2)), (None, None));
        assert_eq!(*fetched.lock().unwrap(), [1, 2, 2]);
    }
}
