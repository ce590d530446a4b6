//! Random lives of a store against a model of it: commits, kills, power cuts, rot, reopening.
//!
//! Other than the enumeration in `crashes`, the records are large and of every kind, and the lives
//! are long. A failing life is printed with the seed that brings it back.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::path::Path;
use std::sync::Arc;

use livecosmos_state::*;
use proptest::prelude::*;
use support::sample;
use support::sim::{Image, SimDisk};

const FILES: [&str; 2] = ["LEVEL1_SOILMET_30MIN.state", "LEVEL1_SOILMET_30MIN.state.backup"];

#[derive(Clone, Debug)]
enum Step {
    /// Commits a state of so many sites.
    Commit { sites: usize },
    /// Ends the process within a commit or between two, at the moment so far into it.
    Kill { sites: usize, moment: usize },
    /// Cuts the power there; of what may then be on the disk takes the one of that number.
    PowerCut { sites: usize, moment: usize, outcome: usize },
    /// Lets a file rot, and reopens.
    Rot { file: usize },
    /// Ends the process and opens the store again.
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let sites = 0..60_usize;
    let step = prop_oneof![
        3 => sites.clone().prop_map(|sites| Step::Commit { sites }),
        1 => (sites.clone(), any::<usize>()).prop_map(|(sites, moment)| Step::Kill { sites, moment }),
        2 => (sites, any::<usize>(), any::<usize>())
            .prop_map(|(sites, moment, outcome)| Step::PowerCut { sites, moment, outcome }),
        1 => (0..2_usize).prop_map(|file| Step::Rot { file }),
        1 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..25)
}

/// A store, and what it must hold.
struct Life<'a> {
    dir: &'a Path,
    sim: SimDisk,
    store: Option<Store>,
    acknowledged: State,
    /// The state of a commit that was interrupted: it may be there or not.
    possible: Option<State>,
}

impl<'a> Life<'a> {
    fn begin(dir: &'a Path) -> Self {
        let acknowledged = State::new(sample::table(), "");
        let mut life =
            Self { dir, sim: SimDisk::new(Image::empty_dir()), store: None, acknowledged, possible: None };
        life.reopen();
        life
    }

    fn reopen(&mut self) {
        self.store = None;
        let opened =
            sample::open_on(Arc::new(self.sim.clone()), self.dir).expect("it opens after every step");
        let found = opened.store.state();
        if self.possible.as_ref() == Some(found) {
            self.acknowledged = found.clone();
        }
        assert!(
            *found == self.acknowledged,
            "{} sites were acknowledged, {} are there",
            self.acknowledged.sites.len(),
            found.sites.len()
        );
        self.possible = None;
        self.store = Some(opened.store);
    }

    fn commit(&mut self, sites: usize) -> State {
        let wanted = sample::state_of(sites);
        let store = self.store.as_mut().expect("it is open");
        store.commit(|state| state.clone_from(&wanted)).expect("the disk takes everything");
        wanted
    }

    /// Runs a commit, and goes back to one of its moments.
    fn interrupt(&mut self, sites: usize, moment: usize) -> Image {
        let before = self.sim.image();
        let wanted = self.commit(sites);
        let mut moments = self.sim.take_history();
        moments.push(before);
        // The last moment but one is after the acknowledgement.
        let at = moment % moments.len();
        if at == moments.len() - 2 {
            self.acknowledged = wanted;
        } else {
            self.possible = Some(wanted);
        }
        moments.swap_remove(at)
    }

    fn step(&mut self, step: &Step) {
        self.sim.take_history();
        match *step {
            Step::Commit { sites } => self.acknowledged = self.commit(sites),
            Step::Kill { sites, moment } => {
                self.sim = SimDisk::new(self.interrupt(sites, moment));
                self.reopen();
            }
            Step::PowerCut { sites, moment, outcome } => {
                let mut outcomes = self.interrupt(sites, moment).after_power_cut();
                self.sim = SimDisk::new(outcomes.swap_remove(outcome % outcomes.len()));
                self.reopen();
            }
            Step::Rot { file } => {
                self.sim.alter(|image| image.rot(FILES[file]));
                self.reopen();
            }
            Step::Reopen => self.reopen(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_shrink_iters: 500, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_life_of_a_store_loses_what_it_acknowledged(steps in steps()) {
        let dir = sample::state_dir();
        let state_dir = dir.path().join("state");
        let mut life = Life::begin(&state_dir);
        for step in &steps {
            life.step(step);
        }
        life.reopen();
        prop_assert!(life.sim.image().names().iter().all(|name| FILES.contains(name)));
    }
}
