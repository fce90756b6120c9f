//! Cards: vCard 2.1, 3.0 (RFC 2426) and 4.0 (RFC 6350), read leniently. Only the
//! name and the addresses of each card are used.
//!
//! Lines are unfolded (RFC 6350 §3.2); in 2.1, quoted-printable lines continue
//! after a `=`. A card inside a card, an AGENT of 2.1, does not count as a card.

use std::path::Path;

use super::{AddressBook, addresses};
use crate::message::base64;
use crate::message::charset;
use crate::message::fold::is_cjk;
use crate::message::transfer::{Decoder, Encoding};

/// How much of a line is read, bytes: a photo is one line.
const LINE_MAX: usize = 16 << 10;
/// How many names of one card are used.
const MOST_NAMES: usize = 4;
/// How many addresses of one card are used.
const MOST_OF_CARD: usize = 200;

/// A property of a card.
struct Property<'l> {
    /// Without its group, in capitals.
    name: String,
    parameters: Vec<&'l [u8]>,
    value: &'l [u8],
}

/// What has been read of a card so far.
#[derive(Default)]
struct Card {
    line: u32,
    /// FN, perhaps in several languages (RFC 6350 §6.2.1).
    names: Vec<String>,
    /// N, if there is no FN.
    parts: String,
    addresses: Vec<String>,
    broken: bool,
    /// How many cards inside it are open.
    inner: u32,
    /// The last line was an AGENT, whose card follows.
    agent: bool,
    /// The last line began a photo; in 2.1 its further lines need not be folded.
    is_binary: bool,
}

/// Reads the cards of a file.
pub(super) fn read(bytes: &[u8], path: &Path, book: &mut AddressBook) {
    let mut lines = CardLines { rest: bytes, number: 1 };
    let mut card: Option<Card> = None;
    let mut any = false;
    while let Some((number, line)) = lines.next() {
        let Some(property) = property(&line) else {
            let odd = |card: &&mut Card| !line.is_empty() && !card.broken && !card.is_binary;
            if let Some(card) = card.as_mut().filter(odd) {
                card.broken = true;
                book.problem(path, number, "a line without a colon; the card is skipped");
            }
            continue;
        };
        let is_card = property.value.trim_ascii().eq_ignore_ascii_case(b"VCARD");
        match (property.name.as_str(), card.as_mut()) {
            ("BEGIN", Some(card)) if is_card && (card.agent || card.inner > 0) => card.inner += 1,
            ("BEGIN", _) if is_card => {
                any = true;
                if let Some(card) = card.replace(Card { line: number, ..Card::default() }) {
                    book.problem(path, card.line, UNENDED);
                }
            }
            ("END", Some(open)) if is_card => {
                if open.inner > 0 {
                    open.inner -= 1;
                } else if let Some(card) = card.take() {
                    close(card, book);
                }
            }
            (_, None) => {}
            (_, Some(card)) if card.inner > 0 => {}
            (name, Some(card)) => {
                card.agent = name == "AGENT" && property.value.trim_ascii().is_empty();
                card.is_binary = encoding(&property) == Encoding::Base64;
                take(card, &property, number, path, book);
            }
        }
    }
    if let Some(card) = card {
        book.problem(path, card.line, UNENDED);
    }
    if !any {
        book.problem(path, 0, "it contains no card");
    }
}

const UNENDED: &str = "a card without its END; it is skipped";

fn close(card: Card, book: &mut AddressBook) {
    if card.broken {
        return;
    }
    let names = if card.names.is_empty() { vec![card.parts] } else { card.names };
    for address in &card.addresses {
        names.iter().for_each(|name| book.add(address, name));
    }
}

/// Takes over what a property says about the person.
fn take(card: &mut Card, property: &Property<'_>, line: u32, path: &Path, book: &mut AddressBook) {
    match property.name.as_str() {
        "FN" if card.names.len() < MOST_NAMES => {
            let name = unescaped(&text(property));
            if !name.trim().is_empty() {
                card.names.push(name);
            }
        }
        "N" if card.parts.is_empty() => card.parts = by_parts(&text(property)),
        "EMAIL" if card.addresses.len() < MOST_OF_CARD => {
            let value = unescaped(&text(property));
            match addresses(&value) {
                Some(found) => card.addresses.extend(found),
                None if value.trim().is_empty() => {}
                None => {
                    let value: String = value.trim().chars().take(80).collect();
                    book.problem(path, line, format!("`{value}` is not an address"));
                }
            }
        }
        _ => {}
    }
}

/// `Family;Given;Additional;Prefix;Suffix` in the order in which people say it:
/// given, additional, family; in kanji and kana the family comes first.
fn by_parts(value: &str) -> String {
    let mut parts = vec![String::new()];
    let mut letters = value.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ';' => parts.push(String::new()),
            letter => {
                let Some(part) = parts.last_mut() else { continue };
                part.push(letter);
                if letter == '\\' {
                    part.extend(letters.next());
                }
            }
        }
    }
    let order = if value.chars().any(is_cjk) { [0, 1, 2] } else { [1, 2, 0] };
    let order = order.into_iter().filter_map(|at| parts.get(at));
    let words: Vec<String> =
        order.map(|part| unescaped(part)).filter(|part| !part.is_empty()).collect();
    words.join(" ")
}

/// Replaces the escapes of RFC 6350 §3.4.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('n' | 'N') => out.push(' '),
                Some(other) => out.push(other),
                None => {}
            },
            letter => out.push(letter),
        }
    }
    out
}

/// The parameters, each with its value; in 2.1 an encoding may appear without a name.
fn parameters<'l>(property: &Property<'l>) -> impl Iterator<Item = (&'l [u8], &'l [u8])> {
    property.parameters.iter().map(|parameter| {
        match parameter.iter().position(|byte| *byte == b'=') {
            Some(at) => (&parameter[..at], &parameter[at + 1..]),
            None => (&b"ENCODING"[..], *parameter),
        }
    })
}

fn encoding(property: &Property<'_>) -> Encoding {
    let all = parameters(property).filter(|(name, _)| name.eq_ignore_ascii_case(b"ENCODING"));
    let decoder = |value: &[u8]| match value.eq_ignore_ascii_case(b"b") {
        true => Encoding::Base64,
        false => Encoding::parse(value),
    };
    let mut encodings = all.map(|(_, value)| decoder(value));
    encodings.find(|it| *it != Encoding::Identity).unwrap_or_default()
}

/// A value as text, decoded from its encoding and charset.
fn text(property: &Property<'_>) -> String {
    let charset = parameters(property).find(|(name, _)| name.eq_ignore_ascii_case(b"CHARSET"));
    let charset = charset.and_then(|(_, value)| std::str::from_utf8(value).ok());
    let charset = charset.map(|name| name.trim_matches('"'));
    let mut bytes = Vec::new();
    match encoding(property) {
        Encoding::QuotedPrintable => {
            let mut decoder = Decoder::new(Encoding::QuotedPrintable);
            decoder.push(property.value, &mut bytes);
            decoder.finish(&mut bytes);
        }
        Encoding::Base64 => base64::decode_to(property.value, &mut bytes),
        _ => bytes.extend_from_slice(property.value),
    }
    charset::guess(&bytes, charset).into_owned()
}

/// `group.NAME;PARAMETER=VALUE;…:value`; `None` without a colon.
fn property(line: &[u8]) -> Option<Property<'_>> {
    let mut quoted = false;
    let mut cuts = Vec::new();
    let colon = line.iter().enumerate().find_map(|(at, byte)| match byte {
        b'"' => {
            quoted = !quoted;
            None
        }
        b';' if !quoted => {
            cuts.push(at);
            None
        }
        b':' if !quoted => Some(at),
        _ => None,
    })?;
    let name_end = cuts.first().copied().unwrap_or(colon);
    let name = line[..name_end].rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    let name = String::from_utf8_lossy(name.trim_ascii()).to_ascii_uppercase();
    let ends = cuts.iter().skip(1).copied().chain([colon]);
    let parameters = cuts.iter().zip(ends).map(|(from, to)| line[from + 1..to].trim_ascii());
    Some(Property { name, parameters: parameters.collect(), value: &line[colon + 1..] })
}

/// The lines of a file, unfolded, each with its number.
struct CardLines<'b> {
    rest: &'b [u8],
    number: u32,
}

impl<'b> CardLines<'b> {
    fn line(&mut self) -> Option<&'b [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', self.rest);
        let (line, rest) = match end {
            Some(end) => (&self.rest[..end], &self.rest[end + 1..]),
            None => (self.rest, &[][..]),
        };
        self.rest = rest;
        self.number = self.number.saturating_add(1);
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    fn next(&mut self) -> Option<(u32, Vec<u8>)> {
        let number = self.number;
        let first = self.line()?;
        let first =
            if number == 1 { first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first) } else { first };
        let mut line = first.get(..LINE_MAX).unwrap_or(first).to_vec();
        let head = line.split(|byte| *byte == b':').next().unwrap_or_default().to_ascii_uppercase();
        let soft = memchr::memmem::find(&head, b"QUOTED-PRINTABLE").is_some();
        let mut open = soft && first.ends_with(b"=");
        loop {
            let more = if open {
                line.pop_if(|last| *last == b'=');
                self.line()
            } else if let [b' ' | b'\t', ..] = self.rest {
                self.line().and_then(|line| line.get(1..))
            } else {
                None
            };
            let Some(more) = more else { break };
            open = soft && more.ends_with(b"=");
            if line.len() < LINE_MAX {
                let room = LINE_MAX - line.len();
                line.extend_from_slice(more.get(..room).unwrap_or(more));
            }
        }
        Some((number, line))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::linear;

    fn book(text: impl AsRef<[u8]>) -> (Vec<String>, Vec<String>) {
        let mut book = AddressBook::default();
        read(text.as_ref(), Path::new("/a"), &mut book);
        let contacts =
            book.contacts.iter().map(|contact| format!("{}|{}", contact.address, contact.name));
        (contacts.collect(), book.problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn cards_of_every_version() {
        let v4 = "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Hanako \r\n Yamada\r\nitem1.EMAIL;TYPE=\"home,work\";PREF=1:Hana\r\n ko@Example.JP\r\nEMAIL:mailto:h@work.example\r\nPHOTO:data:image/jpeg;base64,AAAA\r\nEND:VCARD\r\n";
        let v3 = "begin:vcard\nversion:3.0\nN:Yamada;Jiro;;Dr.;\nEMAIL;TYPE=INTERNET:Jiro <jiro@example.jp>\nNOTE:a\\nb\nEND:vcard\n";
        let v2 = "BEGIN:VCARD\nVERSION:2.1\nFN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=E5=B1=B1=E7=94=B0=\n=E8=8A=B1=E5=AD=90\nAGENT:\nBEGIN:VCARD\nFN:Other\nEMAIL:other@example.jp\nEND:VCARD\nEMAIL;INTERNET;PREF:yama@example.jp\nEND:VCARD\n";
        let phone = b"BEGIN:VCARD\nVERSION:2.1\nN;CHARSET=SHIFT_JIS:\x8d\xb2\x93\xa1;\x8e\x9f\x98\x59\nEMAIL;CELL:jiro..x.@docomo.example\nEND:VCARD\n";
        let two = "BEGIN:VCARD\nVERSION:4.0\nFN;LANGUAGE=ja:田中 四郎\nFN;LANGUAGE=en:Shiro Tanaka\nEMAIL:shiro@example.org\nEND:VCARD\n";
        let latin = b"BEGIN:VCARD\nVERSION:2.1\nFN;CHARSET=ISO-8859-1:Ren\xe9\nEMAIL;QUOTED-PRINTABLE:rene=40example.fr\nEND:VCARD\n";
        let all =
            [v4.as_bytes(), v3.as_bytes(), v2.as_bytes(), latin, phone, two.as_bytes()].concat();
        let (contacts, problems) = book(all);
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(
            contacts,
            [
                "hanako@example.jp|Hanako Yamada",
                "h@work.example|Hanako Yamada",
                "jiro@example.jp|Jiro Yamada",
                "yama@example.jp|山田花子",
                "rene@example.fr|René",
                "jiro..x.@docomo.example|佐藤 次郎",
                "shiro@example.org|田中 四郎",
                "shiro@example.org|Shiro Tanaka",
            ]
        );
    }

    #[test]
    fn a_broken_card_is_reported_and_the_others_are_read() {
        let good = |name: &str| {
            format!("BEGIN:VCARD\nVERSION:3.0\nFN:{name}\nEMAIL:{name}@example.jp\nEND:VCARD\n")
        };
        let unended = "BEGIN:VCARD\nEMAIL:lost@example.jp\n";
        let text = format!(
            "{}{unended}{}BEGIN:VCARD\nnothing\nEMAIL:bad@example.jp\nEND:VCARD\n{}{unended}",
            good("a"),
            good("b"),
            good("c")
        );
        let (contacts, problems) = book(&text);
        assert_eq!(contacts, ["a@example.jp|a", "b@example.jp|b", "c@example.jp|c"]);
        assert_eq!(
            problems,
            [
                "/a:6: a card without its END; it is skipped",
                "/a:14: a line without a colon; the card is skipped",
                "/a:22: a card without its END; it is skipped",
            ]
        );
        assert_eq!(book("").1, ["/a: it contains no card"]);
        assert_eq!(
            book("BEGIN:VCARD\nEMAIL:\nEMAIL:x\nEND:VCARD\n").1,
            ["/a:3: `x` is not an address"]
        );
    }

    #[test]
    fn time_grows_with_the_file() {
        for text in [
            "BEGIN:VCARD\n",
            "EMAIL:a@b.example\n",
            " x\n",
            "A;\"",
            "N;ENCODING=QUOTED-PRINTABLE:a=\n",
        ] {
            linear(
                |times| format!("BEGIN:VCARD\n{}", text.repeat(2000 * times)),
                |text| {
                    book(text);
                },
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            book([b"BEGIN:VCARD\nEMAIL;".to_vec(), bytes].concat());
        }

        #[test]
        fn no_pieces_panic(pieces in prop::collection::vec(prop::sample::select(vec![
            "BEGIN:VCARD", "END:VCARD", "\n", "\r\n", " ", "FN", "N", "EMAIL", ";", ":", "=", "\"",
            "ENCODING=QUOTED-PRINTABLE", "CHARSET=", "a@b.example", "\\", "=E5", "AGENT:", ".", "é",
        ]), 0..40)) {
            book(pieces.concat());
        }
    }
}
