//! Writes on conditions: of one item, and of two at once.

use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    operation::transact_write_items::TransactWriteItemsError,
    types::{Put, TransactWriteItem, builders::PutBuilder},
};
use pact_agent::ports::StoreError;

use super::DynamoStore;
use crate::error::failed;

/// Whether the condition of a write held.
pub(super) fn held<T, E, R>(
    what: &str,
    written: Result<T, SdkError<E, R>>,
) -> Result<bool, StoreError>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    match written {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
        Err(error) => Err(failed(what, error)),
    }
}

impl DynamoStore {
    /// Writes both items on their conditions. False when another was faster. The SDK gives the
    /// transaction a token of its own, so that its retries write once.
    pub(super) async fn put_both(&self, what: &str, items: [Put; 2]) -> Result<bool, StoreError> {
        let items = items.map(|put| TransactWriteItem::builder().put(put).build());
        let request = self.client.transact_write_items();
        match request.set_transact_items(Some(items.into())).send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(lost_the_race) => Ok(false),
            Err(error) => Err(failed(what, error)),
        }
    }
}

impl DynamoStore {
    /// Writes an item that is not there yet, with others beside it. False, and nothing is written,
    /// when it is there.
    pub(super) async fn put_new(
        &self,
        what: &str,
        new: PutBuilder,
        others: impl Iterator<Item = PutBuilder>,
    ) -> Result<bool, StoreError> {
        let incomplete =
            |error| StoreError::unavailable(format!("cannot {what}: request: {error}"), error);
        let puts = std::iter::once(new).chain(others).map(|put| {
            Ok(TransactWriteItem::builder().put(put.build().map_err(incomplete)?).build())
        });
        let puts = puts.collect::<Result<Vec<_>, StoreError>>()?;
        let request = self.client.transact_write_items();
        match request.set_transact_items(Some(puts)).send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(first_is_there) => Ok(false),
            Err(error) => Err(failed(what, error)),
        }
    }
}

/// Whether the first item of a transaction did not meet its condition.
fn first_is_there(error: &TransactWriteItemsError) -> bool {
    unmet(error) == Some(0)
}

/// The first item of a transaction that did not meet its condition.
pub(super) fn unmet(error: &TransactWriteItemsError) -> Option<usize> {
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else {
        return None;
    };
    let mut reasons = cancelled.cancellation_reasons().iter();
    reasons.position(|reason| reason.code() == Some("ConditionalCheckFailed"))
}

/// Whether a transaction was cancelled because of what others did at the same time.
pub(super) fn lost_the_race(error: &TransactWriteItemsError) -> bool {
    match error {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => {
            cancelled.cancellation_reasons().iter().all(|reason| {
                matches!(
                    reason.code(),
                    None | Some(
                        "None"
                            | "ConditionalCheckFailed"
                            | "TransactionConflict"
                            | "ThrottlingError"
                            | "ProvisionedThroughputExceeded"
                    )
                )
            })
        }
        TransactWriteItemsError::TransactionInProgressException(_) => true,
        _ => false,
    }
}
