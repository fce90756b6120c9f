//! mfilter as qmail-local(8), which Debian does not package, calls it: the envelope in
//! the environment, `SENDER` without the quotes that its local part needs, and a message
//! without a line in front.

use crate::support::{Home, Run, run};

const RULES: &str = r#"when envelope-from is "boss@corp.example" -> folder "Forged"
when envelope-from is "" -> folder "Null"
when envelope-from.domain is "evil.example" -> folder "Evil"
when extension is "shop" and envelope-to is "taro-shop@example.jp" -> folder "Shop"
"#;

const MESSAGE: &str = "Received: (qmail 1 invoked from network); 27 Nov 2026 07:31:11 -0000
Return-Path: <boss@corp.example>
From: boss@corp.example
Subject: x

x
";

/// A delivery with the lines and words that qmail forms from a sender.
fn deliver(home: &Home, quoted: &str, unquoted: &str, lines: bool) -> Run {
    let mut command = home.command(&[]);
    command
        .env("SENDER", unquoted)
        .env("RECIPIENT", "taro-shop@example.jp")
        .env("LOCAL", "taro-shop")
        .env("EXT", "shop")
        .env("HOST", "example.jp");
    if lines {
        command
            .env("RPLINE", format!("Return-Path: <{quoted}>\n"))
            .env("DTLINE", "Delivered-To: taro-shop@example.jp\n")
            .env("UFLINE", "From x Fri Nov 27 07:31:11 2026\n");
    }
    run(command, MESSAGE.as_bytes())
}

#[test]
fn the_envelope_of_qmail_is_one_sender_and_one_recipient() {
    for (quoted, unquoted, folder) in [
        ("hanako@sender.example", "hanako@sender.example", ".Shop"),
        ("", "", ".Null"),
        ("", "#@[]", ".Null"),
        ("\"x,boss@corp.example, \"@evil.example", "x,boss@corp.example, @evil.example", ".Evil"),
        ("\"a b; rm\"@evil.example", "a b; rm@evil.example", ".Evil"),
        ("\"<boss@corp.example>\"@evil.example", "<boss@corp.example>@evil.example", ".Evil"),
    ] {
        for lines in [true, false] {
            let home = Home::with_rules(RULES);
            let ran = deliver(&home, quoted, unquoted, lines);
            assert_eq!(ran.code, Some(0), "{ran:?}");
            let found = home.mail();
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].folder, folder, "{unquoted} {lines}");
        }
    }
}
