//! The plan of step 4: watch the installer, test as a user's pod would, and take the taint away if that is wanted.

use super::{Action, Kind, Step, remove_taint::RemoveTaint, test_pod::RunTestPod, watch_installer::WatchInstaller};
use crate::{
    answers::{Answers, DriverOwner},
    version::Version,
};

/// Plans step 4 for a Kubernetes node whose driver supports up to `cuda`.
pub fn verify_step(answers: &Answers, node: &str, cuda: Option<&Version>) -> Vec<Action> {
    let kubeconfig = answers.kubeconfig.clone();
    let args = [("node", node.to_owned())];
    let action = |id: &str, kind: Kind| Action { needs_root: false, ..Action::new(Step::Verify, id, kind, &args) };
    let mut actions = Vec::new();
    if answers.driver_owner == DriverOwner::InstallerPod {
        let kind = WatchInstaller { kubeconfig: kubeconfig.clone(), node: node.to_owned() };
        actions.push(action("watch-installer", Kind::WatchInstaller(kind)));
    }
    let images = RunTestPod::images(answers.test_image.as_ref(), cuda);
    let kind = RunTestPod { kubeconfig: kubeconfig.clone(), node: node.to_owned(), images };
    actions.push(action("test-pod", Kind::TestPod(kind)));
    if answers.remove_taint {
        let kind = RemoveTaint { kubeconfig, node: node.to_owned() };
        actions.push(action("remove-taint", Kind::RemoveTaint(kind)));
    }
    for action in &mut actions {
        action.skipped = answers.leave_out.contains(&action.id);
    }
    actions
}
