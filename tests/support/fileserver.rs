//! A small HTTP server on 127.0.0.1 that serves one file the way bad networks and bad mirrors do.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
};

/// How one request is answered.
#[derive(Clone)]
pub enum Answer {
    /// As it should be: from the asked byte on.
    Well,
    /// So many bytes, then the connection breaks.
    Cut(usize),
    /// So many bytes, then silence until the server ends.
    Stall(usize),
    /// All of it from the start, whatever was asked.
    Everything,
    /// An error page with this status.
    Page(u16),
    /// This instead of the file.
    Other(Vec<u8>),
}

struct State {
    file: Vec<u8>,
    /// The next answers; the last one stays.
    answers: Mutex<Vec<Answer>>,
    /// The first byte that each request asked for.
    asked: Mutex<Vec<Option<usize>>>,
    ended: (Mutex<bool>, Condvar),
}

/// The server. Its silent connections end with it.
pub struct FileServer {
    state: Arc<State>,
    port: u16,
}

impl FileServer {
    /// Serves `file`; the requests are answered by `answers`, one after the other.
    pub fn new(file: &[u8], answers: &[Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            file: file.to_owned(),
            answers: Mutex::new(answers.to_owned()),
            asked: Mutex::default(),
            ended: (Mutex::new(false), Condvar::new()),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve(&shared, connection));
            }
        });
        Self { state, port }
    }

    /// Returns the file's address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/cuda.run", self.port)
    }

    /// Returns from which byte on the file was asked for, request by request; nothing for all of it.
    pub fn asked(&self) -> Vec<Option<usize>> {
        self.state.asked.lock().unwrap().clone()
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        *self.state.ended.0.lock().unwrap() = true;
        self.state.ended.1.notify_all();
    }
}

/// Answers one request. What cannot be written was not wanted any more.
fn serve(state: &State, mut connection: TcpStream) {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    let mut from = None;
    let mut is_head = false;
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|len| len > 0) && !line.trim().is_empty() {
        is_head |= line.starts_with("HEAD ");
        if let Some(range) = line.trim().to_ascii_lowercase().strip_prefix("range: bytes=") {
            from = range.trim_end_matches('-').parse::<usize>().ok();
        }
        line.clear();
    }
    let answer = {
        let mut answers = state.answers.lock().unwrap();
        // To be asked what there is uses no answer up.
        if answers.len() > 1 && !is_head { answers.remove(0) } else { answers[0].clone() }
    };
    if !is_head {
        state.asked.lock().unwrap().push(from);
    }
    let file = &state.file;
    let start = from.filter(|_| !matches!(answer, Answer::Everything)).unwrap_or(0);
    let (status, body) = match &answer {
        Answer::Page(status) => (format!("{status} Not what you want"), &b"<html>no</html>"[..]),
        Answer::Other(bytes) => ("200 OK".to_owned(), &bytes[..]),
        _ if start >= file.len() && from.is_some() => ("416 Range Not Satisfiable".to_owned(), &b""[..]),
        _ if start > 0 => ("206 Partial Content".to_owned(), &file[start..]),
        _ => ("200 OK".to_owned(), &file[..]),
    };
    let length = body.len();
    let mut head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n");
    if status.starts_with("206") {
        head += &format!("Content-Range: bytes {start}-{}/{}\r\n", file.len() - 1, file.len());
    }
    let sent = match answer {
        Answer::Cut(bytes) | Answer::Stall(bytes) => &body[..bytes.min(body.len())],
        _ => body,
    };
    let sent = if is_head { &b""[..] } else { sent };
    let _ = connection.write_all(&[head.as_bytes(), b"\r\n", sent].concat());
    if matches!(answer, Answer::Stall(_)) && !is_head {
        let ended = state.ended.0.lock().unwrap();
        drop(state.ended.1.wait_while(ended, |ended| !*ended).unwrap());
    }
}
