//! Run `nvidia-smi`, or a CUDA sample, in a pod on this node, as a user's pod would.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{
    kind::{ActionContext, ActionKind, Failure, tell},
    mark_node::{find, refused},
};
use crate::{
    cluster::{
        GpuStack, kubespray, stack,
        testpod::{self, Expected, Outcome, Task, TestPod, TestPodResult},
    },
    diagnosis,
    finding::Finding,
    host::Host,
    i18n::Lang,
    plan::action::kind::ActionEvent,
    plan::action::undo::Undo,
    version::Version,
};

/// Runs the test pod and deletes it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunTestPod {
    /// The kubeconfig; found if absent.
    pub kubeconfig: Option<PathBuf>,
    /// The Kubernetes node.
    pub node: String,
    /// Images to try, best first.
    pub images: Vec<String>,
    /// What the pod does.
    #[serde(default)]
    pub task: Task,
    /// What it should show.
    #[serde(default)]
    pub expected: Expected,
}

impl RunTestPod {
    /// Returns the images to try: the user's, or those that fit a driver which supports up to `cuda`.
    pub fn images(wanted: Option<&String>, cuda: Option<&Version>) -> Vec<String> {
        wanted.map_or_else(|| testpod::candidates(cuda), |image| vec![image.clone()])
    }
}

impl RunTestPod {
    /// Proves with what the pod has shown, or says why it does not.
    fn judge(&self, result: &TestPodResult, stack: &GpuStack, work: &mut ActionContext<'_>) -> Result<(), Failure> {
        let told = |finding: Finding| format!("{} {}", finding.message(Lang::En), finding.remedy(Lang::En));
        if result.outcome == Outcome::Passed {
            if let Some(finding) = result.differs(&self.expected) {
                return Err(Failure::new(told(finding)));
            }
            work.notes.push(result.evidence());
            work.notes.extend(result.log.lines().map(str::to_owned));
            return Ok(());
        }
        result.events.iter().for_each(|event| (work.emit)(ActionEvent::Line(event.clone())));
        let known = diagnosis::over_test(result);
        let cause = known.as_ref().map(|hit| format!("{} {}", hit.cause(Lang::En), hit.remedy(Lang::En)));
        tell(known, &mut work.hits, work.emit);
        let why = cause.or_else(|| result.why(stack).map(told));
        Err(Failure::new(format!("{} {}", result.evidence(), why.unwrap_or_default()).trim_end().to_owned()))
    }
}

impl ActionKind for RunTestPod {
    /// A test of the past proves nothing about now.
    fn done(&self, _host: &Host) -> Option<Vec<String>> {
        None
    }

    fn undo(&self, _work: &ActionContext<'_>) -> Result<Undo, Failure> {
        Ok(Undo::Impossible("test-pod-is-deleted".to_owned()))
    }

    fn execute(&self, work: &mut ActionContext<'_>) -> Result<(), Failure> {
        let kubectl = find(work.host, self.kubeconfig.as_deref())?;
        // A run that was killed leaves its pod behind.
        for name in testpod::clean_up(work.host, &kubectl, &self.node).map_err(refused)? {
            (work.emit)(ActionEvent::Line(format!("pod/{name} of an earlier run deleted")));
        }
        // Which workloads are looked for does not matter: the node does, and what holds its cards.
        let stack = stack::probe(work.host, &kubectl, &self.node, &kubespray::STACK).map_err(refused)?;
        let (first, others) = self.images.split_first().ok_or_else(|| Failure::new("there is no image for the test pod"))?;
        let pod = TestPod::new(&stack, first, self.task, work.host.clock.now());
        for command in testpod::commands(&kubectl, &pod) {
            (work.emit)(ActionEvent::Line(format!("$ {command}")));
        }
        let result = testpod::run(work.host, &kubectl, &stack, &pod, others, work.cancel).map_err(refused)?;
        result.log.lines().for_each(|line| (work.emit)(ActionEvent::Line(line.to_owned())));
        self.judge(&result, &stack, work)
    }

    fn prove(&self, _host: &Host, _before: &std::collections::BTreeMap<String, String>) -> Result<Vec<String>, Failure> {
        Ok(Vec::new())
    }
}
