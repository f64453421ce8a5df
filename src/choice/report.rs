//! The driver table and the toolkit table as text, for `gpunode drivers`.

use super::{CudaRow, DriverRow, DriverTable};
use crate::{
    i18n::{Lang, msg, msg::drivers::column},
    text::{fit, width},
};

/// The widest line of a sentence: the narrowest screen, less a margin.
const LINE: usize = 78;
const INDENT: &str = "    ";

/// Returns both tables as aligned text: ★ the recommended row with its reason, ✗ a row that does not fit with its
/// reason. Without `all`, rows that do not fit and desktop releases are left out.
pub fn report(table: &DriverTable, lang: Lang, all: bool) -> String {
    let shown = table.shown(all);
    let mut out = drivers_text(&shown, lang);
    if table.recommended().is_none() {
        out += &nothing_fits(table, lang);
    }
    if !shown.cuda.is_empty() {
        out.push('\n');
        out += &cuda_text(table, &shown, lang, all);
    }
    out
}

fn drivers_text(shown: &DriverTable, lang: Lang) -> String {
    if shown.drivers.is_empty() {
        return String::new();
    }
    let heads = [
        column::version(),
        column::released(),
        column::cuda(),
        column::branch(),
        column::support_ends(),
        column::size(),
    ];
    let rows = shown.drivers.iter().map(|row| Row {
        mark: mark(row.fits, row.recommended),
        cells: driver_cells(row, lang),
        below: row.reason.iter().chain(&row.notes).map(|reason| reason.text(lang)).collect(),
    });
    render(&heads.map(|head| head.text(lang)), &rows.collect::<Vec<_>>())
}

fn driver_cells(row: &DriverRow, lang: Lang) -> Vec<String> {
    let date = |date: Option<jiff::civil::Date>| date.map_or_else(unknown, |date| date.to_string());
    let size = row.size_bytes.map_or_else(unknown, size);
    let cuda = row.cuda_version.clone().unwrap_or_else(unknown);
    vec![row.version.to_string(), date(row.release_date), cuda, branch(row, lang), support(row, lang), size]
}

/// `R450 LTS`: the branch as NVIDIA writes it, and what kind of branch it is.
fn branch(row: &DriverRow, lang: Lang) -> String {
    row.kind.title().map_or_else(|| row.branch.clone(), |kind| format!("{} {}", row.branch, kind.text(lang)))
}

fn support(row: &DriverRow, lang: Lang) -> String {
    let month = row.end_of_life.map(|date| date.strftime("%Y-%m").to_string()).unwrap_or_default();
    if row.ended {
        return msg::drivers::ended(&month).text(lang).trim_end().to_owned();
    }
    if month.is_empty() { unknown() } else { month }
}

/// Says that no driver fits, and why the newest data-center release does not.
fn nothing_fits(table: &DriverTable, lang: Lang) -> String {
    let reason = table.drivers.iter().filter(|row| row.datacenter).find_map(|row| row.reason.as_ref());
    let reason = reason.map(|reason| reason.text(lang)).unwrap_or_default();
    format!("{}\n{}", msg::drivers::none().text(lang), below(&reason))
}

fn cuda_text(table: &DriverTable, shown: &DriverTable, lang: Lang, all: bool) -> String {
    let rows = shown.cuda.iter().map(|row| Row {
        mark: mark(row.fits, row.recommended),
        cells: cuda_cells(row),
        below: cuda_sentences(row, lang, all),
    });
    let title = match table.recommended() {
        Some(driver) => msg::drivers::cuda_for(driver.version.as_str()).text(lang),
        None => msg::drivers::cuda().text(lang),
    };
    let heads = [column::version(), column::runfile(), column::needs_driver(), column::size()];
    format!("{title}\n{}", render(&heads.map(|head| head.text(lang)), &rows.collect::<Vec<_>>()))
}

fn cuda_cells(row: &CudaRow) -> Vec<String> {
    let driver = row.min_driver.as_ref().map_or_else(unknown, ToString::to_string);
    vec![row.version.to_string(), row.file.clone(), driver, row.size_bytes.map_or_else(unknown, size)]
}

/// The notes are much the same on every row: only the recommended one says them, unless everything is shown.
fn cuda_sentences(row: &CudaRow, lang: Lang, all: bool) -> Vec<String> {
    let notes = row.notes.iter().filter(|_| all || row.recommended);
    row.reason.iter().chain(notes).map(|reason| reason.text(lang)).collect()
}

/// One line of a table, and the sentences under it.
struct Row {
    mark: &'static str,
    cells: Vec<String>,
    below: Vec<String>,
}

fn mark(fits: bool, recommended: bool) -> &'static str {
    match (recommended, fits) {
        (true, _) => "★",
        (_, true) => " ",
        _ => "✗",
    }
}

/// Lays out rows under their heads, every column as wide as its widest cell; the last column is aligned to the right.
fn render(heads: &[String], rows: &[Row]) -> String {
    let widths: Vec<usize> = heads
        .iter()
        .enumerate()
        .map(|(column, head)| rows.iter().map(|row| width(&row.cells[column])).chain([width(head)]).max().unwrap_or(0))
        .collect();
    let mut out = line(" ", heads, &widths);
    for row in rows {
        out += &line(row.mark, &row.cells, &widths);
        out.extend(row.below.iter().map(|sentence| below(sentence)));
    }
    out
}

fn line(mark: &str, cells: &[String], widths: &[usize]) -> String {
    let last = cells.len().saturating_sub(1);
    let padded = cells.iter().zip(widths).enumerate().map(|(column, (cell, &cells))| {
        let fill = " ".repeat(cells.saturating_sub(width(cell)));
        if column == last { fill + cell } else { fit(cell, cells, "…") }
    });
    format!("{mark} {}\n", padded.collect::<Vec<_>>().join("  "))
}

/// A sentence under a row, broken between words.
fn below(sentence: &str) -> String {
    let mut out = String::new();
    let mut used = 0;
    for word in sentence.split_whitespace() {
        if used > 0 && used + 1 + width(word) > LINE {
            out.push('\n');
            used = 0;
        }
        let gap = if used == 0 { INDENT } else { " " };
        out += gap;
        out += word;
        used += width(gap) + width(word);
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

fn unknown() -> String {
    "–".to_owned()
}

/// NVIDIA's pages show a driver's size in MiB; a toolkit is easier to compare with free space in GiB.
#[expect(clippy::cast_precision_loss, reason = "an installer is far smaller than 2^53 bytes, and one decimal is shown")]
fn size(bytes: u64) -> String {
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    if mebibytes < 1000.0 { format!("{mebibytes:.1} MiB") } else { format!("{:.1} GiB", mebibytes / 1024.0) }
}
