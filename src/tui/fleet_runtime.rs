//! The threads around the fleet's screen: keys, signals, the reports that are looked at again, and one that draws.

use std::{
    io,
    sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::{Duration, Instant},
};

use crossterm::event::Event;

use super::{
    events::{Asked, listen_to_signals, read_events},
    fleet::{FleetLook, fleet_view},
    input::{Input, translate},
    runtime::RunError,
    terminal::{Screen, demand},
};
use crate::{
    fleet::{
        Reports,
        app::{FleetApp, FleetMsg, update},
    },
    host::clock,
    wizard::Key,
    worker,
};

/// Time between two looks at the reports.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Time between two pictures at least, where no key was pressed.
const FRAME: Duration = Duration::from_millis(33);
/// Time after which what goes on is told anew how long it has been so.
const TICK: Duration = Duration::from_secs(10);
/// Messages that wait at most; then those who send wait.
const QUEUE: usize = 256;

enum Incoming {
    Msg(FleetMsg),
    Suspend,
    Redraw,
}

/// Shows the nodes until a key ends it, and returns what was known last.
pub fn run_fleet(mut app: FleetApp, look: FleetLook, reports: Reports) -> Result<FleetApp, RunError> {
    demand()?;
    let (sender, queue) = sync_channel(QUEUE);
    listen(sender.clone())?;
    let mut screen = Screen::take()?;
    app.size = crossterm::terminal::size()?;
    read_keys(sender.clone())?;
    look_again(reports, sender)?;
    let mut drawn = Instant::now().checked_sub(FRAME).unwrap_or_else(Instant::now);
    let mut changed = true;
    loop {
        if changed && drawn.elapsed() >= FRAME {
            screen.terminal().draw(|frame| fleet_view(&app, look, frame))?;
            (changed, drawn) = (false, Instant::now());
        }
        let patience = if changed { FRAME.saturating_sub(drawn.elapsed()) } else { TICK };
        let msg = match queue.recv_timeout(patience) {
            Ok(Incoming::Msg(msg)) => msg,
            Ok(Incoming::Suspend) => {
                screen.suspend()?;
                changed = true;
                continue;
            }
            Ok(Incoming::Redraw) => {
                screen.forget()?;
                changed = true;
                continue;
            }
            Err(RecvTimeoutError::Timeout) => FleetMsg::Tick(clock::now()),
            Err(RecvTimeoutError::Disconnected) => return Ok(app),
        };
        if let FleetMsg::Resize(..) = msg {
            screen.forget()?;
        }
        // A key is answered at once, whatever was drawn a moment ago.
        if let FleetMsg::Key(_) = msg {
            drawn = drawn.checked_sub(FRAME).unwrap_or(drawn);
        }
        if update(&mut app, msg) {
            return Ok(app);
        }
        changed = true;
    }
}

/// Looks at the reports for as long as the screen is there.
fn look_again(mut reports: Reports, queue: SyncSender<Incoming>) -> io::Result<()> {
    let looker = worker::spawn(move || {
        let mut was_lost = false;
        loop {
            let news = match reports.look() {
                Ok(changed) => (changed || was_lost).then(|| FleetMsg::News(reports.nodes())),
                Err(error) => Some(FleetMsg::Lost(error.to_string())),
            };
            was_lost = matches!(news, Some(FleetMsg::Lost(_)));
            if news.is_some_and(|news| queue.send(Incoming::Msg(news)).is_err()) {
                return;
            }
            thread::sleep(LOOK_EVERY);
        }
    });
    looker.map(|_| ())
}

fn read_keys(queue: SyncSender<Incoming>) -> io::Result<()> {
    read_events(move |event| {
        let inputs: Vec<Incoming> = match event {
            Some(Event::Key(key)) => translate(key).into_iter().map(incoming).collect(),
            Some(Event::Resize(columns, rows)) => vec![Incoming::Msg(FleetMsg::Resize(columns, rows))],
            Some(_) => Vec::new(),
            // The terminal is gone.
            None => vec![Incoming::Msg(FleetMsg::Key(Key::Interrupt))],
        };
        inputs.into_iter().all(|input| queue.send(input).is_ok())
    })
}

fn incoming(input: Input) -> Incoming {
    match input {
        Input::Key(key) => Incoming::Msg(FleetMsg::Key(key)),
        Input::Suspend => Incoming::Suspend,
        Input::Redraw => Incoming::Redraw,
    }
}

fn listen(queue: SyncSender<Incoming>) -> io::Result<()> {
    listen_to_signals(move |asked| {
        let input = match asked {
            Asked::End(_) => Incoming::Msg(FleetMsg::Key(Key::Interrupt)),
            Asked::Suspend => Incoming::Suspend,
            Asked::Redraw => Incoming::Redraw,
        };
        queue.send(input).is_ok()
    })
}
