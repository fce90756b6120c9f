//! Rules and a message, separated by a line `--`: cached rules, evaluated with their
//! index as in a delivery, give the same plan as fresh ones without one.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use mfilter::evaluate::{Detail, NoFilters, run};
use mfilter::load;
use mfilter::message::Message;
use mfilter::plan::Plan;
use mfilter::rules::compiled::CompiledProgram;
use mfilter::rules::rule_set::RuleSet;
use mfilter::source::Fingerprint;
use mfilter::state::program_cache::{ProgramCache, Verification};
use mfilter::world::World;

fn plan(rules: &RuleSet, message: &[u8], detail: Detail) -> Plan {
    let message = Message::from_bytes(message.to_vec());
    run(rules, message, &World::default(), detail, &mut NoFilters).evaluation.plan
}

fuzz_target!(|data: &[u8]| {
    let at = data.windows(4).position(|window| window == b"\n--\n").unwrap_or(data.len());
    let (rules, message) = (&data[..at], data.get(at + 4..).unwrap_or_default());
    let path = Path::new("rules");
    let (_, checked) =
        load::check_bytes(path, rules, None, &mut |_| Err(std::io::ErrorKind::NotFound.into()));
    let Some(program) = checked.program else { return };
    let fresh = CompiledProgram::new(program);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let kept = ProgramCache::at(&folder.path().join("cache"), path, None);
    kept.write(&[(path.to_owned(), Some(rules.to_vec()))], &fresh).expect("it is kept");
    let mut none = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
    assert!(kept.read(Fingerprint::of(b"other rules"), Verification::OnRead, &mut none).is_none());
    let cached =
        kept.read(Fingerprint::of(rules), Verification::OnRead, &mut none).expect("it is as it was");
    let [fresh, cached] = [fresh, cached].map(RuleSet::alone);
    // A trace skips no rule.
    let wanted = plan(&fresh, message, Detail::Trace);
    assert_eq!(plan(&cached, message, Detail::Plan), wanted);
    assert_eq!(plan(&cached, message, Detail::Trace), wanted);
});
