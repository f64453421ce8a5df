//! Failures as people and real installers reported them, and what must be said of each.

use super::*;

/// What a case must say: its hits, and words that the texts must and must not hold.
struct Case {
    log: &'static str,
    hits: &'static [(&'static str, u64)],
    says: &'static [&'static str],
    silent_about: &'static [&'static str],
}

const fn case(log: &'static str, hits: &'static [(&'static str, u64)], says: &'static [&'static str]) -> Case {
    Case { log, hits, says, silent_about: &[] }
}

const CNI: &[&str] = &["network", "CNI", "/etc/cni"];

const CASES: &[Case] = &[
    Case {
        silent_about: CNI,
        ..case(
            "01-sandbox-no-nvidia-runtime/events.log",
            &[("runtime-handler-missing", 5)],
            &["called nvidia", "containerd_additional_runtimes", "nvidia-ctk runtime configure"],
        )
    },
    Case {
        silent_about: CNI,
        ..case(
            "03-sandbox-pause-image/events.log",
            &[("pause-image", 1)],
            &["registry.k8s.io/pause:3.9", "pod_infra_image_repo"],
        )
    },
    case("04-container-cli-requirement/events.log", &[("container-cli-requirement", 2)], &["CUDA 12.8", "step 2"]),
    case(
        "06-container-cli-ldcache-and-mount/ldcache.log",
        &[("container-cli-ldcache", 1)],
        &["ldconfig = \"@/sbin/ldconfig\""],
    ),
    case(
        "06-container-cli-ldcache-and-mount/mount.log",
        &[("container-cli-mount", 1)],
        &["image itself", "libnvidia-ml.so.1"],
    ),
    case(
        "07-device-plugin-incompatible-platform/plugin.log",
        &[("plugin-incompatible", 5)],
        &["runtimeClassName nvidia", "nvidia-smi on the node"],
    ),
    case(
        "09-nvrm-not-supported-wrapped/dmesg.log",
        &[("vgpu-guest", 2)],
        &["NVIDIA A40 (10de:2235)", "550.90.07", "guest", "GRID"],
    ),
    case(
        "11-nvrm-bar-zero/dmesg.log",
        &[("pci-bar", 2)],
        &["0000:14:00.0", "Above 4G", "64bitMMIOSizeGB", "OVMF", "pci=realloc"],
    ),
    case("12-xid-lines/xid79.log", &[("xid-bus", 2)], &["0000:a1:00", "fallen off the bus", "node"]),
    case("12-xid-lines/xid48.log", &[("xid-memory", 1), ("xid-memory", 2)], &["0000:9c:00", "ECC", "replaced"]),
    case("12-xid-lines/xid119.log", &[("xid-gsp", 1)], &["0002:00:00", "GSP", "newer release"]),
    Case {
        silent_about: &["replace"],
        ..case("12-xid-lines/xid13.log", &[("xid-application", 1)], &["0000:cb:00", "program"])
    },
    Case {
        silent_about: &["open modules"],
        ..case("12-xid-lines/gsp.log", &[("gsp-init", 2)], &["0000:98:00.0", "off completely", "another release"])
    },
    case("13-seed-error-behind-a-prefix/prefixed.log", &[("module-loaded", 2)], &["module nvidia is already loaded"]),
    case("15-benign-compiler-warning/built-fine.log", &[], &[]),
    Case {
        silent_about: &["install the compiler"],
        ..case(
            "15-benign-compiler-warning/real-error-below.log",
            &[("build-error", 4)],
            &["newer driver", "older kernel", "sys_close"],
        )
    },
    case(
        "17-driver-container-kernel-not-resolved/driver.log",
        &[("kernel-not-resolved", 5)],
        &["3.10.0-862.el7.x86_64", "vault"],
    ),
    case("18-driver-in-use-and-repo-key/in-use.log", &[("driver-in-use", 3)], &["drain the node and reboot"]),
    case("18-driver-in-use-and-repo-key/key.log", &[("repo-key", 2)], &["imagePullPolicy Always", "cuda-keyring"]),
    case(
        "18-driver-in-use-and-repo-key/dkms.log",
        &[("dkms-build", 2)],
        &["/var/lib/dkms/nvidia/470.86/build/make.log", "5.13.18-custom"],
    ),
    case("18-driver-in-use-and-repo-key/no-python.log", &[("build-tool-missing", 2)], &["python3", "newer image"]),
    case(
        "19-nvml-unknown-error/pod.log",
        &[("container-lost-card", 1)],
        &["daemon-reload", "Delete the pod", "/dev/char", "CDI"],
    ),
    Case {
        silent_about: &["Delete the pod", "2m"],
        ..case("21-admission-lost-card/events.log", &[("gpu-lost", 1)], &["Card 3", "Xid 79", "cordon"])
    },
    case("23-pending-other-taint/events.log", &[("pending-taint", 1)], &["taint gpu,", "toleration for gpu"]),
];

#[test]
fn the_public_cases_are_diagnosed_rightly() {
    for case in CASES {
        let log = fixture(&format!("cases/{}", case.log));
        let report = Diagnosis::over(&log);
        let found: Vec<_> = report.hits.iter().map(|hit| (hit.signature.as_str(), hit.line_number.unwrap())).collect();
        assert_eq!(found, case.hits, "{}", case.log);
        let texts: String = report
            .hits
            .iter()
            .map(|hit| format!("{} {} {}\n", hit.cause(Lang::En), hit.remedy(Lang::En), hit.remedy(Lang::Ko)))
            .collect();
        for words in case.says {
            assert!(texts.contains(words), "{}: no `{words}` in {texts}", case.log);
        }
        for words in case.silent_about {
            assert!(!texts.contains(words), "{}: `{words}` in {texts}", case.log);
        }
        assert!(!texts.contains('{'), "{}: a value is missing in {texts}", case.log);
    }
}

/// What NVIDIA's real installers wrote (tests/fixtures/real-drivers, README there), with the one thing that is wrong in
/// each.
const REAL_LOGS: [(&str, &[&str]); 34] = [
    ("cuda-installer.12.1.driver-failed.log", &["driver-component-failed"]),
    ("dkms-make.550-open.linux-6.12.117.pci_resize_resource.log", &["build-error"]),
    ("makeself-no-space.txt", &["unpack-no-space"]),
    ("makeself-no-space2.txt", &["extraction-failed"]),
    ("nvidia-installer.470.bad-source-path.log", &["kernel-source-path"]),
    ("nvidia-installer.470.build-and-load.log", &[]),
    ("nvidia-installer.470.dkms.log", &[]),
    ("nvidia-installer.470.kernel-6.12-too-new-for-470.log", &["build-error"]),
    ("nvidia-installer.470.no-cc.log", &["no-compiler"]),
    ("nvidia-installer.470.no-headers.log", &["kernel-source"]),
    ("nvidia-installer.470.no-libc-headers.log", &["libc-headers"]),
    ("nvidia-installer.470.no-make.log", &["no-compiler"]),
    ("nvidia-installer.470.not-root.stderr", &["must-be-root"]),
    ("nvidia-installer.470.nouveau-disable.log", &["nouveau"]),
    ("nvidia-installer.470.nouveau.log", &["nouveau"]),
    ("nvidia-installer.470.trixie-alternate.log", &["alternate-installation"]),
    ("nvidia-installer.470.trixie-preinstall.log", &["pre-install-script"]),
    ("nvidia-installer.530.30.02.x-server.log", &["x-server-runs"]),
    ("nvidia-installer.580.alternate.log", &["alternate-installation"]),
    ("nvidia-installer.580.bad-source-path.log", &["kernel-source-path"]),
    ("nvidia-installer.580.no-cc.log", &["no-compiler"]),
    ("nvidia-installer.580.no-headers.log", &["kernel-source"]),
    ("nvidia-installer.580.no-libc-headers.log", &["libc-headers"]),
    ("nvidia-installer.580.no-make.log", &["no-compiler"]),
    ("nvidia-installer.580.no-space.log", &["installer-unfinished"]),
    ("nvidia-installer.580.nouveau-disable.log", &["nouveau"]),
    ("nvidia-installer.580.nouveau.log", &["nouveau"]),
    ("nvidia-installer.580.preinstall-fails.log", &["kernel-source"]),
    ("nvidia-installer.580.read-only.log", &["read-only-file-system"]),
    ("nvidia-uninstall.470.altered.log", &["uninstall-altered"]),
    ("nvidia-uninstall.470.no-backup-log.log", &["uninstall-no-record"]),
    ("runfile.12.1.1.small-tmp.txt", &["extraction-failed"]),
    ("runfile.12.1.toolkit-only-success.stdout", &[]),
    ("runfile.8.0.61.corrupt.txt", &["download-corrupt"]),
];

#[test]
fn the_real_installers_logs_are_diagnosed_rightly() {
    let mut wrong = Vec::new();
    for (log, wanted) in REAL_LOGS {
        let text = fixture(&format!("real-drivers/{log}"));
        wrong.push((log, ids(&text), wanted.to_vec()));
        wrong.push((log, ids_line_by_line(&text, 5), wanted.to_vec()));
    }
    wrong.retain(|(_, found, wanted)| found != wanted);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What a real GPU Operator, Helm and containerd said (tests/fixtures/gpu-operator, README there): a success hits
/// nothing.
const RECORDED: [(&str, &[&str]); 18] = [
    ("runtime-A.txt", &["runtime-class-missing"]),
    ("runtime-B.events.txt", &["runtime-handler-missing"]),
    ("runtime-C.events.txt", &[]),
    ("runtime-D.events.txt", &["runtime-binary-missing"]),
    ("runtime-E.events.txt", &[]),
    ("runtime-F.events.txt", &[]),
    ("runtime-G.events.txt", &[]),
    ("runtime-H.events.txt", &[]),
    ("runtime-I.events.txt", &["runtime-binary-missing"]),
    ("runtime-J.events.txt", &["runtime-config"]),
    ("operator-a1.log", &["operator-no-nfd", "operator-no-gpu-node"]),
    ("operator-b1.log", &["operator-not-ready"]),
    ("operator-g2.log", &[]),
    ("operator-i1.log", &["operator-no-policy"]),
    ("h-after-kill.txt", &["helm-busy"]),
    ("h-release-secrets.txt", &[]),
    ("h-rollback.txt", &[]),
    ("i-uninstall.txt", &["helm-hook"]),
];

#[test]
fn the_recorded_operator_is_diagnosed_rightly() {
    let mut wrong = Vec::new();
    for (log, wanted) in RECORDED {
        let text = fixture(&format!("gpu-operator/{log}"));
        wrong.push((log, ids(&text), wanted.to_vec()));
        wrong.push((log, ids_line_by_line(&text, 3), wanted.to_vec()));
    }
    wrong.retain(|(_, found, wanted)| found != wanted);
    assert!(wrong.is_empty(), "{wrong:#?}");
}
