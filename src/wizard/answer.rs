//! Answers: what comes back from the effects, into the state.

use super::{
    App, Dialog, Screen, Slot, detect, driver,
    message::{Answer, Effect},
    plan, run, test_pod, verify, watch,
};
use crate::{
    facts::Facts,
    finding::Severity,
    plan::{Plan, Step},
};

/// Takes the answer to the order in `slot` in. An answer that does not belong to its order changes nothing.
pub(super) fn take(app: &mut App, slot: Slot, answer: Answer) {
    match answer {
        Answer::Watched { .. } => return watch::take(app, answer),
        Answer::MachineChanged
        | Answer::Engine(_)
        | Answer::TailLines(_)
        | Answer::TailPhases(_)
        | Answer::TailFollows(_)
        | Answer::TailState(_)
        | Answer::Diagnosed(_)
        | Answer::Recovered
        | Answer::ChainRows { .. }
        | Answer::ChainTrouble(_) => {}
        _ => app.finished(slot),
    }
    match (slot, answer) {
        (Slot::Probe, Answer::Probed { facts, changes, owners }) => {
            app.driver.propose(owners, &app.session, &mut app.answers);
            probed(app, *facts, changes);
        }
        (Slot::Fingerprint, Answer::MachineChanged) if !app.waits_for(Slot::Probe) => drop(app.order(Effect::Probe)),
        (Slot::Packages, Answer::PackagesAsked(facts)) => detect::take_offer(app, &facts),
        (Slot::Table, Answer::Table(Ok(table))) => driver::take_table(app, table),
        (Slot::Table, Answer::Table(Err(error))) => app.driver.error = Some(error),
        (Slot::Preview, Answer::Preview(Ok(preview))) => app.variables.take(*preview),
        (Slot::Preview, Answer::Preview(Err(error))) => app.variables.error = Some(error),
        (Slot::Plan, Answer::Planned(made)) => planned(app, made),
        (Slot::Preflight, Answer::Checked(checks)) => plan::checked(app, checks),
        (Slot::Run, Answer::Engine(event)) => app.run.take(event, app.settings.lang),
        (Slot::Run, Answer::RunEnded { outcome, session }) => run::ended(app, outcome, *session),
        (Slot::Reboot, Answer::Rebooted) => {
            run::rebooted(app);
            app.order(Effect::Probe);
        }
        (Slot::Node, Answer::TailLines(batch)) => verify::take_lines(app, &batch),
        (Slot::Node, Answer::TailPhases(phases)) => app.verify.phases = phases,
        (Slot::Node, Answer::TailFollows(title)) => app.verify.followed = title,
        (Slot::Node, Answer::TailState(text)) => app.verify.state = text,
        (Slot::Node, Answer::Recovered) => verify::recovered(app),
        (Slot::Node, Answer::ChainTrouble(error)) => app.verify.chain_error = Some(error),
        (_, Answer::Diagnosed(diagnosis)) => verify::diagnosed(app, diagnosis),
        (Slot::Node, Answer::ChainRows { rows, offers, failures }) => verify::take_chain(app, rows, offers, failures),
        (Slot::Remedy, Answer::Remedied(result)) => verify::remedied(app, result),
        (Slot::SaveLog, Answer::LogSaved(result)) => verify::log_saved(app, result),
        (Slot::TestPlan, Answer::TestPlanned(made)) => test_pod::planned(app, made),
        (Slot::TestPod, Answer::TestOutput(output)) => test_pod::ended(app, output),
        (Slot::Verify, Answer::Verified { rows, ok }) => verify::verified(app, rows, ok),
        (Slot::Save, Answer::Saved(at)) => app.saved = Some(Ok(at)),
        (Slot::Save, Answer::SaveFailed(error)) => app.saved = Some(Err(error)),
        (Slot::Report, Answer::ReportWritten(report)) => app.report = Some(report),
        (slot, Answer::Failed(error)) => failed(app, slot, error),
        _ => {}
    }
}

fn probed(app: &mut App, facts: Facts, changes: Vec<String>) {
    let is_again = app.detect.probed && app.screen == Screen::Detect;
    detect::take(app, facts);
    let host = &app.session.facts.host;
    let boot_id = host.boot_id.clone();
    let is_unasked = host.lacks_headers() && host.headers_offer.offered.is_none();
    if is_unasked || !app.session.facts.node.is_examined {
        app.order(Effect::AskPackages);
    }
    match &app.session.reboot {
        Some(reboot) if reboot.boot_id != boot_id => run::rebooted(app),
        Some(_) if app.dialog.is_none() && app.screen != Screen::Detect => app.open(Dialog::AskReboot),
        _ => {}
    }
    if app.screen == Screen::Plan {
        app.order(Effect::MakePlan { step: Step::Driver, answers: Box::new(app.answers.clone()) });
    }
    if is_again {
        detect::tell(app, changes);
    } else if !changes.is_empty() && app.dialog.is_none() {
        app.open(Dialog::Changes(changes));
    }
}

fn planned(app: &mut App, made: Result<Plan, String>) {
    let step = app.step();
    let error = match made {
        Ok(made) => {
            let selected = plan::rows(app).get(app.driver.action).map(|row| row.action.id.clone());
            app.set_actions(step, made.actions.into_iter().filter(|action| action.step == step).collect());
            let rows = plan::rows(app);
            let place = rows.iter().position(|row| Some(&row.action.id) == selected.as_ref());
            app.driver.action = place.unwrap_or(app.driver.action.min(rows.len().saturating_sub(1)));
            None
        }
        Err(error) => Some(error),
    };
    if step == Step::Variables {
        app.variables.plan_error = error;
    } else {
        app.driver.plan_error = error;
        plan::preflight(app);
    }
    if app.accepted_early && app.dialog.is_none() {
        let next = if step == Step::Variables { Screen::Verify } else { Screen::Variables };
        plan::confirm(app, next);
    }
}

fn failed(app: &mut App, slot: Slot, error: String) {
    match slot {
        Slot::Probe => {
            app.detect.error = Some(error);
            app.detect.probed = true;
            app.detect.asked = false;
        }
        // What the package manager offers stays unknown, as the facts say already; a machine that is not watched is
        // looked at by hand.
        Slot::Packages | Slot::Fingerprint => {}
        Slot::Table => app.driver.error = Some(error),
        Slot::Preview => app.variables.error = Some(error),
        Slot::Plan if app.step() == Step::Variables => app.variables.plan_error = Some(error),
        Slot::Plan => app.driver.plan_error = Some(error),
        Slot::Preflight => plan::checked(app, Err(error)),
        Slot::Run => run::broke(app, error),
        Slot::Node => app.verify.chain_error = Some(error),
        Slot::TestPlan => test_pod::refused(app, error),
        Slot::TestPod => test_pod::ended(app, Err(error)),
        Slot::Save => app.saved = Some(Err(error)),
        Slot::Report => app.report = Some(Err(error)),
        Slot::Reboot | Slot::Verify | Slot::Watch | Slot::Remedy | Slot::SaveLog => app.say(Severity::Error, error),
    }
}
