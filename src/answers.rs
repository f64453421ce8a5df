//! Answers: what the user wants. The wizard, the prompts and the answers file fill the same value.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    bounded,
    catalog::host_driver::DriverSource,
    error::Expected,
    i18n::msg,
    input::{
        AbsolutePath, DriverBranch, FilePath, Fingerprint, ImageName, InventoryPath, NodeName, PciId, PlainPath,
        Sha256, WebAddress,
    },
    version::Version,
};

/// The user's choices. Every key of an answers file is optional but `driver_owner`; an unknown key is an error that
/// names its line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a documented key of the answers file")]
pub struct Answers {
    /// Who puts the NVIDIA kernel driver on the node.
    pub driver_owner: DriverOwner,
    /// The driver that the owner installs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver_version: Option<Version>,
    /// Where the packages of the host's driver come from; by the system and the cards if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver_source: Option<DriverSource>,
    /// The branch of the host's driver, as 580; the one that is supported for longest if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver_branch: Option<DriverBranch>,
    /// NVIDIA's local repository, a `.deb` or `.rpm` file, for a machine that reaches no server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_repository: Option<AbsolutePath>,
    /// Its checksum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_repository_sha256: Option<Sha256>,
    /// The fingerprint of the repository's key, where the catalog has none that was confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository_key: Option<Fingerprint>,
    /// A mirror of `https://developer.download.nvidia.com/compute/cuda/repos`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package_mirror: Option<WebAddress>,
    /// Whether updates are kept off the host's driver and its kernel.
    #[serde(default = "yes")]
    pub hold: bool,
    /// Whether a person will be at the console at the next boot, to let the firmware learn the key of a module that is
    /// built here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub enroll_key: bool,
    /// The CUDA toolkit for the host, or `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cuda_version: Option<CudaChoice>,
    /// A local runfile instead of the download.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cuda_runfile: Option<AbsolutePath>,
    /// A checksum to trust instead of the catalog's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cuda_runfile_sha256: Option<Sha256>,
    /// Where the toolkit goes; `/usr/local/cuda-X.Y` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cuda_prefix: Option<PlainPath>,
    /// Where the runfile unpacks itself, on a file system with twice its size; the session's folder if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cuda_tmpdir: Option<PlainPath>,
    /// A mirror of `https://developer.download.nvidia.com/compute/cuda`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cuda_mirror: Option<WebAddress>,
    /// The proxy for the download; those of the environment if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<WebAddress>,
    /// Cards expected, as `10de:1db6`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus: Option<Vec<PciId>>,
    /// The Kubespray checkout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubespray: Option<FilePath>,
    /// The inventory, absolute or below the checkout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory: Option<InventoryPath>,
    /// Inventory host of this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeName>,
    /// Whether this machine may be written into an inventory that does not have it: a name that nobody knows is more
    /// often misspelt.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub add_node: bool,
    /// All GPU nodes of the cluster; `[node]` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_nodes: Option<Vec<NodeName>>,
    /// Values of Kubespray variables that a person has chosen; `null` leaves a variable as it is where this program
    /// would change it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, serde_json::Value>,
    /// Whether to run the playbooks, or only show their commands.
    #[serde(default = "yes")]
    pub run_playbooks: bool,
    /// The version of GPU Operator's chart; by the release of Kubernetes if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart_version: Option<Version>,
    /// Where the chart is fetched; NVIDIA's repository if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart_repository: Option<WebAddress>,
    /// The chart as a file, for a machine that reaches no repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart_file: Option<AbsolutePath>,
    /// Its checksum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart_file_sha256: Option<Sha256>,
    /// Values of the chart that the user sets; they count over those of this program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart_values: Option<AbsolutePath>,
    /// A registry that has the operator's images, each below the path that it has at `nvcr.io`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_mirror: Option<ImageName>,
    /// How the container runtime comes to know NVIDIA's where GPU Operator brings that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator_runtime: Option<RuntimeWay>,
    /// The kubeconfig for step 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<FilePath>,
    /// The image of the test pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_image: Option<ImageName>,
    /// An archive of the test pod's image, for a node that reaches no registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_image_file: Option<FilePath>,
    /// Whether a pod also runs NVIDIA's vectorAdd sample: the card has to compute, not only to answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cuda_sample: bool,
    /// Actions to leave out, by their ids in `gpunode plan`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leave_out: Vec<String>,
    /// Actions to do that are only offered, by their ids in `gpunode plan`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub take_in: Vec<String>,
    /// Checks of the pre-flight, by their ids, that shall not keep `apply` from beginning.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub despite: Vec<String>,
    /// Whether to remove the GPU taint at the end.
    #[serde(default)]
    pub remove_taint: bool,
    /// What to do when a reboot is needed.
    #[serde(default)]
    pub reboot: Reboot,
}

/// Finds the key whose value is not taken, and its line: the reader itself tells only where the whole begins.
fn wrong_key(text: &str) -> Option<(String, usize)> {
    let fields: serde_yaml::Mapping = serde_yaml::from_str(text).ok()?;
    let is_wrong = |(key, value): &(serde_yaml::Value, serde_yaml::Value)| {
        let owner = ("driver_owner".into(), "host".into());
        let alone: serde_yaml::Mapping = [owner, (key.clone(), value.clone())].into_iter().collect();
        serde_yaml::from_value::<Answers>(alone.into()).is_err()
    };
    let (key, _) = fields.into_iter().find(is_wrong)?;
    let key = key.as_str()?.to_owned();
    let is_line = |line: &str| line.trim_start_matches(['"', '\'']).starts_with(&key);
    let line = text.lines().position(is_line)? + 1;
    Some((crate::text::printable(&key), line))
}

fn yes() -> bool {
    true
}

/// Who puts the NVIDIA kernel driver on the node. Exactly one; two owners fight over one card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum DriverOwner {
    /// Kubespray's DaemonSet `nvidia-driver-installer`.
    #[default]
    InstallerPod,
    /// A driver installed on the host.
    Host,
    /// NVIDIA GPU Operator.
    Operator,
}

impl DriverOwner {
    /// All owners, in the order in which they are offered.
    pub const ALL: [Self; 3] = [Self::InstallerPod, Self::Host, Self::Operator];

    /// Returns the name that answers files and JSON have; the texts are `owner.<name>` and `wizard.owner.<name>` of the
    /// locale files.
    pub fn name(self) -> &'static str {
        match self {
            Self::InstallerPod => "installer-pod",
            Self::Host => "host",
            Self::Operator => "operator",
        }
    }
}

/// How the container runtime comes to know NVIDIA's runtime where GPU Operator brings that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuntimeWay {
    /// Kubespray writes the entry, and the operator's toolkit installs files only: lasts over every run of Kubespray.
    Kubespray,
    /// The operator's toolkit writes a file beside containerd's configuration, which Kubespray imports. The file keeps
    /// a copy of the settings that it was made from until the toolkit starts again.
    DropIn,
    /// Nobody writes anything: the toolkit hands out cards through NRI. No runtime class; not settled upstream.
    Nri,
}

/// The wanted CUDA toolkit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum CudaChoice {
    /// No toolkit on the host.
    None,
    /// This one.
    Version(Version),
}

impl TryFrom<String> for CudaChoice {
    type Error = crate::version::VersionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text == "none" { Ok(Self::None) } else { text.parse().map(Self::Version) }
    }
}

impl From<CudaChoice> for String {
    fn from(choice: CudaChoice) -> Self {
        match choice {
            CudaChoice::None => "none".to_owned(),
            CudaChoice::Version(version) => version.into(),
        }
    }
}

/// What to do when a reboot is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reboot {
    /// Ask first.
    #[default]
    Ask,
    /// Leave it to the user.
    Never,
    /// Do it.
    Now,
}

impl Answers {
    /// Makes answers with this owner and nothing else decided.
    pub fn new(driver_owner: DriverOwner) -> Self {
        Self {
            driver_owner,
            driver_version: None,
            driver_source: None,
            driver_branch: None,
            local_repository: None,
            local_repository_sha256: None,
            repository_key: None,
            package_mirror: None,
            hold: true,
            enroll_key: false,
            cuda_version: None,
            cuda_runfile: None,
            cuda_runfile_sha256: None,
            cuda_prefix: None,
            cuda_tmpdir: None,
            cuda_mirror: None,
            proxy: None,
            gpus: None,
            kubespray: None,
            inventory: None,
            node: None,
            add_node: false,
            gpu_nodes: None,
            variables: BTreeMap::new(),
            run_playbooks: true,
            chart_version: None,
            chart_repository: None,
            chart_file: None,
            chart_file_sha256: None,
            chart_values: None,
            image_mirror: None,
            operator_runtime: None,
            kubeconfig: None,
            test_image: None,
            test_image_file: None,
            cuda_sample: false,
            leave_out: Vec::new(),
            take_in: Vec::new(),
            despite: Vec::new(),
            remove_taint: false,
            reboot: Reboot::Ask,
        }
    }

    /// Reads an answers file; the error names the file, the line, the key and what is allowed.
    pub fn parse(text: &str, file: &str) -> Result<Self, Expected> {
        let hint = msg::error::answers::hint;
        bounded::check_yaml(text).map_err(|why| Expected::new(msg::error::answers::wrong(file, why), hint()))?;
        serde_yaml::from_str(text).map_err(|error| {
            let why = crate::text::printable(&error.to_string());
            if let Some((key, line)) = wrong_key(text) {
                return Expected::new(msg::error::answers::wrong_key(key, format!("{file}:{line}"), why), hint());
            }
            let place = error.location().map_or_else(|| file.to_owned(), |at| format!("{file}:{}", at.line()));
            Expected::new(msg::error::answers::wrong(place, why), hint())
        })
    }

    /// Tells whether an action is not to be done: one that is planned and was left out, or one that is offered and was
    /// not taken in.
    pub fn leaves_out(&self, id: &str, optional: bool) -> bool {
        let named = |list: &[String]| list.iter().any(|other| other == id);
        named(&self.leave_out) || (optional && !named(&self.take_in))
    }

    /// Returns the names of machines and things that the answers give: nodes, paths, images, servers. None of these
    /// types can hold a password.
    pub fn names(&self) -> Vec<String> {
        let paths =
            [&self.kubespray, &self.kubeconfig, &self.test_image_file].into_iter().flatten().map(ToString::to_string);
        let plain = [&self.cuda_prefix, &self.cuda_tmpdir].into_iter().flatten().map(ToString::to_string);
        let nodes = self.node.iter().chain(self.gpu_nodes.iter().flatten()).map(ToString::to_string);
        let servers = [&self.cuda_mirror, &self.proxy, &self.chart_repository]
            .into_iter()
            .flatten()
            .map(|address| address.origin().to_owned());
        let images = self.test_image.iter().chain(&self.image_mirror).map(ToString::to_string);
        let chart = [&self.chart_file, &self.chart_values].into_iter().flatten().map(ToString::to_string);
        let files = self
            .cuda_runfile
            .iter()
            .map(ToString::to_string)
            .chain(chart)
            .chain(self.inventory.iter().map(ToString::to_string));
        paths.chain(plain).chain(nodes).chain(servers).chain(images).chain(files).collect()
    }

    /// Returns the CUDA toolkit that the host gets, if any.
    pub fn cuda(&self) -> Option<&Version> {
        match &self.cuda_version {
            Some(CudaChoice::Version(version)) => Some(version),
            Some(CudaChoice::None) | None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_documented_example() {
        let text = "driver_owner: installer-pod\ndriver_version: \"450.51.06\"\ncuda_version: \"11.0.3\"\ngpus: [\"10de:1db6\"]\nreboot: never\n";
        let answers = Answers::parse(text, "answers.yaml").unwrap();
        assert_eq!(answers.driver_version.unwrap().as_str(), "450.51.06");
        assert_eq!(answers.reboot, Reboot::Never);
        assert!(answers.run_playbooks);
    }

    #[test]
    fn a_password_in_an_address_is_refused() {
        let error = Answers::parse("driver_owner: host\nproxy: http://me:secret@proxy:3128\n", "a.yaml").unwrap_err();
        assert!(error.to_string().starts_with("a.yaml:2: ") && !error.to_string().contains("secret"), "{error}");
        assert!(
            Answers::parse(
                "driver_owner: host\nproxy: http://proxy:3128\ncuda_mirror: https://mirror/cuda@1\n",
                "a.yaml"
            )
            .is_ok()
        );
    }

    #[test]
    fn an_unknown_key_names_its_line() {
        let error = Answers::parse("driver_owner: host\ndriver_verison: \"1\"\n", "a.yaml").unwrap_err();
        assert!(error.to_string().starts_with("a.yaml:2: "), "{error}");
        assert!(error.to_string().contains("driver_verison"), "{error}");
    }
}
