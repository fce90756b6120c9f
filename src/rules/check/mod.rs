//! Ast to Program: names resolved, types checked, all mistakes in one run.
//!
//! Only the files that the rules include are read. Lists, which deliveries read
//! only when a rule needs them, are checked by [`check_lists`].

mod action;
mod condition;
mod cover;
mod expire;
mod folder;
mod include;
mod insert;
mod lists;
mod moved;
mod number;
mod place;
mod programs;
mod script;
mod setting;
mod site;
mod statement;
mod test;
mod value;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use crate::classify::CLASSIFIERS;
use crate::diagnostic::{Diagnostic, Severity};
use crate::flags::FLAGS;
use crate::rules::actions::{ACTIONS, Action, NAMED_ARGUMENTS};
use crate::rules::confined::set_by_site;
use crate::rules::field::{self, OPERATORS};
use crate::rules::mistake::{LogicMistake, NameMistake, RuleErrorKind, TestMistake, WordKind};
use crate::rules::pattern;
use crate::rules::program::{ConditionKind, Field, Pattern, Program, Settings, StatementKind};
use crate::rules::script::{IncludedScript, Script, ScriptRequest};
use crate::source::{Sources, Span, Spanned};
use crate::spelling::nearest;
use crate::syntax::ast::{Ast, StatementNode};
use crate::syntax::words;
use crate::user::Confinement;

pub(super) use action::ActionReader;
pub use include::tidy;
pub use lists::check_lists;
pub use programs::PROGRAM_PATH;
pub use setting::setting_names;
pub use site::judge_switch;
pub use value::RESULTS;

/// The classifier that depends on what is remembered, not on the message.
const DUPLICATE: &str = "duplicate";
/// How deep conditions may be nested, including `define`s and scores.
pub const MAX_CONDITION_DEPTH: u32 = 128;
/// The longest time for which messages and answers are remembered, seconds: 52 weeks.
pub(super) const LONGEST_MEMORY: u64 = 52 * 7 * 24 * 3600;
/// How deep groups may be nested, over all files.
const MAX_GROUP_DEPTH: usize = 64;
/// For how many unknown words the nearest known one is searched.
const MAX_NEAREST: usize = 100;

/// What surrounds the rules.
pub struct CheckContext<'a> {
    /// What `~/` means.
    pub home: &'a Path,
    /// Reads a file; called for what the rules include, and by [`check_lists`]
    /// for lists. It may refuse what cannot be trusted.
    pub load: &'a mut dyn FnMut(&Path) -> io::Result<Vec<u8>>,
    /// Returns the script of `include sieve` as rules; `None` if it does not exist.
    pub script: &'a mut dyn FnMut(&ScriptRequest<'_>) -> Option<Script>,
    /// What the site allows, if the rules are a confined user's.
    pub confinement: Option<&'a Confinement>,
}

/// For [`CheckContext::script`] of rules that can include no script.
pub fn no_script(_: &ScriptRequest<'_>) -> Option<Script> {
    None
}

/// The result of checking.
#[derive(Debug)]
pub struct CheckResult {
    /// The program; `None` if there is an error.
    pub program: Option<Program>,
    /// The settings that could be read, even if there are errors elsewhere: they
    /// say where the inbox is, for mail that no rule moves.
    pub settings: Settings,
    /// All mistakes, by file and place.
    pub diagnostics: Vec<Diagnostic>,
    /// Files that the rules name, for [`check_lists`].
    pub list_files: Vec<ListFile>,
    /// The texts of replies, for [`check_lists`].
    pub reply_files: Vec<ListFile>,
    /// The folders that `list NAME sent "…"` names, as people read them.
    pub sent_folders: Vec<Spanned<String>>,
    /// The programs that rules run and that are allowed, for [`check_lists`].
    pub programs: Vec<Spanned<String>>,
    /// The folders that the rules name without inserts, each once, with its place.
    pub folders: Vec<Spanned<String>>,
    /// Where the layout is set.
    pub layout: Option<Span>,
    /// The zone that `set timezone` names, for [`check_lists`].
    pub timezone: Option<Spanned<String>>,
    /// The result of `include sieve`, if the rules have one. A script that cannot
    /// be used is not a mistake in the rules: they are a program without it.
    pub script: Option<IncludedScript>,
}

/// A list's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListFile {
    /// Where it is.
    pub path: PathBuf,
    /// The string in the rules that names it.
    pub span: Span,
    /// Whether texts are compared with it, so that any entry is useful.
    pub holds_texts: bool,
    /// Whether it may be missing because a rule adds to it.
    pub grows: bool,
}

/// Checks a parsed file of rules and everything it includes; included files are
/// added to `sources`. No list is read. `parsed` contains the mistakes that the
/// parser found.
pub fn check(
    sources: &mut Sources,
    file: u32,
    main: Ast,
    parsed: Vec<Diagnostic>,
    context: &mut CheckContext<'_>,
) -> CheckResult {
    let mut checker = Checker::new(sources, context, parsed);
    checker.main(file, &main);
    checker.finish()
}

/// The same for site rules, in which rules are in categories.
pub fn check_site(
    sources: &mut Sources,
    file: u32,
    main: Ast,
    parsed: Vec<Diagnostic>,
    context: &mut CheckContext<'_>,
) -> CheckResult {
    let mut checker = Checker::new(sources, context, parsed);
    checker.site = true;
    checker.main(file, &main);
    checker.finish()
}

/// The path that a string in the rules means: `~/` is the home; another relative
/// path starts at the directory of the rule file.
pub fn resolve(written: &str, rule_file: &Path, home: &Path) -> PathBuf {
    match written.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None => rule_file.parent().unwrap_or(Path::new("")).join(written),
    }
}

/// Mistakes by file and place, each once.
fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by_key(|diagnostic| {
        (diagnostic.span.file, diagnostic.span.start, diagnostic.span.end)
    });
    let mut seen = HashSet::new();
    diagnostics.retain(|diagnostic| {
        seen.insert((diagnostic.span, diagnostic.code, diagnostic.message.clone()))
    });
    // What a rule with an error does is a guess.
    let is_error = |diagnostic: &&Diagnostic| diagnostic.severity == Severity::Error;
    let errors: Vec<Span> = diagnostics.iter().filter(is_error).map(|error| error.span).collect();
    let has_error = |span: &Span| {
        let start =
            errors.partition_point(|error| (error.file, error.start) < (span.file, span.start));
        errors.get(start).is_some_and(|error| error.file == span.file && error.end <= span.end)
    };
    diagnostics.retain(|diagnostic| {
        let mut places = diagnostic.related.iter().map(|(span, _)| span).chain([&diagnostic.span]);
        diagnostic.code != "unreachable" || !places.any(has_error)
    });
}

/// What a name was declared as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NameKind {
    List(u32),
    Define(u32),
    Score(u32),
    /// By `let`.
    Value(u32),
    /// Its declaration could not be read; any use of it is accepted.
    Broken,
}

impl NameKind {
    fn name(self) -> &'static str {
        match self {
            NameKind::List(_) => "list",
            NameKind::Define(_) => "define",
            NameKind::Score(_) => "score",
            NameKind::Value(_) => "text",
            NameKind::Broken => "name",
        }
    }
}

/// A name that was unknown where it was used. At the end it is either declared or not.
struct UnresolvedName {
    what: WordKind,
    name: String,
    span: Span,
}

/// The state of one run.
pub(super) struct Checker<'a, 's> {
    sources: &'a mut Sources,
    context: &'a mut CheckContext<'s>,
    program: Program,
    diagnostics: Vec<Diagnostic>,
    list_files: Vec<(u32, Span)>,
    timezone: Option<Spanned<String>>,
    /// The value of `set inbox`; its meaning depends on the layout.
    inbox: Option<Spanned<String>>,

    names: HashMap<String, (NameKind, Span)>,
    missing: Vec<UnresolvedName>,
    /// A file with declarations could not be read: unknown names may be declared there.
    incomplete: bool,
    /// How often the nearest name has been searched.
    searched: usize,

    fields: HashMap<Field, u32>,
    patterns: HashMap<(String, bool), (u32, pattern::PatternCaptures)>,
    conditions: condition::KnownConditions,
    /// Lists that texts are compared with.
    text_lists: HashSet<u32>,
    /// Where `in-my-thread` is first used.
    asks_for_thread: Option<Span>,
    /// Where the entries of lists in the rules are.
    entries: Vec<(u32, Vec<Spanned<String>>)>,

    included: include::IncludeStack,
    settings: HashMap<String, Span>,
    statements: statement::RuleFlow,
    folders: HashMap<String, (String, Span)>,
    sent_folders: Vec<Spanned<String>>,
    /// Texts of replies, as written.
    reply_files: Vec<(String, Span)>,
    programs: Vec<Spanned<String>>,
    /// The script that the rules include.
    script: Option<IncludedScript>,
    /// The current statements are a script's.
    in_script: bool,

    /// These are site rules.
    site: bool,
    /// The category that contains the current statement, by index.
    category: Option<u32>,
    /// Categories that can be switched off: they run after the mandatory ones.
    optional: Vec<StatementNode>,
    /// Where each part of the filter was switched, by its folded name.
    switched: HashMap<String, Span>,
}

impl<'a, 's> Checker<'a, 's> {
    fn new(
        sources: &'a mut Sources,
        context: &'a mut CheckContext<'s>,
        diagnostics: Vec<Diagnostic>,
    ) -> Self {
        let mut program = Program::default();
        set_by_site(&mut program.settings, context.confinement);
        Checker {
            sources,
            context,
            program,
            diagnostics,
            list_files: Vec::new(),
            timezone: None,
            inbox: None,
            names: HashMap::new(),
            missing: Vec::new(),
            incomplete: false,
            searched: 0,
            fields: HashMap::new(),
            patterns: HashMap::new(),
            conditions: condition::KnownConditions::default(),
            text_lists: HashSet::new(),
            asks_for_thread: None,
            entries: Vec::new(),
            included: include::IncludeStack::default(),
            settings: HashMap::new(),
            statements: statement::RuleFlow::default(),
            folders: HashMap::new(),
            sent_folders: Vec::new(),
            reply_files: Vec::new(),
            programs: Vec::new(),
            script: None,
            in_script: false,
            site: false,
            category: None,
            optional: Vec::new(),
            switched: HashMap::new(),
        }
    }

    fn main(&mut self, file: u32, ast: &Ast) {
        let path = self.sources.files().get(file as usize).map(|file| file.path.clone());
        self.included.enter(path.unwrap_or_default());
        self.walk(&ast.statements);
        self.untranslated(ast);
        self.optional_categories();
    }

    /// Reports comments in the place of rules that `mfilter import` could not translate.
    pub(super) fn untranslated(&mut self, ast: &Ast) {
        for comment in &ast.comments {
            if let Some(rest) = comment.text.strip_prefix(words::UNTRANSLATED) {
                let what = rest.trim_start_matches(':').trim().to_owned();
                self.report(comment.span, RuleErrorKind::Untranslated { what });
            }
        }
    }

    fn finish(mut self) -> CheckResult {
        self.settle_missing();
        self.judge_inbox();
        self.judge_entries();
        self.judge_thread();
        sort(&mut self.diagnostics);
        let broken =
            self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
        let list_files = self.list_paths();
        let replies = self.reply_files.iter().map(|(written, span)| ListFile {
            path: resolve(written, self.sources.path(*span), self.context.home),
            span: *span,
            holds_texts: true,
            grows: false,
        });
        let reply_files = replies.collect();
        let files = self.sources.files().iter();
        self.program.files = files.map(|file| file.path.to_string_lossy().into_owned()).collect();
        if !broken {
            let conditions = &self.program.conditions;
            let kinds = || conditions.iter().map(|condition| &condition.kind);
            self.program.asks_for_duplicates =
                kinds().any(|kind| matches!(kind, ConditionKind::Duplicate { of: None, .. }));
            self.program.refuses = self.program.statements.iter().any(|statement| {
                let StatementKind::Act(action) = &statement.kind else { return false };
                matches!(action, Action::RejectAction(_) | Action::DeferAction(_))
            });
            let longest = kinds().filter_map(|kind| match kind {
                ConditionKind::Duplicate { within, .. } => *within,
                _ => None,
            });
            self.program.longest_within = longest.max().unwrap_or(0);
            self.program.asks_for_folders =
                kinds().any(|kind| matches!(kind, ConditionKind::FolderExists(_)));
            self.program.asks_for_sent_mail = self.has_list_of_mail();
        }
        let mut folders: Vec<Spanned<String>> =
            self.folders.into_values().map(|(value, span)| Spanned { value, span }).collect();
        folders.sort_by_key(|folder| (folder.span.file, folder.span.start));
        CheckResult {
            settings: self.program.settings.clone(),
            program: (!broken).then_some(self.program),
            diagnostics: self.diagnostics,
            list_files,
            reply_files,
            sent_folders: self.sent_folders,
            programs: self.programs,
            folders,
            layout: self.settings.get("layout").copied(),
            timezone: self.timezone,
            script: self.script,
        }
    }

    fn list_paths(&self) -> Vec<ListFile> {
        let path = |(list, span): &(u32, Span)| ListFile {
            path: resolve(&self.list_file(*list), self.sources.path(*span), self.context.home),
            span: *span,
            holds_texts: self.text_lists.contains(list),
            grows: self.program.lists.get(*list as usize).is_some_and(|list| list.grows),
        };
        self.list_files.iter().map(path).collect()
    }

    fn list_file(&self, list: u32) -> String {
        match self.program.lists.get(list as usize).map(|list| &list.entries) {
            Some(crate::rules::program::Entries::File(file)) => file.clone(),
            _ => String::new(),
        }
    }

    /// Reports names that were never declared, and those that were declared too late.
    fn settle_missing(&mut self) {
        for missing in std::mem::take(&mut self.missing) {
            let UnresolvedName { what, name, span } = missing;
            match self.names.get(&name) {
                Some((NameKind::Broken, _)) => {}
                Some((declared, at)) => {
                    let (what, at) = (declared.name(), *at);
                    self.report(span, NameMistake::UsedBefore { name, what, at });
                }
                None if self.incomplete && what != WordKind::Insert => {}
                None if what == WordKind::List && name == "me" => {
                    self.report(span, NameMistake::NoMe)
                }
                None => self.unknown(what, &name, span),
            }
        }
    }

    /// Whether a list is made from the mail in a folder.
    fn has_list_of_mail(&self) -> bool {
        self.program.lists.iter().any(|list| list.entries.folder().is_some())
    }

    /// Reports `in-my-thread` if no folder is used as a list: it searches these folders.
    fn judge_thread(&mut self) {
        if let Some(span) = self.asks_for_thread
            && !self.has_list_of_mail()
            && !self.incomplete
        {
            let why = "no list is made from the mail that you have sent or kept".to_owned();
            let hint = Some("declare one at the top: `list known sent \"Sent\"`".to_owned());
            self.report(span, LogicMistake::NeverHolds { why, hint });
        }
    }

    fn report(&mut self, span: Span, mistake: impl Into<RuleErrorKind>) {
        self.diagnostics.push(mistake.into().at(span));
    }

    /// Records a name that nothing has declared so far.
    fn missing(&mut self, what: WordKind, name: &str, span: Span) {
        self.missing.push(UnresolvedName { what, name: name.to_owned(), span });
    }

    /// Reports a word that is not one of a fixed set.
    fn unknown(&mut self, what: WordKind, name: &str, span: Span) {
        let near = self.nearest(what, name);
        let mut diagnostic =
            RuleErrorKind::from(NameMistake::Unknown { what, name: name.to_owned(), near })
                .at(span);
        // Inside a string the place is wider than the word.
        diagnostic.fix = diagnostic.fix.filter(|_| self.sources.text(span) == name);
        self.diagnostics.push(diagnostic);
    }

    fn nearest(&mut self, what: WordKind, name: &str) -> Option<String> {
        self.searched += 1;
        if self.searched > MAX_NEAREST {
            return None;
        }
        let declared = |expected: fn(NameKind) -> bool| {
            let fits = self.names.iter().filter(move |(_, (declared, _))| expected(*declared));
            let mut fits: Vec<&str> = fits.map(|(name, _)| name.as_str()).collect();
            fits.sort_unstable();
            fits
        };
        let scores =
            || declared(|declared| matches!(declared, NameKind::Score(_) | NameKind::Value(_)));
        let near = match what {
            WordKind::Setting => nearest(name, setting_names()),
            WordKind::Field | WordKind::Part | WordKind::Insert => {
                let suggested = words::suggest_field(name).filter(|_| what == WordKind::Field);
                let known = scores().into_iter().map(str::to_owned).chain(field::names());
                return suggested.map(str::to_owned).or_else(|| nearest(name, known));
            }
            WordKind::Classifier => words::suggest_condition(name).or_else(|| {
                let defines = declared(|declared| matches!(declared, NameKind::Define(_)));
                let known = CLASSIFIERS.iter().map(|classifier| classifier.name);
                let of_run = field::words_of_run().map(|word| -> &str { word });
                let known = known.chain(of_run).chain([DUPLICATE, words::FOLDER_EXISTS]);
                nearest(name, defines.into_iter().chain(known))
            }),
            WordKind::List => {
                nearest(name, declared(|declared| matches!(declared, NameKind::List(_))))
            }
            WordKind::Operator => nearest(name, OPERATORS.iter().map(|(word, _)| *word)),
            WordKind::Action => nearest(name, ACTIONS.iter().map(|word| word.name)),
            WordKind::Flag => words::suggest_flag(name)
                .or_else(|| nearest(name, FLAGS.iter().map(|(word, _)| *word))),
            WordKind::Weekday => nearest(name, field::WEEKDAYS),
            WordKind::NamedArgument => nearest(name, NAMED_ARGUMENTS),
            WordKind::Result => nearest(name, value::RESULTS.iter().copied()),
        };
        near.map(str::to_owned)
    }

    /// The number of a field; the program contains each field once.
    fn field(&mut self, field: Field) -> u32 {
        let fields = &mut self.program.fields;
        *self.fields.entry(field).or_insert_with_key(|field| {
            fields.push(field.clone());
            fields.len() as u32 - 1
        })
    }

    /// The number of a pattern that can be built, and what it captures.
    fn pattern(
        &mut self,
        source: &str,
        case_sensitive: bool,
        span: Span,
    ) -> Option<(u32, pattern::PatternCaptures)> {
        let written = (source.to_owned(), case_sensitive);
        if let Some(known) = self.patterns.get(&written) {
            return Some(known.clone());
        }
        let captures = match pattern::check(source, case_sensitive) {
            Ok(captures) => captures,
            Err(error) => {
                let place = error.place.map_or(span, |at| place::inside(self.sources, span, &at));
                self.report(place, TestMistake::BadPattern { reason: error.reason });
                return None;
            }
        };
        let normal = pattern::normalize(source)
            .filter(|normal| pattern::check(normal, case_sensitive).as_ref() == Ok(&captures));
        let source = normal.unwrap_or_else(|| source.to_owned());
        let literals = pattern::literals(&source);
        self.program.patterns.push(Pattern { source, case_sensitive, literals });
        let known = (self.program.patterns.len() as u32 - 1, captures);
        self.patterns.insert(written, known.clone());
        Some(known)
    }
}
