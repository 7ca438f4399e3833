//! Turns structs of kernels into Rust structs, so that the contents of a buffer are written field
//! by field.

use std::fmt::Write as _;

use naga::{Handle, Module, ScalarKind, Type, TypeInner};

/// Returns the struct of a binding, or of the array that is bound, after the structs inside it:
/// name and Rust text of each.
pub(super) fn of_binding(
    module: &Module,
    ty: Handle<Type>,
) -> Result<Vec<(String, String)>, String> {
    match module.types[ty].inner {
        TypeInner::Array { base, .. } => of_binding(module, base),
        TypeInner::Struct { .. } => {
            let mut found = Vec::new();
            structure(module, ty, &mut found)?;
            Ok(found)
        }
        _ => Ok(Vec::new()),
    }
}

fn structure(
    module: &Module,
    ty: Handle<Type>,
    found: &mut Vec<(String, String)>,
) -> Result<u32, String> {
    let Type { name, inner } = &module.types[ty];
    let (Some(name), TypeInner::Struct { members, .. }) = (name, inner) else {
        return Err("a struct without a name".to_owned());
    };
    let (mut fields, mut pushes, mut words) = (String::new(), String::new(), 0);
    for member in members {
        let field = member.name.as_deref().unwrap_or_default();
        if member.offset != 4 * words {
            return Err(format!("{name}.{field} stands after a gap"));
        }
        let (kind, push) = match &module.types[member.ty].inner {
            TypeInner::Scalar(scalar) if scalar.kind == ScalarKind::Uint => {
                words += 1;
                ("u32".to_owned(), format!("words.push(self.{field});"))
            }
            TypeInner::Scalar(scalar) if scalar.kind == ScalarKind::Float => {
                words += 1;
                let push = format!("words.push(self.{field}.to_bits());");
                ("f32".to_owned(), push)
            }
            TypeInner::Struct { .. } => {
                words += structure(module, member.ty, found)?;
                let inner = module.types[member.ty].name.clone().unwrap_or_default();
                (inner, format!("self.{field}.push(words);"))
            }
            other => return Err(format!("{name}.{field} is {other:?}")),
        };
        let _ = writeln!(fields, "    /// `{field}`\n    pub {field}: {kind},");
        let _ = writeln!(pushes, "        {push}");
    }
    if !found.iter().any(|(known, _)| known == name) {
        let text = format!(
            "/// The kernels' struct of this name, field by field.\n\
             #[derive(Clone, Copy, Debug, Default, PartialEq)]\n\
             pub struct {name} {{\n{fields}}}\n\
             impl crate::Words for {name} {{\n    const COUNT: usize = {words};\n    \
             fn push(&self, words: &mut Vec<u32>) {{\n{pushes}    }}\n}}\n"
        );
        found.push((name.clone(), text));
    }
    Ok(words)
}
