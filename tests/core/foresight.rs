//! What is said before anything happens: the pre-flight judges what will be, whichever key of the answers says it.

use serde_json::Value;

use crate::support::program::Place;

/// Returns one check of the pre-flight on the seed's machine, whose card is a Tesla V100.
fn check(id: &str, answers: &str) -> Option<Value> {
    let place = Place::new();
    let file = place.write("answers.yaml", &format!("driver_owner: installer-pod\ncuda_version: none\n{answers}\n"));
    let ran = place.run(["--demo", "plan", "--json", "--answers", file.to_str().unwrap()]).demand(0);
    let plan: Value = serde_json::from_str(&ran.stdout).unwrap();
    plan["preflight"].as_array().unwrap().iter().find(|row| row["id"] == id).cloned()
}

#[test]
fn a_driver_in_variables_is_judged_as_driver_version_is() {
    let says = |answers: &str| check("driver-fits", answers).map(|row| row["says"].as_str().unwrap().to_owned());
    // The last branch for Volta is R580.
    for (version, wanted) in [("450.51.06", "ok"), ("580.95.05", "ok"), ("595.58.03", "will_fail")] {
        for key in
            [format!("driver_version: \"{version}\""), format!("variables: {{nvidia_driver_version: \"{version}\"}}")]
        {
            assert_eq!(says(&key).as_deref(), Some(wanted), "{key}");
        }
    }
    // The value that will be written counts, not the one that it takes the place of.
    let both = "driver_version: \"450.51.06\"\nvariables: {nvidia_driver_version: \"595.58.03\"}";
    assert_eq!(says(both).as_deref(), Some("will_fail"));
    // What a template becomes nobody knows here: no verdict of it.
    assert_eq!(says("variables: {nvidia_driver_version: \"{{ my_driver }}\"}"), None);
    let place = Place::new();
    let answers = place.write(
        "answers.yaml",
        "driver_owner: installer-pod\ncuda_version: none\nvariables: {nvidia_driver_version: \"595.58.03\"}\n",
    );
    let apply = ["--demo", "--speed", "0", "apply", "--yes", "--until", "2", "--answers", answers.to_str().unwrap()];
    let ran = place.run(apply).demand(1);
    assert!(ran.stdout.contains("R580") && ran.stderr.contains("nothing was changed"), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn an_old_toolkit_that_does_no_harm_is_no_driver_that_the_pod_will_find() {
    let place = Place::new();
    let file = |path: &str, text: &str| drop(place.write(&format!("root/{path}"), text));
    file("etc/os-release", "ID=ubuntu\nVERSION_ID=\"18.04\"\n");
    file("proc/modules", "ext4 1 1 - Live 0x0\n");
    file("proc/sys/kernel/osrelease", "4.15.0-213-generic\n");
    file("usr/local/cuda-10.0/version.txt", "CUDA Version 10.0.130\n");
    file("usr/local/cuda-10.0/bin/uninstall_cuda_10.0.pl", "");
    file("lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "");
    let answers = place.write(
        "answers.yaml",
        "driver_owner: installer-pod\ncuda_version: none\nnode: gpu1\ngpus: [\"10de:1db6\"]\ndriver_version: \"450.51.06\"\n",
    );
    let root = place.path("root");
    let args = ["--root", root.to_str().unwrap(), "plan", "--json", "--answers", answers.to_str().unwrap()];
    let plan: Value = serde_json::from_str(&place.run(args).demand(0).stdout).unwrap();
    let rows = plan["preflight"].as_array().unwrap();
    let ids = |key: &str| rows.iter().filter(|row| row[key].to_string().contains("cuda-10.0")).count();
    // It is there, it is offered to be removed, and no check holds it for a driver.
    assert!(plan.to_string().contains("remove-toolkit:/usr/local/cuda-10.0"), "{plan:#}");
    let host_driver = rows.iter().find(|row| row["id"] == "host-driver").unwrap();
    assert_eq!(host_driver["says"], "ok", "{host_driver:#}");
    assert_eq!(ids("evidence"), 0, "{rows:#?}");
    // A driver beside it is named, and it is not named with it.
    file(
        "var/lib/dpkg/status",
        "Package: nvidia-driver-418\nStatus: install ok installed\nVersion: 418.87.00-1\nArchitecture: amd64\n",
    );
    let plan: Value = serde_json::from_str(&place.run(args).stdout).unwrap();
    let rows = plan["preflight"].as_array().unwrap();
    let host_driver = rows.iter().find(|row| row["id"] == "host-driver").unwrap();
    let evidence = host_driver["evidence"].as_str().unwrap();
    assert!(evidence.contains("nvidia-driver-418") && !evidence.contains("10.0"), "{host_driver:#}");
}
