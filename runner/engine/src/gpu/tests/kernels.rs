//! Every kernel against its twin in f64, at 1, one less than, just, and one more than what a
//! workgroup or tile takes, for two replicas with other numbers.

use grokrun_shaders::twins::{self, AdamW, Data, Sample};
use grokrun_shaders::{
    ADAMW, ATTEND, ATTEND_GRAD, Binding, COLUMN_SUMS, EMBED_GRAD, EXP, GATHER, Kernel, LOSS,
    METRICS, ROW_SUMS, ROWS, SLOPE, TICK,
};

use super::super::buffers::SPLIT;
use super::super::product::{Matrix, Product};
use super::probe::{Probe, close, numbers};

const REPLICAS: usize = 2;
/// Around the tile of a product.
const TILES: [usize; 4] = [1, 31, 32, 33];
/// Around a workgroup of 64.
const GROUPS: [usize; 4] = [1, 63, 64, 65];

/// One after another, as replicas lie in a buffer.
fn joined(replicas: &[Vec<f64>]) -> Vec<f64> {
    replicas.concat()
}

fn both(make: impl Fn(u64) -> Vec<f64>) -> Vec<Vec<f64>> {
    (0..REPLICAS as u64).map(make).collect()
}

/// `count` pairs mod `p` for each replica, each in its own order.
fn samples(p: usize, count: usize) -> Vec<Vec<Sample>> {
    (0..REPLICAS)
        .map(|replica| {
            let pair = |i: usize| {
                let i = i * 7 + replica * 3;
                [i % p, (i / p + i) % p, (i * 5 + replica) % p].map(|x| x as u32)
            };
            (0..count).map(pair).collect()
        })
        .collect()
}

fn words_of(samples: &[Vec<Sample>]) -> Vec<u32> {
    samples.concat().concat()
}

#[test]
fn products_of_every_layout() {
    let Some(probe) = Probe::open() else { return };
    for m in TILES {
        for k in TILES {
            for n in TILES {
                let a = both(|r| numbers(1 + r, m * k));
                let b = both(|r| numbers(3 + r, k * n));
                let c = both(|r| numbers(5 + r, m * n));
                let transposed = |x: &[f64], rows: usize, cols: usize| -> Vec<f64> {
                    (0..rows * cols)
                        .map(|i| x[(i % rows) * cols + i / rows])
                        .collect()
                };
                let a_t: Vec<_> = a.iter().map(|a| transposed(a, m, k)).collect();
                let b_t: Vec<_> = b.iter().map(|b| transposed(b, k, n)).collect();
                let buffers = [&a, &b, &a_t, &b_t].map(|x| probe.floats(&joined(x)));
                let [a_, b_, at_, bt_] = &buffers;
                for added in [false, true] {
                    for flipped in [false, true] {
                        let (left, right) = if flipped {
                            let left = Matrix::rows(at_, m, m * k).t();
                            (left, Matrix::rows(bt_, k, k * n).t())
                        } else {
                            (Matrix::rows(a_, k, m * k), Matrix::rows(b_, n, k * n))
                        };
                        let out = probe.floats(&joined(&c));
                        let product = Product {
                            alpha: 0.5,
                            add: added,
                            ..Product::new(m, k, n, REPLICAS)
                        };
                        probe.record(|recorder| {
                            product.record(recorder, left, right, Matrix::rows(&out, n, m * n));
                        });
                        let want: Vec<f64> = (0..REPLICAS)
                            .flat_map(|r| {
                                let c = added.then_some(&c[r][..]);
                                twins::product([m, k, n], &a[r], &b[r], 0.5, c)
                            })
                            .collect();
                        close(
                            &format!("{m} x {k} x {n}, flipped {flipped}, added {added}"),
                            &probe.read(&out),
                            &want,
                            2e-6,
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn products_sum_over_heads_and_activate() {
    let Some(probe) = Probe::open() else { return };
    // Σ_h A_h B_h, where A is (m, heads · e) by rows and B_h is (e, n), one after another.
    let (heads, m, n) = (3, 33, 5);
    for e in TILES {
        let a = both(|r| numbers(1 + r, m * heads * e));
        let b = both(|r| numbers(3 + r, heads * e * n));
        let out = probe.blank(REPLICAS * m * n);
        let buffers = [probe.floats(&joined(&a)), probe.floats(&joined(&b))];
        let left = Matrix::rows(&buffers[0], heads * e, m * heads * e).blocks(e);
        let right = Matrix::rows(&buffers[1], n, heads * e * n).blocks(e * n);
        let product = Product {
            block: e,
            activation: 1,
            ..Product::new(m, heads * e, n, REPLICAS)
        };
        probe.record(|recorder| {
            product.record(recorder, left, right, Matrix::rows(&out, n, m * n));
        });
        let want: Vec<f64> = (0..REPLICAS)
            .flat_map(|r| {
                let a: Vec<f64> = a[r].iter().map(|x| x.max(0.0)).collect();
                twins::product([m, heads * e, n], &a, &b[r], 1.0, None)
            })
            .collect();
        close(&format!("e = {e}"), &probe.read(&out), &want, 2e-6);
    }
}

/// A driver that silently ends a loop after 65,535 rounds (Mesa 22 does) would lose the rest of a
/// sum: it is exact only if every term of 200,000 was added.
#[test]
fn long_sums_lose_nothing() {
    let Some(probe) = Probe::open() else { return };
    let rows = 200_000;
    let ones = probe.floats(&vec![1.0; rows]);
    let parts = rows.div_ceil(SPLIT);
    let out = probe.blank(parts);
    let product = Product {
        split: SPLIT,
        ..Product::new(1, rows, 1, 1).batches(parts)
    };
    probe.record(|recorder| {
        let column = Matrix::rows(&ones, 1, 0);
        product.record(
            recorder,
            column.t(),
            column,
            Matrix::rows(&out, 1, 0).each(1),
        );
    });
    assert_eq!(probe.read(&out).iter().sum::<f64>(), rows as f64);

    let results = probe.floats(&vec![1.0; 2 * rows]);
    let (clock, ring) = (probe.words(&[0]), probe.blank(66));
    probe.run(
        &METRICS,
        &[rows, 1, 0],
        &[&results, &clock, &ring],
        [1, 1, 1],
    );
    let ring = probe.read(&ring);
    assert_eq!(ring[..32].iter().sum::<f64>(), rows as f64);
    assert_eq!(ring[32], rows as f64);
}

#[test]
fn attention_and_what_it_gathers() {
    let Some(probe) = Probe::open() else { return };
    let p = 11;
    for heads in [1, 3] {
        for count in GROUPS {
            // A slice in the middle of the pairs.
            let (first, total) = (2, count + 5);
            let pairs = samples(p, total);
            let scores = both(|r| numbers(7 + r, (2 * p + 1) * heads));
            let scores: Vec<Vec<f64>> = scores
                .iter()
                .map(|s| s.iter().map(|x| x * 40.0).collect())
                .collect();
            let attention = probe.blank(REPLICAS * count * 3 * heads);
            let sample_words = probe.words(&words_of(&pairs));
            probe.run(
                &ATTEND,
                &[p, heads, total, first, count],
                &[&sample_words, &probe.floats(&joined(&scores)), &attention],
                [(count * heads).div_ceil(64), 1, REPLICAS],
            );
            let slice = |r: usize| Data {
                p,
                heads,
                samples: &pairs[r][first..first + count],
            };
            let want = both(|r| twins::attend(slice(r as usize), &scores[r as usize]));
            let what = format!("{count} pairs, {heads} heads");
            close(&what, &probe.read(&attention), &joined(&want), 5e-6);

            for width in GROUPS {
                let rows = both(|r| numbers(9 + r, 2 * p * heads * width));
                let base = both(|r| numbers(11 + r, width));
                let weights = probe.floats(&joined(&want));
                let out = probe.blank(REPLICAS * count * width);
                probe.run(
                    &GATHER,
                    &[p, heads, total, first, count, width],
                    &[
                        &sample_words,
                        &weights,
                        &probe.floats(&joined(&rows)),
                        &probe.floats(&joined(&base)),
                        &out,
                    ],
                    [count * width.div_ceil(64), 1, REPLICAS],
                );
                let of = |r: usize| twins::gather(slice(r), &want[r], &rows[r], &base[r]);
                let want = both(|r| of(r as usize));
                close(&what, &probe.read(&out), &joined(&want), 1e-6);
            }
        }
    }
}

#[test]
fn losses_of_any_number_of_classes() {
    let Some(probe) = Probe::open() else { return };
    for p in [2, 63, 64, 65, 113] {
        for count in [1, 3] {
            let (first, total, scale) = (1, count + 2, 0.25);
            let pairs = samples(p, total);
            // The first pair is answered surely: its loss is far below 1e-7.
            let logits = both(|r| {
                let mut logits: Vec<f64> =
                    numbers(13 + r, count * p).iter().map(|x| x * 8.0).collect();
                logits[pairs[r as usize][first][2] as usize] = 40.0;
                logits
            });
            let sample_words = probe.words(&words_of(&pairs));
            for scale in [0.0, scale] {
                let buffer = probe.floats(&joined(&logits));
                let results = probe.blank(REPLICAS * total * 2);
                let bits = (scale as f32).to_bits() as usize;
                probe.run(
                    &LOSS,
                    &[p, total, first, count, bits],
                    &[&sample_words, &buffer, &results],
                    [count, 1, REPLICAS],
                );
                let (results, left) = (probe.read(&results), probe.read(&buffer));
                for r in 0..REPLICAS {
                    let slice = &pairs[r][first..first + count];
                    let want = twins::loss(slice, &logits[r], scale);
                    for (s, want) in want.iter().enumerate() {
                        let what = format!("p = {p}, replica {r}, pair {s}");
                        let got = &results[(r * total + first + s) * 2..][..2];
                        assert!(
                            (got[0] / want.loss - 1.0).abs() < 2e-6,
                            "{what}: {} for {}",
                            got[0],
                            want.loss
                        );
                        assert_eq!(got[1], f64::from(u8::from(want.right)), "{what}");
                        let row = &left[(r * count + s) * p..][..p];
                        if scale == 0.0 {
                            let kept: Vec<f64> = logits[r][s * p..][..p].to_vec();
                            assert_eq!(row, kept, "{what}: logits are kept");
                        } else {
                            close(&what, row, &want.gradient, 2e-6);
                        }
                    }
                    assert!(want[0].loss < 1e-12, "{}", want[0].loss);
                }
            }
        }
    }
}

#[test]
fn metrics_go_to_the_epoch_of_the_clock() {
    let Some(probe) = Probe::open() else { return };
    for total in [1, 31, 32, 33, 255, 256, 257, 1000] {
        let results = both(|r| {
            let pair = |x: &f64| [x.abs(), f64::from(u8::from(*x > 0.0))];
            numbers(17 + r, total).iter().flat_map(pair).collect()
        });
        let (clock, ring) = (probe.words(&[1]), probe.blank(2 * REPLICAS * 2 * 33));
        for part in [0, 1] {
            probe.run(
                &METRICS,
                &[total, REPLICAS, part],
                &[&probe.floats(&joined(&results)), &clock, &ring],
                [REPLICAS, 1, 1],
            );
        }
        let ring = probe.read(&ring);
        let (untouched, written) = ring.split_at(REPLICAS * 2 * 33);
        assert!(untouched.iter().all(|x| *x == f64::from(f32::MIN)));
        for (i, record) in written.chunks(33).enumerate() {
            let got = [record[..32].iter().sum::<f64>(), record[32]];
            let want = twins::metrics(&results[i / 2]);
            close(&format!("{total} pairs"), &got[..1], &want[..1], 1e-7);
            assert_eq!(got[1], want[1], "{total} pairs");
        }
        probe.run(&TICK, &[], &[&clock], [1, 1, 1]);
        let clock: Vec<u32> = probe.context.read(&clock, 0, 1).unwrap();
        assert_eq!(clock, [twins::tick(1)]);
    }
}

#[test]
fn gradients_of_the_scores() {
    let Some(probe) = Probe::open() else { return };
    let (p, heads) = (5, 2);
    for n in [1, 4] {
        for f in GROUPS {
            let pairs = samples(p, n);
            let attention = both(|r| {
                let data = Data {
                    p,
                    heads,
                    samples: &pairs[r as usize],
                };
                twins::attend(data, &numbers(19 + r, (2 * p + 1) * heads))
            });
            let neuron_rows = both(|r| numbers(21 + r, 2 * p * heads * f));
            let logit_rows = both(|r| numbers(23 + r, 2 * p * heads * p));
            let d_pre = both(|r| numbers(25 + r, n * f));
            let g = both(|r| numbers(27 + r, n * p));
            let [a, u, d, dp, dg] = [&attention, &neuron_rows, &logit_rows, &d_pre, &g]
                .map(|x| probe.floats(&joined(x)));
            let out = probe.blank(REPLICAS * n * 3 * heads);
            let pair_words = probe.words(&words_of(&pairs));
            probe.run(
                &ATTEND_GRAD,
                &[p, heads, f, n],
                &[&pair_words, &a, &u, &d, &dp, &dg, &out],
                [n, 1, REPLICAS],
            );
            let want = both(|r| {
                let r = r as usize;
                let data = Data {
                    p,
                    heads,
                    samples: &pairs[r],
                };
                let tables: [(&[f64], &[f64]); 2] =
                    [(&neuron_rows[r], &d_pre[r]), (&logit_rows[r], &g[r])];
                twins::attend_grad(data, &attention[r], tables)
            });
            close(&format!("f = {f}"), &probe.read(&out), &joined(&want), 3e-6);
        }
    }
}

#[test]
fn sums_over_the_samples_of_a_row() {
    let Some(probe) = Probe::open() else { return };
    let (p, heads, n) = (7, 2, 20);
    // Rows with many samples, with one, and with none.
    let lists: Vec<Vec<Vec<u32>>> = samples(p - 1, n)
        .iter()
        .map(|pairs| {
            let mut lists = vec![Vec::new(); 2 * p];
            for (s, pair) in (0..).zip(pairs) {
                lists[pair[0] as usize].push(s);
                lists[p + pair[1] as usize].push(s);
            }
            lists
        })
        .collect();
    let starts: Vec<u32> = lists
        .iter()
        .flat_map(|lists| {
            let mut at = 0;
            std::iter::once(0).chain(lists.iter().map(move |list| {
                at += list.len() as u32;
                at
            }))
        })
        .collect();
    let flat: Vec<u32> = lists.iter().flatten().flatten().copied().collect();
    let (starts, flat) = (probe.words(&starts), probe.words(&flat));
    for width in GROUPS {
        let weights = both(|r| numbers(29 + r, n * 3 * heads));
        let values = both(|r| numbers(31 + r, n * width));
        let out = probe.blank(REPLICAS * 2 * p * heads * width);
        let [w, v] = [&weights, &values].map(|x| probe.floats(&joined(x)));
        let replica = 2 * p * heads * width;
        let grid = [width.div_ceil(64), 2 * p * heads, REPLICAS];
        let words = [p, heads, n, width, replica, 0];
        probe.run(&ROW_SUMS, &words, &[&starts, &flat, &w, &v, &out], grid);
        let want = both(|r| {
            let r = r as usize;
            twins::row_sums(&lists[r], heads, &weights[r], &values[r], width)
        });
        let what = format!("width {width}");
        close(&what, &probe.read(&out), &joined(&want), 2e-6);

        // The weights themselves, which is what is summed for the scores.
        let out = probe.blank(REPLICAS * 2 * p * heads);
        let words = [p, heads, n, 1, 2 * p * heads, 1];
        let grid = [1, 2 * p * heads, REPLICAS];
        probe.run(&ROW_SUMS, &words, &[&starts, &flat, &w, &w, &out], grid);
        let want = both(|r| {
            let r = r as usize;
            twins::row_sums(&lists[r], heads, &weights[r], &vec![1.0; n], 1)
        });
        close(&what, &probe.read(&out), &joined(&want), 2e-6);
    }
}

#[test]
fn sums_of_columns_a_block_at_a_time() {
    let Some(probe) = Probe::open() else { return };
    for rows in [1, 63, 64, 65, 129] {
        for width in GROUPS {
            let matrix = both(|r| numbers(33 + r, rows * width));
            let blocks = rows.div_ceil(64);
            let out = probe.blank(REPLICAS * blocks * width);
            let words = [rows, width, width, 0, rows * width, 0, blocks * width];
            let grid = [width.div_ceil(64), blocks, REPLICAS];
            let buffer = probe.floats(&joined(&matrix));
            probe.run(&COLUMN_SUMS, &words, &[&buffer, &out], grid);
            let want = both(|r| twins::column_sums(&matrix[r as usize], width));
            let what = format!("{rows} rows of {width}");
            close(&what, &probe.read(&out), &joined(&want), 1e-6);
        }
    }
}

#[test]
fn rows_of_the_embedding_and_back() {
    let Some(probe) = Probe::open() else { return };
    let p = 5;
    for d in GROUPS {
        let (f, pos) = (d + 1, (p + 1) * d);
        let bias = pos + 3 * d;
        let stored = bias + f;
        let parameters = both(|r| numbers(35 + r, stored));
        let [x, xd, base, c] = [(2 * p + 1) * d, 2 * p * d, d, f].map(|n| probe.blank(2 * n));
        let grid = [((2 * p + 1) * d).max(f).div_ceil(64), 1, REPLICAS];
        let buffer = probe.floats(&joined(&parameters));
        let words = [p, d, f, stored, pos, bias];
        probe.run(&ROWS, &words, &[&buffer, &x, &xd, &base, &c], grid);
        let (mut xs, mut xds, mut bases, mut cs) = (vec![], vec![], vec![], vec![]);
        for q in &parameters {
            let [x, xd] = twins::rows(&q[..pos], &q[pos..bias]);
            bases.extend_from_slice(&x[2 * p * d..]);
            cs.extend_from_slice(&q[bias..]);
            xs.extend(x);
            xds.extend(xd);
        }
        for (what, got, want) in [
            ("x", x, &xs),
            ("xd", xd, &xds),
            ("r", base, &bases),
            ("c", c, &cs),
        ] {
            close(&format!("{what}, d = {d}"), &probe.read(&got), want, 2e-7);
        }

        let dx = both(|r| numbers(37 + r, (2 * p + 1) * d));
        let [dr, sum] = [39, 41].map(|seed| both(|r| numbers(seed + r, d)));
        let [dx_, dr_, sum_] = [&dx, &dr, &sum].map(|x| probe.floats(&joined(x)));
        let gradient = probe.blank(REPLICAS * stored);
        let grid = [((p + 1) * d).div_ceil(64), 1, REPLICAS];
        let words = [p, d, stored, pos];
        probe.run(&EMBED_GRAD, &words, &[&dx_, &dr_, &sum_, &gradient], grid);
        let gradient = probe.read(&gradient);
        for r in 0..REPLICAS {
            let [embed, eq] = twins::embed_grad(&dx[r], &dr[r], &sum[r]);
            let got = &gradient[r * stored..][..stored];
            close("W_E", &got[..pos], &embed, 3e-7);
            close("W_pos of =", &got[pos + 2 * d..bias], &eq, 3e-7);
        }
    }
}

#[test]
fn adamw_steps_of_the_epoch_of_the_clock() {
    let Some(probe) = Probe::open() else { return };
    let betas = [0.9, 0.98];
    let recipe = |rate: f64, decay: f64| AdamW {
        decay,
        rate,
        root: 3.0,
        epsilon: 1e-8,
        betas,
    };
    let steps = [recipe(1e-3, 0.999), recipe(2e-2, 0.98)];
    // Those of the epoch before move nothing.
    let mut coefficients = vec![0.0; REPLICAS * 8];
    for s in &steps {
        let [b1, b2] = s.betas;
        let row = [s.decay, s.rate, s.root, s.epsilon, 1.0 - b1, b2, 1.0 - b2];
        coefficients.extend(row);
        coefficients.push(0.0);
    }
    for trained in GROUPS {
        let stored = trained + 3;
        let [gradient, weight, first] =
            [43, 45, 47].map(|seed| both(|r| numbers(seed + r, stored)));
        let second = both(|r| numbers(49 + r, stored).iter().map(|x| x.abs()).collect());
        let buffers = [&gradient, &weight, &first, &second].map(|x| probe.floats(&joined(x)));
        let [g, w, m, v] = &buffers;
        let table = probe.floats(&coefficients);
        probe.run(
            &ADAMW,
            &[trained, stored, REPLICAS],
            &[g, &table, &probe.words(&[1]), w, m, v],
            [trained.div_ceil(64), 1, REPLICAS],
        );
        let got = [w, m, v].map(|x| probe.read(x));
        for r in 0..REPLICAS {
            for i in 0..stored {
                let before = [weight[r][i], first[r][i], second[r][i]];
                let want = if i < trained {
                    twins::adamw(steps[r], gradient[r][i], before)
                } else {
                    before
                };
                for (got, want) in got.iter().zip(want) {
                    let got = got[r * stored + i];
                    assert!((got - want).abs() < 3e-7, "{i} of {trained}: {got} {want}");
                }
            }
        }
    }
}

#[test]
fn slopes_of_both_activations() {
    let Some(probe) = Probe::open() else { return };
    for count in GROUPS {
        for kind in [1, 2] {
            let mut pre: Vec<f64> = numbers(51, count).iter().map(|x| x * 5.0).collect();
            pre[0] = 0.0;
            let gradient = numbers(53, count);
            let out = probe.floats(&gradient);
            let grid = [count.div_ceil(64), 1, 1];
            let words = [count, kind as usize];
            probe.run(&SLOPE, &words, &[&probe.floats(&pre), &out], grid);
            let want: Vec<f64> = pre
                .iter()
                .zip(&gradient)
                .map(|(pre, gradient)| twins::slope(kind, *pre, *gradient))
                .collect();
            close(&format!("kind {kind}"), &probe.read(&out), &want, 1e-6);
        }
    }
}

/// What the driver makes of the two functions, whose accuracy depends on the order of operations.
#[test]
fn exp_and_log1p_survive_the_driver() {
    let Some(probe) = Probe::open() else { return };
    const TOP: &str = "@group(0) @binding(0) var<storage, read> x: array<f32>;
        @group(0) @binding(1) var<storage, read_write> y: array<f32>;\n";
    const MAIN: &str = "@compute @workgroup_size(64)
        fn main(@builtin(global_invocation_id) id: vec3u) {
            if id.x >= arrayLength(&x) { return; }";
    let kernel = |call: &str| -> &'static Kernel {
        let source = format!("{TOP}{EXP}{MAIN} y[id.x] = {call}(x[id.x]); }}");
        Box::leak(Box::new(Kernel {
            name: "probe",
            source: source.leak(),
            entry: "main",
            workgroup: [64, 1, 1],
            bindings: &[Binding::Read, Binding::Write],
        }))
    };
    let exps: Vec<f64> = (0..60_000).map(|i| f64::from(-i as f32 * 1e-3)).collect();
    let logs: Vec<f64> = (-400..200).map(|i| f64::from(1.1f32.powi(i))).collect();
    for (call, inputs, exact, most) in [
        ("exp_accurate", exps, f64::exp as fn(f64) -> f64, 2.0),
        ("log1p_accurate", logs, f64::ln_1p, 3.0),
    ] {
        let out = probe.blank(inputs.len());
        let x = probe.floats(&inputs);
        let grid = [inputs.len().div_ceil(64), 1, 1];
        probe.run(kernel(call), &[], &[&x, &out], grid);
        for (x, got) in inputs.iter().zip(probe.read(&out)) {
            let ulps = (got / exact(*x) - 1.0).abs() / f64::from(f32::EPSILON);
            assert!(ulps <= most, "{call}({x}) = {got}: {ulps} ulp");
        }
    }
}
