//! The mail that reports a mistake in the rules to their user: one for each broken
//! version, to the inbox, once the current message is stored.

use jiff::fmt::rfc2822::DateTimePrinter;

use crate::language::Language;
use crate::load::{Notice, NoticeKind};
use crate::message::Message;
use crate::message::encoded_word::encode;
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::state::{StateDir, notices};
use crate::translation::translated;
use crate::world::World;

use super::context::DeliveryContext;
use super::{Store, deliver};

/// Delivers the notice, unless the user has had one about this version; returns whether
/// it was delivered. If it fails, the next message tries again.
pub fn send(notice: &Notice, store: Store<'_>, state: Option<&StateDir>, world: &World) -> bool {
    let Some(claim) = state.and_then(|state| notices::claim(state, &notice.path, &notice.version))
    else {
        return false;
    };
    let message = Message::from_bytes(compose(notice, world).into_bytes());
    let is_delivered = store_in_inbox(&message, store, state) == Outcome::Delivered;
    if is_delivered {
        claim.confirm();
    }
    is_delivered
}

/// What the log says about a message that no rule has seen.
pub const UNFILTERED: &str =
    "the message is in the inbox without rules, because it made earlier deliveries crash";

/// Delivers a notice that the message just delivered went through no rules. It contains
/// nothing of that message: reading the message is what failed.
pub fn send_unfiltered(store: Store<'_>, state: Option<&StateDir>, world: &World) {
    let body = "A message in your inbox, which came just before this one, has not gone through \
                your rules:\n\
                at each earlier attempt the program ended while it processed that message, \
                so this time the rules were skipped.\n\
                No message is lost. Please tell your provider, or the developers of mfilter.\n";
    let message = mail("A message was not filtered", body, "", world);
    let message = Message::from_bytes(message.into_bytes());
    let _ = store_in_inbox(&message, store, state);
}

fn store_in_inbox(message: &Message, store: Store<'_>, state: Option<&StateDir>) -> Outcome {
    let context = DeliveryContext { state: state.cloned(), ..DeliveryContext::nothing() };
    // A plan without an end ends in the inbox.
    deliver(&Plan::default(), &[message], store, &context).outcome
}

/// The address that a notice is from and to.
fn user_address(world: &World, host: &str) -> String {
    let user = world.login().unwrap_or_else(|| "user".into());
    encode(&if user.contains('@') { user } else { format!("{user}@{host}") })
}

fn compose(notice: &Notice, world: &World) -> String {
    let path = world.user.with_tilde(&notice.path.display().to_string());
    match notice.kind {
        NoticeKind::Filters => compose_for_script(notice, &path, world),
        NoticeKind::Missing | NoticeKind::Mistake => compose_for_rules(notice, &path, world),
    }
}

/// The notice about a script, by the words of web mailers.
fn compose_for_script(notice: &Notice, script: &str, world: &World) -> String {
    let (subject, meanwhile) = match notice.last_valid {
        true => (
            "Your filters are not in use; still using those saved before",
            "Until you change this and save your filters again, the filters that you \
             saved before stay in use.",
        ),
        false => (
            "Your filters are not in use",
            "Until you change this and save your filters again, none of your filters \
             are in use.",
        ),
    };
    let body = format!(
        "{}\n{meanwhile}\nNo message is lost.\n\n\
         They are in {script}. To see this again: mfilter check --sieve {script}\n",
        notice.text
    );
    mail(subject, &body, "", world)
}

/// The notice about a file of rules.
fn compose_for_rules(notice: &Notice, rules: &str, world: &World) -> String {
    let (subject, meanwhile) = match (notice.kind, notice.last_valid) {
        (NoticeKind::Missing, true) => (
            "Your mail rules are missing; still using the last valid version",
            "Until they are back, the last version without a mistake stays in use.",
        ),
        (NoticeKind::Missing, false) => (
            "Your mail rules are missing; all mail goes to the inbox",
            "Until they are back, all mail goes to the inbox.",
        ),
        (_, true) => (
            "Your mail rules have a mistake; still using the last valid version",
            "Until they are corrected, the last version without a mistake stays in use.",
        ),
        (_, false) => (
            "Your mail rules have a mistake; all mail goes to the inbox",
            "Until they are corrected, all mail goes to the inbox.",
        ),
    };
    let mut body = format!("The rules in {rules} cannot be used as they are now.\n{meanwhile}\n");
    if notice.kind == NoticeKind::Missing {
        body.push_str("If you want no rules any more, leave an empty file there.\n");
    }
    let check = format!("No message is lost. To see this again: mfilter check {rules}\n\n");
    body.push_str(&check);
    mail(subject, &body, &notice.text, world)
}

/// A mail to the user in the user's language. Each line of the body is translated as a
/// whole; `appendix`, which follows the body, is in that language already.
fn mail(subject: &str, body: &str, appendix: &str, world: &World) -> String {
    let language = Language::of_locale();
    let subject = encode(&translated(subject, language));
    let body: String =
        body.lines().map(|line| format!("{}\n", translated(line, language))).collect();
    let host = world.host_name().unwrap_or_else(|| "localhost".into());
    let address = user_address(world, &host);
    let now = world.now();
    let date = DateTimePrinter::new().timestamp_to_string(&now).unwrap_or_default();
    format!(
        "From: mfilter <{address}>\n\
         To: <{address}>\n\
         Subject: {subject}\n\
         Date: {date}\n\
         Message-ID: <{}.{}@{host}>\n\
         Auto-Submitted: auto-generated\n\
         MIME-Version: 1.0\n\
         Content-Type: text/plain; charset=UTF-8\n\
         Content-Transfer-Encoding: 8bit\n\
         \n\
         {body}{appendix}",
        now.as_nanosecond(),
        std::process::id(),
    )
}
