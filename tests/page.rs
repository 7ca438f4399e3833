//! The page that trains in a browser: what is in it, what is refused, and that Chromium's WebGPU,
//! by Tint and SwiftShader, trains as the CPU does.

use serde_json::Value;

use crate::browser::{Browser, chromium};
use crate::support::{Bench, SMALL};

/// An MLP on a group, trained by its program.
const GROUP: &str = r#"
operation = { group = "S3" }
fraction = 0.6
seeds = { data = 1, model = 2 }
[model]
kind = "mlp"
d_model = 16
hidden = [24]
"#;

/// Two layers with norms, trained by their program.
const DEEP: &str = r#"
operation = "add"
modulus = 11
fraction = 0.5
seeds = { data = 1, model = 2 }
[model]
layers = 2
norm = "pre"
heads = 2
d_model = 16
d_head = 8
d_mlp = 24
"#;

/// Writes the page of a spec, trained for so many epochs, and returns its path.
fn write(bench: &Bench, name: &str, spec: &str, epochs: usize) -> std::path::PathBuf {
    bench.write(&format!("{name}.toml"), spec);
    let (spec, page) = (format!("{name}.toml"), format!("{name}.html"));
    let epochs = format!("train.epochs={epochs}");
    let arguments = ["page", &spec, "--set", &epochs, "-o", &page];
    bench.run(&arguments).exits(0);
    bench.path().join(page)
}

fn numbers(value: &Value) -> Vec<f64> {
    let list = value.as_array().expect("a list");
    list.iter().map(|x| x.as_f64().expect("a number")).collect()
}

/// Whether the device that a driver was promised is there: any Chromium has WebGPU, not any has an
/// adapter.
fn has_adapter(browser: &mut Browser) -> bool {
    let asked = "navigator.gpu ? navigator.gpu.requestAdapter().then((a) => a !== null) : false";
    let found = browser.value(asked) == true;
    if !found {
        let required = std::env::var_os("GROKRUN_REQUIRE_GPU").is_some_and(|value| value == "1");
        assert!(
            !required,
            "GROKRUN_REQUIRE_GPU=1, and Chromium has no adapter"
        );
        eprintln!("skipped: this Chromium has no WebGPU adapter");
    }
    found
}

#[test]
fn chromium_trains_as_the_cpu_does() {
    let Some(chromium) = chromium() else { return };
    let bench = Bench::new("");
    // Software takes a millisecond or more a dispatch, and the deep one has 200 an epoch.
    let specs = [
        ("folded", SMALL, 50),
        ("group", GROUP, 50),
        ("deep", DEEP, 20),
    ];
    let pages = specs.map(|(name, spec, epochs)| (name, write(&bench, name, spec, epochs), epochs));
    let mut browser = Browser::start_with_webgpu(chromium, bench.path());
    for (name, page, epochs) in pages {
        browser.open(&page, 1280, false);
        if !has_adapter(&mut browser) {
            return;
        }
        browser.until("document.getElementById('status').className !== 'verdict open'");
        let status = browser.value("document.getElementById('status').textContent");
        assert!(
            status.as_str().is_some_and(|s| s.starts_with("Ready")),
            "{name}: {status}"
        );
        let device = browser.value("document.getElementById('device').textContent");
        assert!(
            device.as_str().is_some_and(|d| d.contains("swiftshader")),
            "{device}"
        );
        // A step, and then the rest: epochs are the same however they are grouped.
        browser.until("!step.disabled");
        browser.value("document.getElementById('step').click()");
        let shows = |epoch: usize| {
            format!("document.getElementById('epoch').textContent === 'epoch {epoch} of {epochs}'")
        };
        browser.until(&shows(1));
        browser.value("document.getElementById('play').click()");
        browser.until(&format!("{} && !state.playing", shows(epochs)));
        for curve in ["trainLoss", "testLoss", "trainAccuracy", "testAccuracy"] {
            let ours = numbers(&browser.value(&format!("state.history.curves.{curve}")));
            let cpu = numbers(&browser.value(&format!("[...recorded.{curve}]")));
            assert_eq!((ours.len(), cpu.len()), (epochs, epochs), "{name}");
            for (epoch, (ours, cpu)) in ours.iter().zip(&cpu).enumerate().take(20) {
                let apart = (ours - cpu).abs() / cpu.abs().max(1e-12);
                assert!(
                    apart < 1e-6,
                    "{name}, {curve} of epoch {epoch}: {ours} for {cpu}"
                );
            }
            // What is compared changes by far more than what is allowed.
            if curve.ends_with("Loss") {
                assert!((cpu[0] / cpu[19] - 1.0).abs() > 1e-3, "{name}: {curve}");
            }
        }
        // The curves of a long training take no more memory, and keep both ends.
        let kept = browser.value(
            "(() => { const c = new Curves(); for (let i = 0; i < 40000; i++) c.push(i, state.history.last);
              return [c.epochs.length, c.curves.testLoss.length, c.epochs[0], c.epochs.at(-1), c.stride]; })()",
        );
        assert_eq!(numbers(&kept), [2500.0, 2500.0, 0.0, 39_984.0, 16.0]);
        // Going back finds what was seen.
        let embeddings = browser.value("state.embeddings.length");
        assert!(
            embeddings
                .as_u64()
                .is_some_and(|embeddings| embeddings >= 3),
            "{embeddings}"
        );
        browser.value("slider.value = '0', slider.oninput()");
        browser.until(&shows(0));
        // However many embeddings there were, those that stay are spread over all epochs.
        let spread = browser.value(
            "(async () => { [state.embeddings, state.gap] = [[], 1];
              for (let i = 0; i < 200; i++) { state.player.epoch += 1; await keepEmbedding(); }
              const gaps = state.embeddings.slice(1).map((one, i) => one.epoch - state.embeddings[i].epoch);
              return [state.embeddings.length, Math.max(...gaps), state.gap]; })()",
        );
        let [count, largest, gap] = numbers(&spread)[..] else {
            panic!("{spread}");
        };
        assert!(
            count > 40.0 && count <= 96.0 && gap > 1.0 && largest <= 2.0 * gap,
            "{spread}"
        );
        assert!(
            browser.complaints().is_empty(),
            "{:?}",
            browser.complaints()
        );
    }
}

#[test]
fn a_browser_without_webgpu_says_so_and_shows_the_native_run() {
    let Some(chromium) = chromium() else { return };
    let bench = Bench::new("");
    let page = write(&bench, "folded", SMALL, 50);
    let mut browser = Browser::start(chromium, bench.path());
    browser.open(&page, 400, true);
    browser.until("document.getElementById('status').className === 'verdict bad'");
    let status = browser.value("document.getElementById('status').textContent");
    let status = status.as_str().expect("a sentence");
    assert!(
        status.contains("WebGPU") && status.contains("native run (CPU"),
        "{status}"
    );
    assert_eq!(
        browser.value("document.getElementById('play').disabled"),
        true
    );
    browser.until("slider.max === '50' && !slider.disabled");
    let wide = browser.value("document.documentElement.scrollWidth <= 400");
    assert_eq!(wide, true, "it fits a telephone");
}

#[test]
fn a_page_stands_alone_and_what_it_cannot_do_is_refused() {
    let bench = Bench::new("");
    let page = write(&bench, "folded", SMALL, 50);
    let html = std::fs::read_to_string(page).expect("a page");
    assert!(html.contains("Content-Security-Policy") && !html.contains("src="));
    assert!(html.len() < 10_000_000, "{} bytes", html.len());
    let batched = format!("{SMALL}[data]\nbatch = {{ size = 16, seed = 0 }}\n");
    for (spec, more, expected) in [
        (batched.as_str(), [].as_slice(), "data.batch = \"full\""),
        (
            SMALL,
            &[
                "--set",
                "train.at=[{ epoch = 3, set = { weight_decay = 0.0 } }]",
            ],
            "train.at",
        ),
        (
            SMALL,
            &["--cell", "other"],
            "expected one of mul-p23-f0.5-d1-m2",
        ),
        (
            SMALL,
            &["--set", "modulus=1009", "--set", "model.d_mlp=2048"],
            "WebGPU promises",
        ),
    ] {
        bench.write("refused.toml", spec);
        let arguments = [&["page", "refused.toml", "-o", "refused.html"], more].concat();
        let output = bench.run(&arguments).exits(2);
        assert!(output.err().contains(expected), "{}", output.err());
        assert!(!bench.path().join("refused.html").exists());
    }
    let output = bench.run(&[
        "page",
        "refused.toml",
        "--set",
        "seeds.model=[1,2]",
        "--set",
        "train.epochs=2",
    ]);
    let output = output.exits(0);
    assert!(
        output
            .err()
            .contains("2 cells: the page is of the first, mul-p23-f0.5-d1-m1"),
        "{}",
        output.err()
    );
}
