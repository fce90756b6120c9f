//! Messages that are read and written in every way.

use std::io::{Cursor, Seek, Write};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn written(message: &Message, edits: &[HeaderEdit]) -> io::Result<Vec<u8>> {
    let mut file = tempfile::tempfile()?;
    let count = message.write_to(edits, &mut file)?;
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    assert_eq!(bytes.len() as u64, count);
    Ok(bytes)
}

/// Returns its bytes a few at a time, then perhaps an error.
struct Slow(Cursor<Vec<u8>>, usize, Option<i32>);

impl Read for Slow {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(self.1);
        match (self.0.read(&mut buffer[..room])?, self.2) {
            (0, Some(error)) => Err(io::Error::from_raw_os_error(error)),
            (count, _) => Ok(count),
        }
    }
}

fn piped(bytes: &[u8], step: usize, error: Option<i32>) -> io::Result<Message> {
    let input = Slow(Cursor::new(bytes.to_vec()), step, error);
    Message::read(Box::new(input), &std::env::temp_dir())
}

fn in_file(bytes: &[u8]) -> Message {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    Message::open(file).unwrap()
}

/// However a message is read and written, its bytes must stay the same.
fn check(bytes: &[u8], want: &[u8], step: usize) {
    assert_eq!(written(&Message::from_bytes(bytes.to_vec()), &[]).unwrap(), want);
    let message = in_file(bytes);
    assert_eq!(message.size().unwrap(), want.len() as u64);
    assert_eq!(written(&message, &[]).unwrap(), want);
    assert_eq!(written(&message, &[]).unwrap(), want);
    let message = piped(bytes, step, None).unwrap();
    assert_eq!(written(&message, &[]).unwrap(), want, "streamed");
    assert!(written(&message, &[]).is_err());
    assert!(message.body_texts().is_err());
    assert_eq!(message.size().unwrap(), want.len() as u64);
    let message = piped(bytes, step, None).unwrap();
    assert_eq!(message.size().unwrap(), want.len() as u64);
    message.body_texts().unwrap();
    message.attachment_sizes().unwrap();
    message.attachment_hashes().unwrap();
    message.charsets().unwrap();
    assert_eq!(written(&message, &[]).unwrap(), want, "spooled");
    assert_eq!(written(&message, &[]).unwrap(), want);
}

#[test]
fn delivered_bytes_are_the_bytes_that_came() {
    for message in [
        "",
        "\n",
        "\r\n",
        "A: b",
        "A: b\n",
        "A: b\n\n",
        "A: b\r\n\r\nbody\r\n",
        "no header",
        "\0\0\n\0",
        "A: b\rC: d\r\rbody",
        ": x\n\ny",
        "From : a\n\nb",
        "From",
        "From ",
        "From here to the end",
    ] {
        check(message.as_bytes(), message.as_bytes(), 3);
        let with_from = format!("From a@b  Mon Jan  1\n{message}");
        check(with_from.as_bytes(), message.as_bytes(), 100);
    }
}

#[test]
fn large_messages() {
    let mut message = b"Subject: large\nX: y\n\n".to_vec();
    for line in 0..40_000 {
        message.extend_from_slice(format!("{line}: a line of a large message\r\n").as_bytes());
    }
    assert!(message.len() > 1 << 20);
    check(&message, &message, 5000);
    let header = b"A: b\n".repeat(300_000);
    check(&header, &header, 50_000);
}

#[test]
fn from_line_and_edits() {
    let message = Message::from_bytes(b"From a@b  Mon\nSubject: x\n\nbody".to_vec());
    assert_eq!(message.from_line(), Some(b"From a@b  Mon\n".as_slice()));
    let edits = [
        HeaderEdit::Add { name: "X-A".into(), value: "1".into() },
        HeaderEdit::Set { name: "subject".into(), value: "y".into() },
    ];
    assert_eq!(written(&message, &edits).unwrap(), b"X-A: 1\nsubject: y\n\nbody");
    let message = piped(b"no header", 4, None).unwrap();
    assert_eq!(written(&message, &edits[..1]).unwrap(), b"X-A: 1\n\nno header");
}

#[test]
fn a_failed_read_is_an_error_for_all_who_ask() {
    const EIO: i32 = 5;
    assert!(piped(b"Subject: x\n", 100, Some(EIO)).is_err());
    let message = piped(b"Subject: x\n\nbody", 100, Some(EIO)).unwrap();
    assert_eq!(message.texts("subject")[0].text(), "x");
    for _ in 0..2 {
        assert_eq!(io::Error::from(message.size().unwrap_err()).raw_os_error(), Some(EIO));
        assert_eq!(written(&message, &[]).unwrap_err().raw_os_error(), Some(EIO));
        assert_eq!(io::Error::from(message.body_texts().unwrap_err()).raw_os_error(), Some(EIO));
    }
    let message = piped(b"Subject: x\n\nbody", 100, Some(EIO)).unwrap();
    for _ in 0..2 {
        assert_eq!(written(&message, &[]).unwrap_err().raw_os_error(), Some(EIO));
    }
    assert!(message.size().is_err());
}

#[test]
fn a_sender_that_stalls_ends_at_the_deadline() {
    let (reader, mut writer) = io::pipe().unwrap();
    writer.write_all(b"Subject: x\n\nbo").unwrap();
    let at = Instant::now() + Duration::from_millis(50);
    let input = deadline::Deadline::new(reader, at);
    let message = Message::read(Box::new(input), &std::env::temp_dir()).unwrap();
    let error = io::Error::from(message.size().unwrap_err());
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    drop(writer);
}

#[test]
fn the_deadline_leaves_the_end_of_input_alone() {
    let (reader, mut writer) = io::pipe().unwrap();
    writer.write_all(b"Subject: x\n\nbody").unwrap();
    drop(writer);
    let at = Instant::now() + Duration::from_secs(60);
    let input = deadline::Deadline::new(reader, at);
    let message = Message::read(Box::new(input), &std::env::temp_dir()).unwrap();
    assert_eq!(message.size().unwrap(), 16);
}

#[test]
fn a_file_that_shrinks_is_an_error() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"Subject: x\n\n0123456789").unwrap();
    file.rewind().unwrap();
    let message = Message::open(file.try_clone().unwrap()).unwrap();
    file.set_len(15).unwrap();
    assert!(written(&message, &[]).is_err());
    assert!(message.body_texts().is_err());
}

#[test]
fn raw_subjects_may_be_folded_anywhere() {
    for (subject, want) in [
        ("重要な\n お知らせ".as_bytes().to_vec(), "重要なお知らせ"),
        ("重要な お\r\n\t知らせ ok\n ok".as_bytes().to_vec(), "重要な お知らせ ok ok"),
        (b"\x1b$B=EMW\x1b(B\n \x1b$B$J\x1b(B".to_vec(), "重要な"),
        (b"a\n b".to_vec(), "a b"),
    ] {
        let message = Message::from_bytes([b"Subject: ".as_slice(), &subject, b"\n\n"].concat());
        assert_eq!(message.texts("Subject")[0].text(), want);
    }
}

#[test]
fn a_boundary_may_directly_follow_the_header() {
    let message = "Content-Type: multipart/mixed; boundary=\"b c\"\n--b c\nContent-Type: text / plain\n\nhello\n--b c--\n";
    let message = Message::from_bytes(message.into());
    assert_eq!(message.body_texts().unwrap()[0].text(), "hello");
    assert_eq!(message.parts().unwrap()[1].media_type, "text/plain");
    let message = Message::from_bytes(b"Subject: x\n--b\nTo: y\n\nhello".to_vec());
    assert_eq!(message.texts("To")[0].text(), "y");
}

#[test]
fn text_is_cut_at_its_limit() {
    let mut bytes = b"Subject: x\n\n".to_vec();
    bytes.resize(TEXT_LIMIT + 100, b'a');
    let message = Message::from_bytes(bytes);
    assert_eq!(message.body_texts().unwrap()[0].text().len(), TEXT_LIMIT);
    assert_eq!(
        message.limits(),
        ["text of the body was cut (16 MB in all, 8 MB of an HTML part; \
          a character beyond ASCII counts as 8 bytes)"]
    );
}

#[test]
fn headers_are_cut_by_what_they_cost_and_a_note_says_so() {
    let limits = |header: String| {
        let message = Message::from_bytes(header.into());
        let found = (message.texts("a").len(), message.addresses("from").len());
        (found, message.limits())
    };
    assert_eq!(limits("A: b\nFrom: a@b\n\n".into()), ((1, 1), Vec::new()));
    let (found, said) = limits("From:a@b\n".repeat(10_000));
    assert_eq!(found, (0, 4032));
    assert_eq!(said, ["only 4032 addresses in from were looked at"]);
    let (found, said) = limits(format!("A: {}\nA: b\n", "x".repeat(1 << 20)));
    assert_eq!(found, (1, 0));
    assert_eq!(said, ["only the first 256 KB of a were looked at"]);
    let (found, said) = limits("A:\n".repeat(50_001));
    assert_eq!(found, (50_000, 0));
    assert_eq!(said, ["only the first 50,000 lines of the header were looked at"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_bytes_come_through(bytes in proptest::collection::vec(any::<u8>(), 0..400), step in 1_usize..50) {
        prop_assume!(!bytes.starts_with(b"From "));
        check(&bytes, &bytes, step);
    }

    #[test]
    fn anything_like_mail_comes_through(pieces in proptest::collection::vec(prop_oneof![
        Just("--a"), Just("--"), Just("\n"), Just("\r\n"), Just("\n\n"), Just("\r"),
        Just("Content-Type: multipart/mixed; boundary=a"), Just("Content-Type: message/rfc822"),
        Just("Content-Type: text/html; charset=iso-2022-jp"), Just("Subject: "), Just("=?utf-8?B?4"),
        Just("Content-Transfer-Encoding: base64"), Just("Content-Transfer-Encoding: x-uuencode"),
        Just("Content-Transfer-Encoding: quoted-printable"), Just("\x1b$B"), Just("<p>"),
        Just("begin 644 x"), Just("="), Just(":"), Just("\0"), Just("é"), Just(" "),
    ], 0..60), step in 1_usize..50) {
        let message = pieces.concat();
        check(message.as_bytes(), message.as_bytes(), step);
    }
}
