//! The fences of ARCHITECTURE.md, held against what cargo says the crates depend on.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Hearth crates that each Hearth crate may know in shipped code. A crate that is missing here fails the test.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("hearth-types", &[]),
    ("hearth-crypto", &["types"]),
    ("hearth-qbft", &["types"]),
    ("hearth-duties", &["types", "crypto", "qbft"]),
    ("hearth-slashing", &["types", "crypto"]),
    ("hearth-signer", &["types", "crypto", "slashing"]),
    ("hearth-dkg", &["types", "crypto"]),
    ("hearth-obol", &["types", "crypto", "qbft", "dkg", "duties"]),
    ("hearth-gathering", &["types", "crypto", "obol"]),
    ("hearth-p2p", &["types"]),
    ("hearth-beacon", &["types", "duties"]),
    ("hearth-api", &["types"]),
    ("hearth-channels", &["api"]),
    (
        "hearth-node",
        &[
            "types",
            "crypto",
            "qbft",
            "duties",
            "slashing",
            "signer",
            "obol",
            "gathering",
            "p2p",
            "beacon",
            "api",
            "channels",
        ],
    ),
    (
        "hearth-sim",
        &["types", "crypto", "qbft", "duties", "slashing", "signer", "obol", "p2p", "beacon", "api", "node"],
    ),
    ("hearth-cli", &["types", "api", "node", "sim"]),
    // The app sees the node through its socket only: what holds keys has no web engine in it.
    ("hearth-app", &["api"]),
    ("hearth-fuzz", &["types", "crypto", "signer", "dkg", "duties", "obol", "gathering", "p2p"]),
];

/// Third-party crates with one home (or few): nobody else may depend on them directly, in shipped code.
const HOMES: &[(&str, &[&str])] = &[
    ("blst", &["hearth-crypto"]),
    ("k256", &["hearth-crypto"]),
    ("libp2p", &["hearth-p2p"]),
    ("prost", &["hearth-obol"]),
    ("reqwest", &["hearth-beacon", "hearth-channels"]),
    ("lettre", &["hearth-channels"]),
    ("rusqlite", &["hearth-slashing", "hearth-node"]),
    ("clap", &["hearth-cli", "xtask"]),
    ("ratatui", &["hearth-cli"]),
    ("prometheus-client", &["hearth-node"]),
    ("libfuzzer-sys", &["hearth-fuzz"]),
    ("tauri", &["hearth-app"]),
    ("ts-rs", &[]),
];

/// Crates without IO, clock or async runtime.
const PURE: &[&str] = &[
    "hearth-types",
    "hearth-crypto",
    "hearth-qbft",
    "hearth-dkg",
    "hearth-duties",
    "hearth-obol",
    "hearth-gathering",
];
const IMPURE: &[&str] = &["tokio", "futures", "rusqlite", "libp2p", "reqwest", "axum", "hyper", "getrandom"];

fn workspace() -> Metadata {
    MetadataCommand::new()
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .expect("cargo metadata answers")
}

fn shipped(package: &Package) -> BTreeSet<String> {
    let normal = package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
    normal.map(|dependency| dependency.name.clone()).collect()
}

#[test]
fn every_crate_knows_only_the_hearth_crates_that_the_architecture_allows() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_KNOW.iter().copied().collect();
    for package in workspace().workspace_packages() {
        let name = package.name.as_str();
        if name == "xtask" || name == "hearth-tests" {
            continue;
        }
        let may_know = allowed.get(name).unwrap_or_else(|| panic!("{name} has no row in the dependency table"));
        for dependency in shipped(package) {
            if let Some(short) = dependency.strip_prefix("hearth-") {
                assert!(may_know.contains(&short), "{name} must not know hearth-{short}");
            }
        }
    }
}

#[test]
fn a_fenced_library_is_known_only_to_its_home() {
    for package in workspace().workspace_packages() {
        let depends = shipped(package);
        for (library, homes) in HOMES {
            let trespasses = depends.contains(*library) && !homes.contains(&package.name.as_str());
            assert!(!trespasses, "{} must not depend on {library}; its home is {homes:?}", package.name);
        }
    }
}

#[test]
fn pure_crates_have_no_io_no_clock_and_no_async_runtime() {
    for package in workspace().workspace_packages() {
        if PURE.contains(&package.name.as_str()) {
            let depends = shipped(package);
            for impure in IMPURE {
                assert!(!depends.contains(*impure), "{} is pure and must not depend on {impure}", package.name);
            }
        }
    }
}

#[test]
fn every_crate_takes_version_licence_and_lints_from_the_workspace() {
    for package in workspace().workspace_packages() {
        let manifest =
            std::fs::read_to_string(&package.manifest_path).expect("a manifest that cargo just read");
        for line in ["version.workspace = true", "license.workspace = true", "[lints]\nworkspace = true"] {
            assert!(manifest.contains(line), "{}: its manifest lacks `{line}`", package.name);
        }
    }
}
