#pragma once
#include <cstdint>
#include <string_view>

#include "base/threads.h"
#include "kernels/gemm/gemm.h"
#include "tensor/storage.h"
#include "tensor/tensor.h"

namespace octet {

/// Watches what goes through a model: calibration, sensitivity and error plots use nothing else.
class Observer {
 public:
  virtual ~Observer() = default;
  /// x [M,K] F32 is about to enter the linear layer `module`.
  virtual void linear_input(std::string_view module, const Tensor& x) = 0;
  /// K after rope and V, [T, kv_heads, head_dim] F32, are about to enter the cache of `attention` (".self_attn"
  /// module).
  virtual void keys_and_values(std::string_view attention, const Tensor& k, const Tensor& v) = 0;
};

class Tape;

/// What an operation needs besides its operands.
struct Context {
  explicit Context(Threads& threads) : threads(threads) {}
  Threads& threads;
  StorageReuse reuse;               // of activations' memory
  kernels::PreparedInput prepared;  // scratch memory, reused by every product
  Observer* observer = nullptr;
  Tape* tape = nullptr;  // what is done is noted on it, to be differentiated
};

}  // namespace octet
