//! `NAME=value`: variables, and those that mean something to procmail.

use super::context::RecipeLowering;
use super::dependence::Dependence;
use super::read::{NodeKind, RcNode, Recipe, RecipeAction};
use super::sed::{TextChange, changes};
use super::words::{ExpandedText, ProcmailVariable, is_level_without_slashes};
use crate::import::ir::{Cond, Effect, Fidelity, Operand, Test, Unit, literal};
use crate::import::one_line::prints_one_line;
use crate::import::shell::{
    ASKED, FIRST_LINE, MAKES_FOLDERS, ONE_BLANK, first_line_with_status, is_program, makes_folders,
    printed, shell_words,
};
use crate::source::Span;
use crate::syntax::quote;

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

/// A value with its variables inserted, or why that is impossible.
type Expanded = Result<ExpandedText, String>;

impl RecipeLowering<'_> {
    /// Variables that blocks set, which are kept by `let`; and those that may begin with a
    /// dot.
    pub(super) fn collect(&mut self, nodes: &[RcNode]) {
        for node in nodes {
            if let NodeKind::Assign { name, value: Some(value) } = &node.kind
                && !value.trim_matches('"').starts_with(|c: char| c.is_ascii_alphanumeric())
            {
                self.dotted.insert(name.clone());
            }
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

    /// `NAME=value`
    pub(super) fn assign(
        &mut self,
        span: Span,
        name: &str,
        value: Option<&str>,
        before: &mut Dependence,
    ) -> Vec<Unit> {
        let Some(written) = value else {
            self.variables.unset(name);
            return if name == "HOST" { vec![another_host(span)] } else { Vec::new() };
        };
        if only_makes_folders(written) {
            self.note(MAKES_FOLDERS);
            self.variables.set(name, ProcmailVariable::Constant(String::new()));
            return Vec::new();
        }
        let mut expanded = self.variables.expand(written, false);
        let mut files = self.sources.files().iter();
        if files.any(|file| is_level_without_slashes(written, name, &file.text)) {
            expanded = Err("a slash in it would begin a level".into());
        }
        let given =
            self.variables.given(name).filter(|_| expanded.is_err() || written.contains('`'));
        let is_given = given.is_some();
        if let Some(text) = given {
            expanded = Ok(ExpandedText { template: literal(&text), constant: Some(text) });
        }
        let is_special = is_special(name);
        if !is_special
            && !is_given
            && let Some(unit) = self.changed(span, name, written)
        {
            return vec![unit];
        }
        self.variables.unset("?");
        if expanded.is_err()
            && !is_special
            && let Some(unit) = self.printed(span, name, written)
        {
            return vec![unit];
        }
        if name == "SENDMAIL"
            && let Ok(ExpandedText { constant: Some(path), .. }) = &expanded
            && path.starts_with('/')
        {
            self.draft.settings.push(("sendmail".into(), quote(path)));
        }
        match name {
            "INCLUDERC" => self.include(span, expanded.map(|text| text.constant), before),
            "SWITCHRC" => self.switch(span, expanded.map(|text| text.constant), before),
            "HOST" => vec![host(span, expanded)],
            "TRAP" => vec![Unit::not(span, "TRAP runs a program at the end")],
            "LOG" => vec![log_line(span, written, expanded)],
            "EXITCODE" => self.set_exit_code(span, expanded),
            "DEFAULT" if self.depth > 0 => vec![self.default_in_block(span, expanded)],
            _ if WITHOUT_MEANING.contains(&name) => {
                if let Ok(ExpandedText { constant: Some(text), .. }) = expanded {
                    self.variables.set(name, ProcmailVariable::Constant(text));
                }
                Vec::new()
            }
            _ if self.kept.contains(name) => vec![self.keep(span, name, expanded)],
            _ => {
                self.variables.set(name, variable(name, expanded));
                Vec::new()
            }
        }
    }

    fn set_exit_code(&mut self, span: Span, expanded: Expanded) -> Vec<Unit> {
        let text = expanded.ok().and_then(|text| text.constant).unwrap_or("?".to_owned());
        self.exit_code = text.trim().parse().ok();
        match (self.exit_code, text.trim().is_empty()) {
            // Empty is for what TRAP runs.
            (Some(_), _) | (None, true) => Vec::new(),
            (None, false) => vec![Unit::not(span, "EXITCODE is not a number")],
        }
    }

    /// Where the rest goes would be another place for some messages.
    fn default_in_block(&mut self, span: Span, expanded: Expanded) -> Unit {
        let why = "a block that changes DEFAULT";
        let variable = match expanded {
            Ok(ExpandedText { constant: Some(text), .. }) => ProcmailVariable::Constant(text),
            _ => ProcmailVariable::Unknown(why.into()),
        };
        self.variables.set("DEFAULT", variable);
        Unit::not(span, why)
    }

    /// Keeps a value with `let`.
    fn keep(&mut self, span: Span, name: &str, expanded: Expanded) -> Unit {
        let kept = kept_name(name);
        match expanded {
            Ok(text) => {
                // Within this block, or up to the next one, it is this.
                let kept_value = ProcmailVariable::Template(format!("{{{kept}}}"));
                let value = text.constant.map_or(kept_value, ProcmailVariable::Constant);
                self.variables.set(name, value);
                let effects = vec![Effect::Let(kept, text.template)];
                Unit { effects, ..Unit::new(span) }
            }
            Err(why) => {
                self.variables.set(name, ProcmailVariable::Unknown(format!("{name}: {why}")));
                Unit::not(span, why)
            }
        }
    }
}

impl RecipeLowering<'_> {
    /// ``NAME=`program` ``
    fn printed(&mut self, span: Span, name: &str, written: &str) -> Option<Unit> {
        let inner = written.trim().trim_matches('"').strip_prefix('`')?.strip_suffix('`')?;
        if inner.contains('`') {
            return None;
        }
        let command = without_backslashes(inner);
        let words = self.variables.command(&command).ok()?;
        let (effects, differs) = self.keep_printed(span, name, None, &command, words);
        let fidelity = differs.map_or(Fidelity::Exact, Fidelity::Approximate);
        Some(Unit { effects, fidelity, ..Unit::new(span) })
    }

    /// Keeps what a command with these words prints; and how that differs.
    pub(super) fn keep_printed(
        &mut self,
        span: Span,
        name: &str,
        half: Option<&str>,
        command: &str,
        words: Vec<String>,
    ) -> (Vec<Effect>, Option<String>) {
        self.note(ASKED);
        let kept = kept_name(name);
        self.variables.set(name, ProcmailVariable::Template(format!("{{{kept}}}")));
        let differs = match prints_one_line(command) {
            true => {
                self.note(ONE_BLANK);
                None
            }
            false => Some(FIRST_LINE.to_owned()),
        };
        if half.is_none() && self.is_status_asked_after(span) {
            return (first_line_with_status(&kept, &self.keep_status(), words, span), differs);
        }
        (printed(&kept, half, words, span), differs)
    }

    /// Whether what comes right after a place asks for the exit status of the program there.
    pub(super) fn is_status_asked_after(&self, place: Span) -> bool {
        let file = self.sources.files().get(place.file as usize);
        let rest = file.and_then(|file| file.text.get(place.end as usize..)).unwrap_or_default();
        let mut lines = rest.lines().map(str::trim);
        let next = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
        let assigned = next.and_then(|line| line.split_once('='));
        assigned.is_some_and(|(_, value)| value.trim().trim_matches('"') == "$?")
    }

    /// The exit status of a program is kept, under the name that is returned; what comes next
    /// asks for it.
    pub(super) fn keep_status(&mut self) -> String {
        let name = kept_name("?").replace('?', "status");
        self.variables.set("?", ProcmailVariable::Template(format!("{{{name}}}")));
        name
    }

    /// ``NAME=`echo "$MATCH" | sed 's/-l$//'` ``: the text, and then its changes.
    fn changed(&mut self, span: Span, name: &str, written: &str) -> Option<Unit> {
        let inner = written.trim().trim_matches('"').strip_prefix('`')?.strip_suffix('`')?;
        let (echo, pipeline) = inner.split_once('|')?;
        // What a backslash is within backquotes is not what it is to sed.
        if ["`", "\\\\", "\\$"].iter().any(|sign| inner.contains(sign)) {
            return None;
        }
        let echo = shell_words(echo);
        let [program, text] = echo.as_slice() else { return None };
        if !is_program(program, "echo") {
            return None;
        }
        let text = self.variables.expand(text, false).ok()?;
        let changes = changes(pipeline)?;
        if text.constant.is_some() || changes.iter().all(|change| !change.is_replacement()) {
            return None;
        }
        let kept = kept_name(name);
        let mut effects = vec![Effect::Let(kept.clone(), text.template)];
        effects.extend(changes.into_iter().map(|change| match change {
            TextChange::Case(case) => Effect::Let(kept.clone(), format!("{{{kept}:{case}}}")),
            TextChange::Replaced { pattern, case, template } => {
                let values = vec![Operand::Pattern(pattern, case)];
                let test = Test { fields: vec![kept.clone()], operator: "matches", values };
                Effect::Rule(Unit {
                    condition: Cond::Test(test),
                    effects: vec![Effect::Let(kept.clone(), template)],
                    count: 0,
                    ..Unit::new(span)
                })
            }
        }));
        self.variables.set(name, ProcmailVariable::Template(format!("{{{kept}}}")));
        let count = usize::from(self.kept.contains(name));
        Some(Unit { effects, count, ..Unit::new(span) })
    }
}

/// `HOST` of another machine: procmail ends, and takes the message for delivered.
fn another_host(span: Span) -> Unit {
    let effects = vec![Effect::Discard(Some("HOST in the procmailrc".into()))];
    Unit { effects, falls_through: false, ..Unit::new(span) }
}

/// `HOST=NAME`: procmail goes on only on the machine of that name.
fn host(span: Span, expanded: Expanded) -> Unit {
    let name = expanded
        .and_then(|text| text.constant.ok_or_else(|| "HOST comes from the message".to_owned()));
    match name {
        Ok(name) if name.is_empty() => another_host(span),
        Ok(name) => {
            let why = format!("on a machine called {name}, procmail goes on");
            Unit { fidelity: Fidelity::Approximate(why), ..another_host(span) }
        }
        Err(why) => Unit::not(span, format!("`HOST`: {why}")),
    }
}

/// `LOG=text`: a line in the log, which says what it can.
fn log_line(span: Span, written: &str, expanded: Expanded) -> Unit {
    match expanded {
        Ok(text) => {
            let text = text.template.trim().to_owned();
            let effects = if text.is_empty() { Vec::new() } else { vec![Effect::Log(text)] };
            Unit { effects, ..Unit::new(span) }
        }
        Err(why) => {
            let text = literal(written.trim_matches(['"', '\'', '\n', ' ']));
            let why = format!("the line in the log stays as it is written: {why}");
            let fidelity = Fidelity::Approximate(why);
            Unit { effects: vec![Effect::Log(text)], fidelity, ..Unit::new(span) }
        }
    }
}

/// What is known of a variable with this value.
fn variable(name: &str, expanded: Expanded) -> ProcmailVariable {
    match expanded {
        Ok(ExpandedText { constant: Some(constant), .. }) => ProcmailVariable::Constant(constant),
        Ok(text) => ProcmailVariable::Template(text.template),
        Err(why) => ProcmailVariable::Unknown(format!("{name}: {why}")),
    }
}

/// A command as a shell reads it within backquotes.
pub(super) fn without_backslashes(command: &str) -> String {
    let mut text = String::with_capacity(command.len());
    let mut chars = command.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some('$' | '\\')) => text.extend(chars.next()),
            (c, _) => text.push(c),
        }
    }
    text
}

/// A value that is what a command prints that only creates folders: nothing.
fn only_makes_folders(written: &str) -> bool {
    let inner = written.trim().trim_matches('"').strip_prefix('`');
    let command = inner.and_then(|rest| rest.strip_suffix('`'));
    command.is_some_and(|command| !command.contains('`') && makes_folders(command) == Some(true))
}

pub(super) fn is_special(name: &str) -> bool {
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
