//! One piece read by pest. A mistake in it is replaced by what the hint says, and the piece is
//! read again, as it will be after the author's edit: so its other mistakes are found, too.

use pest::Parser;
use pest::iterators::Pair;

use super::build::{Builder, Read};
use super::diagnose::PieceContext;
use super::grammar::{Grammar, Rule};
use super::mended::MendedPiece;
use super::mistake::{Mistake, SyntaxErrorKind};
use super::{fix, outline, scan};
use crate::diagnostic::{Diagnostic, Fix};
use crate::source::Span;

/// In how many places a piece is mended.
const MOST_FIXES: usize = 20;
/// A longer piece is not read again, bytes.
const LONGEST_PIECE: usize = 8 << 10;

/// A piece of a text parsed by pest.
pub(super) fn parsed<'t>(
    text: &'t str,
    context: &PieceContext,
    rule: Rule,
) -> Read<Pair<'t, Rule>> {
    if let Some(mistake) = context.before_parsing(rule == Rule::only_score_entry) {
        return Err(mistake);
    }
    let span = context.span();
    let text = text.get(span.start as usize..span.end as usize).unwrap_or_default();
    let pair = match Grammar::parse(rule, text) {
        Ok(mut pairs) => pairs.next().and_then(|pair| pair.into_inner().next()),
        Err(error) => return Err(context.explain(&error)),
    };
    let expected = vec!["a statement"];
    let kind = SyntaxErrorKind::Unexpected { found: None, expected, suggestion: None };
    pair.ok_or(Mistake { kind, span })
}

/// A mistake in this piece, at its place in the file; none if it is only in what was put
/// there.
fn reported(piece: &MendedPiece, mistake: Mistake) -> Option<Diagnostic> {
    let place = mistake.span;
    let all = piece.bytes(place);
    if !all.is_empty() && all.iter().all(|origin| !origin.is_own) {
        return None;
    }
    let diagnostic = Diagnostic::from(mistake);
    let fix = diagnostic.fix.filter(|fix| piece.bytes(fix.span).iter().all(|origin| origin.is_own));
    let fix = fix.map(|fix| Fix { span: piece.origin(fix.span.start..fix.span.end), ..fix });
    Some(Diagnostic { span: piece.origin(place.start..place.end), fix, ..diagnostic })
}

/// Reads a piece that has a mistake: all of its mistakes, and what it says if they can all
/// be mended. `text` begins at byte `start` of the file.
pub(super) fn read<T>(
    text: &str,
    start: u32,
    rule: Rule,
    mistake: Mistake,
    make: impl Fn(&mut Builder, Pair<Rule>) -> Read<T>,
) -> (Vec<Diagnostic>, Option<T>) {
    let file = mistake.span.file;
    let mut next = fix::of(&mistake).filter(|fix| fix.span.start >= start).map(|fix| {
        let [from, to] = [fix.span.start, fix.span.end].map(|at| at - start);
        Fix { span: Span { file, start: from, end: to }, ..fix }
    });
    let mut found = vec![Diagnostic::from(mistake)];
    if text.len() > LONGEST_PIECE {
        return (found, None);
    }
    let mut piece = MendedPiece::new(file, start, text);
    for _ in 0..MOST_FIXES {
        if !next.is_some_and(|fix| piece.replace(&fix)) {
            break;
        }
        let tokens = scan::scan(file, &piece.text).tokens;
        let Some(run) = outline::only_piece(file, &piece.text, &tokens) else { break };
        let context = PieceContext { file, text: &piece.text, tokens: &tokens, piece: &run };
        let base = tokens.first().map_or(0, |token| token.start);
        let built = parsed(&piece.text, &context, rule).and_then(|pair| {
            // For what only this finds, at its place in the piece.
            make(&mut Builder::new(file, base, None), pair.clone())?;
            let mut builder = Builder::new(file, base, Some(&piece));
            let made = make(&mut builder, pair)?;
            Ok((made, builder.into_mistakes()))
        });
        match built {
            Ok((made, mistakes)) => {
                found.extend(mistakes.into_iter().map(Diagnostic::from));
                return (found, Some(made));
            }
            Err(mistake) => {
                next = fix::of(&mistake);
                let more = reported(&piece, mistake);
                found.extend(more.filter(|more| !found.iter().any(|it| it.span == more.span)));
            }
        }
    }
    (found, None)
}

#[cfg(test)]
mod tests {
    use crate::diagnostic::Diagnostic;
    use crate::source::SourceFile;
    use crate::syntax::parse;

    fn mistakes(text: &str) -> Vec<Diagnostic> {
        parse(0, &SourceFile::new("rules", text)).1
    }

    #[test]
    fn every_mistake_of_a_statement_is_reported_at_its_place() {
        let cases: [(&str, &[&str]); 10] = [
            ("when subject starts with \"x\" => stop", &["\"x\"", "=>"]),
            ("whne subject contians \"x\" stop", &["whne", "contians", "stop"]),
            ("when subject is 'x' AND body is 'y' -> stop", &["'", "AND", "'"]),
            ("when subject is “x” and size > 5 MB -> stop", &["“", "5 MB"]),
            ("when subject starts with “x” -> stop", &["“", "“x”"]),
            ("when ｓｉｚｅ ＞ ５Ｍ → stop", &["ｓｉｚｅ", "＞", "５Ｍ", "→"]),
            ("if spam & virus then stop", &["if", "&", "then"]),
            ("when spam && virus {\n    stop;\n}", &["&&", ";"]),
            ("score junk {\n    3 spam & virus\n}", &["3", "&"]),
            // What is put there is no mistake of the author's.
            ("when size is over 5 mb and -> stop", &["5", "->"]),
        ];
        for (text, expected) in cases {
            let found = mistakes(text);
            let marked: Vec<&str> = found
                .iter()
                .map(|mistake| &text[mistake.span.start as usize..mistake.span.end as usize])
                .collect();
            assert_eq!(marked, expected, "{text}");
        }
    }

    /// As users of other programs write it.
    const PHRASES: &[&str] = &[
        "when subject starts with \"x\" or from ends with \"y\" -> stop",
        "when subject starts_with \"x\" -> stop",
        "when subject isn't \"x\" -> stop",
        "when subject doesn't contain \"x\" -> stop",
        "when subject does not start with \"x\" -> stop",
        "when subject != \"x\" -> stop",
        "when size != 5M -> stop",
        "when subject: \"x\" -> stop",
        "when from: a@b.example -> folder: A",
        "if from: a@b.example then stop",
        "when !spam -> stop",
        "when from:a@b.example and has:attachment -> stop",
        "when older_than:5d or larger:5M -> stop",
        "when larger than 5 MB -> stop",
        "when older than 5 days -> stop",
        "when size >> 5M -> stop",
        "when time between 22:00 and 07:00 -> stop",
        "when to/cc contains \"x\" -> stop",
        "when to, cc contains \"x\" -> stop",
        "when (to or cc) contains \"x\" -> stop",
        "when domain of from is \"b.example\" -> stop",
        "when from domain is \"b.example\" -> stop",
        "when from me and spam score > 5 -> stop",
        "when is spam and no virus -> stop",
        "when is a mailing-list -> stop",
        "when contains subject \"x\" -> stop",
        "when \"x\" is subject -> stop",
        "when subject is \"x\" or \"y\" -> stop",
        "when subject contains (\"x\" or \"y\") -> stop",
        "when header:X-A is \"x\" and header[\"X-B\"] is \"y\" and header(\"X-C\") is \"z\" -> stop",
        "rule when spam -> stop",
        "rule \"a\": when spam -> stop",
        "rule \"a\" spam -> stop",
        "when spam --> stop",
        "when spam - > stop",
        "when spam ー> stop",
        "when spam -> move to folder \"A\"",
        "when spam -> skip the inbox",
        "when spam -> forward \"a@b.example\" as copy",
        "when spam -> folder(\"A\") and mark seen",
        "when spam -> | bogofilter -p",
        "when spam -> stop。",
        "when moved to \"A\" -> add from to black",
        "list friends \"a@b.example\", \"c@d.example\"",
        "list friends (\"a@b.example\")",
        "list \"friends\" [\"a@b.example\"]",
        "define x: spam",
        "define x spam",
        "def x = spam",
        "expire \"A\" every 30 days -> delete",
        "from \"a@b.example\" -> stop",
        "もし subject 含む \"x\" -> stop",
    ];

    #[test]
    fn what_the_hints_say_makes_rules_without_a_mistake() {
        let mut failures = String::new();
        for phrase in PHRASES {
            let mut text = (*phrase).to_owned();
            let mut left = mistakes(&text);
            if left.is_empty() {
                failures += &format!("{phrase}\n  has no mistake\n");
            }
            while let Some(fix) = left.iter().find_map(|mistake| mistake.fix.clone()) {
                text.replace_range(fix.span.start as usize..fix.span.end as usize, &fix.text);
                let now = mistakes(&text);
                if now.len() >= left.len() {
                    break;
                }
                left = now;
            }
            if let Some(mistake) = left.first() {
                failures += &format!("{phrase}\n{text}\n  {}\n", mistake.message);
            }
        }
        assert!(failures.is_empty(), "{failures}");
    }

    #[test]
    fn a_long_piece_is_not_read_again() {
        let long = format!("when subject is 'x' and body is \"{}\" => stop", "a".repeat(9000));
        assert_eq!(mistakes(&long).len(), 1);
    }
}
