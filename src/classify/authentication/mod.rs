//! What our own border found out about a message's sender: SPF, DKIM, DMARC, ARC
//! and iprev results, and which header reports them.
//!
//! # Whose results count
//! Anyone can write an `Authentication-Results` header in anyone's name (RFC 8601
//! §7.1). Its authserv-id and its position distinguish ours from a sender's;
//! [`crate::classify::received`] says which Received lines are ours and which one
//! is the border.
//!
//! * **Above the border line** nobody outside could write. A header there
//!   counts if its authserv-id is one of `set trust` or, without that setting,
//!   the machine's host name or the `by` host of the border line. For each
//!   method, the topmost header that mentions it decides: one milter writes
//!   `dkim`, the next one `dmarc`. If no line is a border, this holds for
//!   everything above the topmost Received line.
//! * **Just below the border line**, before any other Received line, Gmail
//!   and all milters under Postfix write their results; but so can the sender.
//!   A header there counts only for an id of `set trust`, since whoever sets it
//!   states that this border removes forged ones (RFC 8601 §5), only if nothing
//!   above counts, only the topmost one, and only if the id is spelled as there,
//!   which is what a border that removes forged ones looks for. The same holds,
//!   for want of a better sign, if there is no border to go by. Nothing there counts
//!   in a message that was submitted with a login or made on the machine, since many
//!   servers neither check such mail nor remove anything from it.
//! * **Further down**, after the next Received line, nothing counts.
//!
//! `Received-SPF` (RFC 7208 §9.1) has no authserv-id. It counts only above the
//! border line, and only if no Authentication-Results has an SPF result; a line
//! about the envelope sender is preferred to one about the HELO.
//! `ARC-Authentication-Results` (RFC 8617 §4.1.1) reports what others saw: if it
//! would count by the rules above, only its `arc` result is read. Authserv-ids
//! are compared as domain names, without case.
//!
//! A header that counts but cannot be read is still the one that counts: those
//! below it are not consulted instead.
//!
//! # What counts of them
//! Borders print texts that the sender chose; [`sender_text`] determines how far
//! a header can be read. A DKIM result that passes must be about a signature
//! that the message has, a DMARC result about its whole From. A result that is
//! unreadable, cut off or contradicted has no value at all: nothing was
//! established.

pub mod grammar;
pub mod received_spf;
pub mod sender_text;
pub mod signature;
mod trust;
mod verdict;

#[cfg(test)]
mod tests;

use self::grammar::MethodResult;
use self::received_spf::{ReceivedSpf, SpfIdentity};
use self::sender_text::SenderText;
use self::trust::{HeaderPlace, Trust};
use crate::classify::Mail;
use crate::message::domain;
use crate::message::head::{Head, Header};
use crate::message::unfold::unfold;

pub use trust::{ids_at_border, names_id};
pub use verdict::Verdict;

/// Further headers of the kind are ignored.
const MOST_HEADERS: usize = 100;

/// The longest header that is read, in bytes.
const LONGEST_HEADER: usize = 64 << 10;

/// Why a longer one is not: what is read of it may end within a value.
const TOO_LONG: &str = "it is too long";

/// The longest excerpt of a header, in characters.
const EXCERPT: usize = 120;

/// Why a result that passes is not believed.
const GARBLED: &str = "the border's results are garbled";

/// The methods that are read.
const METHODS: [&str; 5] = ["spf", "dkim", "dmarc", "arc", "iprev"];

/// What is believed, and why. A result that no believed header mentions is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Results {
    /// RFC 7208
    pub spf: Option<Verdict>,
    /// RFC 6376: `pass` if one signature passes.
    pub dkim: Option<Verdict>,
    /// RFC 7489
    pub dmarc: Option<Verdict>,
    /// RFC 8617
    pub arc: Option<Verdict>,
    /// RFC 8601 §3
    pub iprev: Option<Verdict>,
    /// The domain that SPF checked: the envelope sender's, or the client's HELO.
    pub spf_domain: Option<String>,
    /// That domain is the client's HELO.
    pub is_spf_of_helo: bool,
    /// Domains of the signatures that pass.
    pub dkim_domains: Vec<String>,
    /// The From domain that DMARC checked.
    pub dmarc_domain: Option<String>,
    /// What the results rest on: header, id, place, and the results taken from it.
    pub used: Vec<String>,
    /// Headers that were not believed, or only in part.
    pub ignored: Vec<IgnoredHeader>,
}

/// A header that was not believed, as a whole or in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoredHeader {
    /// The beginning of the header, without control characters.
    pub header: String,
    /// Why not, in words.
    pub why: String,
}

/// Evaluates the headers of a message that may be believed.
pub fn of(mail: &Mail<'_>) -> Results {
    let head = mail.message.head();
    let names = ["authentication-results", "arc-authentication-results", "received-spf"];
    if names.iter().all(|name| head.first(name).is_none()) {
        return Results::default();
    }
    let mut reader = ResultsReader {
        mail,
        trust: Trust::new(mail),
        sender: SenderText::of(mail),
        results: Results::default(),
    };
    reader.believe(head, false);
    reader.believe(head, true);
    reader.received_spf(head);
    reader.results
}

/// The results of one message while they are being gathered.
struct ResultsReader<'m, 'a> {
    mail: &'m Mail<'a>,
    trust: Trust<'m>,
    sender: SenderText,
    results: Results,
}

impl ResultsReader<'_, '_> {
    fn believe(&mut self, head: &Head, arc: bool) {
        let name = if arc { "arc-authentication-results" } else { "authentication-results" };
        let mut counted = false;
        for header in head.named(name).take(MOST_HEADERS) {
            let (text, parsed) = self.trust.read(&header, arc);
            let id = match &parsed {
                Ok(parsed) => &parsed.authserv_id,
                Err(unreadable) => &unreadable.authserv_id,
            };
            let place = self.trust.place(&header);
            let doubt = match &parsed {
                Err(unreadable) if id.is_empty() => Some(unreadable.why.to_owned()),
                _ if !self.trust.names(id) => Some(format!("`{}` is not trusted", excerpt(id))),
                _ => {
                    let why = self.trust.misplaced(&header, from_id(&text, arc), counted);
                    why.map(str::to_owned)
                }
            };
            counted |= doubt.is_none();
            let ignored = match (doubt, parsed) {
                (Some(why), _) => vec![why],
                (None, Err(unreadable)) => vec![unreadable.why.to_owned()],
                (None, Ok(parsed)) => self.take(header.name, place, parsed, arc),
            };
            for why in ignored {
                self.results.ignore(&header, &text, why);
            }
        }
    }

    /// Takes from a believed header what is not decided yet. Returns why some of
    /// it was not taken.
    fn take(
        &mut self,
        name: &str,
        place: HeaderPlace,
        mut header: grammar::ResultsHeader,
        arc_only: bool,
    ) -> Vec<String> {
        let mut whys: Vec<String> = self.sender.cut(&mut header).into_iter().collect();
        let mut taken = Vec::new();
        let methods: &[&str] = if arc_only { &["arc"] } else { &METHODS };
        for method in methods {
            let found: Vec<(&MethodResult, Verdict)> = header
                .results
                .iter()
                .filter(|result| result.method == *method)
                .filter_map(|result| Some((result, Verdict::parse(&result.result)?)))
                .collect();
            if found.is_empty() || self.results.of(method).is_some() {
                continue;
            }
            match self.result(method, &found) {
                Ok(verdict) => {
                    *self.results.place(method) = Some(verdict);
                    taken.push(format!("{method}={verdict}"));
                }
                Err(why) => whys.push(format!("its `{method}` result is not believed: {why}")),
            }
        }
        if !taken.is_empty() {
            let (id, place) = (excerpt(&header.authserv_id), place.name());
            self.results.used.push(format!("{name} of {id}, {place}: {}", taken.join(", ")));
        } else if whys.is_empty() {
            let speaks =
                header.results.iter().any(|result| methods.contains(&result.method.as_str()));
            whys.push(match speaks {
                true => "all its results are already known from a header above".to_owned(),
                false => "it has no result of a method that is read".to_owned(),
            });
        }
        whys
    }

    /// The verdict that one header's results of a method amount to.
    fn result(
        &mut self,
        method: &str,
        found: &[(&MethodResult, Verdict)],
    ) -> Result<Verdict, String> {
        if method == "dkim" {
            return self.dkim(found);
        }
        let flaw = |(result, verdict): &(&MethodResult, Verdict)| {
            result.flaw.filter(|_| !is_known_failure(result, *verdict))
        };
        if let Some(why) = found.iter().find_map(flaw) {
            return Err(why.to_owned());
        }
        match method {
            "spf" => self.spf(found),
            "dmarc" => self.dmarc(found),
            _ => Ok(sceptical(found)?.1),
        }
    }

    fn spf(&mut self, found: &[(&MethodResult, Verdict)]) -> Result<Verdict, String> {
        let about_sender: Vec<_> =
            found.iter().filter(|(result, _)| mail_from(result).is_some()).copied().collect();
        let found = if about_sender.is_empty() { found } else { &about_sender };
        let (result, verdict) = sceptical(found)?;
        if verdict == Verdict::Pass && self.is_garbled() {
            return Err(GARBLED.to_owned());
        }
        let helo = || result.property("smtp.helo");
        self.results.is_spf_of_helo = mail_from(result).is_none() && helo().is_some();
        self.results.spf_domain = match mail_from(result).or_else(helo) {
            Some(identity) => domain_of(identity),
            // Some borders do not repeat what SPF checks by default.
            None => self.mail.envelope_sender.as_deref().and_then(domain_of),
        };
        Ok(verdict)
    }

    fn dkim(&mut self, found: &[(&MethodResult, Verdict)]) -> Result<Verdict, String> {
        let mut why = None;
        let mut believed = Vec::new();
        for (result, verdict) in found {
            let names = ["header.d", "header.i"].iter().any(|name| result.property(name).is_some());
            let signer = self.sender.signer(result);
            match (result.flaw, verdict, signer) {
                (Some(_), ..) if is_known_failure(result, *verdict) => {
                    believed.push((result, *verdict, None));
                }
                // Cut off after its `header.d`
                (Some(flaw), ..) if !result.cut || signer.is_none() || !names => {
                    why = why.or(Some(flaw.to_owned()));
                }
                (_, Verdict::Pass, None) if names => {
                    why = why.or(Some("the message has no such DKIM-Signature".to_owned()));
                }
                (_, Verdict::Pass, _) if contradicted(result, found) => {
                    why = why.or(Some(
                        "it says of one signature both that it passes and that it fails".to_owned(),
                    ));
                }
                _ => believed.push((result, *verdict, signer.filter(|_| names))),
            }
        }
        let verdicts: Vec<Verdict> = believed.iter().map(|(_, verdict, _)| *verdict).collect();
        let best = best(&verdicts);
        for (_, verdict, signer) in believed {
            if let (Verdict::Pass, Some(signer)) = (verdict, signer)
                && !self.results.dkim_domains.iter().any(|domain| domain == signer)
            {
                self.results.dkim_domains.push(signer.to_owned());
            }
        }
        best.ok_or_else(|| why.unwrap_or_default())
    }

    fn dmarc(&mut self, found: &[(&MethodResult, Verdict)]) -> Result<Verdict, String> {
        let (result, verdict) = sceptical(found)?;
        // Cisco's gateways name it `d`.
        let named = result.property("header.from").or_else(|| result.property("d"));
        let domain = named.and_then(domain_of);
        if named.is_some() && domain.is_none() {
            return Err("the domain that it names cannot be read".to_owned());
        }
        if verdict == Verdict::Pass {
            let from = self.mail.message.addresses("from");
            let is_of =
                |domain: &str| from.iter().all(|address| domain::aligned(domain, &address.domain));
            match &domain {
                Some(domain) if from.is_empty() || !is_of(domain) => {
                    return Err(format!("From is not in the domain {}", excerpt(domain)));
                }
                None if !self.sender.from_domains().all(is_of) => {
                    return Err("it does not name the domain, and From has several".into());
                }
                _ if self.mail.has_several_from() => {
                    return Err("several lines can be read as From".into());
                }
                _ => {}
            }
        }
        if let (Verdict::Pass, Some(who)) = (verdict, self.sender.misleads()) {
            // OpenDMARC reads the results of others, and splits at the first `@`.
            return Err(format!("{who} contains text that can mislead a border"));
        }
        if verdict == Verdict::Pass && self.is_garbled() {
            return Err(GARBLED.to_owned());
        }
        self.results.dmarc_domain = domain;
        Ok(verdict)
    }

    /// Whether a header that may be our border's cannot be read, or only in part.
    /// In that case a text of the sender's did that, perhaps one that the message does
    /// not show.
    fn is_garbled(&self) -> bool {
        let head = self.mail.message.head();
        head.named("authentication-results").take(MOST_HEADERS).any(|header| {
            let is_ours = |id: &str| {
                self.trust.names(id) && self.trust.place(&header) != HeaderPlace::Foreign
            };
            match self.trust.read(&header, false).1 {
                Ok(parsed) => {
                    let is_flawed = parsed.results.iter().any(|result| result.flaw.is_some());
                    is_flawed && is_ours(&parsed.authserv_id)
                }
                Err(unreadable) => is_ours(&unreadable.authserv_id),
            }
        })
    }

    fn received_spf(&mut self, head: &Head) {
        let mut lines = Vec::new();
        for header in head.named("received-spf").take(MOST_HEADERS) {
            let text = text(&header);
            let place = self.trust.place(&header);
            let found = received_spf::parse(&text).and_then(|found| match found.identity() {
                _ if place != HeaderPlace::Ours => Err("it is not above our Received line"),
                _ if header.value.len() > LONGEST_HEADER => Err(TOO_LONG),
                SpfIdentity::Other => Err("it is not about the envelope sender or the HELO"),
                identity => {
                    self.sender.check_complete(found.envelope_sender(), found.helo())?;
                    Ok((identity, found))
                }
            });
            match found {
                Ok((identity, found)) => lines.push((identity, found, header, text)),
                Err(why) => self.results.ignore(&header, &text, why.to_owned()),
            }
        }
        // SPF is about the envelope sender; the HELO serves if there is no such line.
        lines.sort_by_key(|(identity, ..)| *identity != SpfIdentity::MailFrom);
        for (identity, found, header, text) in lines {
            if self.results.spf.is_some() {
                let why = "an SPF result is already known from another header".to_owned();
                self.results.ignore(&header, &text, why);
                continue;
            }
            self.results.spf = Some(found.verdict);
            self.results.is_spf_of_helo = identity == SpfIdentity::Helo;
            self.results.spf_domain = self.asked(identity, &found);
            let (name, place) = (header.name, HeaderPlace::Ours.name());
            self.results.used.push(format!("{name}, {place}: spf={}", found.verdict));
        }
    }

    /// The domain that a `Received-SPF` line is about.
    fn asked(&self, identity: SpfIdentity, found: &ReceivedSpf) -> Option<String> {
        match identity {
            SpfIdentity::Helo => found.helo().and_then(domain_of),
            _ => {
                let sender = found.envelope_sender().or(self.mail.envelope_sender.as_deref());
                sender.and_then(domain_of)
            }
        }
    }
}

/// If one header has a method twice, it passes only if both do: what a sender
/// smuggled into a value must not decide. Two that pass must be about the same
/// identity.
fn sceptical<'a>(
    found: &[(&'a MethodResult, Verdict)],
) -> Result<(&'a MethodResult, Verdict), String> {
    let failed = found.iter().find(|(_, verdict)| *verdict != Verdict::Pass);
    let first = found.first().ok_or("there is none")?;
    let same =
        |name: &str| found.iter().all(|(other, _)| other.property(name) == first.0.property(name));
    match failed {
        Some(failed) => Ok(*failed),
        None if ["smtp.mailfrom", "smtp.helo", "header.from"].iter().all(|name| same(name)) => {
            Ok(*first)
        }
        None => Err("it is there twice, with different identities".to_owned()),
    }
}

/// One signature that passes is enough; otherwise the first result other than `none`.
fn best(verdicts: &[Verdict]) -> Option<Verdict> {
    let verdicts = || verdicts.iter().copied();
    verdicts()
        .find(|verdict| *verdict == Verdict::Pass)
        .or_else(|| verdicts().find(|verdict| *verdict != Verdict::None))
        .or_else(|| verdicts().next())
}

/// Whether the header also says of the same signature that it does not pass.
fn contradicted(result: &MethodResult, found: &[(&MethodResult, Verdict)]) -> bool {
    let key = |result: &MethodResult| {
        let data = result.property("header.b")?.to_owned();
        Some((data, result.property("header.d").map(str::to_ascii_lowercase)))
    };
    key(result).is_some_and(|one| {
        found.iter().any(|(result, verdict)| {
            *verdict != Verdict::Pass && key(result).is_some_and(|other| other == one)
        })
    })
}

/// Whether a result did not pass and can be believed although it is cut off: no
/// sender gains by adding a failure.
fn is_known_failure(result: &MethodResult, verdict: Verdict) -> bool {
    result.cut && verdict != Verdict::Pass
}

/// The envelope sender that a result is about; Google used to write `smtp.mail`.
fn mail_from(result: &MethodResult) -> Option<&str> {
    result.property("smtp.mailfrom").or_else(|| result.property("smtp.mail"))
}

/// The domain of an address, or of a bare domain name; canonical.
fn domain_of(address: &str) -> Option<String> {
    let address = address.trim_matches(['<', '>', ' ']);
    let name = address.rsplit_once('@').map_or(address, |(_, domain)| domain);
    let is_name = !name.is_empty() && !signature::is_ambiguous(name);
    is_name.then(|| domain::canonical(name).into_owned())
}

impl Results {
    fn of(&self, method: &str) -> Option<Verdict> {
        match method {
            "spf" => self.spf,
            "dkim" => self.dkim,
            "dmarc" => self.dmarc,
            "arc" => self.arc,
            _ => self.iprev,
        }
    }

    fn place(&mut self, method: &str) -> &mut Option<Verdict> {
        match method {
            "spf" => &mut self.spf,
            "dkim" => &mut self.dkim,
            "dmarc" => &mut self.dmarc,
            "arc" => &mut self.arc,
            _ => &mut self.iprev,
        }
    }

    fn ignore(&mut self, header: &Header<'_>, value: &str, why: String) {
        let header = excerpt(&format!("{}: {}", header.name, value.trim()));
        self.ignored.push(IgnoredHeader { header, why });
    }
}

fn text(header: &Header<'_>) -> String {
    let value = &header.value[..header.value.len().min(LONGEST_HEADER)];
    String::from_utf8_lossy(&unfold(value)).into_owned()
}

/// A header's text from its authserv-id on, before which ARC has its instance.
fn from_id(text: &str, arc: bool) -> &str {
    if arc { text.split_once(';').map_or("", |(_, rest)| rest) } else { text }
}

fn excerpt(text: &str) -> String {
    let mut words = text.split_whitespace().take(EXCERPT).collect::<Vec<_>>().join(" ");
    words.retain(|c| !c.is_control());
    if let Some((end, _)) = words.char_indices().nth(EXCERPT) {
        words.truncate(end);
        words.push('…');
    }
    words
}
