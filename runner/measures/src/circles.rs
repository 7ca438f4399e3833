//! Measures the circle of each frequency: the plane of its cosine and sine in W_E, and the tokens
//! in it.

use grokrun_basis::Basis;

/// Holds the tokens in the planes of all frequencies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Circles {
    /// two coordinates for each frequency, `(p, frequencies, 2)`: along the cosine's direction in
    /// W_E, and along what the sine's has at right angles to it; the mean over the group is at 0
    pub points: Vec<f32>,
    /// share of W_E's variance over the group that the frequency has, `(frequencies)`
    pub share: Vec<f64>,
    /// the shorter by the longer axis of the ellipse, `(frequencies)`: 1 is a circle, 0 a line
    pub roundness: Vec<f64>,
    /// share of the points' variance in the plane that the frequency explains, `(frequencies)`: 1
    /// if the tokens are on the ellipse and evenly spread
    pub fit: Vec<f64>,
}

impl Circles {
    /// Measures the tokens' rows of W_E, `(p, d)`, in the planes of a basis of frequencies.
    pub fn new(basis: &Basis, tokens: &[f32], d: usize) -> Circles {
        let (p, count) = (basis.modulus(), basis.count());
        let coefficients = basis.forward(tokens);
        let row = |i: usize| &coefficients[i * d..(i + 1) * d];
        let mut planes = Vec::with_capacity(count);
        let mut circles = Circles::default();
        let mut energies = Vec::with_capacity(count);
        for k in 1..=count {
            let rows = basis.rows_of(k);
            let cos = row(rows.start);
            let none = vec![0.0; d];
            // The alternating row has no sine: its points are on a line.
            let sin = if rows.len() > 1 {
                row(rows.start + 1)
            } else {
                &none
            };
            let [cc, cs, ss] = [dot(cos, cos), dot(cos, sin), dot(sin, sin)];
            energies.push(cc + ss);
            circles.roundness.push(roundness(cc, cs, ss));
            let first = unit(cos.to_vec());
            let along = dot(sin, &first);
            let rest = sin.iter().zip(&first).map(|(s, f)| s - along * f);
            let second = unit(rest.collect());
            planes.push([first, second]);
        }
        let total: f64 = energies.iter().sum();
        let divide = |x: f64, by: f64| if by > 0.0 { x / by } else { 0.0 };
        circles.share = energies.iter().map(|x| divide(*x, total)).collect();

        let width = 2 * count;
        let mut points = vec![0.0; p * width];
        for (token, point) in tokens
            .chunks_exact(d.max(1))
            .zip(points.chunks_exact_mut(width.max(1)))
        {
            for (axis, coordinate) in planes.iter().flatten().zip(point) {
                *coordinate = axis.iter().zip(token).map(|(x, t)| x * f64::from(*t)).sum();
            }
        }
        let in_basis = basis.forward_wide(&points);
        let power = |i: usize, column: usize| in_basis[i * width + column].powi(2);
        for k in 1..=count {
            let both = |i: usize| power(i, 2 * k - 2) + power(i, 2 * k - 1);
            let all: f64 = (basis.constant() + 1..p).map(both).sum();
            let own: f64 = basis.rows_of(k).map(both).sum();
            circles.fit.push(divide(own, all));
        }
        for column in 0..width {
            let of = |token: &usize| points[token * width + column];
            let mean = basis.order().iter().map(of).sum::<f64>() / basis.group() as f64;
            (0..p).for_each(|token| points[token * width + column] -= mean);
        }
        circles.points = points.iter().map(|x| *x as f32).collect();
        circles
    }

    /// Returns the tokens of the group in the plane of frequency k, in the basis's order: along the
    /// cosine, and at right angles to it.
    pub fn plane(&self, basis: &Basis, k: usize) -> [Vec<f64>; 2] {
        let width = 2 * basis.count();
        [0, 1].map(|axis| {
            let of = |token: &usize| self.points.get(token * width + 2 * (k - 1) + axis);
            let order = basis.order().iter().filter_map(of);
            order.map(|x| f64::from(*x)).collect()
        })
    }
}

/// Returns the angle of each token of the group at frequency k, in turns and in the basis's order.
pub fn turns(basis: &Basis, k: usize) -> Vec<f64> {
    let n = basis.group();
    (0..n)
        .map(|place| (k * place % n) as f64 / n as f64)
        .collect()
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// Scales a vector to length 1; one of length 0 stays.
fn unit(mut vector: Vec<f64>) -> Vec<f64> {
    let length = dot(&vector, &vector).sqrt();
    if length > 1e-12 {
        vector.iter_mut().for_each(|x| *x /= length);
    } else {
        vector.fill(0.0);
    }
    vector
}

/// Returns the smaller over the larger singular value of two vectors, from their products.
fn roundness(cc: f64, cs: f64, ss: f64) -> f64 {
    let middle = (cc + ss) / 2.0;
    let half = (((cc - ss) / 2.0).powi(2) + cs * cs).sqrt();
    let (small, large) = ((middle - half).max(0.0), middle + half);
    if large > 0.0 {
        (small / large).sqrt()
    } else {
        0.0
    }
}
