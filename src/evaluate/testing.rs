//! Rules and runs for the tests of this room.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use super::condition::Conditions;
use super::context::Context;
use super::{Detail, NoFilters, Run, run};
use crate::message::Message;
use crate::rules::check::{CheckContext, check, check_site, no_script};
use crate::rules::compiled::CompiledProgram;
use crate::rules::program::Program;
use crate::rules::rule_set::RuleSet;
use crate::rules::switch::SwitchChoices;
use crate::source::Sources;
use crate::user::{Confinement, DeliveryLog, User};
use crate::world::World;

/// Rules without a mistake.
pub(super) fn program(text: &str) -> Program {
    checked(text, false)
}

fn checked(text: &str, of_site: bool) -> Program {
    let mut sources = Sources::default();
    let path = Path::new("/home/taro/rules");
    let (file, ast, parsed) = crate::syntax::parse_bytes(0, path, text.as_bytes());
    sources.add(file);
    let mut load = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
    let mut outer = CheckContext {
        home: Path::new("/home/taro"),
        load: &mut load,
        script: &mut no_script,
        confinement: None,
    };
    let check = if of_site { check_site } else { check };
    let found = check(&mut sources, 0, ast, parsed, &mut outer);
    found.program.ok_or(found.diagnostics).expect(text)
}

pub(super) fn compiled(text: &str) -> CompiledProgram {
    CompiledProgram::new(program(text))
}

pub(super) fn rules(text: &str) -> RuleSet {
    RuleSet::alone(compiled(text))
}

/// The provider's rules, then the user's.
pub(super) fn with_site(site: &str, user: &str) -> RuleSet {
    let site = CompiledProgram::new(checked(site, true));
    RuleSet::new(compiled(user), Some(site), &SwitchChoices::default())
}

pub(super) fn message(text: &str) -> Message {
    Message::from_bytes(text.as_bytes().to_vec())
}

pub(super) fn run_on(rules: &RuleSet, mail: &str, world: &World, detail: Detail) -> Run {
    run(rules, message(mail), world, detail, &mut NoFilters)
}

/// What `--test` says of each step.
pub(super) fn steps(run: &Run) -> Vec<String> {
    run.evaluation.plan.steps.iter().map(|step| step.kind.sentence()).collect()
}

/// Why each test of the run came out as it did.
pub(super) fn reasons(run: &Run) -> Vec<String> {
    let tests = run.evaluation.trace.rules.iter().flat_map(|rule| &rule.tests);
    tests.map(|test| test.why.clone()).collect()
}

/// Asks something of the conditions of a program on a message.
pub(super) fn ask<T>(
    program: &CompiledProgram,
    message: &Message,
    world: &World,
    detail: Detail,
    ask: impl FnOnce(&Conditions<'_>) -> T,
) -> T {
    let variable = |name: &str| world.variable(name);
    let people = || -> Result<Rc<_>, String> { Err("nobody".into()) };
    let context = Context::new(program, message, world, &variable, None, &people);
    ask(&Conditions::new(context, detail))
}

/// A user of a site where programs are listed: only `spamc`.
pub(super) fn confined(home: &Path) -> User {
    let programs = [("spamc".to_owned(), PathBuf::from("/usr/bin/spamc"))].into();
    let site = Arc::new(Confinement {
        fs_layout: false,
        log: DeliveryLog::Off,
        sendmail: None,
        program_timeout: None,
        programs,
        forwards_per_hour: 10,
    });
    User::confined("taro", home, &home.join("Maildir"), &home.join("data"), site)
}
