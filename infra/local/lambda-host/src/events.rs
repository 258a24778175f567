//! Asynchronous invocations: taken, queued, and tried again as Lambda does.

use crate::{
    error::RequestError,
    spec::{FunctionSpec, Invocation, Policy},
};
use std::{
    time::{Duration, Instant},
    vec::IntoIter,
};

/// When an event is tried again: policy only, no clock of its own.
///
/// An error of the function counts as a try. A throttle or a fault of the host does not: the event
/// waits longer each time, until it is too old.
pub(crate) struct Retries {
    since: Instant,
    max_age: Duration,
    pauses: IntoIter<Duration>,
    throttled: Duration,
    longest: Duration,
}

/// What becomes of an event after a try.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It was handled.
    Done,
    /// It is tried again after this pause.
    After(Duration),
    /// It is given up.
    GiveUp(&'static str),
}

impl Retries {
    pub(crate) fn new(spec: &FunctionSpec, policy: &Policy, now: Instant) -> Retries {
        let last = policy.retries.last().copied().unwrap_or_default();
        let pauses = policy.retries.iter().copied().chain(std::iter::repeat(last));
        let count = usize::try_from(spec.retries).unwrap_or(usize::MAX).min(MOST_RETRIES);
        Retries {
            since: now,
            max_age: spec.max_event_age,
            pauses: pauses.take(count).collect::<Vec<_>>().into_iter(),
            throttled: policy.throttled.0,
            longest: policy.throttled.1,
        }
    }

    pub(crate) fn next(&mut self, result: &Result<Invocation, RequestError>, now: Instant) -> Next {
        let pause = match result {
            Ok(invocation) if invocation.function_error.is_none() => return Next::Done,
            Ok(_) => match self.pauses.next() {
                Some(pause) => pause,
                None => return Next::GiveUp("RetriesExhausted"),
            },
            Err(_) => {
                let pause = self.throttled;
                self.throttled = pause.saturating_mul(2).min(self.longest);
                pause
            }
        };
        if now.saturating_duration_since(self.since).saturating_add(pause) > self.max_age {
            return Next::GiveUp("EventAgeExceeded");
        }
        Next::After(pause)
    }
}

/// AWS allows no more.
const MOST_RETRIES: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Throttle;

    const MINUTE: Duration = Duration::from_secs(60);

    fn answered(error: bool) -> Result<Invocation, RequestError> {
        Ok(Invocation {
            payload: "{}".into(),
            function_error: error.then(|| "Unhandled".to_owned()),
            version: "$LATEST".to_owned(),
            request_id: "id".to_owned(),
            log_tail: String::new(),
            duration: Duration::ZERO,
        })
    }

    fn retries(change: impl FnOnce(&mut FunctionSpec)) -> (Retries, Instant) {
        let mut spec = FunctionSpec::new("f", "arn", "/program");
        change(&mut spec);
        let now = Instant::now();
        (Retries::new(&spec, &Policy::default(), now), now)
    }

    #[test]
    fn an_error_is_tried_twice_again_after_one_minute_and_two() {
        let (mut retries, now) = retries(|_| {});
        assert_eq!(retries.next(&answered(true), now), Next::After(MINUTE));
        assert_eq!(retries.next(&answered(true), now), Next::After(2 * MINUTE));
        assert_eq!(retries.next(&answered(true), now), Next::GiveUp("RetriesExhausted"));
        assert_eq!(retries.next(&answered(false), now), Next::Done);
    }

    #[test]
    fn a_function_may_ask_for_fewer_tries() {
        let (mut retries, now) = retries(|spec| spec.retries = 0);
        assert_eq!(retries.next(&answered(true), now), Next::GiveUp("RetriesExhausted"));
    }

    #[test]
    fn a_throttle_costs_no_try_and_waits_longer_each_time_until_the_event_is_too_old() {
        let (mut retries, start) = retries(|spec| spec.max_event_age = 60 * MINUTE);
        let refused = Err(RequestError::TooManyRequests(Throttle::Unreserved));
        let (mut now, mut pauses) = (start, Vec::new());
        while let Next::After(pause) = retries.next(&refused, now) {
            pauses.push(pause.as_secs());
            now += pause;
        }
        assert_eq!(pauses.get(..10), Some(&[1, 2, 4, 8, 16, 32, 64, 128, 256, 300][..]));
        assert!(now - start <= 60 * MINUTE, "{pauses:?}");
        assert_eq!(retries.next(&refused, now), Next::GiveUp("EventAgeExceeded"));
        // The function was not to blame: its tries are left.
        assert_eq!(retries.next(&answered(true), start), Next::After(MINUTE));
    }
}
