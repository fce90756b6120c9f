//! Conditions that are never true, and rules that no message reaches.

use super::{check_files, diagnostics, hint, mistakes, program};

/// It is an ordinary one, as people read it.
#[test]
fn an_at_sign_in_full_width_is_no_mistake() {
    for test in ["from is \"taro＠x.example\"", "from in [\"taro＠x.example\", \"＠x.example\"]"]
    {
        program(&format!("when {test} -> inbox"));
    }
    let shown = hint("when from.domain is \"＠x.example\" -> inbox");
    assert_eq!(shown, "`from.domain is \"x.example\"`");
    let shown = hint("when from in [\"x.example\"] -> inbox");
    assert_eq!(shown, "for all addresses of that domain: `@x.example`");
}

#[test]
fn a_condition_that_is_never_true_is_a_warning() {
    for (test, marked, message) in [
        ("size < 0", "0", "this condition is never true: `size` is a whole number, never below 0"),
        (
            "attachments = 1.5",
            "1.5",
            "this condition is never true: `attachments` is a whole number, never below 0",
        ),
        ("time > 23:59", "23:59", "this condition is never true: `time` is from 00:00 to 23:59"),
        (
            "in-my-thread",
            "in-my-thread",
            "this condition is never true: no list is made from the mail that you have sent or kept",
        ),
        ("from in []", "[]", "this condition is never true: there is nothing in the set"),
        ("subject contains []", "[]", "this condition is never true: there is nothing in the set"),
        ("from is \"taro\"", "\"taro\"", "this condition is never true: an address has an `@`"),
        (
            "from is \"@x.example\"",
            "\"@x.example\"",
            "this condition is never true: an address has a part before the `@`",
        ),
        (
            "list-id contains \"<a.example>\"",
            "\"<a.example>\"",
            "this condition is never true: `list-id` has no angle brackets",
        ),
        (
            "from.domain is \"@x.example\"",
            "\"@x.example\"",
            "this condition is never true: a domain has no `@`",
        ),
        (
            "attachment.type is \"pdf\"",
            "\"pdf\"",
            "this condition is never true: a media type has a `/`",
        ),
        (
            "attachment.sha256 is \"abc\"",
            "\"abc\"",
            "this condition is never true: a SHA-256 is 64 hexadecimal digits",
        ),
        (
            "date in 2027-01-03..2026-12-24",
            "2027-01-03..2026-12-24",
            "this condition is never true: the range ends before it begins",
        ),
        (
            "has to and not has to",
            "has to and not has to",
            "this condition is never true: it requires one thing and its opposite",
        ),
    ] {
        mistakes(&format!("when {test} -> inbox"), &[("never-holds", marked, message)]);
    }
    mistakes(
        "when subject contains \" \" or subject starts \"\" -> inbox",
        &[("always-holds", "\"\"", "every `subject` contains the empty string")],
    );
    // These can: case is folded, the null sender is empty, a night spans midnight.
    program("when subject is \"ABC\" or envelope-from is \"\" or time in 22:00..07:00 -> inbox");
}

#[test]
fn a_rule_that_gets_some_mail_is_reachable() {
    for text in [
        "when from.domain is \"b.example\" -> inbox\nwhen to is \"a@b.example\" -> stop",
        "when from.domain is \"b.example\" -> inbox\nwhen from is \"a@c.b.example\" -> stop",
        "when from.domain is \"b.example\" -> log \"x\"\nwhen from is \"a@b.example\" -> stop",
        "when from.domain is \"b.example\" and has cc -> inbox\nwhen from is \"a@b.example\" -> stop",
        "when subject contains \"sale\" -> inbox\nwhen subject contains [\"sales\", \"x\"] -> stop",
        "when subject contains \"sale\" -> inbox\nwhen not subject contains \"sales\" -> stop",
        "when subject contains \"sales\" -> inbox\nwhen subject contains \"sale\" -> stop",
        "when subject starts \"sale\" -> inbox\nwhen subject ends \"a sale\" -> stop",
        "when subject starts \"sale\" -> inbox\nwhen subject is \"a sale\" -> stop",
        "when subject starts \"a\" -> inbox\nfilter \"cat\"\nwhen subject starts \"a\" -> stop",
        "when subject starts \"a\" -> inbox\nfilter \"cat\"\nwhen subject starts \"ab\" -> stop",
        "when seen -> inbox\nmark seen\nwhen seen -> stop",
        "let x = \"a\"\nwhen x is \"b\" -> inbox\nlet x = \"b\"\nwhen x is \"b\" -> stop",
    ] {
        program(text);
    }
}

#[test]
fn an_unreachable_rule_is_a_warning() {
    for (text, marked, message) in [
        ("inbox\nlog \"x\"", "log \"x\"", "this action is unreachable"),
        (
            "otherwise -> inbox\nwhen has to -> stop\nstop",
            "when has to -> stop",
            "this rule is unreachable",
        ),
        ("when has to -> inbox, log \"x\"", "log \"x\"", "this action is unreachable"),
        (
            "when has to { otherwise -> stop\n otherwise -> inbox }",
            "otherwise -> inbox",
            "this `otherwise` is unreachable",
        ),
        (
            "otherwise { when has to -> inbox\n stop }\nlog \"x\"",
            "log \"x\"",
            "this action is unreachable",
        ),
        (
            "when has to -> inbox\nwhen has to { log \"x\"\n inbox\n stop }",
            "when has to",
            "this rule is unreachable",
        ),
        (
            "define d = has to\nwhen d and has cc -> inbox\nwhen has cc and has to -> stop",
            "when has cc and has to -> stop",
            "this rule is unreachable",
        ),
        (
            "when from in [\"a@b.example\"] -> inbox\nwhen from in [\"a@b.example\"] -> stop",
            "when from in [\"a@b.example\"] -> stop",
            "this rule is unreachable",
        ),
        (
            "when subject matches /a/ -> inbox\nwhen subject matches /a/ -> stop",
            "when subject matches /a/ -> stop",
            "this rule is unreachable",
        ),
        (
            "when from.domain is \"B.example\" -> inbox\nwhen from is \"a@b.example\" -> stop",
            "when from is \"a@b.example\" -> stop",
            "this rule is unreachable",
        ),
        (
            "when subject contains [\"sale\", \"offer\"] -> inbox\n\
             when has cc and subject contains \"Summer Sale\" -> stop",
            "when has cc and subject contains \"Summer Sale\" -> stop",
            "this rule is unreachable",
        ),
        (
            "when list-id ends \".b.example\" or has to and has cc -> inbox\n\
             when list-id is [\"x.b.example\", \"y.b.example\"] -> stop",
            "when list-id is [\"x.b.example\", \"y.b.example\"] -> stop",
            "this rule is unreachable",
        ),
    ] {
        let (sources, checked) = check_files(&[("main", text)]);
        let found = diagnostics(&sources, &checked);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert_eq!(found[0], ("unreachable".into(), marked.into(), message.into()), "{text}");
        assert!(!checked.diagnostics[0].related.is_empty());
        assert!(checked.program.is_some());
    }
    program(
        "when has to -> log \"x\"\nwhen has cc { when has to -> log \"y\" }\nwhen has to -> inbox\nlog \"z\"",
    );
    program("when has to { when has cc -> inbox }\nwhen has to -> inbox");
}
