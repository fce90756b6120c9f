//! RFC 2047: text outside of ASCII in headers, read tolerantly and written.
//!
//! Senders split characters and ISO-2022-JP shifts across encoded words, put
//! words into quoted strings or directly next to other text, leave blanks in them
//! and omit padding. All of it is read as mail readers read it: adjacent words of
//! one charset are joined as bytes before they are decoded.

use std::borrow::Cow;

use data_encoding::BASE64;
use memchr::memmem;

use crate::message::bounded_text::floor;
use crate::message::{base64, charset};
use crate::text::hex_byte;

/// How many bytes of UTF-8 go into one word: 45 bytes are 60 characters of
/// base64, 72 with `=?utf-8?B?` and `?=`, and 75 are allowed (RFC 2047 §2).
const BYTES_A_WORD: usize = 45;

/// Where a line of plain ASCII is folded (RFC 5322 §2.1.1).
const LINE: usize = 76;

/// The longest stretch without a blank that may stay ASCII: lines end at 998.
const LONGEST_STRETCH: usize = 800;

/// Decodes an unfolded header value (RFC 2047). Raw 8-bit text and raw
/// ISO-2022-JP are guessed, see [`charset::guess`]. White space stays as it is,
/// except between adjacent encoded words, where it is not part of the text.
pub fn decode<'a>(raw: &'a [u8], declared: Option<&str>) -> Cow<'a, str> {
    // Something that looks like an encoded word inside raw ISO-2022-JP is not one.
    if charset::looks_like_iso_2022_jp(raw) {
        let text = charset::guess(raw, declared);
        return match decode_words(text.as_bytes(), declared) {
            Some(decoded) => Cow::Owned(decoded),
            None => text,
        };
    }
    match decode_words(raw, declared) {
        Some(decoded) => Cow::Owned(decoded),
        None => charset::guess(raw, declared),
    }
}

/// [`decode`] for something that is already text.
pub fn decode_text(text: &str) -> Cow<'_, str> {
    match decode_words(text.as_bytes(), None) {
        Some(decoded) => Cow::Owned(decoded),
        None => Cow::Borrowed(text),
    }
}

/// `None` if there is no encoded word.
fn decode_words(raw: &[u8], declared: Option<&str>) -> Option<String> {
    let mut decoder =
        WordDecoder { done: String::new(), charset: None, bytes: Vec::new(), declared };
    let (mut literal, mut from) = (0, 0);
    let mut any = false;
    while let Some(found) = memmem::find(&raw[from..], b"=?") {
        let start = from + found;
        match EncodedWord::at(raw, start) {
            Some(word) => {
                decoder.gap(&raw[literal..start]);
                decoder.word(&word);
                literal = word.end;
                from = word.end;
                any = true;
            }
            None => from = start + 1,
        }
    }
    any.then(|| decoder.finish(&raw[literal..]))
}

/// One encoded word.
#[derive(Debug, Clone, Copy)]
pub struct EncodedWord<'a> {
    /// Without the language of RFC 2231 §5.
    charset: &'a [u8],
    base64: bool,
    text: &'a [u8],
    /// The offset after it.
    pub end: usize,
}

impl<'a> EncodedWord<'a> {
    /// The encoded word that starts at `start`. The search for its end stops at
    /// the next `=?`, so that checking every `=?` stays linear.
    pub fn at(raw: &'a [u8], start: usize) -> Option<EncodedWord<'a>> {
        let rest = raw.get(start..)?.strip_prefix(b"=?")?;
        let length = rest
            .iter()
            .take_while(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'=' | b'"'))
            .count();
        let (charset, rest) = rest.split_at(length);
        let (base64, text) = match rest {
            [b'?', b'B' | b'b', b'?', text @ ..] => (true, text),
            [b'?', b'Q' | b'q', b'?', text @ ..] => (false, text),
            _ => return None,
        };
        let length = text_length(text)?;
        let language = memchr::memchr(b'*', charset).unwrap_or(charset.len());
        let end = raw.len() - text.len() + length + 2;
        Some(EncodedWord { charset: &charset[..language], base64, text: &text[..length], end })
    }

    fn decode_to(&self, bytes: &mut Vec<u8>) {
        if self.base64 {
            return base64::decode_to(self.text, bytes);
        }
        let mut rest = self.text;
        while let [byte, tail @ ..] = rest {
            rest = tail;
            match (*byte, tail) {
                (b'_', _) => bytes.push(b' '),
                (b'=', [high, low, tail @ ..]) if let Some(byte) = hex_byte(*high, *low) => {
                    bytes.push(byte);
                    rest = tail;
                }
                (other, _) => bytes.push(other),
            }
        }
    }
}

/// The length of an encoded text up to its `?=`; `None` if another word starts
/// first. `=?=` is padding and an end.
fn text_length(text: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'?', text)
        .find_map(|at| {
            let starts_word = at > 0 && text[at - 1] == b'=' && text.get(at + 1) != Some(&b'=');
            match text.get(at + 1) {
                _ if starts_word => Some(None),
                Some(b'=') => Some(Some(at)),
                _ => None,
            }
        })
        .flatten()
}

/// Collects bytes as long as the charset stays the same.
struct WordDecoder<'a> {
    done: String,
    charset: Option<&'a [u8]>,
    bytes: Vec<u8>,
    declared: Option<&'a str>,
}

impl<'a> WordDecoder<'a> {
    /// The text before a word: nothing if it is white space after another word.
    fn gap(&mut self, literal: &[u8]) {
        if self.charset.is_none() || !literal.iter().all(u8::is_ascii_whitespace) {
            self.literal(literal);
        }
    }

    fn word(&mut self, word: &EncodedWord<'a>) {
        if self.charset.is_some_and(|charset| !charset.eq_ignore_ascii_case(word.charset)) {
            self.flush();
        }
        self.charset = Some(word.charset);
        word.decode_to(&mut self.bytes);
    }

    fn literal(&mut self, literal: &[u8]) {
        self.flush();
        self.done.push_str(&charset::guess(literal, self.declared));
    }

    fn flush(&mut self) {
        if let Some(charset) = self.charset.take() {
            let label = std::str::from_utf8(charset).ok();
            self.done.push_str(&charset::decode(label, &self.bytes));
            self.bytes.clear();
        }
    }

    fn finish(mut self, literal: &[u8]) -> String {
        self.literal(literal);
        self.done
    }
}

/// Writes a text as a header's value, folded with `"\n "`, in ASCII: unchanged if
/// that is safe, otherwise as base64 words of UTF-8. It is [`clean`]ed first.
pub fn encode(text: &str) -> String {
    let text = clean(text);
    let long = || text.split(' ').any(|stretch| stretch.len() > LONGEST_STRETCH);
    if !text.is_ascii() || text.contains("=?") || long() {
        encode_words(&text)
    } else if text.len() > LINE {
        fold_ascii(&text)
    } else {
        text.into_owned()
    }
}

/// Turns a text into one line: line breaks and tabs become one blank, other
/// control characters are removed.
pub fn clean(text: &str) -> Cow<'_, str> {
    let breaks = |c: char| matches!(c, '\t' | '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}');
    if !text.chars().any(|c| c.is_control() || breaks(c)) {
        return Cow::Borrowed(text);
    }
    let mut cleaned = String::with_capacity(text.len());
    let mut after_break = false;
    for c in text.chars() {
        if breaks(c) {
            if !after_break {
                cleaned.push(' ');
            }
            after_break = true;
        } else if !c.is_control() {
            cleaned.push(c);
            after_break = false;
        }
    }
    Cow::Owned(cleaned)
}

fn encode_words(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while !rest.is_empty() {
        let (word, tail) = rest.split_at(floor(rest, BYTES_A_WORD));
        if !encoded.is_empty() {
            encoded.push_str("\n ");
        }
        encoded.push_str("=?utf-8?B?");
        BASE64.encode_append(word.as_bytes(), &mut encoded);
        encoded.push_str("?=");
        rest = tail;
    }
    encoded
}

/// Breaks before blanks that are followed by text, so that no line is blank.
fn fold_ascii(text: &str) -> String {
    let mut folded = String::with_capacity(text.len() + text.len() / LINE * 2);
    let mut column = 0;
    for stretch in text.split_inclusive(' ') {
        let blank = column > 0 && folded.ends_with(' ') && stretch != " ";
        if blank && column + stretch.len() > LINE {
            folded.pop();
            folded.push_str("\n ");
            column = 1;
        }
        folded.push_str(stretch);
        column += stretch.len();
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(raw: &str) -> String {
        decode(raw.as_bytes(), None).into_owned()
    }

    #[test]
    fn the_examples_of_rfc_2047() {
        assert_eq!(read("(=?ISO-8859-1?Q?a?=)"), "(a)");
        assert_eq!(read("(=?ISO-8859-1?Q?a?= b)"), "(a b)");
        assert_eq!(read("(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)"), "(ab)");
        assert_eq!(read("(=?ISO-8859-1?Q?a_b?=)"), "(a b)");
        assert_eq!(read("(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)"), "(a b)");
        assert_eq!(read("=?US-ASCII*EN?Q?Keith_Moore?= <x@y>"), "Keith Moore <x@y>");
        assert_eq!(read("=?iso-8859-1?q?=A1Hola=2C_se=F1or!?="), "¡Hola, señor!");
    }

    #[test]
    fn a_character_split_over_words_is_whole() {
        assert_eq!(read("=?utf-8?B?5pel5g==?= =?UTF-8?B?nKw=?="), "日本");
        assert_eq!(read("=?utf-8?Q?=E6=97?=\r\n =?utf-8?q?=A5?="), "日");
        assert_eq!(read("=?ISO-2022-JP?B?GyRCRnw=?= =?iso-2022-jp?B?S1wbKEI=?="), "日本");
    }

    #[test]
    fn what_senders_get_wrong_is_read() {
        assert_eq!(read("\"=?utf-8?B?5pel?=\" <a@b>"), "\"日\" <a@b>");
        assert_eq!(read("Re:=?utf-8?B?5pel?=x"), "Re:日x");
        assert_eq!(read("=?utf-8?Q?two words?= here"), "two words here");
        assert_eq!(read("=?utf-8?B?5pel5pys?==?utf-8?B?6Kqe?="), "日本語");
        assert_eq!(read("=?utf-8?B?5pel5g?= =?utf-8?B?nKw?="), "日本");
        assert_eq!(read("=?utf-8?Q?100%=?="), "100%=");
        assert_eq!(read("=?x-nobody?Q?=E6=97=A5?="), "日");
        assert_eq!(read("=?utf-8?Q?a =?utf-8?Q?b?="), "=?utf-8?Q?a b");
        assert_eq!(read("=?utf-8?Q??="), "");
        assert_eq!(read("=?utf-8?X?a?= =?utf-8?Q"), "=?utf-8?X?a?= =?utf-8?Q");
    }

    #[test]
    fn raw_text_is_guessed() {
        assert_eq!(decode(b"\x1b$BF|K\\\x1b(B =?utf-8?Q?=E8=AA=9E?=", None), "日本 語");
        assert_eq!(decode(b"\x93\xfa =?utf-8?Q?=E6=9C=AC?=", Some("cp932")), "日 本");
        assert_eq!(decode("日 =?utf-8?Q?x?=".as_bytes(), None), "日 x");
        assert!(matches!(decode(b"plain", None), Cow::Borrowed("plain")));
    }

    #[test]
    fn hostile_input_takes_linear_time() {
        let words = "=?utf-8?B?5g==?= ".repeat(200_000);
        assert_eq!(read(&words).chars().next(), Some('\u{fffd}'));
        for open in ["=?utf-8?Q?", "=?", "=?=", "=?a?b?=?", "?="] {
            read(&open.repeat(400_000));
        }
        read(&format!("=?{}", "a".repeat(4_000_000)));
    }

    #[test]
    fn formatted_text_keeps_the_limits() {
        let encoded = encode(&"日本語のとても長い件名 ".repeat(20));
        for line in encoded.split('\n') {
            let word = line.trim_start();
            assert!(word.len() <= 75, "{word}");
            assert!(!read(word).contains('\u{fffd}'), "{word}");
        }
        assert_eq!(encode("plain"), "plain");
        assert_eq!(encode("a\r\nBcc: x\0y"), "a Bcc: xy");
        assert_eq!(encode("=?not?"), "=?utf-8?B?PT9ub3Q/?=");
        let long = encode(&"word ".repeat(400));
        assert!(long.lines().all(|line| line.len() <= 77 && !line.trim().is_empty()), "{long}");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(text in "(\\PC|[a-z =?\r\n\t\0]){0,300}") {
            let raw = encode(&text);
            prop_assert!(raw.is_ascii());
            prop_assert!(!raw.replace("\n ", " ").contains(char::is_control));
            prop_assert_eq!(read(&raw.replace('\n', "")), clean(&text));
        }

        #[test]
        fn long_ascii_is_read(text in "[a-z ]{0,2000}") {
            prop_assert_eq!(read(&encode(&text).replace('\n', "")), text);
        }

        #[test]
        fn nothing_panics(bytes in any::<Vec<u8>>(), words in "(=\\?|\\?=|UTF-8|\\?|[BQ]|=| |\u{1b}|\\$B|[a-f0-9]){0,40}") {
            decode(&bytes, None);
            decode(words.as_bytes(), Some("cp932"));
        }
    }
}
