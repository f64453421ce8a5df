//! TUI: the full-screen face. The terminal, the threads, and the picture of a [`wizard::App`](crate::wizard::App).
//!
//! [`run`] owns the terminal and the one queue; [`view()`] draws the state and nothing else.

pub mod ascii;
mod detect;
mod driver;
mod events;
mod fleet;
mod fleet_runtime;
mod input;
mod overlay;
mod plan;
mod run_pane;
mod runtime;
mod sections;
mod summary;
mod terminal;
mod theme;
mod variables;
mod verify;
mod view;
mod watch;
mod widgets;

pub use fleet::{FleetLook, fleet_view};
pub use fleet_runtime::run_fleet;
pub use runtime::{Performer, Reply, RunError, run};
pub use terminal::demand;
pub use view::view;
