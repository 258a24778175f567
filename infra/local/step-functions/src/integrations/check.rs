//! Whether AWS has what a Task names, and whether it gets what it needs.

use serde_json::{Map, Value};
use strsim::levenshtein;

use super::optimised::{self, Optimised};
use super::resource::Resource;
use super::sdk::Service;

/// The partitions of AWS.
const PARTITIONS: [&str; 8] =
    ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc"];
/// Longer names are not compared with those that there are.
const LONGEST_NAME: usize = 80;
const TOKEN: &str = "waitForTaskToken";

/// Why AWS would not take this resource, if it would not.
pub(crate) fn refuse(resource: &Resource) -> Option<String> {
    let partition = resource.arn.split(':').nth(1).unwrap_or_default();
    let known = PARTITIONS.contains(&partition)
        && if resource.function || resource.service == "activity" {
            is_owned(&resource.arn)
        } else {
            exists(resource)
        };
    if known {
        return None;
    }
    let mut message = format!(
        "The resource provided {} is not recognized. The value is not a valid resource ARN, or the resource is not available in this region.",
        resource.arn
    );
    if let Some(name) = nearest(resource) {
        let partition = if PARTITIONS.contains(&partition) { partition } else { "aws" };
        message.push_str(&format!(" The nearest valid one is arn:{partition}:states:::{name}"));
    }
    Some(message)
}

/// Whether the ARN of a function or an activity has a region, an account and names that are some.
fn is_owned(arn: &str) -> bool {
    let mut parts = arn.split(':').skip(3);
    let named = |part: &str, others: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || others.contains(c);
        !part.is_empty() && part.len() <= 140 && part.chars().all(fits)
    };
    parts.next().is_some_and(|region| named(region, "-"))
        && parts.next().is_some_and(|account| {
            account.len() == 12 && account.chars().all(|c| c.is_ascii_digit())
        })
        && parts.skip(1).all(|name| named(name, "-_$."))
}

fn exists(resource: &Resource) -> bool {
    let (action, pattern) = resource.call();
    match resource.service.strip_prefix("aws-sdk:") {
        Some(service) => {
            matches!(pattern, None | Some(TOKEN))
                && Service::named(service).is_some_and(|service| service.has(action))
        }
        None => optimised::find(&resource.service, action).is_some_and(|known| known.has(pattern)),
    }
}

/// The integration that was probably meant, as it stands in a resource.
fn nearest(resource: &Resource) -> Option<String> {
    let (action, pattern) = resource.call();
    let sdk = resource.service.strip_prefix("aws-sdk:");
    let service = sdk.unwrap_or(&resource.service);
    if resource.function || service == "activity" || service.len() + action.len() > LONGEST_NAME {
        return None;
    }
    let own = nearest_optimised(service, action).map(|(distance, known)| {
        let pattern = if known.has(pattern) { pattern } else { None };
        (distance, written(known.service, known.action, pattern))
    });
    let passed = nearest_action(service, action).map(|(distance, service, action)| {
        let pattern = pattern.filter(|pattern| *pattern == TOKEN);
        (distance, written(&format!("aws-sdk:{service}"), &action, pattern))
    });
    let found = match (own, passed) {
        (Some(own), Some(passed)) => {
            // Whoever asks for an SDK's action means one, unless there is none like it.
            let first = if sdk.is_some() { passed.0 > own.0 } else { passed.0 >= own.0 };
            Some(if first { own } else { passed })
        }
        (own, passed) => own.or(passed),
    };
    let most = (service.len() + action.len()) / 3;
    found.filter(|(distance, _)| *distance <= most).map(|(_, name)| name)
}

fn written(service: &str, action: &str, pattern: Option<&str>) -> String {
    match pattern {
        Some(pattern) => format!("{service}:{action}.{pattern}"),
        None => format!("{service}:{action}"),
    }
}

fn nearest_optimised(service: &str, action: &str) -> Option<(usize, &'static Optimised)> {
    optimised::ALL
        .iter()
        .map(|known| {
            (levenshtein(service, known.service) + levenshtein(action, known.action), known)
        })
        .min_by_key(|(distance, _)| *distance)
}

fn nearest_action(service: &str, action: &str) -> Option<(usize, &'static str, String)> {
    let plain: String =
        service.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    let (far, service) = match Service::named(&plain).or_else(|| Service::known_as(&plain)) {
        Some(service) => (0, service),
        None => Service::all()
            .iter()
            .map(|known| (levenshtein(&plain, known.name), *known))
            .min_by_key(|(distance, _)| *distance)?,
    };
    let (distance, action) = service
        .actions()
        .map(|known| (levenshtein(action, &known), known))
        .min_by_key(|(distance, _)| *distance)?;
    Some((far + distance, service.name, action))
}

/// The arguments that `given` lacks and without which the resource cannot be called.
pub(crate) fn missing(resource: &Resource, given: Option<&Map<String, Value>>) -> Vec<String> {
    let required = optimised::find(&resource.service, resource.call().0);
    let required = required.map(|known| known.required).unwrap_or_default();
    required
        .iter()
        .filter(|name| given.and_then(|given| given.get(**name)).is_none_or(Value::is_null))
        .map(|name| format!("The field '{name}' is required but was missing"))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(arn: &str) -> Option<String> {
        let resource = Resource::parse(arn).expect("an ARN of this form");
        refuse(&resource).map(|message| {
            message.split_once("The nearest valid one is ").map_or(String::new(), |m| m.1.into())
        })
    }

    #[test]
    fn what_aws_has_is_taken() {
        for name in [
            "lambda:invoke",
            "lambda:invoke.waitForTaskToken",
            "codebuild:startBuild",
            "codebuild:startBuild.sync",
            "dynamodb:updateItem",
            "ecs:runTask.sync",
            "ecs:runTask.waitForTaskToken",
            "sqs:sendMessage.waitForTaskToken",
            "states:startExecution.sync",
            "states:startExecution.sync:2",
            "http:invoke",
            "events:putEvents",
            "aws-sdk:dynamodb:query",
            "aws-sdk:dynamodb:query.waitForTaskToken",
            "aws-sdk:sfn:startSyncExecution",
        ] {
            for partition in ["aws", "aws-cn", "aws-us-gov"] {
                let arn = format!("arn:{partition}:states:::{name}");
                assert_eq!(refused(&arn), None, "{arn}");
            }
        }
        for arn in [
            "arn:aws:lambda:eu-central-1:123456789012:function:my_function",
            "arn:aws:lambda:eu-central-1:123456789012:function:my-function:$LATEST",
            "arn:aws:states:eu-central-1:123456789012:activity:paint",
        ] {
            assert_eq!(refused(arn), None, "{arn}");
        }
    }

    #[test]
    fn what_aws_has_not_is_refused_with_the_nearest_that_it_has() {
        for (wrong, right) in [
            ("dynamodb:qwery", "aws-sdk:dynamodb:query"),
            ("dynamodb:query", "aws-sdk:dynamodb:query"),
            ("dynamodb:getitem", "dynamodb:getItem"),
            ("dynamodb:putItem.waitForTaskToken", "dynamodb:putItem"),
            ("dynamodb:putItem.sync", "dynamodb:putItem"),
            ("lamda:invoke", "lambda:invoke"),
            ("lambda:invok.waitForTaskToken", "lambda:invoke.waitForTaskToken"),
            ("lambda:invoke.sync", "lambda:invoke"),
            ("lambda:invoke.waitForToken", "lambda:invoke"),
            ("codebuild:startBuild.waitForTaskToken", "codebuild:startBuild"),
            ("batch:submitJob.waitForTaskToken", "batch:submitJob"),
            ("glue:startJobRun.sync:2", "glue:startJobRun"),
            ("states:startExecution.sync:3", "states:startExecution"),
            ("s3:getObject", "aws-sdk:s3:getObject"),
            ("aws-sdk:dynamodb:qwery", "aws-sdk:dynamodb:query"),
            ("aws-sdk:dynamodb:Query", "aws-sdk:dynamodb:query"),
            ("aws-sdk:DynamoDB:query", "aws-sdk:dynamodb:query"),
            ("aws-sdk:dynamodb:query.sync", "aws-sdk:dynamodb:query"),
            ("aws-sdk:dynamo:query", "aws-sdk:dynamodb:query"),
            ("aws-sdk:stepfunctions:startExecution", "aws-sdk:sfn:startExecution"),
            ("aws-sdk:cognito-idp:adminGetUser", "aws-sdk:cognitoidentityprovider:adminGetUser"),
            ("aws-sdk:s3:listObjectsV3", "aws-sdk:s3:listObjectsV2"),
            ("nothing:likeThisAtAll", ""),
            ("aws-sdk:nobody:knowsThisOne", ""),
        ] {
            let found = refused(&format!("arn:aws:states:::{wrong}"));
            let right =
                if right.is_empty() { String::new() } else { format!("arn:aws:states:::{right}") };
            assert_eq!(found, Some(right), "{wrong}");
        }
        for arn in [
            "arn:awss:states:::lambda:invoke",
            "arn:aws:lambda::123456789012:function:f",
            "arn:aws:lambda:eu-central-1:1:function:f",
            "arn:aws:lambda:eu-central-1:123456789012:function:a b",
            "arn:aws:states:eu-central-1::activity:paint",
        ] {
            assert!(refused(arn).is_some(), "{arn}");
        }
        let long = format!("arn:aws:states:::{}:{}", "a".repeat(1_000), "b".repeat(1_000));
        assert_eq!(refused(&long), Some(String::new()));
    }

    #[test]
    fn what_a_call_needs_is_missed() {
        let missed = |name: &str, given: Value| {
            let resource = Resource::parse(&format!("arn:aws:states:::{name}")).expect("an ARN");
            missing(&resource, given.as_object()).len()
        };
        assert_eq!(missed("lambda:invoke", json!({ "Payload": 1 })), 1);
        assert_eq!(missed("lambda:invoke.waitForTaskToken", json!({ "FunctionName": null })), 1);
        assert_eq!(missed("lambda:invoke", json!({ "FunctionName": "f" })), 0);
        assert_eq!(missed("dynamodb:getItem", json!({})), 2);
        assert_eq!(missed("sqs:sendMessage.waitForTaskToken", json!("text")), 2);
        assert_eq!(missed("aws-sdk:dynamodb:query", json!({})), 0);
    }

    #[test]
    fn each_optimised_integration_stands_there_once() {
        let names: Vec<_> = optimised::ALL.iter().map(|k| (k.service, k.action)).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
    }
}
