//! Fills in `{…}`, and cleans text from the message for its destination: it
//! cannot start a new line or be taken for an option.

use super::Evaluator;
use super::captures::Captures;
use super::condition::Conditions;
use super::moment::{formatted_date, formatted_now};
use crate::message::bounded_text::floor;
use crate::message::encoded_word;
use crate::message::unfold::unfold;
use crate::rules::program::Field;
use crate::rules::template::{Insert, Template, TemplatePart};

/// The longest argument, bytes; Linux allows 128 KB for one.
const LONGEST_ARGUMENT: usize = 64 << 10;

/// The longest line, bytes: each `let` may hold twice the one before it.
const LONGEST_LINE: usize = 1 << 20;

impl Evaluator<'_> {
    /// One line of text, for a header, a log or a refusal.
    pub(super) fn line(&self, template: &Template) -> String {
        let mut line = String::new();
        for part in template.parts.iter() {
            line.push_str(
                &self.header_as_written(part).unwrap_or_else(|| self.conditions.part(part)),
            );
            if line.len() > LONGEST_LINE {
                cut(&mut line, LONGEST_LINE);
                break;
            }
        }
        line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
    }

    /// Text of several lines; `longest` limits each inserted value, in characters.
    pub(super) fn lines(&self, template: &Template, longest: usize) -> String {
        let mut lines = String::new();
        for part in &template.parts {
            match part {
                TemplatePart::Text(text) => lines.push_str(text),
                insert => lines.extend(self.conditions.part(insert).chars().take(longest)),
            }
        }
        let shown = |c: char| if c.is_control() && !matches!(c, '\n' | '\t') { ' ' } else { c };
        lines.chars().map(shown).collect()
    }

    /// An argument of a program: one line, and not an option unless the rule
    /// itself writes one. If an inserted value would make it begin with `-`, a
    /// `_` is put before it. It is cut to `room` bytes.
    pub(super) fn argument(&self, template: &Template, room: usize) -> String {
        let mut text = self.line(template);
        let literal = matches!(
            template
                .parts
                .iter()
                .find(|part| !matches!(part, TemplatePart::Text(text) if text.is_empty())),
            Some(TemplatePart::Text(_))
        );
        if text.starts_with('-') && !literal {
            text.insert(0, '_');
        }
        let room = room.min(LONGEST_ARGUMENT);
        cut(&mut text, room);
        text
    }

    /// The decoded text of a header, with the letters that the sender wrote: only
    /// text that is compared has to be normalized.
    fn header_as_written(&self, part: &TemplatePart) -> Option<String> {
        let TemplatePart::Insert(Insert::Field(field), form) = part else { return None };
        let field = self.conditions.program.fields.get(*field as usize)?;
        let Field::Header(name) = field else { return None };
        let head = self.conditions.message.head();
        let value = unfold(head.first(name)?);
        let text = encoded_word::decode(&value, head.declared_charset());
        Some(form.of(text.trim().to_owned()))
    }
}

/// Cuts a text to `room` bytes.
fn cut(text: &mut String, room: usize) {
    if text.len() > room {
        text.truncate(floor(text, room));
    }
}

impl Conditions<'_> {
    /// The text of a part of a template, its insert filled in.
    pub(super) fn part(&self, part: &TemplatePart) -> String {
        match part {
            TemplatePart::Text(text) => text.clone(),
            TemplatePart::Insert(insert, form) => form.of(self.inserted(insert)),
        }
    }

    /// The value of an insert; empty if there is none.
    pub(super) fn inserted(&self, insert: &Insert) -> String {
        match insert {
            Insert::Field(field) => self
                .field(*field)
                .ok()
                .and_then(|values| values.iter().next().map(|value| value.inserted()))
                .unwrap_or_default(),
            Insert::Date(format) => formatted_date(self, format),
            Insert::Now(format) => formatted_now(self, format),
            Insert::Group(number) => self.captured(|captures| captures.group(*number as usize)),
            Insert::Capture(name) => self.captured(|captures| captures.named(name)),
        }
    }

    /// A capture of the innermost rule that has such a capture.
    fn captured(&self, of: impl Fn(&Captures) -> Option<&str>) -> String {
        let own = self.captures.borrow();
        let outer = || self.state.open.iter().rev().find_map(|open| of(&open.captures));
        of(&own).or_else(outer).unwrap_or_default().to_owned()
    }
}
