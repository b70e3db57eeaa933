//! What a function says over its socket: JSON frames, each ended by a NUL.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// One frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// The function listens.
    ServerStarted,
    /// A request and the work it left behind are done.
    End { request_id: u64 },
    /// A line for the log.
    Log { level: String, message: String },
}

/// Reads frames until the function hangs up, giving each to `heard`. Unknown frames are passed over.
pub(crate) async fn listen(stream: impl AsyncRead + Unpin, mut heard: impl FnMut(Frame)) {
    let mut reader = BufReader::new(stream);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        match reader.read_until(0, &mut bytes).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        if bytes.pop_if(|last| *last == 0).is_some()
            && let Some(frame) = parse(&bytes)
        {
            heard(frame);
        }
    }
}

fn parse(bytes: &[u8]) -> Option<Frame> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    let payload = &value["payload"];
    match value["type"].as_str()? {
        "server-started" => Some(Frame::ServerStarted),
        "end" => Some(Frame::End {
            request_id: payload["context"]["requestId"].as_u64()?,
        }),
        "log" => {
            let level = payload["level"]
                .as_str()
                .or_else(|| payload["stream"].as_str())
                .unwrap_or("info");
            let message = STANDARD.decode(payload["message"].as_str()?).ok()?;
            let message = String::from_utf8_lossy(&message).trim_end().to_owned();
            Some(Frame::Log {
                level: level.to_owned(),
                message,
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_are_told_apart() {
        let text = "{\"type\":\"server-started\",\"payload\":{\"initDuration\":0,\"httpPort\":1}}\0\
            {\"type\":\"metric\",\"payload\":{}}\0broken\0\
            {\"type\":\"log\",\"payload\":{\"context\":{\"invocationId\":\"i\",\"requestId\":7},\"message\":\"aGkK\",\"level\":\"warn\"}}\0\
            {\"type\":\"end\",\"payload\":{\"context\":{\"invocationId\":\"i\",\"requestId\":7},\"error\":null}}\0{\"type\":\"en";
        let mut frames = Vec::new();
        listen(text.as_bytes(), |frame| frames.push(frame)).await;
        let log = Frame::Log {
            level: "warn".to_owned(),
            message: "hi".to_owned(),
        };
        assert_eq!(frames, [Frame::ServerStarted, log, Frame::End { request_id: 7 }]);
    }
}
