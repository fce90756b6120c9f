//! What the README, the manual and the examples say is true: their rules pass `mfilter
//! check`, their commands do what they show, and the manual's tables are those of the
//! code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mfilter::classify::CLASSIFIERS;
use mfilter::flags::FLAGS;
use mfilter::rules::actions::ACTIONS as BUILT_ACTIONS;
use mfilter::rules::check::setting_names;
use mfilter::rules::field::{FIELDS, FieldKind, HEADERS, PARTS, words_of_run};
use mfilter::syntax::words::{ACTIONS, FOLDER_EXISTS, ON, OPERATORS, SLIPS, STATEMENTS};

const MFILTER: &str = env!("CARGO_BIN_EXE_mfilter");

#[test]
fn the_rules_of_the_documents_have_no_mistake() {
    let readme: Vec<String> =
        guides().iter().flat_map(|name| fenced(&read(name), "mailrules")).collect();
    let manual = marked_blocks(&read("man/mailrules.5"));
    assert!(!readme.is_empty() && manual.len() > 5, "the documents lost their examples");
    let site = marked_blocks_of(&read("man/mailrules.5"), ".\\\" site rules\n");
    assert!(!site.is_empty());
    for (rules, of_site) in readme
        .iter()
        .chain(&manual)
        .map(|rules| (rules, false))
        .chain(site.iter().map(|rules| (rules, true)))
    {
        let home = tempfile::tempdir().expect("a directory");
        let file = home.path().join("rules");
        fs::write(&file, rules).expect("writable");
        fs::create_dir(home.path().join(".mail")).expect("writable");
        fs::write(home.path().join(".mail/away"), "I am away.\n").expect("writable");
        for list in ["white", "black"] {
            fs::write(home.path().join(".mail").join(list), "").expect("writable");
        }
        for directory in ["Sent/cur", "Sent/new", "Archive/cur", "Archive/new"] {
            let folder = home.path().join(format!("Maildir/.{directory}"));
            fs::create_dir_all(folder).expect("writable");
        }
        if !of_site || is_roots(&file) {
            let check = if of_site { &["check", "--site"][..] } else { &["check"] };
            let output = mfilter(home.path()).args(check).arg(&file).output().expect("runs");
            let text = printed(&output);
            let mistakes = text
                .lines()
                .filter(|line| line.starts_with("error[") || line.starts_with("warning["));
            // A program of the reader's need not be installed here.
            let mut others = mistakes.filter(|line| !line.contains("[program-missing]"));
            let code = output.status.code();
            let ended = code == Some(0) || code == Some(1) && text.contains("[program-missing]");
            assert!(ended && others.next().is_none(), "{rules}\n{text}");
        }
        let format = mfilter(home.path()).arg("fmt").arg(&file).output().expect("runs");
        assert!(format.status.success(), "{}", printed(&format));
        assert_eq!(*rules, fs::read_to_string(&file).expect("readable"), "the canonical layout");
    }
}

#[test]
fn the_examples_have_no_mistake_and_do_what_they_expect() {
    let home = tempfile::tempdir().expect("a directory");
    let mut checked = 0;
    for entry in fs::read_dir(root().join("examples")).expect("is there") {
        let path = entry.expect("readable").path();
        if path.extension().is_some_and(|end| end == "mailrules") {
            let text = fs::read_to_string(&path).expect("UTF-8");
            let copied = path.ends_with("first.mailrules");
            assert_ne!(text.contains("\nexpect "), copied, "{}", path.display());
            let site = path.ends_with("site.mailrules");
            if !site || is_roots(&path) {
                let check = if site { &["check", "--site"][..] } else { &["check"] };
                let output = mfilter(home.path()).args(check).arg(&path).output().expect("runs");
                assert!(output.status.success(), "{}\n{}", path.display(), printed(&output));
            }
            let format =
                mfilter(home.path()).args(["fmt", "--check"]).arg(&path).output().expect("runs");
            assert!(format.status.success(), "{}", printed(&format));
            checked += 1;
        }
    }
    assert!(checked >= 3);
}

/// As the README says: all paths in it make sense in a new home.
#[test]
fn the_first_example_can_be_copied_as_it_is() {
    let home = tempfile::tempdir().expect("a directory");
    let example = root().join("examples/first.mailrules");
    fs::copy(example, home.path().join(".mailrules")).expect("writable");
    let output = mfilter(home.path()).arg("check").output().expect("runs");
    assert_eq!((output.status.code(), printed(&output).as_str()), (Some(0), ""));
}

#[test]
fn the_first_command_delivers() {
    let readme = read("README.md");
    let scripts = fenced(&readme, "sh").concat();
    let command = scripts.lines().find(|line| line.starts_with("cargo run ")).expect("is there");
    let place = "/tmp/Maildir/.Lists.rust-users/new";
    assert!(readme.contains(&format!("`{place}`")));

    let home = tempfile::tempdir().expect("a directory");
    let maildir = home.path().join("Maildir").display().to_string();
    let command =
        command.replace("cargo run --release --", MFILTER).replace("/tmp/Maildir", &maildir);
    let output = shell(home.path(), &root(), &command);
    assert!(output.status.success(), "{}", printed(&output));
    assert_eq!(printed(&output), "");

    let folder = place.replace("/tmp/Maildir", &maildir);
    let stored: Vec<PathBuf> = fs::read_dir(folder)
        .expect("is there")
        .map(|entry| entry.expect("readable").path())
        .collect();
    assert_eq!(stored.len(), 1);
    let sent = fs::read(root().join("examples/mail/list.eml")).expect("is there");
    assert_eq!(fs::read(&stored[0]).expect("readable"), sent);
}

/// Anyone who changes one of two such documents has to change the other.
#[test]
fn japanese_documents_have_the_blocks_and_headings_of_the_english_ones() {
    let documents = guides();
    let translated: Vec<&str> =
        documents.iter().filter_map(|name| name.strip_suffix(".ja.md")).collect();
    assert!(translated.contains(&"README") && translated.contains(&"docs/guide/recipes"));
    for name in translated {
        let (english, japanese) = (read(&format!("{name}.md")), read(&format!("{name}.ja.md")));
        assert!(skeleton(&english).0.len() > 5, "{name} lost its code blocks");
        assert_eq!(skeleton(&english), skeleton(&japanese), "{name}");
        let name = name.rsplit('/').next().unwrap_or(name);
        let (to_japanese, to_english) = (format!("]({name}.ja.md)"), format!("]({name}.md)"));
        assert!(english.contains(&to_japanese) && japanese.contains(&to_english), "{name}");
    }
}

/// Anyone who changes one manual has to change the other.
#[test]
fn the_japanese_manuals_are_beside_the_english_ones() {
    let mut compared = 0;
    for entry in fs::read_dir(root().join("man/ja")).expect("is there") {
        let name = entry.expect("readable").file_name().into_string().expect("UTF-8");
        let (english, japanese) = (read(&format!("man/{name}")), read(&format!("man/ja/{name}")));
        let (kept, found) = (kept_in_translation(&english), kept_in_translation(&japanese));
        let differs = kept.iter().zip(&found).find(|(kept, found)| kept != found);
        assert_eq!(differs, None, "{name}");
        assert_eq!(kept.len(), found.len(), "{name}");

        let sections: BTreeSet<&str> = japanese
            .lines()
            .filter_map(|line| line.strip_prefix(".Sh ").or_else(|| line.strip_prefix(".Ss ")))
            .collect();
        for line in japanese.lines().filter(|line| line.starts_with('.')) {
            for named in line.split("Sx ").skip(1) {
                let section = named.split(" Ns").next().unwrap_or(named);
                assert!(sections.contains(section), "{name}: {line}");
            }
        }
        let is_prose = |line: &&str| line.contains(|c| ('ぁ'..='ん').contains(&c));
        assert!(japanese.lines().filter(is_prose).count() > 100, "{name}");
        compared += 1;
    }
    assert!(compared > 0);
}

#[test]
fn the_links_of_the_documents_lead_somewhere() {
    let mut followed = 0;
    for name in guides() {
        let text = read(&name);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = match file {
                "" => root().join(&name),
                file => root().join(&name).parent().expect("a directory").join(file),
            };
            assert!(file.exists(), "{name}: {target}");
            if !anchor.is_empty() {
                let text = fs::read_to_string(&file).expect("UTF-8");
                let mut headings = text.lines().filter(|line| line.starts_with('#')).map(anchor_of);
                assert!(headings.any(|heading| heading == anchor), "{name}: {target}");
            }
            followed += 1;
        }
    }
    assert!(followed > 10);
}

/// The name of a heading in a link, as GitHub forms it.
fn anchor_of(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    text.chars().filter(|c| c.is_alphanumeric() || *c == '-').collect()
}

/// In `console` blocks a line with `$ ` is a command, and the lines after it are its
/// output. `$ cat FILE` shows a file, which is then created. `BLESS=1 cargo test --test
/// it documents` writes the actual output into the documents.
#[test]
fn the_commands_of_the_documents_print_what_is_shown() {
    let mut seen = 0;
    for name in guides() {
        let text = read(&name);
        let blocks = fenced(&text, "console");
        seen += blocks.len();
        let home = tempfile::tempdir().expect("a directory");
        let work = home.path().join("work");
        copy(&root().join("examples"), &work);
        let mut true_text = text.clone();
        for block in blocks {
            let true_block = run_block(&block, home.path(), &work);
            if std::env::var_os("BLESS").is_none() {
                assert_eq!(block, true_block, "{name}");
            }
            true_text = true_text.replace(&block, &true_block);
        }
        if true_text != text {
            fs::write(root().join(&name), &true_text).expect("writable");
        }
    }
    assert!(seen > 2, "the documents lost their commands");
}

/// A block with the output of its commands.
fn run_block(block: &str, home: &Path, work: &Path) -> String {
    let mut true_block = String::new();
    for call in format!("\n{block}").split("\n$ ").skip(1) {
        let (command, shown) = call.split_once('\n').unwrap_or((call, ""));
        let shown = format!("{}\n", shown.trim_end());
        let printed = match command.strip_prefix("cat ") {
            Some(file) => {
                fs::write(work.join(file), &shown).expect("writable");
                shown
            }
            None => printed(&shell(home, work, command)),
        };
        true_block.push_str(&format!("$ {command}\n{printed}"));
    }
    true_block
}

/// `module::name` of a test refers to `fn name()` in a file of that name, or in one in
/// a folder of that name.
#[test]
fn the_tests_that_claims_name_exist() {
    let text = read("SECURITY.md");
    let named: BTreeSet<&str> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| word.contains("::") && word.split("::").all(is_identifier))
        .filter(|word| word.rsplit("::").next().is_some_and(|last| last.contains('_')))
        .collect();
    assert!(named.len() > 15, "{named:?}");
    let mut sources = Vec::new();
    for folder in ["src", "tests"] {
        sources_in(&root().join(folder), &mut sources);
    }
    for name in named {
        let mut words: Vec<&str> = name.split("::").filter(|word| *word != "tests").collect();
        let function = format!("fn {}(", words.pop().expect("two words at least"));
        let module = words.pop().unwrap_or_default();
        let holds = |path: &PathBuf| {
            let of_folder = path.ends_with("mod.rs") || path.ends_with("tests.rs");
            let named = if of_folder { path.parent() } else { Some(path.as_path()) };
            let stem = named.and_then(Path::file_stem);
            let text = fs::read_to_string(path).expect("readable");
            stem.is_some_and(|stem| stem == module)
                && text.split("#[test]").skip(1).any(|test| {
                    test.lines()
                        .find(|line| line.contains("fn "))
                        .is_some_and(|line| line.trim_start().starts_with(&function))
                })
        };
        assert!(sources.iter().any(holds), "SECURITY.md names {name}, which is no test");
    }
}

#[test]
fn the_fuzz_targets_are_those_of_the_reliability_table() {
    let document = read("docs/RELIABILITY.md");
    let rows = document.lines().skip_while(|line| !line.starts_with("| target |")).skip(2);
    let named: BTreeSet<String> = rows
        .map_while(|line| line.strip_prefix("| `")?.split('`').next().map(str::to_owned))
        .collect();
    let files = fs::read_dir(root().join("fuzz/fuzz_targets")).expect("is there");
    let targets: BTreeSet<String> = files
        .filter_map(|file| file.expect("readable").file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_suffix(".rs")?.to_owned()))
        .collect();
    assert_eq!(named, targets);
    assert!(document.contains(&format!("| fuzzing, {} targets |", targets.len())));
}

fn is_identifier(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn sources_in(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("is there") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            sources_in(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_options_are_those_of_the_manual() {
    let home = tempfile::tempdir().expect("a directory");
    let help = |arguments: &[&str]| {
        let output = mfilter(home.path()).args(arguments).output().expect("runs");
        assert!(output.status.success());
        printed(&output)
    };
    let main = help(&["--help"]);
    let commands: BTreeSet<String> = section(&main, "Commands:")
        .iter()
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect();
    let mut of_help: BTreeSet<String> = options(&main);
    for command in commands.iter().filter(|command| *command != "help") {
        let text = help(&[command, "--help"]);
        of_help.extend(options(&text));
        let parts = section(&text, "Commands:");
        for part in parts.iter().filter_map(|line| line.split_whitespace().next()) {
            of_help.extend(options(&help(&[command, part, "--help"])));
        }
    }

    let manual = read("man/mfilter.1");
    let lines =
        || manual.lines().filter(|line| line.starts_with(".It ") || line.starts_with(".Op "));
    let mut of_manual = BTreeSet::new();
    for line in lines() {
        let words: Vec<&str> = line.split_whitespace().filter(|word| *word != ",").collect();
        for (at, word) in words.iter().enumerate() {
            match (words.get(at.wrapping_sub(1)), *word, words.get(at + 1)) {
                (Some(&"Fl"), "Fl", Some(name)) => of_manual.insert(format!("--{name}")),
                (_, "Fl", Some(name)) if *name != "Fl" => of_manual.insert(format!("-{name}")),
                _ => false,
            };
        }
    }
    for hidden in ["-t", "-Y"] {
        assert!(of_manual.remove(hidden), "{hidden}");
    }
    assert_eq!(of_help, of_manual);

    let of_manual: BTreeSet<String> = manual
        .lines()
        .filter_map(|line| line.strip_prefix(".It Nm Cm "))
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect();
    assert_eq!(commands, of_manual);
}

#[test]
fn the_options_for_procmails_sake_are_accepted() {
    let home = tempfile::tempdir().expect("a directory");
    let message = root().join("examples/mail/lunch.eml");
    let command = format!("mfilter -t -Y -a '' -d root < '{}'", message.display());
    let output = shell(home.path(), home.path(), &command);
    assert!(output.status.success(), "{}", printed(&output));
    assert_eq!(fs::read_dir(home.path().join("Maildir/new")).expect("is there").count(), 1);
}

#[test]
fn the_fields_are_those_of_the_manual() {
    let manual = read("man/mailrules.5");
    let mut operators: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let kinds = manual.split(".It Sy kind Ta Sy operators\n").nth(1).expect("is there");
    for line in kinds.lines().take_while(|line| line.starts_with(".It ")) {
        let (kind, words) = line[4..].split_once(" Ta Ic ").expect("two columns");
        operators.insert(kind.to_owned(), words.split(' ').map(str::to_owned).collect());
    }

    let mut of_manual = BTreeMap::new();
    for (table, prefix) in [("fields", ""), ("parts", "from")] {
        for line in table_of(&manual, table).filter(|line| line.starts_with(".It Ic ")) {
            let mut columns = line[7..].split(" Ta ");
            let name = columns.next().and_then(|name| name.split(' ').next()).expect("a name");
            let kind = columns.next().expect("a kind");
            let operators = operators.get(kind).unwrap_or_else(|| panic!("no kind {kind}"));
            of_manual.insert(format!("{prefix}{name}"), operators.clone());
        }
    }

    let words = |kind: FieldKind| kind.operators().map(str::to_owned).collect::<Vec<_>>();
    let mut of_code: BTreeMap<String, Vec<String>> =
        FIELDS.iter().map(|field| (field.name.to_owned(), words(field.kind))).collect();
    for (part, _, kind, _) in PARTS {
        of_code.insert(format!("from.{part}"), words(*kind));
    }
    assert_eq!(of_code, of_manual);

    let headers = plain_words(&manual, "headers");
    assert_eq!(HEADERS.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>(), headers);
}

#[test]
fn the_statements_are_those_of_the_manual() {
    let manual = read("man/mailrules.5");
    let of_manual: BTreeSet<String> = heads(&manual, "statements");
    let of_code = STATEMENTS.iter().chain([&ON]).map(|word| (*word).to_owned());
    let of_code: BTreeSet<String> = of_code.collect();
    assert_eq!(of_code, of_manual);
}

#[test]
fn the_actions_and_operators_are_those_of_the_manual() {
    let manual = read("man/mailrules.5");
    let reserved: BTreeSet<String> = plain_words(&manual, "reserved");
    let mut of_manual: BTreeSet<String> = heads(&manual, "actions");
    of_manual.remove("as");
    assert_eq!(
        BUILT_ACTIONS.iter().map(|word| word.name.into()).collect::<BTreeSet<_>>(),
        of_manual
    );
    of_manual.extend(heads(&manual, "operators"));
    of_manual.remove("has");
    assert!(of_manual.is_disjoint(&reserved));
    of_manual.extend(reserved);
    let words = [ACTIONS, OPERATORS, SLIPS].concat();
    let of_code: BTreeSet<String> = words.into_iter().map(str::to_owned).collect();
    assert_eq!(of_code, of_manual);
}

#[test]
fn the_classifiers_are_those_of_the_manual() {
    let of_manual = heads(&read("man/mailrules.5"), "classifiers");
    let names = CLASSIFIERS.iter().map(|classifier| classifier.name);
    let of_code: BTreeSet<String> =
        names.chain(["duplicate", FOLDER_EXISTS]).map(str::to_owned).collect();
    assert_eq!(of_code, of_manual);

    let of_manual = heads(&read("man/mailrules.5"), "states");
    let of_code: BTreeSet<String> = words_of_run().map(str::to_owned).collect();
    assert_eq!(of_code, of_manual);
}

#[test]
fn the_settings_and_flags_are_those_of_the_manual() {
    let manual = read("man/mailrules.5");
    let mut settings = BTreeSet::new();
    for line in table_of(&manual, "settings") {
        settings.extend(line.strip_prefix(".It Ic set ").and_then(|rest| rest.split(' ').next()));
    }
    assert_eq!(settings, setting_names().collect());

    let (_, flags) = manual.split_once(".\\\" table flags\n.Ic ").expect("is there");
    let flags: BTreeSet<&str> = flags
        .lines()
        .next()
        .unwrap_or_default()
        .split([' ', ','])
        .filter(|f| !f.is_empty())
        .collect();
    assert_eq!(flags, FLAGS.iter().map(|(flag, _)| *flag).collect());
}

// --- reading the documents --------------------------------------------------

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).expect("the document is there")
}

/// A Markdown document's code blocks with their fences, and the levels of its
/// headings, in order.
fn skeleton(text: &str) -> (Vec<String>, Vec<usize>) {
    let (mut blocks, mut levels, mut inside) = (Vec::new(), Vec::new(), false);
    for line in text.split_inclusive('\n') {
        let fence = line.starts_with("```");
        match blocks.last_mut() {
            Some(block) if inside => *block += line,
            _ if fence => blocks.push(line.to_owned()),
            _ if line.starts_with('#') => {
                levels.push(line.len() - line.trim_start_matches('#').len());
            }
            _ => {}
        }
        inside ^= fence;
    }
    (blocks, levels)
}

/// What a translation of a manual leaves unchanged, in order: the levels of headings,
/// the heads of lists that are syntax, literal blocks and marks.
fn kept_in_translation(page: &str) -> Vec<&str> {
    const SYNTAX: [&str; 9] = ["Ar ", "Cm ", "Ev ", "Fl ", "Ic ", "Nm ", "Oo ", "Pa ", "Ql "];
    let mut inside = false;
    page.lines()
        .filter_map(|line| {
            inside |= line.starts_with(".Bd -literal");
            let literal = inside || line.starts_with(".Dl ") || line.starts_with(".\\\"");
            inside &= line != ".Ed";
            let head = line.strip_prefix(".It ").unwrap_or_default();
            match line.get(..3) {
                _ if literal => Some(line),
                _ if SYNTAX.iter().any(|word| head.starts_with(word)) => line.split(" Ta ").next(),
                level @ Some(".Sh" | ".Ss") => level,
                _ => None,
            }
        })
        .collect()
}

/// The READMEs and the chapters of the guide.
fn guides() -> Vec<String> {
    let chapters = fs::read_dir(root().join("docs/guide")).expect("is there");
    let names = chapters.map(|entry| entry.expect("readable").file_name());
    let names = names.map(|name| format!("docs/guide/{}", name.to_string_lossy()));
    ["README.md", "README.ja.md"].map(str::to_owned).into_iter().chain(names).collect()
}

/// The code blocks of one language in Markdown.
fn fenced(text: &str, language: &str) -> Vec<String> {
    let open = format!("```{language}\n");
    text.split(&open)
        .skip(1)
        .filter_map(|rest| rest.split_once("\n```").map(|(block, _)| format!("{block}\n")))
        .collect()
}

/// The displays after a `.\" rules`.
fn marked_blocks(text: &str) -> Vec<String> {
    marked_blocks_of(text, ".\\\" rules\n")
}

fn marked_blocks_of(text: &str, mark: &str) -> Vec<String> {
    text.split(mark)
        .skip(1)
        .filter_map(|rest| {
            let (_, rest) = rest.split_once('\n')?;
            let (block, _) = rest.split_once(".Ed\n")?;
            Some(block.replace("\\e", "\\").replace("\\&", ""))
        })
        .collect()
}

/// Site rules must belong to root to be read at all.
fn is_roots(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).is_ok_and(|about| about.uid() == 0 && about.mode() & 0o022 == 0)
}

/// The text between `.\" table NAME` and the end of that list.
fn table_of<'t>(text: &'t str, name: &str) -> impl Iterator<Item = &'t str> {
    let rest = text.split_once(&format!(".\\\" table {name}\n")).expect("the table is there").1;
    let mut depth = 0;
    rest.lines().take_while(move |line| {
        depth += i32::from(line.starts_with(".Bl") || line.starts_with(".Bd"));
        depth -= i32::from(line.starts_with(".El") || line.starts_with(".Ed"));
        depth > 0
    })
}

/// The words of the language at the heads of a table's entries, before `->`.
fn heads(text: &str, table: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for line in table_of(text, table).filter(|line| line.starts_with(".It ")) {
        let parts: Vec<&str> = line.split_whitespace().collect();
        let literal = parts.windows(2).filter(|pair| pair[0] == "Ic").map(|pair| pair[1]);
        words.extend(
            literal
                .filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
                .map(str::to_owned),
        );
    }
    words
}

/// The words in a table that is only a block of words.
fn plain_words(text: &str, table: &str) -> BTreeSet<String> {
    table_of(text, table)
        .filter(|line| !line.starts_with('.'))
        .flat_map(str::split_whitespace)
        .map(str::to_owned)
        .collect()
}

/// The lines of a help text under a heading.
fn section<'t>(help: &'t str, heading: &str) -> Vec<&'t str> {
    help.lines()
        .skip_while(|line| *line != heading)
        .skip(1)
        .take_while(|line| line.starts_with(' '))
        .collect()
}

/// The options that a help text lists.
fn options(help: &str) -> BTreeSet<String> {
    let entries = section(help, "Options:").into_iter().map(str::trim_start);
    let mut found = BTreeSet::new();
    for entry in entries.filter(|entry| entry.starts_with('-')) {
        for word in entry.split_whitespace().map(|word| word.trim_end_matches([',', '.'])) {
            if word.starts_with('-') {
                found.insert(word.trim_end_matches("...").to_owned());
            } else if !word.starts_with('<') {
                break;
            }
        }
    }
    found
}

// --- running ----------------------------------------------------------------

fn mfilter(home: &Path) -> Command {
    let mut command = Command::new(MFILTER);
    command.env_clear().env("HOME", home).env("TZ", "UTC");
    command
}

fn shell(home: &Path, directory: &Path, script: &str) -> Output {
    let programs = Path::new(MFILTER).parent().expect("is in a directory");
    let path = format!("{}:/usr/bin:/bin", programs.display());
    Command::new("sh")
        .args(["-c", script])
        .env_clear()
        .env("HOME", home)
        .env("TZ", "UTC")
        .env("PATH", path)
        .current_dir(directory)
        .output()
        .expect("sh runs")
}

fn printed(output: &Output) -> String {
    let texts = [&output.stdout, &output.stderr];
    texts.map(|text| String::from_utf8_lossy(text).into_owned()).concat()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("can be made");
    for entry in fs::read_dir(from).expect("is there") {
        let entry = entry.expect("readable");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("can be copied");
        }
    }
}
