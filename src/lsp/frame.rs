//! The form of messages on standard input: a header with the length, then JSON.

use std::io::{self, BufRead, Read};

use lsp_server::Message;

/// The longest message, bytes: four times the longest rules. Longer ones are skipped.
const LONGEST: u64 = 64 << 20;
/// The longest line of a header, bytes.
const LONGEST_LINE: u64 = 4096;

/// What comes from an editor.
#[derive(Debug)]
pub(super) enum ClientMessage {
    /// A message.
    Message(Message),
    /// Something that is not a message, and why. The next one may be fine.
    Broken(String),
}

/// The next message; none at the end.
///
/// # Errors
/// The input cannot be read.
pub(super) fn read(input: &mut dyn BufRead) -> io::Result<Option<ClientMessage>> {
    let mut length = None;
    loop {
        let mut line = Vec::new();
        (&mut *input).take(LONGEST_LINE).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&line);
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().ok();
            }
            None if line.trim_end().is_empty() => break,
            Some(_) => {}
            None => {
                return Ok(Some(ClientMessage::Broken("this is not a message header".into())));
            }
        }
    }
    let Some(length) = length else {
        return Ok(Some(ClientMessage::Broken("a message has no Content-Length".into())));
    };
    let mut body = (&mut *input).take(length);
    if length > LONGEST {
        io::copy(&mut body, &mut io::sink())?;
        let most = LONGEST >> 20;
        return Ok(Some(ClientMessage::Broken(format!("a message is longer than {most} MiB"))));
    }
    let mut bytes = Vec::new();
    body.read_to_end(&mut bytes)?;
    Ok(Some(match serde_json::from_slice(&bytes) {
        Ok(message) => ClientMessage::Message(message),
        Err(error) => ClientMessage::Broken(format!("a message is not JSON-RPC: {error}")),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(input: &[u8]) -> Vec<String> {
        let mut input = input;
        let mut found = Vec::new();
        while let Some(frame) = read(&mut input).expect("a slice can be read") {
            found.push(match frame {
                ClientMessage::Message(Message::Notification(it)) => it.method,
                ClientMessage::Message(other) => format!("{other:?}"),
                ClientMessage::Broken(why) => why,
            });
        }
        found
    }

    #[test]
    fn what_is_not_a_message_costs_no_other() {
        let good = "Content-Length: 15\r\n\r\n{\"method\":\"a\"} ";
        let input = [
            "no header\r\n",
            good,
            "X: y\r\n\r\n",
            "content-length:3\nContent-Type: x\n\n{,}",
            "Content-Length: 99999999999999999999\r\n\r\n",
            good,
            "Content-Length: 40\r\n\r\n{\"method\":",
        ];
        let found = all(input.concat().as_bytes());
        assert_eq!(found.len(), 7, "{found:?}");
        for (at, begins) in [
            (0, "this is not a message header"),
            (1, "a"),
            (2, "a message has no Content-Length"),
            (3, "a message is not JSON-RPC"),
            (4, "a message has no Content-Length"),
            (5, "a"),
            (6, "a message is not JSON-RPC"),
        ] {
            assert!(found[at].starts_with(begins), "{found:?}");
        }
        assert_eq!(all(&[b'x'; 100_000]).len(), 25);
        assert_eq!(all(b"Content-Length: 999999999999\r\n\r\n{}").len(), 1);
    }
}
