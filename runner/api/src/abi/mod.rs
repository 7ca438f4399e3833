//! The border to a plugin in a shared library.
