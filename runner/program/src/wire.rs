//! Defines the form of a program outside of the process: in a test fixture, or in a page that
//! replays a program.
//!
//! Owns the number of the format. The fields are those of [`Program`], by serde; the numbers of
//! samples are not among them.

use serde::{Deserialize, Serialize};

use crate::check::ProgramError;
use crate::program::Program;

/// The number of the format; a reader refuses every other number.
pub const FORMAT: u32 = 1;

/// A program with the number of its format.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    format: u32,
    program: Program,
}

/// Why a document is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The document has the format of another version.
    #[error("the program has format {0}; expected {FORMAT}: write it again with this version")]
    Format(u32),
    /// The program is not well formed.
    #[error("the program is damaged: {0}")]
    Program(#[from] ProgramError),
}

impl Document {
    /// Wraps a program.
    pub fn new(program: Program) -> Document {
        Document {
            format: FORMAT,
            program,
        }
    }

    /// Returns the program, after its views and shapes were checked.
    ///
    /// # Errors
    /// Fails if the format is another one, or if the program is not well formed.
    pub fn into_program(self) -> Result<Program, WireError> {
        if self.format != FORMAT {
            return Err(WireError::Format(self.format));
        }
        self.program.check()?;
        Ok(self.program)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::{Architecture, Input, Norm};
    use crate::examples::{mlp, transformer};
    use crate::folded::folded;
    use crate::loss::Loss;
    use crate::op::Op;
    use crate::optimizer::{Clip, Filter, GrokfastMa, Recipe, Sphere, train};
    use crate::plain::plain;

    fn programs() -> Vec<Program> {
        let everything = Recipe {
            filters: vec![
                Filter::GrokfastMa(GrokfastMa {
                    window: 3,
                    lambda: 0.1,
                }),
                Filter::Orthogonal,
                Filter::Clip(Clip { most: 1.0 }),
            ],
            sphere: Some(Sphere {
                multiple: 0.8,
                each: true,
            }),
            ..Recipe::published()
        };
        let concat = Input::EmbeddingConcat {
            width: 3,
            shared: true,
        };
        let plain = |a: &Architecture| plain(a, &Loss::PUBLISHED).unwrap();
        let fold = folded(&transformer(1, Norm::None), &Loss::PUBLISHED).unwrap();
        [
            plain(&transformer(2, Norm::Pre)),
            plain(&mlp(concat, &[4, 4])),
            fold.unwrap(),
        ]
        .into_iter()
        .map(|forward| train(forward, &everything).unwrap())
        .collect()
    }

    #[test]
    fn a_program_comes_back_as_it_went() {
        for program in programs() {
            let text = serde_json::to_string(&Document::new(program.clone())).unwrap();
            let document: Document = serde_json::from_str(&text).unwrap();
            assert_eq!(document.into_program().unwrap(), program);
        }
    }

    #[test]
    fn another_format_is_refused() {
        let mut document = Document::new(programs().remove(0));
        document.format += 1;
        let error = document.into_program().unwrap_err();
        assert!(
            error.to_string().contains("format 2; expected 1"),
            "{error}"
        );
    }

    #[test]
    fn a_damaged_program_is_refused_wherever_it_is_damaged() {
        for program in programs() {
            for number in 0..program.ops.len() {
                let mut damaged = program.clone();
                match &mut damaged.ops[number] {
                    Op::Clear { table } => table.0 = 1 << 40,
                    Op::Filter { moved, .. }
                    | Op::Update { moved, .. }
                    | Op::Project { moved, .. } => moved[0].gradient.0 = 1 << 40,
                    op => op.views_mut()[0].cols.first = usize::MAX,
                }
                let error = Document::new(damaged).into_program().unwrap_err();
                let place = format!("operation {number}:");
                assert!(error.to_string().contains(&place), "{error}");
            }
        }
    }
}
