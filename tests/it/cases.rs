//! Golden cases: each folder of `tests/cases` holds `rules`, perhaps `message.eml`,
//! `site` (site rules), `isp-filter` (what the command was told) and `args`, and
//! `expected`, the output of mfilter. With a message that is the explanation of
//! `mfilter --test`, without one the output of `mfilter check`. `BLESS=1 cargo test
//! --test it cases` writes the output to `expected`; read the differences before you
//! commit them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The time of all cases: a Thursday, 20:00 in Japan.
const NOW: &str = "2026-12-24T11:00:00Z";

#[test]
fn every_case_prints_what_is_expected() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut cases: Vec<PathBuf> = fs::read_dir(&root)
        .expect("tests/cases is there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.is_dir() && site_is_believed(path))
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

/// Site rules must belong to root; if the project does not, those cases are skipped.
fn site_is_believed(case: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match fs::metadata(case.join("site")) {
        Ok(about) => about.uid() == 0 && about.mode() & 0o022 == 0,
        Err(_) => true,
    }
}

fn run(case: &Path) -> String {
    let config = tempfile::tempdir().expect("a temporary directory");
    if let Ok(told) = fs::read(case.join("isp-filter")) {
        fs::create_dir(config.path().join("mfilter")).expect("made");
        fs::write(config.path().join("mfilter/isp-filter"), told).expect("written");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_mfilter"));
    command.env_clear().env("XDG_CONFIG_HOME", config.path());
    command.current_dir(case).env("HOME", case).env("TZ", "UTC");
    let message = case.join("message.eml").exists();
    let site = case.join("site").exists();
    if site && !message {
        command.args(["check", "--site", "site"]);
    } else if message {
        command.args(["--test", "--now", NOW, "--rules", "rules"]);
    } else {
        command.arg("check");
    }
    if site && message {
        command.args(["--site", "site"]);
    }
    if let Ok(more) = fs::read_to_string(case.join("args")) {
        command.args(more.lines().filter(|line| !line.is_empty()));
    }
    if message {
        command.arg("message.eml");
    } else if case.join("rules").exists() {
        command.arg("rules");
    }
    let output = command.output().expect("mfilter runs");
    let status = output.status.code().map_or("a signal".to_owned(), |code| code.to_string());
    format!(
        "{}{}exit {status}\n",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    )
}
