//! `include sieve`: the script that a web mailer saves runs as part of the rules, and
//! whatever is in its place loses no mail and delays nothing. If Dovecot is installed,
//! its own servers save the scripts and show what they mean.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::dovecot::{Dovecot, SERVER, SIEVE};
use crate::support::imap::{NOBODY, as_owner, own};
use crate::support::managesieve::{self, LDA, MANAGESIEVE, ManageSieve};
use crate::support::{self, Home, Run, for_each, long, run, skipped};

const STATEMENT: &str = "include sieve \"~/.dovecot.sieve\" separator \".\" prefix \"\"\n";

/// A script that files messages with a certain word in their subject.
fn files_into(folder: &str) -> String {
    format!(
        "require [\"fileinto\"];\r\n# rule:[Shop]\r\nif header :contains \"subject\" \"order\"\r\n\
         {{\r\n\tfileinto \"{folder}\";\r\n\tstop;\r\n}}\r\n"
    )
}

/// A home with these rules and a script that is active in Dovecot's way.
fn home_with(rules: &str, script: &str) -> Home {
    let home = Home::with_rules(rules);
    home.write("sieve/roundcube.sieve", script);
    symlink("sieve/roundcube.sieve", home.path().join(".dovecot.sieve")).expect("a link");
    home
}

fn message(subject: &str) -> Vec<u8> {
    format!("From: shop@example.net\nTo: taro@example.jp\nSubject: {subject}\n\nhello\n").into()
}

fn deliver(home: &Home, subject: &str) {
    let run = home.deliver(&message(subject));
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
}

/// The folders that hold a message with this subject.
fn folders(home: &Home, subject: &str) -> Vec<String> {
    let expected = format!("Subject: {subject}\n");
    let mail = support::mail(&home.path().join("Maildir"));
    mail.into_iter()
        .filter(|mail| mail.text().contains(&expected))
        .map(|mail| mail.folder)
        .collect()
}

/// The mails that report filters which are not in use.
fn notices(home: &Home) -> Vec<String> {
    let mail = support::mail(&home.path().join("Maildir"));
    let texts = mail.into_iter().map(|mail| mail.text());
    texts.filter(|text| text.contains("Subject: Your filters are not in use")).collect()
}

/// How many lines of the log report the same.
fn log_lines(home: &Home) -> usize {
    let log = fs::read_to_string(home.path().join(".local/state/mfilter/log")).unwrap_or_default();
    log.lines().filter(|line| line.contains("filters are not in use")).count()
}

/// Lets a minute pass for everything that deliveries know about time: when the home
/// last changed, and when the script was first found missing.
fn a_minute_passes(home: &Home) {
    let state = home.path().join(".local/state/mfilter");
    for entry in fs::read_dir(state).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("away-") {
            let seconds: u64 =
                fs::read_to_string(entry.path()).expect("text").trim().parse().expect("seconds");
            fs::write(entry.path(), format!("{}\n", seconds - 61)).expect("written");
        }
    }
    let touched = Command::new("touch").args(["-d", "-61 seconds"]).arg(home.path()).status();
    assert!(touched.expect("touch runs").success());
}

#[test]
fn script_and_rules_meet_as_the_manual_says() {
    let rules = format!(
        "when subject contains \"before\" -> folder \"Before\"\n{STATEMENT}\
         when subject contains \"behind\" -> folder \"Behind\"\n"
    );
    let script = "require [\"fileinto\", \"imap4flags\", \"copy\"];\n\
        if header :contains \"subject\" \"halt\" { stop; }\n\
        if header :contains \"subject\" \"star\" { addflag \"\\\\Flagged\"; }\n\
        if header :contains \"subject\" \"two\" { fileinto \"A\"; fileinto \"B\"; }\n\
        if header :contains \"subject\" \"also\" { fileinto :copy \"C\"; }\n\
        if header :contains \"subject\" \"keep\" { keep; }\n\
        if header :contains \"subject\" \"drop\" { discard; }\n\
        if header :contains \"subject\" \"late\" { fileinto \"Late\"; }\n\
        if header :contains \"subject\" \"end\" { fileinto \"End\"; stop; }\n\
        if header :contains \"subject\" \"end\" { fileinto \"Never\"; }\n";
    let home = home_with(&rules, script);
    for (subject, expected) in [
        ("before two", &[".Before"][..]),
        ("behind", &[".Behind"]),
        ("halt two behind", &[".Behind"]),
        ("halt two", &[""]),
        ("two behind", &[".A", ".B"]),
        ("also behind", &[".Behind", ".C"]),
        ("also", &[".C", ""]),
        ("keep behind", &[""]),
        ("drop behind", &[]),
        ("drop late behind", &[".Late"]),
        ("end behind", &[".End"]),
        ("nothing", &[""]),
    ] {
        deliver(&home, subject);
        assert_eq!(folders(&home, subject), expected, "{subject}");
    }
    deliver(&home, "star behind");
    let mail = home.mail();
    let starred = mail.iter().find(|mail| mail.text().contains("star behind")).expect("it");
    assert_eq!((starred.folder.as_str(), starred.flags.as_str()), (".Behind", "F"));
}

/// One copy per folder is enough, whatever the actions; the last flags count.
#[test]
fn a_script_stores_once_in_a_folder_with_the_last_flags() {
    let script = "require [\"fileinto\", \"imap4flags\", \"copy\"];\n\
        fileinto :copy :flags \"\\\\Seen\" \"B\";\nfileinto :flags \"\\\\Flagged\" \"C\";\n\
        if header :contains \"subject\" \"two\" { fileinto :copy \"B\"; fileinto \"C\"; }\n";
    let home = home_with(STATEMENT, script);
    for (subject, expected) in [("one", ["B S", "C F"]), ("two", ["B ", "C "])] {
        deliver(&home, subject);
        let wanted_line = format!("Subject: {subject}\n");
        let mail = home.mail().into_iter().filter(|mail| mail.text().contains(&wanted_line));
        let mut found: Vec<String> = mail
            .map(|mail| format!("{} {}", mail.folder.trim_start_matches('.'), mail.flags))
            .collect();
        found.sort();
        assert_eq!(found, expected, "{subject}");
    }
}

/// Names that the script's rules need for themselves are separate from the user's.
#[test]
fn names_of_script_and_rules_are_apart() {
    let rules = format!(
        "define taken = subject contains \"mine\"\nlet branch = \"b\"\n{STATEMENT}\
         when taken -> folder \"Mine\"\nwhen branch is \"b\" -> folder \"Branch\"\n"
    );
    let script = "require [\"fileinto\", \"variables\"];\n\
        if header :contains \"subject\" \"v\" { set \"branch\" \"x\"; }\n\
        if string :is \"${branch}\" \"x\" { discard; }\n\
        if header :contains \"subject\" \"order\" { fileinto \"Shop\"; }\n";
    let home = home_with(&rules, script);
    for (subject, expected) in
        [("mine", ".Mine"), ("else", ".Branch"), ("v order", ".Shop"), ("order mine", ".Shop")]
    {
        deliver(&home, subject);
        assert_eq!(folders(&home, subject), [expected], "{subject}");
    }
    deliver(&home, "v");
    assert_eq!(folders(&home, "v"), [""; 0]);
}

#[test]
fn commands_know_the_script_by_its_own_lines_and_labels() {
    let home =
        home_with(&format!("when subject is \"x\" -> stop\n{STATEMENT}"), &files_into("Shop"));
    let order = message("order 1");
    let text = home.run(&["--test"], &order).stdout;
    assert!(text.contains("~/.dovecot.sieve:line 3, rule \"Shop\""), "{text}");
    let json = home.run(&["--test", "--json"], &order).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let rule = &json["steps"][0]["rule"];
    assert_eq!((rule["line"].as_u64(), rule["label"].as_str()), (Some(3), Some("Shop")));
    assert!(rule["file"].as_str().is_some_and(|file| file.ends_with("/.dovecot.sieve")));
    deliver(&home, "order 1");
    let file = home.mail().pop().expect("delivered").path;
    let why = home.run(&["why", &file.display().to_string()], b"").stdout;
    assert!(why.contains(".dovecot.sieve") && why.contains("Shop"), "{why}");
    // As it was then, although it says something else now.
    home.write("sieve/roundcube.sieve", files_into("Other"));
    deliver(&home, "order 2");
    let why = home.run(&["why", &file.display().to_string()], b"").stdout;
    assert!(why.contains("folder \"Shop\""), "{why}");
    let stats = home.run(&["stats"], b"").stdout;
    assert!(stats.contains(".dovecot.sieve:3"), "{stats}");
    let sorted = home.run(&["sort", "--dry-run", "--all", "-v"], b"");
    assert_eq!((sorted.code, sorted.stderr.as_str()), (Some(0), ""), "{sorted:?}");
    assert_eq!(home.run(&["check"], b"").code, Some(0));
    assert_eq!(home.run(&["fmt", "--check"], b"").code, Some(0));
}

#[test]
fn check_reports_what_a_script_wants_by_its_line() {
    let home = Home::new();
    let script = "require [\"fileinto\", \"enotify\"];\n# rule:[Boss by SMS]\n\
        if header :contains \"subject\" \"x\" { notify \"mailto:a@example.jp\"; }\n";
    home.write("s.sieve", script);
    home.write("good.sieve", files_into("INBOX.Shop"));
    let path = |name: &str| home.path().join(name).display().to_string();
    for (arguments, input) in
        [(["check", "--sieve", &path("s.sieve")], ""), (["check", "--sieve", "-"], script)]
    {
        let run = home.run(&arguments, input.as_bytes());
        assert_eq!(run.code, Some(1), "{run:?}");
        let mail_text = ["Boss by SMS", "it wants to send a notification", ":3:1"];
        assert!(mail_text.iter().all(|part| run.stdout.contains(part)), "{}", run.stdout);
    }
    let json = home.run(&["check", "--json", "--sieve", "-"], script.as_bytes()).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(
        (json[0]["line"].as_u64(), json[0]["code"].as_str()),
        (Some(3), Some("script-not-exact"))
    );
    let good = |arguments: &[&str]| {
        let good = path("good.sieve");
        let all = [&["check", "--sieve", good.as_str()], arguments].concat();
        home.run(&all, b"").code
    };
    assert_eq!(good(&[]), Some(0));
    assert_eq!(good(&["--prefix", "INBOX."]), Some(0));
    assert_eq!(good(&["--prefix", "Mail."]), Some(1), "it is in no such namespace");
    // With the namespace of the rules.
    home.write(".mailrules", "include sieve \"~/x\" separator \".\" prefix \"Mail.\"\n");
    assert_eq!(good(&[]), Some(1));
    assert_eq!(good(&["--prefix", ""]), Some(0));
}

#[test]
fn mistakes_in_the_statement_are_reported() {
    for (rules, code) in [
        ("include sieve \"a\"\ninclude sieve \"b\"\n", "script-twice"),
        ("when spam {\n  include sieve \"a\"\n}\n", "script-in-group"),
        ("include sieve \"a\" seperator \".\"\n", "did you mean `separator`?"),
        ("include sieve \"a\" prefix \"\" prefix \"\"\n", "option-twice"),
        ("include sieve \"a\" separator \"..\"\n", "bad-separator"),
        ("include sieve \"a\" separator \"/\" prefix \"INBOX.\"\n", "write `prefix \"INBOX./\"`"),
        ("inbox\ninclude sieve \"a\"\n", "unreachable"),
    ] {
        let home = Home::with_rules(rules);
        let run = home.run(&["check"], b"");
        assert!(run.code == Some(1) && run.stdout.contains(code), "{rules}: {}", run.stdout);
    }
    let home = Home::with_rules("include sieve \"a\"\n");
    assert_eq!(home.run(&["check"], b"").code, Some(0), "an absent script is none");
}

/// An answer as web mailers write it has everything that it needs in the script.
#[test]
fn an_answer_is_sent_with_its_own_text_and_addresses() {
    let home = home_with(
        "",
        "require [\"vacation\"];\n# rule:[Away]\nif true\n{\n\tvacation :days 3 :addresses \
         [\"hana@example.jp\"] :subject \"Away\" :from \"hana@example.jp\" text:\nBack on \
         Monday.\n.\n;\n}\n",
    );
    managesieve::sendmail(&home);
    let sendmail = home.path().join("sendmail").display().to_string();
    home.write(".mailrules", format!("set sendmail \"{sendmail}\"\n{STATEMENT}"));
    let message = "From: a@example.net\nTo: hana@example.jp\nSubject: x\n\nhello\n";
    let run = home.run(&["-f", "a@example.net", "-d", "taro@example.jp"], message.as_bytes());
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    let sent = fs::read_to_string(home.path().join("sent")).expect("an answer");
    let mail_text = ["Back on Monday.", "Subject: Away", "From: <hana@example.jp>"];
    assert!(mail_text.iter().all(|part| sent.contains(part)), "{sent}");
    assert_eq!(notices(&home), [""; 0]);
}

/// What may be in the script's place and cannot be used, and what is reported about it.
const UNUSABLE: [(&str, &str); 19] = [
    ("notify", "wants to send a notification"),
    ("syntax", "line 1 cannot be used on this server: its `{` is never closed"),
    ("cut off", "(line 2) cannot be used on this server: a string that is never closed"),
    ("half a character", "in line 2 cannot be used on this server: something in it is not UTF-8"),
    ("latin", "(line 3) cannot be used on this server: something in it is not UTF-8"),
    ("binary", "it is a binary file"),
    ("folder", "a/b"),
    ("huge", "it is larger than 1 MB"),
    ("sparse", "it is larger than 1 MB"),
    ("include", "is not the name of a script"),
    ("fifo", "it is not a regular file"),
    ("socket", "it is not a regular file"),
    ("directory", "it is not a regular file"),
    ("device", "it is not a regular file"),
    ("terminal", "it is not a regular file"),
    ("loop", "Too many levels of symbolic links"),
    ("long name", "too long"),
    ("shared", "writable"),
    ("foreign", "belongs"),
];

/// Puts one of them in the script's place.
fn spoil(home: &Home, what: &str) -> bool {
    const NAME: &str = "sieve/roundcube.sieve";
    let script = home.path().join(NAME);
    fs::remove_file(&script).expect("it was there");
    let run = |program: &str, arguments: &[&str]| {
        let status = Command::new(program).args(arguments).arg(&script).status();
        assert!(status.expect("it runs").success(), "{program}");
    };
    match what {
        "notify" => home.write(
            NAME,
            "require \"enotify\";\n# rule:[Boss]\nif true { notify \"mailto:a@example.jp\"; }\n",
        ),
        "syntax" => home.write(NAME, "if header { fileinto \"x"),
        "half a character" => home.write(NAME, b"keep;\n\xe8\xbf"),
        "cut off" => {
            let script = "# rule:[迷]\nif header :is \"subject\" \"迷";
            home.write(NAME, &script.as_bytes()[..script.len() - 1]);
        }
        // In the comment it is not a mistake.
        "latin" => home.write(
            NAME,
            b"# caf\xe9\n# rule:[x]\nif header :is \"subject\" \"caf\xe9\" { discard; }\n",
        ),
        "binary" => home.write(NAME, b"keep;\0\0"),
        "folder" => home.write(NAME, "require \"fileinto\";\nfileinto \"a/b\";\n"),
        "huge" => home.write(NAME, "# x\n".repeat(500_000)),
        "sparse" => {
            home.write(NAME, "keep;\n");
            let file = fs::OpenOptions::new().write(true).open(&script).expect("opened");
            file.set_len(4 << 30).expect("no room is needed");
        }
        "include" => home.write(NAME, "require \"include\";\ninclude :personal \"../../other\";\n"),
        "fifo" => run("mkfifo", &[]),
        "socket" => drop(UnixListener::bind(&script).expect("bound")),
        "directory" => run("mkdir", &[]),
        "device" => symlink("/dev/zero", &script).expect("a link"),
        "terminal" => symlink("/dev/tty", &script).expect("a link"),
        "loop" => symlink("roundcube.sieve", &script).expect("a link"),
        "long name" => symlink("x".repeat(300), &script).expect("a link"),
        "shared" => {
            home.write(NAME, "keep;\n");
            fs::set_permissions(&script, fs::Permissions::from_mode(0o666)).expect("set");
        }
        "foreign" => {
            if !rustix::process::geteuid().is_root() {
                return false;
            }
            home.write(NAME, "keep;\n");
            run("chown", &["65534"]);
        }
        other => panic!("{other}"),
    }
    true
}

#[test]
fn what_cannot_be_used_leaves_the_last_good_script_in_force() {
    let complaints = for_each(&UNUSABLE, |(what, reason)| {
        let home = home_with(
            &format!("{STATEMENT}when subject is \"own\" -> folder \"A\"\n"),
            &files_into("Shop"),
        );
        deliver(&home, "order 1");
        if !spoil(&home, what) {
            eprintln!("skipped: {what} needs root");
            return Vec::new();
        }
        deliver(&home, "order 2");
        deliver(&home, "own");
        // The user's own rules still take effect at once.
        home.write(".mailrules", format!("{STATEMENT}when subject is \"own 2\" -> folder \"B\"\n"));
        deliver(&home, "own 2");
        deliver(&home, "order 3");
        let mut wrong = Vec::new();
        let mut expect = |what_of: &str, is: bool| {
            if !is {
                wrong.push(format!("{what}: {what_of}"));
            }
        };
        for order in ["order 1", "order 2", "order 3"] {
            expect(order, folders(&home, order) == [".Shop"]);
        }
        expect("own", folders(&home, "own") == [".A"]);
        expect("own 2", folders(&home, "own 2") == [".B"]);
        let mail_text = notices(&home);
        expect("one mail", mail_text.len() == 1);
        expect("its text", mail_text.iter().all(|text| text.contains("saved before stay in use")));
        expect(
            &format!("its reason: {mail_text:?}"),
            mail_text.iter().all(|text| text.contains(reason)),
        );
        expect("one line", log_lines(&home) == 1);
        let check = home.run(&["check"], b"");
        expect("check", check.code == Some(1) && check.stdout.contains("script-not-exact"));
        // When it is saved again, it is in use.
        let script = home.path().join("sieve/roundcube.sieve");
        let _ = fs::remove_dir(&script);
        let _ = fs::remove_file(&script);
        home.write("sieve/roundcube.sieve", files_into("New"));
        deliver(&home, "order 4");
        expect("order 4", folders(&home, "order 4") == [".New"]);
        wrong
    });
    assert!(complaints.is_empty(), "{complaints:#?}");
}

/// As the user, whom a mode keeps out; it would not keep out root.
#[test]
fn a_script_that_may_not_be_read_leaves_the_last_good_one_in_force() {
    for what in ["sieve/roundcube.sieve", "sieve"] {
        let home = home_with(STATEMENT, &files_into("Shop"));
        let program = support::program_in(home.path()).display().to_string();
        own(&home, NOBODY);
        let order = |number: usize| {
            let run: Run =
                run(as_owner(&home, &program, &[]), &message(&format!("order {number}.")));
            assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
            folders(&home, &format!("order {number}."))
        };
        assert_eq!(order(1), [".Shop"]);
        let path = home.path().join(what);
        let mode = fs::metadata(&path).expect("there").permissions();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).expect("set");
        assert_eq!([order(2), order(3)], [[".Shop"], [".Shop"]], "{what}");
        let mail_text = notices(&home);
        assert_eq!((mail_text.len(), log_lines(&home)), (1, 1), "{what}");
        assert!(mail_text[0].contains("ermission denied"), "{}", mail_text[0]);
        fs::set_permissions(&path, mode).expect("set");
    }
}

/// Bytes that are not text do not matter in a comment: RFC 5228 allows any octets
/// there.
#[test]
fn comments_may_hold_any_bytes() {
    let home = home_with(STATEMENT, "");
    let script = b"/* caf\xe9\xff */ require # \xe8\xbf\n\"fileinto\";\n\
        if header :contains \"subject\" \"\xe8\xbf\xb7\" { fileinto \"\xe8\xbf\xb7\"; }\n# \xe9";
    home.write("sieve/roundcube.sieve", script);
    deliver(&home, "迷");
    assert_eq!(folders(&home, "迷"), [".&j,c-"]);
    // The sign that represents such bytes elsewhere is an ordinary one here.
    home.write("sieve/roundcube.sieve", files_into("Shop").replace("order", "\u{fffd}"));
    deliver(&home, "\u{fffd}");
    assert_eq!((folders(&home, "\u{fffd}"), log_lines(&home)), (vec![".Shop".into()], 0));
}

#[test]
fn a_first_script_that_cannot_be_used_is_none() {
    let complaints = for_each(&UNUSABLE, |(what, reason)| {
        let home = home_with(
            &format!("{STATEMENT}when subject contains \"order\" -> folder \"Own\"\n"),
            "keep",
        );
        if !spoil(&home, what) {
            eprintln!("skipped: {what} needs root");
            return Vec::new();
        }
        for subject in ["order 1", "order 2", "else"] {
            deliver(&home, subject);
        }
        let lies = ["order 1", "order 2", "else"].map(|subject| folders(&home, subject));
        let mail_text = notices(&home);
        let fine = lies == [[".Own"], [".Own"], [""]]
            && (mail_text.len(), log_lines(&home)) == (1, 1)
            && mail_text[0].contains("none of your filters are in use")
            && mail_text[0].contains(reason);
        if fine { Vec::new() } else { vec![format!("{what}: {lies:?} {mail_text:?}")] }
    });
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[test]
fn another_version_that_cannot_be_used_is_reported_again() {
    let home = home_with(STATEMENT, "keep");
    spoil(&home, "notify");
    deliver(&home, "order 1");
    home.write("sieve/roundcube.sieve", "require \"mime\";\nif exists :mime \"x\" { keep; }\n");
    deliver(&home, "order 2");
    assert_eq!((notices(&home).len(), log_lines(&home)), (2, 2));
}

#[test]
fn switched_off_the_filters_end_within_a_minute() {
    let home = home_with(STATEMENT, &files_into("Shop"));
    deliver(&home, "order 1");
    fs::remove_file(home.path().join(".dovecot.sieve")).expect("it was there");
    deliver(&home, "order 2");
    assert_eq!(folders(&home, "order 2"), [".Shop"], "it may be being saved");
    a_minute_passes(&home);
    deliver(&home, "order 3");
    assert_eq!(folders(&home, "order 3"), [""]);
    // Others change the home all the time: what deliveries have seen counts.
    symlink("sieve/roundcube.sieve", home.path().join(".dovecot.sieve")).expect("a link");
    deliver(&home, "order 4");
    assert_eq!(folders(&home, "order 4"), [".Shop"], "on with the next message");
    fs::remove_file(home.path().join(".dovecot.sieve")).expect("it was there");
    deliver(&home, "order 5");
    a_minute_passes(&home);
    home.write("busy", "x");
    deliver(&home, "order 6");
    assert_eq!(
        (folders(&home, "order 5"), folders(&home, "order 6")),
        (vec![".Shop".into()], vec!["".into()])
    );
    // A link that leads nowhere counts as missing.
    symlink("sieve/none.sieve", home.path().join(".dovecot.sieve")).expect("a link");
    deliver(&home, "order 7");
    assert_eq!(folders(&home, "order 7"), [""]);
    assert_eq!((notices(&home).len(), log_lines(&home)), (0, 0));
}

/// Overwriting a script empties it first, and there may be no room for the new one.
#[test]
fn an_emptied_script_is_one_that_was_taken_away() {
    let home = home_with(STATEMENT, &files_into("Shop"));
    deliver(&home, "order 1");
    let script = home.path().join("sieve/roundcube.sieve");
    let emptied = |ago: &str| {
        fs::write(&script, "").expect("written");
        let touched = Command::new("touch").args(["-d", ago]).arg(&script).status();
        assert!(touched.expect("touch runs").success());
    };
    emptied("-5 seconds");
    deliver(&home, "order 2");
    assert_eq!(folders(&home, "order 2"), [".Shop"], "it may be being saved");
    home.write("sieve/roundcube.sieve", files_into("New"));
    deliver(&home, "order 3");
    emptied("-5 seconds");
    deliver(&home, "order 4");
    assert_eq!((folders(&home, "order 3"), folders(&home, "order 4")), {
        (vec![".New".to_owned()], vec![".New".to_owned()])
    });
    emptied("-61 seconds");
    a_minute_passes(&home);
    deliver(&home, "order 5");
    assert_eq!(folders(&home, "order 5"), [""]);
    assert_eq!((notices(&home).len(), log_lines(&home)), (0, 0));
}

/// The first absence does not affect a second one.
#[test]
fn each_absence_has_its_own_minute() {
    let home = home_with(STATEMENT, &files_into("Shop"));
    let link = home.path().join(".dovecot.sieve");
    for round in 0..2 {
        deliver(&home, &format!("order {round}"));
        fs::remove_file(&link).expect("it was there");
        deliver(&home, &format!("order away {round}"));
        assert_eq!(folders(&home, &format!("order away {round}")), [".Shop"]);
        symlink("sieve/roundcube.sieve", &link).expect("a link");
        deliver(&home, &format!("order back {round}"));
        a_minute_passes(&home);
    }
}

#[test]
fn included_scripts_are_beside_the_script() {
    let home = home_with(
        STATEMENT,
        "require [\"include\", \"fileinto\"];\ninclude :personal \"shop\";\n\
         include :personal :optional \"more\";\ninclude :global :optional \"site\";\n",
    );
    home.write("sieve/shop.sieve", files_into("Shop"));
    deliver(&home, "order 1");
    home.write("sieve/more.sieve", "require \"fileinto\";\nfileinto \"More\";\n");
    deliver(&home, "else");
    home.write("sieve/shop.sieve", files_into("Shop2"));
    deliver(&home, "order 2");
    assert_eq!(folders(&home, "order 1"), [".Shop"]);
    assert_eq!(folders(&home, "else"), [".More"], "what was not there is seen when it is");
    assert_eq!(folders(&home, "order 2"), [".Shop2"]);
    let text = home.run(&["--test"], &message("order 3")).stdout;
    assert!(text.contains("~/sieve/shop.sieve:line 3"), "{text}");
    // The last valid version includes all of them.
    home.write("sieve/shop.sieve", "require \"enotify\";\nnotify \"mailto:a@b\";\n");
    deliver(&home, "order 4");
    assert_eq!((folders(&home, "order 4"), notices(&home).len()), (vec![".Shop2".into()], 1));
}

/// The user's rules may be broken when the script changes.
#[test]
fn the_script_counts_while_the_users_rules_are_broken() {
    let home = home_with(STATEMENT, &files_into("Shop"));
    deliver(&home, "order 1");
    home.write(".mailrules", format!("{STATEMENT}when\n"));
    deliver(&home, "order 2");
    home.write("sieve/roundcube.sieve", files_into("New"));
    deliver(&home, "order 3");
    assert_eq!(
        (folders(&home, "order 2"), folders(&home, "order 3")),
        (vec![".Shop".into()], vec![".New".into()])
    );
}

/// As web mailers save: Roundcube overwrites the active script; SnappyMail does the
/// same and activates it again; SOGo deactivates, deletes, saves and activates.
fn save(client: &mut ManageSieve, pattern: &str, script: &str) {
    match pattern {
        "roundcube" => client.put("rules", script),
        "snappymail" => {
            client.put("rules", script);
            client.activate("rules");
        }
        _ => {
            client.activate("");
            client.delete("rules");
            client.put("rules", script);
            client.activate("rules");
        }
    }
}

#[test]
fn saves_of_web_mailers_during_deliveries_misfile_nothing() {
    if skipped("the test with a real ManageSieve server", &[MANAGESIEVE], false) {
        return;
    }
    let count = if long() { 500 } else { 12 };
    for pattern in ["roundcube", "snappymail", "sogo"] {
        let home = Home::with_rules(STATEMENT);
        managesieve::configure(&home, "", "");
        let program = support::program_in(home.path()).display().to_string();
        own(&home, NOBODY);
        let mut client = ManageSieve::start(&home);
        client.put("rules", &files_into("Shop"));
        client.activate("rules");
        let order = |number: usize| {
            let run: Run =
                run(as_owner(&home, &program, &[]), &message(&format!("order {number}.")));
            assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
        };
        order(0);
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut version = 0;
                while !over.load(Ordering::Relaxed) {
                    version += 1;
                    let script = files_into("Shop") + &format!("# version {version}\r\n");
                    save(&mut client, pattern, &script);
                }
            });
            scope.spawn(|| {
                (1..=count).for_each(order);
                over.store(true, Ordering::Relaxed);
            });
        });
        let all: Vec<String> = home.mail().into_iter().map(|mail| mail.folder).collect();
        assert_eq!(all, vec![".Shop"; count + 1], "{pattern}");
        assert_eq!(log_lines(&home), 0, "{pattern}");
        // Switched off by the user, for good.
        client.activate("");
        a_minute_passes(&home);
        order(count + 1);
        // And on again.
        client.activate("rules");
        order(count + 2);
        let lies = |number: usize| folders(&home, &format!("order {number}."));
        assert_eq!([lies(count + 1), lies(count + 2)], [[""], [".Shop"]], "{pattern}");
    }
}

/// Where Dovecot's delivery agent or ours put a message.
fn lies_in(home: &Home) -> BTreeSet<String> {
    places(&home.path().join("Maildir"), home.path().join("sent").exists())
}

fn places(maildir: &Path, is_sent_on: bool) -> BTreeSet<String> {
    let mail = support::mail(maildir).into_iter();
    let places = mail.map(|mail| format!("{} {}", mail.folder, mail.flags));
    places.chain(is_sent_on.then(|| "sent on".to_owned())).collect()
}

#[test]
fn folders_are_where_dovecot_has_them() {
    if skipped("the test with Dovecot's delivery agent", &[LDA], false) {
        return;
    }
    const NAMES: [&str; 14] = [
        "INBOX",
        "Work",
        "Work.Sub",
        "Work/Sub",
        "INBOX.Work",
        "INBOX/Work",
        "Inbox.Work",
        "Inbox/Work",
        "迷惑メール",
        "a b",
        "a..b",
        ".x",
        "INBOX.INBOX.y",
        "INBOX.",
    ];
    const NAMESPACES: [(&str, &str); 4] = [(".", ""), (".", "INBOX."), ("/", ""), ("/", "INBOX/")];
    let pairs: Vec<_> =
        NAMESPACES.iter().flat_map(|space| NAMES.iter().map(move |name| (space, name))).collect();
    let complaints = for_each(&pairs, |((separator, prefix), name)| {
        let script = format!("require \"fileinto\";\nfileinto \"{name}\";\n");
        let theirs = home_with("", &script);
        let namespace = format!(" separator = {separator}\n prefix = {prefix}\n");
        managesieve::configure(&theirs, &namespace, "");
        own(&theirs, NOBODY);
        managesieve::deliver(&theirs, &message("x"));
        let rules = format!(
            "include sieve \"~/.dovecot.sieve\" separator \"{separator}\" prefix \"{prefix}\"\n"
        );
        let ours = home_with(&rules, &script);
        deliver(&ours, "x");
        let (expected, found) = (lies_in(&theirs), lies_in(&ours));
        // If a folder cannot be created, Dovecot uses the inbox; here that is reported,
        // and the inbox is used too.
        let mail_text = !notices(&ours).is_empty();
        let kept = expected.iter().all(|place| place == " ");
        let fine = if mail_text { kept } else { expected == found };
        match fine {
            true => Vec::new(),
            false => {
                vec![format!("{separator} {prefix} {name}: {expected:?} {found:?} {mail_text}")]
            }
        }
    });
    assert!(complaints.is_empty(), "{complaints:#?}");
}

/// Scripts before and after a user's script at a provider (`sieve_before`,
/// `sieve_after`), compared with rules before and after the statement.
#[test]
fn rules_around_the_script_are_as_scripts_before_and_after_it() {
    if skipped("the test with Dovecot's LMTP server", &[SERVER, SIEVE], false) {
        return;
    }
    const HEAD: &str = "require [\"fileinto\", \"imap4flags\", \"copy\"];\n";
    // Our rules before and after, and the scripts that do the same.
    const BEFORE: (&str, &str) = (
        "mark flagged\nwhen subject contains \"virus\" -> folder \"Quarantine\"\n",
        "addflag \"\\\\Flagged\";\nif header :contains \"subject\" \"virus\" { fileinto \"Quarantine\"; stop; }\n",
    );
    const AFTER: (&str, &str) = ("folder \"After\"\n", "fileinto \"After\";\n");
    const SCRIPTS: [&str; 11] = [
        "",
        "stop;",
        "fileinto \"A\";",
        "fileinto \"A\"; stop;",
        "fileinto :copy \"A\";",
        "discard;",
        "discard; fileinto \"A\";",
        "redirect \"x@example.net\";",
        "redirect :copy \"x@example.net\";",
        "addflag \"\\\\Seen\"; stop;",
        "if true { stop; } fileinto \"A\";",
    ];
    let pairs: Vec<_> = SCRIPTS
        .iter()
        .flat_map(|script| ["x", "virus"].map(|subject| (*script, subject)))
        .enumerate()
        .map(|(number, (script, subject))| {
            let script = script.replace("x@", &format!("u{number}@"));
            (number, format!("{HEAD}{script}\n"), subject)
        })
        .collect();
    let home = Home::new();
    let path = home.path().display();
    let settings = format!(
        "protocols = lmtp\nservice lmtp {{\n unix_listener lmtp {{\n  path = {path}/lmtp\n  \
         mode = 0666\n }}\n}}\nprotocol lmtp {{\n mail_plugins = sieve\n}}\n\
         lda_mailbox_autocreate = yes\nsendmail_path = {path}/sendmail\n\
         plugin {{\n sieve_before = {path}/before.sieve\n sieve_after = {path}/after.sieve\n}}\n"
    );
    home.write("before.sieve", format!("{HEAD}{}", BEFORE.1));
    home.write("after.sieve", format!("{HEAD}{}", AFTER.1));
    managesieve::sendmail(&home);
    // One file per recipient.
    let sendmail = format!("#!/bin/sh\nfor to; do :; done\ncat > \"{path}/$to\"\n");
    fs::write(home.path().join("sendmail"), sendmail).expect("written");
    for (number, script, _) in &pairs {
        home.write(&format!("home/u{number}/.sieve"), script);
    }
    let theirs = Dovecot::with(home, "maildir", &settings);
    let complaints = for_each(&pairs, |(number, script, subject)| {
        let mail = String::from_utf8(message(subject)).expect("UTF-8").replace('\n', "\r\n");
        theirs.deliver(&format!("u{number}"), mail.as_bytes());
        let maildir = theirs.path().join(format!("mail/u{number}"));
        let sent = theirs.path().join(format!("u{number}@example.net"));
        let expected = places(&maildir, sent.exists());
        let ours = home_with("", script);
        managesieve::sendmail(&ours);
        let sendmail = ours.path().join("sendmail").display().to_string();
        let (before, after) = (BEFORE.0, AFTER.0);
        ours.write(
            ".mailrules",
            format!("set sendmail \"{sendmail}\"\n{before}{STATEMENT}{after}"),
        );
        deliver(&ours, subject);
        let found = lies_in(&ours);
        match expected == found && notices(&ours).is_empty() {
            true => Vec::new(),
            false => vec![format!("{subject}: {script}: {expected:?} {found:?}")],
        }
    });
    assert!(complaints.is_empty(), "{complaints:#?}\n{}", theirs.log());
}

/// `import sieve --site`: what a provider runs before users' scripts, as site rules
/// before the statement.
#[test]
fn a_script_before_becomes_site_rules() {
    if skipped("the test with Dovecot's delivery agent and site rules", &[LDA], true) {
        return;
    }
    const HEAD: &str = "require [\"fileinto\", \"imap4flags\", \"copy\"];\n";
    const BEFORE: [&str; 12] = [
        "if header :contains \"subject\" \"virus\" { discard; stop; }",
        "if header :contains \"subject\" \"virus\" { fileinto \"Junk\"; }",
        "if header :contains \"subject\" \"virus\" { fileinto \"Junk\"; stop; } addflag \"\\\\Flagged\";",
        "if header :contains \"subject\" \"virus\" { stop; } fileinto \"Junk\";",
        "if header :contains \"subject\" \"virus\" { stop; } addflag \"\\\\Flagged\";",
        "if header :contains \"subject\" \"virus\" { keep; stop; } discard;",
        "if header :contains \"subject\" \"virus\" { fileinto \"A\"; } if header :contains \"subject\" \"x\" { fileinto \"B\"; }",
        "if header :contains \"subject\" \"virus\" { if size :over 1 { stop; } } elsif size :over 2 { addflag \"\\\\Seen\"; } fileinto :copy \"C\";",
        "if header :contains \"subject\" \"virus\" { discard; } if header :contains \"subject\" \"x\" { fileinto \"B\"; }",
        "redirect :copy \"x@example.net\"; if header :contains \"subject\" \"virus\" { redirect \"y@example.net\"; }",
        "if header :contains \"subject\" \"virus\" { fileinto \"INBOX\"; }",
        "keep;",
    ];
    const OWN: &str = "if size :over 1 { fileinto \"Own\"; }";
    let subjects = |before: &'static str| ["virus x", "y"].map(|subject| (before, OWN, subject));
    let cases: Vec<_> = BEFORE.into_iter().flat_map(subjects).collect();
    let complaints = for_each(&cases, |(before, script, subject)| {
        let before = format!("{HEAD}{before}\n");
        let script = format!("{HEAD}{script}\n");
        let theirs = home_with("", &script);
        theirs.write("before.sieve", &before);
        let path = theirs.path().display();
        let plugin = format!(" sieve_before = {path}/before.sieve\n");
        managesieve::configure(&theirs, " separator = .\n", &plugin);
        own(&theirs, NOBODY);
        managesieve::deliver(&theirs, &message(subject));
        let ours = home_with("", &script);
        managesieve::sendmail(&ours);
        let in_home = |name: &str| ours.path().join(name).display().to_string();
        ours.write(".mailrules", format!("set sendmail \"{}\"\n{STATEMENT}", in_home("sendmail")));
        ours.write("before.sieve", &before);
        let site = in_home("site.mailrules");
        let import = ["import", "sieve", &in_home("before.sieve"), "--site", "-o", &site];
        let imported = ours.run(&import, b"");
        let check = ours.run(&["check", "--site", &site], b"");
        let run = ours.run(&["--site", &site], &message(subject));
        let fine = (imported.code, check.code, run.code) == (Some(0), Some(0), Some(0));
        let (expected, found) = (lies_in(&theirs), lies_in(&ours));
        match fine && expected == found {
            true => Vec::new(),
            false => vec![format!(
                "{subject}: {before}{script}: {expected:?} {found:?}\n{}{}{}{}",
                imported.stderr,
                check.stdout,
                run.stderr,
                fs::read_to_string(&site).unwrap_or_default()
            )],
        }
    });
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
