//! Chooses the sizes of `forward`: the width of its workgroup, and what fits into its workgroup
//! memory. wgpu does not check workgroups and arrays whose sizes are overrides, so this module
//! does.

use crate::{MAX_INVOCATIONS, WORKGROUP_BYTES};

/// The overrides of `forward`. Only `lanes` changes bits of a result, and depends on p alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForwardSizes {
    /// number of invocations along columns, with four columns each
    pub lanes: u32,
    /// number of invocations along pairs, with eight pairs each
    pub groups: u32,
    /// number of vec4s of the inner index that are in workgroup memory at a time
    pub depth: u32,
    heads: u32,
}

impl ForwardSizes {
    /// Returns the sizes for `p` classes: at most `groups` groups of eight pairs, or fewer if the
    /// attention of so many pairs does not fit into the workgroup's memory. Returns `None` if not
    /// even eight pairs fit.
    pub fn new(p: usize, heads: usize, groups: u32) -> Option<ForwardSizes> {
        let lanes = (p.div_ceil(4) as u32).next_power_of_two().clamp(8, 64);
        let sizes = |groups| ForwardSizes {
            lanes,
            groups,
            depth: (lanes / 2).max(16),
            heads: u32::try_from(heads).unwrap_or(u32::MAX),
        };
        (1..=groups).rev().map(sizes).find(|sizes| sizes.fits())
    }

    /// Returns the number of pairs of a workgroup.
    pub fn pairs(&self) -> u32 {
        8 * self.groups
    }

    fn fits(&self) -> bool {
        let pairs = u64::from(self.pairs());
        // For each pair: a row of the tile, three weights for each head, rows and label, the
        // label's logit, and three numbers.
        let each = u64::from(self.depth) * 16 + 12 * u64::from(self.heads) + 16 + 12;
        self.lanes * self.groups <= MAX_INVOCATIONS && pairs * each <= WORKGROUP_BYTES
    }

    /// Returns the kernel's overrides. `kind` is 1 for ReLU and 2 for GELU; `learn` adds the
    /// gradients.
    pub fn constants(&self, kind: u32, learn: bool) -> Vec<(&'static str, f64)> {
        let pairs = self.pairs();
        [
            ("LANES", self.lanes),
            ("GROUPS", self.groups),
            ("DEPTH", self.depth),
            ("PAIRS", pairs),
            ("QUADS", pairs / 4),
            ("TILE", pairs * self.depth),
            ("WEIGHTS", 3 * pairs * self.heads),
            ("LEARN", u32::from(learn)),
            ("KIND", kind),
        ]
        .map(|(name, value)| (name, f64::from(value)))
        .to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_model_takes_32_pairs_a_workgroup() {
        let sizes = ForwardSizes::new(113, 4, 4).unwrap();
        assert_eq!((sizes.lanes, sizes.groups, sizes.depth), (32, 4, 16));
        assert_eq!(ForwardSizes::new(113, 4, 1).unwrap().groups, 1);
    }

    #[test]
    fn the_lanes_depend_on_p_alone() {
        for (p, lanes) in [
            (2, 8),
            (32, 8),
            (33, 16),
            (113, 32),
            (128, 32),
            (129, 64),
            (997, 64),
        ] {
            for heads in [1, 4, 100] {
                for groups in [1, 4] {
                    let sizes = ForwardSizes::new(p, heads, groups).unwrap();
                    assert_eq!(sizes.lanes, lanes);
                    assert!(sizes.depth >= sizes.lanes / 2 && sizes.fits());
                }
            }
        }
    }

    #[test]
    fn many_heads_take_fewer_pairs_and_too_many_are_refused() {
        let groups = |heads| ForwardSizes::new(113, heads, 4).map(|sizes| sizes.groups);
        assert_eq!(groups(4), Some(4));
        assert_eq!(groups(40), Some(2));
        assert_eq!(groups(130), Some(1));
        assert_eq!(groups(1024), None);
    }
}
