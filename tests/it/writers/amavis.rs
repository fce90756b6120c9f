//! amavis as a content filter behind Postfix: mail comes to it by SMTP, and goes
//! on by SMTP to where Postfix takes it back.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::daemon;
use crate::support::daemon::Daemon;
use crate::support::{Home, smtp};

/// It refuses to be root; nobody, that is.
const USER: u32 = 65534;

/// Where amavis delivers.
pub struct Sink {
    port: u16,
    messages: Mutex<Receiver<String>>,
}

impl Sink {
    pub fn new() -> Sink {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                session(&stream, &sender);
            }
        });
        Sink { port, messages: Mutex::new(receiver) }
    }
}

/// One connection, RFC 5321, to its end.
fn session(mut stream: &TcpStream, messages: &Sender<String>) -> Option<()> {
    let mut lines = BufReader::new(stream).lines();
    let mut say = |text: &str| stream.write_all(format!("{text}\r\n").as_bytes()).ok();
    say("220 postfix")?;
    while let Some(Ok(line)) = lines.next() {
        match line.to_ascii_uppercase().split_whitespace().next()? {
            "QUIT" => return say("221 bye"),
            "EHLO" => say("250-postfix\r\n250 8BITMIME")?,
            "DATA" => {
                say("354 go on")?;
                let mut message = String::new();
                while let Some(Ok(line)) = lines.next().filter(|line| !is_end(line)) {
                    message += &format!("{}\r\n", line.strip_prefix('.').unwrap_or(&line));
                }
                messages.send(message).ok()?;
                say("250 2.0.0 Ok: queued as 5B2")?;
            }
            _ => say("250 ok")?,
        }
    }
    None
}

fn is_end(line: &std::io::Result<String>) -> bool {
    line.as_ref().is_ok_and(|line| line == ".")
}

pub fn start(home: &Home, program: &str, sink: &Sink) -> Daemon {
    let directory = home.path().join("amavis");
    std::fs::create_dir(&directory).expect("made");
    chown(&directory, Some(USER), Some(USER)).expect("root may");
    std::fs::set_permissions(home.path(), PermissionsExt::from_mode(0o755)).expect("it is ours");
    let (directory, to) = (directory.display(), sink.port);
    daemon(home, program, |port| {
        format!(
            r#"use strict;
$MYHOME = '{directory}'; $TEMPBASE = $MYHOME; $db_home = $MYHOME; $QUARANTINEDIR = undef;
$pid_file = "$MYHOME/pid"; $lock_file = "$MYHOME/lock"; $enable_db = 0; $enable_zmq = 0;
$daemon_user = 'nobody'; $daemon_group = 'nogroup'; $max_servers = 1; $max_requests = 1000;
$myhostname = 'mx.example.jp'; $mydomain = 'example.jp'; @local_domains_maps = (['.example.jp']);
$inet_socket_bind = '127.0.0.1'; $inet_socket_port = {port}; @inet_acl = qw(127.0.0.1);
$forward_method = 'smtp:[127.0.0.1]:{to}'; $notify_method = $forward_method;
$enable_dkim_verification = 1; @bypass_virus_checks_maps = (1); $sa_local_tests_only = 1;
$sa_tag_level_deflt = -999; $sa_tag2_level_deflt = 60; $sa_kill_level_deflt = 999;
$final_spam_destiny = D_PASS; $final_bad_header_destiny = D_PASS; $final_banned_destiny = D_PASS;
$log_level = 0; $do_syslog = 0; $logfile = "$MYHOME/log";
1;
"#
        )
    })
}

/// What amavis makes of a message, below the line of the Postfix that takes it back.
pub fn pass(port: u16, sink: &Sink, envelope: &str, message: &str) -> String {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("amavis listens");
    let replies = BufReader::new(&stream);
    smtp::submit(replies, &stream, envelope, &["taro@example.jp"], message).expect("it is taken");
    let messages = sink.messages.lock().expect("one at a time");
    let made = messages.recv_timeout(Duration::from_secs(60)).expect("it goes on");
    format!(
        "Received: from localhost (localhost [127.0.0.1])\r\n\tby mx.example.jp (Postfix) with ESMTP \
         id 5B2\r\n\tfor <taro@example.jp>; Fri, 27 Nov 2026 10:00:01 +0900 (JST)\r\n{made}"
    )
}
