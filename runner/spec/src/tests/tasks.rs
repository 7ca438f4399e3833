//! Tests groups, tables, parities, more than two operands, pairs without zero, and label noise.

use super::*;
use crate::{Files, Noise};

const SIZED: &str = "fraction = 0.5\nseeds = { data = 0, model = 0 }\n";

/// Loads a spec with this line as its operation, and with a file to read.
fn with(line: &str) -> Result<Plan, Diagnostics> {
    let files = Files::new(|name| match name {
        "z3.csv" => Ok(b"0,1,2\n1,2,0\n2,0,1\n".to_vec()),
        "part.csv" => Ok(b"a,b,c\n0,0,1\n0,1,0\n1,3,2\n3,3,3\n".to_vec()),
        "bad.csv" => Ok(b"0,1\n1,x\n".to_vec()),
        _ => Err("no such file".to_owned()),
    });
    let catalog = Catalog::empty().with_files(files);
    load(
        &format!("{line}\n{SIZED}"),
        Path::new("x.toml"),
        &[],
        &catalog,
    )
}

#[test]
fn groups_and_tables_have_as_many_elements_as_they_have() {
    for (line, id, elements) in [
        (
            "operation = { group = \"S4\" }",
            "group-s4-p24-f0.5-d0-m0",
            24,
        ),
        (
            "operation = { group = \"S5\", order = \"rep-theory\" }",
            "group-s5-rep-theory-p120-f0.5-d0-m0",
            120,
        ),
        (
            "operation = { group = \"C7 x D3\" }",
            "group-c7-x-d3-p42-f0.5-d0-m0",
            42,
        ),
        (
            "operation = \"group Dic5\"",
            "group-dic5-p20-f0.5-d0-m0",
            20,
        ),
    ] {
        let plan = good(with(line));
        assert_eq!(plan.cells[0].id, id);
        let architecture = plan.cells[0].architecture();
        assert_eq!(
            (architecture.tokens, architecture.classes),
            (elements, elements)
        );
        assert_eq!(good(load_with(&plan.resolved_toml(), &["name=x"])), plan);
    }
    let plan = good(with("operation = { table = \"z3.csv\" }"));
    assert!(
        plan.cells[0].id.starts_with("table-z3-"),
        "{}",
        plan.cells[0].id
    );
    assert_eq!(plan.cells[0].operation.apply(2, 2, 3), Some(1));
    // The resolved spec contains the table, and needs no file.
    let resolved = plan.resolved_toml();
    assert_eq!(good(load_with(&resolved, &[])), plan, "{resolved}");
    let plan = good(with("operation = { table = \"part.csv\" }"));
    assert_eq!(plan.cells[0].modulus, 4);
    assert_eq!(plan.cells[0].operation.apply(1, 3, 4), Some(2));
    assert_eq!(plan.cells[0].operation.apply(2, 2, 4), None);
    assert_eq!(good(load_with(&plan.resolved_toml(), &[])), plan);
}

#[test]
fn groups_are_an_axis() {
    let plan = good(with(
        "operation = [{ group = \"D5\" }, { group = \"C10\" }]",
    ));
    let ids: Vec<&str> = plan.cells.iter().map(|cell| cell.id.as_str()).collect();
    assert_eq!(ids, ["group-d5-p10-f0.5-d0-m0", "group-c10-p10-f0.5-d0-m0"]);
    assert_eq!(good(load_with(&plan.resolved_toml(), &[])), plan);
}

#[test]
fn more_operands_are_more_positions() {
    let plan = plan_with(&["operation=a + b*c", "modulus=11"]);
    assert_eq!(plan.cells[0].architecture().operands, 3);
    assert_eq!(good(load_with(&plan.resolved_toml(), &[])), plan);
}

/// A parity, and a model that reads it.
const PARITY: &str = "operation = { parity = 3, bits = 40, samples = 2_000, seed = -1 }";
const SIGNS: &str = "[model]\nkind = \"mlp\"\ninput = \"signs\"\nhidden = [16]\n";

#[test]
fn a_parity_is_learned_from_samples_by_a_model_of_many_inputs() {
    let text = format!("{PARITY}\n{SIZED}{SIGNS}");
    let plan = good(load_with(&text, &["name=x"]));
    let cell = &plan.cells[0];
    assert_eq!(cell.id, "parity-3-of-40-n2000-s-1-p2-f0.5-d0-m0");
    let architecture = cell.architecture();
    assert_eq!((architecture.operands, architecture.tokens), (40, 2));
    architecture.check().unwrap();
    let resolved = plan.resolved_toml();
    assert_eq!(good(load_with(&resolved, &[])), plan, "{resolved}");
}

#[test]
fn a_model_that_cannot_read_the_operands_is_refused_at_the_operation() {
    for (text, expected) in [
        (
            format!("{PARITY}\n{SIZED}"),
            "operands is 40; expected 1 to 5",
        ),
        (
            format!("operation = \"add\"\nmodulus = 13\n{SIZED}{SIGNS}"),
            "operands have 13 values",
        ),
        (
            format!(
                "operation = {{ parity = 3, bits = 2, samples = 9, seed = 0 }}\n{SIZED}{SIGNS}"
            ),
            "3 of 2 bits are to be relevant",
        ),
        (
            format!(
                "operation = {{ parity = 3, bits = 65, samples = 9, seed = 0 }}\n{SIZED}{SIGNS}"
            ),
            "`operation.bits`",
        ),
        (
            format!("operation = {{ parity = 3, bits = 40 }}\n{SIZED}{SIGNS}"),
            "operation.samples",
        ),
    ] {
        let wrong = load_with(&text, &[]).unwrap_err().to_string();
        assert!(wrong.contains(expected), "{text}\n{wrong}");
        assert!(wrong.contains("line") || wrong.contains(":1:"), "{wrong}");
    }
}

#[test]
fn pairs_without_zero_are_another_operation() {
    let plan = plan_with(&["pairs=nonzero"]);
    assert_eq!(plan.cells[0].operation.text(), "mul-nonzero");
    let plan = plan_with(&["operation=add", "pairs=nonzero"]);
    assert_eq!(plan.cells[0].operation.apply(0, 1, 113), None);
    assert_eq!(good(load_with(&plan.resolved_toml(), &[])), plan);
    let all = plan_with(&["operation=add"]);
    assert_ne!(
        plan.cell_fingerprint(&plan.cells[0]),
        all.cell_fingerprint(&all.cells[0])
    );
}

#[test]
fn labels_may_be_noisy() {
    let noise = |sets: &[&str]| plan_with(sets).cells[0].settings.noise;
    assert_eq!(noise(&[]), Noise::NONE);
    let share = |share, seed| Noise { share, seed };
    assert_eq!(noise(&["data.label_noise=0.35"]), share(0.35, 0));
    let seeded = "data.label_noise={ share = 1, seed = 7 }";
    assert_eq!(noise(&[seeded]), share(1.0, 7));
    let plan = plan_with(&["data.label_noise=[0, 0.35]"]);
    assert!(plan.cells[1].id.ends_with("-labelnoise0.35"));
    assert_eq!(good(load_with(&plan.resolved_toml(), &[])), plan);
    let plan = plan_with(&["data.label_noise={ share = 0.5, seed = [1, 2] }"]);
    assert_eq!(good(load_with(&plan.resolved_toml(), &[])), plan);
    // Without noise the fingerprint is the same as before the key existed.
    let none = plan_with(&["data.label_noise=0"]);
    assert_eq!(none.fingerprint(), plan_with(&[]).fingerprint());
}

#[test]
fn what_is_wrong_with_a_task_is_said() {
    for (line, expected) in [
        ("operation = { group = \"X5\" }", "unknown group"),
        ("operation = { group = \"S9\" }", "the group is too large"),
        (
            "operation = { group = \"D5\", order = \"parity\" }",
            "parity",
        ),
        (
            "operation = { table = \"none.csv\" }",
            "the table \"none.csv\" cannot be read: no such file",
        ),
        (
            "operation = { table = \"bad.csv\" }",
            "the table \"bad.csv\"",
        ),
        (
            "operation = { group = \"S4\" }\nmodulus = 7",
            "has no modulus",
        ),
        (
            "operation = { group = \"S4\" }\npairs = \"nonzero\"",
            "has no element that is zero",
        ),
        (
            "operation = [\"mul\", { group = \"S4\" }]",
            "operations with a modulus and without one",
        ),
        (
            "operation = { grup = \"S4\" }",
            "missing key `operation.group`",
        ),
        ("operation = \"mul\"", "missing key `modulus`"),
    ] {
        let found = messages(with(line));
        assert!(
            found.iter().any(|message| message.contains(expected)),
            "{line}: {found:?}"
        );
    }
}
