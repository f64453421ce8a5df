//! Whatever lies in the place of a file: the facts say so, and nothing fails, hangs or reaches a terminal as it is.

use std::{fs, io, os::unix::fs::symlink, path::PathBuf, sync::Arc};

use proptest::prelude::*;

use super::*;
use crate::host::{FileMeta, Files, files::Checksum};

/// Looks at the machine and demands that its report is fit for a terminal.
fn survives(machine: &Machine) -> Facts {
    let facts = look_at(machine);
    let text = report(&facts, Lang::En) + &report(&facts, Lang::Ko) + &serde_json::to_string(&facts).unwrap();
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'));
    facts
}

/// Puts something else into the place of each file of the seed's machine in turn, and of all of them.
fn replaced(by: impl Fn(&Path)) {
    let count = Machine::seed().files().len();
    for index in 0..=count {
        let machine = Machine::seed();
        let files = machine.files();
        let chosen = if index == count { files.as_slice() } else { &files[index..=index] };
        for path in chosen {
            let real = machine.root().join(path.trim_start_matches('/'));
            if real.is_file() {
                fs::remove_file(&real).unwrap();
                by(&real);
            }
        }
        survives(&machine);
    }
}

#[test]
fn empty_files() {
    replaced(|path| fs::write(path, "").unwrap());
}

#[test]
fn one_line_of_200_kilobytes() {
    let line = "nvidia 418.87.00 \u{1b}[31m".repeat(10_000);
    replaced(|path| fs::write(path, &line).unwrap());
}

#[test]
fn binary_files() {
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(5000).collect();
    replaced(|path| fs::write(path, &bytes).unwrap());
}

#[test]
fn links_in_a_circle_and_to_nowhere() {
    replaced(|path| symlink(path.file_name().unwrap(), path).unwrap());
    replaced(|path| symlink("/nowhere/at/all", path).unwrap());
}

#[test]
fn folders_and_pipes_in_the_place_of_files() {
    replaced(|path| fs::create_dir(path).unwrap());
    replaced(|path| assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_in_any_file(choice in any::<prop::sample::Index>(), bytes in any::<Vec<u8>>()) {
        let machine = Machine::seed();
        let files = machine.files();
        let path = files[choice.index(files.len())].clone();
        survives(&machine.bytes(&path, &bytes));
    }
}

/// Files of which some may not be read by this user.
struct Forbidden {
    inner: Arc<dyn Files>,
    forbidden: &'static [&'static str],
}

impl Forbidden {
    fn check(&self, path: &Path) -> io::Result<()> {
        let is_forbidden =
            self.forbidden.iter().any(|start| path.starts_with(start) || path.ends_with(start.trim_start_matches('/')));
        if is_forbidden { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
    }
}

impl Files for Forbidden {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.check(path).and_then(|()| self.inner.read(path))
    }

    fn read_at(&self, path: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.check(path).and_then(|()| self.inner.read_at(path, offset, len))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.check(path).and_then(|()| self.inner.list(path))
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        self.check(path).and_then(|()| self.inner.read_link(path))
    }

    fn meta(&self, path: &Path) -> io::Result<FileMeta> {
        self.inner.meta(path)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        self.inner.canonical(path)
    }

    fn write(&self, _path: &Path, _bytes: &[u8], _mode: u32) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn remove(&self, _path: &Path) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn remove_all(&self, _path: &Path) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn has_digest(&self, path: &Path, checksum: &Checksum) -> io::Result<bool> {
        self.inner.has_digest(path, checksum)
    }

    fn copy_private(&self, _from: &Path, _to: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<crate::private::Locked>> {
        self.inner.lock(path)
    }

    fn demand_trusted(&self, path: &Path) -> io::Result<()> {
        self.inner.demand_trusted(path)
    }

    fn free_space(&self, path: &Path) -> io::Result<u64> {
        self.inner.free_space(path)
    }
}

#[test]
fn what_only_root_may_read_is_told_as_that() {
    let machine = Machine::seed();
    let mut host = Host::local(machine.root());
    host.files = Arc::new(Forbidden {
        inner: Arc::clone(&host.files),
        forbidden: &["/proc/1342/fd", "/proc/modules", "/var/lib/rpm"],
    });
    let facts = probe_with(&host, &two_cards);
    assert_eq!(facts.unknown["driver.holders"].id, "processes-hidden");
    assert_eq!(facts.unknown["driver.modules"].text(Lang::En), "reading /proc/modules is not allowed");
    let finding = facts.findings.iter().find(|finding| finding.id == "facts-need-root").unwrap();
    assert_eq!(finding.evidence, "driver.holders, driver.modules");
    assert_eq!(facts.gpus.len(), 1, "what can be read is");
}

#[test]
fn without_anything_of_the_kernel_each_fact_has_its_reason() {
    let machine = Machine::empty().file("/etc/os-release", "ID=ubuntu\n");
    let facts = survives(&machine);
    for fact in ["gpus", "driver.modules", "driver.holders", "host.kernel", "host.kernel_headers", "host.boot_id"] {
        assert!(facts.unknown.contains_key(fact), "{fact}: {:?}", facts.unknown.keys());
    }
}

#[test]
fn sixteen_cards_in_several_domains_with_all_their_functions() {
    let mut machine = Machine::ubuntu().file("/proc/modules", "nvidia 1 0 - Live 0x0\n");
    for index in 0..16 {
        let (domain, bus) = (if index < 8 { "0000" } else { "10000" }, 0x10 + index);
        machine = machine
            .gpu(&format!("{domain}:{bus:02x}:00.0"), "2335", "10de 18be", Some("nvidia"))
            .pci(&format!("{domain}:{bus:02x}:00.1"), "0x10de", "0x22ba", "0x040300")
            .link(
                &format!("/sys/bus/pci/devices/{domain}:{bus:02x}:00.0/virtfn0"),
                &format!("../{domain}:{bus:02x}:00.4"),
            )
            .gpu(&format!("{domain}:{bus:02x}:00.4"), "2335", "10de 0000", None)
            .link(
                &format!("/sys/bus/pci/devices/{domain}:{bus:02x}:00.4/physfn"),
                &format!("../{domain}:{bus:02x}:00.0"),
            );
    }
    for bus in 7..11 {
        machine = machine.pci(&format!("0000:{bus:02x}:00.0"), "0x10de", "0x22a3", "0x068000");
    }
    let facts = survives(&machine);
    assert_eq!((facts.gpus.len(), facts.nvswitches.len()), (16, 4));
    assert!(facts.gpus.iter().all(|gpu| gpu.virtual_functions == 1 && gpu.name == "NVIDIA H200"));
    assert_eq!(facts.gpus[8].pci_address, "10000:18:00.0", "by number, not as text");
    assert_eq!(ids(&facts).iter().filter(|id| **id == "vgpu-host").count(), 1);
}

#[test]
fn who_holds_a_card_in_place_of_nvidias_driver_is_found_too() {
    let address = "/sys/bus/pci/devices/0000:01:00.0";
    let vfio = Machine::ubuntu()
        .gpu("0000:01:00.0", "1db6", "10de 1214", Some("vfio-pci"))
        .link(&format!("{address}/iommu_group"), "../../../kernel/iommu_groups/17")
        .file("/proc/modules", "vfio_pci 1 1 - Live 0x0\n")
        .process(
            700,
            "qemu-system-x86",
            "/usr/bin/qemu-system-x86_64\0-m\0",
            "0::/machine.slice/machine-qemu-1.scope\n",
        )
        .link("/proc/700/fd/9", "/dev/vfio/17")
        .process(701, "other", "other", "0::/\n")
        .link("/proc/701/fd/9", "/dev/vfio/18");
    let facts = survives(&vfio);
    assert_eq!(
        facts.driver.holders.iter().map(|holder| (holder.pid, holder.holds.join(" "))).collect::<Vec<_>>(),
        [(700, "/dev/vfio/17".to_owned())]
    );
    let nouveau = Machine::ubuntu()
        .gpu("0000:01:00.0", "1db6", "10de 1214", Some("nouveau"))
        .folder(&format!("{address}/drm/card1"))
        .file("/proc/modules", "nouveau 1 4 - Live 0x0\n")
        .process(800, "Xorg", "/usr/lib/xorg/Xorg", "0::/user.slice/user-1000.slice/session-2.scope\n")
        .link("/proc/800/fd/3", "/dev/dri/card1");
    assert_eq!(survives(&nouveau).driver.holders[0].unit.as_deref(), Some("session-2.scope"));
}

#[test]
fn without_a_driver_no_process_is_looked_into() {
    let machine = Machine::ubuntu()
        .process(88, "x", "x", "0::/\n")
        .link("/proc/88/fd/3", "/dev/nvidia0")
        .file("/proc/modules", "drm 1 0 - Live 0x0\n");
    assert_eq!(survives(&machine).driver.holders, []);
}
