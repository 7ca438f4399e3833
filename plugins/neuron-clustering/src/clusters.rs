//! Assigns neurons to frequencies.

use std::collections::BTreeMap;

use grokrun_basis::Energies;

/// Holds each neuron's best frequency, and the clusters at a threshold.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Clusters {
    /// best frequency and the fraction of variance it explains, by neuron
    pub(crate) best: Vec<(usize, f64)>,
    /// the neurons of each cluster, by frequency
    pub(crate) members: BTreeMap<usize, Vec<usize>>,
    /// neurons below the threshold: the paper's "always firing" group, −1
    pub(crate) rest: Vec<usize>,
}

impl Clusters {
    /// Centres each neuron and assigns it to the frequency that explains most of its variance, or
    /// to none if that is less than `threshold` (doc/definitions.md#neuron-clustering).
    pub(crate) fn new(energies: &Energies, threshold: f64) -> Clusters {
        let best = energies.best();
        let mut clusters = Clusters::default();
        for (neuron, (frequency, fraction)) in best.iter().enumerate() {
            if *fraction >= threshold {
                clusters.members.entry(*frequency).or_default().push(neuron);
            } else {
                clusters.rest.push(neuron);
            }
        }
        Clusters { best, ..clusters }
    }

    /// Returns how many neurons are in a cluster.
    pub(crate) fn clustered(&self) -> usize {
        self.members.values().map(Vec::len).sum()
    }

    /// Returns the mean over neurons of the best fraction.
    pub(crate) fn mean_fraction(&self) -> f64 {
        let sum: f64 = self.best.iter().map(|(_, fraction)| fraction).sum();
        sum / self.best.len().max(1) as f64
    }
}
