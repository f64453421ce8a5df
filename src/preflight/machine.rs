//! Checks of the machine that count for every owner: who uses what is to leave, and what the package manager will say.

use std::path::Path;

use super::Request;
use crate::{
    facts::{Facts, Holder},
    host::Host,
    i18n::msg,
    plan::{
        ActionSpec, Effect,
        action::remove_packages::{RemovePackages, Unrehearsed, check_id, in_a_line},
        conflicting_module,
    },
    prediction::{
        CheckKind, Evidence,
        Forecast::{self, Ok, Unknown, Warning, WillFail},
        Prediction,
    },
};

pub(super) fn checks(request: Request<'_>) -> Vec<Prediction> {
    let mut found = Vec::new();
    found.extend(holders(request));
    found.extend(removal(request));
    found.extend(repositories(request));
    found
}

/// Looks for the kernel's own driver on the card; `action` is the one that would fail with it.
pub fn conflicting_driver(request: Request<'_>, action: &str) -> Prediction {
    let (says, seen) = match conflicting_module(request.facts) {
        None => (Ok, msg::preflight::seen::no_rival()),
        Some(name) if request.will(|effect| *effect == Effect::BansConflictingDriver) => {
            (Ok, msg::preflight::seen::rival_goes(name))
        }
        // The card is another's: this one is only loaded beside it, and takes what is let go of.
        Some(name) if !has_card(request.facts, name) => (Warning, msg::preflight::seen::rival(name)),
        Some(name) => (WillFail, msg::preflight::seen::rival(name)),
    };
    Prediction::new(CheckKind::Nouveau, says, seen).about(action, &["nouveau", "nova"])
}

/// Tells whether a driver of the kernel's own has a card, or will have: one that no driver holds goes to it.
fn has_card(facts: &Facts, rival: &str) -> bool {
    facts.gpus.iter().any(|gpu| gpu.kernel_driver.as_deref().is_none_or(|driver| driver == rival))
}

/// Who uses the driver that is to leave.
fn holders(request: Request<'_>) -> Option<Prediction> {
    let driver = &request.facts.driver;
    if !request.will(|effect| *effect == Effect::RemovesDriver) {
        return None;
    }
    let stops = |holder: &&Holder| {
        let unit = holder.unit.as_deref().unwrap_or_default();
        !request.actions.iter().any(|action| matches!(&action.kind, ActionSpec::StopUnit(stop) if stop.unit == unit))
    };
    let left: Vec<String> = driver.holders.iter().filter(stops).map(name).collect();
    let hidden = request.facts.unknown.contains_key("driver.holders");
    let (says, seen): (Forecast, Evidence) = match (left.is_empty(), hidden) {
        (true, false) => (Ok, msg::preflight::seen::no_holders().into()),
        (true, true) => (Unknown, msg::preflight::seen::holders_hidden().into()),
        (false, _) => (Warning, left.join("; ").into()),
    };
    Some(Prediction::new(CheckKind::Holders, says, seen).about("unload-modules", &["module-in-use"]))
}

fn name(holder: &Holder) -> String {
    let place = holder.pod_name.as_ref().map(|pod| format!("pod {pod}")).or_else(|| holder.unit.clone());
    let place = place.map(|place| format!(" ({place})")).unwrap_or_default();
    format!("{} {}{place}", holder.pid, holder.command)
}

/// Rehearses the removal of packages with the package manager itself.
fn removal(request: Request<'_>) -> Vec<Prediction> {
    let rehearse = |action: &crate::plan::Action| {
        let ActionSpec::RemovePackages(remove) = &action.kind else { return None };
        let (says, seen) = rehearsed(remove, request.host);
        let prediction = Prediction::new(check_id(&action.id), says, seen);
        Some(prediction.about(&action.id, &["package-manager-busy", "packages-half-installed"]))
    };
    request.actions.iter().filter_map(rehearse).collect()
}

fn rehearsed(remove: &RemovePackages, host: &Host) -> (Forecast, Evidence) {
    let count = remove.packages.len();
    match remove.rehearse(host) {
        Result::Ok(also) if also.is_empty() && remove.along.is_empty() => {
            (Ok, msg::preflight::seen::packages_exactly(count).into())
        }
        Result::Ok(also) => {
            let along: Vec<_> = remove.along.iter().chain(&also).cloned().collect();
            (Ok, msg::preflight::seen::packages_too(in_a_line(&along)).into())
        }
        Err(Unrehearsed::NotRun(error)) if error.is_of_the_picture() => (Unknown, error.to_string().into()),
        Err(Unrehearsed::Others(others)) => {
            (WillFail, msg::preflight::seen::packages_of_others(in_a_line(&others)).into())
        }
        Err(Unrehearsed::Installs(names)) => {
            (WillFail, msg::preflight::seen::packages_installed(names.join(", ")).into())
        }
        Err(why) => (WillFail, why.to_string().into()),
    }
}

/// Repositories that answer nobody any more, when packages are to be installed from them.
fn repositories(request: Request<'_>) -> Option<Prediction> {
    const FOLDER: &str = "/etc/yum.repos.d";
    if !request.will_install_packages() {
        return None;
    }
    let files = &request.host.files;
    let names = files.list(Path::new(FOLDER)).unwrap_or_default();
    let dead = names.into_iter().filter(|name| Path::new(name).extension().is_some_and(|end| end == "repo")).find_map(
        |name| {
            let path = Path::new(FOLDER).join(name);
            let text = files.read_text(&path).ok()?;
            let line = text
                .lines()
                .map(str::trim)
                .find(|line| !line.starts_with('#') && line.contains("mirrorlist.centos.org"))?;
            Some(format!("{}: {}", path.display(), crate::text::printable(line)))
        },
    );
    let (says, seen): (Forecast, Evidence) =
        dead.map_or_else(|| (Ok, msg::preflight::seen::repositories_alive().into()), |seen| (WillFail, seen.into()));
    Some(Prediction::new(CheckKind::Repositories, says, seen).about("install-packages", &["repo-eol", "dns"]))
}
