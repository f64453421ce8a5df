//! The states in which a cluster gives no answer, recognised from kubectl's own words.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    host::{CommandError, Exit},
    i18n::{Lang, Message, msg},
};

/// Why the cluster gave no usable answer. The value is kubectl's own words (or the path), safe for a terminal.
/// Texts: `cluster.<id>.message` and `cluster.<id>.remedy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", content = "detail", rename_all = "kebab-case")]
pub enum ClusterError {
    /// There is no kubectl on this machine.
    NoKubectl,
    /// The machine is only a picture (`--root`).
    NotAMachine,
    /// No kubeconfig was found, or the given one is not there.
    NoKubeconfig(String),
    /// The kubeconfig cannot be read as one.
    BadKubeconfig(String),
    /// The kubeconfig names a context that it does not have.
    WrongContext(String),
    /// Nothing answers at the API server's address.
    ApiDown(String),
    /// The API server gave no answer in time.
    TimedOut(String),
    /// The API server answers, but with an error of its own (5xx, etcd, too many requests).
    ApiTrouble(String),
    /// The API server does not know these credentials.
    Unauthorized(String),
    /// These credentials may not ask this.
    Forbidden(String),
    /// The API server takes nobody's word for this: quota, limits, pod security, a policy.
    Refused(String),
    /// The node's kubelet, which the API server asks for logs, gives no answer.
    KubeletDown(String),
    /// The certificate of the server or of the client is out of its dates.
    CertificateExpired(String),
    /// The server's certificate is not signed by the kubeconfig's authority.
    CertificateUntrusted(String),
    /// TLS itself does not come about.
    TlsTrouble(String),
    /// The helper that the kubeconfig names for logging in failed.
    NoCredentials(String),
    /// This kubectl does not know a flag or command.
    KubectlTooOld(String),
    /// The object asked for is not there.
    NotFound(String),
    /// The answer is not what kubectl prints.
    Garbage(String),
    /// Any other failure.
    Failed(String),
}

impl ClusterError {
    /// Returns the stable name of the state.
    pub fn id(&self) -> &'static str {
        match self {
            Self::NoKubectl => "no-kubectl",
            Self::NotAMachine => "not-a-machine",
            Self::NoKubeconfig(_) => "no-kubeconfig",
            Self::BadKubeconfig(_) => "bad-kubeconfig",
            Self::WrongContext(_) => "wrong-context",
            Self::ApiDown(_) => "api-down",
            Self::TimedOut(_) => "timed-out",
            Self::ApiTrouble(_) => "api-trouble",
            Self::Unauthorized(_) => "unauthorized",
            Self::Forbidden(_) => "forbidden",
            Self::Refused(_) => "refused",
            Self::KubeletDown(_) => "kubelet-down",
            Self::CertificateExpired(_) => "certificate-expired",
            Self::CertificateUntrusted(_) => "certificate-untrusted",
            Self::TlsTrouble(_) => "tls-trouble",
            Self::NoCredentials(_) => "no-credentials",
            Self::KubectlTooOld(_) => "kubectl-too-old",
            Self::NotFound(_) => "not-found",
            Self::Garbage(_) => "garbage",
            Self::Failed(_) => "failed",
        }
    }

    /// Returns kubectl's own words, or the path; empty where there is nothing to add.
    pub fn detail(&self) -> &str {
        match self {
            Self::NoKubectl | Self::NotAMachine => "",
            Self::NoKubeconfig(detail)
            | Self::BadKubeconfig(detail)
            | Self::WrongContext(detail)
            | Self::ApiDown(detail)
            | Self::TimedOut(detail)
            | Self::ApiTrouble(detail)
            | Self::Unauthorized(detail)
            | Self::Forbidden(detail)
            | Self::Refused(detail)
            | Self::KubeletDown(detail)
            | Self::CertificateExpired(detail)
            | Self::CertificateUntrusted(detail)
            | Self::TlsTrouble(detail)
            | Self::NoCredentials(detail)
            | Self::KubectlTooOld(detail)
            | Self::NotFound(detail)
            | Self::Garbage(detail)
            | Self::Failed(detail) => detail,
        }
    }

    /// Tells whether asking again in a moment is likely to help: the API server restarts, the network has a hiccup.
    pub fn is_blip(&self) -> bool {
        matches!(self, Self::ApiDown(_) | Self::TimedOut(_) | Self::ApiTrouble(_) | Self::KubeletDown(_))
    }

    /// Tells whether the API server has forgotten the place in its history that was asked for (410).
    pub fn is_expired(&self) -> bool {
        matches!(self, Self::Failed(words) if words.contains("(Expired)") || words.contains("(Gone)"))
    }

    /// Tells whether waiting may help: the API server of a node that is just joining comes and goes.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::ApiDown(_)
                | Self::KubeletDown(_)
                | Self::TimedOut(_)
                | Self::ApiTrouble(_)
                | Self::NotFound(_)
                | Self::Garbage(_)
                | Self::Failed(_)
        )
    }

    /// Returns what is the matter, as a sentence.
    pub fn message(&self, lang: Lang) -> String {
        self.told("message").text(lang)
    }

    /// Returns what to do about it.
    pub fn remedy(&self, lang: Lang) -> String {
        self.told("remedy").text(lang)
    }

    /// Returns what is the matter and what to do about it.
    pub fn explained(&self) -> Message {
        msg::failure::explained(self.told("remedy"), self.told("message"))
    }

    /// Returns one part of what is told of it.
    pub fn told(&self, part: &str) -> Message {
        let detail = [("detail".to_owned(), self.detail().to_owned())];
        Message::named(format!("cluster.{}.{part}", self.id()), &detail.into())
    }

    /// Recognises the state from what kubectl wrote to its standard error and how it ended.
    pub fn from_words(stderr: &str, exit: Exit) -> Self {
        let words = said(stderr);
        if exit == Exit::TimedOut {
            return Self::TimedOut(words);
        }
        if is_of_admission(&words) {
            return Self::Refused(words);
        }
        if KUBELET.iter().any(|phrase| words.contains(phrase)) {
            return Self::KubeletDown(words);
        }
        let state = PHRASES.iter().find(|(phrases, _)| phrases.iter().any(|phrase| words.contains(phrase)));
        match state {
            Some((_, make)) => make(words),
            None if words.is_empty() => Self::Failed(exit.to_string()),
            None => Self::Failed(words),
        }
    }

    /// Recognises the state when kubectl could not even be started.
    pub fn from_start(error: &CommandError) -> Self {
        match error {
            CommandError::NotFound(_) => Self::NoKubectl,
            CommandError::NotAMachine(_) => Self::NotAMachine,
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl fmt::Display for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message(Lang::En))
    }
}

impl std::error::Error for ClusterError {}

/// How the API server says that it asked a kubelet in vain. Source: kubectl 1.35 and 1.32 against a stopped kubelet;
/// Kubernetes, pkg/registry/core/node/rest and the apiserver's egress dialer.
const KUBELET: [&str; 5] =
    [":10250", "/containerLogs/", "error dialing backend", "no preferred addresses found", "proxy error from"];

/// Tells whether admission refused: a right that lacks is always said as `User "…" cannot VERB resource "…"`. Source:
/// recorded in tests/fixtures/cluster/http-1.36.json; Kubernetes,
/// apiserver/pkg/endpoints/handlers/responsewriters/errors.go, `forbiddenMessage`.
fn is_of_admission(words: &str) -> bool {
    let of_rights = words.contains(" cannot ") && (words.contains("resource \"") || words.contains("User \""));
    let refused =
        words.contains(" is forbidden: ") || words.contains(" denied the request") || words.contains("(Invalid)");
    refused && !of_rights
}

type Make = fn(String) -> ClusterError;

/// What kubectl says, most telling first: a refused connection to localhost:8080 is kubectl without any kubeconfig, and
/// an expired certificate is reported inside an "Unable to connect". Source: kubectl 1.20 and 1.32; recorded in
/// tests/fixtures/cluster/kubectl-errors.txt.
const PHRASES: [(&[&str], Make); 15] = [
    (&["localhost:8080 was refused", "[::1]:8080", "no configuration has been provided"], ClusterError::NoKubeconfig),
    (&["context was not found", "does not exist for context", "context does not exist"], ClusterError::WrongContext),
    (&["certificate has expired", "is not yet valid"], ClusterError::CertificateExpired),
    (&["getting credentials: ", "no Auth Provider found"], ClusterError::NoCredentials),
    (&["unknown flag: ", "unknown shorthand flag", "unknown command "], ClusterError::KubectlTooOld),
    (&["x509: ", "certificate signed by unknown authority"], ClusterError::CertificateUntrusted),
    (
        &[
            "HTTP response to HTTPS client",
            "HTTP request to an HTTPS server",
            "first record does not look like a TLS handshake",
            "tls: ",
            "rejected our request for an unknown reason",
        ],
        ClusterError::TlsTrouble,
    ),
    (
        &["(Unauthorized)", "must be logged in", "asked for the client to provide credentials"],
        ClusterError::Unauthorized,
    ),
    (&["(Forbidden)"], ClusterError::Forbidden),
    (&["(NotFound)", "the server could not find the requested resource"], ClusterError::NotFound),
    (
        &[
            "(InternalError)",
            "(ServiceUnavailable)",
            "(TooManyRequests)",
            "error on the server",
            "etcdserver: ",
            "currently unable to handle",
        ],
        ClusterError::ApiTrouble,
    ),
    (
        &["deadline exceeded", "Client.Timeout", "i/o timeout", "TLS handshake timeout", "(Timeout)", "timed out"],
        ClusterError::TimedOut,
    ),
    (
        &[
            "was refused",
            "connection refused",
            "Unable to connect",
            "no such host",
            "no route to host",
            "network is unreachable",
            "host is unreachable",
            "connection reset",
            "unexpected EOF",
            ": EOF",
        ],
        ClusterError::ApiDown,
    ),
    (&["error loading config file", "couldn't get version/kind", "invalid configuration"], ClusterError::BadKubeconfig),
    (&["no such file or directory"], ClusterError::NoKubeconfig),
];

/// How the line begins that tells what happened: kubectl logs retries (`E1123 …`) before it, and gives advice after it.
const BEGINNINGS: [&str; 4] = ["error", "Error", "Unable to connect", "The connection to the server"];

/// Returns the line that tells what happened.
fn said(stderr: &str) -> String {
    let lines = || stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let told = lines().rfind(|line| BEGINNINGS.iter().any(|beginning| line.starts_with(beginning)));
    let line = told.or_else(|| lines().rfind(|line| !is_klog(line))).or_else(|| lines().next_back()).unwrap_or("");
    crate::text::printable(line)
}

/// Tells whether a line is one of kubectl's log lines: a letter, the date, the time, the process, the source.
fn is_klog(line: &str) -> bool {
    let bytes = line.as_bytes();
    bytes.len() > 5 && b"EWIF".contains(&bytes[0]) && bytes[1..5].iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(words: &str) -> &'static str {
        ClusterError::from_words(words, Exit::Code(1)).id()
    }

    #[test]
    fn every_recorded_error_of_kubectl_has_its_state() {
        let recorded = include_str!("../../tests/fixtures/cluster/kubectl-errors.txt");
        let said: Vec<_> = recorded.split("\n\n").filter(|part| part.starts_with('$')).collect();
        let ids: Vec<_> = said
            .iter()
            .filter(|part| !part.contains("can-i"))
            .map(|part| {
                id(&part
                    .lines()
                    .filter(|line| !line.starts_with('$') && !line.starts_with("exit"))
                    .collect::<Vec<_>>()
                    .join("\n"))
            })
            .collect();
        assert_eq!(
            ids,
            ["api-down", "not-found", "not-found", "unauthorized", "forbidden", "wrong-context", "no-kubeconfig"]
        );
    }

    #[test]
    fn the_most_telling_words_win() {
        assert_eq!(
            id("The connection to the server localhost:8080 was refused - did you specify the right host or port?"),
            "no-kubeconfig"
        );
        assert_eq!(
            id("Unable to connect to the server: x509: certificate has expired or is not yet valid: current time …"),
            "certificate-expired"
        );
        assert_eq!(
            id("Unable to connect to the server: x509: certificate signed by unknown authority"),
            "certificate-untrusted"
        );
        assert_eq!(id("Unable to connect to the server: net/http: TLS handshake timeout"), "timed-out");
        assert_eq!(
            id("Unable to connect to the server: dial tcp 10.0.0.1:6443: connect: no route to host"),
            "api-down"
        );
        assert_eq!(
            id(
                "E1123 21:57:25.141584 77 memcache.go:265] \"Unhandled Error\" err=\"connection refused\"\nerror: You must be logged in to the server (Unauthorized)"
            ),
            "unauthorized"
        );
        assert_eq!(
            id("Unable to connect to the server: http: server gave HTTP response to HTTPS client"),
            "tls-trouble"
        );
        assert_eq!(
            id("Unable to connect to the server: getting credentials: exec: executable aws not found"),
            "no-credentials"
        );
        assert_eq!(id("Error: unknown flag: --raw\nSee 'kubectl get --help' for usage."), "kubectl-too-old");
        assert_eq!(id("Error from server (Expired): too old resource version"), "failed");
        assert_eq!(id("error: unexpected EOF"), "api-down");
        assert_eq!(id(""), "failed");
        assert_eq!(ClusterError::from_words("", Exit::TimedOut).id(), "timed-out");
    }

    #[test]
    fn every_state_has_its_texts() {
        let others = PHRASES.iter().map(|(_, make)| make(String::new()));
        let all = [
            ClusterError::NoKubectl,
            ClusterError::NotAMachine,
            ClusterError::Garbage(String::new()),
            ClusterError::Refused(String::new()),
            ClusterError::KubeletDown(String::new()),
            ClusterError::Failed(String::new()),
        ];
        for state in all.into_iter().chain(others) {
            for lang in [Lang::En, Lang::Ko] {
                let id = state.id();
                assert!(
                    lang.has(&format!("cluster.{id}.message")) && lang.has(&format!("cluster.{id}.remedy")),
                    "{id}"
                );
            }
        }
    }
}
