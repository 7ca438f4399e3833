//! Builds figures as data: small typed builders over Plotly's JSON schema, so that
//! `plotly.io.from_json` opens what the report draws.

use serde_json::{Map, Value, json};

/// How an axis is scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// linearly
    Linear,
    /// logarithmically, by powers of ten
    Log,
    /// by labels, at equal distances
    Category,
}

/// The colours of a heatmap, by the kind of the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colors {
    /// from zero upwards: norms, squares, probabilities
    Sequential,
    /// on both sides of zero: weights, coefficients
    Diverging,
}

/// What a figure shows, which tells the report that it belongs on the first screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// losses over epochs that tell the phases of training apart: restricted, excluded, test
    Losses,
    /// a number for each component of the basis
    Spectrum,
    /// the tokens in the plane of one component, which becomes a circle
    Circle,
}

/// A trace of a figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace(Map<String, Value>);

impl Trace {
    fn of(kind: &str, name: &str) -> Trace {
        let mut map = Map::new();
        map.insert("type".to_owned(), json!(kind));
        if !name.is_empty() {
            map.insert("name".to_owned(), json!(name));
        }
        Trace(map)
    }

    fn with(mut self, key: &str, value: Value) -> Trace {
        self.0.insert(key.to_owned(), value);
        self
    }

    /// Draws a line through points.
    pub fn line(name: &str, x: &[f64], y: &[f64]) -> Trace {
        Trace::of("scatter", name)
            .with("mode", json!("lines"))
            .with("x", numbers(x))
            .with("y", numbers(y))
    }

    /// Draws points.
    pub fn scatter(name: &str, x: &[f64], y: &[f64]) -> Trace {
        Trace::of("scatter", name)
            .with("mode", json!("markers"))
            .with("x", numbers(x))
            .with("y", numbers(y))
    }

    /// Draws a bar for each label.
    pub fn bar(name: &str, labels: &[String], y: &[f64]) -> Trace {
        Trace::of("bar", name)
            .with("x", json!(labels))
            .with("y", numbers(y))
    }

    /// Draws how often values fall into each of `bins` bins.
    pub fn histogram(name: &str, values: &[f64], bins: usize) -> Trace {
        Trace::of("histogram", name)
            .with("x", numbers(values))
            .with("nbinsx", json!(bins))
    }

    /// Draws a heatmap of rows of equal length, with the first row on top.
    pub fn heatmap(rows: &[Vec<f64>], colors: Colors) -> Trace {
        let z: Vec<Value> = rows.iter().map(|row| numbers(row)).collect();
        let trace = Trace::of("heatmap", "").with("z", Value::Array(z));
        match colors {
            Colors::Sequential => trace.with("colorscale", json!("Viridis")),
            Colors::Diverging => trace
                .with("colorscale", json!("RdBu"))
                .with("reversescale", json!(true))
                .with("zmid", json!(0)),
        }
    }

    /// Colours the points by values.
    #[must_use]
    pub fn colored_by(self, values: &[f64]) -> Trace {
        self.with(
            "marker",
            json!({ "color": numbers(values), "colorscale": "Viridis", "showscale": true }),
        )
    }

    /// Colours the points by angles in turns, 0 to 1, with a palette that ends as it begins.
    #[must_use]
    pub fn colored_by_turns(self, turns: &[f64]) -> Trace {
        let palette = json!([
            [0, "#2f5fa8"],
            [0.25, "#c9a227"],
            [0.5, "#b2423a"],
            [0.75, "#6f4fa0"],
            [1, "#2f5fa8"]
        ]);
        self.with(
            "marker",
            json!({ "color": numbers(turns), "colorscale": palette, "cmin": 0, "cmax": 1,
                "showscale": true }),
        )
    }

    /// Says that the trace is of one component of the basis, which has one colour in the report.
    #[must_use]
    pub fn of_component(self, name: &str) -> Trace {
        self.with("meta", json!({ "component": name }))
    }

    /// Says that each bar is of the component that its label names.
    #[must_use]
    pub fn by_component(self) -> Trace {
        self.with("meta", json!({ "components": true }))
    }

    /// Labels the columns and rows of a heatmap.
    #[must_use]
    pub fn labelled(self, columns: &[String], rows: &[String]) -> Trace {
        self.with("x", json!(columns)).with("y", json!(rows))
    }
}

/// A figure: traces, axes, and frames over epochs if the figure moves.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    data: Vec<Trace>,
    layout: Map<String, Value>,
    frames: Vec<(u64, Vec<Trace>)>,
}

impl Figure {
    /// Makes an empty figure.
    pub fn new(title: &str) -> Figure {
        let mut layout = Map::new();
        layout.insert("title".to_owned(), json!({ "text": title }));
        Figure {
            data: Vec::new(),
            layout,
            frames: Vec::new(),
        }
    }

    /// Names and scales the horizontal axis.
    #[must_use]
    pub fn x(mut self, title: &str, axis: Axis) -> Figure {
        self.layout
            .insert("xaxis".to_owned(), axis_layout(title, axis));
        self
    }

    /// Names and scales the vertical axis.
    #[must_use]
    pub fn y(mut self, title: &str, axis: Axis) -> Figure {
        self.layout
            .insert("yaxis".to_owned(), axis_layout(title, axis));
        self
    }

    /// Adds a trace.
    #[must_use]
    pub fn trace(mut self, trace: Trace) -> Figure {
        self.data.push(trace);
        self
    }

    /// Says what the figure shows. Circles have the same scale along both axes.
    #[must_use]
    pub fn role(mut self, role: Role) -> Figure {
        let name = match role {
            Role::Losses => "losses",
            Role::Spectrum => "spectrum",
            Role::Circle => "circle",
        };
        if role == Role::Circle {
            let axis = self.layout.entry("yaxis").or_insert_with(|| json!({}));
            axis["scaleanchor"] = json!("x");
        }
        self.meta("role", json!(name))
    }

    /// Says in one line what to see.
    #[must_use]
    pub fn caption(self, text: &str) -> Figure {
        self.meta("caption", json!(text))
    }

    fn meta(mut self, key: &str, value: Value) -> Figure {
        let meta = self.layout.entry("meta").or_insert_with(|| json!({}));
        meta[key] = value;
        self
    }

    /// Adds a frame: the traces at an epoch, in the order of the figure's own traces.
    #[must_use]
    pub fn frame(mut self, epoch: u64, traces: Vec<Trace>) -> Figure {
        self.frames.push((epoch, traces));
        self
    }

    /// Returns Plotly's JSON, with a slider if there are frames.
    pub fn into_json(self) -> Value {
        let Figure {
            data,
            mut layout,
            frames,
        } = self;
        if data.iter().any(|trace| trace.0["type"] == "heatmap") {
            let axis = layout.entry("yaxis").or_insert_with(|| json!({}));
            axis["autorange"] = json!("reversed");
        }
        let traces = |traces: Vec<Trace>| -> Vec<Value> {
            traces.into_iter().map(|t| Value::Object(t.0)).collect()
        };
        if !frames.is_empty() {
            let step = |epoch: &u64| {
                let name = epoch.to_string();
                let play =
                    json!({ "mode": "immediate", "frame": { "duration": 0, "redraw": true } });
                json!({ "label": name, "method": "animate", "args": [[name], play] })
            };
            let steps: Vec<Value> = frames.iter().map(|(epoch, _)| step(epoch)).collect();
            let slider = json!([{ "currentvalue": { "prefix": "epoch " }, "steps": steps }]);
            layout.insert("sliders".to_owned(), slider);
        }
        let frames: Vec<Value> = frames
            .into_iter()
            .map(|(epoch, data)| json!({ "name": epoch.to_string(), "data": traces(data) }))
            .collect();
        let mut figure = json!({ "data": traces(data), "layout": layout });
        if !frames.is_empty() {
            figure["frames"] = Value::Array(frames);
        }
        figure
    }
}

fn axis_layout(title: &str, axis: Axis) -> Value {
    let scale = match axis {
        Axis::Linear => "linear",
        Axis::Log => "log",
        Axis::Category => "category",
    };
    json!({ "title": { "text": title }, "type": scale })
}

/// JSON has no NaN and no infinity; Plotly leaves a gap at null.
fn numbers(values: &[f64]) -> Value {
    Value::Array(values.iter().map(|x| json!(x)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_plotlys_json() {
        let figure = Figure::new("loss")
            .x("epoch", Axis::Linear)
            .y("loss", Axis::Log)
            .trace(Trace::line("test", &[0.0, 1.0], &[f64::NAN, 0.5]))
            .into_json();
        assert_eq!(figure["data"][0]["y"], json!([null, 0.5]));
        assert_eq!(figure["layout"]["yaxis"]["type"], "log");
        assert!(figure.get("frames").is_none());
    }

    #[test]
    fn roles_captions_and_components_are_in_the_meta_of_plotly() {
        let trace = Trace::scatter("", &[1.0], &[0.0]).colored_by_turns(&[0.25]);
        let figure = Figure::new("plane")
            .y("along sin 4", Axis::Linear)
            .trace(trace.of_component("4"))
            .role(Role::Circle)
            .caption("A circle.")
            .into_json();
        let meta = &figure["layout"]["meta"];
        assert_eq!(*meta, json!({ "role": "circle", "caption": "A circle." }));
        assert_eq!(figure["layout"]["yaxis"]["scaleanchor"], "x");
        assert_eq!(figure["data"][0]["meta"]["component"], "4");
        let palette = &figure["data"][0]["marker"]["colorscale"];
        assert_eq!(palette[0][1], palette[4][1]);
        let bars = Trace::bar("", &["1".to_owned()], &[2.0]).by_component();
        assert_eq!(bars.0["meta"]["components"], true);
    }

    #[test]
    fn frames_bring_their_slider() {
        let map = |x: f64| Trace::heatmap(&[vec![x, 0.0]], Colors::Diverging);
        let figure = Figure::new("map")
            .trace(map(0.0))
            .frame(0, vec![map(0.0)])
            .frame(100, vec![map(1.0)])
            .into_json();
        assert_eq!(figure["frames"][1]["name"], "100");
        assert_eq!(figure["layout"]["yaxis"]["autorange"], "reversed");
        assert_eq!(figure["frames"][1]["data"][0]["z"], json!([[1.0, 0.0]]));
        let steps = figure["layout"]["sliders"][0]["steps"].as_array().unwrap();
        assert_eq!((steps.len(), &steps[1]["args"][0][0]), (2, &json!("100")));
    }
}
