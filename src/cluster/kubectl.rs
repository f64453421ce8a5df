//! Commands of `kubectl`, and their answers.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::ClusterState;
use crate::host::{Command, Host};

/// What kubectl itself allows the API server for one answer, in seconds.
const REQUEST_TIMEOUT: u64 = 10;
/// When a query is given up from outside: kubectl asks more than once (discovery first), and may hang before it asks at all.
const DEADLINE: Duration = Duration::from_secs(25);
/// The kubeconfig of a control plane. Source: kubeadm.
const ADMIN_CONF: &str = "/etc/kubernetes/admin.conf";

/// kubectl with the kubeconfig that it is to use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kubectl {
    /// The kubeconfig; absent where `$KUBECONFIG` names one, which kubectl reads itself (it may be a list of files).
    pub kubeconfig: Option<PathBuf>,
}

impl Kubectl {
    /// Finds kubectl and the kubeconfig: the given one, else what `$KUBECONFIG` says, else `/etc/kubernetes/admin.conf` when it can be
    /// read, else `~/.kube/config`.
    pub fn find(host: &Host, kubeconfig: Option<&Path>) -> Result<Self, ClusterState> {
        if host.commands.locate("kubectl").is_none() {
            return Err(ClusterState::NoKubectl);
        }
        let readable = |path: &Path| host.files.read_at(path, 0, 1).is_ok();
        if let Some(given) = kubeconfig {
            let missing = || ClusterState::NoKubeconfig(given.display().to_string());
            return if readable(given) { Ok(Self { kubeconfig: Some(given.to_owned()) }) } else { Err(missing()) };
        }
        // The environment is this process's, so it says nothing about a simulated machine.
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty() && host.simulation.is_none());
        if variable("KUBECONFIG").is_some() {
            return Ok(Self { kubeconfig: None });
        }
        let home = variable("HOME").unwrap_or_else(|| "/root".to_owned());
        let places = [PathBuf::from(ADMIN_CONF), Path::new(&home).join(".kube/config")];
        let found = places.iter().find(|path| readable(path));
        let missing = || ClusterState::NoKubeconfig(places.each_ref().map(|path| path.display().to_string()).join(", "));
        found.map(|path| Self { kubeconfig: Some(path.clone()) }).ok_or_else(missing)
    }

    /// Makes a query or a change that answers within the deadline.
    pub fn command(&self, args: &[&str]) -> Command {
        self.with_timeout(REQUEST_TIMEOUT, args).deadline(Some(DEADLINE))
    }

    /// Makes a command that goes on for as long as there is something to follow.
    pub fn stream(&self, args: &[&str]) -> Command {
        self.with_timeout(0, args).deadline(None)
    }

    fn with_timeout(&self, seconds: u64, args: &[&str]) -> Command {
        let kubeconfig = self.kubeconfig.iter().flat_map(|path| ["--kubeconfig".to_owned(), path.display().to_string()]);
        let timeout = format!("--request-timeout={seconds}s");
        Command::new("kubectl", kubeconfig.chain([timeout]).chain(args.iter().map(|arg| (*arg).to_owned())))
    }

    /// Asks for objects as JSON; nothing if they are not there (with `--ignore-not-found` among `args`).
    pub fn get<T: DeserializeOwned>(&self, host: &Host, args: &[&str]) -> Result<Option<T>, ClusterState> {
        let args: Vec<_> = ["get"].iter().chain(args).chain(&["-o", "json"]).copied().collect();
        let text = answer(host, &self.command(&args))?;
        if text.trim().is_empty() {
            return Ok(None);
        }
        serde_json::from_str(&text).map(Some).map_err(|error| ClusterState::Garbage(crate::text::printable(&error.to_string())))
    }
}

/// Runs a command of kubectl and returns what it printed; a failure becomes the state that its words tell.
pub fn answer(host: &Host, command: &Command) -> Result<String, ClusterState> {
    let output = host.commands.capture(command).map_err(|error| ClusterState::from_start(&error))?;
    if output.exit.is_success() { Ok(output.stdout) } else { Err(ClusterState::from_words(&output.stderr, output.exit)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_of_a_machine_has_no_kubectl() {
        let host = Host::local(Path::new("/nonexistent"));
        assert_eq!(Kubectl::find(&host, None), Err(ClusterState::NoKubectl));
    }

    #[test]
    fn values_are_arguments_of_their_own() {
        let kubectl = Kubectl { kubeconfig: Some("/a b/admin.conf".into()) };
        let command = kubectl.command(&["get", "node", "n; reboot"]);
        assert_eq!(command.argv(), ["kubectl", "--kubeconfig", "/a b/admin.conf", "--request-timeout=10s", "get", "node", "n; reboot"]);
        assert!(command.deadline.is_some());
    }
}
