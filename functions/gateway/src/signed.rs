//! Which secret a delivery is checked with: the installation's, or the one of the repository that its
//! address names.
//!
//! Of a secret that is being changed two count, and both are always compared. Where the present one
//! does not fit, it is read anew: a new one counts at once, and one that was ended is refused within
//! seconds. An address that names a repository that is not registered, or one without a secret, is
//! answered as a wrong signature is: the same is read, compared and said, with a secret that nobody
//! has.

use std::sync::LazyLock;

use axum::http::StatusCode;
use jiff::Timestamp;
use pact_agent::{
    rotation::Rotating,
    secrets::{Secret, Secrets},
};
use pact_contract::{RepositoryName, problems, statuses::webhook_secret_name};
use pact_web::access::new_secret;

use crate::{
    auth,
    error::{Answer, ApiError},
    hosts::{Event, Incoming, WebhookHost},
    ports::Ports,
};

/// Most parts of a name that has a secret of its own: a parameter of AWS has fifteen, and these are
/// below the stack's name, a folder, and above the secret's own.
const MAX_PARTS: usize = 12;

/// What there is in the place of a secret that is none.
static NOBODYS: LazyLock<Secret> = LazyLock::new(new_secret);

/// How a delivery fits a secret.
enum Fits {
    Current,
    Before,
    No(ApiError),
}

/// Compares with both, always: how long it takes says nothing of which there are.
fn compare(host: &dyn WebhookHost, incoming: &Incoming<'_>, known: Option<&Rotating>) -> Fits {
    let slots = match known {
        Some(known) => [Some(known.current()), known.before(Timestamp::now())],
        None => [None, None],
    };
    let [current, before] = slots.map(|secret| {
        let checked = host.verify(secret.unwrap_or(&NOBODYS), incoming);
        if secret.is_some() { checked } else { checked.and(Err(no_fit())) }
    });
    match (current, before) {
        (Ok(()), _) => Fits::Current,
        (_, Ok(())) => Fits::Before,
        (Err(error), Err(_)) => Fits::No(error),
    }
}

fn no_fit() -> ApiError {
    ApiError::unauthorized("the secret is that of nobody")
}

/// The secret of a parameter with this text.
fn read(secrets: &dyn Secrets, name: &str, text: &Secret) -> Answer<Rotating> {
    Rotating::parse(text).map_err(|why| {
        let fault = format!("the parameter {} {why}", secrets.place(name));
        tracing::error!(fault, "a secret is not configured");
        ApiError::not_configured(&format!("not configured: {fault}"))
    })
}

/// Checks that somebody sent the delivery who knows the host's secret of this installation.
///
/// # Errors
/// 401 for any other; 503 without a secret.
pub(crate) async fn by_installation(
    ports: &Ports,
    host: &dyn WebhookHost,
    incoming: &Incoming<'_>,
) -> Answer<()> {
    let (parameter, secrets) = (host.parameter(incoming.headers), &*ports.secrets);
    let text = auth::secret(secrets, parameter).await?;
    let known = read(secrets, parameter.name, &text)?;
    if matches!(compare(host, incoming, Some(&known)), Fits::Current) {
        return Ok(());
    }
    let known = match secrets.fresh(parameter.name).await? {
        Some(text) => read(secrets, parameter.name, &text)?,
        None => return Err(ApiError::not_configured(&secrets.missing(parameter.name))),
    };
    match compare(host, incoming, Some(&known)) {
        Fits::Current | Fits::Before => Ok(()),
        Fits::No(error) => Err(error),
    }
}

/// Whether a repository of this name may have a secret of its own.
pub(crate) fn may_have_one(name: &RepositoryName) -> bool {
    name.as_str().split('/').count() <= MAX_PARTS
}

/// Checks that somebody sent the delivery who knows the secret of the repository of this name, and
/// gives the name.
///
/// # Errors
/// 401 for any other, whether there is such a repository or not.
pub(crate) async fn by_repository(
    ports: &Ports,
    host: &dyn WebhookHost,
    incoming: &Incoming<'_>,
    name: &str,
) -> Answer<RepositoryName> {
    let refused = |fits| match fits {
        Fits::No(error) if error.status == StatusCode::UNAUTHORIZED => error,
        // What is wrong with somebody's secret is for whoever keeps it.
        _ => host.verify(&NOBODYS, incoming).err().unwrap_or_else(no_fit),
    };
    let parsed = name.parse::<RepositoryName>().ok();
    let Some(name) = parsed.filter(may_have_one) else {
        return Err(refused(compare(host, incoming, None)));
    };
    let registered = ports.registry.repository(&name).await?.is_some();
    if !registered && !ports.strangers.admit(Timestamp::now()) {
        return Err(refused(compare(host, incoming, None)));
    }
    let (parameter, secrets) = (webhook_secret_name(&name), &*ports.secrets);
    let readable = |text: Option<Secret>| read(secrets, &parameter, &text?).ok();
    let known = readable(secrets.secret(&parameter).await?);
    let mut fits = compare(host, incoming, known.as_ref());
    if !matches!(fits, Fits::Current) {
        let known = readable(secrets.fresh(&parameter).await?);
        fits = compare(host, incoming, known.as_ref());
    }
    match fits {
        Fits::Current | Fits::Before if registered => Ok(name),
        fits => Err(refused(fits)),
    }
}

/// Refuses what tells of another repository than the one whose secret it was signed with.
pub(crate) fn tells_of(name: &RepositoryName, event: &Event) -> Answer<()> {
    let other = match event {
        Event::Ping | Event::Ignored(_) => None,
        Event::Work { repository, .. } => Some(repository).filter(|told| *told != name),
        Event::Pushes(pushes) => {
            pushes.iter().map(|push| &push.repository.name).find(|told| *told != name)
        }
    };
    let Some(other) = other else { return Ok(()) };
    Err(ApiError::new(
        StatusCode::FORBIDDEN,
        problems::REPOSITORY_ELSEWHERE,
        format!("the webhook is that of {name}, and the delivery tells of {other}"),
    ))
}
