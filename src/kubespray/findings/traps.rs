//! Traps that give a green playbook and no GPU, or one that breaks later: of releases, of files, of names.
//! Source: Kubespray's history and issues; each is named where it is looked for.

use serde_json::Value;

use super::{evidence, place};
use crate::{
    finding::{Finding, Severity},
    i18n::msg,
    kubespray::{
        Level,
        checkout::GPU_ROLE,
        context::KubesprayContext,
        inventory::VarsFolder,
        machine::is_same_name,
        release::{self, Mechanism, Release},
        spec::{Scope, VariableSpec},
        truth::{as_bool, as_text, is_truthy},
        variables::ResolvedVariables,
    },
};

/// Returns the traps of the GPU role, in no order.
pub(super) fn of_role(context: &KubesprayContext, variables: &ResolvedVariables<'_>) -> Vec<Finding> {
    [taints(context, variables), images(variables), edited_role(context, variables), not_in_release(context, variables)]
        .into_iter()
        .flatten()
        .collect()
}

/// Returns the traps that wait whoever brings the driver, in no order.
pub(super) fn of_any_owner(context: &KubesprayContext, variables: &ResolvedVariables<'_>) -> Vec<Finding> {
    [
        names(context, variables),
        twice(context),
        encrypted(variables),
        settings(context),
        groups(context),
        limit(context, variables),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn is_on(variables: &ResolvedVariables<'_>) -> bool {
    variables.node_value("nvidia_accelerator_enabled").is_some_and(|value| as_bool(&value))
}

/// One machine, three names: only the inventory's counts in `nvidia_gpu_nodes`, only the third in `kubectl`.
fn names(context: &KubesprayContext, variables: &ResolvedVariables<'_>) -> Vec<Finding> {
    let (Some(host), true) = (&context.inventory_host, context.is_this_machine) else { return Vec::new() };
    let node = variables.node_name(host);
    if is_same_name(host, &context.hostname) && node == *host {
        return Vec::new();
    }
    let evidence = context.inventory_path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    vec![Finding::of(msg::finding::three_names(host, &context.hostname, &node), Severity::Info, evidence)]
}

/// What sets the taint, and taints that the installer pod does not tolerate: it tolerates `nvidia.com/gpu` alone.
fn taints(context: &KubesprayContext, variables: &ResolvedVariables<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(Value::Array(taints)) = variables.node_value("node_taints") {
        for taint in taints.iter().map(as_text).filter(|taint| {
            !taint.starts_with("nvidia.com/gpu") && !taint.contains("PreferNoSchedule") && !taint.contains("{{")
        }) {
            found.push(Finding::of(
                msg::finding::extra_taint(&taint),
                Severity::Warning,
                evidence(variables, "node_taints"),
            ));
        }
    }
    let Some(release) = context.release.as_ref().map(ToString::to_string) else { return found };
    if is_on(variables) && variables.node_value("nvidia_gpu_nodes").is_some_and(|nodes| is_truthy(&nodes)) {
        let text = match context.traits.taint {
            Mechanism::Kubelet => Some(msg::finding::taint_at_registration(&context.subject, &release)),
            Mechanism::Kubectl => Some(msg::finding::taint_comes_back(&context.subject, &release)),
            Mechanism::None => None,
        };
        found.extend(text.map(|text| Finding::of(text, Severity::Info, evidence(variables, "nvidia_gpu_nodes"))));
        let playbook = context
            .checkout
            .as_ref()
            .map(|checkout| checkout.path.join("scale.yml").display().to_string())
            .unwrap_or_default();
        found.push(Finding::of(msg::finding::scale_without_daemonsets(), Severity::Info, playbook));
    }
    found
}

/// Images from registries that take nothing new since 2023-04 (kubernetes.io/blog, "k8s.gcr.io image registry will be
/// frozen").
fn images(variables: &ResolvedVariables<'_>) -> Vec<Finding> {
    if !is_on(variables) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for name in ["nvidia_driver_install_container", "nvidia_gpu_device_plugin_container"] {
        let image = variables.role_value(name).map(|image| as_text(&image)).unwrap_or_default();
        if image.starts_with("k8s.gcr.io/") || image.starts_with("gcr.io/google") {
            let place =
                variables.strongest(name).filter(|definition| definition.line > 0).map(place).unwrap_or_default();
            found.push(Finding::of(msg::finding::frozen_registry(&image, name), Severity::Warning, place));
        }
    }
    found
}

/// A key that one file defines twice: Ansible takes the last and warns in a line that nobody reads.
fn twice(context: &KubesprayContext) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in context.folders.iter().flat_map(VarsFolder::files) {
        for (index, (name, line, _)) in file.vars.iter().enumerate() {
            let first = file.vars[..index].iter().rev().find(|(known, ..)| known == name);
            if let Some((_, before, _)) = first.filter(|_| VariableSpec::of(name).is_some()) {
                let evidence = format!("{}:{line}", file.path.display());
                found.push(Finding::of(msg::finding::duplicate_key(before, name), Severity::Warning, evidence));
            }
        }
    }
    found
}

/// Single values encrypted with Ansible Vault: they are named, not opened.
fn encrypted(variables: &ResolvedVariables<'_>) -> Vec<Finding> {
    let is_vault = |value: &Value| value.get("__ansible_vault").is_some();
    let names = VariableSpec::all()
        .filter_map(|spec| variables.own(spec.name))
        .filter(|definition| is_vault(&definition.value));
    names
        .map(|definition| Finding::of(msg::finding::vaulted_value(&definition.name), Severity::Info, place(definition)))
        .collect()
}

/// The role's defaults are not those of the release: somebody has followed a guide that says to edit them.
fn edited_role(context: &KubesprayContext, variables: &ResolvedVariables<'_>) -> Vec<Finding> {
    if context.release.is_none() {
        return Vec::new();
    }
    let usual = release::role_defaults(context.traits);
    let is_edited = |name: &str, value: &Value| usual.get(name).is_some_and(|usual| usual != value);
    let own =
        variables.defaults().filter(|definition| definition.file.ends_with(format!("{GPU_ROLE}/defaults/main.yml")));
    let edited = own
        .filter(|definition| definition.level == Level::RoleDefaults && is_edited(&definition.name, &definition.value));
    edited
        .map(|definition| Finding::of(msg::finding::role_edited(&definition.name), Severity::Info, place(definition)))
        .collect()
}

/// What `ansible.cfg` and the place of the checkout do to the whole.
fn settings(context: &KubesprayContext) -> Vec<Finding> {
    let Some(checkout) = &context.checkout else { return Vec::new() };
    let mut found = Vec::new();
    let config = checkout.path.join("ansible.cfg").display().to_string();
    if context.merges {
        found.push(Finding::of(msg::finding::hash_merge(), Severity::Warning, &config));
    }
    if context.is_open_to_all {
        found.push(Finding::of(msg::finding::open_to_all(), Severity::Warning, checkout.path.display().to_string()));
    }
    if let Some(folder) = context.unread.as_ref().filter(|folder| folder.files().next().is_some()) {
        let path = folder.base().join("group_vars").display().to_string();
        found.push(Finding::of(msg::finding::not_beside_plays(), Severity::Warning, path));
    }
    found
}

/// Old spellings of the groups still work; in v2.27 and v2.28 hosts of `kube-node` were passed over (kubespray#12625).
fn groups(context: &KubesprayContext) -> Vec<Finding> {
    let Some(release) = context.release.as_ref().filter(|release| release.has_underscore_groups()) else {
        return Vec::new();
    };
    let old: Vec<&str> = ["kube-master", "kube-node", "k8s-cluster"]
        .into_iter()
        .filter(|name| context.declared_groups.contains(*name))
        .collect();
    if old.is_empty() {
        return Vec::new();
    }
    let severity = if in_range(release, 27, 28) { Severity::Warning } else { Severity::Info };
    let evidence = context.inventory_path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    vec![Finding::of(msg::finding::old_group_names(old.join(", "), release), severity, evidence)]
}

/// With `--limit`, v2.26 to v2.28 read addresses of hosts that are not in the limit (kubespray#11587, #11992, #12405).
fn limit(context: &KubesprayContext, variables: &ResolvedVariables<'_>) -> Vec<Finding> {
    let Some(release) = context.release.as_ref().filter(|release| in_range(release, 26, 28)) else { return Vec::new() };
    let has_address = ["ip", "access_ip"].iter().any(|name| variables.node_value(name).is_some());
    if context.inventory_host.is_none() || has_address {
        return Vec::new();
    }
    let evidence = context.inventory_path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    vec![Finding::of(msg::finding::limit_needs_ip(&context.subject, release), Severity::Warning, evidence)]
}

/// Variables that a release before v2.9 does not have: its images stand in the role's vars files.
fn not_in_release(context: &KubesprayContext, variables: &ResolvedVariables<'_>) -> Vec<Finding> {
    let Some(release) = context.release.as_ref() else { return Vec::new() };
    let of_role = VariableSpec::all().filter(|spec| spec.scope == Scope::ControlPlane);
    let missing = of_role.filter(|spec| !release.has(spec)).filter_map(|spec| variables.own(spec.name));
    let args = release.to_string();
    missing
        .map(|definition| {
            Finding::of(msg::finding::not_in_release(&definition.name, &args), Severity::Warning, place(definition))
        })
        .collect()
}

fn in_range(release: &Release, first: u32, last: u32) -> bool {
    release.at_least(first) && !release.at_least(last + 1)
}
