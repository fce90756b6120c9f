//! Variables, captures and arguments.

use super::super::import;
use super::{came_of, exact, not};
use crate::import::{Options, testing};

#[test]
fn captures_last_until_another_pattern_is_found() {
    let first = "if (/^X-A: ([a-z]*)/)\n{\n";
    let capture = "when header \"X-A\" matches /^(?P<match1>[a-z]*)/";
    exact(
        &format!("{first} if (/^X-B: b/)\n  to Maildir/.B\n to \"Maildir/.$MATCH1\"\n}}\n"),
        &format!(
            "{capture} {{\nwhen header \"X-B\" starts \"b\" -> folder \"B\"\n\
             folder \"{{match1:levels}}\"\n}}"
        ),
    );
    exact(
        &format!("{first} to \"Maildir/.A$MATCH2\"\n}}\n"),
        "when header \"X-A\" matches /^(?P<match1>[a-z]*)/ -> folder \"A\"",
    );
    exact(
        &format!("{first} L=tolower(-$MATCH1)\n to \"Maildir/.A$L\"\n}}\n"),
        &format!("{capture} -> folder \"A-{{match1:lower}}\""),
    );
    for (inner, ours) in [
        ("/^X-B: (b)/ && /^X-C: c/", "header \"X-B\" starts \"b\" and header \"X-C\" starts \"c\""),
        ("! /^X-B: (b)/", "not header \"X-B\" starts \"b\""),
    ] {
        not(
            &format!("{first} if ({inner})\n  to Maildir/.B\n to \"Maildir/.$MATCH1\"\n}}\n"),
            &format!("{capture} {{\nwhen {ours} -> folder \"B\"\n}}"),
        );
    }
}

/// `.*` takes as much as possible, a group that does not take part keeps what was
/// captured before, and something that may be empty is repeated differently.
#[test]
fn what_is_captured() {
    let to = |condition: &str| format!("if ({condition})\n{{\n  to \"Maildir/.$MATCH1\"\n}}\n");
    for (condition, want) in [
        ("/^Subject:.*\\[([a-z]*)\\]/", "header \"Subject\" matches /^.*\\[(?P<match1>[a-z]*)\\]/"),
        ("/^X-A:.*?(b+)/", "header \"X-A\" matches /^.*?(?P<match1>b+)/"),
        ("/^X-A:(.*)/", "headers matches /^X-A:(?P<match1>.*)/"),
        ("/^X-A: (a)?b/", "header \"X-A\" matches /^(?P<match1>a)?b/"),
        ("/^From:.*<([^>]*)>/", "header \"From\" matches /^.*[^\\s,]\\s*<(?P<match1>[^>]*)>/"),
    ] {
        // Only one of them is never empty, and without dots.
        let form = if condition.contains("(b+)") { "" } else { ":levels" };
        exact(&to(condition), &format!("when {want} -> folder \"{{match1{form}}}\""));
    }
    for condition in ["/^X-A: (a*)*b/", "/^X-A: (a|)+/", "/^X-B: (.)/ && /^X-A: (a)?b/"] {
        not(&to(condition), "");
    }
    let (_, report, totals) = came_of(&to("/^From: (.*) </"));
    assert_eq!(totals.approximate, 1, "{report}");
}

/// A text of the message's is never a part of a command.
#[test]
fn values_are_arguments() {
    for (given, want) in [
        ("$FROM | x", "\"known ${{1}} | x\" \"sh\" \"{envelope-from}\""),
        ("a;$FROM", "\"known a;${{1}}\" \"sh\" \"{envelope-from}\""),
        (
            "$SUBJ $FROM",
            "\"known ${{1}} ${{2}}\" \"sh\" \"{header \\\"Subject\\\"}\" \"{envelope-from}\"",
        ),
        ("\"$(x $SUBJ)\"", "\"known \\\"$(x ${{1}})\\\"\" \"sh\" \"{header \\\"Subject\\\"}\""),
        ("$SIGNS \"$SIGNS\"", "\"known ${{1}} \\\"${{1}}\\\"\" \"sh\" \"a;b\""),
        // The shell reads it as it is.
        ("'$SUBJ' '$HOME'", "\"known '$SUBJ' '$HOME'\""),
    ] {
        let text = format!(
            "SUBJ=`reformail -x Subject:`\nSIGNS=\"a;b\"\n`known {given}`\nto Maildir/.A\n"
        );
        exact(&text, &format!("run \"/bin/sh\" \"-c\" {want}\nfolder \"A\""));
    }
    // In a text, maildrop inserts them before the shell reads it.
    for (given, want, is_exact) in [
        ("$FROM x", "\"known\" \"{envelope-from}\" \"x\"", true),
        ("'$FROM'", "\"known ''\\\"${{1}}\\\"''\" \"sh\" \"{envelope-from}\"", true),
        ("$FROM|x", "\"known ${{1}}|x\" \"sh\" \"{envelope-from}\"", true),
        ("'$SUBJ'", "\"known ''\\\"${{1}}\\\"''\" \"sh\" \"{header \\\"Subject\\\"}\"", false),
    ] {
        let text = format!("SUBJ=`reformail -x Subject:`\nto \"|known {given}\"\n");
        let (rules, report, totals) = came_of(&text);
        assert!(rules.starts_with("pipe ") && rules.ends_with(want), "{rules}\n{report}");
        assert_eq!(
            (totals.exact, totals.approximate),
            (usize::from(is_exact), usize::from(!is_exact))
        );
    }
    // A command within quotes has quotes of its own.
    not("to \"|known \\\"$(x $FROM)\\\"\"\n", "");
    // Within single quotes, programs have maildrop's variables from their environment.
    exact(
        "import EXT\nA=\"it's\"\nxfilter 'cat | x -u \"$EXT\" $A $B'\n",
        "filter \"/bin/sh\" \"-c\" \"EXT=${{1}}; A='it'\\\\''s'; cat | x -u \\\"$EXT\\\" $A $B\" \"sh\" \
         \"{env \\\"EXT\\\"}\"\nwhen filter-failed -> defer \"4.3.0 a filter failed\"",
    );
}

/// The Maildir that maildrop is called with is the one that mfilter is called with.
#[test]
fn arguments_name_the_maildir() {
    for (root, to) in [
        ("R=$1", "$R/.A.B/"),
        ("H=tolower(\"$4\")\nR=\"/home/vmail/$H/$3\"", "$R/.A.B/"),
        ("MAILDIR=\"/var/mail/$1\"", "$MAILDIR/.A.B"),
    ] {
        let (rules, report, totals) = came_of(&format!("{root}\nto \"{to}\"\n"));
        assert_eq!((totals.exact, rules.as_str()), (1, "folder \"A/B\""), "{report}");
        assert!(report.contains("call mfilter with `--maildir`"), "{report}");
    }
    // Only one of them is.
    let (_, report, totals) = came_of("A=$1\nB=$2\ncc \"$A/.C/\"\nto \"$B/.C/\"\n");
    assert_eq!((totals.exact, totals.approximate), (1, 1), "{report}");
    not("A=$1\nif ($A eq x)\n to Maildir/.A\n", "");
}

/// What the filter does not say of its variables, the user may.
#[test]
fn variables_are_given() {
    let given = |text: &str, variables: &[(&str, &str)]| {
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let options = Options { variables: variables.collect(), ..Options::default() };
        let (rules, totals, report) = testing::rules(import, ("filter", text), &options, &[]);
        assert_eq!(totals.exact, totals.all, "{text}\n{report}");
        rules.replace("\n-> ", " -> ")
    };
    let by_user = "if ($1 eq hanako)\n to Maildir/.A\nto Maildir/.B\n";
    assert_eq!(given(by_user, &[("1", "hanako")]), "folder \"A\"");
    assert_eq!(given(by_user, &[("1", "taro")]), "folder \"B\"");
    let hosted = "MAILDIR=$HOME/Maildir\nimport EXT\nif ($EXT)\n{\n \
                  D=`dumpvuser $EXT | grep Dir | awk '{ print $2 }'`\n if ($D)\n  \
                  MAILDIR=\"$HOME/$D\"\n}\nto \"$MAILDIR/.A\"\n";
    assert_eq!(came_of(hosted).2.approximate, 1);
    assert_eq!(given(hosted, &[("EXT", "")]), "folder \"A\"");
    // Where mail is stored is then known, and may be elsewhere.
    let named = Options {
        variables: [("EXT", "a"), ("D", "users/a")].map(|(a, b)| (a.into(), b.into())).into(),
        maildir: Some("~/users/a".into()),
        ..Options::default()
    };
    let (rules, totals, _) = testing::rules(import, ("filter", hosted), &named, &[]);
    assert_eq!((rules.as_str(), totals.exact), ("set maildir \"~/users/a\"\nfolder \"A\"", 1));
    // What the filter says itself counts.
    let said = "D=Maildir/.A\nto $D\n";
    assert_eq!(given(said, &[("D", "Maildir/.B")]), "folder \"A\"");
}

/// Lists by their domains: the parts of a name are joined by another sign.
#[test]
fn parts_are_joined() {
    let text = |more: &str| {
        format!(
            "if (/^List-Id:.*<([a-z]*)\\.(.*)>/)\n{{\n foreach ($MATCH2) =~ /[^.]+/\n {{\n  \
             D=\"${{D}}-${{MATCH}}\"\n }}\n{more} to \"Maildir/.A$D\"\n}}\n"
        )
    };
    let (rules, report, totals) = came_of(&text(" D=substr($D, 1)\n"));
    assert_eq!(totals.exact, totals.all, "{report}{rules}");
    for line in [
        "let md-d = \"{match2}\"",
        "when md-d matches /^[\\.]+(.*)$/ -> let md-d = \"{1}\"",
        "when md-d matches /^([^\\.]+)[\\.]+([^\\.]+)[\\.]+(.*)$/ -> let md-d = \"{1}-{2}-{3}\"",
        "when md-d matches /^(.+)$/ -> let md-d = \"-{1}\"",
        "when md-d matches /^.{1}(.*)$/ -> let md-d = \"{1}\"",
        "folder \"A{md-d:levels}\"",
    ] {
        assert!(rules.contains(line), "{line}\n{rules}");
    }
    assert_eq!(came_of(&text("")).2.not, 0);
    // Anything else is a loop, or a part of which nothing is known.
    for (from, to) in [
        ("-${MATCH}", "-${MATCH1}"),
        ("=\"${D}", "=\"${E}"),
        ("[^.]+", "[^.]*"),
        ("[^.]+", "[^a-z]+"),
        ("-${MATCH}", ".${MATCH}"),
        ("  D=", "  cc Maildir/.B\n  D="),
    ] {
        assert!(came_of(&text("").replace(from, to)).2.not > 0, "{from} {to}");
    }
    assert!(came_of(&text(" D=substr($D, 2)\n")).2.not > 0);
}
