//! `mfilter import procmail`: each file of `tests/import/procmail` has its result next
//! to it, and the real procmail treats mail as the new rules do.
//!
//! `MFILTER_LONG=1` tries more messages, and 6,000 random pairs of files and messages;
//! `MFILTER_SEED` (a number) tries other ones.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::dice::Dice;
use crate::support::golden::{check_all, import};
use crate::support::random_mail::{ESCAPED, message};
use crate::support::{MFILTER, long, skipped};

const PROCMAIL: &str = "/usr/bin/procmail";

#[test]
fn every_file_gives_what_is_expected() {
    check_all("procmail", "rc", |_, _| ());
}

#[test]
fn a_file_of_another_kind_is_reported() {
    let home = tempfile::tempdir().expect("a directory");
    for (text, word) in [("require \"fileinto\";\nkeep;\n", "Sieve"), ("a\0b", "binary")] {
        fs::write(home.path().join("x"), text).expect("written");
        let run = import(home.path(), &["procmail", "x"]);
        let (rules, told) = (run.stdout, run.stderr);
        assert!(rules.is_empty() && told.contains(word), "{told}");
    }
}

/// All recipes are exact.
const RECIPES: &str = r#"
:0 Dc
* ^X-rank: [0-9l]
case/

:0 Dc
* ^(Subject|X-rank):.*[A-Z]
capitals/

:0
* ^Subject:.*\<urgent\>
urgent/

:0 c
* ^Subject:.hello
dot/

:0 c
* ^(From|Sender).*boss@
from/

:0
* ^Subject: \/[a-z]+
{
    WORD=`echo "$MATCH" | tr A-Z a-z | sed -e 's/p$//' -e 's/^he/s/'`
    :0 c
    sed-$WORD/
}

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
* ^X-Rank: a$
{
    :0 c
    seen/

    :0 hiw
    * LASTFOLDER ?? \/[^/]+$
    | mv "$LASTFOLDER" "$MAILDIR/seen/cur/$MATCH:2,S"
}

:0
* ^X-Rank: 12
{ FOLDER=.a.ranked }

:0 E
* ^Cc:.* <?z@
{ FOLDER=plain }

:0
* FOLDER ?? .
$FOLDER/

:0
* ^X-Loop:.*a{2}\.b
loop/

:0
* ^To:.*hana@example\.org$
* ! ^Cc:
hana/

:0 Bfh
* H ?? !^Lines:
* -1^0
*  1^1 ^.*$
| formail -A "Lines: $="

:0
* ^X-Rank: lines
* ^Lines: 1$
lines/ linked/

:0 E
* ^Lines:
* ^X-Rank: lines
more/

:0
* ^X-List: \/[^@ ]+
{
    SLASHED=`echo $MATCH | sed -e 's/[\/]/_/g'`
    :0 c
    .of.$SLASHED/

    :0
    .by.`echo $MATCH | sed 's,/,_,g'`/
}
"#;

/// Messages with what the recipes look for, and with what they nearly look for.
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
        "X-Rank: lines\n",
        "X-Rank: lines\nLines: 1\n",
        "X-A: one\n",
        "X-A: one\nX-C: x\n",
        "X-B: TWO\nX-A: one\nX-C: y\n",
        "X-Loop: aa{2}.b\n",
        "X-Loop: a{2}.b\n",
        "Cc: z@example.org\n",
        "Precedence: bulk\n",
        "X-List: a/b.c@x\n",
    ];
    let bodies =
        ["hello\n".to_owned(), "Viagra\n".to_owned(), "viagra\n".to_owned(), "x".repeat(70) + "\n"];
    let mut all = Vec::new();
    let count = if long() { 5_000 } else { 60 };
    // Steps that produce every pair.
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

/// The folders that contain mail, and how much of it; a `+` for mail that was read.
fn folders(maildir: &Path) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(maildir).expect("it is there") {
        let path = entry.expect("readable").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("UTF-8").to_owned();
        let count = |sub: &str| fs::read_dir(path.join(sub)).map_or(0, Iterator::count);
        let count = count("new") + count("cur");
        let files = fs::read_dir(path.join("cur")).into_iter().flatten().flatten();
        let is_seen = files.map(|file| file.file_name().to_string_lossy().ends_with(":2,S"));
        let seen = if is_seen.into_iter().any(|is| is) { "+" } else { "" };
        if count > 0 {
            found.push((format!("{}{seen}", name.trim_start_matches('.')), count));
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

/// Lets both deliver a message by the files in their directories; returns where it is
/// then.
fn both(home: &Path, message: &str) -> [Vec<(String, usize)>; 2] {
    ["theirs", "ours"].map(|side| {
        let maildir = home.join(side);
        for name in ["cur", "new", "tmp"] {
            fs::create_dir_all(maildir.join(name)).expect("made");
        }
        let shown = maildir.to_str().expect("UTF-8").to_owned();
        let mut command = Command::new(if side == "ours" { MFILTER } else { PROCMAIL });
        command.env_clear().env("HOME", home).env("PATH", "/usr/bin:/bin");
        if side == "ours" {
            command.args(["--maildir", &shown, "--rules"]).arg(home.join("rules"));
        } else {
            let set = [("MAILDIR", ""), ("DEFAULT", "/"), ("ORGMAIL", "/")];
            command
                .args(set.map(|(name, end)| format!("{name}={shown}{end}")))
                .arg(home.join("rc"));
        }
        deliver(&mut command, message);
        let found = folders(&maildir);
        fs::remove_dir_all(maildir).expect("removed");
        found
    })
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
        let [theirs, ours] = both(home.path(), message);
        assert_eq!(ours, theirs, "{message}");
        reached += usize::from(theirs != [("INBOX".to_owned(), 1)]);
    }
    assert!(reached * 2 > all.len(), "only {reached} of {} messages reach a recipe", all.len());
}

const PATTERNS: [&str; 14] = [
    "sale|invoice",
    "(two|a) ?words?",
    "[^a-z]$",
    "[0-9]+$",
    "\\<to",
    "today\\>",
    "^.*12",
    "[^ ]+ [^ ]+$",
    "(sale)*",
    "s.l.",
    "[][]",
    "o+d",
    "(re: )?sale",
    "a{2}",
];
const ADDRESS_PATTERNS: [&str; 8] = [
    "hanako@example\\.jp",
    "@work\\.example",
    "(noreply|boss)@",
    "taro.*@",
    "<boss@work\\.example>",
    "bounce-[0-9]+@",
    "@(shop|news)\\.example",
    "shop",
];
const FOLDERS: [&str; 6] = ["A", "B", "Work", "D", "E", "F"];

/// A condition without its `*`.
fn condition(dice: &mut Dice, of_body: bool) -> String {
    match dice.roll(22) {
        8 | 9 | 15..=17 if of_body => dice.pick(&ESCAPED).to_owned(),
        0 | 1 => format!("^Subject:.*{}", dice.pick(&ESCAPED)),
        2 => format!("^Subject: {}", dice.pick(&ESCAPED)),
        3 => format!("^Subject: *{}$", dice.pick(&ESCAPED)),
        4 => format!("^X-Tag:.*({})", dice.pick(&PATTERNS)),
        5 => format!("^Subject: {}", dice.pick(&PATTERNS)),
        6 => format!("^(To|Cc):.*{}", dice.pick(&ADDRESS_PATTERNS)),
        7 => format!("^From:.*{}", dice.pick(&ADDRESS_PATTERNS)),
        8 => format!("^TO_{}", dice.pick(&ADDRESS_PATTERNS)),
        9 => format!("^TO{}", dice.pick(&ADDRESS_PATTERNS)),
        10 => format!("{} {}", dice.pick(&["<", ">"]), dice.pick(&["150", "250", "400"])),
        11 => dice.pick(&["^FROM_DAEMON", "^FROM_MAILER", "^X-Tag:", "^X-Tag: *[a-z]+$"]).into(),
        12 => dice.pick(&["sale", "X-Tag: [a-z]", "^X-[TS]", "a\\.b$"]).into(),
        13 => format!("B ?? {}", dice.pick(&ESCAPED)),
        14 => format!("D ?? {}", dice.pick(&FOLDERS)),
        15 => format!("^TO.*{}", dice.pick(&ADDRESS_PATTERNS)),
        16 => format!("^TO:.*{}", dice.pick(&ADDRESS_PATTERNS)),
        17 => format!("(^TO|^X-Tag:.*){}", dice.pick(&["shop", "sale", "hanako"])),
        18 => format!("^Subject:*{}", dice.pick(&[" sale", "sale", " *Sale"])),
        19 => format!("^(To|Cc):.* <?{}", dice.pick(&["boss", "hanako@example\\.jp", "shop"])),
        20 => format!("^(From|To|X-Tag):.*[^a-z]{}", dice.pick(&["sale", "boss@", "taro"])),
        _ => format!("HB ?? {}", dice.pick(&["sale", "invoice 12", "nowhere"])),
    }
}

/// A condition on how a header was sent.
fn as_sent(dice: &mut Dice) -> String {
    let pattern = dice.pick(&[
        "^X-Odd:.*=\\?iso-8859-1\\?",
        "^X-Odd: =[?]utf-8[?]q[?]",
        "=\\?koi8-r",
        "\\?= +=\\?",
        "\\?=  =\\?",
        "^(Sender|Reply-To):.*utf-8",
        "^TO_.*iso-8859",
        "^X-Odd:sale",
        "^X-Odd: *$",
        "^X-Odd:$",
        "^X-Odd:.*für",
        "^X-Odd:.*GRÜN",
        "^X-Odd:.*日本",
        "grün$",
        "^X-Odd:.*[^ -~]",
        "^X-Odd:.*=\\?.*a  b",
        "^X-Odd:.*=\\?.*a +b *$",
    ]);
    pattern.to_owned()
}

/// A message with headers that are sent in many ways.
fn sent_otherwise(dice: &mut Dice, message: &str) -> String {
    let encoded = ["=?iso-8859-1?Q?", "=?UTF-8?q?", "=?utf-8?Q?", "=?KOI8-R?Q?"];
    let mut text = String::new();
    for _ in 0..1 + dice.roll(2) {
        let (one, other) = (dice.pick(&encoded), dice.pick(&encoded));
        let fold = dice.pick(&[" ", "\n ", "\n\t", "  "]);
        text.push_str(&match dice.roll(8) {
            0 => format!("X-Odd:{}\n", dice.pick(&["sale", "", "  "])),
            1 => "X-Odd: Grün für 日本\n".to_owned(),
            2 => "X-Odd: grün\n".to_owned(),
            3 => format!("X-Odd: {one}x?= a{fold}b \n"),
            4 => format!("To: {one}shop?= <shop@a.example>\n"),
            5 => format!("Reply-To: {one}x?= <x@a.example>\n"),
            _ => format!("X-Odd: {one}sale?={fold}{other}x?=\n"),
        });
    }
    text + message
}

fn recipe(dice: &mut Dice, depth: usize, first: bool, out: &mut String) {
    let flags = match dice.roll(12) {
        0 => "c",
        1 => "D",
        2 => "B",
        3 => "HB",
        4 if !first => "A",
        5 if !first => "E",
        6 => "c X",
        _ => "",
    };
    out.push_str(&format!(":0{}{flags}\n", if flags.is_empty() { "" } else { " " }));
    let scored = dice.roll(10) == 0;
    for _ in 0..dice.roll(3) + usize::from(flags.is_empty() || scored) {
        let not = if dice.roll(5) == 0 { "! " } else { "" };
        let weight = match dice.roll(3) {
            _ if !scored => "",
            0 => "-1^0 ",
            _ => "1^0 ",
        };
        let asked = match dice.roll(5) {
            0 if !flags.contains('B') => as_sent(dice),
            _ => condition(dice, flags.contains('B')),
        };
        out.push_str(&format!("* {weight}{not}{asked}\n"));
    }
    let captures = !scored && !flags.contains('B') && dice.roll(6) == 0;
    if captures {
        let found = dice.pick(&[
            "^((Subject|X-Tag):( *\\/[a-z]+))",
            "^X-Tag: *\\/[a-z]+",
            "^Subject:.*\\/(sale|two)",
            "^List-Id:.*<\\/[^.>]*",
            "^Subject: \\/[a-z0-9]+",
        ]);
        out.push_str(&format!("* {found}\n"));
    }
    let folder = dice.pick(&FOLDERS);
    if flags.starts_with('c') {
        return out.push_str(&format!("Copy{folder}/\n\n"));
    }
    if dice.roll(9) == 0 {
        // What is changed is what the next ones see.
        let change = dice.pick(&["s/^X-Tag:.*/X-Tag: changed sale/", "s/^Subject:/X-Subject:/"]);
        out.push_str(&format!("{{\n:0 fhw\n| sed -e '{change}'\n}}\n\n"));
        return;
    }
    if depth < 2 && dice.roll(5) == 0 {
        out.push_str("{\n");
        for number in 0..1 + dice.roll(2) {
            recipe(dice, depth + 1, number == 0, out);
        }
        return out.push_str("}\n\n");
    }
    match dice.roll(8) {
        _ if captures => out.push_str("Tag-$MATCH/\n\n"),
        0 => out.push_str("/dev/null\n\n"),
        1 => out.push_str("$D/\n\n"),
        2 => out.push_str(&format!("{folder}/ Linked/\n\n")),
        _ => out.push_str(&format!("{folder}/\n\n")),
    }
}

/// A procmailrc; `more` is the path of a file that it may include.
fn recipes(dice: &mut Dice, more: &str) -> String {
    let mut text = format!("D={}\n\n", dice.pick(&FOLDERS));
    let recipes = 3 + dice.roll(4);
    let included = dice.roll(3);
    for number in 0..recipes {
        recipe(dice, 0, number == 0, &mut text);
        if included == 0 && number == recipes / 2 {
            text.push_str(&format!("INCLUDERC={more}\n\n"));
        }
    }
    if included == 1 {
        text.push_str(&format!("SWITCHRC={more}\n\n"));
        recipe(dice, 0, true, &mut text);
    }
    text
}

/// A file that is included, which may end in its middle.
fn more_recipes(dice: &mut Dice) -> String {
    let mut text = String::new();
    for number in 0..1 + dice.roll(3) {
        recipe(dice, 0, number == 0, &mut text);
    }
    if dice.roll(3) == 0 {
        text.push_str(dice.pick(&["SWITCHRC=\n\n", "SWITCHRC=/dev/null\n\n"]));
        recipe(dice, 0, true, &mut text);
    }
    text
}

#[test]
fn random_recipes_do_what_procmail_does() {
    if skipped("the test with the real procmail", &[PROCMAIL], false) {
        return;
    }
    let home = tempfile::tempdir().expect("a directory");
    let at = |name: &str| home.path().join(name);
    let (files, each) = if long() { (400, 20) } else { (10, 8) };
    let mut dice = Dice::of(0x1234_5678_5eed);
    let more_path = at("more").display().to_string();
    let (mut pairs, mut reached, mut exact) = (0, 0, 0);
    let mut wrong = Vec::new();
    for _ in 0..files {
        let (mut text, more) = (recipes(&mut dice, &more_path), more_recipes(&mut dice));
        fs::write(at("rc"), &text).expect("written");
        fs::write(at("more"), &more).expect("written");
        let run = import(home.path(), &["procmail", "rc"]);
        let mut sent = || {
            let message = message(&mut dice, " ");
            sent_otherwise(&mut dice, &message)
        };
        let all: Vec<String> = (0..each).map(|_| sent()).collect();
        if !run.stderr.contains(" 0 approximately, 0 not") {
            let not: Vec<_> = run.stderr.lines().filter(|line| line.contains(": ")).collect();
            eprintln!("not exact: {}", not.join("; "));
            continue;
        }
        exact += 1;
        text.push_str(&format!("--- more\n{more}"));
        fs::write(at("rules"), &run.stdout).expect("written");
        for message in all {
            let [theirs, ours] = both(home.path(), &message);
            pairs += 1;
            reached += usize::from(theirs != [("INBOX".to_owned(), 1)]);
            if ours != theirs {
                let rules = &run.stdout;
                wrong.push(format!("{theirs:?}, not {ours:?}\n{text}\n{rules}\n{message}"));
            }
        }
        if wrong.len() > 4 {
            break;
        }
    }
    eprintln!("{pairs} pairs, {reached} reach a recipe; {exact} of {files} files are exact");
    assert!(wrong.is_empty(), "{}", wrong.join("\n=====\n"));
    assert!(exact * 5 > files * 2, "only {exact} of {files} files are exact");
    assert!(reached * 2 > pairs, "only {reached} of {pairs} messages reach a recipe");
}
