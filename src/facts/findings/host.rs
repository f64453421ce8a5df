//! The machine around the cards.

use super::{
    super::{Unknown, kernel, pci},
    Facts,
};
use crate::{
    facts::HostFacts,
    finding::{
        Finding,
        Severity::{Error, Info, Warning},
    },
    i18n::msg,
};

const EFI_VARS: &str = "/sys/firmware/efi/efivars";

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let container = facts.host.container.as_ref().map(|sign| Finding::of(msg::finding::container(), Warning, sign));
    container
        .into_iter()
        .chain(architecture(&facts.host))
        .chain(secure_boot(facts))
        .chain(headers(&facts.host))
        .chain(not_known(facts))
        .collect()
}

/// What is chosen for an architecture that could not be learned is chosen for `x86_64`. A machine of which nothing is
/// known is none.
fn architecture(host: &HostFacts) -> Option<Finding> {
    let is_known = !host.architecture.is_empty() || host.kernel.is_empty();
    (!is_known).then(|| {
        Finding::of(
            msg::finding::architecture_not_known(),
            Warning,
            "/proc/sys/kernel/arch, /lib64/ld-linux-x86-64.so.2",
        )
    })
}

/// With Secure Boot on, a module without a signature is refused; whether the key of a signed one is enrolled, only the
/// kernel can tell.
fn secure_boot(facts: &Facts) -> Option<Finding> {
    if facts.host.secure_boot != Some(true) {
        return None;
    }
    Some(match facts.driver.unsigned_modules.as_slice() {
        [] => Finding::of(msg::finding::secure_boot_on(), Warning, EFI_VARS),
        unsigned => Finding::of(msg::finding::unsigned_modules(unsigned.len().to_string()), Error, unsigned.join(", ")),
    })
}

/// Headers for the running kernel that are not installed: with what the package manager says, where it was asked.
fn headers(host: &HostFacts) -> Option<Finding> {
    if !host.lacks_headers() {
        return None;
    }
    let offer = &host.headers_offer;
    let places = kernel::header_places(&host.kernel).join(", ");
    let evidence = offer.asked.clone().unwrap_or(places);
    let packages = if offer.missing.is_empty() { &offer.packages } else { &offer.missing }.join(" ");
    let (text, severity) = match offer.offered {
        None => (msg::finding::no_kernel_headers(&host.kernel), Warning),
        // What is one command away keeps nothing from working.
        Some(true) => (msg::finding::kernel_headers_offered(&host.kernel, packages), Info),
        Some(false) => (msg::finding::kernel_headers_not_offered(&host.kernel, packages), Warning),
    };
    Some(Finding::of(text, severity, evidence))
}

/// One line for what root could learn, one for the rest; the reasons are in [`Facts::unknown`].
fn not_known(facts: &Facts) -> Vec<Finding> {
    let names = |for_root: bool| {
        let needs_root =
            |reason: &Unknown| !facts.host.root && matches!(reason.id.as_str(), "not-allowed" | "processes-hidden");
        let chosen = facts.unknown.iter().filter(|(name, reason)| *name != pci::FACT && needs_root(reason) == for_root);
        chosen.map(|(name, _)| name.as_str()).collect::<Vec<_>>()
    };
    let finding = |text, names: Vec<&str>| (!names.is_empty()).then(|| Finding::of(text, Info, names.join(", ")));
    let (roots, others) = (names(true), names(false));
    let need_root = finding(msg::finding::facts_need_root(roots.len()), roots);
    need_root.into_iter().chain(finding(msg::finding::facts_not_known(others.len()), others)).collect()
}
