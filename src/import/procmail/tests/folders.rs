//! Where recipes store mail.

use super::{approximate, exact, not, rules};

#[test]
fn targets() {
    for (action, want) in [
        ("/dev/null", "discard"),
        ("$DEFAULT", "inbox"),
        ("lists/", "folder \"lists\""),
        ("$MAILDIR/a/b", "folder \"a/b\""),
        (".Lists.rust/", "folder \"Lists/rust\""),
        ("$HOME/Maildir/.Spam/", "folder \"Spam\""),
        ("/home/taro/Maildir/.Spam/", "folder \"Spam\""),
        ("in-`date +%Y-%m`", "folder \"in-{now:%Y-%m}\""),
        ("! a@example.org b@example.org", "forward \"a@example.org\" \"b@example.org\""),
        ("| /usr/bin/x -a \"b c\"", "pipe \"/usr/bin/x\" \"-a\" \"b c\""),
        (".a\\ b/", "folder \"a b\""),
        ("| x | y", "pipe \"/bin/sh\" \"-c\" \"x | y\""),
        ("| /usr/lib/dovecot/deliver -m Lists.rust", "folder \"Lists/rust\""),
        ("{ EXITCODE=67\n:0\n/dev/null\n}", "reject \"5.1.1 there is no such user\""),
        ("{ EXITCODE=99\n:0\n/dev/null\n}", "discard"),
        ("{ EXITCODE=111\n:0\n/dev/null\n}", "defer \"4.3.0 try again later\""),
    ] {
        let (rules, totals) = rules(&format!("MAILDIR=$HOME/Maildir\n:0\n{action}\n"));
        assert_eq!((rules.as_str(), totals.not), (want, 0), "{action}");
    }
    exact(
        ":0 Wh: cache.lock\n| formail -D 8192 cache\n",
        "when duplicate -> discard \"duplicate\"",
    );
    exact(":0 c\ncopies\n", "copy \"copies\"");
    exact(":0\nMaildir/.Lists.rust/\n", "folder \"Lists/rust\"");
    exact(":0 fw\n| bogofilter -p\n", "filter \"bogofilter\" \"-p\"");
    exact(
        ":0\n* ^Subject: (Re|Fwd): *\\/(a+|bc).*\n\"lists/$MATCH\"\n",
        "when header \"Subject\" matches /^(?:Re|Fwd): *?(?P<match>(?:a+|bc).*)/ \
         -> folder \"lists/{match}\"",
    );
    exact(
        ":0 fhw\n| formail -I \"X-A: b\" -A\"X-C: d\"\n",
        "set-header \"X-A\" \"b\", add-header \"X-C\" \"d\"",
    );
}

/// What a path begins with decides whether it is a folder of this Maildir.
#[test]
fn a_variable_may_hold_the_name_of_a_folder_as_it_is_on_disk() {
    let kept = ":0\n* ^X-A: a\n{\nF=.a.b\n}\n:0\n* F ?? .\n$F/\n";
    exact(
        kept,
        "when header \"X-A\" starts \"a\" -> let rc-f = \".a.b\"\nwhen rc-f matches /./ {\n\
         when rc-f matches /^(?:\\.\\/)?\\.(?P<folder>[^.\\/].*?)\\/*$/ \
         -> folder \"{folder:levels}\"\nfolder \"{rc-f}\"\n}",
    );
    let (rules, totals) = rules(&kept.replace(":0\n* F", ":0 c\n* F"));
    assert!(rules.contains("when not rc-f matches") && totals.exact == totals.all, "{rules}");
    // Within the block it is known.
    exact(
        ":0\n* ^X-A: a\n{\nF=.a.b\n:0\n$F/\n}\n",
        "when header \"X-A\" starts \"a\" -> let rc-f = \".a.b\", folder \"a/b\"",
    );
}

#[test]
fn mail_is_marked_as_read() {
    let seen = "when header \"X-A\" starts \"a\" -> folder \"Spam\" as seen";
    for (mailbox, to) in
        [(".Spam/new", "\"$MAILDIR/.Spam/cur/$MATCH:2,S\""), (".Spam/", ".Spam/cur/${MATCH}:2,S")]
    {
        let moves = format!(":0 ai\n* LASTFOLDER ?? ()\\/[^/]+^^\n| mv -f \"$LASTFOLDER\" {to}\n");
        exact(&format!(":0\n* ^X-A: a\n{{\n:0 c:\n{mailbox}\n{moves}}}\n"), seen);
    }
    let trap = ":0 c\n* ^X-A: a\n\"$MAILDIR/$F\"\n\
        :0\n* LASTFOLDER ?? /\\/[^/]+$\n{ tail=$MATCH }\nbase=\"$MAILDIR/$F/cur/$tail\"\n\
        TRAP=\"mv $LASTFOLDER '${base}:2,' 2> /dev/null ; \\\nmv '$base:2,' '$base:2,S'\"\n";
    let copy = "when header \"X-A\" starts \"a\" -> copy \"Spam\" as seen";
    exact(&format!("F=.Spam\n{trap}"), copy);
    exact(&format!("F=.Spam\n{trap}HOST\n"), seen);
    for other in [
        trap.replace("LASTFOLDER ??", "X ??"),
        trap.replace("cur/$tail", "cur/x"),
        trap.replace("$base:2,S", "$MAILDIR/.B/cur/$tail:2,S"),
        trap.replace("mv $L", "cp $L"),
        trap.replace(":2,S", ":2,Z"),
    ] {
        not(&format!("F=.Spam\n{other}"), &copy.replace(" as seen", ""));
    }
}

#[test]
fn several_maildirs_and_the_number_of_lines() {
    exact(":0\na/ b/ $HOME/c/\n", "copy \"b\", copy \"c\", folder \"a\"");
    exact(":0 c\na/ b/\n", "copy \"b\", copy \"a\"");
    not(":0\na b\n", "");
    let (found, totals) =
        rules(":0 Bfh\n* H ?? !^Lines:\n* -1^0\n* 1^1 ^.*$\n| formail -A \"Lines: $=\"\n");
    assert!(
        found.starts_with("when not header \"Lines\" like \"*\"\n-> filter \"/bin/sh\""),
        "{found}"
    );
    assert_eq!((totals.exact, totals.all), (1, 1));
    let formail = ":0 fhw\n| formail -I \"From \" -a \"From \"\n";
    exact(formail, "");
    let (_, totals) = rules(&format!("{formail}:0\n* ^From .*bob\na\n"));
    assert_eq!(totals.not, 1);
    let (_, totals) = rules(&format!("{formail}:0\n* ^From.*bob\na\n"));
    assert_eq!((totals.exact, totals.approximate), (1, 1));
    not(":0 Bfh\n* -1^0\n* 1^1 ^.*$\n| formail -A \"X-Lines: $=\"\n", "");
    not(":0 Bfh\n* -1^0\n* 2^1 ^.*$\n| formail -A \"Lines: $=\"\n", "");
}

/// procmail expands `^TO` wherever it occurs.
#[test]
fn destinations_are_a_word_of_procmails() {
    let destinations = |condition: &str| {
        let (rules, totals) = rules(&format!(":0\n* {condition}\nx/\n"));
        assert_eq!(totals.exact, totals.all, "{condition}");
        rules.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let found = destinations("^TO:.*boss");
    assert!(
        found.contains("header \"Cc\"") && found.contains("/(?:^|[^a-zA-Z]):.*boss/"),
        "{found}"
    );
    let found = destinations("^TO.*boss");
    assert!(found.contains("header \"Apparently-To\""), "{found}");
    let found = destinations("(^TO|^X-A:.*)boss");
    assert!(found.contains("(?:Resent-)?(?:To|Cc|Bcc)"), "{found}");
    for condition in ["^TO*boss", "B ?? ^TO_boss", "(^FROM_DAEMON|^X)a", "H ?? B ?? a"] {
        not(&format!(":0\n* {condition}\nx/\n"), "");
    }
}

#[test]
fn a_captured_blank_parts_names_without_quotes() {
    let rule = "when header \"Subject\" matches /^(?P<match>[^\\]]*)/ -> folder \"{match}\"";
    approximate(":0\n* ^Subject: \\/[^]]*\n$MATCH/\n", rule);
    exact(":0\n* ^Subject: \\/[^]]*\n\"$MATCH/\"\n", rule);
    approximate(
        ":0\n* ^X-Mailing-List: \\/.*\n$MATCH/\n",
        "when header \"X-Mailing-List\" matches /^(?P<match>.*)/ -> folder \"{match}\"",
    );
    exact(
        ":0\n* ^Subject: \\/[a-z]+\n$MATCH/\n",
        "when header \"Subject\" matches /^(?P<match>[a-z]+)/ -> folder \"{match}\"",
    );
}

#[test]
fn folders_that_exist() {
    let maildir = "MAILDIR=$HOME/Maildir\n";
    for (test, want) in [
        ("? test -d $MAILDIR/.A", "folder-exists \"A\""),
        ("? [ -d \"$MAILDIR/.A B.C/\" ]", "folder-exists \"A B/C\""),
        ("! ? test -d $HOME/Maildir/.A", "not folder-exists \"A\""),
        ("? test -e .A", "folder-exists \"A\""),
    ] {
        exact(&format!("{maildir}:0\n* {test}\nx/\n"), &format!("when {want} -> folder \"x\""));
    }
    for test in ["? test -f $MAILDIR/.A", "? test -d $MAILDIR/A", "? test -d $OTHER", "? test -d"] {
        let (rules, totals) = rules(&format!("{maildir}:0\n* {test}\nx/\n"));
        assert_eq!(totals.exact, totals.all, "{rules}");
        assert!(!rules.contains("folder-exists"), "{rules}");
        assert!(rules.ends_with("when not filter-failed -> folder \"x\""), "{rules}");
    }
    approximate(
        &format!("{maildir}X=`maildirmake .B`\n:0\n* ? test -d .A\nx/\n"),
        "when folder-exists \"A\" -> folder \"x\"",
    );
}

#[test]
fn what_only_makes_folders_does_nothing() {
    exact("X=`test -d $HOME/a || mkdir $HOME/a`\n:0\nx/\n", "folder \"x\"");
    exact(":0 ic\n* ? test ! -d $HOME/a\n| mkdir -p $HOME/a\n:0\nx/\n", "folder \"x\"");
    exact(":0\n* ? test -d $HOME/a || mkdir $HOME/a\nx/\n", "folder \"x\"");
    not(":0\n* ? foo\n* ? bar $HOME/a\nx/\n", "");
    not(":0\n* ? test ! -d $HOME/a\n* ? foo\n| mkdir -p $HOME/a\n", "");
}

/// What lies in `new` of a Maildir is mail in that Maildir, and a folder whose name on disk
/// begins with INBOX keeps that name.
#[test]
fn folders_are_where_procmail_puts_mail() {
    exact(
        "MAILDIR=$HOME/Maildir\n:0:\n* ^To:.*a\n.INBOX.A/new\n:0\n* ^To:.*b\n.B.C/new/\n:0\nnew/\n",
        "set folder-prefix \"\"\nwhen header \"To\" contains \"a\" -> folder \"INBOX/A\"\n\
         when header \"To\" contains \"b\" -> folder \"B/C\"\ninbox",
    );
    // DEFAULT is a Maildir, whatever its path.
    for default in ["$HOME/Mail/x/", "$HOME/Maildir/$USER/", "$HOME/a.example/$LOGNAME/"] {
        exact(
            &format!("DEFAULT={default}\n:0\n* ^To:.*a\n$DEFAULT/.A.B/\n:0\n* ^To:.*b\n$DEFAULT\n"),
            "when header \"To\" contains \"a\" -> folder \"A/B\"\n\
             when header \"To\" contains \"b\" -> inbox",
        );
    }
    // Elsewhere `new` is a name like any other.
    exact(
        "MAILDIR=$HOME/Mail\n:0:\n* ^To:.*a\nnew\n:0\nx/new\n",
        "when header \"To\" contains \"a\" -> folder \"new\"\nfolder \"x/new\"",
    );
}
