//! `mfilter lmtp` with more users than it can keep data of: its memory does not grow
//! with their number. Prints the memory of front and workers.

#![allow(clippy::print_stderr, reason = "it prints figures")]

use std::fs;

use crate::support::lmtp_site::{Site, children, wire};
use crate::support::{long, mail};

/// The memory of processes, in kB: with each one's share of what they have in common with
/// others, and without the files that they map, whose share depends on who else runs.
#[derive(Clone, Copy, Default)]
struct Memory {
    shared: u64,
    own: u64,
}

impl Memory {
    fn of(pids: impl IntoIterator<Item = u32>) -> Memory {
        pids.into_iter().fold(Memory::default(), |sum, pid| {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
            let number = |name: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(name))?;
                line.split_whitespace().next()?.parse::<u64>().ok()
            };
            let number = |name| number(name).unwrap_or(0);
            Memory { shared: sum.shared + number("Pss:"), own: sum.own + number("Anonymous:") }
        })
    }

    fn max(self, other: Memory) -> Memory {
        Memory { shared: self.shared.max(other.shared), own: self.own.max(other.own) }
    }
}

/// Users in turn, each of whom gets one message; memory is measured on the way.
#[test]
fn memory_does_not_grow_with_users() {
    let counts = if long() { [1_000, 10_000, 100_000] } else { [100, 200, 400] };
    let mut site = Site::new();
    site.start(&["--workers", "4"]);
    let front = site.server.as_ref().expect("it runs").id();
    let mut client = site.connect();
    let mut used = Vec::new();
    let mut sum = Memory::default();
    eprintln!("| users | front, MB | workers together, MB |\n|--:|--:|--:|");
    for user in 0..counts[2] {
        let name = format!("u{user}");
        let rules: String = (0..10)
            .map(|rule| format!("when subject contains \"{rule}x{user}\" -> folder \"F{rule}\"\n"))
            .collect();
        site.user(&name, &rules);
        let message = format!("Subject: 7x{user}\nMessage-ID: <{user}@x>\n\nhi\n");
        let address = format!("{name}@a.example");
        let answers = client.deliver(&[&address], &wire(message.as_bytes())).expect("answered");
        assert!(answers[0].starts_with("250"), "{answers:?}");
        if user % 97 == 0 {
            let folder = &mail(&site.maildir(&name))[0].folder;
            assert_eq!(folder, ".F7", "{name}");
        }
        // A new worker holds little, so the largest of several samples counts.
        let looks = counts.iter().any(|count| user < *count && user + count / 10 >= *count);
        if looks && user % 10 == 9 {
            sum = sum.max(Memory::of(children(front)));
        }
        if counts.contains(&(user + 1)) {
            let front = Memory::of([front]);
            used.push(front.own + sum.own);
            let megabytes = |kilobytes: u64| kilobytes as f64 / 1024.0;
            eprintln!(
                "| {} | {:.1} | {:.1} |",
                user + 1,
                megabytes(front.shared),
                megabytes(sum.shared)
            );
            sum = Memory::default();
        }
        // A user's files are not needed any more, and would fill the disk.
        fs::remove_dir_all(site.home(&name)).expect("removed");
        let state = site.path("state").join(&name);
        let _ = fs::remove_dir_all(state);
    }
    site.stop();
    // Debug builds and allocators vary.
    assert!(used[2] <= used[1] * 5 / 4 + 4096, "{used:?} kB");
}
