//! Defines which published code the random numbers of a run follow.

use std::fmt;

/// The source of a run's randomness, as `seeds.stream` names it.
///
/// This crate follows the stream for the split; the program crate follows it for the order in which
/// the weights are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Stream {
    /// `torch`: the split is `torch.randperm` after `torch.manual_seed`; weights are drawn in the
    /// order of TransformerLens 1.13 and later (W_E, W_pos, W_Q, **W_O, W_K, W_V**, W_in, W_out,
    /// W_U).
    #[default]
    Torch,
    /// `torch-legacy`: the split of [`Stream::Torch`]; weights in the order up to TransformerLens
    /// 1.12.1 (W_E, W_pos, W_Q, **W_K, W_V, W_O**, W_in, W_out, W_U).
    TorchLegacy,
    /// `python`: the split is `random.shuffle` after `random.seed`, as in the code of the paper;
    /// that code seeds no weights, so they are drawn as in [`Stream::Torch`].
    Python,
}

impl Stream {
    /// Every stream, in the order of the documentation.
    pub const ALL: [Stream; 3] = [Stream::Torch, Stream::TorchLegacy, Stream::Python];

    /// Returns the name in a spec.
    pub const fn name(self) -> &'static str {
        match self {
            Stream::Torch => "torch",
            Stream::TorchLegacy => "torch-legacy",
            Stream::Python => "python",
        }
    }

    /// Returns the stream with a name; `None` unless the text is exactly one of the names.
    pub fn from_name(name: &str) -> Option<Stream> {
        Stream::ALL.into_iter().find(|stream| stream.name() == name)
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_streams() {
        for stream in Stream::ALL {
            assert_eq!(Stream::from_name(&stream.to_string()), Some(stream));
        }
        assert_eq!(Stream::from_name("Torch"), None);
        assert_eq!(Stream::default().name(), "torch");
    }
}
