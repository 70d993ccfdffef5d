#include "compress/compress.h"

#include <chrono>
#include <future>

#include "base/escape.h"
#include "base/json.h"
#include "base/output.h"
#include "base/sha256.h"
#include "compress/apply.h"
#include "compress/save.h"

namespace octet {
namespace {

namespace fs = std::filesystem;

// Hashes the input beside the work: it reads the same pages.
class InputHashes {
 public:
  InputHashes(const Checkpoint& checkpoint, const CompressOptions& options) {
    files_.push_back(checkpoint.directory() / "config.json");
    for (const auto& file : checkpoint.files()) files_.push_back(file->path());
    if (options.calibration) files_.push_back(*options.calibration);
    work_ = std::async(std::launch::async, [this] {
      std::map<std::string, std::string> hashes;
      for (const fs::path& file : files_) hashes[file.filename().string()] = hash_of_file(file, stop_);
      return hashes;
    });
  }
  ~InputHashes() { stop_ = true; }

  std::map<std::string, std::string> get() { return work_.get(); }

 private:
  std::vector<fs::path> files_;
  std::atomic<bool> stop_{false};
  std::future<std::map<std::string, std::string>> work_;
};

// What decides every byte of the work: the program, the command and what its files say.
std::string identity_of(const Checkpoint& checkpoint, const Plan& plan, const CompressOptions& options,
                        const std::map<std::string, std::string>& hashes) {
  std::string text = OCTET_VERSION + ("\n" + options.command) + "\n";
  for (const auto& [file, hash] : hashes) text += hash + " " + file + "\n";
  if (plan.output) text += write_quantization_config(*plan.output).dump() + "\n";
  std::error_code error;
  for (const fs::path& file : {checkpoint.directory() / "tokenizer.json", fs::path(options.recipe)}) {
    if (fs::is_regular_file(file, error)) text += hash_of_file(file, false) + "\n";
  }
  return sha256_hex(text);
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

CompressResult compress(const Checkpoint& checkpoint, const Plan& plan, const CompressOptions& options,
                        const std::function<Calibration(const WorkPlace&)>& watch, Threads& threads,
                        const std::function<void(int64_t bytes)>& advance) {
  const auto start = std::chrono::steady_clock::now();
  CompressResult result{.bytes_before = plan.bytes_before, .bytes_after = plan.bytes_after};
  const bool resumable = !options.pipeline.plain();
  OutputDirectory output(options.output, options.force, resumable);
  InputHashes input_hashes(checkpoint, options);
  WorkPlace work{resumable ? output.work() : output.path(), ""};
  std::map<std::string, std::string> hashes;
  if (resumable) {
    hashes = input_hashes.get();
    work.identity = identity_of(checkpoint, plan, options, hashes);
  }
  const Calibration calibration = watch(work);
  write_weights(checkpoint, plan, options, calibration, output.path(), threads, advance);
  if (!resumable) hashes = input_hashes.get();
  write_config(checkpoint, plan, output.path());
  for (const OtherFile& file : other_files(checkpoint)) {
    if (file.left_out.empty()) {
      copy_into(file.path, output.path());
    } else {
      result.notices.push_back(fmt::format("{} {}: left out", printable(file.path.filename().string()), file.left_out));
    }
  }
  write_provenance(options, hashes, output.path());
  result.layers = static_cast<int64_t>(plan.modules.size());
  result.seconds = seconds_since(start);
  const auto sync = std::chrono::steady_clock::now();
  output.commit();
  result.sync_seconds = seconds_since(sync);
  return result;
}

}  // namespace octet
