//! Delivered, deferred or refused: what is reported to an MTA, and the only place that
//! knows exit codes.
//!
//! MTAs bounce for most exit codes, so there are only four here: 0, 75, and for a refusal
//! that the rules asked for 77, 69 or 67. With the code goes one line of text, `4.x.x
//! why` or `5.x.x why`, which Postfix prefers to the code, and which others log or send
//! to the sender.

use std::fmt;
use std::io;
use std::path::PathBuf;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::source::reason;
use crate::text::one_line;

/// How a delivery ended.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Stored where the rules wanted it, and on disk.
    Delivered,
    /// Dropped because a rule said so.
    Discarded,
    /// To be tried again by the MTA.
    Deferred {
        /// `4.x.x`, RFC 3463.
        status: String,
        /// Why, for the postmaster.
        text: String,
    },
    /// Refused because a rule said so: the MTA notifies the sender.
    Refused {
        /// `5.x.x`, RFC 3463.
        status: String,
        /// Why, for the sender.
        text: String,
    },
}

/// The longest line for an MTA, bytes: RFC 5321 §4.5.3.1.5 allows a reply line 512, some
/// of which the MTA needs for its own code.
const LINE_MAX: usize = 500;

impl Outcome {
    /// A deferral with a status that fits most reasons: RFC 3463 `4.3.0`.
    pub fn deferred(text: impl Into<String>) -> Outcome {
        Outcome::Deferred { status: "4.3.0".into(), text: text.into() }
    }

    /// The exit code according to sysexits.h.
    ///
    /// A refusal is `EX_NOPERM`, unless its RFC 3463 subject blames the address (`5.1.x`,
    /// `EX_NOUSER`), or the mailbox, system or network (`5.2.x` to `5.4.x`,
    /// `EX_UNAVAILABLE`); a full mailbox (`5.2.2`) is `EX_NOPERM`, too, as in maildrop.
    /// All three bounce with every MTA except qmail, which retries after 67 and 69.
    pub fn exit_code(&self) -> u8 {
        const EX_NOUSER: u8 = 67;
        const EX_UNAVAILABLE: u8 = 69;
        const EX_TEMPFAIL: u8 = 75;
        const EX_NOPERM: u8 = 77;
        match self {
            Outcome::Delivered | Outcome::Discarded => 0,
            Outcome::Deferred { .. } => EX_TEMPFAIL,
            Outcome::Refused { status, .. } if status == "5.2.2" => EX_NOPERM,
            Outcome::Refused { status, .. } => match status.split('.').nth(1) {
                Some("1") => EX_NOUSER,
                Some("2" | "3" | "4") => EX_UNAVAILABLE,
                _ => EX_NOPERM,
            },
        }
    }

    /// The line for the MTA, without its line end; none when there is nothing to say.
    pub fn line(&self) -> Option<String> {
        let (status, text, class, default) = match self {
            Outcome::Delivered | Outcome::Discarded => return None,
            Outcome::Deferred { status, text } => (status, text, '4', ("4.3.0", "try again later")),
            Outcome::Refused { status, text } => (status, text, '5', ("5.7.1", "message refused")),
        };
        let status = if is_status(status, class) { status } else { default.0 };
        let room = LINE_MAX - status.len() - 1;
        let mut text = one_line(text, room);
        if text.is_empty() {
            text.push_str(default.1);
        }
        Some(format!("{status} {text}"))
    }

    /// Writes the line to standard error. What cannot be written is dropped: a full or
    /// closed pipe (Postfix does not read before we exit) must never change the outcome.
    pub fn tell(&self) {
        let Some(mut line) = self.line() else { return };
        line.push('\n');
        let mut rest = line.as_bytes();
        while !rest.is_empty() {
            match rustix::io::write(rustix::stdio::stderr(), rest) {
                Ok(written @ 1..) => rest = rest.get(written..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Ok(0) | Err(_) => return,
            }
        }
    }
}

/// Whether a `sendmail` that ended with this status refuses the message permanently, so
/// that another try would end the same: the codes of sysexits.h that concern the call,
/// the message, the address, the service or a permission, and the 100 of qmail-inject(8).
/// All others may be temporary.
pub fn is_permanent(status: i32) -> bool {
    matches!(status, 64 | 65 | 67 | 69 | 76 | 77 | 78 | 100)
}

/// Whether it is a status of that class: `class "." subject "." detail`, the last two with
/// one to three digits and no leading zero (RFC 3463 §2).
pub fn is_status(text: &str, class: char) -> bool {
    let is_number = |part: &str| {
        (1..=3).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part.len() == 1 || !part.starts_with('0'))
    };
    let mut parts = text.split('.');
    parts.next().is_some_and(|part| part.len() == 1 && part.starts_with(class))
        && parts.next().is_some_and(is_number)
        && parts.next().is_some_and(is_number)
        && parts.next().is_none()
}

/// Something that the system failed to do for us.
#[derive(Debug)]
pub struct Failure {
    /// What was tried, in words that follow "cannot": `create the folder`.
    pub doing: &'static str,
    /// The path.
    pub path: PathBuf,
    /// Why not.
    pub error: io::Error,
}

impl Failure {
    /// A failure of `doing` at `path`.
    pub fn new(
        doing: &'static str,
        path: impl Into<PathBuf>,
        error: impl Into<io::Error>,
    ) -> Failure {
        Failure { doing, path: path.into(), error: error.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = reason(&self.error);
        write!(f, "cannot {} `{}`: {why}", self.doing, self.path.display())
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Outcome {
        Outcome::Deferred { status: status_of(&failure.error).into(), text: failure.to_string() }
    }
}

/// The RFC 3463 status of a system error. All are temporary: a problem of the machine can
/// be fixed before the MTA gives up.
///
/// | error | status | read as |
/// |---|---|---|
/// | EDQUOT, EFBIG | 4.2.2 | the mailbox is full: a quota, a limit on file size |
/// | ENOSPC | 4.3.1 | the mail system is full |
/// | EACCES, EPERM, ENOENT, ENOTDIR, EISDIR, ELOOP, EEXIST, ENAMETOOLONG, EMLINK, EXDEV | 4.2.0 | something about the mailbox is wrong |
/// | EMSGSIZE, EILSEQ | 4.6.0 | something about the message is |
/// | all others: EIO, EROFS, EMFILE, ENFILE, ENOMEM, ENOLCK, EAGAIN, ESTALE, ETIMEDOUT … | 4.3.0 | something about the system is |
pub fn status_of(error: &io::Error) -> &'static str {
    match Errno::from_io_error(error) {
        Some(Errno::DQUOT | Errno::FBIG) => "4.2.2",
        Some(Errno::NOSPC) => "4.3.1",
        Some(
            Errno::ACCESS
            | Errno::PERM
            | Errno::NOENT
            | Errno::NOTDIR
            | Errno::ISDIR
            | Errno::LOOP
            | Errno::EXIST
            | Errno::NAMETOOLONG
            | Errno::MLINK
            | Errno::XDEV,
        ) => "4.2.0",
        Some(Errno::MSGSIZE | Errno::ILSEQ) => "4.6.0",
        _ => "4.3.0",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: &str, text: &str) -> Outcome {
        Outcome::Refused { status: status.into(), text: text.into() }
    }

    #[test]
    fn only_the_four_kinds_of_exit_code_exist() {
        assert_eq!(Outcome::Delivered.exit_code(), 0);
        assert_eq!(Outcome::Discarded.exit_code(), 0);
        assert_eq!(Outcome::deferred("x").exit_code(), 75);
        for (status, code) in [
            ("5.0.0", 77),
            ("5.1.1", 67),
            ("5.2.1", 69),
            ("5.2.2", 77),
            ("5.3.4", 69),
            ("5.7.1", 77),
            ("nonsense", 77),
            ("", 77),
        ] {
            assert_eq!(refused(status, "").exit_code(), code, "{status}");
        }
    }

    #[test]
    fn the_line_is_one_harmless_line() {
        assert_eq!(Outcome::Delivered.line(), None);
        assert_eq!(
            refused("5.7.1", "no\r\nX-Evil: 1\u{1b}[31m \u{202e}txt").line().as_deref(),
            Some("5.7.1 no X-Evil: 1 [31m txt")
        );
        assert_eq!(refused("2.0.0", "").line().as_deref(), Some("5.7.1 message refused"));
        assert_eq!(
            refused("4.7.1", "no").line().as_deref(),
            Some("5.7.1 no"),
            "a refusal cannot be soft"
        );
        let long = refused("5.7.1", &"あ".repeat(1000)).line().unwrap();
        assert!(long.len() <= LINE_MAX && long.len() > LINE_MAX - 4);
    }

    #[test]
    fn statuses_follow_rfc_3463() {
        for good in ["5.7.1", "5.0.0", "5.123.999"] {
            assert!(is_status(good, '5'), "{good}");
        }
        for bad in ["5.7", "5.7.1.1", "5..1", "5.7.x", "5.7.1234", "4.7.1", "55.7.1", "5.07.1", ""]
        {
            assert!(!is_status(bad, '5'), "{bad}");
        }
    }

    #[test]
    fn a_failure_says_what_where_and_why_and_is_soft() {
        let failure = Failure::new("create the folder", "/m/.A\nB", Errno::NOSPC);
        let outcome = Outcome::from(failure);
        assert_eq!(
            outcome.line().as_deref(),
            Some("4.3.1 cannot create the folder `/m/.A B`: No space left on device")
        );
        assert_eq!(outcome.exit_code(), 75);
        assert_eq!(status_of(&io::Error::other("x")), "4.3.0");
        assert_eq!(status_of(&Errno::DQUOT.into()), "4.2.2");
    }
}
