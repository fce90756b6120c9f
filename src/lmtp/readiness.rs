//! Whether a server could start and deliver with its settings: each thing that it needs
//! is checked on its own, and for what is missing there is advice. Nothing is changed.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{Access, access};

use super::account_user::{find, judge_homes, judge_state, user_of};
use super::accounts::{self, Account, PasswdFile, Recipient};
use super::server::serves;
use super::settings::{Identity, ListenAddress, LmtpSettings, StoreSetting, UserSource};
use crate::deliver::context::SENDMAIL;
use crate::file::Bounds;
use crate::hand_over::HandOverError;
use crate::hand_over::address::StoreAddress;
use crate::load;
use crate::mda;
use crate::message::path;
use crate::rules::program::Program;
use crate::source::reason;
use crate::state::program_cache::Verification;
use crate::world::World;

/// How long the store may take to greet.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest path of a unix socket, in bytes: unix(7).
const SOCKET_PATH: usize = 107;
/// Somebody who is not a user, so that only the source itself is tested.
const NOBODY: (&str, &str) = ("mfilter-check", "mfilter.invalid");

/// Something that the server needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerNeed {
    /// A setting, or what it is about.
    pub name: String,
    /// Its state, or what is wrong and what to do.
    pub found: Result<String, String>,
}

fn need(name: &str, found: Result<String, String>) -> ServerNeed {
    ServerNeed { name: name.to_owned(), found }
}

/// The file of settings; options alone may be enough.
pub fn settings_file(file: &Path) -> ServerNeed {
    let shown = file.display();
    let found = match file.exists() {
        true => shown.to_string(),
        false => format!("{shown} is not there; options and defaults count"),
    };
    need("settings", Ok(found))
}

/// Whether we can listen on the address; for the process that binds it.
pub fn listening(settings: &LmtpSettings) -> ServerNeed {
    let found = match &settings.listen {
        None => Ok("standard input is to be the socket, as systemd gives it".into()),
        Some(ListenAddress::Unix(path)) => unix_socket(path),
        Some(ListenAddress::Tcp(host)) => ListenAddress::loopback(host).and_then(|addresses| {
            match TcpListener::bind(&*addresses) {
                Ok(_) => Ok(host.clone()),
                Err(error) if error.kind() == ErrorKind::AddrInUse => Err(format!(
                    "something already listens on {host}; unless it is this server, stop it"
                )),
                Err(error) => Err(format!("{host}: {}", reason(&error))),
            }
        }),
    };
    need("listen", found)
}

fn unix_socket(path: &Path) -> Result<String, String> {
    let shown = path.display();
    if path.as_os_str().len() > SOCKET_PATH {
        return Err(format!("{shown} is longer than the {SOCKET_PATH} bytes of a socket's path"));
    }
    match fs::symlink_metadata(path) {
        Ok(about) if !about.file_type().is_socket() => {
            return Err(format!("{shown} is not a socket; name another path, or remove it"));
        }
        _ => {}
    }
    let place = path.parent().unwrap_or(Path::new("/"));
    writable(place)?;
    Ok(match UnixStream::connect(path) {
        Ok(_) => format!("unix:{shown}, in place of a server that listens there now"),
        Err(_) => format!("unix:{shown}"),
    })
}

/// Whether files can be created in a directory.
fn writable(directory: &Path) -> Result<(), String> {
    let shown = directory.display();
    match fs::metadata(directory) {
        Ok(about) if !about.is_dir() => return Err(format!("{shown} is not a directory")),
        Ok(_) => {}
        Err(error) => {
            return Err(format!("{shown}: {}; make it with `install -d {shown}`", reason(&error)));
        }
    }
    access(directory, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| {
        let uid = Identity::of_process().uid;
        format!(
            "{shown}: {} for uid {uid}; give it the directory, or name another one",
            reason(&error.into())
        )
    })
}

/// Everything else, for the process that delivers; `sample` is a user to look up.
pub fn look(settings: &LmtpSettings, sample: Option<&str>) -> Vec<ServerNeed> {
    let mut needs = vec![need("users", users(settings))];
    if let Some(address) = sample {
        needs.push(need("user", user(settings, address)));
    }
    if !settings.own_uids {
        let state = judge_state(&settings.state, Identity::of_process().uid);
        let state = state.and_then(|()| writable(&settings.state));
        needs.push(need("state", state.and_then(|()| confined(&settings.state))));
    }
    if let Some(top) = &settings.create_homes_below {
        let found = judge_homes(top).and_then(|()| writable(top));
        needs.push(need("create-homes-below", found.map(|()| top.display().to_string())));
    }
    let temporary = std::env::temp_dir();
    let found =
        writable(&temporary).map(|()| format!("{}, for large messages", temporary.display()));
    needs.push(need("TMPDIR", found));
    needs.push(need("site", site(settings)));
    needs.push(need("store", store(settings, sample)));
    let confinement = &settings.confinement;
    for (name, path) in &confinement.programs {
        needs.push(need(&format!("program {name}"), program(path)));
    }
    if let Some(sendmail) = &confinement.sendmail {
        needs.push(need("sendmail", program(sendmail.as_ref())));
    } else if program(SENDMAIL.as_ref()).is_err() {
        let without = format!("{SENDMAIL} is not there, so rules cannot `forward` or `reply`");
        needs.push(need("sendmail", Ok(without)));
    }
    let metrics = [&settings.metrics.file, &settings.metrics.socket];
    for path in metrics.into_iter().flatten() {
        let found = writable(path.parent().unwrap_or(Path::new("/")));
        needs.push(need("metrics", found.map(|()| path.display().to_string())));
    }
    needs
}

fn users(settings: &LmtpSettings) -> Result<String, String> {
    // Without a network, only the machine's own users are known for certain.
    let (local, domain) = match settings.users {
        UserSource::Passwd => ("root", ""),
        _ => NOBODY,
    };
    let recipient = Recipient::split(local, domain, "");
    let asked = accounts::open(&settings.users)?.find(&recipient);
    let what = match &settings.users {
        UserSource::Dovecot(path) => format!("Dovecot answers at {}", path.display()),
        UserSource::Passwd if settings.own_uids => "/etc/passwd and getent".into(),
        UserSource::Passwd => format!(
            "/etc/passwd and getent; mail is delivered for uid {} alone, unless you set `front-id`",
            Identity::of_process().uid
        ),
        UserSource::PasswdFile(path) => format!("{} is read", path.display()),
        UserSource::Template(path) => path.clone(),
    };
    match asked {
        Ok(_) => match &settings.users {
            UserSource::PasswdFile(path) => usable(path).map(|()| what),
            _ => Ok(what),
        },
        Err(why) => Err(match &settings.users {
            UserSource::Dovecot(_) => format!(
                "{why}; Dovecot has to run, with a `unix_listener auth-userdb` that uid {} may use",
                Identity::of_process().uid
            ),
            _ => why.to_string(),
        }),
    }
}

/// Whether every line of a file of users can be used.
fn usable(file: &Path) -> Result<(), String> {
    let users = PasswdFile::new(file, Identity::of_process());
    let wrong = users.unusable().map_err(|why| why.to_string())?;
    match wrong.as_slice() {
        [] => Ok(()),
        [(name, why), ..] => Err(format!(
            "{}: the line of `{name}`: {why} (lines that cannot be used: {}); mail for these \
             users waits",
            file.display(),
            wrong.len()
        )),
    }
}

/// A user: known, with a home and a Maildir that mail can be delivered to.
fn user(settings: &LmtpSettings, address: &str) -> Result<String, String> {
    let account = find(address, settings)?;
    let account = serves(settings, account).map_err(|why| why.to_string())?;
    let Account { name, home, uid, .. } = &account;
    let shown = home.display();
    let below = settings.create_homes_below.as_deref();
    let about = match fs::metadata(home) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return match below.filter(|top| home.starts_with(top) && home != top) {
                Some(top) => writable(top)
                    .map(|()| format!("{name}, whose home {shown} the first mail creates")),
                None => Err(format!(
                    "the home of {name}, {shown}, does not exist, so mail waits: create it, or \
                     set `create-homes-below`"
                )),
            };
        }
        about => {
            about.map_err(|error| format!("the home of {name}, {shown}: {}", reason(&error)))?
        }
    };
    if !about.is_dir() || about.uid() != *uid {
        return Err(format!(
            "the home of {name}, {shown}, is not a directory of uid {uid}: `chown {uid} {shown}`"
        ));
    }
    if settings.store != StoreSetting::Maildir {
        return Ok(format!("{name}, home {shown}"));
    }
    let user = user_of(&account, settings)?;
    let world = World { user, ..World::default() };
    let maildir = mda::location(None, &Program::default(), &world)?.path;
    // Missing directories are created below what exists.
    let there = maildir.ancestors().find(|above| above.exists()).unwrap_or(home);
    if !settings.own_uids {
        writable(there)?;
    }
    let maildir = maildir.display();
    Ok(format!(
        "{name}, home {shown}, Maildir {maildir}; `mfilter check --user {address}` looks at the \
         rules"
    ))
}

/// Whether users can be confined below a directory.
///
/// # Errors
/// Why not.
pub fn confined(state: &Path) -> Result<String, String> {
    let shown = state.display();
    let opened = Bounds::below(state).open_directory(state);
    opened.map_err(|error| format!("{shown}: {}", reason(&error)))?;
    Ok(shown.to_string())
}

fn site(settings: &LmtpSettings) -> Result<String, String> {
    let asked = settings.site.as_deref();
    let in_force = load::site::in_force_by(asked, Verification::AtOnce);
    let path = load::site::path(asked).display().to_string();
    match (in_force.note, in_force.compiled) {
        (Some(why), _) => Err(format!("{why}; `mfilter check --site {path}` shows all of it")),
        (None, Some(_)) => Ok(path),
        (None, None) => Ok("no site rules".into()),
    }
}

/// The forward-path by which the store knows a user, as a delivery says it.
fn mailbox(settings: &LmtpSettings, address: &str) -> String {
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    let accounts = accounts::open(&settings.users).ok();
    let known = accounts.and_then(|accounts| {
        let find = |to: &Recipient| accounts.find(to);
        Recipient::known((local, domain), &settings.delimiter, find).ok()?
    });
    match known {
        Some((recipient, _)) => recipient.path(),
        None => path::without_detail(address, &settings.delimiter),
    }
}

/// `sample` is a user to log in for, if the store needs a login at all.
fn store(settings: &LmtpSettings, sample: Option<&str>) -> Result<String, String> {
    let Some(store) = settings.mail_store()? else { return Ok("each user's Maildir".into()) };
    let place = store.address();
    let mailbox = sample.map(|address| mailbox(settings, address));
    match store.reach(mailbox.as_deref(), Instant::now() + CONNECT_TIMEOUT) {
        Ok(()) => Ok(match (store.address(), mailbox) {
            (StoreAddress::Lmtp(_), _) => format!("{place} answers"),
            (StoreAddress::Imap(_), None) => {
                format!("{place} answers; `--user ADDRESS` tries the login")
            }
            (StoreAddress::Imap(address), Some(mailbox)) => {
                format!("{place} lets `{}` in for `{mailbox}`", address.login)
            }
        }),
        Err(why @ (HandOverError::Login { .. } | HandOverError::Setup(_))) => {
            Err(format!("{place}: {why}; mail would wait"))
        }
        Err(why) => Err(format!(
            "{place}: {why}; mail would wait until that server runs and uid {} may connect",
            Identity::of_process().uid
        )),
    }
}

fn program(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let is_file =
        fs::metadata(path).map_err(|error| format!("{shown}: {}", reason(&error)))?.is_file();
    if !is_file || access(path, Access::EXEC_OK).is_err() {
        return Err(format!(
            "{shown} is not a program that uid {} may run",
            Identity::of_process().uid
        ));
    }
    Ok(shown.to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    /// What is reported about one thing.
    fn of(needs: &[ServerNeed], name: &str) -> Result<String, String> {
        needs.iter().find(|need| need.name == name).unwrap().found.clone()
    }

    #[test]
    fn what_is_missing_is_reported_with_what_to_do() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let settings = LmtpSettings {
            listen: Some(ListenAddress::Unix(at("none/lmtp"))),
            users: UserSource::Dovecot(at("auth")),
            store: StoreSetting::Lmtp(format!("lmtp:unix:{}", at("store").display())),
            state: at("state"),
            site: Some(at("site")),
            metrics: super::super::settings::MetricsPlaces {
                file: Some(at("none/m")),
                socket: None,
            },
            ..LmtpSettings::default()
        };
        for (name, wanted) in [
            ("users", "has to run"),
            ("user", "Dovecot's users"),
            ("state", "install -d"),
            ("site", "check --site"),
            ("store", "mail would wait"),
            ("metrics", "install -d"),
        ] {
            let why = of(&look(&settings, Some("taro@a.example")), name).unwrap_err();
            assert!(why.contains(wanted), "{name}: {why}");
        }
        assert!(listening(&settings).found.unwrap_err().contains("install -d"));
        let settings = LmtpSettings { listen: Some(ListenAddress::Unix(at("x"))), ..settings };
        fs::write(at("x"), "").unwrap();
        assert!(listening(&settings).found.unwrap_err().contains("not a socket"));
        fs::remove_file(at("x")).unwrap();
        assert!(listening(&settings).found.is_ok());
        let _other = UnixListener::bind(at("x")).unwrap();
        assert!(listening(&settings).found.unwrap().contains("in place of"));
    }

    #[test]
    fn the_store_is_asked_for_the_mailbox_of_deliveries() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("xn--wgv71a119e.jp/+taro")).unwrap();
        let path = format!("{}/{{domain}}/{{user}}", root.path().display());
        let settings =
            LmtpSettings { users: UserSource::Template(path), ..LmtpSettings::default() };
        assert_eq!(mailbox(&settings, "+taro+x@日本語.jp"), "+taro@xn--wgv71a119e.jp");
        assert_eq!(mailbox(&settings, "hana+x@日本語.jp"), "hana@日本語.jp");
    }

    #[test]
    fn a_user_is_looked_at_as_far_as_the_maildir() {
        let root = tempfile::tempdir().unwrap();
        let home = root.path().join("a.example/taro");
        fs::create_dir_all(&home).unwrap();
        let path = format!("{}/{{domain}}/{{user}}", root.path().display());
        let settings =
            LmtpSettings { users: UserSource::Template(path), ..LmtpSettings::default() };
        let needs = |address| look(&settings, Some(address));
        assert!(of(&needs("taro+x@a.example"), "users").is_ok());
        let found = of(&needs("taro+x@a.example"), "user").unwrap();
        assert!(found.contains("taro/Maildir") && found.contains("check --user"), "{found}");
        let why = of(&needs("hana@a.example"), "user").unwrap_err();
        assert!(why.contains("no user `hana@a.example`"), "{why}");
        fs::write(home.join("Maildir"), "").unwrap();
        assert!(of(&needs("taro@a.example"), "user").unwrap_err().contains("not a directory"));
    }
}
