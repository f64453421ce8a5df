//! The actions of step 2 for the host's driver, in their order: pods off the node, the kernel's own drivers off the
//! cards, repository, what a module is built with, pin before the driver, the driver, its companions; the container
//! toolkit with its links and its description of the cards; then the hold of all that came. What has to wait for a
//! reboot is enabled for the next boot and not started.

use super::recipe::{self, Course, Recipe, Refusal};
use crate::{
    answers::Answers,
    catalog::{
        ModuleKind, distros,
        host_driver::{self, Companion, DriverSource, PinKind},
    },
    facts::{Facts, node_packages::Part},
    owner::{disposition::is_of_pod, node_name},
    plan::{
        Action, Step,
        action::{
            add_repository::{AddRepository, Manager},
            blacklist_nouveau::BlacklistNouveau,
            cdi_spec::CdiSpec,
            configure_toolkit::ConfigureToolkit,
            device_links::DeviceLinks,
            drain_node::DrainNode,
            enable_unit::EnableUnit,
            enroll_key::EnrollKey,
            hold_packages::HoldPackages,
            install_set::{InstallSet, Purpose},
            load_modules::LoadModules,
            local_repository::LocalRepository,
            pin_driver::{Pin, PinDriver},
        },
        conflicting_module,
    },
    version::Version,
};

/// Name of the CUDA repository's files on this machine.
const CUDA: &str = "gpunode-nvidia-cuda";
/// Name of the container toolkit's.
const TOOLKIT: &str = "gpunode-nvidia-container-toolkit";
/// The first version of the container toolkit that has a unit for the description of the cards.
const REFRESHES_CDI: &str = "1.18.0";
/// The unit. Source: NVIDIA/nvidia-container-toolkit, deployments/systemd, v1.18.0.
const CDI_UNITS: [&str; 2] = ["nvidia-cdi-refresh.path", "nvidia-cdi-refresh.service"];
/// Kubespray's low-level runtimes of CRI-O. Source: roles/container-engine/cri-o of v2.27 to v2.31.
const CRIO_RUNTIMES: [&str; 4] = ["/usr/libexec/crio/crun", "/usr/libexec/crio/runc", "crun", "runc"];
/// Cards whose boards need the subnet manager of the fifth `NVLink` generation; of each the beginning of the name.
const NVLINK5: [&str; 4] = ["B200", "GB200", "B300", "GB300"];

/// What the planning of one machine rests on.
struct Plan<'a> {
    facts: &'a Facts,
    answers: &'a Answers,
    family: String,
    manager: Manager,
    /// The driver will be loaded, or is, before the boot.
    loads: bool,
    actions: Vec<Action>,
}

/// Plans the host's driver.
pub(super) fn plan(facts: &Facts, answers: &Answers) -> Vec<Action> {
    let course = match recipe::course(facts, answers) {
        Ok(Course::Nothing) => return Vec::new(),
        Ok(course) => course,
        Err(refusal) => return vec![refused(&refusal)],
    };
    let family = distros::family(facts.host.system());
    let manager = family.as_ref().and_then(|family| Manager::named(&family.package_manager));
    let (Some(family), Some(manager)) = (family, manager) else { return Vec::new() };
    // What a pod has loaded leaves with the reboot that its removal wants.
    let loads = if facts.driver.loaded_version.is_some() {
        !is_of_pod(&facts.driver)
    } else {
        conflicting_module(facts).is_none()
    };
    let mut plan = Plan { facts, answers, family: family.name, manager, loads, actions: Vec::new() };
    match &course {
        Course::Install(recipe) => plan.install(recipe),
        Course::Adopt(_) | Course::Nothing => {}
    }
    plan.container_toolkit();
    plan.keep(&course);
    plan.actions
}

/// What cannot be done is in the plan, with its reason and the way out, and keeps `apply` from beginning.
fn refused(refusal: &Refusal) -> Action {
    let kind = InstallSet {
        family: String::new(),
        purpose: Purpose::Driver,
        packages: Vec::new(),
        version: None,
        branch: None,
        replaces_driver: false,
    };
    let mut action = Action::new(Step::Driver, "no-driver", kind, &[]);
    action.args = refusal.args.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    action.commands.clear();
    action.blocked = Some(refusal.name.to_owned());
    action
}

impl Plan<'_> {
    fn add(&mut self, action: Action) {
        self.actions.push(action);
    }

    fn set(&self, purpose: Purpose, packages: Vec<String>) -> InstallSet {
        let family = self.family.clone();
        InstallSet { family, purpose, packages, version: None, branch: None, replaces_driver: false }
    }

    fn install(&mut self, recipe: &Recipe) {
        self.drain();
        self.blacklist();
        self.repository(recipe);
        self.pin(recipe);
        self.prerequisites(recipe);
        self.driver(recipe);
        self.key(recipe);
        self.load(recipe);
        self.companions(recipe);
    }

    /// A node whose pods use the cards is drained; on another that has pods it is offered, for the reboot.
    fn drain(&mut self) {
        let in_use = self.facts.driver.holders.iter().any(|holder| holder.pod.is_some());
        if !in_use && self.facts.host.container_runtime.is_none() {
            return;
        }
        let node = node_name(self.facts, self.answers);
        let kubeconfig = self.answers.kubeconfig.clone().map(Into::into);
        let action =
            Action::new(Step::Driver, "drain-node", DrainNode { kubeconfig, node: node.clone() }, &[("node", node)]);
        let why = if in_use { "drain-node" } else { "drain-node-offered" };
        self.add(Action { optional: !in_use, why: why.to_owned(), ..action });
    }

    /// A rival that holds a card is banned by the plan of every owner; here also one that would take it at the next
    /// boot.
    fn blacklist(&mut self) {
        if conflicting_module(self.facts).is_none() {
            let kind = BlacklistNouveau { family: self.family.clone() };
            let action =
                Action::new(Step::Driver, "blacklist-nouveau", kind, &[("driver", "nouveau, nova".to_owned())]);
            self.add(Action { why: "blacklist-nouveau-before".to_owned(), ..action });
        }
    }

    fn repository(&mut self, recipe: &Recipe) {
        if recipe.chosen == DriverSource::LocalRepository {
            let (Some(file), Some(sha256)) = (&self.answers.local_repository, &self.answers.local_repository_sha256)
            else {
                return;
            };
            let kind = LocalRepository { manager: self.manager, file: file.clone().into(), sha256: sha256.to_string() };
            let args = [("file", file.to_string())];
            return self.add(Action::new(Step::Driver, "local-repository", kind, &args));
        }
        let Some(repository) = &recipe.repository else { return };
        let fingerprint =
            self.answers.repository_key.clone().or_else(|| repository.key.fingerprint.as_ref()?.parse().ok());
        let key = format!("{}/{}", repository.address, repository.key.file);
        let (Ok(address), Ok(key_address), Some(fingerprint)) = (repository.address.parse(), key.parse(), fingerprint)
        else {
            return;
        };
        self.add_repository(CUDA, address, key_address, fingerprint, false);
    }

    fn add_repository(
        &mut self,
        name: &str,
        address: crate::input::WebAddress,
        key_address: crate::input::WebAddress,
        fingerprint: crate::input::Fingerprint,
        signs_lists: bool,
    ) {
        let args = [("address", address.to_string())];
        let kind = AddRepository {
            manager: self.manager,
            name: name.to_owned(),
            address,
            key_address,
            fingerprint,
            signs_lists,
            proxy: self.answers.proxy.clone(),
        };
        self.add(Action::new(Step::Driver, &format!("add-repository:{name}"), kind, &args));
    }

    /// Headers for the kernel that runs and the one that boots next: without, the driver is gone after the next boot.
    fn prerequisites(&mut self, recipe: &Recipe) {
        let host = &self.facts.host;
        if !recipe.is_built() {
            return;
        }
        let Some(family) = distros::family(host.system()) else { return };
        let mut packages = family.headers;
        if let Some(next) = host.next_kernel.as_ref().filter(|next| next.release != host.kernel) {
            let system = distros::System { kernel: &next.release, ..host.system() };
            packages.extend(distros::family(system).map(|family| family.headers).unwrap_or_default());
        }
        packages.extend(family.compiler);
        packages.extend(recipe.source.prerequisites.iter().cloned());
        let mut seen = std::collections::BTreeSet::new();
        packages.retain(|name| seen.insert(name.clone()));
        let kernels: Vec<&str> =
            [Some(host.kernel.as_str()), host.next_kernel.as_ref().map(|next| next.release.as_str())]
                .into_iter()
                .flatten()
                .collect();
        let args = [("packages", packages.join(", ")), ("kernels", kernels.join(", "))];
        let kind = self.set(Purpose::Prerequisites, packages);
        let action = Action::new(Step::Driver, "install-prerequisites", kind, &args);
        let why = if recipe.source.needs_epel { "install-prerequisites-epel" } else { "install-prerequisites" };
        self.add(Action { why: why.to_owned(), ..action });
    }

    fn pin(&mut self, recipe: &Recipe) {
        let branch = recipe.branch;
        let version = recipe.version.as_ref().map_or_else(|| format!("{branch}."), ToString::to_string);
        let pin = match recipe.source.pin {
            PinKind::None => return,
            // The pinning package is NVIDIA's own way; apt's preferences say the same and need no package that may be
            // missing.
            PinKind::Preferences | PinKind::Package => Pin::Preferences { version },
            PinKind::Versionlock => Pin::Versionlock { version, packages: recipe.packages.clone() },
            PinKind::ModuleStream => {
                let Some(stream) = recipe.source.stream(branch, recipe.module) else { return };
                Pin::ModuleStream {
                    stream: stream.split_once(':').map_or(stream.clone(), |(_, stream)| stream.to_owned()),
                }
            }
        };
        let kind = PinDriver { branch, pin, packages: recipe.packages.clone() };
        self.add(Action::new(Step::Driver, "pin-driver", kind, &[("branch", format!("R{branch}"))]));
        if let Some(package) = recipe.source.pin_package(branch).filter(|_| recipe.source.pin == PinKind::Package) {
            let args = [("package", package.clone())];
            let kind = self.set(Purpose::Pin, vec![package]);
            let action = Action::new(Step::Driver, "install-pin", kind, &args);
            self.add(Action { optional: true, ..action });
        }
    }

    fn driver(&mut self, recipe: &Recipe) {
        let replaces_driver = self.answers.driver_branch.is_some() || self.answers.driver_source.is_some();
        let kind = InstallSet {
            version: recipe.version.as_ref().map(ToString::to_string),
            branch: Some(recipe.branch),
            replaces_driver,
            ..self.set(Purpose::Driver, recipe.packages.clone())
        };
        let end = recipe.end_of_support().map_or_else(|| "?".to_owned(), |date| date.to_string());
        let args = [
            ("branch", format!("R{}", recipe.branch)),
            ("module", if recipe.module == ModuleKind::Open { "open" } else { "proprietary" }.to_owned()),
            ("source", recipe.chosen.name().to_owned()),
            ("end", end),
        ];
        let action = Action::new(Step::Driver, "install-driver", kind, &args);
        let why = if recipe.is_verified() { "install-driver" } else { "install-driver-unverified" };
        self.add(Action { why: why.to_owned(), ..action });
    }

    /// With Secure Boot on, a module that is built here needs a key that the firmware knows, and that a person at the
    /// console.
    fn key(&mut self, recipe: &Recipe) {
        if self.facts.host.secure_boot != Some(true) || !recipe.needs_key() {
            return;
        }
        let mut action = Action::new(Step::Driver, "enroll-key", EnrollKey {}, &[]);
        action.needs_reboot = true;
        if !self.answers.enroll_key {
            action.blocked = Some("nobody-at-console".to_owned());
        }
        self.loads = false;
        self.add(action);
    }

    fn load(&mut self, recipe: &Recipe) {
        if !self.loads {
            return;
        }
        let kind = LoadModules { branch: recipe.branch, cards: self.facts.gpus.len() };
        self.add(Action::new(Step::Driver, "load-modules", kind, &[("branch", format!("R{}", recipe.branch))]));
    }

    fn companions(&mut self, recipe: &Recipe) {
        if let Some(daemon) = &recipe.source.persistenced {
            self.companion("install-persistenced", recipe, daemon);
        }
        self.enable("nvidia-persistenced.service");
        if self.facts.nvswitches.is_empty() {
            return;
        }
        let Some(manager) = &recipe.source.fabric_manager else {
            // A board with switches computes nothing without it.
            let args = [("source", recipe.chosen.name().to_owned())];
            let kind = self.set(Purpose::Companion, Vec::new());
            let action = Action::new(Step::Driver, "install-fabric-manager", kind, &args);
            return self.add(Action { blocked: Some("no-fabric-manager".to_owned()), ..action });
        };
        self.companion("install-fabric-manager", recipe, manager);
        let is_fifth = self.facts.gpus.iter().any(|gpu| NVLINK5.iter().any(|name| gpu.name.contains(name)));
        if let Some(subnet) = recipe.source.nvlink5.as_ref().filter(|_| is_fifth) {
            let kind = self.set(Purpose::Prerequisites, subnet.packages(recipe.branch));
            let args = [("packages", kind.packages.join(", "))];
            self.add(Action::new(Step::Driver, "install-nvlink5", kind, &args));
        }
        if let Some(unit) = &manager.unit {
            self.enable(unit);
        }
    }

    fn companion(&mut self, id: &str, recipe: &Recipe, companion: &Companion) {
        let packages = companion.packages(recipe.branch);
        let args = [("packages", packages.join(", ")), ("branch", format!("R{}", recipe.branch))];
        let kind = InstallSet {
            version: recipe.version.as_ref().map(ToString::to_string).filter(|_| id == "install-fabric-manager"),
            branch: Some(recipe.branch),
            ..self.set(Purpose::Companion, packages)
        };
        let action = Action::new(Step::Driver, id, kind, &args);
        let why = if companion.verified { id.to_owned() } else { format!("{id}-unverified") };
        self.add(Action { why, ..action });
    }

    fn enable(&mut self, unit: &str) {
        let kind = EnableUnit { unit: unit.to_owned(), starts: self.loads };
        let action = Action::new(Step::Driver, &format!("enable-unit:{unit}"), kind, &[("unit", unit.to_owned())]);
        let why = if self.loads { "enable-unit" } else { "enable-unit-at-boot" };
        self.add(Action { why: why.to_owned(), ..action });
    }

    /// What is there stays in its version. A driver that no package brought is nobody's to hold.
    fn keep(&mut self, course: &Course) {
        let of_packages = self.facts.node.packages.iter().any(|package| package.part == Part::Driver);
        let keeps = matches!(course, Course::Install(_)) || of_packages;
        if self.answers.hold && keeps {
            let also = host_driver::container_toolkit().map(|toolkit| toolkit.packages.clone()).unwrap_or_default();
            let kind = HoldPackages { manager: self.manager, also, kernel: true };
            self.add(Action::new(Step::Driver, "hold-packages", kind, &[]));
        }
        if matches!(course, Course::Adopt(_))
            && self.facts.node.units.iter().any(|unit| unit.name == "nvidia-persistenced")
        {
            self.enable("nvidia-persistenced.service");
        }
    }

    /// One toolkit of one version from one origin, or the one that is here.
    fn container_toolkit(&mut self) {
        let Some(toolkit) = host_driver::container_toolkit() else { return };
        let there = self.toolkit_version();
        let is_crio = self.facts.host.container_runtime.as_deref() == Some("cri-o");
        let least = if is_crio { toolkit.least_crio.clone().max(toolkit.least.clone()) } else { toolkit.least.clone() };
        let is_kept = there.as_ref().is_some_and(|version| *version >= least);
        let version =
            if is_kept { there.clone().unwrap_or_else(|| toolkit.version.clone()) } else { toolkit.version.clone() };
        if !is_kept {
            self.install_toolkit(&version, there.as_ref());
        }
        if is_crio {
            let kind = ConfigureToolkit { runtimes: CRIO_RUNTIMES.map(str::to_owned).into() };
            self.add(Action::new(Step::Driver, "configure-toolkit", kind, &[]));
        }
        self.add(Action::new(Step::Driver, "device-links", DeviceLinks { at_once: self.loads }, &[]));
        if REFRESHES_CDI.parse::<Version>().is_ok_and(|first| version >= first) {
            for unit in CDI_UNITS {
                self.enable(unit);
            }
        } else if self.loads {
            self.add(Action::new(Step::Driver, "cdi-spec", CdiSpec { cards: self.facts.gpus.len() }, &[]));
        }
    }

    fn toolkit_version(&self) -> Option<Version> {
        let packages = &self.facts.node.packages;
        let package = packages.iter().find(|package| package.name == "nvidia-container-toolkit")?;
        package.version.split(['-', '~', '+']).next()?.parse().ok()
    }

    fn install_toolkit(&mut self, version: &Version, there: Option<&Version>) {
        let Some(toolkit) = host_driver::container_toolkit() else { return };
        let is_apt = self.manager == Manager::Apt;
        let place = if is_apt { &toolkit.deb } else { &toolkit.rpm };
        let architecture = match (is_apt, self.facts.host.architecture.as_str()) {
            (true, "x86_64") => "amd64",
            (true, "aarch64") => "arm64",
            (_, other) => other,
        };
        let address = format!("{}/{architecture}", place.address).parse();
        let fingerprint = place.key().and_then(|key| key.fingerprint.as_ref()?.parse().ok());
        // An origin that the machine has already is the one: NVIDIA's CUDA repository carries these packages too.
        let has_origin = self.facts.node.sources.iter().any(|source| source.address.contains("libnvidia-container"));
        if let (Ok(address), Ok(key), Some(fingerprint), false) =
            (address, place.key_address.parse(), fingerprint, has_origin)
        {
            self.add_repository(TOOLKIT, address, key, fingerprint, !is_apt);
        }
        let args = [("version", version.to_string()), ("there", there.map(ToString::to_string).unwrap_or_default())];
        let kind = InstallSet {
            version: Some(format!("{version}-1")),
            ..self.set(Purpose::ContainerToolkit, toolkit.packages.clone())
        };
        let action = Action::new(Step::Driver, "install-container-toolkit", kind, &args);
        let why = if there.is_some() { "install-container-toolkit-old" } else { "install-container-toolkit" };
        self.add(Action { why: why.to_owned(), ..action });
    }
}
