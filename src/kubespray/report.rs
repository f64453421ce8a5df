//! The text of `gpunode vars`.

use std::{fmt::Write, path::Path};

use super::{Preview, Variable, truth::as_text};
use crate::{
    finding::Severity,
    i18n::{Lang, msg},
    text,
};

/// Widest value in a row; longer ones are cut in the middle.
const VALUE_WIDTH: usize = 44;

/// Returns the preview as text: the names, the verdict, every variable with its value and its place, and the findings.
pub fn report(preview: &Preview, lang: Lang) -> String {
    let mut out = String::new();
    header(preview, lang, &mut out);
    verdict(preview, lang, &mut out);
    variables(preview, lang, &mut out);
    findings(preview, lang, &mut out);
    out
}

/// Returns the verdict and the findings of a preview that is judged by the values that will be; nothing where there is
/// nothing to say.
pub fn report_planned(preview: &Preview, lang: Lang) -> String {
    if preview.findings.is_empty() {
        return String::new();
    }
    let mut out = msg::vars::planned().text(lang) + "\n";
    findings(preview, lang, &mut out);
    out + "\n"
}

/// Writing to a `String` cannot fail, so this drops the result.
fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = writeln!(out, "{text}");
}

fn header(preview: &Preview, lang: Lang, out: &mut String) {
    let unknown = msg::vars::unknown().text(lang);
    let path = |path: Option<&Path>| path.map(|path| path.display().to_string());
    let rows = [
        (msg::vars::release(), preview.release.clone()),
        (msg::vars::checkout(), path(preview.checkout.as_deref())),
        (msg::vars::inventory(), path(preview.inventory.as_deref())),
        (msg::vars::inventory_host(), preview.inventory_host.clone()),
        (msg::vars::node(), preview.node.clone()),
        (msg::vars::first_control_plane(), preview.first_control_plane.clone()),
        (msg::vars::container_manager(), Some(preview.container_manager.clone())),
    ];
    let labels: Vec<String> = rows.iter().map(|(name, _)| name.text(lang)).collect();
    let width = labels.iter().map(|label| text::width(label)).max().unwrap_or(0);
    for ((_, value), label) in rows.iter().zip(&labels) {
        let value = text::printable(value.as_deref().unwrap_or(&unknown));
        line(out, format_args!("{}  {value}", text::fit(label, width, "…")));
    }
}

fn verdict(preview: &Preview, lang: Lang, out: &mut String) {
    let capability = &preview.capability;
    line(out, format_args!("\n{}: {}", capability.verdict.title().text(lang), capability.why(lang)));
    if let Some(instead) = capability.instead(lang) {
        line(out, format_args!("  {instead}"));
    }
}

fn variables(preview: &Preview, lang: Lang, out: &mut String) {
    out.push('\n');
    let name_width = preview.variables.iter().map(|variable| text::width(&variable.name)).max().unwrap_or(0);
    for variable in &preview.variables {
        let value = text::fit(&value_text(variable, lang), VALUE_WIDTH, "…");
        let row =
            format!("{}  {value}  {}", text::fit(&variable.name, name_width, "…"), winner(preview, variable, lang));
        line(out, format_args!("{}", row.trim_end()));
        for shadowed in &variable.shadowed {
            let place = place(preview, &shadowed.file, shadowed.line);
            let value = text::printable(&as_text(&shadowed.value));
            line(out, format_args!("    {}", msg::vars::shadowed(&place, &value).text(lang)));
        }
        for ignored in &variable.ignored {
            let why = ignored.why.text().text(lang);
            let place = place(preview, &ignored.file, ignored.line);
            line(out, format_args!("    {}", msg::vars::ignored(&place, &why).text(lang)));
        }
    }
}

fn value_text(variable: &Variable, lang: Lang) -> String {
    match &variable.value {
        None => msg::vars::undefined().text(lang),
        // A text in quotes is told apart from a number or a switch.
        Some(value) => text::printable(&value.to_string()),
    }
}

fn winner(preview: &Preview, variable: &Variable, lang: Lang) -> String {
    match &variable.winner {
        Some(winner) => {
            let level = winner.level.title().text(lang);
            format!("{} ({level})", place(preview, &winner.file, winner.line))
        }
        None if variable.value.is_some() => msg::vars::built_in().text(lang),
        None => String::new(),
    }
}

/// Paths below the checkout are shown from there.
fn place(preview: &Preview, file: &Path, line: usize) -> String {
    let short = preview.checkout.as_deref().and_then(|checkout| file.strip_prefix(checkout).ok()).unwrap_or(file);
    format!("{}:{line}", text::printable(&short.display().to_string()))
}

fn findings(preview: &Preview, lang: Lang, out: &mut String) {
    for finding in &preview.findings {
        let glyph = match finding.severity {
            Severity::Error => "✗",
            Severity::Warning => "!",
            Severity::Info => "·",
        };
        line(out, format_args!("\n{glyph} {}", finding.message(lang)));
        if !finding.evidence.is_empty() {
            line(out, format_args!("    {}", text::printable(&finding.evidence)));
        }
        line(out, format_args!("    {}", finding.remedy(lang)));
    }
}
