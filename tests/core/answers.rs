//! The answers that a session has come to are whole: written and read, they lead to the same plan and, on a fresh
//! machine, to the same end.

use std::{path::Path, sync::OnceLock};

use gpunode::{
    answers::Answers,
    facts::{self, Facts},
    host::{
        Host,
        replay::{self, Scenario, Speed},
    },
    plan::Step,
    steps,
};
use proptest::{prelude::*, test_runner::TestRunner};

use crate::support::program::Place;

fn machine() -> &'static (Host, Facts) {
    static SEED: OnceLock<(Host, Facts)> = OnceLock::new();
    SEED.get_or_init(|| {
        let host = replay::host(Scenario::built_in("seed").unwrap(), None, Speed(0.0)).unwrap();
        let facts = facts::probe(&host);
        (host, facts)
    })
}

fn plan(answers: &Answers) -> Vec<String> {
    let (host, facts) = machine();
    let all = Step::ALL
        .into_iter()
        .map(|step| steps::Planner::new(host, facts, answers).plan_step(step, Path::new("/nowhere/s.yaml")));
    all.map(|planned| format!("{planned:?}")).collect()
}

/// A line for each key: nothing, or one of the values that it takes.
fn lines() -> impl Strategy<Value = String> {
    let key = |name: &'static str, values: &'static [&'static str]| {
        prop_oneof![
            Just(String::new()),
            prop::sample::select(values).prop_map(move |value| format!("{name}: {value}\n"))
        ]
        .boxed()
    };
    let ids = &["[greeting]", "[set-paths, test-pod]", "['stop-unit:nvidia-persistenced.service']", "[]"];
    vec![
        prop::sample::select(
            &["driver_owner: installer-pod\n", "driver_owner: host\n", "driver_owner: operator\n"][..],
        )
        .prop_map(str::to_owned)
        .boxed(),
        key("driver_version", &["\"450.51.06\"", "\"450.51\"", "450.80.02", "\"390.87\""]),
        key("cuda_version", &["\"11.0.3\"", "\"11.0\"", "none", "'10.2'", "11.0"]),
        key("cuda_runfile", &["/root/cuda a.run", "\"/x/한국.run\""]),
        key("cuda_runfile_sha256", &["ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef0123456789"]),
        key("cuda_prefix", &["/opt/cuda-11.0"]),
        key("cuda_tmpdir", &["/var/tmp/x"]),
        key("cuda_mirror", &["https://mirror.local/cuda/"]),
        key("proxy", &["http://[::1]:3128", "http://proxy:3128"]),
        key("gpus", &["[\"10de:1db6\"]", "[10de:1db6, 10de:20b5:10de:1533]"]),
        key("inventory", &["inventory/my-standalone-cluster/inventory.ini"]),
        key("node", &["node1", "node9", "\"1234\"", "yes-1"]),
        key("add_node", &["true", "false"]),
        key("gpu_nodes", &["[node1]", "[]"]),
        key(
            "variables",
            &[
                "{nvidia_gpu_flavor: gtx, nvidia_driver_version: null}",
                "{node_labels: {a: \"true\"}, docker_storage_options: '-s x'}",
            ],
        ),
        key("run_playbooks", &["true", "false"]),
        key("kubeconfig", &["/etc/kubernetes/admin.conf", "k"]),
        key("test_image", &["nvcr.io/nvidia/cuda:12.4.1-base-ubuntu22.04"]),
        key("test_image_file", &["images/cuda.tar"]),
        key("chart_version", &["26.3.3"]),
        key("chart_repository", &["https://charts.example/nvidia"]),
        key("chart_file", &["/srv/gpu-operator-v26.3.3.tgz"]),
        key("chart_file_sha256", &["0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"]),
        key("chart_values", &["/srv/values.yaml"]),
        key("image_mirror", &["registry.example:5000/nvidia"]),
        key("operator_runtime", &["kubespray", "drop-in", "nri"]),
        key("cuda_sample", &["true", "false"]),
        key("leave_out", ids),
        key("take_in", ids),
        key("despite", &["[mounts]", "['space:/var', removal]"]),
        key("remove_taint", &["true", "false"]),
        key("reboot", &["ask", "never", "now"]),
    ]
    .prop_map(|lines| lines.concat())
}

#[test]
fn written_answers_are_read_as_the_same_and_plan_the_same() {
    let mut read = 0;
    TestRunner::new(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })
        .run(&lines(), |text| {
            let Ok(answers) = Answers::parse(&text, "a.yaml") else { return Ok(()) };
            let written = serde_yaml::to_string(&answers).unwrap();
            let again = Answers::parse(&written, "b.yaml").unwrap_or_else(|error| panic!("{error}:\n{written}"));
            prop_assert_eq!(&answers, &again, "{}", written);
            prop_assert_eq!(plan(&answers), plan(&again), "{}", written);
            Ok(())
        })
        .unwrap();
    read += 200;
    println!("answers: {read} written, read and planned");
}

/// What was written to a simulated machine, the inventory among it, byte by byte, and how it stands; and what was done.
fn end(place: &Place) -> (serde_yaml::Value, Vec<String>, String) {
    let machine = std::fs::read_to_string(place.path("state/session.machine.yaml")).unwrap();
    let machine: serde_yaml::Value = serde_yaml::from_str(&machine).unwrap();
    let kept = ["written", "removed", "flags", "boots"].map(|key| machine[key].clone());
    let report = place.run(["--demo", "report", "--format", "json"]).demand(0).json();
    let done = report["actions"].as_array().unwrap().iter();
    let done = done.map(|action| format!("{} {}", action["id"].as_str().unwrap(), action["status"])).collect();
    let detect = place.run(["--demo", "detect", "--json"]).json();
    (serde_yaml::Value::Sequence(kept.to_vec()), done, detect["driver"].to_string())
}

fn apply(place: &Place, answers: &str) {
    let file = place.write("a.yaml", answers);
    let args = ["--demo", "--speed", "0", "apply", "--yes", "--answers", file.to_str().unwrap()];
    place.run(args).demand(3);
    place.run(args).demand(0);
}

#[test]
fn the_answers_of_a_report_lead_to_the_same_end_on_a_fresh_machine() {
    for text in [
        "driver_owner: installer-pod\ncuda_version: \"11.0\"\nremove_taint: true\nreboot: now\n",
        "driver_owner: installer-pod\ncuda_version: \"11.0\"\nvariables: {nvidia_gpu_device_plugin_memory: 40Mi, nvidia_gpu_flavor: null}\nleave_out: [set-paths]\nreboot: now\n",
    ] {
        let first = Place::new();
        apply(&first, text);
        let answers = first.run(["--demo", "report", "--answers"]).demand(0).stdout;
        let second = Place::new();
        apply(&second, &answers);
        assert_eq!(second.run(["--demo", "report", "--answers"]).demand(0).stdout, answers);
        let (one, other) = (end(&first), end(&second));
        assert!(serde_yaml::to_string(&one.0).unwrap().contains("nvidia_gpu_nodes"), "{:?}", one.0);
        assert_eq!(one, other, "{answers}");
    }
}
