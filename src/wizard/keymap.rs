//! Keymap: which key means what where. One table: keys are looked up in it and the footer is printed from it.

use super::Key;
use crate::i18n::{Message, msg::wizard::key};

/// Where a key is pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// Step 1.
    Detect,
    /// Step 2: owner, toolkit and driver are chosen.
    Choice,
    /// Step 2: what will be done.
    Plan,
    /// Actions are running.
    Running,
    /// A run has ended well.
    RunOver,
    /// A run has ended but for the reboot.
    RebootDue,
    /// A run has failed or was stopped.
    RunFailed,
    /// Step 3.
    Variables,
    /// Step 4.
    Verify,
    /// Step 4, a search text is being typed.
    Search,
    /// The end.
    Summary,
    /// Another gpunode holds the session.
    Watch,
    /// It has let go.
    WatchOver,
    /// A text over the screen: help, what has changed.
    Reading,
    /// The proposed edits, one file after the other.
    Diff,
    /// The commands and diffs before they are run.
    Confirm,
    /// The same, and something of it cannot be taken back.
    ConfirmForGood,
    /// Shall a run be stopped?
    AskCancel,
    /// Shall the machine be rebooted?
    AskReboot,
    /// Shall the program end?
    AskQuit,
    /// A known failure was recognised.
    Diagnosis,
    /// Something may be done at the user's wish.
    Offer,
    /// A line of text is being typed.
    Ask,
    /// The terminal is too small for anything else.
    TooSmall,
}

/// What the user means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Intent {
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    First,
    Last,
    /// Go on, take it, yes.
    Accept,
    /// Enter, where only a typed y is a yes.
    Hesitate,
    /// Close what is in front, no.
    Close,
    /// Go back a step.
    Back,
    /// Give up what narrows the screen (a filter, a search), else go back a step.
    Leave,
    /// The next part of the screen.
    NextPart,
    /// The part before.
    PreviousPart,
    /// Show the rows that do not fit, or hide them.
    ToggleAll,
    /// The next order of the rows.
    NextOrder,
    /// Leave an action out, or take it in again.
    ToggleAction,
    ShowDiff,
    ShowChecks,
    AskCheckout,
    AskInventory,
    AskNode,
    /// Another value for the selected variable.
    EditValue,
    /// Why the selected variable has its value.
    ShowWhy,
    Cancel,
    Retry,
    /// Look at the machine again.
    Refresh,
    Search,
    NextHit,
    /// Up to the next line that shows a known failure.
    NextFinding,
    SaveLog,
    AskKubeconfig,
    /// What may be done to the node at the user's wish.
    Offers,
    Pause,
    TestPod,
    Type(char),
    /// The character before the cursor.
    Erase,
    /// The character at the cursor.
    EraseNext,
    EraseWord,
    EraseLine,
    Help,
    Quit,
    /// Ctrl-C: asks first, ends at once the second time.
    Interrupt,
}

/// One entry of the footer with its keys.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    /// The keys as the footer prints them.
    pub caps: &'static str,
    /// What each of them means.
    pub keys: &'static [(Key, Intent)],
    /// The text beside them.
    pub label: Label,
}

/// What is said beside a key.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Label {
    /// The key is not announced.
    Silent,
    /// The same words at all times.
    Words(fn() -> Message),
    Help,
    Back,
    Quit,
    StopSearch,
    /// What narrows the screen is given up; told only while something does.
    Unfilter,
    /// On to the next question, or to the plan.
    Take,
    /// All rows, or only those that fit.
    All,
    /// On with the plan, which may wait for a reboot or be done.
    Review,
    /// What Enter does in step 4.
    Check,
    Pause,
    Offers,
    NextHit,
    NextFinding,
    SaveLog,
}

impl Label {
    /// Tells whether it has room on every screen.
    pub(super) fn stays(self) -> bool {
        matches!(self, Self::Help | Self::Back | Self::Quit | Self::StopSearch | Self::Unfilter)
    }
}

const fn bind(caps: &'static str, keys: &'static [(Key, Intent)], label: Label) -> Binding {
    Binding { caps, keys, label }
}

const UP_DOWN: &[(Key, Intent)] = &[
    (Key::Up, Intent::Up),
    (Key::Down, Intent::Down),
    (Key::Char('k'), Intent::Up),
    (Key::Char('j'), Intent::Down),
    (Key::PageUp, Intent::PageUp),
    (Key::PageDown, Intent::PageDown),
    (Key::Home, Intent::First),
    (Key::End, Intent::Last),
];
const TAB: &[(Key, Intent)] = &[(Key::Tab, Intent::NextPart), (Key::BackTab, Intent::PreviousPart)];
const ENTER: &[(Key, Intent)] = &[(Key::Enter, Intent::Accept)];
const YES: &[(Key, Intent)] = &[(Key::Enter, Intent::Accept), (Key::Char('y'), Intent::Accept)];
/// What cannot be taken back, and what came up by itself under the user's fingers, wants a key that nobody presses by
/// the way.
const TYPED_YES: &[(Key, Intent)] = &[(Key::Char('y'), Intent::Accept), (Key::Enter, Intent::Hesitate)];
const NO: &[(Key, Intent)] =
    &[(Key::Esc, Intent::Close), (Key::Char('n'), Intent::Close), (Key::Char('q'), Intent::Close)];
const HELP: Binding = bind("?", &[(Key::Char('?'), Intent::Help)], Label::Help);
const BACK: Binding = bind("b", &[(Key::Char('b'), Intent::Back)], Label::Back);
/// Told only while it does more than going back.
const LEAVE: Binding = bind("Esc", &[(Key::Esc, Intent::Leave)], Label::Unfilter);
const QUIT: Binding = bind("q", &[(Key::Char('q'), Intent::Quit), (Key::Interrupt, Intent::Interrupt)], Label::Quit);
/// A question scrolls where it has no room in a box; its heading says then that there is more.
const SCROLL: Binding = bind("", UP_DOWN, Label::Silent);
const INTERRUPT: Binding = bind("", &[(Key::Interrupt, Intent::Interrupt)], Label::Silent);

const DETECT: &[Binding] = &[
    bind("Enter", ENTER, Label::Words(key::go_on)),
    bind("↑↓", UP_DOWN, Label::Words(key::select)),
    bind("Tab", TAB, Label::Words(key::next_part)),
    bind("r", &[(Key::Char('r'), Intent::Refresh)], Label::Words(key::refresh)),
    HELP,
    QUIT,
];
const CHOICE: &[Binding] = &[
    bind("Enter", ENTER, Label::Take),
    bind("↑↓", UP_DOWN, Label::Words(key::choose)),
    bind("Tab", TAB, Label::Words(key::next_part)),
    bind("", &[(Key::Left, Intent::Left), (Key::Right, Intent::Right)], Label::Silent),
    bind("a", &[(Key::Char('a'), Intent::ToggleAll)], Label::All),
    bind("/", &[(Key::Char('/'), Intent::Search)], Label::Words(key::filter)),
    bind("s", &[(Key::Char('s'), Intent::NextOrder)], Label::Words(key::sort)),
    HELP,
    LEAVE,
    BACK,
    QUIT,
];
const PLAN: &[Binding] = &[
    bind("Enter", ENTER, Label::Review),
    bind("↑↓", UP_DOWN, Label::Words(key::select)),
    bind("Space", &[(Key::Char(' '), Intent::ToggleAction)], Label::Words(key::leave_out)),
    bind("p", &[(Key::Char('p'), Intent::ShowChecks)], Label::Words(key::checks)),
    HELP,
    BACK,
    QUIT,
];
const RUNNING: &[Binding] = &[
    bind("x", &[(Key::Char('x'), Intent::Cancel)], Label::Words(key::cancel)),
    bind("↑↓", UP_DOWN, Label::Words(key::scroll)),
    HELP,
    QUIT,
];
const RUN_OVER: &[Binding] =
    &[bind("Enter", ENTER, Label::Words(key::go_on)), bind("↑↓", UP_DOWN, Label::Words(key::scroll)), HELP, BACK, QUIT];
const REBOOT_DUE: &[Binding] = &[
    bind("Enter", ENTER, Label::Words(key::reboot)),
    bind("↑↓", UP_DOWN, Label::Words(key::scroll)),
    HELP,
    BACK,
    QUIT,
];
const RUN_FAILED: &[Binding] = &[
    bind("", ENTER, Label::Silent),
    bind("r", &[(Key::Char('r'), Intent::Retry)], Label::Words(key::retry)),
    bind("↑↓", UP_DOWN, Label::Words(key::scroll)),
    HELP,
    BACK,
    QUIT,
];
const VARIABLES: &[Binding] = &[
    bind("Enter", ENTER, Label::Words(key::review_values)),
    bind("e", &[(Key::Char('e'), Intent::EditValue)], Label::Words(key::edit)),
    bind("w", &[(Key::Char('w'), Intent::ShowWhy)], Label::Words(key::why)),
    bind("d", &[(Key::Char('d'), Intent::ShowDiff)], Label::Words(key::diff)),
    bind("c", &[(Key::Char('c'), Intent::AskCheckout)], Label::Words(key::checkout)),
    bind("i", &[(Key::Char('i'), Intent::AskInventory)], Label::Words(key::inventory)),
    bind("m", &[(Key::Char('m'), Intent::AskNode)], Label::Words(key::node)),
    bind("↑↓", UP_DOWN, Label::Words(key::select)),
    bind("Space", &[(Key::Char(' '), Intent::ToggleAction)], Label::Words(key::keep)),
    bind("Tab", TAB, Label::Words(key::next_part)),
    HELP,
    BACK,
    QUIT,
];
const VERIFY: &[Binding] = &[
    bind("Enter", ENTER, Label::Check),
    bind("t", &[(Key::Char('t'), Intent::TestPod)], Label::Words(key::test_pod)),
    bind("Tab", TAB, Label::Words(key::next_part)),
    bind("/", &[(Key::Char('/'), Intent::Search)], Label::Words(key::search)),
    bind("n", &[(Key::Char('n'), Intent::NextHit)], Label::NextHit),
    bind("f", &[(Key::Char('f'), Intent::NextFinding)], Label::NextFinding),
    bind("Space", &[(Key::Char(' '), Intent::Pause)], Label::Pause),
    bind("o", &[(Key::Char('o'), Intent::Offers)], Label::Offers),
    bind("l", &[(Key::Char('l'), Intent::SaveLog)], Label::SaveLog),
    bind("u", &[(Key::Char('u'), Intent::AskKubeconfig)], Label::Words(key::kubeconfig)),
    bind("↑↓", UP_DOWN, Label::Words(key::scroll)),
    HELP,
    LEAVE,
    BACK,
    QUIT,
];
const SEARCH: &[Binding] = &[
    bind("Enter", ENTER, Label::Words(key::find)),
    bind("Esc", &[(Key::Esc, Intent::Close)], Label::StopSearch),
    bind("", &[(Key::Backspace, Intent::Erase)], Label::Silent),
    INTERRUPT,
];
const SUMMARY: &[Binding] = &[
    bind("Enter", &[(Key::Enter, Intent::Accept)], Label::Words(key::end)),
    bind("↑↓", UP_DOWN, Label::Words(key::scroll)),
    HELP,
    BACK,
    QUIT,
];
const WATCH: &[Binding] = &[bind("↑↓", UP_DOWN, Label::Words(key::scroll)), HELP, QUIT];
const WATCH_OVER: &[Binding] =
    &[bind("Enter", ENTER, Label::Words(key::take_over)), bind("↑↓", UP_DOWN, Label::Words(key::scroll)), HELP, QUIT];
const READING: &[Binding] = &[
    bind(
        "Esc",
        &[(Key::Esc, Intent::Close), (Key::Enter, Intent::Close), (Key::Char('q'), Intent::Close)],
        Label::Words(key::close),
    ),
    bind("↑↓", UP_DOWN, Label::Words(key::scroll)),
    bind(
        "",
        &[(Key::Char('?'), Intent::Help), (Key::Char('w'), Intent::Close), (Key::Char('b'), Intent::Close)],
        Label::Silent,
    ),
    INTERRUPT,
];
const DIFF: &[Binding] = &[
    bind(
        "Esc",
        &[(Key::Esc, Intent::Close), (Key::Enter, Intent::Close), (Key::Char('q'), Intent::Close)],
        Label::Words(key::close),
    ),
    bind("↑↓", UP_DOWN, Label::Words(key::scroll)),
    bind("Tab", TAB, Label::Words(key::next_file)),
    bind("Space", &[(Key::Char(' '), Intent::ToggleAction)], Label::Words(key::refuse_file)),
    bind("", &[(Key::Char('d'), Intent::Close), (Key::Char('b'), Intent::Close)], Label::Silent),
    HELP,
    INTERRUPT,
];
const CONFIRM: &[Binding] = &[
    bind("Enter", YES, Label::Words(key::do_it)),
    bind("Esc", NO, Label::Words(key::not_yet)),
    bind("↑↓", UP_DOWN, Label::Words(key::scroll)),
    HELP,
    INTERRUPT,
];
const CONFIRM_FOR_GOOD: &[Binding] = &[
    bind("y", TYPED_YES, Label::Words(key::do_it)),
    bind("Esc", NO, Label::Words(key::not_yet)),
    bind("↑↓", UP_DOWN, Label::Words(key::scroll)),
    HELP,
    INTERRUPT,
];
const ASK_CANCEL: &[Binding] = &[
    bind("y", TYPED_YES, Label::Words(key::stop_it)),
    bind("Esc", NO, Label::Words(key::let_it_run)),
    HELP,
    INTERRUPT,
];
const ASK_REBOOT: &[Binding] =
    &[bind("y", TYPED_YES, Label::Words(key::reboot)), bind("Esc", NO, Label::Words(key::later)), HELP, INTERRUPT];
const ASK_QUIT: &[Binding] = &[
    bind("Enter", YES, Label::Quit),
    bind("Esc", &[(Key::Esc, Intent::Close), (Key::Char('n'), Intent::Close)], Label::Words(key::stay)),
    bind("", &[(Key::Char('q'), Intent::Accept)], Label::Silent),
    HELP,
    INTERRUPT,
];
const DIAGNOSIS: &[Binding] = &[
    bind("y", TYPED_YES, Label::Words(key::remedy)),
    bind("Esc", NO, Label::Words(key::close)),
    SCROLL,
    HELP,
    INTERRUPT,
];
const ASK: &[Binding] = &[
    bind("Enter", ENTER, Label::Words(key::accept)),
    bind("Esc", &[(Key::Esc, Intent::Close)], Label::Words(key::give_up)),
    bind("Ctrl-U", &[(Key::EraseLine, Intent::EraseLine)], Label::Words(key::empty)),
    bind(
        "",
        &[(Key::Left, Intent::Left), (Key::Right, Intent::Right), (Key::Home, Intent::First), (Key::End, Intent::Last)],
        Label::Silent,
    ),
    bind(
        "",
        &[(Key::Backspace, Intent::Erase), (Key::Delete, Intent::EraseNext), (Key::EraseWord, Intent::EraseWord)],
        Label::Silent,
    ),
    INTERRUPT,
];
const OFFER: &[Binding] = &[
    bind("y", TYPED_YES, Label::Words(key::do_offer)),
    bind("Esc", NO, Label::Words(key::leave_so)),
    SCROLL,
    HELP,
    INTERRUPT,
];
const TOO_SMALL: &[Binding] =
    &[bind("q", &[(Key::Char('q'), Intent::Quit), (Key::Interrupt, Intent::Interrupt)], Label::Quit)];

/// Returns the bindings of a context, in the order of the footer.
pub fn bindings(context: Context) -> &'static [Binding] {
    match context {
        Context::Detect => DETECT,
        Context::Choice => CHOICE,
        Context::Plan => PLAN,
        Context::Running => RUNNING,
        Context::RunOver => RUN_OVER,
        Context::RebootDue => REBOOT_DUE,
        Context::RunFailed => RUN_FAILED,
        Context::Variables => VARIABLES,
        Context::Verify => VERIFY,
        Context::Search => SEARCH,
        Context::Summary => SUMMARY,
        Context::Watch => WATCH,
        Context::WatchOver => WATCH_OVER,
        Context::Reading => READING,
        Context::Diff => DIFF,
        Context::Confirm => CONFIRM,
        Context::ConfirmForGood => CONFIRM_FOR_GOOD,
        Context::AskCancel => ASK_CANCEL,
        Context::AskReboot => ASK_REBOOT,
        Context::AskQuit => ASK_QUIT,
        Context::Diagnosis => DIAGNOSIS,
        Context::Offer => OFFER,
        Context::Ask => ASK,
        Context::TooSmall => TOO_SMALL,
    }
}

/// Tells whether letters are text here.
pub fn takes_text(context: Context) -> bool {
    matches!(context, Context::Search | Context::Ask)
}

/// Returns what `key` means in `context`.
pub fn meaning(context: Context, key: Key) -> Option<Intent> {
    let bound = bindings(context).iter().flat_map(|binding| binding.keys).find(|(bound, _)| *bound == key);
    match (bound, key) {
        (Some((_, intent)), _) => Some(*intent),
        (None, Key::Char(c)) if takes_text(context) => Some(Intent::Type(c)),
        (None, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const ALL: [Context; 24] = [
        Context::Detect,
        Context::Choice,
        Context::Plan,
        Context::Running,
        Context::RunOver,
        Context::RebootDue,
        Context::RunFailed,
        Context::Variables,
        Context::Verify,
        Context::Search,
        Context::Summary,
        Context::Watch,
        Context::WatchOver,
        Context::Reading,
        Context::Diff,
        Context::Confirm,
        Context::ConfirmForGood,
        Context::AskCancel,
        Context::AskReboot,
        Context::AskQuit,
        Context::Diagnosis,
        Context::Offer,
        Context::Ask,
        Context::TooSmall,
    ];

    /// What a letter means where it is no text, whatever the screen: `y` and `n` answer, `n` is the next hit where
    /// there is nothing to answer, and what opened a text closes it too.
    #[test]
    fn a_letter_means_one_thing_on_every_screen() {
        let screens = ALL.into_iter().filter(|context| !takes_text(*context));
        let mut meanings: std::collections::BTreeMap<char, BTreeSet<String>> = std::collections::BTreeMap::new();
        for (key, intent) in screens.flat_map(bindings).flat_map(|binding| binding.keys) {
            let (Key::Char(letter), false) = (key, *intent == Intent::Close) else { continue };
            meanings.entry(*letter).or_default().insert(format!("{intent:?}"));
        }
        // Do the same once more; on or off; leave, and yes, leave.
        let alike = [('r', ["Refresh", "Retry"]), (' ', ["Pause", "ToggleAction"]), ('q', ["Accept", "Quit"])];
        for (letter, all) in meanings.into_iter().filter(|(_, all)| all.len() > 1) {
            let told = alike.iter().find(|(other, _)| *other == letter).map(|(_, all)| all.map(str::to_owned));
            assert_eq!(told.map(BTreeSet::from), Some(all), "{letter}");
        }
    }

    #[test]
    fn no_key_means_two_things_and_ctrl_c_always_means_something() {
        for context in ALL {
            let keys: Vec<_> =
                bindings(context).iter().flat_map(|binding| binding.keys).map(|(key, _)| format!("{key:?}")).collect();
            assert_eq!(keys.len(), keys.iter().collect::<BTreeSet<_>>().len(), "{context:?}: {keys:?}");
            assert_eq!(meaning(context, Key::Interrupt), Some(Intent::Interrupt), "{context:?}");
        }
    }
}
