//! The words in which MTAs report, all lower case, spelling and white space
//! as [`fold`](crate::message::fold::fold) leaves them.

use memchr::memmem;

/// A report begins within so many bytes of the text.
const START: usize = 600;

fn find(phrases: &[&'static str], text: &str) -> Option<&'static str> {
    phrases
        .iter()
        .find(|phrase| memmem::find(text.as_bytes(), phrase.as_bytes()).is_some())
        .copied()
}

fn start(text: &str) -> &str {
    let end = (0..=START.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}

/// Whether a subject is one of a delivery report.
pub fn subject_reports(subject: &str) -> bool {
    find(SUBJECTS, subject).is_some()
}

const SUBJECTS: &[&str] = &[
    "undeliver",
    "delivery status",
    "mail delivery",
    "delivery fail",
    "delivery error",
    "delivery problem",
    "delivery has failed",
    "delivery delay",
    "delivery report",
    "delivery notification",
    "failure notice",
    "failed delivery",
    "failed mail",
    "returned mail",
    "mail system error",
    "returned to sender",
    "return to sender",
    "could not be delivered",
    "couldn't be delivered",
    "not be delivered",
    "cannot be delivered",
    "unable to deliver",
    "cannot deliver",
    "not delivered",
    "non-deliver",
    "nondeliver",
    "non deliver",
    "mail failed",
    "mail failure",
    "nicht übermittelt",
    "non recapitabile",
    "olevererbart",
    "leveringsfejl",
    "toimittaminen ei onnistunut",
    "kézbesíthetetlen",
    "nedoručitelné",
    "teslim edilemedi",
    "message failure",
    "delayed mail",
    "message delayed",
    "mail delayed",
    "could not send",
    "error sending your mail",
    "send failed",
    "message status",
    "email delivery",
    "delivery incomplete",
    "unzustellbar",
    "nicht zugestellt",
    "fehlgeschlagen",
    "nicht zustellbar",
    "non remis",
    "echec de la remise",
    "échec de la remise",
    "no se puede entregar",
    "no entregado",
    "correo devuelto",
    "impossibile recapitare",
    "mancato recapito",
    "niet worden bezorgd",
    "onbestelbaar",
    "ej levererbart",
    "gick inte att leverera",
    "kan ikke leveres",
    "ikke levert",
    "nie dostarczono",
    "niedostarczony",
    "não entregue",
    "nao entregue",
    "недостав",
    "не доставлен",
    "невозможно доставить",
    "не удается доставить",
    "配信できません",
    "配信エラー",
    "配信に失敗",
    "配信の遅延",
    "配信状態通知",
    "未配信",
    "not member article from",
    "ignored non-ml member article",
    "fml system error",
    "loop back warning",
    "reject mail from",
    "配信不能",
    "配送できません",
    "配送エラー",
    "送信できません",
    "送信エラー",
    "不達",
    "届きません",
    "エラーメール",
    "メールを配信でき",
    "退信",
    "无法投递",
    "無法傳遞",
    "投递失败",
    "傳送失敗",
    "반송",
    "전송 실패",
    "배달되지",
];

/// Whether it answers or forwards.
pub fn is_answer(subject: &str) -> bool {
    ["re:", "fw:", "fwd:", "aw:", "sv:", "wg:"].iter().any(|start| subject.starts_with(start))
}

/// What only mail systems say.
pub fn report(text: &str) -> Option<&'static str> {
    find(REPORTS, text)
}

/// [`report`], but at the start.
pub fn report_at_start(text: &str) -> Option<&'static str> {
    report(start(text))
}

const REPORTS: &[&str] = &[
    // Exim, GMX, Mail.ru
    "this message was created automatically by mail delivery software",
    "a message that you sent could not be delivered",
    "a message that you sent has not yet been delivered",
    "a message that you sent contained",
    "a message that you sent was rejected",
    "это письмо создано автоматически",
    // Postfix
    "this is the mail system at host",
    "this is the postfix program at host",
    "transcript of session follows",
    // qmail
    "this is the qmail-send program",
    "i wasn't able to deliver your message to the following",
    "i've given up; this is a permanent error",
    // sendmail
    "the following addresses had permanent fatal errors",
    "the following addresses had transient non-fatal errors",
    "the following addresses had permanent delivery errors",
    "this is a warning message only",
    "the original message was received at",
    // Google
    "delivery to the following recipient failed permanently",
    "delivery to the following recipients failed",
    "delivery to the following recipient has been delayed",
    "this is an automatically generated delivery status notification",
    "we're writing to let you know that the group you tried to contact",
    "your message wasn't delivered to",
    // Exchange, Microsoft 365
    "did not reach some or all of the intended recipients",
    "did not reach the following recipient",
    "delivery has failed to these recipients or",
    "the following recipient(s) could not be reached",
    "the following recipient(s) cannot be reached",
    "could not be delivered to one or more recipients",
    // Yahoo
    "unable to deliver your message to the following",
    "message from yahoo",
    // Smail, T-Online
    "failed addresses follow",
    // Notes
    "------- failure reasons",
    // 1&1
    "a message that you have sent could not be delivered",
    // Biglobe
    "the following addresses had delivery problems",
    // Notes, Novell, OpenSMTPD, James, Courier, DragonFly and others
    "failure report for a message",
    "your message was not delivered",
    "your message could not be delivered",
    "the message that you sent was undeliverable",
    "undeliverable to the following",
    "a message is delayed",
    "an error has occurred while attempting to deliver a message",
    "message delivery has been delayed",
    "this is the dragonfly mail agent",
    "this is a delivery status notification from",
    "unable to deliver message to the following",
    "could not deliver your message",
    "could not be delivered to the following",
    "could not deliver mail to this user",
    "the following message to <",
    "this is an email abuse report from the mail",
    "each of the following recipients was rejected by a remote mail server",
    "cannot send your message to the following",
    "your mail sent on",
    "your mail attempted to be delivered on",
    "this message has been rejected for the following reason",
    "original mail as follows",
    "unable to deliver to destination domain",
    "your e-mail message was returned",
    "this report relates to a message you sent",
    "did not accept your message",
    // Amazon SES by way of SNS
    "\"notificationtype\":\"bounce\"",
    "\\\"notificationtype\\\":\\\"bounce\\\"",
    // WebShield, X6 and the like
    "--- failed recipients ---",
    "we had trouble delivering your message",
    // In Japanese
    "次のあて先へのメールが届きません",
    "次のアドレスへの配信が",
    "以下の宛先に送信できません",
    "以下のメールアドレスには配信でき",
    "あてのメールは送信できません",
    "お送りしたメールは",
    "メールが送信できません",
    "メールを配信でき",
    "メールを配送でき",
    "メッセージを配信でき",
    "配信に失敗しました",
    "メールは配信され",
    "配信できませんでした",
    "配送できませんでした",
    "送信できませんでした",
];

/// What says, where a mail system speaks, that it failed.
pub fn failure(text: &str) -> Option<&'static str> {
    find(FAILURES, text)
}

/// [`failure`], but at the start.
pub fn failure_at_start(text: &str) -> Option<&'static str> {
    failure(start(text))
}

const FAILURES: &[&str] = &[
    "returned to you because",
    "お届けできません",
    "undeliver",
    "not delivered",
    "be delivered",
    "unable to deliver",
    "delivery failed",
    "delivery failure",
    "failed to deliver",
    "could not deliver",
    "couldn't deliver",
    "cannot deliver",
    "can't deliver",
    "returned mail",
    "user unknown",
    "unknown user",
    "no such user",
    "mailbox full",
    "mailbox is full",
    "not a valid user",
    "over quota",
    "exceeded",
    "invalid recipient",
    "unknown recipient",
    "recipient rejected",
    "recipient address rejected",
    "does not exist",
    "host unknown",
    "unrouteable",
    "unroutable",
    "transcript of session",
    "your message has been rejected",
    "message rejected",
    "returned to sender",
    "failed recipient",
    "delivery status",
    "timed out while",
    "не доставлен",
    "недостав",
    "unzustellbar",
    "nicht zugestellt",
];

/// Whether the delivery goes on.
pub fn is_delay(text: &str) -> bool {
    find(DELAYS, text).is_some()
}

const DELAYS: &[&str] = &[
    "delayed",
    "(delay)",
    "still being retried",
    "warning message only",
    "has not yet been delivered",
    "will be retried",
    "will continue to try",
    "continue to be attempted",
    "warning: could not send",
    "warning--could not send",
    "warning: message",
    "do not need to resend",
];

/// What a report in words alone means, RFC 3463 §3; `class` is 4 or 5.
pub fn status_of(text: &str, class: char) -> Option<String> {
    let (subject, _) = STATUSES.iter().find(|(_, phrases)| find(phrases, text).is_some())?;
    Some(format!("{class}.{subject}"))
}

const STATUSES: &[(&str, &[&str])] = &[
    (
        "2.2",
        &[
            "over quota",
            "overquota",
            "quota exceeded",
            "exceeded storage",
            "exceeded the local limit",
            "exceeded its quota",
            "mailbox full",
            "mailbox is full",
            "mailbox has exceeded",
            "exceeds allowed size",
            "too many messages on this mailbox",
            "disk quota",
            "insufficient disk space",
            "mail box is full",
            "user is over the quota",
            "is over its quota",
            "容量を超え",
            "容量制限",
            "容量不足",
            "メールボックスがいっぱい",
            "メールボックスが満杯",
            "受信ボックスが一杯",
        ],
    ),
    ("1.10", &["indicated no smtp service", "domain does not accept mail", "null mx"]),
    (
        "1.2",
        &[
            "host unknown",
            "domain not found",
            "domain name not found",
            "domain does not exist",
            "domain doesn't exist",
            "no such domain",
            "unknown host",
            "unrouteable mail domain",
            "bad destination host",
            "couldn't find any host",
            "host not found",
        ],
    ),
    (
        "1.1",
        &[
            "user unknown",
            "unknown user",
            "no such user",
            "no mailbox",
            "mailbox not found",
            "mailbox unavailable",
            "invalid recipient",
            "unknown recipient",
            "recipient unknown",
            "invalid mailbox",
            "not listed in",
            "cannot route mail to user",
            "does not like recipient",
            "ディレクトリのリストにありません",
            "ディレクトリには見つかりません",
            "user doesn't have a",
            "does not exist",
            "doesn't exist",
            "no such recipient",
            "not our customer",
            "this user doesn't have",
            "address rejected",
            "unknown address",
            "bad destination",
            "invalid final delivery userid",
            "no user",
            "unknown local",
            "no account",
            "no valid recipients",
            "not a valid user",
            "宛先不明",
            "あて先不明",
            "宛先が見つかりません",
            "あて先が見つかりません",
            "存在しません",
            "見つかりませんでした",
            "登録されていません",
            "使われておりません",
            "使われていません",
            "アドレスが間違",
            "アドレスに誤り",
        ],
    ),
    ("4.4", &["no mx found for domain", "no mx record", "no mail exchanger", "no route to host"]),
    (
        "2.1",
        &[
            "mailbox disabled",
            "account disabled",
            "account is disabled",
            "account has been disabled",
            "is inactive",
            "suspended",
            "利用停止",
        ],
    ),
    (
        "3.4",
        &[
            "message too large",
            "message is too large",
            "message too big",
            "message size exceeds",
            "size limit",
            "exceeds limit",
            "exceeds maximum",
            "サイズが大き",
            "サイズが制限",
            "サイズが上限",
        ],
    ),
    ("4.6", &["too many hops", "routing loop", "mail loop", "loops back"]),
    (
        "7.1",
        &[
            "relaying denied",
            "insecure mail relay",
            "open relay",
            "invalid ip for sending",
            "permission to post",
            "not a member of this",
            "not member article",
            "not permitted to relay",
            "relay access denied",
            "spam",
            "blocked",
            "blacklist",
            "access denied",
            "not authorized",
            "policy",
            "受信拒否",
            "受信を拒否",
            "迷惑メール",
        ],
    ),
    (
        "4.7",
        &[
            "retry timeout exceeded",
            "retry time",
            "all hosts have been failing for a long time",
            "giving up",
            "envelope expired",
            "delivery expired",
            "delivery time expired",
            "too long",
            "has been queued for",
            "cannot send message for",
            "message expired",
            "not going to try again",
            "was not delivered within",
            "時間内に配信",
            "期限切れ",
        ],
    ),
    (
        "4.1",
        &[
            "connection timed out",
            "connection refused",
            "no answer from host",
            "host is unreachable",
            "host not reachable",
            "could not connect",
            "unable to connect",
            "did not accept our requests to connect",
            "socket error",
            "is not responding",
            "no response from",
            "応答がありません",
            "接続できません",
        ],
    ),
];
