#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/error.h"
#include "base/escape.h"
#include "base/memory.h"
#include "base/output.h"
#include "base/progress.h"
#include "base/units.h"
#include "cli/eval_classifier.h"
#include "cli/eval_report.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "eval/perplexity.h"
#include "eval/runs.h"
#include "report/text_table.h"

namespace octet::cli {
namespace {

struct Options {
  ModelOptions model;
  std::string text, data, baseline, report;
  PerplexityOptions perplexity;
};

double tokens_per_second(const Scores& scores) {
  return static_cast<double>(scores.nll.size()) / std::max(scores.seconds, 1e-9);
}

Json json_of(const Scores& scores, int64_t bytes) {
  return {{"perplexity", scores.perplexity},
          {"nll", scores.mean_nll},
          {"tokens", scores.nll.size()},
          {"logits_sha256", scores.logits_sha256},
          {"seconds", scores.seconds},
          {"tokens_per_second", tokens_per_second(scores)},
          {"bytes", bytes}};
}

std::vector<std::string> row_of(const std::string& name, const Scores& scores, int64_t bytes) {
  return {name, human_bytes(static_cast<double>(bytes)), fmt::format("{:.4f}", scores.perplexity),
          fmt::format("{:.5f}", scores.mean_nll), fmt::format("{:.0f}", tokens_per_second(scores))};
}

const std::vector<std::string> kHeading = {"model", "size", "perplexity", "nll", "tokens/s"};

void print_comparison(const Comparison& c, const Model& model, const Model& baseline, const std::string& name) {
  report::TextTable table(kHeading);
  table.add(row_of(baseline.directory.string(), c.baseline, baseline.decoder.weight_bytes));
  table.add(row_of(name, c.model, model.decoder.weight_bytes));
  print(table.text(Paint(1)));
  print(fmt::format(
      "\n{} tokens\nperplexity ratio  {:.5f}  (95 % between {:.5f} and {:.5f})\nKL divergence     {:.6f} nats\n"
      "top-1 agreement   {:.2f} %\n",
      c.model.nll.size(), c.ratio, c.ratio_low, c.ratio_high, c.mean_kl, 100 * c.top1_agreement));
}

Json json_of(const Comparison& c, const Model& model, const Model& baseline) {
  Json json = json_of(c.model, model.decoder.weight_bytes);
  json["kl_divergence"] = c.mean_kl;
  json["top1_agreement"] = c.top1_agreement;
  json["perplexity_ratio"] = c.ratio;
  json["perplexity_ratio_95"] = {c.ratio_low, c.ratio_high};
  json["baseline"] = json_of(c.baseline, baseline.decoder.weight_bytes);
  return json;
}

// Means over the runs that the text was cut into: two models' differences can be paired by them.
Json runs_of(const std::vector<float>& values, const Runs& runs) {
  Json means = Json::array();
  for (int64_t run = 0; run < runs.count(); ++run) {
    const auto first = values.begin() + runs.begin(run);
    means.push_back(std::accumulate(first, first + runs.length(run), 0.0) / static_cast<double>(runs.length(run)));
  }
  return means;
}

Json runs_of(const EvalReport& page, const Runs& runs) {
  Json tokens = Json::array();
  for (int64_t run = 0; run < runs.count(); ++run) tokens.push_back(runs.length(run));
  Json json{{"tokens", tokens}, {"nll", runs_of(page.scores.nll, runs)}};
  if (page.comparison) {
    json["kl_divergence"] = runs_of(page.comparison->kl, runs);
    json["baseline_nll"] = runs_of(page.comparison->baseline.nll, runs);
  }
  return json;
}

// What a progress bar counts: a baseline doubles the work, not the tokens.
PerplexityOptions with_progress(PerplexityOptions options, Progress& progress) {
  options.progress = [&progress](int64_t tokens) { progress.advance(static_cast<uint64_t>(tokens)); };
  return options;
}

// Known before hours of work, not after.
void check_report(const std::string& file) {
  const auto folder = std::filesystem::path(file).parent_path();
  if (!folder.empty() && !std::filesystem::is_directory(folder)) {
    fail("{}: there is no such directory for the report", printable(folder.string()));
  }
}

int eval(const Options& options, const Common& common) {
  const auto classifier = classifier_line(options.model.model);
  if (classifier && options.data.empty()) fail("{}", *classifier);
  if (classifier) return eval_classifier(options.model.model, options.data, common);
  if (!options.data.empty()) throw UsageError("--data is for classifiers; this model predicts a --text");
  if (options.text.empty()) throw UsageError("--text is required");
  check_report(options.report);
  PeakMemory memory;
  Threads threads(common.threads);
  const std::string text = read_text(options.text);
  const Model model = load_model(options.model, threads);
  const auto tokens = model.tokenizer.encode(text);
  PerplexityOptions perplexity = options.perplexity;
  perplexity.cache = options.model.kv_cache;
  perplexity.context = std::min(perplexity.context, model.decoder.config.max_positions);
  Context ctx(threads);
  const std::string name =
      options.model.scheme.empty() ? options.model.model : options.model.model + " as " + options.model.scheme;

  Json json;
  EvalReport page{name, options.text, perplexity.context};
  if (options.baseline.empty()) {
    Progress progress("scoring", tokens.size(), "tokens");
    page.scores = score(ctx, model, tokens, with_progress(perplexity, progress));
    page.bytes = model.decoder.weight_bytes;
    json = json_of(page.scores, page.bytes);
    if (!common.json) {
      report::TextTable table(kHeading);
      table.add(row_of(name, page.scores, page.bytes));
      print(table.text(Paint(1)));
      print(fmt::format("\n{} tokens\n", tokens.size()));
    }
  } else {
    const Model baseline = load_plain_model(options.baseline, threads);
    Progress progress("scoring both", tokens.size(), "tokens");
    page.comparison = compare(ctx, model, baseline, tokens, with_progress(perplexity, progress));
    page.scores = page.comparison->model;
    page.bytes = model.decoder.weight_bytes;
    page.baseline_name = options.baseline;
    page.baseline_bytes = baseline.decoder.weight_bytes;
    json = json_of(*page.comparison, model, baseline);
    if (!common.json) print_comparison(*page.comparison, model, baseline, name);
  }
  if (!options.report.empty()) write_file_atomically(options.report, eval_report(page));
  json["runs"] = runs_of(page, Runs(tokens, perplexity.context));
  json["peak_memory_bytes"] = memory.peak_anonymous_bytes();
  json["peak_rss_bytes"] = peak_rss_bytes();
  if (common.json) print_json(json);
  return 0;
}

}  // namespace

Run add_eval(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  add_model_options(app, options->model);
  auto* text = app.add_option("--text", options->text, "the text to predict; - for standard input")->type_name("FILE");
  app.add_option("--data", options->data, "of a classifier: labelled documents, JSONL or TSV")
      ->type_name("FILE.tsv")
      ->excludes(text);
  app.add_option("--baseline", options->baseline,
                 "compare with this model: KL divergence, top-1 agreement, perplexity ratio")
      ->type_name("MODEL");
  app.add_option("--report", options->report, "write a page with tables and plots")->type_name("FILE.html");
  const auto number = [&](const char* name, int64_t& value, int64_t least, const char* help) {
    app.add_option(name, value, help)
        ->type_name("N")
        ->check(CLI::Range(least, int64_t{1} << 24))
        ->capture_default_str();
  };
  number("--context", options->perplexity.context, 2, "positions of a run of text (at most the model's)");
  number("--chunk", options->perplexity.chunk, 1, "tokens that go through the model at once");
  number("--batch", options->perplexity.batch, 1, "runs that go through the model together");
  return [options](const Common& common) { return eval(*options, common); };
}

}  // namespace octet::cli
