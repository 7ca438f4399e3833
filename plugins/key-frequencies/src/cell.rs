//! A cell whose key components are known, and what the initial norms of several predict.

use std::collections::BTreeMap;

use grokrun_api::SweepCell;
use grokrun_api::serde_json::Value;
use grokrun_sweeps::{Stratified, stratified_auc};

/// The table that is read, and its columns beside the norms.
const TABLE: &str = "components";
const NAME: &str = "component";
const EPOCH: &str = "first epoch";
const KEY: &str = "key";

/// A cell with its components.
pub(crate) struct Won {
    pub(crate) id: String,
    /// the names of the components, in order
    pub(crate) names: Vec<String>,
    pub(crate) is_key: Vec<bool>,
    /// by name of the norm: of each component the first and the last
    pub(crate) norms: BTreeMap<String, [Vec<f64>; 2]>,
}

impl Won {
    /// Reads the table that the analysis left in a cell.
    ///
    /// # Errors
    /// Why the cell does not count, in a few words.
    pub(crate) fn of(cell: &SweepCell, analysis: &str) -> Result<Won, &'static str> {
        let tables = cell.tables.get(analysis);
        let table = tables.and_then(|tables| tables.get(TABLE));
        let table = table.ok_or("without a table of components")?;
        let columns = table["columns"].as_array().map_or(&[][..], Vec::as_slice);
        let rows = table["rows"].as_array().map_or(&[][..], Vec::as_slice);
        let place = |name: &str| columns.iter().position(|column| column == name);
        let column = |at: usize| rows.iter().map(move |row| &row[at]);
        let [Some(name), Some(key), Some(epoch)] = [NAME, KEY, EPOCH].map(place) else {
            return Err("with a table of other columns");
        };
        if column(epoch).any(|epoch| epoch.as_u64() != Some(0)) {
            return Err("not seen at epoch 0");
        }
        let text = |value: &Value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        };
        let mut norms = BTreeMap::new();
        for norm in columns.iter().filter_map(Value::as_str) {
            let Some(number) = norm.strip_suffix(" first") else {
                continue;
            };
            let pair = [Some(norm), Some(&*format!("{number} last"))].map(|n| n.and_then(place));
            if let [Some(first), Some(last)] = pair {
                let of = |at| column(at).map(|x| x.as_f64().unwrap_or(f64::NAN)).collect();
                norms.insert(number.to_owned(), [of(first), of(last)]);
            }
        }
        let won = Won {
            id: cell.id.clone(),
            names: column(name).map(text).collect(),
            is_key: column(key).map(|key| key == true).collect(),
            norms,
        };
        let keys = won.keys().len();
        match () {
            () if keys == 0 => Err("without key components"),
            () if keys == won.names.len() => Err("whose components are all key"),
            () => Ok(won),
        }
    }

    /// Returns the names of the key components.
    pub(crate) fn keys(&self) -> Vec<&str> {
        let pairs = self.names.iter().zip(&self.is_key);
        pairs
            .filter(|(_, key)| **key)
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// Returns which share of the components is key.
    pub(crate) fn share_of_keys(&self) -> f64 {
        self.keys().len() as f64 / self.names.len() as f64
    }

    /// Returns numbers of the components: those of the key ones, and of the others.
    fn parted(&self, numbers: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let of = |wanted: bool| {
            let pairs = numbers.iter().zip(&self.is_key);
            pairs
                .filter(|(_, key)| **key == wanted)
                .map(|(x, _)| *x)
                .collect()
        };
        (of(true), of(false))
    }
}

/// Returns the cells by their components: those with the same names in the same order together.
pub(crate) fn groups(all: &[Won]) -> Vec<Vec<&Won>> {
    let mut groups: Vec<Vec<&Won>> = Vec::new();
    for won in all {
        match groups.iter_mut().find(|group| group[0].names == won.names) {
            Some(group) => group.push(won),
            None => groups.push(vec![won]),
        }
    }
    groups
}

/// What the initial norms predict.
pub(crate) struct Prediction {
    pub(crate) cells: usize,
    /// by the cells' own norms
    pub(crate) own: Option<Stratified>,
    /// by those of the next cell with the same components; none where no cell has another one
    pub(crate) control: Option<Stratified>,
    /// in how many cells the largest at the end was the largest at first
    pub(crate) largest: usize,
    /// how many that would be by chance
    pub(crate) chance: f64,
}

impl Prediction {
    pub(crate) fn of(groups: &[Vec<&Won>], number: &str) -> Prediction {
        let (mut own, mut next, mut largest, mut chance) = (Vec::new(), Vec::new(), 0, 0.0);
        for group in groups {
            for (i, won) in group.iter().enumerate() {
                let [first, last] = &won.norms[number];
                own.push(won.parted(first));
                let other = group[(i + 1) % group.len()];
                if other.id != won.id {
                    next.push(won.parted(&other.norms[number][0]));
                }
                largest += usize::from(top(first).is_some() && top(first) == top(last));
                chance += 1.0 / won.names.len() as f64;
            }
        }
        Prediction {
            cells: own.len(),
            own: stratified_auc(&own),
            control: stratified_auc(&next),
            largest,
            chance,
        }
    }
}

/// Returns the place of the largest number; the first of equal ones.
fn top(numbers: &[f64]) -> Option<usize> {
    let known = (0..numbers.len()).filter(|i| !numbers[*i].is_nan());
    known.reduce(|best, i| if numbers[i] > numbers[best] { i } else { best })
}
