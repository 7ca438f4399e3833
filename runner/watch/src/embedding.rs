//! The embedding of a cell as it is in its newest checkpoint: norms by component, and the tokens in
//! the planes of the leading frequencies.
//!
//! Measures what the analyses measure, by the same functions, and draws it as they do.

use std::time::{Duration, Instant};

use grokrun_api::{Axis, Figure, Numbers, SnapshotData, Trace};
use grokrun_basis::{Basis, Space};
use grokrun_measures::{Circles, Spectrum, rounded, tokens, turns};
use grokrun_store::{CellDir, CheckpointReader};
use serde_json::Value;

use crate::cost::Reading;

/// The most circles that are drawn.
const MOST_CIRCLES: usize = 4;
/// The least time between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// The table of an operation on pairs whose results are as many as their operands.
#[derive(Clone, Debug)]
pub struct Table {
    /// as the spec has it
    pub operation: String,
    /// p: the number of tokens
    pub modulus: usize,
    /// what the operation gives for each pair, `(p²)`, a-major; none where it is undefined
    pub labels: Vec<Option<u32>>,
}

/// The embedding at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingNow {
    /// steps that the checkpoint was taken after; none where there is nothing to see
    pub epoch: Option<u64>,
    /// the spectrum first, then the circles, as Plotly has them
    pub figures: Vec<Value>,
    /// what there is to say of them
    pub note: String,
}

/// Follows the checkpoints of one cell.
pub(crate) struct Embedding {
    /// the basis of the task, or why there is none
    space: Result<Space, String>,
    checkpoints: CheckpointReader,
    next_look: Option<Instant>,
    /// the epoch that was looked at last
    epoch: Option<u64>,
}

impl Embedding {
    /// Follows a cell with this task; none, or why it is not known, where analyses see nothing.
    pub(crate) fn new(dir: &CellDir, table: Result<Option<Table>, String>) -> Embedding {
        let space = table.and_then(|table| {
            let why = "The spectrum and the circles are of operations on pairs whose results are as many as their operands; this task is another.";
            let table = table.ok_or(why)?;
            Space::choose("auto", &table.labels, table.modulus, &table.operation)
                .map_err(|error| error.to_string())
        });
        Embedding {
            space,
            checkpoints: dir.checkpoint_reader(),
            next_look: None,
            epoch: None,
        }
    }

    /// Looks at the newest checkpoint; none where it was seen already, or it is too soon.
    pub(crate) fn refresh(&mut self, dir: &CellDir) -> Option<EmbeddingNow> {
        if self.next_look.is_some_and(|next| Instant::now() < next) {
            return None;
        }
        let reading = Reading::begin();
        let newest = dir.checkpoints().ok()?.last().copied();
        let first = self.next_look.is_none();
        let now = match (&self.space, newest) {
            (Err(why), _) => first.then(|| nothing(why)),
            (Ok(_), None) => None,
            (Ok(space), Some(epoch)) if self.epoch != Some(epoch) => {
                // One that cannot be read may be on its way out, and the next one is looked at.
                match self.checkpoints.read(epoch) {
                    Err(error) => Some(nothing(&error.to_string())),
                    Ok(weights) => {
                        self.epoch = Some(epoch);
                        let mut data = SnapshotData::new(epoch);
                        for tensor in weights {
                            let name = format!("weight.{}", tensor.name);
                            data.add(name, &tensor.shape, Numbers::F32(tensor.data));
                        }
                        Some(draw(&data, epoch, space))
                    }
                }
            }
            _ => None,
        };
        self.next_look = Some(Instant::now() + reading.pause(EVERY));
        now
    }
}

fn nothing(why: &str) -> EmbeddingNow {
    EmbeddingNow {
        epoch: None,
        figures: Vec::new(),
        note: why.to_owned(),
    }
}

fn draw(data: &SnapshotData, epoch: u64, space: &Space) -> EmbeddingNow {
    let basis = space.basis();
    let drawn = data.show(&grokrun_api::Needs::all(), |snapshot| {
        let w_e = tokens(snapshot, basis.modulus()).map_err(|error| error.to_string())?;
        if w_e.width == 0 || w_e.data.iter().any(|x| !x.is_finite()) {
            return Err("W_E is not finite at this checkpoint".to_owned());
        }
        let spectrum = Spectrum::of(basis, &w_e.data);
        let mut figures = vec![bars(basis, &spectrum)];
        let planes = space.operands().filter(|basis| basis.is_cyclic());
        if let Some(basis) = planes {
            let circles = Circles::new(basis, &w_e.data, w_e.width);
            let leading = leading(&spectrum);
            figures.extend(leading.into_iter().map(|k| circle(basis, &circles, k)));
        }
        Ok(figures)
    });
    let figures = match drawn {
        Ok(figures) => figures,
        Err(why) => return nothing(&why),
    };
    let mut note = format!("W_E after {epoch} epochs. Basis: {space}.");
    if figures.len() == 1 {
        note.push_str(match space.operands() {
            None => " A token has no angle in this operation: there are no circles.",
            Some(_) => " A representation is no plane: there are no circles.",
        });
    }
    EmbeddingNow {
        epoch: Some(epoch),
        figures,
        note,
    }
}

fn bars(basis: &Basis, spectrum: &Spectrum) -> Value {
    let names = basis.components().iter().map(|one| one.name.clone());
    let names: Vec<String> = names.collect();
    Figure::new("W_E by frequency")
        .x("frequency", Axis::Linear)
        .y("norm", Axis::Linear)
        .trace(Trace::bar("W_E", &names, &rounded(&spectrum.norms)))
        .into_json()
}

/// The frequencies with the largest norms, ascending.
fn leading(spectrum: &Spectrum) -> Vec<usize> {
    let mut all: Vec<(usize, f64)> = (1..).zip(spectrum.norms.iter().copied()).collect();
    all.sort_by(|one, other| other.1.total_cmp(&one.1));
    let mut leading: Vec<usize> = all.into_iter().take(MOST_CIRCLES).map(|(k, _)| k).collect();
    leading.sort_unstable();
    leading
}

fn circle(basis: &Basis, circles: &Circles, k: usize) -> Value {
    let [x, y] = circles.plane(basis, k).map(|axis| rounded(&axis));
    Figure::new(&format!("W_E in the plane of frequency {k}"))
        .x(&format!("along cos {k}"), Axis::Linear)
        .y(&format!("along sin {k}"), Axis::Linear)
        .trace(Trace::scatter("", &x, &y).colored_by(&turns(basis, k)))
        .into_json()
}

#[cfg(test)]
mod tests {
    use grokrun_api::testing::{Expert, add, task};
    use grokrun_store::{Access, RunDir, Tensor};

    use super::*;

    fn table(task: &grokrun_api::Task) -> Table {
        Table {
            operation: task.operation.clone(),
            modulus: task.modulus,
            labels: task.labels.clone(),
        }
    }

    /// Frequencies that the circles of an embedding are of.
    fn circles_of(now: &EmbeddingNow) -> Vec<&str> {
        let titles = now.figures[1..].iter();
        titles
            .map(|figure| figure["layout"]["title"]["text"].as_str().unwrap())
            .map(|title| title.rsplit(' ').next().unwrap())
            .collect()
    }

    #[test]
    fn planted_frequencies_lead_and_are_circles() {
        let task = add(23);
        let data = Expert::additive(23, &[2, 7]).snapshot(&task, 300);
        let space = Space::choose("auto", &task.labels, 23, &task.operation).unwrap();
        let now = draw(&data, 300, &space);
        assert_eq!(now.epoch, Some(300));
        let circles = circles_of(&now);
        assert!(
            circles.contains(&"2") && circles.contains(&"7"),
            "{circles:?}"
        );
        let norms: Vec<f64> = now.figures[0]["data"][0]["y"]
            .as_array()
            .unwrap()
            .iter()
            .map(|y| y.as_f64().unwrap())
            .collect();
        let rest = norms
            .iter()
            .enumerate()
            .filter(|(i, _)| ![1, 6].contains(i));
        let most = rest.map(|(_, x)| *x).fold(0.0, f64::max);
        assert!(
            norms[1] > 10.0 * most && norms[6] > 10.0 * most,
            "{norms:?}"
        );
        // The tokens are as far from the middle as each other.
        let plane = &now.figures[1 + circles.iter().position(|k| *k == "2").unwrap()]["data"][0];
        let axis = |key: &str| -> Vec<f64> {
            let axis = plane[key].as_array().unwrap().iter();
            axis.map(|x| x.as_f64().unwrap()).collect()
        };
        let radii: Vec<f64> = axis("x")
            .iter()
            .zip(axis("y"))
            .map(|(x, y)| x.hypot(y))
            .collect();
        assert_eq!(radii.len(), 23);
        assert!(
            radii.iter().all(|r| (r - radii[0]).abs() < 1e-2 * radii[0]),
            "{radii:?}"
        );
    }

    #[test]
    fn a_task_without_angles_has_bars_and_says_why_no_circles() {
        let table_of = task("minimum", 11, |a, b| Some(a.min(b)));
        let data = grokrun_api::testing::random(&table_of, 5, 1);
        let space = Space::choose("auto", &table_of.labels, 11, "min").unwrap();
        let now = draw(&data, 5, &space);
        assert_eq!(now.figures.len(), 1);
        assert!(now.note.contains("no circles"), "{}", now.note);
    }

    #[test]
    fn each_checkpoint_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::open(folder.path(), "r", "", "", "f", Access::Continue).unwrap();
        let dir = run.cell("c").unwrap();
        let task = add(5);
        let w_e: Vec<f32> = (0..6 * 3).map(|i| (i as f32).sin()).collect();
        let weights = [Tensor {
            name: "embed.W_E".to_owned(),
            shape: vec![6, 3],
            data: w_e,
        }];
        dir.write_checkpoint(100, &weights).unwrap();
        let mut embedding = Embedding::new(&dir, Ok(Some(table(&task))));
        let now = embedding.refresh(&dir).unwrap();
        assert_eq!(
            (now.epoch, now.figures.len()),
            (Some(100), 3),
            "{}",
            now.note
        );
        assert!(embedding.refresh(&dir).is_none(), "too soon");
        embedding.next_look = Some(Instant::now());
        assert!(embedding.refresh(&dir).is_none(), "seen already");
        dir.write_checkpoint(200, &weights).unwrap();
        embedding.next_look = Some(Instant::now());
        assert_eq!(embedding.refresh(&dir).unwrap().epoch, Some(200));

        let mut none = Embedding::new(&dir, Ok(None));
        let said = none.refresh(&dir).unwrap();
        assert!(said.note.contains("this task is another") && said.figures.is_empty());
        none.next_look = Some(Instant::now());
        assert!(none.refresh(&dir).is_none(), "said once");
    }
}
