#include "quant/codebook.h"

#include <algorithm>
#include <mutex>

#include "base/error.h"
#include "numeric/bf16.h"
#include "quant/rounding/code.h"
#include "quant/scale.h"

namespace octet {
namespace {

constexpr int kEntries = 256;
constexpr int kCoarse = 4096;              // intervals that dynamic programming divides
constexpr int kIterations = 200;           // of Lloyd's; most end after a few dozen
constexpr double kReach = 1.0 + 1.0 / 64;  // scales are rounded, so that quotients go a little beyond 1
constexpr float kMostImportant = 1 << 20, kMeanImportance = 1 << 8;

double center_of(int bin) {
  return ((bin + 0.5) / Codebook::kBins * 2 - 1) * kReach;
}

// Sums over the numbers of the intervals before each border: of their counts, themselves and their squares.
class Sums {
 public:
  // `ends`: one past the last bin of each interval.
  Sums(const std::vector<uint64_t>& counts, const std::vector<int>& ends) : of_(ends.size() + 1) {
    int bin = 0;
    for (size_t i = 0; i < ends.size(); ++i) {
      of_[i + 1] = of_[i];
      for (; bin < ends[i]; ++bin) {
        const double count = static_cast<double>(counts[static_cast<size_t>(bin)]), x = center_of(bin);
        of_[i + 1][0] += count;
        of_[i + 1][1] += count * x;
        of_[i + 1][2] += count * x * x;
      }
    }
  }
  int intervals() const { return static_cast<int>(of_.size()) - 1; }
  double count(int begin, int end) const { return at(end)[0] - at(begin)[0]; }
  double mean(int begin, int end) const { return (at(end)[1] - at(begin)[1]) / count(begin, end); }
  // Squared distance of intervals begin … end - 1 from their mean.
  double cost(int begin, int end) const {
    const double n = count(begin, end), first = at(end)[1] - at(begin)[1];
    return n > 0 ? std::max(0.0, at(end)[2] - at(begin)[2] - first * first / n) : 0;
  }

 private:
  const std::array<double, 3>& at(int i) const { return of_[static_cast<size_t>(i)]; }
  std::vector<std::array<double, 3>> of_;
};

// Bins gathered into at most kCoarse intervals that hold as much of the density's cube root each: so dense the best
// table lies (Panter and Dite 1951).
std::vector<int> coarse_ends(const std::vector<uint64_t>& counts) {
  double total = 0;
  for (const uint64_t count : counts) total += std::cbrt(static_cast<double>(count));
  std::vector<int> ends;
  double sum = 0;
  for (int bin = 0; bin < Codebook::kBins; ++bin) {
    sum += std::cbrt(static_cast<double>(counts[static_cast<size_t>(bin)]));
    const bool full = sum >= total * static_cast<double>(ends.size() + 1) / kCoarse;
    if (full && static_cast<int>(ends.size()) + 1 < kCoarse) ends.push_back(bin + 1);
  }
  if (ends.empty() || ends.back() != Codebook::kBins) ends.push_back(Codebook::kBins);
  return ends;
}

// The best division of the first `end` intervals into one cluster more than `before` has, for every end. The best last
// border moves up with the end, so halves of the ends need halves of the borders.
class Division {
 public:
  explicit Division(const Sums& sums) : sums_(sums), best_(static_cast<size_t>(sums.intervals()) + 1) {
    for (int end = 0; end <= sums.intervals(); ++end) best_[static_cast<size_t>(end)] = sums.cost(0, end);
  }

  void add_cluster() {
    before_ = best_;
    borders_.emplace_back(best_.size());
    divide(1, sums_.intervals(), 0, sums_.intervals() - 1);
  }

  // The mean of every cluster that holds anything.
  std::vector<double> means() const {
    std::vector<double> means;
    int end = sums_.intervals();
    for (size_t i = borders_.size(); end > 0; --i) {
      const int begin = i > 0 ? borders_[i - 1][static_cast<size_t>(end)] : 0;
      if (sums_.count(begin, end) > 0) means.push_back(sums_.mean(begin, end));
      end = begin;
      if (i == 0) break;
    }
    std::reverse(means.begin(), means.end());
    return means;
  }

 private:
  void divide(int first, int last, int low, int high) {
    if (first > last) return;
    const int end = (first + last) / 2;
    double least = std::numeric_limits<double>::infinity();
    int border = low;
    for (int begin = low; begin <= std::min(end - 1, high); ++begin) {
      const double cost = before_[static_cast<size_t>(begin)] + sums_.cost(begin, end);
      if (cost < least) least = cost, border = begin;
    }
    best_[static_cast<size_t>(end)] = least;
    borders_.back()[static_cast<size_t>(end)] = border;
    divide(first, end - 1, low, border);
    divide(end + 1, last, border, high);
  }

  const Sums& sums_;
  std::vector<double> best_, before_;
  std::vector<std::vector<int>> borders_;  // a cluster more each
};

int bin_above(double x) {
  return static_cast<int>(std::clamp((x / kReach + 1) / 2 * Codebook::kBins + 0.5, 0.0, double{Codebook::kBins}));
}

// Each entry becomes the mean of the numbers that are nearest to it, until none moves.
void move_to_means(std::vector<double>& table, const Sums& sums) {
  for (int i = 0; i < kIterations; ++i) {
    bool moved = false;
    int begin = 0;
    for (size_t entry = 0; entry < table.size(); ++entry) {
      const bool last = entry + 1 == table.size();
      const int end = last ? sums.intervals() : std::max(begin, bin_above((table[entry] + table[entry + 1]) / 2));
      if (sums.count(begin, end) > 0) {
        const double mean = sums.mean(begin, end);
        moved = moved || std::abs(mean - table[entry]) > 1e-7;
        table[entry] = mean;
      }
      begin = end;
    }
    if (!moved) return;
  }
}

}  // namespace

Codebook::Codebook() : counts_(kBins) {}

void Codebook::add(const Tensor& w, const Quantization& q, const Tensor& scales, std::span<const float> importance) {
  const int64_t n = w.size(0), k = w.size(1);
  const Extent extent = extent_of(q, n, k);
  std::vector<uint64_t> weights(static_cast<size_t>(k), static_cast<uint64_t>(kMeanImportance));
  double mean = 0;
  for (const float x : importance) mean += x / static_cast<double>(k);
  for (size_t j = 0; j < importance.size() && mean > 0; ++j) {
    const double share = importance[j] / mean * kMeanImportance;
    weights[j] = static_cast<uint64_t>(std::clamp(share, 1.0, double{kMostImportant}) + 0.5);
  }
  for (int64_t row = 0; row < n; ++row) {
    const float* const of_row = scales.f32() + row / extent.rows * scales.size(1);
    for (int64_t j = 0; j < k; ++j) {
      const double y = number_at(w, row * k + j) / of_row[j / extent.columns];
      const double bin = std::clamp((y / kReach + 1) / 2 * kBins, 0.0, double{kBins - 1});
      counts_[static_cast<size_t>(bin)] += weights[static_cast<size_t>(j)];
    }
  }
}

void Codebook::add(const Codebook& other) {
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
}

Tensor Codebook::learn() const {
  const Sums coarse(counts_, coarse_ends(counts_));
  Division division(coarse);
  for (int i = 1; i < std::min(kEntries, coarse.intervals()); ++i) division.add_cluster();
  std::vector<double> table = division.means();
  std::vector<int> each(kBins);
  for (int bin = 0; bin < kBins; ++bin) each[static_cast<size_t>(bin)] = bin + 1;
  move_to_means(table, Sums(counts_, each));
  if (table.empty()) table.push_back(0);
  table.resize(kEntries, table.back());  // fewer numbers than codes
  Tensor result({kEntries});
  for (size_t i = 0; i < table.size(); ++i) {
    result.f32()[i] = bf16_to_float(float_to_bf16(static_cast<float>(table[i])));
  }
  return result;
}

Tensor learn_codebook(const Tensor& w, const Quantization& q, const Tensor& scales, std::span<const float> importance,
                      Threads& threads) {
  const int64_t step = extent_of(q, w.size(0), w.size(1)).rows, blocks = scales.size(0);
  Codebook whole;
  std::mutex mutex;
  const int64_t grain = std::max<int64_t>(1, (blocks + threads.count() - 1) / threads.count());
  threads.for_range(blocks, grain, [&](int64_t first, int64_t last) {
    Codebook part;
    const int64_t begin = first * step, end = std::min(w.size(0), last * step);
    part.add(w.rows(begin, end - begin), q, scales.rows(first, last - first), importance);
    std::lock_guard lock(mutex);
    whole.add(part);
  });
  return whole.learn();
}

}  // namespace octet
