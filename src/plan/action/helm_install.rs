//! Install a release of a Helm chart, or bring it to another version or other values: `helm upgrade --install`, which
//! is the same command for both, and for going on after a kill.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    checksum::Checksum,
    effect::{Effect, Entries},
    failure::Failure,
    kind::{ActionContext, ActionKind, Prepared, Traces, Verdict, file_failure},
    mark_node::{find, refused},
    properties::{Preview, Properties, Reversal},
    target::Target,
    undo::{Undo, WayBack},
    valid,
};
use crate::{
    catalog::gpu_operator,
    cluster::{
        ClusterError, Kubectl,
        helm::{Helm, NoHelm, ReleaseName, Revision},
        kubectl::answer,
        manifest::FIELD_MANAGER,
    },
    facts::Origin,
    host::{Command, Host},
    i18n::msg,
    input::{NodeName, ObjectName, Sha256, WebAddress},
};

/// How long Helm itself waits for hooks and the API server unless told otherwise; a pending revision that is older has
/// nobody at work on it. Source: `helm upgrade --help` of 4.1.4.
const HELM_TIMEOUT: Duration = Duration::from_mins(5);
/// The file of values, below the session's folder.
pub const VALUES: &str = "gpu-operator-values.yaml";
/// The copy of a chart that came as a file, in the same folder.
const CHART_COPY: &str = "gpu-operator-chart.tgz";
/// How a label says that a namespace takes pods with every right. Source: Kubernetes, Pod Security Admission.
const POD_SECURITY: (&str, &str) = ("pod-security.kubernetes.io/enforce", "privileged");

/// Where a chart comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChartSource {
    /// A repository of charts.
    Repository(String),
    /// A file, for a machine that reaches no repository.
    File {
        /// The file.
        path: PathBuf,
        /// Its SHA-256.
        sha256: String,
    },
}

/// Installs or changes one release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HelmInstall {
    /// The kubeconfig; found if absent.
    pub kubeconfig: Option<PathBuf>,
    /// The node for whose sake it is installed.
    pub node: String,
    /// The release.
    pub release: ReleaseName,
    /// Where the chart comes from.
    pub source: ChartSource,
    /// The chart's version, without a `v`.
    pub version: String,
    /// The text of the values file.
    pub values: String,
}

impl HelmInstall {
    /// Returns the chart as `helm history` names it: `gpu-operator-v26.3.3`.
    fn chart(&self) -> String {
        format!("{}-v{}", gpu_operator::CHART, self.version)
    }

    /// Returns the command; the values, and the chart where it is no repository's, are in these files.
    fn command(&self, helm: &Helm, values: &Path, file: &Path) -> Command {
        // Helm's own waiting tells less than the pods do, which step 4 follows.
        let command = helm.command(&["upgrade", "--install"]).operand(&self.release.name);
        let command = match &self.source {
            ChartSource::Repository(address) => command
                .words([gpu_operator::CHART])
                .option("--repo", address)
                .option("--version", format!("v{}", self.version)),
            ChartSource::File { .. } => command.operand(file.display()),
        };
        command
            .option("--namespace", &self.release.namespace)
            .option("--values", values.display())
            .words(["--history-max=10"])
            .detached()
    }

    /// Returns the command that makes the namespace, or gives it its label; what else is there of it stays.
    fn namespace(&self, kubectl: &Kubectl) -> Command {
        let object = json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": self.release.namespace, "labels": {POD_SECURITY.0: POD_SECURITY.1}}});
        let command = kubectl.command(&["apply", "--server-side", "--validate=false", "-f", "-"]);
        command.option("--field-manager", FIELD_MANAGER).stdin(object.to_string())
    }

    /// Returns the chart's file as the user knows it.
    fn file(&self) -> &Path {
        match &self.source {
            ChartSource::File { path, .. } => path,
            ChartSource::Repository(_) => Path::new(CHART_COPY),
        }
    }

    /// Returns the commands as a person gives them where Helm and an administrator's kubeconfig are, beside the file of
    /// values.
    pub fn by_hand(&self) -> [Command; 3] {
        let namespace = &self.release.namespace;
        let kubectl = |words: &[&'static str]| Command::new("kubectl", words.iter().copied());
        let label = format!("{}={}", POD_SECURITY.0, POD_SECURITY.1);
        [
            kubectl(&["create", "namespace"]).operand(namespace),
            kubectl(&["label", "namespace"]).operand(namespace).operand(label),
            self.command(&Helm { kubeconfig: None }, Path::new(VALUES), self.file()),
        ]
    }

    fn wanted_values(&self) -> Value {
        serde_yaml::from_str(&self.values).unwrap_or_default()
    }

    /// Refuses a Kubernetes that the chart is not listed for: Helm would not.
    fn demand_kubernetes(&self, host: &Host, kubectl: &Kubectl) -> Result<(), Failure> {
        let kubernetes = kubectl.version(host).map_err(refused)?;
        match gpu_operator::chart(&self.version) {
            Some(chart) if !chart.is_for(&kubernetes) => {
                Err(Failure::new(msg::failure::chart_range(&self.version, kubernetes, chart.range())))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a namespace that is going: what is put into it goes too.
    fn demand_namespace(&self, host: &Host, kubectl: &Kubectl) -> Result<(), Failure> {
        let path = format!("/api/v1/namespaces/{}", self.release.namespace);
        match answer(host, &kubectl.raw(&path)) {
            Err(ClusterError::NotFound(_)) => Ok(()),
            Err(error) => Err(refused(error)),
            Ok(text) => {
                let object: Value = serde_json::from_str(&text).unwrap_or_default();
                if object["status"]["phase"] == "Terminating" {
                    return Err(Failure::new(msg::failure::namespace_going(&self.release.namespace)));
                }
                Ok(())
            }
        }
    }

    /// Refuses a file that is not the chart of this version.
    fn demand_chart(&self, host: &Host, helm: &Helm, copy: &Path) -> Result<(), Failure> {
        let ChartSource::File { path, sha256 } = &self.source else { return Ok(()) };
        // Nobody else can change the copy between the check and Helm.
        let copied = host.files.copy_private(path, copy);
        copied.map_err(|error| file_failure(msg::failure::cannot_read, path, &error))?;
        let wrong = |_| Failure::new(msg::failure::checksum(path.display(), sha256));
        Checksum::Sha256(sha256.clone()).check(host, copy).map_err(wrong)?;
        let shown = host.commands.capture(&helm.command(&["show", "chart"]).operand(copy.display()));
        let output = shown.map_err(|error| Failure::new(error.message()))?;
        let wrong = |found: &str| Err(Failure::new(msg::failure::other_chart(path.display(), found, self.chart())));
        if !output.exit.is_success() {
            return wrong(&crate::text::printable(output.stderr.trim()));
        }
        let chart: Value = serde_yaml::from_str(&output.stdout).unwrap_or_default();
        let part = |name: &str| chart[name].as_str().unwrap_or("-").trim_start_matches('v').to_owned();
        if (part("name").as_str(), &part("version")) == (gpu_operator::CHART, &self.version) {
            return Ok(());
        }
        wrong(&crate::text::printable(&format!("{}-v{}", part("name"), part("version"))))
    }

    /// Makes an end of an operation that was begun and not ended. One that is young may be somebody else's who still
    /// works on it; our own is known by its values.
    fn settle(&self, context: &mut ActionContext<'_>, helm: &Helm, history: &[Revision]) -> Result<(), Failure> {
        let Some(newest) = history.last().filter(|revision| revision.is_pending()) else { return Ok(()) };
        let is_ours = helm
            .values(context.host, &self.release, newest.revision)
            .is_ok_and(|values| values == self.wanted_values());
        let is_young = newest.age(context.host.clock.now()).is_some_and(|age| age < HELM_TIMEOUT);
        if is_young && !is_ours {
            let words = msg::failure::release_pending(&self.release.name, &newest.status, &newest.updated);
            return Err(Failure::new(words));
        }
        let deployed = history.iter().rev().find(|revision| revision.is_deployed() || revision.status == "superseded");
        match deployed {
            Some(good) => context.run(&helm.rollback(&self.release, good.revision)),
            None => context.run(&helm.uninstall(&self.release).words(["--no-hooks"])),
        }
    }

    fn look(&self, host: &Host) -> Option<(Helm, Vec<Revision>)> {
        let kubectl = Kubectl::find(host, self.kubeconfig.as_deref()).ok()?;
        let helm = Helm::find(host, kubectl.kubeconfig.as_deref()).ok()?;
        let history = helm.history(host, &self.release).ok()?;
        Some((helm, history))
    }
}

impl ActionKind for HelmInstall {
    fn properties(&self) -> Properties {
        let target = Target::Node { kubeconfig: self.kubeconfig.clone(), name: self.node.clone() };
        Properties {
            effects: vec![Effect::TakesCards, Effect::Adds(Entries::Of(Origin::Operator))],
            ..Properties::in_cluster(Reversal::Partly, target)
        }
    }

    fn preview(&self) -> Preview {
        let diff = similar::TextDiff::from_lines("", &self.values)
            .unified_diff()
            .context_radius(3)
            .header(VALUES, VALUES)
            .to_string();
        let helm = Helm { kubeconfig: self.kubeconfig.clone() };
        let kubectl = Kubectl { kubeconfig: self.kubeconfig.clone() };
        let commands = [self.namespace(&kubectl), self.command(&helm, Path::new(VALUES), self.file())];
        Preview { diff: Some(diff), ..Preview::of(commands) }
    }

    fn validate(&self) -> Result<(), Failure> {
        valid::path_if_any(self.kubeconfig.as_deref())?;
        valid::is::<NodeName>(&self.node)?;
        valid::is::<ObjectName>(&self.release.name)?;
        valid::is::<ObjectName>(&self.release.namespace)?;
        valid::word(msg::failure::wanted::version(), &self.version, ".-+")?;
        match &self.source {
            ChartSource::Repository(address) => valid::is::<WebAddress>(address)?,
            ChartSource::File { path, sha256 } => {
                valid::path(path)?;
                valid::is::<Sha256>(sha256)?;
            }
        }
        let values: Option<Value> = serde_yaml::from_str(&self.values).ok();
        valid::demand(values.is_some_and(|values| values.is_object()), msg::failure::wanted::values(), &self.values)
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        let (helm, history) = self.look(host)?;
        let newest = history.last().filter(|newest| newest.is_deployed() && newest.chart == self.chart())?;
        let values = helm.values(host, &self.release, newest.revision).ok()?;
        let same = values == self.wanted_values();
        same.then(|| {
            let ReleaseName { name, namespace } = &self.release;
            vec![format!(
                "{namespace}/{name}: revision {}, {}, deployed, with these values",
                newest.revision, newest.chart
            )]
        })
    }

    /// What is at work now is what an undo goes back to; nothing where there is no release yet.
    fn prepare(&self, context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        let history = self.look(context.host).map(|(_, history)| history).unwrap_or_default();
        let deployed = history.iter().rev().find(|revision| revision.is_deployed());
        Ok(Undo::Value(deployed.map(|revision| revision.revision.to_string())).into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        let kubectl = find(context.host, self.kubeconfig.as_deref())?;
        let helm = Helm::find(context.host, kubectl.kubeconfig.as_deref()).map_err(|why| no_helm(&why))?;
        self.demand_kubernetes(context.host, &kubectl)?;
        self.demand_namespace(context.host, &kubectl)?;
        let (file, chart) = (context.folder.join(VALUES), context.folder.join(CHART_COPY));
        self.demand_chart(context.host, &helm, &chart)?;
        let history = helm.history(context.host, &self.release).map_err(refused)?;
        self.settle(context, &helm, &history)?;
        let written = crate::private::write(&file, self.values.as_bytes());
        written.map_err(|error| file_failure(msg::failure::cannot_write, &file, &error))?;
        context.run(&self.namespace(&kubectl))?;
        let mut words = String::new();
        let result = context.run_watching(&self.command(&helm, &file, &chart), &mut |line, _| {
            if line.starts_with("Error:") {
                line.clone_into(&mut words);
            }
        });
        result.map_err(|failure| explained(failure, &words))
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        Verdict::by(self.check(host))
    }

    fn way_back(&self, host: &Host, undo: &Undo) -> Result<WayBack, Failure> {
        let kubectl = find(host, self.kubeconfig.as_deref())?;
        let helm = Helm::find(host, kubectl.kubeconfig.as_deref()).map_err(|why| no_helm(&why))?;
        let before = match undo {
            Undo::Value(Some(text)) => Some(text.parse().map_err(|_| Failure::own_words(text))?),
            _ => None,
        };
        let command = before.map_or_else(
            || helm.uninstall(&self.release).words(["--ignore-not-found"]),
            |revision| helm.rollback(&self.release, revision),
        );
        Ok(WayBack::Run { command, gone: None })
    }
}

/// Says why Helm is no help.
fn no_helm(why: &NoHelm) -> Failure {
    Failure::new(match why {
        NoHelm::Missing => msg::failure::no_helm(),
        NoHelm::TooOld(version) => msg::failure::old_helm(version),
        NoHelm::Silent(words) => msg::failure::silent_helm(words),
    })
}

/// Says what Helm's own words mean, where that is known. Source: `helm` 4.1.4 on a real cluster.
fn explained(failure: Failure, words: &str) -> Failure {
    let message = if words.contains("is forbidden") || words.contains("Forbidden") {
        msg::failure::helm_rights(words)
    } else if words.contains("hooks failed") {
        msg::failure::helm_hooks(words)
    } else if words.contains("another operation") || words.contains("still in use") {
        msg::failure::helm_busy(words)
    } else if words.is_empty() {
        return failure;
    } else {
        msg::failure::own_words(words)
    };
    Failure { message, ..failure }
}
