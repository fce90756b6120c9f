//! The one table of fields: what a rule may test, and of which kind it is. `check`, hints,
//! templates and the manual's test read it.

mod kind;
mod registered;

use crate::flags::FLAGS;
use crate::rules::program::{AddressField, AddressPart, Field, ResultField};

pub use kind::{FieldKind, OPERATORS, Operator};
pub use registered::HEADERS;

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
const FILTER_FAILED: &str = "filter-failed";

/// Holds for an answer to mail in a folder that the rules use as a list.
const IN_MY_THREAD: &str = "in-my-thread";

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
