//! Authentication results. What a border wrote may be any bytes; and whatever follows a
//! true result, none becomes better by it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mfilter::classify::authentication::{self, Verdict};
use mfilter::classify::{CLASSIFIERS, SharedResults, Mail};
use mfilter::message::Message;

const TRUE: &[u8] = b"Authentication-Results: mx.example; spf=fail smtp.mailfrom=a@bad.example;\n\
\tdkim=fail header.d=bad.example; dmarc=fail header.from=bad.example; iprev=fail\n\
Received: from host.bad.example (host.bad.example [203.0.113.7])\n\
\tby mx.example (Postfix) with ESMTP id 1; Thu, 1 Jan 2026 00:00:00 +0000\n";
const FROM: &[u8] = b"From: a@bad.example\n\nhello\n";

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else { return };
    let bytes = match kind % 3 {
        0 => [b"Authentication-Results: ", data, b"\n", FROM].concat(),
        1 => {
            [b"Received-SPF: ", data, b"\nARC-Authentication-Results: ", data, b"\n", FROM].concat()
        }
        _ => [TRUE, data, b"\n", FROM].concat(),
    };
    let message = Message::from_bytes(bytes);
    let mail = Mail {
        message: &message,
        envelope_sender: Some("a@bad.example".into()),
        has_long_sender: false,
        me: None,
        trust: vec!["mx.example".into()],
        relays: vec![],
        spam_score_header: None,
        people: &|| Err("nobody is known".to_owned()),
        host_name: None,
        known: SharedResults::default(),
        variable: &|_| None,
    };
    let results = authentication::of(&mail);
    if kind % 3 == 2 {
        // What the border says about From, and all after it, is unknown if From is odd.
        let head = message.head();
        let is_plain =
            head.values("from").map(<[u8]>::trim_ascii).eq([b"a@bad.example".as_slice()])
                && ["dkim-signature", "arc-seal", "arc-message-signature"]
                    .iter()
                    .all(|name| head.first(name).is_none());
        for found in [results.spf, results.dkim, results.dmarc, results.iprev] {
            assert!(found == Some(Verdict::Fail) || found.is_none() && !is_plain, "{found:?}");
        }
        assert!(results.dkim_domains.is_empty());
    }
    for classifier in CLASSIFIERS {
        let _ = (classifier.find)(&mail);
    }
});
