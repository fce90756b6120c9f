//! The provider's filter and the user's switch, with the whole program: every
//! combination of words, what is delivered, whose site rules are believed, and that off
//! means off.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::support;
use crate::support::measured::deliver;
use crate::support::{Home, skipped};
use mfilter::evaluate::{self, Detail, NoFilters};
use mfilter::load;
use mfilter::message::Message;
use mfilter::rules::compiled::CompiledProgram;
use mfilter::rules::rule_set::RuleSet;
use mfilter::rules::switch::SwitchChoices;
use mfilter::world::World;
use proptest::prelude::*;

const SITE: &str = r#"category "spam" {
    isp-label subject "[SPAM]"
    isp-label header "X-Spam-*"
    rule "scored" when spam-score >= 6 -> folder "Junk" as seen
}
category "virus" mandatory {
    rule "found" when virus -> folder "Quarantine"
}
"#;

const SPAM: &str = "Received: from x by mx.example.jp; Thu, 24 Dec 2026 10:00:00 +0000\n\
    X-Spam-Flag: YES\nX-Spam-Status: Yes, score=7.1\n\
    X-Mfilter-Site: category=\"spam\"; rule=\"none\"; action=\"inbox\"\n\
    From: a@shop.example\nTo: taro@example.jp\nSubject: [SPAM] buy\nMessage-ID: <1@shop.example>\n\n\
    X-Spam-Flag: stays in the body\n";

/// The same message as it was sent.
const UNMARKED: &str = "Received: from x by mx.example.jp; Thu, 24 Dec 2026 10:00:00 +0000\n\
    From: a@shop.example\nTo: taro@example.jp\nSubject: buy\nMessage-ID: <1@shop.example>\n\n\
    X-Spam-Flag: stays in the body\n";

fn site_file(home: &Home, rules: &str) -> String {
    home.write("site.mailrules", rules);
    let path = home.path().join("site.mailrules");
    fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("set");
    path.display().to_string()
}

fn is_root(test: &str) -> bool {
    !skipped(test, &[], true)
}

/// Folder and text of the only message.
fn only(home: &Home) -> (String, String) {
    let mail = home.mail();
    assert_eq!(mail.len(), 1, "{mail:?}");
    (mail[0].folder.clone(), mail[0].text())
}

/// `BLESS=1 cargo test --test it isp_filter` writes the table.
#[test]
fn every_combination_of_default_rules_command_and_mandatory() {
    if !is_root("the table of all combinations") {
        return;
    }
    let mut table = String::from("default  mandatory  rules           command    spam goes to\n");
    for default in ["-", "on", "off"] {
        for mandatory in [false, true] {
            for rules in ["-", "on", "off", "spam on", "spam off", "off, spam on", "on, spam off"] {
                for command in ["-", "on", "off", "spam on", "spam off", "off spam on"] {
                    let folder = combination(default, mandatory, rules, command);
                    let yes = if mandatory { "yes" } else { "no" };
                    table += &format!("{default:7}  {yes:9}  {rules:14}  {command:11}  {folder}\n");
                }
            }
        }
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/isp-filter.table");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&golden, &table).expect("writable");
    }
    assert_eq!(table, fs::read_to_string(&golden).expect("is there"));
}

/// Where spam is filed: evaluated here, not with a process for each case.
fn combination(default: &str, mandatory: bool, rules: &str, command: &str) -> String {
    let word = if mandatory { " mandatory" } else { "" };
    let site = match default {
        "-" => String::new(),
        default => format!("isp-filter default {default}\n"),
    };
    let site = format!("{site}category \"spam\"{word} {{ when spam -> folder \"Junk\" }}\n");
    let home = Home::new();
    let path = site_file(&home, &site);
    let rules = match rules {
        "-" => String::new(),
        rules => format!("isp-filter {rules}\n"),
    };
    let mut words = SwitchChoices::default();
    let mut words_left = command.split(' ').filter(|word| *word != "-");
    while let Some(word) = words_left.next() {
        match word {
            "on" | "off" => words.whole = Some(word == "on"),
            category => words.set(category, words_left.next() == Some("on")),
        }
    }
    let (plan, _) = run(Some(Path::new(&path)), &rules, &words, SPAM.as_bytes());
    match plan.last().map(String::as_str) {
        Some("folder \"Junk\"") => "Junk".into(),
        Some(other) => other.into(),
        None => "nowhere".into(),
    }
}

/// The plan in words and the delivered bytes. Without `site`, as if no filter were
/// known.
fn run(
    site: Option<&Path>,
    rules: &str,
    words: &SwitchChoices,
    message: &[u8],
) -> (Vec<String>, Vec<u8>) {
    let compiled = |checked: mfilter::rules::check::CheckResult| {
        let program = checked.program.unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
        CompiledProgram::new(program)
    };
    let mut load = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
    let (_, checked) = load::check_bytes(Path::new("/rules"), rules.as_bytes(), None, &mut load);
    let user = compiled(checked);
    let site = site.map(|path| compiled(load::site::check(path).expect("is there").1));
    let rules = RuleSet::new(user, site, words);
    let world = World { now: Some(jiff::Timestamp::UNIX_EPOCH), ..World::default() };
    let message = Message::from_bytes(message.to_vec());
    let run = evaluate::run(&rules, message, &world, Detail::Plan, &mut NoFilters);
    let (steps, message) = (run.evaluation.plan.steps, run.message);
    let plan = steps.iter().map(|step| step.kind.sentence()).collect();
    let mut file = tempfile::tempfile().expect("a file");
    message.write_to(&[], &mut file).expect("written");
    let mut bytes = Vec::new();
    std::io::Seek::rewind(&mut file).expect("rewound");
    std::io::Read::read_to_end(&mut file, &mut bytes).expect("read");
    (plan, bytes)
}

#[test]
fn what_a_site_rule_did_is_in_the_message_and_in_the_log() {
    if !is_root("site rules") {
        return;
    }
    let home = Home::with_rules("otherwise -> folder \"Mine\"\n");
    let site = site_file(&home, SITE);
    let run = home.run(&["--site", &site], SPAM.as_bytes());
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    let (folder, text) = only(&home);
    assert_eq!(folder, ".Junk");
    let choices =
        "X-Mfilter-Site: category=\"spam\"; rule=\"scored\"; action=\"folder Junk as seen\"\n";
    assert_eq!(text.matches("X-Mfilter-Site").count(), 1, "the forged one is gone: {text}");
    let unfolded = text.replace("\n ", " ");
    assert!(unfolded.contains(choices), "{text}");
    assert!(text.contains("X-Spam-Flag: YES\n") && text.contains("Subject: [SPAM] buy\n"));
    let log = fs::read_to_string(home.path().join(".local/state/mfilter/log")).expect("a log");
    assert!(log.contains("site.mailrules:4\" label=\"scored\" category=\"spam\""), "{log}");
}

#[test]
fn off_delivers_what_was_sent_byte_for_byte() {
    if !is_root("site rules") {
        return;
    }
    for rules in ["isp-filter off\n", ""] {
        let home = Home::with_rules(&format!("{rules}when has subject -> folder \"Mine\"\n"));
        let site = site_file(&home, SITE);
        if rules.is_empty() {
            let run = home.run(&["isp-filter", "--site", &site, "off"], b"");
            assert_eq!(run.code, Some(0), "{}", run.stderr);
        }
        home.run(&["--site", &site], SPAM.as_bytes());
        assert_eq!(only(&home), (".Mine".into(), UNMARKED.into()));
    }
}

#[test]
fn off_counts_with_rules_that_cannot_be_used() {
    if !is_root("site rules") {
        return;
    }
    let home = Home::with_rules("isp-filter off\nwhen subject frobs -> folder \"Mine\"\n");
    let site = site_file(&home, SITE);
    home.run(&["--site", &site], SPAM.as_bytes());
    let mail = home.mail();
    let spam = mail.iter().find(|mail| mail.text().contains("shop.example")).expect("is there");
    assert_eq!((spam.folder.as_str(), spam.text()), ("", UNMARKED.into()));
}

#[test]
fn a_switch_that_others_can_write_is_ignored_and_logged() {
    if !is_root("site rules") {
        return;
    }
    let home = Home::new();
    let site = site_file(&home, SITE);
    home.write(".config/mfilter/isp-filter", "off\n");
    let choices = home.path().join(".config/mfilter/isp-filter");
    fs::set_permissions(&choices, Permissions::from_mode(0o666)).expect("set");
    home.run(&["--site", &site], SPAM.as_bytes());
    assert_eq!(only(&home).0, ".Junk");
    let log = fs::read_to_string(home.path().join(".local/state/mfilter/log")).expect("a log");
    assert!(log.contains("mfilter/isp-filter is not read: "), "{log}");
}

#[test]
fn a_mandatory_category_runs_whatever_the_user_says() {
    if !is_root("site rules") {
        return;
    }
    let home = Home::with_rules(
        "isp-filter off, virus off\nlist black [\"@shop.example\"]\notherwise -> discard\n",
    );
    let site = site_file(&home, SITE);
    let infected = SPAM.replace("X-Spam-Flag: YES", "X-Virus-Status: Infected (Eicar)");
    home.run(&["--site", &site], infected.as_bytes());
    let (folder, text) = only(&home);
    assert_eq!(folder, ".Quarantine");
    assert!(text.contains("Subject: buy\n"), "the spam mark is gone nonetheless: {text}");
    assert!(text.contains("category=\"virus\""), "{text}");
}

/// What can happen to a file of site rules, and what the log says about it.
type Spoiled = (fn(&Path), &'static str);

fn open_to_others(path: &Path) {
    fs::set_permissions(path, Permissions::from_mode(0o666)).expect("set");
}

fn of_another_owner(path: &Path) {
    std::os::unix::fs::chown(path, Some(12_345), None).expect("set");
}

fn broken(path: &Path) {
    fs::write(path, "category \"spam\" { when frobs -> }\n").expect("set");
}

fn gone(path: &Path) {
    fs::remove_file(path).expect("gone");
}

fn dangling(path: &Path) {
    gone(path);
    std::os::unix::fs::symlink("nowhere", path).expect("made");
}

const UNSAFE_OR_BROKEN: [Spoiled; 3] = [
    (open_to_others, "writable by others"),
    (of_another_owner, "does not belong to root"),
    (broken, "have a mistake"),
];
const GONE: [Spoiled; 2] = [(gone, "No such file"), (dangling, "nowhere, which does not exist")];

fn log_of(home: &Home) -> String {
    fs::read_to_string(home.path().join(".local/state/mfilter/log")).expect("a log")
}

#[test]
fn site_rules_that_are_not_roots_alone_or_broken_cost_no_mail() {
    if !is_root("site rules") {
        return;
    }
    for (spoil, why) in UNSAFE_OR_BROKEN {
        let home = Home::with_rules("when spam -> folder \"Mine\"\n");
        let site = site_file(&home, SITE);
        spoil(Path::new(&site));
        let run = home.run(&["--site", &site], SPAM.as_bytes());
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{why}");
        assert_eq!(only(&home), (".Mine".into(), SPAM.into()), "{why}");
        let log = log_of(&home);
        assert!(log.contains(" note text=\"site rules ") && log.contains(why), "{why}: {log}");
        assert!(log.contains("are not used"), "{why}: {log}");
    }
}

#[test]
fn mail_waits_for_site_rules_that_the_call_names() {
    if !is_root("site rules") {
        return;
    }
    for (spoil, why) in GONE {
        let home = Home::with_rules("when spam -> folder \"Mine\"\n");
        let site = site_file(&home, SITE);
        spoil(Path::new(&site));
        for (arguments, code) in [(&["--site", &site][..], 75), (&["judge", "--site", &site], 2)] {
            let run = home.run(arguments, SPAM.as_bytes());
            assert_eq!((run.code, run.stdout.as_str()), (Some(code), ""), "{why}: {run:?}");
            let reason = "site.mailrules cannot be read now: ";
            assert!(run.stderr.contains(reason) && run.stderr.contains(why), "{why}: {run:?}");
        }
        assert!(home.mail().is_empty(), "{why}");
        // The retry.
        let _ = fs::remove_file(&site);
        site_file(&home, SITE);
        assert_eq!(home.run(&["--site", &site], SPAM.as_bytes()).code, Some(0), "{why}");
        assert_eq!(only(&home).0, ".Junk", "{why}");
    }
}

/// Mandatory is mandatory: what root has kept is in use whatever is wrong with the file.
#[test]
fn kept_rules_are_in_use_while_their_file_cannot_be() {
    if !is_root("site rules") {
        return;
    }
    for (spoil, why) in UNSAFE_OR_BROKEN.into_iter().chain(GONE) {
        let home = Home::with_rules("isp-filter off\nwhen spam -> folder \"Mine\"\n");
        let site = site_file(&home, SITE);
        let check = home.run(&["check", "--site", &site, "--keep"], b"");
        assert_eq!(check.code, Some(0), "{}", check.stdout);
        spoil(Path::new(&site));
        let infected = SPAM.replace("X-Spam-Flag: YES", "X-Virus-Status: Infected (Eicar)");
        let run = home.run(&["--site", &site], infected.as_bytes());
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{why}");
        assert_eq!(only(&home).0, ".Quarantine", "{why}");
        let log = log_of(&home);
        let note = log.lines().find(|line| line.contains(" note text=\"site rules "));
        let note = note.unwrap_or_else(|| panic!("{why}: {log}"));
        assert!(note.contains(why), "{note}");
        assert!(note.contains("still using the last valid version"), "{note}");
    }
}

#[test]
fn rules_that_root_has_kept_still_apply_and_no_others() {
    if !is_root("site rules") {
        return;
    }
    let home = Home::new();
    let site = site_file(&home, SITE);
    let kept = PathBuf::from(format!("{site}.kept"));
    let check = home.run(&["check", "--site", &site, "--keep"], b"");
    assert_eq!(check.code, Some(0), "{}", check.stdout);
    assert_eq!(fs::metadata(&kept).expect("kept").permissions().mode() & 0o777, 0o644);
    let deliver = || {
        let _ = fs::remove_dir_all(home.path().join("Maildir"));
        let run = home.run(&["--site", &site], SPAM.as_bytes());
        assert_eq!(run.code, Some(0));
        only(&home).0
    };
    assert_eq!(deliver(), ".Junk");
    fs::write(&site, "category \"spam\" { when frobs -> }\n").expect("written");
    let check = home.run(&["check", "--site", &site, "--keep"], b"");
    assert_eq!(check.code, Some(1));
    assert_eq!(deliver(), ".Junk", "the last valid ones");
    let shown = home.run(&["isp-filter", "--site", &site], b"").stdout;
    assert!(shown.contains("still using the last valid version"), "{shown}");
    fs::set_permissions(&kept, Permissions::from_mode(0o646)).expect("set");
    assert_eq!(deliver(), "", "what others can write is not believed");
    fs::set_permissions(&kept, Permissions::from_mode(0o644)).expect("set");
    fs::write(&site, "category \"spam\" { when spam -> folder \"New\" }\n").expect("written");
    assert_eq!(deliver(), ".New", "an edit counts at once");
    // Nothing of the site rules is in the home.
    let cache = home.path().join(".cache/mfilter");
    assert!(fs::read_dir(cache).map_or(0, |files| files.count()) <= 1);
}

#[test]
fn users_keep_lists_of_their_own_for_site_rules() {
    if !is_root("site rules") {
        return;
    }
    let site = "list white \"~/white\"\n\
        category \"spam\" { when spam and not from in white -> folder \"Junk\" }\n";
    for (white, folder) in [(None, ".Junk"), (Some("@shop.example\n"), "")] {
        let home = Home::new();
        let site = site_file(&home, site);
        if let Some(white) = white {
            home.write("white", white);
        }
        home.run(&["--site", &site], SPAM.as_bytes());
        assert_eq!(only(&home).0, folder, "{white:?}");
        assert_eq!(home.run(&["check", "--site", &site], b"").stdout, "");
    }
}

#[test]
fn the_command_shows_what_is_in_force_and_says_where_it_is_overruled() {
    if !is_root("site rules") {
        return;
    }
    let home = Home::new();
    let site = site_file(&home, SITE);
    let command = |words: &[&str]| {
        let run = home.run(&[&["isp-filter", "--site", &site], words].concat(), b"");
        (run.code, run.stdout, run.stderr)
    };
    let (code, shown, _) = command(&[]);
    assert_eq!(code, Some(0));
    for part in [
        "spam: on (by default)\n",
        "    scored: puts it into the folder \"Junk\", marked seen when spam-score >= 6\n",
        "virus: on (mandatory)\n",
        "    marks, removed while it is off: \"[SPAM]\" in front of the subject, the header X-Spam-*\n",
    ] {
        assert!(shown.contains(part), "{part:?} in\n{shown}");
    }
    let (code, shown, _) = command(&["spam", "off,", "virus", "on"]);
    assert_eq!(code, Some(0));
    assert!(shown.contains("spam: off (by `mfilter isp-filter`; by default on)"), "{shown}");
    let choices = home.path().join(".config/mfilter/isp-filter");
    assert!(fs::read_to_string(&choices).expect("kept").ends_with("\noff spam\non virus\n"));
    home.write(".mailrules", "isp-filter spam off\n");
    let (code, shown, stderr) = command(&["on"]);
    assert_eq!(code, Some(1), "{shown}");
    assert!(
        stderr.contains("`spam` stays off by ") && stderr.contains(".mailrules, line 1, which"),
        "{stderr}"
    );
    assert!(shown.contains("spam: off (by ~/.mailrules, line 1; command on"), "{shown}");
    let bare = home.run(&["isp-filter"], b"").stdout;
    assert!(
        bare.ends_with("there are no site rules\n\neverything: on (by `mfilter isp-filter`)\n"),
        "{bare}"
    );
    assert_eq!(fs::read_to_string(&choices).expect("kept").lines().count(), 2);
    let (code, json, _) = command(&["--json", "default"]);
    assert_eq!(code, Some(0));
    assert!(!choices.exists());
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    // The mandatory one comes first because it runs first.
    let spam = &json["categories"][1];
    assert_eq!((&spam["on"], &spam["rules"]), (&false.into(), &false.into()), "{json}");
    assert_eq!((&spam["command"], &spam["mandatory"]), (&serde_json::Value::Null, &false.into()));
    for (words, why) in [
        (&["spma", "off"][..], "did you mean `spam`?"),
        (&["virus", "off"], "mandatory"),
        (&["spam"], "write `spam on`"),
    ] {
        let (code, _, stderr) = command(words);
        assert_eq!(code, Some(2));
        assert!(stderr.contains(why), "{stderr}");
    }
}

#[test]
fn the_command_speaks_japanese_except_to_programs() {
    if !is_root("site rules") {
        return;
    }
    let home = Home::with_rules("isp-filter spam off\n");
    let more = "category \"news\" { when bulk { when subject is \"a\" -> copy \"A\"\n\
                otherwise -> reject \"5.7.1 no\" } }\n";
    let site = site_file(&home, &format!("{SITE}{more}"));
    let command = |words: &[&str]| {
        let mut command = home.command(&[&["isp-filter", "--site", &site], words].concat());
        command.env("LANG", "ja_JP.UTF-8");
        let run = support::run(command, b"");
        (run.stdout, run.stderr)
    };
    let (shown, told) = command(&["on"]);
    let expected = format!(
        "\
サイトルール {site}（既定値は on）

virus: on (必須)
    found: virus のとき、フォルダー \"Quarantine\" に入れます
spam: off (~/.mailrules の 1 行目の指定; コマンドの指定は on; 既定値は on)
    scored: spam-score >= 6 のとき、seen を付けて、フォルダー \"Junk\" に入れます
    取り除かれる目印: 件名の前の \"[SPAM]\", ヘッダー X-Spam-*
news: on (`mfilter isp-filter` による)
    bulk、さらに subject is \"a\" のとき、フォルダー \"A\" にコピーを入れます
    bulk、さらに 先のルールがどれも当てはまらない のとき、受け取りを拒否し、差出人に知らせます
"
    );
    assert_eq!(shown, expected);
    assert!(told.contains("`spam` は off のままです。"), "{told}");
    let (_, told) = command(&["spma", "off"]);
    assert!(told.contains("カテゴリー `spma` はありません。`spam` ではありませんか？"), "{told}");
    let (_, told) = command(&["virus", "off"]);
    assert!(told.contains("カテゴリー `virus` は必須なので、"), "{told}");
    let (json, _) = command(&["--json"]);
    assert!(json.contains("puts it into the folder \\\"Junk\\\", marked seen when "), "{json}");
    assert!(json.is_ascii(), "{json}");
}

/// 1,000 lines of site rules do not burden each of many deliveries.
#[test]
fn large_site_rules_are_laid_out_once() {
    if !is_root("site rules") {
        return;
    }
    let mut rules = String::from("category \"spam\" {\n");
    for number in 0..1_000 {
        rules += &format!(
            "    when subject contains \"word {number}\" and from.domain is \"s{number}.example\" -> folder \"Junk\"\n"
        );
    }
    rules += "    when spam -> folder \"Junk\"\n}\n";
    let home = Home::new();
    let site = site_file(&home, &rules);
    let time = || (0..5).map(|_| deliver(&home, SPAM.as_bytes(), &["--site", &site]).time).min();
    let checked = time().expect("five");
    let keep = home.run(&["check", "--site", &site, "--keep"], b"");
    assert_eq!(keep.code, Some(0), "{}", keep.stdout);
    let kept = time().expect("five");
    assert!(kept < checked, "{kept:?} of processor time, before it was kept {checked:?}");
    let mail = home.mail();
    assert!(mail.len() == 10 && mail.iter().all(|mail| mail.folder == ".Junk"));
    let mut size = 0;
    let mut folders = vec![home.path().join(".cache"), home.path().join(".config")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                size += fs::metadata(path).expect("is there").len();
            }
        }
    }
    assert_eq!(size, 0, "nothing in the home of a user who said nothing");
}

/// What SpamAssassin does to a message, in each of its three ways, is undone; the
/// message is what it was.
#[test]
fn what_spamassassin_did_is_undone_byte_for_byte() {
    const SPAMASSASSIN: &str = "/usr/bin/spamassassin";
    if skipped("marks of a real SpamAssassin", &[SPAMASSASSIN], false) {
        return;
    }
    let message = "Received: from shop.example (shop.example [192.0.2.7]) by mx.example.jp; \
        Thu, 24 Dec 2026 10:00:00 +0000\nFrom: Shop <a@shop.example>\nTo: taro@example.jp\n\
        Subject: =?ISO-2022-JP?B?GyRCRnxLXBsoQg==?= offer\n\
        Date: Thu, 24 Dec 2026 10:00:00 +0000\nMessage-ID: <1@shop.example>\n\n\
        XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\n\n";
    for way in ["0", "1", "2"] {
        let home = Home::with_rules(
            "isp-filter off\nisp-label subject \"*****SPAM*****\"\nisp-label header \"X-Spam-*\"\n",
        );
        let mut filter = std::process::Command::new(SPAMASSASSIN);
        filter.args(["-L", "-x", "--cf=rewrite_header Subject *****SPAM*****"]);
        filter.arg(format!("--cf=report_safe {way}")).env("HOME", home.path());
        let marked = support::run(filter, message.as_bytes()).stdout;
        assert!(marked.contains("Subject: *****SPAM*****"), "{marked}");
        assert_eq!(marked.contains("x-spam-type=original"), way != "0", "{marked}");
        assert_eq!(home.deliver(marked.as_bytes()).code, Some(0));
        assert_eq!(only(&home), (String::new(), message.to_owned()), "report_safe {way}");
    }
}

// --- off is off, for any message and any rules -------------------------------

/// A message that no filter has marked.
fn unmarked() -> impl Strategy<Value = Vec<u8>> {
    let subject = prop_oneof![
        "[ -~]{0,40}".prop_map(|text| format!(" {}", text.trim_start())),
        "(Re: |Fwd: |\\[list\\] ){0,3}[a-z]{1,8}".prop_map(|text| format!(" {text}")),
        Just(" =?ISO-2022-JP?B?GyRCRnxLXBsoQg==?= x".to_owned()),
        Just(" =?utf-8?Q?gr=C3=BCn?=\n =?utf-8?Q?_und_blau?=".to_owned()),
        Just(" こんにちは".to_owned()),
        Just("\n folded".to_owned()),
    ];
    let header = prop_oneof![
        3 => subject.prop_map(|subject| format!("Subject:{subject}")),
        1 => "From: [a-z]{1,5}@[a-z]{1,5}\\.example",
        1 => Just("X-Mfilter-Site: forged".to_owned()),
        1 => Just("X-Spamd-Bar: ++".to_owned()),
        1 => Just("Content-Type: multipart/mixed; boundary=b".to_owned()),
        1 => "[A-Z][a-z]{1,6}: [ -~]{0,20}",
        1 => Just("no header at all".to_owned()),
    ];
    let crlf = any::<bool>();
    (prop::collection::vec(header, 1..7), "[ -~\n]{0,60}|--b\n\nx\n--b--\n", crlf)
        .prop_map(|(headers, body, crlf)| {
            let text = format!("Date: x\n{}\n\n{body}", headers.join("\n"));
            let text = if crlf { text.replace('\n', "\r\n") } else { text };
            text.into_bytes()
        })
        .prop_filter("it has no mark", |text| {
            let lower = String::from_utf8_lossy(text).to_lowercase();
            !lower.contains("[spam]") && !lower.contains("x-spam-")
        })
}

/// The same, marked as gateways do it.
fn marked(message: &[u8], mark: &str, verdicts: usize) -> Vec<u8> {
    let text = String::from_utf8(message.to_vec()).expect("UTF-8");
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let (head, body) = text.split_once(&format!("{end}{end}")).expect("an empty line");
    let mut lines: Vec<String> = head
        .split(end)
        .map(|line| match line.strip_prefix("Subject: ") {
            Some(rest) if !mark.is_empty() => format!("Subject: {mark} {rest}"),
            _ => line.to_owned(),
        })
        .collect();
    let all = ["X-Spam-Flag: YES", "X-Spam-Status: Yes, score=9.9", "X-Spam-Level: *********"];
    for (number, verdict) in all.iter().take(verdicts).enumerate() {
        lines.insert(number.min(lines.len()), (*verdict).to_owned());
    }
    format!("{}{end}{end}{body}", lines.join(end)).into_bytes()
}

fn rules() -> impl Strategy<Value = String> {
    let condition = prop::sample::select(vec![
        "spam",
        "not spam",
        "has header \"X-Spam-Flag\"",
        "header \"X-Spam-Status\" contains \"score\"",
        "spam-score > 3",
        "subject contains \"[spam]\"",
        "subject matches /^(.*)x/",
        "subject starts \"re\"",
        "size > 200",
        "size < 100",
        "has header \"X-Mfilter-Site\"",
        "attachments > 0",
        "from.domain like \"*.example\"",
        "body contains \"a\"",
    ]);
    let action = prop::sample::select(vec![
        "folder \"A\" as seen",
        "folder \"{subject}\"",
        "copy \"{size}\"",
        "mark flagged",
        "discard",
        "inbox",
        "add-header \"X-Size\" \"{size}\"",
        "log \"{header:X-Spam-Flag}\"",
    ]);
    let action = action.prop_filter("known inserts", |action| !action.contains("{header"));
    prop::collection::vec((condition, action), 0..6).prop_map(|rules| {
        let lines =
            rules.iter().map(|(condition, action)| format!("when {condition} -> {action}\n"));
        lines.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn off_is_off(
        message in unmarked(),
        rules in rules(),
        mark in prop::sample::select(vec!["", "[SPAM]", "[spam]", "[SPAM] [Spam]"]),
        verdicts in 0usize..4,
        by_rules in any::<bool>(),
    ) {
        if is_root("the property that off is off") {
            let home = Home::new();
            let site = site_file(
                &home,
                "isp-label subject \"[SPAM]\"\nisp-label header \"X-Spam-*\"\n\
                 category \"spam\" { when spam -> folder \"Junk\" }\n\
                 category \"more\" { mark flagged, add-header \"X-Seen\" \"y\", copy \"C\" }\n",
            );
            let (switched, words) = match by_rules {
                true => (format!("isp-filter off\n{rules}"), SwitchChoices::default()),
                false => (rules.clone(), SwitchChoices { whole: Some(false), categories: Vec::new() }),
            };
            let marked = marked(&message, mark, verdicts);
            let off = run(Some(Path::new(&site)), &switched, &words, &marked);
            let without = run(None, &rules, &SwitchChoices::default(), &message);
            prop_assert_eq!(&off.0, &without.0);
            prop_assert_eq!(String::from_utf8_lossy(&off.1), String::from_utf8_lossy(&without.1));
        }
    }
}
