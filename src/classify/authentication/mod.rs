//! What our own border found out about a message's sender: SPF, DKIM, DMARC,
//! ARC and iprev results, and which header says so.
//!
//! # Whose results count
//! Anyone can write an `Authentication-Results` header, in anyone's name (RFC
//! 8601 §7.1). Ours is told from a sender's by its authserv-id and by where
//! it stands; [`crate::classify::received`] says which Received lines are
//! ours and which one is the border.
//!
//! * **Above the border line** nobody outside could write. A header there
//!   counts if its authserv-id is one of `set trust`, or, without that
//!   setting, the machine's host name or the `by` host of the border line. Of
//!   several, the topmost that speaks of a method decides it: one milter
//!   writes `dkim`, the next one `dmarc`. Where no line is a border, this
//!   holds for what stands above the topmost Received line.
//! * **Just below the border line**, before any other Received line, Gmail
//!   and all milters under Postfix write theirs; but so can the sender. It
//!   counts only for an id of `set trust`, since whoever sets it says that
//!   this border takes forged ones out (RFC 8601 §5), only if nothing above
//!   counts, and only the topmost one. The same holds, for want of a better
//!   sign, where there is no border to go by.
//! * **Further down**, behind the next Received line, nothing counts.
//!
//! `Received-SPF` (RFC 7208 §9.1) has no authserv-id and counts above the
//! border line alone, where no Authentication-Results has an SPF result; a line
//! about the envelope sender before one about the HELO.
//! `ARC-Authentication-Results` (RFC 8617 §4.1.1) tells what others saw: of
//! one that would count by the rules above, the `arc` result alone is read.
//! Authserv-ids are compared as domain names, without case.
//!
//! A header that counts and cannot be read is still the one that counts: what
//! stands below it is not asked instead.
//!
//! # What counts of them
//! Borders print texts that the sender chose; [`sender_text`] tells how far a
//! header can be read. A DKIM result that passes must be one of a signature
//! that the message has, a DMARC result one of its From. A result that is
//! unreadable, cut off or contradicted has no value at all: nobody has found
//! out.

pub mod grammar;
pub mod received_spf;
pub mod sender_text;
pub mod signature;

use std::borrow::Cow;
use std::fmt;

use self::grammar::MethodResult;
use self::received_spf::{Identity, ReceivedSpf};
use self::sender_text::SenderText;
use crate::classify::Mail;
use crate::classify::received::Trail;
use crate::message::domain;
use crate::message::head::{Head, Header};
use crate::message::unfold::unfold;

/// More headers of the kind are not looked at.
const MOST_HEADERS: usize = 100;

/// Longest header that is read, in bytes.
const LONGEST_HEADER: usize = 64 << 10;

/// Longest excerpt of a header, in characters.
const EXCERPT: usize = 120;

/// The methods that are read.
const METHODS: [&str; 5] = ["spf", "dkim", "dmarc", "arc", "iprev"];

/// The words for a result: RFC 8601 §2.7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The sender is who it says.
    Pass,
    /// It is not.
    Fail,
    /// Probably not (SPF).
    SoftFail,
    /// The sender's domain says nothing either way.
    Neutral,
    /// There was nothing to check.
    None,
    /// Not acceptable to a policy of the checker.
    Policy,
    /// Could not be checked just then.
    TempError,
    /// Cannot be checked.
    PermError,
}

impl Verdict {
    /// The word of the specifications and of the rule language.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::SoftFail => "softfail",
            Verdict::Neutral => "neutral",
            Verdict::None => "none",
            Verdict::Policy => "policy",
            Verdict::TempError => "temperror",
            Verdict::PermError => "permerror",
        }
    }

    /// Reads a result in lower case, words of older specifications included
    /// (RFC 4408, RFC 5451).
    pub fn parse(word: &str) -> Option<Verdict> {
        let verdict = match word {
            "pass" => Verdict::Pass,
            "fail" | "hardfail" => Verdict::Fail,
            "softfail" => Verdict::SoftFail,
            "neutral" => Verdict::Neutral,
            "none" => Verdict::None,
            "policy" => Verdict::Policy,
            "temperror" | "error" | "softerror" => Verdict::TempError,
            "permerror" | "unknown" | "harderror" => Verdict::PermError,
            _ => return None,
        };
        Some(verdict)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is believed, and why. A result that no believed header speaks of is `None`.
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
    /// The domain that SPF was asked about: the envelope sender's, or the
    /// client's HELO.
    pub spf_domain: Option<String>,
    /// Domains of the signatures that pass.
    pub dkim_domains: Vec<String>,
    /// The From domain that DMARC was asked about.
    pub dmarc_domain: Option<String>,
    /// Who says so: header, id, where it stands, and what was taken from it.
    pub used: Vec<String>,
    /// Headers that were not believed, or not all of them.
    pub ignored: Vec<Ignored>,
}

/// A header that was not believed, as a whole or in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// Its beginning, without control characters.
    pub header: String,
    /// Why not, in words.
    pub why: String,
}

/// Where a header stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HeaderPlace {
    /// Where our machines alone write.
    Ours,
    /// Directly below the border line.
    AtBorder,
    /// Below what our machines wrote.
    Foreign,
    /// There is no border.
    Anywhere,
}

impl HeaderPlace {
    fn name(self) -> &'static str {
        match self {
            HeaderPlace::Ours => "above our border's Received line",
            HeaderPlace::AtBorder => "directly below our border's Received line",
            HeaderPlace::Foreign => "below our Received lines",
            HeaderPlace::Anywhere => "where no Received line shows a border",
        }
    }
}

/// Whom to believe.
struct Trust<'a> {
    ids: Vec<Cow<'a, str>>,
    /// By `set trust`.
    declared: bool,
    trail: &'a Trail,
    first_received: Option<usize>,
}

impl<'a> Trust<'a> {
    fn new(mail: &'a Mail<'_>) -> Trust<'a> {
        let trail = mail.trail();
        let declared = !mail.trust.is_empty();
        let ids = if declared {
            mail.trust.iter().map(|id| domain::canonical(id)).collect()
        } else {
            let by = trail.border().and_then(|border| border.by.as_deref());
            [mail.host_name.as_deref(), by].into_iter().flatten().map(domain::canonical).collect()
        };
        let first_received = mail.message.head().named("received").next();
        Trust { ids, declared, trail, first_received: first_received.map(|line| line.range.start) }
    }

    fn names(&self, id: &str) -> bool {
        let id = domain::canonical(id);
        !id.is_empty() && self.ids.iter().any(|word| names_id(word, &id))
    }

    /// A header's text, with the id that it lacks: Microsoft 365 names none.
    /// What stands above the border line was written by one of ours; where
    /// `set trust` has a name that the border's host is below, by that host.
    fn with_id(&self, header: &Header<'_>, text: String) -> String {
        let first = text.split([';', '(']).next().unwrap_or_default();
        let by = self.trail.border().and_then(|border| border.by.as_deref());
        match by.filter(|by| self.names(by) && !self.ids.contains(&domain::canonical(by))) {
            Some(by) if first.contains('=') && self.place(header) == HeaderPlace::Ours => {
                format!("{by}; {text}")
            }
            _ => text,
        }
    }

    fn place(&self, header: &Header<'_>) -> HeaderPlace {
        let start = header.range.start;
        match (self.trail.border_start, self.first_received) {
            (Some(border), _) if start < border => HeaderPlace::Ours,
            (Some(_), _) if self.trail.below_border.is_none_or(|below| start < below) => {
                HeaderPlace::AtBorder
            }
            (Some(_), _) => HeaderPlace::Foreign,
            (None, Some(first)) if start < first => HeaderPlace::Ours,
            (None, _) => HeaderPlace::Anywhere,
        }
    }

    /// Why a header with a trusted id does not count where it stands.
    fn misplaced(&self, place: HeaderPlace, something_counts: bool) -> Option<&'static str> {
        match place {
            HeaderPlace::Ours => None,
            HeaderPlace::Foreign => {
                Some("it stands below our Received lines, where the sender writes")
            }
            HeaderPlace::AtBorder | HeaderPlace::Anywhere if something_counts => {
                Some("it stands below one that counts")
            }
            HeaderPlace::AtBorder if !self.declared => {
                Some("it stands below our Received lines, and `set trust` does not name its id")
            }
            HeaderPlace::Anywhere if !self.declared => Some(
                "no Received line tells it from the sender's, and `set trust` does not name its id",
            ),
            HeaderPlace::AtBorder | HeaderPlace::Anywhere => None,
        }
    }
}

/// Reads the headers of a message that may be believed.
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

/// Whether a word of `set trust` names an authserv-id, both canonical: that one,
/// or written `.example.jp` every one below.
pub fn names_id(word: &str, id: &str) -> bool {
    word == id || word.starts_with('.') && id.len() > word.len() && id.ends_with(word)
}

/// The authserv-ids, canonical, of the headers that stand at or above the
/// border line, where they would count if they were trusted.
pub fn ids_at_border(mail: &Mail<'_>) -> Vec<String> {
    let trust = Trust::new(mail);
    let head = mail.message.head();
    let mut ids = Vec::new();
    for header in head.named("authentication-results").take(MOST_HEADERS) {
        if !matches!(trust.place(&header), HeaderPlace::Ours | HeaderPlace::AtBorder) {
            continue;
        }
        let id = match grammar::parse(&trust.with_id(&header, text(&header))) {
            Ok(parsed) => parsed.authserv_id,
            Err(unreadable) => unreadable.authserv_id,
        };
        let id = domain::canonical(&id).into_owned();
        if !id.is_empty() && !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

/// What is being found out of one message.
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
            let text = self.trust.with_id(&header, text(&header));
            let parsed = if arc { grammar::parse_arc(&text) } else { grammar::parse(&text) };
            let id = match &parsed {
                Ok(parsed) => &parsed.authserv_id,
                Err(unreadable) => &unreadable.authserv_id,
            };
            let place = self.trust.place(&header);
            let whys = match parsed {
                Err(unreadable) if id.is_empty() => vec![unreadable.why.to_owned()],
                _ if !self.trust.names(id) => vec![format!("`{}` is not trusted", excerpt(id))],
                parsed => match (self.trust.misplaced(place, counted), parsed) {
                    (Some(why), _) => vec![why.to_owned()],
                    (None, parsed) => {
                        counted = true;
                        match parsed {
                            Err(unreadable) => vec![unreadable.why.to_owned()],
                            Ok(parsed) => self.take(header.name, place, parsed, arc),
                        }
                    }
                },
            };
            for why in whys {
                self.results.ignore(&header, &text, why);
            }
        }
    }

    /// Takes from a believed header what is not decided yet. Gives why not all
    /// of it was.
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
                .filter_map(|each| Some((each, Verdict::parse(&each.result)?)))
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
            let speaks = header.results.iter().any(|each| methods.contains(&each.method.as_str()));
            whys.push(match speaks {
                true => "it has no word that is not known from one above".to_owned(),
                false => "it has no result of a method that is read".to_owned(),
            });
        }
        whys
    }

    /// What one header's results of a method come to.
    fn result(
        &mut self,
        method: &str,
        found: &[(&MethodResult, Verdict)],
    ) -> Result<Verdict, String> {
        if method == "dkim" {
            return self.dkim(found);
        }
        if let Some(why) = found.iter().find_map(|(result, _)| result.flaw) {
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
        let identity = mail_from(result).or_else(|| result.property("smtp.helo"));
        self.results.spf_domain = match identity {
            Some(identity) => domain_of(identity),
            // Some borders do not repeat what SPF is asked about by default.
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
                // Cut off behind its `header.d`
                (Some(flaw), ..) if !result.cut || signer.is_none() || !names => {
                    why = why.or(Some(flaw.to_owned()));
                }
                (_, Verdict::Pass, None) if names => {
                    why = why.or(Some("the message has no such DKIM-Signature".to_owned()));
                }
                (_, Verdict::Pass, _) if contradicted(result, found) => {
                    why = why.or(Some("it passes and fails one signature".to_owned()));
                }
                _ => believed.push((result, *verdict, signer.filter(|_| names))),
            }
        }
        let verdicts: Vec<Verdict> = believed.iter().map(|(_, verdict, _)| *verdict).collect();
        let best = best(&verdicts);
        for (_, verdict, signer) in believed {
            if let (Verdict::Pass, Some(signer)) = (verdict, signer)
                && !self.results.dkim_domains.iter().any(|each| each == signer)
            {
                self.results.dkim_domains.push(signer.to_owned());
            }
        }
        best.ok_or_else(|| why.unwrap_or_default())
    }

    fn dmarc(&mut self, found: &[(&MethodResult, Verdict)]) -> Result<Verdict, String> {
        let (result, verdict) = sceptical(found)?;
        let domain = result.property("header.from").and_then(domain_of);
        if let (Verdict::Pass, Some(domain)) = (verdict, &domain) {
            let from = self.mail.message.addresses("from");
            if !from.iter().any(|address| domain::aligned(domain, &address.domain)) {
                return Err(format!("From is not of {}", excerpt(domain)));
            }
        }
        if let (Verdict::Pass, Some(who)) = (verdict, self.sender.misleads()) {
            // OpenDMARC reads the results of others, and takes the first `@`.
            return Err(format!("{who} holds what can mislead a border"));
        }
        if verdict == Verdict::Pass && self.is_garbled() {
            return Err("the border's results are garbled".to_owned());
        }
        self.results.dmarc_domain = domain;
        Ok(verdict)
    }

    /// Whether a header that may be our border's cannot be read, or not all of
    /// it: a text of the sender's did that, perhaps one that the message does
    /// not show.
    fn is_garbled(&self) -> bool {
        let head = self.mail.message.head();
        head.named("authentication-results").take(MOST_HEADERS).any(|header| {
            let is_ours = |id: &str| {
                self.trust.names(id) && self.trust.place(&header) != HeaderPlace::Foreign
            };
            match grammar::parse(&self.trust.with_id(&header, text(&header))) {
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
                _ if place != HeaderPlace::Ours => Err("it does not stand above our Received line"),
                Identity::Other => Err("it is not about the envelope sender or the HELO"),
                identity => {
                    self.sender.is_whole(found.envelope_sender(), found.helo())?;
                    Ok((identity, found))
                }
            });
            match found {
                Ok((identity, found)) => lines.push((identity, found, header, text)),
                Err(why) => self.results.ignore(&header, &text, why.to_owned()),
            }
        }
        // The envelope sender is who SPF is about; of the HELO in want of that.
        lines.sort_by_key(|(identity, ..)| *identity != Identity::MailFrom);
        for (identity, found, header, text) in lines {
            if self.results.spf.is_some() {
                let why = "an SPF result is known from another".to_owned();
                self.results.ignore(&header, &text, why);
                continue;
            }
            self.results.spf = Some(found.verdict);
            self.results.spf_domain = self.asked(identity, &found);
            let (name, place) = (header.name, HeaderPlace::Ours.name());
            self.results.used.push(format!("{name}, {place}: spf={}", found.verdict));
        }
    }

    /// The domain that a `Received-SPF` line is about.
    fn asked(&self, identity: Identity, found: &ReceivedSpf) -> Option<String> {
        match identity {
            Identity::Helo => found.helo().and_then(domain_of),
            _ => {
                let sender = found.envelope_sender().or(self.mail.envelope_sender.as_deref());
                sender.and_then(domain_of)
            }
        }
    }
}

/// Where one header has a method twice, it passes only if both do: what a
/// sender smuggled into a value must not decide. Two that pass must do so for
/// one and the same.
fn sceptical<'a>(
    found: &[(&'a MethodResult, Verdict)],
) -> Result<(&'a MethodResult, Verdict), String> {
    let failed = found.iter().find(|(_, verdict)| *verdict != Verdict::Pass);
    let first = found.first().ok_or("there is none")?;
    let same =
        |name: &str| found.iter().all(|(each, _)| each.property(name) == first.0.property(name));
    match failed {
        Some(failed) => Ok(*failed),
        None if ["smtp.mailfrom", "smtp.helo", "header.from"].iter().all(|name| same(name)) => {
            Ok(*first)
        }
        None => Err("it stands there twice, about two".to_owned()),
    }
}

/// Of several signatures one is enough; else the first that was there.
fn best(verdicts: &[Verdict]) -> Option<Verdict> {
    let verdicts = || verdicts.iter().copied();
    verdicts()
        .find(|verdict| *verdict == Verdict::Pass)
        .or_else(|| verdicts().find(|verdict| *verdict != Verdict::None))
        .or_else(|| verdicts().next())
}

/// Whether the header says of the very signature, too, that it does not pass.
fn contradicted(result: &MethodResult, found: &[(&MethodResult, Verdict)]) -> bool {
    let key = |each: &MethodResult| {
        let data = each.property("header.b")?.to_owned();
        Some((data, each.property("header.d").map(str::to_ascii_lowercase)))
    };
    key(result).is_some_and(|one| {
        found.iter().any(|(each, verdict)| {
            *verdict != Verdict::Pass && key(each).is_some_and(|other| other == one)
        })
    })
}

/// `smtp.mail` was Google's of old.
fn mail_from(result: &MethodResult) -> Option<&str> {
    result.property("smtp.mailfrom").or_else(|| result.property("smtp.mail"))
}

/// The domain of an address, or a domain alone; canonical.
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
        self.ignored.push(Ignored { header, why });
    }
}

fn text(header: &Header<'_>) -> String {
    let value = &header.value[..header.value.len().min(LONGEST_HEADER)];
    String::from_utf8_lossy(&unfold(value)).into_owned()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::testing::{TestWorld, with_mail};

    const BORDER: &str = "Received: from pc (mail.example.org [192.0.2.1]) by mx.example.jp (Postfix) \
        with ESMTP id 1; x\n";
    const INNER: &str = "Received: from mx (mx.example.jp [10.0.0.1]) by store.example.jp (Dovecot) \
        with LMTP id 2; x\n";
    const OUTER: &str =
        "Received: from a ([127.0.0.1]) by mx.example.jp (Postfix) with ESMTP id 3; x\n";

    const SIGNATURES: &str = "DKIM-Signature: d=example.org; b=abcdefghijk\n\
        DKIM-Signature: d=b.example; b=lmnopqrstuv\n";

    fn results(text: &str, trust: &[&str]) -> Results {
        with_mail(
            &format!("{text}{SIGNATURES}From: a@example.org\n\n"),
            &TestWorld { trust, ..TestWorld::default() },
            of,
        )
    }

    fn ar(content: &str) -> String {
        format!("Authentication-Results: {content}\n")
    }

    /// spf, dkim, dmarc, arc, iprev
    #[track_caller]
    fn assert_verdicts(results: &Results, expected: &str) {
        let verdicts = [results.spf, results.dkim, results.dmarc, results.arc, results.iprev];
        let verdicts = verdicts.map(|verdict| verdict.map_or("-", Verdict::as_str)).join(" ");
        assert_eq!(verdicts, expected, "{results:#?}");
    }

    #[track_caller]
    fn assert_ignored(results: &Results, why: &str) {
        assert_verdicts(results, "- - - - -");
        assert!(results.used.is_empty());
        let whys: Vec<_> = results.ignored.iter().map(|ignored| ignored.why.as_str()).collect();
        assert_eq!(whys, [why]);
    }

    #[test]
    fn the_border_host_and_this_machine_are_believed_unasked() {
        for id in ["mx.example.jp", "MX.Example.JP.", "here.example.jp"] {
            let true_one = ar(&format!("{id}; spf=fail smtp.mailfrom=a@example.org; iprev=pass"));
            assert_verdicts(&results(&format!("{true_one}{BORDER}"), &[]), "fail - - - pass");
            assert_verdicts(
                &results(&format!("{INNER}{true_one}{BORDER}"), &[]),
                "fail - - - pass",
            );
        }
    }

    #[test]
    fn what_is_used_and_ignored_is_told() {
        let text = format!(
            "{}{}{BORDER}",
            ar("mx.example.jp; dmarc=pass"),
            ar("other.example;\n\tdmarc=fail")
        );
        let found = results(&text, &[]);
        assert_eq!(
            found.used,
            [
                "Authentication-Results of mx.example.jp, above our border's Received line: dmarc=pass"
            ]
        );
        assert_eq!(
            found.ignored,
            [Ignored {
                header: "Authentication-Results: other.example; dmarc=fail".to_owned(),
                why: "`other.example` is not trusted".to_owned(),
            }]
        );
    }

    /// What Microsoft 365 writes has no id, and stands above its border line.
    #[test]
    fn results_without_an_id_are_the_border_hosts() {
        let line = "Received: from mail.example.org (192.0.2.1) by DB5PEPF0001.mail.protection.example.com \
            (10.167.8.1) with Microsoft SMTP Server id 15.20.1; x\n";
        let header = "Authentication-Results: spf=pass (sender IP is 192.0.2.1)\n smtp.mailfrom=example.org; \
            dkim=pass (signature was verified)\n header.d=example.org;dmarc=pass action=none \
            header.from=example.org;compauth=pass reason=100\n";
        let trust = [".protection.example.com"];
        let found = results(&format!("{header}{line}"), &trust);
        assert_verdicts(&found, "pass pass pass - -");
        assert_eq!(found.dkim_domains, ["example.org"]);
        for (text, trust) in [
            (format!("{header}{line}"), &["mx.example.jp"][..]),
            (format!("{header}{line}"), &[]),
            // Its name in full says that it writes one.
            (format!("{header}{line}"), &["DB5PEPF0001.mail.protection.example.com"]),
            (format!("{line}{header}"), &trust),
            (format!("{header}{BORDER}"), &trust),
            (header.to_owned(), &trust),
        ] {
            let found = results(&text, trust);
            assert_ignored(&found, "it names no authserv-id");
        }
        let text = format!("{}{BORDER}", ar("mx2.example.jp; spf=pass"));
        assert_verdicts(&results(&text, &[".example.jp"]), "pass - - - -");
        assert_verdicts(&results(&text, &[".2.example.jp"]), "- - - - -");
    }

    #[test]
    fn a_foreign_id_is_ignored() {
        let forged = ar("mx.example.org; spf=pass");
        assert_ignored(
            &results(&format!("{forged}{BORDER}"), &[]),
            "`mx.example.org` is not trusted",
        );
        let mine = ar("mx.example.jp; spf=pass");
        assert_ignored(
            &results(&format!("{mine}{BORDER}"), &["other.example"]),
            "`mx.example.jp` is not trusted",
        );
    }

    #[test]
    fn our_own_id_beneath_the_border_is_ignored() {
        for id in ["mx.example.jp", "mX.eXample.jp", "here.example.jp"] {
            let forged = ar(&format!("{id}; spf=pass; dkim=pass; dmarc=pass"));
            assert_ignored(
                &results(&format!("{BORDER}{forged}"), &[]),
                "it stands below our Received lines, and `set trust` does not name its id",
            );
            let below = "it stands below our Received lines, where the sender writes";
            assert_ignored(&results(&format!("{BORDER}{OUTER}{forged}"), &[id]), below);
            assert_ignored(&results(&format!("{INNER}{BORDER}{OUTER}{forged}"), &[]), below);
        }
    }

    #[test]
    fn our_own_id_beneath_a_true_one_is_ignored() {
        let real = ar("mx.example.jp; spf=fail");
        let forged = ar("mx.example.jp; spf=pass; dkim=pass header.d=example.org");
        for text in [
            format!("{real}{BORDER}{forged}"),
            format!("{BORDER}{real}{forged}"),
            format!("{real}{forged}"),
        ] {
            let found = results(&text, &["mx.example.jp"]);
            assert_verdicts(&found, "fail - - - -");
            assert_eq!(found.ignored[0].why, "it stands below one that counts");
        }
    }

    #[test]
    fn a_border_that_is_named_may_write_below_its_line() {
        let text =
            format!("{BORDER}{}{OUTER}", ar("mx.example.jp; dkim=pass header.d=Example.ORG"));
        let found = results(&text, &["MX.example.jp"]);
        assert_verdicts(&found, "- pass - - -");
        assert_eq!(found.dkim_domains, ["example.org"]);
    }

    #[test]
    fn without_a_border_only_a_named_id_counts_or_what_is_above_all_lines() {
        let header = ar("here.example.jp; dkim=pass");
        let local = "Received: by here.example.jp (Postfix, from userid 5) id 1; x\n";
        assert_verdicts(&results(&format!("{header}{local}"), &[]), "- pass - - -");
        let why =
            "no Received line tells it from the sender's, and `set trust` does not name its id";
        assert_ignored(&results(&format!("{local}{header}"), &[]), why);
        assert_ignored(&results(&header, &[]), why);
        assert_verdicts(&results(&header, &["here.example.jp"]), "- pass - - -");
    }

    #[test]
    fn each_milter_writes_its_own() {
        let text = format!(
            "{}{}{}{BORDER}",
            ar("mx.example.jp; dmarc=pass header.from=example.org"),
            ar(
                "mx.example.jp; dkim=none; dkim=fail header.d=a.example; dkim=pass header.i=@b.example"
            ),
            ar("mx.example.jp; dmarc=fail; spf=softfail smtp.helo=pc.example.org; arc=none"),
        );
        let found = results(&text, &[]);
        assert_verdicts(&found, "softfail pass pass none -");
        assert_eq!(found.dkim_domains, ["b.example"]);
        assert_eq!(found.spf_domain.as_deref(), Some("pc.example.org"));
        assert_eq!(found.dmarc_domain.as_deref(), Some("example.org"));
        assert_eq!(found.used.len(), 3);
    }

    #[test]
    fn a_signature_that_the_message_does_not_have_proves_nothing() {
        for printed in [
            "dkim=pass header.d=other.example",
            "dkim=pass header.i=@other.example",
            "dkim=pass header.d=example.org header.b=xyz",
            "dkim=pass header.d=example.org header.i=@b.example",
            "dkim=pass header.d=example.org header.b=abc; dkim=fail header.d=example.org header.b=abc",
        ] {
            let found =
                results(&format!("{}{BORDER}", ar(&format!("mx.example.jp; {printed}"))), &[]);
            assert!(
                found.dkim != Some(Verdict::Pass) && found.dkim_domains.is_empty(),
                "{printed}"
            );
        }
        let printed = "mx.example.jp; dkim=pass header.d=other.example";
        let found = results(&format!("{}{BORDER}", ar(printed)), &[]);
        let why = "its `dkim` result is not believed: the message has no such DKIM-Signature";
        assert_ignored(&found, why);
        for printed in [
            "dkim=pass header.d=Example.ORG header.b=abcdef",
            "dkim=pass header.i=@mail.example.org header.b=\"abc\"",
            "dkim=pass header.d=example.org header.i=@example.org",
        ] {
            let found =
                results(&format!("{}{BORDER}", ar(&format!("mx.example.jp; {printed}"))), &[]);
            assert_eq!(found.dkim_domains, ["example.org"], "{printed}");
        }
    }

    #[test]
    fn a_header_that_counts_and_cannot_be_read_is_not_replaced() {
        let forged = ar("mx.example.jp; dmarc=pass header.from=example.org");
        for broken in [
            "dkim=pass header.i=a(@evil.example",
            "dkim=pass header.i=\"x",
            "dmarc=pass header.from=example.org(x)",
        ] {
            let broken = ar(&format!("mx.example.jp; {broken}"));
            let found = results(&format!("{BORDER}{broken}{forged}"), &["mx.example.jp"]);
            assert_eq!(found.dmarc, None, "{found:#?}");
            assert_eq!(found.ignored[1].why, "it stands below one that counts");
        }
    }

    #[test]
    fn a_dmarc_result_of_another_from_is_none() {
        let text = format!("{}{BORDER}", ar("mx.example.jp; dmarc=pass header.from=b.example"));
        assert_ignored(
            &results(&text, &[]),
            "its `dmarc` result is not believed: From is not of b.example",
        );
        let text = format!("{}{BORDER}", ar("mx.example.jp; dmarc=fail header.from=b.example"));
        assert_verdicts(&results(&text, &[]), "- - fail - -");
    }

    #[test]
    fn what_a_border_was_misled_to_is_none() {
        // OpenDMARC takes what follows the first `@` of "x@example.org"@evil.example.
        let dmarc = ar("mx.example.jp; dmarc=pass (p=reject dis=none) header.from=example.org");
        let spf = ar("mx.example.jp; spf=pass smtp.mailfrom=example.org\"@evil.example");
        let trust = &["mx.example.jp"];
        for text in [format!("{dmarc}{spf}{BORDER}"), format!("{BORDER}{dmarc}{spf}")] {
            assert_verdicts(&results(&text, trust), "- - - - -");
        }
        let text = format!("{dmarc}{BORDER}From: a@example.org\n\n");
        let sender =
            |sender| TestWorld { trust, envelope_sender: Some(sender), ..TestWorld::default() };
        let found = with_mail(&text, &sender("\"x@example.org\"@evil.example"), of);
        assert_verdicts(&found, "- - - - -");
        let found = with_mail(&text, &sender("x+y=z@evil.example"), of);
        assert_verdicts(&found, "- - pass - -");
    }

    #[test]
    fn a_received_spf_line_of_another_identity_hides_none() {
        let line = |text: &str| {
            format!("Received-SPF: {text}; client-ip=192.0.2.1; helo=mail.bank.example\n")
        };
        let mail = line("Pass identity=mailfrom; envelope-from=\"a@example.org\"");
        let helo = line("None identity=helo; envelope-from=\"a@example.org\"");
        let pra = line("Fail identity=pra; envelope-from=\"a@bank.example\"");
        for text in [format!("{helo}{pra}{mail}"), format!("{mail}{helo}{pra}")] {
            let found = results(&format!("{text}{BORDER}"), &[]);
            assert_verdicts(&found, "pass - - - -");
            assert_eq!(found.spf_domain.as_deref(), Some("example.org"));
        }
        assert_verdicts(&results(&format!("{pra}{BORDER}"), &[]), "- - - - -");
        let found = results(&format!("{helo}{BORDER}"), &[]);
        assert_verdicts(&found, "none - - - -");
        assert_eq!(found.spf_domain.as_deref(), Some("mail.bank.example"));
        let microsoft = line(
            "Pass (outlook.com: domain of example.org designates 192.0.2.1 as permitted sender)",
        );
        let found = results(&format!("{microsoft}{BORDER}"), &[]);
        assert_eq!(found.spf_domain.as_deref(), Some("example.org"));
        let bare = line("Pass receiver=mx.example.jp");
        assert_eq!(results(&format!("{bare}{BORDER}"), &[]).spf_domain, None);
    }

    #[test]
    fn a_method_that_speaks_twice_passes_twice() {
        let text = format!(
            "{}{BORDER}",
            ar("mx.example.jp; spf=fail smtp.mailfrom=x; dmarc=pass@evil; dmarc=fail; dmarc=pass;\
                spf=pass smtp.mailfrom=y; spf=pass smtp.helo=z; iprev=pass; iprev=pass"),
        );
        assert_verdicts(&results(&text, &[]), "fail - fail - pass");
        let text = format!(
            "{}{BORDER}",
            ar("mx.example.jp; spf=none smtp.helo=z; spf=pass smtp.mailfrom=y")
        );
        assert_verdicts(&results(&text, &[]), "pass - - - -");
    }

    #[test]
    fn received_spf_counts_above_the_border_line_only() {
        let spf = "Received-SPF: Pass (mx: domain of a@example.org) client-ip=192.0.2.1;\n \
            envelope-from=\"a@example.org\"; helo=pc;\n";
        let found = results(&format!("{spf}{BORDER}"), &[]);
        assert_verdicts(&found, "pass - - - -");
        assert_eq!(found.spf_domain.as_deref(), Some("example.org"));
        assert_eq!(found.used, ["Received-SPF, above our border's Received line: spf=pass"]);
        for trust in [&[][..], &["mx.example.jp"]] {
            let below = results(&format!("{BORDER}{spf}"), trust);
            assert_ignored(&below, "it does not stand above our Received line");
        }
        let first = results(&format!("{}{spf}{BORDER}", ar("mx.example.jp; spf=fail")), &[]);
        assert_verdicts(&first, "fail - - - -");
    }

    #[test]
    fn arc_authentication_results_are_for_arc() {
        let arc = "ARC-Authentication-Results: i=2; mx.example.jp; arc=pass; spf=pass; dkim=pass\n";
        assert_verdicts(&results(&format!("{arc}{BORDER}"), &[]), "- - - pass -");
        assert_verdicts(&results(&format!("{BORDER}{arc}"), &[]), "- - - - -");
        let text = format!("{arc}{}{BORDER}", ar("mx.example.jp; arc=fail"));
        assert_verdicts(&results(&text, &[]), "- - - fail -");
    }

    #[test]
    fn an_attached_message_has_no_say() {
        let text = format!(
            "{BORDER}Content-Type: message/rfc822\n\n{}From: b@example.org\n\n",
            ar("mx.example.jp; spf=pass; dmarc=pass")
        );
        let found =
            with_mail(&text, &TestWorld { trust: &["mx.example.jp"], ..TestWorld::default() }, of);
        assert_eq!(found, Results::default());
    }

    #[test]
    fn the_envelope_sender_stands_in_for_what_a_border_left_out() {
        let text = format!("{}{BORDER}\n", ar("mx.example.jp; spf=pass"));
        let world =
            TestWorld { envelope_sender: Some("b@Bounces.example.org"), ..TestWorld::default() };
        let found = with_mail(&text, &world, of);
        assert_eq!(found.spf_domain.as_deref(), Some("bounces.example.org"));
    }

    #[test]
    fn results_of_rspamd() {
        // 3.4
        let text = format!(
            "{}{BORDER}",
            ar(
                "mx.example.jp;\n\tdkim=none;\n\tspf=none (mx.example.jp: domain of a@example.org has no \
                SPF policy when checking 192.0.2.1) smtp.mailfrom=a@example.org;\n\tdmarc=none"
            )
        );
        assert_verdicts(&results(&text, &[]), "none none none - -");
    }
}
