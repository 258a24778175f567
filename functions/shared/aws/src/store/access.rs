//! API tokens and sessions.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::ReturnValue;
use jiff::{SignedDuration, Timestamp};
use pact_agent::{
    access::{Sessions, Tokens},
    ports::{Listed, StoreError, Unreadable},
};
use pact_contract::access::{KnownToken, SessionRecord, TokenId, TokenRecord};

use super::{
    DynamoStore,
    conditional::held,
    item::{Item, has_expired, json, n, optional_text, s, text, unreadable},
    kind::{SESSION, TOKEN},
};
use crate::error::failed;

/// How long a token is listed after it has expired.
const LISTED_AFTER: SignedDuration = SignedDuration::from_hours(30 * 24);

fn token_key(id: &TokenId) -> String {
    format!("TOKEN#{id}")
}

fn session_key(key: &str) -> String {
    format!("SESSION#{key}")
}

fn code_key(key: &str) -> String {
    format!("CODE#{key}")
}

/// What of a token stands in its item.
fn known(item: &Item) -> Result<KnownToken, Unreadable> {
    let record = TOKEN.document(item, "record")?;
    let used_at = optional_text(item, "used_at")
        .map(|text| text.parse().map_err(|_| unreadable(item, "its \"used_at\" is no instant")))
        .transpose()?;
    Ok(KnownToken { record, used_at })
}

#[async_trait]
impl Tokens for DynamoStore {
    async fn token(&self, id: &TokenId) -> Result<Option<KnownToken>, StoreError> {
        let item = self.get("read the token", token_key(id), "TOKEN").await?;
        Ok(item.map(|item| known(&item)).transpose()?)
    }

    async fn put_token(
        &self,
        record: &TokenRecord,
        old: Option<&TokenRecord>,
    ) -> Result<bool, StoreError> {
        let gone = record.expires_at.checked_add(LISTED_AFTER).unwrap_or(Timestamp::MAX);
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", s(token_key(&record.id)))
            .key("sk", s("TOKEN"))
            .expression_attribute_names("#record", "record")
            .expression_attribute_names("#schema", "schema")
            .expression_attribute_names("#expires", "expires")
            .expression_attribute_values(":record", json("the token", record)?)
            .expression_attribute_values(":schema", TOKEN.written())
            .expression_attribute_values(":expires", n(gone.as_second()));
        // An update leaves alone when it was used, which others write.
        let set = "SET #record = :record, #schema = :schema, #expires = :expires";
        let update = match old {
            None => update
                .update_expression(format!("{set}, gsi1pk = :list, gsi1sk = :id"))
                .condition_expression("attribute_not_exists(pk)")
                .expression_attribute_values(":list", s("TOKENS"))
                .expression_attribute_values(":id", s(&record.id)),
            Some(old) => {
                let item = self.get("read the token", token_key(&record.id), "TOKEN").await?;
                let Some(item) = item else { return Ok(false) };
                if known(&item)?.record != *old {
                    return Ok(false);
                }
                update
                    .update_expression(set)
                    .condition_expression("#record = :old")
                    .expression_attribute_values(":old", s(text(&item, "record")?))
            }
        };
        held("write the token", update.send().await)
    }

    async fn used(&self, id: &TokenId, at: Timestamp) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", s(token_key(id)))
            .key("sk", s("TOKEN"))
            .update_expression("SET used_at = :at")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":at", s(at.to_string()));
        held("write the use of the token", update.send().await).map(drop)
    }

    async fn tokens(&self) -> Result<Listed<KnownToken>, StoreError> {
        let items = self.items_of_list("read the tokens", "TOKENS", "").await?;
        Ok(items.into_iter().filter(|item| !has_expired(item)).map(|item| known(&item)).collect())
    }
}

impl DynamoStore {
    async fn keep_session(
        &self,
        what: &str,
        (pk, sk): (String, &str),
        record: &SessionRecord,
    ) -> Result<(), StoreError> {
        self.client
            .put_item()
            .table_name(&self.table)
            .item("pk", s(pk))
            .item("sk", s(sk))
            .item("schema", SESSION.written())
            .item("expires", n(record.expires_at.as_second()))
            .item("record", json("the session", record)?)
            .send()
            .await
            .map(drop)
            .map_err(|error| failed(what, error))
    }
}

#[async_trait]
impl Sessions for DynamoStore {
    async fn session(&self, key: &str) -> Result<Option<SessionRecord>, StoreError> {
        let item = self.get("read the session", session_key(key), "SESSION").await?;
        Ok(item.map(|item| SESSION.document(&item, "record")).transpose()?)
    }

    async fn open_session(&self, key: &str, record: &SessionRecord) -> Result<(), StoreError> {
        self.keep_session("begin the session", (session_key(key), "SESSION"), record).await
    }

    async fn end_session(&self, key: &str) -> Result<(), StoreError> {
        self.client
            .delete_item()
            .table_name(&self.table)
            .key("pk", s(session_key(key)))
            .key("sk", s("SESSION"))
            .send()
            .await
            .map(drop)
            .map_err(|error| failed("end the session", error))
    }

    async fn keep_code(&self, key: &str, record: &SessionRecord) -> Result<(), StoreError> {
        self.keep_session("keep the code", (code_key(key), "CODE"), record).await
    }

    async fn take_code(&self, key: &str) -> Result<Option<SessionRecord>, StoreError> {
        // Who deletes it has it: a second one finds nothing.
        let taken = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key("pk", s(code_key(key)))
            .key("sk", s("CODE"))
            .return_values(ReturnValue::AllOld)
            .send()
            .await
            .map_err(|error| failed("take the code", error))?;
        let item = taken.attributes.filter(|item| !item.is_empty() && !has_expired(item));
        Ok(item.map(|item| SESSION.document(&item, "record")).transpose()?)
    }
}
