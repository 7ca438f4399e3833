//! The analysis `fourier-sparsity`.
