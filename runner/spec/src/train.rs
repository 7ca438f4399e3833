//! Reads `[train]`: checks its keys together, and writes a training down again.
//!
//! The program crate owns the rules themselves and the ranges of a recipe.

use grokrun_program::{Filter, Group, Loss, Parameters, Rule, Sphere};

use crate::at::ScheduledChange;
use crate::field::Reader;
use crate::plan::Batch;
use crate::source::Span;
use crate::table::Section;
use crate::written::Written;
use crate::{at, gradient, group, keys, optimizer, sphere};

/// A training without its length; each cell has its own learning rate and weight decay.
#[derive(Clone, Debug, PartialEq)]
pub struct Train {
    /// The rule that moves the weights; its numbers are in their ranges, also as `f32`.
    pub rule: Rule,
    /// The number of steps over which the learning rate rises linearly; 0 for none.
    pub warmup: u64,
    /// The loss that is minimised.
    pub loss: Loss,
    /// The filters that change gradients before the update, in this order.
    pub filters: Vec<Filter>,
    /// The norm that the weights keep.
    pub sphere: Option<Sphere>,
    /// Settings of some parameters; if several groups match a parameter, the last one counts.
    pub groups: Vec<Group>,
    /// The changes during the training, in this order.
    pub changes: Vec<ScheduledChange>,
}

impl Train {
    /// Reads the table. `parameters` are the model's, by which groups are checked; `batch` says how
    /// the samples reach the model.
    pub(crate) fn read(
        section: &Section<'_>,
        parameters: Option<&Parameters>,
        batch: Batch,
        reader: &mut Reader<'_>,
    ) -> Train {
        let groups = section.read(&keys::GROUP, reader);
        let changes = section.read(&keys::CHANGES, reader);
        let sphere = section.read(&keys::SPHERE, reader);
        if batch != Batch::Full {
            at::refuse_fractions(&changes, reader);
        }
        if let Some(parameters) = parameters {
            check_groups(&groups, parameters, reader);
            at::check(&changes, parameters, sphere, check_groups, reader);
        }
        Train {
            rule: optimizer::read(section, reader),
            warmup: section.read(&keys::WARMUP, reader),
            loss: section.read(&keys::LOSS, reader),
            filters: section.read(&keys::GRADIENT, reader),
            sphere,
            groups: groups.into_iter().map(|(group, _)| group).collect(),
            changes: changes.into_iter().map(|one| one.change).collect(),
        }
    }

    /// Writes the lines of the loss, the filters and the norms.
    pub(crate) fn write_rest(&self, out: &mut Written) {
        let published = self.loss == Loss::PUBLISHED;
        out.beyond(&keys::LOSS, keys::LOSS.toml(self.loss), published);
        match gradient::toml(&self.filters) {
            // In a list of values, a table would be one of several filters.
            Some(filters) if filters.starts_with('{') => {
                out.line_with_item(&keys::GRADIENT, &filters, format!("[{filters}]"));
            }
            Some(filters) => out.line(&keys::GRADIENT, &filters),
            None => out.unset(
                &keys::GRADIENT,
                "[]",
                "gradient is not set: gradients are used as they are",
            ),
        }
        match &self.sphere {
            Some(kept) => out.line(&keys::SPHERE, &sphere::toml(kept)),
            None => out.unset(
                &keys::SPHERE,
                "",
                "sphere is not set: weights are not rescaled",
            ),
        }
        let groups: Vec<String> = self.groups.iter().map(group::toml).collect();
        if groups.is_empty() {
            out.unset(
                &keys::GROUP,
                "[]",
                "group is not set: all parameters have the same settings",
            );
        } else {
            out.line(&keys::GROUP, &format!("[{}]", groups.join(", ")));
        }
        let changes: Vec<String> = self.changes.iter().map(at::toml).collect();
        if changes.is_empty() {
            out.unset(
                &keys::CHANGES,
                "[]",
                "at is not set: nothing changes on the way",
            );
        } else {
            out.line(&keys::CHANGES, &format!("[{}]", changes.join(", ")));
        }
    }
}

/// Reports groups that match no parameter, and groups that freeze everything.
fn check_groups(groups: &[(Group, Span)], parameters: &Parameters, reader: &mut Reader<'_>) {
    let mut none_matches = false;
    for (group, span) in groups {
        if parameters.iter().any(|p| group.matches(&p.name)) {
            continue;
        }
        none_matches = true;
        let names: Vec<&str> = parameters.iter().map(|p| p.name.as_str()).collect();
        let problem = format!("no parameter is called {:?}", group.matching);
        let diagnostic = reader.report.error(*span, problem);
        diagnostic
            .label("expected a name of this model, in which * stands for anything")
            .add_help(format!("the names are {}", names.join(", ")));
    }
    let frozen = |name: &str| {
        let last = groups.iter().rfind(|(group, _)| group.matches(name));
        last.is_some_and(|(group, _)| group.frozen)
    };
    let trained = parameters.iter().any(|p| p.trained && !frozen(&p.name));
    if let (false, false, Some((_, span))) = (trained, none_matches, groups.last()) {
        let diagnostic = reader.report.error(*span, "every parameter is frozen");
        diagnostic.label("expected at least one that is trained");
    }
}
