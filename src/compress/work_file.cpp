#include "compress/work_file.h"

#include <set>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/output.h"
#include "base/sha256.h"
#include "compress/save.h"

namespace octet {
namespace {

namespace fs = std::filesystem;

fs::path seal_of(const fs::path& path) {
  fs::path seal = path;
  seal += ".sha256";
  return seal;
}

// Of an empty file too, which cannot be mapped.
std::string hash_of(const fs::path& file) {
  return fs::file_size(file) == 0 ? sha256_hex("") : hash_of_file(file, false);
}

std::string hash_of_all(const fs::path& path) {
  if (!fs::is_directory(path)) return hash_of(path);
  std::set<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) files.insert(entry.path());
  }
  std::string text;
  for (const fs::path& file : files) text += hash_of(file) + " " + file.lexically_relative(path).string() + "\n";
  return sha256_hex(text);
}

}  // namespace

void seal(const fs::path& path, const fs::path& bytes_of) {
  write_file_atomically(seal_of(path), hash_of_all(bytes_of));
}

bool is_sealed(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return false;
  try {
    return hash_of_all(path) == text_or_nothing(seal_of(path));
  } catch (const Error&) {
    return false;
  } catch (const fs::filesystem_error&) {
    return false;
  }
}

std::string text_or_nothing(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error) || fs::file_size(path, error) == 0) return "";
  try {
    const MappedFile file(path);
    return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
  } catch (const Error&) {
    return "";
  }
}

}  // namespace octet
