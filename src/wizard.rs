//! Wizard: the pure heart of the full-screen face.
//!
//! [`App`] is everything the screen can show. [`update()`] is pure and total: every (state, message) has an answer,
//! which is a new state and the [`Order`]s that it takes. Orders are data; a performer carries them out and sends
//! [`Answer`]s back under the order's id. An answer to an order that was given up in the meantime is recognised by that
//! id and dropped.

mod answer;
mod app;
pub mod ask;
pub mod chain;
pub mod confirm;
pub mod detect;
pub mod driver;
pub mod footer;
mod help;
pub mod keymap;
pub mod ledger;
pub mod log;
mod message;
mod navigate;
pub mod overlay;
pub mod plan;
pub mod row;
pub mod run;
mod story;
mod summary;
mod test_pod;
mod update;
pub mod variables;
pub mod verify;
pub mod watch;
mod why;
mod wrap;

pub use app::{App, Colors, Dialog, Notice, Screen, Settings, StepState};
pub use message::{Answer, Draft, Effect, EffectId, Key, Msg, Order, Signal, Slot};
pub use summary::{Fact as SummaryFact, summary};
pub use update::{start, update};
pub use wrap::{cut_end, wrap};
