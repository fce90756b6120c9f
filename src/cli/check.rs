//! `mfilter check`: every mistake in the rules, and their `expect`s.

use std::fs::File;
use std::io::IsTerminal;
use std::path::Path;

use super::args::Check;
use super::{Finding, output};
use crate::diagnostic::{self, Diagnostic, Severity};
use crate::evaluate::{Detail, evaluate};
use crate::explain::sentence;
use crate::load;
use crate::message::Message;
use crate::plan::{Plan, StepKind};
use crate::rules::check::{Surroundings, check_lists, resolve};
use crate::rules::program::{ArchivedProgram, Compiled, Expectation, Program, StatementKind};
use crate::source::{Sources, read_text, reason};
use crate::world::World;

pub(super) fn run(call: &Check) -> Result<Finding, String> {
    let home = super::home();
    let path = match &call.rules {
        Some(path) => path.clone(),
        None => load::default_rules(home.as_deref())?,
    };
    let (mut sources, mut checked) =
        load::check(&path, home.as_deref()).map_err(|e| format!("{}: {e}", path.display()))?;
    let surroundings = &mut Surroundings {
        home: home.as_deref().unwrap_or(Path::new("")),
        load: &mut |path| read_text(path).map(String::into_bytes).map_err(|e| e.into()),
    };
    check_lists(&mut checked, &mut sources, surroundings);
    let mut diagnostics = checked.diagnostics;
    if let Some(program) = &checked.program {
        diagnostics.extend(expectations(program, &sources, home.as_deref()));
    }
    if call.json {
        output::print(&format!("{}\n", diagnostic::to_json(&diagnostics, &sources)));
    } else {
        output::print(&diagnostic::render(&diagnostics, &sources, output::colour()));
        if diagnostics.is_empty() && std::io::stdout().is_terminal() {
            output::print("no mistakes\n");
        }
    }
    Ok(if diagnostics.is_empty() { Finding::Fine } else { Finding::Found })
}

/// Runs every `expect`; a mistake for each that comes out differently.
fn expectations(program: &Program, sources: &Sources, home: Option<&Path>) -> Vec<Diagnostic> {
    if program.expectations.is_empty() {
        return Vec::new();
    }
    let Some(compiled) = Compiled::new(program) else { return Vec::new() };
    let Some(archived) = compiled.program() else { return Vec::new() };
    let each = program.expectations.iter();
    each.filter_map(|expectation| {
        let (message, hint) = fails(expectation, program, archived, sources, home)?;
        Some(Diagnostic {
            severity: Severity::Error,
            code: "expectation-failed",
            message,
            span: expectation.span,
            label: String::new(),
            related: Vec::new(),
            hint: Some(hint),
        })
    })
    .collect()
}

/// What is wrong with an `expect`, and what to do; none if it holds.
fn fails(
    expectation: &Expectation,
    program: &Program,
    archived: &ArchivedProgram,
    sources: &Sources,
    home: Option<&Path>,
) -> Option<(String, String)> {
    let rule_file = sources.path(expectation.span);
    let path = resolve(&expectation.message, rule_file, home.unwrap_or(Path::new("")));
    let world = World { home: home.map(Path::to_owned), ..World::default() };
    let message = match File::open(&path).and_then(Message::open) {
        Ok(message) => message,
        Err(error) => {
            let why = reason(&error);
            let message = format!("`{}` cannot be read: {why}", expectation.message);
            return Some((message, "a path here starts at the folder of the rule file".into()));
        }
    };
    let plan = evaluate(archived, &message, &world, Detail::Plan).plan;
    let wanted = wanted(expectation, program, &message, &world);
    let (wanted, found) = (ends(&wanted), ends(&plan));
    (wanted != found).then(|| {
        let message = format!("`{}` goes another way: {found}", expectation.message);
        let rules =
            sources.files().first().map_or("".into(), |file| file.path.display().to_string());
        (message, format!("`mfilter --test --rules {rules} {}` says why", path.display()))
    })
}

/// The plan of rules that hold nothing but the expected actions.
fn wanted(expectation: &Expectation, program: &Program, message: &Message, world: &World) -> Plan {
    let statements = expectation.actions.iter().map(|action| crate::rules::program::Statement {
        span: expectation.span,
        line: 0,
        kind: StatementKind::Act(action.clone()),
    });
    let alone = Program { statements: statements.collect(), ..program.clone() };
    Compiled::new(&alone)
        .as_ref()
        .and_then(Compiled::program)
        .map(|program| evaluate(program, message, world, Detail::Plan).plan)
        .unwrap_or_default()
}

/// Where a plan stores and how it ends, in words. A text of a discard or a
/// refusal is not part of it.
fn ends(plan: &Plan) -> String {
    let steps = plan.steps.iter().filter_map(|step| match &step.kind {
        kind @ StepKind::Deliver { .. } => Some(sentence(kind)),
        StepKind::Discard { .. } => Some("discard".into()),
        StepKind::Reject { .. } => Some("reject".into()),
        StepKind::Defer { .. } => Some("defer".into()),
        kind @ (StepKind::Pipe { .. } | StepKind::Forward { .. }) => Some(sentence(kind)),
        _ => None,
    });
    steps.collect::<Vec<_>>().join(", ")
}
