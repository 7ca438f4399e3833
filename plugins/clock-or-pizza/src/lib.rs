//! The analysis `clock-or-pizza`: which of the two algorithms of Zhong et al. (2023) a model is
//! like.
//!
//! A **clock** multiplies: its logits are cos w(a + b − c). A **pizza** adds the embeddings and
//! takes absolute values: |cos w(a − b)/2| cos w(a + b − c), which is weak where a and b are far
//! apart.
//!
//! | measure | definition (doc/definitions.md#clock-or-pizza) | clock | pizza |
//! |---|---|---|---|
//! | gradient symmetricity | mean cosine of ∂Q/∂E_a and ∂Q/∂E_b, Q the logit of a class c, at `samples` pairs and classes drawn at random, c correct or not; with its standard error | 0.33 | 0.99 |
//! | distance irrelevance | mean over distances d of the standard deviation of the correct logit at (a, a + d), over that at all pairs of the group | 0.85 | 0.17 |
//! | circularity | of the first four principal components of W_E, each at length 1: largest 2 \|DFT_k\|²/n, mean | | 0.998 |
//! | clock, pizza explained | W_E with one circle left: share of the logits' variance that a multiple of the clock's logits explains, and of the pizza's | | 0.769, 0.992 |
//!
//! The figures are those of the paper's models at p = 59, one draw of 100 triples where samples are
//! drawn. Its 75.4 % and 98.3 % for a circle are on another scale: 1 − Var(x − y) of logits x and
//! waves y that were both brought to deviation 1, which is 2r − 1 with r their correlation. The
//! share that a multiple of the waves explains is r²: 0.769 for the clock. The paper's pizza has
//! |cos x| − |sin x| where this has cos 2x; of this one its model explains 0.992. A perfect pizza is explained to 8/π² = 0.81 by
//! the clock's logits, and a perfect clock by the pizza's, so that the two shares are to be
//! compared.
//!
//! - Gradients are exact, through the values and the attention (the original leaves them to
//!   autograd). Those for the paper were of models without '='; E_a is what is at the first
//!   position. Without '=' E_b is the query and the residual stream as well, since logits are read
//!   at the last position.
//! - A **circle** is the mean and one frequency of W_E in the operation's basis, of rank 2; the
//!   original takes pairs of principal components, which mix where two circles have one size.
//!   Circles are those of the key frequencies, the largest first, `circles` of them at most; the
//!   share is over pairs and classes of the group, after the mean over classes.
//! - For multiplication and division a place is the logarithm to the smallest primitive root,
//!   n = p − 1, and pairs with 0 are left out of all but the gradients. For subtraction and
//!   division the distance is the sum of places: what a pizza's strength depends on there. Its
//!   gradients are not symmetric then, since b enters with the other sign: a note says so.
//! - An operation without such a group has gradient symmetricity alone.
//!
//! A forward pass over the grid for each circle: 0.15 core-seconds at p = 113 for 4 circles, so
//! that it is called each 1000 epochs unless a spec says otherwise. Circularity has a control:
//! Gaussian noise in the shape of W_E.

mod circles;
mod distance;
mod figures;
mod gradient;
mod places;
mod plain;

use figures::{Measured, Trajectory};
use grokrun_api::prelude::*;
use grokrun_basis::{Basis, gaussian};
use grokrun_measures::{Forward, KeyRule, Model, Spectrum, space, tokens};
use places::Places;
use plain::Plain;

/// The parameters of the analysis.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "grokrun_api::serde", default, deny_unknown_fields)]
#[schemars(crate = "grokrun_api::schemars")]
pub struct Config {
    /// pairs and classes drawn for gradient symmetricity: 1 to 10,000
    pub samples: usize,
    /// draws them
    pub seed: u32,
    /// principal components of W_E for circularity: 1 or more
    pub components: usize,
    /// circles of W_E that are isolated at each snapshot, at most; 0 for none
    pub circles: usize,
    /// key frequencies of each snapshot: those above a quarter of the largest norm of W_L or of W_E
    pub keys: String,
    /// also the circularity of Gaussian noise
    pub control: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            samples: 100,
            seed: 0,
            components: 4,
            circles: 4,
            keys: "W_L".to_owned(),
            control: true,
        }
    }
}

/// The running analysis.
pub struct ClockOrPizza {
    config: Config,
    task: Task,
    rule: KeyRule,
    basis: Basis,
    /// none if the operation has no group
    places: Option<Places>,
    /// whether f(a, b) = f(b, a) wherever both are defined
    symmetric: bool,
    questions: Vec<gradient::Question>,
    trajectory: Trajectory,
    /// why nothing was measured
    declined: Option<String>,
}

impl Analysis for ClockOrPizza {
    type Config = Config;
    const MANIFEST: Manifest = Manifest::new(
        "clock-or-pizza",
        "0.1.0",
        "gradient symmetricity, distance irrelevance, circularity, circle isolation",
    )
    .definition(
        "Zhong et al. (2023): mean cosine of the gradients of a logit for both embeddings; deviation of the correct logits at one distance over that of all; roundness of the principal components of W_E; share of the logits of one circle of W_E that a multiple of cos w(a+b-c) explains, and of |cos w(a-b)/2| cos w(a+b-c); the paper's figures, 2r - 1 of the correlation r and for other pizza waves, are given on this scale, r^2. A circle is a frequency of the operation's basis, where the original takes pairs of principal components.",
    )
    .needs(&["weight.*", "*.hook_pattern?", "logits"])
    .scope(Scope::Any)
    .cadence(Cadence::Every(1000));

    fn check(config: &Config) -> Result<(), Failure> {
        KeyRule::parse("keys", &config.keys)?;
        if !(1..=10_000).contains(&config.samples) {
            let message = format!("must be 1 to 10000, not {}", config.samples);
            return Err(Failure::parameter("samples", message));
        }
        if config.components == 0 {
            return Err(Failure::parameter("components", "must be 1 or more"));
        }
        Ok(())
    }

    fn new(config: Config, task: &Task) -> Result<Self, Failure> {
        let p = task.modulus;
        let space = space("auto", task)?;
        let defined = |pair: &usize| task.labels.get(*pair).is_some_and(Option::is_some);
        let pairs: Vec<usize> = (0..task.pairs()).filter(defined).collect();
        let mirrored = |pair: &usize| {
            let other = task.labels[pair % p * p + pair / p];
            other.is_none() || other == task.labels[*pair]
        };
        Ok(ClockOrPizza {
            rule: KeyRule::parse("keys", &config.keys)?,
            places: Places::new(&space, task),
            symmetric: pairs.iter().all(mirrored),
            questions: gradient::questions(u64::from(config.seed), config.samples, &pairs, p),
            task: task.clone(),
            trajectory: Trajectory::default(),
            basis: space.basis().clone(),
            declined: None,
            config,
        })
    }

    fn observe(&mut self, snapshot: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure> {
        let p = self.task.modulus;
        let looked_at = match Subject::of(snapshot, &self.task) {
            Ok(looked_at) => looked_at,
            Err(why) => {
                self.declined = Some(why);
                return Ok(());
            }
        };
        let cosines = looked_at.cosines(&self.questions);
        let finite: Vec<f64> = cosines.iter().copied().filter(|c| c.is_finite()).collect();
        let [symmetricity, error] = gradient::mean(&finite);
        out.scalar("gradient symmetricity", symmetricity);
        out.scalar("gradient symmetricity, standard error", error);
        let narrow = cosines.iter().map(|c| *c as f32);
        out.tensor("gradient-cosines", &[cosines.len()], narrow);
        let mut measured = Measured {
            epoch: snapshot.epoch(),
            symmetricity,
            error,
            cosines,
            ..Measured::default()
        };
        if let Some(places) = &self.places {
            let logits = snapshot.logits()?;
            if logits.shape() != [p * p, p] {
                return Err(Failure::new(format!(
                    "the logits have the shape {:?}; expected (p², p) with p = {p}",
                    logits.shape()
                )));
            }
            measured.irrelevance = distance::irrelevance(places, logits.data(), p);
            out.scalar("distance irrelevance", measured.irrelevance);

            let w_e = tokens(snapshot, p)?;
            let (d, tokens) = (w_e.width, &w_e.data[..]);
            let in_order = |table: &[f32]| -> Vec<f32> {
                let row = |token: &usize| table[token * d..(token + 1) * d].iter().copied();
                places.order.iter().flat_map(row).collect()
            };
            let round = |table: &[f32]| {
                let found = circles::circularity(&in_order(table), d, self.config.components);
                found.unwrap_or(f64::NAN)
            };
            measured.circularity = round(tokens);
            out.scalar("circularity", measured.circularity);
            if self.config.control {
                let noise = gaussian(1, tokens.len());
                measured.noise = round(&noise);
                out.scalar("circularity, noise", measured.noise);
            }

            for k in self.circles(snapshot, tokens)? {
                let w_e = circles::isolated(&self.basis, k, looked_at.w_e(), d);
                let alone = looked_at.logits_with(&w_e);
                let [clock, pizza] = circles::fits(places, &alone, p, k);
                measured.circles.push((k, clock, pizza));
            }
            let [clock, pizza] = measured.explained();
            out.scalar("clock explained", clock);
            out.scalar("pizza explained", pizza);
        }
        self.trajectory.push(measured);
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Sink) -> Result<(), Failure> {
        if let Some(why) = &self.declined {
            out.note(format!(
                "this analysis looks at transformers of one layer without norms, with or without '=', with attention that is a softmax, uniform or mixed by a rate; {why}, so nothing was measured at such a snapshot"
            ));
        }
        if self.trajectory.is_empty() {
            return Ok(());
        }
        self.trajectory.report(self.places.is_some(), out);
        if self.places.is_none() {
            out.note(format!(
                "{} has no group in which the label's place is a sum or difference of the operands': distance irrelevance, circularity and circles have no meaning, and gradient symmetricity alone is given",
                self.task.operation
            ));
        } else if let Some(root) = self.basis.root() {
            out.note(format!(
                "places are logarithms to {root}; pairs with 0 are left out of all but the gradients"
            ));
        }
        if !self.symmetric {
            out.note(
                "this operation is not symmetric in a and b: gradient symmetricity is not near 1 for a pizza here, and the published figures do not apply to it",
            );
        }
        Ok(())
    }
}

impl ClockOrPizza {
    /// Returns the key frequencies that are circles, the largest in W_E first, as many as the
    /// parameters ask for.
    fn circles(&self, snapshot: &Snapshot<'_>, tokens: &[f32]) -> Result<Vec<usize>, Failure> {
        if self.config.circles == 0 {
            return Ok(Vec::new());
        }
        let norms = Spectrum::of(&self.basis, tokens).norms;
        let mut keys = self.rule.keys(&self.basis, snapshot)?;
        keys.retain(|k| self.basis.rows_of(*k).len() == 2);
        keys.sort_by(|i, j| norms[j - 1].total_cmp(&norms[i - 1]).then(i.cmp(j)));
        keys.truncate(self.config.circles);
        Ok(keys)
    }
}

/// The model of a snapshot, computed in the way that it allows.
enum Subject<'a> {
    /// that with '=' and a softmax
    Folded(Box<Forward<'a>>),
    Plain(Box<Plain<'a>>),
}

impl<'a> Subject<'a> {
    /// Reads the model.
    ///
    /// # Errors
    /// A sentence that says why the analysis cannot look at it.
    fn of(snapshot: &Snapshot<'a>, task: &Task) -> Result<Subject<'a>, String> {
        let plain = Plain::of(snapshot, task)?;
        if let (Ok(model), true) = (Model::of(snapshot, task), plain.attention.is_softmax()) {
            return Ok(Subject::Folded(Box::new(Forward::new(model))));
        }
        plain.agrees(snapshot.logits().map_err(|why| why.to_string())?.data())?;
        Ok(Subject::Plain(Box::new(plain)))
    }

    /// Returns the cosine of both gradients at each question.
    fn cosines(&self, questions: &[gradient::Question]) -> Vec<f64> {
        match self {
            Subject::Folded(forward) => gradient::cosines(forward, questions),
            Subject::Plain(plain) => {
                let of = |(pair, class): &gradient::Question| {
                    gradient::cosine(plain.gradients(*pair, *class))
                };
                questions.iter().map(of).collect()
            }
        }
    }

    /// Returns W_E, with the row of '=' if there is one.
    fn w_e(&self) -> &'a [f32] {
        match self {
            Subject::Folded(forward) => forward.model().w_e,
            Subject::Plain(plain) => plain.w_e,
        }
    }

    /// Returns the logits of the model with another W_E, `(p², p)`.
    fn logits_with(&self, w_e: &[f32]) -> Vec<f32> {
        match self {
            Subject::Folded(forward) => Forward::new(Model {
                w_e,
                ..forward.model().clone()
            })
            .logits(),
            Subject::Plain(plain) => plain.with(w_e).logits(),
        }
    }
}

grokrun_api::export_plugin!(ClockOrPizza);

#[cfg(test)]
mod plain_tests;
#[cfg(test)]
mod tests;
