//! No crate that mfilter or its fuzzing is built from has a known security advisory,
//! according to `advisories.toml`: the result of `cargo deny check advisories` where
//! the database is within reach.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use semver::{Version, VersionReq};
use serde::Deserialize;
use serde::de::DeserializeOwned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    known: toml::value::Datetime,
    crates: BTreeSet<String>,
    advisory: Vec<Advisory>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advisory {
    id: String,
    #[serde(rename = "crate")]
    name: String,
    title: String,
    informational: Option<String>,
    withdrawn: Option<toml::value::Datetime>,
    patched: Vec<VersionReq>,
    #[serde(default)]
    unaffected: Vec<VersionReq>,
}

#[derive(Deserialize)]
struct Deny {
    advisories: Ignored,
}

#[derive(Deserialize)]
struct Ignored {
    #[serde(default)]
    ignore: Vec<Excuse>,
}

/// An exception needs a reason here, though cargo-deny would accept it without one.
#[derive(Deserialize)]
struct Excuse {
    id: String,
    reason: String,
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: Version,
    source: Option<String>,
}

impl Advisory {
    fn affects(&self, package: &Package) -> bool {
        let fine = self.patched.iter().chain(&self.unaffected);
        self.withdrawn.is_none()
            && self.name == package.name
            && !fine.into_iter().any(|range| range.matches(&package.version))
    }
}

#[test]
fn no_crate_has_an_advisory() {
    let known: Known = read("advisories.toml");
    let excused = read::<Deny>("deny.toml").advisories.ignore;
    let packages = packages();
    let found: BTreeSet<String> = findings(&known, &packages, &excused).into_iter().collect();
    assert!(
        found.is_empty(),
        "{}\n\nTake a version that is not affected (`cargo update CRATE`, in fuzz/ too), \
         or excuse it in deny.toml: [advisories] ignore = [{{ id = \"…\", reason = \"…\" }}]",
        found.into_iter().collect::<Vec<_>>().join("\n")
    );
    for excuse in &excused {
        assert!(!excuse.reason.trim().is_empty(), "deny.toml excuses {} without why", excuse.id);
        let needed = known.advisory.iter().any(|advisory| {
            advisory.id == excuse.id && packages.iter().any(|package| advisory.affects(package))
        });
        assert!(needed, "deny.toml excuses {}, which affects nothing: remove it", excuse.id);
    }
}

#[test]
fn every_crate_was_looked_up() {
    let known: Known = read("advisories.toml");
    let new: BTreeSet<String> = packages()
        .into_iter()
        .map(|package| package.name)
        .filter(|name| !known.crates.contains(name))
        .collect();
    assert!(
        new.is_empty(),
        "not in advisories.toml, whose head says how to look them up: {}",
        new.into_iter().collect::<Vec<_>>().join(", ")
    );
    for advisory in &known.advisory {
        let (id, name) = (&advisory.id, &advisory.name);
        assert!(known.crates.contains(name), "{id}: {name} is not among the crates");
    }
}

#[test]
fn a_version_that_is_affected_is_found() {
    let known: Known = read("advisories.toml");
    let found = |name: &str, version: &str| {
        let version = Version::parse(version).expect("a version");
        let package = Package { name: name.into(), version, source: None };
        findings(&known, &[package], &[]).len()
    };
    assert_eq!(found("smallvec", "0.6.9"), 4, "all four of 0.6.10 to 0.6.14");
    assert_eq!(found("smallvec", "1.6.1"), 0);
    assert_eq!(found("slab", "0.4.9"), 0, "older than the fault");
    assert_eq!(found("slab", "0.4.10"), 1);
    assert_eq!(found("rand", "0.8.5"), 1);
    assert_eq!(found("rand", "0.8.6"), 0, "mended in each series");
    assert_eq!(found("dirs", "6.0.0"), 0, "withdrawn");

    let package = Package { name: "slab".into(), version: Version::new(0, 4, 10), source: None };
    let excuse = Excuse { id: "RUSTSEC-2025-0047".into(), reason: "not called".into() };
    assert!(findings(&known, &[package], &[excuse]).is_empty());
}

/// What affects a package and is not excused, one line each.
fn findings(known: &Known, packages: &[Package], excused: &[Excuse]) -> Vec<String> {
    let mut found = Vec::new();
    for package in packages {
        for advisory in known.advisory.iter().filter(|advisory| advisory.affects(package)) {
            if excused.iter().any(|excuse| excuse.id == advisory.id) {
                continue;
            }
            let kind = advisory.informational.as_deref().unwrap_or("vulnerability");
            let patched = match advisory.patched.as_slice() {
                [] => "never".to_owned(),
                ranges => ranges.iter().map(VersionReq::to_string).collect::<Vec<_>>().join("; "),
            };
            found.push(format!(
                "{} {}: {kind} https://rustsec.org/advisories/{}, known on {}: {}; \
                 patched: {patched}",
                package.name, package.version, advisory.id, known.known, advisory.title
            ));
        }
    }
    found
}

/// All packages in the two lock files that somebody else wrote.
fn packages() -> Vec<Package> {
    let all = ["Cargo.lock", "fuzz/Cargo.lock"].map(|file| read::<Lock>(file).package);
    let packages: Vec<Package> =
        all.into_iter().flatten().filter(|package| package.source.is_some()).collect();
    assert!(packages.len() > 100, "the lock files have only {} crates", packages.len());
    packages
}

fn read<T: DeserializeOwned>(file: &str) -> T {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file))
        .unwrap_or_else(|error| panic!("{file}: {error}"));
    toml::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}
