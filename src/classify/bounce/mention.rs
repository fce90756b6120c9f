//! Addresses within sentences: `Your message to user@host bounced`.

use crate::classify::words::bounces;

/// The addresses of the first line that has one, in order, each once. None of
/// `own`, no sender's address and no Message-ID. One that may be a sender's or a
/// helper's is used only if there is no other.
pub fn mentioned(notes: &str, own: &[String]) -> Vec<String> {
    let is_own =
        |found: &Mention<'_>| own.iter().any(|own| own.eq_ignore_ascii_case(found.address));
    for doubt in Doubt::ALL {
        for line in notes.lines().filter(|line| !names_identifier(line)) {
            let mut found: Vec<String> = Vec::new();
            for mention in all(line).filter(|found| found.doubt() == Some(doubt) && !is_own(found))
            {
                if !found.iter().any(|known| known == mention.address) {
                    found.push(mention.address.to_owned());
                }
            }
            if !found.is_empty() {
                return found;
            }
        }
    }
    Vec::new()
}

/// How doubtful it is that an address is that of a recipient who was not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    None,
    PerhapsSender,
    Helper,
}

impl Doubt {
    const ALL: [Doubt; 3] = [Doubt::None, Doubt::PerhapsSender, Doubt::Helper];
}

struct Mention<'a> {
    address: &'a str,
    /// The text before it, lower case.
    before: String,
}

impl Mention<'_> {
    /// `None` if it is a sender's.
    fn doubt(&self) -> Option<Doubt> {
        // Postfix's note on an alias: `(expanded from: <user@host>)`.
        let alias = ends_in(&self.before, &["expanded from", "generated from"]);
        if !alias && ends_in_sender(&self.before) {
            return None;
        }
        Some(if is_helper(self.address) {
            Doubt::Helper
        } else if ends_in(&self.before, bounces::SENDERS_PERHAPS) {
            Doubt::PerhapsSender
        } else {
            Doubt::None
        })
    }
}

/// The ASCII addresses of a line.
fn all(line: &str) -> impl Iterator<Item = Mention<'_>> {
    line.match_indices('@').filter_map(move |(at, _)| {
        let (before, after) = (&line[..at], &line[at + 1..]);
        let start = before
            .rfind(|c: char| !c.is_ascii_alphanumeric() && !"!#$%&*+-/=?^_`{|}~.".contains(c))
            .map_or(0, |last| last + before[last..].chars().next().map_or(1, char::len_utf8));
        let end = after
            .find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-'))
            .unwrap_or(after.len());
        let domain = after[..end].trim_end_matches(['.', '-']);
        let local = &before[start..];
        let plausible = is_local_part(local)
            && local.len() + domain.len() < 320
            && domain.contains('.')
            && !domain.starts_with('.')
            && !after[end..].starts_with('@');
        let words: String = before[..start].chars().rev().take(40).collect();
        plausible.then(|| Mention {
            address: &line[start..at + 1 + domain.len()],
            before: words.chars().rev().collect::<String>().to_lowercase(),
        })
    })
}

/// Whether a text is a local part, not the end of a path, a command or a URL.
pub fn is_local_part(local: &str) -> bool {
    !local.is_empty()
        && !local.starts_with(['|', '/'])
        && !local.contains('?')
        && !local.contains("://")
        && !local.contains("=/")
}

/// Whether a text, in lower case, ends in a word after which the sender is named.
pub fn ends_in_sender(text: &str) -> bool {
    ends_in(text, bounces::SENDERS)
}

fn ends_in(text: &str, words: &[&str]) -> bool {
    let text = text.trim_end_matches([' ', '\t', '<', '"', '\'', '(', '[', ':', '：', '「']);
    words.iter().any(|word| {
        let before = text.strip_suffix(word);
        // No blanks separate words in Han and kana.
        let goes_on =
            |last: char| last.is_alphanumeric() && (word.is_ascii() || last.is_lowercase());
        before.is_some_and(|before| !before.ends_with(goes_on))
    })
}

fn names_identifier(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    line.contains("message-id") || line.contains("message id") || line.contains("references:")
}

/// Whether an address belongs to someone to ask for help, or to the machine that speaks.
fn is_helper(address: &str) -> bool {
    let local = address.split('@').next().unwrap_or_default().to_ascii_lowercase();
    HELPERS.contains(&local.as_str())
}

#[rustfmt::skip]
const HELPERS: &[&str] = &[
    "postmaster", "mailer-daemon", "abuse", "support", "helpdesk", "noreply", "no-reply", "admin",
    "service", "customerservice", "customer-service", "help", "info", "contact", "kontakt",
];

/// Whether a text mentions an address other than that of whoever helps the readers of
/// what `own` senders write: `service@` where they are.
pub fn mentions_stranger(notes: &str, own: &[String]) -> bool {
    let domain = |address: &str| Some(address.rsplit_once('@')?.1.to_ascii_lowercase());
    let helps = |address: &String| {
        is_helper(address) && own.iter().any(|own| domain(own) == domain(address))
    };
    mentioned(notes, own).iter().any(|address| !helps(address))
}

#[cfg(test)]
mod tests {
    use super::mentioned;

    #[track_caller]
    fn check(notes: &str, recipients: &[&str]) {
        assert_eq!(mentioned(notes, &["me@here.example".to_owned()]), recipients, "{notes}");
    }

    #[test]
    fn within_a_sentence() {
        for notes in [
            "Your message to a@b.example could not be delivered.",
            "Your message from me@here.example to a@b.example bounced.",
            "宛先のa@b.exampleは見つかりません",
            "El buzón de <a@b.example> está lleno; postmaster@c.example",
            "Message-ID: <1@c.example>\nNachricht an a@b.example.",
            "Ask postmaster@b.example.\nYour mail to a@b.example: no.",
            "See https://c.example/?who=x@y.example about a@b.example.",
        ] {
            check(notes, &["a@b.example"]);
        }
        check("To a@b.example and c@d.example", &["a@b.example", "c@d.example"]);
    }

    #[test]
    fn what_is_none() {
        check("me@here.example wrote", &[]);
        check("|/usr/bin/deliver@b.example or x@y or @b.example", &[]);
        check("Message-ID: <1@c.example>", &[]);
    }
}
