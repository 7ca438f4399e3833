//! A cell's data and first weights, made from its seeds alone.

use std::collections::HashSet;

use grokrun_engine::{Pairs, Sample};
use grokrun_program::{Data, Program};
use grokrun_spec::Cell;
use grokrun_store::CellDir;
use grokrun_task::{Dataset, Split};

use crate::SessionError;
use crate::survey::dataset;

/// The pairs of a cell.
pub(crate) struct Material {
    /// as drawn, indices into the a-major list of all pairs
    pub(crate) split: Split,
    /// as the engine wants them
    pub(crate) pairs: Pairs,
}

impl Material {
    pub(crate) fn new(cell: &Cell) -> Result<Material, SessionError> {
        let data = dataset(cell)?;
        let split = data
            .split(cell.fraction, cell.data_seed, cell.stream)
            .map_err(|e| SessionError::Request(format!("cell {}: {e}", cell.id)))?;
        Material::of(cell, &data, split)
    }

    /// The data of a cell with the split that its folder has: an imported one may have been drawn
    /// elsewhere. Without one, that of its seeds.
    pub(crate) fn stored(cell: &Cell, dir: &CellDir) -> Result<Material, SessionError> {
        match dir.read_split()? {
            Some(parts) => Material::with_split(cell, &parts),
            None => Material::new(cell),
        }
    }

    /// The data of a cell with this split, `[train, test]`.
    ///
    /// # Errors
    /// A place that is no pair of the data set, or is there twice.
    pub(crate) fn with_split(cell: &Cell, parts: &[Vec<i64>; 2]) -> Result<Material, SessionError> {
        let data = dataset(cell)?;
        let p = u64::from(data.modulus());
        let mut seen = vec![false; (p * p) as usize];
        let mut part = |name: &str, places: &[i64]| {
            let mut part = Vec::with_capacity(places.len());
            for place in places {
                let pair = u32::try_from(*place)
                    .ok()
                    .filter(|pair| u64::from(*pair) < p * p);
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
        Material::of(cell, &data, split)
    }

    /// The data of a cell, of which these pairs are trained on and all others tested on.
    ///
    /// # Errors
    /// As [`Material::with_split`].
    pub(crate) fn with_train(cell: &Cell, train: &[i64]) -> Result<Material, SessionError> {
        let of_train: HashSet<i64> = train.iter().copied().collect();
        let data = dataset(cell)?;
        let all = data.pairs().iter().map(|pair| i64::from(*pair));
        let test = all.filter(|pair| !of_train.contains(pair)).collect();
        Material::with_split(cell, &[train.to_vec(), test])
    }

    fn of(cell: &Cell, data: &Dataset, split: Split) -> Result<Material, SessionError> {
        let [train, test] = [&split.train, &split.test].map(|part| samples(data, part));
        let pairs = Pairs::new(data.modulus() as usize, train, test)
            .map_err(|e| SessionError::Request(format!("cell {}: {e}", cell.id)))?;
        Ok(Material { split, pairs })
    }
}

/// The samples of a part, in its order.
fn samples(data: &Dataset, part: &[u32]) -> Vec<Sample> {
    let p = data.modulus();
    let one = |pair: &u32| {
        let label = data.label(*pair)?;
        Some(Sample {
            a: pair / p,
            b: pair % p,
            label,
        })
    };
    part.iter().filter_map(one).collect()
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
    let part = |part: &[u32]| {
        let samples = samples(&data, part);
        let tokens = samples.iter().flat_map(|s| [s.a, s.b]).collect();
        let labels = samples.iter().map(|s| s.label).collect();
        Data::new(program, tokens, labels)
            .map_err(|e| SessionError::Request(format!("cell {}: {e}", cell.id)))
    };
    Ok([part(&split.train)?, part(&split.test)?])
}
