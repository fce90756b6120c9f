//! A program as it is evaluated and kept: rkyv's bytes for what every delivery
//! asks, and rows of records for what there may be thousands of.
//!
//! ```text
//! length of the rows (u32, little-endian); the rows; the head
//! ```

use std::ops::Deref;

use rkyv::rancor::{Error, Failure};
use rkyv::with::Inline;
use rkyv::{Archive, Serialize};

use super::index::{LaidIndex, Ways};
use super::program::{
    ArchivedCondition, ArchivedExpectation, ArchivedList, ArchivedPattern, ArchivedProgram,
    ArchivedStatement, Program,
};
use super::records::Row;

/// What is at hand from the start.
#[derive(Archive, Serialize)]
struct Head<'p> {
    #[rkyv(with = Inline)]
    program: &'p Program,
    rows: Rows,
}

/// Where the rows are.
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
    /// Where in them the program starts.
    start: usize,
}

impl Compiled {
    /// Lays a program out. `None` if it is too large to lay out, or refers to
    /// what is not there.
    pub fn new(program: &Program) -> Option<Compiled> {
        let compiled = Compiled { bytes: lay_out(program)?, start: 0 };
        compiled.program()?.is_sound().then_some(())?;
        Some(compiled)
    }

    /// Takes in bytes from elsewhere, with a program from `start` to their
    /// end; `None` if there is none. Its records are looked at when they are
    /// asked for: evaluation ends and says so, should one be damaged.
    pub fn from_bytes(bytes: Vec<u8>, start: usize) -> Option<Compiled> {
        let compiled = Compiled { bytes, start };
        compiled.program()?;
        Some(compiled)
    }

    /// The program as it is kept.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// The program in place; `None` only for bytes that are no program.
    pub fn program(&self) -> Option<Laid<'_>> {
        let (length, rest) = self.bytes().split_first_chunk()?;
        let (rows, head) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        // An error without words: that there is one is all that counts.
        let head = rkyv::access::<ArchivedHead, Failure>(head).ok()?;
        Some(Laid { program: &head.program, at: &head.rows, rows })
    }
}

fn lay_out(program: &Program) -> Option<Vec<u8>> {
    let mut rows = Vec::new();
    let all = &mut rows;
    let at = Rows {
        statements: Row::of(&program.statements, all)?,
        conditions: Row::of(&program.conditions, all)?,
        patterns: Row::of(&program.patterns, all)?,
        lists: Row::of(&program.lists, all)?,
        expectations: Row::of(&program.expectations, all)?,
        index: program.index.lay_out(all)?,
    };
    let head = rkyv::to_bytes::<Error>(&Head { program, rows: at }).ok()?;
    let length = u32::try_from(rows.len()).ok()?.to_le_bytes();
    Some([&length[..], &rows, &head].concat())
}

/// A program in place.
#[derive(Clone, Copy)]
pub struct Laid<'a> {
    program: &'a ArchivedProgram,
    at: &'a ArchivedRows,
    rows: &'a [u8],
}

impl Deref for Laid<'_> {
    type Target = ArchivedProgram;

    fn deref(&self) -> &ArchivedProgram {
        self.program
    }
}

impl<'a> Laid<'a> {
    /// All but the rows.
    pub fn head(self) -> &'a ArchivedProgram {
        self.program
    }

    /// How many statements there are.
    pub fn statements(self) -> usize {
        self.at.statements.len()
    }

    /// A statement.
    pub fn statement(self, at: usize) -> Option<&'a ArchivedStatement> {
        self.at.statements.get(self.rows, at)
    }

    /// How many conditions there are.
    pub fn conditions(self) -> usize {
        self.at.conditions.len()
    }

    /// A condition.
    pub fn condition(self, at: u32) -> Option<&'a ArchivedCondition> {
        self.at.conditions.get(self.rows, at as usize)
    }

    /// How many patterns there are.
    pub fn patterns(self) -> usize {
        self.at.patterns.len()
    }

    /// A pattern.
    pub fn pattern(self, at: u32) -> Option<&'a ArchivedPattern> {
        self.at.patterns.get(self.rows, at as usize)
    }

    /// How many lists there are.
    pub fn lists(self) -> usize {
        self.at.lists.len()
    }

    /// A list.
    pub fn list(self, at: u32) -> Option<&'a ArchivedList> {
        self.at.lists.get(self.rows, at as usize)
    }

    /// How many `expect`s there are.
    pub fn expectations(self) -> usize {
        self.at.expectations.len()
    }

    /// An `expect`.
    pub fn expectation(self, at: usize) -> Option<&'a ArchivedExpectation> {
        self.at.expectations.get(self.rows, at)
    }

    /// What tells which rules can be passed over.
    pub fn ways(self) -> Ways<'a> {
        Ways::new(&self.at.index, self.rows)
    }
}
