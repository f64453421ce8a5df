//! Step 2 of owner `host` on a Debian system of its own: real apt and dpkg, the built program as root in a chroot, made
//! packages with the real names of Debian's archive and of NVIDIA's repository. What the kernel and systemd would do is
//! played.

use crate::support::world::World;

const DRIVER: [&str; 4] = ["nvidia-kernel-dkms", "nvidia-smi", "libcuda1", "nvidia-modprobe"];
const TOOLKIT: [&str; 4] =
    ["nvidia-container-toolkit", "nvidia-container-toolkit-base", "libnvidia-container-tools", "libnvidia-container1"];
const PLAYED: &str = "driver_owner: host\ndriver_source: debian\ncuda_version: none\nreboot: never\nleave_out: [load-modules, \
    'enable-unit:nvidia-persistenced.service', 'enable-unit:nvidia-cdi-refresh.path', 'enable-unit:nvidia-cdi-refresh.service', device-links, \
    blacklist-nouveau, 'add-repository:gpunode-nvidia-container-toolkit']\ngpus: ['10de:2331']\n";

/// A Debian 12 whose archive has the driver, an H100, and a kernel with headers.
fn with_archive() -> World {
    let world = World::debian();
    world.write("sys/bus/pci/devices/0000:18:00.0/device", "0x2331\n");
    for (name, fields) in [
        ("nvidia-kernel-dkms", "Depends: nvidia-kernel-support, dkms\nRecommends: docker.io\n"),
        ("nvidia-smi", "Depends: libcuda1 (= 535.261.03-1~deb12u1)\n"),
        ("libcuda1", "Recommends: nvidia-driver\n"),
        ("nvidia-kernel-support", ""),
        ("nvidia-driver", ""),
    ] {
        world.offer_deb(name, "535.261.03-1~deb12u1", fields);
    }
    world.offer_deb("nvidia-modprobe", "535.161.07-1~deb12u1", "");
    world.offer_deb("nvidia-persistenced", "535.171.04-1~deb12u1", "");
    for name in TOOLKIT {
        world.offer_deb(name, "1.20.0-1", "");
        world.offer_deb(name, "1.17.4-1", "");
    }
    for name in ["dkms", "linux-headers-6.1.0-18-amd64", "build-essential", "docker.io"] {
        world.offer_deb(name, "3.0", "");
    }
    world.write("etc/apt/sources.list", "deb [trusted=yes] file:/repository ./\n");
    world.update();
    world
}

/// All that dpkg and apt say of the packages.
fn packages(world: &World) -> String {
    let list = world.demand("dpkg-query", &["--show", "--showformat=${Package} ${Version} ${Status}\n"]);
    format!(
        "{list}held: {}manual: {}",
        world.demand("apt-mark", &["showhold"]),
        world.demand("apt-mark", &["showmanual"])
    )
}

#[test]
fn debians_driver_is_installed_held_and_taken_back_to_the_byte() {
    let world = with_archive();
    let before = packages(&world);
    world.write("root/answers.yaml", PLAYED);
    let plan = world.gpunode(&["plan", "--answers", "/root/answers.yaml"], 0);
    for line in [
        "apt-get -o DPkg::Lock::Timeout=120 install -y --no-install-recommends nvidia-kernel-dkms nvidia-smi libcuda1 nvidia-modprobe",
        "+Pin: version 535.*",
        "linux-headers-6.1.0-18-amd64 build-essential dkms",
        "1.20.0-1",
    ] {
        assert!(plan.contains(line), "{line}: {plan}");
    }
    let text = world.apply(PLAYED, 0);
    let there = world.installed();
    assert!(
        DRIVER
            .iter()
            .chain(&TOOLKIT)
            .chain(&["nvidia-persistenced", "nvidia-kernel-support"])
            .all(|name| there.contains(*name)),
        "{text}"
    );
    assert!(
        !there.contains("docker.io") && !there.contains("nvidia-driver"),
        "what is only recommended came along: {text}"
    );
    let held = world.demand("apt-mark", &["showhold"]);
    assert!(DRIVER.iter().chain(&TOOLKIT).all(|name| held.lines().any(|line| line == *name)), "{held}");
    assert!(text.contains("all packages of the driver are of version 535.261.03"), "{text}");
    assert!(text.contains("a simulated upgrade touches none of them"), "{text}");
    // A second run finds all of it done.
    let again = world.apply(PLAYED, 0);
    assert!(!again.contains("$ DEBIAN_FRONTEND"), "{again}");
    // A newer branch in the archive changes nothing: held and pinned.
    world.offer_deb("libcuda1", "550.163.01-2", "");
    world.update();
    let upgrade = world.demand("apt-get", &["--simulate", "dist-upgrade"]);
    assert!(!upgrade.contains("Inst libcuda1"), "{upgrade}");
    let undone = world.gpunode(&["undo", "--yes"], 0);
    assert_eq!(packages(&world), before, "{undone}");
    for file in ["etc/apt/preferences.d/gpunode-nvidia-driver", "etc/apt/apt.conf.d/52gpunode-hold"] {
        assert!(!world.path(file).exists(), "{file}: {undone}");
    }
}

#[test]
fn a_name_that_brings_another_branch_is_refused_before_anything_is_installed() {
    let world = with_archive();
    // The package of the same name depends on another branch's library: a transitional package.
    world.offer_deb("nvidia-smi", "535.999.00-1", "Depends: libnvidia-ml1\n");
    world.offer_deb("libnvidia-ml1", "580.95.05-1", "");
    world.update();
    let before = packages(&world);
    let answers = PLAYED.replace("leave_out: [", "leave_out: [pin-driver, install-prerequisites, ");
    let text = world.apply(&answers, 1);
    assert!(text.contains("libnvidia-ml1") && text.contains("580.95.05-1") && text.contains("not of R535"), "{text}");
    assert_eq!(packages(&world), before);
}

#[test]
fn an_installation_that_takes_something_away_or_brings_an_engine_is_refused() {
    let world = with_archive();
    world.install_deb("render-farm", "1.0", "");
    world.offer_deb("nvidia-modprobe", "535.161.07-2", "Conflicts: render-farm\n");
    world.update();
    let answers = PLAYED.replace("leave_out: [", "leave_out: [install-prerequisites, ");
    let text = world.apply(&answers, 1);
    assert!(text.contains("render-farm"), "{text}");
    assert!(world.installed().contains("render-farm"));
    let world = with_archive();
    world.offer_deb("nvidia-container-toolkit", "1.20.0-1", "Depends: containerd\n");
    world.offer_deb("containerd", "1.6.20", "");
    world.update();
    let text = world.apply(&PLAYED.replace("leave_out: [", "leave_out: [install-prerequisites, "), 1);
    assert!(text.contains("containerd") && text.contains("second container engine"), "{text}");
    assert!(!world.installed().contains("containerd") && !world.installed().contains("nvidia-container-toolkit"));
}

#[test]
fn a_card_that_the_archive_does_not_know_is_refused_with_the_way() {
    let world = with_archive();
    world.write("root/answers.yaml", &PLAYED.replace("10de:2331", "10de:2901"));
    let plan = world.gpunode(&["plan", "--answers", "/root/answers.yaml"], 0);
    assert!(plan.contains("B200") && plan.contains("R535") && plan.contains("driver_source: nvidia"), "{plan}");
    let drivers = world.gpunode(&["drivers", "--owner", "host"], 0);
    assert!(drivers.contains("debian: R535") && drivers.contains("nvidia: R570"), "{drivers}");
}

/// A key of its own, made by the real gpg.
struct Signer {
    home: tempfile::TempDir,
}

impl Signer {
    fn new() -> Self {
        let signer = Self { home: tempfile::tempdir().unwrap() };
        signer.gpg(&[
            "--passphrase",
            "",
            "--quick-generate-key",
            "gpunode tests <tests@invalid>",
            "rsa2048",
            "sign",
            "never",
        ]);
        signer
    }

    fn gpg(&self, args: &[&str]) -> String {
        let mut gpg = std::process::Command::new("gpg");
        let output = gpg
            .arg("--homedir")
            .arg(self.home.path())
            .args(["--batch", "--yes", "--quiet", "--pinentry-mode", "loopback"])
            .args(args)
            .output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn fingerprint(&self) -> String {
        let listing = self.gpg(&["--list-keys", "--with-colons"]);
        let line = listing.lines().find(|line| line.starts_with("fpr:")).unwrap();
        line.split(':').nth(9).unwrap().to_owned()
    }

    /// Makes a flat repository of the world's `/served` below `folder`, signed, with its key beside it.
    fn publish(&self, world: &World, folder: &str) {
        let packages = std::fs::read(world.path("repository/Packages")).unwrap();
        let folder = format!("served/{folder}");
        world.write(&format!("{folder}/Packages"), std::str::from_utf8(&packages).unwrap());
        for name in std::fs::read_dir(world.path("repository")).unwrap().map(|entry| entry.unwrap().file_name()) {
            std::fs::copy(world.path("repository").join(&name), world.path(&folder).join(&name)).unwrap();
        }
        let sum = gpunode::plan::action::kind::sha256(&packages);
        let release =
            format!("Date: {}\nSHA256:\n {sum} {} Packages\n", "Fri, 27 Nov 2026 00:00:00 UTC", packages.len());
        world.write(&format!("{folder}/Release"), &release);
        let (release, signed) = (world.path(&format!("{folder}/Release")), world.path(&format!("{folder}/InRelease")));
        self.gpg(&["--output", signed.to_str().unwrap(), "--clearsign", release.to_str().unwrap()]);
        world.write(&format!("{folder}/3bf863cc.pub"), &self.gpg(&["--armor", "--export"]));
    }
}

/// Python's own server of a folder; it ends with the value.
struct Server {
    child: std::process::Child,
    port: u16,
}

impl Server {
    fn of(folder: &std::path::Path) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut python = std::process::Command::new("python3");
        python.args(["-m", "http.server", "--bind", "127.0.0.1", &port.to_string()]).current_dir(folder);
        let child = python.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
        let begun = std::time::Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed().as_secs() < 20, "the server does not come up");
            std::thread::yield_now();
        }
        Self { child, port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_repository_is_added_with_its_own_key_and_no_other() {
    let world = with_archive();
    world.offer_deb("libnvidia-compute-580", "580.95.05-1", "");
    world.offer_deb("nvidia-dkms-580-open", "580.95.05-1", "Depends: libnvidia-compute-580\n");
    let (own, other) = (Signer::new(), Signer::new());
    own.publish(&world, "debian12/x86_64");
    let server = Server::of(&world.path("served"));
    let answers = |key: &str| {
        let source =
            format!("driver_source: nvidia\npackage_mirror: http://127.0.0.1:{}\nrepository_key: {key}", server.port);
        PLAYED.replace("driver_source: debian", &source)
    };
    let (entry, key) =
        ("etc/apt/sources.list.d/gpunode-nvidia-cuda.sources", "usr/share/keyrings/gpunode-nvidia-cuda.asc");
    // Another fingerprint than the key that is there: nothing is written.
    let text = world.apply(&answers(&other.fingerprint()), 1);
    assert!(text.contains(&own.fingerprint()) && text.contains("nothing was written"), "{text}");
    assert!(!world.path(key).exists() && !world.path(entry).exists());
    // The right key beside lists that another has signed: apt refuses them, and the entry does not stay behind.
    other.publish(&world, "debian12/x86_64");
    world.write("served/debian12/x86_64/3bf863cc.pub", &own.gpg(&["--armor", "--export"]));
    let text = world.apply(&answers(&own.fingerprint()), 1);
    assert!(text.contains("apt-get update"), "{text}");
    assert!(!world.path(entry).exists(), "{text}");
    // All as it should be: the driver comes from there, by a real signature.
    own.publish(&world, "debian12/x86_64");
    world.write("etc/apt/sources.list", "deb [trusted=yes] file:/repository ./\n");
    let text = world.apply(&answers(&own.fingerprint()), 0);
    assert!(world.installed().contains("nvidia-dkms-580-open"), "{text}");
    assert!(world.path(key).exists() && world.path(entry).exists());
    let undone = world.gpunode(&["undo", "--yes"], 0);
    assert!(!world.path(key).exists() && !world.path(entry).exists(), "{undone}");
    assert!(world.installed().is_empty(), "{undone}");
}
