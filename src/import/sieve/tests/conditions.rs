//! What scripts ask about a message.

use super::super::import;
use super::{exact, included, rules};
use crate::import::{Options, testing};

#[test]
fn tests_are_said_as_plainly_as_they_can_be() {
    for (test, want) in [
        ("header :contains \"X-A\" \"b\"", "header \"X-A\" contains \"b\""),
        (
            "header :matches \"subject\" [\"*a*\", \"b*\"]",
            "subject contains \"a\" or subject starts \"b\"",
        ),
        ("header :matches \"subject\" \"a*b[?\"", "subject like \"a*b\\\\[?\""),
        ("header :is [\"to\", \"cc\"] \"x\"", "[header \"to\", header \"cc\"] is \"x\""),
        ("header :contains \"subject\" \"*a*\"", "subject like \"*\\\\*a\\\\**\""),
        (
            "header :comparator \"i;octet\" :contains \"subject\" \"A.b\"",
            "subject matches /A\\.b/c",
        ),
        ("address :contains \"from\" \"a\"", "from like \"*a*\""),
        ("address :localpart :is [\"from\", \"sender\"] \"a\"", "[from, sender] like \"a@*\""),
        ("address :domain :is \"x-to\" \"a.example\"", "address \"x-to\".domain is \"a.example\""),
        ("address :regex \"from\" \"^a.*@b$\"", "from matches /(?:^|<)(?:a[^<>]*@b)>?$/"),
        ("address :regex \"from\" \"(?i)^A@b$\"", "from matches /(?:^|<)(?:A@b)>?$/"),
        ("envelope :is \"from\" \"\"", "envelope-from is \"\""),
        ("not anyof (size :over 2K, exists \"x\")", "not (size > 2K or header \"x\" like \"*\")"),
        ("allof (true, anyof (size :over 1, not true))", "size > 1"),
        ("currentdate :value \"ge\" \"hour\" \"9\"", "time in 90:00"),
        (
            "currentdate :is \"hour\" [\"09\", \"10\", \"22\"]",
            "time in [09:00..10:59, 22:00..22:59]",
        ),
        ("currentdate :value \"lt\" \"date\" \"2026-12-24\"", "now < 2026-12-24"),
        ("currentdate :is \"weekday\" [\"1\", \"2\"]", "weekday is [\"monday\", \"tuesday\"]"),
        (
            "header :count \"ge\" :comparator \"i;ascii-numeric\" \"x\" \"1\"",
            "header \"x\" like \"*\"",
        ),
    ] {
        if want == "time in 90:00" {
            // As texts, `9` comes after `22`: no hour is greater.
            assert_eq!(exact(&format!("if {test} {{ discard; }}")), "", "{test}");
            continue;
        }
        assert_eq!(
            exact(&format!("if {test} {{ discard; }}")),
            format!("when {want} -> discard"),
            "{test}"
        );
    }
}

/// What the language says about several headers, grades and the body as it came.
#[test]
fn what_web_mailers_offer_besides() {
    for (test, want) in [
        (
            "header :index 1 :contains \"X-A\" \"b\"",
            "header \"X-A\" like \"*\" and first-x-a contains \"b\"",
        ),
        (
            "header :index 1 :is \"X-A\" [\"\", \"b\"]",
            "header \"X-A\" like \"*\" and (first-x-a is [\"\", \"b\"] or not has first-x-a)",
        ),
        ("date :index 1 :is \"date\" \"weekday\" \"1\"", "date.weekday is \"monday\""),
    ] {
        let rules = exact(&format!("if {test} {{ discard; }}"));
        assert!(rules.ends_with(&format!("when {want} -> discard")), "{test}: {rules}");
    }
    for (test, want) in [
        ("header :index 1 :last \"subject\" \"b\"", "subject is \"b\""),
        ("address :index 1 :is \"from\" \"a@b.example\"", "from is \"a@b.example\""),
        ("date :index 2 :last :is \"date\" \"weekday\" \"1\"", "date.weekday is \"monday\""),
        ("date :index 1 :is \"received\" \"weekday\" \"1\"", "weekday is \"monday\""),
        ("address :count \"gt\" [\"to\", \"cc\"] \"20\"", "recipients > 20"),
        ("body :raw :contains \"b\"", "body contains \"b\""),
        ("spamtest :value \"ge\" :comparator \"i;ascii-numeric\" \"5\"", "spam"),
        ("spamtest :percent :value \"lt\" :comparator \"i;ascii-numeric\" \"90\"", "not spam"),
        ("virustest :value \"gt\" :comparator \"i;ascii-numeric\" \"3\"", "virus"),
        ("virustest :value \"le\" :comparator \"i;ascii-numeric\" \"3\"", "not virus"),
    ] {
        let (rules, totals) = rules(&format!("if {test} {{ discard; }}"));
        assert_eq!(totals.approximate, 1, "{test}: {rules}");
        assert_eq!(rules, format!("when {want} -> discard"), "{test}");
    }
    for test in [
        "header :index 2 \"X-A\" \"b\"",
        "header :index 1 [\"X-A\", \"X-B\"] \"b\"",
        "header :index 1 :last \"X-A\" \"b\"",
        "header :index 1 :count \"ge\" \"X-A\" \"1\"",
        "header :index 0 \"X-A\" \"b\"",
        "header :last \"X-A\" \"b\"",
        "address :index 1 \"X-A\" \"b\"",
        "date :index 1 :last \"received\" \"weekday\" \"1\"",
        "date \"received\" \"weekday\" \"1\"",
        "address :count \"gt\" \"to\" \"20\"",
        "header :count \"gt\" [\"to\", \"cc\"] \"20\"",
        "body :raw :is \"b\"",
        "spamtest :value \"ge\" :comparator \"i;ascii-numeric\" \"1\"",
        "spamtest :value \"ge\" \"5\"",
        "spamtest :value \"eq\" :comparator \"i;ascii-numeric\" \"5\"",
        "virustest :value \"eq\" :comparator \"i;ascii-numeric\" \"1\"",
    ] {
        let (rules, totals) = rules(&format!("if {test} {{ discard; }}"));
        assert_eq!(totals.not, 1, "{test}: {rules}");
    }
}

#[test]
fn headers_are_taken_out_by_their_value() {
    for (action, want, approximate) in [
        ("deleteheader \"X-A\"", "remove-header \"X-A\"", 0),
        (
            "deleteheader :contains \"X-A\" [\"b\", \"c\"]",
            "when header \"X-A\" contains [\"b\", \"c\"] -> remove-header \"X-A\"",
            1,
        ),
        ("deleteheader :index 1 :last \"Subject\"", "remove-header \"Subject\"", 1),
    ] {
        let (rules, totals) = rules(&format!("{action}; fileinto \"A\";"));
        assert!(rules.starts_with(want), "{action}: {rules}");
        assert_eq!((totals.approximate, totals.not), (approximate, 0), "{action}");
    }
    for kept in [":index 1 \"Received\"", "\"Auto-Submitted\""] {
        let (_, totals) = rules(&format!("deleteheader {kept}; fileinto \"A\";"));
        assert_eq!(totals.not, 1, "{kept}");
    }
}

/// A moment without a zone comes before all texts that begin with it; `Z` comes last.
#[test]
fn moments_are_compared_as_texts() {
    let test = |relation: &str, key: &str| {
        let test = format!("date :value \"{relation}\" \"date\" \"iso8601\" \"{key}\"");
        exact(&format!("require [\"date\", \"relational\"]; if {test} {{ discard; }}"))
    };
    for (relation, following, want) in [
        ("gt", "", "when date >= K -> discard"),
        ("ge", "", "when date >= K -> discard"),
        ("lt", "", "when date < K -> discard"),
        ("le", "", "when date < K -> discard"),
        ("ge", "+00:00", "when date >= K -> discard"),
        ("gt", "Z", "when date > K -> discard"),
        ("le", "Z", "when date <= K -> discard"),
        (
            "ge",
            "Z",
            "let date-offset = \"{date:%:z}\"\nwhen date > K or date >= K and date-offset is \
             \"+00:00\"\n-> discard",
        ),
    ] {
        let clock = "2026-12-24T10:00:30";
        assert_eq!(test(relation, &format!("{clock}{following}")), want.replace('K', clock));
    }
}

/// Tests see headers as the script has changed them.
#[test]
fn a_header_that_was_changed_is_tested() {
    let script = |test: &str| {
        format!(
            "require [\"editheader\", \"fileinto\"];\ndeleteheader \"Subject\"; \
             addheader \"Subject\" \"x\"; if {test} {{ fileinto \"A\"; }}"
        )
    };
    let changes = "remove-header \"Subject\", add-header \"Subject\" \"x\"\n";
    for (test, filter, want) in [
        ("header \"Subject\" \"x\"", "filter \"cat\"\n", "subject is \"x\""),
        ("not exists \"X-A\"", "filter \"cat\"\n", "not header \"X-A\" like \"*\""),
        ("envelope \"from\" \"a@b\"", "", "envelope-from is \"a@b\""),
    ] {
        let text = script(test);
        let (rules, totals, report) =
            testing::rules(import, ("x.sieve", &text), &Options::default(), &[]);
        assert_eq!(rules, format!("{changes}{filter}when {want} -> folder \"A\""), "{report}");
        assert_eq!(totals.exact, totals.all, "{report}");
    }
    // No program is run for a web mailer's script.
    assert_eq!(included(&script("header \"Subject\" \"x\""), &[]).faults.len(), 1);
}
