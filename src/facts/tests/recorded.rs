//! Machines in a recording: the same facts come back, and nothing that is somebody's own goes with them.

use super::{machine::Machine, *};
use crate::{
    answers::{Answers, DriverOwner},
    headless::record,
    host::replay::{
        self, Speed,
        scenario::{Recording, Scenario},
    },
};

fn recorded(machine: &Machine) -> Recording {
    let recording = record(&Host::local(machine.root()), &Answers::new(DriverOwner::default()));
    // As a file, and back.
    Recording::parse("machine.yaml", serde_yaml::to_string(&recording).unwrap().as_bytes()).unwrap()
}

fn replayed(recording: Recording) -> Facts {
    let host = replay::host(Scenario::recorded("machine", recording), None, Speed(0.0)).unwrap();
    probe(&host)
}

/// Takes out what a recording must not hold, and what a folder cannot tell.
fn comparable(mut facts: Facts) -> Facts {
    facts.host.hostname.clear();
    facts.host.boot_id.clear();
    facts.host.root = false;
    facts.host.free_space.clear();
    for holder in &mut facts.driver.holders {
        holder.command = holder.command.split(' ').next().unwrap_or_default().to_owned();
        holder.pod = holder.pod.take().map(|pod| pod.replace(|c: char| c.is_ascii_hexdigit(), "0"));
        holder.pod_name = None;
    }
    // A folder runs nothing, and lacks what every machine has.
    facts.unknown.retain(|name, reason| {
        !name.starts_with("host.free_space") && !matches!(reason.id.as_str(), "only-a-folder" | "no-answer")
    });
    // A simulated machine lets itself be changed, so what it does not know is not for want of rights.
    facts.findings.retain(|finding| !finding.id.starts_with("facts-"));
    facts
}

#[track_caller]
fn assert_same(machine: &Machine) {
    let live = comparable(probe(&Host::local(machine.root())));
    assert_eq!(comparable(replayed(recorded(machine))), live);
}

#[test]
fn whole_machines_come_back() {
    for machine in [Machine::ubuntu(), Machine::seed(), Machine::h200()] {
        assert_same(&machine);
    }
}

#[test]
fn a_nodes_runtime_comes_back_without_its_registries() {
    let config = "version = 2\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.nvidia]\n\
        runtime_type = \"io.containerd.runc.v2\"\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.nvidia.options]\n\
        BinaryName = \"/usr/bin/nvidia-container-runtime\"\nSystemdCgroup = true\n\
        [plugins.\"io.containerd.grpc.v1.cri\".registry.configs.\"registry.company.example\".auth]\npassword = \"secret\"\n";
    let stat = "812 (containerd) S 1 812 812 0 -1 4194560 9 0 0 0 5 3 0 0 20 0 12 0 4321 19 0\n";
    let machine = Machine::h200()
        .file("/usr/local/bin/containerd", "")
        .file("/usr/bin/nvidia-container-runtime", "")
        .file("/etc/containerd/config.toml", config)
        .file("/etc/containerd/conf.d/99-nvidia.toml", "version = 2\n")
        .file("/etc/containerd/cri-base.json", "{}")
        .process(812, "containerd", "/usr/local/bin/containerd\0", "0::/system.slice/containerd.service\n")
        .file("/proc/812/stat", stat)
        .file("/proc/stat", "cpu 1\nbtime 1764000000\n")
        .file("/etc/apt/sources.list.d/company.list", "deb https://apt.company.example/ubuntu noble main\n")
        .file(
            "/etc/apt/sources.list.d/cuda.list",
            "deb https://alice:secret@developer.download.nvidia.com/compute/cuda/repos/ubuntu2404/x86_64/ /\n",
        )
        .file("/etc/nvidia-container-runtime/config.toml", "[nvidia-container-runtime]\nmode = \"auto\"\n")
        .file("/dev/nvidia0", "")
        .file("/dev/char/195:0", "")
        .file("/etc/default/grub", "GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX=\"secret\"\n")
        .file("/boot/vmlinuz-5.15.0-91-generic", "")
        .folder("/lib/modules/5.15.0-91-generic");
    let program = machine.root().join("usr/bin/nvidia-container-runtime");
    std::fs::set_permissions(program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    assert_same(&machine);
    let live = probe(&Host::local(machine.root()));
    let containerd = live.node.containerd.as_ref().unwrap();
    assert_eq!(containerd.process.as_ref().map(|process| process.pid), Some(812));
    assert_eq!((containerd.drop_ins.len(), live.node.sources.len(), live.driver.char_links.len()), (1, 1, 1));
    assert_eq!(live.host.next_kernel.as_ref().map(|next| next.release.as_str()), Some("5.15.0-91-generic"));
    let text = serde_yaml::to_string(&recorded(&machine)).unwrap();
    for private in ["alice", "secret", "company"] {
        assert!(!text.contains(private), "{private} is in:\n{text}");
    }
}

#[test]
fn what_only_some_machines_have_comes_back() {
    let status = "Package: dpkg\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\nPackage: secret-tool\nStatus: install ok installed\n\n\
        Package: libnvidia-compute-535\nStatus: install ok installed\nArchitecture: i386\nMaintainer: alice\nVersion: 535.183.01-0ubuntu1\n";
    let library =
        [&[0x7f, 0xff, 0, 0][..], b"GNU C Library (GNU libc) stable release version 2.36.\n", &[0xff; 64]].concat();
    let ids =
        "8086  Intel\n\t1234  X\n10de  NVIDIA Corporation\n\t2ffe  Other\n\t2fff  GB202GL [RTX PRO 6000]\n10df  Next\n";
    let machine = Machine::ubuntu()
        .gpu("0000:01:00.0", "2fff", "10de 204e", None)
        .gpu("0000:02:00.0", "1db6", "10de 124a", Some("nvidia"))
        .pci("0000:00:02.0", "0x8086", "0x3e92", "0x030000")
        .file("/usr/share/misc/pci.ids", ids)
        .file("/var/lib/dpkg/status", status)
        .bytes("/lib/x86_64-linux-gnu/libc.so.6", &library)
        .bytes("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", &[6, 0, 0, 0, 1])
        .folder("/sys/firmware/acpi")
        .file("/etc/containerd/config.toml", "registry = \"registry.company.example\"\n snapshotter = \"overlayfs\"\n")
        .file(
            "/var/lib/kubelet/kubeadm-flags.env",
            "A=\"--container-runtime-endpoint=unix:///run/containerd/containerd.sock --x=registry.company.example\"\n",
        )
        .bytes(
            "/lib/modules/5.15.0-91-generic/updates/dkms/nvidia.ko",
            &[&[0xff; 100][..], b"~Module signature appended~\n"].concat(),
        )
        .bytes("/lib/modules/5.15.0-91-generic/updates/dkms/nvidia-uvm.ko", &[0xff; 100])
        .file("/proc/modules", "nvidia 1 2 - Live 0x0\nsecret_module 1 0 - Live 0x0\n")
        .file("/proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Thu\n")
        .file("/usr/local/cuda-12.4/version.json", "{\"cuda\": {\"version\": \"12.4.1\"}}")
        .link("/usr/local/cuda-12", "/usr/local/cuda-12.4")
        .file("/usr/local/alice/notes", "")
        .process(41, "bash", "bash\0", "0::/user.slice")
        .process(
            42,
            "python",
            "python\0train.py\0--token=abc\0",
            "0::/kubepods-burstable-pod0a1b2c3d_0a1b_0a1b_0a1b_0a1b2c3d4e5f.slice/cri-containerd-1.scope",
        )
        .link("/proc/42/fd/3", "/dev/nvidia0")
        .link("/proc/42/fd/4", "/home/alice/data")
        .file("/var/log/pods/team_train_0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f/x", "");
    let mut live = comparable(probe(&Host::local(machine.root())));
    assert_eq!((live.host.glibc_version.as_deref(), live.host.secure_boot), (Some("2.36"), Some(true)));
    assert_eq!((live.driver.holders.len(), live.driver.unsigned_modules.len()), (1, 1));
    let recording = recorded(&machine);
    let mut again = comparable(replayed(recording.clone()));
    // The list of names is cut to the cards' own lines.
    for facts in [&mut live, &mut again] {
        assert!(facts.gpus[0].guessed_from.take().unwrap().starts_with("/usr/share/misc/pci.ids:"));
        facts.findings.retain(|finding| finding.id != "catalog-guess");
    }
    assert_eq!(again, live);
    let text = serde_yaml::to_string(&recording).unwrap();
    for private in ["alice", "secret", "company", "token", "0a1b2c3d", "team", "node2", "/proc/41"] {
        assert!(!text.contains(private), "{private} is in:\n{text}");
    }
}
