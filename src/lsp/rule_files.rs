//! The files that a set of rules consists of, parsed.

use std::path::{Path, PathBuf};

use super::document::OpenDocuments;
use crate::load::default_rules;
use crate::rules::check::{resolve, tidy};
use crate::source::{SourceFile, read_rules};
use crate::syntax::ast::{Ast, Body, StatementNode, StatementNodeKind};
use crate::syntax::parse_bytes;
use crate::user::User;

/// How many files are read; names in further ones are not known.
const MOST_FILES: usize = 200;

/// One of the files; its number is its index among them.
#[derive(Debug)]
pub(super) struct ParsedFile {
    /// Its text.
    pub(super) source: SourceFile,
    /// What could be read of it.
    pub(super) ast: Ast,
}

/// The rules that a file belongs to, by their main file: the user's rules if these
/// include it, otherwise the file itself.
pub(super) fn main_of(path: &Path, documents: &OpenDocuments, user: &User) -> PathBuf {
    let users = default_rules(user).ok().filter(|main| main != path);
    let users = users.filter(|main| {
        let files = read(main, documents, user);
        files.iter().any(|file| file.source.path == path)
    });
    users.unwrap_or_else(|| path.to_owned())
}

/// The file and all files that it includes; those that cannot be read are left out.
pub(super) fn read(main: &Path, documents: &OpenDocuments, user: &User) -> Vec<ParsedFile> {
    let mut files: Vec<ParsedFile> = Vec::new();
    let mut left = vec![main.to_owned()];
    while let Some(path) = left.pop() {
        if files.len() >= MOST_FILES || files.iter().any(|file| file.source.path == path) {
            continue;
        }
        let bytes = match documents.get(&path) {
            Some(document) => document.text.clone().into_bytes(),
            None => match read_rules(user.bounds(), &path) {
                Ok(bytes) => bytes,
                Err(_) => continue,
            },
        };
        let (source, ast, _) = parse_bytes(files.len() as u32, &path, &bytes);
        for written in included(&ast.statements) {
            left.push(tidy(&resolve(written, &path, user.home_or_nowhere())));
        }
        files.push(ParsedFile { source, ast });
    }
    files
}

/// The paths that statements include, as written.
fn included(statements: &[StatementNode]) -> Vec<&str> {
    let mut found = Vec::new();
    for statement in statements {
        match &statement.kind {
            StatementNodeKind::Include { file } => found.push(file.value.as_str()),
            StatementNodeKind::Rule { body: Body::Block(inner), .. }
            | StatementNodeKind::Category { statements: inner, .. }
            | StatementNodeKind::Broken { block: inner, .. } => found.extend(included(inner)),
            _ => {}
        }
    }
    found
}
