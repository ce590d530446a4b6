//! What an operator is told.

use crate::scene::{Way, ids, insert, soilmet, stored_ids, with_client};

#[test]
fn auto_takes_the_client_where_it_is_found_and_the_other_driver_where_not_and_says_so() {
    let tables = soilmet();
    insert(&tables, 1, 9);
    let server = Way::Oci.serve(&tables);
    let workdir = server.following("auto");
    let run = with_client(workdir.livecosmos().table("SOILMET").arg("--once")).run().expect_code(0);
    assert!(run.stderr.contains("driver oci"), "{}", run.stderr);
    assert_eq!(stored_ids(&workdir), ids(1, 9));

    let server = Way::Thin.serve(&tables);
    let workdir = server.following("auto");
    let run = workdir.livecosmos().table("SOILMET").arg("--once").run().expect_code(0);
    assert!(run.stderr.contains("driver thin") && run.stderr.contains("Instant Client"), "{}", run.stderr);
    assert_eq!(stored_ids(&workdir), ids(1, 9));
}

#[test]
fn a_client_that_is_set_and_not_there_is_one_message_with_the_remedy() {
    let server = Way::Oci.serve(&soilmet());
    let run = server.following("oci").livecosmos().table("SOILMET").arg("--once").run().expect_code(78);
    for part in ["Instant Client", "LD_LIBRARY_PATH", "driver = \"thin\""] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
}

#[test]
fn a_wrong_password_is_refused_and_not_repeated() {
    for way in Way::BOTH {
        let server = way.serve(&soilmet());
        let workdir = server.following(server.driver());
        let text = std::fs::read_to_string(workdir.config()).expect("the configuration");
        workdir.write("livecosmos.toml", text.replace(server.account().1, "hunter2"));
        let run = with_client(workdir.livecosmos().table("SOILMET").arg("--once")).run().expect_code(77);
        assert!(
            run.stderr.contains("ORA-01017") && !run.stderr.contains("hunter2"),
            "{way:?}: {}",
            run.stderr
        );
        assert_eq!(run.stderr.contains("12c"), way == Way::Thin, "{way:?}: {}", run.stderr);
    }
}

#[test]
fn a_table_or_column_that_is_not_there_is_named_with_what_is() {
    for way in Way::BOTH {
        let tables = soilmet();
        let server = way.serve(&tables);
        let workdir = server.following(server.driver());
        let text = std::fs::read_to_string(workdir.config()).expect("the configuration");
        workdir.write("livecosmos.toml", text.replace("[tables.SOILMET]", "[tables.SOILMETT]"));
        let run = with_client(workdir.livecosmos().table("SOILMETT").arg("--once")).run().expect_code(78);
        assert!(run.stderr.contains("no table SOILMETT"), "{way:?}: {}", run.stderr);
        workdir.write("livecosmos.toml", text.replace("\"date_time\"", "\"date_tim\""));
        let run = with_client(workdir.livecosmos().table("SOILMET").arg("--once")).run().expect_code(78);
        assert!(run.stderr.contains("did you mean DATE_TIME?"), "{way:?}: {}", run.stderr);
    }
}

#[test]
fn what_is_bound_has_the_type_of_its_column() {
    let tables = soilmet();
    insert(&tables, 1, 9);
    let server = Way::Oci.serve(&tables);
    let workdir = server.following("oci");
    let run = with_client(workdir.livecosmos().table("SOILMET").arg("--once"));
    let _ = run.run().expect_code(0);
    insert(&tables, 10, 12);
    let _ = run.run().expect_code(0);
    let crate::scene::Server::Oci(server) = &server else { unreachable!("it was started so") };
    let statements = server.statements();
    let rows = statements.iter().rfind(|statement| statement.sql.contains(":low")).expect("rows were read");
    let kind = |name: &str| {
        rows.binds.iter().find(|bind| bind.name.eq_ignore_ascii_case(name)).map(|bind| bind.kind.clone())
    };
    assert_eq!((kind("low").as_deref(), kind("s0").as_deref()), (Some("DATE"), Some("VARCHAR2")));
    assert!(rows.sql.contains("INDEX(r (\"SITE_ID\" \"DATE_TIME\"))"), "{}", rows.sql);
}
