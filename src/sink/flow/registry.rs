//! The flows of a process: one for each sink, whoever stores there.

use std::sync::Arc;

use super::{Flow, FlowLimits};
use crate::sink::Settings;

/// The flows of all tables that are followed.
#[derive(Debug, Clone, Default)]
pub struct Flows(Vec<(Settings, Arc<Flow>)>);

impl Flows {
    /// Makes one flow for each server that `sinks` name. Where tables of one server have other limits, the
    /// strictest of bytes and requests hold, and the most that any of them may have under way.
    #[must_use]
    pub fn new<'a>(sinks: impl IntoIterator<Item = (&'a Settings, FlowLimits)>) -> Self {
        let mut limited: Vec<(Settings, FlowLimits)> = Vec::new();
        for (settings, limits) in sinks {
            match limited.iter_mut().find(|(known, _)| known.is_same_server(settings)) {
                Some((_, known)) => *known = known.with(limits),
                None => limited.push((settings.clone(), limits)),
            }
        }
        Self(limited.into_iter().map(|(settings, limits)| (settings, Arc::new(Flow::new(limits)))).collect())
    }

    /// The flow to the sink of `settings`; one of its own where no table names it.
    #[must_use]
    pub fn to(&self, settings: &Settings, limits: FlowLimits) -> Arc<Flow> {
        let known = self.0.iter().find(|(known, _)| known.is_same_server(settings));
        known.map_or_else(|| Arc::new(Flow::new(limits)), |(_, flow)| Arc::clone(flow))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Flow>> {
        self.0.iter().map(|(_, flow)| flow)
    }
}

impl FlowLimits {
    /// The limits of both.
    fn with(self, other: Self) -> Self {
        let least = |one: Option<u64>, other: Option<u64>| one.into_iter().chain(other).min();
        Self {
            in_flight_max: self.in_flight_max.max(other.in_flight_max),
            bytes_per_second_max: least(self.bytes_per_second_max, other.bytes_per_second_max),
            requests_per_second_max: least(self.requests_per_second_max, other.requests_per_second_max),
            patience: self.patience.max(other.patience),
        }
    }
}
