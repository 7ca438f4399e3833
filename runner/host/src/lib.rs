//! Finds analyses, linked or loaded, and calls them beside training.

pub mod loaded;
