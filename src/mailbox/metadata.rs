//! What mail readers and their stores have written into a message's header: flags,
//! keywords, numbers of their own. In a Maildir the file's name holds that, so these
//! fields are read and left out.
//!
//! | header | written by | meaning |
//! |---|---|---|
//! | Status: `R` `O` | mailx, c-client, mutt, Dovecot, Python | read; not new |
//! | X-Status: `A` `F` `T` `D` | c-client, mutt, Dovecot, Python | answered, flagged, draft, deleted |
//! | X-Status with `R` `U` `N` or `O` too | KMail | `A` answered, `F` forwarded, `G` flagged, `D` deleted, `P` spam, `H` ham |
//! | X-Keywords | c-client, Dovecot | keywords |
//! | X-UID, X-IMAP, X-IMAPbase | c-client, Dovecot | numbers of the mailbox |
//! | X-Mozilla-Status, X-Mozilla-Status2 | Thunderbird | bits in hexadecimal (nsMsgMessageFlags) |
//! | X-Mozilla-Keys | Thunderbird | keywords |
//! | X-Evolution | Evolution | number and bits in hexadecimal (CamelMessageFlags) |
//! | X-Gmail-Labels | Google Takeout | `Unread`, `Starred`, `Drafts`; stays, for rules |
//! | Content-Length, Lines | mutt, System V | the length of the body, left out where it was used |

use crate::flags::{Flags, is_keyword};
use crate::message::HeaderEdit;
use crate::message::head::Head;

/// Headers that describe the message in its old store, and mean nothing in a Maildir.
pub const LEFT_OUT: [&str; 9] = [
    "Status",
    "X-Status",
    "X-Keywords",
    "X-UID",
    "X-IMAP",
    "X-IMAPbase",
    "X-Mozilla-Status",
    "X-Mozilla-Status2",
    "X-Mozilla-Keys",
];
const EVOLUTION: &str = "X-Evolution";
const LENGTHS: [&str; 2] = ["Content-Length", "Lines"];
/// The subject of the message in which c-client keeps the state of a mailbox.
const INTERNAL: &[u8] = b"DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA";

/// What a header says about its message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// Flags and keywords.
    pub flags: Flags,
    /// Whether a mail reader has listed it.
    pub listed: bool,
    /// Words that cannot be keywords.
    pub no_keywords: Vec<String>,
}

/// The fields to leave out of the header; `measured` if its Content-Length was used to
/// read the mbox.
pub fn edits(head: &Head, measured: bool) -> Vec<HeaderEdit> {
    let lengths = LENGTHS.iter().filter(|_| measured);
    LEFT_OUT
        .iter()
        .chain([&EVOLUTION])
        .chain(lengths)
        .filter(|name| head.first(name).is_some())
        .map(|name| HeaderEdit::Remove { name: (*name).to_owned() })
        .collect()
}

/// Whether a header says nothing about the message itself, only about where it was kept.
pub fn is_left_out(name: &str) -> bool {
    let mut names = LEFT_OUT.iter().chain([&EVOLUTION]).chain(&LENGTHS);
    names.any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether it is not a message but the state of a mailbox, as c-client writes it before
/// the messages.
pub fn is_internal(head: &Head) -> bool {
    head.first("X-IMAP").is_some()
        && head.first("Received").is_none()
        && head.first("Subject").is_some_and(|subject| subject.trim_ascii() == INTERNAL)
}

/// Reads the header of a message.
pub fn read(head: &Head) -> Metadata {
    let mut found = FlagFields::default();
    found.read_status(head);
    for name in ["X-Keywords", "X-Mozilla-Keys"] {
        for value in head.values(name) {
            String::from_utf8_lossy(value).split_whitespace().for_each(|word| found.keyword(word));
        }
    }
    found.read_mozilla(head);
    found.read_evolution(head);
    found.read_gmail(head);
    found.end()
}

/// Adds flags and keywords in the form that [`read`] returns: letters of a Maildir, and
/// words.
pub fn add(to: &mut Metadata, letters: &str, words: &[String]) {
    let mut found = FlagFields::default();
    letters.chars().for_each(|letter| found.flag(letter));
    words.iter().for_each(|word| found.keyword(word));
    let more = found.end();
    to.flags = to.flags.and(&more.flags);
    to.no_keywords.extend(more.no_keywords);
}

/// A number in hexadecimal.
fn bits(value: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(value.trim_ascii()).ok()?;
    u32::from_str_radix(text, 16).ok()
}

#[derive(Default)]
struct FlagFields {
    letters: Vec<char>,
    keywords: Vec<String>,
    no_keywords: Vec<String>,
    listed: bool,
}

impl FlagFields {
    /// Status and X-Status.
    fn read_status(&mut self, head: &Head) {
        let letters = |name: &str| -> Vec<u8> {
            head.values(name).flat_map(|value| value.trim_ascii().to_vec()).collect()
        };
        for letter in letters("Status") {
            match letter {
                b'R' => self.flag('S'),
                b'O' => self.listed = true,
                _ => {}
            }
        }
        let status = letters("X-Status");
        let is_kmails = status.iter().any(|letter| b"RUNO".contains(letter));
        for letter in status {
            match (letter, is_kmails) {
                (b'R', true) => self.flag('S'),
                (b'O' | b'U', true) => self.listed = true,
                (b'A', _) => self.flag('R'),
                (b'D', _) => self.flag('T'),
                (b'F', false) | (b'G', true) => self.flag('F'),
                (b'F', true) => self.flag('P'),
                (b'T', false) => self.flag('D'),
                (b'P', true) => self.keyword("$Junk"),
                (b'H', true) => self.keyword("$NotJunk"),
                _ => {}
            }
        }
    }

    /// X-Mozilla-Status and X-Mozilla-Status2.
    fn read_mozilla(&mut self, head: &Head) {
        if let Some(bits) = head.first("X-Mozilla-Status").and_then(bits) {
            // Read, Replied, Marked, Expunged, Forwarded.
            let flags = [(0x1, 'S'), (0x2, 'R'), (0x4, 'F'), (0x8, 'T'), (0x1000, 'P')];
            self.bits(bits, &flags);
            self.listed = true;
        }
        if let Some(bits) = head.first("X-Mozilla-Status2").and_then(bits) {
            // IMAPDeleted; New; and the labels that preceded tags.
            self.bits(bits, &[(0x0020_0000, 'T')]);
            self.listed &= bits & 0x0001_0000 == 0;
            if let label @ 1..=5 = (bits >> 25) & 7 {
                self.keyword(&format!("$label{label}"));
            }
        }
    }

    /// X-Evolution.
    fn read_evolution(&mut self, head: &Head) {
        let bits = head.first(EVOLUTION).and_then(|value| {
            let at = value.iter().position(|byte| *byte == b'-')?;
            bits(value.get(at + 1..)?)
        });
        let Some(bits) = bits else { return };
        // Answered, deleted, draft, flagged, seen.
        self.bits(bits, &[(0x1, 'R'), (0x2, 'T'), (0x4, 'D'), (0x8, 'F'), (0x10, 'S')]);
        if bits & 0x80 != 0 {
            self.keyword("$Junk");
        }
        self.listed = true;
    }

    /// X-Gmail-Labels.
    fn read_gmail(&mut self, head: &Head) {
        let Some(labels) = head.first("X-Gmail-Labels") else { return };
        let labels = head.text(labels);
        let labels: Vec<&str> = labels.split(',').map(str::trim).collect();
        let has = |name: &str| labels.iter().any(|label| label.eq_ignore_ascii_case(name));
        // In other languages the labels are not known.
        let known = ["Inbox", "Archived", "Sent", "Opened", "Important", "Starred", "Drafts"];
        if known.into_iter().any(has) && !has("Unread") {
            self.flag('S');
        }
        for (label, flag) in [("Starred", 'F'), ("Drafts", 'D'), ("Trash", 'T')] {
            if has(label) {
                self.flag(flag);
            }
        }
        self.listed = true;
    }

    fn flag(&mut self, letter: char) {
        self.letters.push(letter);
    }

    fn bits(&mut self, bits: u32, flags: &[(u32, char)]) {
        self.letters.extend(flags.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, flag)| flag));
    }

    fn keyword(&mut self, word: &str) {
        if is_keyword(word) {
            self.keywords.push(word.to_owned());
        } else {
            self.no_keywords.push(word.to_owned());
        }
    }

    fn end(self) -> Metadata {
        // In order, and without duplicates.
        let letters = Flags { letters: self.letters.into_iter().collect(), keywords: Vec::new() };
        let flags = Flags::default().and(&letters);
        let flags = self.keywords.into_iter().fold(flags, |flags, keyword| {
            flags.and(&Flags { letters: String::new(), keywords: vec![keyword] })
        });
        Metadata { flags, listed: self.listed, no_keywords: self.no_keywords }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(header: &str) -> String {
        let found = read(&Head::parse(format!("{header}\n\n")));
        let listed = if found.listed { " old" } else { "" };
        let no = if found.no_keywords.is_empty() { "" } else { " !" };
        format!("{} {}{listed}{no}", found.flags.letters, found.flags.keywords.join(" "))
    }

    #[test]
    fn each_reader_is_understood() {
        for (header, wanted) in [
            ("Subject: x", " "),
            ("Status: O", "  old"),
            ("Status: RO\nX-Status: AF", "FRS  old"),
            ("Status: N\nX-Status: TD", "DT "),
            ("Status: RO\nX-Status: RFG", "FPS  old"),
            ("X-Status: UP", " $Junk old"),
            ("X-Status: RAHK", "RS $NotJunk"),
            ("X-Keywords: $Work  NonJunk $work\nX-Keywords: a(b", " $Work NonJunk !"),
            ("X-Mozilla-Status: 0001\nX-Mozilla-Status2: 00000000", "S  old"),
            ("X-Mozilla-Status: 1007\nX-Mozilla-Keys: $label1 junk", "FPRS $label1 junk old"),
            ("X-Mozilla-Status: 0009", "ST  old"),
            ("X-Mozilla-Status: 0000\nX-Mozilla-Status2: 00010000", " "),
            ("X-Mozilla-Status: 0001\nX-Mozilla-Status2: 06200000", "ST $label3 old"),
            ("X-Evolution: 0000002a-0019", "FRS  old"),
            ("X-Evolution: 0000002a-0096", "DST $Junk old"),
            ("X-Evolution: x", " "),
            ("X-Gmail-Labels: =?UTF-8?Q?Inbox,Work_=C3=A4?=,Starred", "FS  old"),
            ("X-Gmail-Labels: Inbox,Unread", "  old"),
            ("X-Gmail-Labels: Posteingang", "  old"),
        ] {
            assert_eq!(of(header), wanted, "{header}");
        }
    }

    #[test]
    fn the_state_of_a_mailbox_is_not_a_message() {
        let state = "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1 2\n";
        assert!(is_internal(&Head::parse(state)));
        for other in [&state.replace("X-IMAP", "X"), &format!("Received: by x; y\n{state}")] {
            assert!(!is_internal(&Head::parse(other.as_str())), "{other}");
        }
    }

    #[test]
    fn what_did_not_exist_is_not_removed() {
        let head = Head::parse("Status: R\nContent-Length: 3\nX-Mozilla-Keys:\n\n");
        let names = |measured| -> Vec<String> {
            edits(&head, measured)
                .into_iter()
                .map(|edit| match edit {
                    HeaderEdit::Remove { name } => name,
                    other => format!("{other:?}"),
                })
                .collect()
        };
        assert_eq!(names(false), ["Status", "X-Mozilla-Keys"]);
        assert_eq!(names(true), ["Status", "X-Mozilla-Keys", "Content-Length"]);
    }
}
