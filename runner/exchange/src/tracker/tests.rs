//! Trackers' files, against published sums and by reading them back. The stock readers read them in
//! the Python package's tests.

use std::fs;

use serde_json::json;

use super::*;

fn trial(name: &str) -> Trial {
    Trial {
        name: name.to_owned(),
        digits: "0123456789abcdef".repeat(3),
        settings: vec![
            ("modulus".to_owned(), json!(13)),
            ("op".to_owned(), json!("a, \"b\"")),
            ("stop".to_owned(), json!(null)),
        ],
        outcome: vec![("verdict".to_owned(), json!("did not grok"))],
        finished: true,
        seconds: Some(1.5),
        curves: vec![
            Curve {
                name: "loss".to_owned(),
                epochs: vec![0, 1, 2],
                values: vec![0.1, f64::NAN, 1e-300],
            },
            Curve {
                name: "an/share, x".to_owned(),
                epochs: vec![0, 3],
                values: vec![1.0 / 3.0, 2.0],
            },
        ],
    }
}

fn each(names: &[&str]) -> Vec<Result<Trial, ExchangeError>> {
    names.iter().map(|name| Ok(trial(name))).collect()
}

#[test]
fn sums_are_those_of_rfc_3720() {
    // Unmasked, appendix B.4: 32 zeros, 32 ones, 0 to 31.
    let unmasked = |bytes: &[u8]| {
        let masked = records::masked(bytes).wrapping_sub(0xa282_ead8);
        masked.rotate_left(15)
    };
    assert_eq!(unmasked(&[0; 32]), 0x8a91_36aa);
    assert_eq!(unmasked(&[0xff; 32]), 0x62a8_ab43);
    let rising: Vec<u8> = (0..32).collect();
    assert_eq!(unmasked(&rising), 0x46dd_794e);
    assert_eq!(unmasked(b"123456789"), 0xe306_9283);
}

#[test]
fn a_table_has_a_row_an_epoch_and_quotes_what_has_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.csv");
    let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    let curves = names(&["loss", "an/share, x"]);
    write_csv(&path, &names(&["op"]), &curves, each(&["c", "d"])).unwrap();
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "cell,op,epoch,loss,\"an/share, x\"");
    assert_eq!(lines[1], "c,\"a, \"\"b\"\"\",0,0.1,0.3333333333333333");
    assert_eq!(lines[2], "c,\"a, \"\"b\"\"\",1,NaN,");
    assert_eq!(lines[3], "c,\"a, \"\"b\"\"\",2,1e-300,");
    assert_eq!(lines[4], "c,\"a, \"\"b\"\"\",3,,2.0");
    assert!(lines.len() == 9 && lines[5].starts_with("d,"));
}

#[test]
fn a_folder_appears_whole_or_not_at_all_and_takes_no_others_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs");
    let mut broken = each(&["c"]);
    broken.push(Err(ExchangeError::refused("damaged")));
    assert!(write_tensorboard(&path, broken).is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    write_tensorboard(&path, each(&["c", "d"])).unwrap();
    assert_eq!(fs::read_dir(&path).unwrap().count(), 2);
    let again = write_mlflow(&path, "x", each(&["c"])).unwrap_err();
    assert!(again.is_request() && again.to_string().contains("logs is there already"));
}

#[test]
fn mlflow_gets_names_that_it_takes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs");
    write_mlflow(&path, "a \"b\"", each(&["c"])).unwrap();
    let run = path.join("1").join("0123456789abcdef".repeat(2));
    let read = |name: &str| fs::read_to_string(run.join(name)).unwrap();
    assert_eq!(read("metrics/loss"), "0 0.1 0\n0 NaN 1\n0 1e-300 2\n");
    assert_eq!(
        read("metrics/an/share_ x"),
        "0 0.3333333333333333 0\n0 2.0 3\n"
    );
    assert_eq!(read("params/modulus"), "13");
    assert!(!run.join("params/stop").exists());
    let about = fs::read_to_string(path.join("1/meta.yaml")).unwrap();
    assert!(about.contains("name: \"a \\\"b\\\"\"\n"), "{about}");
}

#[test]
fn settings_have_the_names_of_their_keys() {
    let config = json!({
        "cell": "c",
        "task": {"modulus": 13, "elements": 13},
        "seeds": {"data": 1, "model": 2, "stream": "torch"},
        "data": {"kind": 1},
        "model": {"kind": "mlp", "hidden": [2, 3], "trained_parameters": 5},
        "start": null,
    });
    let want = [
        ("modulus", json!(13)),
        ("data_seed", json!(1)),
        ("model_seed", json!(2)),
        ("stream", json!("torch")),
        ("data.kind", json!(1)),
        ("hidden", json!("[2,3]")),
        ("model.kind", json!("mlp")),
    ];
    let want = want.map(|(name, value)| (name.to_owned(), value));
    assert_eq!(settings(&config), want);
}
