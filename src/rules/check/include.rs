//! `include`: the statements of another file, here.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use super::{Checker, resolve};
use crate::diagnostic::Severity;
use crate::rules::mistake::IncludeMistake;
use crate::syntax::ast::{Ast, SpannedText};
use crate::syntax::parse_bytes;

/// How many files may include each other in a chain.
const MAX_DEPTH: usize = 16;
/// How many includes may be followed in all.
const MAX_INCLUDES: usize = 1000;

/// The chain of files, and what was read of others.
#[derive(Default)]
pub(super) struct IncludeStack {
    /// From the main file to the one that is being read.
    stack: Vec<PathBuf>,
    /// Files that were read before.
    read: HashMap<PathBuf, Rc<Ast>>,
    followed: usize,
}

impl IncludeStack {
    pub(super) fn enter(&mut self, path: PathBuf) {
        self.stack.push(tidy(&path));
    }
}

impl Checker<'_, '_> {
    /// Inserts the statements of an included file in place.
    pub(super) fn include(&mut self, file: &SpannedText) {
        let written = &file.value;
        let path = resolve(written, self.sources.path(file.span), self.context.home);
        let path = tidy(&path);
        self.shell_path(written, file.span, Severity::Warning);
        let mistake = if self.included.stack.contains(&path) {
            IncludeMistake::Cycle { path: written.clone() }
        } else if self.included.stack.len() > MAX_DEPTH {
            IncludeMistake::TooDeep { limit: MAX_DEPTH }
        } else if self.included.followed >= MAX_INCLUDES {
            if self.included.followed > MAX_INCLUDES {
                return;
            }
            self.included.followed += 1;
            IncludeMistake::TooMany { limit: MAX_INCLUDES }
        } else {
            self.included.followed += 1;
            match self.read(&path) {
                Ok(ast) => {
                    self.included.stack.push(path);
                    self.walk(&ast.statements);
                    self.untranslated(&ast);
                    self.included.stack.pop();
                    return;
                }
                Err(error) => {
                    IncludeMistake::Unreadable { path: written.clone(), reason: reason(&error) }
                }
            }
        };
        self.incomplete = true;
        self.report(file.span, mistake);
    }

    fn read(&mut self, path: &Path) -> io::Result<Rc<Ast>> {
        if let Some(ast) = self.included.read.get(path) {
            return Ok(ast.clone());
        }
        let bytes = (self.context.load)(path)?;
        let file = self.sources.files().len() as u32;
        let (source, ast, diagnostics) = parse_bytes(file, path, &bytes);
        self.sources.add(source);
        self.incomplete |= ast.statements.is_empty() && !diagnostics.is_empty();
        self.diagnostics.extend(diagnostics);
        let ast = Rc::new(ast);
        self.included.read.insert(path.to_owned(), ast.clone());
        Ok(ast)
    }
}

/// Why a file cannot be read, for people.
pub(super) fn reason(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => String::from("there is no such file"),
        _ => error.to_string(),
    }
}

/// The same path without `.` and, as far as the names alone allow, without `..`.
pub fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(tidy.components().next_back(), Some(Component::Normal(_))) =>
            {
                tidy.pop();
            }
            part => tidy.push(part),
        }
    }
    tidy
}
