//! `mfilter setup` in fabricated homes, with programs that answer as Postfix and Dovecot
//! do, and a delivery as the mail server would make it afterwards.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Home, Run, mail, run, write};

const MESSAGE: &[u8] = b"From: shop@shop.example\nTo: taro@example.jp\nSubject: autumn\n\
      List-Unsubscribe: <https://shop.example/leave>\nMessage-ID: <a@shop.example>\n\nhello\n";

/// A Dovecot whose settings do not mention mail.
const UNSET_DOVECOT: &str = "[ \"$2\" = mail_location ] && echo";
const POSTFIX: &str = "printf '\\n$home/.forward\\n'";

/// A home, and programs that answer instead of the machine's.
struct Machine {
    home: Home,
    programs: tempfile::TempDir,
}

impl Machine {
    fn new(postconf: &str, doveconf: &str) -> Machine {
        let machine = Machine { home: Home::new(), programs: tempfile::tempdir().unwrap() };
        machine.program("postconf", postconf);
        machine.program("doveconf", doveconf);
        // The machine's own must not be found.
        for name in ["exim", "exim4"] {
            machine.program(name, "exit 1");
        }
        machine.program("nothing", "exit 1");
        let sendmail = machine.programs.path().join("sendmail");
        std::os::unix::fs::symlink("nothing", sendmail).unwrap();
        machine
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.programs.path().join(name);
        write(&path, format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn setup(&self, arguments: &[&str]) -> Run {
        self.setup_in("C", arguments)
    }

    fn setup_in(&self, locale: &str, arguments: &[&str]) -> Run {
        let arguments = [&["setup"], arguments].concat();
        let mut command = self.home.command(&arguments);
        command
            .env("LANG", locale)
            .env("PATH", format!("{}:/usr/bin:/bin", self.programs.path().display()))
            .env("MAIL", self.path("spool"));
        run(command, b"")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The files of the home, without those that mfilter keeps for itself.
    fn files(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut folders = vec![self.home.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() && !path.is_symlink() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(self.home.path()).unwrap();
                    names.push(name.to_str().unwrap().to_owned());
                }
            }
        }
        names.sort();
        names
    }

    /// Delivers as local(8) does by a line of `.forward`.
    fn deliver(&self) -> Run {
        let line = self.read(".forward");
        let command = line.trim().trim_matches('"').strip_prefix('|').expect("a command");
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-c", command])
            .env_clear()
            .env("HOME", self.home.path())
            .env("LOGNAME", "taro")
            .env("SENDER", "bounces@shop.example")
            .env("RECIPIENT", "taro@example.jp");
        run(shell, MESSAGE)
    }
}

fn folders_of(maildir: &Path) -> Vec<String> {
    mail(maildir).into_iter().map(|mail| mail.folder).collect()
}

#[test]
fn a_fresh_home_is_told_what_to_do_and_nothing_is_changed() {
    let machine = Machine::new(POSTFIX, "echo maildir:~/Maildir");
    let output = machine.setup(&[]);
    assert_eq!(output.code, Some(0), "{output:?}");
    let sent =
        "       echo \"Subject: hello\" | /usr/sbin/sendmail \"$USER\"\n       mfilter check\n";
    for part in ["Postfix", "Dovecot, mail in ~/Maildir", ".mailrules", ".forward", "--apply", sent]
    {
        assert!(output.stdout.contains(part), "{part}: {}", output.stdout);
    }
    assert_eq!(machine.files(), Vec::<String>::new());
}

#[test]
fn what_is_applied_delivers_to_where_dovecot_looks() {
    for (doveconf, maildir, folder) in [
        ("echo maildir:~/Maildir", "Maildir", ".News"),
        ("echo maildir:%h/.mail:LAYOUT=fs", ".mail", "News"),
        // Dovecot 2.4 has other settings.
        (
            "[ \"$1\" = -h ] || printf 'mail_driver = maildir\\nmail_path = ~/Mail\\n\
             mailbox_list_layout = fs\\nmail_inbox_path = ~/Mail\\n'",
            "Mail",
            ".News",
        ),
        (UNSET_DOVECOT, "Maildir", ".News"),
    ] {
        let machine = Machine::new(POSTFIX, doveconf);
        let applied = machine.setup(&["--apply"]);
        assert_eq!(applied.code, Some(0), "{applied:?}");
        assert_eq!(machine.files(), [".forward", ".mailrules"], "{applied:?}");
        let check = machine.home.run(&["check"], b"");
        assert_eq!((check.code, check.stdout.as_str()), (Some(0), ""), "{doveconf}");
        assert_eq!(machine.deliver().code, Some(0), "{doveconf}");
        assert_eq!(folders_of(&machine.path(maildir)), [folder], "{doveconf}");

        // A second run changes nothing.
        let (rules, forward) = (machine.read(".mailrules"), machine.read(".forward"));
        let again = machine.setup(&["--apply"]);
        assert_eq!(again.code, Some(0), "{again:?}");
        assert!(!again.stdout.contains("is written"), "{again:?}");
        assert_eq!((machine.read(".mailrules"), machine.read(".forward")), (rules, forward));
        assert!(!machine.files().iter().any(|name| name.contains("before-mfilter")));
    }
}

#[test]
fn what_is_not_understood_is_left_alone() {
    for forward in [
        "hana@example.org\n",
        "\\taro, \"|/usr/bin/vacation taro\"\n",
        "\"|tee -a ~/all | procmail\"\n",
        "\"|/usr/bin/spamc | /usr/bin/procmail\"\n",
    ] {
        let machine = Machine::new(POSTFIX, UNSET_DOVECOT);
        machine.home.write(".forward", forward);
        let applied = machine.setup(&["--apply"]);
        assert!(applied.stdout.contains("left alone"), "{applied:?}");
        assert_eq!(machine.read(".forward"), forward);
    }
    let machine = Machine::new(POSTFIX, UNSET_DOVECOT);
    machine.home.write("dotfiles/forward", "x\n");
    machine.home.write("dotfiles/rules", "x\n");
    for (target, link) in [("dotfiles/forward", ".forward"), ("dotfiles/rules", ".mailrules")] {
        std::os::unix::fs::symlink(target, machine.path(link)).unwrap();
    }
    let applied = machine.setup(&["--apply"]);
    assert!(applied.stdout.contains("symbolic link"), "{applied:?}");
    let files = [".forward", ".mailrules", "dotfiles/forward", "dotfiles/rules"];
    assert_eq!(machine.files(), files);
    assert_eq!(machine.read("dotfiles/forward") + &machine.read("dotfiles/rules"), "x\nx\n");
}

/// Folders that people made for readers of the Maildir itself have names in UTF-8.
#[test]
fn folders_in_utf8_stay_so() {
    for (doveconf, is_set) in [
        (None, true),
        // It would read them as modified UTF-7.
        (Some(UNSET_DOVECOT), false),
        (Some("echo maildir:~/Maildir"), false),
        (Some("echo maildir:~/Maildir:UTF-8"), true),
    ] {
        let machine = Machine::new(POSTFIX, doveconf.unwrap_or_default());
        let mut path = machine.programs.path().as_os_str().to_owned();
        match doveconf {
            None => fs::remove_file(machine.programs.path().join("doveconf")).unwrap(),
            Some(_) => path.push(":/usr/bin:/bin"),
        }
        for folder in ["Maildir/cur", "Maildir/new", "Maildir/.Lists.東京/cur"] {
            fs::create_dir_all(machine.path(folder)).unwrap();
        }
        let mut command = machine.home.command(&["setup", "--apply"]);
        command.env("PATH", path).env("MAIL", machine.path("spool"));
        let applied = run(command, b"");
        assert_eq!(applied.code, Some(0), "{applied:?}");
        let rules = machine.read(".mailrules");
        assert_eq!(rules.contains("set folder-names utf8\n"), is_set, "{doveconf:?}: {rules}");
        let check = machine.home.run(&["check"], b"");
        assert_eq!((check.code, check.stdout.as_str()), (Some(0), ""), "{doveconf:?}");
    }
}

/// A message that no rule matches must be where the mail reader looks for the inbox.
#[test]
fn the_inbox_is_where_dovecot_has_it() {
    let machine = Machine::new(POSTFIX, "echo maildir:~/Mail:INBOX=~/Mail/INBOX:LAYOUT=fs");
    assert_eq!(machine.setup(&["--apply"]).code, Some(0));
    assert!(machine.read(".mailrules").contains("set inbox \"INBOX\""));
    let settings = machine.read(".mailrules");
    let settings = settings.lines().filter(|line| line.starts_with("set "));
    machine.home.write(".mailrules", settings.map(|line| format!("{line}\n")).collect::<String>());
    assert_eq!(machine.deliver().code, Some(0));
    assert_eq!(folders_of(&machine.path("Mail")), ["INBOX"]);

    for doveconf in [
        // In this layout the inbox is the Maildir itself; no folder is outside it.
        "echo maildir:~/Maildir:INBOX=~/Maildir/.INBOX",
        "echo maildir:~/Maildir:INBOX=/var/mail/taro",
        "[ \"$1\" = -h ] || printf 'mail_driver = maildir\\nmail_path = ~/Mail\\n\
         mail_inbox_path = /srv/in\\n'",
        // As Debian 13 has it.
        "[ \"$1\" = -h ] || printf 'mail_driver = mbox\\nmail_path = %%{home}/mail\\n\
         mail_inbox_path = /var/mail/%%{user}\\n'",
        "[ \"$1\" = -h ] || printf 'mail_driver = maildir\\nmail_path = ~/Mail\\n\
         mail_inbox_path =\\n'",
        // Dovecot is installed, but its settings cannot be read.
        "exit 1",
    ] {
        let machine = Machine::new(POSTFIX, doveconf);
        let output = machine.setup(&["--apply"]);
        assert!(output.stdout.contains("Not yet"), "{doveconf}: {output:?}");
        assert!(!machine.files().contains(&".forward".to_owned()), "{doveconf}");
    }
}

#[test]
fn another_filter_is_replaced_after_its_rules_came_over() {
    let machine = Machine::new(POSTFIX, UNSET_DOVECOT);
    let procmail = "\"|/usr/bin/procmail\"\n";
    machine.home.write(".forward", procmail);
    machine.home.write(".procmailrc", ":0\n* ^Subject:.*autumn\n.Autumn/\n");
    let first = machine.setup(&["--apply"]);
    assert!(first.stdout.contains("mfilter import procmail ~/.procmailrc"), "{first:?}");
    assert_eq!(machine.read(".forward"), procmail, "as long as there are no rules");
    assert!(!machine.path(".mailrules").exists());

    let rules = machine.path(".mailrules");
    let recipes = machine.path(".procmailrc");
    let arguments =
        ["import", "procmail", recipes.to_str().unwrap(), "-o", rules.to_str().unwrap()];
    let import = machine.home.run(&arguments, b"");
    assert!(rules.exists(), "{import:?}");
    let second = machine.setup(&["--apply"]);
    assert!(second.stdout.contains(".forward.before-mfilter"), "{second:?}");
    assert_eq!(machine.read(".forward.before-mfilter"), procmail);
    assert_eq!(machine.deliver().code, Some(0));
    assert_eq!(folders_of(&machine.path("Maildir")), [".Autumn"]);
}

#[test]
fn nothing_is_switched_while_dovecot_would_not_show_it() {
    let machine = Machine::new(POSTFIX, "echo mbox:~/mail:INBOX=/var/mail/%u");
    machine.home.write("spool", "From a@b.example Mon Nov 27 10:00:00 2026\n\nhello\n");
    let applied = machine.setup(&["--apply"]);
    assert!(applied.stdout.contains("mail_location = maildir:~/Maildir"), "{applied:?}");
    assert!(applied.stdout.contains("Not yet"), "{applied:?}");
    assert!(applied.stdout.contains("import mbox"), "{applied:?}");
    assert!(applied.stdout.contains("Nothing was written: do the steps above"), "{applied:?}");
    assert_eq!(applied.code, Some(1), "{applied:?}");
    assert_eq!(machine.setup(&[]).code, Some(0));
    assert_eq!(machine.files(), ["spool"]);
}

#[test]
fn what_mbsync_brings_is_watched() {
    let machine = Machine::new("exit 1", UNSET_DOVECOT);
    machine.home.write(
        ".mbsyncrc",
        "IMAPStore far\nHost imap.example.org\n\nMaildirStore near\nSubFolders Verbatim\n\
         Path ~/.mail/\nInbox ~/.mail/INBOX\n\nChannel all\nFar :far:\nNear :near:\n",
    );
    let applied = machine.setup(&["--apply"]);
    assert_eq!(applied.code, Some(0), "{applied:?}");
    let rules = machine.read(".mailrules");
    for setting in ["set maildir \"~/.mail\"\n", "set layout fs\n", "set inbox \"INBOX\"\n"] {
        assert!(rules.contains(setting), "{rules}");
    }
    let check = machine.home.run(&["check"], b"");
    assert_eq!((check.code, check.stdout.as_str()), (Some(0), ""));
    assert!(!machine.path(".forward").exists());
    if Path::new("/run/systemd/system").exists() {
        let unit = machine.read(".config/systemd/user/mfilter-watch.service");
        assert!(unit.contains("/mfilter watch\n"), "{unit}");
    } else {
        assert!(applied.stdout.contains("mfilter watch"), "{applied:?}");
    }
}

#[test]
fn without_a_mail_server_the_line_for_fetchmail_is_shown() {
    let machine = Machine::new("exit 1", UNSET_DOVECOT);
    machine.home.write(".fetchmailrc", "poll pop.example.org user hana\n");
    let output = machine.setup(&["--apply"]);
    assert!(output.stdout.contains("mda \""), "{output:?}");
    assert!(!output.stdout.contains("sendmail"), "{output:?}");
    assert_eq!(machine.read(".fetchmailrc"), "poll pop.example.org user hana\n");
}

/// Whether two English words are next to each other, outside code.
fn is_english(text: &str) -> bool {
    let outside: Vec<&str> = text.split('`').step_by(2).collect();
    let outside = outside.join(" ` ");
    let words: Vec<&str> = outside.split_whitespace().collect();
    let is_word = |word: &str| word.len() > 1 && word.bytes().all(|b| b.is_ascii_lowercase());
    words.windows(2).any(|two| two.iter().all(|word| is_word(word)))
}

#[test]
fn setup_speaks_japanese_and_what_is_to_be_typed_stays_as_it_is() {
    for (postconf, doveconf, files) in [
        (POSTFIX, "echo maildir:~/Maildir", &[][..]),
        (POSTFIX, "echo maildir:/srv/%u", &[(".forward", "hana@example.org\n")]),
        (POSTFIX, "echo mbox:~/mail", &[("spool", "From a@b.example x\n\nhello\n")]),
        (POSTFIX, UNSET_DOVECOT, &[(".forward", "|/usr/bin/procmail\n"), (".mailrules", "")]),
        ("echo mfilter; echo x", UNSET_DOVECOT, &[(".procmailrc", "")]),
        ("echo; echo", "exit 1", &[(".dovecot.sieve", ""), (".mailrules", "set maildir \"~/M\"")]),
        ("exit 1", UNSET_DOVECOT, &[(".fetchmailrc", "")]),
        ("exit 1", UNSET_DOVECOT, &[(".mbsyncrc", "MaildirStore x\nPath ~/.mail/\n")]),
        ("exit 1", "exit 1", &[(".forward/x", "")]),
    ] {
        let machine = Machine::new(postconf, doveconf);
        files.iter().for_each(|(name, text)| machine.home.write(name, text));
        let [english, japanese] = ["C", "ja_JP.UTF-8"].map(|locale| machine.setup_in(locale, &[]));
        assert_eq!(japanese.code, Some(0), "{japanese:?}");
        let typed =
            |line: &&str| line.strip_prefix("       ").is_some_and(|line| !line.starts_with(' '));
        let [in_english, in_japanese] =
            [&english, &japanese].map(|run| run.stdout.lines().filter(typed).collect::<Vec<_>>());
        assert_eq!(in_english, in_japanese, "{japanese:?}");
        for line in japanese.stdout.lines().filter(|line| !typed(line)) {
            assert!(!is_english(line), "{line}");
        }
        // The table has its second column below each other.
        assert!(
            japanese.stdout.starts_with("見つかったもの:\n  メールサーバー   "),
            "{japanese:?}"
        );
        assert!(japanese.stdout.contains("\n  IMAP サーバー    "), "{japanese:?}");
        let applied = machine.setup_in("ja_JP.UTF-8", &["--apply"]);
        for line in applied.stdout.lines().filter(|line| !typed(line)) {
            assert!(!is_english(line), "{line}");
        }
    }
}

#[test]
fn a_file_that_cannot_be_written_is_reported() {
    let machine = Machine::new(POSTFIX, UNSET_DOVECOT);
    // Whoever is root may write anywhere, but not below a file.
    machine.home.write(".mbsyncrc", "MaildirStore x\nPath ~/.mail/\n");
    machine.home.write(".config", "");
    if !Path::new("/run/systemd/system").exists() {
        return;
    }
    let applied = machine.setup_in("ja_JP.UTF-8", &["--apply"]);
    assert_eq!(applied.code, Some(1), "{applied:?}");
    assert!(applied.stdout.contains(" に書き込めません: "), "{applied:?}");
}
