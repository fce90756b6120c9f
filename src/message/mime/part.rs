//! A body part (RFC 2045 §2.4), as its header describes it.

use std::ops::Range;

use crate::message::flowed::Flow;
use crate::message::head::Head;
use crate::message::parameter::{self, Parameters};
use crate::message::transfer::Encoding;
use crate::message::{encoded_word, file_name};

/// The longest media type; RFC 6838 §4.2 allows 127 bytes on either side.
const TYPE_LIMIT: usize = 255;

/// One body part (RFC 2045 §2.4); the first is the message itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Part {
    /// `type/subtype` in lower case, as declared, or what RFC 2045 §5.2
    /// substitutes for it.
    pub media_type: String,
    /// Declared charset, as written.
    pub charset: Option<String>,
    /// How the lines of its text must be read.
    pub flow: Flow,
    /// The file name, decoded and cleaned of everything that would disguise it:
    /// from Content-Disposition, otherwise from Content-Type.
    pub name: Option<String>,
    /// Other names that mail readers may show: from Content-Type, the last of
    /// several, and without backslashes.
    pub other_names: Vec<String>,
    /// Content-Disposition is `attachment`.
    pub attached: bool,
    /// How its content is encoded for transport.
    pub encoding: Encoding,
    /// Where its content is in the body of the message, in bytes: without the
    /// header block and without the line end that belongs to a boundary.
    pub range: Range<u64>,
    /// Index of the part that contains it.
    pub parent: Option<usize>,
    /// The parts of a multipart were found, and have all the content.
    pub split: bool,
}

impl Part {
    /// Whether the part is text that a mail reader shows.
    pub fn is_text(&self) -> bool {
        !self.split && !self.attached && self.media_type.starts_with("text/")
    }

    /// Whether the part is another message.
    pub fn is_message(&self) -> bool {
        let known = ["message/rfc822", "message/global", "message/news"];
        known.contains(&self.media_type.as_str())
    }

    /// For a multipart that cannot be split (RFC 2045 §5.2).
    pub(super) fn read_as_text(&mut self) {
        self.split = false;
        self.media_type = "text/plain".to_owned();
        self.encoding = Encoding::Identity;
    }

    /// Whether the part is something to save or open: marked as an attachment, with a
    /// file name, or not text.
    pub fn is_attachment(&self) -> bool {
        if self.media_type.starts_with("multipart/") {
            return false;
        }
        self.attached || self.name.is_some() || !self.media_type.starts_with("text/")
    }
}

fn is_multipart(content_type: &Parameters) -> bool {
    content_type.value.starts_with("multipart/") && content_type.get("boundary").is_some()
}

/// Reads a part's header; `default` is its media type if none is declared. Returns
/// Content-Type, too.
pub(super) fn describe(head: &Head, default: &str) -> (Part, Parameters) {
    let mut content_type = head.content_type();
    let last = |header| head.values(header).skip(1).last().map(parameter::parse);
    let (last_disposition, mut last_type) = (last("content-disposition"), last("content-type"));
    // Readers differ in which of several counts; only a multipart has files.
    if let Some(last) = &mut last_type
        && is_multipart(last)
        && !is_multipart(&content_type)
    {
        std::mem::swap(&mut content_type, last);
    }
    // What some scripts write.
    if content_type.value == "plain/text" {
        content_type.value = "text/plain".to_owned();
    }
    match content_type.value.split_once('/') {
        Some((kind, subtype))
            if !kind.is_empty()
                && !subtype.is_empty()
                && content_type.value.len() <= TYPE_LIMIT => {}
        _ if content_type.value == "text" => content_type.value = "text/plain".to_owned(),
        _ => content_type.value = default.to_owned(),
    }
    let disposition = head.first("content-disposition").map(parameter::parse).unwrap_or_default();
    let clean = |name: &str| {
        let name = file_name::clean_name(&encoded_word::decode(name.as_bytes(), None));
        (!name.is_empty()).then_some(name)
    };
    let given = disposition.all("filename").chain(content_type.all("name"));
    let given = given
        .chain(last_disposition.iter().flat_map(|last| last.all("filename")))
        .chain(last_type.iter().flat_map(|last| last.all("name")))
        // Some mailers confuse the two headers' parameters.
        .chain(disposition.all("name"))
        .chain(content_type.all("filename"));
    let mut names: Vec<String> = Vec::new();
    for name in given.filter_map(clean) {
        let unescaped = name.contains('\\').then(|| name.replace('\\', ""));
        for name in [Some(name), unescaped].into_iter().flatten() {
            if !name.is_empty() && !names.contains(&name) {
                names.push(name);
            }
        }
    }
    let mut names = names.into_iter();
    let part = Part {
        media_type: content_type.value.clone(),
        charset: content_type.get("charset").filter(|label| !label.is_empty()).map(str::to_owned),
        flow: Flow::new(content_type.get("format"), content_type.get("delsp")),
        name: names.next(),
        other_names: names.collect(),
        attached: disposition.value == "attachment",
        encoding: head.first("content-transfer-encoding").map(Encoding::parse).unwrap_or_default(),
        ..Part::default()
    };
    (part, content_type)
}
