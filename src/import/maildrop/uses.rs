//! Which variables and headers a filter asks for, and where.

use super::context::Uses;
use super::expression::{Expression, Piece};
use super::parse::{Statement, StatementKind};
use crate::import::shell::makes_folders;
use crate::source::Span;

impl Uses {
    /// Takes in what these statements ask for.
    pub(super) fn collect(&mut self, statements: &[Statement]) {
        for statement in statements {
            let span = statement.span;
            match &statement.kind {
                StatementKind::Assign(_, value) => self.expression(value, span),
                StatementKind::If(branches) => {
                    for branch in branches {
                        if let Ok(Some(condition)) = &branch.condition {
                            self.expression(condition, span);
                            let names = condition.names().into_iter().map(str::to_owned);
                            self.tested.extend(names);
                        }
                        self.collect(&branch.body);
                    }
                }
                StatementKind::Loop(_, _, inner)
                | StatementKind::Broken(_, inner)
                | StatementKind::Exception(inner)
                | StatementKind::Locked(inner) => self.collect(inner),
                StatementKind::Word(word, argument) => {
                    if *word == "include" {
                        self.includes.push(span);
                        self.all_headers = true;
                    }
                    self.expression(argument, span);
                }
                StatementKind::Command(of) | StatementKind::Search(of) => {
                    self.expression(of, span);
                }
                StatementKind::Import(_) | StatementKind::Exit | StatementKind::Comments => {}
            }
        }
    }

    fn expression(&mut self, of: &Expression, span: Span) {
        self.read.extend(of.names().into_iter().map(|name| (name.to_owned(), span)));
        self.patterns(of);
    }

    fn patterns(&mut self, of: &Expression) {
        match of {
            Expression::Pattern { of: None, source, .. } => {
                let name = match source.as_slice() {
                    [Piece::Raw(raw), ..] => raw.strip_prefix('^').and_then(|rest| {
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

    /// Whether a variable is read behind a place.
    pub(super) fn is_read_behind(&self, name: &str, place: Span) -> bool {
        let behind = |span: &Span| span.file != place.file || span.start >= place.end;
        self.read.iter().any(|(read, span)| read == name && behind(span))
            || self.includes.iter().any(behind)
    }
}

/// The names that statements read.
pub(super) fn names_in(statements: &[Statement]) -> Vec<String> {
    let mut uses = Uses::default();
    uses.collect(statements);
    uses.read.into_iter().map(|(name, _)| name).collect()
}

/// Every statement in these, at whatever depth.
pub(super) fn walk<'a>(statements: &'a [Statement], visit: &mut dyn FnMut(&'a Statement)) {
    for statement in statements {
        visit(statement);
        match &statement.kind {
            StatementKind::If(branches) => {
                branches.iter().for_each(|branch| walk(&branch.body, visit));
            }
            StatementKind::Loop(_, _, inner)
            | StatementKind::Broken(_, inner)
            | StatementKind::Exception(inner)
            | StatementKind::Locked(inner) => walk(inner, visit),
            _ => {}
        }
    }
}

/// How many units these statements are.
pub(super) fn units_in(statements: &[Statement]) -> usize {
    let mut count = 0;
    walk(statements, &mut |statement| {
        count += usize::from(match &statement.kind {
            StatementKind::Word(word, _) => {
                matches!(*word, "to" | "cc" | "xfilter" | "system" | "include")
            }
            StatementKind::Command(command) => command_of(command).is_none(),
            StatementKind::Exit => true,
            StatementKind::Broken(_, inner) => inner.is_empty(),
            _ => false,
        });
    });
    count
}

/// Whether mail may end in one of these.
pub(super) fn may_end(statements: &[Statement]) -> bool {
    let mut ends = false;
    walk(statements, &mut |statement| {
        ends |= matches!(
            &statement.kind,
            StatementKind::Word("to" | "include", _) | StatementKind::Exit
        );
    });
    ends
}

/// Whether one of these makes folders.
pub(super) fn makes_a_folder(statements: &[Statement]) -> bool {
    let mut makes = false;
    walk(statements, &mut |statement| {
        if let StatementKind::Command(command) = &statement.kind {
            makes |= command_of(command) == Some(true);
        }
    });
    makes
}

/// Of a command that only looks for folders or makes them: whether it makes some.
pub(super) fn command_of(command: &Expression) -> Option<bool> {
    makes_folders(&command_text(command)?)
}

/// A command as it is written.
pub(super) fn command_text(command: &Expression) -> Option<String> {
    let Expression::Command(pieces) = command else { return None };
    let text = pieces.iter().map(|piece| match piece {
        Piece::Raw(raw) => raw.clone(),
        Piece::Variable(name) => format!("${{{name}}}"),
    });
    Some(text.collect())
}
