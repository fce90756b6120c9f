//! Text as people compare it: width, case and white space do not count.
//!
//! [`normalize`] returns what is shown and what patterns search; [`fold`] returns
//! what words are compared by. ASCII, which is nearly all mail, costs one pass
//! and no table, and no copy if nothing changes.

use std::borrow::Cow;

use unicase::UniCase;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

/// NFKC (UAX #15) without invisible characters; each run of white space becomes
/// one blank, or one `\n` if it contains a line break. Other control characters
/// stay. Idempotent.
pub fn normalize(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return blanks(text, true);
    }
    match nfkc(text) {
        Cow::Borrowed(text) => blanks(text, true),
        Cow::Owned(text) => Cow::Owned(owned(text, |text| blanks(text, true))),
    }
}

/// [`normalize`], then without case (toNFKC_Casefold of the Unicode Standard
/// §3.13). Line breaks become blanks, or disappear between characters that are
/// written without blanks (see [`is_cjk`]). Characters between which
/// Japanese senders cannot choose, because charset tables differ, become one as
/// well, for example WAVE DASH and `~`. Two texts are equal to a reader if their
/// folds are equal. Idempotent.
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return fold_ascii(text);
    }
    let mut folded = case(&nfkc(text));
    // Folding and removing characters can create pairs that compose, and those
    // can be new capitals; three rounds are more than any text needs.
    for _ in 0..3 {
        match nfkc(&folded) {
            Cow::Borrowed(_) => break,
            Cow::Owned(text) => {
                let again = case(&text);
                if again == folded {
                    break;
                }
                folded = again;
            }
        }
    }
    Cow::Owned(owned(folded, |text| blanks(text, false)))
}

fn owned(text: String, change: impl Fn(&str) -> Cow<'_, str>) -> String {
    match change(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(changed) => changed,
    }
}

fn nfkc(text: &str) -> Cow<'_, str> {
    // Ignorable characters are removed first: the characters around them may compose.
    if text.chars().any(is_ignorable) {
        let seen: String = text.chars().filter(|c| !is_ignorable(*c)).collect();
        return Cow::Owned(owned(seen, composed));
    }
    composed(text)
}

/// NFKC alone.
pub fn composed(text: &str) -> Cow<'_, str> {
    match is_nfkc_quick(text.chars()) {
        IsNormalized::Yes => Cow::Borrowed(text),
        _ => {
            let normal: String = text.nfkc().collect();
            if normal == text { Cow::Borrowed(text) } else { Cow::Owned(normal) }
        }
    }
}

/// Whether a line may end after a character, and another begin before it, without a blank
/// there: Han, kana, bopomofo, their punctuation, and full-width forms.
pub fn is_cjk(c: char) -> bool {
    matches!(c,
        '\u{2e80}'..='\u{2fff}' | '\u{3001}'..='\u{312f}' | '\u{31a0}'..='\u{31ff}'
        | '\u{3220}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{ff01}'..='\u{ff9f}' | '\u{20000}'..='\u{3ffff}')
}

/// Whether a letter is of a script that puts no blanks between words: Thai, Lao, Khmer,
/// Myanmar, kana, Han and similar ones.
pub fn is_of_script_without_blanks(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{3005}'..='\u{3007}' | '\u{3041}'..='\u{312f}' | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{ff66}'..='\u{ff9f}' | '\u{20000}'..='\u{3ffff}')
}

/// Whether a line break between two characters disappears. NFKC has turned
/// full-width signs into ASCII.
fn wraps(before: char, after: char) -> bool {
    // A mark would be put on the letter before it.
    if matches!(after, '\u{302a}'..='\u{302f}' | '\u{3099}' | '\u{309a}') {
        return false;
    }
    match (is_cjk(before), is_cjk(after)) {
        (true, true) => true,
        (true, false) => after.is_ascii_punctuation(),
        (false, true) => before.is_ascii_punctuation(),
        (false, false) => false,
    }
}

/// Full case folding; invisible characters are removed, and look-alikes of the
/// charset tables become one.
fn case(text: &str) -> String {
    let mut folded = UniCase::unicode(text).to_folded_case();
    if folded.chars().any(|c| c > '\u{ac}' && (is_ignorable(c) || japanese(c) != c)) {
        folded = folded.chars().filter(|c| !is_ignorable(*c)).map(japanese).collect();
    }
    folded
}

/// Default_Ignorable_Code_Point (UCD, DerivedCoreProperties).
fn is_ignorable(c: char) -> bool {
    c >= '\u{ad}'
        && matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// JIS X 0208 characters for which Microsoft and others chose different code
/// points, and which NFKC does not unify.
fn japanese(c: char) -> char {
    match c {
        '\u{301c}' => '~',
        '\u{2212}' => '-',
        '\u{2225}' => '\u{2016}',
        '\u{2015}' => '\u{2014}',
        other => other,
    }
}

fn fold_ascii(text: &str) -> Cow<'_, str> {
    if is_tidy(text.as_bytes(), |byte| byte.is_ascii_uppercase() || is_ascii_blank(byte)) {
        return Cow::Borrowed(text);
    }
    // Whole passes, which let the processor work on many bytes at a time.
    let mut bytes = text.as_bytes().to_ascii_lowercase();
    for byte in &mut bytes {
        *byte = if is_ascii_blank(*byte) { b' ' } else { *byte };
    }
    if !is_tidy(&bytes, |_| false) {
        let mut after_blank = false;
        bytes.retain(|byte| {
            let blank = *byte == b' ';
            !(std::mem::replace(&mut after_blank, blank) && blank)
        });
    }
    // The text was ASCII and still is.
    Cow::Owned(String::from_utf8(bytes).unwrap_or_default())
}

/// White space other than the blank itself.
fn is_ascii_blank(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r')
}

/// Whether no byte is untidy, and no two blanks are adjacent.
fn is_tidy(bytes: &[u8], is_untidy: impl Fn(u8) -> bool) -> bool {
    const CHUNK: usize = 128;
    let mut last = 0;
    bytes.chunks(CHUNK).all(|chunk| {
        let blank = |byte: u8| (byte == b' ') | (byte == b'\n');
        let next = chunk.get(1..).unwrap_or_default();
        let mut found = blank(last) & chunk.first().is_some_and(|first| blank(*first));
        found |= chunk.iter().fold(false, |found, byte| found | is_untidy(*byte));
        found |= chunk
            .iter()
            .zip(next)
            .fold(false, |found, (one, next)| found | (blank(*one) & blank(*next)));
        last = chunk.last().copied().unwrap_or(0);
        !found
    })
}

/// Turns runs of white space into one character; unless line breaks are kept, one
/// between characters that are written without blanks disappears.
fn blanks(text: &str, keep_breaks: bool) -> Cow<'_, str> {
    if !has_untidy_blanks(text, keep_breaks) {
        return Cow::Borrowed(text);
    }
    let mut tidy = String::with_capacity(text.len());
    let mut run = None;
    let mut last = '\0';
    let blank = |broken: bool| if broken && keep_breaks { '\n' } else { ' ' };
    for c in text.chars() {
        if c.is_whitespace() {
            run = Some(run.unwrap_or(false) || is_break(c));
            continue;
        }
        if let Some(broken) = run.take()
            && (keep_breaks || !broken || !wraps(last, c))
        {
            tidy.push(blank(broken));
        }
        tidy.push(c);
        last = c;
    }
    tidy.extend(run.map(blank));
    Cow::Owned(tidy)
}

fn has_untidy_blanks(text: &str, keep_breaks: bool) -> bool {
    let is_untidy = |byte: u8| is_ascii_blank(byte) & ((byte != b'\n') | !keep_breaks);
    !is_tidy(text.as_bytes(), is_untidy)
        || !text.is_ascii() && text.chars().any(|c| !c.is_ascii() && c.is_whitespace())
}

fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ascii_that_needs_nothing_is_borrowed() {
        assert!(matches!(normalize("Plain text,\nof two lines"), Cow::Borrowed(_)));
        assert!(matches!(fold("plain text"), Cow::Borrowed(_)));
        assert!(matches!(normalize("日本"), Cow::Borrowed(_)));
    }

    #[test]
    fn white_space_is_one_blank_or_one_line_break() {
        assert_eq!(normalize("a \t b \r\n\r\n c\u{3000}\u{a0}d\u{2028}e\0"), "a b\nc d\ne\0");
        assert_eq!(fold("a \t b \r\n\r\n c\u{3000}\u{a0}d\u{2028}e"), "a b c d e");
        assert_eq!(fold("A\r\nB"), "a b");
    }

    #[test]
    fn a_wrapped_line_of_kanji_and_kana_is_one() {
        assert_eq!(fold("重要\nなお \r\n 知らせ"), "重要なお知らせ");
        assert_eq!(fold("重要 な"), "重要 な");
        assert_eq!(fold("完了\nOK\n済 み！\n次"), "完了 ok 済 み!次");
        assert_eq!(fold("한국\n말"), "한국 말");
        assert_eq!(normalize("重要\nな"), "重要\nな");
    }

    #[test]
    fn patterns_do_not_see_what_cannot_be_seen() {
        assert_eq!(normalize("重\u{200b}要\u{ad} e\u{200d}\u{301}"), "重要 é");
    }

    #[test]
    fn width_and_case_do_not_count() {
        assert_eq!(fold("ＳＡＬＥ！"), fold("sale!"));
        assert_eq!(fold("ｶﾞｷﾞﾊﾟ ｱｲｳ"), fold("ガギパ アイウ"));
        assert_eq!(fold("カ\u{3099}"), fold("ガ"));
        assert_eq!(fold("STRASSE"), fold("straße"));
        assert_eq!(fold("ΣΊΣΥΦΟΣ"), fold("σίσυφος"));
        assert_eq!(fold("㈱①"), "(株)1");
        assert_eq!(normalize("ＳＡＬＥ"), "SALE");
    }

    #[test]
    fn what_cannot_be_seen_or_distinguished_does_not_count() {
        assert_eq!(fold("vi\u{200b}ag\u{ad}ra\u{feff}é"), "viagraé");
        assert_eq!(fold("10\u{301c}20"), fold("10\u{ff5e}20"));
        assert_eq!(fold("\u{2212}5 \u{2225}"), fold("\u{ff0d}5 \u{2016}"));
    }

    proptest! {
        #[test]
        fn both_are_idempotent(text in any::<String>(), odd in "[ \u{a8}\u{345}\u{3b1}\u{301}\u{390}\u{1fb3}ÅßſK\u{200d}\u{3099}ｶﾞ\u{ff9e}\u{130}\u{587}\u{1e9e}\u{2160}\u{24b6}\u{1f88}\u{308}\u{ac00}\u{1100}\u{1161}\u{ffa0}\r\n]{0,20}") {
            for text in [text, odd] {
                let once = fold(&text).into_owned();
                prop_assert_eq!(fold(&once).into_owned(), once.clone());
                let once = normalize(&text).into_owned();
                prop_assert_eq!(normalize(&once).into_owned(), once.clone());
                prop_assert_eq!(fold(&once), fold(&text));
            }
        }

        #[test]
        fn ascii_is_folded_as_all_text_is(text in "[ -~\t\r\n\0]{0,60}") {
            let folded = fold(&format!("{text}é")).into_owned();
            let ascii = fold(&text).into_owned();
            prop_assert_eq!(folded, format!("{ascii}é"));
        }
    }
}
