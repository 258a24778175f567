//! Counts the read units that requests of the SDK take, by asking the table for them.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::{
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        interceptors::{
            AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
        },
    },
    error::BoxError,
};
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

/// The units since the last [`Units::reset`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Units(Arc<Mutex<f64>>);

impl Units {
    pub(crate) fn reset(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = 0.0;
    }

    pub(crate) fn read(&self) -> f64 {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for Units {
    fn name(&self) -> &'static str {
        "Units"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        let Some(body) = request.body().bytes() else { return Ok(()) };
        let mut body: Value = serde_json::from_slice(body)?;
        body["ReturnConsumedCapacity"] = json!("TOTAL");
        let body = body.to_string();
        request.headers_mut().insert("content-length", body.len().to_string());
        *request.body_mut() = SdkBody::from(body);
        Ok(())
    }

    // Before that the body is not read yet.
    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(body) = context.response().body().bytes() else { return Ok(()) };
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let used = &body["ConsumedCapacity"];
        let of = |used: &Value| used["CapacityUnits"].as_f64().unwrap_or_default();
        let used: f64 = of(used) + used.as_array().into_iter().flatten().map(of).sum::<f64>();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += used;
        Ok(())
    }
}
