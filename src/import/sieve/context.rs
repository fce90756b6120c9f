//! What a walk through a script carries along, and what expresses its parts: names,
//! strings with variables in them, comments, and the findings about a unit.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::parse::Node;
use super::script::{asks_for_header, changed, folders, has_expire, is_real, label, leaves};
use super::state::{DROPPED, SieveCapture, State};
use super::variables::{
    Expansion, KnownValue, VariableNames, VariablePiece, encoded_characters, insert, reference,
};
use crate::ascii_case;
use crate::import::ir::{Cond, Draft, Effect, Fidelity, TextFile, Unit, literal};
use crate::import::{IncludeLoader, Options};
use crate::source::{Sources, Span};

/// A script that is being processed.
pub(super) struct SieveFrame {
    pub(super) number: usize,
    pub(super) path: PathBuf,
    /// Variables that it shares with others.
    pub(super) globals: HashSet<String>,
    /// How many blocks are around the current place.
    pub(super) depth: usize,
    /// Why the rest of it is not translated.
    pub(super) poisoned: Option<String>,
}

/// The state of translating a script.
pub(super) struct Lowering<'a> {
    pub(super) options: &'a Options,
    pub(super) load: IncludeLoader<'a>,
    pub(super) sources: Sources,
    pub(super) draft: Draft,
    pub(super) state: State,
    pub(super) required: HashSet<String>,
    pub(super) names: VariableNames,
    /// Why what is being lowered is approximate.
    pub(super) findings: Vec<String>,
    /// What else to report about it.
    pub(super) remarks: Vec<String>,
    /// A test asks for something that actions change.
    pub(super) stateful: bool,
    /// Actions that a test needs before it.
    pub(super) hoisted: Vec<Effect>,
    /// The test that the current `if` evaluates first, whatever the message.
    pub(super) evaluated_first: Option<Span>,
    /// A filter may have changed the message.
    pub(super) filters: bool,
    /// What a test of known text captured.
    pub(super) known_match: Option<Vec<String>>,
    /// A test may have captured something that depends on the message.
    pub(super) runtime_match: bool,
    /// What a test matches is captured as a whole, as the first group: `${0}` is used.
    pub(super) whole: bool,
    /// A test asked for duplicates, with the time counted from the last of them.
    pub(super) duplicate_last: bool,
    /// The part of a date that a test captured.
    pub(super) captured_date: Option<Rc<str>>,
    pub(super) frames: Vec<SieveFrame>,
    pub(super) frame_count: usize,
    pub(super) once: HashSet<PathBuf>,
    pub(super) comments: Vec<String>,
    /// Variables that some branch sets, or that are set twice.
    pub(super) changing: HashSet<String>,
    /// Scripts are included, which may share variables.
    pub(super) includes: bool,
    /// What delivers and what refuses have conditions against each other.
    pub(super) without_conflicts: bool,
    pub(super) separator: char,
    /// All folder names are below `INBOX`.
    pub(super) below_inbox: bool,
    /// The variable that says that the implicit keep was cancelled.
    pub(super) dropped: Option<String>,
    /// Whether anything asks for it.
    pub(super) dropped_counts: bool,
    /// After how long messages expire, in seconds.
    pub(super) expiries: BTreeSet<u64>,
    /// How much text has come from variables, in bytes.
    pub(super) expanded: usize,
    /// How many steps may still be taken.
    steps_left: u64,
}

/// Where variables produce more text than this, in bytes, no more of them is known: each
/// of a few lines may double a text. Pigeonhole cuts each variable off at 4 KB.
const EXPANDED_LIMIT: usize = 4 << 20;

/// What it may cost to judge a script that runs before each delivery, in steps of half a
/// microsecond or less: enough for some 13,000 filters of one test and one action.
const STEPS: u64 = 2_000_000;

/// For a command or a test.
pub(super) const STEPS_PER_NODE: usize = 50;

/// For a string, which is compared, printed and checked.
const STEPS_PER_STRING: usize = 10;

/// Why a script is not judged to its end.
pub(super) const TOO_LONG: &str = "the script has more in it than can be judged before mail is \
     delivered: it has to be shorter";

impl<'a> Lowering<'a> {
    pub(super) fn new(options: &'a Options, load: IncludeLoader<'a>) -> Lowering<'a> {
        Lowering {
            options,
            load,
            sources: Sources::default(),
            draft: Draft::default(),
            state: State::new(),
            required: HashSet::new(),
            names: VariableNames::default(),
            findings: Vec::new(),
            remarks: Vec::new(),
            stateful: false,
            hoisted: Vec::new(),
            evaluated_first: None,
            filters: false,
            known_match: None,
            runtime_match: false,
            whole: false,
            duplicate_last: false,
            captured_date: None,
            frames: Vec::new(),
            frame_count: 0,
            once: HashSet::new(),
            comments: Vec::new(),
            changing: HashSet::new(),
            includes: false,
            without_conflicts: false,
            separator: '.',
            below_inbox: false,
            dropped: None,
            expiries: BTreeSet::new(),
            dropped_counts: false,
            expanded: 0,
            steps_left: if options.included.is_some() { STEPS } else { u64::MAX },
        }
    }

    /// Uses up steps.
    ///
    /// # Errors
    /// [`TOO_LONG`]: none are left.
    pub(super) fn spend(&mut self, steps: usize) -> Result<(), String> {
        self.steps_left = self.steps_left.saturating_sub(steps as u64);
        if self.steps_left == 0 { Err(TOO_LONG.into()) } else { Ok(()) }
    }

    /// Uses up the steps for a command or a test.
    pub(super) fn spend_node(&mut self) -> Result<(), String> {
        self.spend(STEPS_PER_NODE)
    }

    /// Uses up the steps for strings.
    pub(super) fn spend_strings(&mut self, texts: &[String]) -> Result<(), String> {
        let bytes: usize = texts.iter().map(String::len).sum();
        self.spend(texts.len() * STEPS_PER_STRING + bytes / 16)
    }

    /// Uses up the steps for giving a branch its own copy of what is known at a place.
    pub(super) fn spend_branch(&mut self) -> Result<(), String> {
        self.spend(self.state.size())
    }

    /// Records a difference of the unit; each only once.
    pub(super) fn approximately(&mut self, why: &str) {
        if !self.findings.iter().any(|known| known == why) {
            self.findings.push(why.to_owned());
        }
    }

    /// Records something else to report about the unit.
    pub(super) fn remark(&mut self, what: impl Into<String>) {
        self.remarks.push(what.into());
    }

    pub(super) fn requires(&self, extension: &str) -> bool {
        self.required.contains(extension)
    }

    /// What ends the run, according to what became of the implicit keep; `text` if rules
    /// come after.
    pub(super) fn ending(&mut self, text: bool) -> Vec<Effect> {
        let keep = self.state.keep;
        if keep == DROPPED {
            return vec![Effect::Discard(None)];
        }
        let mut effects = Vec::new();
        if keep & DROPPED != 0 {
            self.dropped_counts = true;
            let condition = Cond::Word(format!("has {}", self.dropped_name()));
            let discards = vec![Effect::Discard(None)];
            effects.push(Effect::Rule(Unit::part(Span::default(), condition, discards)));
        }
        if text {
            effects.push(Effect::Stop);
        }
        effects
    }

    /// The variable that says that the implicit keep was cancelled.
    pub(super) fn dropped_name(&mut self) -> String {
        if let Some(name) = &self.dropped {
            return name.clone();
        }
        let name = self.fresh_name("taken");
        self.dropped = Some(name.clone());
        name
    }

    /// Commands that are not translated, and what depends on them.
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

    /// Puts what was recorded into the finished unit.
    pub(super) fn finish(&mut self, unit: &mut Unit) {
        let findings = std::mem::take(&mut self.findings);
        soften(unit, &findings);
        unit.notes.append(&mut self.remarks);
    }

    /// Forgets what commands that are not translated may have changed.
    pub(super) fn forget(&mut self, nodes: &[Node]) {
        let Some(line) = nodes.first().map(|node| self.sources.line(node.span)) else { return };
        let why = format!("it depends on line {line}, which is not translated");
        let mut names = Vec::new();
        let mut flags = false;
        changed(nodes, &mut names, &mut flags);
        for name in names {
            let key = self.key(&name);
            Rc::make_mut(&mut self.state.variables).insert(key, KnownValue::Lost(why.clone()));
        }
        if nodes.iter().any(has_expire) {
            self.state.expiry_lost = Some(why.clone());
        }
        if flags {
            self.state.flags_lost = Some(why);
        }
    }

    pub(super) fn comments_of(&mut self, node: &Node) -> Vec<String> {
        let mut comments = std::mem::take(&mut self.comments);
        comments.extend(node.comments.iter().cloned());
        comments
    }

    /// A node's comments, and the name of the rule among them.
    pub(super) fn label_of(&mut self, node: &Node) -> (Vec<String>, Option<String>) {
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

    /// A string with its known values inserted.
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
        self.spend(text.len())?;
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
                match self.state.captured.clone() {
                    SieveCapture::Nothing => {}
                    SieveCapture::Known => {
                        let value = self.state.values.get(number as usize).cloned();
                        expansion.push_text(&value.unwrap_or_default());
                    }
                    SieveCapture::Date(template) => {
                        expansion.0.push(VariablePiece::Date(template));
                    }
                    SieveCapture::Here { whole, last } => {
                        self.stateful = true;
                        let group = number.saturating_add(u32::from(whole));
                        // One that there is not is empty, RFC 5229 §3.2.
                        if group <= last {
                            expansion.0.push(VariablePiece::Group(group));
                        }
                    }
                    SieveCapture::Unknown => {
                        return Err(format!(
                            "which test `${{{number}}}` comes from depends on the message"
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
                Some(KnownValue::Text(value)) => {
                    self.expanded = self.expanded.saturating_add(value.len());
                    if self.expanded > EXPANDED_LIMIT {
                        return Err("the script's variables make too much text".into());
                    }
                    expansion.push_text(value);
                }
                Some(KnownValue::Lost(why)) => return Err(why.clone()),
                Some(
                    KnownValue::OneOf(_)
                    | KnownValue::Runtime
                    | KnownValue::OneLevel
                    | KnownValue::Word,
                ) => {
                    self.stateful = true;
                    expansion.0.push(VariablePiece::Variable(key));
                }
            }
        }
        expansion.push_text(rest);
        Ok(expansion)
    }

    /// An expansion as a template; `change` is applied to each value (`:lower`).
    pub(super) fn template(&mut self, expansion: &Expansion, change: &str) -> String {
        expansion.0.iter().map(|piece| self.piece(piece, change)).collect()
    }

    /// A part of a string as a part of a template.
    pub(super) fn piece(&mut self, piece: &VariablePiece, change: &str) -> String {
        match piece {
            VariablePiece::Text(text) => literal(&match change {
                ":lower" => text.to_ascii_lowercase(),
                ":upper" => text.to_ascii_uppercase(),
                _ => text.clone(),
            }),
            VariablePiece::Variable(key) => insert(&self.our_name(key), change),
            VariablePiece::Date(template) => template.to_string(),
            VariablePiece::Group(number) => insert(&number.to_string(), change),
        }
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
            self.draft.files.push(TextFile {
                name: file.clone(),
                content,
                purpose: "a list, to be filled",
            });
        }
        self.remark(format!("the entries of the list {uri} have to be put into {file}"));
        name
    }

    /// `global ["a", "b"]`
    pub(super) fn declare_globals(&mut self, names: &[String]) {
        if let Some(frame) = self.frames.last_mut() {
            frame.globals.extend(names.iter().map(|name| name.to_ascii_lowercase()));
        }
    }

    /// Where headers were changed, makes tests see the changes: a filter is given the message
    /// with its changes, and tests see what the filter returns.
    pub(super) fn see_changes(&mut self, chain: &[Node], out: &mut Vec<Unit>) {
        let is_own = self.options.included.is_none() && self.options.category.is_none();
        if !is_own || self.state.edited.is_empty() || !chain.iter().any(asks_for_header) {
            return;
        }
        let effects = vec![Effect::Program("filter", vec!["cat".into()])];
        let span = chain.first().map(|node| node.span).unwrap_or_default();
        out.push(Unit::part(span, Cond::Always, effects));
        self.filters = true;
        self.state.edited = Rc::default();
    }

    /// Fails if what a test asks for was changed: tests of ours do not see headers that
    /// were added or removed.
    pub(super) fn as_it_came(&self, names: &[String]) -> Result<(), String> {
        let changed = |name: &&String| self.state.edited.contains(&name.to_ascii_lowercase());
        match names.iter().find(changed) {
            Some(name) => Err(format!(
                "it asks for the header {name}, which was changed before, while tests see headers as they came"
            )),
            None => Ok(()),
        }
    }

    /// `return`: whether it leaves the script that is being read; an error if what
    /// follows in it depends on that.
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

    /// Guesses from the names of folders what separates their levels, and whether all are
    /// below `INBOX`.
    pub(super) fn guess_folders(&mut self, path: &Path, nodes: &[Node]) {
        let mut names = Vec::new();
        match self.options.included {
            Some(_) => folders(nodes, &mut names),
            None => self.folders_of_all(path, nodes, &mut HashSet::new(), &mut names),
        }
        let guessed = if names.iter().any(|name| name.contains('/')) { '/' } else { '.' };
        self.separator = self.options.separator.unwrap_or(guessed);
        if self.options.included.is_some() {
            return;
        }
        let separator = self.separator;
        let below = |name: &str| {
            ascii_case::strip_prefix(name, "INBOX")
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(separator))
        };
        let named: Vec<&String> =
            names.iter().filter(|name| !name.eq_ignore_ascii_case("INBOX")).collect();
        self.below_inbox = !named.is_empty() && named.iter().all(|name| below(name));
        if self.options.separator.is_none() && names.iter().any(|name| name.contains(separator)) {
            self.draft.note(format!(
                "`{separator}` is assumed to separate the levels of folders; `--separator` says otherwise"
            ));
        }
        if self.below_inbox {
            self.draft.note(
                "all names of folders begin with INBOX, as that server names the folders beside \
                 the inbox: they are named without it here",
            );
        }
    }
}

/// Makes a unit approximate if its condition is.
pub(super) fn soften(unit: &mut Unit, findings: &[String]) {
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
