//! A message: raw bytes, and what is read from them, each only when needed.

pub mod base64;
pub mod utf7;
pub mod jisx0213;
pub mod iso2022;
pub mod cfws;
pub mod charset;
pub mod fold;
pub mod flowed;
pub mod bounded_text;
pub mod domain;
pub mod encoded_word;
pub mod parameter;
pub mod number;
pub mod unfold;
pub mod head;
pub mod address;
pub mod path;
pub mod date;
pub mod header_block;
pub mod header_edit;
pub mod content;
pub mod deadline;
pub mod transfer;
pub mod silent_emitter;
pub mod reply_prefix;
pub mod message_ids;
mod arrival;
mod bodies;
mod contents;
mod style_sheet;
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
use arrival::StorageTimes;
use attachment::Attachment;
use bodies::Bodies;
use bounded_text::Budget;
use content::{BodyReader, Content};
use date::Date;
use head::Head;
use mime::{Part, Structure};

pub use arrival::arrived_by_name;
pub use bodies::TEXT_LIMIT;
pub use content::BodyError;
pub use header_edit::HeaderEdit;
pub use text::Text;

/// How many notes on left-out headers are kept.
const LEFT_OUT_LIMIT: usize = 100;

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
    structure: OnceCell<Result<Structure, BodyError>>,
    bodies: OnceCell<Result<Bodies, BodyError>>,
    attachments: OnceCell<Vec<Attachment>>,
    within: OnceCell<Result<Vec<Message>, BodyError>>,
    /// How many encoded messages, each within the other, contain this one.
    depth: u8,
    archives: OnceCell<Result<Vec<(usize, Archive)>, BodyError>>,
    sizes: OnceCell<Result<Vec<u64>, BodyError>>,
    hashes: OnceCell<Result<Vec<Option<String>>, BodyError>>,
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
    pub fn size(&self) -> Result<u64, BodyError> {
        self.content.size()
    }

    /// Whether there is no message at all, not even a header. Reads all of it if
    /// there is no header block.
    ///
    /// # Errors
    /// The body cannot be read.
    pub fn is_empty(&self) -> Result<bool, BodyError> {
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
        let edited = header_edit::edit(self.head(), self.content.header_cut(), edits);
        Cow::Owned(Head::of_message(Rc::new(edited)))
    }

    /// The values of all headers of that name, decoded, from top to bottom.
    pub fn texts(&self, name: &str) -> Rc<[Text]> {
        cached(&self.texts, name, || {
            let (texts, cut) = self.head().texts(name);
            if cut {
                self.leave_out(format!("only the first 256 KB of {name} were looked at"));
            }
            texts.into_iter().map(Text::normalized).collect()
        })
    }

    /// Every header, `Name: value`, decoded, from top to bottom.
    pub fn header_lines(&self) -> Vec<Text> {
        let (lines, cut) = self.head().lines();
        self.texts_of_header(lines, cut)
    }

    /// Every header as it was sent, from top to bottom; see [`Head::raw_lines`].
    pub fn raw_header_lines(&self) -> Vec<Text> {
        let (lines, cut) = self.head().raw_lines();
        self.texts_of_header(lines, cut)
    }

    fn texts_of_header(&self, lines: Vec<String>, cut: bool) -> Vec<Text> {
        if cut {
            self.leave_out("only the first 256 KB of the header were looked at".into());
        }
        lines.into_iter().map(Text::normalized).collect()
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
    pub fn parts(&self) -> Result<&[Part], BodyError> {
        Ok(&self.structure()?.parts)
    }

    fn structure(&self) -> Result<&Structure, BodyError> {
        get(&self.structure, || Ok(mime::walk(self.head(), self.content.body(0..u64::MAX)?)?))
    }

    /// The first `limit` bytes of a part's decoded content.
    ///
    /// # Errors
    /// The body cannot be read.
    pub fn part_bytes(&self, part: &Part, limit: usize) -> Result<Vec<u8>, BodyError> {
        Ok(transfer::prefix(self.raw(part)?, part.encoding, limit)?)
    }

    /// A range of the raw body, in bytes from its start, cut at its end.
    ///
    /// # Errors
    /// The body cannot be read.
    pub fn body(&self, range: Range<u64>) -> Result<BodyReader<'_>, BodyError> {
        self.content.body(range)
    }

    fn raw(&self, part: &Part) -> Result<BodyReader<'_>, BodyError> {
        self.content.body(part.range.clone())
    }

    /// The charsets that headers and text parts declare or, if they declare none,
    /// that their bytes show; lower case, each once.
    ///
    /// # Errors
    /// The body cannot be read.
    pub fn charsets(&self) -> Result<Vec<String>, BodyError> {
        let parts = self.parts()?;
        let mut charsets: Vec<String> = text::encoded_word_charsets(self.head().bytes());
        charsets.extend(parts.iter().filter_map(|part| part.charset.clone()));
        if parts.iter().any(|part| part.is_text() && part.charset.is_none()) {
            charsets.extend_from_slice(&self.bodies()?.charsets);
        }
        let mut seen = Vec::new();
        for label in charsets {
            let name = charset::standard_name(&label).map(str::to_ascii_lowercase);
            for charset in [Some(label.to_ascii_lowercase()), name].into_iter().flatten() {
                if !seen.contains(&charset) {
                    seen.push(charset);
                }
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
    pub fn spool(&self) -> Result<(), BodyError> {
        self.content.spool()
    }

    /// Why the body could not be read, if an attempt failed.
    pub fn failure(&self) -> Option<BodyError> {
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
        let header = header_edit::edit(self.head(), self.content.header_cut(), edits);
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
            edits => take(&header_edit::edit(self.head(), self.content.header_cut(), edits))?,
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

/// The value computed earlier, or now. A failure is remembered too.
fn get<T>(
    cell: &OnceCell<Result<T, BodyError>>,
    compute: impl FnOnce() -> Result<T, BodyError>,
) -> Result<&T, BodyError> {
    cell.get_or_init(compute).as_ref().map_err(BodyError::clone)
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
mod tests;
