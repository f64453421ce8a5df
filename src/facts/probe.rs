//! Asks everything at once: the slow questions (NVML, the rpm database, `gcc`) each have a thread.

use std::{thread, time::Duration};

use super::{
    DriverFacts, Facts, Gpu, LedgerEntry, PciDevice, boot, devices, findings, headers, holders, kernel, ledger,
    left_files, node, nvml, os, packages, pci,
    reader::{Learned, Reader, with_reader},
    units,
};
use crate::{catalog::gpus, host::Host, worker::beside};

/// How long NVML may take. Without persistence mode the driver wakes each card first, about a second or two a card.
const NVML_DEADLINE: Duration = Duration::from_secs(20);

/// Returns all that can be learned about a machine. Never fails: what could not be learned is in [`Facts::unknown`].
pub fn probe(host: &Host) -> Facts {
    probe_with(host, &in_catalog)
}

/// As [`probe`], and asks the package manager too, which can take as long as its lists need to come over the network.
pub fn probe_all(host: &Host) -> Facts {
    let mut facts = probe(host);
    let answer = headers::ask(host, &facts.host, headers::DEADLINE);
    facts.take_offer(answer);
    node::examine(host, &mut facts);
    facts
}

/// What the catalog says of a card.
fn in_catalog(device: &PciDevice, name: Option<&str>) -> Option<Gpu> {
    gpus::identify(&device.device_id, &device.subsystem_vendor_id, &device.subsystem_device_id, name).map(Gpu::from)
}

impl From<gpus::GpuModel> for Gpu {
    fn from(model: gpus::GpuModel) -> Self {
        Self {
            name: model.name,
            chip: model.chip,
            architecture: model.architecture,
            compute_capability: model.compute_capability,
            catalog: model.catalog,
            first_branch: model.first_branch,
            last_branch: model.last_branch,
            kernel_module: model.kernel_module,
            guessed_from: model.neighbour.map(|id| format!("10de:{id}")),
            ..Self::default()
        }
    }
}

/// As [`probe`], with the catalog given: from a device and its name in `pci.ids` to a [`Gpu`] whose model fields (name
/// to kernel module) are filled in.
pub fn probe_with(host: &Host, identify: &(dyn Fn(&PciDevice, Option<&str>) -> Option<Gpu> + Sync)) -> Facts {
    let mut facts = thread::scope(|scope| {
        let nvml = beside(scope, || with_reader(host, |reader| nvml::probe(reader, NVML_DEADLINE)));
        let around = beside(scope, || with_reader(host, os::probe));
        let packages = beside(scope, || with_reader(host, node::probe_packages));
        let node = beside(scope, || with_reader(host, node::probe));
        let mut reader = Reader::new(host);
        let mut driver = probe_loaded(&mut reader);
        let bus = pci::probe(&mut reader, identify);
        let can_be_held =
            !driver.modules.is_empty() || driver.loaded_version.is_some() || host.files.exists("/dev/nvidiactl");
        let devices = can_be_held.then(|| pci::other_devices(&reader, &bus.gpus));
        let holders = beside(scope, move || with_reader(host, |reader| holders::probe(reader, devices.as_ref())));
        let release = host.files.read_value("/proc/sys/kernel/osrelease").unwrap_or_default();
        driver.ledger.extend(ledger::probe_files(&mut reader, &release));
        driver.vgpu_guest = ledger::probe_vgpu_guest(&reader);
        driver.unsigned_modules = ledger::probe_unsigned(&reader, &driver.ledger);
        driver.kernels = boot::probe_kernels(&mut reader, &driver.ledger);
        driver.device_nodes = devices::probe_nodes(&mut reader);
        if !driver.device_nodes.is_empty() {
            driver.char_links = devices::probe_char_links(&mut reader);
        }
        driver.libraries = devices::probe_libraries(&reader);
        driver.smi = devices::probe_smi(&reader);
        let next_kernel = boot::probe_next(&mut reader, &driver.kernels);

        let mut facts =
            Facts { gpus: bus.gpus, nvswitches: bus.nvswitches, unknown: reader.unknown, ..Facts::default() };
        let answer = facts.take(nvml.join());
        facts.host = facts.take(around.join());
        facts.host.next_kernel = next_kernel;
        facts.node = facts.take(node.join());
        let (of_packages, node_packages) = facts.take(packages.join());
        driver.ledger.extend(of_packages);
        facts.node.packages = node_packages;
        let (held, daemons) = facts.take(holders.join());
        driver.ledger.extend(daemons);
        driver.ledger.sort_by(|a, b| (a.origin, &a.name, &a.source).cmp(&(b.origin, &b.name, &b.source)));
        driver.ledger.dedup();
        units::note_running(&mut facts.node.units, &driver.ledger);
        driver.holders = held;
        let (left, unknown) = with_reader(host, |reader| left_files::probe(reader, &driver.ledger));
        driver.left_files = left;
        facts.unknown.extend(unknown);
        nvml::join(&mut facts.gpus, &answer);
        driver.nvml = Some(answer);
        facts.driver = driver;
        facts
    });
    facts.findings = findings::judge(&facts);
    facts
}

/// What is loaded now.
fn probe_loaded(reader: &mut Reader<'_>) -> DriverFacts {
    let (modules, place) = kernel::probe_modules(reader);
    let (loaded_version, loaded_kind) = kernel::probe_loaded_driver(reader);
    let mut driver = DriverFacts { loaded_version, loaded_kind, modules, ..DriverFacts::default() };
    driver.ledger = ledger::loaded_modules(&driver, place);
    driver
}

/// Returns the driver ledger alone: what is loaded, in files and in the package databases; not the units.
pub fn driver_ledger(host: &Host) -> Vec<LedgerEntry> {
    let mut reader = Reader::new(host);
    let mut found = probe_loaded(&mut reader).ledger;
    let release = host.files.read_value("/proc/sys/kernel/osrelease").unwrap_or_default();
    found.extend(ledger::probe_files(&mut reader, &release));
    found.extend(packages::probe(&mut reader));
    found
}

impl Facts {
    /// Keeps what a probe could not learn and hands over what it did.
    pub(super) fn take<T>(&mut self, (fact, unknown): Learned<T>) -> T {
        self.unknown.extend(unknown);
        fact
    }
}
