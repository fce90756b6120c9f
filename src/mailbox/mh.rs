//! What an MH folder records about its messages: the sequences in `.mh_sequences`
//! (mh-sequence(5)), as nmh, MH-E, Claws Mail, mutt and Python write them.

use std::path::Path;

use super::metadata::{Metadata, add};
use crate::file;

const FILE: &str = ".mh_sequences";
/// The largest file that is read, bytes.
const LARGEST: u64 = 4 << 20;
/// Names that say where a reader is, and nothing about a message.
const OF_READERS: [&str; 2] = ["cur", "prev"];

/// The sequences of a folder.
#[derive(Debug, Default)]
pub(super) struct Sequences(Vec<Sequence>);

#[derive(Debug)]
struct Sequence {
    name: String,
    /// First and last number, inclusive.
    ranges: Vec<(u64, u64)>,
}

impl Sequences {
    /// The sequences of a folder; none where nothing can be read.
    pub(super) fn of(folder: &Path) -> Sequences {
        let text = file::read(&folder.join(FILE), LARGEST).unwrap_or_default();
        Sequences::parse(&String::from_utf8_lossy(&text))
    }

    fn parse(text: &str) -> Sequences {
        let range = |word: &str| {
            let (from, to) = word.split_once('-').unwrap_or((word, word));
            Some((from.parse().ok()?, to.parse().ok()?))
        };
        let sequences = text.lines().filter_map(|line| {
            let (name, numbers) = line.split_once(':')?;
            let ranges = numbers.split_whitespace().filter_map(range).collect();
            Some(Sequence { name: name.trim().to_owned(), ranges })
        });
        Sequences(sequences.collect())
    }

    /// Adds what they say about a message: one that is not in `unseen` was seen, other
    /// names are keywords.
    pub(super) fn mark(&self, number: u64, metadata: &mut Metadata) {
        let mut letters = String::new();
        let mut words = Vec::new();
        let mut unseen = false;
        for Sequence { name, ranges } in &self.0 {
            if !ranges.iter().any(|(from, to)| (*from..=*to).contains(&number)) {
                continue;
            }
            match name.to_ascii_lowercase().as_str() {
                "unseen" => unseen = true,
                "replied" | "answered" => letters.push('R'),
                "flagged" => letters.push('F'),
                "forwarded" | "passed" => letters.push('P'),
                "deleted" => letters.push('T'),
                reader if OF_READERS.contains(&reader) => {}
                _ => words.push(name.clone()),
            }
        }
        if !unseen {
            letters.push('S');
        }
        metadata.listed |= !unseen;
        add(metadata, &letters, &words);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_flags_and_keywords() {
        let text = "cur: 2\nunseen: 3-4 7\nreplied: 1 4\nFlagged: 4\nwork: 1-9\nodd\nx: a-b 3-\n";
        let sequences = Sequences::parse(text);
        let of = |number| {
            let mut metadata = Metadata::default();
            sequences.mark(number, &mut metadata);
            (metadata.flags.letters, metadata.flags.keywords.join(" "))
        };
        assert_eq!(of(1), ("RS".into(), "work".into()));
        assert_eq!(of(4), ("FR".into(), "work".into()));
        assert_eq!(of(7), (String::new(), "work".into()));
        assert_eq!(of(10), ("S".into(), String::new()));
    }
}
