//! The border, from the host's side.
