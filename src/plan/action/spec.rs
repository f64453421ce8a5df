//! The kinds of actions, as data.

use std::ops::Deref;

use serde::{Deserialize, Serialize};

use super::kind::ActionKind;

/// Makes of one line a kind its place in the enum, and the way from the one to the other.
macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident($module:ident::$kind:ident),)*) => {
        /// What an action does. This list is the one place that knows all kinds; whatever may be asked of them is asked of [`ActionKind`].
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum ActionSpec {
            $($(#[$doc])* $variant(super::$module::$kind),)*
        }

        impl Deref for ActionSpec {
            type Target = dyn ActionKind;

            fn deref(&self) -> &Self::Target {
                match self {
                    $(Self::$variant(kind) => kind,)*
                }
            }
        }

        $(impl From<super::$module::$kind> for ActionSpec {
            fn from(kind: super::$module::$kind) -> Self {
                Self::$variant(kind)
            }
        })*
    };
}

kinds! {
    /// Stop a unit that holds the GPU.
    StopUnit(stop_unit::StopUnit),
    /// Remove a driver that a runfile installed.
    RemoveRunfileDriver(remove_runfile_driver::RemoveRunfileDriver),
    /// Remove packages of NVIDIA's.
    RemovePackages(remove_packages::RemovePackages),
    /// Remove what the installer pod has put on the host.
    RemovePodDriver(remove_pod_driver::RemovePodDriver),
    /// Remove files of a driver that nobody accounts for.
    RemoveLeftFiles(remove_left_files::RemoveLeftFiles),
    /// Remove a dkms tree that was left behind.
    RemoveDkms(remove_dkms::RemoveDkms),
    /// Unload the driver's modules.
    UnloadModules(unload_modules::UnloadModules),
    /// Remove an old CUDA toolkit.
    RemoveToolkit(remove_toolkit::RemoveToolkit),
    /// Keep nouveau and nova from loading.
    BlacklistNouveau(blacklist_nouveau::BlacklistNouveau),
    /// Install prerequisites.
    InstallPackages(install_packages::InstallPackages),
    /// Download the CUDA runfile.
    FetchRunfile(fetch_runfile::FetchRunfile),
    /// Install the CUDA toolkit without the driver.
    InstallToolkit(install_toolkit::InstallToolkit),
    /// Put the toolkit on everybody's path.
    SetPaths(set_paths::SetPaths),
    /// Say at the next login how to go on.
    Greeting(greeting::Greeting),
    /// Reboot.
    Reboot(reboot::Reboot),
    /// Change a file of the inventory.
    EditFile(edit_file::EditFile),
    /// Run a playbook.
    RunPlaybook(run_playbook::RunPlaybook),
    /// Wait for the installer pod.
    WatchInstaller(watch_installer::WatchInstaller),
    /// Run the test pod.
    TestPod(test_pod::RunTestPod),
    /// Remove the GPU taint.
    RemoveTaint(remove_taint::RemoveTaint),
    /// Put a mark on the node.
    MarkNode(mark_node::MarkNode),
    /// Delete a pod, which is made anew.
    DeletePod(delete_pod::DeletePod),
    /// Bring an image onto the node from a file.
    ImportImage(import_image::ImportImage),
}
