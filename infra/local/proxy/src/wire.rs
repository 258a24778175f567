//! What is sent to a host.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `PUT /v1/services/{name}`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewService {
    /// Port of its address; none: the one that it has, or a free one that it keeps.
    #[serde(default)]
    pub port: Option<u16>,
}

/// `PUT /v1/services/{name}/weights`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// Weight of each instance; what is not named has none.
    pub weights: BTreeMap<String, u32>,
    /// How long what loses its weight is kept warm, in milliseconds; none: until it is let go.
    #[serde(default)]
    pub keep_ms: Option<u64>,
    /// How long its last requests may take when it is ended, in milliseconds.
    #[serde(default)]
    pub drain_ms: u64,
}

/// Of `DELETE` of a service or an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ending {
    /// How long the last requests may take, in milliseconds.
    #[serde(default)]
    pub drain_ms: u64,
}

/// `POST /v1/shutdown`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shutdown {
    /// End the services too. Without it they go on, and the next host of the folder takes them over.
    #[serde(default)]
    pub stop: bool,
}
