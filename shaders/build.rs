//! Validates every kernel and writes what the engine must know of each: expanded source, entry
//! point, bindings, the structs of uniforms, and for the kernels of programs the structs in their
//! buffers too. A mistake in a kernel is a build error with its place in the source.

#[path = "build/structs.rs"]
mod structs;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, Module, StorageAccess};

/// The defaults of wgpu's limits, which every adapter that runs wgpu has.
const MAX_INVOCATIONS: u32 = 256;
const MAX_STORAGE_BUFFERS: usize = 8;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=wgsl");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    let folder = env::var("OUT_DIR")?;
    let write = |name: &str, text: String| fs::write(Path::new(&folder).join(name), text);
    let (mut out, mut uniforms) = (String::new(), String::new());
    let mut names = Vec::new();
    for (stem, source) in kernels("wgsl")? {
        let module = parse(&source).map_err(|why| format!("{stem}: {why}"))?;
        let name = stem.to_uppercase();
        let kernel = reflect(&module, &name, &stem, &source);
        writeln!(out, "{}", kernel.map_err(|why| format!("{stem}: {why}"))?)?;
        names.push(name);
        let own = of_uniforms(&module).map_err(|why| format!("{stem}: {why}"))?;
        writeln!(
            uniforms,
            "/// Those of the kernel `{stem}`.\npub mod {stem} {{\n{own}}}"
        )?;
    }
    list(&mut out, &names)?;
    write("kernels.rs", out)?;
    write("uniforms.rs", uniforms)?;
    write("program.rs", program()?)?;
    Ok(())
}

/// Returns the structs of a kernel's uniform buffer.
fn of_uniforms(module: &Module) -> Result<String, String> {
    let mut out = String::new();
    for (_, variable) in module.global_variables.iter() {
        if variable.space == AddressSpace::Uniform {
            let found = structs::of_binding(module, variable.ty)?;
            out.extend(found.into_iter().map(|(_, text)| text));
        }
    }
    Ok(out)
}

/// Returns the kernels of programs, a module for each with its structs, and the structs that they
/// share.
fn program() -> Result<String, Box<dyn std::error::Error>> {
    let (mut shared, mut modules, mut names) = (BTreeMap::new(), String::new(), Vec::new());
    for (stem, source) in kernels("wgsl/program")? {
        let module = parse(&source).map_err(|why| format!("program/{stem}: {why}"))?;
        let kernel = reflect(&module, "KERNEL", &format!("program/{stem}"), &source);
        let kernel = kernel.map_err(|why| format!("program/{stem}: {why}"))?;
        let mut own = String::new();
        for (_, variable) in module.global_variables.iter() {
            if variable.binding.is_none() {
                continue;
            }
            for (name, text) in structs::of_binding(&module, variable.ty)? {
                match name.as_str() {
                    "Job" | "Term" => own.push_str(&text),
                    _ => drop(shared.insert(name, text)),
                }
            }
        }
        writeln!(
            modules,
            "/// See its kernel.\npub mod {stem} {{\nuse super::*;\n{kernel}\n{own}}}"
        )?;
        names.push(format!("{stem}::KERNEL"));
    }
    let mut out: String = shared.into_values().collect();
    out.push_str(&modules);
    list(&mut out, &names)?;
    Ok(out)
}

/// Returns the kernels of a folder, in their order: stem and expanded source.
fn kernels(folder: &str) -> Result<Vec<(String, String)>, Box<dyn std::error::Error>> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()?;
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let name = file.file_name().and_then(|name| name.to_str());
        let stem = name.and_then(|name| name.strip_suffix(".wgsl"));
        if let Some(stem) = stem.filter(|stem| !stem.contains('.')) {
            found.push((stem.to_owned(), expand(&fs::read_to_string(&file)?)?));
        }
    }
    Ok(found)
}

/// Writes the list of these constants.
fn list(out: &mut String, names: &[String]) -> std::fmt::Result {
    let names: String = names.iter().map(|name| format!("    &{name},\n")).collect();
    writeln!(
        out,
        "/// Every kernel, by name.\npub const KERNELS: &[&Kernel] = &[\n{names}];"
    )
}

/// Replaces each line `//#include NAME` by the text of `wgsl/NAME.inc.wgsl`.
fn expand(source: &str) -> Result<String, std::io::Error> {
    let mut out = String::new();
    for line in source.lines() {
        match line.strip_prefix("//#include ") {
            Some(name) => out.push_str(&fs::read_to_string(format!(
                "wgsl/{}.inc.wgsl",
                name.trim()
            ))?),
            None => out.push_str(line),
        }
        out.push('\n');
    }
    Ok(out)
}

fn parse(source: &str) -> Result<Module, String> {
    let module = naga::front::wgsl::parse_str(source).map_err(|e| e.emit_to_string(source))?;
    Validator::new(ValidationFlags::all(), Capabilities::empty())
        .validate(&module)
        .map_err(|e| e.emit_to_string(source))?;
    Ok(module)
}

/// Returns the kernel as a Rust constant of this name.
fn reflect(module: &Module, constant: &str, name: &str, source: &str) -> Result<String, String> {
    let [entry] = module.entry_points.as_slice() else {
        return Err("expected one entry point".to_owned());
    };
    // If overrides give the size, `forward.rs` checks it.
    let [x, y, z] = entry.workgroup_size;
    if entry.workgroup_size_overrides.is_none() && x * y * z > MAX_INVOCATIONS {
        return Err(format!(
            "a workgroup has {} invocations; at most {MAX_INVOCATIONS}",
            x * y * z
        ));
    }
    let mut bindings = Vec::new();
    for (_, variable) in module.global_variables.iter() {
        let Some(binding) = &variable.binding else {
            continue;
        };
        let kind = match variable.space {
            AddressSpace::Uniform => "Uniform",
            AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => "Write",
            AddressSpace::Storage { .. } => "Read",
            other => return Err(format!("a binding in {other:?}")),
        };
        let name = variable.name.clone().unwrap_or_default();
        bindings.push((binding.binding, kind, name));
    }
    bindings.sort();
    let storage = bindings
        .iter()
        .filter(|(_, kind, _)| *kind != "Uniform")
        .count();
    if storage > MAX_STORAGE_BUFFERS {
        return Err(format!(
            "{storage} storage buffers; at most {MAX_STORAGE_BUFFERS}"
        ));
    }
    if !bindings
        .iter()
        .enumerate()
        .all(|(i, (number, ..))| i as u32 == *number)
    {
        return Err("bindings are not numbered 0, 1, 2, …".to_owned());
    }
    let kinds: Vec<String> = bindings
        .iter()
        .map(|(_, kind, _)| format!("Binding::{kind}"))
        .collect();
    let names: Vec<&str> = bindings.iter().map(|(.., name)| name.as_str()).collect();
    let header: Vec<&str> = source
        .lines()
        .map_while(|line| line.strip_prefix("//"))
        .collect();
    let docs: String = header.iter().map(|line| format!("///{line}\n")).collect();
    let docs = docs.replace('[', "\\[").replace(']', "\\]");
    Ok(format!(
        "{docs}pub const {constant}: Kernel = Kernel {{ name: {name:?}, source: {source:?}, \
         entry: {:?}, bindings: &[{}], names: &{names:?} }};\n",
        entry.name,
        kinds.join(", "),
    ))
}
