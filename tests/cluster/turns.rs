//! The live tail where more than one pod tells, and where the program that is followed runs on: NVIDIA's device plugin
//! as it was recorded (Kubernetes 1.36, plugin 0.20.0, no driver), with the words of its log written by the test.

use std::{sync::mpsc::channel, thread, time::Duration};

use gpunode::{
    cluster::{
        device_plugin, kubespray,
        phases::{DEVICE_PLUGIN, INSTALLER_IMAGE, Phase, Said},
        tail::{self, Options, Outcome, TailEvent, Wait},
        workload::{FollowedLog, Role, StackSpec},
    },
    host::Cancel,
};
use serde_json::json;

use crate::support::apiserver::{ApiServer, terminated};

const MOMENT: &str = "1.36/80-nvidia-device-plugin-no-driver";
const PLUGIN: &str = "nvidia-device-plugin-daemonset-2qbrm";
const AT: &str = "2026-11-27T19:02:14Z";

/// Follows until the end, or until `enough` says so, and returns what was seen.
fn follow(
    server: &ApiServer,
    spec: &'static StackSpec,
    once: bool,
    mut enough: impl FnMut(&TailEvent) -> bool,
) -> Vec<TailEvent> {
    let (host, kubectl) = server.kubectl();
    let (sender, events) = channel();
    let cancel = Cancel::default();
    let follower = thread::spawn({
        let cancel = cancel.clone();
        move || {
            let options = Options { once, poll: Duration::from_millis(50) };
            tail::follow(&host, &kubectl, ("node1", spec), options, &cancel, &mut |event| drop(sender.send(event)));
        }
    });
    let mut seen = Vec::new();
    while let Ok(event) = events.recv_timeout(Duration::from_secs(30)) {
        if enough(&event) {
            cancel.cancel();
        }
        seen.push(event);
    }
    assert!(matches!(seen.last(), Some(TailEvent::Ended { .. })), "waited in vain; seen: {seen:#?}");
    follower.join().unwrap();
    seen
}

fn outcome(seen: &[TailEvent]) -> &Outcome {
    let Some(TailEvent::Ended { outcome }) = seen.last() else { panic!("{seen:?}") };
    outcome
}

fn said(seen: &[TailEvent]) -> Vec<Said> {
    seen.iter().filter_map(|event| if let TailEvent::Said(said) = event { Some(*said) } else { None }).collect()
}

fn turned(seen: &[TailEvent]) -> Vec<Role> {
    seen.iter()
        .filter_map(|event| if let TailEvent::Turned { workload, .. } = event { Some(workload.role) } else { None })
        .collect()
}

fn write(server: &ApiServer, pod: &str, log: &str) {
    log.lines().for_each(|line| server.write(pod, 0, AT, line));
}

/// `Running` and ready proves nothing: the plugin is so from its first second on.
#[test]
fn a_plugin_that_found_no_card_has_given_up_though_it_runs_and_is_ready() {
    let server = ApiServer::start(MOMENT);
    write(&server, PLUGIN, include_str!("../../tests/fixtures/logs/plugin-nvidia-no-driver.txt"));
    let seen = follow(&server, &device_plugin::STACK, true, |_| false);
    assert_eq!((outcome(&seen), said(&seen)), (&Outcome::GaveUp, vec![Said::GivesUp]));
    assert!(!seen.iter().any(|event| matches!(event, TailEvent::Phase(step) if step.phase == Phase::PluginServe)));
}

#[test]
fn a_plugin_that_registers_is_followed_to_that_line() {
    let server = ApiServer::start(MOMENT);
    let log = include_str!("../../tests/fixtures/logs/plugin-nvidia-ok.txt");
    write(&server, PLUGIN, log);
    let seen = follow(&server, &device_plugin::STACK, true, |_| false);
    assert_eq!((outcome(&seen), said(&seen)), (&Outcome::Works, vec![Said::Works]));
    let mut phases: Vec<_> = seen
        .iter()
        .filter_map(|event| if let TailEvent::Phase(step) = event { Some(step.phase) } else { None })
        .collect();
    phases.dedup();
    assert_eq!(phases, Phase::PLUGIN);
}

/// The line was rotated away long ago, and the kubelet offers the cards: that is proof enough, at once.
#[test]
fn a_plugin_whose_first_lines_are_gone_works_if_the_kubelet_offers_its_cards() {
    let server = ApiServer::start(MOMENT);
    server.write(PLUGIN, 0, AT, "I1127 20:00:00.000000 1 health.go:1] something of later");
    server.change(|state| state.node["status"]["allocatable"]["nvidia.com/gpu"] = json!("8"));
    let seen = follow(&server, &device_plugin::STACK, true, |_| false);
    assert_eq!(outcome(&seen), &Outcome::Works);
}

/// Whoever watches, and does not only wait, goes on reading: what breaks later is told too.
#[test]
fn a_watched_plugin_is_followed_after_it_has_registered() {
    let server = ApiServer::start(MOMENT);
    write(&server, PLUGIN, include_str!("../../tests/fixtures/logs/plugin-nvidia-ok.txt"));
    let later = "E1127 21:00:00.000000 1 health.go:200] XidCriticalError: Xid=79 on Device=GPU-0";
    let seen = follow(&server, &device_plugin::STACK, false, |event| {
        if *event == TailEvent::Said(Said::Works) {
            write(&server, PLUGIN, later);
        }
        matches!(event, TailEvent::Lines(lines) if lines.iter().any(|line| line == later))
    });
    assert_eq!((outcome(&seen), said(&seen)), (&Outcome::Cancelled, vec![Said::Works]));
}

#[test]
fn a_plugin_that_is_not_there_is_waited_for_by_its_name() {
    let server = ApiServer::start(MOMENT);
    server.change(|state| (state.pods, state.daemonsets) = (Vec::new(), Vec::new()));
    let waits = |event: &TailEvent| matches!(event, TailEvent::Waiting { why: Wait::NoPod { .. } });
    let seen = follow(&server, &device_plugin::STACK, false, waits);
    let name = "nvidia-device-plugin-daemonset".to_owned();
    assert!(seen.contains(&TailEvent::Waiting { why: Wait::NoPod { name } }));
}

/// Kubespray's two DaemonSets, both followed: the one log is read to its end before the other begins.
static BOTH: StackSpec = StackSpec {
    logs: &[
        FollowedLog { role: Role::Driver, containers: kubespray::INSTALLER.containers, phases: &INSTALLER_IMAGE },
        FollowedLog { role: Role::DevicePlugin, containers: &["nvidia-gpu-device-plugin"], phases: &DEVICE_PLUGIN },
    ],
    ..kubespray::STACK
};

#[test]
fn when_the_first_is_done_the_next_is_followed() {
    let server = ApiServer::start("02-init-running");
    let (installer, plugin) = (server.state().installer_name(), "nvidia-gpu-device-plugin-hdq47");
    write(&server, &installer, "one\ntwo");
    write(&server, plugin, "device-plugin started\nRegistered device plugin for 'nvidia.com/gpu' with Kubelet");
    let seen = follow(&server, &BOTH, true, |event| {
        if matches!(event, TailEvent::Lines(lines) if lines.contains(&"two".to_owned())) {
            server.write(&installer, 0, AT, "three");
            server.change(|state| {
                state.log(&installer, 0).ended = true;
                state.container(0, terminated(0), json!({}));
            });
        }
        false
    });
    assert_eq!((outcome(&seen), turned(&seen)), (&Outcome::Works, vec![Role::Driver, Role::DevicePlugin]));
    let lines: Vec<&str> = seen
        .iter()
        .filter_map(|event| if let TailEvent::Lines(lines) = event { Some(lines) } else { None })
        .flatten()
        .map(String::as_str)
        .collect();
    let registered = "Registered device plugin for 'nvidia.com/gpu' with Kubelet";
    assert_eq!(lines, ["one", "two", "three", "device-plugin started", registered]);
}
