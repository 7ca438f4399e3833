//! Timings of a few small cells on the chosen device, and the costs fitted to them.

use std::time::Instant;

use grokrun_engine::{
    Activation, CellInput, Choice, Executor, InitScheme, Pairs, Program, Recipe, Sample, Shape,
    Sharing, initial_parameters, initial_state,
};
use serde::{Deserialize, Serialize};

use super::clock::Clock;
use super::cost::{Amounts, Costs, Timing};
use crate::SessionError;

/// Seconds that all timings together may take, about.
const BUDGET: f64 = 2.0;
/// Seconds of epochs that one of them times, at least.
const EACH: f64 = 0.05;
/// Seconds of epochs in one call: the fastest call counts, so that what disturbs one does not.
const CALL: f64 = 0.01;
/// Threads that have a core each wait for one another asleep no longer than this factor of the time
/// that they compute or look for work: what is longer, other programs caused.
const WAITING: f64 = 1.15;

/// A cell to time: a × b mod p on some of the pairs, so that a large model is timed quickly.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    modulus: usize,
    d_model: usize,
    d_mlp: usize,
    pub(super) train: usize,
    pub(super) test: usize,
}

const fn probe(modulus: usize, d_model: usize, d_mlp: usize, pairs: [usize; 2]) -> Probe {
    Probe {
        modulus,
        d_model,
        d_mlp,
        train: pairs[0],
        test: pairs[1],
    }
}

/// On a CPU: from the smallest models to tables that leave the caches; with few training pairs and
/// many; enough pairs for every core's tiles.
pub(super) const ON_CORES: [Probe; 7] = [
    probe(23, 32, 64, [264, 265]),
    probe(23, 128, 512, [423, 106]),
    probe(97, 128, 128, [800, 5000]),
    probe(59, 128, 512, [1740, 1741]),
    probe(113, 128, 512, [768, 3072]),
    probe(31, 128, 2048, [768, 192]),
    probe(113, 128, 2048, [1536, 192]),
];

/// So small that one thread does all of it, whatever the others do.
const ON_ONE_CORE: Probe = probe(11, 32, 32, [60, 61]);

/// On a GPU: the cell, and how many replicas of it. Fewer where it is too slow for all.
const ON_DEVICE: [(Probe, usize); 6] = [
    (probe(23, 32, 64, [264, 265]), 1),
    (probe(23, 32, 64, [264, 265]), 8),
    (probe(59, 128, 128, [1740, 1741]), 1),
    (probe(113, 128, 512, [1280, 2560]), 1),
    (probe(113, 128, 512, [3830, 8939]), 4),
    (probe(113, 128, 2048, [10_215, 2554]), 4),
];

impl Probe {
    pub(super) fn shape(&self) -> Shape {
        Shape {
            modulus: self.modulus,
            d_model: self.d_model,
            heads: 4,
            d_head: self.d_model / 4,
            d_mlp: self.d_mlp,
            activation: Activation::Relu,
            trained_biases: false,
        }
    }

    fn input(&self) -> Result<CellInput, SessionError> {
        // Spread evenly over all pairs: which ones they are changes no time.
        let p = self.modulus as u32;
        let (count, all) = (self.train + self.test, self.modulus * self.modulus);
        let samples: Vec<Sample> = (0..count)
            .map(|i| (i * all / count) as u32)
            .map(|pair| (pair / p, pair % p))
            .map(|(a, b)| Sample {
                a,
                b,
                label: a * b % p,
            })
            .collect();
        let (train, test): (Vec<_>, Vec<_>) =
            samples.into_iter().enumerate().partition(|(i, _)| {
                let steps = |i: usize| i * self.train / count;
                steps(i + 1) > steps(*i)
            });
        let part = |part: Vec<(usize, Sample)>| part.into_iter().map(|(_, s)| s).collect();
        let weights = initial_parameters(&self.shape(), InitScheme::TransformerLens, 1);
        Ok(CellInput {
            pairs: Pairs::new(self.modulus, part(train), part(test))?,
            recipe: Recipe::PUBLISHED,
            state: initial_state(weights),
        })
    }

    /// Seconds of an epoch of so many of these cells together, which so many threads compute: 0
    /// where it is not this process that does.
    fn seconds(
        &self,
        choice: &Choice,
        replicas: usize,
        threads: usize,
    ) -> Result<f64, SessionError> {
        let cells = vec![self.input()?; replicas];
        let mut executor = grokrun_engine::open(choice, Program::folded(self.shape()), cells)?;
        // The first epoch warms caches; it and the second tell how many go into a call.
        executor.run(1)?;
        let timed = |executor: &mut dyn Executor, epochs: u64| {
            let clock = Clock::start();
            executor.run(epochs)?;
            let (wall, cores) = (clock.wall(), clock.cores());
            let alone = match threads {
                0 => wall,
                threads => cores / threads as f64 * WAITING,
            };
            Ok::<f64, SessionError>(wall.min(alone) / epochs as f64)
        };
        let mut best = timed(&mut *executor, 1)?;
        let started = Instant::now();
        while started.elapsed().as_secs_f64() < EACH {
            let epochs = (CALL / best) as u64;
            // Two at least: where threads share a cell, one's tests run beside the next one's
            // training.
            let epochs = epochs.clamp(2, executor.epochs_per_call().max(2));
            best = best.min(timed(&mut *executor, epochs)?);
        }
        Ok(best)
    }
}

/// What a device needs for an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Speed {
    /// one cell that all of a CPU's threads share, or all replicas on a GPU
    shared: Costs,
    /// one cell on one thread while the others train one each; none on a GPU
    alone: Option<Costs>,
    /// the time of such a cell while the other threads sleep, against that: 0.5 to 1
    quiet: f64,
    /// the time of a small cell that two threads share, against that: 0.3 to 1.5
    paired: f64,
}

/// A batch's epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Epoch {
    /// wall time
    pub(super) seconds: f64,
    /// threads of the host that are busy all the while
    pub(super) threads: usize,
}

impl Speed {
    /// Measures the device.
    ///
    /// # Errors
    /// When it fails.
    pub(super) fn measure(choice: &Choice) -> Result<Speed, SessionError> {
        if choice.is_cpu() {
            Speed::of_cores(choice)
        } else {
            Speed::of_device(choice)
        }
    }

    fn of_cores(choice: &Choice) -> Result<Speed, SessionError> {
        let threads = choice.threads();
        let amounts = |probe: &Probe| Amounts::in_vectors(&probe.shape(), probe.train, probe.test);
        let time = |probes: &[Probe], cells: usize| {
            let seconds = |probe: &Probe| {
                let pairs = [probe.train, probe.test];
                let share = choice.sharing(&probe.shape(), pairs, cells);
                let each = share.map_or(1, |share| share.threads(threads));
                probe.seconds(choice, cells, each * cells)
            };
            timings(probes, amounts, seconds, 0.5 * BUDGET)
        };
        let many = time(&ON_CORES, threads)?;
        let one = |probe: Probe| Ok::<f64, SessionError>(time(&[probe], 1)?[0].seconds);
        let crowded = time(&[ON_ONE_CORE], threads)?[0].seconds;
        let quiet = one(ON_ONE_CORE)? / crowded;
        let paired = one(ON_CORES[0])? / many[0].seconds;
        Ok(Speed {
            shared: fitted(&time(&ON_CORES[1..], 1)?)?,
            alone: Some(fitted(&many)?),
            quiet: quiet.clamp(0.5, 1.0),
            paired: paired.clamp(0.3, 1.5),
        })
    }

    fn of_device(choice: &Choice) -> Result<Speed, SessionError> {
        let amounts = |(probe, replicas): &(Probe, usize)| {
            Amounts::new(&probe.shape(), probe.train, probe.test, *replicas)
        };
        let seconds = |(probe, replicas): &(Probe, usize)| probe.seconds(choice, *replicas, 0);
        let measured = timings(&ON_DEVICE, amounts, seconds, BUDGET)?;
        Ok(Speed {
            shared: fitted(&measured)?,
            alone: None,
            quiet: 1.0,
            paired: 1.0,
        })
    }

    /// The epoch of so many cells of one shape that train together.
    pub(super) fn epoch(
        &self,
        choice: &Choice,
        shape: &Shape,
        [train, test]: [usize; 2],
        cells: usize,
    ) -> Epoch {
        let share = choice.sharing(shape, [train, test], cells);
        let (Some(alone), Some(share)) = (&self.alone, share) else {
            let amounts = Amounts::new(shape, train, test, cells);
            return Epoch {
                seconds: self.shared.seconds(&amounts),
                threads: choice.threads(),
            };
        };
        let amounts = Amounts::in_vectors(shape, train, test);
        let one = alone.seconds(&amounts);
        let (seconds, threads) = match share {
            // All threads for each in turn.
            Sharing::Everything => (
                cells as f64 * self.shared.seconds(&amounts),
                choice.threads(),
            ),
            Sharing::Pairs => (one * self.paired, share.threads(choice.threads())),
            Sharing::Nothing if cells == 1 => (one * self.quiet, 1),
            Sharing::Nothing => {
                let threads = cells.min(choice.threads());
                (one * cells.div_ceil(threads) as f64, threads)
            }
        };
        Epoch { seconds, threads }
    }

    /// Whether these can be a device's: what was kept may have been altered.
    pub(super) fn is_sound(&self, choice: &Choice) -> bool {
        self.shared.is_sound()
            && self.alone.is_some() == choice.is_cpu()
            && self.alone.is_none_or(|alone| alone.is_sound())
            && (0.5..=1.0).contains(&self.quiet)
            && (0.3..=1.5).contains(&self.paired)
    }
}

/// Times each, in order, until one would not end in time.
fn timings<P>(
    probes: &[P],
    amounts: impl Fn(&P) -> Amounts,
    seconds: impl Fn(&P) -> Result<f64, SessionError>,
    budget: f64,
) -> Result<Vec<Timing>, SessionError> {
    let started = Instant::now();
    let mut found: Vec<Timing> = Vec::new();
    for probe in probes {
        let amounts = amounts(probe);
        let left = budget - started.elapsed().as_secs_f64();
        // Two epochs to warm up, and one at least that counts.
        let expected = found.last().map_or(0.0, |t| {
            3.0 * t.seconds * amounts.usual() / t.amounts.usual()
        });
        if expected > left {
            break;
        }
        found.push(Timing {
            seconds: seconds(probe)?,
            amounts,
        });
    }
    Ok(found)
}

fn fitted(timings: &[Timing]) -> Result<Costs, SessionError> {
    Costs::fit(timings).ok_or_else(|| {
        SessionError::Failed(
            "the device was timed, and no epoch of any probe took a time above 0".to_owned(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use grokrun_engine::{Backend, choose_backend};

    fn cpu() -> Choice {
        choose_backend(Backend::Cpu, None).unwrap()
    }

    fn planted() -> Speed {
        let costs = |factor: f64| {
            let amounts = Amounts::in_vectors(&ON_CORES[3].shape(), 1740, 1741);
            let seconds = factor * 1e-11 * amounts.usual();
            Costs::fit(&[Timing { amounts, seconds }]).unwrap()
        };
        Speed {
            shared: costs(1.2 / cpu().threads() as f64),
            alone: Some(costs(1.0)),
            quiet: 0.8,
            paired: 0.7,
        }
    }

    #[test]
    fn a_probe_has_the_pairs_that_it_says() {
        for probe in ON_CORES
            .iter()
            .chain([&ON_ONE_CORE])
            .chain(ON_DEVICE.iter().map(|(probe, _)| probe))
        {
            let pairs = probe.input().unwrap().pairs;
            assert_eq!(
                [pairs.train().len(), pairs.test().len()],
                [probe.train, probe.test]
            );
        }
    }

    #[test]
    fn more_cells_never_take_less_time_and_fewer_rounds_never_more() {
        let (speed, choice) = (planted(), cpu());
        let shape = ON_CORES[3].shape();
        let seconds = |cells| speed.epoch(&choice, &shape, [1740, 1741], cells).seconds;
        let mut before = 0.0;
        for cells in 1..=3 * choice.threads() {
            assert!(seconds(cells) >= before, "{cells} cells");
            before = seconds(cells);
        }
        assert!(seconds(3 * choice.threads()) <= 3.0 * seconds(choice.threads()) * 1.001);
    }

    #[test]
    fn altered_costs_are_distinguished_from_sound_ones() {
        let choice = cpu();
        assert!(planted().is_sound(&choice));
        for broken in [
            Speed {
                quiet: 2.0,
                ..planted()
            },
            Speed {
                paired: 0.0,
                ..planted()
            },
            Speed {
                quiet: f64::NAN,
                ..planted()
            },
            Speed {
                alone: None,
                ..planted()
            },
        ] {
            assert!(!broken.is_sound(&choice), "{broken:?}");
        }
    }

    #[test]
    fn timing_stops_where_the_next_probe_would_not_end_in_time() {
        let amounts = |p: &Probe| Amounts::in_vectors(&p.shape(), p.train, p.test);
        let quick = timings(&ON_CORES, amounts, |_| Ok(1e-6), 1.0).unwrap();
        assert_eq!(quick.len(), ON_CORES.len());
        let slow = timings(&ON_CORES, amounts, |p| Ok(1e-7 * amounts(p).usual()), 1.0).unwrap();
        assert!((1..ON_CORES.len()).contains(&slow.len()), "{}", slow.len());
    }
}
