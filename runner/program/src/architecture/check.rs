//! Checks the rules that an architecture must keep.

use super::{
    Activation, Architecture, ArchitectureError, Block, Input, MAX_BLOCKS, MAX_HIDDEN, MAX_INPUTS,
    MAX_OPERANDS, Mask, Mlp, Model, Pattern, Transformer,
};

impl Architecture {
    /// Checks that the choices are compatible.
    ///
    /// # Errors
    /// Returns the first rule that the architecture breaks.
    pub fn check(&self) -> Result<(), ArchitectureError> {
        size("tokens", self.tokens, 2)?;
        size("classes", self.classes, 2)?;
        match &self.model {
            Model::Transformer(transformer) => self.check_transformer(transformer),
            Model::Mlp(mlp) => {
                between("operands", self.operands, MAX_INPUTS, "1 to 64")?;
                if mlp.input == Input::Signs && self.tokens != 2 {
                    return Err(ArchitectureError::Signs {
                        tokens: self.tokens,
                    });
                }
                mlp.check()
            }
        }
    }

    fn check_transformer(&self, t: &Transformer) -> Result<(), ArchitectureError> {
        between("operands", self.operands, MAX_OPERANDS, "1 to 5")?;
        size("d_model", t.d_model, 1)?;
        between("layers", t.blocks.len(), MAX_BLOCKS, "1 to 4")?;
        for (number, block) in t.blocks.iter().enumerate() {
            block.check(number)?;
        }
        if t.blocks.iter().all(|block| block.attention.is_none()) {
            return Err(ArchitectureError::NoAttention);
        }
        if t.mask == Mask::Causal && !t.separator {
            return Err(ArchitectureError::MaskWithoutSeparator);
        }
        if t.tied && self.classes != self.tokens {
            return Err(ArchitectureError::Tied {
                classes: self.classes,
                tokens: self.tokens,
            });
        }
        Ok(())
    }
}

impl Block {
    fn check(&self, block: usize) -> Result<(), ArchitectureError> {
        if self.attention.is_none() && self.mlp.is_none() {
            return Err(ArchitectureError::EmptyBlock { block });
        }
        if let Some(attention) = &self.attention {
            size("heads", attention.heads, 1)?;
            size("d_head", attention.d_head, 1)?;
            if let Pattern::Rate(rate) = attention.pattern
                && !(0.0..=1.0).contains(&rate)
            {
                return Err(ArchitectureError::Rate { block, rate });
            }
        }
        match &self.mlp {
            Some(neurons) => {
                size("d_mlp", neurons.width, 1)?;
                neurons.activation.check()
            }
            None => Ok(()),
        }
    }
}

impl Mlp {
    fn check(&self) -> Result<(), ArchitectureError> {
        between("hidden layers", self.hidden.len(), MAX_HIDDEN, "1 to 3")?;
        for width in &self.hidden {
            size("hidden", *width, 1)?;
        }
        if let Input::EmbeddingSum { width, .. } | Input::EmbeddingConcat { width, .. } = self.input
        {
            size("the width of the embedding", width, 1)?;
        }
        self.activation.check()
    }
}

impl Activation {
    fn check(self) -> Result<(), ArchitectureError> {
        match self {
            Activation::Power(power) if !(2..=8).contains(&power) => {
                Err(ArchitectureError::Power { power })
            }
            _ => Ok(()),
        }
    }
}

/// The largest value of any dimension; the product of three dimensions still fits 64 bits.
const MAX_SIZE: usize = 1 << 20;

fn size(what: &'static str, given: usize, least: usize) -> Result<(), ArchitectureError> {
    if (least..=MAX_SIZE).contains(&given) {
        return Ok(());
    }
    let expected = if least == 1 {
        "1 to 1,048,576"
    } else {
        "2 to 1,048,576"
    };
    Err(ArchitectureError::Size {
        what,
        given,
        expected,
    })
}

fn between(
    what: &'static str,
    given: usize,
    most: usize,
    expected: &'static str,
) -> Result<(), ArchitectureError> {
    if (1..=most).contains(&given) {
        return Ok(());
    }
    Err(ArchitectureError::Size {
        what,
        given,
        expected,
    })
}
