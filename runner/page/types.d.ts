// The shapes of what the page is given, for the check of its scripts; `src/wire.rs` and `src/lib.rs`
// write them. Words travel as base64 of their bytes, the lowest first.

interface Place { buffer: number; first: number; each: number }
type Command = { run: [number, number] } | { copy: { from: Place; to: Place; words: number } };
interface Kernel { name: string; code: string; entry: string; bindings: GPUBufferBindingType[]; constants: Record<string, number> }
interface Recording {
  format: number;
  kernels: Kernel[];
  buffers: { label: string; words: number; bound: boolean }[];
  contents: { buffer: number; first: number; words: string }[];
  dispatches: { kernel: number; uniforms: number[]; buffers: number[]; grid: [number, number, number] }[];
  prologue: Command[];
  epoch: Command[];
  window: { epochs: number; steps: number; step_words: number; zeroed: number[]; ring: number; ring_words: number };
  /** row i holds from epoch `from[i]` on until the next one does */
  coefficients: { epochs: number; from: string; rows: string };
  record: { words: number; train: number; test: number };
  embedding: { name: string; buffer: number; first: number; rows: number; cols: number; stride: number };
}
interface Page {
  /** the kernels for GPUs, and those for processors that play one */
  gpu: Recording;
  software: Recording;
  epochs: number;
  basis: { matrix: string; size: number; components: { name: string; first: number; end: number }[]; inside: number[] };
  native: {
    device: string; epochs: string; trainLoss: string; testLoss: string; trainAccuracy: string; testAccuracy: string;
    embeddings: { epoch: number; rows: string }[];
  };
  solved: { accuracy: number; hold: number };
}

/** Metrics of an epoch. */
interface Row { trainLoss: number; testLoss: number; trainAccuracy: number; testAccuracy: number }
/** The embedding after so many epochs. */
interface Embedding { epoch: number; rows: Float32Array }

interface Line { x: ArrayLike<number>; y: ArrayLike<number>; color: string; faint?: boolean }
interface Mark { x: number; label: string }
interface Surface { ctx: CanvasRenderingContext2D; width: number; height: number; soft: string; line: string; link: string }

// Names of bits, which TypeScript's own library leaves out.
declare const GPUBufferUsage: { MAP_READ: number; COPY_SRC: number; COPY_DST: number; UNIFORM: number; STORAGE: number };
declare const GPUMapMode: { READ: number };
declare const GPUShaderStage: { COMPUTE: number };
