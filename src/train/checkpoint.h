#pragma once
#include <filesystem>
#include <string>

#include "train/trainer.h"

namespace octet::train {

/// What a run knows besides the trainer's numbers.
struct RunState {
  std::string fingerprint;  // of the recipe
  std::string data;         // SHA-256 of the tokens it is trained on
  std::string models;       // SHA-256 of the float model and the compressed one, once there are any
  double best_loss = 0;     // of validation; 0: none yet
  int64_t validations_since_best = 0;
  double first_loss = 0, smooth_loss = 0, last_loss = 0;
};

/// Writes parameters, the optimizer's moments, amax histories and the state as one file, beside `file`, and renames it:
/// what was there before stays until the new one is whole.
void save_checkpoint(const std::filesystem::path& file, Trainer& trainer, const RunState& state);

/// The step after which it was written. Throws Error where it is of another recipe or other data than `expected`.
int64_t steps_of_checkpoint(const std::filesystem::path& file, const RunState& expected);

/// Fills the trainer; its next step is the one the run would have taken. Throws Error where the file is damaged or of
/// another recipe, other data or other models than `expected` says.
RunState load_checkpoint(const std::filesystem::path& file, Trainer& trainer, const RunState& expected);

}  // namespace octet::train
