#pragma once
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/threads.h"
#include "quant/options.h"
#include "tensor/tensor.h"

namespace octet {

/// What the factors of a smoothing are made of, each [K].
struct SmoothingStatistics {
  std::vector<float> input_max, input_mean;    // of |x|
  std::vector<float> weight_max, weight_mean;  // of |w| over all rows; the mean of |w| / the largest of its row
};

/// A family of factors: column j of x is divided by factor j, column j of every weight multiplied by it, so that the
/// product stays.
struct Smoothing {
  std::string_view name;
  /// Strength 0 … 1.
  std::vector<float> (*factors)(const SmoothingStatistics& s, double strength);
  std::string_view help;
};
std::span<const Smoothing> smoothings();
/// "smoothquant" or "awq".
const Smoothing& smoothing_named(std::string_view name);

/// s = max|x|^α / max|w|^(1-α) (SmoothQuant: Xiao et al. 2022, arXiv:2211.10438).
std::vector<float> smoothquant_factors(const SmoothingStatistics& s, double strength);
/// s = mean|x|^r / mean(|w| / the row's largest)^(1-r) (AWQ: Lin et al. 2023, arXiv:2306.00978).
std::vector<float> awq_factors(const SmoothingStatistics& s, double strength);

/// Adds what weight w [N,K] F32 tells.
void add_weight_statistics(const Tensor& w, SmoothingStatistics& s, Threads& threads);

/// What the matrices that share an input are going to be.
struct SmoothingTarget {
  Quantization weights;
  std::optional<Quantization> activations;
  QuantizeOptions options;
  DType dtype = DType::BF16;  // of the weights in the checkpoint
  /// Channels of the input that share a factor: factors[share[j]]; empty: each its own.
  std::vector<int32_t> share;
  /// [K] what rounding a column of the weights costs per row of the input, where others make up for it; empty: none
  /// does.
  std::vector<float> costs;

  /// Whether the input has one scale, fixed beforehand.
  bool is_static() const { return activations && !activations->dynamic; }
  /// Whether factors are refined (refine.h), which is when costs are looked at.
  bool refines() const { return activations && activations->format == Format::INT8; }
};

/// Rows that strengths are searched on at least, where the input's scale is fixed: channels that few rows made alike
/// leave the range on others.
inline constexpr int64_t kFewestStaticRows = 8192;

/// Rows that an input took. Where its scale is fixed beforehand, other texts may leave the range: factors and scale of
/// a trial then come from the early rows of the text, and the others judge them.
struct SmoothingSamples {
  Tensor x;                                           // F32 [S,K]
  std::vector<float> weights = {};                    // [S] of the squared error of the row's output; empty: 1
  int64_t early = 0;                                  // of the rows; 0: all are tried and judge
  std::vector<float> early_min = {}, early_max = {};  // [K] of all early rows of the text
};

/// Of the samples, so many at most are multiplied when a strength of an input of K channels is tried.
int64_t trial_rows(int64_t k);

struct SmoothingResult {
  std::vector<float> factors;  // [K], empty: as it is was best
  double strength = 0;
  bool refined = false;                // the factors were descended on from there
  double error = 1, error_before = 1;  // Σ‖x·wᵀ - x̂·ŵᵀ‖² / ‖x·wᵀ‖² of all matrices, rounded to the nearest
};

/// The factors of one strength.
std::vector<float> fixed_smoothing(const Smoothing& smoothing, const SmoothingStatistics& statistics,
                                   const SmoothingTarget& target, double strength);

/// Tries strengths 0, 1/steps … 1 of a smoothing, and none, on some rows: those factors whose
/// quantized products come nearest to the products in float. Of INT8 inputs the best are refined.
SmoothingResult search_smoothing(const Smoothing& smoothing, const SmoothingStatistics& statistics,
                                 const SmoothingSamples& samples, std::span<const Tensor> weights,
                                 const SmoothingTarget& target, int steps, Threads& threads);

}  // namespace octet
