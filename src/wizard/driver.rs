//! Step 2: who owns the driver, which driver and toolkit, and the plan that follows from it.

use super::{
    App, Screen, Slot,
    ask::{self, Subject},
    keymap::Intent,
    message::Effect,
    navigate, story,
};
use crate::{
    answers::{Answers, CudaChoice, DriverOwner},
    choice::{CudaRow, DriverRow, DriverTable, pairing},
    finding::Severity,
    i18n::{Lang, Message, msg},
    owner::{self, Fit},
    prediction::Prediction,
    session::Session,
    version::Version,
};

/// The questions of step 2, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Part {
    /// Who owns the driver?
    #[default]
    Owner,
    /// Which toolkit?
    Cuda,
    /// Which driver?
    Driver,
}

/// The order of the drivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// Newest version first.
    #[default]
    Newest,
    /// Latest release first.
    Released,
    /// Supported for longest first.
    Support,
    /// Smallest first.
    Size,
}

impl Sort {
    /// Returns the next order.
    fn next(self) -> Self {
        match self {
            Self::Newest => Self::Released,
            Self::Released => Self::Support,
            Self::Support => Self::Size,
            Self::Size => Self::Newest,
        }
    }

    /// Returns its name; nothing for the one that needs no word.
    pub fn title(self) -> Option<Message> {
        match self {
            Self::Newest => None,
            Self::Released => Some(msg::wizard::choice::sort::released()),
            Self::Support => Some(msg::wizard::choice::sort::support()),
            Self::Size => Some(msg::wizard::choice::sort::size()),
        }
    }
}

/// What a filter looks at: all that the table shows of a driver.
fn searched(row: &DriverRow) -> String {
    let date = |date: Option<jiff::civil::Date>| date.map(|date| date.to_string()).unwrap_or_default();
    let kind = row.kind.title().map(|kind| kind.text(Lang::En)).unwrap_or_default();
    let cuda = row.cuda_version.as_deref().unwrap_or_default();
    let tree = if row.datacenter { "datacenter" } else { "desktop" };
    format!("{} {} {kind} {cuda} {} {} {tree}", row.version, row.branch, date(row.release_date), date(row.end_of_life))
        .to_lowercase()
}

/// Where the user is in step 2. The choices themselves are the app's answers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DriverStep {
    /// The question with the cursor.
    pub part: Part,
    /// How each owner fits this node; empty until the machine was looked at.
    pub owners: Vec<Fit>,
    /// The table that was last loaded.
    pub table: Option<DriverTable>,
    /// Why there is none.
    pub error: Option<String>,
    /// Unfit drivers are shown too.
    pub all: bool,
    /// Words that the shown drivers have; empty shows all.
    pub filter: String,
    /// Their order.
    pub sort: Sort,
    /// The selected action of the plan.
    pub action: usize,
    /// Why there is no plan.
    pub plan_error: Option<String>,
    /// What the pre-flight says of the plan.
    pub checks: Vec<Prediction>,
    /// Why it says nothing.
    pub checks_error: Option<String>,
    /// The user chose the driver; else it follows the recommendation.
    driver_chosen: bool,
    /// The user chose the toolkit; else it follows the driver.
    cuda_chosen: bool,
}

impl DriverStep {
    /// Takes up what was chosen before.
    pub(super) fn resume(answers: &Answers) -> Self {
        Self {
            driver_chosen: answers.driver_version.is_some(),
            cuda_chosen: answers.cuda_version.is_some(),
            ..Self::default()
        }
    }

    /// Takes up how the owners fit. Until answers are kept, the recommended one is chosen.
    pub(super) fn propose(&mut self, owners: Vec<Fit>, session: &Session, answers: &mut Answers) {
        if session.answers.is_none() && owners.iter().any(|fit| fit.recommended) {
            answers.driver_owner = owner::best(&owners);
        }
        self.owners = owners;
    }

    /// Returns the drivers in view, in their order.
    pub fn rows(&self) -> Vec<&DriverRow> {
        let drivers = self.table.iter().flat_map(|table| &table.drivers);
        let mut rows: Vec<_> = drivers.filter(|row| (self.all || row.fits) && self.matches(row)).collect();
        match self.sort {
            Sort::Newest => {}
            // What nobody supports any more, and what nobody knows an end of, comes last.
            Sort::Support => rows.sort_by_key(|row| (row.ended, std::cmp::Reverse(row.end_of_life))),
            Sort::Released => rows.sort_by_key(|row| std::cmp::Reverse(row.release_date)),
            Sort::Size => rows.sort_by_key(|row| row.size_bytes.unwrap_or(u64::MAX)),
        }
        rows
    }

    /// Returns the chosen driver, unless the filter hides it: what nobody sees, nobody takes.
    pub fn chosen(&self, answers: &Answers) -> Option<&DriverRow> {
        let row = self
            .table
            .iter()
            .flat_map(|table| &table.drivers)
            .find(|row| Some(&row.version) == answers.driver_version.as_ref())?;
        self.matches(row).then_some(row)
    }

    /// Tells whether a driver has all words of the filter.
    fn matches(&self, row: &DriverRow) -> bool {
        let shown = searched(row);
        self.filter.split_whitespace().all(|word| shown.contains(&word.to_lowercase()))
    }

    /// Returns the toolkits that can be chosen, newest first; `None` is "no toolkit" and comes last. The driver rules
    /// none out: it follows the toolkit.
    pub fn toolkits(&self) -> Vec<Option<&CudaRow>> {
        self.table.iter().flat_map(|table| &table.cuda).filter(|row| row.reachable).map(Some).chain([None]).collect()
    }

    /// Tells whether a toolkit newer than the chosen one can be had.
    pub fn has_newer_toolkit(&self, answers: &Answers) -> bool {
        let newest = self.toolkits().into_iter().flatten().map(|row| &row.version).max();
        answers.cuda().is_some_and(|chosen| newest.is_some_and(|newest| newest > chosen))
    }

    /// Takes a new table in: choices that the user made stay where they fit, the others follow the recommendation.
    /// Returns the driver that took the place of one that the user chose and that does not fit any more.
    pub(super) fn take(&mut self, table: DriverTable, answers: &mut Answers) -> Option<Version> {
        self.error = None;
        let fits = |version: &Version| table.drivers.iter().any(|row| row.fits && row.version == *version);
        let best =
            table.drivers.iter().find(|row| row.recommended).or_else(|| table.drivers.iter().find(|row| row.fits));
        let is_void = self.driver_chosen
            && self.cuda_chosen
            && best.is_some()
            && answers.driver_version.as_ref().is_some_and(|version| !fits(version));
        self.driver_chosen &= !is_void;
        if !self.driver_chosen || answers.driver_version.is_none() {
            answers.driver_version = best.map(|row| row.version.clone());
        }
        self.table = Some(table);
        self.pair(answers);
        answers.driver_version.clone().filter(|_| is_void)
    }

    /// Chooses the toolkit that belongs to the driver, unless the user chose one.
    fn pair(&self, answers: &mut Answers) {
        let (false, Some(table), Some(driver)) = (self.cuda_chosen, &self.table, &answers.driver_version) else {
            return;
        };
        answers.cuda_version = Some(match pairing(&table.cuda, driver) {
            Some(row) => CudaChoice::Version(row.version.clone()),
            None => CudaChoice::None,
        });
    }
}

/// Returns the toolkit row of the answers.
pub fn chosen_toolkit(app: &App) -> Option<&CudaRow> {
    let wanted = app.answers.cuda()?;
    app.driver.table.as_ref()?.cuda.iter().find(|row| row.version == *wanted)
}

/// Takes a new table in, and says so where another driver came with it.
pub(super) fn take_table(app: &mut App, table: DriverTable) {
    let followed = app.driver.take(table, &mut app.answers);
    if let (Some(driver), Some(toolkit)) = (followed, app.answers.cuda().cloned()) {
        app.keep_answers();
        app.say(Severity::Info, app.text(msg::wizard::notice::driver_follows(&toolkit, &driver)));
    }
}

/// Keys while owner, toolkit and driver are chosen.
pub(super) fn choose(app: &mut App, intent: Intent) {
    match (intent, app.driver.part) {
        (Intent::Accept | Intent::NextPart, Part::Owner) | (Intent::PreviousPart, Part::Driver) => {
            app.driver.part = Part::Cuda;
        }
        (Intent::Accept | Intent::NextPart, Part::Cuda) | (Intent::PreviousPart, Part::Owner) => {
            app.driver.part = Part::Driver;
        }
        (Intent::NextPart, Part::Driver) | (Intent::PreviousPart, Part::Cuda) => app.driver.part = Part::Owner,
        (Intent::Accept, Part::Driver) => accept(app),
        (Intent::Back, _) => navigate::enter(app, Screen::Detect),
        (Intent::ToggleAll, _) => {
            app.driver.all = !app.driver.all;
            choose_in_view(app);
        }
        (Intent::NextOrder, _) => app.driver.sort = app.driver.sort.next(),
        (Intent::Search, _) => ask::open(app, Subject::DriverFilter, &app.driver.filter.clone()),
        (_, Part::Owner) => choose_owner(app, intent),
        (_, Part::Cuda) => choose_toolkit(app, intent),
        (_, Part::Driver) => choose_driver(app, intent),
    }
}

/// Takes the words that the shown drivers shall have.
pub(super) fn take_filter(app: &mut App, text: &str) {
    text.clone_into(&mut app.driver.filter);
    app.driver.part = Part::Driver;
    choose_in_view(app);
}

/// A cursor that went out of view moves to the first row that can be taken, else to the first.
fn choose_in_view(app: &mut App) {
    let rows = app.driver.rows();
    let chosen = app.answers.driver_version.as_ref();
    if rows.iter().any(|row| Some(&row.version) == chosen) {
        return;
    }
    let first = rows.iter().find(|row| row.fits).or(rows.first()).map(|row| row.version.clone());
    take_version(app, first);
}

/// Returns the ways to a driver of packages; none where the owner takes a driver of the table.
pub fn ways(app: &App) -> Vec<owner::Way> {
    owner::ways(&app.session.facts, &app.answers)
}

fn accept(app: &mut App) {
    let ways = ways(app);
    if !ways.is_empty() && !app.waits_for(Slot::Table) {
        // Where nothing at all can be installed, the plan says so, with the way out.
        let unfit = ways.iter().any(|way| way.is_chosen(&app.answers) && way.course.is_err() && !way.is_recommended());
        if unfit {
            return app.say(Severity::Warning, app.text(msg::wizard::choice::way_unfit()));
        }
        app.keep_answers();
        app.save();
        return navigate::enter(app, Screen::Plan);
    }
    let missing = match app.driver.chosen(&app.answers) {
        _ if app.waits_for(Slot::Table) => return app.say_until(Slot::Table, msg::wizard::notice::table_loading()),
        Some(row) if row.fits => None,
        None if !app.driver.filter.is_empty() => Some(msg::wizard::choice::none_matches()),
        _ => Some(msg::wizard::notice::driver_unfit()),
    };
    if let Some(missing) = missing {
        return app.say(Severity::Warning, app.text(missing));
    }
    app.keep_answers();
    app.save();
    navigate::enter(app, Screen::Plan);
}

fn choose_owner(app: &mut App, intent: Intent) {
    let here = DriverOwner::ALL.iter().position(|owner| *owner == app.answers.driver_owner).unwrap_or(0);
    let next = DriverOwner::ALL[navigate::moved(here, intent, DriverOwner::ALL.len())];
    if next != app.answers.driver_owner {
        app.answers.driver_owner = next;
        changed(app);
        story::goes_on(app);
    }
}

fn choose_toolkit(app: &mut App, intent: Intent) {
    let intent = match intent {
        Intent::Left => Intent::Up,
        Intent::Right => Intent::Down,
        other => other,
    };
    let rows = app.driver.toolkits();
    let here = rows.iter().position(|row| row.map(|row| &row.version) == app.answers.cuda()).unwrap_or(rows.len() - 1);
    let next = rows[navigate::moved(here, intent, rows.len())]
        .map_or(CudaChoice::None, |row| CudaChoice::Version(row.version.clone()));
    if app.driver.table.is_some() && Some(&next) != app.answers.cuda_version.as_ref() {
        app.driver.cuda_chosen = true;
        app.answers.cuda_version = Some(next);
        changed(app);
    }
}

fn choose_driver(app: &mut App, intent: Intent) {
    let ways = ways(app);
    if !ways.is_empty() {
        let here = ways.iter().position(|way| way.is_chosen(&app.answers)).unwrap_or_default();
        let next = &ways[navigate::moved(here, intent, ways.len())];
        if !next.is_chosen(&app.answers) {
            next.take(&mut app.answers);
            changed(app);
        }
        return;
    }
    let rows = app.driver.rows();
    let here = rows.iter().position(|row| Some(&row.version) == app.answers.driver_version.as_ref());
    let next =
        rows.get(here.map_or(0, |here| navigate::moved(here, intent, rows.len()))).map(|row| row.version.clone());
    take_version(app, next);
}

fn take_version(app: &mut App, next: Option<Version>) {
    if next.is_some() && next != app.answers.driver_version {
        app.driver.driver_chosen = true;
        app.answers.driver_version = next;
        app.driver.pair(&mut app.answers);
        changed(app);
    }
}

/// An answer changed: what rests on it is worked out again, and what was done for other answers no longer counts as
/// done.
fn changed(app: &mut App) {
    app.keep_answers();
    app.order(Effect::LoadTable { answers: Box::new(app.answers.clone()) });
    app.save();
}
