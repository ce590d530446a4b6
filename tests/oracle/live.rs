//! The same over a real Oracle, where one is named.

use crate::support::daemon::workdir;

#[test]
fn a_real_database_is_read_where_one_is_named() {
    let variable = |name: &str| std::env::var(format!("LIVECOSMOS_ORACLE_{name}")).ok();
    let (Some(dsn), Some(user), Some(password)) = (variable("DSN"), variable("USER"), variable("PASSWORD"))
    else {
        println!("not run: LIVECOSMOS_ORACLE_DSN, _USER and _PASSWORD name no database");
        return;
    };
    let table = variable("TABLE").unwrap_or_else(|| "LEVEL1_SOILMET_30MIN".to_owned());
    for driver in ["thin", "auto"] {
        let workdir = workdir(&format!(
            "[source]\nkind = \"oracle\"\ndsn = \"{dsn}\"\nuser = \"{user}\"\ndriver = \"{driver}\"\n\
             [sink]\nurl = \"file://./stored\"\n[upload]\nformat = \"ndjson\"\n\
             [tables.\"{table}\"]\nsite_column = \"SITE_ID\"\ntime_column = \"DATE_TIME\"\n"
        ));
        let run = |once: &str| {
            workdir
                .livecosmos()
                .table(&table)
                .arg(once)
                .env("ORACLE_PASSWORD", &password)
                .run()
                .expect_code(0)
        };
        let _ = run("--dry-run");
        let _ = run("--once");
    }
}
