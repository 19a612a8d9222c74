//! Four sources, one answer.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::{DEFAULTS, Flag, Loaded, Sources, keys::KEYS, without_password};
use std::{collections::BTreeSet, fs, path::Path};
use tempfile::TempDir;

fn environment(variables: &[(&str, &str)]) -> Sources {
    let environment = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
    Sources { environment, folder: "/nowhere".into(), ..Sources::default() }
}

fn file(text: &str) -> (TempDir, Sources) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("some.toml");
    fs::write(&path, text).unwrap();
    let sources = Sources { file: Some(path), ..environment(&[]) };
    (folder, sources)
}

fn flag(name: &str, key: &str, value: &str) -> Flag {
    Flag { name: name.into(), key: key.into(), value: value.into() }
}

fn refused(sources: &Sources) -> String {
    Loaded::from(sources).map(drop).unwrap_err().to_string()
}

fn shown(loaded: &Loaded, key: &str) -> (String, String) {
    let entry = loaded.entries.iter().find(|entry| entry.key == key).unwrap();
    (entry.shown.clone(), entry.origin.clone())
}

#[test]
fn the_default_file_has_every_key_and_names_its_variable() {
    let loaded = Loaded::from(&environment(&[])).unwrap();
    let found: Vec<_> = loaded.entries.iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(found, KEYS.iter().map(|key| key.name).collect::<Vec<_>>(), "in the same order");
    let words: BTreeSet<&str> = DEFAULTS.split([' ', ',', '.', '\n']).collect();
    for key in KEYS {
        assert!(words.contains(key.variable), "{}", key.variable);
    }
    assert!(loaded.entries.iter().all(|entry| entry.origin == "default"));
}

#[test]
fn flags_go_before_variables_before_the_file_before_the_defaults() {
    let (_folder, mut sources) = file("[s3]\nbucket = \"file\"\nregion = \"file\"\n[topics]\nprefix = \"file\"");
    sources.environment = environment(&[("SWARMLOG_S3_BUCKET", "variable"), ("SWARMLOG_S3_REGION", "variable")]).environment;
    sources.flags = vec![flag("--s3-bucket", "s3.bucket", "flag")];
    let loaded = Loaded::from(&sources).unwrap();
    let path = sources.file.unwrap().display().to_string();
    assert_eq!(shown(&loaded, "s3.bucket"), ("flag".into(), "flag --s3-bucket".into()));
    assert_eq!(shown(&loaded, "s3.region"), ("variable".into(), "environment variable SWARMLOG_S3_REGION".into()));
    assert_eq!(shown(&loaded, "topics.prefix"), ("file".into(), path));
    assert_eq!(shown(&loaded, "postgres.schema"), ("swarmlog".into(), "default".into()));
    assert_eq!((&*loaded.settings.s3.bucket, &*loaded.settings.s3.region), ("flag", "variable"));
    assert_eq!((&*loaded.settings.topics.prefix, &*loaded.settings.postgres.schema), ("file", "swarmlog"));
}

#[test]
fn the_file_of_the_folder_is_read_unless_another_is_named() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("swarmlog.toml"), "log = \"here\"").unwrap();
    let (_other, named) = file("log = \"named\"");
    let here = Sources { folder: folder.path().into(), ..Sources::default() };
    assert_eq!(Loaded::from(&here).unwrap().settings.log, "here");
    assert_eq!(Loaded::from(&Sources { file: named.file.clone(), ..here.clone() }).unwrap().settings.log, "named");
    let path = named.file.unwrap();
    let variable = environment(&[("SWARMLOG_CONFIG", path.to_str().unwrap())]).environment;
    assert_eq!(Loaded::from(&Sources { environment: variable, ..here }).unwrap().settings.log, "named");
}

#[test]
fn a_named_file_that_is_missing_is_an_error() {
    let sources = Sources { file: Some(Path::new("/nowhere/a.toml").into()), ..Sources::default() };
    assert!(refused(&sources).starts_with("/nowhere/a.toml: "), "{}", refused(&sources));
}

#[test]
fn settings_of_librdkafka_are_flat_however_they_are_written() {
    let text = "[kafka]\nbootstrap.servers = \"b:1\"\nsecurity.protocol = \"A\"\n\"sasl.username\" = \"u\"\n\
                [kafka.socket]\ntimeout.ms = 5";
    let (_folder, mut sources) = file(text);
    sources.environment = environment(&[("SWARMLOG_KAFKA_SETTINGS", "sasl.username=w,debug=all")]).environment;
    sources.flags = vec![flag("--kafka-setting", "kafka.security.protocol", "B")];
    let kafka = Loaded::from(&sources).unwrap().settings.kafka;
    let found: Vec<_> = kafka.iter().map(|(name, value)| (&**name, &**value)).collect();
    let expected = [
        ("bootstrap.servers", "b:1"),
        ("debug", "all"),
        ("sasl.username", "w"),
        ("security.protocol", "B"),
        ("socket.timeout.ms", "5"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest() {
    let (_folder, sources) = file("[s3]\nbuckett = \"x\"");
    let told = refused(&sources);
    for part in ["some.toml", "`s3.buckett`", "`s3.bucket`"] {
        assert!(told.contains(part), "{told}");
    }
    let (_folder, sources) = file("tokn = \"x\"");
    assert!(refused(&sources).contains("`token`"));
}

#[test]
fn an_unknown_variable_is_refused_with_the_nearest() {
    let told = refused(&environment(&[("SWARMLOG_POSTGRESS", "x")]));
    assert!(told.contains("SWARMLOG_POSTGRESS;") && told.contains("SWARMLOG_POSTGRES."), "{told}");
    let queue = environment(&[("SWARMLOG_QUEUE", "x"), ("OTHER", "y")]);
    assert!(Loaded::from(&queue).is_err());
    assert!(Loaded::from(&Sources { other_variables: vec!["SWARMLOG_QUEUE".into()], ..queue }).is_ok());
}

#[test]
fn a_value_that_is_not_allowed_is_told_with_where_it_is_from() {
    for (variable, value, key, allowed) in [
        ("SWARMLOG_TOPICS_PARTITIONS", "0", "topics.partitions", "1 to 1024"),
        ("SWARMLOG_TOPICS_PARTITIONS", "many", "topics.partitions", "integer"),
        ("SWARMLOG_TOPICS_REPLICATION", "70000", "topics.replication", "16 bit integer"),
        ("SWARMLOG_LISTEN", "localhost", "listen.gateway", "socket address"),
        ("SWARMLOG_POSTGRES", "mysql://h/d", "postgres.url", "postgres://"),
        ("SWARMLOG_CLICKHOUSE_SQL_USER", "swarmlog", "clickhouse.sql_user", "another name"),
        ("SWARMLOG_WRITER_IDEMPOTENCY_DAYS", "400", "writer.idempotency_days", "1 to 365"),
    ] {
        let told = refused(&environment(&[(variable, value)]));
        for part in [&format!("environment variable {variable}"), &format!("`{key}` is {value}"), allowed] {
            assert!(told.contains(part), "{told}");
        }
    }
    let told = refused(&environment(&[("SWARMLOG_KAFKA_SETTINGS", "debug=all")]));
    assert!(told.contains("kafka.debug") && told.contains("kafka.bootstrap.servers"), "{told}");
    let told = refused(&environment(&[("SWARMLOG_S3", "http://h")]));
    assert!(told.contains("s3.access_key") && told.contains("(unset)"), "{told}");
}

#[test]
fn no_secret_is_shown() {
    let loaded = Loaded::from(&environment(&[
        ("SWARMLOG_TOKEN", "hush"),
        ("SWARMLOG_KAFKA", "b:1"),
        ("SWARMLOG_KAFKA_SETTINGS", "sasl.password=hush,ssl.key.pem=hush,sasl.oauthbearer.client.secret=hush"),
        ("SWARMLOG_POSTGRES", "postgres://u:hush@h:1/d?sslpassword=hush"),
        ("SWARMLOG_S3", "http://u:hush@h"),
        ("SWARMLOG_S3_ACCESS_KEY", "hush"),
        ("SWARMLOG_S3_SECRET_KEY", "hush"),
        ("SWARMLOG_CLICKHOUSE", "http://u:hush@h"),
        ("SWARMLOG_CLICKHOUSE_PASSWORD", "hush"),
        ("SWARMLOG_CLICKHOUSE_SQL_PASSWORD", "hush"),
    ]))
    .unwrap();
    assert_eq!(loaded.settings.token.as_deref(), Some("hush"));
    for entry in &loaded.entries {
        assert!(!format!("{entry:?}").contains("hush"), "{entry:?}");
    }
    assert_eq!(shown(&loaded, "token").0, "***");
    assert_eq!(shown(&loaded, "postgres.url").0, "postgres://u:***@h:1/d?***");
    assert_eq!(without_password("postgres://u:hush@a:1,b:2/d"), "***");
    let plain = Loaded::from(&environment(&[])).unwrap();
    assert_eq!(shown(&plain, "token").0, "(unset)");
}

#[test]
fn no_secret_is_in_a_message() {
    for text in ["token = \"hush", "[s3]\nsecret_key = hush", "[clickhouse]\nurl = \"ftp://u:hush@h\""] {
        let (_folder, sources) = file(text);
        let told = refused(&sources);
        assert!(!told.contains("hush") && told.contains("some.toml"), "{told}");
    }
    let told = refused(&environment(&[("SWARMLOG_KAFKA", "b:1"), ("SWARMLOG_KAFKA_SETTINGS", "hush")]));
    assert!(!told.contains("hush"), "{told}");
}
