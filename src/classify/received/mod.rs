//! Received lines: who handed a message to whom, and where our own lines end.
//!
//! RFC 5321 §4.4 defines the line's clauses (`from`, `by`, `via`, `with`, `id`,
//! `for`), each MTA its own comments; [`line`](mod@line) reads one line.
//!
//! # Which lines are ours
//! Each hop writes its line above the others. The topmost line is our own
//! machine's. As long as a line says that the message came from a machine of
//! ours, from a program on this machine, or was fetched by us, the next line
//! was written by one of ours too. The first one that took the message from
//! anywhere else is the *border*: still ours, and the last to be believed.
//! Everything below it may be the sender's invention.
//!
//! Our machines are those that have private or loopback addresses, hand over by
//! LMTP (RFC 2033 §5: not for wide area networks) or are named by `set relays`;
//! and those with a reverse name that leads back to them and is the name of the
//! host that wrote the line, or one of `set trust`.

mod address_comment;
pub mod line;
pub mod relays;
mod tokens;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use self::line::{ReceivedLine, parse};
use self::relays::Relays;
use crate::ascii_case;
use crate::message::domain;
use crate::message::head::{Head, Header};

/// Further lines are not read; MTAs regard that many hops as a loop (RFC 5321 §6.3).
const MOST_LINES: usize = 1000;

/// Our lines, as far down as they go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TraceLines {
    /// From the topmost line down to the border, or to the last one.
    pub ours: Vec<ReceivedLine>,
    /// Whether the last of `ours` took the message from outside. Without a
    /// border, all lines are ours.
    pub has_border: bool,
    /// Offset in the header block where the border line starts.
    pub border_start: Option<usize>,
    /// Offset where the Received line below the border starts, if there is one.
    pub below_border: Option<usize>,
}

impl TraceLines {
    /// Reads the Received lines of a header block, no further than the border.
    pub fn of(head: &Head, relays: &Relays) -> TraceLines {
        let mut trace_lines = TraceLines::default();
        let mut lines = head.named("received");
        for line in lines.by_ref().take(MOST_LINES) {
            let received = parse(line.value);
            let outside = !received.is_from_inside(relays);
            trace_lines.ours.push(received);
            if outside {
                trace_lines.has_border = true;
                trace_lines.border_start = Some(line.range.start);
                break;
            }
        }
        trace_lines.below_border = lines.next().map(|line| line.range.start);
        trace_lines
    }

    /// The line that took the message from outside.
    pub fn border(&self) -> Option<&ReceivedLine> {
        self.ours.last().filter(|_| self.has_border)
    }

    /// The line by which the message reached our machines: the border, or the
    /// lowest line if all are ours.
    pub fn entry(&self) -> Option<&ReceivedLine> {
        self.ours.last()
    }

    /// Whether one of our programs fetched the message from a mailbox: the lines
    /// below it are about another provider's users.
    pub fn was_fetched(&self) -> bool {
        self.ours.iter().any(|received| received.fetched)
    }
}

/// The topmost line, if a program wrote it that fetches mail: when it last did so.
pub fn fetch_line(head: &Head) -> Option<Header<'_>> {
    head.named("received").next().filter(|line| parse(line.value).fetched)
}

impl ReceivedLine {
    /// Whether the machine that handed over is ours too, so that it wrote the
    /// line below. It is not if the line has a client but no address: that may
    /// have been anybody. Nor is it if the line can be read in two ways.
    fn is_from_inside(&self, relays: &Relays) -> bool {
        if self.ambiguous {
            return false;
        }
        if self.local || self.fetched || self.is_lmtp() {
            return true;
        }
        match self.ip {
            Some(_) if self.addresses_differ => false,
            Some(ip) => is_inside(ip) || relays.has_address(ip) || self.is_named_ours(relays),
            // Some servers do not report the addresses of those who log in.
            None => !self.authenticated && !self.from_client,
        }
    }

    /// Whether the client's name, which leads back to its address, is one of ours.
    fn is_named_ours(&self, relays: &Relays) -> bool {
        let Some(host) = self.host.as_deref().filter(|_| self.host_checked) else { return false };
        let by = self.by.as_deref().unwrap_or_default();
        domain::canonical(host) == domain::canonical(by) || relays.has_name(host)
    }

    fn is_lmtp(&self) -> bool {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        ascii_case::starts_with(protocol, "lmtp")
            || protocol.eq_ignore_ascii_case("utf8lmtp")
            || protocol.eq_ignore_ascii_case("utf8lmtps")
    }
}

/// Private, shared, link-local and loopback addresses: RFC 1918, 4193, 6598,
/// 3927, 4291.
pub fn is_inside(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => is_inside_v4(ip),
        IpAddr::V6(ip) => {
            let first = ip.segments()[0];
            ip.is_loopback()
                || ip.is_unspecified()
                || first & 0xfe00 == 0xfc00
                || first & 0xffc0 == 0xfe80
        }
    }
}

fn is_inside_v4(ip: Ipv4Addr) -> bool {
    let [first, second, ..] = ip.octets();
    ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_unspecified()
        || (first == 100 && second & 0xc0 == 64)
}

/// An address as Received lines write it: bare, in brackets, with `IPv6:`, a
/// zone or a port.
pub fn parse_ip(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_end_matches([',', ';']);
    let text = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => text.strip_suffix(']').unwrap_or(text),
    };
    let text = match text.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("ipv6:") => &text[5..],
        _ => text,
    };
    let text = text.split_once('%').map_or(text, |(address, _)| address);
    if let Ok(ip) = text.parse::<Ipv6Addr>() {
        return Some(IpAddr::V6(ip).to_canonical());
    }
    text.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
}
