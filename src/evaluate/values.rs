//! The values of a field, from the message and the world.

use std::borrow::Cow;
use std::rc::Rc;

use jiff::Timestamp;

use super::addresses::{addresses, delimiter, parts};
use super::context::Context;
use super::field_value::{FieldValue, Values};
use super::moment::{
    arrived, day, duration, local_seconds, moment, now, sent_at, time, weekday, zone,
};
use super::run_state::FilterEnd;
use super::thread;
use crate::classify::{
    bounce, bulk, calendar, client, domain_report, link, list_address, list_name, magic,
    spam_verdict,
};
use crate::flags::Flags;
use crate::message::text::Text;
use crate::message::{BodyError, Message, domain};
use crate::rules::program::{Field, ResultField};

/// Looks a field up. The error says why its values cannot be determined.
pub(super) fn values<'m>(field: &Field, context: &Context<'m>) -> Result<Values<'m>, String> {
    let message = context.message;
    let unread = |error: BodyError| error.to_string();
    Ok(Values(match field {
        Field::Address(which, part) => parts(addresses(which, context), part, context),
        Field::AddressesIn(name, part) => parts(vec![message.addresses(name)], part, context),
        Field::Headers => owned(message.header_lines()),
        Field::RawHeaders => owned(message.raw_header_lines()),
        Field::Header(name) => {
            let texts = message.texts(name);
            (0..texts.len()).map(|at| FieldValue::Header(Rc::clone(&texts), at)).collect()
        }
        Field::Body => borrowed(message.body_texts().map_err(unread)?),
        Field::HiddenText => owned(message.hidden_texts().map_err(unread)?),
        Field::ListId => strings(list_address::list_id(message)),
        Field::ListName => strings(list_name::list_name(context.mail())),
        Field::Thread => strings(thread::hashes(context.message)),
        Field::InMyThread => strings(thread::own_reference(context)?),
        Field::Result(which) => strings(result(*which, context)),
        Field::DkimDomain => domains(&context.mail().results().dkim_domains),
        Field::SpfDomain => domains(&context.mail().results().spf_domain),
        Field::BounceStatus => strings(bounce::statuses(context.mail())?),
        Field::BounceRecipient => strings(bounce::recipients(context.mail())?),
        Field::BounceReason => strings(bounce::reasons(context.mail())?),
        Field::BounceAction => strings(bounce::actions(context.mail())?),
        Field::CalendarMethod => strings(calendar::methods(context.mail())?),
        Field::Report => strings(domain_report::kind(context.mail())?),
        Field::UnsubscribeHost => domains(bulk::unsubscribe_hosts(message)),
        Field::SpamScore => spam_verdict::score(context.mail())
            .map(|score| FieldValue::Number(score.value, score.value.to_string()))
            .into_iter()
            .collect(),
        Field::Link => strings(link::links(context.mail())?.iter().map(|link| &link.url)),
        Field::LinkHost => {
            domains(link::links(context.mail())?.iter().filter_map(|link| link.host.as_ref()))
        }
        Field::ClientIp => strings(client::ip(context.mail()).map(|ip| ip.to_string())),
        Field::ClientHost => domains(client::host(context.mail())),
        Field::ClientHelo => domains(client::helo(context.mail())),
        Field::Charset => strings(message.charsets().map_err(unread)?),
        Field::Env(name) => strings(context.world.variable(name)),
        Field::Extension => strings(context.world.extension(context.message, delimiter(context))),
        Field::User => strings(context.world.login()),
        Field::AttachmentName => attachment_names(message).map_err(unread)?,
        Field::AttachmentType => strings(attachment_types(message).map_err(unread)?),
        Field::AttachmentSize => {
            message.attachment_sizes().map_err(unread)?.iter().map(|size| bytes(*size)).collect()
        }
        Field::AttachmentSha256 => {
            strings(message.attachment_hashes().map_err(unread)?.iter().flatten())
        }
        Field::Size => vec![bytes(message.size().map_err(unread)?)],
        Field::Attachments => vec![count(message.attachments().map_err(unread)?.len())],
        Field::Recipients => {
            vec![count(["To", "Cc", "Bcc"].iter().map(|n| message.addresses(n).len()).sum())]
        }
        Field::Age => sent_at(context).map(|date| age(date, context)).into_iter().collect(),
        // Depends on conditions: `Conditions::field` computes it.
        Field::Score(_) => Vec::new(),
        Field::Let(value) => strings(context.state.value(*value)),
        Field::Flag(letter) => strings(flags(context).letters.contains(*letter).then_some("set")),
        Field::Keyword => strings(flags(context).keywords),
        Field::InFolder => {
            strings(context.world.stored.borrow().as_ref().map(|stored| stored.folder.clone()))
        }
        Field::FilterFailed => strings(filter_failed(context)?.then_some("failed")),
        Field::DateTime => {
            sent_at(context).map(|at| time(&at.to_zoned(zone(context)))).into_iter().collect()
        }
        Field::DateWeekday => {
            strings(sent_at(context).map(|at| weekday(at.to_zoned(zone(context)).weekday())))
        }
        Field::Instant(which) => {
            let number = |at: Timestamp| FieldValue::Number(at.as_second() as f64, at.to_string());
            moment(*which, context).map(number).into_iter().collect()
        }
        Field::LocalInstant(which) => {
            moment(*which, context).map(|at| local_instant(at, context)).into_iter().collect()
        }
        Field::Date => {
            sent_at(context).map(|at| day(at.to_zoned(zone(context)).date())).into_iter().collect()
        }
        Field::Arrived => vec![day(arrived(context).to_zoned(zone(context)).date())],
        Field::ArrivedAge => vec![age(arrived(context), context)],
        Field::Now => vec![day(now(context).date())],
        Field::Time => vec![time(&now(context))],
        Field::Weekday => strings([weekday(now(context).weekday())]),
    }))
}

/// What a trusted border found out by a method of authentication.
fn result(which: ResultField, context: &Context<'_>) -> Option<&'static str> {
    let results = context.mail().results();
    let verdict = match which {
        ResultField::Spf => results.spf,
        ResultField::Dkim => results.dkim,
        ResultField::Dmarc => results.dmarc,
        ResultField::Arc => results.arc,
        ResultField::Iprev => results.iprev,
    };
    verdict.map(|verdict| verdict.as_str())
}

/// The names of attachments, and of the members of archives: `archive.zip/member`.
fn attachment_names(message: &Message) -> Result<Vec<FieldValue<'_>>, BodyError> {
    let attachments = message.attachments()?;
    let mut names = borrowed(attachments.iter().flat_map(|attachment| &attachment.names));
    for (at, archive) in message.archives()? {
        let name = attachments.get(*at).and_then(|attachment| attachment.names.first());
        let name = name.map_or("", Text::text);
        let member = |member| FieldValue::text(&format!("{name}/{member}"));
        names.extend(archive.names.iter().map(member));
    }
    Ok(names)
}

fn attachment_types(message: &Message) -> Result<Vec<String>, BodyError> {
    let mut types = Vec::new();
    for attachment in message.attachments()? {
        types.extend(magic::of_attachment(message, attachment)?);
    }
    Ok(types)
}

/// Whether the last `filter` failed.
fn filter_failed(context: &Context<'_>) -> Result<bool, String> {
    match &context.state.filter {
        FilterEnd::Fine => Ok(false),
        FilterEnd::Failed => Ok(true),
        FilterEnd::Unavailable(why) => {
            context.world.fail_temporarily(why);
            Err(why.clone())
        }
        FilterEnd::NotRun => Err("no filter was run".into()),
    }
}

/// The time since a moment.
fn age<'m>(moment: Timestamp, context: &Context<'_>) -> FieldValue<'m> {
    let seconds = context.world.now().as_second() - moment.as_second();
    FieldValue::Number(seconds as f64, duration(seconds))
}

/// A moment as a clock in the rules' time zone shows it.
fn local_instant<'m>(moment: Timestamp, context: &Context<'_>) -> FieldValue<'m> {
    let zone = zone(context);
    let shown = moment.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
    FieldValue::Number(local_seconds(moment, &zone) as f64, shown)
}

/// The flags that have been set so far, together with those that a message in a
/// folder already has.
fn flags(context: &Context<'_>) -> Flags {
    match context.world.stored.borrow().as_ref() {
        Some(stored) => context.state.flags.and(&stored.flags),
        None => context.state.flags.clone(),
    }
}

fn borrowed<'m>(texts: impl IntoIterator<Item = &'m Text>) -> Vec<FieldValue<'m>> {
    texts.into_iter().map(|text| FieldValue::Text(Cow::Borrowed(text))).collect()
}

fn owned<'m>(texts: Vec<Text>) -> Vec<FieldValue<'m>> {
    texts.into_iter().map(|text| FieldValue::Text(Cow::Owned(text))).collect()
}

fn strings<'m>(all: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<FieldValue<'m>> {
    all.into_iter().map(|text| FieldValue::text(text.as_ref())).collect()
}

fn domains<'m>(all: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<FieldValue<'m>> {
    let canonical = |name: &str| FieldValue::Domain(Text::new(&domain::canonical(name)));
    all.into_iter().map(|name| canonical(name.as_ref())).collect()
}

fn bytes<'m>(size: u64) -> FieldValue<'m> {
    let shown = if size == 1 { "1 byte".to_owned() } else { format!("{size} bytes") };
    FieldValue::Number(size as f64, shown)
}

fn count<'m>(number: usize) -> FieldValue<'m> {
    FieldValue::Number(number as f64, number.to_string())
}
