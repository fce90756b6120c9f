//! `if`, `elsif`, `else`: a rule for each branch, without what those before it took, and
//! what is known of variables after them.

use super::assignment::WITHOUT_MEANING;
use super::context::{CommandWords, FilterLowering, ReturnCode};
use super::evaluate::match_names;
use super::expression::Expression;
use super::lower::{label_in, lost};
use super::parse::{IfBranch, MaildropStatement, MaildropStatementKind};
use super::pattern::CaptureNeeds;
use super::uses::{HAS_EFFECT, makes_a_folder, names_in, units_in, walk};
use super::value::{MaildropVariable, MaildropVariables, kept_name};
use crate::ascii_case;
use crate::import::folder::keep_prefix;
use crate::import::ir::{Cond, Effect, Fidelity, Unit, literal};
use crate::import::levels::without_needless_levels;
use crate::import::shell::MAKES_FOLDERS;
use crate::source::Span;

/// A branch that is written.
struct OpenBranch {
    condition: Cond,
    unit: Unit,
    /// Messages go on after it.
    goes_on: bool,
    /// Its condition may have another result after it.
    changes: bool,
}

/// An `if` with its `elsif` and `else`, as far as they are lowered.
struct BranchChain<'b> {
    /// What is known before them.
    entry: MaildropVariables,
    code: ReturnCode,
    taken: Vec<OpenBranch>,
    /// What is known at the end of each branch after which messages go on.
    exits: Vec<(MaildropVariables, ReturnCode)>,
    /// Why a branch is not translated after one that is not.
    poison: Option<String>,
    /// Branches that are not translated.
    lost: Vec<&'b [MaildropStatement]>,
    /// A branch is always taken.
    is_complete: bool,
    has_patterns: bool,
    /// A condition captures even where it does not hold.
    may_capture: bool,
}

impl FilterLowering<'_> {
    pub(super) fn branches(&mut self, branches: &[IfBranch], units: &mut Vec<Unit>) {
        self.look_for_files(branches, units);
        let mut chain = BranchChain {
            code: self.code.clone(),
            entry: self.variables.clone(),
            exits: Vec::new(),
            taken: Vec::new(),
            poison: None,
            is_complete: false,
            lost: Vec::new(),
            has_patterns: false,
            may_capture: false,
        };
        for branch in branches {
            self.branch(branch, &mut chain);
        }
        let BranchChain { code, entry, mut exits, taken, lost, .. } = chain;
        let is_exhaustive = chain.is_complete && chain.poison.is_none();
        let all_end = exits.is_empty();
        if !is_exhaustive {
            exits.push((entry.clone(), code));
        }
        let (variables, codes): (Vec<_>, Vec<_>) = exits.into_iter().unzip();
        self.variables = joined(&entry, &variables);
        // What every way through the branches leaves.
        let same = codes.first().filter(|first| codes.iter().all(|code| code == *first));
        self.code = same.cloned().unwrap_or(ReturnCode::Unknown);
        self.keep_before(&entry, units);
        if chain.may_capture || chain.has_patterns && !all_end {
            self.variables.forget_matches();
        }
        for body in lost {
            self.forget(body);
        }
        self.ended |= is_exhaustive && all_end;
        self.assemble(taken, units);
        self.wanted = CaptureNeeds::default();
    }

    /// Lowers a branch, after those before it in its chain.
    fn branch<'b>(&mut self, branch: &'b IfBranch, chain: &mut BranchChain<'b>) {
        self.variables = chain.entry.clone();
        if chain.may_capture {
            self.variables.forget_matches();
        }
        self.code = chain.code.clone();
        let mut comments = branch.comments.clone();
        let label = label_in(&mut comments);
        let unit = Unit { comments, label, ..Unit::new(branch.span) };
        let dead = |unit: Unit, why: &str| {
            let (fidelity, count) = (Fidelity::Dead(why.to_owned()), units_in(&branch.body));
            OpenBranch::without(Unit { fidelity, count, ..unit })
        };
        if chain.is_complete {
            chain.taken.push(dead(unit, "a branch before it is always taken"));
            return;
        }
        self.wanted = wanted(branch);
        self.captured = self.depth * 4;
        self.differs = None;
        let condition = match (&chain.poison, &branch.condition) {
            (Some(why), _) | (None, Err(why)) => Err(why.clone()),
            (None, Ok(None)) => Ok(Cond::Always),
            (None, Ok(Some(condition))) => {
                chain.has_patterns |= condition.has_pattern();
                chain.may_capture |= !condition.captures_only_if_true();
                self.condition(condition)
            }
        };
        let differs = self.differs.take();
        let condition = match condition {
            Ok(Cond::Never) => {
                let why = match makes_a_folder(&branch.body) {
                    true => MAKES_FOLDERS,
                    false => "its condition never holds",
                };
                chain.taken.push(dead(unit, why));
                return;
            }
            Ok(condition) => condition,
            Err(why) => {
                let line = self.sources.line(branch.span);
                chain.taken.push(OpenBranch::without(self.lost_branch(unit, branch, why)));
                chain.lost.push(&branch.body);
                chain.poison.get_or_insert_with(|| {
                    format!("it depends on line {line}, which is not translated")
                });
                return;
            }
        };
        chain.is_complete = condition == Cond::Always;
        let (inner, goes_on) = self.branch_body(&branch.body);
        let changes = changes_tests(&inner);
        let mut unit = merged(unit, inner, goes_on);
        unit.condition = condition.clone();
        without_needless_levels(&unit.condition, &mut unit.effects);
        if let Some(why) = differs {
            soften(&mut unit, &why);
        }
        if goes_on {
            let mut kept = Vec::new();
            let is_only_way = chain.is_complete && chain.exits.is_empty();
            self.keep(branch, &chain.entry, is_only_way, &mut kept);
            if !kept.is_empty() {
                unit = open(unit);
                unit.effects.extend(kept);
            }
            chain.exits.push((self.variables.clone(), self.code.clone()));
        }
        chain.taken.push(OpenBranch { condition, unit, goes_on, changes });
    }

    /// What stands for a branch whose condition is not translated.
    fn lost_branch(&self, unit: Unit, branch: &IfBranch, why: String) -> Unit {
        if self.is_without_use(branch) {
            let why = "nothing asks for what it sets".to_owned();
            return Unit { fidelity: Fidelity::Dead(why), count: 0, ..unit };
        }
        let lost = lost(branch.span, why, &branch.body);
        Unit { comments: unit.comments, label: unit.label, ..lost }
    }

    /// The units of a branch's statements, and whether messages go on after them.
    fn branch_body(&mut self, statements: &[MaildropStatement]) -> (Vec<Unit>, bool) {
        self.depth += 1;
        let outer = std::mem::replace(&mut self.ended, false);
        let marked = self.marked.clone();
        let units = self.statements(statements);
        let goes_on = !std::mem::replace(&mut self.ended, outer);
        if !goes_on {
            // No other message gets its flags.
            self.marked = marked;
        }
        self.depth -= 1;
        (units, goes_on)
    }

    /// What is known of `test -d` where the branches ask for it: a folder that one of
    /// them creates exists, and so does a file that can be included.
    /// Otherwise the command is run.
    fn look_for_files(&mut self, branches: &[IfBranch], units: &mut Vec<Unit>) {
        let (path, command) = match self.code.clone() {
            ReturnCode::Exists(path, command) => (path, command),
            ReturnCode::Folder { path, .. } => (Some(path), CommandWords::default()),
            _ => return,
        };
        let asks = branches.iter().any(|branch| match &branch.condition {
            Ok(Some(condition)) => condition.names().contains(&"RETURNCODE"),
            _ => false,
        });
        if !asks {
            return;
        }
        if branches.iter().any(|branch| makes_a_folder(&branch.body)) {
            self.note("mfilter creates missing folders itself");
            self.set_code(ReturnCode::Known(Cond::Never));
            return;
        }
        let mut reads = false;
        for branch in branches {
            if let Ok(Some(condition)) = &branch.condition {
                reads |= looks_up(condition);
            }
            walk(&branch.body, &mut |statement| {
                reads |= matches!(&statement.kind, MaildropStatementKind::Word("include", _));
            });
        }
        if let Some(path) = path.filter(|_| reads) {
            let place = self.path_of(&path);
            let missing = (self.load)(&place).is_err();
            self.note(&match missing {
                true => format!("{path} is not there now, and so the rules take it"),
                false => format!("{path} is there now, and so the rules take it"),
            });
            self.set_code(ReturnCode::Known(if missing { Cond::Always } else { Cond::Never }));
        } else if !command.words.is_empty()
            && !branches.iter().all(|branch| self.is_without_use(branch))
        {
            let span = branches.first().map(|branch| branch.span).unwrap_or_default();
            let number = self.uses.code_number;
            let CommandWords { words, differs } = command;
            let effects = self.ask(span, words, number);
            if !number {
                // `test` fails with 1.
                self.set_code(ReturnCode::Known(Cond::Word("filter-failed".into())));
            }
            let fidelity = differs.map_or(Fidelity::Exact, Fidelity::Approximate);
            units.push(Unit { effects, count: 0, fidelity, ..Unit::new(span) });
        }
    }

    /// Variables that a branch has set and that are read after it: kept by `let`, and
    /// known there by all their possible values. If no other way leads there, constants
    /// stay what they are.
    fn keep(
        &mut self,
        branch: &IfBranch,
        entry: &MaildropVariables,
        is_only_way: bool,
        effects: &mut Vec<Effect>,
    ) {
        let mut names = Vec::new();
        walk(&branch.body, &mut |statement| {
            if let MaildropStatementKind::Assign(name, _) = &statement.kind
                && !names.contains(name)
            {
                names.push(name.clone());
            }
        });
        for name in names {
            let (now, before) = (self.variables.get(&name), entry.get(&name));
            let is_needed = self.uses.is_read_after(&name, branch.span) || name == "DEFAULT";
            if now == before || !is_needed {
                continue;
            }
            let kept = kept_name(&name);
            match now {
                // The inbox is where the filter as a whole puts it.
                MaildropVariable::Constant(_) if is_only_way && name != "DEFAULT" => {}
                MaildropVariable::Constant(text) => {
                    if ascii_case::starts_with(&text, "INBOX.") {
                        keep_prefix(&mut self.draft);
                    }
                    effects.push(Effect::Let(kept.clone(), literal(&text)));
                    self.variables.set(&name, MaildropVariable::Kept(kept, Some(vec![text])));
                }
                MaildropVariable::Template(template, _) | MaildropVariable::Field(_, template) => {
                    effects.push(Effect::Let(kept.clone(), template));
                    self.variables.set(&name, MaildropVariable::Kept(kept, None));
                }
                MaildropVariable::Captured(captured) => {
                    effects.push(Effect::Let(kept.clone(), captured.template));
                    self.variables.set(&name, MaildropVariable::Kept(kept, None));
                }
                MaildropVariable::Kept(..) | MaildropVariable::Unknown(_) => {}
            }
        }
    }

    /// Whether a branch only sets variables that nothing reads after it.
    fn is_without_use(&self, branch: &IfBranch) -> bool {
        let mut is_without = assigns_only(&branch.body);
        walk(&branch.body, &mut |statement| {
            if let MaildropStatementKind::Assign(name, value) = &statement.kind {
                let is_own = WITHOUT_MEANING.contains(&name.as_str());
                is_without &= is_own
                    || !value.runs_a_program()
                        && !HAS_EFFECT.contains(&name.as_str())
                        && !self.uses.is_read_after(name, branch.span);
            }
        });
        is_without
    }

    /// Keeps the values that variables had before the branches, where these may leave
    /// them unchanged.
    fn keep_before(&mut self, entry: &MaildropVariables, units: &mut Vec<Unit>) {
        for (name, kept) in self.variables.kept() {
            if let MaildropVariable::Constant(text) = entry.get(&name)
                && !text.is_empty()
            {
                let effects = vec![Effect::Let(kept, literal(&text))];
                units.push(Unit { effects, count: 0, ..Unit::new(Span::default()) });
            }
        }
    }

    /// Puts branches one after the other, each without what those before it took.
    fn assemble(&mut self, taken: Vec<OpenBranch>, units: &mut Vec<Unit>) {
        let is_first = |at: usize| taken.iter().take(at).all(|before| !before.goes_on);
        let last = taken.iter().rposition(|part| part.condition != Cond::Never).unwrap_or(0);
        let mut negated: Vec<Cond> = Vec::new();
        let mut all = Vec::new();
        let count = taken.len();
        let firsts: Vec<bool> = (0..count).map(is_first).collect();
        for (at, part) in taken.into_iter().enumerate() {
            let mut unit = part.unit;
            let is_written = part.condition != Cond::Never;
            if is_written && !firsts.get(at).copied().unwrap_or(true) {
                let own = std::mem::replace(&mut unit.condition, Cond::Always);
                unit.condition = Cond::all(negated.iter().cloned().chain([own]));
            }
            if is_written && part.goes_on && at < last {
                if part.changes {
                    self.names += 1;
                    let name = format!("md-taken-{}", self.names);
                    unit = open(unit);
                    unit.effects.insert(0, Effect::Let(name.clone(), "yes".into()));
                    negated.push(Cond::Word(format!("not has {name}")));
                } else {
                    negated.push(Cond::not(part.condition));
                }
            }
            all.push(unit);
        }
        units.extend(all);
    }
}

impl OpenBranch {
    /// A branch that is not written.
    fn without(unit: Unit) -> OpenBranch {
        OpenBranch { condition: Cond::Never, unit, goes_on: false, changes: false }
    }
}

/// A unit that effects can be added to, even if nothing else of it is written.
fn open(mut unit: Unit) -> Unit {
    if matches!(unit.fidelity, Fidelity::Exact | Fidelity::Approximate(_)) {
        return unit;
    }
    let outer = Unit {
        condition: std::mem::replace(&mut unit.condition, Cond::Always),
        falls_through: unit.falls_through,
        count: 0,
        ..Unit::new(unit.span)
    };
    Unit { effects: vec![Effect::Rule(unit)], ..outer }
}

/// What the patterns of a branch have to capture.
fn wanted(branch: &IfBranch) -> CaptureNeeds {
    let body = names_in(&branch.body);
    let mut names: Vec<&str> = body.iter().map(String::as_str).collect();
    if let Ok(Some(condition)) = &branch.condition {
        names.extend(condition.names());
    }
    let mut includes = false;
    walk(&branch.body, &mut |statement| {
        includes |= matches!(&statement.kind, MaildropStatementKind::Word("include", _));
    });
    match includes {
        // The file may ask for it.
        true => CaptureNeeds { groups: true, ..CaptureNeeds::default() },
        false => match_names(&names),
    }
}

/// Whether nothing is done except setting variables.
fn assigns_only(body: &[MaildropStatement]) -> bool {
    let mut only = !body.is_empty();
    walk(body, &mut |statement| {
        only &= matches!(
            &statement.kind,
            MaildropStatementKind::Assign(..)
                | MaildropStatementKind::If(_)
                | MaildropStatementKind::Import(_)
                | MaildropStatementKind::Comments
                | MaildropStatementKind::Word("log" | "echo", _)
        );
    });
    only
}

fn looks_up(of: &Expression) -> bool {
    match of {
        Expression::Call(name, arguments) => name == "lookup" || arguments.iter().any(looks_up),
        Expression::Not(inner) => looks_up(inner),
        Expression::Binary(_, left, right) => looks_up(left) || looks_up(right),
        _ => false,
    }
}

/// What is known after branches that end in these states.
fn joined(entry: &MaildropVariables, exits: &[MaildropVariables]) -> MaildropVariables {
    let Some((first, rest)) = exits.split_first() else { return entry.clone() };
    let mut all = first.clone();
    for exit in rest {
        all.join(exit);
    }
    all
}

/// Whether the same test may have another result after these.
fn changes_tests(units: &[Unit]) -> bool {
    let changes = |effect: &Effect| match effect {
        Effect::Let(..) | Effect::Program("filter", _) => true,
        Effect::Rule(unit) => changes_tests(std::slice::from_ref(unit)),
        _ => false,
    };
    units.iter().any(|unit| unit.effects.iter().any(changes))
}

/// Makes a unit, and everything in it, approximate: its condition differs.
fn soften(unit: &mut Unit, why: &str) {
    if unit.fidelity == Fidelity::Exact {
        unit.fidelity = Fidelity::Approximate(why.to_owned());
    }
    for effect in &mut unit.effects {
        if let Effect::Rule(inner) = effect {
            soften(inner, why);
        }
    }
}

/// A branch of plain actions is one unit; of more, a group.
fn merged(mut outer: Unit, mut units: Vec<Unit>, goes_on: bool) -> Unit {
    outer.falls_through = goes_on;
    let is_plain = |unit: &Unit| {
        unit.condition == Cond::Always
            && matches!(unit.fidelity, Fidelity::Exact)
            && unit.comments.is_empty()
            && unit.label.is_none()
            && unit.notes.is_empty()
    };
    let rules = || units.iter().filter(|unit| !unit.is_comment());
    if rules().count() < 2 || rules().all(is_plain) {
        let comments = units.iter().filter(|unit| unit.is_comment());
        outer.comments.extend(comments.flat_map(|unit| unit.comments.clone()));
        units.retain(|unit| !unit.is_comment());
    }
    if units.iter().all(is_plain) {
        outer.count = units.iter().map(|unit| unit.count).sum();
        outer.effects = units.into_iter().flat_map(|unit| unit.effects).collect();
        return outer;
    }
    outer.count = 0;
    // A single one is reported as the branch.
    let single = units.len() == 1
        && units.first().is_some_and(|unit| {
            unit.condition == Cond::Always && !matches!(unit.fidelity, Fidelity::Dead(_))
        });
    if single {
        for unit in units {
            outer.fidelity = unit.fidelity;
            outer.effects = unit.effects;
            outer.count = unit.count;
            outer.would_end = unit.would_end;
            outer.comments.extend(unit.comments);
            outer.label = outer.label.take().or(unit.label);
        }
        return outer;
    }
    outer.effects = units.into_iter().map(Effect::Rule).collect();
    outer
}
