//! `thread`: the conversation that a message belongs to, by short hashes of its
//! own Message-ID and of those that it refers to (RFC 5322 §3.6.4).
//!
//! They are hashes because they are added to one of the user's lists: one line
//! each, all of the same length, in which no text of a sender's can appear.

use sha2::{Digest, Sha256};

use super::context::Context;
use crate::message::Message;
use crate::message::message_ids::message_ids;
use crate::text::hex;

/// How many Message-IDs of one message are used: its own, the first of the
/// conversation, and the newest of the others.
const MOST_IDS: usize = 40;

/// The hash of the message itself, if it has a Message-ID.
pub fn own_hash(message: &Message) -> Option<String> {
    ids(message, "Message-ID").into_iter().next().filter(|id| is_distinct(id)).map(|id| hash(&id))
}

/// The hash of the message itself, then those of the messages that it refers to.
pub(super) fn hashes(message: &Message) -> Vec<String> {
    distinct(own_hash(message).into_iter().chain(references(message)))
}

/// The first message it refers to that is in a folder which the rules use as a
/// list: mail that the user has sent or kept. The error says why that cannot be
/// determined.
pub(super) fn own_reference(context: &Context<'_>) -> Result<Option<String>, String> {
    let lists = (0..).map_while(|at| context.program.list(at));
    let folders: Vec<_> = lists.filter_map(|list| list.entries.folder()).collect();
    if folders.is_empty() {
        return Err("no folder is known for your own mail: `list NAME sent \"Sent\"`".into());
    }
    let references = distinct(references(context.message));
    let mut unknown = None;
    for (folder, side) in folders.into_iter().filter(|_| !references.is_empty()) {
        match context.world.sent(folder, side.messages()) {
            Ok(sent) => {
                let is_there =
                    |hash: &&String| sent.lists.iter().any(|list| list.matches_text(hash));
                if let Some(hash) = references.iter().find(is_there) {
                    return Ok(Some(hash.clone()));
                }
                unknown = unknown.or(sent.incomplete.clone());
            }
            Err(why) => unknown = unknown.or(Some(why)),
        }
    }
    unknown.map_or(Ok(None), Err)
}

fn references(message: &Message) -> impl Iterator<Item = String> {
    let mut references = ids(message, "References").into_iter();
    let first = references.next();
    let newest = ids(message, "In-Reply-To").into_iter().chain(references.rev());
    let all = first.into_iter().chain(newest.take(MOST_IDS - 2));
    all.filter(|id| is_distinct(id)).map(|id| hash(&id))
}

fn ids(message: &Message, header: &str) -> Vec<String> {
    message.texts(header).iter().flat_map(|text| message_ids(text.text())).collect()
}

/// Removes repetitions.
fn distinct(hashes: impl Iterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for hash in hashes {
        if !all.contains(&hash) {
            all.push(hash);
        }
    }
    all
}

/// Whether a Message-ID identifies one message: some programs write `<>` or `<1>`.
fn is_distinct(id: &str) -> bool {
    id.trim_matches(['<', '>'])
        .rsplit_once('@')
        .is_some_and(|(left, right)| !left.is_empty() && !right.is_empty())
}

/// 64 bits, in hexadecimal.
fn hash(id: &str) -> String {
    let digest = Sha256::digest(id.as_bytes());
    hex(&digest[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(head: &str) -> Vec<String> {
        hashes(&Message::from_bytes(format!("{head}\n\n").into_bytes()))
    }

    #[test]
    fn a_conversation_is_known_by_any_of_its_messages() {
        let first = of("Message-ID: <1@a.example>");
        assert_eq!(first.len(), 1);
        assert!(first.iter().all(|hash| hash.len() == 16));
        for answer in [
            "Message-ID: <2@b.example>\nIn-Reply-To: <1@a.example>",
            "Message-ID: <3@b.example>\nReferences: <1@a.example>\n <2@b.example>",
            "In-Reply-To: your letter <1@a.example> of Monday",
        ] {
            assert!(of(answer).contains(&first[0]), "{answer}");
        }
        assert!(!of("Message-ID: <1@b.example>").contains(&first[0]));
    }

    #[test]
    fn what_names_no_message_is_none_and_there_is_an_end() {
        let none = "Message-ID: <>\nIn-Reply-To: <1> <@> <@b.example> <a@> <a b@c>\nReferences: a@b.example";
        assert_eq!(of(none), Vec::<String>::new());
        let many: String = (0..5000).map(|number| format!(" <{number}@x.example>\n")).collect();
        let hashes = of(&format!("Message-ID: <me@x.example>\nReferences:{}", many.trim_end()));
        assert_eq!(hashes.len(), MOST_IDS);
        for kept in ["<me@x.example>", "<0@x.example>", "<4999@x.example>"] {
            assert!(hashes.contains(&hash(kept)), "{kept}");
        }
    }
}
