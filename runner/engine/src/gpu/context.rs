//! Holds a device and its queue: buffers, pipelines, submissions and read-backs. Each returns an
//! error rather than panics, and none waits for ever.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use grokrun_executor::EngineError;
use grokrun_shaders::{Binding, Kernel};
use wgpu::{
    BindGroupLayoutDescriptor, BindGroupLayoutEntry, BindingType, Buffer, BufferAsyncError,
    BufferBindingType, BufferDescriptor, BufferUsages, CommandBuffer, ComputePipeline,
    ComputePipelineDescriptor, Device, DeviceDescriptor, ErrorFilter, Features, Limits, MapMode,
    PipelineCompilationOptions, PipelineLayoutDescriptor, PollError, PollType, Queue,
    ShaderModuleDescriptor, ShaderSource, ShaderStages, SubmissionIndex,
};

use super::adapter::Adapter;
use super::kept::Kept;

/// The time after which a device that does not answer is given up.
const PATIENCE: Duration = Duration::from_secs(120);

/// An open device.
pub(crate) struct Context {
    pub(crate) device: Device,
    pub(crate) queue: Queue,
    /// the device's name, with how it is reached
    pub(crate) name: String,
    pub(crate) limits: Limits,
    /// the first error that came outside of any call
    failure: Arc<OnceLock<String>>,
    staging: Mutex<Option<Buffer>>,
    /// the pipelines that were compiled so far, by source and overrides
    pipelines: Mutex<HashMap<String, ComputePipeline>>,
    /// the compiled kernels of former runs
    pub(crate) kept: Kept,
    #[cfg(test)]
    pub(crate) lanes: super::tests::Lanes,
}

impl Context {
    /// Opens an adapter with wgpu's default limits, and with the adapter's own limits of sizes.
    /// Compiled kernels are kept in `folder`, if there is one.
    ///
    /// # Errors
    /// When the driver refuses.
    pub(crate) fn open(adapter: &Adapter, folder: Option<&Path>) -> Result<Context, EngineError> {
        let offered = adapter.raw.limits();
        let limits = Limits {
            max_buffer_size: offered.max_buffer_size,
            max_storage_buffer_binding_size: offered.max_storage_buffer_binding_size,
            ..Limits::default()
        };
        let descriptor = DeviceDescriptor {
            required_limits: limits.clone(),
            required_features: adapter.raw.features() & Features::PIPELINE_CACHE,
            ..Default::default()
        };
        let (device, queue) =
            pollster::block_on(adapter.raw.request_device(&descriptor)).map_err(|e| {
                EngineError::Device(format!("{} cannot be opened: {e}", adapter.describe()))
            })?;
        let failure = Arc::new(OnceLock::new());
        let shared = Arc::clone(&failure);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            // Only the first error is kept, since the others follow from it.
            let _ = shared.set(error.to_string());
        }));
        let shared = Arc::clone(&failure);
        device.set_device_lost_callback(move |reason, message| {
            let _ = shared.set(format!("the device was lost ({reason:?}): {message}"));
        });
        let kept = Kept::open(&device, &adapter.raw.get_info(), folder);
        Ok(Context {
            kept,
            device,
            queue,
            name: adapter.describe(),
            limits,
            failure,
            staging: Mutex::new(None),
            pipelines: Mutex::default(),
            #[cfg(test)]
            lanes: Default::default(),
        })
    }

    /// Returns a buffer of `numbers` f32 or u32, all zeros.
    ///
    /// # Errors
    /// When the buffer is larger than the device binds, or the device's memory is full.
    pub(crate) fn storage(&self, label: &str, numbers: usize) -> Result<Buffer, EngineError> {
        let size = (numbers.max(1) as u64).saturating_mul(4);
        let most = self
            .limits
            .max_storage_buffer_binding_size
            .min(self.limits.max_buffer_size);
        if size > most {
            return Err(EngineError::Memory(format!(
                "{label} needs a buffer of {} MB; {} binds at most {} MB; expected a smaller modulus, model or batch, or --backend cpu",
                size / 1_000_000,
                self.name,
                most / 1_000_000
            )));
        }
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        self.buffer(label, size, usage)
    }

    /// Returns a storage buffer with these contents, for tests of single kernels.
    ///
    /// # Errors
    /// As for [`Context::storage`].
    #[cfg(test)]
    pub(crate) fn filled<T: bytemuck::Pod>(
        &self,
        label: &str,
        data: &[T],
    ) -> Result<Buffer, EngineError> {
        let bytes: &[u8] = bytemuck::cast_slice(data);
        let buffer = self.storage(label, bytes.len() / 4)?;
        self.queue.write_buffer(&buffer, 0, bytes);
        Ok(buffer)
    }

    /// Returns a buffer for any use.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub(crate) fn buffer(
        &self,
        label: &str,
        size: u64,
        usage: BufferUsages,
    ) -> Result<Buffer, EngineError> {
        let scope = self.device.push_error_scope(ErrorFilter::OutOfMemory);
        let descriptor = BufferDescriptor {
            label: Some(label),
            size,
            usage,
            mapped_at_creation: false,
        };
        let buffer = self.device.create_buffer(&descriptor);
        match pollster::block_on(scope.pop()) {
            None => Ok(buffer),
            Some(error) => Err(EngineError::Memory(format!(
                "{} has no {} MB left for {label}: {error}",
                self.name,
                size / 1_000_000
            ))),
        }
    }

    /// Returns the pipeline of a kernel with its overrides, compiled at the first request.
    ///
    /// # Errors
    /// When the driver refuses the kernel.
    pub(crate) fn pipeline(
        &self,
        kernel: &Kernel,
        constants: &[(&str, f64)],
    ) -> Result<ComputePipeline, EngineError> {
        let key = format!("{:p} {constants:?}", kernel.source);
        let known = || {
            self.pipelines
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(pipeline) = known().get(&key) {
            return Ok(pipeline.clone());
        }
        let pipeline = self.compile(kernel, constants)?;
        known().insert(key, pipeline.clone());
        Ok(pipeline)
    }

    fn compile(
        &self,
        kernel: &Kernel,
        constants: &[(&str, f64)],
    ) -> Result<ComputePipeline, EngineError> {
        let scope = self.device.push_error_scope(ErrorFilter::Validation);
        let source = kernel.source.into();
        #[cfg(test)]
        let source = self.lanes.of(source);
        let module = self.device.create_shader_module(ShaderModuleDescriptor {
            label: Some(kernel.name),
            source: ShaderSource::Wgsl(source),
        });
        let entries: Vec<BindGroupLayoutEntry> = (0..)
            .zip(kernel.bindings)
            .map(|(binding, kind)| layout_entry(binding, *kind))
            .collect();
        let layout = self
            .device
            .create_bind_group_layout(&BindGroupLayoutDescriptor {
                label: Some(kernel.name),
                entries: &entries,
            });
        let layout = self
            .device
            .create_pipeline_layout(&PipelineLayoutDescriptor {
                label: Some(kernel.name),
                bind_group_layouts: &[Some(&layout)],
                immediate_size: 0,
            });
        let pipeline = self
            .device
            .create_compute_pipeline(&ComputePipelineDescriptor {
                label: Some(kernel.name),
                layout: Some(&layout),
                module: &module,
                entry_point: Some(kernel.entry),
                compilation_options: PipelineCompilationOptions {
                    constants,
                    ..Default::default()
                },
                cache: self.kept.cache(),
            });
        match pollster::block_on(scope.pop()) {
            None => Ok(pipeline),
            Some(error) => Err(EngineError::Device(format!(
                "kernel {} was refused: {error}",
                kernel.name
            ))),
        }
    }

    /// Submits commands.
    pub(crate) fn submit(&self, commands: CommandBuffer) -> SubmissionIndex {
        self.queue.submit([commands])
    }

    /// Waits for a submission.
    ///
    /// # Errors
    /// When the device fails or does not answer in time.
    pub(crate) fn wait(&self, submission: SubmissionIndex) -> Result<(), EngineError> {
        let wait = PollType::Wait {
            submission_index: Some(submission),
            timeout: Some(PATIENCE),
        };
        match self.device.poll(wait) {
            Ok(_) => self.check(),
            Err(PollError::Timeout) => Err(EngineError::Device(format!(
                "{} has not answered for {} s; its driver may hang: try again, another --adapter, or --backend cpu",
                self.name,
                PATIENCE.as_secs()
            ))),
            Err(error) => Err(EngineError::Device(format!("{}: {error}", self.name))),
        }
    }

    /// Reports an error that came outside of any call.
    pub(crate) fn check(&self) -> Result<(), EngineError> {
        match self.failure.get() {
            None => Ok(()),
            Some(failure) => Err(EngineError::Device(format!("{}: {failure}", self.name))),
        }
    }

    /// Copies `numbers` from `offset` (both in 4-byte numbers) of a buffer to the host.
    ///
    /// # Errors
    /// When the device fails or does not answer in time.
    pub(crate) fn read<T: bytemuck::Pod>(
        &self,
        buffer: &Buffer,
        offset: usize,
        numbers: usize,
    ) -> Result<Vec<T>, EngineError> {
        let size = 4 * numbers as u64;
        let staging = self.staging(size)?;
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(buffer, 4 * offset as u64, &staging, 0, size);
        let submission = self.submit(encoder.finish());
        let mapping = Mapping::start(&staging, size);
        self.wait(submission)?;
        mapping.finish(self, &staging, size)
    }

    /// Returns the buffer that [`Context::read`] copies through; it is replaced only if more is
    /// read.
    fn staging(&self, size: u64) -> Result<Buffer, EngineError> {
        let mut kept = self.staging.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(buffer) = kept.as_ref().filter(|buffer| buffer.size() >= size) {
            return Ok(buffer.clone());
        }
        let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        let buffer = self.buffer("read-back", size.max(4), usage)?;
        *kept = Some(buffer.clone());
        Ok(buffer)
    }
}

/// A staging buffer that is being mapped to the host.
pub(crate) struct Mapping {
    result: Arc<Mutex<Option<Result<(), BufferAsyncError>>>>,
}

impl Mapping {
    /// Requests the first `size` bytes of a buffer, as they are after everything that was
    /// submitted.
    pub(crate) fn start(staging: &Buffer, size: u64) -> Mapping {
        let result = Arc::new(Mutex::new(None));
        let shared = Arc::clone(&result);
        staging.map_async(MapMode::Read, ..size, move |outcome| {
            if let Ok(mut shared) = shared.lock() {
                *shared = Some(outcome);
            }
        });
        Mapping { result }
    }

    /// Returns the contents, once the submission before [`Mapping::start`] has been waited for.
    ///
    /// # Errors
    /// When the buffer could not be mapped.
    pub(crate) fn finish<T: bytemuck::Pod>(
        self,
        context: &Context,
        staging: &Buffer,
        size: u64,
    ) -> Result<Vec<T>, EngineError> {
        let failed =
            |why: String| EngineError::Device(format!("{} cannot be read: {why}", context.name));
        let result = self.result.lock().ok().and_then(|mut result| result.take());
        match result {
            Some(Ok(())) => {}
            Some(Err(error)) => return Err(failed(error.to_string())),
            None => return Err(failed("the read-back was not answered".to_owned())),
        }
        let view = staging
            .get_mapped_range(..size)
            .map_err(|e| failed(e.to_string()))?;
        let data = bytemuck::pod_collect_to_vec(&view);
        drop(view);
        staging.unmap();
        Ok(data)
    }
}

fn layout_entry(binding: u32, kind: Binding) -> BindGroupLayoutEntry {
    let ty = match kind {
        Binding::Uniform => BufferBindingType::Uniform,
        Binding::Read => BufferBindingType::Storage { read_only: true },
        Binding::Write => BufferBindingType::Storage { read_only: false },
    };
    BindGroupLayoutEntry {
        binding,
        visibility: ShaderStages::COMPUTE,
        ty: BindingType::Buffer {
            ty,
            has_dynamic_offset: false,
            min_binding_size: None,
        },
        count: None,
    }
}
