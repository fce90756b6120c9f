//! Nodes of a procmailrc as units: control flow.

use std::path::Path;

use super::action::ProcmailResult;
use super::as_sent::{AS_SENT, BYTE_BY_BYTE, is_of_raw_headers};
use super::assignment::kept_name;
use super::capture::{may_capture_blank, use_match, uses_match, without_match};
use super::condition::{ProgramTest, RecipeTests, asked, asks_for_folder};
use super::context::RecipeLowering;
use super::dependence::{DONE, Dependence, RecipeResult, is_asked_for, is_failure_asked_for};
use super::lines::{adds_lines, counts_lines, without_count};
use super::mark_read::{MarkedDelivery, marked_delivery, with_marks};
use super::read::{NodeKind, RcNode, Recipe, RecipeAction, read};
use super::words::ProcmailVariable;
use crate::import::READ_AS_LATIN;
use crate::import::ir::{Cond, Effect, Fidelity, Unit};
use crate::import::levels::{settle, without_needless_levels};
use crate::import::shell::{
    ASKED, MADE_LATER, MAKES_FOLDERS, if_unasked, is_duplicate_check, makes_folders,
    may_make_folders,
};
use crate::source::{SourceFile, Span};

impl RecipeLowering<'_> {
    pub(super) fn main(&mut self, path: &Path, file: &SourceFile) {
        self.sources.add(file.clone());
        self.around.push(path.to_owned());
        let nodes = read(0, file);
        self.collect(&nodes);
        let mut units = self.nodes(&nodes, &mut Dependence::Nothing);
        // What no recipe took goes where DEFAULT says.
        let is_lost = self.variables.value("DEFAULT")
            == ProcmailVariable::Constant("/dev/null".into())
            && !units.iter().any(|unit| !unit.falls_through && unit.condition == Cond::Always);
        if is_lost {
            units.push(Unit::discarding(0, file.text.len(), "DEFAULT is /dev/null"));
        }
        units.iter_mut().for_each(|unit| settle(&mut unit.effects));
        self.draft.units.extend(units);
    }

    /// The units of a file or a block; `before` is the recipe before them, and afterwards
    /// the last of them.
    pub(super) fn nodes(&mut self, nodes: &[RcNode], before: &mut Dependence) -> Vec<Unit> {
        let mut units = Vec::new();
        let mut ended = false;
        let mut joined = 0;
        let outer_match = self.match_is_used;
        for (number, node) in nodes.iter().enumerate() {
            if number < joined {
                continue;
            }
            let after = nodes.get(number + 1..).unwrap_or_default();
            self.match_is_used = outer_match || use_match(after);
            if ended {
                let why = "procmail never comes here: the recipe before always delivers";
                let (fidelity, count) = match node.kind {
                    NodeKind::Comments => (Fidelity::Exact, 0),
                    _ => (Fidelity::Dead(why.into()), 1),
                };
                let comments = node.comments.clone();
                units.push(Unit { fidelity, count, comments, ..Unit::new(node.span) });
                continue;
            }
            let mut made = match &node.kind {
                NodeKind::Unreadable(why) => {
                    *before = Dependence::Unknown;
                    vec![Unit::not(node.span, why.clone())]
                }
                NodeKind::Comments => Vec::new(),
                NodeKind::Assign { name, value } => {
                    let made = self.assign(node.span, name, value.as_deref(), before);
                    let is_end =
                        |unit: &Unit| !unit.falls_through && unit.condition == Cond::Always;
                    ended = std::mem::take(&mut self.switched) || made.iter().any(is_end);
                    made
                }
                NodeKind::Recipe(recipe) => {
                    let marked = marked_delivery(nodes.get(number..).unwrap_or_default());
                    joined = number + marked.as_ref().map_or(1, |marked| marked.nodes);
                    let after = nodes.get(joined..).unwrap_or_default();
                    self.is_asked_for = is_asked_for(after, self.around.len() > 1);
                    self.is_failure_asked_for = is_failure_asked_for(after);
                    let unit = match marked {
                        Some(marked) => {
                            let all = nodes.get(number..joined).unwrap_or_default();
                            self.marked(all, &marked, before)
                        }
                        None => self.recipe(node.span, recipe, before),
                    };
                    ended = !unit.falls_through && unit.condition == Cond::Always;
                    vec![unit]
                }
            };
            if let Some(first) = made.first_mut() {
                first.comments.splice(0..0, node.comments.iter().cloned());
            } else if !node.comments.is_empty() {
                let unit =
                    Unit { comments: node.comments.clone(), count: 0, ..Unit::new(node.span) };
                made.push(unit);
            }
            units.extend(made);
        }
        self.match_is_used = outer_match;
        units
    }

    /// Nodes that store a message with flags.
    fn marked(&mut self, all: &[RcNode], of: &MarkedDelivery, before: &mut Dependence) -> Unit {
        let (Some(first), Some(last)) = (all.first(), all.last()) else {
            return Unit { count: 0, ..Unit::new(Span::default()) };
        };
        let span = Span { end: last.span.end, ..first.span };
        let mut unit = self.recipe(span, &of.recipe, before);
        with_marks(&mut unit.effects, &of.marks);
        unit.comments.extend(all.iter().skip(1).flat_map(|node| node.comments.iter().cloned()));
        unit
    }

    fn recipe(&mut self, span: Span, recipe: &Recipe, before: &mut Dependence) -> Unit {
        if makes_folders_only(recipe) {
            *before = Dependence::Unknown;
            let fidelity = Fidelity::Dead(MAKES_FOLDERS.into());
            return Unit { fidelity, ..Unit::new(span) };
        }
        match self.try_recipe(span, recipe, before) {
            Ok(unit) => unit,
            Err(why) => {
                let delivers = match &recipe.action {
                    RecipeAction::Capture(name, _) => {
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
        let (depends, chain) = before.asked(flags)?;
        let found = self.tests(recipe)?;
        let sees_changes = self.tests_what_was_edited(&found);
        if sees_changes {
            self.edited.retain(|name| name == "*");
        }
        let own = match &recipe.action {
            RecipeAction::Pipe(command) if is_duplicate_check(command) => {
                Cond::all([found.condition.clone(), Cond::Word("duplicate".into())])
            }
            _ => found.condition.clone(),
        };
        let condition = Cond::all([depends.clone(), own.clone()]);
        let mut done = self.action_with_match(span, recipe, &found)?;
        self.edited.extend(done.edited.iter().cloned());
        // Whether it was done cannot be tested again if it changes what is tested.
        let changes_tests = condition != Cond::Never
            && (!done.edited.is_empty() || changes_tests(&done.effects) || found.program.is_some());
        let named = (changes_tests && is_asked_for).then(|| self.name_done(&mut done));
        let result = RecipeResult {
            own: named.clone().unwrap_or(own),
            changes: changes_tests && named.is_none(),
            condition: named.unwrap_or_else(|| condition.clone()),
            changes_tests,
            may_fail: done.may_fail,
        };
        *before = result.dependence(flags, before, chain);
        let unit = unit_of(span, recipe, condition, done, found.differs);
        let unit = match found.program {
            Some(program) if unit.condition != Cond::Never => {
                self.note(ASKED);
                decided_by(program, depends, unit)
            }
            _ => unit,
        };
        if !sees_changes {
            return Ok(unit);
        }
        // What a filter is given is changed already.
        let effects = vec![Effect::Program("filter", vec!["cat".into()]), Effect::Rule(unit)];
        Ok(Unit { effects, count: 0, ..Unit::new(span) })
    }

    /// The conditions of a recipe; notes say what is assumed about them.
    fn tests(&mut self, recipe: &Recipe) -> Result<RecipeTests, String> {
        let conditions = match counts_lines(recipe) {
            true => &without_count(&recipe.conditions),
            false => &recipe.conditions,
        };
        let flags = recipe.flags.as_str();
        let mut found = match asked(conditions, flags, &self.variables) {
            Err(why) if self.match_is_used || uses_match(recipe) => return Err(why),
            Err(_) => asked(&without_match(conditions), flags, &self.variables)?,
            Ok(found) => found,
        };
        let is_latin = self.draft.notes.iter().any(|note| note == READ_AS_LATIN);
        if is_latin && conditions.iter().any(|text| !text.is_ascii()) {
            found.differs.get_or_insert(BYTE_BY_BYTE);
        }
        let mut files = self.sources.files().iter();
        if asks_for_folder(&found.condition) && files.any(|file| may_make_folders(&file.text)) {
            found.differs.get_or_insert(MADE_LATER);
        }
        if is_of_raw_headers(&found.condition) {
            self.note(AS_SENT);
        }
        if found.dots {
            self.note("a dot between letters in a pattern is taken for a dot, as it was meant");
        }
        if found.words {
            self.note(
                "`\\<` and `\\>` are where a word begins and ends; procmail takes the end of a \
                 line for it, too, and goes on in the next one",
            );
        }
        Ok(found)
    }

    /// The action of a recipe, in which `MATCH` is what its conditions have captured.
    fn action_with_match(
        &mut self,
        span: Span,
        recipe: &Recipe,
        found: &RecipeTests,
    ) -> Result<ProcmailResult, String> {
        if !found.captures {
            return self.action(span, recipe);
        }
        let outer_match = self.variables.get("MATCH").cloned();
        self.variables.set("MATCH", ProcmailVariable::Template("{match}".into()));
        let may_be_blank = may_capture_blank(&found.condition);
        let outer_blank = std::mem::replace(&mut self.captures_blank, may_be_blank);
        let done = self.action(span, recipe);
        self.captures_blank = outer_blank;
        match outer_match {
            Some(value) => self.variables.set("MATCH", value),
            None => self.variables.unset("MATCH"),
        }
        let mut done = done?;
        if self.is_used_after(span) {
            done.effects.insert(0, Effect::Let(kept_name("MATCH"), "{match}".into()));
            let kept = format!("{{{}}}", kept_name("MATCH"));
            self.variables.set("MATCH", ProcmailVariable::Template(kept));
        }
        Ok(done)
    }

    /// Has a name of its own record that a recipe was done; returns the test of that.
    fn name_done(&mut self, done: &mut ProcmailResult) -> Cond {
        self.names += 1;
        let name = format!("{DONE}{}", self.names);
        done.effects.insert(0, Effect::Let(name.clone(), "yes".into()));
        Cond::Word(format!("has {name}"))
    }

    /// mfilter tests the message as it came, procmail as it was changed.
    fn tests_what_was_edited(&self, found: &RecipeTests) -> bool {
        found.headers.iter().any(|name| self.edited.contains(name))
            || found.all_headers && self.edited.iter().any(|name| name != "*")
    }

    fn is_used_after(&self, span: Span) -> bool {
        let file = self.sources.files().get(span.file as usize);
        file.and_then(|file| file.text.get(span.end as usize..)).is_some_and(|rest| {
            rest.contains("$MATCH") || rest.contains("${MATCH") || rest.contains("MATCH ??")
        })
    }

    fn action(&mut self, span: Span, recipe: &Recipe) -> Result<ProcmailResult, String> {
        let copy = recipe.flags.contains('c');
        match &recipe.action {
            RecipeAction::Forward(to) => self.forward(to, &recipe.flags),
            RecipeAction::Pipe(command) if is_duplicate_check(command) && !copy => {
                self.note(
                    "what formail's cache of Message-IDs was, `duplicate` remembers when a \
                     message is delivered",
                );
                Ok(ProcmailResult::ending(Effect::Discard(Some("duplicate".into()))))
            }
            RecipeAction::Pipe(command) if counts_lines(recipe) => Ok(adds_lines(command)),
            RecipeAction::Pipe(command) => self.pipe(span, command, &recipe.flags),
            RecipeAction::Capture(name, command) => {
                self.capture(span, name, command, &recipe.flags)
            }
            RecipeAction::Mailbox(name) => self.mailbox(span, name, &recipe.flags),
            RecipeAction::Block(nodes) => self.block(nodes, copy),
        }
    }

    fn block(&mut self, nodes: &[RcNode], copy: bool) -> Result<ProcmailResult, String> {
        let exit_code = self.exit_code;
        let variables = self.variables.clone();
        let edited = copy.then(|| self.edited.clone());
        self.depth += 1;
        let units = self.nodes(nodes, &mut Dependence::Nothing);
        self.depth -= 1;
        self.exit_code = exit_code;
        if copy {
            // What it sets and changes belongs to the copy.
            self.variables = variables;
            self.edited = edited.unwrap_or_default();
            return copied(units);
        }
        // What is the same for every message within the block is not so after it.
        for node in nodes {
            if let NodeKind::Assign { name, .. } = &node.kind
                && self.kept.contains(name)
                && let Some(ProcmailVariable::Constant(_)) = self.variables.get(name)
            {
                let kept = format!("{{{}}}", kept_name(name));
                self.variables.set(name, ProcmailVariable::Template(kept));
            }
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
        if units.iter().all(|unit| is_plain(unit) || unit.is_comment()) {
            let (mut effects, mut comments) = (Vec::new(), Vec::new());
            for unit in units {
                effects.extend(unit.effects);
                comments.extend(unit.comments);
            }
            return Ok(ProcmailResult {
                ends,
                count,
                comments,
                ..ProcmailResult::going_on(effects)
            });
        }
        let effects = units.into_iter().map(Effect::Rule).collect();
        Ok(ProcmailResult { ends, count: 0, ..ProcmailResult::going_on(effects) })
    }
}

/// The unit of a recipe with these conditions, whose action is `done`.
fn unit_of(
    span: Span,
    recipe: &Recipe,
    condition: Cond,
    done: ProcmailResult,
    differs: Option<&str>,
) -> Unit {
    let is_block = matches!(recipe.action, RecipeAction::Block(_));
    let does_nothing = done.effects.is_empty() && !done.ends && !is_block && done.differs.is_none();
    let is_never_done = condition == Cond::Never;
    let fidelity = match done.differs.or(differs.map(str::to_owned)) {
        _ if is_never_done && recipe.flags.contains('e') => {
            Fidelity::Dead("a delivery that fails is tried again".into())
        }
        _ if is_never_done => Fidelity::Dead("its condition never holds".into()),
        _ if does_nothing => Fidelity::Dead("it does nothing".into()),
        Some(why) => Fidelity::Approximate(why),
        None => Fidelity::Exact,
    };
    let mut effects = done.effects;
    without_needless_levels(&condition, &mut effects);
    Unit {
        condition,
        effects,
        comments: done.comments,
        falls_through: !done.ends,
        count: if is_never_done { done.count.max(1) } else { done.count },
        fidelity,
        ..Unit::new(span)
    }
}

/// A recipe for which a program is asked first, where the conditions before that hold.
fn decided_by(program: ProgramTest, depends: Cond, unit: Unit) -> Unit {
    let outer =
        Unit { condition: Cond::all([depends, program.before]), count: 0, ..Unit::new(unit.span) };
    let inner = Unit { condition: program.decided, ..unit };
    Unit { effects: vec![program.filter, if_unasked(outer.span), Effect::Rule(inner)], ..outer }
}

/// The units of a block for a copy of the message, which is processed on its own: each of
/// their deliveries is an additional one, and mail that one took does not reach the
/// others.
fn copied(units: Vec<Unit>) -> Result<ProcmailResult, String> {
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
    Ok(ProcmailResult { count: 0, ..ProcmailResult::going_on(effects) })
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

/// Whether the same test may have another result after these.
fn changes_tests(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| match effect {
        Effect::Let(..) | Effect::Program("filter", _) => true,
        Effect::Rule(unit) => changes_tests(&unit.effects),
        _ => false,
    })
}

/// Whether a recipe for a copy does nothing but create a folder that is missing.
fn makes_folders_only(recipe: &Recipe) -> bool {
    let RecipeAction::Pipe(command) = &recipe.action else { return false };
    let is_test = |text: &String| {
        text.trim_start_matches(['!', ' ', '\t'])
            .strip_prefix('?')
            .is_some_and(|command| makes_folders(command).is_some())
    };
    recipe.flags.contains('c')
        && !recipe.flags.contains(['A', 'a', 'E', 'e', 'f'])
        && makes_folders(command) == Some(true)
        && recipe.conditions.iter().all(is_test)
}
