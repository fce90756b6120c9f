//! How many messages a second go through a real Postfix into Maildirs, by `mfilter lmtp`
//! and by Dovecot's LMTP server with a compiled Sieve script, in turn, and what processor
//! time each takes for a message. Not a test: it prints a table.
//!
//! `cargo build --profile dist`, then `MFILTER_PROGRAM=target/…/dist/mfilter cargo test
//! --test root -- --ignored --nocapture messages_a_second`.

#![allow(clippy::print_stderr, reason = "what cannot be measured says so")]
#![allow(clippy::print_stdout, reason = "it prints a table")]

use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

use super::POSTFIX_SETUP;
use super::jail::Jail;
use super::lmtp::{DOVECOT, SIEVE, bind, start_mfilter};
use crate::support::{skipped, wait_for};

const USERS: usize = 8;
/// For each user in each round.
const MESSAGES: usize = 250;
const ROUNDS: usize = 3;
const RULES: usize = 10;

/// The domain of each server, and its processes' names.
const SERVERS: [(&str, &[&str]); 2] = [
    ("mfilter.example", &["mfilter"]),
    ("dovecot.example", &["dovecot", "lmtp", "anvil", "log", "config", "stats", "auth"]),
];

const MAIN: &str = "mydestination =
virtual_mailbox_domains = mfilter.example, dovecot.example
virtual_mailbox_maps = static:x
transport_maps = inline:{ { mfilter.example = lmtp:unix:/run/mfilter/lmtp }, { dovecot.example = lmtp:unix:/run/dovecot/lmtp } }
";

const MASTER: &str = "lmtp unix - - n - - lmtp
scache unix - - n - 1 scache
";

const DOVECOT_CONF: &str = "protocols = lmtp
log_path = /var/log/dovecot.log
ssl = no
listen = 127.0.0.1
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:~/Maildir
userdb {
  driver = static
  args = uid=vmail gid=vmail home=/var/vmail/%d/%n allow_all_users=yes
}
passdb {
  driver = static
  args = nopassword=y
}
protocol lmtp {
  mail_plugins = $mail_plugins sieve
}
plugin {
  sieve = file:~/sieve;active=~/.dovecot.sieve
}
";

/// What one round came to.
#[derive(Debug, Clone, Copy)]
struct Round {
    /// Messages a second.
    rate: f64,
    /// Processor time a message, µs.
    micros: f64,
}

#[test]
#[ignore = "it measures, and takes a minute"]
fn messages_a_second_through_a_real_postfix() {
    let test = "the measurement of `mfilter lmtp` behind a real Postfix";
    let postfix = ["/usr/lib/postfix/sbin/master", "/usr/sbin/smtp-source"];
    if skipped(test, &[DOVECOT, &[SIEVE], &postfix].concat(), true) {
        return;
    }
    let Some(jail) = Jail::new(test, None) else { return };
    let mut server = set_up(&jail);
    for (domain, _) in SERVERS {
        // Scripts and rules are compiled once, and kept.
        send(&jail, domain, 2);
    }
    let mut rounds = SERVERS.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for ((domain, processes), rounds) in SERVERS.iter().zip(&mut rounds) {
            let before = processor_time(&jail, processes);
            let began = Instant::now();
            send(&jail, domain, MESSAGES);
            let seconds = began.elapsed().as_secs_f64();
            let spent = processor_time(&jail, processes) - before;
            let count = (USERS * MESSAGES) as f64;
            rounds.push(Round { rate: count / seconds, micros: spent * 1e6 / count });
        }
    }
    for (domain, _) in SERVERS {
        let mail: usize = (0..USERS)
            .map(|user| jail.mail(&format!("/var/vmail/{domain}/u{user}/Maildir")).len())
            .sum();
        assert_eq!(mail, USERS * (2 + ROUNDS * MESSAGES), "{domain}");
    }
    drop(jail);
    // It ends with the jail.
    let _ = server.wait();
    println!("| LMTP server | messages a second | its processor time a message, µs |");
    println!("|---|--:|--:|");
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    for ((domain, _), rounds) in SERVERS.iter().zip(&rounds) {
        let rate = median(rounds.iter().map(|round| round.rate).collect());
        let micros = median(rounds.iter().map(|round| round.micros).collect());
        println!("| {domain} | {rate:.0} | {micros:.0} |");
    }
}

/// Gives the process of mfilter.
fn set_up(jail: &Jail) -> Child {
    jail.write("/guide/main", MAIN);
    jail.write("/guide/master", MASTER);
    jail.write("/etc/dovecot/dovecot.conf", DOVECOT_CONF);
    jail.write(
        "/etc/mfilter/lmtp.conf",
        "users = template:/var/vmail/{domain}/{user}\nstate = /var/lib/mfilter\n",
    );
    let sieve: String = (0..RULES)
        .map(|rule| {
            format!("if header :contains \"subject\" \"needle{rule}x\" {{ fileinto \"F{rule}\"; stop; }}\n")
        })
        .collect();
    let rules: String = (0..RULES)
        .map(|rule| format!("when subject contains \"needle{rule}x\" -> folder \"F{rule}\"\n"))
        .collect();
    for user in 0..USERS {
        let home = format!("/var/vmail/dovecot.example/u{user}");
        jail.write(&format!("{home}/.dovecot.sieve"), &format!("require \"fileinto\";\n{sieve}"));
        jail.write(&format!("/var/vmail/mfilter.example/u{user}/.mailrules"), &rules);
    }
    jail.shell(
        "set -e
        for script in /var/vmail/dovecot.example/*/.dovecot.sieve; do sievec $script; done
        chown -R vmail: /var/vmail
        install -d -m 700 -o vmail -g vmail /var/lib/mfilter
        dovecot > /dev/null 2>&1 < /dev/null",
    );
    let server = start_mfilter(jail, &bind(jail, "postfix"));
    jail.shell(&format!("set -e\n{POSTFIX_SETUP}"));
    jail.shell("/usr/lib/postfix/sbin/master -w > /dev/null 2>&1 < /dev/null");
    wait_for("Postfix", || jail.listens().then_some(()));
    wait_for("Dovecot", || jail.path("/run/dovecot/lmtp").exists().then_some(()));
    server
}

/// Sends each user so many messages on a connection of its own, and waits until Postfix
/// has handed over all.
fn send(jail: &Jail, domain: &str, messages: usize) {
    let script = format!(
        "for user in $(seq 0 {}); do smtp-source -d -s 1 -m {messages} -l 2000 \
         -f sender@far.example -t u$user@{domain} 127.0.0.1:25 & done; wait",
        USERS - 1
    );
    jail.shell(&script);
    wait_for("an empty queue", || {
        let queues = ["maildrop", "incoming", "active"];
        let is_empty = |queue: &&str| {
            let path = jail.path(&format!("/var/spool/postfix/{queue}"));
            fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
        };
        let empty = queues.iter().all(is_empty);
        if !empty {
            std::thread::sleep(Duration::from_millis(20));
        }
        empty.then_some(())
    });
    assert_eq!(jail.shell("find /var/spool/postfix/deferred -type f | wc -l").trim(), "0");
}

/// Of all processes of these names, and of those that they have waited for, seconds.
fn processor_time(jail: &Jail, names: &[&str]) -> f64 {
    let mut ticks = 0.0;
    for entry in fs::read_dir(jail.path("/proc")).expect("mounted").flatten() {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let Some((front, behind)) = stat.rsplit_once(')') else { continue };
        let name = front.split_once('(').map_or("", |(_, name)| name);
        if names.contains(&name) {
            let times = behind.split_whitespace().skip(11).take(4);
            ticks += times.filter_map(|time| time.parse::<f64>().ok()).sum::<f64>();
        }
    }
    ticks / 100.0
}
