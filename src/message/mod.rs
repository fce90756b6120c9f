//! A message: raw bytes, and what is read off them, each only when asked for.

pub mod base64;
pub mod utf7;
pub mod iso2022;
pub mod charset;
pub mod fold;
pub mod domain;
pub mod encoded_word;
pub mod parameter;
pub mod head;
pub mod address;
pub mod date;
pub mod block;
pub mod content;
pub mod transfer;
pub mod html;
pub mod text;
pub mod attachment;
pub mod mime;

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;

use address::Address;
use attachment::Attachment;
use content::{BodyReader, Content};
use date::Date;
use head::Head;
use mime::{Part, Structure};
use transfer::Encoding;

pub use content::Unread;
pub use text::Text;

/// Of the text parts of a message so many bytes are read in all.
pub const TEXT_LIMIT: usize = 16 << 20;

/// So many times the size of its body is hashed of a message's attachments;
/// more than once is asked only of messages within messages.
const HASH_ROUNDS: u64 = 4;

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
    texts: RefCell<HashMap<String, Rc<[Text]>>>,
    addresses: RefCell<HashMap<String, Rc<[Address]>>>,
    date: OnceCell<Option<Date>>,
    structure: OnceCell<Result<Structure, Unread>>,
    bodies: OnceCell<Result<Bodies, Unread>>,
    attachments: OnceCell<Vec<Attachment>>,
    sizes: OnceCell<Result<Vec<u64>, Unread>>,
    hashes: OnceCell<Result<Vec<Option<String>>, Unread>>,
}

struct Bodies {
    texts: Vec<Text>,
    /// Of texts that declare none.
    charsets: Vec<String>,
    cut: bool,
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
        Ok(Message::new(Content::open(file)?))
    }

    fn new(content: Content) -> Message {
        Message {
            content,
            head: OnceCell::new(),
            texts: RefCell::default(),
            addresses: RefCell::default(),
            date: OnceCell::new(),
            structure: OnceCell::new(),
            bodies: OnceCell::new(),
            attachments: OnceCell::new(),
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

    /// The header block.
    pub fn head(&self) -> &Head {
        self.head.get_or_init(|| Head::parse(self.content.header()))
    }

    /// The values of all headers of that name, decoded, from top to bottom.
    pub fn texts(&self, name: &str) -> Rc<[Text]> {
        cached(&self.texts, name, || {
            self.head().texts(name).into_iter().map(Text::normalised).collect()
        })
    }

    /// The addresses in all headers of that name, from top to bottom.
    pub fn addresses(&self, name: &str) -> Rc<[Address]> {
        cached(&self.addresses, name, || {
            self.head().values(name).flat_map(address::parse_list).collect()
        })
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

    /// The text parts, those of `multipart/alternative` and of forwarded
    /// messages among them; HTML as text.
    pub fn body_texts(&self) -> Result<&[Text], Unread> {
        Ok(&self.bodies()?.texts)
    }

    fn bodies(&self) -> Result<&Bodies, Unread> {
        get(&self.bodies, || {
            let mut bodies = Bodies { texts: Vec::new(), charsets: Vec::new(), cut: false };
            let mut left = TEXT_LIMIT;
            for part in self.parts()?.iter().filter(|part| part.is_text()) {
                let (html, label) = (part.media_type == "text/html", part.charset.as_deref());
                let decoded = text::read(self.raw(part)?, part.encoding, html, label, left)?;
                left -= decoded.read.min(left);
                bodies.cut |= decoded.cut;
                bodies.charsets.extend(decoded.charset);
                bodies.texts.push(decoded.text);
            }
            Ok(bodies)
        })
    }

    /// The attachments, in the order of the parts.
    pub fn attachments(&self) -> Result<&[Attachment], Unread> {
        let parts = self.parts()?;
        Ok(self.attachments.get_or_init(|| attachment::of(parts)))
    }

    /// Decoded size of each attachment, bytes. Reads all of them.
    pub fn attachment_sizes(&self) -> Result<&[u64], Unread> {
        get(&self.sizes, || {
            self.attached_parts()?
                .map(|part| match part.encoding {
                    Encoding::Identity => Ok(part.range.end - part.range.start),
                    encoding => Ok(attachment::size(self.raw(part)?, encoding)?),
                })
                .collect()
        })
        .map(Vec::as_slice)
    }

    /// SHA-256 of each attachment's decoded content, lower-case hexadecimal.
    /// Reads all of them. `None` for what is nested so deep that hashing it
    /// all would take too long.
    pub fn attachment_hashes(&self) -> Result<&[Option<String>], Unread> {
        get(&self.hashes, || {
            let mut left = self.content.body_size()?.saturating_mul(HASH_ROUNDS);
            self.attached_parts()?
                .map(|part| {
                    let size = part.range.end - part.range.start;
                    if size > left {
                        return Ok(None);
                    }
                    left -= size;
                    Ok(Some(attachment::sha256(self.raw(part)?, part.encoding)?))
                })
                .collect()
        })
        .map(Vec::as_slice)
    }

    fn attached_parts(&self) -> Result<impl Iterator<Item = &Part>, Unread> {
        let parts = self.parts()?;
        Ok(self.attachments()?.iter().filter_map(|attachment| parts.get(attachment.part)))
    }

    /// The decoded content of a part, its first `limit` bytes.
    pub fn part_bytes(&self, part: &Part, limit: usize) -> Result<Vec<u8>, Unread> {
        Ok(attachment::prefix(self.raw(part)?, part.encoding, limit)?)
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
    pub fn limits(&self) -> Vec<&'static str> {
        let mut limits = Vec::new();
        if self.content.header_cut() {
            limits.push("the header was cut at 32 MB");
        }
        if let Some(Ok(structure)) = self.structure.get() {
            limits.extend_from_slice(&structure.limits);
        }
        if let Some(Ok(Bodies { cut: true, .. })) = self.bodies.get() {
            limits.push("the text of the body was cut at 16 MB");
        }
        if let Some(Ok(hashes)) = self.hashes.get()
            && hashes.contains(&None)
        {
            limits.push("messages nested in messages were not hashed");
        }
        limits
    }

    /// Reads all and keeps it, so that it can be written more than once.
    pub fn spool(&self) -> Result<(), Unread> {
        self.content.spool()
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
}

/// What was computed before, or is now. A failure is remembered too.
fn get<T>(
    cell: &OnceCell<Result<T, Unread>>,
    compute: impl FnOnce() -> Result<T, Unread>,
) -> Result<&T, Unread> {
    cell.get_or_init(compute).as_ref().map_err(Unread::clone)
}

fn cached<T>(
    cache: &RefCell<HashMap<String, Rc<[T]>>>,
    name: &str,
    compute: impl FnOnce() -> Rc<[T]>,
) -> Rc<[T]> {
    if let Some(found) = cache.borrow().get(name) {
        return Rc::clone(found);
    }
    let computed = compute();
    cache.borrow_mut().insert(name.to_owned(), Rc::clone(&computed));
    computed
}
