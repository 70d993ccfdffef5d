#include <fmt/format.h>
#include <omp.h>

#include <oneapi/dnnl/dnnl.hpp>

#include "kernels/convert/convert.h"
#include "kernels/quantize/quantize.h"
#include "product.h"

namespace octet::bench {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;

memory::data_type type_of(Format format) {
  return format == Format::INT8   ? memory::data_type::s8
         : format == Format::BF16 ? memory::data_type::bf16
                                  : memory::data_type::f32;
}

/// Weights in the order that oneDNN likes best, found and made once; x is given in its format.
class OneDnnProduct : public Product {
 public:
  OneDnnProduct(const Operands& operands, size_t copies)
      : engine_(dnnl::engine::kind::cpu, 0),
        stream_(engine_),
        y_(static_cast<size_t>(operands.shape.m * operands.shape.n)) {
    omp_set_num_threads(threads().count());
    const Shape& s = operands.shape;
    const auto type = type_of(operands.work.weight);
    const memory::desc any({s.k, s.n}, type, Tag::any), plain({s.k, s.n}, type, Tag::ba), x({s.m, s.k}, type, Tag::ab),
        y({s.m, s.n}, memory::data_type::f32, Tag::ab);
    dnnl::primitive_attr attributes;
    if (!operands.scales.empty()) {
      attributes.set_output_scales(1 << 1, std::vector<float>(static_cast<size_t>(s.n), operands.scales.front()));
    }
    const dnnl::matmul::primitive_desc description({x, any, y}, attributes, engine_);
    matmul_ = dnnl::matmul(description);
    x_ = memory(x, engine_);
    y_memory_ = memory(y, engine_, y_.data());
    prepare(operands);
    memory source(plain, engine_, const_cast<std::byte*>(operands.codes.data()));
    for (size_t i = 0; i < copies; ++i) {
      weights_.emplace_back(description.weights_desc(), engine_);
      dnnl::reorder(source, weights_.back()).execute(stream_, source, weights_.back());
    }
    stream_.wait();
  }

  void run(size_t copy) override {
    matmul_.execute(
        stream_, {{DNNL_ARG_SRC, x_}, {DNNL_ARG_WEIGHTS, weights_[copy % weights_.size()]}, {DNNL_ARG_DST, y_memory_}});
    stream_.wait();
  }

  const std::vector<float>& y() const override { return y_; }
  float row_scale(int64_t m) const override { return row_scales_.empty() ? 1 : row_scales_[static_cast<size_t>(m)]; }

 private:
  void prepare(const Operands& operands) {
    const Shape& s = operands.shape;
    const float* x = operands.x.data();
    void* to = x_.get_data_handle();
    if (operands.work.weight == Format::F32) {
      std::copy_n(x, s.m * s.k, static_cast<float*>(to));
    } else if (operands.work.weight == Format::BF16) {
      kernels::to_bf16(x, s.m * s.k, static_cast<uint16_t*>(to));
    } else {
      row_scales_.resize(static_cast<size_t>(s.m));
      for (int64_t m = 0; m < s.m; ++m) {
        kernels::QuantizeRow row{x + m * s.k, s.k, kernels::RowFormat::int8, s.k};
        row.out = static_cast<int8_t*>(to) + m * s.k;
        row.scales = &row_scales_[static_cast<size_t>(m)];
        kernels::quantize_row(row);
      }
    }
  }

  dnnl::engine engine_;
  dnnl::stream stream_;
  dnnl::matmul matmul_;
  std::vector<memory> weights_;
  memory x_, y_memory_;
  std::vector<float> row_scales_, y_;
};

/// oneDNN has no scale a group, no FP8 and no weight-only products.
bool has(const Work& work) {
  if (work.weight == Format::INT8) return work.input == kernels::InputFormat{Format::INT8} && work.group == 0;
  return work.weight == work.input.format && (work.weight == Format::BF16 || work.weight == Format::F32);
}

const char* name_of(dnnl::cpu_isa isa) {
  switch (isa) {
    case dnnl::cpu_isa::avx2:
    case dnnl::cpu_isa::avx2_vnni:
      return "AVX2";
    case dnnl::cpu_isa::avx512_core:
      return "AVX-512";
    case dnnl::cpu_isa::avx512_core_vnni:
      return "AVX-512 VNNI";
    case dnnl::cpu_isa::avx512_core_bf16:
      return "AVX-512 BF16";
    case dnnl::cpu_isa::avx512_core_amx:
      return "AMX";
    default:
      return "other instructions";
  }
}

}  // namespace

std::string onednn_version() {
  const dnnl::version_t* v = dnnl::version();
  return fmt::format("{}.{}.{} {}", v->major, v->minor, v->patch, name_of(dnnl::get_effective_cpu_isa()));
}

std::unique_ptr<Product> make_onednn(const Operands& operands, size_t copies) {
  return has(operands.work) ? std::make_unique<OneDnnProduct>(operands, copies) : nullptr;
}

}  // namespace octet::bench
