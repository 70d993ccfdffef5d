#pragma once
#include <filesystem>
#include <vector>

#include "base/threads.h"
#include "tensor/tensor.h"

namespace octet {

/// Rows of activations [M,D] kept in BF16 between two layers: in memory, or in a file beside the work where they would
/// not fit.
class Activations {
 public:
  /// `spill`: the file, made anew; empty: in memory. Throws Error saying so when the disk is full.
  Activations(int64_t rows, int64_t width, const std::filesystem::path& spill);
  ~Activations();
  Activations(const Activations&) = delete;
  Activations& operator=(const Activations&) = delete;

  /// F32 [count, D].
  Tensor read(int64_t begin, int64_t count, Threads& threads) const;
  /// x F32 [count, D] becomes rows begin ….
  void write(int64_t begin, const Tensor& x);

  static int64_t bytes(int64_t rows, int64_t width) { return rows * width * 2; }

 private:
  int64_t width_;
  std::filesystem::path path_;
  int fd_ = -1;
  std::vector<uint16_t> memory_;
};

}  // namespace octet
