//! Which of many rules a message cannot match.
//!
//! A rule often cannot hold unless a field contains one of a few words. For each
//! such word, one piece of up to four bytes is kept: the one that the fewest
//! rules have. One scan of the field then finds all rules that can hold, and the
//! others can be skipped. Nothing else is decided here: rules that can hold are
//! evaluated as if there were no index, and a rule is skipped only if evaluating
//! it would do nothing but return no.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::blocks::{Blocks, Numbers};
use super::program::{
    Condition, ConditionKind, Entries, Field, Pattern, Program, StatementKind, TextOperator,
};

/// The longest piece, bytes.
const PIECE: usize = 4;
/// How many words may guard one rule.
const MOST_WORDS: usize = 64;
/// With fewer rules that test a header, evaluating each is as fast.
const FEWEST_RULES: usize = 8;
/// The same for a body, which is longer.
const FEWEST_RULES_OF_BODY: usize = 32;

/// The rules that can be skipped, and when.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Index {
    /// One guard for each statement; empty if none is guarded.
    pub guards: Vec<Guard>,
    /// Sets of places, by index into `places`.
    pub sets: Vec<Vec<u32>>,
    /// Where words are searched.
    pub places: Vec<IndexPlace>,
}

/// When a statement can be skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Guard {
    /// 1 + the index of a set of places: if the rule holds, one of these places contains
    /// one of its words. 0 if that is unknown.
    pub set: u32,
    /// Where the run continues after a rule that does not hold.
    pub end: u32,
}

/// A field in the form with which words are compared.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexPlace {
    /// Index into [`Program::fields`].
    pub field: u32,
    /// The form of its values.
    pub form: ValueForm,
    /// Bit `n` is set if there are pieces of `n` bytes.
    pub lengths: u8,
    /// The pieces, in order; short ones padded with zeros.
    pub pieces: Vec<u32>,
    /// For each of them the rule that it belongs to: a statement.
    pub rules: Vec<u32>,
}

/// The forms of a value.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ValueForm {
    /// For `is`, `starts`, `ends`, `like`.
    Exact,
    /// For `contains`.
    Wide,
    /// For patterns, with ASCII letters in lower case.
    Lower,
}

/// An index as it is cached.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
pub struct CachedIndex {
    guards: Numbers,
    sets: Vec<Vec<u32>>,
    places: Vec<CachedPlace>,
}

/// A place as it is cached.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct CachedPlace {
    /// See [`IndexPlace`].
    pub field: u32,
    /// The form of its values.
    pub form: ValueForm,
    lengths: u8,
    /// A bloom filter: a bit for each piece, by its hash; the number of bits is a
    /// power of two.
    filter: Numbers,
    pieces: Numbers,
    rules: Numbers,
}

impl Index {
    /// Puts its numbers into blocks.
    pub(super) fn keep(&self, blocks: &mut Blocks) -> CachedIndex {
        let guards: Vec<u32> =
            self.guards.iter().flat_map(|guard| [guard.set, guard.end]).collect();
        let guards = Numbers::of(&guards, blocks);
        let places = self.places.iter().map(|place| {
            let mut filter =
                vec![0_u32; (place.pieces.len() / 4).next_power_of_two().clamp(16, 4096)];
            for piece in &place.pieces {
                let (word, bit) = bit(*piece, filter.len());
                if let Some(word) = filter.get_mut(word) {
                    *word |= bit;
                }
            }
            CachedPlace {
                field: place.field,
                form: place.form,
                lengths: place.lengths,
                filter: Numbers::of(&filter, blocks),
                pieces: Numbers::of(&place.pieces, blocks),
                rules: Numbers::of(&place.rules, blocks),
            }
        });
        let places = places.collect();
        CachedIndex { guards, sets: self.sets.clone(), places }
    }
}

/// The place of a piece's bit in a filter of this many words (of 32 bits).
fn bit(piece: u32, words: usize) -> (usize, u32) {
    let hash = piece.wrapping_mul(0x9e37_79b1);
    let bits = (words as u32).wrapping_mul(32).max(32);
    let at = hash >> (32 - bits.trailing_zeros());
    ((at / 32) as usize, 1 << (at % 32))
}

/// An index with its blocks.
#[derive(Clone, Copy)]
pub struct Prefilter<'a> {
    index: &'a CachedIndex,
    blocks: &'a Blocks,
    guards: &'a [[u8; 8]],
}

impl<'a> Prefilter<'a> {
    pub(super) fn new(index: &'a CachedIndex, blocks: &'a Blocks) -> Prefilter<'a> {
        Prefilter { index, blocks, guards: index.guards.get(blocks).unwrap_or_default() }
    }

    /// The number of statements about which something may be known.
    pub fn len(self) -> usize {
        self.guards.len()
    }

    /// Whether nothing is known about any statement.
    pub fn is_empty(self) -> bool {
        self.guards.is_empty()
    }

    /// When a statement can be skipped: a set, and where the run continues after
    /// the statement.
    pub fn guard(self, at: usize) -> Option<(usize, usize)> {
        let [a, b, c, d, e, f, g, h] = *self.guards.get(at)?;
        let set = u32::from_le_bytes([a, b, c, d]).checked_sub(1)?;
        Some((set as usize, u32::from_le_bytes([e, f, g, h]) as usize))
    }

    /// How many sets there are.
    pub fn sets(self) -> usize {
        self.index.sets.len()
    }

    /// The places of a set.
    pub fn set(self, at: usize) -> Option<impl Iterator<Item = usize> + 'a> {
        Some(self.index.sets.get(at)?.iter().map(|place| *place as usize))
    }

    /// How many places there are.
    pub fn places(self) -> usize {
        self.index.places.len()
    }

    /// A place.
    pub fn place(self, at: usize) -> Option<&'a CachedPlace> {
        self.index.places.get(at)
    }

    /// Passes to `found` each rule that has a piece in a text. `None` if the index is
    /// damaged.
    pub fn find(
        self,
        place: &CachedPlace,
        text: impl Iterator<Item = u8>,
        mut found: impl FnMut(usize),
    ) -> Option<()> {
        let filter = place.filter.get::<4>(self.blocks)?;
        let pieces = place.pieces.get::<4>(self.blocks)?;
        let rules = place.rules.get::<4>(self.blocks)?;
        filter.len().is_power_of_two().then_some(())?;
        let lengths = place.lengths;
        let mut last: u32 = 0;
        for byte in text {
            last = last >> 8 | u32::from(byte) << 24;
            for length in 1..=PIECE {
                if lengths & 1 << length == 0 {
                    continue;
                }
                let piece = last >> (8 * (PIECE - length));
                let (word, bit) = bit(piece, filter.len());
                if u32::from_le_bytes(*filter.get(word)?) & bit == 0 {
                    continue;
                }
                let first =
                    pieces.partition_point(|piece_bytes| u32::from_le_bytes(*piece_bytes) < piece);
                let same = pieces.get(first..)?.iter().zip(rules.get(first..)?);
                for (_, rule) in
                    same.take_while(|(piece_bytes, _)| u32::from_le_bytes(**piece_bytes) == piece)
                {
                    found(u32::from_le_bytes(*rule) as usize);
                }
            }
        }
        Some(())
    }
}

/// The words of which a message must have one if the condition holds. The cost is that
/// of the most common piece among them.
#[derive(Debug, Clone, Default)]
struct Need {
    words: Vec<(PlaceKey, u32, u8)>,
    cost: usize,
}

type PlaceKey = (u32, ValueForm);

/// What is known about a condition.
#[derive(Debug, Clone, Default)]
struct ConditionFacts {
    need: Option<Need>,
    /// Evaluating it has no effect apart from its result.
    pure: bool,
}

impl Index {
    /// The index of a program, which does not change the program's meaning.
    pub fn of(program: &Program) -> Index {
        let builder = IndexBuilder { program, counts: counts(program) };
        let needs = builder.needs();
        let mut by_place: BTreeMap<PlaceKey, usize> = BTreeMap::new();
        for need in needs.values() {
            let mut places: Vec<PlaceKey> = need.words.iter().map(|word| word.0).collect();
            places.sort_unstable();
            places.dedup();
            places.into_iter().for_each(|place| *by_place.entry(place).or_default() += 1);
        }
        by_place.retain(|place, rules| *rules >= builder.fewest(place.0));
        let numbers: HashMap<PlaceKey, u32> =
            (0..).zip(by_place.keys()).map(|(number, place)| (*place, number)).collect();

        let mut index = Index::default();
        let mut sets: HashMap<Vec<u32>, u32> = HashMap::new();
        let mut words: Vec<Vec<(u32, u32)>> = vec![Vec::new(); numbers.len()];
        let mut lengths = vec![0_u8; numbers.len()];
        for (statement, need) in needs {
            let places = need.words.iter().map(|word| numbers.get(&word.0).copied());
            let Some(mut set) = places.collect::<Option<Vec<u32>>>() else { continue };
            for ((_, piece, length), place) in need.words.iter().zip(&set) {
                if let Some(words) = words.get_mut(*place as usize) {
                    words.push((*piece, statement as u32));
                }
                if let Some(lengths) = lengths.get_mut(*place as usize) {
                    *lengths |= 1 << length;
                }
            }
            set.sort_unstable();
            set.dedup();
            let next = sets.len() as u32 + 1;
            let number = *sets.entry(set.clone()).or_insert_with(|| {
                index.sets.push(set);
                next
            });
            if index.guards.is_empty() {
                index.guards = vec![Guard::default(); program.statements.len()];
            }
            if let Some(StatementKind::When { end, .. }) =
                program.statements.get(statement).map(|statement| &statement.kind)
                && let Some(guard) = index.guards.get_mut(statement)
            {
                *guard = Guard { set: number, end: *end };
            }
        }
        for (((field, form), mut words), lengths) in by_place.into_keys().zip(words).zip(lengths) {
            words.sort_unstable();
            words.dedup();
            let (pieces, rules): (Vec<u32>, Vec<u32>) = words.into_iter().unzip();
            index.places.push(IndexPlace { field, form, lengths, pieces, rules });
        }
        index
    }
}

struct IndexBuilder<'p> {
    program: &'p Program,
    /// How many words have each piece.
    counts: HashMap<u32, usize>,
}

impl IndexBuilder<'_> {
    /// What each rule needs, by its statement.
    fn needs(&self) -> BTreeMap<usize, Need> {
        let mut known: Vec<ConditionFacts> = Vec::with_capacity(self.program.conditions.len());
        for condition in &self.program.conditions {
            let next = self.judge(condition, &known);
            known.push(next);
        }
        let rules = self.program.statements.iter().enumerate();
        let needs = rules.filter_map(|(at, statement)| match &statement.kind {
            StatementKind::When { condition: Some(condition), .. } => {
                Some((at, known.get(*condition as usize)?.need.clone()?))
            }
            _ => None,
        });
        needs.collect()
    }

    fn judge(&self, condition: &Condition, known: &[ConditionFacts]) -> ConditionFacts {
        let facts_of = |index: &u32| known.get(*index as usize).cloned().unwrap_or_default();
        match &condition.kind {
            ConditionKind::All(parts) => self.all(parts.iter().map(facts_of)),
            ConditionKind::Any(parts) => self.any(parts.iter().map(facts_of)),
            ConditionKind::Not(part) => ConditionFacts { need: None, pure: facts_of(part).pure },
            ConditionKind::Define(define) => {
                let define = self.program.defines.get(*define as usize);
                define.map(|define| facts_of(&define.condition)).unwrap_or_default()
            }
            ConditionKind::Text { field, operator, needles } => {
                let form = match operator {
                    TextOperator::Contains => ValueForm::Wide,
                    _ => ValueForm::Exact,
                };
                let words = needles.iter().map(|needle| self.word(operator, &needle.folded));
                let need = self.one_of((*field, form), words);
                ConditionFacts { need, pure: self.is_pure(*field) }
            }
            ConditionKind::Matches { field, patterns } => {
                let place = (*field, ValueForm::Lower);
                let words = patterns.iter().map(|pattern| {
                    let pattern = self.program.patterns.get(*pattern as usize)?;
                    self.best_set(pattern)
                });
                let words: Option<Vec<_>> = words.collect();
                let words = words.into_iter().flatten().flatten();
                let need = self.one_of(place, words.map(|word| self.piece(word)));
                let need = need.filter(|need| !need.words.is_empty());
                ConditionFacts { need, pure: self.is_pure(*field) }
            }
            ConditionKind::In { field, list } => {
                let list = self.program.lists.get(*list as usize);
                let inline = list.is_some_and(|list| matches!(list.entries, Entries::Inline(_)));
                ConditionFacts { need: None, pure: inline && self.is_pure(*field) }
            }
            ConditionKind::Has(field)
            | ConditionKind::Network { field, .. }
            | ConditionKind::Compare { field, .. }
            | ConditionKind::Within { field, .. } => {
                ConditionFacts { need: None, pure: self.is_pure(*field) }
            }
            ConditionKind::Classifier(_)
            | ConditionKind::Duplicate { .. }
            | ConditionKind::FolderExists(_) => ConditionFacts::default(),
        }
    }

    /// The best of what the parts need, as long as the parts before have no
    /// effect: skipping the rule would skip that effect.
    fn all(&self, parts: impl Iterator<Item = ConditionFacts>) -> ConditionFacts {
        let mut all = ConditionFacts { need: None, pure: true };
        for (at, part) in parts.enumerate() {
            if let Some(need) = part.need
                && (at == 0 || all.pure && self.is_pure_need(&need))
                && all.need.as_ref().is_none_or(|best| need.cost < best.cost)
            {
                all.need = Some(need);
            }
            all.pure &= part.pure;
        }
        all
    }

    /// The needs of all parts together.
    fn any(&self, parts: impl Iterator<Item = ConditionFacts>) -> ConditionFacts {
        let mut any = ConditionFacts { need: Some(Need::default()), pure: true };
        for (at, part) in parts.enumerate() {
            any.pure &= part.pure;
            any.need = match (any.need, part.need) {
                (Some(mut sum), Some(need))
                    if sum.words.len() + need.words.len() <= MOST_WORDS
                        && (at == 0 || self.is_pure_need(&need)) =>
                {
                    sum.words.extend(need.words);
                    sum.cost = sum.cost.max(need.cost);
                    Some(sum)
                }
                _ => None,
            };
        }
        any.need = any.need.filter(|need| !need.words.is_empty());
        any
    }

    fn one_of(
        &self,
        place: PlaceKey,
        words: impl Iterator<Item = Option<(u32, u8, usize)>>,
    ) -> Option<Need> {
        if !matches!(
            self.program.fields.get(place.0 as usize)?,
            Field::Header(_)
                | Field::Headers
                | Field::RawHeaders
                | Field::Address(..)
                | Field::AddressesIn(..)
                | Field::Body
        ) {
            return None;
        }
        let mut need = Need::default();
        for word in words {
            let (piece, length, cost) = word?;
            need.words.push((place, piece, length));
            need.cost = need.cost.max(cost);
        }
        (!need.words.is_empty() && need.words.len() <= MOST_WORDS).then_some(need)
    }

    /// A piece of any text that matches.
    fn word(&self, operator: &TextOperator, needle: &str) -> Option<(u32, u8, usize)> {
        match operator {
            TextOperator::Resembles => None,
            TextOperator::Like => {
                // Classes and escapes are not interpreted here.
                let plain = needle.split(['[', '\\']).next()?;
                self.piece(plain.split(['*', '?']).max_by_key(|part| part.len())?)
            }
            _ => self.piece(needle),
        }
    }

    /// The set of a pattern whose pieces are rarest.
    fn best_set<'a>(&self, pattern: &'a Pattern) -> Option<Vec<&'a str>> {
        let cost = |set: &Vec<String>| {
            let costs = set.iter().map(|word| self.piece(word).map_or(usize::MAX, |it| it.2));
            costs.max().unwrap_or(usize::MAX)
        };
        let best = pattern.literals.iter().min_by_key(|set| cost(set))?;
        Some(best.iter().map(String::as_str).collect())
    }

    /// The piece of a word that the fewest words have, its length and cost.
    fn piece(&self, word: &str) -> Option<(u32, u8, usize)> {
        let count = |piece: &u32| self.counts.get(piece).copied().unwrap_or(0);
        let rarest = pieces(word).min_by_key(|piece| (count(piece), *piece))?;
        let length = word.len().min(PIECE);
        // Many texts contain a short one.
        let cost = count(&rarest) << (8 * (PIECE - length));
        Some((rarest, length as u8, cost))
    }

    fn is_pure_need(&self, need: &Need) -> bool {
        need.words.iter().all(|word| self.is_pure(word.0.0))
    }

    /// Whether looking a field up reads only the header block and cannot fail.
    fn is_pure(&self, field: u32) -> bool {
        let field = self.program.fields.get(field as usize);
        matches!(
            field,
            Some(
                Field::Header(_)
                    | Field::Headers
                    | Field::RawHeaders
                    | Field::Address(..)
                    | Field::AddressesIn(..)
            )
        )
    }

    fn fewest(&self, field: u32) -> usize {
        if self.is_pure(field) { FEWEST_RULES } else { FEWEST_RULES_OF_BODY }
    }
}

/// The number of words that have each piece.
fn counts(program: &Program) -> HashMap<u32, usize> {
    let mut counts = HashMap::new();
    let mut count = |word: &str| pieces(word).for_each(|it| *counts.entry(it).or_default() += 1);
    for condition in &program.conditions {
        if let ConditionKind::Text { needles, .. } = &condition.kind {
            needles.iter().for_each(|needle| count(&needle.folded));
        }
    }
    let sets = program.patterns.iter().flat_map(|pattern| &pattern.literals);
    sets.flatten().for_each(|word| count(word));
    counts
}

/// The pieces of a word: all of the maximum length, or the whole word if it is shorter.
fn pieces(word: &str) -> impl Iterator<Item = u32> {
    let length = word.len().clamp(1, PIECE);
    word.as_bytes()
        .windows(length)
        .map(|piece| piece.iter().rev().fold(0, |all: u32, byte| all << 8 | u32::from(*byte)))
}
