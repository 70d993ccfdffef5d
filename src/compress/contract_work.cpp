#include "compress/contract_work.h"

#include "base/error.h"
#include "base/json.h"
#include "base/output.h"
#include "base/sha256.h"
#include "compress/work_file.h"

namespace octet {
namespace {

namespace fs = std::filesystem;

constexpr const char *kIdentity = "identity", *kSensitivities = "sensitivities.json";

const Scheme* scheme_of(std::span<const Scheme* const> schemes, const std::string& name) {
  for (const Scheme* scheme : schemes) {
    if (scheme->name == name) return scheme;
  }
  fail("{}: is none of the schemes", name);
}

}  // namespace

std::string candidate_name(size_t kept) {
  return fmt::format("candidate-{}", kept);
}

ContractWork::ContractWork(fs::path directory, const std::string& identity) : directory_(std::move(directory)) {
  if (text_or_nothing(directory_ / kIdentity) == identity) return;
  clear();
  write_file_atomically(directory_ / kIdentity, identity);
}

std::optional<std::vector<Sensitivity>> ContractWork::sensitivities(std::span<const Scheme* const> schemes) const {
  const fs::path path = directory_ / kSensitivities;
  if (!is_sealed(path)) return std::nullopt;
  try {
    std::vector<Sensitivity> units;
    for (const Json& unit : parse_json(text_or_nothing(path), path.string())) {
      units.push_back({unit.at("modules").get<std::vector<std::string>>(),
                       scheme_of(schemes, unit.at("scheme").get<std::string>()), unit.at("kl").get<double>(),
                       unit.at("bytes_saved").get<int64_t>()});
    }
    return units;
  } catch (const Error&) {
    return std::nullopt;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

void ContractWork::keep(const std::vector<Sensitivity>& units) const {
  Json json = Json::array();
  for (const Sensitivity& unit : units) {
    json.push_back(
        {{"modules", unit.modules}, {"scheme", unit.scheme->name}, {"kl", unit.kl}, {"bytes_saved", unit.bytes_saved}});
  }
  write_file_atomically(directory_ / kSensitivities, json.dump());
  seal(directory_ / kSensitivities, directory_ / kSensitivities);
}

bool ContractWork::has_candidate(size_t kept) const {
  if (is_sealed(candidate(kept))) return true;
  fs::remove_all(candidate(kept));
  return false;
}

void ContractWork::keep_candidate(size_t kept) const {
  seal(candidate(kept), candidate(kept));
}

void ContractWork::clear() const {
  for (const auto& entry : fs::directory_iterator(directory_)) fs::remove_all(entry.path());
}

}  // namespace octet
