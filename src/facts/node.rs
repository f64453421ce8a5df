//! What stands between the driver and a pod on this machine: container runtime, container toolkit, CDI, services and
//! packages.

use std::thread;

use serde::{Deserialize, Serialize};

use super::{
    Facts, LedgerEntry,
    boot::{self, InstalledKernel},
    cdi::{self, CdiSpec},
    container_toolkit::{self, ToolkitFacts},
    containerd::{self, ContainerdFacts},
    engines::{self, CrioFacts, DockerFacts},
    findings,
    node_packages::{self, NodePackage},
    packages,
    reader::{Reader, with_reader},
    sources::{self, PackageSource},
    units::{self, Unit},
    upgrades::{self, AutomaticUpgrades},
};
use crate::{
    host::{Command, Host},
    text::printable,
    worker::beside,
};

/// Where GPU Operator's validator leaves its proofs. Source: NVIDIA/gpu-operator, cmd/nvidia-validator.
pub const VALIDATIONS: &str = "/run/nvidia/validations";

/// What stands between the driver and a pod. What is not on the machine is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeFacts {
    /// containerd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub containerd: Option<ContainerdFacts>,
    /// CRI-O.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crio: Option<CrioFacts>,
    /// docker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docker: Option<DockerFacts>,
    /// NVIDIA Container Toolkit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub toolkit: Option<ToolkitFacts>,
    /// CDI specifications of NVIDIA's devices.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cdi: Vec<CdiSpec>,
    /// The driver's services.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<Unit>,
    /// The packages that matter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<NodePackage>,
    /// The repositories that carry NVIDIA's packages.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<PackageSource>,
    /// What upgrades packages by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgrades: Option<AutomaticUpgrades>,
    /// Of each card that switches join with others, `State/Status` as `nvidia-smi -q` says; empty while nobody asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fabric: Vec<String>,
    /// The files by which GPU Operator's validator tells what it has proved; empty where nobody looked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub validations: Vec<String>,
    /// Whether programs were asked, by [`examine`]; files alone do not tell what holds.
    pub is_examined: bool,
}

/// Returns the driver's ledger of packages, and the packages that matter to the node.
pub(super) fn probe_packages(reader: &mut Reader<'_>) -> (Vec<LedgerEntry>, Vec<NodePackage>) {
    let locks = node_packages::probe_locks(reader);
    let (ledger, installed) = packages::probe_installed(reader);
    (ledger, node_packages::of(&installed, &locks))
}

/// Reads what files tell; the packages are put in by the caller, who reads them for the ledger too.
pub(super) fn probe(reader: &mut Reader<'_>) -> NodeFacts {
    NodeFacts {
        containerd: containerd::probe(reader),
        crio: engines::probe_crio(reader),
        docker: engines::probe_docker(reader),
        toolkit: container_toolkit::probe(reader),
        cdi: cdi::probe(reader),
        units: units::probe(reader),
        sources: sources::probe(reader),
        upgrades: upgrades::probe(reader),
        ..NodeFacts::default()
    }
}

/// Asks the programs of the machine what its files do not tell: containerd what holds, the toolkit what it sees, the
/// package manager where packages came from, `modinfo` of compressed modules. Each is asked only where it is here, all
/// side by side. Judges anew.
pub fn examine(host: &Host, facts: &mut Facts) {
    let (node, kernels, has_switches) = (&facts.node, &facts.driver.kernels, !facts.nvswitches.is_empty());
    let (runtime, toolkit, packages, fabric) = thread::scope(|scope| {
        let runtime = beside(scope, || with_reader(host, |reader| ask_runtimes(reader, node.clone())));
        let toolkit =
            beside(scope, || with_reader(host, |reader| ask_toolkit(reader, node.toolkit.clone(), kernels.clone())));
        let packages = with_reader(host, |reader| ask_packages(reader, node.clone()));
        let fabric = with_reader(host, |reader| if has_switches { ask_fabric(reader) } else { Vec::new() });
        (runtime.join(), toolkit.join(), packages, fabric)
    });
    (facts.node.containerd, facts.node.crio) = facts.take(runtime);
    (facts.node.toolkit, facts.driver.kernels) = facts.take(toolkit);
    (facts.node.packages, facts.node.upgrades) = facts.take(packages);
    facts.node.fabric = facts.take(fabric);
    let validations = with_reader(host, |reader| reader.list_if_there("node.validations", VALIDATIONS));
    facts.node.validations = facts.take(validations);
    facts.node.is_examined = true;
    facts.findings = findings::judge(facts);
}

fn ask_runtimes(reader: &mut Reader<'_>, mut node: NodeFacts) -> (Option<ContainerdFacts>, Option<CrioFacts>) {
    if let Some(facts) = &mut node.containerd {
        containerd::ask(reader, facts);
    }
    if let Some(facts) = &mut node.crio {
        engines::ask_crio(reader, facts);
    }
    (node.containerd, node.crio)
}

type Kernels = Vec<InstalledKernel>;

fn ask_toolkit(
    reader: &mut Reader<'_>,
    mut toolkit: Option<ToolkitFacts>,
    mut kernels: Kernels,
) -> (Option<ToolkitFacts>, Kernels) {
    if let Some(facts) = &mut toolkit {
        container_toolkit::ask(reader, facts);
    }
    boot::ask(reader, &mut kernels);
    (toolkit, kernels)
}

/// Asks how the cards have joined their switches.
fn ask_fabric(reader: &mut Reader<'_>) -> Vec<String> {
    let text = reader.command("node.fabric", &Command::new("nvidia-smi", ["-q"]));
    text.as_deref().map(parse_fabric).unwrap_or_default()
}

/// Reads `State` and `Status` below each `Fabric`. Source: nvidia-smi -q of driver 580 on an H200 (recorded).
pub(super) fn parse_fabric(text: &str) -> Vec<String> {
    let value = |line: &str, key: &str| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| printable(value.trim()))
    };
    let (mut found, mut lines) = (Vec::new(), text.lines());
    while lines.any(|line| line.trim() == "Fabric") {
        let below: Vec<&str> = lines.clone().take(2).collect();
        let of = |key: &str| below.iter().find_map(|line| value(line, key)).unwrap_or_else(|| "-".to_owned());
        found.push(format!("{}/{}", of("State"), of("Status")));
    }
    found
}

fn ask_packages(reader: &mut Reader<'_>, mut node: NodeFacts) -> (Vec<NodePackage>, Option<AutomaticUpgrades>) {
    node_packages::ask_origins(reader, &mut node.packages);
    if let Some(facts) = &mut node.upgrades {
        upgrades::ask(reader, facts);
    }
    (node.packages, node.upgrades)
}

impl Facts {
    /// Takes over what programs answered at an earlier look, as far as it still holds: a quick look loses nothing.
    pub fn keep_asked(&mut self, before: &Self) {
        self.keep_offer(before);
        if before.node.is_examined && !self.node.is_examined && self.host.boot_id == before.host.boot_id {
            self.take_over(before);
        }
    }

    fn take_over(&mut self, before: &Self) {
        if let (Some(now), Some(then)) = (&mut self.node.containerd, &before.node.containerd)
            && (&now.root, &now.drop_ins, &now.process) == (&then.root, &then.drop_ins, &then.process)
        {
            *now = then.clone();
        }
        if let (Some(now), Some(then)) = (&mut self.node.toolkit, &before.node.toolkit) {
            (now.version, now.info) = (then.version.clone(), then.info.clone());
        }
        if let (Some(now), Some(then)) = (&mut self.node.upgrades, &before.node.upgrades) {
            *now = then.clone();
        }
        for package in &mut self.node.packages {
            let same =
                before.node.packages.iter().find(|one| (&one.name, &one.version) == (&package.name, &package.version));
            package.origin = same.and_then(|one| one.origin.clone());
        }
        self.node.is_examined = true;
        self.findings = findings::judge(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_how_cards_have_joined_their_switches() {
        let text = "GPU 00000000:00:06.0\n    Fabric\n        State                             : Completed\n        Status                            : Success\n\
            \x20       CliqueId                          : 0\nGPU 00000000:00:07.0\n    Fabric\n        State                             : N/A\n";
        assert_eq!(parse_fabric(text), ["Completed/Success", "N/A/-"]);
        assert_eq!(parse_fabric(""), [] as [&str; 0]);
    }
}
