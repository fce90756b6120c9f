//! Actions and their arguments: folders, captures, statuses.

use super::{check_files, conditions, diagnostics, mistakes, program};
use crate::rules::actions::Action;
use crate::rules::program::{ConditionKind, StatementKind};
use crate::rules::template::{Template, TemplatePart};

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
