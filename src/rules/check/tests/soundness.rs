//! The program that is made of rules: flat, and sound.

use proptest::prelude::*;

use super::{check_files, program};
use crate::rules::actions::{Action, EditListAction};
use crate::rules::program::{
    ConditionKind, Define, Field, Label, LabelKind, Program, Score, Statement, StatementKind,
};
use crate::rules::template::{Form, Insert, TemplatePart};
use crate::source::Span;

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
    assert!(program.is_sound());
}

#[test]
fn what_somebody_changed_is_not_evaluated() {
    let sound = |program: &Program| program.is_sound();
    let good = program(
        "score s { +1 has to }\ndefine d = s > 1\nwhen d and not has cc { folder \"{subject}\" as seen }",
    );
    assert!(sound(&good));
    let bad = |change: &dyn Fn(&mut Program)| {
        let mut program = good.clone();
        change(&mut program);
        assert_ne!(program, good);
        assert!(!sound(&program), "{program:?}");
    };
    let none = Span::default();
    bad(&|it| it.conditions[2].kind = ConditionKind::Not(2));
    bad(&|it| it.conditions[2].kind = ConditionKind::All(vec![99]));
    bad(&|it| it.conditions[1].kind = ConditionKind::Has(99));
    bad(&|it| it.conditions[1].kind = ConditionKind::Matches { field: 0, patterns: vec![0] });
    bad(&|it| it.conditions[1].kind = ConditionKind::In { field: 0, list: 0 });
    bad(&|it| it.conditions[0].kind = ConditionKind::Define(0));
    bad(&|it| it.defines.push(Define { name: "x".into(), condition: 99 }));
    bad(&|it| it.scores.push(Score { name: "x".into(), entries: vec![(1.0, 99)] }));
    bad(&|it| it.scores[0].entries[0].1 = 1);
    bad(&|it| it.fields.push(Field::Score(7)));
    bad(&|it| {
        let kind = StatementKind::When { condition: Some(99), end: 3, label: None };
        it.statements.push(Statement { span: none, line: 1, kind });
    });
    // One beyond the last of each kind.
    bad(&|it| it.defines[0].condition = it.conditions.len() as u32);
    bad(&|it| it.fields.push(Field::Score(1)));
    bad(&|it| {
        let (condition, end) = (Some(it.conditions.len() as u32), 3);
        let kind = StatementKind::When { condition, end, label: None };
        it.statements.push(Statement { span: none, line: 1, kind });
    });
    bad(&|it| {
        let label = Label { kind: LabelKind::Header, text: "X".into(), category: Some(0) };
        it.settings.labels.push(label);
    });
    // A rule that ends after the one around it.
    bad(&|it| {
        for end in [4, 3] {
            let kind = StatementKind::When { condition: None, end, label: None };
            it.statements.insert(0, Statement { span: none, line: 1, kind });
        }
        it.statements.truncate(2);
        it.statements.extend([1, 2].map(|line| Statement {
            span: none,
            line,
            kind: StatementKind::Leave,
        }));
    });
    for end in [0, 1, 99] {
        bad(&|it| {
            if let StatementKind::When { end: old, .. } = &mut it.statements[0].kind {
                *old = end * 50;
            }
        });
    }
    bad(&|it| {
        if let StatementKind::Act(Action::FolderAction(folder)) = &mut it.statements[1].kind {
            folder.flags.known.letters = "/".into();
        }
    });
    bad(&|it| {
        if let StatementKind::Act(Action::FolderAction(folder)) = &mut it.statements[1].kind {
            let beyond = Insert::Field(it.fields.len() as u32);
            folder.name.parts.push(TemplatePart::Insert(beyond, Form::Kept));
        }
    });
    let good = program("list w \"w\"\nadd from to w");
    assert!(sound(&good));
    for change in [(|edit| edit.field += 1) as fn(&mut EditListAction), |edit| edit.list += 1] {
        let mut program = good.clone();
        if let StatementKind::Act(Action::EditListAction(edit)) = &mut program.statements[0].kind {
            change(edit);
        }
        assert!(!sound(&program), "{program:?}");
    }
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
        for each in &checked.diagnostics {
            let file = sources.files().get(each.span.file as usize).expect("a file");
            prop_assert!(file.text.get(each.span.start as usize..each.span.end as usize).is_some());
            prop_assert!(!each.message.is_empty());
        }
        if let Some(program) = &checked.program {
            prop_assert!(program.is_sound());
        }
    }
}
