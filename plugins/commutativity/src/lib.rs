//! The analysis `commutativity`.
