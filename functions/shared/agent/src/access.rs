//! Where API tokens and sessions are kept.

use async_trait::async_trait;
use jiff::Timestamp;
use pact_contract::access::{KnownToken, SessionRecord, TokenId, TokenRecord};

use crate::ports::{Listed, StoreError};

/// The API tokens of the installation.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// One token, good or not.
    async fn token(&self, id: &TokenId) -> Result<Option<KnownToken>, StoreError>;
    /// Writes the token in the place of `old`; none: of nothing. False when something else is there.
    async fn put_token(
        &self,
        record: &TokenRecord,
        old: Option<&TokenRecord>,
    ) -> Result<bool, StoreError>;
    /// Writes when the token was used; nothing happens when there is none.
    async fn used(&self, id: &TokenId, at: Timestamp) -> Result<(), StoreError>;
    /// Every token, good or not, until a while after it has expired.
    async fn tokens(&self) -> Result<Listed<KnownToken>, StoreError>;
}

/// Browsers that are signed in, and codes that sign one in. Each by a key that is no secret: the
/// hash of the secret that opens it.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// The session, unless it has ended.
    async fn session(&self, key: &str) -> Result<Option<SessionRecord>, StoreError>;
    /// Begins it.
    async fn open_session(&self, key: &str, record: &SessionRecord) -> Result<(), StoreError>;
    /// Ends it; nothing happens when there is none.
    async fn end_session(&self, key: &str) -> Result<(), StoreError>;
    /// Keeps a code.
    async fn keep_code(&self, key: &str, record: &SessionRecord) -> Result<(), StoreError>;
    /// Takes a code away and gives what it stands for: to one of all that ask.
    async fn take_code(&self, key: &str) -> Result<Option<SessionRecord>, StoreError>;
}

/// Both in memory, for tests.
#[cfg(feature = "testing")]
#[derive(Default)]
pub struct MemoryAccess {
    state: std::sync::Mutex<MemoryState>,
}

#[cfg(feature = "testing")]
#[derive(Default)]
struct MemoryState {
    tokens: std::collections::BTreeMap<TokenId, KnownToken>,
    sessions: std::collections::BTreeMap<String, SessionRecord>,
    codes: std::collections::BTreeMap<String, SessionRecord>,
}

#[cfg(feature = "testing")]
impl MemoryAccess {
    fn state(&self) -> std::sync::MutexGuard<'_, MemoryState> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Everything that is kept, as text: no secret may be in it.
    pub fn dump(&self) -> String {
        let state = self.state();
        format!("{:?} {:?} {:?}", state.tokens, state.sessions, state.codes)
    }
}

#[cfg(feature = "testing")]
#[async_trait]
impl Tokens for MemoryAccess {
    async fn token(&self, id: &TokenId) -> Result<Option<KnownToken>, StoreError> {
        Ok(self.state().tokens.get(id).cloned())
    }
    async fn put_token(
        &self,
        record: &TokenRecord,
        old: Option<&TokenRecord>,
    ) -> Result<bool, StoreError> {
        let tokens = &mut self.state().tokens;
        let known = tokens.get(&record.id);
        if known.map(|known| &known.record) != old {
            return Ok(false);
        }
        let used_at = known.and_then(|known| known.used_at);
        tokens.insert(record.id.clone(), KnownToken { record: record.clone(), used_at });
        Ok(true)
    }
    async fn used(&self, id: &TokenId, at: Timestamp) -> Result<(), StoreError> {
        if let Some(known) = self.state().tokens.get_mut(id) {
            known.used_at = Some(at);
        }
        Ok(())
    }
    async fn tokens(&self) -> Result<Listed<KnownToken>, StoreError> {
        Ok(self.state().tokens.values().cloned().collect::<Vec<_>>().into())
    }
}

#[cfg(feature = "testing")]
#[async_trait]
impl Sessions for MemoryAccess {
    async fn session(&self, key: &str) -> Result<Option<SessionRecord>, StoreError> {
        Ok(self.state().sessions.get(key).cloned())
    }
    async fn open_session(&self, key: &str, record: &SessionRecord) -> Result<(), StoreError> {
        self.state().sessions.insert(key.to_owned(), record.clone());
        Ok(())
    }
    async fn end_session(&self, key: &str) -> Result<(), StoreError> {
        self.state().sessions.remove(key);
        Ok(())
    }
    async fn keep_code(&self, key: &str, record: &SessionRecord) -> Result<(), StoreError> {
        self.state().codes.insert(key.to_owned(), record.clone());
        Ok(())
    }
    async fn take_code(&self, key: &str) -> Result<Option<SessionRecord>, StoreError> {
        Ok(self.state().codes.remove(key))
    }
}
