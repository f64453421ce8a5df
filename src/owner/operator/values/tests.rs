//! Values of each case, against machines, cards and releases; and against the charts' own keys where they are at hand.

use std::path::Path;

use super::*;
use crate::{
    answers::DriverOwner,
    facts::{Facts, LedgerEntry, Origin},
    kubespray::{self, PreviewRequest},
};

const V100: &str = "10de:1db6";
const A100: &str = "10de:20b5";
const B200: &str = "10de:2901";

struct Case {
    facts: Facts,
    answers: Answers,
    preview: Preview,
    kubernetes: Option<Version>,
    taints: Vec<Taint>,
    other_discovery: Option<&'static str>,
}

impl Case {
    fn new(os: &str, card: &str, release: &str) -> Self {
        let (id, version) = os.split_once('-').unwrap();
        let mut facts = Facts::default();
        (facts.host.os_id, facts.host.os_version, facts.host.os_name) =
            (id.to_owned(), version.to_owned(), os.to_owned());
        facts.host.kernel = "6.8.0-88-generic".to_owned();
        let answers = Answers { gpus: Some(vec![card.parse().unwrap()]), ..Answers::new(DriverOwner::Operator) };
        let host = crate::host::Host::local(Path::new("/nowhere"));
        let request = PreviewRequest { release: Some(release.to_owned()), ..PreviewRequest::default() };
        let preview = kubespray::preview(&*host.files, &request).unwrap();
        let kubernetes = preview.layout.release.as_ref().and_then(Release::kubernetes);
        Self { facts, answers, preview, kubernetes, taints: Vec::new(), other_discovery: None }
    }

    fn evidence(&self) -> ChartEvidence<'_> {
        ChartEvidence {
            facts: &self.facts,
            answers: &self.answers,
            preview: &self.preview,
            kubernetes: self.kubernetes.as_ref(),
            taints: &self.taints,
            other_discovery: self.other_discovery,
        }
    }

    fn made(&self) -> Result<(&'static Chart, ChartValues), Refused> {
        let seen = self.evidence();
        let chart = chart(&seen)?;
        values(chart, &seen).map(|values| (chart, values))
    }

    fn values(&self) -> Value {
        self.made().unwrap().1.values()
    }

    fn refused(&self) -> &'static str {
        self.made().unwrap_err().why
    }

    fn with_host_driver(mut self) -> Self {
        self.facts.driver.loaded_version = Some("580.95.05".to_owned());
        self.facts.driver.ledger = vec![LedgerEntry::new(Origin::Deb, "nvidia-driver-580 580.95.05", "/x")];
        self
    }

    fn tainted(mut self, taints: &[(&str, &str)]) -> Self {
        let taint = |(key, effect): &(&str, &str)| Taint {
            key: (*key).to_owned(),
            value: String::new(),
            effect: (*effect).to_owned(),
        };
        self.taints = taints.iter().map(taint).collect();
        self
    }
}

/// One of each kind that has values of its own.
fn cases() -> Vec<(&'static str, Case)> {
    let mut secure = Case::new("ubuntu-24.04", A100, "v2.29.0");
    secure.facts.host.secure_boot = Some(true);
    let mut nri = Case::new("rocky-9.6", A100, "v2.29.0");
    nri.answers.operator_runtime = Some(RuntimeWay::Nri);
    let mut drop_in = Case::new("rocky-9.6", A100, "v2.29.0");
    drop_in.answers.operator_runtime = Some(RuntimeWay::DropIn);
    let mut mirror = Case::new("rocky-9.6", A100, "v2.29.0");
    mirror.answers.image_mirror = Some("registry.local:5000/nv".parse().unwrap());
    let mut newest = Case::new("rocky-9.6", V100, "v2.29.0");
    newest.answers.chart_version = Some("26.7.0".parse().unwrap());
    let mut old_mirror = Case::new("ubuntu-22.04", A100, "v2.25.1");
    old_mirror.answers.image_mirror = Some("registry.local:5000/nv".parse().unwrap());
    let mut nfd = Case::new("rocky-9.6", A100, "v2.29.0");
    nfd.other_discovery = Some("node-feature-discovery");
    vec![
        ("plain", Case::new("rocky-9.6", A100, "v2.29.0")),
        ("v100", Case::new("rocky-9.6", V100, "v2.29.0")),
        ("v100 on 26.7", newest),
        ("blackwell", Case::new("ubuntu-24.04", B200, "v2.31.0")),
        ("host driver", Case::new("debian-12", A100, "v2.31.0").with_host_driver()),
        ("secure boot", secure),
        ("nri", nri),
        ("drop-in", drop_in),
        ("mirror", mirror),
        ("old", Case::new("ubuntu-22.04", A100, "v2.25.1")),
        ("old mirror", old_mirror),
        ("taint", Case::new("rocky-9.6", A100, "v2.29.0").tainted(&[(GPU, "NoSchedule")])),
        ("taints", Case::new("rocky-9.6", A100, "v2.29.0").tainted(&[(GPU, "NoExecute"), ("dedicated", "NoSchedule")])),
        ("nfd", nfd),
    ]
}

fn case(name: &str) -> Case {
    cases().into_iter().find(|(other, _)| *other == name).unwrap().1
}

#[test]
fn the_runtime_is_kubesprays_and_the_toolkit_installs_files() {
    let (chart, values) = case("plain").made().unwrap();
    assert_eq!(chart.tag(), "v26.3.3");
    let env = json!([{"name": "NO_RUNTIME_CONFIG", "value": "true"},
        {"name": "NVIDIA_CONTAINER_RUNTIME_RUNTIMES", "value": "/usr/local/bin/runc,runc,crun"}]);
    assert_eq!(values.values(), json!({"toolkit": {"env": env}}), "an A100 needs nothing else");
    let changes = variables(&case("plain").preview, &case("plain").answers);
    let entry = &changes[0].value.as_ref().unwrap()[0];
    assert_eq!(entry["options"]["BinaryName"], "/usr/local/nvidia/toolkit/nvidia-container-runtime");
    assert_eq!((changes[0].variable.as_str(), &entry["engine"]), ("containerd_additional_runtimes", &json!("")));
}

#[test]
fn other_ways_have_other_values_and_other_variables() {
    let names = |name: &str| {
        let case = case(name);
        let changes = variables(&case.preview, &case.answers);
        changes.into_iter().map(|change| change.variable).collect::<Vec<_>>()
    };
    assert_eq!(case("nri").values(), json!({"cdi": {"enabled": true, "nriPluginEnabled": true}}));
    assert!(names("nri").is_empty());
    assert_eq!(names("drop-in"), ["containerd_extra_args"]);
    assert_eq!(
        case("drop-in").values()["toolkit"]["env"][3],
        json!({"name": "RUNTIME_CONFIG_SOURCE", "value": "file"})
    );
    let (chart, old) = case("old").made().unwrap();
    assert_eq!((chart.tag().as_str(), &old.values()["toolkit"]["env"][3]["value"]), ("v25.3.4", &json!("file")));
    let mut lacking = case("old");
    for way in [RuntimeWay::Kubespray, RuntimeWay::Nri] {
        lacking.answers.operator_runtime = Some(way);
        assert_eq!(lacking.refused(), "chart-lacks-way");
    }
}

#[test]
fn cards_get_a_driver_and_a_module_that_drive_them() {
    assert_eq!(case("v100").values()["driver"], json!({"kernelModuleType": "proprietary"}));
    let newest = case("v100 on 26.7").values();
    assert_eq!(newest["driver"], json!({"version": "580.126.20", "kernelModuleType": "proprietary"}));
    assert_eq!(case("blackwell").values().get("driver"), None);
    let mut chosen = case("plain");
    chosen.answers.driver_version = Some("580.95.05".parse().unwrap());
    assert_eq!(chosen.values()["driver"]["version"], "580.95.05");
    let mut wrong = case("v100");
    wrong.answers.driver_version = Some("595.91.07".parse().unwrap());
    assert_eq!(wrong.refused(), "operator-driver-card");
    let mut mixed = case("v100");
    mixed.answers.gpus = Some(vec![V100.parse().unwrap(), B200.parse().unwrap()]);
    assert_eq!(mixed.refused(), "mixed-cards");
}

#[test]
fn a_host_driver_stays_and_systems_without_images_are_refused() {
    assert_eq!(case("host driver").values()["driver"], json!({"enabled": false}));
    assert_eq!(Case::new("debian-12", A100, "v2.31.0").refused(), "no-driver-image");
    assert_eq!(Case::new("ubuntu-26.04", A100, "v2.31.0").refused(), "no-driver-image");
}

#[test]
fn secure_boot_wants_signed_modules() {
    let driver = case("secure boot").values()["driver"].clone();
    assert_eq!(driver, json!({"usePrecompiled": true, "version": "580"}));
    let mut rocky = case("plain");
    rocky.facts.host.secure_boot = Some(true);
    assert_eq!(rocky.refused(), "operator-secure-boot");
}

#[test]
fn ranges_are_held() {
    let mut unknown = case("plain");
    unknown.answers.chart_version = Some("24.9.2".parse().unwrap());
    assert_eq!(unknown.refused(), "chart-not-known");
    let mut old = case("old");
    old.answers.chart_version = Some("26.3.3".parse().unwrap());
    assert_eq!(old.refused(), "chart-range");
    let mut future = case("plain");
    future.kubernetes = Some("1.40.0".parse().unwrap());
    assert_eq!(future.refused(), "no-chart");
}

#[test]
fn every_taint_that_stays_is_tolerated_everywhere() {
    let only_gpu = case("taint").values();
    assert_eq!(only_gpu.get("daemonsets"), None, "the chart's own is enough");
    assert_eq!(only_gpu["node-feature-discovery"]["gc"]["tolerations"].as_array().map(Vec::len), Some(2));
    let both = case("taints").values();
    let discovery = &both["node-feature-discovery"];
    let lists = [&both["daemonsets"], &both["operator"], &discovery["worker"], &discovery["master"], &discovery["gc"]];
    for list in lists {
        let list = list["tolerations"].as_array().unwrap();
        for (key, effect) in [(GPU, "NoExecute"), ("dedicated", "NoSchedule")] {
            assert!(list.iter().any(|one| one["key"] == key && one["effect"] == effect), "{key}: {list:?}");
        }
    }
    assert_eq!(both["daemonsets"]["tolerations"][0], toleration(GPU, "NoSchedule"));
    let passing =
        case("plain").tainted(&[("node.kubernetes.io/unschedulable", "NoSchedule"), ("x", "PreferNoSchedule")]);
    assert_eq!(passing.values(), case("plain").values());
}

#[test]
fn a_mirror_and_another_discovery_are_told_to_the_chart() {
    assert_eq!(case("mirror").values()["validator"]["repository"], "registry.local:5000/nv/nvidia");
    assert_eq!(case("old mirror").values()["validator"]["repository"], "registry.local:5000/nv/nvidia/cloud-native");
    assert_eq!(case("nfd").values()["nfd"], json!({"enabled": false}));
}

#[test]
fn lines_of_the_users_in_the_configuration_are_kept() {
    let case = case("drop-in");
    let mut preview = case.preview.clone();
    let set = |preview: &mut Preview, text: &str| {
        let variable = preview.variables.iter_mut().find(|variable| variable.name == "containerd_extra_args").unwrap();
        variable.value = Some(json!(text));
    };
    set(&mut preview, "[debug]\n  level = \"info\"");
    let text = imports(&preview).unwrap().value.unwrap();
    assert_eq!(text, json!(format!("{IMPORTS}\n[debug]\n  level = \"info\"\n")));
    set(&mut preview, IMPORTS);
    assert_eq!(imports(&preview), None, "a second one would be fatal");
}

/// The charts' own files are NVIDIA's and stay where they are.
#[test]
fn every_key_is_one_that_the_chart_knows() {
    let shared = std::env::var("GPUNODE_SHARED").unwrap_or_else(|_| "../shared".to_owned());
    let folder = Path::new(&shared).join("data/gpu-operator");
    if !folder.is_dir() {
        return;
    }
    for (name, case) in cases() {
        let (chart, values) = case.made().unwrap();
        let text = std::fs::read_to_string(folder.join(format!("values-{}.yaml", chart.tag()))).unwrap();
        let known: Value = serde_yaml::from_str(&text).unwrap();
        demand_known(&values.values(), &known, &format!("{name}: {}", chart.tag()));
    }
    for chart in gpu_operator::charts() {
        let text = std::fs::read_to_string(folder.join(format!("values-{}.yaml", chart.tag()))).unwrap();
        let known: Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(known["driver"]["version"], chart.driver.as_str(), "{}", chart.tag());
        assert_eq!(known["cdi"].get("nriPluginEnabled").is_some(), chart.nri, "{}", chart.tag());
        for image in gpu_operator::images(chart) {
            let of = image.key.split('.').try_fold(&known, |value, part| value.get(part));
            assert_eq!(of, Some(&json!(format!("nvcr.io/{}", image.path))), "{} {}", chart.tag(), image.key);
        }
    }
}

/// The subchart's keys of its own file are not in the chart's; the four that are set are read off its templates.
fn demand_known(values: &Value, known: &Value, place: &str) {
    const OF_SUBCHART: [&str; 3] = ["gc.tolerations", "master.tolerations", "worker.tolerations"];
    for (key, value) in values.as_object().into_iter().flatten() {
        let place = format!("{place}.{key}");
        if OF_SUBCHART.iter().any(|known| place.ends_with(&format!("node-feature-discovery.{known}"))) {
            continue;
        }
        let of = known.get(key).unwrap_or_else(|| panic!("{place} is no key of the chart"));
        if of.is_object() {
            demand_known(value, of, &place);
        }
    }
}
