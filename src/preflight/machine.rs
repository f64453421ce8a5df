//! Checks of the machine: what is in the way of the driver's owner, and of the package manager.

use std::path::Path;

use super::Request;
use crate::{
    answers::DriverOwner,
    catalog::Reason,
    facts::{Holder, Origin, packages},
    host::Host,
    i18n::msg,
    plan::{
        ActionSpec,
        action::remove_packages::{RemovePackages, Unrehearsed, check_id, in_a_line},
        rival,
    },
    session::{
        Evidence, Prediction,
        Says::{self, Ok, Unknown, WillFail},
    },
};

/// The action of step 4 that shows whether the installer pod came to its end.
const INSTALLER: &str = "watch-installer";

pub(super) fn checks(request: Request<'_>) -> Vec<Prediction> {
    let for_pod = request.answers.driver_owner == DriverOwner::InstallerPod;
    let mut found = Vec::new();
    if for_pod {
        found.extend(driver_fits(request));
        found.push(host_driver(request));
        found.push(rival_driver(request));
        found.push(secure_boot(request));
        found.push(headers(request));
        found.extend(pod_repositories(request));
    }
    found.extend(holders(request));
    found.extend(removal(request));
    found.extend(repositories(request));
    found
}

fn driver_fits(request: Request<'_>) -> Option<Prediction> {
    let version = request.answers.driver_version.as_ref()?;
    let row = request.table.drivers.iter().find(|row| row.version.as_str() == version.as_str())?;
    let why = row.reason.as_ref().map_or_else(msg::preflight::seen::fits, Reason::message);
    let says = if row.fits { Ok } else { WillFail };
    let prediction = Prediction::new("driver-fits", says, msg::preflight::seen::driver(version, why));
    Some(prediction.about(INSTALLER, &["legacy-gpu", "needs-open-module", "unsupported-gpu", "download-404"]).stopping())
}

/// A driver of the host, which the pod would find.
fn host_driver(request: Request<'_>) -> Prediction {
    let driver = &request.facts.driver;
    let on_host: Vec<_> = driver
        .ledger
        .iter()
        .filter(|entry| entry.origin == Origin::Runfile || packages::is_driver_package(entry))
        .map(|entry| entry.what.as_str())
        .collect();
    let by_pod = driver.ledger.iter().any(|entry| entry.origin == Origin::InstallerPod);
    let loaded = driver.loaded_version.as_deref().filter(|_| !by_pod);
    let goes = ["remove-runfile-driver", "remove-packages", "remove-dkms"].iter().any(|name| request.will_do(name));
    let leaves = request.will_do("unload-modules") || request.will_do("reboot");
    let installed = on_host.join(", ");
    let seen = match (loaded, on_host.is_empty()) {
        (None, true) => msg::preflight::seen::no_host_driver(),
        (Some(version), true) => msg::preflight::seen::only_loaded(version),
        (None, false) => msg::preflight::seen::installed(installed),
        (Some(version), false) => msg::preflight::seen::loaded_and_installed(version, installed),
    };
    let clean = (on_host.is_empty() || goes) && (loaded.is_none() || leaves);
    let seen = if clean && goes { msg::preflight::seen::goes_in_this_step(seen) } else { seen };
    Prediction::new("host-driver", if clean { Ok } else { WillFail }, seen).about(INSTALLER, &["module-loaded", "already-loaded-crash"])
}

/// The kernel's own driver on the card.
fn rival_driver(request: Request<'_>) -> Prediction {
    let (says, seen) = match rival(request.facts) {
        None => (Ok, msg::preflight::seen::no_rival()),
        Some(name) if request.will_do("blacklist-nouveau") => (Ok, msg::preflight::seen::rival_goes(name)),
        Some(name) => (WillFail, msg::preflight::seen::rival(name)),
    };
    Prediction::new("nouveau", says, seen).about(INSTALLER, &["nouveau", "nova"])
}

fn secure_boot(request: Request<'_>) -> Prediction {
    let (says, seen) = match request.facts.host.secure_boot {
        Some(true) => (WillFail, msg::preflight::seen::secure_boot_on()),
        Some(false) => (Ok, msg::preflight::seen::secure_boot_off()),
        None if request.facts.unknown.contains_key("host.secure_boot") => (Unknown, msg::preflight::seen::secure_boot_unknown()),
        None => (Ok, msg::preflight::seen::no_secure_boot()),
    };
    Prediction::new("secure-boot", says, seen).about(INSTALLER, &["secure-boot"])
}

/// For the pod the headers of the host are advice: it installs its own, from the repositories of its image.
fn headers(request: Request<'_>) -> Prediction {
    let host = &request.facts.host;
    let offer = &host.headers_offer;
    let (says, seen) = match (host.kernel_headers, offer.offered) {
        (true, _) => (Ok, msg::preflight::seen::headers_installed(&host.kernel)),
        (false, Some(true)) => (Ok, msg::preflight::seen::headers_offered(offer.packages.join(", "))),
        (false, Some(false)) => (Unknown, msg::preflight::seen::headers_not_offered(&host.kernel)),
        (false, None) => (Unknown, msg::preflight::seen::headers_missing(&host.kernel)),
    };
    Prediction::new("headers", says, seen).about(INSTALLER, &["headers-ubuntu", "headers-centos", "kernel-source"])
}

/// Kubespray's installer image for CentOS 7 takes kernel headers and compiler from repositories that were switched off on 2024-06-30.
fn pod_repositories(request: Request<'_>) -> Option<Prediction> {
    let host = &request.facts.host;
    let is_seven = host.os_version.split('.').next() == Some("7") && matches!(host.os_id.as_str(), "centos" | "rhel");
    let seen = msg::preflight::seen::centos_mirrors_off(&host.os_name);
    is_seven.then(|| Prediction::new("pod-repositories", Unknown, seen).about(INSTALLER, &["repo-eol", "headers-centos", "dns"]))
}

/// Who uses the driver that is to leave.
fn holders(request: Request<'_>) -> Option<Prediction> {
    let driver = &request.facts.driver;
    let leaves = request.will_do("remove-runfile-driver") || request.will_do("remove-packages");
    if !leaves {
        return None;
    }
    let stops = |holder: &&Holder| {
        let unit = holder.unit.as_deref().unwrap_or_default();
        !request.actions.iter().any(|action| matches!(&action.kind, ActionSpec::StopUnit(stop) if stop.unit == unit))
    };
    let left: Vec<String> = driver.holders.iter().filter(stops).map(name).collect();
    let hidden = request.facts.unknown.contains_key("driver.holders");
    let (says, seen): (Says, Evidence) = match (left.is_empty(), hidden) {
        (true, false) => (Ok, msg::preflight::seen::no_holders().into()),
        (true, true) => (Unknown, msg::preflight::seen::holders_hidden().into()),
        (false, _) => (Unknown, left.join("; ").into()),
    };
    Some(Prediction::new("holders", says, seen).about("unload-modules", &["module-in-use"]))
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
        Some(prediction.about(&action.id, &["package-manager-busy", "packages-half-installed"]).stopping())
    };
    request.actions.iter().filter_map(rehearse).collect()
}

fn rehearsed(remove: &RemovePackages, host: &Host) -> (Says, Evidence) {
    let count = remove.packages.len();
    match remove.rehearse(host) {
        Result::Ok(also) if also.is_empty() && remove.along.is_empty() => (Ok, msg::preflight::seen::packages_exactly(count).into()),
        Result::Ok(also) => {
            let along: Vec<_> = remove.along.iter().chain(&also).cloned().collect();
            (Ok, msg::preflight::seen::packages_too(in_a_line(&along)).into())
        }
        Err(Unrehearsed::NotRun(error)) if error.is_of_the_picture() => (Unknown, error.to_string().into()),
        Err(Unrehearsed::Others(others)) => (WillFail, msg::preflight::seen::packages_of_others(in_a_line(&others)).into()),
        Err(Unrehearsed::Installs(names)) => (WillFail, msg::preflight::seen::packages_installed(names.join(", ")).into()),
        Err(why) => (WillFail, why.to_string().into()),
    }
}

/// Repositories that answer nobody any more, when packages are to be installed from them.
fn repositories(request: Request<'_>) -> Option<Prediction> {
    const FOLDER: &str = "/etc/yum.repos.d";
    if !request.will_do("install-packages") {
        return None;
    }
    let files = &request.host.files;
    let names = files.list(Path::new(FOLDER)).unwrap_or_default();
    let dead = names.into_iter().filter(|name| Path::new(name).extension().is_some_and(|end| end == "repo")).find_map(|name| {
        let path = Path::new(FOLDER).join(name);
        let text = files.read_text(&path).ok()?;
        let line = text.lines().map(str::trim).find(|line| !line.starts_with('#') && line.contains("mirrorlist.centos.org"))?;
        Some(format!("{}: {}", path.display(), crate::text::printable(line)))
    });
    let (says, seen): (Says, Evidence) =
        dead.map_or_else(|| (Ok, msg::preflight::seen::repositories_alive().into()), |seen| (WillFail, seen.into()));
    Some(Prediction::new("repositories", says, seen).about("install-packages", &["repo-eol", "dns"]).stopping())
}
