//! Blocks, flags, variables and included files.

use super::super::import;
use super::{approximate, exact, not, rules};
use crate::import::{Options, testing};

/// What the file does not say of its variables, and where the Maildir is, the user may.
#[test]
fn variables_are_given() {
    let given = |text: &str, variables: &[(&str, &str)]| {
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let options = Options {
            variables: variables.collect(),
            maildir: Some("/srv/mail/a".into()),
            ..Options::default()
        };
        let (rules, totals, report) = testing::rules(import, ("rc", text), &options, &[]);
        assert_eq!(totals.exact, totals.all, "{text}\n{report}");
        rules.strip_prefix("set maildir \"/srv/mail/a\"\n").unwrap_or_default().to_owned()
    };
    let by_host = "AT=`hostname`\n:0\n* AT ?? ^mx\n.A/\n:0\n.B/\n";
    assert_eq!(given(by_host, &[("AT", "mx1")]), "folder \"A\"");
    assert_eq!(given(by_host, &[("AT", "home")]), "folder \"B\"");
    assert_eq!(given(":0\n$MAIL/.$1/\n", &[("MAIL", "~"), ("1", "c")]), "folder \"c\"");
    assert_eq!(given(":0\n/srv/mail/a/.D/\n", &[]), "folder \"D\"");
    assert_eq!(given("H=a\n:0\n.$H/\n", &[("H", "b")]), "folder \"a\"");
    // A block keeps it.
    let kept = ":0\n* ^To:.*a\n{\n H=`hostname`\n}\n:0\n.x$H/\n";
    assert!(given(kept, &[("H", "b")]).contains("let rc-h = \"b\""));
}

#[test]
fn flags_are_read_up_to_the_first_that_is_none() {
    let copy = "when header \"Subject\" contains \"a\" -> copy \"x\"";
    for (head, want) in [
        (":0 c", copy),
        (":0 c Xh", copy),
        (":0 Xc", "when header \"Subject\" contains \"a\" -> folder \"x\""),
        (":O:", "when header \"Subject\" contains \"a\" -> folder \"x\""),
    ] {
        exact(&format!("{head}\n* ^Subject:.*a\nx\n"), want);
    }
}

#[test]
fn flow() {
    exact(
        ":0 c\n* ^Subject:.*a\nx\n:0 A\n* ^To:.*b\ny\n:0 E\nz\n",
        "when header \"Subject\" contains \"a\" -> copy \"x\"\n\
         when header \"Subject\" contains \"a\" and header \"To\" contains \"b\" -> folder \"y\"\n\
         when not (header \"Subject\" contains \"a\" and header \"To\" contains \"b\") -> folder \"z\"",
    );
    exact(
        ":0\n* ^Subject:.*a\n{\n  :0\n  * ^To:.*b\n  y\n\n  :0\n  z\n}\n",
        "when header \"Subject\" contains \"a\" {\nwhen header \"To\" contains \"b\" -> folder \"y\"\nfolder \"z\"\n}",
    );
    exact(
        "LIST=none\n:0\n* ^Subject:.*a\n{ LIST=a }\n:0:\n* LIST ?? ^a\n$LIST\n",
        "let rc-list = \"none\"\nwhen header \"Subject\" contains \"a\" -> let rc-list = \"a\"\n\
         when rc-list starts \"a\" -> folder \"{rc-list}\"",
    );
    exact(
        ":0\n* ^List-Id:.*<\\/[^.>]*\nlists/$MATCH\n",
        "when header \"List-Id\" matches /<(?P<match>[^.>]*)/ -> folder \"lists/{match}\"",
    );
    exact(
        ":0 fhw\n| formail -A \"X-A: b\"\n:0\n* ^X-A:\nx\n",
        "filter \"formail\" \"-A\" \"X-A: b\"\nwhen header \"X-A\" like \"*\" -> folder \"x\"",
    );
    exact(
        ":0 c\n* ^To:.*a\n{\n :0\n * ^Subject:.*b\n x\n :0\n y\n}\n:0\nz\n",
        "when header \"To\" contains \"a\" {\nwhen header \"Subject\" contains \"b\" -> copy \"x\"\n\
         when not header \"Subject\" contains \"b\" -> copy \"y\"\n}\nfolder \"z\"",
    );
    exact(
        ":0 fw\n| spamc\n:0 e\nfailed\n:0\nok\n:0 e\nnever\n",
        "filter \"spamc\"\nwhen filter-failed -> folder \"failed\"\nfolder \"ok\"",
    );
    exact(
        ":0\n* ^List-Id:.*<\\/[^.>]*\n{\n L=`echo $MATCH | tr A-Z a-z`\n :0\n lists/$L\n}\n",
        "when header \"List-Id\" matches /<(?P<match>[^.>]*)/\n\
         -> let rc-l = \"{match:lower}\", folder \"lists/{rc-l}\"",
    );
    exact("INCLUDERC=lists.rc\n", "when header \"List-Id\" contains \"rust\" -> folder \"rust\"");
}

/// Whether a recipe that changes the message was done is known after it.
#[test]
fn what_was_done_is_kept_where_the_message_is_changed() {
    exact(
        ":0 fw\n* ^Subject:.*a\n| x\n:0 A\nb/\n:0 E\nc/\n",
        "when header \"Subject\" contains \"a\" -> let rc-done-1 = \"yes\", filter \"x\"\n\
         when has rc-done-1 -> folder \"b\"\n\
         when not has rc-done-1 -> folder \"c\"",
    );
    // `E` is about the one right before it, `A` about the last without `A`.
    exact(
        ":0 c\n* ^Subject:.*a\nb/\n:0 A\n* ^To:.*c\nd/\n:0 E\ne/\n",
        "when header \"Subject\" contains \"a\" -> copy \"b\"\n\
         when header \"Subject\" contains \"a\" and header \"To\" contains \"c\" -> folder \"d\"\n\
         when not (header \"Subject\" contains \"a\" and header \"To\" contains \"c\") -> folder \"e\"",
    );
    not(
        ":0 c\n* ^Subject:.*a\nb/\n:0 Afw\n| x\n:0 A\nd/\n",
        "when header \"Subject\" contains \"a\" -> copy \"b\"\n\
         when header \"Subject\" contains \"a\" -> let rc-done-1 = \"yes\", filter \"x\"",
    );
    exact(
        ":0 fw\n| x\n:0 a\nb/\n",
        "let rc-done-1 = \"yes\", filter \"x\"\n\
         when has rc-done-1 and not filter-failed -> folder \"b\"",
    );
    exact(
        ":0 fw\n| x\n:0 e\nb/\n:0 E\nc/\n",
        "let rc-done-1 = \"yes\", filter \"x\"\n\
         when has rc-done-1 and filter-failed -> folder \"b\"\n\
         when not has rc-done-1 -> folder \"c\"",
    );
}

/// A file that delivers some mail does not end processing for the rest.
#[test]
fn files_are_included_and_left() {
    let first = "when header \"List-Id\" contains \"rust\" -> folder \"rust\"\n";
    exact("INCLUDERC=lists.rc\n:0\nx/\n", &format!("{first}folder \"x\""));
    exact("SWITCHRC=lists.rc\n:0\nx/\n", &format!("{first}stop"));
    exact(
        "INCLUDERC=ends.rc\n:0 E\nx/\n",
        "when header \"To\" contains \"a\" -> folder \"a\"\n\
         when not header \"To\" contains \"a\" -> folder \"x\"",
    );
    exact(
        ":0\n* ^To:.*b\n{\nSWITCHRC=lists.rc\n}\n:0\nx/\n",
        &format!("when header \"To\" contains \"b\" {{\n{first}stop\n}}\nfolder \"x\""),
    );
    // procmail says in its log that it cannot read it, and goes on.
    approximate("SWITCHRC=none.rc\n:0\nx/\n", "folder \"x\"");
    approximate("INCLUDERC=none.rc\n:0\nx/\n", "folder \"x\"");
    let (rules, totals) = rules("INCLUDERC=none.rc\nINCLUDERC=$DIR/a.rc\n:0\nx/\n");
    assert_eq!((rules.as_str(), totals.approximate), ("folder \"x\"", 2));
}

/// What nothing uses need not be captured.
#[test]
fn what_is_captured_and_not_used_is_left_out() {
    let either = ":0\n* ^List-Id:.*\\/.*|^X-A: b\\/.*\n.L/\n";
    let want = "when header \"List-Id\" like \"*\" or header \"X-A\" starts \"b\" -> folder \"L\"";
    exact(either, want);
    let own = ":0\n* ^X-B: \\/.*\n.B.$MATCH/\n";
    let (found, totals) = rules(&format!("{either}{own}"));
    assert!(found.starts_with(want) && totals.not == 0, "{found}");
    for used in [":0 c\n.C.$MATCH/\n", "X=$MATCH\n", ":0 c\n* MATCH ?? a\n.C/\n"] {
        assert_eq!(rules(&format!("{either}{used}")).1.not, 1, "{used}");
    }
    assert_eq!(rules(&either.replace(".L/", ".L.$MATCH/")).1.not, 1);
}

#[test]
fn what_procmail_sets_itself_is_not_empty() {
    not(":0 c\na/\n:0\n* LASTFOLDER ?? a\nb/\n", "copy \"a\"");
    exact("NODE=mail.example.org\n:0\n* NODE ?? ^mail\\.[a-z]+\\.org$\nx/\n", "folder \"x\"");
    exact("NODE=mail.example.com\n:0\n* NODE ?? ^mail\\.[a-z]+\\.org$\nx/\n", "");
    approximate(":0\n$FOLDERS/a/\n", "folder \"a\"");
    not(":0\n$FOLDER\n", "");
    approximate("X=a`uname`\nLOG=\"on $X\"\n", "log \"on $X\"");
}

/// A file that is missing may set any variable that is not set here.
#[test]
fn what_an_unread_file_may_set_is_not_taken_as_empty() {
    for recipe in [
        "* $ ^Subject:.*$WORD\nA/",
        "* WORD ?? ^$\nA/",
        "* $ ^Subject:.*${WORD:-x}\nA/",
        "* $ ^Subject:.*${WORD-x}\nA/",
        "* ^X-A:\n| $FORMAIL -x",
    ] {
        not(&format!("INCLUDERC=none.rc\n:0\n{recipe}\n"), "");
    }
    let (rules, _) = rules("INCLUDERC=none.rc\nWORD=x\n:0\n* $ ^Subject:.*$WORD\nA/\n");
    assert_eq!(rules, "when header \"Subject\" contains \"x\" -> folder \"A\"");
    exact(
        ":0\n* $ ^Subject:.*a$WORD\nA/\n",
        "when header \"Subject\" contains \"a\" -> folder \"A\"",
    );
    exact("MAILDIR=$HOME/Maildir\nDEFAULT=$MAILDIR/\n:0\n./\n", "inbox");
}
