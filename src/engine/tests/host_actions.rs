//! The actions of the host's own driver, through the engine: found, done, proved, taken back, and refused. What the
//! programs print is as their sources have it; mokutil, modprobe and nvidia-ctk themselves do not run here.

use super::*;
use crate::plan::action::{
    add_repository::Manager, configure_toolkit::ConfigureToolkit, enroll_key::EnrollKey, load_modules::LoadModules,
    local_repository::LocalRepository,
};

const LOADED: &str = "/proc/driver/nvidia/version";
const DPKG: &str = "/var/lib/dpkg/status";

fn version_file(version: &str) -> String {
    format!("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {version}  Release Build  (root@host)\n")
}

impl World {
    fn with(kind: impl Into<ActionSpec>) -> Self {
        Self::new(vec![action("tested", kind)])
    }

    fn evidence(&self) -> String {
        self.session.journal.last().unwrap().evidence.join("; ")
    }

    /// Demands that the run fails, says so with these words, and that no such command has run.
    #[track_caller]
    fn refuses(&mut self, words: &str, command: &str) {
        assert!(matches!(self.run(), Outcome::Failed { .. }), "{}", self.evidence());
        assert!(self.evidence().contains(words), "{words}: {}", self.evidence());
        assert_eq!(self.ran(command), 0);
    }
}

fn modules(cards: usize) -> World {
    let world = World::with(LoadModules { branch: 580, cards });
    let file = world.path(LOADED);
    world.end("nvidia-smi -L", Exit::Code(0), "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-1)");
    world.during(move |line| {
        if line == "modprobe nvidia" {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, version_file("580.126.20")).unwrap();
        }
    });
    world
}

#[test]
fn the_driver_is_loaded_proved_by_its_cards_and_unloaded_again() {
    let mut world = modules(1);
    assert_eq!(world.run(), Outcome::Done, "{}", world.evidence());
    assert!(world.evidence().contains("nvidia-smi sees 1 of 1 cards"), "{}", world.evidence());
    assert_eq!((world.ran("modprobe nvidia"), world.ran("nvidia-modprobe -u -c 0")), (2, 1));
    assert_eq!(world.run(), Outcome::Done);
    assert_eq!(world.ran("modprobe nvidia"), 2, "what is loaded is not loaded again");
    let (user, used) = ("nvidia_uvm 2 0 - Live 0x0", "nvidia 1 1 nvidia_uvm, Live 0x0");
    world.write("/proc/modules", &format!("{used}\n{user}\n"));
    assert!(matches!(&world.undo()[..], [(_, UndoResult::Undone(_))]));
    assert_eq!(world.ran("rmmod nvidia_uvm nvidia"), 1);
}

#[test]
fn a_driver_that_was_loaded_before_is_not_unloaded_by_the_undo() {
    let mut world = modules(1);
    world.write(LOADED, &version_file("580.126.20"));
    assert_eq!(world.run(), Outcome::Done);
    assert_eq!(world.statuses(), [("tested", Status::AlreadyDone)]);
    assert!(world.undo().is_empty());
    // One of another branch is exchanged, and does not come back by itself.
    let mut world = modules(1);
    world.write(LOADED, &version_file("570.86.10"));
    world.write("/proc/modules", "nvidia 1 0 - Live 0x0\n");
    assert_eq!(world.run(), Outcome::Done, "{}", world.evidence());
    assert_eq!(world.ran("rmmod nvidia"), 1);
    assert!(matches!(&world.undo()[..], [(_, UndoResult::Kept(_))]));
}

#[test]
fn a_driver_that_does_not_see_all_cards_or_is_held_is_a_failure_that_says_so() {
    let mut world = modules(2);
    assert!(matches!(world.run(), Outcome::Failed { .. }));
    assert!(world.evidence().contains('2') && world.evidence().contains('1'), "{}", world.evidence());
    let mut world = modules(1);
    world.write(LOADED, &version_file("570.86.10"));
    world.write("/proc/modules", "nvidia 1 1 - Live 0x0\n");
    world.write("/proc/4242/comm", "trainer\n");
    world.write("/proc/4242/stat", "4242 (trainer) S 1\n");
    fs::create_dir_all(world.path("/proc/4242/fd")).unwrap();
    std::os::unix::fs::symlink("/dev/nvidia0", world.path("/proc/4242/fd/3")).unwrap();
    world.refuses("4242 trainer", "rmmod");
    World::with(LoadModules { branch: 5, cards: 1 }).refuses("\"5\"", "modprobe");
}

/// A machine with the key of dkms; `mokutil` keeps a request.
fn firmware() -> World {
    let world = World::with(EnrollKey {});
    world.write("/var/lib/dkms/mok.pub", "key");
    world.end("mokutil --test-key", Exit::Code(0), "/var/lib/dkms/mok.pub is not enrolled");
    let table = world.table.clone();
    world.during(move |line| {
        let told = match line {
            line if line.starts_with("mokutil --import") => "is already in the enrollment request",
            "mokutil --revoke-import" => "is not enrolled",
            _ => return,
        };
        let told = format!("/var/lib/dkms/mok.pub {told}");
        table.ends.lock().unwrap().insert("mokutil --test-key".to_owned(), (Exit::Code(0), told));
    });
    world
}

#[test]
fn a_key_is_asked_for_once_with_a_password_that_is_on_no_command_line() {
    let mut world = firmware();
    assert_eq!(world.run(), Outcome::Done, "{}", world.evidence());
    let evidence = world.evidence();
    assert!(evidence.contains("waits to be enrolled at the next boot"), "{evidence}");
    let password = evidence.rsplit(' ').next().unwrap().to_owned();
    assert!(password.len() == 10 && password.bytes().all(|byte| byte.is_ascii_digit()), "{evidence}");
    assert!(world.table.ran.lock().unwrap().iter().all(|line| !line.contains(&password)));
    assert_eq!(world.ran("mokutil --import /var/lib/dkms/mok.pub"), 1);
    assert!(matches!(&world.undo()[..], [(_, UndoResult::Undone(_))]));
    assert_eq!(world.ran("mokutil --revoke-import"), 1);
}

#[test]
fn a_key_that_the_firmware_knows_or_that_is_not_there_is_not_asked_for() {
    let mut world = firmware();
    world.end("mokutil --test-key", Exit::Code(1), "/var/lib/dkms/mok.pub is already enrolled");
    assert_eq!(world.run(), Outcome::Done);
    assert_eq!((world.statuses(), world.ran("mokutil --import")), (vec![("tested", Status::AlreadyDone)], 0));
    World::with(EnrollKey {}).refuses("/var/lib/dkms/mok.pub", "mokutil --import");
    // Enrolled by a person meanwhile: only the firmware's console takes it back.
    let mut world = firmware();
    assert_eq!(world.run(), Outcome::Done);
    world.end("mokutil --test-key", Exit::Code(1), "/var/lib/dkms/mok.pub is already enrolled");
    assert!(matches!(&world.undo()[..], [(_, UndoResult::Kept(_))]));
}

const TOOLKIT: &str = "/etc/nvidia-container-runtime/config.toml";
const BEFORE: &str = "[nvidia-container-runtime]\n# by hand\nruntimes = [\"runc\", \"crun\"]\n";

fn toolkit(runtimes: &[&str]) -> World {
    let world = World::with(ConfigureToolkit { runtimes: runtimes.iter().map(|name| (*name).to_owned()).collect() });
    world.write(TOOLKIT, BEFORE);
    let list: Vec<String> = runtimes.iter().map(|name| format!("  \"{name}\",\n")).collect();
    let printed = format!("[nvidia-container-runtime]\nmode = \"auto\"\nruntimes = [\n{}]\n", list.concat());
    world.end("nvidia-ctk config", Exit::Code(0), &printed);
    world
}

#[test]
fn the_toolkits_runtimes_are_set_once_and_put_back_to_the_byte() {
    let mut world = toolkit(&["/usr/libexec/crio/crun", "runc"]);
    assert_eq!(world.run(), Outcome::Done, "{}", world.evidence());
    assert_eq!(world.ran("nvidia-ctk config"), 1);
    assert!(world.evidence().contains("/usr/libexec/crio/crun, runc"), "{}", world.evidence());
    assert_eq!(world.run(), Outcome::Done);
    assert_eq!(world.ran("nvidia-ctk config"), 1, "what is set is not set again");
    assert!(matches!(&world.undo()[..], [(_, UndoResult::Undone(_))]));
    assert_eq!(fs::read_to_string(world.path(TOOLKIT)).unwrap(), BEFORE);
    let mut world = toolkit(&["runc", "crun"]);
    assert_eq!(world.run(), Outcome::Done);
    assert_eq!(world.statuses(), [("tested", Status::AlreadyDone)]);
}

#[test]
fn a_runtime_of_another_table_is_not_taken_for_the_toolkits() {
    let mut world = toolkit(&["runc", "crun"]);
    world.write(TOOLKIT, "[other]\nruntimes = [\"runc\", \"crun\"]\n");
    assert_eq!(world.run(), Outcome::Done);
    assert_eq!(world.ran("nvidia-ctk config"), 1);
}

#[test]
fn a_runtime_that_would_be_two_and_a_toolkit_that_prints_no_configuration_change_nothing() {
    for name in ["a:b", "a b", "run\nc", "/opt/$(x)"] {
        toolkit(&[name]).refuses("", "nvidia-ctk");
    }
    for (exit, text) in [(Exit::Code(1), ""), (Exit::Code(0), "unknown key\n"), (Exit::Code(0), "[other]\n")] {
        let mut world = toolkit(&["/usr/libexec/crio/crun"]);
        world.end("nvidia-ctk config", exit, text);
        world.refuses("nvidia-ctk config", "none");
        assert_eq!(fs::read_to_string(world.path(TOOLKIT)).unwrap(), BEFORE);
    }
}

const REPOSITORY: &str = "nvidia-driver-local-repo-debian12-580.126.20";

fn repository(sha256: &str, file: &str) -> World {
    let kind = LocalRepository { manager: Manager::Apt, file: file.into(), sha256: sha256.to_owned() };
    let world = World::with(kind);
    world.write("/srv/repo.deb", "package");
    world.write(DPKG, "");
    // The copy is made in the session's folder, which on a machine below another root is there too.
    world.write(&format!("{}/made", world.store.folder().unwrap().display()), "");
    let (status, place) = (world.path(DPKG), world.path(&format!("/var/{REPOSITORY}")));
    world.during(move |line| {
        if line.starts_with("dpkg --install") {
            let entry = format!(
                "Package: {REPOSITORY}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.0-1\nDescription: x\n\n"
            );
            fs::write(&status, entry).unwrap();
            fs::create_dir_all(&place).unwrap();
            fs::write(place.join("nvidia-driver-local-8793F200-keyring.gpg"), "key").unwrap();
        } else if line.starts_with("dpkg --purge") {
            fs::write(&status, "").unwrap();
        }
    });
    world
}

#[test]
fn a_local_repository_is_installed_from_a_checked_copy_with_its_key_and_goes_again() {
    let mut world = repository(&sha256(b"package"), "/srv/repo.deb");
    assert_eq!(world.run(), Outcome::Done, "{}", world.evidence());
    assert!(world.evidence().contains(&format!("{REPOSITORY} is installed")), "{}", world.evidence());
    let key = "/usr/share/keyrings/nvidia-driver-local-8793F200-keyring.gpg";
    assert_eq!(fs::read(world.path(key)).unwrap(), b"key");
    let installed = world.table.ran.lock().unwrap().iter().find(|line| line.contains("--install")).cloned().unwrap();
    assert!(!installed.contains("/srv/"), "not the file that others can change: {installed}");
    assert_eq!(world.ran("apt-get update"), 1);
    assert!(world.path("/srv/repo.deb").exists());
    assert_eq!(world.run(), Outcome::Done);
    assert_eq!(world.ran("dpkg --install"), 1);
    assert!(matches!(&world.undo()[..], [(_, UndoResult::Undone(_))]));
    assert_eq!((world.ran(&format!("dpkg --purge {REPOSITORY}")), world.ran("rm --force")), (1, 1));
}

#[test]
fn another_file_than_that_of_the_checksum_is_not_installed() {
    repository(&sha256(b"another"), "/srv/repo.deb").refuses("checksum", "dpkg");
    repository("abc", "/srv/repo.deb").refuses("abc", "dpkg");
    repository(&sha256(b"package"), "srv/repo.deb").refuses("srv/repo.deb", "dpkg");
    repository(&sha256(b"package"), "/srv/other.deb").refuses("/srv/other.deb", "dpkg");
}
