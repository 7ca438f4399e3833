use super::*;

/// Unpacks as `figures.js` does.
fn unpacked(packed: &Value) -> Vec<Option<f64>> {
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = packed["packed"].as_str().unwrap();
    let mut bits = Vec::new();
    for digit in text.trim_end_matches('=').chars() {
        let n = digits.find(digit).unwrap();
        bits.extend((0..6).rev().map(|i| n >> i & 1));
    }
    let raw: Vec<u32> = bits
        .chunks_exact(8)
        .map(|byte| byte.iter().fold(0, |n, bit| 2 * n + *bit as u32))
        .collect();
    let bytes = packed["bytes"].as_u64().unwrap() as usize;
    let gap = (1u32 << (8 * bytes)) - 1;
    raw.chunks_exact(bytes)
        .map(|n| n.iter().rev().fold(0, |n, byte| 256 * n + byte))
        .map(|n| {
            let x =
                packed["low"].as_f64().unwrap() + f64::from(n) * packed["step"].as_f64().unwrap();
            (n != gap).then(|| {
                if packed["log"] == true {
                    10f64.powf(x)
                } else {
                    x
                }
            })
        })
        .collect()
}

fn line(count: usize, y: impl Fn(usize) -> Value) -> Value {
    json!({ "type": "scatter", "mode": "lines", "x": (0..count).collect::<Vec<_>>(),
        "y": (0..count).map(y).collect::<Vec<_>>() })
}

fn map(side: usize, shift: f64) -> Value {
    let rows: Vec<Vec<f64>> = (0..side)
        .map(|i| (0..side).map(|j| shift + (i * side + j) as f64).collect())
        .collect();
    json!({ "type": "heatmap", "colorscale": "Viridis", "z": rows })
}

fn json_of(figure: Value) -> Value {
    serde_json::from_str(&within(&[Packed::of(figure)], BUDGET)[0]).unwrap()
}

#[test]
fn numbers_come_back_as_a_screen_shows_them() {
    let y = |i: usize| {
        if i == 7 {
            Value::Null
        } else {
            json!((i as f64).sin())
        }
    };
    let figure = json_of(json!({ "data": [line(100, y)], "layout": {} }));
    let (x, y) = (
        unpacked(&figure["data"][0]["x"]),
        unpacked(&figure["data"][0]["y"]),
    );
    assert!((0..100).all(|i| x[i] == Some(i as f64)));
    assert_eq!(y[7], None);
    assert!((y[50].unwrap() - 50f64.sin()).abs() < 2e-5);
}

#[test]
fn small_numbers_survive_a_logarithmic_axis() {
    let y = |i: usize| json!(10f64.powf(-0.1 * i as f64));
    let figure = json!({ "data": [line(100, y)], "layout": { "yaxis": { "type": "log" } } });
    let y = unpacked(&json_of(figure)["data"][0]["y"]);
    let last = y[99].unwrap();
    assert!((last / 10f64.powf(-9.9) - 1.0).abs() < 1e-3, "{last}");
}

#[test]
fn short_lists_and_labels_stay_as_they_are() {
    let trace = json!({ "type": "bar", "x": vec!["cos 14"; 30], "y": [1.234567, 1.5, null] });
    let figure = json_of(json!({ "data": [trace] }));
    assert_eq!(figure["data"][0]["x"][29], "cos 14");
    assert_eq!(figure["data"][0]["y"], json!([1.2346, 1.5, null]));
    assert_eq!(json_of(json!("no figure"))["data"], json!([]));
}

#[test]
fn frames_leave_out_what_they_share_and_keep_their_ends() {
    let frames: Vec<Value> = (0..1000)
        .map(|e| json!({ "name": e.to_string(), "data": [map(6, f64::from(e))] }))
        .collect();
    let figure = json!({ "data": [map(6, 999.0)], "layout": { "sliders": [1] }, "frames": frames });
    let packed = json_of(figure);
    let frames = packed["frames"].as_array().unwrap();
    assert_eq!(frames.len(), MOST_FRAMES);
    assert_eq!(
        (&frames[0]["name"], &frames[400]["name"]),
        (&json!("0"), &json!("999"))
    );
    assert!(packed["layout"].get("sliders").is_none());
    let trace = frames[0]["data"][0].as_object().unwrap();
    assert_eq!(trace.keys().collect::<Vec<_>>(), ["z"]);
    assert_eq!(
        (&trace["z"]["bytes"], &trace["z"]["width"]),
        (&json!(1), &json!(6))
    );
    // The figure shows the last frame anyway.
    assert_eq!(frames[400]["data"][0], json!({}));
}

#[test]
fn a_page_keeps_to_its_budget() {
    let moving = |side: usize| {
        let frames: Vec<Value> = (0..401)
            .map(|e| json!({ "name": e.to_string(), "data": [map(side, f64::from(e))] }))
            .collect();
        Packed::of(json!({ "data": [map(side, 0.5)], "frames": frames }))
    };
    let figures: Vec<Packed> = [60, 60, 5].map(moving).into();
    let budget = 500_000;
    let pages = within(&figures, budget);
    let total: usize = pages.iter().map(String::len).sum();
    assert!(total <= budget + 1000, "{total}");
    let counts: Vec<usize> = pages
        .iter()
        .map(|page| {
            serde_json::from_str::<Value>(page).unwrap()["frames"]
                .as_array()
                .unwrap()
                .len()
        })
        .collect();
    // The small figure keeps all frames; the large ones share the rest equally.
    assert_eq!(counts[2], 401);
    assert!(
        counts[0] == counts[1] && (20..401).contains(&counts[0]),
        "{counts:?}"
    );
    assert_eq!(cap(vec![10, 50, 90], 1000), usize::MAX);
    assert_eq!(cap(vec![10, 50, 90], 110), 50);
}

#[test]
fn long_lines_keep_spikes_and_large_maps_their_means() {
    let y = |i: usize| json!(if i == 33_333 { 9.0 } else { 0.5 });
    let figure = json_of(json!({ "data": [line(40_000, y)] }));
    let (x, y) = (
        unpacked(&figure["data"][0]["x"]),
        unpacked(&figure["data"][0]["y"]),
    );
    assert!(
        x.len() <= MOST_POINTS + 2 && x.len() == y.len(),
        "{}",
        x.len()
    );
    let spike = x.iter().position(|x| *x == Some(33_333.0)).unwrap();
    assert!((y[spike].unwrap() - 9.0).abs() < 1e-3);
    assert_eq!(*x.last().unwrap(), Some(39_999.0));

    let figure = json_of(json!({ "data": [map(600, 0.0)] }));
    let z = &figure["data"][0]["z"];
    assert_eq!(z["width"], 300);
    let z = unpacked(z);
    assert_eq!(z.len(), 300 * 300);
    // The mean of 0, 1, 600 and 601.
    assert!((z[0].unwrap() - 300.5).abs() < 6.0, "{:?}", z[0]);
}

#[test]
fn a_figure_that_no_page_can_hold_says_so() {
    let text: Vec<String> = (0..400_000).map(|i| format!("label {i}")).collect();
    let figure = json_of(
        json!({ "data": [{ "type": "bar", "x": text }], "layout": { "title": { "text": "T" } } }),
    );
    assert_eq!(
        (&figure["data"], &figure["layout"]["title"]["text"]),
        (&json!([]), &json!("T"))
    );
    assert!(figure["too_large"].as_u64().unwrap() > 1_500_000);
}

#[test]
fn a_figure_that_is_left_out_keeps_no_more_than_the_start_of_its_title() {
    let title = "é".repeat(4_000_000);
    let packed = Packed::of(json!({ "data": [], "layout": { "title": { "text": title } } }));
    assert!(packed.size() < 400, "{}", packed.size());
    assert!(packed.title().starts_with("éé"));
    let text = packed.json(1000);
    assert!(text.contains("\"too_large\":"), "{text}");
}
