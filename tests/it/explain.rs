//! Each mistake can be explained: its example has that mistake and no other, according
//! to `check` itself, and the corrected one has none.

#![allow(clippy::print_stderr, reason = "what was skipped is told")]

use std::fs;
use std::process::Command;

use mfilter::language::Language;
use mfilter::rules::explanation::{Explanation, codes, of};
use unicode_width::UnicodeWidthStr;

use crate::support::lmtp_site::{give_all, ids};
use crate::support::{Home, MFILTER, Run, run, skipped};

/// Checks the rules of an explanation in a home of its own.
fn checked(explanation: &Explanation, rules: &[u8]) -> Run {
    let home = Home::new();
    for folder in &explanation.folders {
        for sub in ["cur", "new", "tmp"] {
            fs::create_dir_all(home.path().join(folder).join(sub)).unwrap();
        }
    }
    for (name, content) in &explanation.files {
        fs::write(home.path().join(name), content).unwrap();
    }
    let rules_file = home.path().join(".mailrules");
    fs::write(&rules_file, rules).unwrap();
    let rules_file = rules_file.to_str().unwrap();
    let site = home.path().join("site.mailrules");
    if let Some(rules) = &explanation.site {
        fs::write(&site, rules).unwrap();
        return home.run(&["check", "--json", "--site", site.to_str().unwrap(), rules_file], b"");
    }
    if explanation.confined {
        let at = |name: &str| home.path().join(name).display().to_string();
        let user = format!("taro:x:{}::{}:\n", ids(), home.path().display());
        fs::write(at("users"), user).unwrap();
        let settings = format!("users = passwd-file:{}\nstate = {}\n", at("users"), at("data"));
        fs::write(at("lmtp.conf"), settings).unwrap();
        give_all(home.path());
        let user = ["--user", "taro", "--config", &at("lmtp.conf")];
        return home.run(&[&["check", "--json"], &user[..], &[rules_file]].concat(), b"");
    }
    let how = if explanation.of_site { "--site" } else { "--" };
    home.run(&["check", "--json", how, rules_file], b"")
}

fn found(run: &Run) -> Vec<String> {
    let mistakes: Vec<serde_json::Value> = run
        .stdout
        .lines()
        .filter_map(|line| serde_json::from_str::<Vec<serde_json::Value>>(line).ok())
        .flatten()
        .collect();
    let mut codes: Vec<String> =
        mistakes.iter().map(|each| each["code"].as_str().unwrap().to_owned()).collect();
    codes.sort();
    codes.dedup();
    codes
}

#[test]
fn each_example_has_exactly_its_mistake_and_none_when_corrected() {
    let is_root = rustix::process::geteuid().is_root();
    let mut wrong = Vec::new();
    for code in codes() {
        let explanation = of(code, Language::English).unwrap();
        if code == "too-large" {
            // The command does not even read such a file.
            let (_, _, found) = mfilter::syntax::parse_bytes(0, "x".as_ref(), &explanation.wrong);
            assert_eq!(found.iter().map(|each| each.code).collect::<Vec<_>>(), [code]);
            continue;
        }
        if (explanation.of_site || explanation.site.is_some()) && !is_root {
            eprintln!("skipped: only root has site rules: {code}");
            continue;
        }
        let with = found(&checked(&explanation, &explanation.wrong));
        // `too-many` necessarily comes with others.
        let others = with.iter().filter(|other| *other != code && code != "too-many").count();
        let corrected = checked(&explanation, &explanation.corrected);
        if others > 0 || !with.iter().any(|found| found == code) || corrected.code != Some(0) {
            wrong.push(format!(
                "{code}: wrong: {with:?}, corrected: {:?} {}",
                found(&corrected),
                corrected.stderr
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_message_is_the_one_of_check() {
    let home = Home::with_rules("when subjct contains \"sale\" -> folder \"Sale\"\n");
    let output = home.run(&["check"], b"").stdout;
    let message = output.lines().next().unwrap();
    assert!(message.starts_with("error[unknown-field]"), "{output}");
    for code in ["unknown-field", "error[unknown-field]:"] {
        let explained = home.run(&["explain", code], b"");
        assert_eq!(explained.code, Some(0), "{explained:?}");
        assert!(explained.stdout.contains(message), "{explained:?}");
        assert!(explained.stdout.contains("~/.mailrules:1:6"), "{explained:?}");
        assert!(
            explained.stdout.contains("Corrected:\n\n    when subject contains"),
            "{explained:?}"
        );
    }
    let unknown = home.run(&["explain", "unknown-feild"], b"");
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.contains("did you mean `unknown-field`?"), "{unknown:?}");
    let all = home.run(&["explain"], b"").stdout;
    assert_eq!(all.lines().count(), codes().count());
    let quote = all.lines().find(|line| line.starts_with("unclosed-string "));
    assert!(
        quote.unwrap().ends_with("  A string has a quote at its beginning and none at its end.")
    );
}

#[test]
fn on_a_terminal_check_names_the_command_once() {
    if skipped("the terminal", &["/usr/bin/script"], false) {
        return;
    }
    let home = Home::with_rules("when subjct is \"a\" -> stop\nwhen subjct is \"b\" -> stop\n");
    let mut command = Command::new("/usr/bin/script");
    command.args(["-qec", &format!("{MFILTER} check"), "/dev/null"]).env("HOME", home.path());
    let shown = run(command, b"").stdout;
    assert_eq!(shown.matches("mfilter explain unknown-field").count(), 1, "{shown}");
    assert!(!home.run(&["check"], b"").stdout.contains("mfilter explain"));
}

const JAPANESE: (&str, &str) = ("LANG", "ja_JP.UTF-8");

/// Runs the program in a certain locale.
fn in_locale(home: &Home, arguments: &[&str], locale: &[(&str, &str)], input: &[u8]) -> Run {
    let mut command = home.command(arguments);
    command.envs(locale.iter().copied());
    run(command, input)
}

#[test]
fn the_locale_says_in_which_language_a_mistake_is_explained() {
    let home = Home::new();
    let explained = |locale: &[(&str, &str)]| {
        in_locale(&home, &["explain", "list-unreadable"], locale, b"").stdout
    };
    let japanese = explained(&[JAPANESE]);
    let meaning: Vec<&str> = japanese.lines().take_while(|line| !line.is_empty()).collect();
    assert!(meaning.len() > 1 && meaning.iter().all(|line| line.width() <= 78), "{japanese}");
    let text = of("list-unreadable", Language::Japanese).unwrap().meaning;
    assert_eq!(meaning.concat(), text);
    assert!(japanese.contains("\n\n例:\n\n    警告[list-unreadable]"), "{japanese}");
    assert!(japanese.contains("\n\n修正後:\n\n    list friends"), "{japanese}");
    assert_eq!(explained(&[("LC_MESSAGES", "ja_JP.UTF-8"), ("LANG", "C")]), japanese);

    let english = explained(&[]);
    assert!(english.contains("\nAn example:\n") && english.contains("\nCorrected:\n"), "{english}");
    assert_eq!(explained(&[JAPANESE, ("LC_ALL", "C")]), english);
}
