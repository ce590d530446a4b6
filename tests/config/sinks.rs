//! Where rows go: what a sink may be told, and what contradicts itself.

use super::*;

#[test]
fn limits_of_a_sink_are_a_size_and_a_number_a_second() {
    let limits = "sink.bytes_per_second_max = \"1 MiB\"\nsink.requests_per_second_max = 50";
    let config = load(&format!("{LEAST}\n{limits}")).unwrap();
    let limited = SinkPace { bytes_per_second_max: Some(1 << 20), requests_per_second_max: Some(50) };
    assert_eq!(config.table("LEVEL1_X").unwrap().pace, limited);
}

#[test]
fn an_s3_sink_takes_its_settings_from_its_own_table() {
    let s3 = r#"url = "s3://bucket/in/{live_table}"
        [sink.s3]
        endpoint = "http://127.0.0.1:9000"
        region = "eu-west-2"
        path_style = true
        profile = "cosmos"
        checksum = "when-required"
        allow_http = true"#;
    let config = load(&LEAST.replace(r#"url = "file://./out""#, s3)).unwrap();
    let Settings::S3(settings) = &config.table("LEVEL1_X").unwrap().sink else { panic!("not S3") };
    assert_eq!((settings.bucket.as_str(), settings.prefix.as_str()), ("bucket", "in/X"));
    assert_eq!(settings.endpoint.as_deref(), Some("http://127.0.0.1:9000"));
    assert_eq!(
        (settings.region.as_deref(), settings.profile.as_deref()),
        (Some("eu-west-2"), Some("cosmos"))
    );
    assert_eq!((settings.path_style, settings.allow_http), (Some(true), true));
    assert_eq!(settings.checksum, livecosmos::sink::Checksum::WhenRequired);
}

#[test]
fn a_sink_that_cannot_be_meant_is_refused() {
    insta::assert_snapshot!(refusal("file://./out", "ftp://host/out"), @"[DIR]/config.toml:7:7: sink url 'ftp://host/out' is of no known kind; use file:///folder, file://./folder, s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, https://host/path, mqtts://host:8883, - for stdout or memory:");
    insta::assert_snapshot!(refusal("file://./out", "s3://bucket/{sit}"), @"[DIR]/config.toml:7:7: unknown token '{sit}' in 's3://bucket/{sit}'; known are {table}, {live_table}");
    let s3 =
        |line: &str| refusal("url = \"file://./out\"", &format!("url = \"s3://bucket\"\n[sink.s3]\n{line}"));
    insta::assert_snapshot!(s3("endpoint = \"127.0.0.1:9000\""), @r#"[DIR]/config.toml:9:12: '127.0.0.1:9000' is no endpoint; write it as "https://host:port""#);
    insta::assert_snapshot!(s3("checksum = \"md5\""), @"[DIR]/config.toml:9:12: checksum 'md5' is not known; use crc64nvme, crc32, sha256 or when-required");
    insta::assert_snapshot!(s3("region = \"\""), @"[DIR]/config.toml:9:10: region is empty; give it a value, or remove it");
}

#[test]
fn a_secret_in_a_url_is_refused_and_not_repeated() {
    let sink = |url: &str| format!("url = \"{url}\"");
    let endpoint = |url: &str| format!("url = \"s3://bucket\"\n[sink.s3]\nendpoint = \"{url}\"");
    for new in [
        sink("s3://AKIA:hunter2@bucket/p"),
        sink("s3://AKIA:hun/ter2@bucket/p"),
        sink("s3:/AKIA:hunter2@bucket"),
        sink("AKIA:hunter2@bucket"),
        endpoint("http://AKIA:hunter2@host"),
        endpoint("http://AKIA:/hunter2@host"),
        endpoint("http:/AKIA:hunter2@host"),
        endpoint("AKIA:hunter2@host:9000"),
        endpoint("AKIA:hun/ter2@host"),
        endpoint("hunter2@host"),
    ] {
        let message = refusal("url = \"file://./out\"", &new);
        assert!(!message.contains("hun") && !message.contains("AKIA"), "{message}");
        assert!(message.contains("holds a user or password; remove them"), "{message}");
    }
}

#[test]
fn a_folder_or_a_prefix_may_have_an_at_sign() {
    for url in ["file:///srv/data@home", "file:///srv@home:1", "file://./out@home", "s3://bucket/home@sea"] {
        load(&LEAST.replace("file://./out", url)).expect(url);
    }
}

#[test]
fn two_tables_that_would_meet_under_the_same_keys_are_refused() {
    let twin = "[tables.X]\nsite_column = \"SITE_ID\"\ntime_column = \"DATE_TIME\"";
    insta::assert_snapshot!(refusal_of(twin), @"[DIR]/config.toml:12:9: tables LEVEL1_X and X would store under the same keys; put {table} into the key template, or give one another sink");
    load(&format!("{LEAST}{twin}\nsink.url = \"file://./elsewhere\"")).expect("another sink parts them");
    load(&format!("upload.key = \"{{site}}/{{table}}/{{seq}}\"\n{LEAST}{twin}"))
        .expect("another key parts them");
}

#[test]
fn settings_of_s3_that_contradict_each_other_are_refused_where_they_stand() {
    let refusal = |lines: &str| {
        let sink = format!("url = \"s3://my-bucket/raw\"\n[sink.s3]\n{lines}\n");
        refusal("url = \"file://./out\"\n", &sink)
    };
    insta::assert_snapshot!(refusal("kms_key = \"k\""), @r#"[DIR]/config.toml:9:11: kms_key needs encryption = "aws:kms"; set that, or remove it"#);
    for (lines, place, words) in [
        ("encryption = \"AES256\"\nbucket_key = true", "10:14", "needs encryption = \"aws:kms\""),
        ("encryption = \"rot13\"", "9:14", "AES256"),
        ("storage_class = \"DEEP_ARCHIVE\"", "9:17", "use GLACIER_IR"),
        ("storage_class = \"COLD\"", "9:17", "with an endpoint"),
        ("tags = { \"aws:x\" = \"y\" }", "9:10", "AWS's own"),
        ("tags = { a = \"{site}\" }", "9:14", "known are {table}"),
        ("lock_mode = \"compliance\"", "9:13", "set lock_for"),
        ("lock_for = \"30d\"", "9:12", "set lock_mode"),
        ("lock_mode = \"governance\"\nlock_for = \"1s\"", "10:12", "use 1h"),
        (
            "lock_mode = \"governance\"\nlock_for = \"1d\"\nchecksum = \"when-required\"",
            "9:13",
            "comes without a checksum",
        ),
        ("bucket_owner = \"me\"", "9:16", "12 digits"),
        ("endpoint = \"https://h\"\naccelerate = true", "10:14", "remove it, or endpoint"),
        ("endpoint = \"https://h\"\ndual_stack = true", "10:14", "remove it, or endpoint"),
        ("path_style = true\naccelerate = true", "10:14", "remove it, or path_style"),
    ] {
        let message = refusal(lines);
        assert!(message.contains(&format!("config.toml:{place}")), "{lines}: {message}");
        assert!(message.contains(words), "{lines}: {message}");
    }
}

#[test]
fn two_tables_that_would_share_keys_are_found_however_each_is_kept() {
    let table = |name: &str, tag: &str| {
        format!(
            "[tables.{name}]\nsite_column = \"S\"\ntime_column = \"T\"\n\
             sink.s3.tags = {{ kind = \"{tag}\" }}\n"
        )
    };
    let tables = format!("{}{}", table("A", "one"), table("B", "two"));
    let message = load(&format!(
        "[source]\nkind = \"csv\"\npath = \"{{table}}.csv\"\n[sink]\nurl = \"s3://b/p\"\n\
         [upload]\nkey = \"{{site}}/{{seq}}{{ext}}\"\n{tables}"
    ))
    .expect_err("both would store under the same keys");
    assert!(message.contains("would store under the same keys"), "{message}");
}
