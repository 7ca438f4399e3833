#!/usr/bin/env bash
# Builds a static site of grokrun: reports of short shipped specs, a picture of each analysis, the page
# that trains in a browser, and the book where mdbook is installed.
#
#     doc/site.sh [--short] [OUT]
#
# OUT is target/site unless it is given; a site that is there is replaced. The program is
# target/release/grokrun, or what GROKRUN names. --short takes a run of seconds in place of those of
# minutes: it is what the tests build. Every page opens from a file; none asks for anything outside.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

fail() {
    printf 'error: %s\n' "$1" >&2
    exit 2
}

short=
if [ "${1:-}" = --short ]; then
    short=1
    shift
fi
[ $# -le 1 ] || fail 'expected doc/site.sh [--short] [OUT]'
out=${1:-$root/target/site}
grokrun=${GROKRUN:-$root/target/release/grokrun}
command -v "$grokrun" >/dev/null ||
    fail "there is no $grokrun; \`cargo build --release\` makes it, or GROKRUN names another"
if [ -e "$out" ] && [ ! -e "$out/.grokrun-site" ]; then
    fail "$out is there and is no site of this script; expected another OUT, or none there"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
site=$work/site
mkdir -p "$site/reports" "$site/pictures"
touch "$site/.grokrun-site"

# Text for HTML.
escaped() {
    sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g; s/"/\&quot;/g'
}

# What a spec says of itself: the first paragraph of its comment.
paragraph_of() {
    awk '/^#:schema/ {next} !/^#/ {exit} {sub(/^# ?/, "")}
        NF {text = text (text ? " " : "") $0; next} text {exit} END {print text}' "$1" | escaped
}

# Trains a spec as the run NAME and keeps its report, its curves and its figures. Status 3 says that an
# analysis could not look at this model, which the report says too.
train() {
    local name=$1 spec=$2 status=0
    shift 2
    printf '== %s\n' "$name" >&2
    "$grokrun" "$spec" --out "$work/runs" --set "name=$name" --quiet "$@" || status=$?
    [ "$status" = 0 ] || [ "$status" = 3 ] || fail "$name: grokrun ended with status $status"
    cp "$work/runs/$name/report.html" "$site/reports/$name.html"
    "$grokrun" report "$work/runs/$name" --svg "$work/figures/$name" >&2
}

# A card of the index: link, picture, title, text.
card() {
    printf '<a class="card" href="%s"><img alt="" loading="lazy" src="%s"><h3>%s</h3><p>%s</p></a>\n' "$@"
}

# One cell's curves stand for a run.
curves_of() {
    local name=$1 found
    found=$(find "$work/figures/$name" -name accuracy.svg | sort | head -n 1)
    [ -n "$found" ] || fail "$name has no curves"
    cp "$found" "$site/pictures/run-$name.svg"
}

# The run that all analyses look at: mult59, which groks.
all=$work/every-analysis.toml
shown=("$root/specs/gromov97.toml" "$root/specs/gallery/he2026.toml" "$root/specs/gallery/chughtai2023.toml"
    "$root/specs/gallery/liu2022.toml" "$root/specs/gallery/varma2023.toml")
looked_at=$root/specs/mult59.toml
if [ -n "$short" ]; then
    shown=()
    looked_at=$root/specs/tiny.toml
fi
names=$("$grokrun" plugins | sed -n 's/^\([a-z0-9-]*\) [0-9].*(crate.*/\1/p')
[ -n "$names" ] || fail "$grokrun has no analyses"
cp "$looked_at" "$all"
for name in $names; do
    grep -q "^\[analysis\.$name\]" "$all" || printf '[analysis.%s]\n' "$name" >>"$all"
done
train every-analysis "$all"
curves_of every-analysis

for spec in ${shown[@]+"${shown[@]}"}; do
    name=$(basename "$spec" .toml)
    train "$name" "$spec"
    curves_of "$name"
done

printf '== the page that trains\n' >&2
"$grokrun" page "$root/specs/tiny.toml" -o "$site/tiny.html" >&2

book=
if command -v mdbook >/dev/null; then
    mdbook build "$root/doc" -d "$site/book" >&2
    book=book/definitions.html
else
    echo 'skipped: the book (mdbook is not installed)' >&2
fi

{
    cat <<'HEAD'
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>grokrun</title>
<style>
:root { --ground: #fff; --text: #1b1f24; --faint: #57606a; --line: #d8dee4; --card: #f6f8fa; --link: #0b57c2 }
@media (prefers-color-scheme: dark) {
  :root { --ground: #12161c; --text: #e4e8ee; --faint: #9aa5b1; --line: #303842; --card: #1a2029; --link: #7db4ff }
}
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 76rem; padding: 2rem 1.25rem 4rem; background: var(--ground);
  color: var(--text); font: 16px/1.55 system-ui, sans-serif }
h1 { margin: 0; font-size: 2rem }
h2 { margin: 2.5rem 0 .75rem; font-size: 1.3rem; border-bottom: 1px solid var(--line); padding-bottom: .3rem }
h3 { margin: .7rem .9rem .2rem; font-size: 1rem; color: var(--link); overflow-wrap: anywhere }
p { max-width: 44rem; margin: .5rem 0 }
a { color: var(--link) }
a:focus-visible { outline: 2px solid var(--link); outline-offset: 2px }
nav { display: flex; flex-wrap: wrap; gap: .4rem 1.2rem; margin-top: .8rem }
.cards { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)) }
.card { display: block; border: 1px solid var(--line); border-radius: .5rem; overflow: hidden;
  background: var(--card); color: inherit; text-decoration: none; padding-bottom: .8rem }
.card:hover h3 { text-decoration: underline }
.card img { display: block; width: 100%; aspect-ratio: 3 / 2; object-fit: contain; background: #fff; padding: .4rem }
.card p { margin: 0 .9rem; font-size: .9rem; color: var(--faint) }
</style>
<h1>grokrun</h1>
<p>Trains the small transformers of the grokking literature from a short TOML spec, and says what
became of them. Everything here was made by one script, <code>doc/site.sh</code>, from the shipped
specs; each report is one file that opens offline.</p>
HEAD
    printf '<nav><a href="tiny.html">The page that trains</a><a href="#runs">Runs</a><a href="#analyses">Analyses</a>'
    [ -z "$book" ] || printf '<a href="book/index.html">Documentation</a>'
    printf '</nav>\n<h2>The page that trains</h2>\n<p><a href="tiny.html">tiny.html</a> trains <code>specs/tiny.toml</code> in your browser, on your device, through WebGPU; without it, it shows the curves of the native run.</p>\n'
    printf '<h2 id="runs">Runs</h2>\n<div class="cards">\n'
    card reports/every-analysis.html pictures/run-every-analysis.svg "$(basename "$looked_at" .toml), with every analysis" "$(paragraph_of "$looked_at")"
    for spec in ${shown[@]+"${shown[@]}"}; do
        name=$(basename "$spec" .toml)
        card "reports/$name.html" "pictures/run-$name.svg" "$name" "$(paragraph_of "$spec")"
    done
    printf '</div>\n<h2 id="analyses">Analyses</h2>\n<p>The first figure that each draws of one of these runs, at the last epoch.</p>\n<div class="cards">\n'
} >"$site/index.html"

missing=()
for name in $names; do
    picture= run=
    for candidate in every-analysis ${shown[@]+"${shown[@]##*/}"}; do
        run=${candidate%.toml}
        picture=$(find "$work/figures/$run" -name "$name-*.svg" | sort | head -n 1)
        [ -z "$picture" ] || break
    done
    if [ -z "$picture" ]; then
        missing+=("$name")
        continue
    fi
    cp "$picture" "$site/pictures/$name.svg"
    about=$("$grokrun" plugins | grep -A1 "^$name [0-9]" | sed -n '2s/^ *//p' | escaped)
    card "reports/$run.html" "pictures/$name.svg" "$name" "$about" >>"$site/index.html"
done
{
    printf '</div>\n'
    if [ ${#missing[@]} -gt 0 ]; then
        printf '<p>Without a figure in these runs: %s. ' "$(printf '%s, ' "${missing[@]}" | sed 's/, $//')"
        printf 'Those of a sweep need several cells, and draw into its report; others do not look at these models, which the reports say.</p>\n'
    fi
    printf '</html>\n'
} >>"$site/index.html"

rm -rf "$out"
mkdir -p "$(dirname "$out")"
mv "$site" "$out"
printf '%s\n' "$out/index.html"
