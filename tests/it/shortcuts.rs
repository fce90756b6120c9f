//! The fast ways give the same answers as the plain ones: rules with their index and
//! without, just checked and from the cache, over random rules and messages.

use std::io::ErrorKind;
use std::path::Path;

use mfilter::evaluate::{Detail, NoFilters, run};
use mfilter::load;
use mfilter::message::Message;
use mfilter::plan::Plan;
use mfilter::rules::compiled::CompiledProgram;
use mfilter::rules::index::Index;
use mfilter::rules::program::Program;
use mfilter::rules::rule_set::RuleSet;
use mfilter::world::World;
use proptest::prelude::*;

fn program(rules: &str) -> Option<Program> {
    let none = &mut |_: &Path| Err(ErrorKind::NotFound.into());
    let (_, checked) = load::check_bytes(Path::new("rules"), rules.as_bytes(), None, none);
    checked.program
}

fn plan(rules: &RuleSet, message: &str, detail: Detail) -> Plan {
    let message = Message::from_bytes(message.as_bytes().to_vec());
    let run = run(rules, message, &World::default(), detail, &mut NoFilters);
    assert_eq!(run.message.failure(), None);
    run.evaluation.plan
}

/// The plan found with the index, which must equal that of the plain way.
fn same(program: &Program, message: &str) -> Result<Plan, TestCaseError> {
    let indexed = CompiledProgram::new(program.clone());
    let (head, blocks) = indexed.to_parts().expect("it is small");
    let kept = CompiledProgram::from_parts(&head, blocks.into_iter().collect()).expect("intact");
    let [indexed, kept] = [indexed, kept].map(RuleSet::alone);
    // A trace skips no rule.
    let expected = plan(&indexed, message, Detail::Trace);
    for compiled in [&indexed, &kept] {
        let found = plan(compiled, message, Detail::Plan);
        prop_assert_eq!(&found, &expected, "{}", message);
    }
    Ok(expected)
}

/// Texts that have much in common, in cases, widths and scripts.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        "[abAB]{1,7}",
        "[abk]{0,3}[.@-][abS]{1,4}",
        "[日本aＡｱア]{1,3}",
        "[a-cſKß ]{1,6}",
        Just("sale".to_owned()),
        Just("ＳＡＬＥ now".to_owned()),
    ]
}

fn pattern() -> impl Strategy<Value = String> {
    let shapes = vec![
        "W",
        "(W|V)s?",
        "WaaS(V|W|sale)[.]?V*",
        "\\[ *W *\\]|V",
        "(?i:W)",
        "^W.{0,2}V(x|y)?",
        "(?:W){1,2}a+",
        "W\\b|日本",
    ];
    (prop::sample::select(shapes), "[abkAB]{1,4}", "[abk]{1,3}")
        .prop_map(|(shape, w, v)| shape.replace('W', &w).replace('V', &v))
}

fn test() -> impl Strategy<Value = String> {
    let field = prop_oneof![
        // Most ask for the same thing, so that there are enough for an index.
        12 => Just("subject"),
        6 => Just("from"),
        1 => Just("to"),
        1 => Just("from.domain"),
        1 => Just("from.name"),
        1 => Just("header \"X-A\""),
        1 => Just("headers"),
        1 => Just("raw-headers"),
        1 => Just("address \"X-A\""),
        1 => Just("address \"X-B\".local"),
        2 => Just("[subject, from]"),
        1 => Just("[to.name, header \"X-A\", headers]"),
        1 => Just("body"),
        1 => Just("list-id"),
        1 => Just("envelope-from"),
    ];
    let operator = prop_oneof![Just("contains"), Just("is"), Just("starts"), Just("ends")];
    let text = (field.clone(), operator, prop::collection::vec(word(), 1..3)).prop_map(
        |(field, operator, words)| {
            let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
            format!("{field} {operator} [{}]", words.join(", "))
        },
    );
    let like = (field.clone(), word(), word())
        .prop_map(|(field, a, b)| format!("{field} like \"*{a}?{b}*\""));
    let matches =
        (field, pattern()).prop_map(|(field, pattern)| format!("{field} matches /{pattern}/"));
    let other = prop_oneof![
        Just("has subject".to_owned()),
        Just("has [bcc, address \"X-B\".detail]".to_owned()),
        Just("[to, address \"X-A\"] in [\"a@b\", \"@ab\"]".to_owned()),
        Just("mailing-list".to_owned()),
        Just("duplicate of \"{subject}\"".to_owned()),
        Just("duplicate of \"{from:lower}\" within 1d".to_owned()),
        Just("size > 100".to_owned()),
        Just("to in [\"a@b\", \"@ab\"]".to_owned()),
        Just("seen".to_owned()),
        Just("keyword is \"AB\"".to_owned()),
        Just("filter-failed".to_owned()),
        Just("folder-exists \"{subject}\"".to_owned()),
        Just("folder-exists \"INBOX\"".to_owned()),
        Just("in-my-thread".to_owned()),
        Just("in-folder is \"INBOX\"".to_owned()),
        Just("d".to_owned()),
        Just("s >= 2".to_owned()),
        Just("kept contains \"a\"".to_owned()),
        Just("later".to_owned()),
    ];
    prop_oneof![6 => text, 2 => like, 4 => matches, 1 => other]
}

fn condition() -> impl Strategy<Value = String> {
    test().prop_recursive(3, 6, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} and {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} or {b})")),
            inner.prop_map(|a| format!("not ({a})")),
        ]
    })
}

fn rule() -> impl Strategy<Value = String> {
    (condition(), 0..10_u8, test()).prop_map(|(condition, kind, inner)| match kind {
        0 => format!(
            "when {condition} {{\n when {inner} -> copy \"B\"\n otherwise -> log \"o\"\n}}\n"
        ),
        1 => format!("when {condition} -> mark seen \"{{from.local:upper}}\"\n"),
        2 => format!("when {condition} -> folder \"F/{{subject}}\"\n"),
        8 => format!("when {condition} -> let kept = \"{{subject}}\"\n"),
        9 => format!("when {condition} -> let kept = \"b\", log \"{{kept}}\"\n"),
        3 => format!("when {condition} -> fileinto \"I\"\n"),
        4 => format!("when {condition} -> log \"{{1}}\", copy \"C\"\n"),
        number => format!("when {condition} -> copy \"N{number}\", log \"{{from}}\"\n"),
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if std::env::var_os("MFILTER_LONG").is_some() { 5_000 } else { 120 },
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_index_gives_the_plan_of_the_plain_way(
        rules in prop::collection::vec(rule(), 20..80),
        subject in prop::collection::vec(word(), 0..4),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        from in "[abAk ]{0,4}<?[ab]{1,4}@[abS.]{1,5}>?",
        extra in word(),
        body in prop::collection::vec(word(), 0..12),
    ) {
        let head = "define d = subject contains \"aa\" or has bcc\n\
                    score s { +1 subject contains \"a\" +2 from contains \"b\" }\n\
                    when has bcc -> let kept = \"a\"\ndefine later = kept is \"b\"\n";
        // Leaves out those with a mistake, such as a capture without a pattern.
        let rules = rules.into_iter().filter(|rule| program(&format!("{head}{rule}")).is_some());
        let text = head.to_owned() + &rules.collect::<String>();
        let program = program(&text).ok_or_else(|| TestCaseError::fail(text.clone()))?;
        // Words from the rules, so that some of them match.
        let words: Vec<&str> = text.split(['"', '/']).skip(1).step_by(2).collect();
        let picked: Vec<&str> = picks.iter().map(|pick| *pick.get(&words)).collect();
        let subject = format!("{} {}", subject.join(" "), picked.join(" "));
        let message = format!(
            "From: {} {from}\nTo: a@b, Ab <k@ab>\nX-A: {extra}\nX-A: {extra}{extra}\n\
             X-B: {extra} <{extra}@ab>, k+b@a\n\
             List-Id: <{extra}.ab>\nSubject: {}\n\n{}\n",
            picked.first().unwrap_or(&"").replace(['<', '>', '@'], ""),
            subject,
            body.join("\n")
        );
        same(&program, &message)?;
    }

    #[test]
    fn a_damaged_program_is_harmless(
        rules in prop::collection::vec(rule(), 1..40),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        subject in word(),
    ) {
        let head = "define d = has to\nscore s { +1 has to }\nlet kept = \"a\"\n\
                    define later = kept is \"b\"\n";
        let text = head.to_owned() + &rules.concat();
        let Some(program) = program(&text) else { return Ok(()) };
        let (mut head, mut blocks) = CompiledProgram::new(program).to_parts().expect("it is small");
        for (at, byte) in damage {
            let all = head.len() + blocks.iter().map(Vec::len).sum::<usize>();
            let mut bytes = head.iter_mut().chain(blocks.iter_mut().flatten());
            *bytes.nth(at.index(all)).expect("it is there") = byte;
        }
        if let Some(program) = CompiledProgram::from_parts(&head, blocks.into_iter().collect()) {
            let rules = RuleSet::alone(program);
            let text = format!("From: ab@ab\nTo: a@b\nSubject: {subject}\n\nab\n");
            for detail in [Detail::Plan, Detail::Trace] {
                let message = Message::from_bytes(text.clone().into_bytes());
                run(&rules, message, &World::default(), detail, &mut NoFilters);
            }
        }
    }
}

#[test]
fn many_rules_are_guarded_and_the_right_one_fires() {
    let kinds: [fn(usize) -> String; 9] = [
        |n| format!("subject contains \"word{n:05}x\""),
        |n| format!("from is \"word{n:05}x@example.org\""),
        |n| format!("from like \"*word{n:05}x@*\""),
        |n| format!("subject matches /(a|b) *word{n:05}x(end|x)/"),
        |n| format!("body contains \"word{n:05}x\""),
        |n| format!("headers matches /^Subject: .*word{n:05}x/"),
        |n| format!("address \"from\" contains \"word{n:05}x\""),
        |n| format!("[to, from] contains \"word{n:05}x\""),
        |n| format!("from contains \"word{n:05}x\" or subject contains \"word{n:05}x\""),
    ];
    for test in kinds {
        let rules = (0..300).map(|n| format!("when {} -> folder \"F{n}\"\n", test(n)));
        let program = program(&rules.collect::<String>()).expect("no mistake");
        let guarded = Index::of(&program).guards.iter().filter(|guard| guard.set > 0).count();
        assert_eq!(guarded, 300, "{}", test(0));
        for expected in [0, 7, 299] {
            let word = format!("Word{expected:05}X");
            let message = format!("From: {word}@Example.ORG\nSubject: B {word}end\n\n{word}\n");
            let plan = same(&program, &message).expect("the same");
            assert!(format!("{plan:?}").contains(&format!("F{expected}")), "{plan:?}");
        }
        let plan = same(&program, "From: a@b\nSubject: word\n\nword0\n").expect("the same");
        assert_eq!(plan.steps.len(), 1);
    }
}
