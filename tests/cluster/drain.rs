//! The drain of step 2 and its other ends, by the real `kubectl` against the test API server: opened again by step 3,
//! by the undo, by a run that fails; never where somebody else has cordoned the node.

use gpunode::{
    engine::{
        Outcome, Runner,
        undo::{UndoResult, undo_all},
    },
    host::{Cancel, Host},
    plan::{
        Action, ActionSpec, Step,
        action::{
            drain_node::DrainNode,
            mark_node::{MarkNode, NodeMark},
        },
        end_drain,
    },
    session::{Session, Status, store::Store},
};
use serde_json::{Value, json};

use crate::support::apiserver::ApiServer;

struct Site {
    server: ApiServer,
    host: Host,
    store: Store,
    session: Session,
    cancel: Cancel,
    _folder: tempfile::TempDir,
}

fn action(step: Step, id: &str, kind: impl Into<ActionSpec>) -> Action {
    // The end of a drain is the one action whose maker is public; the others differ from it by kind and name.
    let like = end_drain("node1", &gpunode::answers::Answers::new(gpunode::answers::DriverOwner::Host));
    Action { id: id.to_owned(), step, kind: kind.into(), why: id.to_owned(), undo: id.to_owned(), ..like }
}

impl Site {
    /// A node with a pod; `owner` says what would make it again.
    fn new(owner: &Value) -> Self {
        let server = ApiServer::start("30-node-not-labelled");
        server.change(|state| {
            state.pods = vec![json!({
                "metadata": {"name": "trainer", "namespace": "default", "uid": "u1", "ownerReferences": owner},
                "spec": {"nodeName": "node1", "containers": [{"name": "c", "image": "i"}]},
                "status": {"phase": "Running"},
            })];
        });
        let (host, _) = server.kubectl();
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("session.yaml")).unwrap();
        let session = Session::new(host.identity(), "node1".to_owned(), host.clock.now());
        Self { server, host, store, session, cancel: Cancel::default(), _folder: folder }
    }

    fn drain(&self) -> Action {
        let kind = DrainNode { kubeconfig: Some(self.server.kubeconfig()), node: "node1".to_owned() };
        action(Step::Driver, "drain-node", kind)
    }

    /// An action that cannot be done: there is no such node.
    fn fails(&self, step: Step) -> Action {
        let kubeconfig = Some(self.server.kubeconfig());
        action(step, "gpu-label", MarkNode { kubeconfig, node: "node9".to_owned(), mark: NodeMark::GpuLabel })
    }

    fn end(&self) -> Action {
        let mut answers = gpunode::answers::Answers::new(gpunode::answers::DriverOwner::Host);
        answers.kubeconfig = Some(self.server.kubeconfig().display().to_string().parse().unwrap());
        end_drain("node1", &answers)
    }

    fn run(&mut self, step: Step, actions: Vec<Action>) -> (Outcome, String) {
        self.session.replan(step, actions);
        let (host, store, session, cancel) = (&self.host, &self.store, &mut self.session, &self.cancel);
        let mut told = String::new();
        let mut runner = Runner { host, store, session, cancel, secret: None };
        let mut tell = |event: gpunode::engine::Event| {
            told += &event.line(gpunode::i18n::Lang::En).unwrap_or_default();
            told.push('\n');
        };
        let outcome = runner.run(step, &mut tell).unwrap();
        (outcome, told)
    }

    fn undo(&mut self) -> Vec<UndoResult> {
        let walked = undo_all(&self.host, &self.store, &mut self.session, &self.cancel, &mut |_| {}).unwrap();
        walked.into_iter().map(|(_, result)| result).collect()
    }

    /// Whether the node is cordoned, and whether it has our mark.
    fn cordon(&self) -> (bool, bool) {
        let state = self.server.state();
        let marked = state.node["metadata"]["annotations"]["gpunode/drained"] == "true";
        (state.node["spec"]["unschedulable"] == true, marked)
    }

    fn cordon_by_hand(&self) {
        self.server.change(|state| state.node["spec"]["unschedulable"] = json!(true));
    }
}

fn job() -> Value {
    json!([{"apiVersion": "batch/v1", "kind": "Job", "name": "trainer", "uid": "j", "controller": true}])
}

#[test]
fn the_end_of_step_3_lets_pods_in_again() {
    let mut site = Site::new(&job());
    let drain = site.drain();
    let (outcome, told) = site.run(Step::Driver, vec![drain]);
    assert_eq!(outcome, Outcome::Done, "{told}");
    assert_eq!(site.cordon(), (true, true));
    assert_eq!(site.server.state().deleted, ["trainer"], "{told}");
    let end = site.end();
    let (outcome, told) = site.run(Step::Variables, vec![end]);
    assert_eq!((outcome, site.cordon()), (Outcome::Done, (false, false)), "{told}");
    // Somebody cordons it later: an undo does not touch that.
    site.cordon_by_hand();
    assert!(matches!(site.undo()[..], [UndoResult::Kept(_)]));
    assert_eq!(site.cordon(), (true, false));
}

#[test]
fn the_undo_lets_pods_in_again() {
    let mut site = Site::new(&job());
    let drain = site.drain();
    site.run(Step::Driver, vec![drain]);
    assert!(matches!(site.undo()[..], [UndoResult::Undone(_)]));
    assert_eq!(site.cordon(), (false, false));
}

#[test]
fn a_run_that_fails_lets_pods_in_again_and_the_next_drains_anew() {
    for step in [Step::Driver, Step::Variables] {
        let mut site = Site::new(&job());
        let (drain, fails) = (site.drain(), site.fails(step));
        let told = if step == Step::Driver {
            site.run(step, vec![drain.clone(), fails])
        } else {
            assert_eq!(site.run(Step::Driver, vec![drain.clone()]).0, Outcome::Done);
            site.run(step, vec![fails])
        };
        assert!(matches!(told.0, Outcome::Failed { .. }), "{}", told.1);
        assert!(told.1.contains("pods may come to the node again"), "{}", told.1);
        assert_eq!(site.cordon(), (false, false), "{}", told.1);
        assert_eq!(site.session.record("drain-node").unwrap().status, Status::Undone);
        assert_eq!(site.session.done.contains(&Step::Driver), step == Step::Variables, "what is done stays done");
        assert_eq!(site.run(Step::Driver, vec![drain]).0, Outcome::Done);
        assert_eq!(site.cordon(), (true, true));
    }
}

#[test]
fn a_drain_that_fails_itself_leaves_the_node_open() {
    // Nobody would make this pod again.
    let mut site = Site::new(&json!(null));
    let drain = site.drain();
    let (outcome, told) = site.run(Step::Driver, vec![drain]);
    assert!(matches!(outcome, Outcome::Failed { .. }) && told.contains("declare no controller"), "{told}");
    assert_eq!(site.cordon(), (false, false), "{told}");
    assert!(site.server.state().deleted.is_empty());
}

#[test]
fn a_node_that_somebody_else_has_cordoned_stays_so_whatever_happens() {
    let mut site = Site::new(&job());
    site.cordon_by_hand();
    let (drain, fails, end) = (site.drain(), site.fails(Step::Driver), site.end());
    let (outcome, told) = site.run(Step::Driver, vec![drain.clone(), fails]);
    assert!(matches!(outcome, Outcome::Failed { .. }) && !told.contains("pods may come"), "{told}");
    assert_eq!(site.cordon(), (true, false));
    assert_eq!(site.run(Step::Driver, vec![drain]).0, Outcome::Done);
    let (outcome, told) = site.run(Step::Variables, vec![end]);
    assert!(outcome == Outcome::Done && told.contains("was cordoned by somebody else"), "{told}");
    assert!(site.undo().iter().all(|result| matches!(result, UndoResult::Kept(_))));
    assert_eq!(site.cordon(), (true, false));
}
