#pragma once
#include <filesystem>
#include <vector>

#include "compress/layer_maker.h"

namespace octet {

/// What a report shows of one layer, kept beside the layer's file so that a run that goes on can show it too.
struct LayerNotes {
  std::vector<SmoothingNote> smoothing;
  std::vector<ModuleNoise> noise;
};

void write_notes(const std::filesystem::path& path, const LayerNotes& notes);
/// Nothing where no such file is, or it is not whole.
LayerNotes read_notes(const std::filesystem::path& path);

}  // namespace octet
