//! A world of its own: a folder that is a small Debian system, entered by `chroot`. The built program and the real
//! dpkg, apt, curl, tar and shell run in it as root and see nothing of this machine. What a container has not (modules,
//! systemd, a kernel to boot) is played by files and by programs that write down how they were called.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

/// Programs of this machine that are copied with their libraries.
const PROGRAMS: &str = "sh bash env cat cp mv rm mkdir chmod chown ln ls id uname setsid sleep printf echo sha256sum md5sum cksum tr cut \
    head tail wc dd df du expr basename dirname date mktemp touch sort uniq sed grep awk find xargs tar gzip test true false tee stat kill dpkg \
    dpkg-deb dpkg-query dpkg-split dpkg-trigger dpkg-divert apt-get apt-cache apt-config apt-mark ldconfig start-stop-daemon curl readlink diff gpgv apt-key cmp base64";
/// Folders that apt and dpkg need.
const FOLDERS: [&str; 3] = ["/usr/lib/apt", "/usr/lib/dpkg", "/usr/share/dpkg"];
/// Programs that only write down how they were called, in the world's `/calls`.
const PLAYED: [&str; 5] = ["rmmod", "update-initramfs", "dkms", "dracut", "nvcc-of-nobody"];

/// The world. It is removed with the value.
pub struct World {
    /// Its root.
    pub root: tempfile::TempDir,
}

impl World {
    /// Makes a Debian 12 without any NVIDIA package, with a V100 and no driver loaded.
    pub fn debian() -> Self {
        let world = Self { root: tempfile::tempdir().unwrap() };
        for folder in [
            "tmp",
            "root",
            "var/lib/dpkg/info",
            "var/lib/dpkg/updates",
            "var/lib/apt/lists/partial",
            "var/cache/apt/archives/partial",
        ] {
            fs::create_dir_all(world.path(folder)).unwrap();
        }
        for folder in [
            "var/log/apt",
            "etc/apt/apt.conf.d",
            "etc/apt/preferences.d",
            "etc/profile.d",
            "etc/ld.so.conf.d",
            "dev",
            "usr/local/bin",
        ] {
            fs::create_dir_all(world.path(folder)).unwrap();
        }
        fs::set_permissions(world.path("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
        for name in ["bin", "sbin", "lib", "lib64"] {
            fs::create_dir_all(world.path("usr").join(name)).unwrap();
            symlink(format!("usr/{name}"), world.path(name)).unwrap();
        }
        world.copy_programs();
        world.write("dev/null", "");
        world.write(
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\n_apt:x:42:65534::/nonexistent:/usr/sbin/nologin\nnobody:x:65534:65534::/:/bin/false\n",
        );
        world.write("etc/group", "root:x:0:\nnogroup:x:65534:\n");
        world.write("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n");
        world.write("etc/profile", "for file in /etc/profile.d/*.sh; do . \"$file\"; done\n");
        world.write("etc/apt/apt.conf.d/world", "APT::Sandbox::User \"root\";\nDpkg::Use-Pty \"false\";\n");
        world.write("etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n");
        world.write("var/lib/dpkg/status", "");
        world.write("var/lib/dpkg/available", "");
        world.machine();
        world.played();
        world
    }

    /// What a kernel would tell.
    fn machine(&self) {
        self.write("proc/self/status", "Name:\tgpunode\nUid:\t0\t0\t0\t0\n");
        self.write("proc/sys/kernel/osrelease", "6.1.0-18-amd64\n");
        self.write("proc/sys/kernel/hostname", "world\n");
        self.write("proc/sys/kernel/random/boot_id", "11111111-0000-4000-8000-000000000001\n");
        self.write("proc/mounts", "/dev/sda1 / ext4 rw,relatime 0 0\n");
        self.write("usr/lib/x86_64-linux-gnu/libxml2.so.2", "played");
        self.write("proc/modules", "drm 456166 0 - Live 0x0\n");
        let card = "sys/bus/pci/devices/0000:18:00.0";
        let values = [
            ("class", "0x030200"),
            ("vendor", "0x10de"),
            ("device", "0x1db6"),
            ("subsystem_vendor", "0x10de"),
            ("subsystem_device", "0x124a"),
        ];
        for (name, value) in values {
            self.write(&format!("{card}/{name}"), &format!("{value}\n"));
        }
    }

    fn played(&self) {
        for name in PLAYED {
            self.program(&format!("/usr/sbin/{name}"), "");
        }
        // Units are files in /units: what is there runs.
        self.program(
            "/usr/bin/systemctl",
            "case $1 in\n  is-active) [ -e \"/units/$2\" ] && echo active || { echo inactive; exit 3; } ;;\n  stop) rm \"/units/$2\" ;;\n  start) touch \"/units/$2\" ;;\nesac\n",
        );
        fs::create_dir_all(self.path("units")).unwrap();
        self.program("/usr/bin/gcc", "echo 12.2.0\n");
        self.write("usr/lib/gcc/x86_64-linux-gnu/12/crtbegin.o", "");
    }

    /// Writes a program in the world that notes its call and then does what the script says.
    pub fn program(&self, path: &str, script: &str) {
        let name = path.rsplit('/').next().unwrap();
        self.write(path.trim_start_matches('/'), &format!("#!/bin/sh\necho \"{name} $*\" >> /calls\n{script}"));
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Returns how the played programs were called.
    pub fn calls(&self) -> Vec<String> {
        fs::read_to_string(self.path("calls")).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// Returns the real path of a path in the world.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    /// Writes a file of the world.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Makes the command that runs a program in the world.
    pub fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = if rustix::process::geteuid().is_root() {
            Command::new("chroot")
        } else {
            let mut command = Command::new("unshare");
            command.args(["--map-root-user", "chroot"]);
            command
        };
        command.arg(self.root.path()).arg(program).args(args).env_clear().stdin(Stdio::null());
        command.envs([
            ("PATH", "/usr/sbin:/usr/bin"),
            ("HOME", "/root"),
            ("LANG", "C.UTF-8"),
            ("DEBIAN_FRONTEND", "noninteractive"),
        ]);
        command.env("GPUNODE_SESSION", "/var/lib/gpunode/session.yaml");
        command
    }

    /// Runs a program in the world and returns what came of it.
    pub fn run(&self, program: &str, args: &[&str]) -> Output {
        self.command(program, args).output().unwrap()
    }

    /// Runs a program that must succeed, and returns what it printed.
    #[track_caller]
    pub fn demand(&self, program: &str, args: &[&str]) -> String {
        let output = self.run(program, args);
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{program} {args:?}: {}\n{text}", output.status);
        text
    }

    /// Runs gpunode and demands an exit status; returns all that it printed.
    #[track_caller]
    pub fn gpunode(&self, args: &[&str], code: i32) -> String {
        let output = self.run("/usr/bin/gpunode", args);
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "gpunode {args:?}\n{text}");
        text
    }

    /// Applies these answers to step 2.
    #[track_caller]
    pub fn apply(&self, answers: &str, code: i32) -> String {
        self.write("root/answers.yaml", answers);
        self.gpunode(&["apply", "--steps", "2", "--yes", "--answers", "/root/answers.yaml"], code)
    }

    /// Builds a package with one file and installs it with the real dpkg; it is also put into the world's own
    /// repository.
    pub fn install_deb(&self, name: &str, version: &str, fields: &str) {
        let deb = self.offer_deb(name, version, fields);
        self.demand("dpkg", &["--install", "--force-depends", &deb]);
    }

    /// Builds a package with one file and puts it into the world's own repository, in the place of one of its name and
    /// version; returns its file.
    pub fn offer_deb(&self, name: &str, version: &str, fields: &str) -> String {
        let build = self.path("build").join(name);
        let head = format!("Package: {name}\nVersion: {version}\n");
        let control = format!(
            "{head}Architecture: amd64\nMaintainer: gpunode tests <tests@invalid>\n{fields}Description: a dummy of {name}\n"
        );
        fs::create_dir_all(build.join("DEBIAN")).unwrap();
        fs::write(build.join("DEBIAN/control"), &control).unwrap();
        let file = build.join("usr/share/dummies").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, version).unwrap();
        let deb = format!("/repository/{name}_{version}_amd64.deb");
        fs::create_dir_all(self.path("repository")).unwrap();
        self.demand("dpkg-deb", &["--build", "--root-owner-group", &format!("/build/{name}"), &deb]);
        let bytes = fs::read(self.path(&deb)).unwrap();
        let entry = format!(
            "{control}Filename: .{}\nSize: {}\nSHA256: {}\n\n",
            deb.trim_start_matches("/repository"),
            bytes.len(),
            gpunode::plan::action::kind::sha256(&bytes)
        );
        let packages = self.path("repository/Packages");
        let old = fs::read_to_string(&packages).unwrap_or_default();
        let kept: String = old.split_inclusive("\n\n").filter(|paragraph| !paragraph.starts_with(&head)).collect();
        fs::write(packages, kept + &entry).unwrap();
        deb
    }

    /// Lets apt read the world's own repository.
    pub fn update(&self) {
        self.demand("apt-get", &["update", "-o", "Acquire::Languages=none"]);
    }

    /// Returns the names of the installed packages, in the words of the real dpkg.
    pub fn installed(&self) -> BTreeSet<String> {
        let list = self.demand("dpkg-query", &["--show", "--showformat=${db:Status-Status} ${Package}\n"]);
        list.lines().filter_map(|line| line.strip_prefix("installed ")).map(str::to_owned).collect()
    }

    fn copy_programs(&self) {
        let files = FILES.get_or_init(files_of_a_system);
        for (from, to) in files {
            let target = self.path(to);
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            match fs::read_link(from).ok().filter(|_| FOLDERS.iter().any(|folder| from.starts_with(folder))) {
                Some(link) => symlink(link, target).unwrap(),
                None => drop(fs::copy(from, target).unwrap()),
            }
        }
    }
}

/// The files of every world: where they are here, and where there. Found once for all tests of a file.
static FILES: OnceLock<Vec<(PathBuf, String)>> = OnceLock::new();

fn files_of_a_system() -> Vec<(PathBuf, String)> {
    let mut programs: Vec<PathBuf> =
        PROGRAMS.split_whitespace().map(|name| locate(name).unwrap_or_else(|| panic!("`{name}` is missing"))).collect();
    programs.push(env!("CARGO_BIN_EXE_gpunode").into());
    let to = |path: &PathBuf| format!("usr/bin/{}", path.file_name().unwrap().to_str().unwrap());
    let mut files: Vec<(PathBuf, String)> = programs.iter().map(|path| (path.clone(), to(path))).collect();
    for folder in FOLDERS.map(Path::new).into_iter().filter(|folder| folder.exists()) {
        let mut found = Vec::new();
        list_folder(folder, &mut found);
        files.extend(found.iter().map(|path| (path.clone(), path.display().to_string())));
        programs.extend(found);
    }
    let libraries: BTreeSet<PathBuf> = programs.iter().flat_map(|path| libraries_of(path)).collect();
    files.extend(libraries.into_iter().map(|path| (path.clone(), path.display().to_string())));
    files
}

fn locate(name: &str) -> Option<PathBuf> {
    ["/usr/bin", "/bin", "/usr/sbin", "/sbin"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.exists())
}

/// Returns the libraries that the loader would map; nothing for scripts.
fn libraries_of(program: &Path) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(program).env("LC_ALL", "C").output().unwrap();
    let path = |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(PathBuf::from);
    String::from_utf8_lossy(&output.stdout).lines().filter_map(path).collect()
}

fn list_folder(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            list_folder(&entry.path(), found);
        } else {
            found.push(entry.path());
        }
    }
}
