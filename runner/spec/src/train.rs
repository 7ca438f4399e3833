//! `[train]`: what its keys mean together, and how a training is written down again.
//!
//! The rules themselves, and what a recipe must keep, are the program crate's.

use grokrun_program::{
    Adam, AdamW, Filter, Group, Lion, Loss, Muon, Others, Parameters, Sgd, Sphere,
};

use crate::at::ScheduledChange;
use crate::axis::Point;
use crate::field::{Field, Reader};
use crate::source::Span;
use crate::table::Section;
use crate::written::Written;
use crate::{at, gradient, group, keys, sphere};

/// A training, but for its length; learning rate and weight decay are each cell's own.
#[derive(Clone, Debug, PartialEq)]
pub struct Train {
    /// The rule that moves the weights; its numbers are in their ranges, also as `f32`.
    pub rule: grokrun_program::Rule,
    /// Over how many steps the learning rate rises linearly; 0 for none.
    pub warmup: u64,
    /// What is minimised.
    pub loss: Loss,
    /// What is done to gradients first, in this order.
    pub filters: Vec<Filter>,
    /// The norm that the weights keep.
    pub sphere: Option<Sphere>,
    /// Settings of some parameters; of several that match the last one counts.
    pub groups: Vec<Group>,
    /// What changes while it goes on, in this order.
    pub changes: Vec<ScheduledChange>,
}

/// The word for a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    AdamW,
    Adam,
    Sgd,
    Lion,
    Muon,
}

impl Rule {
    /// The keys that say something of this rule, of those that not every rule has.
    fn keys(self) -> Vec<&'static dyn Field> {
        match self {
            Rule::AdamW | Rule::Adam => vec![&keys::BETAS, &keys::EPSILON],
            Rule::Sgd => vec![&keys::MOMENTUM, &keys::NESTEROV],
            Rule::Lion => vec![&keys::BETAS],
            Rule::Muon => vec![&keys::MOMENTUM, &keys::BETAS, &keys::EPSILON, &keys::OTHERS],
        }
    }
}

/// All the keys that not every rule has.
const OF_SOME: [&dyn Field; 5] = [
    &keys::BETAS,
    &keys::EPSILON,
    &keys::MOMENTUM,
    &keys::NESTEROV,
    &keys::OTHERS,
];

impl Train {
    /// Reads the table; `parameters` are those of the model, by which groups are checked.
    pub(crate) fn read(
        section: &Section<'_>,
        parameters: Option<&Parameters>,
        reader: &mut Reader<'_>,
    ) -> Train {
        let groups = section.read(&keys::GROUP, reader);
        let changes = section.read(&keys::CHANGES, reader);
        let sphere = section.read(&keys::SPHERE, reader);
        if let Some(parameters) = parameters {
            check_groups(&groups, parameters, reader);
            at::check(&changes, parameters, sphere, check_groups, reader);
        }
        Train {
            rule: read_rule(section, reader),
            warmup: section.read(&keys::WARMUP, reader),
            loss: section.read(&keys::LOSS, reader),
            filters: section.read(&keys::GRADIENT, reader),
            sphere,
            groups: groups.into_iter().map(|(group, _)| group).collect(),
            changes: changes.into_iter().map(|one| one.change).collect(),
        }
    }

    /// Writes the lines of the rule, after those of learning rate and weight decay.
    pub(crate) fn write_rule(&self, out: &mut Written) {
        let pair = |[one, two]: [f64; 2]| format!("[{}, {}]", one.toml(), two.toml());
        match &self.rule {
            grokrun_program::Rule::AdamW(AdamW { betas, epsilon })
            | grokrun_program::Rule::Adam(Adam { betas, epsilon }) => {
                out.line(&keys::BETAS, &pair(*betas));
                out.line(&keys::EPSILON, &epsilon.toml());
            }
            grokrun_program::Rule::Sgd(rule) => {
                out.line(&keys::MOMENTUM, &rule.momentum.toml());
                out.line(&keys::NESTEROV, &rule.nesterov.to_string());
            }
            grokrun_program::Rule::Lion(rule) => out.line(&keys::BETAS, &pair(rule.betas)),
            grokrun_program::Rule::Muon(Muon { momentum, others }) => {
                out.line(&keys::MOMENTUM, &momentum.toml());
                out.line(&keys::BETAS, &pair(others.rule.betas));
                out.line(&keys::EPSILON, &others.rule.epsilon.toml());
                let settings = format!(
                    "{{ learning_rate = {}, weight_decay = {} }}",
                    others.learning_rate.toml(),
                    others.weight_decay.toml()
                );
                out.line(&keys::OTHERS, &settings);
            }
        }
    }

    /// The rule's word as TOML.
    pub(crate) fn write_optimizer(&self, out: &mut Written) {
        let rule = match &self.rule {
            grokrun_program::Rule::AdamW(_) => Rule::AdamW,
            grokrun_program::Rule::Adam(_) => Rule::Adam,
            grokrun_program::Rule::Sgd(_) => Rule::Sgd,
            grokrun_program::Rule::Lion(_) => Rule::Lion,
            grokrun_program::Rule::Muon(_) => Rule::Muon,
        };
        let word = toml::Value::from(keys::OPTIMIZER.word(rule)).to_string();
        out.beyond(&keys::OPTIMIZER, word, rule == Rule::AdamW);
    }

    /// Writes the lines of the loss and of what stands around the rule.
    pub(crate) fn write_rest(&self, out: &mut Written) {
        let published = self.loss == Loss::PUBLISHED;
        out.beyond(&keys::LOSS, keys::LOSS.toml(self.loss), published);
        match gradient::toml(&self.filters) {
            // In a list of values a table would be one of several filters.
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

/// Reports groups that match no parameter, and those that leave nothing to train.
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

fn read_rule(section: &Section<'_>, reader: &mut Reader<'_>) -> grokrun_program::Rule {
    let rule = section.read(&keys::OPTIMIZER, reader);
    let own = rule.keys();
    let foreign: Vec<&dyn Field> = OF_SOME
        .into_iter()
        .filter(|key| !own.iter().any(|own| own.path() == key.path()))
        .collect();
    let word = keys::OPTIMIZER.word(rule);
    let others = format!("other optimizers than {word}");
    section.refuse(&foreign, &others, reader);
    let given = |field: &dyn Field| section.node(field).is_some();
    let silent_momentum = !given(&keys::MOMENTUM);
    let silent_betas = !given(&keys::BETAS);
    let betas = section.read(&keys::BETAS, reader);
    let epsilon = section.read(&keys::EPSILON, reader);
    match rule {
        Rule::AdamW => grokrun_program::Rule::AdamW(AdamW { betas, epsilon }),
        Rule::Adam => grokrun_program::Rule::Adam(Adam { betas, epsilon }),
        Rule::Lion => grokrun_program::Rule::Lion(Lion {
            betas: match silent_betas {
                true => keys::LION_BETAS,
                false => betas,
            },
        }),
        Rule::Sgd => {
            let momentum = section.read(&keys::MOMENTUM, reader);
            let nesterov = section.read(&keys::NESTEROV, reader);
            if nesterov
                && momentum == 0.0
                && let Some(node) = section.node(&keys::NESTEROV)
            {
                let problem = "Nesterov's form needs a momentum";
                let diagnostic = reader.report.error(node.span, problem);
                diagnostic.label("expected `momentum` above 0 beside it");
            }
            grokrun_program::Rule::Sgd(Sgd {
                momentum,
                dampening: 0.0,
                nesterov,
            })
        }
        Rule::Muon => {
            let others = Section::open(&keys::OTHERS, section.node(&keys::OTHERS), reader);
            grokrun_program::Rule::Muon(Muon {
                momentum: match silent_momentum {
                    true => keys::MUON_MOMENTUM,
                    false => section.read(&keys::MOMENTUM, reader),
                },
                others: Others {
                    rule: AdamW { betas, epsilon },
                    learning_rate: others.read(&keys::OTHERS_RATE, reader),
                    weight_decay: others.read(&keys::OTHERS_DECAY, reader),
                },
            })
        }
    }
}
