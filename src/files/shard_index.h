#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace octet {

/// model.safetensors.index.json: which shard holds which tensor.
struct ShardIndex {
  std::map<std::string, size_t> shard_of;  // tensor to its place in `shards`
  std::vector<std::string> shards;         // file names inside the directory of the index, sorted
};

/// Throws Error naming file and key; at most 100,000 shards, none of them outside of the index's directory.
ShardIndex read_shard_index(const std::filesystem::path& path);

}  // namespace octet
