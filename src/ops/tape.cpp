#include "ops/tape.h"

#include <sys/mman.h>

#include <cstdlib>
#include <new>

#include "base/error.h"
#include "kernels/elementwise/elementwise.h"
#include "ops/operands.h"

namespace octet {

struct TensorPool::Store {
  ~Store() {
    for (auto& [bytes, memory] : unused) std::free(memory);
  }

  /// At least `size` bytes; `size` becomes what they are. Steps alike find the very sizes of the step before. Where
  /// texts of other lengths want other sizes, no more is held than half as much again as was ever in use.
  void* take(size_t& size) {
    {
      std::lock_guard lock(mutex);
      most_in_use = std::max(most_in_use, in_use + size);
      const size_t most = most_in_use + most_in_use / 2;
      const size_t largest = in_use + free + size > most ? size + size / 2 : size;
      if (const auto found = unused.lower_bound(size); found != unused.end() && found->first <= largest) {
        size = found->first;
        return take_out(found);
      }
      while (!unused.empty() && in_use + free + size > most) std::free(take_out(std::prev(unused.end()), false));
      in_use += size;
    }
    constexpr size_t kHugePage = size_t{2} << 20;
    void* memory = nullptr;
    if (posix_memalign(&memory, size >= kHugePage ? kHugePage : 64, size) != 0) throw std::bad_alloc();
    if (size >= kHugePage) madvise(memory, size / kHugePage * kHugePage, MADV_HUGEPAGE);
    return memory;
  }

  void* take_out(std::multimap<size_t, void*>::iterator block, bool to_use = true) {
    const auto [size, memory] = *block;
    free -= size;
    if (to_use) in_use += size;
    unused.erase(block);
    return memory;
  }

  void give_back(void* memory, size_t size) {
    std::lock_guard lock(mutex);
    in_use -= size;
    free += size;
    unused.emplace(size, memory);
  }

  std::mutex mutex;
  std::multimap<size_t, void*> unused;
  size_t in_use = 0, free = 0, most_in_use = 0;  // bytes
};

TensorPool::TensorPool() : store_(std::make_shared<Store>()) {}

Tensor TensorPool::make(Shape shape, DType dtype) {
  const auto wanted = static_cast<size_t>(elements_of(shape) * bytes_of(dtype));
  constexpr size_t kLine = 64;
  size_t size = std::max<size_t>(1, (wanted + kLine - 1) / kLine) * kLine;
  void* memory = store_->take(size);
  std::shared_ptr<const void> owner(
      memory, [store = store_, size](const void* p) { store->give_back(const_cast<void*>(p), size); });
  return Tensor::view(std::move(shape), dtype, static_cast<const std::byte*>(memory), std::move(owner));
}

int64_t TensorPool::bytes() const {
  return static_cast<int64_t>(store_->in_use + store_->free);
}

Tape::Tape() : operands_(std::make_unique<Operands>()) {}
Tape::~Tape() = default;

Tensor Tape::parameter(Tensor value) {
  if (nodes_.size() != static_cast<size_t>(parameters_)) fail("a parameter is added after operations were recorded");
  if (value.dtype() != DType::F32)
    fail("a parameter of dtype {} cannot be trained; it must be F32", name_of(value.dtype()));
  value.set_node(parameters_++);
  nodes_.emplace_back();
  return value;
}

void Tape::record(Tensor& y, Backward backward) {
  if (!recording_) return;
  y.set_node(static_cast<int32_t>(nodes_.size()));
  nodes_.push_back({std::move(backward), Tensor()});
}

Tensor Tape::input(const Tensor& value) {
  Tensor x = value;
  x.set_node(static_cast<int32_t>(nodes_.size()));
  nodes_.emplace_back();
  return x;
}

Tape::Node& Tape::node(const Place& x) {
  if (x.node < 0 || static_cast<size_t>(x.node) >= nodes_.size()) fail("a tensor has no place on this tape");
  return nodes_[static_cast<size_t>(x.node)];
}

void Tape::add_gradient(Context& ctx, const Place& x, Tensor dx) {
  if (x.node < 0) return;
  Tensor& sum = node(x).gradient;
  dx.set_node(-1);
  if (sum.empty()) {
    sum = dx.reshaped(x.shape);
    return;
  }
  // What somebody else holds as well is not added to in place.
  Tensor result = sum.shared() ? make_tensor(ctx, x.shape) : sum;
  kernels::add(sum.f32(), dx.f32(), result.f32(), sum.elements(), ctx.threads);
  sum = std::move(result);
}

const Tensor& Tape::gradient(const Place& x) const {
  return const_cast<Tape*>(this)->node(x).gradient;
}

Tensor Tape::gradient_to_add(Context& ctx, const Place& x) {
  Tensor& sum = node(x).gradient;
  if (!sum.empty() && !sum.shared()) return sum;
  Tensor own = make_tensor(ctx, x.shape);
  const auto bytes = static_cast<size_t>(own.bytes());
  sum.empty() ? std::memset(own.raw(), 0, bytes) : std::memcpy(own.raw(), sum.raw(), bytes);
  sum = std::move(own);
  return sum;
}

Tensor Tape::take_gradient(const Place& x) {
  return std::exchange(node(x).gradient, Tensor());
}

void Tape::run_back_to(Context& ctx, size_t size) {
  while (nodes_.size() > size) {
    Node last = std::move(nodes_.back());
    nodes_.pop_back();
    if (last.backward && !last.gradient.empty()) last.backward(ctx, std::move(last.gradient));
  }
}

void Tape::backward(Context& ctx, const Tensor& loss, float seed) {
  if (loss.elements() != 1)
    fail("only a single number can be differentiated, not a tensor of shape {}", text_of(loss.shape()));
  Tensor one = make_tensor(ctx, loss.shape());
  one.f32()[0] = seed;
  add_gradient(ctx, loss, std::move(one));
  run_back_to(ctx, static_cast<size_t>(parameters_));
  kept_.clear();
}

void Tape::clear() {
  nodes_.resize(static_cast<size_t>(parameters_));
  kept_.clear();
}

void Tape::clear_gradients() {
  for (Node& node : nodes_) node.gradient = Tensor();
}

bool on_tape(const Context& ctx, std::initializer_list<const Tensor*> operands) {
  if (!ctx.tape || !ctx.tape->recording()) return false;
  return std::any_of(operands.begin(), operands.end(), [](const Tensor* x) { return x->node() >= 0; });
}

Tensor make_tensor(Context& ctx, Shape shape) {
  return ctx.tape ? ctx.tape->pool().make(std::move(shape)) : Tensor(std::move(shape));
}

Tensor checkpointed(Context& ctx, const Tensor& x, std::function<Tensor(Context&, const Tensor&)> f) {
  if (!ctx.tape || !ctx.tape->recording()) return f(ctx, x);
  ctx.tape->set_recording(false);
  Tensor y = f(ctx, x);
  ctx.tape->set_recording(true);
  ctx.tape->record(y, [x, f = std::move(f)](Context& ctx, Tensor dy) {
    Tape& tape = *ctx.tape;
    const size_t before = tape.size();
    const Tensor again = tape.input(x);
    const Tensor y = f(ctx, again);
    tape.add_gradient(ctx, y, std::move(dy));
    tape.run_back_to(ctx, before + 1);
    Tensor dx = tape.take_gradient(again);
    tape.run_back_to(ctx, before);
    if (!dx.empty()) tape.add_gradient(ctx, x, std::move(dx));
  });
  return y;
}

}  // namespace octet
