//! Tests correct uses of `--set key=value`; the messages of wrong ones are among the reports.

use super::*;

#[test]
fn values_of_every_kind_are_set() {
    let plan = plan_with(&[
        "operation=add",
        "modulus = 59",
        "fraction=0.5",
        "seeds.model=[1,2]",
        "train.epochs=500",
        "model.activation='gelu'",
        "name=\"foo\"",
    ]);
    assert_eq!(plan.name, "foo");
    assert_eq!(plan.epochs, 500);
    let ids: Vec<&str> = plan.cells.iter().map(|cell| cell.id.as_str()).collect();
    assert_eq!(ids, ["add-p59-f0.5-d598-m1", "add-p59-f0.5-d598-m2"]);
}

#[test]
fn text_needs_no_quotes() {
    assert_eq!(plan_with(&["name=foo"]).name, "foo");
    assert_eq!(plan_with(&["name= two words "]).name, "two words");
    assert_eq!(
        plan_with(&["operation=a^2 + b^2"]).cells[0]
            .operation
            .slug(),
        "square-sum"
    );
    assert_eq!(plan_with(&["operation=a"]).cells[0].operation.slug(), "a");
    assert_eq!(plan_with(&["name=a=b"]).name, "a=b");
}

#[test]
fn tables_are_merged_and_lists_replaced() {
    let text = format!("{SMALLEST}\n[train]\nepochs = 7\nlearning_rate = [1e-3, 1e-4]\n");
    let plan = good(load_with(
        &text,
        &["train={ warmup = 3 }", "train.learning_rate=[0.5]"],
    ));
    assert_eq!((plan.epochs, plan.cells[0].settings.train.warmup), (7, 3));
    assert_eq!(plan.cells[0].learning_rate, 0.5);
    assert_eq!(plan.cells.len(), 1);
}

#[test]
fn a_range_can_replace_a_seed_and_the_other_way_round() {
    let sweep = ["seeds.model={ start = 3, count = 2 }"];
    assert_eq!(plan_with(&sweep).cells.len(), 2);
    assert_eq!(
        plan_with(&["seeds.model={ start = 3, count = 2 }", "seeds.model=4"])
            .cells
            .len(),
        1
    );
}

#[test]
fn of_two_the_last_counts() {
    assert_eq!(
        plan_with(&["modulus=59", "modulus=61"]).cells[0].modulus,
        61
    );
}

#[test]
fn they_can_be_all_there_is() {
    let sets = [
        "operation=mul",
        "modulus=113",
        "fraction=0.3",
        "seeds.data=598",
        "seeds.model=999",
    ];
    assert_eq!(good(load_with("", &sets)), plan_with(&[]));
}

#[test]
fn what_is_replaced_may_be_wrong() {
    let text = SMALLEST.replace("113", "\"many\"");
    assert_eq!(good(load_with(&text, &["modulus=113"])), plan_with(&[]));
}
