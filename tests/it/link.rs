//! `link/cc`: what is linked where there is a libc.a, and where there is none.

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
    let said = String::from_utf8_lossy(&linked.stdout);
    assert_eq!(said, "<-m64>\n<a b.o>\n<-static>\n<-no-pie>\n<>\n<-o>\n<x>\n");
    assert!(linked.stderr.is_empty());
}

#[test]
fn a_dynamic_one_else_and_that_is_said() {
    let linked = link("libc.a");
    let said = String::from_utf8_lossy(&linked.stdout);
    assert_eq!(said, "<-m64>\n<a b.o>\n<-no-pie>\n<>\n<-o>\n<x>\n");
    assert!(String::from_utf8_lossy(&linked.stderr).contains("linked dynamically"));
}
