//! The four phases of learning (Liu et al. 2022, Towards Understanding Grokking, section 3).

/// A phase of learning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// the test part is solved soon after the training part
    Comprehension,
    /// the test part is solved long after the training part
    Grokking,
    /// only the training part is solved
    Memorisation,
    /// neither is solved
    Confusion,
    /// only the test part is solved, as with wrong labels in the training part; Liu et al. have no
    /// name for it
    TestOnly,
}

impl Phase {
    /// All of them.
    pub const ALL: [Phase; 5] = [
        Phase::Comprehension,
        Phase::Grokking,
        Phase::Memorisation,
        Phase::Confusion,
        Phase::TestOnly,
    ];

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Phase::Comprehension => "comprehension",
            Phase::Grokking => "grokking",
            Phase::Memorisation => "memorisation",
            Phase::Confusion => "confusion",
            Phase::TestOnly => "test part only",
        }
    }

    /// The phase of that name.
    pub fn of_word(word: &str) -> Option<Phase> {
        Phase::ALL.into_iter().find(|phase| phase.word() == word)
    }
}

/// The phase of a cell that solved the training part and the test part at these epochs, or did not
/// by the end. The test part is solved soon if it is solved less than `gap` epochs later.
pub fn phase(train: Option<u64>, test: Option<u64>, gap: u64) -> Phase {
    match (train, test) {
        (Some(train), Some(test)) if test.saturating_sub(train) < gap => Phase::Comprehension,
        (Some(_), Some(_)) => Phase::Grokking,
        (Some(_), None) => Phase::Memorisation,
        (None, Some(_)) => Phase::TestOnly,
        (None, None) => Phase::Confusion,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_follow_lius_rule() {
        for (train, test, want) in [
            (Some(100), Some(1099), Phase::Comprehension),
            (Some(100), Some(1100), Phase::Grokking),
            (Some(500), Some(100), Phase::Comprehension),
            (Some(100), None, Phase::Memorisation),
            (None, None, Phase::Confusion),
            (None, Some(7), Phase::TestOnly),
        ] {
            assert_eq!(phase(train, test, 1000), want);
        }
        for phase in Phase::ALL {
            assert_eq!(Phase::of_word(phase.word()), Some(phase));
        }
        assert_eq!(Phase::of_word("other"), None);
    }
}
