//! The four steps as functions from host and answers to values. The wizard, the prompts and the headless commands all
//! call these.

mod chart;
mod config;
mod engine;
mod objects;
mod planner;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    answers::{Answers, CudaChoice, DriverOwner},
    catalog::{cuda, gpus},
    choice::{self, Card, DriverTable, HostLimits},
    cluster::{
        ClusterError, GpuStack, Kubectl,
        check::{Check, KnownFailure, VerifyReport},
        stack::Objects,
        verify::{self, CheckInput, Logs, Tested},
        workload::{Role, Rule, Workload},
    },
    diagnosis,
    engine::drift::{drift, is_own},
    error::Expected,
    exit_code::ExitCode,
    facts::{self, Change, Facts},
    host::{Cancel, Host},
    i18n::{Lang, Message, msg},
    input::{InputError, NodeName},
    kubespray::{
        self, GpuRole, Newcomer, Preview, PreviewRequest,
        edit::{self, FileEdit},
        values,
    },
    owner::{self, NodeEvidence},
    plan::{
        Action,
        action::import_image::{ImportImage, NotImportable, Runtime},
    },
    second_boot::SecondBoot,
    session::Session,
    version::Version,
};

pub use planner::Planner;

/// How long to wait before the cluster is asked again that did not answer: about as long as an API server takes to
/// start anew.
const BLIP_PAUSES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];

/// Step 2: the drivers and toolkits that fit this machine's cards, or the cards that are expected.
pub fn driver_table(
    host: &Host,
    facts: &Facts,
    answers: &Answers,
    wanted_cuda: Option<&Version>,
) -> Result<DriverTable, Expected> {
    let cards = cards(facts, answers)?;
    Ok(choice::driver_table(
        &cards,
        wanted_cuda,
        &HostLimits::new(&facts.host, owner::of(answers.driver_owner).source(), today(host)),
    ))
}

/// Returns this machine's cards, or the cards that are expected.
fn cards(facts: &Facts, answers: &Answers) -> Result<Vec<Card>, Expected> {
    match &answers.gpus {
        Some(ids) => ids.iter().map(|id| gpus::lookup(id).map(|model| Card::from(&model))).collect(),
        None => Ok(facts.gpus.iter().map(Card::from).collect()),
    }
}

/// Returns that the story of a simulated machine does not go on for this owner of the driver, if it does not.
pub fn story_ends(host: &Host, owner: DriverOwner) -> Option<Message> {
    let story = &host.simulation.as_ref()?.story;
    (!story.goes_on_for(owner.name())).then(|| msg::wizard::story::ends_here(owner::of(owner).title()))
}

fn today(host: &Host) -> jiff::civil::Date {
    host.clock.now().to_zoned_datetime(jiff::tz::TimeZone::UTC).date()
}

/// Checks answers against what exists: an unknown driver or toolkit is an error before anything happens.
pub fn check(answers: &Answers, facts: &Facts, table: &DriverTable) -> Result<(), Expected> {
    let here = facts.driver_versions();
    values::check(answers, &here)?;
    if let Some(version) = &answers.driver_version
        && !crate::catalog::drivers::exists(version, &here)
    {
        return Err(Expected::new(msg::error::catalog::no_driver(version), msg::error::catalog::hint()));
    }
    match answers.cuda().filter(|_| answers.cuda_runfile.is_none()) {
        Some(version) => check_cuda(version, table),
        None => Ok(()),
    }
}

/// Demands that the catalog has a CUDA toolkit of this version or its beginning; the error names those around it.
pub fn check_cuda(wanted: &Version, table: &DriverTable) -> Result<(), Expected> {
    const NEARBY: usize = 6;
    if table.cuda.iter().any(|row| row.version.starts_with(wanted)) {
        return Ok(());
    }
    if let Some(toolkit) = cuda::newest(wanted) {
        let names = toolkit.runfiles.keys().cloned().collect::<Vec<_>>().join(", ");
        let what = msg::error::catalog::other_architecture(names, wanted);
        return Err(Expected::new(what, msg::error::catalog::other_architecture::hint()));
    }
    let is_near = |version: &Version| version.branch() == wanted.branch();
    let mut known: Vec<Version> = cuda::toolkits().iter().map(|toolkit| toolkit.version.clone()).collect();
    known.sort();
    if known.iter().any(is_near) {
        known.retain(is_near);
    }
    // Of those around the place where it would stand; releases of one version are one name.
    let mut names: Vec<String> = known.iter().map(Version::major_minor).collect();
    names.dedup();
    let place = names.iter().filter(|name| name.parse::<Version>().is_ok_and(|version| version < *wanted)).count();
    let first = place.saturating_sub(NEARBY / 2).min(names.len().saturating_sub(NEARBY));
    let nearby: Vec<String> = names.into_iter().skip(first).take(NEARBY).collect();
    Err(Expected::new(
        msg::error::catalog::no_toolkit(wanted),
        msg::error::catalog::no_toolkit::hint(nearby.join(", ")),
    ))
}

/// Completes answers: the driver is the recommended one, `11.0` becomes its newest release.
pub fn complete(answers: &Answers, table: &DriverTable) -> Answers {
    let mut answers = answers.clone();
    if answers.driver_version.is_none() && owner::of(answers.driver_owner).brings_chosen_driver() {
        answers.driver_version = table.drivers.iter().find(|row| row.recommended).map(|row| row.version.clone());
    }
    if let Some(wanted) = answers.cuda().cloned()
        && let Some(row) =
            table.cuda.iter().filter(|row| row.version.starts_with(&wanted)).max_by_key(|row| row.version.clone())
    {
        answers.cuda_version = Some(CudaChoice::Version(row.version.clone()));
    }
    answers
}

/// Step 3: the preview of the variables.
pub fn preview(host: &Host, facts: &Facts, answers: &Answers) -> Result<Preview, Expected> {
    kubespray::preview(&*host.files, &preview_request(facts, answers))
}

fn preview_request(facts: &Facts, answers: &Answers) -> PreviewRequest {
    PreviewRequest {
        checkout: answers.kubespray.clone().map(Into::into),
        inventory: answers.inventory.clone().map(Into::into),
        node: answers.node.clone().map(Into::into),
        hostname: facts.host.hostname.clone(),
        control_plane_os: None,
        release: None,
        gpu_role: owner::of(answers.driver_owner).gpu_role(),
    }
}

/// Refuses to plan for a machine that surely has no card, unless the answers name the one that will come: removals,
/// toolkit, variables and test pod are all for a card. Where nobody can tell, a finding says so.
pub fn demand_card(facts: &Facts, answers: &Answers) -> Result<(), Expected> {
    let is_named = answers.gpus.as_ref().is_some_and(|gpus| !gpus.is_empty());
    if is_named || !facts.gpus.is_empty() {
        return Ok(());
    }
    let Some(finding) = facts.card_finding() else { return Ok(()) };
    Err(Expected::new(msg::error::nothing_planned(finding.told("message")), finding.told("remedy")))
}

/// Finds out which image an archive holds and how this machine's runtime imports it; the error is why it cannot.
fn import_image(host: &Host, facts: &Facts, file: &Path) -> Result<ImportImage, NotImportable> {
    let runtime = facts.host.container_runtime.as_deref().and_then(Runtime::named).ok_or(NotImportable::Runtime)?;
    let listing = host.commands.capture(&ImportImage::listing(file)).ok().filter(|output| output.exit.is_success());
    let image = listing.and_then(|output| ImportImage::image_in(&output.stdout)).ok_or(NotImportable::Archive)?;
    Ok(ImportImage { file: file.to_owned(), image, runtime })
}

/// Returns the answers with the node that joins. A machine is made a node when somebody says so, or when it has a card:
/// this may be the Ansible host.
fn joining(facts: &Facts, answers: &Answers, preview: &Preview) -> Result<Answers, Expected> {
    let mut answers = answers.clone();
    if answers.node.is_none() && !facts.gpus.is_empty() {
        answers.node = demand_node_name(Some(preview.layout.subject.as_str()).filter(|subject| !subject.is_empty()))?;
    }
    Ok(answers)
}

/// Tells whether this machine is to be a node.
fn joins(facts: &Facts, answers: &Answers) -> bool {
    answers.node.is_some() || !facts.gpus.is_empty()
}

/// Returns this machine where step 3 would write it into an inventory that does not have it, and nobody has said that
/// it may.
pub fn newcomer(facts: &Facts, answers: &Answers, preview: &Preview) -> Option<Newcomer> {
    let newcomer = preview.newcomer().filter(|_| joins(facts, answers) && !answers.add_node)?;
    let id = format!("edit-file:{}", newcomer.file.display());
    (!answers.leave_out.contains(&id)).then_some(newcomer)
}

/// Refuses to write a machine into an inventory that does not have it, unless the answers say so.
pub fn demand_known_node(host: &Host, facts: &Facts, answers: &Answers) -> Result<(), Expected> {
    let Some(newcomer) = preview(host, facts, answers).ok().and_then(|preview| newcomer(facts, answers, &preview))
    else {
        return Ok(());
    };
    let what = msg::error::newcomer(newcomer.file.display(), &newcomer.group, &newcomer.name);
    Err(Expected::new(what, msg::error::newcomer::hint(newcomer.nearest.join(", "))))
}

/// Refuses names of GPU nodes that are no hosts of the inventory: their label would be put on nothing.
fn demand_gpu_nodes(answers: &Answers, preview: &Preview) -> Result<(), Expected> {
    let listed = answers.variables.get("nvidia_gpu_nodes").and_then(|value| value.as_array()).into_iter().flatten();
    let names = answers.gpu_nodes.iter().flatten().map(|name| &**name).chain(listed.filter_map(|name| name.as_str()));
    let Some((name, nearest)) = preview.stranger(names) else { return Ok(()) };
    let name = crate::text::printable(name);
    Err(Expected::new(msg::error::gpu_nodes(name), msg::error::gpu_nodes::hint(nearest.join(", "))))
}

/// Works out the edits of the inventory; nothing is written.
fn propose(host: &Host, facts: &Facts, answers: &Answers, preview: &Preview) -> Result<Vec<FileEdit>, Expected> {
    let joins = joins(facts, answers);
    let members = if joins { preview.layout.members.as_slice() } else { &[] };
    edit::propose(&*host.files, preview, &owner::values(preview, answers), members)
}

/// Reads a name that an inventory or the machine gives: it becomes a pattern of Ansible's and a part of kubectl's
/// words.
fn demand_node_name(name: Option<&str>) -> Result<Option<NodeName>, Expected> {
    name.map(str::parse).transpose().map_err(|error: InputError| Expected::new(error.0, msg::error::node_name::hint()))
}

/// Refuses actions that are root's and that this user cannot do, before anything is done of them or of others.
pub fn demand_root(actions: &[Action], lang: Lang) -> Result<(), Expected> {
    let lacking: Vec<&Action> = actions.iter().filter(|action| action.lacks_root() && !action.skipped).collect();
    if lacking.is_empty() {
        return Ok(());
    }
    let named = |action: &&Action| format!("{} ({})", action.title(lang), action.root_text(lang));
    let names: Vec<String> = lacking.iter().map(named).collect();
    let ids: Vec<&str> = lacking.iter().map(|action| action.id.as_str()).collect();
    let what = msg::apply::needs_root(names.join("; ")).text(lang);
    let hint = msg::apply::needs_root::hint(ids.join(", ")).text(lang);
    Err(Expected::new(what, hint).code(ExitCode::Negative))
}

/// Step 4: looks at the stack and judges it, once the API server answers: a restart of it is waited for. A test pod
/// that the session has run counts, for judging runs none.
pub fn judge(
    host: &Host,
    kubectl: &Kubectl,
    node: &str,
    owner: DriverOwner,
    on_node: &OnNode,
    session: Option<&Session>,
) -> Result<(VerifyReport, GpuStack), ClusterError> {
    let objects = read(host, kubectl, node, owner::of(owner).stack().namespace)?;
    Ok(judge_objects(host, kubectl, node, owner, on_node, session, &objects))
}

/// As [`judge`], for objects that are read already.
pub fn judge_objects(
    host: &Host,
    kubectl: &Kubectl,
    node: &str,
    owner: DriverOwner,
    on_node: &OnNode,
    session: Option<&Session>,
    objects: &Objects,
) -> (VerifyReport, GpuStack) {
    let stack = objects.stack(host, kubectl, node, owner::of(owner).stack());
    let logs = verify::logs(host, kubectl, &stack);
    let report = judge_stack(host, &stack, &logs, owner, on_node, session.and_then(tested).as_ref());
    (report, stack)
}

/// What this machine says of the chain of its owner.
#[derive(Debug, Clone, Default)]
pub struct OnNode {
    /// Its links, judged; empty where this is not the node, or the owner has none.
    pub checks: Vec<Check>,
    /// How many cards it has.
    pub cards: Option<usize>,
}

/// Looks at the machine's own links: programs are asked, unless the facts of `looked` have been. Another machine than
/// the node says nothing.
pub fn on_node(
    host: &Host,
    answers: &Answers,
    node: &str,
    second_boot: Option<&SecondBoot>,
    looked: Option<&Facts>,
) -> OnNode {
    let owner = owner::of(answers.driver_owner);
    let has_links = owner.stack().links.iter().any(|link| link.rule == Rule::OnNode);
    if !has_links || !is_node(host, node) {
        return OnNode::default();
    }
    let facts = looked.filter(|facts| facts.node.is_examined).cloned().unwrap_or_else(|| {
        let mut facts = facts::probe(host);
        facts::examine(host, &mut facts);
        facts
    });
    let preview = preview(host, &facts, answers).ok();
    let checks = owner.on_node(&NodeEvidence { facts: &facts, preview: preview.as_ref(), second_boot });
    OnNode { checks, cards: Some(facts.gpus.len()) }
}

/// Tells whether this machine is the node of this name. A node's name is its host name or what the inventory calls it,
/// up to a domain.
fn is_node(host: &Host, node: &str) -> bool {
    let short = |name: &str| name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    host.simulation.is_some() || short(&host.name()) == short(node)
}

/// Reads what there is of a node in the cluster, once the API server answers.
pub fn read(host: &Host, kubectl: &Kubectl, node: &str, namespace: Option<&str>) -> Result<Objects, ClusterError> {
    patiently(host, || Objects::read(host, kubectl, node, namespace))
}

/// Returns the owner whose driver workload is in the cluster, by what its room says of it; nothing if there is none.
pub fn owner_at_work(objects: &Objects) -> Option<DriverOwner> {
    let shows = |owner: DriverOwner, is_plugin: bool| {
        let of_kind = |workload: &&Workload| (workload.role == Role::DevicePlugin) == is_plugin;
        owner::of(owner).stack().workloads.iter().filter(of_kind).any(|workload| objects.shows(workload))
    };
    // Every owner has a device plugin: only the one that has nothing else is known by it.
    let has_only_plugin = |owner: DriverOwner| owner::of(owner).stack().workload(Role::Driver).is_none();
    let mut owners = DriverOwner::ALL.into_iter();
    let by_its_own = owners.clone().find(|owner| shows(*owner, false));
    by_its_own.or_else(|| owners.find(|owner| has_only_plugin(*owner) && shows(*owner, true)))
}

/// Asks again, with pauses that grow, while the API server is away for a moment.
fn patiently<T>(host: &Host, ask: impl Fn() -> Result<T, ClusterError>) -> Result<T, ClusterError> {
    let mut pauses = BLIP_PAUSES.iter();
    loop {
        match (ask(), pauses.clone().next()) {
            (Err(error), Some(pause)) if error.is_blip() => {
                pauses.next();
                host.clock.sleep(*pause, &Cancel::default());
            }
            (answer, _) => return answer,
        }
    }
}

/// As [`judge`], from the way into the cluster on: that it is not to be reached is a verdict too.
pub fn verdict(host: &Host, session: &Session, answers: &Answers) -> VerifyReport {
    let node = Planner::new(host, &session.facts, answers).node_name();
    let on_node = on_node(host, answers, &node, session.second_boot.as_ref(), None);
    let judged = Kubectl::find(host, answers.kubeconfig.as_deref())
        .and_then(|kubectl| judge(host, &kubectl, &node, answers.driver_owner, &on_node, Some(session)));
    judged.map_or_else(
        |error| verify::unreachable(&error, owner::of(answers.driver_owner).stack(), &on_node.checks),
        |(report, _)| report,
    )
}

/// As [`judge`], for what is known already. Each failing part says which known failure it shows.
pub fn judge_stack(
    host: &Host,
    stack: &GpuStack,
    logs: &Logs,
    owner: DriverOwner,
    on_node: &OnNode,
    tested: Option<&Tested>,
) -> VerifyReport {
    let driver = host.files.read_text("/proc/driver/nvidia/version").ok();
    let host_driver = driver.as_deref().and_then(|text| text.lines().next());
    let spec = owner::of(owner).stack();
    let mut report = verify::checks(&CheckInput {
        stack,
        spec,
        logs,
        host_driver,
        on_node: &on_node.checks,
        cards: on_node.cards,
        tested,
    });
    for (role, hit) in diagnosis::over_stack(stack, logs) {
        if let Some(check) = spec.check_of(role) {
            report.explain(check, hit.into());
        }
    }
    if spec.stops_at_first {
        report.stop_at_first();
    }
    report
}

/// Returns what the last test pod of this session has shown; nothing while one is under way.
pub fn tested(session: &Session) -> Option<Tested> {
    let records = || {
        ["test-pod", "cuda-sample"].iter().filter_map(|id| session.record(id)).filter(|record| record.ended.is_some())
    };
    // One that failed counts, whatever the other has shown.
    let record = records().find(|record| !record.status.is_done()).or_else(|| records().next())?;
    let known = record.hits.last().cloned().map(KnownFailure::from);
    let passed = record.status.is_done();
    let evidence =
        if passed { record.evidence.first().cloned().unwrap_or_default() } else { record.evidence.join(" ") };
    Some(Tested { passed, at: record.ended?, evidence, known: known.filter(|_| !passed) })
}

/// Returns the newest CUDA version that the chosen driver supports.
fn driver_cuda(answers: &Answers) -> Option<Version> {
    let driver = answers.driver_version.as_ref()?;
    let branch = crate::catalog::drivers::branches().get(&driver.branch())?;
    branch.cuda.as_ref()?.parse().ok()
}

/// Judges who may own the driver on this machine.
pub fn owners(host: &Host, facts: &Facts, answers: &Answers) -> Vec<owner::Fit> {
    let cards = cards(facts, answers).unwrap_or_default();
    // What the role would do is asked whoever is chosen.
    let request = PreviewRequest { gpu_role: GpuRole::Installs, ..preview_request(facts, answers) };
    let preview = kubespray::preview(&*host.files, &request).ok();
    owner::fits(&owner::Node { facts, cards: &cards, preview: preview.as_ref(), today: today(host) })
}

/// Returns the answers that a new session begins with: the recommended owner, and nothing else decided.
pub fn first_answers(host: &Host, facts: &Facts) -> Answers {
    let answers = Answers::new(DriverOwner::default());
    Answers { driver_owner: owner::best(&owners(host, facts, &answers)), ..answers }
}

/// Returns the answers of a session, or those that a new one begins with.
pub fn answers_of(host: &Host, session: &Session) -> Answers {
    session.answers.clone().unwrap_or_else(|| first_answers(host, &session.facts))
}

/// Returns what has changed since the session was left, as `now` shows: on the machine, and of what this program did to
/// it. A session without facts is new, and in it nothing can have changed.
pub fn since(host: &Host, session: &Session, now: &Facts) -> Vec<Change> {
    if session.facts == Facts::default() {
        return Vec::new();
    }
    let mut found = facts::changes(&session.facts, now);
    found.retain(|change| !is_own(session, change));
    found.extend(drift(host, session));
    found
}

/// Returns the folder on the machine for downloads and the variables file: the session's, or where root's session
/// usually is on a simulated machine.
pub fn folder(host: &Host, session: &Path) -> PathBuf {
    if host.simulation.is_some() {
        PathBuf::from("/var/lib/gpunode")
    } else {
        session.parent().unwrap_or(Path::new("/")).to_owned()
    }
}
