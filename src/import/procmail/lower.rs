//! Nodes of a procmailrc as units: control flow, variables, includes.

use std::path::{Path, PathBuf};

use super::action::ProcmailDone;
use super::condition::{RecipeTests, asked};
use super::context::RecipeLowering;
use super::lines::{adds_lines, counts_lines, without_count};
use super::read::{NodeKind, RcNode, Recipe, RecipeAction, read};
use super::words::ProcmailVariable;
use crate::import::ir::{Cond, Effect, Fidelity, Unit, literal};
use crate::import::shell::is_duplicate_check;
use crate::import::{decode, unreadable};
use crate::source::{SourceFile, Span};
use crate::syntax::quote;

/// Files that are included more deeply than this are not read.
const MAX_INCLUDES: usize = 16;

/// What procmail keeps for itself and what has no counterpart here.
const WITHOUT_MEANING: [&str; 22] = [
    "VERBOSE",
    "LOGABSTRACT",
    "LOGFILE",
    "LOCKFILE",
    "LOCKEXT",
    "LOCKSLEEP",
    "LOCKTIMEOUT",
    "TIMEOUT",
    "NORESRETRY",
    "SUSPEND",
    "COMSAT",
    "LINEBUF",
    "UMASK",
    "SHELL",
    "SHELLFLAGS",
    "SHELLMETAS",
    "PATH",
    "DROPPRIVS",
    "DELIVERED",
    "LANG",
    "LC_ALL",
    "TZ",
];

/// The result of the recipe before this one, for `A`, `a`, `E` and `e`.
#[derive(Clone)]
enum Dependence {
    /// There is none before it.
    Nothing,
    Known {
        /// What `A` asks for: the condition of the last one without it.
        own: Cond,
        /// It may have another result now.
        is_stale: bool,
        /// What `E` asks for: the last one and those that it is an alternative to.
        chain: Vec<Cond>,
        /// These may have another result now.
        changes: bool,
        filters: bool,
    },
    /// It is not translated.
    Unknown,
}

impl RecipeLowering<'_> {
    pub(super) fn main(&mut self, path: &Path, file: &SourceFile) {
        self.sources.add(file.clone());
        self.around.push(path.to_owned());
        self.collect(&read(0, file));
        let units = self.nodes(&read(0, file), &mut Dependence::Nothing);
        self.draft.units.extend(units);
    }

    /// Variables that blocks set, which are kept by `let`.
    fn collect(&mut self, nodes: &[RcNode]) {
        for node in nodes {
            let NodeKind::Recipe(Recipe { action: RecipeAction::Block(inner), .. }) = &node.kind
            else {
                continue;
            };
            self.collect(inner);
            for node in inner {
                if let NodeKind::Assign { name, .. } = &node.kind
                    && !is_special(name)
                {
                    self.kept.insert(name.clone());
                }
            }
        }
    }

    /// The units of a file or a block; `before` is the recipe before them, and afterwards
    /// the last of them.
    fn nodes(&mut self, nodes: &[RcNode], before: &mut Dependence) -> Vec<Unit> {
        let mut units = Vec::new();
        let mut ended = false;
        for (number, node) in nodes.iter().enumerate() {
            if ended {
                let why = "procmail never comes here: the recipe before always delivers";
                let unit = Unit { fidelity: Fidelity::Dead(why.into()), ..Unit::new(node.span) };
                units.push(unit);
                continue;
            }
            let mut made = match &node.kind {
                NodeKind::Unreadable(why) => {
                    *before = Dependence::Unknown;
                    vec![Unit::not(node.span, why.clone())]
                }
                NodeKind::Assign { name, value } => {
                    let made = self.assign(node.span, name, value.as_deref(), before);
                    let is_end =
                        |unit: &Unit| !unit.falls_through && unit.condition == Cond::Always;
                    ended = std::mem::take(&mut self.switched) || made.iter().any(is_end);
                    made
                }
                NodeKind::Recipe(recipe) => {
                    let behind = nodes.get(number + 1..).unwrap_or_default();
                    self.is_asked_for = is_asked_for(behind, self.around.len() > 1);
                    let unit = self.recipe(node.span, recipe, before);
                    ended = !unit.falls_through && unit.condition == Cond::Always;
                    vec![unit]
                }
            };
            if let Some(first) = made.first_mut() {
                first.comments = node.comments.clone();
            } else if !node.comments.is_empty() && !matches!(node.kind, NodeKind::Assign { .. }) {
                let unit =
                    Unit { comments: node.comments.clone(), count: 0, ..Unit::new(node.span) };
                made.push(unit);
            }
            units.extend(made);
        }
        units
    }

    /// `NAME=value`
    fn assign(
        &mut self,
        span: Span,
        name: &str,
        value: Option<&str>,
        before: &mut Dependence,
    ) -> Vec<Unit> {
        let Some(written) = value else {
            self.variables.unset(name);
            return Vec::new();
        };
        let expanded = self.variables.expand(written, false);
        match name {
            "INCLUDERC" => return self.include(span, expanded.map(|text| text.constant), before),
            "SWITCHRC" => return self.switch(span, expanded.map(|text| text.constant), before),
            "HOST" => {
                let effects = vec![Effect::Discard(Some("HOST in the procmailrc".into()))];
                return vec![Unit { effects, falls_through: false, ..Unit::new(span) }];
            }
            "TRAP" => return vec![Unit::not(span, "TRAP runs a program at the end")],
            "LOG" => {
                return match expanded {
                    Ok(text) => {
                        let text = text.template.trim().to_owned();
                        let effects =
                            if text.is_empty() { Vec::new() } else { vec![Effect::Log(text)] };
                        vec![Unit { effects, ..Unit::new(span) }]
                    }
                    Err(why) => vec![Unit::not(span, why)],
                };
            }
            "EXITCODE" => {
                let code = expanded.ok().and_then(|text| text.constant?.trim().parse().ok());
                self.exit_code = code;
                return match code {
                    Some(_) => Vec::new(),
                    None => vec![Unit::not(span, "EXITCODE is no number")],
                };
            }
            "SENDMAIL" => {
                if let Ok(text) = &expanded
                    && let Some(path) =
                        text.constant.as_deref().filter(|path| path.starts_with('/'))
                {
                    self.draft.settings.push(("sendmail".into(), quote(path)));
                }
            }
            _ => {}
        }
        if WITHOUT_MEANING.contains(&name) {
            if let Ok(text) = expanded
                && let Some(text) = text.constant
            {
                self.variables.set(name, ProcmailVariable::Constant(text));
            }
            return Vec::new();
        }
        if self.kept.contains(name) {
            let kept = kept_name(name);
            return match expanded {
                Ok(text) => {
                    self.variables.set(name, ProcmailVariable::Template(format!("{{{kept}}}")));
                    vec![Unit {
                        effects: vec![Effect::Let(kept, text.template)],
                        ..Unit::new(span)
                    }]
                }
                Err(why) => {
                    self.variables.set(name, ProcmailVariable::Unknown(format!("{name}: {why}")));
                    vec![Unit::not(span, why)]
                }
            };
        }
        let value = match expanded {
            Ok(text) => match text.constant {
                Some(constant) => ProcmailVariable::Constant(constant),
                None => ProcmailVariable::Template(text.template),
            },
            Err(why) => ProcmailVariable::Unknown(format!("{name}: {why}")),
        };
        self.variables.set(name, value);
        Vec::new()
    }

    /// `SWITCHRC=file`: what comes after it in this file is not read. `SWITCHRC` without
    /// a value ends the file.
    fn switch(
        &mut self,
        span: Span,
        path: Result<Option<String>, String>,
        before: &mut Dependence,
    ) -> Vec<Unit> {
        let not = |why: String| vec![Unit { would_end: true, ..Unit::not(span, why) }];
        let is_included = self.around.len() > 1;
        if self.depth > 0 && is_included {
            return not("SWITCHRC under a condition leaves the included file".into());
        }
        let mut units = match self.read_included(path, before) {
            Ok(units) => units,
            Err(why) => return not(why),
        };
        // After an included file, the including one goes on.
        self.switched = is_included;
        if !is_included {
            let effects = vec![Effect::Stop];
            units.push(Unit { effects, falls_through: false, count: 0, ..Unit::new(span) });
        }
        units
    }

    fn include(
        &mut self,
        span: Span,
        path: Result<Option<String>, String>,
        before: &mut Dependence,
    ) -> Vec<Unit> {
        match self.read_included(path, before) {
            Ok(units) => units,
            Err(why) => {
                self.variables.maybe_set = true;
                vec![Unit { would_end: true, ..Unit::not(span, why) }]
            }
        }
    }

    /// The units of a file.
    fn read_included(
        &mut self,
        path: Result<Option<String>, String>,
        before: &mut Dependence,
    ) -> Result<Vec<Unit>, String> {
        let written = path?.ok_or("the name of the file comes from the message")?;
        if written.is_empty() || written == "/dev/null" {
            return Ok(Vec::new());
        }
        let base = self.around.first().and_then(|path| path.parent()).unwrap_or(Path::new(""));
        let path = match written.strip_prefix("~/") {
            Some(rest) => base.join(rest),
            None if written.starts_with('/') => PathBuf::from(&written),
            None => base.join(&written),
        };
        if self.around.contains(&path) {
            return Err(format!("`{written}` includes itself"));
        }
        if self.around.len() > MAX_INCLUDES {
            return Err("files include one another too deeply".into());
        }
        let bytes = (self.load)(&path)
            .map_err(|error| unreadable(&format!("`{written}`"), &path, &error))?;
        let file = SourceFile::new(&path, decode(&bytes).0);
        let number = self.sources.files().len() as u32;
        self.sources.add(file.clone());
        let nodes = read(number, &file);
        self.collect(&nodes);
        self.around.push(path);
        let depth = std::mem::take(&mut self.depth);
        let units = self.nodes(&nodes, before);
        self.depth = depth;
        self.around.pop();
        Ok(units)
    }

    fn recipe(&mut self, span: Span, recipe: &Recipe, before: &mut Dependence) -> Unit {
        match self.try_recipe(span, recipe, before) {
            Ok(unit) => unit,
            Err(why) => {
                let delivers = match &recipe.action {
                    RecipeAction::Capture(name) => {
                        let why = format!("{name} comes from a program");
                        self.variables.set(name, ProcmailVariable::Unknown(why));
                        false
                    }
                    RecipeAction::Block(nodes) => {
                        self.forget(nodes);
                        false
                    }
                    RecipeAction::Pipe(_) => !recipe.flags.contains(['f', 'c']),
                    RecipeAction::Forward(_) | RecipeAction::Mailbox(_) => {
                        !recipe.flags.contains('c')
                    }
                };
                if matches!(&recipe.action, RecipeAction::Pipe(_)) && recipe.flags.contains('f') {
                    self.edited.insert("*".into());
                }
                *before = Dependence::Unknown;
                Unit { would_end: delivers, ..Unit::not(span, why) }
            }
        }
    }

    /// Forgets what a block that is not translated would have set.
    fn forget(&mut self, nodes: &[RcNode]) {
        for node in nodes {
            match &node.kind {
                NodeKind::Assign { name, .. } => {
                    let why = format!("{name} is set by a recipe that is not translated");
                    self.variables.set(name, ProcmailVariable::Unknown(why));
                }
                NodeKind::Recipe(Recipe { action: RecipeAction::Block(inner), .. }) => {
                    self.forget(inner)
                }
                _ => {}
            }
        }
    }

    fn try_recipe(
        &mut self,
        span: Span,
        recipe: &Recipe,
        before: &mut Dependence,
    ) -> Result<Unit, String> {
        let flags = recipe.flags.as_str();
        let is_asked_for = self.is_asked_for;
        let (depends, chain) = self.dependence(flags, before)?;
        let conditions = match counts_lines(recipe) {
            true => &without_count(&recipe.conditions),
            false => &recipe.conditions,
        };
        let found = asked(conditions, flags, &self.variables)?;
        self.tests_what_was_edited(&found)?;
        if found.dots {
            self.note("a dot between letters in a pattern is taken for a dot, as it was meant");
        }
        if found.words {
            self.note(
                "`\\<` and `\\>` are where a word begins and ends; procmail takes the end of a \
                 line for it, too, and goes on in the next one",
            );
        }
        let mut own = found.condition.clone();
        if matches!(&recipe.action, RecipeAction::Pipe(command) if is_duplicate_check(command)) {
            own = Cond::all([own, Cond::Word("duplicate".into())]);
        }
        let condition = Cond::all([depends.clone(), own.clone()]);
        let outer_match = self.variables.get("MATCH").cloned();
        if found.captures {
            self.variables.set("MATCH", ProcmailVariable::Template("{match}".into()));
        }
        let done = self.action(span, recipe);
        if found.captures {
            match outer_match {
                Some(value) => self.variables.set("MATCH", value),
                None => self.variables.unset("MATCH"),
            }
        }
        let mut done = done?;
        if found.captures && self.is_used_behind(span) {
            done.effects.insert(0, Effect::Let(kept_name("MATCH"), "{match}".into()));
            let kept = format!("{{{}}}", kept_name("MATCH"));
            self.variables.set("MATCH", ProcmailVariable::Template(kept));
        }
        self.edited.extend(done.edited.iter().cloned());
        // Whether it was done cannot be tested again if it changes what is tested.
        let changes =
            condition != Cond::Never && (!done.edited.is_empty() || changes_tests(&done.effects));
        let done_before = (changes && is_asked_for).then(|| {
            self.names += 1;
            let name = format!("rc-done-{}", self.names);
            done.effects.insert(0, Effect::Let(name.clone(), "yes".into()));
            Cond::Word(format!("has {name}"))
        });
        let (changes_here, changes) = (changes, changes && done_before.is_none());
        let told = |condition: &Cond| done_before.clone().unwrap_or_else(|| condition.clone());
        let filters = matches!(done.effects.last(), Some(Effect::Program("filter", _)));
        *before = match (flags.contains(['A', 'a', 'e']), flags.contains('E'), &*before) {
            // `A` refers to the last one without it.
            (true, _, Dependence::Known { own, is_stale, .. }) if !flags.contains('e') => {
                Dependence::Known {
                    own: own.clone(),
                    is_stale: *is_stale || changes_here && !is_kept(own),
                    chain: vec![told(&condition)],
                    changes,
                    filters,
                }
            }
            (true, ..) => before.clone(),
            (_, true, _) => {
                let mut chain = chain;
                chain.push(told(&own));
                Dependence::Known {
                    own: told(&condition),
                    is_stale: changes,
                    chain,
                    changes,
                    filters,
                }
            }
            _ => {
                let chain = vec![told(&own)];
                Dependence::Known { own: told(&own), is_stale: changes, chain, changes, filters }
            }
        };
        let is_block = matches!(recipe.action, RecipeAction::Block(_));
        let nothing = done.effects.is_empty() && !done.ends;
        let mut unit = Unit {
            condition,
            effects: done.effects,
            falls_through: !done.ends,
            count: done.count,
            ..Unit::new(span)
        };
        if unit.condition == Cond::Never {
            unit.count = unit.count.max(1);
            unit.fidelity = match flags.contains('e') {
                true => Fidelity::Dead("a delivery that fails is tried again".into()),
                false => Fidelity::Dead("its condition never holds".into()),
            };
        } else if nothing && !is_block {
            unit.fidelity = Fidelity::Dead("it does nothing".into());
        } else if let Some(why) = done.differs {
            unit.fidelity = Fidelity::Approximate(why);
        }
        Ok(unit)
    }

    /// What `A` and `E` ask about the recipe before, and the alternatives so far.
    fn dependence(&self, flags: &str, before: &Dependence) -> Result<(Cond, Vec<Cond>), String> {
        if !flags.contains(['A', 'a', 'E', 'e']) {
            return Ok((Cond::Always, Vec::new()));
        }
        match before {
            // What cannot be stored or given to a program is tried again.
            Dependence::Known { own, chain, filters, .. } if flags.contains('e') => {
                let failed = match filters {
                    true => Cond::Word("filter-failed".into()),
                    false => Cond::Never,
                };
                Ok((Cond::all([own.clone(), failed]), chain.clone()))
            }
            Dependence::Nothing => Err("there is no recipe before it".into()),
            Dependence::Unknown => Err("the recipe before it is not translated".into()),
            Dependence::Known { changes: true, .. } if flags.contains('E') => {
                Err("the recipe before it changes what is tested".into())
            }
            Dependence::Known { is_stale: true, .. } if !flags.contains('E') => {
                Err("the recipe before it changes what is tested".into())
            }
            Dependence::Known { own, chain, filters: true, .. } if flags.contains('a') => {
                let worked = Cond::not(Cond::Word("filter-failed".into()));
                Ok((Cond::all([own.clone(), worked]), chain.clone()))
            }
            Dependence::Known { chain, .. } if flags.contains('E') => {
                let none = chain.iter().map(|condition| Cond::not(condition.clone()));
                Ok((Cond::all(none), chain.clone()))
            }
            Dependence::Known { own, chain, .. } => Ok((own.clone(), chain.clone())),
        }
    }

    /// mfilter tests the message as it came, procmail as it was changed.
    fn tests_what_was_edited(&self, found: &RecipeTests) -> Result<(), String> {
        let changed = found.headers.iter().find(|name| self.edited.contains(*name));
        if let Some(name) = changed {
            return Err(format!("it tests the header {name}, which a recipe before it has set"));
        }
        let any = found.all_headers && self.edited.iter().any(|name| name != "*");
        if any {
            return Err("it tests all headers, and a recipe before it has set one".into());
        }
        Ok(())
    }

    fn is_used_behind(&self, span: Span) -> bool {
        let file = self.sources.files().get(span.file as usize);
        file.and_then(|file| file.text.get(span.end as usize..)).is_some_and(|rest| {
            rest.contains("$MATCH") || rest.contains("${MATCH") || rest.contains("MATCH ??")
        })
    }

    fn action(&mut self, span: Span, recipe: &Recipe) -> Result<ProcmailDone, String> {
        let copy = recipe.flags.contains('c');
        match &recipe.action {
            RecipeAction::Forward(to) => self.forward(to, &recipe.flags),
            RecipeAction::Pipe(command) if is_duplicate_check(command) && !copy => {
                self.note(
                    "what formail's cache of Message-IDs was, `duplicate` remembers when a \
                     message is delivered",
                );
                Ok(ProcmailDone::ending(Effect::Discard(Some("duplicate".into()))))
            }
            RecipeAction::Pipe(command) if counts_lines(recipe) => Ok(adds_lines(command)),
            RecipeAction::Pipe(command) => self.pipe(span, command, &recipe.flags),
            RecipeAction::Capture(name) => Err(format!("a program gives {name} its value")),
            RecipeAction::Mailbox(name) => self.mailbox(name, &recipe.flags),
            RecipeAction::Block(nodes) => self.block(nodes, copy),
        }
    }

    fn block(&mut self, nodes: &[RcNode], copy: bool) -> Result<ProcmailDone, String> {
        let exit_code = self.exit_code;
        let variables = self.variables.clone();
        let edited = self.edited.clone();
        self.depth += 1;
        let units = self.nodes(nodes, &mut Dependence::Nothing);
        self.depth -= 1;
        self.exit_code = exit_code;
        if copy {
            // What it sets and changes belongs to the copy.
            (self.variables, self.edited) = (variables, edited);
            return copied(units);
        }
        // What is the same for every message within the block is not so after it.
        for node in nodes {
            if let NodeKind::Assign { name, .. } = &node.kind
                && !self.kept.contains(name)
                && let Some(old) = variables.get(name)
                && self.variables.get(name) != Some(old)
            {
                let why = format!("{name} depends on the message");
                self.variables.set(name, ProcmailVariable::Unknown(why));
            }
        }
        let ends = units.iter().any(|unit| !unit.falls_through && unit.condition == Cond::Always);
        let is_plain = |unit: &Unit| {
            unit.condition == Cond::Always
                && unit.fidelity == Fidelity::Exact
                && unit.comments.is_empty()
        };
        let count = units.iter().filter(|unit| is_plain(unit)).map(|unit| unit.count).sum();
        if units.iter().all(is_plain) {
            let effects = units.into_iter().flat_map(|unit| unit.effects).collect();
            return Ok(ProcmailDone { ends, count, ..ProcmailDone::going_on(effects) });
        }
        let effects = units.into_iter().map(Effect::Rule).collect();
        Ok(ProcmailDone { ends, count: 0, ..ProcmailDone::going_on(effects) })
    }
}

/// The units of a block for a copy of the message, which is processed on its own: each of
/// their deliveries is an additional one, and mail that one took does not reach the
/// others.
fn copied(units: Vec<Unit>) -> Result<ProcmailDone, String> {
    let why = || "a block for a copy of the message, which goes on by itself".to_owned();
    let mut taken: Vec<Cond> = Vec::new();
    let mut effects = Vec::new();
    let mut always = false;
    for mut unit in units {
        if matches!(unit.fidelity, Fidelity::NotTranslated(_)) {
            return Err(why());
        }
        for effect in &mut unit.effects {
            *effect = match std::mem::replace(effect, Effect::Stop) {
                Effect::Folder(name, marks) => Effect::Copy(name, marks),
                Effect::Inbox(marks) => Effect::Copy("INBOX".into(), marks),
                Effect::Forward { to, .. } => Effect::Forward { copy: true, to },
                Effect::Program("pipe" | "run", words) => Effect::Program("run", words),
                kept @ (Effect::Copy(..) | Effect::Log(_)) => kept,
                // `/dev/null`
                Effect::Discard(_) => continue,
                _ => return Err(why()),
            };
        }
        unit.effects.retain(|effect| !matches!(effect, Effect::Stop));
        let own = unit.condition.clone();
        unit.condition = Cond::all(taken.iter().cloned().map(Cond::not).chain([own.clone()]));
        if !unit.falls_through {
            always |= own == Cond::Always;
            taken.push(own);
        }
        unit.falls_through = true;
        if unit.effects.is_empty() && unit.fidelity == Fidelity::Exact {
            unit.fidelity = Fidelity::Dead("the copy goes nowhere".into());
        }
        effects.push(Effect::Rule(unit));
    }
    if !always {
        effects.iter_mut().for_each(stored_twice);
    }
    Ok(ProcmailDone { count: 0, ..ProcmailDone::going_on(effects) })
}

/// What a block for a copy does not consume.
fn stored_twice(effect: &mut Effect) {
    let Effect::Rule(unit) = effect else { return };
    if unit.count > 0 && unit.fidelity == Fidelity::Exact {
        let why = "a copy that the block does not take goes on, and procmail stores it twice";
        unit.fidelity = Fidelity::Approximate(why.into());
    }
    unit.effects.iter_mut().for_each(stored_twice);
}

/// Whether a condition has the same result however the message is changed.
fn is_kept(condition: &Cond) -> bool {
    match condition {
        Cond::Always | Cond::Never => true,
        Cond::Word(word) => word.starts_with("has rc-done-"),
        _ => false,
    }
}

/// Whether the same test may have another result after these.
fn changes_tests(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| match effect {
        Effect::Let(..) | Effect::Program("filter", _) => true,
        Effect::Rule(unit) => changes_tests(&unit.effects),
        _ => false,
    })
}

/// Whether what comes after a recipe may ask if it was done: `A`, `E`. Included files are
/// not searched.
fn is_asked_for(behind: &[RcNode], is_included: bool) -> bool {
    for node in behind {
        match &node.kind {
            NodeKind::Recipe(recipe) if recipe.flags.contains(['A', 'a', 'E']) => return true,
            // It asks whether that one failed.
            NodeKind::Recipe(recipe) if recipe.flags.contains('e') => {}
            NodeKind::Recipe(_) => return false,
            NodeKind::Assign { name, .. } if name == "INCLUDERC" || name == "SWITCHRC" => {
                return true;
            }
            _ => {}
        }
    }
    is_included
}

fn is_special(name: &str) -> bool {
    WITHOUT_MEANING.contains(&name)
        || matches!(
            name,
            "INCLUDERC"
                | "SWITCHRC"
                | "HOST"
                | "TRAP"
                | "LOG"
                | "EXITCODE"
                | "SENDMAIL"
                | "MAILDIR"
                | "DEFAULT"
                | "ORGMAIL"
                | "HOME"
                | "LOGNAME"
        )
}

/// The name under which `let` keeps a variable.
pub(super) fn kept_name(name: &str) -> String {
    let name: String =
        name.chars().map(|c| if c == '_' { '-' } else { c.to_ascii_lowercase() }).collect();
    format!("rc-{}", literal(&name))
}
