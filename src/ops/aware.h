#pragma once
#include <algorithm>
#include <array>
#include <functional>
#include <optional>

#include "tensor/qtensor.h"

namespace octet {

/// What quantization-aware training learns beside the weights.
enum class AwareMethod : uint8_t {
  straight_through,  ///< nothing: scales follow from the numbers (Jacob et al. 2018, arXiv:1712.05877)
  lsq,               ///< step sizes of weights and of static inputs (Esser et al. 2020, arXiv:1902.08153)
  pact               ///< where static inputs are clipped (Choi et al. 2018, arXiv:1805.06085)
};

/// Of a static input: x = (q - zero point) · scale.
struct InputScale {
  float scale = 0;
  int zero_point = 0;
};

/// Smallest and largest input: of a step's micro-batches, in any order, and the moving average over steps.
struct InputRange {
  using Ends = std::array<float, 2>;
  Ends average{}, step{};  // equal ends: nothing seen

  bool seen() const { return average[0] != average[1]; }
  void see(const Ends& ends) { step = {std::min(step[0], ends[0]), std::max(step[1], ends[1])}; }
  void end_step() {
    constexpr float kMemory = 0.99f;
    if (step[0] == step[1]) return;
    const bool was_seen = seen();
    for (size_t i = 0; i < 2; ++i) average[i] = was_seen ? kMemory * average[i] + (1 - kMemory) * step[i] : step[i];
    step = {};
  }
};

/// Quantization-aware training of one weight [N,K]: products forward are those that the quantized weight will be served
/// with. How scales and codes are found is room quant's and given as functions.
struct Aware {
  AwareMethod method = AwareMethod::straight_through;
  Quantization weights;
  std::optional<Quantization> activations;  // how the input is quantized; none: it stays float
  DType dtype = DType::BF16;                // of the model that is saved: of weights before rounding, and of scales

  /// Of numbers of `dtype`, with these scales (as stored), or where they are empty with scales that follow.
  std::function<QTensor(const Tensor& value, const Tensor& scales)> quantize;
  /// The range to begin with for an input x, and the scale, as stored, of a range.
  std::function<InputRange::Ends(const Tensor& x)> range_of;
  std::function<InputScale(const InputRange::Ends& range)> scale_of;

  Tensor scales;                    // of a weight that was compressed before, as stored: they stay; empty: none
  std::optional<InputScale> given;  // of its static input, likewise, unless it is learned
  Tensor steps;                     // lsq: F32 [scales], a parameter: the step sizes of the weight
  Tensor input;      // a parameter, 0 until an input was seen. lsq: F32 [1], the step size of the input. pact: where it
                     // is clipped, F32 [1] on both sides, or with a zero point F32 [2] below (its magnitude) and above
  InputRange range;  // of a static input

  bool static_input() const { return activations && !activations->dynamic; }
  bool learns_input() const { return !input.empty(); }
  /// Whether the scales of the weight follow from its numbers, so that none is clipped.
  bool scales_follow() const { return steps.empty() && scales.empty(); }
  /// At the end of a step: what was seen in it counts from now on.
  void end_step();
};

}  // namespace octet
