//! Scripts, and the rules that they become.

mod folders;
mod included;
mod conditions;
mod variables;

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
