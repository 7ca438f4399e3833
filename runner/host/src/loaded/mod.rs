//! Analyses in shared libraries: inspection, handshake, calls.
