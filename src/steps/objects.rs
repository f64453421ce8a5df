//! What the cluster says about the objects of step 3, asked before the plan is shown.

use crate::{
    answers::Answers,
    cluster::{
        ClusterError, Kubectl,
        manifest::{self, Manifest},
        objects::{DaemonSet, Node},
        view::NodeView,
        watch::Source,
        workload::{Role, Workload},
    },
    host::Host,
    kubespray::release::Release,
    owner,
    plan::{Objects, action::drain_node::has_mark},
    version::Version,
};

/// The label that step 3 brings, by which the device plugin comes to a node.
const LABEL: (&str, &str) = ("nvidia.com/gpu.present", "true");

/// Asks the cluster about the objects that the owner wants in it. Where it cannot be asked, each object has the reason.
pub(super) fn ask(host: &Host, answers: &Answers, node: &str, release: Option<&Release>) -> Objects {
    let owner = owner::of(answers.driver_owner);
    let kinds = owner.objects();
    if kinds.is_empty() {
        return Objects::default();
    }
    let manifests = |kubernetes: Option<&Version>| -> Vec<Manifest> {
        kinds.iter().map(|kind| Manifest::of(*kind, kubernetes)).collect()
    };
    let kubernetes = || release.and_then(Release::kubernetes);
    let (kubectl, sets) = match sets(host, answers) {
        Ok(asked) => asked,
        Err(error) => {
            let unknown = |manifest| (manifest, Err(words(&error)));
            let wanted = manifests(kubernetes().as_ref()).into_iter().map(unknown).collect();
            return Objects { node: node.to_owned(), wanted, ..Objects::default() };
        }
    };
    let kubernetes = kubectl.version(host).ok().or_else(kubernetes);
    let compared = |manifest: Manifest| {
        let state = manifest.compare(host, &kubectl).map_err(|error| words(&error));
        (manifest, state)
    };
    let known: Vec<&Workload> = owner.stack().workload(Role::DevicePlugin).into_iter().collect();
    let found = found(host, &kubectl, node);
    Objects {
        is_drained: found.as_ref().is_some_and(has_mark),
        node: node.to_owned(),
        wanted: manifests(kubernetes.as_ref()).into_iter().map(compared).collect(),
        plugins: manifest::plugins(&sets, &known, node, found.as_ref().map(labelled).as_ref()),
        role_sets: manifest::role_sets(&sets),
    }
}

fn sets(host: &Host, answers: &Answers) -> Result<(Kubectl, Vec<DaemonSet>), ClusterError> {
    let kubectl = Kubectl::find(host, answers.kubeconfig.as_deref())?;
    let sets = kubectl.list::<DaemonSet>(host, &Source::daemonsets(None))?.items;
    Ok((kubectl, sets))
}

/// Returns the node; nothing where the machine has not joined.
fn found(host: &Host, kubectl: &Kubectl, node: &str) -> Option<Node> {
    kubectl.list::<Node>(host, &Source::node(node)).ok()?.items.into_iter().next()
}

/// Tells whether this program keeps pods away from the node, where no object of step 3 is asked about.
pub(super) fn is_drained(host: &Host, answers: &Answers, node: &str) -> bool {
    let kubectl = Kubectl::find(host, answers.kubeconfig.as_deref()).ok();
    kubectl.and_then(|kubectl| found(host, &kubectl, node)).as_ref().is_some_and(has_mark)
}

/// Returns the node as step 3 will leave it.
fn labelled(node: &Node) -> NodeView {
    let mut view = NodeView::of(node, &[]);
    view.labels.insert(LABEL.0.to_owned(), LABEL.1.to_owned());
    view
}

/// What is told of a failure: its name, and kubectl's own words.
fn words(error: &ClusterError) -> String {
    crate::text::printable(format!("{}: {}", error.id(), error.detail()).trim_end_matches([':', ' ']))
}
