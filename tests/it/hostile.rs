//! Mail that is made to do harm: each message is stored completely within 5 seconds of
//! processor time and 96 MB of memory, while rules use everything that can be tested.
//!
//! Without `MFILTER_LONG` the messages are smaller. The long form is for a
//! release build:
//!
//! ```text
//! MFILTER_LONG=1 cargo test --release --test it hostile -- --nocapture
//! ```

#![allow(clippy::print_stderr, reason = "what it took is printed")]

use std::time::Duration;

use crate::support::measured::{MeasuredRun, deliver};
use crate::support::{Home, long};

/// How much processor time a message may cost.
const MOST_TIME: Duration = Duration::from_secs(5);
/// The same without optimization, as a multiple of what an ordinary large body costs on
/// this machine. Patterns then cost most, about forty times as much.
const MOST_TIMES: u32 = 60;
/// How much memory a message may cost, KB.
const MOST_MEMORY: u64 = 96 << 10;

/// The large message that does the least harm.
const ORDINARY: &str = "a body of 25 MB";

const RULES: &str = r#"
set me ["taro@test.example"]
set trust ["mx.test.example"]
list friends ["a@b.example", "*@c.example", "/^x+y$/"]
define looks = from in friends or recipient in friends or from.name contains "bank"
when duplicate -> log "duplicate"
when body contains "needle" and body matches /(a|b)+ne{2}dle\s*$/ -> log "body"
when attachment.name ends ".exe" or attachment.type is "application/x-msdownload" -> log "attachment"
when attachment.size > 1G or attachment.sha256 is "00" -> log "hash"
when link.host is "bad.example" or link contains "%%" -> log "link"
when header "X-Long" contains "needle" or subject matches /needle/ or charset is "x-none" -> log "header"
when header "X-States" matches /[a-z0-9]{1,1000}!/ -> log "states"
when header "X-States" matches /(([a-z0-9]{1,40}){1,100})!/ -> log "states"
when recipient matches /\w+@\w+\.nowhere/ -> log "nowhere"
when looks or age > 100d or recipients > 100 or attachments > 100 -> log "looks"
when addressed-to-me -> log "1"
when authenticated -> log "2"
when automatic -> log "3"
when backscatter -> log "4"
when bounce or bounce.status like "5.*" or bounce.recipient is "x@y.example" -> log "5"
when bulk -> log "6"
when encrypted -> log "7"
when signed or password-protected or has hidden-text -> log "8"
when calendar -> log "9"
when daemon -> log "10"
when forged-self -> log "11"
when mailing-list -> log "12"
when from-daemon -> log "13"
when from-mailer -> log "14"
when s25r -> log "15"
when spam -> log "16"
when virus -> log "17"
when verified -> log "18"
when virus-warning -> log "19"
when dkim is fail and spf is fail and dmarc is fail -> log "20"
when from resembles "Example Bank <info@bank.example>" -> log "21"
when from is "x@y.example" or from.name is "x" or from.domain is "y.example" or from.local is "x" -> log "22"
when to is "x@y.example" or to.domain is "y.example" or reply-to is "x@y.example" or cc is "x@y.example" -> log "23"
when recipient.name contains "needle" or recipient.detail is "x" or recipient.domain is "y.example" -> log "24"
when header "A" is "x" or header "A" matches /x+y/ or list-id contains "needle" -> log "25"
when subject contains "needle" or subject resembles "viagra" or subject in friends -> log "26"
when body resembles "viagra" or body matches /\w{20,60}!/ or body matches /[あ-こ][^さ]{13}x!/ -> log "27"
when attachment.name resembles "invoice.exe" or attachment.name matches /\w{20,60}!/ -> log "28"
otherwise -> folder "{list-name}/{subject}" as seen
"#;

/// A size for this run: all of it in the long form.
fn size(whole: usize) -> usize {
    if long() { whole } else { whole / 20 }
}

const HEAD: &str = "From: Aa <a@b.example>\nTo: taro@test.example\nSubject: x\n\
                    MIME-Version: 1.0\n";

fn with(header: &str, body: &str) -> Vec<u8> {
    format!("{HEAD}{header}\n\n{body}").into_bytes()
}

fn many(count: usize, one: impl Fn(usize) -> String) -> String {
    (0..count).map(one).collect()
}

/// Messages, each with what the trace must say about it; `times` as large as usual.
fn messages(times: usize) -> Vec<(&'static str, Vec<u8>, Option<&'static str>)> {
    let size = |whole| size(whole) * times;
    let mixed = |n: usize| format!("Content-Type: multipart/mixed; boundary=b{n}");
    let mut all = Vec::new();
    let mut add = |name, message, expected| all.push((name, message, expected));

    let rfc822 = "Content-Type: message/rfc822\n\n";
    add(
        "message/rfc822 in itself, 100,000 times",
        with("Content-Type: message/rfc822", &rfc822.repeat(size(100_000))),
        Some("nested more than 50 deep"),
    );
    let nested = many(size(20_000), |n| format!("--b{n}\n{}\n\n", mixed(n + 1)));
    add("20,000 multiparts nested", with(&mixed(0), &nested), Some("nested more than 50 deep"));
    let children = many(size(10_000).max(2_000), |n| format!("--b0\n{}\n\nx\n", mixed(n + 1)));
    add("10,000 children with unused boundaries", with(&mixed(0), &children), Some("1000 parts"));
    let parts = "--b0\nContent-Type: application/octet-stream; name=a.exe\n\nx\n";
    add("200,000 attachments", with(&mixed(0), &parts.repeat(size(200_000))), Some("1000 parts"));
    let dashes = "--b0x\n--b\n--\n".repeat(size(1_000_000));
    add("3,000,000 lines like boundaries", with(&mixed(0), &dashes), None);
    let parameters = many(size(500_000), |n| format!(";\n name*{n}*=a%20"));
    let header = format!("Content-Type: text/plain{parameters}");
    add("500,000 parameters", with(&header, "needle"), None);
    let header =
        format!("Content-Disposition: attachment; {}", "filename=\"a\";".repeat(size(500_000)));
    add("500,000 names for one attachment", with(&header, "needle"), None);
    let headers = many(size(1_000_000), |n| format!("X-{n}: a\n"));
    add("1,000,000 headers", with(headers.trim_end(), "needle"), None);
    let received = "Received: from a (b [192.0.2.1]) by c.example with ESMTP; Mon, 1 Jan 2024 00:00:00 +0000\n";
    add("100,000 Received", with(received.repeat(size(100_000)).trim_end(), "needle"), None);
    let results = "Authentication-Results: mx.test.example; dkim=pass (((( header.d=b.example\n";
    add("100,000 results", with(results.repeat(size(100_000)).trim_end(), "needle"), None);
    let result = "; dkim=pass (a) reason=\"x\" header.d=b.example".repeat(size(200_000));
    add(
        "one result of 200,000 methods",
        with(&format!("Authentication-Results: mx.test.example{result}"), "x"),
        None,
    );
    let value = "abcdefgh01".repeat(400);
    let headers = many(size(5_000), |_| format!("X-States: !{value}\n"));
    add("5,000 headers for a pattern of many states", with(headers.trim_end(), "needle"), None);
    let to = many(size(200_000), |n| format!("u{n}@nowhere.example,\n "));
    add("200,000 recipients for a pattern", with(&format!("To: {to}x@.nowhere"), "needle"), None);
    let line = format!("X-Long: {}", "needl ".repeat(size(10 << 20) / 6));
    add("a header line of 10 MB", with(&line, "needle"), None);
    let folded = format!("X-Long: {}", "a\n ".repeat(size(10 << 20) / 3));
    add("a header of 3,500,000 lines", with(&folded, "needle"), None);
    let subject = "=?utf-8?B?44GC?= =?iso-2022-jp?Q?=1b$B?= ".repeat(size(100_000));
    let subject = format!("Subject: {subject}\nFrom: {subject} <a@b.example>");
    add("200,000 encoded words", with(&subject, "needle"), None);
    let to = many(size(100_000), |n| format!("\"N, {n}\" <u{n}@h{n}.example>,\n "));
    add("100,000 recipients", with(&format!("To: {to}x@y.example"), "needle"), None);
    let groups = format!("To: {}", "g: a@b.example,".repeat(size(200_000)));
    add("200,000 groups that do not end", with(&groups, "needle"), None);
    let html = format!("{}needle{}", "<div>".repeat(size(200_000)), "</div>".repeat(100));
    add("HTML 200,000 tags deep", with("Content-Type: text/html", &html), None);
    let links = many(size(200_000), |n| format!("<a href='http://a@h{n}.example/%25%25'>&#x6e;"));
    add("200,000 links", with("Content-Type: text/html", &links), None);
    let entities = "&amp;amp;&#1114112;&#x".repeat(size(500_000));
    add("500,000 entities", with("Content-Type: text/html", &entities), None);
    let tag = format!("<a {}", "a='\"<!--".repeat(size(1_000_000)));
    add("an HTML tag that does not end", with("Content-Type: text/html", &tag), None);
    let address =
        format!("To: {}a@b.example{}", "(".repeat(size(200_000)), ")".repeat(size(100_000)));
    add("200,000 parentheses in an address", with(&address, "needle"), None);
    let address = format!("To: {}", "<\"\\\"@[".repeat(size(200_000)));
    add("200,000 quotes in an address", with(&address, "needle"), None);
    let mut nuls = with("X-A: b", "");
    nuls.extend(vec![0; size(20 << 20)]);
    add("20 MB of NULs", nuls, None);
    add("20 MB of NULs and nothing else", vec![0; size(20 << 20)], None);
    let base64 = "=A=Bé*".repeat(size(3_000_000));
    add("broken base64", with("Content-Transfer-Encoding: base64", &base64), None);
    let quoted = "=\n=G=0=".repeat(size(3_000_000));
    add(
        "broken quoted-printable",
        with("Content-Transfer-Encoding: quoted-printable", &quoted),
        None,
    );
    let uue = format!("begin 644 a.exe\n{}", "M'XL(\n".repeat(size(2_000_000)));
    add("uuencoded without an end", with("Content-Transfer-Encoding: x-uuencode", &uue), None);
    let escapes = "\x1b$B\x1b(B\x1b$".repeat(size(1_000_000));
    add(
        "ISO-2022-JP of escapes",
        with("Content-Type: text/plain; charset=iso-2022-jp", &escapes),
        None,
    );
    let utf7 = "+AG4-+A+/".repeat(size(1_000_000));
    add("UTF-7 that changes ever", with("Content-Type: text/plain; charset=utf-7", &utf7), None);
    add(ORDINARY, with("X-A: b", &"ab needl ".repeat(size(25 << 20) / 9)), None);
    add("one line of 25 MB of letters", with("X-A: b", &"a".repeat(size(25 << 20))), None);
    let status = "Final-Recipient: rfc822; x@y.example\nStatus: 5.1.1\n\n".repeat(size(200_000));
    let report = format!("--b0\nContent-Type: message/delivery-status\n\n{status}\n--b0--\n");
    add(
        "a report on 200,000 recipients",
        with("Content-Type: multipart/report; report-type=delivery-status; boundary=b0", &report),
        None,
    );
    let base64 = |bytes: &[u8]| data_encoding::BASE64.encode(bytes);
    for (name, start, unit) in [
        ("a ZIP file of headers", b"PK".as_slice(), b"PK\x03\x04".as_slice()),
        ("a RAR file of blocks", b"Rar!\x1a\x07\0", b"\0\0\x74\0\0\x07\0\0"),
        ("a RAR file of numbers", b"Rar!\x1a\x07\x01\0", b"\0\0\0\0\x02\x01\0"),
        ("winmail.dat of attributes", b"\x78\x9f\x3e\x22\0\0", b"\x02\x10\x80\x01\0\0\0\0\0\0\0"),
    ] {
        let bytes = [start, &unit.repeat(size(8 << 20) / unit.len())].concat();
        let header = "Content-Type: a/b; name=x\nContent-Transfer-Encoding: base64";
        add(name, with(header, &base64(&bytes)), None);
    }
    let hidden = "<b style='display:none'>x".repeat(size(8 << 20) / 25);
    add("HTML of hidden elements", with("Content-Type: text/html", &hidden), None);
    let rules = many(size(5_000), |n| format!(".c{n},#i{n}{{display:none}}@media{{"));
    let classes = format!("<b class='{}' id=i1>x", "c1 c2 c3 c4 ".repeat(20));
    let sheet = format!("<style>{rules}</style>{}", classes.repeat(size(8 << 20) / classes.len()));
    add("HTML of a style sheet and many classes", with("Content-Type: text/html", &sheet), None);
    let bytes = [b"7z\xbc\xaf\x27\x1c\0\x04".as_slice(), &b"\xff\x01\x0e".repeat(size(2 << 20))];
    let header = "Content-Type: a/b; name=x.7z\nContent-Transfer-Encoding: base64";
    add("a 7z file of nothing but numbers", with(header, &base64(&bytes.concat())), None);
    let references = format!("References: {}", "<a@b.example> ".repeat(size(500_000)));
    add("500,000 references", with(&references, "needle"), None);
    let list = format!("List-Id: {}<a.b.example>", "(x) \"".repeat(size(500_000)));
    add("a list's name that does not end", with(&list, "needle"), None);
    add_costly(&size, &mut add);
    all
}

/// Content that costs many times its bytes: fields and addresses of a few bytes, and
/// characters that become others.
fn add_costly(
    size: &dyn Fn(usize) -> usize,
    add: &mut dyn FnMut(&'static str, Vec<u8>, Option<&'static str>),
) {
    let fields = |field: &str, whole: usize| field.repeat(size(whole) / field.len());
    let plain = |fields: String| (fields + "\nneedle").into_bytes();
    let lines = Some("lines of the header were looked at");
    let addresses = Some("addresses in From were looked at");
    add("10 MB of fields of 3 bytes", plain(fields("A:\n", 10 << 20)), lines);
    add("30 MB of fields of 3 bytes", plain(fields("A:\n", 30 << 20)), lines);
    add("30 MB of fields of 5 bytes", plain(fields("A: b\n", 30 << 20)), lines);
    add("10 MB of fields of one address", plain(fields("From:a@b\n", 10 << 20)), addresses);
    let header = |name: &str, value: &str, whole: usize| {
        with(&format!("{name}: {}", value.repeat(size(whole) / value.len())), "needle")
    };
    let to = Some("addresses in To were looked at");
    add("2 MB of addresses of 3 bytes", header("To", "a@b,", 2 << 20), to);
    // A line of 30 MB exceeds what is read of a header.
    let is_whole = times_cut(size(1 << 20));
    let beyond =
        |expected| if is_whole { Some("the header was cut at 16 MB") } else { Some(expected) };
    let cut = beyond("addresses in To were looked at");
    add("30 MB of addresses without commas", header("To", "a@b ", 30 << 20), cut);
    let all: String = ["From", "Reply-To", "To", "Cc", "Bcc", "Resent-To", "Delivered-To"]
        .iter()
        .map(|name| format!("{name}: {}\n", "\u{fdfa} <a@b>,".repeat(size(4 << 20) / 11)))
        .collect();
    add("names that grow, in all fields of addresses", plain(all), addresses);
    let local = format!("To: {}@b.example, <{0}>", "a".repeat(size(15 << 20)));
    add("addresses of 15 MB", with(&local, "needle"), None);
    let name = format!("From: {}<a@b.example>", "x ".repeat(size(15 << 20)));
    add("a name of 30 MB", with(&name, "needle"), beyond("addresses in From"));
    let subject = Some("256 KB of Subject were looked at");
    for (name, value) in [
        ("a subject of 10 MB that becomes 110 MB", "\u{fdfa}"),
        ("a subject of 10 MB of folding", "\u{390}"),
        ("a subject of 10 MB of combining marks", "a\u{301}\u{327}\u{315}"),
        ("a subject of 10 MB of marks alone", "\u{315}\u{301}"),
        ("a subject of 10 MB of words that grow", "=?utf-8?B?77e6?= "),
    ] {
        let text = value.repeat(size(10 << 20) / value.len());
        add(name, plain(format!("Subject: {text}\n")), subject);
    }
    let text = "Content-Type: text/plain; charset=utf-8";
    let body = (times_cut(size(1 << 20))).then_some("text of the body was cut");
    for (name, value) in [
        ("a body of 10 MB that becomes 110 MB", "\u{fdfa}"),
        ("a body of 10 MB of folding", "\u{390}"),
        ("a body of 10 MB of combining marks", "a\u{301}\u{327}\u{315}"),
        ("a body of 10 MB of marks alone", "\u{315}\u{301}"),
        ("a body of 10 MB of signs that may be letters", "!1|"),
    ] {
        let value = value.repeat(size(10 << 20) / value.len());
        let cut = body.filter(|_| !value.is_ascii());
        add(name, with(text, &value), cut);
    }
    let mut letter = 1_u32;
    let kana: String = std::iter::repeat_with(|| {
        letter = letter.wrapping_mul(1_103_515_245).wrapping_add(12345);
        char::from_u32(0x3041 + (letter >> 16) % 85).unwrap_or('あ')
    })
    .take(size(10 << 20) / 3)
    .collect();
    add("a body of 10 MB of kana", with(text, &(kana + "!")), body);
    let latin = [HEAD, "Content-Type: text/plain; charset=windows-1252\n\n"].concat();
    let latin = [latin.into_bytes(), vec![0x80; size(25 << 20)]].concat();
    add("a body of 25 MB, each byte of which becomes three", latin, None);
    let wide = [HEAD, "Content-Type: text/html; charset=utf-16\n\n"].concat();
    let wide = [wide.into_bytes(), b"\x30\x42".repeat(size(25 << 20) / 2)].concat();
    add("HTML of 25 MB in UTF-16", wide, None);
    let type_ = format!("Content-Type: text/plain; x=\"{}", "y\\\"".repeat(size(10 << 20)));
    add("a Content-Type of 30 MB", with(&type_, "needle"), beyond("256 KB of Content-Type"));
    let part = format!(
        "--b0\nContent-Disposition: attachment; filename=\"{}.exe\"\n\nx\n",
        "\u{fdfa}".repeat(50_000)
    );
    let parts = part.repeat((size(30 << 20) / part.len()).max(1));
    let mixed = "Content-Type: multipart/mixed; boundary=b0";
    add("names of attachments that grow", with(mixed, &parts), Some("2 MB of the names"));
}

/// Whether the size is that of the long form.
fn times_cut(size: usize) -> bool {
    size >= 1 << 20
}

/// Whether twice as much takes at most about twice as long: linear, plus a constant.
fn is_linear(one: Duration, two: Duration) -> bool {
    two <= one * 3 + Duration::from_millis(500)
}

/// Whether it holds three times in a row. A busy machine makes one measurement longer, and
/// processor time too, but never each.
fn each_time(measurement: impl Fn() -> bool) -> bool {
    (0..3).all(|_| measurement())
}

#[test]
fn hostile_mail_is_delivered_whole_and_soon() {
    let mut complaints = Vec::new();
    let messages = messages(1);
    let count = messages.len();
    let ordinary = messages.iter().find(|(name, ..)| *name == ORDINARY).expect("is there");
    let ordinary = ordinary.1.clone();
    let most_time = || match cfg!(debug_assertions) {
        true => {
            let time = || deliver(&Home::with_rules(RULES), &ordinary, &[]).time;
            let mut times = [time(), time(), time()];
            times.sort();
            times[1] * MOST_TIMES
        }
        false => MOST_TIME,
    };
    let limit = most_time();
    for (name, message, expected) in messages {
        let home = Home::with_rules(RULES);
        let MeasuredRun { code, time, memory, output } = deliver(&home, &message, &[]);
        let mut complain = |why: String| complaints.push(format!("{name}: {why}"));
        if long() {
            let (time, memory) = (time.as_millis(), memory >> 10);
            eprintln!("{time:>6} ms, {memory:>3} MB for {:>9} bytes: {name}", message.len());
        }
        if code != Some(0) {
            complain(format!("{code:?} {output}"));
        }
        let again = || deliver(&Home::with_rules(RULES), &message, &[]).time;
        if time > limit && each_time(|| again() > most_time()) {
            complain(format!("{time:?}"));
        }
        if memory > MOST_MEMORY {
            complain(format!("{memory} KB of memory"));
        }
        match home.mail().as_slice() {
            [one] if one.bytes == message => {}
            [one] => complain(format!("{} of {} bytes", one.bytes.len(), message.len())),
            all => complain(format!("{} messages", all.len())),
        }
        let output = deliver(&home, &message, &["--test"]).output;
        if expected
            .is_some_and(|expected| !output.to_lowercase().contains(&expected.to_lowercase()))
        {
            let end: String = output.chars().take(1500).collect();
            complain(format!("the trace does not say so: {end}"));
        }
    }
    eprintln!("hostile messages: {count}");
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// Twice as much costs no more than twice as much.
#[test]
fn hostile_mail_costs_in_proportion() {
    if long() {
        return;
    }
    let mut complaints = Vec::new();
    for ((name, one, _), (_, two, _)) in messages(1).into_iter().zip(messages(2)) {
        let time = |message: &[u8]| deliver(&Home::with_rules(RULES), message, &[]).time;
        if each_time(|| !is_linear(time(&one), time(&two))) {
            complaints.push(name);
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// The cost of header edits does not multiply with the number of fields.
#[test]
fn hostile_headers_are_edited() {
    const EDITS: &str = r#"when size > 0 {
        remove-header "X-Spam"
        set-header "A" "1"
        add-header "X-Seen" "2"
    }
    "#;
    let fields = "X-Spam:\nA:\nB:\n".repeat(size(15 << 20) / 14);
    let message = fields.clone() + "\nneedle";
    let home = Home::with_rules(EDITS);
    let MeasuredRun { code, memory, output, .. } = deliver(&home, message.as_bytes(), &[]);
    assert_eq!((code, output.as_str()), (Some(0), ""));
    let again = || deliver(&Home::with_rules(EDITS), message.as_bytes(), &[]).time;
    assert!(!each_time(|| again() >= MOST_TIME));
    assert!(memory < MOST_MEMORY, "{memory} KB");
    let mail = home.mail();
    let want = format!("X-Seen: 2\nA: 1\n{}\nneedle", "B:\n".repeat(fields.len() / 14));
    assert!(mail.len() == 1 && mail[0].bytes == want.as_bytes());
}

/// Content beyond a limit is treated as if it were not there: nothing that is found can
/// be taken for more than it is, and a `not` that depends on it is reported.
#[test]
fn what_is_beyond_a_limit_is_left_out() {
    let home = Home::with_rules(
        r#"when header "X" contains "needle" -> folder "Found"
        when not header "X" contains "needle" -> folder "Missing"
        "#,
    );
    let blanks = " x".repeat(200 << 10);
    let message = format!("X: {blanks} needle\nTo: a@b.example\n\nbody\n");
    let output = deliver(&home, message.as_bytes(), &["--test"]).output;
    assert!(output.contains("folder \"Missing\""), "{output}");
    assert!(output.contains("only the first 256 KB of x were looked at"), "{output}");
}
