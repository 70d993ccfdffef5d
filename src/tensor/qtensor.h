#pragma once
#include <optional>

#include "tensor/scheme.h"
#include "tensor/tensor.h"

namespace octet {

/// One quantized matrix [N,K]: codes, and what turns them back into numbers: w = (code - zero point) · scale, or
/// table[code] · scale.
struct QTensor {
  Quantization weights;
  std::optional<Quantization> activations;  // how the layer's input is quantized; none: it stays float
  Tensor codes;                             // [N,K] I8, F8_E4M3, F8_E5M2; U8 of LOG8 and CODEBOOK
  Tensor scales;                            // F32, of scale_shape(weights, N, K), as stored and widened
  Tensor zero_points;                       // I8 of the scales' shape; empty for symmetric weights
  Tensor table;                             // F32 [256] of CODEBOOK, ascending, numbers of BF16
  float input_scale = 0;                    // of static activations
  int input_zero_point = 0;                 // of static asymmetric activations

  int64_t rows() const { return codes.size(0); }
  int64_t columns() const { return codes.size(1); }
};

/// [1,1] per tensor, [N,1] per channel, [N,ceil(K/g)] per group, [ceil(N/b),ceil(K/g)] per block.
Shape scale_shape(const Quantization& q, int64_t n, int64_t k);

/// The numbers of q as F32 [N,K].
Tensor dequantize(const QTensor& q);

}  // namespace octet
