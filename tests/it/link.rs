//! `link/cc`: what is linked with a libc.a and without one; what SECURITY.md says
//! about the program; and `link/dist`, which leaves no path in the binary.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

/// Calls the linker with a C compiler that prints its arguments.
fn link(libc: &str) -> Output {
    let directory = tempfile::tempdir().expect("a directory");
    let cc = directory.path().join("cc");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = -print-file-name=libc.a ] && {{ echo {libc}; exit; }}\n\
         for argument; do echo \"<$argument>\"; done\n"
    );
    fs::write(&cc, script).expect("writable");
    fs::set_permissions(&cc, PermissionsExt::from_mode(0o755)).expect("ours");
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("link/cc"));
    command.env("CC", &cc).args(["-m64", "a b.o", "-static", "-no-pie", "", "-o", "x"]);
    command.output().expect("there is a shell")
}

#[test]
fn a_static_program_where_there_is_a_libc_for_it() {
    let linked = link("/usr/lib/libc.a");
    let output = String::from_utf8_lossy(&linked.stdout);
    assert_eq!(output, "<-m64>\n<a b.o>\n<-static>\n<-no-pie>\n<>\n<-o>\n<x>\n");
    assert!(linked.stderr.is_empty());
}

#[test]
fn otherwise_a_dynamic_one_with_a_note() {
    let linked = link("libc.a");
    let output = String::from_utf8_lossy(&linked.stdout);
    assert_eq!(output, "<-m64>\n<a b.o>\n<-no-pie>\n<>\n<-o>\n<x>\n");
    assert!(String::from_utf8_lossy(&linked.stderr).contains("linked dynamically"));
}

/// A static link, as `.cargo/config.toml` asks for: at a fixed address, with no loader,
/// data that cannot be executed, and tables that are read-only.
#[test]
fn the_program_is_as_security_md_says() {
    let program = fs::read(crate::support::MFILTER).expect("the program");
    let number = |at: usize, bytes: usize| {
        let bytes = program.get(at..at + bytes).expect("within the file");
        bytes.iter().rev().fold(0_usize, |number, byte| number << 8 | usize::from(*byte))
    };
    assert_eq!(program.get(..6), Some(b"\x7fELF\x02\x01".as_slice()), "64 bits, little-endian");
    // From the ELF header: e_type, e_phoff, e_phentsize, e_phnum.
    let (kind, table, size, count) = (number(16, 2), number(32, 8), number(54, 2), number(56, 2));
    let headers: Vec<(usize, usize)> = (0..count)
        .map(|at| (number(table + at * size, 4), number(table + at * size + 4, 4)))
        .collect();
    const INTERPRETER: usize = 3;
    const STACK: usize = 0x6474_e551;
    const READ_ONLY_AFTER_START: usize = 0x6474_e552;
    const EXECUTABLE: usize = 1;
    const WRITABLE: usize = 2;
    let has = |expected| headers.iter().any(|(kind, _)| *kind == expected);
    if has(INTERPRETER) {
        eprintln!("skipped: the program is not linked statically here");
        return;
    }
    assert_eq!(kind, 2, "ET_EXEC: at a fixed address");
    assert!(has(STACK) && has(READ_ONLY_AFTER_START), "{headers:?}");
    for (kind, flags) in headers {
        assert_ne!(flags & (EXECUTABLE | WRITABLE), EXECUTABLE | WRITABLE, "{kind:#x}");
    }
}

/// A small program with a dependency among cargo's own files, built as packages are:
/// it contains no path of this machine, and it is linked as it should be.
#[test]
fn what_is_built_for_packages_names_no_path_of_the_machine() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    let write = |name: &str, text: &str| {
        fs::create_dir_all(at(name).parent().expect("below")).expect("made");
        fs::write(at(name), text).expect("written");
    };
    for name in [".cargo/config.toml", "link/cc", "link/dist"] {
        fs::create_dir_all(at(&format!("work/{name}")).parent().expect("below")).expect("made");
        fs::copy(root.join(name), at(&format!("work/{name}"))).expect("copied");
    }
    write(
        "cargo/dep/Cargo.toml",
        "[package]\nname = \"dep\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    );
    let fails = "pub fn fail(at: usize) -> u8 { std::env::args().nth(at).unwrap().as_bytes()[at] }";
    write("cargo/dep/src/lib.rs", fails);
    write(
        "work/Cargo.toml",
        "[package]\nname = \"mfilter\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
         [dependencies]\ndep = { path = \"../cargo/dep\" }\n\
         [profile.dist]\ninherits = \"release\"\n[workspace]\n",
    );
    write(
        "work/Cargo.lock",
        "version = 4\n\n[[package]]\nname = \"dep\"\nversion = \"0.1.0\"\n\n\
         [[package]]\nname = \"mfilter\"\nversion = \"0.1.0\"\ndependencies = [\n \"dep\",\n]\n",
    );
    write("work/src/main.rs", "fn main() { std::process::exit(dep::fail(0).into()) }\n");
    // Not under its own name: a process that another test starts may still hold it open.
    let mut command = Command::new("bash");
    command.arg(at("work/link/dist"));
    command.env("CARGO_HOME", at("cargo")).env("CARGO_TARGET_DIR", at("target"));
    command.env_remove("RUSTFLAGS").args(["--quiet", "--offline"]);
    let built = command.output().expect("there is a shell");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let mut found = Vec::new();
    let mut folders = vec![at("target")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("readable").flatten() {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path if path.ends_with("dist/mfilter") => found.push(path),
                _ => {}
            }
        }
    }
    let program = fs::read(found.first().expect("a program")).expect("readable");
    let has = |text: &str| memchr::memmem::find(&program, text.as_bytes()).is_some();
    assert!(has("/cargo/dep/src/lib.rs"), "where it failed is said");
    assert!(!has(&directory.path().display().to_string()), "and not where that lay");
    assert_eq!(program.get(16), Some(&2), "at a fixed address, as all builds are");
}
