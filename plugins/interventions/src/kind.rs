//! Names the interventions for a spec.

/// An intervention: a part that is removed, or replaced.
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
    /// every head's attention is its mean; the tokens that it attends to are still the pair's
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
    /// All interventions, in the order of the report, each with its name in a spec.
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

    /// Returns the intervention of that name.
    pub(crate) fn parse(word: &str) -> Option<Kind> {
        let found = Kind::ALL.iter().find(|(name, _)| *name == word);
        found.map(|(_, kind)| *kind)
    }

    /// Returns all names, separated by commas.
    pub(crate) fn names() -> String {
        Kind::ALL.map(|(name, _)| name).join(", ")
    }
}
