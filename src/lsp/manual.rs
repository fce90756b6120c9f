//! What mailrules(5) says about a word: its entry in one of the page's tables, as plain
//! text.

/// The page; a comment, `table NAME`, precedes each table.
const PAGE: &str = include_str!("../../man/mailrules.5");

/// Macros whose arguments are printed unchanged.
const PLAIN: [&str; 12] = ["Ic", "Ar", "Cm", "Em", "Sy", "Li", "Pa", "Va", "Ev", "No", "Sx", "Nm"];

/// The entry of a word in a table, if it has one.
pub(super) fn entry(table: &str, word: &str) -> Option<String> {
    let (_, table) = PAGE.split_once(&format!(".\\\" table {table}\n"))?;
    let mut depth = 0;
    let (mut heads, mut body): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    let is_found = |heads: &[&str]| heads.iter().any(|head| names(head, word));
    for line in table.lines() {
        match line.split(' ').next() {
            Some(".Bl") => depth += 1,
            Some(".El") => depth -= 1,
            Some(".It") if depth == 1 => {
                if !body.is_empty() {
                    if is_found(&heads) {
                        break;
                    }
                    heads.clear();
                    body.clear();
                }
                // In a table with columns, each line is an entry.
                if line.contains(" Ta ") {
                    heads.clear();
                    if names(line, word) {
                        heads.push(line);
                        break;
                    }
                } else {
                    heads.push(line);
                }
                continue;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if !heads.is_empty() {
            body.push(line);
        }
    }
    let heads = heads.iter().filter(|_| is_found(&heads));
    let heads: Vec<String> =
        heads.map(|head| macro_line(head.strip_prefix(".It ").unwrap_or(head), &[])).collect();
    (!heads.is_empty())
        .then(|| format!("{}\n\n{}", heads.join("\n"), page(&body)).trim_end().into())
}

/// Whether the head of an entry contains this word of the language.
fn names(head: &str, word: &str) -> bool {
    let mut is_word = false;
    // In a table with columns, only the first column.
    let mut tokens = head.split(' ').skip(1).take_while(|token| *token != "Ta");
    tokens.any(|token| {
        if is_macro(token) {
            is_word = matches!(token, "Ic" | "Cm");
        }
        is_word && token == word
    })
}

fn is_macro(token: &str) -> bool {
    PLAIN.contains(&token)
        || matches!(
            token,
            "Ns" | "Ta"
                | "Fl"
                | "Xr"
                | "Ql"
                | "Qq"
                | "Dq"
                | "Pq"
                | "Op"
                | "Qo"
                | "Qc"
                | "Oo"
                | "Oc"
        )
}

/// Macros for words of the language, which are put in quotes to set them apart.
const QUOTED: [&str; 2] = ["Ic", "Cm"];

/// Lines of the page as text: paragraphs filled, examples unchanged.
fn page(lines: &[&str]) -> String {
    let mut out = String::new();
    let mut literal = false;
    for line in lines {
        let first = line.split(' ').next().unwrap_or_default();
        match first {
            _ if line.starts_with(".\\\"") => {}
            ".Bd" => {
                literal = line.contains("-literal");
                out.push_str("\n\n");
            }
            ".Ed" => {
                literal = false;
                out.push('\n');
            }
            _ if literal => {
                out.push_str(&format!("    {}\n", plain(line)));
            }
            ".Pp" | ".Bl" | ".El" => out.push_str("\n\n"),
            ".It" => {
                out.push_str(&format!(
                    "\n- {}",
                    macro_line(line.strip_prefix(".It").unwrap_or(""), &[])
                ));
            }
            _ => {
                if !out.is_empty() && !out.ends_with('\n') {
                    out.push(' ');
                }
                match line.strip_prefix('.') {
                    Some(line) => out.push_str(&macro_line(line, &QUOTED)),
                    None => out.push_str(&plain(line)),
                }
            }
        }
    }
    while out.contains("\n\n\n") {
        out = out.replace("\n\n\n", "\n\n");
    }
    out.trim_matches('\n').to_owned()
}

/// A line of macros as text, the arguments of some of them in quotes.
fn macro_line(line: &str, quoted: &[&str]) -> String {
    let mut out = PlainLine::default();
    // The closing signs still due at the end of the line.
    let mut open: Vec<&str> = Vec::new();
    let mut tokens = line.split(' ').filter(|token| !token.is_empty()).peekable();
    let (mut is_literal, mut in_literal) = (false, false);
    while let Some(token) = tokens.next() {
        let closes = matches!(token, "." | "," | ";" | ":" | ")" | "]" | "?" | "!");
        if in_literal && (is_macro(token) || closes) {
            out.close("`");
            in_literal = false;
        }
        if is_macro(token) {
            is_literal = token == "Ql" || quoted.contains(&token);
        }
        let is_last = closes && tokens.peek().is_none();
        match token {
            _ if is_last => {
                open.drain(..).rev().for_each(|sign| out.close(sign));
                out.close(token);
            }
            _ if closes => out.close(token),
            "(" | "[" => out.open(token),
            "Ns" => out.touches = true,
            "Ta" => {
                open.drain(..).rev().for_each(|sign| out.close(sign));
                out.word("—");
            }
            "Fl" => out.open("-"),
            "Xr" => {
                let (page, section) = (tokens.next(), tokens.next());
                out.word(&format!("{}({})", page.unwrap_or_default(), section.unwrap_or_default()));
            }
            "Nm" if tokens.peek().is_none_or(|next| is_macro(next)) => out.word("mfilter"),
            "Qq" | "Dq" | "Pq" | "Op" => {
                let (opens, closes) = match token {
                    "Pq" => ("(", ")"),
                    "Op" => ("[", "]"),
                    _ => ("\"", "\""),
                };
                out.open(opens);
                open.push(closes);
            }
            "Qo" => out.open("\""),
            "Qc" => out.close("\""),
            "Oo" => out.open("["),
            "Oc" => out.close("]"),
            "Ql" => {}
            _ if PLAIN.contains(&token) => {}
            _ => {
                if is_literal && !in_literal {
                    out.open("`");
                    in_literal = true;
                }
                out.word(&plain(token));
            }
        }
    }
    if in_literal {
        out.close("`");
    }
    open.drain(..).rev().for_each(|sign| out.close(sign));
    out.text
}

/// Words with blanks between them, and signs that follow without a blank.
#[derive(Default)]
struct PlainLine {
    text: String,
    /// The next word follows without a blank.
    touches: bool,
}

impl PlainLine {
    fn word(&mut self, word: &str) {
        if !self.text.is_empty() && !self.touches {
            self.text.push(' ');
        }
        self.touches = false;
        self.text.push_str(word);
    }

    fn open(&mut self, sign: &str) {
        self.word(sign);
        self.touches = true;
    }

    fn close(&mut self, sign: &str) {
        self.text.push_str(sign);
        self.touches = false;
    }
}

/// Text without roff's escapes.
fn plain(text: &str) -> String {
    text.replace("\\(dq", "\"")
        .replace("\\(aq", "'")
        .replace("\\(ha", "^")
        .replace("\\(ti", "~")
        .replace("\\&", "")
        .replace("\\-", "-")
        .replace("\\e", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::CLASSIFIERS;
    use crate::rules::actions::ACTIONS;
    use crate::rules::check::setting_names;
    use crate::rules::field::{FIELDS, OPERATORS};
    use crate::syntax::words::{FOLDER_EXISTS, STATEMENTS};

    #[test]
    fn every_word_of_a_table_has_an_entry() {
        let tables: [(&str, Vec<&str>); 6] = [
            (
                "classifiers",
                CLASSIFIERS
                    .iter()
                    .map(|classifier| classifier.name)
                    .chain([FOLDER_EXISTS])
                    .collect(),
            ),
            ("actions", ACTIONS.iter().map(|action| action.name).collect()),
            ("settings", setting_names().collect()),
            ("fields", FIELDS.iter().map(|field| field.name).collect()),
            ("operators", OPERATORS.iter().map(|(word, _)| *word).collect()),
            ("statements", STATEMENTS.to_vec()),
        ];
        for (table, words) in tables {
            for word in words {
                let text = entry(table, word).unwrap_or_else(|| panic!("{table}: {word}"));
                assert!(text.contains(word), "{text}");
                let left = ["\\(", "\\&", " . ", " , ", "Ns ", "Qq ", "Ta ", "Ic ", ".Pp"];
                assert!(!left.iter().any(|left| text.contains(left)), "{table}: {text}");
            }
        }
        assert_eq!(entry("classifiers", "no-such-word"), None);
        assert_eq!(entry("no-such-table", "bulk"), None);
    }

    #[test]
    fn an_entry_reads_as_the_page_does() {
        assert_eq!(
            entry("actions", "folder").as_deref(),
            Some(
                "folder \"name\" [as flag ...]\n\n\
                 Deliver to that folder, which is created if it is missing. `/` separates \
                 levels. Ends the run."
            )
        );
        assert_eq!(
            entry("fields", "thread").as_deref(),
            Some("thread — text — the conversation, by short hashes; see Threads")
        );
        let text = entry("classifiers", "duplicate").expect("there is one");
        assert!(text.contains("within `set duplicates-for`, with"), "{text}");
        let text = entry("settings", "maildir").expect("there is one");
        assert!(text.contains("and also `layout`, `shared`, `log`, `sendmail` and"), "{text}");
        let text = entry("states", "in-my-thread").expect("there is one");
        assert!(text.contains("(`list` known `sent` \"Sent\", `list` seen"), "{text}");
        let lets = entry("actions", "let").expect("there is one");
        assert!(lets.contains("\n    when team is \"urgent\" "), "{lets}");
        assert!(lets.contains("tests use it like a field of that name: `when team"), "{lets}");
        assert_eq!(entry("fields", "score"), None, "it is none of its own");
    }
}
