//! Files: the example, the predecessor's, and those that cannot be read.

use super::*;

#[test]
fn what_is_no_toml_is_placed() {
    insta::assert_snapshot!(refusal("kind = \"csv\"", "kind = csv"), @"[DIR]/config.toml:3:8: string values must be quoted, expected literal string; write it as TOML 1.0 wants it");
    insta::assert_snapshot!(refusal("[sink]", "[sink"), @"[DIR]/config.toml:6:6: unclosed table, expected `]`; write it as TOML 1.0 wants it");
    insta::assert_snapshot!(refusal_of("site_column = \"TWICE\""), @"[DIR]/config.toml:12:1: duplicate key; write it as TOML 1.0 wants it");
}

#[test]
fn the_predecessors_file_is_read_as_it_is() {
    let mapped = [
        "oracle: {\n dsn:\"oracle.example/COSMOS\" user:\"reader\" password:\"hunter2\" }\naws: { bucket:\"b\" bucket_prefix:\"p\" }\n",
        "{ \"aws\": { \"bucket\": \"b\", \"bucket_prefix\": \"p\" }, \"oracle\": { \"dsn\": \"oracle.example/COSMOS\", \"password\": \"hunter2\", \"user\": \"reader\" } }",
        "# ours\noracle:\n  dsn: oracle.example/COSMOS\n  user: reader   # may only read\n  password: 'hunter2'\naws:\n  bucket: b\n  bucket_prefix: p\n",
    ];
    let lines = "dsn='oracle.example/COSMOS'\nuser='reader'\npass='hunter2'\n[sink]\nurl = 's3://b/p'\n";
    for text in mapped.into_iter().chain([lines]) {
        let config = load(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let table = config.table("LEVEL1_SOILMET_30MIN").expect("its tables are known");
        assert_eq!(table.source.describe(), "oracle:oracle.example/COSMOS");
        let SourceSettings::Oracle(settings) = &table.source else { panic!("{:?}", table.source) };
        assert_eq!(settings.user.as_deref(), Some("reader"));
        assert_eq!(table.shape.time_column, "DATE_TIME");
        let Settings::S3(s3) = &table.sink else { panic!("{:?}", table.sink) };
        assert_eq!((s3.bucket.as_str(), s3.prefix.as_str()), ("b", "p"));
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}

#[test]
fn what_the_predecessors_file_lacks_is_named_and_its_password_not_repeated() {
    for text in [
        "dsn='oracle.example/COSMOS'\nuser='reader'\npass='hunter2'\n",
        "# credentials\n\npass='hunter2'\ndsn='oracle.example/COSMOS'\nuser='reader'\n",
        "oracle:\n  dsn: oracle.example/COSMOS\n  password: hunter2\n",
    ] {
        let message = load(text).unwrap_err();
        assert!(!message.contains("hunter2"), "{message}");
        let wanted =
            "has no sink.url; set url under [sink], such as \"file://./out\" or \"s3://bucket/prefix\"";
        assert!(message.ends_with(wanted), "{message}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = TempDir::new().unwrap();
    let message = |name: &str| {
        let shown = folder.path().display().to_string();
        Config::load(&folder.path().join(name)).unwrap_err().to_string().replace(&shown, "[DIR]")
    };
    insta::assert_snapshot!(message("config.tom"), @"[DIR]/config.tom: there is no such file; name a configuration file; config.example.toml shows every key");
    insta::assert_snapshot!(message(""), @"[DIR]/: cannot be read: Is a directory (os error 21); make it a file that this user may read");
    write(&folder.path().join("latin1.toml"), b"# \xb5\n");
    insta::assert_snapshot!(message("latin1.toml"), @"[DIR]/latin1.toml: is not UTF-8 text; save it as UTF-8");
}

/// The example of the project, as it is shipped.
const EXAMPLE: &str = include_str!("../../config.example.toml");

#[test]
fn the_example_is_a_configuration_and_its_source_exists() {
    let config =
        Config::load(Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.toml").as_path()).unwrap();
    let table = config.table("LEVEL1_SOILMET_30MIN").unwrap();
    let SourceSettings::Csv(csv) = &table.source else { panic!("not a CSV: {:?}", table.source) };
    assert!(csv.path.is_file(), "{} is missing", csv.path.display());
    assert_eq!(table.poll.fallback, Fallback::All);
}

#[test]
fn the_defaults_that_the_example_shows_are_the_defaults() {
    let folder = TempDir::new().unwrap();
    let is_key =
        |line: &&str| line.starts_with('#') && line[1..].starts_with(|c: char| c.is_ascii_lowercase());
    assert!(EXAMPLE.lines().filter(is_key).count() > 10, "the example shows no defaults");
    let spelled: Vec<&str> =
        EXAMPLE.lines().map(|line| if is_key(&line) { &line[1..] } else { line }).collect();
    let as_shipped = load_in(folder.path(), EXAMPLE).unwrap();
    let spelled_out = load_in(folder.path(), &spelled.join("\n")).unwrap();
    assert_eq!(format!("{as_shipped:?}"), format!("{spelled_out:?}"));
    for url in ["s3://bucket", "gs://bucket", "az://container"] {
        let of = |text: &str| load_in(folder.path(), &text.replace("file://./demo", url)).unwrap();
        assert_eq!(format!("{:?}", of(EXAMPLE)), format!("{:?}", of(&spelled.join("\n"))), "{url}");
    }
}

#[test]
fn every_key_there_is_stands_in_the_example() {
    let known_in = |section: &str| {
        let message = load(&format!("{LEAST}\n[{section}]\nzzzzzzzzzzzz = 1")).unwrap_err();
        let (_, known) =
            message.split_once("; known here are ").expect("an unknown key lists the known ones");
        known.split(", ").map(str::to_owned).collect::<Vec<_>>()
    };
    for section in ["source", "sink", "sink.s3", "sink.gcs", "sink.azure", "sink.mqtt", "upload", "poll"] {
        let (_, own) =
            EXAMPLE.split_once(&format!("\n[{section}]\n")).expect("the section is in the example");
        let own = own.split("\n[").next().unwrap();
        for key in known_in(&format!("tables.LEVEL1_X.{section}")) {
            let shown =
                own.lines().any(|line| line.trim_start_matches(['#', ' ']).starts_with(&format!("{key} = ")));
            assert!(
                shown || EXAMPLE.contains(&format!("\n[{section}.{key}]\n")),
                "{key} is not under [{section}]"
            );
        }
    }
    let sections = ["source", "sink", "upload", "poll"];
    let (_, own) = EXAMPLE.split_once("\n[tables.LEVEL1_SOILMET_30MIN]\n").expect("the example has a table");
    for key in known_in("tables.OTHER").iter().filter(|key| !sections.contains(&key.as_str())) {
        let starts = |line: &str| {
            line.strip_prefix(key.as_str())
                .is_some_and(|rest| rest.starts_with(" = ") || rest.starts_with('.'))
        };
        assert!(
            own.lines().any(|line| starts(line.trim_start_matches(['#', ' ']))),
            "{key} is not in the example"
        );
    }
}
