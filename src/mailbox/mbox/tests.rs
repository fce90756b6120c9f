use std::io::Seek;

use proptest::prelude::*;

use super::*;
use crate::message::Message;

/// The messages as they would be delivered.
fn split(text: &str) -> Vec<(String, String)> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.rewind().unwrap();
    Mbox::new("m".into(), file, false)
        .unwrap()
        .map(|item| {
            let message = item.unwrap();
            let label =
                if message.is_only { "m".to_string() } else { format!("m#{}", message.number) };
            let message = match message.copy {
                SourceCopy::Memory(bytes) => Message::from_bytes(bytes),
                SourceCopy::Disk(file) => Message::open(file).unwrap(),
            };
            let mut out = tempfile::tempfile().unwrap();
            message.write_to(&[], &mut out).unwrap();
            out.rewind().unwrap();
            let mut text = String::new();
            out.read_to_string(&mut text).unwrap();
            (label, without_from_line(text))
        })
        .collect()
}

fn without_from_line(text: String) -> String {
    match text.strip_prefix("From ").and_then(|rest| rest.split_once('\n')) {
        Some((_, rest)) => rest.to_string(),
        None => text,
    }
}

fn texts(text: &str) -> Vec<String> {
    split(text).into_iter().map(|(_, text)| text).collect()
}

const FROM: &str = "From a@b Thu Jan  1 01:02:03 2026\n";

#[test]
fn messages_are_split_where_a_from_line_follows_an_empty_line() {
    let text = format!("{FROM}A: 1\n\nx\n{FROM}y\n\n{FROM}B: 2\n\n");
    assert_eq!(texts(&text), [format!("A: 1\n\nx\n{FROM}y\n"), "B: 2\n".to_string()]);
    let labels: Vec<_> = split(&text).into_iter().map(|(label, _)| label).collect();
    assert_eq!(labels, ["m#1", "m#2"]);
}

#[test]
fn text_that_only_begins_like_one_is_text() {
    let text = format!("{FROM}A: 1\n\nx\n\nFrom here on\n\n>From me\n>>From you\n> From\n");
    let body = "A: 1\n\nx\n\nFrom here on\n\nFrom me\n>From you\n> From\n";
    assert_eq!(split(&text), [("m".to_string(), body.to_string())]);
}

#[test]
fn crlf_and_a_missing_last_line_end() {
    let from = FROM.replace('\n', "\r\n");
    let text = format!("{from}A: 1\r\n\r\nx\r\n\r\n{from}B: 2\r\n\r\ny");
    assert_eq!(texts(&text), ["A: 1\r\n\r\nx\r\n", "B: 2\r\n\r\ny"]);
}

/// A message whose body is measured, as mutt and System V write it.
fn measured(subject: &str, body: &str) -> String {
    format!("{FROM}A: {subject}\nContent-Length: {}\n\n{body}\n", body.len())
}

#[test]
fn a_length_that_leads_to_a_message_or_the_end_is_believed() {
    let body = format!("x\n\n{FROM}B: none\n\n>From y\n");
    let text = measured("1", &body) + &measured("2", "") + &measured("3", "no line end");
    let texts = texts(&text);
    let expected = format!("A: 1\nContent-Length: {}\n\n{body}", body.len());
    assert_eq!(texts[0], expected, "nothing is quoted in this file");
    assert_eq!((texts.len(), texts[2].ends_with("\n\nno line end")), (3, true));
    // There is no unquoted one, so these are quoted.
    let text = measured("1", ">From y\n\n>>From z\n") + &measured("2", "a\n");
    assert!(self::texts(&text)[0].ends_with("\n\nFrom y\n\n>From z\n"));
}

#[test]
fn a_length_that_leads_elsewhere_is_not_believed() {
    let second = format!("{FROM}B: 2\n\ny\n\n");
    let whole = measured("1", "a\n") + &second;
    for (wrong, right) in [
        ("Content-Length: 2", "Content-Length: 0"),
        ("Content-Length: 2", "Content-Length: 3000"),
        ("Content-Length: 2", "Content-Length: 99999999999999999999"),
        ("Content-Length: 2", "Content-Length: 2\nContent-Length: 2"),
        ("Content-Length: 2", "Content-Length: -2"),
        ("Content-Length: 2", "Content-Length:"),
    ] {
        let texts = texts(&whole.replace(wrong, right));
        assert_eq!((texts.len(), texts[1].as_str()), (2, "B: 2\n\ny\n"), "{right}");
        assert!(texts[0].ends_with("\n\na\n"), "{right}: {}", texts[0]);
    }
    // To swallow the messages after it, a sender would have to know their length.
    let to_the_end = format!("Content-Length: {}", 3 + second.len());
    assert_eq!(texts(&whole.replace("Content-Length: 2", &to_the_end)).len(), 1);
}

#[test]
fn each_message_is_reported_by_its_place() {
    let first = measured("1", "a\n");
    let text = format!("{first}{FROM}B: 2\nContent-Length: 100\n\ncut");
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let parts: Vec<MboxPart> =
        Mbox::new("m".into(), file, false).unwrap().map(|message| message.unwrap().part).collect();
    let (all, at) = (text.len() as u64, first.len() as u64);
    let expected = MboxPart { offset: 0, length: at, measured: true, missing_bytes: 0, merged: 0 };
    assert_eq!(parts[0], expected);
    assert_eq!(
        parts[1],
        MboxPart { offset: at, length: all - at, measured: false, missing_bytes: 97, merged: 0 }
    );
}

#[test]
fn large_messages_and_long_lines_come_through() {
    let long = format!("A: 1\n\n{}From 12:34\n", "x".repeat(3 * PIECE as usize - 3));
    let many = format!("B: 2\n\n{}", "yes\n".repeat(500_000));
    let text = format!("{FROM}{long}\n{FROM}{many}\n{FROM}");
    let texts = texts(&text);
    assert!(texts[0] == long && texts[1] == many && texts[2].is_empty());
}

/// A line of a body, often similar to a line that separates messages.
fn body_line() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(FROM.to_owned()),
        Just(format!(">{FROM}")),
        Just(format!(">>{FROM}")),
        Just("From here on\n".to_owned()),
        Just("\n".to_owned()),
        Just(" From x 12:34\n".to_owned()),
        "[ -~é]{0,20}\n",
    ]
}

fn quoted(body: &str, which: fn(&str) -> bool) -> String {
    let quote = |line: &str| if which(line) { format!(">{line}") } else { line.to_owned() };
    body.split_inclusive('\n').map(quote).collect()
}

proptest! {
    /// The output of each kind of writer is read back unchanged.
    #[test]
    fn each_kind_comes_back(
        bodies in proptest::collection::vec(proptest::collection::vec(body_line(), 0..8), 1..5),
    ) {
        let bodies: Vec<String> = bodies.into_iter().map(|lines| lines.concat()).collect();
        let is_from = |line: &str| line.trim_start_matches('>').starts_with("From ");
        let plain: Vec<String> = bodies.iter().map(|body| format!("A: 1\n\n{body}")).collect();
        let rd: String =
            bodies.iter().map(|body| format!("{FROM}A: 1\n\n{}\n", quoted(body, is_from))).collect();
        prop_assert_eq!(texts(&rd), plain.clone());
        // mboxo cannot tell what was quoted already.
        if !bodies.iter().any(|body| body.contains(">From ")) {
            let o: String = bodies
                .iter()
                .map(|body| format!("{FROM}A: 1\n\n{}\n", quoted(body, |line| line.starts_with("From "))))
                .collect();
            prop_assert_eq!(texts(&o), plain);
        }
        let with_length = |body: &str, length: usize| {
            format!("A: 1\nContent-Length: {length}\n\n{body}")
        };
        let cl: String = bodies
            .iter()
            .map(|body| quoted(body, is_from))
            .map(|body| format!("{FROM}{}\n", with_length(&body, body.len())))
            .collect();
        let expected: Vec<String> = bodies
            .iter()
            .map(|body| with_length(body, quoted(body, is_from).len()))
            .collect();
        prop_assert_eq!(texts(&cl), expected);
        let has_unquoted = format!("x\n{FROM}");
        let all: Vec<&String> = bodies.iter().chain([&has_unquoted]).collect();
        let expected: Vec<String> =
            all.iter().map(|body| with_length(body, body.len())).collect();
        let cl2: String = expected.iter().map(|text| format!("{FROM}{text}\n")).collect();
        prop_assert_eq!(texts(&cl2), expected);
    }

    /// Any bytes are read to the end, and each of them belongs to one message.
    #[test]
    fn any_bytes_are_read_to_the_end(
        parts in proptest::collection::vec(
            prop_oneof![
                Just(FROM.as_bytes().to_vec()),
                Just(b"\n".to_vec()),
                Just(b"\r\n".to_vec()),
                Just(b"Content-Length: 5\n".to_vec()),
                Just(b">From ".to_vec()),
                proptest::collection::vec(any::<u8>(), 0..30),
            ],
            0..30,
        ),
    ) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(FROM.as_bytes()).unwrap();
        file.write_all(&parts.concat()).unwrap();
        let size = file.metadata().unwrap().len();
        let mut at = 0;
        for message in Mbox::new("m".into(), file, false).unwrap() {
            let part = message.unwrap().part;
            prop_assert_eq!(part.offset, at);
            at += part.length;
        }
        prop_assert_eq!(at, size);
    }
}

/// The write calls of this thread so far; none if the kernel does not count them.
fn writes() -> Option<u64> {
    let counts = std::fs::read_to_string("/proc/thread-self/io").ok()?;
    counts.lines().find_map(|line| line.strip_prefix("syscw: ")?.parse().ok())
}

#[test]
fn a_large_message_is_written_in_large_pieces() {
    let lines = "A: 1\n\n".to_string() + &"yes\n".repeat(1_000_000);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(format!("{FROM}{lines}").as_bytes()).unwrap();
    file.rewind().unwrap();
    let mut mbox = Mbox::new("m".into(), file, false).unwrap();
    let before = writes();
    let message = mbox.next().unwrap().unwrap();
    assert!(matches!(message.copy, SourceCopy::Disk(_)));
    if let (Some(before), Some(after)) = (before, writes()) {
        assert!((1..200).contains(&(after - before)), "{}", after - before);
    }
}

#[test]
fn what_is_written_meanwhile_is_reported_and_not_read() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("m");
    let read = |before: &str, after: &str| {
        std::fs::write(&path, before).unwrap();
        let mbox = Mbox::new(path.clone(), File::open(&path).unwrap(), false).unwrap();
        let mut seen = Vec::new();
        let mut wrote = false;
        for item in mbox {
            if !std::mem::replace(&mut wrote, true) {
                std::fs::write(&path, after).unwrap();
            }
            seen.push(item.map_or_else(
                |error| error.error.to_string(),
                |message| message.number.to_string(),
            ));
        }
        seen
    };
    let message = format!("{FROM}A: 1\n\nx\n\n");
    let two = format!("{message}{FROM}B: 2\n\ny\n\n");
    assert_eq!(read(&two, &two), ["1", "2"]);
    let added = "it is being written to, what was added is not read";
    assert_eq!(read(&message, &two), ["1", added]);
    let cut = "it is being written to, its last message is left out";
    assert_eq!(read(&two[..two.len() - 3], &two), ["1", cut]);
    assert_eq!(read(&two[..two.len() - 3], &two[..two.len() - 3]), ["1", "2"], "an old one");
    // Long enough that the rest is not in memory yet.
    let long = format!("{FROM}A: 1\n\n{}\n", "a line\n".repeat(PIECE as usize / 4));
    let short = "it has become shorter in the meantime, its last message is left out";
    let three = long.repeat(3);
    assert_eq!(read(&three, &three[..long.len() * 2 - 9]), ["1", short]);
    assert_eq!(read(&three, ""), ["1", short]);
}
