#include "base/error.h"
#include "base/escape.h"
#include "files/quantization_config.h"

namespace octet {
namespace {

int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

// A tensor of the module, and its place for messages.
struct Part {
  const Checkpoint& checkpoint;
  std::string name;

  bool exists() const { return checkpoint.has(name); }
  const TensorInfo& info() const { return checkpoint.info(name); }
  std::string where() const { return checkpoint.where(name) + ": " + printable(name, 200); }
  Tensor read() const { return checkpoint.tensor(name); }

  void expect(std::initializer_list<DType> dtypes) const {
    if (std::find(dtypes.begin(), dtypes.end(), info().dtype) != dtypes.end()) return;
    std::string wanted;
    for (const DType dtype : dtypes) wanted += fmt::format("{}{}", wanted.empty() ? "" : " or ", name_of(dtype));
    fail("{} has dtype {}; quantization_config asks for {}", where(), name_of(info().dtype), wanted);
  }
  void expect_shape(const Shape& shape, const char* why) const {
    if (info().shape != shape) fail("{} has shape {}; {} {}", where(), text_of(info().shape), why, text_of(shape));
  }
};

struct Module {
  const Checkpoint& checkpoint;
  std::string_view name;
  Part part(const char* suffix) const { return {checkpoint, fmt::format("{}.{}", name, suffix)}; }
};

DType code_dtype(Format format) {
  switch (format) {
    case Format::INT8:
      return DType::I8;
    case Format::E4M3:
      return DType::F8_E4M3;
    case Format::E5M2:
      return DType::F8_E5M2;
    case Format::LOG8:
    case Format::CODEBOOK:
      return DType::U8;
    default:
      fail("{} is not a format of weights", format_info(format).name);
  }
}

std::pair<int64_t, int64_t> matrix_shape(const Part& weight) {
  const Shape& shape = weight.info().shape;
  if (shape.size() != 2 || shape[0] < 1 || shape[1] < 1) {
    fail("{} has shape {}, which is not that of a matrix", weight.where(), text_of(shape));
  }
  return {shape[0], shape[1]};
}

// pack-quantized: the matrix's own shape stands in a tensor beside it.
std::pair<int64_t, int64_t> packed_shape(const Module& module, const Part& packed) {
  const auto [n, words] = matrix_shape(packed);
  const Part part = module.part("weight_shape");
  part.expect({DType::I64, DType::I32});
  part.expect_shape({2}, "it names rows and columns, so it has to be");
  const Tensor stored = part.read();
  const auto at = [&](int i) {
    return stored.dtype() == DType::I64 ? stored.data<int64_t>()[i] : stored.data<int32_t>()[i];
  };
  const int64_t rows = at(0), columns = at(1);
  // Compared as words, so that no column count can overflow.
  if (rows != n || columns < 1 || (columns - 1) / 4 + 1 != words) {
    fail("{} says [{}, {}], but {} has shape {}", part.where(), rows, columns, printable(packed.name, 200),
         text_of(packed.info().shape));
  }
  return {n, columns};
}

// int8 codes + 128, four to a word, little-endian, along K.
Tensor unpack(const Tensor& packed, int64_t n, int64_t k) {
  Tensor codes({n, k}, DType::I8);
  const auto* from = packed.data<uint8_t>();
  auto* to = codes.data<uint8_t>();
  for (int64_t row = 0; row < n; ++row, from += packed_row_bytes(k), to += k) {
    for (int64_t i = 0; i < k; ++i) to[i] = from[i] ^ 0x80;
  }
  return codes;
}

// Some write one scale a row as [N] instead of [N,1], one a tensor as [] or [1] instead of [1,1].
bool same_but_for_ones(const Shape& a, const Shape& b) {
  const auto rest = [](const Shape& shape) {
    Shape result;
    std::copy_if(shape.begin(), shape.end(), std::back_inserter(result), [](int64_t size) { return size != 1; });
    return result;
  };
  return a == b || (a.size() < b.size() && rest(a) == rest(b));
}

// `at`: the scale's number in its tensor, for messages.
void check_scale(float scale, const Part& part, int64_t at) {
  if (scale > 0 && std::isfinite(scale)) return;
  fail("{} has {} at element {}; a scale is a finite number above 0", part.where(), scale, at);
}

Tensor read_scales(const Part& part, const Quantization& q, int64_t n, int64_t k, bool e8m0) {
  if (e8m0) {
    part.expect({DType::U8, DType::F8_E8M0});
  } else {
    part.expect({DType::F32, DType::BF16, DType::F16, DType::F8_E8M0});
  }
  const Shape expected = scale_shape(q, n, k);
  const Shape& shape = part.info().shape;
  if (!same_but_for_ones(shape, expected)) {
    fail("{} has shape {}; a weight of shape {} needs {}", part.where(), text_of(shape), text_of({n, k}),
         text_of(expected));
  }
  const Tensor stored = part.read();
  const DType dtype = e8m0 ? DType::F8_E8M0 : stored.dtype();
  const Tensor scales = to_f32(Tensor::view(expected, dtype, stored.raw(), std::make_shared<Tensor>(stored)));
  for (int64_t i = 0; i < scales.elements(); ++i) check_scale(scales.f32()[i], part, i);
  return scales;
}

// Packed along N: byte 0 of a word is the first of four rows.
Tensor read_packed_zero_points(const Part& part, const Shape& shape) {
  part.expect({DType::I32});
  const Shape packed{ceil_div(shape[0], 4), shape[1]};
  part.expect_shape(packed, "its scales ask for");
  const Tensor stored = part.read();
  Tensor result(shape, DType::I8);
  for (int64_t row = 0; row < shape[0]; ++row) {
    for (int64_t column = 0; column < shape[1]; ++column) {
      const auto word = static_cast<uint32_t>(stored.data<int32_t>()[row / 4 * shape[1] + column]);
      const auto code = static_cast<uint8_t>(word >> row % 4 * 8);
      result.data<int8_t>()[row * shape[1] + column] = static_cast<int8_t>(code ^ 0x80);
    }
  }
  return result;
}

Tensor read_zero_points(const Part& part, const Shape& shape, Storage storage) {
  if (storage == Storage::pack_quantized) return read_packed_zero_points(part, shape);
  part.expect({DType::I8});
  if (!same_but_for_ones(part.info().shape, shape)) part.expect_shape(shape, "its scales ask for");
  return part.read().reshaped(shape);
}

// The one number of a tensor of shape [] or [1].
Tensor read_single(const Part& part) {
  const Shape& shape = part.info().shape;
  const bool single = std::all_of(shape.begin(), shape.end(), [](int64_t size) { return size == 1; });
  if (!single) fail("{} has shape {}; one number has to be there", part.where(), text_of(shape));
  return to_f32(part.read());
}

float read_single_scale(const Part& part) {
  part.expect({DType::F32, DType::BF16, DType::F16});
  const float scale = read_single(part).f32()[0];
  check_scale(scale, part, 0);
  return scale;
}

void read_input(QTensor& q, const Module& module) {
  if (!q.activations || q.activations->dynamic) return;
  q.input_scale = read_single_scale(module.part("input_scale"));
  if (q.activations->symmetric) return;
  const Part part = module.part("input_zero_point");
  part.expect({DType::I8, DType::I32, DType::I64});
  const float zero_point = read_single(part).f32()[0];
  if (zero_point < -128 || zero_point > 127) fail("{} is {}, outside of -128 … 127", part.where(), zero_point);
  q.input_zero_point = static_cast<int>(zero_point);
}

const char* scale_name(const ConfigGroup& group) {
  const bool native = group.storage == Storage::fp8_blocks && group.weights->granularity == Granularity::block;
  return native ? "weight_scale_inv" : "weight_scale";
}

void read_codes(QTensor& q, const Module& module, Storage storage) {
  const bool packed = storage == Storage::pack_quantized;
  const Part weight = module.part(packed ? "weight_packed" : "weight");
  if (!packed) {
    weight.expect({code_dtype(q.weights.format)});
    matrix_shape(weight);
    q.codes = weight.read();
    return;
  }
  weight.expect({DType::I32});
  const auto [n, k] = packed_shape(module, weight);
  q.codes = unpack(weight.read(), n, k);
}

void read_codebook(QTensor& q, const Module& module) {
  const Part part = module.part("weight_codebook");
  part.expect({DType::BF16});
  part.expect_shape({256}, "a number for every code has to be there:");
  q.table = to_f32(part.read());
  for (int64_t i = 0; i < 256; ++i) {
    if (!std::isfinite(q.table.f32()[i])) fail("{} has {} for code {}", part.where(), q.table.f32()[i], i);
  }
}

}  // namespace

QTensor read_qtensor(const Checkpoint& checkpoint, std::string_view name, const ConfigGroup& group) {
  const Module module{checkpoint, name};
  if (!group.weights || group.storage == Storage::dense)
    fail("{}: is not quantized by its config group", printable(name, 200));
  if (const Part order = module.part("weight_g_idx"); order.exists()) {
    fail("{}: columns in another order are not read; quantize with actorder weight", order.where());
  }
  QTensor q;
  q.weights = *group.weights;
  q.activations = group.activations;
  read_codes(q, module, group.storage);
  if (q.weights.format == Format::CODEBOOK) read_codebook(q, module);
  const bool e8m0 = q.weights.scale_format == Format::E8M0;
  q.scales = read_scales(module.part(scale_name(group)), q.weights, q.rows(), q.columns(), e8m0);
  if (!q.weights.symmetric) {
    q.zero_points = read_zero_points(module.part("weight_zero_point"), q.scales.shape(), group.storage);
  }
  read_input(q, module);
  return q;
}

std::optional<KvScales> read_kv_scales(const Checkpoint& checkpoint, std::string_view attention) {
  const Module module{checkpoint, attention};
  // compressed-tensors' name, and that of its first versions.
  for (const auto& [k, v] :
       {std::pair{"k_scale", "v_scale"}, std::pair{"k_proj.output_scale", "v_proj.output_scale"}}) {
    if (!module.part(k).exists() && !module.part(v).exists()) continue;
    return KvScales{read_single_scale(module.part(k)), read_single_scale(module.part(v))};
  }
  return std::nullopt;
}

void check_codes(const QTensor& q, std::string_view where) {
  if (q.weights.format != Format::E4M3 && q.weights.format != Format::E5M2) return;
  // NaN of E4M3 is 0x7F; of E5M2 everything from 0x7C, infinity, on.
  const uint8_t limit = q.weights.format == Format::E4M3 ? 0x7F : 0x7C;
  const auto* codes = q.codes.data<uint8_t>();
  const int64_t count = q.codes.elements();
  constexpr int64_t kPiece = 4096;
  for (int64_t begin = 0; begin < count; begin += kPiece) {
    const int64_t end = std::min(begin + kPiece, count);
    uint8_t largest = 0;
    for (int64_t i = begin; i < end; ++i) largest = std::max<uint8_t>(largest, codes[i] & 0x7F);
    if (largest < limit) continue;
    int64_t at = begin;
    while ((codes[at] & 0x7F) < limit) ++at;
    fail("{} has the code 0x{:02X}, which is no finite number, in row {}, column {}", where, codes[at],
         at / q.columns(), at % q.columns());
  }
}

}  // namespace octet
