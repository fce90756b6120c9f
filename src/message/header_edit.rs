//! Changes to the header block of a message that is delivered. What is not edited stays
//! byte for byte as it came.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;

use memchr::{memchr, memchr2};

use super::encoded_word;
use super::head::{Head, is_name_byte};

/// A change to the header of the delivered message; the message that is tested
/// stays as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderEdit {
    /// One more header at the top of the block.
    Add {
        /// Field name, RFC 5322 §2.2.
        name: String,
        /// Decoded text, one line.
        value: String,
    },
    /// Replaces all headers of that name with one.
    Set {
        /// Field name.
        name: String,
        /// Decoded text, one line.
        value: String,
    },
    /// Removes all headers of that name.
    Remove {
        /// Field name.
        name: String,
    },
}

/// One field or other line of a header block that is being edited.
struct BlockLine<'a> {
    /// Empty if it is not a field.
    name: Cow<'a, str>,
    bytes: Cow<'a, [u8]>,
}

/// The header block after one edit after the other: `Add` puts a field at the
/// top, `Set` replaces the first one of that name. Everything that is not edited
/// stays byte for byte. `cut` means that the block continues in the body; the
/// field in which it was cut is left alone. Empty lines and a byte-order mark at
/// the top are dropped: they would separate the header from a field added above
/// them.
pub fn edit(head: &Head, cut: bool, edits: &[HeaderEdit]) -> Vec<u8> {
    let block = head.bytes();
    let end = head.fields().len();
    let line_end: &[u8] = match memchr2(b'\r', b'\n', block) {
        Some(at) if block.get(at..).is_some_and(|rest| rest.starts_with(b"\r\n")) => b"\r\n",
        Some(_) if memchr(b'\n', block).is_none() => b"\r",
        _ => b"\n",
    };
    let start = if edits.is_empty() { 0 } else { head.opening().min(end) };
    let mut lines = lines(head, start..end, cut, edits);
    for edit in edits {
        match edit {
            HeaderEdit::Add { name, value } => {
                if let Some(field) = field(name, value, line_end) {
                    lines.push_front(field);
                }
            }
            HeaderEdit::Set { name, value } => {
                if let Some(field) = field(name, value, line_end) {
                    let is_named = |line: &BlockLine<'_>| line.name.eq_ignore_ascii_case(name);
                    match lines.iter().position(is_named) {
                        Some(first) => {
                            lines[first] = field;
                            let mut at = 0..;
                            lines.retain(|line| at.next() <= Some(first) || !is_named(line));
                        }
                        None => lines.push_front(field),
                    }
                }
            }
            HeaderEdit::Remove { name } => {
                if !name.is_empty() {
                    lines.retain(|line| !line.name.eq_ignore_ascii_case(name));
                }
            }
        }
    }
    let mut edited: Vec<u8> = Vec::with_capacity(block.len() + 128);
    for line in &lines {
        edited.extend_from_slice(&line.bytes);
    }
    edited.extend_from_slice(block.get(end..).unwrap_or_default());
    // If the whole message is body, an empty line must keep it so.
    if block.is_empty() && !edited.is_empty() {
        edited.extend_from_slice(line_end);
    }
    edited
}

/// The lines as far as the edits need them separately: the first field of each name
/// that an edit sets or removes, because a new field takes its place. The other
/// fields of these names are left out. Everything between is one entry.
fn lines<'a>(
    head: &'a Head,
    range: Range<usize>,
    cut: bool,
    edits: &[HeaderEdit],
) -> VecDeque<BlockLine<'a>> {
    let block = head.bytes();
    let mut names: Vec<(&str, bool)> = Vec::new();
    for edit in edits {
        match edit {
            HeaderEdit::Set { name, .. } | HeaderEdit::Remove { name } => names.push((name, false)),
            HeaderEdit::Add { .. } => {}
        }
    }
    let mut lines = VecDeque::new();
    let Range { start: mut copied, end } = range;
    let mut push = |name, range: Range<usize>| {
        if let Some(bytes) = block.get(range).filter(|bytes| !bytes.is_empty()) {
            lines.push_back(BlockLine { name: Cow::Borrowed(name), bytes: Cow::Borrowed(bytes) });
        }
    };
    let fields = if names.is_empty() { None } else { Some(head.headers()) };
    for field in fields.into_iter().flatten() {
        let found = names.iter_mut().find(|(name, _)| field.name.eq_ignore_ascii_case(name));
        let is_cut = cut && field.range.end == end;
        if let Some((_, is_known)) = found.filter(|_| !is_cut) {
            push("", copied..field.range.start);
            copied = field.range.end;
            if !std::mem::replace(is_known, true) {
                push(field.name, field.range);
            }
        }
    }
    push("", copied..end);
    lines
}

/// A new field; `None` if no byte of the name is allowed in one.
fn field(name: &str, value: &str, line_end: &[u8]) -> Option<BlockLine<'static>> {
    let name: String = name.bytes().filter(|byte| is_name_byte(*byte)).map(char::from).collect();
    if name.is_empty() {
        return None;
    }
    let mut bytes = format!("{name}:").into_bytes();
    let encoded = encoded_word::encode(value);
    for line in encoded.split(['\r', '\n']).filter(|line| !line.trim().is_empty()) {
        if bytes.len() > name.len() + 1 {
            bytes.extend_from_slice(line_end);
        }
        bytes.push(b' ');
        bytes.extend_from_slice(line.trim_start().as_bytes());
    }
    bytes.extend_from_slice(line_end);
    Some(BlockLine { name: Cow::Owned(name), bytes: Cow::Owned(bytes) })
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use proptest::prelude::*;

    use super::*;

    fn edited(header: &str, edits: &[HeaderEdit]) -> String {
        String::from_utf8(edit(&Head::parse(header), false, edits)).expect("ASCII")
    }

    fn add(name: &str, value: &str) -> HeaderEdit {
        HeaderEdit::Add { name: name.into(), value: value.into() }
    }

    fn set(name: &str, value: &str) -> HeaderEdit {
        HeaderEdit::Set { name: name.into(), value: value.into() }
    }

    fn remove(name: &str) -> HeaderEdit {
        HeaderEdit::Remove { name: name.into() }
    }

    #[test]
    fn edits() {
        let block = "A: 1\r\nb : 2\r\n\t2\r\nbroken\r\nB:3\r\n\r\n";
        for (edits, want) in [
            (vec![], block),
            (vec![add("X", "y")], "X: y\r\nA: 1\r\nb : 2\r\n\t2\r\nbroken\r\nB:3\r\n\r\n"),
            (
                vec![add("X", "1"), add("X", "2")],
                "X: 2\r\nX: 1\r\nA: 1\r\nb : 2\r\n\t2\r\nbroken\r\nB:3\r\n\r\n",
            ),
            (vec![set("B", "4")], "A: 1\r\nB: 4\r\nbroken\r\n\r\n"),
            (vec![set("C", "4")], "C: 4\r\nA: 1\r\nb : 2\r\n\t2\r\nbroken\r\nB:3\r\n\r\n"),
            (vec![remove("b")], "A: 1\r\nbroken\r\n\r\n"),
            (vec![add("B", "9"), remove("b"), remove("a"), remove("")], "broken\r\n\r\n"),
            (vec![remove("b"), set("B", "4")], "B: 4\r\nA: 1\r\nbroken\r\n\r\n"),
            (vec![set("b", "4"), set("a", "5")], "a: 5\r\nb: 4\r\nbroken\r\n\r\n"),
            (vec![add("b", "3"), set("B", "4")], "B: 4\r\nA: 1\r\nbroken\r\n\r\n"),
        ] {
            assert_eq!(edited(block, &edits), want, "{edits:?}");
        }
    }

    #[test]
    fn an_edit_makes_one_header_line_only() {
        let edits = [add("X\r\nEvil: yes\n\n", "y\r\nEvil: yes\r\n\r\nbody")];
        let block = edited("A: 1\n\n", &edits);
        let head = Head::parse(block.clone());
        assert_eq!(head.headers().count(), 2, "{block}");
        assert!(head.first("evil").is_none());
    }

    #[test]
    fn an_edit_keeps_a_body_without_header_a_body() {
        assert_eq!(edited("", &[add("X", "y")]), "X: y\n\n");
        assert_eq!(edited("\n", &[add("X", "y")]), "X: y\n\n");
        assert_eq!(edited("A: 1", &[add("X", "y")]), "X: y\nA: 1");
        assert_eq!(edited("A: 1\r\r", &[add("X", "y")]), "X: y\rA: 1\r\r");
    }

    /// Beyond the index, too; and in linear time.
    #[test]
    fn all_of_many_fields_go() {
        let block = "A:\n".repeat(200_000) + "B: 1\n";
        assert_eq!(edited(&block, &[remove("a")]), "B: 1\n");
        assert_eq!(edited(&block, &[set("a", "2"), add("C", "3")]), "C: 3\na: 2\nB: 1\n");
        let head = Head::parse(block);
        assert_eq!(lines(&head, 0..head.fields().len(), false, &[remove("a")]).len(), 2);
    }

    #[test]
    fn a_field_above_empty_lines_and_a_mark_takes_their_place() {
        for opening in ["\n", "\n\n", "\u{feff}", "\n\u{feff}"] {
            let head = Head::of_message(Rc::new(format!("{opening}A: 1\nB: 2\n\n").into()));
            assert_eq!(head.texts("a").0, ["1"], "{opening:?}");
            assert_eq!(edit(&head, false, &[]), head.bytes());
            assert_eq!(edit(&head, false, &[add("X", "y")]), b"X: y\nA: 1\nB: 2\n\n");
            assert_eq!(edit(&head, false, &[remove("A")]), b"B: 2\n\n");
        }
        let head = Head::of_message(Rc::new(b"From x\nA: 1\n\n".to_vec()));
        assert_eq!(edit(&head, false, &[add("X", "y")]), b"X: y\nFrom x\nA: 1\n\n");
    }

    #[test]
    fn a_field_that_was_cut_is_left_alone() {
        let head = Head::parse(b"A: 1\nB: 2\n".as_slice());
        assert_eq!(edit(&head, true, &[remove("a"), remove("b")]), b"B: 2\n");
    }

    proptest! {
        #[test]
        fn any_value_stays_one_field(value in any::<String>(), name in "[!-~]{1,80}") {
            let block = edit(&Head::parse(b"A: 1\n\n".as_slice()), false, &[add(&name, &value)]);
            let fields = Head::parse(block).headers().count();
            prop_assert!(fields <= 2);
        }

        #[test]
        fn no_edit_changes_nothing(block in "([A-C]|: |x|\r?\n|\t|\r|é){0,40}") {
            prop_assert_eq!(edit(&Head::parse(block.clone()), false, &[]), block.as_bytes());
        }
    }
}
