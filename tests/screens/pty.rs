//! The wizard in a real terminal, with keys, kills, signals and resizes.

use crate::support::{program::Place, terminal::Terminal};
use rustix::process::Signal;

const ENTER: &str = "\r";

fn demo(place: &Place, name: &str, speed: &str) -> Terminal {
    let args = [&format!("--demo={name}"), "--speed", speed];
    Terminal::start(&place.command(args), 80, 24, "xterm-256color")
}

/// From the first screen to step 2's table of drivers.
fn to_the_drivers(screen: &mut Terminal) {
    screen.wait("Tesla V100-PCIE-32GB");
    screen.wait("must go");
    screen.keys(ENTER);
    screen.wait("Who owns the driver?");
    screen.wait("450.51.06");
    screen.keys(ENTER);
    screen.keys(ENTER);
}

/// From the first screen to the end of step 2's plan.
fn to_the_plan(screen: &mut Terminal) {
    to_the_drivers(screen);
    screen.keys(ENTER);
    screen.wait("What will be done");
}

/// Runs what the plan shows, and reboots.
fn run_and_reboot(screen: &mut Terminal) {
    screen.keys(ENTER);
    screen.wait("Run this?");
    screen.keys("y");
    screen.wait("Reboot now?");
    screen.keys("y");
    screen.wait("The machine was booted again.");
    screen.keys("\x1b");
}

fn variables(screen: &mut Terminal) {
    screen.wait("Variables of the GPU role");
    screen.wait("Works");
    screen.wait("changes");
    screen.keys(ENTER);
    screen.wait("Run this?");
    screen.keys("y");
    screen.wait("Done, and proven.");
    screen.keys(ENTER);
}

#[test]
fn the_whole_story_by_keys() {
    let place = Place::new();
    let mut screen = demo(&place, "seed", "0");
    screen.wait("SIMULATED");
    to_the_plan(&mut screen);
    screen.wait("inside the runfile is not installed");
    run_and_reboot(&mut screen);
    variables(&mut screen);
    screen.wait("Updating host's ld cache... DONE.");
    screen.wait("7 of 8");
    // Enter leads to the test pod, because that alone is missing; it is shown before it runs.
    screen.keys(ENTER);
    screen.wait("Run the test pod?");
    screen.keys(ENTER);
    screen.wait("NVIDIA-SMI 450.51.06");
    screen.wait("8 of 8");
    screen.keys(ENTER);
    // The seed's last step is asked about once.
    screen.wait("Remove the taint nvidia.com/gpu from node1");
    screen.wait("writes the taint into the kubelet's");
    screen.keys("y");
    screen.wait("This machine is a working GPU node.");
    screen.keys(ENTER);
    assert_eq!(screen.end(), 0);
    screen.demand_clean();
    let report = place.run(["--demo", "report", "--format", "json"]).demand(0).json();
    assert_eq!(report["verdict"]["verdict"], "ok");
}

/// Driver 450.80.02 chosen, 450.51.06 seen: the test pod shows it, and nothing says success below 8 of 8, whatever keys
/// are typed.
#[test]
fn another_driver_than_the_chosen_one_is_never_a_success() {
    let place = Place::new();
    let recorded = place.recorded_demo();
    let mut screen = demo(&place, &recorded, "0");
    to_the_drivers(&mut screen);
    // The table begins at the recommended row; newer drivers stand above it.
    screen.keys("\x1b[A");
    screen.wait("▸ 450.80.02");
    screen.keys_until(ENTER, "What will be done");
    run_and_reboot(&mut screen);
    variables(&mut screen);
    screen.wait("7 of 8");
    screen.keys("t");
    screen.wait("Run the test pod?");
    screen.keys(ENTER);
    screen.wait("✗ nvidia-smi in the pod shows driver 450.51.06, and 450.80.02 is wanted");
    // Enter says why it does not go on; nothing is offered, and no other key makes a success of it.
    screen.keys(ENTER);
    screen.wait("Failed: A pod uses the GPU");
    for keys in ["o", "y", ENTER, ENTER] {
        screen.keys(keys);
    }
    screen.keys("q");
    screen.wait("Quit?");
    assert!(screen.screen().contains("[4 Verify]"), "{}", screen.screen());
    screen.keys(ENTER);
    screen.end();
    let raw = String::from_utf8_lossy(&screen.raw()).into_owned();
    for words in ["8 of 8", "This machine is a working GPU node", "Remove the taint"] {
        assert!(!raw.contains(words), "{words}");
    }
    let status = place.run([&format!("--demo={recorded}"), "status", "--json"]).demand(0).json();
    assert_ne!(status["steps"][3]["state"], "done", "{status}");
    place.run([&format!("--demo={recorded}"), "--speed", "0", "verify"]).demand(1);
}

#[test]
fn error_one_leads_back_to_step_two_and_the_second_try_works() {
    let place = Place::new();
    let mut screen = demo(&place, "already-loaded", "0");
    to_the_plan(&mut screen);
    // The driver is left out, so nothing asks for a reboot.
    screen.keys(ENTER);
    screen.wait("Run this?");
    screen.keys("y");
    screen.wait("Done, and proven.");
    screen.keys(ENTER);
    variables(&mut screen);
    screen.wait("already loaded on the host");
    screen.keys("y");
    screen.wait("What will be done");
    run_and_reboot(&mut screen);
    screen.wait("Updating host's ld cache... DONE.");
    screen.wait("7 of 8");
}

#[test]
fn a_killed_wizard_goes_on_where_it_was() {
    let place = Place::new();
    let mut screen = demo(&place, "seed", "8");
    to_the_plan(&mut screen);
    screen.keys(ENTER);
    screen.wait("Run this?");
    screen.keys("y");
    screen.wait("Installing: CUDA Toolkit");
    screen.signal(Signal::KILL);
    screen.end();
    let mut screen = demo(&place, "seed", "8");
    // What the killed one did itself is no news.
    screen.wait("What will be done");
    run_and_reboot(&mut screen);
    screen.wait("Variables of the GPU role");
    screen.signal(Signal::KILL);
    screen.end();
    let mut screen = demo(&place, "seed", "0");
    variables(&mut screen);
    screen.wait("Updating host's ld cache... DONE.");
}

#[test]
fn every_way_out_leaves_a_clean_terminal() {
    for (name, code) in [("ctrl-c", 130), ("q", 130), ("term", 143), ("hup", 129)] {
        let place = Place::new();
        let mut screen = demo(&place, "seed", "0");
        screen.wait("must go");
        match name {
            "ctrl-c" => {
                screen.keys("\x03");
                screen.wait("Quit?");
                screen.keys("\x03");
            }
            "q" => {
                screen.keys("q");
                screen.wait("Quit?");
                screen.keys(ENTER);
            }
            "term" => screen.signal(Signal::TERM),
            _ => screen.signal(Signal::HUP),
        }
        let ended = screen.end();
        assert!(ended == code || ended == 130, "{name}: {ended}");
        screen.demand_clean();
    }
}

#[test]
fn a_terminal_that_is_too_small_says_so_and_keeps_the_state() {
    let place = Place::new();
    let mut screen = demo(&place, "seed", "0");
    screen.wait("must go");
    screen.keys(ENTER);
    screen.wait("Who owns the driver?");
    screen.resize(60, 20);
    screen.wait("80x24");
    screen.resize(160, 50);
    screen.wait("Who owns the driver?");
    screen.resize(80, 24);
    screen.wait("Who owns the driver?");
}

#[test]
fn korean_and_the_linux_console_are_both_served() {
    let place = Place::new();
    let mut screen =
        Terminal::start(&place.command(["--demo", "--speed", "0", "--lang", "ko"]), 80, 24, "xterm-256color");
    screen.wait("드라이버");
    drop(screen);
    let place = Place::new();
    let mut screen =
        Terminal::start(place.command(["--demo", "--speed", "0"]).env("LANG", "ko_KR.UTF-8"), 80, 24, "linux");
    screen.wait("must go");
    assert!(screen.screen().is_ascii(), "{}", screen.screen());
}

#[test]
fn plain_prompts_ask_the_same_questions() {
    let place = Place::new();
    let mut screen = Terminal::start(&place.command(["--demo", "--plain", "--speed", "0"]), 100, 40, "vt100");
    screen.wait("Go on to the driver?");
    screen.keys(ENTER);
    screen.wait("Who puts the driver on this node?");
    screen.keys(ENTER);
    screen.wait("Which CUDA toolkit");
    screen.wait("11.0.3");
    screen.keys(ENTER);
    screen.wait("Which driver?");
    screen.wait("450.51.06");
    screen.keys(ENTER);
    screen.wait("Do this now?");
    screen.keys("y\r");
    screen.wait("Reboot now?");
    screen.keys("y\r");
    screen.wait("== 3 Variables ==");
    screen.wait("Do this now?");
    screen.keys("y\r");
    screen.wait_for("the question of step 4", |screen| {
        screen.split_once("== 4 Verify ==").is_some_and(|(_, after)| after.contains("Do this now?"))
    });
    screen.keys("y\r");
    // Only a test that has passed leads to this question.
    screen.wait("Take the taint off now?");
    screen.keys(ENTER);
    assert_eq!(screen.end(), 0);
    let report = place.run(["--demo", "report", "--format", "json"]).demand(0).json();
    let done: Vec<_> =
        report["actions"].as_array().unwrap().iter().map(|action| action["id"].as_str().unwrap()).collect();
    assert!(done.contains(&"test-pod") && done.contains(&"reboot"), "{done:?}");
}

#[test]
fn a_dumb_terminal_gets_numbers_and_no_escape_sequence() {
    let place = Place::new();
    let mut screen = Terminal::start(&place.command(["--demo", "--plain", "--speed", "0"]), 100, 40, "dumb");
    screen.wait("Go on to the driver?");
    screen.keys("y\r");
    screen.wait("Number from 1 to 3, Enter for 1:");
    // The seed's machine has no story for another owner, and says so before it is taken.
    screen.keys("2\r");
    screen.wait("Number from 1 to 3, Enter for 1:");
    screen.keys("1\r");
    screen.wait(") none\n");
    // End of input, as Ctrl-D types it: the session is kept.
    screen.keys("\u{4}");
    assert_eq!(screen.end(), 130);
    assert!(!screen.raw().contains(&0x1b), "{}", screen.screen());
}

#[test]
fn a_second_wizard_looks_on_and_takes_over_when_the_first_has_ended() {
    let place = Place::new();
    let mut first = demo(&place, "seed", "2");
    to_the_plan(&mut first);
    first.keys(ENTER);
    first.wait("Run this?");
    first.keys("y");
    first.wait("Uninstalling driver");
    let mut second = demo(&place, "seed", "2");
    second.wait("LOOKING ON");
    second.wait("SIMULATED");
    second.wait("pid ");
    // What the first one does comes as it happens.
    second.wait("Uninstalling driver");
    second.wait("Installing: CUDA Toolkit");
    // Nothing can be changed from here.
    second.keys(" a\r");
    second.wait("LOOKING ON");
    first.signal(Signal::KILL);
    first.end();
    second.wait("let the session go");
    second.keys(ENTER);
    second.wait("What will be done");
    assert!(!second.screen().contains("LOOKING ON"));
    second.keys("q");
    second.wait("Quit?");
    second.keys(ENTER);
    assert_eq!(second.end(), 130);
    second.demand_clean();
}

/// Starts the demo from an interactive shell, as people do.
fn demo_in_a_shell(place: &Place, speed: &str) -> Terminal {
    let plain = place.command([] as [&str; 0]);
    let mut shell = std::process::Command::new("bash");
    shell.args(["--norc", "--noprofile", "-i"]).env_clear().env("PS1", "shell> ");
    for (name, value) in plain.get_envs() {
        shell.env(name, value.unwrap_or_default());
    }
    let mut screen = Terminal::start(&shell, 80, 24, "xterm-256color");
    screen.wait("shell> ");
    screen.keys(&format!("{} --demo --speed {speed}\r", plain.get_program().display()));
    screen
}

#[test]
fn a_wizard_that_is_stopped_by_job_control_comes_back_as_it_was() {
    let place = Place::new();
    let mut screen = demo_in_a_shell(&place, "0");
    screen.wait("must go");
    screen.keys("\x1a");
    screen.wait("Stopped");
    screen.demand_clean();
    screen.keys("fg\r");
    screen.wait("must go");
    screen.keys(ENTER);
    screen.wait("Who owns the driver?");
}

#[test]
fn a_wizard_whose_login_is_cut_off_is_gone_on_with() {
    let place = Place::new();
    let mut screen = demo_in_a_shell(&place, "2");
    to_the_plan(&mut screen);
    screen.keys(ENTER);
    screen.wait("Run this?");
    screen.keys("y");
    screen.wait("Installing: CUDA Toolkit");
    // The shell leads the session of the terminal: as with a cut ssh, the kernel hangs up on whoever is left.
    screen.signal(Signal::KILL);
    screen.end();
    // The second wizard would look on; the lock goes with the first one.
    Terminal::wait_until(|| place.run(["--demo", "status", "--json"]).demand(0).json()["holder"].is_null());
    let mut screen = demo(&place, "seed", "0");
    // What the killed one did itself is no news.
    screen.wait("What will be done");
    run_and_reboot(&mut screen);
    screen.wait("Variables of the GPU role");
}

/// Runs the program in a terminal, waits until it has written `text`, and takes the terminal away: as with a cut line,
/// nobody reads any more and every write fails.
const HANG_UP: &str = r"
import fcntl, os, pty, struct, sys, termios
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[2], sys.argv[2:])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 80, 0, 0))
seen = b''
while sys.argv[1].encode() not in seen:
    seen += os.read(terminal, 65536)
os.close(terminal)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";

#[test]
fn a_terminal_that_is_taken_away_ends_the_program_and_keeps_the_session() {
    for (args, text) in [
        (&["--demo", "--speed", "0"][..], "SIMULATED"),
        (&["--demo", "--plain", "--speed", "0"], "Go on to the driver?"),
    ] {
        let place = Place::new();
        let plain = place.command(args);
        let mut command = std::process::Command::new("timeout");
        command
            .args(["60", "python3", "-c", HANG_UP, text])
            .arg(plain.get_program())
            .args(plain.get_args())
            .env_clear();
        for (name, value) in plain.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        let output = command.env("TERM", "xterm-256color").current_dir(place.folder.path()).output().unwrap();
        let code = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        // By SIGHUP itself, or told as one who quits; never by a panic (101) or an abort (-6).
        assert!(
            ["129", "130", "-1"].contains(&code.as_str()),
            "{args:?}: {code:?} {}",
            String::from_utf8_lossy(&output.stderr)
        );
        place.run(["--demo", "status"]).demand(0);
    }
}

/// Today's cluster: the driver on the host, containerd's runtime from Kubespray, the device plugin, a pod that computes,
/// and all of it again after a boot.
#[test]
fn todays_cluster_by_keys_to_the_second_boot() {
    let place = Place::new();
    let mut screen = demo(&place, "ubuntu-2404", "0");
    screen.wait("NVIDIA H100 PCIe");
    screen.wait("nouveau");
    screen.keys(ENTER);
    screen.wait("recommended");
    screen.wait("R580 from Ubuntu's archive");
    screen.keys(ENTER);
    screen.keys(ENTER);
    screen.keys(ENTER);
    screen.wait("What will be done");
    screen.wait("nothing is in the way");
    run_and_reboot(&mut screen);
    screen.wait("nvidia_accelerator_enabled");
    screen.keys(ENTER);
    screen.wait("containerd_additional_runtimes");
    screen.keys("y");
    screen.wait("Done, and proven.");
    screen.keys(ENTER);
    // What is good is folded; the device plugin's log is followed, to the line that counts.
    screen.wait("Device plugin log · It runs, and the kubelet knows of the cards.");
    screen.wait("links, from \"Cards are on the PCI bus\"");
    screen.wait("20 of 22");
    assert!(!screen.screen().contains("nstaller log"), "{}", screen.screen());
    screen.keys("t");
    screen.wait("Run the test pod?");
    screen.keys(ENTER);
    screen.wait("21 of 22");
    screen.keys(ENTER);
    screen.wait("Reboot gpu1 now");
    screen.keys("y");
    screen.wait("Since you were here");
    screen.keys("\x1b");
    // The same test is not asked about again.
    screen.keys_until("t", "NVIDIA-SMI 580.178.04");
    screen.wait("Enter finish");
    screen.keys(ENTER);
    screen.wait("This machine is a working GPU node.");
    let report = place.run(["--demo=ubuntu-2404", "report"]).demand(0).stdout;
    assert!(report.contains("Certificate: the whole chain was judged on two boots."), "{report}");
}
