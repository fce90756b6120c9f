//! `virus-warning`: "you sent a virus" mail, which virus scanners send to
//! whomever the virus named as its sender.
//!
//! There is no specification. We know the subjects and texts of amavis,
//! MailScanner, InterScan, ScanMail, Symantec, Norton, RAV, Antigen, GroupShield,
//! WebShield, Sophos, Kaspersky and ClamAV milters.

use super::input::{folded, opening, unread};
use super::{Classifier, Finding, Mail};

/// How much of the body is read, bytes.
const LIMIT: usize = 64 << 10;

/// "You sent a virus".
pub const VIRUS_WARNING: Classifier =
    Classifier { name: "virus-warning", absent: "no words of a virus scanner's warning", find };

/// Subjects that only such warnings have, in lower case.
const SUBJECTS: &[&str] = &[
    "virus in your mail",
    "virus in mail from you",
    "virus in e-mail from you",
    "virus in an e-mail from you",
    "virus found in your",
    "virus detected in your",
    "virus found in a message you sent",
    "virus found in mail from you",
    "virus found in message from you",
    "you sent a virus",
    "you sent potentially unsafe content",
    "your message contained a virus",
    "your e-mail contained a virus",
    "warning: e-mail viruses detected",
    "e-mail viruses detected",
    "norton antivirus detected",
    "rav antivirus scan results",
    "symantec mail security detected",
    "symantec antivirus detected",
    "symantec avf detected",
    "interscan nt alert",
    "scanmail message: to sender",
    "antigen found",
    "returned due to virus",
    "banned file: in mail from you",
    "banned contents from you",
    "virus (",
    "mailscanner has detected a virus",
    "メールからウイルスを検出",
    "ウイルスを検出しました",
    "ウイルスが検出されました",
    "ウイルス検出通知",
];

/// What a warning says about the mail, besides naming a virus.
const YOURS: &[&str] = &[
    "you sent",
    "your message",
    "your mail",
    "your email",
    "your e-mail",
    "sent by you",
    "from you",
    "sent from your",
    "from your address",
    "your computer",
    "あなたの",
    "お送り",
    "送信された",
];

const VIRUSES: &[&str] =
    &["virus", "infected", "worm", "malware", "trojan", "ウイルス", "ウィルス"];

const SCANNERS: &[&str] = &[
    "virus",
    "scan",
    "antigen",
    "amavis",
    "clamav",
    "mailsweeper",
    "mimesweeper",
    "security",
    "content filter",
    "content-filter",
    "postmaster",
    "mailer-daemon",
    "groupshield",
    "webshield",
    "sophos",
    "kaspersky",
    "symantec",
    "mcafee",
    "trend",
];

fn find(mail: &Mail<'_>) -> Finding {
    let subject = folded(mail.message, "subject");
    // A scanner reports, a person asks.
    let asks = subject.trim_end().ends_with(['?', '？']);
    if asks || subject.starts_with("re:") || subject.starts_with("fw") {
        return Ok(None);
    }
    if let Some(words) = SUBJECTS.iter().find(|words| subject.contains(**words)) {
        return Ok(Some(format!("the subject says `{words}`")));
    }
    let from = folded(mail.message, "from");
    let alarmed = VIRUSES.iter().any(|word| subject.contains(word));
    if !alarmed || !SCANNERS.iter().any(|word| from.contains(word)) {
        return Ok(None);
    }
    let opening = opening(mail.message, LIMIT)?;
    let texts = opening.body_texts().map_err(unread)?;
    let Some(text) = texts.first().map(|text| text.folded()) else { return Ok(None) };
    let yours = YOURS.iter().find(|words| text.contains(**words));
    let virus = VIRUSES.iter().any(|word| text.contains(word));
    Ok(yours
        .filter(|_| virus)
        .map(|words| format!("a scanner reports a virus, and the text says `{words}`")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::testing::{evidence, finds, message};

    #[test]
    fn warnings() {
        let amavis = message(
            "From: \"Content-filter at mx.example\" <postmaster@mx.example>\nSubject: VIRUS (Mydoom) IN MAIL FROM YOU\n\n",
        );
        assert!(evidence(&VIRUS_WARNING, &amavis).is_some());
        assert!(finds(
            &VIRUS_WARNING,
            &message(
                "From: antivirus@mx.example\nSubject: Virus alert\n\nA message you sent was infected.\n"
            )
        ));
    }

    #[test]
    fn mail_about_viruses_is_none() {
        assert!(!finds(
            &VIRUS_WARNING,
            &message("From: hanako@example.jp\nSubject: a virus\n\nDid your computer get it?\n")
        ));
        assert!(!finds(
            &VIRUS_WARNING,
            &message("From: hanako@example.jp\nSubject: Re: virus in your mail\n\nno\n")
        ));
        assert!(!finds(
            &VIRUS_WARNING,
            &message("From: hanako@example.jp\nSubject: Virus in your mail?\n\nOpen it?\n")
        ));
        assert!(!finds(
            &VIRUS_WARNING,
            &message("From: security@shop.example\nSubject: Virus news\n\nRead on.\n")
        ));
    }
}
