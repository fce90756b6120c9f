//! What no rule asks for costs nothing: no file is opened for it, and the body of the
//! message is not read.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;

use crate::support::strace::{STRACE, call, cannot_trace, described, quoted};
use crate::support::{Home, MFILTER, run, skipped};
use mfilter::classify::CLASSIFIERS;
use mfilter::evaluate::{self, Detail, NoFilters};
use mfilter::load;
use mfilter::message::Message;
use mfilter::plan::StepKind;
use mfilter::rules::compiled::CompiledProgram;
use mfilter::rules::field::FIELDS;
use mfilter::rules::rule_set::RuleSet;
use mfilter::world::World;

const FIRES: &str = "when subject is \"hello\" -> folder \"A\"\n";

/// Everything that is touched when cached rules look at the header.
const PLAIN: &[&str] = &[
    "/etc/mfilter/site.mailrules",
    "~/.cache/mfilter/rules",
    "~/.local/state/mfilter/log",
    "~/.mailrules",
    "~/Maildir",
    "~/Maildir/.A",
    "~/Maildir/.A/new",
    "~/Maildir/.A/new/message",
    "~/Maildir/.A/tmp",
    "~/Maildir/.A/tmp/message",
    "~/Maildir/maildirsize",
];

/// Declarations, a rule that asks for something, and what is opened for it.
/// For a large message's body there is a file without a name in `~/tmp`.
const ASKING: &[(&str, &str, &str)] = &[
    ("list friends \"~/friends\"", "when from in friends -> copy \"B\"", "~/friends"),
    ("list known sent \"Sent\"", "when from in known -> copy \"B\"", "~/Maildir/.Sent/cur"),
    ("list known sent \"Sent\"", "when in-my-thread -> copy \"B\"", "~/Maildir/.Sent/cur"),
    ("list muted \"~/muted\"", "when thread in muted -> copy \"B\"", "~/muted"),
    ("list cards vcard \"~/cards\"", "when from in cards -> copy \"B\"", "~/cards"),
    ("list cards vcard \"~/cards\"", "when pretender -> copy \"B\"", "~/cards"),
    ("", "when time >= 00:00 -> copy \"B\"", "/etc/localtime"),
    ("", "when now >= 2020-01-01T00:00 -> copy \"B\"", "/etc/localtime"),
    ("", "when subject is \"hello\" -> copy \"B {date:%Y}\"", "/etc/localtime"),
    ("set me \"taro@b.example\"", "reply \"~/away\"", "~/away"),
    ("", "when body contains \"end\" -> copy \"B\"", "~/tmp"),
    ("", "when encrypted -> copy \"B\"", "~/tmp"),
    ("", "when attachments > 3 -> copy \"B\"", "~/tmp"),
    ("", "when size > 5M -> copy \"B\"", "~/tmp"),
];

fn message(length: usize) -> String {
    let body = "a line\n".repeat(length / 7);
    format!(
        "Return-Path: <hanako@x.example>\nFrom: hanako@x.example\nTo: taro@b.example\n\
         In-Reply-To: <1@x.example>\nSubject: hello\n\n{body}end\n"
    )
}

/// A home with these rules and everything that they may ask for.
fn home(rules: &str) -> Home {
    let home = Home::with_rules(&format!("set sendmail \"/bin/true\"\n{rules}"));
    home.write("friends", "hanako@x.example\n");
    home.write("muted", "");
    home.write("away", "I am away.\n");
    home.write("cards/1.vcf", "BEGIN:VCARD\nEMAIL:hanako@x.example\nEND:VCARD\n");
    home.write("Maildir/.Sent/cur/1.x:2,S", "To: hanako@x.example\n\nx\n");
    home.write("tmp/keep", "");
    home
}

/// Every path that a delivery touches from the rules on, whether it exists or not, and
/// whatever else it creates: processes, threads, connections.
fn touched(home: &Home, message: &str) -> BTreeSet<String> {
    let (log, tmp) = (home.path().join("strace"), home.path().join("tmp"));
    let calls = "trace=%file,%network,clone,clone3,fork,vfork,memfd_create";
    let mut command = Command::new(STRACE);
    command.args(["-f", "-y", "-s", "400", "-e", calls, "-o"]).arg(&log).arg(MFILTER);
    command.env_clear().env("HOME", home.path()).env("TMPDIR", tmp).env("USER", "taro");
    let run = run(command, message.as_bytes());
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    let log = fs::read_to_string(log).expect("strace's log");
    let begins = |line: &&str| !line.contains("/.mailrules\"");
    let touched = log.lines().skip_while(begins).filter_map(|line| {
        let name = call(line)?;
        if !line.contains('"') || name == "memfd_create" {
            return Some(name.to_owned());
        }
        let path = match quoted(line, 0) {
            path if path.is_empty() => described(line, 0),
            path if path.starts_with('/') => path,
            path => format!("{}/{path}", described(line, 0)),
        };
        Some(plain(&path, home.path()))
    });
    touched.collect()
}

/// A path in a form that is the same for every home, message and set of rules.
fn plain(path: &str, home: &Path) -> String {
    let path = path.replace(&home.display().to_string(), "~");
    match path.rsplit_once('/') {
        Some((folder, _))
            if folder.starts_with("~/Maildir")
                && ["/tmp", "/new"].iter().any(|end| folder.ends_with(end)) =>
        {
            format!("{folder}/message")
        }
        Some((folder, name)) if name.starts_with("rules-") => format!("{folder}/rules"),
        _ => path,
    }
}

fn set<'a>(paths: impl IntoIterator<Item = &'a &'a str>) -> BTreeSet<String> {
    paths.into_iter().map(|path| path.to_string()).collect()
}

#[test]
fn no_file_is_opened_before_a_rule_asks() {
    if cannot_trace("counting what is opened") {
        return;
    }
    for (declared, asks, opened) in ASKING {
        for length in [100, 1_200_000] {
            let home = home(&format!("{declared}\n{FIRES}{asks}\n"));
            // The rules are checked here, and cached.
            let first = touched(&home, &message(length));
            for path in [*opened, "/etc/passwd", "/etc/nsswitch.conf", "/etc/localtime"] {
                assert!(!first.contains(path), "{asks}: {path} of {first:?}");
            }
            assert_eq!(touched(&home, &message(length)), set(PLAIN), "{asks}");
        }
        let home = home(&format!("{declared}\n{asks}\n{FIRES}"));
        home.deliver(message(100).as_bytes());
        let found = touched(&home, &message(1_200_000));
        assert!(found.contains(*opened), "{asks}: {found:?}");
        assert!(!found.contains("/etc/passwd"), "{asks}: {found:?}");
    }
}

/// Of an unchanged script only the link and its target are opened, not what is kept of
/// its versions and mistakes.
#[test]
fn only_the_file_of_a_known_script_is_opened() {
    if cannot_trace("counting what is opened for a script") {
        return;
    }
    let home = home(&format!("include sieve \"~/.dovecot.sieve\"\n{FIRES}"));
    home.write(
        "sieve/a.sieve",
        "require \"fileinto\";\nif header :is \"subject\" \"x\" { fileinto \"X\"; }\n",
    );
    symlink("sieve/a.sieve", home.path().join(".dovecot.sieve")).expect("a link");
    touched(&home, &message(100));
    let mut expected = set(PLAIN);
    expected.extend(["~/.dovecot.sieve".into(), "~/sieve/a.sieve".into()]);
    assert_eq!(touched(&home, &message(100)), expected);
    // What is known of an unusable one is cached too, with the last valid one in its place;
    // in addition only the record that the user was told is opened.
    home.write("sieve/a.sieve", "require \"enotify\"; notify \"mailto:a@b.example\";\n");
    let first = touched(&home, &message(100));
    assert!(first.iter().any(|path| path.contains("/last-good")), "{first:?}");
    let second = touched(&home, &message(100));
    let (told, rest): (BTreeSet<String>, BTreeSet<String>) =
        second.into_iter().partition(|path| path.contains("/mfilter/told"));
    assert_eq!((told.len(), rest), (2, expected));
}

/// Whatever rules ask for, no socket is opened except that of the system's log, and no
/// program is started except those that rules name: no shell, even if a value contains
/// what a shell would interpret.
#[test]
fn no_socket_is_opened_and_no_shell_is_started() {
    if cannot_trace("watching sockets and programs") {
        return;
    }
    const ALL: &str = "set me \"taro@b.example\"\nlist friends \"~/friends\"\n\
        filter \"/bin/cat\"\nrun \"/bin/true\" \"{subject}\"\nadd from to friends\n\
        reply \"~/away\"\nforward copy \"a@x.example\"\ncopy \"A\"\n\
        when s25r or verified or backscatter or link.host is \"x\" -> copy \"B\"\n\
        pipe \"/bin/true\" \"{subject}\"\n";
    let message = message(100).replace("hello", "; /bin/id | `id` $(id) > x &");
    for (log, sockets) in [("set log \"~/log\"", 0), ("set log off", 0), ("set log syslog", 1)] {
        let home = home(&format!("{log}\n{ALL}"));
        let trace = home.path().join("strace");
        let mut command = Command::new(STRACE);
        // Rust starts programs with a pair of sockets, which nobody else can reach.
        let calls = "trace=socket,connect,bind,listen,accept,accept4,sendto,execve,execveat";
        command.args(["-f", "-s", "400", "-e", calls, "-o"]);
        command.arg(&trace).arg(MFILTER);
        command.env_clear().env("HOME", home.path()).env("PATH", "/usr/bin:/bin");
        let run = run(command, message.as_bytes());
        assert_eq!(run.code, Some(0), "{run:?}");
        let trace = fs::read_to_string(trace).expect("strace's log");
        let mut calls: Vec<(&str, &str)> =
            trace.lines().filter_map(|line| Some((call(line)?, line))).collect();
        let first = calls.remove(0);
        assert!(first.0 == "execve" && quoted(first.1, 0) == MFILTER, "{first:?}");
        let (started, network): (Vec<_>, Vec<_>) =
            calls.into_iter().partition(|(name, _)| name.starts_with("exec"));
        let mut programs: Vec<String> = started.iter().map(|(_, line)| quoted(line, 0)).collect();
        programs.sort();
        let expected = ["/bin/cat", "/bin/true", "/bin/true", "/bin/true", "/bin/true"];
        assert_eq!(programs, expected, "{trace}");
        let opened = network.iter().filter(|(name, _)| *name == "socket").count();
        assert!(opened <= sockets, "{network:?}");
        for (name, line) in network {
            let is_log = match name {
                "socket" => line.contains("AF_UNIX"),
                "connect" | "sendto" => !line.contains("AF_INET"),
                _ => false,
            };
            assert!(is_log, "{line}");
        }
    }
}

#[test]
fn a_zone_costs_its_file_and_not_all_zones() {
    let zone = "/usr/share/zoneinfo/Asia/Tokyo";
    if cannot_trace("counting what is opened") || skipped("reading a zone", &[zone], false) {
        return;
    }
    let home = home("set timezone \"Asia/Tokyo\"\nwhen time >= 00:00 -> folder \"A\"\n");
    home.deliver(message(100).as_bytes());
    assert_eq!(touched(&home, &message(100)), set(PLAIN.iter().chain([&zone])));
}

#[test]
fn a_small_message_is_kept_in_memory() {
    if cannot_trace("counting what is opened") {
        return;
    }
    let home = home(&format!("when body contains \"no\" -> inbox\n{FIRES}"));
    home.deliver(message(100).as_bytes());
    assert_eq!(touched(&home, &message(100)), set(PLAIN));
}

/// A body that records that it was asked for.
struct Body {
    text: io::Cursor<&'static str>,
    asked: Rc<Cell<bool>>,
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.asked.set(true);
        self.text.read(buffer)
    }
}

const HEADER: &str = "From: hanako@x.example\nTo: taro@b.example\nSubject: hello\n\
    Date: Thu, 24 Dec 2026 20:00:00 +0900\nMessage-ID: <1@x.example>\n\
    MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n";

/// Whether these rules read the body of an everyday message.
fn reads_the_body(rules: &str) -> bool {
    let none = &mut |_: &Path| Err(io::ErrorKind::NotFound.into());
    let (_, checked) = load::check_bytes(Path::new("rules"), rules.as_bytes(), None, none);
    let program = checked.program.unwrap_or_else(|| panic!("{rules}: {:?}", checked.diagnostics));
    let all = RuleSet::alone(CompiledProgram::new(program));
    let asked = Rc::new(Cell::new(false));
    let body = Body { text: io::Cursor::new("hi\n"), asked: Rc::clone(&asked) };
    let input = Box::new(HEADER.as_bytes().chain(body));
    let message = Message::read(input, &std::env::temp_dir()).expect("a header");
    let plan = evaluate::run(&all, message, &World::default(), Detail::Plan, &mut NoFilters)
        .evaluation
        .plan;
    assert!(plan.steps.iter().any(|step| matches!(step.kind, StepKind::Deliver { .. })), "{rules}");
    asked.get()
}

/// A condition for each classifier and each field.
fn conditions() -> Vec<(&'static str, String)> {
    let classifiers = CLASSIFIERS.iter().map(|each| (each.name, each.name.to_owned()));
    let fields = FIELDS.iter().map(|field| {
        let named = matches!(field.name, "header" | "address" | "env");
        let name = if named { " \"X-A\"" } else { "" };
        (field.name, format!("has {}{name}", field.name))
    });
    classifiers.chain(fields).collect()
}

#[test]
fn what_reads_the_body_of_an_everyday_message() {
    let all = conditions();
    let readers = all.iter().filter(|(_, asks)| {
        reads_the_body(&format!("set me [\"taro@b.example\"]\nwhen {asks} -> copy \"B\"\n{FIRES}"))
    });
    let readers: Vec<&str> = readers.map(|(name, _)| *name).collect();
    let expected = [
        "encrypted",
        "password-protected",
        "signed",
        "body",
        "hidden-text",
        "charset",
        "link",
        "link.host",
        "attachment.name",
        "attachment.type",
        "attachment.size",
        "attachment.sha256",
        "size",
        "attachments",
    ];
    assert_eq!(readers, expected);
}

#[test]
fn what_no_rule_asks_for_reads_no_body() {
    for (_, asks) in conditions() {
        for rules in [
            format!("{FIRES}when {asks} -> folder \"B\"\n"),
            format!("when subject is \"other\" and {asks} -> folder \"B\"\n{FIRES}"),
            format!("when subject is \"hello\" or {asks} -> folder \"A\"\n"),
            format!("when subject is \"other\" {{\n  when {asks} -> folder \"B\"\n}}\n{FIRES}"),
            format!("define word = {asks}\n{FIRES}when word -> folder \"B\"\n"),
            format!("score points {{ +1 {asks} }}\n{FIRES}when points > 0 -> folder \"B\"\n"),
        ] {
            assert!(!reads_the_body(&rules), "{rules}");
        }
    }
}
