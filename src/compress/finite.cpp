#include "compress/finite.h"

#include <cmath>

#include "base/error.h"
#include "base/escape.h"
#include "kernels/convert/convert.h"
#include "quant/options.h"

namespace octet {
namespace {

constexpr int64_t kPiece = int64_t{1} << 20;  // bytes

bool is_float(DType dtype) {
  return dtype == DType::F32 || dtype == DType::BF16 || dtype == DType::F16;
}

}  // namespace

void require_finite(const Checkpoint& checkpoint, const TensorInfo& tensor, std::span<const std::byte> numbers) {
  if (!is_float(tensor.dtype)) return;
  const auto count = static_cast<int64_t>(numbers.size()) / bytes_of(tensor.dtype);
  if (std::isfinite(kernels::amax(float_format(tensor.dtype), numbers.data(), count))) return;
  fail("{}: tensor {} holds NaN or infinite numbers; the checkpoint is damaged, fetch it again",
       printable(checkpoint.directory().string()), printable(tensor.name));
}

void require_finite(const Checkpoint& checkpoint, Threads& threads) {
  for (const std::string& name : checkpoint.names()) {
    const TensorInfo& tensor = checkpoint.info(name);
    if (!is_float(tensor.dtype)) continue;
    const std::span<const std::byte> all = checkpoint.raw(name);
    const bool aligned = reinterpret_cast<uintptr_t>(all.data()) % static_cast<size_t>(bytes_of(tensor.dtype)) == 0;
    threads.for_range(static_cast<int64_t>(all.size()), kPiece, [&](int64_t begin, int64_t end) {
      const auto piece = all.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
      if (aligned) return require_finite(checkpoint, tensor, piece);
      require_finite(checkpoint, tensor, std::vector<std::byte>(piece.begin(), piece.end()));
    });
    checkpoint.drop(name);
  }
}

}  // namespace octet
