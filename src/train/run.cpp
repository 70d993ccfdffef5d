#include "train/run.h"

#include <chrono>
#include <cmath>

#include "base/deferred_end.h"
#include "base/error.h"
#include "base/file_lock.h"
#include "base/memory.h"
#include "base/output.h"
#include "train/checkpoint.h"
#include "train/course.h"
#include "train/log.h"
#include "train/misfits.h"
#include "train/quantize_model.h"
#include "train/save_model.h"
#include "train/setup.h"

namespace octet::train {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr double kSecondsBetweenCheckpoints = 300;  // where the recipe gives no number of steps

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The trainer of a setup, its linears in the precision.
std::unique_ptr<Trainer> make_trainer(const TrainConfig& c, const Precision& precision, const Setup& setup,
                                      Threads& threads, Processes& processes, int64_t steps_before = 0) {
  const TrainerOptions options{c.optimizer, c.weight_decay, c.clip, c.seed, c.reduce_dtype, steps_before};
  auto trainer = std::make_unique<Trainer>(setup.learner, options, threads, &processes);
  if (!precision.scheme) return trainer;
  for (const Weight& weight : trainer->model().linears) {
    if (weight.module() == "lm_head" && !c.head) continue;
    const auto codes = setup.codes ? setup.codes(weight.module()) : std::nullopt;
    const bool same = codes && codes->weights == precision.scheme->weights_of(weight.columns()) &&
                      codes->activations == precision.scheme->activations;
    trainer->learn(make_aware(*weight.trained(), precision, c.dtype, weight.module(), trainer->tape(), threads,
                              same ? &*codes : nullptr));
  }
  return trainer;
}

class Run {
 public:
  Run(const TrainConfig& config, Threads& threads, const RunHooks& hooks, Processes& processes)
      : c_(config),
        threads_(threads),
        hooks_(hooks),
        processes_(processes),
        saved_(config.output / "checkpoint.safetensors") {}

  RunResult run(bool resume) {
    const bool there = fs::exists(saved_);
    if (there && !resume) {
      fail("{}: a run has left a checkpoint there; go on with it (--resume), or choose another output",
           c_.output.string());
    }
    if (processes_.first()) take_output();
    prepare();
    if (there && quantizes_ && steps_of_checkpoint(saved_, state_) > float_steps_) resume_quantized();
    if (there) state_ = load_checkpoint(saved_, *trainer_, state_);
    if (trainer_->steps() < 0 || trainer_->steps() > steps_)
      fail("{}: it is of step {}, and the run has {}", saved_.string(), trainer_->steps(), steps_);
    processes_.check_agreement(fmt::format("{} {} {}", state_.fingerprint, state_.data, trainer_->steps()),
                               "recipe, text or checkpoint");
    result_.loss = state_.last_loss;
    if (processes_.first()) log_.emplace(c_.output, trainer_->steps());
    MemoryEstimate memory = setup_.memory;
    return_freed_memory();
    memory.other = std::max<int64_t>(0, static_cast<int64_t>(anonymous_bytes()) - memory.weights - memory.optimizer);
    if (processes_.first() && hooks_.begin) hooks_.begin({memory, steps_, steps_ - float_steps_, trainer_->steps()});
    train();
    return result_.signal != 0 ? result_ : finish();
  }

 private:
  /// Nothing may stand in the way of what is written after hours, and no other run.
  void take_output() {
    std::error_code error;
    fs::create_directories(c_.output, error);
    if (error) fail("{}: cannot be made: {}", c_.output.string(), error.message());
    lock_.emplace(c_.output);
    for (const char* name : {"model", "float", "quantized"}) check_replaceable(c_.output / name);
  }

  void prepare() {
    precision_ = precision_named(c_.precision);
    setup_ = set_up(c_, precision_, threads_);
    const int64_t examples = setup_.train->size();
    order_.emplace(examples, c_.seed, c_.shuffle);
    steps_ = c_.steps > 0 ? c_.steps
                          : std::max<int64_t>(1, std::llround(c_.epochs * static_cast<double>(examples) /
                                                              static_cast<double>(c_.batch_size * c_.accumulate)));
    schedule_ = c_.schedule;
    schedule_.total_steps = steps_;
    if (c_.warmup >= 0) schedule_.warmup_steps = std::llround(c_.warmup * static_cast<double>(steps_));
    check_schedule();
    const auto more = quantized_steps(c_, precision_, steps_);
    quantizes_ = more.has_value();
    float_steps_ = steps_;
    steps_ += more.value_or(0);
    trainer_ = make_trainer(c_, quantizes_ ? precision_named("bf16") : precision_, setup_, threads_, processes_);
    state_.fingerprint = c_.fingerprint;
    state_.data = setup_.data_hash;
  }

  void check_schedule() const {
    try {
      check(schedule_);
    } catch (const Error& e) {
      fail("{}: schedule: {}", c_.recipe.string(), e.what());
    }
  }

  /// Compresses the model that all float steps have made, and goes on with what it has become.
  void quantize() {
    const int64_t step = trainer_->steps();
    if (processes_.first()) {
      save_checkpoint(saved_, *trainer_, state_);
      if (hooks_.quantize) hooks_.quantize(step);
      save_float_model(float_model(c_), c_, trainer_->model(), setup_.config_json, setup_.tokenizer);
    }
    trainer_.reset();
    return_freed_memory();
    if (processes_.first()) compress_float_model(c_, precision_, threads_);
    processes_.check_agreement(fmt::format("step {}", step), "quantized model");  // the others wait for it
    go_on_quantized(step);
    state_.best_loss = 0;
    state_.validations_since_best = 0;
    state_.first_loss = 0;
    result_.validation_loss = 0;
  }

  /// What keeps the models of the run from being read is no download.
  void resume_quantized() {
    try {
      go_on_quantized(float_steps_);
    } catch (const Error& e) {
      fail("{}: the models of the run are damaged or missing; begin anew in another output directory ({})",
           c_.output.string(), e.what());
    }
  }

  void go_on_quantized(int64_t step) {
    quantized_ = quantized_config(c_);
    return_freed_memory();
    replace_language_model(setup_, *quantized_, precision_, threads_);
    order_.emplace(setup_.train->size(), c_.seed, c_.shuffle);
    state_.models = hash_of_models(c_);
    trainer_ = make_trainer(*quantized_, precision_, setup_, threads_, processes_, step);
    freeze_all_but_quantized(*trainer_);
    quantized_schedule_.total_steps = std::max<int64_t>(1, steps_ - float_steps_);
    quantized_schedule_.warmup_steps = quantized_schedule_.total_steps / 10;  // Adam has no moments yet
    if (quantized_->quantized_rate == 0) quantized_->quantized_rate = quantized_rate(trainer_->model());
  }

  double learning_rate(int64_t step) const {
    if (!quantized_) return c_.learning_rate * schedule_.factor(step);
    return quantized_->quantized_rate * quantized_schedule_.factor(step - float_steps_);
  }

  /// The micro-batches of this process: every process takes the next one in turn.
  std::vector<Batch> batches_of(int64_t step) {
    std::vector<Batch> batches;
    for (int64_t i = processes_.rank(); i < c_.accumulate; i += processes_.count()) {
      int64_t position = ((step - 1) * c_.accumulate + i) * c_.batch_size;
      std::vector<int64_t> numbers(static_cast<size_t>(c_.batch_size));
      for (int64_t& number : numbers) number = order_->at(position++);
      batches.push_back(setup_.train->batch(numbers));
    }
    return batches;
  }

  /// Of examples begin … begin + batch_size - 1, the loss summed over them.
  Score score_from(int64_t begin) {
    const int64_t end = std::min(setup_.validation->size(), begin + c_.batch_size);
    std::vector<int64_t> numbers;
    for (int64_t i = begin; i < end; ++i) numbers.push_back(i);
    Score score = trainer_->score(setup_.validation->batch(numbers));
    score.loss *= static_cast<double>(numbers.size());
    return score;
  }

  /// The processes take batches in turn; they are added up in their order.
  Score validation_score() {
    const int64_t n = setup_.validation->size(), batches = (n + c_.batch_size - 1) / c_.batch_size;
    const int64_t turns = (batches + processes_.count() - 1) / processes_.count();
    std::vector<Score> own;
    for (int64_t turn = 0; turn < turns; ++turn) {
      const int64_t batch = turn * processes_.count() + processes_.rank();
      own.push_back(batch < batches ? score_from(batch * c_.batch_size) : Score());
    }
    const auto all = in_turns(processes_.gathered(std::span<const Score>(own)), own.size());
    Score sum{0, all[0].correct < 0 ? -1 : 0};
    for (int64_t batch = 0; batch < batches; ++batch) {
      const Score& score = all[static_cast<size_t>(batch)];
      sum.loss += score.loss;
      if (sum.correct >= 0) sum.correct += score.correct;
    }
    return {sum.loss / static_cast<double>(n), sum.correct};
  }

  /// Measures the validation data into the result.
  void measure() {
    const Score score = validation_score();
    result_.validation_loss = score.loss;
    if (score.correct >= 0)
      result_.validation_accuracy = static_cast<double>(score.correct) / static_cast<double>(setup_.validation->size());
  }

  void train() {
    double seconds = 0, seconds_before = 0;  // of steps; before the model was compressed
    int64_t timed = 0, tokens = 0;
    auto saved_at = Clock::now();
    std::optional<DeferredEnd> deferred(std::in_place);
    while (trainer_->steps() < steps_ && !result_.stopped_early) {
      if (quantizes_ && !quantized_ && trainer_->steps() == float_steps_) {
        deferred.reset();  // the checkpoint is of this step
        quantize();
        deferred.emplace();
        seconds_before = std::exchange(seconds, 0);
        timed = 0;
      }
      const auto batches = batches_of(trainer_->steps() + 1);
      const double rate = learning_rate(trainer_->steps() + 1);
      const auto start = Clock::now();
      watch_misfits(*trainer_, (trainer_->steps() + 1) % c_.log_every == 0);
      const Trainer::Step step = trainer_->step(batches, rate);
      seconds += seconds_since(start);
      ++timed;
      tokens += tokens_of(batches);
      const std::string kept = fs::exists(saved_) ? " (the last good checkpoint is kept)" : "";
      if (quantized_)
        check_divergence(state_, step.loss, trainer_->steps(), *quantized_);
      else
        check_loss(state_, step.loss, *trainer_, kept, threads_);
      RunProgress p{trainer_->steps(), steps_, step.loss, rate, step.gradient_norm};
      p.quantized = quantized_.has_value();
      p.tokens_per_second = static_cast<double>(tokens) / (seconds_before + seconds);
      p.seconds_left = seconds / static_cast<double>(timed) * steps_left(p.step);
      if (setup_.validation && c_.validate_every > 0 && (p.step % c_.validate_every == 0 || p.step == steps_)) {
        validate(p);
      }
      tell(p);
      (quantized_ ? result_.divergence : state_.last_loss) = step.loss;
      result_.loss = state_.last_loss;
      result_.steps = p.step;
      result_.signal = signal_in_any();
      const bool last = p.step == steps_ || result_.stopped_early || result_.signal != 0;
      const bool due = c_.checkpoint_every > 0 ? p.step % c_.checkpoint_every == 0
                                               : seconds_since(saved_at) >= kSecondsBetweenCheckpoints;
      if (processes_.first() && (last || due)) {
        save_checkpoint(saved_, *trainer_, state_);
        saved_at = Clock::now();
      }
      if (result_.signal != 0) break;
    }
    seconds += seconds_before;
    result_.seconds = seconds;
    result_.tokens = tokens;
    result_.tokens_per_second = seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
  }

  /// A signal that asked one of the processes to end; 0: none.
  int signal_in_any() {
    const int64_t own = DeferredEnd::signal();
    const auto all = processes_.gathered(std::span<const int64_t>(&own, 1));
    return static_cast<int>(*std::max_element(all.begin(), all.end()));
  }

  /// Of all processes.
  int64_t tokens_of(std::span<const Batch> batches) {
    int64_t own = 0, sum = 0;
    for (const Batch& batch : batches) own += batch.tokens();
    for (const int64_t tokens : processes_.gathered(std::span<const int64_t>(&own, 1))) sum += tokens;
    return sum;
  }

  /// Those of the compressed model, with its teacher, counted as what they take in steps of the others.
  double steps_left(int64_t step) const {
    constexpr double kWithTeacher = 1.6;
    const auto own = static_cast<double>(std::max<int64_t>(0, float_steps_ - step));
    const auto quantized = static_cast<double>(steps_ - std::max(step, float_steps_));
    return own + quantized * (quantized_ ? 1 : kWithTeacher);
  }

  void validate(RunProgress& p) {
    measure();
    p.validation_loss = result_.validation_loss;
    p.validation_accuracy = result_.validation_accuracy;
    const bool better = state_.best_loss == 0 || p.validation_loss < state_.best_loss;
    if (better) state_.best_loss = p.validation_loss;
    state_.validations_since_best = better ? 0 : state_.validations_since_best + 1;
    result_.stopped_early = c_.patience > 0 && state_.validations_since_best >= c_.patience;
  }

  void tell(const RunProgress& p) {
    if (!processes_.first()) return;
    const bool validated = p.validation_loss > 0;
    std::vector<Scalar> scalars = {{p.quantized ? "train/divergence" : "train/loss", p.loss},
                                   {"train/learning_rate", p.learning_rate},
                                   {"train/gradient_norm", p.gradient_norm},
                                   {"train/tokens_per_second", p.tokens_per_second}};
    if (validated) scalars.push_back({"validation/loss", p.validation_loss});
    if (p.validation_accuracy >= 0) scalars.push_back({"validation/accuracy", p.validation_accuracy});
    const auto misfits = misfit_shares(*trainer_);
    for (const MisfitShare& m : misfits) scalars.push_back({m.tag, m.share});
    log_->record(p.step, scalars);
    if (hooks_.step) hooks_.step();
    if (hooks_.progress && (validated || p.step % c_.log_every == 0 || p.step == steps_)) hooks_.progress(p);
  }

  RunResult finish() {
    if (quantizes_ && !quantized_) quantize();
    if (setup_.validation && result_.validation_loss == 0) measure();
    if (!processes_.first()) return result_;
    result_.directory = save_result(quantized_.value_or(c_), precision_, trainer_->model(), setup_.config_json,
                                    setup_.tokenizer, threads_);
    return result_;
  }

  const TrainConfig& c_;
  Threads& threads_;
  const RunHooks& hooks_;
  Processes& processes_;
  const fs::path saved_;
  std::optional<FileLock> lock_;
  Precision precision_;
  Setup setup_;
  std::optional<ExampleOrder> order_;
  std::unique_ptr<Trainer> trainer_;
  std::optional<TrainingLog> log_;
  Schedule schedule_;
  bool quantizes_ = false;                // after float_steps_
  std::optional<TrainConfig> quantized_;  // what the recipe says since then
  Schedule quantized_schedule_;
  RunState state_;
  RunResult result_;
  int64_t steps_ = 0, float_steps_ = 0;  // all, and those before the model is compressed
};

}  // namespace

RunResult run_training(const TrainConfig& config, bool resume, Threads& threads, const RunHooks& hooks,
                       Processes* processes) {
  const auto alone = single_process();
  return Run(config, threads, hooks, processes ? *processes : *alone).run(resume);
}

}  // namespace octet::train
