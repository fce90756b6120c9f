//! What `set`, `isp-filter` and `isp-label` can set.

use serde::{Deserialize, Serialize};

use crate::source::Span;

/// What `set` said; `None` is the default.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
pub struct Settings {
    /// `maildir`, as written.
    pub maildir: Option<String>,
    /// `layout`.
    pub layout: Layout,
    /// `folder-names`.
    pub folder_names: Option<FolderNames>,
    /// `folder-prefix`: what may precede a folder's name in rules but not on
    /// disk; empty if there is no such prefix.
    pub folder_prefix: Option<String>,
    /// `inbox`: the folder that is the inbox, empty for the Maildir itself.
    pub inbox: Option<String>,
    /// `trash`, `junk` and `drafts`: the folders for these purposes, if the
    /// server does not name them.
    pub trash: Option<String>,
    /// See `trash`.
    pub junk: Option<String>,
    /// See `trash`.
    pub drafts: Option<String>,
    /// `shared`: what is created may be accessed by those who may access the
    /// directory above.
    pub shared: bool,
    /// `me`: entries as in a list.
    pub me: Vec<String>,
    /// `trust`: authserv-ids (RFC 8601 §2.5) whose results are believed.
    pub trust: Vec<String>,
    /// `relays`: machines of the user's own that hand mail on.
    pub relays: Vec<String>,
    /// `spam-score-header`
    pub spam_score_header: Option<String>,
    /// `delimiter` between local part and detail.
    pub delimiter: Option<String>,
    /// `timezone`, an IANA name.
    pub timezone: Option<String>,
    /// `log`.
    pub log: LogSetting,
    /// `duplicates-for`, seconds.
    pub duplicates_for: Option<u64>,
    /// `sendmail`, a path.
    pub sendmail: Option<String>,
    /// `program-timeout`, seconds.
    pub program_timeout: Option<u64>,
    /// `forward-sender`: an address, perhaps with `{sender}` in it.
    pub forward_sender: Option<String>,
    /// `subscribe`: whether folders that are created are subscribed.
    pub subscribe: Option<bool>,
    /// `over-quota`.
    pub over_quota: Option<OverQuota>,
    /// `remake-folders`: whether a folder that was probably renamed is created again.
    pub remake_folders: Option<bool>,
    /// `isp-filter`, the user's switch.
    pub isp_filter: Vec<SwitchWord>,
    /// `isp-filter default`, the provider's.
    pub isp_default: Option<bool>,
    /// `isp-label`s.
    pub labels: Vec<Label>,
}

/// How folders are stored in the Maildir.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// `~/Maildir/.A.B`
    #[default]
    MaildirPlusPlus,
    /// `~/Maildir/A/B`
    Fs,
}

/// What happens to mail that exceeds the quota.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OverQuota {
    /// The mail server tries again: 75, with `4.2.2`.
    #[default]
    Temporary,
    /// The message is refused: 77, with `5.2.2`.
    Permanent,
}

/// How folder names are written on disk.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
pub enum FolderNames {
    /// Modified UTF-7, RFC 3501 §5.1.3.
    Mutf7,
    /// UTF-8.
    Utf8,
}

/// Where the log goes.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
pub enum LogSetting {
    /// `mfilter/log` in the state directory.
    #[default]
    State,
    /// A file.
    File(String),
    /// syslog, facility mail.
    Syslog,
    /// Nowhere.
    Off,
}

/// `isp-label`: a mark that a provider's gateway adds.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Label {
    /// Where it is put.
    pub kind: LabelKind,
    /// The text before the subject, or the name of the header.
    pub text: String,
    /// The category that contains it, by index into `Program::categories`.
    pub category: Option<u32>,
}

/// Where a gateway puts a mark.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelKind {
    /// `isp-label subject`
    Subject,
    /// `isp-label header`
    Header,
}

/// A word of `isp-filter`.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct SwitchWord {
    /// The category; `None` for the filter as a whole.
    pub category: Option<String>,
    /// `on`; otherwise `off`.
    pub on: bool,
    /// The place of the statement.
    pub span: Span,
    /// Line of that place, from 1.
    pub line: u32,
}
