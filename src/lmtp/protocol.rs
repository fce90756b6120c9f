//! The commands of a client (RFC 2033, RFC 5321), with the parameters of SIZE (RFC
//! 1870), 8BITMIME (RFC 6152), SMTPUTF8 (RFC 6531) and DSN (RFC 3461, RFC 6533).
//!
//! Paths are read leniently: refusing an odd address would bounce mail.

use super::reply::LmtpReply;
use crate::ascii_case;
use crate::message::path;
use crate::text::hex_byte;

/// The longest command line, bytes, including its CR LF. RFC 5321 §4.5.3.1.4 asks for
/// 512, RFC 3461 for 500 more, RFC 6531 for still more.
pub const LINE_LIMIT: usize = 4096;
/// The longest path, bytes; RFC 5321 §4.5.3.1.3 asks for 256.
const PATH_LIMIT: usize = 1024;

const SYNTAX: LmtpReply = LmtpReply::new(501, "5.5.4 Syntax error in the parameters");
const BAD_PATH: LmtpReply = LmtpReply::new(501, "5.1.3 Syntax error in the address");

/// A command of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LmtpCommand {
    /// `LHLO`, with a name that is not used.
    Lhlo,
    /// `MAIL FROM`.
    Mail(MailCommand),
    /// `RCPT TO`.
    Rcpt(RcptCommand),
    /// `DATA`.
    Data,
    /// `RSET`.
    Rset,
    /// `NOOP`.
    Noop,
    /// `VRFY`.
    Vrfy,
    /// `QUIT`.
    Quit,
}

/// `MAIL FROM:<reverse-path> parameters`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MailCommand {
    /// The reverse-path in the form of RFC 5321; empty for the null sender.
    pub sender: String,
    /// How large the message will be, bytes.
    pub size: Option<u64>,
    /// Answers may be UTF-8.
    pub utf8: bool,
}

/// `RCPT TO:<forward-path> parameters`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RcptCommand {
    /// The forward-path in the form of RFC 5321.
    pub recipient: String,
    /// Its local part, unquoted.
    pub local: String,
    /// Its domain; empty if there is none.
    pub domain: String,
    /// The address that the sender wrote, RFC 3461 §4.2.
    pub original: Option<String>,
}

/// Reads a command line, without its CR LF.
///
/// # Errors
/// The answer to a line that is not a valid command.
pub fn parse(line: &[u8]) -> Result<LmtpCommand, LmtpReply> {
    // MTAs pass on what older ones have sent: refusing an odd sender would bounce mail.
    let line = &*String::from_utf8_lossy(line);
    if line.contains(|c: char| c.is_control() && c != '\t') {
        return Err(LmtpReply::new(500, "5.5.2 There is a control character in the command"));
    }
    let line = line.trim_end();
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let alone = |command| if rest.is_empty() { Ok(command) } else { Err(SYNTAX) };
    match verb.to_ascii_uppercase().as_str() {
        "LHLO" if rest.trim().is_empty() => {
            Err(LmtpReply::new(501, "5.5.4 LHLO needs a host name"))
        }
        "LHLO" => Ok(LmtpCommand::Lhlo),
        "MAIL" => mail(rest).map(LmtpCommand::Mail),
        "RCPT" => rcpt(rest).map(LmtpCommand::Rcpt),
        "DATA" => alone(LmtpCommand::Data),
        "RSET" => alone(LmtpCommand::Rset),
        "QUIT" => alone(LmtpCommand::Quit),
        "NOOP" => Ok(LmtpCommand::Noop),
        "VRFY" => Ok(LmtpCommand::Vrfy),
        "HELO" | "EHLO" => Err(LmtpReply::new(500, "5.5.1 This is LMTP: say LHLO")),
        _ => Err(LmtpReply::new(500, "5.5.1 Unknown command")),
    }
}

fn mail(rest: &str) -> Result<MailCommand, LmtpReply> {
    let (text, parameters) = path_and_parameters(rest, "FROM:")?;
    let mut mail = MailCommand { sender: path::reverse(text), ..MailCommand::default() };
    for (name, value) in parameters {
        match (name.to_ascii_uppercase().as_str(), value) {
            ("SIZE", Some(value)) => {
                let digits = value.bytes().all(|byte| byte.is_ascii_digit());
                if !digits || value.is_empty() || value.len() > 20 {
                    return Err(SYNTAX);
                }
                mail.size = Some(value.parse().unwrap_or(u64::MAX));
            }
            ("BODY", Some(value)) => {
                if !["7BIT", "8BITMIME"].iter().any(|known| value.eq_ignore_ascii_case(known)) {
                    return Err(LmtpReply::new(504, "5.5.4 Unknown BODY"));
                }
            }
            ("SMTPUTF8", None) => mail.utf8 = true,
            ("RET" | "ENVID", Some(_)) => {}
            _ => return Err(LmtpReply::new(555, "5.5.4 Unknown parameter of MAIL")),
        }
    }
    Ok(mail)
}

fn rcpt(rest: &str) -> Result<RcptCommand, LmtpReply> {
    let (text, parameters) = path_and_parameters(rest, "TO:")?;
    let address = path::address(text);
    if address.local.is_empty() {
        return Err(BAD_PATH);
    }
    let mut rcpt = RcptCommand {
        recipient: path::forward(text),
        local: address.local,
        domain: address.domain,
        original: None,
    };
    for (name, value) in parameters {
        match (name.to_ascii_uppercase().as_str(), value) {
            ("NOTIFY", Some(_)) => {}
            // One that cannot be read is not worth a bounce.
            ("ORCPT", Some(value)) => rcpt.original = original(value),
            _ => return Err(LmtpReply::new(555, "5.5.4 Unknown parameter of RCPT")),
        }
    }
    Ok(rcpt)
}

type Parameter<'a> = (&'a str, Option<&'a str>);

/// Splits `FROM:<path> NAME=VALUE …`; the path keeps its brackets.
fn path_and_parameters<'a>(
    rest: &'a str,
    word: &str,
) -> Result<(&'a str, Vec<Parameter<'a>>), LmtpReply> {
    let rest = rest.trim_start();
    let after = ascii_case::strip_prefix(rest, word).ok_or(SYNTAX)?.trim_start();
    let end = path_end(after).ok_or(BAD_PATH)?;
    let (path, parameters) = after.split_at(end);
    if path.len() > PATH_LIMIT {
        return Err(LmtpReply::new(501, "5.1.3 The address is too long"));
    }
    if !parameters.is_empty() && !parameters.starts_with(' ') {
        return Err(SYNTAX);
    }
    let parameters = parameters.split(' ').filter(|parameter| !parameter.is_empty());
    let parameters = parameters.map(|parameter| match parameter.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (parameter, None),
    });
    Ok((path, parameters.collect()))
}

/// The index after the `>` that ends a path; a `>` in a quoted part does not.
fn path_end(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('<')?;
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in inside.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => return Some(at + 2),
            '<' if !quoted => return None,
            ' ' | '\t' if !quoted => return None,
            _ => {}
        }
    }
    None
}

/// `rfc822;xtext` (RFC 3461 §4) or `utf-8;utf-8-addr-xtext` (RFC 6533 §3).
fn original(value: &str) -> Option<String> {
    let (kind, text) = value.split_once(';')?;
    let decoded = match kind.to_ascii_lowercase().as_str() {
        "rfc822" => decode_xtext(text)?,
        "utf-8" => decode_unitext(&decode_xtext(text).unwrap_or_else(|| text.to_owned()))?,
        _ => return None,
    };
    let is_address = !decoded.is_empty() && !decoded.contains(char::is_control);
    (is_address && decoded.len() <= PATH_LIMIT).then(|| path::forward(&decoded))
}

/// `+HH` is the byte of that number.
fn decode_xtext(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'+' {
            bytes.push(byte);
            continue;
        }
        bytes.push(hex_byte(rest.next()?, rest.next()?)?);
    }
    String::from_utf8(bytes).ok()
}

/// `\x{HEX}` is the character of that number.
fn decode_unitext(text: &str) -> Option<String> {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, following)) = rest.split_once("\\x{") {
        let (number, following) = following.split_once('}')?;
        decoded.push_str(before);
        decoded.push(char::from_u32(u32::from_str_radix(number, 16).ok()?)?);
        rest = following;
    }
    decoded.push_str(rest);
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(line: &str) -> u16 {
        let reply = parse(line.as_bytes()).expect_err(line);
        assert!(reply.has_status(), "{reply:?}");
        reply.code
    }

    fn rcpt_of(line: &str) -> RcptCommand {
        match parse(line.as_bytes()) {
            Ok(LmtpCommand::Rcpt(rcpt)) => rcpt,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn mail_of(line: &str) -> MailCommand {
        match parse(line.as_bytes()) {
            Ok(LmtpCommand::Mail(mail)) => mail,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn senders_and_their_parameters_are_read() {
        assert_eq!(mail_of("MAIL FROM:<>"), MailCommand::default());
        let mail = mail_of("mail from:<a@b.example> SIZE=123 BODY=8BITMIME SMTPUTF8 RET=HDRS");
        assert_eq!(mail.sender, "a@b.example");
        assert_eq!((mail.size, mail.utf8), (Some(123), true));
        for (line, wanted) in [
            ("MAIL FROM:<\"a b>\\\"\"@x.example>", "\"a b>\\\"\"@x.example"),
            ("MAIL FROM: <a..b.@x.example>", "a..b.@x.example"),
            ("MAIL FROM:<@r.example,@s.example:a@x.example>", "a@x.example"),
            ("MAIL FROM:<花@例.example>", "花@例.example"),
            ("MAIL FROM:<a@b.example> ENVID=x+3Dy", "a@b.example"),
            ("MAIL FROM:<a@b.example>  SIZE=99999999999999999999", "a@b.example"),
        ] {
            assert_eq!(mail_of(line).sender, wanted);
        }
        for (line, wanted) in [
            ("MAIL", 501),
            ("MAIL FROM:", 501),
            ("MAIL FROM:a@b.example", 501),
            ("MAIL FROM:<a b@x.example>", 501),
            ("MAIL FROM:<\"a@x.example>", 501),
            ("MAIL FROM:<a@b.example>SIZE=1", 501),
            ("MAIL FROM:<a@b.example> SIZE=x", 501),
            ("MAIL FROM:<a@b.example> SIZE=", 501),
            ("MAIL FROM:<a@b.example> SIZE", 555),
            ("MAIL FROM:<a@b.example> BODY=BINARYMIME", 504),
            ("MAIL FROM:<a@b.example> X=1", 555),
        ] {
            assert_eq!(code(line), wanted, "{line}");
        }
        assert_eq!(code(&format!("MAIL FROM:<{}@x.example>", "a".repeat(PATH_LIMIT))), 501);
    }

    #[test]
    fn recipients_are_unquoted_and_their_originals_decoded() {
        for (line, local, domain, recipient) in [
            ("RCPT TO:<taro@x.example>", "taro", "x.example", "taro@x.example"),
            ("RCPT TO:<postmaster>", "postmaster", "", "postmaster"),
            ("RCPT TO:<\"taro+a b\"@x.example>", "taro+a b", "x.example", "\"taro+a b\"@x.example"),
            ("RCPT TO:<\"ta\\ro\"@x.example>", "taro", "x.example", "taro@x.example"),
        ] {
            let rcpt = rcpt_of(line);
            assert_eq!((rcpt.local.as_str(), rcpt.domain.as_str()), (local, domain));
            assert_eq!(rcpt.recipient, recipient);
        }
        for (value, wanted) in [
            ("rfc822;info@x.example", Some("info@x.example")),
            ("rfc822;a+2Bb+3D@x.example", Some("a+b=@x.example")),
            ("utf-8;\\x{82B1}@x.example", Some("花@x.example")),
            ("utf-8;花@x.example", Some("花@x.example")),
            ("rfc822;a+2@x.example", None),
            ("rfc822;a+0Ab@x.example", None),
            ("rfc822;", None),
            ("x400;a", None),
            ("utf-8;\\x{D800}", None),
            ("utf-8;\\x{82B1", None),
        ] {
            let line = format!("RCPT TO:<a@x.example> NOTIFY=NEVER ORCPT={value}");
            assert_eq!(rcpt_of(&line).original.as_deref(), wanted, "{value}");
        }
        for line in ["RCPT TO:<>", "RCPT TO:<@x.example>", "RCPT TO:<a@x.example", "RCPT FROM:<a>"]
        {
            assert_eq!(code(line), 501, "{line}");
        }
        assert_eq!(code("RCPT TO:<a@x.example> SIZE=1"), 555);
    }

    #[test]
    fn other_commands_are_known_or_answered() {
        for (line, wanted) in [
            ("LHLO mx.example", LmtpCommand::Lhlo),
            ("data", LmtpCommand::Data),
            ("DATA ", LmtpCommand::Data),
            ("RSET", LmtpCommand::Rset),
            ("NOOP anything", LmtpCommand::Noop),
            ("VRFY taro", LmtpCommand::Vrfy),
            ("quit", LmtpCommand::Quit),
        ] {
            assert_eq!(parse(line.as_bytes()), Ok(wanted));
        }
        for (line, wanted) in [
            ("LHLO", 501),
            ("EHLO x", 500),
            ("HELO x", 500),
            ("BDAT 10 LAST", 500),
            ("DATA x", 501),
            ("", 500),
            (" ", 500),
            ("RSET\0", 500),
            ("NOOP a\rRSET", 500),
            ("NOOP a\nRSET", 500),
        ] {
            assert_eq!(code(line), wanted, "{line:?}");
        }
        // Older MTAs pass on what they were sent.
        let Ok(LmtpCommand::Mail(mail)) = parse(b"MAIL FROM:<jos\xe9@b.example>") else { panic!() };
        assert_eq!(mail.sender, "jos\u{fffd}@b.example");
    }

    proptest::proptest! {
        #[test]
        fn no_line_is_without_an_answer(line in proptest::collection::vec(0u8..=255, 0..80)) {
            if let Err(reply) = parse(&line) {
                proptest::prop_assert!(reply.has_status() && reply.code >= 500);
            }
        }
    }
}
