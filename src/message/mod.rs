//! A message: raw bytes, and what is read off them, each only when asked for.

pub mod base64;
pub mod utf7;
pub mod iso2022;
pub mod charset;
pub mod fold;
pub mod flowed;
pub mod gather;
pub mod domain;
pub mod encoded_word;
pub mod parameter;
pub mod unfold;
pub mod head;
pub mod address;
pub mod path;
pub mod date;
pub mod block;
pub mod content;
pub mod transfer;
pub mod quiet;
pub mod reply_prefix;
pub mod message_ids;
mod bodies;
mod contained;
mod sheet;
pub mod style;
pub mod html;
pub mod text;
pub mod attachment;
pub mod file_name;
pub mod archive;
pub mod mime;
pub mod unmark;

use std::cell::{Cell, OnceCell, RefCell};
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::rc::Rc;

use address::Address;
use archive::Archive;
use attachment::Attachment;
use bodies::Bodies;
use content::{BodyReader, Content};
use date::Date;
use gather::Budget;
use head::Head;
use mime::{Part, Structure};

pub use bodies::TEXT_LIMIT;
pub use content::Unread;
pub use text::Text;

/// No mail in a Maildir is older, seconds since 1970: 1990.
const EARLIEST: i64 = 631_152_000;
const DAY: i64 = 24 * 3600;

/// How many headers are named of which something was left out.
const LEFT_OUT_LIMIT: usize = 100;

/// A change to the header of what is delivered; the message that is tested
/// stays as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderEdit {
    /// One more header at the top of the block.
    Add {
        /// Field name, RFC 5322 §2.2.
        name: String,
        /// Decoded text, one line.
        value: String,
    },
    /// Replaces all headers of that name by one.
    Set {
        /// Field name.
        name: String,
        /// Decoded text, one line.
        value: String,
    },
    /// Takes all headers of that name out.
    Remove {
        /// Field name.
        name: String,
    },
}

/// One message. The header block is at hand; the body is read when something
/// asks for it, or goes straight to its destination.
pub struct Message {
    content: Content,
    head: OnceCell<Head>,
    texts: ByName<Text>,
    addresses: ByName<Address>,
    /// What was left out of headers, for the trace.
    left_out: RefCell<Vec<String>>,
    date: OnceCell<Option<Date>>,
    stored: Cell<Option<StoredTexts>>,
    structure: OnceCell<Result<Structure, Unread>>,
    bodies: OnceCell<Result<Bodies, Unread>>,
    attachments: OnceCell<Vec<Attachment>>,
    within: OnceCell<Result<Vec<Message>, Unread>>,
    /// In how many messages this one was encoded, each within the other.
    depth: u8,
    archives: OnceCell<Result<Vec<(usize, Archive)>, Unread>>,
    sizes: OnceCell<Result<Vec<u64>, Unread>>,
    hashes: OnceCell<Result<Vec<Option<String>>, Unread>>,
}

/// What a message's file tells of when it was stored, seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct StoredTexts {
    /// By its name in a Maildir.
    name: Option<i64>,
    /// By when it was modified.
    modified: Option<i64>,
}

impl Message {
    /// Reads the header block of a message and leaves the rest unread. A
    /// `From ` line before it is put aside. Should a large body have to be
    /// kept, it goes into an unlinked file in `spool_dir`.
    ///
    /// # Errors
    /// The input's, before the end of the header block.
    pub fn read(input: Box<dyn Read>, spool_dir: &Path) -> io::Result<Message> {
        Ok(Message::new(Content::read(input, spool_dir)?))
    }

    /// A message in memory.
    pub fn from_bytes(bytes: Vec<u8>) -> Message {
        Message::new(Content::from_bytes(bytes))
    }

    /// A message in a file, whose body is read from there when it is asked
    /// for.
    ///
    /// # Errors
    /// The file's; `InvalidInput` if it is no regular file.
    pub fn open(file: File) -> io::Result<Message> {
        let modified = file.metadata()?.mtime();
        let message = Message::new(Content::open(file)?);
        message.stored.set(Some(StoredTexts { name: None, modified: Some(modified) }));
        Ok(message)
    }

    /// Tells the name of the message's file in a Maildir, which begins with
    /// when it was delivered (<https://cr.yp.to/proto/maildir.html>); an empty
    /// one for a message in an mbox.
    pub fn is_stored_as(&self, name: &str) {
        let modified = self.stored.get().and_then(|stored| stored.modified);
        self.stored.set(Some(StoredTexts { name: time_of_name(name), modified }));
    }

    /// When a stored message came here, seconds since 1970: by its name in a
    /// Maildir, else by the topmost Received line (RFC 5321 §4.4), which our
    /// own machine has written, else by its file. What lies more than a day
    /// ahead of `now` is not believed, as names before 1990 are not. None for a
    /// message that comes only now.
    pub fn arrived(&self, now: i64) -> Option<i64> {
        let stored = self.stored.get()?;
        let name = stored.name.filter(|at| is_sound(*at, now));
        name.or_else(|| self.received(now)).or(stored.modified)
    }

    /// When the topmost Received line says that it came, seconds since 1970.
    pub fn received(&self, now: i64) -> Option<i64> {
        let line = self.head().values("received").next()?;
        let at = line.iter().rposition(|byte| *byte == b';')?;
        let at = date::parse(line.get(at + 1..)?)?.unix_seconds;
        is_sound(at, now).then_some(at)
    }

    fn new(content: Content) -> Message {
        Message {
            content,
            head: OnceCell::new(),
            texts: RefCell::default(),
            addresses: RefCell::default(),
            left_out: RefCell::default(),
            date: OnceCell::new(),
            stored: Cell::new(None),
            structure: OnceCell::new(),
            bodies: OnceCell::new(),
            attachments: OnceCell::new(),
            within: OnceCell::new(),
            depth: 0,
            archives: OnceCell::new(),
            sizes: OnceCell::new(),
            hashes: OnceCell::new(),
        }
    }

    /// The line `From sender date` that the MTA or the mbox put before the
    /// message, with its line end.
    pub fn from_line(&self) -> Option<&[u8]> {
        self.content.from_line()
    }

    /// Size as it came, without the `From ` line, bytes. Reads all of it.
    pub fn size(&self) -> Result<u64, Unread> {
        self.content.size()
    }

    /// Whether it is no message at all: not even a header. Reads all of it
    /// where there is no header block.
    pub fn is_empty(&self) -> Result<bool, Unread> {
        let starts = self.from_line().is_some() || !self.content.header().is_empty();
        Ok(!starts && self.size()? == 0)
    }

    /// The header block.
    pub fn head(&self) -> &Head {
        self.head.get_or_init(|| Head::of_message(self.content.shared_header()))
    }

    /// The values of all headers of that name, decoded, from top to bottom.
    pub fn texts(&self, name: &str) -> Rc<[Text]> {
        cached(&self.texts, name, || {
            let (texts, cut) = self.head().texts(name);
            if cut {
                self.leave_out(format!("only the first 256 KB of {name} were looked at"));
            }
            texts.into_iter().map(Text::normalised).collect()
        })
    }

    /// Every header, `Name: value`, decoded, from top to bottom.
    pub fn header_lines(&self) -> Vec<Text> {
        let (lines, cut) = self.head().lines();
        if cut {
            self.leave_out("only the first 256 KB of the header were looked at".into());
        }
        lines.into_iter().map(Text::normalised).collect()
    }

    /// The addresses in all headers of that name, from top to bottom.
    pub fn addresses(&self, name: &str) -> Rc<[Address]> {
        cached(&self.addresses, name, || {
            let mut budget = Budget::new(address::LIST_LIMIT);
            let mut all = Vec::new();
            for value in self.head().values(name) {
                if budget.is_spent() {
                    break;
                }
                all.extend(address::parse_within(value, &mut budget));
            }
            if budget.is_cut() {
                let known = all.len();
                self.leave_out(format!("only {known} addresses in {name} were looked at"));
            }
            all.into()
        })
    }

    /// Notes that something was not looked at, for the trace.
    pub fn leave_out(&self, what: String) {
        let mut all = self.left_out.borrow_mut();
        if all.len() < LEFT_OUT_LIMIT && !all.contains(&what) {
            all.push(what);
        }
    }

    /// The Date header, the topmost that can be read.
    pub fn date(&self) -> Option<Date> {
        *self.date.get_or_init(|| self.head().values("date").find_map(date::parse))
    }

    /// All MIME parts; the first is the message itself.
    pub fn parts(&self) -> Result<&[Part], Unread> {
        Ok(&self.structure()?.parts)
    }

    fn structure(&self) -> Result<&Structure, Unread> {
        get(&self.structure, || Ok(mime::walk(self.head(), self.content.body(0..u64::MAX)?)?))
    }

    /// The decoded content of a part, its first `limit` bytes.
    pub fn part_bytes(&self, part: &Part, limit: usize) -> Result<Vec<u8>, Unread> {
        Ok(transfer::prefix(self.raw(part)?, part.encoding, limit)?)
    }

    /// A stretch of the raw body, bytes from its start, cut at its end.
    pub fn body(&self, range: Range<u64>) -> Result<BodyReader<'_>, Unread> {
        self.content.body(range)
    }

    fn raw(&self, part: &Part) -> Result<BodyReader<'_>, Unread> {
        self.content.body(part.range.clone())
    }

    /// The charsets that headers and text parts declare, or, where they
    /// declare none, show; lower case, each once.
    pub fn charsets(&self) -> Result<Vec<String>, Unread> {
        let parts = self.parts()?;
        let mut charsets: Vec<String> = text::encoded_word_charsets(self.head().bytes());
        charsets.extend(parts.iter().filter_map(|part| part.charset.clone()));
        if parts.iter().any(|part| part.is_text() && part.charset.is_none()) {
            charsets.extend_from_slice(&self.bodies()?.charsets);
        }
        let mut seen = Vec::new();
        for charset in &mut charsets {
            charset.make_ascii_lowercase();
            if !seen.contains(charset) {
                seen.push(std::mem::take(charset));
            }
        }
        Ok(seen)
    }

    /// What of the message was not looked at because it is too much, as far
    /// as it has been asked for; for the trace.
    pub fn limits(&self) -> Vec<String> {
        let mut limits: Vec<String> = Vec::new();
        if self.content.header_cut() {
            limits.push("the header was cut at 16 MB".to_owned());
        }
        if self.head.get().is_some_and(Head::has_more) {
            limits.push("only the first 50,000 lines of the header were looked at".to_owned());
        }
        limits.extend_from_slice(&self.left_out.borrow());
        if let Some(Ok(structure)) = self.structure.get() {
            limits.extend(structure.limits.iter().map(|&limit| limit.to_owned()));
        }
        if let Some(Ok(Bodies { cut: true, .. })) = self.bodies.get() {
            let why = "text of the body was cut (16 MB in all, 8 MB of an HTML part; \
                       a character beyond ASCII counts as 8 bytes)";
            limits.push(why.to_owned());
        }
        if let Some(Ok(hashes)) = self.hashes.get()
            && hashes.contains(&None)
        {
            limits.push("messages nested in messages were not hashed".to_owned());
        }
        if let Some(Ok(within)) = self.within.get() {
            limits.extend(within.iter().flat_map(Message::limits));
        }
        limits
    }

    /// Reads all and keeps it, so that it can be written more than once.
    pub fn spool(&self) -> Result<(), Unread> {
        self.content.spool()
    }

    /// Why the body could not be read when something asked for it, if so.
    pub fn failure(&self) -> Option<Unread> {
        self.content.failure()
    }

    /// Writes the message byte for byte as it came, without the `From ` line,
    /// with `edits` made one after the other. Gives the number of bytes.
    ///
    /// A body that nothing has asked for passes through one buffer and is gone
    /// then: a second call, or a test of the body, fails. Where there are
    /// several destinations, [`Message::spool`] comes first.
    ///
    /// # Errors
    /// What is in `out` is then no whole message.
    pub fn write_to(&self, edits: &[HeaderEdit], out: &mut File) -> io::Result<u64> {
        if edits.is_empty() {
            return self.content.write(self.content.header(), out);
        }
        let header = block::edit(self.head(), self.content.header_cut(), edits);
        self.content.write(&header, out)
    }

    /// Hands over piece by piece what [`Message::write_to`] writes, as often as one
    /// likes. Reads the body if nothing has.
    ///
    /// # Errors
    /// What could not be read, or what `take` says. It is then no whole message.
    pub fn pieces(
        &self,
        edits: &[HeaderEdit],
        take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        match edits {
            [] => take(self.content.header())?,
            edits => take(&block::edit(self.head(), self.content.header_cut(), edits))?,
        }
        let mut body = self.body(0..u64::MAX)?;
        if let BodyReader::Memory(bytes) = body {
            return take(bytes);
        }
        let mut buffer = vec![0; 64 << 10];
        loop {
            match body.read(&mut buffer)? {
                0 => return Ok(()),
                count => take(buffer.get(..count).unwrap_or_default())?,
            }
        }
    }
}

/// When a message came, by the name of its file in a Maildir, as [`Message::arrived`] does
/// first; seconds since 1970.
pub fn arrived_by_name(name: &str, now: i64) -> Option<i64> {
    time_of_name(name).filter(|at| is_sound(*at, now))
}

fn time_of_name(name: &str) -> Option<i64> {
    let end = name.find(|c: char| !c.is_ascii_digit()).unwrap_or(name.len());
    let (seconds, rest) = name.split_at(end);
    seconds.parse().ok().filter(|_| rest.starts_with(['.', '_']))
}

/// Whether mail can have come at a moment.
fn is_sound(at: i64, now: i64) -> bool {
    (EARLIEST..=now.saturating_add(DAY)).contains(&at)
}

/// What was computed before, or is now. A failure is remembered too.
fn get<T>(
    cell: &OnceCell<Result<T, Unread>>,
    compute: impl FnOnce() -> Result<T, Unread>,
) -> Result<&T, Unread> {
    cell.get_or_init(compute).as_ref().map_err(Unread::clone)
}

/// What was read of the headers of each name; names are few.
type ByName<T> = RefCell<Vec<(String, Rc<[T]>)>>;

/// What is known of a name in any case, or is read now.
fn cached<T>(known: &ByName<T>, name: &str, read: impl FnOnce() -> Rc<[T]>) -> Rc<[T]> {
    let is_it = |(other, _): &&(String, Rc<[T]>)| other.eq_ignore_ascii_case(name);
    if let Some((_, found)) = known.borrow().iter().find(is_it) {
        return Rc::clone(found);
    }
    let found = read();
    known.borrow_mut().push((name.to_owned(), Rc::clone(&found)));
    found
}

#[cfg(test)]
mod tests {
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

    /// Gives its bytes a few at a time, then, perhaps, an error.
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

    /// Every way in which a message comes and goes must give its bytes.
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
            assert_eq!(message.size().unwrap_err().raw_os_error(), Some(EIO));
            assert_eq!(written(&message, &[]).unwrap_err().raw_os_error(), Some(EIO));
            assert_eq!(message.body_texts().unwrap_err().raw_os_error(), Some(EIO));
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
        let input = content::Deadline::new(reader, at);
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
        let input = content::Deadline::new(reader, at);
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
            let message =
                Message::from_bytes([b"Subject: ".as_slice(), &subject, b"\n\n"].concat());
            assert_eq!(message.texts("Subject")[0].text(), want);
        }
    }

    #[test]
    fn a_boundary_may_stand_straight_behind_the_header() {
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
    fn headers_are_cut_by_what_they_cost_and_said_to_be() {
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
}
