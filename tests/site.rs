//! The static site that `doc/site.sh` builds: it is whole, every link of its index leads somewhere,
//! and nothing is asked for from outside.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Returns the values of the attributes `href` and `src`.
fn links(page: &str) -> Vec<&str> {
    ["href=\"", "src=\""]
        .iter()
        .flat_map(|attribute| page.split(attribute).skip(1))
        .filter_map(|rest| rest.split('"').next())
        .collect()
}

/// Returns the links of a page in `site` that lead nowhere, or out of the site.
fn broken<'a>(site: &Path, page: &'a str) -> Vec<&'a str> {
    let leads = |link: &&str| match link.strip_prefix('#') {
        Some(anchor) => page.contains(&format!("id=\"{anchor}\"")),
        None => !link.contains(':') && !link.starts_with('/') && site.join(link).is_file(),
    };
    links(page)
        .into_iter()
        .filter(|link| !leads(link))
        .collect()
}

#[test]
fn what_leads_nowhere_is_found() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.html"), "").unwrap();
    let page = "<h2 id=\"x\"></h2><a href=\"a.html\"></a><a href=\"#x\"></a><a href=\"#y\"></a>\
                <img src=\"b.svg\"><img src=\"https://example.org/c.png\"><a href=\"/a.html\"></a>";
    let wanted = ["#y", "/a.html", "b.svg", "https://example.org/c.png"];
    assert_eq!(broken(folder.path(), page), wanted);
}

#[test]
fn the_site_is_whole_and_a_folder_of_somebody_else_is_left() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let site = folder.path().join("site");
    let build = |out: &Path| {
        let mut command = Command::new("bash");
        command
            .arg(root.join("doc/site.sh"))
            .arg("--short")
            .arg(out);
        command.env("GROKRUN", env!("CARGO_BIN_EXE_grokrun"));
        let cache = concat!(env!("CARGO_TARGET_TMPDIR"), "/cache");
        let built = command.env("GROKRUN_CACHE_DIR", cache).output();
        built.expect("bash starts")
    };
    let refused = build(folder.path());
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let built = build(&site);
    assert!(built.status.success(), "{built:?}");
    let index = fs::read_to_string(site.join("index.html")).unwrap();
    assert_eq!(broken(&site, &index), Vec::<&str>::new());
    for page in ["tiny.html", "reports/every-analysis.html"] {
        assert!(links(&index).contains(&page), "{page}");
        let text = fs::read_to_string(site.join(page)).unwrap();
        assert!(
            text.contains("</html>") && text.len() < 10_000_000,
            "{page}"
        );
    }
    for analysis in ["fourier-sparsity", "progress-measures", "commutativity"] {
        let picture = format!("pictures/{analysis}.svg");
        assert!(links(&index).contains(&picture.as_str()), "{picture}");
    }
}
