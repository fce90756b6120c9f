//! `report`: which kind of report a message is, for people who run a domain or a server.
//!
//! `dmarc` is an aggregate report (RFC 7489 §7.2.1.1), `tls` a report on SMTP TLS
//! (RFC 8460 §5.3), `abuse` a complaint (RFC 5965), `auth-failure` a report on a
//! message that did not prove its sender (RFC 6591).

use super::input::{folded, unread};
use super::{Mail, daemon};
use crate::message::reply_prefix;

/// How much of a feedback report's fields is read, bytes.
const LIMIT: usize = 8 << 10;

/// The kind; `None` if it is not a report.
///
/// # Errors
/// The body cannot be read.
pub fn kind(mail: &Mail<'_>) -> Result<Option<&'static str>, String> {
    let message = mail.message;
    let content_type = message.head().content_type();
    let report = content_type.get("report-type").unwrap_or_default().to_ascii_lowercase();
    match (content_type.value.as_str(), report.as_str()) {
        ("multipart/report", "tlsrpt") => return Ok(Some("tls")),
        ("multipart/report", "feedback-report") => return Ok(Some(feedback(mail)?)),
        _ => {}
    }
    let subject = folded(message, "subject");
    // Microsoft's `[Preview] `.
    let subject = subject.strip_prefix("[preview] ").unwrap_or(&subject);
    if !(subject.starts_with("report domain:") && subject.contains("submitter:")) {
        return named_dmarc(mail, subject);
    }
    if message.head().first("tls-report-domain").is_some_and(|value| !value.trim_ascii().is_empty())
    {
        return Ok(Some("tls"));
    }
    let parts = message.parts().map_err(unread)?;
    Ok(parts.iter().find_map(|part| {
        // `receiver!domain!begin!end.xml.gz`
        let name = part.name.as_deref().unwrap_or_default().to_lowercase();
        if part.media_type.starts_with("application/tlsrpt") || name.contains(".json") {
            return Some("tls");
        }
        let ends = [".xml", ".xml.gz", ".zip", ".gz"].iter().any(|end| name.ends_with(end));
        (ends && name.matches('!').count() >= 2).then_some("dmarc")
    }))
}

/// A DMARC report with another subject, from a machine: the file's name says what it is.
fn named_dmarc(mail: &Mail<'_>, subject: &str) -> Result<Option<&'static str>, String> {
    let machine = || {
        let from = mail.message.addresses("from");
        let local = from.first().map(|from| from.local.to_lowercase()).unwrap_or_default();
        let local = local.replace(['-', '_', '.'], "");
        daemon::null_sender(mail)
            || ["dmarc", "noreply"].iter().any(|word| local.contains(word))
            // Amazon: `Dmarc Aggregate Report Domain: {…} Submitter: {…}`
            || subject.contains("submitter:")
    };
    if !subject.contains("dmarc") || reply_prefix::begins(subject) || !machine() {
        return Ok(None);
    }
    let parts = mail.message.parts().map_err(unread)?;
    let mut names = parts.iter().filter_map(|part| part.name.as_deref());
    Ok(names.any(is_dmarc_file).then_some("dmarc"))
}

/// `receiver!domain!begin!end[!id].xml[.gz]`, RFC 7489 §7.2.1.1; also as a ZIP file.
fn is_dmarc_file(name: &str) -> bool {
    let name = name.to_lowercase();
    let ends = [".xml.gz", ".xml", ".zip", ".gz"];
    let Some(stem) = ends.iter().find_map(|end| name.strip_suffix(end)) else { return false };
    let fields: Vec<&str> = stem.split('!').collect();
    let is_time = |field: &&str| !field.is_empty() && field.bytes().all(|b| b.is_ascii_digit());
    matches!(fields.len(), 4 | 5)
        && fields.iter().take(2).all(|domain| domain.contains('.'))
        && fields.iter().skip(2).take(2).all(is_time)
}

/// By Feedback-Type, RFC 5965 §3.1.
fn feedback(mail: &Mail<'_>) -> Result<&'static str, String> {
    let parts = mail.message.parts().map_err(unread)?;
    let part = parts.iter().find(|part| part.media_type == "message/feedback-report");
    let Some(part) = part else { return Ok("abuse") };
    let bytes = mail.message.part_bytes(part, LIMIT).map_err(unread)?;
    let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    let kind = text.lines().find_map(|line| line.strip_prefix("feedback-type:"));
    Ok(match kind.map(str::trim) {
        Some("auth-failure") => "auth-failure",
        _ => "abuse",
    })
}

#[cfg(test)]
mod tests {
    use super::kind;
    use crate::classify::testing::{mail, message};

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(kind(&mail(&message(text))), Ok(expected), "{text}");
    }

    #[test]
    fn kinds() {
        let dmarc = "Subject: Report Domain: example.jp Submitter: far.example Report-ID: 1\nContent-Type: application/gzip; name=\"far.example!example.jp!1!2.xml.gz\"\n\n";
        check(dmarc, Some("dmarc"));
        check(&dmarc.replace("Subject: ", "Subject: [Preview] "), Some("dmarc"));
        let amazon = "From: postmaster@far.example\nSubject: Dmarc Aggregate Report Domain: {example.jp}  Submitter: {Far}\nContent-Type: application/gzip; name=\"far.example!example.jp!1!2.xml.gz\"\n\n";
        check(amazon, Some("dmarc"));
        check(&amazon.replace(": {Far}", ""), None);
        let tls = "Subject: Report Domain: example.jp Submitter: far.example Report-ID: 1\nTLS-Report-Domain: example.jp\nTLS-Report-Submitter: far.example\n\n";
        check(tls, Some("tls"));
        check(
            "Content-Type: multipart/report; report-type=tlsrpt; boundary=b\n\n--b--\n",
            Some("tls"),
        );
        let abuse = "Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n--b--\n";
        check(abuse, Some("abuse"));
        check(&abuse.replace(": abuse", ": auth-failure"), Some("auth-failure"));
    }

    #[test]
    fn one_sign_is_none() {
        check("Subject: Report Domain: example.jp Submitter: far.example\n\nhello\n", None);
        check("Subject: hello\nContent-Type: application/gzip; name=\"a!b!1!2.xml.gz\"\n\n", None);
        check("Subject: hello\nTLS-Report-Domain: example.jp\n\n", None);
        let picture = "Subject: Report Domain: example.jp Submitter: far.example\nContent-Type: image/png; name=\"a!b!1!2.png\"\n\n";
        check(picture, None);
    }
}
