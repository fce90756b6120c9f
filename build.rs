//! Tells the cache of checked rules which mfilter made it: a hash of all
//! sources, so that no other build's programs are taken for its own.

use std::fs;
use std::path::Path;

fn main() {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    for path in ["Cargo.lock", "grammar", "src"] {
        println!("cargo:rerun-if-changed={path}");
        add(&mut hash, Path::new(path));
    }
    println!("cargo:rustc-env=MFILTER_BUILT_OF={hash:016x}");
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
