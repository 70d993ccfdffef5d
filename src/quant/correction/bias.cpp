#include "quant/correction/bias.h"

namespace octet {

void correct_bias(Tensor& bias, const Tensor& w, const QTensor& q, const std::vector<float>& input_mean,
                  Threads& threads) {
  const Tensor coded = dequantize(q);
  const int64_t k = w.size(1);
  threads.for_range(w.size(0), 16, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      double sum = 0;
      for (int64_t j = 0; j < k; ++j) {
        const double error = static_cast<double>(w.f32()[row * k + j]) - coded.f32()[row * k + j];
        sum += error * input_mean[static_cast<size_t>(j)];
      }
      bias.f32()[row] = static_cast<float>(bias.f32()[row] + sum);
    }
  });
}

}  // namespace octet
