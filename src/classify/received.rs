//! Received lines: who handed a message to whom, and where our own lines end.
//!
//! RFC 5321 §4.4 gives the line its clauses (`from`, `by`, `via`, `with`,
//! `id`, `for`), each MTA its own comments. What a line says about the client
//! is taken from where the MTAs in use write what they know themselves, never
//! from what the client said of itself (its HELO).
//!
//! # Which lines are ours
//! Each hop writes above the others. The topmost line is our own machine's;
//! as long as a line says that the message came from a private or loopback
//! address, from a program on this machine, or was fetched by us, the next
//! line was written by one of ours too. The first one that took the message
//! from anywhere else is the *border*: still ours, and the last to be
//! believed. All below it may be the sender's invention.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::classify::cfws::{Piece, pieces};
use crate::message::head::{Head, unfold};

/// Longest Received line that is read, in bytes; the rest is left out.
const LONGEST_LINE: usize = 8192;

/// More lines are not read; MTAs take so many hops for a loop (RFC 5321 §6.3).
const MOST_LINES: usize = 1000;

/// What one Received line says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Received {
    /// What the client called itself.
    pub helo: Option<String>,
    /// The client's reverse name as the MTA looked it up; `None` where it
    /// found none, or one that does not lead back to the address.
    pub host: Option<String>,
    /// The client's address.
    pub ip: Option<IpAddr>,
    /// The host that wrote the line.
    pub by: Option<String>,
    /// The first word behind `with`, as written: `ESMTPS`, `LMTP`, …
    pub protocol: Option<String>,
    /// Queue id.
    pub id: Option<String>,
    /// The recipient that `for` names.
    pub recipient: Option<String>,
    /// The client had logged in (RFC 3848's `ESMTPA` and `ESMTPSA`, or a comment).
    pub authenticated: bool,
    /// Made by a program on the machine that wrote the line: no network client.
    pub local: bool,
    /// Fetched by POP or IMAP from the server that the line names.
    pub fetched: bool,
    /// There is a `from` clause.
    pub from_client: bool,
}

/// Our lines, as far down as they go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trail {
    /// From the topmost line down to the border, or to the last one.
    pub ours: Vec<Received>,
    /// Whether the last of `ours` took the message from outside. Without a
    /// border, all lines are ours.
    pub has_border: bool,
    /// Offset in the header block where the border line starts.
    pub border_start: Option<usize>,
    /// Offset where the Received line below the border starts, if there is one.
    pub below_border: Option<usize>,
}

impl Trail {
    /// Reads the Received lines of a header block, no further than the border.
    pub fn of(head: &Head) -> Trail {
        let mut trail = Trail::default();
        let mut lines = head.named("received");
        for line in lines.by_ref().take(MOST_LINES) {
            let received = parse(line.value);
            let outside = !received.from_inside();
            trail.ours.push(received);
            if outside {
                trail.has_border = true;
                trail.border_start = Some(line.range.start);
                break;
            }
        }
        trail.below_border = lines.next().map(|line| line.range.start);
        trail
    }

    /// The line that took the message from outside.
    pub fn border(&self) -> Option<&Received> {
        self.ours.last().filter(|_| self.has_border)
    }

    /// The line by which the message came to our machines: the border, or the
    /// lowest line where all are ours.
    pub fn entry(&self) -> Option<&Received> {
        self.ours.last()
    }

    /// Whether one of our programs fetched the message from a mailbox: lines
    /// below it speak of another provider's users.
    pub fn was_fetched(&self) -> bool {
        self.ours.iter().any(|received| received.fetched)
    }
}

impl Received {
    /// Whether the machine that handed over is ours too, so that the line
    /// below is its own. A line with a client but no address is not: it may
    /// have been anybody.
    pub fn from_inside(&self) -> bool {
        if self.local || self.fetched {
            return true;
        }
        match self.ip {
            Some(ip) => is_inside(ip),
            // Some servers do not tell where those who log in are.
            None if self.authenticated => false,
            None => !self.from_client || self.is_lmtp(),
        }
    }

    fn is_lmtp(&self) -> bool {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        protocol.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("lmtp"))
            || protocol.eq_ignore_ascii_case("utf8lmtp")
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

/// The clause of a line that a word belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clause {
    None,
    From,
    By,
    With,
    Id,
    For,
    Other,
}

/// Reads one raw value.
pub fn parse(value: &[u8]) -> Received {
    let value = unfold(&value[..value.len().min(LONGEST_LINE)]);
    let text = String::from_utf8_lossy(&value);
    let mut reader = Reader::default();
    for piece in pieces(&text) {
        match piece {
            Piece::Word(";") => reader.dated = true,
            Piece::Word(word) => reader.word(word),
            Piece::Comment(comment) => reader.comment(comment),
        }
    }
    reader.finish()
}

/// What is known of a line while it is read.
#[derive(Default)]
struct Reader {
    found: Received,
    clause: Option<Clause>,
    /// `from`'s first word.
    name: Option<String>,
    /// An address literal outside of comments.
    literal: Option<IpAddr>,
    /// The client's address and name stood in a comment.
    known: bool,
    helo: Option<String>,
    is_exim: bool,
    /// `(192.0.2.1)`, without brackets
    bare_ip: bool,
    by_comment: bool,
    /// Behind the semicolon stands the date.
    dated: bool,
    words_of_clause: usize,
}

impl Reader {
    fn clause(&self) -> Clause {
        self.clause.unwrap_or(Clause::None)
    }

    fn word(&mut self, word: &str) {
        if self.dated {
            return;
        }
        // The client may well call itself `by`.
        let is_name = self.clause() == Clause::From && self.words_of_clause == 0;
        if let Some(clause) = keyword(word).filter(|_| !is_name) {
            self.clause = Some(clause);
            self.words_of_clause = 0;
            self.found.from_client |= clause == Clause::From;
            return;
        }
        self.words_of_clause += 1;
        let first = self.words_of_clause == 1;
        match self.clause() {
            Clause::From => {
                if self.name.is_none() {
                    self.name = Some(word.to_owned());
                }
                if self.literal.is_none() && word.starts_with('[') {
                    self.literal = parse_ip(word);
                    self.found.local |= is_socket(word);
                }
            }
            Clause::By if first => set(&mut self.found.by, host_name(word)),
            Clause::With if first => self.protocol(word),
            Clause::Id if first => set(&mut self.found.id, word.trim_matches(['<', '>'])),
            Clause::For if first => {
                set(&mut self.found.recipient, word.trim_matches(['<', '>']));
            }
            _ => {}
        }
        if word.eq_ignore_ascii_case("auth=yes") {
            // OpenSMTPD
            self.found.authenticated = true;
        }
    }

    fn protocol(&mut self, word: &str) {
        if self.found.protocol.is_some() {
            return;
        }
        self.found.protocol = Some(word.to_owned());
        let word = word.trim_end_matches([';', ',']).to_ascii_uppercase();
        match word.as_str() {
            // RFC 3848, RFC 6531 §4.3; Exim's `asmtp` of old; `mapi` is
            // Exchange's own mailbox protocol. LMTPA is one server's login to
            // another.
            "ESMTPA" | "ESMTPSA" | "SMTPSA" | "SMTPA" | "UTF8SMTPA" | "UTF8SMTPSA" | "ASMTP"
            | "MAPI" => self.found.authenticated = true,
            // Exim
            "LOCAL" | "LOCAL-SMTP" | "LOCAL-BSMTP" | "LOCAL-ESMTP" => self.found.local = true,
            "IMAP" | "IMAPS" | "IMAP4" | "IMAP4-SSL" | "POP3" | "POP3S" | "POP3-SSL" | "POP2"
            | "APOP" | "KPOP" | "SDPS" => self.found.fetched = true,
            _ => {}
        }
    }

    fn comment(&mut self, comment: &str) {
        let comment = comment.trim();
        let first = comment.split_ascii_whitespace().next().unwrap_or_default();
        match self.clause() {
            Clause::None => self.leading_comment(comment),
            Clause::From => {
                self.words_of_clause += 1;
                self.client_comment(comment, first);
            }
            Clause::By => {
                self.by_comment = true;
                self.found.authenticated |= starts(comment, "authenticated as ");
                self.found.local |= starts(comment, "postfix, from userid ")
                    || starts(comment, "ssmtp sendmail emulation");
            }
            _ => {}
        }
        self.is_exim |= starts(comment, "exim");
    }

    /// sendmail's `(from taro@localhost)`, `(qmail 17 invoked by uid 104)`;
    /// qmail's own relay says `invoked from network`.
    fn leading_comment(&mut self, comment: &str) {
        self.found.local |= starts(comment, "from ") || comment.contains(" invoked by ");
    }

    fn client_comment(&mut self, comment: &str, first: &str) {
        if ["authenticated", "auth:", "smtp auth", "squirrelmail authenticated"]
            .iter()
            .any(|word| starts(comment, word))
        {
            // Postfix, sendmail, Courier
            self.found.authenticated = true;
        } else if starts(comment, "uid ") {
            // Courier
            self.found.local = true;
        } else if starts(comment, "helo ") || starts(comment, "ehlo ") {
            // qmail, Yahoo
            self.set_helo(&comment[5..]);
        } else if starts(comment, "account ") {
            // CommuniGate
            self.found.authenticated = true;
        } else if starts(comment, "helo=") || starts(comment, "port=") {
            self.exim_words(comment);
        } else if !self.known {
            self.known = self.client(comment, first);
        }
    }

    /// `[ip]`, `name [ip]`, `user@name [ip]`, `ip`, `user@ip`
    fn client(&mut self, comment: &str, first: &str) -> bool {
        let rest = comment[first.len()..].trim_start();
        if is_socket(first) || (rest.starts_with('[') && is_socket(rest)) {
            self.found.local = true;
            return true;
        }
        if let Some(ip) = parse_ip(first) {
            self.found.ip = Some(ip);
            self.bare_ip = !first.starts_with('[');
            self.exim_words(rest);
            return true;
        }
        let behind_user = first.rsplit_once('@').map_or(first, |(_, host)| host);
        if let Some(ip) = parse_ip(behind_user) {
            self.found.ip = Some(ip);
            return true;
        }
        if rest.is_empty() && first.len() > behind_user.len() && behind_user == "localhost" {
            // sendmail -bs
            self.found.local = true;
            return true;
        }
        if !rest.starts_with('[') {
            return false;
        }
        let Some(ip) = parse_ip(rest) else { return false };
        self.found.ip = Some(ip);
        let forged = rest.contains("may be forged");
        self.found.host = Some(behind_user).filter(|_| !forged).and_then(reverse_name);
        true
    }

    /// `helo=mail.example.org` among Exim's words
    fn exim_words(&mut self, words: &str) {
        for word in words.split_ascii_whitespace() {
            if starts(word, "helo=") {
                self.set_helo(&word[5..]);
            }
        }
    }

    fn set_helo(&mut self, helo: &str) {
        if self.helo.is_none() {
            self.helo = Some(helo.trim().to_owned());
        }
    }

    fn finish(mut self) -> Received {
        let name = self.name.take();
        // qmail-scanner names the client by its address.
        let as_name = || name.as_deref().filter(|_| !self.known).and_then(parse_ip);
        self.found.ip = self.found.ip.or(self.literal).or_else(as_name);
        // Nobody is on this machine and elsewhere.
        self.found.local &= self.found.ip.is_none_or(is_inside);
        // Exim, qmail and Yahoo write the reverse name first, the HELO in a
        // comment where it is another; the others write the HELO first.
        let named = self.helo.is_some() || self.is_exim || self.is_qmail();
        if named && self.found.host.is_none() && self.found.ip.is_some() {
            self.found.host = name.as_deref().and_then(reverse_name);
        }
        self.found.helo = self.helo.or(name).filter(|helo| !helo.is_empty());
        self.found
    }

    /// `from name (192.0.2.1) by host with SMTP`, and no more: Exchange has
    /// the same client, but more to say.
    fn is_qmail(&self) -> bool {
        self.bare_ip && !self.by_comment && self.found.id.is_none()
    }
}

fn keyword(word: &str) -> Option<Clause> {
    let clause = match word.to_ascii_lowercase().as_str() {
        "from" => Clause::From,
        "by" => Clause::By,
        "with" => Clause::With,
        "id" => Clause::Id,
        "for" => Clause::For,
        "via" => Clause::Other,
        _ => return None,
    };
    Some(clause)
}

fn set(place: &mut Option<String>, word: &str) {
    if place.is_none() && !word.is_empty() {
        *place = Some(word.to_owned());
    }
}

fn starts(text: &str, lower_case: &str) -> bool {
    let start = text.as_bytes().get(..lower_case.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(lower_case.as_bytes()))
}

/// OpenSMTPD's `[local]`, Cyrus' `[unix socket]`
fn is_socket(text: &str) -> bool {
    starts(text, "[local]") || starts(text, "[unix")
}

fn host_name(word: &str) -> &str {
    word.trim_end_matches(['.', ';', ','])
}

/// A name that was looked up, unless the MTA says that there is none.
fn reverse_name(name: &str) -> Option<String> {
    let name = host_name(name.trim_matches(['<', '>']));
    let missing = name.is_empty()
        || name.eq_ignore_ascii_case("unknown")
        || name.starts_with('[')
        || parse_ip(name).is_some();
    (!missing).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(line: &str) -> Received {
        parse(line.as_bytes())
    }

    /// helo, host, ip, by, protocol
    #[track_caller]
    fn assert_client(line: &str, expected: [&str; 5]) -> Received {
        let found = read(line);
        let ip = found.ip.map(|ip| ip.to_string());
        let parts = [&found.helo, &found.host, &ip, &found.by, &found.protocol];
        let parts = parts.map(|part| part.as_deref().unwrap_or("-"));
        assert_eq!(parts, expected, "{line}");
        found
    }

    #[test]
    fn postfix() {
        let found = assert_client(
            "from helo.example.org (mail.example.org [192.0.2.1])\r\n\t(using TLSv1.3 with cipher \
             TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n\t(No client certificate requested)\r\n\tby \
             mx.example.jp (Postfix) with ESMTPS id 4AFE3F\r\n\tfor <taro@example.jp>; Mon, 6 May 2024 \
             10:00:00 +0900 (JST)",
            ["helo.example.org", "mail.example.org", "192.0.2.1", "mx.example.jp", "ESMTPS"],
        );
        assert_eq!(found.id.as_deref(), Some("4AFE3F"));
        assert_eq!(found.recipient.as_deref(), Some("taro@example.jp"));
        assert!(!found.authenticated && !found.local && !found.fetched);
        assert_client(
            "from laptop (unknown [IPv6:2001:db8::5]) (Authenticated sender: taro) by mx.example.jp \
             (Postfix) with ESMTPSA id 4B; Mon, 6 May 2024 10:00:00 +0900",
            ["laptop", "-", "2001:db8::5", "mx.example.jp", "ESMTPSA"],
        );
        assert!(read("by mx.example.jp (Postfix, from userid 500) id 4C; x").local);
    }

    #[test]
    fn what_the_client_calls_itself_is_not_its_address() {
        let line =
            "from [10.0.0.1] (unknown [192.0.2.1]) by mx.example.jp (Postfix) with SMTP id 1";
        assert_client(line, ["[10.0.0.1]", "-", "192.0.2.1", "mx.example.jp", "SMTP"]);
        let line = "from [192.0.2.1] (helo=[127.0.0.1]) by mx with esmtp (Exim 4.96) id 1-2";
        assert_client(line, ["[127.0.0.1]", "-", "192.0.2.1", "mx", "esmtp"]);
        let line = "from unknown (HELO [127.0.0.1]) (192.0.2.1) by mx with SMTP; x";
        assert_client(line, ["[127.0.0.1]", "-", "192.0.2.1", "mx", "SMTP"]);
        let line = "from by (with [192.0.2.1]) by mx (Postfix) with SMTP id 1";
        assert_client(line, ["by", "with", "192.0.2.1", "mx", "SMTP"]);
    }

    #[test]
    fn the_other_mtas() {
        let line = "from mail.example.org ([192.0.2.1] helo=other.example) by mx.example.jp with \
                    esmtps (TLS1.3) tls TLS_AES_256 (Exim 4.96) (envelope-from <a@example.org>) id \
                    1sA-0 for taro@example.jp; Mon";
        let helo = ["other.example", "mail.example.org", "192.0.2.1", "mx.example.jp", "esmtps"];
        assert_client(line, helo);
        let line = "from mail.example.org ([192.0.2.1]:4711) by mx with esmtp (Exim 4.96) id 1";
        let same = ["mail.example.org", "mail.example.org", "192.0.2.1", "mx", "esmtp"];
        assert_client(line, same);
        let line = "from [192.0.2.1] (port=55 helo=pc) by mx with esmtpsa (Exim 4.96) id 1";
        assert!(assert_client(line, ["pc", "-", "192.0.2.1", "mx", "esmtpsa"]).authenticated);
        let line = "from helo (IDENT:x@mail.example.org [192.0.2.1] (may be forged)) (authenticated \
                    bits=0) by mx (8.15.2/8.15.2) with ESMTP id 1; Mon";
        assert!(assert_client(line, ["helo", "-", "192.0.2.1", "mx", "ESMTP"]).authenticated);
        let line = "from helo (mail.example.org [192.0.2.1]) by mx (8.15.2/8.15.2) with ESMTP id 1";
        assert_client(line, ["helo", "mail.example.org", "192.0.2.1", "mx", "ESMTP"]);
        let line = "from mail.example.org (192.0.2.1) by mx with SMTP; 6 May 2024 10:00:00 -0000";
        assert_client(line, ["mail.example.org", "mail.example.org", "192.0.2.1", "mx", "SMTP"]);
        let line = "from mail.example.org (HELO pc) (taro@192.0.2.1) by mx with ESMTPA; x";
        assert_client(line, ["pc", "mail.example.org", "192.0.2.1", "mx", "ESMTPA"]);
        let line = "from A.example.org (2001:db8::4) by B.example.jp (2001:db8::5) with Microsoft \
                    SMTP Server (version=TLS1_3, cipher=TLS_AES) id 15.20.1 via Frontend Transport; x";
        assert_client(line, ["A.example.org", "-", "2001:db8::4", "B.example.jp", "Microsoft"]);
        let line =
            "from A.example.org ([fe80::1]) by A.example.org ([fe80::1%4]) with mapi id 15.20";
        assert!(
            assert_client(line, ["A.example.org", "-", "fe80::1", "A.example.org", "mapi"])
                .authenticated
        );
        let line = "from mail.example.org (mail.example.org. [192.0.2.1]) by mx.google.com with ESMTPS \
                    id f2 for <a@example.jp> (version=TLS1_3 cipher=X bits=128/128); Tue";
        let google =
            ["mail.example.org", "mail.example.org", "192.0.2.1", "mx.google.com", "ESMTPS"];
        assert_client(line, google);
        let line = "from pc (<unknown> [192.0.2.1]) by mx (OpenSMTPD) with ESMTPSA id 5 \
                    (TLSv1.3:X:256:NO) auth=yes user=taro for <a@example.jp>; x";
        assert!(assert_client(line, ["pc", "-", "192.0.2.1", "mx", "ESMTPSA"]).authenticated);
        let line =
            "from 127.0.0.1 (EHLO mail.example.org) (192.0.2.1) by mta.example with SMTPs; x";
        assert_client(line, ["mail.example.org", "-", "192.0.2.1", "mta.example", "SMTPs"]);
        let line = "from [192.0.2.1] (account taro@example.jp HELO pc) by mx (CommuniGate Pro SMTP 6.2) \
                    with ESMTPSA id 4; x";
        assert!(read(line).authenticated && read(line).ip.is_some());
    }

    #[test]
    fn made_on_the_machine_or_fetched() {
        for line in [
            "from taro by mx with local (Exim 4.96) (envelope-from <taro@x>) id 1; x",
            "(from taro@localhost) by mx (8.15.2/8.15.2/Submit) id 1; x",
            "from localhost (taro@localhost) by mx (8.15.2/8.15.2) with ESMTP id 1; x",
            "(qmail 4711 invoked by uid 104); 6 May 2024",
            "(nullmailer pid 5 invoked by uid 0); x",
            "from localhost (mx [local]) by mx (OpenSMTPD) with ESMTPA id 1; x",
            "from root (uid 0) (envelope-from root@mx) id 5 by mx (DragonFly Mail Agent v0.13); x",
            "from localhost (localhost [127.0.0.1]) (uid 1000) by mx with local; x",
        ] {
            assert!(read(line).local && read(line).from_inside(), "{line}");
        }
        for line in [
            "(qmail 4711 invoked from network); 6 May 2024",
            "by mx.example.jp with LMTP id 5; x",
            "from mx.example.jp by store.example.jp (Dovecot) with LMTP id 5; x",
            "from mx ([unix socket]) by mx (Cyrus v3) with LMTPA; x",
            "from mail.provider.example [192.0.2.1] by localhost with IMAP (fetchmail-6.4) for <t>; x",
        ] {
            assert!(read(line).from_inside() && !read(line).authenticated, "{line}");
        }
        assert!(!read("from somewhere by mx with SMTP; x").from_inside(), "it may be anybody");
        assert!(!read("").from_client);
        let line = "from mx.example.org ([192.0.2.1]) by mx with local; x";
        assert!(!read(line).local && !read(line).from_inside(), "both cannot be");
        let line = "from 192.0.2.1 by mx (envelope-from <a@example.org>, uid 64011) with qmail-scanner-2.05; x";
        assert!(!read(line).from_inside());
        let line = "by mx.example.jp (Postfix) with ESMTPSA id 1; x";
        assert!(
            !read(line).from_inside() && read(line).authenticated,
            "a client that is not told of"
        );
    }

    #[test]
    fn inside_and_outside() {
        for inside in [
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "127.0.0.53",
            "169.254.1.1",
            "100.64.0.1",
            "100.127.255.255",
            "::1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(parse_ip(inside).is_some_and(is_inside), "{inside}");
        }
        for outside in ["172.32.0.1", "100.128.0.1", "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"]
        {
            assert!(parse_ip(outside).is_some_and(|ip| !is_inside(ip)), "{outside}");
        }
    }

    #[test]
    fn ours_end_at_the_first_line_from_outside() {
        let head = Head::parse(
            "Received: from mx.example.jp (localhost [127.0.0.1]) by mx.example.jp (Postfix) with LMTP id 1\n\
             Received: from filter (filter [10.0.0.7]) by mx.example.jp (Postfix) with ESMTP id 2\n\
             X-Mark: 1\n\
             Received: from evil (evil.example [192.0.2.66]) by in.example.jp (Postfix) with ESMTP id 3\n\
             Received: from x ([127.0.0.1]) by mx.example.jp (Postfix) with ESMTPSA id 4\n\n",
        );
        let trail = Trail::of(&head);
        assert_eq!(trail.ours.len(), 3);
        let border = trail.border().expect("there is one");
        assert_eq!(border.by.as_deref(), Some("in.example.jp"));
        let below = trail.below_border.expect("there is a line below");
        assert!(head.bytes()[below..].starts_with(b"Received: from x"));
    }

    #[test]
    fn without_a_border_all_lines_are_ours() {
        let head = Head::parse("Received: by mx (Postfix, from userid 0) id 1; x\n\n");
        let trail = Trail::of(&head);
        assert!(trail.border().is_none());
        assert!(trail.entry().is_some_and(|entry| entry.local));
        assert_eq!(Trail::of(&Head::parse("Subject: x\n\n")), Trail::default());
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            parse(&bytes);
        }

        #[test]
        fn nor_does_what_looks_like_a_line(line in "((from|by|with|id|for|helo=|HELO|IPv6:|\\[local\\]|é)|[ ()\\[\\];.@:%\\\\\"0-9a-f]){0,40}") {
            parse(line.as_bytes());
        }
    }
}
