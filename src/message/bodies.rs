//! The texts of a message's body, as people read them: all text parts, including
//! those of forwarded messages.

use super::bounded_text::Gatherer;
use super::html::Event;
use super::mime::Part;
use super::text::{self, Format, Text};
use super::{BodyError, Message, get};

/// What the text parts of a message may cost in all, in units of
/// [`super::bounded_text`]; for one HTML part, half as much.
pub const TEXT_LIMIT: usize = 16 << 20;

/// The texts that were read.
pub(super) struct Bodies {
    pub(super) texts: Vec<Text>,
    /// The charsets that the bytes of texts show whose headers declare none.
    pub(super) charsets: Vec<String>,
    pub(super) cut: bool,
}

impl Message {
    /// The text parts, including those of `multipart/alternative` and of
    /// forwarded messages; HTML as text.
    ///
    /// # Errors
    /// The body cannot be read.
    pub fn body_texts(&self) -> Result<&[Text], BodyError> {
        Ok(&self.bodies()?.texts)
    }

    pub(super) fn bodies(&self) -> Result<&Bodies, BodyError> {
        get(&self.bodies, || {
            let mut bodies = Bodies { texts: Vec::new(), charsets: Vec::new(), cut: false };
            let mut left = TEXT_LIMIT;
            for part in self.parts()?.iter().filter(|part| part.is_text()) {
                let decoded = text::read(self.raw(part)?, format(part), left)?;
                left -= decoded.cost.min(left);
                bodies.cut |= decoded.cut;
                bodies.charsets.extend(decoded.charset);
                bodies.texts.push(decoded.text);
            }
            for message in self.within()? {
                let inner = message.bodies()?;
                bodies.cut |= inner.cut;
                bodies.charsets.extend_from_slice(&inner.charsets);
                bodies.texts.extend_from_slice(&inner.texts);
            }
            Ok(bodies)
        })
    }

    /// Passes the text parts to `sink` as a reader would meet them, not
    /// normalized, until it has enough; each event comes with the number of its
    /// text. Reads at most `limit` bytes.
    ///
    /// # Errors
    /// The body cannot be read.
    pub fn read_texts(
        &self,
        limit: usize,
        sink: &mut dyn FnMut(usize, Event<'_>) -> bool,
    ) -> Result<(), BodyError> {
        self.read_texts_from(0, limit, sink).map(drop)
    }

    fn read_texts_from(
        &self,
        first: usize,
        limit: usize,
        sink: &mut dyn FnMut(usize, Event<'_>) -> bool,
    ) -> Result<usize, BodyError> {
        let (mut number, mut left) = (first, limit);
        for part in self.parts()?.iter().filter(|part| part.is_text()) {
            let raw = text::events(self.raw(part)?, format(part), left, &mut |event| {
                sink(number, event)
            })?;
            left -= raw.read.min(left);
            number += 1;
        }
        for message in self.within()? {
            number = message.read_texts_from(number, left, sink)?;
        }
        Ok(number)
    }

    /// The text of HTML parts that nobody sees, one text per part.
    ///
    /// # Errors
    /// The body cannot be read.
    pub fn hidden_texts(&self) -> Result<Vec<Text>, BodyError> {
        let mut all: Vec<(usize, Gatherer)> = Vec::new();
        self.read_texts(TEXT_LIMIT, &mut |part, event| {
            let Event::Hidden(text) = event else { return true };
            if all.last().is_none_or(|(last, _)| *last != part) {
                all.push((part, Gatherer::new(TEXT_LIMIT / 2)));
            }
            all.last_mut().is_none_or(|(_, gatherer)| gatherer.push(text))
        })?;
        let texts = all.into_iter().map(|(_, gatherer)| Text::normalized(gatherer.finish().0));
        Ok(texts.filter(|text| !text.text().trim().is_empty()).collect())
    }
}

fn format(part: &Part) -> Format<'_> {
    Format {
        encoding: part.encoding,
        is_html: part.media_type == "text/html",
        charset: part.charset.as_deref(),
        flow: part.flow,
    }
}
