//! Lists the adapters of this machine, and chooses one.

use grokrun_executor::EngineError;
use wgpu::{DeviceType, Limits};

use super::arena::SLACK;
use super::instance;

/// The kind of processor of an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Discrete,
    Integrated,
    Virtual,
    Other,
    /// a CPU that emulates a GPU, lavapipe for instance
    Software,
}

impl Kind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Kind::Discrete => "discrete GPU",
            Kind::Integrated => "integrated GPU",
            Kind::Virtual => "virtual GPU",
            Kind::Other => "other",
            Kind::Software => "software",
        }
    }
}

/// An adapter, with the properties that distinguish it from others.
#[derive(Clone, Debug)]
pub(crate) struct Adapter {
    pub(crate) raw: wgpu::Adapter,
    pub(crate) name: String,
    /// the backend: vulkan, metal or dx12
    pub(crate) backend: String,
    pub(crate) driver: String,
    pub(crate) kind: Kind,
}

impl Adapter {
    fn new(raw: wgpu::Adapter) -> Adapter {
        let info = raw.get_info();
        let kind = match info.device_type {
            DeviceType::DiscreteGpu => Kind::Discrete,
            DeviceType::IntegratedGpu => Kind::Integrated,
            DeviceType::VirtualGpu => Kind::Virtual,
            DeviceType::Cpu => Kind::Software,
            DeviceType::Other => Kind::Other,
        };
        Adapter {
            name: info.name,
            backend: info.backend.to_str().to_owned(),
            driver: format!("{} {}", info.driver, info.driver_info)
                .trim()
                .to_owned(),
            kind,
            raw,
        }
    }

    /// Returns why the adapter cannot train, because it lacks one of wgpu's default limits; `None`
    /// if it can train.
    pub(crate) fn lacks(&self) -> Option<String> {
        let (need, have) = (Limits::default(), self.raw.limits());
        let mut lack = None;
        need.check_limits_with_fail_fn(&have, true, |name, wanted, allowed| {
            lack = Some(format!("{name} is {allowed}; expected {wanted}"));
        });
        lack
    }

    /// Returns the largest size of a batch's tables in bytes; the tables are one buffer.
    pub(crate) fn largest_arena(&self) -> u64 {
        let limits = self.raw.limits();
        let bound = limits.max_storage_buffer_binding_size;
        bound
            .min(limits.max_buffer_size)
            .saturating_sub(16 * SLACK as u64)
    }

    /// Returns the adapter's name and backend.
    pub(crate) fn describe(&self) -> String {
        format!("{} ({}, {})", self.name, self.backend, self.kind.word())
    }
}

/// Returns all adapters, the best first: discrete, integrated, virtual, others, software. The list
/// is empty if there is no driver.
pub(crate) fn adapters() -> Vec<Adapter> {
    let instance = instance::open();
    let found = pollster::block_on(instance.enumerate_adapters(instance::BACKENDS));
    let mut adapters: Vec<Adapter> = found.into_iter().map(Adapter::new).collect();
    adapters.sort_by_key(|adapter| adapter.kind);
    adapters
}

/// Returns the adapter whose name or backend contains `wanted`, ignoring case; without a name the
/// best hardware adapter, never a software one.
///
/// # Errors
/// When there is no such adapter; the error lists the adapters and says how to name one.
pub(crate) fn choose(wanted: Option<&str>) -> Result<Adapter, EngineError> {
    let all = adapters();
    let fits = |adapter: &&Adapter| match wanted {
        Some(text) => {
            let text = text.to_lowercase();
            adapter.name.to_lowercase().contains(&text) || adapter.backend.to_lowercase() == text
        }
        None => adapter.kind != Kind::Software && adapter.lacks().is_none(),
    };
    let Some(adapter) = all.iter().find(fits) else {
        return Err(EngineError::NoAdapter(none_fits(wanted, &all)));
    };
    if let Some(lack) = adapter.lacks() {
        return Err(EngineError::NoAdapter(format!(
            "{} cannot train: {lack}",
            adapter.describe()
        )));
    }
    Ok(adapter.clone())
}

fn none_fits(wanted: Option<&str>, all: &[Adapter]) -> String {
    if all.is_empty() {
        let asked = wanted.map_or(String::new(), |text| format!(" named {text:?}"));
        return format!(
            "there is no GPU adapter{asked}: no Vulkan, Metal or DX12 driver was found; \
             install the GPU's driver, or use --backend cpu"
        );
    }
    let names: Vec<String> = all.iter().map(Adapter::describe).collect();
    let names = names.join(", ");
    match wanted {
        Some(text) => format!("no adapter is named {text:?}; there are: {names}"),
        None => format!(
            "there is no hardware GPU; there are: {names}; name one with --adapter, or use --backend cpu"
        ),
    }
}
