//! The playbooks to run for a GPU node, and what their output says while they run.

mod progress;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

pub use progress::{Failure, Progress, Recap, count_tasks};

use super::{Preview, values};
use crate::{answers::Answers, host::Command, input::NodeName, secret::Secret, version::Version};

/// Reading all roles of a checkout takes ansible a while, on a slow disk more than a minute.
const LIST_TASKS_DEADLINE: Duration = Duration::from_mins(5);

/// Ansible refuses to start in a locale that is not UTF-8. Colours, and Kubespray's own choice of an output without
/// skipped tasks, would hide what is looked for in the output.
pub(super) const ENVIRONMENT: [(&str, &str); 4] = [
    ("LC_ALL", "C.UTF-8"),
    ("ANSIBLE_FORCE_COLOR", "0"),
    ("ANSIBLE_STDOUT_CALLBACK", "default"),
    ("ANSIBLE_DISPLAY_SKIPPED_HOSTS", "1"),
];

/// Returns the commands that bring this node into the cluster, in order.
///
/// - Facts of all hosts first, without a limit: with `--limit` the roles of a new node need the cached facts of the
///   others.
/// - `scale.yml --limit` adds the node, with label and taint. It never deploys the GPU role.
///
/// A machine of the control plane is not added by `scale.yml`: there `cluster.yml` does everything.
pub fn joining(preview: &Preview, answers: &Answers) -> Vec<PlaybookRun> {
    if preview.layout.is_control_plane {
        return vec![playbook(preview, answers, "cluster.yml")];
    }
    let facts = preview.layout.facts_playbook.as_ref().map(|facts| playbook(preview, answers, facts));
    let limited =
        |node: NodeName| PlaybookRun { limit: Some(node.to_string()), ..playbook(preview, answers, "scale.yml") };
    facts.into_iter().chain(values::node(preview, answers).map(limited)).collect()
}

/// Returns the commands that bring the values to a node, which has joined the cluster or will by them.
pub fn to_node(preview: &Preview, answers: &Answers) -> Vec<PlaybookRun> {
    if preview.layout.has_joined { renewing(preview, answers) } else { joining(preview, answers) }
}

/// Returns the commands that bring changed values to a node that has joined: the facts of all hosts, then only the
/// parts that read these values. containerd is restarted where its configuration has changed; pods live on.
/// Source: the tags of `playbooks/cluster.yml`, v2.18 to v2.31; that the labels need no other part is inferred from the
/// roles.
fn renewing(preview: &Preview, answers: &Answers) -> Vec<PlaybookRun> {
    const LABELS: &str = "node-label,node-taint";
    let facts = preview.layout.facts_playbook.as_ref().map(|facts| playbook(preview, answers, facts));
    let with_engine = preview.container_manager == "containerd";
    let tags = if with_engine { format!("{CONTAINER_ENGINE},{LABELS}") } else { LABELS.to_owned() };
    let limited = |node: NodeName| PlaybookRun {
        limit: Some(node.to_string()),
        tags: Some(tags),
        ..playbook(preview, answers, "cluster.yml")
    };
    facts.into_iter().chain(values::node(preview, answers).map(limited)).collect()
}

/// Returns the command that deploys the GPU role: without a limit, for its tasks run on the first control plane.
/// Nothing where the whole `cluster.yml` runs anyway.
pub fn gpu_role(preview: &Preview, answers: &Answers) -> Option<PlaybookRun> {
    let role = || PlaybookRun { tags: Some("nvidia_gpu".to_owned()), ..playbook(preview, answers, "cluster.yml") };
    (!preview.layout.is_control_plane).then(role)
}

fn playbook(preview: &Preview, answers: &Answers, name: &str) -> PlaybookRun {
    let inventory = preview
        .inventory
        .as_deref()
        .or(answers.inventory.as_deref())
        .unwrap_or(Path::new("inventory/mycluster/inventory.ini"));
    let below =
        preview.checkout.as_deref().and_then(|checkout| inventory.strip_prefix(checkout).ok()).unwrap_or(inventory);
    PlaybookRun {
        program: preview.layout.ansible_playbook.clone().unwrap_or_else(|| PROGRAM.into()),
        checkout: preview.checkout.clone(),
        inventory: below.to_owned(),
        playbook: name.to_owned(),
        limit: None,
        tags: None,
    }
}

/// The tag of the role that writes the container runtime's configuration.
const CONTAINER_ENGINE: &str = "container-engine";

/// The program's name.
pub const PROGRAM: &str = "ansible-playbook";

/// One run of a playbook.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PlaybookRun {
    /// `ansible-playbook`, or its path in the checkout's own environment.
    pub program: PathBuf,
    /// The folder to run in.
    pub checkout: Option<PathBuf>,
    /// The inventory, from the root or below the checkout.
    pub inventory: PathBuf,
    /// The playbook below the checkout.
    pub playbook: String,
    /// The host that it is limited to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// The tags whose tasks it runs, with commas between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<String>,
}

impl PlaybookRun {
    /// Tells whether it writes the configuration of the container runtime.
    pub fn configures_runtime(&self) -> bool {
        let has_engine = |tags: &String| tags.split(',').any(|tag| tag == CONTAINER_ENGINE);
        !self.playbook.ends_with("facts.yml") && self.tags.as_ref().is_none_or(has_engine)
    }

    /// Returns the command.
    pub fn command(&self) -> Command {
        let operands = [&self.inventory.display().to_string(), self.playbook.as_str()];
        let mut command = Command::new(self.program.display().to_string(), ["-i"]).operands(operands).words(["-b"]);
        if let Some(limit) = &self.limit {
            command = command.option("--limit", limit);
        }
        if let Some(tags) = &self.tags {
            command = command.words(["--tags"]).operand(tags);
        }
        command.env = ENVIRONMENT.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        command.cwd.clone_from(&self.checkout);
        command.detached()
    }
}

/// Prints the command as a person would type it.
impl std::fmt::Display for PlaybookRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.command().fmt(f)
    }
}

/// Returns the command with the password for `sudo`: Ansible reads it from its standard input, so that it is in no
/// argument, no environment and no file. Before ansible-core 2.12 only the prompt could be asked for; without a
/// terminal it reads the same input.
pub fn with_password(command: &Command, secret: &Secret, core: Option<&Version>) -> Command {
    let reads_file = core.is_some_and(|core| (core.part(0), core.part(1)) >= (2, 12));
    let mut command = command.clone();
    command.args.push(if reads_file { "--become-password-file=-" } else { "--ask-become-pass" }.to_owned());
    command.secret = Some(secret.clone());
    command
}

/// Returns the command that lists the tasks of a playbook command without running them.
pub fn list_tasks_command(command: &Command) -> Command {
    let mut listing = command.clone().deadline(Some(LIST_TASKS_DEADLINE));
    listing.kind = crate::host::Kind::Query;
    listing.args.push("--list-tasks".to_owned());
    listing
}
