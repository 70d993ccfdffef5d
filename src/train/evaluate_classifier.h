#pragma once
#include <filesystem>

#include "models/classifier.h"

namespace octet::train {

/// How a classifier does on labelled documents.
struct ClassifierResult {
  double loss = 0, accuracy = 0;  // means over the documents
  int64_t documents = 0, tokens = 0;
  int64_t truncated = 0;       // documents that were longer than the model
  int64_t without_tokens = 0;  // documents that cleaning left nothing of
  double seconds = 0;
};

/// Of the model in `directory`, in F32, on a JSONL or TSV file. Throws Error naming the file and line, or the tensor,
/// that is wrong.
ClassifierResult evaluate_classifier(const std::filesystem::path& directory, const std::filesystem::path& data,
                                     Threads& threads);

}  // namespace octet::train
