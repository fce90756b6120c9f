//! Attachments: what a part that can be saved or opened is called, and where it
//! is. Their content is never kept.

use super::bounded_text::{Budget, Gatherer};
use super::mime::Part;
use super::text::Text;

/// One attachment. A forwarded message is an attachment, as are the attachments in it.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// Where it is.
    pub place: AttachmentPlace,
    /// File names from Content-Disposition and Content-Type, each once, the one
    /// that counts first; decoded (RFC 2231, RFC 2047) and cleaned, see
    /// [`super::file_name::clean_name`].
    pub names: Vec<Text>,
    /// Declared `type/subtype`, lower case.
    pub media_type: Text,
}

impl Attachment {
    /// Whether its name or type says that it is a ZIP file.
    pub(super) fn is_called_zip(&self) -> bool {
        let is_zip = |name: &Text| name.folded().ends_with(".zip");
        let types = ["application/zip", "application/x-zip-compressed"];
        types.contains(&self.media_type.text()) || self.names.iter().any(is_zip)
    }
}

/// Where an attachment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachmentPlace {
    /// Index into the message's parts.
    Part(usize),
    /// In a message that is encoded within this one: the index of that message,
    /// and the attachment's index in it.
    Within(usize, usize),
}

/// What the names of all attachments may cost, in units of [`super::bounded_text`].
const NAMES_LIMIT: usize = 2 << 20;

/// The attachments among the parts of a message, and whether any of their names was cut.
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
        Text::normalized(text)
    };
    let attached = parts.iter().enumerate().filter(|(_, part)| part.is_attachment());
    let all = attached
        .map(|(at, part)| Attachment {
            place: AttachmentPlace::Part(at),
            names: part.name.iter().chain(&part.other_names).map(|text| name(text)).collect(),
            media_type: Text::new(&part.media_type),
        })
        .collect();
    (all, budget.is_cut())
}
