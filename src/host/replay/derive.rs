//! What a story tells where a person has chosen otherwise than it was recorded with: another driver in the pod, another
//! toolkit. Versions come from what is set on the simulated machine, CUDA versions and sizes from the catalog.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::rule::Rule;
use crate::{
    catalog::{Architecture, cuda, drivers},
    host::NvmlAnswer,
    text::width,
    version::Version,
};

/// The files that were written on the machine since the story began, by path.
type Written = BTreeMap<PathBuf, String>;

/// What stands in a rule's output for the size of the file that the command names.
const SIZE: &str = "{size}";
/// What stands there for curl's table of its progress.
const PROGRESS: &str = "{progress}";

/// The driver that a story was recorded with, and where the machine has the one to take in its place.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedDriver {
    /// Its version, as it stands in the files and outputs.
    version: String,
    /// The CUDA version that its `nvidia-smi` shows.
    cuda: String,
    /// The variable that sets another one.
    variable: String,
    /// The folder whose files may set it.
    below: PathBuf,
}

impl RecordedDriver {
    /// Returns the driver that is set on the machine, where it is another one.
    fn chosen(&self, written: &Written) -> Option<String> {
        let files = written.iter().filter(|(path, _)| path.starts_with(&self.below));
        let value = |line: &str| {
            let value = line.strip_prefix(&self.variable)?.trim_start().strip_prefix(':')?;
            Some(value.trim().trim_matches(['"', '\'']).to_owned())
        };
        let chosen = files.rev().find_map(|(_, text)| text.lines().find_map(value))?;
        (chosen != self.version && chosen.parse::<Version>().is_ok()).then_some(chosen)
    }

    /// Returns a text of the story with the chosen driver and its CUDA.
    pub(super) fn told<'a>(&self, text: &'a str, written: &Written) -> Cow<'a, str> {
        let Some(chosen) = text.contains(&self.version).then(|| self.chosen(written)).flatten() else {
            return Cow::Borrowed(text);
        };
        let shown = |cuda: &str| format!("CUDA Version: {cuda}");
        let cuda = cuda_of(&chosen).unwrap_or_else(|| self.cuda.clone());
        let text = in_columns(text, &self.version, &chosen);
        Cow::Owned(in_columns(&text, &shown(&self.cuda), &shown(&cuda)))
    }

    /// Returns NVML's answer with the chosen driver.
    pub(super) fn answered(&self, answer: NvmlAnswer, written: &Written) -> NvmlAnswer {
        match (answer, self.chosen(written)) {
            (NvmlAnswer::Answer { driver_version, gpus, silent, .. }, Some(chosen))
                if driver_version == self.version =>
            {
                NvmlAnswer::Answer { cuda_version: cuda_of(&chosen), driver_version: chosen, gpus, silent }
            }
            (answer, _) => answer,
        }
    }
}

/// Returns the newest CUDA that a driver runs, as `nvidia-smi` shows it.
fn cuda_of(driver: &str) -> Option<String> {
    let version: Version = driver.parse().ok()?;
    drivers::branches().get(&version.branch())?.cuda.clone()
}

/// Replaces a word; where the new one is longer or shorter, the blanks behind it keep the columns.
fn in_columns(text: &str, old: &str, new: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(old) {
        out.push_str(before);
        out.push_str(new);
        let blanks = after.len() - after.trim_start_matches(' ').len();
        // One blank parts two words, more are a column.
        let wanted = if blanks > 1 { (blanks + width(old)).saturating_sub(width(new)).max(1) } else { blanks };
        out.push_str(&" ".repeat(wanted));
        rest = &after[blanks..];
    }
    out.push_str(rest);
    out
}

/// Fills in what a rule prints of the size of the file that the command names.
pub(super) fn sized(rule: &mut Rule, argv: &[String]) {
    if ![&rule.output, &rule.errors].iter().any(|text| text.contains(SIZE) || text.contains(PROGRESS)) {
        return;
    }
    let size = argv.iter().rev().find_map(|word| size_of(word)).unwrap_or(1 << 30);
    for text in [&mut rule.output, &mut rule.errors] {
        *text = text.replace(SIZE, &size.to_string()).replace(PROGRESS, &progress(size));
    }
}

/// Returns the size of a file of the catalog, by its address.
fn size_of(address: &str) -> Option<u64> {
    let name = Path::new(address).file_name()?.to_str()?;
    let runfiles = cuda::toolkits().iter().filter_map(|toolkit| toolkit.runfile(Architecture::X86_64));
    let driver = || {
        let files = drivers::drivers().iter().filter_map(|driver| driver.file(Architecture::X86_64));
        files.into_iter().find(|file| file.url.ends_with(name)).and_then(|file| file.size)
    };
    runfiles.into_iter().find(|file| file.file == name).and_then(|file| file.size).or_else(driver)
}

/// curl's table while it fetches this many bytes, as it would be on a fast line.
fn progress(size: u64) -> String {
    const STEPS: u64 = 36;
    let total = size >> 20;
    let head = "  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current\n                                 \
                Dload  Upload   Total   Spent    Left  Speed";
    let row = |step: u64| {
        let (done, percent) = (total * step / STEPS, 100 * step / STEPS);
        let (rate, left) = ((total / STEPS).max(1), STEPS - step);
        format!(
            "{percent:3} {total:4}M {percent:4} {done:4}M    0     0  {rate:3}.0M      0  0:00:{STEPS:02}  0:00:{step:02}  0:00:{left:02} {rate:3}.0M"
        )
    };
    std::iter::once(head.to_owned()).chain((1..=STEPS).map(row)).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_driver_keeps_the_columns_and_brings_its_cuda() {
        let recorded = RecordedDriver {
            version: "450.51.06".to_owned(),
            cuda: "11.0".to_owned(),
            variable: "nvidia_driver_version".to_owned(),
            below: "/inventory".into(),
        };
        let mut state = Written::new();
        let line = "| NVIDIA-SMI 450.51.06    Driver Version: 450.51.06    CUDA Version: 11.0     |";
        assert_eq!(recorded.told(line, &state), line, "nothing is set");
        state.insert(
            "/inventory/a.yml".into(),
            "# nvidia_driver_version: 1\nnvidia_driver_version: \"470.129.06\"\n".into(),
        );
        let told = recorded.told(line, &state);
        assert_eq!(told, "| NVIDIA-SMI 470.129.06   Driver Version: 470.129.06   CUDA Version: 11.4     |");
        assert_eq!(width(&told), width(line));
        state.insert("/elsewhere.yml".into(), "nvidia_driver_version: 1.2\n".into());
        assert_eq!(recorded.told("x 450.51.06.run", &state), "x 470.129.06.run");
    }

    #[test]
    fn every_runfile_has_the_size_that_the_catalog_knows() {
        for toolkit in cuda::toolkits() {
            let Some(file) = toolkit.runfile(Architecture::X86_64) else { continue };
            let mut rule = Rule { output: "Content-Length: {size}".into(), errors: PROGRESS.into(), ..Rule::default() };
            sized(&mut rule, &["curl".to_owned(), file.url.clone()]);
            let size = file.size.unwrap_or(1 << 30);
            assert_eq!(rule.output, format!("Content-Length: {size}"), "{}", file.file);
            assert!(rule.errors.contains(&format!("100 {:4}M", size >> 20)), "{}", rule.errors);
        }
    }
}
