//! Trains the models of `models` on a GPU, software or hardware: against the interpreter in f64, by
//! the program from outside, and after a stop.

use grokrun_engine::{
    Backend, Choice, Executor, ProgramCell, RecordedCell, choose_backend, open_programs,
};
use grokrun_program::{folded, plain, train};

use crate::models::{KINDS, batches, data, initial, interpreted, plan, spec};
use crate::support::{Bench, adapter, assert_same};

fn choice() -> Option<Choice> {
    let adapter = adapter()?;
    Some(choose_backend(Backend::Gpu, Some(&adapter)).unwrap())
}

/// Returns a kind's only cell, with the program that a session records for it.
fn cell(tables: &str) -> RecordedCell {
    let plan = plan(&spec(tables, 10));
    let cell = &plan.cells[0];
    let (architecture, loss) = (cell.architecture(), plan.cells[0].settings.train.loss);
    let forward = folded(&architecture, &loss).unwrap();
    let forward = forward.unwrap_or_else(|| plain(&architecture, &loss).unwrap());
    let program = train(forward, &cell.recipe()).unwrap();
    let [train, test] = data(&plan, &program);
    let state = program.initial_state(initial(&plan, &program)).unwrap();
    RecordedCell {
        batches: batches(&plan, &train),
        cell: ProgramCell {
            program,
            train,
            test,
            state,
        },
    }
}

fn cells() -> Vec<RecordedCell> {
    KINDS.iter().map(|(tables, _)| cell(tables)).collect()
}

#[test]
fn every_kind_trains_as_the_interpreter_does_in_f64() {
    let Some(choice) = choice() else { return };
    let mut gpu: Box<dyn Executor> = open_programs(&choice, cells()).unwrap();
    let rows = gpu.run(10).unwrap();
    for (number, (tables, tolerance)) in KINDS.iter().enumerate() {
        let wanted = interpreted(&plan(&spec(tables, 10)), 10);
        for (epoch, (row, wanted)) in rows.iter().zip(wanted).enumerate() {
            let row = row[number];
            for (ours, wanted) in [row.train_loss, row.test_loss].into_iter().zip(wanted) {
                let apart = (ours / wanted - 1.0).abs();
                assert!(
                    apart < *tolerance,
                    "{tables}epoch {epoch}: {ours} for {wanted}"
                );
            }
        }
    }
}

#[test]
fn a_run_goes_on_byte_for_byte_on_a_gpu() {
    let Some(adapter) = adapter() else { return };
    // In minibatches, of which the last is smaller.
    let (tables, _) = KINDS[6];
    let gpu = [
        "small.toml",
        "--backend",
        "gpu",
        "--adapter",
        &adapter,
        "--quiet",
    ];
    let (whole, parts) = (Bench::new(&spec(tables, 40)), Bench::new(&spec(tables, 20)));
    whole.run(&gpu).exits(0);
    parts.run(&gpu).exits(0);
    parts.write("small.toml", spec(tables, 40));
    parts.run(&gpu).exits(0);
    assert_same(&whole.files("small"), &parts.files("small"));
}
