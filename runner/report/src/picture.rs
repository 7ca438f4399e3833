//! Draws a figure as SVG, for papers: the kinds of traces that analyses make, with kuva.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use kuva::plot::annotations::ShadedRegion;
use kuva::plot::{BarPlot, ColorMap, Heatmap, Histogram, LinePlot, ScatterPlot};
use kuva::render::layout::{AxisLabelOverlap, Layout};
use kuva::render::plots::Plot;
use serde_json::Value;

/// Colours that the colour-blind tell apart (Okabe and Ito).
const COLORS: [&str; 7] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999",
];
/// The most labels along an axis of a heatmap; more would overlap.
const MOST_LABELS: usize = 40;
/// The size of a picture.
const SIZE: (f64, f64) = (560.0, 380.0);
/// The width of a character below an axis, in pixels, and how many of them fit beside one another.
const CHARACTER: f64 = 7.0;
const BESIDE: usize = 48;
/// The most slanted names below an axis; of more than these some are left out.
const SLANTED: usize = 28;

/// Draws the figure as it first stands, without its frames; returns none if nothing in it can be
/// drawn.
pub(crate) fn svg(figure: &Value) -> Option<String> {
    let layout = &figure["layout"];
    let log_y = layout["yaxis"]["type"] == "log";
    let traces = figure["data"].as_array()?;
    let plots: Vec<Plot> = traces
        .iter()
        .enumerate()
        .filter_map(|(i, trace)| plot(trace, COLORS[i % COLORS.len()], log_y))
        .collect();
    if plots.is_empty() {
        return None;
    }
    // The figure comes from a plugin: if the library panics over it, it is left out.
    catch_unwind(AssertUnwindSafe(|| {
        let page = page(layout, traces, &plots, log_y);
        kuva::render_to_svg(plots, page)
    }))
    .ok()
}

fn page(layout: &Value, traces: &[Value], plots: &[Plot], log_y: bool) -> Layout {
    let text = |value: &Value| {
        value["title"]["text"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    // A dollar sign would begin a formula.
    let plain = |text: String| text.replace('$', "\\$");
    let mut page = Layout::auto_from_plots(plots)
        .with_title(plain(text(layout)))
        .with_title_wrap(48)
        .with_x_label(plain(text(&layout["xaxis"])))
        .with_y_label(plain(text(&layout["yaxis"])))
        .with_width(SIZE.0)
        .with_height(SIZE.1);
    if log_y {
        page = page.with_log_y();
    }
    page = slanted(page, traces);
    // One value has no range of its own, and the margin is made for the range that is given.
    let (low, high) = page.y_range;
    if low == high && !log_y {
        let beside = (0.1 * low.abs()).max(0.1);
        page.y_range = (low - beside, high + beside);
    }
    for band in layout["shapes"].as_array().into_iter().flatten() {
        let over_x = band["type"] == "rect" && band["xref"] == "x" && band["yref"] == "paper";
        if let (true, Some(from), Some(to)) = (over_x, band["x0"].as_f64(), band["x1"].as_f64()) {
            let region = ShadedRegion::vertical(from, to)
                .with_color(color(&band["fillcolor"]).unwrap_or("#999999"))
                .with_opacity(band["opacity"].as_f64().unwrap_or(1.0).clamp(0.0, 1.0));
            page = page.with_shaded_region(region);
        }
    }
    if let Some(map) = traces.iter().find(|trace| trace["type"] == "heatmap") {
        let (columns, rows) = (strings(&map["x"]), strings(&map["y"]));
        if (1..=MOST_LABELS).contains(&columns.len()) {
            page = page.with_x_categories(columns);
        }
        if (1..=MOST_LABELS).contains(&rows.len()) {
            page = page.with_y_categories(rows);
        }
    }
    page
}

/// Slants the names of bars that would be written over one another, and makes room below for them.
fn slanted(page: Layout, traces: &[Value]) -> Layout {
    let bars = traces.iter().filter(|trace| trace["type"] == "bar");
    let names: Vec<String> = bars.flat_map(|trace| strings(&trace["x"])).collect();
    let lengths = || names.iter().map(|name| name.chars().count());
    // A gap of two characters beside each name.
    if lengths().map(|length| length + 2).sum::<usize>() <= BESIDE {
        return page;
    }
    let longest = lengths().max().unwrap_or(0).min(BESIDE) as f64;
    let page = page
        .with_x_tick_rotate(-45.0)
        .with_height(SIZE.1 + longest * CHARACTER / 2_f64.sqrt());
    if names.len() <= SLANTED {
        return page;
    }
    page.with_x_label_overlap(AxisLabelOverlap::Thin)
}

/// Returns a colour, which becomes an attribute, if it has no character that could end one.
fn color(value: &Value) -> Option<&str> {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "#(),. %".contains(c);
    value.as_str().filter(|text| text.chars().all(harmless))
}

fn plot(trace: &Value, otherwise: &str, log_y: bool) -> Option<Plot> {
    let name = trace["name"].as_str().unwrap_or_default();
    let color = color(&trace["line"]["color"]).unwrap_or(otherwise);
    let drawn = |y: &f64| y.is_finite() && (!log_y || *y > 0.0);
    let points = || -> Vec<(f64, f64)> {
        let pairs = numbers(&trace["x"]).into_iter().zip(numbers(&trace["y"]));
        pairs.filter(|(x, y)| x.is_finite() && drawn(y)).collect()
    };
    match (trace["type"].as_str()?, trace["mode"].as_str()) {
        ("scatter", Some("markers")) => {
            let points = points();
            let mut plot = ScatterPlot::new()
                .with_data(points.clone())
                .with_color(color);
            let shades = numbers(&trace["marker"]["color"]);
            if shades.len() == points.len()
                && let Some((low, high)) = ends(shades.iter().copied())
            {
                let share = |x: &f64| (x - low) / (high - low).max(1e-12);
                plot = plot.with_colors(shades.iter().map(|x| ColorMap::Viridis.map(share(x))));
            }
            (!points.is_empty()).then(|| plot.with_size(2.5).into())
        }
        // Marks that are written over a map.
        ("scatter", Some("text")) => None,
        ("scatter", _) => {
            let points = points();
            if points.len() == 1 {
                // A line of one point has no length.
                let mut plot = ScatterPlot::new().with_data(points).with_color(color);
                if !name.is_empty() {
                    plot = plot.with_legend(name);
                }
                return Some(plot.with_size(3.5).into());
            }
            let mut plot = LinePlot::new().with_data(points.clone()).with_color(color);
            if !name.is_empty() {
                plot = plot.with_legend(name);
            }
            (!points.is_empty()).then(|| plot.with_stroke_width(1.5).into())
        }
        ("bar", _) => {
            let bars: Vec<(String, f64)> = strings(&trace["x"])
                .into_iter()
                .zip(numbers(&trace["y"]))
                .map(|(label, y)| (label, if y.is_finite() { y } else { 0.0 }))
                .collect();
            (!bars.is_empty()).then(|| BarPlot::new().with_bars(bars).with_color(color).into())
        }
        ("histogram", _) => {
            let values: Vec<f64> = numbers(&trace["x"])
                .into_iter()
                .filter(|x| x.is_finite())
                .collect();
            let (low, high) = ends(values.iter().copied())?;
            let bins = trace["nbinsx"].as_u64().unwrap_or(20).clamp(1, 500) as usize;
            let plot = Histogram::new()
                .with_data(values)
                .with_bins(bins)
                .with_color(color);
            Some(plot.with_range((low, high.max(low + 1e-9))).into())
        }
        ("heatmap", _) => heatmap(trace),
        _ => None,
    }
}

fn heatmap(trace: &Value) -> Option<Plot> {
    let rows: Vec<Vec<f64>> = trace["z"].as_array()?.iter().map(numbers).collect();
    let (low, high) = ends(rows.iter().flatten().copied())?;
    let colors = match trace.get("zmid") {
        None => ColorMap::Viridis,
        Some(_) => {
            // White at zero, whatever the ends are.
            let most = low.abs().max(high.abs()).max(1e-12);
            let share = move |t: f64| ((low + t * (high - low)) / most).clamp(-1.0, 1.0);
            ColorMap::Custom(Arc::new(move |t| diverging(share(t))))
        }
    };
    Some(Heatmap::new().with_data(rows).with_color_map(colors).into())
}

/// Returns the colour of a value: blue below zero, white at zero, red above.
fn diverging(share: f64) -> String {
    let end = if share < 0.0 {
        [33.0, 102.0, 172.0]
    } else {
        [178.0, 24.0, 43.0]
    };
    let mixed = end.map(|c| (255.0 + share.abs() * (c - 255.0)).round() as u8);
    format!("rgb({},{},{})", mixed[0], mixed[1], mixed[2])
}

fn ends(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|x| x.is_finite()).fold(None, |ends, x| {
        let (low, high) = ends.unwrap_or((x, x));
        Some((low.min(x), high.max(x)))
    })
}

/// Returns the numbers of a list, NaN for anything else.
fn numbers(values: &Value) -> Vec<f64> {
    let number = |value: &Value| match value {
        Value::String(text) => text.parse().unwrap_or(f64::NAN),
        other => other.as_f64().unwrap_or(f64::NAN),
    };
    values
        .as_array()
        .into_iter()
        .flatten()
        .map(number)
        .collect()
}

fn strings(values: &Value) -> Vec<String> {
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    values.as_array().into_iter().flatten().map(text).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn titled(data: Value, log: bool) -> Value {
        let kind = if log { "log" } else { "linear" };
        json!({ "data": data, "layout": { "title": { "text": "T < $1" },
            "yaxis": { "type": kind, "title": { "text": "loss" } } } })
    }

    #[test]
    fn every_kind_of_trace_is_drawn() {
        let line = json!([{ "type": "scatter", "mode": "lines", "name": "test", "x": [0, 1, 2], "y": [1.0, null, 0.01] }]);
        let points =
            json!([{ "type": "scatter", "mode": "markers", "x": [0, 1], "y": [0.5, 0.7] }]);
        let bars = json!([{ "type": "bar", "x": ["1", "2"], "y": [0.5, 0.7] }]);
        let histogram = json!([{ "type": "histogram", "x": [0.1, 0.2, 0.2], "nbinsx": 20 }]);
        let map = json!([{ "type": "heatmap", "z": [[0.0, 1.0], [-1.0, null]], "zmid": 0, "x": ["a", "b"], "y": ["c", "d"] }]);
        for (data, log) in [
            (line, true),
            (points, false),
            (bars, false),
            (histogram, false),
            (map, false),
        ] {
            let svg = svg(&titled(data.clone(), log)).unwrap_or_else(|| panic!("{data}"));
            assert!(svg.starts_with("<svg") || svg.contains("<svg"), "{data}");
            assert!(svg.contains("T &lt; $1") || svg.contains("T &lt;"), "{svg}");
        }
    }

    #[test]
    fn nothing_to_draw_is_nothing() {
        assert_eq!(svg(&titled(json!([]), false)), None);
        assert_eq!(
            svg(&titled(json!([{ "type": "heatmap", "z": [] }]), false)),
            None
        );
        let below = json!([{ "type": "scatter", "mode": "lines", "x": [1], "y": [-1.0] }]);
        assert_eq!(svg(&titled(below, true)), None);
        assert_eq!(svg(&json!(3)), None);
    }

    #[test]
    fn a_line_of_one_point_is_a_mark() {
        let one =
            json!([{ "type": "scatter", "mode": "lines", "name": "one", "x": [0], "y": [1541.0] }]);
        let svg = svg(&titled(one, false)).unwrap();
        assert!(svg.contains("<circle"), "{svg}");
    }

    #[test]
    fn names_of_bars_are_not_written_over_one_another() {
        let names: Vec<String> = (0..18).map(|i| format!("without head {i}")).collect();
        let bars =
            |names: &[String]| json!([{ "type": "bar", "x": names, "y": vec![0.5; names.len()] }]);
        let long = svg(&titled(bars(&names), false)).unwrap();
        assert!(long.contains("rotate(-45"), "{long}");
        assert!(names.iter().all(|name| long.contains(name)), "{long}");
        let short = svg(&titled(bars(&names[..2]), false)).unwrap();
        assert!(!short.contains("rotate(-45"), "{short}");
    }

    #[test]
    fn phases_are_shaded_and_colours_are_no_markup() {
        let data = json!([{ "type": "scatter", "mode": "lines", "x": [0, 9], "y": [1, 2],
            "line": { "color": "red\"/><script>" } }]);
        let mut figure = titled(data, false);
        figure["layout"]["shapes"] = json!([{ "type": "rect", "xref": "x", "yref": "paper",
            "x0": 2, "x1": 5, "fillcolor": "#e69f00", "opacity": 0.15 }]);
        let svg = svg(&figure).unwrap();
        assert!(svg.contains("#e69f00") && !svg.contains("<script"), "{svg}");
    }

    #[test]
    fn zero_is_white() {
        assert_eq!(diverging(0.0), "rgb(255,255,255)");
        assert_eq!(diverging(-1.0), "rgb(33,102,172)");
    }
}
