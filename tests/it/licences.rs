//! Every crate that mfilter is built from has a licence that `deny.toml` allows: the
//! check of `cargo deny check licenses`, where cargo-deny is not installed.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use spdx::{Expression, Licensee, ParseMode};

#[derive(Deserialize)]
struct Deny {
    licenses: Licenses,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
    exceptions: Vec<Exception>,
}

#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

#[test]
fn every_licence_is_allowed() {
    let deny = deny();
    let packages = packages();
    let wrong: Vec<String> = packages
        .iter()
        .filter(|package| !allowed(&deny, package))
        .map(|package| {
            let license = package.license.as_deref().unwrap_or("no licence");
            format!("{} {}: {license}", package.name, package.version)
        })
        .collect();
    assert!(wrong.is_empty(), "not allowed by deny.toml:\n{}", wrong.join("\n"));
    // Fuzzing has exceptions too; its crates may be missing here.
    let locks = ["Cargo.lock", "fuzz/Cargo.lock"].map(read).concat();
    for exception in &deny.licenses.exceptions {
        let used = locks.contains(&format!("name = \"{}\"\n", exception.name));
        assert!(used, "deny.toml excepts {}, which is not used", exception.name);
    }
}

#[test]
fn every_crate_comes_from_crates_io() {
    let elsewhere: Vec<String> = packages()
        .into_iter()
        .filter(|package| package.name != "mfilter")
        .filter(|package| !package.source.as_deref().is_some_and(is_crates_io))
        .map(|package| package.name)
        .collect();
    assert!(elsewhere.is_empty(), "not from crates.io: {}", elsewhere.join(", "));
}

#[test]
fn a_licence_that_is_not_listed_is_found() {
    let deny = deny();
    let package = |license: Option<&str>| Package {
        name: "example".into(),
        version: "1.0.0".into(),
        license: license.map(str::to_owned),
        source: None,
    };
    for bad in [None, Some("GPL-3.0-only"), Some("MIT AND GPL-2.0-only"), Some("MPL-2.0")] {
        assert!(!allowed(&deny, &package(bad)), "{bad:?}");
    }
    for good in ["MIT/Apache-2.0", "GPL-2.0-only OR MIT", "(MIT OR Zlib) AND Unicode-3.0"] {
        assert!(allowed(&deny, &package(Some(good))), "{good}");
    }
}

fn allowed(deny: &Deny, package: &Package) -> bool {
    let Some(license) = &package.license else { return false };
    let Ok(expression) = Expression::parse_mode(license, ParseMode::LAX) else { return false };
    let exceptions = deny.licenses.exceptions.iter().filter(|each| each.name == package.name);
    let allow: Vec<Licensee> = deny
        .licenses
        .allow
        .iter()
        .chain(exceptions.flat_map(|each| &each.allow))
        .map(|name| Licensee::parse(name).expect("deny.toml names SPDX licences"))
        .collect();
    expression.evaluate(|asked| allow.iter().any(|licensee| licensee.satisfies(asked)))
}

fn is_crates_io(source: &str) -> bool {
    source.starts_with("registry+") && source.ends_with("/rust-lang/crates.io-index")
}

fn deny() -> Deny {
    toml::from_str(&read("deny.toml")).expect("deny.toml is well-formed")
}

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Only what is built on this machine: crates for other targets may not be downloaded.
fn packages() -> Vec<Package> {
    let host = Command::new("rustc").arg("-vV").output().expect("rustc runs").stdout;
    let host = String::from_utf8(host).expect("UTF-8");
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).expect("has a host");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(["--filter-platform", host])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata: {errors}");
    let metadata: Metadata = serde_json::from_slice(&output.stdout).expect("cargo's JSON");
    metadata.packages
}
