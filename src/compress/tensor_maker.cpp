#include "compress/tensor_maker.h"

#include "base/error.h"
#include "base/escape.h"
#include "compress/finite.h"
#include "compress/modules.h"
#include "kernels/convert/convert.h"
#include "quant/codebook.h"
#include "quant/observer/observer.h"
#include "quant/quantize.h"
#include "quant/rounding/nearest.h"
#include "quant/scale.h"

namespace octet {
namespace {

bool of_cache(Part part) {
  return part == Part::k_scale || part == Part::v_scale;
}

std::span<const std::byte> packed(int64_t rows, int64_t k, const std::vector<std::byte>& codes) {
  thread_local std::vector<std::byte> words;
  words.resize(static_cast<size_t>(rows * packed_row_bytes(k)));
  pack_rows(reinterpret_cast<const int8_t*>(codes.data()), rows, k, words.data());
  return words;
}

Tensor stored_scales(const Tensor& scales, const TensorInfo& info) {
  if (info.dtype != DType::U8 && info.dtype != DType::F8_E8M0) return from_f32(scales, info.dtype);
  Tensor exponents(info.shape, info.dtype);
  for (int64_t i = 0; i < scales.elements(); ++i) exponents.data<uint8_t>()[i] = float_to_e8m0(scales.f32()[i]);
  return exponents;
}

Tensor one_scale(float scale, const TensorInfo& info) {
  Tensor x({1});
  x.f32()[0] = scale;
  return from_f32(x, info.dtype);
}

}  // namespace

bool is_cut(Part part) {
  return part == Part::copy || part == Part::numbers || part == Part::codes;
}

// A module while its rows are worked on.
struct TensorMaker::ModuleState {
  ModuleState(const Checkpoint& checkpoint, const ModulePlan& module) : source(checkpoint, module) {}
  MatrixSource source;
  Tensor scales;  // F32, as stored
  std::once_flag learn;
  Tensor table;  // of a codebook
  std::once_flag encode;
  std::map<std::string, Tensor> encoded;  // what an algorithm made of it, by name
};

TensorMaker::TensorMaker(const Checkpoint& checkpoint, const Plan& plan, const CompressOptions& options,
                         const Calibration& calibration)
    : checkpoint_(checkpoint),
      plan_(plan),
      options_(options),
      calibration_(calibration),
      modules_(plan.modules.size()),
      ranges_(plan.range_sets.size()) {
  for (size_t i = 0; i < modules_.size(); ++i) {
    modules_[i] = std::make_unique<ModuleState>(checkpoint, plan.modules[i]);
  }
}

TensorMaker::~TensorMaker() = default;

TensorMaker::ModuleState& TensorMaker::state(int module) {
  return *modules_[static_cast<size_t>(module)];
}

const ModulePlan& TensorMaker::plan_of(int module) const {
  return plan_.modules[static_cast<size_t>(module)];
}

int64_t TensorMaker::row_step(int module) {
  const ModulePlan& plan = plan_of(module);
  const int64_t block = plan.to ? plan.to->weights->block_rows : 1;
  return std::max<int64_t>({1, block, state(module).source.row_step()});
}

void TensorMaker::prepare_codes(int module) {
  const ModulePlan& plan = plan_of(module);
  state(module).scales = Tensor(scale_shape(*plan.to->weights, plan.n, plan.k));
}

void TensorMaker::drop(const OutputTensor& tensor) {
  if (calibration_.made.has_tensor(tensor.info.name)) calibration_.made.drop(tensor.info.name);
  forget_encoded(tensor);
  if (tensor.part == Part::copy && checkpoint_.has(tensor.info.name)) checkpoint_.drop(tensor.info.name);
  if (tensor.part == Part::codes || tensor.part == Part::numbers) state(tensor.module).source.drop();
  if (tensor.part == Part::scales) state(tensor.module).scales = Tensor();
}

// Packed codes are copies: only those of the modules at work are held.
void TensorMaker::forget_encoded(const OutputTensor& tensor) {
  if (tensor.module < 0 || of_cache(tensor.part)) return;
  auto& encoded = state(tensor.module).encoded;
  if (const auto found = encoded.find(tensor.info.name); found != encoded.end()) found->second = Tensor();
}

void TensorMaker::look(int module, int64_t begin, int64_t count) {
  const ModulePlan& plan = plan_of(module);
  const Tensor rows = rows_of(module, begin, count, plan.dtype);
  const float range = minmax_ranges(rows, per_tensor(plan.to->weights->format)).f32()[0];
  if (!std::isfinite(range)) scales_of_range(module, range);  // throws
  SharedRange& shared = ranges_[static_cast<size_t>(plan.range_set)];
  std::lock_guard lock(shared.mutex);
  shared.range = std::max(shared.range, range);
}

Tensor TensorMaker::scales_of_ranges(int module, const Tensor& ranges) {
  const ModulePlan& plan = plan_of(module);
  return scales_of(ranges, *plan.to->weights, plan.dtype, options_.quantize, state(module).source.where());
}

Tensor TensorMaker::scales_of_range(int module, float range) {
  Tensor ranges({1, 1});
  ranges.f32()[0] = range;
  return scales_of_ranges(module, ranges);
}

std::span<const std::byte> TensorMaker::make(const Piece& piece, std::vector<std::byte>& made) {
  const OutputTensor& tensor = plan_.tensors[piece.tensor];
  if (is_made(tensor)) return made_already(tensor, piece, made);
  if (tensor.part == Part::copy) return copied(tensor, piece, made);
  if (tensor.part == Part::numbers) return numbers(tensor, piece, made);
  if (tensor.part == Part::codes) return codes(tensor, piece, made);
  const Tensor x = small_tensor(tensor);
  made.assign(x.raw(), x.raw() + x.bytes());
  return made;
}

bool TensorMaker::is_made(const OutputTensor& tensor) const {
  const bool codes = tensor.part == Part::codes;  // a rotated head's numbers have their name
  if (!codes && calibration_.made.has_tensor(tensor.info.name)) return true;
  const bool of_module = tensor.module >= 0 && !of_cache(tensor.part);
  return of_module && calibration_.made.has_module(plan_of(tensor.module).name);
}

// Rows of codes or numbers, bytes of what is copied, or all of what is small.
std::span<const std::byte> TensorMaker::made_already(const OutputTensor& tensor, const Piece& piece,
                                                     std::vector<std::byte>& made) {
  const Tensor whole = tensor_made(tensor);
  if (!is_cut(tensor.part)) {
    made.assign(whole.raw(), whole.raw() + whole.bytes());
    return made;
  }
  const int64_t unit = tensor.part == Part::copy ? 1 : whole.bytes() / whole.size(0);
  const std::byte* const begin = whole.raw() + piece.begin * unit;
  made.assign(begin, begin + piece.count * unit);
  return made;
}

Tensor TensorMaker::tensor_made(const OutputTensor& tensor) {
  if (tensor.part != Part::codes && calibration_.made.has_tensor(tensor.info.name)) {
    const Tensor x = calibration_.made.tensor(tensor.info.name);
    return x.dtype() == tensor.info.dtype ? x : from_f32(to_f32(x), tensor.info.dtype);
  }
  const ModulePlan& module = plan_of(tensor.module);
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
Tensor TensorMaker::rows_of(int module, int64_t begin, int64_t count, DType dtype) {
  const std::string name = plan_of(module).name + ".weight";
  if (calibration_.made.has_tensor(name)) return calibration_.made.tensor(name).rows(begin, count);
  return state(module).source.rows(begin, count, dtype);
}

// Bytes of the mapped file itself, or a copy of the piece where its numbers lie at an odd address.
std::span<const std::byte> TensorMaker::copied(const OutputTensor& tensor, const Piece& piece,
                                               std::vector<std::byte>& made) {
  std::span<const std::byte> bytes =
      checkpoint_.raw(tensor.info.name).subspan(static_cast<size_t>(piece.begin), static_cast<size_t>(piece.count));
  const DType dtype = tensor.info.dtype;
  if (dtype == DType::F32 || dtype == DType::BF16 || dtype == DType::F16) {
    if (reinterpret_cast<uintptr_t>(bytes.data()) % static_cast<size_t>(bytes_of(dtype)) != 0) {
      made.assign(bytes.begin(), bytes.end());
      bytes = made;
    }
    require_finite(checkpoint_, tensor.info, bytes);
  }
  return bytes;
}

std::span<const std::byte> TensorMaker::numbers(const OutputTensor& tensor, const Piece& piece,
                                                std::vector<std::byte>& made) {
  const Tensor rows = state(tensor.module).source.rows(piece.begin, piece.count, tensor.info.dtype);
  made.assign(rows.raw(), rows.raw() + rows.bytes());
  return made;
}

std::span<const std::byte> TensorMaker::codes(const OutputTensor& tensor, const Piece& piece,
                                              std::vector<std::byte>& made) {
  const ModulePlan& module = plan_of(tensor.module);
  const Quantization& q = *module.to->weights;
  const Tensor rows = rows_of(tensor.module, piece.begin, piece.count, module.dtype);
  const Tensor scales = module.range_set >= 0
                            ? scales_of_range(tensor.module, ranges_[static_cast<size_t>(module.range_set)].range)
                            : scales_of_ranges(tensor.module, minmax_ranges(rows, q));
  if (module.range_set < 0 || piece.begin == 0) {  // one scale for all pieces is stored by the first
    Tensor stored =
        state(tensor.module).scales.rows(piece.begin / extent_of(q, module.n, module.k).rows, scales.size(0));
    std::memcpy(stored.raw(), scales.raw(), static_cast<size_t>(scales.bytes()));
  }
  QuantizeOptions options = options_.quantize;
  options.tensor = static_cast<uint32_t>(tensor.module);
  if (q.format == Format::CODEBOOK) options.table = codebook_of(tensor.module).f32();
  made.resize(static_cast<size_t>(rows.elements()));
  round_to_nearest(rows, piece.begin, q, scales, options, made.data());
  return module.to->storage == Storage::pack_quantized ? packed(piece.count, module.k, made) : made;
}

// All of a matrix is seen before its first code is made.
const Tensor& TensorMaker::codebook_of(int module) {
  ModuleState& of = state(module);
  const ModulePlan& plan = plan_of(module);
  const Quantization& q = *plan.to->weights;
  std::call_once(of.learn, [&] {
    Codebook codebook;
    const int64_t step = std::max<int64_t>(1, kPieceBytes / std::max<int64_t>(1, plan.k * bytes_of(plan.dtype)));
    for (int64_t begin = 0; begin < plan.n; begin += step) {
      const Tensor rows = rows_of(module, begin, std::min(step, plan.n - begin), plan.dtype);
      codebook.add(rows, q, scales_of_ranges(module, minmax_ranges(rows, q)));
    }
    of.table = codebook.learn();
  });
  return of.table;
}

Tensor TensorMaker::small_tensor(const OutputTensor& tensor) {
  if (of_cache(tensor.part)) return cache_scale(tensor);
  const ModulePlan& module = plan_of(tensor.module);
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

// Fused modules have one input, and one scale for it.
StaticScale TensorMaker::input_scale(const ModulePlan& module) const {
  const auto seen = calibration_.ranges.inputs.find(module.name);
  if (seen == calibration_.ranges.inputs.end()) fail("{}: calibration saw no input of it", module.name);
  return static_scale(seen->second.min, seen->second.max, *module.to->activations, module.scales);
}

Tensor TensorMaker::cache_scale(const OutputTensor& tensor) const {
  const auto& ranges = tensor.part == Part::k_scale ? calibration_.ranges.keys : calibration_.ranges.values;
  const SeenRange& seen = ranges.at(static_cast<size_t>(tensor.module));
  return one_scale(static_scale(seen.min, seen.max, per_tensor(Format::E4M3), tensor.info.dtype).scale, tensor.info);
}

}  // namespace octet
