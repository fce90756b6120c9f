//! A file of cached rules that was changed: as a file it is not believed; and even if
//! its checksum were right, evaluating its content would end.
//!
//! Input: rules, a line `--`, then changes: two bytes for the place, one for the value.

#![no_main]

use std::fs;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use mfilter::evaluate::{Detail, NoFilters, run};
use mfilter::load;
use mfilter::message::Message;
use mfilter::rules::compiled::CompiledProgram;
use mfilter::rules::rule_set::RuleSet;
use mfilter::source::Fingerprint;
use mfilter::state::program_cache::{ProgramCache, Verification};
use mfilter::world::World;

const MESSAGE: &[u8] = b"From: a@b.example\nTo: c+d@e.example\nSubject: sale\n\
List-Id: <x.example>\nDate: Thu, 1 Jan 2026 00:00:00 +0000\n\nhello\n";

fn change(bytes: &mut [u8], changes: &[u8]) -> bool {
    let mut changed = false;
    for each in changes.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([each[0], each[1]])) % bytes.len().max(1);
        if let Some(byte) = bytes.get_mut(at).filter(|byte| **byte != each[2]) {
            *byte = each[2];
            changed = true;
        }
    }
    changed
}

fuzz_target!(|data: &[u8]| {
    let at = data.windows(4).position(|window| window == b"\n--\n").unwrap_or(data.len());
    let (rules, changes) = (&data[..at], data.get(at + 4..).unwrap_or_default());
    let path = Path::new("rules");
    let (_, checked) =
        load::check_bytes(path, rules, None, &mut |_| Err(std::io::ErrorKind::NotFound.into()));
    let Some(fresh) = checked.program.map(CompiledProgram::new) else { return };

    let (head, mut blocks) = fresh.to_parts().expect("it is small");
    blocks.insert(0, head);
    let mut bytes = blocks.concat();
    change(&mut bytes, changes);
    let length = bytes.len() - changes.len() % 3 * bytes.len() / 4;
    bytes.truncate(length);
    let mut parts = blocks.iter().map(|block| {
        let rest = bytes.split_off(block.len().min(bytes.len()));
        std::mem::replace(&mut bytes, rest)
    });
    let head = parts.next().expect("the first");
    if let Some(program) = CompiledProgram::from_parts(&head, parts.collect()) {
        let rules = RuleSet::alone(program);
        for detail in [Detail::Plan, Detail::Trace] {
            let message = Message::from_bytes(MESSAGE.to_vec());
            run(&rules, message, &World::default(), detail, &mut NoFilters);
        }
    }

    let folder = tempfile::tempdir().expect("a temporary directory");
    let kept = ProgramCache::at(&folder.path().join("cache"), path, None);
    kept.write(&[(path.to_owned(), Some(rules.to_vec()))], &fresh).expect("it is kept");
    let file = fs::read_dir(folder.path().join("cache")).expect("a directory").flatten().next();
    let file = file.expect("a file").path();
    let whole = fs::read(&file).expect("it can be read");
    let mut bytes = whole.clone();
    if change(&mut bytes, changes) && bytes != whole {
        fs::write(&file, bytes).expect("it can be written");
        let mut none = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
        let found = kept.read(Fingerprint::of(rules), Verification::OnRead, &mut none);
        assert!(found.is_none_or(|found| found.to_parts().is_none()));
    }
});
