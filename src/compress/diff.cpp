#include "compress/diff.h"

#include <cmath>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "compress/matrix_source.h"

namespace octet {
namespace {

constexpr int64_t kPiece = int64_t{1} << 18;  // numbers that are compared at once

// What a quantized module's tensors are called after its name; they are compared as one.
constexpr std::string_view kParts[] = {"weight_packed",     "weight_codebook",     "weight_shape",
                                       "weight_scale",      "weight_scale_inv",    "weight_g_idx",
                                       "weight_zero_point", "weight_global_scale", "weight"};

bool same_bytes(const Tensor& a, const Tensor& b) {
  return a.bytes() == b.bytes() &&
         (a.bytes() == 0 || std::memcmp(a.raw(), b.raw(), static_cast<size_t>(a.bytes())) == 0);
}

// One of the two checkpoints: quantized modules by the name of their weight, plain tensors by their own.
class Side {
 public:
  explicit Side(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {
    const std::string where = (checkpoint.directory() / "config.json").string();
    config_ = read_quantization_config(parse_json(checkpoint.config_text(), where), where);
    std::set<std::string> seen;
    for (const std::string& name : checkpoint.names()) {
      const std::string unit = unit_of(name);
      if (seen.insert(unit).second) names_.push_back(unit);
    }
    all_ = std::move(seen);
  }

  const std::vector<std::string>& names() const { return names_; }
  bool has(const std::string& name) const { return all_.contains(name); }

  struct Values {
    Tensor plain;
    std::optional<QTensor> codes;
    Shape shape() const { return codes ? codes->codes.shape() : plain.shape(); }
  };
  Values values(const std::string& name) const {
    const std::string module = module_of(name);
    const ConfigGroup* group = name == module + ".weight" ? quantized_group(module) : nullptr;
    if (!group) return {checkpoint_.tensor(name), std::nullopt};
    return {{}, read_qtensor(checkpoint_, module, *group)};
  }
  void drop(const std::string& name) const {
    for (const std::string_view part : kParts) {
      const std::string tensor = module_of(name) + "." + std::string(part);
      if (checkpoint_.has(tensor)) checkpoint_.drop(tensor);
    }
    if (checkpoint_.has(name)) checkpoint_.drop(name);
  }

 private:
  static std::string module_of(const std::string& name) {
    return name.substr(0, std::min(name.rfind('.'), name.size()));
  }

  const ConfigGroup* quantized_group(const std::string& module) const {
    const bool scaled = checkpoint_.has(module + ".weight_scale") || checkpoint_.has(module + ".weight_scale_inv");
    const ConfigGroup* group = scaled && config_ ? config_->group_of(module) : nullptr;
    return group && group->weights ? group : nullptr;
  }

  std::string unit_of(const std::string& name) const {
    const size_t dot = name.rfind('.');
    if (dot == std::string::npos || !quantized_group(name.substr(0, dot))) return name;
    const bool is_part = std::find(std::begin(kParts), std::end(kParts), name.substr(dot + 1)) != std::end(kParts);
    return is_part ? name.substr(0, dot) + ".weight" : name;
  }

  const Checkpoint& checkpoint_;
  std::optional<QuantizationConfig> config_;
  std::vector<std::string> names_;
  std::set<std::string> all_;
};

Tensor rows_of(const Side::Values& values, int64_t begin, int64_t count) {
  if (values.codes) return dequantized_rows(*values.codes, begin, count);
  return to_f32(values.plain.rows(begin, count));
}

int64_t count_different(const Tensor& a, const Tensor& b) {
  if (same_bytes(a, b)) return 0;
  const int width = bytes_of(a.dtype());
  int64_t different = 0;
  for (int64_t i = 0; i < a.elements(); ++i)
    different += std::memcmp(a.raw() + i * width, b.raw() + i * width, static_cast<size_t>(width)) != 0;
  return different;
}

// Rows of a block's height, and about kPiece numbers.
int64_t rows_of_piece(const Side::Values& a, const Side::Values& b, const Shape& shape) {
  int64_t step = 1;
  for (const Side::Values* v : {&a, &b}) step = std::max<int64_t>(step, v->codes ? v->codes->weights.block_rows : 1);
  const int64_t width = std::max<int64_t>(1, elements_of(shape) / std::max<int64_t>(1, shape[0]));
  return std::max<int64_t>(1, kPiece / width / step) * step;
}

// The largest difference so far.
struct Worst {
  double error = 0;
  int64_t index = -1;
  float first = 0, second = 0;

  // NaN is the worst of all; of equals the first counts, whichever thread comes first.
  void add(const Worst& by) {
    if (by.index < 0) return;
    const bool ours_nan = std::isnan(error), theirs_nan = std::isnan(by.error);
    const bool equal = ours_nan ? theirs_nan : error == by.error;
    const bool worse = theirs_nan ? !ours_nan : by.error > error;
    if (index < 0 || worse || (equal && by.index < index)) *this = by;
  }
};

int64_t largest_step(const Tensor& a, const Tensor& b) {
  int64_t largest = 0;
  for (int64_t i = 0; i < a.elements(); ++i) {
    largest = std::max<int64_t>(largest, std::abs(a.data<int8_t>()[i] - b.data<int8_t>()[i]));
  }
  return largest;
}

// Equal bits are equal numbers, NaN and infinity too.
double error_of(float a, float b) {
  if (std::memcmp(&a, &b, sizeof a) == 0) return 0;
  return std::abs(static_cast<double>(a) - static_cast<double>(b));
}

void compare_numbers(const Side::Values& a, const Side::Values& b, Threads& threads, TensorDifference& difference) {
  const Shape shape = a.shape();
  const bool same_codes = a.codes && b.codes && a.codes->codes.dtype() == b.codes->codes.dtype();
  const int64_t width = elements_of(shape) / shape[0];
  std::mutex mutex;
  Worst worst;
  threads.for_range(shape[0], rows_of_piece(a, b, shape), [&](int64_t begin, int64_t end) {
    const Tensor x = rows_of(a, begin, end - begin), y = rows_of(b, begin, end - begin);
    int64_t different = 0, step = 0;
    Worst here;
    for (int64_t i = 0; i < x.elements(); ++i) {
      const double error = error_of(x.f32()[i], y.f32()[i]);
      if (error == 0) continue;
      here.add({error, begin * width + i, x.f32()[i], y.f32()[i]});
      ++different;
    }
    if (same_codes) {
      const Tensor p = a.codes->codes.rows(begin, end - begin), q = b.codes->codes.rows(begin, end - begin);
      different = count_different(p, q);
      if (different > 0 && p.dtype() == DType::I8) step = largest_step(p, q);
    }
    std::lock_guard lock(mutex);
    difference.codes_different += different;
    difference.max_code_step = std::max(difference.max_code_step, step);
    worst.add(here);
  });
  if (worst.index < 0) return;
  difference.max_error = worst.error;
  difference.row = worst.index / width;
  difference.column = worst.index % width;
  difference.first = worst.first;
  difference.second = worst.second;
}

void compare(Side::Values a, Side::Values b, Threads& threads, TensorDifference& difference) {
  if (a.shape() != b.shape()) {
    difference.why = fmt::format("shapes {} and {}", text_of(a.shape()), text_of(b.shape()));
    return;
  }
  difference.codes = elements_of(a.shape());
  if (difference.codes == 0) return;
  const bool quantized = a.codes && b.codes;
  if (!quantized && !a.codes && !b.codes && a.plain.dtype() == b.plain.dtype() && same_bytes(a.plain, b.plain)) return;
  if (a.shape().empty()) {  // one number; codes are always a matrix
    a.plain = a.plain.reshaped({1});
    b.plain = b.plain.reshaped({1});
  }
  compare_numbers(a, b, threads, difference);
  if (quantized) {
    difference.scales_different = a.codes->scales.shape() == b.codes->scales.shape()
                                      ? count_different(a.codes->scales, b.codes->scales)
                                      : b.codes->scales.elements();
  } else if (a.codes || b.codes || a.plain.dtype() != b.plain.dtype()) {
    difference.why = fmt::format("{} and {}", name_of(a.codes ? a.codes->codes.dtype() : a.plain.dtype()),
                                 name_of(b.codes ? b.codes->codes.dtype() : b.plain.dtype()));
  }
}

bool differs(const TensorDifference& d) {
  return !d.why.empty() || d.codes_different > 0 || d.scales_different > 0 || d.max_error != 0;
}

}  // namespace

std::vector<TensorDifference> diff_checkpoints(const Checkpoint& a, const Checkpoint& b, Threads& threads) {
  const Side left(a), right(b);
  std::vector<TensorDifference> differences;
  for (const std::string& name : left.names()) {
    TensorDifference difference{.name = name};
    if (right.has(name)) {
      compare(left.values(name), right.values(name), threads, difference);
      left.drop(name);
      right.drop(name);
    } else {
      difference.why = "only in the first";
    }
    if (differs(difference)) differences.push_back(std::move(difference));
  }
  for (const std::string& name : right.names()) {
    if (!left.has(name)) differences.push_back({.name = name, .why = "only in the second"});
  }
  return differences;
}

}  // namespace octet
