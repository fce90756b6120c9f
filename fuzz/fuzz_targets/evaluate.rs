//! Rules and a message, separated by a line `--`, all the way to a plan: no panic,
//! always an end, no folder outside the mail directory, and nothing in the checked program
//! that refers to what is not there.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use mfilter::evaluate::{Detail, NoFilters, run};
use mfilter::load;
use mfilter::message::Message;
use mfilter::plan::StepKind;
use mfilter::rules::compiled::CompiledProgram;
use mfilter::rules::rule_set::RuleSet;
use mfilter::world::World;

fuzz_target!(|data: &[u8]| {
    let at = data.windows(4).position(|window| window == b"\n--\n").unwrap_or(data.len());
    let (rules, message) = (&data[..at], data.get(at + 4..).unwrap_or_default());
    let (_, checked) = load::check_bytes(Path::new("rules"), rules, None, &mut |_| {
        Err(std::io::ErrorKind::NotFound.into())
    });
    let Some(program) = checked.program.map(CompiledProgram::new) else { return };
    let rules = RuleSet::alone(program);
    let message = Message::from_bytes(message.to_vec());
    let evaluation =
        run(&rules, message, &World::default(), Detail::Trace, &mut NoFilters).evaluation;
    assert!(!rules.user.is_damaged());
    assert!(!evaluation.plan.steps.is_empty());
    for step in &evaluation.plan.steps {
        if let StepKind::Deliver { folder, .. } = &step.kind {
            for part in &folder.parts {
                assert!(!part.is_empty() && part != "." && part != ".." && !part.contains('/'));
                assert!(!part.chars().any(char::is_control));
            }
        }
    }
});
