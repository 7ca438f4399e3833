//! Compares `forward` with its twin in f64, around the sizes of its tiles.

use grokrun_shaders::twins::{self, Data, Forward, Passed, Sample};
use grokrun_shaders::{FORWARD, ForwardSizes};

use super::super::arena::Place;
use super::super::recording::Specialised;
use super::probe::{Probe, REPLICAS, Shelf, both, close, numbers};

/// One call: two replicas with different tables and pairs.
struct Case {
    p: usize,
    heads: usize,
    f: usize,
    total: usize,
    kind: u32,
    pairs: Vec<Vec<Sample>>,
    /// scores, U′, D′, c, d, M, each for each replica
    tables: [Vec<Vec<f64>>; 6],
}

/// The output, for each replica: losses, answers, and with gradients attention, act(pre), dpre, g
/// and ds.
type Left = [Vec<Vec<f64>>; 7];

const SCALE: f32 = 0.25;

impl Case {
    fn new([p, heads, f, total]: [usize; 4], kind: u32) -> Case {
        let random = |seed: u64, count, size: f64| {
            both(|r| {
                numbers(seed + r as u64, count)
                    .iter()
                    .map(|x| x * size)
                    .collect()
            })
        };
        let pairs = (0..REPLICAS).map(|replica| {
            let pair = |i: usize| {
                let i = i * 7 + replica * 3;
                [i % p, (i / p + i) % p, (i * 5 + replica) % p].map(|x| x as u32)
            };
            (0..total).map(pair).collect()
        });
        Case {
            p,
            heads,
            f,
            total,
            kind,
            pairs: pairs.collect(),
            tables: [
                random(7, (2 * p + 1) * heads, 5.0),
                random(9, 2 * p * heads * f, 1.0),
                random(11, 2 * p * heads * p, 1.0),
                random(13, f, 1.0),
                random(15, p, 3.0),
                random(17, f * p, 1.0),
            ],
        }
    }

    fn want(&self, r: usize) -> Passed {
        let [scores, neuron_rows, logit_rows, neuron_base, logit_base, m] =
            self.tables.each_ref().map(|table| &table[r][..]);
        twins::forward(&Forward {
            data: Data {
                p: self.p,
                heads: self.heads,
                samples: &self.pairs[r],
            },
            scores,
            neuron_rows,
            logit_rows,
            neuron_base,
            logit_base,
            m,
            kind: self.kind,
            scale: f64::from(SCALE),
        })
    }

    fn run(&self, probe: &Probe, groups: u32, learn: bool) -> Left {
        self.run_in_slices(probe, groups, learn, self.total.next_multiple_of(32))
    }

    /// Runs a dispatch for every `slice` pairs.
    fn run_in_slices(&self, probe: &Probe, groups: u32, learn: bool, slice: usize) -> Left {
        let Case {
            p, heads, f, total, ..
        } = *self;
        let mut shelf = Shelf::default();
        let rows = [2 * p + 1, 2 * p * heads, 2 * p * heads, 1, 1];
        let cols = [heads, f, p, f, p];
        let mut places: Vec<Place> = Vec::new();
        for (i, table) in self.tables[..5].iter().enumerate() {
            places.push(shelf.put([rows[i], cols[i]], table));
        }
        let m = &self.tables[5];
        let padded = |rows: usize, cols: usize, at: &dyn Fn(usize, usize, usize) -> f64| {
            both(|r| {
                let wide = rows.next_multiple_of(4) * cols;
                (0..wide)
                    .map(|i| {
                        if i < rows * cols {
                            at(r, i / cols, i % cols)
                        } else {
                            0.0
                        }
                    })
                    .collect()
            })
        };
        let plain = padded(f, p, &|r, i, j| m[r][i * p + j]);
        let flipped = padded(p, f, &|r, i, j| m[r][j * p + i]);
        places.push(shelf.put([f.next_multiple_of(4), p], &plain));
        places.push(shelf.put([p.next_multiple_of(4), f], &flipped));
        let outs = [
            [1, total],
            [1, total],
            [2 * total, heads],
            [total, f],
            [total, f],
            [total, p],
            [3 * heads, total],
        ]
        .map(|shape| shelf.blank(shape));
        places.extend(outs);
        let sizes = ForwardSizes::new(p, heads, groups).unwrap();
        // The pairs do not begin at the start of the buffer.
        let data = [&[9; 5][..], &self.pairs.concat().concat()].concat();
        let data = probe.words(&data);
        let arena = probe.arena(&shelf);
        let kernel = Specialised::new(&FORWARD, sizes.constants(self.kind, learn));
        for first in (0..total).step_by(slice) {
            let mut words = vec![p, p.div_ceil(4), f.div_ceil(4), heads, heads.div_ceil(4)];
            words.extend([total, first, shelf.stride(), 5]);
            words.extend(places.iter().map(|place| place.first));
            words.push(SCALE.to_bits() as usize);
            let count = slice.min(total - first);
            let grid = [count.div_ceil(sizes.pairs() as usize), 1, REPLICAS];
            probe.run(kernel.clone(), &words, &[&data, &arena], grid);
        }
        let kept = if learn { 7 } else { 2 };
        let mut left: Left = Default::default();
        for (left, place) in left.iter_mut().zip(&outs[..kept]) {
            *left = probe.tables(&arena, &shelf, *place);
        }
        left
    }

    /// Compares the output with the twin's.
    fn check(&self, left: &Left, loss_error: f64) {
        let Case {
            p, heads, f, total, ..
        } = *self;
        let what = format!(
            "p {p}, {heads} heads, f {f}, {total} pairs, kind {}",
            self.kind
        );
        for r in 0..REPLICAS {
            let want = self.want(r);
            for (s, want) in want.outcomes.iter().enumerate() {
                let (loss, right) = (left[0][r][s], left[1][r][s]);
                let apart = (loss / want.loss - 1.0).abs();
                assert!(apart < loss_error, "{what}: {loss} for {}", want.loss);
                assert_eq!(right, f64::from(u8::from(want.right)), "{what}");
            }
            if left[2].is_empty() {
                continue;
            }
            let attention: Vec<f64> = want
                .attention
                .chunks_exact(3 * heads)
                .flat_map(|pair| pair[..2 * heads].to_vec())
                .collect();
            let g: Vec<f64> = want
                .outcomes
                .iter()
                .flat_map(|outcome| outcome.gradient.clone())
                .collect();
            let d_scores: Vec<f64> = (0..3 * heads * total)
                .map(|i| {
                    let (h, position, s) = (i / (3 * total), i / total % 3, i % total);
                    want.d_scores[(s * 3 + position) * heads + h]
                })
                .collect();
            for (left, want, error) in [
                (&left[2][r], &attention, 5e-6),
                (&left[3][r], &want.neurons, 3e-6),
                (&left[4][r], &want.d_neurons, 2e-5),
                (&left[5][r], &g, 1e-5),
                (&left[6][r], &d_scores, 2e-5),
            ] {
                close(&what, left, want, error);
            }
        }
    }
}

#[test]
fn a_pass_over_any_number_of_pairs() {
    let Some(probe) = Probe::open() else { return };
    for total in [1, 7, 8, 9, 31, 32, 33] {
        for kind in [1, 2] {
            let case = Case::new([23, 3, 37, total], kind);
            let learned = case.run(&probe, 1, true);
            case.check(&learned, 2e-5);
            let evaluated = case.run(&probe, 1, false);
            assert_eq!(evaluated[..2], learned[..2], "losses without gradients");
            assert_eq!(case.run(&probe, 4, true), learned, "32 pairs a workgroup");
            assert_eq!(case.run(&probe, 4, false), evaluated);
        }
    }
}

#[test]
fn slices_make_no_difference() {
    let Some(probe) = Probe::open() else { return };
    let case = Case::new([23, 3, 37, 77], 1);
    for learn in [false, true] {
        let whole = case.run(&probe, 1, learn);
        for (groups, slice) in [(1, 8), (1, 24), (4, 32), (4, 64)] {
            let sliced = case.run_in_slices(&probe, groups, learn, slice);
            assert_eq!(sliced, whole, "{slice} pairs a slice");
        }
    }
}

#[test]
fn a_pass_of_any_width() {
    let Some(probe) = Probe::open() else { return };
    // Around 8, 16, 32 and 64 lanes of four classes, and one and two rounds of 64; of neurons
    // around 16 and 32 vec4s of depth.
    // Classes and neurons have their own loops, so not every pair of numbers is tried: each number
    // of classes meets two of neurons, and each of neurons several of classes.
    let neurons = [(1, 1), (4, 63), (5, 64), (2, 65), (1, 129)];
    let classes = [2, 31, 32, 33, 64, 65, 113, 128, 129, 255, 256, 257];
    for (place, p) in classes.into_iter().enumerate() {
        for (heads, f) in [0, 2].map(|more| neurons[(place + more) % neurons.len()]) {
            let case = Case::new([p, heads, f, 11], 1);
            let learned = case.run(&probe, 1, true);
            case.check(&learned, 5e-5);
            assert_eq!(case.run(&probe, 4, true), learned, "p {p}, f {f}");
        }
    }
}

/// The logits are d itself, so only the loss rounds. It is as accurate as in f64 however small it
/// is, except for the 2e-6 by which f32 rounds differences of 40.
#[test]
fn losses_of_any_size() {
    let Some(probe) = Probe::open() else { return };
    for p in [2, 31, 64, 65, 113, 257] {
        let mut case = Case::new([p, 1, 4, 9], 1);
        for table in [1, 2, 3, 5] {
            case.tables[table]
                .iter_mut()
                .flatten()
                .for_each(|x| *x = 0.0);
        }
        for r in 0..REPLICAS {
            // These numbers are exact in f32.
            case.tables[4][r] = numbers(21, p).iter().map(|x| x * 4.0).collect();
            // The first pair is answered with certainty: its loss is far below 1e-7.
            case.tables[4][r][case.pairs[r][0][2] as usize] = 40.0;
        }
        let left = case.run(&probe, 1, true);
        for (r, losses) in left[0].iter().enumerate() {
            let want = case.want(r);
            assert!(want.outcomes[0].loss < 1e-12, "{}", want.outcomes[0].loss);
            for (s, want) in want.outcomes.iter().enumerate() {
                let got = losses[s];
                assert!((got / want.loss - 1.0).abs() < 4e-6, "{got} {}", want.loss);
                let g = &left[5][r][s * p..][..p];
                for (got, want) in g.iter().zip(&want.gradient) {
                    let apart = (got - want).abs();
                    assert!(apart <= 4e-6 * want.abs() + 1e-26, "{got} for {want}");
                }
            }
        }
    }
}

/// Of equal logits the first counts, as for torch's argmax.
#[test]
fn ties_go_to_the_first_class() {
    let Some(probe) = Probe::open() else { return };
    let mut case = Case::new([130, 1, 4, 10], 1);
    for table in case.tables.iter_mut().flatten().flatten() {
        *table = 0.0;
    }
    let left = case.run(&probe, 1, false);
    for (correct, pairs) in left[1].iter().zip(&case.pairs) {
        let want = pairs.iter().map(|pair| f64::from(u8::from(pair[2] == 0)));
        assert_eq!(*correct, want.collect::<Vec<f64>>());
    }
}
