//! The envelope (RFC 5321 §2.3.1), as the MTA passes it by options, in its own
//! header fields, or in the environment.

use super::World;
use crate::message::address::{is_too_long, parse_list, split_detail};
use crate::message::head::from_line_sender;
use crate::message::{Message, path};

impl World {
    /// The envelope sender (RFC 5321 reverse-path), quoted if necessary: `-f`,
    /// otherwise `RPLINE` of qmail and Courier, otherwise a Return-Path above the
    /// first Received line, otherwise `SENDER`, otherwise the `From ` line.
    /// `SENDER` comes late because Postfix replaces characters in it, and qmail
    /// does not quote it. `Some("")` is the null sender, `None` is unknown.
    pub fn envelope_sender(&self, message: &Message) -> Option<String> {
        self.sender_option(message)
            .or_else(|| known(&self.trace_line("RPLINE")?))
            .or_else(|| known(&top_header(message, "Return-Path")?))
            .or_else(|| known(&self.variable("SENDER")?))
            .or_else(|| known(from_line_sender(message.from_line()?)?))
    }

    /// Whether the MTA gives an envelope sender that is too long to be used.
    pub fn has_long_sender(&self, message: &Message) -> bool {
        let from_line = message.from_line().and_then(from_line_sender);
        let is_long = |sender: &str| {
            let address = path::address(sender);
            is_too_long(&address.local, &address.domain)
        };
        self.sender.as_deref().is_some_and(is_long)
            || from_line.is_some_and(is_long)
            || [
                self.trace_line("RPLINE"),
                top_header(message, "Return-Path"),
                self.variable("SENDER"),
            ]
            .iter()
            .flatten()
            .any(|sender| is_long(sender))
    }

    /// The sender that `-f` gives; `None` for `-`, which many `.forward` files
    /// have for procmail: the sender stays as it is.
    fn sender_option(&self, message: &Message) -> Option<String> {
        let option = self.sender.as_ref().filter(|sender| *sender != "-")?;
        // fetchmail and mpop write `_` for characters that might upset a shell.
        let whole = known(option)
            .and_then(|masked| Some((masked, known(&top_header(message, "Return-Path")?)?)));
        match whole {
            Some((masked, path)) if is_mask(&masked, &path) => Some(path),
            _ => known(option),
        }
    }

    /// The envelope recipients (RFC 5321 forward-path), quoted if necessary:
    /// `-d`, otherwise `DTLINE` of qmail and Courier, otherwise a Delivered-To or
    /// Envelope-To above the first Received line, otherwise `RECIPIENT`; and the
    /// alias.
    pub fn envelope_recipients(&self, message: &Message) -> Vec<String> {
        let alias = self.alias.iter().map(|to| path::forward(to));
        self.own_recipients(message).into_iter().chain(alias).collect()
    }

    /// The same without the alias, which must not be taken for the user's own address.
    pub fn own_recipients(&self, message: &Message) -> Vec<String> {
        if !self.recipients.is_empty() {
            return self.recipients.iter().map(|to| path::forward(to)).collect();
        }
        let one = self.trace_line("DTLINE").or_else(|| top_header(message, "Delivered-To"));
        if one.is_none()
            && let Some(all) = top_header(message, "Envelope-To")
        {
            // Exim names all recipients of one delivery.
            let all = parse_list(all.as_bytes());
            return all.iter().map(|to| path::forward(&to.address())).collect();
        }
        let one = one.or_else(|| self.variable("RECIPIENT"));
        one.map(|to| path::forward(&to)).into_iter().collect()
    }

    /// The address extension: `-a`, otherwise what the MTA's environment says
    /// (Postfix and sendmail, qmail, Exim), otherwise the detail of the envelope
    /// recipient; `None` if there is none.
    pub fn extension(&self, message: &Message, delimiter: &str) -> Option<String> {
        if let Some(extension) = &self.extension {
            return (!extension.is_empty()).then(|| extension.clone());
        }
        let value =
            ["EXTENSION", "EXT", "LOCAL_PART_SUFFIX"].iter().find_map(|name| self.variable(name));
        if let Some(value) = value {
            return Some(value.trim_start_matches(|c| delimiter.contains(c)).to_owned());
        }
        let to = self.envelope_recipients(message);
        let address = path::address(to.first()?);
        split_detail(&address.local, delimiter).1.map(str::to_owned)
    }

    /// qmail and Courier put the trace header fields into the environment instead
    /// of before the message: a whole line, `Return-Path: <a@b>`.
    fn trace_line(&self, variable: &str) -> Option<String> {
        let line = self.variable(variable)?;
        line.split_once(':').map(|(_, value)| value.trim().to_owned())
    }
}

/// A sender in the form of RFC 5321; `None` for getmail's `unknown`, and for text
/// that is longer than an address can be, which no program accepts as an
/// argument.
fn known(sender: &str) -> Option<String> {
    let address = path::address(sender);
    let is_known = !address.local.eq_ignore_ascii_case("unknown") || !address.domain.is_empty();
    let fits = !is_too_long(&address.local, &address.domain);
    (is_known && fits).then(|| path::reverse(sender))
}

/// Whether an address is the other one with some characters replaced by `_`.
fn is_mask(masked: &str, whole: &str) -> bool {
    let unquoted = whole.replace(['"', '\\'], "");
    [whole, &unquoted].iter().any(|whole| {
        masked.chars().count() == whole.chars().count()
            && masked.chars().zip(whole.chars()).all(|(m, w)| m == w || m == '_')
    })
}

/// A trace header counts as the MTA's own only above the first Received line:
/// those below came from outside.
fn top_header(message: &Message, name: &str) -> Option<String> {
    message
        .head()
        .headers()
        .take_while(|header| !header.name.eq_ignore_ascii_case("Received"))
        .find(|header| header.name.eq_ignore_ascii_case(name))
        .map(|header| String::from_utf8_lossy(header.value).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(variables: &[(&str, &str)]) -> World {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        World { variables: variables.iter().map(pair).collect(), ..World::default() }
    }

    fn message(text: &str) -> Message {
        Message::from_bytes(text.as_bytes().to_vec())
    }

    #[test]
    fn qmail_passes_the_null_sender_in_a_whole_line() {
        let world = world(&[("RPLINE", "Return-Path: <>\n"), ("SENDER", "x@y.example")]);
        assert_eq!(world.envelope_sender(&message("Subject: x\n\n")).unwrap(), "");
    }

    #[test]
    fn qmail_passes_the_envelope_in_whole_lines() {
        let world = world(&[
            ("RPLINE", "Return-Path: <\"a b\"@sender.example>\n"),
            ("DTLINE", "Delivered-To: taro-shop@example.jp\n"),
            ("SENDER", "a b@sender.example"),
            ("RECIPIENT", "other@example.jp"),
        ]);
        let mail = message("Return-Path: <forged@x>\nDelivered-To: forged@x\nSubject: x\n\n");
        assert_eq!(world.envelope_sender(&mail).unwrap(), "\"a b\"@sender.example");
        assert_eq!(world.envelope_recipients(&mail), ["taro-shop@example.jp"]);
    }

    #[test]
    fn a_sender_of_the_environment_is_one_address() {
        let mail = message("Received: by x\nReturn-Path: <forged@x>\nSubject: x\n\n");
        for (text, expected) in [
            ("x,boss@corp.example,@evil.example", "\"x,boss@corp.example,\"@evil.example"),
            ("a b; rm@evil.example", "\"a b; rm\"@evil.example"),
            ("MAILER-DAEMON", ""),
            ("", ""),
        ] {
            let world = world(&[("SENDER", text)]);
            assert_eq!(world.envelope_sender(&mail).unwrap(), expected);
        }
        assert_eq!(world(&[]).envelope_sender(&mail), None);
    }

    #[test]
    fn an_empty_option_hides_nothing() {
        let mail = "From a@from.example Thu Jan  1 00:00:00 1970\nReturn-Path: <o'brien@b.example>\nReceived: by x\n\n";
        for (option, text, expected) in [
            ("-", mail, "o'brien@b.example"),
            ("unknown", mail, "o'brien@b.example"),
            ("<unknown>", "From a@from.example Thu\nSubject: x\n\n", "a@from.example"),
            ("o_brien@b.example", mail, "o'brien@b.example"),
            ("o_br_en@b.example", mail, "o'brien@b.example"),
            (
                "o_brien@b.example",
                "Received: by x\nReturn-Path: <o'brien@b.example>\n\n",
                "o_brien@b.example",
            ),
            ("a_b_@b.example", "Return-Path: <\"a b,\"@b.example>\n\n", "\"a b,\"@b.example"),
            ("other@b.example", mail, "other@b.example"),
            ("o'brien@c.example", mail, "o'brien@c.example"),
            ("", mail, ""),
        ] {
            let world = World { sender: Some(option.into()), ..World::default() };
            assert_eq!(
                world.envelope_sender(&message(text)).as_deref(),
                Some(expected),
                "{option}"
            );
        }
        let unknown = "From unknown Thu\nReturn-Path: <unknown>\nSubject: x\n\n";
        assert_eq!(world(&[]).envelope_sender(&message(unknown)), None);
        let below = "Return-Path: unknown\nSubject: x\n\n";
        let sender = world(&[("SENDER", "a@b.example")]).envelope_sender(&message(below));
        assert_eq!(sender.as_deref(), Some("a@b.example"));
    }

    #[test]
    fn a_sender_that_is_too_long_is_noticed() {
        let long = format!("{}@x.example", "a".repeat(320));
        let mail = message("Received: by x\nSubject: x\n\n");
        let option = World { sender: Some(long.clone()), ..World::default() };
        let line = format!("Return-Path: <{long}>");
        for world in [option, world(&[("SENDER", &long)]), world(&[("RPLINE", &line)])] {
            assert_eq!((world.envelope_sender(&mail), world.has_long_sender(&mail)), (None, true));
        }
        for text in [format!("{line}\nReceived: by x\n\n"), format!("From {long} Thu\nA: b\n\n")] {
            assert!(world(&[]).has_long_sender(&message(&text)));
        }
        assert!(!world(&[("SENDER", "a@b.example")]).has_long_sender(&mail));
    }

    #[test]
    fn a_null_sender_may_be_a_word_in_every_place() {
        let world = world(&[]);
        for text in [
            "Return-Path: <MAILER-DAEMON>\nReceived: by x\n\n",
            "Return-Path: MAILER-DAEMON\n\n",
            "From MAILER-DAEMON Thu Jan  1 00:00:00 1970\nSubject: x\n\n",
            "From <> Thu Jan  1 00:00:00 1970\nSubject: x\n\n",
        ] {
            assert_eq!(world.envelope_sender(&message(text)).unwrap(), "", "{text}");
        }
    }

    #[test]
    fn an_alias_is_a_recipient_and_not_the_users_own() {
        let mail = message("Subject: x\n\n");
        let recipients = vec!["taro@a.example".to_owned()];
        let alias = Some("ceo@a.example".to_owned());
        let world = World { recipients, alias, ..World::default() };
        assert_eq!(world.envelope_recipients(&mail), ["taro@a.example", "ceo@a.example"]);
        assert_eq!(world.own_recipients(&mail), ["taro@a.example"]);
    }

    #[test]
    fn exim_may_name_several_recipients() {
        let mail = message("Envelope-to: a@x.example, \"b c\"@x.example\nReceived: by x\n\n");
        let expected = ["a@x.example", "\"b c\"@x.example"];
        assert_eq!(world(&[]).envelope_recipients(&mail), expected);
    }
}
