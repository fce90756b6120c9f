//! Filters, and the rules that they become.

use std::path::Path;

use super::import;
use crate::import::{Options, report, testing};

/// The rules without comments and blanks, the report, and the totals.
fn came_of(text: &str) -> (String, String, report::Totals) {
    let files = [
        ("lists", "if (/^List-Id:.*rust/)\n{\n  to Maildir/.rust\n}\n"),
        ("itself", "include itself\nto Maildir/.X\n"),
        ("bad", "# bad people\nspam@\n^[^@]*$\n"),
    ];
    let (rules, totals, report) =
        testing::rules(import, ("filter", text), &Options::default(), &files);
    (rules.replace("\n-> ", " -> "), report, totals)
}

#[track_caller]
fn exact(text: &str, want: &str) {
    let (rules, report, totals) = came_of(text);
    assert_eq!(rules, want, "{text}\n{report}");
    assert_eq!(totals.exact, totals.all, "{text}\n{report}");
}

#[track_caller]
fn not(text: &str, want: &str) {
    let (rules, report, totals) = came_of(text);
    assert_eq!(rules, want, "{text}\n{report}");
    assert!(totals.not > 0, "{text}");
}

/// The filter that asks a program with these words.
fn asking(words: &str) -> String {
    format!(
        "filter \"/bin/sh\" \"-c\" \"m=$(mktemp) && trap 'rm \\\"$m\\\"' 0 && trap 'exit 1' 15 && cat >\\\"$m\\\" || {{{{ printf '%s: yes\\\\n\\\\n' X-Mfilter-Unasked; exit; }}}}; \\\"$0\\\" \\\"$@\\\" \
         <\\\"$m\\\" >/dev/null; s=$?; cat \\\"$m\\\" || s=1; exit $s\" {words}\nwhen header \"X-Mfilter-Unasked\" is \"yes\" and size < 40 -> defer \"4.3.0 no room for the message\""
    )
}

/// A shell that is given the message in a file, and puts these headers before it.
fn keeping(script: &str, words: &str, kept: &[(&str, &str)]) -> String {
    let sets = kept.iter().map(|(name, _)| format!("let {name} = \"\"")).collect::<Vec<_>>();
    let takes = kept
        .iter()
        .map(|(name, header)| format!("let {name} = \"{{header \\\"X-Mfilter-{header}\\\"}}\""));
    let takes = takes.collect::<Vec<_>>();
    let (lines, then) = if kept.len() == 1 { ("1,2d", ", ") } else { ("1,3d", ",\n") };
    format!(
        "{},\nfilter \"/bin/sh\" \"-c\" \"m=$(mktemp) && trap 'rm \\\"$m\\\"' 0 && trap 'exit 1' 15 && cat >\\\"$m\\\" || {{{{ printf '%s: yes\\\\n\\\\n' X-Mfilter-Unasked; exit; }}}}; \
         {script}; printf '%s:\\\\n' X-Mfilter-End; cat \\\"$m\\\"; s=$?; exit $s\" {words}\nwhen header \"X-Mfilter-Unasked\" is \"yes\" and size < 40 -> defer \"4.3.0 no room for the message\"\nwhen not filter-failed -> {}{then}filter \"sed\" \"{lines}\"",
        sets.join(",\n"),
        takes.join(",\n"),
    )
}

/// The statements that keep what a program with these words prints, and its result.
fn printing(name: &str, words: &str) -> String {
    let script = "p=$(\\\"$0\\\" \\\"$@\\\" <\\\"$m\\\"); s=$?; printf '%s: %s\\\\n' \
                  X-Mfilter-Status $s X-Mfilter-Printed \\\"$([ $s != 0 ] || printf %s \\\"$p\\\" | tr '\\\\n' ' ')\\\"";
    let name = format!("md-{name}");
    keeping(script, words, &[("md-returncode", "Status"), (&name, "Printed")])
}

/// The statements that keep the result of a program with these words.
fn resulting(words: &str) -> String {
    let script = "\\\"$0\\\" \\\"$@\\\" <\\\"$m\\\" >/dev/null; printf '%s: %s\\\\n' \
                  X-Mfilter-Status $?";
    keeping(script, words, &[("md-returncode", "Status")])
}

#[test]
fn conditions() {
    for (condition, want) in [
        ("/^From:.*boss@example\\.org/", "header \"From\" contains \"boss@example.org\""),
        ("/^Subject: hello/", "header \"Subject\" starts \"hello\""),
        ("/^Subject:\\s*hello$/", "header \"Subject\" is \"hello\""),
        ("/^Subject: hello/:D", "headers matches /^Subject: hello/c"),
        ("/^(To|Cc):.*rust/:h", "[header \"To\", header \"Cc\"] contains \"rust\""),
        ("/^X-Loop:/", "header \"X-Loop\" like \"*\""),
        // The blank after the colon may be what is found.
        ("/^Subject: *[^a]x/", "headers matches /^Subject: *[^a]x/"),
        ("/^Subject:.* sale/", "headers matches /^Subject:.* sale/"),
        ("/^Subject:.*[^b]*c/", "header \"Subject\" matches /[^b]*c/"),
        (
            "/^Subject: taro@x/ || /^From: taro@x/",
            "header \"Subject\" starts \"taro@x\" or header \"From\" starts [\"\\\"taro@x\", \"<taro@x\", \"taro@x\"]",
        ),
        (
            "/^To:.*@b\\.example$/",
            "header \"To\" ends \"@b.example\" or header \"To\" matches /(?:^|,\\s*)<[^<>]*@b\\.example>$/",
        ),
        ("/^From: Boss/", "header \"From\" starts [\"\\\"Boss\", \"Boss\"]"),
        ("/^(To|Cc):(.*a|.*b)/", "[header \"To\", header \"Cc\"] contains [\"a\", \"b\"]"),
        ("/^Subject:.*(a|b c)/", "header \"Subject\" contains [\"a\", \"b c\"]"),
        (
            "/^From:.*a/ || /^To:.*b/",
            "header \"From\" contains \"a\" or header \"To\" contains \"b\"",
        ),
        (
            "/^X-A:.*a/ && ! /^X-B:.*b/",
            "header \"X-A\" contains \"a\" and not header \"X-B\" contains \"b\"",
        ),
        ("/^Subject: [^a-z]+$/", "header \"Subject\" matches /^[^a-z]+$/"),
        ("/viagra/:b", "body contains \"viagra\""),
        ("/^x+$/:b", "body matches /(?m)^x+$/"),
        ("/\\[foo/", "headers contains \"[foo\""),
        ("$SIZE < 1000", "size < 1000"),
        ("1000 <= $SIZE", "size >= 1000"),
        ("$FROM =~ /@example\\.org$/", "envelope-from matches /@example\\.org$/"),
        ("$FROM eq \"\"", "not has envelope-from"),
        ("$FROM", "has envelope-from and not envelope-from is \"0\""),
        ("hasaddr(\"a@b\")", "[to, cc, address \"Resent-To\", address \"Resent-Cc\"] is \"a@b\""),
        (
            "/^X-Score: *([0-9.]+)/ && $MATCH1 >= 5",
            "header \"X-Score\" matches /^(?P<match1>[0-9.]+)/ and header \"X-Score\" >= 5",
        ),
        (
            "/^X-A: a/:h,3,0 + /^X-B: b/:h,3,0 > 5",
            "header \"X-A\" starts \"a\" and header \"X-B\" starts \"b\"",
        ),
        (
            "/^From:\\s*(.*)/ && lookup($MATCH1, \"bad\")",
            "header \"From\" matches /^[\"<]?(?P<match1>.*)/ and header \"From\" matches [/spam@/, /^[^@]*$/]",
        ),
        ("/^From:.*<a@b>/", "header \"From\" matches /[^\\s,]\\s*<a@b>/"),
    ] {
        exact(
            &format!("if ({condition})\n{{\n  to Maildir/.x/\n}}\n"),
            &format!("when {want} -> folder \"x\""),
        );
    }
}

#[test]
fn targets() {
    for (statement, want) in [
        ("to \"/dev/null\"", "discard"),
        ("exit", "discard"),
        ("EXITCODE=77\nexit", "reject \"5.7.1 not wanted\""),
        ("to $DEFAULT", "inbox"),
        ("to \"$DEFAULT/.Lists.Rust/\"", "folder \"Lists/Rust\""),
        ("to \"$HOME/Maildir/.Spam\"", "folder \"Spam\""),
        ("to '/home/taro/Maildir/.Spam'", "folder \"Spam\""),
        ("to Mail/spam", "folder \"spam\""),
        ("M=\"$HOME/Maildir\"; X=`date +%Y`\nto \"$M/.in-$X\"", "folder \"in-{now:%Y}\""),
        ("to \"!a@example.org b@example.org\"", "forward \"a@example.org\" \"b@example.org\""),
        ("cc \"! a@example.org\"", "forward copy \"a@example.org\""),
        ("to \"| /usr/bin/x -a 'b c'\"", "pipe \"/usr/bin/x\" \"-a\" \"b c\""),
        ("to \"|x | $HOME/y\"", "pipe \"/bin/sh\" \"-c\" \"x | $HOME/y\""),
        ("cc Maildir/.Copies/\n", "copy \"Copies\""),
        ("cc Maildir/.Copies/\nexit", "folder \"Copies\""),
        // The program has the message: if it fails, maildrop tells the mail server.
        ("cc \"|deliver\"\nexit", "pipe \"deliver\""),
        ("cc \"|deliver\"\nEXITCODE=0\nexit", "pipe \"deliver\""),
        ("cc \"|deliver\"\nto /dev/null", "pipe \"deliver\""),
        ("cc \"|note\"\nto Maildir/.x", "run \"note\"\nfolder \"x\""),
        ("FLAGS=S\nto Maildir/.x", "mark seen\nfolder \"x\""),
        (
            "FLAGS=SF\nFLAGS=S\nto Maildir/.x",
            "mark seen flagged\nunmark draft flagged replied, mark seen\nfolder \"x\"",
        ),
        // No message comes here with the flags of the branch.
        (
            "if (/^X: a/)\n{\n FLAGS=F\n to Maildir/.x\n}\nFLAGS=S\nto Maildir/.y",
            "when header \"X\" starts \"a\" -> mark flagged, folder \"x\"\nmark seen\nfolder \"y\"",
        ),
        (
            "xfilter \"reformail -A'X-A: b' -I 'X-B:'\"",
            "add-header \"X-A\" \"b\", remove-header \"X-B\"",
        ),
        ("exception {\n xfilter spamc\n}", "filter \"spamc\""),
        (
            "xfilter \"spamc -f\"",
            "filter \"spamc\" \"-f\"\nwhen filter-failed -> defer \"4.3.0 a filter failed\"",
        ),
        ("`reformail -D 8000 cache`\nif ($RETURNCODE == 0)\n exit\n", "when duplicate -> discard"),
        (
            "M=Maildir\n`test -d $M/.x`\nif ($RETURNCODE == 1)\n{\n `maildirmake $M/.x`\n}\nto $M/.x",
            "folder \"x\"",
        ),
        (
            "import EXT\nif ($EXT eq \"news\")\n to Maildir/.News\n",
            "when env \"EXT\" matches /^news$/c -> folder \"News\"",
        ),
    ] {
        exact(statement, want);
    }
}

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
fn flow() {
    exact(
        "if (/^X-A: a/)\n to Maildir/.A\nelsif (/^X-B: b/)\n{\n cc Maildir/.B\n}\nelse\n to Maildir/.C\n",
        "when header \"X-A\" starts \"a\" -> folder \"A\"\n\
         when header \"X-B\" starts \"b\" -> copy \"B\"\n\
         when not header \"X-B\" starts \"b\" -> folder \"C\"",
    );
    exact(
        "if (/^X-A: a/)\n{\n if (/^X-B: b/)\n  to Maildir/.B\n to Maildir/.A\n}\n",
        "when header \"X-A\" starts \"a\" {\nwhen header \"X-B\" starts \"b\" -> folder \"B\"\nfolder \"A\"\n}",
    );
    exact(
        "if (/^List-Id:.*<([^.>]*)/)\n{\n L=tolower($MATCH1)\n to \"Maildir/.Lists.$L\"\n}\n",
        "when header \"List-Id\" matches /^.*<(?P<match1>[^.>]*)/ -> folder \"Lists/{match1:lower}\"",
    );
    exact(
        "D=.Spam\nif (/^X-A: a/)\n D=.Junk\nif (/^X-B: b/)\n to \"Maildir/$D\"\n",
        "let md-d = \".Spam\"\nwhen header \"X-A\" starts \"a\" -> let md-d = \".Junk\"\n\
         when header \"X-B\" starts \"b\" {\nwhen md-d is \".Junk\" -> folder \"Junk\"\n\
         when md-d is \".Spam\" -> folder \"Spam\"\n}",
    );
    exact("include lists\n", "when header \"List-Id\" contains \"rust\" -> folder \"rust\"");
}

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

#[test]
fn what_cannot_be_said_is_not_said_broader() {
    for (text, want) in [
        ("if (`uname` eq x)\n to Maildir/.A\nelse\n to Maildir/.B\n", ""),
        ("X=`uname`\nto \"$X/A/\"\nto Maildir/.B\n", "PRINTS_UNAME"),
        ("import X\nto \"$X/A/\"\n", ""),
        ("import X\nto \"$X\"\n", ""),
        (
            "if (/^X-A:/)\n to \"$1\"\nelse\n to Maildir/.B\n",
            "when not header \"X-A\" like \"*\" -> folder \"B\"",
        ),
        ("foreach /^To:.*/\n{\n D=x\n}\nto \"Maildir/.$D\"\n", ""),
        ("include none\nto \"Maildir/.$D\"\n", ""),
        ("include itself\nto Maildir/.B", "folder \"X\""),
        ("if (/(?=x)/)\n to Maildir/.A\nto Maildir/.B\n", "folder \"B\""),
        ("if (/x/:h,1,1 > 3)\n to Maildir/.A\n", ""),
        ("if ($SIZE lt 1000)\n to Maildir/.A\n", ""),
    ] {
        not(text, &want.replace("PRINTS_UNAME", &printing("x", "\"uname\"")));
    }
}

/// What cannot be decided counts only where something depends on it.
#[test]
fn a_branch_that_sets_what_nobody_reads_is_dead() {
    let unread = "`test -e x`\nif ($RETURNCODE == 0)\n{\n MAILDIRQUOTA=`head -n1 x`\n A=1\n}\n";
    exact(&format!("{unread}to Maildir/.B\n"), "folder \"B\"");
    let (rules, report, totals) = came_of(&format!("{unread}to \"Maildir/.x$A\"\n"));
    assert_eq!(totals.exact, totals.all, "{report}");
    assert!(rules.contains("when not filter-failed -> let md-a = \"1\""), "{rules}");
    for set in ["DEFAULT=Maildir/.A", "A=`touch y`"] {
        not(&format!("if (`uname` eq x)\n{{\n {set}\n}}\nto Maildir/.B\n"), "folder \"B\"");
    }
    let (_, report, totals) = came_of("if (`uname` eq x)\n A=1\nto \"Maildir/.$A\"\n");
    assert_eq!((totals.all, totals.not), (2, 2), "{report}");
}

/// maildrop works in the home, and the Maildir is there.
#[test]
fn what_is_where() {
    exact("H=`pwd`\nto \"$H/Maildir/.A\"\n", "folder \"A\"");
    let asks = |test: &str| format!("`{test}`\nif ($RETURNCODE != 0)\n exit\nto Maildir/.A\n");
    for there in ["test -d Maildir", "test -d \"$HOME/Maildir/\"", "[ -e $DEFAULT ]"] {
        exact(&asks(there), "folder \"A\"");
    }
    // Of other files, only the command itself knows.
    for (other, words) in [
        ("test -f Maildir", "\"test\" \"-f\" \"Maildir\""),
        ("test -f Maildir/.B", "\"test\" \"-f\" \"Maildir/.B\""),
        ("test -d Maildir/B", "\"test\" \"-d\" \"Maildir/B\""),
        ("test ! -d Maildir", "\"test\" \"!\" \"-d\" \"Maildir\""),
        ("test -x $HOME/bin/x", "\"/bin/sh\" \"-c\" \"test -x $HOME/bin/x\""),
    ] {
        exact(
            &asks(other),
            &format!("{}\nwhen filter-failed -> discard\nfolder \"A\"", asking(words)),
        );
    }
    for (test, name) in [
        ("test -d Maildir/.B", "B"),
        ("test -d \"$HOME/Maildir/.B.C d/\"", "B/C d"),
        ("[ -e $DEFAULT.B ]", "B"),
    ] {
        exact(&asks(test), &format!("when not folder-exists \"{name}\" -> discard\nfolder \"A\""));
    }
    exact(
        "D=Maildir/.A\n`test -d $D`\nif ($RETURNCODE == 0)\n to $D\nelse\n to Maildir/.B\n",
        "when folder-exists \"A\" -> folder \"A\"\nfolder \"B\"",
    );
    let (rules, report, totals) =
        came_of("MAILDIR=`uname`\n`test -d $MAILDIR/.A`\nif ($RETURNCODE == 0)\n to Maildir/.A\n");
    assert_eq!((totals.all, totals.approximate), (1, 1), "{report}{rules}");
    assert!(rules.contains("when folder-exists \"A\" -> folder \"A\""), "{rules}");
    let (rules, report, totals) = came_of(
        "`test -d Maildir/.A`\nif ($RETURNCODE == 0)\n to Maildir/.A\n`maildirmake Maildir/.A`\n",
    );
    assert_eq!((totals.all, totals.approximate), (1, 1), "{report}{rules}");
    let makes = "`test -d Maildir/.A`\nif ($RETURNCODE == 1)\n M=`maildirmake Maildir/.A`\n";
    exact(&format!("{makes}to Maildir/.A\n"), "folder \"A\"");
}

#[test]
fn a_loop_that_only_makes_folders_is_dead() {
    let folders = |more: &str| {
        format!(
            "D=Maildir/.A.B\nH=$D\nwhile ($H =~ /^(.*)(\\.[^.]+)$/)\n{{\n `test -d $MATCH`\n \
             if ($RETURNCODE == 1)\n {{\n  `maildirmake $MATCH`\n }}\n H=$MATCH1\n{more}}}\n\
             to \"$D\"\n"
        )
    };
    exact(&folders(""), "folder \"A/B\"");
    for more in ["cc Maildir/.C\n", "DEFAULT=$H\n", "`touch x`\n", "xfilter cat\n", "exit\n"] {
        not(&folders(more), "folder \"A/B\"");
    }
    // What it computes is not known after it.
    not(&folders("").replace("to \"$D\"", "to \"$H\""), "");
    not(&folders("").replace("maildirmake $MATCH", "test -d $MATCH"), "folder \"A/B\"");
}

/// A file that another one includes, on its own.
#[test]
fn a_folder_below_what_is_not_set_is_none() {
    let (_, report, totals) = came_of("to \"$LISTS/rust/\"\n");
    assert_eq!(totals.not, 1, "{report}");
    assert!(report.contains("`$LISTS` is not set here: where another file includes"), "{report}");
    let (_, report, _) = came_of("LISTS=/srv/lists\nto \"$LISTS/rust/\"\n");
    assert!(report.contains("is outside the Maildir"), "{report}");
}

#[test]
fn comments_come_along() {
    let load = &mut |_: &Path| Err(std::io::ErrorKind::NotFound.into());
    let text = "# where\nA=Maildir/.A\n# rule:[Boss]\n# who pays\nif (/^X-A: a/)\n{\n  # what\n  B=\"$A\"\n\
                  to $B\n}\nto Maildir\n# end\n";
    let imported = import(Path::new("f"), text.as_bytes(), &Options::default(), load).unwrap();
    assert!(
        imported.rules.contains("# who pays\n# what\nrule \"Boss\" when"),
        "{}",
        imported.rules
    );
    for comment in ["where", "what", "end"] {
        let comment = format!("# {comment}\n");
        assert_eq!(imported.rules.matches(&comment).count(), 1, "{}", imported.rules);
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

/// In `exception`, what comes after a file that is missing goes on.
#[test]
fn a_missing_file_in_an_exception_is_left_out() {
    let after = "to Maildir/.B\n";
    for (block, approximate) in [
        ("include none\n", 1),
        ("if (/^X-A: a/)\n{\ninclude none\n}\n", 1),
        ("include none\nto Maildir/.A\n", 0),
        ("if (/^X-A: a/)\n{\ninclude none\n}\ncc Maildir/.A\n", 0),
    ] {
        let (rules, report, totals) = came_of(&format!("exception {{\n{block}}}\n{after}"));
        assert_eq!((totals.approximate, totals.not), (approximate, 1 - approximate), "{report}");
        assert!(approximate == 0 || rules.ends_with("folder \"B\""), "{rules}");
    }
    assert_eq!(came_of(&format!("include none\n{after}")).2.not, 1);
}

/// The folder of a Maildir that is not known is taken for one of this Maildir.
#[test]
fn a_maildir_of_several_unknown_parts_is_taken_for_the_own_one() {
    for path in ["/srv/$4/$3/.A", "/srv/$4/$3/.A/", "$4/.A"] {
        let (rules, report, totals) = came_of(&format!("to \"{path}\"\n"));
        assert_eq!((rules.as_str(), totals.approximate), ("folder \"A\"", 1), "{report}");
    }
    for path in ["/srv/$4/$3", "/srv/$4.A", "/srv/.A/$4"] {
        assert_eq!(came_of(&format!("to \"{path}\"\n")).2.not, 1, "{path}");
    }
}

/// What was wrongly called exact: found with the real program.
#[test]
fn what_maildrop_itself_showed() {
    exact(
        "DEFAULT=/dev/null\nif (/^X-A: a/)\n to Maildir/.A\n",
        "when header \"X-A\" starts \"a\" -> folder \"A\"\ndiscard \"DEFAULT is /dev/null\"",
    );
    // Folders that courier calls so have that name on disk.
    let kept = "T=INBOX.A\nif (/^X-B: b/)\n T=INBOX.B\nif (/^X-A: (.*)/)\n T=INBOX.C.$MATCH1\nto \"Maildir/.$T\"\n";
    let (rules, report, totals) = came_of(kept);
    assert_eq!(totals.exact, totals.all, "{report}");
    assert!(rules.starts_with("set folder-prefix \"\""), "{rules}");
    assert!(rules.ends_with("folder \"{md-t:levels}\""), "{rules}");
    // A name that may begin with a dot, and a path that begins with what is not known.
    let (rules, report, totals) = came_of("X=`uname`\nto \"Maildir/$X\"\n");
    assert_eq!(totals.exact, totals.all, "{report}");
    assert!(rules.contains("-> folder \"{folder:levels}\"\nfolder \"{md-x}\""), "{rules}");
    let root = "V=`uname`\nD=\"$V/Maildir/.Spam\"\nto \"$D/\"\n";
    let (_, report, totals) = came_of(root);
    assert_eq!(totals.not, 1, "{report}");
}
