//! The gateway's access log held against what origins got.

use rutter_gateway::{AccessLogConfig, AccessLogFormat, GatewayConfig};

/// The log of a gateway that is yet to be started.
pub(crate) struct AccessLog {
    directory: tempfile::TempDir,
}

impl AccessLog {
    pub(crate) fn kept_by(config: &mut GatewayConfig) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = Some(directory.path().join("access.log"));
        config.access_log = Some(AccessLogConfig { file, format: AccessLogFormat::Json });
        Self { directory }
    }

    /// Once the gateway has ended: each request that an origin saw, whole or begun, is one line
    /// that says that it was sent, and each such line is one that an origin saw.
    pub(crate) fn must_agree_with(&self, origins: impl IntoIterator<Item = Vec<u8>>) {
        let text = std::fs::read_to_string(self.directory.path().join("access.log")).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let sent = lines.iter().filter(|line| line["sent_upstream"] == true);
        let id = |line: &serde_json::Value| line["request_id"].as_str().unwrap().to_owned();
        let mut logged: Vec<String> = sent.map(id).collect();
        let mut seen: Vec<String> = origins.into_iter().flat_map(|bytes| ids(&bytes)).collect();
        logged.sort();
        seen.sort();
        println!("{} lines, {} requests at origins", lines.len(), seen.len());
        let only_in = |one: &[String], other: &[String]| -> Vec<String> {
            one.iter().filter(|id| !other.contains(id)).cloned().collect()
        };
        assert_eq!(
            logged,
            seen,
            "only in the log: {:?}; only at origins: {:?}",
            only_in(&logged, &seen),
            only_in(&seen, &logged)
        );
    }
}

/// The ids of the requests in bytes, also of one that breaks off.
fn ids(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let behind = text.split("\r\nx-request-id: ").skip(1);
    behind.map(|rest| rest.split("\r\n").next().unwrap_or_default().to_owned()).collect()
}
