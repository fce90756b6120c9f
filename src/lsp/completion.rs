//! Which words fit at the cursor, judged by the words before it.

use std::ops::Range;

use super::names::{NamePlace, NameRole};
use crate::classify::CLASSIFIERS;
use crate::flags::FLAGS;
use crate::rules::actions::{ACTIONS as BUILT_ACTIONS, NAMED_ARGUMENTS};
use crate::rules::check::{RESULTS, setting_names};
use crate::rules::field::{self, FIELDS, FieldKind, FieldLookup, WEEKDAYS, words_of_run};
use crate::syntax::ast::ListSource;
use crate::syntax::words::{FOLDER_EXISTS, JOINTS, ON, STATEMENTS};
use crate::syntax::{ScanFault, SyntaxToken, TokenShape, scan};

/// The kind of a proposed word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProposalKind {
    /// A statement, an operator, a joining word.
    Word,
    /// An action.
    Action,
    /// A setting, after `set`.
    Setting,
    /// A field.
    Field,
    /// A classifier, or a condition of a `define`.
    Condition,
    /// A list.
    List,
    /// A flag, a result, a day.
    Value,
    /// An existing folder.
    Folder,
}

/// A word that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CompletionWord {
    /// As it is written.
    pub(super) word: String,
    /// What it is.
    pub(super) kind: ProposalKind,
    /// A few words about it; may be empty.
    pub(super) about: String,
}

/// The words that fit at a byte of a text, and the range of bytes that they replace.
pub(super) fn at(
    text: &str,
    offset: usize,
    names: &[NamePlace],
    folders: &dyn Fn() -> Vec<String>,
) -> (Vec<CompletionWord>, Range<usize>) {
    let before = text.get(..offset).unwrap_or_default();
    let scanned = scan(0, before);
    let nothing = (Vec::new(), offset..offset);
    let is_comment = |end: usize| end == offset && !before.ends_with('\n');
    if scanned.comments.last().is_some_and(|comment| is_comment(comment.span.end as usize)) {
        return nothing;
    }
    let mut words = WordsBefore { text: before, tokens: &scanned.tokens, names };
    match scanned.tokens.split_last() {
        // A string that is being written has no end yet.
        Some((
            SyntaxToken { kind: TokenShape::Fault(ScanFault::UnclosedText), start, .. },
            rest,
        )) => {
            words.tokens = rest;
            let start = *start as usize + 1;
            in_string(&words, start, offset, folders).unwrap_or(nothing)
        }
        Some((token, rest)) if token.end as usize == offset && is_word(token.kind) => {
            words.tokens = rest;
            (words.fitting(token.indent.is_some()), token.start as usize..offset)
        }
        Some((SyntaxToken { kind: TokenShape::Fault(_), end, .. }, _))
            if *end as usize == offset =>
        {
            nothing
        }
        _ => {
            let line = before.rsplit('\n').next().unwrap_or_default();
            (words.fitting(line.trim().is_empty()), offset..offset)
        }
    }
}

fn is_word(kind: TokenShape) -> bool {
    matches!(kind, TokenShape::Word)
}

/// In a string: a value to insert, or a folder.
fn in_string(
    words: &WordsBefore<'_>,
    start: usize,
    offset: usize,
    folders: &dyn Fn() -> Vec<String>,
) -> Option<(Vec<CompletionWord>, Range<usize>)> {
    let written = words.text.get(start..offset)?;
    let brace = written.rfind('{').filter(|at| !written[*at..].contains('}'));
    if let Some(at) = brace.filter(|at| !written[..*at].ends_with('{')) {
        return Some((words.fields(), start + at + 1..offset));
    }
    let last = words.back(1);
    let is_folder = match last {
        "folder" | "copy" | "fileinto" | "expire" | "sent" | "senders" | FOLDER_EXISTS => true,
        "trash" | "junk" | "drafts" | "inbox" => words.back(2) == "set",
        "to" | "from" => (2..=4).any(|back| words.back(back) == "moved"),
        _ => false,
    };
    is_folder.then(|| {
        let proposals = folders().into_iter().map(|name| CompletionWord {
            word: name.replace('{', "{{").replace('}', "}}"),
            kind: ProposalKind::Folder,
            about: String::new(),
        });
        (proposals.collect(), start..offset)
    })
}

/// The tokens before the word that is being written.
struct WordsBefore<'a> {
    text: &'a str,
    tokens: &'a [SyntaxToken],
    names: &'a [NamePlace],
}

impl WordsBefore<'_> {
    /// The token `count` tokens back, as written.
    fn back(&self, count: usize) -> &str {
        let token = self.tokens.len().checked_sub(count).and_then(|at| self.tokens.get(at));
        token
            .and_then(|token| self.text.get(token.start as usize..token.end as usize))
            .unwrap_or_default()
    }

    fn kind_back(&self, count: usize) -> Option<TokenShape> {
        Some(self.tokens.get(self.tokens.len().checked_sub(count)?)?.kind)
    }

    /// What fits after these words; `begins` says whether the new word begins its line.
    fn fitting(&self, begins: bool) -> Vec<CompletionWord> {
        let last = self.back(1);
        match self.block() {
            Some("score") if self.kind_back(1) == Some(TokenShape::Quantity) => {
                return self.conditions();
            }
            Some("score") if begins => return Vec::new(),
            Some("reply") if self.is_pair() => return words(NAMED_ARGUMENTS, ProposalKind::Word),
            Some("reply") => return Vec::new(),
            _ => {}
        }
        match self.kind_back(1) {
            None | Some(TokenShape::OpenBlock | TokenShape::CloseBlock) => {
                return self.statements();
            }
            Some(TokenShape::Arrow) => return self.actions(),
            Some(TokenShape::OpenParen) => return self.conditions(),
            Some(TokenShape::OpenSet) => return self.elements(),
            Some(TokenShape::Comma) if self.open_set().is_some() => return self.elements(),
            Some(TokenShape::Comma) => return self.actions(),
            _ => {}
        }
        match last {
            "set" => return words(setting_names(), ProposalKind::Setting),
            "when" | "and" | "or" | "not" | "unless" => return self.conditions(),
            "has" => return self.fields(),
            "as" | "mark" | "unmark" => return flags(),
            "in" => return self.after_in(),
            "is" => return self.after_is(),
            "on" => return words(["moved"], ProposalKind::Word),
            "moved" => return words(["to", "from"], ProposalKind::Word),
            "add" | "remove" => return self.fields(),
            "to" if matches!(self.back(3), "add" | "remove") => return self.lists(),
            "=" if self.back(3) == "define" => return self.conditions(),
            "rule" | "list" | "define" | "score" | "include" | "let" => return Vec::new(),
            _ => {}
        }
        if begins {
            return self.statements();
        }
        if FLAGS.iter().any(|(flag, _)| *flag == last) && self.is_after_flags() {
            return flags();
        }
        if self.back(2) == "list" {
            let sources = ListSource::ALL.map(ListSource::word);
            return words(sources, ProposalKind::Word);
        }
        if self.kind_back(1) == Some(TokenShape::Text) && self.back(2) == "rule" {
            return words(["when", "otherwise"], ProposalKind::Word);
        }
        if let Some(kind) = self.field_before() {
            return kind.operators().map(|word| proposal(word, ProposalKind::Word, "")).collect();
        }
        words(self.continuation().iter().copied(), ProposalKind::Word)
    }

    /// What continues the condition or the action that the last token ends.
    fn continuation(&self) -> &'static [&'static str] {
        const CONDITION: &[&str] = &["and", "or"];
        const ACTION: &[&str] = &["as"];
        if self.block() == Some("score") {
            return CONDITION;
        }
        let words = (1..=self.tokens.len()).find_map(|back| match self.kind_back(back)? {
            TokenShape::Arrow | TokenShape::OpenBlock | TokenShape::CloseBlock => Some(ACTION),
            TokenShape::Word => match self.back(back) {
                "when" | "and" | "or" | "not" | "unless" | "define" => Some(CONDITION),
                "set" | "list" | "include" | "let" | "rule" => Some(&[][..]),
                _ => None,
            },
            _ => None,
        });
        words.unwrap_or(ACTION)
    }

    /// The number of tokens after the open `[`.
    fn open_set(&self) -> Option<usize> {
        self.open(TokenShape::OpenSet, TokenShape::CloseSet)
    }

    /// The number of tokens after the innermost opening sign that is not closed.
    fn open(&self, opens: TokenShape, closes: TokenShape) -> Option<usize> {
        let mut depth = 0;
        self.tokens.iter().rev().position(|token| {
            if token.kind == closes {
                depth += 1;
            } else if token.kind == opens {
                depth -= 1;
            }
            depth < 0
        })
    }

    /// The statement whose block is open: `score`, `reply`; empty for other blocks.
    fn block(&self) -> Option<&str> {
        let open = self.open(TokenShape::OpenBlock, TokenShape::CloseBlock)? + 1;
        let heads = [self.back(open + 1), self.back(open + 2)];
        match heads {
            [.., "score"] => Some("score"),
            ["reply", _] => Some("reply"),
            _ => Some(""),
        }
    }

    /// In `reply { … }`: whether a word comes next rather than a value.
    fn is_pair(&self) -> bool {
        !NAMED_ARGUMENTS.contains(&self.back(1))
    }

    /// In a set: fields where a test begins, otherwise the values that its operator
    /// takes.
    fn elements(&self) -> Vec<CompletionWord> {
        let after = self.open_set().unwrap_or_default() + 1;
        let rest = &self.tokens[..self.tokens.len().saturating_sub(after)];
        let outer = WordsBefore { tokens: rest, ..*self };
        match outer.back(1) {
            "in" | "is" => outer.after_is(),
            "when" | "and" | "or" | "not" | "has" | "(" | "unless" | "=" | "->" | "," => {
                self.fields()
            }
            _ => Vec::new(),
        }
    }

    /// The kind of the field that the last token names, or the token before it if that is
    /// a string.
    fn field_before(&self) -> Option<FieldKind> {
        let name =
            if self.kind_back(1) == Some(TokenShape::Text) { self.back(2) } else { self.back(1) };
        let is_own = self.names.iter().any(|it| it.role == NameRole::Field && it.name == name);
        match field::find(name) {
            Some(FieldLookup::Field(_, kind)) if self.kind_back(1) == Some(TokenShape::Word) => {
                Some(kind)
            }
            Some(FieldLookup::WantsName(kind, _))
                if self.kind_back(1) == Some(TokenShape::Text) =>
            {
                Some(kind)
            }
            None if is_own => Some(FieldKind::Header),
            _ => None,
        }
    }

    fn is_after_flags(&self) -> bool {
        let is_flag = |word: &str| FLAGS.iter().any(|(flag, _)| *flag == word);
        let back = (1..).find(|back| !is_flag(self.back(*back))).unwrap_or(1);
        matches!(self.back(back), "as" | "mark" | "unmark")
    }

    fn statements(&self) -> Vec<CompletionWord> {
        let mut all = words(STATEMENTS.iter().copied(), ProposalKind::Word);
        all.push(proposal(ON, ProposalKind::Word, ""));
        all.extend(self.actions());
        all
    }

    fn actions(&self) -> Vec<CompletionWord> {
        BUILT_ACTIONS.iter().map(|it| proposal(it.name, ProposalKind::Action, it.usage)).collect()
    }

    fn conditions(&self) -> Vec<CompletionWord> {
        let mut all = self.fields();
        let known = CLASSIFIERS.iter().map(|it| it.name).chain(words_of_run());
        let known = known.chain(["duplicate", FOLDER_EXISTS]);
        all.extend(known.map(|word| proposal(word, ProposalKind::Condition, "")));
        all.extend(self.declared(NameRole::Condition, ProposalKind::Condition));
        let joints = JOINTS.iter().filter(|word| matches!(**word, "not" | "has"));
        all.extend(joints.map(|word| proposal(word, ProposalKind::Word, "")));
        all
    }

    fn fields(&self) -> Vec<CompletionWord> {
        let about = |name: &str| {
            let info = FIELDS.iter().find(|info| info.name == name);
            info.map(|info| info.about).or_else(|| {
                let (_, part) = name.split_once('.')?;
                field::PARTS.iter().find(|known| known.0 == part).map(|known| known.3)
            })
        };
        let known = field::names().map(|name| {
            let about = about(&name).unwrap_or("a header").to_owned();
            CompletionWord { word: name, kind: ProposalKind::Field, about }
        });
        known.chain(self.declared(NameRole::Field, ProposalKind::Field)).collect()
    }

    fn lists(&self) -> Vec<CompletionWord> {
        self.declared(NameRole::List, ProposalKind::List)
    }

    /// The names that the rules declare, without duplicates.
    fn declared(&self, role: NameRole, kind: ProposalKind) -> Vec<CompletionWord> {
        let fitting = self.names.iter().filter(|it| it.role == role && it.declaration.is_some());
        let mut names: Vec<&str> = fitting.map(|it| it.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let about = match kind {
            ProposalKind::List => "a list of these rules",
            ProposalKind::Condition => "a condition of these rules",
            _ => "a value of these rules",
        };
        names.into_iter().map(|name| proposal(name, kind, about)).collect()
    }

    /// A list, or a value of the field before the operator.
    fn after_in(&self) -> Vec<CompletionWord> {
        let values = self.after_is();
        if values.is_empty() { self.lists() } else { values }
    }

    fn after_is(&self) -> Vec<CompletionWord> {
        match field::find(self.back(2)) {
            Some(FieldLookup::Field(_, FieldKind::Result)) => {
                words(RESULTS.iter().copied(), ProposalKind::Value)
            }
            Some(FieldLookup::Field(_, FieldKind::Weekday)) => words(WEEKDAYS, ProposalKind::Value),
            _ => Vec::new(),
        }
    }
}

fn flags() -> Vec<CompletionWord> {
    FLAGS.iter().map(|(flag, _)| proposal(flag, ProposalKind::Value, "a flag")).collect()
}

fn words<'a>(all: impl IntoIterator<Item = &'a str>, kind: ProposalKind) -> Vec<CompletionWord> {
    all.into_iter().map(|word| proposal(word, kind, "")).collect()
}

fn proposal(word: &str, kind: ProposalKind, about: &str) -> CompletionWord {
    CompletionWord { word: word.to_owned(), kind, about: about.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What fits at the `|`.
    fn offered(marked: &str) -> Vec<String> {
        let offset = marked.find('|').expect("it is marked");
        let text = marked.replacen('|', "", 1);
        let names =
            [("friends", NameRole::List), ("work", NameRole::Condition), ("junk", NameRole::Field)];
        let span = crate::source::Span::default();
        let names = names.map(|(name, role)| NamePlace {
            name: name.into(),
            role,
            span,
            declaration: Some(span),
        });
        let folders = || vec![String::from("Lists/rust"), String::from("迷惑")];
        let (found, _) = at(&text, offset, &names, &folders);
        found.into_iter().map(|it| it.word).collect()
    }

    #[test]
    fn what_is_offered_fits() {
        for (text, fits, does_not) in [
            ("|", "when", "from"),
            ("wh|", "when", "from"),
            ("inbox\n|", "set", "contains"),
            ("when bulk {\n  |", "folder", "contains"),
            ("set |", "maildir", "when"),
            ("set ma|", "maildir", "when"),
            ("when |", "from.domain", "folder"),
            ("when bulk and not |", "mailing-list", "folder"),
            ("when (|", "work", "folder"),
            ("when has |", "list-id", "bulk"),
            ("when from |", "contains", ">="),
            ("when size |", ">=", "contains"),
            ("when header \"X\" |", "matches", "bulk"),
            ("when from in |", "friends", "work"),
            ("when spf is |", "pass", "friends"),
            ("when weekday in [|", "monday", "friends"),
            ("when [to, |", "cc", "folder"),
            ("when junk |", ">=", "folder"),
            ("when bulk |", "and", "as"),
            ("when bulk and from is \"a\" |", "or", "as"),
            ("define x = bulk |", "and", "as"),
            ("score s {\n  +3 bulk |", "and", "as"),
            ("when bulk -> folder \"A\" |", "as", "and"),
            ("when bulk -> inbox\nfolder \"A\" |", "as", "or"),
            ("when bulk {\n  folder \"A\" |", "as", "or"),
            ("when bulk -> |", "folder", "from"),
            ("when bulk -> mark seen, |", "folder", "from"),
            ("when bulk -> inbox as |", "seen", "folder"),
            ("when bulk -> inbox as seen fl|", "flagged", "folder"),
            ("when bulk -> folder \"|", "Lists/rust", "folder"),
            ("when bulk -> folder \"Li|\"", "迷惑", "folder"),
            ("when bulk -> folder \"Lists/{|", "list-name", "Lists/rust"),
            ("when bulk and not fol|", "folder-exists", "folder"),
            ("when folder-exists \"|", "Lists/rust", "folder"),
            ("when folder-exists \"A\" |", "and", "as"),
            ("on moved to \"|", "Lists/rust", "folder"),
            ("on moved from \"A\" to \"|", "Lists/rust", "folder"),
            ("set junk \"|", "Lists/rust", "folder"),
            ("define x = |", "bulk", "folder"),
            ("score s {\n  +3 |", "bulk", "folder"),
            ("score s {\n  +3 bulk\n}\n|", "when", "bulk"),
            ("when bulk -> reply { |", "subject", "when"),
            ("when bulk -> reply { subject \"x\" te|", "text", "when"),
            ("list x |", "vcard", "folder"),
            ("rule \"x\" |", "when", "folder"),
            ("when bulk -> add from to |", "friends", "bulk"),
        ] {
            let offered = offered(text);
            assert!(offered.iter().any(|word| word == fits), "{text}: {fits} in {offered:?}");
            assert!(!offered.iter().any(|word| word == does_not), "{text}: {does_not}");
        }
    }

    #[test]
    fn nothing_is_offered_where_anything_may_stand() {
        for text in [
            "score s {
  |",
            "when bulk -> reply { every |",
            "# wh|",
            "when subject is \"|",
            "when subject matches /a|",
            "list |",
            "set maildir \"x\" |",
            "rule \"|",
        ] {
            assert_eq!(offered(text), [""; 0], "{text}");
        }
    }
}
