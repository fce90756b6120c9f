//! Included files and lists.

use std::io::{self};
use std::path::Path;

use super::{check_files, diagnostics, hint, mistakes, program};
use crate::rules::check::{CheckContext, check, no_script};
use crate::rules::program::Entries;
use crate::source::{SourceFile, Sources};
use crate::syntax::parse;

#[test]
fn groups_end_over_all_files() {
    let nested = |inner: &str| "when has to {\n".repeat(40) + inner + &"}".repeat(40);
    let (sources, checked) =
        check_files(&[("main", &nested("include \"a\"\n")), ("a", &nested("log \"x\"\n"))]);
    let found = diagnostics(&sources, &checked);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, "too-deep");
}

#[test]
fn a_list_of_texts_may_hold_any_line() {
    for (field, codes) in [("list-id", &[][..]), ("from", &["bad-entry"])] {
        let rules = format!("list seen \"w\"\nadd {field} to seen");
        let (_, checked) = check_files(&[("main", &rules), ("w", "sale\n")]);
        let found: Vec<_> = checked.diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
        assert_eq!(found, codes, "{field}");
    }
}

#[test]
fn included_files_are_checked_in_their_place() {
    let files = [
        ("main", "include \"sub/a\"\nwhen news and has subjekt -> inbox"),
        ("sub/a", "include \"b\"\nwhen has frmo -> stop"),
        ("sub/b", "define news = has list-id\nlist l \"white\""),
        ("sub/white", "a@b.example\n  not an address  # no\n\n@x y\n/(/\n"),
    ];
    let (sources, checked) = check_files(&files);
    let found: Vec<_> = checked
        .diagnostics
        .iter()
        .map(|mistake| {
            let path = sources.path(mistake.span).display().to_string();
            (path, sources.line(mistake.span), mistake.code, sources.text(mistake.span))
        })
        .collect();
    assert_eq!(
        found,
        [
            ("/rules/main".into(), 2, "unknown-field", "subjekt"),
            ("/rules/sub/a".into(), 2, "unknown-field", "frmo"),
            ("/rules/sub/white".into(), 2, "bad-entry", "not an address"),
            ("/rules/sub/white".into(), 4, "bad-entry", "@x y"),
            ("/rules/sub/white".into(), 5, "bad-entry", "/(/"),
        ]
    );
}

#[test]
fn includes_end() {
    let (sources, checked) = check_files(&[
        ("main", "include \"a\""),
        ("a", "include \"./b\""),
        ("b", "include \"../rules/a\"\ninclude \"main\""),
    ]);
    let found = diagnostics(&sources, &checked);
    let codes: Vec<_> =
        found.iter().map(|mistake| (mistake.0.as_str(), mistake.1.as_str())).collect();
    assert_eq!(codes, [("include-cycle", "\"../rules/a\""), ("include-cycle", "\"main\"")]);

    let names: Vec<String> = (0..=18).map(|number| format!("f{number}")).collect();
    let texts: Vec<String> = (1..=19).map(|number| format!("include \"f{number}\"")).collect();
    let files: Vec<(&str, &str)> =
        names.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
    let (sources, checked) = check_files(&files);
    let found = diagnostics(&sources, &checked);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].0.as_str(), found[0].1.as_str()), ("include-too-deep", "\"f17\""));

    // Each file includes the next one ten times.
    let texts: Vec<String> =
        (1..=14).map(|number| format!("include \"f{number}\"\n").repeat(10)).collect();
    let files: Vec<(&str, &str)> = names
        .iter()
        .map(String::as_str)
        .zip(texts.iter().map(String::as_str).chain(["log \"x\""]))
        .collect();
    let (_, checked) = check_files(&files);
    let codes: Vec<_> = checked.diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
    assert_eq!(codes, ["include-too-many"]);
}

#[test]
fn missing_lists_and_lists_of_words() {
    mistakes(
        "list white \"gone\"\nlist again \"gone\"\nwhen from in white or from in again -> inbox",
        &[("list-unreadable", "\"gone\"", "cannot read the list `gone`: there is no such file")],
    );
    // Entries without an @ are fine where texts are compared.
    let (_, checked) = check_files(&[
        ("main", "list words \"words\"\nwhen subject in words or from.domain in words -> inbox"),
        ("words", "sale\nbuy now\n"),
    ]);
    assert_eq!(checked.diagnostics, []);
    program("when subject in [\"sale\", \"buy now\"] -> inbox");
    mistakes(
        "when from in [\"sale\", \"*@x.example\"] -> inbox",
        &[("bad-entry", "\"sale\"", "entry `sale` cannot match any address: it has no `@`")],
    );
}

#[test]
fn a_comparison_with_a_list_is_shown_the_right_form() {
    let shown = hint("set me [\"taro@example.jp\"]\nwhen from is me -> inbox");
    assert_eq!(shown, "`from in me`, if the list is meant");
    let shown = hint("when from is me -> inbox");
    assert_eq!(shown, "`from in me`, if the list is meant (and `set me [\"…\"]` at the top)");
}

#[test]
fn every_mistake_of_a_set_is_reported() {
    let name = "expected a quoted string, found a name";
    let group = "this pattern cannot be used: unclosed group";
    mistakes(
        "when from in [mon, /x(/] -> inbox",
        &[("wrong-value", "mon", name), ("bad-pattern", "/x(/", group)],
    );
    let name = "expected a size, found a name";
    mistakes(
        "when size in [mon..2K, tue..3K] -> inbox",
        &[("wrong-value", "mon", name), ("wrong-value", "tue", name)],
    );
}

#[test]
fn lists_are_not_read_for_a_delivery() {
    let mut sources = Sources::default();
    let source = SourceFile::new("/rules/main", "list white \"w\"\nwhen from in white -> inbox");
    let (ast, parsed) = parse(0, &source);
    sources.add(source);
    let mut load = |path: &Path| -> io::Result<Vec<u8>> { panic!("read {}", path.display()) };
    let mut context = CheckContext {
        home: Path::new("/"),
        load: &mut load,
        script: &mut no_script,
        confinement: None,
    };
    let checked = check(&mut sources, 0, ast, parsed, &mut context);
    assert_eq!(checked.list_files[0].path, Path::new("/rules/w"));
    let program = checked.program.unwrap_or_default();
    assert_eq!(program.lists[0].entries, Entries::File("w".into()));
}
