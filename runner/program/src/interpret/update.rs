//! Runs the operations of the update stage: filters, rules, projections.

use super::{Interpreter, Real};
use crate::op::Moved;
use crate::optimizer::{Filter, Loops, MAX_SLOTS, Settings, Sphere, move_matrix, orthogonal};
use crate::table::TableId;

impl<T: Real> Interpreter<'_, T> {
    pub(super) fn filter(&mut self, filter: &Filter, moved: &[Moved]) {
        let step = self.step;
        if let Filter::Clip(clip) = filter {
            let gradients: Vec<TableId> = moved.iter().map(|m| m.gradient).collect();
            let factor = T::from_f64(clip.factor(self.norm(&gradients)));
            for id in gradients {
                self.tables[id.0].iter_mut().for_each(|g| *g *= factor);
            }
            return;
        }
        for one in moved {
            let mut gradient = std::mem::take(&mut self.tables[one.gradient.0]);
            match filter {
                Filter::GrokfastEma(filter) => {
                    filter.apply(step, &mut gradient, &mut self.tables[one.slots[0].0]);
                }
                Filter::GrokfastMa(filter) => {
                    filter.apply(step, &mut gradient, &mut self.tables[one.slots[0].0]);
                }
                Filter::Orthogonal => orthogonal(&self.tables[one.parameter.0], &mut gradient),
                Filter::Clip(_) => {}
            }
            self.tables[one.gradient.0] = gradient;
        }
    }

    pub(super) fn update(&mut self, settings: &Settings, moved: &[Moved]) {
        let coefficients = settings.coefficients(self.step).map(T::from_f64);
        for one in moved {
            let mut weights = std::mem::take(&mut self.tables[one.parameter.0]);
            let mut direction = vec![T::ZERO; weights.len()];
            for (i, weight) in weights.iter_mut().enumerate() {
                let mut slots = [T::ZERO; MAX_SLOTS];
                for (slot, id) in slots.iter_mut().zip(&one.slots) {
                    *slot = self.tables[id.0][i];
                }
                let gradient = self.tables[one.gradient.0][i];
                let moved = settings
                    .rule
                    .update(&coefficients, *weight, gradient, &mut slots);
                for (slot, id) in slots.iter().zip(&one.slots) {
                    self.tables[id.0][i] = *slot;
                }
                if settings.rule.moves_matrices() {
                    direction[i] = moved;
                } else {
                    *weight = moved;
                }
            }
            if let (true, Some(matrix)) = (settings.rule.moves_matrices(), one.matrix) {
                move_matrix(&coefficients, matrix, &direction, &mut weights, &mut Loops);
            }
            self.tables[one.parameter.0] = weights;
        }
    }

    pub(super) fn project(&mut self, sphere: &Sphere, moved: &[Moved]) {
        let groups: Vec<&[Moved]> = if sphere.each {
            moved.chunks(1).collect()
        } else {
            vec![moved]
        };
        for group in groups {
            let parameters: Vec<TableId> = group.iter().map(|m| m.parameter).collect();
            let first = self.tables[group[0].slots[0].0][0].to_f64();
            let factor = T::from_f64(sphere.factor(first, self.norm(&parameters)));
            for id in parameters {
                self.tables[id.0].iter_mut().for_each(|w| *w *= factor);
            }
        }
    }

    /// Returns the norm of several tables taken as one vector.
    pub(super) fn norm(&self, tables: &[TableId]) -> f64 {
        let values = tables.iter().flat_map(|id| &self.tables[id.0]);
        let squares: f64 = values.map(|x| x.to_f64() * x.to_f64()).sum();
        squares.sqrt()
    }
}
