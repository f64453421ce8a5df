//! The kinds of actions, as data. Each has a module of its own; this list is the one place that knows them all.

use serde::{Deserialize, Serialize};

use super::{
    blacklist_nouveau::BlacklistNouveau, delete_pod::DeletePod, edit_file::EditFile, fetch_runfile::FetchRunfile, greeting::Greeting,
    import_image::ImportImage, install_packages::InstallPackages, install_toolkit::InstallToolkit, kind::ActionKind, mark_node::MarkNode,
    reboot::Reboot, remove_dkms::RemoveDkms, remove_packages::RemovePackages, remove_runfile_driver::RemoveRunfileDriver,
    remove_taint::RemoveTaint, remove_toolkit::RemoveToolkit, run_playbook::RunPlaybook, set_paths::SetPaths, stop_unit::StopUnit,
    test_pod::RunTestPod, unload_modules::UnloadModules, watch_installer::WatchInstaller,
};

/// What an action does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionSpec {
    /// Stop a unit that holds the GPU.
    StopUnit(StopUnit),
    /// Remove a driver that a runfile installed.
    RemoveRunfileDriver(RemoveRunfileDriver),
    /// Remove packages of NVIDIA's.
    RemovePackages(RemovePackages),
    /// Remove a dkms tree that was left behind.
    RemoveDkms(RemoveDkms),
    /// Unload the driver's modules.
    UnloadModules(UnloadModules),
    /// Remove an old CUDA toolkit.
    RemoveToolkit(RemoveToolkit),
    /// Keep nouveau and nova from loading.
    BlacklistNouveau(BlacklistNouveau),
    /// Install prerequisites.
    InstallPackages(InstallPackages),
    /// Download the CUDA runfile.
    FetchRunfile(FetchRunfile),
    /// Install the CUDA toolkit without the driver.
    InstallToolkit(InstallToolkit),
    /// Put the toolkit on everybody's path.
    SetPaths(SetPaths),
    /// Say at the next login how to go on.
    Greeting(Greeting),
    /// Reboot.
    Reboot(Reboot),
    /// Change a file of the inventory.
    EditFile(EditFile),
    /// Run a playbook.
    RunPlaybook(RunPlaybook),
    /// Wait for the installer pod.
    WatchInstaller(WatchInstaller),
    /// Run the test pod.
    TestPod(RunTestPod),
    /// Remove the GPU taint.
    RemoveTaint(RemoveTaint),
    /// Put a mark on the node.
    MarkNode(MarkNode),
    /// Delete a pod, which is made anew.
    DeletePod(DeletePod),
    /// Bring an image onto the node from a file.
    ImportImage(ImportImage),
}

impl ActionSpec {
    /// Returns why an action of this kind is root's, where it is: `root.<name>` of the locale files.
    pub fn root_reason(&self) -> &'static str {
        match self {
            Self::StopUnit(_) => "service",
            Self::RemovePackages(_) | Self::InstallPackages(_) => "packages",
            Self::RemoveDkms(_) | Self::UnloadModules(_) => "kernel",
            Self::BlacklistNouveau(_) | Self::SetPaths(_) | Self::Greeting(_) => "etc",
            Self::Reboot(_) => "reboot",
            Self::ImportImage(_) => "runtime",
            _ => "files",
        }
    }

    /// Returns what the action can do.
    pub fn act(&self) -> &dyn ActionKind {
        match self {
            Self::StopUnit(action) => action,
            Self::RemoveRunfileDriver(action) => action,
            Self::RemovePackages(action) => action,
            Self::RemoveDkms(action) => action,
            Self::UnloadModules(action) => action,
            Self::RemoveToolkit(action) => action,
            Self::BlacklistNouveau(action) => action,
            Self::InstallPackages(action) => action,
            Self::FetchRunfile(action) => action,
            Self::InstallToolkit(action) => action,
            Self::SetPaths(action) => action,
            Self::Greeting(action) => action,
            Self::Reboot(action) => action,
            Self::EditFile(action) => action,
            Self::RunPlaybook(action) => action,
            Self::WatchInstaller(action) => action,
            Self::TestPod(action) => action,
            Self::RemoveTaint(action) => action,
            Self::MarkNode(action) => action,
            Self::DeletePod(action) => action,
            Self::ImportImage(action) => action,
        }
    }
}
