//! `calendar`: an invitation, its cancellation, or an answer to one.
//! `calendar.method` says which of these it is.
//!
//! iTIP (RFC 5546 §1.4) names the method in the content, and iMIP (RFC 6047 §2.4)
//! in Content-Type as well. An event that is only published, such as a ticket's,
//! is not an invitation.

use super::input::unread;
use super::{Classifier, Finding, Mail};
use crate::message::charset;
use crate::message::mime::Part;

/// An invitation or an answer to one.
pub const CALENDAR: Classifier =
    Classifier { name: "calendar", absent: "no text/calendar part", find };

/// How much of a calendar is read, bytes: METHOD comes before all events.
const LIMIT: usize = 8 << 10;

fn find(mail: &Mail<'_>) -> Finding {
    for part in parts(mail)? {
        let method = method(mail, part)?;
        // A file without a method is a ticket's, or one that somebody has exported.
        if (part.attached || is_file(part)) && method.is_none() {
            continue;
        }
        if method.as_deref() != Some("PUBLISH") {
            let method = method.map(|method| format!(" with METHOD:{method}")).unwrap_or_default();
            return Ok(Some(format!("a part is {}{method}", part.media_type)));
        }
    }
    Ok(None)
}

/// `calendar.method`: methods in capitals, each once.
///
/// # Errors
/// The body cannot be read.
pub fn methods(mail: &Mail<'_>) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for part in parts(mail)? {
        if let Some(method) = method(mail, part)?
            && !found.contains(&method)
        {
            found.push(method);
        }
    }
    Ok(found)
}

/// The calendars of a message. The body is not read if the message's type cannot
/// contain any.
fn parts<'a>(mail: &Mail<'a>) -> Result<Vec<&'a Part>, String> {
    let content_type = mail.message.head().content_type();
    let is_calendar = |kind: &str| matches!(kind, "text/calendar" | "application/ics");
    let is_single = is_calendar(&content_type.value) || content_type.value == OCTETS;
    if !is_single && !content_type.value.starts_with("multipart/") {
        return Ok(Vec::new());
    }
    let parts = mail.message.parts().map_err(unread)?;
    Ok(parts.iter().filter(|part| is_calendar(&part.media_type) || is_file(part)).collect())
}

/// What gateways that do not know a type make of it.
const OCTETS: &str = "application/octet-stream";

/// `invite.ics` without its type.
fn is_file(part: &Part) -> bool {
    let is_ics = |name: &String| name.to_ascii_lowercase().ends_with(".ics");
    part.media_type == OCTETS && part.name.as_ref().is_some_and(is_ics)
}

/// The method that the content names, RFC 5545 §3.7.2.
fn method(mail: &Mail<'_>, part: &Part) -> Result<Option<String>, String> {
    let bytes = mail.message.part_bytes(part, LIMIT).map_err(unread)?;
    let text = charset::decode(part.charset.as_deref(), &bytes).replace('\r', "");
    // RFC 5545 §3.1
    let text = text.replace("\n ", "").replace("\n\t", "");
    let method = text.lines().find_map(|line| {
        let (name, value) = line.trim_end().split_once(':')?;
        let name = name.split(';').next().unwrap_or_default();
        name.eq_ignore_ascii_case("method").then(|| value.trim().to_ascii_uppercase())
    });
    Ok(method
        .filter(|method| method.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::testing::{evidence, finds, mail, message};

    fn within(content: &str) -> String {
        format!(
            "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b\nContent-Type: text/calendar\n\nBEGIN:VCALENDAR\n{content}END:VCALENDAR\n--b--\n"
        )
    }

    #[test]
    fn invitations_and_answers() {
        let reply = message(&within("METHOD:REPLY\n"));
        assert_eq!(
            evidence(&CALENDAR, &reply).as_deref(),
            Some("a part is text/calendar with METHOD:REPLY")
        );
        assert_eq!(methods(&mail(&reply)), Ok(vec!["REPLY".to_owned()]));
        let whole = message("Content-Type: text/calendar\n\nBEGIN:VCALENDAR\r\nmethod:Request\r\n");
        assert_eq!(methods(&mail(&whole)), Ok(vec!["REQUEST".to_owned()]));
        let without = message(&within(""));
        assert_eq!(evidence(&CALENDAR, &without).as_deref(), Some("a part is text/calendar"));
        assert_eq!(methods(&mail(&without)), Ok(Vec::new()));
    }

    #[test]
    fn what_is_published_is_none() {
        let ticket = message(&within("METHOD:PUBLISH\n"));
        assert!(!finds(&CALENDAR, &ticket));
        assert_eq!(methods(&mail(&ticket)), Ok(vec!["PUBLISH".to_owned()]));
        let attached = "text/calendar; name=event.ics\nContent-Disposition: attachment";
        let file = |content| within(content).replace("text/calendar", attached);
        assert!(!finds(&CALENDAR, &message(&file(""))));
        assert!(finds(&CALENDAR, &message(&file("METHOD:REQUEST\n"))));
        assert!(!finds(&CALENDAR, &message("Subject: text/calendar\n\ntext/calendar\n")));
    }
}
