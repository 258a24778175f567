//! Secrets of the installation: read when they are first needed, and kept for a bounded time, so
//! that one that was changed takes effect without a deployment.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::ports::StoreError;

/// A secret that an installation may have, kept as a parameter below its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Name below the path, for example `api-token`.
    pub name: &'static str,
    /// What it is: a fragment for people.
    pub about: &'static str,
    /// Environment variable that sets it for a stack on one machine; none for what that stack
    /// makes itself.
    pub variable: Option<&'static str>,
}

/// Token to fetch private repositories with.
pub static SOURCE_TOKEN: Parameter = Parameter {
    name: "source-token",
    about: "to fetch private repositories with",
    variable: Some("PACT_SOURCE_TOKEN"),
};

/// What stage records and transaction logs are sealed with. Without it they are chained only.
pub static LOG_KEY: Parameter = Parameter {
    name: "log-key",
    about: "seals stage records and transaction logs",
    variable: None,
};

/// Shortest secret that lets anybody in: a shorter one can be guessed.
pub const MIN_SECRET: usize = 16;

/// Text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where secrets are kept.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// The secret of this name; none where the installation has none.
    async fn secret(&self, name: &str) -> Result<Option<Secret>, StoreError>;

    /// The same, not as it was a while ago: for where what is known does not fit. However often this
    /// is asked, it is read anew at most every few seconds.
    async fn fresh(&self, name: &str) -> Result<Option<Secret>, StoreError> {
        self.secret(name).await
    }

    /// What the secret of this name is called where it is kept.
    fn place(&self, name: &str) -> String;

    /// That there is no secret of this name, and what to do about it.
    fn missing(&self, name: &str) -> String {
        let place = self.place(name);
        format!(
            "the parameter {place} does not exist; make it with `aws ssm put-parameter \
             --type SecureString --name {place} --value …`"
        )
    }
}

#[async_trait]
impl<S: Secrets + ?Sized> Secrets for Arc<S> {
    async fn secret(&self, name: &str) -> Result<Option<Secret>, StoreError> {
        (**self).secret(name).await
    }

    async fn fresh(&self, name: &str) -> Result<Option<Secret>, StoreError> {
        (**self).fresh(name).await
    }

    fn place(&self, name: &str) -> String {
        (**self).place(name)
    }
}

/// Where secrets are changed.
#[async_trait]
pub trait SecretKeeper: Send + Sync {
    /// The secret of this name as it is now; none where there is none.
    async fn latest(&self, name: &str) -> Result<Option<Secret>, StoreError>;

    /// Puts a secret in the place of what is there: whole, or not at all. Of two at once the later one
    /// stays, so whoever asks takes turns.
    async fn keep(&self, name: &str, secret: &Secret) -> Result<(), StoreError>;

    /// Forgets the secret; nothing happens where there is none.
    async fn forget(&self, name: &str) -> Result<(), StoreError>;
}

/// How long what was read counts as the present value.
const FRESH: SignedDuration = SignedDuration::from_mins(5);
/// How long that there is no secret counts: who makes one wants to see it at work.
const FRESH_ABSENCE: SignedDuration = SignedDuration::from_secs(30);
/// How long it counts for whoever wants it fresh: what does not fit may come as often as it likes.
const AGAIN: SignedDuration = SignedDuration::from_secs(3);
/// Most names that are remembered: whoever sends webhooks names repositories.
const MOST: usize = 2_000;

type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// Secrets that are kept for a bounded time.
///
/// What was read is used for five minutes, an absence for 30 seconds. Then it is read again, and
/// when that fails there is an error and no value: one that was revoked is never used for longer.
/// That a secret was removed takes effect like any change. Whoever wants it fresh has it at most three
/// seconds old.
pub struct Cached<S> {
    inner: S,
    kept: Mutex<BTreeMap<String, Kept>>,
    // A clock of the wall: the other one stands still while Lambda freezes a function.
    now: Clock,
}

#[derive(Clone)]
struct Kept {
    value: Option<Secret>,
    read: Timestamp,
    /// When it was read last, be it without an answer.
    asked: Timestamp,
}

impl Kept {
    /// A time before it was read is not fresh: the clock was set back, and nothing is known of the
    /// age.
    fn is_fresh(&self, now: Timestamp) -> bool {
        let age = now.duration_since(self.read);
        let limit = if self.value.is_some() { FRESH } else { FRESH_ABSENCE };
        !age.is_negative() && age < limit
    }

    fn was_asked(&self, now: Timestamp) -> bool {
        let age = now.duration_since(self.asked);
        self.is_fresh(now) && !age.is_negative() && age < AGAIN
    }
}

impl<S: Secrets> Cached<S> {
    /// Keeps what `inner` says.
    pub fn new(inner: S) -> Self {
        Self::with_clock(inner, Timestamp::now)
    }

    /// The same with another clock, for tests.
    pub fn with_clock(inner: S, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { inner, kept: Mutex::default(), now: Box::new(now) }
    }

    fn kept(&self, name: &str) -> Option<Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn keep(&self, name: &str, kept: Kept) {
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST && !all.contains_key(name) {
            all.retain(|_, other| other.is_fresh(kept.read));
            if all.len() >= MOST {
                all.clear();
            }
        }
        all.insert(name.to_owned(), kept);
    }

    async fn read(&self, name: &str, now: Timestamp) -> Result<Option<Secret>, StoreError> {
        let value = self.inner.secret(name).await?;
        self.keep(name, Kept { value: value.clone(), read: now, asked: now });
        Ok(value)
    }
}

#[async_trait]
impl<S: Secrets> Secrets for Cached<S> {
    async fn secret(&self, name: &str) -> Result<Option<Secret>, StoreError> {
        let now = (self.now)();
        if let Some(kept) = self.kept(name).filter(|kept| kept.is_fresh(now)) {
            return Ok(kept.value);
        }
        self.read(name, now).await
    }

    async fn fresh(&self, name: &str) -> Result<Option<Secret>, StoreError> {
        let now = (self.now)();
        if let Some(kept) = self.kept(name) {
            if kept.was_asked(now) {
                return Ok(kept.value);
            }
            // Before it answers: a store that does not is not asked by everybody either.
            self.keep(name, Kept { asked: now, ..kept });
        }
        self.read(name, now).await
    }

    fn place(&self, name: &str) -> String {
        self.inner.place(name)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Vault {
        value: Mutex<Option<&'static str>>,
        down: Mutex<bool>,
        reads: AtomicUsize,
        seconds: AtomicI64,
    }

    #[async_trait]
    impl Secrets for Vault {
        async fn secret(&self, _: &str) -> Result<Option<Secret>, StoreError> {
            self.reads.fetch_add(1, Ordering::SeqCst);
            if *self.down.lock().unwrap() {
                return Err(StoreError::Unavailable("planned fault".to_owned(), None));
            }
            Ok(self.value.lock().unwrap().map(Secret::new))
        }
        fn place(&self, name: &str) -> String {
            format!("/pact/{name}")
        }
    }

    fn cached(vault: &Arc<Vault>) -> Cached<Arc<Vault>> {
        let clock = Arc::clone(vault);
        Cached::with_clock(Arc::clone(vault), move || {
            Timestamp::from_second(1_700_000_000 + clock.seconds.load(Ordering::SeqCst)).unwrap()
        })
    }

    /// What is said after so many seconds: a value, nothing, or an error; and the reads so far.
    async fn after(
        vault: &Vault,
        secrets: &Cached<Arc<Vault>>,
        seconds: i64,
    ) -> (Result<Option<String>, ()>, usize) {
        vault.seconds.store(seconds, Ordering::SeqCst);
        let said = secrets.secret("x").await;
        let said = said.map(|s| s.map(|s| s.reveal().to_owned())).map_err(|_| ());
        (said, vault.reads.load(Ordering::SeqCst))
    }

    fn is(value: &str) -> Result<Option<String>, ()> {
        Ok(Some(value.to_owned()))
    }

    #[tokio::test]
    async fn a_changed_secret_takes_effect_after_five_minutes() {
        let vault = Arc::<Vault>::default();
        let secrets = cached(&vault);
        *vault.value.lock().unwrap() = Some("old");
        assert_eq!(after(&vault, &secrets, 0).await, (is("old"), 1));
        *vault.value.lock().unwrap() = Some("new");
        assert_eq!(after(&vault, &secrets, 299).await, (is("old"), 1));
        assert_eq!(after(&vault, &secrets, 300).await, (is("new"), 2));
        *vault.value.lock().unwrap() = None;
        assert_eq!(after(&vault, &secrets, 600).await, (Ok(None), 3));
    }

    #[tokio::test]
    async fn a_secret_that_is_made_is_seen_soon() {
        let vault = Arc::<Vault>::default();
        let secrets = cached(&vault);
        assert_eq!(after(&vault, &secrets, 0).await, (Ok(None), 1));
        *vault.value.lock().unwrap() = Some("first");
        assert_eq!(after(&vault, &secrets, 29).await, (Ok(None), 1));
        assert_eq!(after(&vault, &secrets, 30).await, (is("first"), 2));
    }

    #[tokio::test]
    async fn nothing_is_used_for_longer_than_five_minutes_whoever_does_not_answer() {
        let vault = Arc::<Vault>::default();
        let secrets = cached(&vault);
        *vault.down.lock().unwrap() = true;
        assert_eq!(after(&vault, &secrets, 0).await, (Err(()), 1));
        *vault.down.lock().unwrap() = false;
        *vault.value.lock().unwrap() = Some("old");
        assert_eq!(after(&vault, &secrets, 1).await, (is("old"), 2));
        *vault.down.lock().unwrap() = true;
        assert_eq!(after(&vault, &secrets, 300).await, (is("old"), 2));
        assert_eq!(after(&vault, &secrets, 301).await, (Err(()), 3));
        *vault.down.lock().unwrap() = false;
        assert_eq!(after(&vault, &secrets, 302).await, (is("old"), 4));
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_makes_nothing_last_longer() {
        let vault = Arc::<Vault>::default();
        let secrets = cached(&vault);
        *vault.value.lock().unwrap() = Some("old");
        assert_eq!(after(&vault, &secrets, 1_000).await, (is("old"), 1));
        *vault.down.lock().unwrap() = true;
        assert_eq!(after(&vault, &secrets, 0).await, (Err(()), 2));
    }

    #[tokio::test]
    async fn what_does_not_fit_is_read_anew_and_not_by_everybody() {
        let vault = Arc::<Vault>::default();
        let secrets = cached(&vault);
        let fresh = async |seconds| {
            vault.seconds.store(seconds, Ordering::SeqCst);
            let said = secrets.fresh("x").await;
            let said = said.map(|s| s.map(|s| s.reveal().to_owned())).map_err(|_| ());
            (said, vault.reads.load(Ordering::SeqCst))
        };
        *vault.value.lock().unwrap() = Some("old");
        assert_eq!(after(&vault, &secrets, 0).await, (is("old"), 1));
        *vault.value.lock().unwrap() = Some("new");
        assert_eq!(fresh(2).await, (is("old"), 1), "it was read a moment ago");
        assert_eq!(fresh(3).await, (is("new"), 2));
        assert_eq!(after(&vault, &secrets, 4).await, (is("new"), 2), "for everybody");
        *vault.down.lock().unwrap() = true;
        assert_eq!(fresh(10).await, (Err(()), 3));
        assert_eq!(fresh(11).await, (is("new"), 3), "nor is it asked that often");
        assert_eq!(fresh(310).await, (Err(()), 4), "and nothing counts for longer");
        assert_eq!(fresh(311).await, (Err(()), 5));
    }

    #[tokio::test]
    async fn no_number_of_names_fills_the_memory() {
        let vault = Arc::<Vault>::default();
        let secrets = cached(&vault);
        for number in 0..MOST * 2 {
            secrets.secret(&number.to_string()).await.unwrap();
        }
        assert!(secrets.kept.lock().unwrap().len() <= MOST);
    }

    #[test]
    fn what_is_missing_is_named_with_what_makes_it() {
        let text = cached(&Arc::default()).missing("api-token");
        assert_eq!(
            text,
            "the parameter /pact/api-token does not exist; make it with `aws ssm put-parameter \
             --type SecureString --name /pact/api-token --value …`"
        );
    }

    #[test]
    fn a_secret_is_never_shown() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(…)");
    }
}
