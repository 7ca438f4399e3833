//! The page: what is shown, in order.

use askama::Template;
use grokrun_store::{CellDir, CellSummary, FoundFiles, Metrics, RunView};
use serde_json::Value;

use crate::{ReportError, curves, numbers, story};

/// The most cells whose analyses are shown; those of more would make a file that no browser likes.
const MOST_CELLS: usize = 6;
/// The most frames of a figure that moves: more than an eye follows.
const MOST_FRAMES: usize = 200;
/// The most cells whose curves are drawn over each other.
const MOST_CURVES: usize = 64;

/// All that the template needs.
#[derive(Template)]
#[template(path = "report.html")]
pub(crate) struct Page {
    name: String,
    version: &'static str,
    heading: String,
    facts: Vec<(String, String)>,
    cells: Vec<Cell>,
    /// one row a cell, where there are several
    table: Vec<Vec<String>>,
    quartiles: Option<String>,
    overview: Vec<usize>,
    /// cells whose analyses are left out
    hidden: usize,
    /// Plotly's JSON, all figures of the page in one array
    figures: String,
    plotly: &'static str,
    script: &'static str,
    style: &'static str,
}

/// One cell.
struct Cell {
    name: String,
    verdict: String,
    class: &'static str,
    formula: Option<String>,
    /// numbers into the array of figures
    curves: [usize; 2],
    analyses: Vec<Section>,
}

/// What an analysis found.
struct Section {
    name: String,
    version: String,
    /// what it is about, in a line
    summary: String,
    definition: String,
    failure: Option<String>,
    notes: Vec<String>,
    figures: Vec<usize>,
    tables: Vec<(String, Vec<String>, Vec<Vec<String>>)>,
    parameters: String,
}

/// Figures as they are collected.
#[derive(Default)]
struct Figures(Vec<Value>);

impl Figures {
    fn add(&mut self, mut figure: Value) -> usize {
        thin(&mut figure);
        numbers::rounded(&mut figure);
        self.0.push(figure);
        self.0.len() - 1
    }
}

/// Leaves at most [`MOST_FRAMES`] frames of a figure, the last one among them.
fn thin(figure: &mut Value) {
    if let Some(frames) = figure.get_mut("frames").and_then(Value::as_array_mut) {
        let (count, step) = (frames.len(), frames.len().div_ceil(MOST_FRAMES).max(1));
        let mut at = 0;
        frames.retain(|_| {
            at += 1;
            (at - 1) % step == 0 || at == count
        });
    }
}

/// A cell as it is gathered.
struct Gathered {
    /// with the run's name in front, where there are several runs
    name: String,
    dir: CellDir,
    metrics: Metrics,
    told: CellSummary,
    config: Value,
    /// the analyses in the order of the spec
    order: Vec<String>,
}

impl Gathered {
    /// What each analysis found: those of the spec in its order, then others.
    fn analyses(&self) -> Vec<FoundFiles> {
        let mut all = self.dir.read_analyses();
        let place = |found: &FoundFiles| {
            let name = found.index["analysis"].as_str();
            self.order
                .iter()
                .position(|o| Some(o.as_str()) == name)
                .unwrap_or(usize::MAX)
        };
        all.sort_by_key(place);
        all
    }
}

impl Page {
    /// Gathers runs, whatever state they are in.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub(crate) fn of(views: &[RunView]) -> Result<Page, ReportError> {
        let names: Vec<&str> = views.iter().map(RunView::name).collect();
        let name = names.join(", ");
        let gathered = gather(views)?;
        let mut figures = Figures::default();
        let cells: Vec<Cell> = gathered
            .iter()
            .take(MOST_CELLS)
            .map(|cell| Cell::of(cell, &mut figures))
            .collect();
        let told: Vec<&CellSummary> = gathered.iter().map(|cell| &cell.told).collect();
        let configs: Vec<&Value> = gathered.iter().map(|cell| &cell.config).collect();
        let several = gathered.len() > 1;
        let curves = gathered.iter().take(MOST_CURVES);
        let curves: Vec<(&str, &Metrics)> = curves.map(|c| (c.name.as_str(), &c.metrics)).collect();
        Ok(Page {
            version: env!("CARGO_PKG_VERSION"),
            heading: heading(&name, &configs),
            facts: facts(&configs, &told),
            table: if several { rows(&gathered) } else { Vec::new() },
            quartiles: if several { quartiles(&told) } else { None },
            overview: match several {
                true => [curves::of_all(&curves), curves::grokked(&told)]
                    .map(|figure| figures.add(figure))
                    .into(),
                false => Vec::new(),
            },
            hidden: gathered.len() - cells.len(),
            name,
            cells,
            figures: numbers::in_script(&Value::Array(figures.0)),
            plotly: include_str!("../vendor/plotly-cartesian.min.js"),
            script: include_str!("../templates/report.js"),
            style: include_str!("../templates/report.css"),
        })
    }
}

/// Every figure of a run, each with its name as a path: cell, then curve or analysis and figure.
///
/// # Errors
/// When its folder cannot be read.
pub(crate) fn figures(view: &RunView) -> Result<Vec<(String, Value)>, ReportError> {
    let mut all = Vec::new();
    for cell in gather(std::slice::from_ref(view))? {
        let name = &cell.name;
        let [loss, accuracy] = curves::of_cell(&cell.metrics, &cell.told);
        all.push((format!("{name}/loss"), loss));
        all.push((format!("{name}/accuracy"), accuracy));
        for found in cell.analyses() {
            let analysis = found.index["analysis"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            for (figure, json) in found.figures {
                all.push((format!("{name}/{analysis}-{figure}"), json));
            }
        }
    }
    Ok(all)
}

fn gather(views: &[RunView]) -> Result<Vec<Gathered>, ReportError> {
    let mut all = Vec::new();
    for view in views {
        let (summary, order) = (view.summary(), view.analyses());
        for (cell, dir) in view.cells()? {
            // Of many cells the summary is enough: a history is some megabytes to read.
            let metrics = match all.len() < MOST_CURVES {
                true => history(&dir),
                false => Metrics::default(),
            };
            let told = match summary.cell(&cell) {
                // A cell that trains has moved on since the summary was written.
                Some(told) if metrics.is_empty() || told.epochs == metrics.len() as u64 => {
                    told.clone()
                }
                _ => CellSummary::new(&cell, "interrupted", &metrics),
            };
            all.push(Gathered {
                name: match views.len() {
                    1 => cell,
                    _ => format!("{} / {cell}", view.name()),
                },
                config: dir.read_config(),
                order: order.clone(),
                dir,
                metrics,
                told,
            });
        }
    }
    Ok(all)
}

impl Cell {
    fn of(cell: &Gathered, figures: &mut Figures) -> Cell {
        let analyses = cell.analyses();
        let operation = cell.config["task"]["operation"].as_str();
        let (verdict, class) = story::verdict(&cell.told);
        Cell {
            name: cell.name.clone(),
            verdict,
            class,
            formula: story::formula(&analyses, operation.unwrap_or_default()),
            curves: curves::of_cell(&cell.metrics, &cell.told).map(|figure| figures.add(figure)),
            analyses: analyses
                .into_iter()
                .map(|found| Section::of(found, figures))
                .collect(),
        }
    }
}

/// The history of the last saved state; empty if there is none that can be read.
fn history(dir: &CellDir) -> Metrics {
    let state = dir.read_state().ok().flatten();
    state.map(|state| state.metrics).unwrap_or_default()
}

impl Section {
    fn of(found: FoundFiles, figures: &mut Figures) -> Section {
        let text = |key: &str| found.index[key].as_str().map(str::to_owned);
        let notes = found.index["notes"].as_array().into_iter().flatten();
        Section {
            name: text("analysis").unwrap_or_default(),
            version: text("version").unwrap_or_default(),
            summary: text("summary").unwrap_or_default(),
            definition: text("definition").unwrap_or_default(),
            failure: text("failure"),
            notes: notes
                .filter_map(|n| n.as_str().map(str::to_owned))
                .collect(),
            figures: found
                .figures
                .into_iter()
                .map(|(_, f)| figures.add(f))
                .collect(),
            tables: found
                .tables
                .iter()
                .map(|(name, table)| {
                    let (columns, rows) = story::table(table);
                    (name.clone(), columns, rows)
                })
                .filter(|(_, _, rows)| !rows.is_empty())
                .collect(),
            parameters: found.index["parameters"].to_string(),
        }
    }
}

/// The task in mathematical notation, or the run's name where cells differ in it.
fn heading(name: &str, configs: &[&Value]) -> String {
    let task = |config: &Value| {
        let notation = config["task"]["notation"].as_str()?.to_owned();
        Some(format!("{notation} mod {}", config["task"]["modulus"]))
    };
    let mut tasks: Vec<String> = configs.iter().copied().filter_map(task).collect();
    tasks.dedup();
    match tasks.as_slice() {
        [one] => one.clone(),
        _ => name.to_owned(),
    }
}

/// What all cells have in common, and what they ran on.
fn facts(configs: &[&Value], told: &[&CellSummary]) -> Vec<(String, String)> {
    let common = |pointer: &str| -> Option<String> {
        let mut values: Vec<String> = configs
            .iter()
            .filter_map(|config| config.pointer(pointer))
            .map(|value| {
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned)
            })
            .collect();
        values.dedup();
        match values.len() {
            0 => None,
            1..=4 => Some(values.join(", ")),
            n => Some(format!("{n} values")),
        }
    };
    let mut facts: Vec<(String, String)> = [
        ("fraction", "/task/fraction"),
        ("data seed", "/seeds/data"),
        ("model seed", "/seeds/model"),
        ("d_model", "/model/d_model"),
        ("heads", "/model/heads"),
        ("neurons", "/model/d_mlp"),
        ("learning rate", "/train/learning_rate"),
        ("weight decay", "/train/weight_decay"),
    ]
    .into_iter()
    .filter_map(|(name, pointer)| Some((name.to_owned(), common(pointer)?)))
    .collect();
    let mut devices: Vec<String> = told.iter().filter_map(|t| t.device.clone()).collect();
    devices.dedup();
    if !devices.is_empty() {
        facts.push(("device".to_owned(), devices.join(", ")));
    }
    if let [one] = told
        && let Some(seconds) = one.seconds
    {
        let pace = one.epochs as f64 / seconds.max(1e-9);
        let text = format!("{} ({pace:.0} epochs/s)", numbers::duration(seconds));
        facts.push(("last session".to_owned(), text));
    }
    facts
}

fn rows(cells: &[Gathered]) -> Vec<Vec<String>> {
    let epoch = |epoch: Option<u64>| epoch.map_or("–".to_owned(), |e| e.to_string());
    cells
        .iter()
        .map(|cell| {
            let t = &cell.told;
            let last =
                |pick: fn(&grokrun_store::Row) -> f64| t.last.as_ref().map_or(f64::NAN, pick);
            vec![
                cell.name.clone(),
                t.status.clone(),
                t.epochs.to_string(),
                format!("{:.2e}", last(|r| r.train_loss)),
                format!("{:.2e}", last(|r| r.test_loss)),
                format!("{:.1} %", 100.0 * last(|r| r.test_accuracy)),
                epoch(t.train_accuracy_epoch),
                epoch(t.test_accuracy_epoch),
            ]
        })
        .collect()
}

/// Median and quartiles of the epochs at which cells grokked, and how many did not.
fn quartiles(told: &[&CellSummary]) -> Option<String> {
    let mut epochs: Vec<u64> = told.iter().filter_map(|t| t.test_accuracy_epoch).collect();
    epochs.sort_unstable();
    let not = told.len() - epochs.len();
    let at = |share: f64| epochs[((epochs.len() - 1) as f64 * share).round() as usize];
    match epochs.is_empty() {
        true => Some(format!("none of {not} cells grokked")),
        false => Some(format!(
            "{} of {} cells grokked, at epoch {} (quartiles {} – {})",
            epochs.len(),
            told.len(),
            at(0.5),
            at(0.25),
            at(0.75)
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(grokked: Option<u64>) -> CellSummary {
        CellSummary {
            test_accuracy_epoch: grokked,
            ..CellSummary::new("c", "finished", &Metrics::default())
        }
    }

    #[test]
    fn quartiles_count_those_that_never_did() {
        let cells = [Some(100), None, Some(300), Some(200)].map(told);
        assert_eq!(
            quartiles(&cells.each_ref()).unwrap(),
            "3 of 4 cells grokked, at epoch 200 (quartiles 200 – 300)"
        );
        assert_eq!(
            quartiles(&[&told(None), &told(None)]).unwrap(),
            "none of 2 cells grokked"
        );
    }

    #[test]
    fn what_cells_share_is_said_once() {
        let config = |seed: u64| json!({ "task": { "fraction": 0.5, "notation": "a × b", "modulus": 59 }, "seeds": { "model": seed } });
        let configs = [config(1), config(2)];
        let facts = facts(&configs.each_ref(), &[]);
        assert!(facts.contains(&("fraction".to_owned(), "0.5".to_owned())));
        assert!(facts.contains(&("model seed".to_owned(), "1, 2".to_owned())));
        assert_eq!(heading("run", &configs.each_ref()), "a × b mod 59");
    }
}
