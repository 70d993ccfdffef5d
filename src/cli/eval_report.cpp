#include "cli/eval_report.h"

#include "base/units.h"
#include "report/html.h"
#include "report/svg_bar.h"
#include "report/svg_histogram.h"
#include "report/svg_line.h"

namespace octet::cli {
namespace {

using namespace report;

std::string size_text(int64_t bytes) {
  return human_bytes(static_cast<double>(bytes));
}

double tokens_per_second(const Scores& scores) {
  return static_cast<double>(scores.nll.size()) / std::max(scores.seconds, 1e-9);
}

std::vector<std::string> row_of(const std::string& name, const Scores& scores, int64_t bytes) {
  return {name, size_text(bytes), fmt::format("{:.4f}", scores.perplexity), fmt::format("{:.5f}", scores.mean_nll),
          fmt::format("{:.0f}", tokens_per_second(scores))};
}

std::vector<double> doubles(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

// Means over equal stretches of the text, at most `points` of them.
Series along_the_text(const std::string& name, const std::vector<float>& values, size_t points = 120) {
  Series series{name, {}, {}};
  const size_t stretch = std::max<size_t>(1, values.size() / points);
  for (size_t begin = 0; begin + stretch <= values.size(); begin += stretch) {
    double sum = 0;
    for (size_t i = begin; i < begin + stretch; ++i) sum += values[i];
    series.x.push_back(static_cast<double>(begin + stretch / 2));
    series.y.push_back(sum / static_cast<double>(stretch));
  }
  return series;
}

// Share of tokens (percent) whose divergence is at most x: where the loss sits, in one line.
Series cumulative(const std::string& name, const std::vector<float>& values) {
  std::vector<double> sorted = doubles(values);
  std::sort(sorted.begin(), sorted.end());
  Series series{name, {}, {}};
  constexpr size_t kPoints = 200;
  for (size_t i = 1; i <= kPoints; ++i) {
    const size_t at = std::max<size_t>(1, sorted.size() * i / kPoints) - 1;
    series.x.push_back(std::max(sorted[at], 1e-9));
    series.y.push_back(100.0 * static_cast<double>(i) / kPoints);
  }
  return series;
}

void add_comparison(Page& page, const EvalReport& report) {
  const Comparison& c = *report.comparison;
  page.key_numbers({{"Size", size_text(report.bytes),
                     fmt::format("{:.1f} % of {}",
                                 100.0 * static_cast<double>(report.bytes) / static_cast<double>(report.baseline_bytes),
                                 size_text(report.baseline_bytes))},
                    {"Perplexity", fmt::format("{:.4f}", c.model.perplexity),
                     fmt::format("{:+.2f} % against {:.4f}", 100 * (c.ratio - 1), c.baseline.perplexity)},
                    {"KL divergence", fmt::format("{:.5f}", c.mean_kl), "nats a token, from the baseline"},
                    {"Same first choice", fmt::format("{:.2f} %", 100 * c.top1_agreement), "of all positions"}});
  page.heading("Side by side");
  Table table{{"model", "size", "perplexity", "nll", "tokens/s"}, {}};
  table.rows.push_back(row_of(report.baseline_name, c.baseline, report.baseline_bytes));
  table.rows.push_back(row_of(report.name, c.model, report.bytes));
  page.table(
      table,
      fmt::format("{} tokens in runs of {}. The ratio of the perplexities is {:.5f}, with 95 % confidence between "
                  "{:.5f} and {:.5f} (paired, token by token).",
                  c.model.nll.size(), report.context, c.ratio, c.ratio_low, c.ratio_high));
  const std::vector<BarPlot::Bars> sizes = {
      {"size", {static_cast<double>(report.baseline_bytes), static_cast<double>(report.bytes)}}};
  page.figure(BarPlot{"Size", {"", Unit::bytes}, {report.baseline_name, report.name}, sizes});
  page.heading("Where the loss sits");
  page.figure(LinePlot{"Loss along the text",
                       {"token"},
                       {"nll, nats"},
                       {along_the_text("baseline", c.baseline.nll), along_the_text("compressed", c.model.nll)}},
              "Means over stretches of the text.");
  page.figure(LinePlot{"Divergence along the text", {"token"}, {"KL, nats"}, {along_the_text("KL divergence", c.kl)}},
              "A level line means the damage is spread evenly; peaks name the passages that suffer.");
  page.figure(LinePlot{"How many tokens diverge how much",
                       {"KL at most, nats", Unit::number, true},
                       {"tokens, %"},
                       {cumulative("tokens", c.kl)}},
              "The further to the left, the closer to the baseline.");
}

void add_single(Page& page, const EvalReport& report) {
  const Scores& s = report.scores;
  page.key_numbers({{"Perplexity", fmt::format("{:.4f}", s.perplexity), fmt::format("{:.5f} nats a token", s.mean_nll)},
                    {"Size", size_text(report.bytes), ""},
                    {"Speed", fmt::format("{:.0f}", tokens_per_second(s)), "tokens a second"}});
  page.heading("Where the loss sits");
  page.figure(LinePlot{"Loss along the text", {"token"}, {"nll, nats"}, {along_the_text(report.name, s.nll)}},
              "Means over stretches of the text.");
}

}  // namespace

std::string eval_report(const EvalReport& report) {
  Page page("Evaluation of " + report.name, "on " + report.text);
  report.comparison ? add_comparison(page, report) : add_single(page, report);
  std::vector<Histogram::Values> losses;
  if (report.comparison) losses.push_back({"baseline", doubles(report.comparison->baseline.nll)});
  losses.push_back({report.comparison ? "compressed" : report.name, doubles(report.scores.nll)});
  page.figure(Histogram{"Loss of single tokens", {"nll, nats"}, losses, 40, "tokens"});
  page.heading("How to repeat it");
  std::string command = fmt::format("octet eval {} --text {} --context {}", report.name, report.text, report.context);
  if (report.comparison) command += " --baseline " + report.baseline_name;
  page.code(command);
  page.paragraph("SHA-256 of the logits: " + report.scores.logits_sha256);
  return page.html();
}

}  // namespace octet::cli
