//! Lowers the update stage: filters, rules, projections.

use grokrun_program::{
    Filter, ITERATIONS, Moved, Op, QUINTIC, Settings, Sphere, Stage, TableId, Write,
};
use grokrun_shaders::program::{dots, factor, grokfast, muon, scale, update};

use super::{Lowering, NUMBERS, Numbers};
use crate::gpu::programs::coefficients;

/// The number of entries of which `dots` makes one part.
const DOT: usize = 4096;
/// The factor of gradients before they are squared, if only a ratio of norms is needed: squares of
/// small gradients would be 0.
const LARGER: f32 = (1u32 << 30) as f32;

/// The kinds of the kernel `factor`.
#[derive(Clone, Copy)]
enum Kind {
    Clip = 1,
    Along = 2,
    Keep = 3,
    Sphere = 4,
    Unit = 5,
}

impl Lowering<'_> {
    pub(super) fn update(&mut self) {
        let mut first = 0;
        let program = self.program;
        for op in program.stage(Stage::Update) {
            match op {
                Op::Filter { filter, moved } => self.filter(filter, moved, first),
                Op::Update { settings, moved } => {
                    for one in moved {
                        self.rule(settings, one, first);
                    }
                }
                Op::Project { sphere, moved } => self.project(sphere, moved),
                // A stage may hold any operation.
                other => self.op(other),
            }
            first += coefficients::count(op);
        }
    }

    fn filter(&mut self, filter: &Filter, moved: &[Moved], coefficients: usize) {
        match filter {
            Filter::Clip(clip) => {
                let gradients: Vec<TableId> = moved.iter().map(|m| m.gradient).collect();
                let squares = self.squares(&gradients);
                let factor = self.factor(Kind::Clip, [squares, None], clip.most as f32, None);
                for id in gradients {
                    let gradient = self.table(id);
                    self.scale(gradient, factor, None);
                }
            }
            Filter::Orthogonal => {
                for one in moved {
                    self.orthogonal(one);
                }
            }
            Filter::GrokfastEma(_) => self.grokfast(moved, 0, coefficients),
            Filter::GrokfastMa(filter) => self.grokfast(moved, filter.window.max(1), coefficients),
        }
    }

    /// Lowers both forms of Grokfast; `window` is 0 for the moving average.
    fn grokfast(&mut self, moved: &[Moved], window: usize, coefficients: usize) {
        for one in moved {
            // The program's check gives every moving average its slot.
            let Some(slot) = one.slots.first() else {
                continue;
            };
            let [gradient, kept] = [one.gradient, *slot].map(|id| self.table(id));
            let job = grokfast::Job {
                tile: 0,
                count: gradient.count as u32,
                gradient: gradient.first as u32,
                kept: kept.first as u32,
                window: window as u32,
                coefficients: coefficients as u32,
            };
            let touched = vec![gradient.region(), kept.region()];
            let tiles = gradient.count.div_ceil(NUMBERS);
            self.push(&grokfast::KERNEL, &job, tiles, touched.clone(), touched);
        }
    }

    /// Removes the component along the weights, and keeps the norm.
    fn orthogonal(&mut self, one: &Moved) {
        let [weights, gradient] = [one.parameter, one.gradient].map(|id| self.table(id));
        let along = self.dots(&[(weights, gradient)], 1.0);
        let own = self.dots(&[(weights, weights)], 1.0);
        let before = self.dots(&[(gradient, gradient)], LARGER);
        let factor = self.factor(Kind::Along, [along, own], 0.0, None);
        self.scale(gradient, factor, Some(weights));
        let after = self.dots(&[(gradient, gradient)], LARGER);
        let factor = self.factor(Kind::Keep, [before, after], 0.0, None);
        self.scale(gradient, factor, None);
    }

    fn project(&mut self, sphere: &Sphere, moved: &[Moved]) {
        let groups: Vec<&[Moved]> = if sphere.each {
            moved.chunks(1).collect()
        } else {
            vec![moved]
        };
        for group in groups {
            let parameters: Vec<TableId> = group.iter().map(|m| m.parameter).collect();
            let slot = group.first().and_then(|m| m.slots.first());
            let first = slot.map(|id| self.table(*id));
            let squares = self.squares(&parameters);
            let multiple = sphere.multiple as f32;
            let factor = self.factor(Kind::Sphere, [squares, None], multiple, first);
            for id in parameters {
                let weights = self.table(id);
                self.scale(weights, factor, None);
            }
        }
    }

    fn rule(&mut self, settings: &Settings, one: &Moved, coefficients: usize) {
        if settings.rule.moves_matrices() {
            self.muon(one, coefficients);
            return;
        }
        let [weights, gradient] = [one.parameter, one.gradient].map(|id| self.table(id));
        let slots: Vec<Numbers> = one.slots.iter().map(|id| self.table(*id)).collect();
        let slot = |i: usize| slots.get(i).map_or(0, |slot| slot.first as u32);
        let job = update::Job {
            tile: 0,
            count: weights.count as u32,
            rule: settings.rule.formula(),
            weights: weights.first as u32,
            gradient: gradient.first as u32,
            first: slot(0),
            second: slot(1),
            coefficients: coefficients as u32,
        };
        let mut writes = vec![weights.region()];
        writes.extend(slots.iter().map(Numbers::region));
        let mut reads = writes.clone();
        reads.push(gradient.region());
        let tiles = weights.count.div_ceil(NUMBERS);
        self.push(&update::KERNEL, &job, tiles, reads, writes);
    }

    /// Lowers w ← c0 w − c1 √max(1, outputs / inputs) NS(u), on the transposed matrix if that has
    /// fewer rows.
    fn muon(&mut self, one: &Moved, coefficients: usize) {
        // The program's check gives every parameter of this rule both.
        let (Some(matrix), Some(slot)) = (one.matrix, one.slots.first()) else {
            return;
        };
        let (inputs, outputs) = (matrix.inputs, matrix.heads * matrix.outputs);
        let (rows, cols) = (inputs.min(outputs), inputs.max(outputs));
        let ids = [one.parameter, one.gradient, *slot];
        let [weights, gradient, momentum] = ids.map(|id| self.table(id));
        let [mut x, mut next] = [rows * cols; 2].map(|count| self.scratch(count));
        let [square, both] = [rows * rows; 2].map(|count| self.scratch(count));
        let mut job = muon::Job {
            tile: 0,
            phase: 1,
            heads: matrix.heads as u32,
            inputs: matrix.inputs as u32,
            outputs: matrix.outputs as u32,
            turned: u32::from(inputs > outputs),
            weights: weights.first as u32,
            gradient: gradient.first as u32,
            momentum: momentum.first as u32,
            matrix: x.first as u32,
            coefficients: coefficients as u32,
            wide: (outputs as f64 / inputs as f64).max(1.0).sqrt() as f32,
        };
        let tiles = weights.count.div_ceil(NUMBERS);
        let reads = vec![gradient.region(), momentum.region()];
        let writes = vec![momentum.region(), x.region()];
        self.push(&muon::KERNEL, &job, tiles, reads, writes);
        let squares = self.dots(&[(x, x)], 1.0);
        let unit = self.factor(Kind::Unit, [squares, None], 0.0, None);
        self.scale(x, unit, None);
        let [a, b, c] = QUINTIC;
        for _ in 0..ITERATIONS {
            let (x_, square_) = (x.read(cols), square.read(rows));
            let to = square.target(rows, rows, Write::Set);
            self.product(to, 1.0, &[(x_, x_.t(), cols)]);
            let to = both.target(rows, rows, Write::Set);
            self.product(to, c as f32, &[(square_, square_, rows)]);
            self.add_scaled(both, b, square);
            let to = next.target(rows, cols, Write::Set);
            self.product(to, 1.0, &[(both.read(rows), x_, rows)]);
            self.add_scaled(next, a, x);
            (x, next) = (next, x);
        }
        job.phase = 2;
        job.matrix = x.first as u32;
        let reads = vec![weights.region(), x.region()];
        self.push(&muon::KERNEL, &job, tiles, reads, vec![weights.region()]);
    }

    /// Returns the parts of the sum of squares of several tables.
    fn squares(&mut self, tables: &[TableId]) -> Option<Numbers> {
        let pairs: Vec<(Numbers, Numbers)> = tables
            .iter()
            .map(|id| self.table(*id))
            .map(|table| (table, table))
            .collect();
        self.dots(&pairs, 1.0)
    }

    /// Returns the parts of the sum of products of pairs of entries, all side by side.
    fn dots(&mut self, pairs: &[(Numbers, Numbers)], larger: f32) -> Option<Numbers> {
        let parts = pairs.iter().map(|(left, _)| left.count.div_ceil(DOT));
        let all = self.scratch(parts.clone().sum());
        let mut first = all.first;
        for ((left, right), count) in pairs.iter().zip(parts) {
            let job = dots::Job {
                tile: 0,
                count: left.count as u32,
                left: left.first as u32,
                right: right.first as u32,
                scale: larger,
                out: first as u32,
            };
            let out = Numbers {
                first,
                count,
                ..all
            };
            let reads = vec![left.region(), right.region()];
            self.push(&dots::KERNEL, &job, count, reads, vec![out.region()]);
            first += count;
        }
        Some(all)
    }

    /// Returns a factor of one or two sums of parts.
    fn factor(
        &mut self,
        kind: Kind,
        [a, b]: [Option<Numbers>; 2],
        number: f32,
        source: Option<Numbers>,
    ) -> Numbers {
        let out = self.scratch(1);
        let first = |of: Option<Numbers>| of.map_or(0, |of| of.first as u32);
        let count = |of: Option<Numbers>| of.map_or(0, |of| of.count as u32);
        let job = factor::Job {
            tile: 0,
            kind: kind as u32,
            first: first(a),
            count: count(a),
            other: first(b),
            others: count(b),
            number,
            source: first(source),
            out: out.first as u32,
        };
        let reads = [a, b, source].into_iter().flatten().map(|of| of.region());
        let reads = reads.collect();
        self.push(&factor::KERNEL, &job, 1, reads, vec![out.region()]);
        out
    }

    /// Adds of ← factor · of, or with `other` of ← of + factor · other.
    fn scale(&mut self, of: Numbers, factor: Numbers, other: Option<Numbers>) {
        let job = scale::Job {
            tile: 0,
            count: of.count as u32,
            first: of.first as u32,
            other: other.map_or(0, |other| other.first as u32),
            along: u32::from(other.is_some()),
            factor: factor.first as u32,
        };
        let mut reads = vec![of.region(), factor.region()];
        reads.extend(other.map(|other| other.region()));
        let tiles = of.count.div_ceil(NUMBERS);
        self.push(&scale::KERNEL, &job, tiles, reads, vec![of.region()]);
    }
}
