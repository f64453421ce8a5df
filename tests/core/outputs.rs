//! Every command with outputs that take nothing, and on systems that give nothing: never a panic, always an exit status
//! of ours.

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    process::{Command, Stdio},
};

use clap::CommandFactory;
use gpunode::cli::Cli;

use crate::support::{
    folder,
    program::{Place, tool},
};

/// A place where a simulated machine has gone through step 2, so that every command has something to say.
fn prepared() -> Place {
    let place = Place::new();
    let answers = place.write("answers.yaml", "driver_owner: installer-pod\ncuda_version: \"11.0\"\nreboot: never\n");
    place.run(["--demo", "--speed", "0", "apply", "--yes", "--until", "2", "--answers", answers.to_str().unwrap()]);
    place.write("log", "ERROR: Unable to load the kernel module 'nvidia.ko'.\n");
    place
}

/// The words that call each command of the command line in the ways that print something. A new command has to be
/// added.
fn calls(name: &str) -> Vec<Vec<&'static str>> {
    match name {
        "detect" | "drivers" | "report" | "status" | "verify" | "vars" => vec![vec![], vec!["--json"]],
        "plan" => vec![vec!["--answers", "answers.yaml"], vec!["--json", "--answers", "answers.yaml"]],
        "apply" => {
            let words = ["--yes", "--answers", "answers.yaml", "--until", "2"];
            vec![words.to_vec(), [&words[..], &["--json"]].concat(), vec!["--answers", "missing.yaml", "--yes"]]
        }
        "tail" => vec![vec!["--file", "log"]],
        "diagnose" => vec![vec!["log"], vec!["log", "--json"]],
        "undo" => vec![vec![], vec!["--yes"], vec!["--yes", "--json"]],
        "record" => vec![vec!["recorded.yaml"]],
        "scenarios" => vec![vec![], vec!["new", "a-scenario"], vec!["check", "a-scenario"], vec!["reset"]],
        "lab" => vec![vec!["sheet", "seed"], vec!["table", "status.json"]],
        "fleet" => vec![vec!["."], vec![".", "--json"]],
        "ansible" => vec![vec!["a-collection"]],
        "man" | "licences" => vec![vec![]],
        "completions" => vec![vec!["bash"]],
        other => panic!("`{other}` is a new command: say here how it is called"),
    }
}

/// All command lines: each command, its help, no command at all, and one that there is not.
fn lines() -> Vec<Vec<String>> {
    let names: Vec<String> = Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let words = |line: &[&str]| line.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut lines =
        vec![words(&[]), words(&["--plain"]), words(&["--help"]), words(&["--version"]), words(&["nonsense"])];
    for name in &names {
        lines.push(words(&[name, "--help"]));
        for call in calls(name) {
            // `report` knows forms instead.
            let call = if name == "report" && call == ["--json"] { vec!["--format", "json"] } else { call };
            lines.push(words(&[&["--demo", "--speed", "0", name.as_str()][..], &call].concat()));
        }
    }
    lines
}

/// Runs every command line in a copy of one place, started by `how`, and demands an end of ours. Returns how many ran.
fn demand_no_panic(what: &str, how: &dyn Fn(Command) -> Command) -> usize {
    let prepared = prepared();
    let all = lines();
    let lines: Vec<_> = all.iter().enumerate().filter(|(index, _)| is_sampled(*index)).map(|(_, line)| line).collect();
    for &line in &lines {
        let place = Place::new();
        folder::copy(prepared.folder.path(), place.folder.path());
        private(&place);
        let mut command = how(place.command(line));
        let status = command.status().unwrap();
        let code = status.code();
        assert!(
            matches!(code, Some(0..=4 | 130)),
            "{what}: `gpunode {}` ended with {code:?}, signal {:?}",
            line.join(" "),
            status.signal()
        );
    }
    println!("{what}: {} command lines", lines.len());
    lines.len()
}

/// One command line in three, other ones each time; all of them with `GPUNODE_KILLS` set.
pub(crate) fn is_sampled(index: usize) -> bool {
    let pid = usize::try_from(std::process::id()).unwrap_or_default();
    std::env::var_os("GPUNODE_KILLS").is_some() || (index + pid).is_multiple_of(3)
}

/// Copies are for everybody; a session is for its owner.
fn private(place: &Place) {
    use std::os::unix::fs::PermissionsExt;
    for folder in ["state", "state/session.yaml.d"] {
        let _ = fs::set_permissions(place.path(folder), fs::Permissions::from_mode(0o700));
    }
}

/// Starts a command from a shell that has done something to its outputs.
fn by_shell(plain: &Command, redirection: &str) -> Command {
    let mut command = Command::new("timeout");
    command
        .args(["60", "sh", "-c", &format!("exec \"$@\" {redirection}"), "sh"])
        .arg(plain.get_program())
        .args(plain.get_args())
        .env_clear();
    for (name, value) in plain.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command
        .current_dir(plain.get_current_dir().unwrap())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

#[test]
fn closed_outputs_are_no_panic() {
    for redirection in [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"] {
        demand_no_panic(redirection, &|plain| by_shell(&plain, redirection));
    }
}

#[test]
fn full_outputs_are_no_panic() {
    for redirection in [">/dev/full", "2>/dev/full", ">/dev/full 2>/dev/full"] {
        demand_no_panic(redirection, &|plain| by_shell(&plain, redirection));
    }
}

#[test]
fn readers_that_went_away_are_no_panic() {
    let unread = || Stdio::from(std::io::pipe().unwrap().1);
    demand_no_panic("unread output", &|plain| {
        let mut command = by_shell(&plain, "");
        command.stdout(unread());
        command
    });
    demand_no_panic("unread errors", &|plain| {
        let mut command = by_shell(&plain, "");
        command.stdout(unread()).stderr(unread());
        command
    });
}

#[test]
fn a_full_output_is_said_where_it_can_be() {
    let place = prepared();
    for line in
        [&["--demo", "detect"][..], &["--demo", "report"], &["man"], &["scenarios"], &["--demo", "plan", "--json"]]
    {
        let output = by_shell(&place.command(line), ">/dev/full").stderr(Stdio::piped()).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{line:?}: {errors}");
        assert!(errors.contains("standard output") && errors.contains("  help: "), "{line:?}: {errors}");
    }
}

#[test]
fn a_system_that_gives_no_more_processes_is_no_panic() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let mut ran = 0;
    // A user whom nobody else is: the limit counts all processes of one.
    for (uid, processes) in [(64_301, 1), (64_302, 2), (64_303, 4)] {
        ran += demand_no_panic(&format!("{processes} processes"), &|plain| {
            let folder = plain.get_current_dir().unwrap();
            let program = folder.join("gpunode-copy");
            fs::copy(plain.get_program(), &program).unwrap();
            assert!(
                Command::new("chown").arg("-R").arg(format!("{uid}:{uid}")).arg(folder).status().unwrap().success()
            );
            let mut command = Command::new("timeout");
            command.args(["60".into(), tool("setpriv").into_os_string()]);
            command.args(["--reuid", &uid.to_string(), "--regid", &uid.to_string(), "--clear-groups"]);
            command
                .arg(tool("prlimit"))
                .arg(format!("--nproc={processes}"))
                .arg(program)
                .args(plain.get_args())
                .env_clear();
            for (name, value) in plain.get_envs() {
                command.env(name, value.unwrap_or_default());
            }
            command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command
        });
    }
    assert!(ran > 30, "{ran}");
}

#[test]
fn a_clock_beyond_all_dates_is_no_panic() {
    let faketime = tool("faketime");
    for (what, shift) in [("beyond the year 10000", "+8474y"), ("the year 1900", "-126y")] {
        demand_no_panic(what, &|plain| {
            let mut command = by_shell(&plain, "");
            let shell: Vec<_> = command.get_args().skip(1).map(ToOwned::to_owned).collect();
            let envs: Vec<_> = command
                .get_envs()
                .map(|(name, value)| (name.to_owned(), value.unwrap_or_default().to_owned()))
                .collect();
            let folder = command.get_current_dir().unwrap().to_owned();
            command = Command::new("timeout");
            command.arg("60").arg(&faketime).args(["-f", shift]).args(shell).env_clear().envs(envs).current_dir(folder);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command
        });
    }
}

#[test]
fn a_scenario_with_times_that_are_none_is_no_panic() {
    let place = Place::new();
    let recorded = place.path("machine.yaml");
    place.run(["--demo", "record", recorded.to_str().unwrap()]).demand(0);
    let whole = fs::read_to_string(&recorded).unwrap();
    for time in ["1e30", "-5", ".nan", ".inf", "-.inf", "1e400", "x"] {
        let text = whole.replace("- command:\n", &format!("- delay: {time}\n  pace: {time}\n  command:\n"));
        assert_ne!(text, whole);
        fs::write(&recorded, text).unwrap();
        for (speed, most) in [("0", 60), ("1", 3), ("1e-300", 3)] {
            let plain = place.command(["--replay", recorded.to_str().unwrap(), "--speed", speed, "detect"]);
            let mut command = by_shell(&plain, "");
            let args: Vec<_> = command.get_args().skip(1).map(ToOwned::to_owned).collect();
            command = Command::new("timeout");
            command.arg(most.to_string()).args(args).current_dir(place.folder.path()).env("HOME", place.folder.path());
            let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
            // One that waits for ever is stopped by this test.
            assert!(matches!(status.code(), Some(0..=2 | 124)), "{time} at {speed}: {status}");
        }
    }
}
