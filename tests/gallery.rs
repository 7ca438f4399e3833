//! Specs of the gallery, trained whole, and their claims verified.

use std::path::Path;

use crate::support::Bench;

/// Those that take some seconds; the others were run by hand (doc/gallery.md).
const QUICK: [&str; 1] = ["stander2024-s4"];

#[test]
fn quick_specs_of_the_gallery_keep_their_claims() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("specs/gallery");
    for name in QUICK {
        let bench = Bench::new("");
        let text = std::fs::read_to_string(folder.join(name).with_extension("toml"));
        let spec = format!("{name}.toml");
        bench.write(&spec, text.expect("the spec is there"));
        bench.run(&[&spec, "--backend", "cpu", "--quiet"]).exits(0);
        let verified = bench.run(&["verify", &format!("runs/{name}")]);
        let verified = verified.exits(0);
        assert!(verified.out().contains("holds"), "{}", verified.out());
    }
}
