//! What is exported and imported again, in each format; what is no file of weights; folders and
//! splits.

use grokrun_exchange::{Experiment, Foreign, write_pth, write_safetensors};
use serde_json::json;

use super::{TASK, bare, config, export, foreign_split, resolved, trained};
use crate::support::Bench;

#[test]
fn what_was_exported_comes_back_with_its_task_and_recipe() {
    let spec = "operation = \"a + 2*b\"\nmodulus = 13\nfraction = 0.6\nseeds = { data = 5, model = 6, stream = \"python\" }\n\
                [model]\nd_model = 16\nd_head = 4\nd_mlp = 24\ninit = \"paper\"\nbiases = \"trained\"\n\
                [train]\nepochs = 40\nlearning_rate = 2e-3\nweight_decay = 0.5\nbetas = [0.8, 0.95]\nwarmup = 3\nstop = { test_accuracy = 0.99, patience = 30 }\n\
                [checkpoints]\nevery = 20\n";
    let bench = Bench::new(spec);
    bench
        .run(&["small.toml", "--backend", "cpu", "-q"])
        .exits(0);
    let ours = config(&bench, "small");
    for format in ["pth", "safetensors", "npz"] {
        let (file, again) = (format!("x.{format}"), format!("again-{format}"));
        export(&bench, "small", format, &file);
        for (file, run) in [(file.clone(), format.to_owned()), (file.clone(), again)] {
            let into = format!("runs/{run}");
            let found = bench.run(&["import", &file, "--into", &into]).exits(0);
            for word in ["assumed", "as published", "warning"] {
                // It is hardly trained, which a file without losses does not show.
                if word == "warning" && format == "safetensors" {
                    continue;
                }
                assert!(!found.err().contains(word), "{format}: {}", found.err());
            }
            let theirs = config(&bench, &run);
            for part in [
                "task",
                "seeds",
                "model",
                "train",
                "hooked_transformer_config",
                "cell",
            ] {
                assert_eq!(ours[part], theirs[part], "{format}: {part}");
            }
            // The second time, what was imported and exported again.
            export(&bench, &run, format, &file);
        }
    }
    // A flag that says something else counts, and that is said.
    bench
        .run(&[
            "import",
            "x.pth",
            "--into",
            "runs/flags",
            "--operation",
            "add",
        ])
        .exits(0)
        .says(&["tells the operation a + 2*b; add is taken"]);
}

#[test]
fn what_a_first_import_did_not_know_is_not_known_after_an_export() {
    let bench = trained("relu");
    bare(&bench);
    let fixed = ["import", "bare.safetensors", "--into", "runs/one"];
    bench.run(&[&fixed[..], &TASK].concat()).exits(0);
    for format in ["pth", "npz", "safetensors"] {
        let (file, into) = (format!("one.{format}"), format!("runs/two-{format}"));
        export(&bench, "one", format, &file);
        bench
            .run(&["import", &file, "--into", &into])
            .exits(0)
            .says(&["does not tell how its model was trained"]);
    }
    // Accuracies that a file does not have are no number, and stay so.
    let mut foreign = Foreign::open(&bench.path().join("x.pth"), None).unwrap();
    let losses = foreign.facts().history.clone().unwrap().columns;
    let nan = vec![f64::NAN; 300];
    let experiment = Experiment {
        config: &json!({}),
        own: &json!(null),
        history: [&losses[0], &losses[1], &nan, &nan],
        train: &[],
        test: &[],
        epochs: &[300],
    };
    let read = |_| Ok::<_, grokrun_exchange::ExchangeError>(foreign.model(3)?.tensors);
    let path = bench.path().join("nan.pth");
    let with_split = foreign_split(&bench);
    let experiment = Experiment {
        train: &with_split[0],
        test: &with_split[1],
        ..experiment
    };
    write_pth(&path, &experiment, read).unwrap();
    bench
        .run(&["import", "nan.pth", "--into", "runs/nan"])
        .exits(0)
        .says(&["no train_accs"]);
    export(&bench, "nan", "pth", "nan2.pth");
    bench
        .run(&["import", "nan2.pth", "--into", "runs/nan2"])
        .exits(0)
        .says(&["no train_accs"]);
}

#[test]
fn what_is_no_file_of_weights_is_named_for_what_it_is() {
    let bench = trained("relu");
    bench.write(
        "lfs.pth",
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
    );
    bench.write(
        "page.safetensors",
        "<!DOCTYPE html>\n<html><title>404</title></html>",
    );
    bench.write("empty.pth", "");
    bench.write("x.pth.gz", b"\x1f\x8b\x08\0");
    for (file, says) in [
        ("lfs.pth", "git lfs pull"),
        ("page.safetensors", "HTML"),
        ("empty.pth", "it is empty"),
        ("x.pth.gz", "gzip"),
        ("small.toml", "a text that begins with"),
    ] {
        bench
            .run(&["import", file, "--into", "runs/a"])
            .exits(2)
            .says(&[file, says]);
    }
    assert!(!bench.path().join("runs/a").exists());
    // Under another kind's name, it is read as what it is.
    std::fs::copy(
        bench.path().join("x.pth"),
        bench.path().join("x.safetensors"),
    )
    .unwrap();
    bench
        .run(&["import", "x.safetensors", "--into", "runs/b"])
        .exits(0)
        .says(&["ends in .safetensors, but it is a file of torch.save"]);
}

#[test]
fn a_folder_and_a_split_that_no_seed_gives_are_imported() {
    let bench = trained("relu");
    let mut foreign = Foreign::open(&bench.path().join("x.pth"), None).unwrap();
    let epochs = foreign.facts().epochs.clone();
    let folder = bench.path().join("steps");
    std::fs::create_dir(&folder).unwrap();
    for (i, epoch) in epochs.iter().enumerate() {
        let arrays: Vec<_> = foreign
            .model(i)
            .unwrap()
            .tensors
            .into_iter()
            .map(Into::into)
            .collect();
        write_safetensors(&folder.join(format!("{epoch}.safetensors")), &arrays, &[]).unwrap();
    }
    let import = |more: &[&str]| bench.run(&[&["import", "steps"], more].concat());
    import(&["--into", "runs/a"])
        .exits(2)
        .says(&["--pattern '{epoch}.safetensors'"]);
    let pattern = ["--pattern", "{epoch}.safetensors", "--operation", "mul"];
    let [train, test] = foreign_split(&bench);
    bench.write("train.json", json!(train).to_string());
    let lines: Vec<String> = train.iter().map(i64::to_string).collect();
    bench.write("train.txt", lines.join("\n"));
    for file in ["train.json", "train.txt"] {
        let into = format!("runs/{file}");
        let more = [&pattern[..], &["--train-indices", file, "--into", &into]].concat();
        import(&more)
            .exits(0)
            .says(&["not that of the spec's data seed"]);
        let files = bench.files(file);
        let [cell] = ["cells/mul-p23-f0.5-d598-m999"];
        for epoch in &epochs {
            let name = format!("{cell}/checkpoints/{epoch:08}.safetensors");
            assert!(files.contains_key(std::path::Path::new(&name)), "{name}");
        }
        assert!(resolved(&bench, file).contains("fraction = 0.5"));
        // The other pairs are those tested on.
        export(&bench, file, "npz", "back.npz");
        let back = grokrun_exchange::read_indices(&bench.path().join("back.npz")).unwrap();
        let mut others = back.test.unwrap();
        let mut want = test.clone();
        others.sort_unstable();
        want.sort_unstable();
        assert_eq!((back.train, others), (train.clone(), want));
    }
    // Another split is another run.
    bench.write("train.json", "[0, 1, 2]");
    let more = [
        &pattern[..],
        &["--train-indices", "train.json", "--into", "runs/train.json"],
    ]
    .concat();
    import(&more).exits(2).says(&["another spec"]);
    for (text, says) in [
        ("", "it is empty"),
        ("[529]", "529"),
        ("[1, 1]", "second time"),
        ("[]", "no places"),
    ] {
        bench.write("odd.json", text);
        let more = [
            &pattern[..],
            &["--train-indices", "odd.json", "--into", "runs/b"],
        ]
        .concat();
        import(&more).exits(2).says(&[says]);
    }
    let more = [
        &pattern[..],
        &[
            "--train-indices",
            "train.txt",
            "--fraction",
            "0.3",
            "--into",
            "runs/b",
        ],
    ]
    .concat();
    import(&more).exits(2).says(&["cannot be used with"]);
    bench
        .run(&[
            "import",
            "x.pth",
            "--pattern",
            "{epoch}",
            "--into",
            "runs/b",
        ])
        .exits(2)
        .says(&["for a folder"]);
    assert!(!bench.path().join("runs/b").exists());
}
