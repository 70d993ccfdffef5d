#include "cli/compress_report.h"

#include <numeric>

#include "base/error.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/units.h"
#include "cli/output.h"
#include "report/html.h"
#include "report/svg_bar.h"
#include "report/svg_histogram.h"
#include "report/svg_line.h"
#include "report/svg_scatter.h"

namespace octet::cli {
namespace {

using namespace report;

constexpr size_t kWorst = 20, kOutliers = 12, kHistograms = 3;
constexpr size_t kTextBefore = 12;  // tokens

std::string size_text(double bytes) {
  return human_bytes(bytes);
}

double decibels(double noise) {
  return noise > 0 ? -10 * std::log10(noise) : std::nan("");
}

// "layer 3 mlp.down_proj": it can break on a phone.
std::string short_name(const std::string& module) {
  constexpr std::string_view kLayers = "model.layers.";
  const size_t dot = module.find('.', kLayers.size());
  if (!module.starts_with(kLayers) || dot == std::string::npos) return module;
  return "layer " + module.substr(kLayers.size(), dot - kLayers.size()) + " " + module.substr(dot + 1);
}

double power_of(const ModuleNoise& noise) {
  return noise.clipping + noise.rounding + noise.activations;
}

void add_key_numbers(Page& page, const CompressReport& r) {
  const Comparison& c = r.comparison;
  const double before = static_cast<double>(r.bytes_before), after = static_cast<double>(r.bytes_after);
  page.key_numbers(
      {{"Size of weights", size_text(after), fmt::format("{:.1f} % of {}", 100 * after / before, size_text(before))},
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
  row("size of weights", size_text(static_cast<double>(r.bytes_before)), size_text(static_cast<double>(r.bytes_after)));
  row("perplexity", fmt::format("{:.4f}", c.baseline.perplexity), fmt::format("{:.4f}", c.model.perplexity));
  row("loss, nats a token", fmt::format("{:.5f}", c.baseline.mean_nll), fmt::format("{:.5f}", c.model.mean_nll));
  if (r.memory_after > 0) {
    row("memory when loaded", size_text(static_cast<double>(r.memory_before)),
        size_text(static_cast<double>(r.memory_after)));
  }
  row("prefill, tokens/s", fmt::format("{:.0f}", r.speed_before.prefill_tokens_per_second),
      fmt::format("{:.0f}", r.speed_after.prefill_tokens_per_second));
  const auto decoding = [](const Speed& speed) {
    return fmt::format("{:.0f} ({:.0f})", speed.decode_tokens_per_second, speed.slowest_decode_tokens_per_second);
  };
  row("decoding, tokens/s (slowest run)", decoding(r.speed_before), decoding(r.speed_after));
  page.table(table, fmt::format("{} tokens of {} in runs of {}.", c.model.nll.size(), r.validation, r.context));
}

void add_what_was_done(Page& page, const CompressReport& r) {
  page.heading("What was done");
  Table steps{{"step", "what"}, {}};
  for (const CompressReport::Step& step : r.steps) steps.rows.push_back({step.kind, step.what});
  if (!steps.rows.empty()) page.table(steps);
  Table layers{{"layers", "number", "shape", "before", "after"}, {}};
  for (const ModuleKind& kind : r.layers) {
    layers.rows.push_back({kind.name, std::to_string(kind.count), kind.shape, kind.before, kind.after});
  }
  if (!layers.rows.empty()) page.table(layers, "What became of the linear layers.");
  Series strength{"strength", {}, {}}, before{"before", {}, {}}, after{"after", {}, {}};
  for (size_t i = 0; i < r.smoothing.size(); ++i) {
    const SmoothingNote& note = r.smoothing[i];
    for (Series* series : {&strength, &before, &after}) series->x.push_back(static_cast<double>(i + 1));
    strength.y.push_back(note.strength >= 0 ? note.strength : std::nan(""));
    before.y.push_back(decibels(note.error_before));
    after.y.push_back(decibels(note.error));
  }
  if (r.smoothing.empty()) return;
  page.figure(LinePlot{"How strongly inputs were smoothed",
                       {"input, from the first layer to the last"},
                       {"strength", Unit::number, false, true},
                       {strength}},
              "0 leaves outliers in the inputs, 1 moves them into the weights whole; a gap is an input that smoothing "
              "did not help.");
  page.figure(LinePlot{"What smoothing gained",
                       {"input, from the first layer to the last"},
                       {"signal to noise of the product, dB"},
                       {before, after}},
              "Of what comes out of the layers behind the input, quantized both times.");
}

// Clipping of every layer.
void add_bounds(Page& page, const CompressReport& r) {
  Series reach{"largest weight", {}, {}}, clipped{"clipped", {}, {}};
  for (size_t i = 0; i < r.noise.size(); ++i) {
    for (Series* series : {&reach, &clipped}) series->x.push_back(static_cast<double>(i + 1));
    reach.y.push_back(r.noise[i].reach);
    clipped.y.push_back(r.noise[i].clipped);
  }
  page.figure(LinePlot{"Largest weight of each layer",
                       {"linear layer, from the first to the last"},
                       {"share of what codes reach", Unit::percent},
                       {reach}},
              "Beyond 100 % a weight is clipped to the outermost code.");
  page.figure(LinePlot{"Weights that are clipped",
                       {"linear layer, from the first to the last"},
                       {"share of the layer's weights", Unit::percent, false, true},
                       {clipped}},
              "A few clipped weights can buy finer steps for all the others.");
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
  LinePlot ratios{
      "Signal-to-noise ratio by kind of noise", {"linear layer, from the first to the last"}, {"dB"}, {rounding}};
  for (const Series& series : {clipping, inputs, carried}) {
    const bool any = std::any_of(series.y.begin(), series.y.end(), [](double y) { return !std::isnan(y); });
    if (any) ratios.series.push_back(series);  // inputs that stay float have no noise
  }
  page.figure(ratios,
              "Higher is better: 20 dB is a hundredth of the power. A line that falls from left to right is error that "
              "piles up; a single dip names a layer to leave wide.");
  if (r.noise.size() < r.modules) {
    page.paragraph(fmt::format("Of {} layers nothing is known: an earlier run without a report had made them.",
                               r.modules - r.noise.size()));
  }
  add_bounds(page, r);
  std::vector<const ModuleNoise*> worst;
  for (const ModuleNoise& noise : r.noise) worst.push_back(&noise);
  const auto shown = static_cast<std::ptrdiff_t>(std::min(kHistograms, worst.size()));
  std::partial_sort(worst.begin(), worst.begin() + shown, worst.end(),
                    [](const ModuleNoise* a, const ModuleNoise* b) { return power_of(*a) > power_of(*b); });
  page.heading("Weights on the grid of codes");
  for (auto it = worst.begin(); it != worst.begin() + shown; ++it) {
    const std::vector<double> quotients((*it)->quotients.begin(), (*it)->quotients.end());
    Histogram plot{short_name((*it)->module), {"weight / scale"}, {{"weights", quotients}}, 64, "weights"};
    plot.grid.assign((*it)->grid.begin(), (*it)->grid.end());
    page.figure(plot,
                it == worst.begin()
                    ? "The layers with the most noise of their own. Marks below the bars are the numbers that "
                      "codes stand for: what stands beyond the last is clipped, and marks under no bar are unused."
                    : "");
  }
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
    table.rows.push_back(
        {short_name(o.module), std::to_string(o.channel), three_digits(o.magnitude), three_digits(o.ratio)});
  }
  page.table(table, "The channels that stand out most.");
}

// Ends of lines and tabs as signs, and blanks too where there is nothing else: a cell would look empty.
std::string visible(const std::string& text, bool is_token) {
  if (text.empty()) return is_token ? "(no text)" : "(the beginning)";
  const bool blank = is_token && text.find_first_not_of(" \n\r\t") == std::string::npos;
  std::string result;
  for (const char c : text) {
    if (c == '\n')
      result += is_token ? "\u21b5" : "\u21b5 ";
    else if (c == '\t')
      result += "\u21e5";
    else if (c == ' ' && blank)
      result += "\u2423";
    else
      result += c;
  }
  return result;
}

// Whether another model is no larger and no farther away, and better in one of them.
bool beaten(const CompressReport& r, const Candidate& c) {
  return std::any_of(r.candidates.begin(), r.candidates.end(), [&](const Candidate& other) {
    if (other.comparison.kl.empty()) return false;
    const double kl = other.comparison.mean_kl - c.comparison.mean_kl;
    return other.bytes <= c.bytes && kl <= 0 && (other.bytes < c.bytes || kl < 0);
  });
}

void add_front(Page& page, const CompressReport& r) {
  Series points{"models that were made", {}, {}};
  std::vector<std::string> names;
  Table table{{"wide units", "size of files", "KL divergence", "perplexity", "tokens/s", ""}, {}};
  for (size_t i = 0; i < r.candidates.size(); ++i) {
    const Candidate& c = r.candidates[i];
    if (c.comparison.kl.empty()) continue;
    points.x.push_back(static_cast<double>(c.bytes));
    points.y.push_back(std::max(c.comparison.mean_kl, 1e-12));
    names.push_back(fmt::format("{} wide", c.kept));
    table.rows.push_back(
        {std::to_string(c.kept), size_text(static_cast<double>(c.bytes)), fmt::format("{:.2e}", c.comparison.mean_kl),
         fmt::format("{:+.3f} %", 100 * (c.comparison.ratio - 1)), fmt::format("{:.0f}", predicted_speed(r, c)),
         i == r.chosen  ? "chosen"
         : beaten(r, c) ? "beaten"
         : c.holds      ? ""
                        : c.miss});
  }
  if (points.x.size() < 2) return;
  page.heading("What a smaller model costs");
  page.figure(
      ScatterPlot{"Size and divergence", {"size", Unit::bytes}, {"KL, nats", Unit::number, true}, {points}, names},
      "To the lower left is better: smaller, and closer to the model before.");
  page.table(
      table,
      "Every model was made and measured on all of the validation text. Speed is that of decoding, predicted from "
      "the bytes that a token reads where it was not measured. Models that another one beats in size and in "
      "divergence are none of the front.");
}

void add_worst(Page& page, const CompressReport& r) {
  if (r.worst.empty()) return;
  page.heading("The tokens that changed most");
  Table table{{"after this text", "token", "KL", "nats before", "nats after"}, {}};
  for (const CompressReport::Token& t : r.worst) {
    table.rows.push_back({visible(t.before, false), visible(t.text, true), three_digits(t.kl),
                          fmt::format("{:.3f}", t.baseline_nll), fmt::format("{:.3f}", t.nll)});
  }
  page.table(table, "Positions at which the distribution of the next token moved farthest.");
}

}  // namespace

double predicted_speed(const CompressReport& r, const Candidate& candidate) {
  if (candidate.latency > 0) return 1 / candidate.latency;
  const int64_t chosen = r.candidates.empty() ? r.bytes_after : r.candidates.at(r.chosen).bytes;
  const double share = static_cast<double>(chosen) / static_cast<double>(std::max<int64_t>(1, candidate.bytes));
  return r.speed_after.decode_tokens_per_second * share;
}

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
  Page page("Compression of " + r.model,
            fmt::format("to {} by {}", r.scheme, r.algorithm == "default" ? "the default algorithm" : r.algorithm));
  add_key_numbers(page, r);
  page.heading("Before and after");
  add_side_by_side(page, r);
  add_what_was_done(page, r);
  add_noise(page, r);
  add_activations(page, r);
  add_front(page, r);
  add_worst(page, r);
  page.heading("How to repeat it");
  page.quote(r.command, "octet " OCTET_VERSION);
  return page.html();
}

}  // namespace octet::cli
