//! `mfilter history`: the versions of the rules, shown, compared and restored; and the
//! error messages for words that the command line does not know.

use std::fs;
use std::process::Command;

use crate::support::{Home, MFILTER, Run, run};

const MESSAGE: &[u8] = b"From: a@b.example\nSubject: x\n\nhello\n";

fn history(home: &Home, arguments: &[&str]) -> Run {
    home.run(&[&["history"], arguments].concat(), b"")
}

/// Three versions; a list shows the first one last.
fn three_versions() -> Home {
    let home = Home::with_rules("folder \"A\"\n");
    for text in ["folder \"A\"\n", "folder \"B\"\n# more\n", "folder \"C\"\n"] {
        home.write(".mailrules", text);
        assert_eq!(home.deliver(MESSAGE).code, Some(0));
    }
    home
}

#[test]
fn versions_are_listed_the_newest_first() {
    let home = three_versions();
    let listed = history(&home, &[]);
    let lines: Vec<&str> = listed.stdout.lines().skip(1).collect();
    assert_eq!(lines.len(), 3, "{listed:?}");
    assert!(lines[0].starts_with("   1  2") && lines[0].ends_with("+1 -2 lines  in force"));
    assert!(lines[1].ends_with("+2 -1 lines") && lines[2].ends_with("  1 line"), "{lines:?}");
    home.write(".mailrules", "folder \"D\"\n");
    let listed = history(&home, &[]).stdout;
    assert!(!listed.contains("  in force") && listed.contains("\nedited since; "), "{listed}");
}

/// Rules of a megabyte, no line of which is as before.
#[test]
fn versions_that_have_nothing_in_common_are_compared_soon() {
    let home = Home::new();
    for version in 0..2 {
        let lines: String = (0..100_000).map(|n| format!("# {version}{n}\n")).collect();
        home.write(".mailrules", format!("folder \"A\"\n{lines}"));
        assert_eq!(home.deliver(MESSAGE).code, Some(0));
    }
    for arguments in ["", " diff 2"] {
        let mut shell = Command::new("/bin/sh");
        let script = format!("ulimit -t 20; exec \"$0\" history{arguments}");
        shell.args(["-c", &script, MFILTER]).env_clear().env("HOME", home.path());
        let listed = run(shell, b"");
        assert_eq!(listed.signal, None, "it took 20 s of processor time");
        let changed = listed.stdout.contains("+100000 -100000 lines");
        assert!(changed || listed.stdout.contains("\n+# 199999\n"), "{arguments}");
    }
}

#[test]
fn a_version_is_shown_compared_and_restored() {
    let home = three_versions();
    assert_eq!(history(&home, &["show", "2"]).stdout, "folder \"B\"\n# more\n");
    let compared = history(&home, &["diff", "2"]);
    assert_eq!(compared.code, Some(1));
    assert!(compared.stdout.starts_with("--- ~/.mailrules\n+++ ~/.mailrules\n"), "{compared:?}");
    assert!(compared.stdout.contains("-folder \"B\"\n-# more\n+folder \"C\"\n"), "{compared:?}");
    let same = history(&home, &["diff", "1"]);
    assert_eq!((same.code, same.stdout.as_str()), (Some(0), ""), "{same:?}");
    assert!(same.stderr.contains("the rules are that version already"), "{same:?}");

    home.write(".mailrules", "an edit that was never good\n");
    let restored = history(&home, &["restore", "2"]);
    assert_eq!((restored.code, restored.stdout.as_str()), (Some(0), "restored ~/.mailrules\n"));
    let text = |name: &str| fs::read_to_string(home.path().join(name)).unwrap();
    assert_eq!(text(".mailrules"), "folder \"B\"\n# more\n");
    assert_eq!(text(".mailrules.bak"), "an edit that was never good\n");
    assert_eq!(home.deliver(MESSAGE).code, Some(0));
    assert_eq!(home.mail().iter().filter(|mail| mail.folder == ".B").count(), 2);
    let again = history(&home, &["restore", "1"]);
    assert_eq!(again.stdout, "the rules are that version already\n");
}

#[test]
fn each_file_of_a_version_has_its_name() {
    let home = Home::with_rules("include \"more\"\n");
    home.write("more", "folder \"A\"\n");
    assert_eq!(home.deliver(MESSAGE).code, Some(0));
    let shown = history(&home, &["show", "1"]).stdout;
    assert_eq!(shown, "# ~/.mailrules\ninclude \"more\"\n# ~/more\nfolder \"A\"\n");
}

#[test]
fn a_link_to_the_rules_stays_a_link() {
    let home = Home::new();
    home.write("dots/rules", "folder \"A\"\n");
    std::os::unix::fs::symlink("dots/rules", home.path().join(".mailrules")).unwrap();
    assert_eq!(home.deliver(MESSAGE).code, Some(0));
    home.write("dots/rules", "folder \"B\"\n");
    assert_eq!(history(&home, &["restore", "1"]).code, Some(0));
    let link = home.path().join(".mailrules");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(link).unwrap(), "folder \"A\"\n");
}

#[test]
fn a_version_that_there_is_not_is_an_error() {
    let home = three_versions();
    for number in ["0", "4", "99999999999999999999", "x"] {
        let shown = history(&home, &["show", number]);
        assert_eq!((shown.code, shown.stdout.as_str()), (Some(2), ""), "{shown:?}");
        assert!(!shown.stderr.is_empty());
    }
    let none = Home::with_rules("inbox\n");
    assert!(history(&none, &["show", "1"]).stderr.contains("no version of the rules is known"));
}

#[test]
fn rules_that_a_call_names_have_to_be_there() {
    let home = Home::new();
    let run = home.run(&["--rules", "nosuch"], MESSAGE);
    assert_eq!(run.code, Some(75));
    assert!(run.stdout.contains("nosuch") || run.stderr.contains("nosuch"), "{run:?}");
    assert!(home.mail().is_empty());
}

#[test]
fn an_mbox_on_standard_input_is_recognized() {
    let home = Home::with_rules("inbox\n");
    let one = "From a@b.example Mon Jan  1 00:00:00 2024\nFrom: a@b.example\n\nFrom here on\n\n";
    let run = home.run(&["--test"], one.as_bytes());
    assert!(run.code == Some(0) && run.stderr.is_empty(), "{run:?}");
    let run = home.run(&["--test"], format!("{one}{one}").as_bytes());
    assert!(run.code == Some(0) && run.stderr.contains("is an mbox"), "{run:?}");
}

#[test]
fn the_command_that_was_meant_is_suggested() {
    if crate::support::skipped("a terminal", &["/usr/bin/script"], false) {
        return;
    }
    for (call, said) in [
        ("chekc", "did you mean `mfilter check`?"),
        ("frobnicate", "the commands are setup, check, "),
        ("version", concat!("mfilter ", env!("CARGO_PKG_VERSION"))),
        ("help", "Usage:"),
        ("help check", "Usage:"),
    ] {
        let mut command = std::process::Command::new("/usr/bin/script");
        command.args(["-qec", &format!("{MFILTER} {call}"), "/dev/null"]);
        let shown = run(command, b"").stdout;
        let plain = regex_automata::meta::Regex::new("\u{1b}\\[[0-9;]*m").unwrap();
        let mut text = String::new();
        let mut from = 0;
        for found in plain.find_iter(&shown) {
            text.push_str(&shown[from..found.start()]);
            from = found.end();
        }
        text.push_str(&shown[from..]);
        assert!(text.contains(said), "{call}: {text}");
    }
}

#[test]
fn what_was_kept_before_stays() {
    let home = three_versions();
    let text = |name: &str| fs::read_to_string(home.path().join(name)).ok();
    home.write(".mailrules.bak", "of the user's own\n");
    home.write(".mailrules", b"# caf\xe9, never in force\n");
    assert_eq!(history(&home, &["restore", "2"]).code, Some(0));
    assert_eq!(text(".mailrules").as_deref(), Some("folder \"B\"\n# more\n"));
    let kept = fs::read(home.path().join(".mailrules.bak-2")).unwrap();
    assert_eq!(kept, b"# caf\xe9, never in force\n");
    for number in ["1", "2", "1"] {
        assert_eq!(history(&home, &["restore", number]).code, Some(0));
    }
    assert_eq!(text(".mailrules.bak").as_deref(), Some("of the user's own\n"));
    assert_eq!(text(".mailrules.bak-3").as_deref(), Some("folder \"B\"\n# more\n"));
    assert_eq!(text(".mailrules.bak-4").as_deref(), Some("folder \"C\"\n"));
    assert_eq!(text(".mailrules.bak-5"), None, "what is kept already is not kept twice");
}

#[test]
fn all_files_of_a_version_are_restored_or_none() {
    let home = Home::with_rules("include \"more\"\n");
    home.write("more", "folder \"A\"\n");
    assert_eq!(home.deliver(MESSAGE).code, Some(0));
    home.write(".mailrules", "# edited\n");
    fs::remove_file(home.path().join("more")).unwrap();
    fs::create_dir(home.path().join("more")).unwrap();
    let failed = history(&home, &["restore", "1"]);
    assert_eq!(failed.code, Some(2), "{failed:?}");
    assert_eq!(fs::read_to_string(home.path().join(".mailrules")).unwrap(), "# edited\n");
}
