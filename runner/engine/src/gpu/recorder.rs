//! Records dispatches: kernel, parameters, buffers, grid. What is recorded once is replayed for
//! every epoch.

use std::collections::HashMap;

use grokrun_shaders::{Binding, Kernel};
use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, BindingResource, Buffer, BufferBinding,
    BufferUsages, ComputePass, ComputePipeline,
};

use super::context::Context;
use crate::EngineError;

/// Uniform buffers start at multiples of this (wgpu's default limit).
const SLOT: usize = 256;
/// Most workgroups in a dimension of a grid.
const MOST_GROUPS: u64 = 65_535;

/// A dispatch that is not bound yet.
struct Draft {
    kernel: &'static Kernel,
    slot: usize,
    buffers: Vec<Buffer>,
    grid: [u32; 3],
}

/// Collects dispatches in their order.
#[derive(Default)]
pub(crate) struct Recorder {
    drafts: Vec<Draft>,
    parameters: Vec<u8>,
    too_large: Option<&'static str>,
}

/// A dispatch, ready to be encoded.
pub(crate) struct Dispatch {
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
        kernel: &'static Kernel,
        parameters: &[u32],
        buffers: &[&Buffer],
        grid: [u64; 3],
    ) {
        if grid.iter().any(|groups| *groups > MOST_GROUPS) {
            self.too_large = Some(kernel.name);
        }
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

    /// How many dispatches there are so far: marks the borders of stages.
    pub(crate) fn len(&self) -> usize {
        self.drafts.len()
    }

    /// Compiles the kernels and binds the buffers.
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
        let mut pipelines: HashMap<&str, ComputePipeline> = HashMap::new();
        let mut dispatches = Vec::with_capacity(self.drafts.len());
        for draft in &self.drafts {
            let pipeline = match pipelines.get(draft.kernel.name) {
                Some(pipeline) => pipeline.clone(),
                None => {
                    let pipeline = context.pipeline(draft.kernel)?;
                    pipelines.insert(draft.kernel.name, pipeline.clone());
                    pipeline
                }
            };
            let group = bind(context, &pipeline, draft, &uniforms);
            dispatches.push(Dispatch {
                pipeline,
                group,
                grid: draft.grid,
            });
        }
        context.check()?;
        Ok(dispatches)
    }
}

fn bind(
    context: &Context,
    pipeline: &ComputePipeline,
    draft: &Draft,
    uniforms: &Buffer,
) -> BindGroup {
    let mut storage = draft.buffers.iter();
    let entries: Vec<BindGroupEntry<'_>> = (0..)
        .zip(draft.kernel.bindings)
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
        label: Some(draft.kernel.name),
        layout: &pipeline.get_bind_group_layout(0),
        entries: &entries,
    })
}
