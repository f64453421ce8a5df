//! What a person should know about the inventory before Kubespray runs: each trap with its place and its remedy.

mod runtime;
mod traps;

use serde_json::Value;

use super::{
    GpuRole,
    capability::{is_boolean, is_on, is_switch_missing},
    context::KubesprayContext,
    inventory::{Definition, Problem, Unread, UnreadKind, VarsFile, Vault},
    other_roles,
    release::Mechanism,
    spec::{DOWNLOAD_URL, VariableSpec},
    template::is_template_within,
    truth::{as_bool, as_text, is_truthy},
    variables::ResolvedVariables,
};
use crate::i18n::msg;
use crate::{
    finding::{Finding, Severity},
    i18n::Message,
};

/// Returns everything that was found, worst first.
pub(super) fn all(
    context: &KubesprayContext,
    variables: &ResolvedVariables<'_>,
    container_manager: &str,
    wanted: GpuRole,
) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(refused(context, variables));
    found.extend(names(context));
    found.extend(folders(context));
    found.extend(templated(variables));
    match wanted {
        GpuRole::Installs => {
            found.extend(switches(context, variables));
            found.extend(gpu_nodes(context, variables));
            found.extend(role_values(variables));
            found.extend(role_in_release(context));
            found.extend(traps::of_role(context, variables));
        }
        GpuRole::StaysOff => found.extend(switched_on(context, variables)),
    }
    if container_manager == "containerd" {
        found.extend(runtime::of_containerd(context, variables));
        if wanted == GpuRole::StaysOff {
            found.extend(runtime::of_host(context, variables));
        }
    }
    found.extend(docker_only(variables, container_manager));
    found.extend(invented(variables));
    found.extend(release(context, variables));
    found.extend(traps::of_any_owner(context, variables));
    found.sort_by_key(|finding| finding.severity);
    found
}

fn place(definition: &Definition) -> String {
    format!("{}:{}", definition.file.display(), definition.line)
}

/// Where a variable that a person set stands.
fn evidence(variables: &ResolvedVariables<'_>, name: &str) -> String {
    variables.own(name).map(place).unwrap_or_default()
}

impl VarsFile {
    /// Returns why Ansible would stop at this file.
    pub fn problem(&self) -> Option<Problem> {
        self.error.as_ref().map(|error| Problem {
            file: self.path.clone(),
            line: error.line,
            what: error.message.clone(),
        })
    }
}

/// Lines and files that Ansible refuses, and files that are encrypted.
fn refused(context: &KubesprayContext, variables: &ResolvedVariables<'_>) -> Vec<Finding> {
    let finding = |text: fn(String) -> Message, problem: &Problem| {
        let place = format!("{}:{}", problem.file.display(), problem.line);
        Finding::of(text(crate::text::printable(&problem.what)), Severity::Error, place)
    };
    let mut found: Vec<Finding> = context.inventory.unread.iter().map(not_read).collect();
    found.extend(context.inventory.problems.iter().map(|problem| finding(msg::finding::inventory_refused, problem)));
    let strays = context.inventory.strays.iter().map(|stray| stray.file.display().to_string());
    found.extend(strays.map(|file| Finding::of(msg::finding::inventory_stray_file(&file), Severity::Warning, &file)));
    let files = || context.folders.iter().flat_map(super::inventory::VarsFolder::files);
    let problems = files().filter_map(VarsFile::problem).chain(variables.problems.iter().cloned());
    found.extend(problems.map(|problem| finding(msg::finding::vars_file_refused, &problem)));
    let vaulted = files().filter(|file| file.vault == Vault::Encrypted);
    found.extend(
        vaulted.map(|file| Finding::of(msg::finding::vaulted_file(), Severity::Info, file.path.display().to_string())),
    );
    found
}

/// A source that Ansible reads and this program does not.
fn not_read(unread: &Unread) -> Finding {
    let file = unread.file.display().to_string();
    match &unread.kind {
        UnreadKind::Program => Finding::of(msg::finding::inventory_is_a_program(&file), Severity::Warning, &file),
        UnreadKind::Toml => Finding::of(msg::finding::inventory_is_toml(&file), Severity::Warning, &file),
        UnreadKind::Plugin(name) => {
            let text = msg::finding::inventory_is_a_plugin(&file, crate::text::printable(name));
            Finding::of(text, Severity::Warning, &file)
        }
    }
}

/// The three names of this machine, and its place in the cluster. Of an inventory that is not known whole nothing is
/// said to be missing.
fn names(context: &KubesprayContext) -> Vec<Finding> {
    let Some(path) = context.inventory_path.as_ref().filter(|_| context.inventory.is_known()) else {
        return Vec::new();
    };
    let evidence = path.display().to_string();
    let groups = &context.groups;
    let mut found = Vec::new();
    match &context.inventory_host {
        None => found.push(Finding::of(
            msg::finding::node_not_in_inventory(&groups.node, &context.subject),
            Severity::Warning,
            &evidence,
        )),
        Some(host) if !context.inventory.is_in(host, &groups.node) => {
            found.push(Finding::of(msg::finding::not_a_kube_node(&groups.node, host), Severity::Error, &evidence));
        }
        Some(_) => {}
    }
    if context.first_control_plane.is_none() {
        found.push(Finding::of(msg::finding::no_control_plane(&groups.control_plane), Severity::Warning, &evidence));
    }
    let has_cluster = ["k8s_cluster", "k8s-cluster"].iter().any(|name| context.declared_groups.contains(*name));
    if !has_cluster && context.release.is_some() {
        found.push(if context.traits.implicit_cluster {
            Finding::of(msg::finding::implicit_cluster_group(), Severity::Info, evidence)
        } else {
            Finding::of(msg::finding::no_cluster_group(&groups.cluster), Severity::Error, evidence)
        });
    }
    found
}

/// Folders that no group answers to, and files that a folder hides.
fn folders(context: &KubesprayContext) -> Vec<Finding> {
    let mut found = Vec::new();
    let is_known = context.inventory.is_known();
    for folder in &context.folders {
        for name in folder.group_names().filter(|name| is_known && !context.inventory.has_group(name)) {
            if let Some(group) = context.similar_group(name) {
                let path = folder.base().join("group_vars").join(name).display().to_string();
                found.push(Finding::of(msg::finding::wrong_folder_name(name, group), Severity::Error, path));
            }
        }
        let hidden = folder.hidden.iter().map(|file| file.path.display().to_string());
        found.extend(hidden.map(|path| Finding::of(msg::finding::folder_hides_file(&path), Severity::Warning, &path)));
    }
    found
}

/// Values that only Ansible can work out: nothing is concluded from their text.
fn templated(variables: &ResolvedVariables<'_>) -> Vec<Finding> {
    let names = VariableSpec::all().map(|spec| spec.name).filter(|name| variables.is_templated(name));
    let own = names.filter_map(|name| variables.own(name));
    own.map(|definition| {
        let text = as_text(&definition.value);
        Finding::of(msg::finding::templated_value(&definition.name, &text), Severity::Info, place(definition))
    })
    .collect()
}

/// Tells whether the switches are known: what is not defined in what was read may be defined in a group that nobody
/// here knows.
fn is_told(context: &KubesprayContext, variables: &ResolvedVariables<'_>) -> bool {
    let is_read = context.inventory.is_known() || context.inventory_path.is_none();
    is_read && !variables.is_templated("nvidia_accelerator_enabled") && !variables.is_templated("nvidia_gpu_nodes")
}

/// `nvidia_accelerator_enabled` and `nvidia_gpu_nodes` belong together.
fn switches(context: &KubesprayContext, variables: &ResolvedVariables<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    if !is_told(context, variables) {
        return found;
    }
    let enabled = variables.node_value("nvidia_accelerator_enabled").is_some_and(|value| as_bool(&value));
    let has_nodes = variables.node_value("nvidia_gpu_nodes").is_some_and(|value| is_truthy(&value));
    if is_switch_missing(variables) {
        found.push(Finding::of(
            msg::finding::gpu_nodes_without_switch(),
            Severity::Error,
            evidence(variables, "nvidia_gpu_nodes"),
        ));
    } else if has_nodes && !enabled {
        found.push(Finding::of(
            msg::finding::gpu_nodes_switched_off(),
            Severity::Warning,
            evidence(variables, "nvidia_accelerator_enabled"),
        ));
    } else if enabled && !has_nodes {
        found.push(Finding::of(
            msg::finding::switch_without_gpu_nodes(),
            Severity::Warning,
            evidence(variables, "nvidia_accelerator_enabled"),
        ));
    }
    if let Some(first) = &context.first_control_plane
        && enabled
        && !variables.role_value("nvidia_accelerator_enabled").is_some_and(|value| as_bool(&value))
    {
        let evidence = evidence(variables, "nvidia_accelerator_enabled");
        found.push(Finding::of(msg::finding::switch_not_on_control_plane(first), Severity::Error, evidence));
    }
    found
}

/// The role is on, or its names break the play that sets labels, although somebody else brings the driver.
fn switched_on(context: &KubesprayContext, variables: &ResolvedVariables<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    if is_told(context, variables) && is_switch_missing(variables) {
        found.push(Finding::of(
            msg::finding::gpu_nodes_without_switch(),
            Severity::Error,
            evidence(variables, "nvidia_gpu_nodes"),
        ));
    }
    if is_on(variables) && !variables.is_templated("nvidia_accelerator_enabled") {
        found.push(Finding::of(
            msg::finding::second_owner(),
            Severity::Error,
            evidence(variables, "nvidia_accelerator_enabled"),
        ));
    }
    found
}

/// The names in `nvidia_gpu_nodes`.
fn gpu_nodes(context: &KubesprayContext, variables: &ResolvedVariables<'_>) -> Vec<Finding> {
    let nodes = variables.node_value("nvidia_gpu_nodes").filter(is_truthy).filter(|nodes| !is_template_within(nodes));
    let Some(nodes) = nodes else { return Vec::new() };
    let evidence = evidence(variables, "nvidia_gpu_nodes");
    let Value::Array(names) = &nodes else {
        return vec![Finding::of(msg::finding::gpu_nodes_not_a_list(as_text(&nodes)), Severity::Error, evidence)];
    };
    let names: Vec<String> = names.iter().map(as_text).collect();
    let mut found = Vec::new();
    for name in &names {
        let is_future = context.inventory_host.is_none() && *name == context.subject;
        if context.inventory_path.is_some()
            && context.inventory.is_known()
            && (is_future || !context.inventory.has_host(name))
        {
            found.push(Finding::of(msg::finding::gpu_node_not_in_inventory(name), Severity::Error, &evidence));
        }
    }
    if let Some(host) = context.inventory_host.as_ref().filter(|host| !names.contains(host)) {
        found.push(Finding::of(msg::finding::not_among_gpu_nodes(host), Severity::Warning, evidence));
    }
    found
}

/// Values that the role cannot use.
fn role_values(variables: &ResolvedVariables<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let flavor = variables.role_value("nvidia_gpu_flavor").map(|value| as_text(&value)).unwrap_or_default();
    let own_url = variables.own(DOWNLOAD_URL).is_some();
    if !matches!(flavor.to_lowercase().as_str(), "tesla" | "gtx")
        && !own_url
        && !variables.is_templated("nvidia_gpu_flavor")
    {
        found.push(Finding::of(
            msg::finding::unknown_flavor(&flavor),
            Severity::Error,
            evidence(variables, "nvidia_gpu_flavor"),
        ));
    }
    if let Some(image) = variables
        .own("nvidia_driver_install_container")
        .filter(|image| is_boolean(&image.value) && is_truthy(&image.value))
    {
        // On a system that the role knows, its vars file wins and the value does no harm.
        let severity = if variables.is_os_supported() { Severity::Info } else { Severity::Error };
        found.push(Finding::of(msg::finding::image_true(), severity, place(image)));
    }
    if let Some(version) = variables.own("nvidia_driver_version").filter(|version| version.value.is_number()) {
        found.push(Finding::of(
            msg::finding::version_is_a_number(as_text(&version.value)),
            Severity::Error,
            place(version),
        ));
    }
    let url = variables.role_value(DOWNLOAD_URL).map(|value| as_text(&value)).unwrap_or_default();
    if url.starts_with("http://") {
        found.push(Finding::of(
            msg::finding::http_url(&url),
            Severity::Warning,
            evidence(variables, "nvidia_gpu_gtx_base_url"),
        ));
    }
    found
}

fn docker_only(variables: &ResolvedVariables<'_>, container_manager: &str) -> Option<Finding> {
    let options = variables
        .own("docker_storage_options")
        .filter(|_| container_manager != "docker" && !variables.is_templated("container_manager"))?;
    Some(Finding::of(msg::finding::docker_only_setting(container_manager), Severity::Warning, place(options)))
}

/// Names that look like the role's and are in no release; guides pass some of them on.
fn invented(variables: &ResolvedVariables<'_>) -> Vec<Finding> {
    let mut seen = std::collections::BTreeSet::new();
    let is_invented = |definition: &&Definition| {
        let name = definition.name.as_str();
        name.starts_with("nvidia_") && VariableSpec::of(name).is_none()
    };
    let unknown =
        variables.all_own().filter(is_invented).filter(|definition| seen.insert((&definition.file, definition.line)));
    unknown.map(unknown_variable).collect()
}

/// A variable of the name's kind that Kubespray does not read: another role does, or nobody.
fn unknown_variable(definition: &Definition) -> Finding {
    let name = &definition.name;
    let (text, severity) = match other_roles::reader_of(name) {
        None => (msg::finding::invented_variable(name), Severity::Warning),
        Some(role) if role.brings_driver => (msg::finding::variable_of_a_driver_role(name, &role.name), Severity::Info),
        Some(role) => (msg::finding::variable_of_another_role(name, &role.name), Severity::Info),
    };
    Finding::of(text, severity, place(definition))
}

/// The release has no way of putting the label on, without which no pod of the role comes to a node.
fn role_in_release(context: &KubesprayContext) -> Option<Finding> {
    let text = context.release.as_ref().filter(|_| context.traits.label == Mechanism::None)?.to_string();
    Some(Finding::of(msg::finding::release_without_labels(&text), Severity::Error, &text))
}

/// What the release itself gets wrong, or needs.
fn release(context: &KubesprayContext, variables: &ResolvedVariables<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let Some(release) = &context.release else {
        let evidence =
            context.checkout.as_ref().map(|checkout| checkout.path.display().to_string()).unwrap_or_default();
        return vec![Finding::of(msg::finding::release_unknown(), Severity::Warning, evidence)];
    };
    let text = release.to_string();
    let name = variables.own("kube_override_hostname").filter(|name| name.value == Value::String(String::new()));
    if context.traits.taint == Mechanism::Kubectl
        && let Some(name) = name
    {
        found.push(Finding::of(msg::finding::empty_node_name(), Severity::Error, place(name)));
    }
    if let (Some(bounds), Some(core)) = (&context.demanded, context.ansible_core())
        && !bounds.holds(core)
    {
        let what = msg::finding::ansible_core_unfit(&bounds.below, core.as_str(), &bounds.min, &text);
        found.push(Finding::of(what, Severity::Error, format!("ansible-core {core}")));
    }
    found
}
