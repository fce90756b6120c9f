//! `reply "file" [every 7d]` and `reply { text "…" subject "…" … }`: answers the
//! message, but each sender only once in a while.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Act, Action, ActionReader, ActionWord, ArgumentError, Planner, is_mailbox, is_word};
use crate::rules::check::LONGEST_MEMORY;
use crate::rules::template::{Template, TemplatePart};
use crate::source::Span;
use crate::syntax::ast::{NamedArguments, ValueKind, ValueNode};

pub(super) const REPLY: ActionWord = ActionWord::new(
    "reply",
    "`reply \"file\"`, `reply \"file\" every 7d`, or `reply { text \"…\" }`, where `subject`, \
     `from`, `for`, `every` and `handle` may stand too, and `file` in place of `text`",
    read,
);

/// The words that may appear in the braces.
pub const NAMED_ARGUMENTS: [&str; 7] =
    ["subject", "text", "file", "from", "for", "every", "handle"];

const HOUR: u64 = 3600;
/// How long a sender is not answered again by default, seconds: RFC 5230 §4.1.
const EVERY: u64 = 7 * 24 * HOUR;

/// `reply`, checked.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct ReplyAction {
    /// The text of the reply.
    pub text: ReplyText,
    /// Replaces the subject in the file, or the one made from the message's own.
    pub subject: Option<Template>,
    /// Replaces the author in the file, or the address that the message was sent to.
    pub from: Option<Template>,
    /// Entries as in `set me`, which count as the user's for this answer.
    pub mine: Vec<String>,
    /// The name under which the answer is remembered, whatever its text: RFC 5230 §4.2.
    pub handle: Option<String>,
    /// How long a sender is not answered again, seconds.
    pub every: u64,
}

/// Where the text of an answer is.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub enum ReplyText {
    /// In that file, as written.
    File(String),
    /// In the rules.
    Here {
        /// The text, with line breaks.
        text: Template,
        /// A digest of the text, the subject and From, as written: it identifies
        /// what a sender gets only once.
        digest: String,
    },
}

impl ReplyText {
    /// The file of the text, if it is in one.
    pub fn file(&self) -> Option<&str> {
        match self {
            ReplyText::File(file) => Some(file),
            ReplyText::Here { .. } => None,
        }
    }
}

fn read(reader: &mut ActionReader<'_, '_, '_>) -> Result<Action, ArgumentError> {
    let action = reader.action;
    if let Some(named_arguments) = &action.named_arguments {
        return in_braces(reader, named_arguments);
    }
    let (file, every) = match action.arguments.as_slice() {
        [file] => (file, None),
        [file, word, every] if is_word(Some(word), "every") => (file, Some(every)),
        _ => return Err(ArgumentError::WrongArguments),
    };
    let every = every.map_or(Ok(EVERY), |every| duration(reader, every))?;
    Ok(Action::ReplyAction(ReplyAction {
        text: ReplyText::File(path(reader, file)?),
        subject: None,
        from: None,
        mine: Vec::new(),
        handle: None,
        every,
    }))
}

/// `{ text "…" … }`
fn in_braces(
    reader: &mut ActionReader<'_, '_, '_>,
    named_arguments: &NamedArguments,
) -> Result<Action, ArgumentError> {
    let mut seen: Vec<(&str, Span)> = Vec::new();
    let (mut subject, mut from, mut file, mut text) = (None, None, None, None);
    let (mut mine, mut handle, mut every) = (Vec::new(), None, EVERY);
    let mut written = [""; 3];
    let mut is_fine = true;
    for (name, value) in &named_arguments.all {
        let word = name.value.as_str();
        if let Some((_, at)) = seen.iter().find(|(known, _)| *known == word) {
            is_fine &= reader.given_twice(word, name.span, *at).is_ok();
            continue;
        }
        seen.push((word, name.span));
        let read = match word {
            "subject" => template(reader, value, &mut written[0]).map(|read| subject = Some(read)),
            "text" => template(reader, value, &mut written[1]).map(|read| text = Some(read)),
            "from" => sender(reader, value, &mut written[2]).map(|read| from = Some(read)),
            "file" => path(reader, value).map(|read| file = Some(read)),
            "for" => reader.own_addresses(value).map(|read| mine = read),
            "every" => duration(reader, value).map(|read| every = read),
            "handle" => match &value.kind {
                ValueKind::Text(text) if !text.trim().is_empty() => {
                    handle = Some(text.clone());
                    Ok(())
                }
                _ => reader.wrong_value("a name in quotes", value, None),
            },
            _ => reader.unknown_named_argument(word, name.span),
        };
        is_fine &= read.is_ok();
    }
    if !is_fine {
        return Err(ArgumentError::Reported);
    }
    let text = match (text, file) {
        (Some(text), None) => {
            let digest = Sha256::digest(written.join("\0").as_bytes());
            ReplyText::Here { text, digest: HEXLOWER.encode(&digest) }
        }
        (None, Some(file)) => ReplyText::File(file),
        _ => return Err(ArgumentError::WrongArguments),
    };
    Ok(Action::ReplyAction(ReplyAction { text, subject, from, mine, handle, every }))
}

fn template<'v>(
    reader: &mut ActionReader<'_, '_, '_>,
    value: &'v ValueNode,
    written: &mut &'v str,
) -> Result<Template, ArgumentError> {
    let text = reader.text_of(value)?;
    *written = text.text;
    reader.template(&text)
}

/// The author of the answer: `taro@example.jp`, `Taro <taro@example.jp>`.
fn sender<'v>(
    reader: &mut ActionReader<'_, '_, '_>,
    value: &'v ValueNode,
    written: &mut &'v str,
) -> Result<Template, ArgumentError> {
    let template = template(reader, value, written)?;
    match template.parts.as_slice() {
        [] => reader.no_sender("", value.span),
        [TemplatePart::Text(text)] if !is_mailbox(text) => reader.no_sender(text, value.span),
        _ => Ok(template),
    }
}

fn path(reader: &mut ActionReader<'_, '_, '_>, value: &ValueNode) -> Result<String, ArgumentError> {
    let ValueKind::Text(path) = &value.kind else { return Err(ArgumentError::WrongArguments) };
    if path.trim().is_empty() || path.contains(char::is_control) {
        return Err(ArgumentError::WrongArguments);
    }
    reader.reply_file(path, value.span);
    Ok(path.clone())
}

fn duration(
    reader: &mut ActionReader<'_, '_, '_>,
    value: &ValueNode,
) -> Result<u64, ArgumentError> {
    match &value.kind {
        ValueKind::Duration(seconds @ HOUR..=LONGEST_MEMORY) => Ok(*seconds),
        _ => reader.wrong_value("a duration of `1h` to `52w`", value, None),
    }
}

impl Act for ReplyAction {
    fn plan(&self, planner: &mut dyn Planner) {
        planner.reply(self);
    }

    fn phrase(&self) -> String {
        match self.text.file() {
            Some(file) => format!("answers with the text in {file}"),
            None => "answers it".into(),
        }
    }
}
