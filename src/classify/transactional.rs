//! `transactional`: a service writes about the user's own account, order or
//! payment: codes, resets, receipts, bookings, alerts.
//!
//! No header says so, so two signs are needed: a service's sender, by its local
//! part or by headers that only machines write, and the subject. Mass mail, lists
//! and answers do not count. It says nothing about who sent the mail: phishing
//! looks the same, so rules should require `verified` too.

use super::input::folded;
use super::words::{find as find_word, plain, transactions};
use super::{Classifier, Finding, Mail, automatic, bulk, mailing_list};
use crate::message::reply_prefix;

/// Mail about an account, an order or a payment.
pub const TRANSACTIONAL: Classifier = Classifier {
    name: "transactional",
    absent: "no words of a code, a receipt, a reset or a booking from a service",
    find,
};

fn find(mail: &Mail<'_>) -> Finding {
    let message = mail.message;
    let subject = plain(&folded(message, "subject"));
    let Some(phrase) = find_word(transactions::SUBJECTS, &subject) else { return Ok(None) };
    let Some(sender) = service(mail) else { return Ok(None) };
    let answers = ["in-reply-to", "references"].iter().any(|name| has(mail, name));
    let is_answer = answers || reply_prefix::begins(&subject);
    if is_answer || (bulk::BULK.find)(mail)?.is_some() || mailing_list::evidence(mail).is_some() {
        return Ok(None);
    }
    if (automatic::AUTOMATIC.find)(mail)?.is_some() {
        return Ok(None);
    }
    Ok(Some(format!("{sender}, and the subject says `{phrase}`")))
}

/// What shows that no person sent it.
fn service(mail: &Mail<'_>) -> Option<String> {
    let from = mail.message.addresses("from");
    let from = from.first()?;
    if transactions::SENDERS.contains(&from.local.to_lowercase().as_str()) {
        return Some(format!("From is {}", from.address()));
    }
    // Companies also send what people write by such a service.
    if ["User-Agent", "X-MS-Has-Attach", "Thread-Index"].iter().any(|name| has(mail, name)) {
        return None;
    }
    let marks = ["Feedback-ID", "X-SES-Outgoing", "X-SG-EID", "X-Auto-Response-Suppress"];
    let mark = marks.iter().find(|name| has(mail, name))?;
    Some(format!("it has {mark}"))
}

fn has(mail: &Mail<'_>, name: &str) -> bool {
    mail.message.head().first(name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::testing::{evidence, finds, message};

    #[track_caller]
    fn check(header: &str, expected: bool) {
        let message = message(&format!("{header}\nTo: taro@example.jp\n\nhi\n"));
        assert_eq!(finds(&TRANSACTIONAL, &message), expected, "{header}");
    }

    #[test]
    fn accounts_orders_and_payments() {
        let code = message("From: no-reply@bank.example\nSubject: Your code is 118 204\n\n");
        assert_eq!(
            evidence(&TRANSACTIONAL, &code).as_deref(),
            Some("From is no-reply@bank.example, and the subject says `your code`")
        );
        for header in [
            "From: Shop <shop@far.example>\nFeedback-ID: 1:shop\nSubject: Order #4711 confirmed",
            "From: no-reply@far.example\nSubject: お支払いの領収書",
            "From: security@far.example\nSubject: Neue Anmeldung in Ihrem Konto",
            "From: noreply@far.example\nSubject: Votre commande 12",
            "From: noreply@far.example\nSubject: Mã xác thực của bạn: 123456",
            "From: noreply@far.example\nSubject: お荷物お届けのお知らせ",
            "From: noreply@far.example\nSubject: Refund issued for order 12",
            "From: noreply@far.example\nSubject: Auftragsbestätigung 4711",
            "From: noreply@far.example\nSubject: Conferma del tuo ordine",
            "From: noreply@far.example\nSubject: メールアドレス確認のお願い",
            "From: noreply@far.example\nSubject: お申込みを受け付けました",
            "From: noreply@far.example\nSubject: きっぷの予約が完了しました",
            "From: noreply@far.example\nSubject: A new key was added to your account",
            "From: noreply@far.example\nSubject: 認証番号: 123456",
            "From: noreply@far.example\nSubject: 発送通知",
            "From: noreply@far.example\nSubject: Bestellung 4711 versandt",
        ] {
            check(header, true);
        }
    }

    #[test]
    fn people_newsletters_and_answers_are_none() {
        for header in [
            "From: hanako@far.example\nSubject: your order",
            "From: hanako@far.example\nSubject: ご請求の件\nX-SES-Outgoing: 1\nUser-Agent: Mozilla Thunderbird",
            "From: no-reply@far.example\nSubject: News of the week",
            "From: no-reply@far.example\nSubject: Your order\nList-Unsubscribe: <https://a.example>",
            "From: no-reply@far.example\nSubject: Re: your order\nIn-Reply-To: <1@example.jp>",
            "From: no-reply@far.example\nSubject: Your order\nAuto-Submitted: auto-replied",
        ] {
            check(header, false);
        }
    }
}
