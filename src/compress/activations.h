#pragma once
#include <filesystem>
#include <vector>

#include "base/threads.h"
#include "numeric/formats.h"
#include "tensor/tensor.h"

namespace octet {

/// Rows of activations [M,D] kept between two layers: in memory, or in a file beside the work where they would not fit.
/// In BF16 while a model is made, in F32 while one is measured.
class Activations {
 public:
  /// `spill`: the file, made anew; empty: in memory. Throws Error saying so when the disk is full.
  Activations(int64_t rows, int64_t width, const std::filesystem::path& spill, Format format = Format::BF16);
  ~Activations();
  Activations(const Activations&) = delete;
  Activations& operator=(const Activations&) = delete;

  /// F32 [count, D].
  Tensor read(int64_t begin, int64_t count, Threads& threads) const;
  /// x F32 [count, D] becomes rows begin ….
  void write(int64_t begin, const Tensor& x);

  static int64_t bytes(int64_t rows, int64_t width, Format format = Format::BF16) {
    return rows * width * (format == Format::BF16 ? 2 : 4);
  }

 private:
  void narrow(const Tensor& x, std::byte* out) const;
  int64_t width_;
  Format format_;
  std::filesystem::path path_;
  int fd_ = -1;
  std::vector<std::byte> memory_;
};

}  // namespace octet
