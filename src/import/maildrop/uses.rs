//! Which variables and headers a filter asks for, and where.

use super::context::Uses;
use super::expression::{Expression, ExpressionPiece};
use super::parse::{MaildropStatement, MaildropStatementKind};
use crate::import::shell::makes_folders;
use crate::source::Span;

/// Variables that maildrop itself reads: setting them has an effect.
pub(super) const HAS_EFFECT: [&str; 5] = ["DEFAULT", "EXITCODE", "FLAGS", "KEYWORDS", "SENDMAIL"];

const CODE: &str = "RETURNCODE";

impl Uses {
    /// Adds what these statements ask for.
    pub(super) fn collect(&mut self, statements: &[MaildropStatement]) {
        for statement in statements {
            let span = statement.span;
            match &statement.kind {
                MaildropStatementKind::Assign(_, value) => {
                    self.code_number |= value.names().contains(&CODE);
                    self.expression(value, span);
                }
                MaildropStatementKind::If(branches) => {
                    for branch in branches {
                        if let Ok(Some(condition)) = &branch.condition {
                            self.expression(condition, span);
                            let names = condition.names().into_iter().map(str::to_owned);
                            self.tested.extend(names);
                        }
                        self.collect(&branch.body);
                    }
                }
                MaildropStatementKind::Loop(of) => {
                    self.expression(&of.of, span);
                    self.collect(&of.body);
                }
                MaildropStatementKind::Broken(_, inner)
                | MaildropStatementKind::Exception(inner)
                | MaildropStatementKind::Locked(inner) => self.collect(inner),
                MaildropStatementKind::Word(word, argument) => {
                    if *word == "include" {
                        self.includes.push(span);
                        self.all_headers = true;
                    }
                    self.code_number |= argument.names().contains(&CODE);
                    self.expression(argument, span);
                }
                MaildropStatementKind::Command(of) | MaildropStatementKind::Search(of) => {
                    self.expression(of, span);
                }
                MaildropStatementKind::Import(_)
                | MaildropStatementKind::Exit
                | MaildropStatementKind::Comments => {}
            }
        }
    }

    fn expression(&mut self, of: &Expression, span: Span) {
        for name in of.names() {
            match self.read.get_mut(name) {
                Some(spans) => spans.push(span),
                None => drop(self.read.insert(name.to_owned(), vec![span])),
            }
        }
        self.patterns(of);
        self.code(of);
    }

    /// Whether it asks for the number that `$RETURNCODE` is.
    fn code(&mut self, of: &Expression) {
        let is_code = |of: &Expression| {
            matches!(of, Expression::Text(pieces)
                if matches!(pieces.as_slice(), [ExpressionPiece::Variable(name)] if name == CODE))
        };
        match of {
            Expression::Binary(operator, left, right) => match (is_code(left), is_code(right)) {
                (true, false) => self.code_against(right),
                (false, true) => self.code_against(left),
                _ if matches!(operator.as_str(), "&&" | "||") => {
                    self.code(left);
                    self.code(right);
                }
                _ => self.code_number |= of.names().contains(&CODE),
            },
            Expression::Not(inner) if is_code(inner) => {}
            Expression::Not(inner) => self.code(inner),
            other => self.code_number |= !is_code(other) && other.names().contains(&CODE),
        }
    }

    fn code_against(&mut self, other: &Expression) {
        match other {
            Expression::Text(pieces) => match pieces.as_slice() {
                [ExpressionPiece::Raw(number)] if number.trim() == "0" => {}
                [ExpressionPiece::Raw(number)] if number.trim() == "1" => self.code_one = true,
                _ => self.code_number = true,
            },
            _ => self.code_number = true,
        }
    }

    fn patterns(&mut self, of: &Expression) {
        match of {
            Expression::Pattern { of: None, source, .. } => {
                let name = match source.as_slice() {
                    [ExpressionPiece::Raw(raw), ..] => raw.strip_prefix('^').and_then(|rest| {
                        let (name, _) = rest.split_once(':')?;
                        name.bytes()
                            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
                            .then(|| name.to_lowercase())
                    }),
                    _ => None,
                };
                match name {
                    Some(name) => drop(self.headers.insert(name)),
                    None => self.all_headers = true,
                }
            }
            Expression::Pattern { of: Some(of), .. } => self.patterns(of),
            Expression::Not(inner) => self.patterns(inner),
            Expression::Binary(_, left, right) => {
                self.patterns(left);
                self.patterns(right);
            }
            Expression::Joined(parts) | Expression::Call(_, parts) => {
                parts.iter().for_each(|part| self.patterns(part));
            }
            Expression::Text(_) | Expression::Command(_) => {}
        }
    }

    /// Whether a variable is read after a place.
    pub(super) fn is_read_after(&self, name: &str, place: Span) -> bool {
        let after = |span: &Span| span.file != place.file || span.start >= place.end;
        // The last ones are read last.
        let spans = self.read.get(name).map(Vec::as_slice).unwrap_or_default();
        spans.iter().rev().any(after) || self.includes.iter().rev().any(after)
    }
}

/// The names that statements read.
pub(super) fn names_in(statements: &[MaildropStatement]) -> Vec<String> {
    let mut uses = Uses::default();
    uses.collect(statements);
    uses.read.into_keys().collect()
}

/// Every statement in these, at whatever depth.
pub(super) fn walk<'a>(
    statements: &'a [MaildropStatement],
    visit: &mut dyn FnMut(&'a MaildropStatement),
) {
    for statement in statements {
        visit(statement);
        match &statement.kind {
            MaildropStatementKind::If(branches) => {
                branches.iter().for_each(|branch| walk(&branch.body, visit));
            }
            MaildropStatementKind::Loop(of) => walk(&of.body, visit),
            MaildropStatementKind::Broken(_, inner)
            | MaildropStatementKind::Exception(inner)
            | MaildropStatementKind::Locked(inner) => walk(inner, visit),
            _ => {}
        }
    }
}

/// How many units these statements make.
pub(super) fn units_in(statements: &[MaildropStatement]) -> usize {
    let mut count = 0;
    walk(statements, &mut |statement| {
        count += usize::from(match &statement.kind {
            MaildropStatementKind::Word(word, _) => {
                matches!(*word, "to" | "cc" | "xfilter" | "system" | "include")
            }
            MaildropStatementKind::Command(command) => command_of(command).is_none(),
            MaildropStatementKind::Exit => true,
            MaildropStatementKind::Broken(_, inner) => inner.is_empty(),
            _ => false,
        });
    });
    count
}

/// Whether processing of a message may end in one of these.
pub(super) fn may_end(statements: &[MaildropStatement]) -> bool {
    let mut ends = false;
    walk(statements, &mut |statement| {
        ends |= matches!(
            &statement.kind,
            MaildropStatementKind::Word("to" | "include", _) | MaildropStatementKind::Exit
        );
    });
    ends
}

/// Whether one of these creates folders.
pub(super) fn makes_a_folder(statements: &[MaildropStatement]) -> bool {
    let mut makes = false;
    walk(statements, &mut |statement| {
        if let MaildropStatementKind::Command(command) | MaildropStatementKind::Assign(_, command) =
            &statement.kind
        {
            makes |= command_of(command) == Some(true);
        }
    });
    makes
}

/// Whether these do nothing but create folders, and compute which.
pub(super) fn only_makes_folders(statements: &[MaildropStatement]) -> bool {
    let mut only = makes_a_folder(statements);
    walk(statements, &mut |statement| {
        only &= match &statement.kind {
            MaildropStatementKind::Assign(name, value) => {
                !HAS_EFFECT.contains(&name.as_str())
                    && (!value.runs_a_program() || command_of(value).is_some())
            }
            MaildropStatementKind::If(branches) => branches.iter().all(|branch| {
                matches!(&branch.condition, Ok(of) if of.as_ref().is_none_or(|of| !of.runs_a_program()))
            }),
            MaildropStatementKind::Command(command) => command_of(command).is_some(),
            MaildropStatementKind::Loop(..)
            | MaildropStatementKind::Comments
            | MaildropStatementKind::Word("log" | "echo", _) => true,
            _ => false,
        };
    });
    only
}

/// For a command that only checks for folders or creates them: whether it creates any.
pub(super) fn command_of(command: &Expression) -> Option<bool> {
    makes_folders(&command_text(command)?)
}

/// A command as it is written.
pub(super) fn command_text(command: &Expression) -> Option<String> {
    let Expression::Command(pieces) = command else { return None };
    let text = pieces.iter().map(|piece| match piece {
        ExpressionPiece::Raw(raw) => raw.clone(),
        ExpressionPiece::Variable(name) => format!("${{{name}}}"),
    });
    Some(text.collect())
}
