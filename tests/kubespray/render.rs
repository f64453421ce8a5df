//! What Kubespray will write, by the real `ansible-playbook`, and what a real containerd makes of it: Debian's, which
//! `tests/run` unpacks into target/containerd without installing it. The template is a small one of our own, with the
//! parts that matter; Kubespray's own ones run where `GPUNODE_KUBESPRAY` names a folder of checkouts
//! (`v2.31.0/roles/...`), held against the renders of ../shared.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{
    kubespray::{Checkout, files},
    program::{Place, tool},
    shared,
};
use gpunode::{
    answers::{Answers, DriverOwner},
    facts::containerd::config,
    host::Host,
    kubespray::{
        GpuRole, Preview, preview,
        render::{self, NotRendered, Rendered},
    },
    owner,
};
use serde_json::Value;

const INVENTORY: &str = "[kube_control_plane]\ncp1\n[kube_node]\nnode1 ansible_host=192.0.2.9 ansible_become=true\n[k8s_cluster:children]\nkube_control_plane\nkube_node\n";

/// Our own template in the form of file version 2, as v2.24 to v2.27 have it: the runc options in small letters, the
/// rest from variables.
const TEMPLATE: &str = r#"version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{{ pause_image }}"
{% if enable_cdi %}
  enable_cdi = true
{% endif %}
[plugins."io.containerd.grpc.v1.cri".containerd]
  default_runtime_name = "{{ containerd_default_runtime }}"
{% for runtime in [containerd_runc_runtime] + containerd_additional_runtimes %}
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{{ runtime.name }}]
  runtime_type = "{{ runtime.type }}"
  runtime_engine = "{{ runtime.engine }}"
  runtime_root = "{{ runtime.root }}"
{% if runtime.base_runtime_spec is defined %}
  base_runtime_spec = "{{ containerd_cfg_dir }}/{{ runtime.base_runtime_spec }}"
{% endif %}
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{{ runtime.name }}.options]
{% for key, value in runtime.options.items() %}
{% if value | string != "true" and value | string != "false" %}
  {{ key }} = "{{ value }}"
{% else %}
  {{ key }} = {{ value }}
{% endif %}
{% endfor %}
{% endfor %}
"#;
const DEFAULTS: &str = "containerd_default_runtime: runc\ncontainerd_cfg_dir: /etc/containerd\ncontainerd_additional_runtimes: []\nenable_cdi: false\ncontainerd_runc_runtime: {name: runc, type: io.containerd.runc.v2, engine: \"\", root: \"\", base_runtime_spec: cri-base.json, options: {systemdCgroup: \"{{ containerd_use_systemd_cgroup | ternary('true', 'false') }}\", binaryName: \"{{ bin_dir }}/runc\"}}\n";
const SHARED: &str = "bin_dir: /usr/local/bin\ncontainerd_use_systemd_cgroup: true\npause_image: \"{{ kube_image_repo }}/pause:3.10\"\nkube_image_repo: registry.k8s.io\n";

fn checkout(release: &str) -> Checkout {
    let checkout = Checkout::with_inventory(release, INVENTORY);
    let put = |name: &str, text: &str| {
        let path = checkout.path.join("roles").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    put("container-engine/containerd/templates/config.toml.j2", TEMPLATE);
    put("container-engine/containerd/defaults/main.yml", DEFAULTS);
    put("kubespray-defaults/defaults/main/main.yml", SHARED);
    symlink(tool("ansible-playbook").parent().unwrap().parent().unwrap(), checkout.path.join("venv")).unwrap();
    checkout
}

fn look(path: &Path, inventory: &Path) -> Preview {
    let request = gpunode::kubespray::PreviewRequest {
        checkout: Some(path.to_owned()),
        inventory: Some(inventory.to_owned()),
        hostname: "node1".to_owned(),
        gpu_role: GpuRole::StaysOff,
        ..Default::default()
    };
    preview(&files(), &request).unwrap()
}

fn rendered(path: &Path, inventory: &Path) -> Result<Rendered, NotRendered> {
    let preview = look(path, inventory);
    let changes = owner::values(&preview, &Answers::new(DriverOwner::Host));
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("render");
    let rendered = render::containerd(&Host::local(Path::new("/")), &preview, &changes, &folder);
    assert!(!folder.exists(), "nothing is left");
    rendered
}

/// A containerd: the one that `GPUNODE_CONTAINERD` names, the one that the test command unpacks, or that of PATH.
fn containerd() -> PathBuf {
    if let Some(named) = std::env::var_os("GPUNODE_CONTAINERD") {
        return named.into();
    }
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/containerd/usr/bin/containerd");
    if unpacked.is_file() { unpacked } else { tool("containerd") }
}

/// What containerd makes of a file.
fn effective(text: &str) -> config::ContainerdConfig {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    fs::write(&file, text).unwrap();
    let output = Command::new(containerd()).arg("--config").arg(&file).args(["config", "dump"]).output().unwrap();
    assert!(output.status.success(), "{}\n{text}", String::from_utf8_lossy(&output.stderr));
    config::parse(&String::from_utf8(output.stdout).unwrap()).unwrap()
}

#[test]
fn a_real_containerd_runs_the_rendered_runtime_and_runc_as_before() {
    let checkout = checkout("v2.26.1");
    let rendered = rendered(&checkout.path, &checkout.inventory).unwrap();
    assert!(
        !rendered.before.contains("nvidia") && rendered.after.contains("SystemdCgroup = true\n"),
        "{}",
        rendered.after
    );
    let (before, after) = (effective(&rendered.before), effective(&rendered.after));
    assert_eq!(before.runtime("runc"), after.runtime("runc"));
    let entry = after.runtime("nvidia").unwrap();
    assert_eq!(entry.program(None), Some("/usr/bin/nvidia-container-runtime"));
    assert_eq!(entry.cgroup(None), Some(&config::Switch::On));
    assert_eq!(entry.base_runtime_spec.as_deref(), Some("/etc/containerd/cri-base.json"));
    assert_eq!(after.default_runtime.as_deref(), Some("runc"));
}

#[test]
fn the_values_of_the_inventory_reach_the_template() {
    values_reach(&checkout("v2.26.1"));
    // Here the play makes the group whose variables these are.
    let implicit = checkout("v2.27.1");
    fs::write(&implicit.inventory, INVENTORY.split("[k8s_cluster").next().unwrap()).unwrap();
    values_reach(&implicit);
}

fn values_reach(checkout: &Checkout) {
    let values = "kube_image_repo: my.registry\ncontainerd_use_systemd_cgroup: false\ncontainerd_additional_runtimes: [{name: kata, type: io.containerd.kata.v2, engine: \"\", root: \"\", options: {ConfigPath: \"{{ our_folder }}/kata.toml\"}}]\nour_folder: /srv/ours\n";
    checkout.add("group_vars/k8s_cluster/z.yml", values);
    let rendered = rendered(&checkout.path, &checkout.inventory).unwrap();
    assert!(
        rendered.before.contains("my.registry/pause:3.10") && rendered.before.contains("/srv/ours/kata.toml"),
        "{}",
        rendered.before
    );
    assert!(
        rendered.after.contains("/srv/ours/kata.toml") && rendered.after.contains("  SystemdCgroup = false\n"),
        "{}",
        rendered.after
    );
}

/// The trap of a tool that adds `BinaryName` beside a copied `binaryName`: the dump shows both, and which one counts
/// differs by release.
#[test]
fn both_spellings_stand_in_the_dump_of_a_real_containerd() {
    let checkout = checkout("v2.26.1");
    let text = "containerd_additional_runtimes: [{name: nvidia, type: io.containerd.runc.v2, engine: \"\", root: \"\", options: {binaryName: /usr/local/bin/runc, BinaryName: /usr/bin/nvidia-container-runtime, SystemdCgroup: true}}]\n";
    checkout.add("host_vars/node1/z.yml", text);
    assert!(
        look(&checkout.path, &checkout.inventory).findings.iter().any(|finding| finding.id == "runtime-both-spellings")
    );
    let rendered = rendered(&checkout.path, &checkout.inventory).unwrap();
    let dump = effective(&rendered.before);
    let entry = dump.runtime("nvidia").unwrap();
    assert_eq!(entry.binary.len(), 2, "{entry:?}");
    assert_eq!(entry.program(Some(&"2.1.9".parse().unwrap())), Some("/usr/local/bin/runc"));
    // A YAML boolean becomes the text "True".
    assert_eq!(entry.systemd_cgroup[0].value, config::Switch::NotASwitch("True".to_owned()));
    let mended = effective(&rendered.after);
    let entry = mended.runtime("nvidia").unwrap();
    assert_eq!((entry.binary.len(), entry.program(None)), (1, Some("/usr/bin/nvidia-container-runtime")));
    assert_eq!(entry.cgroup(None), Some(&config::Switch::On));
}

#[test]
fn what_ansible_refuses_is_said_in_its_words() {
    let checkout = checkout("v2.26.1");
    checkout.add("group_vars/k8s_cluster/z.yml", "kube_image_repo: \"{{ nobody_knows }}\"\n");
    let Err(NotRendered::Failed(words)) = rendered(&checkout.path, &checkout.inventory) else { panic!("rendered") };
    assert!(words.contains("nobody_knows"), "{words}");
    fs::remove_file(checkout.path.join("venv")).unwrap();
    let mut preview = look(&checkout.path, &checkout.inventory);
    preview.layout.ansible_playbook = None;
    let host = Host::local(Path::new("/"));
    assert_eq!(render::containerd(&host, &preview, &[], Path::new("/nonexistent/render")), Err(NotRendered::NoAnsible));
}

#[test]
fn the_plan_shows_it_with_the_playbook_that_writes_it() {
    let checkout = checkout("v2.26.1");
    let place = Place::new();
    let answers = place.write(
        "answers.yaml",
        &format!(
            "driver_owner: host\nnode: node1\nkubespray: {}\ninventory: {}\ngpus: [\"10de:2330\"]\n",
            checkout.path.display(),
            checkout.inventory.display()
        ),
    );
    let path = format!("{}:{}", containerd().parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut command = place.command(["plan", "--json", "--answers", answers.to_str().unwrap()]);
    let output = command.env("PATH", path).output().unwrap();
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    let action =
        plan["actions"].as_array().unwrap().iter().find(|action| action["id"] == "run-playbook:2:scale.yml").unwrap();
    assert!(
        action["why"].as_str().unwrap().contains("nvidia = /usr/bin/nvidia-container-runtime, SystemdCgroup = true"),
        "{action:#}"
    );
    assert!(action["diff"].as_str().unwrap().contains("+++ /etc/containerd/config.toml"), "{action:#}");
    assert!(!place.path("state").exists(), "a plan leaves nothing");
}

#[test]
#[ignore = "wants checkouts of Kubespray in GPUNODE_KUBESPRAY, and ../shared"]
fn kubesprays_own_templates_render_as_kubespray_renders_them() {
    let root =
        PathBuf::from(std::env::var_os("GPUNODE_KUBESPRAY").expect("GPUNODE_KUBESPRAY names a folder of checkouts"));
    let mut count = 0;
    for release in ["v2.25.1", "v2.27.1", "v2.31.0"] {
        let path = root.join(release);
        let folder = tempfile::tempdir().unwrap();
        let inventory = folder.path().join("hosts.ini");
        // The renders were made with these two values.
        fs::write(&inventory, format!("{INVENTORY}[all:vars]\nkube_image_repo=my.registry\nnri_enabled=true\n"))
            .unwrap();
        let mut preview = look(&path, &inventory);
        preview.layout.ansible_playbook = Some(tool("ansible-playbook"));
        let changes = owner::values(&preview, &Answers::new(DriverOwner::Host));
        let rendered =
            render::containerd(&Host::local(Path::new("/")), &preview, &changes, &folder.path().join("render"))
                .unwrap();
        let plain =
            fs::read_to_string(shared::data("containerd-config").join(format!("{release}.plain.toml"))).unwrap();
        let lines = |text: &str| -> Vec<String> {
            let is_image = |line: &&str| !line.contains("sandbox");
            text.lines().map(str::trim).filter(|line| !line.is_empty()).filter(is_image).map(str::to_owned).collect()
        };
        let (ours, theirs) = (lines(&rendered.before).join("\n"), lines(&plain).join("\n"));
        let diff = similar::TextDiff::from_lines(&theirs, &ours).unified_diff().context_radius(0).to_string();
        assert!(diff.is_empty(), "{release}\n{diff}");
        let (mine, theirs) = (config::parse(&rendered.after).unwrap(), format!("{release}.base.toml"));
        if let Ok(theirs) = fs::read_to_string(shared::data("containerd-config").join(theirs)) {
            assert_eq!(mine.runtimes, config::parse(&theirs).unwrap().runtimes, "{release}");
        }
        count += 1;
    }
    assert_eq!(count, 3);
}
