//! Validates every kernel and writes down what the engine must know of it: expanded source, entry
//! point, bindings. A mistake in a kernel is a build error with its place in the source.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, StorageAccess};

/// wgpu's default limits, which every adapter that runs wgpu has.
const MAX_INVOCATIONS: u32 = 256;
const MAX_STORAGE_BUFFERS: usize = 8;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=wgsl");
    println!("cargo::rerun-if-changed=build.rs");
    let mut files: Vec<_> = fs::read_dir("wgsl")?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()?;
    files.sort();
    let mut out = String::new();
    let mut names = Vec::new();
    for file in files {
        let name = file
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let Some(stem) = name
            .strip_suffix(".wgsl")
            .filter(|stem| !stem.contains('.'))
        else {
            continue;
        };
        let source = expand(&fs::read_to_string(&file)?)?;
        let kernel = reflect(stem, &source).map_err(|why| format!("{name}: {why}"))?;
        writeln!(out, "{kernel}")?;
        names.push(stem.to_uppercase());
    }
    writeln!(
        out,
        "/// Every kernel, by name.\npub const KERNELS: &[&Kernel] = &["
    )?;
    for name in names {
        writeln!(out, "    &{name},")?;
    }
    writeln!(out, "];")?;
    fs::write(Path::new(&env::var("OUT_DIR")?).join("kernels.rs"), out)?;
    Ok(())
}

/// Puts the text of `wgsl/NAME.inc.wgsl` in the place of each line `//#include NAME`.
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

/// The kernel as a Rust constant.
fn reflect(stem: &str, source: &str) -> Result<String, String> {
    let module = naga::front::wgsl::parse_str(source).map_err(|e| e.emit_to_string(source))?;
    Validator::new(ValidationFlags::all(), Capabilities::empty())
        .validate(&module)
        .map_err(|e| e.emit_to_string(source))?;
    let [entry] = module.entry_points.as_slice() else {
        return Err("expected one entry point".to_owned());
    };
    // Where overrides give the size, `forward.rs` checks it.
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
        bindings.push((binding.binding, kind));
    }
    bindings.sort();
    let storage = bindings
        .iter()
        .filter(|(_, kind)| *kind != "Uniform")
        .count();
    if storage > MAX_STORAGE_BUFFERS {
        return Err(format!(
            "{storage} storage buffers; at most {MAX_STORAGE_BUFFERS}"
        ));
    }
    if !bindings
        .iter()
        .enumerate()
        .all(|(i, (number, _))| i as u32 == *number)
    {
        return Err("bindings are not numbered 0, 1, 2, …".to_owned());
    }
    let kinds: Vec<String> = bindings
        .iter()
        .map(|(_, kind)| format!("Binding::{kind}"))
        .collect();
    let header: Vec<&str> = source
        .lines()
        .map_while(|line| line.strip_prefix("//"))
        .collect();
    let docs: String = header.iter().map(|line| format!("///{line}\n")).collect();
    let docs = docs.replace('[', "\\[").replace(']', "\\]");
    Ok(format!(
        "{docs}pub const {}: Kernel = Kernel {{ name: {stem:?}, source: {source:?}, entry: {:?}, bindings: &[{}] }};\n",
        stem.to_uppercase(),
        entry.name,
        kinds.join(", "),
    ))
}
