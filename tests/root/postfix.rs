//! Real Postfix, real users: SMTP in, local(8), `mailbox_command` and
//! `.forward`, and what ends up in the Maildir, in the queue, or is bounced.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::path::Path;
use std::process::Command;

use crate::support::postfix::{self, Postfix, User};
use crate::support::{left_in_tmp, mail, skipped, wait_for};

const SENDER: &str = "hanako@sender.example";

fn message(subject: &str) -> String {
    format!(
        "From: Hanako <{SENDER}>\nTo: taro@test.example\nSubject: {subject}\n\
         Message-ID: <{}@sender.example>\n\nこんにちは\nFrom here on\n.\n",
        subject.len()
    )
}

#[test]
fn mail_through_a_real_postfix() {
    if skipped("the test with a real Postfix", postfix::PROGRAMS, true) {
        return;
    }
    let mut postfix = Postfix::prepare();
    let homes = postfix.homes();
    let user = |word: &str, rules: &str| User::with_rules(word, &homes, rules);
    let filed =
        user("filed", "when subject contains \"至急\" -> folder \"Work/迷惑\" as seen flagged\n");
    let forward = user("forward", "otherwise -> folder \"A\"\n");
    forward.write(".forward", &format!("\"|{}\"\n", postfix.program().display()));
    let broken = user("broken", "when subject frobs -> nowhere (\n");
    let full = user("full", "");
    let refuse = user("refuse", "reject \"5.7.1 takes no mail, sorry\"\n");
    let option = user("option", "");
    let homeless = User::new("homeless", "/nonexistent/mfilter-test".into());
    let program = postfix.program().display().to_string();
    let wrong = format!("{program} --no-such-option");
    postfix.start(&program, &[(&option, wrong)]);

    filed_in_one_step(&postfix, &filed);
    through_forward(&postfix, &forward);
    broken_rules_cost_no_mail(&postfix, &broken);
    a_refusal_comes_back_with_our_text(&postfix, &refuse, &filed);
    a_full_disk_waits_in_the_queue(&postfix, &full);

    let before = postfix.deferred();
    for (number, user) in [&option, &homeless].into_iter().enumerate() {
        postfix.send(SENDER, &user.address(), &message("x"));
        let status = postfix.status(user, 1);
        assert_eq!(status.word, "deferred", "{}: {}", user.name, status.text);
        wait_for("the queue", || (postfix.deferred() == before + number + 1).then_some(()));
    }
    assert!(!Path::new("/nonexistent").exists());
    assert!(left_in_tmp(&homes).is_empty());
}

#[test]
fn two_users_who_forward_to_each_other() {
    if skipped("the test of forwarding in circles", postfix::PROGRAMS, true) {
        return;
    }
    let mut postfix = Postfix::prepare();
    let homes = postfix.homes();
    let sendmail = postfix.sendmail_path().display().to_string();
    let (one, two) = (User::with_home("one", &homes), User::with_home("two", &homes));
    for (user, other) in [(&one, &two), (&two, &one)] {
        let rules = format!("set sendmail \"{sendmail}\"\nforward \"{}\"\n", other.address());
        user.write(".mailrules", &rules);
    }
    let program = postfix.program().display().to_string();
    postfix.start(&program, &[]);
    postfix.sendmail();
    for (number, sender) in [SENDER, ""].into_iter().enumerate() {
        postfix.send(sender, &one.address(), &message(&"circle".repeat(number + 1)));
        let found = one.received(number + 1);
        let expected = format!("Return-Path: <{sender}>\n");
        let last = found.iter().find(|mail| mail.text().starts_with(&expected));
        let text = last.expect("back in the inbox of the first, its sender kept").text();
        let marks = text.lines().filter_map(|line| line.strip_prefix("X-Mfilter-Loop: "));
        let marks: Vec<&str> = marks.collect();
        assert!(marks.len() == 2 && marks[0] != marks[1], "one of each: {text}");
        assert!(text.ends_with("\n\nこんにちは\nFrom here on\n.\n"), "{text}");
    }
    assert!(mail(&two.home.join("Maildir")).is_empty());
    assert_eq!(postfix.deferred(), 0, "{}", postfix.log());
    assert!(!postfix.log().contains("status=bounced"), "{}", postfix.log());
}

fn filed_in_one_step(postfix: &Postfix, user: &User) {
    let subject = "=?UTF-8?B?44CQ6Iez5oCl44CR?=";
    postfix.send(SENDER, &user.address(), &message(subject));
    postfix.send("", &user.address(), &message("plain"));
    let status = postfix.status(user, 1);
    assert_eq!(status.word, "sent", "{}", status.text);
    let found = user.received(2);
    let places: Vec<_> = found
        .iter()
        .map(|mail| (mail.folder.as_str(), mail.sub.as_str(), mail.flags.as_str()))
        .collect();
    assert_eq!(places, [(".Work.&j,dg0Q-", "cur", "FS"), ("", "new", "")]);
    let text = found[0].text();
    assert!(text.starts_with(&format!("Return-Path: <{SENDER}>\n")), "{text}");
    assert!(text.contains(&format!("Delivered-To: {}\n", user.address())), "{text}");
    assert!(text.ends_with("\n\nこんにちは\nFrom here on\n.\n"), "{text}");
    assert!(!text.contains('\r'));
}

fn through_forward(postfix: &Postfix, user: &User) {
    postfix.send(SENDER, &user.address(), &message("forward"));
    let found = user.received(1);
    assert_eq!((found[0].folder.as_str(), found[0].sub.as_str()), (".A", "new"));
}

fn broken_rules_cost_no_mail(postfix: &Postfix, user: &User) {
    for subject in ["one", "two"] {
        postfix.send(SENDER, &user.address(), &message(subject));
    }
    for number in [1, 2] {
        let status = postfix.status(user, number);
        assert_eq!(status.word, "sent", "{}", status.text);
    }
    let found = user.received(3);
    assert!(found.iter().all(|mail| mail.folder.is_empty()), "{found:?}");
    let (own, notices): (Vec<_>, Vec<_>) =
        found.iter().partition(|mail| mail.text().contains("Hanako"));
    assert_eq!((own.len(), notices.len()), (2, 1), "one notice for one broken version");
    let text = notices[0].text();
    assert!(text.contains(".mailrules") && text.contains("frobs"), "{text}");
}

fn a_refusal_comes_back_with_our_text(postfix: &Postfix, user: &User, sender: &User) {
    let before = sender.received(0).len();
    postfix.send(&sender.address(), &user.address(), &message("refuse"));
    let status = postfix.status(user, 1);
    assert_eq!(status.word, "bounced", "{}", status.text);
    let found = sender.received(before + 1);
    let bounce = found.iter().find(|mail| mail.text().contains("MAILER-DAEMON"));
    let text = bounce.expect("a bounce").text();
    assert!(text.contains("takes no mail, sorry") && text.contains("5.7.1"), "{text}");
}

fn a_full_disk_waits_in_the_queue(postfix: &Postfix, user: &User) {
    let maildir = user.home.join("Maildir");
    std::fs::create_dir(&maildir).expect("a Maildir");
    let options = format!("size=64k,{}", user.mount_options());
    let Some(_mount) = Mounted::tmpfs(&maildir, &options) else {
        eprintln!("skipped: the full disk, since nothing can be mounted here");
        return;
    };
    let big = message("big") + &"0123456789abcdef 0123456789abcdef\n".repeat(6_000);
    postfix.send(SENDER, &user.address(), &big);
    let status = postfix.status(user, 1);
    assert_eq!(status.word, "deferred", "{}", status.text);
    assert!(status.text.contains("No space left on device"), "{}", status.text);
    wait_for("the queue", || (postfix.deferred() == 1).then_some(()));
    assert!(mail(&maildir).is_empty() && left_in_tmp(&maildir).is_empty());
    assert!(!mail_anywhere(&user.home), "nothing beside the Maildir");
}

/// True if a part of the big message is in any file of the home.
fn mail_anywhere(home: &Path) -> bool {
    let found = Command::new("grep").args(["-rq", "0123456789abcdef"]).arg(home).status();
    found.expect("grep runs").success()
}

/// A mounted file system, unmounted when dropped.
struct Mounted<'a>(&'a Path);

impl Mounted<'_> {
    fn tmpfs<'a>(at: &'a Path, options: &str) -> Option<Mounted<'a>> {
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(at)
            .output()
            .ok()?;
        output.status.success().then_some(Mounted(at))
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}
