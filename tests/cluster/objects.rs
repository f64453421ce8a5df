//! Step 3's objects: the built program and the real `kubectl` with server-side apply, against the test API server. Its
//! rules of managers are a stand-in (`tests/support/apiserver/apply.rs`); what kubectl sends and prints is real.

use std::path::PathBuf;

use crate::support::{
    apiserver::ApiServer,
    kubespray::Checkout,
    program::{Place, Ran},
};
use serde_json::{Value, json};

const PLUGIN: &str = "apply-manifest:device-plugin";
const CLASS: &str = "apply-manifest:runtime-class";

struct Site {
    server: ApiServer,
    place: Place,
    checkout: Checkout,
}

impl Site {
    fn new(moment: &str) -> Self {
        let inventory = "[kube_control_plane]\ncp1\n[etcd:children]\nkube_control_plane\n[kube_node]\nnode1\n";
        Self {
            server: ApiServer::start(moment),
            place: Place::new(),
            checkout: Checkout::with_inventory("v2.31.0", inventory),
        }
    }

    fn answers(&self, more: &str) -> PathBuf {
        let kubeconfig = self.server.kubeconfig();
        let text = format!(
            "driver_owner: host\nnode: node1\nkubespray: {}\ninventory: {}\nkubeconfig: {}\nrun_playbooks: false\ngpus: [\"10de:2330\"]\n{more}",
            self.checkout.path.display(),
            self.checkout.inventory.display(),
            kubeconfig.display()
        );
        self.place.write("answers.yaml", &text)
    }

    fn run(&self, command: &str, more: &str) -> Ran {
        let answers = self.answers(more);
        let mut args = vec![command, "--answers", answers.to_str().unwrap()];
        args.extend(if command == "plan" { vec!["--json"] } else { vec!["--steps", "3", "--yes"] });
        self.place.run(args)
    }

    /// Plans step 3 and returns its actions.
    fn plan(&self, more: &str) -> Vec<Value> {
        let plan = self.run("plan", more).json();
        plan["actions"].as_array().unwrap_or_else(|| panic!("{plan}")).clone()
    }
}

fn is_blocked(action: &Value) -> bool {
    action["state"] == "blocked"
}

fn why(action: &Value) -> &str {
    action["why"].as_str().unwrap()
}

fn action<'a>(actions: &'a [Value], id: &str) -> Option<&'a Value> {
    actions.iter().find(|action| action["id"] == id)
}

/// A device plugin as others install it.
fn plugin(name: &str, labels: &Value, pod: &Value) -> Value {
    let mut spec = json!({"containers": [{"name": "nvidia-device-plugin-ctr", "image": "nvcr.io/nvidia/k8s-device-plugin:v0.17.1"}]});
    spec.as_object_mut().unwrap().extend(pod.as_object().unwrap().clone());
    json!({"metadata": {"name": name, "namespace": "gpu", "uid": format!("uid-{name}"), "labels": labels,
            "annotations": {"meta.helm.sh/release-name": "nvdp"}},
        "spec": {"template": {"metadata": {"labels": {"app": "x"}}, "spec": spec}}, "status": {}})
}

#[test]
fn class_and_plugin_are_shown_applied_once_and_taken_back() {
    let site = Site::new("30-node-not-labelled");
    let actions = site.plan("");
    for (id, words) in [(CLASS, "+handler: nvidia"), (PLUGIN, "+      runtimeClassName: nvidia")] {
        let action = action(&actions, id).unwrap_or_else(|| panic!("{actions:#?}"));
        assert!(action["diff"].as_str().unwrap().contains(words) && !is_blocked(action), "{action:#}");
    }
    // The cluster's Kubernetes decides about the pin, not the checkout's.
    assert!(action(&actions, PLUGIN).unwrap()["diff"].as_str().unwrap().contains("k8s-device-plugin:v0.17.4"));
    assert_eq!(site.server.state().applied, [] as [&str; 0], "a plan applies nothing");
    site.run("apply", "").demand(0);
    let applied = ["runtimeclasses/nvidia by gpunode", "daemonsets/nvidia-device-plugin-daemonset by gpunode"];
    assert_eq!(site.server.state().applied, applied);
    let actions = site.plan("");
    assert!(action(&actions, CLASS).is_none() && action(&actions, PLUGIN).is_none(), "done is done: {actions:#?}");
    site.run("apply", "").demand(0);
    assert_eq!(site.server.state().applied, applied);
    site.place.run(["undo", "--yes"]).demand(0);
    let state = site.server.state();
    assert!(state.runtime_classes.is_empty());
    assert_eq!(state.daemonsets.len(), 2, "those of Kubespray's role stay");
}

#[test]
fn a_newer_pin_is_a_change_of_one_line() {
    let site = Site::new("30-node-not-labelled");
    site.run("apply", "").demand(0);
    site.server.change(|state| state.http["version"]["gitVersion"] = json!("v1.35.4"));
    let actions = site.plan("");
    let diff = action(&actions, PLUGIN).unwrap()["diff"].as_str().unwrap();
    let changed: Vec<&str> = diff
        .lines()
        .filter(|line| line.starts_with(['+', '-']) && !line.starts_with("+++") && !line.starts_with("---"))
        .collect();
    assert_eq!(changed.len(), 2, "{diff}");
    assert!(changed[1].ends_with("image: nvcr.io/nvidia/k8s-device-plugin:v0.20.0"), "{diff}");
    assert!(action(&actions, CLASS).is_none());
}

#[test]
fn a_plugin_that_is_there_is_adopted_with_what_it_lacks() {
    let helm = json!({"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/name": "nvidia-device-plugin"});
    let tolerant = json!([{"key": "nvidia.com/gpu", "operator": "Exists"}]);
    for (labels, pod, blocked, words) in [
        (
            helm.clone(),
            json!({}),
            "lacks something on this node",
            vec!["gpu/nvdp-plugin", "Helm: nvdp", "runtimeClassName", "toleration: nvidia.com/gpu"],
        ),
        (
            helm.clone(),
            json!({"runtimeClassName": "nvidia", "tolerations": tolerant.clone()}),
            "a second one would fight",
            vec!["Helm: nvdp"],
        ),
        (
            json!({}),
            json!({"runtimeClassName": "nvidia", "tolerations": tolerant.clone(), "nodeSelector": {"accelerator": "nvidia"}}),
            "lacks something on this node",
            vec!["label: accelerator=nvidia"],
        ),
        (
            json!({"app": "nvidia-device-plugin-daemonset"}),
            json!({"runtimeClassName": "nvidia", "tolerations": tolerant, "nodeSelector": {"nvidia.com/gpu.present": "true"}}),
            "a second one would fight",
            vec!["GPU Operator"],
        ),
    ] {
        let site = Site::new("30-node-not-labelled");
        site.server.change(|state| state.daemonsets.push(plugin("nvdp-plugin", &labels, &pod)));
        let actions = site.plan("");
        let planned = action(&actions, PLUGIN).unwrap();
        let told = why(planned);
        assert!(is_blocked(planned) && told.contains(blocked), "{planned:#}");
        assert!(words.iter().all(|word| told.contains(word)), "{words:?}: {told}");
        site.run("apply", "").demand(0);
        assert_eq!(site.server.state().applied, ["runtimeclasses/nvidia by gpunode"], "never a second plugin");
    }
}

#[test]
fn what_others_manage_is_a_conflict_and_not_overwritten() {
    let site = Site::new("30-node-not-labelled");
    site.run("apply", "").demand(0);
    // Somebody sets another image by hand, as `kubectl set image` does.
    site.server.change(|state| {
        let set = state.daemonsets.last_mut().unwrap();
        let containers = json!([{"name": "nvidia-device-plugin-ctr", "image": "mirror/plugin:1"}]);
        set["spec"]["template"]["spec"]["containers"] = containers;
        let path = "spec\u{0}template\u{0}spec\u{0}containers";
        let entries = set["metadata"]["managedFields"].as_array_mut().unwrap();
        entries[0]["fieldsV1"].as_object_mut().unwrap().remove(path);
        entries.push(json!({"manager": "kubectl-set", "operation": "Update", "fieldsV1": {path: {}}}));
    });
    let actions = site.plan("");
    let planned = action(&actions, PLUGIN).unwrap();
    assert!(is_blocked(planned) && why(planned).starts_with("Others manage fields"), "{planned:#}");
    assert!(why(planned).contains("conflict with \"kubectl-set\" using apps/v1"), "{planned:#}");
    let ran = site.run("apply", "").demand(1);
    assert!(ran.stdout.contains("conflict with \"kubectl-set\""), "{}", ran.stdout);
    let state = site.server.state();
    assert_eq!(
        state.daemonsets.last().unwrap()["spec"]["template"]["spec"]["containers"][0]["image"],
        "mirror/plugin:1"
    );
    assert!(state.requests.iter().all(|request| !request.contains("force=true")), "nothing is forced");
}

#[test]
fn a_class_of_others_is_taken_as_it_is_or_told() {
    for (handler, blocked) in [("nvidia", None), ("nvidia-legacy", Some(true))] {
        let site = Site::new("30-node-not-labelled");
        site.server.change(|state| {
            state.runtime_classes.push(json!({"metadata": {"name": "nvidia", "labels": {}}, "handler": handler}));
        });
        let actions = site.plan("");
        assert_eq!(action(&actions, CLASS).map(is_blocked), blocked, "{handler}");
        site.run("apply", "").demand(0);
        site.place.run(["undo", "--yes"]).demand(0);
        assert_eq!(site.server.state().runtime_classes[0]["handler"], handler, "not ours, so it stays");
    }
}

#[test]
fn the_roles_daemonsets_are_only_offered() {
    let site = Site::new("30-node-not-labelled");
    let actions = site.plan("");
    let ids = ["delete-daemonset:nvidia-driver-installer", "delete-daemonset:nvidia-gpu-device-plugin"];
    for id in ids {
        let offered = action(&actions, id).unwrap_or_else(|| panic!("{actions:#?}"));
        assert_eq!((&offered["optional"], &offered["left_out"]), (&json!(true), &json!(true)));
    }
    site.run("apply", "").demand(0);
    assert!(site.server.state().deleted.is_empty());
    site.run("apply", &format!("take_in: [\"{}\", \"{}\"]\n", ids[0], ids[1])).demand(0);
    let deleted = site.server.state().deleted.clone();
    assert_eq!(deleted, ["daemonsets/nvidia-driver-installer", "daemonsets/nvidia-gpu-device-plugin"]);
}

#[test]
fn a_plugin_of_the_role_on_this_node_keeps_ours_away() {
    let site = Site::new("30-node-not-labelled");
    site.server.change(|state| state.node["metadata"]["labels"]["nvidia.com/gpu"] = json!("true"));
    let actions = site.plan("");
    let planned = action(&actions, PLUGIN).unwrap();
    assert!(is_blocked(planned) && why(planned).contains("a second one would fight"), "{planned:#}");
}

#[test]
fn without_a_way_into_the_cluster_all_is_shown_and_nothing_done() {
    let site = Site::new("30-node-not-labelled");
    let forbidden = site.server.state().http["forbidden-nodes"].clone();
    site.server.change(|state| state.refused.push(("daemonsets".to_owned(), forbidden)));
    let actions = site.plan("");
    for id in [CLASS, PLUGIN] {
        let planned = action(&actions, id).unwrap();
        assert!(is_blocked(planned) && why(planned).contains("could not be asked"), "{planned:#}");
        assert!(
            planned["diff"].as_str().unwrap().contains("+kind: ")
                && !planned["commands"].as_array().unwrap().is_empty()
        );
    }
    // The checkout's release says which Kubernetes it will be.
    assert!(action(&actions, PLUGIN).unwrap()["diff"].as_str().unwrap().contains("v0.20.0"));
    site.run("apply", "").demand(0);
    assert!(site.server.state().applied.is_empty());
}

#[test]
fn a_node_that_step_2_has_drained_is_opened_at_the_end_of_step_3() {
    let site = Site::new("30-node-not-labelled");
    assert!(action(&site.plan(""), "end-drain").is_none());
    site.server.change(|state| {
        state.node["spec"]["unschedulable"] = json!(true);
        state.node["metadata"]["annotations"]["gpunode/drained"] = json!("true");
    });
    let actions = site.plan("");
    let ends: Vec<&Value> = actions.iter().filter(|action| action["step"] == 3).collect();
    assert_eq!(ends.last().unwrap()["id"], "end-drain", "{actions:#?}");
    site.run("apply", "").demand(0);
    assert!(site.server.state().node["spec"]["unschedulable"].is_null());
    assert!(action(&site.plan(""), "end-drain").is_none());
}
