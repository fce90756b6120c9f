//! `from-daemon`, `from-mailer`: procmail's `^FROM_DAEMON` and `^FROM_MAILER`,
//! for people who come from procmail.
//!
//! They answer what procmail answers, mistakes included, not what would be right;
//! [`daemon`](super::daemon) does that. The macros (`man procmailrc`,
//! "MISCELLANEOUS"; the text is in procmail's `config.h`) are, case ignored:
//!
//! ```text
//! ^( Mailing-List: | Precedence:.*(junk|bulk|list) | To: Multiple recipients of      (FROM_DAEMON only)
//!  | ( ((Resent-)?(From|Sender)|X-Envelope-From): | >?From )
//!    ([^>]*[^(.%@a-z0-9])? WORD ( ([^).!:a-z0-9][-_a-z0-9]*)? [%@> TAB] [^<)]* (\(.*\).*)? )? $([^>]|$) )
//! ```
//!
//! procmail reads the `From ` line and everything up to the first line that is
//! empty, where CR is a character like any other; a line that begins with a blank
//! or a TAB continues the line before, whose newline is read as a blank.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter, memmem};

use super::input::body_opening;
use super::{Classifier, Finding, Mail};

/// For procmail, a header block with CRs in it ends somewhere in the body; this
/// is how far we read, bytes.
const BODY_LIMIT: usize = 64 << 10;

/// procmail's `^FROM_DAEMON`.
pub const FROM_DAEMON: Classifier = Classifier {
    name: "from-daemon",
    absent: "no line that procmail's ^FROM_DAEMON matches",
    find: |mail| find(mail, &Macro { lists: true, words: DAEMON_WORDS }),
};

/// procmail's `^FROM_MAILER`.
pub const FROM_MAILER: Classifier = Classifier {
    name: "from-mailer",
    absent: "no line that procmail's ^FROM_MAILER matches",
    find: |mail| find(mail, &Macro { lists: false, words: MAILER_WORDS }),
};

struct Macro {
    /// Whether the three headers of lists count, too.
    lists: bool,
    words: &'static [&'static str],
}

const DAEMON_WORDS: &[&str] = &[
    "postmst",
    "postmster",
    "postmstr",
    "postmn",
    "postmast",
    "postmaster",
    "postmastr",
    "postman",
    "postoffice",
    "mail",
    "mailer",
    "sendmail",
    "sendmailer",
    "daemon",
    "mmdf",
    "majordomo",
    "uucp",
    "nuucp",
    "listserv",
    "listproc",
    "netserv",
    "owner",
    "ops",
    "request",
    "response",
    "root",
    "bounce",
    "bbs.smtp",
    "echo",
    "mirror",
    "service",
    "services",
    "server",
    "smtp",
    "smtperror",
    "system",
    "admin",
    "administrator",
    "ammgr",
    "autoanswer",
];

const MAILER_WORDS: &[&str] = &[
    "postmast",
    "postmaster",
    "postman",
    "postoffice",
    "mail",
    "mailer",
    "sendmail",
    "sendmailer",
    "daemon",
    "mmdf",
    "uucp",
    "nuucp",
    "ops",
    "response",
    "root",
    "smtp",
    "smtperror",
    "bbs.smtp",
    "bbs.smtperror",
    "service",
    "services",
    "server",
    "system",
    "admin",
    "administrator",
    "ammgr",
];

const SENDERS: &[&str] =
    &["From:", "Sender:", "Resent-From:", "Resent-Sender:", "X-Envelope-From:", "From ", ">From "];

fn find(mail: &Mail<'_>, words: &Macro) -> Finding {
    let header = match procmail_header(mail)? {
        header
            if memmem::find(&header, b"\n ").is_some()
                || memmem::find(&header, b"\n\t").is_some() =>
        {
            Cow::Owned(unfold(&header))
        }
        header => header,
    };
    let mut lines = HeaderLines(&header).peekable();
    while let Some(line) = lines.next() {
        // Anything but a `>` must follow the newline.
        let quoted_next = lines.peek().is_some_and(|next| next.starts_with(b">"));
        if words.matches(line, quoted_next) {
            let shown: String =
                String::from_utf8_lossy(line).trim_end().chars().take(100).collect();
            return Ok(Some(format!("the line `{shown}`")));
        }
    }
    Ok(None)
}

/// What procmail would take for the header.
fn procmail_header<'a>(mail: &'a Mail<'_>) -> Result<Cow<'a, [u8]>, String> {
    let from_line = mail.message.from_line().unwrap_or_default();
    let block = mail.message.head().bytes();
    if from_line.is_empty() && !block.ends_with(b"\r\n") {
        return Ok(Cow::Borrowed(block));
    }
    let mut header = from_line.to_vec();
    header.extend_from_slice(block);
    if block.ends_with(b"\r\n") && memmem::find(block, b"\n\n").is_none() {
        let body = body_opening(mail.message, BODY_LIMIT)?;
        let end = memmem::find(&body, b"\n\n").map_or(body.len(), |at| at + 1);
        header.extend_from_slice(&body[..end]);
    }
    Ok(Cow::Owned(header))
}

fn unfold(header: &[u8]) -> Vec<u8> {
    let mut unfolded = header.to_vec();
    for at in memchr_iter(b'\n', header) {
        if let (Some(b' ' | b'\t'), Some(end)) = (header.get(at + 1), unfolded.get_mut(at)) {
            *end = b' ';
        }
    }
    unfolded
}

struct HeaderLines<'a>(&'a [u8]);

impl<'a> Iterator for HeaderLines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let end = memchr(b'\n', self.0).unwrap_or(self.0.len());
        let line = &self.0[..end];
        self.0 = self.0.get(end + 1..).unwrap_or_default();
        Some(line)
    }
}

impl Macro {
    fn matches(&self, line: &[u8], quoted_next: bool) -> bool {
        if self.lists && names_a_list(line) {
            return true;
        }
        if quoted_next {
            return false;
        }
        SENDERS.iter().filter_map(|name| after_prefix(line, name)).any(|value| self.names(value))
    }

    /// `([^>]*[^(.%@a-z0-9])? WORD TAIL` up to the end of the value. Linear: a
    /// word can only begin after a character that is not part of one, and the
    /// searches of [`WordTail`] only move forwards.
    fn names(&self, value: &[u8]) -> bool {
        let mut tail = WordTail::new(value);
        let first_closing = memchr(b'>', value).unwrap_or(value.len());
        let mut start = 0;
        loop {
            for word in self.words {
                if after_prefix(&value[start..], word).is_some() && tail.fits(start + word.len()) {
                    return true;
                }
            }
            // `[^>]*` must not contain a `>`, but the character after it may be one.
            let rest = &value[start.min(value.len())..];
            let Some(gap) = rest.iter().position(|byte| !is_part_of_name(*byte)) else {
                return false;
            };
            start += gap + 1;
            if start > first_closing + 1 {
                return false;
            }
        }
    }
}

/// `(([^).!:a-z0-9][-_a-z0-9]*)?[%@>\t ][^<)]*(\(.*\).*)?)?` up to the end.
struct WordTail<'a> {
    value: &'a [u8],
    last_closing: Option<usize>,
    /// Next `<` or `)`, and next `(`, from the place last searched from.
    barrier: usize,
    opening: usize,
}

impl<'a> WordTail<'a> {
    fn new(value: &'a [u8]) -> WordTail<'a> {
        let last_closing = memchr::memrchr(b')', value);
        WordTail { value, last_closing, barrier: 0, opening: 0 }
    }

    fn fits(&mut self, at: usize) -> bool {
        let Some(first) = self.value.get(at) else { return true };
        if is_delimiter(*first) && self.rest_fits(at + 1) {
            return true;
        }
        if matches!(first, b')' | b'.' | b'!' | b':') || first.is_ascii_alphanumeric() {
            return false;
        }
        let run = self.value[at + 1..]
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            .count();
        let delimiter = at + 1 + run;
        self.value.get(delimiter).is_some_and(|byte| is_delimiter(*byte))
            && self.rest_fits(delimiter + 1)
    }

    /// `[^<)]*(\(.*\).*)?`
    fn rest_fits(&mut self, at: usize) -> bool {
        self.barrier = self.seek(self.barrier.max(at), |byte| matches!(byte, b'<' | b')'));
        if self.barrier == self.value.len() {
            return true;
        }
        self.opening = self.seek(self.opening.max(at), |byte| byte == b'(');
        self.opening < self.barrier && self.last_closing.is_some_and(|at| at > self.opening)
    }

    fn seek(&self, from: usize, wanted: impl Fn(u8) -> bool) -> usize {
        let rest = self.value.get(from..).unwrap_or_default();
        rest.iter().position(|byte| wanted(*byte)).map_or(self.value.len(), |at| from + at)
    }
}

fn is_part_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'(' | b'.' | b'%' | b'@')
}

fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b'%' | b'@' | b'>' | b'\t' | b' ')
}

fn names_a_list(line: &[u8]) -> bool {
    let precedence = || {
        let value = after_prefix(line, "Precedence:")?.to_ascii_lowercase();
        ["junk", "bulk", "list"].iter().find(|word| memmem::find(&value, word.as_bytes()).is_some())
    };
    after_prefix(line, "Mailing-List:").is_some()
        || after_prefix(line, "To: Multiple recipients of ").is_some()
        || precedence().is_some()
}

fn after_prefix<'a>(line: &'a [u8], prefix: &str) -> Option<&'a [u8]> {
    let (start, rest) = line.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix.as_bytes()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::testing::{finds, message};
    use crate::testing::linear;

    #[track_caller]
    fn check(header: &str, daemon: bool, mailer: bool) {
        let message = message(&format!("{header}\n\nbody\n"));
        assert_eq!(finds(&FROM_DAEMON, &message), daemon, "from-daemon: {header}");
        assert_eq!(finds(&FROM_MAILER, &message), mailer, "from-mailer: {header}");
    }

    #[test]
    fn senders_whose_name_contains_a_word() {
        check("From: MAILER-DAEMON@mx.example", true, true);
        check("From: Mail Delivery System <mailer-daemon@mx.example>", true, true);
        check("Sender: postmaster@mx.example", true, true);
        check("From: root", true, true);
        check("From: owner-rust@lists.example", true, false);
        check("Resent-From: cron <daemon@host.example>", true, true);
        check("From: \"Cron\" <root@host.example> (Cron Daemon)", true, true);
    }

    #[test]
    fn words_within_words_and_people_do_not_count() {
        check("From: maileresque@host.example", false, false);
        check("From: a.root@host.example", false, false);
        check("From: Hanako <hanako@mail.example>", false, false);
        check("From: Account Services <hanako@host.example>", false, false);
        check("From: MAILER-DAEMON <>", false, false);
        check("To: postmaster@host.example", false, false);
    }

    #[test]
    fn headers_of_lists_are_daemons_to_procmail() {
        check("From: a@b.example\nPrecedence: list", true, false);
        check("From: a@b.example\nprecedence: first-class junk", true, false);
        check("From: a@b.example\nMailing-List: contact x@y.example", true, false);
        check("From: a@b.example\nTo: Multiple recipients of rust", true, false);
    }

    #[test]
    fn folded_lines_are_one() {
        check("From: Mail System\n <mailer-daemon@host.example>", true, true);
        check("From: Hanako\n\t<postmaster@host.example>", true, true);
    }

    #[test]
    fn the_from_line_counts_but_not_before_a_quoted_one() {
        check("From MAILER-DAEMON Mon Jan  1 00:00:00 2024\nSubject: x", true, true);
        check("From hanako@b.example Mon Jan  1 00:00:00 2024\nSubject: x", false, false);
        check(
            "From root Mon Jan  1 00:00:00 2024\n>From hanako Mon Jan  1 00:00:00 2024\nSubject: x",
            false,
            false,
        );
    }

    #[test]
    fn time_is_linear() {
        linear(
            |times| message(&format!("From: {}<\n\n", "root ".repeat(2_000 * times))),
            |message| {
                finds(&FROM_DAEMON, message);
            },
        );
    }
}
