//! Commands of `kubectl`, and their answers.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{ClusterError, certificate, objects::List, watch::Source};
use crate::{
    host::{Cancel, Command, CommandError, Exit, Host, Stream},
    version::Version,
};

/// When a query is given up from outside: kubectl allows the API server 10 seconds for one answer, asks more than once
/// (discovery first), and may hang before it asks at all.
const DEADLINE: Duration = Duration::from_secs(25);
/// Most that is read of one answer, in bytes: some ten thousand pods.
const MOST: usize = 64 << 20;
/// How much of kubectl's own words is kept.
const WORDS: usize = 8 << 10;
/// The kubeconfig of a control plane. Source: kubeadm.
const ADMIN_CONF: &str = "/etc/kubernetes/admin.conf";
/// The kubeconfig of every node's kubelet. Source: kubeadm.
const KUBELET_CONF: &str = "/etc/kubernetes/kubelet.conf";

/// kubectl with the kubeconfig that it is to use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kubectl {
    /// The kubeconfig, or several between colons as in `$KUBECONFIG`; absent where that variable names one, which
    /// kubectl reads itself.
    pub kubeconfig: Option<PathBuf>,
}

impl Kubectl {
    /// Finds kubectl and the kubeconfig: the given one, else what `$KUBECONFIG` says, else `/etc/kubernetes/admin.conf`
    /// when it can be read, else `~/.kube/config`, else the kubelet's own, with which root of a worker may read this
    /// node and its pods.
    pub fn find(host: &Host, kubeconfig: Option<&Path>) -> Result<Self, ClusterError> {
        if host.commands.locate("kubectl").is_none() {
            return Err(ClusterError::NoKubectl);
        }
        // A recording holds no kubeconfig, whether or not there was one.
        let is_recorded = host.simulation.as_ref().is_some_and(|simulation| simulation.recorded);
        let missing = |places: &[&Path]| {
            let names = || places.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
            let unasked = || ClusterError::from_start(&CommandError::NotRecorded("kubectl".to_owned()));
            if is_recorded { unasked() } else { ClusterError::NoKubeconfig(names()) }
        };
        let readable = |path: &Path| host.files.read_at(path, 0, 1).is_ok();
        if let Some(given) = kubeconfig {
            let found = readable(given) || files(given).is_some_and(|files| files.iter().any(|file| readable(file)));
            return if found { Ok(Self { kubeconfig: Some(given.to_owned()) }) } else { Err(missing(&[given])) };
        }
        // The environment is this process's, so it says nothing about a simulated machine.
        let variable =
            |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty() && host.simulation.is_none());
        if variable("KUBECONFIG").is_some() {
            return Ok(Self { kubeconfig: None });
        }
        let home = variable("HOME").unwrap_or_else(|| "/root".to_owned());
        let places = [PathBuf::from(ADMIN_CONF), Path::new(&home).join(".kube/config"), PathBuf::from(KUBELET_CONF)];
        let found = places.iter().find(|path| readable(path));
        found
            .map(|path| Self { kubeconfig: Some(path.clone()) })
            .ok_or_else(|| missing(&places.each_ref().map(PathBuf::as_path)))
    }

    /// Makes a query or a change that answers within the deadline.
    pub fn command(&self, words: &[&'static str]) -> Command {
        self.with_timeout("--request-timeout=10s", words).deadline(Some(DEADLINE))
    }

    /// Makes a command that goes on for as long as there is something to follow.
    pub fn stream(&self, words: &[&'static str]) -> Command {
        self.with_timeout("--request-timeout=0s", words).deadline(None)
    }

    fn with_timeout(&self, timeout: &'static str, words: &[&'static str]) -> Command {
        let command = Command::new("kubectl", []);
        let command = match &self.kubeconfig {
            // The option takes one file only.
            Some(path) if files(path).is_some() => command.env("KUBECONFIG", path.display().to_string()),
            Some(path) => command.words(["--kubeconfig"]).operand(path.display()),
            None => command,
        };
        command.words([timeout]).words(words.iter().copied())
    }

    /// Returns what tells this cluster from others as far as this machine knows: the server's address, else the
    /// kubeconfig.
    pub fn cluster(&self, host: &Host) -> String {
        let command = self.command(&["config", "view", "--minify", "--output=jsonpath={.clusters[0].cluster.server}"]);
        let server = answer(host, &command).ok().filter(|server| !server.is_empty());
        server.unwrap_or_else(|| self.kubeconfig.as_ref().map_or_else(String::new, |path| path.display().to_string()))
    }

    /// Makes a request of the API itself: the same words from kubectl 1.18 to today, and no discovery before it.
    pub fn raw(&self, path: &str) -> Command {
        self.command(&["get", "--raw"]).operand(path)
    }

    /// Asks the API server for its release of Kubernetes.
    pub fn version(&self, host: &Host) -> Result<Version, ClusterError> {
        let text = answer(host, &self.raw("/version"))?;
        let garbage = || ClusterError::Garbage(crate::text::printable(&text));
        let known: serde_json::Value = serde_json::from_str(&text).map_err(|_| garbage())?;
        // A distribution adds its own mark: `v1.20.8+k3s1`.
        let release = known["gitVersion"]
            .as_str()
            .map(|version| version.trim_start_matches('v').split(['+', '-']).next().unwrap_or_default());
        release.and_then(|release| release.parse().ok()).ok_or_else(garbage)
    }

    /// Asks for objects, page by page. When the pages took so long that the API server has forgotten where they began
    /// (410), the whole list is asked for at once, as Kubernetes' own clients do.
    pub fn list<T: DeserializeOwned>(&self, host: &Host, source: &Source) -> Result<List<T>, ClusterError> {
        let mut list: List<T> = self.read(host, &source.page(""))?;
        while !list.metadata.next.is_empty() {
            let page: List<T> = match self.read(host, &source.page(&list.metadata.next)) {
                Err(error) if error.is_expired() => return self.read(host, &source.list()),
                page => page?,
            };
            list.metadata = page.metadata;
            list.items.extend(page.items);
        }
        Ok(list)
    }

    fn read<T: DeserializeOwned>(&self, host: &Host, path: &str) -> Result<T, ClusterError> {
        let body = body(host, &self.raw(path), &Cancel::default()).map_err(|error| self.explained(host, error))?;
        serde_json::from_slice(&body).map_err(|error| ClusterError::Garbage(crate::text::printable(&error.to_string())))
    }

    /// Returns the kubeconfigs that kubectl reads, in the order in which it does.
    fn kubeconfigs(&self) -> Vec<PathBuf> {
        let variable = || std::env::var_os("KUBECONFIG").map(PathBuf::from);
        let used = self.kubeconfig.clone().or_else(variable).unwrap_or_default();
        files(&used).unwrap_or_else(|| vec![used])
    }

    /// Says what kubectl and the API server do not: that the client certificate is out of date, that the context names
    /// no cluster.
    fn explained(&self, host: &Host, error: ClusterError) -> ClusterError {
        // A simulated or recorded machine has no kubeconfig.
        if host.simulation.is_some() {
            return error;
        }
        let read = self.kubeconfigs();
        let names = || read.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
        match error {
            ClusterError::Unauthorized(words) => {
                match certificate::expiry(host, &read).filter(|end| *end < host.clock.now()) {
                    Some(end) => ClusterError::CertificateExpired(format!(
                        "{}: client-certificate, notAfter {end}. {words}",
                        names()
                    )),
                    None => ClusterError::Unauthorized(words),
                }
            }
            // kubectl falls back to localhost where the file's context leads to no cluster.
            ClusterError::NoKubeconfig(words) if words.contains(":8080") => {
                ClusterError::BadKubeconfig(format!("{}: current-context, cluster: - ({words})", names()))
            }
            other => other,
        }
    }
}

/// Takes a list of kubeconfigs apart, as `$KUBECONFIG` holds one; nothing if it is one file.
fn files(list: &Path) -> Option<Vec<PathBuf>> {
    let text = list.to_str().filter(|text| text.contains(':'))?;
    Some(text.split(':').filter(|file| !file.is_empty()).map(PathBuf::from).collect())
}

/// Runs a request and returns the body of its answer, which is one line of any length.
fn body(host: &Host, command: &Command, cancel: &Cancel) -> Result<Vec<u8>, ClusterError> {
    let (mut body, mut words) = (Vec::new(), String::new());
    let exit = host.commands.run(command, cancel, &mut |line| {
        if line.stream == Stream::Stderr {
            hear(&mut words, &line.bytes);
        } else if body.len() + line.bytes.len() <= MOST {
            body.extend_from_slice(&line.bytes);
        }
    });
    let exit = exit.map_err(|error| ClusterError::from_start(&error))?;
    if exit.is_success() { Ok(body) } else { Err(failed(command, &words, exit)) }
}

/// Keeps what kubectl says for itself, as far as anybody would read it.
pub(super) fn hear(words: &mut String, line: &[u8]) {
    if words.len() < WORDS {
        words.push_str(&String::from_utf8_lossy(line));
        words.push('\n');
    }
}

/// Runs a command of kubectl and returns what it printed; a failure becomes the state that its words tell.
pub fn answer(host: &Host, command: &Command) -> Result<String, ClusterError> {
    let output = host.commands.capture(command).map_err(|error| ClusterError::from_start(&error))?;
    if output.exit.is_success() { Ok(output.stdout) } else { Err(failed(command, &output.stderr, output.exit)) }
}

/// Turns a failure into its state. kubectl that hangs says nothing of itself, so that the command and its deadline are
/// said for it.
fn failed(command: &Command, words: &str, exit: Exit) -> ClusterError {
    match (ClusterError::from_words(words, exit), command.deadline) {
        (ClusterError::TimedOut(words), Some(deadline)) if exit == Exit::TimedOut => {
            let what = format!("`{command}` was stopped after {} s. {words}", deadline.as_secs());
            ClusterError::TimedOut(what.trim_end().to_owned())
        }
        (ClusterError::TimedOut(words), _) => ClusterError::TimedOut(format!("`{command}`: {words}")),
        (state, _) => state,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_of_a_machine_has_no_kubectl() {
        let host = Host::local(Path::new("/nonexistent"));
        assert_eq!(Kubectl::find(&host, None), Err(ClusterError::NoKubectl));
    }

    #[test]
    fn several_kubeconfigs_are_handed_over_as_a_list() {
        let root = tempfile::tempdir().unwrap();
        let file = |name: &str| root.path().join(name);
        std::fs::write(file("a"), "x").unwrap();
        let host = Host::local(Path::new("/"));
        let list = PathBuf::from(format!("{}:{}", file("a").display(), file("gone").display()));
        if host.commands.locate("kubectl").is_some() {
            assert!(Kubectl::find(&host, Some(&list)).is_ok());
            let none = PathBuf::from(format!("{}:{}", file("b").display(), file("c").display()));
            assert_eq!(Kubectl::find(&host, Some(&none)).unwrap_err().id(), "no-kubeconfig");
        }
        let command = Kubectl { kubeconfig: Some(list.clone()) }.raw("/version");
        assert_eq!(command.env["KUBECONFIG"], list.display().to_string());
        assert!(!command.args.contains(&"--kubeconfig".to_owned()));
    }

    #[test]
    fn values_are_arguments_of_their_own() {
        let kubectl = Kubectl { kubeconfig: Some("/a b/admin.conf".into()) };
        let command = kubectl.command(&["get", "node"]).operand("n; reboot");
        assert_eq!(
            command.argv(),
            ["kubectl", "--kubeconfig", "/a b/admin.conf", "--request-timeout=10s", "get", "node", "n; reboot"]
        );
        assert!(command.deadline.is_some());
    }
}
