// clock += 1: the next epoch of this window.
//
// clock (1). Grid: one invocation.

@group(0) @binding(0) var<storage, read_write> clock: array<u32>;

@compute @workgroup_size(1)
fn main() {
    clock[0] += 1u;
}
