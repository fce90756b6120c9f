//! maildrop's text as words.

use pest::Parser;

use crate::source::Span;

// The derive does not document what it generates.
#[allow(missing_docs)]
mod grammar {
    #[derive(pest_derive::Parser)]
    #[grammar = "../grammar/maildrop.pest"]
    pub(super) struct MaildropGrammar;
}
use grammar::MaildropGrammar;
pub(super) use grammar::Rule;

/// How deep blocks and expressions may nest.
pub(super) const MAX_DEPTH: usize = 48;

/// A word of the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct MaildropToken {
    pub(super) rule: Rule,
    pub(super) span: Span,
}

/// The words of the file with this number.
pub(super) fn tokens(file: u32, text: &str) -> Vec<MaildropToken> {
    let Ok(mut pairs) = MaildropGrammar::parse(Rule::file, text) else { return Vec::new() };
    let all = pairs.next().map(|file| file.into_inner()).into_iter().flatten();
    all.filter(|pair| pair.as_rule() != Rule::EOI)
        .map(|pair| {
            let span = pair.as_span();
            let span = Span { file, start: span.start() as u32, end: span.end() as u32 };
            MaildropToken { rule: pair.as_rule(), span }
        })
        .collect()
}
