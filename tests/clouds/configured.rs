//! What `[sink.gcs]` and `[sink.azure]` may say.

use livecosmos::config::Config;
use livecosmos::sink::{AzureLogin, GcsLogin, Settings};

use crate::TABLE;
use crate::support::daemon::{Workdir, workdir};

fn configured(url: &str, lines: &str) -> (Workdir, Result<Settings, String>) {
    let workdir = workdir(&format!(
        "[source]\nkind = \"csv\"\npath = \"met.csv\"\n[sink]\nurl = \"{url}\"\n{lines}\n[tables.{TABLE}]\n\
         site_column = \"SITE\"\ntime_column = \"TIME\"\n"
    ));
    let config = Config::load(&workdir.config()).map_err(|error| error.to_string());
    let settings = config.map(|config| config.table(TABLE).expect("it is there").sink.clone());
    (workdir, settings)
}

#[test]
fn each_setting_is_read() {
    let (workdir, google) = configured(
        "gcs://b/p",
        "[sink.gcs]\nservice_account = \"account.json\"\nendpoint = \"https://g.example\"\nrequest_timeout = \"9s\"",
    );
    let Ok(Settings::Gcs(google)) = google else { panic!("{google:?}") };
    assert_eq!(google.login, GcsLogin::ServiceAccount(workdir.path("account.json")));
    assert_eq!(google.reach.endpoint.as_deref(), Some("https://g.example"));
    assert_eq!(google.reach.request_timeout.as_secs(), 9);

    let (_folder, azure) = configured(
        "abfss://c@acc.dfs.core.windows.net/p",
        "[sink.azure]\nsas_file = \"sas\"\nclient_id = \"id\"\nconnect_timeout = \"2s\"",
    );
    let Ok(Settings::Azure(azure)) = azure else { panic!("{azure:?}") };
    assert_eq!((azure.account.as_deref(), azure.client_id.as_deref()), (Some("acc"), Some("id")));
    assert!(matches!(azure.login, AzureLogin::Sas(_)), "{azure:?}");
    assert_eq!(azure.reach.connect_timeout.as_secs(), 2);
}

#[test]
fn settings_that_contradict_each_other_are_refused_where_they_stand() {
    for (url, lines, place, words) in [
        ("gs://b", "[sink.gcs]\nanonymous = true\nservice_account = \"a\"", ":8:19", "keep one of the two"),
        ("gs://b", "[sink.gcs]\nendpoint = \"g.example\"", ":7:12", "write it as \"https://host:port\""),
        ("gs://b", "[sink.gcs]\nkey = \"x\"", ":7:1", "it belongs under [sink.azure]"),
        ("az://c", "[sink.azure]\naccount = \"a.example/\"", ":7:11", "write its name alone"),
        ("az://c", "[sink.azure]\nkey = \"x\"\nkey_file = \"y\"", ":8:12", "the key is said twice"),
        ("az://c", "[sink.azure]\nkey = \"x\"\nsas = \"y\"", "", "has a key and a sas; keep one"),
        (
            "abfss://c@one.dfs.core.windows.net",
            "[sink.azure]\naccount = \"two\"",
            ":7:11",
            "the sink's url says account 'one'",
        ),
        ("abfss://c:hunter2@one.dfs.core.windows.net", "", ":5:7", "holds a user or password"),
        ("abfss://c@one.example.org", "", ":5:7", "names no account"),
    ] {
        let message = configured(url, lines).1.expect_err(url);
        assert!(message.contains(&format!("livecosmos.toml{place}")), "{lines}: {message}");
        assert!(message.contains(words), "{lines}: {message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
}

#[test]
fn a_secret_is_not_shown_with_the_settings() {
    let (_folder, azure) = configured("az://c", "[sink.azure]\naccount = \"a\"\nkey = \"hunter2\"");
    assert!(!format!("{azure:?}").contains("hunter2"));
}
