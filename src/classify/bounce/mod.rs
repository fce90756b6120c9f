//! `bounce`: the message reports a failed or delayed delivery, and says who could not
//! be reached, with what status, and why.
//!
//! Delivery status notifications (RFC 3464, RFC 6533) say so in fields. Other
//! MTAs say it in words: in that case a mail system must be the sender, and the subject
//! or the text must be that of a report. Only the first 64 KB of a text are read.
//! A notification that mail was delivered, relayed or read is not a bounce.

mod delivery_status;
mod failure;
mod free_form;
mod mention;
mod opening;
mod status;
mod words;

use std::collections::HashSet;

use super::input::folded;
use super::words::plain;
use super::{Classifier, Mail, daemon, mailing_list};
use crate::message::fold::fold;
use crate::message::reply_prefix;
use opening::BounceParts;

pub use failure::RecipientFailure;

/// A failed or delayed delivery is reported.
pub const BOUNCE: Classifier = Classifier {
    name: "bounce",
    absent: "no delivery report, no words of one with an address or a code",
    find: |mail| Ok(report(mail)?.map(|report| report.evidence.clone())),
};

/// The content of a bounce.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Why we think that it is a bounce.
    pub evidence: String,
    /// Each recipient that could not be reached.
    pub failures: Vec<RecipientFailure>,
    /// The header of the mail that came back, as far as it was returned.
    pub returned: String,
}

/// `bounce.status`: RFC 3463 codes, each once.
///
/// # Errors
/// The body cannot be read.
pub fn statuses(mail: &Mail<'_>) -> Result<Vec<String>, String> {
    each(mail, |failure| failure.status.clone())
}

/// `bounce.recipient`: who could not be reached.
///
/// # Errors
/// The body cannot be read.
pub fn recipients(mail: &Mail<'_>) -> Result<Vec<String>, String> {
    each(mail, |failure| failure.recipient.clone())
}

/// `bounce.reason`: why, in the words of the mail system.
///
/// # Errors
/// The body cannot be read.
pub fn reasons(mail: &Mail<'_>) -> Result<Vec<String>, String> {
    each(mail, |failure| failure.reason.clone())
}

/// `bounce.action`: failed or delayed, RFC 3464 §2.3.3.
///
/// # Errors
/// The body cannot be read.
pub fn actions(mail: &Mail<'_>) -> Result<Vec<String>, String> {
    each(mail, |failure| Some(failure.action.clone()))
}

fn each(
    mail: &Mail<'_>,
    field: impl Fn(&RecipientFailure) -> Option<String>,
) -> Result<Vec<String>, String> {
    let failures = report(mail)?.map(|report| report.failures.as_slice()).unwrap_or_default();
    let mut seen = HashSet::new();
    Ok(failures.iter().filter_map(field).filter(|value| seen.insert(value.clone())).collect())
}

/// What the message reports; `None` if it is not a bounce.
///
/// # Errors
/// The body cannot be read.
pub fn report<'a>(mail: &'a Mail<'_>) -> Result<Option<&'a Report>, String> {
    match mail.known.bounce.get_or_init(|| find(mail)) {
        Ok(report) => Ok(report.as_ref()),
        Err(why) => Err(why.clone()),
    }
}

fn find(mail: &Mail<'_>) -> Result<Option<Report>, String> {
    let signs = Signs::of(mail);
    if let Some(evidence) = signs.refusal() {
        let opening = opening::read(mail.message, true)?;
        return Ok(Some(Report { evidence, failures: Vec::new(), returned: opening.returned }));
    }
    if !signs.worth_reading() {
        return Ok(None);
    }
    let opening = opening::read(mail.message, signs.kind == BounceKind::Report)?;
    let (reported, said) = match opening.status.is_empty() {
        true => (delivery_status::read(&opening.notes), true),
        false => (delivery_status::read(&opening.status), false),
    };
    let own = own_addresses(mail);
    let Some(evidence) = signs.evidence(&opening, &reported, said, &own) else { return Ok(None) };
    let mut failures: Vec<RecipientFailure> =
        reported.into_iter().filter(RecipientFailure::is_bad).collect();
    if failures.is_empty() {
        failures = free_form::read(&opening.notes, &failed_recipients(mail), &own);
        if let [RecipientFailure { recipient: recipient @ None, .. }] = failures.as_mut_slice() {
            *recipient = mention::mentioned(&signs.subject, &own).into_iter().next();
        }
    } else if !said {
        free_form::complete(&mut failures, &opening.notes);
    }
    let delayed = words::delay(&signs.subject).or_else(|| words::delay(&opening.folded)).is_some();
    for failure in &mut failures {
        failure.complete(delayed, &opening.folded);
    }
    Ok(Some(Report { evidence, failures, returned: opening.returned }))
}

/// X-Failed-Recipients, written by Exim and Google.
fn failed_recipients(mail: &Mail<'_>) -> Vec<String> {
    let addresses = mail.message.addresses("x-failed-recipients");
    addresses
        .iter()
        .filter(|address| !address.domain.is_empty())
        .map(|address| address.address())
        .collect()
}

/// The addresses of whoever gets the bounce and whoever sent it.
fn own_addresses(mail: &Mail<'_>) -> Vec<String> {
    let headers = ["to", "cc", "delivered-to", "x-original-to", "from", "sender"];
    let of = |header| mail.message.addresses(header);
    headers.iter().flat_map(|header| of(header).to_vec()).map(|address| address.address()).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BounceKind {
    /// multipart/report about a delivery, or message/delivery-status alone.
    Report,
    /// What became of a delivered message (RFC 8098).
    Receipt,
    /// A report of something else (RFC 5965, RFC 8460).
    OtherReport,
    Other,
}

/// What the header shows.
struct Signs {
    kind: BounceKind,
    /// What shows that a mail system is the sender.
    system: Option<String>,
    /// The name of the sender shows it, not only the null sender.
    named: bool,
    /// The sender is MAILER-DAEMON, who writes nothing else; a postmaster may be a person.
    daemon: bool,
    /// The sender is fml, in the name of a list's keeper.
    keeper: bool,
    /// The envelope sender is null, so a machine speaks.
    null_sender: bool,
    /// Nobody reads answers to the message.
    unattended: bool,
    subject: String,
    subject_reports: bool,
    failed_recipients: bool,
    /// The message came through a list, so anybody may have written it, or is a newsletter.
    to_many: bool,
}

impl Signs {
    fn of(mail: &Mail<'_>) -> Signs {
        let head = mail.message.head();
        let content_type = head.content_type();
        let report_type = content_type.get("report-type").unwrap_or_default().to_ascii_lowercase();
        let kind = match (content_type.value.as_str(), report_type.as_str()) {
            ("multipart/report", "disposition-notification") => BounceKind::Receipt,
            ("multipart/report", "feedback-report" | "tlsrpt") => BounceKind::OtherReport,
            ("multipart/report", _) => BounceKind::Report,
            ("message/delivery-status" | "message/global-delivery-status", _) => BounceKind::Report,
            _ => BounceKind::Other,
        };
        let by_name = daemon::mail_system(mail);
        let named = by_name.is_some();
        let null_sender = daemon::null_sender(mail);
        let system =
            by_name.or_else(|| null_sender.then(|| "the envelope sender is null".to_owned()));
        let keeper = mailing_list::keeper(mail.message);
        let subject = plain(&folded(mail.message, "subject"));
        let from = folded(mail.message, "from");
        let auto_submitted = folded(mail.message, "auto-submitted");
        Signs {
            kind,
            keeper: keeper.is_some(),
            system: system.or(keeper),
            named,
            daemon: mail.message.addresses("from").iter().any(|from| {
                let local = from.local.to_lowercase();
                local.starts_with("mailer") && local.ends_with("daemon")
            }),
            null_sender,
            unattended: from.replace(['-', '_', '.'], "").contains("noreply")
                || !auto_submitted.is_empty() && auto_submitted != "no"
                || !from.contains('@'),
            subject_reports: words::subject_reports(&subject),
            subject,
            failed_recipients: head.first("x-failed-recipients").is_some(),
            to_many: !named
                && (head.first("list-unsubscribe").is_some()
                    || mailing_list::evidence(mail).is_some()),
        }
    }

    fn worth_reading(&self) -> bool {
        let spoken = self.system.is_some() || self.unattended || self.subject_reports;
        self.kind == BounceKind::Report
            || self.kind == BounceKind::Other && (spoken || self.failed_recipients)
    }

    fn is_answer(&self) -> bool {
        reply_prefix::begins(&self.subject) || words::is_note(&self.subject)
    }

    /// Whether no person speaks for the mail system, nor a program that answers.
    fn only_reports(&self) -> bool {
        self.daemon || self.named && self.null_sender && !self.is_answer()
    }

    /// Sieve's `reject` answers with a disposition notification (RFC 5429 §2.1.1).
    fn refusal(&self) -> Option<String> {
        let refused = self.kind == BounceKind::Receipt && self.subject.contains("reject");
        let system = self.system.as_ref().filter(|_| refused)?;
        Some(format!("{system}, and the subject of a disposition notification says `reject`"))
    }

    /// Why it is a bounce; `said` if `reported` was read from free text.
    fn evidence(
        &self,
        opening: &BounceParts,
        reported: &[RecipientFailure],
        said: bool,
        own: &[String],
    ) -> Option<String> {
        let bad = reported.iter().any(RecipientFailure::is_bad);
        // A person may forward the parts of a report, but the subject then shows it.
        let subject_reports = self.subject_reports && !self.is_answer();
        if !said && (self.kind == BounceKind::Report || self.system.is_some() || subject_reports) {
            if bad {
                return Some(match self.kind {
                    BounceKind::Report => {
                        "multipart/report; report-type=delivery-status".to_owned()
                    }
                    _ => "a part is message/delivery-status".to_owned(),
                });
            }
            if !reported.is_empty() {
                return None;
            }
            if self.kind == BounceKind::Report && (self.system.is_some() || self.subject_reports) {
                return Some("multipart/report; report-type=delivery-status".to_owned());
            }
        }
        if self.failed_recipients
            && (self.system.is_some()
                || self.subject_reports
                || words::report(&opening.folded).is_some())
        {
            return Some("it has X-Failed-Recipients".to_owned());
        }
        // Forms send with the null sender what people write, who quote reports.
        let spoken = (!self.named).then(|| unquoted(&opening.notes));
        let found = BounceText {
            notes: spoken.as_deref().unwrap_or(&opening.notes),
            has_returned: !opening.returned.trim().is_empty(),
            bad,
            said,
            own,
        };
        match &self.system {
            Some(system) => {
                let folded = spoken.as_deref().map(|spoken| plain(&fold(spoken)));
                let text = folded.as_deref().unwrap_or(&opening.folded);
                self.words_of_system(system, &found, text)
            }
            None => self.words_at_start(&found),
        }
    }

    /// What shows that the text of a mail system reports a delivery; `text` is what it
    /// says itself, folded.
    fn words_of_system(&self, system: &str, found: &BounceText<'_>, text: &str) -> Option<String> {
        // Parcels are not delivered, either, and people write to forms.
        if !self.named && !found.has_returned && words::is_of_person(text) {
            return None;
        }
        let told = || {
            words::report(text).is_some_and(|phrase| !words::is_of_own_mail(phrase, text))
                || words::recipient_fault(text).is_some()
        };
        let shown = || {
            found.has_returned
                || found.has_code() && found.names_stranger()
                || told() && found.is_concrete()
        };
        // A postmaster may be a person who writes about a delivery problem.
        let by_machine = || self.daemon || self.null_sender || self.unattended;
        let sure = || self.keeper || self.named && by_machine();
        if self.subject_reports && !self.is_answer() && (sure() || shown()) {
            return Some(format!("{system}, and the subject is a delivery report's"));
        }
        if found.said && found.bad {
            return Some(format!("{system}, and the text has the fields of a delivery report"));
        }
        let phrase = match self.named {
            true => self.phrase_of_named(found, text),
            false => self.phrase_of_null_sender(found, text),
        };
        if let Some(phrase) = phrase {
            return Some(format!("{system}, and the text says `{phrase}`"));
        }
        let shown = self.only_reports()
            && found.has_code()
            && !mention::mentioned(found.notes, found.own).is_empty();
        shown.then(|| format!("{system}, and the text has a code and an address"))
    }

    /// What a sender says who is a mail system by name.
    fn phrase_of_named(&self, found: &BounceText<'_>, text: &str) -> Option<&'static str> {
        words::report_of_machine(text).or_else(|| {
            let fault = || {
                let said = words::recipient_fault(text);
                let said = said.or_else(|| free_form::fault_after_address(found.notes));
                let sure = self.daemon && self.null_sender;
                let said = said.or_else(|| words::fault(text).filter(|_| sure));
                said.filter(|_| !self.is_answer())
            };
            let delay = || words::delay(text).filter(|_| self.daemon);
            let failure = || words::failure(text).or_else(fault).or_else(delay);
            // A postmaster may be a person who writes about accounts.
            let sure = || self.only_reports() || found.has_code();
            words::report_of_anyone(text)
                .or_else(|| failure().filter(|_| found.is_concrete() && sure()))
        })
    }

    /// What a sender says who is a mail system only by the null envelope sender.
    fn phrase_of_null_sender(&self, found: &BounceText<'_>, text: &str) -> Option<&'static str> {
        // An absent person's program quotes what came, or says that an address is old.
        if self.is_answer() {
            return None;
        }
        // Forms send with the null sender what people write.
        words::report_of_machine(text).filter(|_| found.is_concrete()).or_else(|| {
            let phrase = words::report_of_anyone(text);
            let phrase = phrase.or_else(|| words::failure_at_start(text));
            let fault = || words::recipient_fault(text).is_some() && found.is_concrete();
            let shown = |phrase: &&str| !words::is_of_own_mail(phrase, text);
            phrase.filter(|phrase| shown(phrase) && (found.has_code() || fault()))
        })
    }

    /// What shows that the text of somebody else begins like a report.
    fn words_at_start(&self, found: &BounceText<'_>) -> Option<String> {
        if self.is_answer() || !(self.subject_reports || self.unattended) || self.to_many {
            return None;
        }
        // A person, or a ticket system, quotes the message that came, after own words.
        let is_blank = |line: &&str| line.trim().is_empty();
        let lines: Vec<&str> = found.notes.lines().skip_while(is_blank).collect();
        let read = |lines: &[&str]| plain(&fold(&lines.join("\n")));
        let first = lines.split(|line| is_blank(line)).next().unwrap_or_default();
        let announced = first.iter().position(|line| line.trim_end().ends_with([':', '：']));
        let first = announced.and_then(|at| first.get(..=at)).unwrap_or(first);
        let phrase = words::report_of_machine(&read(first)).or_else(|| {
            let text = read(&lines);
            let text = words::start(&text);
            let phrase = words::report_of_machine(text).or_else(|| {
                let faulty = || words::recipient_fault(text).is_some();
                let phrase =
                    words::report_of_anyone(text).filter(|_| found.has_code() || faulty())?;
                (!words::is_of_own_mail(phrase, text)).then_some(phrase)
            });
            phrase.filter(|_| self.subject_reports && self.unattended)
        });
        let phrase = phrase.filter(|_| found.is_concrete())?;
        Some(format!("the text begins `{phrase}`"))
    }
}

/// The text of the message, and what it is about.
struct BounceText<'a> {
    /// The words of the sender.
    notes: &'a str,
    /// Whether mail came back.
    has_returned: bool,
    /// Whether a recipient could not be reached.
    bad: bool,
    /// Whether that was read from free text.
    said: bool,
    own: &'a [String],
}

impl BounceText<'_> {
    /// Anyone may write one phrase, or one header.
    fn has_code(&self) -> bool {
        self.bad || status::in_text(self.notes).is_some() || status::reply(self.notes).is_some()
    }

    fn names_stranger(&self) -> bool {
        mention::mentions_stranger(self.notes, self.own)
    }

    fn is_concrete(&self) -> bool {
        self.has_code() || self.names_stranger()
    }
}

/// A text without lines that are quoted from another; `>>>` begins what a client of SMTP said.
fn unquoted(text: &str) -> String {
    let quoted = |line: &&str| {
        let line = line.trim_start();
        line.starts_with('>') && !line.starts_with(">>>")
    };
    text.split_inclusive('\n').filter(|line| !quoted(line)).collect()
}

#[cfg(test)]
mod tests;
