#!/usr/bin/env bash
# The main job, end to end: compress a model to W8A8 and FP8_DYNAMIC, say what it cost, and let all three write.
# Without MODEL it is the project's own, calibrated on a text that is not the one it is measured with.
#   MODEL=DIR TEXT=FILE CALIBRATION=FILE PROMPT=TEXT OUT=DIR OCTET=build/octet scripts/demo.sh
set -euo pipefail
cd "$(dirname "$0")/.."

own=assets/octet-stories
octet=${OCTET:-build/octet}
model=${MODEL:-$own}
text=${TEXT:-$own/held-out.txt}
calibration=${CALIBRATION:-}
[[ -z ${MODEL:-} && -z $calibration ]] && calibration=$own/calibration.txt
prompt=${PROMPT:-Once upon a time}
out=${OUT:-build/demo}

[[ -e $model/config.json ]] || { echo "MODEL=$model: there is no config.json; MODEL is a Hugging Face directory" >&2; exit 1; }
[[ -r $text ]] || { echo "TEXT=$text: cannot be read; give a file of text to measure with: make demo TEXT=FILE" >&2; exit 1; }
[[ -z $calibration || -r $calibration ]] || { echo "CALIBRATION=$calibration: cannot be read; give a file of text to calibrate on" >&2; exit 1; }

bold() { [[ -t 1 && -z ${NO_COLOR:-} ]] && printf '\n\033[1m%s\033[0m\n' "$1" || printf '\n%s\n' "$1"; }
# The last number under a key: objects of a baseline come first; lists are of runs.
field() { grep -oE "\"$1\":[-+.0-9e]+" "$2" | tail -n 1 | cut -d: -f2; }
size() { awk -v b="$1" 'BEGIN { split("B kB MB GB TB", u); i = 1; while (b >= 999.5 && i < 5) { b /= 1000; i++ } printf "%.3g %s", b, u[i] }'; }

row() {  # name, eval's JSON, bench's JSON
  local kl top
  kl=$(field kl_divergence "$2" || true)
  top=$(field top1_agreement "$2" || true)
  printf '%-14s %10s %12.4f %12s %10s %12.0f %12.0f\n' "$1" "$(size "$(field bytes "$2")")" "$(field perplexity "$2")" \
    "$([[ -n $kl ]] && printf '%.6f' "$kl" || echo -)" "$([[ -n $top ]] && awk -v t="$top" 'BEGIN { printf "%.2f %%", 100 * t }' || echo -)" \
    "$(field prefill_tokens_per_second "$3")" "$(field decode_tokens_per_second "$3")"
}

mkdir -p "$out"
watched=(${calibration:+--calibration "$calibration"})
for scheme in W8A8 FP8_DYNAMIC; do
  bold "octet compress $model --scheme $scheme${watched[*]:+ ${watched[*]}} -o $out/$scheme"
  "$octet" compress "$model" --scheme "$scheme" ${watched[@]+"${watched[@]}"} -o "$out/$scheme" --force
done

bold "Measuring on $text"
measure() {  # name, directory, what else eval is told
  local name=$1 directory=$2
  shift 2
  "$octet" eval "$directory" --text "$text" "$@" --json > "$out/$name.eval.json"
  "$octet" bench "$directory" --prefill 256 --decode 64 --json > "$out/$name.bench.json"
}
measure original "$model"
for scheme in W8A8 FP8_DYNAMIC; do
  measure "$scheme" "$out/$scheme" --baseline "$model" --report "$out/$scheme.html"
done

printf '%-14s %10s %12s %12s %10s %12s %12s\n' model size perplexity "KL (nats)" "top-1" "prefill t/s" "decode t/s"
for name in original W8A8 FP8_DYNAMIC; do row "$name" "$out/$name.eval.json" "$out/$name.bench.json"; done
printf '\nReports: %s\n' "$out/W8A8.html, $out/FP8_DYNAMIC.html"

for name in original W8A8 FP8_DYNAMIC; do
  directory=$out/$name
  [[ $name == original ]] && directory=$model
  bold "$name writes:"
  "$octet" run "$directory" --prompt "$prompt" --max-tokens 60 --temperature 0
  echo
done
