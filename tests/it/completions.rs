//! Completion scripts: no hidden options, and the names that only mfilter knows.

use std::process::Command;

use crate::support::{Home, MFILTER, run, skipped};

const MESSAGE: &[u8] = b"From: a@b.example\n\nhello\n";

/// A home with folders, and a shell's completion script in it.
fn home(shell: &str) -> Home {
    let home = Home::with_rules("copy \"Work/Old mail\"\ncopy \"仕事\"\nfolder \"Junk\"\n");
    assert_eq!(home.deliver(MESSAGE).code, Some(0));
    let script = home.run(&["completions", shell], b"");
    assert_eq!(script.code, Some(0), "{script:?}");
    home.write(shell, &script.stdout);
    home
}

#[test]
fn names_of_folders_are_listed() {
    let home = home("bash");
    let listed = home.run(&["completions", "--names", "folders"], b"").stdout;
    let mut names: Vec<&str> = listed.lines().collect();
    names.sort_unstable();
    assert_eq!(names, ["Junk", "Work/Old mail", "仕事"]);
}

#[test]
fn scripts_show_no_hidden_options() {
    for shell in ["bash", "zsh", "fish"] {
        let home = home(shell);
        let script = std::fs::read_to_string(home.path().join(shell)).unwrap();
        let hidden = script.lines().filter(|line| {
            line.split_whitespace().any(|word| word.trim_matches(['\'', '"']).starts_with("-Y"))
                || line.contains("compatibility with procmail")
        });
        assert_eq!(hidden.collect::<Vec<_>>(), Vec::<&str>::new(), "{shell}");
    }
}

#[test]
fn bash_completes_folders() {
    if skipped("bash", &["/bin/bash"], false) {
        return;
    }
    let home = home("bash");
    let complete = |words: &str, current: &str| {
        let script = format!(
            "PATH={}:$PATH; source ~/bash; COMP_WORDS=({words} '{current}'); COMP_CWORD=2; \
             _mfilter_and_names mfilter '{current}' sort; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            std::path::Path::new(MFILTER).parent().unwrap().display()
        );
        let mut command = Command::new("/bin/bash");
        command.args(["--norc", "-c", &script]).env("HOME", home.path());
        run(command, b"").stdout
    };
    assert_eq!(complete("mfilter sort", "Wo").trim(), "Work/Old\\ mail");
    assert!(complete("mfilter sort", "").contains("Junk"));
    assert!(!complete("mfilter fmt", "").contains("Junk"));
    assert!(complete("mfilter sort", "--dr").contains("--dry-run"));
}
