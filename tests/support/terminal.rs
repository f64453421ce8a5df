//! Drives the program in a real terminal: a PTY with a screen behind it. Nothing here sleeps for a guess; it waits for
//! what the screen shows.

use std::{
    io::{Read, Write},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// How long a screen may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A program in a terminal.
pub struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    writer: Box<dyn Write + Send>,
    master: Box<dyn MasterPty + Send>,
    parser: Arc<Mutex<vt100::Parser>>,
    raw: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// Starts a command in a terminal of this size.
    pub fn start(command: &std::process::Command, columns: u16, rows: u16, term: &str) -> Self {
        let pty = native_pty_system()
            .openpty(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 })
            .expect("a PTY");
        let mut builder = CommandBuilder::new(command.get_program());
        builder.env_clear();
        builder.args(command.get_args());
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                builder.env(name, value);
            }
        }
        builder.env("TERM", term);
        if let Some(folder) = command.get_current_dir() {
            builder.cwd(folder);
        }
        let child = pty.slave.spawn_command(builder).expect("the program starts");
        drop(pty.slave);
        let parser = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let raw = Arc::new(Mutex::new(Vec::new()));
        let mut reader = pty.master.try_clone_reader().expect("a reader");
        let (screen, bytes) = (Arc::clone(&parser), Arc::clone(&raw));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(len @ 1..) = reader.read(&mut buffer) {
                screen.lock().unwrap().process(&buffer[..len]);
                bytes.lock().unwrap().extend_from_slice(&buffer[..len]);
            }
        });
        Self { child, writer: pty.master.take_writer().expect("a writer"), master: pty.master, parser, raw }
    }

    /// Returns what the screen shows.
    pub fn screen(&self) -> String {
        self.parser.lock().unwrap().screen().contents()
    }

    /// Waits until the screen shows `text`.
    #[track_caller]
    pub fn wait(&mut self, text: &str) {
        self.wait_for(text, |screen| screen.contains(text));
    }

    /// Waits until the screen satisfies a condition.
    #[track_caller]
    pub fn wait_for(&mut self, what: &str, condition: impl Fn(&str) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !condition(&self.screen()) {
            assert!(Instant::now() < end, "`{what}` never came; the screen shows:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Types keys, once a second, until the screen shows `text`: for keys that are refused while something is still
    /// being loaded.
    #[track_caller]
    pub fn keys_until(&mut self, keys: &str, text: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.screen().contains(text) {
            assert!(Instant::now() < end, "`{text}` never came; the screen shows:\n{}", self.screen());
            self.keys(keys);
            let next = Instant::now() + Duration::from_secs(1);
            while Instant::now() < next && !self.screen().contains(text) {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }

    /// Returns all bytes that came.
    pub fn raw(&self) -> Vec<u8> {
        self.raw.lock().unwrap().clone()
    }

    /// Waits for something outside the screen.
    #[track_caller]
    pub fn wait_until(condition: impl Fn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !condition() {
            assert!(Instant::now() < end, "it never came");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Types keys.
    pub fn keys(&mut self, keys: &str) {
        self.writer.write_all(keys.as_bytes()).expect("the terminal takes keys");
        self.writer.flush().expect("the terminal takes keys");
    }

    /// Changes the terminal's size.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.parser.lock().unwrap().screen_mut().set_size(rows, columns);
        self.master.resize(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }).expect("a resize");
    }

    /// Returns the program's process id.
    pub fn pid(&self) -> u32 {
        self.child.process_id().expect("a process")
    }

    /// Sends a signal to the program.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = self
            .child
            .process_id()
            .and_then(|pid| rustix::process::Pid::from_raw(i32::try_from(pid).ok()?))
            .expect("a process");
        rustix::process::kill_process(pid, signal).expect("the signal arrives");
    }

    /// Waits for the end and returns the exit status.
    #[track_caller]
    pub fn end(&mut self) -> u32 {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.exit_code();
            }
            assert!(Instant::now() < end, "it does not end; the screen shows:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Tells whether the terminal was given back: the main screen, a visible cursor.
    #[track_caller]
    pub fn demand_clean(&self) {
        // The last bytes of a program come a moment after its end.
        let end = Instant::now() + PATIENCE;
        loop {
            let parser = self.parser.lock().unwrap();
            if !parser.screen().alternate_screen() && !parser.screen().hide_cursor() {
                return;
            }
            drop(parser);
            assert!(Instant::now() < end, "the terminal was left in a mess");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}
