//! Rules, and the mistakes or the program that the check finds in them.

mod actions;
mod files;
mod names;
mod program;
mod reach;
mod settings;
mod values;

use std::io::{self, ErrorKind};
use std::path::Path;

use super::{CheckContext, CheckResult, check, check_lists, no_script};
use crate::rules::program::{ConditionKind, Program};
use crate::source::{SourceFile, Sources};
use crate::syntax::parse;

/// Checks the first file with the others next to it, including lists.
fn check_files(files: &[(&str, &str)]) -> (Sources, CheckResult) {
    let mut sources = Sources::default();
    let (path, text) = files.first().copied().unwrap_or_default();
    let source = SourceFile::new(Path::new("/rules").join(path), text);
    let (ast, parsed) = parse(0, &source);
    sources.add(source);
    let mut load = |path: &Path| -> io::Result<Vec<u8>> {
        let found = files.iter().find(|(name, _)| path == Path::new("/rules").join(name));
        found.map(|(_, text)| text.as_bytes().to_vec()).ok_or(ErrorKind::NotFound.into())
    };
    let mut context = CheckContext {
        home: Path::new("/home/taro"),
        load: &mut load,
        script: &mut no_script,
        confinement: None,
    };
    let mut checked = check(&mut sources, 0, ast, parsed, &mut context);
    check_lists(&mut checked, &mut sources, &mut context);
    (sources, checked)
}

fn program(text: &str) -> Program {
    let (_, checked) = check_files(&[("main", text)]);
    assert_eq!(checked.diagnostics, [], "{text}");
    checked.program.unwrap_or_default()
}

/// Code, marked text and message of every mistake.
fn diagnostics(sources: &Sources, checked: &CheckResult) -> Vec<(String, String, String)> {
    let mistakes = checked.diagnostics.iter().map(|mistake| {
        (mistake.code.to_owned(), sources.text(mistake.span).to_owned(), mistake.message.clone())
    });
    mistakes.collect()
}

#[track_caller]
fn mistakes(text: &str, expected: &[(&str, &str, &str)]) {
    let (sources, checked) = check_files(&[("main", text)]);
    let found = diagnostics(&sources, &checked);
    let found: Vec<_> =
        found.iter().map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str())).collect();
    assert_eq!(found, expected, "{text}");
}

/// The hint of the only mistake.
#[track_caller]
fn hint(text: &str) -> String {
    let (_, checked) = check_files(&[("main", text)]);
    assert_eq!(checked.diagnostics.len(), 1, "{text}: {:?}", checked.diagnostics);
    checked.diagnostics[0].hint.clone().unwrap_or_default()
}

fn conditions(text: &str) -> Vec<ConditionKind> {
    program(text).conditions.into_iter().map(|condition| condition.kind).collect()
}
