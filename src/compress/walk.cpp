#include "compress/walk.h"

#include "base/error.h"
#include "base/escape.h"
#include "base/output.h"
#include "base/progress.h"
#include "compress/layerwise.h"
#include "compress/modules.h"
#include "compress/noise_file.h"
#include "compress/rotate_ends.h"
#include "compress/sequences.h"
#include "compress/work_file.h"
#include "kernels/convert/convert.h"
#include "models/architectures.h"
#include "models/load.h"
#include "ops/elementwise.h"

namespace octet {
namespace {

namespace fs = std::filesystem;

// Keeps the ends of keys and values.
class CacheRangeKeeper : public Observer {
 public:
  void linear_input(std::string_view, const Tensor&) override {}
  void keys_and_values(std::string_view, const Tensor& k, const Tensor& v) override {
    widen(keys, k);
    widen(values, v);
  }
  SeenRange keys, values;

 private:
  static void widen(SeenRange& range, const Tensor& x) {
    const kernels::MinMax ends = kernels::min_max(x.f32(), x.elements());
    range.min = std::min(range.min, ends.min);
    range.max = std::max(range.max, ends.max);
  }
};

// Keeps the inputs of one batch.
class InputKeeper : public Observer {
 public:
  explicit InputKeeper(std::vector<std::string> leaders) : leaders_(std::move(leaders)) {}
  void linear_input(std::string_view module, const Tensor& x) override {
    if (std::find(leaders_.begin(), leaders_.end(), module) != leaders_.end()) inputs[std::string(module)] = x;
  }
  void keys_and_values(std::string_view, const Tensor&, const Tensor&) override {}
  std::map<std::string, Tensor> inputs;

 private:
  std::vector<std::string> leaders_;
};

class Walk {
 public:
  Walk(const Checkpoint& checkpoint, const Plan& plan, const CompressOptions& options, std::string_view text,
       const WorkPlace& work, Threads& threads)
      : checkpoint_(checkpoint),
        plan_(plan),
        options_(options),
        work_(work),
        threads_(threads),
        ctx_(threads),
        loader_(checkpoint, threads),
        sequences_(sequences_of(checkpoint, plan.model,
                                {options.calibration->string(), options.context, options.calibration_tokens}, text)) {
    if (options.pipeline.rotation) rotations_.emplace(plan.model, options.quantize.seed);
  }

  WalkResult run(const std::function<int64_t(int64_t rows)>& admit) {
    const int64_t rows = sequences_.rows();
    const int64_t held = admit ? admit(rows) : options_.activation_bytes;
    const bool drifts = options_.pipeline.follows_floats();
    const bool fits = (drifts ? 2 : 1) * Activations::bytes(rows, plan_.model.hidden) <= held;
    check_identity();
    Activations x(rows, plan_.model.hidden, fits ? fs::path() : work_.directory / "activations");
    if (drifts) floats_.emplace(rows, plan_.model.hidden, fits ? fs::path() : work_.directory / "float-activations");
    begin(x);
    reuse_activations();
    const int64_t layers = plan_.model.layers;
    Progress progress("compressing", static_cast<uint64_t>(rows * (drifts ? 3 : 2) * layers), "tokens a layer");
    for (int64_t i = 0; i < layers; ++i) step(i, x, progress);
    finish(x);
    StorageReuse::limit(0);
    return std::move(result_);
  }

 private:
  CalibrationRanges& ranges() { return result_.calibration.ranges; }
  Made& made() { return result_.calibration.made; }
  fs::path file_of(const std::string& part) const { return work_.directory / (part + ".safetensors"); }

  fs::path file_of_layer(int64_t i) const { return file_of(fmt::format("layer-{:05}", i)); }

  void reuse_activations() const {
    const int64_t rows = std::min(std::max(kBatchTokens, options_.context), sequences_.rows());
    const int64_t bytes = reused_bytes(rows, plan_.model.hidden, plan_.model.intermediate);
    StorageReuse::limit(static_cast<size_t>(bytes));
  }

  void check_identity() {
    const fs::path path = work_.directory / "identity";
    if (text_or_nothing(path) == work_.identity) return;
    for (const auto& entry : fs::directory_iterator(work_.directory)) fs::remove_all(entry.path());
    write_file_atomically(path, work_.identity);
  }

  // Whether an earlier run left this file, whole. One that is damaged goes, and the layers that rest on it: `next` and
  // those above.
  bool is_left(const fs::path& path, int64_t next) {
    std::error_code error;
    if (!fs::exists(fs::symlink_status(path, error))) return false;
    if (is_sealed(path)) return true;
    if (result_.damaged.empty()) result_.damaged = path.string();
    fs::remove_all(path);
    for (int64_t i = next; i < plan_.model.layers; ++i) fs::remove_all(file_of_layer(i));
    return false;
  }

  // The residual stream before the first layer.
  void begin(Activations& x) {
    if (rotations_) {
      const fs::path path = file_of("ends");
      if (!is_left(path, 0)) rotate_ends(checkpoint_, plan_, rotations_->residual, path, threads_);
      made().add(path);
    }
    const Tensor table = rotations_ ? made().tensor(kEmbedding) : loader_.embedding();
    for_batches(sequences_, kBatchTokens, [&](int64_t first, int64_t last) {
      const auto [row, count] = rows_of(first, last);
      const std::span tokens(sequences_.tokens.data() + row, static_cast<size_t>(count));
      const Tensor embedded = embedding_rows(table, tokens);
      x.write(row, embedded);
      if (floats_) floats_->write(row, embedded);
    });
    checkpoint_.drop(kEmbedding);
    if (rotations_) made().drop(kEmbedding);
  }

  std::pair<int64_t, int64_t> rows_of(int64_t first, int64_t last) const {
    const int64_t row = sequences_.begins[static_cast<size_t>(first)];
    return {row, sequences_.begins[static_cast<size_t>(last)] - row};
  }

  void step(int64_t i, Activations& x, Progress& progress) {
    const fs::path path = file_of_layer(i);
    DecoderLayer layer = loader_.layer(i);
    layer.attention.layer = 0;
    if (is_left(path, i + 1)) {
      ++result_.resumed;
      follow_floats(i, layer, x, progress);
      progress.advance(static_cast<uint64_t>(sequences_.rows()));
    } else {
      write_made(path, make(i, layer, x, progress));
    }
    LayerNotes notes = read_notes(notes_of(i));
    result_.smoothing.insert(result_.smoothing.end(), notes.smoothing.begin(), notes.smoothing.end());
    std::move(notes.noise.begin(), notes.noise.end(), std::back_inserter(result_.noise));
    made().add(path);
    const bool last = i + 1 == plan_.model.layers;
    if (last && !options_.kv_cache_fp8 && !options_.include_head) return;
    if (options_.watch_noise && !last) {
      replace_weights(i, layer, true);
      made_rows_ = run_first_batch(layer, made_rows_);
    }
    replace_weights(i, layer, false);
    CacheRangeKeeper keeper;
    ctx_.observer = options_.kv_cache_fp8 ? &keeper : nullptr;
    for_batches(sequences_, kBatchTokens, [&](int64_t first, int64_t end) {
      const auto [row, count] = rows_of(first, end);
      Tensor rows = x.read(row, count, threads_);
      x.write(row, run_layer(ctx_, plan_.model, layer, sequences_, first, end, std::move(rows)));
      progress.advance(static_cast<uint64_t>(count));
    });
    ctx_.observer = nullptr;
    ranges().keys.push_back(keeper.keys);
    ranges().values.push_back(keeper.values);
  }

  // Watches the float layer on what the compressed ones below give it, and makes it. Its weights are gone afterwards.
  MadeLayer make(int64_t i, DecoderLayer& layer, const Activations& x, Progress& progress) {
    LayerSource source(checkpoint_, plan_, i, rotations_ ? &*rotations_ : nullptr, threads_);
    if (rotations_) use_rotated(source, layer);
    const Pipeline& pipeline = options_.pipeline;
    StatisticsKeeper::Wanted wanted{.rows = sequences_.rows()};
    wanted.hessians = pipeline.needs_hessians();
    wanted.format = plan_.model.dtype == DType::BF16 ? Format::BF16 : Format::F32;
    StatisticsKeeper keeper(LayerMaker::leaders(i), wanted, threads_);
    ctx_.observer = &keeper;
    for_batches(sequences_, kBatchTokens, [&](int64_t first, int64_t last) {
      const auto [row, count] = rows_of(first, last);
      if (floats_) {
        const Tensor made =
            run_layer(ctx_, plan_.model, layer, sequences_, first, last, floats_->read(row, count, threads_));
        keeper.finish_reference(made);
        floats_->write(row, made);
        progress.advance(static_cast<uint64_t>(count));
      }
      keeper.finish_batch(run_layer(ctx_, plan_.model, layer, sequences_, first, last, x.read(row, count, threads_)));
      progress.advance(static_cast<uint64_t>(count));
    });
    ctx_.observer = nullptr;
    const std::map<std::string, double> carried =
        options_.watch_noise ? carried_into(layer, i, x) : std::map<std::string, double>();
    for (const std::string_view name : kLayerLinears) linear_of(layer, name) = Weight();
    const DecoderConfig& c = plan_.model;
    const int64_t largest = c.hidden * std::max(c.intermediate, c.heads * c.head_dim);
    StorageReuse::limit(static_cast<size_t>(reused_while_made(largest)));
    LayerMaker maker(source, keeper, plan_, options_, threads_);
    MadeLayer made = maker.make();
    reuse_activations();
    LayerNotes notes{maker.notes(), std::move(maker.noise())};
    for (ModuleNoise& noise : notes.noise) {
      const auto found = carried.find(fused_name(noise.module));
      if (found != carried.end()) noise.carried = found->second;
    }
    if (options_.watch_noise) write_notes(notes_of(i), notes);  // before the layer: what is there is complete
    return made;
  }

  fs::path notes_of(int64_t i) const { return work_.directory / fmt::format("layer-{:05}.json", i); }

  // Of a layer that an earlier run made: only what float layers alone would give the next one.
  void follow_floats(int64_t i, DecoderLayer& layer, const Activations& x, Progress& progress) {
    if (!floats_ && !options_.watch_noise) return;
    if (rotations_) use_rotated(LayerSource(checkpoint_, plan_, i, &*rotations_, threads_), layer);
    if (options_.watch_noise) carried_into(layer, i, x);
    if (!floats_) return;
    advance(ctx_, plan_.model, layer, sequences_, *floats_, *floats_);
    progress.advance(static_cast<uint64_t>(sequences_.rows()));
  }

  // The end of the first batch of sequences.
  int64_t first_batch() const {
    int64_t last = 0;
    for_batches(sequences_, kBatchTokens, [&](int64_t first, int64_t end) { last = first == 0 ? end : last; });
    return last;
  }

  Tensor run_first_batch(const DecoderLayer& layer, Tensor rows) {
    return run_layer(ctx_, plan_.model, layer, sequences_, 0, first_batch(), std::move(rows));
  }

  // How far the inputs of the float layer are from what they would be above float layers alone, on the first batch.
  std::map<std::string, double> carried_into(const DecoderLayer& layer, int64_t i, const Activations& x) {
    std::map<std::string, double> carried;
    if (i == 0) {
      float_rows_ = x.read(0, rows_of(0, first_batch()).second, threads_);
      made_rows_ = x.read(0, rows_of(0, first_batch()).second, threads_);
    }
    InputKeeper ours(LayerMaker::leaders(i)), theirs(LayerMaker::leaders(i));
    Tensor made(made_rows_.shape());  // a layer adds to its input in place
    std::memcpy(made.raw(), made_rows_.raw(), static_cast<size_t>(made.bytes()));
    ctx_.observer = &ours;
    run_first_batch(layer, std::move(made));
    ctx_.observer = &theirs;
    float_rows_ = run_first_batch(layer, float_rows_);
    ctx_.observer = nullptr;
    for (const auto& [module, input] : theirs.inputs) carried[module] = relative_power(ours.inputs.at(module), input);
    return carried;
  }

  void use_rotated(const LayerSource& source, DecoderLayer& layer) {
    for (const std::string_view name : kLayerLinears) {
      Weight& weight = linear_of(layer, name);
      weight = Weight();
      weight =
          Weight(source.module(name), from_f32(source.weight(name), source.dtype(name)), source.bias(name), threads_);
    }
    layer.input_norm.weight = source.norm("input_layernorm");
    layer.post_attention_norm.weight = source.norm("post_attention_layernorm");
  }

  // Inputs of the compressed layers stay float where layers are made: what rounding makes of a token's own numbers is
  // chance to the next layer, and nothing that its weights could make up for.
  void replace_weights(int64_t i, DecoderLayer& layer, bool rounds_inputs) {
    for (const std::string_view name : kLayerLinears) {
      const std::string module = layer_module(i, name);
      Weight& weight = linear_of(layer, name);
      const Tensor bias = made().has_tensor(module + ".bias") ? made().tensor(module + ".bias") : weight.bias();
      if (made().has_module(module)) {
        const ConfigGroup& group = *plan_of(module).to;
        QTensor q = made().module(module, *group.weights, group.activations);
        if (!rounds_inputs) q.activations.reset();
        weight = Weight(module, q, bias, plan_.model.dtype, threads_);
        made().drop(module);
      } else if (made().has_tensor(module + ".weight")) {
        weight = Weight(module, made().tensor(module + ".weight"), bias, threads_);
      } else if (weight.empty()) {
        weight = Weight(module, checkpoint_.tensor(module + ".weight"), bias, threads_);
      }
    }
    layer.input_norm.weight = made().tensor(layer_module(i, "input_layernorm.weight"));
    layer.post_attention_norm.weight = made().tensor(layer_module(i, "post_attention_layernorm.weight"));
  }

  const ModulePlan& plan_of(std::string_view module) const {
    for (const ModulePlan& plan : plan_.modules) {
      if (plan.name == module) return plan;
    }
    fail("{}: is not in the plan", module);
  }

  // The input of the head, where that is quantized too.
  void finish(const Activations& x) {
    if (!options_.include_head) return;
    RmsNorm norm = loader_.final_norm();
    if (rotations_) norm.weight = to_f32(made().tensor("model.norm.weight"));
    SeenRange& range = ranges().inputs[std::string(kHead)];
    for_batches(sequences_, kBatchTokens, [&](int64_t first, int64_t last) {
      const auto [row, count] = rows_of(first, last);
      const Tensor normed = rms_norm(ctx_, x.read(row, count, threads_), norm);
      const kernels::MinMax ends = kernels::min_max(normed.f32(), normed.elements());
      range = {std::min(range.min, ends.min), std::max(range.max, ends.max)};
    });
  }

  const Checkpoint& checkpoint_;
  const Plan& plan_;
  const CompressOptions& options_;
  const WorkPlace& work_;
  Threads& threads_;
  Context ctx_;
  DecoderLoader loader_;
  Sequences sequences_;
  std::optional<Rotations> rotations_;
  WalkResult result_;
  std::optional<Activations> floats_;  // the stream of float layers alone, where rounding looks at it
  Tensor float_rows_, made_rows_;  // its first batch, and that of layers as they will be run: where noise is watched
};

}  // namespace

WalkResult walk_layers(const Checkpoint& checkpoint, const Plan& plan, const CompressOptions& options,
                       std::string_view text, const WorkPlace& work, Threads& threads,
                       const std::function<int64_t(int64_t rows)>& admit) {
  return Walk(checkpoint, plan, options, text, work, threads).run(admit);
}

}  // namespace octet
