//! Who has mail here: a recipient's address is looked up while the client waits for the
//! answer to RCPT.

mod dovecot;
mod passwd;
mod passwd_file;
mod template;

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::settings::Identity;
use super::settings::UserSource;
use crate::message::address::Address;
use crate::message::{domain, path};
pub use dovecot::Dovecot;
pub use passwd::Passwd;
pub use passwd_file::PasswdFile;
pub use template::HomeTemplate;

/// An envelope recipient (RFC 5321 forward-path), unquoted and split.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recipient {
    /// The local part without its detail.
    pub local: String,
    /// What follows the delimiter, RFC 5233.
    pub detail: Option<String>,
    /// The domain; empty if there is none.
    pub domain: String,
}

impl Recipient {
    /// Splits a local part at the first delimiter that has something before it.
    pub fn split(local: &str, domain: &str, delimiters: &str) -> Recipient {
        let at = local.char_indices().skip(1).find(|(_, c)| delimiters.contains(*c));
        let (local, detail) = match at {
            Some((at, c)) => (
                local.get(..at).unwrap_or_default(),
                local.get(at + c.len_utf8()..).map(str::to_owned),
            ),
            None => (local, None),
        };
        Recipient { local: local.to_owned(), detail, domain: domain.to_owned() }
    }

    /// Its address, without a detail.
    pub fn address(&self) -> String {
        match self.domain.as_str() {
            "" => self.local.clone(),
            domain => format!("{}@{domain}", self.local),
        }
    }

    /// The same as a forward-path.
    pub fn path(&self) -> String {
        let Recipient { local, domain, .. } = self.clone();
        path::of(&Address { name: None, local, domain })
    }

    /// The local part as it was written, and in lower case if that is another one: senders
    /// do not always keep the case (RFC 5321 §2.4).
    pub fn spellings(&self) -> impl Iterator<Item = String> {
        let lower = Some(self.local.to_lowercase()).filter(|lower| *lower != self.local);
        std::iter::once(self.local.clone()).chain(lower)
    }

    /// The recipient of an address, as far as somebody is known, with what `find` returns:
    /// without its detail, or, if nobody is known by that, with all of its local part,
    /// since names may have a delimiter in them: `jean-luc`. A domain that is not ASCII
    /// may be known in Unicode or in punycode, and senders write both (RFC 6531 §3.7.1).
    ///
    /// # Errors
    /// Those of `find`.
    pub fn known<A>(
        (local, domain): (&str, &str),
        delimiters: &str,
        find: impl Fn(&Recipient) -> Result<Option<A>, Unavailable>,
    ) -> Result<Option<(Recipient, A)>, Unavailable> {
        for domain in domain::spellings(domain) {
            let split = Recipient::split(local, &domain, delimiters);
            let whole = Recipient::split(local, &domain, "");
            for recipient in [split, whole] {
                if let Some(account) = find(&recipient)? {
                    return Ok(Some((recipient, account)));
                }
                if recipient.detail.is_none() {
                    break;
                }
            }
        }
        Ok(None)
    }
}

/// A user who has mail here.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The login name.
    pub name: String,
    /// Where rules, state and Maildir are. An account has one home, and a home has one
    /// account.
    pub home: PathBuf,
    /// The owner of the files.
    pub uid: u32,
    /// Their group.
    pub gid: u32,
}

/// Why the users cannot be looked up at the moment, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable(pub String);

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unavailable {}

/// Looks up users. Called by many threads at once.
pub trait Accounts: Send + Sync {
    /// The account of a recipient; none if there is no such user.
    ///
    /// # Errors
    /// It cannot be found out at the moment, so the client has to try again.
    fn find(&self, recipient: &Recipient) -> Result<Option<Account>, Unavailable>;

    /// Whether the list of users has just changed, so that it may not be complete yet.
    fn are_changing(&self) -> bool {
        false
    }
}

/// The accounts of a source. Users for whom the source gives no uid have the uid of this
/// process.
///
/// # Errors
/// Why they cannot be used.
pub fn open(source: &UserSource) -> Result<Box<dyn Accounts>, String> {
    let owner = Identity::of_process();
    match source {
        UserSource::Template(path) => Ok(Box::new(HomeTemplate::new(path))),
        UserSource::Passwd => Ok(Box::new(Passwd::of_system())),
        UserSource::Dovecot(path) => Ok(Box::new(Dovecot::new(path, owner))),
        UserSource::PasswdFile(path) => Ok(Box::new(PasswdFile::new(path, owner))),
    }
}

/// A path with `{user}` and `{domain}` in it, filled in; none if a name that it asks for
/// cannot be part of a path.
pub fn filled_path(template: &str, user: &str, domain: &str) -> Option<PathBuf> {
    let fits = |part: &str, name: &str| !template.contains(part) || is_plain_name(name);
    if !fits("{user}", user) || !fits("{domain}", domain) {
        return None;
    }
    // Both in one pass, so that no name is taken for a placeholder.
    let parts = template.split("{user}").map(|part| part.replace("{domain}", domain));
    Some(parts.collect::<Vec<_>>().join(user).into())
}

/// Whether a name can be part of a path: it is a single name, and not one that `ls`
/// hides.
pub fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && !name.starts_with('.')
        && !name.contains(|c: char| c == '/' || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_have_a_delimiter_in_it() {
        let known = |local: &str| {
            let find = |to: &Recipient| match &*to.local {
                "away" => Err(Unavailable("away".into())),
                name => Ok(["jean-luc", "jean-x+y", "taro"].contains(&name).then_some(())),
            };
            let found = Recipient::known((local, "x.example"), "+-", find);
            found.map(|found| found.map(|(to, ())| (to.local, to.detail)))
        };
        let found = |local: &str, detail: Option<&str>| {
            Ok(Some((local.to_owned(), detail.map(str::to_owned))))
        };
        assert_eq!(known("taro-shop"), found("taro", Some("shop")));
        assert_eq!(known("jean-luc"), found("jean-luc", None));
        assert_eq!(known("jean-x+y"), found("jean-x+y", None));
        assert_eq!(known("hana-x"), Ok(None));
        assert!(known("away-x").is_err());
    }

    /// A client that says SMTPUTF8 writes the domain as people do, others in punycode.
    #[test]
    fn a_domain_is_known_in_either_spelling() {
        for (known, written) in [
            ("日本語.jp", "xn--wgv71a119e.jp"),
            ("xn--wgv71a119e.jp", "日本語.jp"),
            ("xn--wgv71a119e.jp", "日本語.JP"),
            ("日本語.jp", "日本語.jp"),
        ] {
            let find =
                |to: &Recipient| Ok((to.domain == known && to.local == "jean-luc").then_some(()));
            let found = Recipient::known(("jean-luc", written), "+-", find).unwrap();
            let (to, ()) = found.expect(written);
            assert_eq!((to.detail, &*to.domain), (None, known));
        }
        let nobody = |_: &Recipient| Ok::<Option<()>, Unavailable>(None);
        assert_eq!(Recipient::known(("a", "日本語.jp"), "+", nobody), Ok(None));
    }

    #[test]
    fn an_address_has_a_domain_only_if_there_is_one() {
        let address = |local, domain| Recipient::split(local, domain, "").address();
        assert_eq!(address("Hana", "x.example"), "Hana@x.example");
        assert_eq!(address("Hana", ""), "Hana");
        let spellings = |local| Recipient::split(local, "", "").spellings().collect::<Vec<_>>();
        assert_eq!(spellings("Hana"), ["Hana", "hana"]);
        assert_eq!(spellings("hana"), ["hana"]);
    }

    #[test]
    fn the_detail_follows_the_first_delimiter() {
        for (local, delimiters, wanted) in [
            ("taro+shop", "+", ("taro", Some("shop"))),
            ("taro+a+b", "+", ("taro", Some("a+b"))),
            ("taro+", "+", ("taro", Some(""))),
            ("taro-shop+x", "+-", ("taro", Some("shop+x"))),
            ("+shop", "+", ("+shop", None)),
            ("taro+shop", "", ("taro+shop", None)),
            ("花子+店", "+", ("花子", Some("店"))),
            ("", "+", ("", None)),
        ] {
            let found = Recipient::split(local, "x.example", delimiters);
            assert_eq!((found.local.as_str(), found.detail.as_deref()), wanted, "{local}");
        }
    }
}
