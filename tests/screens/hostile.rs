//! Hostile text: whatever a host, a log, a package or an inventory calls itself, nothing of it reaches a terminal as a
//! command.

use std::fs;

use crate::support::{program::Place, terminal::Terminal};

/// Sets a title, clears the screen, hides and reorders text, and does it again with C1 controls.
const EVIL: &str = "x\u{1b}]0;pwned\u{7}\u{1b}[2J\u{9b}31m\u{202e}gnp.exe\u{200b}\u{85}y";

/// A machine all of whose names are hostile.
fn machine(place: &Place) -> String {
    // YAML takes control characters only as escapes.
    let quoted = |text: &str| {
        let escaped = |c: char| {
            if c.is_ascii_graphic() && !"\\\"".contains(c) || c == ' ' {
                c.to_string()
            } else {
                format!("\\u{:04x}", c as u32)
            }
        };
        format!("\"{}\"", text.chars().map(escaped).collect::<String>())
    };
    let checkout = "/opt/kubespray";
    let files = [
        ("/proc/sys/kernel/hostname".to_owned(), format!("{EVIL}\n")),
        ("/etc/hostname".to_owned(), format!("{EVIL}\n")),
        ("/etc/os-release".to_owned(), format!("ID=ubuntu\nVERSION_ID=\"22.04\"\nPRETTY_NAME=\"{EVIL}\"\n")),
        ("/proc/sys/kernel/osrelease".to_owned(), format!("5.15.0-{EVIL}\n")),
        ("/proc/modules".to_owned(), format!("nvidia 1 0 {EVIL}, Live 0x0\n")),
        (
            "/proc/driver/nvidia/version".to_owned(),
            format!("NVRM version: NVIDIA UNIX x86_64 Kernel Module  418.87.00  {EVIL}\n"),
        ),
        ("/var/lib/dkms/nvidia/1.0".to_owned() + EVIL + "/x", "x\n".to_owned()),
        ("/sys/bus/pci/devices/0000:18:00.0/vendor".to_owned(), "0x10de\n".to_owned()),
        ("/sys/bus/pci/devices/0000:18:00.0/device".to_owned(), "0x1db6\n".to_owned()),
        ("/sys/bus/pci/devices/0000:18:00.0/class".to_owned(), "0x030200\n".to_owned()),
        (format!("{checkout}/galaxy.yml"), "name: kubespray\nversion: 2.25.0\n".to_owned()),
        (format!("{checkout}/cluster.yml"), "- hosts: all\n".to_owned()),
        (
            format!("{checkout}/inventory/c/inventory.ini"),
            format!("[all]\nn1 note={EVIL}\n[kube_control_plane]\nn1\n[kube_node]\nn1\n"),
        ),
        (
            format!("{checkout}/inventory/c/group_vars/all/all.yml"),
            format!("nvidia_driver_version: {}\nnvidia_gpu_flavor: {}\n", quoted(EVIL), quoted(EVIL)),
        ),
    ];
    let mut text = "about:\n  title: {en: hostile}\nfiles:\n".to_owned();
    for (path, content) in files {
        text += &format!("  {}: {}\n", quoted(&path), quoted(&content));
    }
    place.write("hostile.yaml", &text).display().to_string()
}

/// Lines and printable characters only.
fn is_harmless(text: &str) -> bool {
    !text.chars().any(|c| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}')
    })
}

#[test]
fn nothing_hostile_is_printed() {
    let place = Place::new();
    let scenario = machine(&place);
    let log = place.path("evil.log");
    let lines = format!(
        "{EVIL}\nERROR: An NVIDIA kernel module '{EVIL}' appears to already be loaded in your kernel.\n{EVIL}\n"
    );
    fs::write(&log, lines).unwrap();
    let answers =
        place.write("a.yaml", "driver_owner: installer-pod\ncuda_version: none\nkubespray: /opt/kubespray\nnode: n1\n");
    let (log, answers) = (log.to_str().unwrap(), answers.to_str().unwrap());
    let commands: [&[&str]; 14] = [
        &["detect"],
        &["detect", "--json"],
        &["drivers"],
        &["vars", "--kubespray", "/opt/kubespray"],
        &["vars", "--json", "--kubespray", "/opt/kubespray"],
        &["plan", "--answers", answers],
        &["plan", "--json", "--answers", answers],
        &["apply", "--yes", "--answers", answers, "--until", "3"],
        &["status"],
        &["status", "--json"],
        &["report"],
        &["report", "--format", "md"],
        &["diagnose", log],
        &["tail", "--file", log],
    ];
    for args in commands {
        let ran = place.run(["--speed", "0", "--replay", &scenario].iter().chain(args));
        assert!(!ran.stdout.is_empty() || !ran.stderr.is_empty(), "{args:?} printed nothing");
        assert!(is_harmless(&ran.stdout), "{args:?}: {:?}", ran.stdout);
        assert!(is_harmless(&ran.stderr), "{args:?}: {:?}", ran.stderr);
    }
    let report = fs::read_to_string(place.session()).unwrap();
    assert!(is_harmless(&report), "the session file");
}

#[test]
fn nothing_hostile_reaches_the_full_screen() {
    let place = Place::new();
    let scenario = machine(&place);
    let mut screen =
        Terminal::start(&place.command(["--speed", "0", "--replay", &scenario]), 160, 50, "xterm-256color");
    screen.wait("V100");
    screen.keys("\r");
    screen.wait("Who owns the driver?");
    assert!(!screen.screen().contains("pwned"), "{}", screen.screen());
    let raw = String::from_utf8_lossy(&screen.raw()).into_owned();
    assert!(!raw.contains("\u{1b}]") && !raw.contains('\u{202e}') && !raw.contains('\u{9b}'), "{raw:?}");
}
