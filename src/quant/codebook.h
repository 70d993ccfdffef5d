#pragma once
#include <array>
#include <span>

#include "base/threads.h"
#include "quant/options.h"
#include "tensor/tensor.h"

namespace octet {

/// The 256 numbers that the codes of one matrix stand for: k-means in one dimension (Lloyd 1957/1982), begun at the
/// optimum of a coarse histogram that dynamic programming finds (Wu 1991; Wang and Song 2011), so that no start is
/// drawn. Numbers are seen divided by their scales: all rows share the table, each has a scale of its own.
class Codebook {
 public:
  Codebook();

  /// w [n,K] (F32, BF16 or F16), rows of a larger matrix, with their `scales` [n, groups] as they will be stored.
  /// `importance` [K] weighs each column's squared error; empty: all count alike. Counts are whole numbers, so that
  /// the order in which rows come does not matter.
  void add(const Tensor& w, const Quantization& q, const Tensor& scales, std::span<const float> importance = {});
  void add(const Codebook& other);
  /// F32 [256], ascending, numbers of BF16.
  Tensor learn() const;

  static constexpr int kBins = (1 << 16) - 1;  // odd: zero is the middle of one

 private:
  std::vector<uint64_t> counts_;
};

/// Of a whole matrix, on all threads; the same table for any number of them.
Tensor learn_codebook(const Tensor& w, const Quantization& q, const Tensor& scales, std::span<const float> importance,
                      Threads& threads);

}  // namespace octet
