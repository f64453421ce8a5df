//! Removal on systems with rpm, each below a folder of its own: real rpm, dnf and zypper on a database of dummy
//! packages.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process,
    sync::{Arc, OnceLock},
};

use crate::support::engine;
use gpunode::{
    answers::{Answers, DriverOwner},
    facts,
    host::{
        Cancel, Command, CommandError, Commands, Exit, Host, Line,
        command::{Job, Liveness, Note},
        local::{LocalCommands, LocalFiles},
    },
    owner,
    plan::{ActionSpec, Places, action::undo::WayBack},
    session::Status,
};

const DRIVER: [&str; 4] = ["nvidia-driver", "nvidia-driver-cuda-libs", "kmod-nvidia-latest-dkms", "libnvidia-ml"];
const OTHERS: [&str; 8] = [
    "cuda-toolkit-11-0",
    "libcublas-11-0",
    "libnvidia-container1",
    "nvidia-container-toolkit",
    "nvidia-gpu-firmware",
    "nvtop",
    "barracuda",
    "xorg-x11-drv-nouveau",
];
/// Needs a package of the driver, and is not NVIDIA's; and one of NVIDIA's that does.
const FOREIGN: (&str, &str) = ("render-farm", "Requires: libnvidia-ml\n");
const META: (&str, &str) = ("cuda-runtime-12-2", "Requires: nvidia-driver\n");

/// Builds all packages once, in one run of rpmbuild.
fn packages() -> &'static Path {
    static BUILT: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = BUILT.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let plain = DRIVER.iter().chain(&OTHERS).map(|name| (*name, ""));
        let all = plain.chain([FOREIGN, META]);
        let part = |(name, fields): (&str, &str)| {
            format!("%package -n {name}\nSummary: a dummy\n{fields}%description -n {name}\nA dummy.\n%files -n {name}\n")
        };
        let head =
            "Name: dummies\nVersion: 535.183.01\nRelease: 1\nSummary: dummies\nLicense: none\nBuildArch: noarch\n%description\nDummies.\n";
        let spec = folder.path().join("dummies.spec");
        fs::write(&spec, head.to_owned() + &all.map(part).collect::<String>()).unwrap();
        let top = format!("_topdir {}", folder.path().join("top").display());
        let built = process::Command::new("rpmbuild").args(["-bb", "--quiet", "--define", &top]).arg(&spec).output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        folder
    });
    folder.path()
}

/// A system below a folder.
pub(super) struct World {
    root: tempfile::TempDir,
}

impl World {
    /// Makes a system with a driver and packages of others.
    fn new(os_release: &str, extra: &[&str]) -> Self {
        let names: Vec<&str> = DRIVER.iter().chain(&OTHERS).chain(extra).copied().collect();
        Self::with(os_release, &names)
    }

    /// Makes a system with these packages.
    pub(super) fn with(os_release: &str, names: &[&str]) -> Self {
        let world = Self::bare(os_release);
        let names = names.iter();
        let files = names.map(|name| {
            packages().join(format!("top/RPMS/noarch/{name}-535.183.01-1.noarch.rpm")).display().to_string()
        });
        let mut args = vec!["--install".to_owned()];
        args.extend(files);
        let output =
            world.commands().capture(&Command::from_line(std::iter::once("rpm".to_owned()).chain(args))).unwrap();
        assert!(output.exit.is_success(), "{}", output.stderr);
        world
    }

    fn bare(os_release: &str) -> Self {
        let world = Self { root: tempfile::tempdir().unwrap() };
        let root = world.root.path();
        for folder in ["etc/zypp/repos.d", "proc/self", "home"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(root.join("etc/os-release"), os_release).unwrap();
        fs::write(root.join("proc/self/status"), "Uid:\t0\t0\t0\t0\n").unwrap();
        // Debian's rpm keeps its database in the user's home.
        fs::write(root.join("home/.rpmmacros"), "%_dbpath /var/lib/rpm\n").unwrap();
        world
    }

    /// Returns the real path of a path in the world.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    pub(super) fn commands(&self) -> Arc<dyn Commands> {
        Arc::new(Below { root: self.root.path().to_owned(), real: LocalCommands::default() })
    }

    pub(super) fn host(&self) -> Host {
        Host { files: Arc::new(LocalFiles::new(self.root.path())), commands: self.commands(), ..engine::machine() }
    }

    /// Plans the removal from what the probes find, and lets the engine do it.
    fn remove(&self) -> engine::Done {
        self.remove_despite(&[])
    }

    fn remove_despite(&self, checks: &[&str]) -> engine::Done {
        let host = self.host();
        let facts = facts::probe(&host);
        let places = Places { session: Path::new("/s.yaml"), downloads: Path::new("/d") };
        let despite = checks.iter().map(|check| (*check).to_owned()).collect();
        let plan = owner::driver_step(&facts, &Answers { despite, ..Answers::new(DriverOwner::InstallerPod) }, places);
        let action = plan.into_iter().find(|action| action.id == "remove-packages").expect("a removal");
        assert_eq!(action.blocked, None);
        let scratch = tempfile::tempdir().unwrap();
        engine::run(&host, scratch.path(), action.kind, &mut |_, _| {})
    }

    pub(super) fn installed(&self) -> BTreeSet<String> {
        let list = self.commands().capture(&Command::new("rpm", ["-qa", "--qf", "%{NAME}\\n"])).unwrap();
        list.stdout.lines().map(str::to_owned).collect()
    }
}

/// Runs this machine's package managers on the system below a folder, by their own options for that.
struct Below {
    root: PathBuf,
    real: LocalCommands,
}

impl Below {
    fn below(&self, command: &Command) -> Command {
        let root = self.root.display();
        let options = match command.program.as_str() {
            "rpm" => vec![format!("--root={root}"), "--force-debian".to_owned()],
            // A made repository below /made, where a test has put one.
            "dnf" | "yum" if self.root.join("made").exists() => vec![
                format!("--installroot={root}"),
                "--releasever=9".to_owned(),
                "--disablerepo=*".to_owned(),
                format!("--repofrompath=made,{root}/made"),
                "--nogpgcheck".to_owned(),
            ],
            "dnf" | "yum" => {
                vec![format!("--installroot={root}"), "--releasever=9".to_owned(), "--disablerepo=*".to_owned()]
            }
            "zypper" if self.root.join("made").exists() => vec![format!("--root={root}"), "--no-gpg-checks".to_owned()],
            "zypper" => vec![format!("--root={root}"), "--no-refresh".to_owned()],
            _ => Vec::new(),
        };
        let args = options.into_iter().chain(command.args.iter().cloned()).collect();
        // Debian has no yum any more; it was the same program's older name.
        let program = if command.program == "yum" { "dnf".to_owned() } else { command.program.clone() };
        Command { program, args, ..command.clone() }.env("HOME", self.root.join("home").display().to_string())
    }
}

impl Commands for Below {
    fn locate(&self, program: &str) -> Option<PathBuf> {
        self.real.locate(program)
    }

    fn run(&self, command: &Command, cancel: &Cancel, on_line: &mut dyn FnMut(Line)) -> Result<Exit, CommandError> {
        self.real.run(&self.below(command), cancel, on_line)
    }

    fn start(&self, command: &Command, log: &Path, note: &mut Note<'_>) -> Result<Job, CommandError> {
        self.real.start(&self.below(command), log, note)
    }

    fn liveness(&self, log: &Path) -> Liveness {
        self.real.liveness(log)
    }

    fn follow(&self, job: &Job, offset: u64, cancel: &Cancel, on_line: &mut dyn FnMut(Line)) -> Exit {
        self.real.follow(job, offset, cancel, on_line)
    }

    fn find(&self, log: &Path) -> Option<Job> {
        self.real.find(log)
    }
}

pub(super) const ROCKY: &str = "ID=rocky\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.4\"\n";
const CENTOS: &str = "ID=centos\nVERSION_ID=\"7\"\n";
pub(super) const SLES: &str = "ID=sles\nVERSION_ID=\"15.6\"\n";

fn names(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn exactly_the_drivers_packages_go_on_every_family() {
    for (os, program) in [(ROCKY, "dnf"), (CENTOS, "yum"), (SLES, "zypper")] {
        let world = World::new(os, &[]);
        let done = world.remove();
        assert_eq!(done.record.status, Status::Done, "{program}: {:?}\n{}", done.record.evidence, done.lines());
        assert!(done.lines().contains(&format!("noninteractive {program} ")), "{}", done.lines());
        assert_eq!(world.installed(), names(&OTHERS), "{program}");
    }
}

#[test]
fn a_package_of_somebody_else_that_needs_the_driver_stops_the_removal() {
    for os in [ROCKY, SLES] {
        let world = World::new(os, &[FOREIGN.0]);
        let before = world.installed();
        let done = world.remove();
        assert_eq!(done.record.status, Status::Failed);
        let said = &done.record.evidence[0];
        assert!(said.contains("would go too") && said.contains("render-farm → libnvidia-ml"), "{said}");
        assert_eq!(world.installed(), before);
    }
}

#[test]
fn a_package_of_nvidia_that_needs_the_driver_goes_with_it_and_is_named() {
    let world = World::new(ROCKY, &[META.0]);
    let done = world.remove();
    assert_eq!(done.record.status, Status::Done, "{:?}\n{}", done.record.evidence, done.lines());
    let ActionSpec::RemovePackages(kind) = &done.record.action.kind else { panic!("another kind") };
    assert_eq!(kind.along.iter().map(ToString::to_string).collect::<Vec<_>>(), ["cuda-runtime-12-2 → nvidia-driver"]);
    assert_eq!(world.installed(), names(&OTHERS));
    // The undo asks for the same versions; whether a repository still has them only the package manager knows.
    let way_back = done.record.action.kind.way_back(&world.host(), done.record.undo.as_ref().unwrap());
    let Ok(WayBack::Reinstall(back)) = way_back else { panic!("another way back: {way_back:?}") };
    let words = back.install.unwrap().to_string();
    assert!(
        words.contains(" --setopt=install_weak_deps=False ") && words.contains(" nvidia-driver-535.183.01-1"),
        "{words}"
    );
    assert!(words.contains(" cuda-runtime-12-2-535.183.01-1"), "{words}");
}

#[test]
fn others_packages_go_when_the_user_has_seen_them() {
    let world = World::new(ROCKY, &[FOREIGN.0]);
    let done = world.remove_despite(&["removal"]);
    assert_eq!(done.record.status, Status::Done, "{:?}\n{}", done.record.evidence, done.lines());
    assert_eq!(world.installed(), names(&OTHERS));
}
