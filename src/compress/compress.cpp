#include "compress/compress.h"

#include <chrono>
#include <future>

#include "base/error.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/output.h"
#include "compress/apply.h"
#include "compress/finite.h"
#include "compress/identity.h"
#include "compress/save.h"

namespace octet {
namespace {

// Hashes the input beside the work: it reads the same pages.
class InputHashes {
 public:
  InputHashes(const Checkpoint& checkpoint, const CompressOptions& options) {
    work_ = std::async(std::launch::async,
                       [&checkpoint, &options, this] { return hashes_of_inputs(checkpoint, options, stop_); });
  }
  ~InputHashes() { stop_ = true; }

  FileHashes get() { return work_.get(); }

 private:
  std::atomic<bool> stop_{false};
  std::future<FileHashes> work_;
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void write_beside_weights(const Checkpoint& checkpoint, const Plan& plan, const std::filesystem::path& directory,
                          std::vector<std::string>& notices) {
  write_config(checkpoint, plan, directory);
  for (const OtherFile& file : other_files(checkpoint)) {
    if (file.left_out.empty()) {
      copy_into(file.path, directory);
    } else {
      notices.push_back(fmt::format("{} {}: left out", printable(file.path.filename().string()), file.left_out));
    }
  }
}

}  // namespace

CompressResult compress(const Checkpoint& checkpoint, const Plan& plan, const CompressOptions& options,
                        const std::function<Calibration(const WorkPlace&)>& watch, Threads& threads,
                        const std::function<void(int64_t bytes)>& advance,
                        const std::function<void(const std::filesystem::path& made, const CompressResult&)>& finish) {
  const auto start = std::chrono::steady_clock::now();
  CompressResult result{.bytes_before = plan.bytes_before, .bytes_after = plan.bytes_after};
  const bool resumable = !options.pipeline.plain();
  OutputDirectory output(options.output, options.force, resumable);
  if (output.removed_work()) {
    result.notices.push_back(fmt::format("the work of an earlier run in {} was of no use to this one and is removed",
                                         printable(output.path().string())));
  }
  InputHashes input_hashes(checkpoint, options);
  WorkPlace work{resumable ? output.work() : output.path(), ""};
  FileHashes hashes;
  if (resumable) {
    hashes = input_hashes.get();
    work.identity = identity_of(options, hashes, plan.output ? write_quantization_config(*plan.output).dump() : "");
  }
  try {
    if (resumable) require_finite(checkpoint, threads);
    const Calibration calibration = watch(work);
    write_weights(checkpoint, plan, options, calibration, output.path(), threads, advance);
    if (!resumable) hashes = input_hashes.get();
    write_beside_weights(checkpoint, plan, output.path(), result.notices);
    write_provenance(options, hashes, output.path());
  } catch (const UsageError&) {
    throw;
  } catch (const Error& error) {
    if (!resumable || !has_finished_parts(work.directory)) throw;
    fail("{}; what was finished until then stands in {}", error.what(), printable(output.path().string()));
  }
  result.layers = static_cast<int64_t>(plan.modules.size());
  result.seconds = seconds_since(start);
  const auto whole = std::chrono::steady_clock::now();
  if (finish) finish(output.path(), result);
  result.finish_seconds = seconds_since(whole);
  const auto sync = std::chrono::steady_clock::now();
  output.commit();
  result.sync_seconds = seconds_since(sync);
  return result;
}

}  // namespace octet
