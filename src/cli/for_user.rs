//! `--user ADDRESS`: a command for a user of `mfilter lmtp`, who is looked up as the
//! server does, with the same settings.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lmtp::account_user::{find, user_of};
use crate::lmtp::accounts::Account;
use crate::lmtp::config::{self, CONFIG};
use crate::lmtp::settings::{Identity, LmtpSettings};
use crate::user::User;

/// The environment variables that are passed to the command that root starts as the user.
const ENVIRONMENT: [&str; 7] =
    ["LANG", "LC_ALL", "LC_MESSAGES", "TERM", "TZ", "NO_COLOR", "COLUMNS"];

/// Whose rules and mail are meant.
#[derive(clap::Args, Debug, Default, Clone)]
pub(super) struct ForUser {
    /// For this user of `mfilter lmtp`, by its settings
    #[arg(long, value_name = "ADDRESS")]
    pub(super) user: Option<String>,

    /// The settings of `mfilter lmtp` [default: /etc/mfilter/lmtp.conf]
    #[arg(long, value_name = "FILE", requires = "user")]
    pub(super) config: Option<PathBuf>,

    /// What root has found out about the user: name and home
    #[arg(long, value_names = ["NAME", "HOME"], num_args = 2, requires = "user", hide = true)]
    pub(super) account: Option<Vec<OsString>>,
}

impl ForUser {
    /// The user of the process, or the one that is named. Root becomes the owner of that
    /// user's files, and starts the command again.
    pub(super) fn user(&self) -> Result<User, String> {
        let Some(address) = &self.user else { return Ok(User::of_process()) };
        let file = self.config.as_deref().unwrap_or(Path::new(CONFIG));
        let settings = config::read(file, self.config.is_some()).map_err(|why| why.to_string())?;
        if let Some([name, home]) = self.account.as_deref() {
            let name = name.to_str().ok_or("the user's name is not UTF-8")?.to_owned();
            let uid = rustix::process::getuid().as_raw();
            let gid = rustix::process::getgid().as_raw();
            return user_of(&Account { name, home: home.into(), uid, gid }, &settings);
        }
        let account = find(address, &settings)?;
        let owner = owner(&account, &settings);
        if rustix::process::geteuid().is_root() {
            return Err(match owner.uid {
                0 => format!(
                    "no account except root is known to own the files of `{address}`: name the \
                     account that has all mail in {} (user-id)",
                    file.display()
                ),
                _ => become_owner(&account, owner),
            });
        }
        if owner.uid != rustix::process::geteuid().as_raw() {
            return Err(format!(
                "the files of `{address}` belong to uid {}: run this as root, or as that user",
                owner.uid
            ));
        }
        user_of(&account, &settings)
    }
}

/// The owner of an account's files.
fn owner(account: &Account, settings: &LmtpSettings) -> Identity {
    let own = Identity { uid: account.uid, gid: account.gid };
    settings.identity.filter(|_| !settings.own_uids).unwrap_or(own)
}

/// Starts the command again as the owner of the files. Returns only if that fails.
fn become_owner(account: &Account, owner: Identity) -> String {
    let found = ["--account".into(), account.name.clone().into(), account.home.clone().into()];
    let mut arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let end = arguments.iter().position(|word| word == "--").unwrap_or(arguments.len());
    arguments.splice(end..end, found);
    let environment = ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    let mut command = Command::new("/proc/self/exe");
    command.args(arguments).env_clear().envs(environment).env("HOME", &account.home);
    command.gid(owner.gid).uid(owner.uid);
    format!("cannot become uid {}: {}", owner.uid, command.exec())
}
