//! A session with a client whose bytes come in pieces of any size.

use std::collections::VecDeque;
use std::sync::Mutex;

use super::*;

/// Returns the bytes of a client in pieces, and keeps the answers to it.
struct ByteScript {
    input: VecDeque<Vec<u8>>,
    output: Vec<u8>,
}

impl ByteScript {
    fn of(input: &[u8], size: usize) -> ByteScript {
        let input = input.chunks(size.max(1)).map(<[u8]>::to_vec).collect();
        ByteScript { input, output: Vec::new() }
    }
}

impl Read for ByteScript {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(piece) = self.input.pop_front() else { return Ok(0) };
        let count = piece.len().min(buffer.len());
        buffer[..count].copy_from_slice(&piece[..count]);
        if count < piece.len() {
            self.input.push_front(piece[count..].to_vec());
        }
        Ok(count)
    }
}

impl Write for ByteScript {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl LmtpPeer for ByteScript {
    fn wait(&mut self, _: bool) -> io::Result<PeerState> {
        Ok(PeerState::Input)
    }
}

#[derive(Default)]
struct Mailboxes {
    delivered: Mutex<Vec<(String, Vec<u8>)>>,
    mailboxes: Mutex<Vec<String>>,
    unheard: Mutex<Vec<String>>,
    /// Sizes, numbers of recipients and codes.
    not_taken: Mutex<Vec<(u64, usize, u16)>>,
    most: u64,
    ending: bool,
}

impl Service for Mailboxes {
    fn limits(&self) -> SessionLimits {
        SessionLimits { delimiter: "+".into(), message_size: self.most, recipients: 3 }
    }

    fn find(&self, recipient: &Recipient) -> Result<Option<Account>, Unavailable> {
        let account = Account { name: recipient.local.clone(), home: "/".into(), uid: 1, gid: 1 };
        match recipient.local.as_str() {
            "away" => Err(Unavailable("x".into())),
            "nobody" => Ok(None),
            _ if !recipient.domain.is_ascii() => Ok(None),
            _ => Ok(Some(account)),
        }
    }

    fn deliver(
        &self,
        _: &Envelope,
        to: &Addressee,
        message: &MessageData,
        _: Instant,
    ) -> LmtpReply {
        let MessageData::Memory(bytes) = message else { return LmtpReply::later("large") };
        let entry = (to.account.name.clone(), bytes.clone());
        self.delivered.lock().unwrap().push(entry);
        self.mailboxes.lock().unwrap().push(to.mailbox.clone());
        match to.account.name.as_str() {
            "later" => LmtpReply::later("x"),
            _ => LmtpReply::new(250, "2.1.5 Delivered"),
        }
    }

    fn was_unheard(&self, _: &Envelope, to: &Addressee, _: &MessageData) {
        self.unheard.lock().unwrap().push(to.account.name.clone());
    }

    fn was_not_taken(&self, _: &Envelope, to: &[Addressee], size: u64, reply: &LmtpReply) {
        self.not_taken.lock().unwrap().push((size, to.len(), reply.code));
    }

    fn is_ending(&self) -> bool {
        self.ending
    }
}

/// The codes of the answers; for an answer with several lines, the last one.
fn codes(service: &Mailboxes, input: &[u8], size: usize) -> Vec<u16> {
    let mut script = ByteScript::of(input, size);
    let _ = run(service, &mut script);
    let text = String::from_utf8(script.output).unwrap();
    assert!(text.is_empty() || text.ends_with("\r\n"), "{text:?}");
    let lines = text.split_terminator("\r\n").filter(|line| line.as_bytes()[3] == b' ');
    lines.map(|line| line[..3].parse().unwrap()).collect()
}

#[test]
fn each_recipient_is_answered_in_order() {
    let input = b"LHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<taro@x>\r\nRCPT TO:<nobody@x>\r\n\
        RCPT TO:<later@x>\r\nRCPT TO:<away@x>\r\nRCPT TO:<hana@x>\r\nRCPT TO:<more@x>\r\nDATA\r\n\
        A: b\r\n\r\n..x\r\n.\r\nQUIT\r\n";
    for size in [1, 7, 1000] {
        let service = Mailboxes::default();
        let wanted = [220, 250, 250, 250, 550, 250, 451, 250, 452, 354, 250, 451, 250, 221];
        assert_eq!(codes(&service, input, size), wanted);
        let delivered = service.delivered.into_inner().unwrap();
        let names: Vec<&str> = delivered.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["taro", "later", "hana"]);
        assert!(delivered.iter().all(|(_, bytes)| bytes == b"A: b\n\n.x\n"));
    }
}

#[test]
fn the_order_of_commands_is_kept() {
    let start = "LHLO x\r\n";
    for (input, wanted) in [
        ("MAIL FROM:<>\r\n", vec![220, 503]),
        ("LHLO x\r\nRCPT TO:<a@x>\r\nDATA\r\n", vec![220, 250, 503, 503]),
        ("LHLO x\r\nMAIL FROM:<>\r\nDATA\r\nQUIT\r\n", vec![220, 250, 250, 503, 221]),
        ("LHLO x\r\nMAIL FROM:<>\r\nMAIL FROM:<>\r\n", vec![220, 250, 250, 503]),
        ("LHLO x\r\nMAIL FROM:<>\r\nRSET\r\nRCPT TO:<a@x>\r\n", vec![220, 250, 250, 250, 503]),
        ("LHLO x\nNOOP\r\n", vec![220, 500, 250]),
        ("VRFY x\r\nBDAT 5\r\nEHLO x\r\n", vec![220, 252, 500, 500]),
    ] {
        assert_eq!(codes(&Mailboxes::default(), input.as_bytes(), 3), wanted, "{input}");
    }
    let long = format!("{start}NOOP {}\r\nNOOP\r\n", "x".repeat(LINE_LIMIT));
    assert_eq!(codes(&Mailboxes::default(), long.as_bytes(), 100), [220, 250, 500, 250]);
    let fool = "X\r\n".repeat(100);
    let codes = codes(&Mailboxes::default(), fool.as_bytes(), 50);
    assert_eq!((codes.len(), codes.last()), (MISTAKES + 2, Some(&421)));
}

#[test]
fn a_client_that_pipelines_may_go_on_after_a_refusal() {
    let many = "RCPT TO:<a@x>\r\n".repeat(30);
    let one = "MAIL FROM:<>\r\nRCPT TO:<nobody@x>\r\nDATA\r\nRSET\r\n".repeat(30);
    let last = "MAIL FROM:<>\r\nRCPT TO:<a@x>\r\nDATA\r\n.\r\n";
    let input = format!("LHLO x\r\nMAIL FROM:<> SIZE=11\r\n{many}DATA\r\n{one}{last}");
    let service = Mailboxes { most: 10, ..Mailboxes::default() };
    let answers = codes(&service, input.as_bytes(), 100);
    assert_eq!(answers.iter().filter(|code| **code == 503).count(), 61);
    assert_eq!(service.delivered.into_inner().unwrap().len(), 1, "{answers:?}");
}

#[test]
fn what_is_too_large_is_read_to_its_end() {
    let service = Mailboxes { most: 10, ..Mailboxes::default() };
    let input =
        b"LHLO x\r\nMAIL FROM:<> SIZE=11\r\nMAIL FROM:<>\r\nRCPT TO:<a@x>\r\nRCPT TO:<b@x>\r\n\
        DATA\r\n0123456789abc\r\nQUIT\r\n.\r\nNOOP\r\n";
    for size in [1, 5, 1000] {
        let wanted = [220, 250, 552, 250, 250, 250, 354, 552, 552, 250];
        assert_eq!(codes(&service, input, size), wanted);
        let noted = std::mem::take(&mut *service.not_taken.lock().unwrap());
        let [(11, 0, 552), (received, 2, 552)] = *noted else { panic!("{noted:?}") };
        assert!((11..=21).contains(&received), "{received}");
    }
    assert!(service.delivered.into_inner().unwrap().is_empty());
}

#[test]
fn a_message_without_its_end_is_none_at_whatever_byte_it_stops() {
    let input =
        b"LHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<taro@x>\r\nDATA\r\nA: b\r\n\r\nx\r\n.\r\n";
    for end in 0..=input.len() {
        let service = Mailboxes::default();
        let answers = codes(&service, &input[..end], 9);
        let delivered = service.delivered.into_inner().unwrap().len();
        assert_eq!(delivered, usize::from(end == input.len()), "{end}");
        assert_eq!(answers.iter().filter(|code| **code == 250).count() > 3, delivered > 0);
    }
}

#[test]
fn a_command_that_does_not_end_is_not_waited_for() {
    let service = Mailboxes::default();
    let line = |until| {
        let mut client = ByteScript::of(b"NOOP\r\n", 1);
        Session::new(&service, &mut client).line(until).map(|_| ())
    };
    assert!(line(Instant::now() + LINE_TIME).is_ok());
    let late = line(Instant::now() - Duration::from_millis(1));
    assert_eq!(late.map_err(|error| error.kind()), Err(ErrorKind::TimedOut));
}

#[test]
fn a_server_that_ends_finishes_what_was_begun() {
    let one = "MAIL FROM:<>\r\nRCPT TO:<a@x>\r\nDATA\r\n.\r\n";
    let input = format!("LHLO x\r\n{one}{one}");
    for size in [1, 7, 1000] {
        let service = Mailboxes { ending: true, ..Mailboxes::default() };
        let wanted = [220, 250, 250, 250, 354, 250, 421];
        assert_eq!(codes(&service, input.as_bytes(), size), wanted);
        assert_eq!(service.delivered.into_inner().unwrap().len(), 1);
    }
}

/// A store knows a mailbox by the address that was found, whatever the client wrote.
#[test]
fn a_mailbox_has_the_address_by_which_it_is_known() {
    for (to, wanted) in [
        ("taro+x@a.example", "taro@a.example"),
        ("taro+x@日本語.jp", "taro@xn--wgv71a119e.jp"),
        ("+taro+x@a.example", "+taro@a.example"),
        ("\"ta ro+x\"@a.example", "\"ta ro\"@a.example"),
        ("taro", "taro"),
    ] {
        let service = Mailboxes::default();
        let input = format!(
            "LHLO x\r\nMAIL FROM:<> SMTPUTF8\r\nRCPT TO:<{to}>\r\nDATA\r\nA: b\r\n.\r\nQUIT\r\n"
        );
        codes(&service, input.as_bytes(), 1000);
        assert_eq!(*service.mailboxes.lock().unwrap(), [wanted], "{to}");
    }
}
