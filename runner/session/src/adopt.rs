//! A run of weights that were trained elsewhere: everything that a finished cell has on disk, so
//! that analyses, reports and lists work on it. Knows no file format of others: it is handed
//! tensors with TransformerLens' names.

use grokrun_api::{Needs, SnapshotData};
use grokrun_engine::{GridPass, Sample, Wanted};
use grokrun_spec::Plan;
use grokrun_store::{CellSummary, Metrics, Row, RunDir, State, Summary, Tensor};
use serde_json::Value;

use crate::analyses::RecordedPass;
use crate::cell_data::CellData;
use crate::cells::write_cells;
use crate::folder::folder;
use crate::model::{self, Model};
use crate::status::Status;
use crate::survey::Survey;
use crate::weights::Layout;
use crate::{SessionError, describe};

/// What becomes a run of one cell. Made with [`Adoption::new`], which refuses what does not fit
/// before anything is written.
pub struct Adoption<'a> {
    plan: &'a Plan,
    model: Model,
    layout: Layout,
    data: CellData,
    metrics: Metrics,
    /// said in `config.json`, under `imported`
    origin: Value,
}

/// Which pairs a model was trained on, as places in the a-major list.
#[derive(Clone, Copy, Debug)]
pub enum Parts<'a> {
    /// those of the plan's seeds
    OfSeeds,
    /// these; the others are tested on
    Train(&'a [i64]),
    /// `[train, test]`
    Both(&'a [Vec<i64>; 2]),
}

/// How good a model is on its pairs, by our own forward pass: losses in nats, accuracies 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adopted {
    /// mean cross entropy over the train pairs
    pub train_loss: f64,
    /// mean cross entropy over the test pairs
    pub test_loss: f64,
    /// share of the train pairs that are right
    pub train_accuracy: f64,
    /// share of the test pairs that are right
    pub test_accuracy: f64,
}

impl<'a> Adoption<'a> {
    /// Checks a plan of one cell, its split and its history (columns as in `metrics.parquet`, of
    /// equal lengths).
    ///
    /// # Errors
    /// They do not fit each other.
    pub fn new(
        plan: &'a Plan,
        survey: &Survey,
        parts: Parts<'_>,
        history: &[Vec<f64>; 4],
        origin: Value,
    ) -> Result<Adoption<'a>, SessionError> {
        let (Some(cell), Some(size)) = (plan.cells.first(), survey.cells.first()) else {
            return Err(SessionError::Request("a plan without a cell".to_owned()));
        };
        let data = match parts {
            Parts::OfSeeds => CellData::new(cell)?,
            Parts::Train(train) => CellData::with_train(cell, train)?,
            Parts::Both(parts) => CellData::with_split(cell, parts)?,
        };
        let mut metrics = Metrics::default();
        let [train_loss, test_loss, train_accuracy, test_accuracy] = history;
        let rows = train_loss
            .iter()
            .zip(test_loss)
            .zip(train_accuracy)
            .zip(test_accuracy);
        for (epoch, (((train_loss, test_loss), train_accuracy), test_accuracy)) in (0..).zip(rows) {
            metrics.push(Row {
                epoch,
                train_loss: *train_loss,
                test_loss: *test_loss,
                train_accuracy: *train_accuracy,
                test_accuracy: *test_accuracy,
            });
        }
        Ok(Adoption {
            plan,
            layout: Layout::of(cell, &size.model)?,
            model: size.model.clone(),
            data,
            metrics,
            origin,
        })
    }

    /// Whether the split is the one that the seeds of the plan give.
    ///
    /// # Errors
    /// When that cannot be made.
    pub fn is_split_of_seeds(&self) -> Result<bool, SessionError> {
        let sorted = |mut part: Vec<u32>| {
            part.sort_unstable();
            part
        };
        let drawn = CellData::new(&self.plan.cells[0])?.split;
        let ours = &self.data.split;
        Ok(sorted(drawn.train) == sorted(ours.train.clone())
            && sorted(drawn.test) == sorted(ours.test.clone()))
    }

    /// How good these tensors are.
    ///
    /// # Errors
    /// They are not those of the plan's model.
    pub fn evaluate(&self, tensors: &[Tensor]) -> Result<Adopted, SessionError> {
        self.evaluate_with(tensors, None)
    }

    /// As [`Adoption::evaluate`], with one class more than the plan's model has: `output` is its
    /// column of W_U, `(d_model)`, and its number of b_U. No pair has it for a label.
    ///
    /// # Errors
    /// The tensors or the column are not those of the plan's model.
    pub fn evaluate_with(
        &self,
        tensors: &[Tensor],
        output: Option<(&[f32], f32)>,
    ) -> Result<Adopted, SessionError> {
        let logits = self.logits(tensors)?;
        let more = match output {
            None => None,
            Some((column, bias)) => {
                // The same model, whose first class is the further one.
                let mut tensors = tensors.to_vec();
                for tensor in &mut tensors {
                    match tensor.name.as_str() {
                        "unembed.W_U" => {
                            let rows = tensor.data.chunks_exact_mut(self.elements().max(1));
                            if column.len() != rows.len() {
                                return Err(SessionError::Request(format!(
                                    "an output of {} numbers does not fit a model of width {}",
                                    column.len(),
                                    rows.len()
                                )));
                            }
                            rows.zip(column).for_each(|(row, x)| row[0] = *x);
                        }
                        "unembed.b_U" => tensor.data.iter_mut().take(1).for_each(|x| *x = bias),
                        _ => {}
                    }
                }
                Some(self.logits(&tensors)?)
            }
        };
        let pairs = self.data.pairs(&self.plan.cells[0])?;
        let judge = |samples| self.judge(&logits, more.as_deref(), samples);
        let [train_loss, train_accuracy] = judge(pairs.train());
        let [test_loss, test_accuracy] = judge(pairs.test());
        Ok(Adopted {
            train_loss,
            test_loss,
            train_accuracy,
            test_accuracy,
        })
    }

    /// The number of elements, which is that of classes.
    fn elements(&self) -> usize {
        self.plan.cells[0].modulus as usize
    }

    /// The logits of all pairs, `(p², p)`.
    fn logits(&self, tensors: &[Tensor]) -> Result<Vec<f32>, SessionError> {
        let parameters = self.flat(tensors)?;
        if let Model::Folded(shape) = &self.model {
            let wanted = Wanted {
                logits: true,
                ..Wanted::default()
            };
            return Ok(GridPass::new(*shape).run(&parameters, wanted)?.logits);
        }
        let mut data = SnapshotData::new(0);
        let needs = Needs::parse(["logits"]).map_err(SessionError::Failed)?;
        RecordedPass::new(&self.model.architecture())?.run_into(parameters, &needs, &mut data)?;
        Ok(data.take("logits"))
    }

    /// Mean loss and accuracy; the label's class is left out of the sum, as in training, so that
    /// the loss of a certain answer is no rounding error of 1. `more` has a further class as its
    /// first one.
    fn judge(&self, logits: &[f32], more: Option<&[f32]>, samples: &[Sample]) -> [f64; 2] {
        let p = self.elements();
        let (mut loss, mut right) = (0.0, 0);
        for sample in samples {
            let (at, label) = (
                sample.a as usize * p + sample.b as usize,
                sample.label as usize,
            );
            let row = &logits[at * p..][..p];
            let own = f64::from(row[label]);
            let others = || {
                (0..p)
                    .filter(|c| *c != label)
                    .map(|c| f64::from(row[c]) - own)
                    .chain(more.map(|more| f64::from(more[at * p]) - own))
            };
            let most = others().fold(f64::NEG_INFINITY, f64::max);
            loss += if most > 0.0 {
                // log(1 + Σ e^d) = most + log(e^-most + Σ e^(d - most))
                most + ((-most).exp() + others().map(|d| (d - most).exp()).sum::<f64>()).ln()
            } else {
                others().map(f64::exp).sum::<f64>().ln_1p()
            };
            right += usize::from(most < 0.0);
        }
        let count = samples.len() as f64;
        [loss / count, right as f64 / count]
    }

    fn flat(&self, tensors: &[Tensor]) -> Result<Vec<f32>, SessionError> {
        self.layout
            .of_checkpoint(tensors)
            .map_err(|why| SessionError::Request(format!("the model does not fit its spec: {why}")))
    }
}

/// Writes the cell: `read` gives the tensors of each of `epochs` (steps taken, ascending), one
/// after the other. The summary comes last: a run without one was not imported to its end, and
/// importing it again goes over it.
///
/// # Errors
/// Those of `read`, tensors that do not fit, or the disk.
pub fn adopt<E: From<SessionError>>(
    adoption: &Adoption<'_>,
    run: &RunDir,
    epochs: &[u64],
    mut read: impl FnMut(usize) -> Result<Vec<Tensor>, E>,
) -> Result<Adopted, E> {
    let failed = |error: grokrun_store::StoreError| E::from(SessionError::from(error));
    let Adoption {
        plan,
        model,
        layout,
        data,
        metrics,
        origin,
    } = adoption;
    let cell = &plan.cells[0];
    let dir = folder(run, plan, cell).map_err(failed)?;
    let counts = [data.split.train.len(), data.split.test.len()];
    let mut config = describe::config(plan, cell, model, counts)?;
    config.imported = Some(origin.clone());
    dir.write_config(&config).map_err(failed)?;
    let places = |part: &[u32]| part.iter().map(|i| i64::from(*i)).collect::<Vec<_>>();
    dir.write_split(&places(&data.split.train), &places(&data.split.test))
        .map_err(failed)?;
    dir.write_metrics(metrics).map_err(failed)?;

    let mut last = None;
    for (index, epoch) in epochs.iter().enumerate() {
        let tensors = read(index)?;
        let parameters = adoption.flat(&tensors)?;
        dir.write_checkpoint(*epoch, &layout.checkpoint(&parameters))
            .map_err(failed)?;
        last = Some((*epoch, tensors, parameters));
    }
    let Some((epoch, tensors, parameters)) = last else {
        return Err(SessionError::Request("there is no checkpoint to import".to_owned()).into());
    };
    let adopted = adoption.evaluate(&tensors)?;
    // Finished: what was trained elsewhere is not trained on. Its moments are not known.
    dir.write_state(&State {
        epoch,
        tensors: layout.state(&model::state_of(cell, model, parameters)?),
        metrics: metrics.clone(),
        extra: Status::Finished.to_json(None),
    })
    .map_err(failed)?;
    let summary = Summary {
        cells: vec![summary(&cell.id, epoch, metrics, &adopted)],
    };
    run.write_summary(&summary, &[&cell.id]).map_err(failed)?;
    write_cells(run)?;
    Ok(adopted)
}

/// What became of the cell: by its own history where it has accuracies, else by our evaluation of
/// its last checkpoint.
fn summary(id: &str, epoch: u64, metrics: &Metrics, adopted: &Adopted) -> CellSummary {
    let mut summary = CellSummary::new(id, "imported", metrics);
    let [_, _, _, accuracies] = metrics.columns();
    let known = accuracies.iter().any(|x| x.is_finite());
    if !known {
        summary.verdict = format!(
            "imported: {:.1} % of the test pairs are right after {epoch} epochs; when that came about is not known",
            100.0 * adopted.test_accuracy
        );
    }
    let or = |known: Option<f64>, ours: f64| known.filter(|x| x.is_finite()).unwrap_or(ours);
    let last = summary.last;
    summary.last = Some(Row {
        epoch: last.map_or(epoch.saturating_sub(1), |row| row.epoch),
        train_loss: or(last.map(|row| row.train_loss), adopted.train_loss),
        test_loss: or(last.map(|row| row.test_loss), adopted.test_loss),
        train_accuracy: or(last.map(|row| row.train_accuracy), adopted.train_accuracy),
        test_accuracy: or(last.map(|row| row.test_accuracy), adopted.test_accuracy),
    });
    summary
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use grokrun_spec::Catalog;

    use super::*;

    #[test]
    fn a_further_output_counts_as_a_class() {
        let spec = "operation = \"add\"\nmodulus = 5\nfraction = 0.5\nseeds = { data = 1, model = 2 }\n[model]\nheads = 1\nd_model = 4\nd_head = 4\nd_mlp = 4\n";
        let plan = grokrun_spec::load(spec, Path::new("x.toml"), &[], &Catalog::empty()).unwrap();
        let survey = Survey::new(&plan).unwrap();
        let history = Default::default();
        let adoption =
            Adoption::new(&plan, &survey, Parts::OfSeeds, &history, Value::Null).unwrap();
        let count = adoption.model.parameters().unwrap().count();
        // All logits are 0: ln 5 in nats, and ln 6 with an output that is 0 as well.
        let tensors = adoption.layout.checkpoint(&vec![0.0; count]);
        let plain = adoption.evaluate(&tensors).unwrap();
        assert!((plain.train_loss - 5f64.ln()).abs() < 1e-12, "{plain:?}");
        let more = adoption
            .evaluate_with(&tensors, Some((&[0.0; 4], 0.0)))
            .unwrap();
        assert!((more.test_loss - 6f64.ln()).abs() < 1e-12, "{more:?}");
        assert!(
            adoption
                .evaluate_with(&tensors, Some((&[0.0; 3], 0.0)))
                .is_err()
        );
    }

    #[test]
    fn pairs_that_are_not_trained_on_are_tested_on() {
        let spec =
            "operation = \"div\"\nmodulus = 5\nfraction = 0.5\nseeds = { data = 1, model = 2 }\n";
        let plan = grokrun_spec::load(spec, Path::new("x.toml"), &[], &Catalog::empty()).unwrap();
        let data = CellData::with_train(&plan.cells[0], &[1, 6, 23]).unwrap();
        assert_eq!(data.split.train, [1, 6, 23]);
        // 20 pairs have a quotient; 0 and its like do not.
        assert_eq!(data.split.test.len(), 17);
        assert!(!data.split.test.contains(&6) && !data.split.test.contains(&0));
        for places in [&[0][..], &[25], &[-1], &[1, 1]] {
            assert!(
                CellData::with_train(&plan.cells[0], places).is_err(),
                "{places:?}"
            );
        }
    }
}
