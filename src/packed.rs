//! The longest texts that the program carries: `build.rs` packs them, and the first who asks unpacks them.

use std::io::Read;

use flate2::read::DeflateDecoder;

/// Declares a text that `build.rs` has packed, by the file's name.
macro_rules! packed {
    ($file:literal) => {
        std::sync::LazyLock::new(|| $crate::packed::unpacked(include_bytes!(concat!(env!("OUT_DIR"), "/", $file))))
    };
}
pub(crate) use packed;

/// Returns the text. Bytes of our own that do not unpack are a mistake of the build: tests read each of these files.
pub(crate) fn unpacked(bytes: &[u8]) -> String {
    let mut text = String::new();
    match DeflateDecoder::new(bytes).read_to_string(&mut text) {
        Ok(_) => text,
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, sync::LazyLock};

    #[test]
    fn each_file_comes_out_as_it_went_in() {
        static NOTICES: LazyLock<String> = packed!("THIRD-PARTY-NOTICES.txt");
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("THIRD-PARTY-NOTICES.txt");
        assert_eq!(*NOTICES, fs::read_to_string(file).unwrap());
    }
}
