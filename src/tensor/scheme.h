#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "numeric/formats.h"
#include "tensor/dtype.h"

namespace octet {

/// Which numbers share a scale.
enum class Granularity : uint8_t { tensor, channel, token, group, block };

/// How the numbers of one side of a product look: the arguments of compressed-tensors.
struct Quantization {
  Format format = Format::INT8;
  Granularity granularity = Granularity::tensor;
  int group = 0;       // columns (K) that share a scale, for group and block
  int block_rows = 0;  // rows (N) that share a scale, for block
  bool symmetric = true;
  bool dynamic = false;               // the range is taken from the numbers at run time
  Format scale_format = Format::F32;  // F32: stored in the weight's dtype; E8M0: a power of two
  bool operator==(const Quantization&) const = default;
};

/// How a checkpoint holds the codes: `format` of compressed-tensors, or a format of its own.
enum class Storage : uint8_t {
  dense,
  int_quantized,
  float_quantized,
  naive_quantized,
  pack_quantized,
  mxfp8_quantized,
  codebook_quantized,
  fp8_blocks
};
std::string_view name_of(Storage storage);

/// How one linear layer looks: compressed-tensors' presets, and Octet's own.
struct Scheme {
  std::string_view name;
  std::optional<Quantization> weights, activations;  // none: they stay float
  Storage storage;
  bool octet_only;  // written with quant_method "octet": no other program reads it
  std::string_view help;
  /// Codes that are no even steps: only the nearest is a rounding of theirs.
  bool non_linear() const {
    return weights && (weights->format == Format::LOG8 || weights->format == Format::CODEBOOK);
  }
  bool needs_calibration() const { return activations && !activations->dynamic; }
  /// Of a matrix with so many columns: where packed groups do not divide them there is one scale a channel, as vLLM
  /// refuses shorter groups. `weights` must be there.
  Quantization weights_of(int64_t columns) const;
};

constexpr Quantization per_tensor(Format format) {
  return {format, Granularity::tensor};
}
constexpr Quantization per_channel(Format format) {
  return {format, Granularity::channel};
}
constexpr Quantization per_group(Format format, int group) {
  return {format, Granularity::group, group};
}
constexpr Quantization per_block(Format format, int rows, int columns) {
  return {format, Granularity::block, columns, rows};
}
constexpr Quantization per_token(Format format) {
  return {.format = format, .granularity = Granularity::token, .dynamic = true};
}
constexpr Quantization per_token_group(Format format, int group) {
  return {.format = format, .granularity = Granularity::group, .group = group, .dynamic = true};
}
constexpr Quantization with_zero_point(Quantization q) {
  return q.symmetric = false, q;
}
constexpr Quantization with_e8m0_scales(Quantization q) {
  return q.scale_format = Format::E8M0, q;
}

inline Quantization Scheme::weights_of(int64_t columns) const {
  const bool ragged = storage == Storage::pack_quantized && weights->group > 0 && columns % weights->group != 0;
  return ragged ? per_channel(weights->format) : *weights;
}

constexpr Scheme kSchemes[] = {
    // name, weights, activations (nullopt: they stay float), storage, Octet only, help
    {"W8A8", per_channel(Format::INT8), per_token(Format::INT8), Storage::int_quantized, false,
     "INT8 weights per channel, INT8 activations per token"},
    {"W8A8_STATIC", per_channel(Format::INT8), per_tensor(Format::INT8), Storage::int_quantized, false,
     "INT8 weights per channel, INT8 activations with one calibrated scale"},
    {"W8A8_ASYM", per_channel(Format::INT8), with_zero_point(per_tensor(Format::INT8)), Storage::int_quantized, false,
     "as W8A8_STATIC with a zero point for the activations"},
    {"W8A16", per_group(Format::INT8, 128), std::nullopt, Storage::pack_quantized, false,
     "INT8 weights in groups of 128, float activations"},
    {"W8A16_CHANNEL", per_channel(Format::INT8), std::nullopt, Storage::pack_quantized, false,
     "INT8 weights per channel, float activations"},
    {"FP8", per_tensor(Format::E4M3), per_tensor(Format::E4M3), Storage::float_quantized, false,
     "E4M3 weights and activations, one calibrated scale each"},
    {"FP8_DYNAMIC", per_channel(Format::E4M3), per_token(Format::E4M3), Storage::float_quantized, false,
     "E4M3 weights per channel, E4M3 activations per token"},
    {"FP8_BLOCK", per_block(Format::E4M3, 128, 128), per_token_group(Format::E4M3, 128), Storage::float_quantized,
     false, "E4M3 weights in blocks of 128x128, E4M3 activations in groups of 128"},
    {"FP8A16", per_channel(Format::E4M3), std::nullopt, Storage::naive_quantized, false,
     "E4M3 weights per channel, float activations"},
    {"MXFP8", with_e8m0_scales(per_group(Format::E4M3, 32)), with_e8m0_scales(per_token_group(Format::E4M3, 32)),
     Storage::mxfp8_quantized, false, "E4M3 in groups of 32 with power-of-two scales, both sides"},
    {"MXFP8A16", with_e8m0_scales(per_group(Format::E4M3, 32)), std::nullopt, Storage::mxfp8_quantized, false,
     "E4M3 weights in groups of 32 with power-of-two scales, float activations"},
    {"FP8_E5M2", per_tensor(Format::E5M2), per_tensor(Format::E5M2), Storage::float_quantized, true,
     "as FP8 in E5M2; read by Octet only"},
    {"FP8_DYNAMIC_E5M2", per_channel(Format::E5M2), per_token(Format::E5M2), Storage::float_quantized, true,
     "as FP8_DYNAMIC in E5M2; read by Octet only"},
    {"FP8_BLOCK_E5M2", per_block(Format::E5M2, 128, 128), per_token_group(Format::E5M2, 128), Storage::float_quantized,
     true, "as FP8_BLOCK in E5M2; read by Octet only"},
    {"LOG8A16", per_channel(Format::LOG8), std::nullopt, Storage::naive_quantized, true,
     "logarithmic weights, 20 codes an octave, float activations; read by Octet only"},
    {"CODEBOOK8A16", per_channel(Format::CODEBOOK), std::nullopt, Storage::codebook_quantized, true,
     "weights share 256 numbers that k-means finds for each matrix, float activations; read by Octet only"},
    {"UNQUANTIZED", std::nullopt, std::nullopt, Storage::dense, false, "BF16 again, from a compressed checkpoint"},
};

/// The scheme of that name, upper or lower case; INT8 means W8A8. Throws UsageError listing the names.
const Scheme& scheme_named(std::string_view name);

}  // namespace octet
