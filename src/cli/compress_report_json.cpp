#include "base/json.h"
#include "cli/compress_report.h"

namespace octet::cli {
namespace {

Json finite(double x) {
  return std::isfinite(x) ? Json(x) : Json();
}

}  // namespace

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
      {"slowest_decode_tokens_per_second",
       {{"before", r.speed_before.slowest_decode_tokens_per_second},
        {"after", r.speed_after.slowest_decode_tokens_per_second}}},
      {"prefill_tokens_per_second",
       {{"before", r.speed_before.prefill_tokens_per_second}, {"after", r.speed_after.prefill_tokens_per_second}}},
      {"memory_bytes", {{"before", r.memory_before}, {"after", r.memory_after}}},
      {"steps", Json::object()},
      {"layer_kinds", Json::array()},
      {"layers", Json::array()},
      {"smoothing", Json::array()},
      {"contract", Json::array()},
      {"candidates", Json::array()},
      {"sensitivities", Json::array()},
      {"worst_tokens", Json::array()}};
  for (const CompressReport::Step& step : r.steps) {
    Json& of_kind = json["steps"][step.kind];
    of_kind = of_kind.is_null() ? step.what : of_kind.get<std::string>() + " " + step.what;
  }
  for (const ModuleKind& kind : r.layers) {
    json["layer_kinds"].push_back({{"name", kind.name},
                                   {"count", kind.count},
                                   {"shape", kind.shape},
                                   {"before", kind.before},
                                   {"after", kind.after}});
  }
  for (const ModuleNoise& n : r.noise) {
    json["layers"].push_back({{"module", n.module},
                              {"clipping", n.clipping},
                              {"rounding", n.rounding},
                              {"inputs", n.activations},
                              {"carried", n.carried},
                              {"largest_weight_of_reach", finite(n.reach)},
                              {"clipped_share", n.clipped},
                              {"channels", n.channels}});
  }
  for (const SmoothingNote& s : r.smoothing) {
    json["smoothing"].push_back({{"input_of", s.leader},
                                 {"strength", s.strength},
                                 {"error", finite(s.error)},
                                 {"error_before", finite(s.error_before)}});
  }
  for (const CompressReport::Bound& bound : r.bounds) {
    json["contract"].push_back({{"option", bound.option}, {"limit", bound.limit}, {"reached", finite(bound.reached)}});
  }
  for (const Candidate& candidate : r.candidates) {
    if (candidate.comparison.kl.empty()) continue;  // never made
    json["candidates"].push_back({{"wide_units", candidate.kept},
                                  {"bytes", candidate.bytes},
                                  {"kl_divergence", candidate.comparison.mean_kl},
                                  {"perplexity_ratio", candidate.comparison.ratio},
                                  {"latency_seconds", candidate.latency > 0 ? Json(candidate.latency) : Json()},
                                  {"predicted_tokens_per_second", finite(predicted_speed(r, candidate))},
                                  {"holds", candidate.holds}});
  }
  for (size_t i = 0; i < r.units.size(); ++i) {
    const Sensitivity& unit = r.units[i];
    json["sensitivities"].push_back({{"modules", unit.modules},
                                     {"scheme", unit.scheme->name},
                                     {"kl_divergence", finite(unit.kl)},
                                     {"bytes_saved", unit.bytes_saved},
                                     {"stays_wide", i < r.candidates.at(r.chosen).kept}});
  }
  for (const CompressReport::Token& t : r.worst) {
    json["worst_tokens"].push_back(
        {{"before", t.before}, {"token", t.text}, {"kl", t.kl}, {"nll", t.nll}, {"baseline_nll", t.baseline_nll}});
  }
  return json;
}

}  // namespace octet::cli
