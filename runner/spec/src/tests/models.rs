//! Tests models, optimizers and batches of every kind, and combinations that are refused.

use grokrun_program::{Activation, Filter, Init, Input, Mask, Model, Norm, Pattern, Rule};

use super::*;
use crate::Batch;

/// Overrides that set every form of every key once.
const SETS: [&[&str]; 14] = [
    &[
        "model.layers=4",
        "model.norm=pre",
        "model.attention=uniform",
    ],
    &[
        "model={attention={rate=0.25}, mask=\"none\", separator=false, tied=true}",
        "model.activation={power=3}",
        "model.init={normal=0.02}",
        "model.init_scale=4",
    ],
    &[
        "model.mlp=false",
        "model.biases=all",
        "train.optimizer=lion",
    ],
    &[
        "model={kind=\"mlp\", input=\"two-hot\", hidden=500, activation=\"quadratic\", init=\"gromov\"}",
        "train.optimizer=sgd",
        "train.momentum=0.9",
        "train.nesterov=true",
        "train.loss=mse",
    ],
    &[
        "model={kind=\"mlp\", input=\"embedding-concat\", embeddings=\"separate\", hidden=[7, 8, 9]}",
        "data.batch={size=512, seed=-3}",
        "train.optimizer=adam",
    ],
    &[
        "train.optimizer=muon",
        "train.others={learning_rate=3e-4, weight_decay=0.5}",
        "train.sphere={multiple=0.8, each=true}",
    ],
    &[
        "train.gradient=[{clip=1}, {grokfast=\"ma\", window=7}, {orthogonal=true}]",
        "train.loss={kind=\"cross-entropy\", precision=\"bf16\", temperature=2}",
        "train.group=[{match=\"embed.*\", frozen=true}, {match=\"*.W_in\", learning_rate=0, weight_decay=2}]",
    ],
    &[
        "train.gradient={grokfast=\"ema\"}",
        "train.loss=stablemax",
        "train.sphere=2",
    ],
    &[
        "train.at=[{epoch=10, set={weight_decay=0}}, {when=\"memorised\", set={learning_rate=1e-4, sphere=1}}, {when={train_loss=1e-3}, set={sphere={multiple=1, each=true}}}]",
    ],
    &["start={run=\"runs/x\", epoch=7}"],
    &["start={file=\"w.safetensors\"}"],
    &["train.at=[{epoch=9, set={fraction=0.25}}]"],
    &["train.stop={confused={train_accuracy=0.5, by=9}, budget={epochs=9, times=2}}"],
    &["train.at=[{when=\"grokked\", set={group=[{match=\"embed.*\", frozen=true}]}}]"],
];

#[test]
fn resolved_specs_of_every_kind_give_the_same_plan() {
    let mut fingerprints = std::collections::HashSet::from([plan_with(&[]).fingerprint()]);
    for sets in SETS {
        let plan = plan_with(sets);
        let resolved = plan.resolved_toml();
        assert_eq!(good(load_with(&resolved, &[])), plan, "{resolved}");
        assert!(fingerprints.insert(plan.fingerprint()), "{sets:?}");
        let cell = &plan.cells[0];
        let architecture = cell.architecture();
        architecture.check().unwrap();
        let parameters = grokrun_program::Parameters::new(&architecture).unwrap();
        cell.recipe().check(&parameters).unwrap();
        cell.init().check(&architecture).unwrap();
        cell.settings.train.loss.check().unwrap();
    }
}

#[test]
fn words_mean_what_they_say() {
    let plan = plan_with(SETS[1]);
    let Model::Transformer(model) = &plan.cells[0].settings.model.kind else {
        panic!("a transformer");
    };
    assert_eq!(
        (model.norm, model.mask, model.separator),
        (Norm::None, Mask::None, false)
    );
    let block = &model.blocks[0];
    assert_eq!(block.attention.unwrap().pattern, Pattern::Rate(0.25));
    assert_eq!(block.mlp.unwrap().activation, Activation::Power(3));
    assert_eq!(
        {
            let model = &plan.cells[0].settings.model;
            (model.init, model.init_scale)
        },
        (Init::Normal(0.02), 4.0)
    );

    let plan = plan_with(SETS[4]);
    let Model::Mlp(model) = &plan.cells[0].settings.model.kind else {
        panic!("an mlp");
    };
    let input = Input::EmbeddingConcat {
        width: 128,
        shared: false,
    };
    assert_eq!(
        (model.input, model.hidden.as_slice()),
        (input, &[7, 8, 9][..])
    );
    assert_eq!(
        plan.cells[0].settings.model.init,
        Init::Torch,
        "the default of an mlp"
    );
    assert_eq!(
        plan.cells[0].settings.batch,
        Batch::Size {
            size: 512,
            seed: -3
        }
    );

    let lion = plan_with(SETS[2]).cells[0].settings.train.rule;
    assert!(matches!(lion, Rule::Lion(lion) if lion.betas == [0.9, 0.99]));
    let muon = plan_with(SETS[5]).cells[0].settings.train.rule;
    assert!(matches!(muon, Rule::Muon(muon) if muon.momentum == 0.95
        && muon.others.learning_rate == 3e-4 && muon.others.rule.betas == [0.9, 0.98]));
    let filters = plan_with(SETS[6]).cells[0].settings.train.filters.clone();
    assert!(matches!(filters[1], Filter::GrokfastMa(ma) if ma.window == 7 && ma.lambda == 5.0));
    assert_eq!(filters.len(), 3);
}

/// Overrides that are refused, and a part of the message.
const WRONG: [(&[&str], &str); 23] = [
    (&["model.separator=false"], "a causal mask needs '='"),
    (
        &["model.kind=mlp", "model.heads=2"],
        "`model.heads` is a setting of kind = \"transformer\"",
    ),
    (
        &["model.hidden=[3]"],
        "`model.hidden` is a setting of kind = \"mlp\"",
    ),
    (
        &["model.kind=mlp", "model.hidden=[1, 2, 3, 4]"],
        "`model.hidden` must be a list of 1 to 3",
    ),
    (
        &["model.kind=mlp", "model.hidden=[]"],
        "`model.hidden` must be a list of 1 to 3",
    ),
    (
        &["model.kind=mlp", "model.input=two-hot", "model.d_model=3"],
        "`model.d_model` is a setting of an input of embeddings",
    ),
    (
        &["model.mlp=false", "model.d_mlp=3"],
        "`model.d_mlp` is a setting of an MLP",
    ),
    (
        &["model.mlp=false", "model.biases=trained"],
        "there is no MLP",
    ),
    (&["model.init=torch"], "`model.init`"),
    (&["model.kind=mlp", "model.init=paper"], "`model.init`"),
    (&["model.layers=5"], "`model.layers` must be"),
    (
        &["model.attention={rate=1.5}"],
        "`model.attention.rate` must be",
    ),
    (&["model.attention=hard"], "`model.attention` must be"),
    (
        &["model.activation={power=1}"],
        "`model.activation.power` must be",
    ),
    (
        &["train.momentum=0.9"],
        "`train.momentum` is a setting of other optimizers than adamw",
    ),
    (
        &["train.optimizer=sgd", "train.nesterov=true"],
        "needs a momentum",
    ),
    (
        &["train.loss={kind=\"mse\", precision=\"f16\"}"],
        "half precision",
    ),
    (
        &["train.gradient={clip=1, orthogonal=true}"],
        "needs one kind of filter",
    ),
    (
        &["train.gradient={clip=1, alpha=0.5}"],
        "`train.gradient.alpha` is a setting of grokfast",
    ),
    (
        &["train.group=[{match=\"nothing\", frozen=true}]"],
        "no parameter is called",
    ),
    (
        &["train.group=[{match=\"*\", frozen=true}]"],
        "every parameter is frozen",
    ),
    (
        &["data.batch={size=4000, seed=0}"],
        "a minibatch of 4000 samples, of 3830",
    ),
    (
        &[
            "data.batch={size=40, seed=0}",
            "train.at=[{epoch=9, set={fraction=0.5}}]",
        ],
        "sets another fraction where `data.batch` is not full",
    ),
];

#[test]
fn what_cannot_be_is_located_and_said() {
    for (sets, part) in WRONG {
        let said = messages(load_with(SMALLEST, sets));
        assert!(
            said.iter().any(|message| message.contains(part)),
            "{sets:?}: {said:?}"
        );
    }
}
