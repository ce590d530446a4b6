//! A put that leaves at its pace.

use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::SdkBody;
use bytes::Bytes;

use crate::sink::{Pace, PacedBody};

/// Replaces the body of a request, once it is signed and its checksum stands in its head, by the same bytes
/// at a pace: the server sees no difference but the time it takes.
///
/// A body that streams from the start would have its checksum in a trailer, which not all servers take.
#[derive(Debug)]
pub(super) struct Paced {
    /// As they are to be sent, and already are in memory.
    pub(super) bytes: Bytes,
    pub(super) pace: Pace,
}

impl Intercept for Paced {
    fn name(&self) -> &'static str {
        "livecosmos paced"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.request_mut().body_mut();
        if body.bytes() == Some(&self.bytes) {
            *body = SdkBody::from_body_1_x(PacedBody::new(self.bytes.clone(), self.pace.clone()));
        }
        Ok(())
    }
}
