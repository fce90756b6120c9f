//! Flags and keywords, RFC 5232: those set so far, those of a delivery, and those that a
//! variable holds.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::act::{FlagsHere, SieveAct};
use super::action::when;
use super::arguments::Arguments;
use super::compare::{MatchType, matching};
use super::context::Lowering;
use super::parse::Node;
use super::regex::is_keyword_character;
use super::script::is_set;
use super::string_test::counted;
use super::variables::{KnownValue, VariablePiece};
use crate::import::ir::{Cond, Effect, Mark, literal};

/// Flags of a delivery.
#[derive(Default)]
pub(super) struct SieveMarks {
    pub(super) here: Vec<Mark>,
    pub(super) again: Vec<Effect>,
}

impl Lowering<'_> {
    /// `:flags`, which replace those set so far.
    pub(super) fn flags_of(&mut self, arguments: &Arguments<'_>) -> Result<FlagsHere, String> {
        let own = match arguments.tagged("flags") {
            Some(written) => Some(self.flags(written)?.into_iter().collect()),
            None => None,
        };
        let (must, may) = (self.state.flags_must.clone(), self.state.flags_may.clone());
        Ok(FlagsHere { own, must, may })
    }

    /// Flags as written: one string may hold several.
    fn flags(&mut self, written: &[String]) -> Result<Vec<Mark>, String> {
        let mut flags = Vec::new();
        for text in written {
            let expansion = self.expand(text)?;
            let Some(text) = expansion.constant() else {
                if !expansion.0.iter().all(|piece| self.is_word(piece)) {
                    self.approximately(
                        "Sieve makes several keywords of a value with blanks, and mfilter one",
                    );
                }
                let template = self.template(&expansion, "");
                flags.push(Mark::Keyword(template));
                continue;
            };
            for word in text.split_whitespace() {
                flags.extend(flag(word)?);
            }
        }
        Ok(flags)
    }

    /// Whether a piece consists of what a keyword may consist of. Sieve makes a keyword of
    /// each word otherwise, or none.
    pub(super) fn is_word(&self, piece: &VariablePiece) -> bool {
        match piece {
            VariablePiece::Text(text) => text.chars().all(is_keyword_character),
            VariablePiece::Group(group) => self.state.one_level.contains(group),
            VariablePiece::Variable(key) => {
                self.state.variables.get(key).is_some_and(KnownValue::is_word)
            }
            VariablePiece::Date(template) => {
                let inner = template.trim_start_matches('{').trim_end_matches('}');
                inner.rsplit(':').next().is_some_and(|format| {
                    format.split('%').skip(1).all(|part| part.len() == 1)
                        && format.starts_with('%')
                        && !format.contains(['a', 'A', 'b', 'B', 'c', 'x', 'z', 'Z'])
                })
            }
        }
    }

    pub(super) fn flag_action(
        &mut self,
        node: &Node,
        arguments: &Arguments<'_>,
        acts: &mut Vec<SieveAct>,
    ) -> Result<(), String> {
        arguments.unknown(&[])?;
        if arguments.count() > 1 {
            return self.flag_variable(node, arguments, acts);
        }
        self.spend_branch()?;
        self.spend_strings(arguments.strings(0)?)?;
        let flags: BTreeSet<Mark> = self.flags(arguments.strings(0)?)?.into_iter().collect();
        let list = |flags: BTreeSet<Mark>| flags.into_iter().collect::<Vec<_>>();
        let (mut must, mut may) =
            ((*self.state.flags_must).clone(), (*self.state.flags_may).clone());
        let mut unmark = BTreeSet::new();
        let mut mark = BTreeSet::new();
        match node.name.as_str() {
            "setflag" => {
                unmark = &may - &flags;
                mark = flags.clone();
                (must, may) = (flags.clone(), flags);
            }
            "addflag" => {
                mark = flags.clone();
                must.extend(flags.iter().cloned());
                may.extend(flags);
            }
            _ => {
                unmark = &may & &flags;
                must = &must - &flags;
                may = &may - &flags;
            }
        }
        (self.state.flags_must, self.state.flags_may) = (Rc::new(must), Rc::new(may));
        if !unmark.is_empty() {
            acts.push(SieveAct::Change(Effect::Unmark(list(unmark))));
        }
        if !mark.is_empty() {
            acts.push(SieveAct::Change(Effect::Mark(list(mark))));
        }
        Ok(())
    }

    /// Flags in a variable, RFC 5232 §2: known, or impossible to express.
    fn flag_variable(
        &mut self,
        node: &Node,
        arguments: &Arguments<'_>,
        acts: &mut Vec<SieveAct>,
    ) -> Result<(), String> {
        let key = self.key(arguments.string(0)?);
        let flags = self.constants(arguments.strings(1)?)?;
        let words = flags.iter().flat_map(|text| text.split_whitespace()).map(str::to_owned);
        let mut all: Vec<String> = match self.state.variables.get(&key) {
            None => Vec::new(),
            Some(KnownValue::Text(text)) => text.split_whitespace().map(str::to_owned).collect(),
            Some(_) => return Err("which flags a variable holds depends on the message".into()),
        };
        let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
        match node.name.as_str() {
            "setflag" | "addflag" => {
                if node.name == "setflag" {
                    all.clear();
                }
                for word in words {
                    if !all.iter().any(|known| same(known, &word)) {
                        all.push(word);
                    }
                }
            }
            _ => {
                let gone: Vec<String> = words.collect();
                all.retain(|known| !gone.iter().any(|word| same(known, word)));
            }
        }
        if self.is_changing(arguments.string(0)?) || self.shares_variables() {
            let ours = self.our_name(&key);
            acts.push(SieveAct::Other(Effect::Let(ours, literal(&all.join(" ")))));
        }
        let value = KnownValue::Text(all.join(" "));
        Rc::make_mut(&mut self.state.variables).insert(key, value);
        Ok(())
    }

    /// The flags that a delivery names, and which of those set before have to be removed
    /// for it and set again.
    pub(super) fn flags_for(
        &mut self,
        flags: FlagsHere,
        last: bool,
        effects: &mut Vec<Effect>,
    ) -> Result<Option<SieveMarks>, String> {
        let FlagsHere { own: Some(flags), must, may } = flags else { return Ok(None) };
        let extra = &*may - &flags;
        let uncertain = &*may - &*must;
        let mut again = Vec::new();
        for flag in extra.iter().filter(|_| !last) {
            if !uncertain.contains(flag) {
                again.push(Effect::Mark(vec![flag.clone()]));
                continue;
            }
            // Remember whether it was set.
            let name = self.fresh_name("was-set");
            effects.push(when(is_set(flag), Effect::Let(name.clone(), "yes".into())));
            let was_set = Cond::Word(format!("has {name}"));
            again.push(when(was_set, Effect::Mark(vec![flag.clone()])));
        }
        if !extra.is_empty() {
            effects.push(Effect::Unmark(extra.iter().cloned().collect()));
        }
        Ok(Some(SieveMarks { here: flags.difference(&must).cloned().collect(), again }))
    }

    /// RFC 5232 §4: by what is known of the flags set so far.
    pub(super) fn flag_test(&mut self, arguments: &Arguments<'_>) -> Result<Cond, String> {
        let how = matching(arguments, &[])?;
        let (variables, keys) = match arguments.count() {
            1 => (&[][..], arguments.strings(0)?),
            _ => (arguments.strings(0)?, arguments.strings(1)?),
        };
        let keys = self.constants(keys)?;
        self.spend(keys.len().saturating_mul(self.state.size() + variables.len()))?;
        if !variables.is_empty() {
            let mut tests = Vec::new();
            for name in variables {
                let key = self.key(name);
                let flags = match self.state.variables.get(&key) {
                    None => Vec::new(),
                    Some(KnownValue::Text(text)) => text.split(' ').map(str::to_owned).collect(),
                    Some(_) => return Err("which flags a variable holds is not known".into()),
                };
                if let MatchType::Count(relation) = how.kind {
                    let flags = flags.iter().filter(|flag| !flag.is_empty());
                    let flags: BTreeSet<String> =
                        flags.map(|flag| flag.to_ascii_lowercase()).collect();
                    tests.push(counted(flags.len(), relation, &keys));
                    continue;
                }
                let keys = keys.iter().flat_map(|key| key.split(' '));
                let keys: Vec<String> =
                    keys.filter(|key| !key.is_empty()).map(str::to_owned).collect();
                tests.push(self.known_text(&flags, how, &keys)?);
            }
            return Ok(Cond::any(tests));
        }
        if let Some(why) = &self.state.flags_lost {
            return Err(why.clone());
        }
        let (must, may) = (self.state.flags_must.clone(), self.state.flags_may.clone());
        if let MatchType::Count(relation) = how.kind {
            if must != may {
                return Err("how many flags are set depends on the message".into());
            }
            return Ok(counted(must.len(), relation, &keys));
        }
        let mut tests = Vec::new();
        for flag in may.iter() {
            let name = sieve_flag(flag);
            let keys = keys.iter().flat_map(|key| key.split(' ')).filter(|key| !key.is_empty());
            let mut fits = false;
            for key in keys {
                fits |= how.fits(&name, key).ok_or("flags are compared by a regular expression")?;
            }
            if fits && must.contains(flag) {
                return Ok(Cond::Always);
            }
            if fits {
                self.stateful = true;
                tests.push(is_set(flag));
            }
        }
        Ok(Cond::any(tests))
    }
}

/// An IMAP flag; none for those that clients cannot set.
fn flag(word: &str) -> Result<Option<Mark>, String> {
    if let Some(system) = word.strip_prefix('\\') {
        let system = system.to_ascii_lowercase();
        return Ok(Some(Mark::Flag(match system.as_str() {
            "seen" => "seen",
            "answered" => "replied",
            "flagged" => "flagged",
            "deleted" => "trashed",
            "draft" => "draft",
            _ => return Ok(None),
        })));
    }
    if !word.chars().all(is_keyword_character) || word.len() > 100 {
        return Err(format!("`{word}` is not an IMAP keyword"));
    }
    Ok(Some(Mark::Keyword(literal(word))))
}

/// A flag as Sieve names it.
fn sieve_flag(flag: &Mark) -> String {
    match flag {
        Mark::Flag("seen") => "\\Seen".into(),
        Mark::Flag("replied") => "\\Answered".into(),
        Mark::Flag("flagged") => "\\Flagged".into(),
        Mark::Flag("trashed") => "\\Deleted".into(),
        Mark::Flag("draft") => "\\Draft".into(),
        Mark::Flag(other) => (*other).to_owned(),
        Mark::Keyword(word) => word.clone(),
    }
}
