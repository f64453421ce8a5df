//! The kinds of actions, as data. Each has a module of its own; this list is the one place that knows them all.

use serde::{Deserialize, Serialize};

use super::{
    act::Act, blacklist_nouveau::BlacklistNouveau, delete_pod::DeletePod, edit_file::EditFile, fetch_runfile::FetchRunfile,
    import_image::ImportImage, install_packages::InstallPackages, install_toolkit::InstallToolkit, mark_node::MarkNode, reboot::Reboot,
    remove_packages::RemovePackages, remove_runfile_driver::RemoveRunfileDriver, remove_taint::RemoveTaint, run_playbook::RunPlaybook,
    set_paths::SetPaths, test_pod::RunTestPod, watch_installer::WatchInstaller,
};

/// What an action does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Remove a driver that a runfile installed.
    RemoveRunfileDriver(RemoveRunfileDriver),
    /// Remove driver packages.
    RemovePackages(RemovePackages),
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

impl Kind {
    /// Returns what the action can do.
    pub fn act(&self) -> &dyn Act {
        match self {
            Self::RemoveRunfileDriver(action) => action,
            Self::RemovePackages(action) => action,
            Self::BlacklistNouveau(action) => action,
            Self::InstallPackages(action) => action,
            Self::FetchRunfile(action) => action,
            Self::InstallToolkit(action) => action,
            Self::SetPaths(action) => action,
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
