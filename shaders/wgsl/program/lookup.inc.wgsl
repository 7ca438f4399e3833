// Finds the numbers of a view whose rows are looked up; needs job.inc.wgsl and `data`.

fn view_at(view: View, replica: u32, row: u32, col: u32) -> u32 {
    var own = row;
    if view.lookup != OWN {
        own = data[replica * params.samples + view.lookup + row];
    }
    return replica * params.stride + view.first + own * view.row + col * view.col;
}
