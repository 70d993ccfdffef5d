#include "kernels/optimizer/adam.h"

namespace octet::kernels {

std::span<const Kernel<AdamFunction>> adam_kernels() {
  static constexpr Kernel<AdamFunction> kList[] = {
#if defined(__x86_64__)
    {"avx512", kAvx512, &adam_avx512},
    {"avx2", kAvx2, &adam_avx2},
#elif defined(__aarch64__)
    {"neon", kNeon, &adam_neon},
#endif
    {"reference", 0, &adam_reference},
  };
  return kList;
}

void adam(const AdamStep& step, float* w, const float* g, float* m, float* v, int64_t n) {
  static AdamFunction* const chosen = choose(adam_kernels()).run;
  chosen(step, w, g, m, v, n);
}

std::vector<FamilyChoice> explain_optimizer() {
  return {explain("adam", adam_kernels())};
}

}  // namespace octet::kernels
