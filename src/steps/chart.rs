//! The chart of step 3: what the cluster says about it, asked before the plan is shown.

use std::path::Path;

use serde_json::Value;

use crate::{
    answers::Answers,
    bounded,
    catalog::gpu_operator,
    cluster::{
        ClusterError, Kubectl,
        helm::{Helm, NoHelm, ReleaseName, Revision},
        objects::{DaemonSet, Node, Taint},
        watch::Source,
    },
    error::{Expected, reason},
    facts::Facts,
    host::Host,
    i18n::{Lang, msg},
    kubespray::{Preview, release::Release},
    owner::{self, ChartEvidence, Refused, WantedChart},
    plan::{
        self, Action, ChartPlan, Installed, Lack,
        action::helm_install::{ChartSource, HelmInstall, VALUES},
    },
    version::Version,
};

/// The release's name and namespace where nobody has installed it yet. Source: NVIDIA's installation page.
const RELEASE: &str = "gpu-operator";
/// The image of node feature discovery, whoever installs it.
const DISCOVERY_IMAGE: &str = "nfd/node-feature-discovery";

/// What a chart is planned from.
pub(super) struct Request<'a> {
    pub host: &'a Host,
    pub facts: &'a Facts,
    pub answers: &'a Answers,
    pub preview: &'a Preview,
    pub node: &'a str,
    pub folder: &'a Path,
}

/// What the cluster says.
#[derive(Default)]
struct Cluster {
    kubernetes: Option<Version>,
    taints: Vec<Taint>,
    other_discovery: Option<String>,
}

/// What Helm says.
struct Seen {
    name: ReleaseName,
    history: Vec<Revision>,
    values: Value,
}

/// Plans the owner's chart, if it has one.
pub(super) fn plan(request: &Request<'_>) -> Result<Vec<Action>, Expected> {
    let Request { host, facts, answers, preview, node, .. } = *request;
    let owner = owner::of(answers.driver_owner);
    let kubectl = Kubectl::find(host, answers.kubeconfig.as_deref());
    let seen = kubectl.as_ref().map(|kubectl| ask(host, kubectl, node)).unwrap_or_default();
    let of_release = || preview.layout.release.as_ref().and_then(Release::kubernetes);
    let kubernetes = seen.kubernetes.clone().or_else(of_release);
    let evidence = ChartEvidence {
        facts,
        answers,
        preview,
        kubernetes: kubernetes.as_ref(),
        taints: &seen.taints,
        other_discovery: seen.other_discovery.as_deref(),
    };
    let wanted = match owner.chart(&evidence) {
        None => return Ok(Vec::new()),
        Some(Err(Refused { why, args })) => {
            return Ok(vec![plan::refused_chart(install(request, named(), "0", String::new())?, why, &args)]);
        }
        Some(Ok(wanted)) => wanted,
    };
    let found = release(host, kubectl.as_ref());
    let plan = planned(request, wanted, found)?;
    Ok(plan.map_or_else(Vec::new, |plan| plan::chart_step(&plan, answers)))
}

fn named() -> ReleaseName {
    ReleaseName { name: RELEASE.to_owned(), namespace: RELEASE.to_owned() }
}

/// Puts values, release and the user's own file together; nothing where all is as it is wanted.
fn planned(
    request: &Request<'_>,
    wanted: WantedChart,
    found: Result<Seen, Lack>,
) -> Result<Option<ChartPlan>, Expected> {
    let WantedChart { chart, mut values } = wanted;
    let newest = found.as_ref().ok().and_then(|found| found.history.last().cloned());
    if let (Ok(found), Some(_)) = (&found, &newest) {
        values.over_installed(&found.values);
    }
    let clashes = match &request.answers.chart_values {
        Some(file) => values.overlay(&own_values(request.host, file)?),
        None => Vec::new(),
    };
    let name = found.as_ref().map_or_else(|_| named(), |found| found.name.clone());
    let mut install = install(request, name, chart.version.as_str(), String::new())?;
    install.values = values.text(&head(&install));
    let is_same = |newest: &Revision, found: &Seen| {
        newest.is_deployed()
            && newest.chart == format!("{}-{}", gpu_operator::CHART, chart.tag())
            && found.values == values.values()
    };
    if let (Ok(found), Some(newest)) = (&found, &newest)
        && is_same(newest, found)
    {
        return Ok(None);
    }
    let installed = found.as_ref().ok().zip(newest).map(|(found, newest)| Installed {
        chart: newest.chart.clone(),
        values: serde_yaml::to_string(&found.values).unwrap_or_default(),
        is_pending: newest.is_pending(),
    });
    let before = request.host.files.read(&request.folder.join(VALUES)).unwrap_or_default();
    Ok(Some(ChartPlan {
        install,
        lack: found.err(),
        installed,
        clashes,
        folder: request.folder.to_owned(),
        file_before: String::from_utf8_lossy(&before).into_owned(),
    }))
}

/// Returns the action's parameters.
fn install(
    request: &Request<'_>,
    release: ReleaseName,
    version: &str,
    values: String,
) -> Result<HelmInstall, Expected> {
    let answers = request.answers;
    let source = match (&answers.chart_file, &answers.chart_file_sha256) {
        (Some(path), Some(sum)) => ChartSource::File { path: path.to_path_buf(), sha256: sum.to_string() },
        (Some(path), None) => {
            return Err(Expected::new(msg::error::chart_sum(path), msg::error::chart_sum::hint()));
        }
        (None, _) => {
            let address = answers.chart_repository.as_ref().map(ToString::to_string);
            ChartSource::Repository(address.unwrap_or_else(|| gpu_operator::REPOSITORY.to_owned()))
        }
    };
    let kubeconfig = answers.kubeconfig.clone().map(Into::into);
    Ok(HelmInstall { kubeconfig, node: request.node.to_owned(), release, source, version: version.to_owned(), values })
}

/// What stands above the values: what the file is, and the commands that use it where Helm is.
fn head(install: &HelmInstall) -> String {
    let commands: String = install.by_hand().iter().map(|command| format!("\n  {command}")).collect();
    msg::chart::head(commands, format!("v{}", install.version)).text(Lang::En)
}

/// Reads the user's own values.
fn own_values(host: &Host, file: &Path) -> Result<Value, Expected> {
    let wrong =
        |why: String| Expected::new(msg::error::chart_values(file.display(), why), msg::error::chart_values::hint());
    let bytes = host.files.read(file).map_err(|error| wrong(reason(&error).text(Lang::En).into_owned()))?;
    let text = String::from_utf8(bytes).map_err(|error| wrong(error.to_string()))?;
    bounded::check_yaml(&text).map_err(&wrong)?;
    let value: Value =
        serde_yaml::from_str(&text).map_err(|error| wrong(crate::text::printable(&error.to_string())))?;
    match value {
        Value::Null => Ok(Value::Object(serde_json::Map::new())),
        Value::Object(_) => Ok(value),
        _ => Err(wrong("no mapping".to_owned())),
    }
}

/// Asks the cluster; what it does not say is not known.
fn ask(host: &Host, kubectl: &Kubectl, node: &str) -> Cluster {
    let Ok(kubernetes) = kubectl.version(host) else { return Cluster::default() };
    let nodes = kubectl.list::<Node>(host, &Source::node(node));
    let taints = nodes.ok().and_then(|list| list.items.into_iter().next()).map(|node| node.spec.taints);
    let sets = kubectl.list::<DaemonSet>(host, &Source::daemonsets(None)).map(|list| list.items).unwrap_or_default();
    let is_other = |set: &&DaemonSet| {
        let labels = &set.metadata.labels;
        let is_charts = labels.get("app.kubernetes.io/managed-by").is_some_and(|by| by == "Helm")
            && labels.get("app.kubernetes.io/instance").is_some_and(|instance| instance == RELEASE);
        !is_charts
            && set.spec.template.spec.containers.iter().any(|container| container.image.contains(DISCOVERY_IMAGE))
    };
    let other_discovery = sets.iter().find(is_other).map(|set| set.metadata.namespace.clone());
    Cluster { kubernetes: Some(kubernetes), taints: taints.unwrap_or_default(), other_discovery }
}

/// Looks for the release.
fn release(host: &Host, kubectl: Result<&Kubectl, &ClusterError>) -> Result<Seen, Lack> {
    let words = |error: &ClusterError| {
        let text = format!("{}: {}", error.id(), error.detail());
        Lack::NoCluster(crate::text::printable(text.trim_end_matches([':', ' '])))
    };
    let helm =
        Helm::find(host, kubectl.ok().and_then(|kubectl| kubectl.kubeconfig.as_deref())).map_err(|why| match why {
            NoHelm::Missing => Lack::NoHelm,
            NoHelm::TooOld(said) | NoHelm::Silent(said) => Lack::Useless(said),
        })?;
    kubectl.map_err(words)?;
    let found = helm.release_of(host, gpu_operator::CHART).map_err(|error| words(&error))?;
    let name = found.unwrap_or_else(named);
    let history = helm.history(host, &name).map_err(|error| words(&error))?;
    let values = match history.last() {
        Some(newest) => helm.values(host, &name, newest.revision).map_err(|error| words(&error))?,
        None => Value::Null,
    };
    Ok(Seen { name, history, values })
}
