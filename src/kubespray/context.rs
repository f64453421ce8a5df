//! What the preview reads, before anything is concluded: checkout, release, inventory, variables folders, and which
//! host this machine is.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{
    GpuRole,
    ansible::{self, Installed},
    checkout::{self, Checkout},
    config::Config,
    inventory::{Ignored, Inventory, VarsFolder},
    machine,
    release::{self, Bounds, Groups, Release, Traits},
};
use crate::{
    error::Expected,
    host::{FileKind, Files},
    i18n::msg,
    version::Version,
};

/// What the caller knows and wants; everything may be absent but the host name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PreviewRequest {
    /// The checkout; looked for around the inventory and in the usual places if absent.
    pub checkout: Option<PathBuf>,
    /// The inventory, absolute or below the checkout; the only one of the checkout if absent.
    pub inventory: Option<PathBuf>,
    /// The inventory host of this machine; recognised by name and address if absent.
    pub node: Option<String>,
    /// This machine's host name.
    pub hostname: String,
    /// What the role will see on the first control plane, as `ubuntu-22.04`.
    pub control_plane_os: Option<String>,
    /// The release, where no checkout can tell.
    pub release: Option<String>,
    /// What the driver's owner wants of the GPU role, by which the values are judged.
    pub gpu_role: GpuRole,
}

/// Everything that was read.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "four facts that have nothing to do with each other")]
pub struct KubesprayContext {
    /// The checkout.
    pub checkout: Option<Checkout>,
    /// Its release.
    pub release: Option<Release>,
    /// What the release does; the newest row when the release is unknown.
    pub traits: &'static Traits,
    /// Names of the inventory groups: those of the checkout's own plays, of its release, or of the inventory, the first
    /// that is known.
    pub groups: Groups,
    /// The inventory file or folder.
    pub inventory_path: Option<PathBuf>,
    /// The inventory, with the groups that Kubespray adds at run time.
    pub inventory: Inventory,
    /// The groups that the inventory itself declares.
    pub declared_groups: BTreeSet<String>,
    /// `group_vars` and `host_vars`, the weaker folder first.
    pub folders: Vec<VarsFolder>,
    /// `group_vars` in the checkout of a release whose plays stand one folder below: nobody reads them.
    pub unread: Option<VarsFolder>,
    /// This machine's own name.
    pub hostname: String,
    /// Whether that machine is the one whose files are read; with a session carried to the Ansible host it is not.
    pub is_here: bool,
    /// Everybody may write to the checkout's folder: Ansible then does not read its `ansible.cfg`.
    pub is_open_to_all: bool,
    /// `ansible.cfg` says that mappings are merged, which this program does not do.
    pub merges: bool,
    /// The inventory host of this machine.
    pub inventory_host: Option<String>,
    /// The host whose values are shown: this machine, or a node that would be added.
    pub subject: String,
    /// Whether that host is the machine that this program runs on.
    pub is_this_machine: bool,
    /// What is passed over in a folder of inventories.
    pub ignored: Ignored,
    /// The first host of the control plane.
    pub first_control_plane: Option<String>,
    /// Its operating system.
    pub control_plane_os: Option<Os>,
    /// The versions of ansible-core that the checkout's own check lets pass, or those that the release is known to pin.
    pub demanded: Option<Bounds>,
    /// The Ansible of this machine that would be used.
    pub ansible: Option<Installed>,
}

/// A system as Ansible names it: `ubuntu`, `22.04`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Os {
    /// Ansible's `ansible_distribution`, in lower case.
    pub distribution: String,
    /// Its version.
    pub version: String,
}

impl Os {
    /// Reads `ubuntu-22.04`, `centos-7`, or an ID and a version of os-release joined by a dash.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_lowercase();
        let (id, version) = text.rsplit_once('-')?;
        let distribution = match id {
            "rhel" => "redhat",
            "ol" => "oraclelinux",
            other => other,
        };
        (!id.is_empty() && version.starts_with(|c: char| c.is_ascii_digit()))
            .then(|| Self { distribution: distribution.to_owned(), version: version.to_owned() })
    }

    /// Reads `os-release`.
    fn read(files: &dyn Files) -> Option<Self> {
        let text = ["/etc/os-release", "/usr/lib/os-release"].iter().find_map(|path| files.read_text(path).ok())?;
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
            Some(line.trim().trim_matches(['"', '\'']).to_owned())
        };
        Self::parse(&format!("{}-{}", field("ID")?, field("VERSION_ID")?))
    }

    /// Returns the names of vars files that the GPU role tries, in its order. Source: the role's `tasks/main.yml`.
    pub fn vars_names(&self) -> Vec<String> {
        let major = self.version.split('.').next().unwrap_or_default();
        let family = match self.distribution.as_str() {
            "ubuntu" | "debian" => "debian",
            "centos" | "redhat" | "rocky" | "almalinux" | "oraclelinux" | "fedora" | "amazon" => "redhat",
            other => other,
        };
        let name = &self.distribution;
        vec![format!("{name}-{}", self.version), format!("{name}-{major}"), name.clone(), family.to_owned()]
    }
}

impl std::fmt::Display for Os {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.distribution, self.version)
    }
}

impl KubesprayContext {
    /// Returns the version of the ansible-core that would be used.
    pub fn ansible_core(&self) -> Option<&Version> {
        self.ansible.as_ref()?.version.as_ref()
    }

    /// Reads everything that the request names, and looks for what it leaves open.
    pub fn read(files: &dyn Files, request: &PreviewRequest) -> Result<Self, Expected> {
        let checkout = find_checkout(files, request)?;
        let release = release_of(request, checkout.as_ref())?;
        let traits = traits(release.as_ref())?;
        let inventory_path = find_inventory(files, request, checkout.as_ref())?;
        let root = checkout.as_ref().map(|checkout| checkout.path.as_path());
        let config = root.map(|root| Config::read(files, root)).unwrap_or_default();
        let ignored = Ignored::new(&config);
        let read = inventory_path.as_deref().map(|path| Inventory::load(files, path, &ignored)).transpose()?;
        let mut inventory = read.unwrap_or_else(Inventory::empty);
        let declared_groups = inventory.group_names().map(str::to_owned).collect();
        let of_plays = root.and_then(|root| checkout::groups(files, root));
        let groups = of_plays.unwrap_or_else(|| groups(release.as_ref(), traits, &inventory));
        let implicit_cluster = release.is_some() && traits.implicit_cluster;
        inventory.add_groups_of_run_time(&groups, implicit_cluster);
        let playbooks = root.map(|root| playbook_folder(files, root));
        let is_open_to_all = root.and_then(|root| files.meta(root).ok()).is_some_and(|meta| meta.mode & 0o002 != 0);
        let apart = root.filter(|root| playbooks.as_deref() != Some(root));
        let unread = apart.map(|root| VarsFolder::read(files, root, true));
        let first_control_plane = inventory.hosts_of(&groups.control_plane).first().map(|host| (*host).to_owned());
        let inventory_host = machine::identify(files, &inventory, request.node.as_deref(), &request.hostname);
        let is_here = machine::is_here(files, &request.hostname);
        // Only this machine's own system can be read from here.
        let is_control_plane = is_here && first_control_plane.is_some() && first_control_plane == inventory_host;
        let control_plane_os = os_of(request, is_control_plane.then_some(files))?;
        let subject = inventory_host.as_ref().or(request.node.as_ref()).unwrap_or(&request.hostname).clone();
        if inventory_host.is_none() {
            add_future_node(&mut inventory, &subject, &groups, implicit_cluster);
        }
        // The two hosts whose values matter.
        let is_wanted = |name: &str| name == subject || Some(name) == first_control_plane.as_deref();
        let folders = vars_folders(files, inventory_path.as_deref(), playbooks.as_deref(), &is_wanted);
        let of_checkout = checkout.as_ref().and_then(|checkout| ansible::demanded(files, checkout));
        let demanded = of_checkout.or_else(|| traits.ansible_core.clone());
        let ansible = ansible::choose(&ansible::installed(files, root), demanded.as_ref()).cloned();
        Ok(Self {
            checkout,
            release,
            traits,
            groups,
            inventory_path,
            inventory,
            declared_groups,
            folders,
            unread,
            hostname: request.hostname.clone(),
            is_open_to_all,
            is_here,
            merges: config.get("defaults", "hash_behaviour") == Some("merge"),
            is_this_machine: machine::is_same_name(&subject, &request.hostname)
                || (inventory_host.is_some() && request.node.is_none()),
            inventory_host,
            subject,
            ignored,
            first_control_plane,
            control_plane_os,
            demanded,
            ansible,
        })
    }

    /// Returns the folder that holds `group_vars` beside the inventory.
    pub fn vars_base(&self) -> Option<&Path> {
        self.folders.first().map(VarsFolder::base)
    }
}

/// Returns what a release does; where none is known, what the newest one does.
fn traits(release: Option<&Release>) -> Result<&'static Traits, Expected> {
    release
        .and_then(Release::traits)
        .or_else(release::newest)
        .ok_or_else(|| Expected::new(msg::error::kubespray::no_releases(), msg::error::bug()))
}

/// Puts a host that the inventory does not have where a new GPU node would go.
fn add_future_node(inventory: &mut Inventory, host: &str, groups: &Groups, implicit_cluster: bool) {
    inventory.add_future_host(host, &groups.node);
    inventory.add_groups_of_run_time(groups, implicit_cluster);
    // Of an inventory that was not read it is taken that it has the group, without which Kubespray does nothing.
    if inventory.has_group(&groups.cluster) || !inventory.is_known() {
        inventory.add_future_host(host, &groups.cluster);
    }
}

/// The spelling of the release; where that is unknown, the one that the inventory has.
fn groups(release: Option<&Release>, traits: &Traits, inventory: &Inventory) -> Groups {
    let has_old = ["kube-master", "kube-node", "k8s-cluster"].iter().any(|name| inventory.has_group(name));
    if release.is_none() && has_old { Groups::dashed() } else { traits.groups.clone() }
}

/// The release that is asked for, else the checkout's own.
fn release_of(request: &PreviewRequest, checkout: Option<&Checkout>) -> Result<Option<Release>, Expected> {
    match &request.release {
        Some(text) => Release::parse(text).ok_or_else(|| unknown_release(text)).map(Some),
        None => Ok(checkout.and_then(|checkout| checkout.release.clone())),
    }
}

/// The system that is asked for, else that of the machine whose `files` may be looked at.
fn os_of(request: &PreviewRequest, files: Option<&dyn Files>) -> Result<Option<Os>, Expected> {
    match &request.control_plane_os {
        Some(text) => Os::parse(text).ok_or_else(|| unknown_os(text)).map(Some),
        None => Ok(files.and_then(Os::read)),
    }
}

fn unknown_release(text: &str) -> Expected {
    Expected::new(msg::error::kubespray::release(text), msg::error::kubespray::release::hint())
}

fn unknown_os(text: &str) -> Expected {
    Expected::new(msg::error::kubespray::os(text), msg::error::kubespray::os::hint())
}

fn find_checkout(files: &dyn Files, request: &PreviewRequest) -> Result<Option<Checkout>, Expected> {
    if let Some(path) = &request.checkout {
        return checkout::open(files, path).map(Some);
    }
    if let Some(inventory) = &request.inventory {
        return Ok(checkout::around(files, inventory));
    }
    Ok(checkout::find(files).into_iter().next())
}

fn find_inventory(
    files: &dyn Files,
    request: &PreviewRequest,
    checkout: Option<&Checkout>,
) -> Result<Option<PathBuf>, Expected> {
    if let Some(path) = &request.inventory {
        let below = checkout.map(|checkout| checkout.path.join(path)).filter(|path| files.exists(path));
        let path = below.unwrap_or_else(|| path.clone());
        let kind = files.meta(&path).map(|meta| meta.kind);
        return if matches!(kind, Ok(FileKind::File | FileKind::Folder)) {
            Ok(Some(path))
        } else if kind.is_ok() {
            // A pipe or a device would keep whoever reads it waiting.
            Err(Expected::new(msg::error::inventory::no_file(path.display()), msg::error::inventory::no_file::hint()))
        } else {
            Err(Expected::new(msg::error::inventory::missing(path.display()), msg::error::inventory::missing::hint()))
        };
    }
    let Some(checkout) = checkout else { return Ok(None) };
    let found = checkout::inventories(files, &checkout.path);
    let own: Vec<_> = found.iter().filter(|path| !checkout::is_sample(path)).collect();
    match own[..] {
        [] => Ok(None),
        [only] => Ok(Some(only.clone())),
        _ => {
            let names: Vec<_> = own.iter().map(|path| path.display().to_string()).collect();
            let what = msg::error::inventory::several(checkout.path.display(), names.join(", "));
            Err(Expected::new(what, msg::error::inventory::several::hint()))
        }
    }
}

/// `group_vars` and `host_vars` beside the inventory and beside the playbooks.
fn vars_folders(
    files: &dyn Files,
    inventory: Option<&Path>,
    playbooks: Option<&Path>,
    is_wanted: &dyn Fn(&str) -> bool,
) -> Vec<VarsFolder> {
    let base = inventory.map(|path| if files.list(path).is_ok() { path } else { path.parent().unwrap_or(path) });
    let beside = playbooks.filter(|path| Some(*path) != base);
    let read = |path: Option<&Path>, beside_playbook| {
        path.map(|path| VarsFolder::read_for(files, path, beside_playbook, is_wanted))
    };
    read(base, false).into_iter().chain(read(beside, true)).collect()
}

/// The folder of the plays: since v2.22 `cluster.yml` only imports `playbooks/cluster.yml`, and Ansible then looks
/// beside that one.
fn playbook_folder(files: &dyn Files, checkout: &Path) -> PathBuf {
    let inner = checkout.join("playbooks");
    if files.exists(inner.join("cluster.yml")) { inner } else { checkout.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_systems() {
        let os = Os::parse("rhel-7.8").unwrap();
        assert_eq!(os.vars_names(), ["redhat-7.8", "redhat-7", "redhat", "redhat"]);
        assert_eq!(Os::parse("opensuse-leap-15.6").unwrap().distribution, "opensuse-leap");
        assert_eq!(Os::parse("ubuntu"), None);
        assert_eq!(Os::parse("-7"), None);
    }
}
