#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "compress/sensitivity.h"

namespace octet {

/// "candidate-12": the directory of the model with so many wide units.
std::string candidate_name(size_t kept);

/// What a search for a contract has found, kept in a directory until it ends, so that the same search goes on there
/// after it was killed. What another search left is removed.
class ContractWork {
 public:
  ContractWork(std::filesystem::path directory, const std::string& identity);

  /// Those that an earlier run measured; none where they are damaged or of other schemes.
  std::optional<std::vector<Sensitivity>> sensitivities(std::span<const Scheme* const> schemes) const;
  void keep(const std::vector<Sensitivity>& units) const;

  std::filesystem::path candidate(size_t kept) const { return directory_ / candidate_name(kept); }
  /// Whether an earlier run finished it. One that is damaged is removed.
  bool has_candidate(size_t kept) const;
  void keep_candidate(size_t kept) const;

  void clear() const;

 private:
  std::filesystem::path directory_;
};

}  // namespace octet
