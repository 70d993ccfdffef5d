#include "compress/rotate_ends.h"

#include "compress/matrix_source.h"
#include "compress/modules.h"
#include "compress/work_file.h"

namespace octet {
namespace {

constexpr int64_t kPieceBytes = int64_t{16} << 20;
constexpr const char* kFinalNorm = "model.norm.weight";

// Rows of F32 numbers: columns multiplied, then rotated, then in the dtype they are stored in.
class RotatedTable {
 public:
  RotatedTable(const Rotation& rotation, std::vector<float> columns, Threads& threads)
      : rotation_(rotation), columns_(std::move(columns)), threads_(threads) {}

  Tensor rotated(const Tensor& rows, DType dtype) const {
    const Tensor numbers = to_f32(rows);
    const int64_t d = rows.size(1);
    Tensor x(rows.shape());
    for (int64_t i = 0; i < x.elements(); ++i) {
      x.f32()[i] = numbers.f32()[i] * (columns_.empty() ? 1.0f : columns_[static_cast<size_t>(i % d)]);
    }
    rotation_.rotate_rows(x, threads_);
    return from_f32(x, dtype);
  }

 private:
  const Rotation& rotation_;
  std::vector<float> columns_;
  Threads& threads_;
};

int64_t rows_at_once(int64_t d) {
  return std::max<int64_t>(1, kPieceBytes / (d * 4));
}

const ModulePlan* head_plan(const Plan& plan) {
  const bool has = !plan.modules.empty() && plan.modules.back().name == kHead;
  return has ? &plan.modules.back() : nullptr;
}

}  // namespace

bool has_even_final_norm(const Checkpoint& checkpoint) {
  const Tensor norm = to_f32(checkpoint.tensor(kFinalNorm));
  const float* const begin = norm.f32();
  return std::all_of(begin, begin + norm.elements(), [&](float x) { return x == *begin; });
}

void rotate_ends(const Checkpoint& checkpoint, const Plan& plan, const Rotation& rotation,
                 const std::filesystem::path& path, Threads& threads) {
  const std::string embedding(kEmbedding), head = std::string(kHead) + ".weight";
  const int64_t rows = plan.model.vocabulary, d = plan.model.hidden, step = rows_at_once(d);
  const DType dtype = checkpoint.info(embedding).dtype;
  const bool own_head = !plan.model.tied || plan.unties_head;
  const bool even = has_even_final_norm(checkpoint);
  Tensor norm = to_f32(checkpoint.tensor(kFinalNorm));
  std::vector<float> columns(norm.f32(), norm.f32() + d);
  Tensor kept({d});
  std::fill_n(kept.f32(), d, even ? norm.f32()[0] : 1.0f);

  std::vector<TensorInfo> infos{{embedding, dtype, {rows, d}}};
  if (own_head) infos.push_back({head, dtype, {rows, d}});
  infos.push_back({kFinalNorm, checkpoint.info(kFinalNorm).dtype, {d}});
  std::filesystem::path beside = path;
  beside += ".new";
  SafetensorsWriter writer(beside, infos);
  const auto put = [&](const Tensor& x) { writer.write(x.raw(), static_cast<size_t>(x.bytes())); };
  const RotatedTable table(rotation, {}, threads);
  for (int64_t row = 0; row < rows; row += step) {
    put(table.rotated(checkpoint.rows(embedding, row, std::min(step, rows - row)), dtype));
  }
  if (own_head) {
    const RotatedTable of_head(rotation, even ? std::vector<float>() : columns, threads);
    ModulePlan plain{
        .name = std::string(kHead), .weight = plan.model.tied ? embedding : head, .n = rows, .k = d, .dtype = dtype};
    MatrixSource source(checkpoint, head_plan(plan) ? *head_plan(plan) : plain);
    const int64_t blocks = std::max<int64_t>(1, step / source.row_step()) * source.row_step();
    for (int64_t row = 0; row < rows; row += blocks) {
      put(of_head.rotated(source.rows(row, std::min(blocks, rows - row), dtype), dtype));
    }
  }
  put(from_f32(kept, infos.back().dtype));
  writer.finish(true);
  seal(path, beside);
  std::filesystem::rename(beside, path);
}

}  // namespace octet
