//! The content of a copy as it is sent.

use std::io;

use crate::message::{HeaderEdit, Message};

use super::HandOverError;
use super::lines::WireLines;

/// A message, changes to its header, and a header field of ours.
pub(super) struct WireContent<'m> {
    message: &'m Message,
    edits: &'m [HeaderEdit],
    header: Option<HeaderEdit>,
    /// Whether dots are doubled, as in SMTP.
    doubles_dots: bool,
    size: u64,
    has_eight_bits: bool,
}

impl<'m> WireContent<'m> {
    pub(super) fn new(message: &'m Message, edits: &'m [HeaderEdit]) -> WireContent<'m> {
        let (header, doubles_dots) = (None, false);
        WireContent { message, edits, header, doubles_dots, size: 0, has_eight_bits: false }
    }

    /// The same after `DATA`.
    pub(super) fn dotted(
        message: &'m Message,
        edits: &'m [HeaderEdit],
        header: Option<HeaderEdit>,
    ) -> WireContent<'m> {
        WireContent { header, doubles_dots: true, ..WireContent::new(message, edits) }
    }

    /// Whether both are the same, byte for byte.
    pub(super) fn is_same(&self, other: &WireContent<'_>) -> bool {
        std::ptr::eq(self.message, other.message)
            && self.edits == other.edits
            && self.header.is_none()
            && other.header.is_none()
    }

    /// Reads it through once; `look` gets all of it, without doubled dots.
    pub(super) fn survey(&mut self, look: &mut dyn FnMut(&[u8])) -> Result<(), HandOverError> {
        let (mut size, mut has_eight_bits) = (0, false);
        let looked = self.pass(false, &mut |bytes| {
            size += bytes.len() as u64;
            has_eight_bits |= !bytes.is_ascii();
            look(bytes);
            Ok(())
        });
        looked.map_err(|error| HandOverError::Unread(error.to_string()))?;
        (self.size, self.has_eight_bits) = (size, has_eight_bits);
        Ok(())
    }

    /// Its size as it is sent, bytes, without doubled dots (RFC 1870 §5). Known after the
    /// survey.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Whether it has bytes beyond ASCII. Known after the survey.
    pub(super) fn has_eight_bits(&self) -> bool {
        self.has_eight_bits
    }

    /// Passes it to `take` as it is sent, piece by piece.
    ///
    /// # Errors
    /// The message cannot be read, or `take` fails.
    pub(super) fn write(&self, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        self.pass(self.doubles_dots, take)
    }

    fn pass(
        &self,
        doubles_dots: bool,
        take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut lines = match doubles_dots {
            true => WireLines::dotted(take),
            false => WireLines::new(take),
        };
        let all: Vec<HeaderEdit>;
        let edits = match &self.header {
            Some(header) => {
                all = self.edits.iter().chain([header]).cloned().collect();
                &all
            }
            None => self.edits,
        };
        self.message.pieces(edits, &mut |piece| lines.push(piece))?;
        lines.finish()
    }
}
