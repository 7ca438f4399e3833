//! The analysis `singular-values`: how many directions each weight matrix uses.
//!
//! | matrix | shape |
//! |---|---|
//! | W_E, of the residues alone | `(p, d_model)` |
//! | W_U | `(d_model, p)` |
//! | W_in, W_out | `(d_model, d_mlp)`, `(d_mlp, d_model)` |
//! | W_OV = W_V W_O of each head | `(d_model, d_model)`, of rank d_head |
//! | W_L = W_out W_U | `(d_mlp, p)` |
//!
//! - **Singular values** of each, descending, by nalgebra in f64, as tensors over training and a
//!   figure that moves (doc/definitions.md#singular-values: two values a key frequency remain of
//!   W_E).
//! - **Effective rank**: exp of the entropy of σ/Σσ (Roy and Vetterli 2007), as a series, and the
//!   participation number (Σσ²)²/Σσ⁴ in the table: definitions differ by a factor, so both are
//!   named.
//! - **Control**: a Gaussian matrix of the same shape and the same sum of squares as the last one,
//!   with its effective rank; W_OV's is a product of two such, since its rank is at most d_head.
//! - **Fourier components of W_E**: the two rows of frequency k of F W_E, `(2, d_model)`, have two
//!   singular values. A key frequency that is a circle in the residual stream has two that are
//!   equal, one that is a line has a second of 0: "circle" is the smaller over the larger, for the
//!   largest frequency. Frequencies by the operation's basis.
//! - **Left singular vectors of W_E** are functions of the residue: the share of each in its best
//!   frequency, for the first values of the last snapshot (the course's "principal components on
//!   the input"), with that of Gaussian noise.
//!
//! ARENA's `embed_SVD` takes W_E\[:, :-1\], which drops the last column of d_model and keeps the
//! row of '=', where its text, and this, drop that row (doc/published.md#errors-in-the-originals);
//! the first two values in its unit test, 4.1993327 and 4.0926037, are of that other matrix.

mod figures;
mod matrices;
mod spectrum;

use figures::{Measured, Trajectory};
use grokrun_api::prelude::*;
use grokrun_basis::{Basis, Space, gaussian};
use grokrun_measures::{check_basis, numbering, product, shown, space, tokens};
use matrices::matrices;
use spectrum::{Singular, left_vectors, of_rows};

/// How many left singular vectors of W_E are analysed.
const VECTORS: usize = 20;

/// The parameters of the analysis.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "grokrun_api::serde", default, deny_unknown_fields)]
#[schemars(crate = "grokrun_api::schemars")]
pub struct Config {
    /// of W_E's components: auto (the one that suits the operation), additive, multiplicative or
    /// labels
    pub basis: String,
    /// also take Gaussian matrices of the same shapes, once
    pub control: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            basis: "auto".to_owned(),
            control: true,
        }
    }
}

/// The running analysis.
pub struct SingularValues {
    space: Space,
    heads: (usize, usize),
    control: bool,
    trajectory: Trajectory,
    /// of the last snapshot: W_E of the residues, and d_model
    last: (Vec<f32>, usize),
}

impl Analysis for SingularValues {
    type Config = Config;
    const MANIFEST: Manifest = Manifest::new(
        "singular-values",
        "0.1.0",
        "singular values and effective rank of the weight matrices and of W_E by frequency",
    )
    .definition(
        "Singular values in f64 of W_E without '=', W_U, W_in, W_out, W_V W_O by head and W_out W_U. ARENA's embed_SVD keeps '=' and drops a column of d_model instead. Effective rank: exp of the entropy of s / sum s (Roy and Vetterli 2007). Control: Gaussian matrices of the same shapes and sums of squares. Of a frequency: the two singular values of its rows of F W_E.",
    )
    .needs(&["weight.*"])
    .scope(Scope::Any);

    fn check(config: &Config) -> Result<(), Failure> {
        check_basis("basis", &config.basis)
    }

    fn new(config: Config, task: &Task) -> Result<Self, Failure> {
        Ok(SingularValues {
            space: space(&config.basis, task)?,
            heads: (task.model.d_model, task.model.d_head),
            control: config.control,
            trajectory: Trajectory::default(),
            last: (Vec::new(), 0),
        })
    }

    fn observe(&mut self, snapshot: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure> {
        let basis = self.space.basis();
        let p = basis.modulus();
        let matrices = matrices(snapshot, p)?;
        let mut spectra = Vec::new();
        for matrix in &matrices {
            let spectrum = Singular::of(&matrix.data, matrix.columns);
            out.scalar(
                &format!("effective rank {}", matrix.name),
                spectrum.effective_rank(),
            );
            let largest = spectrum.values.first().copied().unwrap_or(f64::NAN);
            out.scalar(&format!("largest {}", matrix.name), largest);
            let values = spectrum.values.iter().map(|x| *x as f32);
            out.tensor(
                &format!("{}-values", matrix.name.replace(' ', "-")),
                &[spectrum.values.len()],
                values,
            );
            spectra.push((matrix.name.clone(), spectrum));
        }
        if self.control && self.trajectory.noise.is_empty() {
            let (d, e) = self.heads;
            for (i, matrix) in matrices.iter().enumerate() {
                let seed = 2 * i.cast_signed() as i64;
                let of_head = matrix.name.starts_with("W_OV") && matrix.data.len() == d * d;
                let noise = if of_head {
                    product(&gaussian(seed, d * e), &gaussian(seed + 1, e * d), e)
                } else {
                    gaussian(seed, matrix.data.len())
                };
                self.trajectory
                    .noise
                    .push(Singular::of(&noise, matrix.columns));
            }
        }

        let w_e = tokens(snapshot, p)?;
        let (tokens, width) = (&w_e.data[..], w_e.width);
        let coefficients = basis.forward(tokens);
        let frequencies: Vec<[f64; 2]> = (1..=basis.count())
            .map(|k| {
                let rows = basis.rows_of(k);
                of_rows(&coefficients[rows.start * width..rows.end * width], width)
            })
            .collect();
        let of = frequencies.iter().flatten().map(|x| *x as f32);
        out.tensor("W_E-frequency-values", &[frequencies.len(), 2], of);
        let largest =
            |best: [f64; 2], next: &[f64; 2]| if next[0] > best[0] { *next } else { best };
        let [most, other] = frequencies.iter().fold([0.0, 0.0], largest);
        out.scalar(
            "circle of the largest frequency",
            if most > 0.0 { other / most } else { f64::NAN },
        );
        self.last = (tokens.to_vec(), width);
        let measured = Measured {
            spectra,
            frequencies,
        };
        self.trajectory.push(snapshot.epoch(), measured);
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Sink) -> Result<(), Failure> {
        let basis = self.space.basis();
        self.trajectory.tables(basis, out);
        self.trajectory.draw(out);
        let (w_e, width) = &self.last;
        match left_vectors(w_e, *width) {
            Some((vectors, values)) => {
                let noise = self.control.then(|| gaussian(1, w_e.len()));
                let noise = noise.and_then(|noise| left_vectors(&noise, *width));
                let rows = vectors.iter().zip(&values.values).take(VECTORS).enumerate();
                let rows = rows.map(|(i, (vector, value))| {
                    let (k, share) = best(basis, vector);
                    let noise = noise.as_ref().and_then(|(vectors, _)| vectors.get(i));
                    let noise = noise.map(|vector| best(basis, vector).1);
                    vec![
                        json!(i),
                        json!(value),
                        shown(basis, k),
                        json!(share),
                        json!(noise),
                    ]
                });
                let columns = [
                    "place",
                    "singular value",
                    "frequency",
                    "share",
                    "share of noise",
                ];
                out.table("W_E-vectors", &columns, rows.collect());
            }
            None if w_e.is_empty() => {}
            None => out.note("W_E has a number that is not finite: it has no singular vectors"),
        }
        let mut note = format!("basis of W_E's components: {}", self.space);
        if self.space.operands().is_none() {
            note.push_str(
                "; a token has no angle in this operation, so that these components, in the additive basis, have no meaning of their own",
            );
        }
        out.note(note);
        if let Some(note) = numbering(basis) {
            out.note("of a representation these are the two largest singular values of its rows of F W_E");
            out.note(note);
        }
        Ok(())
    }
}

/// Returns the frequency with the largest share of a function of a residue, and the share; 0 and 0
/// if it is 0.
fn best(basis: &Basis, vector: &[f64]) -> (usize, f64) {
    let norms = basis.norms(&basis.forward_wide(vector));
    let total: f64 = vector.iter().map(|x| x * x).sum();
    let most = |best: (usize, f64), next: (usize, f64)| if next.1 > best.1 { next } else { best };
    let (k, norm) = (1..).zip(norms).fold((0, 0.0), most);
    (k, if k > 0 { norm * norm / total } else { 0.0 })
}

grokrun_api::export_plugin!(SingularValues);

#[cfg(test)]
mod tests;
