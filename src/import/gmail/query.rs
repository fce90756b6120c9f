//! Gmail's search syntax: words, `"phrases"`, `OR`, `|`, `( )`, `{ }`, `-`, `field:`.

/// Deeper queries are not read.
const DEPTH_MAX: usize = 32;
/// What a search can be about. Before any other colon is a word.
const FIELDS: [&str; 24] = [
    "from",
    "to",
    "cc",
    "bcc",
    "subject",
    "list",
    "filename",
    "deliveredto",
    "replyto",
    "rfc822msgid",
    "label",
    "category",
    "has",
    "is",
    "in",
    "size",
    "larger",
    "smaller",
    "after",
    "newer",
    "before",
    "older",
    "older_than",
    "newer_than",
];

/// A query as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum GmailQuery {
    /// A word, or words in this order.
    Words(String),
    /// `from:…`
    Field(String, Box<GmailQuery>),
    /// All of them.
    All(Vec<GmailQuery>),
    /// One of them.
    Any(Vec<GmailQuery>),
    /// Not that.
    Not(Box<GmailQuery>),
}

/// A query that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parsed {
    pub(super) query: GmailQuery,
    /// There is an `OR` beside words without it, and no parentheses say what belongs
    /// together.
    pub(super) mixed: bool,
    /// A sign between two words, as in `a:b`, was read as a blank.
    pub(super) separated: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum QueryToken {
    Word(String),
    Phrase(String),
    /// `name:`, before its value.
    Field(String),
    Open(char),
    Close(char),
    Minus,
    Or,
}

/// Reads a query.
///
/// # Errors
/// What in it cannot be read.
pub(super) fn parse(text: &str) -> Result<Parsed, String> {
    let mut separated = false;
    let tokens = tokens(text, &mut separated)?;
    let mut parser = QueryParser { tokens, at: 0, mixed: false };
    let query = parser.sequence(None, 0)?;
    Ok(Parsed { query, mixed: parser.mixed, separated })
}

fn tokens(text: &str, separated: &mut bool) -> Result<Vec<QueryToken>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(sign) = rest.chars().next() {
        let following = rest.get(sign.len_utf8()..).unwrap_or_default();
        match sign {
            '(' | '{' => tokens.push(QueryToken::Open(sign)),
            ')' => tokens.push(QueryToken::Close('(')),
            '}' => tokens.push(QueryToken::Close('{')),
            '|' => tokens.push(QueryToken::Or),
            '-' => tokens.push(QueryToken::Minus),
            '+' => {}
            '"' | '“' | '”' => {
                let end = following.find(['"', '“', '”']).ok_or("a quote is not closed")?;
                tokens
                    .push(QueryToken::Phrase(following.get(..end).unwrap_or_default().to_owned()));
                let after = following.get(end..).unwrap_or_default();
                let sign = after.chars().next().map_or(0, char::len_utf8);
                rest = after.get(sign..).unwrap_or_default().trim_start();
                continue;
            }
            _ => {
                let end = rest
                    .find(|c: char| c.is_whitespace() || "(){}|\"“”".contains(c))
                    .unwrap_or(rest.len());
                let word = rest.get(..end).unwrap_or_default();
                rest = rest.get(end..).unwrap_or_default();
                *separated |= word_tokens(word, &mut tokens);
                rest = rest.trim_start();
                continue;
            }
        }
        rest = following.trim_start();
    }
    Ok(tokens)
}

/// The tokens of a text without blanks; whether a sign in it separates words.
fn word_tokens(word: &str, tokens: &mut Vec<QueryToken>) -> bool {
    match word {
        "OR" => {
            tokens.push(QueryToken::Or);
            return false;
        }
        // Terms side by side must all match anyway.
        "AND" => return false,
        _ => {}
    }
    let field = word
        .split_once(':')
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .filter(|(name, _)| FIELDS.contains(&name.as_str()));
    let Some((name, value)) = field else { return separate_words(word, tokens) };
    tokens.push(QueryToken::Field(name));
    let value = match value.strip_prefix('-') {
        Some(value) => {
            tokens.push(QueryToken::Minus);
            value
        }
        None => value,
    };
    !value.is_empty() && separate_words(value, tokens)
}

/// Words between which a sign is that Gmail reads as a blank; whether there are several.
/// An address has such signs, too.
fn separate_words(text: &str, tokens: &mut Vec<QueryToken>) -> bool {
    let signs = if text.contains('@') { ",;" } else { ",;:~#$%^*+<>?`" };
    let words = text.split(|c| signs.contains(c)).filter(|word| !word.is_empty());
    let words: Vec<QueryToken> = words.map(|word| QueryToken::Word(word.to_owned())).collect();
    let several = words.len() > 1;
    match words.is_empty() {
        true => tokens.push(QueryToken::Word(text.to_owned())),
        false if several => {
            tokens.push(QueryToken::Open('('));
            tokens.extend(words);
            tokens.push(QueryToken::Close('('));
        }
        false => tokens.extend(words),
    }
    several
}

struct QueryParser {
    tokens: Vec<QueryToken>,
    at: usize,
    mixed: bool,
}

impl QueryParser {
    fn next(&mut self) -> Option<QueryToken> {
        let token = self.tokens.get(self.at).cloned();
        self.at += usize::from(token.is_some());
        token
    }

    /// Everything up to the closing sign of `within`: in `{ }` one of the terms must
    /// match, otherwise all, where `OR` joins its neighbours.
    fn sequence(&mut self, within: Option<char>, depth: usize) -> Result<GmailQuery, String> {
        if depth > DEPTH_MAX {
            return Err("the search is nested too deeply".into());
        }
        // Each contains what `OR` has joined.
        let mut groups: Vec<Vec<GmailQuery>> = Vec::new();
        let mut joins = false;
        loop {
            match self.tokens.get(self.at) {
                None if within.is_some() => return Err("a parenthesis is not closed".into()),
                None => break,
                Some(QueryToken::Close(sign)) => {
                    if within != Some(*sign) {
                        return Err("a parenthesis is closed that is not open".into());
                    }
                    self.at += 1;
                    break;
                }
                Some(QueryToken::Or) => {
                    self.at += 1;
                    if groups.is_empty() || joins {
                        return Err("`OR` needs a word on both sides".into());
                    }
                    joins = true;
                }
                Some(_) => {
                    let item = self.item(depth)?;
                    match groups.last_mut() {
                        Some(group) if joins => group.push(item),
                        _ => groups.push(vec![item]),
                    }
                    joins = false;
                }
            }
        }
        if joins {
            return Err("`OR` needs a word on both sides".into());
        }
        if groups.is_empty() {
            return Err("the search is empty".into());
        }
        if within == Some('{') {
            return Ok(any(groups.into_iter().flatten().collect()));
        }
        self.mixed |= groups.len() > 1 && groups.iter().any(|group| group.len() > 1);
        let mut all: Vec<GmailQuery> = groups.into_iter().map(any).collect();
        Ok(if all.len() == 1 { all.remove(0) } else { GmailQuery::All(all) })
    }

    fn item(&mut self, depth: usize) -> Result<GmailQuery, String> {
        if depth > DEPTH_MAX {
            return Err("the search is nested too deeply".into());
        }
        match self.next() {
            Some(QueryToken::Word(word)) if word == "AROUND" => Err("`AROUND` is not known".into()),
            Some(QueryToken::Word(text) | QueryToken::Phrase(text)) => Ok(GmailQuery::Words(text)),
            Some(QueryToken::Open(sign)) => self.sequence(Some(sign), depth + 1),
            Some(QueryToken::Minus) => Ok(GmailQuery::Not(Box::new(self.item(depth + 1)?))),
            Some(QueryToken::Field(name)) => {
                let of = match self.tokens.get(self.at) {
                    None | Some(QueryToken::Close(_) | QueryToken::Or | QueryToken::Field(_)) => {
                        return Err(format!("`{name}:` is about nothing"));
                    }
                    Some(_) => self.item(depth + 1)?,
                };
                Ok(GmailQuery::Field(name, Box::new(of)))
            }
            Some(QueryToken::Close(_) | QueryToken::Or) | None => Err("a word is missing".into()),
        }
    }
}

fn any(mut group: Vec<GmailQuery>) -> GmailQuery {
    if group.len() == 1 { group.remove(0) } else { GmailQuery::Any(group) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A query in parentheses throughout.
    fn shown(query: &GmailQuery) -> String {
        let list = |joint: &str, of: &[GmailQuery]| {
            format!("({})", of.iter().map(shown).collect::<Vec<_>>().join(joint))
        };
        match query {
            GmailQuery::Words(words) => format!("'{words}'"),
            GmailQuery::Field(name, of) => format!("{name}:{}", shown(of)),
            GmailQuery::All(of) => list(" & ", of),
            GmailQuery::Any(of) => list(" | ", of),
            GmailQuery::Not(of) => format!("!{}", shown(of)),
        }
    }

    #[test]
    fn the_search_syntax() {
        for (text, wanted) in [
            ("a", "'a'"),
            ("a b", "('a' & 'b')"),
            ("\"a b\" c", "('a b' & 'c')"),
            ("a OR b|c", "('a' | 'b' | 'c')"),
            ("a b OR c d", "('a' & ('b' | 'c') & 'd')"),
            ("(a b) OR c", "(('a' & 'b') | 'c')"),
            ("{a b} -c", "(('a' | 'b') & !'c')"),
            (
                "from:(a@b.example OR c) -subject:\"x y\"",
                "(from:('a@b.example' | 'c') & !subject:'x y')",
            ),
            (
                "List:<dev.example.org> AND has:attachment",
                "(list:'dev.example.org' & has:'attachment')",
            ),
            ("from:{a b} to:-me", "(from:('a' | 'b') & to:!'me')"),
            ("subject: hello", "subject:'hello'"),
            ("http://a.example/", "('http' & '//a.example/')"),
            ("Invitation: a,b", "('Invitation' & ('a' & 'b'))"),
            ("from:a+b@x.example,c@x.example", "from:('a+b@x.example' & 'c@x.example')"),
            ("C++ *", "('C' & '*')"),
        ] {
            assert_eq!(shown(&parse(text).unwrap().query), wanted, "{text}");
        }
        assert!(parse("a OR b c").unwrap().mixed && !parse("(a OR b) c").unwrap().mixed);
        assert!(parse("x a:b").unwrap().separated && !parse("a: b@c.example").unwrap().separated);
    }

    #[test]
    fn what_cannot_be_read_is_reported() {
        let deep = "(".repeat(100) + "a" + &")".repeat(100);
        let minus = "-".repeat(100) + "a";
        for text in [
            "",
            "(a",
            "a)",
            "{a)",
            "\"a",
            "OR a",
            "a OR",
            "a OR OR b",
            "from:",
            "()",
            &deep,
            &minus,
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
