//! Operators and values that fit their field, and what they become.

use super::{check_files, conditions, diagnostics, hint, mistakes, program};
use crate::rules::program::{Comparison, ConditionKind, Entries, TextOperator};

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
        let found: Vec<_> =
            found.iter().map(|mistake| (mistake.0.as_str(), mistake.1.as_str())).collect();
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
fn operators_keep_their_meaning() {
    let kinds = conditions("when subject like \"a*\" and from in [/x/] -> inbox");
    assert!(matches!(kinds[0], ConditionKind::Text { operator: TextOperator::Like, .. }));
    assert!(matches!(kinds[1], ConditionKind::In { list: 0, .. }));
}
