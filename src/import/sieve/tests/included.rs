//! Scripts that `include sieve` runs, and scripts that others include.

use super::super::import;
use super::included;
use crate::import::{Options, testing};

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
        assert_eq!(
            reason,
            Some(super::super::context::TOO_LONG),
            "{}",
            &script[..80.min(script.len())]
        );
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
