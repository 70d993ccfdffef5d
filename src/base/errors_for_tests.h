#pragma once
#include <gtest/gtest.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <initializer_list>
#include <sstream>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/sanitized.h"

namespace octet {

/// A directory of the running test's own, empty, removed with the object.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "octet-test-XXXXXX").string();
    if (!mkdtemp(name.data())) ADD_FAILURE() << "no temporary directory";
    path_ = name;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline void write_bytes(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline std::string read_bytes(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

/// Expects an Error of one printable line that contains each of `parts`, within a second of computing (ten
/// under a sanitizer).
inline void expect_error(const std::function<void()>& body, std::initializer_list<std::string_view> parts) {
  const std::clock_t begin = std::clock();
  std::string message;
  try {
    body();
    ADD_FAILURE() << "no error; expected one with \"" << (parts.size() ? *parts.begin() : "") << "\"";
    return;
  } catch (const Error& error) {
    message = error.what();
  }
  const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  const double most = kSanitized ? 10 : 1;
  EXPECT_LT(seconds, most) << message;
  EXPECT_LT(message.size(), 1000u) << message;
  for (const unsigned char c : message) EXPECT_TRUE(c >= 0x20 && c != 0x7F) << message;
  for (const auto part : parts) EXPECT_NE(message.find(part), std::string::npos) << part << " is not in: " << message;
}

}  // namespace octet
