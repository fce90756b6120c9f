//! Filters, and the rules that they become.

mod programs;
mod values;

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
    // A fixed name `Inbox` is the inbox, and so is one from a variable.
    let (rules, report, totals) =
        came_of("X=Inbox\nif (/^Subject: a/)\n X=`uname`\ncc \"Maildir/$X\"\nto \"Maildir/$X\"\n");
    assert_eq!(totals.exact, totals.all, "{report}");
    for want in [
        "when md-x is \"INBOX\" -> copy \"INBOX\"\n",
        "when md-x is \"INBOX\" -> inbox\nfolder \"{md-x}\"",
    ] {
        assert!(rules.contains(want), "{want}: {rules}");
    }
    let root = "V=`uname`\nD=\"$V/Maildir/.Spam\"\nto \"$D/\"\n";
    let (_, report, totals) = came_of(root);
    assert_eq!(totals.not, 1, "{report}");
}
