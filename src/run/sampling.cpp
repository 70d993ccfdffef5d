#include "run/sampling.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "numeric/random.h"

namespace octet {
namespace {

struct Candidate {
  int32_t id;
  float logit;
  double probability;
};

void penalise_repetition(std::span<float> logits, std::span<const int32_t> seen, float penalty) {
  if (penalty == 1) return;
  std::vector<int32_t> once(seen.begin(), seen.end());
  std::sort(once.begin(), once.end());
  once.erase(std::unique(once.begin(), once.end()), once.end());
  for (const int32_t id : once) {
    if (id < 0 || id >= static_cast<int64_t>(logits.size())) continue;
    float& logit = logits[static_cast<size_t>(id)];
    logit = logit > 0 ? logit / penalty : logit * penalty;
  }
}

// Most likely first, the lower id among equals.
std::vector<Candidate> ranked(std::span<const float> logits, int64_t top_k) {
  std::vector<Candidate> candidates(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) candidates[i] = {static_cast<int32_t>(i), logits[i], 0};
  const auto more_likely = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  };
  const auto keep = top_k > 0 ? std::min<size_t>(static_cast<size_t>(top_k), candidates.size()) : candidates.size();
  std::partial_sort(candidates.begin(), candidates.begin() + static_cast<int64_t>(keep), candidates.end(), more_likely);
  candidates.resize(keep);
  return candidates;
}

void softmax(std::vector<Candidate>& candidates, float temperature) {
  double sum = 0;
  for (Candidate& c : candidates) {
    c.probability = std::exp((static_cast<double>(c.logit) - candidates.front().logit) / temperature);
    sum += c.probability;
  }
  for (Candidate& c : candidates) c.probability /= sum;
}

// The fewest candidates whose probabilities reach p.
void keep_top_p(std::vector<Candidate>& candidates, float p) {
  double sum = 0;
  size_t keep = 0;
  while (keep < candidates.size() && sum < p) sum += candidates[keep++].probability;
  candidates.resize(std::max<size_t>(keep, 1));
}

void keep_min_p(std::vector<Candidate>& candidates, float p) {
  const double least = p * candidates.front().probability;
  while (candidates.size() > 1 && candidates.back().probability < least) candidates.pop_back();
}

}  // namespace

int32_t sample(std::span<float> logits, std::span<const int32_t> seen, const Sampling& sampling, uint64_t step) {
  penalise_repetition(logits, seen, sampling.repetition_penalty);
  if (sampling.temperature <= 0) {
    return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  }
  auto candidates = ranked(logits, sampling.top_k);
  softmax(candidates, sampling.temperature);
  if (sampling.top_p < 1) keep_top_p(candidates, sampling.top_p);
  if (sampling.min_p > 0) keep_min_p(candidates, sampling.min_p);

  double total = 0;
  for (const Candidate& c : candidates) total += c.probability;
  double left = RandomStream(sampling.seed, static_cast<uint32_t>(step), 0).uniform(0) * total;
  for (const Candidate& c : candidates) {
    left -= c.probability;
    if (left < 0) return c.id;
  }
  return candidates.back().id;
}

}  // namespace octet
