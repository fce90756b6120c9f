//! A list and addresses, separated by a line `--`: the index beside a big list gives the
//! same answers as the list itself.

#![no_main]

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use libfuzzer_sys::fuzz_target;
use mfilter::rules::address_list::AddressList;
use mfilter::state::list_index;
use mfilter::user::User;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let (list, asked) = text.split_once("\n--\n").unwrap_or((&text, ""));
    // Lists below 64 KB have no index.
    let mut list = format!("{list}\n");
    let _ = writeln!(list, "#{}", "x".repeat(64 << 10));
    let plain = AddressList::parse(&list);
    let _ = AddressList::check_patterns(&list);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("list");
    std::fs::write(&path, &list).expect("a list");
    let later = SystemTime::now() + Duration::from_secs(10);
    let user = User::at(folder.path());
    let (_, seen) = list_index::open(&user, user.bounds(), &path);
    list_index::make(&user, &path, &plain, seen, later).expect("an index");
    let (indexed, _) = list_index::open(&user, user.bounds(), &path);
    assert_eq!(
        indexed.is_some(),
        plain.keys().is_some_and(|keys| keys.iter().all(|k| k.len() < 65536))
    );
    let Some(indexed) = indexed else { return };
    let short = |line: &&str| line.len() < 1000;
    for address in asked.lines().chain(list.lines().take(40)).filter(short) {
        assert_eq!(indexed.matches(address), plain.matches(address), "{address:?}");
        assert_eq!(indexed.matches_domain(address), plain.matches_domain(address), "{address:?}");
        assert_eq!(indexed.matches_text(address), plain.matches_text(address), "{address:?}");
    }
});
