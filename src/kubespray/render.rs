//! What Kubespray will write to containerd's configuration: the template of the user's own checkout, filled in by the
//! Ansible of this machine with the inventory as it is, and as it will be. Nothing leaves a folder of this program's
//! own.
//!
//! The role's defaults are laid out as the defaults of a role of one play, so that the inventory beats them as it does
//! in Kubespray's plays. Variables beside Kubespray's own playbooks are not seen by it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Map, Value, json};

use super::{Preview, edit::Change, playbook::ENVIRONMENT};
use crate::{
    host::{Command, Files, Host},
    text::printable,
};

/// The roles whose defaults and variables the template reads. Source: the plays of v2.18 to v2.31.
const ROLES: [&str; 4] = ["kubespray-defaults", "kubespray_defaults", "download", ENGINE];
const ENGINE: &str = "container-engine/containerd";
/// Reading an inventory of a thousand hosts takes Ansible half a minute.
const DEADLINE: Duration = Duration::from_mins(2);

/// The file as it is now written and as it will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// With the inventory as it is.
    pub before: String,
    /// With the values of the plan.
    pub after: String,
}

/// Why nothing was rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotRendered {
    /// There is no Ansible on this machine, or no checkout.
    NoAnsible,
    /// Ansible or the file system refused, in these words.
    Failed(String),
}

/// Renders containerd's configuration of the node, twice. `folder` is made for it, and gone afterwards.
pub fn containerd(host: &Host, preview: &Preview, changes: &[Change], folder: &Path) -> Result<Rendered, NotRendered> {
    let (Some(checkout), Some(inventory), Some(program)) =
        (&preview.checkout, &preview.inventory, &preview.layout.ansible_playbook)
    else {
        return Err(NotRendered::NoAnsible);
    };
    let templates = checkout.join("roles").join(ENGINE).join("templates");
    if !host.files.exists(templates.join("config.toml.j2")) {
        return Err(NotRendered::NoAnsible);
    }
    let play = Play { files: &*host.files, checkout, folder };
    let rendered = play.lay_out(preview, changes, &templates).map_err(failed).and_then(|()| {
        let mut command = Command::new(program.display().to_string(), ["-i"]).operand(inventory.display());
        command = command.operand(folder.join("play.yml").display()).deadline(Some(DEADLINE));
        command.env = ENVIRONMENT.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        // The facts of other runs are nobody's business here.
        command = command.env("ANSIBLE_CACHE_PLUGIN", "memory").env("ANSIBLE_RETRY_FILES_ENABLED", "0").cwd(checkout);
        let output = host.commands.capture(&command).map_err(failed)?;
        let read = |name: &str| host.files.read_text(folder.join(name));
        match (read("before.toml"), read("after.toml")) {
            (Ok(before), Ok(after)) if output.exit.is_success() => Ok(Rendered { before, after }),
            _ => Err(NotRendered::Failed(complaint(&format!("{}\n{}", output.stdout, output.stderr)))),
        }
    });
    // Left over, it would only be in the way of nobody.
    let _ = host.files.remove_all(folder);
    rendered
}

fn failed(error: impl std::fmt::Display) -> NotRendered {
    NotRendered::Failed(printable(&error.to_string()))
}

/// The line of Ansible's that says what is wrong.
fn complaint(output: &str) -> String {
    let marks = ["fatal:", "ERROR!", "[ERROR]"];
    let line = output.lines().rev().find(|line| marks.iter().any(|mark| line.contains(mark)));
    printable(line.or_else(|| output.lines().rfind(|line| !line.trim().is_empty())).unwrap_or_default().trim())
}

struct Play<'a> {
    files: &'a dyn Files,
    checkout: &'a Path,
    folder: &'a Path,
}

impl Play<'_> {
    fn lay_out(&self, preview: &Preview, changes: &[Change], templates: &Path) -> std::io::Result<()> {
        let role = self.folder.join("roles/render");
        for kind in ["defaults", "vars"] {
            for (index, source) in ROLES.iter().flat_map(|role| self.parts(role, kind)).enumerate() {
                self.put(&role.join(kind).join("main").join(format!("{index:02}.yml")), &self.files.read(&source)?)?;
            }
        }
        let mut values: Map<String, Value> = Map::new();
        for change in changes {
            values.extend(change.value.clone().map(|value| (change.variable.clone(), value)));
        }
        let task = |name: &str, vars: Map<String, Value>| {
            let template = json!({"src": self.template(templates), "dest": self.folder.join(format!("{name}.toml")), "mode": "0600"});
            json!({"name": name, "ansible.builtin.template": template, "delegate_to": "localhost", "become": false, "vars": vars})
        };
        let tasks = json!([task("before", Map::new()), task("after", values)]);
        self.put(&role.join("tasks/main.yml"), tasks.to_string().as_bytes())?;
        let groups: Vec<Value> = if preview.layout.makes_cluster_group {
            vec![json!({"ansible.builtin.group_by": {"key": preview.layout.cluster_group}})]
        } else {
            Vec::new()
        };
        let play =
            json!([{"hosts": preview.layout.subject, "gather_facts": false, "pre_tasks": groups, "roles": ["render"]}]);
        self.put(&self.folder.join("play.yml"), play.to_string().as_bytes())
    }

    /// Which template the role takes. Source: `roles/container-engine/containerd/tasks/main.yml`, v2.28 and later.
    fn template(&self, templates: &Path) -> String {
        let (new, old) = (templates.join("config.toml.j2"), templates.join("config-v1.toml.j2"));
        if !self.files.exists(&old) {
            return new.display().to_string();
        }
        format!(
            "{}/{{{{ 'config.toml.j2' if containerd_version is version('2.0.0', '>=') else 'config-v1.toml.j2' }}}}",
            templates.display()
        )
    }

    /// The files of a role's `defaults` or `vars`.
    fn parts(&self, role: &str, kind: &str) -> Vec<PathBuf> {
        let base = self.checkout.join("roles").join(role).join(kind);
        let inner = base.join("main");
        let mut found: Vec<PathBuf> =
            self.files.list(&inner).unwrap_or_default().iter().map(|name| inner.join(name)).collect();
        found.extend(["main.yml", "main.yaml"].map(|name| base.join(name)));
        found.retain(|path| {
            path.extension().is_some_and(|ending| ending == "yml" || ending == "yaml") && self.files.exists(path)
        });
        found
    }

    fn put(&self, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        self.files.write(path, bytes, 0o600)
    }
}
