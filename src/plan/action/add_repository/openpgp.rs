//! The fingerprints of the keys in a file, so that a key is known by the whole of it before it is trusted. A machine
//! need not have gpg. Source: RFC 4880 and RFC 9580: 4.2 (packets), 5.5.4 (fingerprint of a version 4 key), 6.2 (ASCII
//! armour).

use data_encoding::{BASE64, HEXUPPER};
use sha1::{Digest, Sha1};

/// Tag of a public key that is no subkey.
const PUBLIC_KEY: u8 = 6;

/// Returns the fingerprints of all primary keys in a file, armoured or not; nothing where it is no file of `OpenPGP`
/// packets, or holds a key of a version whose fingerprint is another kind.
pub fn fingerprints(file: &[u8]) -> Option<Vec<String>> {
    let bytes = dearmoured(file)?;
    let mut rest = bytes.as_slice();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (tag, body, after) = packet(rest)?;
        if tag == PUBLIC_KEY {
            found.push(fingerprint(body)?);
        }
        rest = after;
    }
    (!found.is_empty()).then_some(found)
}

/// Puts the blocks of an armoured file together; other bytes are taken as they are.
fn dearmoured(file: &[u8]) -> Option<Vec<u8>> {
    const HEAD: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
    let Some(text) = std::str::from_utf8(file).ok().filter(|text| text.contains(HEAD)) else {
        return Some(file.to_vec());
    };
    let mut bytes = Vec::new();
    for block in text.split(HEAD).skip(1) {
        let body = block.split("-----END").next()?;
        // Headers end at an empty line; the checksum line begins with `=`.
        let lines = body.lines().skip(1).skip_while(|line| line.contains(": ")).map(str::trim);
        let base64: String = lines.filter(|line| !line.is_empty() && !line.starts_with('=')).collect();
        bytes.extend(BASE64.decode(base64.as_bytes()).ok()?);
    }
    Some(bytes)
}

/// Splits the first packet off: its tag, its body, what follows.
fn packet(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (head, rest) = bytes.split_first()?;
    if head & 0x80 == 0 {
        return None;
    }
    let is_new = head & 0x40 != 0;
    let (tag, length, taken) = if is_new { new_length(head & 0x3f, rest)? } else { old_length(*head, rest)? };
    let body = rest.get(taken..taken.checked_add(length)?)?;
    Some((tag, body, &rest[taken + length..]))
}

fn new_length(tag: u8, rest: &[u8]) -> Option<(u8, usize, usize)> {
    let number = |index: usize| rest.get(index).copied().map(usize::from);
    match number(0)? {
        one @ 0..192 => Some((tag, one, 1)),
        two @ 192..224 => Some((tag, ((two - 192) << 8) + number(1)? + 192, 2)),
        255 => Some((tag, big_endian(rest.get(1..5)?), 5)),
        // A body in parts is for data, not for keys.
        _ => None,
    }
}

fn old_length(head: u8, rest: &[u8]) -> Option<(u8, usize, usize)> {
    let count = match head & 3 {
        0 => 1,
        1 => 2,
        2 => 4,
        _ => return None,
    };
    Some(((head >> 2) & 0xf, big_endian(rest.get(..count)?), count))
}

fn big_endian(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |sum, byte| (sum << 8) + usize::from(*byte))
}

/// SHA-1 over 0x99, the length in two bytes, and the body.
fn fingerprint(body: &[u8]) -> Option<String> {
    let length = u16::try_from(body.len()).ok().filter(|_| body.first() == Some(&4))?;
    let mut hash = Sha1::new();
    hash.update([0x99]);
    hash.update(length.to_be_bytes());
    hash.update(body);
    Some(HEXUPPER.encode(&hash.finalize()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Made with `gpg --quick-generate-key` for this test; `gpg --show-keys` prints its fingerprint.
    const ARMOURED: &str = include_str!("../../../../tests/fixtures/keys/test.asc");
    const FINGERPRINT: &str = include_str!("../../../../tests/fixtures/keys/test.fingerprint");

    #[test]
    fn the_fingerprint_is_what_gpg_prints_armoured_or_not() {
        let wanted = vec![FINGERPRINT.trim().to_owned()];
        assert_eq!(fingerprints(ARMOURED.as_bytes()).unwrap(), wanted);
        let bare = dearmoured(ARMOURED.as_bytes()).unwrap();
        assert_eq!(fingerprints(&bare).unwrap(), wanted);
        // Two keys in one file are two: the second is not carried in behind the first.
        let two = [bare.clone(), bare.clone()].concat();
        assert_eq!(fingerprints(&two).unwrap().len(), 2);
        let armoured_twice = format!("{ARMOURED}\n{ARMOURED}");
        assert_eq!(fingerprints(armoured_twice.as_bytes()).unwrap().len(), 2);
        assert_eq!(fingerprints(&bare[..bare.len() - 1]), None, "cut off");
        assert_eq!(fingerprints(b"<html>404</html>"), None);
        assert_eq!(fingerprints(b""), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in any::<Vec<u8>>()) {
            let _ = fingerprints(&bytes);
            let _ = fingerprints(&[&[0x99, 0x01], &bytes[..]].concat());
            let _ = fingerprints(format!("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{}", String::from_utf8_lossy(&bytes)).as_bytes());
        }
    }
}
