#pragma once
#include <string>
#include <vector>

namespace octet::cli {

/// What completion knows of an option and of a verb.
struct CompletionOption {
  std::vector<std::string> names;  // with their dashes
  std::string description;
  std::string value;                // "" for a flag, "FILE", "DIR" or "MODEL" for paths
  std::vector<std::string> values;  // where they are listed
};
struct CompletionVerb {
  std::string name, summary;
  std::vector<CompletionOption> options;
  std::vector<std::string> words;  // what a positional argument may be; none: a path
};

std::string bash_completion(const std::vector<CompletionVerb>& verbs);
std::string zsh_completion(const std::vector<CompletionVerb>& verbs);

}  // namespace octet::cli
