//! The syntax files in `editors/`: their words are the program's, and Vim colours rules
//! correctly. The dictionary of the fuzzers has the same words.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use mfilter::classify::CLASSIFIERS;
use mfilter::flags::FLAGS;
use mfilter::syntax::words::{ACTIONS, FOLDER_EXISTS, JOINTS, ON, OPERATORS, STATEMENTS};
use serde_json::Value;

use crate::support::{Home, run, skipped};

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("editors").join(name);
    fs::read_to_string(path).expect("it is there")
}

/// The words of the language that editors colour.
fn words() -> BTreeSet<&'static str> {
    let classifiers =
        CLASSIFIERS.iter().map(|classifier| classifier.name).chain(["duplicate", FOLDER_EXISTS]);
    let flags = FLAGS.iter().map(|(flag, _)| *flag);
    let words = [STATEMENTS, ACTIONS, OPERATORS, JOINTS, &[ON]].concat();
    words.into_iter().chain(flags).chain(classifiers).collect()
}

#[test]
fn the_words_of_vim_emacs_and_vscode_are_the_programs() {
    let vim = read("vim/syntax/mailrules.vim");
    let keywords = vim.lines().filter(|line| !line.contains("Todo"));
    let keywords = keywords.filter_map(|line| line.strip_prefix("syntax keyword "));
    let matched = vim.lines().filter_map(|line| {
        line.strip_prefix("syntax match mailrulesOperator /\\<")?.strip_suffix("\\>/")
    });
    let of_vim: BTreeSet<&str> =
        keywords.flat_map(|line| line.split_whitespace().skip(1)).chain(matched).collect();
    assert_eq!(of_vim, words());

    let emacs = read("emacs/mailrules-mode.el");
    let lists = emacs.split("(defconst ").skip(1).filter_map(|rest| rest.split("))").next());
    let of_emacs: BTreeSet<&str> =
        lists.flat_map(|list| list.split('"').skip(1).step_by(2)).collect();
    assert_eq!(of_emacs, words());

    let vscode: Value =
        serde_json::from_str(&read("vscode/syntaxes/mailrules.tmLanguage.json")).expect("JSON");
    let patterns = vscode["patterns"].as_array().expect("an array").iter();
    let lists = patterns.filter_map(|it| it["match"].as_str()?.split("(?:").nth(1));
    let lists = lists.filter_map(|rest| rest.split(')').next());
    let of_vscode: BTreeSet<&str> = lists.flat_map(|list| list.split('|')).collect();
    assert_eq!(of_vscode, words());
}

#[test]
fn the_fuzzers_know_the_words() {
    let dictionary = read("../fuzz/dict/rules.dict");
    let known: BTreeSet<&str> =
        dictionary.lines().filter_map(|line| line.strip_prefix('"')?.strip_suffix('"')).collect();
    let unknown: Vec<_> = words().difference(&known).copied().collect();
    assert!(unknown.is_empty(), "fuzz/dict/rules.dict lacks {unknown:?}");
}

#[test]
fn the_extension_for_vscode_names_existing_files() {
    let manifest: Value = serde_json::from_str(&read("vscode/package.json")).expect("JSON");
    let given = &manifest["contributes"];
    for file in
        [&manifest["main"], &given["languages"][0]["configuration"], &given["grammars"][0]["path"]]
    {
        assert!(!read(&format!("vscode/{}", file.as_str().expect("a path"))).is_empty());
    }
    assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
    let packed = concat!("mailrules-", env!("CARGO_PKG_VERSION"), ".vsix");
    for page in ["vscode/README.md", "../docs/guide/editors.md"] {
        assert!(read(page).contains(packed), "{page}");
    }
}

#[test]
fn vim_colours_rules() {
    const VIM: &str = "/usr/bin/vim.basic";
    if skipped("the colours of Vim", &[VIM], false) {
        return;
    }
    let home = Home::new();
    let rules = "# a comment\nwhen subject matches /sale/ and mailing-list -> folder \"A/{list-name}\" as seen\n\
                 when size > 5M -> add-header \"X\" \"y\"\nwhen subject contains \"b\" -> stop\n";
    home.write("a.mailrules", rules);
    let editors = Path::new(env!("CARGO_MANIFEST_DIR")).join("editors/vim");
    // The syntax group at the place where each of these begins.
    let script = format!(
        "set runtimepath^={}\nsyntax on\nfiletype on\nedit {}\nlet out = [&filetype]\n\
         for word in ['a comment', 'when', 'sale', 'mailing-list', '->', 'folder', 'A/', '{{list', 'seen', '5M', 'add-header', 'contains']\n\
         call cursor(1, 1)\ncall search('\\V' . word, 'c')\n\
         call add(out, word . '=' . synIDattr(synID(line('.'), col('.'), 1), 'name'))\nendfor\n\
         call add(out, v:errmsg)\ncall writefile(out, '{}')\nqall!\n",
        editors.display(),
        home.path().join("a.mailrules").display(),
        home.path().join("out").display()
    );
    home.write("script.vim", script);
    let mut command = Command::new(VIM);
    command
        .args(["-u", "NONE", "-N", "-i", "NONE", "-es", "-S"])
        .arg(home.path().join("script.vim"));
    command.env("HOME", home.path()).env("TERM", "dumb");
    let output = run(command, b"");
    let out = fs::read_to_string(home.path().join("out")).unwrap_or_else(|_| panic!("{output:?}"));
    let expected = [
        "mailrules",
        "a comment=mailrulesComment",
        "when=mailrulesStatement",
        "sale=mailrulesPattern",
        "mailing-list=mailrulesClassifier",
        "->=mailrulesArrow",
        "folder=mailrulesAction",
        "A/=mailrulesString",
        "{list=mailrulesInsert",
        "seen=mailrulesFlag",
        "5M=mailrulesNumber",
        "add-header=mailrulesAction",
        "contains=mailrulesOperator",
        "",
    ];
    assert_eq!(out.lines().collect::<Vec<_>>(), expected, "{output:?}");
}
