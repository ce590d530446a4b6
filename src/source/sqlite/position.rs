//! Which rows come after a site's position.

use livecosmos_state::{Cursor, Tie, Time};

use crate::source::{Bounds, Resume};

/// Whether the row of `row_time` and `tie` comes after where the site stands, and within its bounds.
///
/// A cursor without a tie covers every row of its time. The floor of a first run counts where
/// nothing was stored yet.
pub(super) fn is_due(resume: &Resume, row_time: Time, tie: &Tie) -> bool {
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
pub(super) fn lowest_time(resume: &Resume) -> Option<Time> {
    match &resume.cursor {
        Cursor::Row { time, .. } => Some(*time),
        Cursor::Start | Cursor::File { .. } => resume.floor,
    }
}

/// No row after this time is due; `None` where any may be.
pub(super) fn highest_time(resume: &Resume) -> Option<Time> {
    match resume.bounds.as_ref()?.until {
        Cursor::Row { time, .. } => Some(time),
        Cursor::Start | Cursor::File { .. } => None,
    }
}

/// Whether the cursor stands between rows of one time, which only a tie column tells apart.
pub(super) fn needs_tie(resume: &Resume) -> bool {
    matches!(&resume.cursor, Cursor::Row { tie, .. } if *tie != Tie::None)
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
