//! Invalidate: which work no longer follows from the answers once one of them has changed.
//!
//! One table for all faces. What was done stays in the journal, with its undo; only the steps named here are planned again.

use std::collections::BTreeSet;

use super::{Plan, Step};
use crate::answers::Answers;

/// Returns the steps whose work rests on an answer that differs between `before` and `after`, in order. `plan` tells which step an
/// action belongs to that was left out or taken in.
pub fn invalidated(before: &Answers, after: &Answers, plan: &Plan) -> Vec<Step> {
    // Every answer is named here: a new one does not compile before somebody has thought about it.
    let Answers {
        driver_owner,
        driver_version,
        cuda_version,
        cuda_runfile,
        cuda_runfile_sha256,
        cuda_prefix,
        cuda_tmpdir,
        cuda_mirror,
        proxy,
        gpus,
        kubespray,
        inventory,
        node,
        gpu_nodes,
        run_playbooks,
        variables,
        kubeconfig,
        test_image,
        test_image_file,
        cuda_sample,
        leave_out,
        take_in,
        // Whether a check may be passed over changes nothing that is done.
        despite: _,
        remove_taint,
        reboot: _,
    } = after;
    let toolkit = *cuda_version != before.cuda_version
        || *cuda_runfile != before.cuda_runfile
        || *cuda_runfile_sha256 != before.cuda_runfile_sha256
        || *cuda_prefix != before.cuda_prefix
        || *cuda_tmpdir != before.cuda_tmpdir
        || *cuda_mirror != before.cuda_mirror
        || *proxy != before.proxy;
    let inventories = *kubespray != before.kubespray
        || *inventory != before.inventory
        || *node != before.node
        || *gpu_nodes != before.gpu_nodes
        || *run_playbooks != before.run_playbooks
        || *variables != before.variables;
    let changes: [(bool, &[Step]); 7] = [
        (*driver_owner != before.driver_owner || *gpus != before.gpus, &[Step::Driver, Step::Variables, Step::Verify]),
        // The host gets the toolkit, the pod gets the driver: each changes its own step.
        (toolkit, &[Step::Driver]),
        (*driver_version != before.driver_version, &[Step::Variables, Step::Verify]),
        (inventories, &[Step::Variables, Step::Verify]),
        (*kubeconfig != before.kubeconfig || *test_image != before.test_image, &[Step::Verify]),
        (*remove_taint != before.remove_taint, &[Step::Verify]),
        (*test_image_file != before.test_image_file || *cuda_sample != before.cuda_sample, &[Step::Verify]),
    ];
    let mut steps: BTreeSet<Step> = changes.iter().filter(|(changed, _)| *changed).flat_map(|(_, steps)| *steps).copied().collect();
    let named = |leave_out: &[String], take_in: &[String]| leave_out.iter().chain(take_in).cloned().collect::<BTreeSet<_>>();
    let (old, new) = (named(&before.leave_out, &before.take_in), named(leave_out, take_in));
    for id in old.symmetric_difference(&new) {
        let step = plan.actions.iter().find(|action| action.id == *id).map_or(Step::Driver, |action| action.step);
        steps.insert(step);
    }
    steps.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::DriverOwner;

    fn changed(change: impl FnOnce(&mut Answers)) -> Vec<u8> {
        let before = Answers::new(DriverOwner::InstallerPod);
        let mut after = before.clone();
        change(&mut after);
        invalidated(&before, &after, &Plan::default()).into_iter().map(Step::number).collect()
    }

    #[test]
    fn each_answer_invalidates_exactly_what_rests_on_it() {
        assert!(changed(|_| {}).is_empty());
        assert_eq!(changed(|answers| answers.driver_owner = DriverOwner::Host), [2, 3, 4]);
        assert_eq!(changed(|answers| answers.gpus = Some(vec!["10de:1db6".to_owned()])), [2, 3, 4]);
        assert_eq!(changed(|answers| answers.driver_version = "450.51.06".parse().ok()), [3, 4]);
        assert_eq!(changed(|answers| answers.cuda_version = "11.0.3".to_owned().try_into().ok()), [2]);
        assert_eq!(changed(|answers| answers.cuda_prefix = Some("/opt/cuda".into())), [2]);
        assert_eq!(changed(|answers| answers.node = Some("node2".to_owned())), [3, 4]);
        assert_eq!(changed(|answers| answers.run_playbooks = false), [3, 4]);
        assert_eq!(changed(|answers| answers.test_image = Some("x".to_owned())), [4]);
        assert_eq!(changed(|answers| answers.leave_out = vec!["remove-packages".to_owned()]), [2]);
        assert!(changed(|answers| answers.reboot = crate::answers::Reboot::Now).is_empty());
    }
}
