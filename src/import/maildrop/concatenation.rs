//! A `foreach` that puts the parts of a text together again, and `substr`:
//!
//! ```text
//! foreach ($MATCH3) =~ /[^.]+/
//! {
//!     DOMAIN="${DOMAIN}-${MATCH}"
//! }
//! DOMAIN=substr($DOMAIN, 1)
//! ```
//!
//! It is how lists are filed by their domains.

use super::context::FilterLowering;
use super::expression::{Expression, ExpressionPiece};
use super::parse::{MaildropLoop, MaildropStatement, MaildropStatementKind};
use super::value::{MaildropVariable, kept_name};
use crate::import::ir::{Cond, Effect, Unit, literal, pattern_literal};
use crate::source::Span;

/// How many separators one rule replaces each; all of them together as many as no list's
/// address has.
const AT_ONCE: [usize; 5] = [16, 8, 4, 2, 1];

/// What such a loop does.
struct JoiningLoop<'a> {
    /// What the parts are taken from.
    of: &'a Expression,
    /// What separates them: the inside of a set.
    separators: &'a str,
    /// The variable in which they are put together.
    name: &'a str,
    glue: &'a str,
}

impl JoiningLoop<'_> {
    fn of(repeated: &MaildropLoop) -> Option<JoiningLoop<'_>> {
        let Expression::Pattern { of: Some(of), source, options } = &repeated.of else {
            return None;
        };
        let [ExpressionPiece::Raw(source)] = source.as_slice() else { return None };
        let separators = source.strip_prefix("[^")?.strip_suffix("]+")?;
        let is_plain = |c: char| c.is_ascii_punctuation() && !"[]^-\\/".contains(c) || c == ' ';
        if !options.is_empty() || separators.is_empty() || !separators.chars().all(is_plain) {
            return None;
        }
        let is_real =
            |inner: &&MaildropStatement| !matches!(inner.kind, MaildropStatementKind::Comments);
        let mut body = repeated.body.iter().filter(is_real);
        let (Some(only), None) = (body.next(), body.next()) else { return None };
        let MaildropStatementKind::Assign(name, Expression::Text(pieces)) = &only.kind else {
            return None;
        };
        let [
            ExpressionPiece::Variable(own),
            ExpressionPiece::Raw(glue),
            ExpressionPiece::Variable(part),
        ] = pieces.as_slice()
        else {
            return None;
        };
        let joins = own == name && part == "MATCH" && !glue.contains(|c| separators.contains(c));
        joins.then_some(JoiningLoop { of, separators, name, glue })
    }
}

impl FilterLowering<'_> {
    /// A loop that puts parts together; none if it does something else.
    pub(super) fn joining(&mut self, span: Span, repeated: &MaildropLoop) -> Option<Unit> {
        let joining = JoiningLoop::of(repeated)?;
        let MaildropVariable::Constant(before) = self.variables.get(joining.name) else {
            return None;
        };
        let template = self.text_of(joining.of).ok()?.template;
        self.variables.forget_matches();
        let kept = kept_name(joining.name);
        let set: String =
            joining.separators.chars().map(|c| pattern_literal(&c.to_string())).collect();
        let (glue, part) = (literal(joining.glue), format!("([^{set}]+)"));
        let mut effects = vec![Effect::Let(kept.clone(), template)];
        let mut change = |pattern: String, template: String| {
            let condition = Cond::matches(vec![kept.clone()], pattern, false);
            let effect = Effect::Let(kept.clone(), template);
            effects.push(Effect::Rule(Unit::part(span, condition, vec![effect])));
        };
        change(format!("^[{set}]+(.*)$"), "{1}".into());
        change(format!("^(.*[^{set}])[{set}]+$"), "{1}".into());
        for count in AT_ONCE {
            let parts = vec![part.as_str(); count].join(&format!("[{set}]+"));
            let groups: Vec<String> = (1..=count + 1).map(|group| format!("{{{group}}}")).collect();
            change(format!("^{parts}[{set}]+(.*)$"), groups.join(&glue));
        }
        change("^(.+)$".into(), format!("{}{glue}{{1}}", literal(&before)));
        if !before.is_empty() {
            let condition = Cond::not(Cond::Word(format!("has {kept}")));
            let effect = Effect::Let(kept.clone(), literal(&before));
            effects.push(Effect::Rule(Unit::part(span, condition, vec![effect])));
        }
        if before.is_empty() && joining.glue.is_ascii() {
            self.joined.insert(joining.name.to_owned(), joining.glue.len());
        }
        self.variables.set(joining.name, MaildropVariable::Kept(kept, None));
        Some(Unit { effects, count: 0, ..Unit::new(span) })
    }

    /// `NAME=substr($NAME, 1)` after such a loop: without what stands before the first
    /// part.
    pub(super) fn cut(&mut self, span: Span, name: &str, value: &Expression) -> Option<Unit> {
        let Expression::Call(function, arguments) = value else { return None };
        let ("substr", [Expression::Text(of), Expression::Text(from)]) =
            (function.as_str(), arguments.as_slice())
        else {
            return None;
        };
        let ([ExpressionPiece::Variable(of)], [ExpressionPiece::Raw(from)]) =
            (of.as_slice(), from.as_slice())
        else {
            return None;
        };
        let MaildropVariable::Kept(field, None) = self.variables.get(of) else { return None };
        if self.joined.get(of).map(usize::to_string).as_ref() != Some(from) {
            return None;
        }
        let kept = kept_name(name);
        let condition = Cond::matches(vec![field], format!("^.{{{from}}}(.*)$"), false);
        let rule = Unit::part(span, condition, vec![Effect::Let(kept.clone(), "{1}".into())]);
        self.joined.remove(name);
        self.variables.set(name, MaildropVariable::Kept(kept, None));
        Some(Unit { effects: vec![Effect::Rule(rule)], count: 0, ..Unit::new(span) })
    }
}
