//! Download the CUDA runfile with the host's `curl`, which knows the host's proxy and certificates, and check it.
//!
//! What has arrived stays when the network fails, and the next try goes on from there; it goes when it cannot be the
//! wanted file. Until its checksum holds nobody but its owner can read it, and it is never executable.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    checksum::Checksum,
    kind::{ActionContext, ActionKind, Failure, Prepared, Traces, Verdict, file_failure},
    properties::{Preview, Properties, Reversal, Witness},
    target::Target,
    undo::{Undo, WayBack},
    valid,
};
use crate::{
    host::{Command, Exit, Host},
    i18n::{Lang, Message, msg},
    input::WebAddress,
    plan::action::kind::{ActionEvent, Progress},
    text::bytes,
};

/// Tries without a single new byte before it is given up.
const TRIES: u32 = 3;
/// Wait before a further try; it grows with each that brought nothing.
const PAUSE: Duration = Duration::from_secs(2);
/// A connection that brings less than 1 KiB/s for so long is taken as dead, in seconds.
const STALL_SECONDS: u32 = 30;

/// Largest file that is taken where the catalog does not know the size: the largest runfile has less than a third of
/// it.
const LARGEST: u64 = 16 << 30;
/// The signal that ends a program at its limit of a file's size. Source: signal(7), SIGXFSZ.
const OVER_LIMIT: i32 = 25;
/// An address is what it says: no list of addresses (`[1-9]`, `{a,b}`) and no other protocol, also not after a
/// redirect.
const PLAIN: [&str; 5] = ["--globoff", "--proto", "=http,https", "--proto-redir", "=http,https"];
/// Asks once and for long enough.
const HEAD: [&str; 5] = ["--silent", "--show-error", "--location", "--max-time", "15"];

/// Downloads the runfile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchRunfile {
    /// Where NVIDIA or its mirror has it.
    pub url: String,
    /// Where it goes.
    pub file: PathBuf,
    /// Its size in bytes, when known.
    pub size: Option<u64>,
    /// Its checksum.
    pub checksum: Checksum,
    /// A proxy; without one, curl takes those of its environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<WebAddress>,
    /// Seconds of silence after which a connection is taken as dead.
    #[serde(default = "stall_seconds")]
    pub stall_seconds: u32,
}

fn stall_seconds() -> u32 {
    STALL_SECONDS
}

/// How one call of curl ended, when not well.
enum Trouble {
    /// The network failed; the part that has arrived is good.
    Network(Failure),
    /// The server cannot go on in the middle of the file.
    NoResume(Failure),
    /// Trying again will not help.
    Fatal(Failure),
}

impl FetchRunfile {
    /// Makes the download of `url` into `file`.
    pub fn new(url: impl Into<String>, file: impl Into<PathBuf>, size: Option<u64>, checksum: Checksum) -> Self {
        Self { url: url.into(), file: file.into(), size, checksum, proxy: None, stall_seconds: STALL_SECONDS }
    }

    /// Returns the command: it goes on with what an earlier one began, and fails on an HTTP error instead of saving the
    /// error page.
    pub fn command(&self) -> Command {
        let begin = [
            "--fail",
            "--location",
            "--continue-at",
            "-",
            "--connect-timeout",
            "20",
            "--speed-limit",
            "1024",
            "--speed-time",
        ];
        let command =
            Command::new("curl", begin).operand(self.stall_seconds).words(["--output"]).operand(self.file.display());
        // curl's own limit counts only where the server tells the length; the kernel's counts always.
        let command = command.words(["--max-filesize"]).operand(self.most()).words(PLAIN);
        self.through_proxy(command).operand(&self.url).deadline(None).meter().file_limit(self.most())
    }

    /// Returns the command that asks for the head of the file.
    pub fn head_command(&self) -> Command {
        let command = Command::new("curl", HEAD).words(["--head", "--fail"]).words(PLAIN);
        self.through_proxy(command).operand(&self.url).deadline(Some(Duration::from_secs(20)))
    }

    /// A server that sends more than this sends another file.
    fn most(&self) -> u64 {
        self.size.unwrap_or(LARGEST)
    }

    /// Hands the proxy over as curl's configuration, on its standard input: whatever it is, it is no argument. An
    /// address of this type holds nothing that the configuration's language reads.
    fn through_proxy(&self, command: Command) -> Command {
        match &self.proxy {
            Some(proxy) => command.words(["--config", "-"]).stdin(format!("proxy = \"{proxy}\"\n")),
            None => command,
        }
    }

    fn arrived(&self, host: &Host) -> u64 {
        host.files.meta(&self.file).map_or(0, |meta| meta.len)
    }

    /// Removes what cannot be the wanted file, and makes an empty one that only its owner can read.
    fn prepare(&self, host: &Host) -> Result<(), Failure> {
        if self.size.is_some_and(|size| self.arrived(host) > size) {
            host.files
                .remove(&self.file)
                .map_err(|error| file_failure(msg::failure::cannot_remove, &self.file, &error))?;
        }
        if host.files.exists(&self.file) {
            return Ok(());
        }
        host.files
            .write(&self.file, b"", 0o600)
            .map_err(|error| file_failure(msg::failure::cannot_write, &self.file, &error))
    }

    fn fetch_once(&self, work: &mut ActionContext<'_>) -> Result<(), Trouble> {
        let (host, total, begin) = (work.host, self.size, self.arrived(work.host));
        let mut said = String::new();
        let result = work.run_watching(&self.command(), &mut |line, emit| {
            if let Some(mut progress) = parse_meter(line, total) {
                // The meter counts what this call brings, and rounds it.
                progress.done = self.arrived(host).max(begin + progress.done);
                emit(ActionEvent::Progress(progress));
            } else if line.starts_with("curl: (") {
                line.clone_into(&mut said);
            }
        });
        let Err(failure) = result else { return Ok(()) };
        if failure.exit == Some(Exit::Signal(OVER_LIMIT)) || failure.exit == Some(Exit::Code(63)) {
            let message = msg::failure::server::too_much(self.most());
            // What came is not the wanted file; one that cannot be removed is refused by its checksum.
            let _ = host.files.remove(&self.file);
            return Err(Trouble::Fatal(Failure { message, ..failure }));
        }
        let Some(Exit::Code(code)) = failure.exit else { return Err(Trouble::Fatal(failure)) };
        let failure = Failure { message: in_words(code, &said).unwrap_or(failure.message), ..failure };
        Err(match code {
            // The server has nothing beyond what is here: the checksum tells whether that is all.
            22 if begin > 0 && said.contains("416") => return Ok(()),
            22 if server_is_busy(&said) => Trouble::Network(failure),
            33 => Trouble::NoResume(failure),
            // Name, connection, part of a file, time, TLS, empty answer, receive, partial HTTP/2 stream.
            5 | 6 | 7 | 18 | 28 | 35 | 52 | 55 | 56 | 92 => Trouble::Network(failure),
            _ => Trouble::Fatal(failure),
        })
    }

    /// Deletes what is not the wanted file, and says so.
    fn thrown_away(&self, host: &Host, failure: &Failure) -> Failure {
        let arrived = self.arrived(host);
        // A file that cannot be removed is refused by its checksum again.
        let _ = host.files.remove(&self.file);
        let why = failure.message.clone();
        Failure::new(match self.size.filter(|size| *size != arrived) {
            Some(size) => msg::failure::thrown_away_size(arrived, size, why),
            None => msg::failure::thrown_away(why),
        })
    }

    /// Says what failed and what became of the part that has arrived.
    fn given_up(&self, work: &mut ActionContext<'_>, failure: &Failure) -> Failure {
        let why = failure.message.clone();
        let message = match self.arrived(work.host) {
            0 => msg::failure::download(&self.url, why),
            bytes => msg::failure::download_kept(bytes, &self.url, why),
        };
        work.tell(message.text(Lang::En));
        Failure { message, exit: failure.exit }
    }
}

impl ActionKind for FetchRunfile {
    fn properties(&self) -> Properties {
        Properties {
            root: None,
            reversal: Reversal::Whole,
            takes_away: false,
            witness: Witness::Machine,
            effects: Vec::new(),
            target: Target::Machine,
            scratch: None,
            until_reboot_of: None,
        }
    }

    fn preview(&self) -> Preview {
        let size = self.size.map_or_else(|| "?".to_owned(), bytes);
        let details = vec![msg::details::fetch_runfile(self.checksum.value(), size)];
        Preview { details, ..Preview::of([self.command()]) }
    }

    fn validate(&self) -> Result<(), Failure> {
        valid::path(&self.file)?;
        valid::is::<WebAddress>(&self.url)
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        let arrived = host.files.meta(&self.file).ok()?.len;
        // A simulated machine keeps no gigabytes.
        let is_whole = host.simulation.is_some() || self.size.is_none_or(|size| arrived == size);
        if arrived == 0 || !is_whole {
            return None;
        }
        self.checksum.check(host, &self.file).ok().map(|proof| vec![proof])
    }

    fn prepare(&self, _context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        Ok(Undo::Parameters.into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        let host = context.host;
        self.prepare(host)?;
        let mut idle = 0;
        let mut resumes = true;
        while self.size.is_none_or(|size| self.arrived(host) != size) {
            let before = self.arrived(host);
            match self.fetch_once(context) {
                Ok(()) => break,
                Err(Trouble::Network(failure)) => {
                    idle = if self.arrived(host) > before { 0 } else { idle + 1 };
                    if idle >= TRIES {
                        return Err(self.given_up(context, &failure));
                    }
                    (context.emit)(ActionEvent::Line(failure.message.text(Lang::En)));
                    if !host.clock.sleep(PAUSE * (idle + 1), context.cancel) {
                        return Err(Failure { message: msg::failure::stopped(), exit: Some(Exit::Cancelled) });
                    }
                }
                Err(Trouble::NoResume(_)) if resumes => {
                    resumes = false;
                    (context.emit)(ActionEvent::Line(
                        "the server cannot go on where the download stopped: it begins anew".to_owned(),
                    ));
                    host.files
                        .remove(&self.file)
                        .map_err(|error| file_failure(msg::failure::cannot_remove, &self.file, &error))?;
                    self.prepare(host)?;
                }
                Err(Trouble::NoResume(failure) | Trouble::Fatal(failure)) => {
                    return Err(self.given_up(context, &failure));
                }
            }
        }
        Ok(())
    }

    /// Checks the whole file once: it is large. A wrong one must neither run nor be resumed.
    fn judge(&self, host: &Host, traces: &Traces<'_>) -> Verdict {
        if !traces.ended_well {
            return Verdict::by(self.check(host));
        }
        match self.checksum.check(host, &self.file) {
            Ok(proof) => Verdict::Proven(vec![proof]),
            Err(failure) => Verdict::Failed(self.thrown_away(host, &failure)),
        }
    }

    fn way_back(&self, _host: &Host, _undo: &Undo) -> Result<WayBack, Failure> {
        let command = Command::new("rm", ["--force"]).operand(self.file.display());
        Ok(WayBack::Run { command, gone: Some(self.file.clone()) })
    }
}

/// Says what curl's exit status means; curl's own line, where it has nothing better. Source: curl's manual page, "Exit
/// codes".
fn in_words(code: i32, said: &str) -> Option<Message> {
    let own = (!said.is_empty()).then(|| msg::failure::own_words(said));
    Some(match code {
        5 => msg::failure::server::proxy_name(),
        6 => msg::failure::server::name(),
        7 => msg::failure::server::no_connection(),
        18 => msg::failure::server::broke(),
        22 => msg::failure::server::answers(said.rsplit_once("error: ")?.1),
        23 => msg::failure::server::disk(),
        28 => msg::failure::server::silent(),
        35 | 60 => msg::failure::server::tls(said),
        _ => return own,
    })
}

/// Answers of a server that will change by themselves.
fn server_is_busy(message: &str) -> bool {
    ["429", "500", "502", "503", "504"].iter().any(|status| message.contains(&format!("error: {status}")))
}

/// Reads curl's progress meter:
/// `% total, total, % received, received, % sent, sent, average down, average up, 3 times, current speed`.
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

    #[test]
    fn a_proxy_is_a_line_of_curls_own_configuration() {
        let checksum = Checksum::Sha256(String::new());
        let proxy = "http://proxy:3128".parse().ok();
        let fetch = FetchRunfile { proxy, ..FetchRunfile::new("https://x/y.run", "/d/y.run", None, checksum) };
        let command = fetch.command();
        assert!(
            !command.to_string().contains("3128") && command.args.last().is_some_and(|url| url == "https://x/y.run")
        );
        assert_eq!(command.stdin.as_deref(), Some("proxy = \"http://proxy:3128\"\n"));
        assert!(
            "http://me:secret@proxy:3128"
                .parse::<WebAddress>()
                .is_err_and(|error| !error.to_string().contains("secret"))
        );
    }
}
