//! Where scripts store mail.

use super::super::import;
use super::{exact, rules};
use crate::import::{Options, testing};

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
fn a_folder_of_fastmails_uses_is_reported() {
    let report = |name: &str| {
        let script = format!("require \"fileinto\"; fileinto \"{name}\";");
        testing::rules(import, ("x.sieve", &script), &Options::default(), &[]).2
    };
    assert!(report("\\\\Junk").contains("folder of that use"));
    assert!(!report("Junk").contains("folder of that use"));
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
