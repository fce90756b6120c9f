//! Which parts messages have, and where.

use proptest::prelude::*;

use super::*;

/// Walks a message that consists of header fields and a body.
fn walked(message: &str) -> Structure {
    let (head, body) = message.split_once("\n\n").unwrap_or((message, ""));
    walk(&Head::parse(head), body.as_bytes()).expect("memory can be read")
}

/// The type and content of each part.
fn parts(message: &str) -> Vec<(String, &str)> {
    let body = message.split_once("\n\n").map_or("", |(_, body)| body);
    let content = |part: &Part| &body[part.range.start as usize..part.range.end as usize];
    walked(message)
        .parts
        .iter()
        .map(|part| (part.media_type.clone(), content(part)))
        .filter(|(media_type, _)| !media_type.starts_with("multipart/"))
        .collect()
}

fn text(content: &str) -> (String, &str) {
    ("text/plain".to_owned(), content)
}

#[test]
fn a_message_of_one_part() {
    assert_eq!(parts("Subject: x\n\nbody\n"), [text("body\n")]);
    assert_eq!(parts("Subject: x"), [text("")]);
    assert_eq!(parts("Content-Type: nonsense\n\nb"), [text("b")]);
    assert_eq!(parts("Content-Type: text\n\nb"), [text("b")]);
    assert_eq!(parts("Content-Type: IMAGE/Png; name=x\n\nb"), [("image/png".to_owned(), "b")]);
}

#[test]
fn boundaries() {
    let types = |body: &'static str| {
        parts(Box::leak(
            format!("Content-Type: multipart/mixed; boundary=\"b 1\"\n\n{body}").into_boxed_str(),
        ))
    };
    assert_eq!(
        types("preamble\n--b 1\n\none\n--b 1\n\ntwo\n--b 1--\nepilogue"),
        [text("one"), text("two")]
    );
    assert_eq!(
        types("--b 1\r\n\r\none\r\n\r\n--b 1  \r\n\r\n--b 1--"),
        [text("one\r\n"), text("")]
    );
    assert_eq!(types("--b 1\n\nno end\n"), [text("no end\n")]);
    assert_eq!(
        types("--b 1\n\nnot --b 1 here\n--b 12\n -- b 1\n"),
        [text("not --b 1 here\n--b 12\n -- b 1\n")]
    );
    assert_eq!(types("--b 1\nA: x\n--b 1\nB: y"), [text(""), text("")]);
    assert_eq!(types("--b 1\nno header\n\nat all\n--b 1--"), [text("no header\n\nat all")]);
    assert_eq!(types("--b 1\n \t\n\ntext\n--b 1--"), [text("\ntext")]);
    assert_eq!(types("--b 1--\n--b 1\n\nbehind the end"), []);
    assert_eq!(types("not\none\n"), [text("not\none\n")]);
    assert_eq!(types(""), [text("")]);
    assert_eq!(parts("Content-Type: multipart/mixed\n\n--b\n\nx\n"), [text("--b\n\nx\n")]);
}

#[test]
fn parts_within_parts() {
    let message = "Content-Type: multipart/mixed; boundary=a\n\n\
        --a\nContent-Type: multipart/alternative; boundary=aa\n\n\
        --aa\n\none\n--aa\nContent-Type: text/html\n\n<p>two\n\
        --a\nContent-Type: message/rfc822\n\n\
        Content-Type: multipart/digest; boundary=c\n\n--c\n\nSubject: x\n\nthree\n--c--\n\
        --a\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nAAAA\n\
        --a--\n";
    let rfc822 = |content| ("message/rfc822".to_owned(), content);
    assert_eq!(
        parts(message),
        [
            text("one"),
            ("text/html".to_owned(), "<p>two"),
            rfc822(
                "Content-Type: multipart/digest; boundary=c\n\n--c\n\nSubject: x\n\nthree\n--c--"
            ),
            rfc822("Subject: x\n\nthree"),
            text("three"),
            rfc822("AAAA"),
        ]
    );
    let parents: Vec<_> = walked(message).parts.iter().map(|part| part.parent).collect();
    assert_eq!(
        parents,
        [None, Some(0), Some(1), Some(1), Some(0), Some(4), Some(5), Some(6), Some(0)]
    );
}

/// Some programs leave out the empty line, in the parts as at the top.
#[test]
fn a_boundary_ends_a_header() {
    let message = "Content-Type: multipart/mixed; boundary=a\n\n\
        --a\nContent-Type: multipart/alternative; boundary=\"b\"\n--b\n\none\n--b--\n\
        --a\nX: y\n--c\n\ntwo\n--a--\n";
    assert_eq!(parts(message), [text("one"), text("two")]);
}

#[test]
fn of_several_types_the_one_with_parts_counts() {
    let inner = "\n--a\nContent-Type: message/news\n\nSubject: x\n\none\n--a--\n";
    let news = [("message/news".to_owned(), "Subject: x\n\none"), text("one")];
    let multipart = "Content-Type: multipart/mixed; boundary=a\n";
    for header in [multipart.to_owned(), format!("Content-Type: text/plain\n{multipart}")] {
        assert_eq!(parts(&format!("{header}{inner}")), news, "{header}");
    }
    assert_eq!(parts(&format!("{multipart}Content-Type: text/plain\n{inner}")), news);
}

#[test]
fn lines_that_end_with_cr() {
    let head = Head::parse(b"A: b\rContent-Type: multipart/mixed; boundary=a\r\r".as_slice());
    let body = b"--a\rB: c\r\rone\r\r--a\r\rtwo\r--a--\r";
    let structure = walk(&head, body.as_slice()).expect("memory can be read");
    let ranges: Vec<_> = structure.parts.iter().skip(1).map(|part| part.range.clone()).collect();
    assert_eq!(ranges, [10..14, 20..23]);
}

#[test]
fn the_same_boundary_within_itself() {
    let message = "Content-Type: multipart/mixed; boundary=a\n\n\
        --a\nContent-Type: multipart/mixed; boundary=a\n\n--a\n\none\n--a--\n--a\n\ntwo\n--a--";
    assert_eq!(parts(message), [text("one"), text("two")]);
}

#[test]
fn what_is_text_and_what_is_attached() {
    for (header, is_text, is_attachment, name) in [
        ("", true, false, None),
        ("Content-Type: text/plain; name=a.txt", true, true, Some("a.txt")),
        ("Content-Disposition: attachment", false, true, None),
        (
            "Content-Type: text/html\nContent-Disposition: attachment; filename=\" b.htm\"",
            false,
            true,
            Some("b.htm"),
        ),
        ("Content-Type: image/png\nContent-Disposition: inline", false, true, None),
        (
            "Content-Type: application/pdf; name=\"=?utf-8?B?w6k=?=.pdf\"",
            false,
            true,
            Some("é.pdf"),
        ),
        (
            "Content-Disposition: attachment; filename*=utf-8''%E2%80%AEtxt.exe",
            false,
            true,
            Some("txt.exe"),
        ),
        ("Content-Type: a/b; name=a\nContent-Disposition: x; filename=c", false, true, Some("c")),
        ("Content-Type: message/rfc822", false, true, None),
        ("Content-Type: plain/text", true, false, None),
    ] {
        let message =
            format!("Content-Type: multipart/mixed; boundary=x\n\n--x\n{header}\n\n\n--x--");
        let structure = walked(&message);
        let part = &structure.parts[1];
        assert_eq!(part.is_text(), is_text, "{header}");
        assert_eq!(part.is_attachment(), is_attachment, "{header}");
        assert_eq!(part.name.as_deref(), name, "{header}");
        assert!(!structure.parts[0].is_text() && !structure.parts[0].is_attachment());
    }
}

#[test]
fn every_name_that_a_reader_may_show() {
    for (header, names) in [
        (
            "Content-Disposition: attachment; filename=a.txt; filename=b; filename=a.exe",
            ["a.txt", "a.exe"],
        ),
        (
            "Content-Disposition: attachment; filename=a.exe; filename*=utf-8''a.txt",
            ["a.txt", "a.exe"],
        ),
        (
            "Content-Disposition: attachment; filename=a.exe; filename*0=a.; filename*1=txt",
            ["a.txt", "a.exe"],
        ),
        (
            "Content-Disposition: x; filename=a.txt\nContent-Disposition: x; filename=a.exe",
            ["a.txt", "a.exe"],
        ),
        ("Content-Type: a/b; name=a.txt\nContent-Type: a/b; name=a.exe", ["a.txt", "a.exe"]),
        (
            "Content-Disposition: attachment; name=a.exe\nContent-Type: a/b; name=a.txt",
            ["a.txt", "a.exe"],
        ),
        ("Content-Disposition: attachment; filename=\"a.e\\xe\"", ["a.e\\xe", "a.exe"]),
    ] {
        let message =
            format!("Content-Type: multipart/mixed; boundary=x\n\n--x\n{header}\n\n\n--x--");
        let structure = walked(&message);
        let part = &structure.parts[1];
        let found: Vec<&String> = part.name.iter().chain(&part.other_names).collect();
        assert_eq!(found, names, "{header}");
    }
}

#[test]
fn too_deep_and_too_many() {
    let deep = format!("A: b\n\n{}", "Content-Type: message/rfc822\n\n".repeat(10_000));
    let deep = walked(deep.trim_start_matches("A: b\n\n"));
    assert_eq!(deep.parts.len(), DEPTH_LIMIT + 1);
    assert_eq!(deep.limits.len(), 1);

    let mut nested = String::new();
    for level in 0..10_000 {
        nested += &format!("Content-Type: multipart/mixed; boundary={level}\n\n--{level}\n");
    }
    let nested = walked(&nested);
    assert_eq!(nested.parts.len(), DEPTH_LIMIT + 1);
    assert_eq!(nested.limits.len(), 1);

    let many = walked(&format!(
        "Content-Type: multipart/mixed; boundary=a\n\n{}",
        "--a\n\n".repeat(100_000)
    ));
    assert_eq!(many.parts.len(), PARTS_LIMIT);
    assert_eq!(many.parts.last().map(|part| part.range.end), Some(500_000));
    assert_eq!(many.limits.len(), 1);
}

#[test]
fn many_unused_boundaries_and_dashes() {
    let mut message = "Content-Type: multipart/mixed; boundary=a\n\n".to_owned();
    for child in 0..10_000 {
        message += &format!("--a\nContent-Type: multipart/mixed; boundary={child}\n\n--x\n");
    }
    walked(&message);
    let boundary = "-".repeat(900);
    let mut message = String::new();
    for level in 0..40 {
        message += &format!("Content-Type: multipart/mixed; boundary=\"{boundary}{level}\"\n\n");
        message += &format!("--{boundary}{level}\n");
    }
    message += &format!("\n{}", format!("{}\n", "-".repeat(902)).repeat(2000));
    assert_eq!(walked(&message).parts.len(), 41);
}

#[test]
fn lines_longer_than_the_buffer() {
    let long = "x".repeat(3 * lines::BUFFER / 2);
    let message = format!(
        "Content-Type: multipart/mixed; boundary=a\n\n--a\nX: {long}\n\n{long}--a\n{long}\n--a--"
    );
    let structure = walked(&message);
    assert_eq!(structure.parts.len(), 2);
    let part = &structure.parts[1];
    assert_eq!(part.range.end - part.range.start, 2 * long.len() as u64 + 4);
}

#[test]
fn files_within_text_are_parts() {
    let text = b"Content-Type: text/plain\n\nhi\n\nbegin 644 virus.exe\n#0V%T\n`\nend\n\nbegin 644 next\nwords\n";
    let at = text.windows(2).position(|two| two == b"\n\n").unwrap() + 2;
    let head = Head::parse(text[..at].to_vec());
    let structure = walk(&head, &text[at..]).unwrap();
    let names: Vec<_> = structure.parts.iter().map(|part| part.name.as_deref()).collect();
    assert_eq!(names, [None, Some("virus.exe")]);
    let part = &structure.parts[1];
    let range = part.range.start as usize..part.range.end as usize;
    let bytes = crate::message::transfer::prefix(&text[at..][range], part.encoding, 10).unwrap();
    assert_eq!(bytes, b"Cat");
    assert!(structure.parts[0].is_text() && part.is_attachment());
}

proptest! {
    #[test]
    fn any_structure_stays_within_the_body(pieces in proptest::collection::vec(prop_oneof![
        Just("--a"), Just("--b"), Just("--"), Just("\n"), Just("\r\n"), Just("\n\n"),
        Just("Content-Type: "), Just("multipart/mixed; boundary=a"), Just("message/rfc822"),
        Just("multipart/digest; boundary=b"), Just("text/html; charset=x"), Just("a"),
        Just("Content-Disposition: attachment; filename=a"), Just(":"), Just("\0"),
    ], 0..60)) {
        let body = pieces.concat();
        for root in ["multipart/mixed; boundary=a", "message/rfc822", "text/plain"] {
            let head = Head::parse(format!("Content-Type: {root}\n"));
            let structure = walk(&head, body.as_bytes()).expect("memory can be read");
            prop_assert!(!structure.parts.is_empty());
            for (at, part) in structure.parts.iter().enumerate() {
                prop_assert!(part.range.start <= part.range.end);
                prop_assert!(part.range.end <= body.len() as u64);
                prop_assert!(part.parent.is_none_or(|parent| parent < at));
                if let Some(parent) = part.parent {
                    let parent = &structure.parts[parent];
                    prop_assert!(parent.range.start <= part.range.start);
                    prop_assert!(part.range.end <= parent.range.end);
                }
            }
        }
    }
}
