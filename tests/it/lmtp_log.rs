//! The line that `mfilter lmtp` logs for each recipient.

use std::collections::BTreeSet;

use crate::support::lmtp_site::{Site, wire};
use crate::support::wait_for;

/// The fields of a line, values unquoted.
fn fields(line: &str) -> Vec<(String, String)> {
    let (mut fields, mut rest) = (Vec::new(), line);
    while let Some((name, behind)) = rest.split_once('=') {
        let mut value = String::new();
        let mut signs = behind.char_indices();
        let mut end = behind.len();
        if behind.starts_with('"') {
            signs.next();
            while let Some((at, sign)) = signs.next() {
                match sign {
                    '\\' => value.extend(signs.next().map(|(_, sign)| sign)),
                    '"' => {
                        end = at + 1;
                        break;
                    }
                    sign => value.push(sign),
                }
            }
        } else {
            end = behind.find(' ').unwrap_or(behind.len());
            value.push_str(&behind[..end]);
        }
        fields.push((name.trim().to_owned(), value));
        rest = &behind[end..];
    }
    fields
}

#[test]
fn each_recipient_has_a_line_in_the_log() {
    let mut site = Site::new();
    site.user(
        "taro",
        "when subject is \"later\" -> defer \"4.7.1 later\"\n\
         when subject is \"no\" -> reject \"5.7.1 no\"\n\
         when subject is \"drop\" -> discard\n\
         when subject is \"two\" -> copy \"A b\", folder \"仕事\"\n",
    );
    site.user("hana", "");
    site.start(&["--workers", "2"]);
    let mut client = site.connect();
    for subject in ["two", "later", "no", "drop", "plain"] {
        let message = wire(format!("Subject: {subject}\n\nx\n").as_bytes());
        let to = ["taro@x", "\"hana+a verdict=refused\"@x.example", "nobody"];
        client.deliver(&to, &message).expect("there");
    }
    drop(client);
    site.stop();
    let lines = wait_for("ten lines", || {
        let output = site.output();
        let lines: Vec<_> = output
            .lines()
            .filter_map(|line| line.find("transaction=").map(|at| fields(&line[at..])))
            .collect();
        (lines.len() == 10).then_some(lines)
    });
    let of = |line: &[(String, String)], name: &str| {
        let all = line.iter().filter(|(other, _)| other == name);
        all.map(|(_, value)| value.clone()).collect::<Vec<_>>().join("|")
    };
    let expected = [
        ("delivered", "A b|仕事", "250 2.1.5 Delivered"),
        ("deferred", "", "451 4.7.1 later"),
        ("refused", "", "550 5.7.1 no"),
        ("discarded", "", "250 2.1.5 Discarded by a rule"),
        ("delivered", "INBOX", "250 2.1.5 Delivered"),
    ];
    for (pair, (verdict, folder, reply)) in lines.chunks(2).zip(expected) {
        let [taro, hana] = pair else { panic!("{pair:?}") };
        for (name, expected) in [
            ("from", "sender@far.example"),
            ("to", "taro@x"),
            ("user", "taro"),
            ("verdict", verdict),
            ("folder", folder),
            ("reply", reply),
        ] {
            assert_eq!(of(taro, name), expected, "{name}: {taro:?}");
        }
        assert!(of(taro, "ms").parse::<f64>().is_ok_and(|ms| ms >= 0.0), "{taro:?}");
        assert!(of(taro, "size").parse::<u64>().is_ok_and(|size| size > 10), "{taro:?}");
        assert_eq!(of(taro, "transaction"), of(hana, "transaction"));
        assert_eq!(of(hana, "to"), "\"hana+a verdict=refused\"@x.example");
        assert_eq!((of(hana, "verdict"), of(hana, "folder")), ("delivered".into(), "INBOX".into()));
    }
    let transactions: BTreeSet<String> = lines.iter().map(|line| of(line, "transaction")).collect();
    assert_eq!(transactions.len(), 5);
}

/// The line is whole and one line, whatever the sender has as an address.
#[test]
fn no_sender_hides_what_became_of_the_message() {
    let mut site = Site::new();
    site.user("taro", "");
    site.start(&["--workers", "1"]);
    let mut client = site.connect();
    client.ask("LHLO x").expect("there");
    let sender = format!("\"a\u{202e}\u{2028}transaction=1 {}\"@far.example", "x".repeat(900));
    for command in [&*format!("MAIL FROM:<{sender}> SMTPUTF8"), "RCPT TO:<taro@x>", "DATA"] {
        let answer = client.ask(command).expect("there");
        assert!(answer.starts_with(['2', '3']), "{answer}");
    }
    client.send("Subject: x\r\n\r\nx\r\n.\r\n").expect("there");
    assert!(client.answer().expect("there").starts_with("250"));
    drop(client);
    site.stop();
    let line = wait_for("a line", || {
        let output = site.output();
        output.lines().find(|line| line.contains("transaction=")).map(str::to_owned)
    });
    assert!(line.contains(" to=taro@x user=taro verdict=delivered folder=INBOX "), "{line}");
    assert!(line.ends_with(" reply=\"250 2.1.5 Delivered\""), "{line}");
    assert!(!line.contains(['\u{202e}', '\u{2028}']), "{line}");
}

/// Nor does a recipient who cannot be looked up: the address comes from outside, too.
#[test]
fn no_recipient_writes_the_line_of_another() {
    let mut site = Site::new();
    site.start(&[]);
    let mut client = site.connect();
    let forged = "transaction=1 from=a to=b user=b verdict=delivered";
    for command in ["LHLO x", "MAIL FROM:<>", &format!("RCPT TO:<\"{forged}\"@x>")] {
        client.ask(command).expect("there");
    }
    let line = wait_for("a line", || {
        let output = site.output();
        output.lines().find(|line| line.contains("gets no mail now")).map(str::to_owned)
    });
    assert!(line.starts_with(&format!("mfilter: \"{forged}@x\" gets no mail now: ")), "{line}");
}

/// Mail that is not taken is bounced or waits, so the log says why.
#[test]
fn a_message_that_is_not_taken_has_its_lines() {
    let mut site = Site::new();
    site.user("taro", "");
    site.user("hana", "");
    site.start(&["--message-size", "1000"]);
    let mut client = site.connect();
    client.ask("LHLO x").expect("there");
    let early = client.ask("MAIL FROM:<early@far.example> SIZE=1001").expect("there");
    assert!(early.starts_with("552 "), "{early}");
    let large = wire(format!("Subject: x\n\n{}", "x\n".repeat(1000)).as_bytes());
    let answers = client.deliver(&["taro", "hana"], &large).expect("there");
    assert!(answers.iter().all(|answer| answer.starts_with("552 5.3.4 ")), "{answers:?}");
    drop(client);
    site.stop();
    let output = site.output();
    let reply = "reply=\"552 5.3.4 The message is too large\"";
    let lines: Vec<_> = output.lines().filter(|line| line.contains("verdict=refused")).collect();
    assert!(lines[0].contains(" from=early@far.example verdict=refused size=1001 "), "{output}");
    assert!(lines[1].contains(" to=taro user=taro ") && lines[2].contains(" to=hana user=hana "));
    assert!(lines.len() == 3 && lines.iter().all(|line| line.ends_with(reply)), "{output}");

    // No room for what does not fit into memory.
    let mut command = site.command(&[]);
    command.env("TMPDIR", site.path("none"));
    command.arg(format!("--listen=unix:{}", site.socket().display()));
    let child = site.spawn(&mut command);
    site.server = Some(child);
    wait_for("the server", || site.output().contains("listening").then_some(()));
    let large = wire(format!("Subject: x\n\n{}", "x\n".repeat(200_000)).as_bytes());
    let answers = site.connect().deliver(&["taro"], &large).expect("there");
    assert!(answers[0].starts_with("452 4.3.1 ") && answers[0].contains("No such"), "{answers:?}");
    wait_for("a line", || site.output().contains(" verdict=deferred ").then_some(()));
}
