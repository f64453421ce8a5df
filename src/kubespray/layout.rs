//! Where things stand in this cluster's files: which files take new values, and which playbooks the release has.

use std::path::{Path, PathBuf};

use super::{
    context::KubesprayContext,
    inventory::Member,
    joining,
    release::{Release, Traits},
};
use crate::{host::Files, version::Version};

/// The group of GPU nodes, below the group of all nodes. At the top it would lose to the groups of nodes and of the
/// cluster: Ansible lets the deeper group win, and of two at one depth the later in the alphabet.
pub(super) const GPU_GROUP: &str = "gpu_node";

/// What kubeadm leaves on a node that has joined.
const KUBELET_CONF: &str = "/etc/kubernetes/kubelet.conf";

/// The places that editing and running need. Not part of the JSON.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Layout {
    /// The file that takes the cluster's variables.
    pub cluster_vars: Option<PathBuf>,
    /// The cluster group, whose name its folder in `group_vars` must have.
    pub cluster_group: String,
    /// Whether a play makes that group while it runs, where the inventory does not have it.
    pub makes_cluster_group: bool,
    /// The file that takes docker's variables.
    pub docker_vars: Option<PathBuf>,
    /// The playbook that refreshes all facts, below the checkout.
    pub facts_playbook: Option<String>,
    /// Whether this machine is one of the control plane.
    pub is_control_plane: bool,
    /// Whether this machine's kernel can do overlay2; absent when it could not be read.
    pub has_overlay2: Option<bool>,
    /// The host whose values are shown: this machine, or a node that would be added.
    pub subject: String,
    /// The names of the inventory's hosts; absent where not all of them are known.
    pub hosts: Option<Vec<String>>,
    /// What the inventory lacks for the machine to be a node, each with its file.
    pub members: Vec<(PathBuf, Member)>,
    /// The file that takes the variables of this node alone.
    pub node_vars: Option<PathBuf>,
    /// The file that takes what all GPU nodes share; absent where the machine is in no group of GPU nodes below that of
    /// the nodes.
    pub gpu_vars: Option<PathBuf>,
    /// Whether this machine's kubelet has joined a cluster; of another machine nobody here knows.
    pub has_joined: bool,
    /// The `ansible-playbook` to use; absent where none was found.
    pub ansible_playbook: Option<PathBuf>,
    /// The version of its ansible-core.
    pub ansible_core: Option<Version>,
    /// The release as a value that compares.
    pub release: Option<Release>,
}

impl Layout {
    /// Finds the places: files that are there come first, the release's custom second.
    pub fn new(files: &dyn Files, context: &KubesprayContext) -> Self {
        let group_vars =
            context.vars_base().filter(|_| context.inventory_path.is_some()).map(|base| base.join("group_vars"));
        let host_vars = group_vars.as_deref().map(|folder| folder.with_file_name("host_vars"));
        let host = context.inventory_host.as_deref().unwrap_or_default();
        Self {
            cluster_vars: group_vars.as_deref().map(|folder| cluster_file(files, context, folder)),
            cluster_group: context.groups.cluster.clone(),
            makes_cluster_group: context.release.is_some() && context.traits.implicit_cluster,
            docker_vars: group_vars.as_deref().map(|folder| in_group(files, &folder.join("all"), "docker")),
            facts_playbook: facts_playbook(
                files,
                context.checkout.as_ref().map(|checkout| checkout.path.as_path()),
                context.traits,
            ),
            is_control_plane: context.inventory.is_in(host, &context.groups.control_plane),
            has_overlay2: if context.is_here { kernel_fits(files) } else { None },
            subject: context.subject.clone(),
            hosts: joining::known_hosts(context),
            members: joining::members(files, context),
            gpu_vars: group_vars
                .filter(|_| is_in_gpu_group(context))
                .map(|folder| in_group(files, &folder.join(GPU_GROUP), "gpunode")),
            has_joined: context.is_here && context.is_this_machine && files.exists(KUBELET_CONF),
            node_vars: host_vars.map(|folder| in_group(files, &folder.join(&context.subject), "gpu")),
            ansible_playbook: context.ansible.as_ref().map(|ansible| ansible.program.clone()),
            ansible_core: context.ansible_core().cloned(),
            release: context.release.clone(),
        }
    }
}

/// Tells whether this machine is in a group of GPU nodes that wins over the group of all nodes.
pub(super) fn is_in_gpu_group(context: &KubesprayContext) -> bool {
    let inventory = &context.inventory;
    let mut below = vec![context.groups.node.as_str()];
    let mut index = 0;
    while let Some(name) = below.get(index).copied() {
        below.extend(
            inventory
                .children_of(name)
                .iter()
                .map(String::as_str)
                .filter(|child| !below.contains(child))
                .collect::<Vec<_>>(),
        );
        index += 1;
    }
    below.contains(&GPU_GROUP) && inventory.is_in(&context.subject, GPU_GROUP)
}

fn kernel_fits(files: &dyn Files) -> Option<bool> {
    files.read_value("/proc/sys/kernel/osrelease").ok().and_then(|kernel| overlay2_fits(&kernel))
}

/// The folder must be named like the group; of two spellings that are both groups, the one that has a folder counts.
fn cluster_file(files: &dyn Files, context: &KubesprayContext, group_vars: &Path) -> PathBuf {
    let usual = context.groups.cluster.as_str();
    let other = if usual == "k8s_cluster" { "k8s-cluster" } else { "k8s_cluster" };
    let is_group = |name: &&str| context.inventory.has_group(name);
    let has_vars = |name: &&str| {
        ["", ".yml", ".yaml"].iter().any(|ending| files.exists(group_vars.join(format!("{name}{ending}"))))
    };
    let both = [usual, other];
    let name =
        both.iter().find(|name| is_group(name) && has_vars(name)).or_else(|| both.iter().find(|name| is_group(name)));
    in_group(files, &group_vars.join(name.unwrap_or(&usual)), "k8s-cluster")
}

/// Returns `name.yml` in the group's folder, in the spelling that is there. Where the group has one file instead of a
/// folder, that file: a new folder would hide it from Ansible.
fn in_group(files: &dyn Files, group: &Path, name: &str) -> PathBuf {
    let beside = |ending: &str| PathBuf::from(format!("{}{ending}", group.display()));
    let has_folder = files.list(group).is_ok();
    if !has_folder
        && let Some(single) =
            ["", ".yml", ".yaml", ".json"].iter().map(|ending| beside(ending)).find(|path| files.exists(path))
    {
        return single;
    }
    let spelled = ["yml", "yaml"].map(|ending| group.join(format!("{name}.{ending}")));
    spelled.iter().find(|path| files.exists(path)).unwrap_or(&spelled[0]).clone()
}

fn facts_playbook(files: &dyn Files, checkout: Option<&Path>, traits: &Traits) -> Option<String> {
    let present = |name: &&str| checkout.is_some_and(|checkout| files.exists(checkout.join(name)));
    let found = ["playbooks/facts.yml", "facts.yml"].iter().find(|name| present(name)).map(|name| (*name).to_owned());
    found.or_else(|| traits.facts_playbook.clone())
}

/// Tells whether overlay2 works on this kernel: 3.10.0-514 of RHEL and CentOS, 4.0 elsewhere.
/// Source: Docker's documentation of the overlay2 storage driver; it needs Docker 17.06 too, and every release here
/// installs a newer one.
fn overlay2_fits(kernel: &str) -> Option<bool> {
    let mut numbers = kernel.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next()?, numbers.next()?);
    if version >= (4, 0) {
        return Some(true);
    }
    let (patch, build) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    Some(version == (3, 10) && patch == 0 && build >= 514 && kernel.contains(".el7"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlay2_has_the_documented_limits() {
        for (kernel, fits) in [
            ("3.10.0-1160.2.2.el7.x86_64", Some(true)),
            ("3.10.0-514.el7.x86_64", Some(true)),
            ("3.10.0-327.el7.x86_64", Some(false)),
            ("3.13.0-24-generic", Some(false)),
            ("4.4.0-31-generic", Some(true)),
            ("6.8.0-45-generic", Some(true)),
            ("", None),
        ] {
            assert_eq!(overlay2_fits(kernel), fits, "{kernel}");
        }
    }
}
