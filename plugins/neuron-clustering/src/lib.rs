//! The analysis `neuron-clustering`.
