//! Trains specs of the gallery whole, and verifies their claims.

use std::path::Path;

use crate::support::Bench;

/// Trains a spec of the gallery and verifies its claims. Specs that take some seconds have a test;
/// the others were run by hand (doc/gallery.md).
fn keeps_its_claims(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("specs/gallery");
    let bench = Bench::new("");
    let text = std::fs::read_to_string(folder.join(name).with_extension("toml"));
    let spec = format!("{name}.toml");
    bench.write(&spec, text.expect("the spec is there"));
    bench.run(&[&spec, "--backend", "cpu", "--quiet"]).exits(0);
    let verified = bench.run(&["verify", &format!("runs/{name}")]);
    let verified = verified.exits(0);
    assert!(verified.out().contains("holds"), "{}", verified.out());
}

#[test]
fn groups_of_three_kinds() {
    keeps_its_claims("chughtai2023");
}

#[test]
fn four_phases() {
    keeps_its_claims("liu2022");
}

#[test]
fn the_symmetric_group() {
    keeps_its_claims("stander2024-s4");
}

#[test]
fn ungrokking() {
    keeps_its_claims("varma2023");
}

#[test]
fn phases_of_neurons() {
    keeps_its_claims("he2026");
}
