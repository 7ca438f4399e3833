//! Passes generated specs through `check`, which answers each with a plan or with the mistakes, in
//! bounded time and memory.
//!
//! `GROKRUN_GENERATED_SPECS=5000` sets their number (by default a few), and
//! `GROKRUN_GENERATED_SPECS_SEED=7` another seed.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{Bench, Finished};

/// The number of specs, unless the environment sets it.
const FEW: u64 = 10;
/// The limits of one check: core-seconds, since other programs lengthen the wall time, and bytes.
const MOST_SECONDS: f64 = 10.0;
const MOST_BYTES: u64 = 1_000_000_000;

/// SplitMix64.
struct Random(u64);

/// Lines of `[train]` that are compatible, except the last.
const RECIPES: [&str; 5] = [
    "optimizer = \"sgd\"\nmomentum = 0.9\n",
    "optimizer = \"lion\"\nloss = \"mse\"\n",
    "optimizer = \"muon\"\nsphere = 1.0\n",
    "gradient = { grokfast = \"ma\", window = 1000 }\nloss = \"stablemax\"\n",
    "momentum = 0.9\n",
];

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    /// Returns one value, or now and then a list of several.
    fn axis(&mut self, mut value: impl FnMut(&mut Random) -> String) -> String {
        if !self.one_in(5) {
            return value(self);
        }
        let count = self.below(5);
        let values: Vec<String> = (0..count).map(|_| value(self)).collect();
        format!("[{}]", values.join(", "))
    }

    fn expression(&mut self, depth: usize) -> String {
        if depth == 0 || self.one_in(4) {
            return self
                .pick(&["a", "b", "0", "1", "2", "113", "18446744073709551615"])
                .to_owned();
        }
        let (x, y) = (self.expression(depth - 1), self.expression(depth - 1));
        match self.below(8) {
            0 => format!("({x} + {y})"),
            1 => format!("({x} - {y})"),
            2 => format!("{x} * {y}"),
            3 | 4 => format!("({x}) / ({y})"),
            5 => format!("({x})^{}", self.below(5)),
            6 => format!("-({x})"),
            _ => format!("({x} if {y} is odd else a)"),
        }
    }

    fn operation(&mut self) -> String {
        let name = match self.below(12) {
            0..6 => self
                .pick(&[
                    "add",
                    "sub",
                    "mul",
                    "div",
                    "mul-nonzero",
                    "square-sum",
                    "quadratic",
                    "cubic",
                    "div-odd-else-sub",
                    "add-even-else-mul",
                ])
                .to_owned(),
            6..11 => self.expression(3),
            _ => self
                .pick(&["", "multiply", "a +", "c", "a/(a-a)", "\\u001b[2J"])
                .to_owned(),
        };
        format!("\"{name}\"")
    }

    fn modulus(&mut self) -> String {
        let usual = [
            "2", "3", "5", "7", "12", "13", "23", "59", "97", "113", "251",
        ];
        let large = ["1009", "4096", "9973", "20011", "65521", "65535"];
        match self.below(10) {
            0..7 => self.pick(&usual).to_owned(),
            7..9 => self.pick(&large).to_owned(),
            _ => self
                .pick(&["0", "1", "-5", "65536", "1e3", "\"113\""])
                .to_owned(),
        }
    }

    fn seed(&mut self) -> String {
        match self.below(8) {
            0 => format!(
                "{{ start = {}, count = {} }}",
                self.below(9),
                1 + self.below(300)
            ),
            1 => self
                .pick(&["{ start = 0, count = 100_000 }", "[]", "[1, 1]", "-1"])
                .to_owned(),
            _ => self.axis(|random| random.below(1000).to_string()),
        }
    }

    /// Returns a table of some of these keys, each with one of its values.
    fn table(&mut self, name: &str, keys: &[(&str, &[&str])], share: usize) -> String {
        let mut text = format!("[{name}]\n");
        for (key, values) in keys {
            if self.one_in(share) {
                text.push_str(&format!("{key} = {}\n", self.pick(values)));
            }
        }
        text
    }

    /// Returns a table of the model: the published one, a deeper one, or an mlp; now and then one
    /// that is not valid.
    fn model(&mut self, widths: &[&str]) -> String {
        let activation: (&str, &[&str]) = (
            "activation",
            &["\"relu\"", "\"gelu\"", "\"tanh\"", "{ power = 3 }"],
        );
        let of_transformers = [
            ("heads", &["1", "2", "4", "7", "64", "1024"][..]),
            ("d_model", widths),
            ("d_head", widths),
            ("d_mlp", widths),
            activation,
            ("biases", &["\"frozen\"", "\"trained\"", "\"all\""]),
        ];
        match self.below(5) {
            0..3 => self.table("model", &of_transformers, 4),
            3 => {
                let deeper: [(&str, &[&str]); 4] = [
                    ("layers", &["2", "3", "4", "5"]),
                    ("norm", &["\"pre\"", "\"post\""]),
                    ("attention", &["\"uniform\"", "{ rate = 0.5 }"]),
                    ("tied", &["true"]),
                ];
                self.table("model", &[&of_transformers[..], &deeper].concat(), 3)
            }
            _ => {
                let own: [(&str, &[&str]); 4] = [
                    ("hidden", &["[200, 200]", "500", "[65536, 65536, 65536]"]),
                    ("input", &["\"embedding-concat\"", "\"two-hot\""]),
                    ("init", &["\"rep-theory\"", "{ normal = 0.1 }", "\"paper\""]),
                    activation,
                ];
                self.table("model", &own, 2)
                    .replacen('\n', "\nkind = \"mlp\"\n", 1)
            }
        }
    }

    fn spec(&mut self) -> String {
        let operation = self.axis(Random::operation);
        let modulus = self.axis(Random::modulus);
        let fraction = self.axis(|random| {
            random
                .pick(&["0.01", "0.3", "0.5", "0.8", "0.99", "0", "1.5"])
                .to_owned()
        });
        let (data, model) = (self.seed(), self.seed());
        let mut text = format!(
            "operation = {operation}\nmodulus = {modulus}\nfraction = {fraction}\nseeds = {{ data = {data}, model = {model} }}\n"
        );
        let widths: &[&str] = &["1", "3", "16", "64", "128", "1000", "4096", "65536"];
        text.push_str(&self.model(widths));
        text.push_str(&self.table(
            "train",
            &[
                ("epochs", &["1", "100", "40_000", "1_000_000_000", "0"]),
                ("learning_rate", &["1e-3", "[1e-4, 1e-3]", "1e30", "0"]),
                ("weight_decay", &["0.0", "1.0", "1e10", "[0.3, 1.0, 3.0]"]),
                ("warmup", &["0", "10", "1_000_000_000"]),
                ("stop", &["{ test_accuracy = 0.99, patience = 100 }"]),
            ],
            3,
        ));
        if self.one_in(3) {
            text.push_str(self.pick(&RECIPES));
        }
        text.push_str(&self.table(
            "checkpoints",
            &[
                ("every", &["0", "1", "100", "1_000_000_000"]),
                ("precision", &["\"f32\"", "\"f16\""]),
                ("compression", &["\"none\"", "\"lossless\""]),
            ],
            3,
        ));
        if self.one_in(3) {
            for name in [
                "fourier-sparsity",
                "neuron-clustering",
                "commutativity",
                "progress-measures",
                "effective-weights",
                "activations",
                "logit-directions",
                "singular-values",
                "quadratic-fit",
                "interventions",
                "clock-or-pizza",
                "embedding-geometry",
            ] {
                if self.one_in(4) {
                    text.push_str(&self.table(
                        &format!("analysis.{name}"),
                        &[
                            ("every", &["0", "1", "50"]),
                            (
                                "basis",
                                &[
                                    "\"auto\"",
                                    "\"additive\"",
                                    "\"multiplicative\"",
                                    "\"labels\"",
                                ],
                            ),
                        ],
                        6,
                    ));
                }
            }
        }
        text
    }
}

/// The resources of a check: wall seconds, core-seconds and peak bytes; the last two are 0 if the
/// system does not report them.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    wall: f64,
    cores: f64,
    bytes: u64,
}

fn check(bench: &Bench, args: &[&str]) -> (Finished, Taken) {
    let mut command = bench.command(args);
    let started = Instant::now();
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut taken = Taken::default();
    while child.try_wait().expect("it can be waited for").is_none() {
        let report = of_process(child.id());
        taken.cores = taken.cores.max(report.cores);
        taken.bytes = taken.bytes.max(report.bytes);
        assert!(
            taken.cores < 2.0 * MOST_SECONDS && taken.bytes < 2 * MOST_BYTES,
            "it goes on and on: {taken:?}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    taken.wall = started.elapsed().as_secs_f64();
    let output = child.wait_with_output().expect("what it said");
    (Finished::of(output), taken)
}

/// Returns the resources that a process has used so far.
fn of_process(id: u32) -> Taken {
    let read =
        |file: &str| std::fs::read_to_string(format!("/proc/{id}/{file}")).unwrap_or_default();
    let status = read("status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    // After the name, which may have spaces: state is the first, user and system ticks are the
    // twelfth and thirteenth. A tick is a hundredth of a second.
    let stat = read("stat");
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks: u64 = fields
        .skip(11)
        .take(2)
        .filter_map(|n| n.parse::<u64>().ok())
        .sum();
    Taken {
        wall: 0.0,
        cores: ticks as f64 / 100.0,
        bytes: kib.unwrap_or(0) * 1024,
    }
}

fn number(name: &str, usual: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} is {text}; expected a number")),
        Err(_) => usual,
    }
}

#[test]
fn generated_specs_are_checked_in_bounded_time_and_memory() {
    let count = number("GROKRUN_GENERATED_SPECS", FEW);
    let mut random = Random(number("GROKRUN_GENERATED_SPECS_SEED", 1));
    let bench = Bench::new("");
    let (mut valid, mut most) = (0, Taken::default());
    for i in 0..count {
        let spec = random.spec();
        bench.write("small.toml", &spec);
        let (finished, taken) = check(&bench, &["check", "small.toml", "--backend", "cpu"]);
        let report = || format!("spec {i}, {taken:?}:\n{spec}\n{}", finished.err());
        assert!(
            matches!(finished.code(), Some(0 | 2)),
            "{:?} {}",
            finished.code(),
            report()
        );
        assert!(!finished.err().contains("panicked"), "{}", report());
        assert!(
            taken.cores < MOST_SECONDS && taken.bytes < MOST_BYTES,
            "{}",
            report()
        );
        valid += u64::from(finished.code() == Some(0));
        most = Taken {
            wall: most.wall.max(taken.wall),
            cores: most.cores.max(taken.cores),
            bytes: most.bytes.max(taken.bytes),
        };
    }
    println!("{valid} of {count} specs are valid; the most that one took: {most:?}");
    assert!(
        valid > 0 && valid < count,
        "{valid} of {count}: the generator says too little"
    );
}

/// A wide model, and an analysis whose cost grows with its cube: measured on narrower ones, and
/// said to be.
#[test]
fn a_wide_model_is_not_measured_in_full() {
    let bench = Bench::new(
        "operation = \"add\"\nmodulus = 7\nfraction = 0.5\nseeds = { data = 1, model = 2 }\n\
         [model]\nd_model = 1000\n[train]\nepochs = 100\n[analysis.singular-values]\n",
    );
    let (finished, taken) = check(&bench, &["check", "small.toml", "--backend", "cpu"]);
    let finished = finished.exits(0);
    assert!(
        taken.cores < MOST_SECONDS && taken.bytes < MOST_BYTES,
        "{taken:?}"
    );
    let out = finished.out();
    assert!(out.contains("analyses"), "{out}");
}

/// What was measured and could not be kept is not said to be kept, and the rest of the answer is
/// there.
#[test]
fn a_calibration_that_cannot_be_written_is_not_called_kept() {
    let bench = Bench::new(crate::support::SMALL);
    // A file stands where the folder would be: no permission bit stops root.
    let taken = bench.write("taken", "");
    let mut command = bench.command(&["check", "small.toml", "--backend", "cpu"]);
    let output = command
        .env("GROKRUN_CACHE_DIR", taken.join("cache"))
        .output()
        .expect("the program starts");
    let finished = Finished::of(output).exits(0).says(&["cannot be written"]);
    let out = finished.out();
    assert!(
        out.contains("not kept") && !out.contains("kept in"),
        "{out}"
    );
}

/// Disk and memory are of the whole run: what it leaves is near what was told, findings and report
/// too.
#[test]
fn disk_is_predicted_with_findings_and_report() {
    let bench = Bench::new(&format!(
        "{}[analysis.fourier-sparsity]\n[analysis.activations]\n[analysis.singular-values]\n",
        crate::support::SMALL
    ));
    let report = bench
        .run(&["check", "small.toml", "--backend", "cpu"])
        .exits(0);
    if report.err().contains("not in time and disk") {
        // On a machine that is so busy the answer says that findings are left out of it.
        eprintln!("skipped: {}", report.err());
        return;
    }
    let out = report.out();
    let line = out.lines().find_map(|line| line.strip_prefix("disk"));
    let mut words = line.expect("a line on the disk").split_whitespace();
    let number: f64 = words.next().and_then(|n| n.parse().ok()).expect("a number");
    let unit = match words.next() {
        Some("kB") => 1e3,
        Some("MB") => 1e6,
        other => panic!("{other:?} in {out}"),
    };
    bench
        .run(&["small.toml", "--backend", "cpu", "-q"])
        .exits(0);
    let left = size(&bench.path().join("runs"));
    let ratio = number * unit / left as f64;
    assert!(
        (0.6..1.7).contains(&ratio),
        "{number} {unit} were told, {left} bytes are left"
    );
}

fn size(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                size(&path)
            } else {
                path.metadata().map_or(0, |file| file.len())
            }
        })
        .sum()
}
