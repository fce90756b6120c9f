//! How a step is described: in the words of the language for people, field by
//! field for JSON, in the log, and in the header that reports what a site rule
//! did.

use serde::Serialize;

use super::{DeliveryWord, Folder, StepKind};
use crate::message::HeaderEdit;

/// A step field by field, as `--json` shows it.
#[derive(Serialize, Debug, Default)]
pub struct StepWords<'s> {
    /// The word of the language, or a name for the step if it has none.
    pub action: &'static str,
    /// The folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// Flags and keywords.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flags: Option<Vec<String>>,
    /// The file that is stored, or edited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The status code, RFC 3463.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'s str>,
    /// The name of a header, of a list, of an answer's file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'s str>,
    /// The subject of an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<&'s str>,
    /// A text: why, a header's value, an entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<&'s str>,
    /// A program and its arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<&'s [String]>,
    /// Whether a filter's message replaced the old one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied: Option<bool>,
    /// Envelope sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<&'s str>,
    /// Envelope recipients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Vec<&'s str>>,
}

impl StepKind {
    /// Field by field.
    pub fn words(&self) -> StepWords<'_> {
        let action_only = |action| StepWords { action, ..StepWords::default() };
        match self {
            StepKind::Deliver { as_, folder, flags } => StepWords {
                folder: Some(folder.to_string()),
                flags: Some(flags.words()),
                ..action_only(as_.word())
            },
            StepKind::Discard { why } => {
                StepWords { text: why.as_deref(), ..action_only("discard") }
            }
            StepKind::Reject { status, text } => {
                StepWords { status: Some(status), text: Some(text), ..action_only("reject") }
            }
            StepKind::Defer { status, text } => {
                StepWords { status: Some(status), text: Some(text), ..action_only("defer") }
            }
            StepKind::Edit(edit) => {
                let (action, name, text) = edit_words(edit);
                StepWords { name: Some(name), text, ..action_only(action) }
            }
            StepKind::Log(text) => StepWords { text: Some(text), ..action_only("log") },
            StepKind::Pipe { argv } => StepWords { command: Some(argv), ..action_only("pipe") },
            StepKind::Run { argv } => StepWords { command: Some(argv), ..action_only("run") },
            StepKind::Filter { argv, applied } => {
                StepWords { command: Some(argv), applied: Some(*applied), ..action_only("filter") }
            }
            StepKind::Forward { copy, sender, to, .. } => StepWords {
                sender: Some(sender),
                to: Some(to.iter().map(String::as_str).collect()),
                ..action_only(if *copy { "forward-copy" } else { "forward" })
            },
            StepKind::Reply(reply) => StepWords {
                to: Some(vec![&reply.to]),
                name: reply.file.as_deref(),
                subject: Some(&reply.subject),
                text: Some(&reply.body),
                ..action_only("reply")
            },
            StepKind::EditList { add, list, entry, path } => StepWords {
                name: Some(list),
                text: Some(entry),
                path: Some(path.display().to_string()),
                ..action_only(if *add { "add" } else { "remove" })
            },
            StepKind::Remember { .. } => action_only("remember"),
            StepKind::Skipped { action, why } => {
                StepWords { name: Some(action), text: Some(why), ..action_only("skipped") }
            }
        }
    }

    /// In the words of the language.
    pub fn sentence(&self) -> String {
        match self {
            StepKind::Deliver { as_, folder, flags } => {
                let to = |name: &Folder| format!("{} \"{name}\"", as_.word());
                format!("{}{}", named(*as_, folder, to), after_as(&flags.as_written()))
            }
            StepKind::Discard { why: Some(why) } => format!("discard \"{why}\""),
            StepKind::Discard { why: None } => "discard".into(),
            StepKind::Reject { status, text } => format!("reject \"{status} {text}\""),
            StepKind::Defer { status, text } => format!("defer \"{status} {text}\""),
            StepKind::Edit(edit) => match edit_words(edit) {
                (word, name, Some(value)) => format!("{word} \"{name}\" \"{value}\""),
                (word, name, None) => format!("{word} \"{name}\""),
            },
            StepKind::Log(text) => format!("log \"{text}\""),
            StepKind::Pipe { argv } => format!("pipe {}", quoted(argv)),
            StepKind::Run { argv } => format!("run {}", quoted(argv)),
            StepKind::Filter { argv, .. } => format!("filter {}", quoted(argv)),
            StepKind::Forward { copy, to, .. } => {
                format!("forward {}{}", if *copy { "copy " } else { "" }, quoted(to))
            }
            StepKind::Reply(reply) => match &reply.file {
                Some(file) => format!("reply \"{file}\" to <{}>", reply.to),
                None => format!("reply to <{}>: {}", reply.to, reply.subject),
            },
            StepKind::EditList { add: true, list, entry, .. } => format!("add {entry} to {list}"),
            StepKind::EditList { add: false, list, entry, .. } => {
                format!("remove {entry} from {list}")
            }
            StepKind::Remember { .. } => "record the Message-ID".into(),
            StepKind::Skipped { action, why } => format!("no {action}: {why}"),
        }
    }

    /// What it does to a message that somebody gets, without quotes; `None` for
    /// what only the log reports.
    pub fn done(&self) -> Option<String> {
        let program = |argv: &[String]| argv.first().cloned().unwrap_or_default();
        Some(match self {
            StepKind::Deliver { as_, folder, flags } => {
                let to = |name: &Folder| format!("{} {name}", as_.word());
                named(*as_, folder, to) + &after_as(&flags.words().join(" "))
            }
            StepKind::Edit(edit) => {
                let (word, name, _) = edit_words(edit);
                format!("{word} {name}")
            }
            StepKind::Pipe { argv } => format!("pipe {}", program(argv)),
            StepKind::Run { argv } => format!("run {}", program(argv)),
            StepKind::Filter { argv, .. } => format!("filter {}", program(argv)),
            StepKind::Forward { copy, to, .. } => {
                format!("forward {}{}", if *copy { "copy " } else { "" }, to.join(" "))
            }
            StepKind::Reply(reply) => match &reply.file {
                Some(file) => format!("reply {file}"),
                None => "reply".into(),
            },
            StepKind::EditList { .. } => self.sentence(),
            StepKind::Discard { .. }
            | StepKind::Reject { .. }
            | StepKind::Defer { .. }
            | StepKind::Remember { .. }
            | StepKind::Skipped { .. }
            | StepKind::Log(_) => return None,
        })
    }

    /// The word, and the name and the value of its field, for the log's line
    /// about a step that was done; `None` if a line about the whole message
    /// reports it.
    pub fn log_words(&self) -> Option<(&'static str, &'static str, String)> {
        Some(match self {
            StepKind::Run { argv } => ("ran", "program", argv.join(" ")),
            StepKind::Pipe { argv } => ("piped", "program", argv.join(" ")),
            StepKind::Forward { to, .. } => ("forwarded", "to", to.join(", ")),
            StepKind::Reply(reply) => ("replied", "to", reply.to.clone()),
            StepKind::EditList { .. } => ("edited", "text", self.sentence()),
            _ => return None,
        })
    }
}

impl DeliveryWord {
    /// The word of the language.
    pub fn word(self) -> &'static str {
        match self {
            DeliveryWord::Inbox => "inbox",
            DeliveryWord::Folder => "folder",
            DeliveryWord::Copy => "copy",
            DeliveryWord::FileInto => "fileinto",
        }
    }
}

/// `inbox` without a name, unless the inbox has a name of its own.
fn named(as_: DeliveryWord, folder: &Folder, to: impl Fn(&Folder) -> String) -> String {
    match as_ {
        DeliveryWord::Inbox if folder.parts.is_empty() => as_.word().to_owned(),
        _ => to(folder),
    }
}

fn after_as(flags: &str) -> String {
    if flags.is_empty() { String::new() } else { format!(" as {flags}") }
}

fn edit_words(edit: &HeaderEdit) -> (&'static str, &str, Option<&str>) {
    match edit {
        HeaderEdit::Add { name, value } => ("add-header", name, Some(value)),
        HeaderEdit::Set { name, value } => ("set-header", name, Some(value)),
        HeaderEdit::Remove { name } => ("remove-header", name, None),
    }
}

fn quoted(words: &[String]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::Flags;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| word.to_string()).collect()
    }

    #[test]
    fn a_step_is_shown_in_the_words_of_the_rules() {
        let flags = Flags { letters: "S".into(), keywords: words(&["$Work"]) };
        let folder = Folder { parts: words(&["A", "B"]) };
        let deliver = |as_, folder: &Folder| StepKind::Deliver {
            as_,
            folder: folder.clone(),
            flags: flags.clone(),
        };
        let forward = StepKind::Forward {
            copy: true,
            sender: String::new(),
            to: words(&["a@example.org", "b@example.org"]),
            forwarder: "hana@mx".into(),
        };
        for (step, sentence, done) in [
            (
                deliver(DeliveryWord::Folder, &folder),
                "folder \"A/B\" as seen \"$Work\"",
                "folder A/B as seen $Work",
            ),
            (
                deliver(DeliveryWord::Inbox, &Folder::default()),
                "inbox as seen \"$Work\"",
                "inbox as seen $Work",
            ),
            (
                deliver(DeliveryWord::Copy, &Folder::default()),
                "copy \"INBOX\" as seen \"$Work\"",
                "copy INBOX as seen $Work",
            ),
            (
                forward,
                "forward copy \"a@example.org\" \"b@example.org\"",
                "forward copy a@example.org b@example.org",
            ),
            (
                StepKind::Run { argv: words(&["/bin/x", "a b"]) },
                "run \"/bin/x\" \"a b\"",
                "run /bin/x",
            ),
        ] {
            assert_eq!(step.sentence(), sentence);
            assert_eq!(step.done().as_deref(), Some(done));
        }
        assert_eq!(StepKind::Log("x".into()).done(), None);
    }
}
