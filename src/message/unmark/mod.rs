//! Removes the marks of a provider's filter from a message: verdict headers,
//! words before the subject, the wrapping of SpamAssassin's `report_safe`.
//! Everything that is not a mark stays byte for byte.
//!
//! A mark before the subject is found in any case, also after `Re:` and similar
//! prefixes, after the `[name]` of a list, and in encoded words (RFC 2047). If
//! SpamAssassin kept the subject in X-Spam-Prev-Subject, that is used.

mod report;
mod subject;

use std::ops::Range;

use super::head::Head;
use super::{Message, fold};
use crate::ascii_case;
use report::unwrap;
use subject::strip;

/// What must be removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Marks {
    /// Words before the subject.
    pub subjects: Vec<String>,
    /// Names of headers; one that ends with `*` stands for all that begin with it.
    pub headers: Vec<String>,
    /// Headers that only we may write.
    pub forged: Vec<&'static str>,
}

impl Message {
    /// The message as it was before the marks were added, and what was removed,
    /// in words. Marks that cannot be removed stay.
    pub fn unmarked(mut self, marks: &Marks) -> (Message, Vec<String>) {
        let mut removed = Vec::new();
        if marks.is_empty() {
            return (self, removed);
        }
        let (header, marked) = header(self.head(), marks, &mut removed);
        if marked {
            match unwrap(&self) {
                Ok(Some(original)) => {
                    removed.push("the report around the message".to_owned());
                    // A gateway may have marked it before it was wrapped.
                    let (header, _) = self::header(original.head(), marks, &mut Vec::new());
                    return (original.with_header(header), removed);
                }
                Ok(None) => {}
                Err(error) => removed.push(format!("not what is around the message: {error}")),
            }
        }
        self = self.with_header(header);
        (self, removed)
    }

    /// The same body after another header block.
    fn with_header(self, header: Option<Vec<u8>>) -> Message {
        match header {
            Some(header) => Message::new(self.content.with_header(header)),
            None => self,
        }
    }
}

impl Marks {
    /// Whether there is nothing to remove.
    pub fn is_empty(&self) -> bool {
        self.subjects.is_empty() && self.headers.is_empty() && self.forged.is_empty()
    }

    /// Whether headers called `name` are marks.
    fn names(&self, name: &str) -> bool {
        self.headers.iter().any(|label| match label.strip_suffix('*') {
            Some(start) => ascii_case::starts_with(name, start),
            None => label.eq_ignore_ascii_case(name),
        })
    }
}

/// The header block without the marks, if it changes, and whether the provider's
/// filter marked the message.
fn header(head: &Head, marks: &Marks, removed: &mut Vec<String>) -> (Option<Vec<u8>>, bool) {
    let folded: Vec<String> =
        marks.subjects.iter().map(|mark| fold::fold(mark).trim().to_owned()).collect();
    let stripped = |raw: &[u8]| strip(head, raw, &folded);
    let mut drop: Vec<Range<usize>> = Vec::new();
    // Adjacent fields are merged into one range, however many there are.
    let drop_field = |drop: &mut Vec<Range<usize>>, field: Range<usize>| match drop.last_mut() {
        Some(last) if last.end == field.start => last.end = field.end,
        _ => drop.push(field),
    };
    let mut values: Vec<(Range<usize>, Vec<u8>)> = Vec::new();
    let mut marked = false;
    for header in head.headers() {
        if marks.names(header.name) {
            marked = true;
            note(removed, format!("header {}", header.name));
            drop_field(&mut drop, header.range);
        } else if marks.forged.iter().any(|name| name.eq_ignore_ascii_case(header.name)) {
            note(removed, format!("header {} from outside", header.name));
            drop_field(&mut drop, header.range);
        } else if header.name.eq_ignore_ascii_case("Subject")
            && let Some((value, mark)) = stripped(header.value)
        {
            marked = true;
            note(removed, format!("subject {mark:?}"));
            values.push((value_range(head, &header.range, header.value), value));
        }
    }
    if marked && let Some(restore) = previous(head, &folded, !values.is_empty()) {
        values = restore.subject.into_iter().collect();
        drop.extend(restore.drop);
        drop.sort_by_key(|range| range.start);
        drop.dedup();
        note(removed, "subject by X-Spam-Prev-Subject".to_owned());
    }
    if drop.is_empty() && values.is_empty() {
        return (None, marked);
    }
    let mut edits: Vec<(Range<usize>, Vec<u8>)> =
        drop.into_iter().map(|range| (range, Vec::new())).chain(values).collect();
    edits.sort_by_key(|(range, _)| range.start);
    let bytes = head.bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for (range, value) in edits {
        if range.start < at {
            continue;
        }
        out.extend_from_slice(bytes.get(at..range.start).unwrap_or_default());
        out.extend(value);
        at = range.end;
    }
    out.extend_from_slice(bytes.get(at..).unwrap_or_default());
    (Some(out), marked)
}

fn note(removed: &mut Vec<String>, what: String) {
    if !removed.contains(&what) {
        removed.push(what);
    }
}

/// Where a value is in the block.
fn value_range(head: &Head, field: &Range<usize>, value: &[u8]) -> Range<usize> {
    let bytes = head.bytes().get(field.clone()).unwrap_or_default();
    let colon = memchr::memchr(b':', bytes).map_or(bytes.len(), |at| at + 1);
    let start = field.start + colon;
    start..(start + value.len()).min(field.end)
}

/// What X-Spam-Prev-Subject restores.
struct RestoredSubject {
    subject: Option<(Range<usize>, Vec<u8>)>,
    drop: Vec<Range<usize>>,
}

/// SpamAssassin keeps the subject that it changes. A sender could write that
/// header too, so it counts only if the present subject ends with it.
fn previous(head: &Head, marks: &[String], stripped: bool) -> Option<RestoredSubject> {
    let mut all = head.named("X-Spam-Prev-Subject");
    let (kept, None) = (all.next()?, all.next()) else { return None };
    let mut subjects = head.named("Subject");
    let (subject, None) = (subjects.next()?, subjects.next()) else { return None };
    let (before, now) = (head.text(kept.value), head.text(subject.value));
    if before == "(nonexistent)" && stripped && !now.ends_with(&before) {
        return Some(RestoredSubject { subject: None, drop: vec![kept.range, subject.range] });
    }
    if before.is_empty() || !now.ends_with(&before) {
        return None;
    }
    let value = match strip(head, kept.value, marks) {
        Some((value, _)) => value,
        None => kept.value.to_vec(),
    };
    let place = value_range(head, &subject.range, subject.value);
    Some(RestoredSubject { subject: Some((place, value)), drop: vec![kept.range] })
}

#[cfg(test)]
mod tests {
    use super::subject::MOST;
    use super::*;
    use crate::testing::bytes_of;

    fn marks() -> Marks {
        Marks {
            subjects: vec!["[SPAM]".into(), "*****SPAM*****".into(), "【迷惑メール】".into()],
            headers: vec!["X-Spam-Flag".into(), "X-Spam-S*".into()],
            forged: vec!["X-Mfilter-Site"],
        }
    }

    fn unmarked(text: &str) -> (String, Vec<String>) {
        let (message, removed) = Message::from_bytes(text.into()).unmarked(&marks());
        (String::from_utf8(bytes_of(&message)).unwrap(), removed)
    }

    fn subject(value: &str) -> String {
        let (text, _) = unmarked(&format!("From: a@b\nSubject:{value}\nTo: c@d\n\nbody\n"));
        let (message, body) = text.split_once("\n\n").unwrap();
        assert_eq!(body, "body\n");
        let rest = message.strip_prefix("From: a@b\nSubject:").unwrap();
        rest.strip_suffix("\nTo: c@d").unwrap().to_owned()
    }

    #[test]
    fn marks_in_front_of_the_subject_go() {
        for (marked, plain) in [
            (" [SPAM] hello", " hello"),
            (" [spam]   hello", "   hello"),
            (" [SPAM]", " "),
            (" Re: [Spam] hello", " Re: hello"),
            (" Re[2]: FW: [SPAM] hello", " Re[2]: FW: hello"),
            (" [SPAM] Re: [SPAM] hello", " Re: hello"),
            (" [list 12] [SPAM] hello", " [list 12] hello"),
            (" *****SPAM***** hello", " hello"),
            (" [SPAM]\n hello", " hello"),
            (" [SPAM]hello", " hello"),
            (" ［ｓｐａｍ］ hello", " hello"),
            (" 【迷惑メール】こんにちは", " こんにちは"),
            (
                " =?UTF-8?B?W1NQQU1d?= =?ISO-2022-JP?B?GyRCRnwbKEI=?=",
                " =?ISO-2022-JP?B?GyRCRnwbKEI=?=",
            ),
            (" [SPAM] =?ISO-2022-JP?B?GyRCRnwbKEI=?=", " =?ISO-2022-JP?B?GyRCRnwbKEI=?="),
            (" Re: =?utf-8?Q?=5Bspam=5D_gr=C3=BCn?=", " Re: =?utf-8?B?Z3LDvG4=?="),
            (" =?utf-8?Q?Re:_=5BSPAM=5D_hello?=", " Re: hello"),
        ] {
            assert_eq!(subject(marked), plain, "{marked:?}");
        }
    }

    #[test]
    fn what_is_not_a_mark_in_front_stays() {
        for value in
            [" hello [SPAM]", " SPAM hello", " about [SPAM] marks", "", " [SPAM", " Note: [SPAM]"]
        {
            assert_eq!(subject(value), value);
        }
    }

    #[test]
    fn verdict_headers_and_forged_ones_go_and_the_rest_stays_as_it_is() {
        let (text, removed) = unmarked(
            "X-Spam-Flag: YES\r\nfrom : a\r\nX-SPAM-Status: Yes,\r\n\tscore=9\r\n\
             x-mfilter-site: x\r\nX-Spam: kept\r\njunk line\r\n\r\nX-Spam-Flag: body\r\n",
        );
        assert_eq!(text, "from : a\r\nX-Spam: kept\r\njunk line\r\n\r\nX-Spam-Flag: body\r\n");
        let expected =
            ["header X-Spam-Flag", "header X-SPAM-Status", "header x-mfilter-site from outside"];
        assert_eq!(removed, expected);
        let plain = "From: a\nSubject: [ok] b\n\n[SPAM]\n";
        assert_eq!(unmarked(plain), (plain.to_owned(), vec![]));
    }

    #[test]
    fn the_subject_that_spamassassin_kept_is_restored() {
        let text = |subject: &str, kept: &str| {
            format!("X-Spam-Flag: YES\nSubject: {subject}\nX-Spam-Prev-Subject: {kept}\n\n")
        };
        let restored = |subject, kept| unmarked(&text(subject, kept)).0;
        assert_eq!(restored("*SPAM 9.1* hello", "hello"), "Subject: hello\n\n");
        let word = "=?ISO-2022-JP?B?GyRCRnwbKEI=?=";
        assert_eq!(restored("[SPAM] 日", word), format!("Subject: {word}\n\n"));
        assert_eq!(restored("[SPAM]", "(nonexistent)"), "\n");
        // Written by the sender.
        let forged = "Subject: pay\nX-Spam-Prev-Subject: dear friend\n\n";
        assert_eq!(restored("pay", "dear friend"), forged);
        let unmarked_one = "Subject: pay now\nX-Spam-Prev-Subject: now\n\n";
        assert_eq!(unmarked(unmarked_one).0, unmarked_one);
    }

    const ORIGINAL: &str = "Received: from evil.example\n\tby mx.example; x\nFrom: a@evil.example\n\
        Subject: buy\nContent-Type: multipart/alternative; boundary=b\n\n--b\n\nx\n--b--\n";

    fn wrapped(flag: &str, part: &str) -> String {
        format!(
            "Return-Path: <a@evil.example>\nReceived: by store.example; y\n\
             Received: from localhost by mx.example\n\twith SpamAssassin (version 4.0.1);\n\tx\n\
             From: a@evil.example\nSubject: [SPAM] buy\n{flag}MIME-Version: 1.0\n\
             Content-Type: multipart/mixed; boundary=\"----------=_1\"\n\n\
             This is a multi-part message in MIME format.\n\n------------=_1\n\
             Content-Type: text/plain; charset=iso-8859-1\nContent-Disposition: inline\n\n\
             Spam detection software …\n\n------------=_1\nContent-Type: {part}\n\
             Content-Description: original message before SpamAssassin\n\
             Content-Disposition: attachment\nContent-Transfer-Encoding: 8bit\n\n{ORIGINAL}\n\
             ------------=_1--\n\n"
        )
    }

    #[test]
    fn a_message_in_a_report_is_taken_out_of_it() {
        let above = "Return-Path: <a@evil.example>\nReceived: by store.example; y\n";
        for part in ["message/rfc822; x-spam-type=original", "text/plain; x-spam-type=original"] {
            let (text, _) = unmarked(&wrapped("X-Spam-Flag: YES\n", part));
            assert_eq!(text, format!("{above}{ORIGINAL}"), "{part}");
        }
        let (text, _) = unmarked(&wrapped("X-Spam-Flag: YES\n", "message/rfc822"));
        assert!(text.contains("Spam detection software"), "a forwarded message stays");
        let plain = wrapped("", "message/rfc822; x-spam-type=original").replace("[SPAM] ", "");
        assert_eq!(unmarked(&plain).0, plain, "without a mark nothing is unwrapped");
    }

    /// Where the border wrote, above its Received line and down to the next one, there
    /// are no results that a sender put into a report of his own.
    #[test]
    fn a_report_that_a_sender_wrote_brings_no_results() {
        const RETURN_PATH: &str = "Return-Path: <a@evil.example>\n";
        const HOP: &str = "Received: from localhost ([127.0.0.1]) by mx.example (Postfix); y\n";
        const BORDER: &str = "Received: from evil.example (evil.example [192.0.2.1])\n\tby mx.example (Postfix); x\n";
        const BY_FILTER: &str =
            "Received: from localhost by x.example with SpamAssassin (version 4.0.1); x\n";
        const FORGED: &str = "Authentication-Results: mx.example; dmarc=pass\n";
        const LOCAL: &str = "Received: by mx.example (Postfix, from userid 0); x\n";
        let helo = BORDER.replace("from evil", "from localhost by x with SpamAssassin (1); evil");
        for (outer, original) in [
            (format!("{RETURN_PATH}{BORDER}"), format!("{RETURN_PATH}{FORGED}{LOCAL}")),
            (format!("{RETURN_PATH}{BORDER}{BY_FILTER}"), format!("{RETURN_PATH}{FORGED}{LOCAL}")),
            (format!("{BORDER}DKIM-Filter: x\n{FORGED}{BY_FILTER}"), format!("{FORGED}{LOCAL}")),
            (format!("{HOP}X-Virus-Scanned: x\n{BORDER}"), format!("{LOCAL}{FORGED}")),
            (format!("X-Queued: x\n{BORDER}"), format!("{LOCAL}{FORGED}")),
            (format!("{helo}{BY_FILTER}"), format!("{FORGED}{LOCAL}")),
            (format!("{helo}x: y\n"), format!("{LOCAL}{FORGED}")),
            (format!("{BORDER}{BY_FILTER}"), format!(" (x) with ESMTPSA id 1; x\n{LOCAL}")),
        ] {
            let border = outer.lines().find(|line| line.contains(" evil.example")).unwrap();
            let part = "message/rfc822; x-spam-type=original";
            let text = wrapped("X-Spam-Flag: YES\n", part);
            let from = text.find("From: a@").unwrap();
            let text = format!("{outer}{}", &text[from..]);
            let text = text.replace(ORIGINAL, &format!("{original}From: b@bank.example\n\nx\n"));
            let (text, _) = unmarked(&text);
            let head = text.split("From:").next().unwrap();
            if head.contains("MIME-Version") || text.contains("Spam detection") {
                continue;
            }
            assert!(!original.starts_with(' '), "{text}");
            let (above, below) = head.split_once(border).expect(head);
            let ours = format!("{above}{}", below.split("Received:").next().unwrap());
            assert!(!ours.contains("Results"), "{text}");
        }
    }

    #[test]
    fn large_messages_are_unwrapped_too() {
        let original = format!("{ORIGINAL}{}", "0123456789abcdef\n".repeat(100_000));
        let text = wrapped("X-Spam-Flag: YES\n", "message/rfc822; x-spam-type=original");
        let (text, _) = unmarked(&text.replace(ORIGINAL, &original));
        assert!(text.ends_with(&original));
    }

    #[test]
    fn long_subjects_take_no_long_time() {
        let mark = "[SPAM] ".repeat(100_000);
        assert_eq!(subject(&format!(" {mark}x")).len(), 1 + mark.len() - MOST * 7 + 1);
        subject(&" Re:".repeat(100_000));
        subject(&" =?utf-8?Q?Re:?=".repeat(100_000));
        subject(&format!(" [{}", "x".repeat(1_000_000)));
    }
}
