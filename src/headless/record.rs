//! `gpunode record`: this machine as a scenario in one file, without its names, addresses and serial numbers.
//!
//! Hardly anything is listed here: step 1 and the pre-flight run on a host that writes down what they ask ([`Tape`]),
//! and that is the recording.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::IsTerminal,
    path::{Path, PathBuf},
};

use super::{answers_or_session, print};
use crate::{
    answers::{Answers, CudaChoice, DriverOwner},
    error::{Expected, reason},
    exit_code::ExitCode,
    facts::{self, Facts, Origin, excerpt},
    host::{
        FileKind, Host, NvmlAnswer,
        replay::{
            follow,
            scenario::{About, NvmlRule, Recording, Rule},
        },
        tape::{Asked, Ran, Tape},
    },
    i18n::msg,
    owner,
    plan::Step,
    preflight, private,
    report::redact::{Redactor, by_form},
    steps,
    workspace::Workspace,
};

/// Writes the recording; what is there already is replaced only when somebody says so.
pub(super) fn run(workspace: &Workspace, file: &Path) -> Result<ExitCode, Expected> {
    if file.symlink_metadata().is_ok() && !may_replace(workspace, file)? {
        return Ok(ExitCode::Quit);
    }
    let recording = record(&workspace.host, &answers_or_session(workspace, None)?);
    let text = serde_yaml::to_string(&recording)
        .map_err(|error| Expected::new(msg::error::recording(error), msg::error::bug()))?;
    private::write(file, text.as_bytes()).map_err(|error| {
        Expected::new(msg::error::write(file.display(), reason(&error)), msg::error::write::other())
    })?;
    print(&msg::record::written(recording.files.len().to_string(), file.display().to_string()).text(workspace.lang))
}

/// Asks whether a file may be replaced; where nobody is there to answer, it may not.
fn may_replace(workspace: &Workspace, file: &Path) -> Result<bool, Expected> {
    if !(std::io::stdin().is_terminal() && std::io::stdout().is_terminal()) {
        return Err(Expected::new(msg::error::record::exists(file.display()), msg::error::record::exists::hint()));
    }
    let question = msg::record::replace(file.display().to_string()).text(workspace.lang);
    Ok(inquire::Confirm::new(&question).with_default(false).prompt().unwrap_or(false))
}

/// Looks at a machine and returns what it answered.
pub fn record(host: &Host, answers: &Answers) -> Recording {
    let tape = Tape::default();
    let listening = tape.listen(host);
    let facts = facts::probe_all(&listening);
    foresee(&listening, &facts, &with_toolkit(&listening, &facts, answers));
    // Who replays it may choose the owner for whom the most must go, and whose pre-flight asks the most.
    let first = Answers { driver_owner: DriverOwner::default(), ..answers.clone() };
    if first != *answers {
        foresee(&listening, &facts, &with_toolkit(&listening, &facts, &first));
    }
    // Steps 3 and 4 look for these. What else they ask is the inventory's and the cluster's, and nobody else's
    // business.
    for program in ["ansible-playbook", "kubectl"] {
        listening.commands.locate(program);
    }
    compile(&tape.asked(), &facts)
}

/// A card that every toolkit from 9.0 to 12 serves.
const CARD: &str = "10de:1db6";

/// Decides on a toolkit where the answers name none: what is planned with the recording may be one, and its pre-flight
/// asks for more.
fn with_toolkit(host: &Host, facts: &Facts, answers: &Answers) -> Answers {
    let mut answers = answers.clone();
    if facts.gpus.is_empty() && answers.gpus.is_none() {
        // It may be replayed for a card that will come; without one nothing is planned, and nothing asked.
        answers.gpus = CARD.parse().ok().map(|card| vec![card]);
    }
    if answers.cuda().is_none() {
        let rows = steps::driver_table(host, facts, &answers, None).map(|table| table.cuda).unwrap_or_default();
        let row = rows.iter().find(|row| row.recommended).or_else(|| rows.iter().find(|row| row.fits)).or(rows.first());
        answers.cuda_version = row.map(|row| CudaChoice::Version(row.version.clone()));
    }
    answers
}

/// Runs the pre-flight for what it asks. Without the answers that it needs, it asks nothing.
fn foresee(host: &Host, facts: &Facts, answers: &Answers) {
    let Ok(table) = steps::driver_table(host, facts, answers, answers.cuda()) else { return };
    let answers = steps::complete(answers, &table);
    let Ok(actions) =
        steps::Planner::new(host, facts, &answers).plan_step(Step::Driver, Path::new("/var/lib/gpunode/session.yaml"))
    else {
        return;
    };
    // Images are named by the inventory, which is nobody else's business.
    let request = preflight::Request { host, facts, answers: &answers, table: &table, actions: &actions, images: &[] };
    preflight::check(request, owner::of(answers.driver_owner).checks(request));
}

fn compile(asked: &Asked, facts: &Facts) -> Recording {
    let (kept, redactor) = (Kept::new(asked, facts), Redactor::of_machine());
    let keep = |path: &&PathBuf| kept.keeps(path);
    let links: BTreeMap<_, _> = asked
        .links
        .iter()
        .filter(|link| kept.keeps_link(link))
        .map(|(path, target)| (path.clone(), target.clone()))
        .collect();
    let mut files = BTreeMap::new();
    let mut folders: BTreeSet<PathBuf> = asked.folders.keys().filter(keep).cloned().collect();
    // A path behind a link is where the link leads.
    let mut put =
        |path: &Path, text: String| drop(files.insert(follow(&links, path).unwrap_or_else(|_| path.to_owned()), text));
    for (folder, names) in asked.folders.iter().filter(|(path, _)| kept.keeps(path)) {
        for path in excerpt::names(folder, names.clone())
            .iter()
            .map(|name| folder.join(name))
            .filter(|path| !links.contains_key(path))
        {
            put(&path, excerpt::ONLY_THERE.to_owned());
        }
    }
    for (path, meta) in asked.there.iter().filter(|(path, _)| kept.keeps(path)) {
        match meta.kind {
            FileKind::Folder => {
                folders.insert(path.clone());
            }
            // No longer than the file: what is too short to be signed stays so.
            FileKind::File => {
                put(path, excerpt::ONLY_THERE.chars().take(usize::try_from(meta.len).unwrap_or(usize::MAX)).collect());
            }
            FileKind::Other => put(path, excerpt::ONLY_THERE.to_owned()),
        }
    }
    asked
        .pieces
        .iter()
        .filter(|(path, _)| kept.keeps(path))
        .for_each(|(path, bytes)| put(path, redactor.text(&excerpt::piece(bytes))));
    asked
        .files
        .iter()
        .filter(|(path, _)| kept.keeps(path))
        .for_each(|(path, bytes)| put(path, shown_of(path, excerpt::file(path, bytes, facts), &redactor)));
    // Names of machines and people have no place in a bug report.
    put(Path::new("/proc/sys/kernel/hostname"), "node1\n".to_owned());
    put(Path::new("/etc/machine-id"), "00000000000000000000000000000000\n".to_owned());
    // What is listed as a name and has something in it is a folder.
    let inner: BTreeSet<&Path> =
        files.keys().chain(&folders).chain(links.keys()).flat_map(|path| path.ancestors().skip(1)).collect();
    let hollow: Vec<PathBuf> =
        files.keys().filter(|path| folders.contains(*path) || inner.contains(path.as_path())).cloned().collect();
    for path in &hollow {
        files.remove(path);
    }
    Recording { about: about(asked, facts, &kept, links, folders), commands: rules(asked), files }
}

/// What the kernel writes has no words of anybody, and what was picked from a file are the lines that the facts rest
/// on; of everything else only what is known is kept.
fn shown_of(path: &Path, (text, is_picked): (String, bool), redactor: &Redactor) -> String {
    let is_the_kernels = path.starts_with("/proc") || path.starts_with("/sys");
    if is_picked || is_the_kernels { by_form(&text).into_owned() } else { redactor.text(&text) }
}

fn about(
    asked: &Asked,
    facts: &Facts,
    kept: &Kept,
    links: BTreeMap<PathBuf, PathBuf>,
    folders: BTreeSet<PathBuf>,
) -> About {
    let kept = |paths: &BTreeSet<PathBuf>| paths.iter().filter(|path| kept.keeps(path)).cloned().collect();
    let (os, kernel) = (&facts.host.os_name, &facts.host.kernel);
    let answer = anonymous(facts.driver.nvml.clone().unwrap_or(NvmlAnswer::NotAsked));
    About {
        title: BTreeMap::from([
            ("en".to_owned(), format!("A recorded machine: {os} {kernel}")),
            ("ko".to_owned(), format!("기록된 컴퓨터: {os} {kernel}")),
        ]),
        free_space: asked.free_space.clone(),
        modified: written(facts),
        links,
        folders,
        denied: kept(&asked.denied),
        absent: kept(&asked.absent),
        missing: asked.missing.clone(),
        programs: asked.programs.clone(),
        nvml: vec![NvmlRule { when: Vec::new(), answer }],
        ..About::default()
    }
}

/// Returns when the runtime's files were written: against its start, that tells whether it has read them.
fn written(facts: &Facts) -> BTreeMap<PathBuf, jiff::Timestamp> {
    let files = facts.node.containerd.iter().flat_map(|containerd| containerd.root.iter().chain(&containerd.drop_ins));
    files.filter_map(|file| Some((PathBuf::from(&file.path), file.modified?))).collect()
}

/// Which paths are kept. Of the processes, only those that have to do with the cards, or may have.
struct Kept {
    processes: BTreeSet<String>,
    /// Files of repositories with NVIDIA's packages; others are the company's own.
    repositories: BTreeSet<String>,
}

impl Kept {
    fn new(asked: &Asked, facts: &Facts) -> Self {
        let holders = facts.driver.holders.iter().map(|holder| holder.pid.to_string());
        let units = facts.driver.ledger.iter().filter(|entry| entry.origin == Origin::Unit);
        let hidden = asked.denied.iter().filter_map(|path| process(path)).map(str::to_owned);
        let runtime = facts.node.containerd.iter().filter_map(|facts| Some(facts.process.as_ref()?.pid.to_string()));
        Self {
            processes: holders
                .chain(units.filter_map(|entry| Some(process(Path::new(&entry.source))?.to_owned())))
                .chain(hidden)
                .chain(runtime)
                .collect(),
            repositories: facts.node.sources.iter().map(|source| source.file.clone()).collect(),
        }
    }

    fn keeps(&self, path: &Path) -> bool {
        let of_repositories = ["/etc/apt/sources.list.d", "/etc/zypp/repos.d"]
            .iter()
            .any(|folder| path.parent() == Some(Path::new(folder)));
        let is_other = of_repositories && !self.repositories.contains(path.to_string_lossy().as_ref());
        process(path).is_none_or(|pid| self.processes.contains(pid))
            && path != Path::new("/proc/self/status")
            && !is_other
    }

    /// What a process has open is its own business, but for the cards.
    fn keeps_link(&self, (path, target): &(&PathBuf, &PathBuf)) -> bool {
        self.keeps(path) && !path.starts_with("/proc/self") && (process(path).is_none() || target.starts_with("/dev"))
    }
}

/// Returns the process that a path below `/proc` belongs to.
fn process(path: &Path) -> Option<&str> {
    let name = path.strip_prefix("/proc").ok()?.components().next()?.as_os_str().to_str()?;
    name.bytes().all(|byte| byte.is_ascii_digit()).then_some(name)
}

/// Takes serial numbers out of NVML's answer.
fn anonymous(answer: NvmlAnswer) -> NvmlAnswer {
    match answer {
        NvmlAnswer::Answer { driver_version, cuda_version, mut gpus, silent } => {
            for (index, gpu) in gpus.iter_mut().enumerate() {
                gpu.uuid = format!("GPU-00000000-0000-0000-0000-{index:012}");
            }
            NvmlAnswer::Answer { driver_version, cuda_version, gpus, silent }
        }
        other => other,
    }
}

/// Returns a rule for each command that was asked.
fn rules(asked: &Asked) -> Vec<Rule> {
    let redactor = Redactor::of_machine();
    let kept = |argv: &[String], text: &str| redactor.text(&excerpt::output(argv, text));
    let rule = |(argv, ran): (&Vec<String>, &Ran)| Rule {
        // The words are this program's own, and a replay asks with the same.
        command: argv.iter().map(|word| by_form(word).into_owned()).collect(),
        output: kept(argv, &ran.output),
        errors: kept(argv, &ran.errors),
        exit: ran.exit,
        ..Rule::default()
    };
    asked.commands.iter().map(rule).collect()
}
