#include "quant/rounding/gptq.h"

#include <algorithm>

#include "numeric/formats.h"
#include "quant/linear_algebra.h"
#include "quant/quantize.h"
#include "quant/rounding/code.h"
#include "quant/rounding/nearest.h"
#include "quant/scale.h"

namespace octet {
namespace {

constexpr int64_t kBlock = 128;  // columns whose errors reach each other at once
constexpr int64_t kRowsTogether = 4;
// A short row gains much by the luck of its scale, a long one little.
constexpr int64_t kTrialNumbers = 8192, kFewestTrials = 2, kMostTrials = 64;
constexpr int64_t kFineTrials = 32;  // more than so many go by half steps

// The state of one matrix while its columns are rounded, in the factor's order; it keeps its memory for the next time.
class GptqRounding {
 public:
  GptqRounding(const Tensor& w, const Quantization& q, const QuantizeOptions& options, const GptqFactor& factor,
               Threads& threads)
      : w_(w),
        factor_(factor),
        threads_(threads),
        product_(threads),
        n_(w.size(0)),
        k_(w.size(1)),
        extent_(extent_of(q, n_, k_)),
        code_(q.format, options.int8_range, options.table),
        errors_(static_cast<size_t>(n_ * k_)),
        carried_(static_cast<size_t>(n_ * kBlock)) {}

  // `row_errors`: to add to, or nullptr.
  void run(const Tensor& scales, std::byte* codes, std::vector<double>* row_errors) {
    scales_ = &scales;
    codes_ = codes;
    row_errors_ = row_errors;
    for (int64_t end = k_; end > 0;) {
      const int64_t begin = (end - 1) / kBlock * kBlock;
      carry_into(begin, end);
      threads_.for_range(n_, 8, [&](int64_t first, int64_t last) {
        for (int64_t row = first; row < last; row += kRowsTogether) {
          round_rows(row, std::min(row + kRowsTogether, last), begin, end);
        }
      });
      end = begin;
    }
  }

 private:
  // What the columns that are done, end …, owe to those of the block: errors · factor.
  void carry_into(int64_t begin, int64_t end) {
    const int64_t width = end - begin, done = k_ - end;
    if (done == 0) return std::fill(carried_.begin(), carried_.end(), 0.0f);
    block_.resize(static_cast<size_t>(width * done));
    transpose({factor_.unit_factor().f32() + end * k_ + begin, done, width, k_}, block_.data(), threads_);
    product_.multiply({errors_.data() + end, n_, done, k_}, {block_.data(), width, done, done}, carried_.data(),
                      kBlock);
  }

  // Rows do not wait for each other, but each of a row's columns for the one before.
  void round_rows(int64_t first, int64_t last, int64_t begin, int64_t end) {
    double sums[kRowsTogether] = {};
    for (int64_t i = end - 1; i >= begin; --i) {
      for (int64_t row = first; row < last; ++row) sums[row - first] += round_number(row, i, begin);
    }
    for (int64_t row = first; row_errors_ && row < last; ++row) {
      (*row_errors_)[static_cast<size_t>(row)] += sums[row - first];
    }
  }

  // Returns what it costs.
  double round_number(int64_t row, int64_t i, int64_t begin) {
    float* errors = errors_.data() + row * k_;
    float* carried = carried_.data() + row * kBlock;
    const int64_t column = factor_.order()[static_cast<size_t>(i)];
    const float weight = number_at(w_, row * k_ + column), scale = scale_at(row, column);
    const float target = weight + carried[i - begin];
    const uint8_t code = code_.encode(target / scale);
    codes_[row * k_ + column] = static_cast<std::byte>(code);
    errors[i] = weight - code_.decode(code) * scale;
    const float* below = factor_.unit_factor().f32() + i * k_ + begin;
    for (int64_t j = 0; j < i - begin; ++j) carried[j] += errors[i] * below[j];
    const double missed = static_cast<double>(target) - code_.decode(code) * scale;
    return missed * missed * factor_.costs()[static_cast<size_t>(i)];
  }

  float scale_at(int64_t row, int64_t column) const {
    return scales_->f32()[row / extent_.rows * scales_->size(1) + column / extent_.columns];
  }

  const Tensor& w_;
  const GptqFactor& factor_;
  Threads& threads_;
  Product product_;
  const Tensor* scales_ = nullptr;
  std::byte* codes_ = nullptr;
  std::vector<double>* row_errors_ = nullptr;
  int64_t n_, k_;
  Extent extent_;
  Code code_;
  std::vector<float> errors_;   // [N,K] w - ŵ of the columns that are done
  std::vector<float> carried_;  // [N,kBlock]
  std::vector<float> block_;
};

}  // namespace

void round_by_gptq(const Tensor& w, const Quantization& q, const Tensor& scales, const QuantizeOptions& options,
                   const GptqFactor& factor, Threads& threads, std::byte* codes, std::vector<double>* row_errors) {
  if (row_errors) row_errors->assign(static_cast<size_t>(w.size(0)), 0);
  if (!factor.factored()) return round_rows_to_nearest(w, q, scales, options, threads, codes);
  GptqRounding(w, q, options, factor, threads).run(scales, codes, row_errors);
}

void round_by_gptq_with_search(const Tensor& w, const Quantization& q, const Tensor& ranges, DType dtype,
                               const QuantizeOptions& options, const GptqFactor& factor, Threads& threads,
                               Tensor& scales, std::byte* codes) {
  const int64_t n = w.size(0), k = w.size(1);
  scales = scales_of(ranges, q, dtype, options, "the matrix");
  if (q.granularity != Granularity::channel || !factor.factored()) {
    return round_by_gptq(w, q, scales, options, factor, threads, codes);
  }
  const int64_t trials = std::clamp(kTrialNumbers / k, kFewestTrials, kMostTrials);
  GptqRounding rounding(w, q, options, factor, threads);
  std::vector<double> least(static_cast<size_t>(n));
  rounding.run(scales, codes, &least);
  std::vector<std::byte> tried(static_cast<size_t>(n * k));
  Tensor moved(ranges.shape());
  const float unit = trials > kFineTrials ? 1.0f / 256 : 1.0f / 128;
  for (int64_t trial = 1; trial <= trials; ++trial) {  // a unit down, up, two units down, …
    const float step = static_cast<float>((trial + 1) / 2) * unit * (trial % 2 ? -1.0f : 1.0f);
    for (int64_t i = 0; i < n; ++i) moved.f32()[i] = ranges.f32()[i] * (1 + step);
    const Tensor of_trial = scales_of(moved, q, dtype, options, "the matrix");
    std::vector<double> errors(static_cast<size_t>(n));
    rounding.run(of_trial, tried.data(), &errors);
    for (int64_t row = 0; row < n; ++row) {
      if (!(errors[static_cast<size_t>(row)] < least[static_cast<size_t>(row)])) continue;
      least[static_cast<size_t>(row)] = errors[static_cast<size_t>(row)];
      scales.f32()[row] = of_trial.f32()[row];
      std::memcpy(codes + row * k, tried.data() + row * k, static_cast<size_t>(k));
    }
  }
}

}  // namespace octet
