//! Cuts what a program writes into lines: each byte is looked at once, and never more than one piece of a line is kept,
//! however long it is.

use super::{Line, Stream, command::PIECE};

/// Cuts a stream of bytes into lines.
#[derive(Debug, Default)]
pub struct Splitter {
    rest: Vec<u8>,
    /// A carriage return ends a line too.
    meter: bool,
}

impl Splitter {
    /// Makes one that takes a carriage return for the end of a line too, or not.
    pub fn with_meter(meter: bool) -> Self {
        Self { meter, ..Self::default() }
    }

    /// Takes the next bytes, and hands over the lines that they end.
    pub fn push(&mut self, mut bytes: &[u8], stream: Stream, on_line: &mut dyn FnMut(Line)) {
        while let Some(end) = bytes.iter().position(|b| *b == b'\n' || (self.meter && *b == b'\r')) {
            self.extend(&bytes[..end], stream, on_line);
            on_line(Line { stream, bytes: std::mem::take(&mut self.rest) });
            bytes = &bytes[end + 1..];
        }
        self.extend(bytes, stream, on_line);
    }

    /// Hands full pieces over: a line is cut at the same places however its bytes arrive.
    fn extend(&mut self, bytes: &[u8], stream: Stream, on_line: &mut dyn FnMut(Line)) {
        self.rest.extend_from_slice(bytes);
        while self.rest.len() >= PIECE {
            let tail = self.rest.split_off(PIECE);
            on_line(Line { stream, bytes: std::mem::replace(&mut self.rest, tail) });
        }
    }

    /// Hands over the last line, which nothing has ended.
    pub fn finish(&mut self, stream: Stream, on_line: &mut dyn FnMut(Line)) {
        if !self.rest.is_empty() {
            on_line(Line { stream, bytes: std::mem::take(&mut self.rest) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_come_in_pieces() {
        let mut lines = Vec::new();
        let mut splitter = Splitter::default();
        splitter.push(&vec![b'x'; PIECE * 2 + 5], Stream::Stdout, &mut |line| lines.push(line.bytes.len()));
        splitter.push(b"y\nz", Stream::Stdout, &mut |line| lines.push(line.bytes.len()));
        splitter.finish(Stream::Stdout, &mut |line| lines.push(line.bytes.len()));
        assert_eq!(lines, [PIECE, PIECE, 6, 1]);
        // Cut at the same places however the bytes arrive, also when the line ends with a full piece.
        let text = [vec![b'x'; PIECE], b"\n".to_vec(), vec![b'y'; PIECE + 1], b"\n".to_vec()].concat();
        for size in [1000, PIECE - 1, PIECE, PIECE + 1, text.len()] {
            let (mut lines, mut splitter) = (Vec::new(), Splitter::default());
            text.chunks(size)
                .for_each(|chunk| splitter.push(chunk, Stream::Stdout, &mut |line| lines.push(line.bytes.len())));
            assert_eq!(lines, [PIECE, 0, PIECE, 1], "in pieces of {size}");
        }
    }

    #[test]
    fn a_line_without_end_takes_no_more_than_a_piece() {
        let (mut splitter, mut bytes, mut most) = (Splitter::default(), 0, 0);
        for _ in 0..2560 {
            splitter.push(&[b'x'; 4096], Stream::Stdout, &mut |line| bytes += line.bytes.len());
            most = most.max(splitter.rest.capacity());
        }
        splitter.finish(Stream::Stdout, &mut |line| bytes += line.bytes.len());
        assert_eq!(bytes, 10 << 20);
        assert!(most <= 2 * PIECE, "{most} bytes were kept");
    }
}
