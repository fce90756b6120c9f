//! A language server for rules: what `mfilter check`, `fmt` and the manual know, while
//! somebody writes in an editor. The Language Server Protocol 3.17 over standard input
//! and output.
//!
//! Only answers are written, and no program is run. It reads what `check` reads, except
//! that open texts are used instead of their files.

mod completion;
mod definition;
mod diagnostics;
mod document;
mod frame;
mod hover;
mod manual;
mod names;
mod rule_files;
mod server;

pub use server::serve;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::document::{ColumnUnit, offset, position};
    use super::rule_files::ParsedFile;
    use super::{completion, definition, hover, names};
    use crate::syntax::parse_bytes;
    use crate::user::User;

    /// Rules with everything in them, whole and cut off, and texts that are not rules.
    fn texts() -> Vec<String> {
        const RULES: &str = "set me [\"迷惑@example.jp\"]\ninclude \"more\"\nlist friends [\"a@b.example\"]\n\
             define known = from in friends\nscore junk {\n  +3 known and subject contains \"😀\"\n}\n\
             rule \"x\" when [to, cc] contains \"t\" and subject matches /(?<t>a)\\/x/ {\n\
             let t = \"{t}{{t}}{junk:lower}{\"\n  folder \"A/{list-name}\" as seen \"Work\"\n}\n\
             when duplicate of \"{subject}\" within 1d -> reply { text \"\"\"\n  é {t}\n  \"\"\" every 3d }\n\
             on moved to \"B\" -> add from to friends\nexpire \"B\" after 14d -> delete # end\n";
        let mut all: Vec<String> =
            ["", "\"", "{", "\u{feff}x", "\r\n\"{\u{0}", "/", "\"\"\"{"].map(String::from).into();
        all.extend(RULES.char_indices().map(|(at, _)| RULES[..at].to_owned()));
        all.push(RULES.replace('\n', "\r\n"));
        all
    }

    #[test]
    fn no_place_of_any_text_does_harm() {
        for text in texts() {
            let (source, ast, _) = parse_bytes(0, Path::new("/a"), text.as_bytes());
            let files = [ParsedFile { source, ast }];
            let places = names::places(&files);
            for place in &places {
                assert!(text.contains(&place.name), "{place:?} in {text}");
            }
            // Texts that are cut off differ only at their end.
            let last = text.char_indices().rev().take(9).map(|(at, _)| at).chain([text.len()]);
            for at in last {
                completion::at(&text, at, &places, &Vec::new);
                hover::text(&files, &places, &files[0], 0, at as u32);
                definition::declarations(&places, 0, at as u32);
                definition::file(&files[0], at as u32, &User::default());
                for unit in [ColumnUnit::Utf8, ColumnUnit::Utf16] {
                    assert!(offset(&text, position(&text, at, unit), unit) <= at);
                }
            }
        }
    }
}
