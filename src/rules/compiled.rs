//! A program as it is evaluated: a head with what every delivery needs, and rows
//! with up to thousands of records.
//!
//! In a cached program, each record is decoded when a message first reaches it,
//! from a block that is read at that moment: out of ten thousand rules a message
//! reaches few. A record that cannot be read is recorded
//! ([`CompiledProgram::is_damaged`]), and the results since then must not be
//! believed.

use std::ops::Deref;
use std::sync::OnceLock;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::blocks::Blocks;
use super::index::{CachedIndex, Index, Prefilter};
use super::program::{Condition, List, Pattern, Program, Settings, Statement};

/// How many records share a block.
const RECORDS_PER_BLOCK: usize = 64;

/// A program, either just checked or cached by an earlier run.
pub struct CompiledProgram {
    /// Everything except the rows.
    head: Program,
    statements: Row<Statement>,
    conditions: Row<Condition>,
    patterns: Row<Pattern>,
    lists: Row<List>,
    index: CachedIndex,
    blocks: Blocks,
}

/// What is cached together with the blocks.
#[derive(Serialize, Deserialize)]
struct CachedHead<P> {
    program: P,
    /// Statements, conditions, patterns, lists.
    rows: [RowExtent; 4],
    index: CachedIndex,
}

/// Where the records of a row are.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
struct RowExtent {
    /// The first block of the row; the others follow.
    block: u32,
    /// The number of records.
    length: u32,
}

impl CompiledProgram {
    /// From a program that was just checked.
    pub fn new(mut program: Program) -> CompiledProgram {
        let mut blocks = Blocks::default();
        let index = Index::of(&program).keep(&mut blocks);
        CompiledProgram {
            statements: Row::from_records(&mut program.statements),
            conditions: Row::from_records(&mut program.conditions),
            patterns: Row::from_records(&mut program.patterns),
            lists: Row::from_records(&mut program.lists),
            head: program,
            index,
            blocks,
        }
    }

    /// From the cache: its head, and its blocks, which are read when they are
    /// needed. `None` if the bytes are not a program.
    pub fn from_parts(head: &[u8], blocks: Blocks) -> Option<CompiledProgram> {
        let head: CachedHead<Program> = postcard::from_bytes(head).ok()?;
        let [statements, conditions, patterns, lists] = head.rows;
        Some(CompiledProgram {
            head: head.program,
            statements: Row::from_cache(statements, &blocks)?,
            conditions: Row::from_cache(conditions, &blocks)?,
            patterns: Row::from_cache(patterns, &blocks)?,
            lists: Row::from_cache(lists, &blocks)?,
            index: head.index,
            blocks,
        })
    }

    /// What [`CompiledProgram::from_parts`] needs. `None` if a row is too large,
    /// or if a block cannot be read.
    pub fn to_parts(&self) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
        let blocks = self.blocks.iter().map(|block| block.map(<[u8]>::to_vec));
        let mut blocks = blocks.collect::<Option<Vec<_>>>()?;
        let rows = [
            self.statements.keep(&mut blocks)?,
            self.conditions.keep(&mut blocks)?,
            self.patterns.keep(&mut blocks)?,
            self.lists.keep(&mut blocks)?,
        ];
        let head = CachedHead { program: &self.head, rows, index: self.index.clone() };
        Some((postcard::to_stdvec(&head).ok()?, blocks))
    }

    /// Changes a program that was just checked to the form in which it is cached: half as
    /// large, and a record is decoded when it is needed.
    pub fn pack(&mut self) {
        if matches!(self.statements, Row::Here(_))
            && let Some((head, blocks)) = self.to_parts()
            && let Some(packed) = CompiledProgram::from_parts(&head, blocks.into_iter().collect())
        {
            *self = packed;
        }
    }

    /// Whether a record differed from what was cached: results since then must
    /// not be believed.
    pub fn is_damaged(&self) -> bool {
        self.blocks.is_damaged()
    }

    /// Records damage: the program refers to something that does not exist.
    pub(crate) fn mark_damaged(&self) {
        self.blocks.mark_damaged();
    }

    /// A statement.
    pub fn statement(&self, at: usize) -> Option<&Statement> {
        self.statements.get(&self.blocks, at)
    }

    /// A condition.
    pub fn condition(&self, at: u32) -> Option<&Condition> {
        self.conditions.get(&self.blocks, at as usize)
    }

    /// A pattern.
    pub fn pattern(&self, at: u32) -> Option<&Pattern> {
        self.patterns.get(&self.blocks, at as usize)
    }

    /// How many lists there are.
    pub fn lists(&self) -> usize {
        self.lists.len()
    }

    /// A list.
    pub fn list(&self, at: u32) -> Option<&List> {
        self.lists.get(&self.blocks, at as usize)
    }

    /// Tells which rules can be skipped.
    pub fn prefilter(&self) -> Prefilter<'_> {
        Prefilter::new(&self.index, &self.blocks)
    }
}

impl CompiledProgram {
    /// What `set` said, for changes: a site may override it.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.head.settings
    }
}

impl Deref for CompiledProgram {
    type Target = Program;

    /// The head; the rows in it are empty.
    fn deref(&self) -> &Program {
        &self.head
    }
}

/// The records of one kind.
enum Row<T> {
    /// All of them, as they were checked.
    Here(Vec<T>),
    /// In blocks. A block starts with the ends of its records (u32 each,
    /// little-endian, counted from the first record on).
    Cached { extent: RowExtent, decoded: Vec<OnceLock<DecodedBlock<T>>> },
}

/// The records of a block that have been decoded. Boxed, since usually few are.
type DecodedBlock<T> = Box<[OnceLock<Box<T>>]>;

impl<T: Serialize + DeserializeOwned> Row<T> {
    /// From checked records. It may be kept for long, so spare capacity is released.
    fn from_records(records: &mut Vec<T>) -> Row<T> {
        records.shrink_to_fit();
        Row::Here(std::mem::take(records))
    }

    /// From the cache; `None` if there cannot be as many records as it says.
    fn from_cache(extent: RowExtent, blocks: &Blocks) -> Option<Row<T>> {
        let count = (extent.length as usize).div_ceil(RECORDS_PER_BLOCK);
        let end = (extent.block as usize).checked_add(count)?;
        (end <= blocks.len()).then_some(())?;
        let mut decoded = Vec::new();
        decoded.resize_with(count, OnceLock::new);
        Some(Row::Cached { extent, decoded })
    }

    fn len(&self) -> usize {
        match self {
            Row::Here(records) => records.len(),
            Row::Cached { extent, .. } => extent.length as usize,
        }
    }

    /// A record. `None` if there is no record with that number; a damaged one is
    /// also recorded.
    fn get(&self, blocks: &Blocks, at: usize) -> Option<&T> {
        let (extent, decoded) = match self {
            Row::Here(records) => return records.get(at),
            Row::Cached { extent, decoded } => (extent, decoded),
        };
        let after = self.len().checked_sub(at).filter(|after| *after > 0)?;
        let (before, at) = (at / RECORDS_PER_BLOCK, at % RECORDS_PER_BLOCK);
        let together = RECORDS_PER_BLOCK.min(at + after);
        let record = || {
            let decoded = decoded.get(before)?;
            let decoded = decoded.get_or_init(|| (0..together).map(|_| OnceLock::new()).collect());
            let place = decoded.get(at)?;
            if place.get().is_none() {
                let block = blocks.get((extent.block as usize).checked_add(before)?)?;
                let decoded = postcard::from_bytes(record(block, together, at)?).ok()?;
                let _ = place.set(Box::new(decoded));
            }
            place.get().map(Box::as_ref)
        };
        blocks.or_mark_damaged(record())
    }

    /// Puts the records into new blocks, unless they are already in blocks;
    /// `None` if they are too large.
    fn keep(&self, blocks: &mut Vec<Vec<u8>>) -> Option<RowExtent> {
        let records = match self {
            Row::Here(records) => records,
            Row::Cached { extent, .. } => return Some(*extent),
        };
        let extent = RowExtent {
            block: blocks.len().try_into().ok()?,
            length: records.len().try_into().ok()?,
        };
        for together in records.chunks(RECORDS_PER_BLOCK) {
            let (mut ends, mut bytes) = (Vec::new(), Vec::new());
            for record in together {
                bytes = postcard::to_extend(record, bytes).ok()?;
                ends.extend(u32::try_from(bytes.len()).ok()?.to_le_bytes());
            }
            ends.append(&mut bytes);
            blocks.push(ends);
        }
        Some(extent)
    }
}

/// The bytes of record `at` in a block of `together` records.
fn record(block: &[u8], together: usize, at: usize) -> Option<&[u8]> {
    let (ends, records) = block.split_at_checked(together * 4)?;
    let (ends, _) = ends.as_chunks::<4>();
    let place = |at: usize| ends.get(at).map(|end| u32::from_le_bytes(*end) as usize);
    let start = at.checked_sub(1).map_or(Some(0), place)?;
    records.get(start..place(at)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::program::StatementKind;
    use crate::source::Span;

    #[test]
    fn a_packed_program_is_the_same() {
        let action = |line| Statement { span: Span::default(), line, kind: StatementKind::Leave };
        let statements: Vec<Statement> = (1..=70).map(action).collect();
        let program = Program { statements: statements.clone(), ..Program::default() };
        let mut packed = CompiledProgram::new(program);
        packed.pack();
        assert!(matches!(packed.statements, Row::Cached { .. }));
        assert_eq!(packed.statements.len(), 70);
        for (at, statement) in statements.iter().enumerate() {
            assert_eq!(packed.statement(at), Some(statement));
        }
        assert_eq!((packed.statement(70), packed.conditions.len()), (None, 0));
    }

    #[test]
    fn every_record_is_found_at_its_number() {
        for count in [0, 1, 63, 64, 65, 128, 200] {
            let records: Vec<String> = (0..count).map(|n| "x".repeat(n % 7) + "y").collect();
            let mut from_cache = vec![vec![7]];
            let row = Row::Here(records.clone());
            let extent = row.keep(&mut from_cache).unwrap();
            assert_eq!(from_cache.len(), 1 + count.div_ceil(64));
            let blocks: Blocks = from_cache.into_iter().collect();
            let row = Row::<String>::from_cache(extent, &blocks).unwrap();
            for (at, record) in records.iter().enumerate() {
                assert_eq!(row.get(&blocks, at), Some(record), "{at}");
            }
            assert_eq!(row.get(&blocks, count), None);
            assert_eq!(row.get(&blocks, usize::MAX), None);
            assert!(!blocks.is_damaged());
            let longer = RowExtent { length: u32::MAX, block: 1 };
            assert!(Row::<String>::from_cache(longer, &blocks).is_none());
        }
    }
}
