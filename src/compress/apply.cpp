#include "compress/apply.h"

#include "base/error.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/output.h"
#include "compress/matrix_source.h"
#include "compress/modules.h"
#include "compress/turnstile.h"
#include "kernels/convert/convert.h"
#include "quant/codebook.h"
#include "quant/observer/observer.h"
#include "quant/quantize.h"
#include "quant/rounding/nearest.h"
#include "quant/scale.h"

namespace octet {
namespace {

constexpr int64_t kPieceBytes = 1 << 20;  // of input that a thread takes at once: it stays in the cache

// A module while its rows are worked on.
struct ModuleState {
  ModuleState(const Checkpoint& checkpoint, const ModulePlan& module) : source(checkpoint, module) {}
  MatrixSource source;
  Tensor scales;  // F32, as stored
  std::once_flag learn;
  Tensor table;  // of a codebook
  std::once_flag encode;
  std::map<std::string, Tensor> encoded;  // what an algorithm made of it, by name
};

// Modules that share the range of one scale.
struct RangeState {
  int64_t shard = -1;  // whose tickets look at its numbers
  int64_t ready = 0;   // the ticket after the last of them
  std::mutex mutex;
  float range = 0;
};

// A piece of work: rows (of a matrix) or bytes (of what is copied) of one output tensor.
enum class Step : uint8_t { look, write };
struct Job {
  Step step;
  size_t tensor;  // of plan.tensors; of Step::look: the module
  int64_t begin, count;
  bool last;          // of its tensor
  int64_t needs = 0;  // the ticket that must have passed before it starts
};

class ShardWriter {
 public:
  ShardWriter(const Checkpoint& checkpoint, const Plan& plan, const CompressOptions& options,
              const Calibration& calibration, const std::function<void(int64_t)>& advance)
      : checkpoint_(checkpoint),
        plan_(plan),
        options_(options),
        calibration_(calibration),
        advance_(advance),
        modules_(plan.modules.size()),
        ranges_(plan.range_sets.size()) {}

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
  ModuleState& state(int module) {
    auto& slot = modules_[static_cast<size_t>(module)];
    if (!slot) slot = std::make_unique<ModuleState>(checkpoint_, plan_.modules[static_cast<size_t>(module)]);
    return *slot;
  }

  // ---- planning: one thread

  std::vector<Job> jobs_of(size_t begin, size_t end) {
    std::vector<Job> jobs;
    for (size_t i = begin; i < end; ++i) {
      const OutputTensor& tensor = plan_.tensors[i];
      switch (tensor.part) {
        case Part::copy:
          cut(jobs, {Step::write, i}, tensor.info.bytes, kPieceBytes);
          break;
        case Part::numbers:
          cut_rows(jobs, {Step::write, i}, tensor.module);
          break;
        case Part::codes:
          plan_codes(jobs, i, tensor.module);
          break;
        default:
          jobs.push_back({Step::write, i, 0, 0, true});
          break;
      }
    }
    return jobs;
  }

  static void cut(std::vector<Job>& jobs, Job job, int64_t size, int64_t step) {
    for (job.begin = 0; job.begin < size; job.begin += step) {
      job.count = std::min(step, size - job.begin);
      job.last = job.begin + job.count == size;
      jobs.push_back(job);
    }
  }

  void cut_rows(std::vector<Job>& jobs, Job job, int index) {
    const ModulePlan& module = plan_.modules[static_cast<size_t>(index)];
    const int64_t block = module.to ? module.to->weights->block_rows : 1;
    const int64_t step = std::max<int64_t>({1, block, state(index).source.row_step()});
    const int64_t rows = kPieceBytes / std::max<int64_t>(1, module.k * bytes_of(module.dtype));
    cut(jobs, job, module.n, std::max<int64_t>(1, rows / step) * step);
  }

  void plan_codes(std::vector<Job>& jobs, size_t tensor, int index) {
    const ModulePlan& module = plan_.modules[static_cast<size_t>(index)];
    state(index).scales = Tensor(scale_shape(*module.to->weights, module.n, module.k));
    Job job{Step::write, tensor};
    if (module.range_set >= 0) job.needs = plan_range(jobs, module.range_set);
    cut_rows(jobs, job, index);
  }

  // Every number that shares the scale is looked at before the first of them is encoded. Returns the ticket to wait
  // for.
  int64_t plan_range(std::vector<Job>& jobs, int set) {
    RangeState& range = ranges_[static_cast<size_t>(set)];
    if (range.shard < 0) {
      range.shard = shard_;
      for (const int module : plan_.range_sets[static_cast<size_t>(set)]) {
        cut_rows(jobs, {Step::look, static_cast<size_t>(module)}, module);
      }
      range.ready = static_cast<int64_t>(jobs.size());
    }
    return range.shard == shard_ ? range.ready : 0;
  }

  // ---- working: all threads

  void run(const Job& job, int64_t ticket, Turnstile& turnstile, SafetensorsWriter& writer) {
    if (job.needs > 0) turnstile.wait(job.needs);
    thread_local std::vector<std::byte> made;
    std::span<const std::byte> bytes;
    if (job.step == Step::look) {
      look(job);
    } else {
      bytes = make(job, ticket, turnstile, made);
    }
    turnstile.wait(ticket);
    if (!bytes.empty()) writer.write(bytes.data(), bytes.size());
    turnstile.pass();
    if (job.last) drop_pages(job);
    advance_(input_bytes(job));
  }

  int64_t input_bytes(const Job& job) const {
    if (job.step == Step::look) return 0;
    const OutputTensor& tensor = plan_.tensors[job.tensor];
    if (tensor.part == Part::copy) return job.count;
    if (tensor.part != Part::codes && tensor.part != Part::numbers) return 0;
    const ModulePlan& module = plan_.modules[static_cast<size_t>(tensor.module)];
    return job.count * module.k * (module.from ? 1 : bytes_of(module.dtype));
  }

  // The last piece of a tensor has passed, and all before it: nobody reads its input any more.
  void drop_pages(const Job& job) {
    if (job.step == Step::look) return;
    const OutputTensor& tensor = plan_.tensors[job.tensor];
    if (calibration_.made.has_tensor(tensor.info.name)) calibration_.made.drop(tensor.info.name);
    forget_encoded(tensor);
    if (tensor.part == Part::copy && checkpoint_.has(tensor.info.name)) checkpoint_.drop(tensor.info.name);
    if (tensor.part == Part::codes || tensor.part == Part::numbers) state(tensor.module).source.drop();
    if (tensor.part == Part::scales) state(tensor.module).scales = Tensor();
  }

  // Packed codes are copies: only those of the modules at work are held.
  void forget_encoded(const OutputTensor& tensor) {
    if (tensor.module < 0 || tensor.part == Part::k_scale || tensor.part == Part::v_scale) return;
    auto& encoded = state(tensor.module).encoded;
    if (const auto found = encoded.find(tensor.info.name); found != encoded.end()) found->second = Tensor();
  }

  void look(const Job& job) {
    const int index = static_cast<int>(job.tensor);
    const ModulePlan& module = plan_.modules[job.tensor];
    const Tensor rows = rows_of(index, job.begin, job.count, module.dtype);
    const float range = minmax_ranges(rows, per_tensor(module.to->weights->format)).f32()[0];
    if (!std::isfinite(range)) scales_of_range(module, index, range);
    RangeState& set = ranges_[static_cast<size_t>(module.range_set)];
    std::lock_guard lock(set.mutex);
    set.range = std::max(set.range, range);
  }

  Tensor scales_of_range(const ModulePlan& module, int index, float range) {
    Tensor ranges({1, 1});
    ranges.f32()[0] = range;
    return scales_of(ranges, *module.to->weights, module.dtype, options_.quantize, state(index).source.where());
  }

  std::span<const std::byte> make(const Job& job, int64_t ticket, Turnstile& turnstile, std::vector<std::byte>& made) {
    const OutputTensor& tensor = plan_.tensors[job.tensor];
    if (is_made(tensor)) return made_already(tensor, job, made);
    switch (tensor.part) {
      case Part::copy:
        return copied(tensor, job, made);
      case Part::numbers:
        return numbers(tensor, job, made);
      case Part::codes:
        return codes(tensor, job, made);
      default:
        turnstile.wait(ticket);  // its module's codes, and with them their scales, are made
        return small(tensor, made);
    }
  }

  bool is_made(const OutputTensor& tensor) const {
    if (calibration_.made.has_tensor(tensor.info.name)) return true;
    const bool of_module = tensor.module >= 0 && tensor.part != Part::k_scale && tensor.part != Part::v_scale;
    return of_module && calibration_.made.has_module(plan_.modules[static_cast<size_t>(tensor.module)].name);
  }

  // Rows of codes or numbers, bytes of what is copied, or all of what is small.
  std::span<const std::byte> made_already(const OutputTensor& tensor, const Job& job, std::vector<std::byte>& made) {
    const Tensor whole = tensor_made(tensor);
    if (tensor.part != Part::copy && tensor.part != Part::numbers && tensor.part != Part::codes) {
      made.assign(whole.raw(), whole.raw() + whole.bytes());
      return made;
    }
    const int64_t unit = tensor.part == Part::copy ? 1 : whole.bytes() / whole.size(0);
    const std::byte* const begin = whole.raw() + job.begin * unit;
    made.assign(begin, begin + job.count * unit);
    return made;
  }

  Tensor tensor_made(const OutputTensor& tensor) {
    if (calibration_.made.has_tensor(tensor.info.name)) {
      const Tensor x = calibration_.made.tensor(tensor.info.name);
      return x.dtype() == tensor.info.dtype ? x : from_f32(to_f32(x), tensor.info.dtype);
    }
    const ModulePlan& module = plan_.modules[static_cast<size_t>(tensor.module)];
    ModuleState& of = state(tensor.module);
    std::call_once(of.encode, [&] {
      const QTensor q = calibration_.made.module(module.name, *module.to->weights, module.to->activations);
      const DType scales = module.scales == DType::U8 ? module.dtype : module.scales;
      const std::vector<TensorInfo> infos = plan_qtensor(module.name, *module.to, module.n, module.k, scales);
      const std::vector<Tensor> tensors = encode_qtensor(q, *module.to, scales);
      for (size_t i = 0; i < infos.size(); ++i) of.encoded[infos[i].name] = tensors[i];
    });
    return of.encoded.at(tensor.info.name);
  }

  // Rows of a module's numbers; those of a rotated head were made.
  Tensor rows_of(int index, int64_t begin, int64_t count, DType dtype) {
    const std::string name = plan_.modules[static_cast<size_t>(index)].name + ".weight";
    if (calibration_.made.has_tensor(name)) return calibration_.made.tensor(name).rows(begin, count);
    return state(index).source.rows(begin, count, dtype);
  }

  // Bytes of the mapped file itself, or a copy of the piece where its numbers lie at an odd address.
  std::span<const std::byte> copied(const OutputTensor& tensor, const Job& job, std::vector<std::byte>& made) {
    std::span<const std::byte> bytes =
        checkpoint_.raw(tensor.info.name).subspan(static_cast<size_t>(job.begin), static_cast<size_t>(job.count));
    const DType dtype = tensor.info.dtype;
    if (dtype == DType::F32 || dtype == DType::BF16 || dtype == DType::F16) {
      if (reinterpret_cast<uintptr_t>(bytes.data()) % static_cast<size_t>(bytes_of(dtype)) != 0) {
        made.assign(bytes.begin(), bytes.end());
        bytes = made;
      }
      if (!std::isfinite(kernels::amax(float_format(dtype), bytes.data(), job.count / bytes_of(dtype)))) {
        fail("{}: tensor {} holds NaN or infinite numbers; the checkpoint is damaged, fetch it again",
             printable(checkpoint_.directory().string()), printable(tensor.info.name));
      }
    }
    return bytes;
  }

  std::span<const std::byte> numbers(const OutputTensor& tensor, const Job& job, std::vector<std::byte>& made) {
    const Tensor rows = state(tensor.module).source.rows(job.begin, job.count, tensor.info.dtype);
    made.assign(rows.raw(), rows.raw() + rows.bytes());
    return made;
  }

  std::span<const std::byte> codes(const OutputTensor& tensor, const Job& job, std::vector<std::byte>& made) {
    const ModulePlan& module = plan_.modules[static_cast<size_t>(tensor.module)];
    const Quantization& q = *module.to->weights;
    ModuleState& of = state(tensor.module);
    const Tensor rows = rows_of(tensor.module, job.begin, job.count, module.dtype);
    Tensor scales;
    if (module.range_set >= 0) {
      scales = scales_of_range(module, tensor.module, ranges_[static_cast<size_t>(module.range_set)].range);
    } else {
      scales = scales_of(minmax_ranges(rows, q), q, module.dtype, options_.quantize, of.source.where());
    }
    Tensor stored = of.scales.rows(job.begin / extent_of(q, module.n, module.k).rows, scales.size(0));
    std::memcpy(stored.raw(), scales.raw(), static_cast<size_t>(scales.bytes()));

    QuantizeOptions options = options_.quantize;
    options.tensor = static_cast<uint32_t>(tensor.module);
    if (q.format == Format::CODEBOOK) options.table = codebook_of(tensor.module).f32();
    made.resize(static_cast<size_t>(rows.elements()));
    round_to_nearest(rows, job.begin, q, scales, options, made.data());
    return module.to->storage == Storage::pack_quantized ? packed(job.count, module.k, made) : made;
  }

  // All of a matrix is seen before its first code is made.
  const Tensor& codebook_of(int index) {
    ModuleState& of = state(index);
    const ModulePlan& module = plan_.modules[static_cast<size_t>(index)];
    const Quantization& q = *module.to->weights;
    std::call_once(of.learn, [&] {
      Codebook codebook;
      const int64_t step = std::max<int64_t>(1, kPieceBytes / std::max<int64_t>(1, module.k * bytes_of(module.dtype)));
      for (int64_t begin = 0; begin < module.n; begin += step) {
        const Tensor rows = rows_of(index, begin, std::min(step, module.n - begin), module.dtype);
        codebook.add(rows, q, scales_of(minmax_ranges(rows, q), q, module.dtype, options_.quantize, of.source.where()));
      }
      of.table = codebook.learn();
    });
    return of.table;
  }

  static std::span<const std::byte> packed(int64_t rows, int64_t k, const std::vector<std::byte>& codes) {
    thread_local std::vector<std::byte> words;
    words.resize(static_cast<size_t>(rows * packed_row_bytes(k)));
    pack_rows(reinterpret_cast<const int8_t*>(codes.data()), rows, k, words.data());
    return words;
  }

  // What is small enough to be made when its turn has come.
  std::span<const std::byte> small(const OutputTensor& tensor, std::vector<std::byte>& made) {
    const Tensor x = small_tensor(tensor);
    made.assign(x.raw(), x.raw() + x.bytes());
    return made;
  }

  Tensor small_tensor(const OutputTensor& tensor) {
    if (tensor.part == Part::k_scale || tensor.part == Part::v_scale) return cache_scale(tensor);
    const ModulePlan& module = plan_.modules[static_cast<size_t>(tensor.module)];
    if (tensor.part == Part::scales) return stored_scales(state(tensor.module).scales, tensor.info);
    if (tensor.part == Part::codebook) return from_f32(codebook_of(tensor.module), DType::BF16);
    if (tensor.part == Part::shape) {
      Tensor shape({2}, DType::I64);
      shape.data<int64_t>()[0] = module.n;
      shape.data<int64_t>()[1] = module.k;
      return shape;
    }
    const StaticScale scale = input_scale(module);
    if (tensor.part == Part::input_scale) return one_scale(scale.scale, tensor.info);
    Tensor zero({1}, DType::I8);
    zero.data<int8_t>()[0] = static_cast<int8_t>(scale.zero_point);
    return zero;
  }

  static Tensor stored_scales(const Tensor& scales, const TensorInfo& info) {
    if (info.dtype != DType::U8 && info.dtype != DType::F8_E8M0) return from_f32(scales, info.dtype);
    Tensor exponents(info.shape, info.dtype);
    for (int64_t i = 0; i < scales.elements(); ++i) exponents.data<uint8_t>()[i] = float_to_e8m0(scales.f32()[i]);
    return exponents;
  }

  static Tensor one_scale(float scale, const TensorInfo& info) {
    Tensor x({1});
    x.f32()[0] = scale;
    return from_f32(x, info.dtype);
  }

  // Fused modules have one input, and one scale for it.
  StaticScale input_scale(const ModulePlan& module) const {
    const auto seen = calibration_.ranges.inputs.find(module.name);
    if (seen == calibration_.ranges.inputs.end()) fail("{}: calibration saw no input of it", module.name);
    return static_scale(seen->second.min, seen->second.max, *module.to->activations, module.scales);
  }

  Tensor cache_scale(const OutputTensor& tensor) const {
    const auto& ranges = tensor.part == Part::k_scale ? calibration_.ranges.keys : calibration_.ranges.values;
    const SeenRange& seen = ranges.at(static_cast<size_t>(tensor.module));
    return one_scale(static_scale(seen.min, seen.max, per_tensor(Format::E4M3), tensor.info.dtype).scale, tensor.info);
  }

  const Checkpoint& checkpoint_;
  const Plan& plan_;
  const CompressOptions& options_;
  const Calibration& calibration_;
  const std::function<void(int64_t)>& advance_;
  std::vector<std::unique_ptr<ModuleState>> modules_;
  std::vector<RangeState> ranges_;
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
