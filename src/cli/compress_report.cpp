#include "cli/compress_report.h"

#include "cli/compress_report_parts.h"
#include "cli/output.h"

namespace octet::cli {
namespace {

using namespace report;

void add_key_numbers(Page& page, const CompressReport& r) {
  const Comparison& c = r.comparison;
  const double share = static_cast<double>(r.bytes_after) / static_cast<double>(r.bytes_before);
  std::string size = fmt::format("{:.1f} % of {}", 100 * share, size_text(r.bytes_before));
  if (!r.candidates.empty()) size += fmt::format("; {} with all files", size_text(r.candidates.at(r.chosen).bytes));
  page.key_numbers({{"Size of weights", size_text(r.bytes_after), size},
                    {"Perplexity", fmt::format("{:.6g}", c.model.perplexity),
                     fmt::format("{:+.3f} %, 95 % between {:+.3f} and {:+.3f} %", 100 * (c.ratio - 1),
                                 100 * (c.ratio_low - 1), 100 * (c.ratio_high - 1))},
                    {"KL divergence", fmt::format("{:.2e}", c.mean_kl), "nats a token, from the model before"},
                    {"Same first choice", fmt::format("{:.2f} %", 100 * c.top1_agreement), "of all positions"},
                    {"Decoding", fmt::format("{:.0f} tokens/s", r.speed_after.decode_tokens_per_second),
                     fmt::format("{:.0f} before", r.speed_before.decode_tokens_per_second)},
                    {"Compressing took", human_seconds(r.seconds), size_text(r.peak_memory) + " of memory"}});
}

void add_side_by_side(Page& page, const CompressReport& r) {
  const Comparison& c = r.comparison;
  Table table{{"", "before", "after"}, {}};
  const auto row = [&](const char* name, const std::string& before, const std::string& after) {
    table.rows.push_back({name, before, after});
  };
  row("size of weights", size_text(r.bytes_before), size_text(r.bytes_after));
  row("perplexity", fmt::format("{:.4f}", c.baseline.perplexity), fmt::format("{:.4f}", c.model.perplexity));
  row("loss, nats a token", fmt::format("{:.5f}", c.baseline.mean_nll), fmt::format("{:.5f}", c.model.mean_nll));
  if (r.memory_after > 0) {
    row("memory when loaded", size_text(r.memory_before), size_text(r.memory_after));
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
}

}  // namespace

std::string compress_report(const CompressReport& r) {
  Page page("Compression of " + r.model,
            fmt::format("to {} by {}", r.scheme, r.algorithm == "default" ? "the default algorithm" : r.algorithm));
  add_key_numbers(page, r);
  page.heading("Before and after");
  add_side_by_side(page, r);
  add_what_was_done(page, r);
  add_smoothing(page, r);
  add_layers(page, r);
  add_contract(page, r);
  add_worst(page, r);
  page.heading("How to repeat it");
  page.code(r.command);
  return page.html();
}

}  // namespace octet::cli
