//! `mfilter lmtp` with a client that speaks LMTP: each recipient's mail is filed as the
//! program for one message files it, whatever a client sends or whatever is killed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use crate::support::dice::Dice;
use crate::support::lmtp_site::{self, Client, Site, signal, wire};
use crate::support::{MFILTER, left_in_tmp, long, mail, wait_for};

/// Folder, `new` or `cur`, flags and bytes of all mail, in no particular order.
fn stored(maildir: &Path) -> Vec<(String, String, String, String)> {
    let mut all: Vec<_> = mail(maildir)
        .into_iter()
        .map(|mail| (mail.folder.clone(), mail.sub.clone(), mail.flags.clone(), mail.text()))
        .collect();
    all.sort();
    all
}

const RULES: [&str; 12] = [
    "",
    "folder \"Work\"\n",
    "when subject contains \"1\" -> folder \"One\"\n",
    "when recipient.detail is \"shop\" -> folder \"Shop\"\n",
    "when from contains \"far.example\" -> folder \"Far/Deep\" as seen\n",
    "when subject contains \"2\" -> copy \"Two\"\notherwise -> mark flagged, inbox\n",
    "when subject contains \"3\" -> discard\n",
    "when subject contains \"4\" -> reject \"5.7.1 no mail of 4\"\n",
    "when subject contains \"5\" -> defer \"4.7.1 later\"\n",
    "when body contains \"needle\" -> folder \"Needle/In\"\n",
    "add-header \"X-Seen\" \"{subject}\"\nwhen has header \"x-list\" -> folder \"List\"\n",
    "when subject contains \"broken\n",
];

#[test]
fn each_recipient_gets_what_the_program_for_one_message_files() {
    let mut site = Site::new();
    let users: Vec<String> = (0..if long() { 50 } else { 12 }).map(|at| format!("u{at}")).collect();
    let twin = |user: &str| format!("twin-{user}");
    for rules in &RULES[..11] {
        site.user("checked", rules);
        let checked = site.deliver(&site.home("checked"), &["check"], b"");
        assert!(!checked.stdout.contains("error"), "{rules}: {checked:?}");
    }
    for (at, user) in users.iter().enumerate() {
        // Most have several rules.
        let rules = format!("{}{}", RULES[at % 11], RULES[(at * 7 + at / 11) % 11]);
        let rules = if at == 5 { RULES[11].to_owned() } else { rules };
        site.user(user, &rules);
        site.user(&twin(user), &rules);
    }
    site.start(&["--workers", "3"]);
    let mut dice = Dice(7);
    let mut client = site.connect();
    for number in 0..if long() { 1000 } else { 12 } {
        let mut to = Vec::new();
        for user in &users {
            match dice.roll(4) {
                0 => {}
                1 => to.push((user.clone(), format!("{user}+shop@a.example"), "shop")),
                _ => to.push((user.clone(), format!("{user}@a.example"), "")),
            }
        }
        for at in (1..to.len()).rev() {
            to.swap(at, dice.roll(at + 1));
        }
        let subject = dice.roll(7);
        let body = if dice.roll(2) == 0 { "a needle\n.dot\n..\n" } else { "From hay\n\n" };
        let list = if dice.roll(3) == 0 { "X-List: y\n" } else { "" };
        let message = format!(
            "From: a@far.example\nSubject: it is {subject}\n{list}Message-ID: <{number}@x>\n\n{body}"
        );
        let addresses: Vec<&str> = to.iter().map(|(_, address, _)| address.as_str()).collect();
        if addresses.is_empty() {
            continue;
        }
        let answers = client.deliver(&addresses, &wire(message.as_bytes())).expect("it is there");
        for ((user, address, detail), answer) in to.iter().zip(answers) {
            let whole =
                format!("Return-Path: <sender@far.example>\nDelivered-To: {address}\n{message}");
            let call = ["-f", "sender@far.example", "-d", address, "-a", detail];
            let run = site.deliver(&site.home(&twin(user)), &call, whole.as_bytes());
            let (code, text) = answer.split_at(3);
            let expected = match run.code {
                Some(0) => "250",
                Some(75) => "451",
                _ => "550",
            };
            assert_eq!(code, expected, "{answer}, and {run:?}");
            if expected != "250" {
                assert_eq!(text.trim(), run.stderr.trim(), "{user}");
            }
        }
    }
    for user in &users {
        let notice = |all: Vec<(String, String, String, String)>| {
            // The mail about a mistake contains the time and the path.
            all.into_iter()
                .map(|(folder, sub, flags, text)| match text.contains("From: mfilter <") {
                    true => (folder, sub, flags, "notice".to_owned()),
                    false => (folder, sub, flags, text),
                })
                .collect::<Vec<_>>()
        };
        let (mut ours, mut theirs) =
            (notice(stored(&site.maildir(user))), notice(stored(&site.maildir(&twin(user)))));
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs, "{user}");
        assert!(left_in_tmp(&site.maildir(user)).is_empty());
    }
    site.stop();
}

#[test]
fn a_change_of_rules_counts_with_the_next_message() {
    let mut site = Site::new();
    site.user("taro", "include \"more.mailrules\"\n");
    let more = site.home("taro").join("more.mailrules");
    fs::write(&more, "").expect("written");
    site.give(&more);
    site.start(&["--workers", "1"]);
    let mut client = site.connect();
    for (at, folder) in ["A", "B", "C"].into_iter().enumerate() {
        // Of the same length, within one clock tick.
        fs::write(&more, format!("folder \"{folder}\"\n")).expect("written");
        for _ in 0..2 {
            let answers = client.deliver(&["taro"], &wire(b"Subject: x\n\nx\n")).expect("there");
            assert!(answers[0].starts_with("250"), "{answers:?}");
        }
        let folders: Vec<String> =
            mail(&site.maildir("taro")).into_iter().map(|mail| mail.folder).collect();
        assert_eq!(folders.len(), 2 * (at + 1));
        assert_eq!(folders.iter().filter(|name| **name == format!(".{folder}")).count(), 2);
    }
    site.stop();
}

#[test]
fn nothing_smuggled_is_a_second_message() {
    let mut site = Site::new();
    site.user("taro", "");
    site.start(&[]);
    let evil = "MAIL FROM:<evil@x>\r\nRCPT TO:<taro>\r\nDATA\r\nSubject: evil\r\n\r\n";
    for end in
        ["\n.\n", "\n.\r\n", "\r.\r", "\r\n.\n", "\r\n.\r", "\r.\r\n", "\r\n\0.\r\n", "\n\r.\n"]
    {
        let mut client = site.connect();
        let text = format!("Subject: x\r\n\r\nbefore{end}{evil}");
        let answers = client.deliver(&["taro"], format!("{text}\r\n.\r\n").as_bytes());
        assert!(answers.expect("there")[0].starts_with("250"), "{end:?}");
        // One answer per command, and no more.
        assert!(client.ask("NOOP").expect("there").starts_with("250 2.0.0"));
        let kept = text.replace("\r\n.\n", "\r\n\n").replace("\r\n.\r", "\r\n\r");
        let kept = format!("{kept}\r\n").replace("\r\n", "\n");
        let all = mail(&site.maildir("taro"));
        assert_eq!(all.len(), 1, "{end:?}");
        let whole = format!("Return-Path: <sender@far.example>\nDelivered-To: taro\n{kept}");
        assert_eq!(all[0].text(), whole, "{end:?}");
        fs::remove_file(&all[0].path).expect("removed");
    }
    site.stop();
}

#[test]
fn large_messages_go_by_a_file_and_arrive_whole() {
    let mut site = Site::new();
    site.user("taro", "when body contains \"needle\" -> folder \"Found\"\n");
    site.user("hana", "");
    site.start(&["--message-size", "4000000"]);
    let mut client = site.connect();
    let line = format!("{}\n", "x".repeat(70));
    for size in [200_000, 300_000, 3_000_000] {
        let text = format!("Subject: {size}\n\nneedle\n{}", line.repeat(size / line.len()));
        let answers = client.deliver(&["taro", "hana"], &wire(text.as_bytes())).expect("there");
        assert!(answers.iter().all(|answer| answer.starts_with("250")), "{answers:?}");
        for (user, folder) in [("taro", ".Found"), ("hana", "")] {
            let all = mail(&site.maildir(user));
            let found = all.iter().find(|mail| mail.text().contains(&format!("Subject: {size}\n")));
            let found = found.expect("stored");
            assert_eq!(found.folder, folder);
            assert!(found.text().ends_with(&text), "{size}");
        }
    }
    let huge = line.repeat(5_000_000 / line.len());
    let answers = client.deliver(&["taro", "hana"], &wire(huge.as_bytes())).expect("there");
    assert!(answers.iter().all(|answer| answer.starts_with("552 5.3.4")), "{answers:?}");
    assert!(client.ask("NOOP").expect("there").starts_with("250"));
    site.stop();
}

/// Sends each message until it is accepted, on several connections; returns the number of
/// tries.
fn deliver_all(site: &Site, users: &[String], messages: usize, connections: usize) -> usize {
    let socket = site.socket();
    let tries = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for connection in 0..connections {
            let (socket, tries) = (&socket, &tries);
            scope.spawn(move || {
                let mut client = None;
                for number in (connection..messages).step_by(connections) {
                    let user = &users[number % users.len()];
                    let body = format!("{number} line\n").repeat(50);
                    let text = format!("Subject: m{number}\nX: y\n\n{body}end of {number}\n");
                    wait_for("a message to be taken", || {
                        tries.fetch_add(1, Ordering::Relaxed);
                        let open = client.get_or_insert_with(|| {
                            wait_for("the server", || Client::connect(socket).ok())
                        });
                        match open.deliver(&[user], &wire(text.as_bytes())) {
                            Ok(answers) if answers[0].starts_with("250") => Some(()),
                            Ok(answers) => {
                                assert!(answers[0].starts_with('4'), "{answers:?}");
                                None
                            }
                            Err(_) => {
                                client = None;
                                None
                            }
                        }
                    });
                }
            });
        }
    });
    tries.into_inner()
}

/// Whether each message is there exactly once and whole.
fn check_all(site: &Site, users: &[String], messages: usize, leaves_nothing: bool) {
    assert_eq!(wrong_counts(site, users, messages, leaves_nothing), []);
}

/// For messages that are not there exactly once: their number, and how often they are
/// there. Messages that are there must be whole.
fn wrong_counts(
    site: &Site,
    users: &[String],
    messages: usize,
    leaves_nothing: bool,
) -> Vec<(usize, usize)> {
    let mut count = BTreeMap::new();
    for user in users {
        for mail in mail(&site.maildir(user)) {
            let text = mail.text();
            let number = text.lines().find_map(|line| line.strip_prefix("Subject: m"));
            let Some(number) = number.and_then(|number| number.parse::<usize>().ok()) else {
                assert!(text.contains("was not filtered"), "{text}");
                continue;
            };
            assert!(text.ends_with(&format!("end of {number}\n")), "cut: {text}");
            assert_eq!(&users[number % users.len()], user);
            *count.entry(number).or_insert(0) += 1;
        }
        // A notice that was interrupted is not a user's mail.
        let left = left_in_tmp(&site.maildir(user));
        assert!(left.is_empty() || !leaves_nothing, "{left:?}");
    }
    (0..messages)
        .map(|number| (number, count.get(&number).copied().unwrap_or(0)))
        .filter(|(_, count)| *count != 1)
        .collect()
}

#[test]
fn workers_that_are_killed_lose_cut_and_double_nothing() {
    let mut site = Site::new();
    let users: Vec<String> = (0..8).map(|at| format!("u{at}")).collect();
    for user in &users {
        site.user(user, "when subject contains \"3\" -> folder \"Three\"\n");
    }
    site.start(&["--workers", "4"]);
    let messages = if long() { 10_000 } else { 200 };
    let is_over = AtomicBool::new(false);
    let killed = std::thread::scope(|scope| {
        let killer = scope.spawn(|| {
            let (mut killed, mut dice) = (0, Dice(3));
            while !is_over.load(Ordering::Relaxed) {
                let workers = site.workers();
                if !workers.is_empty() {
                    let at = dice.roll(workers.len());
                    signal(workers[at], Signal::KILL);
                    killed += 1;
                }
                std::thread::sleep(Duration::from_millis(5 + dice.roll(20) as u64));
            }
            killed
        });
        deliver_all(&site, &users, messages, 4);
        is_over.store(true, Ordering::Relaxed);
        killer.join().expect("no panic")
    });
    assert!(killed > 5, "{killed}");
    check_all(&site, &users, messages, false);
    site.stop();
}

/// A client that is gone before it hears of a delivery sends the message again. It is not
/// stored twice, and not refused for what its own first delivery has noted.
#[test]
fn a_client_that_hears_no_answer_may_send_the_message_again() {
    let mut site = Site::new();
    let rules = "list had \"had\"\nwhen from in had -> reject \"5.7.1 once is enough\"\n\
                 add from to had\nfolder \"A\"\n";
    site.user("taro", rules);
    site.user("hana", "inbox\n");
    site.start(&[]);
    let commands = "LHLO test\r\nMAIL FROM:<sender@far.example>\r\nRCPT TO:<taro@x.example>\r\n\
                    RCPT TO:<hana@x.example>\r\nDATA\r\n";
    let message = wire(b"From: sender@far.example\nSubject: x\n\nhi\n");
    let mut client = site.connect();
    client.send(commands).expect("there");
    for _ in 0..5 {
        client.answer().expect("there");
    }
    client.hear_nothing_more().expect("a socket");
    client.send(&message).expect("there");
    wait_for("the first delivery", || (!new_mail(&site, "taro", ".A").is_empty()).then_some(()));
    wait_for("the log", || site.output().contains("verdict=delivered").then_some(()));
    let retry = |text: &[u8]| {
        let to = ["taro@x.example", "hana@x.example"];
        site.connect().deliver(&to, text).expect("there")
    };
    let answers = retry(&message);
    assert!(answers.iter().all(|answer| answer.starts_with("250 ")), "{answers:?}");
    assert_eq!(new_mail(&site, "taro", ".A").len(), 1);
    assert_eq!(new_mail(&site, "hana", "").len(), 1);
    assert!(site.output().contains("verdict=recovered"), "{}", site.output());
    // The next one that is the same is another message.
    let answers = retry(&message);
    assert!(answers[0].starts_with("550 ") && answers[1].starts_with("250 "), "{answers:?}");
}

/// The files in `new` of a user's folder.
fn new_mail(site: &Site, user: &str, folder: &str) -> Vec<std::fs::DirEntry> {
    let new = site.maildir(user).join(folder).join("new");
    std::fs::read_dir(new).into_iter().flatten().flatten().collect()
}

#[test]
fn a_message_that_kills_is_in_the_inbox_after_the_third_try() {
    let mut site = Site::new();
    site.user("hana", "folder \"A\"\n");
    site.user("taro", "");
    let killer = site.home("taro").join("killer");
    fs::write(&killer, "#!/bin/sh\nkill -9 $PPID\nsleep 1\n").expect("written");
    fs::set_permissions(&killer, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("set");
    site.give(&killer);
    site.rules("taro", "when subject is \"boom\" -> filter \"killer\"\nfolder \"A\"\n");
    let config = site.path("lmtp.conf");
    fs::write(&config, format!("program killer = {}\n", killer.display())).expect("written");
    site.give(&config);
    site.start(&["--workers", "2", "--config", &config.display().to_string()]);
    let mut client = site.connect();
    let mut boom = |subject: &str| {
        let text = format!("Subject: {subject}\n\nx\n");
        let answers = client.deliver(&["taro", "hana"], &wire(text.as_bytes())).expect("there");
        answers.iter().map(|answer| answer[..3].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(boom("boom"), ["451", "250"]);
    assert_eq!(boom("fine"), ["250", "250"]);
    assert_eq!(boom("boom"), ["451", "250"]);
    assert_eq!(boom("boom"), ["250", "250"]);
    let all = stored(&site.maildir("taro"));
    let folders: Vec<&str> = all.iter().map(|(folder, ..)| folder.as_str()).collect();
    assert_eq!(folders, ["", "", ".A"], "{all:?}");
    assert!(all.iter().any(|(_, _, _, text)| text.contains("A message was not filtered")));
    assert_eq!(stored(&site.maildir("hana")).len(), 4);
    site.stop();
}

/// Delivers messages while the server behind one socket is ended again and again, each
/// time by `end`, after that many milliseconds; returns how often it was ended.
fn deliver_through_restarts(
    site: &Site,
    users: &[String],
    messages: usize,
    mut wait: impl FnMut() -> u64 + Send,
    end: impl Fn(&mut Child) + Sync,
) -> usize {
    // As systemd does: the socket exists whether or not a server runs.
    let listener = UnixListener::bind(site.socket()).expect("bound");
    let start = || {
        let socket = OwnedFd::from(listener.try_clone().expect("a copy"));
        site.spawn(site.command(&[]).stdin(socket))
    };
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let restarter = scope.spawn(|| {
            let mut restarts = 0;
            let mut server = start();
            while !is_over.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(wait()));
                end(&mut server);
                server = start();
                restarts += 1;
            }
            let _ = server.kill();
            let _ = server.wait();
            restarts
        });
        deliver_all(site, users, messages, CONNECTIONS);
        is_over.store(true, Ordering::Relaxed);
        restarter.join().expect("no panic")
    })
}

/// About the client whose server is restarted.
const CONNECTIONS: usize = 3;

fn users_without_rules(site: &Site) -> Vec<String> {
    let users: Vec<String> = (0..4).map(|at| format!("u{at}")).collect();
    users.iter().for_each(|user| site.user(user, ""));
    users
}

#[test]
fn restarts_lose_and_double_nothing() {
    let site = Site::new();
    let users = users_without_rules(&site);
    let messages = if long() { 20_000 } else { 300 };
    let wait = || if long() { 2000 } else { 200 };
    let restarts = deliver_through_restarts(&site, &users, messages, wait, |server| {
        signal(server.id(), Signal::HUP);
        std::thread::sleep(Duration::from_millis(50));
        signal(server.id(), Signal::TERM);
        let status = server.wait().expect("it is ours");
        assert!(status.success(), "{status}: {}", site.output());
    });
    assert!(restarts > 0);
    check_all(&site, &users, messages, true);
}

/// After a server that dies between storing a message and acknowledging it, the message
/// unavoidably comes again. Workers take back what they cannot report to it, so these are
/// only some of the messages that its clients were sending.
#[test]
fn a_server_that_is_killed_loses_and_cuts_nothing() {
    let site = Site::new();
    let users = users_without_rules(&site);
    let messages = if long() { 60_000 } else { 600 };
    let mut dice = Dice(7);
    // The time that it takes to start is included.
    let wait = move || 30 + dice.roll(120) as u64;
    let kills = deliver_through_restarts(&site, &users, messages, wait, |server| {
        server.kill().expect("it is ours");
        server.wait().expect("it is ours");
    });
    assert!(kills > if long() { 500 } else { 5 }, "{kills}");
    let wrong = wrong_counts(&site, &users, messages, false);
    let lost: Vec<_> = wrong.iter().filter(|(_, count)| *count == 0).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    let doubled: usize = wrong.iter().map(|(_, count)| count - 1).sum();
    assert!(doubled * 2 <= kills * CONNECTIONS, "{doubled} after {kills} kills");
}

#[test]
fn a_client_that_stalls_or_floods_costs_others_nothing() {
    let mut site = Site::new();
    site.user("taro", "");
    site.start(&["--connections", "10"]);
    // In the middle of a message, and without reading answers.
    let mut stalled = site.connect();
    stalled
        .send("LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<taro>\r\nDATA\r\nSubject: half")
        .expect("sent");
    let flood = UnixStream::connect(site.socket()).expect("it listens");
    flood.set_nonblocking(true).expect("set");
    while (&flood).write(&b"NOOP\r\n".repeat(1000)).is_ok() {}
    let idle: Vec<Client> = (0..8).map(|_| site.connect()).collect();
    // More connections than there are places: an idle one is closed.
    for _ in 0..5 {
        let mut client = site.connect();
        let answers = client.deliver(&["taro"], &wire(b"Subject: x\n\nx\n")).expect("there");
        assert!(answers[0].starts_with("250"), "{answers:?}");
    }
    drop((idle, flood));
    // Cut off at any byte: never half a message is stored.
    let whole =
        b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<taro>\r\nDATA\r\nSubject: cut\r\n\r\nx\r\n.\r\n";
    for end in (0..whole.len()).step_by(if long() { 1 } else { 9 }) {
        let mut stream = UnixStream::connect(site.socket()).expect("it listens");
        stream.write_all(&whole[..end]).expect("sent");
        stream.shutdown(std::net::Shutdown::Write).expect("shut");
        let mut greeting = String::new();
        stream.read_to_string(&mut greeting).expect("answered to the end");
        assert!(greeting.starts_with("220 "), "{greeting}");
    }
    assert_eq!(mail(&site.maildir("taro")).len(), 5);
    // SIGTERM: a client in the middle of a message may finish it.
    let server = site.server.as_ref().expect("started").id();
    signal(server, Signal::TERM);
    wait_for("the server to hear of it", || site.output().contains("ending").then_some(()));
    stalled.send("\r\n\r\nx\r\n.\r\n").expect("sent");
    for expected in ["250", "250", "250", "354", "250", "421"] {
        let answer = stalled.answer().expect("answered");
        assert!(answer.starts_with(expected), "{answer}");
    }
    site.stop();
    assert_eq!(mail(&site.maildir("taro")).len(), 6);
}

/// They give way when others wait, so that nobody can keep the server busy with nothing.
#[test]
fn clients_that_stall_within_a_command_or_message_give_way() {
    let mut site = Site::new();
    site.user("taro", "");
    site.start(&["--connections", "3"]);
    let halves = [
        "LHL",
        "LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<taro>\r\nDATA\r\nSubject: half\r\n",
        "LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<taro>\r\nDATA\r\n.\r",
    ];
    let mut stalled: Vec<UnixStream> = halves
        .iter()
        .map(|half| {
            let mut stream = UnixStream::connect(site.socket()).expect("it listens");
            stream.write_all(half.as_bytes()).expect("sent");
            stream
        })
        .collect();
    let message = wire(b"Subject: x\n\nx\n");
    for _ in 0..3 {
        // Who waits is served, and keeps the place.
        let mut client = site.connect();
        let answers = client.deliver(&["taro"], &message).expect("there");
        assert!(answers[0].starts_with("250"), "{answers:?}");
    }
    wait_for("the log", || site.output().contains("stalled within").then_some(()));
    let mut text = String::new();
    stalled[0].read_to_string(&mut text).expect("answered to the end");
    assert!(text.lines().last().is_some_and(|line| line.starts_with("421 4.3.2")), "{text}");
    assert_eq!(mail(&site.maildir("taro")).len(), 3);
}

/// Nobody is refused, and idle clients do not keep the descriptors of those who wait.
#[test]
fn a_shortage_of_descriptors_makes_clients_wait() {
    let mut site = Site::new();
    site.user("taro", "");
    let listen = format!("unix:{}", site.socket().display());
    let server = site.command(&["--listen", &listen, "--workers", "1"]);
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 40; exec \"$@\"", "sh"]).arg(server.get_program());
    limited.args(server.get_args()).env_clear().stderr(Stdio::piped());
    let child = site.spawn(&mut limited);
    site.server = Some(child);
    wait_for("the server", || site.output().contains("listening").then_some(()));
    let message = wire(b"Subject: x\n\nx\n");
    let mut idle = Vec::new();
    for _ in 0..60 {
        let mut client = site.connect();
        let answers = client.deliver(&["taro"], &message).expect("there");
        assert!(answers[0].starts_with("250"), "{answers:?}");
        idle.push(client);
    }
    assert_eq!(site.output().matches("connections have to wait").count(), 1, "{}", site.output());
    assert_eq!(mail(&site.maildir("taro")).len(), 60);
}

/// What `ps` and `pgrep` show.
#[cfg(target_os = "linux")]
#[test]
fn all_processes_are_called_mfilter() {
    let mut site = Site::new();
    site.user("taro", "");
    site.start(&[]);
    site.connect().deliver(&["taro"], &wire(b"Subject: x\n\nx\n")).expect("there");
    let mut all = site.workers();
    assert!(!all.is_empty());
    all.extend(site.server.as_ref().map(Child::id));
    for pid in all {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).expect("it runs");
        assert_eq!(name, "mfilter\n");
    }
}

/// Settings that are missing for a moment are not the defaults: all users would be unknown.
#[test]
fn settings_that_are_gone_stay_as_they_were() {
    let mut site = Site::new();
    site.user("taro", "");
    let (file, list) = (site.path("lmtp.conf"), site.path("list"));
    let home = site.home("taro");
    let ids = lmtp_site::ids();
    fs::write(&list, format!("taro@a.example:x:{ids}::{}::\n", home.display())).expect("written");
    let text = format!("users = passwd-file:{}\n", list.display());
    fs::write(&file, &text).expect("written");
    let mut server = Command::new(MFILTER);
    server.arg("lmtp").arg("--config").arg(&file).arg("--state").arg(site.path("state"));
    server.arg(format!("--listen=unix:{}", site.socket().display())).stderr(Stdio::piped());
    if rustix::process::geteuid().is_root() {
        server.arg(format!("--user-id={}:{}", lmtp_site::VMAIL, lmtp_site::VMAIL));
    }
    let child = site.spawn(&mut server);
    let pid = child.id();
    site.server = Some(child);
    wait_for("the server", || site.output().contains("listening").then_some(()));
    let renewed = |count: usize, what: &str| {
        signal(pid, Signal::HUP);
        wait_for("the settings", || (site.output().matches(what).count() == count).then_some(()));
        let answers = site.connect().deliver(&["taro@a.example"], &wire(b"Subject: x\n\nx\n"));
        let answers = answers.expect("there");
        assert!(answers[0].starts_with("250"), "{answers:?}");
    };
    fs::remove_file(&file).expect("removed");
    renewed(1, "the settings stay as they were");
    fs::write(&file, "").expect("written");
    renewed(2, "the settings stay as they were");
    fs::write(&file, text).expect("written");
    renewed(1, "the settings were read again");
}

/// A socket of one connection, as systemd gives with `Accept=yes`.
#[test]
fn a_socket_that_does_not_listen_is_not_waited_at() {
    let site = Site::new();
    let (ours, _theirs) = UnixStream::pair().expect("made");
    let mut command = site.command(&[]);
    let run = command.stdin(OwnedFd::from(ours)).output().expect("it ends");
    let told = String::from_utf8_lossy(&run.stderr);
    assert!(!run.status.success() && told.contains("`Accept=no`"), "{told}");
}

/// Postfix tries again only after minutes if it is refused as soon as it connects.
#[test]
fn a_client_that_has_just_connected_is_served_before_the_server_ends() {
    let mut site = Site::new();
    site.user("taro", "");
    site.start(&[]);
    let (mut served, mut new) = (site.connect(), site.connect());
    let message = wire(b"Subject: x\n\nx\n");
    served.deliver(&["taro"], &message).expect("there");
    signal(site.server.as_ref().expect("started").id(), Signal::TERM);
    wait_for("the server to hear of it", || site.output().contains("ending").then_some(()));
    assert!(served.answer().expect("answered").starts_with("421"));
    let answers = new.deliver(&["taro"], &message).expect("there");
    assert!(answers[0].starts_with("250"), "{answers:?}");
    assert!(new.answer().expect("answered").starts_with("421"));
    site.stop();
    assert_eq!(mail(&site.maildir("taro")).len(), 2);
}

/// The queue of the socket ends with the server, also if root has created it.
#[test]
fn a_client_for_whom_there_was_no_room_is_greeted_before_the_server_ends() {
    let mut site = Site::new();
    site.user("taro", "");
    site.start(&["--connections", "1"]);
    let mut busy = site.connect();
    for command in ["LHLO x", "MAIL FROM:<a@x.example>", "RCPT TO:<taro>", "DATA"] {
        busy.ask(command).expect("answered");
    }
    let mut queued = UnixStream::connect(site.socket()).expect("it listens");
    queued.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
    signal(site.server.as_ref().expect("started").id(), Signal::TERM);
    let mut greeting = [0; 4];
    queued.read_exact(&mut greeting).expect("it is greeted");
    assert_eq!(&greeting, b"220 ");
    drop(queued);
    busy.send("Subject: x\r\n\r\nx\r\n.\r\n").expect("sent");
    assert!(busy.answer().expect("answered").starts_with("250"));
    site.stop();
    assert_eq!(mail(&site.maildir("taro")).len(), 1);
}

/// Nor does it leave a socket at which nobody listens.
#[test]
fn a_server_that_refuses_to_start_takes_nobodys_socket() {
    let mut site = Site::new();
    site.user("taro", "");
    site.start(&[]);
    let other = Site::new();
    fs::write(other.path("state"), "no directory").expect("written");
    other.give(&other.path("state"));
    let listen = format!("unix:{}", site.socket().display());
    let refused = || {
        let output = other.command(&["--listen", &listen]).output().expect("it ends");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && told.contains("is not a directory"), "{told}");
    };
    refused();
    let message = wire(b"Subject: x\n\nx\n");
    let answers = site.connect().deliver(&["taro"], &message).expect("there");
    assert!(answers[0].starts_with("250"), "{answers:?}");
    site.stop();
    let _ = fs::remove_file(site.socket());
    refused();
    assert!(!site.socket().exists());
}

#[test]
fn users_that_are_unknown_or_away_are_answered_apart() {
    let mut site = Site::new();
    site.user("taro", "");
    site.start(&[]);
    let mut client = site.connect();
    let to = ["nobody@x", "taro@x", "..", "\"../users/taro\"@x", "TARO+a@x"];
    let answers = client.deliver(&to, &wire(b"Subject: x\n\nx\n")).expect("there");
    let codes: Vec<&str> = answers.iter().map(|answer| &answer[..9]).collect();
    assert_eq!(codes, ["550 5.1.1", "250 2.1.5", "550 5.1.1", "550 5.1.1", "250 2.1.5"]);
    fs::rename(site.path("users"), site.path("gone")).expect("renamed");
    let answers = client.deliver(&["taro@x"], &wire(b"Subject: x\n\nx\n")).expect("there");
    assert!(answers[0].starts_with("451 4.3.0"), "{answers:?}");
    site.stop();
}

/// The values of an OpenMetrics text, by name and labels.
fn metrics(text: &str) -> BTreeMap<String, f64> {
    let body = text.strip_suffix("# EOF\n").expect("it has its end");
    let (mut family, mut values) = (String::new(), BTreeMap::new());
    let mut kinds = BTreeMap::new();
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            let mut word = || words.next().expect("three words").to_owned();
            let (keyword, name, value) = (word(), word(), word());
            match keyword.as_str() {
                "HELP" => family = name,
                "TYPE" => assert!(name == family && kinds.insert(name, value).is_none(), "{line}"),
                _ => {
                    assert_eq!((keyword.as_str(), name.rsplit('_').next()), ("UNIT", Some(&*value)))
                }
            }
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').expect("a name and a value");
        let name = sample.split('{').next().expect("one at least");
        let suffix = name.strip_prefix(&*family).expect("of the family that was described");
        let suffixes: &[&str] = match kinds[&family].as_str() {
            "counter" => &["_total"],
            "gauge" => &[""],
            "histogram" => &["_bucket", "_count", "_sum"],
            other => panic!("{other}: {line}"),
        };
        assert!(suffixes.contains(&suffix), "{line}");
        let value = value.parse().expect("a number");
        assert!(values.insert(sample.to_owned(), value).is_none(), "{line}");
    }
    values
}

#[test]
fn metrics_move_with_deliveries() {
    let mut site = Site::new();
    site.user("taro", "when subject is \"no\" -> reject \"5.7.1 no\"\n");
    site.user("hana", "");
    let (file, socket) = (site.path("metrics.prom"), site.path("metrics"));
    let config = site.path("lmtp.conf");
    let places = format!("metrics = {} unix:{}\n", file.display(), socket.display());
    fs::write(&config, places).expect("written");
    site.give(&config);
    site.start(&["--config", &config.display().to_string()]);
    let scrape = || {
        let mut text = String::new();
        let mut stream = wait_for("the socket", || UnixStream::connect(&socket).ok());
        stream.read_to_string(&mut text).expect("answered to the end");
        text
    };
    // A client that never reads delays nobody else.
    let silent: Vec<UnixStream> =
        (0..20).map(|_| wait_for("the socket", || UnixStream::connect(&socket).ok())).collect();
    let before = metrics(&scrape());
    assert!(before.values().all(|value| *value == 0.0), "{before:?}");
    let mut client = site.connect();
    for subject in ["yes", "no"] {
        let message = wire(format!("Subject: {subject}\n\nx\n").as_bytes());
        client.deliver(&["taro", "hana", "nobody"], &message).expect("there");
    }
    let text = scrape();
    assert!(!text.contains("taro") && !text.contains("hana"), "no names: {text}");
    let check = |text: &str| {
        let values = metrics(text);
        for (name, expected) in [
            ("connections_total", 1.0),
            ("recipients_total", 4.0),
            ("unknown_recipients_total", 2.0),
            ("lookup_failures_total", 0.0),
            ("deliveries_total{reply=\"2xx\"}", 3.0),
            ("deliveries_total{reply=\"4xx\"}", 0.0),
            ("deliveries_total{reply=\"5xx\"}", 1.0),
            ("waiting_deliveries", 0.0),
            ("delivery_seconds_count", 4.0),
            ("delivery_seconds_bucket{le=\"+Inf\"}", 4.0),
            ("workers_died_total", 0.0),
        ] {
            assert_eq!(values[&format!("mfilter_lmtp_{name}")], expected, "{name}: {text}");
        }
        assert!(values["mfilter_lmtp_delivery_seconds_sum"] > 0.0, "{text}");
        assert!(values["mfilter_lmtp_workers_started_total"] >= 1.0, "{text}");
    };
    check(&text);
    drop((client, silent));
    site.stop();
    check(&fs::read_to_string(&file).expect("written at the end"));
    assert!(!socket.exists(), "it goes with the server");
}
