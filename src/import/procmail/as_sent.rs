//! Patterns that depend on how a header was sent: procmail sees encoded words (RFC 2047)
//! and bytes beyond ASCII as they came, while our other fields are what people read.

use crate::import::ir::Cond;
use crate::rules::pattern::normalize;

/// Our field for it.
pub(super) const RAW: &str = "raw-headers";

/// The headers that people read, which may be encoded.
const READ_BY_PEOPLE: [&str; 6] = ["subject", "from", "to", "cc", "reply-to", "sender"];

/// How the names of charsets begin that people filter by.
const CHARSETS: [&str; 15] = [
    "big5",
    "cp125",
    "euc-",
    "gb18030",
    "gb2312",
    "gbk",
    "iso-2022",
    "iso-8859",
    "koi8",
    "ks_c_5601",
    "shift_jis",
    "us-ascii",
    "utf-8",
    "utf8",
    "windows-125",
];

/// How a pattern on bytes differs.
pub(super) const BYTE_BY_BYTE: &str = "procmail compares letters beyond ASCII byte by byte";

/// What is noted of tests as procmail has them.
pub(super) const AS_SENT: &str = "`raw-headers` is the header as it was sent, as procmail sees it; \
                                  `subject` and the like are what people read, in encoded \
                                  headers, too";

/// Whether a condition asks how a header was sent.
pub(super) fn is_of_raw_headers(condition: &Cond) -> bool {
    match condition {
        Cond::All(parts) | Cond::Any(parts) => parts.iter().any(is_of_raw_headers),
        Cond::Not(inner) => is_of_raw_headers(inner),
        Cond::Test(test) => test.fields == [RAW],
        Cond::Always | Cond::Never | Cond::Word(_) => false,
    }
}

/// Whether a pattern on the header is about how it was sent; `headers` are those that it
/// names, in lower case, none for all of them.
pub(super) fn asks_how_it_was_sent(pattern: &str, headers: &[String]) -> bool {
    let may_be_encoded =
        headers.is_empty() || headers.iter().any(|name| READ_BY_PEOPLE.contains(&name.as_str()));
    !pattern.is_ascii()
        || is_encoded(pattern)
        || leaves_ascii_out(pattern) > 0
        || may_be_encoded && names_charset(pattern)
}

/// How a pattern on a value differs that procmail has as it was sent, and mfilter as people
/// read it.
pub(super) fn in_decoded_value(pattern: &str) -> Result<Option<&'static str>, String> {
    if is_encoded(pattern) {
        return Err(
            "it is about encoded text in the header, which mfilter decodes (see `charset`)".into(),
        );
    }
    let in_header = "procmail does not find this in an encoded header, mfilter does";
    let charset = "procmail finds the name of a charset in encoded headers, too (see `charset`)";
    Ok(match pattern.is_ascii() {
        false => Some(in_header),
        true => names_charset(pattern).then_some(charset),
    })
}

fn is_encoded(pattern: &str) -> bool {
    let lower = without_case(pattern);
    let is_letter = |(_, rest): (&str, &str)| rest.starts_with(|c: char| c.is_ascii_alphanumeric());
    let signs = ["=\\?", "=[?]", "\\?=", "\\?b\\?", "\\?q\\?", "[?]b[?]", "[?]q[?]"];
    signs.iter().any(|sign| lower.contains(sign)) || lower.split_once("=?").is_some_and(is_letter)
}

fn names_charset(pattern: &str) -> bool {
    let lower = without_case(pattern);
    CHARSETS.iter().any(|name| lower.contains(name))
}

/// How many sets a pattern has that leave out all that can be seen in ASCII: `[^ -~]`.
fn leaves_ascii_out(pattern: &str) -> usize {
    let sets = pattern.split("[^").skip(1).filter_map(|set| set.split_once(']'));
    sets.filter(|(set, _)| set.contains(" -~") || set.contains("!-~")).count()
}

/// The pattern in lower case, with `[gG]` as `g`.
fn without_case(pattern: &str) -> String {
    let lower: Vec<char> = pattern.chars().map(|c| c.to_ascii_lowercase()).collect();
    let mut rest = lower.as_slice();
    let mut text = String::with_capacity(pattern.len());
    while let [first, after @ ..] = rest {
        match rest {
            ['[', one, other, ']', after @ ..] if one == other => {
                text.push(*one);
                rest = after;
            }
            _ => {
                text.push(*first);
                rest = after;
            }
        }
    }
    text
}

/// How a pattern differs in which the bytes of a letter count: in a set, where it is
/// repeated, where sets without ASCII follow one another, or where our text has another form
/// of the letter.
pub(super) fn differs_in_bytes(pattern: &str) -> Option<&'static str> {
    let differs = leaves_ascii_out(pattern) > 1
        || !pattern.is_ascii()
            && (pattern.contains('[') || repeats_letter(pattern) || normalize(pattern).is_some());
    differs.then_some(BYTE_BY_BYTE)
}

fn repeats_letter(pattern: &str) -> bool {
    let after = pattern.chars().skip(1);
    pattern.chars().zip(after).any(|(c, sign)| !c.is_ascii() && matches!(sign, '*' | '+' | '?'))
}

/// A regular expression that ignores the case of ASCII alone, as procmail does; in sets it
/// cannot be said.
pub(super) fn with_letters_as_written(regex: &str) -> String {
    let has_case = |c: char| !c.is_ascii() && (c.is_lowercase() || c.is_uppercase());
    let close = |run: &mut String, text: &mut String| {
        if !run.is_empty() {
            text.push_str(&format!("(?-i:{run})"));
            run.clear();
        }
    };
    let (mut text, mut run, mut in_set) =
        (String::with_capacity(regex.len()), String::new(), false);
    let mut chars = regex.chars();
    while let Some(c) = chars.next() {
        if has_case(c) && !in_set {
            run.push(c);
            continue;
        }
        // A sign of repetition is for the last letter alone.
        let last = if matches!(c, '*' | '+' | '?') { run.pop() } else { None };
        close(&mut run, &mut text);
        run.extend(last);
        close(&mut run, &mut text);
        text.push(c);
        if c == '\\' {
            text.extend(chars.next());
        }
        in_set = (in_set || c == '[') && c != ']';
    }
    close(&mut run, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_beyond_ascii_keep_their_case() {
        for (regex, is) in [
            ("^Subject:.*sale", "^Subject:.*sale"),
            ("^Subject:.*für Ölß?", "^Subject:.*f(?-i:ü)r (?-i:Ö)l(?-i:ß)?"),
            ("日本", "日本"),
            ("ÄÖ+x", "(?-i:Ä)(?-i:Ö)+x"),
        ] {
            assert_eq!(with_letters_as_written(regex), is);
        }
    }

    #[test]
    fn bytes_of_letters_count() {
        for (pattern, differs) in [
            ("^Subject:.*日本", false),
            ("^Subject:.*[日本]", true),
            ("^Subject:.*é?", true),
            ("^Subject:.*！", true),
            ("^Subject:.*[^ -~]", false),
            ("^Subject:.*[^ -~][^ -~]", true),
            ("=\\?gb2312\\?", false),
        ] {
            assert_eq!(differs_in_bytes(pattern).is_some(), differs, "{pattern}");
        }
    }
}
