//! The end of step 3: the objects that an owner wants in the cluster, and those of Kubespray's GPU role that are left
//! there.

use std::path::PathBuf;

use super::{
    Action, Step,
    action::{apply_manifest::ApplyManifest, delete_daemonset::DeleteDaemonset, end_drain::EndDrain},
};
use crate::{
    answers::Answers,
    cluster::manifest::{Comparison, Keeper, Lack, Manifest, Plugin},
};

/// What the cluster says about the objects, before anything is done.
#[derive(Debug, Clone, Default)]
pub struct Objects {
    /// The Kubernetes node.
    pub node: String,
    /// The objects that are wanted, each with how it stands to what is there, or why nobody can say.
    pub wanted: Vec<(Manifest, Result<Comparison, String>)>,
    /// Device plugins of others.
    pub plugins: Vec<Plugin>,
    /// DaemonSets of Kubespray's GPU role: name and identity.
    pub role_sets: Vec<(String, String)>,
    /// This program keeps pods away from the node.
    pub is_drained: bool,
}

/// Plans that pods may come again, at the very end of step 3.
pub fn end_drain(node: &str, answers: &Answers) -> Action {
    let kind = EndDrain { kubeconfig: answers.kubeconfig.clone().map(PathBuf::from), node: node.to_owned() };
    let action = Action::new(Step::Variables, "end-drain", kind, &[("node", node.to_owned())]);
    Action { skipped: answers.leave_out.contains(&action.id), ..action }
}

/// Plans the objects. What is there already as it is wanted is not planned; what is somebody else's stays, and is told.
pub fn objects_step(objects: &Objects, answers: &Answers) -> Vec<Action> {
    let kubeconfig = answers.kubeconfig.clone().map(PathBuf::from);
    let delete = |(name, uid): &(String, String)| {
        let kind = DeleteDaemonset {
            kubeconfig: kubeconfig.clone(),
            node: objects.node.clone(),
            name: name.clone(),
            uid: uid.clone(),
        };
        let mut action =
            Action::new(Step::Variables, &format!("delete-daemonset:{name}"), kind, &[("name", name.clone())]);
        // Other nodes may live from it.
        action.optional = true;
        action.skipped = answers.leaves_out(&action.id, true);
        action
    };
    let apply = |(manifest, state): &(Manifest, Result<Comparison, String>)| {
        let kind =
            ApplyManifest { kubeconfig: kubeconfig.clone(), node: objects.node.clone(), manifest: manifest.clone() };
        let action = Action::new(
            Step::Variables,
            &format!("apply-manifest:{}", manifest.id()),
            kind,
            &[("object", manifest.called())],
        );
        judged(action, manifest, state, objects, answers)
    };
    let deletions = objects.role_sets.iter().map(delete);
    deletions.chain(objects.wanted.iter().filter_map(apply)).collect()
}

/// Returns the action as the cluster lets it be; nothing where there is nothing to do.
fn judged(
    mut action: Action,
    manifest: &Manifest,
    state: &Result<Comparison, String>,
    objects: &Objects,
    answers: &Answers,
) -> Option<Action> {
    let other = objects.plugins.iter().find(|plugin| plugin.keeper != Keeper::Ours);
    let blocked = match (manifest, state, other) {
        (Manifest::DevicePlugin { .. }, _, Some(plugin)) => Some(adopted(plugin)),
        (_, Ok(Comparison::Same), _) => return None,
        // Who made the class does not matter, as long as it leads to the same runtime.
        (Manifest::RuntimeClass, Ok(Comparison::Theirs { handler }), _)
            if handler == crate::kubespray::runtime_entry::NAME =>
        {
            return None;
        }
        (_, Ok(Comparison::Theirs { .. }), _) => Some(("object-not-ours", manifest.called())),
        (_, Ok(Comparison::Differs { diff }), _) => {
            action.diff = Some(diff.clone());
            None
        }
        (_, Ok(Comparison::Conflict { words }), _) => Some(("object-conflict", words.clone())),
        (_, Err(words), _) => Some(("object-not-compared", words.clone())),
    };
    if let Some((why, words)) = blocked {
        action.blocked = Some(why.to_owned());
        action.args.push(("words".to_owned(), words));
        action.skipped = true;
    }
    action.skipped |= answers.leave_out.contains(&action.id);
    Some(action)
}

/// Says whose plugin stays, and what it lacks.
fn adopted(plugin: &Plugin) -> (&'static str, String) {
    let keeper = match &plugin.keeper {
        Keeper::Helm(release) if release.is_empty() => "Helm".to_owned(),
        Keeper::Helm(release) => format!("Helm: {release}"),
        Keeper::Operator => "GPU Operator".to_owned(),
        Keeper::GpuRole => "Kubespray".to_owned(),
        Keeper::Ours | Keeper::Other => "-".to_owned(),
    };
    let lack = |lack: &Lack| match lack {
        Lack::RuntimeClass => "spec.template.spec.runtimeClassName: nvidia".to_owned(),
        Lack::Toleration(taint) => format!("toleration: {taint}"),
        Lack::Label(label) => format!("label: {label}"),
    };
    let words = format!("{} ({keeper}, {})", plugin.called, plugin.image);
    if plugin.lacks.is_empty() {
        return ("plugin-adopted", words);
    }
    let lacks: Vec<String> = plugin.lacks.iter().map(lack).collect();
    ("plugin-adopted-lacking", format!("{words}: {}", lacks.join("; ")))
}
