#include <functional>

#include "cli/compress_report_parts.h"
#include "compress/modules.h"
#include "report/svg_histogram.h"
#include "report/svg_line.h"

namespace octet::cli {
namespace {

using namespace report;

constexpr size_t kOutliers = 12, kHistograms = 3;

double decibels(double noise) {
  return noise > 0 ? -10 * std::log10(noise) : std::nan("");
}

double power_of(const ModuleNoise& noise) {
  return noise.clipping + noise.rounding + noise.activations;
}

// "3" of "model.layers.3.mlp.down_proj"; empty for a module that stands in no layer.
std::string layer_of(const std::string& module) {
  constexpr std::string_view kLayers = "model.layers.";
  const size_t dot = module.find('.', kLayers.size());
  if (!module.starts_with(kLayers) || dot == std::string::npos) return "";
  return module.substr(kLayers.size(), dot - kLayers.size());
}

template <typename Items, typename Of>
auto each(const Items& items, Of of) {
  std::vector<std::decay_t<std::invoke_result_t<Of, decltype(items.front())>>> values;
  for (const auto& item : items) values.push_back(std::invoke(of, item));
  return values;
}

struct Line {
  std::string name;
  std::vector<double> values;  // one a module
};

// Lines over modules in the order of the forward; the axis says where layers begin.
LinePlot plot_over(const std::vector<std::string>& modules, std::string title, Axis y, const std::vector<Line>& lines) {
  LinePlot plot{std::move(title), {"decoder layer, marked where it begins"}, std::move(y), {}};
  std::string last;
  for (size_t i = 0; i < modules.size(); ++i) {
    const std::string layer = layer_of(modules[i]), mark = layer.empty() ? modules[i] : layer;
    if (mark != last) plot.x.ticks.push_back({static_cast<double>(i + 1), mark});
    last = mark;
  }
  for (const Line& line : lines) {
    Series series{line.name, {}, line.values, modules};
    for (size_t i = 0; i < modules.size(); ++i) series.x.push_back(static_cast<double>(i + 1));
    plot.series.push_back(std::move(series));
  }
  return plot;
}

void add_bounds(Page& page, const CompressReport& r, const std::vector<std::string>& modules) {
  page.figure(plot_over(modules, "Largest weight of each layer", {"share of what codes reach", Unit::percent},
                        {{"largest weight", each(r.noise, &ModuleNoise::reach)}}),
              "Beyond 100 % a weight is clipped to the outermost code.");
  page.figure(
      plot_over(modules, "Weights that are clipped", {"share of the layer's weights", Unit::percent, false, true},
                {{"clipped", each(r.noise, &ModuleNoise::clipped)}}),
      "A few clipped weights can buy finer steps for all the others.");
}

void add_noise(Page& page, const CompressReport& r, const std::vector<std::string>& modules) {
  std::vector<Line> lines;
  for (const auto& [name, power] : {std::pair{"rounding of weights", &ModuleNoise::rounding},
                                    {"clipping", &ModuleNoise::clipping},
                                    {"rounding of inputs", &ModuleNoise::activations},
                                    {"carried in from below", &ModuleNoise::carried}}) {
    lines.push_back({name, each(each(r.noise, power), decibels)});
    const std::vector<double>& y = lines.back().values;
    const bool any = std::any_of(y.begin(), y.end(), [](double x) { return !std::isnan(x); });
    if (!any && lines.size() > 1) lines.pop_back();  // inputs that stay float have no noise
  }
  const bool by_contract = !r.candidates.empty();
  page.figure(
      plot_over(modules, "Signal-to-noise ratio by kind of noise", {"dB"}, lines),
      fmt::format("Higher is better: 20 dB is a hundredth of the power. A line that falls from left to right is "
                  "error that piles up; a single dip is a layer to leave wide: it is named below a pointer, and "
                  "in the numbers.{}",
                  by_contract ? " Layers that stay wide are left out." : ""));
  if (r.noise.size() < r.modules) {
    page.paragraph(fmt::format("Of {} layers nothing is known: an earlier run without a report had made them.",
                               r.modules - r.noise.size()));
  }
}

void add_grids(Page& page, const CompressReport& r) {
  std::vector<const ModuleNoise*> worst;
  for (const ModuleNoise& noise : r.noise) worst.push_back(&noise);
  const auto shown = static_cast<std::ptrdiff_t>(std::min(kHistograms, worst.size()));
  std::partial_sort(worst.begin(), worst.begin() + shown, worst.end(),
                    [](const ModuleNoise* a, const ModuleNoise* b) { return power_of(*a) > power_of(*b); });
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
  std::vector<std::string> inputs;
  Line largest{"largest channel", {}}, middle{"median channel", {}};
  for (const ModuleNoise& noise : r.noise) {
    if (noise.channels.empty()) continue;
    std::vector<float> sorted = noise.channels;
    std::sort(sorted.begin(), sorted.end());
    const double median = sorted[sorted.size() / 2];
    inputs.push_back(noise.module);
    largest.values.push_back(sorted.back());
    middle.values.push_back(median);
    for (size_t j = 0; j < noise.channels.size(); ++j) {
      outliers.push_back({noise.module, j, noise.channels[j], noise.channels[j] / std::max(median, 1e-12)});
    }
  }
  if (outliers.empty()) return;
  page.heading("Activation ranges");
  page.figure(plot_over(inputs, "How far inputs reach", {"magnitude", Unit::number, true}, {largest, middle}),
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

}  // namespace

std::string short_name(const std::string& module) {
  const std::string layer = layer_of(module);
  return layer.empty() ? module : fmt::format("layer {} {}", layer, name_in_layer(module));
}

void add_smoothing(Page& page, const CompressReport& r) {
  if (r.smoothing.empty()) return;
  const std::vector<std::string> inputs = each(r.smoothing, &SmoothingNote::leader);
  const auto strength = [](const SmoothingNote& note) { return note.strength >= 0 ? note.strength : std::nan(""); };
  page.figure(plot_over(inputs, "How strongly inputs were smoothed", {"strength", Unit::number, false, true},
                        {{"strength", each(r.smoothing, strength)}}),
              "0 leaves outliers in the inputs, 1 moves them into the weights whole; a gap is an input that smoothing "
              "did not help.");
  page.figure(plot_over(inputs, "What smoothing gained", {"signal to noise of the product, dB"},
                        {{"before", each(each(r.smoothing, &SmoothingNote::error_before), decibels)},
                         {"after", each(each(r.smoothing, &SmoothingNote::error), decibels)}}),
              "Of what comes out of the layers behind the input, quantized both times.");
}

void add_layers(Page& page, const CompressReport& r) {
  if (r.noise.empty()) return;
  const std::vector<std::string> modules = each(r.noise, &ModuleNoise::module);
  page.heading("Signal and noise, layer by layer");
  add_noise(page, r, modules);
  add_bounds(page, r, modules);
  page.heading("Weights on the grid of codes");
  add_grids(page, r);
  add_activations(page, r);
}

}  // namespace octet::cli
