//! What is settled for a whole history.

use livecosmos::key::KeyTemplate;
use livecosmos::uploader::Lookback;

use crate::history::DAY_S;
use crate::random::Random;

/// Presets and templates of each promise.
const KEYS: [&str; 7] = [
    "chain",
    "chain",
    "hive",
    "iot-swarm",
    "{site}/{from}/{seq}{ext}",
    "{site}/{seq}-{md5}",
    "{site}/{year}/{month}/{day}/{hour}/{seq}.x",
];

/// Settings that are drawn once.
#[derive(Debug)]
pub(crate) struct Kind {
    /// Whether rows have a number of their own.
    pub(crate) has_tie: bool,
    pub(crate) batch_rows_max: usize,
    pub(crate) lookback: Option<Lookback>,
    pub(crate) catches_up: bool,
    pub(crate) late: Late,
    /// How keys are made.
    pub(crate) key: &'static str,
    /// Rows go to an endpoint, which cannot be asked what it holds: there is one daemon, whose state may be
    /// rolled back and is never lost.
    pub(crate) has_receiver: bool,
}

/// What becomes of rows that come late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Late {
    /// The window is longer than any history: they are due by themselves.
    Found,
    /// They are due once they are asked for. There is one daemon: another knows nothing of what was asked
    /// of the first.
    AskedFor,
    /// There are none, and nobody looks for any: what a fill does not send is lost.
    None,
}

impl Kind {
    pub(crate) fn draw(random: &mut Random) -> Self {
        let late = [Late::Found, Late::Found, Late::AskedFor, Late::None]
            [usize::try_from(random.below(4)).expect("one of four")];
        let seconds = match (late, random.below(3)) {
            (Late::Found, _) => Some(20 * DAY_S),
            (Late::AskedFor, 1) => Some(DAY_S / 4),
            (Late::AskedFor, 2) => Some(2 * DAY_S),
            (Late::AskedFor | Late::None, _) => None,
        };
        let key = KEYS[usize::try_from(random.below(KEYS.len() as u64)).expect("one of them")];
        let has_receiver = late == Late::None && random.once_in(2);
        let has_tie = !random.once_in(3);
        // Without a tie a changed row cannot be told from another, and no configuration may ignore it.
        let sends_updates = !has_tie || !random.once_in(4);
        Self {
            has_tie,
            batch_rows_max: 1 + usize::try_from(random.below(5)).expect("a small number"),
            lookback: seconds.map(|seconds| Lookback { seconds, sends_updates }),
            catches_up: !random.once_in(4),
            late,
            // Whoever cannot be asked is sent keys that follow from the chain.
            key: if has_receiver { KEYS[0] } else { key },
            has_receiver,
        }
    }

    pub(crate) fn template(&self) -> KeyTemplate {
        KeyTemplate::parse(self.key).expect("a template")
    }

    /// Whether the chain decides keys: then two daemons may store at the same moment, and a put may arrive
    /// when nobody knows of it any more.
    pub(crate) fn is_decided_by_chain(&self) -> bool {
        self.template().is_decided_by_chain()
    }

    /// Whether a row that changed is due again.
    pub(crate) fn sends_updates(&self) -> bool {
        self.late != Late::None && self.lookback.is_none_or(|lookback| lookback.sends_updates)
    }
}
