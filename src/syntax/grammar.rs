//! What pest generates from `grammar/mailrules.pest`: a parser, and a name for each part.

#![allow(missing_docs, reason = "the derive documents nothing of what it makes")]

/// The parser.
#[derive(pest_derive::Parser)]
#[grammar = "../grammar/mailrules.pest"]
pub(super) struct Grammar;
