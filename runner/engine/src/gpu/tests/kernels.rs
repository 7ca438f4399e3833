//! Compares the small kernels with their twins in f64, at 1, one less than, exactly, and one more
//! than the size of a workgroup, for two replicas with different numbers.

use grokrun_shaders::twins::{self, AdamW};
use grokrun_shaders::{ADAMW, Binding, EXP, Kernel, METRICS, ROWS, SUMS};

use super::super::plan::{Plan, Sum};
use super::probe::{Probe, REPLICAS, Shelf, both, close, numbers};

/// Sizes around a workgroup of 64 vec4s.
const GROUPS: [usize; 4] = [1, 255, 256, 257];

#[test]
fn rows_of_the_embedding() {
    let Some(probe) = Probe::open() else { return };
    let p = 5;
    for d in [1, 3, 4, 5, 65] {
        let mut shelf = Shelf::default();
        let embed = both(|r| numbers(35 + r as u64, (p + 1) * d));
        let pos = both(|r| numbers(37 + r as u64, 3 * d));
        let (embed_, pos_) = (shelf.put([p + 1, d], &embed), shelf.put([3, d], &pos));
        let (x, xd) = (shelf.blank([2 * p + 1, d]), shelf.blank([2 * p, d]));
        let arena = probe.arena(&shelf);
        let d4 = d.div_ceil(4);
        let places = [embed_.first, pos_.first, x.first, xd.first];
        let words = [&[p, d4, shelf.stride()][..], &places].concat();
        let grid = [((2 * p + 1) * d4).div_ceil(64), 1, REPLICAS];
        probe.run(&ROWS, &words, &[&arena], grid);
        for (r, (embed, pos)) in embed.iter().zip(&pos).enumerate() {
            let want = twins::rows(embed, pos);
            for (place, want) in [x, xd].into_iter().zip(&want) {
                let got = &probe.tables(&arena, &shelf, place)[r];
                close(&format!("d = {d}"), got, want, 2e-7);
            }
        }
    }
}

#[test]
fn adamw_steps_of_the_epoch_of_the_clock() {
    let Some(probe) = Probe::open() else { return };
    let steps = [0.5, 1.0].map(|rate| AdamW {
        decay: 1.0 - 1e-3 * rate,
        rate: 1e-2 * rate,
        root: 2.0,
        epsilon: 1e-8,
        betas: [0.9, 0.98],
    });
    // Epoch 0 of the window has coefficients whose use would show.
    let mut coefficients = vec![7.0f32; 8 * REPLICAS];
    for c in steps {
        let [b1, b2] = c.betas;
        let row = [
            c.decay,
            c.rate,
            c.root,
            c.epsilon,
            1.0 - b1,
            b2,
            1.0 - b2,
            0.0,
        ];
        coefficients.extend(row.map(|x| x as f32));
    }
    let coefficients = probe.context.filled("steps", &coefficients).unwrap();
    for trained in GROUPS {
        let stored = trained.next_multiple_of(4) + 12;
        let mut shelf = Shelf::default();
        let of = |seed: u64| both(|r| numbers(seed + r as u64, stored));
        let (gradient, weight, first) = (of(43), of(45), of(47));
        let second = both(|r| of(49)[r].iter().map(|x| x.abs()).collect());
        let places = [&gradient, &weight, &first, &second].map(|x| shelf.put([1, stored], x));
        let arena = probe.arena(&shelf);
        let vec4s = trained.div_ceil(4);
        let words = [
            &[vec4s, shelf.stride(), REPLICAS][..],
            &places.map(|place| place.first),
        ]
        .concat();
        let buffers = [&coefficients, &probe.words(&[1; REPLICAS]), &arena];
        probe.run(&ADAMW, &words, &buffers, [vec4s.div_ceil(64), 1, REPLICAS]);
        let [_, w, m, v] = places.map(|place| probe.tables(&arena, &shelf, place));
        for r in 0..REPLICAS {
            for i in 0..stored {
                let before = [weight[r][i], first[r][i], second[r][i]];
                let want = if i < 4 * vec4s {
                    twins::adamw(steps[r], gradient[r][i], before)
                } else {
                    before
                };
                for (got, want) in [w[r][i], m[r][i], v[r][i]].into_iter().zip(want) {
                    assert!((got - want).abs() < 3e-7, "{i} of {trained}: {got} {want}");
                }
            }
        }
    }
}

#[test]
fn metrics_go_to_the_epoch_of_the_clock_and_move_it_on() {
    let Some(probe) = Probe::open() else { return };
    for total in [1, 3, 4, 5, 1023, 1024, 1025, 5000] {
        let mut shelf = Shelf::default();
        // The number of training pairs differs from that of test pairs.
        let counts = [total, total + 6];
        let losses = counts.map(|n| both(|r| numbers(17 + r as u64, n)));
        let correct = counts.map(|n| {
            both(|r| {
                let answers = numbers(19 + r as u64, n).into_iter();
                answers.map(|x| f64::from(u8::from(x > 0.0))).collect()
            })
        });
        let mut words = Vec::new();
        for (i, n) in counts.into_iter().enumerate() {
            let [l, r] = [&losses[i], &correct[i]].map(|x| shelf.put([1, n], x));
            words.extend([l.first, r.first, l.vec4s(), 0]);
        }
        words.extend([shelf.stride(), REPLICAS, 0, 0]);
        let arena = probe.arena(&shelf);
        let (clock, ring) = (probe.words(&[1; REPLICAS]), probe.blank(2 * REPLICAS * 66));
        probe.run(&METRICS, &words, &[&arena, &clock, &ring], [REPLICAS, 1, 1]);
        let ring = probe.read(&ring);
        let (untouched, written) = ring.split_at(REPLICAS * 66);
        assert!(untouched.iter().all(|x| *x == f64::from(f32::MIN)));
        for (i, record) in written.chunks(33).enumerate() {
            let (replica, part) = (i / 2, i % 2);
            let want = twins::metrics(&losses[part][replica], &correct[part][replica]);
            let got = record[..32].iter().sum::<f64>();
            let size: f64 = losses[part][replica].iter().map(|x| x.abs()).sum();
            assert!((got - want[0]).abs() < 1e-7 * size, "{got} {}", want[0]);
            assert_eq!(record[32], want[1], "{total} pairs");
        }
        let clock: Vec<u32> = probe.context.read(&clock, 0, REPLICAS).unwrap();
        assert_eq!(clock, [2; REPLICAS]);
    }
}

/// Returns tokens with many samples, with one, and with none: starts and lists of each replica.
fn token_lists(p: usize, pairs: usize) -> (Vec<Vec<Vec<u32>>>, Vec<u32>, Vec<u32>) {
    let of_replica = |replica: usize| {
        let mut lists = vec![Vec::new(); 2 * p];
        for s in 0..pairs {
            let i = s * 7 + replica * 3;
            lists[i % (p - 1)].push(s as u32);
            lists[p + (i / p + i) % (p - 1)].push(s as u32);
        }
        lists
    };
    let lists: Vec<Vec<Vec<u32>>> = (0..REPLICAS).map(of_replica).collect();
    let starts = lists.iter().flat_map(|lists| {
        let mut at = 0;
        std::iter::once(0).chain(lists.iter().map(move |list| {
            at += list.len() as u32;
            at
        }))
    });
    let starts = starts.collect();
    let flat = lists.iter().flatten().flatten().copied().collect();
    (lists, starts, flat)
}

#[test]
fn sums_of_every_kind() {
    let Some(probe) = Probe::open() else { return };
    let (p, n) = (7, 21);
    let (lists, starts, flat) = token_lists(p, n);
    let data = probe.words(&[&starts[..], &flat].concat());
    for heads in [1, 3, 4, 6] {
        for width in GROUPS {
            let mut shelf = Shelf::default();
            let random = |seed: u64, count| both(|r| numbers(seed + r as u64, count));
            let weights = random(29, n * 2 * heads);
            let values = random(31, n * width);
            let of_scores = random(33, heads * 3 * n);
            let weights_ = shelf.put([n * 2, heads], &weights);
            let values_ = shelf.put([n, width], &values);
            let of_scores_ = shelf.put([heads * 3, n], &of_scores);
            let rows = shelf.blank([2 * p * heads, width]);
            let scores = shelf.blank([2 * p + 1, heads]);
            let sum = shelf.blank([2, width]);
            let level = [
                Sum::Rows {
                    values: values_,
                    weights: weights_,
                    out: rows,
                },
                Sum::Scores {
                    values: of_scores_,
                    out: scores,
                },
                Sum::Parts {
                    values: values_,
                    count: n,
                    width: values_.vec4s(),
                    out: sum,
                    out_four: sum.vec4s(),
                },
            ];
            let mut plan = Plan::default();
            let level = plan.sums(&level, 2 * p, heads);
            let arena = probe.arena(&shelf);
            let words = [level.first, level.count, shelf.stride(), p, heads];
            let words = [&words[..], &[heads.div_ceil(4), n, 0, starts.len()]].concat();
            let buffers = [&probe.words(plan.words()), &data, &arena];
            probe.run(&SUMS, &words, &buffers, [level.count, 1, REPLICAS]);

            let got = probe.tables(&arena, &shelf, rows);
            // Entries that no kernel wrote are not padded with zeros, so only whole tables are
            // read.
            let all = probe.read(&arena);
            for r in 0..REPLICAS {
                let what = format!("{heads} heads, width {width}");
                // The twin's weights have a third position, for '='.
                let wide: Vec<f64> = weights[r]
                    .chunks_exact(2 * heads)
                    .flat_map(|pair| [pair, &vec![0.0; heads][..]].concat())
                    .collect();
                let want = twins::sums_of_rows(&lists[r], heads, &wide, &values[r], width);
                close(&what, &got[r], &want, 2e-6);

                let by_pair: Vec<f64> = (0..n * 3 * heads)
                    .map(|i| {
                        let (s, position, h) = (i / (3 * heads), i / heads % 3, i % heads);
                        of_scores[r][(h * 3 + position) * n + s]
                    })
                    .collect();
                let ones = vec![1.0; n];
                let want = twins::sums_of_rows(&lists[r], heads, &by_pair, &ones, 1);
                let first = 4 * (r * shelf.stride() + scores.first);
                let got: Vec<f64> = all[first..][..4 * scores.len()]
                    .chunks_exact(4 * scores.vec4s())
                    .flat_map(|row| row[..heads].to_vec())
                    .collect();
                close(&what, &got[..2 * p * heads], &want, 2e-6);
                assert_eq!(
                    got[2 * p * heads],
                    f64::from(f32::MIN),
                    "'=' is not touched"
                );

                let want = twins::sums_of_parts(&values[r], width);
                let first = 4 * (r * shelf.stride() + sum.first + sum.vec4s());
                close(&what, &all[first..][..width], &want, 2e-6);
            }
        }
    }
}

/// Tests how the driver compiles the two functions, whose accuracy depends on the order of
/// operations.
#[test]
fn exp_and_log1p_survive_the_driver() {
    let Some(probe) = Probe::open() else { return };
    const TOP: &str = "@group(0) @binding(0) var<storage, read> x: array<f32>;
        @group(0) @binding(1) var<storage, read_write> y: array<f32>;\n";
    const MAIN: &str = "@compute @workgroup_size(64)
        fn main(@builtin(global_invocation_id) id: vec3u) {
            if id.x >= arrayLength(&x) { return; }";
    let kernel = |call: &str| -> &'static Kernel {
        let source = format!("{TOP}{EXP}{MAIN} y[id.x] = {call}; }}");
        Box::leak(Box::new(Kernel {
            name: "probe",
            source: source.leak(),
            entry: "main",
            bindings: &[Binding::Read, Binding::Write],
            names: &["x", "y"],
        }))
    };
    let exps: Vec<f64> = (0..60_000).map(|i| f64::from(-i as f32 * 1e-3)).collect();
    let logs: Vec<f64> = (-400..200).map(|i| f64::from(1.1f32.powi(i))).collect();
    let far = vec![-60.0, -61.0, -1e30, f64::from(f32::MIN)];
    for (call, inputs, exact, most) in [
        (
            "exp_accurate(vec4f(x[id.x])).y",
            exps,
            f64::exp as fn(f64) -> f64,
            2.0,
        ),
        ("log1p_accurate(x[id.x])", logs, f64::ln_1p, 3.0),
        ("1.0 + exp_accurate(vec4f(x[id.x])).w", far, |_| 1.0, 0.0),
    ] {
        let out = probe.blank(inputs.len());
        let narrow: Vec<f32> = inputs.iter().map(|x| *x as f32).collect();
        let x = probe.context.filled("x", &narrow).unwrap();
        let grid = [inputs.len().div_ceil(64), 1, 1];
        probe.run(kernel(call), &[], &[&x, &out], grid);
        for (x, got) in inputs.iter().zip(probe.read(&out)) {
            let ulps = (got / exact(*x) - 1.0).abs() / f64::from(f32::EPSILON);
            assert!(ulps <= most, "{call} of {x} = {got}: {ulps} ulp");
        }
    }
}
