//! The kinds of actions: one file each, which says what it changes, whether that is done, how it is done, proved and
//! taken back.
//!
//! [`kind`] is what each of them answers and what the engine lends it, [`properties`], [`effect`] and [`target`] what
//! everybody may ask of it, [`ActionSpec`] the one list of them, [`undo`] what is journalled for the way back,
//! [`valid`] what a parameter out of a session's file may be; [`checksum`] and [`driver_proof`] serve several of them.

#[macro_use]
mod spec;

pub mod add_repository;
pub mod apply_manifest;
pub mod blacklist_nouveau;
pub mod cdi_spec;
pub mod checksum;
pub mod configure_toolkit;
pub mod delete_daemonset;
pub mod delete_pod;
pub mod device_links;
pub mod drain_node;
pub mod driver_proof;
pub mod edit_file;
pub mod effect;
pub mod enable_unit;
pub mod end_drain;
pub mod enroll_key;
pub mod failure;
pub mod fetch_runfile;
pub mod greeting;
pub mod helm_install;
pub mod hold_packages;
pub mod import_image;
pub mod install_packages;
pub mod install_set;
pub mod install_toolkit;
pub mod kind;
pub mod load_modules;
pub mod local_repository;
pub mod mark_node;
pub mod pin_driver;
pub mod properties;
pub mod reboot;
pub mod remove_dkms;
pub mod remove_left_files;
pub mod remove_packages;
pub mod remove_pod_driver;
pub mod remove_runfile_driver;
pub mod remove_toolkit;
pub mod run_playbook;
pub mod set_engine_runtime;
pub mod set_paths;
pub mod stop_unit;
pub mod target;
pub mod test_pod;
pub mod undo;
pub mod unload_modules;
pub mod valid;
pub mod watch_installer;

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
    /// Take the pods off this node.
    DrainNode(drain_node::DrainNode),
    /// Let pods onto this node again.
    EndDrain(end_drain::EndDrain),
    /// Add a repository of packages with its key.
    AddRepository(add_repository::AddRepository),
    /// Install NVIDIA's local repository.
    LocalRepository(local_repository::LocalRepository),
    /// Keep the driver on its branch.
    PinDriver(pin_driver::PinDriver),
    /// Ask the firmware to learn a key.
    EnrollKey(enroll_key::EnrollKey),
    /// Load the driver.
    LoadModules(load_modules::LoadModules),
    /// Enable a unit.
    EnableUnit(enable_unit::EnableUnit),
    /// Hold packages.
    HoldPackages(hold_packages::HoldPackages),
    /// Set keys of the container toolkit's configuration.
    ConfigureToolkit(configure_toolkit::ConfigureToolkit),
    /// Describe the cards for the Container Device Interface.
    CdiSpec(cdi_spec::CdiSpec),
    /// Make links in /dev/char.
    DeviceLinks(device_links::DeviceLinks),
    /// Install prerequisites.
    InstallPackages(install_packages::InstallPackages),
    /// Install packages as a transaction that was looked at before.
    InstallSet(install_set::InstallSet),
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
    /// Wait for the owner's pods.
    WatchInstaller(watch_installer::WatchInstaller),
    /// Run the test pod.
    TestPod(test_pod::RunTestPod),
    /// Put a mark on the node, or take one off.
    #[serde(alias = "remove-taint")]
    MarkNode(mark_node::MarkNode),
    /// Delete a pod, which is made anew.
    DeletePod(delete_pod::DeletePod),
    /// Make the runtime known to CRI-O or docker.
    SetEngineRuntime(set_engine_runtime::SetEngineRuntime),
    /// Put an object of ours into the cluster.
    ApplyManifest(apply_manifest::ApplyManifest),
    /// Install a release of a Helm chart.
    HelmInstall(helm_install::HelmInstall),
    /// Delete a DaemonSet of Kubespray's GPU role.
    DeleteDaemonset(delete_daemonset::DeleteDaemonset),
    /// Bring an image onto the node from a file.
    ImportImage(import_image::ImportImage),
}
