//! Recipes, and the rules that they become.

use std::path::Path;

use super::import;
use crate::import::{Options, report, testing};

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

/// The rules without comments and blanks, and the totals.
fn rules(text: &str) -> (String, report::Totals) {
    let files = [
        ("lists.rc", ":0\n* ^List-Id:.*rust\nrust\n"),
        ("sets.rc", ":0 fhw\n| formail -I \"X-A: b\"\n"),
        ("ends.rc", ":0\n* ^To:.*a\na/\nSWITCHRC=\n:0\nnever/\n"),
    ];
    let (rules, totals, _) = testing::rules(import, ("rc", text), &Options::default(), &files);
    (rules, totals)
}

#[track_caller]
fn exact(text: &str, want: &str) {
    let (rules, totals) = rules(text);
    assert_eq!(rules, want, "{text}");
    assert_eq!(totals.exact, totals.all, "{text}");
}

#[track_caller]
fn not(text: &str, want: &str) {
    let (rules, totals) = rules(text);
    assert_eq!(rules, want, "{text}");
    assert!(totals.not > 0, "{text}");
}

#[test]
fn headers_are_tested_where_the_pattern_names_them() {
    for (condition, want) in [
        ("^From:.*boss@example\\.org", "header \"From\" contains \"boss@example.org\""),
        ("^Subject: hello", "header \"Subject\" starts \"hello\""),
        ("^Subject:[ \t]*hello$", "header \"Subject\" is \"hello\""),
        ("^X-Spam-Flag: *YES", "header \"X-Spam-Flag\" starts \"YES\""),
        ("^(To|Cc):.*rust", "[header \"To\", header \"Cc\"] contains \"rust\""),
        ("^Subject:.*(a|b c)", "header \"Subject\" contains [\"a\", \"b c\"]"),
        ("^From:.*a|^To:.*b", "header \"From\" contains \"a\" or header \"To\" contains \"b\""),
        ("!^Subject:.*x", "not header \"Subject\" contains \"x\""),
        ("^X-Loop:", "header \"X-Loop\" like \"*\""),
        ("^Subject: [^a-z]+$", "header \"Subject\" matches /^[^a-z]+$/"),
        ("^Subject:.*a{2}#", "header \"Subject\" contains \"a{2}#\""),
        ("^FROM_DAEMON", "from-daemon"),
        ("! ^FROM_MAILER", "not from-mailer"),
        ("< 1000", "size < 1000"),
        ("> 20000", "size > 20000"),
        ("^Subject:*sale", "headers matches /^Subject:*sale/"),
        // What repeats nothing stands for itself.
        ("^Subject:.****SPAM", "header \"Subject\" matches /\\**\\*SPAM/"),
        ("^Subject:.*a?+b", "header \"Subject\" matches /a?\\+b/"),
        ("^Subject:.*(*a|x)y+", "header \"Subject\" matches /(?:\\*a|x)y+/"),
        ("? formail -D 8192 cache", "duplicate"),
        (
            "^((Subject|X-A):( *\\/[a-z]+))",
            "[header \"Subject\", header \"X-A\"] matches /^(?P<match>[a-z]+)/",
        ),
        ("B ?? viagra", "body contains \"viagra\""),
        ("^From boss@", "envelope-from starts \"boss@\""),
        ("foo-bar", "headers contains \"foo-bar\" or envelope-from contains \"foo-bar\""),
        (
            "1^0 ^Subject:.*a\n* 1^0 ^To:.*b",
            "header \"Subject\" contains \"a\" or header \"To\" contains \"b\"",
        ),
        (
            "1^1 ^Subject:.*a\n* 2^.5 ^To:.*b",
            "header \"Subject\" contains \"a\" or header \"To\" contains \"b\"",
        ),
        (
            "-1^0\n* 1^0 ^Subject:.*a\n* 1^0 ^To:.*b",
            "header \"Subject\" contains \"a\" and header \"To\" contains \"b\"",
        ),
    ] {
        exact(&format!(":0\n* {condition}\nx\n"), &format!("when {want} -> folder \"x\""));
    }
}

#[test]
fn how_a_header_was_sent() {
    for (condition, want) in [
        ("^Subject: =\\?gb2312\\?", "raw-headers matches /^Subject: =\\?gb2312\\?/"),
        ("^Subject:.*\\?B\\?", "raw-headers matches /^Subject:.*\\?B\\?/"),
        ("^From:.*=[?]koi8-r", "raw-headers matches /^From:.*=[?]koi8-r/"),
        ("^Subject:.*=?big5?b?", "raw-headers matches /^Subject:.*=?big5?b?/"),
        ("^Subject:.*=?[bB]ig5?", "raw-headers matches /^Subject:.*=?[bB]ig5?/"),
        ("aGk=\\?=", "raw-headers contains \"aGk=?=\" or envelope-from contains \"aGk=?=\""),
        ("^(From|Subject):.*big5", "raw-headers matches /^(?:From|Subject):.*big5/"),
        ("koi8-r", "raw-headers contains \"koi8-r\" or envelope-from contains \"koi8-r\""),
        ("^Subject:.*[gG][bB]2312", "raw-headers matches /^Subject:.*[gG][bB]2312/"),
        ("^From:.*Shift_JIS", "raw-headers matches /^From:.*Shift_JIS/"),
        ("^Subject:.*周報", "raw-headers matches /^Subject:.*周報/"),
        ("^Subject:.*für", "raw-headers matches /^Subject:.*f(?-i:ü)r/"),
        ("^Subject:.*[^ -~]", "raw-headers matches /^Subject:.*[^ -\\~]/"),
        ("^Subject:sale", "raw-headers matches /^subject:sale/"),
        ("^Subject: *$", "raw-headers matches /^subject: *$/"),
    ] {
        exact(&format!(":0\n* {condition}\nx\n"), &format!("when {want} -> folder \"x\""));
    }
    exact(
        ":0\n* ^TO_=\\?koi8\nx\n",
        "when raw-headers matches /^(?:(?:Original-)?(?:Resent-)?(?:To|Cc|Bcc)|(?:X-Envelope|\
         Apparently(?:-Resent)?)-To):(?:.*[^\\-a-zA-Z0-9_.])?=\\?koi8/\n-> folder \"x\"",
    );
    exact(":0 D\n* ^Subject:a\nx\n", "when raw-headers matches /^Subject:a/c -> folder \"x\"");
    exact(
        ":0 D\n* ^Subject: \\/[A-Z]+\nx-$MATCH/\n",
        "when raw-headers matches /^Subject: (?P<match>[A-Z]+)/c -> folder \"x-{match}\"",
    );
    for condition in
        ["^Subject:.*[日本]", "^Subject:.*é+", "^Subject:.*！", "^Subject:.*[^ -~][^!-~]"]
    {
        let (_, totals) = rules(&format!(":0\n* {condition}\nx\n"));
        assert_eq!(totals.approximate, 1, "{condition}");
    }
    exact(
        ":0\n* ^Content-Type:.*big5\nx\n",
        "when header \"Content-Type\" contains \"big5\" -> folder \"x\"",
    );
    exact(":0\n* B ?? =\\?x\nx\n", "when body contains \"=?x\" -> folder \"x\"");
}

#[test]
fn no_comment_is_lost() {
    let text = "# where\nA=x\n\n# first\n\n:0\n* ^X-A: a\n{\n# what\nVERBOSE=off\n:0\n$A/\n# inner\n}\n\
                :0\n/dev/null\n# more\nC=1\n# last\n";
    let load = &mut |_: &Path| Err(std::io::ErrorKind::NotFound.into());
    let text = import(Path::new("rc"), text.as_bytes(), &Options::default(), load).unwrap().rules;
    for comment in ["where", "first", "what", "inner", "more", "last"] {
        assert_eq!(text.matches(&format!("# {comment}\n")).count(), 1, "{comment}\n{text}");
    }
    // The block is still one rule.
    assert!(text.contains("when header \"X-A\" starts \"a\" -> folder \"x\"\n"), "{text}");
}

#[test]
fn a_dot_in_place_of_the_colon_is_any_character() {
    exact(
        ":0\n* ^(To|Cc).me@example.org\nx\n",
        "when headers matches /^(?:To|Cc).me@example.org/ -> folder \"x\"",
    );
    exact(
        ":0\n* ^X.Spam: yes@a.example\nx\n",
        "when headers matches /^X.Spam: yes@a.example/ -> folder \"x\"",
    );
}

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

#[track_caller]
fn approximate(text: &str, want: &str) {
    let (rules, totals) = rules(text);
    assert_eq!(rules, want, "{text}");
    assert_eq!(totals.approximate, 1, "{text}");
}

/// In nearly every message a blank follows the colon.
#[test]
fn a_blank_after_the_colon_is_minded() {
    for (condition, want) in [
        ("^Subject:.foo", "headers matches /^subject:.foo/"),
        ("^List-Id:[^>]+<a", "headers matches /^list-id:[^>]+<a/"),
        ("^(To|Cc):[^a]b", "headers matches /^(?:to|cc):[^a]b/"),
        ("^Subject:[^a]*b", "header \"Subject\" matches /^[^a]*b/"),
        ("^Subject:(.*a|.*b)", "header \"Subject\" matches /^(?:.*a|.*b)/"),
        ("^(To|Cc):.* <?a@b", "headers matches /^(?:to|cc):.* <?a@b/"),
        ("^Subject:.*[^a]b", "headers matches /^subject:.*[^a]b/"),
        ("^Subject: .*[^a]b", "header \"Subject\" matches /[^a]b/"),
        ("^Subject:foo", "raw-headers matches /^subject:foo/"),
        ("^Subject:foo^^", "raw-headers matches /^subject:foo$/"),
        ("^X-A:[a-z]", "raw-headers matches /^x-a:[a-z]/"),
        ("! ^X-A:b", "not raw-headers matches /^x-a:b/"),
    ] {
        exact(&format!(":0\n* {condition}\nx/\n"), &format!("when {want} -> folder \"x\""));
    }
}

/// procmail sees `From sender date` as the first line.
#[test]
fn the_line_of_the_envelope_is_searched() {
    for (condition, want) in [
        (
            "^(From|Sender).*boss",
            "headers matches /^(?:From|Sender).*boss/ or envelope-from contains \"boss\"",
        ),
        (
            "^(Sender:|From[: ]).*boss",
            "headers matches /^(?:Sender:|From[: ]).*boss/ or envelope-from contains \"boss\"",
        ),
        (
            "^(Sender|From):? *boss",
            "headers matches /^(?:Sender|From):? *boss/ or envelope-from starts \"boss\"",
        ),
        ("^(Sender|To).*boss", "headers matches /^(?:Sender|To).*boss/"),
        ("^.*:.*boss", "headers matches /^.*:.*boss/"),
        ("^(To|From).boss", "headers matches /^(?:To|From).boss/ or envelope-from starts \"boss\""),
        (
            "From.*boss",
            "headers matches /From.*boss/ or envelope-from matches /From.*boss/ \
             or envelope-from contains \"boss\"",
        ),
    ] {
        let (rules, totals) = rules(&format!(":0\n* {condition}\nx/\n"));
        let rules: Vec<&str> = rules.split_whitespace().collect();
        assert_eq!(rules.join(" "), format!("when {want} -> folder \"x\""));
        assert_eq!(totals.exact, 1, "{condition}");
    }
    exact(":0\n* ^^rom[ ]\nx/\n", "");
    approximate(":0\n* ^F.*m boss\nx/\n", "when headers matches /^F.*m boss/ -> folder \"x\"");
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

#[test]
fn what_procmail_sets_itself_is_not_empty() {
    not(":0 c\na/\n:0\n* LASTFOLDER ?? a\nb/\n", "copy \"a\"");
    exact("NODE=mail.example.org\n:0\n* NODE ?? ^mail\\.[a-z]+\\.org$\nx/\n", "folder \"x\"");
    exact("NODE=mail.example.com\n:0\n* NODE ?? ^mail\\.[a-z]+\\.org$\nx/\n", "");
    approximate(":0\n$FOLDERS/a/\n", "folder \"a\"");
    not(":0\n$FOLDER\n", "");
    approximate("X=a`uname`\nLOG=\"on $X\"\n", "log \"on $X\"");
}

#[test]
fn half_of_a_message() {
    let (found, totals) = rules(":0 h\nheads\n");
    assert_eq!((found.as_str(), totals.approximate), ("folder \"heads\"", 1));
    exact(":0 hw\n| x -a\n", "pipe \"/bin/sh\" \"-c\" \"sed '/^$/q' | x -a\"");
    let kept = "m=$(mktemp) && trap 'rm \\\"$m\\\"' 0 && trap 'exit 1' 15 && cat >\\\"$m\\\" || exit; \
                h=$(mktemp) && trap 'rm \\\"$m\\\" \\\"$h\\\"' 0 && ";
    exact(
        ":0 fhw\n| x -a\n",
        &format!(
            "filter \"/bin/sh\" \"-c\" \"{kept}sed '/^$/q' \\\"$m\\\" >\\\"$h\\\" && {{{{ x -a; }}}} <\\\"$h\\\"; s=$?; sed '1,/^$/d' \\\"$m\\\" || s=1; exit $s\""
        ),
    );
    exact(
        ":0 fbw\n| x; y\n",
        &format!(
            "filter \"/bin/sh\" \"-c\" \"{kept}sed '1,/^$/d' \\\"$m\\\" >\\\"$h\\\" && sed '/^$/q' \\\"$m\\\" && {{{{ x; y; }}}} <\\\"$h\\\"; s=$?; exit $s\""
        ),
    );
    exact(":0 b c\n| x & # y\n", "run \"/bin/sh\" \"-c\" \"sed '1,/^$/d' | {{ x & }}\"");
    exact(":0 b c\n| x\n", "run \"/bin/sh\" \"-c\" \"sed '1,/^$/d' | x\"");
}

#[test]
fn what_filters_half_of_a_message_keeps_the_other() {
    const MESSAGE: &str = "Subject: a\n\nb\n";
    let run = |before: &str, half: &str, command: &str| {
        let mut input = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut input, MESSAGE.as_bytes()).unwrap();
        std::io::Seek::rewind(&mut input).unwrap();
        let script = format!("{before}{}", super::action::on_half(half, command, true));
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

#[test]
fn a_pattern_begins_after_its_backslash() {
    for (condition, want) in [
        ("\\[build\\]", "headers matches /[build\\\\]/ or envelope-from matches /[build\\\\]/"),
        ("B ?? \\.c", "body matches /(?m).c/"),
        ("B ?? ! a", "not body contains \"a\""),
        ("! B ?? ! a", "body contains \"a\""),
        ("\\^Subject: a", "header \"Subject\" starts \"a\""),
        ("^Subject: \\[a", "header \"Subject\" starts \"[a\""),
    ] {
        exact(&format!(":0\n* {condition}\nx\n"), &format!("when {want} -> folder \"x\""));
    }
    exact(":0 D\n* B ?? a\nx\n", "when body matches /(?m)a/c -> folder \"x\"");
    exact("V=Ab\n:0 D\n* V ?? ab\nx\n", "");
    exact(
        ":0 D\n* ^Subject: a\nx\n",
        "when header \"Subject\" matches /^a/c and headers matches /^Subject:/c -> folder \"x\"",
    );
    exact(
        ":0 D\n* ^Subject: \\/[a-z]+\n$MATCH/\n",
        "when raw-headers matches /^Subject: (?P<match>[a-z]+)/c -> folder \"{match}\"",
    );
    exact("V=Ab\n:0\n* V ?? ab\nx\n", "folder \"x\"");
    not("X='! $ $X'\n:0\n* $ $X\nx\n", "");
    not(&format!(":0\n* {}a\nx\n", "!".repeat(100_000)), "");
    exact(
        ":0\n* ^Subject:.*(^|[^a-z])b\nx\n",
        "when header \"Subject\" matches /(?:^|[^a-z])b/ -> folder \"x\"",
    );
    for condition in ["^Subject: ^b", "^Subject:.*(^.*b)", "^Subject: (a|^b)"] {
        not(&format!(":0\n* {condition}\nx\n"), "");
    }
    for condition in ["B ?? > 100", "B ?? 1^0 a", "B ?? ? test", "\\(a"] {
        not(&format!(":0\n* {condition}\nx\n"), "");
    }
}

#[test]
fn what_cannot_be_said_is_not_said_broader() {
    not(":0\n* 1^0 ? test -f x\ny\n:0 E\nz\n:0\nw\n", "folder \"w\"");
    not(":0\n* ^Subject:.*a\n* -2^0\n* 2^1 b\nx\n", "");
    not(":0\n* -1^0\n* 1^1 ^Subject:.*a\nx\n", "");
    not(":0\n* 1^0 > 1000\nx\n", "");
    not(":0 h\n! a@example.org\n", "");
    not("X=a`uname`\n:0\n$X\n", "");
    // procmail has `abc` and `: x` where our first alternatives have `a` and ` x`.
    not(":0\n* ^Subject: x\\/(a|ab)(c)?\n$MATCH\n", "");
    not(":0\n* ^Subject: (Re:|Re)\\/.*\n$MATCH\n", "");
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

/// Tests see changes of the header after a filter.
#[test]
fn a_header_that_was_set_is_tested() {
    exact(
        "INCLUDERC=sets.rc\n:0\n* ^X-B:\na/\n:0\n* ^X-A: b\nx/\n:0\n* ^X-A: c\ny/\n",
        "let rc-done-1 = \"yes\", set-header \"X-A\" \"b\"\nwhen header \"X-B\" like \"*\" -> folder \"a\"\nfilter \"cat\"\n\
         when header \"X-A\" starts \"b\" -> folder \"x\"\n\
         when header \"X-A\" starts \"c\" -> folder \"y\"",
    );
    exact(
        "INCLUDERC=sets.rc\n:0\n* secret\nx/\n",
        "let rc-done-1 = \"yes\", set-header \"X-A\" \"b\"\nfilter \"cat\"\n\
         when headers contains \"secret\" or envelope-from contains \"secret\" -> folder \"x\"",
    );
}

/// What was wrongly called exact: found with the real program.
#[test]
fn what_procmail_itself_showed() {
    // `HOST` of another machine is the end, also when it is only unset.
    let end = "copy \"a\", discard \"HOST in the procmailrc\"";
    exact(
        ":0\n* ^To:.*x\n{\n :0c\n a/\n HOST\n}\n",
        &format!("when header \"To\" contains \"x\" -> {end}"),
    );
    exact("HOST=\n:0\na/\n", "discard \"HOST in the procmailrc\"");
    let (_, totals) = rules("HOST=mx\n:0\na/\n");
    assert_eq!(totals.approximate, 1);
    not("HOST=`hostname`\n:0\na/\n", "folder \"a\"");
    // What no recipe takes goes nowhere.
    exact(
        "DEFAULT=/dev/null\n:0\n* ^To:.*x\n.a/\n",
        "when header \"To\" contains \"x\" -> folder \"a\"\ndiscard \"DEFAULT is /dev/null\"",
    );
    not(":0\n* ^To:.*x\n{\n DEFAULT=a/\n}\n", "");
    // Dots of a value are levels on disk.
    let dots = |pattern: &str, name: &str| {
        let (rules, totals) = rules(&format!(":0\n* ^List-Id:.*<\\/{pattern}\n{name}/\n"));
        assert_eq!(totals.exact, 1);
        rules.rsplit("-> ").next().unwrap_or_default().to_owned()
    };
    assert_eq!(dots("[^>]+", ".L.$MATCH"), "folder \"L/{match:levels}\"");
    assert_eq!(dots("[^.]+", ".L.$MATCH"), "folder \"L/{match}\"");
    assert_eq!(dots("[^>]+", "L/$MATCH"), "folder \"L/{match}\"");
    assert_eq!(
        dots("[^>]+", ".L.`echo $MATCH | tr A-Z a-z`"),
        "let in-lower-case = \"{match:lower}\", folder \"L/{in-lower-case:levels}\""
    );
    // Only what is a date is inserted.
    exact(":0\na/`date +x.%Y-%m`\n", "folder \"a/x-{now:%Y-%m}\"");
    // Empty is as good as none.
    exact("EXITCODE=$NONE\n:0\na/\n", "folder \"a\"");
}

/// A trial reads the files that a variable helps to name.
#[test]
fn a_trial_reads_what_is_included() {
    let load = &mut |path: &std::path::Path| match path == std::path::Path::new("d/lists.rc") {
        true => Ok(b":0\n* ^List-Id:.*rust\nrust/\n".to_vec()),
        false => Err(std::io::ErrorKind::NotFound.into()),
    };
    for text in [
        "PMDIR=$HOME/d\nINCLUDERC=$PMDIR/lists.rc\n",
        "MAILDIR=$HOME/d\nINCLUDERC=${MAILDIR}/lists.rc\n",
        "INCLUDERC=d/lists.rc\n",
    ] {
        let trial = super::trial(std::path::Path::new("rc"), text.as_bytes(), load);
        assert!(trial.contains("rust"), "{text}\n{trial}");
    }
}
