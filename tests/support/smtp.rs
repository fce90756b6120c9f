//! The sending side of SMTP (RFC 5321).

use std::io::{BufRead, Write};

/// Sends a message, headers and body with LF line ends, over an open connection. The
/// error is the reply that refused it.
pub fn submit(
    mut replies: impl BufRead,
    mut commands: impl Write,
    from: &str,
    to: &[&str],
    message: &str,
) -> Result<(), String> {
    let mut expect = |code: &str| {
        let mut line = String::new();
        loop {
            line.clear();
            replies.read_line(&mut line).expect("a reply");
            if !line.starts_with(code) {
                return Err(line);
            }
            if line.get(3..4) == Some(" ") {
                return Ok(());
            }
        }
    };
    let mut say = |text: &str| commands.write_all(text.as_bytes()).expect("the server reads");
    expect("220")?;
    say("EHLO client.example\r\n");
    expect("250")?;
    say(&format!("MAIL FROM:<{from}>\r\n"));
    expect("250")?;
    for to in to {
        say(&format!("RCPT TO:<{to}>\r\n"));
        expect("250")?;
    }
    say("DATA\r\n");
    expect("354")?;
    for line in message.lines() {
        let dot = if line.starts_with('.') { "." } else { "" };
        say(&format!("{dot}{line}\r\n"));
    }
    say(".\r\n");
    expect("250")?;
    say("QUIT\r\n");
    expect("221")
}
