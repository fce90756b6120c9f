//! Headers as borders write them, with the sender's text in each place that a sender
//! controls; used by tests and by the fuzz target `writers`.
//!
//! The truth is always the same: a client at [`CLIENT`] sent for `bad.example`, and SPF,
//! DKIM, DMARC and iprev failed. So whatever else is believed comes from the sender.

use mfilter::classify::authentication::Verdict;
use mfilter::classify::{CLASSIFIERS, Mail, SharedResults, client};
use mfilter::message::Message;

/// The address that the border saw.
const CLIENT: &str = "203.0.113.7";
const BORDER: &str = "mx.example";

/// What a sender chose: any text, adapted to its place.
#[derive(Debug, Clone, Default)]
pub struct Chosen {
    /// The local part of the envelope sender, between quotes.
    pub local: String,
    /// The name by which the client greets.
    pub helo: String,
    /// `i=` of the signature, decoded, up to the `@`.
    pub identity: String,
    /// The display name of From.
    pub name: String,
    /// Header lines below those of the border.
    pub below: String,
}

/// Which of the sender's words are believed, and in which message, if any.
pub fn believed(chosen: &Chosen) -> Option<String> {
    let local: String = one_line(&chosen.local).replace('\\', "\\\\").replace('"', "\\\"");
    let envelope = format!("\"{local}\"@bad.example");
    messages(chosen, &envelope).into_iter().find_map(|text| {
        let wrong = judge(&Message::from_bytes(text.clone().into_bytes()), &envelope)?;
        Some(format!("{wrong} is believed:\n{text}"))
    })
}

/// The headers of each writer, above and below the border's line in the form of each
/// server.
fn messages(chosen: &Chosen, envelope: &str) -> Vec<String> {
    let helo = one_line(&chosen.helo).trim().to_owned();
    let helo = if helo.is_empty() { "pc".to_owned() } else { helo };
    let from = one_line(&chosen.name).replace(['"', '\\'], "");
    let mail = format!(
        "DKIM-Signature: v=1; a=rsa-sha256; d=bad.example; s=s; i={}@bad.example;\n\
         \th=from; bh=AAAA; b=abcdefgh\nFrom: \"{from}\" <info@bank.example>\n\nhello\n",
        quoted_printable(&chosen.identity)
    );
    let mut below: String = chosen.below.lines().map(|line| format!("{line}\n")).collect();
    // If the sender's first line would continue the border's last one, servers end the
    // header: Postfix, Exim and sendmail put an empty line above it.
    if below.starts_with([' ', '\t']) {
        below.insert(0, '\n');
    }
    let borders = received(&helo, envelope);
    let mut all = Vec::new();
    for (printed, border) in printed(chosen, &helo, envelope).iter().zip(borders.iter().cycle()) {
        all.push(format!("{printed}{border}{below}{mail}"));
        all.push(format!("{border}{printed}{below}{mail}"));
    }
    let [first, .., haraka_results] = printed(chosen, &helo, envelope);
    all.extend(borders.iter().map(|border| format!("{first}{border}{below}{mail}")));
    // Haraka does not, and lets the sender continue its Received line.
    let haraka = borders.last().map_or("", String::as_str);
    let below = below.strip_prefix('\n').unwrap_or(&below);
    all.push(format!("{haraka_results}{haraka}{below}{mail}"));
    all
}

/// The border's own line as written by Postfix, Exim (with a reverse name and without),
/// sendmail, Haraka.
fn received(helo: &str, envelope: &str) -> [String; 5] {
    let date = "Thu, 1 Jan 2026 00:00:00 +0000";
    [
        format!(
            "Received: from {helo} (unknown [{CLIENT}])\n\tby {BORDER} (Postfix) with ESMTPS id 1\n\
             \tfor <taro@example.jp>; {date}\n"
        ),
        format!(
            "Received: from [{CLIENT}] (helo={helo})\n\tby {BORDER} with esmtp (Exim 4.96)\n\
             \t(envelope-from <{envelope}>)\n\tid 1\n\tfor taro@example.jp;\n\t{date}\n"
        ),
        format!(
            "Received: from out.bad.example ([{CLIENT}] helo={helo})\n\tby {BORDER} with esmtp \
             (Exim 4.96)\n\t(envelope-from <{envelope}>)\n\tid 1\n\tfor taro@example.jp;\n\t{date}\n"
        ),
        format!(
            "Received: from {helo} (out.bad.example [{CLIENT}] (may be forged))\n\tby {BORDER} \
             (8.17.1/8.17.1) with ESMTP id 1;\n\t{date}\n"
        ),
        format!(
            "Received: from {helo} (out.bad.example [{CLIENT}])\n\tby {BORDER} (Haraka) with ESMTP \
             id 1.1\n\tenvelope-from <{envelope}>;\n\t{date}\n"
        ),
    ]
}

/// The results as written by OpenDKIM with OpenDMARC, policyd-spf in both its forms,
/// rspamd, Exim, amavis, Haraka.
fn printed(chosen: &Chosen, helo: &str, envelope: &str) -> [String; 7] {
    let identity = &chosen.identity;
    let bare = envelope.replace(['"', '\\'], "");
    let of = format!("Authentication-Results: {BORDER};");
    let dkim = "dkim=fail reason=\"signature verification failed\" (2048-bit key)";
    let whole = [
        format!(
            "{of} dmarc=fail (p=none dis=none) header.from=bank.example\n\
             {of} spf=fail smtp.mailfrom={envelope} smtp.helo={helo}\n\
             {of}\n\t{dkim} header.d=bad.example header.i={identity}@bad.example \
             header.b=\"abcdefgh\"; iprev=fail"
        ),
        format!(
            "{of} spf=fail (mailfrom) smtp.mailfrom=bad.example (client-ip={CLIENT}; helo={helo}; \
             envelope-from={bare}; receiver=<UNKNOWN>)"
        ),
        format!(
            "Received-SPF: Fail (mailfrom) identity=mailfrom; client-ip={CLIENT}; helo={helo}; \
             envelope-from={bare}; receiver=<UNKNOWN>\n{of} dmarc=fail header.from=bank.example"
        ),
        format!(
            "{of}\n\tdkim=fail header.d=bad.example header.s=s header.b=abcdefgh;\n\
             \tspf=fail ({BORDER}: domain of {envelope} does not designate {CLIENT} as permitted \
             sender) smtp.mailfrom={envelope};\n\tdmarc=fail header.from=bank.example"
        )
        .replace(';', ";\n\t"),
        format!(
            "{of}\n\tiprev=fail smtp.remote-ip={CLIENT};\n\tspf=fail smtp.mailfrom=bad.example;\n\
             \t{dkim}\n\t\t header.d=bad.example header.i={identity}@bad.example header.s=s"
        ),
        format!(
            "X-Spam-Status: No, score=2.3 required=5\n{of} (amavis); {dkim} header.d=bad.example\n\
             \theader.i=\"{identity}@bad.example\""
        ),
        format!(
            "{of} iprev=fail; spf=fail smtp.mailfrom={bare}; {dkim} \
             header.i={identity}@bad.example header.d=bad.example"
        ),
    ];
    whole.map(|text| folded(&text))
}

/// What is believed but not true.
fn judge(message: &Message, envelope: &str) -> Option<String> {
    let mail = Mail {
        message,
        envelope_sender: Some(envelope.into()),
        has_long_sender: false,
        me: None,
        trust: vec![BORDER.into()],
        relays: vec![],
        spam_score_header: None,
        people: &|| Err("nobody is known".to_owned()),
        host_name: None,
        known: SharedResults::default(),
        variable: &|_| None,
    };
    let results = mail.results();
    for (method, result) in [
        ("spf", results.spf),
        ("dkim", results.dkim),
        ("dmarc", results.dmarc),
        ("arc", results.arc),
        ("iprev", results.iprev),
    ] {
        if !matches!(result, None | Some(Verdict::Fail)) {
            return Some(format!("{method}={result:?}"));
        }
    }
    if !results.dkim_domains.is_empty() {
        return Some(format!("a signature of {:?}", results.dkim_domains));
    }
    if let Some(domain) = results.spf_domain.as_ref().filter(|domain| *domain != "bad.example") {
        return Some(format!("{domain} as SPF's"));
    }
    if let Some(ip) = client::ip(&mail).filter(|ip| ip.to_string() != CLIENT) {
        return Some(format!("{ip} as the client"));
    }
    let wrong = ["verified", "authenticated"];
    CLASSIFIERS.iter().filter(|classifier| wrong.contains(&classifier.name)).find_map(
        |classifier| {
            let why = (classifier.find)(&mail).ok().flatten()?;
            Some(format!("{}: {why}", classifier.name))
        },
    )
}

/// No server accepts a line break in the middle of a line.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// A header as a milter passes it: a line break in a value is folded.
fn folded(text: &str) -> String {
    let mut lines = String::new();
    for line in text.split(['\r', '\n']).map(|line| line.replace('\0', " ")) {
        let is_name =
            ["Authentication-Results: mx.example;", "Received-SPF: Fail", "X-Spam-Status: No"]
                .iter()
                .any(|name| line.starts_with(name));
        if !is_name && !line.starts_with([' ', '\t']) {
            lines.push('\t');
        }
        lines.push_str(&line);
        lines.push('\n');
    }
    lines
}

/// Quoted-printable as in RFC 6376 §2.11
fn quoted_printable(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"=;\"@".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("={byte:02X}") })
        .collect()
}
