//! The chart's version and the values that differ from its own, each with the reason that stands beside it in the file.

use serde_json::{Value, json};

use super::super::{ChartEvidence, Refused, recommend::kept_driver};
use crate::{
    answers::{Answers, RuntimeWay},
    catalog::{
        KernelModule,
        gpu_operator::{self, Chart},
    },
    choice::Card,
    cluster::{GPU, chart_values::ChartValues, objects::Taint},
    i18n::{Lang, Message, msg},
    kubespray::{Preview, edit::Change, release::Release, runtime_entry::Brings},
    owner::host::{self, recipe},
    version::Version,
};

/// What the toolkit tries as the runtime below NVIDIA's, in this order: Kubespray's own, then what is on the path.
/// Source: Kubespray's `runc_bin_dir`; the toolkit does not look them up where it leaves the configuration alone.
const LOW_RUNTIMES: &str = "/usr/local/bin/runc,runc,crun";
/// Where the toolkit's own piece of containerd's configuration goes. Source: NVIDIA/nvidia-container-toolkit v1.18.
const DROP_IN: &str = "/etc/containerd/conf.d/99-nvidia.toml";
/// The same for CRI-O, in the folder that it reads. Source: pull request 1829 of the toolkit.
const CRIO_DROP_IN: &str = "/etc/crio/crio.conf.d/99-nvidia.conf";
const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";
/// Taints that come and go by themselves. Source: Kubernetes, taints and tolerations.
const PASSING: [&str; 2] = ["node.kubernetes.io/", "node.cloudprovider.kubernetes.io/"];

/// Returns the release of the chart for a cluster.
pub(super) fn chart(seen: &ChartEvidence<'_>) -> Result<&'static Chart, Refused> {
    let shown = || seen.kubernetes.map_or_else(|| "-".to_owned(), ToString::to_string);
    let known = || {
        gpu_operator::charts().iter().map(|chart| format!("{} ({})", chart.version, chart.range())).collect::<Vec<_>>()
    };
    let Some(wanted) = &seen.answers.chart_version else {
        let args = || [("kubernetes", shown()), ("charts", known().join(", "))];
        return gpu_operator::proposed(seen.kubernetes).ok_or_else(|| Refused::new("no-chart", args()));
    };
    let version = wanted.as_str();
    let Some(chart) = gpu_operator::chart(version) else {
        return Err(Refused::new("chart-not-known", [("chart", version.to_owned()), ("charts", known().join(", "))]));
    };
    if seen.kubernetes.is_some_and(|kubernetes| !chart.is_for(kubernetes)) {
        let args = [("chart", version.to_owned()), ("kubernetes", shown()), ("range", chart.range())];
        return Err(Refused::new("chart-range", args));
    }
    Ok(chart)
}

/// Returns how the runtime comes to know NVIDIA's: what was chosen, else the way that lasts longest.
pub(super) fn way(chosen: Option<RuntimeWay>, chart: &Chart) -> RuntimeWay {
    chosen.unwrap_or(if chart.runtime_files_only { RuntimeWay::Kubespray } else { RuntimeWay::DropIn })
}

/// The line by which containerd reads the toolkit's piece. Source: Kubespray's `config.toml.j2` of v2.25 to v2.31.
const IMPORTS: &str = "imports = [\"/etc/containerd/conf.d/*.toml\"]";

/// Returns what Kubespray has to write so that the runtime lasts over its runs.
pub(super) fn variables(preview: &Preview, answers: &Answers) -> Vec<Change> {
    if preview.container_manager != "containerd" {
        return Vec::new();
    }
    let release = preview.layout.release.as_ref();
    let kubernetes = release.and_then(Release::kubernetes);
    let chosen = answers.chart_version.as_ref().and_then(|version| gpu_operator::chart(version.as_str()));
    let Some(chart) = chosen.or_else(|| gpu_operator::proposed(kubernetes.as_ref())) else { return Vec::new() };
    match way(answers.operator_runtime, chart) {
        RuntimeWay::Kubespray => host::values::runtime(preview, Brings::Operator),
        RuntimeWay::DropIn => imports(preview).into_iter().collect(),
        RuntimeWay::Nri => Vec::new(),
    }
}

/// The user may have lines of their own there, and a second `imports` is one that containerd does not start with.
fn imports(preview: &Preview) -> Option<Change> {
    const VARIABLE: &str = "containerd_extra_args";
    let variable = preview.variable(VARIABLE)?;
    let now = variable.value.as_ref().and_then(Value::as_str).unwrap_or_default().trim();
    if now.contains("imports") {
        return None;
    }
    let text = if now.is_empty() { IMPORTS.to_owned() } else { format!("{IMPORTS}\n{now}\n") };
    Some(Change::new(VARIABLE, text))
}

/// Returns the values for this node.
pub(super) fn values(chart: &Chart, seen: &ChartEvidence<'_>) -> Result<ChartValues, Refused> {
    let mut values = ChartValues::default();
    driver(&mut values, chart, seen)?;
    runtime(&mut values, chart, seen)?;
    tolerations(&mut values, seen);
    if let Some(namespace) = seen.other_discovery {
        set(&mut values, "nfd.enabled", false, &msg::chart::nfd(namespace));
    }
    if let Some(mirror) = &seen.answers.image_mirror {
        for image in gpu_operator::images(chart) {
            set(&mut values, &image.key, format!("{mirror}/{}", image.path), &msg::chart::mirror());
        }
    }
    Ok(values)
}

/// The file is read by people of all languages at the Ansible host and the control plane: its comments are English.
fn set(values: &mut ChartValues, key: &str, value: impl Into<Value>, why: &Message) {
    values.set(key, value, why.text(Lang::En));
}

fn driver(values: &mut ChartValues, chart: &Chart, seen: &ChartEvidence<'_>) -> Result<(), Refused> {
    let host = &seen.facts.host;
    if let Some(version) = kept_driver(seen.facts) {
        set(values, "driver.enabled", false, &msg::chart::host_driver(version));
        return Ok(());
    }
    if !chart.has_driver_for(&host.os_id, &host.os_version) {
        let args = [("os", host.os_name.clone()), ("chart", chart.tag())];
        return Err(Refused::new("no-driver-image", args));
    }
    let cards = recipe::cards(seen.facts, seen.answers);
    if host.secure_boot == Some(true) {
        return signed(values, &cards, seen);
    }
    if let Some(version) = version(chart, &cards, seen.answers.driver_version.as_ref())? {
        set(values, "driver.version", version.to_string(), &msg::chart::driver_version(&chart.driver));
    }
    if let Some(card) = closed(&cards)? {
        set(values, "driver.kernelModuleType", "proprietary", &msg::chart::proprietary(&card.name));
    }
    Ok(())
}

/// Under Secure Boot the kernel takes only modules that somebody has signed.
fn signed(values: &mut ChartValues, cards: &[Card], seen: &ChartEvidence<'_>) -> Result<(), Refused> {
    let host = &seen.facts.host;
    let branch = gpu_operator::precompiled_branch(&host.os_id, &host.os_version, &host.kernel)
        .filter(|branch| cards.iter().all(|card| drives(card, *branch)));
    let Some(branch) = branch else {
        let args = [("os", host.os_name.clone()), ("kernel", host.kernel.clone())];
        return Err(Refused::new("operator-secure-boot", args));
    };
    set(values, "driver.usePrecompiled", true, &msg::chart::precompiled(&host.kernel));
    set(values, "driver.version", branch.to_string(), &msg::chart::precompiled::branch());
    if let Some(card) = closed(cards)? {
        set(values, "driver.kernelModuleType", "proprietary", &msg::chart::proprietary(&card.name));
    }
    Ok(())
}

fn drives(card: &Card, branch: u32) -> bool {
    card.first_branch.is_none_or(|first| branch >= first) && card.last_branch.is_none_or(|last| branch <= last)
}

/// Returns the driver's version where it is not the chart's own: the chosen one, or the newest of the catalog's that
/// drives all cards.
fn version(chart: &Chart, cards: &[Card], chosen: Option<&Version>) -> Result<Option<Version>, Refused> {
    let fits = |version: &Version| cards.iter().find(|card| !drives(card, version.branch()));
    let wanted = chosen.unwrap_or(&chart.driver);
    let Some(card) = fits(wanted) else { return Ok(chosen.filter(|chosen| **chosen != chart.driver).cloned()) };
    let other = gpu_operator::charts().iter().map(|chart| &chart.driver).find(|version| fits(version).is_none());
    let args = || [("card", card.name.clone()), ("driver", wanted.to_string())];
    let other = other.filter(|_| chosen.is_none()).cloned();
    other.map(Some).ok_or_else(|| Refused::new("operator-driver-card", args()))
}

/// Returns a card that only the proprietary module drives.
fn closed(cards: &[Card]) -> Result<Option<&Card>, Refused> {
    let with = |wanted: KernelModule| cards.iter().find(|card| card.kernel_module == wanted);
    match (with(KernelModule::OpenRequired), with(KernelModule::ProprietaryOnly)) {
        (Some(open), Some(closed)) => {
            Err(Refused::new("mixed-cards", [("open", open.name.clone()), ("closed", closed.name.clone())]))
        }
        (_, closed) => Ok(closed),
    }
}

fn env(values: &[(&str, &str)]) -> Value {
    values.iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
}

fn runtime(values: &mut ChartValues, chart: &Chart, seen: &ChartEvidence<'_>) -> Result<(), Refused> {
    let is_crio = seen.preview.container_manager == "crio";
    let way = way(seen.answers.operator_runtime, chart);
    let lacks = |what: &str| Refused::new("chart-lacks-way", [("chart", chart.tag()), ("way", what.to_owned())]);
    match way {
        RuntimeWay::Nri if !chart.nri => return Err(lacks("nri")),
        RuntimeWay::Nri => {
            set(values, "cdi.enabled", true, &msg::chart::nri());
            set(values, "cdi.nriPluginEnabled", true, &msg::chart::nri::price());
        }
        // The toolkit's own file for CRI-O is one that Kubespray never writes: nothing has to be said where it goes
        // into the folder that CRI-O reads.
        RuntimeWay::Kubespray | RuntimeWay::DropIn if is_crio => {
            if !chart.runtime_files_only {
                let value = env(&[("RUNTIME_DROP_IN_CONFIG", CRIO_DROP_IN)]);
                set(values, "toolkit.env", value, &msg::chart::crio());
            }
        }
        RuntimeWay::Kubespray if !chart.runtime_files_only => return Err(lacks("kubespray")),
        RuntimeWay::Kubespray => {
            let value = env(&[("NO_RUNTIME_CONFIG", "true"), ("NVIDIA_CONTAINER_RUNTIME_RUNTIMES", LOW_RUNTIMES)]);
            set(values, "toolkit.env", value, &msg::chart::files_only());
        }
        RuntimeWay::DropIn => {
            let value = env(&[
                ("CONTAINERD_CONFIG", "/etc/containerd/config.toml"),
                ("CONTAINERD_SOCKET", "/run/containerd/containerd.sock"),
                ("RUNTIME_DROP_IN_CONFIG", DROP_IN),
                ("RUNTIME_CONFIG_SOURCE", "file"),
            ]);
            set(values, "toolkit.env", value, &msg::chart::drop_in());
        }
    }
    Ok(())
}

/// Every taint of the node that stays has to be tolerated by what runs on it, and by what may find no other node. Helm
/// replaces lists, so the chart's own tolerations stand here again.
fn tolerations(values: &mut ChartValues, seen: &ChartEvidence<'_>) {
    let taints = taints(seen.taints, seen.preview);
    let is_covered = |taint: &&Taint| taint.key == GPU && taint.effect == "NoSchedule";
    let others: Vec<&Taint> = taints.iter().filter(|taint| !is_covered(taint)).collect();
    let names: Vec<String> = taints.iter().map(|taint| format!("{}:{}", taint.key, taint.effect)).collect();
    let list = |own: &[Value], more: &[&Taint]| {
        let mut all = own.to_vec();
        for taint in more {
            let toleration = toleration(&taint.key, &taint.effect);
            let is_there =
                all.iter().any(|other| other["key"] == toleration["key"] && other["effect"] == toleration["effect"]);
            if !is_there {
                all.push(toleration);
            }
        }
        Value::Array(all)
    };
    let gpu = toleration(GPU, "NoSchedule");
    let control_plane = json!({"key": CONTROL_PLANE, "operator": "Equal", "value": "", "effect": "NoSchedule"});
    let why = msg::chart::tolerations(names.join(", "));
    let both = [control_plane.clone(), gpu.clone()];
    if !others.is_empty() {
        set(values, "daemonsets.tolerations", list(&[gpu], &others), &why);
        set(values, "operator.tolerations", list(&[control_plane], &others), &why);
        set(values, "node-feature-discovery.worker.tolerations", list(&both, &others), &why);
        set(values, "node-feature-discovery.master.tolerations", list(&both[..1], &others), &why);
    }
    if !taints.is_empty() {
        // It tolerates nothing by itself: where every node has a taint it waits for ever.
        set(values, "node-feature-discovery.gc.tolerations", list(&both, &others), &msg::chart::gc());
    }
}

fn toleration(key: &str, effect: &str) -> Value {
    let mut toleration = json!({"key": key, "operator": "Exists"});
    if !effect.is_empty() {
        toleration["effect"] = effect.into();
    }
    toleration
}

/// Returns the taints that the node has or Kubespray gives it, without those that pass.
fn taints(on_node: &[Taint], preview: &Preview) -> Vec<Taint> {
    let listed = preview.variable("node_taints").and_then(|variable| variable.value.as_ref()?.as_array().cloned());
    let named = listed.into_iter().flatten().filter_map(|text| {
        let (key, effect) = text.as_str()?.rsplit_once(':')?;
        let (key, value) = key.split_once('=').unwrap_or((key, ""));
        Some(Taint { key: key.to_owned(), value: value.to_owned(), effect: effect.to_owned() })
    });
    let mut taints: Vec<Taint> = Vec::new();
    for taint in on_node.iter().cloned().chain(named) {
        let is_passing = PASSING.iter().any(|prefix| taint.key.starts_with(prefix));
        let is_there = taints.iter().any(|other| (&other.key, &other.effect) == (&taint.key, &taint.effect));
        if !is_passing && !is_there && taint.effect != "PreferNoSchedule" {
            taints.push(taint);
        }
    }
    taints
}

#[cfg(test)]
mod tests;
