//! pest's pairs to Ast: one statement, head or entry at a time.

mod statement;

use pest::iterators::Pair;

use crate::source::{Span, Spanned};
use crate::syntax::ast::{
    ActionNode, Choice, ConditionNode, ConditionNodeKind, FieldNode, Fields, ListSource,
    MoveDirection, MoveEnd, NamedArguments, ScriptOption, SpannedText, StatementNodeKind,
    ValueKind, ValueNode,
};
use crate::syntax::grammar::Rule;
use crate::syntax::literal;
use crate::syntax::mended::MendedPiece;
use crate::syntax::mistake::{Mistake, SyntaxErrorKind};
use crate::syntax::words;
use statement::StatementParts;

/// What was read, or the single mistake in its place.
pub(in crate::syntax) type Read<T> = Result<T, Mistake>;

/// A condition, and its place including the parentheses around it.
type SpannedCondition = (ConditionNode, Span);

/// Builds the Ast of one piece from pest's pairs. The grammar determines the
/// contents of a pair; if they differed, the result would be a mistake, not a
/// panic.
pub(in crate::syntax) struct Builder<'m> {
    file: u32,
    /// Where the piece begins.
    base: u32,
    /// Where its bytes come from, if they are not those of the file.
    mended: Option<&'m MendedPiece>,
    /// Mistakes in strings that are usable nevertheless.
    escapes: Vec<Mistake>,
}

impl<'m> Builder<'m> {
    /// For a piece that begins at byte `base` of a file, or of a mended piece.
    pub(in crate::syntax) fn new(
        file: u32,
        base: u32,
        mended: Option<&'m MendedPiece>,
    ) -> Builder<'m> {
        Builder { file, base, mended, escapes: Vec::new() }
    }

    /// The mistakes in what was built nevertheless.
    pub(in crate::syntax) fn into_mistakes(self) -> Vec<Mistake> {
        self.escapes
    }

    /// For cases that the grammar rules out.
    pub(in crate::syntax) fn impossible(&self) -> Mistake {
        Mistake {
            kind: SyntaxErrorKind::Unexpected {
                found: None,
                expected: Vec::new(),
                suggestion: None,
            },
            span: self.place(0, 0),
        }
    }

    /// pest counts the blanks after a part as belonging to it if an optional part
    /// that could follow is missing; the end of its last token is the true end.
    fn span(&self, pair: &Pair<Rule>) -> Span {
        let start = pair.as_span().start();
        let mut last = pair.clone();
        while let Some(inner) = last.clone().into_inner().next_back() {
            last = inner;
        }
        self.place(start, last.as_span().end())
    }

    /// What these bytes of the piece are in the file.
    fn place(&self, start: usize, end: usize) -> Span {
        let [start, end] = [start, end].map(|at| self.base + at as u32);
        match self.mended {
            Some(mended) => mended.origin(start..end),
            None => Span { file: self.file, start, end },
        }
    }

    pub(in crate::syntax) fn word(&self, pair: &Pair<Rule>) -> SpannedText {
        Spanned { value: pair.as_str().to_string(), span: self.span(pair) }
    }

    fn string(&mut self, pair: &Pair<Rule>) -> SpannedText {
        let start = pair.as_span().start();
        let written = pair.as_str();
        let mut escapes = Vec::new();
        let value = literal::unquote(written, |at| {
            let kind =
                SyntaxErrorKind::BadEscape(written.get(at.clone()).unwrap_or_default().to_string());
            let span = self.place(start + at.start, start + at.end);
            escapes.push(Mistake { kind, span });
        });
        self.escapes.append(&mut escapes);
        Spanned { value, span: self.span(pair) }
    }

    pub(in crate::syntax) fn statement(&mut self, pair: Pair<Rule>) -> Read<StatementNodeKind> {
        let rule = pair.as_rule();
        if rule == Rule::actions {
            return Ok(StatementNodeKind::Actions(self.actions(pair)?));
        }
        let parts = self.statement_parts(pair)?;
        parts.into_kind(rule).ok_or_else(|| self.impossible())
    }

    fn statement_parts(&mut self, pair: Pair<Rule>) -> Read<StatementParts> {
        let rule = pair.as_rule();
        let mut parts = StatementParts::default();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::isp_choice => parts.choices.push(self.choice(part)?),
                Rule::label_kind => parts.label_kind = Some(self.word(&part)),
                Rule::name | Rule::setting => parts.word = Some(self.word(&part)),
                Rule::kept_mail => parts.even.push(self.word(&part)),
                Rule::quantity => parts.value = Some(self.scalar(&part)?),
                Rule::list_source => {
                    parts.source =
                        ListSource::ALL.into_iter().find(|source| source.word() == part.as_str());
                }
                Rule::sieve_word => parts.is_sieve = true,
                Rule::script_option => parts.options.push(self.script_option(part)?),
                Rule::move_end => parts.ends.push(self.move_end(part)?),
                Rule::string if rule == Rule::list => {
                    let Spanned { value, span } = self.string(&part);
                    parts.value = Some(ValueNode { span, kind: ValueKind::Text(value) });
                }
                Rule::string => parts.word = Some(self.string(&part)),
                Rule::value => parts.value = Some(self.value(part)?),
                Rule::set_of_values => parts.value = Some(self.set(part)?),
                Rule::condition => parts.condition = Some(self.condition(part)?.0),
                Rule::actions => parts.actions = self.actions(part)?,
                Rule::group_head => (parts.label, parts.condition) = self.group_head(part)?,
                _ => {}
            }
        }
        Ok(parts)
    }

    fn script_option(&mut self, pair: Pair<Rule>) -> Read<ScriptOption> {
        let (mut name, mut value) = (None, None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => name = Some(self.word(&part)),
                Rule::string => value = Some(self.string(&part)),
                _ => {}
            }
        }
        match (name, value) {
            (Some(name), Some(value)) => Ok(ScriptOption { name, value }),
            _ => Err(self.impossible()),
        }
    }

    pub(in crate::syntax) fn group_head(
        &mut self,
        pair: Pair<Rule>,
    ) -> Read<(Option<SpannedText>, Option<ConditionNode>)> {
        let mut label = None;
        let mut condition = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::string => label = Some(self.string(&part)),
                Rule::condition => condition = Some(self.condition(part)?.0),
                _ => {}
            }
        }
        Ok((label, condition))
    }

    /// `to "Folder"`
    fn move_end(&mut self, pair: Pair<Rule>) -> Read<MoveEnd> {
        let (mut direction, mut folder) = (None, None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::move_way => {
                    let value =
                        if part.as_str() == "to" { MoveDirection::To } else { MoveDirection::From };
                    direction = Some(Spanned { value, span: self.span(&part) });
                }
                Rule::string => folder = Some(self.string(&part)),
                _ => {}
            }
        }
        let (Some(direction), Some(folder)) = (direction, folder) else {
            return Err(self.impossible());
        };
        Ok(MoveEnd { direction, folder })
    }

    fn choice(&mut self, pair: Pair<Rule>) -> Read<Choice> {
        let mut category = None;
        let mut on = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => category = Some(self.word(&part)),
                Rule::string => category = Some(self.string(&part)),
                Rule::switch => {
                    on = Some(Spanned { value: part.as_str() == "on", span: self.span(&part) });
                }
                _ => {}
            }
        }
        Ok(Choice { category, on: on.ok_or_else(|| self.impossible())? })
    }

    /// The name of a category, and whether it is mandatory.
    pub(in crate::syntax) fn category_head(
        &mut self,
        pair: Pair<Rule>,
    ) -> Read<(SpannedText, bool)> {
        let mut name = None;
        let mut mandatory = false;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => name = Some(self.word(&part)),
                Rule::string => name = Some(self.string(&part)),
                Rule::mandatory_word => mandatory = true,
                _ => {}
            }
        }
        Ok((name.ok_or_else(|| self.impossible())?, mandatory))
    }

    pub(in crate::syntax) fn entry(
        &mut self,
        pair: Pair<Rule>,
    ) -> Read<(Spanned<f64>, ConditionNode)> {
        let mut weight = None;
        let mut condition = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::weight => {
                    let span = self.span(&part);
                    let Some(ValueKind::Number(value)) = literal::quantity(part.as_str()) else {
                        let kind = SyntaxErrorKind::BadWeight(part.as_str().to_string());
                        return Err(Mistake { kind, span });
                    };
                    weight = Some(Spanned { value, span });
                }
                Rule::condition => condition = Some(self.condition(part)?.0),
                _ => {}
            }
        }
        weight.zip(condition).ok_or_else(|| self.impossible())
    }

    fn actions(&mut self, pair: Pair<Rule>) -> Read<Vec<ActionNode>> {
        let parts = pair.into_inner().filter(|part| part.as_rule() == Rule::action);
        parts.map(|part| self.action(part)).collect()
    }

    fn action(&mut self, pair: Pair<Rule>) -> Read<ActionNode> {
        let span = self.span(&pair);
        let mut name = None;
        let mut arguments = Vec::new();
        let mut flags = Vec::new();
        let mut named_arguments = None;
        let mut after_as = false;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::action_name | Rule::forward_word | Rule::reply_word | Rule::let_word => {
                    name = Some(self.word(&part));
                }
                Rule::equals => {}
                Rule::copy_word => {
                    let word = self.word(&part);
                    arguments
                        .push(ValueNode { span: word.span, kind: ValueKind::Name(word.value) });
                }
                Rule::as_word => after_as = true,
                Rule::named_arguments => named_arguments = Some(self.named_arguments(part)?),
                _ => {
                    let value = self.scalar(&part)?;
                    if after_as { &mut flags } else { &mut arguments }.push(value);
                }
            }
        }
        let name = name.ok_or_else(|| self.impossible())?;
        Ok(ActionNode { span, name, arguments, named_arguments, flags })
    }

    /// `{ NAME VALUE … }`
    fn named_arguments(&mut self, pair: Pair<Rule>) -> Read<NamedArguments> {
        let span = self.span(&pair);
        let mut all = Vec::new();
        for part in pair.into_inner().filter(|part| part.as_rule() == Rule::named_argument) {
            let (mut name, mut value) = (None, None);
            for inner in part.into_inner() {
                match inner.as_rule() {
                    Rule::argument_name => name = Some(self.word(&inner)),
                    _ => value = Some(self.value(inner)?),
                }
            }
            all.push(name.zip(value).ok_or_else(|| self.impossible())?);
        }
        Ok(NamedArguments { span, all })
    }

    /// Recursive, but no deeper than the outline allows parentheses to be.
    fn condition(&mut self, pair: Pair<Rule>) -> Read<SpannedCondition> {
        self.joined(pair, Rule::all, ConditionNodeKind::Any, |builder, all| {
            builder.joined(all, Rule::unary, ConditionNodeKind::All, |builder, pair| {
                builder.unary(pair)
            })
        })
    }

    fn joined(
        &mut self,
        pair: Pair<Rule>,
        of: Rule,
        join: fn(Vec<ConditionNode>) -> ConditionNodeKind,
        read: fn(&mut Builder, Pair<Rule>) -> Read<SpannedCondition>,
    ) -> Read<SpannedCondition> {
        let mut parts = Vec::new();
        let mut place: Option<Span> = None;
        for part in pair.into_inner().filter(|part| part.as_rule() == of) {
            let (condition, span) = read(self, part)?;
            place = Some(place.map_or(span, |place| place.to(span)));
            parts.push(condition);
        }
        let span = place.ok_or_else(|| self.impossible())?;
        if parts.len() > 1 {
            return Ok((ConditionNode { span, kind: join(parts) }, span));
        }
        let only = parts.pop().ok_or_else(|| self.impossible())?;
        Ok((only, span))
    }

    fn unary(&mut self, pair: Pair<Rule>) -> Read<SpannedCondition> {
        let span = self.span(&pair);
        let mut nots = Vec::new();
        let mut operand = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::not_word => nots.push(self.span(&part)),
                Rule::open_paren | Rule::close_paren => {}
                _ => operand = Some(self.operand(part)?),
            }
        }
        let mut condition = operand.ok_or_else(|| self.impossible())?;
        for not in nots.into_iter().rev() {
            let kind = ConditionNodeKind::Not(Box::new(condition));
            condition = ConditionNode { span: not.to(span), kind };
        }
        Ok((condition, span))
    }

    /// What `not` can negate.
    fn operand(&mut self, pair: Pair<Rule>) -> Read<ConditionNode> {
        let span = self.span(&pair);
        let kind = match pair.as_rule() {
            Rule::condition => return Ok(self.condition(pair)?.0),
            Rule::test => return self.test(pair, span),
            Rule::has => {
                let fields = pair.into_inner().find(|part| part.as_rule() != Rule::has_word);
                let fields = fields.ok_or_else(|| self.impossible())?;
                ConditionNodeKind::Has(self.fields(fields)?)
            }
            Rule::duplicate => self.duplicate(pair)?,
            Rule::folder_exists => {
                let name = pair.into_inner().find(|part| part.as_rule() == Rule::string);
                let name = name.ok_or_else(|| self.impossible())?;
                ConditionNodeKind::FolderExists(self.string(&name))
            }
            _ => return Err(self.impossible()),
        };
        Ok(ConditionNode { span, kind })
    }

    fn duplicate(&mut self, pair: Pair<Rule>) -> Read<ConditionNodeKind> {
        let (mut of, mut within, mut first) = (None, None, None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::string => of = Some(self.string(&part)),
                Rule::quantity => within = Some(self.quantity(&part)?),
                Rule::of_first => first = Some(self.span(&part)),
                _ => {}
            }
        }
        Ok(ConditionNodeKind::Duplicate { of, within, first })
    }

    fn test(&mut self, pair: Pair<Rule>, span: Span) -> Read<ConditionNode> {
        let mut fields = None;
        let mut operator = None;
        let mut value = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::field | Rule::keyed_field | Rule::field_set => {
                    fields = Some(self.fields(part)?);
                }
                Rule::operator => operator = Some(self.word(&part)),
                Rule::value => value = Some(self.value(part)?),
                _ => {}
            }
        }
        let kind = match (fields, operator, value) {
            (Some(fields), Some(operator), Some(value)) => {
                ConditionNodeKind::Test { fields, operator, value }
            }
            (Some(fields), None, None) => match fields {
                Fields::One(FieldNode { name, argument: None, .. }) => {
                    ConditionNodeKind::Name(name)
                }
                _ => {
                    let kind = SyntaxErrorKind::Unexpected {
                        found: None,
                        expected: vec![words::name_of(Rule::operator)],
                        suggestion: None,
                    };
                    return Err(Mistake { kind, span: Span { start: span.end, ..span } });
                }
            },
            _ => return Err(self.impossible()),
        };
        Ok(ConditionNode { span, kind })
    }

    fn fields(&mut self, pair: Pair<Rule>) -> Read<Fields> {
        if pair.as_rule() != Rule::field_set {
            return Ok(Fields::One(self.field(pair)?));
        }
        let span = self.span(&pair);
        let is_field =
            |part: &Pair<Rule>| matches!(part.as_rule(), Rule::field | Rule::keyed_field);
        let of = pair.into_inner().filter(is_field).map(|part| self.field(part));
        Ok(Fields::Set { span, of: of.collect::<Read<_>>()? })
    }

    fn field(&mut self, pair: Pair<Rule>) -> Read<FieldNode> {
        let span = self.span(&pair);
        let (mut name, mut argument, mut part) = (None, None, None);
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::string => argument = Some(self.string(&inner)),
                Rule::field_part => {
                    let dotted = self.word(&inner);
                    let place = inner.as_span();
                    let span = self.place(place.start() + 1, place.end());
                    part = Some(Spanned { value: dotted.value[1..].to_owned(), span });
                }
                _ => name = Some(self.word(&inner)),
            }
        }
        Ok(FieldNode { span, name: name.ok_or_else(|| self.impossible())?, argument, part })
    }

    fn value(&mut self, pair: Pair<Rule>) -> Read<ValueNode> {
        let part = pair.into_inner().next().ok_or_else(|| self.impossible())?;
        match part.as_rule() {
            Rule::set_of_values => self.set(part),
            _ => self.element(part),
        }
    }

    fn set(&mut self, pair: Pair<Rule>) -> Read<ValueNode> {
        let span = self.span(&pair);
        let elements = pair.into_inner().filter(|part| part.as_rule() == Rule::element);
        let elements = elements.map(|part| self.element(part)).collect::<Read<_>>()?;
        Ok(ValueNode { span, kind: ValueKind::Set(elements) })
    }

    fn element(&mut self, pair: Pair<Rule>) -> Read<ValueNode> {
        let span = self.span(&pair);
        let mut bounds = Vec::new();
        for part in pair.into_inner().filter(|part| part.as_rule() != Rule::dots) {
            bounds.push(self.scalar(&part)?);
        }
        match (bounds.pop(), bounds.pop()) {
            (Some(to), Some(from)) => {
                Ok(ValueNode { span, kind: ValueKind::Range(Box::new(from), Box::new(to)) })
            }
            (Some(only), None) => Ok(only),
            _ => Err(self.impossible()),
        }
    }

    fn scalar(&mut self, pair: &Pair<Rule>) -> Read<ValueNode> {
        let span = self.span(pair);
        let kind = match pair.as_rule() {
            Rule::string => ValueKind::Text(self.string(pair).value),
            Rule::pattern => {
                let (source, flags) = literal::pattern(pair.as_str());
                if !matches!(flags, "" | "c") {
                    let end = pair.as_span().end();
                    let kind = SyntaxErrorKind::BadPatternFlag(flags.to_string());
                    return Err(Mistake { kind, span: self.place(end - flags.len(), end) });
                }
                ValueKind::Pattern { source, case_sensitive: !flags.is_empty() }
            }
            Rule::quantity => return self.quantity(pair),
            _ => ValueKind::Name(pair.as_str().to_string()),
        };
        Ok(ValueNode { span, kind })
    }

    fn quantity(&mut self, pair: &Pair<Rule>) -> Read<ValueNode> {
        let span = self.span(pair);
        let written = pair.as_str();
        match literal::quantity(written) {
            Some(kind) => Ok(ValueNode { span, kind }),
            None => Err(Mistake { kind: SyntaxErrorKind::BadQuantity(written.to_string()), span }),
        }
    }
}
