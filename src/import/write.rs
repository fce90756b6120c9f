//! IR to text. What is written is read again by the parser and the check of the
//! rules, and brought into the canonical layout: so no import gives rules that
//! mfilter does not take. A unit of which it takes none is not translated.

use std::path::Path;

use super::ir::{Answer, Cond, Draft, Effect, Fidelity, Mark, Operand, Test, Unit};
use super::{Imported, Options};
use crate::diagnostic::{self, Diagnostic, Severity};
use crate::rules::check::{Surroundings, check, check_site, no_script};
use crate::source::{SourceFile, Sources, Span};
use crate::syntax::ast::{Body, StatementNode, StatementNodeKind};
use crate::syntax::{self, quote, slashed};
use crate::text::is_invisible;

/// How a rule begins that could not be translated; `check` looks for it.
pub use crate::syntax::words::UNTRANSLATED;

/// How often units are left out one by one, before all are.
const MOST_ROUNDS: usize = 20;

/// What was written is not what mfilter takes: a mistake of ours.
#[derive(Debug)]
pub struct Bug {
    /// What the check says, drawn.
    pub mistakes: String,
    /// What was written.
    pub rules: String,
}

/// Writes the rules of a draft that was made of a file in this language, the first of
/// `sources`.
///
/// # Errors
/// [`Bug`]: the rules have a mistake.
pub fn write(
    mut draft: Draft,
    sources: Sources,
    options: &Options,
    language: &str,
) -> Result<Imported, Box<Bug>> {
    let file = sources.files().first().and_then(|file| file.path.file_name());
    let name = file.unwrap_or_default().to_string_lossy();
    let head = &format!("Made of {name} by mfilter import {language}.");
    let mut rounds = 0;
    let (rules, places) = loop {
        let mut writer = Writer {
            sources: &sources,
            text: String::new(),
            places: Vec::new(),
            walked: 0,
            ends: Vec::new(),
            keeps_labels: options.included.is_some(),
        };
        writer.head(head, &draft, options);
        let start = writer.text.len();
        writer.units(&draft.units);
        if options.category.is_some() {
            writer.text.push_str("}\n");
        }
        let Writer { text, places, ends, .. } = writer;
        match checked(&text, options.category.is_some()) {
            Ok(rules) => break (rules, places),
            Err((bug, errors)) => {
                rounds += 1;
                // What is left out may be missed by others, in turn.
                let is_mended = rounds <= MOST_ROUNDS
                    && leave_out(&mut draft.units, &errors, &text, start, &ends);
                if !is_mended && !leave_all_out(&mut draft.units) {
                    return Err(bug);
                }
            }
        }
    };
    let statements = statements(&rules, &places);
    let lines = lines(&rules, &statements, &places);
    let mut order = 0;
    for unit in &mut draft.units {
        place(unit, &lines, &mut order);
    }
    let places = foreign_places(&draft, &statements);
    let separator = options.separator.unwrap_or('/');
    Ok(Imported { rules, draft, places, sources, separator })
}

/// The canonical layout of what was written, rules or site rules, if it has no mistake.
fn checked(text: &str, site: bool) -> Result<String, (Box<Bug>, Vec<Diagnostic>)> {
    let path = Path::new("mailrules");
    let mut sources = Sources::default();
    let (file, ast, parsed) = syntax::parse_bytes(0, path, text.as_bytes());
    let rules = syntax::format(&ast, &file);
    sources.add(file);
    let nothing = &mut |_: &Path| Err(std::io::ErrorKind::NotFound.into());
    let surroundings =
        &mut Surroundings { home: Path::new("/"), load: nothing, script: &mut no_script };
    let check = if site { check_site } else { check };
    let found = check(&mut sources, 0, ast, parsed, surroundings);
    let errors: Vec<Diagnostic> =
        found.diagnostics.into_iter().filter(|each| each.severity == Severity::Error).collect();
    if errors.is_empty() {
        return Ok(rules);
    }
    let mistakes = diagnostic::render(&errors, &sources, false);
    Err((Box::new(Bug { mistakes, rules: text.to_owned() }), errors))
}

/// Leaves out the units that make no rules, and those that ask for a text which these
/// would have kept: without it they could take more mail. Whether there were any;
/// `start` is where the first unit begins in what was written, `ends` where each ends.
fn leave_out(
    units: &mut [Unit],
    errors: &[Diagnostic],
    text: &str,
    start: usize,
    ends: &[usize],
) -> bool {
    let number = |error: &Diagnostic| {
        let at = error.span.start as usize;
        (at >= start).then(|| (ends.partition_point(|end| *end <= at), error.message.clone()))
    };
    let mut left: Vec<(usize, String)> = errors.iter().filter_map(number).collect();
    let mut any = false;
    while let Some((number, why)) = left.pop() {
        let Some(unit) = units.get_mut(number).filter(|unit| unit.is_written()) else { continue };
        let names = unit.kept();
        unit.leave_out(format!("no rule came of it: {why}"));
        any = true;
        for name in names {
            let mut begin = start;
            for (other, end) in ends.iter().enumerate() {
                let written = text.get(begin..*end).unwrap_or_default();
                if has_word(written, &name) {
                    left.push((other, format!("`{name}` is not kept")));
                }
                begin = *end;
            }
        }
    }
    any
}

/// Whether a name stands in a text, not as a part of another one.
fn has_word(text: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '-';
    text.match_indices(name).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let behind = text.get(at + name.len()..).and_then(|behind| behind.chars().next());
        !before.is_some_and(is_part) && !behind.is_some_and(is_part)
    })
}

/// Leaves all units out; whether any was still there.
fn leave_all_out(units: &mut [Unit]) -> bool {
    let mut any = false;
    for unit in units {
        any |= !matches!(unit.fidelity, Fidelity::NotTranslated(_));
        unit.leave_out("no rules came of the file".into());
    }
    any
}

/// What a line of the rules is about.
#[derive(Debug, Clone, Copy, PartialEq)]
enum LinePlace {
    /// A statement; of which unit, by its order.
    Statement(Option<usize>),
    /// The comment of a unit that is not translated.
    Comment(usize),
}

/// Where each statement stands in the rules, and which unit it is of; units are
/// numbered in the order in which they are walked.
fn statements(rules: &str, places: &[LinePlace]) -> Vec<(Span, Option<usize>)> {
    let (ast, _) = syntax::parse(0, &SourceFile::new("mailrules", rules));
    let mut spans = Vec::new();
    preorder(&ast.statements, &mut spans);
    let units = places.iter().filter_map(|place| match place {
        LinePlace::Statement(unit) => Some(*unit),
        LinePlace::Comment(_) => None,
    });
    spans.into_iter().zip(units).collect()
}

/// The place in the foreign rules of what each statement was made of. What was made
/// of nothing that stands there is of what stands before it.
fn foreign_places(draft: &Draft, statements: &[(Span, Option<usize>)]) -> Vec<(u32, Span)> {
    let mut spans = Vec::new();
    for unit in &draft.units {
        unit.walk(&mut |unit| spans.push(unit.span));
    }
    let mut last = spans.iter().copied().find(|span| span.end > 0).unwrap_or_default();
    let place = |(statement, unit): &(Span, Option<usize>)| {
        let known = unit.and_then(|unit| spans.get(unit)).copied();
        last = known.filter(|span| span.end > 0).unwrap_or(last);
        (statement.start, last)
    };
    statements.iter().map(place).collect()
}

/// The line of each unit in the rules.
fn lines(
    rules: &str,
    statements: &[(Span, Option<usize>)],
    places: &[LinePlace],
) -> Vec<(usize, u32)> {
    let file = SourceFile::new("mailrules", rules);
    let (ast, _) = syntax::parse(0, &file);
    let comments: Vec<Span> = ast
        .comments
        .iter()
        .filter(|comment| comment.text.starts_with(UNTRANSLATED) || comment.text.starts_with(DEAD))
        .map(|comment| comment.span)
        .collect();
    let (mut statement, mut comment) = (statements.iter(), comments.into_iter());
    let mut lines = Vec::new();
    for place in places {
        match place {
            LinePlace::Statement(unit) => {
                let (Some((span, _)), unit) = (statement.next(), unit) else { continue };
                if let Some(unit) = unit {
                    lines.push((*unit, file.line(span.start)));
                }
            }
            LinePlace::Comment(unit) => {
                if let Some(span) = comment.next() {
                    lines.push((*unit, file.line(span.start)));
                }
            }
        }
    }
    lines.sort_unstable();
    lines.dedup_by_key(|(unit, _)| *unit);
    lines
}

fn preorder(statements: &[StatementNode], spans: &mut Vec<Span>) {
    for statement in statements {
        spans.push(statement.span);
        match &statement.kind {
            StatementNodeKind::Rule { body: Body::Block(inner), .. }
            | StatementNodeKind::Category { statements: inner, .. } => preorder(inner, spans),
            _ => {}
        }
    }
}

fn place(unit: &mut Unit, lines: &[(usize, u32)], order: &mut usize) {
    let found = lines.binary_search_by_key(order, |(unit, _)| *unit).ok();
    unit.line = found.and_then(|at| lines.get(at)).map(|(_, line)| *line);
    *order += 1;
    for effect in &mut unit.effects {
        if let Effect::Rule(unit) = effect {
            place(unit, lines, order);
        }
    }
}

/// What is told of site rules in their file.
const SITE_HEAD: &str = "\
On for all users, who can switch the category off; with `mandatory` behind its name
they cannot. mailrules(5), THE PROVIDER'S FILTER, says what is to be considered.";

/// How the comment of a unit begins that does nothing.
const DEAD: &str = "# import: nothing to do";

struct Writer<'a> {
    sources: &'a Sources,
    text: String,
    places: Vec<LinePlace>,
    /// How many units were walked.
    walked: usize,
    /// Where each unit ends in the text.
    ends: Vec<usize>,
    /// Units that are always done keep their label.
    keeps_labels: bool,
}

impl Unit {
    /// Makes it one that is not translated, with all that is in it.
    fn leave_out(&mut self, why: String) {
        let mut count = 0;
        self.walk(&mut |unit| count += unit.count);
        self.count = count.max(1);
        self.effects.clear();
        self.fidelity = Fidelity::NotTranslated(why);
        self.would_end = true;
    }

    /// The names that its `let`s keep.
    fn kept(&self) -> Vec<String> {
        let mut names = Vec::new();
        self.walk(&mut |unit| {
            names.extend(unit.effects.iter().filter_map(|effect| match effect {
                Effect::Let(name, _) => Some(name.clone()),
                _ => None,
            }));
        });
        names
    }

    /// Whether a blank line stands around it.
    fn stands_apart(&self) -> bool {
        !self.comments.is_empty()
            || self.label.is_some()
            || self.fidelity != Fidelity::Exact
            || self.effects.iter().any(|effect| matches!(effect, Effect::Rule(_)))
    }

    /// Whether a statement of it is written.
    pub(super) fn is_written(&self) -> bool {
        matches!(self.fidelity, Fidelity::Exact | Fidelity::Approximate(_))
            && self.condition != Cond::Never
            && self.effects.iter().any(|effect| match effect {
                Effect::Rule(unit) => unit.is_written(),
                _ => true,
            })
    }
}

impl Writer<'_> {
    /// What stands before the rules of a site.
    fn site_head(&mut self) {
        for line in SITE_HEAD.lines() {
            self.comment(line, 0);
        }
        self.statement(None, "isp-filter default on", 0);
        self.text.push('\n');
    }

    fn head(&mut self, head: &str, draft: &Draft, options: &Options) {
        for line in head.lines() {
            self.comment(line, 0);
        }
        self.text.push('\n');
        if options.category.is_some() {
            self.site_head();
        }
        let mut settings = draft.settings.clone();
        if let Some(maildir) = &options.maildir {
            settings.push(("maildir".into(), quote(maildir)));
        }
        if let Some(layout) = &options.layout {
            settings.push(("layout".into(), layout.clone()));
        }
        if options.included.is_some() {
            // The importer has taken the prefix off.
            settings.push(("folder-prefix".into(), quote("")));
        }
        for (name, value) in &settings {
            self.statement(None, &format!("set {name} {value}"), 0);
        }
        for (name, file) in &draft.lists {
            self.statement(None, &format!("list {name} {}", quote(file)), 0);
        }
        if !settings.is_empty() || !draft.lists.is_empty() {
            self.text.push('\n');
        }
        if let Some(name) = &options.category {
            // Actions of site rules stand in it, too.
            self.statement(None, &format!("category {} {{", quote(name)), 0);
        }
        for effect in &draft.prelude {
            self.statement(None, &action(effect), 0);
        }
        if !draft.prelude.is_empty() {
            self.text.push('\n');
        }
    }

    fn units(&mut self, units: &[Unit]) {
        for (number, unit) in units.iter().enumerate() {
            let before = number.checked_sub(1).and_then(|before| units.get(before));
            if before.is_some_and(|before| before.stands_apart() || unit.stands_apart()) {
                self.text.push('\n');
            }
            self.unit(unit, 0);
            self.ends.push(self.text.len());
        }
    }

    fn unit(&mut self, unit: &Unit, depth: usize) {
        let order = self.walked;
        self.walked += 1;
        for comment in &unit.comments {
            self.comment(comment, depth);
        }
        match &unit.fidelity {
            Fidelity::NotTranslated(why) => {
                self.foreign(unit, order, UNTRANSLATED, why, depth);
                self.skip(unit);
                return;
            }
            Fidelity::Dead(why) => {
                self.foreign(unit, order, DEAD, why, depth);
                self.skip(unit);
                return;
            }
            Fidelity::Approximate(why) => {
                let line = self.sources.line(unit.span);
                self.comment(&format!("import: line {line}, approximately: {why}"), depth);
            }
            Fidelity::Exact => {}
        }
        // What does nothing may hold units that are not translated.
        let is_always = unit.condition == Cond::Always;
        let keeps_label = self.keeps_labels && unit.label.is_some();
        if is_always && !keeps_label || !unit.is_written() {
            self.effects(&unit.effects, order, depth);
            return;
        }
        let mut head = String::new();
        if let Some(label) = &unit.label {
            head.push_str(&format!("rule {} ", quote(label)));
        }
        if is_always {
            head.push_str("otherwise");
        } else {
            head.push_str("when ");
            condition(&unit.condition, Binding::Or, &mut head);
        }
        let plain = unit.effects.iter().all(|effect| !matches!(effect, Effect::Rule(_)));
        if plain {
            let actions: Vec<String> = unit.effects.iter().map(action).collect();
            self.statement(Some(order), &format!("{head} -> {}", actions.join(", ")), depth);
            return;
        }
        self.statement(Some(order), &format!("{head} {{"), depth);
        self.effects(&unit.effects, order, depth + 1);
        self.indent(depth);
        self.text.push_str("}\n");
    }

    /// Actions one after the other on one line, units each by itself.
    fn effects(&mut self, effects: &[Effect], order: usize, depth: usize) {
        let mut line: Vec<String> = Vec::new();
        for effect in effects {
            match effect {
                Effect::Rule(unit) => {
                    if !line.is_empty() {
                        self.statement(Some(order), &line.join(", "), depth);
                        line.clear();
                    }
                    self.unit(unit, depth);
                }
                _ => line.push(action(effect)),
            }
        }
        if !line.is_empty() {
            self.statement(Some(order), &line.join(", "), depth);
        }
    }

    /// Counts the units in one that is not written.
    fn skip(&mut self, unit: &Unit) {
        let mut size = 0;
        unit.walk(&mut |_| size += 1);
        self.walked += size - 1;
    }

    /// What is not translated, as a comment with the foreign lines.
    fn foreign(&mut self, unit: &Unit, order: usize, begin: &str, why: &str, depth: usize) {
        let line = self.sources.line(unit.span);
        let file = match unit.span.file {
            0 => String::new(),
            _ => format!(" of {}", self.sources.path(unit.span).display()),
        };
        self.places.push(LinePlace::Comment(order));
        let begin = begin.trim_start_matches(['#', ' ']);
        self.comment(&format!("{begin}: line {line}{file}: {why}"), depth);
        let text = self.sources.text(unit.span).to_owned();
        for line in text.lines() {
            self.comment(&format!("  {line}"), depth);
        }
    }

    fn comment(&mut self, text: &str, depth: usize) {
        self.indent(depth);
        let text: String = text.chars().map(|c| if is_invisible(c) { ' ' } else { c }).collect();
        self.text.push('#');
        if !text.trim().is_empty() {
            self.text.push(' ');
            self.text.push_str(text.trim_end());
        }
        self.text.push('\n');
    }

    fn statement(&mut self, unit: Option<usize>, text: &str, depth: usize) {
        self.places.push(LinePlace::Statement(unit));
        self.indent(depth);
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn indent(&mut self, depth: usize) {
        for _ in 0..depth {
            self.text.push_str("    ");
        }
    }
}

/// What binds tighter than what stands around needs no parentheses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Or,
    And,
    Not,
}

fn condition(of: &Cond, around: Binding, text: &mut String) {
    let (binding, joint) = match of {
        Cond::Any(_) => (Binding::Or, " or "),
        Cond::All(_) => (Binding::And, " and "),
        _ => (Binding::Not, ""),
    };
    let nested = binding < around;
    if nested {
        text.push('(');
    }
    match of {
        Cond::Always => text.push_str("size >= 0"),
        Cond::Never => text.push_str("not size >= 0"),
        Cond::Word(word) => text.push_str(word),
        Cond::Test(of) => test(of, text),
        Cond::All(parts) | Cond::Any(parts) => {
            let inside = if joint == " or " { Binding::And } else { Binding::Not };
            for (number, part) in parts.iter().enumerate() {
                if number > 0 {
                    text.push_str(joint);
                }
                condition(part, inside, text);
            }
        }
        Cond::Not(inner) => {
            text.push_str("not ");
            condition(inner, Binding::Not, text);
        }
    }
    if nested {
        text.push(')');
    }
}

fn test(of: &Test, text: &mut String) {
    match of.fields.as_slice() {
        [field] => text.push_str(field),
        fields => {
            text.push('[');
            text.push_str(&fields.join(", "));
            text.push(']');
        }
    }
    text.push(' ');
    text.push_str(of.operator);
    text.push(' ');
    match of.values.as_slice() {
        [one] => text.push_str(&operand(one)),
        values => {
            let values: Vec<String> = values.iter().map(operand).collect();
            text.push('[');
            text.push_str(&values.join(", "));
            text.push(']');
        }
    }
}

fn operand(of: &Operand) -> String {
    match of {
        Operand::Text(text) => quote(text),
        Operand::Plain(text) => text.clone(),
        Operand::Pattern(source, case) => slashed(source, *case),
    }
}

/// An action as it is written.
fn action(effect: &Effect) -> String {
    match effect {
        Effect::Inbox(flags) => format!("inbox{}", as_flags(flags)),
        Effect::Folder(name, flags) => format!("folder {}{}", quote(name), as_flags(flags)),
        Effect::FileInto(name, flags) => format!("fileinto {}{}", quote(name), as_flags(flags)),
        Effect::Copy(name, flags) => format!("copy {}{}", quote(name), as_flags(flags)),
        Effect::Mark(flags) => format!("mark {}", marks(flags)),
        Effect::Unmark(flags) => format!("unmark {}", marks(flags)),
        Effect::Discard(None) => "discard".into(),
        Effect::Discard(Some(why)) => format!("discard {}", quote(why)),
        Effect::Reject(text) => format!("reject {}", quote(text)),
        Effect::Defer(text) => format!("defer {}", quote(text)),
        Effect::Forward { copy, to } => {
            let to: Vec<String> = to.iter().map(|address| quote(address)).collect();
            format!("forward {}{}", if *copy { "copy " } else { "" }, to.join(" "))
        }
        Effect::Program(action, words) => {
            let words: Vec<String> = words.iter().map(|word| quote(word)).collect();
            format!("{action} {}", words.join(" "))
        }
        Effect::Answer(answer) => reply(answer),
        Effect::AddHeader(name, value) => format!("add-header {} {}", quote(name), quote(value)),
        Effect::SetHeader(name, value) => format!("set-header {} {}", quote(name), quote(value)),
        Effect::RemoveHeader(name) => format!("remove-header {}", quote(name)),
        Effect::Let(name, value) => format!("let {name} = {}", quote(value)),
        Effect::Log(text) => format!("log {}", quote(text)),
        Effect::Stop => "stop".into(),
        // Written by `unit`.
        Effect::Rule(_) => String::new(),
    }
}

fn reply(answer: &Answer) -> String {
    let mut parts = Vec::new();
    parts.extend(answer.subject.as_ref().map(|subject| format!("subject {}", quote(subject))));
    parts.push(format!("text {}", quote(&answer.text)));
    parts.extend(answer.from.as_ref().map(|from| format!("from {}", quote(from))));
    if !answer.mine.is_empty() {
        let mine: Vec<String> = answer.mine.iter().map(|address| quote(address)).collect();
        parts.push(format!("for [{}]", mine.join(", ")));
    }
    parts.push(format!("every {}", answer.every));
    parts.extend(answer.handle.as_ref().map(|handle| format!("handle {}", quote(handle))));
    format!("reply {{ {} }}", parts.join(" "))
}

fn as_flags(flags: &[Mark]) -> String {
    if flags.is_empty() { String::new() } else { format!(" as {}", marks(flags)) }
}

fn marks(flags: &[Mark]) -> String {
    let words = flags.iter().map(|flag| match flag {
        Mark::Flag(word) => (*word).to_owned(),
        Mark::Keyword(word) => quote(word),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::report::totals;

    /// What the check of the rules refuses is left out, with what needs it.
    #[test]
    fn of_what_makes_no_rules_nothing_fires() {
        let mut sources = Sources::default();
        sources.add(SourceFile::new("x", "one\ntwo\nthree\n"));
        let unit = |effect: Effect| Unit {
            effects: vec![effect],
            condition: Cond::plain("size", ">", "1"),
            ..Unit::new(Span { file: 0, start: 0, end: 3 })
        };
        let folder = |name: &str| unit(Effect::Folder(name.into(), Vec::new()));
        let units = vec![
            unit(Effect::Let("kept".into(), "{nothing}".into())),
            folder("{kept}"),
            // Kept here too, so that the check alone would take what asks for it.
            unit(Effect::Let("kept".into(), "x".into())),
            Unit {
                condition: Cond::not(Cond::Word("has kept".into())),
                ..unit(Effect::Folder("B".into(), Vec::new()))
            },
            folder("A"),
        ];
        let draft = Draft { units, ..Draft::default() };
        let made = write(draft, sources, &Options::default(), "x").expect("rules");
        let fires: Vec<&str> =
            made.rules.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        assert_eq!(fires, ["when size > 1 -> folder \"A\""]);
        let totals = totals(&made);
        assert_eq!((totals.all, totals.exact, totals.not), (5, 1, 4));
    }
}
