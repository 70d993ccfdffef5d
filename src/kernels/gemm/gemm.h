#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/threads.h"
#include "kernels/kernel.h"
#include "numeric/formats.h"

namespace octet::kernels {

/// How the left side x [M,K] enters a product.
struct InputFormat {
  Format format = Format::F32;  // F32 as it is; BF16 rounded to it; INT8, E4M3, E5M2 quantized
  int64_t group = 0;            // columns of K that share a scale; 0: the whole row
  bool e8m0 = false;            // scales are powers of two (MX)
  float scale = 0;              // > 0: a calibrated scale instead of the range of each row
  int zero_point = 0;           // INT8 with a calibrated scale: q = clamp(round(x / scale + zero_point))
  bool operator==(const InputFormat&) const = default;
};

/// A weight [N,K], row-major, any alignment: w = (code - zero point) · scale, or table[code] · scale.
struct WeightSource {
  int64_t n = 0, k = 0;
  Format format = Format::F32;  // F32, FP16, BF16, INT8, E4M3, E5M2, LOG8, CODEBOOK
  const std::byte* codes = nullptr;
  bool offset_binary = false;           // INT8 stored as code XOR 0x80 (pack-quantized)
  const float* scales = nullptr;        // [ceil(N/scale_rows), ceil(K/group)]; nullptr: 1
  const int8_t* zero_points = nullptr;  // of the scales' shape; nullptr: 0
  int64_t scale_rows = 1;               // rows of N that share a scale (N: one for all)
  int64_t group = 0;                    // columns of K that share a scale; 0: all of them
  const float* table = nullptr;         // [256] of CODEBOOK, numbers of BF16
};

/// A weight in the order the kernels read it, made once for one InputFormat on this machine; does not refer to its
/// source.
class PackedWeight {
 public:
  PackedWeight(const WeightSource& source, const InputFormat& input, Threads& threads);
  ~PackedWeight();
  PackedWeight(PackedWeight&&) noexcept;
  PackedWeight& operator=(PackedWeight&&) noexcept;
  size_t bytes() const;  // of memory held
  int64_t n() const;
  int64_t k() const;
  const InputFormat& input() const;

  struct Layout;
  const Layout& layout() const { return *layout_; }

 private:
  std::unique_ptr<Layout> layout_;
};

/// x [M,K] in the format of a product, made once and multiplied with every weight that wants this format. The object is
/// reused from call to call: its memory only grows.
class PreparedInput {
 public:
  PreparedInput();
  ~PreparedInput();
  PreparedInput(PreparedInput&&) noexcept;
  PreparedInput& operator=(PreparedInput&&) noexcept;
  /// x [M,K] with rows `stride` floats apart.
  void prepare(const float* x, int64_t m, int64_t k, int64_t stride, const InputFormat& format, Threads& threads);
  /// rmsnorm(x) · weight, then prepared, in one pass: y = x / sqrt(mean(x²) + epsilon) · weight [K].
  void prepare_rms_norm(const float* x, int64_t m, int64_t k, const float* weight, float epsilon,
                        const InputFormat& format, Threads& threads);
  /// silu(gate) · up, then prepared, in one pass; gate and up [M,K] with rows `stride` floats apart.
  void prepare_swiglu(const float* gate, const float* up, int64_t m, int64_t k, int64_t stride,
                      const InputFormat& format, Threads& threads);

  struct Layout;
  const Layout& layout() const { return *layout_; }

 private:
  std::unique_ptr<Layout> layout_;
};

/// y [M,N] = x [M,K] · wᵀ + bias [N] (nullptr: none), rows of y `stride` floats apart. x was prepared for w.input().
/// An element of y is summed in one order, K ascending, whatever M, the threads and the tile are.
void gemm(const PreparedInput& x, const PackedWeight& w, const float* bias, float* y, int64_t stride, Threads& threads);

/// What `octet doctor` prints.
std::vector<FamilyChoice> explain_gemm();

}  // namespace octet::kernels
