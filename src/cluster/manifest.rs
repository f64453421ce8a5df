//! The objects that this program puts into a cluster: by server-side apply, under a name of its own among the managers
//! of fields, so that what somebody else manages is a conflict to be told and never overwritten.

mod found;
mod pins;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use found::{Keeper, Lack, Plugin, plugins, role_sets};
pub use pins::image;

use super::{ClusterError, Kubectl, kubectl::answer, objects::Meta};
use crate::{
    host::{Command, Host},
    version::Version,
};

/// The name under which the API server knows what is ours.
pub const FIELD_MANAGER: &str = "gpunode";
/// How kubectl begins to tell of fields that others manage. Source: `k8s.io/apimachinery`, the reason `Conflict` of an
/// apply.
const CONFLICT: &str = "Apply failed with";
/// The label of all that is ours.
pub const OURS: (&str, &str) = ("app.kubernetes.io/managed-by", "gpunode");
const NAME_LABEL: &str = "app.kubernetes.io/name";

const RUNTIME_CLASS: &str = include_str!("../../assets/manifests/runtime-class.yaml");
const DEVICE_PLUGIN: &str = include_str!("../../assets/manifests/device-plugin.yaml");

/// One object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Manifest {
    /// The class of NVIDIA's runtime.
    RuntimeClass,
    /// NVIDIA's device plugin.
    DevicePlugin {
        /// Its image.
        image: String,
    },
}

/// The kind of an object, as an owner asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// As [`Manifest::RuntimeClass`].
    RuntimeClass,
    /// As [`Manifest::DevicePlugin`].
    DevicePlugin,
}

/// What is known of an object in the cluster.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Live {
    metadata: Meta,
    handler: String,
}

impl Manifest {
    /// Returns an object of a kind for a release of Kubernetes.
    pub fn of(kind: ObjectKind, kubernetes: Option<&Version>) -> Self {
        match kind {
            ObjectKind::RuntimeClass => Self::RuntimeClass,
            ObjectKind::DevicePlugin => Self::DevicePlugin { image: image(kubernetes) },
        }
    }

    /// Returns the object.
    pub fn object(&self) -> Value {
        let text = if matches!(self, Self::RuntimeClass) { RUNTIME_CLASS } else { DEVICE_PLUGIN };
        let mut object: Value = serde_yaml::from_str(text).unwrap_or_default();
        if let Self::DevicePlugin { image } = self {
            object["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
        }
        object
    }

    /// Returns the name that ids of actions have.
    pub fn id(&self) -> &'static str {
        match self {
            Self::RuntimeClass => "runtime-class",
            Self::DevicePlugin { .. } => "device-plugin",
        }
    }

    /// Returns what it is called in the cluster: `kind/name`.
    pub fn called(&self) -> String {
        let object = self.object();
        let part = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        format!("{}/{}", part(&object["kind"]).to_lowercase(), part(&object["metadata"]["name"]))
    }

    /// Returns where the API server has it.
    fn path(&self) -> &'static str {
        match self {
            Self::RuntimeClass => "/apis/node.k8s.io/v1/runtimeclasses/nvidia",
            Self::DevicePlugin { .. } => {
                "/apis/apps/v1/namespaces/kube-system/daemonsets/nvidia-device-plugin-daemonset"
            }
        }
    }

    /// Returns the command that applies it.
    pub fn apply(&self, kubectl: &Kubectl) -> Command {
        self.applying(kubectl, &[])
    }

    /// Returns the command that asks the API server what applying it would lead to.
    fn rehearsal(&self, kubectl: &Kubectl) -> Command {
        self.applying(kubectl, &["--dry-run=server", "--output=json"])
    }

    fn applying(&self, kubectl: &Kubectl, more: &[&'static str]) -> Command {
        // Never `--force-conflicts`.
        let command = kubectl.command(&["apply", "--server-side", "--field-manager=gpunode", "--validate=false"]);
        command.words(more.iter().copied()).words(["-f", "-"]).stdin(self.object().to_string())
    }

    /// Returns the command that deletes it, if it is ours: an object without our label is not found by it.
    pub fn delete(&self, kubectl: &Kubectl) -> Command {
        let kind: &[&'static str] = match self {
            Self::RuntimeClass => &["delete", "runtimeclass"],
            Self::DevicePlugin { .. } => &["delete", "daemonset", "--namespace=kube-system"],
        };
        let name = if matches!(self, Self::RuntimeClass) { "nvidia-runtime-class" } else { "nvidia-device-plugin" };
        let selector = format!("{}={},{NAME_LABEL}={name}", OURS.0, OURS.1);
        kubectl.command(kind).option("--selector", selector).words(["--ignore-not-found"])
    }

    /// Returns the object as it is in the cluster; nothing where there is none.
    fn live(&self, host: &Host, kubectl: &Kubectl) -> Result<Option<Value>, ClusterError> {
        match answer(host, &kubectl.raw(self.path())) {
            Ok(text) => serde_json::from_str(&text)
                .map(Some)
                .map_err(|error| ClusterError::Garbage(crate::text::printable(&error.to_string()))),
            Err(ClusterError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Looks at what applying it would change. Nothing is changed.
    pub fn compare(&self, host: &Host, kubectl: &Kubectl) -> Result<Comparison, ClusterError> {
        let live = self.live(host, kubectl)?;
        let known: Live = live.clone().and_then(|live| serde_json::from_value(live).ok()).unwrap_or_default();
        let is_ours = is_ours(&known.metadata.labels);
        if live.is_some() && !is_ours {
            return Ok(Comparison::Theirs { handler: known.handler });
        }
        let text = match answer(host, &self.rehearsal(kubectl)) {
            Err(error) if error.detail().contains(CONFLICT) => {
                return Ok(Comparison::Conflict { words: error.detail().to_owned() });
            }
            answered => answered?,
        };
        let wanted: Value = serde_json::from_str(&text)
            .map_err(|error| ClusterError::Garbage(crate::text::printable(&error.to_string())))?;
        let (before, after) = (live.map(shown).unwrap_or_default(), shown(wanted));
        if before == after {
            return Ok(Comparison::Same);
        }
        let name = self.called();
        let diff = similar::TextDiff::from_lines(&before, &after)
            .unified_diff()
            .context_radius(3)
            .header(&name, &name)
            .to_string();
        Ok(Comparison::Differs { diff })
    }

    /// Returns the object as a change from nothing, for when no cluster can be asked.
    pub fn as_new(&self) -> String {
        let (name, text) = (self.called(), shown(self.object()));
        similar::TextDiff::from_lines("", &text).unified_diff().context_radius(3).header(&name, &name).to_string()
    }
}

/// How an object in the cluster stands to what is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// It is as it is wanted.
    Same,
    /// It is not there, or ours and different.
    Differs {
        /// The change, as a unified diff.
        diff: String,
    },
    /// Fields of it are managed by somebody else, with other values.
    Conflict {
        /// The API server's words.
        words: String,
    },
    /// An object of this name is there and not ours.
    Theirs {
        /// The handler of a runtime class.
        handler: String,
    },
}

/// Tells whether an object with these labels is ours.
pub fn is_ours(labels: &BTreeMap<String, String>) -> bool {
    labels.get(OURS.0).is_some_and(|value| value == OURS.1)
}

/// Returns an object as text, without what the API server keeps for itself.
fn shown(mut object: Value) -> String {
    object.as_object_mut().map(|object| object.remove("status"));
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for name in ["managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "selfLink"] {
            metadata.remove(name);
        }
    }
    // The order of keys says nothing.
    object.sort_all_objects();
    serde_yaml::to_string(&object).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{objects::DaemonSet, scheduling::SchedulingConstraints};

    #[test]
    fn the_plugin_runs_by_the_class_and_is_found_as_ours() {
        let plugin = Manifest::DevicePlugin { image: "nvcr.io/nvidia/k8s-device-plugin:v0.20.0".to_owned() };
        let object = plugin.object();
        assert!(plugin.path().ends_with(object["metadata"]["name"].as_str().unwrap()));
        assert!(
            Manifest::RuntimeClass
                .path()
                .ends_with(Manifest::RuntimeClass.object()["metadata"]["name"].as_str().unwrap())
        );
        let set: DaemonSet = serde_json::from_value(object.clone()).unwrap();
        assert!(is_ours(&set.metadata.labels) && is_ours(&set.spec.template.metadata.labels));
        assert_eq!(set.spec.template.spec.runtime_class_name.as_deref(), Some("nvidia"));
        assert_eq!(object["spec"]["selector"]["matchLabels"], object["spec"]["template"]["metadata"]["labels"]);
        assert_eq!(set.spec.template.spec.containers[0].image, "nvcr.io/nvidia/k8s-device-plugin:v0.20.0");
        let constraints = SchedulingConstraints::of(&set.spec.template.spec);
        assert_eq!(constraints.node_selector.get("nvidia.com/gpu.present").map(String::as_str), Some("true"));
        assert_eq!(
            (plugin.called(), Manifest::RuntimeClass.called()),
            ("daemonset/nvidia-device-plugin-daemonset".into(), "runtimeclass/nvidia".into())
        );
    }

    #[test]
    fn nothing_is_forced_and_only_ours_is_deleted() {
        let kubectl = Kubectl { kubeconfig: Some("/k".into()) };
        for manifest in [Manifest::RuntimeClass, Manifest::DevicePlugin { image: "i:1".to_owned() }] {
            let apply = manifest.apply(&kubectl);
            assert!(
                apply.args.iter().any(|arg| arg == "--server-side")
                    && apply.args.iter().all(|arg| !arg.contains("force"))
            );
            let delete = manifest.delete(&kubectl);
            assert!(
                delete.args.iter().any(|arg| arg.starts_with("--selector=app.kubernetes.io/managed-by=gpunode,")),
                "{delete}"
            );
        }
    }
}
