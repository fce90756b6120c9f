//! What each mistake means, with rules that have it and the same rules corrected,
//! for `mfilter explain`. The texts are in `explanations.txt`, whose head
//! explains the format; the message itself is not in it: it comes from the check,
//! run on the example. `explanations.ja.txt` has the meanings in Japanese.

use crate::language::Language;
use crate::spelling::nearest;

const TEXT: &str = include_str!("explanations.txt");
const JAPANESE: &str = include_str!("explanations.ja.txt");

/// One mistake, explained.
#[derive(Debug, Default)]
pub struct Explanation {
    /// As `check` names it, `unknown-field`.
    pub code: &'static str,
    /// What it means, in sentences.
    pub meaning: String,
    /// Rules with this mistake and no other.
    pub wrong: Vec<u8>,
    /// The same, corrected.
    pub corrected: Vec<u8>,
    /// Whether the example is site rules.
    pub of_site: bool,
    /// Files in the home, next to the rules.
    pub files: Vec<(&'static str, Vec<u8>)>,
    /// Site rules that apply in addition.
    pub site: Option<Vec<u8>>,
    /// Whether the user shares a uid with others.
    pub confined: bool,
    /// Folders of a Maildir in the home.
    pub folders: Vec<&'static str>,
}

/// All codes, in the order of the texts.
pub fn codes() -> impl Iterator<Item = &'static str> {
    TEXT.lines().filter_map(|line| line.strip_prefix("== "))
}

/// The code as a text has it, and the text below it.
fn part(text: &'static str, code: &str) -> Option<(&'static str, &'static str)> {
    let parts = text.split("\n== ").skip(1);
    parts.filter_map(|part| part.split_once('\n')).find(|(name, _)| *name == code)
}

/// What a code means; `None` if there is no such code.
pub fn meaning(code: &str, language: Language) -> Option<String> {
    match language {
        Language::English => {
            let (_, text) = part(TEXT, code)?;
            text.split("\n-- ").next().map(|meaning| meaning.replace('\n', " "))
        }
        // Japanese has no spaces between sentences.
        Language::Japanese => part(JAPANESE, code).map(|(_, text)| text.lines().collect()),
    }
}

/// The first sentence of what a code means.
pub fn summary(code: &str, language: Language) -> Option<String> {
    let meaning = meaning(code, language)?;
    let (end, length) = match language {
        Language::English => (". ", 1),
        Language::Japanese => ("。", "。".len()),
    };
    let first = meaning.find(end).and_then(|at| meaning.get(..at + length)).map(str::to_owned);
    Some(first.unwrap_or(meaning))
}

/// The explanation of a code, its meaning in a language.
///
/// # Errors
/// There is no such code; returns the nearest one, if one is near.
pub fn of(code: &str, language: Language) -> Result<Explanation, Option<String>> {
    let (code, text) = part(TEXT, code).ok_or_else(|| nearest(code, codes()).map(str::to_owned))?;
    let mut explanation = Explanation { code, ..Explanation::default() };
    explanation.meaning = meaning(code, language).unwrap_or_default();
    for section in text.split("\n-- ").skip(1) {
        let (head, body) = section.split_once('\n').unwrap_or((section, ""));
        let body = || expanded(body.trim_end_matches('\n'));
        match head.split_once(' ').unwrap_or((head, "")) {
            ("rules", of) => {
                explanation.wrong = body();
                explanation.of_site = of == "site";
            }
            ("mended", _) => explanation.corrected = body(),
            ("file", name) => explanation.files.push((name, body())),
            ("confined", _) => explanation.confined = true,
            ("site", _) => explanation.site = Some(body()),
            (_, path) => explanation.folders.push(path),
        }
    }
    Ok(explanation)
}

/// A text with `%{…}` replaced, and a line end.
fn expanded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("%{") {
        bytes.extend_from_slice(before.as_bytes());
        let (inner, after) = after.split_once('}').unwrap_or((after, ""));
        match inner.split_once(' ') {
            Some(("byte", byte)) => bytes.extend(u8::from_str_radix(byte, 16).ok()),
            Some((count, text)) => bytes.extend(text.repeat(count.parse().unwrap_or(0)).bytes()),
            None => {
                let c = u32::from_str_radix(inner, 16).ok().and_then(char::from_u32);
                bytes.extend(c.into_iter().collect::<String>().bytes());
            }
        }
        rest = after;
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The wordings of all mistakes, as source code.
    const WORDINGS: [&str; 20] = [
        include_str!("mistake/action.rs"),
        include_str!("mistake/confined.rs"),
        include_str!("mistake/folder.rs"),
        include_str!("mistake/learn.rs"),
        include_str!("mistake/expire.rs"),
        include_str!("mistake/include.rs"),
        include_str!("mistake/logic.rs"),
        include_str!("mistake/mod.rs"),
        include_str!("mistake/name.rs"),
        include_str!("mistake/place.rs"),
        include_str!("mistake/reference.rs"),
        include_str!("mistake/script.rs"),
        include_str!("mistake/setting.rs"),
        include_str!("mistake/site.rs"),
        include_str!("mistake/template.rs"),
        include_str!("mistake/test.rs"),
        include_str!("mistake/word.rs"),
        include_str!("../syntax/mistake.rs"),
        include_str!("../syntax/decode.rs"),
        include_str!("../mistakes.rs"),
    ];

    /// What comes before a code in them.
    const HEADS: [&str; 7] =
        ["error(", "warning(", "severe(", "word(", "code: ", "\"folder-", "=> \"unknown-"];

    fn codes_of_the_source() -> BTreeSet<&'static str> {
        let is_code =
            |code: &&str| code.bytes().all(|b| b.is_ascii_lowercase() || b"-8".contains(&b));
        let mut found = BTreeSet::new();
        for source in WORDINGS.map(|source| source.split("#[cfg(test)]").next().unwrap()) {
            for head in HEADS {
                let quote = head.find('"').unwrap_or(head.len());
                let rests =
                    source.match_indices(head).map(|(at, _)| source[at + quote..].trim_start());
                let codes = rests.filter_map(|rest| rest.strip_prefix('"')?.split('"').next());
                found.extend(codes.filter(is_code));
            }
        }
        found
    }

    #[test]
    fn every_mistake_is_explained_and_nothing_else() {
        let explained: BTreeSet<&str> = codes().collect();
        assert_eq!(explained.len(), codes().count(), "a code stands there twice");
        assert!(explained.len() > 100);
        assert_eq!(codes_of_the_source(), explained);
    }

    #[test]
    fn a_summary_is_the_first_sentence() {
        let found = summary("unclosed-string", Language::English).unwrap();
        assert_eq!(found, "A string has a quote at its beginning and none at its end.");
        let found = summary("unclosed-string", Language::Japanese).unwrap();
        assert_eq!(found, "文字列の始まりに引用符がありますが、終わりにありません。");
        let all = || codes().map(|code| summary(code, Language::English).unwrap());
        assert!(all().all(|text| text.ends_with('.') && !text.contains(". ")));
    }

    #[test]
    fn a_text_is_expanded() {
        assert_eq!(expanded("a%{200b}b%{byte e9}%{3 x,}"), b"a\xe2\x80\x8bb\xe9x,x,x,\n");
        let unknown = of("unknown-feild", Language::Japanese).unwrap_err();
        assert_eq!(unknown.as_deref(), Some("unknown-field"));
        let found = of("not-utf8", Language::English).unwrap();
        assert!(found.meaning.ends_with("converts it."));
        assert!(std::str::from_utf8(&found.wrong).is_err());
    }

    #[test]
    fn every_meaning_has_its_japanese() {
        let japanese: Vec<&str> =
            JAPANESE.lines().filter_map(|line| line.strip_prefix("== ")).collect();
        assert_eq!(japanese, codes().collect::<Vec<_>>());
        let is_japanese = |c: char| ('\u{3041}'..='\u{30fe}').contains(&c);
        for code in japanese {
            let meaning = meaning(code, Language::Japanese).unwrap();
            assert!(meaning.contains(is_japanese), "{code}: {meaning}");
            assert!(meaning.ends_with('。') && !meaning.contains('\n'), "{code}: {meaning}");
            let (_, text) = part(JAPANESE, code).unwrap();
            let mut lines = text.lines().filter(|line| !line.is_empty());
            assert!(lines.all(|line| line.ends_with('。')), "{code}: a line is one sentence");
        }
        let found = of("not-utf8", Language::Japanese).unwrap();
        assert_eq!(
            found.meaning,
            "ファイルの文字コードが UTF-8 ではないか、ファイルが壊れています。\
             文字コードは `iconv` で変換できます。"
        );
        assert_eq!(found.wrong, of("not-utf8", Language::English).unwrap().wrong);
    }

    #[test]
    fn a_meaning_in_japanese_has_the_code_of_the_english_one() {
        const PLACEHOLDERS: [(&str, &str); 3] =
            [("NAME", "名前"), ("CONDITION", "条件"), ("ACTION", "アクション")];
        let samples = |text: &str| -> BTreeSet<String> {
            let samples = text.split('`').skip(1).step_by(2);
            let in_japanese = |sample: &str| {
                PLACEHOLDERS
                    .iter()
                    .fold(sample.to_owned(), |text, (from, to)| text.replace(from, to))
            };
            samples.map(in_japanese).collect()
        };
        for code in codes() {
            let [english, japanese] = [Language::English, Language::Japanese]
                .map(|language| samples(&meaning(code, language).unwrap()));
            assert_eq!(english, japanese, "{code}");
        }
    }
}
