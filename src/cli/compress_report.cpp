#include "cli/compress_report.h"

#include <numeric>

#include "base/error.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/output.h"
#include "base/progress.h"
#include "base/units.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "report/html.h"
#include "report/svg_bar.h"
#include "report/svg_histogram.h"
#include "report/svg_line.h"
#include "report/svg_scatter.h"

namespace octet::cli {
namespace {

using namespace report;

constexpr size_t kWorst = 20, kOutliers = 12;
constexpr size_t kTextBefore = 12;  // tokens

std::string size_text(double bytes) {
  return human_bytes(bytes);
}

double decibels(double noise) {
  return noise > 0 ? -10 * std::log10(noise) : std::nan("");
}

void add_key_numbers(Page& page, const CompressReport& r) {
  const Comparison& c = r.comparison;
  const double before = static_cast<double>(r.bytes_before), after = static_cast<double>(r.bytes_after);
  page.key_numbers(
      {{"Size", size_text(after), fmt::format("{:.1f} % of {}", 100 * after / before, size_text(before))},
       {"Perplexity", fmt::format("{:.4f}", c.model.perplexity),
        fmt::format("{:+.3f} %, 95 % between {:+.3f} and {:+.3f} %", 100 * (c.ratio - 1), 100 * (c.ratio_low - 1),
                    100 * (c.ratio_high - 1))},
       {"KL divergence", fmt::format("{:.2e}", c.mean_kl), "nats a token, from the model before"},
       {"Same first choice", fmt::format("{:.2f} %", 100 * c.top1_agreement), "of all positions"},
       {"Decoding", fmt::format("{:.0f} tokens/s", r.speed_after.decode_tokens_per_second),
        fmt::format("{:.0f} before", r.speed_before.decode_tokens_per_second)},
       {"Compressing took", human_seconds(r.seconds), human_bytes(static_cast<double>(r.peak_memory)) + " of memory"}});
}

void add_side_by_side(Page& page, const CompressReport& r) {
  const Comparison& c = r.comparison;
  Table table{{"", "before", "after"}, {}};
  const auto row = [&](const char* name, const std::string& before, const std::string& after) {
    table.rows.push_back({name, before, after});
  };
  row("size", size_text(static_cast<double>(r.bytes_before)), size_text(static_cast<double>(r.bytes_after)));
  row("perplexity", fmt::format("{:.4f}", c.baseline.perplexity), fmt::format("{:.4f}", c.model.perplexity));
  row("loss, nats a token", fmt::format("{:.5f}", c.baseline.mean_nll), fmt::format("{:.5f}", c.model.mean_nll));
  row("prefill, tokens/s", fmt::format("{:.0f}", r.speed_before.prefill_tokens_per_second),
      fmt::format("{:.0f}", r.speed_after.prefill_tokens_per_second));
  row("decoding, tokens/s", fmt::format("{:.0f}", r.speed_before.decode_tokens_per_second),
      fmt::format("{:.0f}", r.speed_after.decode_tokens_per_second));
  page.table(table, fmt::format("{} tokens of {} in runs of {}.", c.model.nll.size(), r.validation, r.context));
}

void add_noise(Page& page, const CompressReport& r) {
  if (r.noise.empty()) return;
  Series clipping{"clipping", {}, {}}, rounding{"rounding of weights", {}, {}}, inputs{"rounding of inputs", {}, {}},
      carried{"carried in from below", {}, {}};
  for (size_t i = 0; i < r.noise.size(); ++i) {
    const ModuleNoise& noise = r.noise[i];
    const auto add = [&](Series& series, double power) {
      series.x.push_back(static_cast<double>(i + 1));
      series.y.push_back(decibels(power));
    };
    add(clipping, noise.clipping);
    add(rounding, noise.rounding);
    add(inputs, noise.activations);
    add(carried, noise.carried);
  }
  page.heading("Signal and noise, layer by layer");
  page.figure(LinePlot{"Signal-to-noise ratio by kind of noise",
                       {"linear layer, from the first to the last"},
                       {"dB"},
                       {clipping, rounding, inputs, carried}},
              "Higher is better: 20 dB is a hundredth of the power. A line that falls from left to right is error that "
              "piles up; a single dip names a layer to leave wide.");
  const ModuleNoise& worst = *std::min_element(r.noise.begin(), r.noise.end(), [](const auto& a, const auto& b) {
    return a.clipping + a.rounding + a.activations > b.clipping + b.rounding + b.activations;
  });
  std::vector<double> quotients(worst.quotients.begin(), worst.quotients.end());
  page.figure(
      Histogram{
          "Weights on the grid of codes: " + worst.module, {"weight / scale"}, {{"weights", quotients}}, 64, "weights"},
      "The layer with the most noise. Codes are whole numbers from -128 to 127 for INT8, and reach 448 for E4M3: what "
      "stands outside is clipped, a narrow peak leaves most codes unused.");
}

void add_activations(Page& page, const CompressReport& r) {
  struct Outlier {
    std::string module;
    size_t channel;
    double magnitude, ratio;
  };
  std::vector<Outlier> outliers;
  Series largest{"largest channel", {}, {}}, middle{"median channel", {}, {}};
  for (const ModuleNoise& noise : r.noise) {
    if (noise.channels.empty()) continue;
    std::vector<float> sorted = noise.channels;
    std::sort(sorted.begin(), sorted.end());
    const double median = sorted[sorted.size() / 2];
    largest.x.push_back(static_cast<double>(largest.x.size() + 1));
    largest.y.push_back(sorted.back());
    middle.x.push_back(largest.x.back());
    middle.y.push_back(median);
    for (size_t j = 0; j < noise.channels.size(); ++j) {
      outliers.push_back({noise.module, j, noise.channels[j], noise.channels[j] / std::max(median, 1e-12)});
    }
  }
  if (outliers.empty()) return;
  page.heading("Activation ranges");
  page.figure(LinePlot{"How far inputs reach",
                       {"input, from the first layer to the last"},
                       {"magnitude", Unit::number, true},
                       {largest, middle}},
              "After smoothing. Where the lines part, a few channels decide the scale of all the others.");
  const size_t shown = std::min(kOutliers, outliers.size());
  std::partial_sort(outliers.begin(), outliers.begin() + static_cast<std::ptrdiff_t>(shown), outliers.end(),
                    [](const Outlier& a, const Outlier& b) { return a.ratio > b.ratio; });
  Table table{{"input of", "channel", "magnitude", "times the median"}, {}};
  for (size_t i = 0; i < shown; ++i) {
    const Outlier& o = outliers[i];
    table.rows.push_back({o.module, std::to_string(o.channel), three_digits(o.magnitude), three_digits(o.ratio)});
  }
  page.table(table, "The channels that stand out most.");
}

void add_front(Page& page, const CompressReport& r) {
  Series points{"models that were made", {}, {}};
  std::vector<std::string> names;
  Table table{{"wide units", "size", "KL divergence", "perplexity", "a token takes", ""}, {}};
  for (size_t i = 0; i < r.candidates.size(); ++i) {
    const Candidate& c = r.candidates[i];
    if (c.comparison.kl.empty()) continue;
    points.x.push_back(static_cast<double>(c.bytes));
    points.y.push_back(std::max(c.comparison.mean_kl, 1e-12));
    names.push_back(fmt::format("{} wide", c.kept));
    table.rows.push_back(
        {std::to_string(c.kept), size_text(static_cast<double>(c.bytes)), fmt::format("{:.2e}", c.comparison.mean_kl),
         fmt::format("{:+.3f} %", 100 * (c.comparison.ratio - 1)), c.latency > 0 ? human_seconds(c.latency) : "-",
         i == r.chosen ? "chosen"
         : c.holds     ? ""
                       : c.miss});
  }
  if (points.x.size() < 2) return;
  page.heading("What a smaller model costs");
  page.figure(
      ScatterPlot{"Size and divergence", {"size", Unit::bytes}, {"KL, nats", Unit::number, true}, {points}, names},
      "To the lower left is better: smaller, and closer to the model before.");
  page.table(table, "Every model was made and measured on all of the validation text.");
}

void add_worst(Page& page, const CompressReport& r) {
  if (r.worst.empty()) return;
  page.heading("The tokens that changed most");
  Table table{{"after this text", "token", "KL", "nats before", "nats after"}, {}};
  for (const CompressReport::Token& t : r.worst) {
    table.rows.push_back(
        {t.before, t.text, three_digits(t.kl), fmt::format("{:.3f}", t.baseline_nll), fmt::format("{:.3f}", t.nll)});
  }
  page.table(table, "Positions at which the distribution of the next token moved farthest.");
}

Json finite(double x) {
  return std::isfinite(x) ? Json(x) : Json();
}

}  // namespace

std::vector<CompressReport::Token> worst_tokens(const Comparison& comparison, const std::vector<int32_t>& tokens,
                                                const Tokenizer& tokenizer) {
  std::vector<size_t> order(comparison.kl.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const size_t shown = std::min(kWorst, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(shown), order.end(),
                    [&](size_t a, size_t b) {
                      return comparison.kl[a] != comparison.kl[b] ? comparison.kl[a] > comparison.kl[b] : a < b;
                    });
  std::vector<CompressReport::Token> worst;
  for (size_t i = 0; i < shown; ++i) {
    const size_t at = order[i], begin = at - std::min(at, kTextBefore);
    const std::span<const int32_t> all(tokens);
    CompressReport::Token token{tokenizer.decode(all.subspan(begin, at - begin)), tokenizer.decode(all.subspan(at, 1))};
    token.kl = comparison.kl[at];
    token.nll = comparison.model.nll[at];
    token.baseline_nll = comparison.baseline.nll[at];
    worst.push_back(std::move(token));
  }
  return worst;
}

std::string compress_report(const CompressReport& r) {
  Page page("Compression of " + r.model, fmt::format("to {} by {}", r.scheme, r.algorithm));
  add_key_numbers(page, r);
  page.heading("Before and after");
  add_side_by_side(page, r);
  add_noise(page, r);
  add_activations(page, r);
  add_front(page, r);
  add_worst(page, r);
  page.heading("How to repeat it");
  page.quote(r.command + " -o " + r.output, "octet " OCTET_VERSION);
  return page.html();
}

Json compress_report_json(const CompressReport& r) {
  const Comparison& c = r.comparison;
  Json json{
      {"model", r.model},
      {"output", r.output},
      {"scheme", r.scheme},
      {"algorithm", r.algorithm},
      {"command", r.command},
      {"bytes_before", r.bytes_before},
      {"bytes_after", r.bytes_after},
      {"seconds", r.seconds},
      {"peak_memory_bytes", r.peak_memory},
      {"tokens", c.model.nll.size()},
      {"perplexity_before", c.baseline.perplexity},
      {"perplexity", c.model.perplexity},
      {"perplexity_ratio_95", {c.ratio_low, c.ratio_high}},
      {"kl_divergence", c.mean_kl},
      {"top1_agreement", c.top1_agreement},
      {"decode_tokens_per_second",
       {{"before", r.speed_before.decode_tokens_per_second}, {"after", r.speed_after.decode_tokens_per_second}}},
      {"prefill_tokens_per_second",
       {{"before", r.speed_before.prefill_tokens_per_second}, {"after", r.speed_after.prefill_tokens_per_second}}},
      {"layers", Json::array()},
      {"smoothing", Json::array()},
      {"candidates", Json::array()},
      {"worst_tokens", Json::array()}};
  for (const ModuleNoise& n : r.noise) {
    json["layers"].push_back({{"module", n.module},
                              {"clipping", n.clipping},
                              {"rounding", n.rounding},
                              {"inputs", n.activations},
                              {"carried", n.carried},
                              {"channels", n.channels}});
  }
  for (const SmoothingNote& s : r.smoothing) {
    json["smoothing"].push_back({{"input_of", s.leader},
                                 {"strength", s.strength},
                                 {"error", finite(s.error)},
                                 {"error_before", finite(s.error_before)}});
  }
  for (const Candidate& candidate : r.candidates) {
    json["candidates"].push_back({{"wide_units", candidate.kept},
                                  {"bytes", candidate.bytes},
                                  {"kl_divergence", candidate.comparison.mean_kl},
                                  {"perplexity_ratio", candidate.comparison.ratio},
                                  {"latency_seconds", candidate.latency},
                                  {"holds", candidate.holds}});
  }
  for (const CompressReport::Token& t : r.worst) {
    json["worst_tokens"].push_back(
        {{"before", t.before}, {"token", t.text}, {"kl", t.kl}, {"nll", t.nll}, {"baseline_nll", t.baseline_nll}});
  }
  return json;
}

void check_report(const std::string& file) {
  const auto folder = std::filesystem::path(file).parent_path();
  if (!folder.empty() && !std::filesystem::is_directory(folder)) {
    fail("{}: there is no such directory for the report", printable(folder.string()));
  }
}

void write_report(const CompressArguments& given, const CompressOptions& options, const std::string& validation,
                  CompressReport& report, const Comparison* measured, Threads& threads) {
  Context ctx(threads);
  const Model model = load_plain_model(options.output.string(), threads);
  const Model before = load_plain_model(options.model.string(), threads);
  const std::vector<int32_t> tokens = model.tokenizer.encode(validation);
  report.context = std::min<int64_t>(options.context, model.decoder.config.max_positions);
  if (measured) {
    report.comparison = *measured;
  } else {
    Progress progress("measuring for the report", tokens.size(), "tokens");
    PerplexityOptions perplexity{.context = report.context};
    perplexity.progress = [&](int64_t count) { progress.advance(static_cast<uint64_t>(count)); };
    report.comparison = compare(ctx, model, before, tokens, perplexity);
  }
  const SpeedOptions speed{.prefill = std::min<int64_t>(128, report.context / 2), .decode = 16};
  report.speed_before = measure_speed(ctx, before.decoder, speed);
  report.speed_after = measure_speed(ctx, model.decoder, speed);
  report.worst = worst_tokens(report.comparison, tokens, model.tokenizer);
  report.model = given.model;
  report.output = given.output;
  report.scheme = given.recipe.empty() ? std::string(options.scheme->name) : "the recipe " + given.recipe;
  report.algorithm = given.recipe.empty()
                         ? given.algorithm.empty() ? options.pipeline.plain() ? "rtn" : "default" : given.algorithm
                         : "its modifiers";
  report.command = options.command;
  report.validation = given.validation.empty() ? "the last tenth of " + given.calibration : given.validation;
  write_file_atomically(given.report, compress_report(report));
  write_file_atomically(std::filesystem::path(given.report).replace_extension(".json"),
                        compress_report_json(report).dump(1) + "\n");
}

}  // namespace octet::cli
