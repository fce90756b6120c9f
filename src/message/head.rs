//! The header block: which headers there are and where each one is.
//!
//! One quick pass finds the lines and the names; values are read only when they
//! are needed. Every byte belongs to one entry, so that a block can be written
//! again byte for byte, with or without some of its headers.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;
use std::rc::Rc;

use memchr::{memchr, memchr_iter};

use crate::ascii_case;
use crate::message::bounded_text::{self, Budget, Gatherer};
use crate::message::parameter::{self, Parameters};
use crate::message::unfold::{raw_line, unfold, unfold_with};
use crate::message::{encoded_word, fold};

/// The longest field name that is recognized, including blanks before the colon.
const LONGEST_NAME: usize = 1000;

/// Some programs put this before UTF-8 text.
pub const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// How many lines are indexed: a search for a header by its name does not find
/// later ones.
const INDEX_LIMIT: usize = 50_000;

/// How much is read of all headers of one name, raw and as text, in units of
/// [`bounded_text`].
pub const TEXT_LIMIT: usize = 256 << 10;

/// A text up to this length, in bytes, cannot become longer than [`TEXT_LIMIT`].
const SHORT: usize = 4 << 10;

/// A header block and its index.
#[derive(Debug, Clone, Default)]
pub struct Head {
    bytes: Rc<Vec<u8>>,
    entries: Vec<HeaderEntry>,
    /// The length of what comes before the first line.
    opening: usize,
    /// The end of the last entry.
    indexed: usize,
    /// The end of the last line; the empty line follows, if there is one.
    end: usize,
    /// The hash of the name and the place in `entries`, sorted.
    by_name: OnceCell<Vec<(u32, u32)>>,
    charset: OnceCell<Option<String>>,
}

/// A line with its folds. It extends to where the next one starts.
#[derive(Debug, Clone, Copy)]
struct HeaderEntry {
    start: u32,
    /// 0 for a line that is not a header.
    name_length: u16,
    /// The offset from `start` of what follows the colon.
    value_offset: u16,
}

/// One header field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header<'a> {
    /// Field name as written, RFC 5322 §2.2.
    pub name: &'a str,
    /// The text after the colon, with its folds, without the last line end.
    pub value: &'a [u8],
    /// The whole field in the block, its last line end included.
    pub range: Range<usize>,
}

impl Head {
    /// Indexes the header block of a message, in which empty lines and a
    /// byte-order mark may come first: see [`super::header_block::HeaderFinder::find`].
    pub fn of_message(bytes: Rc<Vec<u8>>) -> Head {
        let mut skip = 0;
        loop {
            match bytes.get(skip..).unwrap_or_default() {
                [b'\n', ..] => skip += 1,
                [b'\r', b'\n', ..] => skip += 2,
                // The block ends with its first line.
                [] => return Head::parse_after(bytes, 0),
                rest => {
                    let mark = rest.starts_with(BYTE_ORDER_MARK);
                    skip += if mark { BYTE_ORDER_MARK.len() } else { 0 };
                    break;
                }
            }
        }
        Head::parse_after(bytes, skip)
    }

    /// Indexes a header block: everything up to the first empty line.
    pub fn parse(bytes: impl Into<Vec<u8>>) -> Head {
        Head::parse_after(Rc::new(bytes.into()), 0)
    }

    /// The same, except that the first `skip` bytes are not lines of it.
    fn parse_after(bytes: Rc<Vec<u8>>, skip: usize) -> Head {
        let line_end = line_end(&bytes);
        let mut entries: Vec<HeaderEntry> = Vec::new();
        if skip > 0 {
            entries.push(HeaderEntry { start: 0, name_length: 0, value_offset: 0 });
        }
        let (mut start, mut end, mut indexed) = (skip, bytes.len(), None);
        let line_ends = memchr_iter(line_end, bytes.get(skip..).unwrap_or_default())
            .map(|at| skip + at + 1)
            .chain([bytes.len()]);
        for next in line_ends {
            let line = &bytes[start..next];
            match line {
                [] => {}
                _ if is_empty_line(line, line_end) => {
                    end = start;
                    break;
                }
                [b' ' | b'\t', ..] if !entries.is_empty() => {}
                _ if entries.len() < INDEX_LIMIT
                    && let Ok(start) = u32::try_from(start) =>
                {
                    entries.push(HeaderEntry::new(start, line));
                }
                _ => indexed = indexed.or(Some(start)),
            }
            start = next;
        }
        let indexed = indexed.unwrap_or(end);
        Head { bytes, entries, opening: skip, indexed, end, ..Head::default() }
    }

    /// The length of the empty lines and the byte-order mark that come first.
    pub fn opening(&self) -> usize {
        self.opening
    }

    /// The block as it came.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes of all entries: the block without the empty line.
    pub fn fields(&self) -> &[u8] {
        &self.bytes[..self.end]
    }

    /// Whether the block ends with the empty line that separates it from the body.
    pub fn is_ended(&self) -> bool {
        self.end < self.bytes.len()
    }

    /// The headers from top to bottom, indexed or not. Lines that are not headers
    /// are skipped.
    pub fn headers(&self) -> impl Iterator<Item = Header<'_>> {
        (0..self.entries.len()).filter_map(|at| self.header(at)).chain(self.beyond_index())
    }

    /// Whether there are headers beyond those that are indexed.
    pub fn has_more(&self) -> bool {
        self.indexed < self.end
    }

    fn beyond_index(&self) -> impl Iterator<Item = Header<'_>> {
        let rest = self.bytes.get(..self.end).unwrap_or_default();
        let line_end = if self.has_more() { line_end(rest) } else { b'\n' };
        let after = move |start: usize| {
            let line = rest.get(start..).unwrap_or_default();
            start + memchr(line_end, line).map_or(line.len(), |at| at + 1)
        };
        let mut next = self.indexed;
        std::iter::from_fn(move || {
            while next < rest.len() {
                let start = next;
                let first = after(start);
                next = first;
                while matches!(rest.get(next), Some(b' ' | b'\t')) {
                    next = after(next);
                }
                let entry = HeaderEntry::new(0, rest.get(start..first).unwrap_or_default());
                if entry.name_length > 0 {
                    return Some(self.field(entry, start..next));
                }
            }
            None
        })
    }

    /// The headers called `name`, in any case, from top to bottom.
    pub fn named(&self, name: &str) -> impl Iterator<Item = Header<'_>> {
        let hash = ascii_case::hash(name.as_bytes());
        let by_name = self.by_name();
        let first = by_name.partition_point(|entry| entry.0 < hash);
        by_name[first..]
            .iter()
            .take_while(move |entry| entry.0 == hash)
            .filter_map(|entry| self.header(entry.1 as usize))
            .filter(move |header| header.name.eq_ignore_ascii_case(name))
    }

    /// The raw values of the headers called `name`, from top to bottom.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.named(name).map(|header| header.value)
    }

    /// How many lines somebody could take for a header called `name`: including
    /// those beyond the index, those after a CR alone, and those with something
    /// invisible in or before the name.
    pub fn lines_like(&self, name: &str) -> usize {
        let lines = self.fields().split(|byte| matches!(byte, b'\n' | b'\r'));
        let is_like = |line: &&[u8]| {
            let Some(colon) = memchr(b':', line) else { return false };
            let mut seen = line.iter().take(colon).filter(|byte| byte.is_ascii_graphic());
            let mut expected = name.bytes();
            !line.starts_with(b" ")
                && !line.starts_with(b"\t")
                && expected.all(|byte| seen.next().is_some_and(|it| it.eq_ignore_ascii_case(&byte)))
                && seen.next().is_none()
        };
        lines.filter(is_like).count()
    }

    /// The raw value of the topmost header called `name`.
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// The values called `name` as people read them: unfolded, decoded (RFC
    /// 2047), normalized and trimmed, each on one line; and whether something was
    /// left out because together they exceed [`TEXT_LIMIT`].
    pub fn texts(&self, name: &str) -> (Vec<String>, bool) {
        within_limit(self.values(name), |value, budget| self.text_within(value, budget))
    }

    /// Every header as people read it, `Name: value`, and whether something was
    /// left out as in [`Head::texts`].
    pub fn lines(&self) -> (Vec<String>, bool) {
        within_limit(self.headers(), |header, budget| {
            format!("{}: {}", header.name, self.text_within(header.value, budget))
        })
    }

    /// Every header as it was sent, and whether something was left out as in
    /// [`Head::texts`]. Each is on one line, as procmail sees it: a blank replaces each line
    /// break, and the blanks of a fold stay. Encoded words are not decoded; U+FFFD replaces
    /// each byte that is not UTF-8.
    pub fn raw_lines(&self) -> (Vec<String>, bool) {
        within_limit(self.headers(), |header, budget| {
            let field = trim_line_end(&self.bytes[header.range]);
            let (field, cut) = bounded_text::prefix(field, budget.left());
            let line = fold::composed(&raw_line(field)).into_owned();
            let fitting = bounded_text::affordable(&line, budget.left()).len();
            if cut || fitting < line.len() {
                budget.cut();
            }
            budget.spend(bounded_text::cost(&line).max(field.len()).min(budget.left()));
            line.get(..fitting).unwrap_or_default().to_owned()
        })
    }

    /// One raw value of this block as people read it, up to [`TEXT_LIMIT`].
    pub fn text(&self, value: &[u8]) -> String {
        self.text_within(value, &mut Budget::new(TEXT_LIMIT))
    }

    fn text_within(&self, value: &[u8], budget: &mut Budget) -> String {
        let (value, cut) = bounded_text::prefix(value, budget.left());
        if cut {
            budget.cut();
        }
        let length = value.len();
        let plain = value.is_ascii() && !value.contains(&0x1b);
        let value = if plain { unfold(value) } else { unfold_with(value, Some(FOLD)) };
        let declared = match std::str::from_utf8(&value) {
            Ok(_) => None,
            Err(_) => self.declared_charset(),
        };
        let decoded = encoded_word::decode(&value, declared);
        let decoded = if plain { decoded } else { without_folds(decoded) };
        if decoded.len() <= SHORT {
            let text = one_line(&decoded);
            let cost = bounded_text::cost(&text);
            if cost <= budget.left() {
                budget.spend(cost.max(length));
                return text;
            }
        }
        let mut gatherer = Gatherer::new(budget.left());
        gatherer.push(&decoded);
        let cost = gatherer.cost().max(length);
        let (text, cut) = gatherer.finish();
        budget.spend(cost);
        if cut {
            budget.cut();
        }
        text.trim().replace('\n', " ")
    }

    /// The Content-Type (RFC 2045 §5.1), the topmost of several; empty if there is none.
    pub fn content_type(&self) -> Parameters {
        self.first("content-type").map(parameter::parse).unwrap_or_default()
    }

    /// The charset that Content-Type declares for the body: the best guess
    /// for raw 8-bit headers.
    pub fn declared_charset(&self) -> Option<&str> {
        self.charset
            .get_or_init(|| self.content_type().get("charset").map(str::to_owned))
            .as_deref()
    }

    fn header(&self, at: usize) -> Option<Header<'_>> {
        let entry = self.entries.get(at).filter(|entry| entry.name_length > 0)?;
        let end = self.entries.get(at + 1).map_or(self.indexed, |next| next.start as usize);
        Some(self.field(*entry, entry.start as usize..end))
    }

    fn field(&self, entry: HeaderEntry, range: Range<usize>) -> Header<'_> {
        let name = &self.bytes[range.start..range.start + entry.name_length as usize];
        let value = &self.bytes[range.start + entry.value_offset as usize..range.end];
        Header {
            name: std::str::from_utf8(name).unwrap_or_default(),
            value: trim_line_end(value),
            range,
        }
    }

    fn by_name(&self) -> &[(u32, u32)] {
        self.by_name.get_or_init(|| {
            let mut by_name: Vec<(u32, u32)> = (0..)
                .zip(&self.entries)
                .filter(|(_, entry)| entry.name_length > 0)
                .map(|(at, entry)| {
                    let start = entry.start as usize;
                    let name = &self.bytes[start..start + entry.name_length as usize];
                    (ascii_case::hash(name), at)
                })
                .collect();
            by_name.sort_unstable();
            by_name
        })
    }
}

impl HeaderEntry {
    fn new(start: u32, line: &[u8]) -> HeaderEntry {
        let name = line.iter().take(LONGEST_NAME).take_while(|byte| is_name_byte(**byte)).count();
        let blanks = line[name..]
            .iter()
            .take(LONGEST_NAME)
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count();
        if name > 0 && line.get(name + blanks) == Some(&b':') {
            let value_offset = (name + blanks + 1) as u16;
            HeaderEntry { start, name_length: name as u16, value_offset }
        } else {
            HeaderEntry { start, name_length: 0, value_offset: 0 }
        }
    }
}

/// Whether the byte may be in the name of a field: printable US-ASCII without the
/// colon (RFC 5322 §2.2).
pub(super) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b':'
}

/// LF (or CRLF); CR if the block has no LF at all.
fn line_end(bytes: &[u8]) -> u8 {
    match memchr(b'\n', bytes) {
        None if memchr(b'\r', bytes).is_some() => b'\r',
        _ => b'\n',
    }
}

/// Whether a line has only CRs before its line end.
fn is_empty_line(line: &[u8], line_end: u8) -> bool {
    match line.split_last() {
        Some((last, rest)) => *last == line_end && rest.iter().all(|byte| *byte == b'\r'),
        None => false,
    }
}

fn trim_line_end(value: &[u8]) -> &[u8] {
    let value = value.strip_suffix(b"\n").unwrap_or(value);
    let length = value.iter().rposition(|byte| *byte != b'\r').map_or(0, |at| at + 1);
    &value[..length]
}

/// Marks a fold in text that is not decoded yet: white space that has no meaning
/// in any charset and ends no shift of ISO-2022.
const FOLD: u8 = 0x0c;

/// Removes the folds between characters that are written without blanks: many
/// programs fold raw text wherever a line is full.
fn without_folds(text: Cow<'_, str>) -> Cow<'_, str> {
    let fold = char::from(FOLD);
    if !text.contains(fold) {
        return text;
    }
    let mut joined = String::with_capacity(text.len());
    for (at, line) in text.split(fold).enumerate() {
        let line = if at == 0 { line } else { line.trim_start() };
        let ends = joined.trim_end().len();
        let before = joined.get(..ends).and_then(|text| text.chars().next_back());
        let wide = |c: Option<char>| c.is_some_and(fold::is_cjk);
        if wide(before) && wide(line.chars().next()) {
            joined.truncate(ends);
        } else if at > 0 {
            joined.push(' ');
        }
        joined.push_str(line);
    }
    Cow::Owned(joined)
}

/// What `read` makes of each item, and whether something was left out because together
/// they exceed [`TEXT_LIMIT`].
fn within_limit<T>(
    items: impl Iterator<Item = T>,
    read: impl Fn(T, &mut Budget) -> String,
) -> (Vec<String>, bool) {
    let mut budget = Budget::new(TEXT_LIMIT);
    let mut texts = Vec::new();
    for item in items {
        if budget.is_cut() || budget.left() == 0 {
            budget.cut();
            break;
        }
        texts.push(read(item, &mut budget));
    }
    (texts, budget.is_cut())
}

/// Normalized and trimmed, with line breaks as blanks.
pub fn one_line(text: &str) -> String {
    fold::normalize(text).trim().replace('\n', " ")
}

/// The sender that a `From ` line names; the null sender is written as
/// `MAILER-DAEMON` there.
pub fn from_line_sender(line: &[u8]) -> Option<&str> {
    let rest = std::str::from_utf8(line.strip_prefix(b"From ")?).ok()?;
    rest.split_ascii_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entries(bytes: &[u8]) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Head::parse(bytes)
            .headers()
            .map(|header| (header.name.to_owned(), text(header.value)))
            .collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn headers_with_their_folds() {
        for line_end in ["\n", "\r\n", "\r", "\r\r\n"] {
            let block = "A: 1\nB : 2\nb:\t3\n\nnot: this".replace('\n', line_end);
            let expected = pairs(&[("A", " 1"), ("B", " 2"), ("b", "\t3")]);
            assert_eq!(entries(block.as_bytes()), expected, "{line_end:?}");
        }
        assert_eq!(entries(b"A: 1\n 2\n\t3\nB: 4"), pairs(&[("A", " 1\n 2\n\t3"), ("B", " 4")]));
    }

    #[test]
    fn lines_that_are_not_headers_are_not_values_and_not_lost() {
        let block = b" x\nA: 1\njunk\n more junk\n>From b: c\nn\xe9: d\n:\nB: 2\n\nbody";
        assert_eq!(entries(block), pairs(&[("A", " 1"), ("B", " 2")]));
        let head = Head::parse(&block[..]);
        assert_eq!(head.fields(), &block[..block.len() - 5]);
        assert_eq!(head.bytes(), block);
        let ranges: Vec<&[u8]> = head.headers().map(|header| &head.bytes()[header.range]).collect();
        assert_eq!(ranges, [&b"A: 1\n"[..], b"B: 2\n"]);
    }

    #[test]
    fn names_are_found_in_any_case() {
        let head = Head::parse(&b"To: a\nSubject: x\nTO: b\nX: y\nto : c\n\n"[..]);
        assert_eq!(head.values("tO").collect::<Vec<_>>(), [b" a", b" b", b" c"]);
        assert_eq!(head.first("to"), Some(&b" a"[..]));
        assert_eq!(head.first("cc"), None);
        assert_eq!(Head::parse(&b""[..]).headers().count(), 0);
    }

    #[test]
    fn texts_are_what_people_read() {
        let head = Head::parse(
            &b"Subject:  =?iso-2022-jp?B?GyRCRnwbKEI=?=\r\n =?ISO-2022-JP?B?GyRCS1wbKEI=?=  \r\n\tA\xcc\x81\r\n\
               Content-Type: text/plain; charset=euc-jp\r\nX: \xc6\xfc\n  \xcb\xdc\nY: \xff\xfd\x80\r\n"[..],
        );
        assert_eq!(head.texts("subject"), (vec!["日本 Á".to_owned()], false));
        assert_eq!(head.texts("x").0, ["日本"]);
        assert_eq!(head.declared_charset(), Some("euc-jp"));
    }

    #[test]
    fn raw_lines_are_as_they_were_sent() {
        let lines = |block: &[u8]| Head::parse(block).raw_lines().0;
        assert_eq!(
            lines(
                b"Subject:=?gb2312?B?abc?=\n =?gb2312?Q?x?=\n\tY  \nX-A : a  b\nno field\n>x\n\n"
            ),
            ["Subject:=?gb2312?B?abc?=  =?gb2312?Q?x?= \tY  ", "X-A : a  b"]
        );
        // In NFKC, as all text is, and a sign for each byte that is not UTF-8.
        assert_eq!(
            lines(b"A: e\xcc\x81\xff\xe2\x82 \xef\xbc\x9f\r\n b\r\nB:\r\n\r\nC: 1"),
            ["A: \u{e9}\u{fffd}\u{fffd}\u{fffd} ?  b", "B:"]
        );
        assert_eq!(lines(b"A: 1\r 2\rB: 3\r\rC"), ["A: 1  2", "B: 3"]);
        let (all, cut) = Head::parse(format!("A: {}", "\u{fdfa}".repeat(80_000))).raw_lines();
        assert!(cut && bounded_text::cost(&all[0]) <= TEXT_LIMIT && all[0].len() > 50_000);
        let (all, cut) = Head::parse("A: b\n".repeat(80_000)).raw_lines();
        assert!(cut && all.len() > 60_000);
    }

    #[test]
    fn what_is_beyond_the_index_is_not_a_value_and_not_lost() {
        let block = format!("{}junk\nB: 1\n 2\nA:3\n\nC: 4", "A:\n".repeat(INDEX_LIMIT));
        let head = Head::parse(block.as_str());
        assert!(head.has_more() && !Head::parse("A:\n\nbody").has_more());
        assert_eq!(head.first("b"), None);
        assert_eq!(head.values("a").count(), INDEX_LIMIT);
        let last: Vec<_> = head.headers().skip(INDEX_LIMIT).collect();
        assert_eq!(last.len(), 2);
        assert_eq!((last[0].name, last[0].value), ("B", b" 1\n 2".as_slice()));
        assert_eq!(&block[last[0].range.clone()], "B: 1\n 2\n");
        assert_eq!((last[1].name, &block[last[1].range.clone()]), ("A", "A:3\n"));
        assert_eq!(head.header(INDEX_LIMIT - 1).unwrap().range.end, 3 * INDEX_LIMIT);
    }

    #[test]
    fn texts_are_bounded_by_what_they_cost() {
        let texts = |block: String| Head::parse(block).texts("a");
        let (all, cut) = texts("A: b\n".repeat(40_000));
        assert_eq!((all.len(), cut), (40_000, false));
        let (all, cut) = texts(format!("A: {}\n", "x".repeat(99)).repeat(3000));
        assert_eq!((all.len(), all[2620].len(), cut), (2622, 99, true));
        // A character that becomes eighteen, both raw and in encoded words.
        for value in ["\u{fdfa}".repeat(80_000), "=?utf-8?B?77e6?= ".repeat(80_000)] {
            let (all, cut) = texts(format!("A: {value}"));
            assert!(cut && bounded_text::cost(&all[0]) <= TEXT_LIMIT && all[0].len() > 50_000);
        }
    }

    #[test]
    fn from_lines() {
        let line = b"From a@b  Thu Jan  1 00:00:00 1970\r\n";
        assert_eq!(from_line_sender(line), Some("a@b"));
        assert_eq!(from_line_sender(b"From "), None);
    }

    #[test]
    fn huge_heads_take_linear_time() {
        let head = Head::parse("X-Header: a\n".repeat(1_000_000));
        assert_eq!(head.values("x-header").count(), INDEX_LIMIT);
        assert_eq!(head.headers().count(), 1_000_000);
        for _ in 0..100 {
            assert_eq!(head.first("subject"), None);
        }
        let head = Head::parse(format!("Subject: {}", "a b\t".repeat(2_500_000)));
        let (texts, cut) = head.texts("subject");
        assert_eq!((texts[0].len(), cut), (TEXT_LIMIT - 1, true));
        Head::parse("a".repeat(10_000_000));
        for piece in ["\r", "\r ", "\n ", "\0", ":"] {
            let bytes = piece.repeat(2_000_000).into_bytes();
            Head::parse(bytes);
        }
    }

    proptest! {
        #[test]
        fn every_byte_belongs_to_one_entry(bytes in any::<Vec<u8>>(), deep in "[A:\r\n \t\0é]{0,40}") {
            for bytes in [&bytes, deep.as_bytes()] {
                let head = Head::parse(bytes);
                let mut at = 0;
                for entry in &head.entries {
                    prop_assert!(entry.start >= at);
                    at = entry.start;
                }
                prop_assert_eq!(head.entries.first().map_or(0, |entry| entry.start), 0);
                for header in head.headers() {
                    prop_assert!(head.named(header.name).any(|other| other == header));
                    head.texts(header.name);
                }
                from_line_sender(bytes);
            }
        }
    }
}
