//! Machines of ours that have public addresses: `set relays`, and the names
//! of `set trust`.

use std::net::IpAddr;

use crate::message::domain;

/// One entry of `set relays`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Relay {
    /// An address, or a network in CIDR notation (RFC 4632, RFC 4291 §2.3).
    Network(IpAddr, u32),
    /// Exactly this name.
    Name(String),
    /// A name below this one; with its leading dot.
    Suffix(String),
}

/// All of our machines that have public addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Relays(Vec<Relay>);

impl Relays {
    /// Reads the entries of `set relays` and `set trust`. An entry that [`is_relay`]
    /// refuses, or one of `set trust` that is not a name, matches nothing.
    pub fn new(relays: &[String], trust: &[String]) -> Relays {
        // A name with a leading dot may be a provider's, with all its users.
        let exact = |relay: &Relay| matches!(relay, Relay::Name(_));
        let names = trust.iter().filter_map(|id| name(id)).filter(exact);
        Relays(relays.iter().filter_map(|text| parse(text)).chain(names).collect())
    }

    /// Whether the address is one of ours.
    pub fn has_address(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|relay| match relay {
            Relay::Network(network, length) => network_of(ip, *length) == Some(*network),
            _ => false,
        })
    }

    /// Whether the name is one of ours. The caller has checked that the client's
    /// address belongs to it.
    pub fn has_name(&self, host: &str) -> bool {
        let host = domain::canonical(host);
        self.0.iter().any(|relay| match relay {
            Relay::Network(..) => false,
            Relay::Name(name) => *name == host,
            Relay::Suffix(suffix) => host.len() > suffix.len() && host.ends_with(suffix.as_str()),
        })
    }
}

/// Whether an entry is valid in `set relays`: `192.0.2.1`, `192.0.2.0/24`,
/// `2001:db8::/32`, `mx.example.jp`, `.mx.example.jp`.
pub fn is_relay(text: &str) -> bool {
    parse(text).is_some()
}

fn parse(text: &str) -> Option<Relay> {
    let text = text.trim();
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    if let Ok(address) = address.parse::<IpAddr>() {
        let all = bits(address);
        let length = match length {
            Some(length) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
                length.parse().ok().filter(|length| *length <= all)?
            }
            Some(_) => return None,
            None => all,
        };
        // `::ffff:192.0.2.0/120` is a network of IPv4 addresses.
        let canonical = address.to_canonical();
        let length = length.checked_sub(all - bits(canonical))?;
        return Some(Relay::Network(network_of(canonical, length)?, length));
    }
    // `192.0.2.300` is not a host: no top-level domain is a number.
    let last = text.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let number = last.bytes().all(|byte| byte.is_ascii_digit());
    name(text).filter(|_| length.is_none() && !number)
}

fn name(text: &str) -> Option<Relay> {
    let text = text.trim();
    let plain = text.strip_prefix('.').unwrap_or(text);
    let letters = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if plain.trim_matches('.').is_empty() || plain.starts_with('.') || !plain.chars().all(letters) {
        return None;
    }
    let name = domain::canonical(plain).into_owned();
    Some(match plain.len() == text.len() {
        true => Relay::Name(name),
        false => Relay::Suffix(format!(".{name}")),
    })
}

fn bits(ip: IpAddr) -> u32 {
    if ip.is_ipv4() { 32 } else { 128 }
}

/// The address with all bits cleared but the first `length`.
fn network_of(ip: IpAddr, length: u32) -> Option<IpAddr> {
    let rest = bits(ip).checked_sub(length)?;
    Some(match ip {
        IpAddr::V4(ip) => {
            IpAddr::V4((u32::MAX.checked_shl(rest).unwrap_or(0) & u32::from(ip)).into())
        }
        IpAddr::V6(ip) => {
            IpAddr::V6((u128::MAX.checked_shl(rest).unwrap_or(0) & u128::from(ip)).into())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relays(entries: &[&str]) -> Relays {
        let entries: Vec<String> = entries.iter().map(|entry| (*entry).to_owned()).collect();
        let trust = ["id.example.jp", ".outlook.example", "no name; at all"];
        Relays::new(&entries, &trust.map(str::to_owned))
    }

    #[test]
    fn addresses() {
        let relays = relays(&["192.0.2.0/24", "198.51.100.7", "2001:db8:1::/48", "2001:db8::7"]);
        for ours in ["192.0.2.0", "192.0.2.255", "::ffff:192.0.2.9", "198.51.100.7"] {
            assert!(relays.has_address(ours.parse().expect("valid")), "{ours}");
        }
        for ours in ["2001:db8:1::", "2001:db8:1:ffff::1", "2001:db8::7"] {
            assert!(relays.has_address(ours.parse().expect("valid")), "{ours}");
        }
        for other in ["192.0.3.0", "198.51.100.8", "2001:db8:2::1", "2001:db8::8", "::c000:200"] {
            assert!(!relays.has_address(other.parse().expect("valid")), "{other}");
        }
        assert!(
            super::Relays::new(&["0.0.0.0/0".to_owned()], &[])
                .has_address("203.0.113.9".parse().expect("valid"))
        );
    }

    #[test]
    fn names() {
        let relays = relays(&["mx.example.jp", ".mx.example.jp", ".日本語.jp"]);
        for ours in ["MX.example.jp.", "a.mx.example.jp", "b.a.MX.example.jp", "id.example.jp"] {
            assert!(relays.has_name(ours), "{ours}");
        }
        assert!(relays.has_name("a.xn--wgv71a119e.jp"));
        for other in [
            "",
            "example.jp",
            "a.outlook.example",
            "evilmx.example.jp",
            "mx.example.jp.evil.example",
        ] {
            assert!(!relays.has_name(other), "{other}");
        }
    }

    #[test]
    fn what_can_be_given() {
        for text in ["192.0.2.0/0", "::/0", "::1", "192.0.2.1/32", ".example.jp", "localhost"] {
            assert!(is_relay(text), "{text}");
        }
        for text in [
            "",
            ".",
            "..",
            "..a.jp",
            "192.0.2.0/33",
            "::/129",
            "192.0.2.0/+8",
            "192.0.2.0/",
            "a b",
            "*.example.jp",
            "a.jp/8",
            "192.0.2.300",
            "taro@example.jp",
            "[192.0.2.1]",
        ] {
            assert!(!is_relay(text), "{text}");
        }
    }
}
