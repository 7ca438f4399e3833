//! temporary
use grokrun_basis::*;
use std::time::Instant;
fn best(mut f: impl FnMut()) -> f64 {
    (0..5)
        .map(|_| {
            let t = Instant::now();
            f();
            t.elapsed().as_secs_f64()
        })
        .fold(9e9, f64::min)
}
/// naive exact matrix, row-blocked
fn mat(m: &[f64], p: usize, x: &[f32]) -> Vec<f64> {
    let w = x.len() / p;
    let mut out = vec![0.0; p * w];
    for from in (0..w).step_by(32) {
        let c = 32.min(w - from);
        for i in 0..p {
            let mut acc = [0.0f64; 32];
            for t in 0..p {
                let g = m[i * p + t];
                let r = &x[t * w + from..][..c];
                for (a, v) in acc[..c].iter_mut().zip(r) {
                    *a += g * f64::from(*v);
                }
            }
            out[i * w + from..][..c].copy_from_slice(&acc[..c]);
        }
    }
    out
}
fn main() {
    for p in [
        3usize, 5, 7, 8, 11, 12, 13, 16, 17, 19, 23, 24, 29, 31, 37, 59, 97, 101, 112, 113, 114,
        127, 131,
    ] {
        let x = gaussian(1, p * 4096);
        let b = Basis::additive(p);
        let m = b.matrix();
        let f = best(|| {
            std::hint::black_box(b.forward(&x));
        });
        let a = best(|| {
            std::hint::black_box(mat(&m, p, &x));
        });
        let mu = Basis::multiplicative(p)
            .map(|b| {
                best(|| {
                    std::hint::black_box(b.forward(&x));
                })
            })
            .unwrap_or(f64::NAN);
        println!(
            "p {p}: additive {:.3} ms, matrix {:.3} ms, multiplicative {:.3} ms",
            f * 1e3,
            a * 1e3,
            mu * 1e3
        );
    }
    let x = gaussian(2, 113 * 113 * 512);
    for b in [Basis::additive(113), Basis::multiplicative(113).unwrap()] {
        let mut y = Vec::new();
        println!(
            "{}: 2d {:.3} s",
            b.kind(),
            best(|| {
                y = b.forward_2d(&x);
            })
        );
        println!(
            "energies {:.3} s",
            best(|| {
                std::hint::black_box(Energies::in_basis(&b, &x));
            })
        );
        println!(
            "inverse 2d {:.3} s",
            best(|| {
                std::hint::black_box(b.inverse_2d(&y));
            })
        );
    }
}
