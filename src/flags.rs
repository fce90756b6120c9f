//! Flags and keywords of a message: the words of the language, the letters in file names
//! of a Maildir, IMAP's keywords.

use serde::{Deserialize, Serialize};

/// Every flag, and its letter in a Maildir.
pub const FLAGS: &[(&str, char)] = &[
    ("draft", 'D'),
    ("flagged", 'F'),
    ("passed", 'P'),
    ("replied", 'R'),
    ("seen", 'S'),
    ("trashed", 'T'),
];

/// The longest keyword, bytes.
const LONGEST_KEYWORD: usize = 64;

/// Flags and keywords.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
pub struct Flags {
    /// The info letters in ASCII order, of `DFPRST`.
    pub letters: String,
    /// Keywords, in the order of the rules.
    pub keywords: Vec<String>,
}

impl Flags {
    /// Both sets together, without duplicates.
    pub fn and(&self, others: &Flags) -> Flags {
        let letters = FLAGS.iter().map(|(_, letter)| *letter);
        let keywords = others.keywords.iter().filter(|keyword| !self.has_keyword(keyword));
        Flags {
            letters: letters
                .filter(|letter| self.letters.contains(*letter) || others.letters.contains(*letter))
                .collect(),
            keywords: self.keywords.iter().chain(keywords).cloned().collect(),
        }
    }

    /// These flags without the others.
    pub fn without(&self, others: &Flags) -> Flags {
        let letters = self.letters.chars().filter(|letter| !others.letters.contains(*letter));
        let keywords = self.keywords.iter().filter(|keyword| !others.has_keyword(keyword));
        Flags { letters: letters.collect(), keywords: keywords.cloned().collect() }
    }

    /// Whether the keyword is in the set; case does not matter (RFC 9051 §2.3.2).
    pub fn has_keyword(&self, keyword: &str) -> bool {
        self.keywords.iter().any(|known| known.eq_ignore_ascii_case(keyword))
    }

    /// The flags in the words of the language, keywords unchanged.
    pub fn words(&self) -> Vec<String> {
        let letters = FLAGS.iter().filter(|(_, letter)| self.letters.contains(*letter));
        let words = letters.map(|(word, _)| (*word).to_owned());
        words.chain(self.keywords.iter().cloned()).collect()
    }

    /// The flags as in IMAP (RFC 9051 §2.3.2); `passed` is the keyword of RFC 5550 §5.9.
    pub fn imap(&self) -> Vec<String> {
        const NAMES: [(char, &str); 6] = [
            ('D', "\\Draft"),
            ('F', "\\Flagged"),
            ('P', "$Forwarded"),
            ('R', "\\Answered"),
            ('S', "\\Seen"),
            ('T', "\\Deleted"),
        ];
        let letters = NAMES.iter().filter(|(letter, _)| self.letters.contains(*letter));
        let names = letters.map(|(_, name)| (*name).to_owned());
        names.chain(self.keywords.iter().cloned()).collect()
    }

    /// The flags as written after `as`: keywords are strings.
    pub fn as_written(&self) -> String {
        let keywords = self.keywords.iter().map(|keyword| format!("\"{keyword}\""));
        let letters = Flags { letters: self.letters.clone(), keywords: Vec::new() };
        letters.words().into_iter().chain(keywords).collect::<Vec<_>>().join(" ")
    }
}

/// Whether a text can be a keyword: an atom (RFC 9051 §9).
pub fn is_keyword(text: &str) -> bool {
    (1..=LONGEST_KEYWORD).contains(&text.len()) && text.chars().all(is_atom_char)
}

/// The keyword made from a text in a message: `_` replaces what keywords cannot contain.
/// None for a blank text.
pub fn to_keyword(text: &str) -> Option<String> {
    let letters = text.trim().chars().map(|letter| if is_atom_char(letter) { letter } else { '_' });
    let keyword: String = letters.take(LONGEST_KEYWORD).collect();
    (!keyword.is_empty()).then_some(keyword)
}

/// Whether it is an ATOM-CHAR (RFC 9051 §9) that a keyword may contain.
pub(crate) fn is_atom_char(letter: char) -> bool {
    letter.is_ascii_graphic() && !"(){%*\"\\]".contains(letter)
}

#[cfg(test)]
mod tests {
    use super::{Flags, is_keyword, to_keyword};

    fn flags(letters: &str, keywords: &[&str]) -> Flags {
        Flags {
            letters: letters.into(),
            keywords: keywords.iter().map(|keyword| keyword.to_string()).collect(),
        }
    }

    #[test]
    fn each_exists_once() {
        let both = flags("RS", &["$Work"]).and(&flags("FS", &["$work", "a"]));
        assert_eq!(both, flags("FRS", &["$Work", "a"]));
        assert_eq!(both.without(&flags("S", &["A"])), flags("FR", &["$Work"]));
    }

    #[test]
    fn words_are_those_of_the_rules() {
        let all = flags("FS", &["$Work"]);
        assert_eq!(all.words(), ["flagged", "seen", "$Work"]);
        assert_eq!(all.as_written(), "flagged seen \"$Work\"");
    }

    #[test]
    fn a_text_from_a_message_is_one_keyword() {
        assert_eq!(to_keyword(" Work \\Seen (x) 仕 ").as_deref(), Some("Work__Seen__x___"));
        assert_eq!(to_keyword(" "), None);
        assert!(to_keyword(&"x".repeat(100)).is_some_and(|keyword| is_keyword(&keyword)));
        assert!(is_keyword("$Work") && is_keyword("NonJunk") && !is_keyword("a b"));
    }
}
