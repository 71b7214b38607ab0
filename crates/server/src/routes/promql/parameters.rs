//! Parameters of a question: in the query, in a form, or in both.

use std::time::Duration;

use axum::extract::Request;
use axum::http::{Method, header};
use echobase_telemetry::{PromqlSelection, promql_length};
use echobase_types::Timestamp;
use url::form_urlencoded;

use super::{Refused, invalid};
use crate::app::App;
use crate::extract::whole_body;

/// The last second that a date can be written of: 9999-12-31T23:59:59Z.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// Names and values. Of a name that stands several times, the first counts unless all are asked for.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) async fn read(app: &App, request: Request) -> Result<Self, Refused> {
        let mut all = Self::parse(request.uri().query().unwrap_or_default().as_bytes());
        let media = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        let is_form = media.is_some_and(|media| media.starts_with("application/x-www-form-urlencoded"));
        if request.method() == Method::POST && is_form {
            let body = whole_body(request, app).await?;
            // The form comes first, as in Prometheus.
            all = Self::parse(&body).into_iter().chain(all).collect();
        }
        Ok(Self(all))
    }

    fn parse(text: &[u8]) -> Vec<(String, String)> {
        form_urlencoded::parse(text).into_owned().collect()
    }

    pub(super) fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A time: seconds since 1970, rounded to milliseconds, or RFC 3339.
    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, Refused> {
        let Some(text) = self.first(name).filter(|text| !text.is_empty()) else { return Ok(None) };
        if let Ok(seconds) = text.parse::<f64>() {
            if seconds.is_nan() {
                return Err(invalid(name, format!("cannot parse {text:?} to a valid timestamp")));
            }
            let millis = (seconds.clamp(-LAST_SECOND, LAST_SECOND) * 1e3).round();
            return Ok(Some(Timestamp::from_millis(millis as i64)));
        }
        match text.parse() {
            Ok(time) => Ok(Some(time)),
            Err(_) => Err(invalid(name, format!("cannot parse {text:?} to a valid timestamp"))),
        }
    }

    /// A length of time: seconds, or such as `5m`.
    pub(super) fn length(&self, name: &str) -> Result<Option<Duration>, Refused> {
        let Some(text) = self.first(name).filter(|text| !text.is_empty()) else { return Ok(None) };
        match promql_length(text) {
            Some(length) => Ok(Some(length)),
            None => Err(invalid(name, format!("cannot parse {text:?} to a valid duration above zero"))),
        }
    }

    /// How many to list at most; 0 is no limit, as in Prometheus.
    pub(super) fn limit(&self) -> Result<Option<usize>, Refused> {
        let Some(text) = self.first("limit").filter(|text| !text.is_empty()) else { return Ok(None) };
        let limit: usize = text.parse().map_err(|_| invalid("limit", format!("{text:?} is no number")))?;
        Ok((limit > 0).then_some(limit))
    }

    /// Which series a list is about.
    pub(super) fn selection(&self, now: Timestamp) -> Result<PromqlSelection, Refused> {
        let selectors = self.0.iter().filter(|(name, _)| name == "match[]").map(|(_, value)| value.clone());
        Ok(PromqlSelection {
            selectors: selectors.collect(),
            from: self.time("start")?.unwrap_or(Timestamp::EPOCH),
            to: self.time("end")?.unwrap_or(now),
        })
    }
}
