#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/threads.h"

namespace octet::train {

enum class OptimizerKind : uint8_t { sgd, adam, adamw };

/// How the moments are kept between steps: in blocks of 256 with one F32 scale each, but for f32.
enum class StateFormat : uint8_t { f32, fp8, int8 };

/// Throw UsageError listing the names: "sgd", "adam", "adamw"; "f32", "fp8", "int8".
OptimizerKind optimizer_named(std::string_view name);
StateFormat state_format_named(std::string_view name);
std::string_view name_of(OptimizerKind kind);
std::string_view name_of(StateFormat format);

/// As PyTorch's SGD, Adam and AdamW name and define them (amsgrad and maximize left out).
struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::adamw;
  StateFormat state = StateFormat::f32;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;  ///< Adam, AdamW
  double momentum = 0, dampening = 0;                 ///< SGD
  bool nesterov = false;                              ///< SGD
  /// Second moments that are not 0 never become 0 in eight bits: a weight whose gradient pauses would jump. false: as
  /// bitsandbytes and torchao.
  bool keep_positive = true;
  /// Second moments in eight bits are rounded stochastically: a step changes them by a thousandth, less than half of
  /// what lies between two codes, and rounded to the nearest they would stand still. false: as bitsandbytes and
  /// torchao.
  bool stochastic = true;
  int64_t smallest_quantized = 4096;  ///< tensors of fewer elements keep F32 moments, whatever `state` says
};

/// Throws Error naming the field that is out of its range.
void check(const OptimizerOptions& options);

/// One moment of one tensor, as it lies in memory and in a checkpoint.
struct Moment {
  StateFormat format = StateFormat::f32;
  bool is_signed = true;       ///< which of the two dynamic maps codes of int8 stand for
  std::vector<float> values;   ///< f32: [n]
  std::vector<uint8_t> codes;  ///< fp8: E4M3, int8: places in the dynamic map; [n]
  std::vector<float> scales;   ///< fp8: what a code is multiplied by, int8: the largest magnitude; [ceil(n/256)]
};

/// What an optimizer remembers of one tensor: SGD momentum_buffer (where momentum is not 0), Adam exp_avg and
/// exp_avg_sq. All zero at the start.
class OptimizerState {
 public:
  OptimizerState() = default;
  OptimizerState(const OptimizerOptions& options, int64_t n);

  /// The moments in a fixed order, with PyTorch's names; for a checkpoint to write and to fill again.
  struct Named {
    std::string_view name;
    Moment* moment;
  };
  std::vector<Named> moments();
  int64_t bytes() const;
  /// Of the state of a tensor of n elements, without making it.
  static int64_t bytes_for(const OptimizerOptions& options, int64_t n);

  std::array<Moment, 2> moment;
  int count = 0;  ///< moments that are used
};

/// What differs from step to step and from group to group.
struct StepOptions {
  double learning_rate = 0;
  double weight_decay = 0;   ///< AdamW: decoupled; SGD and Adam: added to the gradient
  float gradient_scale = 1;  ///< every gradient is multiplied by it first, such as by clipping's coefficient
  int64_t step = 1;          ///< 1 at the first step
  uint64_t seed = 1;         ///< of stochastic rounding
  uint32_t tensor = 0;       ///< its number, for random numbers
};

/// One step: updates weights [n] and state from gradients [n] (Kingma, Ba 2015, arXiv:1412.6980; Loshchilov, Hutter
/// 2019, arXiv:1711.05101; 8-bit: Dettmers et al. 2022, arXiv:2110.02861). Each element in one pass; the same bits for
/// any number of threads.
void optimizer_step(const OptimizerOptions& options, const StepOptions& step, std::span<float> weights,
                    std::span<const float> gradients, OptimizerState& state, Threads& threads);

/// Σ x² in F64, in an order that depends on the size alone.
double sum_of_squares(std::span<const float> x, Threads& threads);

/// What gradients of this global norm are multiplied by to have at most `max_norm`, as PyTorch's clip_grad_norm_:
/// min(1, max_norm / (norm + 1e-6)). 1 where max_norm is 0: no clipping.
float clip_coefficient(double norm, double max_norm);

/// Whether a parameter of this name and rank is decayed where norms, biases and embeddings are left out.
bool is_decayed(std::string_view name, int64_t rank);

}  // namespace octet::train
