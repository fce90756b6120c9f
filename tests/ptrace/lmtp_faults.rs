//! `mfilter lmtp` with failing system calls: what a worker cannot read that finds out what a
//! dead one has done, and connections that cannot be accepted.

#![allow(clippy::print_stderr, reason = "what was tried is told")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::support::lmtp_site::{Site, children, signal, wire};
use crate::support::strace::{STRACE, cannot_trace};
use crate::support::{mail, wait_for};

const MESSAGE: &[u8] = b"Subject: x\nMessage-ID: <1@b.example>\n\nbody\n";

/// A user whose rules store a copy, then run a program that kills its worker once.
fn site() -> Site {
    let site = Site::new();
    site.user("taro", "copy \"A\"\npipe \"note\"\n");
    let note = site.path("note");
    let home = site.home("taro").display().to_string();
    let script = format!(
        "#!/bin/sh\nif rm {home}/crash 2>/dev/null; then kill -9 $PPID; sleep 1; fi\n\
         echo >> {home}/piped\n"
    );
    fs::write(&note, script).expect("written");
    fs::set_permissions(&note, fs::Permissions::from_mode(0o755)).expect("set");
    fs::write(site.path("lmtp.conf"), format!("program note = {}\n", note.display()))
        .expect("written");
    site
}

/// Starts the server; with arguments, under strace.
fn start(site: &mut Site, strace: &[&str]) {
    let (config, listen) =
        (site.path("lmtp.conf").display().to_string(), format!("unix:{}", site.socket().display()));
    let mut server = site.command(&["--config", &config, "--listen", &listen]);
    if !strace.is_empty() {
        let mut command = Command::new(STRACE);
        command.args(["-f", "-o", "/dev/null"]).args(strace).arg(server.get_program());
        command.args(server.get_args()).env_clear().stderr(Stdio::piped());
        server = command;
    }
    let server = site.spawn(&mut server);
    wait_for("the server", || site.output().contains("listening").then_some(()));
    site.server = Some(server);
}

/// Ends a server under strace, which does not end with it when it is told to.
fn stop_traced(site: &mut Site) {
    let Some(mut strace) = site.server.take() else { return };
    children(strace.id()).into_iter().for_each(|pid| signal(pid, Signal::TERM));
    let _ = strace.wait();
}

fn deliver(site: &Site) -> String {
    site.connect().deliver(&["taro"], &wire(MESSAGE)).expect("there").concat()
}

fn crash(site: &Site) {
    let file = site.home("taro").join("crash");
    fs::write(&file, "").expect("written");
    site.give(&file);
}

fn journals(site: &Site) -> Vec<PathBuf> {
    let directory = site.path("state/taro/state/half-done");
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

#[test]
fn a_copy_stays_when_the_journal_that_names_it_cannot_be_read() {
    if cannot_trace("fault injection") {
        return;
    }
    let mut site = site();
    start(&mut site, &[]);
    crash(&site);
    assert!(deliver(&site).starts_with("451"));
    let journal = journals(&site).pop().expect("what was done").display().to_string();
    assert!(deliver(&site).starts_with("250"));
    site.stop();
    for (call, number) in (1..4)
        .flat_map(|number| ["read:error=EIO", "openat:error=EMFILE"].map(|call| (call, number)))
    {
        let _ = fs::remove_dir_all(site.maildir("taro"));
        let _ = fs::remove_file(site.home("taro").join("piped"));
        crash(&site);
        let fault = format!("inject={call}:when={number}");
        start(&mut site, &["-P", &journal, "-e", &fault]);
        let first = deliver(&site);
        stop_traced(&mut site);
        start(&mut site, &[]);
        let again = if first.starts_with("250") { String::new() } else { deliver(&site) };
        site.stop();
        let stored = mail(&site.maildir("taro")).len();
        let piped = fs::read_to_string(site.home("taro").join("piped")).unwrap_or_default().len();
        eprintln!("{fault}: {first}, then {again}: {stored} stored, {piped} piped");
        assert!(stored >= 1 && piped >= 1, "{fault}: {first}, then {again}: {stored} and {piped}");
    }
}

#[test]
fn an_error_of_the_network_does_not_end_the_server() {
    if cannot_trace("fault injection") {
        return;
    }
    for error in ["ENETDOWN", "EPERM", "ECONNABORTED", "EMFILE"] {
        let mut site = site();
        start(&mut site, &["-e", &format!("inject=accept4:error={error}:when=1")]);
        assert!(deliver(&site).starts_with("250"), "{error}: {}", site.output());
        stop_traced(&mut site);
    }
}
