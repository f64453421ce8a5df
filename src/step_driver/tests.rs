//! The way through the steps on a simulated machine, without a face.

use super::*;
use crate::{
    host::{
        Host,
        replay::{self, Scenario, Speed},
    },
    session::Status,
};

/// The seed's machine, its session in a folder of the test's own.
struct World {
    host: Host,
    store: Store,
    session: Session,
    _folder: tempfile::TempDir,
}

impl World {
    fn seed() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host =
            replay::host(Scenario::built_in("seed").unwrap(), Some(folder.path().join("machine.yaml")), Speed(0.0))
                .unwrap();
        let store = Store::open(&folder.path().join("session.yaml")).unwrap();
        let mut session = Session::new(host.identity(), host.name(), host.clock.now());
        session.answers =
            host.simulation.as_ref().and_then(|simulation| serde_json::from_value(simulation.answers.clone()?).ok());
        session.facts = facts::probe_all(&host);
        Self { host, store, session, _folder: folder }
    }

    fn driver(&mut self) -> StepDriver<'_> {
        StepDriver { host: &self.host, store: &self.store, session: &mut self.session }
    }

    /// Plans a step and does it.
    fn through(&mut self, step: Step) -> Outcome {
        self.driver().plan(step).unwrap();
        self.driver().run(step, &Cancel::default(), None, &mut |_| {}).unwrap()
    }
}

#[test]
fn a_plan_that_was_begun_stays_although_the_facts_have_changed() {
    let mut world = World::seed();
    let before = world.driver().plan(Step::Driver).unwrap();
    assert!(before.iter().any(|action| action.name() == "remove-runfile-driver"), "{before:?}");
    // The driver is gone, as after the reboot: a fresh plan would not know of it.
    world.session.facts.driver = facts::DriverFacts::default();
    assert_eq!(world.driver().planned(Step::Driver).unwrap(), before);
    world.session.invalidate(&[Step::Driver]);
    assert_ne!(world.driver().planned(Step::Driver).unwrap(), before, "what was never begun is planned anew");
}

#[test]
fn the_forecast_is_kept_in_the_session_on_disk() {
    let mut world = World::seed();
    world.driver().plan(Step::Driver).unwrap();
    let forecast = world.driver().preflight(Lang::En).unwrap();
    assert!(!forecast.is_empty());
    assert_eq!(world.store.load().unwrap().unwrap().predictions.len(), forecast.len());
}

#[test]
fn a_run_looks_at_the_machine_again_and_a_boot_goes_on() {
    let mut world = World::seed();
    assert!(world.session.facts.driver.loaded_version.is_some());
    assert_eq!(world.through(Step::Driver), Outcome::RebootNeeded);
    reboot(&world.host, &world.store).unwrap();
    assert!(world.driver().settle_reboot().unwrap(), "the boot is journalled");
    assert!(!world.driver().settle_reboot().unwrap(), "and only once");
    assert_eq!(world.through(Step::Driver), Outcome::Done);
    assert_eq!(world.session.facts.driver.loaded_version, None, "the facts are of after the boot");
    assert!(world.session.journal.iter().all(|record| matches!(record.status, Status::Done | Status::AlreadyDone)));
    assert!(world.session.done.contains(&Step::Driver));
}

#[test]
fn a_stopped_run_is_stopped_and_goes_on_later() {
    let mut world = World::seed();
    world.driver().plan(Step::Driver).unwrap();
    let cancel = Cancel::default();
    cancel.cancel();
    let outcome = world.driver().run(Step::Driver, &cancel, None, &mut |_| {}).unwrap();
    assert!(matches!(outcome, Outcome::Cancelled | Outcome::RebootNeeded), "{outcome:?}");
    assert!(!world.session.done.contains(&Step::Driver));
}

#[test]
fn the_verdict_is_kept_for_the_report() {
    let mut world = World::seed();
    let verdict = world.driver().verdict().unwrap();
    assert_eq!(world.store.load().unwrap().unwrap().verdict, Some(verdict));
}

#[test]
fn the_facts_of_a_carried_session_stay_the_nodes() {
    let mut world = World::seed();
    world.session.machine = "another".to_owned();
    world.session.facts.host.hostname = "the-node".to_owned();
    world.session.replan(Step::Driver, Vec::new());
    world.driver().run(Step::Driver, &Cancel::default(), None, &mut |_| {}).unwrap();
    assert_eq!(world.session.facts.host.hostname, "the-node");
}
