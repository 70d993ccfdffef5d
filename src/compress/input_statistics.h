#pragma once
#include <map>
#include <string>
#include <vector>

#include "ops/context.h"
#include "quant/drift.h"
#include "quant/hessian.h"
#include "quant/observer/stream.h"

namespace octet {

/// Rows that are kept of an input of K channels.
int64_t sample_rows(int64_t k);

/// What is kept of the input [M,K] of the linear modules that share it.
struct InputStatistics {
  int64_t rows = 0;                                   // M
  std::vector<float> min, max, mean, mean_magnitude;  // of each channel, [K]
  std::vector<float> early_min, early_max;            // [K] of the first three quarters of the text
  Tensor samples;                                     // F32 [S,K], rows spread over the text, in its order
  int64_t early_samples = 0;                          // of them, from the first three quarters
  std::vector<float> sample_weights;                  // [S] what a squared error of the row's output counts
  std::optional<Hessian> hessian;                     // nullopt: not wanted
  std::optional<Drift> drift;                         // of the output where that goes into the residual stream

  /// max |x| of each channel.
  std::vector<float> magnitudes() const;
  /// Channel j of x is divided by factors[j] from now on.
  void divide(const std::vector<float>& factors, Threads& threads);
};

/// Watches one layer: `leaders` are the modules that stand for their input (fused_name). Rows that go into the residual
/// stream count by how small that is for their token: what follows norms it, and a few tokens are a thousand times
/// larger than the rest.
class StatisticsKeeper : public Observer {
 public:
  struct Wanted {
    bool hessians = false;
    Format format = Format::F32;  // in which they are multiplied
    int64_t rows = 0;             // that will come
  };
  StatisticsKeeper(std::vector<std::string> leaders, const Wanted& wanted, Threads& threads);

  void linear_input(std::string_view module, const Tensor& x) override;
  void keys_and_values(std::string_view, const Tensor&, const Tensor&) override {}
  /// What has passed is a batch as it is above float layers alone, and `residual` [M,D] what the layer made of it: how
  /// far the next one is from it is kept too, with the Hessians.
  void finish_reference(const Tensor& residual);
  /// A batch has passed: `residual` [M,D] is what the layer made of it.
  void finish_batch(const Tensor& residual);
  /// The statistics of a leader; Error if nothing came.
  InputStatistics take(const std::string& leader);

 private:
  struct Growing {
    std::vector<double> sums, magnitudes;
    InputStatistics statistics;
    int64_t rows = 0, kept = 0;
  };
  int64_t early_rows() const { return std::max<int64_t>(1, wanted_.rows * 3 / 4); }
  void add(Growing& growing, const Tensor& x, const std::vector<float>& weights);
  void add_drift(Growing& growing, Drift::Of of, const Tensor& lacking, const Tensor& counted,
                 const std::vector<float>& weights);
  void add_channels(Growing& growing, const Tensor& x);
  void add_channels(Growing& growing, const Tensor& x, int64_t first, int64_t last);
  void keep_samples(Growing& growing, const Tensor& x, const std::vector<float>& weights) const;
  std::vector<std::string> leaders_;
  Wanted wanted_;
  Threads& threads_;
  std::map<std::string, Growing, std::less<>> growing_;
  std::vector<std::pair<std::string, Tensor>> batch_;     // inputs that passed
  std::map<std::string, Tensor, std::less<>> reference_;  // inputs above float layers, and what the layer made of them
  Tensor reference_residual_;
  Hessian::Scratch scratch_;
  Drift::Scratch drift_scratch_;
};

}  // namespace octet
