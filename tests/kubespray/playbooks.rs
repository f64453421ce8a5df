//! The real `ansible-playbook` on small playbooks of our own: what is ok, changed, failed, unreachable, hanging, and
//! what `sudo` wants.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use crate::support::{
    program::{Place, Ran, tool},
    terminal::Terminal,
};
use gpunode::{
    engine::{Event, Outcome, Runner},
    host::{Cancel, Host},
    kubespray::playbook::PlaybookRun,
    plan::{Action, ActionSpec, Step, action::run_playbook::RunPlaybook},
    secret::Secret,
    session::{Session, Status, store::Store},
};

/// A folder with playbooks, and a session beside it.
struct Site {
    folder: tempfile::TempDir,
    host: Host,
    store: Store,
    session: Session,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::local(Path::new("/"));
        let store = Store::open(&folder.path().join("state/session.yaml")).unwrap();
        let session = Session::new("machine".to_owned(), "node1".to_owned(), host.clock.now());
        Self { folder, host, store, session }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Plans one playbook as step 3.
    fn plan(&mut self, inventory: &str, tasks: &str, with_sudo: bool) {
        self.write("hosts.ini", inventory);
        self.write("play.yml", &format!("- name: ours\n  hosts: all\n  gather_facts: false\n  tasks:\n{tasks}"));
        // We are root already, and sudo to the same user would be passed over.
        let config = if with_sudo { "[privilege_escalation]\nbecome_allow_same_user = true\n" } else { "" };
        self.write("ansible.cfg", config);
        let run = PlaybookRun {
            program: tool("ansible-playbook"),
            checkout: Some(self.folder.path().to_owned()),
            inventory: "hosts.ini".into(),
            playbook: "play.yml".to_owned(),
            limit: None,
            tags: None,
        };
        let action = Action {
            id: "run-playbook:1:play.yml".to_owned(),
            step: Step::Variables,
            kind: ActionSpec::RunPlaybook(RunPlaybook { run: run.clone(), ansible_core: "2.18.0".parse().ok() }),
            why: "run-playbook".to_owned(),
            args: Vec::new(),
            optional: false,
            may_fail: false,
            skipped: false,
            blocked: None,
            commands: vec![run.command()],
            diff: None,
            needs_root: false,
            needs_reboot: false,
            undo: "run-playbook".to_owned(),
        };
        self.session.replan(Step::Variables, vec![action]);
    }

    fn run(&mut self, cancel: &Cancel, secret: Option<Secret>) -> (Outcome, Vec<Event>) {
        let mut events = Vec::new();
        let mut runner = Runner { host: &self.host, store: &self.store, session: &mut self.session, cancel, secret };
        let outcome = runner.run(Step::Variables, &mut |event| events.push(event)).unwrap();
        (outcome, events)
    }

    fn evidence(&self) -> String {
        self.session.journal.last().unwrap().evidence.join("\n")
    }
}

const LOCAL: &str = "node1 ansible_connection=local ansible_python_interpreter={{ansible_playbook_python}}\n";

#[test]
fn a_good_run_tells_its_progress_and_keeps_the_recap() {
    let mut site = Site::new();
    let tasks =
        "  - name: one\n    ping:\n  - name: two\n    command: 'true'\n  - name: three\n    ping:\n    when: false\n";
    site.plan(LOCAL, tasks, false);
    let (outcome, events) = site.run(&Cancel::default(), None);
    assert_eq!(outcome, Outcome::Done, "{}", site.evidence());
    let progress: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Progress(progress) => Some((progress.done, progress.total)),
            _ => None,
        })
        .collect();
    assert_eq!(progress, [(1, Some(3)), (2, Some(3)), (3, Some(3))], "against --list-tasks");
    assert!(site.evidence().contains("node1: ok=2 changed=1 skipped=1"), "{}", site.evidence());
}

#[test]
fn a_failed_task_is_named_with_its_host_and_message() {
    let mut site = Site::new();
    let tasks = "  - name: stumble\n    fail:\n      msg: the image is not there\n    ignore_errors: true\n  - name: check the image\n    fail:\n      msg: no such image\n    when: inventory_hostname == 'node2'\n";
    site.plan(&format!("{LOCAL}node2 ansible_connection=local\n"), tasks, false);
    let (outcome, _) = site.run(&Cancel::default(), None);
    assert!(matches!(outcome, Outcome::Failed { .. }));
    let evidence = site.evidence();
    assert!(evidence.contains("task \"check the image\" failed on node2: no such image"), "{evidence}");
    assert!(evidence.contains("node2: ok=1") && evidence.contains("failed=1"), "{evidence}");
    assert!(!evidence.contains("the image is not there"), "an ignored failure is none: {evidence}");
}

#[test]
fn an_unreachable_host_is_named() {
    let mut site = Site::new();
    let ssh =
        site.write("ssh.sh", "#!/bin/sh\necho 'ssh: connect to host far port 22: Connection refused' >&2\nexit 255\n");
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
    site.plan(
        &format!("far ansible_ssh_executable={}\n", ssh.display()),
        "  - name: reach it\n    raw: 'true'\n",
        false,
    );
    let (outcome, _) = site.run(&Cancel::default(), None);
    assert!(matches!(outcome, Outcome::Failed { .. }));
    let evidence = site.evidence();
    assert!(
        evidence.contains("task \"reach it\" failed on far: ")
            && evidence.contains("Connection refused")
            && evidence.contains("far: unreachable=1"),
        "{evidence}"
    );
}

#[test]
fn what_ansible_itself_refuses_is_said_in_its_words() {
    let mut site = Site::new();
    site.plan(LOCAL, "  - nosuchmodule:\n", false);
    let (outcome, _) = site.run(&Cancel::default(), None);
    assert!(matches!(outcome, Outcome::Failed { .. }));
    assert!(site.evidence().contains("couldn't resolve module/action 'nosuchmodule'"), "{}", site.evidence());
}

/// Processes whose command line names this folder.
fn processes_in(folder: &Path) -> Vec<String> {
    let wanted = folder.display().to_string();
    let pids =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<u32>().ok());
    let line = |pid: u32| {
        fs::read(format!("/proc/{pid}/cmdline")).ok().map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "))
    };
    pids.filter_map(line).filter(|line| line.contains(&wanted)).collect()
}

#[test]
fn a_hanging_task_is_stopped_with_all_that_it_started() {
    let mut site = Site::new();
    let marker = site.folder.path().join("hangs-here");
    let script = site.write("hang.sh", &format!("#!/bin/sh\ntouch {}\nsleep 600\n", marker.display()));
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    site.plan(LOCAL, &format!("  - name: hang\n    command: {}\n", script.display()), false);
    let cancel = Cancel::default();
    let stopper = {
        let (cancel, marker) = (cancel.clone(), marker.clone());
        thread::spawn(move || {
            let begin = Instant::now();
            while !marker.exists() && begin.elapsed() < Duration::from_mins(1) {
                thread::yield_now();
            }
            cancel.cancel();
        })
    };
    let (outcome, _) = site.run(&cancel, None);
    stopper.join().unwrap();
    assert!(marker.exists(), "the task had begun");
    assert_eq!(outcome, Outcome::Cancelled);
    assert_eq!(site.session.journal.last().unwrap().status, Status::Cancelled);
    let begin = Instant::now();
    while !processes_in(site.folder.path()).is_empty() && begin.elapsed() < Duration::from_secs(10) {
        thread::yield_now();
    }
    assert_eq!(processes_in(site.folder.path()), Vec::<String>::new());
}

/// A `sudo` that wants the password `s3cret-pw`, as Ansible calls it.
const SUDO: &str = r#"#!/bin/sh
prompt=
while [ $# -gt 0 ]; do
  case "$1" in
    -H|-S) shift ;;
    -n) echo "sudo: a password is required" >&2; exit 1 ;;
    -u) shift 2 ;;
    -p) prompt=$2; shift 2 ;;
    *) break ;;
  esac
done
printf %s "$prompt" >&2
read -r given
if [ "$given" != s3cret-pw ]; then echo "Sorry, try again." >&2; printf %s "$prompt" >&2; exit 1; fi
exec "$@"
"#;

/// Everything below a folder as one text.
fn all_text(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        text += &if path.is_dir() {
            all_text(&path)
        } else {
            String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()
        };
    }
    text
}

#[test]
fn sudos_password_is_asked_for_when_it_is_needed_and_left_nowhere() {
    for core in ["2.18.0", "2.9.27"] {
        let mut site = Site::new();
        let sudo = site.write("sudo.sh", SUDO);
        fs::set_permissions(&sudo, fs::Permissions::from_mode(0o755)).unwrap();
        let inventory = format!("{} ansible_become_exe={}\n", LOCAL.trim(), sudo.display());
        // What every process shows of itself while the password is in use.
        let tasks = "  - name: as root\n    shell: cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' > seen.txt; true\n    args: {chdir: '{{ playbook_dir }}'}\n";
        site.plan(&inventory, tasks, true);
        for action in &mut site.session.plan.actions {
            let ActionSpec::RunPlaybook(run) = &mut action.kind else { panic!() };
            run.ansible_core = core.parse().ok();
        }
        let (outcome, events) = site.run(&Cancel::default(), None);
        assert!(
            matches!(outcome, Outcome::Failed { .. }) && events.contains(&Event::PasswordNeeded),
            "{core}: {}",
            site.evidence()
        );
        let (outcome, events) = site.run(&Cancel::default(), Some(Secret::new("wrong\n")));
        assert!(
            matches!(outcome, Outcome::Failed { .. }) && events.contains(&Event::PasswordNeeded),
            "{core}: {}",
            site.evidence()
        );
        let (outcome, events) = site.run(&Cancel::default(), Some(Secret::new("s3cret-pw\n")));
        assert_eq!(outcome, Outcome::Done, "{core}: {}", site.evidence());
        assert!(!format!("{events:?}").contains("s3cret-pw"), "no event carries it");
        let seen = fs::read_to_string(site.folder.path().join("seen.txt")).unwrap();
        assert!(
            seen.contains("ansible-playbook") && !seen.contains("s3cret-pw"),
            "no argument and no environment carries it"
        );
        fs::remove_file(&sudo).unwrap();
        assert!(!all_text(site.folder.path()).contains("s3cret-pw"), "no file carries it: session, log, backup");
        assert!(!format!("{:?}", site.session).contains("s3cret-pw"));
    }
}

/// A place with a checkout that has an environment of its own and playbooks that say their name, and the command that
/// applies step 3 for a driver.
fn with_playbooks() -> (Place, impl Fn(&Place, &str) -> Ran) {
    let place = Place::new();
    let play = |name: &str| {
        format!(
            "- name: {name}\n  hosts: all\n  gather_facts: false\n  tasks:\n  - name: {name} ran\n    ping:\n    tags: [nvidia_gpu]\n"
        )
    };
    for name in ["cluster.yml", "scale.yml", "facts.yml"] {
        place.write(&format!("kubespray-2.14.2/{name}"), &play(name));
    }
    place.write(
        "kubespray-2.14.2/ansible_version.yml",
        "- hosts: localhost\n  vars:\n    minimal_ansible_version: 2.18.0\n    maximal_ansible_version: 2.19.0\n",
    );
    place.write(
        "kubespray-2.14.2/roles/kubernetes-apps/container_engine_accelerator/nvidia_gpu/vars/centos-7.yml",
        "a: 1\n",
    );
    let local = LOCAL.trim();
    let inventory = place.write(
        "kubespray-2.14.2/inventory/mycluster/inventory.ini",
        &format!(
            "[kube-master]\n{}\n[kube-node]\n{local}\n[k8s-cluster:children]\nkube-master\nkube-node\n",
            local.replace("node1", "cp1")
        ),
    );
    let environment = tool("ansible-playbook").parent().unwrap().parent().unwrap().to_owned();
    symlink(&environment, place.path("kubespray-2.14.2/venv")).unwrap();
    let apply = move |place: &Place, driver: &str| {
        let answers = format!(
            "driver_owner: installer-pod\ndriver_version: \"{driver}\"\ngpus: [\"10de:1db6\"]\nkubespray: {}\ninventory: {}\nnode: node1\n",
            inventory.ancestors().nth(3).unwrap().display(),
            inventory.display()
        );
        let answers = place.write("answers.yaml", &answers);
        place.run(["apply", "--steps", "3", "--yes", "--answers", answers.to_str().unwrap()]).demand(0)
    };
    (place, apply)
}

/// Which playbooks ran, in order.
fn ran_in(text: &str) -> Vec<&str> {
    let mut found: Vec<_> = ["facts.yml", "scale.yml", "cluster.yml"]
        .iter()
        .filter_map(|name| Some((text.find(&format!("{name} ran"))?, *name)))
        .collect();
    found.sort_unstable();
    found.into_iter().map(|(_, name)| name).collect()
}

#[test]
fn a_checkouts_own_environment_runs_its_playbooks_in_order() {
    let (place, apply) = with_playbooks();
    let ran = apply(&place, "450.51.06").stdout;
    assert_eq!(ran_in(&ran), ["facts.yml", "scale.yml", "cluster.yml"], "{ran}");
    assert!(ran.contains(&format!("{}/venv/bin/ansible-playbook", place.path("kubespray-2.14.2").display())), "{ran}");
    assert!(ran.contains("| node1: ok=1"), "the recap is kept: {ran}");
}

#[test]
fn playbooks_run_again_only_when_the_inventory_was_changed_after_them() {
    let (place, apply) = with_playbooks();
    assert_eq!(ran_in(&apply(&place, "450.51.06").stdout).len(), 3);
    let second = apply(&place, "450.51.06").stdout;
    assert_eq!(ran_in(&second), [] as [&str; 0], "{second}");
    // The wizard has nothing to confirm: Enter goes on to step 4.
    let mut screen = Terminal::start(&place.command([] as [&str; 0]), 120, 40, "xterm-256color");
    screen.wait("Variables of the GPU role");
    screen.wait("Findings");
    screen.keys("\r");
    screen.wait_for("step 4 or a question", |screen| screen.contains("[4 Verify]") || screen.contains("Run this?"));
    assert!(!screen.screen().contains("Run this?"), "{}", screen.screen());
    screen.keys("q");
    screen.wait("Quit?");
    screen.keys("\r");
    screen.end();
    // Another driver is in the inventory: only a run brings it onto the node.
    let changed = apply(&place, "440.33.01").stdout;
    assert_eq!(ran_in(&changed), ["facts.yml", "scale.yml", "cluster.yml"], "{changed}");
}
