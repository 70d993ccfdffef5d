#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/escape.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/units.h"
#include "cli/output.h"
#include "cli/train_compare.h"
#include "cli/verbs.h"
#include "train/recipe/recipe.h"
#include "train/run.h"

namespace octet::cli {
namespace {

struct Options {
  std::string recipe, report;
  std::vector<std::string> compare;
  bool resume = false;
};

std::string memory_line(const train::MemoryEstimate& m) {
  const auto text = [](int64_t bytes) { return human_bytes(static_cast<double>(bytes)); };
  return fmt::format(
      "{} parameters; memory about {}: weights {}, gradients {}, optimizer {}, activations {}, operands {}, {}program "
      "and text {}",
      human_count(static_cast<double>(m.parameters)), text(m.total()), text(m.weights), text(m.gradients),
      text(m.optimizer), text(m.activations), text(m.operands),
      m.teacher > 0 ? fmt::format("teacher {}, ", text(m.teacher)) : "", text(m.other));
}

std::string steps_line(const train::RunPlan& plan) {
  const int64_t own = plan.steps - plan.quantized_steps;
  std::string text = fmt::format("{} step{}", own, own == 1 ? "" : "s");
  if (plan.quantized_steps > 0) text += fmt::format(", then {} of the compressed model", plan.quantized_steps);
  return plan.resumed_at > 0 ? fmt::format("going on after step {} of {}", plan.resumed_at, plan.steps) : text;
}

std::string progress_text(const train::RunProgress& p) {
  const std::string loss = p.quantized ? fmt::format("divergence {:.2e}", p.loss) : fmt::format("loss {:.4f}", p.loss);
  std::string text = fmt::format("step {}/{}  {}", p.step, p.steps, loss);
  if (p.validation_loss > 0) text += fmt::format("  validation {:.4f}", p.validation_loss);
  if (p.validation_accuracy >= 0) text += fmt::format("  accuracy {:.2f} %", 100 * p.validation_accuracy);
  return text + fmt::format("  rate {:.2e}  {} tokens/s  {}  {} left", p.learning_rate,
                            human_count(p.tokens_per_second), human_bytes(static_cast<double>(anonymous_bytes())),
                            clock_time(p.seconds_left));
}

int train_model(const Options& options, const Common& common) {
  PeakMemory memory;
  const auto processes = train::join_processes();
  const train::TrainConfig config = train::read_train_config(options.recipe, processes->count());
  Threads threads(common.threads);
  std::optional<Progress> bar;
  train::RunHooks hooks;
  hooks.begin = [&](const train::RunPlan& plan) {
    print_notice(memory_line(plan.memory));
    if (options.resume && plan.resumed_at == 0)
      print_notice(
          fmt::format("{}: there is no checkpoint; beginning with the first step", printable(config.output.string())));
    print_notice(steps_line(plan));
    bar.emplace("training", static_cast<uint64_t>(plan.steps - plan.resumed_at), "steps");
  };
  hooks.step = [&] { bar->advance(); };
  hooks.quantize = [&](int64_t step) {
    print_notice(fmt::format("step {}: compressing the model, which then learns from its own float form ({})", step,
                             printable((config.output / "float").string())));
  };
  hooks.progress = [](const train::RunProgress& p) { print_notice(progress_text(p)); };
  const train::RunResult result = train::run_training(config, options.resume, threads, hooks, processes.get());
  bar.reset();
  if (result.signal != 0) {
    if (processes->first())
      print_notice(fmt::format("octet: stopped after step {}; octet train {} --resume goes on", result.steps,
                               printable(options.recipe)));
    return 128 + result.signal;
  }
  if (!processes->first()) return 0;
  if (common.json) {
    print_json({{"loss", result.loss},
                {"divergence", result.divergence >= 0 ? Json(result.divergence) : Json(nullptr)},
                {"validation_loss", result.validation_loss > 0 ? Json(result.validation_loss) : Json(nullptr)},
                {"validation_accuracy", result.validation_accuracy >= 0 ? Json(result.validation_accuracy) : Json()},
                {"steps", result.steps},
                {"tokens", result.tokens},
                {"tokens_per_second", result.tokens_per_second},
                {"seconds", result.seconds},
                {"stopped_early", result.stopped_early},
                {"peak_memory_bytes", memory.peak_anonymous_bytes()},
                {"peak_rss_bytes", peak_rss_bytes()},
                {"directory", result.directory.string()}});
    return 0;
  }
  std::string text =
      fmt::format("{}: {} step{}{}, loss {:.4f}", printable(result.directory.string()), result.steps,
                  result.steps == 1 ? "" : "s", result.stopped_early ? " (stopped early)" : "", result.loss);
  if (result.validation_loss > 0) text += fmt::format(", validation loss {:.4f}", result.validation_loss);
  if (result.validation_accuracy >= 0) text += fmt::format(", accuracy {:.2f} %", 100 * result.validation_accuracy);
  print(text + fmt::format(", {} tokens/s, {} of memory\n", human_count(result.tokens_per_second),
                           human_bytes(static_cast<double>(memory.peak_anonymous_bytes()))));
  return 0;
}

constexpr const char* kSmallRecipe = R"(

A recipe, with all that it must say (octet train-tokenizer makes a tokenizer)
  output: runs/stories
  tokenizer: tokenizer
  model: {hidden_size: 256, intermediate_size: 640, num_hidden_layers: 4, num_attention_heads: 4}
  precision: bf16
  data: {train: stories.txt, sequence_length: 256}
  steps: 500)";

std::string precision_table() {
  std::string text = "\n\nPrecisions";
  for (const train::Recipe& recipe : train::recipes()) text += fmt::format("\n  {:<12} {}", recipe.name, recipe.help);
  return text +
         "\n  qat:SCHEME   quantization-aware for a scheme of octet compress; +lsq learns step sizes, +pact clipping"
         "\n\nEvery field of a recipe is in docs/training.md.";
}

}  // namespace

Run add_train(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  auto* recipe = app.add_option("RECIPE", options->recipe, "a YAML file: model, data, precision, optimizer")
                     ->type_name("FILE.yaml");
  auto* resume =
      app.add_flag("--resume", options->resume, "go on from the checkpoint in the recipe's output directory");
  auto* compare = app.add_option("--compare", options->compare,
                                 "compare runs instead, by their output directories; gaps are those to the first")
                      ->type_name("RUN")
                      ->excludes(recipe)
                      ->excludes(resume);
  app.add_option("--report", options->report, "with --compare: write a page with the curves over each other")
      ->type_name("FILE.html")
      ->needs(compare);
  app.footer(app.get_footer() + kSmallRecipe + precision_table());
  return [options](const Common& common) {
    if (!options->compare.empty()) return compare_runs(options->compare, options->report, common);
    if (options->recipe.empty()) throw UsageError("give a RECIPE to train by, or --compare and the runs to compare");
    return train_model(*options, common);
  };
}

}  // namespace octet::cli
