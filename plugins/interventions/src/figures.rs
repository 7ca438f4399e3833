//! Draws the snapshots of a training in a table and figures.

use grokrun_api::prelude::*;
use grokrun_measures::Score;

/// Scores on the train pairs and on the test pairs.
pub(crate) type Scores = [Score; 2];

/// Holds the numbers of all snapshots.
#[derive(Default)]
pub(crate) struct Trajectory {
    epochs: Vec<f64>,
    /// scores by name; the same names, in the same order, at each snapshot
    measured: Vec<Vec<(String, Scores)>>,
}

impl Trajectory {
    pub(crate) fn push(&mut self, epoch: u64, measured: Vec<(String, Scores)>) {
        self.epochs.push(epoch as f64);
        self.measured.push(measured);
    }

    pub(crate) fn report(&self, out: &mut dyn Sink) {
        let Some(last) = self.measured.last() else {
            return;
        };
        let columns = [
            "intervention",
            "train loss",
            "test loss",
            "train accuracy",
            "test accuracy",
        ];
        let row = |(name, [train, test]): &(String, Scores)| {
            vec![
                json!(name),
                json!(train.loss),
                json!(test.loss),
                json!(train.accuracy),
                json!(test.accuracy),
            ]
        };
        out.table("interventions", &columns, last.iter().map(row).collect());

        let over = |title: &str, y: &str, axis: Axis, pick: &dyn Fn(&Scores) -> f64| {
            let figure = Figure::new(title).x("epoch", Axis::Linear).y(y, axis);
            last.iter()
                .enumerate()
                .fold(figure, |figure, (i, (name, _))| {
                    let values: Vec<f64> = self
                        .measured
                        .iter()
                        .map(|measured| pick(&measured[i].1))
                        .collect();
                    figure.trace(Trace::line(name, &self.epochs, &values))
                })
        };
        out.figure(
            "train-loss",
            over("Train loss by intervention", "loss", Axis::Log, &|s| {
                s[0].loss
            }),
        );
        out.figure(
            "test-loss",
            over("Test loss by intervention", "loss", Axis::Log, &|s| {
                s[1].loss
            }),
        );
        out.figure(
            "test-accuracy",
            over(
                "Test accuracy by intervention",
                "accuracy",
                Axis::Linear,
                &|s| s[1].accuracy,
            ),
        );
        let names: Vec<String> = last.iter().map(|(name, _)| name.clone()).collect();
        let of = |pick: &dyn Fn(&Scores) -> f64| -> Vec<f64> {
            last.iter().map(|(_, scores)| pick(scores)).collect()
        };
        let bars = Figure::new("Loss by intervention at the end")
            .x("intervention", Axis::Category)
            .y("loss", Axis::Log)
            .trace(Trace::bar("train", &names, &of(&|s| s[0].loss)))
            .trace(Trace::bar("test", &names, &of(&|s| s[1].loss)));
        out.figure("last", bars);
        if let (Some((_, own)), Some((name, worst))) = (
            last.first(),
            last.iter()
                .skip(1)
                .max_by(|(_, x), (_, y)| x[1].loss.total_cmp(&y[1].loss)),
        ) {
            out.note(format!(
                "test loss {:.3e} as it is; the most without a part: {:.3e} ({name})",
                own[1].loss, worst[1].loss
            ));
        }
    }
}
