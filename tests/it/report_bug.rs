//! `mfilter report-bug`: what it reports, and what it keeps private.

use crate::support::{Home, run};

#[test]
fn a_report_has_the_versions_and_nothing_private() {
    let home = Home::with_rules("when from is \"hanako@example.jp\" -> folder \"Secret\"\n");
    home.write("m.eml", "From hanako@example.jp Mon Nov 27 10:00:00 2026\nFrom: Hanako <hanako@example.jp>\nSubject: secret\n\nhello secret\n");
    let path = home.path().join("m.eml");
    let mut command = home.command(&["report-bug", path.to_str().unwrap()]);
    command.env("LOGNAME", "taro").env("USER", "taro").env("MAIL", "/var/mail/taro");
    let told = run(command, b"");
    assert_eq!(told.code, Some(0), "{told:?}");
    for part in [
        concat!("mfilter ", env!("CARGO_PKG_VERSION")),
        "mail server",
        "~/.mailrules, 1 line\n",
        "From: Xxxxxx <xxxxxx@xxxxxxx.xx>",
        concat!(env!("CARGO_PKG_REPOSITORY"), "/issues"),
    ] {
        assert!(told.stdout.contains(part), "{part}: {}", told.stdout);
    }
    for part in ["hanako", "Hanako", "secret", "Secret", "taro"] {
        assert!(!told.stdout.contains(part), "{part}: {}", told.stdout);
    }
    let missing = home.run(&["report-bug", "/nowhere/m.eml"], b"");
    assert_eq!(missing.code, Some(2), "{missing:?}");
}
