//! A real Postfix, one site file and the same spam to users who have switched the
//! provider's filter off in their rules or by the command, and to one who has not.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::postfix::{self, Postfix, User};
use crate::support::{mail, skipped};

const SENDER: &str = "winner@prizes.example";

const SITE: &str = r#"isp-filter default on

category "spam" {
    isp-label subject "[SPAM]"
    isp-label header "X-Spam-*"
    rule "scored as spam" when spam-score >= 6 -> folder "Junk" as seen
}

category "virus" mandatory {
    rule "virus found" when virus -> folder "Quarantine"
}
"#;

fn spam(extra: &str) -> String {
    format!(
        "X-Spam-Flag: YES\nX-Spam-Status: Yes, score=9.1 required=6.0\n{extra}\
         From: Prizes <{SENDER}>\nTo: you@test.example\nSubject: [SPAM] =?UTF-8?B?5b2T6YG4?= won\n\
         Message-ID: <{}@prizes.example>\n\nこんにちは\n[SPAM] in the body stays\n",
        extra.len()
    )
}

#[test]
fn one_user_has_the_filter_and_two_have_not() {
    if skipped("the provider's filter with a real Postfix", postfix::PROGRAMS, true) {
        return;
    }
    let mut postfix = Postfix::prepare();
    let homes = postfix.homes();
    let user = |word: &str, rules: &str| User::with_rules(word, &homes, rules);
    let rules = "when subject starts \"当選 won\" and not spam -> folder \"Read\"\n";
    let filtered = user("filtered", rules);
    let by_rules = user("byrules", &format!("isp-filter off\n{rules}"));
    let by_command = user("bycommand", rules);
    let site = homes.join("site.mailrules");
    fs::write(&site, SITE).expect("written");
    fs::set_permissions(&site, Permissions::from_mode(0o644)).expect("set");
    let program = postfix.program();
    let keep = Command::new(&program).args(["check", "--keep", "--site"]).arg(&site).status();
    assert!(keep.expect("runs").success());
    switch_off(&postfix, &by_command, &site);
    postfix.start(&format!("{} --site {}", program.display(), site.display()), &[]);

    for user in [&filtered, &by_rules, &by_command] {
        postfix.send(SENDER, &user.address(), &spam(""));
    }
    let found = filtered.received(1);
    assert_eq!((found[0].folder.as_str(), found[0].flags.as_str()), (".Junk", "S"));
    let text = found[0].text().replace("\n ", " ");
    let result = "X-Mfilter-Site: category=\"spam\"; rule=\"scored as spam\"; action=\"folder Junk as seen\"\n";
    assert!(text.contains(result), "{text}");
    assert!(text.contains("X-Spam-Flag: YES\n") && text.contains("Subject: [SPAM] "), "{text}");
    for user in [&by_rules, &by_command] {
        let found = user.received(1);
        assert_eq!(found[0].folder, ".Read");
        let text = found[0].text();
        assert!(!text.contains("X-Spam") && !text.contains("X-Mfilter-Site"), "{text}");
        let sent = "From: Prizes <winner@prizes.example>\nTo: you@test.example\n\
            Subject: =?UTF-8?B?5b2T6YG4?= won\nMessage-ID: <0@prizes.example>\n";
        assert!(text.contains(sent), "{text}");
        assert!(text.ends_with("\n\nこんにちは\n[SPAM] in the body stays\n"), "{text}");
    }

    // Mandatory rules apply to everybody.
    for user in [&filtered, &by_rules, &by_command] {
        let infected = spam("X-Virus-Status: Infected (Eicar-Signature)\n").replace("9.1", "1.0");
        postfix.send(SENDER, &user.address(), &infected);
        let found = user.received(2);
        let quarantined = found.iter().find(|mail| mail.folder == ".Quarantine");
        let text = quarantined.unwrap_or_else(|| panic!("{}: {found:?}", user.name)).text();
        assert!(text.contains("X-Mfilter-Site: category=\"virus\""), "{text}");
    }
}

/// `mfilter isp-filter off`, run as that user, as a portal would.
fn switch_off(postfix: &Postfix, user: &User, site: &std::path::Path) {
    let output = Command::new("/usr/sbin/runuser")
        .args(["-u", &user.name, "--"])
        .arg(postfix.program())
        .args(["isp-filter", "--site"])
        .arg(site)
        .arg("off")
        .env("HOME", &user.home)
        .env_remove("XDG_CONFIG_HOME")
        .output()
        .expect("runuser runs");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{shown}{}", String::from_utf8_lossy(&output.stderr));
    assert!(shown.contains("spam: off (by `mfilter isp-filter`"), "{shown}");
    assert!(user.home.join(".config/mfilter/isp-filter").exists());
}

/// mailrules(5), "For providers": what keeps users from bypassing the site rules.
#[test]
fn a_forward_file_does_not_go_around_the_site_rules() {
    if skipped("`.forward` with a real Postfix", postfix::PROGRAMS, true) {
        return;
    }
    let virus = spam("X-Virus-Status: Infected (Eicar-Signature)\n").replace("9.1", "1.0");
    for (settings, is_read) in [
        ("", true),
        ("allow_mail_to_commands = alias\nallow_mail_to_files = alias\n", true),
        ("forward_path =\n", false),
    ] {
        let mut postfix = Postfix::prepare();
        postfix.settings = settings;
        let homes = postfix.homes();
        let program = postfix.program().display().to_string();
        let command = User::with_rules("command", &homes, "");
        command.write(".forward", &format!("\"|{program} --site /dev/null\"\n"));
        let file = User::with_rules("file", &homes, "");
        file.write(".forward", &format!("{}/Maildir/\n", file.home.display()));
        let site = homes.join("site.mailrules");
        fs::write(&site, SITE).expect("written");
        fs::set_permissions(&site, Permissions::from_mode(0o644)).expect("set");
        postfix.start(&format!("{program} --site {}", site.display()), &[]);
        for user in [&command, &file] {
            postfix.send(SENDER, &user.address(), &virus);
            let status = postfix.status(user, 1);
            let folders: Vec<String> =
                mail(&user.home.join("Maildir")).into_iter().map(|mail| mail.folder).collect();
            match (settings, is_read) {
                // Without a setting a user can avoid the site rules.
                ("", _) => {
                    assert_eq!((status.word.as_str(), folders), ("sent", vec![String::new()]))
                }
                // The mail of a user who tries bounces.
                (_, true) => {
                    assert_eq!((status.word.as_str(), folders), ("bounced", vec![]), "{status:?}")
                }
                (_, false) => assert_eq!(
                    (status.word.as_str(), folders),
                    ("sent", vec![".Quarantine".to_owned()]),
                ),
            }
        }
    }
}
