//! What the variables of the container runtime do to GPU pods, or to all others.
//! Source: Kubespray's template of containerd's configuration, v2.18 to v2.31, as containerd 1.6 to 2.1 reads what
//! comes of it.

use serde_json::Value;

use super::{evidence, place};
use crate::{
    finding::{Finding, Severity},
    i18n::msg,
    kubespray::{
        context::KubesprayContext,
        layout::{GPU_GROUP, is_in_gpu_group},
        runtime_entry::{self, Brings, Fault, Fit},
        truth::{as_bool, as_text},
        variables::ResolvedVariables,
    },
};

/// Returns what is wrong with the runtimes of containerd, in no order.
pub(super) fn of_containerd(context: &KubesprayContext, variables: &ResolvedVariables<'_>) -> Vec<Finding> {
    let mut found = entries(context, variables);
    let default = variables.node_value("containerd_default_runtime").map(|value| as_text(&value)).unwrap_or_default();
    if default.starts_with(runtime_entry::NAME) {
        let place = evidence(variables, "containerd_default_runtime");
        found.push(Finding::of(msg::finding::default_runtime(&default), Severity::Warning, place));
    }
    if let Some(runc) = variables.own("containerd_runc_runtime") {
        found.push(Finding::of(msg::finding::runc_overridden(), Severity::Warning, place(runc)));
    }
    found
}

/// Returns what keeps the host's runtime from being written, or from winning; for an owner that uses it.
pub(super) fn of_host(context: &KubesprayContext, variables: &ResolvedVariables<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let list = variables.own(runtime_entry::VARIABLE);
    let resolved = variables.node_value(runtime_entry::VARIABLE);
    let systemd_cgroup = variables.node_value("containerd_use_systemd_cgroup").is_none_or(|value| as_bool(&value));
    let fit = Fit { systemd_cgroup, needs_engine: true, brings: Brings::Host };
    if let Some(list) = list.filter(|list| runtime_entry::merged(Some(&list.value), resolved.as_ref(), fit).is_none()) {
        found.push(Finding::of(msg::finding::runtimes_unknown(), Severity::Error, place(list)));
    }
    if context.inventory.has_group(GPU_GROUP)
        && context.inventory.is_in(&context.subject, GPU_GROUP)
        && !is_in_gpu_group(context)
    {
        let evidence = context.inventory_path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        found.push(Finding::of(
            msg::finding::gpu_group_at_top(GPU_GROUP, &context.groups.node),
            Severity::Warning,
            evidence,
        ));
    }
    found
}

fn entries(context: &KubesprayContext, variables: &ResolvedVariables<'_>) -> Vec<Finding> {
    let Some(Value::Array(list)) = variables.node_value(runtime_entry::VARIABLE) else { return Vec::new() };
    let place = evidence(variables, runtime_entry::VARIABLE);
    let told = |entry: &Value| {
        let name = crate::text::printable(&as_text(&entry["name"]));
        let (text, severity) = match runtime_entry::fault(entry, context.release.as_ref())? {
            Fault::BothSpellings => (msg::finding::runtime_both_spellings(&name), Severity::Error),
            Fault::Boolean => (msg::finding::runtime_boolean(&name), Severity::Error),
            Fault::Incomplete => (msg::finding::runtime_incomplete(&name), Severity::Error),
        };
        Some(Finding::of(text, severity, place.clone()))
    };
    let mut found: Vec<Finding> = list.iter().filter_map(told).collect();
    let names: Vec<String> = list.iter().map(|entry| as_text(&entry["name"])).collect();
    let twice = names.iter().enumerate().find(|(index, name)| names[..*index].contains(name)).map(|(_, name)| name);
    found.extend(twice.map(|name| {
        Finding::of(msg::finding::runtime_twice(crate::text::printable(name)), Severity::Error, place.clone())
    }));
    found
}
