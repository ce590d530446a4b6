use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::payload::fixture::{Table, any_table, batch, row_time};
use crate::payload::{Compression, Format};
use crate::rows::Kind;

fn document(table: &Table) -> Json {
    let program = Program { name: "test".to_owned(), version: "1.2.3".to_owned(), ..Program::default() };
    let encoded = Format::Cr1000x(program).encode(&batch(table), Compression::None).unwrap();
    serde_json::from_slice(&encoded.bytes).unwrap()
}

/// The example of the format's description: two half-hours of Alice Holt.
fn example() -> Table {
    let columns = ["SITE_ID", "DATE_TIME", "TA", "TA_STD", "PRECIP_TOT", "SCANS", "SNOW", "RECORD"];
    let row = |ta, ta_std, precip, scans, record| {
        let cells = [
            (Kind::Text, "ALIC1"),
            (Kind::Text, ""),
            (Kind::Number, ta),
            (Kind::Number, ta_std),
            (Kind::Number, precip),
            (Kind::Number, scans),
            (Kind::Null, ""),
            (Kind::Number, record),
        ];
        cells.map(|(kind, text)| (kind, text.to_owned())).to_vec()
    };
    let rows = vec![
        (row_time(1_735_776_000, 0, 0), row("4.25", "0.05", "0", "180", "40000")),
        (row_time(1_735_777_800, 0, 0), row("4", "0.00001", "1", "179", "40001")),
    ];
    Table { columns: columns.map(str::to_owned).to_vec(), time: 1, rows }
}

fn field(name: &str, xsd: &str, process: &str) -> Json {
    json!({"name": name, "type": xsd, "units": "", "process": process, "settable": false})
}

#[test]
fn what_is_said_of_a_field_stands_in_the_head_and_its_column_beside_another_name() {
    let text = |text: &str| Some(text.to_owned());
    let said = Field { name: text("AirTC"), units: text("degC"), process: text("Avg") };
    let only_units = Field { units: text("mm"), ..Field::default() };
    let fields = [("TA".to_owned(), said), ("PRECIP_TOT".to_owned(), only_units)].into();
    let format = Format::Cr1000x(Program { fields, ..Program::default() });
    let encoded = format.encode(&batch(&example()), Compression::None).unwrap();
    let found: Json = serde_json::from_slice(&encoded.bytes).unwrap();
    let expected = json!({"name": "AirTC", "type": "xsd:float", "units": "degC", "process": "Avg",
        "settable": false, "column": "TA"});
    assert_eq!(found["head"]["fields"][1], expected);
    assert_eq!(found["head"]["fields"][3]["units"], "mm");
    assert_eq!(found["head"]["fields"][3]["process"], "Tot");
}

#[test]
fn the_example_of_the_predecessor_comes_out_equal() {
    let expected = json!({
        "head": {
            "transaction": 0,
            "signature": 111_111,
            "environment": {
                "station_name": "ALIC1",
                "table_name": "default",
                "model": "CR1000X",
                "serial_no": "65-76-73-67-49",
                "os_version": "CR1000X.Std.07.02",
                "prog_name": "CPU:test-1.2.3.CR1X",
            },
            "fields": [
                field("SITE_ID", "xsd:string", "Smp"),
                field("TA", "xsd:float", "Smp"),
                field("TA_STD", "xsd:float", "Std"),
                field("PRECIP_TOT", "xsd:int", "Tot"),
                field("SCANS", "xsd:short", "Smp"),
                field("SNOW", "xsi:nil", "Smp"),
                field("RECORD", "xsd:int", "Smp"),
            ],
        },
        "data": [
            {"time": "2025-01-02T00:00:00.000000", "vals": ["ALIC1", 4.25, 0.05, 0, 180, null, 40_000]},
            {"time": "2025-01-02T00:30:00.000000", "vals": ["ALIC1", 4, 0.00001, 1, 179, null, 40_001]},
        ],
    });
    assert_eq!(document(&example()), expected);
}

#[test]
fn numbers_are_spelled_as_the_source_wrote_them() {
    let encoded = Format::Cr1000x(Program::default()).encode(&batch(&example()), Compression::None).unwrap();
    let text = String::from_utf8(encoded.bytes.to_vec()).unwrap();
    assert!(text.contains(r#""vals":["ALIC1",4,0.00001,1,179,null,40001]"#), "{text}");
}

#[test]
fn a_time_has_six_digits_or_as_many_more_as_the_source_wrote() {
    let mut table = example();
    table.rows[0].0 = row_time(1_735_776_000, 120_000_000, 2);
    table.rows[1].0 = row_time(1_735_777_800, 123_456_789, 9);
    let document = document(&table);
    assert_eq!(document["data"][0]["time"], "2025-01-02T00:00:00.120000");
    assert_eq!(document["data"][1]["time"], "2025-01-02T00:30:00.123456789");
}

#[test]
fn the_process_is_the_ending_of_the_name_in_any_case() {
    let named =
        ["TA_STD", "TA_avg", "ta_Max", "T_MIN", "T_MOM", "T_TOT", "T_COV", "TA", "STD", "STD_TA", "TA_STD_1"];
    let processes = ["Std", "Avg", "Max", "Min", "Mom", "Tot", "Cov", "Smp", "Smp", "Smp", "Smp"];
    assert_eq!(named.map(process), processes);
}

proptest! {
    #[test]
    fn every_value_reads_back_and_stands_where_its_field_does(table in any_table()) {
        let document = document(&table);
        let fields = document["head"]["fields"].as_array().unwrap();
        let others = (0..table.columns.len()).filter(|column| *column != table.time);
        let names: Vec<&str> = fields.iter().map(|field| field["name"].as_str().unwrap()).collect();
        prop_assert_eq!(names, others.clone().map(|column| table.columns[column].as_str()).collect::<Vec<_>>());
        let data = document["data"].as_array().unwrap();
        prop_assert_eq!(data.len(), table.rows.len());
        for (row, (_, cells)) in data.iter().zip(&table.rows) {
            let expected = others.clone().map(|column| match &cells[column] {
                (Kind::Null, _) => Json::Null,
                (Kind::Text, text) => Json::String(text.clone()),
                (Kind::Number | Kind::Bool, text) => serde_json::from_str(text).unwrap(),
            });
            prop_assert_eq!(row["vals"].as_array().unwrap(), &expected.collect::<Vec<_>>());
        }
    }
}
