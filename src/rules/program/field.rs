//! What a condition can test; the names in rules are in [`crate::rules::field`].

use serde::{Deserialize, Serialize};

/// A field of the message or of the world around it.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Hash)]
pub enum Field {
    /// Addresses, or a part of each.
    Address(AddressField, AddressPart),
    /// Addresses of every header of that name, or a part of each.
    AddressesIn(String, AddressPart),
    /// Every header of that name, decoded.
    Header(String),
    /// Every header, `Name: value`, decoded.
    Headers,
    /// Every header as it was sent, on one line.
    RawHeaders,
    /// The text parts, HTML as text.
    Body,
    /// Text of HTML parts that nobody sees.
    HiddenText,
    /// Charsets the message declares or is found to use.
    Charset,
    /// An environment variable.
    Env(String),
    /// The part of the local part after the delimiter, according to the MTA.
    Extension,
    /// The user's login name.
    User,
    /// The list's identifier, RFC 2919.
    ListId,
    /// The list's short name.
    ListName,
    /// Hashes of the message itself and of those that it names as its conversation.
    Thread,
    /// The messages of the conversation that are in folders which the rules use as lists.
    InMyThread,
    /// What a trusted border says about the sender.
    Result(ResultField),
    /// Domains whose DKIM signatures pass.
    DkimDomain,
    /// The domain that SPF checked.
    SpfDomain,
    /// RFC 3463 codes of a bounce.
    BounceStatus,
    /// The recipients that a bounce is about.
    BounceRecipient,
    /// Why, in the words of the mail system.
    BounceReason,
    /// Failed or delayed.
    BounceAction,
    /// iTIP methods of calendars.
    CalendarMethod,
    /// The kind of a report.
    Report,
    /// Hosts of List-Unsubscribe.
    UnsubscribeHost,
    /// The score of the spam filter before us.
    SpamScore,
    /// Each link.
    Link,
    /// The host of each link.
    LinkHost,
    /// Address of the client that handed the message to our border.
    ClientIp,
    /// The client's reverse name.
    ClientHost,
    /// The name that the client gave itself in HELO or EHLO.
    ClientHelo,
    /// File name of each attachment.
    AttachmentName,
    /// Media type of each attachment, declared and by its first bytes.
    AttachmentType,
    /// Decoded size of each attachment, bytes.
    AttachmentSize,
    /// SHA-256 of each attachment's decoded content, lower-case hexadecimal.
    AttachmentSha256,
    /// Size of the message as delivered, bytes.
    Size,
    /// Number of attachments.
    Attachments,
    /// Number of recipients.
    Recipients,
    /// Seconds since the Date header.
    Age,
    /// `arrived`: the day on which the message arrived here.
    Arrived,
    /// `arrived.age`, seconds.
    ArrivedAge,
    /// A `score`, by index into [`super::Program::scores`].
    Score(u32),
    /// What `let` has kept, by index into [`super::Program::values`].
    Let(u32),
    /// A flag by its letter; has a value if the flag is set.
    Flag(char),
    /// The keywords that are set.
    Keyword,
    /// The folder that already contains the message.
    InFolder,
    /// Has a value if the last `filter` could not be applied.
    FilterFailed,
    /// The Date header's day.
    Date,
    /// The time of day in the Date header, in the rules' time zone.
    DateTime,
    /// The day of the week of the Date header, `monday` … `sunday`.
    DateWeekday,
    /// A moment, seconds since 1970-01-01 00:00 UTC.
    Instant(Moment),
    /// A moment as a clock in the rules' time zone shows it, seconds since
    /// 1970-01-01 00:00 there. When the clock is put back, the value stands still
    /// for that time.
    LocalInstant(Moment),
    /// Today.
    Now,
    /// Time of day, now.
    Time,
    /// Day of the week, today, `monday` … `sunday`.
    Weekday,
}

impl Field {
    /// Whether the field has one number, unlike the sizes of several attachments.
    pub fn is_one_number(&self) -> bool {
        use Field::{
            Age, Arrived, ArrivedAge, Attachments, Date, DateTime, Instant, LocalInstant, Now,
            Recipients, Score, Size, Time,
        };
        matches!(
            self,
            Age | Arrived
                | ArrivedAge
                | Attachments
                | Date
                | DateTime
                | Now
                | Recipients
                | Size
                | Time
                | Instant(_)
                | LocalInstant(_)
                | Score(_)
        )
    }
}

/// Which moment.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// The moment in the Date header.
    Sent,
    /// When the message arrived here.
    Arrived,
    /// Now.
    Now,
}

/// Methods of authentication, RFC 8601 §2.7.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResultField {
    /// RFC 7208
    Spf,
    /// RFC 6376
    Dkim,
    /// RFC 7489
    Dmarc,
    /// RFC 8617
    Arc,
    /// RFC 8601 §3
    Iprev,
}

/// Where addresses are taken from.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressField {
    /// From
    From,
    /// Sender
    Sender,
    /// Reply-To
    ReplyTo,
    /// To
    To,
    /// Cc
    Cc,
    /// Bcc
    Bcc,
    /// Everything that names a recipient.
    Recipient,
    /// The envelope sender, RFC 5321 reverse-path.
    EnvelopeFrom,
    /// The envelope recipient.
    EnvelopeTo,
}

/// Which part of an address.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressPart {
    /// `is in like starts ends` compare the address, `contains matches` compare
    /// `Name <address>`.
    Whole,
    /// Display name.
    Name,
    /// Local part without detail.
    Local,
    /// Detail, after the delimiter.
    Detail,
    /// Domain.
    Domain,
}
