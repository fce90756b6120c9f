use std::io::{self, ErrorKind};
use std::path::Path;

use proptest::prelude::*;

use super::{CheckContext, CheckResult, check, check_lists, no_script};
use crate::rules::actions::{Action, EditListAction};
use crate::rules::program::{
    Comparison, ConditionKind, Define, Entries, Field, FolderNames, Label, LabelKind, Layout,
    LogSetting, OverQuota, Program, Score, Statement, StatementKind, TextOperator,
};
use crate::rules::template::{Form, Insert, Template, TemplatePart};
use crate::source::{SourceFile, Sources, Span};
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
    let each = checked.diagnostics.iter().map(|each| {
        (each.code.to_owned(), sources.text(each.span).to_owned(), each.message.clone())
    });
    each.collect()
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
    assert_eq!(hint("when has x-spam -> inbox"), "another header is written `header \"Its-Name\"`");
}

#[test]
fn names_that_are_something_else() {
    let declared =
        "list white [\"a@b.example\"]\nscore junk { +1 has from }\ndefine news = has to\n";
    for (rule, code, marked, message) in [
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
fn operators_and_values_fit_the_field() {
    for (test, code, marked, message) in [
        (
            "subject < 5",
            "operator-does-not-fit",
            "<",
            "`<` does not fit `subject`, which is a text",
        ),
        (
            "size contains \"x\"",
            "operator-does-not-fit",
            "contains",
            "`contains` does not fit `size`, which is a size",
        ),
        (
            "weekday = monday",
            "operator-does-not-fit",
            "=",
            "`=` does not fit `weekday`, which is a day of the week",
        ),
        ("subject is foo", "wrong-value", "foo", "expected a quoted string, found a name"),
        ("subject is /x/", "wrong-value", "/x/", "expected a quoted string, found a pattern"),
        ("subject is [\"a\", 5]", "wrong-value", "5", "expected a quoted string, found a number"),
        ("subject matches \"x\"", "wrong-value", "\"x\"", "expected a pattern, found a string"),
        ("size > 7d", "wrong-value", "7d", "expected a size, found a duration"),
        ("age > 7", "wrong-value", "7", "expected a duration, found a number"),
        ("recipients > 5K", "wrong-value", "5K", "expected a number, found a size"),
        ("date > 22:00", "wrong-value", "22:00", "expected a date, found a time of day"),
        ("time > 2026-01-01", "wrong-value", "2026-01-01", "expected a time of day, found a date"),
        (
            "from in \"a@b.example\"",
            "wrong-value",
            "\"a@b.example\"",
            "expected a list or a set, found a string",
        ),
        ("age in 7d", "wrong-value", "7d", "expected a range, found a duration"),
        (
            "now in 2026-01-01..22:00",
            "wrong-value",
            "22:00",
            "expected a date, found a time of day",
        ),
        ("date > 2026-02-29", "no-such-date", "2026-02-29", "there is no day `2026-02-29`"),
        ("has header \"a b\"", "bad-header-name", "\"a b\"", "`a b` is not a valid header name"),
        ("has env \"A=B\"", "bad-env-name", "\"A=B\"", "`A=B` is not a valid variable name"),
        (
            "subject matches /a\\/(b/",
            "bad-pattern",
            "(",
            "this pattern cannot be used: unclosed group",
        ),
        (
            "subject matches /(\\w{1000}){1000}/",
            "bad-pattern",
            "/(\\w{1000}){1000}/",
            "this pattern cannot be used: it needs more than 4 MB of memory",
        ),
        (
            "from in [/x/c]",
            "bad-pattern",
            "/x/c",
            "this pattern cannot be used: case does not count in a set of addresses",
        ),
    ] {
        mistakes(&format!("when {test} -> inbox"), &[(code, marked, message)]);
    }
    assert_eq!(
        hint("when subject < 5 -> inbox"),
        "these do: `is` `contains` `starts` `ends` `like` `resembles` `matches` `in`"
    );
    assert_eq!(hint("when age > 7 -> inbox"), "`7d` is days, `7h` hours");
    assert_eq!(
        hint("when subject matches \"a/b\" -> inbox"),
        "a pattern is written between slashes: `/a\\/b/`"
    );
    for (test, suggestion) in [
        ("subject is foo", "put it in quotes: `\"foo\"`"),
        ("subject is /x/", "`subject matches /x/`"),
        ("subject resembles \"?\"", "`subject resembles \"viagra\"`, for example"),
        ("from is \"<>\"", "the null sender: `from is \"\"`"),
        ("from is \"b.example\"", "for the part after the `@`: `from.domain is …`"),
        ("from is \"taro\"", "for the part before the `@`: `from.local is …`"),
        ("from in \"a@b.example\"", "`[\"a@b.example\"]`, or the name of a list"),
        ("age > 2026-12-24", "`12h`, `7d`, `2w`"),
        ("recipients > 5K", "`5`, `-2.5`"),
        ("size > 7d", "`20K`, `5M`, or a number of bytes"),
        ("time > 2026-12-24", "`22:00`"),
        ("size in 5", "a range is `1M..5M`; for one value, `size = …`"),
        ("age in 5d", "a range is `1d..7d`; for one value, `age = …`"),
        ("recipients in 5", "a range is `1..5`; for one value, `recipients = …`"),
        ("time in 22:00", "a range is `22:00..07:00`; for one value, `time = …`"),
        ("date in 2026-12-24", "a range is `2026-12-24..2027-01-03`; for one value, `date = …`"),
    ] {
        assert_eq!(hint(&format!("when {test} -> inbox")), suggestion, "{test}");
    }
    mistakes(
        "when header \"X\" > \"a\" -> inbox",
        &[("wrong-value", "\"a\"", "expected a number, found a string")],
    );
    mistakes(
        "when from in 5 -> inbox",
        &[("wrong-value", "5", "expected a list or a set, found a number")],
    );
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

#[test]
fn actions_and_their_arguments() {
    for (action, code, marked, message) in [
        (
            "reject \"no\"",
            "bad-status",
            "\"no\"",
            "`reject` takes a status code `5.x.x` and a text",
        ),
        (
            "reject \"4.7.1 no\"",
            "bad-status",
            "\"4.7.1 no\"",
            "`reject` takes a status code `5.x.x` and a text",
        ),
        ("defer \"4.3.0\"", "no-reason", "\"4.3.0\"", "`defer` has no text for the sender"),
        ("folder Work", "wrong-value", "Work", "expected a quoted string, found a name"),
        ("folder", "wrong-arguments", "folder", "wrong arguments for `folder`"),
        ("inbox \"x\"", "wrong-arguments", "inbox \"x\"", "wrong arguments for `inbox`"),
        ("mark", "wrong-arguments", "mark", "wrong arguments for `mark`"),
        ("discard as seen", "no-flags", "seen", "`discard` does not deliver, so it takes no flags"),
        ("mark \"$a b\"", "bad-keyword", "\"$a b\"", "`$a b` is not a valid keyword"),
        (
            "add-header \"X Y\" \"v\"",
            "bad-header-name",
            "\"X Y\"",
            "`X Y` is not a valid header name",
        ),
        ("log \"{1}\"", "no-capture", "{1}", "`{1}` is not captured by any pattern of this rule"),
        ("log \"a{b\"", "brace", "{", "unclosed `{`"),
        ("log \"a}b\"", "brace", "}", "unmatched `}`"),
        ("log \"{}\"", "brace", "{}", "empty braces"),
        ("log \"\\u{5927}{age}\"", "no-insert", "{age}", "`age` cannot be inserted"),
        ("folder \"{date:%!}\"", "bad-date-format", "{date:%!}", ""),
    ] {
        let (sources, checked) = check_files(&[("main", action)]);
        let found = diagnostics(&sources, &checked);
        assert_eq!(found.len(), 1, "{action}: {found:?}");
        assert_eq!((found[0].0.as_str(), found[0].1.as_str()), (code, marked), "{action}");
        assert!(found[0].2.starts_with(message), "{action}: {}", found[0].2);
        assert!(checked.program.is_none());
    }
}

#[test]
fn captures_come_from_the_rules_around() {
    program("when subject matches /(a)(?<tag>b)/ { when has to -> folder \"{1}{2}{tag}\" }");
    mistakes(
        "when subject matches /(a)/ -> folder \"{2}\"",
        &[("no-capture", "{2}", "`{2}` is used, but this rule's patterns capture only one group")],
    );
    for rule in [
        "when not subject matches /(a)/ -> folder \"{1}\"",
        "define d = subject matches /(a)/\nwhen d -> folder \"{1}\"",
        "when subject matches /(a)/ -> inbox\nwhen has to -> folder \"{1}\"",
    ] {
        mistakes(
            rule,
            &[("no-capture", "{1}", "`{1}` is not captured by any pattern of this rule")],
        );
    }
}

#[test]
fn folder_names() {
    for (name, code) in [
        ("", "folder-empty"),
        ("/a", "folder-absolute"),
        ("~/a", "folder-absolute"),
        ("a/../b", "folder-climbs"),
        ("a/. /b", "folder-climbs"),
        ("a//b", "folder-empty-part"),
        ("a/", "folder-empty-part"),
        ("INBOX/", "folder-empty"),
        ("INBOX/../x", "folder-climbs"),
        ("a\\n", "folder-control"),
        ("a.b", "folder-dot"),
    ] {
        for rules in [format!("folder \"{name}\""), format!("set inbox \"{name}\"")] {
            let (sources, checked) = check_files(&[("main", &rules)]);
            let found = diagnostics(&sources, &checked);
            assert_eq!(found.len(), 1, "{rules}: {found:?}");
            assert_eq!((found[0].0.as_str(), found[0].1.as_str()), (code, &*format!("\"{name}\"")));
        }
    }
    for (name, code) in [("a/.b", "folder-hidden"), ("a/cur", "folder-reserved")] {
        let rules = format!("set layout fs\nfolder \"{name}\"");
        let (_, checked) = check_files(&[("main", &rules)]);
        assert_eq!(checked.diagnostics[0].code, code);
    }
    let long = format!("folder \"{}\"", "長".repeat(100));
    assert_eq!(check_files(&[("main", &long)]).1.diagnostics[0].code, "folder-too-long");
    program("set layout fs\nfolder \"v1.0/{subject}\"");
    mistakes(
        "when has to -> folder \"Lists\"\nfolder \"lists\"",
        &[("folder-case", "\"lists\"", "`lists` differs from `Lists` only by case")],
    );
}

#[test]
fn the_inbox_has_more_than_one_name() {
    let actions = |text: &str| -> Vec<Action> {
        let statements = program(text).statements.into_iter();
        statements
            .filter_map(|statement| match statement.kind {
                StatementKind::Act(action) => Some(action),
                _ => None,
            })
            .collect()
    };
    assert!(
        matches!(actions("folder \"Inbox\" as seen").as_slice(), [Action::InboxAction(inbox)] if inbox.flags.known.letters == "S" && !inbox.unless_filed)
    );
    let text = |text: &str| Template { parts: vec![TemplatePart::Text(text.into())] };
    assert!(
        matches!(actions("copy \"INBOX/a\"").as_slice(), [Action::CopyAction(copy)] if copy.name == Some(text("a")))
    );
    assert!(
        matches!(actions("copy \"inbox\"").as_slice(), [Action::CopyAction(copy)] if copy.name.is_none())
    );
}

#[test]
fn settings() {
    let program = program(
        "set maildir \"~/M\"\nset layout fs\nset folder-names utf8\nset inbox \"INBOX\"\n\
         set me [\"taro@example.jp\", \"@taro.example\"]\nset delimiter \"-+\"\nset log syslog\n\
         when to in me -> inbox",
    );
    assert_eq!(program.settings.maildir.as_deref(), Some("~/M"));
    assert_eq!(program.settings.layout, Layout::Fs);
    assert_eq!(program.settings.inbox.as_deref(), Some("INBOX"));
    assert_eq!(program.settings.me, ["taro@example.jp", "@taro.example"]);
    assert_eq!(program.settings.log, LogSetting::Syslog);
    assert_eq!(program.lists[0].name.as_deref(), Some("me"));
    for (text, code, marked, message) in [
        ("set layout foo", "bad-setting", "foo", "`set layout` takes `maildir++` or `fs`"),
        (
            "set delimiter \"a\"",
            "bad-setting",
            "\"a\"",
            "`set delimiter` takes the separator of name and detail, for example `\"+\"`",
        ),
        (
            "set timezone \"../x\"",
            "bad-setting",
            "\"../x\"",
            "`set timezone` takes the name of a zone, for example `\"Asia/Tokyo\"`",
        ),
        (
            "set folder-prefix \"a/../\"",
            "bad-setting",
            "\"a/../\"",
            "`set folder-prefix` takes what folder names begin with, for example `\"INBOX/\"`, or `\"\"`",
        ),
        (
            "set folder-prefix \"INBOX\"",
            "bad-setting",
            "\"INBOX\"",
            "`set folder-prefix` takes what folder names begin with, for example `\"INBOX/\"`, or `\"\"`",
        ),
        ("set log off\nset log syslog", "setting-twice", "set log syslog", "`log` is set twice"),
        (
            "stop\nset log off",
            "setting-too-late",
            "set log off",
            "`set log` must come before the first rule",
        ),
        (
            "when has to { expect \"m\" -> inbox }",
            "expect-in-group",
            "expect \"m\" -> inbox",
            "`expect` inside a group",
        ),
        (
            "set timezone \"Nowhere/Land\"",
            "unknown-timezone",
            "\"Nowhere/Land\"",
            "unknown time zone `Nowhere/Land`",
        ),
        (
            "set sendmail \"sendmail\"",
            "bad-setting",
            "\"sendmail\"",
            "`set sendmail` takes a program by its path, for example `\"/usr/sbin/sendmail\"`",
        ),
        (
            "set me [\"taro\"]",
            "bad-entry",
            "\"taro\"",
            "entry `taro` cannot match any address: it has no `@`",
        ),
    ] {
        mistakes(text, &[(code, marked, message)]);
    }
    for setting in [
        "maildir 5",
        "maildir \" \"",
        "folder-names 5",
        "inbox 5",
        "drafts 5",
        "shared 5",
        "subscribe 5",
        "remake-folders 5",
        "spam-score-header \"a b\"",
        "log 5",
        "log \"\"",
        "me 5",
        "trust \" \"",
    ] {
        let (_, checked) = check_files(&[("main", &format!("set {setting}"))]);
        let diagnostics: Vec<_> = checked
            .diagnostics
            .iter()
            .map(|diagnostic| (diagnostic.code, &diagnostic.message))
            .collect();
        let name = setting.split(' ').next().unwrap();
        assert!(
            matches!(diagnostics.as_slice(), [("bad-setting", message)]
                if message.contains(name) && !message.contains("an address")),
            "{setting}: {diagnostics:?}"
        );
    }
}

#[test]
fn each_setting_sets_its_own() {
    let settings = program(
        "set layout maildir++\nset inbox \"inbox\"\nset folder-names mutf7\nset shared on\n\
         set trash \"T\"\nset junk \"J\"\nset drafts \"D\"\nset remake-folders on\n\
         set over-quota temporary\nset sendmail \"/s\"",
    )
    .settings;
    let of_use = [&settings.trash, &settings.junk, &settings.drafts];
    assert_eq!(of_use.map(|folder| folder.as_deref().unwrap_or_default()), ["T", "J", "D"]);
    assert_eq!((settings.shared, settings.remake_folders), (true, Some(true)));
    assert_eq!(settings.folder_names, Some(FolderNames::Mutf7));
    assert_eq!(settings.over_quota, Some(OverQuota::Temporary));
    assert_eq!((settings.inbox.as_deref(), settings.sendmail.as_deref()), (Some(""), Some("/s")));
    let other = program(
        "set shared off\nset remake-folders off\nset subscribe off\nset folder-names utf8\n\
         set folder-prefix \"a/b/\"\nset over-quota permanent\nset log off\n\
         set duplicates-for 3d\nset program-timeout 9s\nset me \"t@example.jp\"\n\
         set forward-sender \"t+{sender}@example.jp\"",
    )
    .settings;
    assert_eq!((other.duplicates_for, other.program_timeout), (Some(3 * 86_400), Some(9)));
    assert_eq!((other.log, other.me), (LogSetting::Off, vec!["t@example.jp".to_owned()]));
    assert_eq!(other.forward_sender.as_deref(), Some("t+{sender}@example.jp"));
    assert_eq!(program("set log \"/l\"").settings.log, LogSetting::File("/l".into()));
    let switches = (other.shared, other.remake_folders, other.subscribe);
    assert_eq!(switches, (false, Some(false), Some(false)));
    assert_eq!(other.folder_names, Some(FolderNames::Utf8));
    assert_eq!(other.over_quota, Some(OverQuota::Permanent));
    assert_eq!(other.folder_prefix.as_deref(), Some("a/b/"));
}

#[test]
fn a_status_has_three_numbers_of_the_right_class() {
    for status in ["5.0.0", "5.7.1", "5.10.999"] {
        program(&format!("reject \"{status} no\""));
    }
    for status in ["4.7.1", "5.7", "5.7.1.1", "5..1", "5.07.1", "5.7.1000", "5.7.x", "55.7.1"] {
        let (_, checked) = check_files(&[("main", &format!("reject \"{status} no\""))]);
        let codes: Vec<_> = checked.diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
        assert_eq!(codes, ["bad-status"], "{status}");
    }
    mistakes(
        "reject \"5.7.1  no {subjekt}\"",
        &[("unknown-insert", "{subjekt}", "there is no value to insert `subjekt`")],
    );
}

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
fn old_mail_goes_to_one_folder_or_is_deleted() {
    for (actions, is_fine) in [
        ("delete", true),
        ("delete, delete", true),
        ("folder \"B\"", true),
        ("delete, folder \"B\"", false),
        ("folder \"B\", delete", false),
        ("delete as seen", false),
        ("delete \"x\"", false),
        ("folder \"B\" as seen", false),
        ("inbox", false),
    ] {
        let (_, checked) = check_files(&[("main", &format!("expire \"A\" after 1d -> {actions}"))]);
        let codes: Vec<_> = checked.diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
        assert_eq!(codes, if is_fine { &[][..] } else { &["expire-action"] }, "{actions}");
    }
    for (even, expected) in [("", [false, false]), ("even unread", [true, false])] {
        let program = program(&format!("expire \"A\" after 1d {even} -> delete"));
        let expiry = &program.expiries[0];
        assert_eq!([expiry.even_unread, expiry.even_flagged], expected, "{even}");
    }
}

#[test]
fn what_is_remembered_depends_on_the_tests() {
    let program = program(
        "list known sent \"Sent\"\nwhen duplicate within 3d or duplicate within 5d -> discard",
    );
    assert_eq!((program.longest_within, program.asks_for_sent_mail), (5 * 86_400, true));
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
        .map(|each| {
            let path = sources.path(each.span).display().to_string();
            (path, sources.line(each.span), each.code, sources.text(each.span))
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
    let codes: Vec<_> = found.iter().map(|each| (each.0.as_str(), each.1.as_str())).collect();
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

#[test]
fn values_become_what_fields_are_compared_with() {
    let needles = |test: &str| match conditions(&format!("when {test} -> inbox")).pop() {
        Some(ConditionKind::Text { needles, .. }) => {
            needles.into_iter().map(|needle| needle.folded).collect::<Vec<_>>().join(" ")
        }
        other => panic!("{test}: {other:?}"),
    };
    assert_eq!(needles("subject contains \"ＳＡＬＥ\""), "sale");
    assert_eq!(needles("from is \"Taro@XN--WGV71A119E.jp\""), "taro@日本語.jp");
    assert_eq!(needles("from ends \"@xn--wgv71a119e.jp\""), "@日本語.jp");
    assert_eq!(needles("from.domain is \"XN--WGV71A119E.JP.\""), "日本語.jp");
    assert_eq!(needles("from.domain starts \"Mail.\""), "mail.");
    assert_eq!(needles("from.domain is \"Mail.Example.\""), "mail.example");
    assert_eq!(needles("from ends \"@Mail.Example.\""), "@mail.example");
    assert_eq!(needles("from.domain ends \".xn--wgv71a119e.jp\""), ".日本語.jp");
    assert_eq!(needles("from starts \"Taro@XN--WGV71A119E.jp\""), "taro@日本語.jp");
    assert_eq!(needles("from starts \"Taro@Mail.\""), "taro@mail.");
    let of_set = |test: &str| match program(&format!("when {test} -> inbox")).lists.pop() {
        Some(list) => match list.entries {
            Entries::Inline(entries) => entries,
            other => vec![format!("{other:?}")],
        },
        None => Vec::new(),
    };
    assert_eq!(of_set("from.domain in [\"XN--WGV71A119E.JP.\", \"x.jp\"]"), ["日本語.jp", "x.jp"]);
    assert_eq!(of_set("from.domain in [\"*.XN--WGV71A119E.JP\"]"), ["*.日本語.jp"]);
    assert_eq!(needles("from ends \".xn--wgv71a119e.JP\""), ".xn--wgv71a119e.jp");
    assert_eq!(needles("spf in [pass, \"None\"]"), "pass none");
    assert_eq!(needles("weekday is mon"), "monday");
    assert_eq!(needles("weekday in [sat, \"Sunday\"]"), "saturday sunday");
    assert_eq!(needles("weekday in fri..mon"), "monday friday saturday sunday");

    let numbers = |test: &str| match conditions(&format!("when {test} -> inbox")).pop() {
        Some(ConditionKind::Compare { operator, values, .. }) => (operator, values),
        Some(ConditionKind::Within { from, to, .. }) => (Comparison::Equal, vec![from, to]),
        other => panic!("{test}: {other:?}"),
    };
    assert_eq!(numbers("size > 20K"), (Comparison::Greater, vec![20480.0]));
    assert_eq!(numbers("size > 5"), (Comparison::Greater, vec![5.0]));
    assert_eq!(numbers("age <= 2w"), (Comparison::LessOrEqual, vec![1_209_600.0]));
    assert_eq!(numbers("date = 1970-01-02"), (Comparison::Equal, vec![1.0]));
    assert_eq!(numbers("now < 1969-12-31"), (Comparison::Less, vec![-1.0]));
    assert_eq!(numbers("time in 22:00..07:00"), (Comparison::Equal, vec![1320.0, 420.0]));
    assert_eq!(numbers("header \"X-Score\" >= -2.5"), (Comparison::GreaterOrEqual, vec![-2.5]));
    assert_eq!(numbers("priority in 5..9"), (Comparison::Equal, vec![5.0, 9.0]));
    assert!(matches!(
        conditions("when time in [08:00..09:00, 12:00..13:00] -> inbox").as_slice(),
        [ConditionKind::Within { .. }, ConditionKind::Within { .. }, ConditionKind::Any(_)]
    ));
}

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
        let codes: Vec<_> = found.iter().map(|each| each.0.as_str()).collect();
        assert_eq!(codes, [code], "{text}");
        assert!(found[0].1.trim_start_matches('"') == marked.trim_start_matches('"'), "{found:?}");
    }
}

#[test]
fn days_of_the_week_and_results_are_words() {
    program("when weekday is thurs or weekday in [mon, tue, Monday] -> inbox");
    for (test, code, marked) in [
        ("weekday is mo", "unknown-weekday", "mo"),
        ("weekday is tuesda", "unknown-weekday", "tuesda"),
        ("weekday is 5", "wrong-value", "5"),
        ("spf is 5", "wrong-value", "5"),
    ] {
        let (sources, checked) = check_files(&[("main", &format!("when {test} -> inbox"))]);
        let found = diagnostics(&sources, &checked);
        let found: Vec<_> = found.iter().map(|each| (each.0.as_str(), each.1.as_str())).collect();
        assert_eq!(found, [(code, marked)], "{test}");
    }
}

#[test]
fn networks_are_read_up_to_their_last_bit() {
    let network =
        |text: &str| match conditions(&format!("when client.ip in [\"{text}\"] -> inbox")).pop() {
            Some(ConditionKind::Network { mut networks, .. }) => networks.pop(),
            _ => None,
        };
    let all = network("::/0").map(|network| (network.first, network.last));
    assert_eq!(all, Some(([0; 16], [0xff; 16])));
    let one = network("2001:db8::1/128").map(|network| (network.first, network.last));
    assert!(one.is_some_and(|(first, last)| first == last));
    for text in ["192.0.2.0/33", "2001:db8::/129", "192.0.2", "192.0.2.0/x"] {
        let (_, checked) =
            check_files(&[("main", &format!("when client.ip in [\"{text}\"] -> inbox"))]);
        let codes: Vec<_> = checked.diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
        assert_eq!(codes, ["wrong-value"], "{text}");
    }
    let named = "list blocked [\"192.0.2.7\"]\nwhen client.ip in blocked -> inbox";
    assert!(matches!(conditions(named).as_slice(), [ConditionKind::In { .. }]));
}

#[test]
fn a_header_is_compared_with_texts_or_with_numbers() {
    for (test, is_number) in [
        ("header \"X\" in [\"a@b.example\"]", false),
        ("header \"X\" in [1, 5]", true),
        ("header \"X\" in [1..2, 5K]", true),
        ("header \"X\" in 1..5", true),
        ("header \"X\" in words", false),
    ] {
        let rules = format!("list words [\"a@b.example\"]\nwhen {test} -> inbox");
        let of_list =
            conditions(&rules).iter().any(|kind| matches!(kind, ConditionKind::In { .. }));
        assert_eq!(of_list, !is_number, "{test}");
    }
}

#[test]
fn the_same_question_is_known_in_another_order() {
    for (first, second) in [
        ("has to or has cc", "has cc or has to"),
        ("has to or has cc", "has cc or has to or has cc"),
        ("not has to", "not has to"),
    ] {
        let rules = format!("when {first} -> inbox\nwhen {second} -> stop");
        let (_, checked) = check_files(&[("main", &rules)]);
        let codes: Vec<_> = checked.diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
        assert_eq!(codes, ["unreachable"], "{rules}");
    }
    program("when not has to -> inbox\nwhen not has cc -> stop");
}

#[test]
fn a_folder_that_may_exist() {
    let asks = |text: &str| {
        let name = |kind| match kind {
            ConditionKind::FolderExists(name) => Some(name),
            _ => None,
        };
        conditions(&format!("when {text} -> inbox"))
            .into_iter()
            .find_map(name)
            .expect("it asks for a folder")
    };
    let text = |text: &str| Some(Template { parts: vec![TemplatePart::Text(text.into())] });
    assert_eq!(asks("folder-exists \"A/B\""), text("A/B"));
    assert_eq!(asks("folder-exists \"INBOX/A\""), text("A"));
    assert_eq!(asks("not folder-exists \"inbox\""), None);
    assert!(program("when folder-exists \"A\" -> inbox").asks_for_folders);
    assert!(!program("when has to -> folder \"A\"").asks_for_folders);

    // Captures of this rule so far, and of those around.
    let before = "subject matches /(a)(?<tag>b)/";
    for rule in [
        format!("when {before} and folder-exists \"{{1}}{{tag}}\" -> inbox"),
        format!("when {before} and not folder-exists \"{{1}}\" -> folder \"{{2}}\""),
        format!("when {before} {{ when folder-exists \"{{2}}\" -> inbox }}"),
    ] {
        program(&rule);
    }
    for rule in [
        format!("when folder-exists \"{{1}}\" and {before} -> inbox"),
        format!("when not {before} and folder-exists \"{{1}}\" -> inbox"),
        format!("define d = {before} and folder-exists \"{{1}}\"\nwhen d -> inbox"),
        format!("score s {{ +1 {before} and folder-exists \"{{1}}\" }}\nwhen s > 0 -> inbox"),
    ] {
        let (_, checked) = check_files(&[("main", &rule)]);
        let codes: Vec<_> = checked.diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
        assert_eq!(codes, ["no-capture"], "{rule}");
    }

    // The same text is the same folder, but not with other captures.
    for (text, is_reached) in [
        ("when folder-exists \"A\" -> inbox\nwhen folder-exists \"A\" -> stop", false),
        ("when folder-exists \"A\" -> inbox\nwhen not folder-exists \"A\" -> stop", true),
        ("when folder-exists \"A\" -> inbox\nwhen folder-exists \"a/B\" -> stop", true),
        (
            "let x = \"a\"\nwhen folder-exists \"{x}\" -> inbox\nlet x = \"b\"\n\
             when folder-exists \"{x}\" -> stop",
            true,
        ),
        (
            "when subject matches /(.)/ and folder-exists \"{1}\" -> inbox\n\
             when to matches /(.)/ and folder-exists \"{1}\" -> stop\n\
             when to matches /(.)/ { when folder-exists \"{1}\" -> inbox }",
            true,
        ),
    ] {
        let (_, checked) = check_files(&[("main", text)]);
        assert_eq!(checked.diagnostics.is_empty(), is_reached, "{text}");
    }
    // A name that was declared before this word existed.
    program(
        "define folder-exists = has to\nwhen folder-exists and not folder-exists \"A\" -> inbox",
    );
}

#[test]
fn captures_outlive_a_duplicate_test() {
    program(
        "when subject matches /(a)/ { when duplicate of \"{subject}\" within 1d -> folder \"{1}\" }",
    );
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
    let behind = format!("{broken}log \"{{1}}\"");
    assert_eq!(codes(&behind), [alone[0], "folder-empty-part", "no-capture"]);
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

#[test]
fn operators_keep_their_meaning() {
    let kinds = conditions("when subject like \"a*\" and from in [/x/] -> inbox");
    assert!(matches!(kinds[0], ConditionKind::Text { operator: TextOperator::Like, .. }));
    assert!(matches!(kinds[1], ConditionKind::In { list: 0, .. }));
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
