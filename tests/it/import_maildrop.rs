//! `mfilter import maildrop`: each filter of `tests/import/maildrop` has its result
//! next to it, and the real maildrop treats mail as the new rules do, if the report
//! calls all of them exact.
//!
//! Filters are random combinations of conditions and actions in which every part of the
//! language has its share, messages consist of the filters' own words. `MFILTER_LONG=1`
//! tries 6,000 pairs, `MFILTER_SEED` (a number) other ones.

#![allow(clippy::print_stderr, reason = "a skipped test says so, and the long form what it tried")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::dice::Dice;
use crate::support::golden::{check_all, compare, import};
use crate::support::random_mail::{ADDRESSES, ESCAPED, WORDS, message};
use crate::support::{MFILTER, long, skipped};

const MAILDROP: &str = "/usr/bin/maildrop";

#[test]
fn every_filter_gives_what_is_expected() {
    check_all("maildrop", "filter", |_, _| ());
}

/// The files in examples/import are the result of their filter.
#[test]
fn the_example_shows_the_real_result() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/import");
    let run = import(&folder, &["maildrop", "mailfilter"]);
    compare(&folder.join("mailfilter.mailrules"), &run.stdout);
    compare(&folder.join("mailfilter.report"), &run.stderr);
}

#[test]
fn bad_files_are_reported() {
    let home = tempfile::tempdir().expect("a directory");
    let write =
        |name: &str, bytes: &[u8]| fs::write(home.path().join(name), bytes).expect("written");
    write("binary", b"to\0");
    write("procmailrc", b":0:\n* ^Subject:.*x\nfolder\n");
    write("sieve", b"require \"fileinto\";\nif header :is \"a\" \"b\" { fileinto \"x\"; }\n");
    write("crlf", b"if (/^X-A:/)\r\n{\r\n  to Mail/A\r\n}\r\n");
    write("latin", b"if (/^Subject: \xa1hola/)\n  to Mail/A\n");
    write("cycle", b"include cycle\nto Mail/A\n");
    write("missing", b"to Mail/A");
    write("missing", b"# a\ninclude none\nto Mail/A\n");
    for (file, code, word) in [
        ("binary", 2, "this is a binary file"),
        ("procmailrc", 2, "this is a procmailrc"),
        ("sieve", 2, "this is a Sieve script"),
        ("none", 2, "none"),
        ("crlf", 0, "1 of 1 exact"),
        ("latin", 0, "read as Latin-1"),
        ("cycle", 1, "cycle:1: not translated: `cycle` includes itself"),
        ("missing", 1, "missing:2: not translated: `none` cannot be read"),
    ] {
        let run = import(home.path(), &["maildrop", file]);
        let (rules, told) = (run.stdout, run.stderr);
        assert_eq!(run.code, Some(code), "{file}: {told}");
        assert!(told.contains(word), "{file}: {told}");
        assert_eq!(rules.is_empty(), code == 2, "{file}: {rules}");
    }
}

const ADDRESS_PATTERNS: [&str; 7] = [
    "hanako@example\\.jp",
    "@work\\.example",
    "(noreply|boss)@",
    "taro.*@",
    "<boss@work\\.example>",
    "bounce-[0-9]+@",
    "@(shop|news).example",
];
const FOLDERS: [&str; 6] = ["A", "Lists.B", "Lists.C.D", "Work", "E", "F"];
const COPIES: [&str; 3] = ["Copy1", "Copy2", "Copy3"];

fn condition(dice: &mut Dice, depth: usize) -> String {
    match dice.roll(if depth < 2 { 19 } else { 15 }) {
        0 | 1 => format!("/^Subject:.*{}/", dice.pick(&ESCAPED)),
        2 => format!("/^Subject: {}/", dice.pick(&ESCAPED)),
        3 => format!("/^Subject:\\s*{}$/:h", dice.pick(&ESCAPED)),
        4 => format!("/^X-Tag: *{}/:D", dice.pick(&ESCAPED)),
        5 => format!("/^(To|Cc):.*{}/", dice.pick(&ADDRESS_PATTERNS)),
        6 | 7 => format!("/^From:.*{}/", dice.pick(&ADDRESS_PATTERNS)),
        8 => format!("/{}/:b", dice.pick(&ESCAPED)),
        9 => {
            format!("$SIZE {} {}", dice.pick(&["<", ">=", ">"]), dice.pick(&["150", "250", "400"]))
        }
        10 => format!("hasaddr(\"{}\")", dice.pick(&ADDRESSES)),
        11 => format!("$FROM =~ /{}/", dice.pick(&["^boss", "example\\.jp$", "@shop\\."])),
        12 => {
            let operator = dice.pick(&["<", ">=", ">", "<=", "==", "!="]);
            format!("/^X-Score: *(-?[0-9.]+)/ && $MATCH1 {operator} {}", dice.roll(8))
        }
        13 => dice.pick(&["/^X-Tag:/", "/^List-Id:.*<a/", "/^(X-Tag|X-Score): [a-z0-9]+$/"]).into(),
        14 => format!("/{}/", dice.pick(&["sale", "X-Tag: [a-z]", "^X-[TS]", "a\\.b$"])),
        15 => format!("!({})", condition(dice, depth + 1)),
        16 => format!("({}) && ({})", condition(dice, depth + 1), condition(dice, depth + 1)),
        17 => format!("({}) || ({})", condition(dice, depth + 1), condition(dice, depth + 1)),
        _ => {
            let (a, b) = (dice.pick(&ESCAPED), dice.pick(&ESCAPED));
            format!("/^Subject:.*{a}/:h,2,0 + /^X-Tag:.*{b}/:h,-1,0 >= {}", dice.roll(3))
        }
    }
}

fn action(dice: &mut Dice) -> String {
    match dice.roll(13) {
        0..=4 => format!("to Maildir/.{}", dice.pick(&FOLDERS)),
        5 => format!("to \"$M/.{}/\"", dice.pick(&FOLDERS)),
        6 | 7 => format!("cc Maildir/.{}", dice.pick(&COPIES)),
        8 => dice.pick(&["exit", "to \"/dev/null\""]).into(),
        9 => format!("FLAGS={}", dice.pick(&["S", "F", "RS"])),
        10 => format!("D={}", dice.pick(&["A", "Work", "E"])),
        11 => format!("to \"$HERE/Maildir/.{}\"", dice.pick(&FOLDERS)),
        _ => "to $DEFAULT".into(),
    }
}

fn block(dice: &mut Dice, depth: usize, out: &mut String) {
    for _ in 0..1 + dice.roll(2) {
        statement(dice, depth, out);
    }
}

fn statement(dice: &mut Dice, depth: usize, out: &mut String) {
    if depth > 2 || dice.roll(10) < 3 && depth > 0 {
        let action = action(dice);
        out.push_str(&format!("{action}\n"));
        return;
    }
    match dice.roll(10) {
        // What was captured before another pattern was tried.
        8 | 9 => {
            let first = dice.pick(&["/^X-Tag: *([a-z]+)/", "/^List-Id:.*<([^.>]*)\\./"]);
            let inner = match dice.roll(3) {
                0 => format!("/^Subject:.*({})/", dice.pick(&WORDS).replace('+', "\\+")),
                1 => format!("/^X-Tag: *{}/ || /^Cc:/", dice.pick(&["sale", "two"])),
                _ => "$SIZE > 200".to_owned(),
            };
            let ends = format!("to Maildir/.{}", dice.pick(&FOLDERS));
            let kept = match dice.roll(3) {
                0 if !out.contains("if (") => "A$MATCH2",
                1 => "List-$MATCH1",
                _ => "Tag-$MATCH1",
            };
            out.push_str(&format!("if ({first})\n{{\nif ({inner})\n{{\n{ends}\n}}\n"));
            out.push_str(&format!("to \"Maildir/.{kept}\"\n}}\n"));
        }
        0 => {
            let tag = "if (/^X-Tag: *([a-z]+)/)\n{\nT=tolower($MATCH1)\n";
            out.push_str(&format!("{tag}to \"Maildir/.Tag-$T\"\n}}\n"));
        }
        1 => out.push_str("if (/^List-Id:.*<([^.>]*)\\./)\n{\nto Maildir/.List-$MATCH1\n}\n"),
        2 => out.push_str(&format!("if ({})\n{{\nto \"Maildir/.$D\"\n}}\n", condition(dice, 0))),
        _ => {
            out.push_str(&format!("if ({})\n{{\n", condition(dice, 0)));
            block(dice, depth + 1, out);
            out.push_str("}\n");
            if dice.roll(3) == 0 {
                out.push_str(&format!("elsif ({})\n{{\n", condition(dice, 0)));
                block(dice, depth + 1, out);
                out.push_str("}\n");
            }
            if dice.roll(3) == 0 {
                out.push_str("else\n{\n");
                block(dice, depth + 1, out);
                out.push_str("}\n");
            }
        }
    }
}

/// Nothing is delivered where the Maildir is missing.
const MISSING: &str = "`test -d $M`\nif ($RETURNCODE != 0)\n{\nexit\n}\n";

/// The folders above a folder are made.
const PARENTS: &str = "UP=Maildir/.Lists.C.D\nwhile ($UP =~ /^(.*)\\.[^.]+$/)\n{\n\
    `test -d \"$UP\" || maildirmake \"$UP\"`\nUP=$MATCH1\n}\n";

fn filter(dice: &mut Dice) -> String {
    let mut text = "DEFAULT=\"Maildir/\"\nM=Maildir\nD=F\nHERE=`pwd`\n".to_owned();
    match dice.roll(4) {
        0 => text.push_str(MISSING),
        1 => text.push_str(PARENTS),
        _ => {}
    }
    for _ in 0..3 + dice.roll(4) {
        statement(dice, 0, &mut text);
    }
    text
}

/// The folders that contain mail, how much of it and with which flags; the mail is
/// removed.
fn taken_from(maildir: &Path) -> Vec<(String, usize, String)> {
    let mut found = Vec::new();
    let mut look = |path: PathBuf, name: &str| {
        let (mut count, mut flags) = (0, String::new());
        for sub in ["new", "cur"] {
            for entry in fs::read_dir(path.join(sub)).into_iter().flatten().flatten() {
                count += 1;
                fs::remove_file(entry.path()).expect("removed");
                let name = entry.file_name().to_string_lossy().into_owned();
                flags.push_str(name.split_once(":2,").map_or("", |(_, flags)| flags));
            }
        }
        if count > 0 {
            found.push((name.to_owned(), count, flags));
        }
    };
    look(maildir.to_owned(), "INBOX");
    for entry in fs::read_dir(maildir).expect("it is there") {
        let path = entry.expect("readable").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("UTF-8").to_owned();
        if let Some(name) = name.strip_prefix('.') {
            look(path.clone(), name);
        }
    }
    found.sort();
    found
}

fn make_folder(path: &Path) {
    for sub in ["cur", "new", "tmp"] {
        fs::create_dir_all(path.join(sub)).expect("made");
    }
}

fn deliver(command: &mut Command, message: &str) -> bool {
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it runs");
    // It may have ended without reading.
    let _ = child.stdin.take().expect("a pipe").write_all(message.as_bytes());
    child.wait().expect("it ends").success()
}

/// A side's Maildir, maildrop's or ours.
fn maildir_of(home: &Path, side: &str) -> PathBuf {
    home.join(side).join("Maildir")
}

/// Writes a filter, and returns the rules that are made of it, and the report.
fn imported(home: &Path, text: &str) -> (String, String) {
    let filter = home.join("filter");
    fs::write(&filter, text).expect("written");
    // maildrop reads no other.
    fs::set_permissions(&filter, fs::Permissions::from_mode(0o600)).expect("set");
    let run = import(home, &["maildrop", "filter"]);
    (run.stdout, run.stderr)
}

/// Delivers a message by both programs, which must file it alike; whether a rule took it.
fn is_filed_alike(
    home: &Path,
    environment: &[(&str, &str)],
    text: &str,
    rules: &str,
    message: &str,
) -> bool {
    let [theirs, ours] = ["theirs", "ours"].map(|side| {
        let maildir = maildir_of(home, side);
        let mut command;
        if side == "ours" {
            command = Command::new(MFILTER);
            command.env_clear().env("HOME", home);
            command.arg("--maildir").arg(&maildir).arg("--rules").arg(home.join("rules"));
        } else {
            command = Command::new(MAILDROP);
            command.env_clear().current_dir(home.join(side)).arg(home.join("filter"));
        }
        command.envs(environment.iter().copied());
        assert!(deliver(&mut command, message), "{side} fails\n{text}\n{message}");
        taken_from(&maildir)
    });
    assert_eq!(ours, theirs, "\n{environment:?}\n{text}\n{rules}\n{message}");
    theirs != [("INBOX".to_owned(), 1, String::new())]
}

#[test]
fn mail_goes_where_maildrop_puts_it() {
    if skipped("the test with the real maildrop", &[MAILDROP], false) {
        return;
    }
    let home = tempfile::tempdir().expect("a directory");
    let at = |name: &str| home.path().join(name);
    let (filters, each) = if long() { (200, 40) } else { (10, 9) };
    let mut dice = Dice::of(0x5eed_1234_5678);
    let maildir = |side: &str| maildir_of(home.path(), side);
    make_folder(&maildir("ours"));
    // maildrop does not create folders.
    let words = ["a", "Build", "build", "rust", "sale", "two"];
    let tags = words.iter().flat_map(|word| [format!("Tag-{word}"), format!("List-{word}")]);
    make_folder(&maildir("theirs"));
    for name in FOLDERS.iter().chain(&COPIES).map(|name| name.to_string()).chain(tags) {
        make_folder(&maildir("theirs").join(format!(".{name}")));
    }
    let (mut pairs, mut reached, mut exact) = (0, 0, 0);
    for _ in 0..filters {
        let text = filter(&mut dice);
        let (rules, report) = imported(home.path(), &text);
        if !report.contains(" 0 approximately, 0 not") {
            let not: Vec<_> = report.lines().filter(|line| line.contains(": ")).collect();
            eprintln!("not exact: {}", not.join("; "));
            continue;
        }
        exact += 1;
        fs::write(at("rules"), &rules).expect("written");
        for _ in 0..each {
            let message = message(&mut dice, "\n ");
            pairs += 1;
            reached += usize::from(is_filed_alike(home.path(), &[], &text, &rules, &message));
        }
    }
    eprintln!("{pairs} pairs, {reached} reach a rule; {exact} of {filters} filters are exact");
    assert!(exact * 4 > filters * 3, "only {exact} of {filters} filters are exact");
    assert!(reached * 2 > pairs, "only {reached} of {pairs} messages reach a rule");
}

/// A statement with a program, and a condition on what comes of it.
fn program(dice: &mut Dice) -> String {
    let number = dice.roll(4).to_string();
    let operator = dice.pick(&["==", "!=", ">", "<="]);
    let word = dice.pick(&["sale", "shop", "rust", "two"]);
    let (statement, condition) = match dice.roll(10) {
        0 => (format!("`exit {number}`\n"), format!("$RETURNCODE {operator} {}", dice.roll(4))),
        1 => (format!("`grep -q {word}`\n"), "$RETURNCODE == 0".into()),
        2 => (format!("`test \"$EXT\" = {word}`\n"), "! $RETURNCODE".into()),
        3 => (
            format!("X=`printf 'a {word}\\nb\\n'; exit {number}`\n"),
            format!("$X eq \"a {word} b\" && $RETURNCODE {operator} 2"),
        ),
        4 => (
            "X=`echo \"$EXT\" | tr a-z A-Z`\n".into(),
            format!("$X eq \"{}\"", word.to_uppercase()),
        ),
        5 => (
            format!("exception {{\nxfilter \"sed s/sale/{word}/; exit {number}\"\n}}\n"),
            format!("$RETURNCODE {operator} {}", dice.roll(4)),
        ),
        6 => (
            "xfilter 'sed \"s/^Subject:.*/& [$EXT]/\"'\n".into(),
            format!("/^Subject:.*\\[{word}\\]/"),
        ),
        7 => ("X=`sed -n 's/^X-Tag: //p' | head -n 1`\n".into(), format!("$X =~ /{word}/")),
        8 => (
            format!("X=`echo '$EXT' | cut -c1-{number}`\n"),
            format!("$X =~ /^{}/ && $RETURNCODE == 0", word.get(..1).expect("a letter")),
        ),
        _ => (format!("N={number}\nX=`echo $N`\n"), format!("$X eq \"{}\"", dice.roll(4))),
    };
    let action = dice.pick(&["to", "cc"]);
    let folder = dice.pick(if action == "to" { &FOLDERS } else { &COPIES });
    format!("{statement}if ({condition})\n{{\n{action} Maildir/.{folder}\n}}\n")
}

/// What programs print, and their results, are the same on both sides.
#[test]
fn programs_say_what_maildrop_hears() {
    if skipped("the test with the real maildrop", &[MAILDROP], false) {
        return;
    }
    let home = tempfile::tempdir().expect("a directory");
    let at = |name: &str| home.path().join(name);
    let maildir = |side: &str| maildir_of(home.path(), side);
    for name in FOLDERS.iter().chain(&COPIES).map(|name| format!(".{name}")) {
        make_folder(&maildir("theirs").join(name));
    }
    make_folder(&maildir("theirs"));
    make_folder(&maildir("ours"));
    let (filters, each) = if long() { (150, 12) } else { (8, 4) };
    let mut dice = Dice::of(0x5eed_7777_0001);
    let (mut pairs, mut reached) = (0, 0);
    for _ in 0..filters {
        let parts = (0..2 + dice.roll(3)).map(|_| program(&mut dice)).collect::<String>();
        let text = format!("import EXT\nDEFAULT=\"Maildir/\"\n{parts}");
        let (rules, report) = imported(home.path(), &text);
        assert!(report.contains(" 0 approximately, 0 not"), "{text}\n{report}");
        fs::write(at("rules"), &rules).expect("written");
        for _ in 0..each {
            let message = message(&mut dice, "\n ");
            let extension = dice.pick(&["sale", "shop", "rust", "two", ""]);
            pairs += 1;
            let environment = [("EXT", extension)];
            reached +=
                usize::from(is_filed_alike(home.path(), &environment, &text, &rules, &message));
        }
    }
    eprintln!("{pairs} pairs, {reached} reach a rule");
    assert!(reached * 4 > pairs, "only {reached} of {pairs} messages reach a rule");
}

/// A random pattern, within `depth` groups.
fn pattern(dice: &mut Dice, depth: usize) -> String {
    let sides = if depth == 0 { 3 } else { 2 };
    let parts = (0..1 + dice.roll(3) / 2 + dice.roll(2)).map(|_| {
        let count = 1 + dice.roll(sides);
        (0..count).map(|_| piece(dice, depth)).collect::<String>()
    });
    parts.collect::<Vec<_>>().join("|")
}

fn piece(dice: &mut Dice, depth: usize) -> String {
    let atom = match dice.roll(12) {
        0..=4 => dice.pick(&["a", "b", "1", "-", "c"]).to_owned(),
        5 | 6 => dice.pick(&["[ab]", "[^b]", "[a-c1]", "[^-]", "\\d", "\\s", "."]).to_owned(),
        7 => return dice.pick(&[".*", ".+", ".*?", "ab"]).to_owned(),
        8 if depth < 2 => format!("(?:{})", pattern(dice, depth + 1)),
        _ if depth < 2 => format!("({})", pattern(dice, depth + 1)),
        _ => dice.pick(&["a", "b", "1"]).to_owned(),
    };
    let often = ["", "", "", "", "*", "+", "?", "*?", "+?", "??", "{1,2}", "{2}"];
    atom + dice.pick(&often)
}

/// What patterns capture goes to the log on both sides.
#[test]
fn patterns_capture_what_maildrop_captures() {
    if skipped("the test with the real maildrop", &[MAILDROP], false) {
        return;
    }
    const PATTERNS: usize = 12;
    let home = tempfile::tempdir().expect("a directory");
    let at = |name: &str| home.path().join(name);
    make_folder(&at("Maildir"));
    let (filters, each) = if long() { (300, 10) } else { (8, 5) };
    let mut dice = Dice::of(0x5eed_8765_4321);
    let (mut pairs, mut fit) = (0, 0);
    let mut wrong = Vec::new();
    for _ in 0..filters {
        let mut text = "DEFAULT=\"Maildir/\"\nlogfile \"log\"\n".to_owned();
        let mut all = Vec::new();
        for number in 0..PATTERNS {
            let before = dice.pick(&[" *", " ", "\\s*", ".*", ".*?", " .*", "", "[ \\t]*", ".*<?"]);
            let end = if dice.roll(3) == 0 { "$" } else { "" };
            let option = dice.pick(&["", "", ":h", ":D"]);
            let pattern = format!("^X-{number}:{before}({}){end}", pattern(&mut dice, 0));
            let groups = pattern.replace("(?:", "").matches('(').count().min(5);
            let mut found: String = (1..=groups).map(|group| format!("[$MATCH{group}]")).collect();
            if dice.roll(6) == 0 {
                found.insert_str(0, "<$MATCH>");
            }
            text.push_str(&format!("if (/{pattern}/{option})\n{{\nlog \"{number}={found}\"\n}}\n"));
            all.push(pattern);
        }
        text.push_str("to $DEFAULT\n");
        fs::write(at("filter"), &text).expect("written");
        fs::set_permissions(at("filter"), fs::Permissions::from_mode(0o600)).expect("set");
        let rules = import(home.path(), &["maildrop", "filter"]).stdout;
        fs::write(at("rules"), &rules).expect("written");
        let live = |number: usize| {
            let start = format!("log \"{number}=");
            rules.lines().any(|line| line.contains(&start) && !line.starts_with('#'))
        };
        for _ in 0..each {
            let value = |dice: &mut Dice| {
                let signs = (0..1 + dice.roll(9))
                    .map(|_| dice.pick(&["a", "a", "b", "c", "1", "-", " a", "A", "B"]));
                signs.collect::<String>().trim().to_owned()
            };
            let values: Vec<String> = (0..PATTERNS).map(|_| value(&mut dice)).collect();
            let headers = values.iter().enumerate();
            let headers = headers.map(|(number, value)| format!("X-{number}: {value}\n"));
            let message = format!("From: a@b.example\n{}\nhi\n", headers.collect::<String>());
            let _ = fs::remove_file(at("log"));
            let mut command = Command::new(MAILDROP);
            command.env_clear().current_dir(home.path()).arg(at("filter"));
            assert!(deliver(&mut command, &message), "{text}\n{message}");
            taken_from(&at("Maildir"));
            let theirs = fs::read_to_string(at("log")).expect("a log");
            fs::write(at("message"), &message).expect("written");
            let mut command = Command::new(MFILTER);
            command.env_clear().env("HOME", home.path()).arg("--test").arg("--json");
            let output = command
                .arg("--rules")
                .arg(at("rules"))
                .arg(at("message"))
                .output()
                .expect("it runs");
            let ours: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
            let ours = ours["steps"].as_array().expect("steps").iter();
            let ours: Vec<&str> = ours.filter_map(|step| step["text"].as_str()).collect();
            for number in (0..PATTERNS).filter(|number| live(*number)) {
                let start = format!("{number}=");
                let theirs = theirs.lines().find(|line| line.starts_with(&start));
                let ours = ours.iter().find(|line| line.starts_with(&start)).copied();
                pairs += 1;
                fit += usize::from(theirs.is_some());
                if theirs != ours {
                    let (pattern, value) = (&all[number], &values[number]);
                    wrong.push(format!("{pattern} on {value}: {theirs:?}, not {ours:?}"));
                }
            }
        }
    }
    eprintln!("{pairs} pairs, {fit} fit");
    assert!(wrong.is_empty(), "{} of {pairs}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(fit * 4 > pairs, "only {fit} of {pairs} fit");
}
