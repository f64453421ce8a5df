//! Invalidate: which work no longer follows from the answers once one of them has changed.
//!
//! One table for all faces. What was done stays in the journal, with its undo; only the steps named here are planned
//! again.

use std::collections::BTreeSet;

use super::{Plan, Step, action::remove_packages::lets_others_go};
use crate::answers::Answers;

/// A kind of answer that has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// The driver's owner.
    Owner,
    /// The cards that are expected.
    Cards,
    /// The CUDA toolkit, its file, or how it is had.
    Toolkit,
    /// The driver, or where its packages come from and how they are kept.
    DriverVersion,
    /// The inventory, this machine's place in it, a variable, or whether the playbooks are run.
    Inventory,
    /// How step 4 reaches the cluster and tests it.
    Verification,
}

/// Returns the steps whose work rests on an answer that differs between `before` and `after`, in order. `reopens` says
/// which steps rest on which kind of answer; `plan` tells which step an action belongs to that was left out or taken
/// in.
pub fn invalidated(
    before: &Answers,
    after: &Answers,
    plan: &Plan,
    reopens: impl Fn(Changed) -> &'static [Step],
) -> Vec<Step> {
    let changed = changes(before, after).into_iter().filter(|(has_changed, _)| *has_changed);
    let mut steps: BTreeSet<Step> = changed.flat_map(|(_, kind)| reopens(kind)).copied().collect();
    let named =
        |leave_out: &[String], take_in: &[String]| leave_out.iter().chain(take_in).cloned().collect::<BTreeSet<_>>();
    let (old, new) = (named(&before.leave_out, &before.take_in), named(&after.leave_out, &after.take_in));
    for id in old.symmetric_difference(&new) {
        let step = plan.actions.iter().find(|action| action.id == *id).map_or(Step::Driver, |action| action.step);
        steps.insert(step);
    }
    // That others' packages may go changes the removal; passing over any other check changes nothing that is done.
    let removals =
        |despite: &[String]| despite.iter().filter(|id| lets_others_go(id)).cloned().collect::<BTreeSet<_>>();
    if removals(&after.despite) != removals(&before.despite) {
        steps.insert(Step::Driver);
    }
    steps.into_iter().collect()
}

/// Tells whether one of these answers is another one than before.
macro_rules! differs {
    ($before:ident, $($answer:ident),+) => { $(*$answer != $before.$answer)||+ };
}

/// Tells of each kind of answer whether one of it has changed.
fn changes(before: &Answers, after: &Answers) -> [(bool, Changed); 6] {
    // Every answer is named here: a new one does not compile before somebody has thought about it.
    let Answers {
        driver_owner,
        driver_version,
        driver_source,
        driver_branch,
        local_repository,
        local_repository_sha256,
        repository_key,
        package_mirror,
        hold,
        enroll_key,
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
        chart_version,
        chart_repository,
        chart_file,
        chart_file_sha256,
        chart_values,
        image_mirror,
        operator_runtime,
        kubeconfig,
        test_image,
        test_image_file,
        cuda_sample,
        // Which actions are in the plan, and which checks are passed over, is compared below.
        leave_out: _,
        take_in: _,
        despite: _,
        remove_taint,
        // What is asked before it is done changes nothing of what is done.
        add_node: _,
        reboot: _,
    } = after;
    let toolkit =
        differs!(before, cuda_version, cuda_runfile, cuda_runfile_sha256, cuda_prefix, cuda_tmpdir, cuda_mirror, proxy);
    let source =
        differs!(before, driver_source, driver_branch, local_repository, local_repository_sha256, repository_key);
    let packages = source || differs!(before, package_mirror, hold, enroll_key);
    let chart = differs!(before, chart_version, chart_repository, chart_file, chart_file_sha256, chart_values)
        || differs!(before, image_mirror, operator_runtime);
    let inventories = chart || differs!(before, kubespray, inventory, node, gpu_nodes, run_playbooks, variables);
    let verification = differs!(before, kubeconfig, test_image, test_image_file, cuda_sample, remove_taint);
    [
        (*driver_owner != before.driver_owner, Changed::Owner),
        (*gpus != before.gpus, Changed::Cards),
        (toolkit, Changed::Toolkit),
        (*driver_version != before.driver_version || packages, Changed::DriverVersion),
        (inventories, Changed::Inventory),
        (verification, Changed::Verification),
    ]
}
