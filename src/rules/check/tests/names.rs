//! Words and names: unknown, near, misused, declared in the wrong order.

use super::{check_files, diagnostics, hint, mistakes, program};

#[test]
fn unknown_words() {
    for (text, code, marked, message) in [
        ("set maildirr \"x\"", "unknown-setting", "maildirr", "there is no setting `maildirr`"),
        ("when has subjekt -> inbox", "unknown-field", "subjekt", "there is no field `subjekt`"),
        (
            "when quite-unknown -> inbox",
            "unknown-classifier",
            "quite-unknown",
            "there is no classifier `quite-unknown`",
        ),
        ("when from in white -> inbox", "unknown-list", "white", "there is no list `white`"),
        ("when to in me -> inbox", "unknown-list", "me", "`me` is not set"),
        ("mark seen, fodler \"A\"", "unknown-action", "fodler", "there is no action `fodler`"),
        ("inbox as sene", "unknown-flag", "sene", "there is no flag `sene`"),
        (
            "folder \"{subjekt}\"",
            "unknown-insert",
            "{subjekt}",
            "there is no value to insert `subjekt`",
        ),
        (
            "when weekday is sonnday -> inbox",
            "unknown-weekday",
            "sonnday",
            "there is no day of the week `sonnday`",
        ),
    ] {
        mistakes(text, &[(code, marked, message)]);
    }
}

#[test]
fn the_nearest_known_name_is_the_hint() {
    assert_eq!(hint("when has subjekt -> inbox"), "did you mean `subject`?");
    assert_eq!(hint("when has from.nmae -> inbox"), "did you mean `from.name`?");
    assert_eq!(
        hint("when has from.user -> inbox"),
        "the parts of an address are `.name`, `.local`, `.detail` and `.domain`"
    );
    assert_eq!(hint("when has list-unsubscribed -> inbox"), "did you mean `list-unsubscribe`?");
    assert_eq!(hint("score junk { +1 has from }\nwhen junkk > 1 -> inbox"), "did you mean `junk`?");
    assert_eq!(hint("define news = has from\nwhen nwes -> inbox"), "did you mean `news`?");
    assert_eq!(
        hint("when from in wihte -> inbox\nlist white [\"a@b.example\"]"),
        "did you mean `white`?"
    );
    assert_eq!(hint("inbox as Seen"), "did you mean `seen`?");
    assert_eq!(hint("when has x-spam -> inbox"), "another header is written `header \"x-spam\"`");
    assert_eq!(
        hint("when has header.x-spam -> inbox"),
        "another header is written `header \"x-spam\"`"
    );
    assert_eq!(hint("when has from.email -> inbox"), "write `from`");
}

#[test]
fn names_that_are_something_else() {
    let declared =
        "list white [\"a@b.example\"]\nscore junk { +1 has from }\ndefine news = has to\n";
    for (rule, code, marked, message) in [
        (
            "when has subject.domain -> inbox",
            "no-parts",
            "subject.domain",
            "`subject` has no parts",
        ),
        ("when white -> inbox", "not-a-condition", "white", "`white` is a list, not a condition"),
        ("when junk -> inbox", "not-a-condition", "junk", "`junk` is a score, not a condition"),
        (
            "when subject -> inbox",
            "not-a-condition",
            "subject",
            "`subject` is a field, not a condition",
        ),
        ("when from in news -> inbox", "not-a-list", "news", "`news` is a define, not a list"),
        ("when news is \"x\" -> inbox", "not-a-field", "news", "`news` is a define, not a field"),
        (
            "list news [\"a@b.example\"]",
            "name-taken",
            "news",
            "the name `news` is taken by a define",
        ),
        (
            "define subject = has to",
            "name-taken",
            "subject",
            "the name `subject` is taken by a field",
        ),
        ("list me [\"a@b.example\"]", "name-taken", "me", "the name `me` belongs to a setting"),
    ] {
        mistakes(&format!("{declared}{rule}"), &[(code, marked, message)]);
    }
}

#[test]
fn definitions_come_before_their_use_and_do_not_contain_themselves() {
    mistakes(
        "when news -> inbox\ndefine news = has to",
        &[("used-before", "news", "`news` is used before it is declared")],
    );
    mistakes(
        "define news = has to and not news",
        &[("own-definition", "news", "`news` is used in its own definition")],
    );
    mistakes(
        "score junk { +1 junk > 3 }",
        &[("own-definition", "junk", "`junk` is used in its own definition")],
    );
}

#[test]
fn a_mistake_makes_no_others() {
    // A declaration with a mistake still declares its name.
    mistakes(
        "define news = has subjekt\nwhen news -> inbox",
        &[("unknown-field", "subjekt", "there is no field `subjekt`")],
    );
    mistakes(
        "when subject matches /(/ -> folder \"{1}{name}\"",
        &[("bad-pattern", "(", "this pattern cannot be used: unclosed group")],
    );
    // Two broken conditions are not the same condition.
    let (_, checked) = check_files(&[("main", "when has a1 -> inbox\nwhen has b1 -> inbox")]);
    assert!(checked.diagnostics.iter().all(|diagnostic| diagnostic.code == "unknown-field"));
    for (one, other) in [
        ("subject is /a/", "subject is /b/"),
        ("subject resembles \"?\"", "subject resembles \"~\""),
        ("subject matches \"a\"", "subject matches \"b\""),
        ("from in [5]", "from in [6]"),
        ("weekday is mo", "weekday is tu"),
        ("spf is 5", "spf is 6"),
        ("spf is foo", "spf is bar"),
        ("client.ip is \"a\"", "client.ip is \"b\""),
        ("size > [1d, 5]", "size > [2d, 5]"),
        ("size in 5", "size in 6"),
        ("size in [1d..2, 3..4]", "size in [2d..2, 3..4]"),
        ("size in [1d, 3..4]", "size in [2d, 3..4]"),
        ("has []", "has []"),
        ("duplicate of \"\"", "duplicate of \"\""),
        ("duplicate of \"{subjekt}\"", "duplicate of \"{subjekt}\""),
        ("duplicate within 0s", "duplicate within 0s"),
    ] {
        let rules = format!("when {one} -> inbox\nwhen {other} -> inbox");
        let (_, checked) = check_files(&[("main", &rules)]);
        let codes: Vec<_> = checked.diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
        assert!(codes.len() == 2 && codes[0] == codes[1], "{rules}: {codes:?}");
    }
    // A file that cannot be read may have declared anything.
    mistakes(
        "include \"gone\"\nwhen news and from in white -> inbox",
        &[("include-unreadable", "\"gone\"", "cannot read `gone`: there is no such file")],
    );
    let (_, checked) = check_files(&[("main", "define news = \nwhen news -> inbox")]);
    assert!(checked.diagnostics.iter().all(|diagnostic| diagnostic.code != "unknown-classifier"));
    let (_, checked) = check_files(&[("main", "define news = \nwhen news > 3 -> inbox")]);
    assert!(checked.diagnostics.iter().all(|diagnostic| diagnostic.code != "not-a-field"));
    mistakes(
        "score address { +1 has to }\nwhen address \"To\" is \"a@b.example\" -> inbox",
        &[("syntax", "\"To\"", "`address` takes no name")],
    );
}

#[test]
fn a_chain_of_definitions_ends() {
    let mut text = String::from("define d0 = has to\n");
    for number in 1..1_000 {
        text += &format!("define d{number} = not d{}\n", number - 1);
    }
    let (sources, checked) = check_files(&[("main", &text)]);
    let found = diagnostics(&sources, &checked);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].0.as_str(), found[0].2.as_str()),
        ("too-deep", "this is nested too deeply")
    );
}

#[test]
fn texts_that_only_look_like_mistakes_are_accepted() {
    let sha = "0123456789abcdefABCDEF0123456789abcdefABCDEF0123456789abcdefABCD";
    for test in [
        "subject is \"  \"",
        "subject contains \"<b>\"",
        "subject like \"*\"",
        "subject like \"\"",
        "subject contains \"***\"",
        "attachment.type is \"application/pdf\"",
        &format!("attachment.sha256 is \"{sha}\""),
        "subject matches /a ? b/",
        "subject matches /a *  ?b/",
        "subject matches /[  ]/",
        "subject matches /[a  ]/",
        "subject matches /a\\  b/",
        "subject matches /(?x) a  b/",
        "size in 5..5",
        "size <= 0",
        "attachments = 0",
        "time >= 23:59",
        "date in 2026-12-24T18:00..2026-12-26",
    ] {
        program(&format!("when {test} -> inbox"));
    }
    // A score may be below 0.
    program("score junk { -1 has from }\nwhen junk < 0 or junk = -1.5 -> inbox");
    // Only `recipient` is the user in all mail.
    let names = "set me [\"taro@example.jp\"]\nlist white [\"a@b.example\"]\n";
    program(&format!("{names}when not to in me or not recipient in white -> inbox"));
    for (test, code, marked) in [
        ("attachment.sha256 is \"", "never-holds", &*format!("{}x\"", &sha[..63])),
        ("attachment.sha256 is \"", "never-holds", &*format!("{sha}0\"")),
        ("subject matches ", "never-holds", "/a  b/"),
        ("subject matches ", "never-holds", "/[a]  b/"),
        ("subject matches ", "never-holds", "/ax  b/"),
        ("subject matches ", "never-holds", "/(?i)  b/"),
        ("size <= ", "never-holds", "-1"),
        ("attachments = ", "never-holds", "-1"),
        ("date in [", "unlikely", "2026-12-24T18:00"),
        ("time > ", "quantity", "24:00"),
        ("time > ", "quantity", "23:60"),
        ("has env ", "bad-env-name", "\"\""),
    ] {
        let close = if test.ends_with('[') { "]" } else { "" };
        let text = format!("when {test}{marked}{close} -> inbox");
        let (sources, checked) = check_files(&[("main", &text)]);
        let found = diagnostics(&sources, &checked);
        let codes: Vec<_> = found.iter().map(|mistake| mistake.0.as_str()).collect();
        assert_eq!(codes, [code], "{text}");
        assert!(found[0].1.trim_start_matches('"') == marked.trim_start_matches('"'), "{found:?}");
    }
}

#[test]
fn a_rule_with_a_mistake_hides_no_other_mistake() {
    let codes = |text: &str| -> Vec<&str> {
        check_files(&[("main", text)])
            .1
            .diagnostics
            .iter()
            .map(|diagnostic| diagnostic.code)
            .collect()
    };
    let broken = "when subject is { log \"{1}\"\n folder \"a//b\" }\n";
    let alone = codes("when subject is { log \"x\" }\n");
    assert_eq!(alone.len(), 1, "{alone:?}");
    assert_eq!(codes(broken), [alone[0], "folder-empty-part"]);
    let after = format!("{broken}log \"{{1}}\"");
    assert_eq!(codes(&after), [alone[0], "folder-empty-part", "no-capture"]);
}

#[test]
fn a_chain_of_scores_ends() {
    let mut text = String::from("score s0 { +1 has to }\n");
    for number in 1..1_000 {
        text += &format!("score s{number} {{ +1 s{} > 0 }}\n", number - 1);
    }
    let (_, checked) = check_files(&[("main", &text)]);
    let codes: Vec<_> = checked.diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
    assert_eq!(codes, ["too-deep"]);
}
