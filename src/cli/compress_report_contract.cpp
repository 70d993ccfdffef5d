#include "cli/compress_report_parts.h"
#include "report/svg_scatter.h"

namespace octet::cli {
namespace {

using namespace report;

// Whether another model is no larger and no farther away, and better in one of them.
bool beaten(const CompressReport& r, const Candidate& c) {
  return std::any_of(r.candidates.begin(), r.candidates.end(), [&](const Candidate& other) {
    if (other.comparison.kl.empty()) return false;
    const double kl = other.comparison.mean_kl - c.comparison.mean_kl;
    return other.bytes <= c.bytes && kl <= 0 && (other.bytes < c.bytes || kl < 0);
  });
}

// What became of a candidate, in words.
std::string verdict(const CompressReport& r, size_t i) {
  const Candidate& c = r.candidates[i];
  std::string text = c.holds ? "holds" : c.miss;
  if (i == r.chosen) return text + "; chosen";
  return beaten(r, c) ? text + "; beaten" : text;
}

void add_point(Series& series, const CompressReport& r, size_t i) {
  const Candidate& c = r.candidates[i];
  series.x.push_back(static_cast<double>(c.bytes));
  series.y.push_back(std::max(c.comparison.mean_kl, 1e-12));
  series.names.push_back(fmt::format("{} wide{}", c.kept, i == r.chosen ? ", chosen" : ""));
}

ScatterPlot front_of(const CompressReport& r) {
  Series chosen{"chosen", {}, {}, {}}, others{"other models that were made", {}, {}, {}};
  for (size_t i = 0; i < r.candidates.size(); ++i) {
    if (!r.candidates[i].comparison.kl.empty()) add_point(i == r.chosen ? chosen : others, r, i);
  }
  ScatterPlot plot{"Size and divergence",
                   {"size of files", Unit::bytes},
                   {"KL, nats", Unit::number, true},
                   {chosen, others},
                   {},
                   {}};
  for (const CompressReport::Bound& bound : r.bounds) {
    if (bound.option == "--max-size") plot.x_bounds.push_back({bound.option + " " + bound.given, bound.limit});
    if (bound.option == "--max-kl") plot.y_bounds.push_back({bound.option + " " + bound.given, bound.limit});
  }
  return plot;
}

void add_front(Page& page, const CompressReport& r) {
  Table table{{"wide units", "size of files", "KL divergence", "perplexity", "tokens/s", "contract"}, {}};
  for (size_t i = 0; i < r.candidates.size(); ++i) {
    const Candidate& c = r.candidates[i];
    if (c.comparison.kl.empty()) continue;
    table.rows.push_back({std::to_string(c.kept), size_text(c.bytes), fmt::format("{:.2e}", c.comparison.mean_kl),
                          fmt::format("{:+.3f} %", 100 * (c.comparison.ratio - 1)),
                          fmt::format("{:.0f}", predicted_speed(r, c)), verdict(r, i)});
  }
  if (table.rows.size() < 2) return;
  page.heading("What a smaller model costs");
  page.figure(front_of(r),
              "To the lower left is better: smaller, and closer to the model before. Dashed lines are bounds of the "
              "contract on size and divergence.");
  page.table(
      table,
      "Every model was made and measured on all of the validation text. Speed is that of decoding, predicted from "
      "the bytes that a token reads where it was not measured. Models that another one beats in size and in "
      "divergence are none of the front.");
}

// "layer 3 self_attn.q_proj, k_proj, v_proj"
std::string unit_name(const Sensitivity& unit) {
  std::string text;
  for (const std::string& module : unit.modules) {
    text += text.empty() ? short_name(module) : ", " + module.substr(module.rfind('.') + 1);
  }
  return text;
}

void add_units(Page& page, const CompressReport& r) {
  if (r.units.empty()) return;
  const size_t wide = r.candidates.at(r.chosen).kept;
  Table table{{"unit", "KL divergence", "saves", "scheme", "in the chosen model"}, {}};
  for (size_t i = 0; i < r.units.size(); ++i) {
    const Sensitivity& unit = r.units[i];
    table.rows.push_back({unit_name(unit), fmt::format("{:.2e}", unit.kl), size_text(unit.bytes_saved),
                          std::string(unit.scheme->name), i < wide ? "wide" : "compressed"});
  }
  page.heading("What each unit costs alone");
  page.paragraph(
      "A unit is layers that other programs run as one. Its divergence is that of the model with this unit alone "
      "rounded to the nearest, on a part of the validation text; those with the most of it for each byte they save "
      "come "
      "first, and are the first to stay wide.");
  page.folded_table(fmt::format("{} units, of which {} stay wide", r.units.size(), wide), table);
}

}  // namespace

std::vector<CompressReport::Bound> bounds_of(const CompressArguments& given, const Candidate& c) {
  const Contract contract = contract_of(given);
  std::vector<CompressReport::Bound> bounds;
  const auto add = [&](const char* option, const std::string& text, const auto& limit, auto reached,
                       const std::string& reached_text) {
    if (limit)
      bounds.push_back({option, text, static_cast<double>(*limit), static_cast<double>(reached), reached_text});
  };
  const double increase = c.comparison.ratio_high - 1, kl = c.comparison.mean_kl;
  add("--max-ppl-increase", given.max_ppl_increase, contract.max_perplexity_increase, increase,
      fmt::format("at most {:+.3f} %", 100 * increase));
  add("--max-kl", given.max_kl, contract.max_kl, kl, fmt::format("{:.2e}", kl));
  add("--max-size", given.max_size, contract.max_bytes, c.bytes, size_text(c.bytes) + " of files");
  add("--max-latency", given.max_latency, contract.max_latency, c.latency, human_seconds(c.latency));
  return bounds;
}

double predicted_speed(const CompressReport& r, const Candidate& candidate) {
  if (candidate.latency > 0) return 1 / candidate.latency;
  const int64_t chosen = r.candidates.empty() ? r.bytes_after : r.candidates.at(r.chosen).bytes;
  const double share = static_cast<double>(chosen) / static_cast<double>(std::max<int64_t>(1, candidate.bytes));
  return r.speed_after.decode_tokens_per_second * share;
}

void add_contract(Page& page, const CompressReport& r) {
  add_front(page, r);
  add_units(page, r);
}

}  // namespace octet::cli
