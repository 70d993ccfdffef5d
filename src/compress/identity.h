#pragma once
#include <atomic>
#include <map>
#include <string>

#include "compress/options.h"
#include "files/checkpoint.h"

namespace octet {

using FileHashes = std::map<std::string, std::string>;  // SHA-256 by file name

/// Of every file that is read: the model's and the calibration text. "" for each that is not reached once `stop` is
/// set.
FileHashes hashes_of_inputs(const Checkpoint& checkpoint, const CompressOptions& options,
                            const std::atomic<bool>& stop);

/// A hash of what decides every byte of unfinished work: the program, the command, what its files say, and `more`.
std::string identity_of(const Checkpoint& checkpoint, const CompressOptions& options, const FileHashes& hashes,
                        const std::string& more);

}  // namespace octet
