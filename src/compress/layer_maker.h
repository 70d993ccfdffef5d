#pragma once
#include "compress/input_statistics.h"
#include "compress/layer_noise.h"
#include "compress/layer_source.h"
#include "compress/made.h"
#include "compress/options.h"
#include "compress/pipeline.h"

namespace octet {

/// What was decided for the inputs of one layer.
struct SmoothingNote {
  std::string leader;
  double strength = 0, error = 0, error_before = 0;
};

/// Makes one layer: smooths, finds ranges, rounds and corrects, as the pipeline says, from the statistics of the
/// layer's inputs.
class LayerMaker {
 public:
  LayerMaker(LayerSource& source, StatisticsKeeper& keeper, const Plan& plan, const CompressOptions& options,
             Threads& threads);

  MadeLayer make();
  const std::vector<SmoothingNote>& notes() const { return notes_; }
  /// Where options.watch_noise asks for it: a module each, in the order of the forward.
  std::vector<ModuleNoise>& noise() { return noise_; }

  /// The modules that stand for the inputs of a layer.
  static std::vector<std::string> leaders(int64_t layer);

 private:
  using Names = std::span<const std::string_view>;
  void smooth_behind_norm(std::string_view norm, Names behind);
  void smooth_between(std::string_view from, std::string_view to);
  std::vector<float> costs_of(const InputStatistics& inputs) const;
  std::vector<float> search(Names behind, std::vector<int32_t> share);
  void make_group(Names names);
  Tensor ranges_of(const Tensor& w, const ModulePlan& plan, const InputStatistics& statistics) const;
  std::vector<Tensor> ranges_of_group(Names names);
  QTensor round_module(std::string_view name, const Tensor& w, const Tensor& ranges, const GptqFactor* factor);
  std::vector<Tensor> targets_of(Names names, const GptqFactor& factor);
  void finish_module(std::string_view name, QTensor q, bool improves, const Tensor& target);
  void correct(std::string_view name, const Tensor& w, const QTensor& q);
  void set_input_scale(QTensor& q, const ModulePlan& plan, const InputStatistics& statistics) const;
  InputStatistics& statistics_of(std::string_view name);
  bool quantizes(Names names) const;

  LayerSource& source_;
  const Plan& plan_;
  const Pipeline& pipeline_;
  const QuantizeOptions& options_;
  Threads& threads_;
  std::map<std::string, InputStatistics, std::less<>> statistics_;  // by leader
  MadeLayer made_;
  std::vector<SmoothingNote> notes_;
  bool watch_noise_;
  std::vector<ModuleNoise> noise_;
};

}  // namespace octet
