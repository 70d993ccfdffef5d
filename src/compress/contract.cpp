#include "compress/contract.h"

#include "base/error.h"
#include "base/escape.h"
#include "base/output.h"
#include "base/sha256.h"
#include "base/units.h"
#include "compress/contract_work.h"
#include "compress/identity.h"
#include "compress/modules.h"
#include "compress/save.h"
#include "eval/speed.h"
#include "run/model.h"

namespace octet {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kHeldRows = int64_t{64} << 20;  // bytes of rows that stand in memory
constexpr int64_t kDecodedTokens = 32;
constexpr int kDecodedRuns = 5;
constexpr size_t kTriesBetween = 12;

// A latency is that of a model that runs, which reuses its activations' memory.
struct Reuse {
  size_t before = StorageReuse::limit(StorageReuse::kKeptBytes);
  ~Reuse() { StorageReuse::limit(before); }
};

class Search {
 public:
  Search(const ContractTask& task, const ContractWork& work, const FileHashes& hashes, const fs::path& place,
         Threads& threads)
      : task_(task),
        work_(work),
        hashes_(hashes),
        place_(place),
        threads_(threads),
        ctx_(threads),
        baseline_loader_(task.checkpoint, threads),
        baseline_end_(end_of(baseline_loader_)),
        context_(std::min<int64_t>(task.options.context, baseline_loader_.config().max_positions)),
        sequences_(sequences_of(baseline_loader_.config(), task.options.model, context_, task.validation)),
        baseline_(run_layer_by_layer(ctx_, task.checkpoint, sequences_, spill("baseline"))) {}

  ContractResult run() {
    measure();
    search(!task_.contract.about_quality());
    return std::move(result_);
  }

 private:
  // In memory where that is little.
  fs::path spill(const std::string& name) const {
    const int64_t bytes = Activations::bytes(sequences_.rows(), baseline_loader_.config().hidden, Format::F32);
    return bytes > kHeldRows ? place_ / name : fs::path();
  }

  void measure() {
    if (auto known = work_.sensitivities(task_.schemes)) {
      task_.tell("went on with the sensitivities that an earlier run had measured");
      result_.units = std::move(*known);
    } else {
      const Plan plan = make_plan(task_.checkpoint, task_.options);
      result_.units =
          measure_sensitivities(ctx_, task_.checkpoint, plan, task_.options, task_.schemes,
                                {sequences_, task_.validation, *baseline_, baseline_end_}, place_, task_.tell);
      work_.keep(result_.units);
    }
    if (result_.units.empty()) fail("{}: has no layers to compress", printable(task_.options.model.string()));
    std::stable_sort(result_.units.begin(), result_.units.end(), [](const Sensitivity& a, const Sensitivity& b) {
      return a.kl * static_cast<double>(b.bytes_saved) > b.kl * static_cast<double>(a.bytes_saved);
    });
  }

  // ---- models

  // The smallest count of wide units that holds, or the largest: more of them are taken to be better, and larger.
  void search(bool largest) {
    const size_t units = result_.units.size();
    // Of a contract about quality, a model that keeps it but is too large or too slow has too many wide units.
    const auto holds = [&](size_t kept) {
      const Candidate& candidate = make(kept);
      if (candidate.holds) result_.chosen = result_.candidates.size() - 1;
      return largest ? candidate.holds : candidate.keeps_quality;
    };
    if (holds(0) != largest) return choose_nearest();
    size_t low = 1, high = units;  // the border lies in low … high
    while (low < high) {
      const size_t middle = low + (high - low) / 2;
      if (holds(middle) == largest)
        low = middle + 1;
      else
        high = middle;
    }
    const bool met = result_.candidates[result_.chosen].holds;
    if (!met && task_.contract.max_perplexity_increase && task_.contract.about_cost()) try_between();
    choose_nearest();
  }

  // KL divergence, size and latency go one way with the wide units. Perplexity does not: before its contract is called
  // unmet, models between those that were made are.
  void try_between() {
    const Contract& contract = task_.contract;
    size_t low = 0, high = result_.units.size();
    std::vector<bool> tried(high + 1);
    for (const Candidate& c : result_.candidates) {
      tried[c.kept] = true;
      const bool far = contract.max_kl && c.comparison.mean_kl > *contract.max_kl;
      const bool large = contract.max_bytes && c.bytes > *contract.max_bytes;
      const bool slow = contract.max_latency && c.latency > *contract.max_latency;
      if (far) low = std::max(low, c.kept + 1);
      if (large || slow) high = std::min(high, c.kept);
    }
    if (low >= high) return;
    const size_t step = (high - low - 1) / kTriesBetween + 1;
    for (size_t kept = low; kept < high; kept += step) {
      if (tried[kept] || !make(kept).holds) continue;
      result_.chosen = result_.candidates.size() - 1;
      return;
    }
  }

  // Of those that miss, the one that does best by its own worst.
  void choose_nearest() {
    if (result_.candidates[result_.chosen].holds) return;
    double least = std::numeric_limits<double>::infinity();
    for (size_t i = 0; i < result_.candidates.size(); ++i) {
      const double miss = times_over(task_.contract, result_.candidates[i]);
      if (!(miss < least)) continue;
      least = miss;
      result_.chosen = i;
    }
  }

  CompressOptions options_of(size_t kept) const {
    CompressOptions options = task_.options;
    options.output = work_.candidate(kept);
    options.force = true;
    QuantizationConfig groups;
    for (const Scheme* scheme : task_.schemes) {
      ConfigGroup group{{}, scheme->weights, scheme->activations, scheme->storage};
      for (size_t i = kept; i < result_.units.size(); ++i) {
        const Sensitivity& unit = result_.units[i];
        if (unit.scheme == scheme) group.targets.insert(group.targets.end(), unit.modules.begin(), unit.modules.end());
      }
      if (!group.targets.empty()) groups.groups.push_back(std::move(group));
    }
    for (size_t i = 0; i < kept; ++i) {
      const Sensitivity& unit = result_.units[i];
      groups.ignore.insert(groups.ignore.end(), unit.modules.begin(), unit.modules.end());
    }
    if (!options.include_head) groups.ignore.emplace_back(kHead);
    options.groups = std::move(groups);
    options.command += fmt::format(" # {} of {} units stay wide", kept, result_.units.size());
    return options;
  }

  const Candidate& make(size_t kept) {
    Candidate candidate{kept};
    if (kept == result_.units.size()) {  // nothing is compressed: known without making it
      candidate.miss = "every layer would have to stay as it is";
      candidate.keeps_quality = true;
      candidate.bytes = bytes_of_directory(task_.options.model);
      result_.candidates.push_back(candidate);
      return result_.candidates.back();
    }
    const CompressOptions options = options_of(kept);
    make_or_take_up(kept, options);
    candidate.bytes = bytes_of_directory(options.output);
    candidate.comparison = compare_with_baseline(options);
    if (task_.contract.max_latency) candidate.latency = latency_of(options.output);
    candidate.miss = miss_of(task_.contract, candidate);
    candidate.holds = candidate.miss.empty();
    candidate.keeps_quality = keeps_quality(task_.contract, candidate);
    const std::string latency = task_.contract.max_latency ? ", a token takes " + human_seconds(candidate.latency) : "";
    task_.tell(fmt::format(
        "{} of {} units stay wide: {} of files, perplexity {:+.3f} % (at most {:+.3f} %), KL divergence {:.2e}{}: {}",
        kept, result_.units.size(), human_bytes(static_cast<double>(candidate.bytes)),
        100 * (candidate.comparison.ratio - 1), 100 * (candidate.comparison.ratio_high - 1),
        candidate.comparison.mean_kl, latency, candidate.holds ? "holds" : candidate.miss));
    result_.candidates.push_back(std::move(candidate));
    return result_.candidates.back();
  }

  void make_or_take_up(size_t kept, const CompressOptions& options) {
    if (work_.has_candidate(kept)) {
      task_.tell(fmt::format("went on with the model with {} wide units that an earlier run had made", kept));
      write_provenance(options, hashes_, options.output);  // its bounds may be others now
      work_.keep_candidate(kept);
      if (task_.take_up) task_.take_up(options);
      return;
    }
    task_.make(options);
    work_.keep_candidate(kept);
  }

  Comparison compare_with_baseline(const CompressOptions& made) {
    const Checkpoint checkpoint = Checkpoint::open(made.output);
    const auto rows = run_layer_by_layer(ctx_, checkpoint, sequences_, spill("candidate"));
    const DecoderLoader loader(checkpoint, threads_);
    const bool same_head = !made.include_head && !made.pipeline.rotation;
    const Decoder end = end_of(loader, same_head ? &baseline_end_.head : nullptr);
    const auto reader = [this](const Activations& of) {
      return [this, &of](int64_t begin, int64_t count) { return of.read(begin, count, threads_); };
    };
    return compare(ctx_, {end, reader(*rows)}, {baseline_end_, reader(*baseline_)}, task_.validation);
  }

  // Of the slowest run: who measures again is to find it kept.
  double latency_of(const fs::path& model) {
    const Reuse reuse;
    const LoadedDecoder loaded = load_decoder(model, threads_);
    const SpeedOptions options{.prefill = 0, .decode = kDecodedTokens, .repeat = kDecodedRuns};
    const Speed speed = measure_speed(ctx_, loaded.decoder, options);
    return 1 / std::max(speed.slowest_decode_tokens_per_second, 1e-9);
  }

  static int64_t bytes_of_directory(const fs::path& directory) {
    int64_t bytes = 0;
    for (const auto& entry : fs::recursive_directory_iterator(directory)) {
      if (entry.is_regular_file()) bytes += static_cast<int64_t>(entry.file_size());
    }
    return bytes;
  }

  const ContractTask& task_;
  const ContractWork& work_;
  const FileHashes& hashes_;
  const fs::path& place_;
  Threads& threads_;
  Context ctx_;
  DecoderLoader baseline_loader_;
  Decoder baseline_end_;
  int64_t context_;
  Sequences sequences_;
  std::unique_ptr<Activations> baseline_;
  ContractResult result_;
};

std::string identity_of_search(const ContractTask& task, const FileHashes& hashes) {
  std::string more = "contract";
  for (const Scheme* scheme : task.schemes) more += fmt::format(" {}", scheme->name);
  Sha256 tokens;
  tokens.update(std::as_bytes(std::span(task.validation)));
  more += " " + tokens.hex();
  return identity_of(task.options, hashes, more);
}

// The candidates go, the chosen one takes the output's name.
void keep_chosen(const fs::path& candidate, OutputDirectory& output) {
  for (const auto& entry : fs::directory_iterator(candidate)) {
    fs::rename(entry.path(), output.path() / entry.path().filename());
  }
  output.commit();
}

}  // namespace

ContractResult fulfil(const ContractTask& task, Threads& threads) {
  OutputDirectory output(task.options.output, task.options.force, true);
  const FileHashes hashes = hashes_of_inputs(task.checkpoint, task.options, false);
  const std::string identity = identity_of_search(task, hashes);
  if (const std::string reason = reason_not_to_use(output.work(), identity); !reason.empty())
    task.tell("the work of an earlier run is not used: " + reason);
  const ContractWork work(output.work(), identity);
  const fs::path rows = output.path() / "rows";
  fs::create_directory(rows);
  const ContractResult result = Search(task, work, hashes, rows, threads).run();
  fs::remove_all(rows);
  if (!result.holds()) {
    work.clear();
    return result;
  }
  const fs::path chosen = work.candidate(result.candidates[result.chosen].kept);
  if (task.finish) task.finish(chosen, result);
  keep_chosen(chosen, output);
  return result;
}

}  // namespace octet
