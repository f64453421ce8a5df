//! The cluster, seen from one node through `kubectl`: is the driver installer there, does it run, does the GPU arrive.
//!
//! [`chain::probe`] reads the whole chain (node, DaemonSets, pods, events) into one plain value, and [`live`] keeps it up to date by list
//! and [`watch`]. [`scheduling`] says why nothing happens, [`tail`] follows the installer's log, [`verify`] judges the chain, [`testpod`]
//! proves it with `nvidia-smi` in a pod. What goes wrong with the cluster itself is a [`ClusterError`]: a state to show and to wait in,
//! never an exit.

pub mod check;
pub mod kubectl;
pub mod live;
pub mod objects;
pub mod phases;
mod pod_status;
pub mod quantity;
pub mod scheduling;
pub mod smi;
pub mod stack;
mod error;
pub mod tail;
pub mod testpod;
pub mod verify;
pub mod view;
pub mod watch;
pub mod workload;

pub use stack::GpuStack;
pub use kubectl::Kubectl;
pub use error::ClusterError;

/// The namespace of both DaemonSets. Source: Kubespray's role `nvidia_gpu`, all releases.
pub const NAMESPACE: &str = "kube-system";
/// Name of the DaemonSet, and of its init container, that installs the driver.
pub const INSTALLER: &str = "nvidia-driver-installer";
/// Name of the DaemonSet that offers the GPUs to the kubelet.
pub const PLUGIN: &str = "nvidia-gpu-device-plugin";
/// Name of the node label, of the taint and of the resource.
pub const GPU: &str = "nvidia.com/gpu";
