//! `mfilter import thunderbird` and `gmail`: each file of `tests/import` has its result
//! next to it, and the files in examples/import are the results of the foreign files
//! there.
//!
//! `MFILTER_LONG=1` tries more mutated files, `MFILTER_SEED` (a number) other ones.

use std::fs;
use std::io::{Error, ErrorKind};
use std::path::Path;

use mfilter::import::{Options, gmail, report, thunderbird};

use crate::support::dice::Dice;
use crate::support::golden::{check_all, compare, files_of, import};
use crate::support::{Home, long};

const LANGUAGES: [(&str, &str, &str); 2] =
    [("thunderbird", "dat", "msgFilterRules"), ("gmail", "xml", "mailFilters")];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_file_gives_what_is_expected() {
    for (language, ending, _) in LANGUAGES {
        check_all(language, ending, |name, run| {
            let exact = run.stderr.contains(" 0 approximately, 0 not\n");
            assert_eq!(run.code, Some(i32::from(!exact)), "{name}: {run:?}");
            let made = Home::with_rules(&run.stdout);
            let check = made.run(&["check"], b"");
            assert!(!check.stdout.contains("error["), "{name}: {check:?}");
            let todo = run.stdout.matches("# todo import").count();
            assert_eq!(check.stdout.matches("warning[untranslated]").count(), todo, "{check:?}");
            assert_eq!(made.run(&["fmt", "--check"], b"").code, Some(0), "{name}");
        });
    }
}

#[test]
fn the_examples_show_the_real_result() {
    let folder = root().join("examples/import");
    for (language, ending, name) in LANGUAGES {
        let run = import(&folder, &[language, &format!("{name}.{ending}")]);
        compare(&folder.join(format!("{name}.mailrules")), &run.stdout);
        compare(&folder.join(format!("{name}.report")), &run.stderr);
    }
}

#[test]
fn files_of_another_kind_are_reported_and_strict_writes_nothing() {
    let home = Home::new();
    let sample = |language: &str, ending: &str| {
        fs::read_to_string(&files_of(language, ending)[0]).expect("readable")
    };
    home.write("t", sample("thunderbird", "dat"));
    home.write("g", sample("gmail", "xml"));
    home.write("s", "require \"fileinto\";\nif header :is \"a\" \"b\" { fileinto \"x\"; }\n");
    home.write("html", "<!doctype html><html></html>\n");
    home.write("binary", b"a\0b");
    for (language, file, word) in [
        ("thunderbird", "g", "`mfilter import gmail` is for it"),
        ("thunderbird", "s", "a Sieve script"),
        ("thunderbird", "binary", "a binary file"),
        ("gmail", "t", "`mfilter import thunderbird` is for it"),
        ("gmail", "html", "an XML or HTML document"),
        ("gmail", "s", "a Sieve script"),
        ("sieve", "t", "Thunderbird's filters"),
        ("procmail", "g", "Gmail's export"),
    ] {
        let run = import(home.path(), &[language, file]);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{language} {file}: {run:?}");
        assert!(run.stderr.contains(word), "{language} {file}: {run:?}");
    }
    for (language, file) in [("thunderbird", "t"), ("gmail", "g")] {
        let run = import(home.path(), &[language, file, "--strict", "-o", "new"]);
        assert_eq!(run.code, Some(1), "{run:?}");
        assert!(!home.path().join("new").exists());
        let run = import(home.path(), &[language, file, "--json"]);
        let json: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
        assert!(json["totals"]["not"].as_u64() >= Some(1), "{json}");
    }
    let run = import(home.path(), &["thunderbird", "t", "-o", "new"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    let list = fs::read_to_string(home.path().join("book-abook.list")).expect("made");
    assert!(list.starts_with("# The addresses of"), "{list}");
    let run = import(home.path(), &["gmail", "g", "--labels", "keywords"]);
    assert!(run.stdout.contains("mark \"Lists/dev\""), "{run:?}");
}

/// The resulting rules deliver as the filters did.
#[test]
fn the_rules_deliver_as_the_filters_did() {
    let rules = |language: &str, ending: &str| {
        let file = files_of(language, ending).remove(0);
        let name = file.file_name().and_then(|name| name.to_str()).expect("UTF-8").to_owned();
        import(file.parent().expect("a folder"), &[language, &name]).stdout
    };
    for (language, ending, message, expected) in [
        (
            "thunderbird",
            "dat",
            "From: a@b\nList-Id: <rust-lang.example>\n",
            &[(".Lists.&igCKng-", "S")][..],
        ),
        ("thunderbird", "dat", "From: boss@example.jp\nSubject: work\n", &[("", "Fa")]),
        ("thunderbird", "dat", "From: boss@example.jp\nSubject: Lunch (today)?\n", &[("", "")]),
        ("thunderbird", "dat", "From: x@y.example\nSubject: x\n", &[("", "")]),
        ("gmail", "xml", "List-Id: Dev <dev.lists.example.org>\n", &[(".Lists.dev", "")]),
        ("gmail", "xml", "List-Id: <xdev.lists.example.org>\n", &[("", "")]),
        (
            "gmail",
            "xml",
            "From: shop@example.com\nSubject: Your order\n",
            &[("", "S"), (".Receipts", "S")],
        ),
        ("gmail", "xml", "From: shop@example.com\nSubject: your orders\n", &[("", "")]),
        ("gmail", "xml", "From: x@casino.example\nSubject: win\n", &[(".Trash", "")]),
        ("gmail", "xml", "From: x@casino.example\nSubject: Royale\n", &[("", "")]),
        ("gmail", "xml", "From: x@occasino.example\nSubject: win\n", &[("", "")]),
    ] {
        let home = Home::with_rules(&rules(language, ending));
        // Otherwise there would be no list to search.
        home.write("book-abook.list", "");
        let run = home.deliver(format!("{message}Message-ID: <1@x>\n\nhi\n").as_bytes());
        assert_eq!(run.code, Some(0), "{message}: {run:?}");
        let mail = home.mail();
        let mut places: Vec<(&str, &str)> =
            mail.iter().map(|mail| (mail.folder.as_str(), mail.flags.as_str())).collect();
        places.sort_unstable();
        assert_eq!(places, expected, "{message}");
    }
}

/// Whatever is in a file, the resulting rules have no mistake, and each unit is counted
/// once.
#[test]
fn mutated_files_give_rules_and_a_report() {
    let mut dice = Dice::of(0x9e37_79b9_7f4a_7c15);
    let mut random = move |below: usize| dice.roll(below);
    let count = if long() { 10_000 } else { 100 };
    for (language, ending, _) in LANGUAGES {
        let whole = fs::read(&files_of(language, ending)[0]).expect("readable");
        for _ in 0..count {
            let mut bytes = whole.clone();
            for _ in 0..=random(6) {
                let at = random(bytes.len());
                let to = (at + random(40)).min(bytes.len());
                match random(5) {
                    0 => drop(bytes.drain(at..to)),
                    1 => bytes[at] = random(256) as u8,
                    2 => bytes[at] = b"\"'<>(){},&\\=|- \n"[random(16)],
                    3 => bytes.extend_from_within(at..to),
                    _ => {
                        let piece = bytes[at..to].to_vec();
                        let into = random(bytes.len());
                        bytes.splice(into..into, piece);
                    }
                }
                if bytes.is_empty() {
                    break;
                }
            }
            let load = &mut |_: &Path| Err(Error::from(ErrorKind::NotFound));
            let import = if language == "gmail" { gmail::import } else { thunderbird::import };
            let options = Options { keywords: random(2) == 0, ..Options::default() };
            let shown = || String::from_utf8_lossy(&bytes).into_owned();
            let imported = import(Path::new("x"), &bytes, &options, load)
                .unwrap_or_else(|bug| panic!("{}\n{}\n{}", bug.mistakes, bug.rules, shown()));
            let totals = report::totals(&imported);
            assert_eq!(totals.all, totals.exact + totals.approximate + totals.not, "{}", shown());
            assert!(
                !report::text(&imported, mfilter::language::Language::English, None).is_empty()
            );
        }
    }
}
