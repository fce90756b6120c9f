//! What an MH folder records about its messages: the sequences in `.mh_sequences`
//! (mh-sequence(5)), as nmh, MH-E, Claws Mail, mutt and Python write them, and the marks
//! of Sylpheed and Claws Mail, `.sylpheed_mark` and `.claws_mark`: numbers of 32 bits in
//! the machine's order, first the version, 2, then one and its bits for each message.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use super::metadata::{Metadata, add};
use crate::file;

const SEQUENCES: &str = ".mh_sequences";
const MARKS: [&str; 2] = [".sylpheed_mark", ".claws_mark"];
const MARKS_VERSION: u32 = 2;
/// The bit of a message that no reader has listed.
const NEW: u32 = 1;
/// The bit of a message that is unread.
const UNREAD: u32 = 2;
/// The bits of the other flags.
const FLAGS: [(u32, char); 4] = [(4, 'F'), (8, 'T'), (16, 'R'), (32, 'P')];
/// The largest file that is read, bytes.
const LARGEST: u64 = 4 << 20;
/// Names that say where a reader is, and nothing about a message.
const OF_READERS: [&str; 2] = ["cur", "prev"];

/// The records of a folder.
#[derive(Debug, Default)]
pub(super) struct MhRecords {
    /// None without the file.
    sequences: Option<Vec<Sequence>>,
    /// Bits by number; none without such a file.
    marks: Option<HashMap<u64, u32>>,
}

#[derive(Debug)]
struct Sequence {
    name: String,
    /// First and last number, inclusive.
    ranges: Vec<(u64, u64)>,
}

/// Whether readers have recorded something about the messages of a directory.
pub(super) fn is_folder(directory: &Path) -> bool {
    [SEQUENCES].iter().chain(&MARKS).any(|name| directory.join(name).is_file())
}

/// The number that names a message's file in an MH folder.
pub(super) fn number_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    name.bytes().all(|byte| byte.is_ascii_digit()).then(|| name.parse().ok())?
}

impl MhRecords {
    /// The records of a folder; none where nothing can be read.
    pub(super) fn of(folder: &Path) -> MhRecords {
        let sequences = file::read(&folder.join(SEQUENCES), LARGEST).ok();
        // The reader that was used last knows best.
        let marks = MARKS.iter().filter_map(|name| {
            let path = folder.join(name);
            let marks = parse_marks(&file::read(&path, LARGEST).ok()?)?;
            Some((fs::metadata(&path).and_then(|metadata| metadata.modified()).ok(), marks))
        });
        MhRecords {
            sequences: sequences.map(|text| parse_sequences(&String::from_utf8_lossy(&text))),
            marks: marks.max_by_key(|(modified, _)| *modified).map(|(_, marks)| marks),
        }
    }

    /// Adds what they say about a message: one that is not in `unseen` was seen, other
    /// names are keywords. Where there are marks, they say what was seen of the messages
    /// that they have.
    pub(super) fn mark(&self, number: u64, metadata: &mut Metadata) {
        let mut letters = String::new();
        let mut words = Vec::new();
        let mut unseen = self.sequences.is_none() && self.marks.is_some();
        for Sequence { name, ranges } in self.sequences.iter().flatten() {
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
        if let Some(bits) = self.marks.as_ref().and_then(|marks| marks.get(&number)) {
            letters.extend(FLAGS.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, flag)| flag));
            unseen = bits & UNREAD != 0;
            metadata.listed |= bits & NEW == 0;
        }
        if !unseen {
            letters.push('S');
        }
        metadata.listed |= !unseen;
        add(metadata, &letters, &words);
    }
}

fn parse_sequences(text: &str) -> Vec<Sequence> {
    let range = |word: &str| {
        let (from, to) = word.split_once('-').unwrap_or((word, word));
        Some((from.parse().ok()?, to.parse().ok()?))
    };
    let sequences = text.lines().filter_map(|line| {
        let (name, numbers) = line.split_once(':')?;
        let ranges = numbers.split_whitespace().filter_map(range).collect();
        Some(Sequence { name: name.trim().to_owned(), ranges })
    });
    sequences.collect()
}

/// The bits by number; none in another version.
fn parse_marks(bytes: &[u8]) -> Option<HashMap<u64, u32>> {
    let (words, _) = bytes.as_chunks::<4>();
    let (version, words) = words.split_first()?;
    let read = [u32::from_le_bytes, u32::from_be_bytes];
    let read = read.into_iter().find(|read| read(*version) == MARKS_VERSION)?;
    let (pairs, _) = words.as_chunks::<2>();
    Some(pairs.iter().map(|[number, bits]| (read(*number).into(), read(*bits))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(records: &MhRecords, number: u64) -> (String, String, bool) {
        let mut metadata = Metadata::default();
        records.mark(number, &mut metadata);
        let Metadata { flags, listed, .. } = metadata;
        (flags.letters, flags.keywords.join(" "), listed)
    }

    fn marks(letters: &str, words: &str, listed: bool) -> (String, String, bool) {
        (letters.into(), words.into(), listed)
    }

    #[test]
    fn sequences_are_flags_and_keywords() {
        let text = "cur: 2\nunseen: 3-4 7\nreplied: 1 4\nFlagged: 4\nwork: 1-9\nodd\nx: a-b 3-\n";
        let records = MhRecords { sequences: Some(parse_sequences(text)), marks: None };
        assert_eq!(of(&records, 1), marks("RS", "work", true));
        assert_eq!(of(&records, 4), marks("FR", "work", false));
        assert_eq!(of(&records, 7), marks("", "work", false));
        assert_eq!(of(&records, 10), marks("S", "", true));
        assert_eq!(of(&MhRecords::default(), 10), marks("S", "", true));
    }

    #[test]
    fn marks_are_flags() {
        let words = [2, 1, 0, 2, 4 | 16 | 128, 3, 3, 5, 2 | 8, 3, 32 | 2];
        let little: Vec<u8> = words.iter().flat_map(|word: &u32| word.to_le_bytes()).collect();
        let big: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        for bytes in [[little.as_slice(), b"\x09\0"].concat(), big] {
            let mut records = MhRecords { sequences: None, marks: parse_marks(&bytes) };
            assert_eq!(of(&records, 1), marks("S", "", true));
            assert_eq!(of(&records, 2), marks("FRS", "", true));
            // The later of two entries counts.
            assert_eq!(of(&records, 3), marks("P", "", true));
            assert_eq!(of(&records, 4), marks("", "", false));
            assert_eq!(of(&records, 5), marks("T", "", true));
            records.sequences = Some(parse_sequences("unseen: 1 6\nwork: 2\n"));
            assert_eq!(of(&records, 1), marks("S", "", true));
            assert_eq!(of(&records, 2), marks("FRS", "work", true));
            assert_eq!(of(&records, 4), marks("S", "", true));
            assert_eq!(of(&records, 6), marks("", "", false));
        }
        for bytes in [&b""[..], b"\x02\0", b"\x03\0\0\0\x01\0\0\0\0\0\0\0"] {
            assert_eq!(parse_marks(bytes), None);
        }
    }

    #[test]
    fn the_last_of_two_readers_counts() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, bits: u8, time: u64| {
            let path = folder.path().join(name);
            let bytes = [2, 0, 0, 0, 1, 0, 0, 0, bits, 0, 0, 0];
            fs::write(&path, bytes).unwrap();
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(time);
            fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
        };
        put(".sylpheed_mark", 4, 2_000_000);
        put(".claws_mark", 2, 1_000_000);
        assert_eq!(of(&MhRecords::of(folder.path()), 1), marks("FS", "", true));
        put(".claws_mark", 2, 3_000_000);
        assert_eq!(of(&MhRecords::of(folder.path()), 1), marks("", "", true));
    }
}
