//! The wizard's effects on a simulated machine.

use super::*;
use crate::{
    host::replay::{self, Scenario, Speed},
    i18n::Lang,
};

/// The seed's machine with its session in a folder of the test's own.
fn seed() -> (Perform, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let host = replay::host(Scenario::built_in("seed").unwrap(), Some(folder.path().join("machine.yaml")), Speed(0.0))
        .unwrap();
    let workspace = Workspace { host, lang: Lang::En, session_path: folder.path().join("session.yaml"), title: None };
    let (store, mut session) = workspace.session(false).unwrap();
    session.answers = workspace
        .host
        .simulation
        .as_ref()
        .and_then(|simulation| serde_json::from_value(simulation.answers.clone()?).ok());
    session.facts = facts::probe_all(&workspace.host);
    let perform = Perform {
        workspace,
        store,
        session: Mutex::new(session),
        running: Mutex::default(),
        draft: Mutex::default(),
        in_run: AtomicBool::default(),
        looked: AtomicBool::default(),
    };
    (perform, folder)
}

fn answers(perform: &Perform) -> Answers {
    perform.session().answers.clone().unwrap()
}

#[test]
fn a_probe_after_the_boot_settles_the_reboot() {
    let (perform, _folder) = seed();
    let answers = answers(&perform);
    let actions = perform.plan(Step::Driver, &answers).unwrap().actions;
    perform.session().replan(Step::Driver, actions);
    let outcome =
        perform.step_driver(&mut perform.session()).run(Step::Driver, &Cancel::default(), None, &mut |_| {}).unwrap();
    assert_eq!(outcome, crate::engine::Outcome::RebootNeeded);
    perform.probe();
    assert!(perform.session().reboot.is_some(), "a look without a boot settles nothing");
    assert_eq!(perform.reboot(), Answer::Rebooted);
    assert!(matches!(perform.probe(), Answer::Probed { .. }));
    assert_eq!(perform.session().reboot, None);
    assert_eq!(perform.store.load().unwrap().unwrap().reboot, None, "on disk too");
}

#[test]
fn a_save_during_a_run_waits_for_its_end_and_is_kept() {
    let (perform, _folder) = seed();
    let draft = Draft { step: Step::Variables, done: vec![Step::Detect], answers: None, plan: Plan::default() };
    let mut session = perform.session();
    perform.in_run.store(true, Ordering::SeqCst);
    // The run has the session: a save that waited for it would never come back.
    assert!(matches!(perform.save(draft), Answer::Saved(_)));
    assert_eq!(session.step, Step::Detect);
    perform.keep_draft(&mut session);
    assert_eq!(
        (session.step, session.answers.is_some()),
        (Step::Variables, true),
        "the run knows better what is done and answered"
    );
    assert_eq!(perform.store.load().unwrap().unwrap().step, Step::Variables);
}

#[test]
fn what_fails_is_an_answer() {
    let (perform, folder) = seed();
    let Answer::LogSaved(Err(error)) = perform.save_log(folder.path().join("no/such/folder/log"), "text") else {
        panic!()
    };
    assert!(error.contains("no/such/folder"), "{error}");
    let nowhere = Answers { kubespray: Some("/no/such/checkout".parse().unwrap()), ..answers(&perform) };
    assert!(perform.preview(&nowhere).is_err_and(|error| error.contains("/no/such/checkout")));
}

#[test]
fn the_plan_of_the_test_pod_neither_waits_nor_takes_the_taint_off() {
    let (perform, _folder) = seed();
    let wanted = Answers { remove_taint: true, ..answers(&perform) };
    let plan = perform.plan_test(&wanted).unwrap();
    let names: Vec<_> = plan.iter().map(Action::name).collect();
    assert!(
        names.contains(&"test-pod") && !names.iter().any(|name| matches!(*name, "remove-taint" | "watch-installer")),
        "{names:?}"
    );
}
