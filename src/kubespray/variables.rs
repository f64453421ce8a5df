//! Every variable that matters for a GPU node: its value as the role will see it, and where that value comes from.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value;

use super::{
    Ignored, IgnoredWhy, Level, Place, Shadowed, Variable,
    checkout::GPU_ROLE,
    context::{KubesprayContext, Os},
    inventory::{Definition, Problem, VarsFile, VarsFolder},
    release,
    spec::{DOWNLOAD_URL, VariableSpec},
    template::{self, Values},
};
use crate::host::Files;

/// Tells whether a variable is read by tasks that run on the node itself; all others only count where the GPU role
/// runs, on the control plane.
fn is_read_on_node(name: &str) -> bool {
    VariableSpec::of(name).is_some_and(|spec| spec.scope.is_read_on_node())
}

/// All definitions that reach the role, for the two hosts that matter: this node, and the first control plane, where
/// the role runs.
pub struct ResolvedVariables<'s> {
    context: &'s KubesprayContext,
    defaults: Vec<Definition>,
    node: Vec<Definition>,
    control_plane: Vec<Definition>,
    included: Vec<Definition>,
    fact: Option<Definition>,
    node_values: Values<'s>,
    control_plane_values: Values<'s>,
    /// Files below the roles that could not be read.
    pub problems: Vec<Problem>,
}

impl<'s> ResolvedVariables<'s> {
    /// Collects the definitions.
    pub fn new(files: &dyn Files, context: &'s KubesprayContext) -> Self {
        let (defaults, mut problems) = role_defaults(files, context);
        let node = context.inventory.definitions(&context.subject, &context.folders);
        let control_plane = match &context.first_control_plane {
            Some(host) => context.inventory.definitions(host, &context.folders),
            None => node.clone(),
        };
        let included =
            context.control_plane_os.as_ref().map(|os| included(files, context, os, &mut problems)).unwrap_or_default();
        let mut variables = Self {
            context,
            defaults,
            node,
            control_plane,
            included,
            fact: None,
            node_values: Values::new(HashMap::new(), &context.inventory, ""),
            control_plane_values: Values::new(HashMap::new(), &context.inventory, ""),
            problems,
        };
        variables.node_values = variables.values(&variables.node, &context.subject);
        variables.control_plane_values = variables
            .values(&variables.control_plane, context.first_control_plane.as_deref().unwrap_or(&context.subject));
        variables.fact = variables.download_fact(files);
        if let Some(fact) = variables.fact.clone() {
            variables.control_plane_values.set(fact.name, fact.value);
        }
        variables
    }

    fn values(&self, inventory: &[Definition], host: &str) -> Values<'s> {
        let all = self.defaults.iter().chain(inventory).chain(&self.included);
        let known = all.map(|definition| (definition.name.clone(), definition.value.clone())).collect();
        Values::new(known, &self.context.inventory, host)
    }

    /// The role's `set_fact` of the download URL, which beats the inventory for the two flavors that it knows.
    fn download_fact(&self, files: &dyn Files) -> Option<Definition> {
        let flavor = self.role_value("nvidia_gpu_flavor")?.as_str()?.to_lowercase();
        let base = match flavor.as_str() {
            "tesla" => "nvidia_gpu_tesla_base_url",
            "gtx" => "nvidia_gpu_gtx_base_url",
            _ => return None,
        };
        let tasks = self
            .context
            .checkout
            .as_ref()
            .map(|checkout| checkout.path.join(GPU_ROLE).join("tasks/main.yml"))
            .unwrap_or_default();
        let text = files.read_text(&tasks).unwrap_or_default();
        let line =
            text.lines().position(|line| line.contains(DOWNLOAD_URL) && line.contains(base)).map(|index| index + 1);
        let value = Value::String(format!("{{{{ {base} }}}}{{{{ nvidia_url_end }}}}"));
        let file = line.map_or_else(PathBuf::new, |_| tasks);
        Some(Definition {
            name: DOWNLOAD_URL.to_owned(),
            value,
            file: file.into(),
            line: line.unwrap_or(0),
            level: Level::SetFact,
        })
    }

    /// Returns the value of a variable where the GPU role runs, templates filled in.
    pub fn role_value(&self, name: &str) -> Option<Value> {
        self.control_plane_values.get(name)
    }

    /// Returns the value of a variable on this node, templates filled in.
    pub fn node_value(&self, name: &str) -> Option<Value> {
        self.node_values.get(name)
    }

    /// Tells whether a variable's value is a template that only Ansible can fill in, where it is read: nobody knows
    /// what it is.
    pub fn is_templated(&self, name: &str) -> bool {
        let value = if is_read_on_node(name) { self.node_value(name) } else { self.role_value(name) };
        value.is_some_and(|value| template::is_template_within(&value))
    }

    /// Returns the strongest definition of a variable that a person made for this node.
    pub fn own(&self, name: &str) -> Option<&Definition> {
        self.subject(name).iter().rev().find(|definition| definition.name == name)
    }

    /// Returns the strongest definition of a variable where the role runs, whoever made it.
    pub fn strongest(&self, name: &str) -> Option<&Definition> {
        let all = self.defaults.iter().chain(&self.control_plane).chain(&self.included).chain(&self.fact);
        all.rev().find(|definition| definition.name == name)
    }

    /// Returns the defaults of Kubespray and of the role.
    pub fn defaults(&self) -> impl Iterator<Item = &Definition> {
        self.defaults.iter()
    }

    /// Returns the name that Kubernetes knows a host by.
    pub fn node_name(&self, host: &str) -> String {
        let overridden = self.node_value("kube_override_hostname").and_then(|value| value.as_str().map(str::to_owned));
        let is_known = |name: &String| !name.is_empty() && !template::is_template(&Value::from(name.as_str()));
        overridden.filter(is_known).unwrap_or_else(|| host.to_owned())
    }

    /// Returns all definitions that people made for this node or for the control plane.
    pub fn all_own(&self) -> impl Iterator<Item = &Definition> {
        self.node.iter().chain(&self.control_plane)
    }

    /// Tells whether the role has a vars file for the control plane's system.
    pub fn is_os_supported(&self) -> bool {
        !self.included.is_empty()
    }

    fn subject(&self, name: &str) -> &[Definition] {
        if is_read_on_node(name) { &self.node } else { &self.control_plane }
    }

    /// Returns one variable with its provenance.
    pub fn variable(&self, name: &str) -> Variable {
        let is_node = is_read_on_node(name);
        let values = if is_node { &self.node_values } else { &self.control_plane_values };
        let named = |definitions: &[Definition]| -> Vec<Definition> {
            definitions.iter().filter(|definition| definition.name == name).cloned().collect()
        };
        let own = named(self.subject(name));
        let included = named(&self.included);
        let fact: Vec<_> = self.fact.iter().filter(|fact| fact.name == name).cloned().collect();
        let mut ignored = self.unreached(name, &own);
        let mut stack = named(&self.defaults);
        if included.is_empty() && fact.is_empty() {
            stack.extend(own);
        } else {
            let why = if fact.is_empty() { IgnoredWhy::IncludeVars } else { IgnoredWhy::SetFact };
            ignored.extend(own.iter().rev().map(|definition| ignore(&definition.file, definition.line, why)));
        }
        stack.extend(included);
        stack.extend(fact);
        let winner = stack.pop();
        Variable {
            name: name.to_owned(),
            is_filled_in: winner.as_ref().is_some_and(|winner| {
                winner.level != Level::RoleDefaults && template::is_template_within(&winner.value)
            }),
            value: winner.as_ref().map(|winner| template::resolve(&winner.value, values)),
            written: self.own(name).map(|definition| definition.value.clone()),
            places: self.all_own().filter(|definition| definition.name == name).map(place).collect(),
            winner: winner.filter(has_place).map(|winner| place(&winner)),
            shadowed: stack.into_iter().rev().filter(has_place).map(shadow).collect(),
            ignored,
        }
    }

    /// Definitions that no one reads: in a folder of another name, in a file that a folder hides, or for another host
    /// only.
    fn unreached(&self, name: &str, own: &[Definition]) -> Vec<Ignored> {
        let mut found = Vec::new();
        for folder in &self.context.folders {
            let is_known = self.context.inventory.is_known();
            for group in folder.group_names().filter(|group| is_known && !self.context.inventory.has_group(group)) {
                let why = if self.context.similar_group(group).is_some() {
                    IgnoredWhy::WrongFolderName
                } else {
                    IgnoredWhy::NoSuchGroup
                };
                let lines = folder.group(group).into_iter().filter(|definition| definition.name == name);
                found.extend(lines.map(|definition| ignore(&definition.file, definition.line, why)));
            }
            for file in &folder.hidden {
                let lines = file.vars.iter().filter(|(known, ..)| known == name);
                found.extend(lines.map(|(_, line, _)| ignore(&file.path, *line, IgnoredWhy::FolderWins)));
            }
        }
        let unread = self
            .context
            .unread
            .iter()
            .flat_map(VarsFolder::files)
            .flat_map(|file| file.vars.iter().map(move |var| (file, var)));
        let unread = unread.filter(|(_, (known, ..))| known == name);
        found.extend(unread.map(|(file, (_, line, _))| ignore(&file.path, *line, IgnoredWhy::NotBesidePlays)));
        let elsewhere = if is_read_on_node(name) { &[] } else { self.node.as_slice() };
        let missed = elsewhere.iter().filter(|definition| definition.name == name && !own.contains(definition));
        found.extend(missed.map(|definition| ignore(&definition.file, definition.line, IgnoredWhy::OtherHost)));
        found
    }
}

impl KubesprayContext {
    /// Returns the group of the inventory whose name differs from `name` only in dashes and underscores.
    pub fn similar_group(&self, name: &str) -> Option<&str> {
        let plain = |name: &str| name.replace('-', "_");
        self.inventory.group_names().find(|group| *group != name && plain(group) == plain(name))
    }
}

fn has_place(definition: &Definition) -> bool {
    !definition.file.as_os_str().is_empty()
}

fn place(definition: &Definition) -> Place {
    Place { file: definition.file.to_path_buf(), line: definition.line, level: definition.level }
}

fn shadow(definition: Definition) -> Shadowed {
    Shadowed {
        file: definition.file.to_path_buf(),
        line: definition.line,
        level: definition.level,
        value: definition.value,
    }
}

fn ignore(file: &Path, line: usize, why: IgnoredWhy) -> Ignored {
    Ignored { file: file.to_owned(), line, why }
}

/// A definition that the program knows and no file here says.
fn built_in(name: &str, value: Value, level: Level) -> Definition {
    Definition { name: name.to_owned(), value, file: Arc::from(Path::new("")), line: 0, level }
}

/// The defaults of Kubespray and of its GPU role: from the checkout's files, or built in.
fn role_defaults(files: &dyn Files, context: &KubesprayContext) -> (Vec<Definition>, Vec<Problem>) {
    const SHARED: [&str; 4] = [
        "roles/kubespray-defaults/defaults/main.yaml",
        "roles/kubespray-defaults/defaults/main.yml",
        "roles/kubespray-defaults/defaults/main/main.yml",
        "roles/kubespray_defaults/defaults/main/main.yml",
    ];
    let mut found =
        vec![built_in("container_manager", context.traits.container_manager.clone().into(), Level::RoleDefaults)];
    found.extend(
        release::role_defaults(context.traits)
            .into_iter()
            .map(|(name, value)| built_in(&name, value, Level::RoleDefaults)),
    );
    let mut problems = Vec::new();
    let Some(checkout) = &context.checkout else { return (found, problems) };
    for name in SHARED.iter().map(|name| (*name).to_owned()).chain([format!("{GPU_ROLE}/defaults/main.yml")]) {
        let path = checkout.path.join(name);
        if files.exists(&path) {
            let file = VarsFile::read(files, &path);
            problems.extend(file.problem());
            let read: Vec<_> = file.definitions(Level::RoleDefaults).collect();
            found.retain(|known| !read.iter().any(|new| new.name == known.name));
            found.extend(read);
        }
    }
    (found, problems)
}

/// What the role's vars file for this system sets: from the checkout's files, or from the release table where there is
/// no role.
fn included(files: &dyn Files, context: &KubesprayContext, os: &Os, problems: &mut Vec<Problem>) -> Vec<Definition> {
    let names = os.vars_names();
    let folder = context
        .checkout
        .as_ref()
        .map(|checkout| checkout.path.join(GPU_ROLE).join("vars"))
        .filter(|folder| files.exists(folder));
    if let Some(folder) = folder {
        let Some(path) = names.iter().map(|name| folder.join(format!("{name}.yml"))).find(|path| files.exists(path))
        else {
            return Vec::new();
        };
        let file = VarsFile::read(files, &path);
        problems.extend(file.problem());
        return file.definitions(Level::IncludeVars).collect();
    }
    let Some(known) = names.iter().find(|name| context.traits.gpu_os.contains(name)) else { return Vec::new() };
    let kind = known.split('-').next().unwrap_or_default();
    let variable = format!("nvidia_driver_install_{kind}_container");
    // Before v2.9 the image itself stood there.
    let is_variable = release::role_defaults(context.traits).contains_key(&variable);
    let image = if is_variable { format!("{{{{ {variable} }}}}") } else { release::first_image(kind) };
    vec![
        built_in("nvidia_driver_install_container", image.into(), Level::IncludeVars),
        built_in("nvidia_driver_install_supported", true.into(), Level::IncludeVars),
    ]
}
