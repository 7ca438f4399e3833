//! Loads a recording onto a device: buffers, pipelines, and dispatches with their buffers bound,
//! which are replayed for every epoch.

use std::ops::Range;

use grokrun_executor::{EngineError, Evaluation};
use grokrun_shaders::{Binding, Kernel};
use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, BindingResource, Buffer, BufferBinding,
    BufferUsages, CommandEncoder, ComputePass, ComputePipeline,
};

use super::context::Context;
use super::recording::{Command, Contents, Dispatch, Memory, Recording, Specialised, Window};

/// Uniform buffers start at multiples of this (wgpu's default limit).
const SLOT: usize = 256;

/// A dispatch, ready to be encoded.
pub(crate) struct Bound {
    /// the name of the kernel
    pub(crate) name: &'static str,
    pipeline: ComputePipeline,
    group: BindGroup,
    grid: [u32; 3],
}

impl Bound {
    pub(crate) fn encode(&self, pass: &mut ComputePass<'_>) {
        let [x, y, z] = self.grid;
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &[]);
        pass.dispatch_workgroups(x, y, z);
    }
}

/// A recording on a device.
pub(crate) struct Loaded {
    pub(crate) buffers: Vec<Buffer>,
    pub(crate) dispatches: Vec<Bound>,
    pub(crate) prologue: Vec<Command>,
    pub(crate) epoch: Vec<Command>,
    /// the dispatches of the epoch that only evaluate the test samples
    evaluation: Range<usize>,
    pub(crate) window: Window,
}

impl Loaded {
    /// Makes the buffers, writes their contents, compiles the kernels in parallel, and binds the
    /// buffers.
    ///
    /// # Errors
    /// When the buffers do not fit the device's memory, or the driver refuses a kernel.
    pub(crate) fn new(context: &Context, recording: Recording) -> Result<Loaded, EngineError> {
        let buffers = recording.buffers.iter();
        let buffers: Vec<Buffer> = buffers
            .map(|memory| allocate(context, memory))
            .collect::<Result<_, _>>()?;
        let loaded = Loaded {
            dispatches: bind(context, &recording.kernels, &recording.dispatches, &buffers)?,
            buffers,
            prologue: recording.prologue,
            epoch: recording.epoch,
            evaluation: recording.evaluation,
            window: recording.window,
        };
        for contents in &recording.contents {
            loaded.write(context, contents);
        }
        Ok(loaded)
    }

    /// Writes contents into their buffer.
    pub(crate) fn write(&self, context: &Context, contents: &Contents) {
        let bytes = bytemuck::cast_slice(&contents.words);
        let at = 4 * contents.first as u64;
        let buffer = &self.buffers[contents.buffer];
        context.queue.write_buffer(buffer, at, bytes);
    }

    /// Prepares a window whose steps have these coefficients.
    pub(crate) fn begin_window(&self, context: &Context, coefficients: &[f32]) {
        let steps = &self.buffers[self.window.steps];
        let bytes = bytemuck::cast_slice(coefficients);
        context.queue.write_buffer(steps, 0, bytes);
        for buffer in &self.window.zeroed {
            let buffer = &self.buffers[*buffer];
            let zeros = vec![0u8; buffer.size() as usize];
            context.queue.write_buffer(buffer, 0, &zeros);
        }
    }

    /// Returns the buffer of records.
    pub(crate) fn ring(&self) -> &Buffer {
        &self.buffers[self.window.ring]
    }

    /// Encodes the commands of each of the first `epochs` epochs of a window; the evaluation of the
    /// test samples only when it is due.
    pub(crate) fn encode_epochs(
        &self,
        encoder: &mut CommandEncoder,
        epochs: usize,
        evaluation: Evaluation,
    ) {
        let skipped = &Command::Run(self.evaluation.clone());
        let all = (0..epochs).flat_map(|epoch| {
            let is_due = evaluation.is_due(epoch as u64);
            let commands = self.epoch.iter();
            let due = commands.filter(move |command| is_due || *command != skipped);
            due.map(move |command| (epoch, command))
        });
        self.encode_all(encoder, all);
    }

    /// Encodes commands `times` times.
    pub(crate) fn encode(&self, encoder: &mut CommandEncoder, commands: &[Command], times: usize) {
        let all = (0..times).flat_map(|epoch| commands.iter().map(move |one| (epoch, one)));
        self.encode_all(encoder, all);
    }

    /// Encodes commands, each with its epoch of the window.
    fn encode_all<'c>(
        &self,
        encoder: &mut CommandEncoder,
        commands: impl Iterator<Item = (usize, &'c Command)>,
    ) {
        let mut all = commands.peekable();
        while let Some((epoch, command)) = all.next() {
            match command {
                Command::Copy { from, to, words } => encoder.copy_buffer_to_buffer(
                    &self.buffers[from.buffer],
                    4 * from.at(epoch) as u64,
                    &self.buffers[to.buffer],
                    4 * to.at(epoch) as u64,
                    4 * *words as u64,
                ),
                Command::Run(range) => {
                    let mut pass = encoder.begin_compute_pass(&Default::default());
                    let mut range = Some(range);
                    // Dispatches without a copy between them are one pass.
                    while let Some(dispatches) = range {
                        for dispatch in &self.dispatches[dispatches.clone()] {
                            dispatch.encode(&mut pass);
                        }
                        let next = all.next_if(|(_, next)| matches!(next, Command::Run(_)));
                        range = next.and_then(|(_, next)| match next {
                            Command::Run(range) => Some(range),
                            Command::Copy { .. } => None,
                        });
                    }
                }
            }
        }
    }

    /// Runs commands, once, and waits for them.
    ///
    /// # Errors
    /// When the device fails or does not answer in time.
    pub(crate) fn run(&self, context: &Context, commands: &[Command]) -> Result<(), EngineError> {
        let mut encoder = context.device.create_command_encoder(&Default::default());
        self.encode(&mut encoder, commands, 1);
        let submission = context.submit(encoder.finish());
        context.wait(submission)
    }
}

fn allocate(context: &Context, memory: &Memory) -> Result<Buffer, EngineError> {
    if memory.bound {
        return context.storage(memory.label, memory.words);
    }
    let usage = BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
    context.buffer(memory.label, 4 * memory.words as u64, usage)
}

/// Compiles the kernels in parallel, and binds the buffers.
///
/// # Errors
/// When the driver refuses a kernel.
pub(crate) fn bind(
    context: &Context,
    kernels: &[Specialised],
    dispatches: &[Dispatch],
    buffers: &[Buffer],
) -> Result<Vec<Bound>, EngineError> {
    let mut parameters: Vec<u8> = Vec::new();
    for dispatch in dispatches {
        let slot = parameters.len();
        parameters.extend_from_slice(bytemuck::cast_slice(&dispatch.uniforms));
        parameters.resize(slot + SLOT, 0);
    }
    let usage = BufferUsages::UNIFORM | BufferUsages::COPY_DST;
    let size = parameters.len().max(SLOT) as u64;
    let uniforms = context.buffer("parameters of the kernels", size, usage)?;
    context.queue.write_buffer(&uniforms, 0, &parameters);
    let pipelines = compile(context, kernels)?;
    context.kept.save();
    let bound = dispatches.iter().enumerate().map(|(number, dispatch)| {
        let pipeline = pipelines[dispatch.kernel].clone();
        let kernel = kernels[dispatch.kernel].kernel;
        let uniforms = BufferBinding {
            buffer: &uniforms,
            offset: (number * SLOT) as u64,
            size: std::num::NonZeroU64::new(SLOT as u64),
        };
        let storage = dispatch.buffers.iter().map(|place| &buffers[*place]);
        Bound {
            name: kernel.name,
            group: group(context, &pipeline, kernel, uniforms, storage),
            pipeline,
            grid: dispatch.grid,
        }
    });
    let bound = bound.collect();
    context.check()?;
    Ok(bound)
}

/// Compiles a pipeline for each kernel, each on its own thread, since drivers are slow.
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

fn group<'a>(
    context: &Context,
    pipeline: &ComputePipeline,
    kernel: &Kernel,
    uniforms: BufferBinding<'a>,
    mut storage: impl Iterator<Item = &'a Buffer>,
) -> BindGroup {
    let entries: Vec<BindGroupEntry<'_>> = (0..)
        .zip(kernel.bindings)
        .filter_map(|(binding, kind)| {
            let resource = match kind {
                Binding::Uniform => BindingResource::Buffer(uniforms.clone()),
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
