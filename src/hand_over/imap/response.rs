//! Responses of an IMAP server (RFC 3501 §7, RFC 9051 §7), as far as a hand-over needs them.
//!
//! Our own reader, not a crate: most of what servers send does not matter here,
//! extensions write it in ways that a fixed grammar would not know, and literals must
//! not be held in memory. So everything else is skipped by its words,
//! strings and parentheses.

use crate::text::one_line;

use super::super::StoreRefusal;
use super::super::wire::TEXT_MAX;

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ImapResponse {
    /// `+`: the server waits for the rest of a command.
    Continuation,
    /// `*` and data, with literals in it.
    Data(Vec<u8>),
    /// `*` and a condition that belongs to no command.
    Untagged(ImapCondition),
    /// The result of the command with that tag.
    Tagged(String, ImapCondition),
}

/// The name of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConditionWord {
    Ok,
    No,
    Bad,
    Bye,
    PreAuth,
}

/// `OK`, `NO` and others, with a code and a text for people (RFC 9051 §7.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ImapCondition {
    pub(super) word: ConditionWord,
    /// The text in brackets, without them.
    pub(super) code: Vec<u8>,
    /// All of it, as one harmless line.
    pub(super) text: String,
}

impl ImapCondition {
    /// The name of the code, in capitals.
    pub(super) fn code_name(&self) -> String {
        let name = self.code.split(|byte| *byte == b' ').next().unwrap_or_default();
        String::from_utf8_lossy(name).to_ascii_uppercase()
    }

    fn says(&self, phrase: &str) -> bool {
        self.text.to_ascii_lowercase().contains(phrase)
    }

    /// Whether a retry may succeed: the server has a temporary fault (RFC 5530).
    pub(super) fn is_temporary(&self) -> bool {
        self.word == ConditionWord::Bye
            || matches!(self.code_name().as_str(), "UNAVAILABLE" | "SERVERBUG" | "INUSE")
    }

    /// Whether the mailbox is full (RFC 9208 §4.3.1). Cyrus 3.6 has no code for it.
    pub(super) fn is_full(&self) -> bool {
        match self.code_name().as_str() {
            "" => self.word == ConditionWord::No && self.says("over quota"),
            name => name == "OVERQUOTA",
        }
    }
}

impl From<ImapCondition> for StoreRefusal {
    fn from(condition: ImapCondition) -> StoreRefusal {
        let is_full = condition.is_full();
        let status = match () {
            () if is_full => "4.2.2",
            () if condition.is_temporary() => "4.3.0",
            // The settings here do not fit the server's, or the message
            // does not.
            () => "4.3.5",
        };
        StoreRefusal { status: status.into(), is_full, text: condition.text }
    }
}

/// The octets of the literal that a line ends by announcing (RFC 9051 §4.3).
pub(super) fn literal(line: &[u8]) -> Option<u64> {
    let digits = line.strip_suffix(b"}")?;
    let start = digits.iter().rposition(|byte| *byte == b'{')?;
    let digits = digits.get(start + 1..)?;
    let digits = digits.strip_suffix(b"+").unwrap_or(digits);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // A larger number than we can count is more than we can read.
    Some(std::str::from_utf8(digits).ok()?.parse().unwrap_or(u64::MAX))
}

/// Whether a response that begins like this can contain literals: text for people may look
/// like one at its end.
pub(super) fn has_literals(line: &[u8]) -> bool {
    line.strip_prefix(b"* ").is_some_and(|rest| condition(rest).is_none())
}

/// Reads a whole response, without its last line end; `None` if it is not a response.
pub(super) fn parse(bytes: &[u8]) -> Option<ImapResponse> {
    if bytes == b"+" || bytes.starts_with(b"+ ") {
        return Some(ImapResponse::Continuation);
    }
    if let Some(rest) = bytes.strip_prefix(b"* ") {
        return Some(match condition(rest) {
            Some(condition) => ImapResponse::Untagged(condition),
            None => ImapResponse::Data(rest.to_vec()),
        });
    }
    let end = bytes.iter().position(|byte| *byte == b' ')?;
    let (tag, rest) = bytes.split_at(end);
    if tag.is_empty() || !tag.iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    let condition = condition(rest.get(1..)?)?;
    let is_end =
        matches!(condition.word, ConditionWord::Ok | ConditionWord::No | ConditionWord::Bad);
    is_end.then(|| ImapResponse::Tagged(String::from_utf8_lossy(tag).into_owned(), condition))
}

fn condition(bytes: &[u8]) -> Option<ImapCondition> {
    let end = bytes.iter().position(|byte| *byte == b' ').unwrap_or(bytes.len());
    let (word, rest) = bytes.split_at(end);
    let word = match word.to_ascii_uppercase().as_slice() {
        b"OK" => ConditionWord::Ok,
        b"NO" => ConditionWord::No,
        b"BAD" => ConditionWord::Bad,
        b"BYE" => ConditionWord::Bye,
        b"PREAUTH" => ConditionWord::PreAuth,
        _ => return None,
    };
    let code = rest.strip_prefix(b" [").and_then(|rest| {
        // A keyword may contain a bracket, and is in parentheses.
        let mut depth = 0_usize;
        let end = rest.iter().position(|byte| {
            match byte {
                b'(' => depth += 1,
                b')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            *byte == b']' && depth == 0
        });
        rest.get(..end?)
    });
    let text = one_line(&String::from_utf8_lossy(bytes), TEXT_MAX);
    Some(ImapCondition { word, code: code.unwrap_or_default().to_vec(), text })
}

/// A word of server data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DataWord<'d> {
    Open,
    Close,
    Atom(&'d [u8]),
    /// A quoted string or a literal.
    Text(Vec<u8>),
}

impl DataWord<'_> {
    /// Whether it is this atom, in any case.
    pub(super) fn is(&self, atom: &str) -> bool {
        matches!(self, DataWord::Atom(word) if word.eq_ignore_ascii_case(atom.as_bytes()))
    }

    /// Its value as a number.
    pub(super) fn number(&self) -> Option<u64> {
        match self {
            DataWord::Atom(word) if word.iter().all(u8::is_ascii_digit) => {
                std::str::from_utf8(word).ok()?.parse().ok()
            }
            _ => None,
        }
    }
}

/// The words of server data, up to its end or to where it is malformed.
pub(super) struct DataWords<'d>(pub(super) &'d [u8]);

impl<'d> Iterator for DataWords<'d> {
    type Item = DataWord<'d>;

    fn next(&mut self) -> Option<DataWord<'d>> {
        while let Some(rest) = self.0.strip_prefix(b" ") {
            self.0 = rest;
        }
        let (first, rest) = self.0.split_first()?;
        match first {
            b'(' => {
                self.0 = rest;
                Some(DataWord::Open)
            }
            b')' => {
                self.0 = rest;
                Some(DataWord::Close)
            }
            b'"' => {
                let (text, rest) = quoted(rest)?;
                self.0 = rest;
                Some(DataWord::Text(text))
            }
            b'{' => {
                let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
                let size = literal(self.0.get(..end + 1)?)?;
                let rest = rest.get(end + 2..)?;
                let (text, rest) = rest.split_at_checked(usize::try_from(size).ok()?)?;
                self.0 = rest;
                Some(DataWord::Text(text.to_vec()))
            }
            _ => {
                let ends = |byte: &u8| matches!(byte, b' ' | b'(' | b')' | b'"' | b'\r' | b'\n');
                let end = self.0.iter().position(ends).unwrap_or(self.0.len());
                let (atom, rest) = self.0.split_at(end);
                self.0 = rest;
                (!atom.is_empty()).then_some(DataWord::Atom(atom))
            }
        }
    }
}

/// The text up to the closing quote, and what follows it.
fn quoted(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (mut text, mut at) = (Vec::new(), bytes.iter().enumerate());
    loop {
        match at.next()? {
            (end, b'"') => return Some((text, bytes.get(end + 1..)?)),
            (_, b'\\') => text.push(*at.next()?.1),
            (_, byte) => text.push(*byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(data: &str) -> Vec<String> {
        let shown = |word: DataWord<'_>| match word {
            DataWord::Open => "(".into(),
            DataWord::Close => ")".into(),
            DataWord::Atom(atom) => String::from_utf8_lossy(atom).into_owned(),
            DataWord::Text(text) => format!("<{}>", String::from_utf8_lossy(&text)),
        };
        DataWords(data.as_bytes()).map(shown).collect()
    }

    #[test]
    fn conditions_are_distinguished_from_data() {
        let Some(ImapResponse::Tagged(tag, answer)) = parse(b"a7 no [TRYCREATE] there is none {5}")
        else {
            panic!("it is one")
        };
        assert_eq!((tag.as_str(), answer.word), ("a7", ConditionWord::No));
        assert_eq!(answer.code_name(), "TRYCREATE");
        assert_eq!(answer.text, "no [TRYCREATE] there is none {5}");
        let Some(ImapResponse::Untagged(answer)) = parse(b"* OK [UIDNEXT 9] x\x1b[2J") else {
            panic!("it is one")
        };
        assert_eq!(
            (answer.code.as_slice(), answer.code_name().as_str()),
            (&b"UIDNEXT 9"[..], "UIDNEXT")
        );
        assert!(!answer.text.contains('\u{1b}'));
        let Some(ImapResponse::Untagged(answer)) = parse(b"* OK [PERMANENTFLAGS (a]b \\*)] [x]")
        else {
            panic!("it is one")
        };
        assert_eq!(answer.code, b"PERMANENTFLAGS (a]b \\*)");
        assert_eq!(parse(b"* 3 EXISTS"), Some(ImapResponse::Data(b"3 EXISTS".into())));
        assert_eq!(parse(b"+ go"), Some(ImapResponse::Continuation));
        for wrong in ["", "a1", "a1 ", " OK", "a1 EXISTS", "a1 BYE", "*OK", "a\u{1} OK x"] {
            assert_eq!(parse(wrong.as_bytes()), None, "{wrong}");
        }
        assert!(has_literals(b"* LIST () \"/\" {3}") && !has_literals(b"* OK see {3}"));
        assert!(!has_literals(b"a1 OK {3}") && !has_literals(b"+ {3}"));
        for (line, size) in [
            ("{3}", Some(3)),
            ("x {0}", Some(0)),
            ("x {12+}", Some(12)),
            ("x {}", None),
            ("x {a}", None),
            ("x 3}", None),
            ("{99999999999999999999999}", Some(u64::MAX)),
        ] {
            assert_eq!(literal(line.as_bytes()), size, "{line}");
        }
    }

    #[test]
    fn data_is_words_strings_and_parentheses() {
        assert_eq!(
            words("STATUS \"a \\\"b\\\\\" (UIDNEXT 3 x())"),
            ["STATUS", "<a \"b\\>", "(", "UIDNEXT", "3", "x", "(", ")", ")"]
        );
        assert_eq!(words("a {3}\r\nb c BODY[] NIL"), ["a", "<b c>", "BODY[]", "NIL"]);
        assert_eq!(words("a {30}\r\nb"), ["a"]);
        assert_eq!(words("a \"b"), ["a"]);
        assert_eq!(words("a {3}"), ["a"]);
        assert!(words("").is_empty() && words("   ").is_empty() && words("\r\n").is_empty());
    }

    #[test]
    fn a_no_is_known_by_its_code() {
        for (text, status, is_full) in [
            ("NO [OVERQUOTA] full", "4.2.2", true),
            ("NO Over quota", "4.2.2", true),
            ("NO [LIMIT] over quota of folders", "4.3.5", false),
            ("BAD over quota is no command", "4.3.5", false),
            ("NO [UNAVAILABLE] later", "4.3.0", false),
            ("NO [INUSE] later", "4.3.0", false),
            ("NO [SERVERBUG] sorry", "4.3.0", false),
            ("NO Message contains NUL characters", "4.3.5", false),
            ("BAD what", "4.3.5", false),
        ] {
            let refusal = StoreRefusal::from(condition(text.as_bytes()).unwrap());
            assert_eq!((refusal.status.as_str(), refusal.is_full), (status, is_full), "{text}");
        }
    }
}
