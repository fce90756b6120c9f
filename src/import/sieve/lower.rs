//! The walk through a script: which actions are done under which conditions, what is
//! known of keep, flags and variables at each place, and where it ends.
//!
//! Sieve goes on after a delivery and ours ends there; there is no `else` here. So each
//! place knows what follows it ([`Tail`]): where nothing does, an action that ends the
//! run stands for the last one of Sieve; and a branch whose end is not the end of the
//! script keeps out the branches after it.

use std::collections::HashSet;
use std::path::Path;
use std::rc::Rc;

use super::context::{Lowering, SieveFrame, soften};
use super::groups::{has_groups, last_group, one_level_groups};
use super::parse::{Argument, Node};
use super::refusals::is_added;
use super::script::{
    changing, ends, first_evaluated, includes, is_real, leaves, may_capture, may_match,
    uses_captures, uses_whole,
};
use super::state::{SieveCapture, State, Tail};
use crate::import::ir::{Cond, Effect, Fidelity, Unit};
use crate::source::Span;

/// How many earlier branches are excluded by `not`; a variable stands for more.
const MOST_NEGATIONS: usize = 2;

/// What is known where a branch of an `if` begins.
struct BranchEntry {
    state: State,
    /// Whether a test may have captured something that is not known.
    may_have_captured: bool,
}

/// An `if` with its `elsif` and `else`, as far as they are lowered.
struct SieveChain<'n> {
    entry: BranchEntry,
    parts: Vec<SieveBranch>,
    /// What is known at the end of each branch after which messages go on.
    exits: Vec<State>,
    /// Why a branch is not translated after one that is not.
    poison: Option<String>,
    /// Branches that are not translated.
    lost: Vec<&'n Node>,
    /// A branch always holds.
    is_complete: bool,
    /// How much was hoisted before them.
    first_hoisted: usize,
}

/// One branch of an `if`.
struct SieveBranch {
    condition: Cond,
    stateful: bool,
    unit: Unit,
    /// It is done, and messages go on after it.
    goes_on: bool,
    is_written: bool,
}

impl Lowering<'_> {
    /// Lowers the main script.
    pub(super) fn main(&mut self, path: &Path, nodes: &[Node]) {
        self.guess_folders(path, nodes);
        self.report_missing(nodes);
        self.frames.push(SieveFrame {
            number: 0,
            path: path.to_owned(),
            globals: HashSet::new(),
            depth: 0,
            poisoned: None,
        });
        let mut seen = HashSet::new();
        changing(nodes, false, &mut seen, &mut self.changing);
        self.includes = includes(nodes);
        let mut units = Vec::new();
        self.block(nodes, Tail::End, &mut units);
        self.draft.expiries = self.expiries.iter().copied().map(super::expire::expiry).collect();
        if let Some(name) = self.dropped.as_ref().filter(|_| !self.dropped_counts) {
            units.iter_mut().for_each(|unit| without(unit, name));
        }
        self.draft.units = units;
    }

    /// A script's commands, up to where it ends.
    pub(super) fn block(&mut self, nodes: &[Node], tail: Tail, out: &mut Vec<Unit>) {
        let mut at = 0;
        let last_real = nodes.iter().rposition(is_real);
        while let Some(node) = nodes.get(at) {
            if let Err(why) = self.spend_node() {
                self.not(&nodes[at..], &why, out);
                break;
            }
            if self.state.ended || self.state.returned {
                self.dead(&nodes[at..], "never reached", out);
                break;
            }
            let next = self.extent(nodes, at);
            let here = &nodes[at..next];
            let has_rest = last_real.is_some_and(|last| last >= next);
            let tail_here = if has_rest { Tail::More } else { tail };
            at = next;
            let poisoned = self.frames.last().and_then(|frame| frame.poisoned.clone());
            if let Some(why) = poisoned.filter(|_| is_real(node)) {
                self.not(here, &why, out);
                continue;
            }
            match node.name.as_str() {
                "" => {
                    let mut unit = Unit::new(node.span);
                    unit.count = 0;
                    unit.comments = self.comments_of(node);
                    out.push(unit);
                }
                "require" => {
                    self.comments.extend(node.comments.iter().cloned());
                    for argument in &node.arguments {
                        if let Argument::Strings(names) = argument {
                            self.required
                                .extend(names.iter().map(|name| name.to_ascii_lowercase()));
                        }
                    }
                }
                _ if node.broken.is_some() => {
                    let why = node.broken.clone().unwrap_or_default();
                    self.not(here, &why, out);
                }
                "if" => self.chain(here, tail_here, out),
                "include" => self.include(node, tail_here, out),
                "elsif" | "else" => self.not(here, "it has no `if` before it", out),
                _ if node.block.is_some() => {
                    let why = format!("`{}` is not known", node.name);
                    self.not(here, &why, out);
                }
                _ => self.run(here, tail_here, out),
            }
        }
        if tail != Tail::More && !self.state.ended {
            self.close(tail, out);
        }
    }

    /// How far the commands at a place belong together.
    fn extent(&self, nodes: &[Node], at: usize) -> usize {
        let Some(first) = nodes.get(at) else { return at };
        let after = nodes.get(at + 1..).unwrap_or_default();
        let more = match first.name.as_str() {
            "if" if first.broken.is_none() => after
                .iter()
                .take_while(|node| matches!(node.name.as_str(), "elsif" | "else"))
                .count(),
            "" | "require" | "include" | "elsif" | "else" => 0,
            _ if first.broken.is_some() || first.block.is_some() => 0,
            _ => after
                .iter()
                .take_while(|node| {
                    node.broken.is_none()
                        && node.block.is_none()
                        && !matches!(
                            node.name.as_str(),
                            "" | "require" | "include" | "if" | "elsif" | "else"
                        )
                })
                .count(),
        };
        at + 1 + more
    }

    /// Ends the run where the script ends, except where that happens by itself.
    fn close(&mut self, tail: Tail, out: &mut Vec<Unit>) {
        let effects = self.ending(tail == Tail::Branch);
        if !effects.is_empty() {
            let unit = Unit::part(Span::default(), Cond::Always, effects);
            out.push(Unit { falls_through: false, ..unit });
        }
        self.state.ended = true;
    }

    /// `if`, `elsif`, `else`
    fn chain(&mut self, nodes: &[Node], tail: Tail, out: &mut Vec<Unit>) {
        self.see_changes(nodes, out);
        let entry = BranchEntry { state: self.state.clone(), may_have_captured: false };
        // What only we ask captures nothing for the script.
        let before_added = nodes
            .first()
            .filter(|node| is_added(node))
            .map(|_| (entry.state.captured.clone(), entry.state.values.clone()));
        let mut chain = SieveChain {
            entry,
            parts: Vec::new(),
            exits: Vec::new(),
            poison: None,
            lost: Vec::new(),
            is_complete: false,
            first_hoisted: self.hoisted.len(),
        };
        for (number, node) in nodes.iter().enumerate() {
            let last = number + 1 == nodes.len();
            let tail_here = if tail == Tail::End && !last { Tail::Branch } else { tail };
            self.branch(node, number == 0, tail_here, &mut chain);
        }
        let SieveChain { entry, parts, mut exits, lost, first_hoisted, .. } = chain;
        if !chain.is_complete || chain.poison.is_some() {
            exits.push(entry.state);
        }
        let mut state = match exits.into_iter().reduce(State::join) {
            Some(state) => state,
            None => State { ended: true, ..self.state.clone() },
        };
        state.returned = false;
        if entry.may_have_captured {
            state.captured = SieveCapture::Unknown;
        }
        if let Some((captured, values)) = before_added {
            (state.captured, state.values) = (captured, values);
        }
        self.state = state;
        for node in lost {
            self.forget(std::slice::from_ref(node));
        }
        for effect in self.hoisted.split_off(first_hoisted) {
            out.push(Unit::part(Span::default(), Cond::Always, vec![effect]));
        }
        self.assemble(parts, out);
    }

    /// Lowers a branch, after those before it in its chain.
    fn branch<'n>(
        &mut self,
        node: &'n Node,
        is_first: bool,
        tail: Tail,
        chain: &mut SieveChain<'n>,
    ) {
        self.state = chain.entry.state.clone();
        let block = node.block.as_deref().unwrap_or_default();
        let (comments, label) = self.label_of(node);
        let unit = Unit { comments, label, count: leaves(block), ..Unit::new(node.span) };
        let dead = |unit: Unit, why: &str| {
            SieveBranch::dead(Unit { fidelity: Fidelity::Dead(why.to_owned()), ..unit })
        };
        if chain.is_complete {
            chain.parts.push(dead(unit, "the branch before it always holds"));
            return;
        }
        let poison = chain.poison.as_deref();
        let found = self.branch_condition(node, is_first, poison, &mut chain.entry);
        // What is dropped is not delivered, and not remembered.
        let discards = block.iter().any(|inner| inner.name == "discard");
        if std::mem::take(&mut self.duplicate_last) && discards {
            self.approximately(
                "the time counts from the first of the duplicates, not from the last",
            );
        }
        let stateful = std::mem::take(&mut self.stateful);
        let inherited = std::mem::take(&mut self.findings);
        let notes = std::mem::take(&mut self.remarks);
        let condition = match found {
            Ok(Cond::Never) if is_added(node) => return,
            Err(_) if is_added(node) => {
                self.without_conflicts = false;
                return;
            }
            Ok(Cond::Never) => {
                let is_off = matches!(node.tests.first(), Some(test) if test.name == "false");
                let why = if is_off { "switched off" } else { "its condition never holds" };
                chain.parts.push(dead(unit, why));
                return;
            }
            Ok(condition) => condition,
            Err(why) => {
                if is_first {
                    self.hoisted.truncate(chain.first_hoisted);
                }
                let fidelity = Fidelity::NotTranslated(why);
                let would_end = ends(block) || tail != Tail::More;
                chain.parts.push(SieveBranch::dead(Unit { fidelity, would_end, ..unit }));
                chain.lost.push(node);
                let line = self.sources.line(node.span);
                chain.poison.get_or_insert_with(|| {
                    format!("it depends on line {line}, which is not translated")
                });
                return;
            }
        };
        chain.is_complete = condition == Cond::Always;
        self.capture(node.tests.first(), &condition);
        let mut units = self.branch_block(block, tail);
        for unit in &mut units {
            soften(unit, &inherited);
        }
        let goes_on = !self.state.ended;
        if goes_on {
            chain.exits.push(self.state.clone());
        }
        let unit = Unit { notes, condition: condition.clone(), ..unit };
        let mut unit = merged(unit, units, goes_on);
        if is_added(node) {
            unit.count = 0;
        }
        chain.parts.push(SieveBranch { condition, stateful, unit, goes_on, is_written: true });
    }

    /// The condition of a branch; `poison` says why a branch before it is not translated.
    /// What the test captures for certain is known in all branches that follow.
    fn branch_condition(
        &mut self,
        node: &Node,
        is_first: bool,
        poison: Option<&str>,
        entry: &mut BranchEntry,
    ) -> Result<Cond, String> {
        self.spend_branch().and(self.spend_node())?;
        if let Some(why) = &node.broken {
            return Err(why.clone());
        }
        let Some(block) = node.block.as_deref() else {
            return Err(format!("`{}` without a block", node.name));
        };
        if let Some(why) = poison {
            return Err(why.to_owned());
        }
        let test = match (node.tests.as_slice(), node.name.as_str()) {
            ([], "else") => return Ok(Cond::Always),
            ([test], "if" | "elsif") => test,
            _ => return Err(format!("`{}` takes one test", node.name)),
        };
        self.stateful = false;
        self.evaluated_first = is_first.then(|| first_evaluated(test).span);
        self.whole = uses_whole(block) || uses_whole(&node.tests);
        self.state.captured = entry.state.captured.clone();
        self.known_match = None;
        self.runtime_match = false;
        let found = self.test(test, uses_captures(block));
        let runtime = self.runtime_match || found.is_err();
        entry.may_have_captured |= runtime && may_match(test);
        if let Some(values) = self.known_match.take().filter(|_| !runtime) {
            entry.state.captured = SieveCapture::Known;
            entry.state.values = Rc::new(values);
        }
        self.state.captured = entry.state.captured.clone();
        self.state.values = entry.state.values.clone();
        found
    }

    /// Notes what a test captures when its condition holds.
    fn capture(&mut self, test: Option<&Node>, condition: &Cond) {
        let date = std::mem::take(&mut self.captured_date);
        let depends_on_message = std::mem::take(&mut self.runtime_match);
        let Some(test) = test.filter(|_| depends_on_message) else { return };
        // `not` alone holds where nothing matches, and then everything is as it was.
        let is_only_not =
            test.name == "not" && test.tests.iter().all(|inner| inner.tests.is_empty());
        if may_capture(test) {
            self.state.captured = match date {
                Some(template) => SieveCapture::Date(template),
                None if has_groups(condition) => {
                    SieveCapture::Here { whole: self.whole, last: last_group(condition) }
                }
                None => SieveCapture::Unknown,
            };
            self.state.one_level = Rc::new(one_level_groups(condition));
        } else if may_match(test) && !is_only_not {
            self.state.captured = SieveCapture::Unknown;
        }
    }

    /// The units of a branch's block.
    fn branch_block(&mut self, block: &[Node], tail: Tail) -> Vec<Unit> {
        let mut units = Vec::new();
        if let Some(frame) = self.frames.last_mut() {
            frame.depth += 1;
        }
        self.block(block, tail, &mut units);
        if let Some(frame) = self.frames.last_mut() {
            frame.depth -= 1;
        }
        units
    }

    /// Puts branches one after the other, each without what those before it took.
    fn assemble(&mut self, mut parts: Vec<SieveBranch>, out: &mut Vec<Unit>) {
        let unfinished = |parts: &[SieveBranch]| {
            parts.iter().filter(|part| part.goes_on && part.is_written).count()
        };
        let written = parts.iter().rposition(|part| part.is_written).unwrap_or(0);
        let before_last = parts.get(..written).unwrap_or_default();
        // A condition may no longer say what it did before a filter.
        let by_name = unfinished(before_last) > MOST_NEGATIONS
            || self.filters && unfinished(before_last) > 0
            || before_last.iter().any(|part| part.stateful && part.goes_on);
        let mut name: Option<String> = None;
        for at in 0..parts.len() {
            let (before, here) = parts.split_at_mut(at);
            let Some(part) = here.first_mut() else { break };
            if !part.is_written || unfinished(before) == 0 {
                continue;
            }
            if !by_name {
                let negated = before.iter().filter(|part| part.goes_on && part.is_written);
                let negated: Vec<Cond> =
                    negated.map(|part| Cond::not(part.condition.clone())).collect();
                let own = std::mem::replace(&mut part.unit.condition, Cond::Always);
                part.unit.condition = Cond::all(negated.into_iter().chain([own]));
                continue;
            }
            let name = name.get_or_insert_with(|| self.names.fresh("", "branch".into())).clone();
            for part in before.iter_mut().filter(|part| part.goes_on && part.is_written) {
                let is_set = matches!(part.unit.effects.first(), Some(Effect::Let(known, _)) if *known == name);
                if !is_set {
                    part.unit.note_taken(Effect::Let(name.clone(), "taken".into()));
                }
            }
            let own = std::mem::replace(&mut part.unit.condition, Cond::Always);
            part.unit.condition = Cond::all([Cond::Word(format!("not has {name}")), own]);
        }
        out.extend(parts.into_iter().map(|part| part.unit));
    }
}

impl Unit {
    /// Records its mail as taken, also where nothing else of it is written.
    fn note_taken(&mut self, taken: Effect) {
        if matches!(self.fidelity, Fidelity::Exact | Fidelity::Approximate(_)) {
            self.effects.insert(0, taken);
            return;
        }
        let outer = Unit {
            condition: std::mem::replace(&mut self.condition, Cond::Always),
            falls_through: self.falls_through,
            count: 0,
            ..Unit::new(self.span)
        };
        let inner = std::mem::replace(self, outer);
        self.effects = vec![taken, Effect::Rule(inner)];
    }
}

impl SieveBranch {
    /// A branch that is not written.
    fn dead(unit: Unit) -> SieveBranch {
        SieveBranch {
            condition: Cond::Never,
            stateful: false,
            unit,
            goes_on: false,
            is_written: false,
        }
    }
}

/// A branch of one unit is that unit; of more, a group.
fn merged(mut outer: Unit, mut units: Vec<Unit>, goes_on: bool) -> Unit {
    outer.falls_through = goes_on;
    let single = units.len() == 1
        && units.first().is_some_and(|unit| {
            unit.condition == Cond::Always
                && unit.label.is_none()
                && matches!(
                    unit.fidelity,
                    Fidelity::Exact | Fidelity::Approximate(_) | Fidelity::NotTranslated(_)
                )
        });
    match units.pop() {
        Some(unit) if single => {
            outer.effects = unit.effects;
            outer.fidelity = unit.fidelity;
            outer.notes.extend(unit.notes);
            outer.comments.extend(unit.comments);
            outer.would_end = unit.would_end;
            outer.count = unit.count.max(1);
        }
        Some(last) => {
            outer.count = 0;
            outer.effects = units.into_iter().chain([last]).map(Effect::Rule).collect();
        }
        None => outer.count = outer.count.max(1),
    }
    outer
}

/// Removes from a unit what sets a variable that nothing asks for.
fn without(unit: &mut Unit, name: &str) {
    unit.effects.retain(|effect| !matches!(effect, Effect::Let(known, _) if known == name));
    for effect in &mut unit.effects {
        if let Effect::Rule(inner) = effect {
            without(inner, name);
        }
    }
}
