//! What programs do, decide and print.

use super::{exact, not, rules};

/// Mail that a program was to take is not dropped where the program has failed.
#[test]
fn a_copy_for_a_program_is_asked_about() {
    let of_a_copy = |flags: &str, next: &str| {
        let recipes = format!(":0 {flags}\n* ^Subject:.*a\n| take\n:0 {next}\n/dev/null\n");
        let (rules, totals) = rules(&recipes);
        assert_eq!(totals.exact, 2, "{rules}");
        rules
    };
    let asked = of_a_copy("cw", "a");
    assert!(asked.contains("when has rc-done-1 and not filter-failed -> discard"), "{asked}");
    assert!(asked.contains("-> defer \"4.3.0 no room for the message\""), "{asked}");
    assert!(of_a_copy("cW", "e").contains(" and filter-failed -> discard"));
    // procmail does not wait for it.
    let dropped = "when header \"Subject\" contains \"a\" -> discard";
    for flags in ["c", "cw"] {
        assert!(of_a_copy(flags, "A").contains(dropped), "{flags}");
    }
    assert!(of_a_copy("c", "a").contains(dropped));
}

#[test]
fn a_text_is_changed_by_sed() {
    exact(
        ":0\n* ^Subject: \\/[a-z-]+\n{\n X=`echo \"$MATCH\" | tr A-Z a-z | sed 's/-l$//'`\n :0\n l-$X/\n}\n",
        "when header \"Subject\" matches /^(?P<match>[a-z\\-]+)/ {\n\
         let rc-x = \"{match}\", let rc-x = \"{rc-x:lower}\"\n\
         when rc-x matches /^(?P<left>.*?)(?:\\-l)$/c -> let rc-x = \"{left}\"\n\
         folder \"l-{rc-x}\"\n}",
    );
    let (found, totals) =
        rules(":0\n* ^Subject: \\/[a-z-]+\n{\n X=`echo $MATCH | sed 's/a/b/g'`\n :0\n l-$X/\n}\n");
    assert_eq!((totals.approximate, totals.exact, totals.not), (0, 2, 0), "{found}");
    assert!(
        found.contains("\"MATCH=$1; echo $MATCH | sed 's/a/b/g'\" \"sh\" \"{match}\""),
        "{found}"
    );
}

#[test]
fn what_filters_half_of_a_message_keeps_the_other() {
    const MESSAGE: &str = "Subject: a\n\nb\n";
    let run = |before: &str, half: &str, command: &str| {
        let mut input = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut input, MESSAGE.as_bytes()).unwrap();
        std::io::Seek::rewind(&mut input).unwrap();
        let script = format!("{before}{}", super::super::action::on_half(half, command, true));
        let mut shell = std::process::Command::new("/bin/sh");
        let output = shell.args(["-c", &script]).stdin(input).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    for (half, command, want) in [
        ("header", "tr ab xy", "Suyject: x\n\nb\n"),
        ("body", "tr ab xy", "Subject: a\n\ny\n"),
        ("body", "cat; echo c &", "Subject: a\n\nb\nc\n"),
    ] {
        assert_eq!(run("", half, command), (true, want.to_owned()), "{half} {command}");
        // It does not read the message to its end.
        let (worked, printed) = run("sed() { head -c 4 \"$2\"; return 1; }; ", half, command);
        assert!(!worked, "{half} {command}: {printed}");
    }
}

/// What a program decides, a filter says that leaves the message as it is.
#[test]
fn programs_decide() {
    let asks = |half: &str, words: &str| {
        format!(
            "filter \"/bin/sh\" \"-c\" \"m=$(mktemp) && trap 'rm \\\"$m\\\"' 0 && trap 'exit 1' 15 && cat >\\\"$m\\\" || {{{{ printf '%s: yes\\\\n\\\\n' X-Mfilter-Unasked; exit; }}}}; {half} >/dev/null; s=$?; \
             cat \\\"$m\\\" || s=1; exit $s\" {words}\nwhen header \"X-Mfilter-Unasked\" is \"yes\" and size < 40 -> defer \"4.3.0 no room for the message\""
        )
    };
    let header = |words: &str| asks("sed '/^$/q' \\\"$m\\\" | \\\"$0\\\" \\\"$@\\\"", words);
    let body = |words: &str| asks("sed '1,/^$/d' \\\"$m\\\" | \\\"$0\\\" \\\"$@\\\"", words);
    let all = |words: &str| asks("\\\"$0\\\" \\\"$@\\\" <\\\"$m\\\"", words);
    let tested = "when not filter-failed -> folder \"x\"";
    for (recipe, want) in [
        (":0\n* ? known -a\nx/", format!("{}\n{tested}", header("\"known\" \"-a\""))),
        (":0 B\n* ? known\nx/", format!("{}\n{tested}", body("\"known\""))),
        (":0 HB\n* ? known\nx/", format!("{}\n{tested}", all("\"known\""))),
        (
            ":0\n* ? known | grep -q a\nx/",
            format!("{}\n{tested}", header("\"/bin/sh\" \"-c\" \" known | grep -q a\"")),
        ),
        (
            ":0\n* ! ? known\nx/",
            format!("{}\nwhen filter-failed -> folder \"x\"", header("\"known\"")),
        ),
        (
            ":0\n* ^To:.*a\n* ? known\n* ^Subject:.*b\nx/\n:0\ny/",
            format!(
                "when header \"To\" contains \"a\" {{\n{}\nwhen not filter-failed and header \"Subject\" \
                 contains \"b\" -> folder \"x\"\n}}\nfolder \"y\"",
                header("\"known\"")
            ),
        ),
        (
            ":0\n* ^X-A: \\/[a-z]+\n* ? known $MATCH\nx/",
            format!(
                "when header \"X-A\" matches /^(?P<match>[a-z]+)/ {{\n{}\n{tested}\n}}",
                header("\"known\" \"{match}\"")
            ),
        ),
        (
            ":0\n* ? known $HOME/a\nx/",
            format!("{}\n{tested}", header("\"/bin/sh\" \"-c\" \" known $HOME/a\"")),
        ),
        (
            ":0\n* ^X-A: \\/[a-z]+\n* ? echo $MATCH | known -a\nx/",
            format!(
                "when header \"X-A\" matches /^(?P<match>[a-z]+)/ {{\n{}\n{tested}\n}}",
                header(
                    "\"/bin/sh\" \"-c\" \"MATCH=$1; echo $MATCH | known -a\" \"sh\" \"{match}\""
                )
            ),
        ),
    ] {
        let (rules, totals) = rules(&format!("{recipe}\n"));
        assert_eq!(rules, want, "{recipe}");
        assert_eq!(totals.exact, totals.all, "{recipe}");
    }
    // Whether it was done is known where `A` and `E` ask.
    let (found, totals) = rules(":0 c\n* ? known\nx/\n:0 A\ny/\n:0 E\nz/\n");
    assert!(
        found.ends_with(
            "when not filter-failed -> let rc-done-1 = \"yes\", copy \"x\"\n\
             when has rc-done-1 -> folder \"y\"\nwhen not has rc-done-1 -> folder \"z\""
        ),
        "{found}"
    );
    assert_eq!(totals.exact, totals.all);
    for recipe in [":0\n* 2^0 ? known\nx/", ":0\n* ? $NONE -a\nx/", ":0\n* ? a\n* ? b\nx/"] {
        not(&format!("{recipe}\n"), "");
    }
}

/// What a program prints, a filter puts before the message, and another one takes it away.
#[test]
fn programs_print() {
    let printed = |input: &str, words: &str| {
        format!(
            "let rc-x = \"\", filter \"/bin/sh\" \"-c\" \"m=$(mktemp) && trap 'rm \\\"$m\\\"' 0 && trap 'exit 1' 15 && cat >\\\"$m\\\" || {{{{ printf '%s: yes\\\\n\\\\n' X-Mfilter-Unasked; exit; }}}}; printf \
             '%s: %s\\\\n' X-Mfilter-Printed \\\"$({input} | head -n 1)\\\"; printf '%s:\\\\n' X-Mfilter-End; cat \\\"$m\\\"; s=$?; exit $s\" {words}\nwhen header \"X-Mfilter-Unasked\" is \"yes\" and size < 40 -> defer \"4.3.0 no room for the message\"\n\
             when not filter-failed -> let rc-x = \"{{header \\\"X-Mfilter-Printed\\\"}}\", filter \"sed\" \"1,2d\"\n"
        )
    };
    let all = "\\\"$0\\\" \\\"$@\\\" <\\\"$m\\\"";
    let header = "sed '/^$/q' \\\"$m\\\" | \\\"$0\\\" \\\"$@\\\"";
    for (statement, input, words) in [
        ("X=`uname`", all, "\"uname\""),
        ("X=\"`uname -n`\"", all, "\"uname\" \"-n\""),
        ("X=`uname | cut -f\\$1`", all, "\"/bin/sh\" \"-c\" \"uname | cut -f$1\""),
        (":0\nX=| uname", all, "\"uname\""),
        (":0 h\nX=| uname", header, "\"uname\""),
    ] {
        let (found, totals) = rules(&format!("{statement}\n:0\na-$X/\n"));
        let want = format!("{}folder \"a-{{rc-x}}\"", printed(input, words));
        assert_eq!(found.replace("\nfilter", " filter").replace(",  ", ", "), want, "{statement}");
        assert_eq!(totals.exact, totals.all, "{statement}");
    }
    // Only the first line of many is kept.
    for statement in ["X=`df`", ":0\nX=| sort"] {
        let (_, totals) = rules(&format!("{statement}\n:0\na-$X/\n"));
        assert_eq!((totals.approximate, totals.not), (1, 0), "{statement}");
    }
    // The exit status, too, if what comes next asks for it.
    for (statement, end) in [("X=`uname`\nS=$?", "{rc-x}\""), (":0 Wc\n| x\nS=$?", "\"")] {
        let (found, totals) = rules(&format!("{statement}\n:0\n* S ?? 1\na-$X/\n"));
        assert_eq!(totals.exact, totals.all, "{statement}");
        assert!(found.contains("let rc-status = \"{header \\\"X-Mfilter-Status\\\"}\""), "{found}");
        assert!(found.contains("when rc-status contains \"1\" -> folder \"a-"), "{found}");
        assert!(found.ends_with(end), "{found}");
    }
    for statements in ["X=`uname`\nY=a\nS=$?", ":0 fw\n| x\nS=$?"] {
        assert!(rules(&format!("{statements}\n:0\n* S ?? 1\na/\n")).1.not > 0, "{statements}");
    }
    // The name of a mailbox.
    let (found, totals) = rules(":0\n* ^X-A: \\/[a-z-]+\n`echo $MATCH | sed 's/-l$//'`\n");
    assert_eq!(totals.exact, totals.all, "{found}");
    assert!(found.ends_with("folder \"{rc-mfilter-mailbox}\"\n}"), "{found}");
    let (_, totals) = rules(":0\n`uname`\n");
    assert_eq!((totals.approximate, totals.not), (1, 0));
    // A part of a value, a program in it, and what may be another value before it.
    for statements in ["X=a`uname`", "X=`uname``id`", "X=a\n:0\nX=| uname", ":0\nMAILDIR=| pwd"] {
        let (found, totals) = rules(&format!("{statements}\n:0\n* ^A:\n$X/\n"));
        assert!(totals.not > 0 && !found.contains("Printed"), "{found}");
    }
}

/// procmail works in MAILDIR, and only a shell knows the home in an argument.
#[test]
fn programs_work_where_procmail_does() {
    for (action, want) in [
        ("| x -d $HOME/.db", "\"/bin/sh\" \"-c\" \"x -d $HOME/.db\""),
        ("| $HOME/bin/x -d", "\"~/bin/x\" \"-d\""),
        ("| x a.db", "\"/bin/sh\" \"-c\" \"cd \\\"$HOME/Mail\\\" 2>/dev/null; x a.db\""),
        ("| x >>log", "\"/bin/sh\" \"-c\" \"cd \\\"$HOME/Mail\\\" 2>/dev/null; x >>log\""),
        ("| x >/dev/null", "\"/bin/sh\" \"-c\" \"x >/dev/null\""),
        ("| x -a b", "\"x\" \"-a\" \"b\""),
    ] {
        exact(&format!("MAILDIR=$HOME/Mail\n:0\n{action}\n"), &format!("pipe {want}"));
    }
    exact(":0\n| x a.db\n", "pipe \"x\" \"a.db\"");
}
