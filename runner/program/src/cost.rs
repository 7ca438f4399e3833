//! Computes what a program costs: operations and bytes, as sums over its operations and tables.
//!
//! Owns how an operation is counted. Executors predict a time from these counts.

use std::iter::Sum;
use std::ops::{Add, Range};

use crate::architecture::Activation;
use crate::op::Op;
use crate::program::{Program, Samples, Stage};
use crate::table::{Extent, TableId, View};

/// The number of arithmetic operations and bytes of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Multiply-adds of matrix products.
    pub products: f64,
    /// Multiply-adds of look-ups, sums and scores.
    pub lookups: f64,
    /// Exponentials.
    pub exponentials: f64,
    /// Entries that are computed element by element, the optimizer's included.
    pub elements: f64,
    /// Bytes of f32 that are read, each operand once.
    pub read: f64,
    /// Bytes of f32 that are written.
    pub written: f64,
}

impl Add for Cost {
    type Output = Cost;
    fn add(self, other: Cost) -> Cost {
        Cost {
            products: self.products + other.products,
            lookups: self.lookups + other.lookups,
            exponentials: self.exponentials + other.exponentials,
            elements: self.elements + other.elements,
            read: self.read + other.read,
            written: self.written + other.written,
        }
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Cost>>(costs: I) -> Cost {
        costs.fold(Cost::default(), Cost::add)
    }
}

impl Cost {
    /// Returns all multiply-adds.
    pub fn multiply_adds(&self) -> f64 {
        self.products + self.lookups
    }
}

/// How many bytes the tables of a program hold, in f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Parameters and slots, which make up a state.
    pub state: usize,
    /// Tables that do not depend on samples: by token, once, gradients of parameters.
    pub shared: usize,
    /// Tables with a row for each sample. An executor that works tile by tile holds less.
    pub samples: usize,
}

const BYTES: usize = size_of::<f32>();

impl Program {
    /// Returns the cost of one run of a stage.
    pub fn cost(&self, stage: Stage, samples: &Samples) -> Cost {
        self.stage(stage)
            .iter()
            .map(|op| self.cost_of(op, samples))
            .sum()
    }

    /// Returns the cost of an epoch: one step and one evaluation. The shared stage is counted once,
    /// since an evaluation uses the same tables as the step that follows it.
    pub fn epoch_cost(&self, samples: &Samples) -> Cost {
        self.stages
            .iter()
            .map(|(stage, _)| self.cost(*stage, samples))
            .sum()
    }

    /// Returns the bytes of all tables.
    pub fn memory(&self, samples: &Samples) -> Memory {
        let mut memory = Memory::default();
        let slots: Vec<TableId> = self.slots.iter().flat_map(|s| s.tables.clone()).collect();
        for (place, table) in self.tables.iter().enumerate() {
            let bytes = self.rows(table.rows, samples) * table.cols * BYTES;
            if place < self.parameters.len() || slots.contains(&TableId(place)) {
                memory.state += bytes;
            } else if table.rows.is_sample() {
                memory.samples += bytes;
            } else {
                memory.shared += bytes;
            }
        }
        memory
    }

    /// Returns the cost of one operation, which is read and written once.
    pub fn cost_of(&self, op: &Op, samples: &Samples) -> Cost {
        let len = |extent: Extent| self.rows(extent, samples) as f64;
        let area = |view: &View| len(view.height()) * len(view.width());
        let bytes = |views: Vec<View>| views.iter().map(area).sum::<f64>() * BYTES as f64;
        let mut cost = Cost {
            read: bytes(op.reads()),
            written: bytes(op.writes()),
            ..Cost::default()
        };
        match op {
            Op::Clear { table } => cost.written = (self.entries_of(*table, samples) * BYTES) as f64,
            Op::Product { out, terms, .. } => {
                let inner: f64 = terms.iter().map(|t| len(t.left.width())).sum();
                cost.products = area(out) * inner;
            }
            Op::Add { out, terms, .. } => cost.lookups = area(out) * terms.len() as f64,
            Op::Sum { term, over, .. } => cost.lookups = len(*over) * len(term.values.width()),
            Op::Dot { out, left, .. } => cost.lookups = len(out.height()) * len(left.width()),
            Op::Softmax { out, .. } => {
                cost.exponentials = area(out);
                cost.elements = area(out);
            }
            Op::SoftmaxGradient { out, .. }
            | Op::Norm { out, .. }
            | Op::NormGradient { out, .. } => cost.elements = area(out),
            Op::Activate {
                out, activation, ..
            }
            | Op::ActivateGradient {
                out, activation, ..
            } => {
                cost.elements = area(out);
                if needs_exponential(*activation) {
                    cost.exponentials = area(out);
                }
            }
            Op::Loss { logits, .. } => {
                cost.exponentials = area(logits);
                cost.elements = area(logits);
            }
            Op::Filter { moved, .. } | Op::Project { moved, .. } => {
                for one in moved {
                    let own = self.entries(one.parameter) as f64;
                    cost = cost + elementwise(own, one.slots.len());
                }
            }
            Op::Update { settings, moved } => {
                for one in moved {
                    let own = self.entries(one.parameter) as f64;
                    cost = cost + elementwise(own, one.slots.len());
                    if let (Some(_), Some(matrix)) = (settings.rule.others(), one.matrix) {
                        let (rows, cols) = (matrix.inputs, matrix.heads * matrix.outputs);
                        let (short, long) = (rows.min(cols) as f64, rows.max(cols) as f64);
                        // Newton–Schulz computes X Xᵀ, the square of that, and their product with
                        // X, five times.
                        cost.products += 5.0 * (2.0 * short * short * long + short.powi(3));
                    }
                }
            }
        }
        cost
    }

    fn entries_of(&self, table: TableId, samples: &Samples) -> usize {
        let table = self.table(table);
        self.rows(table.rows, samples) * table.cols
    }

    /// Returns the indices of a stage's operations in the list of all operations.
    pub fn range(&self, stage: Stage) -> Range<usize> {
        let found = self.stages.iter().find(|(name, _)| *name == stage);
        found.map_or(0..0, |(_, range)| range.clone())
    }
}

/// Returns the cost of an update: weight, gradient and slots are read, weight and slots written.
fn elementwise(numbers: f64, slots: usize) -> Cost {
    let tables = (slots + 1) as f64;
    Cost {
        elements: numbers,
        read: numbers * (tables + 1.0) * BYTES as f64,
        written: numbers * tables * BYTES as f64,
        ..Cost::default()
    }
}

fn needs_exponential(activation: Activation) -> bool {
    match activation {
        Activation::Gelu | Activation::GeluTanh | Activation::Silu | Activation::Tanh => true,
        Activation::Relu | Activation::Quadratic | Activation::Power(_) | Activation::Identity => {
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::{Architecture, Bias, Input, Model, Norm};
    use crate::examples::{mlp, with};
    use crate::folded::folded;
    use crate::loss::Loss;
    use crate::optimizer::{Recipe, train};
    use crate::plain::plain;

    fn epoch(forward: Program, train_samples: usize, test: usize) -> Cost {
        let program = train(forward, &Recipe::published()).unwrap();
        let samples = Samples {
            train: train_samples,
            test,
        };
        program.epoch_cost(&samples)
    }

    #[test]
    fn the_fold_costs_what_was_counted_by_hand() {
        let [p, d, h, e, f] = [113.0, 128.0, 4.0, 32.0, 512.0];
        let (n, t) = (3830.0, 8939.0);
        let fold = folded(&Architecture::published(113), &Loss::PUBLISHED).unwrap();
        let cost = epoch(fold.unwrap(), 3830, 8939);
        // Neurons times classes: once forward and twice backward.
        let samples = (3.0 * n + t) * f * p;
        let fold = 2.0 * p * h * e * (d + f + p) + h * e * d * (f + p) + d * f * p;
        let counted = samples + 3.0 * fold;
        assert!(
            (cost.products / counted - 1.0).abs() < 0.05,
            "{} {counted}",
            cost.products
        );
        // Two rows for each head, and the single row of '='.
        let gathered = (n + t + 2.0 * n) * (2.0 * h + 1.0) * (f + p);
        let share = cost.lookups / gathered;
        assert!((share - 1.0).abs() < 0.02, "{share}");
        assert!((2.0 * cost.multiply_adds() / 2.83e9 - 1.0).abs() < 0.1);
    }

    #[test]
    fn two_layers_cost_what_the_best_reordering_does() {
        let two = with(Architecture::published(97), |t| {
            t.blocks = vec![t.blocks[0].clone(); 2];
            t.mlp_biases = Bias::None;
        });
        let pairs = 97 * 97;
        let train_samples = (pairs as f64 * 0.3) as usize;
        for norm in [Norm::None, Norm::Pre] {
            let two = with(two.clone(), |t| t.norm = norm);
            let forward = plain(&two, &Loss::PUBLISHED).unwrap();
            let cost = epoch(forward, train_samples, pairs - train_samples);
            // The expected cost is 16,423 MFLOP; computing every position of every pair would take
            // 36,775.
            let share = 2.0 * cost.products / 16.423e9;
            assert!((share - 1.0).abs() < 0.03, "{share}");
        }
    }

    #[test]
    fn a_perceptrons_first_layer_is_no_product() {
        let mut quadratic = mlp(Input::TwoHot, &[500]);
        (quadratic.tokens, quadratic.classes) = (97, 97);
        if let Model::Mlp(m) = &mut quadratic.model {
            m.biases = Bias::None;
        }
        let cost = epoch(plain(&quadratic, &Loss::PUBLISHED).unwrap(), 4704, 4705);
        let expected = (3.0 * 4704.0 + 4705.0) * 500.0 * 97.0;
        assert_eq!(cost.products, expected);
    }

    #[test]
    fn memory_is_the_sum_of_the_tables() {
        let forward = plain(&Architecture::published(113), &Loss::PUBLISHED).unwrap();
        let program = train(forward, &Recipe::published()).unwrap();
        let samples = Samples {
            train: 10,
            test: 20,
        };
        let memory = program.memory(&samples);
        let trained = program.parameters.trained();
        assert_eq!(memory.state, 4 * (program.parameters.count() + 2 * trained));
        let twice = program.memory(&Samples {
            train: 20,
            test: 40,
        });
        assert_eq!(twice.samples, 2 * memory.samples);
        assert_eq!(twice.shared, memory.shared);
    }
}
