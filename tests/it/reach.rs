//! Actions that reach out, with real processes: what a user sees of programs,
//! filters, forwarding, answers, duplicates, lists and half-done deliveries.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::{Home, MFILTER, Run, run, skipped};

const MESSAGE: &[u8] = b"Return-Path: <hanako@sender.example>\n\
    Delivered-To: taro@example.jp\n\
    From: Hanako <hanako@sender.example>\nTo: taro@example.jp\n\
    Subject: -rf hello\nMessage-ID: <1@sender.example>\n\nbody\n";

/// A home with a script in `bin`, whose path stands for `PROGRAM` in the rules.
fn home(rules: &str, script: &str) -> Home {
    let home = Home::new();
    program(&home, "program", script);
    let rules = rules.replace("PROGRAM", "~/bin/program");
    let rules = rules.replace("SENDMAIL", &home.path().join("bin/program").display().to_string());
    home.write(".mailrules", rules);
    home
}

fn program(home: &Home, name: &str, script: &str) {
    let name = format!("bin/{name}");
    home.write(&name, format!("#!/bin/sh\n{script}\n"));
    fs::set_permissions(home.path().join(&name), Permissions::from_mode(0o755)).expect("chmod");
}

fn text(home: &Home, name: &str) -> String {
    fs::read_to_string(home.path().join(name)).unwrap_or_default()
}

fn log(home: &Home) -> String {
    text(home, ".local/state/mfilter/log")
}

#[track_caller]
fn delivered(run: &Run) {
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (Some(0), "", ""));
}

#[track_caller]
fn deferred(run: &Run) {
    assert_eq!(run.code, Some(75), "{run:?}");
    assert_eq!((run.stdout.as_str(), run.stderr.lines().count()), ("", 1), "{run:?}");
}

#[test]
fn pipe_delivers_to_a_program_in_a_clean_environment() {
    let script = "cat > mail; printf '%s\\n' \"$@\" > words; env | sort > env; \
                  pwd > pwd; ls -l /proc/self/fd > fds; echo chatter; echo noise >&2";
    let home = home("pipe \"PROGRAM\" \"{subject}\" \"-v\" \"x{subject}\" \"a b;$(id)\"\n", script);
    let mut command = home.command(&["-a", "shop\nSECRET=x"]);
    command.env("PERL5LIB", "/tmp").env("SECRET", "x").env("LC_ALL", "C.UTF-8");
    delivered(&run(command, MESSAGE));
    assert_eq!(text(&home, "mail").as_bytes(), MESSAGE);
    assert_eq!(text(&home, "words"), "_-rf hello\n-v\nx-rf hello\na b;$(id)\n");
    assert_eq!(text(&home, "pwd").trim(), home.path().display().to_string());
    let env = text(&home, "env");
    // The shell adds where it is.
    let env: Vec<&str> = env.lines().filter(|line| !line.contains("PWD=")).collect();
    let path = home.path().display();
    let expected = [
        "EXTENSION=shopSECRET=x",
        &format!("HOME={path}"),
        "LC_ALL=C.UTF-8",
        "LOGNAME=taro",
        "PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
        "RECIPIENT=taro@example.jp",
        "SENDER=hanako@sender.example",
        "SHELL=/bin/sh",
        "TZ=UTC",
        "USER=taro",
    ];
    assert_eq!(env, expected);
    let log = log(&home);
    assert!(log.contains(" piped program=") && log.contains("says: chatter"), "{log}");
    assert!(log.contains("says: noise"), "{log}");
    assert!(home.mail().is_empty());
}

#[test]
fn a_program_is_told_the_extension_that_rules_see() {
    let home = home("when has extension -> run \"PROGRAM\"\n", "env > env");
    let program_sees = |args: &[&str]| {
        delivered(&run(home.command(args), MESSAGE));
        let env = text(&home, "env");
        env.lines().find(|line| line.starts_with("EXTENSION=")).map(str::to_owned)
    };
    let shop = ["-d", "taro+shop@example.jp"];
    assert_eq!(program_sees(&shop).as_deref(), Some("EXTENSION=shop"));
    assert_eq!(program_sees(&["-a", "news", shop[0], shop[1]]).as_deref(), Some("EXTENSION=news"));
    // The mail server says that there is none: the rule does not run the program again.
    home.write("env", "");
    assert_eq!(program_sees(&["-a", "", shop[0], shop[1]]), None);
}

#[test]
fn programs_inherit_no_descriptors() {
    let rules = "set sendmail \"SENDMAIL\"\nset me \"taro@example.jp\"\nfilter \"PROGRAM\"\n\
                 run \"PROGRAM\"\nreply \"~/away\"\nforward copy \"a@x.example\"\npipe \"PROGRAM\"\n";
    // What `ls` itself opens to list them does not count.
    let script = "ls -l /proc/self/fd | sed -n 's/.* \\([0-9]*\\) -> \\(.*\\)/\\1 \\2/p' | \
                  grep -v ' /proc/' >> fds; echo ---- >> fds; cat";
    let home = home(rules, script);
    home.write("away", "I am away.\n");
    home.write("open", "An MTA's queue file, a socket, a lock.\n");
    let mut command = std::process::Command::new("/bin/sh");
    let open = "exec 3<open 5<open 7>>open 9<&3; exec \"$@\"";
    command.args(["-c", open, "sh", crate::support::MFILTER]).current_dir(home.path());
    command.env_clear().env("HOME", home.path()).env("USER", "taro").env("PATH", "/usr/bin:/bin");
    delivered(&run(command, MESSAGE));
    let fds = text(&home, "fds");
    assert_eq!(fds.matches("----").count(), 5, "{fds}\n{}", log(&home));
    for line in fds.lines().filter(|line| *line != "----") {
        let (number, target) = line.split_once(' ').expect("a number and what it is");
        assert!(matches!(number, "0" | "1" | "2"), "{fds}");
        assert!(!target.contains("/open"), "{fds}");
    }
}

#[test]
fn a_failing_pipe_defers_and_stores_nothing() {
    for script in ["exit 1", "kill -9 $$", "exit 67", "exec /no/such"] {
        let home = home("copy \"A\"\npipe \"PROGRAM\"\n", script);
        deferred(&home.deliver(MESSAGE));
    }
    let home = Home::with_rules("pipe \"no-such-program\"\n");
    let run = home.deliver(MESSAGE);
    deferred(&run);
    assert!(run.stderr.contains("`no-such-program` cannot be started"), "{run:?}");
}

#[test]
fn a_failing_run_costs_nothing() {
    let home = home("run \"PROGRAM\"\nrun \"missing-program\"\ninbox as seen\n", "exit 3");
    delivered(&home.deliver(MESSAGE));
    assert_eq!(home.mail().len(), 1);
    let log = log(&home);
    assert!(log.contains("program` ended with status 3\""), "{log}");
    assert!(log.contains("`missing-program` cannot be started"), "{log}");
}

#[test]
fn programs_end_when_their_time_is_over() {
    let large = [MESSAGE, &vec![b'x'; 3_000_000]].concat();
    for (script, code) in [
        ("exec sleep 100", 75),
        ("trap '' TERM INT HUP; sleep 100; sleep 100", 75),
        ("sleep 100 & sleep 100 & wait", 75),
        ("sleep 100 & exit 0", 0),
        ("exec <&-; exit 0", 0),
        ("head -c 10000000000 /dev/zero", 75),
    ] {
        let home = home("set program-timeout 1s\npipe \"PROGRAM\"\n", script);
        let run = home.deliver(&large);
        // Ten gigabytes in a second are more than any pipe can carry.
        assert_eq!(run.code, Some(code), "{script}: {run:?}");
    }
}

#[test]
fn a_filter_changes_what_is_tested_and_delivered() {
    let rules = "remove-header \"X-Verdict\"\ncopy \"Before\"\nfilter \"PROGRAM\" \"{subject}\"\n\
                 when header \"X-Verdict\" is \"spam\" -> folder \"Junk\"\n";
    let home = home(rules, "echo 'X-Verdict: spam'; echo 'warning' >&2; cat");
    let forged = [b"X-Verdict: ham\n", MESSAGE].concat();
    delivered(&home.deliver(&forged));
    let mail = home.mail();
    let of = |folder: &str| mail.iter().find(|one| one.folder == folder).expect(folder).text();
    assert!(!of(".Before").contains("X-Verdict"));
    assert_eq!(of(".Junk").as_bytes(), [b"X-Verdict: spam\n", MESSAGE].concat());
    assert!(log(&home).contains("says: warning"));

    let shown = home.run(&["--test"], &forged).stdout;
    assert!(shown.contains("=> filter ") && shown.contains("unfiltered message"), "{shown}");
    assert!(shown.contains("=> inbox"), "{shown}");
    let shown = home.run(&["--test", "--run-filters"], &forged).stdout;
    assert!(shown.contains("=> folder \"Junk\""), "{shown}");
}

#[test]
fn a_failing_filter_leaves_the_message_as_it_was() {
    for script in ["cat; exit 1", "true", "exec sleep 100", "exec yes", "exec /no/such"] {
        let rules = "set program-timeout 1s\nset-header \"X-A\" \"b\"\nfilter \"PROGRAM\"\n";
        let home = home(rules, script);
        delivered(&home.deliver(MESSAGE));
        let mail = home.mail();
        assert_eq!(mail.len(), 1);
        assert_eq!(mail[0].text().as_bytes(), [b"X-A: b\n", MESSAGE].concat(), "{script}");
        assert!(log(&home).contains("the message stays as it was"), "{script}");
    }
}

#[test]
fn bogofilter_filters() {
    if skipped("the test with bogofilter", &["/usr/bin/bogofilter"], false) {
        return;
    }
    let rules = "filter \"bogofilter\" \"-p\" \"-e\" \"-u\"\n\
                 when header \"X-Bogosity\" starts \"Spam\" -> folder \"Junk\"\n\
                 when has header \"X-Bogosity\" -> folder \"Judged\"\n";
    let home = Home::with_rules(rules);
    for (option, words) in [("-s", "viagra casino winner"), ("-n", "meeting project notes")] {
        for number in 0..20 {
            let mut command = std::process::Command::new("/usr/bin/bogofilter");
            command.arg(option).env("HOME", home.path());
            let mail = format!("From: a@b\nSubject: {words} {number}\n\n{words}\n");
            assert!(run(command, mail.as_bytes()).code.is_some());
        }
    }
    delivered(&home.deliver(b"From: a@b\nSubject: viagra casino winner\n\nviagra casino winner\n"));
    delivered(&home.deliver(b"From: a@b\nSubject: meeting notes\n\nmeeting project notes\n"));
    let folders: Vec<_> = home.mail().into_iter().map(|mail| mail.folder).collect();
    assert_eq!(folders, [".Judged", ".Junk"], "{}", log(&home));
}

const SENDMAIL: &str = "printf '%s\\n' \"$@\" >> sent; cat >> sent; echo ---- >> sent";

#[test]
fn forward_keeps_the_sender_and_does_not_go_in_circles() {
    let rules = "set sendmail \"SENDMAIL\"\nforward \"a@x.example\" \"-b@y.example\"\n";
    assert!(home(rules, SENDMAIL).run(&["check"], b"").stdout.contains("is not a valid address"));
    let rules = "set sendmail \"SENDMAIL\"\nadd-header \"X-A\" \"b\"\nforward \"a@x.example\"\n";
    let home = home(rules, SENDMAIL);
    delivered(&home.deliver(MESSAGE));
    let sent = text(&home, "sent");
    assert!(sent.starts_with("-i\n-f\nhanako@sender.example\n--\na@x.example\n"), "{sent}");
    assert!(!sent.contains("Return-Path") && !sent.contains("Delivered-To"), "{sent}");
    assert!(sent.contains("X-A: b\n") && sent.contains("\nX-Mfilter-Loop: "), "{sent}");
    assert!(!sent.contains("X-Mfilter-Loop: taro@"), "what nobody can foretell: {sent}");
    assert!(home.mail().is_empty());

    let (_, again) = sent.split_once("a@x.example\n").expect("a message");
    delivered(&home.deliver(again.as_bytes()));
    assert_eq!(text(&home, "sent"), sent, "not sent again");
    assert_eq!(home.mail().len(), 1, "in the inbox instead");
    delivered(&home.run(&["-f", ""], MESSAGE));
    assert!(text(&home, "sent").contains("-f\n\n--\n"));
}

#[test]
fn forward_copy_and_another_sender() {
    let rules = "set sendmail \"SENDMAIL\"\nset forward-sender \"taro+{sender}@example.jp\"\n\
                 forward copy \"a@x.example\"\nforward copy \"{from}\" \"{subject}\"\nstop\n";
    let home = home(rules, SENDMAIL);
    delivered(&home.deliver(MESSAGE));
    let sent = text(&home, "sent");
    assert_eq!(
        sent.matches("-f\ntaro+hanako=sender.example@example.jp\n--\n").count(),
        2,
        "{sent}"
    );
    assert!(sent.contains("--\nhanako@sender.example\n"), "{sent}");
    assert!(log(&home).contains("no forward: `-rf hello` is not an address"));
    assert_eq!(home.mail().len(), 1);

    // Its bounce is sent back to the original sender.
    let rules = "when bounce and extension matches /(.+)=(.+)/ -> forward \"{1}@{2}\"\n";
    let sendmail = home.path().join("bin/program").display().to_string();
    home.write(".mailrules", format!("set sendmail \"{sendmail}\"\n{rules}"));
    let bounce = b"From: MAILER-DAEMON@x.example\nSubject: Undelivered Mail\n\
        Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n\
        --b\n\nno\n--b\nContent-Type: message/delivery-status\n\n\
        Final-Recipient: rfc822; a@x.example\nAction: failed\nStatus: 5.1.1\n\n--b--\n";
    delivered(&home.run(&["-f", "", "-a", "hanako=sender.example"], bounce));
    let sent = text(&home, "sent");
    assert!(sent.contains("-f\n\n--\nhanako@sender.example\nX-Mfilter-Loop: "), "{sent}");
}

#[test]
fn a_retry_does_only_what_is_missing() {
    let rules =
        "set sendmail \"SENDMAIL\"\ncopy \"A\"\nrun \"~/bin/count\"\nforward \"a@x.example\"\n";
    let home = home(rules, "echo try >> tries; test $(wc -l < tries) -gt 1 || exit 75; cat > sent");
    program(&home, "count", "echo ran >> ran");
    let run = home.deliver(MESSAGE);
    deferred(&run);
    assert!(run.stderr.contains("ended with status 75"), "{run:?}");
    assert_eq!(home.mail().len(), 1, "stored before what cannot be undone");
    let shown = home.run(&["state"], b"").stdout;
    assert!(shown.contains("copy \"A\"") && shown.contains("run "), "{shown}");
    // Another message is not mistaken for this one.
    let other = [MESSAGE, b"more\n"].concat();
    delivered(&home.deliver(&other));
    assert_eq!(home.mail().len(), 2);
    delivered(&home.deliver(MESSAGE));
    assert_eq!(home.mail().len(), 2, "not stored again");
    assert_eq!(text(&home, "ran"), "ran\nran\n", "not run again");
    assert!(text(&home, "sent").ends_with("\n\nbody\n"));
    for step in ["copy \\\"A\\\"", "run \\\""] {
        let log_text = format!("done by an earlier try: {step}");
        assert!(log(&home).contains(&log_text), "{log_text}: {}", log(&home));
    }
    assert!(home.run(&["state"], b"").stdout.contains("half-done  no delivery"));
}

/// All mail of a home: the folder's directory and whether it is unseen.
fn places(home: &Home) -> Vec<(String, bool)> {
    home.mail().into_iter().map(|mail| (mail.folder, mail.sub == "new")).collect()
}

#[test]
fn what_sendmail_refuses_for_good_ends_in_the_inbox() {
    let rules = "set sendmail \"SENDMAIL\"\nadd-header \"X-A\" \"b\"\nforward \"a@x.example\"\n";
    for code in [64, 65, 67, 69, 76, 77, 78] {
        let home = home(rules, &format!("echo unknown user >&2; exit {code}"));
        fs::create_dir(home.path().join("Maildir")).expect("made");
        std::os::unix::fs::symlink("maildirsize", home.path().join("Maildir/maildirsize"))
            .expect("a quota that cannot be read");
        delivered(&home.deliver(MESSAGE));
        assert_eq!(places(&home), [(String::new(), true)], "{code}");
        assert_eq!(home.mail()[0].text().as_bytes(), [b"X-A: b\n", MESSAGE].concat());
        let log = log(&home);
        assert!(
            log.contains(&format!("ended with status {code}, and a retry would not help")),
            "{log}"
        );
        assert!(log.contains("unknown user") && !log.contains(" forwarded "), "{log}");
        assert!(log.contains("the quota cannot be read: "), "{log}");
        assert!(
            log.contains(".mailrules:3\" id=") && log.contains("in the inbox instead"),
            "{log}"
        );
        assert!(!log.contains("deferred"), "{log}");
    }
    for end in ["exit 1", "exit 66", "exit 70", "exit 71", "exit 73", "exit 74", "exit 75"] {
        let home = home(rules, end);
        deferred(&home.deliver(MESSAGE));
        assert_eq!(places(&home), [], "{end}");
    }
    for end in ["exit 126", "exit 127", "kill -9 $$", "exec /no/such/sendmail"] {
        let home = home(rules, end);
        deferred(&home.deliver(MESSAGE));
        assert_eq!(places(&home), [], "{end}");
    }
}

/// Two mailboxes that forward to each other: whoever has it last must keep it.
#[test]
fn what_was_only_forwarded_and_comes_back_is_no_duplicate() {
    let rules = "set sendmail \"SENDMAIL\"\nwhen duplicate -> discard \"seen\"\n\
                 when duplicate of \"{message-id}\" within 1d -> discard \"seen\"\n";
    for action in ["forward", "copy \"A\"\nforward", "forward copy"] {
        let home = home(&format!("{rules}{action} \"a@x.example\"\n"), "cat > sent");
        let kept = usize::from(action != "forward");
        delivered(&home.deliver(MESSAGE));
        assert_eq!(home.mail().len(), kept, "{action}");
        delivered(&home.deliver(MESSAGE));
        assert_eq!(home.mail().len(), kept, "{action}: a second copy is one");
        let back = format!("Received: by x.example\n{}", text(&home, "sent"));
        for _ in 0..2 {
            delivered(&home.deliver(back.as_bytes()));
            assert_eq!(home.mail().len(), 1, "{action}: {}", log(&home));
        }
    }
}

/// A copy is in `A`, so nobody is told that the message was refused.
#[test]
fn what_is_stored_in_part_is_not_refused_for_want_of_room() {
    let rules = "set over-quota permanent\nset sendmail \"SENDMAIL\"\ncopy \"A\"\n\
                 forward \"a@x.example\"\n";
    let home = home(rules, "exit 69");
    home.write("Maildir/maildirsize", format!("{}S\n", MESSAGE.len() + 1));
    let run = home.deliver(MESSAGE);
    deferred(&run);
    assert_eq!(run.stderr, "4.2.2 the mailbox is full\n");
    assert_eq!(places(&home), [(".A".to_owned(), true)]);
    let other = [MESSAGE, b"more\n"].concat();
    assert_eq!(home.deliver(&other).code, Some(77));
    home.write("Maildir/maildirsize", "9999S\n");
    delivered(&home.deliver(MESSAGE));
    let mut places = places(&home);
    places.sort();
    assert_eq!(places, [(String::new(), true), (".A".to_owned(), true)]);
}

#[test]
fn a_refused_copy_is_reported_and_loses_nothing() {
    let set = "set sendmail \"SENDMAIL\"\n";
    for (rules, folders) in [
        ("forward copy \"a@x.example\"\nfolder \"A\"\n", vec![".A"]),
        ("copy \"A\"\nforward \"a@x.example\"\n", vec![".A", ""]),
        ("copy \"INBOX\"\nforward \"a@x.example\"\n", vec![""]),
        ("forward copy \"a@x.example\"\ndiscard\n", vec![""]),
        ("forward copy \"a@x.example\"\nforward copy \"b@x.example\"\ndiscard\n", vec![""]),
        ("copy \"A\"\nforward copy \"a@x.example\"\ndiscard\n", vec![".A"]),
    ] {
        for state in ["", "set log off\n"] {
            let home = home(&format!("{set}{state}{rules}"), "exit 67");
            if !state.is_empty() {
                // Where nothing can be recorded the result is the same.
                home.write(".local/state", "no directory\n");
            }
            delivered(&home.deliver(MESSAGE));
            let mut found: Vec<String> = home.mail().into_iter().map(|mail| mail.folder).collect();
            found.sort_unstable_by(|a, b| b.cmp(a));
            assert_eq!(found, folders, "{rules}");
            if state.is_empty() {
                let is_dropped = rules.starts_with("copy") && rules.ends_with("discard\n");
                assert_eq!(log(&home).contains(" discarded "), is_dropped, "{}", log(&home));
            }
        }
    }
}

/// A copy that is not sent, because a template yields something that is not an address or
/// the message has gone in circles, is not a reason to drop the message.
#[test]
fn what_could_not_be_forwarded_is_not_dropped() {
    let target = "forward copy \"{subject}\"";
    for (rules, folders) in [
        (format!("{target}\ndiscard\n"), vec![""]),
        (format!("{target}, discard\n"), vec![""]),
        (format!("set me \"taro@example.jp\"\n{target}\nreject \"5.7.1 no\"\n"), vec![""]),
        (format!("copy \"A\"\n{target}\ndiscard\n"), vec![".A"]),
        (format!("{target}\nfolder \"A\"\n"), vec![".A"]),
        (format!("{target}\nforward copy \"a@x.example\"\ndiscard\n"), vec![]),
    ] {
        let home = home(&format!("set sendmail \"SENDMAIL\"\n{rules}"), "cat > sent");
        // Automatic mail is discarded where a rule rejects it.
        let automatic = [b"Auto-Submitted: auto-generated\n", MESSAGE].concat();
        delivered(&home.deliver(&automatic));
        let found: Vec<String> = home.mail().into_iter().map(|mail| mail.folder).collect();
        assert_eq!(found, folders, "{rules}");
        let log = log(&home);
        assert!(log.contains("is not an address"), "{log}");
        assert_eq!(log.contains("no discard: "), folders == [""], "{log}");
    }
}

#[test]
fn what_was_refused_for_good_is_not_done_again() {
    // The first address is refused, the second one's server is busy.
    let script = "case \"$*\" in *a@x*) echo a >> refused; exit 67 ;; esac; \
                  echo try >> tries; test $(wc -l < tries) -gt 1 || exit 75; cat > sent";
    let rules = "set sendmail \"SENDMAIL\"\nforward copy \"a@x.example\"\n\
                 forward copy \"b@x.example\"\ndiscard\n";
    let home = home(rules, script);
    deferred(&home.deliver(MESSAGE));
    assert_eq!(places(&home), [(String::new(), true)], "stored, and noted");
    delivered(&home.deliver(MESSAGE));
    assert_eq!(places(&home), [(String::new(), true)], "not stored again");
    assert_eq!(text(&home, "refused"), "a\n", "not tried again");
    assert!(text(&home, "sent").ends_with("\n\nbody\n"));
    assert!(home.run(&["state"], b"").stdout.contains("half-done  no delivery"));
    assert!(!log(&home).contains("\tdiscarded") && !log(&home).contains(" discarded "));

    // Finally refused too: one copy in the inbox is enough.
    let home = self::home(rules, &script.replace("cat > sent", "exit 67"));
    deferred(&home.deliver(MESSAGE));
    delivered(&home.deliver(MESSAGE));
    assert_eq!(places(&home), [(String::new(), true)], "stored once for both");

    // So is one that an earlier try has put there.
    let rules = "set sendmail \"SENDMAIL\"\ncopy \"INBOX\"\nforward \"a@x.example\"\n";
    let busy = "echo try >> tries; test $(wc -l < tries) -gt 1 || exit 75; exit 67";
    let home = self::home(rules, busy);
    deferred(&home.deliver(MESSAGE));
    delivered(&home.deliver(MESSAGE));
    assert_eq!(places(&home), [(String::new(), true)], "stored once");

    // Where it cannot be stored, the next try does both.
    let rules = "set sendmail \"SENDMAIL\"\nrun \"~/bin/count\"\nforward \"a@x.example\"\n";
    let home = self::home(rules, "exit 67");
    program(&home, "count", "echo ran >> ran");
    home.write("Maildir", "no directory");
    deferred(&home.deliver(MESSAGE));
    fs::remove_file(home.path().join("Maildir")).expect("it is there");
    delivered(&home.deliver(MESSAGE));
    assert_eq!(places(&home), [(String::new(), true)]);
    assert_eq!(text(&home, "ran"), "ran\n");
}

#[test]
fn a_target_that_is_too_long_is_none() {
    let address = |length: usize| format!("{}@x.example", "a".repeat(length - 10));
    for field in ["reply-to", "subject"] {
        let rules = format!("set sendmail \"SENDMAIL\"\nforward \"{{{field}}}\"\n");
        for (length, is_sent) in [(254, true), (255, false), (320, false), (140_000, false)] {
            let home = home(&rules, SENDMAIL);
            let mail = format!("Reply-To: {0}\nSubject: {0}\n\nbody\n", address(length));
            let mail = mail.as_bytes();
            delivered(&home.deliver(mail));
            assert_eq!(text(&home, "sent").contains(&address(254)), is_sent, "{length}");
            assert_eq!(home.mail().is_empty(), is_sent, "{length}");
            let shown = home.run(&["--test"], mail).stdout;
            for log_text in [log(&home), shown] {
                let is_told = log_text.contains("is longer than an address can be, 254 bytes")
                    || field == "reply-to"
                        && length > 320
                        && log_text.contains("is not an address");
                assert!(is_told != is_sent, "{field} {length}");
                let why =
                    log_text.lines().find(|line| line.contains("no forward")).unwrap_or_default();
                assert!(why.len() < 3000, "{why}");
            }
        }
    }
    let home = home(&format!("forward \"{}\"\n", address(255)), SENDMAIL);
    assert!(home.run(&["check"], b"").stdout.contains("is not a valid address"));
}

#[test]
fn what_a_sender_wrote_keeps_no_program_from_starting() {
    let long = "a".repeat(200_000);
    let words = "\"{subject}\" ".repeat(40);
    let rules = format!("pipe \"PROGRAM\" {words}\n");
    let home = home(&rules, "printf '%s' \"$*\" | wc -c > words; echo $# >> words");
    let mail = format!("Return-Path: <{long}@x.example>\nSubject: {long}\n\nbody\n");
    delivered(&home.deliver(mail.as_bytes()));
    let log_text = text(&home, "words");
    let numbers: Vec<usize> = log_text.lines().map(|line| line.trim().parse().unwrap()).collect();
    assert!(numbers[0] > 60_000 && numbers[1] == 40, "{log_text}");
    let home = self::home("set sendmail \"SENDMAIL\"\nforward \"a@x.example\"\n", SENDMAIL);
    delivered(&home.deliver(mail.as_bytes()));
    assert!(text(&home, "sent").starts_with("-i\n-f\n\n--\na@x.example\n"), "a null sender");
}

#[test]
fn an_answer_that_is_refused_costs_nothing() {
    for end in ["exit 67", "exit 75"] {
        let rules = "set sendmail \"SENDMAIL\"\nset me \"taro@example.jp\"\nreply \"~/away\"\n";
        let home = home(rules, end);
        home.write("away", "I am away.\n");
        delivered(&home.deliver(MESSAGE));
        assert_eq!(places(&home), [(String::new(), true)]);
        let log_text = log(&home);
        assert!(log_text.contains(&end.replace("exit", "ended with status")), "{log_text}");
    }
}

#[test]
fn a_kill_between_the_steps_doubles_nothing() {
    let rules = "set sendmail \"SENDMAIL\"\ncopy \"A\"\ncopy \"B\"\nforward \"a@x.example\"\n";
    let home =
        home(rules, "echo try >> tries; test $(wc -l < tries) -gt 1 || kill -9 $PPID; cat > sent");
    let run = home.deliver(MESSAGE);
    assert_eq!(run.signal, Some(9), "{run:?}");
    delivered(&home.deliver(MESSAGE));
    let folders: Vec<_> = home.mail().into_iter().map(|mail| mail.folder).collect();
    assert_eq!(folders, [".A", ".B"]);
    assert!(text(&home, "sent").ends_with("\n\nbody\n"));
}

#[test]
fn mail_is_delivered_without_state() {
    let rules = "set sendmail \"SENDMAIL\"\nset log off\nlist white \"~/white\"\n\
                 when duplicate -> discard\nadd from to white\nreply \"~/away\"\ncopy \"A\"\n\
                 forward \"a@x.example\"\n";
    let home = home(rules, "echo try >> tries; test $(wc -l < tries) -gt 1 || exit 75; cat > sent");
    home.write("away", "I am away.\n");
    home.write(".local/state", "no directory");
    deferred(&home.deliver(MESSAGE));
    assert_eq!(home.mail().len(), 0, "taken back, because it cannot be recorded");
    delivered(&home.deliver(MESSAGE));
    assert_eq!(home.mail().len(), 1);
    assert_eq!(text(&home, "tries"), "try\ntry\n", "no answer without a memory");
    delivered(&home.deliver(MESSAGE));
    assert_eq!(home.mail().len(), 2, "no duplicate without a memory");
}

#[test]
fn a_full_state_directory_costs_no_mail() {
    let rules = "set sendmail \"SENDMAIL\"\nwhen duplicate -> discard\ncopy \"A\"\nrun \"true\"\n\
                 forward \"a@x.example\"\n";
    let home = home(rules, "cat > sent");
    let state = home.path().join(".local/state/mfilter");
    fs::create_dir_all(&state).expect("made");
    let mount = |arguments: &[&str]| {
        let mut command = std::process::Command::new(arguments[0]);
        command.args(&arguments[1..]).arg(&state);
        command.output().is_ok_and(|output| output.status.success())
    };
    if !mount(&["mount", "-t", "tmpfs", "-o", "size=8k,mode=0700", "tmpfs"]) {
        eprintln!("skipped: cannot mount a small tmpfs");
        return;
    }
    let _ = fs::write(state.join("full"), [0; 8192]);
    let run = home.deliver(MESSAGE);
    let full = fs::read_dir(&state).expect("readable").count();
    assert!(mount(&["umount"]));
    delivered(&run);
    assert!(full >= 1);
    assert_eq!(home.mail().len(), 1);
    assert!(text(&home, "sent").ends_with("\n\nbody\n"));
}

#[test]
fn a_duplicate_is_one_once_the_first_was_delivered() {
    let home = home("when duplicate -> discard \"seen\"\nwhen exists-not -> stop\n", "true");
    home.write(".mailrules", "when duplicate -> discard \"seen\"\nfolder \"A\"\n");
    home.write("Maildir/.A", "in the way");
    deferred(&home.deliver(MESSAGE));
    fs::remove_file(home.path().join("Maildir/.A")).expect("removed");
    let shown = home.run(&["--test"], MESSAGE).stdout;
    assert!(
        shown.contains("=> folder \"A\"") && shown.contains("record the Message-ID"),
        "{shown}"
    );
    delivered(&home.deliver(MESSAGE));
    let other_way = [b"Received: by another\n", MESSAGE].concat();
    delivered(&home.deliver(&other_way));
    assert_eq!(home.mail().len(), 1);
    assert!(log(&home).contains("discarded text=\"seen\""));
    let shown = home.run(&["--test"], MESSAGE).stdout;
    assert!(shown.contains("=> discard") && shown.contains("+ delivered "), "{shown}");
    let later = "2098-01-01T00:00:00Z";
    let shown = home.run(&["--test", "--now", later], MESSAGE).stdout;
    assert!(shown.contains("=> folder \"A\""), "{shown}");
    let state = home.run(&["state"], b"").stdout;
    assert!(state.contains("seen       1 delivered"), "{state}");
}

#[test]
fn a_list_is_edited_once_nothing_can_defer_the_message() {
    let rules = "set sendmail \"SENDMAIL\"\nlist had \"~/had\"\n\
                 when from in had -> discard \"had one\"\nadd from to had\n";
    for action in ["pipe \"PROGRAM\"", "forward \"a@x.example\""] {
        let home = home(&format!("{rules}{action}\n"), "test -e up && cat > sent");
        home.write("had", "");
        deferred(&home.deliver(MESSAGE));
        assert_eq!(text(&home, "had"), "");
        home.write("up", "");
        delivered(&home.deliver(MESSAGE));
        assert!(text(&home, "sent").ends_with("\n\nbody\n"), "{action}: {}", log(&home));
        assert_eq!(text(&home, "had"), "hanako@sender.example\n");
        delivered(&home.deliver(MESSAGE));
        assert!(log(&home).contains("discarded text=\"had one\""));
    }
}

#[test]
fn only_one_of_many_at_the_same_moment_is_delivered() {
    let home = Home::with_rules("when duplicate -> discard\nfolder \"A\"\n");
    let home = &home;
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(move || delivered(&home.deliver(MESSAGE)));
        }
    });
    assert_eq!(home.mail().len(), 1);
    let state = home.path().join(".local/state/mfilter/under-way");
    assert_eq!(fs::read_dir(state).expect("is there").count(), 0);
}

#[test]
fn lists_learn_and_nothing_hostile_gets_in() {
    let rules = "list white \"~/lists/white\"\n\
                 when from in white -> folder \"Known\"\nadd from to white\n";
    let home = home(rules, "true");
    home.write("lists/white", "# mine\nfriend@example.jp # dear\n");
    let home = &home;
    std::thread::scope(|scope| {
        for number in 0..30 {
            scope.spawn(move || {
                let mail = format!("From: Someone <N{number}@X.example>\nSubject: x\n\nx\n");
                delivered(&home.deliver(mail.as_bytes()));
            });
        }
    });
    let list = text(home, "lists/white");
    assert!(list.starts_with("# mine\nfriend@example.jp # dear\n"), "{list}");
    assert_eq!(list.lines().count(), 32, "{list}");
    delivered(&home.deliver(b"From: n7@x.example\n\nx\n"));
    assert_eq!(home.mail().iter().filter(|mail| mail.folder == ".Known").count(), 1);
    for hostile in ["*@x.example", "\"*\"@y.example", "@x.example", "a@b#c", "/./@x"] {
        delivered(&home.deliver(format!("From: <{hostile}>\n\nx\n").as_bytes()));
    }
    let long = "a".repeat(9 << 20);
    delivered(&home.deliver(format!("From: <{long}@x.example>\n\nx\n").as_bytes()));
    assert_eq!(text(home, "lists/white"), list);
    home.write(".mailrules", "list white \"~/lists/white\"\nremove from from white\n");
    delivered(&home.deliver(b"From: Friend@Example.jp\n\nx\n"));
    let less = text(home, "lists/white");
    assert_eq!(less.lines().count(), 31);
    assert!(less.starts_with("# mine\n") && !less.contains("friend"), "{less}");
}

#[test]
fn a_list_that_is_too_large_is_reported() {
    let rules = "list white \"~/white\"\n\
                 when from in white -> folder \"Known\"\nadd from to white\n";
    let home = home(rules, "true");
    home.write("white", "");
    let list = std::fs::OpenOptions::new().write(true).open(home.path().join("white"));
    list.expect("the list").set_len((256 << 20) + 1).expect("a hole");
    delivered(&home.deliver(b"From: a@b.example\n\nx\n"));
    assert_eq!(home.mail().len(), 1);
    let log = log(&home);
    assert!(log.contains("it is larger than 256 MB; rules that need it did not match"), "{log}");
    assert!(log.contains("is not edited: it would be larger than 256 MB"), "{log}");
}

/// Without a descriptor for its pipes, nobody knows what a filter would have said.
#[test]
fn a_filter_that_cannot_be_run_for_want_of_descriptors_drops_no_mail() {
    let home = home("filter \"cat\"\nwhen filter-failed -> discard\nfolder \"A\"\n", SENDMAIL);
    let mut deferred = 0;
    for descriptors in 4..24 {
        let before = home.mail().len();
        let script = format!("ulimit -n {descriptors}; exec \"$0\"");
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &script, MFILTER]).env_clear().env("HOME", home.path());
        let run = run(shell, MESSAGE);
        match run.code {
            Some(0) => assert_eq!(home.mail().len(), before + 1, "{descriptors}: {run:?}"),
            _ => assert_eq!(run.code, Some(75), "{descriptors}: {run:?}"),
        }
        deferred += u32::from(run.code == Some(75) && run.stderr.contains("`cat`"));
    }
    assert!(deferred > 0 && !home.mail().is_empty());
}

#[test]
fn an_answer_goes_once_to_people_alone() {
    let rules =
        "set sendmail \"SENDMAIL\"\nset me [\"taro@example.jp\"]\nreply \"~/away\" every 7d\n";
    let home = home(rules, SENDMAIL);
    home.write("away", "Subject: Re: {subject}\n\n{from} さん、休みです。{nonsense}\n");
    delivered(&home.deliver(MESSAGE));
    delivered(&home.deliver(MESSAGE));
    assert_eq!(home.mail().len(), 2);
    let sent = text(&home, "sent");
    assert_eq!(sent.matches("----").count(), 1, "once: {sent}");
    let replied = |line: &&str| line.contains(" replied ");
    assert_eq!(log(&home).lines().filter(replied).count(), 1, "{}", log(&home));
    assert!(sent.starts_with("-i\n-f\n\n--\nhanako@sender.example\n"), "{sent}");
    for line in [
        "From: <taro@example.jp>",
        "Auto-Submitted: auto-replied",
        "Subject: Re: -rf hello",
        "In-Reply-To: <1@sender.example>",
        "References: <1@sender.example>",
    ] {
        assert!(sent.lines().any(|known| known == line), "{line}: {sent}");
    }
    let message = |extra: &str, from: &str, to: &str| {
        format!("Return-Path: <{from}>\n{extra}From: x@y.example\nTo: {to}\nSubject: x\n\nx\n")
    };
    let mine = "taro@example.jp";
    for (extra, from, to) in [
        ("", "", mine),
        ("", "taro@example.jp", mine),
        ("", "owner-list@y.example", mine),
        ("", "MAILER-DAEMON@y.example", mine),
        ("", "no-reply@y.example", mine),
        ("", "x@y.example", "other@example.jp"),
        ("Auto-Submitted: auto-replied\n", "x@y.example", mine),
        ("Precedence: bulk\n", "x@y.example", mine),
        ("List-Id: <l.y.example>\n", "x@y.example", mine),
        ("List-Unsubscribe: <mailto:l@y.example>\n", "x@y.example", mine),
        ("X-Spam-Flag: YES\n", "x@y.example", mine),
        ("X-Auto-Response-Suppress: OOF\n", "x@y.example", mine),
    ] {
        delivered(&home.deliver(message(extra, from, to).as_bytes()));
        assert_eq!(text(&home, "sent"), sent, "{extra}{from} {to}");
    }
    delivered(&home.deliver(message("Auto-Submitted: no\n", "x@y.example", mine).as_bytes()));
    assert_eq!(text(&home, "sent").matches("----").count(), 2);
    // The tag of BATV is another one each day, and so is a forwarder's.
    for from in [
        "prvs=2345abcdef=x@y.example",
        "prvs=3456abcdef=x@y.example",
        "SRS0=ab12=X5=y.example=x@forwarder.example",
        "prvs=4567abcdef=no-reply@y.example",
    ] {
        delivered(&home.deliver(message("", from, mine).as_bytes()));
        assert_eq!(text(&home, "sent").matches("----").count(), 2, "{from}");
    }
    fs::remove_file(home.path().join("away")).expect("removed");
    delivered(&home.deliver(message("", "z@y.example", mine).as_bytes()));
    assert!(log(&home).contains("cannot be read"), "{}", log(&home));
}

/// What a sender wrote cannot add a header to an answer; the answer's addresses are those
/// of the rule, and its handle identifies it whatever it says.
#[test]
fn an_answer_in_the_rules_has_what_they_say_and_no_header_more() {
    let rules = |text: &str| {
        format!(
            "set sendmail \"SENDMAIL\"\nreply {{ subject \"不在: {{subject}}\\nBcc: v@x.example\" \
             from \"Taro, Sales <taro@example.jp>\" for [\"alias@example.jp\"] handle \"h\" \
             text \"\"\"\n    Dear {{from.name}},\n\n      {text}\n    \"\"\" }}\n"
        )
    };
    let home = home(&rules("away"), SENDMAIL);
    let message = |subject: &str, to: &str| {
        format!(
            "Return-Path: <hanako@sender.example>\nFrom: \"Hana\\\"\" <hanako@sender.example>\n\
             To: {to}\nSubject: {subject}\n\nx\n"
        )
    };
    // `a`, a line break, `Bcc: w@x.example`
    let hostile = "=?utf-8?B?YQ0KQmNjOiB3QHguZXhhbXBsZQ==?=";
    delivered(&home.deliver(message("x", "other@example.jp").as_bytes()));
    assert!(!home.path().join("sent").exists(), "it is to nobody of ours");
    delivered(&home.deliver(message(hostile, "alias@example.jp").as_bytes()));
    let sent = text(&home, "sent");
    let answer = &sent[sent.find("From: ").expect("a header")..];
    let (head, body) = answer.split_once("\n\n").expect("a body");
    assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{sent}");
    assert!(head.contains("From: \"Taro, Sales\" <taro@example.jp>\n"), "{sent}");
    assert!(body.contains("Dear Hana\",\n\n  away\n"), "{sent}");
    let program = home.path().join("bin/program").display().to_string();
    home.write(".mailrules", rules("away for longer").replace("SENDMAIL", &program));
    delivered(&home.deliver(message("again", "alias@example.jp").as_bytes()));
    assert_eq!(text(&home, "sent"), sent, "once by its handle");
}

#[test]
fn an_answer_that_was_not_sent_is_sent_next_time() {
    let rules = "set sendmail \"SENDMAIL\"\nset me [\"taro@example.jp\"]\nreply \"~/away\"\n";
    let home = home(rules, "echo try >> tries; test $(wc -l < tries) -gt 1 || exit 75; cat > sent");
    home.write("away", "Away.\n");
    delivered(&home.deliver(MESSAGE));
    delivered(&home.deliver(MESSAGE));
    assert_eq!(home.mail().len(), 2, "an answer never keeps mail waiting");
    assert!(text(&home, "sent").contains("Away.\n"));
}
