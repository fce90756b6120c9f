//! How a store is named: `lmtp:unix:PATH` or `lmtp:HOST:PORT`, and after commas its
//! particular options; `imap:unix:PATH` or `imap:HOST:PORT`, where the server itself says
//! how it names things.
//!
//! ```text
//! lmtp:unix:/run/dovecot/lmtp-mfilter
//! lmtp:127.0.0.1:24,separator=.,prefix=INBOX.
//! imap:127.0.0.1:143
//! ```

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// Where a store is, and which protocol it speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreAddress {
    /// By LMTP.
    Lmtp(LmtpAddress),
    /// By IMAP.
    Imap(ImapAddress),
}

impl StoreAddress {
    /// Where it listens.
    pub fn place(&self) -> &StorePlace {
        match self {
            StoreAddress::Lmtp(address) => &address.place,
            StoreAddress::Imap(address) => &address.place,
        }
    }
}

impl fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self {
            StoreAddress::Lmtp(_) => "lmtp",
            StoreAddress::Imap(_) => "imap",
        };
        write!(f, "{protocol}:{}", self.place())
    }
}

/// Where a store is that speaks IMAP, and as whom we log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImapAddress {
    /// Where it listens.
    pub place: StorePlace,
    /// The account that logs in, for every user.
    pub login: String,
    /// The file with the password, which is read for each login.
    pub password_file: PathBuf,
}

/// Where a store is that speaks LMTP, and how it names things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LmtpAddress {
    /// Where it listens.
    pub place: StorePlace,
    /// Separates the levels of a folder's name.
    pub separator: char,
    /// Comes before the name of every folder except the inbox.
    pub prefix: String,
    /// Separates user and detail in an address.
    pub delimiter: char,
}

/// Where a store listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorePlace {
    /// A socket in the file system.
    Unix(PathBuf),
    /// An address and a port. No host names: a statically linked program has no reliable
    /// resolver to look them up.
    Tcp(SocketAddr),
}

impl fmt::Display for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StorePlace::Unix(path) => write!(f, "unix:{}", path.display()),
            StorePlace::Tcp(address) => address.fmt(f),
        }
    }
}

/// What is wrong with a store's name, in words that follow "the store `…`".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadStore(String);

impl fmt::Display for BadStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadStore {}

fn bad<T>(why: impl Into<String>) -> Result<T, BadStore> {
    Err(BadStore(why.into()))
}

impl FromStr for LmtpAddress {
    type Err = BadStore;

    fn from_str(text: &str) -> Result<LmtpAddress, BadStore> {
        let Some(rest) = text.strip_prefix("lmtp:") else {
            return bad("a store is `lmtp:unix:PATH` or `lmtp:HOST:PORT`");
        };
        let mut parts = rest.split(',');
        let place = parts.next().unwrap_or_default().parse()?;
        let mut address =
            LmtpAddress { place, separator: '/', prefix: String::new(), delimiter: '+' };
        for part in parts {
            let sign = |value: &str| match value.as_bytes() {
                [sign] if sign.is_ascii_punctuation() => Ok(char::from(*sign)),
                _ => bad(format!("`{part}`: it takes one sign such as `/`")),
            };
            match part.split_once('=') {
                Some(("separator", value)) => address.separator = sign(value)?,
                Some(("delimiter", value)) => address.delimiter = sign(value)?,
                Some(("prefix", value)) if !value.contains(char::is_control) => {
                    value.clone_into(&mut address.prefix);
                }
                _ => {
                    return bad(format!(
                        "`{part}`: there are `separator=`, `prefix=` and `delimiter=`"
                    ));
                }
            }
        }
        Ok(address)
    }
}

impl StorePlace {
    /// The place of a store that speaks IMAP, `imap:unix:PATH` or `imap:HOST:PORT`: only
    /// on this machine, because a password is sent there and nothing is encrypted.
    ///
    /// # Errors
    /// It is not such a name.
    pub fn of_imap(text: &str) -> Result<StorePlace, BadStore> {
        let Some(rest) = text.strip_prefix("imap:") else {
            return bad("a store is `imap:unix:PATH` or `imap:HOST:PORT`");
        };
        match rest.parse()? {
            StorePlace::Tcp(address) if !is_loopback(address.ip()) => bad(format!(
                "{} can be reached from other machines, and the password is sent unencrypted: \
                 `imap:127.0.0.1:143`, `imap:[::1]:143` or `imap:unix:PATH`",
                address.ip()
            )),
            place => Ok(place),
        }
    }
}

/// Whether an address belongs to this machine alone.
pub fn is_loopback(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback(),
        IpAddr::V6(address) => {
            address.is_loopback() || address.to_ipv4_mapped().is_some_and(|it| it.is_loopback())
        }
    }
}

impl FromStr for StorePlace {
    type Err = BadStore;

    fn from_str(text: &str) -> Result<StorePlace, BadStore> {
        if let Some(path) = text.strip_prefix("unix:") {
            // sockaddr_un, unix(7).
            return match path.starts_with('/') && path.len() < 108 && !path.contains('\0') {
                true => Ok(StorePlace::Unix(path.into())),
                false => bad("`unix:` takes an absolute path of at most 107 bytes"),
            };
        }
        let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
        let address = match local {
            Some(port) => Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
            None => text.parse().ok(),
        };
        match address.filter(|address| address.port() > 0) {
            Some(address) => Ok(StorePlace::Tcp(address)),
            None => bad("a store is at `unix:PATH` or `HOST:PORT`, where HOST is an IP address"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_a_place_and_what_is_particular_about_it() {
        let parse = |text: &str| text.parse::<LmtpAddress>();
        let plain = parse("lmtp:unix:/run/dovecot/lmtp").unwrap();
        assert_eq!(plain.place, StorePlace::Unix("/run/dovecot/lmtp".into()));
        assert_eq!((plain.separator, plain.prefix.as_str(), plain.delimiter), ('/', "", '+'));
        let other = parse("lmtp:[::1]:24,separator=.,prefix=INBOX.,delimiter=-").unwrap();
        assert_eq!(other.place, StorePlace::Tcp("[::1]:24".parse().unwrap()));
        assert_eq!((other.separator, other.prefix.as_str(), other.delimiter), ('.', "INBOX.", '-'));
        let local = parse("lmtp:localhost:24").unwrap();
        assert_eq!(local.place, StorePlace::Tcp("127.0.0.1:24".parse().unwrap()));
        for (text, why) in [
            ("", "a store is"),
            ("maildir", "a store is"),
            ("lmtp:", "a store is"),
            ("lmtp:host", "a store is"),
            ("lmtp::24", "a store is"),
            ("lmtp:mail.example:24", "a store is"),
            ("lmtp:127.0.0.1:0", "a store is"),
            ("lmtp:localhost:99999", "a store is"),
            ("lmtp:unix:run", "`unix:` takes"),
            ("lmtp:unix:/a,separator=ab", "`separator=ab`: it takes one sign such as `/`"),
            ("lmtp:unix:/a,separator=あ", "`separator=あ`: it takes one sign such as `/`"),
            ("lmtp:unix:/a,user=x", "`user=x`: there are"),
            ("lmtp:unix:/a,", "``: there are"),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.starts_with(why), "{text}: {message}");
        }
    }

    #[test]
    fn a_password_never_leaves_this_machine() {
        for (text, why) in [
            ("imap:unix:/run/imap", ""),
            ("imap:127.0.0.1:143", ""),
            ("imap:localhost:143", ""),
            ("imap:[::1]:143", ""),
            ("imap:192.0.2.1:143", "192.0.2.1 can be reached from other machines"),
            ("imap:0.0.0.0:143", "0.0.0.0 can be reached from other machines"),
            ("imap:mail.example:143", "a store is at"),
            ("imap:unix:x", "`unix:` takes"),
            ("imap:127.0.0.1:143,prefix=x", "a store is at"),
            ("lmtp:127.0.0.1:143", "a store is `imap:"),
        ] {
            let message = StorePlace::of_imap(text).err().map(|why| why.to_string());
            let message = message.unwrap_or_default();
            assert!(
                message.starts_with(why) && message.is_empty() == why.is_empty(),
                "{text}: {message}"
            );
        }
    }
}
