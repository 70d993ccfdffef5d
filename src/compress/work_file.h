#pragma once
#include <filesystem>
#include <string>

namespace octet {

/// Writes the SHA-256 of `bytes_of` (a file or a directory's files) to PATH.sha256, so that a later run that goes on
/// with `path` sees whether it is whole.
void seal(const std::filesystem::path& path, const std::filesystem::path& bytes_of);

/// Whether `path` is there, sealed, and has the bytes that it was sealed with.
bool is_sealed(const std::filesystem::path& path);

/// The text of a small file; "" where it cannot be read.
std::string text_or_nothing(const std::filesystem::path& path);

}  // namespace octet
