//! Identifies this build for the cache of checked rules: a hash of all sources, so that
//! the programs of another build are not used. Generates the tables of the classifiers.
//! And lets the linker put the functions of a delivery next to each other.

#[path = "build/tables.rs"]
mod tables;

use std::path::Path;
use std::process::Command;
use std::{env, fs};

fn main() {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    for path in ["Cargo.lock", "build", "grammar", "src"] {
        println!("cargo:rerun-if-changed={path}");
        add(&mut hash, Path::new(path));
    }
    println!("cargo:rustc-env=MFILTER_BUILT_OF={hash:016x}");
    words();
    order();
}

/// Writes `words.rs`: a module for each file of `src/classify/words`.
fn words() {
    let files = fs::read_dir("src/classify/words").expect("it is part of the source");
    let mut paths: Vec<_> = files.flatten().map(|file| file.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "txt"));
    paths.sort();
    let mut rust = String::new();
    for path in paths {
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name of ours");
        let text = fs::read_to_string(&path).expect("UTF-8");
        let tables = tables::rust_of(&text);
        let tables = tables.unwrap_or_else(|wrong| panic!("{}:{wrong}", path.display()));
        rust.push_str(&format!("pub mod {name} {{\n{tables}}}\n"));
    }
    let out = env::var("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("words.rs"), rust).expect("cargo made the folder");
}

/// Adds a file, or all files below a folder in order, to an FNV-1a hash.
fn add(hash: &mut u64, path: &Path) {
    if let Ok(entries) = fs::read_dir(path) {
        let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        paths.iter().for_each(|path| add(hash, path));
        return;
    }
    for byte in fs::read(path).unwrap_or_default() {
        *hash = (*hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
}

/// Puts the functions of `link/delivery.txt` next to each other. Scattered over
/// the program, each costs a page fault of its own at its first call.
fn order() {
    const LIST: &str = "link/delivery.txt";
    println!("cargo:rerun-if-changed={LIST}");
    if env::var("PROFILE").as_deref() != Ok("release") {
        return;
    }
    let (Ok(list), Ok(out)) = (fs::read_to_string(LIST), env::var("OUT_DIR")) else { return };
    let names = list.lines().filter(|line| !line.starts_with('#'));
    let sections = names.map(|name| format!("*(.text.{name} .text.unlikely.{name})\n"));
    let sections: String = sections.collect();
    let text = format!("SECTIONS {{ .text.delivery : {{\n{sections}}} }} INSERT BEFORE .text;\n");
    let script = Path::new(&out).join("delivery.ld");
    if fs::write(&script, text).is_ok() && links(&script) {
        println!("cargo:rustc-link-arg-bin=mfilter=-T");
        println!("cargo:rustc-link-arg-bin=mfilter={}", script.display());
    }
}

/// Whether the linker reads such a script: mold, gold, wild and those of other systems do
/// not. With these there is none.
fn links(script: &Path) -> bool {
    let var = |name| env::var(name).unwrap_or_default();
    let (source, program) = (script.with_extension("rs"), script.with_extension("try"));
    let mut rustc = Command::new(var("RUSTC"));
    rustc.arg("--target").arg(var("TARGET")).arg("-o").arg(&program).arg(&source);
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    let flags = var("CARGO_ENCODED_RUSTFLAGS");
    rustc.args(flags.split('\u{1f}').filter(|flag| !flag.is_empty()));
    rustc.arg("-Clink-arg=-T").arg(format!("-Clink-arg={}", script.display()));
    let linked = fs::write(&source, "fn main() {}\n").and_then(|()| rustc.output());
    linked.is_ok_and(|linked| linked.status.success()) && program.exists()
}
