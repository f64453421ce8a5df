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

/// Compares the answers of each kind. Every answer has to be named, once: a new one does not compile before somebody has
/// thought about it.
macro_rules! by_kind {
    ($before:ident, $after:ident; nothing: $($other:ident),+; $($kind:ident: $($answer:ident),+;)+) => {{
        let Answers { $($($answer,)+)+ $($other: _,)+ } = $after;
        [$(($(*$answer != $before.$answer)||+, Changed::$kind)),+]
    }};
}

/// Tells of each kind of answer whether one of it has changed. Of those that change nothing, some are compared above
/// (which actions are in the plan, which checks are passed over), the others only tell what is asked before it is done.
fn changes(before: &Answers, after: &Answers) -> [(bool, Changed); 6] {
    by_kind! { before, after;
        nothing: leave_out, take_in, despite, add_node, reboot;
        Owner: driver_owner;
        Cards: gpus;
        Toolkit: cuda_version, cuda_runfile, cuda_runfile_sha256, cuda_prefix, cuda_tmpdir, cuda_mirror, proxy;
        DriverVersion: driver_version, driver_source, driver_branch, local_repository, local_repository_sha256,
            repository_key, package_mirror, hold, enroll_key;
        Inventory: kubespray, inventory, node, gpu_nodes, run_playbooks, variables, chart_version, chart_repository,
            chart_file, chart_file_sha256, chart_values, image_mirror, operator_runtime;
        Verification: kubeconfig, test_image, test_image_file, cuda_sample, remove_taint;
    }
}
