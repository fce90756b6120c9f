//! `mfilter import procmail`: each file of `tests/import/procmail` has beside it what
//! comes of it, and the real procmail does with mail what the new rules do.
//!
//! `MFILTER_LONG=1` tries more messages.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::golden::{check_all, import};
use crate::support::{MFILTER, long, skipped};

const PROCMAIL: &str = "/usr/bin/procmail";

#[test]
fn every_file_gives_what_is_expected() {
    check_all("procmail", "rc", |_, _| ());
}

#[test]
fn a_file_of_another_kind_is_told() {
    let home = tempfile::tempdir().expect("a directory");
    for (text, word) in [("require \"fileinto\";\nkeep;\n", "Sieve"), ("a\0b", "binary")] {
        fs::write(home.path().join("x"), text).expect("written");
        let run = import(home.path(), &["procmail", "x"]);
        let (rules, told) = (run.stdout, run.stderr);
        assert!(rules.is_empty() && told.contains(word), "{told}");
    }
}

/// All recipes are exact.
const RECIPES: &str = r"
:0
* ^Subject:.*\<urgent\>
urgent/

:0
* ^Subject: *\[\/[a-z]+
tag-$MATCH/

:0 c
* ^TO_list@lists\.example\.org
copies/

:0 A
* ^Subject:.*keep
kept/

:0
* ^(From|Reply-To):.*(boss|chief)@example\.org
{
    :0
    * > 2000
    large/

    :0
    * ^X-Rank: [0-9]+$
    rank/

    :0 E
    * ! ^X-Rank:
    boss/
}

:0 BD
* Viagra
body/

:0
* 1^0 ^X-A:.*one
* 1^0 ^X-B:.*two
* -1^0 ^X-C:
score/

:0
* ^FROM_DAEMON
daemon/

:0
* ^X-Loop:.*a{2}\.b
loop/

:0
* ^To:.*hana@example\.org$
* ! ^Cc:
hana/
";

/// Messages of what the recipes ask for, and of what they nearly ask for.
fn messages() -> Vec<String> {
    let subjects =
        ["urgent", "very URGENT!", "urgently", "[rust] hello", "[Rust]", "keep", "hello", "[12]"];
    let tos = [
        "list@lists.example.org",
        "mylist@lists.example.org",
        "Hana <hana@example.org>",
        "hana@example.org",
        "x@example.org",
    ];
    let froms = [
        "Boss <boss@example.org>",
        "chief@example.org",
        "chief@example.org.evil.example",
        "MAILER-DAEMON@example.org",
        "ken@example.net",
        "Mail <mail@x>",
    ];
    let extras = [
        "",
        "X-Rank: 12\n",
        "X-Rank: a\n",
        "X-A: one\n",
        "X-A: one\nX-C: x\n",
        "X-B: TWO\nX-A: one\nX-C: y\n",
        "X-Loop: aa{2}.b\n",
        "X-Loop: a{2}.b\n",
        "Cc: z@example.org\n",
        "Precedence: bulk\n",
    ];
    let bodies =
        ["hello\n".to_owned(), "Viagra\n".to_owned(), "viagra\n".to_owned(), "x".repeat(70) + "\n"];
    let mut all = Vec::new();
    let count = if long() { 5_000 } else { 60 };
    // Steps that meet every pair.
    for number in 0..count {
        let pick = |step: usize, of: usize| (number * step + number / of) % of;
        let repeat = if number % 7 == 0 { 60 } else { 1 };
        all.push(format!(
            "From: {}\nTo: {}\nSubject: {}\n{}Message-ID: <{number}@example.org>\n\n{}",
            froms[pick(5, froms.len())],
            tos[pick(3, tos.len())],
            subjects[pick(7, subjects.len())],
            extras[pick(9, extras.len())],
            bodies[pick(1, bodies.len())].repeat(repeat),
        ));
    }
    all
}

/// The folders that mail lies in, and how much of it.
fn folders(maildir: &Path) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(maildir).expect("it is there") {
        let path = entry.expect("readable").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("UTF-8").to_owned();
        let count = |sub: &str| fs::read_dir(path.join(sub)).map_or(0, Iterator::count);
        let count = count("new") + count("cur");
        if count > 0 {
            found.push((name.trim_start_matches('.').to_owned(), count));
        }
    }
    let inbox = fs::read_dir(maildir.join("new")).map_or(0, Iterator::count);
    found.extend((inbox > 0).then(|| ("INBOX".to_owned(), inbox)));
    found.sort();
    found
}

fn deliver(command: &mut Command, message: &str) {
    let mut child = command.stdin(Stdio::piped()).spawn().expect("it runs");
    child.stdin.take().expect("a pipe").write_all(message.as_bytes()).expect("it reads");
    assert!(child.wait().expect("it ends").success(), "{message}");
}

#[test]
fn mail_goes_where_procmail_puts_it() {
    if skipped("the test with the real procmail", &[PROCMAIL], false) {
        return;
    }
    let home = tempfile::tempdir().expect("a directory");
    let at = |name: &str| home.path().join(name);
    // procmail reads no file in a directory that others can write to.
    fs::write(at("rc"), RECIPES).expect("written");
    let run = import(home.path(), &["procmail", "rc"]);
    let (rules, report) = (run.stdout, run.stderr);
    assert!(report.contains("0 approximately, 0 not"), "{report}");
    fs::write(at("rules"), rules).expect("written");
    let mut reached = 0;
    let all = messages();
    for message in &all {
        let mut found = Vec::new();
        for side in ["theirs", "ours"] {
            let maildir = at(side);
            for name in ["cur", "new", "tmp"] {
                fs::create_dir_all(maildir.join(name)).expect("made");
            }
            let shown = maildir.to_str().expect("UTF-8").to_owned();
            let mut command = Command::new(if side == "ours" { MFILTER } else { PROCMAIL });
            command.env_clear().env("HOME", home.path()).env("PATH", "/usr/bin:/bin");
            if side == "ours" {
                command.args(["--maildir", &shown, "--rules"]).arg(at("rules"));
            } else {
                let set = [("MAILDIR", ""), ("DEFAULT", "/"), ("ORGMAIL", "/")];
                command.args(set.map(|(name, end)| format!("{name}={shown}{end}"))).arg(at("rc"));
            }
            deliver(&mut command, message);
            found.push(folders(&maildir));
            fs::remove_dir_all(maildir).expect("removed");
        }
        assert_eq!(found[1], found[0], "{message}");
        reached += usize::from(found[0] != [("INBOX".to_owned(), 1)]);
    }
    assert!(reached * 2 > all.len(), "only {reached} of {} messages reach a recipe", all.len());
}
