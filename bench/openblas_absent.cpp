// Stands for openblas_product.cpp where OpenBLAS is not installed.
#include "product.h"

std::unique_ptr<octet::bench::Product> octet::bench::make_openblas(const Operands&, size_t) {
  return nullptr;
}

std::string octet::bench::openblas_version() {
  return "not built in";
}
