//! The way through a script: which actions are done under which conditions, what
//! is known of keep, flags and variables at each place, and where it ends.
//!
//! Sieve goes on behind a delivery and ours ends there; `else` is nothing here.
//! So each place knows what follows it ([`Tail`]): where nothing does, an action
//! that ends the run stands for the last one of Sieve; and a branch whose end is
//! not the end of the script keeps the branches behind it out.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::parse::{Argument, Node, parse};
use super::test::may_capture;
use super::variables::{
    Expansion, Known, Names, Piece, Variables, encoded_characters, insert, reference,
};
use crate::import::ir::{Cond, Draft, Effect, Fidelity, Mark, Unit, literal};
use crate::import::{Load, Options, decode};
use crate::source::{SourceFile, Sources, Span, reason};

/// How deep scripts may include each other; Pigeonhole takes 10.
const MAX_INCLUDES: usize = 10;
/// Branches before one that are kept out by `not`; more are told by a variable.
const MOST_NEGATIONS: usize = 2;

/// What follows a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    /// More of the script.
    More,
    /// Nothing, but other branches stand behind it in the text.
    Branch,
    /// Nothing at all.
    End,
}

/// What may have become of the implicit keep: bits.
pub(super) const KEPT: u8 = 1;
/// Stored somewhere.
pub(super) const FILED: u8 = 2;
/// Cancelled, and stored nowhere.
pub(super) const DROPPED: u8 = 4;

/// What `${1}` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Captured {
    /// Nothing: no test has matched.
    Nothing,
    /// What the condition around it captured.
    Here,
    /// What some test before captured.
    Unknown,
}

/// What is known at a place.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) keep: u8,
    pub(super) variables: Rc<Variables>,
    pub(super) flags_must: Rc<BTreeSet<Mark>>,
    pub(super) flags_may: Rc<BTreeSet<Mark>>,
    /// Flags may have been set that were not translated; why.
    pub(super) flags_lost: Option<String>,
    pub(super) captured: Captured,
    /// Nothing behind this place is reached.
    pub(super) ended: bool,
    /// The included script was left.
    pub(super) returned: bool,
}

impl State {
    fn new() -> State {
        State {
            keep: KEPT,
            variables: Rc::default(),
            flags_must: Rc::default(),
            flags_may: Rc::default(),
            flags_lost: None,
            captured: Captured::Nothing,
            ended: false,
            returned: false,
        }
    }

    /// What is known where two ways meet.
    fn join(self, other: State) -> State {
        let variables = if Rc::ptr_eq(&self.variables, &other.variables) {
            self.variables
        } else {
            let empty = Known::Text(String::new());
            let names: BTreeSet<&String> =
                self.variables.keys().chain(other.variables.keys()).collect();
            let of =
                |variables: &Variables, name: &str| variables.get(name).unwrap_or(&empty).clone();
            let join = |name: &String| {
                (name.clone(), of(&self.variables, name).join(of(&other.variables, name)))
            };
            Rc::new(names.into_iter().map(join).collect())
        };
        let join = |one: Rc<BTreeSet<Mark>>, other: Rc<BTreeSet<Mark>>, all: bool| {
            if Rc::ptr_eq(&one, &other) {
                return one;
            }
            Rc::new(if all { &*one | &*other } else { &*one & &*other })
        };
        State {
            keep: self.keep | other.keep,
            variables,
            flags_must: join(self.flags_must, other.flags_must, false),
            flags_may: join(self.flags_may, other.flags_may, true),
            flags_lost: self.flags_lost.or(other.flags_lost),
            captured: if self.captured == other.captured {
                self.captured
            } else {
                Captured::Unknown
            },
            ended: false,
            returned: false,
        }
    }
}

/// A script that is being gone through.
struct Frame {
    number: usize,
    path: PathBuf,
    /// Variables that it shares with others.
    globals: HashSet<String>,
    /// How many blocks are around.
    depth: usize,
    /// The rest of it is not translated; why.
    poisoned: Option<String>,
}

/// What comes of a script.
pub(super) struct Lowering<'a> {
    pub(super) options: &'a Options,
    load: Load<'a>,
    pub(super) sources: Sources,
    pub(super) draft: Draft,
    pub(super) state: State,
    required: HashSet<String>,
    pub(super) names: Names,
    /// Why what is being lowered is approximate.
    findings: Vec<String>,
    /// What is to be told of it besides.
    remarks: Vec<String>,
    /// A test asks for what actions change.
    pub(super) stateful: bool,
    /// Actions that a test needs before it.
    pub(super) hoisted: Vec<Effect>,
    /// The zone of dates, once one was asked for.
    pub(super) zone: Option<Option<String>>,
    frames: Vec<Frame>,
    frame_count: usize,
    once: HashSet<PathBuf>,
    comments: Vec<String>,
    /// Variables that some branch sets, or that are set twice.
    changing: HashSet<String>,
    /// Scripts are included, which may share variables.
    includes: bool,
    pub(super) separator: char,
    /// All folders are named as below `INBOX`.
    pub(super) below_inbox: bool,
    pub(super) dropped: Option<String>,
    /// It is asked for.
    dropped_counts: bool,
}

/// One branch of an `if`.
struct Part {
    condition: Cond,
    stateful: bool,
    unit: Unit,
    /// It is done, and messages go on behind it.
    goes_on: bool,
    is_written: bool,
}

impl<'a> Lowering<'a> {
    pub(super) fn new(options: &'a Options, load: Load<'a>) -> Lowering<'a> {
        Lowering {
            options,
            load,
            sources: Sources::default(),
            draft: Draft::default(),
            state: State::new(),
            required: HashSet::new(),
            names: Names::default(),
            findings: Vec::new(),
            remarks: Vec::new(),
            stateful: false,
            hoisted: Vec::new(),
            zone: None,
            frames: Vec::new(),
            frame_count: 0,
            once: HashSet::new(),
            comments: Vec::new(),
            changing: HashSet::new(),
            includes: false,
            separator: '.',
            below_inbox: false,
            dropped: None,
            dropped_counts: false,
        }
    }

    /// Lowers the main script.
    pub(super) fn main(&mut self, path: &Path, nodes: &[Node]) {
        self.guess_folders(nodes);
        self.frames.push(Frame {
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
        if let Some(name) = self.dropped.as_ref().filter(|_| !self.dropped_counts) {
            units.iter_mut().for_each(|unit| without(unit, name));
        }
        self.draft.units = units;
    }

    /// Something of the unit differs here; once a unit.
    pub(super) fn approximately(&mut self, why: &str) {
        if !self.findings.iter().any(|known| known == why) {
            self.findings.push(why.to_owned());
        }
    }

    /// Something is to be told of the unit.
    pub(super) fn remark(&mut self, what: impl Into<String>) {
        self.remarks.push(what.into());
    }

    pub(super) fn requires(&self, extension: &str) -> bool {
        self.required.contains(extension)
    }

    /// A script's commands, up to where it ends.
    fn block(&mut self, nodes: &[Node], tail: Tail, out: &mut Vec<Unit>) {
        let mut at = 0;
        while let Some(node) = nodes.get(at) {
            if self.state.ended || self.state.returned {
                self.dead(&nodes[at..], "never reached", out);
                break;
            }
            let next = self.extent(nodes, at);
            let here = &nodes[at..next];
            let rest = nodes.get(next..).unwrap_or_default();
            let tail_here = if rest.iter().any(is_real) { Tail::More } else { tail };
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
                "elsif" | "else" => self.not(here, "it stands behind no `if`", out),
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
        let behind = nodes.get(at + 1..).unwrap_or_default();
        let more = match first.name.as_str() {
            "if" if first.broken.is_none() => behind
                .iter()
                .take_while(|node| matches!(node.name.as_str(), "elsif" | "else"))
                .count(),
            "" | "require" | "include" | "elsif" | "else" => 0,
            _ if first.broken.is_some() || first.block.is_some() => 0,
            _ => behind
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

    /// Ends the run where the script ends, but for what comes to that by itself.
    fn close(&mut self, tail: Tail, out: &mut Vec<Unit>) {
        let effects = self.ending(tail == Tail::Branch);
        if !effects.is_empty() {
            let mut unit = Unit::new(Span::default());
            unit.count = 0;
            unit.effects = effects;
            unit.falls_through = false;
            out.push(unit);
        }
        self.state.ended = true;
    }

    /// What ends the run by what became of the implicit keep; `text` if rules
    /// stand behind.
    pub(super) fn ending(&mut self, text: bool) -> Vec<Effect> {
        let keep = self.state.keep;
        if keep == DROPPED {
            return vec![Effect::Discard(None)];
        }
        let mut effects = Vec::new();
        if keep & DROPPED != 0 {
            self.dropped_counts = true;
            let mut unit = Unit::new(Span::default());
            unit.count = 0;
            unit.condition = Cond::Word(format!("has {}", self.dropped_name()));
            unit.effects.push(Effect::Discard(None));
            effects.push(Effect::Rule(unit));
        }
        if text {
            effects.push(Effect::Stop);
        }
        effects
    }

    /// The variable that tells that the implicit keep was cancelled.
    pub(super) fn dropped_name(&mut self) -> String {
        if let Some(name) = &self.dropped {
            return name.clone();
        }
        let name = self.fresh_name("taken");
        self.dropped = Some(name.clone());
        name
    }

    /// `if`, `elsif`, `else`
    fn chain(&mut self, nodes: &[Node], tail: Tail, out: &mut Vec<Unit>) {
        let entry = self.state.clone();
        let mut parts: Vec<Part> = Vec::new();
        let mut exits: Vec<State> = Vec::new();
        let mut poison: Option<String> = None;
        let mut lost: Vec<&Node> = Vec::new();
        let mut complete = false;
        let mut may_have_captured = false;
        let first_hoisted = self.hoisted.len();
        for (number, node) in nodes.iter().enumerate() {
            self.state = entry.clone();
            let block = node.block.as_deref().unwrap_or_default();
            let (comments, label) = self.label_of(node);
            let mut unit = Unit { comments, label, ..Unit::new(node.span) };
            unit.count = leaves(block);
            if complete {
                unit.fidelity = Fidelity::Dead("the branch before it always holds".into());
                parts.push(Part::dead(unit));
                continue;
            }
            let dead = |unit: Unit, why: &str| {
                Part::dead(Unit { fidelity: Fidelity::Dead(why.to_owned()), ..unit })
            };
            let found = match (&poison, node.tests.as_slice(), node.name.as_str()) {
                _ if node.broken.is_some() => Err(node.broken.clone().unwrap_or_default()),
                _ if node.block.is_none() => Err(format!("`{}` without a block", node.name)),
                (Some(why), ..) => Err(why.clone()),
                (None, [], "else") => Ok(Cond::Always),
                (None, [test], "if" | "elsif") => {
                    self.stateful = false;
                    let captures = uses_captures(block);
                    may_have_captured |= may_capture(test);
                    self.state.captured = entry.captured;
                    self.test(test, captures)
                }
                _ => Err(format!("`{}` takes one test", node.name)),
            };
            let stateful = std::mem::take(&mut self.stateful);
            let inherited = std::mem::take(&mut self.findings);
            let remarks = std::mem::take(&mut self.remarks);
            let condition = match found {
                Ok(Cond::Never) => {
                    let why = if matches!(node.tests.first(), Some(t) if t.name == "false") {
                        "switched off"
                    } else {
                        "its condition never holds"
                    };
                    parts.push(dead(unit, why));
                    continue;
                }
                Ok(condition) => condition,
                Err(why) => {
                    unit.fidelity = Fidelity::NotTranslated(why);
                    unit.would_end = ends(block) || tail != Tail::More;
                    parts.push(Part::dead(unit));
                    lost.push(node);
                    let line = self.sources.line(node.span);
                    poison = Some(poison.unwrap_or_else(|| {
                        format!("it depends on line {line}, which is not translated")
                    }));
                    continue;
                }
            };
            complete = condition == Cond::Always;
            if node.tests.first().is_some_and(may_capture) {
                self.state.captured = Captured::Here;
            }
            let last = number + 1 == nodes.len();
            let tail_here = if tail == Tail::End && !last { Tail::Branch } else { tail };
            let mut units = Vec::new();
            if let Some(frame) = self.frames.last_mut() {
                frame.depth += 1;
            }
            self.block(block, tail_here, &mut units);
            if let Some(frame) = self.frames.last_mut() {
                frame.depth -= 1;
            }
            for unit in &mut units {
                soften(unit, &inherited);
            }
            unit.notes = remarks;
            unit.condition = condition.clone();
            let goes_on = !self.state.ended;
            if goes_on {
                exits.push(self.state.clone());
            }
            let unit = merged(unit, units, goes_on);
            parts.push(Part { condition, stateful, unit, goes_on, is_written: true });
        }
        if !complete || poison.is_some() {
            exits.push(entry);
        }
        let returned = false;
        let mut state = match exits.into_iter().reduce(State::join) {
            Some(state) => state,
            None => State { ended: true, ..self.state.clone() },
        };
        state.returned = returned;
        if may_have_captured {
            state.captured = Captured::Unknown;
        }
        self.state = state;
        for node in lost {
            self.forget(std::slice::from_ref(node));
        }
        for effect in self.hoisted.split_off(first_hoisted) {
            let mut unit = Unit::new(Span::default());
            unit.count = 0;
            unit.effects.push(effect);
            out.push(unit);
        }
        self.assemble(parts, out);
    }

    /// Puts branches one behind the other, each without what those before it took.
    fn assemble(&mut self, mut parts: Vec<Part>, out: &mut Vec<Unit>) {
        let open =
            |parts: &[Part]| parts.iter().filter(|part| part.goes_on && part.is_written).count();
        let written = parts.iter().rposition(|part| part.is_written).unwrap_or(0);
        let before_last = parts.get(..written).unwrap_or_default();
        let by_name = open(before_last) > MOST_NEGATIONS
            || before_last.iter().any(|part| part.stateful && part.goes_on);
        let mut name: Option<String> = None;
        for at in 0..parts.len() {
            let (before, here) = parts.split_at_mut(at);
            let Some(part) = here.first_mut() else { break };
            if !part.is_written || open(before) == 0 {
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
                    part.unit.effects.insert(0, Effect::Let(name.clone(), "taken".into()));
                }
            }
            let own = std::mem::replace(&mut part.unit.condition, Cond::Always);
            part.unit.condition = Cond::all([Cond::Word(format!("not has {name}")), own]);
        }
        out.extend(parts.into_iter().map(|part| part.unit));
    }

    /// Commands that are not translated, and what hangs on them.
    pub(super) fn not(&mut self, nodes: &[Node], why: &str, out: &mut Vec<Unit>) {
        let Some(mut unit) = self.unit_of(nodes) else { return };
        unit.fidelity = Fidelity::NotTranslated(why.to_owned());
        unit.would_end = nodes
            .iter()
            .any(|node| matches!(node.name.as_str(), "stop" | "discard" | "reject" | "ereject"));
        out.push(unit);
        self.forget(nodes);
        self.findings.clear();
        self.remarks.clear();
    }

    /// Commands that do nothing.
    pub(super) fn dead(&mut self, nodes: &[Node], why: &str, out: &mut Vec<Unit>) {
        let (real, comments): (Vec<&Node>, Vec<&Node>) =
            nodes.iter().partition(|node| is_real(node));
        if !real.is_empty() {
            let Some(mut unit) = self.unit_of(nodes) else { return };
            unit.fidelity = Fidelity::Dead(why.to_owned());
            out.push(unit);
            return;
        }
        for node in comments {
            let mut unit = Unit::new(node.span);
            unit.count = 0;
            unit.comments = self.comments_of(node);
            out.push(unit);
        }
    }

    /// A unit for some commands, with their comments.
    pub(super) fn unit_of(&mut self, nodes: &[Node]) -> Option<Unit> {
        let first = nodes.first()?;
        let last = nodes.iter().rfind(|node| !node.name.is_empty())?;
        let mut unit = Unit::new(first.span.to(last.span));
        let (comments, label) = self.label_of(first);
        unit.comments = comments;
        unit.label = label;
        for node in nodes.get(1..).unwrap_or_default() {
            unit.comments.extend(node.comments.iter().cloned());
        }
        unit.count = leaves(nodes);
        Some(unit)
    }

    /// What was to be told of the unit that is made.
    pub(super) fn finish(&mut self, unit: &mut Unit) {
        let findings = std::mem::take(&mut self.findings);
        soften(unit, &findings);
        unit.notes.append(&mut self.remarks);
    }

    /// What commands that are not translated may have changed.
    fn forget(&mut self, nodes: &[Node]) {
        let Some(line) = nodes.first().map(|node| self.sources.line(node.span)) else { return };
        let why = format!("it depends on line {line}, which is not translated");
        let mut names = Vec::new();
        let mut flags = false;
        changed(nodes, &mut names, &mut flags);
        for name in names {
            let key = self.key(&name);
            Rc::make_mut(&mut self.state.variables).insert(key, Known::Lost(why.clone()));
        }
        if flags {
            self.state.flags_lost = Some(why);
        }
    }

    fn comments_of(&mut self, node: &Node) -> Vec<String> {
        let mut comments = std::mem::take(&mut self.comments);
        comments.extend(node.comments.iter().cloned());
        comments
    }

    /// A node's comments, and the name of the rule among them.
    fn label_of(&mut self, node: &Node) -> (Vec<String>, Option<String>) {
        let mut comments = self.comments_of(node);
        let found = comments.iter().rposition(|comment| label(comment).is_some());
        let label = found.and_then(|at| label(&comments.remove(at)));
        (comments, label)
    }

    /// A variable by its name, as it is known here: those of an included script
    /// are its own.
    pub(super) fn key(&self, name: &str) -> String {
        let name = name.to_ascii_lowercase();
        let Some(frame) = self.frames.last() else { return name };
        if name.starts_with("global.") {
            return name;
        }
        if frame.globals.contains(&name) {
            return format!("global.{name}");
        }
        if frame.number == 0 { name } else { format!("{}:{name}", frame.number) }
    }

    pub(super) fn our_name(&mut self, key: &str) -> String {
        self.names.of(key)
    }

    /// A name that no variable has.
    pub(super) fn fresh_name(&mut self, wanted: &str) -> String {
        self.names.fresh("", wanted.to_owned())
    }

    /// Whether a variable is kept by `let` whatever its value is.
    pub(super) fn is_changing(&self, name: &str) -> bool {
        self.changing.contains(&name.to_ascii_lowercase())
    }

    /// Whether another script may change a variable.
    pub(super) fn shares_variables(&self) -> bool {
        self.includes
    }

    /// A string with what is known put in.
    pub(super) fn expand(&mut self, text: &str) -> Result<Expansion, String> {
        let mut expansion = Expansion::default();
        if !text.contains("${") {
            expansion.push_text(text);
            return Ok(expansion);
        }
        let decoded;
        let text = if self.requires("encoded-character") {
            decoded = encoded_characters(text);
            &decoded
        } else {
            text
        };
        if !self.requires("variables") {
            expansion.push_text(text);
            return Ok(expansion);
        }
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            expansion.push_text(&rest[..at]);
            rest = &rest[at..];
            let Some((name, length)) = reference(rest) else {
                expansion.push_text("${");
                rest = &rest[2..];
                continue;
            };
            rest = &rest[length..];
            if let Ok(number) = name.parse::<u32>() {
                match self.state.captured {
                    Captured::Nothing => {}
                    Captured::Here => {
                        self.stateful = true;
                        expansion.0.push(Piece::Group(number));
                    }
                    Captured::Unknown => {
                        return Err(format!(
                            "which test `${{{number}}}` is of hangs on the message"
                        ));
                    }
                }
                continue;
            }
            if name.contains('.') && !name.to_ascii_lowercase().starts_with("global.") {
                return Err(format!("`${{{name}}}` is not known"));
            }
            let key = self.key(name);
            match self.state.variables.get(&key) {
                None => {}
                Some(Known::Text(value)) => {
                    let value = value.clone();
                    expansion.push_text(&value);
                }
                Some(Known::Lost(why)) => return Err(why.clone()),
                Some(Known::OneOf(_) | Known::Runtime) => {
                    self.stateful = true;
                    expansion.0.push(Piece::Variable(key));
                }
            }
        }
        expansion.push_text(rest);
        Ok(expansion)
    }

    /// An expansion as a template; `change` goes to each value (`:lower`).
    pub(super) fn template(&mut self, expansion: &Expansion, change: &str) -> String {
        let mut out = String::new();
        for piece in &expansion.0 {
            match piece {
                Piece::Text(text) => out.push_str(&literal(&match change {
                    ":lower" => text.to_ascii_lowercase(),
                    ":upper" => text.to_ascii_uppercase(),
                    _ => text.clone(),
                })),
                Piece::Variable(key) => {
                    let name = self.our_name(key);
                    out.push_str(&insert(&name, change));
                }
                Piece::Group(number) => out.push_str(&insert(&number.to_string(), change)),
            }
        }
        out
    }

    /// A string as a template.
    pub(super) fn text(&mut self, text: &str) -> Result<String, String> {
        let expansion = self.expand(text)?;
        Ok(self.template(&expansion, ""))
    }

    /// The list of ours that a URI of `:list` stands for.
    pub(super) fn list_named(&mut self, uri: &str) -> String {
        let plain: String = uri
            .rsplit(['/', ':'])
            .find(|part| !part.is_empty())
            .unwrap_or("list")
            .to_ascii_lowercase()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        let name = self.names.of(&format!("list {uri}:{plain}"));
        let file = format!("{}{name}.list", self.options.lists);
        if !self.draft.lists.iter().any(|(known, _)| *known == name) {
            self.draft.lists.push((name.clone(), file.clone()));
            let content = format!("# The entries of {uri}, one a line.\n");
            self.draft.files.push(crate::import::ir::TextFile {
                name: file.clone(),
                content,
                purpose: "a list, to be filled",
            });
        }
        self.remark(format!("what stands in the list {uri} has to be put into {file}"));
        name
    }

    /// `include`, RFC 6609
    fn include(&mut self, node: &Node, tail: Tail, out: &mut Vec<Unit>) {
        match self.included(node) {
            Ok(Some((path, nodes))) => {
                self.comments.extend(node.comments.iter().cloned());
                self.frame_count += 1;
                let number = self.frame_count;
                self.frames.push(Frame {
                    number,
                    path,
                    globals: HashSet::new(),
                    depth: 0,
                    poisoned: None,
                });
                let mut seen = HashSet::new();
                changing(&nodes, false, &mut seen, &mut self.changing);
                // A `return` leads back here, so what follows is not the end there.
                self.block(&nodes, tail, out);
                self.state.returned = false;
                self.frames.pop();
            }
            Ok(None) => {}
            Err(why) => self.not(std::slice::from_ref(node), &why, out),
        }
    }

    /// The commands of an included script; none if there is nothing to do.
    fn included(&mut self, node: &Node) -> Result<Option<(PathBuf, Vec<Node>)>, String> {
        let arguments = super::arguments::Arguments::of(node);
        arguments.unknown(&["personal", "global", "optional", "once"])?;
        let name = self.constants(&[arguments.string(0)?.to_owned()])?.remove(0);
        if name.is_empty() || name.contains(['/', '\0']) || name.starts_with('.') {
            return Err(format!("`{name}` is no name of a script"));
        }
        let main = self.frames.first().map(|frame| frame.path.clone()).unwrap_or_default();
        let folder = main.parent().unwrap_or(Path::new("")).to_owned();
        let places = [
            folder.join(format!("{name}.sieve")),
            folder.join(&name),
            folder.join("sieve").join(format!("{name}.sieve")),
        ];
        let mut told = None;
        for path in places {
            match (self.load)(&path) {
                Ok(bytes) => {
                    if self.frames.iter().any(|frame| frame.path == path) {
                        return Err(format!("`{name}` includes itself"));
                    }
                    if self.frames.len() > MAX_INCLUDES {
                        return Err("scripts include each other too deeply".into());
                    }
                    let again = !self.once.insert(path.clone());
                    if arguments.has("once") && again {
                        return Ok(None);
                    }
                    if bytes.contains(&0) {
                        return Err(format!("`{name}` is a binary file"));
                    }
                    let (text, _) = decode(&bytes);
                    let file = SourceFile::new(&path, text);
                    let number = self.sources.add(file.clone());
                    return Ok(Some((path, parse(number, &file))));
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => told = Some(reason(&error)),
            }
        }
        if arguments.has("optional") && told.is_none() {
            return Ok(None);
        }
        let why = told.unwrap_or_else(|| "it is not there".into());
        Err(format!("the script `{name}` cannot be included: {why}"))
    }

    /// `global ["a", "b"]`
    pub(super) fn declare_globals(&mut self, names: &[String]) {
        if let Some(frame) = self.frames.last_mut() {
            frame.globals.extend(names.iter().map(|name| name.to_ascii_lowercase()));
        }
    }

    /// `return`: whether it leaves the script that is read; an error if what follows
    /// in it hangs on that.
    pub(super) fn leave(&mut self) -> Result<bool, String> {
        match self.frames.last_mut() {
            Some(frame) if frame.number == 0 => Ok(false),
            Some(frame) if frame.depth == 0 => Ok(true),
            Some(frame) => {
                let why = "a `return` under a condition leaves the included script";
                frame.poisoned = Some(why.into());
                Err(why.into())
            }
            None => Ok(false),
        }
    }

    /// By the names of folders: what stands between their levels, and whether all
    /// are below `INBOX`.
    fn guess_folders(&mut self, nodes: &[Node]) {
        let mut names = Vec::new();
        folders(nodes, &mut names);
        let guessed = if names.iter().any(|name| name.contains('/')) { '/' } else { '.' };
        self.separator = self.options.separator.unwrap_or(guessed);
        let separator = self.separator;
        let below = |name: &str| {
            name.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("INBOX"))
                && name.get(5..).is_some_and(|rest| rest.is_empty() || rest.starts_with(separator))
        };
        let named: Vec<&String> =
            names.iter().filter(|name| !name.eq_ignore_ascii_case("INBOX")).collect();
        self.below_inbox = !named.is_empty() && named.iter().all(|name| below(name));
        if self.options.separator.is_none() && names.iter().any(|name| name.contains(separator)) {
            self.draft.note(format!(
                "`{separator}` is taken to stand between the levels of folders; `--separator` says otherwise"
            ));
        }
        if self.below_inbox {
            self.draft.note(
                "all folders are named as below INBOX, which is how that server calls what lies \
                 beside the inbox: they are named without it",
            );
        }
    }
}

impl Part {
    /// A branch that is not written.
    fn dead(unit: Unit) -> Part {
        Part { condition: Cond::Never, stateful: false, unit, goes_on: false, is_written: false }
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

/// A unit without what sets a variable that nobody asks for.
fn without(unit: &mut Unit, name: &str) {
    unit.effects.retain(|effect| !matches!(effect, Effect::Let(known, _) if known == name));
    for effect in &mut unit.effects {
        if let Effect::Rule(inner) = effect {
            without(inner, name);
        }
    }
}

/// A unit whose condition is approximate is so itself.
fn soften(unit: &mut Unit, findings: &[String]) {
    if findings.is_empty() {
        return;
    }
    let why = findings.join("; ");
    match &mut unit.fidelity {
        Fidelity::Exact if unit.count > 0 => unit.fidelity = Fidelity::Approximate(why),
        Fidelity::Approximate(known) if !known.contains(&why) => {
            known.push_str("; ");
            known.push_str(&why);
        }
        _ => {}
    }
    for effect in &mut unit.effects {
        if let Effect::Rule(inner) = effect {
            soften(inner, findings);
        }
    }
}

/// Whether a command does anything.
fn is_real(node: &Node) -> bool {
    !matches!(node.name.as_str(), "" | "require")
}

/// How many blocks of actions there are.
fn leaves(nodes: &[Node]) -> usize {
    let mut count = 0;
    let mut in_run = false;
    for node in nodes {
        match &node.block {
            Some(block) => {
                count += leaves(block).max(1);
                in_run = false;
            }
            None if !is_real(node) => {}
            None if node.name == "set" => {}
            None => {
                count += usize::from(!in_run);
                in_run = true;
            }
        }
    }
    count.max(usize::from(nodes.iter().any(is_real)))
}

/// Whether a block surely ends the script.
fn ends(nodes: &[Node]) -> bool {
    nodes.iter().any(|node| matches!(node.name.as_str(), "stop" | "discard" | "reject" | "ereject"))
}

/// Whether `${1}` or the like stands in it.
fn uses_captures(nodes: &[Node]) -> bool {
    let uses = |argument: &Argument| match argument {
        Argument::Strings(texts) => texts.iter().any(|text| {
            text.match_indices("${")
                .any(|(at, _)| text.as_bytes().get(at + 2).is_some_and(u8::is_ascii_digit))
        }),
        _ => false,
    };
    nodes.iter().any(|node| {
        node.arguments.iter().any(uses)
            || uses_captures(&node.tests)
            || node.block.as_deref().is_some_and(uses_captures)
    })
}

/// Names of variables that commands set, and whether they set flags.
fn changed(nodes: &[Node], names: &mut Vec<String>, flags: &mut bool) {
    for node in nodes {
        let texts: Vec<&String> = node
            .arguments
            .iter()
            .filter_map(|argument| match argument {
                Argument::Strings(texts) => texts.first(),
                _ => None,
            })
            .collect();
        match node.name.as_str() {
            "set" => names.extend(texts.first().map(|name| (*name).clone())),
            "setflag" | "addflag" | "removeflag" if texts.len() > 1 => {
                names.extend(texts.first().map(|name| (*name).clone()));
            }
            "setflag" | "addflag" | "removeflag" => *flags = true,
            _ => {}
        }
        changed(node.block.as_deref().unwrap_or_default(), names, flags);
    }
}

/// Variables whose value hangs on the way: set in a branch, or twice.
fn changing(
    nodes: &[Node],
    in_branch: bool,
    seen: &mut HashSet<String>,
    found: &mut HashSet<String>,
) {
    for node in nodes {
        if matches!(node.name.as_str(), "set" | "setflag" | "addflag" | "removeflag")
            && let Some(Argument::Strings(texts)) =
                node.arguments.iter().find(|argument| matches!(argument, Argument::Strings(_)))
            && let [name] = texts.as_slice()
        {
            let name = name.to_ascii_lowercase();
            if in_branch || !seen.insert(name.clone()) {
                found.insert(name);
            }
        }
        changing(node.block.as_deref().unwrap_or_default(), true, seen, found);
    }
}

fn includes(nodes: &[Node]) -> bool {
    nodes.iter().any(|node| node.name == "include" || node.block.as_deref().is_some_and(includes))
}

/// The folders that are named.
fn folders(nodes: &[Node], names: &mut Vec<String>) {
    for node in nodes {
        if node.name == "fileinto"
            && let Some(Argument::Strings(texts)) =
                node.arguments.iter().rfind(|argument| matches!(argument, Argument::Strings(_)))
        {
            names.extend(texts.iter().cloned());
        }
        folders(node.block.as_deref().unwrap_or_default(), names);
    }
}

/// The name that a web mailer gives a rule in a comment: Roundcube, Nextcloud and
/// Open-Xchange, sievelib and Modoboa, Ingo.
fn label(comment: &str) -> Option<String> {
    let text = comment.trim_start_matches('#').trim();
    if let Some(inner) = text.strip_prefix("rule:[") {
        return Some(inner.strip_suffix(']').unwrap_or(inner).trim().to_owned())
            .filter(|name| !name.is_empty());
    }
    if let Some((_, name)) = text.split_once("|Rulename:") {
        return Some(name.trim().to_owned()).filter(|name| !name.is_empty());
    }
    const BEGINNINGS: [&str; 5] = ["Filter:", "Rule:", "Rule name:", "filter name:", "Name:"];
    let name = BEGINNINGS.iter().find_map(|begin| {
        let start = text.get(..begin.len())?;
        start.eq_ignore_ascii_case(begin).then(|| text.get(begin.len()..))?
    })?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}
