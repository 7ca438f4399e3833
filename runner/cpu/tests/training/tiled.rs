//! Tests that programs which cannot be run are refused, and that cells train side by side.

use grokrun_cpu::TiledExecutor;
use grokrun_executor::ProgramCell;
use grokrun_program::{
    Architecture, Data, Init, Loss, Recipe, Stage, initial_parameters, plain, train,
};

fn cell(tokens: usize, seed: i64) -> ProgramCell {
    let architecture = Architecture::published(tokens);
    let forward = plain(&architecture, &Loss::PUBLISHED).unwrap();
    let program = train(forward, &Recipe::published()).unwrap();
    let parameters = initial_parameters(
        &architecture,
        &program.parameters,
        Init::TransformerLens,
        1.0,
        seed,
    );
    let n = tokens as u32;
    let part = |odd: u32| {
        let pairs = (0..n * n).filter(|i| i % 2 == odd);
        let tokens = pairs.clone().flat_map(|i| [i / n, i % n]).collect();
        let labels = pairs.map(|i| (i / n + i % n) % n).collect();
        Data::new(&program, tokens, labels).unwrap()
    };
    ProgramCell {
        train: part(0),
        test: part(1),
        state: program.initial_state(parameters.unwrap()).unwrap(),
        program,
    }
}

fn refusal(cells: Vec<ProgramCell>) -> String {
    match TiledExecutor::new(cells, Some(1)) {
        Ok(_) => panic!("such cells should be refused"),
        Err(e) => e.to_string(),
    }
}

#[test]
fn cells_do_not_touch_each_other() {
    let alone = |seed| {
        let mut model = TiledExecutor::new(vec![cell(7, seed)], Some(2)).unwrap();
        for _ in 0..3 {
            model.train();
        }
        model.state(0)
    };
    let both = vec![cell(7, 1), cell(7, 2)];
    let mut model = TiledExecutor::new(both, Some(2)).unwrap();
    for _ in 0..3 {
        model.train();
    }
    assert!(model.state(0) == alone(1) && model.state(1) == alone(2));
}

#[test]
fn what_cannot_be_run_is_refused_by_name() {
    let mut forward_only = cell(5, 1);
    forward_only
        .program
        .stages
        .retain(|(stage, _)| !matches!(stage, Stage::Update));
    let ops = forward_only.program.stages.last().unwrap().1.end;
    forward_only.program.ops.truncate(ops);
    assert!(refusal(vec![forward_only]).contains("no update stage"));
    assert!(refusal(vec![cell(5, 1), cell(6, 1)]).contains("different architectures"));
    let mut short = cell(5, 1);
    short.state.parameters.pop();
    assert!(refusal(vec![short]).contains("expected"));
    let mut slotless = cell(5, 1);
    slotless.state.slots.pop();
    assert!(refusal(vec![slotless]).contains("slots"));
}
