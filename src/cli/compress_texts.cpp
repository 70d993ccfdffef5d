#include <filesystem>

#include "base/error.h"
#include "base/escape.h"
#include "cli/compress_arguments.h"
#include "cli/output.h"
#include "compress/calibration_text.h"
#include "compress/sequences.h"

namespace octet::cli {
namespace {

std::string text_in(const std::string& file, size_t enough = SIZE_MAX) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(file, error);
  const bool is_device = std::filesystem::is_character_file(status) || std::filesystem::is_block_file(status);
  if (is_device) fail("{}: is a device, not a file of text", printable(file));
  if (std::filesystem::is_directory(status)) fail("{}: is a directory, not a file of text", printable(file));
  TextInput input(file);
  return calibration_text([&](char* to, size_t size) { return input.read(to, size); }, file, enough);
}

// Cuts the last tenth off a text.
std::string last_tenth_of(std::string& text) {
  size_t border = text.size() / 10 * 9;
  while (border > 0 && (static_cast<unsigned char>(text[border]) & 0xC0) == 0x80) --border;
  std::string tenth = text.substr(border);
  text.resize(border);
  return tenth;
}

}  // namespace

Texts texts_of(const CompressArguments& o) {
  const bool verified = !contract_of(o).empty(), measured = verified || !o.report.empty();
  Texts texts;
  if (!o.validation.empty() || !measured) {
    const auto enough = static_cast<size_t>(text_bytes_of(o.calibration_tokens));
    if (!o.calibration.empty()) texts.calibration = text_in(o.calibration, enough);
    if (measured) texts.validation = text_in(o.validation);
    return texts;
  }
  if (o.calibration.empty()) {
    throw UsageError(fmt::format(
        "{} on a text: give --validation FILE, or --calibration FILE of which the last tenth is kept for it",
        verified ? "a contract is verified" : "--report measures the model before and after"));
  }
  texts.calibration = text_in(o.calibration);
  if (texts.calibration.empty()) fail("{}: there is no text in it to watch the model on", printable(o.calibration));
  texts.validation = last_tenth_of(texts.calibration);
  return texts;
}

}  // namespace octet::cli
