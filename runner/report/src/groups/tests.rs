use grokrun_store::Row;

use super::*;

struct Kept {
    config: Value,
    metrics: Metrics,
    outcome: CellSummary,
}

fn kept(modulus: u64, seed: u64, grokked: Option<u64>) -> Kept {
    let mut metrics = Metrics::default();
    for epoch in 0..10 {
        metrics.push(Row {
            epoch,
            train_loss: 0.1,
            test_loss: seed as f64,
            train_accuracy: 1.0,
            test_accuracy: 0.1 * seed as f64,
        });
    }
    Kept {
        config: json!({ "task": { "notation": "a × b", "modulus": modulus }, "seeds": { "data": 1, "model": seed } }),
        outcome: CellSummary {
            test_accuracy_epoch: grokked,
            epochs: 900,
            ..CellSummary::new("c", "finished", &Metrics::default())
        },
        metrics,
    }
}

fn members(all: &[Kept]) -> Vec<Member<'_>> {
    all.iter()
        .map(|kept| Member {
            run: None,
            config: &kept.config,
            metrics: &kept.metrics,
            outcome: &kept.outcome,
            link: String::new(),
        })
        .collect()
}

#[test]
fn quartiles_count_those_that_never_did_as_later() {
    let cells = [(1, Some(100)), (2, None), (3, Some(300)), (4, Some(200))];
    let cells = cells.map(|(seed, grokked)| kept(59, seed, grokked));
    let groups = groups(members(&cells));
    assert_eq!(groups.len(), 1);
    assert_eq!(
        groups[0].verdict(),
        "3 of 4 cells grokked; the median epoch is 200 (quartiles 100 – 300), a cell that did not grok counts as later"
    );
    assert_eq!(groups[0].row()[1..5], ["4", "3", "0", "0"]);
    assert_eq!(
        super::groups(members(&cells[..2]))[0].verdict(),
        "1 of 2 cells grokked, at epoch 100"
    );
    let never = [kept(59, 1, None), kept(59, 2, None)];
    assert_eq!(
        super::groups(members(&never))[0].verdict(),
        "none of 2 cells grokked"
    );
    let few = [
        (1, Some(100)),
        (2, None),
        (3, Some(300)),
        (4, None),
        (5, None),
    ];
    let few = few.map(|(seed, grokked)| kept(59, seed, grokked));
    let group = &super::groups(members(&few))[0];
    assert!(
        group.verdict().contains("the median epoch is not reached"),
        "{}",
        group.verdict()
    );
    assert_eq!(
        group.row()[7..],
        ["not reached", "300 – not reached", "100 or later"]
    );
    // A quartile that was not reached is not drawn.
    assert_eq!(
        across(group.spread(Milestone::Grokked).quartiles),
        Vec::<Value>::new()
    );
    assert_eq!(across([Some(1), Some(2), Some(3)]).len(), 2);
}

#[test]
fn failed_cells_and_those_that_have_not_held_it_yet_are_kept_apart() {
    let mut cells = [(1, Some(100)), (2, None), (3, None), (4, None)]
        .map(|(seed, grokked)| kept(59, seed, grokked));
    cells[1].outcome.status = "failed".to_owned();
    cells[2].outcome.test_accuracy_since = Some(700);
    let groups = groups(members(&cells));
    assert_eq!(
        groups[0].verdict(),
        "1 of 3 cells grokked, at epoch 100; 1 not yet held; 1 cell failed"
    );
    assert_eq!(groups[0].row()[1..5], ["3", "1", "1", "1"]);
    let figure = by_seed(&groups);
    let shown: Vec<[&Value; 2]> = figure["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|trace| [&trace["name"], &trace["y"][0]])
        .collect();
    let want = [
        (json!("grokked"), json!(100)),
        (json!("reached, not yet held"), json!(700)),
        (json!("not reached by the last epoch"), json!(900)),
        (json!("failed"), json!(900)),
    ];
    let want: Vec<[&Value; 2]> = want.iter().map(|(name, y)| [name, y]).collect();
    assert_eq!(shown, want);
}

#[test]
fn cells_are_grouped_by_what_they_differ_in() {
    let cells = [kept(59, 1, Some(100)), kept(61, 1, None), kept(59, 2, None)];
    let groups = groups(members(&cells));
    let names: Vec<&str> = groups.iter().map(|g| g.name.as_str()).collect();
    assert_eq!(names, ["mod 59", "mod 61"]);
    let figure = by_seed(&groups);
    let traces: Vec<&str> = figure["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["name"].as_str().unwrap())
        .collect();
    assert_eq!(traces, ["mod 59", "mod 59", "mod 61"]);
    let in_legend = [0, 1, 2].map(|i| figure["data"][i]["showlegend"] == true);
    assert_eq!(in_legend, [true, false, true]);
    assert_eq!(
        (&figure["data"][1]["x"], &figure["data"][1]["y"]),
        (&json!(["2"]), &json!([900]))
    );
    // Half of the first group grokked: it has no third quartile, and so no box.
    assert_eq!(boxes(&groups), None);
    let all = [
        kept(59, 1, Some(100)),
        kept(61, 1, None),
        kept(59, 2, Some(300)),
    ];
    let drawn = boxes(&super::groups(members(&all))).unwrap();
    assert_eq!(drawn["data"].as_array().unwrap().len(), 1);
    assert_eq!(drawn["data"][0]["q3"], json!([300]));
    let title = drawn["layout"]["title"]["text"].as_str().unwrap();
    assert!(title.contains("1 of 2 groups"), "{title}");
    assert_eq!(boxes(&groups[1..]), None);
    assert_eq!(
        figure["layout"]["xaxis"]["categoryarray"],
        json!(["1", "2"])
    );
    assert_eq!(super::groups(Vec::new()).len(), 0);
}

#[test]
fn curves_lie_over_each_other_with_their_median() {
    let cells = [1, 2, 9].map(|seed| kept(59, seed, None));
    let groups = groups(members(&cells));
    let [accuracy, loss] = groups[0].curves();
    let names: Vec<&str> = accuracy["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names[2..],
        ["data 1, model 9", "first quartile", "quartiles", "median"]
    );
    assert_eq!(loss["data"][5]["y"][9], 2.0);
    assert_eq!(loss["data"][4]["y"][0], 5.5);
    assert_eq!(loss["layout"]["yaxis"]["type"], "log");
}
