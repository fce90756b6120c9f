//! The layout of the parts of a statement: heads, conditions, actions and values,
//! as docs that break if a line is too long.

use super::super::ast::{
    ActionNode, Choice, ConditionNode, ConditionNodeKind, FieldNode, Fields, MoveDirection,
    MoveEnd, NamedArguments, SpannedText, ValueKind, ValueNode,
};
use super::super::layout::Doc;
use super::super::scan::{self, TokenShape};
use super::super::{literal, words};
use super::Formatter;
use crate::source::Span;

impl Formatter<'_> {
    pub(super) fn head(
        &mut self,
        label: Option<&SpannedText>,
        condition: Option<&ConditionNode>,
    ) -> Vec<Doc> {
        let label = label.map(|label| format!("rule {} ", literal::quote(&label.value)));
        let label = label.unwrap_or_default();
        match condition {
            None => vec![Doc::text(format!("{label}otherwise"))],
            Some(condition) => {
                vec![Doc::text(format!("{label}when ")), Doc::Nest(vec![self.condition(condition)])]
            }
        }
    }

    /// `expire "News" after 14d even unread unless CONDITION`
    pub(super) fn expire(
        &mut self,
        folder: &SpannedText,
        after: &ValueNode,
        even: &[SpannedText],
        unless: Option<&ConditionNode>,
    ) -> Vec<Doc> {
        let (folder, after) = (literal::quote(&folder.value), self.scalar(after));
        let mut text = format!("expire {folder} after {after}");
        for (number, word) in even.iter().enumerate() {
            text.push_str(if number == 0 { " even " } else { ", " });
            text.push_str(&word.value);
        }
        match unless {
            None => vec![Doc::text(text)],
            Some(unless) => {
                vec![Doc::text(text + " unless "), Doc::Nest(vec![self.condition(unless)])]
            }
        }
    }

    /// `isp-filter spam off, virus on`
    pub(super) fn choices(&mut self, choices: &[Choice]) -> Doc {
        let mut docs = vec![Doc::text("isp-filter ")];
        let mut end = None;
        for choice in choices {
            let start = choice.category.as_ref().map_or(choice.on.span, |name| name.span).start;
            if let Some(end) = end {
                docs.push(Doc::text(","));
                docs.push(self.line_between(" ", end, start));
            }
            if let Some(name) = &choice.category {
                docs.push(Doc::text(format!("{} ", bare(&name.value))));
            }
            docs.push(Doc::text(if choice.on.value { "on" } else { "off" }));
            end = Some(choice.on.span.end);
        }
        Doc::group(vec![Doc::Nest(docs)])
    }

    /// `HEAD -> ACTION, …`
    pub(super) fn arrow(&mut self, mut head: Vec<Doc>, end: u32, actions: &[ActionNode]) -> Doc {
        let to = actions.first().map_or(end, |action| action.span.start);
        let line = self.line_between(" ", end, to);
        if let [action] = actions
            && action.named_arguments.is_some()
            && matches!(&line, Doc::Line { comments, .. } if comments.is_empty())
        {
            // `when … -> reply {`: the breaks are within the braces.
            return Doc::group(vec![Doc::group(head), Doc::text(" -> "), self.action(action)]);
        }
        head.push(Doc::Nest(vec![line, Doc::text("-> "), self.actions(actions)]));
        Doc::group(head)
    }

    pub(super) fn actions(&mut self, actions: &[ActionNode]) -> Doc {
        if let [action] = actions {
            return self.action(action);
        }
        let mut docs = Vec::new();
        let mut end = None;
        for action in actions {
            if let Some(end) = end {
                docs.push(Doc::text(","));
                docs.push(self.line_between(" ", end, action.span.start));
            }
            docs.push(self.action(action));
            end = Some(action.span.end);
        }
        Doc::group(vec![Doc::Nest(docs)])
    }

    fn action(&mut self, action: &ActionNode) -> Doc {
        let mut text = action.name.value.clone();
        for (number, argument) in action.arguments.iter().enumerate() {
            let is_value_of_let = action.name.value == "let" && number == 1;
            text.push_str(if is_value_of_let { " = " } else { " " });
            text.push_str(&self.scalar(argument));
        }
        let mut following = String::new();
        if !action.flags.is_empty() {
            following.push_str(" as");
        }
        for flag in &action.flags {
            following.push(' ');
            following.push_str(&self.scalar(flag));
        }
        match &action.named_arguments {
            Some(named_arguments) => {
                let named_arguments = self.named_arguments(named_arguments);
                Doc::group(vec![Doc::text(text + " "), named_arguments, Doc::text(following)])
            }
            None => Doc::text(text + &following),
        }
    }

    /// `{ NAME VALUE … }`: on one line, or each on its own.
    fn named_arguments(&mut self, named_arguments: &NamedArguments) -> Doc {
        let mut inner = Vec::new();
        let mut end = named_arguments.span.start + 1;
        for (name, value) in &named_arguments.all {
            inner.push(self.line_between(" ", end, name.span.start));
            inner.push(Doc::text(format!("{} ", name.value)));
            inner.push(match &value.kind {
                ValueKind::Text(text) if text.contains('\n') => Doc::LongText(text.clone()),
                _ => self.value(value),
            });
            end = value.span.end;
        }
        let last = self.line_between(" ", end, named_arguments.span.end);
        Doc::group(vec![Doc::text("{"), Doc::Nest(inner), last, Doc::text("}")])
    }

    /// Recursive, as deep as the Ast, which the parser keeps shallow.
    pub(super) fn condition(&mut self, condition: &ConditionNode) -> Doc {
        match &condition.kind {
            ConditionNodeKind::All(parts) => self.joined(parts, "and "),
            ConditionNodeKind::Any(parts) => self.joined(parts, "or "),
            ConditionNodeKind::Not(inner) => {
                Doc::group(vec![Doc::text("not "), self.operand(inner, true)])
            }
            ConditionNodeKind::Name(name) => Doc::text(name.value.clone()),
            ConditionNodeKind::Duplicate { of, within, first } => {
                let of = of.as_ref().map(|of| format!(" of {}", literal::quote(&of.value)));
                let within =
                    within.as_ref().map(|within| format!(" within {}", self.scalar(within)));
                Doc::text(format!(
                    "duplicate{}{}{}",
                    of.unwrap_or_default(),
                    within.unwrap_or_default(),
                    if first.is_some() { " of first" } else { "" },
                ))
            }
            ConditionNodeKind::FolderExists(name) => {
                Doc::text(format!("{} {}", words::FOLDER_EXISTS, literal::quote(&name.value)))
            }
            ConditionNodeKind::Has(fields) => {
                Doc::group(vec![Doc::text("has "), self.fields(fields)])
            }
            ConditionNodeKind::Test { fields, operator, value } => Doc::group(vec![
                self.fields(fields),
                Doc::text(format!(" {} ", operator.value)),
                self.value(value),
            ]),
        }
    }

    fn joined(&mut self, parts: &[ConditionNode], joint: &'static str) -> Doc {
        let mut docs = Vec::new();
        let mut end = None;
        for part in parts {
            if let Some(end) = end {
                docs.push(self.line_between(" ", end, part.span.start));
                docs.push(Doc::text(joint));
            }
            docs.push(self.operand(part, joint == "and "));
            end = Some(part.span.end);
        }
        Doc::group(docs)
    }

    /// A part of a condition, in parentheses if necessary.
    fn operand(&mut self, part: &ConditionNode, binds: bool) -> Doc {
        let parentheses = match part.kind {
            ConditionNodeKind::Any(_) => true,
            // Within an `or`, `and` needs none.
            ConditionNodeKind::All(_) => binds,
            _ => false,
        };
        let doc = self.condition(part);
        if !parentheses {
            let joined = matches!(part.kind, ConditionNodeKind::All(_));
            return if joined { Doc::Nest(vec![doc]) } else { doc };
        }
        Doc::group(vec![Doc::text("("), Doc::Nest(vec![doc]), Doc::text(")")])
    }

    fn fields(&mut self, fields: &Fields) -> Doc {
        match fields {
            Fields::One(field) => Doc::text(written(field)),
            Fields::Set { span, of } => {
                self.set(*span, of.iter().map(|field| (field.span, written(field))).collect())
            }
        }
    }

    pub(super) fn value(&mut self, value: &ValueNode) -> Doc {
        let ValueKind::Set(elements) = &value.kind else { return Doc::text(self.scalar(value)) };
        let elements = elements.iter().map(|element| (element.span, self.scalar(element)));
        let elements = elements.collect();
        self.set(value.span, elements)
    }

    /// `[a, b]`
    fn set(&mut self, span: Span, elements: Vec<(Span, String)>) -> Doc {
        let mut inner = Vec::new();
        let mut end = span.start + 1;
        let last = elements.len().saturating_sub(1);
        for (at, (place, text)) in elements.into_iter().enumerate() {
            let flat = if at == 0 { "" } else { " " };
            inner.push(self.line_between(flat, end, place.start));
            inner.push(Doc::text(text));
            inner.push(if at < last { Doc::text(",") } else { Doc::IfBroken(",") });
            end = place.end;
        }
        let last = self.line_between("", end, span.end);
        Doc::group(vec![Doc::text("["), Doc::Nest(inner), last, Doc::text("]")])
    }

    fn scalar(&self, value: &ValueNode) -> String {
        match &value.kind {
            ValueKind::Text(text) => literal::quote(text),
            ValueKind::Pattern { source, case_sensitive } => {
                literal::slashed(source, *case_sensitive)
            }
            ValueKind::Number(number) => format!("{number}"),
            ValueKind::Size(bytes) => self.unit(value).unwrap_or_else(|| literal::size(*bytes)),
            ValueKind::Duration(seconds) => {
                self.unit(value).unwrap_or_else(|| literal::duration(*seconds))
            }
            ValueKind::Date { year, month, day } => format!("{year:04}-{month:02}-{day:02}"),
            ValueKind::Time { hour, minute } => format!("{hour:02}:{minute:02}"),
            ValueKind::Instant(instant) => literal::of_instant(instant),
            ValueKind::Range(from, to) => format!("{}..{}", self.scalar(from), self.scalar(to)),
            ValueKind::Name(name) => name.clone(),
            // The grammar has no sets in sets.
            ValueKind::Set(_) => String::from("[]"),
        }
    }

    /// As it was written: to its author, `7d` is not `1w`.
    fn unit(&self, value: &ValueNode) -> Option<String> {
        let written = self.text.get(value.span.start as usize..value.span.end as usize)?;
        (literal::quantity(written).as_ref() == Some(&value.kind)).then(|| written.to_string())
    }
}

/// The name of a category, without quotes if possible.
fn bare(name: &str) -> String {
    let mut tokens = scan::scan(0, name).tokens.into_iter();
    let word = match (tokens.next(), tokens.next()) {
        (Some(token), None) => {
            token.kind == TokenShape::Word && (token.start, token.end as usize) == (0, name.len())
        }
        _ => false,
    };
    let plain = word && !words::is_reserved(name) && !name.contains(['.', '_', '+']);
    if plain && !matches!(name, "on" | "off") { name.to_owned() } else { literal::quote(name) }
}

/// `on moved from "A" to "B"`
pub(super) fn on_moved(ends: &[MoveEnd]) -> Doc {
    let mut text = String::from("on moved");
    for end in ends {
        let way = match end.direction.value {
            MoveDirection::To => "to",
            MoveDirection::From => "from",
        };
        text.push_str(&format!(" {way} {}", literal::quote(&end.folder.value)));
    }
    Doc::text(text)
}

/// Where the part before the arrow ends.
pub(super) fn end_of_expiry(
    after: &ValueNode,
    even: &[SpannedText],
    unless: Option<&ConditionNode>,
) -> u32 {
    let words = even.last().map_or(after.span.end, |word| word.span.end);
    unless.map_or(words, |unless| unless.span.end)
}

/// Where the last end of a move ends.
pub(super) fn end_of(ends: &[MoveEnd], start: u32) -> u32 {
    ends.last().map_or(start, |end| end.folder.span.end)
}

pub(super) fn signed(weight: f64) -> String {
    format!("{weight:+}")
}

fn written(field: &FieldNode) -> String {
    let mut text = field.name.value.clone();
    if let Some(argument) = &field.argument {
        text.push(' ');
        text.push_str(&literal::quote(&argument.value));
    }
    if let Some(part) = &field.part {
        text.push('.');
        text.push_str(&part.value);
    }
    text
}
