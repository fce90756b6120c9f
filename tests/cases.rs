//! Golden cases: each folder of `tests/cases` holds `rules`, perhaps
//! `message.eml` and `args`, and `expected`, what mfilter prints. With a
//! message it is `mfilter --test`'s explanation, without one `mfilter check`'s.
//! `BLESS=1 cargo test --test cases` writes what is printed as expected; read
//! the difference before it is committed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The moment at which all cases happen: a Thursday, 20:00 in Japan.
const NOW: &str = "2026-12-24T11:00:00Z";

#[test]
fn every_case_prints_what_is_expected() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut cases: Vec<PathBuf> = fs::read_dir(&root)
        .expect("tests/cases is there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    assert!(!cases.is_empty(), "no cases");
    let mut wrong = Vec::new();
    for case in &cases {
        let printed = run(case);
        let expected = case.join("expected");
        if std::env::var_os("BLESS").is_some() {
            fs::write(&expected, &printed).expect("writable");
        } else if fs::read_to_string(&expected).unwrap_or_default() != printed {
            wrong.push(format!("--- {}\n{printed}", case.display()));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} cases print something else:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

fn run(case: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mfilter"));
    command.current_dir(case).env_clear().env("HOME", case).env("TZ", "UTC");
    let message = case.join("message.eml").exists();
    if message {
        command.args(["--test", "--now", NOW, "--rules", "rules"]);
    } else {
        command.arg("check");
    }
    if let Ok(more) = fs::read_to_string(case.join("args")) {
        command.args(more.lines().filter(|line| !line.is_empty()));
    }
    command.arg(if message { "message.eml" } else { "rules" });
    let output = command.output().expect("mfilter runs");
    let status = output.status.code().map_or("a signal".to_owned(), |code| code.to_string());
    format!(
        "{}{}exit {status}\n",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    )
}
