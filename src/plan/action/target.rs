//! Targets: the things that actions change, each of which only one gpunode at a time works on, whatever session file it
//! has.

use std::path::PathBuf;

/// What an action changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// This machine.
    Machine,
    /// The inventory that this file or folder belongs to, maybe on a disk that other hosts have too.
    Inventory(PathBuf),
    /// A node of the cluster.
    Node {
        /// The kubeconfig; found if absent.
        kubeconfig: Option<PathBuf>,
        /// The node's name in the cluster.
        name: String,
    },
    /// Nothing: it only looks.
    Nothing,
}
