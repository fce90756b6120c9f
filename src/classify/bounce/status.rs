//! Status codes (RFC 3463) in free text.

/// A code and where it ends.
struct CodeMatch<'a> {
    code: &'a str,
    /// The code comes right after an SMTP reply code (RFC 5321 §4.2).
    replied: bool,
}

/// The status code that a text states: the first one that follows a reply code,
/// otherwise the first one.
pub fn in_text(text: &str) -> Option<String> {
    let mut first = None;
    for found in all(text) {
        if found.replied {
            return Some(found.code.to_owned());
        }
        first.get_or_insert(found.code);
    }
    first.map(str::to_owned)
}

/// The code of a Status field, which may be followed by a comment.
pub fn in_field(value: &str) -> Option<String> {
    let code = value.split([' ', '\t', '(', ';']).next()?;
    let mut numbers = code.split('.');
    let class = matches!(numbers.next(), Some("2" | "4" | "5"));
    let number = |text: Option<&str>| {
        text.is_some_and(|text| {
            (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    (class && number(numbers.next()) && number(numbers.next()) && numbers.next().is_none())
        .then(|| code.to_owned())
}

/// The stated status, or the one in the other server's answer, which knows
/// better, if that is more exact than the stated one or contradicts it.
pub fn refine(stated: Option<String>, reason: &str) -> Option<String> {
    let Some(stated) = stated else { return in_text(reason) };
    let exact = || all(reason).filter(|found| !found.code.ends_with(".0"));
    let answered = if stated.ends_with(".0.0") {
        exact().next().or_else(|| all(reason).find(|found| !found.code.ends_with(".0.0")))
    } else if stated.ends_with(".0") || stated.ends_with(".4.7") {
        exact().find(|found| found.code != stated)
    } else {
        exact().find(|found| found.replied)
    };
    Some(answered.map_or(stated, |found| found.code.to_owned()))
}

/// The first reply code (RFC 5321 §4.2.3) of a failure in a text.
pub fn reply(text: &str) -> Option<u16> {
    let words = text.split(|c: char| !c.is_alphanumeric());
    let codes = words.filter(|word| word.len() == 3).filter_map(|word| word.parse().ok());
    codes.into_iter().find(|code| REPLIES.iter().any(|(known, _)| known == code))
}

/// What a reply code alone means, as sendmail interprets it, extended by later
/// codes (RFC 4954 §6, RFC 7504, RFC 7505).
pub fn of_reply(code: u16) -> &'static str {
    REPLIES.iter().find(|(known, _)| *known == code).map_or("5.0.0", |(_, status)| status)
}

const REPLIES: &[(u16, &str)] = &[
    (421, "4.3.2"),
    (432, "4.7.12"),
    (450, "4.2.0"),
    (451, "4.3.0"),
    (452, "4.3.1"),
    (454, "4.7.0"),
    (500, "5.5.2"),
    (501, "5.5.4"),
    (502, "5.5.1"),
    (503, "5.5.1"),
    (504, "5.5.4"),
    (521, "5.3.2"),
    (530, "5.7.0"),
    (534, "5.7.9"),
    (535, "5.7.8"),
    (550, "5.2.0"),
    (551, "5.1.6"),
    (552, "5.2.2"),
    (553, "5.1.0"),
    (554, "5.0.0"),
    (555, "5.5.4"),
    (556, "5.1.10"),
];

/// The codes of failures and delays in a text.
fn all(text: &str) -> impl Iterator<Item = CodeMatch<'_>> {
    let bytes = text.as_bytes();
    memchr::memchr2_iter(b'4', b'5', bytes).filter_map(move |at| {
        let free = |byte: Option<&u8>| {
            byte.is_none_or(|byte| {
                !byte.is_ascii_alphanumeric() && !matches!(byte, b'.' | b'-' | b'_')
            })
        };
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        // `550-5.1.1` continues a reply, `host-5.1.1` does not.
        let replied = is_after_reply(&bytes[..at]);
        if !replied && !free(before) {
            return None;
        }
        let subject = number(bytes, at + 1)?;
        let end = number(bytes, subject)?;
        let next = bytes.get(end);
        let sentence =
            next == Some(&b'.') && !bytes.get(end + 1).is_some_and(u8::is_ascii_alphanumeric);
        let joined =
            next.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'.' || *byte == b'@');
        (sentence || !joined).then(|| CodeMatch { code: &text[at..end], replied })
    })
}

/// The end of a dot and one to three digits.
fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?.strip_prefix(b".")?;
    let digits = rest.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    (1..=3).contains(&digits).then_some(at + 1 + digits)
}

/// Whether the text ends in a reply code and at most two marks: `550 `, `550-`,
/// `550 #`, `550-[`.
fn is_after_reply(before: &[u8]) -> bool {
    let trimmed = before.len().saturating_sub(2);
    let end = before[trimmed..]
        .iter()
        .rposition(|byte| byte.is_ascii_digit())
        .map_or(trimmed, |at| trimmed + at + 1);
    let (code, gap) = before.split_at(end);
    let Some((rest, [first, second, third])) = code.split_last_chunk::<3>() else { return false };
    !gap.is_empty()
        && gap.iter().all(|byte| matches!(byte, b' ' | b'-' | b'#' | b'[' | b'(' | b'\'' | b'"'))
        && matches!(first, b'2' | b'4' | b'5')
        && second.is_ascii_digit()
        && third.is_ascii_digit()
        && !rest.last().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_in_text() {
        assert_eq!(in_text("550 5.1.1 User unknown").as_deref(), Some("5.1.1"));
        assert_eq!(in_text("550-5.7.26 This").as_deref(), Some("5.7.26"));
        assert_eq!(in_text("said: 550 #5.1.0 Address rejected.").as_deref(), Some("5.1.0"));
        assert_eq!(in_text("(#5.1.2)").as_deref(), Some("5.1.2"));
        assert_eq!(in_text("at 4.3.2 then 452 4.2.2 full").as_deref(), Some("4.2.2"));
        assert_eq!(in_text("The status is 5.1.1.").as_deref(), Some("5.1.1"));
        assert_eq!(in_text("250 2.1.5 Ok\n451 4.3.0 Error").as_deref(), Some("4.3.0"));
        assert_eq!(in_field("5.1.1 (bad)").as_deref(), Some("5.1.1"));
        assert_eq!(in_field("2.1.5").as_deref(), Some("2.1.5"));
        assert_eq!(in_field("unknown"), None);
    }

    #[test]
    fn reply_codes() {
        assert_eq!(reply("host mx [192.0.2.5] said: 552-Too much"), Some(552));
        assert_eq!(reply("ERROR_CODE :421, ERROR_CODE :"), Some(421));
        assert_eq!(reply("for 432000 seconds on port 587, 450.5 x450"), Some(450));
        assert_eq!(reply("after 5 days, 250 ok"), None);
        assert_eq!(of_reply(556), "5.1.10");
    }

    #[test]
    fn addresses_and_versions_are_none() {
        assert_eq!(in_text("host 5.1.1.1 said"), None);
        assert_eq!(in_text("127.5.1.1"), None);
        assert_eq!(in_text("v5.1.1"), None);
        assert_eq!(in_text("550 5.1 x"), None);
        assert_eq!(in_text("5.1.1234"), None);
        assert_eq!(in_text("大5.1"), None);
    }

    #[test]
    fn the_stated_status_gives_way_when_vague() {
        let refined = |stated: &str, reason| refine(Some(stated.to_owned()), reason).unwrap();
        assert_eq!(refined("5.0.0", "smtp; 550 5.2.2 full"), "5.2.2");
        assert_eq!(refined("5.1.0", "550-'5.7.1 <a@b.example>... Access denied'"), "5.7.1");
        assert_eq!(refined("5.1.1", "smtp; 550 5.2.2 full"), "5.2.2");
        assert_eq!(refined("5.1.1", "(#5.2.2)"), "5.1.1");
        assert_eq!(refined("4.4.7", "smtp; 450 4.7.1 denied"), "4.7.1");
        assert_eq!(refined("5.0.0", "smtp; 550 no"), "5.0.0");
        assert_eq!(refined("5.0.0", "5.3.0 - Other mail system problem"), "5.3.0");
    }
}
