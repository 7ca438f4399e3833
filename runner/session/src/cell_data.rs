//! A cell's data and first weights, made from its seeds alone.

use std::collections::HashSet;

use grokrun_engine::{Pairs, Sample};
use grokrun_program::{Data, Program};
use grokrun_spec::{Cell, Noise};
use grokrun_store::CellDir;
use grokrun_task::{Dataset, Split, noisy_labels};

use crate::SessionError;
use crate::survey::dataset;

/// The samples of a cell.
pub(crate) struct CellData {
    /// as drawn, indices into the list of all tuples, the last operand fastest
    pub(crate) split: Split,
    /// as the fused passes and the analyses want them, where samples are pairs
    pub(crate) pairs: Option<Pairs>,
}

impl CellData {
    pub(crate) fn new(cell: &Cell) -> Result<CellData, SessionError> {
        let data = dataset(cell)?;
        let split = data
            .split(cell.fraction, cell.data_seed, cell.stream)
            .map_err(|e| SessionError::Request(format!("cell {}: {e}", cell.id)))?;
        CellData::of(cell, &data, split)
    }

    /// The data that a cell is trained on once its spec has set another fraction: the first samples
    /// of the same order. Labels that are wrong are drawn for it as for one of that fraction.
    ///
    /// # Errors
    /// When a part would be empty.
    pub(crate) fn cut(cell: &Cell, split: &Split) -> Result<CellData, SessionError> {
        let order: Vec<u32> = split.train.iter().chain(&split.test).copied().collect();
        let count = train_count(cell, order.len(), cell.fraction)?;
        let (train, test) = order.split_at(count);
        let split = Split {
            train: train.to_vec(),
            test: test.to_vec(),
        };
        CellData::of(cell, &dataset(cell)?, split)
    }

    /// The pairs of both parts.
    ///
    /// # Errors
    /// When samples have another number of operands.
    pub(crate) fn pairs(&self, cell: &Cell) -> Result<&Pairs, SessionError> {
        self.pairs.as_ref().ok_or_else(|| not_pairs(cell))
    }

    /// The data of a cell with the split that its folder has: an imported one may have been drawn
    /// elsewhere. Without one, that of its seeds.
    pub(crate) fn stored(cell: &Cell, dir: &CellDir) -> Result<CellData, SessionError> {
        match dir.read_split()? {
            Some(parts) => CellData::with_split(cell, &parts),
            None => CellData::new(cell),
        }
    }

    /// The data of a cell with this split, `[train, test]`.
    ///
    /// # Errors
    /// A place that is no pair of the data set, or is there twice.
    pub(crate) fn with_split(cell: &Cell, parts: &[Vec<i64>; 2]) -> Result<CellData, SessionError> {
        let data = dataset(cell)?;
        let (p, all) = (data.modulus(), data.indices());
        let mut seen = vec![false; all as usize];
        let mut part = |name: &str, places: &[i64]| {
            let mut part = Vec::with_capacity(places.len());
            for place in places {
                let pair = u32::try_from(*place)
                    .ok()
                    .filter(|pair| u64::from(*pair) < all);
                let Some(pair) = pair.filter(|pair| data.label(*pair).is_some()) else {
                    return Err(SessionError::Request(format!(
                        "cell {}: its {name} pairs have {place}; expected places a·{p} + b of pairs on which {} is defined",
                        cell.id,
                        cell.operation.text()
                    )));
                };
                if std::mem::replace(&mut seen[pair as usize], true) {
                    return Err(SessionError::Request(format!(
                        "cell {}: its {name} pairs have {place} a second time; expected each pair once",
                        cell.id
                    )));
                }
                part.push(pair);
            }
            Ok(part)
        };
        let split = Split {
            train: part("train", &parts[0])?,
            test: part("test", &parts[1])?,
        };
        CellData::of(cell, &data, split)
    }

    /// The data of a cell, of which these pairs are trained on and all others tested on.
    ///
    /// # Errors
    /// As [`CellData::with_split`].
    pub(crate) fn with_train(cell: &Cell, train: &[i64]) -> Result<CellData, SessionError> {
        let of_train: HashSet<i64> = train.iter().copied().collect();
        let data = dataset(cell)?;
        let all = data.pairs().iter().map(|pair| i64::from(*pair));
        let test = all.filter(|pair| !of_train.contains(pair)).collect();
        CellData::with_split(cell, &[train.to_vec(), test])
    }

    fn of(cell: &Cell, data: &Dataset, split: Split) -> Result<CellData, SessionError> {
        if data.operands() != 2 {
            return Ok(CellData { split, pairs: None });
        }
        let p = data.modulus();
        let [train, test] = labels(cell, data, &split)?;
        let samples = |part: &[u32], labels: Vec<u32>| {
            let one = |(pair, label): (&u32, u32)| Sample {
                a: pair / p,
                b: pair % p,
                label,
            };
            part.iter().zip(labels).map(one).collect()
        };
        let (train, test) = (samples(&split.train, train), samples(&split.test, test));
        let pairs = Pairs::new(p as usize, train, test)
            .map_err(|e| SessionError::Request(format!("cell {}: {e}", cell.id)))?;
        let pairs = Some(pairs);
        Ok(CellData { split, pairs })
    }
}

/// How many of so many samples are trained on.
///
/// # Errors
/// When a part would be empty.
pub(crate) fn train_count(
    cell: &Cell,
    samples: usize,
    fraction: f64,
) -> Result<usize, SessionError> {
    let train = (samples as f64 * fraction) as usize;
    if train == 0 || train == samples {
        return Err(SessionError::Request(format!(
            "cell {}: a fraction of {fraction} of {samples} pair{} leaves the {} part empty; expected at least one pair in each",
            cell.id,
            if samples == 1 { "" } else { "s" },
            if train == 0 { "train" } else { "test" },
        )));
    }
    Ok(train)
}

pub(crate) fn not_pairs(cell: &Cell) -> SessionError {
    SessionError::Request(format!(
        "cell {}: {} has {} operands; expected an operation of two",
        cell.id,
        cell.operation.text(),
        cell.operation.operands()
    ))
}

/// The labels of both parts, in their order; those of training with the cell's noise.
fn labels(cell: &Cell, data: &Dataset, split: &Split) -> Result<[Vec<u32>; 2], SessionError> {
    let of = |part: &[u32]| {
        let labels = part.iter().filter_map(|tuple| data.label(*tuple));
        labels.collect::<Vec<u32>>()
    };
    let Noise { share, seed } = cell.settings.noise;
    let classes = cell.operation.classes(cell.modulus);
    let train = noisy_labels(&of(&split.train), classes, share, seed)
        .map_err(|e| SessionError::Request(format!("cell {}: {e}", cell.id)))?;
    Ok([train, of(&split.test)])
}

/// Both parts of a split for a program, in the order in which they were drawn: minibatches are
/// places in it.
///
/// # Errors
/// When the operation is not defined, or its values are no tokens of the program.
pub(crate) fn program_data(
    cell: &Cell,
    split: &Split,
    program: &Program,
) -> Result<[Data; 2], SessionError> {
    let data = dataset(cell)?;
    let [train, test] = labels(cell, &data, split)?;
    let part = |part: &[u32], labels: Vec<u32>| {
        let tokens = part.iter().flat_map(|tuple| data.tokens_of(*tuple));
        Data::new(program, tokens.collect(), labels)
            .map_err(|e| SessionError::Request(format!("cell {}: {e}", cell.id)))
    };
    Ok([part(&split.train, train)?, part(&split.test, test)?])
}
