//! A checked set of rules: plain data, names resolved, evaluated as it lies.
//!
//! `check` builds a [`Program`]; [`super::compiled::CompiledProgram`] is what is evaluated, the
//! same whether it was just checked or comes out of the cache. Everything refers
//! to everything else by index. Patterns are kept as text and built beside the
//! program on first use.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::actions::Action;
use super::template::Template;
use crate::source::Span;

pub use super::settings::{
    FolderNames, Label, LabelKind, Layout, LogSetting, OverQuota, Settings, SwitchWord,
};

/// A checked set of rules.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
pub struct Program {
    /// Paths of the rule files, by [`Span::file`].
    pub files: Vec<String>,
    /// What `set` said.
    pub settings: Settings,
    /// The statements of all files in order, groups laid flat.
    #[serde(skip)]
    pub statements: Vec<Statement>,
    /// All conditions; one refers only to those that stand before it.
    #[serde(skip)]
    pub conditions: Vec<Condition>,
    /// Every field that is asked for anywhere, once each.
    pub fields: Vec<Field>,
    /// Every pattern, once each.
    #[serde(skip)]
    pub patterns: Vec<Pattern>,
    /// Named lists, and address sets that stand in a test.
    #[serde(skip)]
    pub lists: Vec<List>,
    /// `define`s.
    pub defines: Vec<Define>,
    /// `score`s.
    pub scores: Vec<Score>,
    /// The names of what `let` keeps.
    pub values: Vec<String>,
    /// `expect`s, for `mfilter check`.
    #[serde(skip)]
    pub expectations: Vec<Expectation>,
    /// `category`s of site rules.
    pub categories: Vec<Category>,
    /// `on moved`s, for learning: no delivery looks at them.
    pub moves: Vec<OnMoved>,
    /// `expire`s: no delivery looks at them.
    pub expiries: Vec<Expiry>,
    /// Any rule asks for `duplicate`, but not `of` something, so that all
    /// deliveries are to be remembered.
    pub asks_for_duplicates: bool,
    /// The longest `within` of a `duplicate`, seconds.
    pub longest_within: u64,
    /// There is a list that is made of the mail in a folder.
    pub asks_for_sent_mail: bool,
    /// The script of `include sieve`, if it is there and cannot be used.
    pub unused_script: Option<UnusedScript>,
}

/// A script that is there and not in the program, as the user is told of it: kept with
/// the program, so that no delivery judges it again.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub struct UnusedScript {
    /// The script that the statement names.
    pub path: PathBuf,
    /// What cannot be done, in the user's words.
    pub text: String,
    /// The same as a line for the log.
    pub line: String,
    /// What this version is known by.
    pub version: String,
    /// The last good one is in the program; else none is.
    pub last_good: bool,
}

/// One step of the way through the rules.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Statement {
    /// Its place: a rule without its block, an action.
    pub span: Span,
    /// Line of that place, from 1.
    pub line: u32,
    /// What it does.
    pub kind: StatementKind,
}

/// The kinds of statement. A rule is a `When` and its actions behind it.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub enum StatementKind {
    /// Goes on behind itself if `condition` holds, else at statement `end`.
    /// `otherwise` is a `When` that has no condition.
    When {
        /// Index into [`Program::conditions`].
        condition: Option<u32>,
        /// Index of the first statement behind the rule or group.
        end: u32,
        /// `rule "label"`.
        label: Option<String>,
    },
    /// Does something.
    Act(Action),
    /// Goes on behind itself if the category is switched on, else at
    /// statement `end`.
    Category {
        /// Index into [`Program::categories`].
        category: u32,
        /// Index of the first statement behind it.
        end: u32,
    },
    /// Begins the statements of `include sieve`: where one of them has filed the
    /// message, the run ends at `end`.
    Script {
        /// Index of the first statement behind the script.
        end: u32,
    },
    /// A script's `stop`: goes on behind the script.
    Leave,
}

/// A condition with its place.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Condition {
    /// Its place.
    pub span: Span,
    /// What it asks.
    pub kind: ConditionKind,
}

/// The kinds of condition; numbers are indices into [`Program::conditions`]
/// and smaller than the condition's own.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub enum ConditionKind {
    /// All of them.
    All(Vec<u32>),
    /// One of them.
    Any(Vec<u32>),
    /// Not that one.
    Not(u32),
    /// A `define`, by index; its condition has a smaller number too.
    Define(u32),
    /// A classifier, by index into [`crate::classify::CLASSIFIERS`].
    Classifier(u32),
    /// `has FIELD`
    Has(u32),
    /// `FIELD is V` and its like.
    Text {
        /// Index into [`Program::fields`].
        field: u32,
        /// How to compare.
        operator: TextOperator,
        /// One of them does it.
        needles: Vec<Needle>,
    },
    /// `duplicate of "…" within 1d`
    Duplicate {
        /// By what the message is known; none for what it says of itself.
        of: Option<DuplicateKey>,
        /// How long ago the other one may be, seconds; none for what is set.
        within: Option<u64>,
        /// It counts from the first of them: a duplicate is not remembered.
        first: bool,
    },
    /// `FIELD matches /…/`, by index into [`Program::patterns`].
    Matches {
        /// Index into [`Program::fields`].
        field: u32,
        /// One of them does it; the first that is found gives the captures.
        patterns: Vec<u32>,
    },
    /// `FIELD in NAME` or an inline set, by index into [`Program::lists`].
    In {
        /// Index into [`Program::fields`].
        field: u32,
        /// Index into [`Program::lists`].
        list: u32,
    },
    /// `client.ip is "192.0.2.0/24"`: one of these networks.
    Network {
        /// Index into [`Program::fields`].
        field: u32,
        /// One of them does it.
        networks: Vec<Network>,
    },
    /// `FIELD < V`. Units by the field: bytes, seconds, days since 1970-01-01,
    /// minutes of the day, a plain number.
    Compare {
        /// Index into [`Program::fields`].
        field: u32,
        /// How to compare.
        operator: Comparison,
        /// One of them does it.
        values: Vec<f64>,
    },
    /// `FIELD in A..B`, both ends included, units as in `Compare`; `from` may
    /// lie behind `to` for a time of day, which then passes midnight.
    Within {
        /// Index into [`Program::fields`].
        field: u32,
        /// First value that is in.
        from: f64,
        /// Last value that is in.
        to: f64,
    },
}

/// `of "…"`: what is remembered of a message.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct DuplicateKey {
    /// As written: the same value by another template is not the same.
    pub written: String,
    /// The same, taken apart.
    pub template: Template,
}

/// How texts are compared.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextOperator {
    /// Equal.
    Is,
    /// Somewhere in it.
    Contains,
    /// At its start.
    Starts,
    /// At its end.
    Ends,
    /// The whole of it fits the glob.
    Like,
    /// A word of it is spelt much like that.
    Resembles,
}

/// A stretch of addresses, both ends included; IPv4 as in RFC 4291 §2.5.5.2.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// The lowest address.
    pub first: [u8; 16],
    /// The highest.
    pub last: [u8; 16],
}

/// What a text is compared with.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Needle {
    /// Folded as `message::fold` does it; a domain in its canonical form.
    pub folded: String,
}

/// How numbers are compared.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `=`
    Equal,
    /// `>=`
    GreaterOrEqual,
    /// `>`
    Greater,
}

/// A pattern as text; checked to be one that can be built.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// The `regex` crate's syntax.
    pub source: String,
    /// `/…/c`
    pub case_sensitive: bool,
    /// Of each of these sets one text stands, in any case, wherever the pattern
    /// is found. Lower-case ASCII.
    pub literals: Vec<Vec<String>>,
}

/// A list of addresses.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct List {
    /// Its name; none for a set that stands in a test.
    pub name: Option<String>,
    /// Where it is declared.
    pub span: Span,
    /// Where its entries are.
    pub entries: Entries,
    /// A rule adds to it, so its file need not be there yet: it is empty then.
    pub grows: bool,
}

/// Where a list's entries are.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub enum Entries {
    /// In a file, read when a rule asks for it. As written; `~/` is the home,
    /// other relative paths start at the folder of the rule file.
    File(String),
    /// In the rules, each as in a list file's line.
    Inline(Vec<String>),
    /// Everyone the user has written to, by the mail in that folder.
    Sent(String),
    /// Everyone who wrote the mail in that folder.
    Senders(String),
    /// Everyone in the address books at that path, written as that of a file.
    Cards(String),
}

impl Entries {
    /// The folder of whose mail they are made, and which side of it.
    pub fn folder(&self) -> Option<(&str, MailSide)> {
        match self {
            Entries::Sent(folder) => Some((folder, MailSide::Recipients)),
            Entries::Senders(folder) => Some((folder, MailSide::Authors)),
            Entries::File(_) | Entries::Inline(_) | Entries::Cards(_) => None,
        }
    }
}

/// Whom a list that is made of mail takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailSide {
    /// To whom it went.
    Recipients,
    /// Who wrote it.
    Authors,
    /// The messages themselves, by hashes of their Message-IDs.
    Messages,
}

/// `on moved from "A" to "B" -> ACTION, …`
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct OnMoved {
    /// The statement.
    pub span: Span,
    /// Line of that place, from 1.
    pub line: u32,
    /// Out of this folder, as people name it, `/` between levels; `INBOX` is
    /// the inbox. None is any.
    pub from: Option<String>,
    /// Into this one.
    pub to: Option<String>,
    /// Edits of lists and lines for the log.
    pub actions: Vec<Action>,
}

/// `expire "News" after 14d unless flagged -> folder "Trash"`
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Expiry {
    /// The statement.
    pub span: Span,
    /// Line of that place, from 1.
    pub line: u32,
    /// The folder, as people name it, `/` between levels; `INBOX` is the inbox.
    pub folder: String,
    /// How long a message stays, seconds.
    pub after: u64,
    /// Mail that nobody has read goes, too.
    pub even_unread: bool,
    /// Flagged mail goes, too.
    pub even_flagged: bool,
    /// What stays, by index into [`Program::conditions`].
    pub unless: Option<u32>,
    /// The folder it goes to; none if it is deleted.
    pub to: Option<String>,
    /// It is deleted from whatever folder.
    pub anywhere: bool,
}

/// `define NAME = CONDITION`
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Define {
    /// Its name.
    pub name: String,
    /// Index into [`Program::conditions`].
    pub condition: u32,
}

/// `score NAME { … }`
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Score {
    /// Its name.
    pub name: String,
    /// Weight and index into [`Program::conditions`].
    pub entries: Vec<(f64, u32)>,
}

/// `expect "message.eml" -> ACTION, …`
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Expectation {
    /// The statement.
    pub span: Span,
    /// As written; relative to the folder of the rule file.
    pub message: String,
    /// What must come out, in order.
    pub actions: Vec<Action>,
}

/// `category "name" [mandatory] { … }`
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Category {
    /// Its name.
    pub name: String,
    /// It cannot be switched off.
    pub mandatory: bool,
    /// Its place, without the block.
    pub span: Span,
}

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
    /// The text parts, HTML as text.
    Body,
    /// Text of HTML parts that nobody sees.
    HiddenText,
    /// Charsets the message declares or is found to use.
    Charset,
    /// An environment variable.
    Env(String),
    /// The part of the local part behind the delimiter, as the MTA says.
    Extension,
    /// The user's login name.
    User,
    /// The list's identifier, RFC 2919.
    ListId,
    /// The list's short name.
    ListName,
    /// Hashes of the messages that it names as its conversation, and of itself.
    Thread,
    /// Those of them that are in the folders of which rules make lists.
    InMyThread,
    /// What a trusted border says of the sender.
    Result(ResultField),
    /// Domains whose DKIM signatures pass.
    DkimDomain,
    /// The domain that SPF was asked about.
    SpfDomain,
    /// RFC 3463 codes of a bounce.
    BounceStatus,
    /// Whom a bounce is about.
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
    /// The number of the spam filter in front of us.
    SpamScore,
    /// Each link.
    Link,
    /// The host of each link.
    LinkHost,
    /// Address of the client that handed the message to our border.
    ClientIp,
    /// Its reverse name.
    ClientHost,
    /// What it called itself.
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
    /// `arrived`: the day on which the message came here.
    Arrived,
    /// `arrived.age`, seconds.
    ArrivedAge,
    /// A `score`, by index into [`Program::scores`].
    Score(u32),
    /// What `let` has kept, by index into [`Program::values`].
    Let(u32),
    /// A flag by its letter; has a value where the flag is set.
    Flag(char),
    /// The keywords that are set.
    Keyword,
    /// The folder in which the message lies already.
    InFolder,
    /// Has a value where the last `filter` could not be applied.
    FilterFailed,
    /// The Date header's day.
    Date,
    /// The time of day in the Date header, in the rules' time zone.
    DateTime,
    /// Its day of the week, `monday` … `sunday`.
    DateWeekday,
    /// A moment, seconds since 1970-01-01 00:00 UTC.
    Instant(Moment),
    /// A moment as a clock in the rules' time zone shows it, seconds since 1970-01-01
    /// 00:00 there. Where the clock is put back, it stands still for that time.
    LocalInstant(Moment),
    /// Today.
    Now,
    /// Time of day, now.
    Time,
    /// Day of the week, today, `monday` … `sunday`.
    Weekday,
}

/// Which moment.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// That of the Date header.
    Sent,
    /// When the message came here.
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
    /// `is in like starts ends` see the address, `contains matches` see `Name <address>`.
    Whole,
    /// Display name.
    Name,
    /// Local part without detail.
    Local,
    /// Detail, behind the delimiter.
    Detail,
    /// Domain.
    Domain,
}
