#include "compress/identity.h"

#include "base/output.h"
#include "base/sha256.h"
#include "compress/save.h"
#include "compress/work_file.h"

namespace octet {

namespace fs = std::filesystem;

FileHashes hashes_of_inputs(const Checkpoint& checkpoint, const CompressOptions& options,
                            const std::atomic<bool>& stop) {
  std::vector<fs::path> files{checkpoint.directory() / "config.json"};
  for (const auto& file : checkpoint.files()) files.push_back(file->path());
  std::error_code error;
  if (options.calibration && options.calibration_sha256.empty()) files.push_back(*options.calibration);
  for (const fs::path& file : {checkpoint.directory() / "tokenizer.json", fs::path(options.recipe)}) {
    if (fs::is_regular_file(file, error)) files.push_back(file);
  }
  FileHashes hashes;
  if (options.calibration) hashes[options.calibration->filename().string()] = options.calibration_sha256;
  for (const fs::path& file : files) hashes[file.filename().string()] = hash_of_file(file, stop);
  return hashes;
}

std::string identity_of(const CompressOptions& options, const FileHashes& hashes, const std::string& more) {
  const std::string& command = options.deciding.empty() ? options.command : options.deciding;
  std::string text = OCTET_VERSION + ("\n" + command) + "\n";
  for (const auto& [file, hash] : hashes) text += hash + " " + file + "\n";
  text += more + "\n";
  return sha256_hex(text) + "\n" + command;
}

std::string reason_not_to_use(const fs::path& work, const std::string& identity) {
  const std::string before = text_or_nothing(work / "identity");
  if (before.empty() || before == identity || !has_finished_parts(work)) return "";
  const auto command = [](const std::string& text) { return text.substr(std::min(text.find('\n'), text.size())); };
  if (command(before) != command(identity)) return "it was made by: " + command(before).substr(1);
  return "a file of the model, a text or octet itself is not the same as then";
}

}  // namespace octet
