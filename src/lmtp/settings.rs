//! The settings of `mfilter lmtp`: where it listens, who its users are, where their mail
//! is stored, and how much it handles at once.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::hand_over::MailStore;
use crate::hand_over::address::{ImapAddress, LmtpAddress, StoreAddress, StorePlace, is_loopback};
use crate::mda::DELIVERY_TIMEOUT;
use crate::user::Confinement;

/// Where the state of users who share a uid is kept, unless it is set.
pub const STATE: &str = "/var/lib/mfilter";
/// The workers that even a machine with few processors may have. Most of the time they
/// wait for the disk, which syncs the messages of all with one flush.
const LEAST_WORKERS: usize = 16;

/// All settings of a server. Workers get them when they are started.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub struct LmtpSettings {
    /// Where clients connect; none if standard input is the listening socket.
    pub listen: Option<ListenAddress>,
    /// The mode of a unix socket that we create.
    pub socket_mode: u32,
    /// Where users are looked up.
    pub users: UserSource,
    /// Where mail is stored.
    pub store: StoreSetting,
    /// The login name at a store that is reached by IMAP.
    pub store_login: Option<String>,
    /// The file with the password of that login.
    pub store_password_file: Option<PathBuf>,
    /// The most workers at the same time; for users with uids of their own, the most
    /// users whose mail is being delivered at the same time.
    pub workers: usize,
    /// The most connections at the same time. Others wait to be accepted.
    pub connections: usize,
    /// What separates the local part from the detail, any of these characters; empty if
    /// there are no details.
    pub delimiter: String,
    /// The largest message, in bytes; 0 for no limit of ours. One that is below the MTA's
    /// own makes the MTA bounce mail.
    pub message_size: u64,
    /// The most recipients of one message. An MTA's own limit must be lower.
    pub recipients: usize,
    /// The provider's site rules, if not where a delivery looks for them.
    pub site: Option<PathBuf>,
    /// The system account that a server started as root switches to before it accepts a
    /// connection.
    pub identity: Option<Identity>,
    /// Each user has their own uid from the account; otherwise all mail belongs to the
    /// server's own.
    pub own_uids: bool,
    /// No worker is started for a lower uid.
    pub first_uid: u32,
    /// Where the state of users who share a uid is kept, a directory for each, out of
    /// their own reach.
    pub state: PathBuf,
    /// Their Maildirs: below `~/`, or a path with `{user}` and `{domain}`.
    pub maildir: String,
    /// Their homes below this directory are created when the first mail comes.
    pub create_homes_below: Option<PathBuf>,
    /// What their rules may do.
    pub confinement: Confinement,
    /// Where the metrics go.
    pub metrics: MetricsPlaces,
    /// Limits of one delivery.
    pub limits: WorkerLimits,
}

impl Default for LmtpSettings {
    fn default() -> LmtpSettings {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        LmtpSettings {
            listen: None,
            socket_mode: 0o660,
            users: UserSource::Passwd,
            store: StoreSetting::Maildir,
            store_login: None,
            store_password_file: None,
            workers: LEAST_WORKERS.max(2 * processors),
            connections: 100,
            delimiter: "+".into(),
            message_size: 0,
            recipients: 1000,
            site: None,
            identity: None,
            own_uids: false,
            first_uid: 1000,
            state: STATE.into(),
            maildir: "~/Maildir".into(),
            create_homes_below: None,
            confinement: Confinement::default(),
            metrics: MetricsPlaces::default(),
            limits: WorkerLimits::default(),
        }
    }
}

impl LmtpSettings {
    /// The store for mail that is not kept in Maildirs.
    ///
    /// # Errors
    /// The settings for it are invalid.
    pub fn mail_store(&self) -> Result<Option<MailStore>, String> {
        let address = match &self.store {
            StoreSetting::Maildir => return Ok(None),
            StoreSetting::Lmtp(text) => StoreAddress::Lmtp(
                text.parse::<LmtpAddress>().map_err(|why| format!("{text}: {why}"))?,
            ),
            StoreSetting::Imap(text) => {
                let place = StorePlace::of_imap(text).map_err(|why| format!("{text}: {why}"))?;
                let (Some(login), Some(password_file)) =
                    (self.store_login.clone(), self.store_password_file.clone())
                else {
                    return Err(format!(
                        "`store = {text}` needs `store-login` and `store-password-file`: an \
                         account of the server's that may act for every user"
                    ));
                };
                if self.own_uids {
                    // Otherwise any program that runs as the user could read it in the
                    // worker.
                    return Err(format!(
                        "`store = {text}` needs one account that has all mail, `user-id`: the \
                         password opens every mailbox, and workers of users' own uids must not \
                         have it"
                    ));
                }
                StoreAddress::Imap(ImapAddress { place, login, password_file })
            }
        };
        Ok(Some(MailStore::new(address)))
    }
}

/// Where metrics go.
#[derive(Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq)]
pub struct MetricsPlaces {
    /// A file that is replaced every few seconds, and when the server ends.
    pub file: Option<PathBuf>,
    /// A unix socket that answers each connection with the text, and closes it.
    pub socket: Option<PathBuf>,
}

/// The limits of a worker.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerLimits {
    /// Address space, in bytes; programs that rules run inherit it.
    pub memory: u64,
    /// The number of open files.
    pub files: u64,
    /// Processor time of one delivery.
    pub processor: Duration,
    /// Wall-clock time of one delivery.
    pub wall: Duration,
    /// The number of deliveries after which the worker is replaced.
    pub jobs: u32,
    /// The age at which it is replaced.
    pub age: Duration,
    /// How long one with a uid of its own waits for more mail.
    pub idle: Duration,
}

impl Default for WorkerLimits {
    fn default() -> WorkerLimits {
        WorkerLimits {
            memory: 1 << 30,
            files: 256,
            processor: Duration::from_secs(30),
            // Whatever a delivery waits for gives up earlier.
            wall: DELIVERY_TIMEOUT + Duration::from_secs(20),
            jobs: 1000,
            age: Duration::from_secs(600),
            idle: Duration::from_secs(30),
        }
    }
}

/// A socket: `unix:PATH` or `HOST:PORT`.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// In the file system.
    Unix(PathBuf),
    /// A host and a port.
    Tcp(String),
}

impl ListenAddress {
    /// The addresses to listen on for a host and port: only of this machine, because LMTP
    /// has neither TLS nor passwords.
    ///
    /// # Errors
    /// Why they cannot be used.
    pub fn loopback(host: &str) -> Result<Vec<SocketAddr>, String> {
        let found = host.to_socket_addrs().map_err(|error| format!("`{host}`: {error}"))?;
        let found: Vec<SocketAddr> = found.collect();
        match found.iter().find(|address| !is_loopback(address.ip())) {
            Some(other) => Err(format!(
                "{} is not an address of this machine alone; LMTP has neither TLS nor passwords, so \
                 listen at 127.0.0.1, [::1] or a unix socket",
                other.ip()
            )),
            None => Ok(found),
        }
    }
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<ListenAddress, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match Path::new(path).is_absolute() {
                true => Ok(ListenAddress::Unix(path.into())),
                false => Err("the path of a unix socket begins with `/`".into()),
            };
        }
        let port = text.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        match port {
            Some(Ok(_)) => Ok(ListenAddress::Tcp(text.to_owned())),
            _ => Err("write it as `unix:PATH` or `HOST:PORT`".into()),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Unix(path) => write!(f, "unix:{}", path.display()),
            ListenAddress::Tcp(host) => f.write_str(host),
        }
    }
}

/// Where users are looked up.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub enum UserSource {
    /// Dovecot's socket for user lookups.
    Dovecot(PathBuf),
    /// The system's list of users.
    Passwd,
    /// A file in the format of Dovecot's `passwd-file`.
    PasswdFile(PathBuf),
    /// Directories: the path has `{user}`, and perhaps `{domain}`.
    Template(String),
}

impl FromStr for UserSource {
    type Err = String;

    fn from_str(text: &str) -> Result<UserSource, String> {
        let absolute = |path: &str| match Path::new(path).is_absolute() {
            true => Ok(path.to_owned()),
            false => Err(format!("`{path}` is not a path that begins with `/`")),
        };
        match text.split_once(':') {
            None if text == "passwd" => Ok(UserSource::Passwd),
            Some(("dovecot", path)) => Ok(UserSource::Dovecot(absolute(path)?.into())),
            Some(("passwd-file", path)) => Ok(UserSource::PasswdFile(absolute(path)?.into())),
            Some(("template", path)) => {
                check_placeholders(path)?;
                Ok(UserSource::Template(absolute(path)?))
            }
            _ => Err("the users are `dovecot:PATH`, `passwd`, `passwd-file:PATH` or \
                      `template:DIR/{user}`"
                .into()),
        }
    }
}

impl fmt::Display for UserSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UserSource::Dovecot(path) => write!(f, "dovecot:{}", path.display()),
            UserSource::Passwd => f.write_str("passwd"),
            UserSource::PasswdFile(path) => write!(f, "passwd-file:{}", path.display()),
            UserSource::Template(path) => write!(f, "template:{path}"),
        }
    }
}

/// Checks a path with placeholders: with one that is not filled in, or without `{user}`,
/// all users would have the same directory.
///
/// # Errors
/// What is wrong with it.
pub fn check_placeholders(path: &str) -> Result<(), String> {
    let other = path.replace("{user}", "").replace("{domain}", "");
    if let Some((_, rest)) = other.split_once('{') {
        let name = rest.split_once('}').map_or("{".to_owned(), |(name, _)| format!("{{{name}}}"));
        return Err(format!("`{name}` is not known; only `{{user}}` and `{{domain}}` are"));
    }
    match path.contains("{user}") {
        true => Ok(()),
        false => Err(format!("`{path}` has no `{{user}}`, so all users would share it")),
    }
}

/// Where mail is stored.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub enum StoreSetting {
    /// In each user's Maildir.
    Maildir,
    /// Handed to another LMTP server: as [`LmtpAddress`] reads it.
    Lmtp(String),
    /// Appended by an IMAP server: as [`StorePlace::of_imap`] reads it.
    Imap(String),
}

impl FromStr for StoreSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<StoreSetting, String> {
        match text.split_once(':') {
            None if text == "maildir" => Ok(StoreSetting::Maildir),
            Some(("lmtp", _)) => match text.parse::<LmtpAddress>() {
                Ok(_) => Ok(StoreSetting::Lmtp(text.to_owned())),
                Err(why) => Err(why.to_string()),
            },
            Some(("imap", _)) => match StorePlace::of_imap(text) {
                Ok(_) => Ok(StoreSetting::Imap(text.to_owned())),
                Err(why) => Err(why.to_string()),
            },
            _ => Err("the store is `maildir`, `lmtp:unix:PATH`, `lmtp:HOST:PORT`, \
                      `imap:unix:PATH` or `imap:HOST:PORT`"
                .into()),
        }
    }
}

/// A uid and a gid.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub uid: u32,
    /// The primary group; there are no others.
    pub gid: u32,
}

impl Identity {
    /// The identity of this process.
    pub fn of_process() -> Identity {
        Identity {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
        }
    }

    /// A name from a list of users in the format of passwd(5), or `UID:GID`.
    ///
    /// # Errors
    /// There is no such user, or it is root.
    pub fn of(text: &str, users: &[u8]) -> Result<Identity, String> {
        let found = match text.split_once(':') {
            Some((uid, gid)) => uid.parse().ok().zip(gid.parse().ok()),
            None => users.split(|byte| *byte == b'\n').find_map(|line| {
                let mut fields = line.split(|byte| *byte == b':');
                (fields.next()? == text.as_bytes()).then_some(())?;
                let mut number = |skip| std::str::from_utf8(fields.nth(skip)?).ok()?.parse().ok();
                number(1).zip(number(0))
            }),
        };
        match found {
            Some((0, _)) => Err(format!("`{text}` is root, which must not touch mail")),
            Some((uid, gid)) => Ok(Identity { uid, gid }),
            None if text.contains(':') => Err(format!("`{text}` is not UID:GID, two numbers")),
            None => Err(format!(
                "there is no user `{text}` in /etc/passwd: create the account, or name another \
                 one, or write UID:GID"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_users_and_stores_are_read() {
        let unix = ListenAddress::Unix("/run/x".into());
        assert_eq!("unix:/run/x".parse(), Ok(unix));
        assert_eq!("127.0.0.1:24".parse(), Ok(ListenAddress::Tcp("127.0.0.1:24".into())));
        assert_eq!("lmtp:unix:/run/x".parse(), Ok(StoreSetting::Lmtp("lmtp:unix:/run/x".into())));
        assert_eq!("passwd".parse(), Ok(UserSource::Passwd));
        let template = UserSource::Template("/m/{domain}/{user}".into());
        assert_eq!("template:/m/{domain}/{user}".parse(), Ok(template));
        for wrong in ["unix:x", "x", "x:y", "x:99999", ""] {
            assert!(wrong.parse::<ListenAddress>().is_err(), "{wrong}");
        }
        for wrong in ["template:/m/user", "template:m/{user}", "dovecot:x", "sql", ""] {
            assert!(wrong.parse::<UserSource>().is_err(), "{wrong}");
        }
        assert_eq!("imap:[::1]:143".parse(), Ok(StoreSetting::Imap("imap:[::1]:143".into())));
        for wrong in ["mbox", "imap:", "imap:192.0.2.1:143", "imaps:127.0.0.1:993"] {
            assert!(wrong.parse::<StoreSetting>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_password_for_every_mailbox_is_no_users_to_have() {
        let settings = LmtpSettings {
            store: StoreSetting::Imap("imap:127.0.0.1:143".into()),
            store_login: Some("mfilter".into()),
            store_password_file: Some("/etc/mfilter/password".into()),
            ..LmtpSettings::default()
        };
        assert!(settings.mail_store().is_ok_and(|store| store.is_some()));
        let own = LmtpSettings { own_uids: true, ..settings.clone() };
        assert!(own.mail_store().unwrap_err().contains("`user-id`"));
        for without in [
            LmtpSettings { store_login: None, ..settings.clone() },
            LmtpSettings { store_password_file: None, ..settings },
        ] {
            assert!(without.mail_store().unwrap_err().contains("needs `store-login`"));
        }
    }

    #[test]
    fn nobody_listens_beyond_the_machine() {
        for near in ["127.0.0.1:24", "127.9.9.9:24", "[::1]:24", "[::ffff:127.0.0.1]:24"] {
            assert!(ListenAddress::loopback(near).is_ok(), "{near}");
        }
        for far in ["0.0.0.0:24", "192.0.2.1:24", "[::]:24", "[2001:db8::1]:24"] {
            assert!(ListenAddress::loopback(far).unwrap_err().contains("unix socket"), "{far}");
        }
    }

    #[test]
    fn an_identity_is_never_root() {
        let users = b"root:x:0:0::/:\nvmail:x:150:8:mail:/m:/bin/false\n";
        let of = |text| Identity::of(text, users);
        assert_eq!(of("vmail"), Ok(Identity { uid: 150, gid: 8 }));
        assert_eq!(of("5:6"), Ok(Identity { uid: 5, gid: 6 }));
        for wrong in ["root", "0:0", "0:6", "x", "", "5:", "vmail:x"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
