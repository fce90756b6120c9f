//! Where a name is declared, which file a string names, and what a new name changes.

use std::path::PathBuf;

use super::names::{NamePlace, NameRole, at};
use super::rule_files::ParsedFile;
use crate::rules::check::{resolve, tidy};
use crate::rules::field::find;
use crate::source::{SourceFile, Span};
use crate::syntax::ast::{Body, SpannedText, StatementNode, StatementNodeKind, ValueKind};
use crate::syntax::parse;
use crate::user::User;

/// The declarations of the name at a place.
pub(super) fn declarations(places: &[NamePlace], file: u32, offset: u32) -> Vec<Span> {
    let Some(wanted) = at(places, file, offset) else { return Vec::new() };
    let same = places.iter().filter(|it| it.name == wanted.name && it.role == wanted.role);
    same.filter(|it| it.declaration.is_some()).map(|it| it.span).collect()
}

/// The file that the string at a place names, if it exists.
pub(super) fn file(file: &ParsedFile, offset: u32, user: &User) -> Option<PathBuf> {
    let named = in_statements(&file.ast.statements, offset)?;
    let path = tidy(&resolve(&named.value, &file.source.path, user.home_or_nowhere()));
    path.is_file().then_some(path)
}

fn in_statements(statements: &[StatementNode], offset: u32) -> Option<SpannedText> {
    let holds = |span: Span| (span.start..=span.end).contains(&offset);
    let statement = statements.iter().find(|statement| holds(statement.span))?;
    let named = match &statement.kind {
        StatementNodeKind::Include { file } | StatementNodeKind::IncludeSieve { file, .. } => {
            file.clone()
        }
        StatementNodeKind::Expect { message, .. } => message.clone(),
        StatementNodeKind::List { value, .. } => match &value.kind {
            ValueKind::Text(path) => SpannedText { value: path.clone(), span: value.span },
            _ => return None,
        },
        StatementNodeKind::Rule { body: Body::Block(inner), .. }
        | StatementNodeKind::Category { statements: inner, .. }
        | StatementNodeKind::Broken { block: inner, .. } => return in_statements(inner, offset),
        _ => return None,
    };
    holds(named.span).then_some(named)
}

/// The name at a place, if it can be changed.
pub(super) fn renamed(places: &[NamePlace], file: u32, offset: u32) -> Option<&NamePlace> {
    at(places, file, offset).filter(|place| place.name != "me")
}

/// Every place at which the new name has to be written.
///
/// # Errors
/// The new name is not a valid name, or is taken.
pub(super) fn rename(
    places: &[NamePlace],
    place: &NamePlace,
    new: &str,
) -> Result<Vec<Span>, String> {
    if !is_name(new) {
        return Err(format!("`{new}` cannot be a name; names have letters, digits and `-`"));
    }
    let is_taken = places.iter().any(|it| it.name == new && it.declaration.is_some());
    if is_taken && new != place.name {
        return Err(format!("there is a `{new}` already"));
    }
    if new == "me" || place.role == NameRole::Field && find(new).is_some() {
        return Err(format!("`{new}` means something else"));
    }
    let same = places.iter().filter(|it| it.name == place.name && it.role == place.role);
    Ok(same.map(|it| it.span).collect())
}

/// Whether the grammar accepts it as a name.
fn is_name(text: &str) -> bool {
    let source = SourceFile::new("", format!("list {text} [\"a@example.org\"]"));
    let (ast, mistakes) = parse(0, &source);
    mistakes.is_empty()
        && matches!(
            ast.statements.as_slice(),
            [StatementNode { kind: StatementNodeKind::List { name, .. }, .. }] if name.value == text
        )
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn names_are_those_of_the_grammar() {
        for good in ["friends", "my-friends", "友だち", "a1"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "1a", "a_b", "when", "folder", "a b", "a\" x", "a [\"b\"]\nlist c", "a#"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
