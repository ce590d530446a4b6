//! Which sites share a statement: those whose rows are due from about the same time on.

use livecosmos_state::Time;

/// Sites this near the newest bound are read together.
const FRONT_S: i64 = 60;
/// Beyond it, the bounds of a group lag so many times as far at most: of the rows that are read
/// of a site, so much at most is not due.
const LAG_TIMES: i64 = 4;

/// Places of `bounds`, grouped by how far they lie behind the newest: about a dozen groups at most,
/// however many there are, each cut where it has more than `sites_max`. Sites without a bound are a group of their own.
pub(in crate::source) fn grouped(bounds: &[Option<Time>], sites_max: usize) -> Vec<Vec<usize>> {
    let newest = bounds.iter().flatten().max().map_or(0, |time| time.seconds);
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (at, bound) in bounds.iter().enumerate() {
        let group = bound.map_or(0, |bound| 1 + level(newest.saturating_sub(bound.seconds)));
        if groups.len() <= group {
            groups.resize_with(group + 1, Vec::new);
        }
        groups[group].push(at);
    }
    // The front first: its rows are what somebody waits for.
    let front_at = usize::from(!groups.is_empty());
    groups.rotate_left(front_at);
    groups.iter().flat_map(|group| group.chunks(sites_max)).map(<[usize]>::to_vec).collect()
}

fn level(lag_s: i64) -> usize {
    let mut level = 0;
    let mut limit = FRONT_S;
    while lag_s > limit {
        limit = limit.saturating_mul(LAG_TIMES);
        level += 1;
    }
    level
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(lags_s: &[i64]) -> Vec<Option<Time>> {
        let now = 1_700_000_000;
        lags_s.iter().map(|lag| Some(Time::new(now - lag, 0).expect("a time"))).collect()
    }

    #[test]
    fn sites_near_the_front_share_a_statement_and_one_that_lags_has_its_own() {
        assert_eq!(grouped(&bounds(&[0, 30, 86_400, 60]), 99), [vec![0, 1, 3], vec![2]]);
        assert_eq!(grouped(&[None, bounds(&[0])[0]], 99), [vec![1], vec![0]]);
        assert!(grouped(&[], 99).is_empty());
    }

    #[test]
    fn however_many_sites_lag_there_are_about_a_dozen_groups() {
        let ten_years = 315_360_000;
        let lags: Vec<i64> = (0..5_000).map(|at| ten_years * at / 5_000).collect();
        let groups = grouped(&bounds(&lags), 10_000);
        assert!(groups.len() <= 13, "{}", groups.len());
        assert_eq!(groups.iter().map(Vec::len).sum::<usize>(), lags.len());
    }

    #[test]
    fn bounds_of_a_group_lag_at_most_four_times_as_far() {
        let lags: Vec<i64> = (0..40).map(|at| 61 * 3_i64.pow(at / 4) + i64::from(at)).collect();
        for group in grouped(&bounds(&lags), 10_000) {
            let of_group = || group.iter().map(|at| lags[*at]);
            let (least, most) = (of_group().min().expect("one"), of_group().max().expect("one"));
            assert!(most <= 60 || most <= 4 * least, "{least} to {most}");
        }
    }

    #[test]
    fn no_statement_has_more_sites_than_it_may() {
        let sizes: Vec<usize> = grouped(&vec![None; 25_000], 10_000).iter().map(Vec::len).collect();
        assert_eq!(sizes, [10_000, 10_000, 5_000]);
    }
}
