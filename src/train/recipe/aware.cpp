#include "base/error.h"
#include "kernels/convert/convert.h"
#include "ops/tape.h"
#include "quant/observer/observer.h"
#include "quant/quantize.h"
#include "quant/rounding/nearest.h"
#include "quant/scale.h"
#include "train/recipe/recipe.h"

namespace octet::train {
namespace {

constexpr std::string_view kAware = "qat:";

struct MethodRow {
  std::string_view name;
  AwareMethod method;
};
constexpr MethodRow kMethods[] = {{"lsq", AwareMethod::lsq}, {"pact", AwareMethod::pact}};

AwareMethod method_named(std::string_view name, std::string_view precision) {
  for (const MethodRow& row : kMethods) {
    if (row.name == name) return row.method;
  }
  throw UsageError(fmt::format("{}: there is no method '{}'; the methods are lsq and pact", precision, name));
}

void check(AwareMethod method, const Scheme& scheme, std::string_view precision) {
  if (!scheme.weights) throw UsageError(fmt::format("{}: this scheme quantizes nothing", precision));
  if (scheme.non_linear()) {
    throw UsageError(
        fmt::format("{}: {} rounds to codes that are no even steps, which is not trained", precision, scheme.name));
  }
  if (method == AwareMethod::lsq && scheme.weights->scale_format == Format::E8M0) {
    throw UsageError(
        fmt::format("{}: scales that are powers of two are not learned; take qat:{}", precision, scheme.name));
  }
  if (method == AwareMethod::pact && !scheme.needs_calibration()) {
    throw UsageError(fmt::format("{}: pact learns where inputs are clipped, and those of {} never are; take qat:{}{}",
                                 precision, scheme.name, scheme.name,
                                 scheme.weights->scale_format == Format::E8M0 ? "" : "+lsq"));
  }
}

/// The same numbers as `quantize`, with scales that are given.
QTensor quantize_with(const Tensor& value, const Tensor& scales, const Quantization& q, Threads& threads) {
  QTensor result;
  result.weights = q;
  result.codes = Tensor(value.shape(), code_dtype(q.format));
  result.scales = scales.reshaped(scale_shape(q, value.size(0), value.size(1)));
  round_rows_to_nearest(value, q, result.scales, {}, threads, result.codes.raw());
  return result;
}

/// Learned ranges begin where the squared error is smallest: a step size hardly moves far.
InputRange::Ends range_of_input(const Tensor& x, AwareMethod method, const Quantization& q, Threads& threads) {
  if (method == AwareMethod::straight_through) {
    const kernels::MinMax ends = kernels::min_max(x.f32(), x.elements());
    return ends.finite ? InputRange::Ends{ends.min, ends.max} : InputRange::Ends{};  // the loss will say so
  }
  InputStream stream;
  if (!stream.add(x.f32(), x.elements(), threads)) return {};
  const SeenRange range = mse_of_stream(stream, q, {});
  return {range.min, range.max};
}

Tensor scales_of_least_error(const Tensor& values, const Quantization& q, const std::string& module, Threads& threads) {
  const Tensor ranges = observe_ranges(values, q, observer_named("mse"), {}, threads);
  return scales_of(ranges, q, DType::F32, {}, module);
}

/// What the inputs of a static scale reach to.
InputRange::Ends ends_of(const QTensor& q) {
  const float most = q.input_scale / static_scale(-1, 1, *q.activations, DType::F32).scale;
  if (q.activations->symmetric) return {-most, most};
  const auto zero = static_cast<float>(q.input_zero_point);
  return {(-128 - zero) * q.input_scale, (127 - zero) * q.input_scale};
}

/// A static input's scale: watched or learned from the data, or from where `begin` has it.
void make_input_aware(Aware& a, const std::string& module, Tape& tape, Threads& threads, const QTensor* begin,
                      std::vector<Parameter>& learned) {
  a.range_of = [&threads, method = a.method, q = *a.activations](const Tensor& x) {
    return range_of_input(x, method, q, threads);
  };
  a.scale_of = [q = *a.activations, dtype = a.dtype](const InputRange::Ends& ends) {
    const StaticScale scale = static_scale(ends[0], ends[1], q, dtype);
    return InputScale{scale.scale, scale.zero_point};
  };
  if (a.method == AwareMethod::straight_through) {
    if (begin) a.given = InputScale{begin->input_scale, begin->input_zero_point};
    return;
  }
  const bool both_ends = a.method == AwareMethod::pact && !a.activations->symmetric;
  a.input = tape.parameter(Tensor::zeros({both_ends ? 2 : 1}, DType::F32));
  learned.push_back({(a.method == AwareMethod::lsq ? "step_size." : "clip.") + module + ".input", a.input});
  if (!begin) return;
  a.range.step = ends_of(*begin);
  a.end_step();
  if (a.method == AwareMethod::lsq) a.input.f32()[0] = begin->input_scale;
}

}  // namespace

Precision precision_named(std::string_view name) {
  if (!name.starts_with(kAware)) return {recipe_named(name).linear};
  const std::string_view rest = name.substr(kAware.size());
  const size_t plus = std::min(rest.find('+'), rest.size());
  Precision precision{recipe_named("bf16").linear, &scheme_named(rest.substr(0, plus))};
  if (plus < rest.size()) precision.method = method_named(rest.substr(plus + 1), name);
  check(precision.method, *precision.scheme, name);
  return precision;
}

std::vector<Parameter> make_aware(TrainedWeight& weight, const Precision& precision, DType dtype,
                                  const std::string& module, Tape& tape, Threads& threads, const QTensor* begin) {
  weight.aware = std::make_shared<Aware>();
  Aware& a = *weight.aware;
  a.method = precision.method;
  a.weights = precision.scheme->weights_of(weight.value.size(1));
  a.activations = precision.scheme->activations;
  a.dtype = dtype;
  a.quantize = [&threads, module, q = a.weights](const Tensor& value, const Tensor& scales) {
    return scales.empty() ? quantize(value, q, {}, threads, module) : quantize_with(value, scales, q, threads);
  };
  std::vector<Parameter> learned;
  if (a.method == AwareMethod::lsq) {
    const Tensor scales = begin ? begin->scales : scales_of_least_error(weight.value, a.weights, module, threads);
    a.steps = tape.parameter(scales.reshaped({scales.elements()}));
    learned.push_back({"step_size." + module + ".weight", a.steps});
  } else if (begin) {
    a.scales = begin->scales;
  }
  if (a.static_input()) make_input_aware(a, module, tape, threads, begin, learned);
  return learned;
}

}  // namespace octet::train
