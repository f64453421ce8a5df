//! The plan of step 4: watch the installer, test as a user's pod would, and take the taint away if that is wanted.

use std::path::PathBuf;

use super::{
    Action, ActionSpec, Step,
    action::import_image::{ImportImage, NotImportable},
    action::test_pod::RunTestPod,
    action::watch_installer::{Followed, WatchInstaller},
    remedy,
};
use crate::{
    answers::Answers,
    cluster::testpod::{Expected, Task},
    version::Version,
};

/// What the plan of step 4 rests on besides the answers.
#[derive(Debug, Clone, Default)]
pub struct VerifyPlan {
    /// The Kubernetes node.
    pub node: String,
    /// Newest CUDA version that the driver supports.
    pub cuda: Option<Version>,
    /// What the test pod should show.
    pub expected: Expected,
    /// The runtime class without which a pod gets no card.
    pub runtime_class: Option<&'static str>,
    /// What waits until the owner has brought the driver.
    pub watch: Option<Action>,
    /// The image archive to import, or why it cannot be.
    pub import: Option<Result<ImportImage, NotImportable>>,
}

/// Plans step 4.
pub fn verify_step(answers: &Answers, on: &VerifyPlan) -> Vec<Action> {
    let (kubeconfig, node) = (answers.kubeconfig.clone().map(PathBuf::from), on.node.clone());
    let args = [("node", node.clone())];
    let action = |id: &str, kind: ActionSpec| Action::new(Step::Verify, id, kind, &args);
    let mut actions: Vec<Action> = on.watch.iter().cloned().collect();
    let mut images = RunTestPod::images(answers.test_image.as_ref(), on.cuda.as_ref());
    if let (Some(import), Some(file)) = (&on.import, &answers.test_image_file) {
        actions.push(import_action(import, file));
        if let Ok(import) = import {
            images = vec![import.image.clone()];
        }
    }
    let test = |task: Task, images: Vec<String>| RunTestPod {
        kubeconfig: kubeconfig.clone(),
        node: node.clone(),
        images,
        task,
        expected: on.expected.clone(),
        runtime_class: on.runtime_class.map(str::to_owned),
    };
    actions.push(action("test-pod", test(Task::Smi, images).into()));
    if answers.cuda_sample {
        let images = crate::cluster::testpod::samples(on.cuda.as_ref());
        actions.push(action("cuda-sample", test(Task::VectorAdd, images).into()));
    }
    if answers.remove_taint {
        actions.push(remedy::remove_taint(kubeconfig.clone(), &node));
    }
    for action in &mut actions {
        action.skipped = answers.leave_out.contains(&action.id);
    }
    actions
}

/// Plans that the owner's pods are waited for.
pub fn watch(followed: Followed, kubeconfig: Option<PathBuf>, node: &str) -> Action {
    let id = match followed {
        Followed::Installer => "watch-installer",
        Followed::DevicePlugin => "watch-device-plugin",
        Followed::Operator => "watch-operator",
    };
    let kind = WatchInstaller { kubeconfig, node: node.to_owned(), followed };
    Action::new(Step::Verify, id, kind, &[("node", node.to_owned())])
}

fn import_action(import: &Result<ImportImage, NotImportable>, file: &std::path::Path) -> Action {
    let image = import.as_ref().map_or_else(|_| "-".to_owned(), |import| import.image.clone());
    let args = [("image", image), ("file", file.display().to_string())];
    let kind = import.clone().unwrap_or_else(|_| ImportImage {
        file: file.to_owned(),
        image: String::new(),
        runtime: super::action::import_image::Runtime::Containerd,
    });
    Action {
        blocked: import.as_ref().err().map(|why| why.name().to_owned()),
        ..Action::new(Step::Verify, "import-image", kind, &args)
    }
}
