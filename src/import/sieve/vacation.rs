//! `vacation`, RFC 5230 and 6131: an answer with all that belongs to it.

use super::act::{SieveAct, plain_address};
use super::arguments::Arguments;
use super::context::Lowering;
use super::script::duration;
use super::variables::Expansion;
use crate::import::ir::{AutomaticReply, Effect, literal};
use crate::message::Message;
use crate::rules::actions::is_mailbox;

/// Our shortest and longest answer interval, in seconds.
const INTERVALS: std::ops::RangeInclusive<u64> = 3600..=52 * 7 * 86_400;
/// The interval where none is named, seconds.
const INTERVAL: u64 = 7 * 86_400;

impl Lowering<'_> {
    pub(super) fn vacation(
        &mut self,
        arguments: &Arguments<'_>,
        acts: &mut Vec<SieveAct>,
    ) -> Result<(), String> {
        arguments.unknown(&[
            "days",
            "seconds",
            "subject",
            "from",
            "addresses",
            "mime",
            "handle",
            "fcc",
            "create",
            "flags",
            "specialuse",
            "mailboxid",
        ])?;
        if arguments.has("fcc") {
            return Err("a copy of the answer (`:fcc`) cannot be kept".into());
        }
        let reason = self.expand(arguments.string(0)?)?;
        let text = if arguments.has("mime") {
            let written = reason.constant().ok_or(
                "an answer with headers of its own (`:mime`) holds a value of the message",
            )?;
            let (text, is_whole) = text_of(written)?;
            if !is_whole {
                self.approximately("the answer is sent as plain text");
            }
            literal(&text)
        } else {
            self.template(&reason, "")
        };
        let subject = arguments.text("subject").map(|text| self.on_one_line(text)).transpose()?;
        let from = match arguments.text("from") {
            Some(from) => {
                let expansion = self.expand(from)?;
                if let Some(from) = expansion.constant().filter(|from| !is_mailbox(from.trim())) {
                    return Err(format!("an answer cannot be from `{from}`"));
                }
                Some(self.template(&expansion, "").trim().to_owned())
            }
            None => None,
        };
        let mine = self.constants(arguments.tagged("addresses").unwrap_or_default())?;
        let seconds = match (arguments.number("seconds"), arguments.number("days")) {
            (Some(seconds), _) => seconds,
            (None, Some(days)) => days.saturating_mul(86_400),
            (None, None) => INTERVAL,
        };
        // A server may have limits of its own, RFC 5230 §4.1.
        let every = seconds.clamp(*INTERVALS.start(), *INTERVALS.end());
        if every != seconds {
            self.remark(format!("a sender is answered once in {}", duration(every)));
        }
        let handle = match arguments.text("handle") {
            Some(handle) => {
                let handle = self.constants(&[handle.to_owned()])?.remove(0);
                Some(handle).filter(|handle| !handle.trim().is_empty())
            }
            None => None,
        };
        self.draft.note(
            "who gets an answer is decided as mailrules(5) says under AUTOMATIC ANSWERS: fewer \
             people than with Sieve's vacation",
        );
        acts.push(SieveAct::Other(Effect::Answer(Box::new(AutomaticReply {
            text,
            subject,
            from,
            mine: mine.iter().map(|address| plain_address(address).to_owned()).collect(),
            every: duration(every),
            handle,
        }))));
        Ok(())
    }

    /// A string as a template without line breaks.
    fn on_one_line(&mut self, text: &str) -> Result<String, String> {
        let expansion: Expansion = self.expand(text)?;
        let text = self.template(&expansion, "");
        Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

/// The text of an answer that has headers of its own, and whether it is all there is
/// to see.
fn text_of(written: &str) -> Result<(String, bool), String> {
    let message = Message::from_bytes(written.as_bytes().to_vec());
    let media = message.texts("Content-Type");
    let media = media.first().map(|media| media.folded().to_owned()).unwrap_or_default();
    let encoding = message.texts("Content-Transfer-Encoding");
    let encoding = encoding.first().map(|how| how.folded().trim().to_owned()).unwrap_or_default();
    let is_plain = media.is_empty() || media.starts_with("text/plain");
    if is_plain && !matches!(encoding.as_str(), "base64" | "quoted-printable") {
        let line_ends = written.replace("\r\n", "\n");
        return match line_ends.split_once("\n\n") {
            Some((_, body)) => Ok((body.to_owned(), true)),
            None => Err("an answer without a text (`:mime`)".into()),
        };
    }
    let all = message.body_texts().map_err(|_| "an answer that cannot be read (`:mime`)")?;
    let Some(first) = all.first() else { return Err("an answer without a text (`:mime`)".into()) };
    Ok((first.text().to_owned(), is_plain))
}
