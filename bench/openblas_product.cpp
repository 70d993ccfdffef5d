#include <cblas.h>

#include <algorithm>

#include "product.h"

namespace octet::bench {
namespace {

class OpenBlasProduct : public Product {
 public:
  OpenBlasProduct(const Operands& operands, size_t copies)
      : operands_(operands), weights_(copies), y_(static_cast<size_t>(operands.shape.m * operands.shape.n)) {
    openblas_set_num_threads(threads().count());
    for (kernels::Buffer& weight : weights_) {
      weight.grow(operands.codes.size());
      std::copy(operands.codes.begin(), operands.codes.end(), weight.data());
    }
  }

  void run(size_t copy) override {
    const Shape& s = operands_.shape;
    const auto m = static_cast<blasint>(s.m), n = static_cast<blasint>(s.n), k = static_cast<blasint>(s.k);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, 1, operands_.x.data(), k,
                weights_[copy % weights_.size()].as<float>(), k, 0, y_.data(), n);
  }

  const std::vector<float>& y() const override { return y_; }

 private:
  const Operands& operands_;
  std::vector<kernels::Buffer> weights_;
  std::vector<float> y_;
};

}  // namespace

std::string openblas_version() {
  return openblas_get_corename();
}

std::unique_ptr<Product> make_openblas(const Operands& operands, size_t copies) {
  const bool sgemm = operands.work.weight == Format::F32 && operands.work.input.format == Format::F32;
  return sgemm ? std::make_unique<OpenBlasProduct>(operands, copies) : nullptr;
}

}  // namespace octet::bench
