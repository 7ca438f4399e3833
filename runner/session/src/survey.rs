//! What a plan needs, found out before anything large is made: each cell's shape, data sizes,
//! memory and disk.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use grokrun_engine::{Choice, Estimate, Recipe, Shape};
use grokrun_program::Program;
use grokrun_spec::{Batch, Cell, Plan, Settings, When};
use grokrun_store::Keeping;
use grokrun_task::{Count, Dataset, OperationError};

use crate::SessionError;
use crate::analyses::Seen;
use crate::cell_data::train_count;
use crate::describe::keeping;
use crate::model::{self, Model};

/// Bytes that making a data set and its split takes for each of the p² pairs: pairs and labels,
/// both parts, their order while it is shuffled, the samples of the executor.
const BYTES_A_PAIR: u64 = 40;

/// The sizes of one cell.
#[derive(Clone, Debug)]
pub struct CellSize {
    /// the model
    pub model: Model,
    /// what else it is trained with
    pub settings: Arc<Settings>,
    /// what one cell takes of memory, files and work, without its history
    pub needs: Estimate,
    /// whether the task is an operation on pairs of residues
    pub residues: bool,
    /// pairs trained on
    pub train: usize,
    /// pairs tested on
    pub test: usize,
    /// epochs of its history
    pub epochs: u64,
    /// how its checkpoints are kept
    pub keeping: Keeping,
    /// how many states its ring holds
    pub ring: u64,
}

/// What the history of so many epochs takes while it is kept, encoded and written.
fn history_bytes(epochs: u64) -> u64 {
    epochs.saturating_mul(112)
}

impl CellSize {
    /// The model as analyses see it; none if the task is not one of pairs.
    pub(crate) fn seen(&self) -> Option<Seen> {
        Seen::of(&self.model.architecture())
    }

    /// The shape of a model whose analyses' costs are known: a folded one, on pairs of residues.
    pub(crate) fn analysed(&self) -> Option<&Shape> {
        self.model.shape().filter(|_| self.residues)
    }

    /// Whether both can be replicas of one program.
    pub(crate) fn trains_with(&self, other: &CellSize) -> bool {
        let batched = match self.model {
            Model::Folded(_) => true,
            Model::Recorded(_) => Arc::ptr_eq(&self.settings, &other.settings),
        };
        // What waits for something changes each cell at another epoch.
        let waits = |size: &CellSize| {
            let changes = size.settings.train.changes.iter();
            changes
                .map(|change| change.when)
                .any(|when| !matches!(when, When::Epoch(_)))
        };
        let sizes = |size: &CellSize| (size.train, size.test);
        self.model == other.model
            && sizes(self) == sizes(other)
            && batched
            && !waits(self)
            && !waits(other)
    }

    /// The size of a cell of a folded model, trained for ten epochs.
    #[cfg(test)]
    pub(crate) fn of_shape(shape: grokrun_engine::Shape, train: usize, test: usize) -> CellSize {
        let text =
            "operation = \"add\"\nmodulus = 5\nfraction = 0.5\nseeds = { data = 0, model = 0 }";
        let plan = grokrun_spec::load_training(text, std::path::Path::new("x.toml"));
        let settings = &plan.expect("a spec").cells[0].settings;
        CellSize {
            model: Model::Folded(shape),
            settings: Arc::clone(settings),
            residues: true,
            needs: Estimate::new(&shape, train, test, 1),
            train,
            test,
            epochs: 10,
            keeping: Keeping::default(),
            ring: 0,
        }
    }

    /// Memory, files and work of one cell.
    pub fn estimate(&self) -> Estimate {
        let estimate = self.needs;
        // In memory, and in the saved state.
        let ring_bytes = self.ring.saturating_mul(estimate.checkpoint_bytes);
        Estimate {
            host_bytes: estimate
                .host_bytes
                .saturating_add(history_bytes(self.epochs))
                .saturating_add(ring_bytes),
            state_bytes: estimate.state_bytes.saturating_add(ring_bytes),
            // How far packing comes down depends on the weights: what is told is the most.
            checkpoint_bytes: if self.keeping.halves {
                estimate.checkpoint_bytes.div_ceil(2)
            } else {
                estimate.checkpoint_bytes
            },
            ..estimate
        }
    }
}

/// The sizes of every cell of a plan, in its order.
#[derive(Clone, Debug)]
pub struct Survey {
    /// one for each cell
    pub cells: Vec<CellSize>,
    /// whether pairs were counted on a part of some table
    pub estimated: bool,
}

/// Pairs that are tried for a quick survey, all operations and moduli together, and for one at
/// least.
const QUICK: u64 = 1 << 25;
const LEAST: u64 = 1 << 16;

impl Survey {
    /// Finds the sizes of all cells.
    ///
    /// # Errors
    /// When a cell would not fit the machine's memory, or a part of its pairs is empty.
    pub fn new(plan: &Plan) -> Result<Survey, SessionError> {
        Survey::within(plan, u64::MAX)
    }

    /// The same in a second or so, whatever the moduli: for a look at what a plan would cost. Large
    /// tables are counted in part, which `estimated` then says.
    ///
    /// # Errors
    /// As [`Survey::new`].
    pub fn quick(plan: &Plan) -> Result<Survey, SessionError> {
        let keys: HashSet<_> = plan
            .cells
            .iter()
            .map(|cell| (&cell.operation, cell.modulus))
            .collect();
        Survey::within(plan, (QUICK / keys.len().max(1) as u64).max(LEAST))
    }

    /// The processor that trains these cells: the one that was chosen, or the CPU where a program
    /// does not fit a GPU that was not asked for.
    ///
    /// # Errors
    /// When a program does not fit a GPU that was asked for.
    pub fn device(&self, choice: Choice) -> Result<Choice, SessionError> {
        let recorded = self
            .cells
            .iter()
            .filter(|size| size.model.shape().is_none());
        let Some(most) = recorded.map(|size| size.needs.largest_buffer).max() else {
            return Ok(choice);
        };
        choice
            .for_programs(most)
            .map_err(|error| SessionError::Request(error.to_string()))
    }

    /// Trying so many pairs of each table at most.
    fn within(plan: &Plan, most: u64) -> Result<Survey, SessionError> {
        let mut counts: HashMap<_, Count> = HashMap::new();
        let mut cells = Vec::with_capacity(plan.cells.len());
        let mut needs = Needs::default();
        let have = grokrun_engine::available_memory();
        for cell in &plan.cells {
            let model = Model::of(cell);
            needs.refuse_above_memory(plan, cell, &model, have)?;
            let key = (&cell.operation, cell.modulus);
            let count = match counts.get(&key) {
                Some(count) => *count,
                None => {
                    let count = cell.operation.count(cell.modulus, most);
                    *counts
                        .entry(key)
                        .or_insert(count.map_err(|e| undefined(cell, &e))?)
                }
            };
            let pairs = count.pairs as usize;
            let train = train_count(cell, pairs, cell.fraction)?;
            for change in &cell.settings.train.changes {
                if let Some(fraction) = change.fraction {
                    train_count(cell, pairs, fraction)?;
                }
            }
            if let Batch::Size { .. } = cell.settings.batch {
                model::batches(cell, train, 0)?;
            }
            cells.push(CellSize {
                needs: needs.of(cell, &model, [train, pairs - train])?,
                settings: Arc::clone(&cell.settings),
                residues: cell.operation.size().is_none() && cell.operation.operands() == 2,
                model,
                train,
                test: pairs - train,
                epochs: plan.epochs,
                keeping: keeping(plan),
                ring: plan.checkpoints.spacing.ring,
            });
        }
        let estimated = counts.values().any(|count| !count.exact);
        Ok(Survey { cells, estimated })
    }
}

/// What cells need. Programs are recorded once for each modulus and each settings of model and
/// training: what else differs between cells of one plan changes no size.
#[derive(Default)]
struct Needs {
    programs: HashMap<(u32, *const Settings), Program>,
}

impl Needs {
    /// The needs of a cell with these numbers of training and test pairs.
    fn of(
        &mut self,
        cell: &Cell,
        model: &Model,
        pairs: [usize; 2],
    ) -> Result<Estimate, SessionError> {
        let [train, test] = pairs;
        if let Model::Folded(shape) = model {
            return Ok(Estimate::new(shape, train, test, 1));
        }
        let key = (cell.modulus, Arc::as_ptr(&cell.settings));
        let program = match self.programs.entry(key) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(model::record(cell)?),
        };
        let step = match cell.settings.batch {
            Batch::Full => train,
            Batch::Size { size, .. } => size.min(train),
        };
        Ok(Estimate::of_program(program, pairs, step))
    }

    /// Both parts of the pairs are held whatever the fraction, so p² bounds the memory.
    fn refuse_above_memory(
        &mut self,
        plan: &Plan,
        cell: &Cell,
        model: &Model,
        have: Option<u64>,
    ) -> Result<(), SessionError> {
        let epochs = plan.epochs;
        let pairs = cell.operation.tuples(cell.modulus);
        let train = (pairs as f64 * cell.fraction) as u64;
        let parts = [train as usize, (pairs - train) as usize];
        let need = self
            .of(cell, model, parts)?
            .host_bytes
            .saturating_add(pairs.saturating_mul(BYTES_A_PAIR))
            .saturating_add(history_bytes(epochs));
        if have.is_some_and(|have| need > have) {
            return Err(SessionError::Request(format!(
                "cell {}: modulus {} has {pairs} pairs; training on them for {epochs} epochs needs about {}, and {} are available; \
                 expected a smaller modulus or model, fewer epochs, or a machine with more memory",
                cell.id,
                cell.modulus,
                size_in_words(need),
                size_in_words(have.unwrap_or(0)),
            )));
        }
        Ok(())
    }
}

/// A size in words.
pub fn size_in_words(count: u64) -> String {
    let count = count as f64;
    match count {
        c if c < 1e6 => format!("{:.0} kB", c / 1e3),
        c if c < 1e9 => format!("{:.0} MB", c / 1e6),
        c if c < 1e12 => format!("{:.1} GB", c / 1e9),
        c => format!("{:.1} TB", c / 1e12),
    }
}

pub(crate) fn dataset(cell: &Cell) -> Result<Dataset, SessionError> {
    Dataset::new(&cell.operation, cell.modulus).map_err(|e| undefined(cell, &e))
}

fn undefined(cell: &Cell, error: &OperationError) -> SessionError {
    SessionError::Request(format!("cell {}: {}", cell.id, error.message))
}

/// The recipe of a cell whose model is folded.
///
/// # Errors
/// When the model is not folded.
pub(crate) fn recipe(cell: &Cell) -> Result<Recipe, SessionError> {
    Recipe::of(&cell.recipe())
        .ok_or_else(|| SessionError::Request("the fused passes run adamw alone".to_owned()))
}
