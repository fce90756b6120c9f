//! The parts of a delivery, one by one: `cargo bench --bench parts`.

use std::fs::File;
use std::path::Path;

use divan::{Bencher, black_box};
use mfilter::evaluate::{Detail, NoFilters, run};
use mfilter::flags::Flags;
use mfilter::load;
use mfilter::maildir::{Location, Maildir};
use mfilter::message::Message;
use mfilter::plan::Folder;
use mfilter::rules::compiled::CompiledProgram;
use mfilter::rules::program::Layout;
use mfilter::rules::rule_set::RuleSet;
use mfilter::source::SourceFile;
use mfilter::syntax;
use mfilter::world::World;

const RULES: [usize; 3] = [10, 100, 1000];
const JAPANESE: &[u8] = b"From: =?ISO-2022-JP?B?GyRCOzNFRBsoQg==?= <taro@example.jp>\n\
    Subject: =?UTF-8?B?44CQ6Iez5oCl44CR44OG44K544OI?=\n\
    Content-Type: text/plain; charset=ISO-2022-JP\n\n\x1b$B$3$s$K$A$O\x1b(B\n";

fn main() {
    divan::main();
}

fn rules(number: usize, test: &str) -> String {
    (0..number)
        .map(|n| format!("when subject {} -> folder \"F{n}\"\n", test.replace('N', &n.to_string())))
        .collect()
}

fn compiled(text: &str) -> CompiledProgram {
    let (_, checked) = load::check_bytes(Path::new("rules"), text.as_bytes(), None, &mut |_| {
        Err(std::io::ErrorKind::NotFound.into())
    });
    checked.program.map(CompiledProgram::new).expect("the rules have no mistake")
}

#[divan::bench(args = RULES)]
fn parse(bencher: Bencher, number: usize) {
    let file = SourceFile::new("rules", rules(number, "contains \"needleN\""));
    bencher.bench(|| syntax::parse(0, black_box(&file)));
}

#[divan::bench(args = RULES)]
fn parse_and_check(bencher: Bencher, number: usize) {
    let text = rules(number, "contains \"needleN\"");
    bencher.bench(|| compiled(black_box(&text)));
}

#[divan::bench(args = RULES)]
fn evaluate_texts(bencher: Bencher, number: usize) {
    evaluate_all(bencher, &rules(number, "contains \"needleN\""));
}

#[divan::bench(args = RULES)]
fn evaluate_patterns(bencher: Bencher, number: usize) {
    evaluate_all(bencher, &rules(number, "matches /needle(N|x)[0-9]+/"));
}

fn evaluate_all(bencher: Bencher, text: &str) {
    let rules = RuleSet::alone(compiled(text));
    bencher.with_inputs(|| Message::from_bytes(JAPANESE.to_vec())).bench_values(|message| {
        run(&rules, message, &World::default(), Detail::Plan, &mut NoFilters)
    });
}

#[divan::bench]
fn decode(bencher: Bencher) {
    bencher.with_inputs(|| Message::from_bytes(JAPANESE.to_vec())).bench_values(|message| {
        let subject = message.texts("Subject");
        let body = message.body_texts().map(|texts| texts.len());
        (subject.first().map(|text| text.folded().len()), body.is_ok())
    });
}

#[divan::bench(args = [2, 1000])]
fn store(bencher: Bencher, kilobytes: usize) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let location = Location::new(folder.path().join("Maildir"), Layout::MaildirPlusPlus, None);
    let file = folder.path().join("message");
    std::fs::write(&file, "x".repeat(kilobytes * 1000)).expect("written");
    bencher.bench(|| {
        let message = Message::open(File::open(&file).expect("there")).expect("readable");
        let maildir = Maildir::open(&location).expect("a Maildir");
        let inbox = location.place(&Folder::default());
        let mut staged =
            maildir.stage(&inbox, &Flags::default(), &message, &[]).expect("room for it");
        let path = staged.commit().expect("stored");
        staged.keep();
        path
    });
}
