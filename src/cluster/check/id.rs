//! The links of the chains, by name.

use serde::{Deserialize, Serialize};

use crate::i18n::{Message, msg};

/// One link of a chain. Texts: `check.<id>`, `.about` and, where no finding knows better, `.remedy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckId {
    /// The API server answers.
    Api,
    /// The node is ready.
    NodeReady,
    /// The node has the label that its DaemonSets look for.
    NodeLabel,
    /// Both of Kubespray's DaemonSets want a pod here.
    Daemonsets,
    /// Kubespray's installer has put the driver on the node.
    Installer,
    /// Kubespray's device plugin has registered.
    Plugin,
    /// Kubespray's installer is not here, because another owner brings the driver.
    NoInstaller,
    /// The host's own driver is loaded.
    HostDriver,
    /// NVIDIA's device plugin has registered.
    DevicePlugin,
    /// The operator has found a card on the node.
    GpuPresent,
    /// Node feature discovery has found a card on the node.
    NodeFeatures,
    /// The operator's driver pod is ready.
    DriverPod,
    /// The operator's container toolkit is ready.
    Toolkit,
    /// The operator's validator has let the others go on.
    Validator,
    /// The validator has left its proofs on the machine.
    Validations,
    /// The operator says itself that all of its parts are in place.
    Policy,
    /// The node offers GPUs.
    Capacity,
    /// A pod has used the GPU.
    TestPod,
    /// The cards are on the PCI bus.
    Cards,
    /// NVIDIA's driver has every card.
    CardsBound,
    /// The driver's libraries are of the loaded module's version.
    DriverLibrary,
    /// The device files are there, with the links that containers need.
    DeviceFiles,
    /// NVML sees every card.
    Nvml,
    /// The switches between the cards have joined them.
    Fabric,
    /// The daemon that keeps the cards awake runs.
    Persistence,
    /// The driver comes up at the next boot, and no upgrade touches it before.
    NextBoot,
    /// The host's container toolkit sees the driver.
    ContainerToolkit,
    /// The CDI specification is of this driver and names every card.
    Cdi,
    /// The container runtime has a runtime that hands out cards.
    Runtime,
    /// Kubespray writes that runtime itself.
    RuntimeLasts,
    /// The runtime that runs has read its files.
    RuntimeInUse,
    /// The cluster has the class by which pods ask for that runtime.
    RuntimeClass,
    /// The device plugin's DaemonSet wants a pod on this node.
    Schedulable,
    /// All of this was judged again after a boot.
    SecondBoot,
}

impl CheckId {
    /// All checks.
    pub const ALL: [Self; 34] = [
        Self::Api,
        Self::NodeReady,
        Self::NodeLabel,
        Self::Daemonsets,
        Self::Installer,
        Self::Plugin,
        Self::NoInstaller,
        Self::HostDriver,
        Self::DevicePlugin,
        Self::GpuPresent,
        Self::NodeFeatures,
        Self::DriverPod,
        Self::Toolkit,
        Self::Validator,
        Self::Validations,
        Self::Policy,
        Self::Capacity,
        Self::TestPod,
        Self::Cards,
        Self::CardsBound,
        Self::DriverLibrary,
        Self::DeviceFiles,
        Self::Nvml,
        Self::Fabric,
        Self::Persistence,
        Self::NextBoot,
        Self::ContainerToolkit,
        Self::Cdi,
        Self::Runtime,
        Self::RuntimeLasts,
        Self::RuntimeInUse,
        Self::RuntimeClass,
        Self::Schedulable,
        Self::SecondBoot,
    ];

    /// Returns the stable name, as in JSON and in the locale files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::NodeReady => "node-ready",
            Self::NodeLabel => "node-label",
            Self::Daemonsets => "daemonsets",
            Self::Installer => "installer",
            Self::Plugin => "plugin",
            Self::NoInstaller => "no-installer",
            Self::HostDriver => "host-driver",
            Self::DevicePlugin => "device-plugin",
            Self::GpuPresent => "gpu-present",
            Self::NodeFeatures => "node-features",
            Self::DriverPod => "driver-pod",
            Self::Toolkit => "toolkit",
            Self::Validator => "validator",
            Self::Validations => "validations",
            Self::Policy => "policy",
            Self::Capacity => "capacity",
            Self::TestPod => "test-pod",
            Self::Cards => "cards",
            Self::CardsBound => "cards-bound",
            Self::DriverLibrary => "driver-library",
            Self::DeviceFiles => "device-files",
            Self::Nvml => "nvml",
            Self::Fabric => "fabric",
            Self::Persistence => "persistence",
            Self::NextBoot => "next-boot",
            Self::ContainerToolkit => "container-toolkit",
            Self::Cdi => "cdi",
            Self::Runtime => "runtime",
            Self::RuntimeLasts => "runtime-lasts",
            Self::RuntimeInUse => "runtime-in-use",
            Self::RuntimeClass => "runtime-class",
            Self::Schedulable => "schedulable",
            Self::SecondBoot => "second-boot",
        }
    }

    /// Returns what is checked.
    pub fn title(self) -> Message {
        use msg::check;
        match self {
            Self::Api => check::api(),
            Self::NodeReady => check::node_ready(),
            Self::NodeLabel => check::node_label(),
            Self::Daemonsets => check::daemonsets(),
            Self::Installer => check::installer(),
            Self::Plugin => check::plugin(),
            Self::NoInstaller => check::no_installer(),
            Self::HostDriver => check::host_driver(),
            Self::DevicePlugin => check::device_plugin(),
            Self::GpuPresent => check::gpu_present(),
            Self::NodeFeatures => check::node_features(),
            Self::DriverPod => check::driver_pod(),
            Self::Toolkit => check::toolkit(),
            Self::Validator => check::validator(),
            Self::Validations => check::validations(),
            Self::Policy => check::policy(),
            Self::Capacity => check::capacity(),
            Self::TestPod => check::test_pod(),
            Self::Cards => check::cards(),
            Self::CardsBound => check::cards_bound(),
            Self::DriverLibrary => check::driver_library(),
            Self::DeviceFiles => check::device_files(),
            Self::Nvml => check::nvml(),
            Self::Fabric => check::fabric(),
            Self::Persistence => check::persistence(),
            Self::NextBoot => check::next_boot(),
            Self::ContainerToolkit => check::container_toolkit(),
            Self::Cdi => check::cdi(),
            Self::Runtime => check::runtime(),
            Self::RuntimeLasts => check::runtime_lasts(),
            Self::RuntimeInUse => check::runtime_in_use(),
            Self::RuntimeClass => check::runtime_class(),
            Self::Schedulable => check::schedulable(),
            Self::SecondBoot => check::second_boot(),
        }
    }

    /// Returns what that is, for somebody who sees it for the first time.
    pub fn about(self) -> Message {
        use msg::check;
        match self {
            Self::Api => check::api::about(),
            Self::NodeReady => check::node_ready::about(),
            Self::NodeLabel => check::node_label::about(),
            Self::Daemonsets => check::daemonsets::about(),
            Self::Installer => check::installer::about(),
            Self::Plugin => check::plugin::about(),
            Self::NoInstaller => check::no_installer::about(),
            Self::HostDriver => check::host_driver::about(),
            Self::DevicePlugin => check::device_plugin::about(),
            Self::GpuPresent => check::gpu_present::about(),
            Self::NodeFeatures => check::node_features::about(),
            Self::DriverPod => check::driver_pod::about(),
            Self::Toolkit => check::toolkit::about(),
            Self::Validator => check::validator::about(),
            Self::Validations => check::validations::about(),
            Self::Policy => check::policy::about(),
            Self::Capacity => check::capacity::about(),
            Self::TestPod => check::test_pod::about(),
            Self::Cards => check::cards::about(),
            Self::CardsBound => check::cards_bound::about(),
            Self::DriverLibrary => check::driver_library::about(),
            Self::DeviceFiles => check::device_files::about(),
            Self::Nvml => check::nvml::about(),
            Self::Fabric => check::fabric::about(),
            Self::Persistence => check::persistence::about(),
            Self::NextBoot => check::next_boot::about(),
            Self::ContainerToolkit => check::container_toolkit::about(),
            Self::Cdi => check::cdi::about(),
            Self::Runtime => check::runtime::about(),
            Self::RuntimeLasts => check::runtime_lasts::about(),
            Self::RuntimeInUse => check::runtime_in_use::about(),
            Self::RuntimeClass => check::runtime_class::about(),
            Self::Schedulable => check::schedulable::about(),
            Self::SecondBoot => check::second_boot::about(),
        }
    }

    /// Returns what to do where no finding knows better.
    pub fn remedy(self) -> Message {
        use msg::check;
        match self {
            Self::Api => check::api::remedy(),
            Self::NodeReady => check::node_ready::remedy(),
            Self::NodeLabel => check::node_label::remedy(),
            Self::Daemonsets => check::daemonsets::remedy(),
            Self::Installer => check::installer::remedy(),
            Self::Plugin => check::plugin::remedy(),
            Self::NoInstaller => check::no_installer::remedy(),
            Self::HostDriver => check::host_driver::remedy(),
            Self::DevicePlugin => check::device_plugin::remedy(),
            Self::GpuPresent => check::gpu_present::remedy(),
            Self::NodeFeatures => check::node_features::remedy(),
            Self::DriverPod => check::driver_pod::remedy(),
            Self::Toolkit => check::toolkit::remedy(),
            Self::Validator => check::validator::remedy(),
            Self::Validations => check::validations::remedy(),
            Self::Policy => check::policy::remedy(),
            Self::Capacity => check::capacity::remedy(),
            Self::TestPod => check::test_pod::remedy(),
            Self::Cards => check::cards::remedy(),
            Self::CardsBound => check::cards_bound::remedy(),
            Self::DriverLibrary => check::driver_library::remedy(),
            Self::DeviceFiles => check::device_files::remedy(),
            Self::Nvml => check::nvml::remedy(),
            Self::Fabric => check::fabric::remedy(),
            Self::Persistence => check::persistence::remedy(),
            Self::NextBoot => check::next_boot::remedy(),
            Self::ContainerToolkit => check::container_toolkit::remedy(),
            Self::Cdi => check::cdi::remedy(),
            Self::Runtime => check::runtime::remedy(),
            Self::RuntimeLasts => check::runtime_lasts::remedy(),
            Self::RuntimeInUse => check::runtime_in_use::remedy(),
            Self::RuntimeClass => check::runtime_class::remedy(),
            Self::Schedulable => check::schedulable::remedy(),
            Self::SecondBoot => check::second_boot::remedy(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::Lang;

    #[test]
    fn every_check_has_its_name_and_texts() {
        for id in CheckId::ALL {
            assert_eq!(serde_json::to_value(id).unwrap(), id.name());
            for lang in [Lang::En, Lang::Ko] {
                for part in ["", ".remedy", ".about"] {
                    assert!(lang.has(&format!("check.{}{part}", id.name())), "{id:?}{part}");
                }
            }
        }
    }
}
