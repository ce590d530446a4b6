//! What every source promises the uploader, asked of each of them: the rules stand in `rules`, a source
//! in front of which rows are put is a `Bed`, and `desk` is the uploader's side.

#![allow(clippy::print_stdout, reason = "prints the seed")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../data/mod.rs"]
mod data;
#[path = "../support/mod.rs"]
mod support;

mod bed;
mod csv;
mod desk;
mod mariadb;
mod oracle;
mod postgres;
mod rules;
mod sqlite;

/// Every rule, for the bed that `$make` makes.
macro_rules! keeps_the_contract {
    ($source:ident, $make:path) => {
        keeps_the_contract!(@rules $source, $make,
            every_row_comes_once_in_the_order_of_its_site
            an_idle_pass_gives_nothing
            a_server_is_asked_as_little_for_many_sites_as_for_few
            rows_that_were_added_are_found_and_no_others
            another_source_goes_on_where_the_sites_stand
            wherever_a_pass_is_cut_off_the_next_gives_the_rest
            rows_of_one_time_are_parted_by_their_tie_alone
            batches_keep_to_their_limits_and_to_one_site
            the_floor_of_a_first_run_holds_for_a_site_that_appears
            a_site_that_waits_is_passed_over_and_costs_the_others_nothing
            rows_without_a_time_or_a_site_are_put_aside_and_stop_nothing
            what_is_no_site_is_put_aside_and_harms_nothing
            rows_of_the_future_are_held_back_and_counted
            a_stop_is_obeyed_within_a_pass
            only_the_sites_that_are_asked_for_are_read
            bounds_are_kept_on_both_sides
            a_source_that_has_read_on_still_finds_what_lies_far_behind
            values_leave_as_they_were_written
            random_histories_lose_and_double_nothing
        );
    };
    (@rules $source:ident, $make:path, $($rule:ident)*) => {
        mod $source {
            $(#[test]
            fn $rule() {
                crate::rules::$rule(&mut $make());
            })*
        }
    };
}

keeps_the_contract!(csv_files, crate::csv::CsvBed::new);
keeps_the_contract!(sqlite_tables, crate::sqlite::SqliteBed::new);
keeps_the_contract!(mariadb_by_site, crate::mariadb::MariadbBed::by_site);
keeps_the_contract!(mariadb_by_time, crate::mariadb::MariadbBed::by_time);
keeps_the_contract!(mariadb_scanned, crate::mariadb::MariadbBed::scanned);
keeps_the_contract!(postgres_by_site, crate::postgres::PostgresBed::by_site);
keeps_the_contract!(postgres_by_time, crate::postgres::PostgresBed::by_time);
keeps_the_contract!(postgres_scanned, crate::postgres::PostgresBed::scanned);
keeps_the_contract!(oracle_client_by_site, crate::oracle::OracleBed::client_by_site);
keeps_the_contract!(oracle_client_scanned, crate::oracle::OracleBed::client_scanned);
keeps_the_contract!(oracle_thin_by_site, crate::oracle::OracleBed::thin_by_site);
keeps_the_contract!(oracle_thin_by_time, crate::oracle::OracleBed::thin_by_time);
