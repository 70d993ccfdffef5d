#include "run/prefill.h"

namespace octet {

Tensor prefill(Context& ctx, const Decoder& decoder, KvCache& cache, std::span<const int32_t> tokens, int64_t chunk) {
  Tensor hidden;
  for (size_t begin = 0; begin < tokens.size(); begin += static_cast<size_t>(chunk)) {
    const Input piece{tokens.subspan(begin, std::min(static_cast<size_t>(chunk), tokens.size() - begin)), &cache};
    hidden = decoder.forward(ctx, {&piece, 1});
  }
  return hidden.rows(hidden.size(0) - 1, 1);
}

}  // namespace octet
