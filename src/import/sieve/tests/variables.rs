//! What scripts capture, keep and insert.

use super::{exact, rules};

#[test]
fn a_capture_is_not_known_in_the_same_condition() {
    let variables = "require \"variables\"; ";
    for test in [
        "allof (header :matches \"subject\" \"[*]*\", string :is \"${1}\" \"x\")",
        "anyof (allof (header :matches \"subject\" \"[*]*\", size :over 1), string :is \"${1}\" \"x\")",
    ] {
        let (_, totals) = rules(&format!("{variables}if {test} {{ discard; }}"));
        assert_eq!((totals.not, totals.all), (1, 1), "{test}");
    }
    for (test, want) in [
        ("allof (string :matches \"ab\" \"a*\", string :is \"${1}\" \"b\")", "discard"),
        ("anyof (string :matches \"ab\" \"b*\", string :is \"${1}\" \"\")", "discard"),
        (
            "anyof (header :is \"subject\" \"a\", string :is \"${1}\" \"b\")",
            "when subject is \"a\" -> discard",
        ),
    ] {
        assert_eq!(exact(&format!("{variables}if {test} {{ discard; }}")), want, "{test}");
    }
}

#[test]
fn text_that_doubles_is_not_made() {
    let mut script = "require [\"variables\", \"fileinto\"]; set \"a\" \"x\";".to_owned();
    for _ in 0..64 {
        script.push_str("set \"a\" \"${a}${a}\";");
    }
    script.push_str("if header \"Subject\" \"${a}\" { fileinto \"A\"; }");
    let (rules, totals) = rules(&script);
    assert!(totals.exact < totals.all, "{totals:?}");
    assert!(rules.len() < 64 << 10, "{} bytes", rules.len());
}

/// `${0}` is the first group then, and `${1}` the second.
#[test]
fn all_that_fitted_is_inserted() {
    let script = |test: &str, text: &str| {
        format!(
            "require [\"variables\", \"fileinto\"]; \
             if {test} {{ addflag \"k\"; set \"v\" \"{text}\"; reject \"${{v}}\"; }}"
        )
    };
    for (test, text, want) in [
        (
            "header :matches \"subject\" \"[*] *\"",
            "${0}-${2}",
            "(?s)^(\\[(.*?)\\] (.*?))$/ {1}-{3}",
        ),
        ("header :matches \"subject\" \"[*] *\"", "${1}", "(?s)^\\[(.*?)\\] (.*?)$/ {1}"),
        ("header :matches \"subject\" \"Sale\"", "${00}", "(?s)^(Sale)$/ {1}"),
        ("header :regex \"subject\" \"^a(b|c)$\"", "${0}${1}", "^(a(b|c))$/ {1}{2}"),
        // The group takes `rust-users` of `rust-users-request@b`, not only its last letter.
        (
            "address :regex \"from\" \"([a-z-]+)-request@\"",
            "${1}",
            "(?:^|<)[^<>]*?(?:([a-z\\-]+)\\-request@)[^<>]*>?$/ {1}",
        ),
        // Of a group that there is not, nothing is inserted.
        ("header :regex \"subject\" \"^a(b|c)$\"", "${1}x${2}", "^a(b|c)$/ {1}x"),
        ("header :regex \"subject\" \"^a|b$\"", "${0}", "(^a|b$)/ {1}"),
        ("address :matches \"from\" \"*@b\"", "${0}", "(?:^|<)(?:(([^<>]*?)@b))>?$/ {1}"),
    ] {
        let rules = exact(&script(test, text));
        let (pattern, text) = want.split_once("/ ").expect("both");
        let is_there = |part: &str| assert!(rules.contains(part), "{test}: {part} in {rules}");
        is_there(&format!(" matches /{pattern}/"));
        is_there(&format!("let v = \"{text}\""));
    }
}

/// POSIX takes the longest of alternatives, ours the first.
#[test]
fn what_alternatives_capture_may_differ() {
    let captured = |pattern: &str| {
        let (_, totals) = rules(&format!(
            "require [\"variables\", \"regex\"]; if header :regex \"subject\" \"{pattern}\" \
             {{ addflag \"${{1}}\"; }}"
        ));
        totals.exact == totals.all
    };
    assert!(captured("^(re|fwd): "));
    assert!(!captured("^(a|ab)(c|bcd)?"));
}

/// Case counts in tests of variables where a comparator says so, and two values of a
/// variable may differ by case alone.
#[test]
fn variables_are_compared_by_the_comparator() {
    let script = |test: &str| {
        format!(
            "require [\"variables\", \"fileinto\"]; if header :matches \"Subject\" \"* *\" \
             {{ set \"v\" \"${{1}}\"; if string {test} {{ discard; }} }}"
        )
    };
    for (test, want) in [
        (":is \"${v}\" \"sale\"", "v is \"sale\""),
        (":comparator \"i;octet\" :is \"${v}\" \"sale\"", "v matches /^sale$/c"),
        (":comparator \"i;octet\" :is \"${v}\" \"12\"", "v is \"12\""),
        (
            ":comparator \"i;octet\" :contains \"${v}\" [\"a\", \"-\"]",
            "v matches /a/c or v contains \"-\"",
        ),
    ] {
        let rules = exact(&script(test));
        assert!(rules.contains(&format!("when {want} -> discard")), "{test}: {rules}");
    }
    for (comparator, want) in [("", "discard"), (":comparator \"i;octet\"", "")] {
        let script = format!(
            "require \"variables\"; set \"v\" \"A\"; if string {comparator} \"${{v}}\" \"a\" {{ discard; }}"
        );
        assert_eq!(exact(&script), want, "{script}");
    }
    let two = "require [\"variables\", \"fileinto\"]; set \"v\" \"work\"; \
         if size :over 1 { set \"v\" \"Work\"; } fileinto \"${v}\";";
    let want = "when v matches /^Work$/c -> folder \"Work\"\n\
                when v matches /^work$/c -> folder \"work\"";
    let rules = exact(two);
    assert!(rules.contains(want), "{rules}");
}

/// Sieve makes a keyword of each word of a value, and none of what cannot be one.
#[test]
fn a_captured_keyword_is_exact_if_it_can_be_nothing_else() {
    let approximate = |pattern: &str, set: &str, flag: &str| {
        let script = format!(
            "require [\"variables\", \"regex\", \"imap4flags\"]; if header :regex \"x-tag\" \
             \"{pattern}\" {{ {set} addflag \"{flag}\"; }}"
        );
        let totals = rules(&script).1;
        assert_eq!(totals.not, 0, "{script}");
        totals.approximate > 0
    };
    for (pattern, set, flag, want) in [
        ("([a-z_0-9-]+)", "", "t-${1}", false),
        ("([a-z_0-9-]+)", "set \"v\" \"${1}-x\";", "${v}", false),
        ("([a-z ]+)", "", "t-${1}", true),
        ("([a-z(]+)", "", "${1}", true),
        ("(.*)", "", "t-${1}", true),
        ("([a-z]+)", "set \"v\" \"two ${1}\";", "${v}", true),
        ("([a-z]+)", "", "two ${1}", true),
    ] {
        assert_eq!(approximate(pattern, set, flag), want, "{pattern} {set} {flag}");
    }
}
