//! What `check` and the daemon say of a cloud, and what they never say.

use crate::support::daemon::{Livecosmos, Workdir};
use crate::support::{azurite, google};
use crate::{Cloud, TABLE, add_rows, once, storing};

fn check(workdir: &Workdir) -> Livecosmos {
    let check = Livecosmos::new(workdir.folder()).arg("check").arg(workdir.config());
    check.arg("--state-dir").arg(workdir.state_dir())
}

#[test]
fn check_says_which_promise_holds() {
    let (azurite, google) = (azurite::start(), google::start());
    let clouds: [(&dyn Cloud, String, &str); 2] = [
        (&azurite, azurite.endpoint(), "az://rows/raw at http://"),
        (&google, google.endpoint(), "gs://stations/raw at http://"),
    ];
    for (cloud, endpoint, place) in clouds {
        let workdir = storing(&cloud.sink(&endpoint));
        add_rows(&workdir, 0, 3);
        let said = check(&workdir).run().expect_code(0).stdout;
        assert!(said.contains(place), "{said}");
        assert!(said.contains("every row once; of two writers at once, the sink lets one through"), "{said}");
    }
    google.ignore_conditions();
    let workdir = storing(&google.sink(&google.endpoint()));
    add_rows(&workdir, 0, 3);
    let said = check(&workdir).run().expect_code(0).stdout;
    assert!(said.contains("every row once from one writer"), "{said}");
}

#[test]
fn a_container_that_is_missing_and_a_key_that_is_wrong_have_codes_of_their_own() {
    let server = azurite::start();
    let sink = server.sink(&server.endpoint());
    let missing = storing(&sink.replace("az://rows", "az://nowhere"));
    add_rows(&missing, 0, 3);
    let said = once(&missing).run().expect_code(78).stderr;
    assert!(said.contains("container 'nowhere' does not exist; create it"), "{said}");

    let wrong = storing(&sink);
    add_rows(&wrong, 0, 3);
    wrong.write("key", "aHVudGVyMg==\n");
    for run in [once(&wrong), wrong.livecosmos().table(TABLE), check(&wrong)] {
        let run = run.run().expect_code(77);
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(said.contains("the server answered 403"), "{said}");
        assert!(!said.contains("aHVudGVyMg"), "{said}");
    }
}

#[test]
fn account_and_key_come_from_azures_own_variables_too() {
    let server = azurite::start();
    let lines = server.sink(&server.endpoint());
    let unsaid: String = lines
        .lines()
        .filter(|line| !line.starts_with("account") && !line.starts_with("key_file"))
        .collect::<Vec<_>>()
        .join("\n");
    let workdir = storing(&unsaid);
    add_rows(&workdir, 0, 9);
    let nobody = once(&workdir).run().expect_code(78).stderr;
    assert!(nobody.contains("set account in [sink.azure], or AZURE_STORAGE_ACCOUNT"), "{nobody}");
    let run = once(&workdir)
        .env("AZURE_STORAGE_ACCOUNT", azurite::ACCOUNT)
        .env("AZURE_STORAGE_KEY", azurite::key())
        .run()
        .expect_code(0);
    assert_eq!(Cloud::objects(&server).len(), 3);
    assert!(!run.stderr.contains(&azurite::key()), "{}", run.stderr);
}

#[test]
fn what_is_stored_is_verified_and_a_state_is_made_of_it() {
    let server = azurite::start();
    let workdir = storing(&server.sink(&server.endpoint()));
    add_rows(&workdir, 0, 200);
    let _ = once(&workdir).run().expect_code(0);
    let verify = Livecosmos::new(workdir.folder()).arg("verify").arg(workdir.config()).table(TABLE);
    let said = verify.arg("--state-dir").arg(workdir.state_dir()).run().expect_code(0).stdout;
    for (site, rows) in [("A", "67"), ("B", "67"), ("C", "66")] {
        let of_site = |line: &&str| line.split_whitespace().nth(1) == Some(site);
        let line = said.lines().find(of_site).expect("a line a site");
        let cells: Vec<&str> = line.split_whitespace().collect();
        assert_eq!((cells[4], cells.last()), (rows, Some(&"0")), "{said}");
    }
    let rebuild =
        Livecosmos::new(workdir.folder()).arg("state").arg("rebuild").arg(workdir.config()).table(TABLE);
    let _ = rebuild.arg("--yes").arg("--state-dir").arg(workdir.path("rebuilt")).run().expect_code(0);
}
