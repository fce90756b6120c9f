//! Users in a file in the format of Dovecot's `passwd-file`:
//! `name[@domain]:password:uid:gid:gecos:home:shell:extra fields`.
//!
//! Fields may be empty. The extra fields are `key=value`, separated by blanks; only
//! `userdb_home`, `userdb_uid` and `userdb_gid` count, and before the others. The file is
//! read again when it has changed; while it cannot be read, no user is reported as
//! unknown.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::{Account, Accounts, Recipient, Unavailable};
use crate::file::ANYWHERE;
use crate::lmtp::settings::Identity;
use crate::source::read_text;

/// How long after a change users may be missing who are still being written: a script may
/// write one line after the other.
const QUIET: Duration = Duration::from_secs(5);

/// What shows that the file has changed: inode, size, time of the last change.
type FileStamp = (u64, u64, i64, i64);
/// Accounts by name, or why a line cannot be used.
type Users = HashMap<String, Result<Account, &'static str>>;

/// A file of users.
#[derive(Debug)]
pub struct PasswdFile {
    file: PathBuf,
    /// Who owns the files of users whose line has no uid.
    owner: Identity,
    read: Mutex<Option<(FileStamp, Arc<Users>)>>,
}

impl PasswdFile {
    /// The users in `file`; `owner` owns the files of users whose line has no uid.
    pub fn new(file: &Path, owner: Identity) -> PasswdFile {
        PasswdFile { file: file.to_owned(), owner, read: Mutex::default() }
    }

    fn users(&self) -> Result<Arc<Users>, Unavailable> {
        let away = |error: &dyn std::fmt::Display| {
            Unavailable(format!("{}: {error}", self.file.display()))
        };
        let about = self.file.metadata().map_err(|error| away(&error))?;
        let stamp = (about.ino(), about.size(), about.ctime(), about.ctime_nsec());
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((then, users)) = &*read
            && *then == stamp
        {
            return Ok(users.clone());
        }
        let text = read_text(&ANYWHERE, &self.file).map_err(|error| away(&error))?;
        // With a file that is being written, users would be unknown and their mail would
        // bounce.
        if !text.ends_with('\n') {
            return Err(away(&"its last line has no line end; is the file being written?"));
        }
        let users = Arc::new(self.listed(&text));
        *read = Some((stamp, Arc::clone(&users)));
        Ok(users)
    }

    /// All users of a text. As for Dovecot, the first line with a name counts. A name that
    /// is not in lower case is also found in lower case, unless another line has that.
    fn listed(&self, text: &str) -> Users {
        let (mut users, mut in_lower_case) = (Users::new(), Users::new());
        let lines = text.trim_start_matches('\u{feff}').lines();
        for (name, account) in lines.filter_map(|line| self.entry(line)) {
            let name = match name.rsplit_once('@') {
                Some((local, domain)) => format!("{local}@{}", domain.to_ascii_lowercase()),
                None => name,
            };
            in_lower_case.entry(name.to_lowercase()).or_insert_with(|| account.clone());
            users.entry(name).or_insert(account);
        }
        for (name, account) in in_lower_case {
            users.entry(name).or_insert(account);
        }
        users
    }

    /// The users whose lines cannot be used, in order, each with the reason.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn unusable(&self) -> Result<Vec<(String, &'static str)>, Unavailable> {
        let users = self.users()?;
        let wrong = users
            .iter()
            .filter_map(|(name, account)| Some((name.to_lowercase(), *account.as_ref().err()?)));
        let wrong: BTreeMap<String, &'static str> = wrong.collect();
        Ok(wrong.into_iter().collect())
    }

    /// The name and the account of a line; none if it has no name.
    fn entry(&self, line: &str) -> Option<(String, Result<Account, &'static str>)> {
        let line = line.trim_end_matches('\r');
        if line.starts_with('#') {
            return None;
        }
        let mut fields = line.splitn(8, ':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let mut next = |skip: usize| fields.nth(skip).unwrap_or_default();
        let (mut uid, mut gid, mut home) = (next(1), next(0), next(1));
        let extra = next(1);
        for (key, value) in extra.split_ascii_whitespace().filter_map(|it| it.split_once('=')) {
            match key {
                "userdb_home" => home = value,
                "userdb_uid" => uid = value,
                "userdb_gid" => gid = value,
                _ => {}
            }
        }
        let number = |text: &str, otherwise| match text {
            "" => Some(otherwise),
            text => text.parse().ok(),
        };
        let ids = number(uid, self.owner.uid).zip(number(gid, self.owner.gid));
        let account = match ids {
            _ if !Path::new(home).is_absolute() => Err("it has no home"),
            None => Err("uid or gid is not a number"),
            Some((uid, gid)) => Ok(Account { name: name.to_owned(), home: home.into(), uid, gid }),
        };
        Some((name.to_owned(), account))
    }
}

impl Accounts for PasswdFile {
    fn find(&self, recipient: &Recipient) -> Result<Option<Account>, Unavailable> {
        let users = self.users()?;
        let domain = recipient.domain.to_ascii_lowercase();
        for local in recipient.spellings() {
            let whole = format!("{local}@{domain}");
            // `"hana@a.example"@b.example` is not hana@a.example.
            let alone = || users.get(&local).filter(|_| !local.contains('@'));
            let found = users.get(&whole).or_else(alone);
            match found {
                Some(Ok(account)) => return Ok(Some(account.clone())),
                Some(Err(why)) => {
                    let file = self.file.display();
                    return Err(Unavailable(format!("{file}: the line of {local}: {why}")));
                }
                None => {}
            }
        }
        Ok(None)
    }

    fn are_changing(&self) -> bool {
        let changed = self.file.metadata().and_then(|about| about.modified());
        let age = changed.map(|changed| SystemTime::now().duration_since(changed));
        // With a clock ahead of ours it was long ago, or nobody would ever be unknown.
        age.is_ok_and(|age| age.is_ok_and(|age| age < QUIET))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const OWNER: Identity = Identity { uid: 150, gid: 8 };

    const USERS: &str = "\u{feff}first@a.example:x:1:1::/m/first\n# users\n\
        taro@a.example:{PLAIN}x:2000:2001::/m/a/taro::\n\
        hana@a.example:{PLAIN}x::::/m/a/hana::userdb_mail=maildir:~/M userdb_uid=7 nopassword=y\n\
        jiro::::::\n\
        saki:x:::::: userdb_home=/m/saki\n\
        bad@a.example:x:y:1::/m/bad\n\
        :x:1:1::/m/none\n\
        Rei@B.Example:x:1:1::/m/rei\n\
        taro@a.example:x:7:7::/m/second\n\
        Aki@a.example:x:1:1::/m/Aki\n\
        aki@a.example:x:2:2::/m/aki\n\
        Yui@a.example:x:1:1::/m/Yui\n\
        YUI@a.example:x:2:2::/m/YUI\n\
        yUI@a.example:x:3:3::/m/yUI\n\
        short@a.example\r\n";

    fn recipient(local: &str, domain: &str) -> Recipient {
        Recipient::split(local, domain, "+")
    }

    #[test]
    fn users_of_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("users");
        fs::write(&file, USERS).unwrap();
        let users = PasswdFile::new(&file, OWNER);
        for (local, domain, home, uid, gid) in [
            ("taro", "a.example", "/m/a/taro", 2000, 2001),
            ("Taro+x", "A.Example", "/m/a/taro", 2000, 2001),
            ("hana", "a.example", "/m/a/hana", 7, 8),
            ("saki", "any.example", "/m/saki", 150, 8),
            ("first", "a.example", "/m/first", 1, 1),
            ("rei", "b.example", "/m/rei", 1, 1),
            ("Rei", "B.EXAMPLE", "/m/rei", 1, 1),
            ("Aki", "a.example", "/m/Aki", 1, 1),
            ("aki", "a.example", "/m/aki", 2, 2),
            ("AKI", "a.example", "/m/aki", 2, 2),
            ("YUI", "a.example", "/m/YUI", 2, 2),
            ("yui", "a.example", "/m/Yui", 1, 1),
        ] {
            let found = users.find(&recipient(local, domain)).unwrap().unwrap();
            assert_eq!((found.uid, found.gid), (uid, gid), "{local}");
            assert_eq!(found.home, Path::new(home));
        }
        for (local, domain) in [
            ("taro", "b.example"),
            ("taro@a.example", "b.example"),
            ("", "a.example"),
            ("# users", ""),
        ] {
            assert_eq!(users.find(&recipient(local, domain)), Ok(None), "{local}");
        }
        let wrong = users.unusable().unwrap();
        let wrong: Vec<&str> = wrong.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(wrong, ["bad@a.example", "jiro", "short@a.example"]);
        // A user whose line cannot be used exists all the same.
        for local in ["jiro", "bad", "short"] {
            assert!(users.find(&recipient(local, "a.example")).is_err(), "{local}");
        }
    }

    #[test]
    fn a_change_is_seen_and_a_missing_file_makes_no_user_unknown() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("users");
        let users = PasswdFile::new(&file, OWNER);
        assert!(users.find(&recipient("taro", "a.example")).is_err());
        fs::write(&file, USERS).unwrap();
        assert!(users.find(&recipient("taro", "a.example")).unwrap().is_some());
        fs::write(&file, "new@a.example::::::/m/new\n".replace("::::::", ":::::")).unwrap();
        assert!(users.find(&recipient("taro", "a.example")).unwrap().is_none());
        assert!(users.find(&recipient("new", "a.example")).unwrap().is_some());
        for half in ["", "new@a.example:::::/m/new\nta"] {
            fs::write(&file, half).unwrap();
            assert!(users.find(&recipient("taro", "a.example")).is_err(), "{half}");
        }
        fs::remove_file(&file).unwrap();
        assert!(users.find(&recipient("new", "a.example")).is_err());
    }

    #[test]
    fn whoever_is_not_in_a_new_file_may_soon_be() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("users");
        let users = PasswdFile::new(&file, OWNER);
        assert!(!users.are_changing());
        fs::write(&file, USERS).unwrap();
        assert!(users.are_changing());
        let written = fs::File::options().append(true).open(&file).unwrap();
        for at in [SystemTime::now() - QUIET, SystemTime::now() + 100 * QUIET] {
            written.set_modified(at).unwrap();
            assert!(!users.are_changing());
        }
    }
}
