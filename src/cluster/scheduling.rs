//! Why nothing happens: DESIRED 0, no pod, Pending.
//!
//! [`constraints`] reads what a pod wants of a node, [`unschedulable`] holds it against a node by Kubernetes' own
//! rules, [`explain`] turns what is left into one finding, with the scheduler's words as evidence.

pub mod constraints;
pub mod explain;
pub mod unschedulable;

pub use constraints::SchedulingConstraints;
pub use explain::{IDS, is_wanted, no_node, pending, why, written};
pub use unschedulable::UnschedulableReason;
