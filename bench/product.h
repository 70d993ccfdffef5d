#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/gemm/gemm.h"
#include "measure.h"

namespace octet::bench {

struct Shape {
  int64_t m = 0, n = 0, k = 0;
  double operations() const { return 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k); }
};

/// What the numbers of a product look like.
struct Work {
  const char* name;
  Format weight;
  kernels::InputFormat input;
  int64_t scale_rows, group;  // of the weight
};

/// What every runner multiplies: x [M,K] and w [N,K], drawn from a seed.
struct Operands {
  Operands(const Work& work, Shape shape);
  kernels::WeightSource source() const;
  double weight_bytes() const { return static_cast<double>(codes.size()); }

  const Work& work;
  Shape shape;
  std::vector<float> x;
  std::vector<std::byte> codes;
  std::vector<float> scales;  // empty: none
};

/// y [M,N] = x · wᵀ, with w in `copies` places so that each use finds it outside the caches.
class Product {
 public:
  virtual ~Product() = default;
  virtual void run(size_t copy) = 0;
  /// Of the last run. A peer that cannot scale its rows leaves that to row_scale(m).
  virtual const std::vector<float>& y() const = 0;
  virtual float row_scale(int64_t) const { return 1; }
};

class OctetProduct : public Product {
 public:
  /// As many copies of the weight as make `bytes`, at least one.
  OctetProduct(const Operands& operands, double bytes);
  /// The kernel alone: x was prepared before.
  void run(size_t copy) override;
  /// Activations as floats: rounded or quantized, then multiplied.
  void prepare_and_run(size_t copy);
  const std::vector<float>& y() const override { return y_; }
  size_t copies() const { return weights_.size(); }
  kernels::Arithmetic arithmetic() const { return weights_.front().layout().arithmetic; }
  /// The codes of all copies.
  std::vector<Bytes> memory() const;

 private:
  const Operands& operands_;
  std::vector<kernels::PackedWeight> weights_;
  kernels::PreparedInput input_;
  std::vector<float> y_;
};

/// A library to compare with; products it has no kernel for are nullptr.
struct Peer {
  const char* name;
  bool built_in;
  std::string (*version)();  // and the instruction set it chose
  std::unique_ptr<Product> (*make)(const Operands& operands, size_t copies);
};

/// matmul on weights reordered once, activations in their format before: s8·s8 → f32, bf16·bf16 → f32, f32.
std::unique_ptr<Product> make_onednn(const Operands& operands, size_t copies);
std::string onednn_version();
/// sgemm.
std::unique_ptr<Product> make_openblas(const Operands& operands, size_t copies);
std::string openblas_version();

}  // namespace octet::bench
