//! The kinds of actions: one file each, which says what it changes, whether that is done, how it is done, proved and taken back.
//!
//! [`kind`] is what each of them answers and what the engine lends it, [`properties`] and [`effect`] what everybody may ask of it,
//! [`spec`] the one list of them, [`undo`] what is journalled for the way back, [`valid`] what a parameter out of a session's file may be;
//! [`checksum`] and [`driver_proof`] serve several of them.

pub mod blacklist_nouveau;
pub mod checksum;
pub mod delete_pod;
pub mod driver_proof;
pub mod edit_file;
pub mod effect;
pub mod fetch_runfile;
pub mod greeting;
pub mod import_image;
pub mod install_packages;
pub mod install_toolkit;
pub mod kind;
pub mod mark_node;
pub mod properties;
pub mod reboot;
pub mod remove_dkms;
pub mod remove_left_files;
pub mod remove_packages;
pub mod remove_pod_driver;
pub mod remove_runfile_driver;
pub mod remove_taint;
pub mod remove_toolkit;
pub mod run_playbook;
pub mod set_paths;
pub mod spec;
pub mod stop_unit;
pub mod test_pod;
pub mod undo;
pub mod unload_modules;
pub mod valid;
pub mod watch_installer;
