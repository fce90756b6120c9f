//! One Received line.
//!
//! # Who wrote what
//! The sender chooses what the client called itself (HELO), an IDENT answer,
//! the envelope sender, and within limits the recipient, the names in the
//! client certificate and the reverse name of the client's own address. Under
//! Haraka a HELO may contain parentheses, quotes, semicolons and even tabs,
//! under Exim whatever `helo_accept_junk_hosts` admits. The rest is the MTA's:
//!
//! | MTA | from-clause |
//! |---|---|
//! | Postfix, sendmail, Haraka, OpenSMTPD, Courier, Gmail, Stalwart | `from HELO (NAME [IP]) (…)` |
//! | Exchange, Microsoft 365 | `from HELO (IP)` |
//! | qmail, Yahoo | `from NAME (HELO HELO) (IDENT@IP)` |
//! | MDaemon | `from HELO`, or `from HELO (IP)` |
//! | Exim, CommuniGate | `from NAME ([IP] helo=HELO ident=IDENT)`, `from [IP] (helo=HELO)` |
//!
//! So:
//! * The line is cut in two at `by`. Most MTAs begin a physical line there,
//!   which no HELO can, as it contains no line break. A second `by`, `with` or
//!   `;` makes the line *ambiguous*: nothing in it shows that anyone is ours.
//! * The first word of the from-clause ends at a blank, whatever is in it.
//! * If the writer names itself Exim or CommuniGate after `by`, the first
//!   address is the client's; otherwise that in the last comment with one. If
//!   the others have another address, none shows that the client is ours.
//! * A login is believed in `with` after `by`, or in a comment after the
//!   client's address.
//! * After `by`, an envelope sender or recipient is read as one path, with
//!   what it quotes (RFC 5321 §4.1.2).

use std::net::IpAddr;

use super::address_comment::{self, Client, starts};
use super::tokens::{Token, from_tokens, tail_tokens};
use super::{is_inside, parse_ip};

/// A longer Received line is not read, bytes: what would be left out may be all that is
/// not the sender's.
const LONGEST_LINE: usize = 8192;

/// The protocols of scanners that hand on to the same machine.
const SCANNERS: [&str; 2] = ["SPAM-SCANNED", "SPAMASSASSIN"];

/// The content of one Received line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReceivedLine {
    /// What the client called itself.
    pub helo: Option<String>,
    /// The client's reverse name as the MTA looked it up; `None` if it found
    /// none, or says that it does not lead back to the address.
    pub host: Option<String>,
    /// The MTA only writes names that lead back to the address.
    pub host_checked: bool,
    /// The client's address.
    pub ip: Option<IpAddr>,
    /// There are other addresses in the places where the client's can be.
    pub addresses_differ: bool,
    /// The line can be read in more than one way: a login, a program on the machine or
    /// a mailbox that it mentions counts for nothing.
    pub ambiguous: bool,
    /// The host that wrote the line.
    pub by: Option<String>,
    /// The first word after `with`, as written: `ESMTPS`, `LMTP`, …
    pub protocol: Option<String>,
    /// The queue id.
    pub id: Option<String>,
    /// The recipient that `for` names.
    pub recipient: Option<String>,
    /// The client had logged in (RFC 3848's `ESMTPA` and `ESMTPSA`, or a comment).
    pub authenticated: bool,
    /// A program on the machine that wrote the line made the message: there is no
    /// network client.
    pub local: bool,
    /// Fetched by POP or IMAP, usually from the server that the line names.
    pub fetched: bool,
    /// There is a `from` clause.
    pub from_client: bool,
}

impl ReceivedLine {
    /// Whether a scanner wrote it, which hands on what others have made. SpamAssassin wraps
    /// spam, with the lines that show where it came from.
    pub fn is_of_scanner(&self) -> bool {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        SCANNERS.iter().any(|scanner| protocol.eq_ignore_ascii_case(scanner))
    }
}

/// Reads one raw value.
pub fn parse(value: &[u8]) -> ReceivedLine {
    if value.len() > LONGEST_LINE {
        return ReceivedLine { ambiguous: true, from_client: true, ..ReceivedLine::default() };
    }
    let text = String::from_utf8_lossy(value);
    let flat = text.replace(['\r', '\n'], " ");
    let (before, after, ambiguous) = split_at_by(&text, &flat);
    let tail = LineTail::read(after);
    let mut found = ReceivedLine { ambiguous, ..ReceivedLine::default() };
    read_from(before, &tail, &mut found);
    let LineTail { by, protocol, id, recipient, login, local, fetched, has_from, .. } = tail;
    found.from_client |= has_from;
    found.authenticated |= login;
    found.local |= local;
    // Nobody is both on this machine and elsewhere.
    found.local &= found.ip.is_none_or(is_inside);
    found.fetched = fetched;
    if found.ambiguous {
        (found.authenticated, found.local, found.fetched) = (false, false, false);
    }
    ReceivedLine { by, protocol, id, recipient, ..found }
}

/// The text before `by`, the text from `by` on, and whether it could also be cut
/// elsewhere. `text` is `lines` without line breaks, of the same length.
fn split_at_by<'a>(lines: &str, text: &'a str) -> (&'a str, &'a str, bool) {
    let mut start = 0;
    for line in lines.split_inclusive('\n') {
        let mut words = line.split_ascii_whitespace();
        let begins = words.next().is_some_and(|word| word.eq_ignore_ascii_case("by"));
        // `by uid 89` is from qmail-scanner and says who ran it.
        if begins && words.next().is_none_or(|word| word != "uid") {
            let at = start + line.len() - line.trim_ascii_start().len();
            let (before, after) = text.split_at(at);
            return (before, after, has_clauses(before));
        }
        start += line.len();
    }
    // All on one line, or broken elsewhere.
    let Some(first) = from_tokens(text).find(|(_, token)| is_by(*token)).map(|(at, _)| at) else {
        return (text, "", starts(text.trim_ascii_start(), "from"));
    };
    let again = later_by(&text[first..]);
    let at = first + again.unwrap_or(0);
    let (before, after) = text.split_at(at);
    (before, after, again.is_some() || has_clauses(before))
}

/// The place of the last `by` that is not the first word.
fn later_by(tail: &str) -> Option<usize> {
    let mut last = None;
    let mut tokens = tail_tokens(tail).skip(1).peekable();
    while let Some((at, token)) = tokens.next() {
        let is_user = matches!(tokens.peek(), Some((_, Token::Word("uid"))));
        if is_by(token) && !is_user {
            last = Some(at);
        }
    }
    last
}

fn is_by(token: Token<'_>) -> bool {
    matches!(token, Token::Word(word) if word.eq_ignore_ascii_case("by"))
}

/// Whether a from-clause contains clauses that should come after it.
fn has_clauses(from_clause: &str) -> bool {
    // OpenSMTPD 5 closed it with a semicolon.
    let from_clause = from_clause.trim_ascii_end();
    let from_clause = from_clause.strip_suffix(';').unwrap_or(from_clause);
    from_tokens(from_clause).any(|(_, token)| match token {
        Token::Word(word) => word.eq_ignore_ascii_case("by") || word.eq_ignore_ascii_case("with"),
        Token::Semicolon => true,
        // A name in a client's certificate may contain a parenthesis.
        Token::Comment(comment) => comment.matches('"').count() % 2 == 1,
        Token::Helo(_) => false,
    })
}

/// Which MTA wrote the line, if that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum HeaderWriter {
    /// The reverse names that it writes lead back.
    Exim,
    /// The same holds for Postfix and sendmail.
    Checking,
    CommuniGate,
    /// DragonFly's mail agent only accepts mail of its own machine.
    Dragonfly,
    #[default]
    Other,
}

/// The text from `by` on: the MTA's own, except for paths.
#[derive(Default)]
struct LineTail<'a> {
    /// The clause that a word belongs to, in lower case.
    clause: &'a str,
    by: Option<String>,
    by_comment: bool,
    writer: HeaderWriter,
    protocol: Option<String>,
    id: Option<String>,
    recipient: Option<String>,
    login: bool,
    local: bool,
    fetched: bool,
    /// A client is named after `by`, as Smail does.
    has_from: bool,
    /// The word after `from` is the client's address, not a HELO.
    names_client: bool,
}

impl<'a> LineTail<'a> {
    fn read(text: &'a str) -> LineTail<'a> {
        let mut tail = LineTail::default();
        let mut is_first = false;
        for (_, token) in tail_tokens(text) {
            match token {
                Token::Semicolon => break,
                Token::Comment(comment) => tail.comment(comment),
                Token::Helo(word) | Token::Word(word) => match keyword(word) {
                    Some(clause) if !is_first => {
                        (tail.clause, is_first) = (clause, true);
                        tail.has_from |= clause == "from";
                    }
                    _ => {
                        tail.word(word, is_first);
                        is_first = false;
                    }
                },
            }
        }
        tail
    }

    fn word(&mut self, word: &str, is_first: bool) {
        match self.clause {
            "by" if is_first => set(&mut self.by, host_name(word)),
            "with" if is_first => self.protocol(word),
            "via" if is_first => self.names_client |= starts(word, "http"),
            "id" if is_first => set(&mut self.id, word.trim_matches(['<', '>'])),
            "for" if is_first => set(&mut self.recipient, word.trim_matches(['<', '>'])),
            "for" => {}
            // OpenSMTPD
            _ => self.login |= word.eq_ignore_ascii_case("auth=yes"),
        }
    }

    fn protocol(&mut self, word: &str) {
        if self.protocol.is_some() {
            return;
        }
        self.protocol = Some(word.to_owned());
        // Exim and Courier write protocols in lower case, but Courier has the
        // address in a comment.
        let exim = ["smtp", "esmtp", "smtps", "esmtps", "asmtp", "esmtpa", "esmtpsa", "local"];
        self.names_client |= exim.contains(&word) || starts(word, "qmail-scanner");
        let word = word.trim_end_matches([';', ',']).to_ascii_uppercase();
        match word.as_str() {
            // RFC 3848, RFC 6531 §4.3; Exim's former `asmtp`; `mapi` is
            // Exchange's own mailbox protocol. LMTPA is one server's login to
            // another.
            "ESMTPA" | "ESMTPSA" | "SMTPSA" | "SMTPA" | "UTF8SMTPA" | "UTF8SMTPSA" | "ASMTP"
            | "MAPI" => self.login = true,
            // Exim
            "LOCAL" | "LOCAL-SMTP" | "LOCAL-BSMTP" | "LOCAL-ESMTP" => self.local = true,
            // A scanner that hands over by a program, or wraps the message.
            protocol if SCANNERS.contains(&protocol) => self.local = true,
            "IMAP" | "IMAPS" | "IMAP4" | "IMAP4-SSL" | "POP3" | "POP3S" | "POP3-SSL" | "POP2"
            | "APOP" | "KPOP" | "SDPS" => self.fetched = true,
            "HTTP" | "HTTPS" => self.names_client = true,
            _ => {}
        }
    }

    fn comment(&mut self, comment: &str) {
        if self.clause != "for" && starts(comment, "exim") {
            self.writer = HeaderWriter::Exim;
        }
        if self.clause != "by" {
            return;
        }
        // fdm also fetches by NNTP or from files; old versions do not say how.
        self.fetched |= starts(comment, "fdm ");
        self.by_comment = true;
        // sendmail: `8.15.2/8.15.2`
        let version = comment.starts_with(|c: char| c.is_ascii_digit()) && comment.contains('/');
        if starts(comment, "postfix") || version {
            self.writer = HeaderWriter::Checking;
        } else if starts(comment, "communigate") {
            self.writer = HeaderWriter::CommuniGate;
        } else if starts(comment, "dragonfly") {
            self.writer = HeaderWriter::Dragonfly;
        }
        self.login |= starts(comment, "authenticated as ");
        self.local |=
            starts(comment, "postfix, from userid ") || starts(comment, "ssmtp sendmail emulation");
    }
}

/// Reads the text before `by`, or the whole line if it has none.
fn read_from(text: &str, tail: &LineTail<'_>, found: &mut ReceivedLine) {
    let mut tokens = from_tokens(text);
    let after_from = match tokens.next() {
        Some((at, Token::Word(word))) if word.eq_ignore_ascii_case("from") => {
            text[at + word.len()..].trim_ascii_start()
        }
        // sendmail's `(from taro@localhost)`, `(qmail 17 invoked by uid 104)`;
        // qmail's own relay says `invoked from network`.
        Some((_, Token::Comment(comment))) => {
            let comment = comment.trim();
            found.local = starts(comment, "from ") || comment.contains(" invoked by ");
            return;
        }
        _ => return,
    };
    found.from_client = true;
    let (mut name, mut comments, mut second) = (None, Vec::new(), None);
    for (_, token) in tokens {
        match token {
            Token::Helo(word) => name = Some(word),
            Token::Comment(comment) => comments.push(comment.trim()),
            Token::Word(word) if comments.is_empty() => second = second.or(Some(word)),
            Token::Word(_) | Token::Semicolon => {}
        }
    }
    let is_literal = |word: &&str| word.starts_with('[');
    let literal = name.filter(is_literal).and_then(parse_ip);
    // fetchmail
    let second = second.filter(is_literal).and_then(parse_ip);
    let first = comments.first().copied().unwrap_or_default();
    let words = ["helo=", "port=", "ident=", "account "];
    let after_literal = literal.is_some() && words.iter().any(|word| starts(first, word));
    let clients: Vec<(usize, Client<'_>)> = comments
        .iter()
        .enumerate()
        .filter_map(|(at, comment)| Some((at, Client::read(comment)?)))
        .collect();
    match tail.writer {
        HeaderWriter::Exim | HeaderWriter::CommuniGate => {
            address_first(after_from, found);
            found.authenticated =
                tail.writer == HeaderWriter::CommuniGate && starts(first, "account ");
        }
        _ if after_literal && clients.is_empty() => address_first(after_from, found),
        _ => {
            address_last(name, &comments, &clients, tail, found);
            // The server may be Exim under another name.
            found.addresses_differ |= after_literal && literal != found.ip;
            found.addresses_differ |= second.is_some() && second != found.ip;
            if tail.fetched {
                found.ip = found.ip.or(second);
            }
        }
    }
    found.host_checked =
        found.host.is_some() && matches!(tail.writer, HeaderWriter::Exim | HeaderWriter::Checking);
    if found.helo.is_none() {
        found.helo = name.map(str::to_owned);
    }
}

/// `NAME ([IP] helo=HELO)`, `[IP] (helo=HELO)`, `[IP] (account TARO HELO HELO)`;
/// Exim 3 wrote `NAME [IP]`. The text after the address may be the sender's.
fn address_first(after_from: &str, found: &mut ReceivedLine) {
    let blank = |c: char| c.is_ascii_whitespace();
    let (name, rest) = after_from.split_once(blank).unwrap_or((after_from, ""));
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('(').unwrap_or(rest);
    if name.starts_with('[') {
        found.ip = parse_ip(name);
    } else if rest.starts_with('[') {
        found.ip = parse_ip(address_comment::literal(rest));
        found.host = reverse_name(name);
    }
    let mut words = rest.split(['(', ')', ' ', '\t']);
    let helo = address_comment::helo(rest.split(')').next().unwrap_or_default())
        .or_else(|| words.find(|word| word.eq_ignore_ascii_case("HELO")).and(words.next()));
    found.helo = helo.filter(|_| found.ip.is_some()).map(str::to_owned);
}

/// `HELO (NAME [IP])`, `HELO (IP)`, `NAME (HELO HELO) (IP)`
fn address_last(
    name: Option<&str>,
    comments: &[&str],
    clients: &[(usize, Client<'_>)],
    tail: &LineTail<'_>,
    found: &mut ReceivedLine,
) {
    let Some((at, client)) = clients.last() else {
        let is_login = |comment: &&str| starts(comment, "squirrelmail authenticated");
        if tail.names_client {
            found.ip = name.and_then(parse_ip);
            found.authenticated = found.ip.is_some() && comments.iter().any(is_login);
        }
        found.helo = comments.first().and_then(|comment| helo_comment(comment));
        found.local = tail.writer == HeaderWriter::Dragonfly;
        return;
    };
    found.ip = client.first.or(client.last);
    found.local = client.local && clients.len() == 1;
    let mut addresses = clients.iter().flat_map(|(_, client)| &client.addresses);
    found.addresses_differ = addresses.any(|address| Some(*address) != found.ip);
    // Postfix, sendmail, Courier
    let logins = ["authenticated", "auth:", "smtp auth"];
    let mut after = comments.iter().skip(at + 1);
    found.authenticated = after.any(|comment| logins.iter().any(|word| starts(comment, word)));
    if found.ip.is_none() || client.forged {
        return;
    }
    if client.first.is_some() {
        found.helo = client.helo.map(str::to_owned);
        found.host = name.filter(|_| found.helo.is_some()).and_then(reverse_name);
    } else if !client.host.is_empty() {
        found.host = reverse_name(client.host);
    } else {
        let before = at.checked_sub(1).and_then(|before| helo_comment(comments[before]));
        // qmail writes no more than that; Exchange has the same client, but also an id.
        let is_qmail = client.bare && !tail.by_comment && tail.id.is_none();
        if before.is_some() || is_qmail {
            found.host = name.and_then(reverse_name);
        }
        found.helo = before;
    }
}

/// qmail's `(HELO x)`, Yahoo's `(EHLO x)`
fn helo_comment(comment: &str) -> Option<String> {
    let is_helo = starts(comment, "helo ") || starts(comment, "ehlo ");
    is_helo.then(|| comment[5..].trim().to_owned())
}

/// The keyword of a clause.
fn keyword(word: &str) -> Option<&'static str> {
    let clauses = ["from", "by", "with", "id", "for", "via"];
    clauses.into_iter().find(|clause| word.eq_ignore_ascii_case(clause))
}

fn set(place: &mut Option<String>, word: &str) {
    if place.is_none() && !word.is_empty() {
        *place = Some(word.to_owned());
    }
}

fn host_name(word: &str) -> &str {
    word.trim_end_matches(['.', ';', ','])
}

/// A name that was looked up, unless the MTA says that there is none.
fn reverse_name(name: &str) -> Option<String> {
    let name = host_name(name.trim_matches(['<', '>']));
    // `NXDOMAIN` and `DNSERROR` are from Haraka.
    let none = ["", "unknown", "nxdomain", "dnserror"];
    let missing = none.iter().any(|word| name.eq_ignore_ascii_case(word))
        || name.starts_with('[')
        || parse_ip(name).is_some();
    (!missing).then(|| name.to_owned())
}
