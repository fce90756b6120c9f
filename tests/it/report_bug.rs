//! `mfilter report-bug`: what it reports, and what it keeps private.

use crate::support::{Home, run};

#[test]
fn a_report_has_the_versions_and_nothing_private() {
    let home = Home::with_rules("when from is \"hanako@example.jp\" -> folder \"Secret\"\n");
    home.write("m.eml", "From hanako@example.jp Mon Nov 27 10:00:00 2026\nFrom: Hanako <hanako@example.jp>\nSubject: secret\n\nhello secret\n");
    let path = home.path().join("m.eml");
    let mut command = home.command(&["report-bug", path.to_str().unwrap()]);
    command.env("LOGNAME", "taro").env("USER", "taro").env("MAIL", "/var/mail/taro");
    let output = run(command, b"");
    assert_eq!(output.code, Some(0), "{output:?}");
    for part in [
        concat!("mfilter ", env!("CARGO_PKG_VERSION")),
        "mail server",
        "~/.mailrules, 1 line\n",
        "From: Xxxxxx <xxxxxx@xxxxxxx.xx>",
        concat!(env!("CARGO_PKG_REPOSITORY"), "/issues"),
    ] {
        assert!(output.stdout.contains(part), "{part}: {}", output.stdout);
    }
    for part in ["hanako", "Hanako", "secret", "Secret", "taro"] {
        assert!(!output.stdout.contains(part), "{part}: {}", output.stdout);
    }
    let missing = home.run(&["report-bug", "/nowhere/m.eml"], b"");
    assert_eq!(missing.code, Some(2), "{missing:?}");
}

#[test]
fn what_a_sender_writes_does_nothing_to_the_terminal() {
    let home = Home::with_rules("inbox\n");
    let message = "From: \u{1b}[31mx <a@b.example>\r\nX-Spam: \u{1b}]52;c;eA==\u{7}\u{9b}2J\r\n\
                   Content-Type: text/plain;\r\n\tcharset=\"iso-2022-jp\"\r\n\r\n\
                   a\rb \u{1b}$B$3\u{1b}(B \u{1b}c\r\n";
    home.write("m.eml", message);
    let path = home.path().join("m.eml");
    let output = home.run(&["report-bug", path.to_str().unwrap()], b"");
    let is_plain = |c: char| !c.is_control() || matches!(c, '\r' | '\n' | '\t');
    assert!(output.stdout.chars().all(is_plain), "{output:?}");
    for part in [
        "From: \\u{1b}[99xx <x@x.xxxxxxx>\r\nX-Spam: \\u{1b}]52;c;eA==\\u{7}\\u{9b}2J\r\n",
        "text/plain;\r\n\tcharset=",
        "x\\u{d}x \\u{1b}$B00\\u{1b}(B \\u{1b}x\r\n",
    ] {
        assert!(output.stdout.contains(part), "{part}: {output:?}");
    }
}
