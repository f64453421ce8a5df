//! What the role will see, held against a real `ansible-playbook`: the release's own defaults and vars files, and tasks
//! of ours that find the vars file of the system, set the address by flavor and write down every variable.

use std::{fs, process::Command};

use crate::support::{
    kubespray::{Checkout, cluster_vars, files, one_node},
    program::tool,
};
use gpunode::kubespray::preview;
use serde_json::{Map, Value};

const ROLE: &str = "roles/kubernetes-apps/container_engine_accelerator/nvidia_gpu";

/// Our own tasks, in the order of precedence that the facts describe.
const TASKS: &str = r#"
- name: the system's own values
  include_vars: "{{ item }}"
  with_first_found:
    - files:
        - "{{ system }}-{{ system_version }}.yml"
        - "{{ system }}-{{ system_version.split('.')[0] }}.yml"
        - "{{ system }}.yml"
      paths: ["{{ role_path }}/vars"]
      skip: true
- name: address for tesla
  set_fact:
    nvidia_driver_download_url_default: "{{ nvidia_gpu_tesla_base_url }}{{ nvidia_url_end }}"
  when: nvidia_gpu_flavor | lower == "tesla"
- name: address for gtx
  set_fact:
    nvidia_driver_download_url_default: "{{ nvidia_gpu_gtx_base_url }}{{ nvidia_url_end }}"
  when: nvidia_gpu_flavor | lower == "gtx"
- name: write down
  copy:
    dest: "{{ playbook_dir }}/seen.json"
    content: "{{ all_of_them | to_json }}"
"#;

const NAMES: [&str; 14] = [
    "nvidia_accelerator_enabled",
    "nvidia_driver_version",
    "nvidia_gpu_tesla_base_url",
    "nvidia_gpu_gtx_base_url",
    "nvidia_gpu_flavor",
    "nvidia_url_end",
    "nvidia_driver_install_container",
    "nvidia_driver_install_centos_container",
    "nvidia_driver_install_ubuntu_container",
    "nvidia_driver_install_supported",
    "nvidia_gpu_device_plugin_container",
    "nvidia_gpu_nodes",
    "nvidia_gpu_device_plugin_memory",
    "nvidia_driver_download_url_default",
];

/// Runs the role and returns what it saw. Templates are lazy: writing a variable down is what fills them in.
fn role_saw(checkout: &Checkout, os: &str) -> Map<String, Value> {
    let (system, version) = os.split_once('-').unwrap();
    let role = checkout.path.join(ROLE);
    fs::create_dir_all(role.join("tasks")).unwrap();
    fs::write(role.join("tasks/main.yml"), TASKS).unwrap();
    let lines: Vec<String> = NAMES.iter().map(|name| format!("          {name}: \"{{{{ {name} }}}}\"\n")).collect();
    let play = format!(
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - include_role:\n        name: {}\n      vars:\n        system: {system}\n        system_version: \"{version}\"\n        all_of_them:\n{}",
        role.display(),
        lines.concat(),
    );
    fs::write(checkout.path.join("cluster.yml"), play).unwrap();
    let output = Command::new(tool("ansible-playbook"))
        .arg("-i")
        .arg(&checkout.inventory)
        .args(["cluster.yml", "-e", "ansible_python_interpreter={{ ansible_playbook_python }}"])
        .current_dir(&checkout.path)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&fs::read(checkout.path.join("seen.json")).unwrap()).unwrap()
}

#[test]
fn the_preview_shows_what_a_real_run_sees() {
    let rows: [(&str, &str, &str, &str); 8] = [
        ("v2.14.2", "centos-7.8", "", ""),
        (
            "v2.14.2",
            "centos-7.8",
            "nvidia_driver_install_container: myreg/x:1\nnvidia_driver_version: \"450.51.06\"\n",
            "",
        ),
        ("v2.14.2", "ubuntu-18.04", "nvidia_driver_install_ubuntu_container: my/img:1\nnvidia_gpu_flavor: gtx\n", ""),
        (
            "v2.14.2",
            "ubuntu-20.04",
            "nvidia_driver_install_container: true\nnvidia_driver_install_supported: true\n",
            "",
        ),
        (
            "v2.31.0",
            "ubuntu-22.04",
            "nvidia_driver_install_container: my/img:1\nnvidia_accelerator_enabled: yes\n",
            "nvidia_driver_version: \"550.1\"\n",
        ),
        ("v2.31.0", "centos-7.9", "nvidia_driver_download_url_default: file:///x.run\n", ""),
        (
            "v2.31.0",
            "ubuntu-18.04",
            "nvidia_gpu_flavor: custom\nnvidia_driver_download_url_default: file:///x.run\n",
            "nvidia_gpu_nodes: [node1]\n",
        ),
        (
            "v2.25.1",
            "centos-7",
            "nvidia_gpu_tesla_base_url: \"http://mirror/{{ nvidia_gpu_flavor }}/\"\n",
            "nvidia_driver_install_supported: false\n",
        ),
    ];
    for (release, os, group, host) in rows {
        let checkout = one_node(release);
        checkout.add(cluster_vars(release), group);
        checkout.add("host_vars/node1.yml", host);
        let seen = role_saw(&checkout, os);
        let mut request = checkout.request();
        request.control_plane_os = Some(os.to_owned());
        let shown = preview(&files(), &request).unwrap();
        for name in NAMES {
            let ours = shown.variable(name).unwrap().value.clone().unwrap_or(Value::Null);
            assert_eq!(Some(&ours), seen.get(name), "{release} {os} {name}\n{group}{host}");
        }
    }
}
