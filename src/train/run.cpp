#include "train/run.h"

#include <chrono>
#include <numbers>

#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/output.h"
#include "base/sha256.h"
#include "compress/compress.h"
#include "files/checkpoint.h"
#include "models/architectures.h"
#include "numeric/random.h"
#include "text/tokenizer.h"
#include "train/checkpoint.h"
#include "train/log.h"
#include "train/recipe/recipe.h"
#include "train/save_model.h"
#include "train/trainer.h"

namespace octet::train {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr const char* kHead = "lm_head";

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The text as sequences, and what identifies it.
struct TokenData {
  std::optional<PackedTokens> train, validation;
  std::string hash;
};

std::vector<int32_t> tokens_of(const std::vector<fs::path>& files, const TrainConfig& config,
                               const Tokenizer& tokenizer, int32_t end_of_text, Threads& threads, Sha256& hash) {
  std::vector<int32_t> tokens;
  for (const fs::path& file : files) {
    const auto documents = read_documents(file, config.data);
    const auto more = encode_documents(tokenizer, documents, end_of_text, threads);
    tokens.insert(tokens.end(), more.begin(), more.end());
  }
  hash.update(std::as_bytes(std::span(tokens)));
  return tokens;
}

TokenData read_data(const TrainConfig& config, const Tokenizer& tokenizer, int32_t end_of_text, Threads& threads) {
  TokenData data;
  Sha256 hash;
  data.train.emplace(tokens_of(config.train, config, tokenizer, end_of_text, threads, hash), config.sequence_length);
  if (!config.validation.empty()) {
    auto tokens = tokens_of(config.validation, config, tokenizer, end_of_text, threads, hash);
    const auto most =
        static_cast<size_t>(config.validation_tokens / config.sequence_length * config.sequence_length + 1);
    if (tokens.size() > most && most > static_cast<size_t>(config.sequence_length)) tokens.resize(most);
    data.validation.emplace(std::move(tokens), config.sequence_length);
  }
  data.hash = hash.hex();
  return data;
}

/// The model's config.json: the recipe's keys, completed by what the tokenizer says; or that of the model to go on
/// with.
Json model_config(const TrainConfig& config, const Tokenizer& tokenizer, std::optional<int32_t> end_of_text) {
  if (!config.from.empty()) return read_json(config.from / "config.json");
  Json json = parse_json(config.model, config.recipe.string() + ": model");
  const std::string name =
      json_value<std::string>(json, "architecture", "LlamaForCausalLM", config.recipe.string() + ": model");
  json.erase("architecture");
  if (!json.contains("architectures")) json["architectures"] = {name};
  std::string type = json["architectures"][0].get<std::string>();
  type = type.substr(0, type.find("ForCausalLM"));
  std::transform(type.begin(), type.end(), type.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  json["model_type"] = type;
  if (!json.contains("vocab_size")) json["vocab_size"] = tokenizer.vocabulary_size();
  if (!json.contains("max_position_embeddings")) json["max_position_embeddings"] = config.sequence_length;
  if (!json.contains("hidden_act")) json["hidden_act"] = "silu";
  for (const char* key : {"bos_token_id", "eos_token_id"}) {
    if (!json.contains(key)) json[key] = end_of_text ? Json(*end_of_text) : Json(nullptr);
  }
  return json;
}

void check_model(const DecoderConfig& model, const TrainConfig& config, const Tokenizer& tokenizer) {
  if (tokenizer.vocabulary_size() > model.vocabulary) {
    fail("{}: the tokenizer has {} tokens and the model only {}", config.recipe.string(), tokenizer.vocabulary_size(),
         model.vocabulary);
  }
  if (config.sequence_length > model.max_positions) {
    fail("{}: data.sequence_length {} is longer than the model's {} positions", config.recipe.string(),
         config.sequence_length, model.max_positions);
  }
}

/// Numbers of a normal distribution by Box and Muller 1958.
Tensor normal_numbers(const Shape& shape, uint64_t seed, uint32_t number, double deviation) {
  Tensor x(shape);
  const RandomStream random(seed, 0, number);
  for (int64_t i = 0; i < x.elements(); i += 2) {
    const auto words = random.block(static_cast<uint64_t>(i / 2));
    const double u = (words[0] + 1.0) * 0x1p-32, angle = 2 * std::numbers::pi * words[1] * 0x1p-32;
    const double radius = deviation * std::sqrt(-2 * std::log(u));
    x.f32()[i] = static_cast<float>(radius * std::cos(angle));
    if (i + 1 < x.elements()) x.f32()[i + 1] = static_cast<float>(radius * std::sin(angle));
  }
  return x;
}

/// What a new model starts from: matrices as Transformers' initializer_range, those that write into the residual stream
/// smaller by sqrt(2 · layers) (Radford et al. 2019); norms 1, biases 0.
TrainableParts new_parts(const TrainConfig& config, const Json& json, const DecoderConfig& model) {
  const double range = json_value<double>(json, "initializer_range", 0.02, config.recipe.string() + ": model");
  const double residual = range / std::sqrt(2.0 * static_cast<double>(model.layers));
  auto number = std::make_shared<uint32_t>(0);
  TrainableParts parts;
  parts.values = [=, seed = config.seed](const std::string& name, const Shape& shape) {
    const uint32_t tensor = (*number)++;
    if (shape.size() > 1) {
      const bool writes = name.ends_with("o_proj.weight") || name.ends_with("down_proj.weight");
      return normal_numbers(shape, seed, tensor, writes ? residual : range);
    }
    Tensor x(shape);
    std::fill(x.f32(), x.f32() + x.elements(), name.ends_with("bias") ? 0.0f : 1.0f);
    return x;
  };
  return parts;
}

TrainableParts parts_from(const fs::path& directory) {
  const auto checkpoint = std::make_shared<Checkpoint>(Checkpoint::open(directory));
  TrainableParts parts;
  parts.values = [checkpoint, directory](const std::string& name, const Shape& shape) {
    const Tensor stored = checkpoint->tensor(name);
    if (stored.shape() != shape)
      fail("{}: tensor {} has shape {}, not {}", directory.string(), name, text_of(stored.shape()), text_of(shape));
    const Tensor wide = to_f32(stored);
    Tensor own(shape);
    std::memcpy(own.raw(), wide.raw(), static_cast<size_t>(wide.bytes()));
    checkpoint->drop(name);
    return own;
  };
  return parts;
}

class Run {
 public:
  Run(const TrainConfig& config, Threads& threads, const RunHooks& hooks)
      : c_(config), threads_(threads), hooks_(hooks) {}

  RunResult run(bool resume) {
    const fs::path saved = c_.output / "checkpoint.safetensors";
    const bool there = fs::exists(saved);
    if (there && !resume) {
      fail("{}: a run has left a checkpoint there; go on with it (--resume), or choose another output",
           c_.output.string());
    }
    prepare();
    fs::create_directories(c_.output);
    if (there) state_ = load_checkpoint(saved, *trainer_, state_);
    result_.loss = state_.last_loss;
    log_.emplace(c_.output, trainer_->steps());
    MemoryEstimate memory = estimate_memory(model_, c_);
    memory.other = std::max<int64_t>(0, static_cast<int64_t>(anonymous_bytes()) - memory.weights - memory.optimizer);
    if (hooks_.begin) hooks_.begin(memory, steps_, trainer_->steps());
    result_.tokens_per_second = 0;
    train(saved);
    return finish();
  }

 private:
  void prepare() {
    const Tokenizer tokenizer = Tokenizer::load(c_.tokenizer);
    std::optional<int32_t> end_of_text;
    if (!c_.end_of_text.empty()) {
      end_of_text = tokenizer.id_of(c_.end_of_text);
      if (!end_of_text && !c_.end_of_text_is_default)
        fail("{}: data.end_of_text: the tokenizer has no token {}", c_.recipe.string(), json_text(c_.end_of_text));
    }
    json_ = model_config(c_, tokenizer, end_of_text);
    model_ = read_decoder_config(json_,
                                 c_.from.empty() ? c_.recipe.string() + ": model" : (c_.from / "config.json").string());
    model_.dtype = DType::F32;
    check_model(model_, c_, tokenizer);
    data_ = read_data(c_, tokenizer, end_of_text.value_or(-1), threads_);
    order_.emplace(data_.train->size(), c_.seed, c_.shuffle);
    const int64_t sequences = c_.batch_size * c_.accumulate;
    steps_ = c_.steps > 0 ? c_.steps
                          : std::max<int64_t>(1, std::llround(c_.epochs * static_cast<double>(data_.train->size()) /
                                                              static_cast<double>(sequences)));
    schedule_ = c_.schedule;
    schedule_.total_steps = steps_;
    if (c_.warmup >= 0) schedule_.warmup_steps = std::llround(c_.warmup * static_cast<double>(steps_));
    check(schedule_);
    TrainableParts parts = c_.from.empty() ? new_parts(c_, json_, model_) : parts_from(c_.from);
    precision_ = precision_named(c_.precision);
    const LinearRecipe recipe = precision_.recipe;
    const LinearRecipe head = c_.head || c_.precision == "fp32" ? recipe : recipe_named("bf16").linear;
    parts.recipe = [=](const std::string& module) { return module == kHead ? head : recipe; };
    TrainerOptions options{c_.optimizer, c_.weight_decay, c_.clip, c_.seed, c_.recompute};
    if (!c_.teacher.empty()) options.distillation = {teacher(), c_.distillation_weight, c_.temperature};
    trainer_.emplace(model_, parts, options, threads_);
    for (const Weight& weight : trainer_->model().linears) {
      if (!precision_.scheme || (weight.module() == kHead && !c_.head)) continue;
      make_aware(*weight.trained(), *precision_.scheme, weight.module(), threads_);
    }
    state_.fingerprint = c_.fingerprint;
    state_.data = data_.hash;
  }

  std::shared_ptr<Teacher> teacher() {
    const std::string where = (c_.teacher / "config.json").string();
    DecoderConfig config = read_decoder_config(read_json(c_.teacher / "config.json"), where);
    if (config.vocabulary != model_.vocabulary) {
      fail("{}: the teacher has {} tokens and the student {}; they must be the same", where, config.vocabulary,
           model_.vocabulary);
    }
    if (config.max_positions < c_.sequence_length) {
      fail("{}: data.sequence_length {} is longer than the teacher's {} positions", where, c_.sequence_length,
           config.max_positions);
    }
    TrainableParts parts = parts_from(c_.teacher);
    parts.recipe = [](const std::string&) { return recipe_named("bf16").linear; };
    return std::make_shared<Teacher>(config, parts, threads_);
  }

  std::vector<TokenBatch> batches_of(int64_t step) {
    std::vector<TokenBatch> batches(static_cast<size_t>(c_.accumulate));
    int64_t position = (step - 1) * c_.batch_size * c_.accumulate;
    for (TokenBatch& batch : batches) {
      for (int64_t i = 0; i < c_.batch_size; ++i) {
        const int64_t sequence = order_->at(position++);
        batch.inputs.push_back(data_.train->inputs(sequence));
        batch.targets.push_back(data_.train->targets(sequence));
      }
    }
    return batches;
  }

  double validation_loss() {
    double sum = 0;
    const int64_t n = data_.validation->size();
    for (int64_t begin = 0; begin < n; begin += c_.batch_size) {
      TokenBatch batch;
      for (int64_t i = begin; i < std::min(n, begin + c_.batch_size); ++i) {
        batch.inputs.push_back(data_.validation->inputs(i));
        batch.targets.push_back(data_.validation->targets(i));
      }
      sum += trainer_->loss(batch) * static_cast<double>(batch.inputs.size());
    }
    return sum / static_cast<double>(n);
  }

  void train(const fs::path& saved) {
    const int64_t tokens = c_.batch_size * c_.accumulate * c_.sequence_length;
    double seconds = 0;
    int64_t timed = 0;
    while (trainer_->steps() < steps_ && !result_.stopped_early) {
      const auto batches = batches_of(trainer_->steps() + 1);
      const double learning_rate = c_.learning_rate * schedule_.factor(trainer_->steps() + 1);
      const auto start = Clock::now();
      const Trainer::Step step = trainer_->step(batches, learning_rate);
      seconds += seconds_since(start);
      ++timed;
      check_course(step.loss);
      RunProgress p{trainer_->steps(), steps_, step.loss, learning_rate, step.gradient_norm};
      p.tokens_per_second = static_cast<double>(timed * tokens) / seconds;
      p.seconds_left = static_cast<double>((steps_ - p.step) * tokens) / p.tokens_per_second;
      const bool validates =
          data_.validation && c_.validate_every > 0 && (p.step % c_.validate_every == 0 || p.step == steps_);
      if (validates) p.validation_loss = validate();
      tell(p, validates);
      result_.loss = state_.last_loss = step.loss;
      result_.tokens_per_second = p.tokens_per_second;
      const bool last = p.step == steps_ || result_.stopped_early;
      if (last || (c_.checkpoint_every > 0 && p.step % c_.checkpoint_every == 0))
        save_checkpoint(saved, *trainer_, state_);
    }
    result_.seconds = seconds;
    result_.tokens = timed * tokens;
  }

  double validate() {
    const double loss = validation_loss();
    const bool better = state_.best_loss == 0 || loss < state_.best_loss;
    if (better) state_.best_loss = loss;
    state_.validations_since_best = better ? 0 : state_.validations_since_best + 1;
    result_.stopped_early = c_.patience > 0 && state_.validations_since_best >= c_.patience;
    result_.validation_loss = loss;
    return loss;
  }

  void tell(const RunProgress& p, bool validates) {
    std::vector<Scalar> scalars = {{"train/loss", p.loss},
                                   {"train/learning_rate", p.learning_rate},
                                   {"train/gradient_norm", p.gradient_norm},
                                   {"train/tokens_per_second", p.tokens_per_second}};
    if (validates) scalars.push_back({"validation/loss", p.validation_loss});
    log_->record(p.step, scalars);
    if (hooks_.progress && (validates || p.step % c_.log_every == 0 || p.step == steps_)) hooks_.progress(p);
  }

  /// A loss far above where it began does not come back: the step is named before the checkpoint is written over.
  void check_course(double loss) {
    constexpr double kMemory = 0.9, kFar = 1.5;
    if (state_.first_loss == 0) state_.first_loss = state_.smooth_loss = loss;
    state_.smooth_loss = kMemory * state_.smooth_loss + (1 - kMemory) * loss;
    if (state_.smooth_loss <= kFar * state_.first_loss + 1) return;
    std::string largest;
    double most = -1;
    for (const Parameter& p : trainer_->model().parameters) {
      const auto n = static_cast<size_t>(p.value.elements());
      const double mean = sum_of_squares({p.value.f32(), n}, threads_) / static_cast<double>(n);
      if (mean > most) most = mean, largest = p.name;
    }
    fail(
        "step {}: the loss has risen from {:.4g} to {:.4g} and {} has grown to {:.3g} in the mean; lower the learning "
        "rate{}",
        trainer_->steps(), state_.first_loss, loss, largest, std::sqrt(most),
        fs::exists(c_.output / "checkpoint.safetensors") ? " (the last good checkpoint is kept)" : "");
  }

  RunResult finish() {
    if (data_.validation && result_.validation_loss == 0) result_.validation_loss = validation_loss();
    Json json = json_;
    json["dtype"] = json["torch_dtype"] = c_.dtype == DType::F32 ? "float32" : "bfloat16";
    json.erase("quantization_config");
    result_.directory = c_.output / "model";
    const fs::path plain = precision_.scheme ? c_.output / "model.plain" : result_.directory;
    save_model(plain, trainer_->model(), json.dump(2, ' ', true) + "\n", c_.dtype, c_.tokenizer, true);
    if (precision_.scheme) compress_result(plain);
    result_.steps = trainer_->steps();
    return result_;
  }

  /// The scheme that was trained for, with the input ranges that were seen.
  void compress_result(const fs::path& plain) {
    CompressOptions options;
    options.model = plain;
    options.output = result_.directory;
    options.scheme = precision_.scheme;
    options.include_head = c_.head;
    options.force = true;
    options.command = fmt::format("octet train {}", c_.recipe.string());
    if (precision_.scheme->needs_calibration()) options.calibration = c_.train.front();
    const Checkpoint checkpoint = Checkpoint::open(plain);
    const Plan plan = make_plan(checkpoint, options);
    Calibration calibration;
    for (const Weight& weight : trainer_->model().linears) {
      const auto& [low, high] = weight.trained()->input_range;
      if (weight.trained()->static_input) calibration.ranges.inputs[weight.module()] = SeenRange{low, high};
    }
    compress(
        checkpoint, plan, options, [&](const WorkPlace&) { return calibration; }, threads_, [](int64_t) {});
    fs::remove_all(plain);
  }

  const TrainConfig& c_;
  Threads& threads_;
  const RunHooks& hooks_;
  Json json_;
  Precision precision_;
  DecoderConfig model_;
  TokenData data_;
  std::optional<ExampleOrder> order_;
  std::optional<Trainer> trainer_;
  std::optional<TrainingLog> log_;
  Schedule schedule_;
  RunState state_;
  RunResult result_;
  int64_t steps_ = 0;
};

}  // namespace

RunResult run_training(const TrainConfig& config, bool resume, Threads& threads, const RunHooks& hooks) {
  return Run(config, threads, hooks).run(resume);
}

}  // namespace octet::train
