//! The text of an IR: rules as they are written before the parser and the check have seen
//! them.

use super::Options;
use super::ir::{AutomaticReply, Cond, Draft, Effect, Fidelity, Mark, Operand, Test, Unit};
use crate::rules::program::ALL_FOLDERS;
use crate::source::Sources;
use crate::syntax::{quote, slashed};
use crate::text::is_invisible;

/// How a rule that could not be translated begins; `check` looks for it.
pub use crate::syntax::words::UNTRANSLATED;

/// What a line of the rules is about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum LinePlace {
    /// A statement; of which unit, by its order.
    Statement(Option<usize>),
    /// The comment of a unit that is not translated.
    Comment(usize),
}

/// What the file of site rules says about them.
const SITE_HEAD: &str = "\
On for all users, who can switch the category off; with `mandatory` after its name
they cannot. mailrules(5), THE PROVIDER'S FILTER, says what is to be considered.";

/// How the comment of a unit that does nothing begins.
pub(super) const DEAD: &str = "# import: nothing to do";

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

/// The text of a draft, before it was checked.
pub(super) struct PrintedRules {
    pub(super) text: String,
    /// Where the units begin, after the head.
    pub(super) start: usize,
    /// What each line of them is about.
    pub(super) places: Vec<LinePlace>,
    /// Where each unit ends.
    pub(super) ends: Vec<usize>,
}

/// Prints a draft below `head`, the comment that says where it comes from.
pub(super) fn print(
    draft: &Draft,
    sources: &Sources,
    options: &Options,
    head: &str,
) -> PrintedRules {
    let mut writer = Writer {
        sources,
        text: String::new(),
        places: Vec::new(),
        walked: 0,
        ends: Vec::new(),
        keeps_labels: options.included.is_some(),
    };
    writer.head(head, draft, options);
    let start = writer.text.len();
    writer.units(&draft.units);
    if options.category.is_some() {
        writer.text.push_str("}\n");
    }
    let Writer { text, places, ends, .. } = writer;
    PrintedRules { text, start, places, ends }
}

impl Writer<'_> {
    /// The comment before the rules of a site.
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
            // The importer has removed the prefix.
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
        for expiry in &draft.expiries {
            let (folder, keyword) = (quote(ALL_FOLDERS), quote(&expiry.keyword));
            let statement = format!(
                "expire {folder} after {} even unread, flagged unless not keyword is {keyword} \
                 -> delete, delete",
                expiry.after
            );
            self.statement(None, &statement, 0);
        }
        if !draft.expiries.is_empty() {
            self.text.push('\n');
        }
        if let Some(name) = &options.category {
            // Actions of site rules are in it, too.
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
        // A unit that does nothing may contain units that are not translated.
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

    /// Actions one after the other on one line, each unit on its own.
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

/// A condition needs no parentheses if it binds tighter than what is around it.
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

fn reply(answer: &AutomaticReply) -> String {
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
