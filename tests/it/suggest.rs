//! `mfilter suggest`: in a Maildir whose owner's habits are known, it finds these and no
//! others.
//!
//! 3,000 messages; the long form takes 100,000:
//!
//! ```text
//! MFILTER_LONG=1 cargo test --release --test it suggest
//! ```

use std::collections::BTreeSet;

use crate::support::dice::Dice;
use crate::support::{Home, long};

const RULES: &str = "set me [\"taro@example.jp\"]\nset trust [\"mx.example.jp\"]\n\
                     when from is \"known@old.example\" -> folder \"Known\"\n";

/// Mail of a user with habits.
struct Mailbox {
    home: Home,
    count: usize,
    planted: BTreeSet<String>,
}

impl Mailbox {
    /// Puts a message into a folder; `proven` is the domain that the border vouches for.
    fn put(&mut self, folder: &str, from: &str, proven: &str, more: &str) {
        self.put_as("S", folder, from, proven, more);
    }

    fn put_as(&mut self, flags: &str, folder: &str, from: &str, proven: &str, more: &str) {
        self.count += 1;
        let number = self.count;
        let domain = from.rsplit('@').next().expect("a domain");
        let proof = match proven {
            "" => "none".to_owned(),
            proven if proven == domain => format!("dmarc=pass header.from={domain}"),
            proven => format!("dkim=pass header.d={proven}"),
        };
        let text = format!(
            "Authentication-Results: mx.example.jp; {proof}\n\
             Received: from out (out.isp.example [192.0.2.1]) by mx.example.jp with ESMTPS id {number}; Mon, 1 Jan 2024 00:00:00 +0000\n\
             DKIM-Signature: d={proven}\nMessage-ID: <{number}@x.example>\nFrom: {from}\n{more}\nbody\n"
        );
        let directory = if folder.is_empty() {
            String::new()
        } else {
            format!(".{}/", folder.replace('/', "."))
        };
        self.home.write(
            &format!("Maildir/{directory}cur/{}.M{number}P1.mx:2,{flags}", 1_700_000_000 + number),
            text,
        );
    }

    fn plant(&mut self, condition: String, folder: &str) {
        self.planted.insert(format!("when {condition} -> folder \"{folder}\""));
    }
}

fn mailbox(size: usize) -> Mailbox {
    let mut mail = Mailbox { home: Home::with_rules(RULES), count: 0, planted: BTreeSet::new() };
    let to = "To: taro@example.jp\n";
    let mut dice = Dice(3);
    for list in 0..20 {
        let (id, folder) = (format!("users.l{list}.example"), format!("Lists/l{list}"));
        mail.plant(format!("list-id is \"{id}\""), &folder);
        for number in 0..30 {
            let lies_in = if number == 7 { "" } else { folder.as_str() };
            let more = format!("{to}List-Id: Users <{id}>\nSubject: [l{list}] hello\n");
            let from = format!("p{number}@m{}.example", dice.roll(5000));
            mail.put(lies_in, &from, &format!("l{list}.example"), &more);
            if list == 3 {
                // The original, which some readers only mark when they move a message.
                mail.put_as("ST", "", &from, &format!("l{list}.example"), &more);
            }
        }
    }
    for sender in 0..20 {
        let (from, folder) = (format!("s{sender}@s{sender}.example"), format!("People/{sender}"));
        mail.plant(format!("from is \"{from}\" and verified"), &folder);
        (0..20).for_each(|_| mail.put(&folder, &from, &format!("s{sender}.example"), to));
    }
    for firm in 0..10 {
        let (domain, folder) = (format!("firm{firm}.example"), format!("Firms/{firm}"));
        mail.plant(format!("from.domain is \"{domain}\" and verified"), &folder);
        for number in 0..60 {
            mail.put(&folder, &format!("d{}@{domain}", number % 5), &domain, to);
        }
    }
    for (kind, count) in [("Details", 5), ("Tags", 5)] {
        for number in 0..count {
            let folder = format!("{kind}/{number}");
            let (condition, more) = match kind {
                "Details" => (
                    format!("to.detail is \"d{number}\""),
                    format!("To: taro+D{number}@example.jp\n"),
                ),
                _ => (
                    format!("subject contains \"[tag{number}]\""),
                    format!("{to}Subject: Re: [Tag{number}] x\n"),
                ),
            };
            mail.plant(condition, &folder);
            for _ in 0..15 {
                let from = format!("x@u{}.example", dice.roll(100_000));
                mail.put(&folder, &from, "", &more);
            }
        }
    }
    // Not habits: forged mail, half here and half there, too few, thrown away, left in the
    // inbox, or covered by a rule already.
    for number in 0..50 {
        mail.put("Forged", "boss@bank.example", "", to);
        mail.put(if number % 2 == 0 { "A" } else { "B" }, "half@half.example", "half.example", to);
        mail.put("Trash", "junk@junk.example", "junk.example", to);
        mail.put("Known", "known@old.example", "old.example", to);
        let list = format!("{to}List-Id: <users.liar.example>\n");
        mail.put("Liar", &format!("u{number}@e{number}.example"), "", &list);
        if number < 9 {
            mail.put("Few", "few@few.example", "few.example", to);
        }
    }
    while mail.count < size {
        let domain = format!("n{}.example", dice.roll(300));
        mail.put("", &format!("a{}@{domain}", dice.roll(3)), &domain, to);
    }
    mail
}

#[test]
fn only_real_habits_are_found() {
    let mail = mailbox(if long() { 100_000 } else { 3_000 });
    let run = mail.home.run(&["suggest"], b"");
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    let rules: BTreeSet<String> = run
        .stdout
        .lines()
        .map(|line| line.split("   # ").next().unwrap_or_default().to_owned())
        .collect();
    let wrong: Vec<&String> = rules.difference(&mail.planted).collect();
    assert!(wrong.is_empty(), "not there: {wrong:#?}");
    let found = rules.len() as f64 / mail.planted.len() as f64;
    assert!(found >= 0.95, "{} of {}", rules.len(), mail.planted.len());
    let list = "when list-id is \"users.l3.example\" -> folder \"Lists/l3\"";
    let line = run.stdout.lines().find(|line| line.starts_with(list)).expect("it was planted");
    assert!(line.ends_with(": 29 of 30 are already there; would move 1 more"), "{line}");

    // The lines are rules, and once they are pasted nothing new is suggested.
    let json = mail.home.run(&["suggest", "--json", "People/3", "Firms/1"], b"");
    let lines: Vec<serde_json::Value> =
        json.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 2, "{json:?}");
    assert_eq!((&lines[0]["value"], &lines[0]["there"]), (&"s3@s3.example".into(), &20.into()));
    // Never again.
    assert_eq!(mail.home.run(&["suggest", "--never", "3"], b"").code, Some(2));
    assert_eq!(mail.home.run(&["suggest", "--never", "2"], b"").code, Some(0));
    let again = mail.home.run(&["suggest", "People/3", "Firms/1"], b"");
    assert_eq!(again.stdout.lines().count(), 1, "nor its senders: {again:?}");
    assert!(!again.stdout.contains("from.domain"), "{again:?}");
    mail.home.write(".mailrules", format!("{RULES}{}", run.stdout));
    let check = mail.home.run(&["check"], b"");
    assert_eq!(check.code, Some(0), "{check:?}");
    let after = mail.home.run(&["suggest"], b"");
    assert_eq!((after.code, after.stdout.as_str()), (Some(0), ""), "{after:?}");
}
