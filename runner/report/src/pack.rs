//! Makes figures as small as a screen allows: thinned, quantised, and within the page's budget.
//!
//! The figures beside the report stay whole. In the report a list of numbers becomes sixteen bits a
//! number (eight for the colours of a frame), a frame leaves out what it shares with the figure,
//! and frames are left out until the page fits its budget. `figures.js` undoes the packing.

use serde_json::{Map, Value, json};

use crate::assets::base64;
use crate::numbers;

/// The most frames of a figure: a published run has 401 checkpoints.
const MOST_FRAMES: usize = 401;
/// The most bytes of all figures of a page; Plotly's own 1.5 MB come on top.
pub(crate) const BUDGET: usize = 7_000_000;
/// The most bytes of one figure without its frames.
const MOST_STATIC: usize = 1_500_000;
/// The longest title of a figure that is left out, in bytes.
const LONGEST_TITLE: usize = 200;
/// The most points of a line, and of cells along a side of a heatmap: more than there are pixels.
const MOST_POINTS: usize = 2400;
const MOST_SIDE: usize = 512;
/// The shortest list that is packed; shorter lists stay text.
const SHORTEST: usize = 24;

/// A packed figure.
pub(crate) struct Packed {
    figure: Value,
    frames: Vec<String>,
}

impl Packed {
    /// Packs a figure in Plotly's form; anything that is not a figure becomes an empty one.
    pub(crate) fn of(mut figure: Value) -> Packed {
        if !figure.is_object() {
            figure = json!({});
        }
        let frames = match figure.as_object_mut().and_then(|f| f.remove("frames")) {
            Some(Value::Array(frames)) => frames,
            _ => Vec::new(),
        };
        if let Some(layout) = figure.get_mut("layout").and_then(Value::as_object_mut) {
            // The page has its own slider.
            layout.remove("sliders");
        }
        let logs = ["xaxis", "yaxis"].map(|axis| figure["layout"][axis]["type"] == "log");
        let base = traces(&mut figure);
        let frames: Vec<String> = evenly(frames.len(), MOST_FRAMES)
            .into_iter()
            .map(|i| packed_frame(&frames[i], &base, logs))
            .collect();
        let mut data = base;
        for trace in &mut data {
            thin_map(trace);
            // A line with frames is not thinned: the points of all frames correspond.
            if frames.is_empty() {
                thin_line(trace);
            }
            pack(trace, logs, false);
        }
        let mut layout = figure["layout"].take();
        numbers::rounded(&mut layout);
        let figure = json!({ "data": data, "layout": layout });
        let size = figure.to_string().len();
        let packed = Packed { figure, frames };
        if size > MOST_STATIC {
            packed.left_out()
        } else {
            packed
        }
    }

    /// Replaces the figure by its title and its size, for a page that has no space left.
    pub(crate) fn left_out(self) -> Packed {
        let mut title = title_of(&self.figure).to_owned();
        title.truncate(title.floor_char_boundary(LONGEST_TITLE));
        Packed {
            figure: json!({ "data": [], "layout": { "title": { "text": title } },
                "too_large": self.size() }),
            frames: Vec::new(),
        }
    }

    /// Returns its title; empty if it has none.
    pub(crate) fn title(&self) -> &str {
        title_of(&self.figure)
    }

    /// Returns its size in bytes without frames.
    pub(crate) fn size(&self) -> usize {
        self.figure.to_string().len()
    }

    fn frame_bytes(&self) -> usize {
        self.frames.iter().map(String::len).sum()
    }

    /// Returns JSON with the frames that fit into `most` bytes, evenly chosen, first and last among
    /// them.
    fn json(&self, most: usize) -> String {
        let mut text = self.figure.to_string();
        let count = match self.frame_bytes() {
            bytes if bytes > most => most / (bytes / self.frames.len()).max(1),
            _ => self.frames.len(),
        };
        if count >= 2 || self.frames.len() == count {
            let frames: Vec<&str> = evenly(self.frames.len(), count)
                .into_iter()
                .map(|i| self.frames[i].as_str())
                .collect();
            if !frames.is_empty() {
                text.pop();
                text.push_str(&format!(",\"frames\":[{}]}}", frames.join(",")));
            }
        }
        text
    }
}

fn title_of(figure: &Value) -> &str {
    let title = &figure["layout"]["title"];
    title["text"]
        .as_str()
        .or(title.as_str())
        .unwrap_or_default()
}

/// Returns the JSON of each figure; together they fit the budget as far as leaving out frames can
/// help.
pub(crate) fn within(figures: &[Packed], budget: usize) -> Vec<String> {
    let fixed: usize = figures.iter().map(Packed::size).sum();
    let most = cap(
        figures.iter().map(Packed::frame_bytes).collect(),
        budget.saturating_sub(fixed),
    );
    figures.iter().map(|figure| figure.json(most)).collect()
}

/// Returns the largest share for which all shares fit: figures that need less leave the rest to the
/// others.
fn cap(mut needs: Vec<usize>, budget: usize) -> usize {
    needs.sort_unstable();
    let mut left = budget;
    for (i, need) in needs.iter().enumerate() {
        let share = left / (needs.len() - i);
        if *need > share {
            return share;
        }
        left -= need;
    }
    usize::MAX
}

/// Chooses `most` of 0, 1, …, `count` − 1 evenly, the ends among them.
fn evenly(count: usize, most: usize) -> Vec<usize> {
    if count <= most {
        return (0..count).collect();
    }
    (0..most)
        .map(|i| i * (count - 1) / (most - 1).max(1))
        .collect()
}

/// Returns the traces of a figure or a frame; anything that is not an object is left out.
fn traces(figure: &mut Value) -> Vec<Map<String, Value>> {
    let Some(Value::Array(data)) = figure.get_mut("data").map(Value::take) else {
        return Vec::new();
    };
    let object = |value| match value {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    data.into_iter().map(object).collect()
}

fn packed_frame(frame: &Value, base: &[Map<String, Value>], logs: [bool; 2]) -> String {
    let mut data = traces(&mut frame.clone());
    for (i, trace) in data.iter_mut().enumerate() {
        if let Some(base) = base.get(i) {
            trace.retain(|key, value| base.get(key) != Some(value));
        }
        thin_map(trace);
        pack(trace, logs, true);
    }
    json!({ "name": frame["name"], "data": data }).to_string()
}

/// Packs every list of numbers of a trace, and rounds other numbers.
fn pack(trace: &mut Map<String, Value>, logs: [bool; 2], frame: bool) {
    for (key, value) in trace.iter_mut() {
        let packed = match key.as_str() {
            "x" => list(value, logs[0]),
            "y" => list(value, logs[1]),
            "z" => rows(value, frame),
            "marker" => {
                if let Some(color) = value.get_mut("color")
                    && let Some(packed) = list(color, false)
                {
                    *color = packed;
                }
                None
            }
            _ => None,
        };
        match packed {
            Some(packed) => *value = packed,
            None => numbers::rounded(value),
        }
    }
}

/// Packs a list of numbers and gaps; returns none if it holds something else, or is short.
fn list(value: &Value, log: bool) -> Option<Value> {
    let list = value.as_array().filter(|list| list.len() >= SHORTEST)?;
    encode(&floats(list)?, log, false)
}

/// Packs the rows of a heatmap, one after the other, with their width.
fn rows(value: &Value, coarse: bool) -> Option<Value> {
    let rows = value.as_array()?;
    let width = rows.first()?.as_array()?.len();
    let mut all = Vec::with_capacity(rows.len() * width);
    for row in rows {
        let row = row.as_array().filter(|row| row.len() == width)?;
        all.extend(floats(row)?);
    }
    if all.len() < SHORTEST {
        return None;
    }
    let mut packed = encode(&all, false, coarse)?;
    packed["width"] = json!(width);
    Some(packed)
}

/// Returns the numbers, NaN for a gap; none if the list holds something else.
fn floats(list: &[Value]) -> Option<Vec<f64>> {
    list.iter()
        .map(|value| match value {
            Value::Null => Some(f64::NAN),
            value => value.as_f64(),
        })
        .collect()
}

/// Encodes numbers as n in base 64, for `low` + n · `step`; the highest n is a gap. With `log`, the
/// exponents of ten are encoded.
fn encode(values: &[f64], log: bool, coarse: bool) -> Option<Value> {
    let (top, bytes) = if coarse { (254, 1) } else { (65_534, 2) };
    let shown = |x: f64| match log {
        true if x > 0.0 => x.log10(),
        true => f64::NAN,
        false => x,
    };
    let known = || values.iter().map(|x| shown(*x)).filter(|x| x.is_finite());
    let low = known().fold(f64::INFINITY, f64::min);
    let high = known().fold(f64::NEG_INFINITY, f64::max);
    if low > high || !(high - low).is_finite() {
        return None;
    }
    // Epochs, neurons, frequencies and counts are kept exactly if they can be.
    let whole = !log && values.iter().all(|x| x.is_nan() || x.fract() == 0.0);
    let step = match high - low {
        range if whole && range <= f64::from(top) => 1.0,
        0.0 => 1.0,
        range => range / f64::from(top),
    };
    let mut raw = Vec::with_capacity(values.len() * bytes);
    for x in values {
        let n = match shown(*x) {
            x if x.is_finite() => ((x - low) / step).round() as u32,
            _ => top + 1,
        };
        raw.extend_from_slice(&n.to_le_bytes()[..bytes]);
    }
    let mut packed =
        json!({ "packed": base64(&raw), "bytes": bytes, "low": low, "high": high, "step": step });
    if log {
        packed["log"] = json!(true);
    }
    Some(packed)
}

/// Thins a long line: of each stretch the lowest and the highest point stay, and both ends.
fn thin_line(trace: &mut Map<String, Value>) {
    if !trace.get("mode").is_some_and(|mode| mode == "lines") {
        return;
    }
    let column = |key: &str| trace.get(key).and_then(Value::as_array);
    let (Some(x), Some(y)) = (column("x"), column("y")) else {
        return;
    };
    if x.len() != y.len() || y.len() <= MOST_POINTS {
        return;
    }
    let mut keep = vec![0, y.len() - 1];
    let stretch = y.len().div_ceil(MOST_POINTS / 2);
    for from in (0..y.len()).step_by(stretch) {
        let known = (from..(from + stretch).min(y.len())).filter_map(|i| Some((i, y[i].as_f64()?)));
        keep.extend(
            known
                .clone()
                .min_by(|a, b| a.1.total_cmp(&b.1))
                .map(|p| p.0),
        );
        keep.extend(known.max_by(|a, b| a.1.total_cmp(&b.1)).map(|p| p.0));
    }
    keep.sort_unstable();
    keep.dedup();
    let of = |list: &[Value]| Value::Array(keep.iter().map(|i| list[*i].clone()).collect());
    let (x, y) = (of(x), of(y));
    trace.insert("x".to_owned(), x);
    trace.insert("y".to_owned(), y);
}

/// Thins a heatmap that has more cells along a side than a screen shows to the means of blocks; a
/// block has the labels of its first row and column.
fn thin_map(trace: &mut Map<String, Value>) {
    let Some(rows) = trace.get("z").and_then(Value::as_array) else {
        return;
    };
    let width = rows.first().and_then(Value::as_array).map_or(0, Vec::len);
    let (tall, wide) = (rows.len().div_ceil(MOST_SIDE), width.div_ceil(MOST_SIDE));
    if tall.max(wide) <= 1 {
        return;
    }
    let mean = |block: &[Value], from: usize| {
        let cells = block.iter().filter_map(Value::as_array);
        let known: Vec<f64> = cells
            .flat_map(|row| row.iter().skip(from).take(wide))
            .filter_map(Value::as_f64)
            .collect();
        json!(known.iter().sum::<f64>() / known.len() as f64)
    };
    let z: Vec<Value> = rows
        .chunks(tall)
        .map(|block| {
            (0..width)
                .step_by(wide)
                .map(|from| mean(block, from))
                .collect()
        })
        .collect();
    trace.insert("z".to_owned(), Value::Array(z));
    for (key, step) in [("x", wide), ("y", tall)] {
        if let Some(Value::Array(labels)) = trace.get_mut(key) {
            *labels = std::mem::take(labels).into_iter().step_by(step).collect();
        }
    }
}

#[cfg(test)]
mod tests;
