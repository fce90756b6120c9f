//! The user whose mail is delivered to an account: with a uid of its own as on any
//! machine, or confined where all users share one uid.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::Mode;

use super::accounts::{Account, Recipient, filled_path};
use super::settings::LmtpSettings;
use crate::file::Bounds;
use crate::source::reason;
use crate::user::User;

/// The user of an account.
///
/// # Errors
/// The settings put the name into a path, and it cannot be part of one.
pub fn user_of(account: &Account, settings: &LmtpSettings) -> Result<User, String> {
    if settings.own_uids {
        return Ok(User::at(&account.home));
    }
    let maildir = maildir(account, &settings.maildir)?;
    let data = settings.state.join(directory_name(&account.name));
    let site = Arc::new(settings.confinement.clone());
    Ok(User::confined(&account.name, &account.home, &maildir, &data, site))
}

/// The Maildir according to the site's template.
fn maildir(account: &Account, template: &str) -> Result<PathBuf, String> {
    if let Some(below) = template.strip_prefix('~') {
        return Ok(account.home.join(below.trim_start_matches('/')));
    }
    let (user, domain) = account.name.rsplit_once('@').unwrap_or((&account.name, ""));
    filled_path(template, user, domain)
        .ok_or_else(|| format!("`{}` makes no path of `{template}`", account.name))
}

/// Creates the home of a user for whom mail comes for the first time, with mode 0700, if
/// it is below `top` and missing. `top` itself is never created, and has to have entries:
/// an empty one is probably a mount point with nothing mounted.
///
/// # Errors
/// It cannot be created now.
pub fn make_home(home: &Path, top: &Path) -> Result<(), String> {
    let is_missing =
        || matches!(fs::metadata(home), Err(error) if error.kind() == ErrorKind::NotFound);
    if !home.starts_with(top) || home == top || !is_missing() {
        return Ok(());
    }
    let failed = |why: String| format!("cannot create the home {}: {why}", home.display());
    judge_homes(top).map_err(failed)?;
    let made = Bounds::below(top).make_directory(home, Mode::RWXU);
    made.map_err(|error| failed(error.to_string()))
}

/// Whether homes can be created below a directory: see [`make_home`].
///
/// # Errors
/// Why not, and what to do.
pub fn judge_homes(top: &Path) -> Result<(), String> {
    let shown = top.display();
    match fs::read_dir(top).map(|mut entries| entries.next().is_none()) {
        Ok(false) => Ok(()),
        Ok(true) => Err(format!(
            "{shown} is empty; is it mounted? If it is, put something there, such as the \
             directory of a domain"
        )),
        Err(error) => Err(format!("{shown}: {}", reason(&error))),
    }
}

/// A name as the name of a directory, a different one for each.
fn directory_name(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@.-_+=".contains(&byte);
    let mut out = String::with_capacity(name.len());
    for (at, byte) in name.bytes().enumerate() {
        match byte {
            b'.' if at == 0 => out.push_str("%2E"),
            byte if plain(byte) => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    if out.is_empty() { String::from("%") } else { out }
}

/// The account of an address, written as people write it.
///
/// # Errors
/// There is no such user, or this cannot be found out at the moment.
pub fn find(address: &str, settings: &LmtpSettings) -> Result<Account, String> {
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    let accounts = super::accounts::open(&settings.users)?;
    let found = Recipient::known((local, domain), &settings.delimiter, |to| accounts.find(to));
    let found = found.map_err(|away| away.to_string())?.map(|(_, account)| account);
    found.ok_or_else(|| {
        format!("there is no user `{address}` where users are looked up: `{}`", settings.users)
    })
}

/// Whether a directory can hold the state of all users: it exists, belongs to the `owner`
/// of their mail, and nobody else can write to it.
///
/// # Errors
/// Why not, and what to do.
pub fn judge_state(state: &Path, owner: u32) -> Result<(), String> {
    let place = state.display();
    match fs::metadata(state) {
        Ok(about) if about.is_dir() && about.uid() == owner && about.mode() & 0o022 == 0 => Ok(()),
        Ok(about) if about.is_dir() && about.uid() == owner => Err(format!(
            "others can write to the directory for state, {place}: run `chmod 700 {place}`"
        )),
        Ok(about) if about.is_dir() => Err(format!(
            "the directory for state, {place}, belongs to uid {}: run `chown {owner} {place}`",
            about.uid()
        )),
        Ok(_) => Err(format!("the directory for state, {place}, is not a directory")),
        Err(error) => Err(format!(
            "the directory for state, {place}: {}; make it with `install -d -m 700 -o \
             {owner} {place}`, or set another one (`state`)",
            reason(&error)
        )),
    }
}

/// [`judge_state`] before this process becomes the `owner`, who may still create it.
///
/// # Errors
/// Why the owner will not be able to use it.
pub fn judge_future_state(state: &Path, owner: u32) -> Result<(), String> {
    let above = state.ancestors().skip(1).find_map(|above| fs::metadata(above).ok());
    let may_create = |above: fs::Metadata| above.uid() == owner || above.mode() & 0o002 != 0;
    if fs::symlink_metadata(state).is_err() && above.is_some_and(may_create) {
        return Ok(());
    }
    judge_state(state, owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_writes_to_the_state() {
        use std::os::unix::fs::PermissionsExt;
        let state = tempfile::tempdir().unwrap();
        let owner = rustix::process::geteuid().as_raw();
        let judged = |mode| {
            fs::set_permissions(state.path(), fs::Permissions::from_mode(mode)).unwrap();
            judge_state(state.path(), owner)
        };
        assert_eq!(judged(0o700), Ok(()));
        assert_eq!(judged(0o755), Ok(()));
        for mode in [0o770, 0o702] {
            assert!(judged(mode).unwrap_err().contains("chmod 700"));
        }
        assert!(judge_state(state.path(), owner + 1).unwrap_err().contains("chown"));
        assert!(judge_state(&state.path().join("none"), owner).is_err());
    }

    #[test]
    fn homes_are_created_below_one_directory_only() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        let top = at("mail");
        let make = |home: &str| make_home(&at(home), &top);
        // Neither is a mount point a place for homes.
        assert!(make("mail/a.example/taro").unwrap_err().contains("No such file"));
        fs::create_dir(&top).unwrap();
        assert!(make("mail/a.example/taro").unwrap_err().contains("is it mounted"));
        fs::write(at("mail/file"), "").unwrap();
        for _ in 0..2 {
            assert_eq!(make("mail/a.example/taro"), Ok(()));
        }
        let mode = fs::metadata(at("mail/a.example/taro")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o700);
        // Outside nothing is made.
        symlink(root.path(), at("mail/link")).unwrap();
        for (home, is_fine) in [
            ("mail", true),
            ("other/taro", true),
            ("mailbox/taro", true),
            ("mail/../other/taro", false),
            ("mail/link/other/taro", false),
            ("mail/file/taro", true),
        ] {
            assert_eq!(make(home).is_ok(), is_fine, "{home}");
        }
        assert!(!at("other").exists() && !at("mailbox").exists());
    }

    fn account(name: &str) -> Account {
        Account { name: name.into(), home: "/m/h".into(), uid: 1, gid: 1 }
    }

    #[test]
    fn the_site_decides_where_a_maildir_is() {
        let of = |name, template| maildir(&account(name), template).map_err(drop);
        assert_eq!(of("a@b", "~/Maildir"), Ok("/m/h/Maildir".into()));
        assert_eq!(of("a@b", "~"), Ok("/m/h/".into()));
        assert_eq!(of("a@b", "/v/{domain}/{user}"), Ok("/v/b/a".into()));
        assert_eq!(of("{domain}@b", "/v/{user}"), Ok("/v/{domain}".into()));
        for wrong in ["..@b", "a/b@c", "a@..", "a", ".@x"] {
            assert_eq!(of(wrong, "/v/{domain}/{user}"), Err(()), "{wrong}");
        }
    }

    #[test]
    fn each_name_has_a_directory_of_its_own() {
        let names = ["a@b", "A@b", "a/b", "a%2Fb", "..", ".", "", "%", "%2E.", "日本@b", "a b"];
        let all: std::collections::HashSet<String> =
            names.iter().map(|name| directory_name(name)).collect();
        assert_eq!(all.len(), names.len());
        for name in all {
            assert!(!name.starts_with('.') && !name.contains('/') && !name.is_empty(), "{name}");
        }
    }

    #[test]
    fn users_who_share_a_uid_are_confined() {
        let settings = LmtpSettings { state: "/s".into(), ..LmtpSettings::default() };
        let user = user_of(&account("a@b"), &settings).unwrap();
        assert!(user.confinement().is_some());
        assert!(user.state_dir().unwrap().starts_with("/s/a@b"));
        let settings = LmtpSettings { own_uids: true, ..settings };
        assert!(user_of(&account("a@b"), &settings).unwrap().confinement().is_none());
    }
}
