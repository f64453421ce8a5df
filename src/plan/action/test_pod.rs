//! Run `nvidia-smi`, or a CUDA sample, in a pod on this node, as a user's pod would.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{
    kind::{ActionContext, ActionKind, Failure, Prepared, Traces, Verdict, tell},
    mark_node::{find, refused},
    properties::{Preview, Properties, Reversal},
    target::Target,
    undo::{Undo, WayBack},
    valid,
};
use crate::{
    cluster::{
        GpuStack, Kubectl, kubespray, stack,
        testpod::{self, Expected, Outcome, Task, TestPod, TestPodResult},
    },
    diagnosis::{self, Hit},
    host::{Command, Host},
    i18n::msg,
    input::{ImageName, NodeName, ObjectName},
    plan::action::kind::ActionEvent,
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
    /// The runtime class that the pod asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_class: Option<String>,
}

impl RunTestPod {
    /// Returns the images to try: the user's, or those that fit a driver which supports up to `cuda`.
    pub fn images(wanted: Option<&ImageName>, cuda: Option<&Version>) -> Vec<String> {
        wanted.map_or_else(|| testpod::candidates(cuda), |image| vec![image.to_string()])
    }

    /// Returns the pod's manifest and the commands of one try, as far as they are known before the node is looked at:
    /// `TIME` in the name stands for the start, and the node's own taints are not among the tolerations yet.
    pub fn announced(&self) -> (String, Vec<Command>) {
        let pod = TestPod {
            name: "gpunode-test-TIME".to_owned(),
            node: self.node.clone(),
            image: self.images.first().cloned().unwrap_or_default(),
            task: self.task,
            taints: Vec::new(),
            as_root: false,
            runtime_class: self.runtime_class.clone(),
        };
        let kubectl = Kubectl { kubeconfig: self.kubeconfig.clone() };
        (serde_yaml::to_string(&pod.manifest()).unwrap_or_default(), testpod::commands(&kubectl, &pod))
    }

    /// Proves with what the pod has shown, or says why it does not.
    fn conclude(&self, result: &TestPodResult, stack: &GpuStack, work: &mut ActionContext<'_>) -> Result<(), Failure> {
        if result.outcome == Outcome::Passed {
            if let Some(finding) = result.differs(&self.expected) {
                return Err(Failure::new(finding.explained()));
            }
            work.notes.push(result.evidence());
            work.notes.extend(result.log.lines().map(str::to_owned));
            return Ok(());
        }
        result.events.iter().for_each(|event| (work.emit)(ActionEvent::Line(event.clone())));
        let known = diagnosis::over_test(result);
        let cause = known.as_ref().map(Hit::explained);
        tell(known.map(diagnosis::Event::Hit), &mut work.hits, work.emit);
        let seen = msg::failure::own_words(result.evidence().trim_end());
        let why = cause.or_else(|| result.why(stack).map(|finding| finding.explained()));
        Err(Failure::new(match why {
            Some(why) => msg::failure::explained(why, seen),
            None => seen,
        }))
    }
}

impl ActionKind for RunTestPod {
    fn properties(&self) -> Properties {
        Properties::in_cluster(
            Reversal::NothingLeft,
            Target::Node { kubeconfig: self.kubeconfig.clone(), name: self.node.clone() },
        )
    }

    fn preview(&self) -> Preview {
        Preview::default()
    }

    fn validate(&self) -> Result<(), Failure> {
        valid::path_if_any(self.kubeconfig.as_deref())?;
        self.images.iter().try_for_each(|image| valid::is::<ImageName>(image))?;
        self.runtime_class.iter().try_for_each(|class| valid::is::<ObjectName>(class))?;
        valid::is::<NodeName>(&self.node)
    }

    /// A test of the past proves nothing about now.
    fn check(&self, _host: &Host) -> Option<Vec<String>> {
        None
    }

    fn prepare(&self, _context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        Ok(Undo::Nothing.into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        let kubectl = find(context.host, self.kubeconfig.as_deref())?;
        // A run that was killed leaves its pod behind.
        for name in testpod::clean_up(context.host, &kubectl, &self.node).map_err(refused)? {
            (context.emit)(ActionEvent::Line(format!("pod/{name} of an earlier run deleted")));
        }
        // Which workloads are looked for does not matter: the node does, and what holds its cards.
        let stack = stack::probe(context.host, &kubectl, &self.node, &kubespray::STACK).map_err(refused)?;
        let (first, others) = self.images.split_first().ok_or_else(|| Failure::new(msg::failure::no_image()))?;
        let pod = TestPod::new(&stack, first, self.task, context.host.clock.now())
            .with_runtime_class(self.runtime_class.clone());
        for command in testpod::commands(&kubectl, &pod) {
            (context.emit)(ActionEvent::Line(format!("$ {command}")));
        }
        let result = testpod::run(context.host, &kubectl, &stack, &pod, others, context.cancel).map_err(refused)?;
        result.log.lines().for_each(|line| (context.emit)(ActionEvent::Line(line.to_owned())));
        self.conclude(&result, &stack, context)
    }

    /// Only the run itself has seen what the pod said: it is deleted.
    fn judge(&self, _host: &Host, traces: &Traces<'_>) -> Verdict {
        Verdict::by(traces.notes.map(|_| Vec::new()))
    }

    fn way_back(&self, _host: &Host, _undo: &Undo) -> Result<WayBack, Failure> {
        Ok(WayBack::Nothing)
    }
}
