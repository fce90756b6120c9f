//! What programs do, decide and print.

use super::{asking, came_of, exact, printing, resulting};

/// Mail is dropped only where it is known that the mail server is not told anything else.
#[test]
fn an_exit_code_that_is_not_known_drops_nothing() {
    for text in [
        "cc \"|deliver\"\nif (/^A: b/)\n exit\n",
        "if (/^A: b/)\n EXITCODE=77\nexit\n",
        "import CODE\nEXITCODE=$CODE\nexit\n",
    ] {
        let (rules, report, _) = came_of(text);
        assert!(!rules.lines().any(|line| line.contains("discard")), "{rules}");
        assert!(report.contains("EXITCODE"), "{report}");
    }
}

#[test]
fn programs_decide() {
    for (statements, want) in [
        (
            "`known -a`\nif ($RETURNCODE == 0)\n to Maildir/.A\n",
            format!("{}\nwhen not filter-failed -> folder \"A\"", asking("\"known\" \"-a\"")),
        ),
        (
            "import EXT\n`known \"$EXT@x\"`\nlog \"a\"\nif ($RETURNCODE != 0)\n{\n to Maildir/.A\n}\n",
            format!(
                "{}\nlog \"a\"\nwhen filter-failed -> folder \"A\"",
                asking("\"known\" \"{env \\\"EXT\\\"}@x\"")
            ),
        ),
        ("exception {\n`known`\n}\nif ($RETURNCODE)\n exit\n", {
            format!("{}\nwhen filter-failed -> discard", asking("\"known\""))
        }),
        // Nothing asks.
        (
            "`known`\nif (/^A:/)\n exit\n",
            "run \"known\"\nwhen header \"A\" like \"*\" -> discard".into(),
        ),
    ] {
        exact(statements, &want);
    }
}

/// Where more is asked than whether a program failed, its number is kept.
#[test]
fn results_of_programs_are_numbers() {
    let known = resulting("\"known\"");
    for (condition, want) in [
        ("== 1", "md-returncode is \"1\""),
        ("!= 77", "not md-returncode is \"77\""),
        ("> 1", "not md-returncode is [\"0\", \"1\"]"),
        ("eq \"2\"", "md-returncode is \"2\""),
    ] {
        let text = format!("`known`\nif ($RETURNCODE {condition})\n to Maildir/.A\n");
        exact(&text, &format!("{known}\nwhen {want} -> folder \"A\""));
    }
    let logged = "`known`\nif ($RETURNCODE)\n log \"it is $RETURNCODE\"\n";
    exact(
        logged,
        &format!("{known}\nwhen not md-returncode is \"0\" -> log \"it is {{md-returncode}}\""),
    );
    // A delivery changes nothing, nor does an `if` that runs nothing.
    let later = "`known`\nif ($RETURNCODE == 2)\n cc Maildir/.A\nif ($RETURNCODE == 2)\n exit\n";
    let copies =
        "when md-returncode is \"2\" -> copy \"A\"\nwhen md-returncode is \"2\" -> discard";
    exact(later, &format!("{known}\n{copies}"));
    // A filter that prints nothing has not failed.
    let (rules, report, totals) =
        came_of("exception {\nxfilter \"quota 9\"\n}\nif ($RETURNCODE == 77)\n exit\n");
    assert_eq!(totals.exact, totals.all, "{report}");
    assert!(rules.contains("when md-returncode is \"77\" -> discard"), "{rules}");
    let (rules, _, _) =
        came_of("exception {\nxfilter \"spamc -x\"\n}\nif ($RETURNCODE != 0)\n exit\n");
    assert_eq!(rules, "filter \"spamc\" \"-x\"\nwhen filter-failed -> discard");
}

/// What a program prints is a text like any other.
#[test]
fn what_programs_print_is_kept() {
    let uname = printing("x", "\"uname\"");
    for (text, want) in [
        ("X=`uname`\nto \"Maildir/.$X\"\n", "folder \"{md-x:levels}\""),
        (
            "X=`uname`\nif ($X eq \"a\")\n to Maildir/.A\n",
            "when md-x matches /^a$/c -> folder \"A\"",
        ),
        // The result is that of the program right before it.
        (
            "`test -d Maildir/.A`\nX=`uname`\nif ($RETURNCODE == 0)\n to Maildir/.A\n",
            "when md-returncode is \"0\" -> folder \"A\"",
        ),
    ] {
        exact(text, &format!("{uname}\n{want}"));
    }
    // A Maildir that a program names is taken for the user's own.
    for to in ["$MAILDIR/.A/", "$D"] {
        let text = format!("MAILDIR=`uname`\nD=\"$MAILDIR/.A\"\nto \"{to}\"\n");
        let (rules, report, totals) = came_of(&text);
        assert_eq!((totals.all, totals.approximate), (1, 1), "{report}");
        assert!(rules.ends_with("folder \"A\""), "{rules}");
    }
}
