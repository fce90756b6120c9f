//! The rooms of `docs/ARCHITECTURE.md` are those of the code, in the same
//! order, and none uses one that stands below it.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn no_room_uses_one_that_stands_below_it() {
    let rooms = rooms();
    let mut wrong = Vec::new();
    for (number, room) in rooms.iter().enumerate() {
        for file in files_of(room) {
            let text = fs::read_to_string(&file).expect("UTF-8");
            for (at, line) in text.lines().enumerate() {
                if line.trim_start().starts_with("//") {
                    continue;
                }
                for used in rooms.iter().skip(number + 1).filter(|used| uses(line, used)) {
                    wrong.push(format!("{}:{}: {room} uses {used}", file.display(), at + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_map_shows_the_rooms() {
    let map = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).expect("is there");
    let shown: Vec<&str> = map
        .lines()
        .skip_while(|line| *line != "| room | what lives there |")
        .skip(2)
        .map_while(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    assert_eq!(rooms(), shown);
}

/// A room, or a part of one, is a file or a folder with a `mod.rs`.
#[test]
fn no_file_stands_beside_a_folder_of_its_name() {
    let mut wrong = Vec::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("it is there") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                let file = path.with_extension("rs");
                wrong.extend(file.exists().then_some(file));
                folders.push(path);
            }
        }
    }
    assert_eq!(wrong, Vec::<PathBuf>::new());
}

/// `crate::file` cannot wait for a FIFO or a device; whatever opens otherwise can.
#[test]
fn files_are_opened_by_the_one_helper() {
    const OTHERS: [&str; 10] = [
        "OpenOptions",
        "File::open(",
        "File::create",
        "File::options(",
        "fs::read(",
        "fs::read_to_string(",
        "fs::write(",
        "fs::copy(",
        "openat(",
        " open(",
    ];
    // Directories, and what `O_EXCL` makes; paths that a user names on the
    // command line may be a shell's `<(...)`, which is worth waiting for.
    const MAY: [(&str, &str); 6] = [
        ("src/maildir/dot_lock.rs", "openat("),
        ("src/maildir/quota.rs", "openat(root, &new"),
        ("src/maildir/store.rs", "openat("),
        ("src/maildir/store.rs", " open("),
        ("src/maildir/keywords.rs", "openat("),
        ("src/mailbox/walk.rs", "File::open(&path).map_err(|error| Failure::new(\"open\""),
    ];
    let mut wrong = Vec::new();
    for room in rooms().iter().filter(|room| *room != "file") {
        for file in files_of(room) {
            let path = file.strip_prefix(root()).expect("it is inside").display().to_string();
            let text = fs::read_to_string(&file).expect("UTF-8");
            let tests = text.find("#[cfg(test)]").unwrap_or(text.len());
            for (at, line) in text.get(..tests).unwrap_or("").lines().enumerate() {
                let code = line.split("//").next().unwrap_or("");
                let own = code.contains("fn open(") || code.contains("file::open(");
                // A function or a closure of the file's own.
                let own = own
                    || (text.contains("fn open(") || text.contains("let open = "))
                        && !code.contains("openat(")
                        && code.contains(" open(");
                let may = MAY.iter().any(|(of, what)| *of == path && code.contains(what));
                let opens = OTHERS.iter().any(|other| code.contains(other));
                if opens && !own && !may && !code.trim_start().starts_with("use ") {
                    wrong.push(format!("{path}:{}: {}", at + 1, code.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `crate::room`, also among others: `crate::{room, …}`.
fn uses(line: &str, room: &str) -> bool {
    line.match_indices("crate::").any(|(at, found)| {
        let rest = &line[at + found.len()..];
        let names =
            rest.strip_prefix('{').map_or(rest, |rest| rest.split('}').next().unwrap_or(rest));
        let count = if rest.starts_with('{') { usize::MAX } else { 1 };
        names
            .split(',')
            .take(count)
            .any(|name| name.trim().split([':', ';', ' ', ')']).next() == Some(room))
    })
}

/// In the order of `lib.rs`.
fn rooms() -> Vec<String> {
    let lib = fs::read_to_string(root().join("src/lib.rs")).expect("is there");
    lib.lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .map(str::to_owned)
        .collect()
}

fn files_of(room: &str) -> Vec<PathBuf> {
    let file = root().join("src").join(format!("{room}.rs"));
    if file.exists() {
        return vec![file];
    }
    let mut found = Vec::new();
    let mut folders = vec![root().join("src").join(room)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the room is there") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
