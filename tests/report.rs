//! `report.html`: what is in it, that nothing gets into it as markup, and how it looks to a browser.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{Bench, SMALL};

const ALL: &str =
    "[analysis.fourier-sparsity]\n[analysis.neuron-clustering]\n[analysis.commutativity]\n";

fn html(bench: &Bench) -> String {
    std::fs::read_to_string(bench.path().join("runs/small/report.html")).expect("a report")
}

/// The array of figures in a page.
fn figures(html: &str) -> Vec<Value> {
    let start = "<script type=\"application/json\" id=\"figures\">";
    let from = html.find(start).expect("figures") + start.len();
    let to = from + html[from..].find("</script>").expect("an end");
    serde_json::from_str(&html[from..to]).expect("JSON")
}

#[test]
fn a_report_has_everything_and_stands_alone() {
    let bench = Bench::new(&format!("{SMALL}{ALL}"));
    let out = bench
        .run(&["small.toml", "--backend", "cpu"])
        .exits(0)
        .out();
    assert!(out.contains("report.html"), "{out}");
    let page = html(&bench);
    for part in [
        "a × b mod 23",
        "mul-p23-f0.5-d1-m2",
        "did not grok",
        "fourier-sparsity",
        "clusters",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let figures = figures(&page);
    // Two curves and fourteen of the analyses.
    assert_eq!(figures.len(), 16);
    assert_eq!(page.matches("class=\"figure\"").count(), figures.len());
    assert!(figures.iter().all(|figure| figure["data"].is_array()));
    assert!(page.len() < 10_000_000, "{}", page.len());
    let own = &page[..page.find("id=\"figures\"").unwrap()];
    assert!(
        !own.contains("http:") && !own.contains("https:") && !own.contains("src="),
        "offline"
    );
    // Made again from what is there: the same page.
    std::fs::remove_file(bench.path().join("runs/small/report.html")).unwrap();
    bench.run(&["report", "runs/small"]).exits(0);
    assert_eq!(html(&bench), page);
    bench
        .run(&["report", "nowhere"])
        .exits(2)
        .says(&["nowhere", "run.json"]);
}

#[test]
fn every_figure_is_a_picture_too() {
    let bench = Bench::new(&format!("{SMALL}{ALL}"));
    bench.run(&["small.toml", "--backend", "cpu"]).exits(0);
    let said = bench
        .run(&["report", "runs/small", "--svg", "pictures"])
        .exits(0);
    assert!(
        said.out().starts_with("16 pictures"),
        "{}{}",
        said.out(),
        said.err()
    );
    let folder = bench.path().join("pictures/mul-p23-f0.5-d1-m2");
    for name in [
        "loss",
        "accuracy",
        "neuron-clustering-neurons",
        "fourier-sparsity-W_E-in-basis",
    ] {
        let svg = std::fs::read_to_string(folder.join(format!("{name}.svg"))).unwrap();
        assert!(
            svg.contains("<svg") && svg.trim_end().ends_with("</svg>"),
            "{name}"
        );
    }
}

#[test]
fn several_cells_are_compared() {
    let bench = Bench::new(SMALL);
    let seeds = "seeds.model=[1,2,3]";
    bench
        .run(&["small.toml", "--backend", "cpu", "--set", seeds])
        .exits(0);
    let page = html(&bench);
    assert!(page.contains("none of 3 cells grokked") && page.contains("All cells"));
    // Two of all cells, two of each.
    assert_eq!(figures(&page).len(), 8);
    assert_eq!(page.matches("<tr><td>mul-p23").count(), 3);
}

#[test]
fn nothing_that_a_plugin_says_becomes_markup() {
    let tests = std::env::current_exe().unwrap();
    let profile = tests.parent().and_then(Path::parent).unwrap();
    let library = profile.join(format!("examples/{DLL_PREFIX}misbehaving{DLL_SUFFIX}"));
    let bench = Bench::new(&format!("{SMALL}[analysis.odd-numbers]\n"));
    let library = library.to_str().unwrap();
    bench
        .run(&["small.toml", "--backend", "cpu", "--plugin", library])
        .exits(0);
    let page = html(&bench);
    assert!(!page.contains("<script>alert") && !page.contains("<img") && !page.contains("<th><b>"));
    assert!(page.contains("&#60;script&#62;alert") || page.contains("&lt;script&gt;alert"));
    let titles: Vec<Value> = figures(&page)
        .iter()
        .map(|figure| figure["layout"]["title"]["text"].clone())
        .collect();
    assert!(
        titles
            .iter()
            .any(|t| t == "</script><script>alert('title')</script>"),
        "{titles:?}"
    );
}

#[test]
fn a_failed_and_an_empty_run_have_reports_too() {
    let bench = Bench::new(SMALL);
    let wild = "train.learning_rate=1e30";
    bench
        .run(&["small.toml", "--backend", "cpu", "--set", wild])
        .exits(1);
    assert!(html(&bench).contains("failed: the loss of epoch"));
    std::fs::remove_dir_all(bench.path().join("runs/small/cells")).unwrap();
    bench.run(&["report", "runs/small"]).exits(0);
    assert!(html(&bench).contains("nothing was trained yet"));
}

/// Chromium, where it is installed; otherwise the test says that it is skipped.
fn chromium() -> Option<&'static str> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = names.into_iter().find(|name| {
        let asked = Command::new(name).arg("--version").output();
        asked.is_ok_and(|output| output.status.success())
    });
    if found.is_none() {
        eprintln!("skipped: there is no Chromium");
    }
    found
}

#[test]
fn a_browser_draws_every_figure_without_an_error() {
    let Some(chromium) = chromium() else { return };
    let bench = Bench::new(&format!("{SMALL}{ALL}"));
    bench.run(&["small.toml", "--backend", "cpu"]).exits(0);
    let page = bench.path().join("runs/small/report.html");
    // A driver that moves every slider to the first epoch and counts the figures that follow.
    let driver = r#"<script>
      setTimeout(async () => {
        const ranges = [...document.querySelectorAll(".frames input")];
        for (const range of ranges) { range.value = 0; range.dispatchEvent(new Event("input")); }
        await new Promise((done) => setTimeout(done, 3000));
        const moved = document.querySelectorAll(".figure[data-epoch='0']").length;
        document.body.dataset.moved = moved + " of " + ranges.length;
      }, 8000);
    </script></body>"#;
    let driven = std::fs::read_to_string(&page)
        .unwrap()
        .replace("</body>", driver);
    std::fs::write(&page, driven).unwrap();
    let profile = bench.path().join("profile");
    let seen = Command::new(chromium)
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(["--virtual-time-budget=20000", "--dump-dom"])
        .arg(format!("file://{}#all", page.display()))
        .output()
        .expect("Chromium starts");
    let (dom, log) = (
        String::from_utf8_lossy(&seen.stdout).into_owned(),
        String::from_utf8_lossy(&seen.stderr).into_owned(),
    );
    let console: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("CONSOLE"))
        .collect();
    assert!(console.is_empty(), "{console:?}");
    assert_eq!(dom.matches("data-drawn=\"yes\"").count(), 16);
    assert!(
        dom.contains("data-moved=\"4 of 4\""),
        "the sliders move the figures"
    );
}

#[test]
fn runs_are_listed_shown_and_compared() {
    let bench = Bench::new(SMALL);
    bench.run(&["small.toml", "--backend", "cpu"]).exits(0);
    let other = [
        "small.toml",
        "--backend",
        "cpu",
        "--set",
        "name=other",
        "--set",
        "seeds.model=[3,4]",
    ];
    bench.run(&other).exits(0);
    let shown = bench.run(&["show", "runs/small"]).exits(0).out();
    for part in ["mul-p23-f0.5-d1-m2", "train loss  ▇", "report.html"] {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
    assert!(
        shown.lines().all(|line| line.chars().count() <= 100),
        "{shown}"
    );
    let listed = bench.run(&["list"]).exits(0).out();
    assert!(
        listed.contains("done") && listed.contains("0 of 2 grokked"),
        "{listed}"
    );
    assert!(
        listed.find("other").unwrap() < listed.find("small").unwrap(),
        "the latest first"
    );
    bench
        .run(&["compare", "runs/small", "runs/other", "-o", "both.html"])
        .exits(0);
    let page = std::fs::read_to_string(bench.path().join("both.html")).unwrap();
    for part in [
        "small / mul-p23-f0.5-d1-m2",
        "other / mul-p23-f0.5-d1-m4",
        "none of 3 cells",
    ] {
        assert!(page.contains(part), "{part}");
    }
    bench
        .run(&["compare", "runs/small", "nowhere"])
        .exits(2)
        .says(&["nowhere"]);
    bench.run(&["list", "nowhere"]).exits(2).says(&["nowhere"]);
    bench.run(&["show", "nowhere"]).exits(2).says(&["run.json"]);
}
