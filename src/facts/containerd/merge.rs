//! What containerd makes of a drop-in beside a root file: the rules differ between releases.
//! Source: run on 1.6.20, 1.7.24 and 2.1.9; 2.2 and 2.3 read in their source and in issues only (owners.md 1.5).

use crate::version::Version;

/// What becomes of a drop-in with CRI settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// Both hold, key by key.
    Deep,
    /// The drop-in's CRI section stands in the place of the root file's.
    Replaces,
    /// containerd starts and silently loses the settings of one of them.
    Lost,
    /// containerd does not start.
    Refused,
}

/// Returns what this containerd makes of a drop-in of version `drop_in` beside a root file of version `root`.
pub fn merge(containerd: &Version, root: u32, drop_in: u32) -> Merge {
    let is_at_least = |major: u32, minor: u32| (containerd.part(0), containerd.part(1)) >= (major, minor);
    match () {
        () if !is_at_least(2, 0) && drop_in > 2 => Merge::Refused,
        () if !is_at_least(2, 0) => Merge::Replaces,
        () if is_at_least(2, 3) && drop_in > root => Merge::Refused,
        () if is_at_least(2, 3) => Merge::Deep,
        () if drop_in > 3 => Merge::Refused,
        () if drop_in == root => Merge::Deep,
        () => Merge::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_release_has_its_rule() {
        for (containerd, root, drop_in, expected) in [
            ("1.6.20", 2, 2, Merge::Replaces),
            ("1.7.24", 2, 3, Merge::Refused),
            ("2.0.5", 3, 3, Merge::Deep),
            ("2.1.9", 2, 3, Merge::Lost),
            ("2.1.9", 3, 2, Merge::Lost),
            ("2.2.3", 3, 4, Merge::Refused),
            ("2.3.4", 4, 3, Merge::Deep),
            ("2.3.4", 3, 4, Merge::Refused),
            ("2.10.0", 4, 2, Merge::Deep),
        ] {
            assert_eq!(merge(&containerd.parse().unwrap(), root, drop_in), expected, "{containerd} {root} {drop_in}");
        }
    }
}
