//! Builds a machine as a folder.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

/// A machine below a temporary folder.
pub struct Machine {
    folder: tempfile::TempDir,
    files: Vec<String>,
}

impl Machine {
    /// A folder with nothing in it.
    pub fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), files: Vec::new() }
    }

    /// Ubuntu 22.04 with an empty PCI bus.
    pub fn ubuntu() -> Self {
        let os =
            "PRETTY_NAME=\"Ubuntu 22.04.4 LTS\"\nNAME=\"Ubuntu\"\nVERSION_ID=\"22.04\"\nID=ubuntu\nID_LIKE=debian\n";
        Self::empty()
            .file("/etc/os-release", os)
            .file("/proc/sys/kernel/osrelease", "5.15.0-91-generic\n")
            .file("/proc/sys/kernel/hostname", "node2\n")
            .file("/proc/sys/kernel/random/boot_id", "5d1f3c6e-0000-4000-8000-000000000002\n")
            .file("/lib64/ld-linux-x86-64.so.2", "")
            .folder("/sys/bus/pci/devices")
    }

    /// The machine of the seed: CentOS 7.8, a V100, driver 418.87.00 installed from the runfile and loaded.
    pub fn seed() -> Self {
        let os = "NAME=\"CentOS Linux\"\nVERSION=\"7 (Core)\"\nID=\"centos\"\nID_LIKE=\"rhel fedora\"\nVERSION_ID=\"7\"\nPRETTY_NAME=\"CentOS Linux 7 (Core)\"\n";
        let modules = "nvidia_drm 43690 0 - Live 0xffffffffc1a3e000 (POE)\nnvidia_modeset 1091042 1 nvidia_drm, Live 0xffffffffc1919000 (POE)\n\
            nvidia 18202459 2 nvidia_modeset, Live 0xffffffffc0784000 (POE)\ndrm 456166 5 ast,ttm,drm_kms_helper,nvidia_drm, Live 0xffffffffc04f5000\n";
        let version = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  418.87.00  Thu Aug  8 15:35:46 CDT 2019\n\
            GCC version:  gcc version 4.8.5 20150623 (Red Hat 4.8.5-39) (GCC) \n";
        Self::empty()
            .file("/etc/os-release", os)
            .file("/etc/centos-release", "CentOS Linux release 7.8.2003 (Core)\n")
            .file("/proc/sys/kernel/osrelease", "3.10.0-1160.2.2.el7.x86_64\n")
            .file("/proc/sys/kernel/hostname", "node1\n")
            .file("/proc/sys/kernel/random/boot_id", "5d1f3c6e-0000-4000-8000-000000000001\n")
            .gpu("0000:18:00.0", "1db6", "10de 124a", Some("nvidia"))
            .file("/proc/modules", modules)
            .file("/proc/driver/nvidia/version", version)
            .file("/usr/bin/nvidia-uninstall", "")
            .file(
                "/var/log/nvidia-installer.log",
                "nvidia-installer log file '/var/log/nvidia-installer.log'\ninstaller version: 418.87.00\n",
            )
            .file("/lib/modules/3.10.0-1160.2.2.el7.x86_64/kernel/drivers/video/nvidia.ko", "")
            .file("/lib/modules/3.10.0-1160.2.2.el7.x86_64/kernel/drivers/video/nvidia-modeset.ko", "")
            .file("/lib/modules/3.10.0-1160.2.2.el7.x86_64/kernel/drivers/video/fbdev/nvidia/nvidiafb.ko.xz", "")
            .link("/lib/modules/3.10.0-1160.2.2.el7.x86_64/build", "/usr/src/kernels/3.10.0-1160.2.2.el7.x86_64")
            .file("/usr/local/cuda-10.1/version.txt", "CUDA Version 10.1.243\n")
            .link("/usr/local/cuda", "/usr/local/cuda-10.1")
            .file("/usr/bin/gcc", "")
            .file("/usr/bin/yum", "")
            .folder("/usr/lib/gcc/x86_64-redhat-linux/4.8.2")
            .folder("/usr/lib/gcc/x86_64-redhat-linux/4.8.5")
            .file("/lib64/libc-2.17.so", "")
            .link("/lib64/libc.so.6", "libc-2.17.so")
            .file("/lib64/ld-linux-x86-64.so.2", "")
            .file("/var/lib/rpm/Packages", "")
            .folder("/sys/firmware/acpi")
            .file("/var/run/docker.sock", "")
            .folder("/var/lib/docker/image/devicemapper")
            .process(1, "systemd", "/usr/lib/systemd/systemd", "1:name=systemd:/\n")
            .process(
                1342,
                "nvidia-persiste",
                "/usr/bin/nvidia-persistenced\0--user\0nvidia",
                "1:name=systemd:/system.slice/nvidia-persistenced.service\n",
            )
            .link("/proc/1342/fd/3", "/dev/nvidiactl")
    }

    /// A virtual machine with an H200, shaped as a real one: the open module, no counts of users, no module files.
    pub fn h200() -> Self {
        let version = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build  (nixbld@)  \n\
            GCC version:  gcc version 15.3.0 (GCC) \n";
        Self::ubuntu()
            .pci("0000:00:01.0", "0x1af4", "0x1042", "0x018000")
            .gpu("0000:00:06.0", "2335", "10de 18bf", Some("nvidia"))
            .file(
                "/proc/modules",
                "nvidia_uvm 1830912 - - Live 0xffffffffc080c000 (O)\nnvidia 14299136 - - Live 0xffffffffc0400000 (O)\n",
            )
            .file("/proc/driver/nvidia/version", version)
            .file("/usr/local/cuda-13.0/version.json", "{\"cuda\": {\"name\": \"CUDA SDK\", \"version\": \"13.0.1\"}}")
            .link("/usr/local/cuda-13", "cuda-13.0")
            .process(
                88,
                "python3",
                "python3\0train.py",
                "0::/kubepods.slice/kubepods-pod1f0c3f2e_9d52_4b8e_8c61_0f3b7a6d5e4c.slice/cri-containerd-ab.scope\n",
            )
            .folder("/var/log/pods/ml_train-0_1f0c3f2e-9d52-4b8e-8c61-0f3b7a6d5e4c/python")
            .file("/proc/88/maps", "7f0 r-xp 00000000 08:01 12 /usr/lib/x86_64-linux-gnu/libcuda.so.580.159.04\n")
            .file(
                "/var/lib/kubelet/kubeadm-flags.env",
                "KUBELET_KUBEADM_ARGS=\"--container-runtime-endpoint=unix:///run/containerd/containerd.sock\"\n",
            )
    }

    /// Adds a GPU bound to `driver`; `board` is the vendor and device of its subsystem.
    pub fn gpu(self, address: &str, device: &str, board: &str, driver: Option<&str>) -> Self {
        let folder = format!("/sys/bus/pci/devices/{address}");
        let (board_vendor, board_device) = board.split_once(' ').unwrap();
        let machine = self
            .pci(address, "0x10de", &format!("0x{device}"), "0x030200")
            .file(&format!("{folder}/subsystem_vendor"), &format!("0x{board_vendor}\n"))
            .file(&format!("{folder}/subsystem_device"), &format!("0x{board_device}\n"));
        match driver {
            Some(driver) => machine.link(&format!("{folder}/driver"), &format!("../../../../bus/pci/drivers/{driver}")),
            None => machine,
        }
    }

    /// Adds a function of a PCI device.
    pub fn pci(self, address: &str, vendor: &str, device: &str, class: &str) -> Self {
        let folder = format!("/sys/bus/pci/devices/{address}");
        self.file(&format!("{folder}/vendor"), &format!("{vendor}\n"))
            .file(&format!("{folder}/device"), &format!("{device}\n"))
            .file(&format!("{folder}/class"), &format!("{class}\n"))
    }

    /// Adds a process with nothing open.
    pub fn process(self, pid: u32, name: &str, command: &str, cgroup: &str) -> Self {
        self.file(&format!("/proc/{pid}/comm"), &format!("{name}\n"))
            .file(&format!("/proc/{pid}/cmdline"), &format!("{command}\0"))
            .file(&format!("/proc/{pid}/cgroup"), cgroup)
            .folder(&format!("/proc/{pid}/fd"))
    }

    /// Writes a file.
    pub fn file(self, path: &str, text: &str) -> Self {
        self.bytes(path, text.as_bytes())
    }

    /// Writes a file that need not be text.
    pub fn bytes(mut self, path: &str, bytes: &[u8]) -> Self {
        fs::write(self.parent_of(path), bytes).unwrap();
        self.files.push(path.to_owned());
        self
    }

    /// Makes a folder.
    pub fn folder(self, path: &str) -> Self {
        fs::create_dir_all(self.real(path)).unwrap();
        self
    }

    /// Makes a link, which may lead nowhere.
    pub fn link(self, path: &str, target: &str) -> Self {
        symlink(target, self.parent_of(path)).unwrap();
        self
    }

    /// The paths of all files.
    pub fn files(&self) -> Vec<String> {
        self.files.clone()
    }

    /// Where the machine lies.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    fn real(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    fn parent_of(&self, path: &str) -> PathBuf {
        let real = self.real(path);
        fs::create_dir_all(real.parent().unwrap()).unwrap();
        real
    }
}
