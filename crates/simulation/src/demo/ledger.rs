//! The proof: the ledger exported over the API, and verified offline by the same binary.

use echobase_types::ErrorKind;
use serde_json::Value;
use tokio::process::Command;

use super::DemoConfig;
use super::server::Server;
use crate::report::LedgerCheck;

/// An export or a verification that could not be carried out. Findings are no error.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The command did not run.
    #[error("run `echobase ledger {command}`")]
    Run {
        /// Which.
        command: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The export failed.
    #[error("export the ledger: {0}")]
    Export(String),
    /// The verifier did not answer in JSON.
    #[error("read what the verifier printed: {0}")]
    Answer(String),
}

impl LedgerError {
    /// The class of the failure.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Internal
    }
}

/// Exports, verifies, and says what the verifier found.
pub(super) async fn verify(config: &DemoConfig, server: &Server) -> Result<LedgerCheck, LedgerError> {
    let folder = config.folder.join("ledger");
    let exported = Command::new(&config.binary)
        .args(["ledger", "export"])
        .arg(&folder)
        .args(["--server", &server.base])
        .arg("--key-file")
        .arg(&server.key_file)
        .output()
        .await
        .map_err(|source| LedgerError::Run { command: "export", source })?;
    if !exported.status.success() {
        return Err(LedgerError::Export(String::from_utf8_lossy(&exported.stderr).trim().to_owned()));
    }
    let verified = Command::new(&config.binary)
        .args(["ledger", "verify"])
        .arg(&folder)
        .output()
        .await
        .map_err(|source| LedgerError::Run { command: "verify", source })?;
    let printed = String::from_utf8_lossy(&verified.stdout);
    let answer: Value =
        serde_json::from_str(printed.trim()).map_err(|error| LedgerError::Answer(error.to_string()))?;
    Ok(read(&answer, verified.status.success()))
}

/// The verifier's exit code decides; its JSON says why.
fn read(answer: &Value, success: bool) -> LedgerCheck {
    let findings = answer.get("findings").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let entries = ["entries", "size"].iter().find_map(|name| answer.get(name)?.as_u64()).unwrap_or(0);
    LedgerCheck {
        sound: success && findings.is_empty(),
        entries,
        findings: findings.iter().map(Value::to_string).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn findings_or_a_bad_exit_code_mean_not_sound() {
        for (answer, success, sound) in [
            (json!({ "entries": 5, "findings": [] }), true, true),
            (json!({ "entries": 5, "findings": [] }), false, false),
            (json!({ "entries": 5, "findings": [{ "code": "E_CHAIN" }] }), true, false),
        ] {
            let check = read(&answer, success);
            assert_eq!((check.sound, check.entries), (sound, 5), "{answer} {success}");
        }
    }
}
