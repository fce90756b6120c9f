//! What mail setup a machine and a home have. Nothing is changed; programs are asked for
//! their settings (`postconf`, `doveconf`, `exim`), and if they do not answer soon, the
//! settings count as unknown.

#![allow(missing_docs, reason = "each variant's line explains its fields")]

use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::file;
use crate::maildir::directories::names_on_disk;
use crate::rules::program::{FolderNames, Layout};
use crate::user::User;

/// How long a program may take to print its settings.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How much of a file of settings is read, bytes.
const ANSWER_MAX: u64 = 1 << 20;
/// Where mail servers have their programs; these are on few users' PATH.
const SYSTEM_PATH: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/sbin"];

/// A mail server that delivers on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailServer {
    /// With `mailbox_command`, and whether users' `.forward` counts.
    Postfix { mailbox_command: String, reads_forward: bool },
    /// Any version.
    Exim,
    /// smtpd(8) of OpenBSD.
    OpenSmtpd,
    /// Sendmail itself.
    Sendmail,
    /// qmail, netqmail, notqmail.
    Qmail,
    /// courier-mta.
    Courier,
    /// A program that only sends: msmtp, nullmailer, dma.
    SendOnly(String),
}

/// How Dovecot keeps mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DovecotStore {
    /// A Maildir and its inbox, as written in the settings.
    Maildir(MaildirFound),
    /// `mbox`, `sdbox`, `mdbox`: mfilter cannot deliver there. `is_new` for Dovecot 2.4
    /// or newer, whose settings are written differently.
    Other { driver: String, is_new: bool },
    /// Its settings say nothing: it uses an existing `~/Maildir`.
    Unset,
    /// It is installed, but its settings cannot be read.
    Unknown,
}

/// A Maildir: where it is, its layout, and whether names of folders in it are UTF-8. The
/// inbox is empty if it is the Maildir itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MaildirFound {
    pub path: String,
    pub is_fs: bool,
    pub inbox: String,
    pub utf8_names: bool,
}

/// A file of the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserFile {
    /// It does not exist.
    Missing,
    /// Its content.
    Text(String),
    /// A symbolic link, another user's file, not a regular file, not UTF-8, or
    /// unreadable.
    Strange(&'static str),
}

/// A program that fetches mail from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetcher {
    /// isync.
    Mbsync,
    /// OfflineIMAP.
    OfflineImap,
    /// fetchmail, which calls a program for each message, as getmail and mpop do.
    Fetchmail,
    /// getmail.
    Getmail,
    /// mpop.
    Mpop,
}

/// Rules of another filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherRules {
    /// `.procmailrc`
    Procmail,
    /// `.mailfilter`
    Maildrop,
    /// `.dovecot.sieve`
    Sieve,
}

/// Everything that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupFindings {
    /// The home.
    pub home: PathBuf,
    /// How mail servers are to call this program.
    pub program: PathBuf,
    /// The mail server.
    pub server: Option<MailServer>,
    /// Dovecot, if it is installed.
    pub dovecot: Option<DovecotStore>,
    /// `~/.mailrules`
    pub rules: UserFile,
    /// `~/.forward`, or the file that the server uses instead.
    pub forward: UserFile,
    /// Rules of other filters, with the file in the home.
    pub others: Vec<(OtherRules, &'static str)>,
    /// Programs that fetch mail, with the file in the home.
    pub fetchers: Vec<(Fetcher, &'static str)>,
    /// The Maildir of mbsync or OfflineIMAP, as written there.
    pub synced: Option<MaildirFound>,
    /// Maildirs in the home.
    pub maildirs: Vec<MaildirFound>,
    /// Mboxes with mail.
    pub mboxes: Vec<PathBuf>,
    /// `~/.config/systemd/user/mfilter-watch.service`
    pub unit: UserFile,
    /// Whether systemd runs here.
    pub has_systemd: bool,
}

impl MailServer {
    /// Its name for people.
    pub fn name(&self) -> &str {
        match self {
            MailServer::Postfix { .. } => "Postfix",
            MailServer::Exim => "Exim",
            MailServer::OpenSmtpd => "OpenSMTPD",
            MailServer::Sendmail => "sendmail",
            MailServer::Qmail => "qmail",
            MailServer::Courier => "Courier",
            MailServer::SendOnly(name) => name,
        }
    }

    /// The file in the home with which a user has a program run.
    pub fn forward_file(&self) -> &'static str {
        match self {
            MailServer::Qmail => ".qmail",
            MailServer::Courier => ".courier",
            _ => ".forward",
        }
    }
}

impl OtherRules {
    /// Its name for `mfilter import`.
    pub fn word(self) -> &'static str {
        match self {
            OtherRules::Procmail => "procmail",
            OtherRules::Maildrop => "maildrop",
            OtherRules::Sieve => "sieve",
        }
    }
}

/// The file of the user unit.
pub const UNIT: &str = ".config/systemd/user/mfilter-watch.service";

/// Looks at everything.
pub fn survey(user: &User, home: &Path, program: PathBuf) -> SetupFindings {
    let server = mail_server();
    let own = |name: &str| user_file(&home.join(name));
    let is_there = |name: &str| home.join(name).is_file();
    let others = [
        (OtherRules::Procmail, ".procmailrc"),
        (OtherRules::Maildrop, ".mailfilter"),
        (OtherRules::Sieve, ".dovecot.sieve"),
    ];
    let fetchers = [
        (Fetcher::Mbsync, ".mbsyncrc"),
        (Fetcher::Mbsync, ".config/isyncrc"),
        (Fetcher::OfflineImap, ".offlineimaprc"),
        (Fetcher::OfflineImap, ".config/offlineimap/config"),
        (Fetcher::Fetchmail, ".fetchmailrc"),
        (Fetcher::Getmail, ".getmail/getmailrc"),
        (Fetcher::Getmail, ".config/getmail/getmailrc"),
        (Fetcher::Mpop, ".mpoprc"),
        (Fetcher::Mpop, ".config/mpop/config"),
    ];
    let fetchers: Vec<_> = fetchers.into_iter().filter(|(_, name)| is_there(name)).collect();
    SetupFindings {
        forward: own(server.as_ref().map_or(".forward", MailServer::forward_file)),
        server,
        dovecot: dovecot(home),
        rules: own(".mailrules"),
        others: others.into_iter().filter(|(_, name)| is_there(name)).collect(),
        synced: fetchers.iter().find_map(|(fetcher, name)| synced(*fetcher, &home.join(name))),
        fetchers,
        maildirs: ["Maildir", ".maildir", ".mail", "Mail", "mail"]
            .into_iter()
            .filter_map(|name| maildir_in(home, name))
            .collect(),
        mboxes: mboxes(user, home),
        unit: own(UNIT),
        has_systemd: Path::new("/run/systemd/system").is_dir(),
        home: home.to_owned(),
        program,
    }
}

/// What a file of the user contains.
fn user_file(path: &Path) -> UserFile {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return UserFile::Missing,
        Err(_) => return UserFile::Strange("cannot be read"),
    };
    if metadata.is_symlink() {
        return UserFile::Strange("is a symbolic link");
    }
    if !metadata.is_file() {
        return UserFile::Strange("is not a regular file");
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return UserFile::Strange("belongs to another user");
    }
    match file::read(path, ANSWER_MAX).map(String::from_utf8) {
        Ok(Ok(text)) => UserFile::Text(text),
        Ok(Err(_)) => UserFile::Strange("is not UTF-8"),
        Err(_) => UserFile::Strange("cannot be read"),
    }
}

/// The first program of that name on PATH or where mail servers have theirs.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).chain(SYSTEM_PATH.map(PathBuf::from));
    directories.map(|directory| directory.join(name)).find(|path| path.is_file())
}

/// What a program prints, if it succeeds soon.
fn output_of(name: &str, arguments: &[&str]) -> Option<String> {
    let mut child = Command::new(program(name)?)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let started = Instant::now();
    // Settings are short: they fit into a pipe, so the program can end before the pipe is
    // read.
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if started.elapsed() < ANSWER_TIMEOUT => {
                std::thread::sleep(Duration::from_millis(10));
            }
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    };
    let mut text = String::new();
    child.stdout.take()?.take(ANSWER_MAX).read_to_string(&mut text).ok()?;
    status.success().then_some(text)
}

fn mail_server() -> Option<MailServer> {
    if let Some(text) = output_of("postconf", &["-h", "mailbox_command", "forward_path"]) {
        let mut lines = text.lines().map(str::trim);
        return Some(MailServer::Postfix {
            mailbox_command: lines.next().unwrap_or_default().to_owned(),
            reads_forward: lines.next().is_none_or(|path| !path.is_empty()),
        });
    }
    if ["exim4", "exim"].iter().any(|name| output_of(name, &["-bV"]).is_some()) {
        return Some(MailServer::Exim);
    }
    if program("smtpctl").is_some() && program("smtpd").is_some() {
        return Some(MailServer::OpenSmtpd);
    }
    if Path::new("/var/qmail/bin/qmail-send").exists() {
        return Some(MailServer::Qmail);
    }
    if program("courierd").is_some() || Path::new("/usr/lib/courier/courierd").exists() {
        return Some(MailServer::Courier);
    }
    let sendmail = program("sendmail").and_then(|path| fs::canonicalize(path).ok())?;
    let name = sendmail.file_name()?.to_string_lossy().into_owned();
    match name.as_str() {
        "sendmail" | "sendmail-mta" | "sendmail.sendmail" => {
            let is_real = Path::new("/etc/mail/sendmail.cf").exists();
            is_real.then_some(MailServer::Sendmail)
        }
        _ => Some(MailServer::SendOnly(name)),
    }
}

/// How Dovecot keeps mail according to its settings, which differ between 2.3 and 2.4.
fn dovecot(home: &Path) -> Option<DovecotStore> {
    program("doveconf")?;
    let old = output_of("doveconf", &["-h", "mail_location"]);
    if let Some(location) = old.as_deref().map(str::trim).filter(|location| !location.is_empty()) {
        return Some(store_of(location));
    }
    // For several settings, 2.4 shows values only together with their names.
    let names = ["mail_driver", "mail_path", "mail_inbox_path"];
    let Some(text) = output_of("doveconf", &names) else {
        return Some(if old.is_some() { DovecotStore::Unset } else { DovecotStore::Unknown });
    };
    let value = |name: &str| {
        let lines = text.lines().filter_map(|line| line.split_once('='));
        let mut values = lines.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim());
        values.next().unwrap_or_default()
    };
    let [driver, path, inbox] = names.map(value);
    Some(match driver {
        "maildir" => {
            let path = in_home(path);
            // `mailbox_list_layout` is reported as `fs` even where it is not; and without
            // a path of its own the inbox is a folder.
            let is_fs = path.strip_prefix("~/").and_then(|path| layout_of(&home.join(path)));
            let is_fs = is_fs.unwrap_or_default();
            let folder = if is_fs { "INBOX" } else { ".INBOX" };
            let utf8_names = output_of("doveconf", &["-h", "mailbox_list_utf8"]);
            let utf8_names = utf8_names.is_some_and(|value| value.trim() == "yes");
            match inbox {
                "" => in_maildir(&path, is_fs, &format!("{path}/{folder}"), utf8_names),
                inbox => in_maildir(&path, is_fs, inbox, utf8_names),
            }
        }
        "" => DovecotStore::Unset,
        _ => DovecotStore::Other { driver: driver.to_owned(), is_new: true },
    })
}

/// `maildir:~/Maildir:LAYOUT=fs`
fn store_of(location: &str) -> DovecotStore {
    let mut parts = location.split(':');
    let driver = parts.next().unwrap_or_default();
    if driver != "maildir" {
        return DovecotStore::Other { driver: driver.to_owned(), is_new: false };
    }
    let path = parts.next().unwrap_or_default();
    let (mut is_fs, mut inbox, mut utf8_names) = (false, "", false);
    for part in parts {
        match part.split_once('=') {
            Some((key, layout)) if key.eq_ignore_ascii_case("LAYOUT") => is_fs = layout == "fs",
            Some((key, place)) if key.eq_ignore_ascii_case("INBOX") => inbox = place,
            None if part.eq_ignore_ascii_case("UTF-8") => utf8_names = true,
            _ => {}
        }
    }
    in_maildir(path, is_fs, inbox, utf8_names)
}

fn in_maildir(path: &str, is_fs: bool, inbox: &str, utf8_names: bool) -> DovecotStore {
    let (path, inbox) = (in_home(path), in_home(inbox));
    let inbox = if inbox == path { String::new() } else { inbox };
    DovecotStore::Maildir(MaildirFound { path, is_fs, inbox, utf8_names })
}

/// A path as rules write it, with `~` for the home.
fn in_home(path: &str) -> String {
    let path = path.trim_end_matches('/');
    for home in ["%{home}", "%{home:}", "%h", "$HOME"] {
        if let Some(rest) = path.strip_prefix(home) {
            return format!("~{rest}");
        }
    }
    path.to_owned()
}

/// Where mbsync or OfflineIMAP puts mail.
fn synced(fetcher: Fetcher, path: &Path) -> Option<MaildirFound> {
    let text = String::from_utf8(file::read(path, ANSWER_MAX).ok()?).ok()?;
    let unquoted = |value: &str| value.trim().trim_matches('"').trim_end_matches('/').to_owned();
    let maildir = |path: String, inbox: Option<String>, utf8_names| {
        let inbox = inbox.unwrap_or_default();
        MaildirFound { path, is_fs: true, inbox, utf8_names }
    };
    match fetcher {
        Fetcher::Mbsync => {
            let mut found = (None, None);
            let mut in_store = false;
            for line in text.lines().map(str::trim) {
                let (key, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
                match key.to_ascii_lowercase().as_str() {
                    "" => in_store = false,
                    "maildirstore" => in_store = true,
                    "path" if in_store && found.0.is_none() => found.0 = Some(unquoted(value)),
                    "inbox" if in_store && found.1.is_none() => found.1 = Some(unquoted(value)),
                    _ => {}
                }
            }
            // Without a Path only the inbox is known, which mbsync has in ~/Maildir.
            found.0.map(|path| maildir(path, found.1.or_else(|| Some("~/Maildir".into())), false))
        }
        Fetcher::OfflineImap => {
            let value = |name: &str| {
                text.lines().find_map(|line| {
                    let (key, value) = line.split_once(['=', ':'])?;
                    (key.trim() == name).then(|| unquoted(value))
                })
            };
            let utf8_names = value("utf8foldernames").is_some_and(|value| {
                ["1", "yes", "true", "on"].contains(&value.to_ascii_lowercase().as_str())
            });
            Some(maildir(value("localfolders")?, None, utf8_names))
        }
        _ => None,
    }
}

/// The Maildir of this name in the home.
fn maildir_in(home: &Path, name: &str) -> Option<MaildirFound> {
    let path = home.join(name);
    let is_fs = layout_of(&path)?;
    let layout = if is_fs { Layout::Fs } else { Layout::MaildirPlusPlus };
    let utf8_names = names_on_disk(&path, layout) == Some(FolderNames::Utf8);
    Some(MaildirFound { path: format!("~/{name}"), is_fs, inbox: String::new(), utf8_names })
}

/// Whether a directory is a Maildir, or contains such folders; if so, whether folders in
/// it are plain directories.
fn layout_of(path: &Path) -> Option<bool> {
    let is_folder = |path: &Path| ["cur", "new"].iter().all(|sub| path.join(sub).is_dir());
    let names = fs::read_dir(path).ok()?.flatten().take(1000).map(|entry| entry.path());
    let plain = names.into_iter().any(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        !name.starts_with('.') && is_folder(&path)
    });
    (plain || is_folder(path)).then_some(plain)
}

/// Mboxes with mail, where mail servers and readers put them.
fn mboxes(user: &User, home: &Path) -> Vec<PathBuf> {
    let name = ["LOGNAME", "USER"].into_iter().find_map(|variable| user.variable(variable));
    let spool = user.variable("MAIL").map(PathBuf::from);
    let spool = spool.or_else(|| Some(Path::new("/var/mail").join(name?)));
    let mut paths: Vec<PathBuf> = spool.into_iter().chain([home.join("mbox")]).collect();
    for folder in ["mail", "Mail"] {
        let entries = fs::read_dir(home.join(folder)).into_iter().flatten().flatten();
        let mut files: Vec<PathBuf> = entries.take(200).map(|entry| entry.path()).collect();
        files.sort();
        paths.append(&mut files);
    }
    let begins = |path: &PathBuf| file::read(path, 5).is_ok_and(|bytes| bytes == b"From ");
    paths.into_iter().filter(begins).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_of_dovecot_are_read() {
        let found = |path: &str, is_fs, inbox: &str| MaildirFound {
            path: path.into(),
            is_fs,
            inbox: inbox.into(),
            utf8_names: false,
        };
        let with =
            |path: &str, is_fs, inbox: &str| DovecotStore::Maildir(found(path, is_fs, inbox));
        let maildir = |path, is_fs| with(path, is_fs, "");
        for (location, store) in [
            ("maildir:~/Maildir", maildir("~/Maildir", false)),
            ("maildir:%h/mail/:LAYOUT=fs:INBOX=~/mail/INBOX", with("~/mail", true, "~/mail/INBOX")),
            ("maildir:~/Maildir:INBOX=%h/Maildir/", maildir("~/Maildir", false)),
            ("maildir:%{home}/Maildir", maildir("~/Maildir", false)),
            ("maildir:/srv/mail/%u", maildir("/srv/mail/%u", false)),
            (
                "maildir:~/Maildir:UTF-8:LAYOUT=fs",
                DovecotStore::Maildir(MaildirFound {
                    utf8_names: true,
                    ..found("~/Maildir", true, "")
                }),
            ),
        ] {
            assert_eq!(store_of(location), store, "{location}");
        }
        let mbox = store_of("mbox:~/mail:INBOX=/var/mail/%u");
        assert_eq!(mbox, DovecotStore::Other { driver: "mbox".into(), is_new: false });
    }

    #[test]
    fn the_maildir_of_a_syncing_program_is_read() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("rc");
        fs::write(
            &path,
            "IMAPStore far\nPath \"x\"\n\nMaildirStore near\nSubFolders Verbatim\n\
             Path ~/.mail/\nInbox ~/.mail/INBOX\n\nChannel a\n",
        )
        .unwrap();
        let found = |path: &str, inbox: &str, utf8_names| {
            Some(MaildirFound { path: path.into(), is_fs: true, inbox: inbox.into(), utf8_names })
        };
        assert_eq!(synced(Fetcher::Mbsync, &path), found("~/.mail", "~/.mail/INBOX", false));
        let local = "[Repository L]\ntype = Maildir\nlocalfolders = ~/mail\n";
        fs::write(&path, local).unwrap();
        assert_eq!(synced(Fetcher::OfflineImap, &path), found("~/mail", "", false));
        fs::write(&path, format!("[Account A]\nutf8foldernames = Yes\n{local}")).unwrap();
        assert_eq!(synced(Fetcher::OfflineImap, &path), found("~/mail", "", true));
    }
}
