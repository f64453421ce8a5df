//! The facts as plain aligned text for a terminal: `gpunode detect`.

use std::fmt::Write;

use super::{Facts, Gpu, Holder, HostFacts, ModuleKind};
use crate::{
    catalog::CatalogMatch,
    finding::Severity,
    host::NvmlAnswer,
    i18n::{Lang, msg},
    text::{printable, width},
};

/// Returns the report, lines ended by `\n`. All that came from the machine is safe for a terminal.
pub fn report(facts: &Facts, lang: Lang) -> String {
    let mut out = String::new();
    section(&mut out, &msg::detect::gpus().text(lang), &gpu_rows(facts, lang));
    section(&mut out, &msg::detect::driver().text(lang), &driver_rows(facts, lang));
    section(&mut out, &msg::detect::host().text(lang), &host_rows(facts, lang));
    findings(&mut out, facts, lang);
    let unknown: Vec<_> = facts.unknown.iter().map(|(name, reason)| (name.clone(), reason.text(lang))).collect();
    section(&mut out, &msg::detect::unknown().text(lang), &unknown);
    out
}

type Row = (String, String);

/// Writes a heading and its rows, values aligned; nothing if there is no row.
fn section(out: &mut String, title: &str, rows: &[Row]) {
    if rows.is_empty() {
        return;
    }
    if !out.is_empty() {
        out.push('\n');
    }
    let _ = writeln!(out, "{title}");
    let column = rows.iter().map(|(label, _)| width(label)).max().unwrap_or(0);
    for (label, value) in rows {
        let fill = " ".repeat(column - width(label));
        let _ = writeln!(out, "{}", printable(&format!("  {label}{fill}  {value}")).trim_end());
    }
}

fn gpu_rows(facts: &Facts, lang: Lang) -> Vec<Row> {
    if facts.gpus.is_empty() {
        return vec![(msg::detect::none().text(lang), String::new())];
    }
    let mut rows: Vec<Row> = facts.gpus.iter().flat_map(|gpu| one_gpu(gpu, lang)).collect();
    if !facts.nvswitches.is_empty() {
        rows.push(("NVSwitch".to_owned(), facts.nvswitches.join("  ")));
    }
    rows
}

fn one_gpu(gpu: &Gpu, lang: Lang) -> Vec<Row> {
    let id = format!("[10de:{}]", gpu.device_id);
    let architecture = gpu.architecture_name();
    let first = [gpu.name.as_str(), &id, gpu.chip.as_str(), &architecture];
    let mut parts: Vec<_> = first.iter().filter(|part| !part.is_empty()).map(|part| (*part).to_owned()).collect();
    if !gpu.compute_capability.is_empty() {
        parts.push(msg::detect::compute(&gpu.compute_capability).text(lang));
    }
    let none = msg::detect::no_kernel_driver().text(lang);
    parts.push(msg::detect::kernel_driver(gpu.kernel_driver.as_deref().unwrap_or(&none)).text(lang));
    if gpu.catalog == CatalogMatch::Guess {
        let source = gpu.guessed_from.as_deref().unwrap_or("-");
        parts.push(msg::detect::guess(source).text(lang));
    }
    let mut rows = vec![(gpu.pci_address.clone(), parts.join("  "))];
    if let Some(nvml) = &gpu.nvml {
        let mut parts = vec![nvml.uuid.clone()];
        parts.extend(nvml.memory_mib.map(|mib| format!("{mib} MiB")));
        parts.extend(nvml.temperature_c.map(|degrees| format!("{degrees} °C")));
        parts.extend(
            nvml.pcie_generation.zip(nvml.pcie_width).map(|(generation, lanes)| format!("PCIe {generation} x{lanes}")),
        );
        let switch = |name: &str, on: Option<bool>| {
            on.map(|on| format!("{name} {}", (if on { msg::detect::on() } else { msg::detect::off() }).text(lang)))
        };
        parts.extend(switch("ECC", nvml.ecc));
        parts.extend(switch("MIG", nvml.mig));
        rows.push((String::new(), parts.join("  ")));
    }
    rows
}

fn driver_rows(facts: &Facts, lang: Lang) -> Vec<Row> {
    let driver = &facts.driver;
    let kind = driver.loaded_kind.map(|kind| {
        (if kind == ModuleKind::Open { msg::detect::open() } else { msg::detect::proprietary() }).text(lang)
    });
    let loaded = match (&driver.loaded_version, kind) {
        (Some(version), Some(kind)) => format!("{version} ({kind})"),
        (Some(version), None) => version.clone(),
        (None, _) => msg::detect::none().text(lang),
    };
    let mut rows = vec![(msg::detect::loaded().text(lang), loaded)];
    rows.extend(driver.nvml.as_ref().map(|answer| ("NVML".to_owned(), nvml_text(answer, lang))));
    rows.extend(driver.modules.iter().map(|module| {
        let users = module.refcount.map_or_else(|| "?".to_owned(), |count| count.to_string());
        (msg::detect::module().text(lang), msg::detect::module_users(&module.name, &users).text(lang))
    }));
    let entries = driver.ledger.iter().filter(|entry| entry.origin != super::Origin::LoadedModule);
    rows.extend(entries.map(|entry| (entry.origin.name().to_owned(), format!("{}  {}", entry.name, entry.source))));
    rows.extend(driver.holders.iter().map(|holder| (msg::detect::holder().text(lang), holder_text(holder))));
    rows
}

fn nvml_text(answer: &NvmlAnswer, lang: Lang) -> String {
    use msg::detect::nvml;
    let message = match answer {
        NvmlAnswer::Answer { driver_version, cuda_version, gpus, .. } => {
            let cuda = cuda_version.as_deref().unwrap_or("?");
            nvml::answer(gpus.len(), cuda, driver_version)
        }
        NvmlAnswer::NoLibrary(_) => nvml::no_library(),
        NvmlAnswer::NoDriver => nvml::no_driver(),
        NvmlAnswer::Mismatch => nvml::mismatch(),
        NvmlAnswer::NoPermission => nvml::no_permission(),
        NvmlAnswer::TimedOut => nvml::timed_out(),
        NvmlAnswer::Crashed(signal) => nvml::crashed(signal),
        NvmlAnswer::Failed(error) => nvml::failed(error),
        NvmlAnswer::NotAsked => nvml::not_asked(),
    };
    message.text(lang)
}

fn holder_text(holder: &Holder) -> String {
    let unit = holder.unit.as_deref().unwrap_or_default();
    let pod = holder.pod_name.as_ref().or(holder.pod.as_ref()).map(|pod| format!("pod {pod}")).unwrap_or_default();
    let parts = [holder.pid.to_string(), holder.command.clone(), unit.to_owned(), pod];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ")
}

fn host_rows(facts: &Facts, lang: Lang) -> Vec<Row> {
    let host = &facts.host;
    let some = |value: &str| (!value.is_empty()).then(|| value.to_owned());
    let rows = [
        (msg::detect::hostname(), some(&host.hostname)),
        (msg::detect::os(), some(&host.os_name)),
        (msg::detect::kernel(), some(&host.kernel)),
        (msg::detect::headers(), some(&host.kernel).map(|_| headers(host, lang))),
        (msg::detect::architecture(), some(&host.architecture)),
        (msg::detect::gcc(), host.gcc_version.clone()),
        (msg::detect::glibc(), host.glibc_version.clone()),
        (
            msg::detect::secure_boot(),
            host.secure_boot.map(|on| (if on { msg::detect::on() } else { msg::detect::off() }).text(lang)),
        ),
        (msg::detect::runtime(), host.container_runtime.clone()),
        (msg::detect::storage_driver(), host.storage_driver.clone()),
        (msg::detect::package_manager(), host.package_manager.clone()),
    ];
    let mut rows: Vec<Row> = rows.into_iter().filter_map(|(name, value)| Some((name.text(lang), value?))).collect();
    let gib =
        |bytes: u64| msg::detect::free(format!("{}.{}", bytes >> 30, ((bytes & 0x3fff_ffff) * 10) >> 30)).text(lang);
    rows.extend(host.free_space.iter().map(|(path, bytes)| (path.clone(), gib(*bytes))));
    rows
}

/// Whether the headers are there, and else what the package manager says of them.
fn headers(host: &HostFacts, lang: Lang) -> String {
    use msg::detect::headers;
    let offer = &host.headers_offer;
    match (host.kernel_headers, host.headers_offer.offered) {
        (true, _) => msg::detect::yes().text(lang),
        (false, None) => msg::detect::no().text(lang),
        (false, Some(true)) => headers::offered(offer.packages.join(" ")).text(lang),
        (false, Some(false)) => headers::not_offered(offer.missing.join(" ")).text(lang),
    }
}

fn findings(out: &mut String, facts: &Facts, lang: Lang) {
    if facts.findings.is_empty() {
        return;
    }
    let _ = write!(out, "\n{}\n", msg::detect::findings().text(lang));
    for finding in &facts.findings {
        let label = match finding.severity {
            Severity::Error => msg::detect::error().text(lang),
            Severity::Warning => msg::detect::warning().text(lang),
            Severity::Info => msg::detect::info().text(lang),
        };
        let lines = [
            format!("  {label}: {}", finding.message(lang)),
            format!("      {}", finding.evidence),
            format!("      {}", finding.remedy(lang)),
        ];
        for line in lines.iter().map(|line| printable(line)).filter(|line| !line.trim().is_empty()) {
            let _ = writeln!(out, "{line}");
        }
    }
}
