//! `duplicate of "…" within …`: what is remembered of delivered messages.

use crate::support::{Home, Run};

fn message(id: u32, subject: &str) -> Vec<u8> {
    format!("From: a@b.example\nSubject: {subject}\nMessage-ID: <{id}@b.example>\n\nbody {id}\n")
        .into_bytes()
}

#[track_caller]
fn delivered(run: &Run) {
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (Some(0), "", ""));
}

#[test]
fn a_message_may_be_known_by_another_value() {
    let home = Home::with_rules("when duplicate of \"{subject:lower}\" -> discard\nfolder \"A\"\n");
    for (id, subject, there) in [
        (1, "disk full", 1),
        (2, "Disk  full", 1),
        (3, "disk empty", 2),
        (4, "", 3),
        (5, "", 4),
        (1, "something else", 5),
    ] {
        delivered(&home.deliver(&message(id, subject)));
        assert_eq!(home.mail().len(), there, "{id} {subject}");
    }
    // The same value from another template is different.
    home.write(".mailrules", "when duplicate of \"{subject}\" -> discard\nfolder \"A\"\n");
    delivered(&home.deliver(&message(6, "disk full")));
    assert_eq!(home.mail().len(), 6);
}

#[test]
fn what_no_rule_asked_for_is_not_remembered() {
    let rules =
        "when from is \"x@y.example\" and duplicate of \"{subject}\" -> discard\nfolder \"A\"\n";
    let home = Home::with_rules(rules);
    delivered(&home.deliver(&message(1, "s")));
    let state = home.run(&["state"], b"").stdout;
    assert!(!state.contains("1 delivered"), "{state}");
    let from_x = String::from_utf8(message(2, "s")).expect("ASCII").replace("a@b", "x@y");
    delivered(&home.deliver(from_x.as_bytes()));
    delivered(&home.deliver(from_x.as_bytes()));
    assert_eq!(home.mail().len(), 2);
    let state = home.run(&["state"], b"").stdout;
    assert!(state.contains("1 delivered"), "{state}");
}

#[test]
fn a_time_of_its_own_and_of_the_longest_is_kept() {
    let home = Home::with_rules(
        "set duplicates-for 1h\nwhen duplicate within 1d -> log \"day\"\n\
         when duplicate -> log \"hour\"\nwhen duplicate of \"{subject}\" within 52w -> log \"year\"\n",
    );
    delivered(&home.deliver(&message(1, "s")));
    let output = |later: &str| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = i64::try_from(now.expect("it is past 1970").as_secs()).expect("soon");
        let seconds: i64 = later.parse().expect("a number");
        let at = jiff::Timestamp::from_second(now + seconds).expect("a time").to_string();
        let shown = home.run(&["--test", "--now", &at], &message(1, "s")).stdout;
        ["day", "hour", "year"].map(|word| shown.contains(&format!("=> log \"{word}\"")))
    };
    assert_eq!(output("60"), [true, true, true]);
    assert_eq!(output("7200"), [true, false, true]);
    assert_eq!(output("200000"), [false, false, true]);
    assert_eq!(output("40000000"), [false, false, false]);
}

#[test]
fn another_value_of_existing_mail_is_not_known() {
    let home = Home::with_rules("when duplicate of \"{subject}\" -> folder \"Again\"\n");
    home.write("Maildir/cur/1.a.b:2,S", message(1, "s"));
    home.write("Maildir/cur/2.a.b:2,S", message(1, "s"));
    let maildir = home.path().join("Maildir").display().to_string();
    let shown = home.run(&["--test", "-v", &maildir], b"").stdout;
    assert!(!shown.contains("=> folder \"Again\""), "{shown}");
}
