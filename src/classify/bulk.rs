//! `bulk`: newsletters and mass mail.
//!
//! Precedence (RFC 2076 §3.9, RFC 3834 §3.1.8 on its use), List-Unsubscribe
//! (RFC 2369 §3.2, RFC 8058), and the headers by which senders of mass mail let
//! themselves be complained about. Feedback-ID is none: Gmail asks for it on receipts
//! and codes too.

use super::look::folded;
use super::{Classifier, Mail};

/// Mass mail.
pub const BULK: Classifier = Classifier {
    name: "bulk",
    description: "newsletters and mass mail",
    find: |mail| Ok(find(mail)),
};

const MARKS: &[&str] = &[
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "X-CSA-Complaints",
    "CFBL-Address",
    "X-Campaign",
    "X-CampaignID",
    "X-Campaign-ID",
    "X-Bulk",
];

fn find(mail: &Mail<'_>) -> Option<String> {
    let precedence = folded(mail.message, "precedence");
    if matches!(precedence.as_str(), "bulk" | "junk") {
        return Some(format!("Precedence: {precedence}"));
    }
    let head = mail.message.head();
    let mark = MARKS
        .iter()
        .find(|name| head.first(name).is_some_and(|value| !value.trim_ascii().is_empty()))?;
    Some(format!("it has {mark}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::testing::{evidence, finds, message};

    #[test]
    fn marks_of_mass_mail() {
        let newsletter =
            message("From: news@shop.example\nList-Unsubscribe: <https://shop.example/u>\n\n");
        assert_eq!(evidence(&BULK, &newsletter).as_deref(), Some("it has List-Unsubscribe"));
        assert!(finds(&BULK, &message("Precedence: Bulk\n\n")));
        assert!(!finds(&BULK, &message("Feedback-ID: 1:2:3:shop\n\n")), "a receipt has it");
        assert!(!finds(&BULK, &message("Precedence: list\nFrom: a@b.example\n\n")));
        assert!(!finds(&BULK, &message("List-Unsubscribe: \nSubject: bulk\n\n")));
    }
}
