//! The analysis `rqi`: how many parallelograms the embedding has, the representation quality of Liu
//! et al. (2022).
//!
//! Where f(i, j) = f(m, n), a model that adds embeddings generalises by itself if E_i + E_j = E_m +
//! E_n. The share of such quadruples for which this holds is the representation quality index. It
//! is the measure of the effective theory of grokking, whose toy model adds embeddings; an
//! embedding on circles has none of these parallelograms and generalises all the same
//! (doc/definitions.md#rqi).

use grokrun_api::prelude::*;
use grokrun_basis::gaussian;
use grokrun_measures::tokens;

/// The parameters of the analysis.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "grokrun_api::serde", default, deny_unknown_fields)]
#[schemars(crate = "grokrun_api::schemars")]
pub struct Config {
    /// the mean square of E_i + E_j − E_m − E_n that still is a parallelogram
    pub tolerance: f64,
    /// the most quadruples that are tried, evenly spread over all
    pub quadruples: usize,
    /// also measure Gaussian noise of the embedding's shape
    pub control: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            tolerance: 0.01,
            quadruples: 200_000,
            control: true,
        }
    }
}

/// The running analysis.
pub struct Rqi {
    config: Config,
    p: usize,
    /// i, j, m, n with f(i, j) = f(m, n)
    quadruples: Vec<[usize; 4]>,
    /// how many there are
    all: usize,
    epochs: Vec<f64>,
    found: Vec<[f64; 2]>,
}

impl Analysis for Rqi {
    type Config = Config;
    const MANIFEST: Manifest = Manifest::new(
        "rqi",
        "0.1.0",
        "representation quality: the share of parallelograms in the embedding",
    )
    .definition(
        "Liu et al. (2022): of all {i, j} and {m, n} with one label, in both orders, the share with a mean square of E_i + E_j - E_m - E_n below the tolerance (0.01), over columns of W_E that have mean 0 and variance 1. Residual: the mean of that mean square by 4, what noise has. Quadruples are taken evenly from all if there are more than asked for.",
    )
    .needs(&["weight.*"])
    .scope(Scope::Any);

    fn check(config: &Config) -> Result<(), Failure> {
        if !(config.tolerance > 0.0 && config.tolerance.is_finite()) {
            return Err(Failure::parameter("tolerance", "must be above 0"));
        }
        if !(1..=10_000_000).contains(&config.quadruples) {
            return Err(Failure::parameter("quadruples", "must be 1 to 10000000"));
        }
        Ok(())
    }

    fn new(config: Config, task: &Task) -> Result<Self, Failure> {
        let all = count(&pairs_by_label(task));
        Ok(Rqi {
            quadruples: quadruples(&pairs_by_label(task), config.quadruples),
            p: task.modulus,
            all,
            epochs: Vec::new(),
            found: Vec::new(),
            config,
        })
    }

    fn observe(&mut self, snapshot: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure> {
        if self.quadruples.is_empty() {
            return Ok(());
        }
        let w_e = tokens(snapshot, self.p)?;
        let found = self.measure(&w_e.data, w_e.width);
        out.scalar("rqi", found[0]);
        out.scalar("residual", found[1]);
        if self.config.control {
            let noise = gaussian(snapshot.epoch().cast_signed(), w_e.data.len());
            let control = self.measure(&noise, w_e.width);
            out.scalar("rqi, noise", control[0]);
            out.scalar("residual, noise", control[1]);
        }
        self.epochs.push(snapshot.epoch() as f64);
        self.found.push(found);
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Sink) -> Result<(), Failure> {
        if self.quadruples.is_empty() {
            out.note("no two pairs of different operands have one label in both orders: there are no parallelograms, and nothing was measured");
            return Ok(());
        }
        out.note(format!(
            "{} of {} quadruples of operands with one label were tried",
            self.quadruples.len(),
            self.all
        ));
        let over = |i: usize| self.found.iter().map(|f| f[i]).collect::<Vec<f64>>();
        let figure = Figure::new("Parallelograms in W_E")
            .x("epoch", Axis::Linear)
            .y("share", Axis::Linear)
            .trace(Trace::line("quality index", &self.epochs, &over(0)))
            .trace(Trace::line("residual, noise = 1", &self.epochs, &over(1)));
        out.figure("rqi", figure);
        Ok(())
    }
}

impl Rqi {
    /// Returns the share of parallelograms of a table `(p, width)`, and the mean residual by that
    /// of noise; NaN if no column varies.
    fn measure(&self, table: &[f32], width: usize) -> [f64; 2] {
        let p = self.p;
        let mut columns = Vec::new();
        for column in 0..width {
            let of = |token: usize| f64::from(table[token * width + column]);
            let mean = (0..p).map(of).sum::<f64>() / p as f64;
            let deviation = ((0..p).map(|t| (of(t) - mean).powi(2)).sum::<f64>() / p as f64).sqrt();
            if deviation > 0.0 {
                columns.push(
                    (0..p)
                        .map(|t| (of(t) - mean) / deviation)
                        .collect::<Vec<f64>>(),
                );
            }
        }
        let (mut parallel, mut sum) = (0usize, 0.0);
        for [i, j, m, n] in &self.quadruples {
            let off =
                |column: &Vec<f64>| (column[*i] + column[*j] - column[*m] - column[*n]).powi(2);
            let square = columns.iter().map(off).sum::<f64>() / columns.len() as f64;
            parallel += usize::from(square < self.config.tolerance);
            sum += square;
        }
        let count = self.quadruples.len() as f64;
        if columns.is_empty() {
            return [f64::NAN; 2];
        }
        [parallel as f64 / count, sum / count / 4.0]
    }
}

/// Returns the pairs i ≤ j of each label, if both orders have it.
fn pairs_by_label(task: &Task) -> Vec<Vec<[usize; 2]>> {
    let p = task.modulus;
    let mut by_label = vec![Vec::new(); p];
    for i in 0..p {
        for j in i..p {
            let (here, there) = (task.labels[i * p + j], task.labels[j * p + i]);
            if let (Some(label), true) = (here, here == there)
                && let Some(pairs) = by_label.get_mut(label as usize)
            {
                pairs.push([i, j]);
            }
        }
    }
    by_label
}

fn count(by_label: &[Vec<[usize; 2]>]) -> usize {
    by_label
        .iter()
        .map(|pairs| pairs.len() * pairs.len().saturating_sub(1) / 2)
        .sum()
}

/// Returns two different pairs of one label each, every so many so that there are `most` at most.
fn quadruples(by_label: &[Vec<[usize; 2]>], most: usize) -> Vec<[usize; 4]> {
    let step = count(by_label).div_ceil(most.max(1)).max(1);
    let mut place = 0;
    let mut found = Vec::new();
    for pairs in by_label {
        for (at, [i, j]) in pairs.iter().enumerate() {
            for [m, n] in &pairs[at + 1..] {
                if place % step == 0 {
                    found.push([*i, *j, *m, *n]);
                }
                place += 1;
            }
        }
    }
    found
}

grokrun_api::export_plugin!(Rqi);

#[cfg(test)]
mod tests {
    use grokrun_api::testing::{Expert, add, analyse, random, task};
    use grokrun_api::{Numbers, SnapshotData};

    use super::*;

    /// On a line a parallelogram is one whose sums are equal without a turn around the circle.
    #[test]
    fn of_a_line_the_sums_that_do_not_wrap_are_parallelograms() {
        let p = 11;
        let task = add(p);
        let line = (0..(p + 1) * 3).map(|i| ((i / 3) as f32) * [1.0, -2.0, 0.5][i % 3]);
        let mut data = SnapshotData::new(0);
        data.add(
            "weight.embed.W_E",
            &[p + 1, 3],
            Numbers::F32(line.collect()),
        );
        let found = analyse::<Rqi>(Config::default(), &task, &[data]);
        let all = quadruples(&pairs_by_label(&task), usize::MAX);
        let plain = all.iter().filter(|[i, j, m, n]| i + j == m + n).count();
        let want = plain as f64 / all.len() as f64;
        assert!((0.3..0.7).contains(&want), "{want}");
        assert!((found.last("rqi").unwrap() - want).abs() < 1e-12);
        // Two in one label of 6 pairs each: 11 · 15.
        assert_eq!(all.len(), 165);
    }

    #[test]
    fn noise_and_circles_have_no_parallelograms() {
        let task = add(23);
        let noise = random(&task, 0, 3);
        let circles = Expert::additive(23, &[2, 5]).snapshot(&task, 0);
        for data in [noise, circles] {
            let found = analyse::<Rqi>(Config::default(), &task, &[data]);
            assert!(found.last("rqi").unwrap() < 0.01);
            assert!(found.last("rqi, noise").unwrap() < 0.01);
            assert!((found.last("residual, noise").unwrap() - 1.0).abs() < 0.2);
        }
    }

    #[test]
    fn fewer_quadruples_are_evenly_spread_and_none_is_said() {
        let task = add(23);
        let few = quadruples(&pairs_by_label(&task), 100);
        assert!((50..=100).contains(&few.len()), "{}", few.len());
        let sub = grokrun_api::testing::task("sub", 7, |a, b| Some((a + 7 - b) % 7));
        // Only a − a = 0 is the same in both orders.
        let found = analyse::<Rqi>(Config::default(), &sub, &[random(&sub, 0, 3)]);
        assert!(
            found.notes()[0].contains("quadruples"),
            "{:?}",
            found.notes()
        );
        let first = grokrun_measures::testing::group("S3");
        assert!(Rqi::new(Config::default(), &first).is_ok());
        let none = task_without();
        let found = analyse::<Rqi>(Config::default(), &none, &[random(&none, 0, 3)]);
        assert!(
            found.notes()[0].contains("nothing was measured"),
            "{:?}",
            found.notes()
        );
    }

    /// b alone: no two pairs have a label in both orders, but for those on the diagonal.
    fn task_without() -> Task {
        task("b", 5, |_, b| Some(b))
    }
}
