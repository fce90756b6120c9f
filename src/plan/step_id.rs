//! What identifies a step between the tries of one delivery, hours apart and
//! perhaps by two versions of the program: what it does, never how it is worded.
//!
//! An id is a hash of a version, the kind of the step and its fields, each
//! preceded by its length. It leaves out what may differ between two tries for
//! the same effect: the word that requested it (`copy` or `folder`), what marks a
//! forwarded message, the text of an answer. The tests pin the ids; changing one
//! makes retries in flight repeat their steps.

use std::collections::HashMap;
use std::fmt;

use sha2::{Digest, Sha256};

use super::StepKind;

/// Comes before everything that is hashed.
const VERSION: &[u8] = b"mfilter step, version 1";

/// Identifies a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StepId([u8; 16]);

impl fmt::Display for StepId {
    /// As 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Assigns ids to the steps of one plan, in its order.
#[derive(Debug, Default)]
pub struct StepIds {
    /// How many steps with the same effect there have been.
    counts: HashMap<[u8; 32], u32>,
}

impl StepIds {
    /// The id of the next step. `None` for one that may be repeated freely, or
    /// that does nothing itself. The second step with the same effect has a
    /// different id than the first.
    pub fn next(&mut self, kind: &StepKind) -> Option<StepId> {
        let fields = FieldHasher::of(kind)?;
        let count = self.counts.entry(fields.0.clone().finalize().into()).or_default();
        *count += 1;
        let hash = fields.number(u64::from(*count)).0.finalize();
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        Some(StepId(id))
    }
}

/// A hash of fields that cannot run into one another.
struct FieldHasher(Sha256);

impl FieldHasher {
    fn of(kind: &StepKind) -> Option<FieldHasher> {
        Some(match kind {
            StepKind::Deliver { folder, flags, as_: _ } => {
                let mut letters: Vec<char> = flags.letters.chars().collect();
                letters.sort_unstable();
                let mut keywords = flags.keywords.clone();
                keywords.sort_unstable();
                FieldHasher::new("deliver")
                    .list(&folder.parts)
                    .text(&letters.into_iter().collect::<String>())
                    .list(&keywords)
            }
            StepKind::Pipe { argv } => FieldHasher::new("pipe").list(argv),
            StepKind::Run { argv } => FieldHasher::new("run").list(argv),
            StepKind::Forward { to, copy: _, sender: _, forwarder: _ } => {
                FieldHasher::new("forward").list(to)
            }
            StepKind::Reply(reply) => {
                let file = reply.file.as_deref().unwrap_or_default();
                FieldHasher::new("reply").text(file).text(&reply.to)
            }
            StepKind::Discard { .. }
            | StepKind::Reject { .. }
            | StepKind::Defer { .. }
            | StepKind::Edit(_)
            | StepKind::Log(_)
            | StepKind::Filter { .. }
            | StepKind::EditList { .. }
            | StepKind::Remember { .. }
            | StepKind::Skipped { .. } => return None,
        })
    }

    fn new(kind: &str) -> FieldHasher {
        let mut hash = Sha256::new();
        hash.update(VERSION);
        FieldHasher(hash).text(kind)
    }

    fn text(self, text: &str) -> FieldHasher {
        let mut fields = self.number(text.len() as u64);
        fields.0.update(text);
        fields
    }

    fn list(self, texts: &[String]) -> FieldHasher {
        let counted = self.number(texts.len() as u64);
        texts.iter().fold(counted, |fields, text| fields.text(text))
    }

    fn number(mut self, number: u64) -> FieldHasher {
        self.0.update(number.to_le_bytes());
        self
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::flags::Flags;
    use crate::message::HeaderEdit;
    use crate::plan::{DeliveryWord, Folder, Reply};

    fn deliver(as_: DeliveryWord, folder: &[&str], letters: &str, keywords: &[&str]) -> StepKind {
        StepKind::Deliver {
            as_,
            folder: Folder { parts: texts(folder) },
            flags: Flags { letters: letters.into(), keywords: texts(keywords) },
        }
    }

    fn forward(copy: bool, sender: &str, to: &[&str], mark: &str) -> StepKind {
        StepKind::Forward { copy, sender: sender.into(), to: texts(to), forwarder: mark.into() }
    }

    fn reply(to: &str, body: &str) -> StepKind {
        StepKind::Reply(Box::new(Reply {
            file: Some("away.txt".into()),
            every: 60,
            to: to.into(),
            from: "hana@example.org".into(),
            subject: "Re: lunch".into(),
            in_reply_to: None,
            references: None,
            body: body.into(),
            key: body.into(),
        }))
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| text.to_string()).collect()
    }

    fn id(kind: &StepKind) -> String {
        StepIds::default().next(kind).expect("it counts").to_string()
    }

    /// These ids are in journals on users' disks.
    #[test]
    fn ids_never_change() {
        let copy = |folder: &[&str]| deliver(DeliveryWord::Copy, folder, "", &[]);
        let pipe = StepKind::Pipe { argv: texts(&["spam-report", "-x"]) };
        let run = StepKind::Run { argv: texts(&["spam-report", "-x"]) };
        for (kind, expected) in [
            (copy(&[]), "18c4e6d0abe565bbb122ad22378de08e"),
            (copy(&["Work", "仕事"]), "cfc06a67cb52713c95dcd6e3e773f25c"),
            (
                deliver(DeliveryWord::Folder, &["A"], "FS", &["$Junk"]),
                "bc8be9e1a940ab5c0dd06a7c5617c1ec",
            ),
            (pipe, "81c5c6e267eed76533c190569490a282"),
            (run, "16900981fc689d32c5c823b837afe6a0"),
            (
                forward(false, "ken@example.net", &["a@example.org"], "hana@mx"),
                "97f7b42247d066feaed4b362f6a5577c",
            ),
            (reply("ken@example.net", "Back on Monday."), "2f4147e0eb3c0a4405286ceed49a8934"),
        ] {
            assert_eq!(id(&kind), expected, "{kind:?}");
        }
        let mut ids = StepIds::default();
        ids.next(&copy(&["A"]));
        assert_eq!(
            ids.next(&copy(&["A"])).unwrap().to_string(),
            "e1e4a8c01abb635bdb1ebdc6a10f3c3b"
        );
    }

    #[test]
    fn an_id_is_of_the_effect_alone() {
        assert_eq!(
            id(&deliver(DeliveryWord::Copy, &["A"], "SF", &["b", "a"])),
            id(&deliver(DeliveryWord::Folder, &["A"], "FS", &["a", "b"]))
        );
        assert_eq!(
            id(&forward(true, "", &["a@example.org"], "hana@old")),
            id(&forward(false, "ken@example.net", &["a@example.org"], "hana@new"))
        );
        assert_eq!(id(&reply("ken@example.net", "a")), id(&reply("ken@example.net", "b")));
    }

    #[test]
    fn fields_do_not_run_into_one_another() {
        let argv = |words: &[&str]| StepKind::Run { argv: texts(words) };
        let all = [
            argv(&["ab", "c"]),
            argv(&["a", "bc"]),
            argv(&["abc"]),
            argv(&["abc", ""]),
            StepKind::Pipe { argv: texts(&["abc"]) },
            forward(false, "", &["abc"], ""),
            deliver(DeliveryWord::Copy, &["a", "b"], "", &[]),
            deliver(DeliveryWord::Copy, &["a"], "", &["b"]),
            deliver(DeliveryWord::Copy, &["a/b"], "", &[]),
            deliver(DeliveryWord::Copy, &["a"], "S", &[]),
        ];
        let ids: std::collections::HashSet<String> = all.iter().map(id).collect();
        assert_eq!(ids.len(), all.len());
        let mut plan = StepIds::default();
        let ids: Vec<_> = all.iter().chain(&all).map(|kind| plan.next(kind)).collect();
        let distinct: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), 2 * all.len(), "the second of a kind is another step");
    }

    #[test]
    fn what_can_be_done_again_has_none() {
        for kind in [
            StepKind::Discard { why: None },
            StepKind::Edit(HeaderEdit::Remove { name: "X".into() }),
            StepKind::Log("x".into()),
            StepKind::EditList {
                add: true,
                list: "white".into(),
                path: PathBuf::from("/x"),
                entry: "a@example.org".into(),
            },
            StepKind::Remember { key: [0; 16], within: 60, may_refuse: false },
        ] {
            assert_eq!(StepIds::default().next(&kind), None, "{kind:?}");
        }
    }
}
