//! Which rows come after a site's position.

use livecosmos_state::{Cursor, Tie, Time};

use crate::clock;
use crate::source::{Bounds, Resume, Start, TableShape};

/// Whether the row of `row_time` and `tie` comes after where the site stands, and within its bounds.
///
/// A cursor without a tie covers every row of its time. The floor of a first run counts where
/// nothing was stored yet.
pub(in crate::source) fn is_due(resume: &Resume, row_time: Time, tie: &Tie) -> bool {
    let is_within = |bounds: &Bounds| {
        let is_reached = match &bounds.until {
            Cursor::Row { time, tie: Tie::None } => row_time <= *time,
            Cursor::Row { time, tie: last } => (row_time, tie) <= (*time, last),
            Cursor::Start | Cursor::File { .. } => false,
        };
        is_reached && bounds.window.holds(row_time)
    };
    is_behind(resume, row_time, tie) && resume.bounds.as_ref().is_none_or(is_within)
}

fn is_behind(resume: &Resume, row_time: Time, tie: &Tie) -> bool {
    match &resume.cursor {
        Cursor::Row { time: covered, tie: Tie::None } => row_time > *covered,
        Cursor::Row { time: covered, tie: covered_tie } => (row_time, tie) > (*covered, covered_tie),
        Cursor::Start | Cursor::File { .. } => resume.floor.is_none_or(|floor| row_time > floor),
    }
}

/// No row before this time is due; `None` where any may be.
pub(in crate::source) fn lowest_time(resume: &Resume) -> Option<Time> {
    match &resume.cursor {
        Cursor::Row { time, .. } => Some(*time),
        Cursor::Start | Cursor::File { .. } => resume.floor,
    }
}

/// No row after this time is due; `None` where any may be.
pub(in crate::source) fn highest_time(resume: &Resume) -> Option<Time> {
    match resume.bounds.as_ref()?.until {
        Cursor::Row { time, .. } => Some(time),
        Cursor::Start | Cursor::File { .. } => None,
    }
}

/// Whether the cursor stands between rows of one time, which only a tie column tells apart.
pub(in crate::source) fn needs_tie(resume: &Resume) -> bool {
    matches!(&resume.cursor, Cursor::Row { tie, .. } if *tie != Tie::None)
}

/// Why a row is not sent yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::source) enum HeldBack {
    /// Its time lies in the future.
    Future,
    /// Others with earlier times may still come.
    Unsettled,
}

/// Until when rows are due in a pass.
#[derive(Debug, Clone, Copy)]
pub(in crate::source) struct Patience {
    /// Later times lie in the future; none in a pass within bounds: what lies within them was passed by the
    /// live chain. It is sent whatever the clock says now, or a fill would end without it.
    present: Option<Time>,
    /// Later times are not settled; none where nothing has to settle.
    settled: Option<Time>,
}

impl Patience {
    /// What the table's settings say at the start of a pass.
    pub(in crate::source) fn of(shape: &TableShape, start: &Start) -> Self {
        let present = clock::shift(start.now, shape.future_tolerance_s);
        let settled = clock::shift(start.now, -shape.settle_s);
        Self {
            present: (!start.is_bounded).then_some(present),
            settled: (!start.is_bounded && shape.settle_s > 0).then_some(settled),
        }
    }

    /// Whether a row of this time is not sent yet.
    pub(in crate::source) fn held_back(self, time: Time) -> Option<HeldBack> {
        if self.present.is_some_and(|present| time > present) {
            return Some(HeldBack::Future);
        }
        self.settled.is_some_and(|settled| time > settled).then_some(HeldBack::Unsettled)
    }

    /// The newest time of a site that a pass may come to, if `newest` is the newest it has: none where that
    /// lies in the future, for what lies before it is not known.
    pub(in crate::source) fn newest_due(self, newest: Time) -> Option<Time> {
        match self.held_back(newest) {
            Some(HeldBack::Future) => None,
            Some(HeldBack::Unsettled) => self.settled,
            None => Some(newest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(seconds: i64) -> Time {
        Time::new(seconds, 0).unwrap()
    }

    fn at(cursor: Cursor, floor: Option<i64>) -> Resume {
        Resume { cursor, floor: floor.map(time), ..Resume::from_the_start() }
    }

    fn row(seconds: i64, tie: Tie) -> Cursor {
        Cursor::Row { time: time(seconds), tie }
    }

    #[test]
    fn rows_of_the_same_time_are_told_apart_by_their_tie_alone() {
        let tied = at(row(10, Tie::Integer(5)), None);
        assert!(!is_due(&tied, time(10), &Tie::Integer(5)));
        assert!(is_due(&tied, time(10), &Tie::Integer(6)));
        assert!(!is_due(&tied, time(9), &Tie::Integer(99)));
        assert!(is_due(&tied, time(11), &Tie::Integer(0)));
        let untied = at(row(10, Tie::None), None);
        assert!(!is_due(&untied, time(10), &Tie::Integer(6)) && !is_due(&untied, time(10), &Tie::None));
    }

    #[test]
    fn the_floor_counts_only_where_nothing_was_stored() {
        assert!(!is_due(&at(Cursor::Start, Some(10)), time(10), &Tie::None));
        assert!(is_due(&at(Cursor::Start, Some(10)), time(11), &Tie::None));
        assert!(is_due(&at(Cursor::Start, None), time(-5), &Tie::None));
        assert!(is_due(&at(row(5, Tie::None), Some(10)), time(6), &Tie::None));
    }
}
