#pragma once
#include <string>

#include "base/json_fwd.h"
#include "compress/pipeline.h"

namespace octet {

/// Reads llm-compressor's `mappings`, a list of [[balance layers], smooth layer] or of objects with smooth_layer and
/// balance_layers: the balance layers are smoothed, their factors go into the smooth layer. Throws Error naming `where`
/// for a mapping that no layer has, or only some layers, or that leaves out a matrix the factors reach.
SmoothingPlaces read_mappings(const Json& mappings, const std::string& where);

}  // namespace octet
