//! A machine made from a scenario: the same seam, nothing real behind it.
//!
//! The scenario's files, command rules and NVML answers depend on flags; commands set and clear flags, a reboot has
//! rules of its own. What the machine became is kept in one state file beside the session, so that a demo can be killed
//! and resumed like a real node. Everything here touches memory and that one file, never this machine.

pub mod check;
mod commands;
mod derive;
pub mod failure;
mod files;
mod machine;
mod packages;
mod rule;
pub mod scenario;

use std::{path::PathBuf, sync::Arc, time::Duration};

pub use files::follow;
pub use machine::Machine;
pub use scenario::{Scenario, ScenarioError};

use super::{Cancel, Clock, Gpus, Host, NvmlAnswer, Simulation, Story, local::SystemClock};

/// How fast a simulated machine answers: 1 is real time, 0 at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed(pub f64);

impl Speed {
    /// Returns how long `duration` takes at this speed.
    pub fn scale(self, duration: Duration) -> Duration {
        if self.0 <= 0.0 { Duration::ZERO } else { super::clock::seconds(duration.as_secs_f64() / self.0.max(0.001)) }
    }
}

/// Makes the host of a scenario. Its state is read from and kept in `state`; without a path it lives in memory only.
pub fn host(scenario: Scenario, state: Option<PathBuf>, speed: Speed) -> Result<Host, ScenarioError> {
    let simulation = Simulation {
        scenario: scenario.name.clone(),
        recorded: scenario.recorded,
        answers: scenario.about.answers.clone(),
        story: Story::of(&scenario.about),
    };
    let machine = Arc::new(Machine::open(scenario, state)?);
    Ok(Host {
        files: Arc::new(files::ReplayFiles(Arc::clone(&machine))),
        commands: Arc::new(commands::ReplayCommands { machine: Arc::clone(&machine), speed }),
        gpus: Arc::new(ReplayGpus(machine)),
        clock: Arc::new(ReplayClock(speed)),
        simulation: Some(simulation),
    })
}

/// The shortest wait on a simulated machine.
const SHORTEST: Duration = Duration::from_millis(20);

impl Story {
    fn of(about: &scenario::About) -> Self {
        let scenario::About { title, lesson, hint, solved, stories, .. } = about.clone();
        Self { title, lesson, hint, solved, owners: stories }
    }
}

struct ReplayGpus(Arc<Machine>);

impl Gpus for ReplayGpus {
    fn query(&self, _deadline: Duration) -> NvmlAnswer {
        self.0.nvml()
    }
}

struct ReplayClock(Speed);

impl Clock for ReplayClock {
    fn now(&self) -> jiff::Timestamp {
        SystemClock.now()
    }

    fn sleep(&self, duration: Duration, cancel: &Cancel) -> bool {
        // Even the fastest machine must not make those who wait for it spin.
        SystemClock.sleep(self.0.scale(duration).max(duration.min(SHORTEST)), cancel)
    }
}
