#include "cli/verbs.h"

namespace octet::cli {
namespace {

constexpr Verb kVerbs[] = {
    {"inspect", "what is in a checkpoint: architecture, tensors, schemes", "octet inspect models/llama", add_inspect},
    {"compress", "make a checkpoint eight bits wide", "octet compress models/llama --scheme W8A8 -o models/llama-w8a8", add_compress},
    {"eval", "perplexity of a text, and what a compression cost",
     "octet eval models/llama-w8a8 --baseline models/llama --text wiki.txt --report eval.html", add_eval},
    {"diff", "what differs between two checkpoints: codes, scales, numbers", "octet diff models/llama-w8a8 models/other", add_diff},
    {"run", "generate text", "octet run models/llama --prompt \"Once upon a time\" --max-tokens 100", add_run},
    {"bench", "speed of a model: prefill and decoding", "octet bench models/llama --scheme W8A8 --prefill 512 --decode 64",
     add_bench},
    {"tokenize", "text to token ids and back", "octet tokenize models/llama --text \"Once upon a time\"", add_tokenize},
    {"train-tokenizer", "make a byte-level BPE from text", "octet train-tokenizer stories.txt --vocab-size 4096 -o models/mine",
     add_train_tokenizer},
    {"train", "train a model in F32, BF16, FP8 or INT8", "octet train recipe.yaml", add_train},
    {"doctor", "what this machine can do, and which kernels are chosen", "octet doctor", add_doctor},
    {"completion", "a completion script for bash or zsh", "source <(octet completion bash)", add_completion},
};

}  // namespace

std::span<const Verb> verbs() {
  return kVerbs;
}

}  // namespace octet::cli
