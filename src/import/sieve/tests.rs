//! Scripts, and the rules that they become.

use std::path::Path;

use super::{import, include};
use crate::import::{Options, report, testing};
use crate::rules::program::Layout;
use crate::rules::script::{Script, ScriptRequest};

/// The rules without comments, blanks and the name of the script, and the totals.
fn rules(script: &str) -> (String, report::Totals) {
    let (rules, totals, _) = testing::rules(import, ("x.sieve", script), &Options::default(), &[]);
    (rules, totals)
}

/// What the report says of the whole script.
fn notes(script: &str) -> Vec<String> {
    let (_, _, report) = testing::rules(import, ("x.sieve", script), &Options::default(), &[]);
    report.lines().filter_map(|line| line.strip_prefix("note: ")).map(str::to_owned).collect()
}

fn exact(script: &str) -> String {
    let (rules, totals) = rules(script);
    assert_eq!(totals.exact, totals.all, "{script}\n{rules}");
    rules
}

#[test]
fn folders_that_exist() {
    let mailbox = "require [\"fileinto\", \"mailbox\", \"variables\"]; ";
    for (script, want) in [
        (
            "if mailboxexists \"A.B\" { fileinto \"A.B\"; }",
            "when folder-exists \"A/B\" -> folder \"A/B\"",
        ),
        (
            "if not mailboxexists [\"A\", \"INBOX\", \"B\"] { discard; }",
            "when not (folder-exists \"A\" and folder-exists \"B\") -> discard",
        ),
        ("if mailboxexists \"inbox\" { discard; }", "discard"),
        (
            "set \"n\" \"A\"; if size :over 1 { set \"n\" \"B\"; } if mailboxexists \"${n}\" { discard; }",
            "let n = \"A\"\nwhen size > 1 -> let n = \"B\"\n\
             when n is \"A\" and folder-exists \"A\" or n is \"B\" and folder-exists \"B\" -> discard",
        ),
        (
            "if mailboxexists \"A\" { fileinto \"A\"; } elsif mailboxexists \"B\" { fileinto \"B\"; }",
            "when folder-exists \"A\" -> folder \"A\"\nwhen folder-exists \"B\" -> folder \"B\"",
        ),
        (
            "if allof (header :regex \"subject\" \"^([a-z]+):\", mailboxexists \"L.${1}\") { fileinto \"L.${1}\"; }",
            "when subject matches /^([a-z]+):/ and folder-exists \"L/{1}\" -> folder \"L/{1}\"",
        ),
    ] {
        let flat = exact(&format!("{mailbox}{script}")).replace("\n    ", " ");
        assert_eq!(flat, want, "{script}");
    }
    // The separator is guessed from these names, too.
    assert!(exact(&format!("{mailbox}if mailboxexists \"A/B\" {{ discard; }}")).contains("A/B"));
    for script in [
        "if mailboxexists { keep; }",
        "if mailboxexists \"A..B\" { keep; }",
        "if specialuse_exists \"\\\\Junk\" { keep; }",
        "if anyof (header :matches \"subject\" \"*x\", mailboxexists \"${1}\") { discard; }",
    ] {
        let (_, totals) = rules(&format!("{mailbox}{script}"));
        assert_eq!((totals.not, totals.all), (1, 1), "{script}");
    }
}

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
fn a_delivery_ends_the_run_at_the_end_of_the_script() {
    for (script, want) in [
        (
            "require \"fileinto\"; if size :over 1 { fileinto \"A\"; stop; } keep;",
            "when size > 1 -> folder \"A\"\ninbox",
        ),
        ("if size :over 1 { fileinto \"A\"; }", "when size > 1 -> folder \"A\""),
        (
            "if size :over 1 { fileinto \"A\"; } if size :over 2 { fileinto \"B\"; }",
            "when size > 1 -> fileinto \"A\"\nwhen size > 2 -> folder \"B\"",
        ),
        (
            "if size :over 1 { fileinto \"A\"; } elsif size :over 2 { fileinto \"B\"; } else { discard; } redirect :copy \"a@b.example\";",
            "when size > 1 -> fileinto \"A\"\nwhen not size > 1 and size > 2 -> fileinto \"B\"\n\
             when not size > 1 and not size > 2 -> let taken = \"yes\"\nforward copy \"a@b.example\"\nwhen has taken -> discard",
        ),
        ("discard; if size :over 1 { keep; }", "when size > 1 -> inbox\ndiscard"),
        (
            "redirect \"a@b.example\"; redirect \"c@d.example\"; discard;",
            "forward \"a@b.example\" \"c@d.example\"",
        ),
        ("redirect \"a@b.example\"; keep;", "forward copy \"a@b.example\", inbox"),
        ("fileinto \"A\"; fileinto \"B\"; stop; keep;", "fileinto \"A\", folder \"B\""),
        (
            "if size :over 1 { if size :over 2 { fileinto \"A\"; } } elsif size :over 3 { discard; }",
            "when size > 1 {\nwhen size > 2 -> folder \"A\"\nstop\n}\nwhen size > 3 -> discard",
        ),
    ] {
        assert_eq!(exact(script), want, "{script}");
    }
}

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

#[test]
fn what_hangs_on_something_untranslated_is_not_translated() {
    let (rules, totals) = rules(
        "if header :index 2 \"a\" \"b\" { keep; } elsif size :over 1 { discard; } else { fileinto \"A\"; stop; } fileinto \"B\";",
    );
    assert_eq!(rules, "folder \"B\"");
    assert_eq!((totals.all, totals.not), (4, 3));
    let (rules, totals) = self::rules(
        "require \"variables\"; if header :index 2 \"a\" \"b\" { set \"x\" \"1\"; } if string :is \"${x}\" \"1\" { discard; } keep;",
    );
    assert_eq!(rules, "inbox");
    assert_eq!(totals.not, 2);
}

#[test]
fn time_is_linear_in_the_script() {
    let branch = |number: usize| {
        format!("elsif header :is \"X-N\" \"{number}\" {{ fileinto \"F{number}\"; }}\n")
    };
    let mut script = String::from("if header :is \"X-N\" \"a\" { fileinto \"F\"; }\n");
    script.extend((0..2000).map(branch));
    script.push_str("if size :over 1 { redirect \"a@b.example\"; }");
    let (rules, totals) = rules(&script);
    assert_eq!(totals.exact, 2002);
    assert!(rules.len() < script.len() * 4, "{}", rules.len());
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

/// A branch of which nothing could be translated keeps its mail from those after it.
#[test]
fn mail_of_a_branch_that_is_not_translated_is_taken() {
    let script = "require [\"variables\", \"fileinto\"];\n\
         if size :over 1 { foo; } \
         elsif size :over 2 { set \"a\" \"x\"; } elsif size :over 3 { set \"a\" \"y\"; } \
         elsif size :over 4 { fileinto \"C\"; }\nkeep;";
    let (rules, totals) = rules(script);
    assert_eq!(totals.not, 1, "{rules}");
    let want = "when size > 1 {\nlet branch = \"taken\"\n}\nwhen not has branch and size > 2 -> ";
    assert!(rules.starts_with(want), "{rules}");
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

/// A default and a captured value are both one level; else the value may have several.
#[test]
fn a_value_that_is_one_level_on_all_paths_is_a_folder() {
    let imported = |default: &str| {
        rules(&format!(
            "require [\"variables\", \"regex\", \"fileinto\"]; set \"t\" \"{default}\"; if header \
             :regex \"x-tag\" \"([a-z]+)\" {{ set \"t\" \"${{1}}\"; }} fileinto \"L.${{t}}\";"
        ))
    };
    for (default, name) in
        [("other", "L/{t}"), ("", "L/{t:levels}"), ("a.b", "L/{t:levels}"), ("a b", "L/{t:levels}")]
    {
        let (text, totals) = imported(default);
        assert_eq!(totals.approximate, 0, "{default}");
        assert!(text.contains(&format!("folder \"{name}\"")), "{default}: {text}");
    }
}

/// In maildir++ a dot always begins a level, whatever separates levels in the script.
#[test]
fn a_value_with_dots_is_not_one_level_where_slashes_separate() {
    let approximate = |separator: char, layout: &str| {
        let options = Options {
            separator: Some(separator),
            layout: Some(layout.into()),
            ..Options::default()
        };
        let script = "require [\"variables\", \"envelope\", \"subaddress\", \"fileinto\"]; if \
                      envelope :detail :matches \"to\" \"*\" { fileinto \"${1}\"; }";
        testing::rules(import, ("x.sieve", script), &options, &[]).1.approximate
    };
    assert_eq!(approximate('.', "maildir++"), 0);
    assert_eq!(approximate('/', "maildir++"), 1);
    assert_eq!(approximate('/', "fs"), 0);
}

#[test]
fn a_require_in_the_wrong_place_is_reported() {
    for (script, want) in [
        ("require \"fileinto\"; # a\nrequire \"copy\"; keep;", false),
        ("keep; require \"copy\";", true),
    ] {
        let told = notes(script).iter().any(|note| note.starts_with("a `require` after"));
        assert_eq!(told, want, "{script}");
    }
}

#[test]
fn a_folder_of_fastmails_uses_is_reported() {
    let report = |name: &str| {
        let script = format!("require \"fileinto\"; fileinto \"{name}\";");
        testing::rules(import, ("x.sieve", &script), &Options::default(), &[]).2
    };
    assert!(report("\\\\Junk").contains("folder of that use"));
    assert!(!report("Junk").contains("folder of that use"));
}

#[test]
fn extensions_that_are_not_required_are_reported() {
    for (script, want) in [
        ("fileinto \"A\";", Some("`fileinto`")),
        ("require \"fileinto\"; fileinto :copy \"A\";", Some("`:copy`")),
        (
            "require \"fileinto, regex\"; if header :regex \"a\" \"b\" { fileinto \"A\"; }",
            Some("`:regex`, `fileinto`"),
        ),
        ("require [\"fileinto\", \"Copy\"]; if true { fileinto :copy \"A\"; }", None),
        ("keep;", None),
    ] {
        let note = notes(script).into_iter().find(|note| note.contains("`require`"));
        let words = note.map(|note| note.split(" without").next().unwrap_or_default().to_owned());
        assert_eq!(words.as_deref(), want, "{script}");
    }
}

/// A value is also a folder's name on its own, and then it may be the inbox.
#[test]
fn a_captured_name_is_a_folder() {
    let want = "when header \"list-id\" matches /<([a-z_0-9\\-]+)[.@]/ {\nlet topic = \
        \"{1:lower}\"\nwhen topic is \"INBOX\" -> inbox\nwhen not topic is \"INBOX\" -> folder \
        \"{topic}\"\nstop\n}\ndiscard";
    let script = |pattern: &str| {
        format!(
            "require [\"variables\", \"regex\"]; if header :regex \"list-id\" \"{pattern}\" {{ \
             set :lower \"topic\" \"${{1}}\"; fileinto \"${{topic}}\"; stop; }} discard;"
        )
    };
    assert_eq!(exact(&script("<([a-z_0-9-]+)[.@]")), want);
    for loose in ["<([a-z.]+)@", "<([a-z]*)@", "<(.+)@"] {
        assert!(exact(&script(loose)).contains("folder \"{topic:levels}\""), "{loose}");
    }
    // The first letter alone is changed by a rule.
    let capital = exact(&script("<([a-z]+)@").replace(":lower", ":lower :upperfirst"));
    assert!(capital.contains(
        "let topic = \"{1:lower}\"\nwhen topic matches /^([a-z])(.*)$/c -> let topic = \"{1:upper}{2}\""
    ), "{capital}");
    // Below a folder, and kept under another name.
    let below = |pattern: &str, group: u8| {
        let script = format!(
            "require [\"variables\", \"regex\"]; if header :regex \"list-id\" \"{pattern}\" {{ \
             set \"one\" \"${{{group}}}\"; set :upper \"other\" \"x-${{one}}\"; \
             fileinto \"L.${{other}}\"; stop; }}"
        );
        exact(&script).contains(":levels}")
    };
    assert!(!below("^([a-z]+)@", 1));
    // A group that may take no part in the match is empty then.
    assert!(below("^(([a-z]+)[@])?b", 2));
    assert!(below("^(a@|([b-z]+)@)", 2));
    // It may be that of another delivery.
    let twice = |name: &str, more: &str| {
        rules(&format!(
            "require [\"variables\", \"regex\"]; if header :regex \"list-id\" \"<([a-z]+)@\" {{ \
             set \"topic\" \"${{1}}\"; fileinto \"{name}\"; }} {more}"
        ))
        .1
        .approximate
    };
    for (name, more, approximate) in [
        ("${topic}", "fileinto :copy \"A\";", 1),
        ("${topic}", "fileinto :flags \"\\\\Seen\" \"A\";", 1),
        ("${topic}", "fileinto :copy \"A.B\";", 0),
        ("T.${topic}", "fileinto :copy \"A.B\";", 0),
        ("T.${topic}", "fileinto :copy \"T.B\";", 1),
        ("${topic}", "fileinto \"A\";", 0),
    ] {
        assert_eq!(twice(name, more), approximate, "{name} {more}");
    }
}

/// Proton's `hasexpiration` and `expiration` depend on what the script said before them,
/// and `unexpire` takes it back.
#[test]
fn expirations_are_known_by_the_script() {
    const DELETES: &str = "expire \"*\" after 7d even unread, flagged unless not keyword is \
        \"expires-7d\" -> delete, delete\n";
    for (script, want) in [
        ("unexpire; if hasexpiration { unexpire; } fileinto \"A\";", "folder \"A\""),
        ("if not hasexpiration { fileinto \"A\"; stop; } fileinto \"B\";", "folder \"A\""),
    ] {
        assert_eq!(exact(script), want, "{script}");
    }
    let expires = "if size :over 1 { expire \"day\" \"7\"; } ";
    for (script, want) in [
        ("if hasexpiration { fileinto \"A\"; }", "when keyword is \"expires-7d\" -> folder \"A\""),
        (
            "if expiration :comparator \"i;ascii-numeric\" :value \"gt\" \"hour\" \"100\" { fileinto \"A\"; }",
            "when keyword is \"expires-7d\" -> folder \"A\"",
        ),
        ("if expiration \"day\" \"8\" { fileinto \"A\"; }", ""),
        ("unexpire; fileinto \"A\";", "unmark \"expires-7d\", folder \"A\""),
        ("unexpire; if hasexpiration { discard; }", "unmark \"expires-7d\""),
        (
            "fileinto \"A\"; unexpire; expire \"day\" \"7\";",
            "unmark \"expires-7d\", mark \"expires-7d\", folder \"A\"",
        ),
    ] {
        let (rules, totals) = rules(&format!("{expires}{script}"));
        let want = format!("{DELETES}when size > 1 -> mark \"expires-7d\"\n{want}");
        assert_eq!(rules, want.trim_end(), "{script}");
        assert_eq!(totals.not, 0, "{script}");
    }
    for lost in [
        "if size :over 1 { expire \"day\" \"soon\"; } if hasexpiration { discard; }",
        "if size :over 1 { expire \"day\" \"1\"; } if expiration \"fortnight\" \"1\" { discard; }",
        "if size :over 1 { expire \"hour\" \"5\"; } if expiration \"day\" \"0\" { discard; }",
        "expire \"day\" \"731\";",
    ] {
        let (rules, totals) = rules(lost);
        assert!(totals.not > 0 && !rules.contains("discard"), "{lost}: {rules}");
    }
}

/// `return` under a condition leaves the included script: the rest is its `else`.
#[test]
fn a_return_under_a_condition_leaves_the_included_script() {
    let import = |inner: &str| {
        let script = "require [\"include\", \"fileinto\"]; include \"b\"; fileinto \"Z\";";
        let (rules, totals, _) = testing::rules(
            super::import,
            ("x.sieve", script),
            &Options::default(),
            &[("b", inner)],
        );
        (rules, totals)
    };
    for (inner, want) in [
        (
            "if size :over 1 { return; } fileinto \"A\";",
            "when not size > 1 -> fileinto \"A\"\nfolder \"Z\"",
        ),
        (
            "if size :over 1 { fileinto \"B\"; return; } elsif size :over 2 { stop; } fileinto \"A\";",
            "when size > 1 -> fileinto \"B\"\nwhen not size > 1 and size > 2 -> stop\n\
             when not size > 1 -> fileinto \"A\"\nfolder \"Z\"",
        ),
    ] {
        let (rules, totals) = import(inner);
        assert_eq!(totals.exact, totals.all, "{inner}: {rules}");
        assert_eq!(rules, want, "{inner}");
    }
    // Too much would have to be written twice.
    let mut inner = String::new();
    for number in 0..40 {
        inner.push_str(&format!("if size :over {number} {{ return; }} fileinto \"A{number}\";\n"));
    }
    let (rules, totals) = import(&inner);
    assert!(totals.not > 0, "{rules}");
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

/// A script as `include sieve` gets it, beside others that it may include.
fn included(script: &str, files: &[(&str, &str)]) -> Script {
    let request = ScriptRequest {
        path: Path::new("x.sieve"),
        separator: '.',
        prefix: "",
        layout: Layout::MaildirPlusPlus,
        timezone: None,
    };
    let load = &mut |path: &Path| {
        let found = files.iter().find(|(name, _)| path == Path::new(name));
        found.map(|(_, text)| text.as_bytes().to_vec()).ok_or(std::io::ErrorKind::NotFound.into())
    };
    include(&request, request.path, script.as_bytes(), load)
}

/// What would keep a delivery waiting is refused, wherever it is in the script.
#[test]
fn what_takes_too_long_to_judge_is_refused() {
    let head = "require [\"fileinto\", \"include\", \"variables\", \"regex\", \"imap4flags\"];\n";
    let again = |text: &str, count: usize| text.repeat(count);
    let many: String = (0..1500).map(|n| format!("set \"v{n}\" \"x\";\n")).collect();
    let branches: String =
        (0..1500).map(|n| format!("if size :over {n} {{ set \"w\" \"{n}\"; }}\n")).collect();
    let fan = format!("{head}{}", again("include :personal \"b\";\n", 1000));
    let fan_again = format!("{head}{}", again("include :personal \"c\";\n", 1000));
    let files = [("b.sieve", fan_again.as_str()), ("c.sieve", "keep;\n")];
    for script in [
        again("keep;\n", 50_000),
        format!("if anyof ({} true) {{ keep; }}", again("size :over 1, ", 45_000)),
        format!("if header :regex \"a\" \"{}\" {{ keep; }}", again("a|", 500_000)),
        many + &branches,
        fan,
    ] {
        let found = included(&format!("{head}{script}"), &files);
        let reason = found.faults.first().map(|fault| fault.reason.as_str());
        assert_eq!(reason, Some(super::context::TOO_LONG), "{}", &script[..80.min(script.len())]);
        assert!(found.rules.is_empty());
    }
}

/// More than anybody writes by hand is still judged.
#[test]
fn a_long_script_is_used() {
    let mut script = String::from("require [\"fileinto\", \"imap4flags\"];\n");
    for n in 0..500 {
        script.push_str(&format!(
            "# rule:[r{n}]\nif anyof (header :contains \"subject\" \"w{n}\", address :is \"from\" \
             \"a{n}@b.example\") {{ addflag \"\\\\Seen\"; fileinto \"F{}\"; stop; }}\n",
            n % 100
        ));
    }
    let list: Vec<String> = (0..2000).map(|n| format!("\"b{n}@c.example\"")).collect();
    script.push_str(&format!("if address \"from\" [{}] {{ discard; }}", list.join(",")));
    assert_eq!(included(&script, &[]).faults, []);
}

/// What is done with programs in a folder that is named.
#[test]
fn programs_are_run_if_their_folder_is_named() {
    let options = Options { programs: Some("/p/".into()), ..Options::default() };
    let rules = |script: &str| {
        let script = format!(
            "require [\"vnd.dovecot.pipe\", \"vnd.dovecot.filter\", \"vnd.dovecot.execute\", \
             \"copy\", \"fileinto\", \"variables\", \"reject\"];\n{script}"
        );
        testing::rules(import, ("x.sieve", &script), &options, &[])
    };
    for (script, want) in [
        ("pipe :copy \"a\" [\"b c\", \"{d}\", \"\"];", "run \"/p/a\" \"b c\" \"{{d}}\" \"\""),
        ("pipe :copy :try \"a\"; fileinto \"X\";", "run \"/p/a\", folder \"X\""),
        ("execute :pipe \"a\" \"b\";", "run \"/p/a\" \"b\""),
        (
            "execute \"a\" \"b\";",
            "run \"/bin/sh\" \"-c\" \"exec \\\"$0\\\" \\\"$@\\\" </dev/null\" \"/p/a\" \"b\"",
        ),
        ("filter \"a\"; fileinto \"X\";", "filter \"/p/a\", folder \"X\""),
        // The copy before it is not filtered, and the filter may do more than print.
        ("fileinto \"X\"; filter \"a\"; stop;", "fileinto \"X\", filter \"/p/a\""),
        (
            "if filter \"a\" { fileinto \"X\"; } else { discard; }",
            "filter \"/p/a\"\nwhen not filter-failed -> folder \"X\"\ndiscard",
        ),
        (
            // Whether the first branch was taken is not asked again of a filtered message.
            "if size :over 1 { filter \"a\"; } elsif size :over 2 { fileinto \"X\"; stop; } discard;",
            "when size > 1 -> let branch = \"taken\", filter \"/p/a\"\n\
             when not has branch and size > 2 -> folder \"X\"\ndiscard",
        ),
    ] {
        let (rules, totals, report) = rules(script);
        assert_eq!(rules, want, "{script}");
        assert_eq!(totals.exact, totals.all, "{script}\n{report}");
        assert!(report.contains("note: programs get the message with its line ends"), "{report}");
    }
    for (script, want, differs) in [
        ("pipe \"a\";", "pipe \"/p/a\"", "the mail server tries again"),
        ("pipe :try \"a\"; discard;", "pipe \"/p/a\"", "Sieve drops the message"),
        // If it is dropped although the program has failed, nobody has it.
        ("pipe :copy \"a\"; discard;", "pipe \"/p/a\"", "the mail server tries again"),
        ("pipe \"a\"; keep;", "run \"/p/a\", inbox", "only the log says so"),
        ("pipe :copy \"a\"; fileinto \"X\";", "run \"/p/a\", folder \"X\"", "only the log says so"),
        (
            "if header :matches \"subject\" \"*\" { pipe :copy \"a\" \"${1}\"; }",
            "when subject matches /(?s)^(.*?)$/ -> run \"/p/a\" \"{1}\"",
            "gets a `_` before it",
        ),
    ] {
        let (rules, totals, report) = rules(script);
        assert_eq!(rules, want, "{script}");
        assert_eq!((totals.approximate, totals.all), (1, 1), "{script}\n{report}");
        assert!(report.contains(differs), "{script}\n{report}");
    }
    for script in [
        "pipe :copy \"../a\";",
        "execute :output \"x\" \"a\";",
        "execute :input \"x\" \"a\";",
        "if execute \"a\" { discard; }",
        "if anyof (size :over 1, filter \"a\") { discard; }",
        "require \"imapsieve\"; pipe :copy \"a\";",
    ] {
        let (rules, totals, _) = rules(script);
        assert_eq!((rules.as_str(), totals.not, totals.all), ("", 1, 1), "{script}");
    }
    // Wherever its program is.
    let options = Options::default();
    for moved in [
        "require \"imapsieve\"; pipe :copy \"a\";",
        "if environment :matches \"imap.user\" \"*\" { set \"user\" \"${1}\"; }",
    ] {
        let (_, _, report) = testing::rules(import, ("script", moved), &options, &[]);
        assert!(report.contains("when mail is moved"), "{report}");
    }
    // Twice is a mistake there, and a message that is given away is not refused.
    for (script, not) in [
        ("if size :over 1 { pipe :copy \"a\"; } pipe :copy \"a\";", 1),
        ("if size :over 1 { pipe :copy \"a\"; } reject \"no\";", 1),
        ("if size :over 1 { pipe \"a\"; } fileinto \"X\";", 1),
    ] {
        assert_eq!(rules(script).1.not, not, "{script}");
    }
}

/// Pigeonhole keeps what is both refused and delivered.
#[test]
fn what_may_be_delivered_is_not_refused() {
    let came_of = |script: &str| {
        let script = format!(
            "require [\"fileinto\", \"copy\", \"reject\", \"vacation\", \"variables\"];\n{script}"
        );
        testing::rules(import, ("x.sieve", &script), &Options::default(), &[])
    };
    for (script, want) in [
        ("fileinto \"A\"; reject \"no\";", "inbox"),
        ("redirect :copy \"a@b.example\"; reject \"no\";", "inbox"),
        (
            "if size :over 9 { reject \"no\"; } if size :over 1 { fileinto \"A\"; }",
            "when size > 9 {\nwhen size > 1 -> inbox\nreject \"5.7.1 no\"\n}\n\
             when size > 1 -> folder \"A\"",
        ),
        (
            "if size :over 1 { fileinto :copy \"A\"; } if size :over 9 { reject \"no\"; }",
            "when size > 1 {\nwhen size > 9 -> inbox\ncopy \"A\"\n}\n\
             when size > 9 -> reject \"5.7.1 no\"",
        ),
        (
            "if size :over 9 { reject \"no\"; } elsif size :over 5 { fileinto \"A\"; }",
            "when size > 9 -> reject \"5.7.1 no\"\nwhen size > 5 -> folder \"A\"",
        ),
        (
            "if size :over 9 { reject \"no\"; stop; } keep;",
            "when size > 9 -> reject \"5.7.1 no\"\ninbox",
        ),
        ("if size :over 9 { reject \"no\"; } keep;", "when size > 9 {\ninbox\n}\ninbox"),
        (
            "if size :over 9 { reject \"no\"; } if size :over 7 { discard; }",
            "when size > 9 -> reject \"5.7.1 no\"\nwhen size > 7 -> discard",
        ),
        (
            "if size :over 9 { reject \"a\"; } if size :over 7 { reject \"b\"; }",
            "when size > 9 {\nwhen size > 7 -> inbox\nreject \"5.7.1 a\"\n}\n\
             when size > 7 -> reject \"5.7.1 b\"",
        ),
        (
            "if size :over 9 { reject \"a\"; } if size :over 7 { stop; } fileinto \"A\";",
            "when size > 9 {\nwhen not size > 7 -> inbox\nreject \"5.7.1 a\"\n}\n\
             when size > 7 -> stop\nfolder \"A\"",
        ),
    ] {
        let (rules, totals, report) = came_of(script);
        assert_eq!(rules.replace("\n-> ", " -> "), want, "{script}\n{report}");
        assert_eq!(totals.exact, totals.all, "{script}\n{report}");
    }
    // What a test asks for may be another value there.
    for script in [
        "if size :over 9 { reject \"no\"; } set \"a\" \"b\"; if header \"X\" \"${a}\" { keep; }",
        "if size :over 9 { reject \"no\"; } if duplicate { keep; }",
    ] {
        let (rules, totals, _) = came_of(script);
        assert_eq!(totals.approximate, 1, "{rules}");
    }
    // The value of a capture stays what it is.
    let (rules, totals, report) = came_of(
        "if header :matches \"x-a\" \"b*\" { fileinto \"A-${1}\"; } \
         if header :matches \"x-c\" \"d*\" { reject \"no\"; }",
    );
    assert_eq!(totals.exact, totals.all, "{rules}{report}");
    assert!(rules.contains("fileinto \"A-{1:levels}\""), "{rules}");
    let both = "if size :over 9 { reject \"no\"; } if size :over 1 { fileinto \"A\"; }";
    assert_eq!(included(&format!("require [\"fileinto\", \"reject\"];\n{both}"), &[]).faults, []);
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

/// What separates levels is guessed from the folders of all scripts.
#[test]
fn included_scripts_name_folders_too() {
    let script = "require [\"include\"];\ninclude :personal \"a\";";
    let files = [
        ("a.sieve", "require [\"fileinto\", \"include\"];\nif true { include \"b\"; }"),
        ("b.sieve", "require [\"fileinto\"];\nfileinto \"INBOX/A/b\";"),
    ];
    let (rules, totals, report) =
        testing::rules(import, ("x.sieve", script), &Options::default(), &files);
    assert_eq!((totals.exact, totals.all), (1, 1), "{rules}{report}");
    assert_eq!(rules, "folder \"A/b\"", "{report}");
}
