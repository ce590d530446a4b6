//! When a daemon looks first: many that start at the same instant must not arrive in the same second.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use livecosmos_state::TableName;

/// How long after its start a daemon with this state looks at `table` first: always the same, and another
/// for each state and table, evenly over `jitter`. Whoever looks at fixed intervals from then on stays apart
/// from the others.
pub(super) fn first_look(instance: &str, table: &TableName, jitter: Duration) -> Duration {
    let hash = digest(&SHA256, format!("{instance}/{table}").as_bytes());
    let drawn = hash.as_ref().iter().take(4).fold(0, |drawn: u32, byte| drawn << 8 | u32::from(*byte));
    jitter.mul_f64(f64::from(drawn) / (f64::from(u32::MAX) + 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const JITTER: Duration = Duration::from_secs(60);

    #[test]
    fn a_fleet_that_starts_at_once_looks_evenly_over_the_jitter() {
        let table = TableName::parse("T").unwrap();
        let mut seconds = [0; 60];
        for station in 0..6_000 {
            let look = first_look(&format!("station-{station}"), &table, JITTER);
            seconds[usize::try_from(look.as_secs()).unwrap()] += 1;
        }
        assert!(seconds.iter().all(|count| (60..150).contains(count)), "{seconds:?}");
    }

    #[test]
    fn a_daemon_looks_at_the_same_time_after_each_start_and_at_another_table_at_another() {
        let look = |instance, table| first_look(instance, &TableName::parse(table).unwrap(), JITTER);
        assert_eq!(look("a", "T"), look("a", "T"));
        assert_ne!(look("a", "T"), look("a", "U"));
        assert_ne!(look("a", "T"), look("b", "T"));
        assert_eq!(first_look("a", &TableName::parse("T").unwrap(), Duration::ZERO), Duration::ZERO);
    }
}
