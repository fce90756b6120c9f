//! Filters, and the rules that they become.

use super::import;
use crate::import::{Options, report, testing};

fn made(text: &str, keywords: bool) -> (String, report::Totals, String) {
    let options = Options { keywords, ..Options::default() };
    testing::rules(import, ("mailFilters.xml", text), &options, &[])
}

fn entry(properties: &[(&str, &str)]) -> String {
    let properties: String = properties
        .iter()
        .map(|(name, value)| {
            let value = value.replace('&', "&amp;").replace('<', "&lt;").replace('\'', "&apos;");
            format!("<apps:property name='{name}' value='{value}'/>\n")
        })
        .collect();
    format!(
        "<entry>\n<category term='filter'></category>\n<title>Mail Filter</title>\n{properties}\
         <apps:property name='sizeOperator' value='s_sl'/>\n\
         <apps:property name='sizeUnit' value='s_smb'/>\n</entry>\n"
    )
}

fn feed(entries: &[String]) -> String {
    format!(
        "<?xml version='1.0' encoding='UTF-8'?>\n<feed xmlns='http://www.w3.org/2005/Atom' \
         xmlns:apps='http://schemas.google.com/apps/2006'>\n<title>Mail Filters</title>\n{}</feed>\n",
        entries.concat()
    )
}

const READ: (&str, &str) = ("shouldMarkAsRead", "true");

#[test]
fn searches_in_our_words() {
    for (name, value, wanted, exact) in [
        ("from", "a@b.example", "from is \"a@b.example\"", true),
        ("from", "@b.example", "from matches /\\bb\\W+example\\b/", true),
        (
            "from",
            "amazon OR b@c.example",
            "from matches /\\bamazon\\b/ or from is \"b@c.example\"",
            true,
        ),
        ("from", "{a@b.example c@d.example}", "from is [\"a@b.example\", \"c@d.example\"]", true),
        ("to", "list@b.example", "[to, cc, bcc] is \"list@b.example\"", true),
        ("to", "me", "addressed-to-me", false),
        ("subject", "\"foo bar\"", "subject matches /\\bfoo\\W+bar\\b/", true),
        (
            "subject",
            "foo -bar",
            "subject matches /\\bfoo\\b/ and not subject matches /\\bbar\\b/",
            true,
        ),
        ("subject", "請求書", "subject contains \"請求書\"", false),
        (
            "hasTheWord",
            "list:<dev.lists.example>",
            "header \"List-Id\" matches /\\bdev\\W+lists\\W+example\\b/",
            true,
        ),
        (
            "hasTheWord",
            "from:a@b.example subject:(x OR y)",
            "from is \"a@b.example\" and subject matches [/\\bx\\b/, /\\by\\b/]",
            true,
        ),
        ("hasTheWord", "hello", "[subject, from, to, cc, bcc, body] matches /\\bhello\\b/", false),
        ("hasTheWord", "has:attachment larger:5M", "attachments > 0 and size > 5242880", false),
        ("hasTheWord", "filename:pdf", "attachment.name matches /\\bpdf\\b/", true),
        ("hasTheWord", "older_than:7d is:unread", "age > 7d and not seen", true),
        ("hasTheWord", "after:2024/01/20", "date >= 2024-01-20", true),
        (
            "hasTheWord",
            "deliveredto:a@b.example",
            "address \"Delivered-To\" is \"a@b.example\"",
            true,
        ),
        ("hasTheWord", "replyto:a@b.example", "reply-to is \"a@b.example\"", true),
        // What the search is not about by any name of Gmail's is a word, as are the texts
        // beside its signs.
        ("subject", "Invitation:", "subject matches /\\bInvitation\\b/", true),
        (
            "subject",
            "Re: a*b",
            "subject matches /\\bRe\\b/ and subject matches /\\ba\\b/ and subject matches \
             /\\bb\\b/",
            false,
        ),
        ("from", "*shop.example", "from matches /\\bshop\\W+example\\b/", true),
        ("hasTheWord", "from:(-a@b.example)", "not from is \"a@b.example\"", true),
    ] {
        let (rules, totals, report) = made(&feed(&[entry(&[(name, value), READ])]), false);
        assert_eq!(rules, format!("when {wanted} -> mark seen"), "{value}: {report}");
        assert_eq!(totals.exact, usize::from(exact), "{value}: {report}");
        assert_eq!(totals.all, 1);
    }
    let except =
        entry(&[("from", "a@b.example"), ("doesNotHaveTheWord", "subject:x from:y"), READ]);
    let (rules, ..) = made(&feed(&[except]), false);
    assert_eq!(
        rules,
        "when from is \"a@b.example\" and not (subject matches /\\bx\\b/ or from matches /\\by\\b/) -> mark seen"
    );
    let sized = entry(&[("from", "a@b.example"), ("size", "2"), READ]);
    let (rules, ..) = made(&feed(&[sized]), false);
    assert_eq!(rules, "when from is \"a@b.example\" and size > 2097152 -> mark seen");
}

#[test]
fn actions_in_our_words() {
    for (properties, wanted) in [
        (&[("label", "A/B"), ("shouldArchive", "true")][..], "fileinto \"A/B\""),
        (&[("label", "A")], "copy \"A\""),
        // In maildir++ a dot would begin a level.
        (&[("label", "a.example/b"), ("shouldArchive", "true")], "fileinto \"a-example/b\""),
        (&[("shouldArchive", "true")], "fileinto \"Archive\""),
        (
            &[("shouldArchive", "true"), ("shouldStar", "true"), READ],
            "mark flagged seen, fileinto \"Archive\"",
        ),
        (&[("shouldTrash", "true")], "folder \"Trash\""),
        (
            &[("forwardTo", "x@y.example"), ("shouldNeverSpam", "true")],
            "forward copy \"x@y.example\"",
        ),
        (&[("shouldAlwaysMarkAsImportant", "true")], "mark \"$Important\""),
        (&[("smartLabelToApply", "^smartlabel_social")], "mark \"Category-social\""),
        (&[("label", "{x}"), ("shouldArchive", "true")], "fileinto \"{{x}}\""),
    ] {
        let of = entry(&[&[("from", "a@b.example")], properties].concat());
        let (rules, totals, report) = made(&feed(&[of]), false);
        assert_eq!(rules, format!("when from is \"a@b.example\" -> {wanted}"), "{report}");
        assert_eq!(totals.exact, 1, "{report}");
    }
    let labelled =
        entry(&[("from", "a@b.example"), ("label", "Über x"), ("shouldArchive", "true")]);
    let (rules, totals, _) = made(&feed(std::slice::from_ref(&labelled)), true);
    assert_eq!(rules, "when from is \"a@b.example\" -> mark \"_ber_x\", fileinto \"Archive\"");
    assert_eq!(totals.approximate, 1);
    // Trash comes first and ends the rules: nothing of it is also filed elsewhere.
    let trash = entry(&[("subject", "x"), ("shouldTrash", "true")]);
    let (rules, ..) = made(&feed(&[labelled, trash]), false);
    assert!(rules.starts_with("when subject matches /\\bx\\b/ -> folder \"Trash\"\n"), "{rules}");
    let silent = entry(&[("from", "a@b.example"), ("shouldNeverSpam", "true")]);
    let (rules, totals, _) = made(&feed(&[silent]), false);
    assert_eq!((rules.as_str(), totals.exact), ("", 1));
}

/// A filter that is not understood does nothing, and those around it are kept.
#[test]
fn what_cannot_be_said_spoils_its_filter_alone() {
    let good = || entry(&[("from", "c@d.example"), READ]);
    for properties in [
        &[("hasTheWord", "in:spam"), READ][..],
        &[("hasTheWord", "has:drive"), READ],
        &[("hasTheWord", "label:x"), READ],
        &[("hasTheWord", "a AROUND 5 b"), READ],
        &[("hasTheWord", "(a"), READ],
        &[("hasTheWord", "from:me"), READ],
        &[("from", "*@*.example"), READ],
        &[("from", "..."), READ],
        &[("from", "subject:x"), READ],
        &[("subject", ""), READ],
        &[READ],
        &[("from", "a@b.example"), ("mystery", "true")],
        &[("from", "a@b.example"), ("label", "A//B")],
        &[("from", "a@b.example"), ("forwardTo", "nobody")],
        &[("from", "a@b.example"), ("cannedResponse", "x")],
        &[("size", "x"), READ],
    ] {
        let (rules, totals, report) = made(&feed(&[good(), entry(properties), good()]), false);
        let one = "when from is \"c@d.example\" -> mark seen";
        assert_eq!(rules, format!("{one}\n{one}"), "{report}");
        assert_eq!((totals.exact, totals.not), (2, 1), "{properties:?}: {report}");
    }
}

#[test]
fn damage_spoils_only_its_own_unit() {
    let good = || entry(&[("from", "c@d.example"), READ]);
    let one = "when from is \"c@d.example\" -> mark seen";
    for damaged in [
        good().replace("value='c@d.example'", "value='c@d.example"),
        good().replace("</entry>", ""),
        good().replace("name='from'", ""),
        good().replace("c@d.example", "&nothing;"),
        good().replace("<category", "<<category"),
    ] {
        let (rules, totals, report) = made(&feed(&[good(), damaged.clone()]), false);
        assert_eq!(rules, one, "{damaged}: {report}");
        assert!(totals.not >= 1, "{damaged}: {report}");
    }
    assert_eq!(made("", false).1.all, 0);
}
