//! Step 3 on the real inventories of eight releases: preview, verdict, findings, edits and commands.

use std::fs;

use crate::support::kubespray::{Checkout, RELEASES, cluster_vars, files, lay_out, one_node};
use gpunode::{
    answers::{Answers, DriverOwner},
    i18n::Lang,
    kubespray::{GpuRole, Level, Preview, Verdict, checkout, edit, playbook, preview, report},
    owner,
};
use serde_json::{Value, json};

fn look(checkout: &Checkout, os: &str) -> Preview {
    let mut request = checkout.request();
    request.control_plane_os = Some(os.to_owned());
    preview(&files(), &request).unwrap()
}

/// As [`look`], with what an owner wants of the GPU role.
fn look_for(owner: DriverOwner, checkout: &Checkout, os: &str) -> Preview {
    let gpu_role = owner::of(owner).gpu_role();
    preview(
        &files(),
        &gpunode::kubespray::PreviewRequest { control_plane_os: Some(os.to_owned()), gpu_role, ..checkout.request() },
    )
    .unwrap()
}

fn value(preview: &Preview, name: &str) -> Value {
    preview.variable(name).unwrap().value.clone().unwrap_or(Value::Null)
}

fn has(preview: &Preview, id: &str) -> bool {
    preview.findings.iter().any(|finding| finding.id == id)
}

#[test]
fn every_real_inventory_has_a_preview_in_both_languages() {
    let mut count = 0;
    let folder = tempfile::tempdir().unwrap();
    for release in RELEASES {
        lay_out(release, &folder.path().join(release));
        for inventory in checkout::inventories(&files(), &folder.path().join(release)) {
            let request = gpunode::kubespray::PreviewRequest {
                checkout: Some(folder.path().join(release)),
                inventory: Some(inventory.clone()),
                hostname: "node1".to_owned(),
                ..Default::default()
            };
            let preview = preview(&files(), &request).unwrap();
            assert_eq!(preview.release.as_deref(), Some(release), "{}", inventory.display());
            let known = if preview.container_manager == "containerd" { 19..=26 } else { 19..=20 };
            assert!(known.contains(&preview.variables.len()), "{release}: {}", preview.variables.len());
            for lang in [Lang::En, Lang::Ko] {
                let text = report(&preview, lang);
                for key in ["vars.", "finding.", "capability.", "level.", "ignored.", "verdict."] {
                    assert!(!text.split_whitespace().any(|word| word.starts_with(key)), "a text is missing in\n{text}");
                }
            }
            serde_json::to_string(&preview).unwrap();
            count += 1;
        }
    }
    assert_eq!(count, 20, "8 samples, 8 local ones and 4 generated ones");
}

#[test]
fn a_sample_shows_the_roles_defaults_with_their_lines() {
    let preview = look(&one_node("v2.14.2"), "centos-7");
    assert_eq!(preview.container_manager, "docker");
    assert_eq!((preview.inventory_host.as_deref(), preview.node.as_deref()), (Some("node1"), Some("node1")));
    let version = preview.variable("nvidia_driver_version").unwrap();
    assert_eq!(version.value, Some(json!("390.87")));
    let winner = version.winner.as_ref().unwrap();
    assert!(
        winner.file.ends_with("nvidia_gpu/defaults/main.yml")
            && winner.level == Level::RoleDefaults
            && winner.line == 3
    );
    assert_eq!(value(&preview, "nvidia_url_end"), json!("390.87/NVIDIA-Linux-x86_64-390.87.run"));
    assert_eq!(
        value(&preview, "nvidia_driver_download_url_default"),
        json!("https://us.download.nvidia.com/tesla/390.87/NVIDIA-Linux-x86_64-390.87.run")
    );
}

#[test]
fn without_a_checkout_the_built_in_data_answers() {
    let request = gpunode::kubespray::PreviewRequest {
        hostname: "gpu1".to_owned(),
        release: Some("v2.14.2".to_owned()),
        control_plane_os: Some("centos-7".to_owned()),
        ..Default::default()
    };
    let empty = tempfile::tempdir().unwrap();
    let preview = preview(&gpunode::host::local::LocalFiles::new(empty.path()), &request).unwrap();
    assert_eq!(preview.capability.verdict, Verdict::Works);
    let image = preview.variable("nvidia_driver_install_container").unwrap();
    assert_eq!(
        (image.value.clone(), image.winner.clone()),
        (Some(json!("atzedevries/nvidia-centos-driver-installer:2")), None)
    );
    assert!(
        edit::propose(&files(), &preview, &owner::values(&preview, &Answers::new(DriverOwner::InstallerPod)), &[])
            .is_err()
    );
}

#[test]
fn built_in_defaults_equal_the_roles_own() {
    for release in RELEASES {
        let request = gpunode::kubespray::PreviewRequest {
            hostname: "n".to_owned(),
            release: Some(release.to_owned()),
            ..Default::default()
        };
        let empty = tempfile::tempdir().unwrap();
        let built_in = preview(&gpunode::host::local::LocalFiles::new(empty.path()), &request).unwrap();
        let mut request = request;
        let checkout = empty.path().join(release);
        lay_out(release, &checkout);
        request.inventory = Some(checkout.join("sample/inventory.ini"));
        request.checkout = Some(checkout);
        let read = preview(&files(), &request).unwrap();
        for (built_in, read) in built_in.variables.iter().zip(&read.variables) {
            assert_eq!(built_in.value, read.value, "{release} {}", read.name);
        }
    }
}

#[test]
fn what_would_work_says_that_it_is_switched_off() {
    let preview = look(&one_node("v2.14.2"), "centos-7");
    assert_eq!((preview.capability.verdict, preview.capability.reason.as_str()), (Verdict::Works, "works-once-on"));
}

#[test]
fn the_verdict_is_unknown_where_the_control_plane_is_another_machine() {
    let checkout = Checkout::with_inventory(
        "v2.16.0",
        "[kube_control_plane]\ncp1\n[kube_node]\nnode1\n[k8s_cluster:children]\nkube_control_plane\nkube_node\n",
    );
    let preview = preview(&files(), &checkout.request()).unwrap();
    assert_eq!((preview.capability.verdict, preview.first_control_plane.as_deref()), (Verdict::Unknown, Some("cp1")));
    assert_eq!(preview.inventory_host.as_deref(), Some("node1"));
}

#[test]
fn ansible_core_2_19_breaks_what_works() {
    let checkout = one_node("v2.31.0");
    checkout.add(cluster_vars("v2.31.0"), "nvidia_accelerator_enabled: true\nnvidia_gpu_nodes: [node1]\n");
    fs::create_dir_all(checkout.path.join("venv/lib/python3.11/site-packages/ansible_core-2.19.14.dist-info")).unwrap();
    fs::create_dir_all(checkout.path.join("venv/bin")).unwrap();
    fs::write(checkout.path.join("venv/bin/ansible-playbook"), "").unwrap();
    let mut request = checkout.request();
    request.control_plane_os = Some("ubuntu-18.04".to_owned());
    // Below a root, so that an ansible of this machine does not get in between.
    let root = checkout.path.parent().unwrap();
    let below = |path: &std::path::Path| std::path::Path::new("/").join(path.strip_prefix(root).unwrap());
    (request.checkout, request.inventory) = (Some(below(&checkout.path)), Some(below(&checkout.inventory)));
    let preview = preview(&gpunode::host::local::LocalFiles::new(root), &request).unwrap();
    assert_eq!((preview.capability.verdict, preview.capability.reason.as_str()), (Verdict::Broken, "strict-core"));
    assert!(has(&preview, "ansible-core-unfit"));
}

#[test]
fn include_vars_and_set_fact_beat_the_inventory_and_say_so() {
    let checkout = one_node("v2.14.2");
    let file = cluster_vars("v2.14.2");
    checkout.add(
        file,
        "nvidia_driver_install_container: myreg/x:1\nnvidia_driver_download_url_default: http://mirror/x.run\n",
    );
    let preview = look(&checkout, "centos-7");
    let image = preview.variable("nvidia_driver_install_container").unwrap();
    assert_eq!(image.value, Some(json!("atzedevries/nvidia-centos-driver-installer:2")));
    assert_eq!(image.winner.as_ref().unwrap().level, Level::IncludeVars);
    assert_eq!(
        image.ignored.iter().map(|ignored| ignored.why).collect::<Vec<_>>(),
        [gpunode::kubespray::IgnoredWhy::IncludeVars]
    );
    let url = preview.variable("nvidia_driver_download_url_default").unwrap();
    assert!(url.value.as_ref().unwrap().as_str().unwrap().starts_with("https://us.download.nvidia.com/tesla/"));
    assert_eq!(url.ignored[0].why, gpunode::kubespray::IgnoredWhy::SetFact);

    let own = one_node("v2.14.2");
    own.add(file, "nvidia_driver_install_centos_container: myreg/x:1\n");
    assert_eq!(value(&look(&own, "centos-7"), "nvidia_driver_install_container"), json!("myreg/x:1"));
}

#[test]
fn the_winner_and_all_that_it_beats_are_shown() {
    let checkout = one_node("v2.16.0");
    checkout.add("group_vars/all/gpu.yml", "nvidia_driver_version: \"1\"\n");
    checkout.add("group_vars/k8s_cluster/zz.yml", "nvidia_driver_version: \"2\"\n");
    checkout.add("host_vars/node1/gpu.yml", "---\nnvidia_driver_version: \"3\"\n");
    let preview = look(&checkout, "centos-7");
    let version = preview.variable("nvidia_driver_version").unwrap();
    let winner = version.winner.as_ref().unwrap();
    assert!(winner.file.ends_with("host_vars/node1/gpu.yml") && winner.line == 2 && winner.level == Level::HostVars);
    let beaten: Vec<_> = version.shadowed.iter().map(|shadowed| (shadowed.level, shadowed.value.clone())).collect();
    assert_eq!(
        beaten,
        [(Level::GroupVars, json!("2")), (Level::GroupVarsAll, json!("1")), (Level::RoleDefaults, json!("390.87"))]
    );
}

#[test]
fn values_for_the_node_alone_do_not_reach_a_role_that_runs_elsewhere() {
    let checkout = Checkout::with_inventory(
        "v2.16.0",
        "[kube_control_plane]\ncp1\n[kube_node]\nnode1\n[k8s_cluster:children]\nkube_control_plane\nkube_node\n",
    );
    checkout.add("host_vars/node1.yml", "nvidia_driver_version: \"3\"\nnvidia_accelerator_enabled: true\n");
    let preview = look(&checkout, "centos-7");
    let version = preview.variable("nvidia_driver_version").unwrap();
    assert_eq!(
        (version.value.clone(), version.ignored[0].why),
        (Some(json!("390.87")), gpunode::kubespray::IgnoredWhy::OtherHost)
    );
    assert!(has(&preview, "switch-not-on-control-plane"));
}

#[test]
fn traps_are_found_where_they_are() {
    const ON: &str = "nvidia_accelerator_enabled: true\nnvidia_gpu_nodes: [node1]\n";
    for (vars, id) in [
        ("nvidia_accelerator_enabled: true\nnvidia_gpu_nodes: node1\n", "gpu-nodes-not-a-list"),
        ("nvidia_accelerator_enabled: true\nnvidia_gpu_nodes: [node2]\n", "not-among-gpu-nodes"),
        ("nvidia_gpu_flavor: gtx\n", "http-url"),
        ("broken: {{ x }}\n", "vars-file-refused"),
    ] {
        let checkout = one_node("v2.31.0");
        checkout.add(cluster_vars("v2.31.0"), vars);
        let preview = look(&checkout, "ubuntu-22.04");
        assert!(has(&preview, id), "{id}: {:?}", preview.findings);
        assert!(preview.findings.is_sorted_by_key(|finding| finding.severity));
        let clean = one_node("v2.31.0");
        clean.add(cluster_vars("v2.31.0"), ON);
        assert!(!has(&look(&clean, "ubuntu-22.04"), id), "{id} without a reason");
    }
}

#[test]
fn a_folder_of_the_old_name_loses_its_values() {
    let checkout = one_node("v2.16.0");
    let folder = checkout.inventory.parent().unwrap().join("group_vars");
    fs::rename(folder.join("k8s_cluster"), folder.join("k8s-cluster")).unwrap();
    checkout.add("group_vars/k8s-cluster/gpu.yml", "nvidia_driver_version: \"450.51.06\"\n");
    let preview = look(&checkout, "centos-7");
    assert_eq!(value(&preview, "nvidia_driver_version"), json!("390.87"));
    assert_eq!(
        preview.variable("nvidia_driver_version").unwrap().ignored[0].why,
        gpunode::kubespray::IgnoredWhy::WrongFolderName
    );
    assert!(has(&preview, "wrong-folder-name"));
}

#[test]
fn the_cluster_group_that_kubespray_makes_itself_counts() {
    let checkout = Checkout::of("v2.31.0", "local/hosts.ini");
    checkout.add(cluster_vars("v2.31.0"), "nvidia_driver_version: \"535.183.08\"\n");
    let preview = look(&checkout, "ubuntu-22.04");
    assert_eq!(value(&preview, "nvidia_driver_version"), json!("535.183.08"));
    assert!(has(&preview, "implicit-cluster-group"));
}

#[test]
fn before_v2_27_the_cluster_group_must_be_there() {
    let text = "[kube_control_plane]\nnode1\n[kube_node]\nnode1\n";
    let preview = look(&Checkout::with_inventory("v2.26.1", text), "ubuntu-22.04");
    assert!(has(&preview, "no-cluster-group") && !has(&preview, "implicit-cluster-group"));
}

#[test]
fn an_inventory_that_ansible_drops_is_named_with_its_line() {
    let preview = look(&Checkout::of("v2.14.2", "local/hosts.ini"), "centos-7");
    let finding = preview.findings.iter().find(|finding| finding.id == "inventory-refused").unwrap();
    assert!(finding.evidence.ends_with("hosts.ini:15"), "{}", finding.evidence);
    assert!(finding.message(Lang::En).contains("calico-rr"));
}

#[test]
fn this_machine_is_found_by_name_address_and_by_being_the_only_one() {
    let inventory = "[all]\nfirst ansible_host=node1.example.com\nsecond ansible_host=10.0.0.2\n[kube_control_plane]\nfirst\n[kube_node]\nfirst\nsecond\n[k8s_cluster:children]\nkube_node\nkube_control_plane\n";
    let checkout = Checkout::with_inventory("v2.16.0", inventory);
    for (hostname, found) in [
        ("second", Some("second")),
        ("second.example.com", Some("second")),
        ("node1.example.com", Some("first")),
        ("other", None),
    ] {
        let mut request = checkout.request();
        request.hostname = hostname.to_owned();
        assert_eq!(preview(&files(), &request).unwrap().inventory_host.as_deref(), found, "{hostname}");
    }
    let mut only = one_node("v2.16.0").request();
    only.hostname = "whatever".to_owned();
    let checkout = one_node("v2.16.0");
    (only.checkout, only.inventory) = (Some(checkout.path.clone()), Some(checkout.inventory.clone()));
    assert_eq!(preview(&files(), &only).unwrap().inventory_host.as_deref(), Some("node1"));
}

// Edits.

fn seed_answers() -> Answers {
    let mut answers = Answers::new(DriverOwner::InstallerPod);
    answers.driver_version = Some("450.51.06".parse().unwrap());
    answers
}

#[test]
fn the_samples_of_every_release_take_the_values_and_only_gain_lines() {
    for release in RELEASES {
        let checkout = one_node(release);
        let preview = look(&checkout, "centos-7");
        let edits = edit::propose(&files(), &preview, &owner::values(&preview, &seed_answers()), &[]).unwrap();
        let docker = usize::from(preview.container_manager == "docker");
        assert_eq!(edits.len(), 1 + docker, "{release}");
        for edit in &edits {
            assert!(edit.diff().lines().skip(2).all(|line| !line.starts_with('-')), "{}", edit.diff());
            fs::write(&edit.path, &edit.after).unwrap();
        }
        let after = look(&checkout, "centos-7");
        assert_eq!(value(&after, "nvidia_accelerator_enabled"), json!(true));
        assert_eq!(value(&after, "nvidia_gpu_nodes"), json!(["node1"]));
        assert_eq!(value(&after, "nvidia_driver_version"), json!("450.51.06"));
        let again = edit::propose(&files(), &after, &owner::values(&after, &seed_answers()), &[]).unwrap();
        assert!(again.is_empty(), "{release}: {}", again[0].diff());
    }
}

#[test]
fn the_diff_of_the_seeds_release_is_the_seeds_change() {
    let checkout = one_node("v2.14.2");
    let preview = look(&checkout, "centos-7");
    let edits = edit::propose(&files(), &preview, &owner::values(&preview, &seed_answers()), &[]).unwrap();
    let added: Vec<String> = edits
        .iter()
        .flat_map(|edit| {
            edit.diff().lines().skip(2).filter(|line| line.starts_with('+')).map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(
        added,
        [
            "+nvidia_accelerator_enabled: true",
            "+nvidia_gpu_nodes:",
            "+  - \"node1\"",
            "+nvidia_driver_version: \"450.51.06\"",
            "+nvidia_gpu_flavor: \"tesla\"",
            "+docker_storage_options: \"-s overlay2\"",
        ]
    );
    assert!(edits[0].path.ends_with(cluster_vars("v2.14.2")) && edits[1].path.ends_with("group_vars/all/docker.yml"));
}

#[test]
fn an_active_definition_is_changed_where_it_stands() {
    let checkout = one_node("v2.16.0");
    checkout.add(
        "group_vars/all/gpu.yml",
        "# ours\r\nnvidia_driver_version: 390.87 # old\r\nnvidia_gpu_nodes:\r\n- node0\r\n",
    );
    let preview = look(&checkout, "centos-7");
    let edits = edit::propose(&files(), &preview, &owner::values(&preview, &seed_answers()), &[]).unwrap();
    let gpu = edits.iter().find(|edit| edit.path.ends_with("gpu.yml")).unwrap();
    assert_eq!(
        gpu.after,
        "# ours\r\nnvidia_driver_version: \"450.51.06\" # old\r\nnvidia_gpu_nodes:\r\n- node0\r\n- \"node1\"\r\n"
    );
}

#[test]
fn what_cannot_be_edited_comes_with_the_manual_edit() {
    let checkout = Checkout::with_inventory(
        "v2.16.0",
        "[kube_control_plane]\nnode1\n[kube_node]\nnode1\n[all:vars]\nnvidia_driver_version=1\n",
    );
    let preview = look(&checkout, "centos-7");
    let error =
        edit::propose(&files(), &preview, &[edit::Change::new("nvidia_driver_version", "450.51.06")], &[]).unwrap_err();
    assert!(
        error.to_string().contains("at line 6")
            && error.hint(Lang::En).contains("nvidia_driver_version: \"450.51.06\""),
        "{error} {}",
        error.hint(Lang::En)
    );
    let error = edit::propose(
        &files(),
        &look(&one_node("v2.31.0"), "ubuntu-22.04"),
        &[edit::Change::new("docker_storage_options", "-s overlay2")],
        &[],
    );
    assert!(error.unwrap_err().to_string().contains("containerd"));
}

#[test]
fn another_owner_switches_the_role_off_and_names_no_image() {
    let preview = look(&one_node("v2.31.0"), "ubuntu-22.04");
    let operator = owner::values(&preview, &Answers::new(DriverOwner::Operator));
    assert_eq!(operator[0], edit::Change::new("nvidia_accelerator_enabled", false));
    let others: Vec<_> = operator[1..].iter().map(|change| change.variable.as_str()).collect();
    assert_eq!(others, ["containerd_additional_runtimes"], "the runtime, which the operator's toolkit does not write");
    let host = owner::values(&preview, &Answers::new(DriverOwner::Host));
    assert!(
        host.iter().all(|change| !change.variable.starts_with("nvidia_")),
        "nobody has set any of the role's: {host:?}"
    );
    let changes = owner::values(&preview, &seed_answers());
    assert!(changes.iter().all(|change| change.variable != "nvidia_driver_install_container"));
}

#[test]
fn the_roles_verdict_and_traps_are_told_only_to_the_owner_that_wants_it() {
    for release in RELEASES {
        let checkout = one_node(release);
        for owner in [DriverOwner::Host, DriverOwner::Operator] {
            assert_eq!(owner::of(owner).gpu_role(), GpuRole::StaysOff);
            let off = look_for(owner, &checkout, "centos-7");
            assert_eq!(
                (off.capability.verdict, off.capability.reason.as_str()),
                (Verdict::Unused, "stays-off"),
                "{release}"
            );
            let text = report(&off, Lang::En);
            assert!(!text.contains("will install") && !text.contains("installer for"), "{text}");
        }
    }
}

#[test]
fn a_role_that_is_on_beside_another_owner_is_an_error_with_its_place() {
    let checkout = one_node("v2.31.0");
    let file = checkout.inventory.parent().unwrap().join("group_vars/k8s_cluster/gpu.yml");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let set = |text: &str| fs::write(&file, text).unwrap();
    for owner in [DriverOwner::Host, DriverOwner::Operator] {
        set("nvidia_accelerator_enabled: true\nnvidia_gpu_nodes: [node1]\nnvidia_gpu_flavor: quadro\n");
        let on = look_for(owner, &checkout, "ubuntu-22.04");
        assert_eq!((on.capability.verdict, on.capability.reason.as_str()), (Verdict::Broken, "second-owner"));
        let finding = on.findings.iter().find(|finding| finding.id == "second-owner").unwrap();
        assert!(finding.evidence.ends_with("gpu.yml:1"), "{finding:?}");
        // What only the role would stumble over is nobody's trouble here.
        assert!(!has(&on, "unknown-flavor") && !has(&on, "taint-comes-back") && !has(&on, "scale-without-daemonsets"));
        // The play that sets labels fails on every host, whoever brings the driver.
        set("nvidia_gpu_nodes: [node1]\n");
        let broken = look_for(owner, &checkout, "ubuntu-22.04");
        assert!(has(&broken, "gpu-nodes-without-switch") && !has(&broken, "second-owner"));
        set("nvidia_accelerator_enabled: false\nnvidia_gpu_nodes: [node1]\n");
        let quiet = look_for(owner, &checkout, "ubuntu-22.04");
        assert!(!has(&quiet, "gpu-nodes-switched-off") && !has(&quiet, "not-among-gpu-nodes"));
    }
}

// Commands.

fn commands(runs: &[playbook::PlaybookRun]) -> Vec<gpunode::host::Command> {
    runs.iter().map(playbook::PlaybookRun::command).collect()
}

#[test]
fn no_other_owner_deploys_the_gpu_role() {
    for release in RELEASES {
        let checkout = Checkout::with_inventory(
            release,
            "[kube_control_plane]\ncp1\n[kube_node]\nnode1\n[k8s_cluster:children]\nkube_control_plane\nkube_node\n",
        );
        for owner in [DriverOwner::Host, DriverOwner::Operator] {
            let commands =
                commands(&owner::of(owner).playbooks(&look_for(owner, &checkout, "centos-7"), &Answers::new(owner)));
            assert!(
                commands.iter().all(|command| !command.args.iter().any(|arg| arg == "nvidia_gpu")),
                "{release}: {commands:?}"
            );
        }
    }
}

#[test]
fn commands_fit_the_release() {
    let inventory = |old: bool| {
        let text =
            "[kube_control_plane]\ncp1\n[kube_node]\nnode1\n[k8s_cluster:children]\nkube_control_plane\nkube_node\n";
        if old {
            text.replace("kube_control_plane", "kube-master")
                .replace("kube_node", "kube-node")
                .replace("k8s_cluster", "k8s-cluster")
        } else {
            text.to_owned()
        }
    };
    for (release, facts) in [
        ("v2.12.10", None),
        ("v2.14.2", Some("facts.yml")),
        ("v2.18.2", Some("facts.yml")),
        ("v2.22.2", Some("playbooks/facts.yml")),
        ("v2.31.0", Some("playbooks/facts.yml")),
    ] {
        let checkout = Checkout::with_inventory(release, &inventory(release < "v2.16"));
        let commands =
            commands(&owner::of(DriverOwner::InstallerPod).playbooks(&look(&checkout, "centos-7"), &seed_answers()));
        let mut argv: Vec<Vec<String>> = commands.iter().map(gpunode::host::Command::argv).collect();
        let start = ["ansible-playbook", "-i", "inventory/mycluster/inventory.ini"];
        assert!(argv.iter().all(|argv| argv[..3] == start));
        assert!(
            commands
                .iter()
                .all(|command| command.cwd.as_ref() == Some(&checkout.path) && command.env["LC_ALL"] == "C.UTF-8")
        );
        let rest: Vec<Vec<String>> = argv.iter_mut().map(|argv| argv.split_off(3)).collect();
        let mut expected: Vec<Vec<&str>> = facts.map(|facts| vec![facts, "-b"]).into_iter().collect();
        expected.push(vec!["scale.yml", "-b", "--limit=node1"]);
        expected.push(vec!["cluster.yml", "-b", "--tags", "nvidia_gpu"]);
        assert_eq!(rest, expected, "{release}");
        assert_eq!(playbook::list_tasks_command(&commands[0]).args.last().unwrap(), "--list-tasks");
    }
}

#[test]
fn a_control_plane_machine_runs_the_whole_playbook() {
    let commands = commands(
        &owner::of(DriverOwner::InstallerPod).playbooks(&look(&one_node("v2.14.2"), "centos-7"), &seed_answers()),
    );
    assert_eq!(commands.len(), 1);
    assert_eq!(commands[0].args[2..], ["cluster.yml", "-b"]);
}
