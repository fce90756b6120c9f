//! Tells the cache of checked rules which mfilter made it: a hash of all
//! sources, so that no other build's programs are taken for its own. And lets
//! the linker lay together what a delivery runs.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    for path in ["Cargo.lock", "grammar", "src"] {
        println!("cargo:rerun-if-changed={path}");
        add(&mut hash, Path::new(path));
    }
    println!("cargo:rustc-env=MFILTER_BUILT_OF={hash:016x}");
    order();
}

/// FNV-1a over a file, or over all files below a folder, in order.
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
/// seven megabytes, each costs a page fault of its own at its first call.
fn order() {
    const LIST: &str = "link/delivery.txt";
    println!("cargo:rerun-if-changed={LIST}");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|is| is == value);
    // These read no such scripts.
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let linker = env::var("RUSTC_LINKER").unwrap_or_default();
    let other = ["mold", "gold", "wild"];
    if !is("PROFILE", "release")
        || !is("CARGO_CFG_TARGET_OS", "linux")
        || other.iter().any(|name| flags.contains(name) || linker.contains(name))
    {
        return;
    }
    let (Ok(list), Ok(out)) = (fs::read_to_string(LIST), env::var("OUT_DIR")) else { return };
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    let sections = lines.map(|name| format!("*(.text.{name} .text.unlikely.{name})\n"));
    let sections: String = sections.collect();
    let script = PathBuf::from(out).join("delivery.ld");
    let text = format!("SECTIONS {{ .text.delivery : {{\n{sections}}} }} INSERT BEFORE .text;\n");
    if fs::write(&script, text).is_ok() {
        println!("cargo:rustc-link-arg-bin=mfilter=-Wl,-T,{}", script.display());
    }
}
