//! A table that grows is followed, through either driver.

use std::time::Duration;

use crate::scene::{Way, ids, insert, soilmet, stored_ids, with_client};
use crate::support::daemon::workdir;
use crate::support::objects;
use crate::support::process::wait_until;

const WITHIN: Duration = Duration::from_mins(1);

#[test]
fn rows_are_stored_once_and_then_those_that_were_added_by_either_driver() {
    for way in Way::BOTH {
        let tables = soilmet();
        let server = way.serve(&tables);
        insert(&tables, 1, 60);
        let workdir = server.following(server.driver());
        let run = with_client(workdir.livecosmos().table("SOILMET").arg("--once"));
        let _ = run.run().expect_code(0);
        assert_eq!(stored_ids(&workdir), ids(1, 60), "{way:?}");
        insert(&tables, 61, 90);
        let _ = run.run().expect_code(0);
        assert_eq!(stored_ids(&workdir), ids(1, 90), "{way:?}");
        let rows = objects::rows(&objects::in_folder(&workdir.path("stored")));
        let fields = rows[0].fields();
        // As few digits as the number needs: the server has no others.
        assert_eq!((fields["TA"].as_str(), fields["NOTE"].as_str()), ("0.1", "null"), "{way:?}");
        assert!(fields["DATE_TIME"].ends_with(":00Z\""), "{way:?}: {}", fields["DATE_TIME"]);
    }
}

#[test]
fn the_predecessors_file_works_as_it_is_with_a_sink_below_it() {
    let tables = soilmet();
    let server = Way::Thin.serve(&tables);
    insert(&tables, 1, 9);
    let (user, password) = server.account();
    let workdir = workdir(&format!(
        "dsn='{}'\nuser='{user}'\npass='{password}'\n[sink]\nurl = \"file://./stored\"\n[poll]\nfallback = \"all\"\n\
         [upload]\nformat = \"ndjson\"\n[tables.SOILMET]\nsite_column = \"SITE_ID\"\ntime_column = \"DATE_TIME\"\n",
        server.dsn()
    ));
    let _ = workdir.livecosmos().table("SOILMET").arg("--once").run().expect_code(0);
    assert_eq!(stored_ids(&workdir), ids(1, 9));
}

#[test]
fn a_server_that_cuts_its_connections_costs_no_row() {
    let tables = soilmet();
    let server = Way::Thin.serve(&tables);
    insert(&tables, 1, 9);
    let workdir = server.following("thin");
    let mut running = workdir.livecosmos().table("SOILMET").spawn();
    for round in 1..6 {
        wait_until("the rows to be stored", WITHIN, || {
            (stored_ids(&workdir) == ids(1, round * 9)).then_some(())
        });
        if let crate::scene::Server::Thin(server) = &server {
            server.cut_all();
        }
        insert(&tables, round * 9 + 1, round * 9 + 9);
    }
    wait_until("the last rows to be stored", WITHIN, || (stored_ids(&workdir) == ids(1, 54)).then_some(()));
    running.terminate();
    let _ = running.wait().expect_code(0);
}
