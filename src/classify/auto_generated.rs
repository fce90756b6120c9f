//! `auto-generated`: a machine wrote it unasked, to report something: cron,
//! trackers, monitors, calendars, reports about a domain.
//!
//! Signs are Auto-Submitted (RFC 3834 §5) other than auto-replied, reports on a
//! domain ([`domain_report`]), headers of programs, and the null sender if the mail
//! is not an answer. Answers belong to [`automatic`].

use super::automatic::{self, auto_submitted, report_type};
use super::input::folded;
use super::words::answers;
use super::{Classifier, Finding, Mail, daemon, domain_report, mailing_list};
use crate::message::Message;

/// A machine's notice.
pub const AUTO_GENERATED: Classifier = Classifier {
    name: "auto-generated",
    absent: "no `Auto-Submitted: auto-generated`, no mark of a notice or a report",
    find,
};

fn find(mail: &Mail<'_>) -> Finding {
    let null = || {
        let null = daemon::null_sender(mail) && mailing_list::evidence(mail).is_none();
        null.then(|| "the envelope sender is null".to_owned())
    };
    let report = || -> Finding {
        let kind = domain_report::kind(mail)?;
        Ok(kind.map(|kind| format!("it is a report on a domain: {kind}")))
    };
    let known = header(mail.message).or_else(null).map_or_else(report, |known| Ok(Some(known)));
    let Some(evidence) = known? else { return Ok(None) };
    Ok((automatic::AUTOMATIC.find)(mail)?.is_none().then_some(evidence))
}

/// What the header shows.
pub fn header(message: &Message) -> Option<String> {
    let auto_submitted = auto_submitted(message);
    if !auto_submitted.is_empty() {
        return Some(format!("Auto-Submitted: {auto_submitted}"));
    }
    if let Some(kind @ ("feedback-report" | "tlsrpt")) = report_type(message).as_deref() {
        return Some(format!("multipart/report; report-type={kind}"));
    }
    let says = |name: &&&str| !matches!(folded(message, name).as_str(), "" | "no" | "false");
    let mark = answers::HEADERS_OF_NOTICES.iter().find(says)?;
    Some(format!("it has {mark}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::testing::{evidence, finds, message};

    #[test]
    fn notices_of_machines() {
        let issue = message(
            "From: tracker@far.example\nAuto-Submitted: auto-generated\nSubject: a bug\n\n",
        );
        assert_eq!(
            evidence(&AUTO_GENERATED, &issue).as_deref(),
            Some("Auto-Submitted: auto-generated")
        );
        assert!(!finds(&automatic::AUTOMATIC, &issue));
        for header in [
            "Auto-Submitted: auto-notified; owner-email=\"a@b.example\"",
            "X-Cron-Env: <SHELL=/bin/sh>",
            "Return-Path: <>\nSubject: a form",
            "Content-Type: multipart/report; report-type=feedback-report; boundary=b",
            "Subject: Report Domain: example.jp Submitter: far.example\nContent-Type: application/gzip; name=\"far.example!example.jp!1!2.xml.gz\"",
        ] {
            let message = message(&format!("From: a@b.example\n{header}\n\n"));
            assert!(finds(&AUTO_GENERATED, &message), "{header}");
            assert!(!finds(&automatic::AUTOMATIC, &message), "{header}");
        }
    }

    #[test]
    fn answers_and_people_are_none() {
        for header in [
            "Auto-Submitted: auto-replied",
            "Auto-Submitted: no",
            "Auto-Submitted: auto-generated\nSubject: Automatic reply: hello",
            "Return-Path: <>\nIn-Reply-To: <1@example.jp>\nSubject: x",
            "Subject: hello",
        ] {
            let message = message(&format!("From: a@b.example\n{header}\n\n"));
            assert!(!finds(&AUTO_GENERATED, &message), "{header}");
        }
    }
}
