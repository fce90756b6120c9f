//! Filters, and the rules that they become.

use super::action::folder;
use super::import;
use crate::import::{Options, report, testing};

/// The rules without comments and blanks, and the report.
fn rules(text: &str) -> (String, report::Totals, String) {
    testing::rules(import, ("msgFilterRules.dat", text), &Options::default(), &[])
}

/// A file with one filter.
fn filter(condition: &str, actions: &[(&str, &str)]) -> String {
    let escaped = condition.replace('\\', "\\\\").replace('"', "\\\"");
    let actions: String = actions
        .iter()
        .map(|(action, value)| match value.is_empty() {
            true => format!("action=\"{action}\"\n"),
            false => format!("action=\"{action}\"\nactionValue=\"{value}\"\n"),
        })
        .collect();
    format!(
        "version=\"9\"\nlogging=\"no\"\nname=\"n\"\nenabled=\"yes\"\ntype=\"17\"\n{actions}condition=\"{escaped}\"\n"
    )
}

const READ: &[(&str, &str)] = &[("Mark read", "")];

#[test]
fn terms_that_are_exact() {
    for (condition, wanted) in [
        ("AND (subject,contains,hello)", "subject contains \"hello\""),
        ("AND (subject,doesn't contain,x)", "not subject contains \"x\""),
        ("AND (subject,is,x y)", "subject is \"x y\""),
        ("AND (subject,begins with,[x])", "subject starts \"[x]\""),
        ("AND (subject,ends with,\"a (b)\")", "subject ends \"a (b)\""),
        ("AND (subject,contains,\"say \\\"x\\\"\")", "subject contains \"say \\\"x\\\"\""),
        ("AND (subject,is empty,)", "not has subject"),
        ("AND (from,contains,@a.example)", "from contains \"@a.example\""),
        ("AND (from,is,a@b.example)", "from is \"a@b.example\""),
        ("AND (from,is,Taro)", "from is \"Taro\" or from.name is \"Taro\""),
        ("AND (from,begins with,info@)", "from starts \"info@\""),
        ("AND (to or cc,contains,x)", "[to, cc] contains \"x\""),
        ("AND (to or cc,doesn't contain,x)", "not [to, cc] contains \"x\""),
        ("AND (all addresses,contains,x)", "[from, to, cc, bcc] contains \"x\""),
        ("AND (\"X-Spam-Flag\",is,YES)", "header \"X-Spam-Flag\" is \"YES\""),
        ("AND (List-Id,contains,rust)", "header \"List-Id\" contains \"rust\""),
        ("OR (subject,contains,a) OR (subject,contains,b)", "subject contains [\"a\", \"b\"]"),
        (
            "AND (subject,contains,a) AND (from,isn't,b@c.example)",
            "subject contains \"a\" and not from is \"b@c.example\"",
        ),
        ("AND (body,contains,viagra)", "body contains \"viagra\""),
        ("AND (date,is after,20-Jan-2024)", "date > 2024-01-20"),
        ("AND (age in days,is greater than,30)", "age > 30d"),
        ("AND (size,is greater than,100)", "size >= 103424"),
        ("AND (size,is less than,1)", "size < 1024"),
        ("AND (status,isn't,read)", "not seen"),
        ("AND (tag,contains,$label1)", "keyword is \"$label1\""),
        ("AND (tag,is empty,)", "not has keyword"),
    ] {
        let (rules, totals, report) = rules(&filter(condition, READ));
        assert_eq!(
            rules,
            format!("rule \"n\" when {wanted} -> mark seen"),
            "{condition}: {report}"
        );
        assert_eq!((totals.all, totals.exact), (1, 1), "{condition}: {report}");
    }
    let (rules, ..) = rules(&filter("ALL", READ));
    assert_eq!(rules, "mark seen");
}

/// A filter that is not understood does nothing, and those around it are kept.
#[test]
fn what_cannot_be_said_spoils_its_filter_alone() {
    for condition in [
        "AND (subject,contains,a) OR (subject,contains,b)",
        "AND (subject,matches,a.*)",
        "AND (subject,contains,)",
        "AND (subject,contains,a  b)",
        "AND (subject,contains",
        "AND subject",
        "XOR (subject,contains,a)",
        "",
        "AND (junk status,is,2)",
        "AND (from,isn't in ab,jsaddrbook://abook.sqlite)",
        "AND (filtaquilla@mesquilla.com#subjectRegex,matches,a)",
        "AND (date,is,32-Jan-2024)",
        "AND (size,is greater than,99999999999999999999)",
        "AND (priority,is,Normal)",
        "AND (status,is,new)",
    ] {
        let file = filter(condition, READ)
            + "name=\"second\"\nenabled=\"yes\"\ntype=\"1\"\n\
             action=\"Mark flagged\"\ncondition=\"AND (subject,is,x)\"\n";
        let (rules, totals, report) = rules(&file);
        assert_eq!(rules, "rule \"second\" when subject is \"x\" -> mark flagged", "{report}");
        assert_eq!((totals.exact, totals.not), (1, 1), "{condition}: {report}");
    }
}

#[test]
fn actions_in_our_words() {
    for (actions, wanted) in [
        (&[("Move to folder", "imap://a%40b@c/INBOX/A%20B")][..], "folder \"A B\""),
        (&[("Move to folder", "imap://a@c/INBOX")], "inbox"),
        (
            &[("Mark read", ""), ("Move to folder", "mailbox://nobody@Local%20Folders/Old/X")],
            "mark seen, folder \"Old/X\"",
        ),
        (
            &[("Move to folder", "imap://a@c/A"), ("Mark flagged", ""), ("Stop execution", "")],
            "mark flagged, folder \"A\"",
        ),
        (&[("Copy to folder", "imap://a@c/A")], "copy \"A\""),
        (&[("Delete", "")], "folder \"Trash\" as seen"),
        (&[("AddTag", "$label2"), ("Stop execution", "")], "mark \"$label2\", stop"),
        (&[("Label", "3")], "mark \"$label3\""),
        (&[("JunkScore", "100")], "unmark \"NonJunk\", mark \"Junk\""),
        (&[("Mark unread", "")], "unmark seen"),
        (&[("Mark read", ""), ("Leave on Pop3 server", "")], "mark seen"),
    ] {
        let (rules, totals, report) = rules(&filter("AND (subject,is,x)", actions));
        assert_eq!(rules, format!("rule \"n\" when subject is \"x\" -> {wanted}"), "{report}");
        assert_eq!(totals.exact, 1, "{report}");
    }
    for (actions, approximate, word) in [
        (&[("Forward", "x@y.example")][..], true, "sent on as it is"),
        (&[("Mark read", ""), ("Change priority", "High")], true, "priority"),
        (&[("Mark read", ""), ("Ignore thread", "")], true, "later messages"),
        (&[("Reply", "mailbox://x?messageId=1")], false, "template"),
        (&[("Change priority", "High")], false, "priority"),
        (&[("Custom", "addon")], false, "add-on"),
        (&[("Explode", "")], false, "not known"),
        (&[("Move to folder", "news://x/y")], false, "is not a folder for mail"),
        (&[("Move to folder", "imap://a@c/A"), ("Move to folder", "imap://a@c/B")], false, "twice"),
    ] {
        let (rules, totals, report) = rules(&filter("AND (subject,is,x)", actions));
        assert!(report.contains(word), "{report}");
        assert_eq!(
            (totals.approximate == 1, rules.is_empty()),
            (approximate, !approximate),
            "{report}"
        );
    }
}

#[test]
fn when_a_filter_runs_is_minded() {
    let of = |kind: &str| rules(&filter("AND (subject,is,x)", READ).replace("\"17\"", kind));
    for kind in ["\"1\"", "\"32\"", "\"48\""] {
        assert_eq!(of(kind).1.exact, 1, "{kind}");
        assert!(!of(kind).0.is_empty(), "{kind}");
    }
    for kind in ["\"16\"", "\"64\"", "\"128\"", "\"0\""] {
        assert_eq!((of(kind).0.as_str(), of(kind).1.exact), ("", 1), "{kind}");
    }
    assert_eq!(of("\"272\"").1.approximate, 1, "every ten minutes");
    assert_eq!(of("\"x\"").1.not, 1);
    let off = filter("AND (subject,is,x)", READ).replace("enabled=\"yes\"", "enabled=\"no\"");
    assert_eq!((rules(&off).0.as_str(), rules(&off).1.exact), ("", 1));
}

#[test]
fn damage_spoils_only_its_own_unit() {
    let good = filter("AND (subject,is,x)", READ);
    for damage in [
        good.replace("type=\"17\"", "type=\"17"),
        good.replace("condition=", "conditions="),
        good.replace("action=", "act ion="),
        good.replace("name=\"n\"", "name=\"n"),
        format!("{good}nonsense\n"),
        good.replace("action=\"Mark read\"", "actionValue=\"x\""),
    ] {
        let (rules, totals, _) = rules(&damage);
        assert_eq!((rules.as_str(), totals.exact), ("", 0), "{damage}");
    }
    assert_eq!(rules("").1.all, 0);
    assert_eq!(rules("nonsense\nname=\n").1.not, 1);
}

#[test]
fn senders_of_an_address_book_are_a_list() {
    let (rules, totals, report) =
        rules(&filter("AND (from,is in ab,jsaddrbook://abook.sqlite)", READ));
    assert!(rules.ends_with("when from in book-abook -> mark seen"), "{rules}");
    assert!(rules.starts_with("list book-abook \"book-abook.list\""), "{rules}");
    assert!(totals.approximate == 1 && report.contains("have to be put"), "{report}");
}

#[test]
fn folders_are_read_off_urls() {
    for (url, wanted) in [
        ("imap://a%40b.example@c/A", Ok(Some("A"))),
        ("imap://a@c/inbox/%E8%BF%B7%E6%83%91", Ok(Some("迷惑"))),
        ("imap://a@c/INBOX/&j,dg0TDhMPww6w-", Ok(Some("迷惑メール"))),
        ("imap://a@c/R&D", Ok(Some("R&D"))),
        ("mailbox://nobody@Local%20Folders/Inbox", Ok(None)),
        ("imap://a@c/", Err(())),
        ("imap://a@c", Err(())),
        ("imap://a@c/%2", Err(())),
        ("imap://a@c/%FF", Err(())),
        ("imap://a@c/A%2FB", Err(())),
        ("nonsense", Err(())),
    ] {
        let found = folder(url);
        assert_eq!(found.as_ref().map(Option::as_deref).map_err(drop), wanted, "{url}");
    }
}

/// In maildir++ a dot would begin a level, in layout fs it is a dot.
#[test]
fn a_dot_in_a_folder_becomes_another_sign() {
    let text = filter("ALL", &[("Move to folder", "imap://a@b.example/c.example/d")]);
    let (made, totals, report) = rules(&text);
    assert_eq!(made, "folder \"c-example/d\"");
    assert!(report.contains("note: a dot in the name of a folder becomes `-`"), "{report}");
    let options = Options { layout: Some("fs".into()), ..Options::default() };
    let (made, fs, _) = testing::rules(import, ("msgFilterRules.dat", &text), &options, &[]);
    assert_eq!(made, "set layout fs\nfolder \"c.example/d\"");
    assert_eq!((totals.exact, fs.exact), (1, 1));
}
