//! What people see on a terminal: narrow ones, wide characters, no colours.

use std::process::Command;

use unicode_width::UnicodeWidthStr;

use crate::support::{Home, MFILTER, run, skipped};

const SCRIPT: &str = "/usr/bin/script";

/// What a command prints on a terminal with that many columns.
fn on_terminal(home: &Home, call: &str, columns: u32, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(SCRIPT);
    let call = format!("stty cols {columns}; {MFILTER} {call}");
    command.args(["-qec", &call, "/dev/null"]).env_clear();
    command.env("HOME", home.path()).env("PATH", "/usr/bin:/bin").env("TERM", "xterm");
    command.envs(variables.iter().copied());
    run(command, b"").stdout.replace('\r', "")
}

#[test]
fn a_person_at_a_terminal_is_told_that_a_message_is_read_there() {
    if skipped("a message at a terminal", &[SCRIPT], false) {
        return;
    }
    let home = Home::with_rules("inbox\n");
    for call in ["inspect", "--test", "judge"] {
        let text = on_terminal(&home, call, 100, &[]);
        assert!(text.contains("reading a message from standard input"), "{call}: {text}");
    }
}

#[test]
fn a_person_at_a_terminal_is_told_that_nothing_is_learned() {
    if skipped("a command at a terminal", &[SCRIPT], false) {
        return;
    }
    let home = Home::with_rules("inbox\n");
    home.write("Maildir/cur/1.mx:2,S", "\n");
    let text = on_terminal(&home, "learn", 100, &[]);
    assert!(text.contains("the rules have no `on moved`"), "{text}");
    // A timer gets no mail about it.
    assert_eq!(home.run(&["learn"], b"").stderr, "");
}

#[test]
fn the_caret_is_below_the_mistake_on_a_phone() {
    if skipped("a narrow terminal", &[SCRIPT], false) {
        return;
    }
    let home = Home::with_rules(
        "when subject contains \"とても長い件名の言葉をここに書く\" and from.domain is \"a.example\" -> fodler \"仕事\"\n",
    );
    let shown = on_terminal(&home, "check", 40, &[("NO_COLOR", "1")]);
    let lines: Vec<&str> = shown.lines().collect();
    let source = lines.iter().position(|line| line.contains("fodler") && line.starts_with("1 |"));
    let source = source.unwrap_or_else(|| panic!("{shown}"));
    assert!(lines[source].width() <= 40 && lines[source + 1].width() <= 40, "{shown}");
    let at = lines[source].split("fodler").next().unwrap().width();
    let caret = lines[source + 1].split('^').next().unwrap().width();
    assert_eq!(at, caret, "{shown}");

    let explained = on_terminal(&home, "explain unknown-field", 40, &[("NO_COLOR", "1")]);
    let meaning = explained.lines().take_while(|line| !line.is_empty());
    assert!(
        meaning.clone().count() > 2 && meaning.clone().all(|line| line.width() <= 40),
        "{explained}"
    );
}

/// A provider looks at a user's rules.
#[test]
fn the_rules_of_others_do_nothing_to_the_terminal() {
    if skipped("rules on a terminal", &[SCRIPT], false) {
        return;
    }
    let rules = "# \u{1b}[2J\u{9b}x\u{202e}\n\tinbox\n";
    let home = Home::with_rules(rules);
    home.run(&[], b"Subject: x\n\n");
    let shown = on_terminal(&home, "history show 1", 80, &[]);
    assert_eq!(shown, "# \\u{1b}[2J\\u{9b}x\\u{202e}\n\tinbox\n");
    assert_eq!(home.run(&["history", "show", "1"], b"").stdout, rules);
    home.write(".mailrules", "inbox\n");
    let changes = on_terminal(&home, "history diff 1", 80, &[]);
    assert!(changes.contains("-# \\u{1b}[2J\\u{9b}x\\u{202e}\n"), "{changes:?}");
}

#[test]
fn meanings_in_japanese_fit_on_a_phone() {
    if skipped("a narrow terminal", &[SCRIPT], false) {
        return;
    }
    let home = Home::with_rules("when subjct contains \"sale\" -> folder \"Sale\"\n");
    let japanese = [("NO_COLOR", "1"), ("LANG", "ja_JP.UTF-8")];
    let explained = on_terminal(&home, "explain list-unreadable", 40, &japanese);
    let meaning = explained.lines().take_while(|line| !line.is_empty());
    assert!(meaning.clone().count() > 3 && meaning.clone().all(|line| line.width() <= 40));
    assert!(meaning.clone().any(|line| line.width() > 36), "{explained}");
}

#[test]
fn mistakes_in_japanese_fit_on_a_phone_and_a_terminal() {
    if skipped("a narrow terminal", &[SCRIPT], false) {
        return;
    }
    let home = Home::with_rules(
        "set timezon \"Asia/Tokyo\"\nwhen subject contains \"とても長い件名の言葉をここに書く\" and \
         from.domain is \"a.example\" -> fodler \"仕事\"\n",
    );
    for (columns, hint, source) in [
        (
            80,
            "`timezone` ではありませんか？",
            "2 | ...omain is \"a.example\" -> fodler \"仕事\"\n  |                            ^^^^^^",
        ),
        (
            40,
            "`timezone` ではありません\n            か？",
            "2 | ... -> fodler \"仕事\"\n  |        ^^^^^^",
        ),
    ] {
        let wrapped = if columns == 40 { "\n" } else { "" };
        let expected = format!(
            "\
エラー[unknown-setting]: `timezon` とい{}う設定はありません
 --> ~/.mailrules:1:5
  |
1 | set timezon \"Asia/Tokyo\"
  |     ^^^^^^^ 未知の名前です
  |
  = ヒント: {hint}

エラー[unknown-action]: `fodler` という{}アクションはありません
 --> ~/.mailrules:2:76
  |
{source} 未知の名前です
  |
  = ヒント: `folder` ではありませんか？

詳しい説明と例は `mfilter explain{}unknown-setting` で表示します
",
            wrapped,
            wrapped,
            if wrapped.is_empty() { " " } else { "\n  " }
        );
        let japanese = [("NO_COLOR", "1"), ("LC_ALL", "ja_JP.UTF-8")];
        assert_eq!(on_terminal(&home, "check", columns, &japanese), expected, "{columns}");
        let help = on_terminal(&home, "check --help", columns, &japanese);
        let is_wide = |line: &&str| line.width() > columns as usize;
        assert_eq!(help.lines().find(is_wide), None, "{help}");
        assert!(help.contains("使い方: mfilter check [OPTIONS] [RULES]\n"), "{help}");
    }
}

#[test]
fn titles_labels_and_hints_are_wrapped_between_words() {
    if skipped("a narrow terminal", &[SCRIPT], false) {
        return;
    }
    let home = Home::with_rules(
        "include \"gone.mailrules\"\nwhen subject contains \"a\notherwise -> folder \"Everything\"\n\
         when subject contains \"システム①🎉\" and has list-unsubscribe -> folder \"News\"\n",
    );
    for colour in ["", "1"] {
        let variables = [("NO_COLOR", colour), ("LC_ALL", "C.UTF-8")];
        let shown = plain(&on_terminal(&home, "check", 40, &variables));
        let is_wide = |line: &&str| line.width() > 40;
        assert_eq!(shown.lines().find(is_wide), None, "{shown}");
        for part in [
            "error[include-unreadable]: cannot read\n`gone.mailrules`: there is no such file\n",
            "  = hint: a relative name starts at the\n          directory of this file\n",
            "  |                       ^ opened here\n",
            "  = hint: a string ends on the line on\n          which it begins; `\\n` in it is\n",
            "3 | otherwise -> folder \"Everything\"\n  | --------------------------------\n  |    rule processing always stops here\n",
            "  | ^^^^^^^^^^^^^^^^^^^^ unreachable\n",
        ] {
            assert!(shown.contains(part), "{part}{shown}");
        }
    }
    let japanese = [("NO_COLOR", "1"), ("LC_ALL", "ja_JP.UTF-8")];
    let shown = on_terminal(&home, "check", 40, &japanese);
    assert_eq!(shown.lines().find(|line| line.width() > 40), None, "{shown}");
    // The code is not taken for the word of that name.
    let home = Home::with_rules("otherwise -> inbox\nwhen spam -> discard\n");
    let shown = on_terminal(&home, "check", 80, &japanese);
    assert!(shown.contains("`mfilter explain unreachable`"), "{shown}");
}

/// A text without its colours.
fn plain(text: &str) -> String {
    let mut pieces = text.split('\u{1b}');
    let first = pieces.next().unwrap_or_default().to_owned();
    first + &pieces.filter_map(|piece| Some(piece.split_once('m')?.1)).collect::<String>()
}

#[test]
fn reports_go_on_below_their_column() {
    if skipped("a narrow terminal", &[SCRIPT], false) {
        return;
    }
    let home = Home::with_rules(
        "when subject contains [\"invoice\", \"請求書\"] -> copy \"Invoices\"\n\
         when has list-unsubscribe and not has list-post -> folder \"News\" as seen\n",
    );
    home.write(
        "m.eml",
        "From: The Newsletter Shop <news@shop.example>\nSubject: 明日の会議の資料をお送りします\n\
         Message-ID: <a@shop.example>\nList-Unsubscribe: <https://shop.example/>\n\nhello\n",
    );
    let english = [("LC_ALL", "C.UTF-8")];
    let shown = plain(&on_terminal(&home, "--test ~/m.eml", 40, &english));
    let below_the_path = shown.split_once('\n').map(|(_, rest)| rest);
    assert_eq!(
        below_the_path,
        Some(
            "  from     The Newsletter Shop
           <news@shop.example>
  subject  明日の会議の資料をお送りしま
           す
  no     1  when subject contains
            [\"invoice\", \"請求書\"] ->
            copy \"Invoices\"
            - \"明日の会議の資料をお送り
              します\"
  yes    2  when has list-unsubscribe
            and not has list-post ->
            folder \"News\" as seen
            + has list-unsubscribe:
              \"<https://shop.example/>\"
            - has list-post: empty or
              missing
  => folder \"News\" as seen  (line 2)
"
        )
    );
    let japanese = [("LC_ALL", "ja_JP.UTF-8")];
    let shown = plain(&on_terminal(&home, "--test ~/m.eml", 40, &japanese));
    assert!(
        shown.contains("\n               - has list-post: 空か、あ\n                 りません\n"),
        "{shown}"
    );

    let message = std::fs::read(home.path().join("m.eml")).expect("written above");
    home.run(&[], &message);
    for variables in [&english, &japanese] {
        let shown = plain(&on_terminal(&home, "stats", 40, variables));
        assert_eq!(shown.lines().find(|line| line.width() > 40), None, "{shown}");
        assert!(shown.contains("1           +1  News\n"), "{shown}");
        let why = plain(&on_terminal(&home, "why '<a@shop.example>'", 40, variables));
        assert!(why.contains("  ~/.mailrules:2  when has\n           list-unsubscribe"), "{why}");
    }
}

#[test]
fn an_import_reports_below_its_lines() {
    if skipped("a narrow terminal", &[SCRIPT], false) {
        return;
    }
    let home = Home::new();
    home.write(
        "procmailrc",
        ":0\n* 1^0 ? test -f $HOME/.away\n.仕事.とても長いフォルダーの名前/\n",
    );
    home.write(
        "script.sieve",
        "require [\"fileinto\", \"vnd.dovecot.execute\"];\n\
         if header :contains \"subject\" \"請求書\" { fileinto \"仕事/とても長い名前\"; execute \"tell-me\"; }\n",
    );
    let mbox = "From a@a.example Thu Jan  1 00:00:00 2026\nSubject: a\nStatus: RO\n\nb\n\n";
    home.write("mail/とても長いフォルダーの名前をここに書くとこうなる", mbox);
    let rules = ">/dev/null";
    for (call, apart, parts) in [
        (
            "import procmail ~/procmailrc",
            rules,
            &[
                "~/procmailrc:1: not translated: `* 1^0\n  ? test -f $HOME/.away`: it depends on\n  what \
                 a program says\n    :0 …\n    mail that line 1 took now goes on\n      to the rules \
                 after it\n    -> line 5 of the new rules\n",
            ][..],
        ),
        (
            "import sieve ~/script.sieve",
            rules,
            &[
                "script.sieve:2: not translated: the\n  program of `execute` is in a directory\n  of the server: `--programs` names it\n",
                "\n    if header :contains \"subject\"\n      \"請求書\" { fileinto\n      \"仕事/とても長い名前\"; execute\n      \"tell-me\"; }\n",
            ],
        ),
        (
            "import sieve ~/procmailrc",
            rules,
            &[
                "mfilter: ~/procmailrc: this is a\n  procmailrc: `mfilter import procmail`\n  is for it\n",
            ],
        ),
        (
            "import mbox ~/mail -v",
            "",
            &["      1 -> mail/とても長いフォルダーの名\n        前をここに書くとこうなる\n"],
        ),
    ] {
        for more in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let call = format!("{call} --maildir ~/{} {apart}", more.1);
            let variables = [("LC_ALL", "C.UTF-8"), more];
            let shown = on_terminal(&home, &call, 40, &variables);
            let is_wide = |line: &&str| line.width() > 40;
            assert_eq!(shown.lines().find(is_wide), None, "{shown}");
            for part in parts {
                assert!(shown.contains(part), "{call}: {part}{shown}");
            }
        }
    }
    let report = on_terminal(&home, "report-bug", 40, &[("LC_ALL", "C.UTF-8")]);
    assert!(
        report.contains("\n\nRead this before you send it, say what\nyou expected"),
        "{report}"
    );
    let procmailrc = home.path().join("procmailrc");
    let piped = home.run(&["import", "procmail", &procmailrc.to_string_lossy()], b"").stderr;
    assert!(piped.contains("it depends on what a program says\n    :0 …\n"), "{piped}");
}

#[test]
fn a_terminal_that_cannot_or_shall_not_gets_no_colours() {
    if skipped("a terminal", &[SCRIPT], false) {
        return;
    }
    let home = Home::with_rules("when subjct is \"a\" -> stop\n");
    let colours =
        |variables: &[(&str, &str)]| on_terminal(&home, "check", 80, variables).contains('\u{1b}');
    assert!(colours(&[]));
    assert!(colours(&[("NO_COLOR", "")]), "an empty one says nothing, no-color.org");
    assert!(!colours(&[("NO_COLOR", "1")]));
    assert!(!colours(&[("TERM", "dumb")]));
}

#[test]
fn the_japanese_manual_fills_its_lines() {
    const MAN: &str = "/usr/bin/man";
    if skipped("the manual in Japanese", &[MAN, "/usr/bin/groff"], false) {
        return;
    }
    let root = env!("CARGO_MANIFEST_DIR");
    let mut packaged = Command::new(format!("{root}/packaging/japanese-manual"));
    packaged.arg(format!("{root}/man/ja/mfilter.1"));
    let packaged = run(packaged, b"").stdout;
    let home = Home::new();
    home.write("mfilter.1", packaged);
    let page = home.path().join("mfilter.1");
    let shown = |columns: &str| {
        let mut command = Command::new(MAN);
        command.arg("-l").arg(&page).env_clear().env("PATH", "/usr/bin:/bin");
        command.envs([("LC_ALL", "C.UTF-8"), ("MANPAGER", "cat"), ("MANWIDTH", columns)]);
        run(command, b"").stdout
    };
    for columns in ["80", "100"] {
        let text = shown(columns);
        let columns: usize = columns.parse().expect("a number");
        // Examples stay as they are.
        let is_wide = |line: &&str| line.width() > columns && line.contains(['、', '。']);
        assert_eq!(text.lines().find(is_wide), None);
    }
    // Narrow pages end, too.
    assert!(shown("40").contains("mfilter"));
}
