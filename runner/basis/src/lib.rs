//! Orthonormal bases of functions on the operands.
