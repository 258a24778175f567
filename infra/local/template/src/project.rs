//! CodeBuild's projects.

use std::collections::BTreeMap;

use crate::{
    resolve::{Failed, Resolver},
    stack::BuildProject,
    template::Resource,
    yaml::Node,
};

/// Properties of a project that AWS knows; another name is a slip of the pen.
pub(crate) const PROPERTIES: &str = "Artifacts AutoRetryLimit BadgeEnabled BuildBatchConfig Cache \
    ConcurrentBuildLimit Description EncryptionKey Environment FileSystemLocations LogsConfig Name \
    QueuedTimeoutInMinutes ResourceAccessRole SecondaryArtifacts SecondarySourceVersions \
    SecondarySources ServiceRole Source SourceVersion Tags TimeoutInMinutes Triggers Visibility \
    VpcConfig";

/// Properties that AWS does not do without.
const REQUIRED: [&str; 4] = ["Artifacts", "Environment", "ServiceRole", "Source"];

pub(crate) fn project(
    resolver: &mut Resolver<'_>,
    resource: &Resource,
) -> Result<BuildProject, Failed> {
    let properties = &resource.properties;
    let name = resolver.name_of(resource);
    let missing: Vec<_> =
        REQUIRED.into_iter().filter(|key| properties.get(key).is_none()).collect();
    if !missing.is_empty() {
        let message = format!("the project has no {}", missing.join(", no "));
        return Err(resolver.fail(resource.line, message));
    }
    let empty = Node::empty_map(resource.line);
    let mut part = |key: &str| match resolver.property(properties, key) {
        Ok(node) => Ok(node.unwrap_or_else(|| empty.clone())),
        Err(failed) => Err(failed),
    };
    let (environment, source, logs) = (part("Environment")?, part("Source")?, part("LogsConfig")?);
    let image = required(resolver, &environment, "Image");
    let compute = required(resolver, &environment, "ComputeType");
    let kind = required(resolver, &environment, "Type");
    let variables = variables(resolver, &environment);
    let buildspec = resolver.text_property(&source, "BuildSpec");
    let source_type = required(resolver, &source, "Type");
    let group = match resolver.property(&logs, "CloudWatchLogs") {
        Ok(Some(node)) => resolver.text_property(&node, "GroupName"),
        Ok(None) => Ok(None),
        Err(failed) => Err(failed),
    };
    let timeout = resolver.number_property(properties, "TimeoutInMinutes", 5..=2_160);
    let queued = resolver.number_property(properties, "QueuedTimeoutInMinutes", 5..=480);
    let limit = resolver.number_property(properties, "ConcurrentBuildLimit", 1..=10_000);
    let role = resolver.text_property(properties, "ServiceRole");
    kind?;
    if source_type? != "NO_SOURCE" {
        return Err(resolver.fail(source.line, "a local stack has builds of NO_SOURCE only"));
    }
    let name = name?;
    Ok(BuildProject {
        logical_id: resource.id.clone(),
        arn: resolver.arn("codebuild", &format!("project/{name}")),
        name,
        image: image?,
        compute_type: compute?,
        buildspec: buildspec?,
        environment: variables?,
        timeout_minutes: timeout?.unwrap_or(60),
        queued_timeout_minutes: queued?.unwrap_or(480),
        concurrent_builds: limit?,
        log_group: group?,
        role: role?,
    })
}

fn required(resolver: &mut Resolver<'_>, node: &Node, key: &str) -> Result<String, Failed> {
    match resolver.text_property(node, key)? {
        Some(text) => Ok(text),
        None => Err(resolver.fail(node.line, format!("there is no {key}"))),
    }
}

fn variables(
    resolver: &mut Resolver<'_>,
    environment: &Node,
) -> Result<BTreeMap<String, String>, Failed> {
    let mut variables = BTreeMap::new();
    let Some(list) = resolver.property(environment, "EnvironmentVariables")? else {
        return Ok(variables);
    };
    for node in list.items().unwrap_or_default() {
        let name = required(resolver, node, "Name")?;
        variables.insert(name, required(resolver, node, "Value")?);
    }
    Ok(variables)
}
