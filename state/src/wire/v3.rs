//! Format 3: format 2, and behind it how many rows of each site are stored.

use serde::{Deserialize, Serialize};

use super::v2::StateV2;
use crate::record::{State, Tally};

#[derive(Serialize, Deserialize)]
pub(super) struct StateV3<'a> {
    #[serde(borrow)]
    state: StateV2<'a>,
    /// One for each site, in their order.
    sent: Vec<TallyV3>,
}

#[derive(Serialize, Deserialize)]
struct TallyV3 {
    rows: u64,
    late: u64,
    resent: u64,
}

impl<'a> StateV3<'a> {
    pub(super) fn of(state: &'a State) -> Self {
        let sent = state.sites.values().map(|site| {
            let Tally { rows, late, resent } = site.sent;
            TallyV3 { rows, late, resent }
        });
        Self { state: StateV2::of(state), sent: sent.collect() }
    }

    pub(super) fn checked(self) -> Result<State, String> {
        let mut state = self.state.checked()?;
        if self.sent.len() != state.sites.len() {
            return Err(format!("{} counts of rows for {} sites", self.sent.len(), state.sites.len()));
        }
        for (site, TallyV3 { rows, late, resent }) in state.sites.values_mut().zip(self.sent) {
            site.sent = Tally { rows, late, resent };
        }
        Ok(state)
    }
}
