#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "compress/calibration.h"
#include "compress/matrix_source.h"
#include "compress/plan.h"
#include "quant/scale.h"

namespace octet {

constexpr int64_t kPieceBytes = 1 << 20;  // of input that a thread takes at once: it stays in the cache

/// Rows (of a matrix) or bytes (of what is copied) of one output tensor; all of what is small.
struct Piece {
  size_t tensor = 0;  // of plan.tensors
  int64_t begin = 0, count = 0;
};

/// Makes the bytes of output tensors, piece by piece, on any thread. Throws Error naming the tensor with a number that
/// is not finite.
class TensorMaker {
 public:
  TensorMaker(const Checkpoint& checkpoint, const Plan& plan, const CompressOptions& options,
              const Calibration& calibration);
  ~TensorMaker();

  /// Rows of a module that have to be taken together.
  int64_t row_step(int module);
  /// Before the first piece of its codes, on one thread.
  void prepare_codes(int module);
  /// Looks at numbers of a module whose scale others share; before the first codes of any of them.
  void look(int module, int64_t begin, int64_t count);
  /// The bytes of a piece, in `made` or in the mapped file. Small tensors of a module after all of its codes.
  std::span<const std::byte> make(const Piece& piece, std::vector<std::byte>& made);
  /// Nobody makes pieces of it any more: its input's pages are given back.
  void drop(const OutputTensor& tensor);

 private:
  struct ModuleState;
  struct SharedRange {
    std::mutex mutex;
    float range = 0;
  };

  ModuleState& state(int module);
  const ModulePlan& plan_of(int module) const;
  void forget_encoded(const OutputTensor& tensor);
  Tensor rows_of(int module, int64_t begin, int64_t count, DType dtype);
  Tensor scales_of_range(int module, float range);
  Tensor scales_of_ranges(int module, const Tensor& ranges);
  bool is_made(const OutputTensor& tensor) const;
  Tensor tensor_made(const OutputTensor& tensor);
  std::span<const std::byte> made_already(const OutputTensor& tensor, const Piece& piece, std::vector<std::byte>& made);
  std::span<const std::byte> copied(const OutputTensor& tensor, const Piece& piece, std::vector<std::byte>& made);
  std::span<const std::byte> numbers(const OutputTensor& tensor, const Piece& piece, std::vector<std::byte>& made);
  std::span<const std::byte> codes(const OutputTensor& tensor, const Piece& piece, std::vector<std::byte>& made);
  const Tensor& codebook_of(int module);
  Tensor small_tensor(const OutputTensor& tensor);
  StaticScale input_scale(const ModulePlan& module) const;
  Tensor cache_scale(const OutputTensor& tensor) const;

  const Checkpoint& checkpoint_;
  const Plan& plan_;
  const CompressOptions& options_;
  const Calibration& calibration_;
  std::vector<std::unique_ptr<ModuleState>> modules_;
  std::vector<SharedRange> ranges_;  // of plan.range_sets
};

/// Whether a part is cut into pieces; others are small.
bool is_cut(Part part);

}  // namespace octet
