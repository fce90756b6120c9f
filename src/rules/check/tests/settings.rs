//! `set NAME VALUE`.

use super::{check_files, mistakes, program};
use crate::rules::program::{FolderNames, Layout, LogSetting, OverQuota};

#[test]
fn settings() {
    let program = program(
        "set maildir \"~/M\"\nset layout fs\nset folder-names utf8\nset inbox \"INBOX\"\n\
         set me [\"taro@example.jp\", \"@taro.example\"]\nset delimiter \"-+\"\nset log syslog\n\
         when to in me -> inbox",
    );
    assert_eq!(program.settings.maildir.as_deref(), Some("~/M"));
    assert_eq!(program.settings.layout, Layout::Fs);
    assert_eq!(program.settings.inbox.as_deref(), Some("INBOX"));
    assert_eq!(program.settings.me, ["taro@example.jp", "@taro.example"]);
    assert_eq!(program.settings.log, LogSetting::Syslog);
    assert_eq!(program.lists[0].name.as_deref(), Some("me"));
    for (text, code, marked, message) in [
        ("set layout foo", "bad-setting", "foo", "`set layout` takes `maildir++` or `fs`"),
        (
            "set delimiter \"a\"",
            "bad-setting",
            "\"a\"",
            "`set delimiter` takes the separator of name and detail, for example `\"+\"`",
        ),
        (
            "set timezone \"../x\"",
            "bad-setting",
            "\"../x\"",
            "`set timezone` takes the name of a zone, for example `\"Asia/Tokyo\"`",
        ),
        (
            "set folder-prefix \"a/../\"",
            "bad-setting",
            "\"a/../\"",
            "`set folder-prefix` takes what folder names begin with, for example `\"INBOX/\"`, or `\"\"`",
        ),
        (
            "set folder-prefix \"INBOX\"",
            "bad-setting",
            "\"INBOX\"",
            "`set folder-prefix` takes what folder names begin with, for example `\"INBOX/\"`, or `\"\"`",
        ),
        ("set log off\nset log syslog", "setting-twice", "set log syslog", "`log` is set twice"),
        (
            "stop\nset log off",
            "setting-too-late",
            "set log off",
            "`set log` must come before the first rule",
        ),
        (
            "when has to { expect \"m\" -> inbox }",
            "expect-in-group",
            "expect \"m\" -> inbox",
            "`expect` inside a group",
        ),
        (
            "set timezone \"Nowhere/Land\"",
            "unknown-timezone",
            "\"Nowhere/Land\"",
            "unknown time zone `Nowhere/Land`",
        ),
        (
            "set sendmail \"sendmail\"",
            "bad-setting",
            "\"sendmail\"",
            "`set sendmail` takes a program by its path, for example `\"/usr/sbin/sendmail\"`",
        ),
        (
            "set me [\"taro\"]",
            "bad-entry",
            "\"taro\"",
            "entry `taro` cannot match any address: it has no `@`",
        ),
    ] {
        mistakes(text, &[(code, marked, message)]);
    }
    for setting in [
        "maildir 5",
        "maildir \" \"",
        "folder-names 5",
        "inbox 5",
        "drafts 5",
        "shared 5",
        "subscribe 5",
        "remake-folders 5",
        "spam-score-header \"a b\"",
        "log 5",
        "log \"\"",
        "me 5",
        "trust \" \"",
    ] {
        let (_, checked) = check_files(&[("main", &format!("set {setting}"))]);
        let diagnostics: Vec<_> = checked
            .diagnostics
            .iter()
            .map(|diagnostic| (diagnostic.code, &diagnostic.message))
            .collect();
        let name = setting.split(' ').next().unwrap();
        assert!(
            matches!(diagnostics.as_slice(), [("bad-setting", message)]
                if message.contains(name) && !message.contains("an address")),
            "{setting}: {diagnostics:?}"
        );
    }
}

#[test]
fn each_setting_sets_its_own() {
    let settings = program(
        "set layout maildir++\nset inbox \"inbox\"\nset folder-names mutf7\nset shared on\n\
         set trash \"T\"\nset junk \"J\"\nset drafts \"D\"\nset remake-folders on\n\
         set over-quota temporary\nset sendmail \"/s\"",
    )
    .settings;
    let of_use = [&settings.trash, &settings.junk, &settings.drafts];
    assert_eq!(of_use.map(|folder| folder.as_deref().unwrap_or_default()), ["T", "J", "D"]);
    assert_eq!((settings.shared, settings.remake_folders), (true, Some(true)));
    assert_eq!(settings.folder_names, Some(FolderNames::Mutf7));
    assert_eq!(settings.over_quota, Some(OverQuota::Temporary));
    assert_eq!((settings.inbox.as_deref(), settings.sendmail.as_deref()), (Some(""), Some("/s")));
    let other = program(
        "set shared off\nset remake-folders off\nset subscribe off\nset folder-names utf8\n\
         set folder-prefix \"a/b/\"\nset over-quota permanent\nset log off\n\
         set duplicates-for 3d\nset program-timeout 9s\nset me \"t@example.jp\"\n\
         set forward-sender \"t+{sender}@example.jp\"",
    )
    .settings;
    assert_eq!((other.duplicates_for, other.program_timeout), (Some(3 * 86_400), Some(9)));
    assert_eq!((other.log, other.me), (LogSetting::Off, vec!["t@example.jp".to_owned()]));
    assert_eq!(other.forward_sender.as_deref(), Some("t+{sender}@example.jp"));
    assert_eq!(program("set log \"/l\"").settings.log, LogSetting::File("/l".into()));
    let switches = (other.shared, other.remake_folders, other.subscribe);
    assert_eq!(switches, (false, Some(false), Some(false)));
    assert_eq!(other.folder_names, Some(FolderNames::Utf8));
    assert_eq!(other.over_quota, Some(OverQuota::Permanent));
    assert_eq!(other.folder_prefix.as_deref(), Some("a/b/"));
}
