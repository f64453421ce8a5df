//! Fleet: many nodes at once, by the reports that the Ansible collection brings to the controller, one file a node.
//!
//! [`report`] reads the files, [`node`] judges what one says, [`table`] groups equal nodes, the odd ones first, and
//! [`app`] is the state of the table on the screen, with a pure `update`.

pub mod app;
pub mod node;
pub mod report;
pub mod table;

pub use node::{FleetNode, Standing, StepMark};
pub use report::{NodeReport, Reports};
pub use table::{Group, Show, Table};
