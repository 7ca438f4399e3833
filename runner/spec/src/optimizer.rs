//! Reads and writes optimizers: their words, and the keys that only some of them have.
//!
//! The program crate owns what a rule does and which numbers a rule accepts.

use grokrun_program::{Adam, AdamW, Lion, Muon, Others, Rule, Sgd};

use crate::axis::Point as _;
use crate::field::{Choice, Field, Flag, Presence, Reader};
use crate::number::{End, Number, Pair, Width};
use crate::table::{Section, Table};
use crate::written::Written;

/// The word for a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    AdamW,
    Adam,
    Sgd,
    Lion,
    Muon,
}

impl Word {
    /// Returns the keys of this rule, among those that only some rules have.
    fn keys(self) -> Vec<&'static dyn Field> {
        match self {
            Word::AdamW | Word::Adam => vec![&BETAS, &EPSILON],
            Word::Sgd => vec![&MOMENTUM, &NESTEROV],
            Word::Lion => vec![&BETAS],
            Word::Muon => vec![&MOMENTUM, &BETAS, &EPSILON, &OTHERS],
        }
    }
}

/// The keys that only some rules have.
const OF_SOME: [&dyn Field; 5] = [&BETAS, &EPSILON, &MOMENTUM, &NESTEROV, &OTHERS];

pub(crate) static OPTIMIZER: Choice<Word> = Choice {
    path: "train.optimizer",
    about: "The rule that moves the weights. muon moves the matrices between embedding and \
            unembedding; adamw moves the rest, with the settings of `others`.",
    default: ("adamw", Word::AdamW),
    others: &[
        ("adam", Word::Adam),
        ("sgd", Word::Sgd),
        ("lion", Word::Lion),
        ("muon", Word::Muon),
    ],
};

pub(crate) static BETAS: Pair = Pair {
    each: Number {
        path: "train.betas",
        about: "The decay rates of the first and the second moment (adamw, adam, muon's others), or \
                of the direction and the moment (lion, for which they are [0.9, 0.99] where the \
                spec is silent).",
        low: End::Closed(0.0),
        high: End::Open(1.0),
        width: Width::Single,
        presence: Presence::Default(0.9),
    },
    default: [0.9, 0.98],
};

pub(crate) static EPSILON: Number = Number {
    path: "train.epsilon",
    about: "What adamw, adam and muon's others add to the root of the second moment.",
    low: End::Open(0.0),
    high: End::None,
    width: Width::Single,
    presence: Presence::Default(1e-8),
};

pub(crate) static MOMENTUM: Number = Number {
    path: "train.momentum",
    about: "The momentum of sgd (0 where the spec is silent) and muon (0.95).",
    low: End::Closed(0.0),
    high: End::Open(1.0),
    width: Width::Single,
    presence: Presence::Default(0.0),
};

/// The default of Muon's momentum (Jordan et al. 2024).
pub(crate) const MUON_MOMENTUM: f64 = 0.95;

/// The default of Lion's betas (Chen et al. 2023).
pub(crate) const LION_BETAS: [f64; 2] = [0.9, 0.99];

pub(crate) static NESTEROV: Flag = Flag {
    path: "train.nesterov",
    about: "Whether sgd looks ahead; needs a momentum.",
    default: false,
};

pub(crate) static OTHERS: Table = Table {
    path: "train.others",
    about: "The settings of adamw for what muon does not move: embeddings, positions, unembedding, \
            vectors.",
    required: None,
    fields: &[&OTHERS_RATE, &OTHERS_DECAY],
};

pub(crate) static OTHERS_RATE: Number = Number {
    path: "train.others.learning_rate",
    about: "The learning rate.",
    low: End::Open(0.0),
    high: End::None,
    width: Width::Single,
    presence: Presence::Default(1e-3),
};

pub(crate) static OTHERS_DECAY: Number = Number {
    path: "train.others.weight_decay",
    about: "The weight decay.",
    low: End::Closed(0.0),
    high: End::None,
    width: Width::Single,
    presence: Presence::Default(1.0),
};

pub(crate) fn read(section: &Section<'_>, reader: &mut Reader<'_>) -> Rule {
    let rule = section.read(&OPTIMIZER, reader);
    let own = rule.keys();
    let foreign: Vec<&dyn Field> = OF_SOME
        .into_iter()
        .filter(|key| !own.iter().any(|own| own.path() == key.path()))
        .collect();
    let word = OPTIMIZER.word(rule);
    let others = format!("other optimizers than {word}");
    section.refuse(&foreign, &others, reader);
    let given = |field: &dyn Field| section.node(field).is_some();
    let silent_momentum = !given(&MOMENTUM);
    let silent_betas = !given(&BETAS);
    let betas = section.read(&BETAS, reader);
    let epsilon = section.read(&EPSILON, reader);
    match rule {
        Word::AdamW => Rule::AdamW(AdamW { betas, epsilon }),
        Word::Adam => Rule::Adam(Adam { betas, epsilon }),
        Word::Lion => Rule::Lion(Lion {
            betas: if silent_betas { LION_BETAS } else { betas },
        }),
        Word::Sgd => {
            let momentum = section.read(&MOMENTUM, reader);
            let nesterov = section.read(&NESTEROV, reader);
            if nesterov
                && momentum == 0.0
                && let Some(node) = section.node(&NESTEROV)
            {
                let problem = "Nesterov's form needs a momentum";
                let diagnostic = reader.report.error(node.span, problem);
                diagnostic.label("expected a `momentum` above 0 as well");
            }
            Rule::Sgd(Sgd {
                momentum,
                dampening: 0.0,
                nesterov,
            })
        }
        Word::Muon => {
            let others = Section::open(&OTHERS, section.node(&OTHERS), reader);
            Rule::Muon(Muon {
                momentum: if silent_momentum {
                    MUON_MOMENTUM
                } else {
                    section.read(&MOMENTUM, reader)
                },
                others: Others {
                    rule: AdamW { betas, epsilon },
                    learning_rate: others.read(&OTHERS_RATE, reader),
                    weight_decay: others.read(&OTHERS_DECAY, reader),
                },
            })
        }
    }
}

/// Writes the lines of the rule, after those of learning rate and weight decay.
pub(crate) fn write_numbers(rule: &Rule, out: &mut Written) {
    let pair = |[one, two]: [f64; 2]| format!("[{}, {}]", one.toml(), two.toml());
    match rule {
        Rule::AdamW(AdamW { betas, epsilon }) | Rule::Adam(Adam { betas, epsilon }) => {
            out.line(&BETAS, &pair(*betas));
            out.line(&EPSILON, &epsilon.toml());
        }
        Rule::Sgd(rule) => {
            out.line(&MOMENTUM, &rule.momentum.toml());
            out.line(&NESTEROV, &rule.nesterov.to_string());
        }
        Rule::Lion(rule) => out.line(&BETAS, &pair(rule.betas)),
        Rule::Muon(Muon { momentum, others }) => {
            out.line(&MOMENTUM, &momentum.toml());
            out.line(&BETAS, &pair(others.rule.betas));
            out.line(&EPSILON, &others.rule.epsilon.toml());
            let settings = format!(
                "{{ learning_rate = {}, weight_decay = {} }}",
                others.learning_rate.toml(),
                others.weight_decay.toml()
            );
            out.line(&OTHERS, &settings);
        }
    }
}

/// Writes the rule's word as TOML.
pub(crate) fn write_word(rule: &Rule, out: &mut Written) {
    let own = match rule {
        Rule::AdamW(_) => Word::AdamW,
        Rule::Adam(_) => Word::Adam,
        Rule::Sgd(_) => Word::Sgd,
        Rule::Lion(_) => Word::Lion,
        Rule::Muon(_) => Word::Muon,
    };
    let word = toml::Value::from(OPTIMIZER.word(own)).to_string();
    out.beyond(&OPTIMIZER, word, own == Word::AdamW);
}
