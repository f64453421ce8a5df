//! What is fuzzed: each target takes any bytes and demands what must hold for all of them. The fuzzers call these, and
//! an ordinary test runs them over the committed corpora.

#[path = "journey.rs"]
pub mod journey;

use std::{cell::Cell, path::Path};

use gpunode::{
    answers::Answers,
    cluster::{
        objects::{Node, Pod},
        phases, smi,
        tail::{line::Times, resume::Resume},
        watch,
    },
    diagnosis::Diagnosis,
    facts::parse,
    host::replay::scenario::Recording,
    kubespray::{
        edit::{self, Change},
        inventory::Inventory,
        yaml11,
    },
    session::store,
    text,
};

/// A target with its name, which is also its corpus' folder.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const ALL: [Target; 10] = [
    ("inventory", inventory),
    ("edit", edit),
    ("session", session),
    ("answers", answers),
    ("machine", machine),
    ("log", log),
    ("smi", smi),
    ("scenario", scenario),
    ("objects", objects),
    ("journey", journey::journey),
];

/// An inventory in either language never fails, and every host of it can be asked for its groups and values.
pub fn inventory(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for name in ["hosts.ini", "hosts.yaml", "hosts"] {
        let mut inventory = Inventory::empty();
        inventory.add_source(&text, Path::new(name));
        let hosts: Vec<String> = inventory.host_names().take(50).map(str::to_owned).collect();
        for host in hosts {
            let groups = inventory.groups_of(&host).len();
            assert!(groups > 0, "{host} is in no group");
            let _ = inventory.definitions(&host, &[]);
        }
    }
}

/// A vars file that is changed says what it said, and the change; a second time changes nothing; what cannot be changed
/// is refused.
pub fn edit(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let before = yaml11::parse_vars(&text);
    for change in [
        Change::new("nvidia_accelerator_enabled", true),
        Change::new("nvidia_driver_version", "450.51.06"),
        Change::new("nvidia_gpu_nodes", vec!["node1", "0000:18:00.0"]),
        Change::new(
            "runtimes",
            serde_json::json!([{"name": "kata"}, {"name": "nvidia", "options": {"BinaryName": "/a", "x": "true"}}]),
        ),
        Change::take_out("nvidia_gpu_nodes"),
        Change::take_out("runtimes"),
    ] {
        let Ok(after) = edit::set(&text, &change) else { continue };
        let read = yaml11::parse_vars(&after).expect("what was written can be read");
        let value = read.iter().rev().find(|entry| entry.key == change.variable).map(|entry| entry.value.value());
        assert_eq!(value, change.value, "{after}");
        for entry in before.iter().flatten().filter(|entry| entry.key != change.variable) {
            let kept = read.iter().find(|other| other.key == entry.key).map(|other| other.value.value());
            assert!(kept.is_some(), "{} was lost in {after}", entry.key);
        }
        assert_eq!(edit::set(&after, &change).as_deref(), Ok(after.as_str()), "writing twice changes nothing");
    }
}

/// A session is read or refused in one sentence, and one that is read comes back from its own text.
pub fn session(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Err(error) = store::parse(&text, Path::new("session.yaml")) {
        assert!(!error.to_string().contains(['\n', '\u{1b}']), "{error:?}");
    }
}

/// Answers are read or refused with their place.
pub fn answers(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Err(error) = Answers::parse(&text, "answers.yaml") {
        assert!(error.to_string().starts_with("answers.yaml"), "{error}");
        assert!(!error.to_string().contains(['\n', '\u{1b}']), "{error:?}");
    }
}

/// Whatever stands in the files of step 1, a parser makes facts of it that are fit to be shown.
pub fn machine(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for module in parse::parse_modules(&text) {
        assert!(is_shown(&module.name), "{module:?}");
    }
    let (version, _) = parse::parse_driver_version(&text);
    assert!(version.is_none_or(|version| is_shown(&version)));
    let id: String = text.chars().take(4).collect();
    assert!(parse::parse_pci_ids(&text, &id).is_none_or(|(_, name)| is_shown(&name)));
    let _ = (
        parse::parse_secure_boot(bytes),
        parse::parse_maps(bytes),
        parse::parse_os_release(&text),
        parse::parse_centos_release(&text),
    );
    let _ = (
        parse::parse_dpkg_status(&text),
        parse::parse_rpm_list(&text),
        parse::parse_installer_log(&text),
        parse::parse_pod_cache(&text),
    );
    let _ = (
        parse::parse_version_json(&text),
        parse::parse_daemon_json(&text),
        parse::parse_toml(&text, "driver"),
        parse::parse_memory(&text),
    );
    let _ = (
        parse::parse_apt_policy(&text),
        parse::parse_repoquery(&text),
        parse::parse_yum_list(&text),
        parse::parse_zypper(&text),
    );
    let _ = (
        parse::parse_unit(&text),
        parse::parse_pod(&text),
        parse::parse_parent(&text),
        parse::parse_command_line(&text),
    );
    let _ = (parse::parse_runtime(&text), parse::parse_libc_banner(bytes), parse::parse_effective_user(&text));
}

/// A log goes through the whole pipeline: times, resumption, printing, phases, signatures. Nothing of it reaches a
/// terminal as a command, and what is delivered again after a broken connection is told once.
pub fn log(bytes: &[u8]) {
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let mut diagnosis = Diagnosis::default();
    for line in &lines {
        let shown = text::printable_bytes(line);
        assert!(is_shown(&shown), "{shown:?}");
        let _ =
            (phases::INSTALLER_IMAGE.step(&shown), phases::INSTALLER_IMAGE.is_success(&shown), diagnosis.push(&shown));
    }
    let _ = diagnosis.finish();
    let mut times = Times::default();
    let parts: Vec<_> =
        lines.iter().map(|line| times.split(line).map_or((None, *line), |(at, text)| (Some(at), text))).collect();
    let mut resume = Resume::default();
    let delivered = Cell::new(0_usize);
    resume.begin();
    for (at, text) in &parts {
        resume.take(*at, text, &mut |_, _| delivered.set(delivered.get() + 1));
    }
    assert_eq!(delivered.get(), parts.len(), "a first stream is delivered whole");
}

/// The table of nvidia-smi is read, or not.
pub fn smi(bytes: &[u8]) {
    let _ = smi::parse(&String::from_utf8_lossy(bytes));
}

/// A recording is read or refused.
pub fn scenario(bytes: &[u8]) {
    let _ = Recording::parse("scenario.yaml", bytes);
}

/// What kubectl prints is read or becomes a named state.
pub fn objects(bytes: &[u8]) {
    let _ = (watch::change::<Pod>(bytes), watch::change::<Node>(bytes));
    let _ = serde_json::from_slice::<Pod>(bytes)
        .map(|pod| gpunode::cluster::view::PodView::of(&pod, &["nvidia-driver-installer"]));
}

fn is_shown(text: &str) -> bool {
    !text.chars().any(char::is_control)
}
