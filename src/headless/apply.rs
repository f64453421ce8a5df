//! `gpunode apply`: does it, with progress as lines.

use super::{print, read_answers};
use crate::{
    answers::{Answers, Reboot as RebootAnswer},
    cli::ApplyArgs,
    cluster::{
        self, Kubectl,
        verify::{Verdict, VerifyReport},
    },
    engine::{Event, Outcome, Runner},
    error::Expected,
    exit_code::ExitCode,
    facts,
    host::{Cancel, Command},
    i18n::Lang,
    plan::{Step, reboot::Reboot},
    session::{Session, store::Store},
    steps,
    workspace::Workspace,
};

/// Applies the answers. Exit: 0 done, 1 failed, 3 reboot needed.
pub fn run(workspace: &Workspace, new: bool, args: &ApplyArgs) -> Result<ExitCode, Expected> {
    let wanted = read_answers(&args.answers)?;
    if !args.yes {
        return Err(Expected::new(
            "nothing was changed: `apply` changes this machine only with --yes",
            "look at it first with `gpunode plan --answers FILE`",
        ));
    }
    let cancel = Cancel::default();
    crate::signals::cancel_on_signal(&cancel)?;
    let (store, mut session) = workspace.session(new)?;
    let facts = facts::probe(&workspace.host);
    let table = steps::driver_table(&workspace.host, &facts, &wanted, wanted.cuda())?;
    steps::check(&wanted, &table)?;
    let answers = steps::complete(&wanted, &table);
    if session.answers.as_ref() != Some(&answers) {
        session.plan.actions.clear();
        session.done.clear();
    }
    session.answers = Some(answers);
    session.facts = facts;
    store.save(&mut session, workspace.host.clock.now())?;
    for step in Step::ALL.into_iter().filter(|step| wants(args, *step)) {
        let code = run_step(workspace, &store, &mut session, step, &cancel)?;
        if code != ExitCode::Ok {
            return Ok(code);
        }
    }
    print(&workspace.lang.text("apply.done", &[]))
}

fn wants(args: &ApplyArgs, step: Step) -> bool {
    if args.steps.is_empty() { step.number() <= args.until } else { args.steps.contains(&step.number()) }
}

fn run_step(workspace: &Workspace, store: &Store, session: &mut Session, step: Step, cancel: &Cancel) -> Result<ExitCode, Expected> {
    let answers = session.answers.clone().unwrap_or_else(steps::first_answers);
    session.step = step;
    let title = workspace.lang.text(&format!("step.{}", step.number()), &[]);
    print(&format!("== {} {title}", step.number()))?;
    // A plan that was begun is gone on with: after a reboot the facts no longer show what had to go.
    if session.plan.of(step).next().is_none() {
        let actions = steps::plan_step(&workspace.host, &session.facts, &answers, step, store.path())?;
        session.replan(step, actions);
    }
    let mut runner = Runner { host: &workspace.host, store, session, cancel };
    let lang = workspace.lang;
    let outcome = runner.run(step, &mut |event| {
        // Progress is for eyes on a screen; lines stay greppable.
        if let Some(line) = line_of(&event, lang) {
            let _ = print(&line);
        }
    })?;
    session.facts = facts::probe(&workspace.host);
    store.save(session, workspace.host.clock.now())?;
    match outcome {
        Outcome::Done if step == Step::Verify => verify(workspace, store, session, &answers),
        Outcome::Done => Ok(ExitCode::Ok),
        Outcome::Failed { id, .. } => {
            print(&lang.text("apply.failed", &[("id", &id)]))?;
            Ok(ExitCode::Negative)
        }
        Outcome::Cancelled => {
            print(&lang.text("apply.cancelled", &[]))?;
            Ok(ExitCode::Quit)
        }
        Outcome::RebootNeeded => reboot(workspace, &answers),
    }
}

/// Judges the whole chain at the end, and keeps the verdict for the report.
fn verify(workspace: &Workspace, store: &Store, session: &mut Session, answers: &Answers) -> Result<ExitCode, Expected> {
    let host = &workspace.host;
    let node = steps::node_name(host, &session.facts, answers);
    let judged = Kubectl::find(host, answers.kubeconfig.as_deref()).and_then(|kubectl| steps::judge(host, &kubectl, &node, Some(session)));
    let report = judged.map_or_else(|state| VerifyReport::unreachable(&state), |(report, _)| report);
    print(&cluster::verify::report(&report, workspace.lang))?;
    let verdict = report.verdict;
    session.verdict = Some(report);
    store.save(session, host.clock.now())?;
    Ok(if verdict == Verdict::Ok { ExitCode::Ok } else { ExitCode::Negative })
}

/// Reboots when the answers say so, else leaves it to the caller.
fn reboot(workspace: &Workspace, answers: &Answers) -> Result<ExitCode, Expected> {
    print(&workspace.lang.text("apply.reboot", &[]))?;
    if answers.reboot == RebootAnswer::Now {
        let command: Command = Reboot::command();
        print(&format!("$ {command}"))?;
        workspace
            .host
            .commands
            .capture(&command)
            .map_err(|error| Expected::new(error.to_string(), "reboot by hand, then run the same command again"))?;
    }
    Ok(ExitCode::RebootNeeded)
}

/// Returns what a line-by-line face says of an event.
pub fn line_of(event: &Event, lang: Lang) -> Option<String> {
    Some(match event {
        Event::Started { index, total, action } => format!("-- {}/{total} {}", index + 1, action.title(lang)),
        Event::Line(line) => format!("   {line}"),
        Event::Hit(hit) => format!("   ! {}\n     {}", hit.cause(lang), hit.remedy(lang)),
        Event::Progress(_) => return None,
        Event::Ended { id, status, evidence } => {
            let evidence: String = evidence.iter().map(|line| format!("\n   | {line}")).collect();
            format!("-- {}: {id}{evidence}", status.name())
        }
    })
}
