// The code that all kernels of programs share: which job a workgroup has, and where numbers of a
// view lie. The kernel declares `jobs`, each with the index of its first tile, in ascending order.

// Jobs `first` to `first` + `count` have `tiles` tiles, with a workgroup for each. Each replica has
// `stride` numbers of the arena, `samples` words of the data and `steps` numbers of the step.
struct Params { first: u32, count: u32, tiles: u32, stride: u32, samples: u32, steps: u32 }

// A block of the arena: its first number, and the strides from row to row and from column to
// column.
struct Block { first: u32, row: u32, col: u32 }

// A block whose rows are looked up: row r of the job is the row in word `lookup` + r of the data,
// or row r itself.
struct View { first: u32, row: u32, col: u32, lookup: u32 }

// The value of `lookup` for which row r is row r itself.
const OWN = 0xffffffffu;

fn job_of(tile: u32) -> u32 {
    var low = params.first;
    var high = params.first + params.count;
    while high - low > 1u {
        let middle = (low + high) / 2u;
        if jobs[middle].tile <= tile {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

fn block_at(block: Block, replica: u32, row: u32, col: u32) -> u32 {
    return replica * params.stride + block.first + row * block.row + col * block.col;
}
