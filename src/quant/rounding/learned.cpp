#include "quant/rounding/learned.h"

#include <cmath>

#include "quant/rounding/code.h"
#include "quant/scale.h"

namespace octet {
namespace {

constexpr int64_t kRows = 256;                             // that are learned at once
constexpr float kStretchLow = -0.1f, kStretchHigh = 1.1f;  // the sigmoid is stretched and clipped to [0, 1]
constexpr float kWarmUp = 0.2f;                            // share of the iterations without the pull
constexpr float kSharpFirst = 20, kSharpLast = 2;          // exponent of the pull

// The two codes around y, and how far between them it lies.
struct Neighbours {
  uint8_t low, high;
};

uint8_t next_up(uint8_t code, Format format) {
  if (format == Format::INT8) return static_cast<uint8_t>(std::min(127, static_cast<int8_t>(code) + 1));
  if (format == Format::CODEBOOK) return static_cast<uint8_t>(code + 1);  // never of the highest
  if (code == 0x80 || code == 0) return 1;
  return static_cast<uint8_t>(code & 0x80 ? code - 1 : code + 1);
}

Neighbours neighbours(float y, const Code& grid, Format format, uint8_t lowest, uint8_t highest) {
  const uint8_t nearest = grid.encode(y);
  if (grid.decode(nearest) <= y) {
    return {nearest, nearest == highest ? nearest : next_up(nearest, format)};
  }
  if (nearest == lowest) return {nearest, nearest};
  const bool ascending = format == Format::INT8 || format == Format::CODEBOOK;
  if (ascending) return {static_cast<uint8_t>(nearest - 1), nearest};
  if (nearest == 0 || nearest == 0x80) return {0x81, nearest};
  return {static_cast<uint8_t>(nearest & 0x80 ? nearest + 1 : nearest - 1), nearest};
}

// What is learned of one number.
struct Learned {
  float v = 0, first = 0, second = 0;  // Adam's moments
};

struct Gate {
  float h, slope;
};
Gate gate_of(float v) {
  const float sigmoid = 1 / (1 + std::exp(-v)), h = sigmoid * (kStretchHigh - kStretchLow) + kStretchLow;
  if (h <= 0) return {0, 0};
  if (h >= 1) return {1, 0};
  return {h, sigmoid * (1 - sigmoid) * (kStretchHigh - kStretchLow)};
}

// H as both sides of a product need it: whole, divided by its mean diagonal.
Tensor whole(const Tensor& lower, Threads& threads) {
  const int64_t k = lower.size(0);
  double trace = 0;
  for (int64_t i = 0; i < k; ++i) trace += lower.f32()[i * (k + 1)];
  const float scale = trace > 0 ? static_cast<float>(static_cast<double>(k) / trace) : 1;
  Tensor h({k, k});
  threads.for_range(k, 16, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      for (int64_t j = 0; j < k; ++j) h.f32()[i * k + j] = scale * lower.f32()[i >= j ? i * k + j : j * k + i];
    }
  });
  return h;
}

// Rows that are learned together.
class Rows {
 public:
  Rows(const Tensor& w, int64_t first_row, const Quantization& q, const Extent& extent, const Tensor& scales,
       const QuantizeOptions& options, const kernels::PackedWeight& h, const std::vector<float>& diagonal,
       Threads& threads)
      : w_(w),
        first_(first_row),
        q_(q),
        extent_(extent),
        scales_(scales),
        h_(h),
        diagonal_(diagonal),
        threads_(threads),
        n_(w.size(0)),
        k_(w.size(1)) {
    grid_ = Code(q.format, options.int8_range, options.table);
    lowest_ = grid_.encode(-std::numeric_limits<float>::infinity());
    highest_ = grid_.encode(std::numeric_limits<float>::infinity());
    places_.resize(static_cast<size_t>(n_ * k_));
    learned_.resize(places_.size());
    error_ = Tensor({n_, k_});
    gradient_ = Tensor({n_, k_});
    for_numbers([&](int64_t i) { place(i); });
  }

  void learn(const LearnedRoundingOptions& o) {
    for (int step = 0; step < o.iterations; ++step) {
      const float done = static_cast<float>(step) / static_cast<float>(o.iterations);
      const float cooled = std::max(0.0f, (done - kWarmUp) / (1 - kWarmUp));
      const float sharpness = kSharpLast + (kSharpFirst - kSharpLast) * 0.5f * (1 + std::cos(cooled * 3.14159265f));
      for_numbers([&](int64_t i) { error_.f32()[i] = error_at(i, gate_of(learned_[static_cast<size_t>(i)].v).h); });
      times_h();
      const float first_bias = 1 - std::pow(0.9f, static_cast<float>(step + 1));
      const float second_bias = 1 - std::pow(0.999f, static_cast<float>(step + 1));
      for_numbers([&](int64_t i) {
        Learned& learned = learned_[static_cast<size_t>(i)];
        const Gate gate = gate_of(learned.v);
        const Place& place = places_[static_cast<size_t>(i)];
        const float width = (grid_.decode(place.around.high) - grid_.decode(place.around.low)) * step_at(i);
        float slope = -2 * gradient_.f32()[i] * width;
        if (done >= kWarmUp) {
          const float curvature = width * width * diagonal_[static_cast<size_t>(i % k_)];
          const float centered = 2 * gate.h - 1, magnitude = std::abs(centered);
          slope -= o.regularization * curvature * 2 * sharpness * std::pow(magnitude, sharpness - 1) *
                   (centered < 0 ? -1.0f : 1.0f);
        }
        slope *= gate.slope;
        learned.first = 0.9f * learned.first + 0.1f * slope;
        learned.second = 0.999f * learned.second + 0.001f * slope * slope;
        learned.v -= o.rate * (learned.first / first_bias) / (std::sqrt(learned.second / second_bias) + 1e-8f);
      });
    }
  }

  void store(std::byte* codes) {
    const std::vector<double> ours =
        errors([&](int64_t i) { return gate_of(learned_[static_cast<size_t>(i)].v).h >= 0.5f; });
    const std::vector<double> nearest =
        errors([&](int64_t i) { return places_[static_cast<size_t>(i)].fraction > 0.5f; });
    for_numbers([&](int64_t i) {
      const auto row = static_cast<size_t>(i / k_);
      const Place& place = places_[static_cast<size_t>(i)];
      const bool up = gate_of(learned_[static_cast<size_t>(i)].v).h >= 0.5f;
      uint8_t code = grid_.encode(place.y);
      if (ours[row] < nearest[row]) code = up ? place.around.high : place.around.low;
      codes[i] = static_cast<std::byte>(code);
    });
  }

 private:
  struct Place {
    float y, fraction;  // w / scale, and where it lies between its neighbours
    Neighbours around;
  };

  template <typename Body>
  void for_numbers(const Body& body) {
    threads_.for_range(n_, 4, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin * k_; i < end * k_; ++i) body(i);
    });
  }

  float scale_at(int64_t i) const {
    const int64_t row = first_ + i / k_, column = i % k_;
    return scales_.f32()[row / extent_.rows * scales_.size(1) + column / extent_.columns];
  }
  // Steps of another group, in steps of the row's first.
  float step_at(int64_t i) const { return scale_at(i) / scale_at(i / k_ * k_); }

  void place(int64_t i) {
    const float scale = scale_at(i);
    Place& place = places_[static_cast<size_t>(i)];
    place.y = number_at(w_, i) / scale;
    place.around = neighbours(place.y, grid_, q_.format, lowest_, highest_);
    const float low = grid_.decode(place.around.low), high = grid_.decode(place.around.high);
    place.fraction = high > low ? std::clamp((place.y - low) / (high - low), 0.0f, 1.0f) : 0.0f;
    const float stretched = (place.fraction - kStretchLow) / (kStretchHigh - kStretchLow);
    learned_[static_cast<size_t>(i)].v = std::log(stretched / (1 - stretched));
  }

  // In steps of the row's first scale: what is left of the number.
  float error_at(int64_t i, float h) const {
    const Place& place = places_[static_cast<size_t>(i)];
    const float low = grid_.decode(place.around.low), high = grid_.decode(place.around.high);
    return (place.y - (low + h * (high - low))) * step_at(i);
  }

  void times_h() {
    prepared_.prepare(error_.f32(), n_, k_, k_, h_.input(), threads_);
    kernels::gemm(prepared_, h_, nullptr, gradient_.f32(), k_, threads_);
  }

  template <typename Up>
  std::vector<double> errors(const Up& up) {
    for_numbers([&](int64_t i) { error_.f32()[i] = error_at(i, up(i) ? 1.0f : 0.0f); });
    times_h();
    std::vector<double> sums(static_cast<size_t>(n_));
    for_numbers([&](int64_t i) {
      sums[static_cast<size_t>(i / k_)] += static_cast<double>(error_.f32()[i]) * gradient_.f32()[i];
    });
    return sums;
  }

  const Tensor& w_;
  int64_t first_;
  const Quantization& q_;
  Extent extent_;  // of a scale in the whole matrix
  const Tensor& scales_;
  const kernels::PackedWeight& h_;
  const std::vector<float>& diagonal_;  // of h
  Threads& threads_;
  int64_t n_, k_;
  Code grid_{Format::INT8};
  uint8_t lowest_ = 0, highest_ = 0;
  std::vector<Place> places_;
  std::vector<Learned> learned_;
  Tensor error_, gradient_;
  kernels::PreparedInput prepared_;
};

}  // namespace

void round_by_learning(const Tensor& w, const Quantization& q, const Tensor& scales, const QuantizeOptions& options,
                       const Hessian& hessian, const LearnedRoundingOptions& learning, Threads& threads,
                       std::byte* codes) {
  const int64_t n = w.size(0), k = w.size(1);
  const Tensor h = whole(hessian.sums(), threads);
  std::vector<float> diagonal(static_cast<size_t>(k));
  for (int64_t i = 0; i < k; ++i) diagonal[static_cast<size_t>(i)] = h.f32()[i * (k + 1)];
  const kernels::PackedWeight packed({k, k, Format::F32, h.raw()}, {Format::F32}, threads);
  for (int64_t begin = 0; begin < n; begin += kRows) {
    const Tensor some = w.rows(begin, std::min(kRows, n - begin));
    Rows rows(some, begin, q, extent_of(q, n, k), scales, options, packed, diagonal, threads);
    rows.learn(learning);
    rows.store(codes + begin * k);
  }
}

}  // namespace octet
