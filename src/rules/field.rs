//! The one table of fields: what a rule may test, of which kind it is, and which
//! operators fit that kind. `check`, hints, templates and the manual's test read
//! it.

use crate::flags::FLAGS;
use crate::rules::program::{
    AddressField, AddressPart, Comparison, Field, ResultField, TextOperator,
};

/// Kinds of field: what its values are, and therefore how they can be tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldKind {
    /// Addresses.
    Address,
    /// Domains, in any spelling of IDN.
    Domain,
    /// Text.
    Text,
    /// The result of a method of authentication.
    Result,
    /// An IP address.
    Ip,
    /// A header that has no name of its own in the table: text, or its first number.
    Header,
    /// A plain number.
    Number,
    /// Bytes.
    Size,
    /// Seconds.
    Duration,
    /// A day, or a moment in it.
    Date,
    /// A time of day.
    Time,
    /// A day of the week.
    Weekday,
}

/// Operators, as in the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `is contains starts ends like`
    Text(TextOperator),
    /// `matches`
    Matches,
    /// `in`
    In,
    /// `< <= = >= >`
    Compare(Comparison),
}

/// Every operator with its word.
pub const OPERATORS: &[(&str, Operator)] = &[
    ("is", Operator::Text(TextOperator::Is)),
    ("contains", Operator::Text(TextOperator::Contains)),
    ("starts", Operator::Text(TextOperator::Starts)),
    ("ends", Operator::Text(TextOperator::Ends)),
    ("like", Operator::Text(TextOperator::Like)),
    ("resembles", Operator::Text(TextOperator::Resembles)),
    ("matches", Operator::Matches),
    ("in", Operator::In),
    ("<", Operator::Compare(Comparison::Less)),
    ("<=", Operator::Compare(Comparison::LessOrEqual)),
    ("=", Operator::Compare(Comparison::Equal)),
    (">=", Operator::Compare(Comparison::GreaterOrEqual)),
    (">", Operator::Compare(Comparison::Greater)),
];

impl Operator {
    /// The operator of a word.
    pub fn of(word: &str) -> Option<Operator> {
        OPERATORS.iter().find(|(name, _)| *name == word).map(|(_, operator)| *operator)
    }
}

impl FieldKind {
    /// Whether an operator fits the kind.
    pub fn takes(self, operator: Operator) -> bool {
        match operator {
            Operator::Text(TextOperator::Is) => {
                self.is_text()
                    || matches!(self, FieldKind::Weekday | FieldKind::Result | FieldKind::Ip)
            }
            Operator::Text(_) | Operator::Matches => self.is_text(),
            Operator::In => true,
            Operator::Compare(_) => {
                let word = matches!(self, FieldKind::Weekday | FieldKind::Result | FieldKind::Ip);
                self == FieldKind::Header || !(self.is_text() || word)
            }
        }
    }

    /// Words of the operators that fit, in the manual's order.
    pub fn operators(self) -> impl Iterator<Item = &'static str> {
        OPERATORS.iter().filter(move |(_, operator)| self.takes(*operator)).map(|(word, _)| *word)
    }

    /// Whether values are compared as text.
    pub fn is_text(self) -> bool {
        matches!(self, FieldKind::Address | FieldKind::Domain | FieldKind::Text | FieldKind::Header)
    }

    /// For people: `an address`.
    pub fn name(self) -> &'static str {
        match self {
            FieldKind::Address => "an address",
            FieldKind::Domain => "a domain",
            FieldKind::Text => "a text",
            FieldKind::Result => "a result",
            FieldKind::Ip => "an IP address",
            FieldKind::Header => "a header",
            FieldKind::Number => "a number",
            FieldKind::Size => "a size",
            FieldKind::Duration => "a duration",
            FieldKind::Date => "a date",
            FieldKind::Time => "a time of day",
            FieldKind::Weekday => "a day of the week",
        }
    }
}

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub struct FieldInfo {
    /// Its name in rules.
    pub name: &'static str,
    /// Its kind.
    pub kind: FieldKind,
    /// What it is, in one line.
    pub about: &'static str,
    /// How it becomes a field.
    shape: Shape,
}

/// How a table's line becomes a [`Field`].
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// Addresses; the parts of [`PARTS`] are available.
    Address(AddressField),
    /// A method of authentication.
    Result(ResultField),
    /// A header under its own name.
    Named,
    /// A header or a variable whose name is given as a string.
    WithName(WithName),
    /// A field that needs nothing else.
    Plain(fn() -> Field),
}

/// Fields whose name is given as a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithName {
    /// `header "N"`
    Header,
    /// `address "N"`
    Address,
    /// `env "N"`
    Env,
}

/// Every field except the registered headers and the parts of addresses.
pub const FIELDS: &[FieldInfo] = &[
    address("from", AddressField::From, "the author, From"),
    address("sender", AddressField::Sender, "who sent it for the author, Sender"),
    address("reply-to", AddressField::ReplyTo, "where answers go, Reply-To"),
    address("to", AddressField::To, "To"),
    address("cc", AddressField::Cc, "Cc"),
    address("bcc", AddressField::Bcc, "Bcc"),
    address(
        "recipient",
        AddressField::Recipient,
        "everyone who is named as a recipient: To, Cc, Bcc, their Resent- forms, \
         Apparently-To, X-Envelope-To, Delivered-To, X-Original-To",
    ),
    address("envelope-from", AddressField::EnvelopeFrom, "the envelope sender"),
    address("envelope-to", AddressField::EnvelopeTo, "the envelope recipient"),
    FieldInfo { name: "subject", kind: FieldKind::Text, about: "the subject", shape: Shape::Named },
    plain("list-id", FieldKind::Text, "the identifier of the mailing list", || Field::ListId),
    plain("list-name", FieldKind::Text, "the short name of the mailing list", || Field::ListName),
    plain("thread", FieldKind::Text, "the conversation, by short hashes of Message-IDs", || {
        Field::Thread
    }),
    plain("body", FieldKind::Text, "the text parts, HTML as people see it", || Field::Body),
    plain("hidden-text", FieldKind::Text, "text of HTML parts that nobody sees", || {
        Field::HiddenText
    }),
    FieldInfo {
        name: "message-id",
        kind: FieldKind::Text,
        about: "the Message-ID header",
        shape: Shape::Named,
    },
    FieldInfo {
        name: "header",
        kind: FieldKind::Header,
        about: "every header of the name that follows",
        shape: Shape::WithName(WithName::Header),
    },
    plain("headers", FieldKind::Text, "every header line, `Name: value`", || Field::Headers),
    plain("raw-headers", FieldKind::Text, "every header line as it was sent, not decoded", || {
        Field::RawHeaders
    }),
    FieldInfo {
        name: "address",
        kind: FieldKind::Address,
        about: "addresses in every header of the name that follows",
        shape: Shape::WithName(WithName::Address),
    },
    FieldInfo {
        name: "env",
        kind: FieldKind::Text,
        about: "the environment variable of the name that follows",
        shape: Shape::WithName(WithName::Env),
    },
    plain("extension", FieldKind::Text, "the address extension, as the MTA says", || {
        Field::Extension
    }),
    plain("user", FieldKind::Text, "the user's login name", || Field::User),
    plain("charset", FieldKind::Text, "the charsets the message declares or uses", || {
        Field::Charset
    }),
    plain("link", FieldKind::Text, "each link of text and HTML parts, whole", || Field::Link),
    plain("link.host", FieldKind::Domain, "the host of each link", || Field::LinkHost),
    plain(
        "client.ip",
        FieldKind::Ip,
        "address of the host that handed the message to our border",
        || Field::ClientIp,
    ),
    plain("client.host", FieldKind::Domain, "the reverse name of that host", || Field::ClientHost),
    plain("client.helo", FieldKind::Domain, "what that host called itself", || Field::ClientHelo),
    result("spf", ResultField::Spf, "what SPF came to, as our border says"),
    result("dkim", ResultField::Dkim, "what DKIM came to, as our border says"),
    result("dmarc", ResultField::Dmarc, "what DMARC came to, as our border says"),
    result("arc", ResultField::Arc, "what ARC came to, as our border says"),
    result("iprev", ResultField::Iprev, "whether the client's reverse name leads back to it"),
    plain("dkim.domain", FieldKind::Domain, "domains whose signatures pass", || Field::DkimDomain),
    plain("spf.domain", FieldKind::Domain, "the domain that SPF was asked about", || {
        Field::SpfDomain
    }),
    plain("bounce.status", FieldKind::Text, "codes of a bounce, 5.1.1 for one", || {
        Field::BounceStatus
    }),
    plain("bounce.recipient", FieldKind::Text, "whom a bounce is about", || Field::BounceRecipient),
    plain("bounce.reason", FieldKind::Text, "why, in the words of the mail system", || {
        Field::BounceReason
    }),
    plain("bounce.action", FieldKind::Text, "what became of it: failed, delayed", || {
        Field::BounceAction
    }),
    plain(
        "calendar.method",
        FieldKind::Text,
        "what a calendar asks for: REQUEST, REPLY, CANCEL",
        || Field::CalendarMethod,
    ),
    plain("report", FieldKind::Text, "which report it is: dmarc, tls, abuse, auth-failure", || {
        Field::Report
    }),
    plain(
        "list-unsubscribe.host",
        FieldKind::Domain,
        "host of each link to leave a list by",
        || Field::UnsubscribeHost,
    ),
    plain("spam-score", FieldKind::Number, "the number of the spam filter in front of us", || {
        Field::SpamScore
    }),
    plain(
        "attachment.name",
        FieldKind::Text,
        "file name of each attachment, and of what is in archives",
        || Field::AttachmentName,
    ),
    plain(
        "attachment.type",
        FieldKind::Text,
        "media type of each attachment, declared and by its first bytes",
        || Field::AttachmentType,
    ),
    plain("attachment.size", FieldKind::Size, "decoded size of each attachment", || {
        Field::AttachmentSize
    }),
    plain(
        "attachment.sha256",
        FieldKind::Text,
        "SHA-256 of each attachment, in hexadecimal",
        || Field::AttachmentSha256,
    ),
    plain("size", FieldKind::Size, "size of the message", || Field::Size),
    plain("keyword", FieldKind::Text, "the keywords set so far", || Field::Keyword),
    plain("in-folder", FieldKind::Text, "the folder in which it lies already", || Field::InFolder),
    plain("attachments", FieldKind::Number, "how many attachments there are", || {
        Field::Attachments
    }),
    plain("recipients", FieldKind::Number, "how many recipients are named", || Field::Recipients),
    plain("age", FieldKind::Duration, "time since the Date header", || Field::Age),
    plain("date", FieldKind::Date, "the day of the Date header", || Field::Date),
    plain("date.time", FieldKind::Time, "the time of day in the Date header", || Field::DateTime),
    plain("date.weekday", FieldKind::Weekday, "the day of the week of the Date header", || {
        Field::DateWeekday
    }),
    plain("arrived", FieldKind::Date, "the day the message came here", || Field::Arrived),
    plain("arrived.age", FieldKind::Duration, "time since it came here", || Field::ArrivedAge),
    plain("now", FieldKind::Date, "today", || Field::Now),
    plain("time", FieldKind::Time, "the time of day, now", || Field::Time),
    plain("weekday", FieldKind::Weekday, "the day of the week, today", || Field::Weekday),
];

/// The parts of addresses.
pub const PARTS: &[(&str, AddressPart, FieldKind, &str)] = &[
    ("name", AddressPart::Name, FieldKind::Text, "the display name"),
    ("local", AddressPart::Local, FieldKind::Text, "the local part, without detail"),
    (
        "detail",
        AddressPart::Detail,
        FieldKind::Text,
        "what follows the delimiter in the local part",
    ),
    ("domain", AddressPart::Domain, FieldKind::Domain, "the domain"),
];

/// The days of the week, from Monday.
pub const WEEKDAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Mail, MIME and netnews headers of IANA's permanent and provisional registries
/// (RFC 3864), and Precedence and Feedback-ID, which are in use without being
/// registered. Sorted.
pub const HEADERS: &[&str] = &[
    "accept-language",
    "alternate-recipient",
    "apparently-to",
    "approved",
    "arc-authentication-results",
    "arc-message-signature",
    "arc-seal",
    "archive",
    "archived-at",
    "authentication-results",
    "author",
    "auto-submitted",
    "autoforwarded",
    "autosubmitted",
    "cancel-key",
    "cancel-lock",
    "cfbl-address",
    "cfbl-feedback-id",
    "comments",
    "content-alternative",
    "content-description",
    "content-disposition",
    "content-duration",
    "content-features",
    "content-id",
    "content-identifier",
    "content-language",
    "content-location",
    "content-md5",
    "content-return",
    "content-transfer-encoding",
    "content-translation-type",
    "content-type",
    "control",
    "conversion",
    "conversion-with-loss",
    "deferred-delivery",
    "delivered-to",
    "delivery-date",
    "discarded-x400-ipms-extensions",
    "discarded-x400-mts-extensions",
    "disclose-recipients",
    "disposition-notification-options",
    "disposition-notification-to",
    "distribution",
    "dkim-signature",
    "dl-expansion-history",
    "downgraded-final-recipient",
    "downgraded-in-reply-to",
    "downgraded-message-id",
    "downgraded-original-recipient",
    "downgraded-references",
    "ediint-features",
    "eesst-version",
    "encoding",
    "encrypted",
    "errors-to",
    "expires",
    "expiry-date",
    "feedback-id",
    "followup-to",
    "form-sub",
    "generate-delivery-report",
    "hp-outer",
    "importance",
    "in-reply-to",
    "incomplete-copy",
    "injection-date",
    "injection-info",
    "jabber-id",
    "keywords",
    "language",
    "latest-delivery-time",
    "list-archive",
    "list-help",
    "list-owner",
    "list-post",
    "list-subscribe",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "message-context",
    "message-type",
    "mime-version",
    "mmhs-acp127-message-identifier",
    "mmhs-authorizing-users",
    "mmhs-codress-message-indicator",
    "mmhs-copy-precedence",
    "mmhs-exempted-address",
    "mmhs-extended-authorisation-info",
    "mmhs-handling-instructions",
    "mmhs-message-instructions",
    "mmhs-message-type",
    "mmhs-originator-plad",
    "mmhs-originator-reference",
    "mmhs-other-recipients-indicator-cc",
    "mmhs-other-recipients-indicator-to",
    "mmhs-primary-precedence",
    "mmhs-subject-indicator-codes",
    "mt-priority",
    "newsgroups",
    "obsoletes",
    "organization",
    "original-encoded-information-types",
    "original-from",
    "original-message-id",
    "original-recipient",
    "original-sender",
    "original-subject",
    "originator-return-address",
    "path",
    "pics-label",
    "precedence",
    "prevent-nondelivery-report",
    "priority",
    "privicon",
    "received",
    "received-spf",
    "references",
    "reply-by",
    "require-recipient-valid-since",
    "resent-bcc",
    "resent-cc",
    "resent-date",
    "resent-from",
    "resent-message-id",
    "resent-sender",
    "resent-to",
    "return-path",
    "sensitivity",
    "sio-label",
    "sio-label-history",
    "solicitation",
    "summary",
    "supersedes",
    "tls-report-domain",
    "tls-report-submitter",
    "tls-required",
    "user-agent",
    "vbr-info",
    "x-archived-at",
    "x-mittente",
    "x-pgp-sig",
    "x-ricevuta",
    "x-riferimento-message-id",
    "x-tiporicevuta",
    "x-trasporto",
    "x-verificasicurezza",
    "x400-content-identifier",
    "x400-content-return",
    "x400-content-type",
    "x400-mts-identifier",
    "x400-originator",
    "x400-received",
    "x400-recipients",
    "x400-trace",
    "xref",
];

const fn address(name: &'static str, field: AddressField, about: &'static str) -> FieldInfo {
    FieldInfo { name, kind: FieldKind::Address, about, shape: Shape::Address(field) }
}

const fn result(name: &'static str, field: ResultField, about: &'static str) -> FieldInfo {
    FieldInfo { name, kind: FieldKind::Result, about, shape: Shape::Result(field) }
}

const fn plain(
    name: &'static str,
    kind: FieldKind,
    about: &'static str,
    make: fn() -> Field,
) -> FieldInfo {
    FieldInfo { name, kind, about, shape: Shape::Plain(make) }
}

/// What a name in the rules means.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldLookup {
    /// That field.
    Field(Field, FieldKind),
    /// A field that a string must follow.
    WantsName(FieldKind, WithName),
}

/// Looks a field's name up.
pub fn find(name: &str) -> Option<FieldLookup> {
    if let Some(info) = FIELDS.iter().find(|info| info.name == name) {
        return Some(match info.shape {
            Shape::Address(field) => {
                FieldLookup::Field(Field::Address(field, AddressPart::Whole), info.kind)
            }
            Shape::Result(field) => FieldLookup::Field(Field::Result(field), info.kind),
            Shape::Named => FieldLookup::Field(Field::Header(name.to_owned()), info.kind),
            Shape::WithName(which) => FieldLookup::WantsName(info.kind, which),
            Shape::Plain(make) => FieldLookup::Field(make(), info.kind),
        });
    }
    if let Some((stem, part)) = name.split_once('.') {
        let info = FIELDS.iter().find(|info| info.name == stem)?;
        let Shape::Address(field) = info.shape else { return None };
        let (part, kind) = self::part(part)?;
        return Some(FieldLookup::Field(Field::Address(field, part), kind));
    }
    HEADERS
        .binary_search(&name)
        .ok()
        .map(|_| FieldLookup::Field(Field::Header(name.to_owned()), FieldKind::Header))
}

/// Fields that were added when users could already have given their names to
/// something else: in that case the user's meaning counts.
const LATER: &[&str] = &["headers", "address", "keyword", "in-folder", "thread", "raw-headers"];

/// Holds if the last `filter` could not be applied.
pub const FILTER_FAILED: &str = "filter-failed";

/// Holds for an answer to mail in a folder that the rules use as a list.
pub const IN_MY_THREAD: &str = "in-my-thread";

/// The field of a word that is used alone: a flag that is set so far, how the
/// last filter ended, or whether the message is part of the user's own
/// conversation. The user's names take precedence over these words, too.
pub fn of_run(name: &str) -> Option<Field> {
    if name == FILTER_FAILED {
        return Some(Field::FilterFailed);
    }
    if name == IN_MY_THREAD {
        return Some(Field::InMyThread);
    }
    FLAGS.iter().find(|(flag, _)| *flag == name).map(|(_, letter)| Field::Flag(*letter))
}

/// All such words.
pub fn words_of_run() -> impl Iterator<Item = &'static str> {
    FLAGS.iter().map(|(flag, _)| *flag).chain([FILTER_FAILED, IN_MY_THREAD])
}

/// Whether a name is reserved by the table, so that nothing else may have it.
pub fn is_own(name: &str) -> bool {
    FIELDS.iter().any(|info| info.name == name) && !LATER.contains(&name)
}

/// A part of an address, and its kind.
pub fn part(name: &str) -> Option<(AddressPart, FieldKind)> {
    PARTS.iter().find(|(known, ..)| *known == name).map(|(_, part, kind, _)| (*part, *kind))
}

/// Every name a rule may use for a field, parts and registered headers too.
pub fn names() -> impl Iterator<Item = String> {
    FIELDS
        .iter()
        .flat_map(|info| {
            let parts = matches!(info.shape, Shape::Address(_)).then_some(PARTS);
            std::iter::once(info.name.to_owned()).chain(
                parts.into_iter().flatten().map(|(part, ..)| format!("{}.{part}", info.name)),
            )
        })
        .chain(HEADERS.iter().map(|name| (*name).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{FIELDS, FieldKind, FieldLookup, HEADERS, find, names};
    use crate::rules::program::{AddressField, AddressPart, Field};

    #[test]
    fn every_name_is_found_once() {
        let all: Vec<String> = names().collect();
        for name in &all {
            assert!(find(name).is_some(), "{name}");
            assert_eq!(all.iter().filter(|other| *other == name).count(), 1, "{name}");
        }
        assert!(HEADERS.is_sorted());
        assert!(FIELDS.iter().all(|info| !info.about.is_empty() && !info.about.ends_with('.')));
    }

    #[test]
    fn parts_belong_to_addresses() {
        let domain = Field::Address(AddressField::From, AddressPart::Domain);
        assert_eq!(find("from.domain"), Some(FieldLookup::Field(domain, FieldKind::Domain)));
        assert_eq!(find("subject.domain"), None);
        assert_eq!(find("from.user"), None);
    }

    #[test]
    fn operators_fit_kinds() {
        let operators = |kind: FieldKind| kind.operators().collect::<Vec<_>>().join(" ");
        assert_eq!(operators(FieldKind::Text), "is contains starts ends like resembles matches in");
        assert_eq!(operators(FieldKind::Size), "in < <= = >= >");
        assert_eq!(operators(FieldKind::Weekday), "is in");
    }
}
