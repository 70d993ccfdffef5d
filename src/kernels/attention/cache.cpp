#include "kernels/attention/cache.h"

#include <cstring>

#include "base/error.h"
#include "kernels/convert/convert.h"

namespace octet::kernels {
namespace {

Stored stored_as(Format format) {
  switch (format) {
    case Format::F32:
      return Stored::f32;
    case Format::BF16:
      return Stored::bf16;
    case Format::E4M3:
      return Stored::e4m3;
    case Format::INT8:
      return Stored::int8;
    default:
      fail("a key-value cache cannot be {}; it can be F32, BF16, E4M3 or INT8", format_info(format).name);
  }
}

size_t product_of(size_t a, size_t b) {
  size_t product = 0;
  if (__builtin_mul_overflow(a, b, &product) || product > SIZE_MAX / 4) {
    fail("a key-value cache of this many positions, heads and dimensions fits no memory; ask for fewer positions");
  }
  return product;
}

}  // namespace

CacheShape shape_of(const CacheLayout& layout) {
  if (layout.kv_heads < 1 || layout.head_dim < 1 || layout.capacity < 0 || layout.head_dim > INT32_MAX ||
      layout.capacity > INT64_MAX - kCacheBlock) {
    fail("a key-value cache of {} heads, {} dimensions and {} positions cannot be", layout.kv_heads, layout.head_dim,
         layout.capacity);
  }
  CacheShape shape{};
  shape.stored = stored_as(layout.format);
  shape.dims = (layout.head_dim + 15) / 16 * 16;
  const size_t element = static_cast<size_t>(format_info(layout.format).bits) / 8;
  shape.panel_bytes = static_cast<size_t>(shape.dims) * kCacheBlock * element;
  shape.block_bytes = shape.panel_bytes + (shape.stored == Stored::int8 ? kCacheBlock * sizeof(float) : 0);
  shape.head_bytes =
      product_of(static_cast<size_t>((layout.capacity + kCacheBlock - 1) / kCacheBlock), shape.block_bytes);
  return shape;
}

size_t CacheLayout::bytes() const {
  return product_of(static_cast<size_t>(kv_heads), shape_of(*this).head_bytes);
}

namespace {

/// One of K and V: its scale and where element (position in block, dim) of a panel lies.
struct Side {
  bool keys;
  float scale;
  std::byte* cache;
  const float* x;
};

// Writes codes [dims] of one position into its panel: along depth for keys, along width for values.
template <typename Code>
void scatter(const Code* codes, bool keys, bool paired, int64_t dims, int64_t slot, std::byte* panel) {
  const auto put = [&](int64_t depth, int64_t column, int64_t width, Code code) {
    const int64_t at = paired ? (depth / 2 * width + column) * 2 + depth % 2 : depth * width + column;
    std::memcpy(panel + at * static_cast<int64_t>(sizeof(Code)), &code, sizeof(Code));
  };
  for (int64_t i = 0; i < dims; ++i) keys ? put(i, slot, kCacheBlock, codes[i]) : put(slot, i, dims, codes[i]);
}

// Encodes x [head_dim] and stores it at `slot` of a block; padding dims are 0.
class Writer {
 public:
  Writer(const CacheShape& shape, int64_t head_dim)
      : shape_(shape), head_dim_(head_dim), codes_(static_cast<size_t>(shape.dims) * sizeof(float)) {}

  void write(const Side& side, const float* x, int64_t slot, std::byte* block) {
    switch (shape_.stored) {
      case Stored::f32:
        std::memcpy(codes<float>(), x, static_cast<size_t>(head_dim_) * sizeof(float));
        return scatter(codes<float>(), side.keys, false, shape_.dims, slot, block);
      case Stored::bf16:
        to_bf16(x, head_dim_, codes<uint16_t>());
        return scatter(codes<uint16_t>(), side.keys, true, shape_.dims, slot, block);
      case Stored::e4m3:
        quantize_to_e4m3(x, head_dim_, side.scale, codes<uint8_t>());
        return scatter(codes<uint8_t>(), side.keys, true, shape_.dims, slot, block);
      case Stored::int8: {
        const float scale = amax(x, head_dim_) / kInt8Max;
        quantize_to_int8(x, head_dim_, scale, 0, Rounding::half_even, codes<int8_t>(), Int8Range::narrow);
        std::memcpy(block + shape_.panel_bytes + static_cast<size_t>(slot) * sizeof scale, &scale, sizeof scale);
        return scatter(codes<int8_t>(), side.keys, true, shape_.dims, slot, block);
      }
    }
  }

 private:
  template <typename Code>
  Code* codes() {
    return reinterpret_cast<Code*>(codes_.data());
  }

  const CacheShape& shape_;
  int64_t head_dim_;
  std::vector<std::byte> codes_;  // zeroed once: what lies beyond head_dim stays 0
};

}  // namespace

void append_to_cache(const CacheLayout& layout, std::byte* k_cache, std::byte* v_cache, int64_t first, int64_t count,
                     const float* k, const float* v, Threads& threads) {
  const CacheShape shape = shape_of(layout);
  if (first < 0 || count < 0 || count > layout.capacity || first > layout.capacity - count) {
    fail("positions {} to {} do not fit a key-value cache of {}; make it larger or the text shorter", first,
         first + count, layout.capacity);
  }
  if (count == 0) return;
  const int64_t first_block = first / kCacheBlock;
  const int64_t blocks = (first + count - 1) / kCacheBlock - first_block + 1;
  const Side sides[] = {{true, layout.k_scale, k_cache, k}, {false, layout.v_scale, v_cache, v}};

  threads.for_range(layout.kv_heads * blocks, std::max<int64_t>(1, 16 / std::min(count, kCacheBlock)),
                    [&](int64_t begin, int64_t end) {
                      Writer writer(shape, layout.head_dim);
                      for (int64_t item = begin; item < end; ++item) {
                        const int64_t head = item / blocks, block = first_block + item % blocks;
                        const int64_t from = std::max(first, block * kCacheBlock),
                                      to = std::min(first + count, (block + 1) * kCacheBlock);
                        for (const Side& side : sides) {
                          std::byte* at = side.cache + static_cast<size_t>(head) * shape.head_bytes +
                                          static_cast<size_t>(block) * shape.block_bytes;
                          for (int64_t position = from; position < to; ++position) {
                            const float* row = side.x + ((position - first) * layout.kv_heads + head) * layout.head_dim;
                            writer.write(side, row, position - block * kCacheBlock, at);
                          }
                        }
                      }
                    });
}

}  // namespace octet::kernels
