#pragma once
#include <functional>
#include <string>
#include <vector>

#include "compress/contract_terms.h"
#include "compress/options.h"
#include "compress/plan.h"
#include "compress/sensitivity.h"

namespace octet {

struct ContractResult {
  std::vector<Sensitivity> units;     // those that hurt most for what they save first
  std::vector<Candidate> candidates;  // in the order they were made
  size_t chosen = 0;                  // of candidates: the one that holds, or the nearest miss
  bool holds() const { return candidates.at(chosen).holds; }
};

struct ContractTask {
  const Checkpoint& checkpoint;
  CompressOptions options;             // of one run; its groups and output are set for each candidate
  std::vector<const Scheme*> schemes;  // that a layer may get
  Contract contract;
  std::vector<int32_t> validation;                      // tokens, never calibrated on
  std::function<void(const CompressOptions&)> make;     // compresses into options.output
  std::function<void(const CompressOptions&)> take_up;  // told of what an earlier run had made there
  std::function<void(const std::string&)> tell;         // one line a step
  /// Given the chosen model, where one holds, before it takes its name.
  std::function<void(const std::filesystem::path& made, const ContractResult&)> finish;
};

/// No model is in memory as a whole: texts go through layers one at a time, their rows stand in files beside the
/// output. Only a latency is measured on the whole compressed model. Measures what each unit costs (one at a time, on a
/// part of the validation text), orders them by KL divergence a byte saved, and searches how many of the worst have to
/// stay wide: as few as keep the quality, or as many as the size and the latency allow. Every answer is a model that
/// was made and measured on all of the text. The chosen one stands in options.output, unless none holds. Meanwhile
/// OUT.part is locked, and keeps what a run that is killed had found: the same search goes on there.
ContractResult fulfil(const ContractTask& task, Threads& threads);

}  // namespace octet
