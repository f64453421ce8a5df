//! Addresses of servers.

use std::ops::Deref;

use serde::{Deserialize, Serialize};

use super::parsed;
use crate::i18n::{Message, msg};

/// An `http` or `https` address without a user, a query or a fragment, of characters that need no quoting: it is one
/// line of curl's configuration, one argument, and the same address in each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebAddress(String);

// The text about an address with a user does not repeat it: a password stands in it.
parsed!(WebAddress, refused, is_address);

fn refused(value: String) -> Message {
    if value.contains('@') { msg::input::address_user() } else { msg::input::address(value) }
}

impl WebAddress {
    /// Returns the address up to its path: scheme, host and port.
    pub fn origin(&self) -> &str {
        let path = self.0.match_indices('/').nth(2).map_or(self.0.len(), |(place, _)| place);
        &self.0[..path]
    }
}

impl Deref for WebAddress {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Longest address that is taken, in bytes: servers and proxies cut off beyond it.
const LENGTH: usize = 2048;

fn is_address(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else { return false };
    let (authority, path) = rest.split_once('/').map_or((rest, ""), |(authority, path)| (authority, path));
    // The brackets of an IPv6 address hold colons of their own.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/%+=:,@".contains(&byte);
    text.len() <= LENGTH && is_host(host) && port.is_none_or(is_port) && path.bytes().all(inner)
}

/// Tells whether a text is a host: a name, or an address of IPv4 or, in brackets, IPv6.
pub(super) fn is_host(text: &str) -> bool {
    if let Some(inner) = text.strip_prefix('[') {
        return inner.strip_suffix(']').is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
    }
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let ends = text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric) && !text.ends_with('-');
    ends && text.len() <= 253 && text.bytes().all(inner)
}

pub(super) fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_and_languages_are_not() {
        for good in
            ["http://proxy:3128", "https://mirror.local/compute/cuda/", "http://[::1]:8080/x", "http://10.0.0.1/a%20b"]
        {
            assert!(good.parse::<WebAddress>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "proxy:3128",
            "-Kx",
            "file:///etc/shadow",
            "http://",
            "http://a\ntrace-ascii = /x",
            "http://a\"b",
            "http://a\\b",
            "http://me:pw@a",
            "http://a:0",
            "http://a:99999",
            "http://a/[1-9]",
            "http://a/{b,c}",
            "http://a/$(x)",
            "http://a b",
            "http://-a",
            "HTTP://a",
            "http://a/?token=x",
        ] {
            assert!(bad.parse::<WebAddress>().is_err(), "{bad:?}");
        }
    }
}
