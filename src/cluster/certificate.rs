//! Until when the kubeconfig's client certificate is valid: the API server calls an expired one only `Unauthorized`.

use std::path::PathBuf;

use jiff::Timestamp;
use serde_yaml::Value;

use crate::host::Host;

/// Returns the end of the client certificate that the current context's user has; nothing if it has none that can be
/// read. Of several kubeconfigs the first that says something counts, as for kubectl.
pub(super) fn expiry(host: &Host, kubeconfigs: &[PathBuf]) -> Option<Timestamp> {
    let read =
        |path: &PathBuf| Some((path.clone(), serde_yaml::from_str::<Value>(&host.files.read_text(path).ok()?).ok()?));
    let configs: Vec<(PathBuf, Value)> = kubeconfigs.iter().filter_map(read).collect();
    let named = |list: &str, name: &str| {
        configs.iter().find_map(|(path, config)| {
            let items = config.get(list)?.as_sequence()?;
            let item = items.iter().find(|item| item.get("name").and_then(Value::as_str) == Some(name))?;
            Some((path, item))
        })
    };
    let current = |(_, config): &(PathBuf, Value)| {
        config.get("current-context")?.as_str().filter(|name| !name.is_empty()).map(str::to_owned)
    };
    let (_, context) = named("contexts", &configs.iter().find_map(current)?)?;
    let (path, user) = named("users", context.get("context")?.get("user")?.as_str()?)?;
    let user = user.get("user")?;
    let pem = match (user.get("client-certificate-data"), user.get("client-certificate")) {
        (Some(data), _) => String::from_utf8(base64(data.as_str()?)).ok()?,
        (None, Some(file)) => host.files.read_text(path.parent()?.join(file.as_str()?)).ok()?,
        (None, None) => return None,
    };
    let body: String = pem
        .lines()
        .skip_while(|line| !line.contains("BEGIN CERTIFICATE"))
        .skip(1)
        .take_while(|line| !line.contains("END"))
        .collect();
    not_after(&base64(&body))
}

/// Reads the second time of a certificate: its validity holds the only two, after the issuer's name. Source: RFC 5280,
/// 4.1.2.5.
fn not_after(der: &[u8]) -> Option<Timestamp> {
    const UTC_TIME: [u8; 2] = [0x17, 13];
    const GENERALIZED_TIME: [u8; 2] = [0x18, 15];
    let at = |place: usize| -> Option<&str> {
        let (tag, rest) = der.get(place..)?.split_at_checked(2)?;
        let long = tag == GENERALIZED_TIME;
        let text = (long || tag == UTC_TIME).then(|| rest.get(..if long { 15 } else { 13 }))??;
        std::str::from_utf8(text)
            .ok()
            .filter(|text| text.ends_with('Z') && text.trim_end_matches('Z').bytes().all(|byte| byte.is_ascii_digit()))
    };
    let text = (0..der.len()).filter_map(at).nth(1)?;
    let digits = text.trim_end_matches('Z');
    // Two digits from 50 on are of the last century.
    let whole = match digits.len() {
        12 if digits < "50" => format!("20{digits}"),
        12 => format!("19{digits}"),
        _ => digits.to_owned(),
    };
    let part = |from: usize, to: usize| whole.get(from..to);
    let (date, time) = (
        format!("{}-{}-{}", part(0, 4)?, part(4, 6)?, part(6, 8)?),
        format!("{}:{}:{}", part(8, 10)?, part(10, 12)?, part(12, 14)?),
    );
    format!("{date}T{time}Z").parse().ok()
}

/// Decodes base64, passing over everything that is none.
fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0u32, 0);
    for value in text.bytes().filter_map(|byte| ALPHABET.iter().position(|known| *known == byte)) {
        bits = bits << 6 | u32::try_from(value).unwrap_or_default();
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).unwrap_or_default());
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A certificate that openssl made, with `notAfter=Jan  1 00:00:00 2021 GMT` or so: read as openssl reads it.
    #[test]
    fn reads_the_end_of_a_certificate() {
        let root = tempfile::tempdir().unwrap();
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls/expired.pem");
        std::fs::copy(&fixture, root.path().join("client.pem")).unwrap();
        let config = "current-context: t\ncontexts: [{name: t, context: {cluster: t, user: u}}]\nusers: [{name: u, user: {client-certificate: client.pem}}]\n";
        std::fs::write(root.path().join("kubeconfig"), config).unwrap();
        let host = Host::local(Path::new("/"));
        let end = expiry(&host, &[root.path().join("kubeconfig")]).unwrap();
        // The context in one file, its user in another: as kubectl joins them.
        let (contexts, users) = config.split_once("users:").unwrap();
        std::fs::write(root.path().join("contexts"), contexts).unwrap();
        std::fs::write(root.path().join("users"), format!("users:{users}")).unwrap();
        let both = ["contexts", "gone", "users"].map(|name| root.path().join(name));
        assert_eq!(expiry(&host, &both), Some(end));
        assert_eq!(expiry(&host, &both[..1]), None);
        assert!(end < Timestamp::now() && end > "2000-01-01T00:00:00Z".parse::<Timestamp>().unwrap(), "{end}");
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        for bytes in [&b""[..], b"\x17", b"\x17\x0d260101", b"\x17\x0d26010100000Z", &[0x18; 40]] {
            assert_eq!(not_after(bytes), None);
        }
        assert_eq!(base64("aGk="), b"hi");
    }
}
