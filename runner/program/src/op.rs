//! Defines the operations of a program: a small closed set, each a formula over views.
//!
//! Owns what an operation means and which views it reads and writes. `adjoint` differentiates
//! operations, `cost` counts them, and executors compute them.
//!
//! Two rules hold for all operations.
//! - **Rows.** An operation runs over the rows of one extent E. A view of a smaller extent is read
//!   at the row that belongs to row r of E: a view of `Token(i)` at the token that sample r has at
//!   position i, and a view of a single row always at that row. Look-ups and broadcasts are written
//!   in this way.
//! - **Heads.** With `heads` h, a row of columns is h groups side by side, and a row of weights has
//!   one number for each group; `v[r, h, j]` is column j of group h.

use serde::{Deserialize, Serialize};

use crate::architecture::Activation;
use crate::loss::Loss;
use crate::optimizer::{Filter, Settings, Sphere};
use crate::table::{Extent, Part, TableId, View};

/// Whether an operation replaces the contents of its output or adds to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Write {
    /// Replaces the contents.
    Set,
    /// Adds to the contents.
    Add,
}

/// A product of two matrices.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Factors {
    /// A, `(m, k)`.
    pub left: View,
    /// B, `(k, n)`.
    pub right: View,
}

/// A summand of [`Op::Add`], or the summand of [`Op::Sum`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Term {
    /// v, `(rows, heads · width)`.
    pub values: View,
    /// w, `(rows, heads)`; `None` stands for ones.
    pub weights: Option<View>,
    /// The factor that multiplies values and weights.
    pub scale: f64,
}

impl Term {
    fn views(&self) -> impl Iterator<Item = View> {
        [Some(self.values), self.weights].into_iter().flatten()
    }

    fn views_mut(&mut self) -> impl Iterator<Item = &mut View> {
        [Some(&mut self.values), self.weights.as_mut()]
            .into_iter()
            .flatten()
    }
}

/// The tables that the optimizer needs to move one parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moved {
    /// The parameter.
    pub parameter: TableId,
    /// The parameter's gradient.
    pub gradient: TableId,
    /// The tables that the rule keeps from step to step, in the rule's order.
    pub slots: Vec<TableId>,
    /// The parameter as a matrix, for rules that treat matrices in another way.
    pub matrix: Option<crate::parameters::Matrix>,
}

/// One operation of a program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum Op {
    /// `table ← 0`.
    Clear {
        /// The table.
        table: TableId,
    },
    /// `C ← scale · Σ A B` over the terms; C `(m, n)`, A `(m, k)`, B `(k, n)`.
    ///
    /// m, k or n may stand for samples. Products of activations and weights, and gradients of
    /// weights as sums over samples, are the same operation.
    Product {
        /// C.
        out: View,
        /// Whether C is replaced or added to.
        write: Write,
        /// The factor before the sum.
        scale: f64,
        /// A and B of each term.
        terms: Vec<Factors>,
    },
    /// `out[r, h, j] ← constant + Σ scale · w[r, h] · v[r, h, j]` over the terms, for every row of
    /// out's extent. Terms of smaller extents are looked up. Sums, embeddings, biases, and values
    /// mixed by attention are all written in this form.
    Add {
        /// `(rows, heads · width)`.
        out: View,
        /// Whether the output is replaced or added to.
        write: Write,
        /// The number of groups of columns.
        heads: usize,
        /// The summands.
        terms: Vec<Term>,
        /// A constant that is added to every entry.
        constant: f64,
    },
    /// `out[t, h, j] ← scale · Σ w[r, h] · v[r, h, j]` over the rows r of extent `over` that belong
    /// to row t. This operation is the transpose of a look-up; where `out` has one row, all rows of
    /// `over` belong to that row.
    Sum {
        /// `(rows, heads · width)`, of a smaller extent than `over`.
        out: View,
        /// Whether the output is replaced or added to.
        write: Write,
        /// The number of groups of columns.
        heads: usize,
        /// v and w, of the extent `over` or looked up.
        #[serde(flatten)]
        term: Term,
        /// The extent that is summed over.
        over: Extent,
    },
    /// `out[r, h] ← scale · Σ_j a[r, h, j] · b[r, h, j]`, for instance the scores of queries and
    /// keys.
    Dot {
        /// `(rows, heads)`.
        out: View,
        /// Whether the output is replaced or added to.
        write: Write,
        /// The number of groups of columns.
        heads: usize,
        /// a, `(rows, heads · width)`.
        left: View,
        /// b, `(rows, heads · width)`.
        right: View,
        /// The factor before the sum.
        scale: f64,
    },
    /// `out[r, t, h] ← exp(s[r, t, h]) / Σ_t exp(s[r, t, h])`; column `t · heads + h` is key t of
    /// head h.
    Softmax {
        /// `(rows, keys · heads)`.
        out: View,
        /// s, `(rows, keys · heads)`.
        scores: View,
        /// The number of heads.
        heads: usize,
    },
    /// `ds[r, t, h] ← p[r, t, h] (dp[r, t, h] − Σ_t p[r, t, h] dp[r, t, h])`: the adjoint of
    /// [`Op::Softmax`].
    SoftmaxGradient {
        /// ds.
        out: View,
        /// Whether the output is replaced or added to.
        write: Write,
        /// p, the output of the softmax.
        weights: View,
        /// dp.
        gradient: View,
        /// The number of heads.
        heads: usize,
    },
    /// `out ← act(x)`, element by element.
    Activate {
        /// `(rows, width)`.
        out: View,
        /// x, `(rows, width)`.
        input: View,
        /// act.
        activation: Activation,
    },
    /// `dx ← act′(x) · dout`: the adjoint of [`Op::Activate`].
    ActivateGradient {
        /// dx.
        out: View,
        /// Whether the output is replaced or added to.
        write: Write,
        /// x.
        input: View,
        /// dout.
        gradient: View,
        /// act.
        activation: Activation,
    },
    /// `out[r, j] ← (x[r, j] − mean) · inverse[r]`, `inverse[r] ← 1 / √(variance + epsilon)`, with
    /// the mean and the variance of row r. This is layer normalisation without weight and bias.
    Norm {
        /// `(rows, width)`.
        out: View,
        /// `(rows, 1)`.
        inverse: View,
        /// x, `(rows, width)`.
        input: View,
        /// The number that is added to the variance.
        epsilon: f64,
    },
    /// `dx[r] ← inverse[r] (dy[r] − mean(dy[r]) − y[r] · mean(dy[r] · y[r]))`: the adjoint of
    /// [`Op::Norm`] with y its output.
    NormGradient {
        /// dx.
        out: View,
        /// Whether the output is replaced or added to.
        write: Write,
        /// y.
        normed: View,
        /// The inverse deviations, `(rows, 1)`.
        inverse: View,
        /// dy.
        gradient: View,
    },
    /// Computes the mean loss and the accuracy of a part, which are reported and not stored; with
    /// `gradient`, also `dlogits ← ∂(mean loss)/∂logits`. A sample is correct when the first of its
    /// largest logits is the label's.
    Loss {
        /// `(samples, classes)`.
        logits: View,
        /// The part whose labels are read.
        part: Part,
        /// The formula of the loss.
        loss: Loss,
        /// dlogits, `(samples, classes)`.
        gradient: Option<View>,
    },
    /// Changes gradients before the update; see [`Filter`].
    Filter {
        /// The filter and its numbers.
        filter: Filter,
        /// The gradients, and the parameters that they belong to.
        moved: Vec<Moved>,
    },
    /// Moves parameters by a rule with one group's settings; see [`Settings`].
    Update {
        /// The rule and its numbers.
        settings: Settings,
        /// The parameters that are moved.
        moved: Vec<Moved>,
    },
    /// Rescales parameters to a fixed norm after the update; see [`Sphere`].
    Project {
        /// The norm that is kept, and whose it is.
        sphere: Sphere,
        /// The parameters; the first slot of each holds the norm of the initial weights.
        moved: Vec<Moved>,
    },
}

impl Op {
    /// Returns the views that are read, including outputs that are added to.
    pub fn reads(&self) -> Vec<View> {
        let (out, write) = match self {
            Op::Product { out, write, .. }
            | Op::Add { out, write, .. }
            | Op::Sum { out, write, .. }
            | Op::Dot { out, write, .. }
            | Op::SoftmaxGradient { out, write, .. }
            | Op::ActivateGradient { out, write, .. }
            | Op::NormGradient { out, write, .. } => (Some(*out), *write),
            _ => (None, Write::Set),
        };
        let mut views = self.operands();
        views.extend(out.filter(|_| write == Write::Add));
        views
    }

    /// Returns the views that are read as operands, without outputs that are added to.
    pub fn operands(&self) -> Vec<View> {
        match self {
            Op::Clear { .. } | Op::Filter { .. } | Op::Update { .. } | Op::Project { .. } => {
                Vec::new()
            }
            Op::Product { terms, .. } => terms.iter().flat_map(|t| [t.left, t.right]).collect(),
            Op::Add { terms, .. } => terms.iter().flat_map(Term::views).collect(),
            Op::Sum { term, .. } => term.views().collect(),
            Op::Dot { left, right, .. } => vec![*left, *right],
            Op::Softmax { scores, .. } => vec![*scores],
            Op::SoftmaxGradient {
                weights, gradient, ..
            } => vec![*weights, *gradient],
            Op::Activate { input, .. } | Op::Norm { input, .. } => vec![*input],
            Op::ActivateGradient {
                input, gradient, ..
            } => vec![*input, *gradient],
            Op::NormGradient {
                normed,
                inverse,
                gradient,
                ..
            } => vec![*normed, *inverse, *gradient],
            Op::Loss { logits, .. } => vec![*logits],
        }
    }

    /// Returns the views that are written.
    pub fn writes(&self) -> Vec<View> {
        match self {
            Op::Product { out, .. }
            | Op::Add { out, .. }
            | Op::Sum { out, .. }
            | Op::Dot { out, .. }
            | Op::Softmax { out, .. }
            | Op::SoftmaxGradient { out, .. }
            | Op::Activate { out, .. }
            | Op::ActivateGradient { out, .. }
            | Op::NormGradient { out, .. } => vec![*out],
            Op::Norm { out, inverse, .. } => vec![*out, *inverse],
            Op::Loss { gradient, .. } => gradient.iter().copied().collect(),
            Op::Clear { .. } | Op::Filter { .. } | Op::Update { .. } | Op::Project { .. } => {
                Vec::new()
            }
        }
    }

    /// Returns the extent that the operation runs over, or `None` for one over whole tables.
    ///
    /// A product that sums over samples runs over samples.
    pub fn extent(&self) -> Option<Extent> {
        match self {
            Op::Sum { over, .. } => Some(*over),
            Op::Loss { part, .. } => Some(Extent::Sample(*part)),
            Op::Product { out, terms, .. } => {
                let inner = terms.iter().map(|t| t.left.width());
                let mut all = inner.chain([out.height(), out.width()]);
                let samples = all.clone().find(|extent| extent.is_sample());
                let tokens = all.find(|extent| matches!(extent, Extent::Token(_)));
                samples.or(tokens).or(Some(out.height()))
            }
            _ => self.writes().first().map(View::height),
        }
    }

    /// Returns every view, for writing.
    pub(crate) fn views_mut(&mut self) -> Vec<&mut View> {
        match self {
            Op::Clear { .. } | Op::Filter { .. } | Op::Update { .. } | Op::Project { .. } => {
                Vec::new()
            }
            Op::Product { out, terms, .. } => {
                let factors = terms.iter_mut().flat_map(|t| [&mut t.left, &mut t.right]);
                factors.chain([out]).collect()
            }
            Op::Add { out, terms, .. } => {
                let views = terms.iter_mut().flat_map(Term::views_mut);
                views.chain([out]).collect()
            }
            Op::Sum { out, term, .. } => term.views_mut().chain([out]).collect(),
            Op::Dot {
                out, left, right, ..
            } => vec![out, left, right],
            Op::Softmax { out, scores, .. } => vec![out, scores],
            Op::Activate { out, input, .. } => vec![out, input],
            Op::SoftmaxGradient {
                out,
                weights: other,
                gradient,
                ..
            }
            | Op::ActivateGradient {
                out,
                input: other,
                gradient,
                ..
            } => vec![out, other, gradient],
            Op::Norm {
                out,
                inverse,
                input,
                ..
            } => vec![out, inverse, input],
            Op::NormGradient {
                out,
                normed,
                inverse,
                gradient,
                ..
            } => vec![out, normed, inverse, gradient],
            Op::Loss {
                logits, gradient, ..
            } => gradient.iter_mut().chain([logits]).collect(),
        }
    }
}
