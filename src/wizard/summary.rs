//! Summary: what is there, what was changed, and what proves it. The end of the way.

use super::{App, chain::ChainState, story, wrap};
use crate::{
    i18n::{Message, msg},
    owner,
    session::Status,
};

/// One line of the summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A heading.
    Heading(String),
    /// A name and its value.
    Value(String, String),
    /// A sentence with its state.
    State(ChainState, String),
    /// Proof of what stands above it.
    Detail(String),
    /// Nothing.
    Blank,
}

impl Fact {
    /// Cells of a name and the space around it.
    pub const NAME: usize = 19;

    /// Returns its text as rows for a screen of `cells` cells, without name and mark.
    pub fn rows(&self, cells: usize) -> Vec<String> {
        match self {
            Self::Heading(text) => vec![text.clone()],
            Self::Value(_, text) => wrap(text, cells.saturating_sub(Self::NAME + 3)),
            Self::State(_, text) | Self::Detail(text) => wrap(text, cells.saturating_sub(6)),
            Self::Blank => vec![String::new()],
        }
    }
}

/// Returns the rows of the whole summary.
pub(super) fn height(app: &App) -> usize {
    summary(app).iter().map(|fact| fact.rows(app.size.0.into()).len()).sum()
}

/// Returns the summary from top to bottom.
pub fn summary(app: &App) -> Vec<Fact> {
    [learned(app), there(app), report(app), changed(app), proof(app)].concat()
}

/// What a demo has shown: the lesson that opened it closes it.
fn learned(app: &App) -> Vec<Fact> {
    let texts = story::closing(app);
    if texts.is_empty() {
        return Vec::new();
    }
    let heading = Fact::Heading(app.text(msg::wizard::story::closes()));
    std::iter::once(heading).chain(texts.into_iter().map(Fact::Detail)).chain([Fact::Blank]).collect()
}

fn there(app: &App) -> Vec<Fact> {
    let facts = &app.session.facts;
    let value = |name: Message, value: String| Fact::Value(app.text(name), value);
    let mut rows = vec![Fact::Heading(app.text(msg::wizard::summary::there()))];
    rows.extend(
        facts.gpus.iter().map(|gpu| value(msg::wizard::summary::gpu(), format!("{} · {}", gpu.name, gpu.pci_address))),
    );
    let owner = app.text(owner::of(app.answers.driver_owner).title());
    let driver = app.answers.driver_version.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    rows.push(value(msg::wizard::summary::driver(), format!("{driver} · {owner}")));
    rows.push(value(
        msg::wizard::summary::toolkit(),
        app.answers.cuda().map_or_else(|| app.text(msg::wizard::cuda::none()), |version| format!("CUDA {version}")),
    ));
    rows.push(value(msg::wizard::summary::host(), format!("{} · {}", facts.host.os_name, facts.host.kernel)));
    rows
}

fn changed(app: &App) -> Vec<Fact> {
    let mut rows = vec![Fact::Heading(app.text(msg::wizard::summary::changed()))];
    let done = || app.session.journal.iter().filter(|record| record.status == Status::Done);
    for record in done() {
        rows.push(Fact::State(ChainState::Pass, record.action.title(app.settings.lang)));
        rows.extend(record.evidence.first().map(|evidence| Fact::Detail(evidence.clone())));
    }
    if done().next().is_none() {
        rows.push(Fact::Detail(app.text(msg::wizard::summary::nothing())));
    }
    rows.push(Fact::Blank);
    rows
}

fn proof(app: &App) -> Vec<Fact> {
    let mut rows = vec![Fact::Heading(app.text(msg::wizard::summary::proof()))];
    let text =
        |title: &str, detail: &str| if detail.is_empty() { title.to_owned() } else { format!("{title}: {detail}") };
    rows.extend(app.verify.checks.iter().map(|row| Fact::State(row.state, text(&row.title, &row.detail))));
    rows
}

fn report(app: &App) -> Vec<Fact> {
    let text = match &app.report {
        Some(Ok(path)) => path.display().to_string(),
        Some(Err(error)) => app.text(msg::wizard::summary::no_report(error)),
        None => app.text(msg::wizard::summary::writing()),
    };
    let session = app.settings.session_path.display().to_string();
    vec![
        Fact::Value(app.text(msg::wizard::summary::report()), text),
        Fact::Value(app.text(msg::wizard::summary::session()), session),
        Fact::Blank,
    ]
}
