//! The values of a field, from the message and the world.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::net::IpAddr;
use std::rc::Rc;

use jiff::Timestamp;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use super::context::Context;
use super::run_state::FilterEnd;
use super::thread;
use crate::classify::{
    bounce, bulk, calendar, client, domain_report, link, list_address, list_name, magic,
    spam_verdict,
};
use crate::flags::Flags;
use crate::message::address::{Address, is_too_long, split_detail};
use crate::message::text::Text;
use crate::message::{BodyError, domain, path};
use crate::rules::address_list::AddressList;
use crate::rules::program::{AddressField, AddressPart, Field, Moment, Network, ResultField};
use crate::rules::template::MomentFormat;

/// All values of one field, in the order of the message.
pub(super) struct Values<'m>(Vec<FieldValue<'m>>);

/// One value.
pub(super) enum FieldValue<'m> {
    /// Text as people read it.
    Text(Cow<'m, Text>),
    /// The same, as one of the headers with the same name.
    Header(Rc<[Text]>, usize),
    /// A domain in its canonical form.
    Domain(Text),
    /// An address.
    Address(AddressValue),
    /// A number and how people write it.
    Number(f64, String),
}

/// An address in the two forms that are used for comparing.
pub(super) struct AddressValue {
    /// All addresses that were read together, and the index of this one.
    all: Rc<[Address]>,
    at: usize,
    canonical: OnceCell<String>,
    display: OnceCell<Text>,
}

impl<'m> Values<'m> {
    /// A single number.
    pub(super) fn number(number: f64) -> Values<'m> {
        Values(vec![FieldValue::Number(number, format!("{number}"))])
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, FieldValue<'m>> {
        self.0.iter()
    }

    /// For the trace: the values that there were when none matched.
    pub(super) fn shown(&self) -> String {
        const MOST: usize = 3;
        if self.0.is_empty() {
            return "empty or missing".into();
        }
        let mut shown: Vec<String> = self.iter().take(MOST).map(FieldValue::shown).collect();
        if self.0.len() > MOST {
            shown.push(format!("{} more", self.0.len() - MOST));
        }
        shown.join(", ")
    }
}

impl AddressValue {
    fn new(all: &Rc<[Address]>, at: usize) -> AddressValue {
        let (canonical, display) = (OnceCell::new(), OnceCell::new());
        AddressValue { all: Rc::clone(all), at, canonical, display }
    }

    fn address(&self) -> &Address {
        static NONE: Address = Address { name: None, local: String::new(), domain: String::new() };
        self.all.get(self.at).unwrap_or(&NONE)
    }

    fn canonical(&self) -> &str {
        self.canonical.get_or_init(|| self.address().canonical())
    }

    fn display(&self) -> &Text {
        self.display.get_or_init(|| Text::new(&self.address().display()))
    }
}

impl<'m> FieldValue<'m> {
    fn text(text: &str) -> FieldValue<'m> {
        FieldValue::Text(Cow::Owned(Text::new(text)))
    }

    /// The text of a value that is nothing but text.
    fn as_text(&self) -> Option<&Text> {
        match self {
            FieldValue::Text(text) => Some(text),
            FieldValue::Header(all, at) => all.get(*at),
            FieldValue::Domain(domain) => Some(domain),
            FieldValue::Address(_) | FieldValue::Number(..) => None,
        }
    }

    /// Folded, for `is`, `starts`, `ends`, `like`; for an address, without its
    /// display name.
    pub(super) fn exact(&self) -> &str {
        match self {
            FieldValue::Address(of) => of.canonical(),
            FieldValue::Number(_, text) => text,
            _ => self.as_text().map_or("", Text::folded),
        }
    }

    /// Folded, for `contains`; for an address, with its display name.
    pub(super) fn wide(&self) -> &str {
        match self {
            FieldValue::Address(of) => of.display().folded(),
            _ => self.exact(),
        }
    }

    /// With its case, for patterns; for an address, with its display name.
    pub(super) fn readable(&self) -> &str {
        match self {
            FieldValue::Address(of) => of.display().text(),
            FieldValue::Number(_, text) => text,
            _ => self.as_text().map_or("", Text::text),
        }
    }

    /// With ASCII letters in lower case, if that is cheap to get.
    pub(super) fn ascii_lower(&self) -> Option<Cow<'_, str>> {
        match self {
            FieldValue::Address(of) => of.display().ascii_lower(),
            FieldValue::Number(_, text) => Some(Cow::Owned(text.to_ascii_lowercase())),
            _ => self.as_text().and_then(Text::ascii_lower),
        }
    }

    /// What `{field}` inserts; for an address, without its display name.
    pub(super) fn inserted(&self) -> String {
        match self {
            FieldValue::Address(of) => of.address().address(),
            _ => self.readable().to_owned(),
        }
    }

    /// The number, or the first one in the text.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            FieldValue::Number(number, _) => Some(*number),
            _ => first_number(self.readable()),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.exact().trim().is_empty()
    }

    pub(super) fn is_in(&self, list: &AddressList) -> bool {
        match self {
            FieldValue::Address(_) => list.matches(self.exact()),
            FieldValue::Domain(_) => list.matches_domain(self.exact()),
            _ => list.matches_text(self.exact()),
        }
    }

    pub(super) fn is_in_network(&self, networks: &[Network]) -> bool {
        let Ok(address) = self.readable().parse::<IpAddr>() else { return false };
        let bits = match address {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        };
        networks.iter().any(|network| (network.first..=network.last).contains(&bits))
    }

    /// For the trace: short, and in quotes if it is text.
    pub(super) fn shown(&self) -> String {
        const LONGEST: usize = 60;
        let text = match self {
            FieldValue::Number(_, text) => return text.clone(),
            _ => self.readable(),
        };
        let (text, more) = match text.char_indices().nth(LONGEST) {
            Some((end, _)) => (&text[..end], "…"),
            None => (text, ""),
        };
        format!("\"{}{more}\"", text.replace('\n', " "))
    }
}

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
        Field::Result(which) => {
            let results = context.mail().results();
            let verdict = match which {
                ResultField::Spf => results.spf,
                ResultField::Dkim => results.dkim,
                ResultField::Dmarc => results.dmarc,
                ResultField::Arc => results.arc,
                ResultField::Iprev => results.iprev,
            };
            strings(verdict.map(|verdict| verdict.as_str()))
        }
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
        Field::Extension => strings(extension(context)),
        Field::User => strings(context.world.login()),
        Field::AttachmentName => {
            let attachments = message.attachments().map_err(unread)?;
            let mut all = borrowed(attachments.iter().flat_map(|attachment| &attachment.names));
            for (at, archive) in message.archives().map_err(unread)? {
                let name = attachments.get(*at).and_then(|attachment| attachment.names.first());
                let name = name.map_or("", Text::text);
                all.extend(
                    archive
                        .names
                        .iter()
                        .map(|member| FieldValue::text(&format!("{name}/{member}"))),
                );
            }
            all
        }
        Field::AttachmentType => {
            let mut types = Vec::new();
            for attachment in message.attachments().map_err(unread)? {
                types.extend(magic::of_attachment(message, attachment).map_err(unread)?);
            }
            strings(types)
        }
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
        Field::Age => sent_at(context)
            .map(|date| {
                let age = context.world.now().as_second() - date.as_second();
                FieldValue::Number(age as f64, duration(age))
            })
            .into_iter()
            .collect(),
        // Depends on conditions: `Conditions::field` computes it.
        Field::Score(_) => Vec::new(),
        Field::Let(value) => strings(context.state.value(*value)),
        Field::Flag(letter) => strings(flags(context).letters.contains(*letter).then_some("set")),
        Field::Keyword => strings(flags(context).keywords),
        Field::InFolder => {
            strings(context.world.stored.borrow().as_ref().map(|stored| stored.folder.clone()))
        }
        Field::FilterFailed => match &context.state.filter {
            FilterEnd::Fine => Vec::new(),
            FilterEnd::Failed => strings(["failed"]),
            FilterEnd::Unavailable(why) => {
                context.world.fail_temporarily(why);
                return Err(why.clone());
            }
            FilterEnd::NotRun => return Err("no filter was run".into()),
        },
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
            let local = |at: Timestamp| {
                let zone = zone(context);
                let shown = at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
                FieldValue::Number(local_seconds(at, &zone) as f64, shown)
            };
            moment(*which, context).map(local).into_iter().collect()
        }
        Field::Date => {
            sent_at(context).map(|at| day(at.to_zoned(zone(context)).date())).into_iter().collect()
        }
        Field::Arrived => vec![day(arrived(context).to_zoned(zone(context)).date())],
        Field::ArrivedAge => {
            let age = context.world.now().as_second() - arrived(context).as_second();
            vec![FieldValue::Number(age as f64, duration(age))]
        }
        Field::Now => vec![day(now(context).date())],
        Field::Time => vec![time(&now(context))],
        Field::Weekday => strings([weekday(now(context).weekday())]),
    }))
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

/// Seconds as people say them, rounded down to a unit.
fn duration(seconds: i64) -> String {
    let sign = if seconds < 0 { "-" } else { "" };
    let seconds = seconds.unsigned_abs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{seconds}s"),
        (0, 0, _) => format!("{sign}{minutes}m {}s", seconds % 60),
        (0, ..) => format!("{sign}{hours}h {minutes}m"),
        _ => format!("{sign}{days}d {hours}h"),
    }
}

fn count<'m>(number: usize) -> FieldValue<'m> {
    FieldValue::Number(number as f64, number.to_string())
}

/// Days since 1970-01-01.
fn day<'m>(date: Date) -> FieldValue<'m> {
    let days = Date::constant(1970, 1, 1).until(date).map_or(0, |span| span.get_days());
    FieldValue::Number(f64::from(days), date.to_string())
}

fn zone(context: &Context<'_>) -> TimeZone {
    context.world.zone(context.program.settings.timezone.as_deref())
}

/// Minutes of the day.
fn time<'m>(at: &jiff::Zoned) -> FieldValue<'m> {
    let minutes = f64::from(at.hour()) * 60.0 + f64::from(at.minute());
    FieldValue::Number(minutes, format!("{:02}:{:02}", at.hour(), at.minute()))
}

/// A moment; `None` if the message does not have it.
fn moment(which: Moment, context: &Context<'_>) -> Option<Timestamp> {
    match which {
        Moment::Sent => sent_at(context),
        Moment::Arrived => Some(arrived(context)),
        Moment::Now => Some(context.world.now()),
    }
}

/// The clock reading in a zone, as seconds since it read 1970-01-01 00:00. When
/// an hour is repeated, it stays at the hour's end the second time, so that a
/// later moment is never smaller.
fn local_seconds(at: Timestamp, zone: &TimeZone) -> i64 {
    let shown = |at: Timestamp| at.as_second() + i64::from(zone.to_offset(at).seconds());
    let now = shown(at);
    // No clock was ever put back by more than a day.
    let day = at.checked_sub(jiff::SignedDuration::from_hours(24)).unwrap_or(at);
    let before = zone.following(day).take_while(|change| change.timestamp() <= at);
    let turned = before.filter_map(|change| {
        let last = change.timestamp().checked_sub(jiff::SignedDuration::from_secs(1)).ok()?;
        Some(shown(last) + 1)
    });
    turned.fold(now, i64::max)
}

fn now(context: &Context<'_>) -> jiff::Zoned {
    context.world.now().to_zoned(zone(context))
}

/// The moment of the Date header.
fn sent_at(context: &Context<'_>) -> Option<Timestamp> {
    Timestamp::from_second(context.message.date()?.unix_seconds).ok()
}

/// When the message arrived here: now, if it is being delivered.
fn arrived(context: &Context<'_>) -> Timestamp {
    let now = context.world.now();
    let at = context.message.arrived(now.as_second());
    at.and_then(|at| Timestamp::from_second(at).ok()).unwrap_or(now)
}

/// `{date:FORMAT}`: the Date header, or now if there is none.
pub(super) fn formatted_date(context: &Context<'_>, format: &MomentFormat) -> String {
    formatted(context, sent_at(context).unwrap_or_else(|| context.world.now()), format)
}

/// `{now:FORMAT}`: the moment of delivery.
pub(super) fn formatted_now(context: &Context<'_>, format: &MomentFormat) -> String {
    formatted(context, context.world.now(), format)
}

/// A moment in the zone that the format names, otherwise in that of the rules.
fn formatted(context: &Context<'_>, at: Timestamp, how: &MomentFormat) -> String {
    let zone = how.offset.and_then(|seconds| jiff::tz::Offset::from_seconds(seconds).ok());
    let zone = zone.map_or_else(|| self::zone(context), TimeZone::fixed);
    jiff::fmt::strtime::format(&how.format, &at.to_zoned(zone)).unwrap_or_default()
}

fn weekday(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "monday",
        Weekday::Tuesday => "tuesday",
        Weekday::Wednesday => "wednesday",
        Weekday::Thursday => "thursday",
        Weekday::Friday => "friday",
        Weekday::Saturday => "saturday",
        Weekday::Sunday => "sunday",
    }
}

/// Headers that name a recipient, whoever wrote them.
const RECIPIENT_HEADERS: [&str; 10] = [
    "To",
    "Cc",
    "Bcc",
    "Resent-To",
    "Resent-Cc",
    "Resent-Bcc",
    "Apparently-To",
    "X-Envelope-To",
    "Delivered-To",
    "X-Original-To",
];

/// How many addresses of one field are used; its headers may be many.
const ADDRESS_LIMIT: usize = 5000;

/// The addresses of a field, grouped as they were read together.
fn addresses(which: &AddressField, context: &Context<'_>) -> Vec<Rc<[Address]>> {
    let addresses = |name| vec![context.message.addresses(name)];
    let path = |path: &str| -> Option<Rc<[Address]>> {
        let address = path::address(path);
        (!is_too_long(&address.local, &address.domain)).then(|| [address].into())
    };
    match which {
        AddressField::From => addresses("From"),
        AddressField::Sender => addresses("Sender"),
        AddressField::ReplyTo => addresses("Reply-To"),
        AddressField::To => addresses("To"),
        AddressField::Cc => addresses("Cc"),
        AddressField::Bcc => addresses("Bcc"),
        AddressField::Recipient => RECIPIENT_HEADERS.into_iter().flat_map(addresses).collect(),
        AddressField::EnvelopeFrom => match context.world.envelope_sender(context.message) {
            Some(sender) => path(&sender).into_iter().collect(),
            None => Vec::new(),
        },
        AddressField::EnvelopeTo => {
            let all = context.world.envelope_recipients(context.message);
            all.iter().filter_map(|to| path(to)).collect()
        }
    }
}

/// A part of each address, up to the limit for one field.
fn parts<'m>(
    read: Vec<Rc<[Address]>>,
    part: &AddressPart,
    context: &Context<'m>,
) -> Vec<FieldValue<'m>> {
    let mut all = Vec::new();
    for read in read {
        let room = ADDRESS_LIMIT - all.len();
        if read.len() > room {
            context.message.leave_out(format!(
                "only the first {ADDRESS_LIMIT} addresses of one field were looked at"
            ));
        }
        let some = (0..read.len()).take(room);
        all.extend(some.filter_map(|at| take(&read, at, part, context)));
    }
    all
}

/// A part of an address; `None` if the address does not have it.
fn take<'m>(
    all: &Rc<[Address]>,
    at: usize,
    part: &AddressPart,
    context: &Context<'m>,
) -> Option<FieldValue<'m>> {
    let address = all.get(at)?;
    let text = match part {
        AddressPart::Whole => return Some(FieldValue::Address(AddressValue::new(all, at))),
        AddressPart::Name => address.name.as_deref()?,
        AddressPart::Local => split_detail(&address.local, delimiter(context)).0,
        AddressPart::Detail => split_detail(&address.local, delimiter(context)).1?,
        AddressPart::Domain => {
            return Some(FieldValue::Domain(Text::new(&domain::canonical(&address.domain))));
        }
    };
    Some(FieldValue::text(text))
}

fn delimiter<'a>(context: &Context<'a>) -> &'a str {
    context.program.settings.delimiter.as_ref().map_or("+", |delimiter| delimiter.as_str())
}

/// What the MTA says, otherwise the detail of the envelope recipient.
fn extension(context: &Context<'_>) -> Option<String> {
    context.world.extension(delimiter(context)).or_else(|| {
        let to = context.world.envelope_recipients(context.message);
        let address = path::address(to.first()?);
        split_detail(&address.local, delimiter(context)).1.map(str::to_owned)
    })
}

/// The first number in a text, with its sign and decimals.
fn first_number(text: &str) -> Option<f64> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let digits = &text[start..];
    let mut seen_dot = false;
    let end = digits
        .char_indices()
        .find(|(_, c)| match c {
            '.' => std::mem::replace(&mut seen_dot, true),
            c => !c.is_ascii_digit(),
        })
        .map_or(digits.len(), |(at, _)| at);
    let number: f64 = digits[..end].parse().ok()?;
    let negative = text[..start].ends_with(['-', '\u{2212}']);
    Some(if negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::super::Detail;
    use super::super::testing::{rules, run_on, steps};
    use super::{ADDRESS_LIMIT, FieldValue, duration, first_number, local_seconds, time};
    use crate::world::World;

    #[test]
    fn a_duration_has_its_two_largest_units() {
        for (seconds, shown) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m 0s"),
            (3599, "59m 59s"),
            (3600, "1h 0m"),
            (86_399, "23h 59m"),
            (86_400 + 7200, "1d 2h"),
            (-1, "-1s"),
            (-90, "-1m 30s"),
        ] {
            assert_eq!(duration(seconds), shown);
        }
    }

    #[test]
    fn only_the_first_of_very_many_addresses_are_used_and_a_trace_says_so() {
        let many = |name: &str, count: usize| {
            let all: Vec<String> = (0..count).map(|at| format!("{name}{at}@x")).collect();
            format!("{name}: {}\n", all.join(",\n "))
        };
        let run = |to: usize, cc: usize, last: &str| {
            let rules = rules(&format!("when recipient is \"{last}@x\" -> discard\n"));
            let mail = format!("{}{}\n", many("To", to), many("Cc", cc));
            run_on(&rules, &mail, &World::default(), Detail::Trace)
        };
        let warnings = |to, cc, last: &str| run(to, cc, last).evaluation.trace.warnings;
        let warning =
            format!("only the first {ADDRESS_LIMIT} addresses of one field were looked at");
        let rest = ADDRESS_LIMIT - 3000;
        assert_eq!(warnings(3000, rest, "none"), Vec::<String>::new());
        assert_eq!(warnings(3000, rest + 1, "none"), [warning]);
        let found = |to, cc, last: &str| steps(&run(to, cc, last)) == ["discard"];
        assert!(found(3000, rest + 1, &format!("cc{}", rest - 1)));
        assert!(!found(3000, rest + 1, &format!("cc{rest}")));
    }

    #[test]
    fn a_time_of_day_has_hours_and_minutes() {
        let at: jiff::Zoned = "2026-12-24T16:35:09+05:30[+05:30]".parse().unwrap();
        assert!(matches!(time(&at), FieldValue::Number(995.0, shown) if shown == "16:35"));
    }

    /// In Berlin clocks go back from 03:00 to 02:00, and forward from 02:00 to 03:00.
    #[test]
    fn what_is_later_is_never_smaller() {
        let Ok(berlin) = TimeZone::get("Europe/Berlin") else { return };
        let at = |text: &str| {
            let at: Timestamp = text.parse().unwrap();
            let local = Timestamp::from_second(local_seconds(at, &berlin)).unwrap();
            local.to_string()
        };
        assert_eq!(at("2026-10-25T00:30:00Z"), "2026-10-25T02:30:00Z");
        assert_eq!(at("2026-10-25T01:00:00Z"), "2026-10-25T03:00:00Z");
        assert_eq!(at("2026-10-25T01:30:00Z"), "2026-10-25T03:00:00Z");
        assert_eq!(at("2026-10-25T02:30:00Z"), "2026-10-25T03:30:00Z");
        assert_eq!(at("2026-03-29T00:59:59Z"), "2026-03-29T01:59:59Z");
        assert_eq!(at("2026-03-29T01:00:00Z"), "2026-03-29T03:00:00Z");
        assert_eq!(at("2026-12-24T11:00:00Z"), "2026-12-24T12:00:00Z");
    }

    #[test]
    fn the_first_number_of_a_text_has_its_sign_and_decimals() {
        for (text, number) in [
            ("Yes, score=5.25 required=4", Some(5.25)),
            ("-2.5", Some(-2.5)),
            ("a 3. b", Some(3.0)),
            ("1.2.3", Some(1.2)),
            ("12", Some(12.0)),
            ("none", None),
            ("", None),
        ] {
            assert_eq!(first_number(text), number, "{text}");
        }
    }
}
