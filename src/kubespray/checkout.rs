//! A Kubespray checkout: where it is, which release it is by its own files, and which inventories it holds.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::release::{Groups, Release};
use crate::{error::Expected, host::Files, i18n::msg};

/// The GPU role below a checkout.
pub const GPU_ROLE: &str = "roles/kubernetes-apps/container_engine_accelerator/nvidia_gpu";

/// A Kubespray checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// Its folder.
    pub path: PathBuf,
    /// Its release; absent when nothing in it tells.
    pub release: Option<Release>,
    /// What told the release.
    pub source: ReleaseSource,
}

/// What told a checkout's release, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseSource {
    /// `galaxy.yml`.
    Galaxy,
    /// A tag at HEAD, or a release branch.
    Git,
    /// The folder's name.
    FolderName,
    /// Files that came with a release: it may be a little newer.
    Files,
    /// Nothing.
    Unknown,
}

/// Returns the checkout in `path`.
pub fn open(files: &dyn Files, path: &Path) -> Result<Checkout, Expected> {
    if !is_checkout(files, path) {
        return Err(Expected::new(
            msg::error::kubespray::no_checkout(path.display()),
            msg::error::kubespray::no_checkout::hint(),
        ));
    }
    let (release, source) = release(files, path);
    Ok(Checkout { path: path.to_owned(), release, source })
}

/// Looks for checkouts in the usual places: `/opt`, `/root`, the homes, and one level below them.
pub fn find(files: &dyn Files) -> Vec<Checkout> {
    let mut places: Vec<PathBuf> = ["/opt", "/root", "/srv", "/usr/local/src"].iter().map(PathBuf::from).collect();
    places.extend(files.list(Path::new("/home")).unwrap_or_default().iter().map(|name| Path::new("/home").join(name)));
    let mut found = Vec::new();
    for place in places {
        for name in files.list(&place).unwrap_or_default() {
            if name.to_lowercase().starts_with("kubespray") {
                found.extend(open(files, &place.join(&name)).ok());
            }
        }
    }
    found
}

/// Returns the checkout that an inventory lies in, such as `…/kubespray` of
/// `…/kubespray/inventory/mycluster/inventory.ini`.
pub fn around(files: &dyn Files, inventory: &Path) -> Option<Checkout> {
    inventory.ancestors().skip(1).take(4).find(|path| is_checkout(files, path)).and_then(|path| open(files, path).ok())
}

/// Lists the inventories of a checkout; the samples that come with it stand last.
pub fn inventories(files: &dyn Files, checkout: &Path) -> Vec<PathBuf> {
    const NAMES: [&str; 8] = [
        "inventory.ini",
        "hosts.ini",
        "hosts.yaml",
        "hosts.yml",
        "inventory.yaml",
        "inventory.yml",
        "hosts.json",
        "hosts",
    ];
    let mut found = Vec::new();
    for folder in [checkout.join("inventory"), checkout.to_owned()] {
        for cluster in files.list(&folder).unwrap_or_default() {
            found.extend(NAMES.iter().map(|name| folder.join(&cluster).join(name)).filter(|path| is_file(files, path)));
        }
    }
    found.sort_by_key(|path| is_sample(path));
    found
}

/// Tells whether an inventory is one of those that come with Kubespray.
pub fn is_sample(inventory: &Path) -> bool {
    let folder = inventory.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    matches!(folder, Some("sample" | "local"))
}

fn is_checkout(files: &dyn Files, path: &Path) -> bool {
    let has = |name: &str| files.exists(path.join(name));
    has(GPU_ROLE) || (has("cluster.yml") && (has("roles") || has("inventory/sample")))
}

fn is_file(files: &dyn Files, path: &Path) -> bool {
    files.meta(path).is_ok_and(|meta| meta.kind == crate::host::FileKind::File)
}

fn release(files: &dyn Files, path: &Path) -> (Option<Release>, ReleaseSource) {
    if let Some(release) = galaxy(files, path) {
        return (Some(release), ReleaseSource::Galaxy);
    }
    if let Some(release) = git(files, path) {
        return (Some(release), ReleaseSource::Git);
    }
    let traces = traces(files, path);
    let named = path.file_name().and_then(|name| name.to_str()).and_then(from_folder_name);
    match (named, traces) {
        // A name is worth more than traces, unless the files are newer than it claims.
        (Some(named), Some(least)) if named >= least => (Some(named), ReleaseSource::FolderName),
        (Some(named), None) => (Some(named), ReleaseSource::FolderName),
        (_, Some(least)) => (Some(least), ReleaseSource::Files),
        (None, None) => (None, ReleaseSource::Unknown),
    }
}

fn galaxy(files: &dyn Files, path: &Path) -> Option<Release> {
    let text = files.read_text(path.join("galaxy.yml")).ok()?;
    let version = text.lines().find_map(|line| line.strip_prefix("version:"))?;
    Release::parse(version.trim().trim_matches(['"', '\'']))
}

/// `kubespray-2.14.2`, `v2.14.2`, `kubespray-release-2.14`.
fn from_folder_name(name: &str) -> Option<Release> {
    let name = name.to_lowercase();
    let tail = name.strip_prefix("kubespray").map_or(name.as_str(), |tail| tail.trim_start_matches(['-', '_', '.']));
    Release::parse(tail)
}

/// Returns the newest release tag at HEAD, or else the release that the branch is named after.
fn git(files: &dyn Files, path: &Path) -> Option<Release> {
    let folder = git_folder(files, path)?;
    let head = files.read_value(folder.join("HEAD")).ok()?;
    let packed = files.read_text(folder.join("packed-refs")).unwrap_or_default();
    let Some(branch) = head.strip_prefix("ref: ") else { return tag_at(files, &folder, &packed, &head) };
    let commit = files.read_value(folder.join(branch)).ok().or_else(|| packed_ref(&packed, branch));
    let tagged = commit.and_then(|commit| tag_at(files, &folder, &packed, &commit));
    tagged.or_else(|| Release::parse(branch.rsplit('/').next()?))
}

/// `.git` is a file that names the real folder in a worktree or a submodule.
fn git_folder(files: &dyn Files, path: &Path) -> Option<PathBuf> {
    let git = path.join(".git");
    match files.read_value(&git) {
        Ok(text) => Some(path.join(text.strip_prefix("gitdir: ")?)),
        Err(_) => files.exists(&git).then_some(git),
    }
}

fn packed_ref(packed: &str, name: &str) -> Option<String> {
    packed
        .lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(_, known)| *known == name)
        .map(|(hash, _)| hash.to_owned())
}

fn tag_at(files: &dyn Files, git: &Path, packed: &str, commit: &str) -> Option<Release> {
    let mut found = Vec::new();
    let mut last = None;
    for line in packed.lines() {
        if let Some(peeled) = line.strip_prefix('^') {
            // The line behind an annotated tag names the commit that it is for.
            found.extend(last.take().filter(|_| peeled == commit));
        } else if let Some((hash, tag)) = line.split_once(" refs/tags/") {
            last = Release::parse(tag);
            found.extend(last.clone().filter(|_| hash == commit));
        }
    }
    let loose = git.join("refs/tags");
    for tag in files.list(&loose).unwrap_or_default() {
        let is_here = files.read_value(loose.join(&tag)).is_ok_and(|hash| hash == commit);
        found.extend(Release::parse(&tag).filter(|_| is_here));
    }
    found.into_iter().max()
}

/// Returns the groups that the checkout's own plays are for (`hosts:`): what they name counts, whatever release a fork
/// began with. Newer plays still name the old groups, to take their hosts over.
pub fn groups(files: &dyn Files, path: &Path) -> Option<Groups> {
    const PLAYS: [&str; 6] = [
        "playbooks/cluster.yml",
        "cluster.yml",
        "playbooks/scale.yml",
        "scale.yml",
        "playbooks/facts.yml",
        "playbooks/boilerplate.yml",
    ];
    let mut found = BTreeSet::new();
    for play in PLAYS {
        let text = files.read_text(path.join(play)).unwrap_or_default();
        let hosts = text.lines().filter_map(|line| line.trim_start().trim_start_matches("- ").strip_prefix("hosts:"));
        let is_part = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        found.extend(hosts.flat_map(|hosts| hosts.split(is_part)).map(str::to_owned));
    }
    let names = |groups: &Groups| {
        [&groups.control_plane, &groups.node, &groups.cluster].iter().any(|name| found.contains(*name))
    };
    [Groups::underscored(), Groups::dashed()].into_iter().find(names)
}

/// The release in which the newest of some telling files appeared.
fn traces(files: &dyn Files, path: &Path) -> Option<Release> {
    const TRACES: [(&str, u32); 7] = [
        ("roles/dynamic_groups", 29),
        ("roles/kubernetes/node-taint", 25),
        ("playbooks/facts.yml", 22),
        ("inventory/sample/group_vars/k8s_cluster", 16),
        ("sample/group_vars/k8s_cluster", 16),
        ("facts.yml", 13),
        ("roles/kubernetes/node-label", 12),
    ];
    let has = |name: &str| files.exists(path.join(name));
    let mut minor = TRACES.iter().find(|(name, _)| has(name)).map_or(0, |(_, minor)| *minor);
    let role = path.join(GPU_ROLE);
    let defaults = files.read_text(role.join("defaults/main.yml")).unwrap_or_default();
    if defaults.contains("registry.k8s.io") {
        minor = minor.max(20);
    }
    if files.exists(role.join("vars")) && !files.exists(role.join("vars/centos-7.yml")) {
        minor = minor.max(26);
    }
    if groups(files, path).is_some_and(|groups| !groups.has_dashes()) {
        minor = minor.max(16);
    }
    (minor > 0).then(|| Release::inferred(minor))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::host::local::LocalFiles;

    fn checkout(parts: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in parts.iter().chain(&[("opt/kubespray/cluster.yml", ""), ("opt/kubespray/roles/x", "")]) {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn release_of(parts: &[(&str, &str)]) -> (Option<String>, ReleaseSource) {
        let root = checkout(parts);
        let found = find(&LocalFiles::new(root.path())).pop().unwrap();
        assert_eq!(found.path, Path::new("/opt/kubespray"));
        (found.release.map(|release| release.to_string()), found.source)
    }

    #[test]
    fn galaxy_names_the_release() {
        let galaxy = "namespace: kubernetes_sigs\nversion: 2.27.1\n";
        assert_eq!(
            release_of(&[("opt/kubespray/galaxy.yml", galaxy)]),
            (Some("v2.27.1".to_owned()), ReleaseSource::Galaxy)
        );
    }

    #[test]
    fn git_names_the_release_by_tag_or_branch() {
        let packed = "# pack-refs with: peeled\naaa refs/tags/v2.14.1\n^111\nbbb refs/tags/v2.14.2\n^222\n";
        let tagged = [("opt/kubespray/.git/HEAD", "222\n"), ("opt/kubespray/.git/packed-refs", packed)];
        assert_eq!(release_of(&tagged), (Some("v2.14.2".to_owned()), ReleaseSource::Git));
        let branch = [("opt/kubespray/.git/HEAD", "ref: refs/heads/release-2.25\n")];
        assert_eq!(release_of(&branch), (Some("v2.25".to_owned()), ReleaseSource::Git));
    }

    #[test]
    fn files_give_a_release_away() {
        let dated = [("opt/kubespray/roles/kubernetes/node-taint/tasks/main.yml", "")];
        assert_eq!(release_of(&dated), (Some("v2.25".to_owned()), ReleaseSource::Files));
        assert_eq!(release_of(&[]), (None, ReleaseSource::Unknown));
    }

    #[test]
    fn a_folder_that_is_none_says_so() {
        let root = checkout(&[("etc/passwd", "")]);
        let error = open(&LocalFiles::new(root.path()), Path::new("/etc")).unwrap_err();
        assert!(error.to_string().contains("/etc is not a Kubespray checkout"));
    }
}
