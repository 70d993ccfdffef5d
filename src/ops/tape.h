#pragma once
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <vector>

#include "ops/context.h"

namespace octet {

/// Memory of tensors, handed out again when they are gone: a step of training takes what the step before gave back.
class TensorPool {
 public:
  TensorPool();
  Tensor make(Shape shape, DType dtype = DType::F32);
  int64_t bytes() const;  // of the system's that it holds, in use or not
  struct Store;

 private:
  std::shared_ptr<Store> store_;
};

/// Where a tensor stands on a tape, without holding its numbers: what an operation keeps of an operand whose numbers it
/// does not need again.
struct Place {
  Place(const Tensor& x) : node(x.node()), shape(x.shape()) {}  // NOLINT: a tensor says its place
  int32_t node;
  Shape shape;
};

/// Reverse-mode differentiation (Griewank, Walther 2008, "Evaluating Derivatives"): a list of closures, one for each
/// tensor that an operation made while `Context::tape` was set, run from the last to the first. An operation writes
///
///   if (on_tape(ctx, {&x})) ctx.tape->record(y, [x, …](Context& ctx, Tensor dy) { ctx.tape->add_gradient(ctx, x, dx);
///   });
///
/// and holds by value what it needs then. Everything runs on the caller's thread, in an order that depends on nothing.
class Tape {
 public:
  Tape();
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  /// From dy, the gradient of what was made, to the gradients of what it was made of. dy may be written to where it is
  /// not shared().
  using Backward = std::function<void(Context&, Tensor dy)>;

  /// F32 numbers that outlive the steps and whose gradient is summed over backward passes. All parameters come before
  /// anything is recorded.
  Tensor parameter(Tensor value);
  int32_t parameters() const { return parameters_; }

  /// y, made of something that has a gradient, gets a place on the tape.
  void record(Tensor& y, Backward backward);
  /// Whether operations are noted: not while something is evaluated only, or computed again later.
  bool recording() const { return recording_; }
  void set_recording(bool recording) { recording_ = recording; }
  /// Whether products count what their formats do not hold, into their weights' misfits.
  bool counts_misfits = false;

  /// Adds dx to the gradient of x, or makes it that: no copy is made. Nothing where x has no place on the tape.
  void add_gradient(Context& ctx, const Place& x, Tensor dx);
  /// The gradient so far of a tensor with a place, of its shape; empty: none (0).
  const Tensor& gradient(const Place& x) const;
  /// The same, to be added to in place: zeros where there was none.
  Tensor gradient_to_add(Context& ctx, const Place& x);
  /// Takes the gradient away.
  Tensor take_gradient(const Place& x);

  /// Runs everything recorded backwards from dloss / dloss = `seed`; `loss` has one element. The tape is empty then,
  /// but for the parameters and their gradients.
  void backward(Context& ctx, const Tensor& loss, float seed = 1);
  /// Forgets what was recorded; parameters and their gradients stay.
  void clear();
  void clear_gradients();

  /// An operand of its own, cut off from what made it.
  Tensor input(const Tensor& value);
  /// Runs what was recorded since the tape had `size` places.
  size_t size() const { return nodes_.size(); }
  void run_back_to(Context& ctx, size_t size);

  /// Holds on to something that recorded operations point to, until the tape is empty.
  void keep(std::shared_ptr<const void> owner) { kept_.push_back(std::move(owner)); }

  TensorPool& pool() { return pool_; }

  /// What stochastic rounding draws from, and the memory of operands, reused by every product.
  uint64_t seed = 0;
  uint32_t step = 0;
  struct Operands;
  Operands& operands() { return *operands_; }

 private:
  struct Node {
    Backward backward;
    Tensor gradient;
  };
  Node& node(const Place& x);
  std::vector<Node> nodes_;
  std::vector<std::shared_ptr<const void>> kept_;
  int32_t parameters_ = 0;
  bool recording_ = true;
  TensorPool pool_;
  std::unique_ptr<Operands> operands_;
};

/// Whether an operation on these operands is to be recorded.
bool on_tape(const Context& ctx, std::initializer_list<const Tensor*> operands);

/// Fresh memory for a result, not initialised: the tape's where there is one.
Tensor make_tensor(Context& ctx, Shape shape);

/// y = f(x) of which nothing is kept but x: f runs again when its gradients are wanted (Chen et al. 2016,
/// arXiv:1604.06174). f has to do the same both times. Without a tape: f(x).
Tensor checkpointed(Context& ctx, const Tensor& x, std::function<Tensor(Context&, const Tensor&)> f);

}  // namespace octet
