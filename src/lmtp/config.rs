//! `/etc/mfilter/lmtp.conf`: one setting per line, `name = value`; `#` begins a comment.
//! The command line accepts most of them by the same names, and takes precedence.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::settings::{self, Identity, LmtpSettings};
use crate::file::ANYWHERE;
use crate::source::{ReadError, read_bytes};
use crate::spelling::nearest;
use crate::user::DeliveryLog;

/// Where the settings are, unless given otherwise.
pub const CONFIG: &str = "/etc/mfilter/lmtp.conf";
/// The system's list of users.
const USERS: &str = "/etc/passwd";
/// Longer files are not read; in bytes.
const LARGEST: u64 = 16 << 20;
/// The longest `program-timeout`, in seconds: MTAs do not wait for longer.
const LONGEST_PROGRAM: u64 = 4 * 60;

/// What is wrong with the settings, and where.
#[derive(Debug)]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// Counted from 1; none if it is the whole file.
    pub line: Option<usize>,
    /// What.
    pub kind: ConfigErrorKind,
}

/// What can be wrong.
#[derive(Debug)]
pub enum ConfigErrorKind {
    /// It cannot be read.
    Unread(ReadError),
    /// It is not UTF-8 text.
    NotText,
    /// A line without `=`.
    NoValue(String),
    /// There is no such setting.
    Unknown {
        /// As written there.
        name: String,
        /// What it may be meant to be.
        near: Option<String>,
    },
    /// It was set before.
    Twice(String),
    /// Another one that it excludes was set before.
    Excluded(String, &'static str),
    /// Nothing is set, although it is read again.
    Empty,
    /// The value makes no sense.
    BadValue {
        /// The setting.
        name: String,
        /// Why.
        why: String,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        f.write_str(": ")?;
        match &self.kind {
            ConfigErrorKind::Unread(error) => error.fmt(f),
            ConfigErrorKind::NotText => f.write_str("it is not UTF-8 text"),
            ConfigErrorKind::NoValue(text) => {
                write!(f, "`{text}` is not a setting; write `name = value`")
            }
            ConfigErrorKind::Unknown { name, near: Some(near) } => {
                write!(f, "there is no setting `{name}`; did you mean `{near}`?")
            }
            ConfigErrorKind::Unknown { name, near: None } => {
                write!(f, "there is no setting `{name}`; mfilter(1) lists them")
            }
            ConfigErrorKind::Twice(name) => write!(f, "`{name}` is set twice"),
            ConfigErrorKind::Excluded(name, other) => {
                write!(f, "`{name}` and `{other}` exclude each other: leave one of them out")
            }
            ConfigErrorKind::Empty => f.write_str("nothing is set in it; is it being written?"),
            ConfigErrorKind::BadValue { name, why } => write!(f, "`{name}`: {why}"),
        }
    }
}

impl std::error::Error for ConfigError {}

/// How a setting is read.
type Setter = fn(&mut LmtpSettings, &str) -> Result<(), String>;

/// Every setting except `program`, which has a name of its own and may occur more than
/// once.
pub const SETTINGS: &[(&str, Setter)] = &[
    ("listen", |to, text| {
        to.listen = Some(text.parse()?);
        Ok(())
    }),
    ("users", |to, text| {
        to.users = text.parse()?;
        Ok(())
    }),
    ("store", |to, text| {
        to.store = text.parse()?;
        Ok(())
    }),
    ("store-login", |to, text| {
        let fits = !text.is_empty() && !text.contains(char::is_control);
        to.store_login = Some(fits.then(|| text.to_owned()).ok_or("the name of an account")?);
        Ok(())
    }),
    ("store-password-file", |to, text| {
        to.store_password_file = Some(absolute(text)?);
        Ok(())
    }),
    ("user-id", |to, text| {
        (to.identity, to.own_uids) = (Some(identity(text)?), false);
        Ok(())
    }),
    ("front-id", |to, text| {
        (to.identity, to.own_uids) = (Some(identity(text)?), true);
        Ok(())
    }),
    ("workers", |to, text| {
        to.workers = at_least_one(text)?;
        Ok(())
    }),
    ("connections", |to, text| {
        to.connections = at_least_one(text)?;
        Ok(())
    }),
    ("delimiter", |to, text| {
        let signs = unquoted(text);
        let fits = signs.chars().all(|sign| sign.is_ascii_punctuation() && sign != '@');
        to.delimiter = fits.then(|| signs.to_owned()).ok_or("signs such as `+` or `+-`")?;
        Ok(())
    }),
    ("message-size", |to, text| {
        to.message_size = number(text)?;
        Ok(())
    }),
    ("site", |to, text| {
        to.site = Some(absolute(text)?);
        Ok(())
    }),
    ("state", |to, text| {
        to.state = absolute(text)?;
        Ok(())
    }),
    ("maildir", |to, text| {
        let fits = text.starts_with("~/") || text == "~" || text.starts_with('/');
        to.maildir = fits.then(|| text.to_owned()).ok_or("a path below `~/`, or from `/`")?;
        if text.starts_with('/') {
            return settings::check_placeholders(text);
        }
        match text.contains('{') {
            true => Err("`{user}` and `{domain}` are for paths that begin with `/`".into()),
            false => Ok(()),
        }
    }),
    ("create-homes-below", |to, text| {
        to.create_homes_below = Some(absolute(text)?);
        Ok(())
    }),
    ("layout", |to, text| {
        to.confinement.fs_layout = word(text, &[("maildir++", false), ("fs", true)])?;
        Ok(())
    }),
    ("log", |to, text| {
        let words = [
            ("state", DeliveryLog::State),
            ("syslog", DeliveryLog::Syslog),
            ("off", DeliveryLog::Off),
        ];
        to.confinement.log = word(text, &words)?;
        Ok(())
    }),
    ("sendmail", |to, text| {
        to.confinement.sendmail = Some(absolute(text)?.to_string_lossy().into_owned());
        Ok(())
    }),
    ("program-timeout", |to, text| {
        let (digits, unit) = match text.strip_suffix('m') {
            Some(minutes) => (minutes, 60),
            None => (text.strip_suffix('s').unwrap_or(text), 1),
        };
        let seconds = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(unit));
        let fits = seconds.filter(|seconds| (1..=LONGEST_PROGRAM).contains(seconds));
        to.confinement.program_timeout =
            Some(fits.ok_or("a duration, for example `60s`, at most `4m`")?);
        Ok(())
    }),
    ("metrics", |to, text| {
        for place in text.split_whitespace() {
            let (kind, path) = match place.strip_prefix("unix:") {
                Some(path) => (&mut to.metrics.socket, path),
                None => (&mut to.metrics.file, place),
            };
            if kind.replace(absolute(path)?).is_some() {
                return Err("one file and one `unix:PATH` at most".into());
            }
        }
        Ok(())
    }),
    ("forwards-per-hour", |to, text| {
        to.confinement.forwards_per_hour = number(text)?;
        Ok(())
    }),
];

/// Sets one setting.
fn set(settings: &mut LmtpSettings, name: &str, value: &str) -> Result<(), ConfigErrorKind> {
    let bad = |why| ConfigErrorKind::BadValue { name: name.to_owned(), why };
    if let Some(program) = name.strip_prefix("program ").map(str::trim) {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
        if program.is_empty() || program.starts_with('.') || !program.chars().all(fits) {
            return Err(bad("the name by which rules run it is one word, with no path".into()));
        }
        let path = absolute(value).map_err(bad)?;
        settings.confinement.programs.insert(program.to_owned(), path);
        return Ok(());
    }
    match SETTINGS.iter().find(|(known, _)| *known == name) {
        Some((_, set)) => set(settings, value).map_err(bad),
        None => {
            let near = nearest(name, SETTINGS.iter().map(|(known, _)| *known)).map(str::to_owned);
            Err(ConfigErrorKind::Unknown { name: name.to_owned(), near })
        }
    }
}

/// The settings of a file; `asked` says whether the user named it, otherwise it need not
/// exist.
///
/// # Errors
/// The first mistake in it.
pub fn read(file: &Path, asked: bool) -> Result<LmtpSettings, ConfigError> {
    let failed = |line, kind| ConfigError { file: file.to_owned(), line, kind };
    let bytes = match read_bytes(&ANYWHERE, file, LARGEST) {
        Err(error) if error.is_missing() && !asked => return Ok(LmtpSettings::default()),
        read => read.map_err(|error| failed(None, ConfigErrorKind::Unread(error)))?,
    };
    let text = String::from_utf8(bytes).map_err(|_| failed(None, ConfigErrorKind::NotText))?;
    parse(&text).map_err(|(line, kind)| failed(Some(line), kind))
}

/// The settings of a file that had some when the server was started. Without it the defaults
/// would count, and every virtual user would be unknown.
///
/// # Errors
/// Those of [`read`]; or it is missing or has no settings.
pub fn read_again(file: &Path) -> Result<LmtpSettings, ConfigError> {
    let settings = read(file, true)?;
    match settings == LmtpSettings::default() {
        true => {
            Err(ConfigError { file: file.to_owned(), line: None, kind: ConfigErrorKind::Empty })
        }
        false => Ok(settings),
    }
}

/// The same for a text; the error comes with its line.
fn parse(text: &str) -> Result<LmtpSettings, (usize, ConfigErrorKind)> {
    let mut settings = LmtpSettings::default();
    let mut known = std::collections::HashSet::new();
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            return Err((number, ConfigErrorKind::NoValue(line.to_owned())));
        };
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        // After a value a comment needs a blank before it: a path may contain the sign.
        let comment = [" #", "\t#"].iter().filter_map(|sign| value.find(sign)).min();
        let value = value.get(..comment.unwrap_or(value.len())).unwrap_or_default().trim();
        if !known.insert(name.clone()) {
            return Err((number, ConfigErrorKind::Twice(name)));
        }
        for (one, other) in [("user-id", "front-id"), ("front-id", "user-id")] {
            if name == one && known.contains(other) {
                return Err((number, ConfigErrorKind::Excluded(name, other)));
            }
        }
        set(&mut settings, &name, value).map_err(|kind| (number, kind))?;
    }
    Ok(settings)
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number, or too large"))
}

fn at_least_one(text: &str) -> Result<usize, String> {
    let count: u16 = number(text)?;
    if count == 0 { Err("at least 1".into()) } else { Ok(count.into()) }
}

fn absolute(text: &str) -> Result<PathBuf, String> {
    match Path::new(text).is_absolute() {
        true => Ok(text.into()),
        false => Err(format!("`{text}` is not a path that begins with `/`")),
    }
}

fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        format!("it is one of `{}`", all.join("`, `"))
    })
}

/// `""` is an empty value.
fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

/// An account of the system.
///
/// # Errors
/// There is none, or the list of them cannot be read.
pub fn identity(text: &str) -> Result<Identity, String> {
    identity_in(USERS, text)
}

fn identity_in(list: &str, text: &str) -> Result<Identity, String> {
    if text.contains(':') {
        return Identity::of(text, b"");
    }
    let users = read_bytes(&ANYWHERE, list.as_ref(), LARGEST);
    Identity::of(text, &users.map_err(|error| format!("{list}: {error}"))?)
}

#[cfg(test)]
mod tests {
    use super::super::settings::{ListenAddress, StoreSetting, UserSource};
    use super::*;

    #[test]
    fn every_setting_is_read() {
        let settings = parse(
            "\u{feff}# All of them.\n\nlisten = unix:/run/mfilter/lmtp\n\
             users=dovecot:/run/dovecot/auth-userdb # the lookup\n\
             store = lmtp:127.0.0.1:24\t# Dovecot\nstore-login = proxy\n\
             store-password-file = /etc/p\nuser-id = 150:8\nworkers = 3\nconnections = 20\n\
             delimiter = \"+-\"\nmessage-size = 1000\nsite = /etc/x#y\nstate = /srv/state\n\
             maildir = ~/M\ncreate-homes-below = /srv/mail\nlayout = fs\nlog = syslog\nsendmail = /usr/sbin/sendmail\n\
             program-timeout = 2m\nforwards-per-hour = 7\n\
             program  spamc = /usr/bin/spamc\nprogram note = /usr/local/bin/note\n",
        )
        .unwrap();
        assert_eq!(settings.listen, Some(ListenAddress::Unix("/run/mfilter/lmtp".into())));
        assert_eq!(settings.users, UserSource::Dovecot("/run/dovecot/auth-userdb".into()));
        assert_eq!(settings.store, StoreSetting::Lmtp("lmtp:127.0.0.1:24".into()));
        assert_eq!(settings.store_login.as_deref(), Some("proxy"));
        assert_eq!(settings.store_password_file.as_deref(), Some(Path::new("/etc/p")));
        assert_eq!(settings.identity, Some(Identity { uid: 150, gid: 8 }));
        assert_eq!((settings.workers, settings.connections), (3, 20));
        assert_eq!((settings.delimiter.as_str(), settings.message_size), ("+-", 1000));
        assert_eq!(settings.site.as_deref(), Some(Path::new("/etc/x#y")));
        assert_eq!(settings.state, Path::new("/srv/state"));
        assert_eq!(settings.maildir, "~/M");
        assert_eq!(settings.create_homes_below.as_deref(), Some(Path::new("/srv/mail")));
        let site = &settings.confinement;
        assert!(site.fs_layout && site.log == DeliveryLog::Syslog);
        assert_eq!((site.program_timeout, site.forwards_per_hour), (Some(120), 7));
        assert_eq!(site.programs.len(), 2);
        assert_eq!(site.programs.get("spamc").unwrap(), Path::new("/usr/bin/spamc"));
        let metrics = parse("metrics = /run/m.prom unix:/run/m\n").unwrap().metrics;
        assert_eq!(metrics.file.as_deref(), Some(Path::new("/run/m.prom")));
        assert_eq!(metrics.socket.as_deref(), Some(Path::new("/run/m")));
        assert_eq!(parse("delimiter = \"\"\n").unwrap().delimiter, "");
        assert_eq!(parse("").unwrap(), LmtpSettings::default());
    }

    #[test]
    fn a_mistake_has_its_line_and_says_what_to_do() {
        for (text, line, wanted) in [
            ("lisen = unix:/x", 1, "did you mean `listen`?"),
            ("\n\nfrobnicate = 1", 3, "no setting `frobnicate`"),
            ("listen", 1, "write `name = value`"),
            ("workers = 0", 1, "at least 1"),
            ("workers = many", 1, "`many` is not a number"),
            ("workers = 2\nworkers = 3", 2, "set twice"),
            ("program a = /x\nprogram a = /y", 2, "set twice"),
            ("program = /x", 1, "no setting `program`"),
            ("program ../sh = /bin/sh", 1, "no path"),
            ("program sh = bin/sh", 1, "begins with `/`"),
            ("listen = /run/x", 1, "unix:PATH"),
            ("users = sql", 1, "passwd-file:PATH"),
            ("user-id = root", 1, "is root"),
            ("front-id = nobody-at-all", 1, "there is no user"),
            ("maildir = Maildir", 1, "below `~/`"),
            ("maildir = /var/mail", 1, "has no `{user}`"),
            ("maildir = /var/mail/{domain}", 1, "has no `{user}`"),
            ("maildir = /var/mail/{user}/{home}", 1, "`{home}` is not known"),
            ("maildir = /var/mail/{user}{", 1, "`{` is not known"),
            ("maildir = ~/{user}", 1, "begin with `/`"),
            ("users = template:/m/{user}/{users}", 1, "`{users}` is not known"),
            ("user-id = 5:5\nfront-id = 6:6", 2, "exclude each other"),
            ("front-id = 6:6\nuser-id = 5:5", 2, "exclude each other"),
            ("create-homes-below = mail", 1, "begins with `/`"),
            ("layout = mbox", 1, "`maildir++`, `fs`"),
            ("program-timeout = 5m", 1, "at most `4m`"),
            ("program-timeout = 99999999999999999m", 1, "at most `4m`"),
            ("delimiter = a", 1, "such as `+`"),
            ("metrics = metrics.prom", 1, "begins with `/`"),
            ("metrics = unix:metrics", 1, "begins with `/`"),
            ("metrics = /a /b", 1, "one file and one"),
            ("state = x", 1, "begins with `/`"),
            ("store = imap:192.0.2.1:143", 1, "unencrypted"),
            ("store-login =", 1, "name of an account"),
            ("store-password-file = x", 1, "begins with `/`"),
        ] {
            let (at, kind) = parse(text).unwrap_err();
            let told = ConfigError { file: "/c".into(), line: Some(at), kind }.to_string();
            assert!(at == line && told.contains(wanted), "{text}: {told}");
            assert!(told.starts_with(&format!("/c:{line}: ")), "{told}");
        }
    }

    #[test]
    fn a_list_of_accounts_that_cannot_be_read_is_not_an_empty_one() {
        let told = identity_in("/none", "vmail").unwrap_err();
        assert!(told.starts_with("/none: No such file"), "{told}");
        assert_eq!(identity_in("/none", "5:6"), Ok(Identity { uid: 5, gid: 6 }));
    }

    #[test]
    fn a_file_that_nobody_named_may_be_missing() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("lmtp.conf");
        assert_eq!(read(&file, false).unwrap(), LmtpSettings::default());
        assert!(read(&file, true).unwrap_err().to_string().contains("No such file"));
        std::fs::write(&file, b"\xff").unwrap();
        assert!(matches!(read(&file, false).unwrap_err().kind, ConfigErrorKind::NotText));
        std::fs::write(&file, "# Nothing yet.\n").unwrap();
        assert_eq!(read(&file, true).unwrap(), LmtpSettings::default());
        assert!(matches!(read_again(&file).unwrap_err().kind, ConfigErrorKind::Empty));
        std::fs::write(&file, "workers = 5\n").unwrap();
        assert_eq!(read_again(&file).unwrap().workers, 5);
        std::fs::remove_file(&file).unwrap();
        assert!(read_again(&file).unwrap_err().to_string().contains("No such file"));
        assert!(read(directory.path(), false).is_err());
    }
}
