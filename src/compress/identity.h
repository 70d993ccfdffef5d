#pragma once
#include <atomic>
#include <map>
#include <string>

#include "compress/options.h"
#include "files/checkpoint.h"

namespace octet {

using FileHashes = std::map<std::string, std::string>;  // SHA-256 by file name

/// Of every file that is read: the model's, its tokenizer's, the calibration text and the recipe. "" for each that is
/// not reached once `stop` is set.
FileHashes hashes_of_inputs(const Checkpoint& checkpoint, const CompressOptions& options,
                            const std::atomic<bool>& stop);

/// What decides every byte of unfinished work: a hash of the program, the command, what its files say, and `more`; and,
/// on a line of its own, the command.
std::string identity_of(const CompressOptions& options, const FileHashes& hashes, const std::string& more);

/// Why a run of `identity` does not go on with what an earlier one finished in the directory `work`; "": it does, or
/// nothing was finished.
std::string reason_not_to_use(const std::filesystem::path& work, const std::string& identity);

}  // namespace octet
