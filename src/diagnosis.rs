//! Known failures recognised in logs, events and statuses.
//!
//! [`Diagnosis`] takes a log line by line and says when a known failure shows; [`over_stack`] looks through what the cluster says. The
//! signatures are data: `assets/signatures.yaml`, with their texts in the locale files.

mod signatures;
mod stack;
mod window;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};

use crate::i18n::Lang;
pub use signatures::{Remedy, Signature, Signatures, Source, all};
pub use stack::{over_part, over_stack, over_test};
use window::Window;

/// A known failure that showed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Hit {
    /// Name of the signature.
    pub signature: String,
    /// Line of the log, from 1, in which its text begins; absent for what the cluster says.
    pub line_number: Option<u64>,
    /// The line, or the event: safe for a terminal. Wrapped lines are joined.
    pub line: String,
    /// Values for the texts, from the line.
    #[serde(default)]
    pub args: BTreeMap<String, String>,
    /// What to do, by kind.
    pub remedy_kind: Remedy,
}

impl Hit {
    /// Returns why this happens.
    pub fn cause(&self, lang: Lang) -> String {
        self.text(lang, "cause")
    }

    /// Returns what to do.
    pub fn remedy(&self, lang: Lang) -> String {
        self.text(lang, "remedy")
    }

    fn text(&self, lang: Lang, part: &str) -> String {
        let args: Vec<_> = self.args.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        lang.text(&format!("signature.{}.{part}", self.signature), &args)
    }
}

/// JSON carries the English texts.
impl Serialize for Hit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Hit", 7)?;
        out.serialize_field("signature", &self.signature)?;
        out.serialize_field("line_number", &self.line_number)?;
        out.serialize_field("line", &self.line)?;
        out.serialize_field("cause", &self.cause(Lang::En))?;
        out.serialize_field("remedy", &self.remedy(Lang::En))?;
        out.serialize_field("args", &self.args)?;
        out.serialize_field("remedy_kind", &self.remedy_kind)?;
        out.end()
    }
}

/// All hits of a log: the documented output of `gpunode diagnose --json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The hits, in the order of the log.
    pub hits: Vec<Hit>,
}

/// Lines that are one place: what a signature says again so near is the same failure.
const PLACE: u64 = 10;
/// Lines that are looked at together: nearly always they hold no failure, and that is what has to be fast.
const BLOCK: usize = 64;

/// Looks through a log. Memory is bounded: some joined lines, and where each signature showed last.
///
/// One cause is told once: what an umbrella says ("unable to load the module") is kept until the attempt is over, and told only when
/// nothing more telling was found.
#[derive(Debug, Default)]
pub struct Diagnosis {
    window: Window,
    line_number: u64,
    /// Where each signature showed last: a failure often says the same in several lines.
    last: BTreeMap<usize, u64>,
    /// Whether something telling was found in this attempt.
    told: bool,
    /// The first thing that an umbrella has said.
    umbrella: Option<Hit>,
}

impl Diagnosis {
    /// Takes the next line of the log; returns a failure that shows with it, once for each signature and place.
    pub fn push(&mut self, line: &str) -> Option<Hit> {
        self.line_number += 1;
        self.window.push(self.line_number, line);
        let found = all().find(self.window.text(), self.window.new_from(), &[Source::Log, Source::Event])?;
        let (line_number, line) = self.window.lines_of(found.start, found.end);
        self.window.clear();
        let before = self.last.insert(found.index, line_number);
        if before.is_some_and(|before| line_number - before < PLACE) {
            return None;
        }
        let umbrella = found.umbrella;
        let hit = found.hit(Some(line_number), line);
        if umbrella {
            self.umbrella.get_or_insert(hit);
            return None;
        }
        self.told = true;
        Some(hit)
    }

    /// Takes lines that came together; returns the failures that show with them, each with the place of its last line among them.
    pub fn read<L: AsRef<str>>(&mut self, lines: &[L]) -> Vec<(usize, Hit)> {
        let mut hits = Vec::new();
        for (block, lines) in lines.chunks(BLOCK).enumerate() {
            if self.window.may_match(lines.iter().map(AsRef::as_ref), all()) {
                let shown = lines.iter().enumerate().filter_map(|(index, line)| Some((index, self.push(line.as_ref())?)));
                hits.extend(shown.map(|(index, hit)| (block * BLOCK + index, hit)));
            } else {
                self.pass_over(lines);
            }
        }
        hits
    }

    /// Notes lines in which nothing shows: only the newest may still be the beginning of something.
    fn pass_over<L: AsRef<str>>(&mut self, lines: &[L]) {
        let newest = lines.len().saturating_sub(window::LINES);
        self.line_number += newest as u64;
        for line in &lines[newest..] {
            self.line_number += 1;
            self.window.push(self.line_number, line.as_ref());
        }
    }

    /// The attempt is over: returns what an umbrella has said if nothing more telling was found. What follows is another attempt.
    pub fn finish(&mut self) -> Option<Hit> {
        self.window.clear();
        let told = std::mem::take(&mut self.told);
        self.umbrella.take().filter(|_| !told)
    }

    /// Looks through a whole text.
    pub fn over(text: &str) -> Report {
        let mut diagnosis = Self::default();
        let lines: Vec<&str> = text.lines().collect();
        let mut hits: Vec<Hit> = diagnosis.read(&lines).into_iter().map(|(_, hit)| hit).collect();
        hits.extend(diagnosis.finish());
        Report { hits }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Vec<String> {
        Diagnosis::over(text).hits.into_iter().map(|hit| hit.signature).collect()
    }

    #[test]
    fn each_failure_hits_exactly_its_signature() {
        let failures: BTreeMap<String, Vec<String>> = serde_yaml::from_str(include_str!("../tests/fixtures/logs/failures.yaml")).unwrap();
        for signature in all().list() {
            let excerpts = failures.get(&signature.id).unwrap_or_else(|| panic!("no log excerpt for {}", signature.id));
            assert!(!excerpts.is_empty() || !signature.sources.contains(&Source::Log), "{}", signature.id);
            for excerpt in excerpts {
                assert_eq!(ids(excerpt), [signature.id.as_str()], "{excerpt}");
            }
        }
    }

    /// The same failures in the middle of a real log, which is also cut into batches.
    #[test]
    fn each_failure_hits_exactly_its_signature_in_a_whole_log() {
        let failures: BTreeMap<String, Vec<String>> = serde_yaml::from_str(include_str!("../tests/fixtures/logs/failures.yaml")).unwrap();
        let before = include_str!("../tests/fixtures/logs/installer-begins.txt");
        for (id, excerpt) in failures.iter().flat_map(|(id, excerpts)| excerpts.iter().map(move |excerpt| (id, excerpt))) {
            let log = format!("{before}{excerpt}\n+ exit 1\n");
            assert_eq!(ids(&log), [id.as_str()], "{log}");
            let lines: Vec<_> = log.lines().collect();
            for size in [1, 2, 3, 7] {
                let mut diagnosis = Diagnosis::default();
                let mut hits: Vec<_> = lines.chunks(size).flat_map(|lines| diagnosis.read(lines)).map(|(_, hit)| hit.signature).collect();
                hits.extend(diagnosis.finish().map(|hit| hit.signature));
                assert_eq!(hits, [id.as_str()], "in pieces of {size}: {log}");
            }
        }
    }

    #[test]
    fn an_umbrella_is_told_only_when_nothing_more_telling_is() {
        let umbrella = "ERROR: Unable to load the kernel module 'nvidia.ko'.  This happens most frequently when\n";
        let cause = "insmod: ERROR: could not insert module /usr/local/nvidia/drivers/nvidia.ko: Required key not available\n";
        assert_eq!(ids(umbrella), ["load-failed"]);
        assert_eq!(ids(&format!("{umbrella}{cause}")), ["secure-boot"]);
        assert_eq!(ids(&format!("{cause}{umbrella}")), ["secure-boot"]);
        let mut diagnosis = Diagnosis::default();
        assert_eq!(diagnosis.push(umbrella), None);
        assert_eq!(diagnosis.finish().unwrap().signature, "load-failed");
        assert_eq!(diagnosis.finish(), None, "another attempt begins with nothing");
    }

    #[test]
    fn a_good_log_hits_nothing() {
        let noise = "WARNING: nvidia-installer was forced to guess the X library path '/usr/lib'\n\
                     WARNING: The nvidia-drm module will not be installed. As a result, DRM-KMS will not\nfunction with this installation\n\
                     WARNING: Unable to find a suitable destination to install 32-bit compatibility\nlibraries.\n\
                     ***WARNING: Incomplete installation! This installation did not install the CUDA Driver.\n";
        for log in [
            include_str!("../tests/fixtures/logs/logs-ok.txt"),
            include_str!("../tests/fixtures/logs/logs-ok-timestamps.txt"),
            include_str!("../tests/fixtures/logs/installer-begins.txt"),
            include_str!("../tests/fixtures/logs/plugin-ok.txt"),
            noise,
        ] {
            assert_eq!(ids(log), [] as [&str; 0]);
        }
    }

    #[test]
    fn a_hit_says_where_and_joins_the_lines() {
        let log = "Running Nvidia installer...\n\
                   ERROR: An NVIDIA kernel module 'nvidia-uvm' appears to already be loaded in\n       your kernel.  This may be\n";
        let hit = Diagnosis::over(log).hits.remove(0);
        assert_eq!(hit.line_number, Some(2));
        assert!(hit.line.contains("appears to already be loaded in your kernel"), "{}", hit.line);
        assert_eq!(hit.args["module"], "nvidia-uvm");
        assert_eq!(hit.remedy_kind, Remedy::Action("remove-host-driver".to_owned()));
        let json = serde_json::to_value(&hit).unwrap();
        assert!(json["cause"].as_str().unwrap().contains("nvidia-uvm"));
        assert_eq!(serde_json::from_value::<Hit>(json).unwrap(), hit);
    }

    #[test]
    fn the_same_failure_elsewhere_is_told_again() {
        let line = "Failed to initialize NVML: Driver/library version mismatch\n";
        assert_eq!(ids(&format!("{line}{line}")).len(), 1);
        assert_eq!(ids(&format!("{line}{}{line}", "x\n".repeat(20))).len(), 2);
    }

    #[test]
    fn the_recorded_failure_is_known() {
        assert_eq!(ids(include_str!("../tests/fixtures/logs/logs-loaded.txt")), ["module-loaded"]);
    }

    #[test]
    fn control_characters_never_get_through() {
        let hit = Diagnosis::over("\u{1b}[31mNo devices were found\u{1b}[0m\u{7}").hits.remove(0);
        assert_eq!(hit.line, "No devices were found");
    }
}
