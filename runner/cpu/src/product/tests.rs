//! Compares products at every edge of the tile with f64.

use super::*;
use pulp::{Arch, WithSimd};

struct Case {
    size: Size,
    transposed: bool,
    mode: Mode,
}

/// Returns reproducible numbers in −1..1.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    (0..count as u32)
        .map(|i| (i.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 8) as f32 / 8_388_608.0 - 1.0)
        .collect()
}

/// Computes the largest error, as a share of the sum of the terms' magnitudes.
impl WithSimd for Case {
    type Output = f64;
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let Size { m, k, n } = self.size;
        let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
        let (av, bv) = if self.transposed {
            (View::rows(&a, m).t(), View::rows(&b, k).t())
        } else {
            (View::rows(&a, k), View::rows(&b, n))
        };
        let stride = n + 3;
        let mut out = numbers(m * stride, 3);
        let before = out.clone();
        product(simd, av, bv, self.size, &mut out, stride, self.mode);
        let mut worst = 0.0f64;
        for i in 0..m {
            for j in 0..stride {
                let old = f64::from(before[i * stride + j]);
                let (mut want, mut size) = (old, old.abs());
                if j < n {
                    let term = |q: usize| {
                        f64::from(av.data[i * av.row + q * av.col])
                            * f64::from(bv.data[q * bv.row + j * bv.col])
                    };
                    let kept = if self.mode == Mode::Add { old } else { 0.0 };
                    want = (0..k).map(term).sum::<f64>() + kept;
                    size = (0..k).map(|q| term(q).abs()).sum::<f64>() + kept.abs();
                }
                worst = worst.max((f64::from(out[i * stride + j]) - want).abs() / size);
            }
        }
        worst
    }
}

#[test]
fn agrees_with_f64_at_all_edges_of_the_tile() {
    for m in [1, 11, 12, 13, 25] {
        for n in [1, 15, 16, 17, 22, 31, 32, 33, 113] {
            for k in [1, 2, 128, 300] {
                for (transposed, mode) in [(false, Mode::Set), (true, Mode::Add)] {
                    let size = Size { m, k, n };
                    let error = Arch::new().dispatch(Case {
                        size,
                        transposed,
                        mode,
                    });
                    assert!(error < 1e-6, "{m} {k} {n}: {error:e}");
                    let scalar = Case {
                        size,
                        transposed,
                        mode,
                    }
                    .with_simd(pulp::Scalar::new());
                    assert!(scalar < 1e-6, "scalar {m} {k} {n}: {scalar:e}");
                }
            }
        }
    }
}
