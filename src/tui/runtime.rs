//! Runtime: the threads around the one queue. Signals and answers go in; the UI thread takes them out, updates, and
//! draws at most thirty times a second and only when something changed. Keys have a queue of their own that is looked
//! at first, and their answer is drawn at once, so that no flood of answers comes before a user. The UI thread never
//! waits for anything but the queue.

use std::{
    io, panic,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel},
    },
    time::{Duration, Instant},
};

use crossterm::event::Event;

use super::{
    events::{Asked, listen_to_signals, read_events},
    input::{Input, translate},
    terminal::{Screen, demand},
    view,
};
use crate::{
    error::Expected,
    exit_code::ExitCode,
    wizard::{self, Answer, App, Effect, EffectId, Msg, Order, Signal},
    worker,
};

/// Time between two pictures at least.
const FRAME: Duration = Duration::from_millis(33);
/// Time between two ticks.
const TICK: Duration = Duration::from_millis(100);
/// How long a save that is under way may hold up the end.
const LAST_SAVE: Duration = Duration::from_secs(2);
/// Messages that wait at most; then those who send wait. This is what keeps memory flat under a flood of log lines.
const QUEUE: usize = 1024;

/// Does the work. Called on a thread of its own for each order, and free to block there.
pub trait Performer: Send + Sync {
    /// Carries out an effect and replies as [`Effect`] says. [`Effect::Cancel`] names the order to stop; it needs no
    /// answer.
    fn perform(&self, effect: Effect, reply: &Reply);
}

/// Where the answers to one order go.
pub struct Reply {
    id: EffectId,
    queue: SyncSender<Incoming>,
}

impl Reply {
    /// Returns the order's id: what a later [`Effect::Cancel`] names.
    pub fn id(&self) -> EffectId {
        self.id
    }

    /// Sends an answer; waits while the queue is full. Tells whether anybody is there to hear it.
    pub fn send(&self, answer: Answer) -> bool {
        self.queue.send(Incoming::Msg(Msg::Answer(self.id, answer))).is_ok()
    }
}

/// What comes out of the queues.
enum Incoming {
    Msg(Msg),
    /// There is something in the queue of the keys.
    Typed,
    Suspend,
    Redraw,
}

impl From<Input> for Incoming {
    fn from(input: Input) -> Self {
        match input {
            Input::Key(key) => Self::Msg(Msg::Key(key)),
            Input::Suspend => Self::Suspend,
            Input::Redraw => Self::Redraw,
        }
    }
}

/// Why the wizard could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There is no terminal.
    #[error(transparent)]
    NoTerminal(#[from] Expected),
    /// The terminal failed.
    #[error("the terminal failed: {0}")]
    Io(#[from] io::Error),
}

/// Shows the wizard until it ends, and returns how the program should end.
pub fn run(mut app: App, performer: Arc<dyn Performer>) -> Result<ExitCode, RunError> {
    demand()?;
    let (sender, queue) = sync_channel(QUEUE);
    let (typed, keys) = channel();
    listen(sender.clone())?;
    let mut screen = Screen::take()?;
    app.size = crossterm::terminal::size()?;
    read_keys(typed, sender.clone())?;
    let saver = save_in_order(Arc::clone(&performer))?;
    let mut ui = Ui { app, performer, sender, saver, saves: 0, exit: None };
    let orders = wizard::start(&mut ui.app);
    ui.carry_out(orders);
    ui.turn(&mut screen, &queue, &keys)?;
    ui.wait_for_saves(&queue);
    Ok(ui.exit.unwrap_or(ExitCode::Quit))
}

struct Ui {
    app: App,
    performer: Arc<dyn Performer>,
    sender: SyncSender<Incoming>,
    /// Takes saves, one after the other: a late one must not overwrite a newer one.
    saver: Sender<(Effect, Reply)>,
    /// Saves that have not been answered.
    saves: usize,
    exit: Option<ExitCode>,
}

impl Ui {
    fn turn(&mut self, screen: &mut Screen, queue: &Receiver<Incoming>, keys: &Receiver<Incoming>) -> io::Result<()> {
        let (mut changed, mut drawn, mut ticked) =
            (true, Instant::now().checked_sub(FRAME).unwrap_or_else(Instant::now), Instant::now());
        while self.exit.is_none() {
            let typed = self.take_keys(screen, keys)?;
            if self.exit.is_some() {
                break;
            }
            changed |= typed;
            if changed && (typed || drawn.elapsed() >= FRAME) {
                screen.terminal().draw(|frame| view(&self.app, frame))?;
                (changed, drawn) = (false, Instant::now());
            }
            let patience = match (changed, self.app.wants_ticks()) {
                (true, _) => FRAME.saturating_sub(drawn.elapsed()),
                (false, true) => TICK.saturating_sub(ticked.elapsed()),
                (false, false) => Duration::from_hours(1),
            };
            match queue.recv_timeout(patience) {
                Ok(input) => changed |= self.take(input, screen)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.app.wants_ticks() && ticked.elapsed() >= TICK {
                ticked = Instant::now();
                self.update(Msg::Tick);
                changed = true;
            }
        }
        Ok(())
    }

    /// Takes what was typed meanwhile; tells whether there was anything.
    fn take_keys(&mut self, screen: &mut Screen, keys: &Receiver<Incoming>) -> io::Result<bool> {
        let mut typed = false;
        while self.exit.is_none()
            && let Ok(input) = keys.try_recv()
        {
            typed |= self.take(input, screen)?;
        }
        Ok(typed)
    }

    fn take(&mut self, input: Incoming, screen: &mut Screen) -> io::Result<bool> {
        match input {
            // The keys are looked at with every turn.
            Incoming::Typed => return Ok(false),
            Incoming::Suspend => screen.suspend()?,
            Incoming::Redraw => screen.forget()?,
            Incoming::Msg(msg) => {
                if let Msg::Resize(..) = msg {
                    screen.forget()?;
                }
                self.update(msg);
            }
        }
        Ok(true)
    }

    fn update(&mut self, msg: Msg) {
        if matches!(msg, Msg::Answer(_, Answer::Saved(_) | Answer::SaveFailed(_))) {
            self.saves = self.saves.saturating_sub(1);
        }
        let orders = wizard::update(&mut self.app, msg);
        self.carry_out(orders);
    }

    fn carry_out(&mut self, orders: Vec<Order>) {
        for Order { id, effect } in orders {
            match effect {
                Effect::Quit(code) => self.exit = Some(code),
                effect => self.hand_out(effect, Reply { id, queue: self.sender.clone() }),
            }
        }
    }

    fn hand_out(&mut self, effect: Effect, reply: Reply) {
        if matches!(effect, Effect::SaveSession(_)) {
            self.saves += usize::from(self.saver.send((effect, reply)).is_ok());
        } else {
            let performer = Arc::clone(&self.performer);
            worker::spawn_or_do(move || work(performer.as_ref(), effect, &reply));
        }
    }

    /// Gives saves that are under way a moment to end.
    fn wait_for_saves(&mut self, queue: &Receiver<Incoming>) {
        let until = crate::host::clock::later(LAST_SAVE);
        while self.saves > 0 && Instant::now() < until {
            match queue.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Incoming::Msg(Msg::Answer(_, Answer::Saved(_) | Answer::SaveFailed(_)))) => self.saves -= 1,
                Ok(_) => {}
                Err(_) => break,
            }
        }
    }
}

/// Performs an effect; a panic becomes an answer with its message.
fn work(performer: &dyn Performer, effect: Effect, reply: &Reply) {
    let outcome = panic::catch_unwind(panic::AssertUnwindSafe(|| performer.perform(effect, reply)));
    if let Err(payload) = outcome {
        let text =
            payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&str>().copied());
        reply.send(Answer::Failed(format!("internal error: {}", crate::text::printable(text.unwrap_or("panic")))));
    }
}

fn save_in_order(performer: Arc<dyn Performer>) -> io::Result<Sender<(Effect, Reply)>> {
    let (sender, saves) = channel::<(Effect, Reply)>();
    worker::spawn(move || saves.into_iter().for_each(|(effect, reply)| work(performer.as_ref(), effect, &reply)))?;
    Ok(sender)
}

/// Reads what is typed. A full queue needs no word that there is a key: the UI thread is awake.
fn read_keys(typed: Sender<Incoming>, queue: SyncSender<Incoming>) -> io::Result<()> {
    read_events(move |event| {
        let inputs = match event {
            Some(Event::Key(key)) => translate(key).into_iter().map(Incoming::from).collect(),
            Some(Event::Paste(text)) => vec![Incoming::Msg(Msg::Paste(text))],
            Some(Event::Resize(columns, rows)) => vec![Incoming::Msg(Msg::Resize(columns, rows))],
            Some(_) => Vec::new(),
            // The terminal is gone.
            None => return queue.send(Incoming::Msg(Msg::Shutdown(Signal::HangUp))).is_ok(),
        };
        if inputs.into_iter().any(|input| typed.send(input).is_err()) {
            return false;
        }
        let _ = queue.try_send(Incoming::Typed);
        true
    })
}

fn listen(queue: SyncSender<Incoming>) -> io::Result<()> {
    listen_to_signals(move |asked| {
        let input = match asked {
            Asked::End(signal) => Incoming::Msg(Msg::Shutdown(signal)),
            Asked::Suspend => Incoming::Suspend,
            Asked::Redraw => Incoming::Redraw,
        };
        queue.send(input).is_ok()
    })
}
