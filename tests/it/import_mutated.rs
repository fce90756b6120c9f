//! Damaged foreign rules: whatever is imported, the result is rules and a report, or a
//! message that says what is wrong with the file; never a panic, and never rules that
//! the check rejects. `MFILTER_LONG=1` tries 10,000 files, `MFILTER_SEED` (a number)
//! other ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::MFILTER;
use crate::support::dice::Dice;

/// Text that reaches deep into the readers of these languages.
#[rustfmt::skip]
const PIECES: &[&str] = &[
    "\"", "\\", "{", "}", "(", ")", "[", "]", ";", ",", ":", "/*", "*/", "#", "\n", "\r\n", "\0", "\u{feff}",
    "text:\n", ".\n", "text:\n.\n", "if ", "elsif ", "else ", "not ", "anyof (", "allof (", "true", "false", "stop;",
    "keep;", "discard;", ":matches ", ":regex ", ":count \"gt\" ", ":value \"ge\" ", ":comparator \"i;octet\" ",
    "${", "${1}", "${0}", "${x}", "${hex: 40}", "${unicode: d800}", "*", "?", "(.*)", "[[:alpha:]]", "{1,9999}",
    "require \"variables\";\n", "set \"x\" \"${x}\";", "vacation :mime \"x\";", "include \"x\";", "return;",
    "99999999999999999999G", "é", "迷惑", "\u{202e}", ":0\n", "* ^Subject:.*\n", "|", "!", "\\/", "* 1^1 ", "$HOME/",
    "INCLUDERC=x\n", "expire \"day\" \"7\";", "unexpire;", "hasexpiration", "fileinto \"a..b\";", "fileinto \"${1}\";", "addflag \"\\\\\";",
];

fn mutate(dice: &mut Dice, bytes: &mut Vec<u8>, other: &[u8]) {
    let at = dice.roll(bytes.len() + 1);
    let end = (at + dice.roll(40)).min(bytes.len());
    match dice.roll(7) {
        0 => drop(bytes.drain(at..end)),
        1 => {
            let piece = PIECES[dice.roll(PIECES.len())].as_bytes();
            bytes.splice(at..at, piece.iter().copied());
        }
        2 => {
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
        }
        3 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = dice.roll(256) as u8;
            }
        }
        4 => bytes.truncate(at.max(1)),
        5 => {
            let from = dice.roll(other.len() + 1);
            let to = (from + dice.roll(200)).min(other.len());
            bytes.splice(at..end, other[from..to].iter().copied());
        }
        _ => {
            let piece = PIECES[dice.roll(PIECES.len())].as_bytes();
            bytes.splice(at..end, piece.iter().copied());
        }
    }
}

/// The files of a language in tests/import.
fn seeds(language: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import").join(language);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the scripts are there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.is_file() && path.extension().is_none_or(|end| end != "expected"))
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("readable")).collect()
}

#[test]
fn damaged_files_give_rules_and_a_report_or_a_reason() {
    let long = std::env::var_os("MFILTER_LONG").is_some();
    let place = tempfile::tempdir().expect("a temporary directory");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(MFILTER);
        command.env_clear().env("HOME", place.path()).env("TZ", "UTC").current_dir(place.path());
        command.args(arguments).output().expect("it runs")
    };
    let mut dice = Dice::of(0x9e37_79b9_7f4a_7c15);
    let mut reports = 0;
    let count = if long { 3334 } else { 80 };
    for language in ["sieve", "procmail", "maildrop"] {
        let seeds = seeds(language);
        assert!(!seeds.is_empty(), "no scripts for {language}");
        for number in 0..count {
            let mut bytes = seeds[dice.roll(seeds.len())].clone();
            let other = &seeds[dice.roll(seeds.len())];
            for _ in 0..=dice.roll(6) {
                mutate(&mut dice, &mut bytes, other);
            }
            fs::write(place.path().join("x"), &bytes).expect("written");
            let output = run(&["import", language, "--json", "x"]);
            let result = String::from_utf8_lossy(&output.stderr).into_owned();
            let shown =
                || format!("{language} {number}: {result}\n{}", String::from_utf8_lossy(&bytes));
            match output.status.code() {
                Some(0 | 1) => {
                    let report: serde_json::Value = serde_json::from_slice(&output.stdout)
                        .unwrap_or_else(|_| panic!("{}", shown()));
                    let totals = &report["totals"];
                    let sum = ["exact", "approximate", "not"].map(|kind| totals[kind].as_u64());
                    let sum: u64 = sum.into_iter().flatten().sum();
                    assert_eq!(totals["all"].as_u64(), Some(sum), "{}", shown());
                    reports += 1;
                    if number % 20 == 0 {
                        let rules = report["rules"].as_str().expect("rules");
                        fs::write(place.path().join("rules"), rules).expect("written");
                        let check =
                            String::from_utf8_lossy(&run(&["check", "rules"]).stdout).into_owned();
                        assert!(!check.contains("error["), "{check}\n{}", shown());
                    }
                }
                Some(2) => {
                    assert!(result.contains("x: ") && !result.contains("panicked"), "{}", shown());
                }
                _ => panic!("{}", shown()),
            }
        }
    }
    assert!(reports * 2 > count * 3, "only {reports} reports");
}
