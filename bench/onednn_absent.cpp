// Stands for onednn_product.cpp where oneDNN is not installed.
#include "product.h"

std::unique_ptr<octet::bench::Product> octet::bench::make_onednn(const Operands&, size_t) {
  return nullptr;
}

std::string octet::bench::onednn_version() {
  return "not built in";
}
