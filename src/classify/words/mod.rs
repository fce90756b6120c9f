//! The words that classifiers know: the tables next to this file, which
//! `build.rs` turns into Rust, and how a phrase is found in a text.

use memchr::memmem;

#[allow(missing_docs)]
mod tables {
    include!(concat!(env!("OUT_DIR"), "/words.rs"));
}

pub use tables::*;

/// How many bytes a `*` in a phrase stands for at most: an address, a name.
const GAP: usize = 120;

/// Further places of a phrase's first half are ignored.
const MOST_PLACES: usize = 100;

/// The first of the phrases that a folded text contains.
pub fn find(phrases: &[&'static str], text: &str) -> Option<&'static str> {
    phrases.iter().find(|phrase| has(phrase, text)).copied()
}

/// Whether a phrase is in a text.
fn has(phrase: &str, text: &str) -> bool {
    let text = text.as_bytes();
    let Some((before, after)) = phrase.split_once('*') else {
        return memmem::find(text, phrase.as_bytes()).is_some();
    };
    let (before, after) = (before.trim_end().as_bytes(), after.trim_start().as_bytes());
    memmem::find_iter(text, before).take(MOST_PLACES).any(|at| {
        let start = at + before.len();
        let end = text.len().min(start + GAP + after.len());
        memmem::find(&text[start..end], after).is_some()
    })
}

/// A folded text with one kind of apostrophe and one kind of `i`: the Turkish
/// capital has a dot, which folding leaves after the letter.
pub fn plain(folded: &str) -> String {
    folded.replace(['\u{2019}', '\u{2bc}'], "'").replace("i\u{307}", "i")
}

#[cfg(test)]
#[path = "../../../build/tables.rs"]
mod reader;

#[cfg(test)]
mod tests {
    use super::{find, plain, reader};
    use crate::message::fold::fold;
    use std::fs;
    use std::path::{Path, PathBuf};

    fn files() -> Vec<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/classify/words");
        let files = fs::read_dir(folder).expect("it is there").flatten().map(|file| file.path());
        files.filter(|path| path.extension().is_some_and(|ending| ending == "txt")).collect()
    }

    #[test]
    fn phrases_are_written_as_texts_are_compared() {
        let mut wrong = Vec::new();
        for path in files() {
            let text = fs::read_to_string(&path).expect("UTF-8");
            let mut of_names = false;
            for (number, line) in (1..).zip(text.lines()) {
                if line.starts_with('[') {
                    of_names = line.contains("headers");
                }
                let same = of_names || line.starts_with(['#', '[']) || plain(&fold(line)) == line;
                if !same {
                    wrong.push(format!("{}:{number}: {}", path.display(), plain(&fold(line))));
                }
            }
        }
        assert!(wrong.is_empty(), "write it so:\n{}", wrong.join("\n"));
    }

    #[test]
    fn a_malformed_line_is_reported() {
        for (text, told) in [
            ("a\n", "1: a line before the first heading: a"),
            ("[a]\nx\n\ny \n", "4: a blank at the start or end: y "),
            ("[a]\n{x,y\n", "2: a `{` without `}`: {x,y"),
            ("[a]\nx} y\n", "2: a `}` without `{`: x} y"),
            ("[a]\n{x} y\n", "2: braces without a choice: {x} y"),
            ("[a]\n{x ,}\n", "2: a choice leaves a blank at the start or end: {x ,}"),
            ("[a B]\nx\n[a]\ny\n", "3: a table with and without a value: [a]"),
            ("[A]\nx\n", "1: a heading that is not a name: [A]"),
            ("[a]\n[b]\nx\n", "[a ] has no line"),
        ] {
            assert_eq!(reader::rust_of(text), Err(told.to_owned()), "{text}");
        }
    }

    #[test]
    fn tables_become_rust() {
        let text = "# about\n[a-b]\n# de\n{x,y} z\ny z\n[c 1]\np\n[c 2]\nq\n[c 1]\nr\n";
        assert_eq!(
            reader::rust_of(text).as_deref(),
            Ok(concat!(
                "pub static A_B: &[&str] = &[\"x z\", \"y z\"];\n",
                "pub static C: &[(&str, &[&str])] = &[(\"1\", &[\"p\", \"r\"]), (\"2\", &[\"q\"])];\n",
            ))
        );
    }

    #[test]
    fn text_between_units() {
        let phrases = &["message to * bounced", "邮箱* 已满"];
        assert_eq!(find(phrases, "your message to a@b.example bounced"), Some(phrases[0]));
        assert_eq!(find(phrases, "您的邮箱已满"), Some(phrases[1]));
        assert_eq!(find(phrases, "bounced: a message to you"), None);
        let far = format!("message to {} bounced", "x".repeat(200));
        assert_eq!(find(phrases, &far), None);
    }
}
