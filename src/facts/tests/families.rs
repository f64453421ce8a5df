//! A machine of each family of distributions: a few files each, as that family has them, and the facts that they lead
//! to.

use super::*;

/// What step 1 must say of a machine's surroundings.
struct Family {
    os_release: &'static str,
    kernel: &'static str,
    /// Other files: path and text.
    files: &'static [(&'static str, &'static str)],
    links: &'static [(&'static str, &'static str)],
    /// `os_id os_version`, the name, the package manager, and whether the headers are there.
    expected: (&'static str, &'static str, &'static str, bool),
    /// The packages that would bring the headers.
    headers: &'static str,
}

const FAMILIES: [Family; 14] = [
    // CentOS tells which 7 it is in a file of its own; its headers were removed and left a link behind.
    Family {
        os_release: "ID=\"centos\"\nVERSION_ID=\"7\"\nID_LIKE=\"rhel fedora\"\nPRETTY_NAME=\"CentOS Linux 7 (Core)\"\n",
        kernel: "3.10.0-1160.2.2.el7.x86_64",
        files: &[("/etc/centos-release", "CentOS Linux release 7.9.2009 (Core)\n"), ("/usr/bin/yum", "")],
        links: &[("/lib/modules/3.10.0-1160.2.2.el7.x86_64/build", "/usr/src/kernels/3.10.0-1160.2.2.el7.x86_64")],
        expected: ("centos 7.9.2009", "CentOS Linux 7.9", "yum", false),
        headers: "kernel-devel-3.10.0-1160.2.2.el7.x86_64 kernel-headers-3.10.0-1160.2.2.el7.x86_64",
    },
    Family {
        os_release: "ID=\"rhel\"\nVERSION_ID=\"8.10\"\nID_LIKE=\"fedora\"\nPRETTY_NAME=\"Red Hat Enterprise Linux 8.10 (Ootpa)\"\n",
        kernel: "4.18.0-553.el8_10.x86_64",
        files: &[
            ("/usr/bin/dnf", ""),
            ("/usr/bin/yum", ""),
            ("/usr/src/kernels/4.18.0-553.el8_10.x86_64/Makefile", ""),
        ],
        links: &[],
        expected: ("rhel 8.10", "Red Hat Enterprise Linux 8.10 (Ootpa)", "dnf", true),
        headers: "kernel-devel-4.18.0-553.el8_10.x86_64 kernel-headers-4.18.0-553.el8_10.x86_64",
    },
    Family {
        os_release: "ID=\"rocky\"\nVERSION_ID=\"9.4\"\nID_LIKE=\"rhel centos fedora\"\nPRETTY_NAME=\"Rocky Linux 9.4 (Blue Onyx)\"\n",
        kernel: "5.14.0-427.el9.x86_64",
        files: &[("/usr/bin/dnf", ""), ("/usr/src/kernels/5.14.0-427.el9.x86_64/Makefile", "")],
        links: &[("/lib/modules/5.14.0-427.el9.x86_64/build", "/usr/src/kernels/5.14.0-427.el9.x86_64")],
        expected: ("rocky 9.4", "Rocky Linux 9.4 (Blue Onyx)", "dnf", true),
        headers: "kernel-devel-matched-5.14.0-427.el9.x86_64 kernel-headers",
    },
    // CentOS Stream says no more in its own file than in os-release.
    Family {
        os_release: "ID=\"centos\"\nVERSION_ID=\"10\"\nID_LIKE=\"rhel fedora\"\nPRETTY_NAME=\"CentOS Stream 10 (Coughlan)\"\n",
        kernel: "6.12.0-55.el10.x86_64",
        files: &[("/etc/centos-release", "CentOS Stream release 10 (Coughlan)\n"), ("/usr/bin/dnf", "")],
        links: &[],
        expected: ("centos 10", "CentOS Stream 10", "dnf", false),
        headers: "kernel-devel-matched-6.12.0-55.el10.x86_64 kernel-headers",
    },
    Family {
        os_release: "ID=ubuntu\nVERSION_ID=\"18.04\"\nID_LIKE=debian\nPRETTY_NAME=\"Ubuntu 18.04.6 LTS\"\n",
        kernel: "4.15.0-213-generic",
        files: &[("/var/lib/dpkg/status", ""), ("/usr/src/linux-headers-4.15.0-213-generic/Makefile", "")],
        links: &[],
        expected: ("ubuntu 18.04", "Ubuntu 18.04.6 LTS", "apt", true),
        headers: "linux-headers-4.15.0-213-generic",
    },
    // A folder that a removed package left empty is no header.
    Family {
        os_release: "ID=ubuntu\nVERSION_ID=\"26.04\"\nID_LIKE=debian\nPRETTY_NAME=\"Ubuntu 26.04 LTS\"\n",
        kernel: "7.0.0-14-generic",
        files: &[("/var/lib/dpkg/status", ""), ("/usr/src/linux-headers-7.0.0-14-generic/.cache/x", "")],
        links: &[],
        expected: ("ubuntu 26.04", "Ubuntu 26.04 LTS", "apt", false),
        headers: "linux-headers-7.0.0-14-generic",
    },
    Family {
        os_release: "ID=debian\nVERSION_ID=\"11\"\nPRETTY_NAME=\"Debian GNU/Linux 11 (bullseye)\"\n",
        kernel: "5.10.0-30-amd64",
        files: &[
            ("/var/lib/dpkg/status", ""),
            ("/usr/bin/dnf", ""),
            ("/lib/modules/5.10.0-30-amd64/build/Makefile", ""),
        ],
        links: &[],
        expected: ("debian 11", "Debian GNU/Linux 11 (bullseye)", "apt", true),
        headers: "linux-headers-5.10.0-30-amd64",
    },
    Family {
        os_release: "ID=debian\nVERSION_ID=\"13\"\nPRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\n",
        kernel: "6.12.48+deb13-cloud-amd64",
        files: &[("/var/lib/dpkg/status", "")],
        links: &[],
        expected: ("debian 13", "Debian GNU/Linux 13 (trixie)", "apt", false),
        headers: "linux-headers-6.12.48+deb13-cloud-amd64",
    },
    // SUSE keeps os-release below /usr and leads to its headers by relative links.
    Family {
        os_release: "ID=\"sles\"\nVERSION_ID=\"15.6\"\nID_LIKE=\"suse\"\nPRETTY_NAME=\"SUSE Linux Enterprise Server 15 SP6\"\n",
        kernel: "6.4.0-150600.23.25-default",
        files: &[("/usr/bin/zypper", ""), ("/usr/src/linux-6.4.0-150600.23.25-obj/x86_64/default/Makefile", "")],
        links: &[(
            "/lib/modules/6.4.0-150600.23.25-default/build",
            "../../../usr/src/linux-6.4.0-150600.23.25-obj/x86_64/default",
        )],
        expected: ("sles 15.6", "SUSE Linux Enterprise Server 15 SP6", "zypper", true),
        headers: "kernel-default-devel=6.4.0-150600.23.25",
    },
    Family {
        os_release: "ID=\"amzn\"\nVERSION_ID=\"2023\"\nID_LIKE=\"fedora\"\nPRETTY_NAME=\"Amazon Linux 2023.6.20241010\"\n",
        kernel: "6.1.112-122.189.amzn2023.x86_64",
        files: &[("/usr/bin/dnf", "")],
        links: &[],
        expected: ("amzn 2023", "Amazon Linux 2023.6.20241010", "dnf", false),
        headers: "kernel-devel-6.1.112-122.189.amzn2023.x86_64 kernel-headers-6.1.112-122.189.amzn2023.x86_64",
    },
    Family {
        os_release: "ID=\"openEuler\"\nVERSION_ID=\"22.03\"\nPRETTY_NAME=\"openEuler 22.03 (LTS-SP3)\"\n",
        kernel: "5.10.0-182.0.0.95.oe2203sp3.x86_64",
        files: &[("/usr/bin/dnf", "")],
        links: &[],
        expected: ("openEuler 22.03", "openEuler 22.03 (LTS-SP3)", "dnf", false),
        headers: "kernel-devel-5.10.0-182.0.0.95.oe2203sp3.x86_64 kernel-headers-5.10.0-182.0.0.95.oe2203sp3.x86_64",
    },
    // Kylin's version is no number.
    Family {
        os_release: "ID=\"kylin\"\nVERSION_ID=\"V10\"\nPRETTY_NAME=\"Kylin Linux Advanced Server V10 (Halberd)\"\n",
        kernel: "4.19.90-89.11.v2401.ky10.x86_64",
        files: &[("/usr/bin/dnf", "")],
        links: &[],
        expected: ("kylin V10", "Kylin Linux Advanced Server V10 (Halberd)", "dnf", false),
        headers: "kernel-devel-4.19.90-89.11.v2401.ky10.x86_64 kernel-headers-4.19.90-89.11.v2401.ky10.x86_64",
    },
    Family {
        os_release: "ID=azurelinux\nVERSION_ID=\"3.0\"\nPRETTY_NAME=\"Microsoft Azure Linux 3.0\"\n",
        kernel: "6.6.57.1-7.azl3",
        files: &[("/usr/bin/tdnf", ""), ("/usr/bin/dnf", "")],
        links: &[],
        expected: ("azurelinux 3.0", "Microsoft Azure Linux 3.0", "tdnf", false),
        headers: "kernel-devel-6.6.57.1-7.azl3 kernel-headers-6.6.57.1-7.azl3",
    },
    Family {
        os_release: "ID=\"ol\"\nVERSION_ID=\"8.10\"\nID_LIKE=\"fedora\"\nPRETTY_NAME=\"Oracle Linux Server 8.10\"\n",
        kernel: "5.15.0-209.161.7.el8uek.x86_64",
        files: &[("/usr/bin/dnf", "")],
        links: &[],
        expected: ("ol 8.10", "Oracle Linux Server 8.10", "dnf", false),
        headers: "kernel-uek-devel-5.15.0-209.161.7.el8uek.x86_64 kernel-headers",
    },
];

#[test]
fn each_family_is_known_by_its_own_files() {
    for family in FAMILIES {
        let release_file = if family.os_release.contains("suse") { "/usr/lib/os-release" } else { "/etc/os-release" };
        let mut machine = Machine::empty()
            .file(release_file, family.os_release)
            .file("/proc/sys/kernel/osrelease", &format!("{}\n", family.kernel));
        for (path, text) in family.files {
            machine = machine.file(path, text);
        }
        for (path, target) in family.links {
            machine = machine.link(path, target);
        }
        let host = look_at(&machine).host;
        let (os, name, manager, headers) = family.expected;
        assert_eq!(format!("{} {}", host.os_id, host.os_version), os);
        assert_eq!(
            (host.os_name.as_str(), host.package_manager.as_deref(), host.kernel_headers),
            (name, Some(manager), headers),
            "{os}"
        );
        let known = crate::catalog::distros::family(host.system()).expect(os);
        assert_eq!(known.headers.join(" "), family.headers, "{os}");
    }
}

#[test]
fn secure_boot_is_read_from_the_firmwares_variables() {
    const VARIABLE: &str = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
    let with = |bytes: &[u8]| look_at(&Machine::ubuntu().bytes(VARIABLE, bytes)).host.secure_boot;
    assert_eq!((with(&[6, 0, 0, 0, 1]), with(&[6, 0, 0, 0, 0])), (Some(true), Some(false)));
    assert_eq!(with(b"garbage"), None);
    assert_eq!(
        look_at(&Machine::ubuntu().folder("/sys/firmware/acpi")).host.secure_boot,
        Some(false),
        "no EFI, no Secure Boot"
    );
    assert_eq!(look_at(&Machine::ubuntu()).host.secure_boot, None, "a container hides the firmware");
}

#[test]
fn a_module_without_a_signature_is_found_under_secure_boot() {
    const VARIABLE: &str = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
    let modules = "/lib/modules/5.15.0-91-generic/updates/dkms";
    let machine = Machine::ubuntu()
        .bytes(VARIABLE, &[6, 0, 0, 0, 1])
        .file(&format!("{modules}/nvidia.ko"), "\u{7f}ELF and a module that nobody has signed")
        .file(&format!("{modules}/nvidia-uvm.ko"), "\u{7f}ELF … ~Module signature appended~\n")
        .file(&format!("{modules}/nvidia-drm.ko.zst"), "compressed");
    let facts = look_at(&machine);
    assert_eq!(facts.driver.unsigned_modules, [format!("{modules}/nvidia.ko")]);
    assert!(ids(&facts).contains(&"unsigned-modules") && !ids(&facts).contains(&"secure-boot-on"));
}

#[test]
fn each_runtime_tells_how_it_stores_its_layers() {
    let runtime = |machine: Machine| {
        let host = look_at(&machine).host;
        format!("{} {}", host.container_runtime.unwrap_or_default(), host.storage_driver.unwrap_or_default())
    };
    let kubelet = |socket: &str| format!("KUBELET_KUBEADM_ARGS=\"--container-runtime-endpoint=unix://{socket}\"\n");
    let with = |socket: &str| Machine::ubuntu().file("/var/lib/kubelet/kubeadm-flags.env", &kubelet(socket));
    let containerd = "/run/containerd/containerd.sock";
    assert_eq!(
        runtime(with(containerd).folder("/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs")),
        "containerd overlayfs"
    );
    let config = "[plugins.'io.containerd.cri.v1.images']\n  snapshotter = 'zfs'\n";
    assert_eq!(runtime(with(containerd).file("/etc/containerd/config.toml", config)), "containerd zfs");
    let storage = "[storage]\ndriver = \"overlay\"\n";
    assert_eq!(runtime(with("/var/run/crio/crio.sock").file("/etc/containers/storage.conf", storage)), "cri-o overlay");
    let daemon = Machine::ubuntu()
        .file("/run/docker.sock", "")
        .file("/etc/docker/daemon.json", r#"{"storage-driver": "overlay2"}"#);
    assert_eq!(runtime(daemon), "docker overlay2");
    assert_eq!(runtime(Machine::ubuntu()), " ");
}
