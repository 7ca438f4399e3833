use grokrun_store::Metrics;

use super::*;

struct Planted {
    config: Value,
    outcome: CellSummary,
}

/// A cell that grokked at 400 over the product of both settings if that is above 0.1, of two that
/// differ in their seeds.
fn planted(fraction: f64, decay: f64, seed: u64) -> Planted {
    let grokked = (fraction * decay > 0.1).then(|| (400.0 / (fraction * decay)) as u64 + seed);
    let memorised = (decay < 50.0).then_some(50);
    Planted {
        config: json!({ "task": { "notation": "a + b", "modulus": 97, "fraction": fraction },
            "seeds": { "data": 0, "model": seed }, "train": { "weight_decay": decay } }),
        outcome: CellSummary {
            epochs: 5000,
            train_accuracy_epoch: memorised,
            test_accuracy_epoch: grokked.filter(|_| memorised.is_some()),
            ..CellSummary::new(
                &format!("f{fraction}-wd{decay}-m{seed}"),
                "finished",
                &Metrics::default(),
            )
        },
    }
}

fn all() -> Vec<Planted> {
    let mut all = Vec::new();
    for fraction in [0.3, 0.5, 0.7] {
        for decay in [0.1, 1.0, 10.0, 100.0] {
            all.extend([0, 1].map(|seed| planted(fraction, decay, seed)));
        }
    }
    all
}

fn with_figures(planted: &[Planted], test: impl Fn(Vec<Value>)) {
    let metrics = Metrics::default();
    let members: Vec<Member> = planted
        .iter()
        .map(|one| Member {
            run: None,
            config: &one.config,
            metrics: &metrics,
            outcome: &one.outcome,
            link: format!("row-{}", one.outcome.cell),
        })
        .collect();
    test(figures(&members, None));
}

fn titled<'f>(figures: &'f [Value], title: &str) -> &'f Value {
    let has = |figure: &&Value| figure["layout"]["title"]["text"] == title;
    figures
        .iter()
        .find(has)
        .unwrap_or_else(|| panic!("{title}"))
}

#[test]
fn an_axis_has_its_scale_its_medians_and_its_censored_cells() {
    with_figures(&all(), |figures| {
        let figure = titled(&figures, "Grok epoch over weight decay");
        assert_eq!(figure["layout"]["xaxis"]["type"], "log");
        let of_half: Vec<&Value> = figure["data"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|trace| trace["legendgroup"] == "fraction 0.5")
            .collect();
        assert_eq!(of_half[0]["y"], json!([null, 800, 80, null]));
        assert_eq!(of_half[1]["y"], json!([800.0, 801.0, 80.0, 81.0]));
        assert_eq!(of_half[2]["marker"]["symbol"], "arrow-up");
        assert_eq!(of_half[2]["x"], json!([0.1, 0.1, 100.0, 100.0]));
        assert_eq!(of_half[2]["y"], json!(vec![5000.0; 4]));
        let other = titled(&figures, "Grok epoch over fraction");
        assert_eq!(other["layout"]["xaxis"]["type"], "linear");
    });
}

#[test]
fn two_axes_make_maps_of_epochs_and_of_the_planted_phases() {
    with_figures(&all(), |figures| {
        let map = titled(&figures, "Grok epoch over weight decay and fraction");
        assert_eq!(map["data"][0]["text"][1], json!(["", "800", "80", ""]));
        assert_eq!(map["data"][0]["customdata"][1][2], "row-f0.5-wd10-m0");
        // Of each fraction the smallest and the largest decay.
        let crosses = &map["data"][1];
        assert_eq!(crosses["x"].as_array().unwrap().len(), 6);
        assert_eq!(
            (&crosses["x"][1], &crosses["y"][1]),
            (&json!("100"), &json!("0.3"))
        );
        let phases = titled(&figures, "Phases over weight decay and fraction");
        let rows = [
            ["M", "G", "C", "–"],
            ["M", "C", "C", "–"],
            ["M", "C", "C", "–"],
        ];
        assert_eq!(phases["data"][0]["text"], json!(rows));
        assert_eq!(phases["data"][0]["hovertext"][0][1], "grokking 2");
    });
}

#[test]
fn a_third_axis_makes_a_map_for_each_of_its_values() {
    let mut cells = all();
    let mut more = all();
    more.iter_mut()
        .for_each(|one| one.config["model"] = json!({ "d_mlp": 64 }));
    cells
        .iter_mut()
        .for_each(|one| one.config["model"] = json!({ "d_mlp": 32 }));
    cells.extend(more);
    with_figures(&cells, |figures| {
        for width in [32, 64] {
            titled(&figures, &format!("Grok epoch: d mlp {width}"));
            titled(&figures, &format!("Phases: d mlp {width}"));
        }
        let of_pair = |figure: &&Value| {
            let layout = &figure["layout"];
            layout["xaxis"]["title"]["text"] == "model.d_mlp"
                && figure["data"][0]["type"] == "heatmap"
        };
        // Phases for each decay, and epochs for the two at which a cell grokked.
        assert_eq!(figures.iter().filter(of_pair).count(), 4 + 2);
    });
}

#[test]
fn phases_that_an_analysis_found_take_the_place_of_the_summarys() {
    let found = grokrun_store::FoundFiles {
        index: grokrun_store::FindingsIndex {
            analysis: "phase-diagram".to_owned(),
            parameters: serde_json::from_value(json!({ "gap": 10 })).unwrap(),
            ..grokrun_store::FindingsIndex::default()
        },
        tables: vec![(
            "phases".to_owned(),
            json!({ "columns": ["cell", "phase"], "rows": [["f0.3-wd0.1-m0", "confusion"]] }),
        )],
        figures: Vec::new(),
    };
    let measured = phase_map::Measured::of(&[found]).unwrap();
    let cells = all();
    let metrics = Metrics::default();
    let members: Vec<Member> = cells
        .iter()
        .map(|one| Member {
            run: None,
            config: &one.config,
            metrics: &metrics,
            outcome: &one.outcome,
            link: String::new(),
        })
        .collect();
    let figures = figures(&members, Some(&measured));
    let phases = titled(&figures, "Phases over weight decay and fraction");
    assert_eq!(phases["data"][0]["text"][0], json!(["–", "", "", ""]));
    let caption = phases["layout"]["meta"]["caption"].as_str().unwrap();
    assert!(caption.contains("by phase-diagram, gap 10"), "{caption}");
}
