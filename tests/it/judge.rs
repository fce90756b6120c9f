//! `mfilter judge`: folder and flags for programs that file mail themselves.

use serde_json::Value;

use crate::support::{Home, Run};

const RULES: &str = r#"list white "~/white"
when subject starts "list" -> copy "Copies" as flagged, folder "Lists/rust.lang" as seen "$News"
when subject starts "sent" -> add from to white, run "/bin/false", fileinto "Work", mark passed
when subject starts "both" -> fileinto "A", fileinto "B/C" as replied
when subject starts "gone" -> discard "no"
when subject starts "bad"  -> reject "5.7.1 no"
when subject starts "on"   -> forward "a@b.example"
"#;

fn judge(home: &Home, arguments: &[&str], subject: &str) -> Run {
    let arguments: Vec<&str> = ["judge"].iter().chain(arguments).copied().collect();
    let message = format!("From: a@b.example\nSubject: {subject}\nMessage-ID: <1@b>\n\nx\n");
    home.run(&arguments, message.as_bytes())
}

#[test]
fn the_folder_and_the_flags_are_shown_and_nothing_is_done() {
    let home = Home::with_rules(&format!("set layout fs\n{RULES}"));
    for (subject, code, printed) in [
        ("list", 0, "Lists/rust.lang\t\\Seen\t$News\n"),
        ("sent", 0, "Work\n"),
        ("both", 0, "A\n"),
        ("other", 0, "INBOX\n"),
        ("gone", 1, "INBOX\n"),
        ("bad", 1, "INBOX\n"),
        ("on", 1, "INBOX\n"),
    ] {
        let run = judge(&home, &[], subject);
        assert_eq!((run.code, run.stdout.as_str()), (Some(code), printed), "{subject}: {run:?}");
        assert_eq!(run.stderr.is_empty(), code == 0, "{run:?}");
    }
    let run = judge(&home, &["--lines", "--separator", "."], "list");
    assert_eq!(run.stdout, "Lists.rust_lang\n\\Seen\n$News\n");
    assert!(!home.path().join("Maildir").exists() && !home.path().join("white").exists());
}

#[test]
fn json_has_what_else_the_rules_ask() {
    let home = Home::with_rules(&format!("set layout fs\n{RULES}"));
    let json = |subject| -> Value {
        let run = judge(&home, &["--json"], subject);
        assert_eq!(run.stderr, "");
        serde_json::from_str(&run.stdout).expect("JSON")
    };
    let list = json("list");
    assert_eq!((&list["outcome"], &list["folder"]), (&"deliver".into(), &"Lists/rust.lang".into()));
    assert_eq!(list["flags"], serde_json::json!(["\\Seen", "$News"]));
    assert_eq!(list["copies"], serde_json::json!([{"folder": "Copies", "flags": ["\\Flagged"]}]));
    assert!(list["rule"].as_str().is_some_and(|rule| rule.ends_with(".mailrules:3")), "{list}");
    let sent = json("sent");
    let actions: Vec<&str> = sent["not_done"]
        .as_array()
        .expect("an array")
        .iter()
        .flat_map(|s| s["action"].as_str())
        .collect();
    assert_eq!(actions, ["add", "run"], "{sent}");
    let both = json("both");
    assert_eq!(both["copies"], serde_json::json!([{"folder": "B/C", "flags": ["\\Answered"]}]));
    let gone = json("gone");
    assert_eq!((&gone["outcome"], &gone["folder"]), (&"discard".into(), &"INBOX".into()));
}

/// Broken rules do not stop mail: the last valid ones are used, as in a delivery.
#[test]
fn broken_rules_are_reported_and_the_last_valid_ones_count() {
    let home = Home::with_rules("when subject starts \"list\" -> folder \"Lists\"\n");
    assert_eq!(judge(&home, &[], "list").stdout, "Lists\n");
    assert_eq!(home.deliver(b"Subject: list\n\nx\n").code, Some(0));
    home.write(".mailrules", "when subject starts -> folder\n");
    let run = judge(&home, &[], "list");
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), "Lists\n"));
    assert!(run.stderr.contains("cannot be used"), "{run:?}");
    let run = judge(&home, &["--rules", "/nowhere"], "list");
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{run:?}");
    let run = home.run(&["judge"], b"");
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{run:?}");
}
