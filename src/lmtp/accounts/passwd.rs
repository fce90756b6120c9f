//! The system's users: those in `/etc/passwd`, and for others what `getent passwd` finds
//! through the machine's name services.

use std::io::{self, Read, Seek};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use super::{Account, Accounts, Recipient, Unavailable, is_plain_name};
use crate::file::ANYWHERE;
use crate::lmtp::child::{self, wait_within};
use crate::platform::memory_file;
use crate::source::{read_bytes, read_text};

/// The largest file that is read, bytes.
const LARGEST: u64 = 64 << 20;
/// How long getent may take; its services have time limits of their own, and the MTA
/// waits for five minutes after RCPT (RFC 5321 §4.5.3.2.3).
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(60);
/// The exit status of getent(1) for a key that it does not find, and for one that it
/// could not look up because a service is not available.
const NOT_FOUND: i32 = 2;
/// Name services that are local to the machine, and so always available.
const LOCAL: [&str; 4] = ["files", "compat", "db", "systemd"];

/// The users of a file as passwd(5) describes it, and of the name services.
#[derive(Debug, Clone)]
pub struct Passwd {
    file: PathBuf,
    /// The program to ask for users that are not in the file; none to ask nothing.
    getent: Option<PathBuf>,
    /// The file that says which services getent asks: nsswitch.conf(5).
    services: PathBuf,
    timeout: Duration,
}

impl Passwd {
    /// The users of this machine.
    pub fn of_system() -> Passwd {
        Passwd {
            file: "/etc/passwd".into(),
            getent: Some("getent".into()),
            services: "/etc/nsswitch.conf".into(),
            timeout: LOOKUP_TIMEOUT,
        }
    }

    fn named(&self, name: &str) -> Result<Option<Account>, Unavailable> {
        let unread = |error: &dyn std::fmt::Display| {
            Unavailable(format!("{}: {error}", self.file.display()))
        };
        let users = read_bytes(&ANYWHERE, &self.file, LARGEST).map_err(|error| unread(&error))?;
        if let Some(account) = find_in(&users, name).map_err(|why| unread(&why))? {
            return Ok(Some(account));
        }
        let Some(getent) = &self.getent else { return Ok(None) };
        let mut command = Command::new(getent);
        command.args(["passwd", "--", name]).env_clear();
        command.env("PATH", crate::rules::check::PROGRAM_PATH);
        match printed_within(&mut command, self.timeout) {
            Ok((status, printed)) if status.success() => {
                find_in(&printed, name).map_err(|why| Unavailable(format!("getent: {why}")))
            }
            Ok((status, _)) if status.code() == Some(NOT_FOUND) => match self.remote_service()? {
                None => Ok(None),
                Some(service) => Err(Unavailable(format!(
                    "`{service}` does not know the name, or is unavailable; there is no way to \
                     tell which"
                ))),
            },
            Ok((status, _)) => Err(Unavailable(format!("getent passwd: {status}"))),
            // A system without getent has no other users.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Unavailable(format!("getent: {error}"))),
        }
    }

    /// A service that getent asks and that may not be available.
    fn remote_service(&self) -> Result<Option<String>, Unavailable> {
        match read_text(&ANYWHERE, &self.services) {
            Ok(text) => Ok(remote_service_in(&text)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(Unavailable(format!("{}: {error}", self.services.display()))),
        }
    }
}

/// The first service for users that is not local, in the text of nsswitch.conf(5).
fn remote_service_in(text: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix("passwd:"))?;
    let line = line.split('#').next().unwrap_or_default();
    // `[NOTFOUND=return]` is not a service.
    let mut services = line.split_ascii_whitespace().filter(|word| !word.contains(['[', '=', ']']));
    services.find(|service| !LOCAL.contains(service)).map(str::to_owned)
}

impl Accounts for Passwd {
    fn find(&self, recipient: &Recipient) -> Result<Option<Account>, Unavailable> {
        // A login name is a word; getent would read `-x` as an option and `1000` as a
        // uid.
        let is_name = |name: &str| {
            is_plain_name(name)
                && !name.starts_with(|c: char| c.is_ascii_digit() || "-+".contains(c))
                && !name.contains(':')
        };
        for name in recipient.spellings().filter(|name| is_name(name)) {
            if let Some(account) = self.named(&name)? {
                return Ok(Some(account));
            }
        }
        Ok(None)
    }
}

/// Runs a program; returns its status and output if it ends in time, and kills it
/// otherwise.
fn printed_within(command: &mut Command, time: Duration) -> io::Result<(ExitStatus, Vec<u8>)> {
    let mut output = memory_file().map_or_else(tempfile::tempfile, Ok)?;
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let Some(status) = wait_within(&mut child, time)? else {
        child::kill(child, Duration::ZERO);
        let why = format!("it did not end within {} s", time.as_secs());
        return Err(io::Error::new(io::ErrorKind::TimedOut, why));
    };
    output.rewind()?;
    let mut printed = Vec::new();
    output.take(LARGEST).read_to_end(&mut printed)?;
    Ok((status, printed))
}

/// A user from the lines of passwd(5): `name:password:uid:gid:gecos:home:shell`. An error
/// if the line cannot be used, since the user exists all the same.
fn find_in(users: &[u8], name: &str) -> Result<Option<Account>, String> {
    let mut lines = users.split(|byte| *byte == b'\n');
    let line = lines.find_map(|line| line.strip_prefix(name.as_bytes())?.strip_prefix(b":"));
    let Some(line) = line else { return Ok(None) };
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
    let account = || {
        let [_, uid, gid, _, home, ..] = fields.as_slice() else { return None };
        let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse().ok();
        let home = Path::new(std::ffi::OsStr::from_bytes(home));
        let (uid, gid) = (number(uid)?, number(gid)?);
        let home = home.is_absolute().then(|| home.to_owned())?;
        Some(Account { name: name.to_owned(), home, uid, gid })
    };
    match account() {
        Some(account) => Ok(Some(account)),
        None => Err(format!("the line of {name} has no uid, no gid or no home")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const USERS: &str = "root:x:0:0::/root:/bin/sh\n#c\n\ntaro:x:1000:100:T,,,:/home/taro:/bin/sh\n\
                         nohome:x:1:1::rel:\nbad:x:a:1::/x:\nshort:x:1\n";

    fn recipient(local: &str) -> Recipient {
        Recipient { local: local.into(), ..Recipient::default() }
    }

    fn passwd(directory: &Path, getent: Option<&str>) -> Passwd {
        fs::write(directory.join("passwd"), USERS).unwrap();
        let getent = getent.map(|script| {
            let path = directory.join("getent");
            fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            path
        });
        let services = directory.join("nsswitch.conf");
        Passwd { file: directory.join("passwd"), getent, services, timeout: LOOKUP_TIMEOUT }
    }

    #[test]
    fn users_of_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let users = passwd(directory.path(), None);
        let found = users.find(&recipient("Taro")).unwrap().unwrap();
        assert_eq!((found.name.as_str(), found.uid, found.gid), ("taro", 1000, 100));
        assert_eq!(found.home, Path::new("/home/taro"));
        for nobody in ["hana", "1000", "-x", "..", "a/b", "", "x:1000:100:", "#c"] {
            assert_eq!(users.find(&recipient(nobody)), Ok(None), "{nobody}");
        }
        for local in ["nohome", "bad", "short"] {
            assert!(users.find(&recipient(local)).is_err(), "{local} is there all the same");
        }
        fs::remove_file(directory.path().join("passwd")).unwrap();
        assert!(users.find(&recipient("taro")).is_err(), "a file that is away");
    }

    #[test]
    fn users_of_name_services() {
        let directory = tempfile::tempdir().unwrap();
        let ldap = "test \"$3\" = hana && echo 'hana:x:1001:100::/home/hana:/bin/sh' || exit 2";
        let users = passwd(directory.path(), Some(ldap));
        assert_eq!(users.find(&recipient("hana")).unwrap().unwrap().uid, 1001);
        assert_eq!(users.find(&recipient("jiro")), Ok(None));
        let services = directory.path().join("nsswitch.conf");
        for (line, is_told) in [
            ("passwd: files systemd", true),
            ("passwd:\tfiles [NOTFOUND=continue] sss # ldap", false),
            ("#passwd: ldap\nshadow: ldap\npasswd: compat", true),
        ] {
            fs::write(&services, format!("{line}\n")).unwrap();
            assert_eq!(users.find(&recipient("jiro")).is_ok(), is_told, "{line}");
            assert!(users.find(&recipient("hana")).unwrap().is_some(), "{line}");
        }
        fs::remove_file(&services).unwrap();
        fs::create_dir(&services).unwrap();
        assert!(users.find(&recipient("jiro")).is_err(), "nobody knows which services there are");
        let users = passwd(directory.path(), Some("exit 3"));
        assert!(users.find(&recipient("hana")).is_err(), "getent that fails knows nothing");
        assert!(users.find(&recipient("taro")).unwrap().is_some());
    }

    #[test]
    fn a_name_service_that_hangs_is_away() {
        let directory = tempfile::tempdir().unwrap();
        let timeout = Duration::from_millis(50);
        let users = Passwd { timeout, ..passwd(directory.path(), Some("exec sleep 60")) };
        let told = users.find(&recipient("hana")).unwrap_err().0;
        assert!(told.contains("did not end"), "{told}");
    }
}
