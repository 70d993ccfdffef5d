#pragma once
#include <functional>
#include <span>

namespace CLI {
class App;
}

namespace octet::cli {

/// What every verb takes.
struct Common {
  int threads = 1;
  bool json = false;
};

/// Exit statuses besides 0, done.
constexpr int kFailed = 1;          ///< an Error; verbs throw it
constexpr int kWrongUsage = 2;      ///< a UsageError
constexpr int kContractBroken = 3;  ///< --max-ppl-increase and its like: verbs return it, their results printed

/// Does the work once the options are read, and returns the exit status.
using Run = std::function<int(const Common&)>;

/// One verb: a file of this folder defines `add`, verbs.cpp lists it.
struct Verb {
  const char* name;
  const char* summary;  // a few words, for the list of verbs and the completion
  const char* example;  // shown by --help
  Run (*add)(CLI::App& app);
};

std::span<const Verb> verbs();

}  // namespace octet::cli
