//! A message: raw bytes, and what is read from them, each only when needed.

pub mod base64;
pub mod utf7;
pub mod jisx0213;
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

use std::borrow::Cow;
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

/// The earliest time at which mail in a Maildir can have arrived, seconds since
/// 1970: 1990.
const EARLIEST: i64 = 631_152_000;
const DAY: i64 = 24 * 3600;

/// How many notes on left-out headers are kept.
const LEFT_OUT_LIMIT: usize = 100;

/// A change to the header of the delivered message; the message that is tested
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
    /// Replaces all headers of that name with one.
    Set {
        /// Field name.
        name: String,
        /// Decoded text, one line.
        value: String,
    },
    /// Removes all headers of that name.
    Remove {
        /// Field name.
        name: String,
    },
}

/// One message. The header block is available; the body is read when something
/// needs it, or goes straight to its destination.
pub struct Message {
    content: Content,
    head: OnceCell<Head>,
    texts: ByName<Text>,
    addresses: ByName<Address>,
    /// What was left out of headers, for the trace.
    left_out: RefCell<Vec<String>>,
    date: OnceCell<Option<Date>>,
    stored: Cell<Option<StorageTimes>>,
    structure: OnceCell<Result<Structure, Unread>>,
    bodies: OnceCell<Result<Bodies, Unread>>,
    attachments: OnceCell<Vec<Attachment>>,
    within: OnceCell<Result<Vec<Message>, Unread>>,
    /// How many encoded messages, each within the other, contain this one.
    depth: u8,
    archives: OnceCell<Result<Vec<(usize, Archive)>, Unread>>,
    sizes: OnceCell<Result<Vec<u64>, Unread>>,
    hashes: OnceCell<Result<Vec<Option<String>>, Unread>>,
}

/// What a message's file tells about when it was stored, seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct StorageTimes {
    /// From its name in a Maildir.
    name: Option<i64>,
    /// From the time it was modified.
    modified: Option<i64>,
}

impl Message {
    /// Reads the header block of a message and leaves the rest unread. A `From `
    /// line before it is kept separately. If a large body has to be stored, it
    /// goes into an unlinked file in `spool_dir`.
    ///
    /// # Errors
    /// The input cannot be read to the end of the header block.
    pub fn read(input: Box<dyn Read>, spool_dir: &Path) -> io::Result<Message> {
        Ok(Message::new(Content::read(input, spool_dir)?))
    }

    /// A message in memory.
    pub fn from_bytes(bytes: Vec<u8>) -> Message {
        Message::new(Content::from_bytes(bytes))
    }

    /// A message in a file, whose body is read from there when it is needed.
    ///
    /// # Errors
    /// The file cannot be read; `InvalidInput` if it is not a regular file.
    pub fn open(file: File) -> io::Result<Message> {
        let modified = file.metadata()?.mtime();
        let message = Message::new(Content::open(file)?);
        message.stored.set(Some(StorageTimes { name: None, modified: Some(modified) }));
        Ok(message)
    }

    /// Sets the name of the message's file in a Maildir, which begins with the
    /// time of delivery (<https://cr.yp.to/proto/maildir.html>); empty for a
    /// message in an mbox.
    pub fn is_stored_as(&self, name: &str) {
        let modified = self.stored.get().and_then(|stored| stored.modified);
        self.stored.set(Some(StorageTimes { name: time_of_name(name), modified }));
    }

    /// When a stored message arrived here, seconds since 1970: from its name in a
    /// Maildir, otherwise from the topmost Received line (RFC 5321 §4.4), which
    /// our own machine wrote, otherwise from its file. Times more than a day
    /// after `now` or before 1990 are not believed: a machine whose clock was wrong
    /// wrote them. `None` then, and for a message that is only arriving now.
    pub fn arrived(&self, now: i64) -> Option<i64> {
        let stored = self.stored.get()?;
        let name = stored.name.filter(|at| is_sound(*at, now));
        let modified = stored.modified.filter(|at| is_sound(*at, now));
        name.or_else(|| self.received(now)).or(modified)
    }

    /// When it arrived according to the topmost Received line, seconds since
    /// 1970.
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

    /// The size as it came, without the `From ` line, bytes. Reads all of it.
    ///
    /// # Errors
    /// The body cannot be read.
    pub fn size(&self) -> Result<u64, Unread> {
        self.content.size()
    }

    /// Whether there is no message at all, not even a header. Reads all of it if
    /// there is no header block.
    ///
    /// # Errors
    /// The body cannot be read.
    pub fn is_empty(&self) -> Result<bool, Unread> {
        let starts = self.from_line().is_some() || !self.content.header().is_empty();
        Ok(!starts && self.size()? == 0)
    }

    /// The header block.
    pub fn head(&self) -> &Head {
        self.head.get_or_init(|| Head::of_message(self.content.shared_header()))
    }

    /// Whether there may be more header fields than were found: the header block is
    /// too long, or no empty line ends it.
    pub fn header_may_go_on(&self) -> bool {
        self.content.header_may_go_on()
    }

    /// The header block that [`Message::write_to`] writes.
    pub fn head_after(&self, edits: &[HeaderEdit]) -> Cow<'_, Head> {
        if edits.is_empty() {
            return Cow::Borrowed(self.head());
        }
        let edited = block::edit(self.head(), self.content.header_cut(), edits);
        Cow::Owned(Head::of_message(Rc::new(edited)))
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

    /// Notes that something was ignored, for the trace.
    pub fn leave_out(&self, what: String) {
        let mut all = self.left_out.borrow_mut();
        if all.len() < LEFT_OUT_LIMIT && !all.contains(&what) {
            all.push(what);
        }
    }

    /// The topmost Date header that can be read.
    pub fn date(&self) -> Option<Date> {
        *self.date.get_or_init(|| self.head().values("date").find_map(date::parse))
    }

    /// All MIME parts; the first is the message itself.
    ///
    /// # Errors
    /// The body cannot be read.
    pub fn parts(&self) -> Result<&[Part], Unread> {
        Ok(&self.structure()?.parts)
    }

    fn structure(&self) -> Result<&Structure, Unread> {
        get(&self.structure, || Ok(mime::walk(self.head(), self.content.body(0..u64::MAX)?)?))
    }

    /// The first `limit` bytes of a part's decoded content.
    ///
    /// # Errors
    /// The body cannot be read.
    pub fn part_bytes(&self, part: &Part, limit: usize) -> Result<Vec<u8>, Unread> {
        Ok(transfer::prefix(self.raw(part)?, part.encoding, limit)?)
    }

    /// A range of the raw body, in bytes from its start, cut at its end.
    ///
    /// # Errors
    /// The body cannot be read.
    pub fn body(&self, range: Range<u64>) -> Result<BodyReader<'_>, Unread> {
        self.content.body(range)
    }

    fn raw(&self, part: &Part) -> Result<BodyReader<'_>, Unread> {
        self.content.body(part.range.clone())
    }

    /// The charsets that headers and text parts declare or, if they declare none,
    /// that their bytes show; lower case, each once.
    ///
    /// # Errors
    /// The body cannot be read.
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

    /// What was ignored in the message because it exceeds a limit, as far as it
    /// has been read; for the trace.
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

    /// Reads everything and keeps it, so that it can be written more than once.
    ///
    /// # Errors
    /// The body cannot be read.
    pub fn spool(&self) -> Result<(), Unread> {
        self.content.spool()
    }

    /// Why the body could not be read, if an attempt failed.
    pub fn failure(&self) -> Option<Unread> {
        self.content.failure()
    }

    /// Writes the message byte for byte as it came, without the `From ` line,
    /// after applying `edits` one after the other. Returns the number of bytes.
    ///
    /// A body that nothing has requested passes through one buffer and is not
    /// available afterwards: a second call, or a test of the body, fails. If
    /// there are several destinations, call [`Message::spool`] first.
    ///
    /// # Errors
    /// The message cannot be read or `out` cannot be written; `out` then has no
    /// complete message.
    pub fn write_to(&self, edits: &[HeaderEdit], out: &mut File) -> io::Result<u64> {
        if edits.is_empty() {
            return self.content.write(self.content.header(), out);
        }
        let header = block::edit(self.head(), self.content.header_cut(), edits);
        self.content.write(&header, out)
    }

    /// Passes what [`Message::write_to`] writes to `take` piece by piece; can be
    /// called repeatedly. Reads the body if necessary.
    ///
    /// # Errors
    /// The body cannot be read, or `take` fails. The pieces are then not a
    /// complete message.
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

/// When a message arrived, from the name of its file in a Maildir, which
/// [`Message::arrived`] tries first; seconds since 1970.
pub fn arrived_by_name(name: &str, now: i64) -> Option<i64> {
    time_of_name(name).filter(|at| is_sound(*at, now))
}

fn time_of_name(name: &str) -> Option<i64> {
    let end = name.find(|c: char| !c.is_ascii_digit()).unwrap_or(name.len());
    let (seconds, rest) = name.split_at(end);
    seconds.parse().ok().filter(|_| rest.starts_with(['.', '_']))
}

/// Whether mail can have arrived at this time.
fn is_sound(at: i64, now: i64) -> bool {
    (EARLIEST..=now.saturating_add(DAY)).contains(&at)
}

/// The value computed earlier, or now. A failure is remembered too.
fn get<T>(
    cell: &OnceCell<Result<T, Unread>>,
    compute: impl FnOnce() -> Result<T, Unread>,
) -> Result<&T, Unread> {
    cell.get_or_init(compute).as_ref().map_err(Unread::clone)
}

/// What has been read from the headers of each name; names are few.
type ByName<T> = RefCell<Vec<(String, Rc<[T]>)>>;

/// The known value for a name in any case; otherwise it is read now.
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
}
