#pragma once
#include <map>
#include <string>
#include <vector>

#include "compress/plan.h"

namespace octet {

/// Writes config.json with the quantization_config of the plan.
void write_config(const Checkpoint& checkpoint, const Plan& plan, const std::filesystem::path& directory);

/// A file of the model's directory, and whether it goes into the output.
struct OtherFile {
  std::filesystem::path path;
  std::string left_out;  // the reason; empty: it is copied
};
/// What stands in the model's directory besides config.json and the weights, by name.
std::vector<OtherFile> other_files(const Checkpoint& checkpoint);
void copy_into(const std::filesystem::path& from, const std::filesystem::path& directory);

/// octet.json: version, command, scheme, and the SHA-256 of every input file.
void write_provenance(const CompressOptions& options, const std::map<std::string, std::string>& hashes,
                      const std::filesystem::path& directory);

/// SHA-256 of a file, read once, its pages given back behind the reader; "" once `stop` is set.
std::string hash_of_file(const std::filesystem::path& path, const std::atomic<bool>& stop);

}  // namespace octet
