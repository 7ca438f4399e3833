//! Records dispatches: kernel, overrides, parameters, buffers, grid. What is recorded once is
//! replayed for every epoch.

use grokrun_executor::EngineError;
use grokrun_shaders::{Binding, Kernel};
use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, BindingResource, Buffer, BufferBinding,
    BufferUsages, ComputePass, ComputePipeline,
};

use super::context::Context;

/// Uniform buffers start at multiples of this (wgpu's default limit).
const SLOT: usize = 256;
/// Most workgroups in a dimension of a grid.
const MOST_GROUPS: u64 = 65_535;

/// A dispatch that is not bound yet.
struct Draft {
    /// the place of its kernel in `Recorder::kernels`
    kernel: usize,
    slot: usize,
    buffers: Vec<Buffer>,
    grid: [u32; 3],
}

/// A kernel and its overrides: what a pipeline is made of.
#[derive(Clone, Debug)]
pub(crate) struct Specialised {
    kernel: &'static Kernel,
    constants: Vec<(&'static str, f64)>,
}

impl From<&'static Kernel> for Specialised {
    fn from(kernel: &'static Kernel) -> Specialised {
        Specialised {
            kernel,
            constants: Vec::new(),
        }
    }
}

impl Specialised {
    pub(crate) fn new(kernel: &'static Kernel, constants: Vec<(&'static str, f64)>) -> Specialised {
        Specialised { kernel, constants }
    }
}

/// Collects dispatches in their order.
#[derive(Default)]
pub(crate) struct Recorder {
    /// each once
    kernels: Vec<Specialised>,
    drafts: Vec<Draft>,
    parameters: Vec<u8>,
    too_large: Option<&'static str>,
}

/// A dispatch, ready to be encoded.
pub(crate) struct Dispatch {
    /// its kernel
    pub(crate) name: &'static str,
    pipeline: ComputePipeline,
    group: BindGroup,
    grid: [u32; 3],
}

impl Dispatch {
    pub(crate) fn encode(&self, pass: &mut ComputePass<'_>) {
        let [x, y, z] = self.grid;
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &[]);
        pass.dispatch_workgroups(x, y, z);
    }
}

impl Recorder {
    /// Adds a dispatch. `parameters` are the kernel's uniforms as it declares them (none: it has no
    /// uniform buffer), `buffers` its storage bindings in order, `grid` its workgroups.
    pub(crate) fn dispatch(
        &mut self,
        kernel: impl Into<Specialised>,
        parameters: &[u32],
        buffers: &[&Buffer],
        grid: [u64; 3],
    ) {
        let kernel = kernel.into();
        if grid.iter().any(|groups| *groups > MOST_GROUPS) {
            self.too_large = Some(kernel.kernel.name);
        }
        let kernel = self.place_of(kernel);
        let slot = self.parameters.len();
        self.parameters
            .extend_from_slice(bytemuck::cast_slice(parameters));
        self.parameters.resize(slot + SLOT, 0);
        self.drafts.push(Draft {
            kernel,
            slot,
            buffers: buffers.iter().map(|buffer| (*buffer).clone()).collect(),
            grid: grid.map(|groups| groups.min(MOST_GROUPS) as u32),
        });
    }

    fn place_of(&mut self, kernel: Specialised) -> usize {
        let alike = |known: &Specialised| {
            known.kernel.name == kernel.kernel.name && known.constants == kernel.constants
        };
        match self.kernels.iter().position(alike) {
            Some(place) => place,
            None => {
                self.kernels.push(kernel);
                self.kernels.len() - 1
            }
        }
    }

    /// Compiles the kernels, all at once, and binds the buffers.
    ///
    /// # Errors
    /// When a grid is larger than any device allows, or the driver refuses a kernel.
    pub(crate) fn finish(self, context: &Context) -> Result<Vec<Dispatch>, EngineError> {
        if let Some(kernel) = self.too_large {
            return Err(EngineError::Memory(format!(
                "kernel {kernel} would need more than {MOST_GROUPS} workgroups; expected a smaller modulus or batch, or --backend cpu"
            )));
        }
        let usage = BufferUsages::UNIFORM | BufferUsages::COPY_DST;
        let uniforms = context.buffer(
            "parameters of the kernels",
            self.parameters.len().max(SLOT) as u64,
            usage,
        )?;
        context.queue.write_buffer(&uniforms, 0, &self.parameters);
        let pipelines = compile(context, &self.kernels)?;
        context.kept.save();
        let dispatches = self.drafts.iter().map(|draft| {
            let pipeline = pipelines[draft.kernel].clone();
            let kernel = self.kernels[draft.kernel].kernel;
            Dispatch {
                name: kernel.name,
                group: bind(context, &pipeline, kernel, draft, &uniforms),
                pipeline,
                grid: draft.grid,
            }
        });
        let dispatches = dispatches.collect();
        context.check()?;
        Ok(dispatches)
    }
}

/// A pipeline a kernel, each compiled on a thread of its own: drivers take their time.
fn compile(
    context: &Context,
    kernels: &[Specialised],
) -> Result<Vec<ComputePipeline>, EngineError> {
    std::thread::scope(|scope| {
        let make = |of: &'_ Specialised| context.pipeline(of.kernel, &of.constants);
        let threads: Vec<_> = kernels
            .iter()
            .map(|of| scope.spawn(move || make(of)))
            .collect();
        let joined = threads.into_iter().map(|thread| {
            thread.join().unwrap_or_else(|_| {
                Err(EngineError::Device(
                    "a kernel's compilation panicked; try another --adapter, or --backend cpu"
                        .to_owned(),
                ))
            })
        });
        joined.collect()
    })
}

fn bind(
    context: &Context,
    pipeline: &ComputePipeline,
    kernel: &Kernel,
    draft: &Draft,
    uniforms: &Buffer,
) -> BindGroup {
    let mut storage = draft.buffers.iter();
    let entries: Vec<BindGroupEntry<'_>> = (0..)
        .zip(kernel.bindings)
        .filter_map(|(binding, kind)| {
            let resource = match kind {
                Binding::Uniform => BindingResource::Buffer(BufferBinding {
                    buffer: uniforms,
                    offset: draft.slot as u64,
                    size: std::num::NonZeroU64::new(SLOT as u64),
                }),
                Binding::Read | Binding::Write => storage.next()?.as_entire_binding(),
            };
            Some(BindGroupEntry { binding, resource })
        })
        .collect();
    context.device.create_bind_group(&BindGroupDescriptor {
        label: Some(kernel.name),
        layout: &pipeline.get_bind_group_layout(0),
        entries: &entries,
    })
}
