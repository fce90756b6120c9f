//! Users are directories: one exists when `DIR/{user}` does.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Account, Accounts, Recipient, Unavailable, filled_path};

/// A path with `{user}` and perhaps `{domain}` in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomeTemplate {
    path: String,
}

impl HomeTemplate {
    /// The users whose homes are given by a path with placeholders.
    pub fn new(path: &str) -> HomeTemplate {
        HomeTemplate { path: path.to_owned() }
    }

    /// The account with exactly these names.
    fn look(&self, user: &str, domain: &str) -> Result<Option<Account>, Unavailable> {
        let Some(home) = filled_path(&self.path, user, domain) else { return Ok(None) };
        let about = match home.metadata() {
            Ok(about) if about.is_dir() => about,
            Ok(_) => return Ok(None),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                return self.is_mounted(&home).map(|()| None);
            }
            Err(error) => return Err(Unavailable(format!("{}: {error}", home.display()))),
        };
        let has_domain = self.path.contains("{domain}");
        let name = if has_domain { format!("{user}@{domain}") } else { user.to_owned() };
        Ok(Some(Account { name, home, uid: about.uid(), gid: about.gid() }))
    }

    /// An error unless the directory above all homes has entries, and so has the one
    /// above this home if it exists. An empty one is probably a mount point with nothing
    /// mounted; then nothing is known about any user. So is the target of a link, for the
    /// home or on the way to it, that leads nowhere.
    fn is_mounted(&self, home: &Path) -> Result<(), Unavailable> {
        let fixed = self.path.split('{').next().unwrap_or_default();
        let root = fixed.rsplit_once('/').map_or("/", |(root, _)| root);
        let root = Path::new(if root.is_empty() { "/" } else { root });
        let below = home.ancestors().take_while(|path| *path != root);
        let link = below.filter(|path| path.is_symlink()).find(|path| !path.exists());
        if let Some(link) = link {
            let link = link.display();
            return Err(Unavailable(format!("{link} is a link to nothing; is it mounted?")));
        }
        for (directory, has_to_be) in [(Some(root), true), (home.parent(), false)] {
            let Some(directory) = directory else { continue };
            let shown = directory.display();
            match std::fs::read_dir(directory).map(|mut entries| entries.next().is_some()) {
                Ok(true) => {}
                Ok(false) => {
                    return Err(Unavailable(format!("{shown} is empty; is it mounted?")));
                }
                Err(error) if !has_to_be && error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(Unavailable(format!("{shown}: {error}"))),
            }
        }
        Ok(())
    }
}

impl Accounts for HomeTemplate {
    fn find(&self, recipient: &Recipient) -> Result<Option<Account>, Unavailable> {
        let domain = recipient.domain.to_ascii_lowercase();
        for local in recipient.spellings() {
            if let Some(account) = self.look(&local, &domain)? {
                return Ok(Some(account));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn recipient(local: &str, domain: &str) -> Recipient {
        Recipient::split(local, domain, "+")
    }

    #[test]
    fn a_user_exists_when_the_directory_does() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        fs::create_dir_all(path("a.example/taro")).unwrap();
        fs::write(path("a.example/file"), "").unwrap();
        let template = HomeTemplate::new(&format!("{}/{{domain}}/{{user}}", root.path().display()));
        let found = template.find(&recipient("Taro+x", "A.example")).unwrap().unwrap();
        assert_eq!(found.home, path("a.example/taro"));
        assert_eq!(found.name, "taro@a.example");
        assert_eq!(found.uid, rustix::process::geteuid().as_raw());
        for (local, domain) in [
            ("hana", "a.example"),
            ("taro", "b.example"),
            ("file", "a.example"),
            ("..", "a.example"),
            ("..", ".."),
            ("taro/../taro", "a.example"),
            ("", "a.example"),
            ("taro", ""),
            ("a.example/taro", "."),
            ("{domain}", "taro"),
            (&"x".repeat(300), "a.example"),
        ] {
            assert_eq!(template.find(&recipient(local, domain)), Ok(None), "{local}@{domain}");
        }
    }

    #[test]
    fn homes_that_are_not_mounted_are_no_unknown_users() {
        let root = tempfile::tempdir().unwrap();
        for path in [root.path().join("gone"), root.path().to_owned()] {
            let template = HomeTemplate::new(&format!("{}/{{user}}", path.display()));
            assert!(template.find(&recipient("taro", "")).is_err(), "{}", path.display());
        }
        fs::create_dir_all(root.path().join("m/a.example/taro")).unwrap();
        fs::create_dir_all(root.path().join("m/b.example")).unwrap();
        let template =
            HomeTemplate::new(&format!("{}/m/{{domain}}/{{user}}", root.path().display()));
        assert!(template.find(&recipient("taro", "b.example")).is_err(), "one domain's");
        assert_eq!(template.find(&recipient("taro", "c.example")), Ok(None));
        for link in ["a.example/hana", "d.example"] {
            symlink("/nonexistent/disk", root.path().join("m").join(link)).unwrap();
        }
        for (local, domain) in [("hana", "a.example"), ("Hana", "a.example"), ("jiro", "d.example")]
        {
            assert!(template.find(&recipient(local, domain)).is_err(), "{local}@{domain}");
        }
        assert_eq!(template.find(&recipient("jiro", "a.example")), Ok(None));
    }
}
