//! What the pre-flight of step 2 looks at for the installer pod: whatever would make it fail in step 4.

use super::InstallerPod;
use crate::{
    facts::{LedgerEntry, Origin, packages},
    i18n::msg,
    owner::clearing,
    plan::Effect,
    prediction::{
        CheckKind,
        Forecast::{Ok, Unknown, Warning, WillFail},
        Prediction,
    },
    preflight::{Request, conflicting_driver},
};

/// The action of step 4 that shows whether the installer pod came to its end.
const INSTALLER: &str = "watch-installer";

/// Runs all of them.
pub(super) fn all(request: Request<'_>) -> Vec<Prediction> {
    let conflict = conflicting_driver(request, INSTALLER);
    let always = [host_driver(request), conflict, secure_boot(request), headers(request)];
    driver_fits(request).into_iter().chain(always).chain(pod_repositories(request)).collect()
}

fn driver_fits(request: Request<'_>) -> Option<Prediction> {
    let version = request.answers.driver_version.as_ref()?;
    let row = request.table.drivers.iter().find(|row| row.version.as_str() == version.as_str())?;
    let why = row.reason.as_ref().map_or_else(msg::preflight::seen::fits, |reason| reason.0.clone());
    let says = if row.fits { Ok } else { WillFail };
    let prediction = Prediction::new(CheckKind::DriverFits, says, msg::preflight::seen::driver(version, why));
    Some(
        prediction
            .about(INSTALLER, &["legacy-gpu", "needs-open-module", "unsupported-gpu", "no-card-found", "download-404"]),
    )
}

/// A driver of the host, which the pod would find.
fn host_driver(request: Request<'_>) -> Prediction {
    let driver = &request.facts.driver;
    let clearing = clearing(&InstallerPod, driver);
    // A toolkit that goes with its driver is none that the pod would find.
    let is_driver = |entry: &&LedgerEntry| entry.origin == Origin::Runfile || packages::is_driver_package(entry);
    let on_host: Vec<_> = clearing.goes.iter().filter(is_driver).collect();
    let goes = on_host.iter().all(|entry| request.will(|effect| effect.removes(entry)));
    let loaded = driver.loaded_version.as_deref().filter(|_| clearing.unloads);
    let leaves = request.will(|effect| *effect == Effect::EmptiesKernel);
    let installed = on_host.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>().join(", ");
    let seen = match (loaded, on_host.is_empty()) {
        (None, true) => msg::preflight::seen::no_host_driver(),
        (Some(version), true) => msg::preflight::seen::only_loaded(version),
        (None, false) => msg::preflight::seen::installed(installed),
        (Some(version), false) => msg::preflight::seen::loaded_and_installed(version, installed),
    };
    let clean = goes && (loaded.is_none() || leaves);
    let seen = if clean && !on_host.is_empty() { msg::preflight::seen::goes_in_this_step(seen) } else { seen };
    Prediction::new(CheckKind::HostDriver, if clean { Ok } else { WillFail }, seen)
        .about(INSTALLER, &["module-loaded", "already-loaded-crash"])
}

fn secure_boot(request: Request<'_>) -> Prediction {
    let (says, seen) = match request.facts.host.secure_boot {
        Some(true) => (WillFail, msg::preflight::seen::secure_boot_on()),
        Some(false) => (Ok, msg::preflight::seen::secure_boot_off()),
        None if request.facts.unknown.contains_key("host.secure_boot") => {
            (Unknown, msg::preflight::seen::secure_boot_unknown())
        }
        None => (Ok, msg::preflight::seen::no_secure_boot()),
    };
    Prediction::new(CheckKind::SecureBoot, says, seen).about(INSTALLER, &["secure-boot"])
}

/// For the pod the headers of the host are advice: it installs its own, from the repositories of its image.
fn headers(request: Request<'_>) -> Prediction {
    let host = &request.facts.host;
    let offer = &host.headers_offer;
    let (says, seen) = match (host.kernel_headers, offer.offered) {
        (true, _) => (Ok, msg::preflight::seen::headers_installed(&host.kernel)),
        (false, Some(true)) => (Ok, msg::preflight::seen::headers_offered(offer.packages.join(", "))),
        (false, Some(false)) => (Warning, msg::preflight::seen::headers_not_offered(&host.kernel)),
        (false, None) => (Unknown, msg::preflight::seen::headers_missing(&host.kernel)),
    };
    Prediction::new(CheckKind::Headers, says, seen)
        .about(INSTALLER, &["headers-ubuntu", "headers-centos", "kernel-source"])
}

/// Kubespray's installer image for CentOS 7 takes kernel headers and compiler from repositories that were switched off
/// on 2024-06-30.
fn pod_repositories(request: Request<'_>) -> Option<Prediction> {
    let host = &request.facts.host;
    let is_seven = host.os_version.split('.').next() == Some("7") && matches!(host.os_id.as_str(), "centos" | "rhel");
    let seen = msg::preflight::seen::centos_mirrors_off(&host.os_name);
    is_seven.then(|| {
        Prediction::new(CheckKind::PodRepositories, Warning, seen)
            .about(INSTALLER, &["repo-eol", "headers-centos", "dns"])
    })
}
