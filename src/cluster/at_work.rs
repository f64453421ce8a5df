//! Whose log is followed now: of the workloads whose logs tell, the first that has not done its work.

use super::{
    GpuStack,
    stack::Part,
    view::PodView,
    workload::{FollowedLog, StackSpec, Workload},
};

/// The log that is followed now.
#[derive(Debug, Clone)]
pub struct AtWork {
    /// Which log.
    pub log: &'static FollowedLog,
    /// Whose it is.
    pub workload: &'static Workload,
    /// The name of its DaemonSet: the real one, else the usual one.
    pub name: String,
    /// Its pod, in which the container that runs now matters; absent while there is none.
    pub pod: Option<PodView>,
    /// Whether nothing that is followed comes after it.
    pub is_last: bool,
    /// Whether the cluster says that it has done its work, or does it.
    pub works: bool,
}

impl GpuStack {
    /// Returns the log that is followed now. A workload that the cluster does not want on this node is passed over,
    /// because somebody else does its work; where all others are done, the last one is what counts. Nothing if no log
    /// tells.
    pub fn at_work(&self, spec: &'static StackSpec) -> Option<AtWork> {
        let parts: Vec<(&'static FollowedLog, &Part)> =
            spec.logs.iter().filter_map(|log| Some((log, self.part(log.role)?))).collect();
        let is_wanted = |part: &Part| part.pod.is_some() || part.set.as_ref().is_some_and(|set| set.desired > 0);
        let is_at_work = |(_, part): &(&FollowedLog, &Part)| is_wanted(part) && !part.works();
        let place = parts.iter().position(is_at_work).or(parts.len().checked_sub(1))?;
        let (log, part) = parts[place];
        Some(AtWork {
            log,
            workload: part.workload,
            name: part.name().to_owned(),
            pod: part.pod.as_ref().map(|pod| pod.at_work(log.containers)),
            is_last: place + 1 == parts.len(),
            // A program that runs on is ready before it has found a card.
            works: part.works() && (!log.phases.runs_on || self.offers_gpus()),
        })
    }

    fn offers_gpus(&self) -> bool {
        self.node.as_ref().and_then(|node| node.allocatable).is_some_and(|count| count > 0)
    }
}

#[cfg(test)]
mod tests {
    use crate::cluster::{
        kubespray,
        phases::UNKNOWN,
        stack::tests::recorded,
        workload::{FollowedLog, Role, StackSpec},
    };

    /// Kubespray's two workloads, one followed after the other.
    static BOTH: StackSpec = StackSpec {
        logs: &[
            FollowedLog { role: Role::Driver, containers: kubespray::INSTALLER.containers, phases: &UNKNOWN },
            FollowedLog { role: Role::DevicePlugin, containers: &["nvidia-gpu-device-plugin"], phases: &UNKNOWN },
        ],
        ..kubespray::STACK
    };

    fn at_work(moment: &str) -> (Role, bool, bool) {
        let now = recorded(moment).at_work(&BOTH).unwrap();
        (now.log.role, now.is_last, now.works)
    }

    #[test]
    fn what_is_not_done_is_followed_and_then_what_comes_after_it() {
        for moment in ["01-just-created", "02-init-running", "11-init-crashloop", "20-image-pull-backoff"] {
            assert_eq!(at_work(moment), (Role::Driver, false, false), "{moment}");
        }
        assert_eq!(at_work("41-testpod-after-capacity"), (Role::DevicePlugin, true, true));
    }

    #[test]
    fn a_pod_whose_containers_run_one_after_the_other_shows_the_one_that_runs() {
        let pod = |moment: &str| recorded(moment).pod(Role::Driver).unwrap().clone();
        let names = ["nvidia-driver-installer", "pause", "not-in-this-pod"];
        assert_eq!(pod("02-init-running").at_work(&names).container.name, "nvidia-driver-installer");
        assert_eq!(pod("11-init-crashloop").at_work(&names).container.name, "nvidia-driver-installer");
        let after = pod("05-running").at_work(&names);
        assert_eq!(after.container.name, "pause");
        assert!(after.others.iter().any(|container| container.name == "nvidia-driver-installer"));
        assert_eq!(pod("05-running").at_work(&["not-in-this-pod"]), pod("05-running"));
    }
}
