//! Plans the actions with an effect outside the Maildir: programs, forwarding, lists; and
//! reports what must not be done.

use std::path::Path;

use super::Evaluator;
use super::condition::Conditions;
use super::field_value::FieldValue;
use crate::classify::people::is_of_provider;
use crate::flags::Flags;
use crate::message::address;
use crate::plan::{RuleRef, StepKind};
use crate::rules::actions::{LONGEST_TARGET, MOST_TARGETS, is_address, is_target};
use crate::rules::address_list::AddressList;
use crate::rules::confined::not_allowed;
use crate::rules::glob;
use crate::rules::program::Entries;
use crate::rules::template::Template;
use crate::state::loop_mark;
use crate::text::one_line;

/// The header that marks a forwarded message, see [`loop_mark`].
pub const LOOP_HEADER: &str = "X-Mfilter-Loop";
/// A message with more hops is going in circles.
const MOST_HOPS: usize = 40;
/// How many entries one message may add to a list, or remove from it.
const MOST_ENTRIES: usize = 50;
/// How many bytes all arguments of one program may take together: whatever limits
/// are set, Linux allows 128 KB with the environment (execve(2)). If a sender's
/// text could make a program fail to start, it would fail at every try.
const LONGEST_ARGUMENTS: usize = 96 << 10;
/// How much is shown of what is not an address, bytes.
const LONGEST_SHOWN: usize = 100;

impl Conditions<'_> {
    /// Whether the message comes back from where it was forwarded to from here.
    pub(super) fn is_back(&self) -> bool {
        let marks = self.message.texts(LOOP_HEADER);
        if marks.is_empty() {
            return false;
        }
        let ours = loop_mark::known(self.world.state.as_ref(), &self.world.forwarder());
        marks.iter().any(|text| text.text().trim().eq_ignore_ascii_case(&ours))
    }
}

impl Evaluator<'_> {
    /// A program and its arguments. Only the rule determines the program: a path
    /// like all paths in rules, or a name that is looked up in `PATH`.
    pub(super) fn argv(&self, words: &[Template], rule: &RuleRef) -> Vec<String> {
        let mut room = LONGEST_ARGUMENTS;
        let mut argv = Vec::with_capacity(words.len());
        for word in words.iter() {
            let argument = self.argument(word, room);
            room -= argument.len().min(room);
            argv.push(argument);
        }
        if let Some(program) = argv.first_mut().filter(|program| program.contains('/')) {
            let file = self.file(rule);
            let path = self.conditions.world.path(program, Path::new(file));
            *program = path.to_string_lossy().into_owned();
        }
        argv
    }

    /// Checks whether a program may be run, and replaces it with its path. A
    /// confined user's rules may run only programs that the site lists, by name.
    ///
    /// # Errors
    /// Why it must not be run.
    pub(super) fn allow(&self, argv: &mut [String]) -> Result<(), String> {
        let Some(site) = self.conditions.world.user.confinement() else { return Ok(()) };
        let Some(program) = argv.first_mut().filter(|_| !self.conditions.is_site()) else {
            return Ok(());
        };
        match site.programs.get(program) {
            Some(path) => *program = path.to_string_lossy().into_owned(),
            None => return Err(not_allowed(program)),
        }
        Ok(())
    }

    /// The rule file of a rule.
    pub(super) fn file(&self, rule: &RuleRef) -> &str {
        self.conditions.program.file(rule.span)
    }

    /// Plans to forward. If the message cannot be forwarded, it goes to the inbox
    /// instead: no message is lost.
    pub(super) fn forward(&mut self, copy: bool, to: &[Template], rule: RuleRef) {
        let forwarder = self.conditions.world.forwarder();
        let mut targets: Vec<String> = Vec::new();
        // An address gets the message only once.
        let previous_targets =
            self.progress.plan.since_filter().iter().flat_map(|step| match &step.kind {
                StepKind::Forward { to, .. } => to.clone(),
                _ => Vec::new(),
            });
        let previous_targets: Vec<String> = previous_targets.collect();
        let mut is_sent = false;
        let mut why = self.has_looped(&forwarder);
        let known = self.progress.plan.steps.iter().map(|step| match &step.kind {
            StepKind::Forward { to, .. } => to.len(),
            _ => 0,
        });
        let room = MOST_TARGETS.saturating_sub(known.sum());
        let filled: Vec<String> = to.iter().map(|target| self.line(target)).collect();
        for target in filled.into_iter().filter(|_| why.is_none()) {
            let target = with_ascii_domain(target.trim());
            if !is_target(&target) {
                let why = no_target(&target);
                self.push(StepKind::Skipped { action: "forward", why }, rule.clone());
            } else if previous_targets.contains(&target) {
                is_sent = true;
            } else if targets.len() >= room {
                let why = format!("more than {MOST_TARGETS} addresses");
                self.push(StepKind::Skipped { action: "forward", why }, rule.clone());
            } else if !targets.contains(&target) {
                targets.push(target);
            }
        }
        if targets.is_empty() {
            if let Some(why) = why.take() {
                self.push(StepKind::Skipped { action: "forward", why }, rule.clone());
            }
            if !copy && !is_sent {
                self.inbox(Some(rule), Flags::default());
            }
            return;
        }
        let sender = self.forward_sender();
        self.push(StepKind::Forward { copy, sender, to: targets, forwarder }, rule);
    }

    /// Whether a `forward copy` could not be planned, and nobody else gets the
    /// message: if it were dropped now, it would be lost.
    pub(super) fn is_kept_nowhere(&self) -> bool {
        let steps = &self.progress.plan.steps;
        steps.iter().any(|step| matches!(step.kind, StepKind::Skipped { action: "forward", .. }))
            && !steps.iter().any(|step| {
                matches!(step.kind, StepKind::Deliver { .. } | StepKind::Forward { .. })
            })
    }

    fn has_looped(&self, forwarder: &str) -> Option<String> {
        if self.conditions.is_back() {
            return Some(format!("{forwarder} has forwarded it before"));
        }
        let hops = self.conditions.message.head().values("received").count();
        (hops > MOST_HOPS)
            .then(|| format!("it went through {hops} servers, so it is going in circles"))
    }

    /// The envelope sender of a forwarded message: the original one, or as `set
    /// forward-sender` determines. The null sender stays null, so that bounces
    /// never go in circles; an unknown sender counts as null.
    fn forward_sender(&self) -> String {
        let sender = self.conditions.world.envelope_sender(self.conditions.message);
        let sender = sender.unwrap_or_default();
        match self.conditions.program.settings.forward_sender.as_ref() {
            Some(set) if !sender.is_empty() => {
                set.replacen("{sender}", &in_a_local_part(&sender), 1)
            }
            _ => sender,
        }
    }

    /// Plans one edit of a list per address in a field.
    pub(super) fn edit_list(&mut self, add: bool, field: u32, list: u32, rule: RuleRef) {
        let action = if add { "add" } else { "remove" };
        let Some(list) = self.conditions.program.list(list) else { return };
        let Entries::File(path) = &list.entries else { return };
        let file = self.conditions.program.file(list.span);
        let path = self.conditions.world.path(path, Path::new(file));
        let name = list.name.as_ref().map_or("", |name| name.as_str()).to_owned();
        let entries: Vec<Result<String, String>> = match self.conditions.field(field) {
            Ok(values) => values.iter().take(MOST_ENTRIES).map(|value| entry(value, add)).collect(),
            Err(_) => Vec::new(),
        };
        if entries.is_empty() {
            let why = format!("the message has nothing to {action}");
            self.push(StepKind::Skipped { action, why }, rule.clone());
        }
        for entry in entries {
            let kind = match entry {
                Ok(entry) => {
                    StepKind::EditList { add, list: name.clone(), path: path.clone(), entry }
                }
                Err(why) => StepKind::Skipped { action, why },
            };
            let same = self.progress.plan.steps.iter().any(|step| step.kind == kind);
            if !same {
                self.push(kind, rule.clone());
            }
        }
    }
}

/// An address, or a domain, as a list entry.
///
/// # Errors
/// Why it cannot be an entry.
fn entry(value: &FieldValue<'_>, add: bool) -> Result<String, String> {
    let alone = |text: &str| format!("`{text}` cannot be a list entry that matches only itself");
    let domain = match value {
        FieldValue::Domain(domain) => domain.folded(),
        FieldValue::Address(_) => {
            let address = value.inserted();
            return exact_entry(&address).ok_or_else(|| alone(&address));
        }
        _ => return exact_text(value.exact()).ok_or_else(|| alone(value.exact())),
    };
    if add && is_of_provider(domain) {
        return Err(format!("anybody can have an address at `{domain}`"));
    }
    exact_domain(domain).ok_or_else(|| alone(domain))
}

/// A text as an entry that matches only itself.
fn exact_text(folded: &str) -> Option<String> {
    let exact = folded.len() <= LONGEST_SHOWN
        && !glob::is_glob(folded)
        && !folded.starts_with(['/', '@'])
        && !folded.contains(['#', '"'])
        && !folded.contains(char::is_control)
        && AddressList::from_entries([folded]).has_same(folded);
    exact.then(|| folded.to_owned())
}

/// A domain as an entry that matches all its addresses, and nothing else.
fn exact_domain(domain: &str) -> Option<String> {
    let probe = exact_entry(&format!("x@{domain}"))?;
    let entry = format!("@{}", probe.strip_prefix("x@")?);
    let exact =
        !entry.starts_with("@.") && AddressList::from_entries([entry.as_str()]).matches(&probe);
    exact.then_some(entry)
}

/// An address as an entry that matches it and nothing else: text from a message
/// must not become a glob, a pattern or a comment.
pub fn exact_entry(address: &str) -> Option<String> {
    let entry = address::canonical(address).into_owned();
    let exact = is_address(&entry)
        && !glob::is_glob(&entry)
        && !entry.starts_with(['/', '#', '@'])
        && !entry.contains(['#', '"'])
        && AddressList::from_entries([entry.as_str()]).has_same(&entry);
    exact.then_some(entry)
}

/// Why mail cannot be sent to a text.
pub(super) fn no_target(text: &str) -> String {
    let shown = match text.len() {
        ..=LONGEST_SHOWN => text.to_owned(),
        _ => one_line(text, LONGEST_SHOWN) + "…",
    };
    if text.contains('@') && text.len() > LONGEST_TARGET {
        format!("`{shown}` is longer than an address can be, {LONGEST_TARGET} bytes")
    } else {
        format!("`{shown}` is not an address")
    }
}

/// An address in the form that every MTA accepts: its domain in Punycode.
fn with_ascii_domain(address: &str) -> String {
    let ascii = address.rsplit_once('@').filter(|(_, domain)| !domain.is_ascii()).and_then(
        |(local, domain)| Some(format!("{local}@{}", idna::domain_to_ascii(domain).ok()?)),
    );
    ascii.unwrap_or_else(|| address.to_owned())
}

/// `hanako=sender.example`: an address as part of another one, from which it can
/// be recovered.
fn in_a_local_part(sender: &str) -> String {
    let (local, domain) = sender.rsplit_once('@').unwrap_or((sender, ""));
    let text = format!("{local}={domain}");
    text.chars().filter(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::{
        LONGEST_SHOWN, LONGEST_TARGET, exact_domain, exact_entry, exact_text, in_a_local_part,
        no_target, with_ascii_domain,
    };

    #[test]
    fn an_entry_means_one_address_only() {
        assert_eq!(exact_entry("Hanako@Example.JP").as_deref(), Some("hanako@example.jp"));
        for hostile in ["*@example.jp", "a?@x.example", "@example.jp", "/.*/@x", "#a@b", "a", "a@"]
        {
            assert_eq!(exact_entry(hostile), None, "{hostile}");
        }
        assert_eq!(exact_entry(&format!("{}@example.jp", "a".repeat(310))), None);
    }

    /// A sender must not get more into a list than his own text.
    #[test]
    fn a_text_or_a_domain_is_an_entry_for_itself_only() {
        for text in ["dev.list.example", "a b", "<1@x>", &"a".repeat(LONGEST_SHOWN)] {
            assert_eq!(exact_text(text).as_deref(), Some(text));
        }
        let long = "a".repeat(LONGEST_SHOWN + 1);
        for hostile in ["a*", "a?", "/a/", "@a", "a # b", "#", "a\"b", "a\tb", "a\nb", "", &long] {
            assert_eq!(exact_text(hostile), None, "{hostile:?}");
        }
        assert_eq!(exact_domain("a.example").as_deref(), Some("@a.example"));
        for hostile in ["", ".example", "*.example", "a?.example", "a.example\"", "a#b"] {
            assert_eq!(exact_domain(hostile), None, "{hostile:?}");
        }
    }

    #[test]
    fn what_is_not_an_address_is_named_with_the_reason() {
        let local = "a".repeat(LONGEST_TARGET - 2);
        assert!(no_target(&format!("{local}@b")).ends_with("is not an address"));
        assert!(no_target(&format!("a{local}@b")).contains("is longer than an address"));
        assert!(no_target(&"a".repeat(LONGEST_TARGET + 1)).ends_with("…` is not an address"));
        assert_eq!(no_target("x"), "`x` is not an address");
    }

    #[test]
    fn a_domain_goes_out_in_punycode() {
        assert_eq!(with_ascii_domain("taro@日本語.jp"), "taro@xn--wgv71a119e.jp");
        assert_eq!(with_ascii_domain("taro@Example.jp"), "taro@Example.jp");
    }

    #[test]
    fn a_sender_fits_into_a_local_part() {
        assert_eq!(in_a_local_part("hanako+x@sender.example"), "hanako+x=sender.example");
        assert_eq!(in_a_local_part("\"a b\"@x"), "ab=x");
    }
}
