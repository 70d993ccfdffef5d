#include "compress/apply.h"

#include "base/json.h"
#include "base/output.h"
#include "compress/tensor_maker.h"
#include "compress/turnstile.h"

namespace octet {
namespace {

// When the numbers of modules that share a scale are looked at.
struct SharedLook {
  int64_t shard = -1;  // whose tickets do
  int64_t ready = 0;   // the ticket after the last of them
};

enum class Step : uint8_t { look, write };
struct Job {
  Step step;
  Piece piece;        // of Step::look: rows of the module that piece.tensor counts
  bool last = true;   // of its tensor
  int64_t needs = 0;  // the ticket that must have passed before it starts
};

class ShardWriter {
 public:
  ShardWriter(const Checkpoint& checkpoint, const Plan& plan, const CompressOptions& options,
              const Calibration& calibration, const std::function<void(int64_t)>& advance)
      : plan_(plan),
        advance_(advance),
        maker_(checkpoint, plan, options, calibration),
        looks_(plan.range_sets.size()) {}

  void write(size_t begin, size_t end, const std::filesystem::path& path, Threads& threads) {
    std::vector<TensorInfo> infos;
    for (size_t i = begin; i < end; ++i) infos.push_back(plan_.tensors[i].info);
    SafetensorsWriter writer(path, infos);
    const std::vector<Job> jobs = jobs_of(begin, end);
    Turnstile turnstile;
    threads.for_range(static_cast<int64_t>(jobs.size()), 1, [&](int64_t first, int64_t last) {
      for (int64_t ticket = first; ticket < last; ++ticket) {
        try {
          run(jobs[static_cast<size_t>(ticket)], ticket, turnstile, writer);
        } catch (const Turnstile::Stopped&) {
          return;
        } catch (...) {
          turnstile.stop();
          throw;
        }
      }
    });
    writer.finish(false);
    ++shard_;
  }

 private:
  // ---- planning: one thread

  std::vector<Job> jobs_of(size_t begin, size_t end) {
    std::vector<Job> jobs;
    for (size_t i = begin; i < end; ++i) {
      const OutputTensor& tensor = plan_.tensors[i];
      switch (tensor.part) {
        case Part::copy:
          cut(jobs, {Step::write, {i}}, tensor.info.bytes, kPieceBytes);
          break;
        case Part::numbers:
          cut_rows(jobs, {Step::write, {i}}, tensor.module);
          break;
        case Part::codes:
          plan_codes(jobs, i, tensor.module);
          break;
        default:
          jobs.push_back({Step::write, {i}});
          break;
      }
    }
    return jobs;
  }

  static void cut(std::vector<Job>& jobs, Job job, int64_t size, int64_t step) {
    for (Piece& piece = job.piece; piece.begin < size; piece.begin += step) {
      piece.count = std::min(step, size - piece.begin);
      job.last = piece.begin + piece.count == size;
      jobs.push_back(job);
    }
  }

  void cut_rows(std::vector<Job>& jobs, Job job, int index) {
    const ModulePlan& module = plan_.modules[static_cast<size_t>(index)];
    const int64_t step = maker_.row_step(index);
    const int64_t rows = kPieceBytes / std::max<int64_t>(1, module.k * bytes_of(module.dtype));
    cut(jobs, job, module.n, std::max<int64_t>(1, rows / step) * step);
  }

  void plan_codes(std::vector<Job>& jobs, size_t tensor, int index) {
    const ModulePlan& module = plan_.modules[static_cast<size_t>(index)];
    maker_.prepare_codes(index);
    Job job{Step::write, {tensor}};
    if (module.range_set >= 0) job.needs = plan_range(jobs, module.range_set);
    cut_rows(jobs, job, index);
  }

  // Every number that shares the scale is looked at before the first of them is encoded. Returns the ticket to wait
  // for.
  int64_t plan_range(std::vector<Job>& jobs, int set) {
    SharedLook& look = looks_[static_cast<size_t>(set)];
    if (look.shard < 0) {
      look.shard = shard_;
      for (const int module : plan_.range_sets[static_cast<size_t>(set)]) {
        cut_rows(jobs, {Step::look, {static_cast<size_t>(module)}}, module);
      }
      look.ready = static_cast<int64_t>(jobs.size());
    }
    return look.shard == shard_ ? look.ready : 0;
  }

  // ---- working: all threads

  void run(const Job& job, int64_t ticket, Turnstile& turnstile, SafetensorsWriter& writer) {
    if (job.needs > 0) turnstile.wait(job.needs);
    const Piece& piece = job.piece;
    if (job.step == Step::look) {
      maker_.look(static_cast<int>(piece.tensor), piece.begin, piece.count);
      turnstile.wait(ticket);
      return turnstile.pass();
    }
    const OutputTensor& tensor = plan_.tensors[piece.tensor];
    if (!is_cut(tensor.part)) turnstile.wait(ticket);  // its module's codes, and with them their scales, are made
    thread_local std::vector<std::byte> made;
    const std::span<const std::byte> bytes = maker_.make(piece, made);
    turnstile.wait(ticket);
    if (!bytes.empty()) writer.write(bytes.data(), bytes.size());
    turnstile.pass();
    if (job.last) maker_.drop(tensor);
    advance_(input_bytes(piece));
  }

  int64_t input_bytes(const Piece& piece) const {
    const OutputTensor& tensor = plan_.tensors[piece.tensor];
    if (tensor.part == Part::copy) return piece.count;
    if (!is_cut(tensor.part)) return 0;
    const ModulePlan& module = plan_.modules[static_cast<size_t>(tensor.module)];
    return piece.count * module.k * (module.from ? 1 : bytes_of(module.dtype));
  }

  const Plan& plan_;
  const std::function<void(int64_t)>& advance_;
  TensorMaker maker_;
  std::vector<SharedLook> looks_;  // of plan.range_sets
  int64_t shard_ = 0;
};

void write_index(const Plan& plan, const std::filesystem::path& directory) {
  Json map = Json::object();
  for (size_t shard = 0, i = 0; shard < plan.shard_ends.size(); ++shard) {
    for (; i < plan.shard_ends[shard]; ++i) map[plan.tensors[i].info.name] = shard_name(plan, shard);
  }
  const Json index{{"metadata", {{"total_size", plan.bytes_after}}}, {"weight_map", map}};
  OutputFile file(directory / "model.safetensors.index.json");
  file.write(index.dump(2) + "\n");
  file.close(false);
}

}  // namespace

std::string shard_name(const Plan& plan, size_t shard) {
  if (!plan.sharded) return "model.safetensors";
  return fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, plan.shard_ends.size());
}

void write_weights(const Checkpoint& checkpoint, const Plan& plan, const CompressOptions& options,
                   const Calibration& calibration, const std::filesystem::path& directory, Threads& threads,
                   const std::function<void(int64_t bytes)>& advance) {
  ShardWriter writer(checkpoint, plan, options, calibration, advance);
  for (size_t shard = 0, begin = 0; shard < plan.shard_ends.size(); begin = plan.shard_ends[shard++]) {
    writer.write(begin, plan.shard_ends[shard], directory / shard_name(plan, shard), threads);
  }
  if (plan.sharded) write_index(plan, directory);
}

}  // namespace octet
