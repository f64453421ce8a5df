//! The container runtime: whether its files say what is meant, and whether it goes by them.
//!
//! Only a machine with a card is judged: elsewhere nobody needs a runtime for it.

use super::Facts;
use crate::{
    facts::{
        containerd::{
            ConfigFile, ContainerdFacts, Startable,
            config::{ContainerdConfig, RuntimeEntry, Switch},
            merge::{Merge, merge},
        },
        node_packages::Part,
    },
    finding::{
        Finding,
        Severity::{Error, Info, Warning},
    },
    i18n::msg,
    version::Version,
};

/// The runtime that a `RuntimeClass` asks for.
pub(super) const NVIDIA: &str = "nvidia";
/// From how many settings on a drop-in is taken for a copy of the whole section: by hand one sets two or three.
const COPY: usize = 6;

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    if facts.gpus.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    if let Some(containerd) = &facts.node.containerd {
        found.extend(containerd.read_files().flat_map(|file| entries(containerd, file)));
        found.extend(drop_ins(containerd));
        found.extend(will_vanish(containerd));
        found.extend(refused(containerd));
        found.extend(older_than_file(containerd));
        found.extend(two_containerds(facts, containerd));
        found.extend(cdi_off(facts, containerd));
    }
    found.extend(misplaced(facts));
    found
}

/// What is wrong with a file's own entries. The runtime of the cards is an error; of another one, it is somebody else's
/// business.
fn entries(containerd: &ContainerdFacts, file: &ConfigFile) -> Vec<Finding> {
    let Some(config) = &file.config else { return Vec::new() };
    let Some(entry) = config.runtime(NVIDIA) else { return Vec::new() };
    let runc = containerd.read_files().find_map(|file| file.config.as_ref()?.runtime("runc"));
    let all = [
        unknown_table(file, config, entry),
        two_spellings(containerd, file, entry),
        switch(containerd, file, entry, runc),
        program(containerd, file, entry),
    ];
    all.into_iter().flatten().collect()
}

fn unknown_table(file: &ConfigFile, config: &ContainerdConfig, entry: &RuntimeEntry) -> Option<Finding> {
    let text = || msg::finding::runtime_table_unknown(&file.path, &entry.plugin, &entry.name, config.version);
    (!config.knows(entry)).then(|| Finding::of(text(), Error, &file.path))
}

fn two_spellings(containerd: &ContainerdFacts, file: &ConfigFile, entry: &RuntimeEntry) -> Option<Finding> {
    let [first, second, ..] = entry.binary.as_slice() else { return None };
    let program = entry.program(containerd.release().as_ref())?;
    // With containerd 1.x the right one wins today, and the upgrade to 2.x changes that without a word.
    let severity = if is_nvidias(program) { Warning } else { Error };
    Some(Finding::of(
        msg::finding::runtime_two_spellings(&file.path, &first.key, program, &entry.name, &second.key),
        severity,
        &file.path,
    ))
}

/// Tells whether a program is a runtime of NVIDIA's.
pub(super) fn is_nvidias(program: &str) -> bool {
    program.rsplit('/').next().is_some_and(|name| name.starts_with("nvidia-container-runtime"))
}

fn switch(
    containerd: &ContainerdFacts,
    file: &ConfigFile,
    entry: &RuntimeEntry,
    runc: Option<&RuntimeEntry>,
) -> Option<Finding> {
    let release = containerd.release();
    let own = entry.cgroup(release.as_ref())?;
    if let Switch::NotASwitch(value) = own {
        return Some(Finding::of(
            msg::finding::runtime_switch_text(&file.path, &entry.name, format!("\"{value}\"")),
            Error,
            &file.path,
        ));
    }
    let differs = runc.and_then(|runc| runc.cgroup(release.as_ref())).is_some_and(|runcs| runcs != own);
    let value = if *own == Switch::On { "true" } else { "false" };
    differs
        .then(|| Finding::of(msg::finding::runtime_cgroup_differs(&file.path, &entry.name, value), Error, &file.path))
}

fn program(containerd: &ContainerdFacts, file: &ConfigFile, entry: &RuntimeEntry) -> Option<Finding> {
    let program = entry.program(containerd.release().as_ref())?;
    match containerd.binaries.get(program)? {
        Startable::Yes => None,
        Startable::Missing => {
            Some(Finding::of(msg::finding::runtime_program_missing(&file.path, program, &entry.name), Warning, program))
        }
        Startable::NotExecutable => Some(Finding::of(
            msg::finding::runtime_program_not_executable(&file.path, program, &entry.name),
            Error,
            program,
        )),
    }
}

/// Files beside the root file: whether each is read, and what becomes of it.
fn drop_ins(containerd: &ContainerdFacts) -> Vec<Finding> {
    let root = containerd.root.as_ref();
    let version = root.and_then(|root| root.config.as_ref()).map(|config| config.version);
    let judge = |file: &ConfigFile| {
        let config = file.config.as_ref()?;
        if !file.is_read {
            let root = root.map_or("/etc/containerd/config.toml", |root| root.path.as_str());
            let text = || msg::finding::drop_in_not_read(&file.path, root, NVIDIA);
            return config.runtime(NVIDIA).map(|_| Finding::of(text(), Warning, &file.path));
        }
        // A file without CRI settings changes none.
        let (version, release) = (version?, containerd.release().filter(|_| !config.plugins.is_empty())?);
        merged(file, config, version, &release)
    };
    containerd.drop_ins.iter().filter_map(judge).collect()
}

fn merged(file: &ConfigFile, config: &ContainerdConfig, root: u32, release: &Version) -> Option<Finding> {
    let finding = |text, severity| Some(Finding::of(text, severity, &file.path));
    match merge(release, root, config.version) {
        Merge::Refused => finding(msg::finding::drop_in_refused(release, &file.path, root, config.version), Error),
        Merge::Lost => finding(msg::finding::drop_in_lost(release, &file.path, root, config.version), Error),
        Merge::Replaces => finding(msg::finding::drop_in_replaces(release, &file.path), Warning),
        Merge::Deep if config.other_settings >= COPY => {
            finding(msg::finding::drop_in_freezes(config.other_settings.to_string(), &file.path), Warning)
        }
        Merge::Deep => None,
    }
}

/// What `nvidia-ctk` or the operator's toolkit has put beside the root file lasts until Kubespray writes that anew;
/// step 3 knows whether the inventory has the imports line, and says so there.
fn will_vanish(containerd: &ContainerdFacts) -> Option<Finding> {
    containerd.kubespray.as_ref()?;
    let root = containerd.root.as_ref()?;
    let in_root = root.config.as_ref().is_some_and(|config| config.runtime(NVIDIA).is_some());
    let brings = |file: &&ConfigFile| {
        file.is_read && file.config.as_ref().is_some_and(|config| config.runtime(NVIDIA).is_some())
    };
    let file = containerd.drop_ins.iter().find(brings).filter(|_| !in_root)?;
    Some(Finding::of(
        msg::finding::runtime_will_vanish(&file.path, &root.path, NVIDIA),
        Warning,
        format!("{}, {}", root.path, file.path),
    ))
}

fn refused(containerd: &ContainerdFacts) -> Option<Finding> {
    let words = containerd.refused.as_ref()?;
    Some(Finding::of(msg::finding::containerd_refuses(words), Error, "containerd config dump"))
}

/// The daemon reads its files when it starts, and never again. The kernel tells that time to a second.
fn older_than_file(containerd: &ContainerdFacts) -> Option<Finding> {
    const SLACK: i64 = 2;
    let started = containerd.process.as_ref()?.started?;
    let newest = containerd.read_files().filter_map(|file| Some((file.modified?, file))).max_by_key(|(time, _)| *time);
    let (written, file) = newest.filter(|(time, _)| time.as_second() > started.as_second() + SLACK)?;
    let shown = |time: jiff::Timestamp| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    Some(Finding::of(
        msg::finding::containerd_older_than_file(&file.path, shown(started), shown(written)),
        Warning,
        &file.path,
    ))
}

/// A second containerd beside Kubespray's, as a program or as a package. Source: kubespray#8693.
fn two_containerds(facts: &Facts, containerd: &ContainerdFacts) -> Option<Finding> {
    let kubesprays = containerd.programs.iter().any(|program| program == crate::facts::containerd::KUBESPRAYS);
    let packages =
        facts.node.packages.iter().filter(|package| package.part == Part::Engine && package.name != "podman-docker");
    let mut others: Vec<String> = packages.map(|package| format!("{} {}", package.name, package.version)).collect();
    others
        .extend(containerd.programs.iter().filter(|program| *program != crate::facts::containerd::KUBESPRAYS).cloned());
    (kubesprays && !others.is_empty())
        .then(|| Finding::of(msg::finding::two_containerds(others.join(", ")), Warning, others.join(", ")))
}

/// CDI is off in 1.7 unless somebody switches it on, and on from 2.0. Source: containerd docs/cri/config.md; run on
/// 1.7.24 and 2.1.9.
fn cdi_off(facts: &Facts, containerd: &ContainerdFacts) -> Option<Finding> {
    let version = containerd.version.as_ref()?;
    let effective = containerd.effective.as_ref()?;
    let is_off =
        effective.enable_cdi == Some(false) || effective.enable_cdi.is_none() && containerd.release()?.branch() < 2;
    let spec = facts.node.cdi.first().filter(|_| is_off)?;
    Some(Finding::of(msg::finding::cdi_off(version), Info, &spec.path))
}

fn misplaced(facts: &Facts) -> Option<Finding> {
    let file = facts.node.crio.as_ref()?.misplaced.iter().find(|file| file.runtimes.contains_key(NVIDIA))?;
    Some(Finding::of(msg::finding::crio_drop_in_misplaced(&file.path, NVIDIA), Error, &file.path))
}
