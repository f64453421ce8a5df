//! Bring the test pod's image onto the node from a file: for nodes that reach no registry.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{
    kind::{ActionContext, ActionKind, Failure, Prepared, Traces, Verdict},
    properties::{Preview, Properties, Reversal, RootReason},
    undo::{Undo, WayBack},
    valid,
};
use crate::{
    host::{Command, Host},
    input::ImageName,
};

/// Imports an image archive, as `docker save` or `ctr images export` write it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportImage {
    /// The archive.
    pub file: PathBuf,
    /// The image in it.
    pub image: String,
    /// The runtime of the kubelet.
    pub runtime: Runtime,
}

/// A container runtime that can import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Runtime {
    /// containerd: the kubelet's images are in the namespace `k8s.io`.
    Containerd,
    /// Docker.
    Docker,
}

impl Runtime {
    /// Finds the runtime by the name that the facts give it; CRI-O cannot import an archive by itself.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "containerd" => Some(Self::Containerd),
            "docker" => Some(Self::Docker),
            _ => None,
        }
    }

    fn command(self, words: &[&'static str]) -> Command {
        let command = match self {
            Self::Containerd => Command::new("ctr", ["-n", "k8s.io", "images"]),
            Self::Docker => Command::new("docker", []),
        };
        command.words(words.iter().copied())
    }
}

/// Why an archive cannot be imported. Texts: `blocked.<name>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotImportable {
    /// The node's runtime cannot, or is not known.
    Runtime,
    /// The archive names no image.
    Archive,
}

impl NotImportable {
    /// Returns the name of its text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Runtime => "no-import-for-runtime",
            Self::Archive => "image-archive-unreadable",
        }
    }
}

impl ImportImage {
    /// Returns the command that imports.
    pub fn command(&self) -> Command {
        let words: &[&str] = if self.runtime == Runtime::Docker { &["load", "-i"] } else { &["import"] };
        self.runtime.command(words).operand(self.file.display()).deadline(None)
    }

    /// Returns the command that reads which images an archive holds.
    pub fn listing(file: &std::path::Path) -> Command {
        Command::new("tar", ["-xOf"]).operand(file.display()).words(["manifest.json"])
    }

    /// Reads the first image off an archive's `manifest.json`, as a pod has to name it.
    pub fn image_in(manifest: &str) -> Option<String> {
        let value: serde_json::Value = serde_json::from_str(manifest).ok()?;
        let tag = value.get(0)?.get("RepoTags")?.get(0)?.as_str()?;
        // `docker save` leaves Docker Hub's name out; containerd does not find the image without it.
        let registry = tag
            .split('/')
            .next()
            .filter(|first| tag.contains('/') && (first.contains(['.', ':']) || *first == "localhost"));
        let image = if registry.is_some() {
            tag.to_owned()
        } else {
            format!("docker.io/{}{tag}", if tag.contains('/') { "" } else { "library/" })
        };
        // The archive is somebody's file: what it calls an image may be anything.
        image.parse::<ImageName>().ok().map(String::from)
    }
}

impl ActionKind for ImportImage {
    fn properties(&self) -> Properties {
        Properties::on_machine(RootReason::Runtime, Reversal::Whole)
    }

    fn preview(&self) -> Preview {
        Preview::of((!self.image.is_empty()).then(|| self.command()))
    }

    fn validate(&self) -> Result<(), Failure> {
        valid::path(&self.file)?;
        valid::is::<ImageName>(&self.image)
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        let look = match self.runtime {
            Runtime::Containerd => self.runtime.command(&["ls", "-q"]).operand(format!("name=={}", self.image)),
            Runtime::Docker => {
                self.runtime.command(&["image", "inspect", "--format", "{{.Id}}"]).operand_of::<ImageName>(&self.image)
            }
        };
        let output = host.commands.capture(&look).ok().filter(|output| output.exit.is_success())?;
        let found = output.stdout.trim();
        (!found.is_empty()).then(|| vec![format!("{}: {found}", self.image)])
    }

    fn prepare(&self, _context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        Ok(Undo::Parameters.into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        context.run(&self.command())
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        Verdict::by(self.check(host))
    }

    fn way_back(&self, _host: &Host, _undo: &Undo) -> Result<WayBack, Failure> {
        let words: &[&str] = if self.runtime == Runtime::Docker { &["rmi"] } else { &["rm"] };
        Ok(WayBack::Run { command: self.runtime.command(words).operand_of::<ImageName>(&self.image), gone: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_image_as_a_pod_has_to() {
        let of = |tag: &str| {
            ImportImage::image_in(&format!(r#"[{{"Config":"x.json","RepoTags":["{tag}"],"Layers":[]}}]"#)).unwrap()
        };
        assert_eq!(of("nvidia/cuda:11.0.3-base-ubuntu20.04"), "docker.io/nvidia/cuda:11.0.3-base-ubuntu20.04");
        assert_eq!(of("nvcr.io/nvidia/cuda:11.0.3-base"), "nvcr.io/nvidia/cuda:11.0.3-base");
        assert_eq!(of("busybox:1"), "docker.io/library/busybox:1");
        assert_eq!(of("localhost:5000/x:1"), "localhost:5000/x:1");
        for broken in ["", "{}", "[]", r#"[{"RepoTags":null}]"#] {
            assert_eq!(ImportImage::image_in(broken), None);
        }
    }

    #[test]
    fn imports_where_the_kubelet_looks() {
        let import =
            |runtime| ImportImage { file: "/root/a b.tar".into(), image: "i".into(), runtime }.command().argv();
        assert_eq!(import(Runtime::Containerd), ["ctr", "-n", "k8s.io", "images", "import", "/root/a b.tar"]);
        assert_eq!(import(Runtime::Docker), ["docker", "load", "-i", "/root/a b.tar"]);
        assert_eq!(Runtime::named("cri-o"), None);
    }
}
