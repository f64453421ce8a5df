//! The links about the container runtime: what holds, whether Kubespray writes it itself, and whether it is in use.

use super::finding;
use crate::{
    cluster::check::{Check, CheckId, State},
    facts::{
        Facts,
        containerd::{
            ContainerdFacts, EFFECTIVE, Startable,
            config::{ContainerdConfig, RuntimeEntry, Switch},
        },
        engines::{CRIO_DROP_INS, DAEMON_JSON},
    },
    finding::{
        Finding,
        Severity::{Error, Warning},
    },
    i18n::msg,
    kubespray::{Preview, runtime_entry},
    owner::NodeEvidence,
};

const NVIDIA: &str = runtime_entry::NAME;
const ID: CheckId = CheckId::Runtime;

/// Whether the runtime that the kubelet uses can hand out cards: what holds, not what a file says.
pub(in crate::owner) fn effective(facts: &Facts) -> Check {
    match facts.host.container_runtime.as_deref() {
        Some("cri-o") => engine(facts.node.crio.as_ref().and_then(|crio| crio.runtime(NVIDIA)), "/etc/crio"),
        Some("docker") => {
            let settings = facts.node.docker.as_ref().map(|docker| &docker.settings);
            engine(settings.and_then(|file| Some((file.runtimes.get(NVIDIA)?.as_str(), DAEMON_JSON))), DAEMON_JSON)
        }
        _ => containerd(facts),
    }
}

fn missing(place: &str) -> Check {
    let cause = Finding::of(msg::finding::runtime_missing(place, NVIDIA), Error, place);
    Check::new(ID, State::Fail, place).because(Some(cause))
}

fn engine(found: Option<(&str, &str)>, place: &str) -> Check {
    match found {
        None => missing(place),
        Some((program, place)) if is_nvidias(program) => Check::new(ID, State::Pass, format!("{place}: {program}")),
        Some((program, place)) => is_runc(program, place),
    }
}

fn is_runc(program: &str, place: &str) -> Check {
    let cause = Finding::of(msg::finding::runtime_is_runc(program, NVIDIA), Error, place);
    Check::new(ID, State::Fail, format!("{place}: {program}")).because(Some(cause))
}

fn is_nvidias(program: &str) -> bool {
    program.rsplit('/').next().is_some_and(|name| name.starts_with("nvidia-container-runtime"))
}

fn containerd(facts: &Facts) -> Check {
    const PLACE: &str = "containerd config dump";
    let Some(containerd) = &facts.node.containerd else { return Check::new(ID, State::Unknown, "containerd: -") };
    if let Some(cause) = finding(facts, &["containerd-refuses"]) {
        return Check::new(ID, State::Fail, &cause.evidence).because(Some(cause));
    }
    let Some(config) = &containerd.effective else {
        return Check::new(ID, State::Unknown, super::why_unknown(facts, EFFECTIVE));
    };
    let Some(entry) = config.runtime(NVIDIA) else {
        let cause = finding(facts, &["drop-in-lost", "runtime-table-unknown", "drop-in-not-read"]);
        return match cause {
            Some(cause) => Check::new(ID, State::Fail, PLACE).because(Some(cause)),
            None => missing(PLACE),
        };
    };
    entry_of(facts, containerd, config, entry)
}

/// Judges the entry that holds: the program that really starts, that it can be started, and how it makes control
/// groups.
fn entry_of(facts: &Facts, containerd: &ContainerdFacts, config: &ContainerdConfig, entry: &RuntimeEntry) -> Check {
    const PLACE: &str = "containerd config dump";
    let release = containerd.release();
    let program = entry.program(release.as_ref()).unwrap_or_default();
    let seen = format!("{PLACE}: {NVIDIA} {program}");
    let broken =
        |ids: &[&str]| finding(facts, ids).map(|cause| Check::new(ID, State::Fail, &seen).because(Some(cause)));
    if !is_nvidias(program) {
        return broken(&["runtime-two-spellings"]).unwrap_or_else(|| is_runc(program, PLACE));
    }
    let own = entry.cgroup(release.as_ref());
    let differs =
        config.runtime("runc").and_then(|runc| runc.cgroup(release.as_ref())).is_some_and(|runcs| Some(runcs) != own);
    if differs || matches!(own, Some(Switch::NotASwitch(_))) {
        return broken(&["runtime-switch-text", "runtime-cgroup-differs"]).unwrap_or_else(|| cgroup(own, &seen));
    }
    match containerd.binaries.get(program) {
        Some(Startable::Yes) | None => Check::new(ID, State::Pass, seen),
        Some(Startable::Missing) => {
            let cause = Finding::of(msg::finding::runtime_program_missing(PLACE, program, NVIDIA), Error, program);
            Check::new(ID, State::Fail, seen).because(Some(cause))
        }
        Some(Startable::NotExecutable) => {
            let cause =
                Finding::of(msg::finding::runtime_program_not_executable(PLACE, program, NVIDIA), Error, program);
            Check::new(ID, State::Fail, seen).because(Some(cause))
        }
    }
}

/// Without a file that tells it, the dump does.
fn cgroup(own: Option<&Switch>, seen: &str) -> Check {
    const PLACE: &str = "containerd config dump";
    let text = match own {
        Some(Switch::NotASwitch(value)) => msg::finding::runtime_switch_text(PLACE, NVIDIA, format!("\"{value}\"")),
        Some(Switch::On) => msg::finding::runtime_cgroup_differs(PLACE, NVIDIA, "true"),
        Some(Switch::Off) => msg::finding::runtime_cgroup_differs(PLACE, NVIDIA, "false"),
        None => msg::finding::runtime_cgroup_differs(PLACE, NVIDIA, "-"),
    };
    Check::new(ID, State::Fail, seen).because(Some(Finding::of(text, Error, PLACE)))
}

/// Whether the next Kubespray run leaves the runtime where it is. The proof is the effective value of the variable:
/// nothing is rendered.
pub(in crate::owner) fn lasts(seen: &NodeEvidence<'_>) -> Check {
    let id = CheckId::RuntimeLasts;
    let facts = seen.facts;
    match facts.host.container_runtime.as_deref() {
        // Kubespray never touches these two.
        Some("docker") => return Check::new(id, State::Pass, DAEMON_JSON),
        Some("cri-o") => return crio_lasts(facts),
        _ => {}
    }
    let from_drop_in = finding(facts, &["runtime-will-vanish"]);
    let Some(preview) = seen.preview.filter(|preview| preview.inventory.is_some()) else {
        if let Some(cause) = from_drop_in {
            return Check::new(id, State::Temporary, &cause.evidence).because(Some(cause));
        }
        let cause = Finding::of(msg::finding::no_inventory_to_tell(), Warning, runtime_entry::VARIABLE);
        return Check::new(id, State::Unknown, runtime_entry::VARIABLE).because(Some(cause));
    };
    written_by_kubespray(preview, facts, id)
}

fn written_by_kubespray(preview: &Preview, facts: &Facts, id: CheckId) -> Check {
    let value = |name: &str| preview.variable(name).and_then(|variable| variable.value.as_ref());
    let entries = value(runtime_entry::VARIABLE).and_then(serde_json::Value::as_array);
    let ours = entries.into_iter().flatten().find(|entry| runtime_entry::is_ours(entry));
    let is_good = |entry: &&serde_json::Value| runtime_entry::fault(entry, preview.layout.release.as_ref()).is_none();
    if ours.as_ref().is_some_and(is_good) {
        return Check::new(id, State::Pass, format!("{} (effective value, not rendered)", runtime_entry::VARIABLE));
    }
    // The imports line itself may be a variable: then a drop-in lasts too.
    let imports =
        value("containerd_extra_args").and_then(serde_json::Value::as_str).filter(|text| text.contains("imports"));
    let reads = imports
        .and_then(|_| facts.node.containerd.as_ref()?.drop_ins.iter().find(|file| file.is_read && has_nvidia(file)));
    if let Some(file) = reads {
        return Check::new(id, State::Pass, format!("containerd_extra_args: imports, {}", file.path));
    }
    let place = preview.inventory.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    let cause = Finding::of(msg::finding::runtime_not_in_inventory(&place, NVIDIA), Warning, runtime_entry::VARIABLE);
    Check::new(id, State::Temporary, runtime_entry::VARIABLE).because(Some(cause))
}

fn has_nvidia(file: &crate::facts::containerd::ConfigFile) -> bool {
    file.config.as_ref().is_some_and(|config| config.runtime(NVIDIA).is_some())
}

/// A file of the folder lasts; what stands in CRI-O's own file is written anew at each run.
fn crio_lasts(facts: &Facts) -> Check {
    let id = CheckId::RuntimeLasts;
    let files = facts.node.crio.iter().flat_map(|crio| &crio.files).filter(|file| file.runtimes.contains_key(NVIDIA));
    let paths: Vec<&str> = files.map(|file| file.path.as_str()).collect();
    if let Some(path) = paths.iter().find(|path| path.starts_with(CRIO_DROP_INS)) {
        return Check::new(id, State::Pass, *path);
    }
    let place = paths.first().copied().unwrap_or(CRIO_DROP_INS);
    let cause = Finding::of(msg::finding::runtime_not_in_inventory(place, NVIDIA), Warning, place);
    Check::new(id, State::Temporary, place).because(Some(cause))
}

/// Whether the daemon that runs has read the files as they are now. Of CRI-O and docker nobody knows here.
pub(in crate::owner) fn in_use(facts: &Facts) -> Option<Check> {
    let id = CheckId::RuntimeInUse;
    let is_containerd = facts.host.container_runtime.as_deref().is_none_or(|runtime| runtime == "containerd");
    let containerd = facts.node.containerd.as_ref().filter(|_| is_containerd)?;
    if let Some(cause) = finding(facts, &["containerd-older-than-file"]) {
        return Some(Check::new(id, State::Fail, &cause.evidence).because(Some(cause)));
    }
    let process = containerd.process.as_ref();
    let started = process.and_then(|process| process.started);
    let written = containerd.read_files().filter_map(|file| file.modified).max();
    Some(match (started, written) {
        (Some(started), Some(written)) => Check::new(
            id,
            State::Pass,
            format!(
                "containerd: {started}, {}: {written}",
                containerd.root.as_ref().map_or("-", |root| root.path.as_str())
            ),
        ),
        _ if process.is_none() => Check::new(id, State::Unknown, "containerd: -"),
        _ => Check::new(id, State::Unknown, ""),
    })
}
