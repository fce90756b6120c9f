//! Attachments: what a part that is to be saved or opened is called, how
//! large it is and what it hashes to. Their content is never kept.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

use super::gather::{Budget, Gatherer};
use super::mime::Part;
use super::text::Text;
use super::transfer::{Decoder, Encoding};
use crate::text::is_invisible;

/// One attachment. A forwarded message is one, and so is each within it.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// Where it is.
    pub place: Place,
    /// File names from Content-Disposition and, where it is another, from
    /// Content-Type, decoded (RFC 2231, RFC 2047) and cleaned, see [`clean_name`].
    pub names: Vec<Text>,
    /// Declared `type/subtype`, lower case.
    pub media_type: Text,
}

/// Where an attachment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Index into the message's parts.
    Part(usize),
    /// In a message that is encoded within this one: its index among those, and that
    /// of the attachment in it.
    Within(usize, usize),
}

/// What the names of all attachments may cost, in units of [`super::gather`].
const NAMES_LIMIT: usize = 2 << 20;

/// Those among the parts of a message, and whether something of their names
/// was left out.
pub(super) fn of(parts: &[Part]) -> (Vec<Attachment>, bool) {
    let mut budget = Budget::new(NAMES_LIMIT);
    let mut name = |name: &str| {
        let mut gatherer = Gatherer::new(budget.left());
        gatherer.push(name);
        let cost = gatherer.cost();
        let (text, cut) = gatherer.finish();
        budget.spend(cost);
        if cut {
            budget.cut();
        }
        Text::normalised(text)
    };
    let attached = parts.iter().enumerate().filter(|(_, part)| part.is_attachment());
    let all = attached
        .map(|(at, part)| Attachment {
            place: Place::Part(at),
            names: part.name.iter().chain(&part.other_name).map(|text| name(text)).collect(),
            media_type: Text::new(&part.media_type),
        })
        .collect();
    (all, budget.is_cut())
}

/// A file name without control and format characters: they let `annexe.txt` be
/// the display of a name that ends in `exe`. Blanks around it are no part of it.
pub fn clean_name(name: &str) -> String {
    let kept: String = name.chars().filter(|char| !is_invisible(*char)).collect();
    kept.trim().to_owned()
}

/// A content is read in pieces of so many bytes.
const BUFFER: usize = 8 << 10;

/// Decodes a content and hands it on in pieces until `sink` has enough.
pub(super) fn decode(
    mut content: impl Read,
    encoding: Encoding,
    mut sink: impl FnMut(&[u8]) -> bool,
) -> io::Result<()> {
    let mut decoder = Decoder::new(encoding);
    let mut buffer = [0; BUFFER];
    let mut decoded = Vec::new();
    loop {
        match content.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => decoder.push(buffer.get(..count).unwrap_or_default(), &mut decoded),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        if !sink(&decoded) {
            return Ok(());
        }
        decoded.clear();
    }
    decoder.finish(&mut decoded);
    sink(&decoded);
    Ok(())
}

/// Size of a decoded content, bytes.
pub(super) fn size(content: impl Read, encoding: Encoding) -> io::Result<u64> {
    let mut size = 0;
    decode(content, encoding, |piece| {
        size += piece.len() as u64;
        true
    })?;
    Ok(size)
}

/// SHA-256 of a decoded content, lower-case hexadecimal.
pub(super) fn sha256(content: impl Read, encoding: Encoding) -> io::Result<String> {
    let mut hash = Sha256::new();
    decode(content, encoding, |piece| {
        hash.update(piece);
        true
    })?;
    Ok(format!("{:x}", hash.finalize()))
}

/// The first bytes of a decoded content, at most `limit`.
pub(super) fn prefix(content: impl Read, encoding: Encoding, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    decode(content, encoding, |piece| {
        let room = limit - bytes.len();
        bytes.extend_from_slice(piece.get(..room).unwrap_or(piece));
        bytes.len() < limit
    })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_show_their_true_end() {
        assert_eq!(clean_name("ann\u{202e}txt.exe"), "anntxt.exe");
        assert_eq!(clean_name(" a\u{0}\nb.pdf\u{2069} "), "ab.pdf");
        assert_eq!(clean_name("請求書.pdf"), "請求書.pdf");
    }

    #[test]
    fn size_hash_and_prefix() {
        let content = b"aGVs\nbG8=\n".as_slice();
        assert_eq!(size(content, Encoding::Base64).unwrap(), 5);
        assert_eq!(
            sha256(content, Encoding::Base64).unwrap(),
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
        );
        assert_eq!(prefix(content, Encoding::Base64, 2).unwrap(), b"he");
        assert_eq!(prefix(content, Encoding::Base64, 0).unwrap(), b"");
    }
}
