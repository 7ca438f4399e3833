//! Holds an analysis without its type, as the host uses it, linked or loaded.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::sweep::Running;
use crate::{Analysis, Failure, Manifest, Reads, Sink, Snapshot, SweepAnalysis, SweepCell, Task};

/// A running analysis.
pub trait Instance: Send {
    /// Does the same as [`Analysis::observe`].
    ///
    /// # Errors
    /// As for [`Analysis::observe`].
    fn observe(&mut self, snapshot: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure>;

    /// Does the same as [`Analysis::finish`].
    ///
    /// # Errors
    /// As for [`Analysis::finish`].
    fn finish(&mut self, out: &mut dyn Sink) -> Result<(), Failure>;

    /// Destroys the instance, like dropping it, but reports failures.
    ///
    /// # Errors
    /// When the destruction failed, as far as that is known. A panic of the destructor is passed
    /// on.
    fn close(self: Box<Self>) -> Result<(), Failure> {
        drop(self);
        Ok(())
    }
}

impl<A: Analysis> Instance for A {
    fn observe(&mut self, snapshot: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure> {
        Analysis::observe(self, snapshot, out)
    }

    fn finish(&mut self, out: &mut dyn Sink) -> Result<(), Failure> {
        Analysis::finish(self, out)
    }
}

/// An analysis that can be started.
#[derive(Clone, Copy)]
pub struct Registration {
    manifest: Manifest,
    package: &'static str,
    schema: fn() -> Value,
    check: fn(&Map<String, Value>) -> Result<(), Failure>,
    create: Create,
    sweep: Option<(Reads, CreateSweep)>,
}

/// Starts an analysis on a cell.
type Create = fn(&Map<String, Value>, &Task) -> Result<Box<dyn Instance>, Failure>;

/// Starts an analysis on a sweep.
type CreateSweep = fn(&Map<String, Value>, Vec<SweepCell>) -> Result<Box<dyn Instance>, Failure>;

inventory::collect!(Registration);

impl Registration {
    /// Returns the registration of an analysis from the package `package`. [`crate::export_plugin`]
    /// calls this function.
    pub const fn of<A: Analysis>(package: &'static str) -> Registration {
        Registration {
            manifest: A::MANIFEST,
            package,
            schema: schema::<A::Config>,
            check: |parameters| A::check(&read::<A::Config>(parameters)?),
            create: |parameters, task| Ok(Box::new(A::new(read::<A::Config>(parameters)?, task)?)),
            sweep: None,
        }
    }

    /// Returns the registration of an analysis of a sweep, as [`Registration::of`] does.
    pub const fn of_sweep<S: SweepAnalysis>(package: &'static str) -> Registration {
        Registration {
            manifest: S::MANIFEST,
            package,
            schema: schema::<S::Config>,
            check: |parameters| S::check(&read::<S::Config>(parameters)?),
            create: |_, _| {
                Err(Failure::new(
                    "it looks at a whole sweep, and was started on a cell; expected a grokrun whose plugin ABI is 1.2 or later",
                ))
            },
            sweep: Some((S::READS, |parameters, cells| {
                let analysis = S::new(read::<S::Config>(parameters)?, &cells)?;
                Ok(Box::new(Running { analysis, cells }))
            })),
        }
    }

    /// Returns which analyses of the cells the analysis reads; `None` for an analysis of a cell.
    pub fn reads(&self) -> Option<Reads> {
        self.sweep.map(|(reads, _)| reads)
    }

    /// Starts the analysis on a sweep of these cells.
    ///
    /// # Errors
    /// As for [`Registration::check`], when the analysis cannot work on this sweep, and when it is
    /// an analysis of a cell.
    pub fn create_sweep(
        &self,
        parameters: &Map<String, Value>,
        cells: Vec<SweepCell>,
    ) -> Result<Box<dyn Instance>, Failure> {
        let (_, create) = self
            .sweep
            .ok_or_else(|| Failure::new("it looks at a cell, and was started on a sweep"))?;
        create(parameters, cells)
    }

    /// Returns the description of the analysis.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Returns the name of the package that contains the analysis.
    pub fn package(&self) -> &'static str {
        self.package
    }

    /// Returns the JSON schema of the parameters: an object whose `properties` each have a
    /// `default`.
    pub fn schema(&self) -> Value {
        (self.schema)()
    }

    /// Checks parameters.
    ///
    /// # Errors
    /// Names the first parameter that has the wrong type, is unknown, or is refused by the
    /// analysis.
    pub fn check(&self, parameters: &Map<String, Value>) -> Result<(), Failure> {
        (self.check)(parameters)
    }

    /// Starts the analysis on a cell.
    ///
    /// # Errors
    /// As for [`Registration::check`], and when the analysis cannot work on this task.
    pub fn create(
        &self,
        parameters: &Map<String, Value>,
        task: &Task,
    ) -> Result<Box<dyn Instance>, Failure> {
        (self.create)(parameters, task)
    }

    /// Returns all analyses that are linked into this program, by name.
    pub fn linked() -> Vec<&'static Registration> {
        let mut all: Vec<_> = inventory::iter::<Registration>.into_iter().collect();
        all.sort_by_key(|registration| (registration.manifest.name, registration.package));
        all
    }
}

/// Returns the derived schema, with the default of each parameter from `Default`.
fn schema<C: Default + Serialize + JsonSchema>() -> Value {
    let schema = schemars::SchemaGenerator::default().into_root_schema_for::<C>();
    with_defaults(
        schema.into(),
        serde_json::to_value(C::default()).unwrap_or_default(),
    )
}

// This and the two below are apart from what knows the type: each plugin compiles that again.

fn with_defaults(mut schema: Value, defaults: Value) -> Value {
    if let (Some(properties), Value::Object(defaults)) = (
        schema.get_mut("properties").and_then(Value::as_object_mut),
        defaults,
    ) {
        for (name, default) in defaults {
            if let Some(property) = properties.get_mut(&name).and_then(Value::as_object_mut) {
                property.insert("default".to_owned(), default);
            }
        }
    }
    schema
}

fn read<C>(parameters: &Map<String, Value>) -> Result<C, Failure>
where
    C: Default + Serialize + DeserializeOwned + JsonSchema,
{
    serde_path_to_error::deserialize(object(parameters))
        .map_err(|error| refused(error.path().to_string(), error.inner(), schema::<C>))
}

fn object(parameters: &Map<String, Value>) -> Value {
    Value::Object(parameters.clone())
}

fn refused(path: String, error: &serde_json::Error, schema: fn() -> Value) -> Failure {
    let parameter = if path == "." { String::new() } else { path };
    let kind = kind_of(&schema()["properties"][&parameter]["type"]);
    let message = match kind {
        Some(kind) => format!("must be {kind}"),
        None => format!("cannot be read: {error}"),
    };
    Failure::Parameter { parameter, message }
}

/// Returns the name in words of a JSON schema's type.
fn kind_of(kind: &Value) -> Option<&'static str> {
    Some(match kind.as_str()? {
        "number" => "a number",
        "integer" => "a whole number that is not negative, and not too large",
        "boolean" => "true or false",
        "string" => "text",
        "array" => "a list",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(default, deny_unknown_fields)]
    struct Config {
        threshold: f64,
    }

    impl Default for Config {
        fn default() -> Self {
            Config { threshold: 0.85 }
        }
    }

    struct Counter {
        seen: usize,
    }

    impl Analysis for Counter {
        type Config = Config;
        const MANIFEST: Manifest = Manifest::new("counter", "1.2.3", "counts snapshots");
        fn check(config: &Config) -> Result<(), Failure> {
            match config.threshold {
                0.0..=1.0 => Ok(()),
                _ => Err(Failure::parameter("threshold", "must be from 0 to 1")),
            }
        }
        fn new(_: Config, _: &Task) -> Result<Self, Failure> {
            Ok(Counter { seen: 0 })
        }
        fn observe(&mut self, _: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure> {
            self.seen += 1;
            out.scalar("seen", self.seen as f64);
            Ok(())
        }
    }

    fn parameters(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn parameters_have_defaults_types_and_judges() {
        let counter = Registration::of::<Counter>("here");
        assert_eq!(counter.schema()["properties"]["threshold"]["default"], 0.85);
        assert_eq!(counter.check(&Map::new()), Ok(()));
        let wrong = counter.check(&parameters(json!({ "threshold": "high" })));
        let Err(Failure::Parameter { parameter, .. }) = wrong else {
            panic!("{wrong:?}");
        };
        assert_eq!(parameter, "threshold");
        let high = counter.check(&parameters(json!({ "threshold": 1.5 })));
        assert_eq!(
            high.unwrap_err().to_string(),
            "`threshold` must be from 0 to 1"
        );
        assert!(
            counter
                .check(&parameters(json!({ "treshold": 1 })))
                .is_err()
        );
    }
}
