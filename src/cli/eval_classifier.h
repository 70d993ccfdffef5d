#pragma once
#include <optional>
#include <string>

#include "cli/verb.h"

namespace octet::cli {

/// "OctetLstmClassifier: an LSTM text classifier of 2 classes …", what is to be said where a directory is one of a
/// classifier; nothing: it is none.
std::optional<std::string> classifier_line(const std::string& directory);

/// Loss and accuracy of a classifier's directory on labelled documents (JSONL or TSV).
int eval_classifier(const std::string& directory, const std::string& data, const Common& common);

}  // namespace octet::cli
