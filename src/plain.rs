//! The plain face: the same questions as the wizard, one after the other, for dumb terminals, serial lines and screen
//! readers.

mod ask;
#[cfg(test)]
mod tests;

use self::ask::Asker;
use crate::{
    answers::{Answers, CudaChoice, DriverOwner},
    choice,
    cli::Global,
    cluster::{ClusterError, GpuStack, Kubectl, check::Verdict, stack, verify},
    console,
    engine::Outcome,
    error::Expected,
    exit_code::ExitCode,
    facts,
    host::{Cancel, Story},
    i18n::{Lang, Message, msg},
    input::{FilePath, NodeName},
    kubespray::Newcomer,
    owner,
    plan::{
        Action, Step,
        remedy::{self, RemedyId},
    },
    report::Report,
    session::{Session, store::Store},
    step_driver::{self, StepDriver},
    steps,
    wizard::Settings,
    workspace::Workspace,
};

/// Why the questions ended early.
#[derive(Debug, PartialEq)]
enum Stop {
    /// The user left; the session is kept.
    Quit,
    /// Something failed.
    Failed(Expected),
    /// The machine must boot before it goes on.
    Reboot,
    /// The plan of step 2 was refused: the choices are made again.
    Back,
}

impl From<Expected> for Stop {
    fn from(error: Expected) -> Self {
        Self::Failed(error)
    }
}

/// Asks, plans, confirms and runs, step by step. Goes on where the session was.
pub fn run(workspace: &Workspace, global: &Global) -> Result<ExitCode, Expected> {
    let (store, session) = workspace.session(global.new)?;
    let get = |name: &str| std::env::var(name).ok();
    let mut settings = Settings::from_env(&get, workspace.lang, workspace.session_path.clone());
    settings.ascii |= global.ascii;
    let ask = Asker::new(&settings);
    let mut face = Plain { workspace, lang: workspace.lang, ask, store, session };
    let ended = face.all();
    let report = face.store.folder().ok().map(|folder| folder.join("report.md")).filter(|path| path.is_file());
    let again = global.again(std::env::args_os(), &get);
    let told = crate::report::farewell(&face.session, report.as_deref(), &again, face.lang);
    ask.say(&format!("\n{}", told.join("\n")));
    match ended {
        Ok(()) if face.is_proved() => Ok(ExitCode::Ok),
        Ok(()) => Ok(ExitCode::Negative),
        Err(Stop::Quit) => {
            ask.say(&msg::plain::kept(workspace.session_path.display().to_string()).text(workspace.lang));
            Ok(ExitCode::Quit)
        }
        Err(Stop::Back) => Ok(ExitCode::Quit),
        Err(Stop::Reboot) => Ok(ExitCode::RebootNeeded),
        Err(Stop::Failed(error)) => Err(error),
    }
}

struct Plain<'a> {
    workspace: &'a Workspace,
    lang: Lang,
    ask: Asker<'a>,
    store: Store,
    session: Session,
}

impl Plain<'_> {
    fn all(&mut self) -> Result<(), Stop> {
        if let Some(title) = &self.workspace.title {
            self.ask.say(&msg::plain::simulated(title).text(self.lang));
        }
        self.lesson(&msg::wizard::story::lesson());
        let now = facts::probe_all(&self.workspace.host);
        for change in steps::since(&self.workspace.host, &self.session, &now) {
            self.ask.say(&format!(".. {}", change.text(self.lang)));
        }
        self.session.facts = now;
        for step in Step::ALL {
            if self.session.done.contains(&step) && (step != Step::Verify || self.is_proved()) {
                self.ask.say(&format!(
                    "{} {} - {}",
                    step.number(),
                    self.title(step),
                    msg::status::done().text(self.lang)
                ));
                continue;
            }
            self.ask.say(&format!("\n== {} {} ==", step.number(), self.title(step)));
            self.session.step = step;
            self.ask.step = step;
            self.step_driver().save()?;
            match step {
                Step::Detect => self.detect()?,
                Step::Driver => self.driver()?,
                Step::Variables => self.variables()?,
                Step::Verify => self.verify()?,
            }
            self.session.finish(step);
            self.step_driver().save()?;
        }
        self.lesson(&msg::wizard::story::closes());
        let answers = steps::answers_of(&self.workspace.host, &self.session);
        let preview = steps::preview(&self.workspace.host, &self.session.facts, &answers).ok();
        self.ask.say(&format!("\n{}", Report::new(&self.session, preview.as_ref(), self.lang).text(self.lang)));
        Ok(())
    }

    /// Says what a simulated machine teaches, at its beginning and at its end.
    fn lesson(&self, heading: &Message) {
        let story = self.workspace.host.simulation.as_ref().map(|simulation| &simulation.story);
        if let Some(lesson) = story.and_then(|story| Story::text(&story.lesson, self.lang)) {
            self.ask.say(&format!("{}: {lesson}", heading.text(self.lang)));
        }
    }

    /// Tells whether the cluster's last verdict is good. Without that, step 4 is not over, whatever was run in it.
    fn is_proved(&self) -> bool {
        self.session.verdict.as_ref().is_some_and(|report| report.verdict == Verdict::Ok)
    }

    fn title(&self, step: Step) -> String {
        step.title().text(self.lang)
    }

    fn step_driver(&mut self) -> StepDriver<'_> {
        StepDriver { host: &self.workspace.host, store: &self.store, session: &mut self.session }
    }

    fn detect(&mut self) -> Result<(), Stop> {
        self.ask.say(&facts::report(&self.session.facts, self.lang));
        self.go_on(&msg::plain::next(), true)
    }

    fn go_on(&self, question: &Message, default: bool) -> Result<(), Stop> {
        if self.ask.confirm(&question.text(self.lang), default)? { Ok(()) } else { Err(Stop::Quit) }
    }

    fn driver(&mut self) -> Result<(), Stop> {
        let begun = self.session.plan.of(Step::Driver).next().is_some() && self.session.answers.is_some();
        if !begun {
            let answers = self.ask_driver()?;
            self.session.answers = Some(answers);
        }
        match self.run_step(Step::Driver) {
            Err(Stop::Back) => {
                self.ask.say(&msg::plain::back().text(self.lang));
                self.session.replan(Step::Driver, Vec::new());
                self.driver()
            }
            ended => ended,
        }
    }

    fn ask_driver(&self) -> Result<Answers, Stop> {
        let mut answers = steps::answers_of(&self.workspace.host, &self.session);
        steps::demand_card(&self.session.facts, &answers)?;
        let fits = steps::owners(&self.workspace.host, &self.session.facts, &answers);
        self.ask.say(&owner::report(&fits, self.lang));
        answers.driver_owner = self.ask_owner(&fits, answers.driver_owner)?;
        let host = &self.workspace.host;
        let table = steps::driver_table(host, &self.session.facts, &answers, None)?;
        let mut toolkits: Vec<String> =
            table.cuda.iter().filter(|row| row.fits).map(|row| row.version.to_string()).collect();
        toolkits.push("none".to_owned());
        // As in the wizard: the toolkit that goes with the driver which is recommended, until somebody has chosen one.
        let driver = table.drivers.iter().find(|row| row.recommended).map(|row| &row.version);
        let paired = driver.and_then(|driver| choice::pairing(&table.cuda, driver)).map(|row| &row.version);
        let wanted =
            answers.cuda().or(paired).and_then(|version| toolkits.iter().position(|name| name == version.as_str()));
        let chosen = self.ask.choose(&msg::plain::cuda().text(self.lang), &toolkits, wanted.unwrap_or(0))?;
        answers.cuda_version = toolkits.into_iter().nth(chosen).and_then(|name| CudaChoice::try_from(name).ok());
        let table = steps::driver_table(host, &self.session.facts, &answers, answers.cuda())?;
        let ways = owner::ways(&self.session.facts, &answers);
        if !ways.is_empty() {
            self.ask_way(&ways, &mut answers)?;
            return Ok(steps::complete(&answers, &table));
        }
        let shown = table.shown(false);
        let rows: Vec<_> = shown.drivers.iter().filter(|row| row.fits).collect();
        let labels: Vec<String> = rows.iter().map(|row| row_label(row)).collect();
        let start = rows.iter().position(|row| row.recommended).unwrap_or(0);
        if !rows.is_empty() {
            let chosen = self.ask.choose(&msg::plain::driver().text(self.lang), &labels, start)?;
            answers.driver_version = rows.get(chosen).map(|row| row.version.clone());
        }
        Ok(steps::complete(&answers, &table))
    }

    /// Asks for source and branch of the packages until it is a pair that works.
    fn ask_way(&self, ways: &[owner::Way], answers: &mut Answers) -> Result<(), Stop> {
        let label = |way: &owner::Way| {
            let glyph = if way.course.is_err() { "✗ " } else { "" };
            format!("{glyph}{}: {}", way.title(self.lang), way.reason(self.lang))
        };
        let labels: Vec<String> = ways.iter().map(label).collect();
        let start = ways.iter().position(|way| way.is_chosen(answers)).unwrap_or_default();
        loop {
            let chosen = self.ask.choose(&msg::plain::driver().text(self.lang), &labels, start)?;
            let Some(way) = ways.get(chosen) else { return Ok(()) };
            // Where nothing can be installed, the plan says so, with the way out.
            if way.course.is_ok() || way.is_recommended() {
                way.take(answers);
                return Ok(());
            }
            self.ask.say(&format!("! {}", msg::plain::way_unfit(way.reason(self.lang)).text(self.lang)));
        }
    }

    /// Asks who owns the driver until it is one that works, or one that is wanted in spite of what stands against it.
    fn ask_owner(&self, fits: &[owner::Fit], first: DriverOwner) -> Result<DriverOwner, Stop> {
        let fit = |owner: DriverOwner| fits.iter().find(move |fit| fit.owner == owner);
        let names = DriverOwner::ALL.map(|owner| {
            let word = fit(owner).map(|fit| format!(" ({})", fit.word().text(self.lang))).unwrap_or_default();
            owner::of(owner).choice().text(self.lang) + &word
        });
        let start = DriverOwner::ALL.iter().position(|owner| *owner == first).unwrap_or_default();
        loop {
            let chosen = self.ask.choose(&msg::plain::owner().text(self.lang), &names, start)?;
            let owner = DriverOwner::ALL.get(chosen).copied().unwrap_or(first);
            if let Some(ends) = steps::story_ends(&self.workspace.host, owner) {
                self.ask.say(&format!("! {}", ends.text(self.lang)));
                continue;
            }
            let Some(against) = fit(owner).filter(|fit| fit.works == owner::Works::No) else { return Ok(owner) };
            self.ask.say(&format!("! {}", against.reason.text(self.lang)));
            if self.ask.confirm(&msg::plain::owner_all_the_same().text(self.lang), false)? {
                return Ok(owner);
            }
        }
    }

    fn variables(&mut self) -> Result<(), Stop> {
        let mut answers = steps::answers_of(&self.workspace.host, &self.session);
        if let Err(error) = steps::preview(&self.workspace.host, &self.session.facts, &answers) {
            self.ask.say(&error.text(self.lang));
            answers.kubespray = self.ask_path(&msg::plain::kubespray().text(self.lang), &error.hint(self.lang))?;
        }
        let planned = |answers: &Answers| {
            steps::Planner::new(&self.workspace.host, &self.session.facts, answers).planned_preview()
        };
        let mut preview = planned(&answers)?;
        if let Some(newcomer) = steps::newcomer(&self.session.facts, &answers, &preview) {
            self.ask_newcomer(&newcomer, &mut answers)?;
            preview = planned(&answers)?;
        }
        self.ask.say(&crate::kubespray::report(&preview, self.lang));
        self.session.answers = Some(answers);
        // What was said is kept, whether or not the plan is confirmed.
        self.step_driver().save()?;
        self.run_step(Step::Variables)
    }

    /// Asks whether a machine that the inventory does not have is to be written into it, or which of its hosts the
    /// machine is.
    fn ask_newcomer(&self, newcomer: &Newcomer, answers: &mut Answers) -> Result<(), Stop> {
        self.ask.say(&format!("! {}", newcomer.finding().message(self.lang)));
        let hosts = newcomer.nearest.iter().filter_map(|name| name.parse::<NodeName>().ok());
        let hosts: Vec<NodeName> = hosts.collect();
        let mut options: Vec<String> =
            hosts.iter().map(|name| msg::plain::newcomer::is(name).text(self.lang)).collect();
        options.push(msg::plain::newcomer::add(&newcomer.group, &newcomer.name).text(self.lang));
        options.push(msg::plain::newcomer::quit().text(self.lang));
        let last = options.len() - 1;
        match self.ask.choose(&msg::plain::newcomer().text(self.lang), &options, last)? {
            place if place == last => return Err(Stop::Quit),
            place if place < hosts.len() => answers.node = hosts.into_iter().nth(place),
            _ => answers.add_node = true,
        }
        Ok(())
    }

    /// Asks for a path until it is one; nothing is nothing.
    fn ask_path(&self, question: &str, help: &str) -> Result<Option<FilePath>, Stop> {
        loop {
            let text = self.ask.text(question, help)?;
            match text.parse::<FilePath>() {
                _ if text.is_empty() => return Ok(None),
                Ok(path) => return Ok(Some(path)),
                Err(error) => self.ask.say(&error.text(self.lang)),
            }
        }
    }

    fn verify(&mut self) -> Result<(), Stop> {
        if self.session.plan.of(Step::Verify).next().is_none() {
            let mut answers = steps::answers_of(&self.workspace.host, &self.session);
            self.ask_cluster(&mut answers)?;
            self.session.answers = Some(answers);
        }
        self.run_step(Step::Verify)?;
        let report = self.step_driver().verdict()?;
        self.ask.say(&format!("\n{}", verify::report(&report, self.lang)));
        // While nothing has proved the GPU here, other pods are better kept away.
        if report.verdict == Verdict::Ok { self.offer_taint() } else { Ok(()) }
    }

    /// Looks at the node in the cluster; while it is not to be seen there, asks for another kubeconfig.
    fn ask_cluster(&self, answers: &mut Answers) -> Result<Option<GpuStack>, Stop> {
        let host = &self.workspace.host;
        loop {
            let node = steps::Planner::new(host, &self.session.facts, answers).node_name();
            let kubectl = Kubectl::find(host, answers.kubeconfig.as_deref());
            let state = match kubectl
                .and_then(|kubectl| stack::probe(host, &kubectl, &node, owner::of(answers.driver_owner).stack()))
            {
                Ok(stack) if stack.node.is_some() => return Ok(Some(stack)),
                Ok(_) => ClusterError::NotFound(node),
                Err(state) => state,
            };
            self.ask.say(&format!("! {}\n  {}", state.message(self.lang), state.remedy(self.lang)));
            let path = self
                .ask_path(&msg::plain::kubeconfig().text(self.lang), &msg::plain::kubeconfig::help().text(self.lang))?;
            if path.is_none() {
                return Ok(None);
            }
            answers.kubeconfig = path;
        }
    }

    /// Asks whether the GPU taint is to be taken off now, if there is one, and does it.
    fn offer_taint(&mut self) -> Result<(), Stop> {
        let host = &self.workspace.host;
        let mut answers = steps::answers_of(host, &self.session);
        let planner = steps::Planner::new(host, &self.session.facts, &answers);
        let (node, release) = (planner.node_name(), planner.preview().ok().and_then(|preview| preview.release.clone()));
        let kubectl = Kubectl::find(host, answers.kubeconfig.as_deref());
        let stack =
            kubectl.and_then(|kubectl| stack::probe(host, &kubectl, &node, owner::of(answers.driver_owner).stack()));
        // What cannot be seen any more is not asked about.
        let Ok(stack) = stack else { return Ok(()) };
        let remedies = remedy::remedies(&stack, release.as_deref());
        let Some(taint) = remedies.iter().find(|remedy| remedy.id == RemedyId::RemoveTaint) else { return Ok(()) };
        self.ask.say(&[taint.message(self.lang), taint.next_run(self.lang), taint.durable(self.lang)].join("\n"));
        if !self.ask.confirm(&msg::plain::taint().text(self.lang), false)? {
            return Ok(());
        }
        answers.remove_taint = true;
        let action = taint.action(answers.kubeconfig.clone().map(Into::into));
        self.session.answers = Some(answers);
        // The test pod has passed, and need not run once more for this.
        self.session.replan(Step::Verify, vec![action]);
        self.execute(Step::Verify)?;
        let whole = self.step_driver().planned(Step::Verify)?;
        self.session.replan(Step::Verify, whole);
        self.step_driver().verdict().map(drop).map_err(Stop::from)
    }

    /// Plans a step unless it was begun, shows every command and diff, asks, and runs.
    fn run_step(&mut self, step: Step) -> Result<(), Stop> {
        let lang = self.lang;
        for action in self.step_driver().plan(step)? {
            self.show(&action);
        }
        if step == Step::Driver {
            let predictions = self.step_driver().preflight(lang)?;
            self.ask.say(&format!(
                "\n{}\n{}",
                msg::preflight::title().text(lang),
                crate::preflight::report(&predictions, lang)
            ));
        }
        // What changes the machine is never one careless Enter away.
        if step == Step::Driver && !self.ask.confirm(&msg::plain::run().text(lang), false)? {
            return Err(Stop::Back);
        }
        if step != Step::Driver {
            self.go_on(&msg::plain::run(), false)?;
        }
        self.execute(step)
    }

    /// Runs what was confirmed, or the rest of it.
    fn execute(&mut self, step: Step) -> Result<(), Stop> {
        let cancel = Cancel::default();
        crate::signals::cancel_on_signal(&cancel)?;
        let (lang, ask) = (self.lang, self.ask);
        let mut password = || console::password(&msg::apply::password().text(lang));
        let outcome = self.step_driver().run_asking(step, &cancel, &mut password, &mut |event| {
            if let Some(line) = event.line(lang) {
                ask.say(&line);
            }
        })?;
        match outcome {
            Outcome::Done => Ok(()),
            Outcome::Cancelled => Err(Stop::Quit),
            Outcome::RebootNeeded => self.reboot(step),
            Outcome::Failed { id, .. } => Err(Stop::Failed(
                Expected::new(msg::apply::failed(self.session.title(&id, lang)), msg::plain::failed_hint())
                    .code(ExitCode::Negative),
            )),
        }
    }

    fn show(&self, action: &Action) {
        let left_out =
            if action.skipped { format!(" ({})", msg::plan::state::left_out().text(self.lang)) } else { String::new() };
        self.ask.say(&format!(
            "\n* {}{left_out}\n  {}",
            action.title(self.lang),
            action.blocked_text(self.lang).unwrap_or_else(|| action.reason(self.lang))
        ));
        action.commands.iter().for_each(|command| self.ask.say(&format!("  $ {command}")));
        action
            .diff
            .iter()
            .flat_map(|diff| diff.lines())
            .for_each(|line| self.ask.say(&format!("  {}", crate::text::printable(line))));
    }

    /// A simulated machine boots at once and the questions go on; a real one goes down.
    fn reboot(&mut self, step: Step) -> Result<(), Stop> {
        self.ask.say(&msg::apply::reboot().text(self.lang));
        if !self.ask.confirm(&msg::plain::reboot().text(self.lang), false)? {
            return Err(Stop::Reboot);
        }
        step_driver::reboot(&self.workspace.host, &self.store)?;
        if self.workspace.host.simulation.is_none() {
            return Err(Stop::Reboot);
        }
        self.session.facts = facts::probe_all(&self.workspace.host);
        self.execute(step)
    }
}

fn row_label(row: &crate::choice::DriverRow) -> String {
    let date = row.release_date.map(|date| date.to_string()).unwrap_or_default();
    let cuda = row.cuda_version.clone().unwrap_or_default();
    format!("{:<14} {date:<12} CUDA {cuda:<6} {}{}", row.version, row.branch, if row.recommended { "  *" } else { "" })
}
