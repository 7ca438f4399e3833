//! `report.html`: its contents, that nothing gets into it as markup, and how a browser renders it.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::path::Path;

use serde_json::{Value, json};

use crate::browser::{Browser, chromium};
use crate::support::{Bench, SMALL};

const ALL: &str =
    "[analysis.fourier-sparsity]\n[analysis.neuron-clustering]\n[analysis.commutativity]\n";

fn html(bench: &Bench) -> String {
    std::fs::read_to_string(bench.path().join("runs/small/report.html")).expect("a report")
}

/// Returns the figures in a page, unpacked.
fn figures(html: &str) -> Vec<Value> {
    let start = "<script type=\"application/json\" id=\"figure-";
    html.split(start)
        .skip(1)
        .map(|rest| {
            let from = rest.find('>').expect("a tag") + 1;
            let to = rest.find("</script>").expect("an end");
            serde_json::from_str(&rest[from..to]).expect("JSON")
        })
        .collect()
}

/// Returns a spectrum as analyses draw them: many labels on both axes of a square, and frames.
fn map() -> Value {
    let labels: Vec<String> = (0..58).map(|i| format!("cos {i}")).collect();
    let at = |epoch: usize| {
        let cell = |i: usize, j: usize| ((i * j + epoch) as f64 * 0.1).sin();
        let rows: Vec<Vec<f64>> = (0..58)
            .map(|i| (0..58).map(|j| cell(i, j)).collect())
            .collect();
        json!([{ "type": "heatmap", "x": labels, "y": labels, "z": rows,
            "colorscale": "RdBu", "reversescale": true, "zmid": 0 }])
    };
    let frames: Vec<Value> = [0, 100, 300]
        .map(|epoch| json!({ "name": epoch.to_string(), "data": at(epoch) }))
        .into();
    json!({ "data": at(300), "frames": frames, "layout": { "title": { "text": "Spectrum" },
        "xaxis": { "type": "category", "title": { "text": "basis function of b" } },
        "yaxis": { "type": "category", "autorange": "reversed", "title": { "text": "basis function of a" } } } })
}

/// Adds a table of phases and a map, as an analysis may leave them in a cell of `runs/small`.
fn add_findings(bench: &Bench) {
    let cell = bench.path().join("runs/small/cells/mul-p23-f0.5-d1-m2");
    let folder = cell.join("analysis/fourier-sparsity");
    let index = std::fs::read_to_string(folder.join("findings.json")).unwrap();
    let mut index: Value = serde_json::from_str(&index).unwrap();
    // As a run of an older version has it: edited, it would be damaged.
    for checked in ["blake3", "fingerprint", "files"] {
        assert!(index.as_object_mut().unwrap().remove(checked).is_some());
    }
    index["tables"]
        .as_array_mut()
        .unwrap()
        .push(json!("phases"));
    index["figures"].as_array_mut().unwrap().push(json!("map"));
    std::fs::write(folder.join("findings.json"), index.to_string()).unwrap();
    let rows = json!([
        ["memorisation", 0, 120, "excluded loss is lowest"],
        ["<b>stable</b>", 120, null, "nothing changes & <i>stays</i>"]
    ]);
    let table = json!({ "columns": ["phase", "from", "to", "rule"], "rows": rows });
    std::fs::write(folder.join("phases.table.json"), table.to_string()).unwrap();
    std::fs::write(folder.join("map.figure.json"), map().to_string()).unwrap();
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
        "0.5 of 529 pairs",
        "1 layer, 4 heads of 8, d_model 32, 64 relu neurons",
        "epochs/s",
        "fourier-sparsity",
        "<b>Definition.</b>",
        "clusters",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let figures = figures(&page);
    // Two curves, fourteen of the analyses, and the series that those leave out.
    let left_out = |figure: &&Value| {
        let caption = figure["layout"]["meta"]["caption"]
            .as_str()
            .unwrap_or_default();
        caption.contains("no figure of the analysis shows")
    };
    let left_out = figures.iter().filter(left_out).count();
    assert_eq!(figures.len(), 16 + left_out);
    assert!(left_out > 0);
    for part in [
        "Provenance",
        "grokrun small.toml --backend cpu",
        "<pre tabindex",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert_eq!(page.matches(" data-figure=\"").count(), figures.len());
    assert!(figures.iter().all(|figure| figure["data"].is_array()));
    assert!(page.len() < 10_000_000, "{}", page.len());
    let own = &page[..page.find("id=\"figure-0\"").unwrap()];
    assert!(
        !own.contains("http:") && !own.contains("https:") && !own.contains("src="),
        "offline"
    );
    // When the report is made again from the same files, it is the same page.
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
    // Grok epochs and two overlays of all cells, two curves of each.
    assert_eq!(figures(&page).len(), 9);
    assert_eq!(page.matches("<tr id=\"row-").count(), 3);
    // Each leads to its section, and the contents do.
    assert_eq!(page.matches("href=\"#cell-1\"").count(), 2);
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

#[test]
fn measured_phases_shade_whatever_is_drawn_over_epochs() {
    let bench = Bench::new(&format!("{SMALL}{ALL}"));
    bench.run(&["small.toml", "--backend", "cpu"]).exits(0);
    let shaded = |page: &str| -> Vec<String> {
        let is_shaded = |figure: &&Value| figure["layout"]["shapes"][1]["type"] == "rect";
        let all = figures(page);
        let titles = all.iter().filter(is_shaded);
        let titles = titles.map(|figure| figure["layout"]["title"]["text"].to_string());
        titles.collect()
    };
    // By accuracies: the curves alone, if the small model memorises at all.
    assert!(shaded(&html(&bench)).len() <= 2);
    add_findings(&bench);
    bench.run(&["report", "runs/small"]).exits(0);
    let page = html(&bench);
    let over_epochs = figures(&page)
        .iter()
        .filter(|figure| figure["layout"]["xaxis"]["title"]["text"] == "epoch")
        .count();
    assert!(over_epochs > 4, "{over_epochs}");
    assert_eq!(shaded(&page).len(), over_epochs, "{:?}", shaded(&page));
    assert!(page.contains("excluded loss is lowest") && page.contains("epochs 0 – 120"));
    // What a plugin says stays text, in the page and in a figure.
    assert!(!page.contains("<b>stable") && !page.contains("<i>stays"));
}

#[test]
fn a_browser_draws_every_figure_without_an_error() {
    let Some(chromium) = chromium() else { return };
    let bench = Bench::new(&format!("{SMALL}{ALL}"));
    bench.run(&["small.toml", "--backend", "cpu"]).exits(0);
    add_findings(&bench);
    bench.run(&["report", "runs/small"]).exits(0);
    let page = bench.path().join("runs/small/report.html");
    let mut browser = Browser::start(chromium, bench.path());
    let mut pictures = Vec::new();
    for (width, dark) in [(1280, false), (1280, true), (390, false)] {
        browser.open(&page, width, dark);
        let drawn = "document.querySelectorAll('.figure[data-drawn=yes] .main-svg').length";
        assert!(browser.value(drawn).as_u64() >= Some(17), "{width} {dark}");
        let failed = "document.querySelectorAll('.figure[data-drawn=failed]').length";
        assert_eq!(browser.value(failed), 0);
        // Nothing is wider than the screen, and no title of an axis is cut off.
        let wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(browser.value(wide), 0, "{width}");
        let cut = "[...document.querySelectorAll('.xtitle, .ytitle')].filter((title) => {
            const [t, f] = [title, title.closest('.figure')].map((e) => e.getBoundingClientRect());
            return t.bottom > f.bottom + 1 || t.left < f.left - 1 || t.right > f.right + 1;
        }).map((title) => title.textContent + ' of ' + title.closest('.card').textContent.slice(0, 60)).join()";
        assert_eq!(browser.value(cut), "", "{width}");
        let color = browser.value("getComputedStyle(document.body).backgroundColor");
        assert_eq!(color == "rgb(255, 255, 255)", !dark, "{color}");
        let asked = json!({ "format": "png" });
        pictures.push(browser.call("Page.captureScreenshot", asked)["data"].clone());
        // On paper too, and back to the screen.
        let paper = browser.call("Page.printToPDF", json!({}))["data"].clone();
        assert!(paper.as_str().is_some_and(|pdf| pdf.len() > 50_000));
        browser.until("[...document.querySelectorAll('.figure .main-svg')].every((svg) => svg.clientWidth > 0)");
    }
    assert!(
        pictures
            .iter()
            .all(|picture| picture.as_str().unwrap().len() > 10_000)
    );
    assert!(pictures[0] != pictures[1] && pictures[0] != pictures[2]);
    assert_eq!(browser.complaints(), [] as [String; 0]);
}

#[test]
fn one_scrubber_moves_every_figure_over_epochs() {
    let Some(chromium) = chromium() else { return };
    let bench = Bench::new(&format!("{SMALL}{ALL}"));
    bench.run(&["small.toml", "--backend", "cpu"]).exits(0);
    let page = bench.path().join("runs/small/report.html");
    let mut browser = Browser::start(chromium, bench.path());
    browser.open(&page, 1280, false);
    // The first bars that move: heights before and after.
    browser.value(
        "window.range = document.querySelector('#scrubber input'); window.button = document.querySelector('#scrubber button');
         window.figure = [...document.querySelectorAll('.figure[data-epoch]')].find((f) => f.querySelector('.bars') && !f.querySelector('.cursor'));
         window.bars = () => figure.querySelector('.bars').innerHTML;
         window.at = (epoch) => document.querySelectorAll(`.figure[data-epoch=\"${epoch}\"]`).length;
         window.last = bars(); range.focus(); 1",
    );
    // Four figures with frames, and those over epochs: the curves among them.
    let following = "document.querySelectorAll('.figure[data-epoch]').length";
    let count = browser.value(following).as_u64().expect("a number");
    assert!(count >= 8, "{count}");
    let lines = browser.value("document.querySelectorAll('.cursor').length");
    assert_eq!(lines.as_u64(), Some(count - 4));
    // Home on the keyboard: the first epoch.
    browser.press("Home", 36);
    browser.until(&format!("at(0) === {count} && bars() !== last"));
    // As a mouse leaves it: lines are at the epoch, frames at the latest one by then.
    browser.value("range.value = 150; range.dispatchEvent(new Event('input'));");
    browser.until(&format!("at(150) === {} && at(100) === 4", count - 4));
    browser.value("button.click()");
    browser.until(
        "button.textContent === 'Play' && figure.dataset.epoch === '300' && bars() === last",
    );
    assert_eq!(browser.complaints(), [] as [String; 0]);
}

#[test]
fn a_figure_is_taken_away_scaled_and_enlarged() {
    let Some(chromium) = chromium() else { return };
    let bench = Bench::new(&format!("{SMALL}{ALL}"));
    bench.run(&["small.toml", "--backend", "cpu"]).exits(0);
    add_findings(&bench);
    bench.run(&["report", "runs/small"]).exits(0);
    let page = bench.path().join("runs/small/report.html");
    let mut browser = Browser::start(chromium, bench.path());
    browser.open(&page, 1280, false);
    // What would be saved is kept in place of it.
    browser.value(
        "window.saved = []; let blob;
         URL.createObjectURL = (made) => { blob = made; return 'about:blank'; };
         HTMLAnchorElement.prototype.click = function () {
           const name = this.download; blob.text().then((text) => saved.push([name, text])); };
         window.of = (title) => [...document.querySelectorAll('.figure')].find((f) => f.getAttribute('aria-label') === title);
         window.tool = (title, text) => [...of(title).closest('.card').querySelectorAll('.tools button')].find((b) => b.textContent === text);
         1",
    );
    let figures = browser.value("document.querySelectorAll('.figure').length");
    let rows = browser.value("document.querySelectorAll('.card .tools').length");
    assert_eq!(figures, rows, "each figure has its buttons");

    browser.value("tool('Loss', 'CSV').click(); 1");
    browser.until("saved.length === 1");
    let [name, text] = [0, 1].map(|i| browser.value(&format!("saved[0][{i}]")));
    let text = text.as_str().expect("a text");
    assert!(
        name.as_str()
            .is_some_and(|name| name.ends_with("-Loss-epoch-300.csv")),
        "{name}"
    );
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[0], lines.len()), ("epoch,train,test", 301));
    // The numbers are those of the history, rounded as they are drawn.
    let metrics = bench.history();
    for (line, row) in lines[1..].iter().zip(metrics.rows()) {
        let parts: Vec<f64> = line
            .split(',')
            .map(|part| part.parse().expect("a number"))
            .collect();
        assert_eq!(parts[0], row.epoch as f64);
        for (drawn, whole) in [(parts[1], row.train_loss), (parts[2], row.test_loss)] {
            assert!((drawn / whole - 1.0).abs() < 1e-3, "{line} {row:?}");
        }
    }
    browser.value("tool('Spectrum', 'CSV').click(); 1");
    browser.until("saved.length === 2");
    let map =
        browser.value("saved[1][1].split('\\n').filter(Boolean).map((l) => l.split(',').length)");
    assert_eq!(map.as_array().map(Vec::len), Some(59));
    assert!(
        map.as_array()
            .expect("rows")
            .iter()
            .all(|count| *count == 59)
    );

    browser.value("tool('Loss', 'SVG').click(); 1");
    browser.until("saved.length === 3");
    let picture = browser.value("saved[2][1]");
    let picture = picture.as_str().expect("a text");
    assert!(picture.starts_with("<svg") && picture.contains("cross-entropy"));

    // Values are logarithmic from the start, epochs are not.
    let scales = "[of('Loss').layout.yaxis.type, of('Loss').layout.xaxis.type || 'linear'].join()";
    browser.until(&format!("{scales} === 'log,linear'"));
    browser.value("tool('Loss', 'log').click(); tool('Loss', 'log epoch').click(); 1");
    browser.until(&format!("{scales} === 'linear,log'"));
    browser.value("tool('Loss', 'log').click(); tool('Loss', 'log epoch').click(); 1");
    browser.until(&format!("{scales} === 'log,linear'"));
    assert_eq!(browser.value("!tool('Spectrum', 'log')"), true);

    let wide = "of('Loss').clientWidth > 1100";
    assert_eq!(browser.value(wide), false);
    browser.value("tool('Loss', 'Enlarge').click(); 1");
    browser.until(&format!("{wide} && tool('Loss', 'Close')"));
    browser.press("Escape", 27);
    browser.until(&format!("!({wide}) && tool('Loss', 'Enlarge')"));
    browser.call("Emulation.setEmulatedMedia", json!({ "media": "print" }));
    let shown = "[...document.querySelectorAll('.tools')].filter((row) => row.offsetParent).length";
    assert_eq!(browser.value(shown), 0, "paper has no buttons");
    assert_eq!(browser.complaints(), [] as [String; 0]);
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
        "small: none of 1 cell grokked",
        "other: none of 2 cells grokked",
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
