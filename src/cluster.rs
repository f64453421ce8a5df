//! The cluster, seen from one node through `kubectl`: is the driver installer there, does it run, does the GPU arrive.
//!
//! A driver owner names its [`workload`]s. [`stack::probe`] reads them (node, DaemonSets, pods, events) into one plain
//! value, and [`live`] keeps it up to date by list and [`watch`]. [`scheduling`] says why nothing happens, [`tail`]
//! follows the logs of what is [`at_work`],
//! [`verify`] judges the links, [`testpod`] proves them with `nvidia-smi` in a pod. What goes wrong with the cluster
//! itself is a [`ClusterError`]: a state to show and to wait in, never an exit.

pub mod at_work;
mod certificate;
pub mod chart_values;
pub mod check;
pub mod device_plugin;
mod error;
pub mod helm;
pub mod kubectl;
pub mod kubespray;
pub mod live;
pub mod manifest;
pub mod objects;
pub mod operator;
pub mod phases;
mod pod_status;
pub mod quantity;
pub mod scheduling;
pub mod smi;
pub mod stack;
pub mod tail;
pub mod testpod;
pub mod verify;
pub mod view;
pub mod watch;
pub mod workload;

pub use error::ClusterError;
pub use kubectl::Kubectl;
pub use stack::GpuStack;

/// Name of the node label, of the taint and of the resource.
pub const GPU: &str = "nvidia.com/gpu";
