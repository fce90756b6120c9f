//! The program that is made of rules is flat, and no rules make the check panic.

use proptest::prelude::*;

use super::{check_files, program};
use crate::rules::program::StatementKind;

#[test]
fn groups_are_laid_flat() {
    let program = program(
        "rule \"team\" when has to {\n  when has cc -> mark seen, inbox\n  otherwise -> stop\n}\nlog \"x\"",
    );
    let kinds: Vec<String> = program
        .statements
        .iter()
        .map(|statement| match &statement.kind {
            StatementKind::When { condition, end, label } => {
                format!("{}: when {condition:?} to {end} {label:?}", statement.line)
            }
            StatementKind::Act(_) => format!("{}: act", statement.line),
            StatementKind::Category { .. } => format!("{}: category", statement.line),
            StatementKind::Script { end } => format!("{}: script {end}", statement.line),
            StatementKind::Leave => format!("{}: leave", statement.line),
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "1: when Some(0) to 6 Some(\"team\")",
            "2: when Some(1) to 4 None",
            "2: act",
            "2: act",
            "3: when None to 6 None",
            "3: act",
            "5: act",
        ]
    );
    assert_eq!(program.fields.len(), 2);
}

/// Words that reach deep into the language.
const WORDS: &[&str] = &[
    "when",
    "otherwise",
    "rule \"r\"",
    "{",
    "}",
    "->",
    ",",
    "and",
    "or",
    "not",
    "(",
    ")",
    "has",
    "subject",
    "from",
    "from.domain",
    "size",
    "age",
    "date",
    "time",
    "weekday",
    "header \"X\"",
    "header",
    "junk",
    "news",
    "white",
    "me",
    "is",
    "in",
    "contains",
    "matches",
    "like",
    "<",
    "=",
    ">=",
    "\"\"",
    "\"a@b.example\"",
    "\"{1}\"",
    "\"{subject}/{x}\"",
    "\"../x\"",
    "\"5.7.1 no\"",
    "/(a)/",
    "/(/",
    "/(?<n>a)/c",
    "[]",
    "[\"a\", /b/]",
    "[1, 2]",
    "5",
    "-2.5",
    "+1",
    "20K",
    "7d",
    "2026-02-30",
    "2026-12-24",
    "22:00",
    "22:00..07:00",
    "1..5",
    "mon",
    "inbox",
    "folder",
    "copy",
    "mark",
    "seen",
    "as",
    "discard",
    "reject",
    "stop",
    "log",
    "add-header",
    "\n",
    "set layout fs\n",
    "set me",
    "list white",
    "define news =",
    "score junk {",
    "include \"main\"",
    "include \"other\"",
    "expect \"m\" ->",
];

proptest! {
    #[test]
    fn no_rules_make_check_panic(
        main in proptest::collection::vec(0..WORDS.len(), 0..60),
        other in proptest::collection::vec(0..WORDS.len(), 0..20),
    ) {
        let text = |words: &[usize]| -> String {
            words.iter().map(|word| format!("{} ", WORDS[*word])).collect()
        };
        let (sources, checked) = check_files(&[("main", &text(&main)), ("other", &text(&other))]);
        for mistake in &checked.diagnostics {
            let file = sources.files().get(mistake.span.file as usize).expect("a file");
            prop_assert!(file.text.get(mistake.span.start as usize..mistake.span.end as usize).is_some());
            prop_assert!(!mistake.message.is_empty());
        }
    }
}
