//! Files of the state directory hold any bytes: nothing panics, nothing stays damaged,
//! and what is recorded after the damage counts.

#![no_main]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use mfilter::message::Message;
use mfilter::plan::{StepIds, StepKind};
use mfilter::rules::switch::SwitchChoices;
use mfilter::state::journal::{self, Journal};
use mfilter::state::slots::Key;
use mfilter::state::{StateDir, duplicates, last_valid, replies, switch_choices};

fn plant(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
    fs::write(path, bytes).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("a mode");
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else { return };
    let home = tempfile::tempdir().expect("a temporary directory");
    let state = StateDir::at(home.path().join("mfilter"));
    fs::create_dir_all(state.path()).expect("a directory");
    fs::set_permissions(state.path(), fs::Permissions::from_mode(0o700)).expect("a mode");
    match kind % 4 {
        0 => {
            plant(&state.path().join("seen"), data);
            let key = Key::of(&[b"a"]);
            let _ = duplicates::known(&state);
            let _ = duplicates::delivered_before(&state, key, 1_800_000_000, 1000);
            duplicates::remember(&state, key, 1_800_000_000, 1000).expect("it is remembered");
            assert!(duplicates::delivered_before(&state, key, 1_800_000_001, 1000).is_some());
            plant(&state.path().join("replied"), data);
            let answered = replies::claim(&state, "a@a.example", b"x", 1_800_000_000, 1000);
            answered.expect("it is known");
            let again = replies::claim(&state, "a@a.example", b"x", 1_800_000_001, 1000);
            assert!(!again.expect("it is known"));
        }
        1 => {
            let message = Message::from_bytes(b"A: b\n\nc\n".to_vec());
            let key = journal::key(&message, None, &[]).expect("a key");
            plant(&state.path().join("half-done").join(key.name()), data);
            let _ = journal::known(&state);
            let step = StepIds::default().next(&StepKind::Run { argv: Vec::new() });
            let step = step.expect("a run has an id");
            let soon = Instant::now() + Duration::from_secs(1);
            let open = || Journal::open(&state, key, soon).expect("a journal").expect("not locked");
            let mut journal = open();
            journal.note(step, "run", None).expect("it is noted");
            drop(journal);
            let journal = open();
            assert!(journal.is_done(step));
            journal.finish();
            assert!(!open().is_done(step));
        }
        2 => {
            let main = Path::new("/rules");
            let files = [(PathBuf::from("/rules"), "inbox\n")];
            last_valid::remember(&state, main, &files).expect("they are kept");
            let kept = fs::read_dir(state.path()).expect("a directory").flatten();
            let kept: Vec<PathBuf> = kept.map(|entry| entry.path()).collect();
            for path in &kept {
                plant(path, data);
            }
            let _ = last_valid::read(&state, main);
            last_valid::remember(&state, main, &files).expect("they are kept");
            let read = last_valid::read(&state, main).expect("they are known");
            assert_eq!(read, [(PathBuf::from("/rules"), "inbox\n".to_owned())]);
        }
        _ => {
            let path = home.path().join("isp-filter");
            plant(&path, data);
            let words = switch_choices::read(&path).expect("what cannot be read is skipped");
            switch_choices::write(&path, &words, None).expect("it is written");
            assert_eq!(switch_choices::read(&path).expect("it is read"), words);
            switch_choices::write(&path, &SwitchChoices::default(), None).expect("it is removed");
            assert!(!path.exists());
        }
    }
});
