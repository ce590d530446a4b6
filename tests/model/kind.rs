//! What is settled for a whole history.

use livecosmos::uploader::Lookback;

use crate::history::DAY_S;
use crate::random::Random;

/// Settings that are drawn once.
#[derive(Debug)]
pub(crate) struct Kind {
    /// Whether rows have a number of their own.
    pub(crate) has_tie: bool,
    pub(crate) batch_rows_max: usize,
    pub(crate) lookback: Option<Lookback>,
    pub(crate) catches_up: bool,
    /// The window is longer than any history, and each row that comes late is due by itself. Otherwise it
    /// is due once it is asked for; and there is one daemon, since another knows nothing of what was asked
    /// of the first.
    pub(crate) finds_all_late: bool,
}

impl Kind {
    pub(crate) fn draw(random: &mut Random) -> Self {
        let finds_all_late = !random.once_in(3);
        let seconds = match (finds_all_late, random.below(3)) {
            (true, _) => Some(20 * DAY_S),
            (false, 0) => None,
            (false, 1) => Some(DAY_S / 4),
            (false, _) => Some(2 * DAY_S),
        };
        let has_tie = !random.once_in(3);
        // Without a tie a changed row cannot be told from another, and no configuration may ignore it.
        let sends_updates = !has_tie || !random.once_in(4);
        Self {
            has_tie,
            batch_rows_max: 1 + usize::try_from(random.below(5)).expect("a small number"),
            lookback: seconds.map(|seconds| Lookback { seconds, sends_updates }),
            catches_up: !random.once_in(4),
            finds_all_late,
        }
    }

    /// Whether a row that changed is due again.
    pub(crate) fn sends_updates(&self) -> bool {
        self.lookback.is_none_or(|lookback| lookback.sends_updates)
    }
}
