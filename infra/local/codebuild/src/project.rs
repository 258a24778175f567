//! What builds of one kind have in common.

use std::{collections::BTreeMap, time::Duration};

/// A build project, as `AWS::CodeBuild::Project` describes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The image, which this host only repeats: a build sees the machine's own tools.
    pub image: String,
    /// The compute type, only repeated too.
    pub compute_type: String,
    /// The buildspec of builds that bring none.
    pub buildspec: Option<String>,
    /// Environment variables of every build.
    pub environment: BTreeMap<String, String>,
    /// How long a build may take.
    pub timeout: Duration,
    /// How long a build may wait for its turn.
    pub queued_timeout: Duration,
    /// How many builds may run at once.
    pub concurrent_builds: Option<usize>,
    /// Log group of its builds.
    pub log_group: String,
}

impl Project {
    /// A project with what AWS takes where nothing is said: 60 minutes for a build, 480 in the
    /// queue.
    #[must_use]
    pub fn new(name: &str, region: &str, account: &str) -> Self {
        Self {
            name: name.to_owned(),
            arn: format!("arn:aws:codebuild:{region}:{account}:project/{name}"),
            image: "aws/codebuild/amazonlinux-aarch64-standard:3.0".to_owned(),
            compute_type: "BUILD_GENERAL1_SMALL".to_owned(),
            buildspec: None,
            environment: BTreeMap::new(),
            timeout: Duration::from_secs(60 * 60),
            queued_timeout: Duration::from_secs(480 * 60),
            concurrent_builds: None,
            log_group: format!("/aws/codebuild/{name}"),
        }
    }
}
