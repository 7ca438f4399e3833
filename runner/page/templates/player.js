// Replays a recording on a WebGPU device. Knows nothing of models: it makes the buffers, kernels and
// dispatches that the recording lists, runs its commands for each epoch, and reads its ring.
"use strict";

/** Uniform buffers start at multiples of this in every WebGPU device. */
const SLOT = 256;
/** @param {string} text base64 @returns {ArrayBuffer} */
function bytesOf(text) {
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes.buffer;
}
/** @param {string} text base64 of f32 */
const floatsOf = (text) => new Float32Array(bytesOf(text));
/** @param {string} text base64 of u32 */
const wordsOf = (text) => new Uint32Array(bytesOf(text));

class Player {
  /** Compiles the kernels and loads the recording. @param {Recording} recording @param {GPUDevice} device */
  static async open(recording, device) {
    const pipelines = await Promise.all(recording.kernels.map((kernel) => compile(device, kernel)));
    const player = new Player(recording, device, pipelines);
    await player.restart();
    return player;
  }

  /** @param {Recording} recording @param {GPUDevice} device @param {GPUComputePipeline[]} pipelines */
  constructor(recording, device, pipelines) {
    this.recording = recording;
    this.device = device;
    this.pipelines = pipelines;
    this.epoch = 0;
    this.coefficients = floatsOf(recording.coefficients.rows);
    this.from = wordsOf(recording.coefficients.from);
    this.contents = recording.contents.map(({ buffer, first, words }) => ({ buffer, first, bytes: bytesOf(words) }));
    this.buffers = recording.buffers.map(({ label, words, bound }) => device.createBuffer({
      label, size: 4 * words,
      usage: GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST | (bound ? GPUBufferUsage.STORAGE : 0),
    }));
    const { epochs, ring_words } = recording.window;
    const { rows, stride, cols } = recording.embedding;
    this.lookWords = (rows - 1) * stride + cols;
    this.staging = [0, 1].map(() => this.readable(4 * epochs * ring_words));
    this.lookStaging = this.readable(4 * this.lookWords);
    this.turn = 0;
    this.groups = this.bind();
  }

  /** @param {number} size */
  readable(size) {
    return this.device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  }

  /** The bind group of each dispatch. */
  bind() {
    const { dispatches, kernels } = this.recording;
    const slots = new Uint32Array((dispatches.length * SLOT) / 4);
    dispatches.forEach(({ uniforms }, i) => slots.set(uniforms, (i * SLOT) / 4));
    const uniform = this.device.createBuffer({ size: slots.byteLength, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
    this.device.queue.writeBuffer(uniform, 0, slots);
    return dispatches.map(({ kernel, buffers }, i) => {
      const left = [...buffers];
      const entries = kernels[kernel].bindings.map((kind, binding) => ({
        binding,
        resource: kind === "uniform" ? { buffer: uniform, offset: i * SLOT, size: SLOT } : { buffer: this.buffers[/** @type {number} */ (left.shift())] },
      }));
      return this.device.createBindGroup({ layout: this.pipelines[kernel].getBindGroupLayout(0), entries });
    });
  }

  /** Goes back to the first epoch. */
  async restart() {
    const encoder = this.device.createCommandEncoder();
    this.buffers.forEach((buffer) => encoder.clearBuffer(buffer));
    this.device.queue.submit([encoder.finish()]);
    for (const { buffer, first, bytes } of this.contents) this.device.queue.writeBuffer(this.buffers[buffer], 4 * first, bytes);
    const prologue = this.device.createCommandEncoder();
    this.encode(prologue, this.recording.prologue, 1);
    this.device.queue.submit([prologue.finish()]);
    this.epoch = 0;
    await this.device.queue.onSubmittedWorkDone();
  }

  /** @param {GPUCommandEncoder} encoder @param {Command[]} commands @param {number} epochs */
  encode(encoder, commands, epochs) {
    /** @type {GPUComputePassEncoder | null} */
    let pass = null;
    for (let epoch = 0; epoch < epochs; epoch++) {
      for (const command of commands) {
        if ("run" in command) {
          pass ??= encoder.beginComputePass();
          for (let i = command.run[0]; i < command.run[1]; i++) {
            const { kernel, grid } = this.recording.dispatches[i];
            pass.setPipeline(this.pipelines[kernel]);
            pass.setBindGroup(0, this.groups[i]);
            pass.dispatchWorkgroups(...grid);
          }
          continue;
        }
        pass?.end();
        pass = null;
        const { from, to, words } = command.copy;
        const at = (/** @type {Place} */ place) => 4 * (place.first + epoch * place.each);
        encoder.copyBufferToBuffer(this.buffers[from.buffer], at(from), this.buffers[to.buffer], at(to), 4 * words);
      }
    }
    pass?.end();
  }

  /** The coefficients of `count` epochs from the present one on: a row holds until the next one. @param {number} count */
  steps(count) {
    const width = this.recording.window.step_words, steps = new Float32Array(count * width);
    let row = 0;
    for (let i = 0; i < count; i++) {
      while (row + 1 < this.from.length && this.from[row + 1] <= this.epoch + i) row++;
      steps.set(this.coefficients.subarray(row * width, (row + 1) * width), i * width);
    }
    return steps;
  }

  /** Sends a window of epochs on its way; the promise has their rows. @param {number} count @returns {Promise<Row[]>} */
  async train(count) {
    const { steps, zeroed, ring, ring_words } = this.recording.window;
    const encoder = this.device.createCommandEncoder();
    this.device.queue.writeBuffer(this.buffers[steps], 0, this.steps(count));
    zeroed.forEach((buffer) => encoder.clearBuffer(this.buffers[buffer]));
    this.encode(encoder, this.recording.epoch, count);
    const staging = this.staging[this.turn], size = 4 * count * ring_words;
    this.turn = 1 - this.turn;
    encoder.copyBufferToBuffer(this.buffers[ring], 0, staging, 0, size);
    this.device.queue.submit([encoder.finish()]);
    this.epoch += count;
    const records = new Float32Array(await read(staging, size));
    const { words, train, test } = this.recording.record;
    /** The sum of the losses, added in f64, and the right answers. @param {number} first */
    const sums = (first) => [records.subarray(first, first + words - 1).reduce((sum, loss) => sum + loss, 0), records[first + words - 1]];
    return Array.from({ length: count }, (_, i) => {
      const [[trainLoss, trainRight], [testLoss, testRight]] = [sums(i * ring_words), sums(i * ring_words + words)];
      return { trainLoss: trainLoss / train, testLoss: testLoss / test, trainAccuracy: trainRight / train, testAccuracy: testRight / test };
    });
  }

  /** The embedding as it is, `(rows, cols)`. @returns {Promise<Float32Array>} */
  async embedding() {
    const { buffer, first, rows, cols, stride } = this.recording.embedding;
    const encoder = this.device.createCommandEncoder();
    encoder.copyBufferToBuffer(this.buffers[buffer], 4 * first, this.lookStaging, 0, 4 * this.lookWords);
    this.device.queue.submit([encoder.finish()]);
    const padded = new Float32Array(await read(this.lookStaging, 4 * this.lookWords)), numbers = new Float32Array(rows * cols);
    for (let row = 0; row < rows; row++) numbers.set(padded.subarray(row * stride, row * stride + cols), row * cols);
    return numbers;
  }
}

/** @param {GPUBuffer} staging @param {number} size @returns {Promise<ArrayBuffer>} */
async function read(staging, size) {
  await staging.mapAsync(GPUMapMode.READ, 0, size);
  const bytes = staging.getMappedRange(0, size).slice(0);
  staging.unmap();
  return bytes;
}

/** @param {GPUDevice} device @param {Kernel} kernel */
async function compile(device, kernel) {
  const module = device.createShaderModule({ label: kernel.name, code: kernel.code });
  const faults = (await module.getCompilationInfo()).messages.filter((message) => message.type === "error");
  if (faults.length > 0) throw new Error(`kernel ${kernel.name}, line ${faults[0].lineNum}: ${faults[0].message}`);
  const entries = kernel.bindings.map((type, binding) => ({ binding, visibility: GPUShaderStage.COMPUTE, buffer: { type } }));
  const layout = device.createPipelineLayout({ bindGroupLayouts: [device.createBindGroupLayout({ entries })] });
  return device.createComputePipelineAsync({ label: kernel.name, layout, compute: { module, entryPoint: kernel.entry, constants: kernel.constants } });
}
