//! `mfilter why` and `mfilter stats`: what the log says about deliveries, by the rules as
//! they were then.

use std::fs;
use std::os::unix::net::UnixDatagram;

use crate::support;
use crate::support::strace::{STRACE, cannot_trace};
use crate::support::{Home, Run};
use serde_json::Value;

const OLD: &str = "rule \"shop\" when subject contains \"sale\" -> folder \"Shop\" as seen\n";
const NEW: &str = "# a line more\nwhen subject contains \"sale\" -> folder \"Junk\"\n\
                   when subject contains \"never\" -> discard\n";

fn message(id: &str, subject: &str) -> Vec<u8> {
    format!("Message-ID: <{id}>\nFrom: a@b.example\nSubject: {subject}\n\nhello\n").into_bytes()
}

fn why(home: &Home, arguments: &[&str]) -> Run {
    home.run(&[&["why"], arguments].concat(), b"")
}

fn json(run: &Run) -> Value {
    assert_eq!(run.stdout.lines().count(), 1, "{run:?}");
    serde_json::from_str(&run.stdout).expect("JSON")
}

fn delivered(home: &Home, message: &[u8]) {
    let run = home.run(&["-f", "a@b.example", "-d", "taro+x@c.example"], message);
    assert_eq!(run.code, Some(0), "{run:?}");
}

#[test]
fn a_delivery_by_another_file_of_rules_names_it() {
    let home = Home::with_rules("inbox\n");
    home.write("first.mailrules", "folder \"News\"\n");
    let first = home.path().join("first.mailrules").display().to_string();
    let run = home.run(&["--rules", &first], &message("1@a", "a sale"));
    assert_eq!(run.code, Some(0), "{run:?}");
    let output = why(&home, &["1@a"]).stdout;
    for part in [
        "rule \"~/first.mailrules:1\"",
        "it was delivered by the rules ~/first.mailrules (`--rules ~/first.mailrules`)",
        "the current rules would not put it into `News`",
    ] {
        assert!(output.contains(part), "{part}: {output}");
    }
    let output = why(&home, &["--rules", &first, "1@a"]).stdout;
    assert!(output.contains("still in force"), "{output}");
}

#[test]
fn the_rule_as_it_was_and_what_today_would_do() {
    let home = Home::with_rules(OLD);
    delivered(&home, &message("1@a", "a sale"));
    home.write(".mailrules", NEW);
    // No message has come since.
    let run = why(&home, &["1@a"]);
    assert!(run.stdout.contains(", edited since\n"), "{run:?}");
    delivered(&home, &message("2@a", "another sale"));

    for asked in ["1@a", "<1@a>"] {
        let run = why(&home, &[asked]);
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
        for part in [
            "<1@a>\n",
            "Z delivered  folder \"Shop\"",
            "from \"a@b.example\"  for \"taro+x@c.example\"",
            ", with 1 newer version\n",
            ".mailrules:1  rule \"shop\" when subject contains \"sale\" -> folder \"Shop\" as seen\n",
            "  yes    1  rule \"shop\" when",
            "  => folder \"Shop\" as seen  (line 1, rule \"shop\")\n",
            "\nthe current rules would give a different result\n  => folder \"Junk\"\n",
            ".mailrules:2  when subject contains \"sale\" -> folder \"Junk\"\n",
        ] {
            assert!(run.stdout.contains(part), "{part}\n{}", run.stdout);
        }
        assert_eq!(run.stdout.matches("/Maildir/").count(), 1, "its file, once: {}", run.stdout);
    }
    let output = json(&why(&home, &["2@a", "--json"]));
    assert_eq!(output["log"][0]["word"], "delivered");
    assert_eq!(output["rule"]["text"], "when subject contains \"sale\" -> folder \"Junk\"");
    assert_eq!((&output["today"]["same"], &output["versions_since"]), (&true.into(), &0.into()));
    assert_eq!(output["evaluated"]["steps"][0]["folder"], "Junk");
    assert!(output["notes"].as_array().is_some_and(Vec::is_empty), "{output}");
}

#[test]
fn a_message_is_found_wherever_it_went() {
    let home = Home::with_rules(OLD);
    delivered(&home, &message("1@a", "a sale"));
    let one = home.mail().remove(0);
    let name = one.path.file_name().expect("a name").to_string_lossy().into_owned();

    // A mail reader changes its flags, then moves it, finally under another name.
    let flagged = one.path.with_file_name(name.replace(":2,S", ":2,FS"));
    fs::rename(&one.path, &flagged).expect("renamed");
    let found = |expected: &std::path::Path| {
        let output = json(&why(&home, &["1@a", "--json"]));
        assert_eq!(output["file"], expected.display().to_string(), "{output}");
    };
    found(&flagged);
    let moved = home.path().join("Maildir/.Else/cur").join(flagged.file_name().expect("a name"));
    fs::create_dir_all(moved.parent().expect("a folder")).expect("made");
    fs::rename(&flagged, &moved).expect("moved");
    found(&moved);
    let other = moved.with_file_name("99.other:2,");
    fs::rename(&moved, &other).expect("renamed");
    found(&other);

    // Its file identifies it too, even if the header was lost.
    let output = json(&why(&home, &[other.to_str().expect("UTF-8"), "--json"]));
    assert_eq!(output["log"][0]["folder"], "Shop");
    fs::rename(&other, &moved).expect("renamed");
    fs::write(&moved, "Subject: a sale\n\n").expect("written");
    let output = json(&why(&home, &[moved.to_str().expect("UTF-8"), "--json"]));
    assert_eq!((&output["log"][0]["folder"], &output["message_id"]), (&"Shop".into(), &"".into()));

    fs::remove_file(&moved).expect("removed");
    let gone = why(&home, &["1@a"]);
    assert_eq!(gone.code, Some(0));
    assert!(
        gone.stdout.contains("its file is not found") && !gone.stdout.contains("yes"),
        "{gone:?}"
    );
    assert!(gone.stdout.contains("rule \"shop\" when subject"), "the rule is shown all the same");
}

#[test]
fn what_is_not_in_the_log_is_judged_by_the_current_rules() {
    let home = Home::with_rules(OLD);
    home.write("old.eml", message("9@a", "a sale"));
    let path = home.path().join("old.eml").display().to_string();
    let run = why(&home, &[&path]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stdout.contains("its delivery is not in the log"), "{run:?}");
    assert!(
        run.stdout.contains("=> folder \"Shop\" as seen")
            && !run.stdout.contains("the current rules would")
    );
    // In the Maildir its header identifies it.
    home.write("Maildir/cur/1.x:2,", message("8@a", "hello"));
    assert_eq!(json(&why(&home, &["8@a", "--json"]))["evaluated"]["steps"][0]["action"], "inbox");

    for (asked, output) in [
        ("7@a", "no log entry for <7@a>, neither"),
        ("no/such/file", "there is no file `no/such/file`"),
    ] {
        let run = why(&home, &[asked]);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{run:?}");
        assert!(run.stderr.contains(output), "{run:?}");
    }
}

/// A user who misses a message knows its sender, and is told if it was moved elsewhere.
#[test]
fn mail_of_a_sender_and_mail_that_was_moved() {
    let home = Home::with_rules("when subject is \"no\" -> discard\n");
    for (id, subject) in [("1@a", "hello"), ("2@a", "no")] {
        delivered(&home, &message(id, subject));
    }
    let run = why(&home, &["A@b.example"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines[0], "2 log entries from A@b.example");
    assert!(lines[1].contains("delivered  folder \"INBOX\"") && lines[1].ends_with("  <1@a>"));
    assert!(lines[2].contains(" discarded") && lines[2].ends_with("  <2@a>"), "{run:?}");
    let output = json(&why(&home, &["a@b.example", "--json"]));
    assert_eq!(output["log"][1]["id"], "<2@a>");
    let run = why(&home, &["2@a"]);
    assert!(run.stdout.contains("it was discarded: there is no file"), "{run:?}");
    assert!(!run.stdout.contains("text \"\""), "{run:?}");

    assert!(!why(&home, &["1@a"]).stdout.contains("moved it"));
    let file = home.mail().remove(0).path;
    let junk = home.path().join("Maildir/.Junk/cur");
    fs::create_dir_all(&junk).expect("made");
    fs::rename(&file, junk.join("1.x:2,S")).expect("moved");
    home.write(".mailrules", "when subject is \"hello\" -> inbox\n");
    let run = why(&home, &["1@a"]);
    let note = "mfilter put it into `INBOX`; you or another program moved it to `Junk`";
    assert!(run.stdout.contains(note), "{run:?}");
    assert!(!run.stdout.contains("then no rule decided"), "the rules of then: {run:?}");

    // The rules are the same, but the list is not.
    let home = Home::with_rules("list black \"black\"\nwhen from in black -> inbox as seen\n");
    home.write("black", "");
    delivered(&home, &message("3@a", "hello"));
    home.write("black", "a@b.example\n");
    let run = why(&home, &["3@a"]);
    assert!(run.stdout.contains("then no rule decided; a list, or the message"), "{run:?}");
}

/// `sort` and its undoing are no arrivals, and nobody else has moved the message.
#[test]
fn what_sort_has_moved_and_taken_back() {
    let home = Home::with_rules("inbox\n");
    delivered(&home, &message("1@a", "hello"));
    home.write(".mailrules", "when subject is \"hello\" -> folder \"Work\"\n");
    let counts = |home: &Home| {
        let stats = json(&home.run(&["stats", "--json"], b""));
        let mut folders: Vec<String> = stats["folders"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|of| format!("{} {} {} {}", of["folder"], of["came"], of["moved_in"], of["left"]))
            .collect();
        folders.sort();
        folders.join(", ").replace('"', "")
    };
    assert_eq!(home.run(&["sort"], b"").code, Some(0));
    assert_eq!(counts(&home), "INBOX 1 0 1, Work 0 1 0");
    let output = why(&home, &["1@a"]).stdout;
    assert!(output.contains("  by \"sort\"") && !output.contains("moved it"), "{output}");
    assert_eq!(home.run(&["sort", "--undo"], b"").code, Some(0));
    assert_eq!(counts(&home), "INBOX 1 1 1, Work 0 1 1");
    let output = why(&home, &["1@a"]).stdout;
    assert!(output.contains("`--undo` has put it back into `INBOX`"), "{output}");
    assert!(!output.contains("moved it") && !output.contains("judged again"), "{output}");
    let stats = home.run(&["stats"], b"").stdout;
    let row = |name: &str| {
        let line = stats.lines().find(|line| line.ends_with(name));
        line.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    assert_eq!(
        row("  folder").as_deref(),
        Some("arrived moved in left last 7 days per day folder")
    );
    assert_eq!(row("  INBOX").as_deref(), Some("1 1 1 +1 1.0 INBOX"), "{stats}");
}

#[test]
fn discarded_refused_and_duplicate_messages() {
    let home = Home::with_rules(
        "when duplicate -> folder \"Again\"\nwhen subject is \"no\" -> discard \"why not\"\n\
         when subject is \"never\" -> reject \"5.7.1 go away\"\n",
    );
    delivered(&home, &message("1@a", "x"));
    delivered(&home, &message("2@a", "no"));
    assert_eq!(home.deliver(&message("3@a", "never")).code, Some(77));
    assert!(why(&home, &["2@a"]).stdout.contains("discarded  text \"why not\""));
    assert!(why(&home, &["3@a"]).stdout.contains("refused  status \"5.7.1\"  text \"go away\""));

    // It had not been delivered before, though it has been by now.
    let first = json(&why(&home, &["1@a", "--json"]));
    assert_eq!(
        first["evaluated"]["steps"]
            .as_array()
            .and_then(|steps| steps.last())
            .map(|step| &step["action"]),
        Some(&"inbox".into())
    );
    std::thread::sleep(std::time::Duration::from_millis(20));
    delivered(&home, &message("1@a", "x"));
    let again = json(&why(&home, &["1@a", "--json"]));
    assert_eq!(again["log"].as_array().map(Vec::len), Some(2));
    let steps = again["evaluated"]["steps"].as_array().expect("steps");
    assert_eq!(steps.last().map(|step| &step["folder"]), Some(&"Again".into()), "{again}");
}

#[test]
fn broken_current_rules_hide_nothing() {
    let home = Home::with_rules(OLD);
    delivered(&home, &message("1@a", "a sale"));
    home.write(".mailrules", "when nonsense -> inbox\n");
    let run = why(&home, &["1@a"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(
        run.stdout.contains("the rules have a mistake") && run.stdout.contains("would do the same"),
        "{run:?}"
    );
    assert_eq!(home.run(&["stats"], b"").code, Some(0));
}

#[test]
fn a_log_elsewhere_or_nowhere() {
    let home = Home::with_rules(&format!("set log \"~/mail.log\"\n{OLD}"));
    delivered(&home, &message("1@a", "a sale"));
    fs::rename(home.path().join("mail.log"), home.path().join("mail.log.1")).expect("rotated");
    delivered(&home, &message("2@a", "a sale"));
    for id in ["1@a", "2@a"] {
        assert_eq!(json(&why(&home, &[id, "--json"]))["log"][0]["folder"], "Shop");
    }
    let stats = json(&home.run(&["stats", "--json"], b""));
    assert_eq!(stats["words"]["delivered"], 2);

    for (word, output) in
        [("syslog", "the log goes to the system's log"), ("off", "nothing is logged")]
    {
        home.write(".mailrules", format!("set log {word}\n{OLD}"));
        let run = why(&home, &["1@a"]);
        assert!(run.code == Some(0) && run.stdout.contains(output), "{run:?}");
        let stats = home.run(&["stats"], b"");
        assert!(stats.code == Some(2) && stats.stderr.contains(output), "{stats:?}");
    }
}

#[test]
fn nothing_in_the_log_reaches_a_terminal_raw() {
    let home = Home::with_rules("log \"{subject}\"\n");
    delivered(&home, &message("1\u{1b}[31m@a", "x\u{1b}]0;y\u{7} \u{202e}z"));
    let log = home.path().join(".local/state/mfilter/log");
    let mut text = fs::read_to_string(&log).expect("is there");
    text += "2026-01-02T03:04:05Z deli\u{1b}vered folder=\"x\"\n";
    text += "2026-01-02T03:04:05Z delivered folder=\"\\u001b[31m\\u202e\" rule=\"r\\u001b:1\" id=\"<1\\u001b[31m@a>\"\n";
    text += "half a li";
    fs::write(&log, text).expect("written");
    for run in
        [why(&home, &["1\u{1b}[31m@a"]), home.run(&["stats"], b""), why(&home, &["\u{1b}[31m@a"])]
    {
        let all = run.stdout + &run.stderr;
        assert!(!all.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{all:?}");
    }
    let stats = home.run(&["stats"], b"");
    assert!(stats.stdout.contains("2 damaged log lines were skipped"), "{stats:?}");
    let output = json(&why(&home, &["1\u{1b}[31m@a", "--json"]));
    assert_eq!(
        output["log"].as_array().map(Vec::len),
        Some(3),
        "values are as they were: {output}"
    );
}

#[test]
fn what_the_rules_did() {
    let home = Home::with_rules(OLD);
    for number in 0..3 {
        delivered(&home, &message(&format!("{number}@a"), "a sale"));
    }
    // The same rule, elsewhere in the file, is the same rule.
    let rules = "\n\ncopy \"All\"\nwhen subject is \"x\" {\n  when subject is \"y\" -> inbox\n}\n\
                 when subject is \"z\" -> mark seen\nwhen subject is \"never\" -> discard\n";
    home.write(".mailrules", format!("{rules}{OLD}"));
    delivered(&home, &message("3@a", "a sale"));
    delivered(&home, &message("4@a", "hello"));
    // A message that `sort` has moved.
    let log = home.path().join(".local/state/mfilter/log");
    let mut text = fs::read_to_string(&log).expect("is there");
    let time = text.split(' ').next().expect("a time").to_owned();
    let moved = "folder=\"Old\" was=\"Shop\" file=\"x\" by=\"sort\" rule=\"r:1\" id=\"<0@a>\"";
    text += &format!("{time} moved {moved}\n");
    text += "nonsense\n";
    fs::write(&log, text).expect("written");

    let stats = json(&home.run(&["stats", "--json"], b""));
    assert_eq!(stats["words"], serde_json::json!({"copied": 2, "delivered": 5, "moved": 1}));
    let folder = |name: &str| {
        let all = stats["folders"].as_array().expect("folders");
        all.iter().find(|folder| folder["folder"] == name).cloned().expect("is there")
    };
    assert_eq!((&folder("Shop")["came"], &folder("Shop")["left"]), (&4.into(), &1.into()));
    assert_eq!(
        (&folder("Shop")["grew_in_week"], &folder("Old")["moved_in"]),
        (&3.into(), &1.into())
    );
    assert_eq!(stats["rules"][0]["messages"], 4, "{stats}");
    assert_eq!(stats["rules"][0]["label"], "shop");
    assert!(stats["rules"][0]["place"].as_str().is_some_and(|place| place.ends_with(":9")));
    let never: Vec<&Value> = stats["never_fired"].as_array().expect("a list").iter().collect();
    assert_eq!(never.len(), 2, "{stats}");
    assert_eq!(never[0]["text"], "when subject is \"x\"");
    assert_eq!(never[1]["text"], "when subject is \"never\" -> discard");
    assert_eq!((&stats["damaged"], stats["median_ms"].is_number()), (&1.into(), true));

    let text = home.run(&["stats"], b"").stdout;
    for part in [
        "      5 delivered\n",
        "      4         0       1           +3",
        "       4  ",
        "\nrules that never fired in this period\n",
        "\n1 damaged log line was skipped\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn the_log_costs_one_write_and_the_history_none_when_nothing_changed() {
    if cannot_trace("counting writes") {
        return;
    }
    let home = Home::with_rules(&format!("log \"a\"\nlog \"b\"\ncopy \"C\"\n{OLD}"));
    delivered(&home, &message("1@a", "a sale"));
    let history = home.path().join(".local/state/mfilter/history");
    let listed = || {
        let mut names: Vec<_> = fs::read_dir(&history)
            .expect("is there")
            .map(|e| e.expect("read").file_name())
            .collect();
        names.sort();
        names
    };
    let before = listed();
    assert_eq!(before.len(), 1);
    let trace = home.path().join("trace");
    let mut command = std::process::Command::new(STRACE);
    command
        .args(["-f", "-y", "-e", "trace=write,openat,writev,pwrite64", "-o"])
        .arg(&trace)
        .arg(support::MFILTER);
    command.args(["--site", "/dev/null"]);
    command.env_clear().env("HOME", home.path());
    let run = support::run(command, &message("2@a", "a sale"));
    assert_eq!(run.code, Some(0), "{run:?}");
    let trace = fs::read_to_string(trace).expect("is there");
    let writes =
        trace.lines().filter(|line| line.contains("write(") && line.contains("/mfilter/log>"));
    assert_eq!(writes.count(), 1, "{trace}");
    assert!(!trace.contains("/history"), "{trace}");
    assert_eq!(listed(), before);
    let log = fs::read_to_string(home.path().join(".local/state/mfilter/log")).expect("is there");
    assert!(
        log.lines().last().is_some_and(|line| line.contains("note text=\"site rules")),
        "{log}"
    );
}

#[test]
fn a_missing_syslog_costs_nothing() {
    let home = Home::with_rules(&format!("set log syslog\n{OLD}"));
    let _ = UnixDatagram::unbound();
    delivered(&home, &message("1@a", "a sale"));
    assert!(!home.path().join(".local/state/mfilter/log").exists());
}

#[test]
fn a_message_that_sort_has_moved() {
    let home = Home::with_rules("otherwise -> inbox\n");
    delivered(&home, &message("1@a", "a sale"));
    home.write(".mailrules", OLD);
    let sorted = home.run(&["sort"], b"");
    assert_eq!(sorted.code, Some(0), "{sorted:?}");
    let output = json(&why(&home, &["1@a", "--json"]));
    let words: Vec<&Value> =
        output["log"].as_array().expect("lines").iter().map(|line| &line["word"]).collect();
    assert_eq!(words, ["delivered", "moved"]);
    assert_eq!(
        (&output["log"][1]["was"], &output["log"][1]["folder"]),
        (&"INBOX".into(), &"Shop".into())
    );
    assert_eq!(output["rule"]["text"], OLD.trim_end());
    assert_eq!(output["evaluated"]["steps"][0]["folder"], "Shop");
    assert!(output["file"].as_str().is_some_and(|file| file.contains("/.Shop/cur/")), "{output}");
    let stats = json(&home.run(&["stats", "--json"], b""));
    assert_eq!(
        stats["folders"][0],
        serde_json::json!({"folder": "Shop", "came": 0, "moved_in": 1, "left": 0, "grew_in_week": 1, "per_day": 0.0})
    );
}
