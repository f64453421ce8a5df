//! Download the CUDA runfile with the host's `curl`, which knows the host's proxy and certificates, and check it.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::act::{Act, Failure, Work};
use crate::{
    engine::{Event, Progress},
    host::{Command, Host},
    session::Undo,
};

/// A published checksum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Checksum {
    /// SHA-256 in hex.
    Sha256(String),
    /// MD5 in hex, all that NVIDIA publishes for some releases.
    Md5(String),
}

impl Checksum {
    /// Returns the command that checks a file: the program reads the wanted value and compares by itself.
    pub fn command(&self, file: &std::path::Path) -> Command {
        let program = match self {
            Self::Sha256(_) => "sha256sum",
            Self::Md5(_) => "md5sum",
        };
        Command::new(program, ["--check", "-"]).stdin(format!("{}  {}\n", self.value(), file.display())).deadline(None)
    }

    /// Returns the wanted value.
    pub fn value(&self) -> &str {
        match self {
            Self::Sha256(hex) | Self::Md5(hex) => hex,
        }
    }

    /// Checks a file on the machine.
    pub fn check(&self, host: &Host, file: &std::path::Path) -> Result<String, Failure> {
        let command = self.command(file);
        let output = host.commands.capture(&command).map_err(|error| Failure::new(error.to_string()))?;
        if output.exit.is_success() {
            return Ok(format!("{} has the expected checksum {}", file.display(), self.value()));
        }
        let said = output.stderr.lines().next().unwrap_or("its checksum is another").trim().to_owned();
        Err(Failure::new(format!("{} is not the file with checksum {}: {said}", file.display(), self.value())))
    }
}

/// Downloads the runfile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchRunfile {
    /// Where NVIDIA has it.
    pub url: String,
    /// Where it goes.
    pub file: PathBuf,
    /// Its size in bytes, when known.
    pub size: Option<u64>,
    /// Its checksum.
    pub checksum: Checksum,
}

impl FetchRunfile {
    /// Returns the command: it resumes what an earlier one began, and fails on an HTTP error instead of saving the error page.
    pub fn command(&self) -> Command {
        let file = self.file.display().to_string();
        let args = ["--fail", "--location", "--continue-at", "-", "--retry", "3", "--connect-timeout", "20", "--create-dirs"];
        let args = args.into_iter().map(str::to_owned).chain(["--output".to_owned(), file, self.url.clone()]);
        Command::new("curl", args).deadline(None).meter()
    }
}

impl Act for FetchRunfile {
    fn done(&self, host: &Host) -> Option<Vec<String>> {
        if !host.files.exists(&self.file) {
            return None;
        }
        self.checksum.check(host, &self.file).ok().map(|proof| vec![proof])
    }

    fn undo(&self, _work: &Work<'_>) -> Result<Undo, Failure> {
        let command = Command::new("rm", ["--force".to_owned(), self.file.display().to_string()]);
        Ok(Undo::Run { command, gone: Some(self.file.clone()) })
    }

    fn execute(&self, work: &mut Work<'_>) -> Result<(), Failure> {
        let total = self.size;
        work.run_watching(&self.command(), &mut |line, emit| {
            if let Some(progress) = parse_meter(line, total) {
                emit(Event::Progress(progress));
            }
        })
    }

    /// Checks the whole file once: it is large. A wrong one must neither run nor be resumed.
    fn prove(&self, host: &Host, _before: &BTreeMap<String, String>) -> Result<Vec<String>, Failure> {
        self.checksum.check(host, &self.file).map(|proof| vec![proof]).map_err(|failure| {
            // A file that cannot be removed is refused by its checksum again.
            let _ = host.files.remove(&self.file);
            Failure::new(format!("{}; it was deleted", failure.message))
        })
    }
}

/// Reads curl's progress meter: `% total, total, % received, received, % sent, sent, average down, average up, 3 times, current speed`.
fn parse_meter(line: &str, total: Option<u64>) -> Option<Progress> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let [percent, _, _, received, _, _, _, _, _, _, _, speed] = fields[..] else { return None };
    percent.parse::<u32>().ok()?;
    Some(Progress { done: size(received)?, total, unit: "bytes", rate: size(speed) })
}

/// Reads a size as curl prints it: `371M`, `52.1M`, `0`.
fn size(text: &str) -> Option<u64> {
    let factor = match text.chars().last()? {
        'k' => 1u64 << 10,
        'M' => 1 << 20,
        'G' => 1 << 30,
        'T' => 1 << 40,
        _ => 1,
    };
    let number: f64 = text.trim_end_matches(['k', 'M', 'G', 'T']).parse().ok()?;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rounded figure for a gauge"
    )]
    (number >= 0.0).then_some((number * factor as f64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_curls_meter() {
        let line = " 12 2974M   12  371M    0     0  52.1M      0  0:00:57  0:00:07  0:00:50 53.2M";
        let progress = parse_meter(line, Some(3_118_474_304)).unwrap();
        assert_eq!(progress.done, 371 << 20);
        assert_eq!(progress.rate, Some(55_784_243));
        assert_eq!(parse_meter("  % Total    % Received % Xferd  Average Speed", None), None);
    }
}
