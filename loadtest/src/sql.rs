//! Questions to the server over HTTP.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use ureq::Agent;

use crate::error::LoadError;

#[derive(serde::Deserialize)]
struct Answer {
    rows: Vec<Vec<Value>>,
}

/// Asks one server; it keeps its connection.
#[derive(Debug, Clone)]
pub(crate) struct SqlClient {
    agent: Agent,
    url: String,
    authorization: String,
}

impl SqlClient {
    /// Asks the server at `url` as the administrator.
    pub(crate) fn new(url: &str, password: &str) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(ANSWER_TIMEOUT));
        Self {
            agent: config.build().into(),
            url: url.trim_end_matches('/').to_owned(),
            authorization: format!("Basic {}", BASE64_STANDARD.encode(format!("admin:{password}"))),
        }
    }

    /// The same with a connection of its own.
    pub(crate) fn another(&self) -> Self {
        Self { agent: Agent::new_with_config(self.agent.config().clone()), ..self.clone() }
    }

    /// Address of the server and the header that names its administrator, for clients of another kind.
    pub(crate) fn parts(&self) -> (String, String) {
        let address = self.url.trim_start_matches("http://").to_owned();
        (address, self.authorization.clone())
    }

    /// The rows that answer a query, each a list of values.
    ///
    /// # Errors
    /// Where the server cannot be reached or the query fails.
    pub(crate) fn rows(&self, query: &str) -> Result<Vec<Vec<Value>>, LoadError> {
        let failed = |reason: String| LoadError::Query { query: query.to_owned(), reason };
        let mut answer = self
            .agent
            .post(format!("{}/api/v1/sql", self.url))
            .header("Authorization", &self.authorization)
            .header("Content-Type", "application/sql")
            .header("Accept", "application/json")
            .send(query)
            .map_err(|error| failed(error.to_string()))?;
        let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let text = text.map_err(|error| failed(error.to_string()))?;
        if !answer.status().is_success() {
            return Err(failed(text));
        }
        let answer: Answer = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
        Ok(answer.rows)
    }

    /// A counter or gauge of `/metrics`, summed over its labels; 0 where there is none.
    ///
    /// # Errors
    /// Where the server cannot be reached.
    pub(crate) fn metric(&self, name: &str) -> Result<f64, LoadError> {
        let failed = |reason: String| LoadError::Query { query: "/metrics".into(), reason };
        let mut answer = self
            .agent
            .get(format!("{}/metrics", self.url))
            .header("Authorization", &self.authorization)
            .call()
            .map_err(|error| failed(error.to_string()))?;
        let text = answer.body_mut().read_to_string().map_err(|error| failed(error.to_string()))?;
        let values = text.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            rest.starts_with(['{', ' ']).then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
        });
        Ok(values.sum())
    }
}

/// The longest that an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(900);
/// The longest answer that is taken.
const ANSWER_BYTES_MAX: u64 = 1 << 30;
