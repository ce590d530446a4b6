//! A table that grows is followed, row by row.

use super::speech::Speech;
use super::table::{following, ids, insert, once, served, stored_ids};

pub(crate) fn rows_of_a_table_are_stored_once_and_then_those_that_were_added<E: Speech>() {
    let server = served::<E>(300);
    let workdir = following::<E>(&server.url(), "");
    let run = once(&workdir);
    let _ = run.run().expect_code(0);
    assert_eq!(stored_ids(&workdir), ids(1, 300));
    let _ = run.run().expect_code(0);
    assert_eq!(stored_ids(&workdir), ids(1, 300));
    insert(&server, 301, 450);
    let _ = run.run().expect_code(0);
    assert_eq!(stored_ids(&workdir), ids(1, 450));
}

macro_rules! play {
    ($engine:ty) => {
        crate::served::played!(followed, $engine:
            rows_of_a_table_are_stored_once_and_then_those_that_were_added
        );
    };
}
pub(crate) use play;
