//! What can be done to a model, and its names in a spec.

/// Something that is taken out, or replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// a head's output is 0, one head at a time
    HeadZero,
    /// a head's output is its mean over pairs, one head at a time
    HeadMean,
    /// every head's output is 0
    AllHeadsZero,
    /// every head's output is its mean
    AllHeadsMean,
    /// every head's attention is its mean: what it looks at is still the pair's
    MeanAttention,
    /// the MLP's output is 0
    MlpZero,
    /// the MLP's output is its mean
    MlpMean,
    /// the residual stream before attention is not added to attention's output
    SkipAttentionZero,
    /// its mean is added
    SkipAttentionMean,
    /// the residual stream after attention is not added to the MLP's output
    SkipMlpZero,
    /// its mean is added
    SkipMlpMean,
}

impl Kind {
    /// All, in the order of the report, each with its name in a spec.
    pub(crate) const ALL: [(&'static str, Kind); 11] = [
        ("head-zero", Kind::HeadZero),
        ("head-mean", Kind::HeadMean),
        ("all-heads-zero", Kind::AllHeadsZero),
        ("all-heads-mean", Kind::AllHeadsMean),
        ("mean-attention", Kind::MeanAttention),
        ("mlp-zero", Kind::MlpZero),
        ("mlp-mean", Kind::MlpMean),
        ("skip-attention-zero", Kind::SkipAttentionZero),
        ("skip-attention-mean", Kind::SkipAttentionMean),
        ("skip-mlp-zero", Kind::SkipMlpZero),
        ("skip-mlp-mean", Kind::SkipMlpMean),
    ];

    /// The one of that name.
    pub(crate) fn parse(word: &str) -> Option<Kind> {
        let found = Kind::ALL.iter().find(|(name, _)| *name == word);
        found.map(|(_, kind)| *kind)
    }

    /// All names, with commas.
    pub(crate) fn names() -> String {
        Kind::ALL.map(|(name, _)| name).join(", ")
    }
}
