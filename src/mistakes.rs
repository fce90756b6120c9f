//! Every mistake in a user's rules: those that the check of their text finds, and those
//! that show only together with what the rules name: lists, folders, address books, the
//! messages of `expect`. Nothing is written, and no program is run.

use std::path::Path;

use crate::contacts;
use crate::diagnostic::{Diagnostic, Severity};
use crate::evaluate::{Detail, NoFilters, run as run_rules};
use crate::file;
use crate::load::{self, OpenText};
use crate::mailbox::correspondents::SentMailReader;
use crate::mailbox::expire::may_delete;
use crate::mailbox::renamed_folders::find_renamed;
use crate::mailbox::special_use::SpecialFolders;
use crate::mailbox::store_check;
use crate::mda::{location, log as mail_log, sent_mail, with_mail};
use crate::message::Message;
use crate::plan::{Folder, Plan, StepKind};
use crate::rules::check::{CheckContext, check_lists, judge_switch, no_script, resolve};
use crate::rules::compiled::CompiledProgram;
use crate::rules::mistake::{ExpireMistake, LearnMistake, RuleErrorKind};
use crate::rules::program::{Entries, Expectation, Expiry, Program, Settings, StatementKind};
use crate::rules::rule_set::RuleSet;
use crate::source::{Sources, Span, Spanned, read_text, reason};
use crate::state::StateDir;
use crate::user::User;
use crate::world::World;

/// Every mistake in a user's rules, and their settings.
///
/// # Errors
/// Why the file cannot be read.
pub fn of(
    path: &Path,
    site: Option<&Path>,
    text_of: OpenText<'_>,
    user: &User,
) -> Result<(Sources, Vec<Diagnostic>, Settings), String> {
    let (mut sources, mut checked) =
        load::check_open(path, text_of, user).map_err(|e| format!("{}: {e}", path.display()))?;
    let context = &mut CheckContext {
        home: user.home_or_nowhere(),
        load: &mut |path| {
            read_text(user.bounds(), path).map(String::into_bytes).map_err(|e| e.into())
        },
        script: &mut no_script,
        confinement: None,
    };
    check_lists(&mut checked, &mut sources, context);
    let mut diagnostics = checked.diagnostics;
    if let Some(program) = &checked.program {
        diagnostics.extend(missing_folders(program, &checked.sent_folders, user));
        diagnostics.extend(forbidden_deletions(program, user));
        diagnostics.extend(unreadable_cards(program, &sources, user));
        diagnostics.extend(store_mismatches(program, &checked.folders, checked.layout, user));
        diagnostics.extend(expectations(program, &sources, user));
    }
    diagnostics.extend(switched(&checked.settings, site));
    Ok((sources, diagnostics, checked.settings))
}

/// What is wrong with the user's switch, according to the site rules in force.
fn switched(settings: &Settings, site: Option<&Path>) -> Vec<Diagnostic> {
    if settings.isp_filter.iter().all(|word| word.category.is_none()) {
        return Vec::new();
    }
    let site = load::site::in_force(site).compiled;
    let Some(site) = site.as_ref() else { return Vec::new() };
    let names = site.categories.iter();
    let names: Vec<_> = names.map(|category| (category.name.clone(), category.mandatory)).collect();
    judge_switch(&settings.isp_filter, &names)
}

/// Folders of sent mail that do not exist.
fn missing_folders(program: &Program, folders: &[Spanned<String>], user: &User) -> Vec<Diagnostic> {
    let Some(sent) = sent(program, user).filter(|_| !folders.is_empty()) else {
        return Vec::new();
    };
    let missing = folders.iter().filter(|folder| !sent.exists(&folder.value));
    missing
        .map(|folder| {
            let name = folder.value.clone();
            RuleErrorKind::Learn(LearnMistake::NoSentFolder { folder: name }).at(folder.span)
        })
        .collect()
}

/// Folders from which nothing is deleted, although the rules say so.
fn forbidden_deletions(program: &Program, user: &User) -> Vec<Diagnostic> {
    let deletes = |expiry: &&Expiry| expiry.to.is_none() && !expiry.anywhere;
    let world = World { user: user.clone(), ..World::default() };
    let mut expiries = program.expiries.iter().filter(deletes).peekable();
    if expiries.peek().is_none() {
        return Vec::new();
    }
    let Ok(location) = location(None, program, &world) else { return Vec::new() };
    let special = SpecialFolders::of(&location, &program.settings);
    let forbidden = expiries.filter(|expiry| !may_delete(&special, &location, expiry));
    forbidden
        .map(|expiry| {
            let mistake = ExpireMistake::Deletes { folder: expiry.folder.clone() };
            RuleErrorKind::Expire(mistake).at(expiry.span)
        })
        .collect()
}

/// Address books that cannot be read, completely or in part.
fn unreadable_cards(program: &Program, sources: &Sources, user: &User) -> Vec<Diagnostic> {
    let lists = program.lists.iter();
    lists
        .filter_map(|list| {
            let Entries::Cards(written) = &list.entries else { return None };
            let path = resolve(written, sources.path(list.span), user.home_or_nowhere());
            let mistake = match contacts::read(&path, user) {
                Err(error) => LearnMistake::CardsUnreadable {
                    path: written.clone(),
                    reason: error.to_string(),
                },
                Ok(book) => {
                    let first = book.problems.first()?;
                    LearnMistake::BrokenCards {
                        count: book.problems.len(),
                        place: user.with_tilde(&first.place()),
                        why: first.why.clone(),
                    }
                }
            };
            Some(RuleErrorKind::Learn(mistake).at(list.span))
        })
        .collect()
}

/// Folders and a layout that differ from those of the existing Maildir.
fn store_mismatches(
    program: &Program,
    folders: &[Spanned<String>],
    layout: Option<Span>,
    user: &User,
) -> Vec<Diagnostic> {
    let world = World { user: user.clone(), ..World::default() };
    let Ok(location) = location(None, program, &world) else { return Vec::new() };
    let names: Vec<Folder> = folders.iter().map(|folder| Folder::named(&folder.value)).collect();
    let log = mail_log(program, &world, StateDir::of(user).as_ref());
    let renamed = find_renamed(&location, program, &log, &names);
    store_check::judge(&location, folders, &renamed, layout)
}

/// The user's sent mail, for reading.
fn sent(program: &Program, user: &User) -> Option<SentMailReader> {
    let world = World::of(user.clone());
    let location = location(None, program, &world).ok()?;
    Some(sent_mail(program, &location, &world, false))
}

/// Runs every `expect`; a mistake for each that comes out differently.
pub fn expectations(program: &Program, sources: &Sources, user: &User) -> Vec<Diagnostic> {
    if program.expectations.is_empty() {
        return Vec::new();
    }
    let rules = &RuleSet::alone(CompiledProgram::new(program.clone()));
    let each = program.expectations.iter();
    each.filter_map(|expectation| {
        let (message, hint) = fails(expectation, program, rules, sources, user)?;
        Some(Diagnostic {
            severity: Severity::Error,
            code: "expectation-failed",
            message,
            span: expectation.span,
            label: String::new(),
            related: Vec::new(),
            hint: Some(hint),
            fix: None,
        })
    })
    .collect()
}

/// What is wrong with an `expect`, and what to do; none if it holds.
fn fails(
    expectation: &Expectation,
    program: &Program,
    rules: &RuleSet,
    sources: &Sources,
    user: &User,
) -> Option<(String, String)> {
    let rule_file = sources.path(expectation.span);
    let path = resolve(&expectation.message, rule_file, user.home_or_nowhere());
    let plain = World::of(user.clone());
    let world = match location(None, program, &plain) {
        Ok(location) => with_mail(plain, program, &location, false),
        Err(_) => plain,
    };
    let world = World { state: None, ..world };
    let message = match user.bounds().open(&path, file::READ).and_then(Message::open) {
        Ok(message) => message,
        Err(error) => {
            let why = reason(&error);
            let message = format!("`{}` cannot be read: {why}", expectation.message);
            return Some((
                message,
                "a path here is relative to the directory of the rule file".into(),
            ));
        }
    };
    // This removes the filter's marks, if the rules say so.
    let run = run_rules(rules, message, &world, Detail::Plan, &mut NoFilters);
    let expected = expected_plan(expectation, program, run.message, &world);
    let (expected, found) = (ends(&expected), ends(&run.evaluation.plan));
    (expected != found).then(|| {
        let message = format!("`{}` has another result: {found}", expectation.message);
        let rules =
            sources.files().first().map_or("".into(), |file| file.path.display().to_string());
        (message, format!("`mfilter --test --rules {rules} {}` says why", path.display()))
    })
}

/// The plan of rules that contain only the expected actions.
fn expected_plan(
    expectation: &Expectation,
    program: &Program,
    message: Message,
    world: &World,
) -> Plan {
    let statements = expectation.actions.iter().map(|action| crate::rules::program::Statement {
        span: expectation.span,
        line: 0,
        kind: StatementKind::Act(action.clone()),
    });
    let alone = Program { statements: statements.collect(), ..program.clone() };
    let rules = RuleSet::alone(CompiledProgram::new(alone));
    run_rules(&rules, message, world, Detail::Plan, &mut NoFilters).evaluation.plan
}

/// Where a plan stores and how it ends, in words. The text of a discard or a refusal is
/// not part of it.
fn ends(plan: &Plan) -> String {
    let steps = plan.steps.iter().filter_map(|step| match &step.kind {
        kind @ StepKind::Deliver { .. } => Some(kind.sentence()),
        StepKind::Discard { .. } => Some("discard".into()),
        StepKind::Reject { .. } => Some("reject".into()),
        StepKind::Defer { .. } => Some("defer".into()),
        kind @ (StepKind::Pipe { .. } | StepKind::Forward { .. }) => Some(kind.sentence()),
        _ => None,
    });
    steps.collect::<Vec<_>>().join(", ")
}
