//! Gives each key component one colour on the page, wherever it is drawn.
//!
//! Knows a component by its name alone, as findings declare it: the keys of a formula, and the
//! `meta` of traces.

use grokrun_store::FoundFiles;
use serde_json::{Map, Value, json};

/// The first colours: they differ from those of train and test, on white and on black.
const COLORS: [&str; 12] = [
    "#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#8c6bb1", "#a6761d", "#e7298a", "#7a9a01",
    "#4f7fd0", "#1fb5ad", "#c0504d", "#b0a000",
];
/// The colour of components that are not key.
const OTHERS: &str = "#9aa4af";

/// The key components of the cells of a page.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Components {
    /// all of the page, in the order of their colours
    all: Vec<String>,
    /// those of the cell that is drawn, if it is one: another's key is none of its own
    own: Option<Vec<String>>,
}

impl Components {
    /// Collects the keys of all formulas of all cells.
    pub(crate) fn of<'a>(analyses: impl Iterator<Item = &'a FoundFiles>) -> Components {
        let mut all: Vec<String> = Vec::new();
        let formulas = analyses.filter_map(|found| found.index.formula.as_ref());
        for key in formulas.flat_map(|formula| &formula.keys) {
            if !all.contains(key) {
                all.push(key.clone());
            }
        }
        Components { all, own: None }
    }

    /// Returns the same colours for one cell, whose own keys alone have one.
    pub(crate) fn of_cell(&self, analyses: &[FoundFiles]) -> Components {
        let own = Components::of(analyses.iter()).all;
        let all = self.all.clone();
        Components {
            all,
            own: Some(own),
        }
    }

    /// Returns how many components have a colour.
    fn count(&self) -> usize {
        self.own.as_ref().unwrap_or(&self.all).len()
    }

    /// Returns the colour of a key component; none of any other.
    pub(crate) fn color(&self, name: &str) -> Option<String> {
        let is = |known: &String| known == name;
        if self.own.as_ref().is_some_and(|own| !own.iter().any(is)) {
            return None;
        }
        let number = self.all.iter().position(is)?;
        Some(match COLORS.get(number) {
            Some(color) => (*color).to_owned(),
            // Hues a golden angle apart never meet again.
            None => format!(
                "hsl({:.0}, 60%, 52%)",
                (number as f64 * 137.508).rem_euclid(360.0)
            ),
        })
    }

    /// Colours the traces of a figure that say of which component they are.
    pub(crate) fn paint(&self, figure: &mut Value) {
        let Some(traces) = figure.get_mut("data").and_then(Value::as_array_mut) else {
            return;
        };
        let mut drawn: Vec<String> = Vec::new();
        for trace in traces.iter_mut().filter_map(Value::as_object_mut) {
            let meta = trace.get("meta").cloned().unwrap_or_default();
            if meta["components"] == true {
                self.paint_bars(trace);
            } else if let Some(name) = meta["component"].as_str() {
                self.paint_line(trace, name, drawn.iter().any(|other| other == name));
                drawn.push(name.to_owned());
            }
        }
    }

    fn paint_bars(&self, trace: &mut Map<String, Value>) {
        let Some(labels) = trace.get("x").and_then(Value::as_array) else {
            return;
        };
        let color = |label: &Value| {
            let name = label
                .as_str()
                .map_or_else(|| label.to_string(), str::to_owned);
            self.color(&name).unwrap_or_else(|| OTHERS.to_owned())
        };
        let colors: Vec<String> = labels.iter().map(color).collect();
        if self.count() == 0 {
            return;
        }
        trace.insert("marker".to_owned(), json!({ "color": colors }));
    }

    /// Colours a line; `again` says that the figure has another line of this component already,
    /// which is told apart by dots. Points have colours of their own.
    fn paint_line(&self, trace: &mut Map<String, Value>, name: &str, again: bool) {
        let Some(color) = self
            .color(name)
            .filter(|_| trace.get("mode").is_some_and(|mode| mode == "lines"))
        else {
            return;
        };
        let line = trace.entry("line").or_insert_with(|| json!({}));
        if let Some(line) = line.as_object_mut() {
            line.insert("color".to_owned(), json!(color));
            if again {
                line.entry("dash").or_insert_with(|| json!("dot"));
            }
        }
    }
}

/// Returns the component that a figure is of as a whole: that of its only trace.
pub(crate) fn component_of(figure: &Value) -> Option<String> {
    let [trace] = figure["data"].as_array()?.as_slice() else {
        return None;
    };
    trace["meta"]["component"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn components() -> Components {
        let mut found = FoundFiles::default();
        found.index.formula = Some(grokrun_store::Formula {
            keys: vec!["17".to_owned(), "4".to_owned()],
            ..grokrun_store::Formula::default()
        });
        Components::of([found.clone(), FoundFiles::default(), found].iter())
    }

    #[test]
    fn a_component_has_one_colour_in_lines_and_bars() {
        let components = components();
        let line = |name: &str| json!({ "mode": "lines", "meta": { "component": name } });
        let mut lines = json!({ "data": [line("4"), line("17"), line("4"), line("5")] });
        components.paint(&mut lines);
        let of = |i: usize| lines["data"][i]["line"]["color"].as_str();
        assert_eq!((of(0), of(2)), (of(2), components.color("4").as_deref()));
        assert_ne!(of(0), of(1));
        assert_eq!(of(3), None);
        assert_eq!(lines["data"][2]["line"]["dash"], "dot");
        let mut bars =
            json!({ "data": [{ "type": "bar", "x": ["3", "4"], "meta": { "components": true } }] });
        components.paint(&mut bars);
        let colors = &bars["data"][0]["marker"]["color"];
        assert_eq!(colors[0], OTHERS);
        assert_eq!(colors[1].as_str(), of(0));
    }

    #[test]
    fn another_cells_key_is_none_of_this_one() {
        let mut other = FoundFiles::default();
        other.index.formula = Some(grokrun_store::Formula {
            keys: vec!["4".to_owned()],
            ..grokrun_store::Formula::default()
        });
        let page = components();
        let cell = page.of_cell(&[other]);
        assert_eq!((cell.color("17"), cell.color("4")), (None, page.color("4")));
        let none = page.of_cell(&[]);
        let before = json!({ "data": [{ "x": ["4"], "meta": { "components": true } }] });
        let mut bars = before.clone();
        none.paint(&mut bars);
        assert_eq!(bars, before);
    }

    #[test]
    fn what_declares_nothing_keeps_its_colours() {
        let before = json!({ "data": [{ "mode": "lines", "name": "frequency 4" }, 3] });
        let mut after = before.clone();
        components().paint(&mut after);
        assert_eq!(before, after);
        // Without a formula no component is key, and bars are as they were.
        let mut bars = json!({ "data": [{ "x": ["4"], "meta": { "components": true } }] });
        Components::default().paint(&mut bars);
        assert!(bars["data"][0].get("marker").is_none());
        assert_eq!(components().color("9"), None);
    }

    #[test]
    fn many_components_have_different_colours() {
        let many = Components {
            all: (0..40).map(|k| k.to_string()).collect(),
            own: None,
        };
        let colors = (0..40).map(|k| many.color(&k.to_string()));
        let all: std::collections::BTreeSet<_> = colors.collect();
        assert_eq!(all.len(), 40);
    }
}
