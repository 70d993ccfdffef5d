#include "eval/perplexity.h"

#include <chrono>
#include <cmath>

#include "base/error.h"
#include "base/escape.h"
#include "base/sha256.h"
#include "eval/runs.h"
#include "kernels/elementwise/elementwise.h"

namespace octet {
namespace {

constexpr int64_t kLogitsAtOnce = int64_t{1} << 24;  // numbers of a slice of logits: 64 MiB
constexpr size_t kHexDigits = 64;

// Collects the scores of one model, row by row, in whatever order they come.
class Scorer {
 public:
  Scorer(Context& ctx, const Decoder& decoder, const std::vector<int32_t>& tokens)
      : decoder(decoder), ctx_(ctx), tokens_(tokens) {
    scores_.nll.resize(tokens.size());
  }

  // Rows of tokens first … first+count-1 come next, in whatever order, and none of those before them.
  void expect(int64_t first, int64_t count) {
    logits_digest_.update(std::as_bytes(std::span(digests_)));
    first_ = static_cast<size_t>(first);
    digests_.assign(static_cast<size_t>(count) * kHexDigits, '0');
  }

  template <typename Work>
  auto timed(Work work) {
    const auto start = std::chrono::steady_clock::now();
    auto result = work();
    scores_.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return result;
  }

  Tensor logits(const Tensor& hidden) {
    return timed([&] { return decoder.logits(ctx_, hidden); });
  }

  // Scores one row of logits [V] and returns its log of the sum of exponentials.
  double take(int64_t token, std::span<const float> row) {
    const double normalizer = kernels::log_sum_exp(row.data(), static_cast<int64_t>(row.size()));
    const auto i = static_cast<size_t>(token);
    scores_.nll[i] = static_cast<float>(normalizer - row[static_cast<size_t>(tokens_[i])]);
    Sha256 digest;
    digest.update(std::as_bytes(row));
    digest.hex().copy(&digests_[(i - first_) * kHexDigits], kHexDigits);
    return normalizer;
  }

  Scores finish() {
    double sum = 0;
    for (const float nll : scores_.nll) sum += nll;
    scores_.mean_nll = sum / static_cast<double>(scores_.nll.size());
    scores_.perplexity = std::exp(scores_.mean_nll);
    expect(0, 0);
    scores_.logits_sha256 = logits_digest_.hex();
    return std::move(scores_);
  }

  const Decoder& decoder;

 private:
  Context& ctx_;
  const std::vector<int32_t>& tokens_;
  size_t first_ = 0;
  std::string digests_;  // of rows from first_ on; those before are in logits_digest_
  Sha256 logits_digest_;
  Scores scores_;
};

std::span<const float> row_of(const Tensor& logits, int64_t i) {
  return {logits.f32() + i * logits.size(1), static_cast<size_t>(logits.size(1))};
}

void check(const Model& model, const std::vector<int32_t>& tokens, const PerplexityOptions& options) {
  if (tokens.empty()) fail("the text has no tokens to score");
  if (options.context < 2)
    throw UsageError(fmt::format("--context {}: a run needs at least 2 positions", options.context));
  if (options.context > model.decoder.config.max_positions) {
    throw UsageError(fmt::format("--context {}: {} has only {} positions", options.context, model.directory.string(),
                                 model.decoder.config.max_positions));
  }
  for (const int32_t token : tokens) {
    if (token >= model.decoder.head.rows())
      fail("{}: token id {} is outside its vocabulary", model.directory.string(), token);
  }
}

// Activations that overflow end in logits that say nothing.
void require_finite(const Scores& scores, const Model& model) {
  if (std::isfinite(scores.mean_nll)) return;
  const auto bad = std::find_if(scores.nll.begin(), scores.nll.end(), [](float nll) { return !std::isfinite(nll); });
  fail("{}: its logits are NaN or infinite, first at token {} of the text; the model is damaged",
       printable(model.directory.string()), bad - scores.nll.begin() + 1);
}

// KL(p || q) of two rows of logits, whose logs of the sums of exponentials are known.
double kl_divergence(std::span<const float> p, double p_normalizer, std::span<const float> q, double q_normalizer,
                     Threads& threads) {
  double sum = 0, mass = 0;
  std::vector<float> probabilities(p.size());
  kernels::softmax_rows(p.data(), 1, static_cast<int64_t>(p.size()), probabilities.data(), threads);
  for (size_t i = 0; i < p.size(); ++i) {
    sum += static_cast<double>(probabilities[i]) * (static_cast<double>(p[i]) - q[i]);
    mass += probabilities[i];
  }
  return std::max(0.0, sum / mass + q_normalizer - p_normalizer);
}

void add_interval(Comparison& result) {
  const auto n = static_cast<double>(result.model.nll.size());
  const double mean = result.model.mean_nll - result.baseline.mean_nll;
  double squares = 0;
  for (size_t i = 0; i < result.model.nll.size(); ++i) {
    const double d = static_cast<double>(result.model.nll[i]) - result.baseline.nll[i] - mean;
    squares += d * d;
  }
  constexpr double k95 = 1.959964;  // of the normal distribution
  const double half = n > 1 ? k95 * std::sqrt(squares / (n - 1) / n) : 0;
  result.ratio = std::exp(mean);
  result.ratio_low = std::exp(mean - half);
  result.ratio_high = std::exp(mean + half);
}

// Shows the logits of rows [0, m) slice by slice, one tensor [M,V] a model; visit(row, logits, row of the slice).
template <typename Rows, typename Visit>
void visit_logits(Context& ctx, std::span<Scorer* const> scorers, int64_t m, const Rows& rows, Visit&& visit) {
  const int64_t slice = std::max<int64_t>(1, kLogitsAtOnce / scorers[0]->decoder.head.rows());
  for (int64_t begin = 0; begin < m; begin += slice) {
    const int64_t n = std::min(slice, m - begin);
    std::vector<Tensor> logits;
    for (size_t i = 0; i < scorers.size(); ++i) logits.push_back(scorers[i]->logits(rows(i, begin, n)));
    ctx.threads.for_range(n, 1, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) visit(begin + i, logits, i);
    });
  }
}

// Feeds the text to all models side by side and shows each slice of logits.
template <typename Visit>
void walk(Context& ctx, std::span<const Model* const> models, std::span<Scorer* const> scorers, const Runs& runs,
          const PerplexityOptions& options, Visit&& visit) {
  for (int64_t run = 0; run < runs.count(); run += options.batch) {
    const int64_t count = std::min(options.batch, runs.count() - run);
    const int64_t first = runs.begin(run), last = runs.begin(run + count - 1) + runs.length(run + count - 1);
    for (Scorer* scorer : scorers) scorer->expect(first, last - first);
    std::vector<RunFeeder> feeders;
    for (const Model* model : models) {
      const Format cache = cache_format_named(model == models.front() ? options.cache : "auto", model->decoder);
      feeders.emplace_back(*model, runs, run, count, cache, options.chunk);
    }
    for (;;) {
      std::vector<HiddenRows> rows;
      for (size_t i = 0; i < scorers.size(); ++i)
        rows.push_back(scorers[i]->timed([&] { return feeders[i].next(ctx); }));
      const auto m = static_cast<int64_t>(rows[0].tokens.size());
      if (m == 0) break;
      visit_logits(
          ctx, scorers, m, [&](size_t i, int64_t begin, int64_t n) { return rows[i].hidden.rows(begin, n); },
          [&](int64_t row, const std::vector<Tensor>& logits, int64_t i) {
            visit(rows[0].tokens[static_cast<size_t>(row)], logits, i);
          });
      if (options.progress) options.progress(m);
    }
  }
}

// Two models, row by row, in whatever order they come.
class Comparing {
 public:
  Comparing(Context& ctx, const Decoder& model, const Decoder& baseline, const std::vector<int32_t>& tokens)
      : ctx_(ctx), ours_(ctx, model, tokens), theirs_(ctx, baseline, tokens), agrees_(tokens.size()) {
    result_.kl.resize(tokens.size());
  }
  std::span<Scorer* const> scorers() const { return scorers_; }

  void operator()(int64_t token, const std::vector<Tensor>& logits, int64_t i) {
    const auto row = row_of(logits[0], i), their_row = row_of(logits[1], i);
    const double normalizer = ours_.take(token, row), their_normalizer = theirs_.take(token, their_row);
    const auto at = static_cast<size_t>(token);
    const auto vocabulary = static_cast<int64_t>(row.size());
    result_.kl[at] = static_cast<float>(kl_divergence(their_row, their_normalizer, row, normalizer, ctx_.threads));
    agrees_[at] = kernels::argmax(row.data(), vocabulary) == kernels::argmax(their_row.data(), vocabulary);
  }

  Comparison finish() {
    result_.model = ours_.finish();
    result_.baseline = theirs_.finish();
    const auto n = static_cast<double>(agrees_.size());
    for (size_t i = 0; i < agrees_.size(); ++i) {
      result_.mean_kl += result_.kl[i];
      result_.top1_agreement += agrees_[i];
    }
    result_.mean_kl /= n;
    result_.top1_agreement /= n;
    add_interval(result_);
    return std::move(result_);
  }

 private:
  Context& ctx_;
  Scorer ours_, theirs_;
  Scorer* const scorers_[2] = {&ours_, &theirs_};
  std::vector<uint8_t> agrees_;
  Comparison result_;
};

}  // namespace

Scores score(Context& ctx, const Model& model, const std::vector<int32_t>& tokens, const PerplexityOptions& options) {
  check(model, tokens, options);
  Scorer scorer(ctx, model.decoder, tokens);
  Scorer* const scorers[] = {&scorer};
  const Model* const models[] = {&model};
  walk(ctx, models, scorers, Runs(tokens, options.context), options,
       [&](int64_t token, const std::vector<Tensor>& logits, int64_t row) {
         scorer.take(token, row_of(logits[0], row));
       });
  Scores scores = scorer.finish();
  require_finite(scores, model);
  return scores;
}

Comparison compare(Context& ctx, const Model& model, const Model& baseline, const std::vector<int32_t>& tokens,
                   const PerplexityOptions& options) {
  check(model, tokens, options);
  check(baseline, tokens, options);
  if (model.decoder.head.rows() != baseline.decoder.head.rows()) {
    fail("{} has {} logits and {} has {}: they cannot be compared", model.directory.string(), model.decoder.head.rows(),
         baseline.directory.string(), baseline.decoder.head.rows());
  }
  Comparing comparing(ctx, model.decoder, baseline.decoder, tokens);
  const Model* const models[] = {&model, &baseline};
  walk(ctx, models, comparing.scorers(), Runs(tokens, options.context), options, comparing);
  Comparison comparison = comparing.finish();
  require_finite(comparison.baseline, baseline);
  require_finite(comparison.model, model);
  return comparison;
}

Comparison compare(Context& ctx, const HiddenText& model, const HiddenText& baseline,
                   const std::vector<int32_t>& tokens) {
  if (tokens.empty()) fail("the text has no tokens to score");
  Comparing comparing(ctx, model.end, baseline.end, tokens);
  const auto rows = [&](size_t i, int64_t begin, int64_t n) {
    comparing.scorers()[i]->expect(begin, n);
    return (i == 0 ? model : baseline).rows(begin, n);
  };
  visit_logits(ctx, comparing.scorers(), static_cast<int64_t>(tokens.size()), rows, comparing);
  return comparing.finish();
}

}  // namespace octet
