//! How addresses are read from headers, and compared.

use proptest::prelude::*;

use super::parse::{MAILBOX, RAW_LIMIT};
use super::*;
use crate::message::bounded_text::Budget;
use crate::message::head;

/// `name|local|domain` of each.
fn read(raw: &str) -> Vec<String> {
    read_bytes(raw.as_bytes())
}

fn read_bytes(raw: &[u8]) -> Vec<String> {
    parse_list(raw)
        .into_iter()
        .map(|each| format!("{}|{}|{}", each.name.unwrap_or_default(), each.local, each.domain))
        .collect()
}

#[test]
fn the_examples_of_rfc_5322() {
    assert_eq!(
        read("\"Joe Q. Public\" <john.q.public@example.com>"),
        ["Joe Q. Public|john.q.public|example.com"]
    );
    assert_eq!(
        read("Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>"),
        ["Mary Smith|mary|x.test", "|jdoe|example.org", "Who?|one|y.test"]
    );
    assert_eq!(
        read("<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>"),
        ["|boss|nil.test", "Giant; \"Big\" Box|sysservices|example.net"]
    );
    assert_eq!(
        read("A Group:Ed Jones <joe@a.test>,joe@where.test,John <jdoe@one.test>;, x@y"),
        ["Ed Jones|joe|a.test", "|joe|where.test", "John|jdoe|one.test", "|x|y"]
    );
    assert_eq!(read("Undisclosed recipients:;"), [""; 0]);
    assert_eq!(
        read("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>"),
        ["Pete(A nice ) chap)|pete|silly.test"]
    );
    assert_eq!(
        read("Mary Smith <@node.test,@b.c:mary@example.net>, , jdoe@test  . example"),
        ["Mary Smith|mary|example.net", "|jdoe|test.example"]
    );
    assert_eq!(
        read("Joe Q. Public <john . q @ example.com>"),
        ["Joe Q. Public|john.q|example.com"]
    );
}

#[test]
fn a_name_with_commas_that_should_be_quoted() {
    assert_eq!(read("Example, Inc. <a@b>"), ["Example, Inc.|a|b"]);
    assert_eq!(
        read("Sato, Hanako <h@x>, Suzuki, Ichiro <i@x>, c@x"),
        ["Sato, Hanako|h|x", "Suzuki, Ichiro|i|x", "|c|x"]
    );
    assert_eq!(read("\"A\", =?utf-8?q?B?=, <a@b>"), ["A, B|a|b"]);
    assert_eq!(
        read("a@b, Example"),
        ["|a|b", "Example||"].map(|one| one.replace("Example||", "|Example|"))
    );
    assert_eq!(read("c@d, Example <a@b>"), ["|c|d", "Example|a|b"]);
    assert_eq!(read("root, c@d"), ["|root|", "|c|d"]);
    assert_eq!(read("\"x@y\", <a@b>"), ["|x@y|", "|a|b"]);
    let many = "a,".repeat(1000);
    assert_eq!(read(&many).len(), 1000);
}

#[test]
fn local_parts() {
    assert_eq!(read("\"a b\"@x.jp, <\"a@b,c\"@x.jp>"), ["|a b|x.jp", "|a@b,c|x.jp"]);
    assert_eq!(read("MAILER-DAEMON, root (Cron Daemon)"), ["|MAILER-DAEMON|", "Cron Daemon|root|"]);
    assert_eq!(read("MAILER-DAEMON <>, <>"), ["MAILER-DAEMON||", "||"]);
    assert_eq!(read("a..b.@docomo.ne.jp, <.x@y>"), ["|a..b.|docomo.ne.jp", "|.x|y"]);
    assert_eq!(read("a@[IPv6:2001::1], <b@[127.0.0.1]>"), ["|a|[IPv6:2001::1]", "|b|[127.0.0.1]"]);
    assert_eq!(read("日本@例え.jp"), ["|日本|例え.jp"]);
}

#[test]
fn what_is_longer_than_an_address_can_be_is_none() {
    let local = "a".repeat(320 - 1 - "example.jp".len());
    assert_eq!(read(&format!("{local}@example.jp, b@c")).len(), 2);
    let long = format!("{local}a@example.jp");
    assert_eq!(read(&format!("{long}, b@c")), ["|b|c"]);
    assert_eq!(read(&format!("Name <{long}>, b@c")), ["Name||", "|b|c"]);
    assert_eq!(read(&format!("a@{}", "b".repeat(256))), [""; 0]);
    assert_eq!(read(&"a".repeat(9 << 20)), [""; 0]);
}

#[test]
fn what_is_left_out_makes_no_other_address() {
    let within = |raw: &str| {
        let mut budget = Budget::new(LIST_LIMIT);
        let found = parse_within(raw.as_bytes(), &mut budget);
        (found.iter().map(Address::display).collect::<Vec<_>>(), budget.is_cut())
    };
    let long = "x".repeat(RAW_LIMIT);
    // The inside of a name whose end is beyond the limit.
    for open in ["\"", "(", "<\"", "<(", "b@c (", "\"a\" \"", "<@x:\""] {
        let raw = format!("a@b, {open} boss@corp.example, {long}\") <evil@x.example>");
        assert_eq!(within(&raw), (vec!["a@b".to_owned()], true), "{open}");
    }
    let raw = format!("a@b, {}boss@corp.example.evil.example", " ".repeat(RAW_LIMIT - 22));
    assert_eq!(within(&raw), (vec!["a@b".to_owned()], true));
    let raw = format!("a@b, <boss@corp.example{long}>");
    assert_eq!(within(&raw), (vec!["a@b".to_owned()], true));
    // As many as the limit allows.
    let (found, cut) = within(&"a@b,".repeat(100_000));
    assert_eq!((found.len(), cut), (LIST_LIMIT / (MAILBOX + 4), true));
    let (found, cut) = within(&"a@b ".repeat(60_000));
    assert_eq!((found.len(), cut), (LIST_LIMIT / (MAILBOX + 4), true));
    let (found, cut) = within(&"\u{fdfa} <a@b>,".repeat(20_000));
    assert!(found.len() > 2000 && cut);
    // A complete one after one that is too long.
    assert!(!within("a@b").1);
}

#[test]
fn names_are_decoded_after_the_list_is_split() {
    assert_eq!(read("=?utf-8?B?5pel?= =?utf-8?B?5pysLCA8?= <a@b>"), ["日本, <|a|b"]);
    assert_eq!(read("=?utf-8?Q?Doe, John <x@y>?= <a@b>"), ["Doe, John <x@y>|a|b"]);
    assert_eq!(read("\"=?utf-8?B?5g==?= =?utf-8?B?l6U=?=\" <a@b>"), ["日|a|b"]);
    assert_eq!(read("a@b (=?utf-8?Q?=E6=97=A5?=)"), ["日|a|b"]);
    assert_eq!(read("=?utf-8?Q?root?="), ["root||"]);
    assert_eq!(read_bytes(b"\x1b$B<A!\"\x1b(B <a@b>"), ["質、|a|b"]);
    assert_eq!(read_bytes(b"Jos\xe9 <a@b>"), ["José|a|b"]);
    assert_eq!(read("ＡＢＣ\u{3000}ｶﾞ <a@b>"), ["ABC ガ|a|b"]);
}

#[test]
fn what_mailers_get_wrong_is_read() {
    assert_eq!(read("Foo <a@b, Bar <c@d>"), ["Foo|a|b", "Bar|c|d"]);
    assert_eq!(read("Foo a@b>"), ["Foo|a|b"]);
    assert_eq!(read("Foo Bar a@b"), ["Foo Bar|a|b"]);
    assert_eq!(read("a@b (A) c@d (C)"), ["A|a|b", "C|c|d"]);
    assert_eq!(read("\"Foo <a@b>"), ["Foo|a|b"]);
    assert_eq!(read("Foo (bar <a@b>"), ["Foo bar|a|b"]);
    assert_eq!(read("a@b; c@d;"), ["|a|b", "|c|d"]);
    assert_eq!(read("a@b <a@b>"), ["a@b|a|b"]);
    assert_eq!(read("<a@b> <c@d>"), ["|a|b", "|c|d"]);
    assert_eq!(read("John Doe"), ["John Doe||"]);
    assert_eq!(read("Foo\r\n <a@\r\n b>"), ["Foo|a|b"]);
    assert_eq!(read("<Undisclosed-Recipients:;@mx.example>, a@b"), ["|a|b"]);
    assert_eq!(read("undisclosed-recipients:;@mx.example"), [""; 0]);
    assert_eq!(read("Foo <@b>"), ["Foo||"]);
    assert_eq!(read(" , , (x)"), [""; 0]);
}

#[test]
fn forms_of_an_address() {
    let address = &parse_list("Taro <Taro+X@EXAMPLE.jp.>".as_bytes())[0];
    assert_eq!(address.address(), "Taro+X@EXAMPLE.jp.");
    assert_eq!(address.display(), "Taro <Taro+X@EXAMPLE.jp.>");
    assert_eq!(address.canonical(), "taro+x@example.jp");
    assert_eq!(canonical("Ａ@XN--WGV71A119E.jp"), "a@日本語.jp");
    assert_eq!(canonical("@Example.JP"), "@example.jp");
    assert_eq!(split_detail("taro+x+y", "+"), ("taro", Some("x+y")));
    assert_eq!(split_detail("taro-x", "+-"), ("taro", Some("x")));
    assert_eq!(split_detail("+81", "+"), ("+81", None));
}

#[test]
fn hostile_input_takes_linear_time() {
    let recipients: String =
        (0..100_000).map(|n| format!("\"N {n}\" <n{n}@example.jp>,")).collect();
    assert!((2000..4000).contains(&parse_list(recipients.as_bytes()).len()));
    let nested = format!("{}{} <a@b>", "(".repeat(100_000), ")".repeat(100_000));
    assert_eq!(parse_list(nested.as_bytes())[0].address(), "a@b");
    for piece in [
        "(",
        ")",
        "()",
        "\"",
        "\\",
        "<",
        "<@",
        "=?utf-8?Q?",
        "=?",
        "a@[",
        "[",
        "a ",
        "@ ",
        ":",
        "<\"",
        "\"(",
    ] {
        parse_list(piece.repeat(200_000).as_bytes());
    }
}

proptest! {
    #[test]
    fn nothing_panics(bytes in any::<Vec<u8>>(), deep in "([a<>@\"(),;:.\\\\\r\n\t \u{1b}é\\[\\]]|=\\?UTF-8\\?B\\?|\\?=){0,40}") {
        parse_list(&bytes);
        for address in parse_list(deep.as_bytes()) {
            let canonical = address.canonical();
            prop_assert!(address.name.as_deref() != Some(""));
            address.display();
            super::canonical(&canonical);
        }
    }

    #[test]
    fn plain_addresses_are_read(name in "[A-Za-z][A-Za-z ]{0,8}[a-z]", local in "[a-z]{1,8}", host in "[a-z]{1,8}\\.jp") {
        let list = format!("{name} <{local}@{host}>, {local}@{host} ({name}), \"{name}\" <{local}@{host}>");
        let expected = Address { name: Some(head::one_line(&name)), local, domain: host };
        prop_assert_eq!(parse_list(list.as_bytes()), vec![expected; 3]);
    }
}
