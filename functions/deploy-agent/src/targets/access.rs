//! How the account's services are reached: with the role of the environment, and nothing of the agent's
//! own.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_sdk_sts::error::ProvideErrorMetadata;
use pact_agent::AgentError;
use pact_contract::{EnvironmentKey, ErrorName, Finding, Severity, codes};

use crate::names::hash;

use super::lambda::said;

/// How long before their end credentials are not begun with any more.
const MARGIN: Duration = Duration::from_secs(5 * 60);
/// How long they are asked for, in seconds: a deployment takes minutes.
const SECONDS: i32 = 3600;
/// The longest name of a role, and of a session.
const MAX_NAME: usize = 64;

/// The account's services, and which roles are the installation's.
#[derive(Clone)]
pub struct Aws {
    /// What clients are made from.
    pub sdk: SdkConfig,
    /// How the ARN of a role begins that an environment has where it names none:
    /// `PACT_DEPLOY_ROLES`.
    pub roles: Option<String>,
    /// Credentials by role and external id, as long as they are good.
    known: Arc<Mutex<HashMap<(String, String), Credentials>>>,
    /// Clients with them, by their region too: each keeps its connections, and what it takes to trust them.
    clients: Arc<Mutex<HashMap<ClientKey, (aws_sdk_lambda::Client, SystemTime)>>>,
}

/// Role, external id and region.
type ClientKey = (String, String, Option<String>);

impl Aws {
    /// With these clients and roles.
    #[must_use]
    pub fn new(sdk: SdkConfig, roles: Option<String>) -> Self {
        Self { sdk, roles, known: Arc::default(), clients: Arc::default() }
    }

    fn good(&self, known: &(String, String)) -> Option<Credentials> {
        let all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let credentials = all.get(known)?;
        let until = credentials.expiry()?;
        (until > SystemTime::now() + MARGIN).then(|| credentials.clone())
    }
}

/// Makes clients of Lambda once for as long as their credentials are good.
impl Aws {
    pub(super) fn client_of(&self, key: &ClientKey) -> Option<aws_sdk_lambda::Client> {
        let all = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let (client, until) = all.get(key)?;
        (*until > SystemTime::now() + MARGIN).then(|| client.clone())
    }

    pub(super) fn keep(&self, key: ClientKey, client: &aws_sdk_lambda::Client, until: SystemTime) {
        let mut all = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        // Those of environments that are long gone are not kept for ever.
        all.retain(|_, (_, until)| *until > SystemTime::now());
        all.insert(key, (client.clone(), until));
    }
}

/// The id by which a role knows for which environment it is asked: another repository whose settings
/// name the role has another one.
pub(super) fn external_id(key: &EnvironmentKey) -> String {
    format!("{}:{}", key.repository, key.environment)
}

/// The role of an environment.
pub(super) fn role(aws: &Aws, key: &EnvironmentKey, own: Option<&str>) -> Result<String, String> {
    if let Some(role) = own {
        return Ok(role.to_owned());
    }
    let prefix = aws.roles.as_ref().ok_or(
        "this installation names no roles for deployments: set PACT_DEPLOY_ROLES of the deploy \
         agent, or `role` of the environment",
    )?;
    let begin = prefix.rsplit('/').next().unwrap_or_default().len();
    let whole = external_id(key);
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let room = MAX_NAME.saturating_sub(begin + 9);
    let name: String = whole.chars().map(plain).take(room).collect();
    Ok(format!("{prefix}{name}-{:08x}", hash(&whole) & 0xffff_ffff))
}

/// Takes on the role.
///
/// # Errors
/// `ERR_TARGET_UNAVAILABLE` when nobody answers.
pub(super) async fn credentials(
    aws: &Aws,
    key: &EnvironmentKey,
    role: &str,
) -> Result<Taken, AgentError> {
    let id = external_id(key);
    let known = (role.to_owned(), id.clone());
    if let Some(credentials) = aws.good(&known) {
        return Ok(Taken::On(credentials));
    }
    let taken = take_on(aws, role, &id, key).await?;
    if let Taken::On(credentials) = &taken {
        let mut all = aws.known.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(known, credentials.clone());
    }
    Ok(taken)
}

/// What came of asking for a role.
pub(super) enum Taken {
    On(Credentials),
    /// The role is refused.
    Not(Finding),
}

async fn take_on(
    aws: &Aws,
    role: &str,
    id: &str,
    key: &EnvironmentKey,
) -> Result<Taken, AgentError> {
    let letters = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let session: String = format!("pact-{}-{}", key.environment, key.repository.short())
        .chars()
        .map(letters)
        .collect();
    let session: String = session.chars().take(MAX_NAME).collect();
    let answer = aws_sdk_sts::Client::new(&aws.sdk)
        .assume_role()
        .role_arn(role)
        .role_session_name(session)
        .external_id(id)
        .duration_seconds(SECONDS)
        .send()
        .await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            let code = error.code().unwrap_or_default().to_owned();
            let denied = matches!(
                code.as_str(),
                "AccessDenied"
                    | "AccessDeniedException"
                    | "ValidationError"
                    | "RegionDisabledException"
            );
            if !denied {
                let message = format!("cannot take on the role {role}: {}", said(&error));
                return Err(AgentError::new(ErrorName::TargetUnavailable, message).caused_by(error));
            }
            let said = error.message().unwrap_or("access denied").to_owned();
            return Ok(Taken::Not(refused(role, id, &said)));
        }
    };
    let Some(given) = answer.credentials else {
        let message = format!("cannot take on the role {role}: the answer has no credentials");
        return Err(AgentError::new(ErrorName::TargetUnavailable, message));
    };
    let until = SystemTime::try_from(given.expiration).ok();
    Ok(Taken::On(Credentials::new(
        given.access_key_id,
        given.secret_access_key,
        Some(given.session_token),
        until,
        "deploy role",
    )))
}

/// The role does not let the agent in, or not to what it has to do.
pub(super) fn refused(role: &str, id: &str, said: &str) -> Finding {
    let message = format!("the role {role} is refused: {said}");
    let name = role.rsplit('/').next().unwrap_or(role);
    let (repository, environment) = id.split_once(':').unwrap_or((id, ""));
    Finding::new(codes::ROLE_REFUSED, Severity::High, message).remedy(format!(
        "deploy infra/deploy-role.yaml with RoleName={name} Repository={repository} \
         Environment={environment} and what it may do"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role_of(key: &str, own: Option<&str>) -> Result<String, String> {
        let prefix = "arn:aws:iam::123456789012:role/pact-deploy-".to_owned();
        let aws = Aws::new(SdkConfig::builder().build(), Some(prefix));
        role(&aws, &key.parse().expect("a key"), own)
    }

    #[test]
    fn each_environment_has_a_role_of_its_own() {
        let role = role_of("acme/web#production", None).expect("a role");
        assert!(
            role.starts_with("arn:aws:iam::123456789012:role/pact-deploy-acme-web-production-"),
            "{role}"
        );
        let long = role_of(&format!("acme/{}#production", "w".repeat(90)), None);
        let long = long.expect("a role");
        assert_eq!(long.rsplit('/').next().map(str::len), Some(MAX_NAME));
        let names = ["acme/web-a#staging", "acme-web/a#staging", "acme/web#a-staging"];
        let roles: std::collections::BTreeSet<_> =
            names.iter().map(|key| role_of(key, None).expect("a role")).collect();
        assert_eq!(roles.len(), names.len());
        assert_eq!(role_of("acme/web#staging", Some("arn:of:mine")), Ok("arn:of:mine".to_owned()));
    }
}
