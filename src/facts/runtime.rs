//! The container runtime: which one the kubelet uses, how it stores its layers, and whether this is a container itself.

use std::path::Path;

use super::{
    containerd, engines,
    reader::{Reader, has_end},
    toml_text::parse_toml,
};
use crate::text::printable;

/// Files that tell the kubelet which runtime to use: kubeadm's and Kubespray's.
const KUBELET_SETTINGS: [&str; 5] = [
    "/var/lib/kubelet/instance-config.yaml",
    "/var/lib/kubelet/kubeadm-flags.env",
    "/var/lib/kubelet/config.yaml",
    "/etc/kubernetes/kubelet.env",
    "/etc/kubernetes/kubelet-config.yaml",
];

/// Sockets of the runtimes. Docker brings a containerd of its own, so it is looked for first.
const SOCKETS: [(&str, &str); 5] = [
    ("/var/run/docker.sock", "docker"),
    ("/run/docker.sock", "docker"),
    ("/run/crio/crio.sock", "cri-o"),
    ("/var/run/crio/crio.sock", "cri-o"),
    ("/run/containerd/containerd.sock", "containerd"),
];

/// How a runtime keeps the layers of its images: where it is told, and where its folders show it.
struct Storage {
    runtime: &'static str,
    settings: &'static [&'static str],
    parse: fn(&str) -> Option<String>,
    folder: &'static str,
    /// What stands before the driver's name in the folder.
    prefix: &'static str,
    /// Names of folders that are drivers.
    drivers: &'static [&'static str],
}

const STORAGES: [Storage; 3] = [
    Storage {
        runtime: "docker",
        settings: &["/etc/docker/daemon.json"],
        parse: parse_daemon_json,
        folder: "/var/lib/docker/image",
        prefix: "",
        drivers: &["overlay2", "overlay", "fuse-overlayfs", "devicemapper", "aufs", "btrfs", "zfs", "vfs"],
    },
    Storage {
        runtime: "containerd",
        settings: &["/etc/containerd/config.toml"],
        parse: |text| parse_toml(text, "snapshotter"),
        folder: "/var/lib/containerd",
        prefix: "io.containerd.snapshotter.v1.",
        drivers: &["overlayfs", "devmapper", "btrfs", "zfs", "native"],
    },
    Storage {
        runtime: "cri-o",
        settings: &["/etc/crio/crio.conf", "/etc/containers/storage.conf"],
        parse: |text| parse_toml(text, "storage_driver").or_else(|| parse_toml(text, "driver")),
        folder: "/var/lib/containers/storage",
        prefix: "",
        drivers: &["overlay", "btrfs", "vfs", "zfs"],
    },
];

/// Returns the runtime that the kubelet is set to, else the one whose socket is there.
pub(super) fn probe_runtime(reader: &mut Reader<'_>) -> Option<String> {
    for path in KUBELET_SETTINGS {
        let text = reader.text_if_there("host.container_runtime", path).unwrap_or_default();
        if let Some(name) = parse_runtime(&text) {
            return Some(name.to_owned());
        }
    }
    SOCKETS.iter().find(|(path, _)| reader.host.files.exists(path)).map(|(_, name)| (*name).to_owned())
}

/// Finds the runtime's endpoint (`--container-runtime-endpoint=…`, `containerRuntimeEndpoint: …`) or docker's old flag.
pub fn parse_runtime(text: &str) -> Option<&'static str> {
    let runtime = |line: &str| {
        let flag = line.to_ascii_lowercase().replace('-', "");
        let at = flag.find("containerruntimeendpoint").map(|at| &flag[at..]);
        match at {
            Some(endpoint) if endpoint.contains("containerd.sock") => Some("containerd"),
            Some(endpoint) if endpoint.contains("crio") => Some("cri-o"),
            Some(endpoint) if endpoint.contains("docker") => Some("docker"),
            None if flag.contains("containerruntime=docker") => Some("docker"),
            _ => None,
        }
    };
    text.lines().filter(|line| !line.trim_start().starts_with('#')).find_map(runtime)
}

/// Returns the storage driver (containerd: snapshotter) of a runtime: as configured, else as its folders show.
pub(super) fn probe_storage_driver(reader: &mut Reader<'_>, runtime: &str) -> Option<String> {
    const FACT: &str = "host.storage_driver";
    let storage = STORAGES.iter().find(|storage| storage.runtime == runtime)?;
    for path in storage.settings {
        let text = reader.text_if_there(FACT, path).unwrap_or_default();
        if let Some(driver) = (storage.parse)(&text) {
            return Some(driver);
        }
    }
    let names = reader.list_if_there(FACT, storage.folder);
    let there = |driver: &&&str| names.iter().any(|name| name.strip_prefix(storage.prefix) == Some(**driver));
    storage.drivers.iter().find(there).map(|driver| (*driver).to_owned())
}

/// Returns what a recording keeps of a settings file of the kubelet or a runtime: the one line that is looked for, for
/// the rest names registries and users; `None` for any other file.
pub(super) fn settings_excerpt(path: &str, text: &str) -> Option<String> {
    if KUBELET_SETTINGS.contains(&path) {
        let socket = match parse_runtime(text) {
            Some("containerd") => "containerRuntimeEndpoint: unix:///run/containerd/containerd.sock\n",
            Some("cri-o") => "containerRuntimeEndpoint: unix:///var/run/crio/crio.sock\n",
            Some(_) => "--container-runtime=docker\n",
            None => "",
        };
        return Some(socket.to_owned());
    }
    if path.starts_with("/etc/containerd/") && has_end(path, "toml") {
        return Some(containerd::config::excerpt(text));
    }
    if path.starts_with(engines::CRIO_FOLDER) || path == engines::DAEMON_JSON {
        return Some(engines::excerpt(path, text));
    }
    let storage = STORAGES.iter().find(|storage| storage.settings.contains(&path))?;
    Some((storage.parse)(text).map(|driver| format!("storage_driver = \"{driver}\"\n")).unwrap_or_default())
}

/// Returns the storage driver that docker's `daemon.json` sets.
pub fn parse_daemon_json(text: &str) -> Option<String> {
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    json.get("storage-driver")?.as_str().map(printable)
}

/// Returns the sign that this is a container, not a machine.
pub(super) fn probe_container(reader: &Reader<'_>) -> Option<&'static str> {
    const CGROUP: &str = "/proc/1/cgroup";
    let marker = reader.first_there(&["/.dockerenv", "/run/.containerenv"]);
    marker.or_else(|| {
        let text = reader.host.files.read_text(Path::new(CGROUP)).ok()?;
        is_container_cgroup(&text).then_some(CGROUP)
    })
}

/// Tells whether process 1 lives in a cgroup that a container runtime makes.
fn is_container_cgroup(text: &str) -> bool {
    ["/docker/", "/docker-", "kubepods", "/lxc/", "/lxc.payload", "/libpod-", "cri-containerd-", "/crio-"]
        .iter()
        .any(|part| text.contains(part))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_the_kubelet_is_told() {
        let kubeadm = "KUBELET_KUBEADM_ARGS=\"--container-runtime-endpoint=unix:///var/run/containerd/containerd.sock --pod-infra=x\"\n";
        assert_eq!(parse_runtime(kubeadm), Some("containerd"));
        assert_eq!(parse_runtime("containerRuntimeEndpoint: unix:///var/run/crio/crio.sock\n"), Some("cri-o"));
        assert_eq!(
            parse_runtime("KUBELET_ARGS=\"--container-runtime-endpoint=unix:///var/run/cri-dockerd.sock\""),
            Some("docker")
        );
        assert_eq!(parse_runtime("--container-runtime=docker"), Some("docker"));
        assert_eq!(parse_runtime("# --container-runtime-endpoint=unix:///run/containerd/containerd.sock"), None);
    }

    #[test]
    fn reads_the_storage_driver() {
        assert_eq!(parse_daemon_json(r#"{"storage-driver": "overlay2"}"#).as_deref(), Some("overlay2"));
        assert_eq!(parse_daemon_json("{"), None);
        let config = "version = 2\n[plugins]\n  # snapshotter = \"native\"\n    snapshotter = \"overlayfs\"\n";
        assert_eq!(parse_toml(config, "snapshotter").as_deref(), Some("overlayfs"));
        assert_eq!(parse_toml("[storage]\ndriver = \"\"\nrunroot = 'x'\n", "driver"), None);
    }

    #[test]
    fn a_host_is_no_container() {
        assert!(!is_container_cgroup("0::/init.scope\n"));
        assert!(is_container_cgroup("12:cpu:/kubepods/burstable/pod1\n"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(text in any::<String>()) {
            let _ = (parse_runtime(&text), parse_daemon_json(&text), is_container_cgroup(&text));
            let _ = parse_toml(&format!("driver = {text}"), "driver");
            let _ = parse_runtime(&format!("{text}container-runtime-endpoint{text}"));
        }
    }
}
