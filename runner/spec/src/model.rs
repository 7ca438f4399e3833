//! Reads `[model]`: checks its keys together, and writes a model down again.
//!
//! The program crate owns what an architecture is and which choices are compatible.

use grokrun_program::{
    Architecture, Attention, Bias, Block, Init, Input as Reads, MAX_BLOCKS, Mask, Mlp, Neurons,
    Norm, Parameters, Pattern, Transformer,
};

use crate::field::{Field, Reader};
use crate::keys;
use crate::table::Section;
use crate::written::Written;

/// A model without the sizes that its task determines.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The kind of the model, with its layers.
    pub kind: grokrun_program::Model,
    /// Which biases the model has.
    pub biases: Biases,
    /// How the initial weights are drawn, with the stream `torch`.
    pub init: Init,
    /// The factor of every initial weight, above 0.
    pub init_scale: f64,
}

/// Which biases a model has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Biases {
    /// `frozen`: all biases are zero and stay zero.
    Frozen,
    /// `trained`: the biases of the MLP are trained, as in the code of the paper (Nanda et al.
    /// 2023).
    Trained,
    /// `all`: the biases of attention and unembedding are trained too.
    All,
    /// `none`: there are no biases, not even in checkpoints.
    None,
}

/// The word for a kind of model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Transformer,
    Mlp,
}

/// The word for what the first layer of an mlp reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    EmbeddingSum,
    EmbeddingConcat,
    TwoHot,
    Signs,
}

/// The word for how many embeddings an mlp has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Embeddings {
    Shared,
    Separate,
}

/// Keys that only a transformer has.
const OF_TRANSFORMERS: [&dyn Field; 10] = [
    &keys::LAYERS,
    &keys::HEADS,
    &keys::D_HEAD,
    &keys::D_MLP,
    &keys::MLP,
    &keys::NORM,
    &keys::MASK,
    &keys::ATTENTION,
    &keys::SEPARATOR,
    &keys::TIED,
];

/// Keys that only an mlp has.
const OF_MLPS: [&dyn Field; 3] = [&keys::INPUT, &keys::EMBEDDINGS, &keys::HIDDEN];

impl Model {
    /// Reads the table. A choice that a model cannot have is reported at its key.
    pub(crate) fn read(section: &Section<'_>, reader: &mut Reader<'_>) -> Model {
        let biases = section.read(&keys::BIASES, reader);
        let init = section.node(&keys::INIT);
        let init_scale = section.read(&keys::INIT_SCALE, reader);
        let (kind, default) = match section.read(&keys::KIND, reader) {
            Kind::Transformer => {
                let transformer = read_transformer(section, biases, reader);
                let kind = grokrun_program::Model::Transformer(transformer);
                (kind, Init::TransformerLens)
            }
            Kind::Mlp => {
                let mlp = read_mlp(section, biases, reader);
                (grokrun_program::Model::Mlp(mlp), Init::Torch)
            }
        };
        let model = Model {
            kind,
            biases,
            init: init.map_or(default, |node| {
                crate::field::Read::read(&keys::INIT, node, reader)
            }),
            init_scale,
        };
        if let (Err(error), Some(node)) = (model.init.check(&model.architecture(2)), init) {
            let problem = format!("`{}`: {error}", keys::INIT.path());
            let diagnostic = reader.report.error(node.span, problem);
            diagnostic.label("not for this model");
        }
        model
    }

    /// Returns the model for pairs of `modulus` residues.
    pub(crate) fn architecture(&self, modulus: usize) -> Architecture {
        Architecture {
            tokens: modulus,
            classes: modulus,
            operands: 2,
            model: self.kind.clone(),
        }
    }

    /// Returns the parameters of the model, for some modulus: their names do not depend on the
    /// modulus. Returns `None` if the model is not valid, which has been reported.
    pub(crate) fn parameters(&self) -> Option<Parameters> {
        Parameters::new(&self.architecture(2)).ok()
    }

    /// Writes the table's lines.
    pub(crate) fn write(&self, out: &mut Written) {
        match &self.kind {
            grokrun_program::Model::Transformer(transformer) => {
                self.write_transformer(transformer, out);
            }
            grokrun_program::Model::Mlp(mlp) => self.write_mlp(mlp, out),
        }
        out.beyond(
            &keys::INIT_SCALE,
            format!("{:?}", self.init_scale),
            self.init_scale == 1.0,
        );
    }

    fn write_transformer(&self, t: &Transformer, out: &mut Written) {
        let first = t.blocks.first();
        let attention = first.and_then(|block| block.attention);
        let neurons = first.and_then(|block| block.mlp);
        out.beyond(&keys::KIND, quoted("transformer"), true);
        out.beyond(
            &keys::LAYERS,
            t.blocks.len().to_string(),
            t.blocks.len() == 1,
        );
        if let Some(attention) = &attention {
            out.line(&keys::HEADS, &attention.heads.to_string());
        }
        out.line(&keys::D_MODEL, &t.d_model.to_string());
        if let Some(attention) = &attention {
            out.line(&keys::D_HEAD, &attention.d_head.to_string());
        }
        match &neurons {
            Some(neurons) => {
                out.line(&keys::D_MLP, &neurons.width.to_string());
                out.beyond(&keys::MLP, "true".to_owned(), true);
                out.line(
                    &keys::ACTIVATION,
                    &keys::ACTIVATION.toml(neurons.activation),
                );
            }
            None => out.line(&keys::MLP, "false"),
        }
        out.line(&keys::BIASES, &quoted(keys::BIASES.word(self.biases)));
        out.line(&keys::INIT, &keys::INIT.toml(self.init));
        out.beyond(
            &keys::NORM,
            quoted(keys::NORM.word(t.norm)),
            t.norm == Norm::None,
        );
        out.beyond(
            &keys::MASK,
            quoted(keys::MASK.word(t.mask)),
            t.mask == Mask::Causal,
        );
        if let Some(attention) = &attention {
            let pattern = keys::ATTENTION.toml(attention.pattern);
            out.beyond(
                &keys::ATTENTION,
                pattern,
                attention.pattern == Pattern::Softmax,
            );
        }
        out.beyond(&keys::SEPARATOR, t.separator.to_string(), t.separator);
        out.beyond(&keys::TIED, t.tied.to_string(), !t.tied);
    }

    fn write_mlp(&self, m: &Mlp, out: &mut Written) {
        out.line(&keys::KIND, &quoted("mlp"));
        let (input, embedding) = match m.input {
            Reads::TwoHot => (Input::TwoHot, None),
            Reads::Signs => (Input::Signs, None),
            Reads::EmbeddingSum { width, shared } => (Input::EmbeddingSum, Some((width, shared))),
            Reads::EmbeddingConcat { width, shared } => {
                (Input::EmbeddingConcat, Some((width, shared)))
            }
        };
        out.line(&keys::INPUT, &quoted(keys::INPUT.word(input)));
        if let Some((width, shared)) = embedding {
            let embeddings = if shared {
                Embeddings::Shared
            } else {
                Embeddings::Separate
            };
            out.line(&keys::D_MODEL, &width.to_string());
            out.line(
                &keys::EMBEDDINGS,
                &quoted(keys::EMBEDDINGS.word(embeddings)),
            );
        }
        out.line(&keys::HIDDEN, &format!("{:?}", m.hidden));
        out.line(&keys::ACTIVATION, &keys::ACTIVATION.toml(m.activation));
        out.line(&keys::BIASES, &quoted(keys::BIASES.word(self.biases)));
        out.line(&keys::INIT, &keys::INIT.toml(self.init));
    }
}

fn quoted(word: &str) -> String {
    toml::Value::from(word).to_string()
}

/// Reads a width. Every maximum is far below the largest usize.
fn width(field: &crate::number::Integer, section: &Section<'_>, reader: &mut Reader<'_>) -> usize {
    usize::try_from(section.read(field, reader)).unwrap_or(usize::MAX)
}

fn read_transformer(section: &Section<'_>, biases: Biases, reader: &mut Reader<'_>) -> Transformer {
    section.refuse(&OF_MLPS, "kind = \"mlp\"", reader);
    let attention = Attention {
        heads: width(&keys::HEADS, section, reader),
        d_head: width(&keys::D_HEAD, section, reader),
        pattern: section.read(&keys::ATTENTION, reader),
    };
    let mlp = section.read(&keys::MLP, reader).then(|| Neurons {
        width: width(&keys::D_MLP, section, reader),
        activation: section.read(&keys::ACTIVATION, reader),
    });
    if mlp.is_none() {
        section.refuse(
            &[&keys::D_MLP, &keys::ACTIVATION],
            "an MLP, and mlp is false",
            reader,
        );
    }
    let separator = section.read(&keys::SEPARATOR, reader);
    let mask = section.read(&keys::MASK, reader);
    if mask == Mask::Causal && !separator {
        let spans = [&keys::MASK as &dyn Field, &keys::SEPARATOR].map(|key| section.node(key));
        if let Some(node) = spans.into_iter().flatten().next() {
            let problem = "a causal mask needs '=' after the operands";
            let diagnostic = reader.report.error(node.span, problem);
            diagnostic
                .label("without '=' the last position is an operand's")
                .add_help("write mask = \"none\" together with separator = false");
        }
    }
    let layers = width(&keys::LAYERS, section, reader).min(MAX_BLOCKS);
    let (attention_biases, mlp_biases) = match biases {
        Biases::Frozen => (Bias::None, Bias::Frozen),
        Biases::Trained => (Bias::None, Bias::Trained),
        Biases::All => (Bias::Trained, Bias::Trained),
        Biases::None => (Bias::None, Bias::None),
    };
    if biases == Biases::Trained
        && mlp.is_none()
        && let Some(node) = section.node(&keys::BIASES)
    {
        let problem = "the MLP's biases are trained, and there is no MLP";
        let diagnostic = reader.report.error(node.span, problem);
        diagnostic.label("expected \"all\", \"frozen\" or \"none\"");
    }
    Transformer {
        d_model: width(&keys::D_MODEL, section, reader),
        separator,
        blocks: vec![
            Block {
                attention: Some(attention),
                mlp,
            };
            layers
        ],
        norm: section.read(&keys::NORM, reader),
        mask,
        attention_biases,
        mlp_biases,
        unembedding_bias: attention_biases,
        tied: section.read(&keys::TIED, reader),
    }
}

fn read_mlp(section: &Section<'_>, biases: Biases, reader: &mut Reader<'_>) -> Mlp {
    section.refuse(&OF_TRANSFORMERS, "kind = \"transformer\"", reader);
    let shared = section.read(&keys::EMBEDDINGS, reader) == Embeddings::Shared;
    let width = width(&keys::D_MODEL, section, reader);
    let input = match section.read(&keys::INPUT, reader) {
        input @ (Input::TwoHot | Input::Signs) => {
            let embedded: [&dyn Field; 2] = [&keys::D_MODEL, &keys::EMBEDDINGS];
            section.refuse(&embedded, "an input of embeddings", reader);
            if input == Input::TwoHot {
                Reads::TwoHot
            } else {
                Reads::Signs
            }
        }
        Input::EmbeddingSum => Reads::EmbeddingSum { width, shared },
        Input::EmbeddingConcat => Reads::EmbeddingConcat { width, shared },
    };
    Mlp {
        input,
        hidden: section.read(&keys::HIDDEN, reader),
        activation: section.read(&keys::ACTIVATION, reader),
        biases: match biases {
            // Biases that stay zero: the function is the same without them.
            Biases::Frozen | Biases::None => Bias::None,
            Biases::Trained | Biases::All => Bias::Trained,
        },
    }
}
