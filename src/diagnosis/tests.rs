//! The signatures over excerpts, whole logs, the public cases, and the logs of NVIDIA's real installers.

mod recorded;

use std::{collections::HashSet, fs, path::Path};

use regex::Regex;
use regex_syntax::hir::{Hir, HirKind};

use super::*;
use crate::i18n::Lang;

fn ids(text: &str) -> Vec<String> {
    Diagnosis::over(text).hits.into_iter().map(|hit| hit.signature.to_string()).collect()
}

/// What a face sees that takes one line after the other.
fn ids_line_by_line(text: &str, size: usize) -> Vec<String> {
    let mut diagnosis = Diagnosis::default();
    let mut told: Vec<SignatureId> = Vec::new();
    for lines in text.lines().collect::<Vec<_>>().chunks(size) {
        for (_, event) in diagnosis.read(lines) {
            match event {
                Event::Hit(hit) => told.push(hit.signature),
                Event::TakenBack(over) => told.retain(|id| !over.contains(id)),
            }
        }
    }
    told.extend(diagnosis.finish().map(|hit| hit.signature));
    told.iter().map(ToString::to_string).collect()
}

fn fixture(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(path);
    String::from_utf8_lossy(&fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))).into_owned()
}

fn failures() -> BTreeMap<String, Vec<String>> {
    let mut failures: BTreeMap<String, Vec<String>> = serde_yaml::from_str(&fixture("logs/failures.yaml")).unwrap();
    for (id, more) in other_wordings().into_iter().filter(|(id, _)| id != "none") {
        failures.entry(id).or_default().extend(more);
    }
    failures
}

fn other_wordings() -> BTreeMap<String, Vec<String>> {
    serde_yaml::from_str(&fixture("logs/other-wordings.yaml")).unwrap()
}

#[test]
fn what_only_sounds_like_a_failure_hits_nothing() {
    for log in &other_wordings()["none"] {
        assert_eq!(ids(log), [] as [&str; 0], "{log}");
    }
}

#[test]
fn each_failure_hits_exactly_its_signature() {
    let failures = failures();
    let mut wrong = Vec::new();
    for signature in table().list() {
        let excerpts =
            failures.get(signature.id.as_str()).unwrap_or_else(|| panic!("no log excerpt for {}", signature.id));
        assert!(!excerpts.is_empty() || !signature.sources.contains(&Source::Log), "{}", signature.id);
        wrong.extend(excerpts.iter().map(|excerpt| (signature.id.as_str(), ids(excerpt), excerpt)));
    }
    wrong.retain(|(id, found, _)| found != &[*id]);
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(failures.keys().all(|id| table().signature(&id.as_str().into()).is_some()));
}

/// The same failures in the middle of a real log, which is also cut into batches, and behind prefixes.
#[test]
fn each_failure_hits_exactly_its_signature_in_a_whole_log() {
    let before = fixture("logs/installer-begins.txt");
    let mut wrong = Vec::new();
    for (id, excerpts) in failures() {
        for excerpt in excerpts {
            let log = format!("{before}{excerpt}\n+ exit 1\n");
            wrong.push((id.clone(), ids(&log), log.clone()));
            wrong.extend([1, 2, 3, 7].map(|size| (id.clone(), ids_line_by_line(&log, size), log.clone())));
        }
    }
    wrong.retain(|(id, found, _)| found != std::slice::from_ref(id));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_prefix_hides_a_failure() {
    let prefixes = [
        "[pod/nvidia-driver-installer-abcde/nvidia-driver-installer] ",
        "2026-11-23T20:59:06.100000000Z stderr F ",
        "[pod/a/b] 2026-11-23T20:59:06.1Z ",
        "Nov 27 17:29:49 node1 nvidia-installer[812]: ",
        "│ ",
        "> ",
        "weird~prefix) ",
        "nvidia-driver-installer-abcde nvidia-driver-installer ",
        "\u{1b}[31m",
    ];
    let mut wrong = Vec::new();
    for (id, excerpts) in failures() {
        for (excerpt, prefix) in
            excerpts.iter().flat_map(|excerpt| prefixes.iter().map(move |prefix| (excerpt, prefix)))
        {
            let log: String = excerpt.lines().map(|line| format!("{prefix}{line}\n")).collect();
            wrong.push((id.clone(), ids(&log), log));
        }
    }
    wrong.retain(|(id, found, _)| found != std::slice::from_ref(id));
    assert!(wrong.is_empty(), "{} {wrong:#?}", wrong.len());
}

/// Whatever says that it failed is told, also when nobody knows it.
#[test]
fn what_says_that_it_failed_is_never_passed_over() {
    for log in [
        "Reading package lists...\nE: Unable to correct problems\nE: Sub-process /usr/bin/dpkg returned an error code (1)\n",
        "+ modprobe nvidia\nsome-tool: fatal: the flux capacitor is empty\n",
        "panic: runtime error: index out of range\n",
        "Traceback (most recent call last):\n  File \"x.py\", line 1\n",
        "time=\"2026-11-27T10:00:00Z\" level=fatal msg=\"cannot start\"\n",
        "{\"level\":\"error\",\"ts\":1795805961.9,\"logger\":\"setup\",\"msg\":\"unable to start manager\"}\n",
        "  Warning  FailedQuux  2m  kubelet  the quux is gone\n",
        "ERROR: Installation has failed.  Please see the file '/var/log/nvidia-installer.log' for details.\n",
        "The installation failed\n",
        "./install.sh: line 3: frobnicate: command not found\n",
    ] {
        let report = Diagnosis::over(log);
        assert_eq!(
            report.hits.iter().map(|hit| hit.signature.as_str()).collect::<Vec<_>>(),
            ["unknown-failure"],
            "{log}"
        );
        assert!(!report.hits[0].cause(Lang::En).contains('{'));
    }
    let hit = Diagnosis::over("one\ntwo\nthree\nfour\nERROR: the quux is gone\n").hits.remove(0);
    assert_eq!((hit.context.join(" "), hit.args["words"].as_str()), ("two three four".to_owned(), "the quux is gone"));
}

#[test]
fn a_fallback_is_told_only_when_nothing_more_telling_is() {
    let fallback = "ERROR: Unable to load the kernel module 'nvidia.ko'.  This happens most frequently when\n";
    let cause =
        "insmod: ERROR: could not insert module /usr/local/nvidia/drivers/nvidia.ko: Required key not available\n";
    assert_eq!(ids(fallback), ["load-failed"]);
    assert_eq!(ids(&format!("{fallback}{cause}")), ["secure-boot"]);
    assert_eq!(ids(&format!("{cause}{fallback}")), ["secure-boot"]);
    let mut diagnosis = Diagnosis::default();
    assert_eq!(diagnosis.push(fallback), None);
    assert_eq!(diagnosis.finish().unwrap().signature, "load-failed");
    assert_eq!(diagnosis.finish(), None, "another attempt begins with nothing");
}

/// Of several general ones the more special one is told, whichever comes first.
#[test]
fn the_best_fallback_is_told() {
    let make = "make: *** [Makefile:80: modules] Error 2\n";
    let end = "ERROR: Installation has failed.  Please see the file\n";
    assert_eq!(ids(&format!("{make}{end}")), ["build-error"]);
    assert_eq!(ids(&format!("{end}{make}")), ["build-error"]);
}

#[test]
fn a_later_success_takes_an_earlier_hit_back() {
    let asked = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n";
    let done = "-> Installation of the NVIDIA Accelerated Graphics Driver for Linux-x86_64 (version: 550.54.15) is now complete.\n";
    let early = "Failed to initialize NVML: Driver/library version mismatch\n";
    assert_eq!(ids(&format!("{asked}{done}")), [] as [&str; 0]);
    assert_eq!(ids(&format!("{early}{done}")), [] as [&str; 0]);
    assert_eq!(ids_line_by_line(&format!("{early}{done}"), 3), [] as [&str; 0]);
    assert_eq!(ids(&format!("{done}{early}")), ["nvml-mismatch"]);
    let full = "write: No space left on device\n";
    assert_eq!(ids(&format!("{full}{done}")), ["no-space"], "an installer does not prove the disk");
    let registered =
        "I1127 10:00:00.000001       1 server.go:125] Registered device plugin for 'nvidia.com/gpu' with Kubelet\n";
    assert_eq!(
        ids(&format!("2022/12/19 07:04:53 Could not register device plugin: context deadline exceeded\n{registered}")),
        [] as [&str; 0]
    );
}

#[test]
fn a_good_log_hits_nothing() {
    let noise = "WARNING: nvidia-installer was forced to guess the X library path '/usr/lib'\n\
                 WARNING: The nvidia-drm module will not be installed. As a result, DRM-KMS will not\nfunction with this installation\n\
                 WARNING: Unable to find a suitable destination to install 32-bit compatibility\nlibraries.\n\
                 node1 : ok=12   changed=3    unreachable=0    failed=0    skipped=7\n\
                 [    0.5] ACPI Error: Needed type [Reference], found [Integer]\n\
                 [    0.6] platform regulatory.0: Direct firmware load for regulatory.db failed with error -2\n\
                 {\"level\":\"info\",\"msg\":\"Node states:\",\"upgrade-failed\":0}\n\
                 ***WARNING: Incomplete installation! This installation did not install the CUDA Driver.\n";
    for log in ["logs/logs-ok.txt", "logs/logs-ok-timestamps.txt", "logs/installer-begins.txt", "logs/plugin-ok.txt"] {
        assert_eq!(ids(&fixture(log)), [] as [&str; 0], "{log}");
    }
    assert_eq!(ids(noise), [] as [&str; 0]);
}

#[test]
fn a_hit_says_where_and_joins_the_lines() {
    let log = "Running Nvidia installer...\n\
               ERROR: An NVIDIA kernel module 'nvidia-uvm' appears to already be loaded in\n       your kernel.  This may be\n";
    let hit = Diagnosis::over(log).hits.remove(0);
    assert_eq!(hit.line_number, Some(2));
    assert!(hit.line.contains("appears to already be loaded in your kernel"), "{}", hit.line);
    assert_eq!(hit.args["module"], "nvidia-uvm");
    assert_eq!(hit.remedy_kind(), Remedy::DriverStep);
    let json = serde_json::to_value(&hit).unwrap();
    assert!(json["cause"].as_str().unwrap().contains("nvidia-uvm"));
    assert_eq!(json["remedy_kind"], "driver-step");
    assert_eq!(serde_json::from_value::<Hit>(json).unwrap(), hit);
}

/// Sessions of earlier versions name remedies that are none any more; one of a later version may name a signature that
/// is new.
#[test]
fn hits_of_other_versions_are_read() {
    let old = "signature: module-loaded\nline_number: 3\nline: x\ncause: c\nremedy: r\nargs: {module: nvidia}\nremedy_kind: !action remove-host-driver\n";
    let hit: Hit = serde_yaml::from_str(old).unwrap();
    assert_eq!(hit.remedy_kind(), Remedy::DriverStep);
    let new: Hit = serde_yaml::from_str("signature: of-tomorrow\nline_number: null\nline: x\n").unwrap();
    assert_eq!(new.remedy_kind(), Remedy::Instruction);
}

#[test]
fn one_failure_is_told_once_in_an_attempt() {
    let line = "Failed to initialize NVML: Driver/library version mismatch\n";
    assert_eq!(ids(&format!("{line}{line}")).len(), 1);
    assert_eq!(ids(&format!("{line}{}{line}", "x\n".repeat(20))).len(), 1);
    let xid = |card: &str| format!("NVRM: Xid (PCI:0000:{card}:00): 79, pid=1, name=x, GPU has fallen off the bus.\n");
    assert_eq!(ids(&format!("{}{}{}", xid("a1"), xid("b1"), xid("a1"))), ["xid-bus", "xid-bus"], "each card");
    let mut diagnosis = Diagnosis::default();
    assert!(diagnosis.push(line).is_some() && diagnosis.push(line).is_none());
    diagnosis.finish();
    assert!(diagnosis.push(line).is_some(), "another attempt");
}

/// An action asks for one failure, whatever else its log shows.
#[test]
fn one_signature_can_be_asked_for() {
    let line = "[INFO]: Executing NVIDIA-Linux-x86_64-450.51.06.run --ui=none";
    assert!(shown_by(&"driver-step-ran".into(), line).unwrap().contains("450.51.06"));
    assert_eq!(shown_by(&"module-loaded".into(), line), None);
}

#[test]
fn the_recorded_failure_is_known() {
    assert_eq!(ids(&fixture("logs/logs-loaded.txt")), ["module-loaded"]);
}

#[test]
fn control_characters_never_get_through() {
    let hit = Diagnosis::over("\u{1b}[31mNo devices were found\u{1b}[0m\u{7}").hits.remove(0);
    assert_eq!(hit.line, "No devices were found");
}

/// However much is told in a log, memory is bounded.
#[test]
fn a_flood_of_failures_is_bounded() {
    let log: String = (0..3000).map(|card| format!("NVRM: Xid (PCI:{card:04x}:00:00): 79, pid=1\n")).collect();
    assert!(ids(&log).len() <= 1001);
}

#[test]
fn every_failure_mode_of_the_domain_notes_has_a_signature() {
    let modes = "module-loaded already-loaded-crash headers-ubuntu headers-centos repo-eol dns download-404 download-corrupt kernel-source \
                 cc-mismatch build-error nouveau secure-boot load-failed unknown-symbol unsupported-gpu needs-open-module nvml-mismatch \
                 gpu-handle overlay-aufs image-true image-pull no-pods no-daemonsets test-pod-pending test-image-gone";
    for mode in modes.split(' ') {
        assert!(table().signature(&mode.into()).is_some(), "{mode}");
    }
}

#[test]
fn the_table_is_sound() {
    let ids: HashSet<_> = table().list().iter().map(|signature| &signature.id).collect();
    assert_eq!(ids.len(), table().list().len(), "an id is used twice");
    assert!(ids.len() > 100);
    assert!(table().list().iter().all(|signature| !signature.source.is_empty() && !signature.sources.is_empty()));
    for pattern in table().patterns() {
        assert!(pattern.regex().is_some(), "{} does not compile", pattern.text());
    }
}

#[test]
fn every_signature_has_its_texts_and_fills_their_arguments() {
    let argument = Regex::new(r"\{([a-z_]+)\}").unwrap();
    for (index, signature) in table().list().iter().enumerate() {
        let looked_up: &[&str] = match signature.refine {
            Some(Refine::Card) => &["card", "drivers"],
            Some(Refine::Taints) => &["taint"],
            Some(Refine::Xid | Refine::Compilers) | None => &[],
        };
        let names: HashSet<_> = table().names(index).chain(looked_up.iter().copied()).collect();
        // A vGPU is told by what an unsupported card names.
        let names = if signature.id == "vgpu-guest" { HashSet::from(["card", "driver"]) } else { names };
        for lang in [Lang::En, Lang::Ko] {
            for part in ["cause", "remedy"] {
                let key = format!("signature.{}.{part}", signature.id);
                assert!(lang.has(&key), "{key}");
                for found in argument.captures_iter(&lang.text(&key, &[])) {
                    assert!(names.contains(&found[1]), "{key} wants {}", &found[1]);
                }
            }
        }
    }
}

/// A line without a needle is never looked at: whatever a pattern matches must hold one, in one word.
#[test]
fn every_pattern_holds_a_needle() {
    let needles = table().words();
    assert!(needles.len() <= 128, "a bit each");
    assert!(needles.iter().all(|needle| needle.len() >= 4 && !needle.contains([' ', '\\'])));
    let bare: Vec<_> = table()
        .patterns()
        .map(table::Pattern::text)
        .filter(|pattern| !holds(&regex_syntax::parse(pattern).unwrap(), needles))
        .collect();
    assert!(bare.is_empty(), "{bare:#?}");
    let unused: Vec<_> = needles
        .iter()
        .filter(|needle| !table().patterns().any(|pattern| pattern.text().contains(needle.as_str())))
        .collect();
    assert!(unused.is_empty(), "{unused:?}");
}

fn holds(hir: &Hir, needles: &[String]) -> bool {
    match hir.kind() {
        HirKind::Literal(literal) => {
            needles.iter().any(|needle| String::from_utf8_lossy(&literal.0).contains(needle.as_str()))
        }
        HirKind::Capture(capture) => holds(&capture.sub, needles),
        HirKind::Concat(parts) => parts.iter().any(|part| holds(part, needles)),
        HirKind::Alternation(parts) => parts.iter().all(|part| holds(part, needles)),
        HirKind::Repetition(repetition) => repetition.min > 0 && holds(&repetition.sub, needles),
        HirKind::Empty | HirKind::Class(_) | HirKind::Look(_) => false,
    }
}
