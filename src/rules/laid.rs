//! A program as it is evaluated and kept: a head, laid out by rkyv, with what
//! every delivery asks, and blocks of what there may be thousands of.

use std::ops::Deref;

use rkyv::rancor::{Error, Failure};
use rkyv::with::Inline;
use rkyv::{Archive, Serialize};

use super::blocks::{Blocks, Row};
use super::index::{LaidIndex, Ways};
use super::program::{
    ArchivedCondition, ArchivedExpectation, ArchivedList, ArchivedPattern, ArchivedProgram,
    ArchivedStatement, Program,
};

/// What is at hand from the start.
#[derive(Archive, Serialize)]
struct Head<'p> {
    #[rkyv(with = Inline)]
    program: &'p Program,
    rows: Rows,
}

/// Where the rows of records are.
#[derive(Archive, Serialize)]
struct Rows {
    statements: Row,
    conditions: Row,
    patterns: Row,
    lists: Row,
    expectations: Row,
    index: LaidIndex,
}

/// A program that is laid out.
pub struct Compiled {
    bytes: Vec<u8>,
    /// Where in them the head starts.
    start: usize,
    blocks: Blocks,
}

impl Compiled {
    /// Lays a program out. `None` if it is too large to lay out, or refers to
    /// what is not there.
    pub fn new(program: &Program) -> Option<Compiled> {
        let mut blocks = Blocks::default();
        let rows = Rows {
            statements: Row::of(&program.statements, &mut blocks)?,
            conditions: Row::of(&program.conditions, &mut blocks)?,
            patterns: Row::of(&program.patterns, &mut blocks)?,
            lists: Row::of(&program.lists, &mut blocks)?,
            expectations: Row::of(&program.expectations, &mut blocks)?,
            index: program.index.lay_out(&mut blocks)?,
        };
        let bytes = rkyv::to_bytes::<Error>(&Head { program, rows }).ok()?.into_vec();
        let compiled = Compiled { bytes, start: 0, blocks };
        compiled.program()?.is_sound().then_some(())?;
        Some(compiled)
    }

    /// Takes one in from elsewhere, its head from `start` to the end of the
    /// bytes; `None` if there is none. Its blocks are looked at when they are
    /// asked for: evaluation ends if one is damaged, see [`Laid::is_damaged`].
    pub fn from_parts(bytes: Vec<u8>, start: usize, blocks: Blocks) -> Option<Compiled> {
        let compiled = Compiled { bytes, start, blocks };
        compiled.program()?;
        Some(compiled)
    }

    /// The head as it is kept.
    pub fn head(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// The blocks as they are kept.
    pub fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    /// The program in place; `None` only for bytes that are no program.
    pub fn program(&self) -> Option<Laid<'_>> {
        // An error without words: that there is one is all that counts.
        let head = rkyv::access::<ArchivedHead, Failure>(self.head()).ok()?;
        let rows = &head.rows;
        let rows =
            [&rows.statements, &rows.conditions, &rows.patterns, &rows.lists, &rows.expectations];
        rows.iter().all(|row| row.fits(&self.blocks)).then_some(())?;
        Some(Laid { program: &head.program, rows: &head.rows, blocks: &self.blocks })
    }
}

/// A program in place.
#[derive(Clone, Copy)]
pub struct Laid<'a> {
    program: &'a ArchivedProgram,
    rows: &'a ArchivedRows,
    blocks: &'a Blocks,
}

impl Deref for Laid<'_> {
    type Target = ArchivedProgram;

    fn deref(&self) -> &ArchivedProgram {
        self.program
    }
}

impl<'a> Laid<'a> {
    /// Something of it that was asked for is not what was laid out: what came
    /// of it since then is not to be believed.
    pub fn is_damaged(self) -> bool {
        self.blocks.is_damaged()
    }

    /// Notes that it is so: it refers to what is not there.
    pub(crate) fn damage(self) {
        self.blocks.damage();
    }

    /// All but what lies in rows.
    pub fn head(self) -> &'a ArchivedProgram {
        self.program
    }

    /// How many statements there are.
    pub fn statements(self) -> usize {
        self.rows.statements.len()
    }

    /// A statement.
    pub fn statement(self, at: usize) -> Option<&'a ArchivedStatement> {
        self.rows.statements.get(self.blocks, at)
    }

    /// How many conditions there are.
    pub fn conditions(self) -> usize {
        self.rows.conditions.len()
    }

    /// A condition.
    pub fn condition(self, at: u32) -> Option<&'a ArchivedCondition> {
        self.rows.conditions.get(self.blocks, at as usize)
    }

    /// How many patterns there are.
    pub fn patterns(self) -> usize {
        self.rows.patterns.len()
    }

    /// A pattern.
    pub fn pattern(self, at: u32) -> Option<&'a ArchivedPattern> {
        self.rows.patterns.get(self.blocks, at as usize)
    }

    /// How many lists there are.
    pub fn lists(self) -> usize {
        self.rows.lists.len()
    }

    /// A list.
    pub fn list(self, at: u32) -> Option<&'a ArchivedList> {
        self.rows.lists.get(self.blocks, at as usize)
    }

    /// How many `expect`s there are.
    pub fn expectations(self) -> usize {
        self.rows.expectations.len()
    }

    /// An `expect`.
    pub fn expectation(self, at: usize) -> Option<&'a ArchivedExpectation> {
        self.rows.expectations.get(self.blocks, at)
    }

    /// What tells which rules can be passed over.
    pub fn ways(self) -> Ways<'a> {
        Ways::new(&self.rows.index, self.blocks)
    }
}
