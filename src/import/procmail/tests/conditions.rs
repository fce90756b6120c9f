//! What recipes ask about a message.

use super::{approximate, exact, not, rules};

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
