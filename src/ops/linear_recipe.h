#pragma once
#include <array>
#include <vector>

#include "kernels/operand/operand.h"

namespace octet {

/// How one side of a product is quantized.
struct OperandRecipe {
  kernels::Element element = kernels::Element::f32;
  kernels::Sharing sharing = kernels::Sharing::none;
  kernels::ScaleRule rule = kernels::ScaleRule::largest;
  int64_t group = 0;        // numbers along the sum, for group and block
  bool delayed = false;     // for tensor: the scale follows from the steps before
  bool stochastic = false;  // rounding
};

/// The three products of a linear layer y = x · wᵀ.
struct LinearRecipe {
  std::string_view name = "fp32";
  OperandRecipe x, w;     // y = x · wᵀ, summed over inputs
  OperandRecipe dy, wt;   // dx = dy · w, summed over outputs
  OperandRecipe dyt, xt;  // dw = dyᵀ · x, summed over tokens
  int history = 1024;     // steps whose largest magnitudes delayed scaling looks back on
  float margin = 0;       // delayed scaling leaves so many powers of two free

  constexpr bool delayed() const { return x.delayed || w.delayed || dy.delayed; }
};

/// The largest magnitudes of a tensor in the last steps, and the multiplier that follows: delayed scaling as
/// TransformerEngine's (common/recipe/delayed_scaling.cu); a step that did not see the tensor changes nothing.
class AmaxHistory {
 public:
  AmaxHistory() = default;
  AmaxHistory(kernels::Element element, int length, float margin)
      : element_(element), margin_(margin), history_(static_cast<size_t>(length), 0.0f) {}

  float multiplier() const { return multiplier_; }
  /// Of what was quantized now.
  void see(float largest) { current_ = largest > current_ || largest != largest ? largest : current_; }
  float current() const { return current_; }
  void set_current(float largest) { current_ = largest; }  // of all processes
  void end_step();

  /// All there is to save: the multiplier, the place in the ring, then the ring.
  std::vector<float> state() const;
  void set_state(std::span<const float> state);

 private:
  kernels::Element element_ = kernels::Element::e4m3;
  float margin_ = 0, multiplier_ = 1, current_ = 0;
  size_t next_ = 0;
  std::vector<float> history_;
};

}  // namespace octet
