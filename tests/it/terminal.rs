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
    for (columns, source) in [
        (
            80,
            "2 | ...omain is \"a.example\" -> fodler \"仕事\"\n  |                            ^^^^^^",
        ),
        (40, "2 | ... -> fodler \"仕事\"\n  |        ^^^^^^"),
    ] {
        let expected = format!(
            "\
エラー[unknown-setting]: `timezon` という設定はありません
 --> ~/.mailrules:1:5
  |
1 | set timezon \"Asia/Tokyo\"
  |     ^^^^^^^ 未知の名前です
  |
  = ヒント: `timezone` ではありませんか？

エラー[unknown-action]: `fodler` というアクションはありません
 --> ~/.mailrules:2:76
  |
{source} 未知の名前です
  |
  = ヒント: `folder` ではありませんか？

詳しい説明と例は mfilter explain unknown-setting で表示します
"
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
