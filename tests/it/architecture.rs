//! The rooms of `docs/ARCHITECTURE.md` are those of the code, in the same order, and
//! none uses one below it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn no_room_uses_a_room_below_it() {
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

/// A room, or a part of one, is either a file or a folder with a `mod.rs`.
#[test]
fn no_file_is_beside_a_folder_of_its_name() {
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

/// A reader who has met a name once knows what it means everywhere.
#[test]
fn a_type_name_is_used_once() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for room in rooms() {
        for file in files_of(&room) {
            let text = fs::read_to_string(&file).expect("UTF-8");
            let code = text.lines().take_while(|line| *line != "mod tests {");
            for (at, line) in code.enumerate() {
                places.entry(type_of(line).to_owned()).or_default().push(format!(
                    "{}:{}",
                    file.display(),
                    at + 1
                ));
            }
        }
    }
    places.remove("");
    assert!(places.len() > 300, "types are found: {}", places.len());
    places.retain(|_, places| places.len() > 1);
    assert_eq!(places, BTreeMap::new());
}

/// The type that a line declares; empty if there is none.
fn type_of(line: &str) -> &str {
    // A trait's `type`, which is indented, has its name from the trait.
    let words = line.split([' ', '<', '(', '{', ';', ':']);
    let mut words = words
        .skip_while(|word| word.starts_with("pub") || ["super)", "crate)", "in"].contains(word));
    match words.next() {
        Some("struct" | "enum" | "trait" | "union" | "type") => words.next().unwrap_or_default(),
        _ => "",
    }
}

/// `crate::file` cannot wait for a FIFO or a device; other ways of opening a file can.
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
    // Directories, and files created with `O_EXCL`; paths that a user names on the
    // command line may be a shell's `<(...)`, for which it is worth waiting.
    const MAY: [(&str, &str); 8] = [
        ("src/platform.rs", "openat("),
        ("src/maildir/dot_lock.rs", "openat("),
        ("src/maildir/quota.rs", "openat(root, &new"),
        ("src/maildir/open.rs", "openat("),
        ("src/maildir/store.rs", "openat("),
        ("src/maildir/store.rs", " open("),
        ("src/maildir/keywords.rs", "openat("),
        ("src/mailbox/walk.rs", "File::open(&path).map_err(|error| Failure::new(\"open\""),
    ];
    let mut wrong = Vec::new();
    for room in rooms().iter().filter(|room| *room != "file") {
        let is_test = |file: &PathBuf| file.ends_with("tests.rs");
        for file in files_of(room).into_iter().filter(|file| !is_test(file)) {
            let path = file.strip_prefix(root()).expect("it is inside").display().to_string();
            let text = fs::read_to_string(&file).expect("UTF-8");
            let tests = text.find("#[cfg(test)]").unwrap_or(text.len());
            let has_own = text.contains("fn open(") || text.contains("let open = ");
            for (at, line) in text.get(..tests).unwrap_or("").lines().enumerate() {
                let code = line.split("//").next().unwrap_or("");
                let own = code.contains("fn open(") || code.contains("file::open(");
                // A function or a closure defined in the file itself.
                let own = own || has_own && !code.contains("openat(") && code.contains(" open(");
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

/// Whether a line has `crate::room`, also among others: `crate::{room, …}`.
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

/// The rooms in the order of `lib.rs`.
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

/// Files that use one another can only be read together. A folder's `mod.rs` and the
/// files in the folder count as one.
#[test]
fn no_files_use_one_another() {
    let modules = modules();
    let uses: BTreeMap<&str, BTreeSet<&str>> = modules
        .iter()
        .map(|(module, text)| {
            let used = paths(text).into_iter().filter_map(|path| absolute(module, &path));
            let used = used.filter_map(|path| longest_known(&path, &modules));
            let apart = |other: &&str| {
                !other.starts_with(&format!("{module}::"))
                    && !module.starts_with(&format!("{other}::"))
                    && other != module
            };
            (module.as_str(), used.filter(apart).collect())
        })
        .collect();
    let reaches = |from: &str, to: &str| {
        let (mut seen, mut left) = (BTreeSet::new(), vec![from]);
        while let Some(module) = left.pop() {
            for next in &uses[module] {
                if *next == to {
                    return true;
                }
                if seen.insert(*next) {
                    left.push(next);
                }
            }
        }
        false
    };
    let circles: Vec<&&str> = uses.keys().filter(|module| reaches(module, module)).collect();
    assert!(circles.is_empty(), "these use one another: {circles:?}");
}

/// Every module by its path, with its text except for comments and tests.
fn modules() -> BTreeMap<String, String> {
    let src = root().join("src");
    let (mut found, mut folders) = (BTreeMap::new(), vec![src.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("it is there") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&src).expect("inside").with_extension("");
            let name = name.to_str().expect("UTF-8").replace('/', "::");
            let text = fs::read_to_string(&path).expect("UTF-8");
            let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
            let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
            let name = name.strip_suffix("::mod").unwrap_or(&name).to_owned();
            found.insert(name, code.collect::<Vec<_>>().join("\n"));
        }
    }
    found
}

/// The paths in a text after `crate::` or `super::`, or in a `use`.
fn paths(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let begins = text.match_indices("crate::").chain(text.match_indices("super::"));
    for (at, _) in begins.filter(|(at, _)| !text[..*at].ends_with("super::")) {
        let rest = &text[at..];
        let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        let end = rest.find(|c| !is_path(c)).unwrap_or(rest.len());
        let (path, behind) = rest.split_at(end);
        match behind.strip_prefix('{') {
            Some(inner) if path.ends_with("::") => found.extend(tree(path, inner)),
            _ => found.push(path.to_owned()),
        }
    }
    found
}

/// The paths of `a::{b, c::{d, e}}`; `inner` begins after the first brace.
fn tree(path: &str, inner: &str) -> Vec<String> {
    let (mut found, mut stack, mut word) = (Vec::new(), vec![path.to_owned()], String::new());
    for c in inner.chars() {
        match c {
            '{' => stack.push(format!("{}{word}", stack.last().expect("inside"))),
            ',' | '}' => {
                if !word.is_empty() {
                    found.push(format!("{}{word}", stack.last().expect("inside")));
                }
                if c == '}' {
                    stack.pop();
                }
            }
            c if c.is_whitespace() => continue,
            c => {
                word.push(c);
                continue;
            }
        }
        word.clear();
        if stack.is_empty() {
            break;
        }
    }
    found
}

/// A path from the root of the crate.
fn absolute(module: &str, path: &str) -> Option<String> {
    if let Some(path) = path.strip_prefix("crate::") {
        return Some(path.to_owned());
    }
    let mut around: Vec<&str> = module.split("::").collect();
    let mut rest = path;
    while let Some(behind) = rest.strip_prefix("super::") {
        around.pop()?;
        rest = behind;
    }
    around.extend(rest.split("::").filter(|part| !part.is_empty()));
    Some(around.join("::"))
}

/// The module that a path leads into.
fn longest_known<'m>(path: &str, modules: &'m BTreeMap<String, String>) -> Option<&'m str> {
    let mut path = path;
    loop {
        if let Some((known, _)) = modules.get_key_value(path) {
            return Some(known);
        }
        path = path.rsplit_once("::")?.0;
    }
}
